"""Choosing part of one dimension: an index, a slice, or the dimension of another domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from virtchunk._index.dim_selection import find_label
from virtchunk._index.index_terms import format_slice, parse_slice_number
from virtchunk._index.interval import (
    INF,
    INF_UPPER,
    MAX_INDEX,
    MIN_INDEX,
    format_interval,
    is_valid_interval,
)
from virtchunk._index.substitution import crop, describe_dimension, describe_interval

if TYPE_CHECKING:
    from virtchunk._index.domain import IndexDomain
    from virtchunk._index.transform import IndexTransform

_INT64_MAX: Final = 2**63 - 1


def check_index(domain: IndexDomain, dim: int, value: int) -> None:
    """Check that one index of a dimension may be asked for; implicit bounds do not limit it.

    Raises:
      IndexError: If it may not.
    """
    lower = -INF if domain.implicit_lower_bounds[dim] else domain.inclusive_min[dim]
    upper = INF_UPPER if domain.implicit_upper_bounds[dim] else domain.exclusive_max[dim]
    if max(lower, MIN_INDEX) <= value < min(upper, INF):
        return
    raise IndexError(
        f"index {value} is outside the domain {describe_interval(domain, dim)} of"
        f" {describe_dimension(domain, dim)}{_advice(domain, dim, value)}"
    )


def _advice(domain: IndexDomain, dim: int, value: int) -> str:
    """Return the rest of the message that corrects the two likely mistakes: NumPy's coordinates."""
    lower = domain.inclusive_min[dim]
    upper = domain.exclusive_max[dim]
    size = upper - lower
    if lower == upper:
        return ", which is empty"
    if lower == -INF or upper == INF_UPPER:
        return f"; indices lie in [{MIN_INDEX}, {MAX_INDEX}]"
    if -size <= value < 0:
        place = "the last element" if value == -1 else f"element {value} from the end"
        return (
            f"; coordinates are absolute and do not count from the end: {place} is {upper + value}"
        )
    if 0 <= value < size:
        return (
            f"; coordinates are absolute and the first one is {lower}: use {lower + value}, or"
            " translate_to[0] before indexing"
        )
    return ""


class Sliced(NamedTuple):
    """The interval that a slice makes of one dimension; old index = ``offset + step * new``."""

    lower: int
    upper: int
    implicit_lower: bool
    implicit_upper: bool
    offset: int


def slice_interval(
    domain: IndexDomain, dim: int, start: int | None, stop: int | None, step: int
) -> Sliced:
    """Apply one slice to one dimension.

    The result starts at ``start / step``, rounded towards zero, so that for a step of 1 indices
    keep their meaning.  A bound that was given is explicit; one that was not is as implicit as the
    bound of the domain that it was taken from.

    Raises:
      IndexError: If the step is zero, the slice is no interval, or it leaves the domain.
    """
    low, high = domain.inclusive_min[dim], domain.exclusive_max[dim]
    implicit_low = domain.implicit_lower_bounds[dim]
    implicit_high = domain.implicit_upper_bounds[dim]
    if step == 0 or not -_INT64_MAX <= step <= _INT64_MAX:
        parse_slice_number(step)
        raise IndexError(
            f"step {step} of the slice of {describe_dimension(domain, dim)} is not possible"
        )
    if step > 0:
        first = lower = low if start is None else start
        upper = high if stop is None else _upper_bound(stop)
        implicit_first, implicit_last = implicit_low, implicit_high
    else:
        first = high - 1 if start is None else start
        lower, upper = low if stop is None else -_upper_bound(-stop) + 1, first + 1
        implicit_first, implicit_last = implicit_high, implicit_low
    if not is_valid_interval(lower, upper):
        parse_slice_number(start)
        parse_slice_number(stop)
        raise IndexError(_explain_no_interval(domain, dim, start, stop, step))
    allowed_lower = -INF if implicit_low else low
    allowed_upper = INF_UPPER if implicit_high else high
    if lower != upper and not allowed_lower <= lower <= upper <= allowed_upper:
        raise IndexError(_explain_outside(domain, dim, lower, upper))
    implicit_first = implicit_first and start is None
    implicit_last = implicit_last and stop is None
    if step == 1:
        return Sliced(lower, upper, implicit_first, implicit_last, 0)
    if step == -1:
        return Sliced(1 - upper, 1 - lower, implicit_first, implicit_last, 0)
    if not -INF < first < INF:
        raise IndexError(
            f"a slice of {describe_dimension(domain, dim)} with step {step} needs a start: its"
            f" domain {describe_interval(domain, dim)} is unbounded"
        )
    origin = first // step if (first >= 0) == (step > 0) else -(-first // step)
    end_is_infinite = upper == INF_UPPER if step > 0 else lower == -INF
    new_upper = INF_UPPER if end_is_infinite else origin - (lower - upper) // abs(step)
    return Sliced(origin, new_upper, implicit_first, implicit_last, first - origin * step)


def _upper_bound(stop: int) -> int:
    """Return the exclusive upper bound that a stop stands for: infinity is infinity."""
    if stop == INF:
        return INF_UPPER
    return stop if stop < INF else INF_UPPER + 1


