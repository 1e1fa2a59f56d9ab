"""What opening may do, as stores with metadata understand it: `OpenMode`."""

from __future__ import annotations

from typing import Any, final

import attrs

from virtchunk._open_options import as_flag

__all__ = ("OpenMode",)


def _mode_flag(value: Any) -> bool:
    return as_flag(value, "each flag of an OpenMode")


@final
@attrs.define(kw_only=True, repr=False)
class OpenMode:
    """What opening may do: use what exists, create, delete.

    Only stores with metadata of their own look at it; a virtual view and an array in memory are
    simply there. Two modes with the same flags are equal. A mode can be changed and has no hash.

    Args:
        open: Allow opening what exists.
        create: Allow creating what does not.
        delete_existing: Delete what exists first; goes with ``create``.
        assume_metadata: Neither read nor write stored metadata: it is what the spec says.
        assume_cached_metadata: Do not read stored metadata while opening; perhaps later.

    Raises:
        TypeError: A flag is neither a boolean nor a number nor None.

    Example:
        >>> mode = ts.OpenMode(open=True, create=True)
        >>> mode
        OpenMode(open=True, create=True)
        >>> mode.create = False
        >>> mode == ts.OpenMode(open=True)
        True
    """

    open: bool = attrs.field(default=False, converter=_mode_flag)
    """Allow opening what exists."""
    create: bool = attrs.field(default=False, converter=_mode_flag)
    """Allow creating what does not exist."""
    delete_existing: bool = attrs.field(default=False, converter=_mode_flag)
    """Delete what exists before creating."""
    assume_metadata: bool = attrs.field(default=False, converter=_mode_flag)
    """Neither read nor write stored metadata."""
    assume_cached_metadata: bool = attrs.field(default=False, converter=_mode_flag)
    """Do not read stored metadata while opening."""

    def __repr__(self) -> str:
        flags = (field.name for field in attrs.fields(OpenMode) if getattr(self, field.name))
        return f"OpenMode({', '.join(f'{name}=True' for name in flags)})"
