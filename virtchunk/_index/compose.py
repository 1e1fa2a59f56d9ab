"""Composition: the one transform that does what two do one after the other.

``compose(outer, inner)`` maps ``x`` to ``outer(inner(x))``.  Two things have to be worked out.  The
domain: bounds of the outer transform limit what the inner one may produce, so they are carried
back through it; where an inner bound is implicit the result takes the carried bound, where it is
explicit it must lie within the carried one.  And the output maps, one by one: affine maps combine
to affine maps, and a map that looks at an index array on either side becomes an index array over
the input.

Bounds that are implicit in the outer transform limit nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import index as as_index

import numpy as np

from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import (
    INF,
    INF_UPPER,
    MAX_INDEX,
    MIN_INDEX,
    Interval,
    format_interval,
    is_int64,
    parse_int64,
    preimage,
)
from virtchunk._index.operations import describe_dimension
from virtchunk._index.output_map import UNBOUNDED, IndexArray, OutputIndexMap
from virtchunk._index.transform import IndexTransform


def compose(outer: IndexTransform, inner: IndexTransform) -> IndexTransform:
    """Return the transform that maps ``x`` to ``outer(inner(x))``.

    Args:
      outer: Applied last; its input dimensions are the output dimensions of ``inner``.
      inner: Applied first; labels of the result are its labels.

    Raises:
      IndexError: If the ranks do not fit, an explicit bound of ``inner`` is outside what ``outer``
        accepts, an entry of an index array is (found when the entry is used here, otherwise when
        the result is), or a number leaves its range.
    """
    if len(inner._output) != len(outer.domain.labels):
        raise IndexError(
            f"cannot compose rank {outer.input_rank} -> {outer.output_rank} with rank"
            f" {inner.input_rank} -> {inner.output_rank}: the input rank of the outer transform"
            " must be the output rank of the inner one"
        )
    domain = carry_back_domain(outer.domain, inner)
    inner_maps = inner._output
    result = []
    for i, outer_map in enumerate(outer._output):
        dimension = outer_map.input_dimension
        if dimension is not None:
            inner_map = inner_maps[dimension]
            if outer_map.stride == 1 and outer_map.offset == 0 and inner_map.index_array is None:
                result.append(inner_map)
            else:
                result.append(_compose_single(i, outer_map, inner_map, outer.domain, domain))
        elif outer_map.index_array is not None:
            result.append(_compose_array(i, outer_map, outer.domain, inner_maps, domain))
        else:
            result.append(outer_map)
    return IndexTransform._trusted(domain, tuple(result))


def carry_back_domain(outer: IndexDomain, inner: IndexTransform) -> IndexDomain:
    """Return the domain of ``inner`` when its output must lie in ``outer``.

    Implicit bounds of ``inner`` are replaced by what ``outer`` allows.  Explicit ones stay and are
    checked, unless the domain of ``inner`` is empty: then nothing is asked of ``outer``.

    Raises:
      IndexError: If a constant output or an explicit bound of ``inner`` lies outside ``outer``.
    """
    own = inner.domain
    if _lies_within(outer, inner):
        return own
    empty = own._is_explicitly_empty()
    carried = _carry_back(outer, inner, empty)
    lower = list(own.inclusive_min)
    upper = list(own.exclusive_max)
    implicit_lower = list(own.implicit_lower_bounds)
    implicit_upper = list(own.implicit_upper_bounds)
    for i, (low, high, low_implicit, high_implicit) in carried.items():
        if implicit_lower[i]:
            lower[i] = low
            implicit_lower[i] = low_implicit
        elif lower[i] < low and not low_implicit and not empty:
            raise _outside(outer, inner, i, low, high)
        if implicit_upper[i]:
            upper[i] = high
            implicit_upper[i] = high_implicit
        elif upper[i] > high and not high_implicit and not empty:
            raise _outside(outer, inner, i, low, high)
        upper[i] = max(lower[i], upper[i])
    return IndexDomain._trusted(
        tuple(lower), tuple(upper), own.labels, tuple(implicit_lower), tuple(implicit_upper)
    )


def _lies_within(outer: IndexDomain, inner: IndexTransform) -> bool:
    """Tell whether ``inner`` has finite explicit bounds and all its output lies in ``outer``.

    Then its domain stays as it is; that is the usual case.
    """
    own = inner.domain
    if True in own.implicit_lower_bounds or True in own.implicit_upper_bounds:
        return False
    own_lower, own_upper = own.inclusive_min, own.exclusive_max
    lower, upper = outer.inclusive_min, outer.exclusive_max
    for i, inner_map in enumerate(inner._output):
        dimension = inner_map.input_dimension
        first = last = inner_map.offset
        if dimension is not None:
            low, high = own_lower[dimension], own_upper[dimension]
            if low == -INF or high == INF_UPPER or low == high:
                return False
            stride = inner_map.stride
            assert stride is not None
            first, last = first + stride * low, first + stride * (high - 1)
            if stride < 0:
                first, last = last, first
        elif inner_map.index_array is not None:
            continue
        if not lower[i] <= first <= last < upper[i] or not MIN_INDEX <= first <= last <= MAX_INDEX:
            return False
    return True


def _outside(
    outer: IndexDomain, inner: IndexTransform, dimension: int, low: int, high: int
) -> IndexError:
    own = inner.domain
    return IndexError(
        f"{describe_dimension(own, dimension)} of the domain {own} is outside"
        f" {format_interval(low, high)}, the indices for which the output lies in {outer}; give"
        " bounds within it, or leave them implicit"
    )


def _carry_back(outer: IndexDomain, inner: IndexTransform, empty: bool) -> dict[int, Interval]:
    """Return, for each input dimension of ``inner`` that matters, the interval ``outer`` allows."""
    carried: dict[int, Interval] = {}
    for i, inner_map in enumerate(inner._output):
        lower = outer.inclusive_min[i]
        upper = outer.exclusive_max[i]
        lower_implicit = outer.implicit_lower_bounds[i]
        upper_implicit = outer.implicit_upper_bounds[i]
        dimension = inner_map.input_dimension
        if dimension is None:
            if inner_map.index_array is None and not empty:
                _check_constant(outer, i, inner_map.offset)
            continue
        offset, stride = inner_map.offset, inner_map.stride
        assert stride is not None
        if offset or stride != 1:
            lower, upper = preimage(lower, upper, offset, stride, f" of dimension {i}")
            if stride < 0:
                lower_implicit, upper_implicit = upper_implicit, lower_implicit
        interval = (lower, upper, lower_implicit, upper_implicit)
        if dimension in carried:
            interval = _intersect_preferring_explicit(carried[dimension], interval)
        carried[dimension] = interval
    return carried


def _check_constant(outer: IndexDomain, dimension: int, index: int) -> None:
    lower, upper = effective_bounds(outer, dimension)
    if max(lower, MIN_INDEX) <= index <= min(upper - 1, MAX_INDEX):
        return
    raise IndexError(
        f"index {index} is outside {format_interval(lower, upper)},"
        f" {describe_dimension(outer, dimension)} of the domain {outer}; indices are absolute,"
        " negative ones do not count from the end"
    )


def effective_bounds(domain: IndexDomain, dimension: int) -> tuple[int, int]:
    """Return the half-open interval that limits indices; implicit bounds are infinite in it."""
    return (
        -INF if domain.implicit_lower_bounds[dimension] else domain.inclusive_min[dimension],
        INF_UPPER if domain.implicit_upper_bounds[dimension] else domain.exclusive_max[dimension],
    )


def _intersect_preferring_explicit(a: Interval, b: Interval) -> Interval:
    """Return the overlap, where implicit bounds give way to explicit ones, even to wider ones."""
    lowers = [bound for bound, implicit in ((a[0], a[2]), (b[0], b[2])) if not implicit]
    uppers = [bound for bound, implicit in ((a[1], a[3]), (b[1], b[3])) if not implicit]
    lower = max(lowers or (a[0], b[0]))
    upper = min(uppers or (a[1], b[1]))
    return lower, max(lower, upper), not lowers, not uppers


def _checked_int64(value: int, output_dimension: int) -> int:
    if is_int64(value):
        return value
    raise IndexError(
        f"composing the maps of output dimension {output_dimension} gives {value}, which needs more"
        " than 64 bits"
    )


def _compose_single(
    i: int,
    outer_map: OutputIndexMap,
    inner_map: OutputIndexMap,
    outer: IndexDomain,
    domain: IndexDomain,
) -> OutputIndexMap:
    """Return ``outer_map``, affine in one dimension, after ``inner_map``, that dimension's map."""
    stride = outer_map.stride
    assert stride is not None
    inner_stride = inner_map.stride
    offset = _checked_int64(outer_map.offset + stride * inner_map.offset, i)
    if inner_stride is None:
        return OutputIndexMap._constant(offset)
    if inner_map.index_array is None:
        assert inner_map.input_dimension is not None
        return OutputIndexMap._single(
            inner_map.input_dimension, offset, _checked_int64(stride * inner_stride, i)
        )
    stride = _checked_int64(stride * inner_stride, i)
    if domain._is_explicitly_empty():
        return OutputIndexMap._constant(0)
    dimension = outer_map.input_dimension
    assert dimension is not None
    bounds = _intersect(
        inner_map._bounds or UNBOUNDED,
        preimage(*effective_bounds(outer, dimension), inner_map.offset, inner_stride),
    )
    return _array_map(i, inner_map.index_array, offset, stride, bounds)


