"""The kinds of NumPy-style indexing that views are mostly made with, without detours.

Each function here takes an expression as it was written and returns ``None`` if it is not of the
simple kind it is made for; `virtchunk._index.numpy_indexing` then does it the general way, with the
same result.
"""

from __future__ import annotations

from operator import eq
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from virtchunk._index.interval import INF, INF_UPPER, MAX_RANK, MIN_INDEX
from virtchunk._index.output_map import IndexArray, OutputIndexMap
from virtchunk._index.slicing import check_index, slice_interval
from virtchunk._index.substitution import INT64_MAX, INT64_MIN, NO_DIMENSION, crop, substitute

if TYPE_CHECKING:
    from virtchunk._index.domain import IndexDomain
    from virtchunk._index.transform import IndexTransform

_INT64: Final = np.dtype(np.int64)
_SIMPLE: Final = {int, slice, type(...)}
_CONSTANT: Final = OutputIndexMap._constant
_UNCHANGED: Final = (0, 1)
"""Offset and step of a dimension that is at most cropped."""

ElementPlan: TypeAlias = "tuple[IndexTransform, list[int]]"
"""A transform, and its output indices at one point."""


def plan_element(transform: IndexTransform, point: tuple[Any, ...]) -> ElementPlan | None:
    """Return what ``transform`` is at one integer within the bounds for each dimension.

    Returns ``None`` if it is anything else, or index arrays are involved.  `element_transform` then
    builds the view; both together take half the time of `index_by_slices`.
    """
    domain = transform.domain
    upper = domain.exclusive_max
    if len(point) != len(upper):
        return None
    dim = 0
    for low in domain.inclusive_min:
        index = point[dim]
        if type(index) is not int or not low <= index < upper[dim]:
            return None
        if not MIN_INDEX <= index < INF:
            return None
        dim += 1  # noqa: SIM113 - `enumerate` is slower
    element: list[int] = []
    for output in transform._output:
        offset = output.offset
        old = output.input_dimension
        if old is not None:
            stride: Any = output.stride
            offset += stride * point[old]
            if not INT64_MIN <= offset <= INT64_MAX:
                return None
        elif output.index_array is not None:
            return None
        element.append(offset)
    return transform, element


def element_transform(plan: ElementPlan) -> IndexTransform:
    """Return the transform of rank zero that is planned."""
    transform, element = plan
    maps: list[OutputIndexMap] = []
    for coordinate in element:  # a comprehension is slower
        maps.append(_CONSTANT(coordinate))  # noqa: PERF401
    global _scalar_domain
    if _scalar_domain is None:  # made late: the class of domains needs this module
        _scalar_domain = transform.domain._trusted((), (), (), (), ())
    return transform._trusted(_scalar_domain, tuple(maps))


_scalar_domain: IndexDomain | None = None


