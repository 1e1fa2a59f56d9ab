"""Index arithmetic of one dimension: the range of indices, infinity, and half-open intervals.

An index is an integer in ``[MIN_INDEX, MAX_INDEX]``.  Two further values, ``-INF`` as a lower bound
and ``INF + 1`` as an exclusive upper bound, mean "unbounded".  Python integers never wrap, so every
function here computes exactly and then checks; leaving the range is always an error.

Intervals are passed as two plain integers ``(lower, upper)``, half-open: they are made by the
thousand in loops over chunks, where an object per interval would cost more than the arithmetic.
"""

from __future__ import annotations

from operator import index as _index
from typing import Any, TypeAlias

INF = 2**62 - 1
"""Magnitude of an infinite bound."""
inf = INF
"""Magnitude of an infinite bound; `Dim` and `IndexDomain` report ``-inf`` and ``inf + 1``."""
INF_UPPER = INF + 1
"""Exclusive upper bound of an interval that is unbounded above."""
MIN_INDEX = -INF + 1
"""Smallest index, ``-(2**62 - 2)``."""
MAX_INDEX = INF - 1
"""Largest index, ``2**62 - 2``."""
INF_SIZE = 2 * INF + 1
"""Extent of the interval that is unbounded on both sides, ``2**63 - 1``; the cap of any size."""
MAX_RANK = 32
"""Largest number of dimensions of an index space."""

_INT64_MIN = -(2**63)
_INT64_MAX = 2**63 - 1


def parse_int64(value: Any, what: str) -> int:
    """Return ``value`` as an integer that fits in 64 bits.

    Raises:
      TypeError: If it is not an integer (anything with ``__index__``) or needs more than 64 bits.
    """
    try:
        result = _index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, got {value!r}") from None
    if not is_int64(result):
        raise TypeError(f"{what} must fit in 64 bits, got {result}")
    return result


def is_int64(value: int) -> bool:
    """Tell whether ``value`` fits in 64 bits, as offsets and strides must."""
    return _INT64_MIN <= value <= _INT64_MAX


def is_valid_interval(lower: int, upper: int) -> bool:
    """Tell whether ``[lower, upper)`` is an interval: in order, in range, not all beyond it."""
    return -INF <= lower <= upper <= INF_UPPER and lower < INF and upper > MIN_INDEX


def check_half_open(lower: int, upper: int, where: str = "") -> tuple[int, int]:
    """Return ``(lower, upper)`` if ``[lower, upper)`` is an interval.

    Args:
      lower: Inclusive lower bound, ``-INF`` if unbounded.
      upper: Exclusive upper bound, ``INF + 1`` if unbounded.
      where: What the interval belongs to, e.g. ``" of dimension 0"``, for the message.

    Raises:
      ValueError: If it is not.
    """
    if is_valid_interval(lower, upper):
        return lower, upper
    raise ValueError(_explain_invalid(lower, upper, f"[{lower}, {upper})", where))


def check_closed(lower: int, inclusive_max: int, where: str = "") -> tuple[int, int]:
    """Return the half-open form of ``[lower, inclusive_max]``.

    Raises:
      ValueError: If that is not an interval.
    """
    upper = inclusive_max + 1
    if is_valid_interval(lower, upper):
        return lower, upper
    raise ValueError(_explain_invalid(lower, upper, f"[{lower}, {inclusive_max}]", where))


def check_sized(lower: int, size: int, where: str = "") -> tuple[int, int]:
    """Return the half-open form of ``size`` indices from ``lower``; `INF_SIZE` means unbounded.

    Raises:
      ValueError: If that is not an interval.
    """
    if size < 0:
        raise ValueError(f"size{where} must be >= 0, got {size}")
    upper = INF_UPPER if size == INF_SIZE else lower + size
    if is_valid_interval(lower, upper):
        return lower, upper
    raise ValueError(_explain_invalid(lower, upper, f"of {size} indices from {lower}", where))


def _explain_invalid(lower: int, upper: int, interval: str, where: str) -> str:
    if upper < lower:
        reason = "the upper bound must not be below the lower bound"
    else:
        reason = (
            f"indices lie in [{MIN_INDEX}, {MAX_INDEX}]; -{INF} as lower and {INF_UPPER} as"
            " exclusive upper bound mean unbounded"
        )
    return f"invalid interval {interval}{where}: {reason}"


