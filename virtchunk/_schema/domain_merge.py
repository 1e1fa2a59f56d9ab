"""Merging two statements about one domain into the domain that satisfies both.

The rules, for each dimension:

1. The ranks are equal.
2. A bound that is infinite and implicit says nothing, so the other bound holds.
   Any other two bounds must be equal.
3. A bound is implicit only if both statements leave it implicit.
4. An empty label says nothing; two labels must be equal.
"""

from __future__ import annotations

from typing import Final

from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF

__all__ = ("merge_domains",)

_Bound = tuple[int, bool]

_UNKNOWN_LOWER: Final[_Bound] = (-INF, True)
_UNKNOWN_UPPER: Final[_Bound] = (INF + 1, True)


def merge_domains(existing: IndexDomain, new: IndexDomain) -> IndexDomain:
    """Return the domain that satisfies both domains.

    Merging is commutative, associative and idempotent.

    Args:
        existing: What is known already.
        new: What is added; of the same rank.

    Raises:
        ValueError: The domains differ in rank, in a bound that both specify, or in a label that
            both specify; or the merged domain would be invalid: a lower bound above the upper
            bound, or one label twice.

    Example:
        >>> from virtchunk._schema.domain_merge import merge_domains
        >>> merge_domains(ts.IndexDomain(labels=["x", "y"]), ts.IndexDomain(shape=[3, 4]))
        { "x": [0, 3), "y": [0, 4) }
    """
    if existing == new:
        return existing
    rank = len(existing.inclusive_min)
    if rank != len(new.inclusive_min):
        raise ValueError(
            f"cannot merge domain {existing} with domain {new}: their ranks differ "
            f"({rank} and {len(new.inclusive_min)})"
        )
    lower: list[_Bound] = []
    upper: list[_Bound] = []
    labels: list[str] = []
    for dim in range(rank):
        try:
            label = _merge_labels(existing.labels[dim], new.labels[dim])
            low = _merge_bounds("lower", _lower(existing, dim), _lower(new, dim), _UNKNOWN_LOWER)
            high = _merge_bounds("upper", _upper(existing, dim), _upper(new, dim), _UNKNOWN_UPPER)
            _check_interval(low, high)
            _check_unique(label, labels)
        except ValueError as error:
            raise ValueError(
                f"cannot merge domain {existing} with domain {new}: "
                f"in {_where(existing, new, dim)}, {error}"
            ) from None
        lower.append(low)
        upper.append(high)
        labels.append(label)
    return IndexDomain._trusted(
        tuple(bound for bound, _ in lower),
        tuple(bound for bound, _ in upper),
        tuple(labels),
        tuple(implicit for _, implicit in lower),
        tuple(implicit for _, implicit in upper),
    )


def _lower(domain: IndexDomain, dim: int) -> _Bound:
    return domain.inclusive_min[dim], domain.implicit_lower_bounds[dim]


def _upper(domain: IndexDomain, dim: int) -> _Bound:
    return domain.exclusive_max[dim], domain.implicit_upper_bounds[dim]


def _merge_bounds(which: str, existing: _Bound, new: _Bound, unknown: _Bound) -> _Bound:
    if existing == unknown:
        return new
    if new == unknown:
        return existing
    if existing[0] != new[0]:
        raise ValueError(
            f"the {which} bounds {_bound_text(existing)} and {_bound_text(new)} differ; "
            "only a bound that is both infinite and implicit gives way"
        )
    return existing[0], existing[1] and new[1]


def _merge_labels(existing: str, new: str) -> str:
    if existing and new and existing != new:
        raise ValueError(f"the labels {_quoted(existing)} and {_quoted(new)} differ")
    return existing or new


def _check_interval(low: _Bound, high: _Bound) -> None:
    if low[0] > high[0]:
        raise ValueError(
            f"the merged lower bound {_bound_text(low)} is above "
            f"the merged upper bound {_bound_text(high)}"
        )


def _check_unique(label: str, previous: list[str]) -> None:
    if label and label in previous:
        raise ValueError(
            f"the merged label {_quoted(label)} repeats the label of "
            f"dimension {previous.index(label)}"
        )


def _bound_text(bound: _Bound) -> str:
    value, implicit = bound
    text = "-inf" if value <= -INF else "+inf" if value > INF else str(value)
    return text + "*" * implicit


def _quoted(label: str) -> str:
    return f'"{label}"'


def _where(existing: IndexDomain, new: IndexDomain, dim: int) -> str:
    label = existing.labels[dim] or new.labels[dim]
    return f"dimension {dim}" + (f" ({_quoted(label)})" if label else "")