def _array_map(
    i: int, array: IndexArray, offset: int, stride: int, bounds: tuple[int, int]
) -> OutputIndexMap:
    """Return an array map, or a constant one if the array has one entry, which is then checked."""
    if array.size != 1:
        return OutputIndexMap._array(array, offset, stride, bounds)
    index = int(array.item())
    if not max(bounds[0], MIN_INDEX) <= index <= min(bounds[1] - 1, MAX_INDEX):
        raise index_array_error(i, index, bounds)
    return OutputIndexMap._constant(_checked_int64(offset + stride * index, i))


def index_array_error(dimension: int, index: int, bounds: tuple[int, int]) -> IndexError:
    """Return the error for an entry of an index array of ``dimension`` that is out of bounds."""
    return IndexError(
        f"index {index} in the index array of dimension {dimension} is outside"
        f" {format_interval(*bounds)}; indices are absolute, negative ones do not count from the"
        " end"
    )


def _intersect(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    lower = max(a[0], b[0])
    return lower, max(lower, min(a[1], b[1]))


def _compose_array(
    i: int,
    outer_map: OutputIndexMap,
    outer: IndexDomain,
    inner_maps: tuple[OutputIndexMap, ...],
    domain: IndexDomain,
) -> OutputIndexMap:
    """Return ``outer_map``, which looks at an array over ``outer``, as one over ``domain``."""
    if domain._is_explicitly_empty():
        return OutputIndexMap._constant(0)
    array = outer_map.index_array
    assert array is not None
    assert outer_map.stride is not None
    positions = tuple(
        [
            0 if extent == 1 else _positions(axis, extent, outer, inner_maps[axis], domain)
            for axis, extent in enumerate(array.shape)
        ]
    )
    return _array_map(
        i,
        np.array(array[positions]),
        outer_map.offset,
        outer_map.stride,
        outer_map._bounds or UNBOUNDED,
    )


def _positions(
    axis: int, extent: int, outer: IndexDomain, inner_map: OutputIndexMap, domain: IndexDomain
) -> int | IndexArray:
    """Return where ``inner_map`` points to on one axis of an array over ``outer``.

    The result is one position, or an array of them with as many axes as ``domain`` has dimensions.
    """
    origin = outer.inclusive_min[axis]
    offset = inner_map.offset - origin
    stride = inner_map.stride
    if stride is None:
        return offset
    array = inner_map.index_array
    if array is None:
        dimension = inner_map.input_dimension
        assert dimension is not None
        lower, upper = domain.inclusive_min[dimension], domain.exclusive_max[dimension]
        shape = [1] * len(domain)
        shape[dimension] = upper - lower
        first = offset + stride * lower
        return (first + stride * np.arange(upper - lower)).reshape(shape)
    bounds = _intersect(
        inner_map._bounds or UNBOUNDED,
        preimage(origin, origin + extent, inner_map.offset, stride),
    )
    check_index_array(axis, array, bounds)
    # Products may wrap around; the sums do not, they are positions.
    return offset + stride * array


def check_index_array(dimension: int, array: IndexArray, bounds: tuple[int, int]) -> None:
    """Check that all entries of ``array`` lie in the half-open interval ``bounds``.

    Raises:
      IndexError: If one does not; the message names the first.
    """
    if array.size == 0 or (bounds[0] <= array.min() and array.max() < bounds[1]):
        return
    wrong = array[(array < bounds[0]) | (array >= bounds[1])]
    raise index_array_error(dimension, int(wrong[0]), bounds)


def map_indices(transform: IndexTransform, indices: Iterable[int]) -> tuple[int, ...]:
    """Return the output indices of one vector of input indices; see `IndexTransform.__call__`."""
    try:
        point = tuple(map(as_index, indices))
    except TypeError:
        raise TypeError(f"expected a sequence of integers, got {indices!r}") from None
    domain = transform.domain
    if len(point) != len(domain.labels):
        raise ValueError(
            f"the domain {domain} has {len(domain)} dimensions, got {len(point)} indices"
        )
    for i, (x, lower, upper) in enumerate(
        zip(point, domain.inclusive_min, domain.exclusive_max, strict=True)
    ):
        if not lower <= x < upper or not MIN_INDEX <= x <= MAX_INDEX:
            _check_point(domain, i, x)
    result = []
    for i, output in enumerate(transform._output):
        value = output.offset
        if output.stride is not None:
            dimension = output.input_dimension
            x = _look_up(transform, i, output, point) if dimension is None else point[dimension]
            value += output.stride * x
            if not is_int64(value):
                raise ValueError(f"output index {value} of dimension {i} needs more than 64 bits")
        result.append(value)
    return tuple(result)


def _check_point(domain: IndexDomain, dimension: int, x: int) -> None:
    """Check an index that is not between the bounds, which may be implicit."""
    try:
        _check_constant(domain, dimension, parse_int64(x, "an index"))
    except IndexError as error:
        raise ValueError(str(error)) from None


def _look_up(
    transform: IndexTransform, i: int, output: OutputIndexMap, point: tuple[int, ...]
) -> int:
    array, bounds = output.index_array, output._bounds or UNBOUNDED
    assert array is not None
    origin = transform.domain.inclusive_min
    axes = zip(array.shape, point, origin, strict=True)
    index = int(array[tuple([0 if extent == 1 else x - o for extent, x, o in axes])])
    if not max(bounds[0], MIN_INDEX) <= index <= min(bounds[1] - 1, MAX_INDEX):
        raise ValueError(str(index_array_error(i, index, bounds)))
    return index
