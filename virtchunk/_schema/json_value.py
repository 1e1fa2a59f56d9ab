"""JSON values in one canonical form: fresh `dict`, `list`, `str`, `int`, `float`, `bool` and None."""
from __future__ import annotations

from typing import Any

__all__ = ("normalize_json",)


def normalize_json(value: Any) -> Any:
    """Return a canonical copy of a JSON-like value."""
    return value
