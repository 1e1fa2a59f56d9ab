"""The vectors that describe a domain, parsed and held to one rank.

`IndexDomain` and `IndexTransform` take the same vectors (the latter with ``input_`` in front of the
names), and JSON has them too; this is the one place that knows their defaults and their rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from virtchunk._index.dim import parse_flag, parse_label, quote_label
from virtchunk._index.interval import (
    INF,
    INF_SIZE,
    INF_UPPER,
    MAX_INDEX,
    MAX_RANK,
    MIN_INDEX,
    check_closed,
    check_half_open,
    check_sized,
    is_valid_interval,
    parse_int64,
)

Components: TypeAlias = tuple[
    tuple[int, ...], tuple[int, ...], tuple[str, ...], tuple[bool, ...], tuple[bool, ...]
]
"""Lower bounds, exclusive upper bounds, labels, implicit lower and implicit upper flags."""

_T = TypeVar("_T")


def plain_components(
    inclusive_min: Any, exclusive_max: Any, shape: Any, labels: Any
) -> Components | None:
    """Return the components of a finite, explicit domain given by lists or tuples of plain values.

    This is what most callers write.  ``None`` means that it is anything else, right or wrong, and
    `parse_components` is to look at it.
    """
    given = exclusive_max if shape is None else shape
    if type(given) is not tuple and type(given) is not list:
        return None
    upper = tuple(given)
    rank = len(upper)
    if rank > MAX_RANK:
        return None
    if inclusive_min is None:
        if shape is None:
            return None
        for high in upper:
            if type(high) is not int or not 0 <= high <= MAX_INDEX:
                return None
        lower = (0,) * rank
    else:
        if type(inclusive_min) is not tuple and type(inclusive_min) is not list:
            return None
        lower = tuple(inclusive_min)
        if len(lower) != rank:
            return None
        for low in lower:
            if type(low) is not int or not MIN_INDEX <= low <= MAX_INDEX:
                return None
        if shape is not None:
            if set(map(type, upper)) - {int}:
                return None
            upper = tuple(map(int.__add__, lower, upper))
        for low, high in zip(lower, upper, strict=True):
            if type(high) is not int or not low <= high <= MAX_INDEX:
                return None
    explicit = (False,) * rank
    if labels is None:
        return lower, upper, ("",) * rank, explicit, explicit
    if type(labels) is not tuple and type(labels) is not list:
        return None
    names = tuple(labels)
    # All set and different; empty labels are left to the thorough way.
    if len(set(names)) != rank or "" in names or set(map(type, names)) - {str}:
        return None
    return lower, upper, names, explicit, explicit


def parse_components(
    rank: Any,
    inclusive_min: Any,
    implicit_lower_bounds: Any,
    exclusive_max: Any,
    inclusive_max: Any,
    shape: Any,
    implicit_upper_bounds: Any,
    labels: Any,
    prefix: str = "",
) -> Components:
    """Return the components of the domain that these vectors describe.

    Args:
      rank: Number of dimensions, or ``None``; the vectors likewise.
      inclusive_min: First indices.
      implicit_lower_bounds: Flags; by default, whether the lower bounds are not given.
      exclusive_max: One past the last indices.
      inclusive_max: Last indices.
      shape: Extents; without ``inclusive_min``, that is zero.
      implicit_upper_bounds: Flags; by default, whether the upper bounds are not given.
      labels: Strings, or ``None`` in place of the empty one.
      prefix: ``"input_"`` for the arguments of `IndexTransform`; used in messages.

    Raises:
      TypeError: If an argument has the wrong type.
      ValueError: If the vectors disagree about the rank, bounds are out of order or out of range,
        two dimensions have the same label, or the rank is not in ``[0, 32]``.
    """
    vectors = _Vectors(rank, prefix)
    lower = vectors.integers("inclusive_min", inclusive_min)
    upper_name, upper = _one_upper_bound(vectors, exclusive_max, inclusive_max, shape)
    lower_flags = vectors.flags("implicit_lower_bounds", implicit_lower_bounds)
    upper_flags = vectors.flags("implicit_upper_bounds", implicit_upper_bounds)
    names = vectors.labels(labels)
    n = vectors.known_rank()
    if lower is None:
        lower = (0 if upper_name == "shape" else -INF,) * n
        lower_flags = lower_flags or (upper_name != "shape",) * n
    if upper is None:
        upper = (INF_UPPER,) * n
        upper_flags = upper_flags or (True,) * n
    exclusive = tuple(map(_TO_EXCLUSIVE[upper_name], lower, upper))
    for i in range(n):
        if not is_valid_interval(lower[i], exclusive[i]):
            _CHECKS[upper_name](lower[i], upper[i], f" of dimension {i}")
    explicit = (False,) * n
    return lower, exclusive, names or ("",) * n, lower_flags or explicit, upper_flags or explicit


def _end_of(lower: int, size: int) -> int:
    return INF_UPPER if size == INF_SIZE else lower + size


# For each way to give upper bounds: how they become exclusive, and what names a mistake.
_TO_EXCLUSIVE: Final[dict[str, Callable[[int, int], int]]] = {
    "exclusive_max": lambda _, upper: upper,
    "inclusive_max": lambda _, last: last + 1,
    "shape": _end_of,
}
_CHECKS: Final = {
    "exclusive_max": check_half_open,
    "inclusive_max": check_closed,
    "shape": check_sized,
}


class _Vectors:
    """Parses component vectors and holds them to one rank."""

    def __init__(self, rank: Any, prefix: str) -> None:
        self.prefix = prefix
        self.rank = None if rank is None else check_rank(parse_int64(rank, f"`{prefix}rank`"))
        self.source = f"{prefix}rank"

    def known_rank(self) -> int:
        if self.rank is None:
            raise ValueError(
                f"the number of dimensions is unknown: give `{self.prefix}rank`, or a vector such"
                f" as `{self.prefix}shape`"
            )
        return self.rank

    def integers(self, name: str, values: Any) -> tuple[int, ...] | None:
        if values is None:
            return None
        name = self.prefix + name
        return self._vector(name, values, lambda value: parse_int64(value, f"`{name}`"))

    def flags(self, name: str, values: Any) -> tuple[bool, ...] | None:
        if values is None:
            return None
        return self._vector(name, values, lambda value: parse_flag(value, f"`{name}`"))

    def labels(self, values: Any) -> tuple[str, ...] | None:
        if values is None:
            return None
        name = self.prefix + "labels"
        if isinstance(values, str | bytes):
            raise TypeError(
                f"`{name}` must be a sequence of strings, got {values!r}; for one dimension write"
                f" [{values!r}]"
            )
        labels = self._vector(
            name, values, lambda label: "" if label is None else parse_label(label, f"`{name}`")
        )
        check_labels_unique(labels)
        return labels

    def _vector(self, name: str, values: Any, parse: Callable[[Any], _T]) -> tuple[_T, ...]:
        if isinstance(values, Mapping) or not isinstance(values, Iterable):
            raise TypeError(f"`{name}` must be a sequence, got {values!r}")
        result = tuple(map(parse, values))
        if self.rank is None:
            self.rank = check_rank(len(result))
            self.source = name
        elif len(result) != self.rank:
            raise ValueError(
                f"`{name}` has {len(result)} entries, but `{self.source}` is for {self.rank}"
                " dimensions"
            )
        return result


def _one_upper_bound(
    vectors: _Vectors, exclusive_max: Any, inclusive_max: Any, shape: Any
) -> tuple[str, tuple[int, ...] | None]:
    given = {"exclusive_max": exclusive_max, "inclusive_max": inclusive_max, "shape": shape}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        names = " and ".join(f"`{vectors.prefix}{name}`" for name in given)
        raise ValueError(f"{names} say the same thing twice; give one of them")
    for name, value in given.items():
        return name, vectors.integers(name, value)
    return "exclusive_max", None


def check_rank(rank: int) -> int:
    """Return ``rank`` if it is in ``[0, 32]``.

    Raises:
      ValueError: If it is not.
    """
    if not 0 <= rank <= MAX_RANK:
        raise ValueError(f"the number of dimensions must be in [0, {MAX_RANK}], got {rank}")
    return rank


def check_labels_unique(labels: tuple[str, ...]) -> None:
    """Check that no two dimensions have the same label.

    Raises:
      ValueError: If two do.
    """
    named = [label for label in labels if label]
    if len(set(named)) == len(named):
        return
    repeated = next(label for label in named if named.count(label) > 1)
    where = [i for i, label in enumerate(labels) if label == repeated]
    raise ValueError(
        f"label {quote_label(repeated)} stands for dimensions {' and '.join(map(str, where))};"
        " labels must be different"
    )
