"""Reading the keyword arguments of `ChunkLayout` and its grids into lists of plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat, SupportsIndex, SupportsInt, TypeAlias

__all__ = (
    "Float",
    "Int",
    "ordered_keywords",
    "parse_int",
    "parse_ints",
    "parse_optional_floats",
    "parse_optional_ints",
)

Int: TypeAlias = SupportsInt | SupportsIndex
Float: TypeAlias = SupportsFloat | SupportsIndex

_INT64_MIN = -(2**63)
_INT64_MAX = 2**63 - 1


def ordered_keywords(
    function: str, given: Mapping[str, Any], known: Mapping[str, Any]
) -> Iterable[str]:
    """Return the names of keyword arguments in the order of those that there are.

    Raises:
        TypeError: One of them is not known.
    """
    if not given.keys() <= known.keys():
        unknown = min(given.keys() - known.keys())
        raise TypeError(
            f"{function}() got an unexpected keyword argument {unknown!r}; "
            f"it takes {', '.join(known)}"
        )
    return given if len(given) <= 1 else [name for name in known if name in given]


def parse_int(value: Any) -> int:
    """Return a number as a Python integer of at most 64 bits.

    Raises:
        TypeError: It is not an integer, or too large.
    """
    result = value if type(value) is int else _to_int(value)
    if result is None:
        raise TypeError(f"expected an integer, got {value!r}")
    if not _INT64_MIN <= result <= _INT64_MAX:
        raise TypeError(f"expected an integer of at most 64 bits, got {result}")
    return result


def _to_int(value: Any) -> int | None:
    """Convert what counts as an integer; a `float` never does, other numbers are truncated."""
    if isinstance(value, (float, str, bytes)):
        return None
    try:
        if hasattr(type(value), "__index__"):
            return int(value.__index__())
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def parse_ints(values: Any) -> list[int]:
    """Return integers as a list.

    Raises:
        TypeError: They are not iterable, or one is not an integer.
    """
    return [parse_int(value) for value in _iterate(values)]


def parse_optional_ints(values: Any) -> list[int | None]:
    """Return integers and Nones as a list.

    Raises:
        TypeError: They are not iterable, or one is neither an integer nor None.
    """
    return [None if value is None else parse_int(value) for value in _iterate(values)]


def parse_optional_floats(values: Any) -> list[float | None]:
    """Return numbers and Nones as a list.

    Raises:
        TypeError: They are not iterable, or one is neither a number nor None.
    """
    return [None if value is None else _parse_float(value) for value in _iterate(values)]


def _parse_float(value: Any) -> float:
    if not isinstance(value, (str, bytes)):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise TypeError(f"expected a number, got {value!r}")


def _iterate(values: Any) -> list[Any]:
    if isinstance(values, (list, tuple)):
        return list(values)
    if isinstance(values, (str, bytes, Mapping)):
        raise TypeError(f"expected one value for each dimension, got {values!r}")
    try:
        return list(values)
    except TypeError:
        raise TypeError(f"expected one value for each dimension, got {values!r}") from None