def format_interval(
    lower: int, upper: int, implicit_lower: bool = False, implicit_upper: bool = False
) -> str:
    """Format ``[lower, upper)`` with a ``*`` after each implicit bound, e.g. ``(-inf*, 5)``."""
    low = "(-inf" if lower == -INF else f"[{lower}"
    high = "+inf" if upper == INF_UPPER else f"{upper}"
    return f"{low}{'*' if implicit_lower else ''}, {high}{'*' if implicit_upper else ''})"


def shift(lower: int, upper: int, offset: int, where: str = "") -> tuple[int, int]:
    """Move ``[lower, upper)`` by ``offset``; infinite bounds stay where they are.

    Raises:
      ValueError: If a finite bound would leave the index range.
    """
    if lower != -INF:
        lower += offset
        if not MIN_INDEX <= lower <= MAX_INDEX:
            raise ValueError(_explain_shift(lower - offset, offset, where))
    if upper != INF_UPPER:
        upper += offset
        # The exclusive bound of an empty interval at the far end is one past an index.
        if not MIN_INDEX <= upper - 1 <= MAX_INDEX and lower != upper:
            raise ValueError(_explain_shift(upper - 1 - offset, offset, where))
    return lower, upper


def _explain_shift(bound: int, offset: int, where: str) -> str:
    return (
        f"bound {bound}{where} moved by {offset} leaves the range of indices,"
        f" [{MIN_INDEX}, {MAX_INDEX}]"
    )


def preimage(lower: int, upper: int, offset: int, stride: int, where: str = "") -> tuple[int, int]:
    """Return the half-open interval of all ``x`` with ``lower <= offset + stride * x < upper``.

    Infinite bounds stay infinite (and change sides if ``stride`` is negative).  Without such ``x``
    the result is empty, at the first index past the lower end.

    Args:
      lower: Inclusive lower bound.
      upper: Exclusive upper bound.
      offset: Any integer.
      stride: Any integer but 0.
      where: What the interval belongs to, for the message.

    Raises:
      IndexError: If a finite bound of the result is not an index.
    """
    if stride > 0:
        low = None if lower == -INF else -((offset - lower) // stride)
        high = None if upper == INF_UPPER else (upper - 1 - offset) // stride
    else:
        # An empty interval has no last index; its image starts where its bound goes.
        last = max(lower, upper - 1)
        low = None if upper == INF_UPPER else -((last - offset) // -stride)
        high = None if lower == -INF else (offset - lower) // -stride
    if low is not None and high is not None and (high < low or lower == upper):
        high = low - 1
    for bound in (low, high):
        if bound is not None and not MIN_INDEX - 1 <= bound <= MAX_INDEX:
            raise IndexError(
                f"the indices that {offset} + {stride} * x maps into"
                f" {format_interval(lower, upper)}{where} leave the range of indices,"
                f" [{MIN_INDEX}, {MAX_INDEX}]"
            )
    return -INF if low is None else low, INF_UPPER if high is None else high + 1


Interval: TypeAlias = tuple[int, int, bool, bool]
"""A half-open interval and the implicit flags of its bounds: lower, upper, flag, flag."""


def hull(a: Interval, b: Interval) -> Interval:
    """Return the smallest interval that holds both.

    An empty interval has no say; of two empty ones the result is the second.  Flags go with the
    bound that was chosen; of equal bounds, the result is implicit only if both are.
    """
    if a[0] == a[1]:
        lower, upper = b[0], b[1]
    elif b[0] == b[1]:
        lower, upper = a[0], a[1]
    else:
        lower, upper = min(a[0], b[0]), max(a[1], b[1])
    return lower, upper, _flag(lower, a[0], a[2], b[0], b[2]), _flag(upper, a[1], a[3], b[1], b[3])


def intersect(a: Interval, b: Interval) -> Interval:
    """Return the overlap of two intervals, with flags as in `hull`.

    Without overlap the result is empty, at the larger lower bound.
    """
    lower, upper = max(a[0], b[0]), min(a[1], b[1])
    implicit_lower = _flag(lower, a[0], a[2], b[0], b[2])
    implicit_upper = _flag(upper, a[1], a[3], b[1], b[3])
    return lower, max(lower, upper), implicit_lower, implicit_upper


def _flag(chosen: int, a: int, a_implicit: bool, b: int, b_implicit: bool) -> bool:
    """Return the implicit flag of the bound that was chosen from ``a`` and ``b``."""
    if a == b:
        return a_implicit and b_implicit
    return a_implicit if chosen == a else b_implicit