def _explain_no_interval(
    domain: IndexDomain, dim: int, start: int | None, stop: int | None, step: int
) -> str:
    message = (
        f"slice {format_slice(start, stop, step)} of {describe_dimension(domain, dim)}, whose"
        f" domain is {describe_interval(domain, dim)},"
    )
    if max(abs(start or 0), abs(stop or 0)) > INF:
        return f"{message} has a bound that is no index; indices lie in [{MIN_INDEX}, {MAX_INDEX}]"
    if (start is not None and start < 0) or (stop is not None and stop < 0):
        return (
            f"{message} stops before it starts; coordinates are absolute: negative ones do not"
            " count from the end"
        )
    return f"{message} stops before it starts; bounds that are left out are those of the domain"


def _explain_outside(domain: IndexDomain, dim: int, lower: int, upper: int) -> str:
    low, high = domain.inclusive_min[dim], domain.exclusive_max[dim]
    message = (
        f"slice {format_interval(lower, upper)} is not within the domain"
        f" {describe_interval(domain, dim)} of {describe_dimension(domain, dim)}; coordinates are"
        " absolute and slices are not clipped"
    )
    if max(lower, low) < min(upper, high):
        common = format_interval(max(lower, low), min(upper, high))
        return f"{message}: the part within the domain is {common}"
    if lower >= 0 and upper <= high - low:
        return f"{message}: the domain starts at {low}, use translate_to[0] before indexing"
    return message


def slice_by_domain(transform: IndexTransform, other: IndexDomain) -> IndexTransform:
    """Crop ``transform`` to another domain; implicit flags of ``other`` have no effect.

    If one side has no labels at all, dimensions are matched by position, and the result has the
    labels of the other side.  Otherwise labeled dimensions of ``other`` are matched by label and
    the remaining ones in their order.

    Raises:
      IndexError: If dimensions cannot be matched, or ``other`` is not within the domain.
    """
    domain = transform.domain
    labels = domain.labels
    same_labels = labels == other.labels
    if len(labels) == len(other.labels) and (same_labels or not any(other.labels)):
        # Domains of chunks are like this: they come from the domain they are applied to.
        old_lower, old_upper = domain.inclusive_min, domain.exclusive_max
        new_upper = other.exclusive_max
        for dim, low in enumerate(other.inclusive_min):
            if low < old_lower[dim] or new_upper[dim] > old_upper[dim]:
                break
        else:
            lower_flags, upper_flags = other.implicit_lower_bounds, other.implicit_upper_bounds
            if True not in lower_flags and True not in upper_flags:
                if not same_labels:
                    lower, upper = other.inclusive_min, other.exclusive_max
                    other = domain._trusted(lower, upper, labels, lower_flags, upper_flags)
                return crop(transform, other, simplify=False)
    dims: Sequence[int]
    if any(labels) and any(other.labels):
        dims = _match_dimensions(domain, other)
    elif len(labels) == len(other.labels):
        dims = range(len(labels))
        labels = labels if any(labels) else other.labels
    else:
        raise IndexError(
            f"cannot slice {domain} by {other}: without labels on both sides dimensions are matched"
            f" by position, so there must be {len(labels)} of them, not {len(other.labels)}"
        )
    lower_bounds = list(domain.inclusive_min)
    upper_bounds = list(domain.exclusive_max)
    implicit_lower = domain.implicit_lower_bounds
    implicit_upper = domain.implicit_upper_bounds
    for dim, low, high in zip(dims, other.inclusive_min, other.exclusive_max, strict=True):
        if low != high and (
            (low < lower_bounds[dim] and not implicit_lower[dim])
            or (high > upper_bounds[dim] and not implicit_upper[dim])
        ):
            raise IndexError(_explain_outside(domain, dim, low, high))
        lower_bounds[dim] = low
        upper_bounds[dim] = high
    return crop(
        transform,
        domain._trusted(
            tuple(lower_bounds),
            tuple(upper_bounds),
            labels,
            _explicit(implicit_lower, dims),
            _explicit(implicit_upper, dims),
        ),
        simplify=False,
    )


def _explicit(flags: tuple[bool, ...], dims: Sequence[int]) -> tuple[bool, ...]:
    if True not in flags:
        return flags
    return tuple([flag and dim not in dims for dim, flag in enumerate(flags)])


def _match_dimensions(domain: IndexDomain, other: IndexDomain) -> list[int]:
    """Return for each dimension of ``other`` the one of ``domain`` it stands for."""
    unlabeled = [dim for dim, label in enumerate(domain.labels) if not label]
    count = other.labels.count("")
    if count and len(other.labels) != len(domain.labels):
        raise IndexError(
            f"cannot slice {domain} by {other}: a domain with unlabeled dimensions must have as"
            f" many dimensions, {len(domain.labels)}, not {len(other.labels)}"
        )
    if count > len(unlabeled):
        raise IndexError(
            f"cannot slice {domain} by {other}: there are {count} unlabeled dimensions for"
            f" {len(unlabeled)}; label all of them, or none"
        )
    remaining = iter(unlabeled)
    return [find_label(label, domain) if label else next(remaining) for label in other.labels]
