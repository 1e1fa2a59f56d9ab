"""Packages that are needed for one thing only, and installed by an extra of that name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ("needed",)


def needed(module: str, extra: str) -> Any:
    """Import a module of another package.

    Args:
        module: Full name of the module.
        extra: The extra of virtchunk that installs its package.

    Raises:
        ImportError: The package, or one that it needs, is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"this needs {package}, which cannot be imported ({error}): "
            f"pip install 'virtchunk[{extra}]'"
        ) from error