def index_by_slices(transform: IndexTransform, terms: tuple[Any, ...]) -> IndexTransform | None:
    """Apply integers, slices and at most one ``...``; return ``None`` if there is anything else.

    Long and without helpers, because it is the innermost loop of making views.
    """
    domain = transform.domain
    lower = list(domain.inclusive_min)
    upper = list(domain.exclusive_max)
    implicit_lower = domain.implicit_lower_bounds
    implicit_upper = domain.implicit_upper_bounds
    rank = len(lower)
    points: dict[int, int] = {}
    scaled: dict[int, tuple[int, int]] = {}
    suspects: list[int] = []
    ellipsis_seen = False
    dim = 0
    for term in terms:
        kind = type(term)
        if kind is slice:
            if dim >= rank:
                return None
            start = term.start
            stop = term.stop
            step = term.step
            low = lower[dim]
            high = upper[dim]
            if start is not None:
                if type(start) is not int:
                    return None
                low = start
            if stop is not None:
                if type(stop) is not int:
                    return None
                high = stop
            if (
                low < lower[dim]
                or high > upper[dim]
                or not MIN_INDEX <= low <= high < INF
                or not (step is None or (type(step) is int and step > 0))
            ):
                # Not within finite bounds, or backwards: possible, but not that simple.
                if type(step) is not int:
                    if step is not None:
                        return None
                    step = 1
                low, high, lower_flag, upper_flag, offset = slice_interval(
                    domain, dim, start, stop, step
                )
                implicit_lower = _with(implicit_lower, dim, lower_flag)
                implicit_upper = _with(implicit_upper, dim, upper_flag)
                if step != 1:
                    scaled[dim] = offset, step
            else:
                if start is not None and implicit_lower[dim]:
                    implicit_lower = _with(implicit_lower, dim, False)
                if stop is not None and implicit_upper[dim]:
                    implicit_upper = _with(implicit_upper, dim, False)
                if step is not None:
                    first = low
                    low = first // step if first >= 0 else -(-first // step)
                    high = low - (first - high) // step
                    scaled[dim] = first - low * step, step
            lower[dim] = low
            upper[dim] = high
        elif kind is int:
            if dim >= rank:
                return None
            if not lower[dim] <= term < upper[dim] or not MIN_INDEX <= term < INF:
                if not INT64_MIN <= term <= INT64_MAX:
                    return None
                suspects.append(dim)
            points[dim] = term
        elif (
            term is Ellipsis
            and not ellipsis_seen
            and len(terms) <= rank + 1
            and _SIMPLE.issuperset(map(type, terms))
        ):
            ellipsis_seen = True
            dim += rank - len(terms)
        else:
            return None
        dim += 1
    labels = domain.labels
    for dim in reversed(points):
        del lower[dim], upper[dim]
        labels = labels[:dim] + labels[dim + 1 :]
        implicit_lower = implicit_lower[:dim] + implicit_lower[dim + 1 :]
        implicit_upper = implicit_upper[:dim] + implicit_upper[dim + 1 :]
    new_domain = domain._trusted(tuple(lower), tuple(upper), labels, implicit_lower, implicit_upper)
    if not points and not scaled:
        return crop(transform, new_domain)
    if suspects and not new_domain._is_explicitly_empty():
        for dim in suspects:
            check_index(domain, dim, points[dim])
    dims: list[int] = []
    offsets: list[int] = []
    strides: list[int] = []
    new = 0
    for old in range(rank):
        if old in points:
            dims.append(NO_DIMENSION)
            offsets.append(points[old])
            strides.append(0)
            continue
        dims.append(new)
        new += 1
        offset, step = scaled.get(old, _UNCHANGED)
        offsets.append(offset)
        strides.append(step)
    return substitute(transform, new_domain, dims, offsets, strides)


def index_by_arrays(
    transform: IndexTransform, terms: tuple[Any, ...], joint: bool
) -> IndexTransform | None:
    """Apply index arrays to the first dimensions; return ``None`` if it is not that simple.

    That is how scattered points (``joint``, arrays of one shape) and grids of points are read.  It
    does what composition would do, without the detour.
    """
    domain = transform.domain
    used = len(terms)
    kept = len(domain.labels) - used
    shape: tuple[int, ...] = ()
    given: list[IndexArray] = []
    for term in terms:
        array = np.asarray(term) if type(term) is list else term
        if type(array) is not np.ndarray or array.dtype is not _INT64 or array.size < 2:
            return None
        if not joint:
            shape += array.shape
        elif not shape:
            shape = array.shape
        elif shape != array.shape:
            return None
        given.append(array.copy() if array is term else array)
    if not given or kept < 0 or len(shape) + kept > MAX_RANK:
        return None
    arrays = given
    if kept or not joint:
        # Each array gets its own axes, of extent 1 where it does not depend on a dimension.
        before, after = 0, len(shape)
        arrays = []
        for array in given:
            after -= 0 if joint else array.ndim
            rest = kept if joint else after + kept
            arrays.append(array.reshape((1,) * before + array.shape + (1,) * rest))
            before += 0 if joint else array.ndim
        if any(map(eq, domain.inclusive_min[used:], domain.exclusive_max[used:])):
            return None  # Index arrays count as 0 where there is no element.
    moved = len(shape) - used
    maps: list[OutputIndexMap] = []
    for output in transform._output:
        old = output.input_dimension
        if old is None:
            if output.index_array is not None:
                return None
            maps.append(output)
            continue
        stride = output.stride
        assert stride is not None
        if old >= used:
            maps.append(OutputIndexMap._single(old + moved, output.offset, stride))
            continue
        bounds = (
            -INF if domain.implicit_lower_bounds[old] else domain.inclusive_min[old],
            INF_UPPER if domain.implicit_upper_bounds[old] else domain.exclusive_max[old],
        )
        maps.append(OutputIndexMap._array(arrays[old], output.offset, stride, bounds))
    explicit = (False,) * len(shape)
    new_domain = domain._trusted(
        (0,) * len(shape) + domain.inclusive_min[used:],
        shape + domain.exclusive_max[used:],
        ("",) * len(shape) + domain.labels[used:],
        explicit + domain.implicit_lower_bounds[used:],
        explicit + domain.implicit_upper_bounds[used:],
    )
    return transform._trusted(new_domain, tuple(maps))


def _with(flags: tuple[bool, ...], dim: int, flag: bool) -> tuple[bool, ...]:
    return flags if flags[dim] == flag else (*flags[:dim], flag, *flags[dim + 1 :])
