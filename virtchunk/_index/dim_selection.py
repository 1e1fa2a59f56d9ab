"""Dimension selections: which dimensions an operation applies to, by index, label or range.

What the user writes (`DimSelectionLike`) is parsed into a flat tuple of identifiers, which is
resolved when it meets a domain: only then is it known how many dimensions there are and what they
are called.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, TypeAlias, Union

import numpy as np

from virtchunk._index.dim import quote_label
from virtchunk._index.interval import parse_int64

if TYPE_CHECKING:
    from virtchunk._index.dim_expression import DimSelection
    from virtchunk._index.domain import IndexDomain

DimSelectionLike: TypeAlias = Union[
    "DimSelection", SupportsIndex, str, bytes, slice, Sequence["DimSelectionLike"]
]
"""What `d` can be subscripted with: an index (negative: from the end), a label, a slice of indices,
or a sequence of these, which may be nested."""


class DimRange(NamedTuple):
    """A slice of dimension indices."""

    start: int | None
    stop: int | None
    step: int

    def __repr__(self) -> str:
        parts = ["" if value is None else str(value) for value in (self.start, self.stop)]
        return ":".join(parts if self.step == 1 else [*parts, str(self.step)])


DimIdentifier: TypeAlias = int | str | DimRange


def parse_dim_selection(value: Any) -> tuple[DimIdentifier, ...]:
    """Parse a `DimSelectionLike` into a flat sequence of identifiers.

    Raises:
      TypeError: If it is of another type.
      ValueError: If a slice has a step of zero.
    """
    identifiers = getattr(value, "_selected_identifiers", None)
    if isinstance(identifiers, tuple):
        return identifiers
    if isinstance(value, str):
        return (str(value),)
    if isinstance(value, bytes | bytearray):
        return (value.decode(),)
    if isinstance(value, slice):
        return (_parse_range(value),)
    if hasattr(type(value), "__index__") and np.ndim(value) == 0:
        return (parse_int64(value, "a dimension index"),)
    if isinstance(value, Iterable):
        return tuple([identifier for item in value for identifier in parse_dim_selection(item)])
    raise TypeError(
        "a dimension selection consists of dimension indices, labels and slices of indices, got"
        f" {value!r}{_hint(value)}"
    )


def _hint(value: Any) -> str:
    if value is Ellipsis or value is None:
        return "; for all dimensions write d[:]"
    if hasattr(value, "_operations"):
        return ", which already has operations; only a plain selection can be part of another one"
    return ""


def _parse_range(value: slice) -> DimRange:
    parts = [_parse_range_part(value, part) for part in (value.start, value.stop, value.step)]
    if parts[2] == 0:
        raise ValueError(f"the step of a slice of dimensions must not be zero, got {value!r}")
    return DimRange(parts[0], parts[1], 1 if parts[2] is None else parts[2])


def _parse_range_part(whole: slice, part: Any) -> int | None:
    if part is None:
        return None
    try:
        return parse_int64(operator.index(part), "a dimension index")
    except TypeError:
        raise TypeError(
            f"a slice of dimensions is made of dimension indices, got {part!r} in {whole!r}; list"
            " labels one by one"
        ) from None


def format_dim_selection(identifiers: tuple[DimIdentifier, ...]) -> str:
    """Format identifiers as they are written between the brackets of ``d[...]``."""
    return ",".join(map(repr, identifiers)) if identifiers else "()"


def resolve_dim_selection(identifiers: tuple[DimIdentifier, ...], domain: IndexDomain) -> list[int]:
    """Return the selected dimensions of ``domain``.

    Raises:
      IndexError: If a dimension does not exist or is selected twice.
    """
    dims = [
        find_label(identifier, domain) if isinstance(identifier, str) else identifier
        for identifier in expand_ranges(identifiers, len(domain.labels))
    ]
    check_distinct(dims, domain.labels)
    return dims


def expand_ranges(identifiers: tuple[DimIdentifier, ...], rank: int) -> list[int | str]:
    """Return labels as they are, and indices and ranges as indices in ``[0, rank)``.

    Raises:
      IndexError: If an index is outside ``[-rank, rank)``.
    """
    result: list[int | str] = []
    for identifier in identifiers:
        if isinstance(identifier, str):
            result.append(identifier)
        elif isinstance(identifier, DimRange):
            result.extend(resolve_range(identifier, rank))
        else:
            result.append(normalize_dimension(identifier, rank))
    return result


def normalize_dimension(dim: int, rank: int) -> int:
    """Return a dimension index counted from the start.

    Raises:
      IndexError: If it is outside ``[-rank, rank)``.
    """
    if not -rank <= dim < rank:
        raise IndexError(f"dimension {dim} does not exist: there are {rank}, [{-rank}, {rank})")
    return dim + rank if dim < 0 else dim


def resolve_range(dims: DimRange, rank: int) -> range:
    """Return the dimensions that a slice stands for; unlike one of a list, it is not clipped.

    Raises:
      IndexError: If its start or stop is no dimension, or it stops before it starts.
    """
    start, stop, step = dims
    if start is not None:
        start = normalize_dimension(start, rank)
    elif step < 0:
        start = rank - 1
    else:
        start = 0
    if stop is None:
        stop = rank if step > 0 else -1
    elif not -rank - 1 <= stop <= rank:
        raise IndexError(
            f"slice {dims!r} of dimensions stops outside [{-rank - 1}, {rank}]: there are {rank}"
        )
    elif stop < 0:
        stop += rank
    if (stop < start) if step > 0 else (stop > start):
        raise IndexError(f"slice {dims!r} of {rank} dimensions stops before it starts")
    return range(start, stop, step)


def count_range(dims: DimRange) -> int | None:
    """Return how many dimensions a slice stands for if that does not depend on the rank."""
    start, stop, step = dims
    if start is None:
        start = 0 if step > 0 else -1
    if stop is None:
        if step > 0 and start < 0:
            return len(range(start, 0, step))
        if step < 0 and start >= 0:
            return len(range(start, -1, step))
        return None
    return len(range(start, stop, step)) if (start < 0) == (stop < 0) else None


def find_label(label: str, domain: IndexDomain) -> int:
    """Return the dimension that has this label.

    Raises:
      IndexError: If none has.
    """
    if label and label in domain.labels:
        return domain.labels.index(label)
    known = ", ".join([quote_label(name) for name in domain.labels if name])
    if not label:
        raise IndexError("a dimension without label cannot be selected by label, use its index")
    raise IndexError(
        f"no dimension has the label {quote_label(label)}; the labels of {domain} are"
        f" {known or 'all empty'}"
    )


def check_distinct(dims: Sequence[int], labels: Sequence[str] = ()) -> None:
    """Check that no dimension is selected twice; ``labels`` are for the message.

    Raises:
      IndexError: If one is.
    """
    if len(set(dims)) == len(dims):
        return
    repeated = next(dim for dim in dims if dims.count(dim) > 1)
    label = labels[repeated] if repeated < len(labels) else ""
    name = f" ({quote_label(label)})" if label else ""
    raise IndexError(f"dimension {repeated}{name} is selected more than once")
