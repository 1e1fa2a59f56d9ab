"""Reducing cells of elements to one element each: how `downsample` computes.

Everything is exact where it can be. The mean of integers is rounded to the nearest integer, halves
to the even one; the median of an even number of elements is the lower one of the middle two; the
mode is the smallest of the most frequent elements. NaN counts as no element for the minimum and
the maximum, and as the largest one for median and mode.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise, product
from math import prod
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from virtchunk._schema.dtype import dtype

__all__ = ("METHODS", "DownsampleMethod", "check_method", "reduce_cells")

Array: TypeAlias = "np.ndarray[Any, Any]"
DownsampleMethod: TypeAlias = Literal["stride", "median", "mode", "mean", "min", "max"]
"""How a cell of elements becomes one: its first element, or what they have in common."""

METHODS: Final[tuple[str, ...]] = get_args(DownsampleMethod)
_IN_TURN: Final = 64
"""Cells of up to so many floats are added up one by one, in order."""
_WORDS: Final = 32
_FEW: Final = 16
"""Cells of up to so many elements are sorted all at once, step by step."""


def check_method(method: str, data_type: dtype) -> None:
    """Check that a method is one, and makes sense for a data type.

    Raises:
        ValueError: It does not.
    """
    if method not in METHODS:
        raise ValueError(f"the method must be one of {', '.join(METHODS)}, got {method!r}")
    name = data_type.name
    unordered = name in {"string", "ustring", "json", "char", "byte"}
    wrong = (
        (method in {"min", "max", "median"} and (unordered or name.startswith("complex")))
        or (method == "mean" and (unordered or name.startswith("datetime")))
        or (method == "mean" and name.startswith("timedelta"))
    )
    if wrong:
        raise ValueError(
            f'the method "{method}" does not support elements of {name}: they have no such thing'
        )


class _Segment(NamedTuple):
    """Cells of equal extent along one dimension."""

    cells: slice
    elements: slice
    extent: int


def reduce_cells(
    block: Array, origin: Sequence[int], factors: Sequence[int], method: str, target: Array
) -> None:
    """Reduce the cells of a box to one element each.

    Args:
        block: The elements. Only the first and last cells along each dimension may be incomplete.
        origin: Coordinates of its first element; cells begin at multiples of the factors.
        factors: Extents of a cell.
        method: ``"mean"``, ``"min"``, ``"max"``, ``"median"`` or ``"mode"``.
        target: Where to put the results: an array with one element for each cell.

    Example:
        >>> from virtchunk._drivers.reduction import reduce_cells
        >>> means = np.empty(3)
        >>> reduce_cells(np.arange(6.0), [1], [3], "mean", means)
        >>> means
        array([0.5, 3. , 5. ])
    """
    axes = [
        list(_segments(low, size, factor))
        for low, size, factor in zip(origin, block.shape, factors, strict=True)
    ]
    kernel = _KERNELS[method]
    for segments in product(*axes):
        elements = block[tuple([segment.elements for segment in segments])]
        shape = [n for one in segments for n in (one.cells.stop - one.cells.start, one.extent)]
        cells: Any = (*[segment.cells for segment in segments], ...)
        kernel(elements.reshape(shape), target[cells])


def _segments(low: int, size: int, factor: int) -> Iterator[_Segment]:
    """Cut one dimension into an incomplete cell, whole cells, and an incomplete cell again."""
    first = min(-low % factor, size)
    whole = (size - first) // factor
    rest = size - first - whole * factor
    cell = place = 0
    for count, extent in ((1, first), (whole, factor), (1, rest)):
        if count * extent:
            end = place + count * extent
            yield _Segment(slice(cell, cell + count), slice(place, end), extent)
            cell, place = cell + count, end


# -- kernels: arrays of shape (n0, c0, n1, c1, ...) to (n0, n1, ...); cells have shape (c0, c1, ...)


def _mean(cells: Array, target: Array) -> None:
    extent = prod(cells.shape[1::2])
    kind = target.dtype.kind
    if kind in "biu":
        _integer_mean(cells, extent, target)
        return
    if target.dtype.isbuiltin == 2:  # small floats, and small integers
        if "int" in target.dtype.name:
            middle: Array = np.empty(target.shape, np.int8)
            _integer_mean(cells.astype(np.int8), extent, middle)
            target[...] = middle
            return
        cells = cells.astype(np.float32)
    elif target.dtype == np.float16:
        cells = cells.astype(np.float32)
    with np.errstate(all="ignore"):
        total = _total(cells, in_turn=extent <= _IN_TURN)
        if kind == "c":  # the division of complex numbers by each other rounds more often
            target.real, target.imag = total.real / extent, total.imag / extent
        else:
            np.copyto(target, total / total.dtype.type(extent), casting="unsafe")


def _integer_mean(cells: Array, extent: int, target: Array) -> None:
    """Round halves to even, exactly."""
    itemsize = cells.dtype.itemsize
    if itemsize == 8 and _may_overflow(cells, extent):
        np.copyto(target, _wide_mean(cells, extent), casting="unsafe")
        return
    bound = extent << (8 * itemsize)
    kind = np.int16 if bound < 1 << 15 else np.int32 if bound < 1 << 31 else np.int64
    total = _total(cells, kind=kind, in_turn=False)
    if bound < 1 << 23 and itemsize < 8:
        # A quotient is a half only if it is exactly one, so that floats round the right way.
        mean = np.true_divide(total, np.float32(extent), dtype=np.float32)
        np.copyto(target, np.rint(mean, out=mean), casting="unsafe")
    elif bound < 1 << 52 and itemsize < 8:
        mean = np.true_divide(total, np.float64(extent))
        np.copyto(target, np.rint(mean, out=mean), casting="unsafe")
    else:
        np.copyto(target, _rounded(*np.divmod(total, extent), extent), casting="unsafe")


def _rounded(quotient: Array, remainder: Array, extent: int) -> Array:
    odd = (quotient & quotient.dtype.type(1)) == 1
    twice = 2 * remainder
    up: Array = (twice > extent) | ((twice == extent) & odd)
    return np.asarray(quotient + up.astype(quotient.dtype))


def _may_overflow(cells: Array, extent: int) -> bool:
    if not cells.size:
        return False
    return max(-int(cells.min()), int(cells.max())) * extent >= 1 << 62


def _wide_mean(cells: Array, extent: int) -> Array:
    """Add up the upper and the lower halves of 64-bit integers by themselves."""
    kind = cells.dtype.type
    words = kind(_WORDS)
    upper = _total(cells >> words, in_turn=False)
    lower = _total(cells & kind((1 << _WORDS) - 1), in_turn=False)
    count = kind(extent)
    quotient, remainder = np.divmod(upper, count)
    more, left = np.divmod((remainder << words) + lower, count)
    with np.errstate(over="ignore"):
        return _rounded((quotient << words) + more, left, extent)


def _total(cells: Array, *, in_turn: bool, kind: Any = None) -> Array:
    """Add up the elements of each cell."""
    if in_turn:  # the order in which the original adds: floats come out the same
        return _accumulated(np.add, cells)
    return _along_axes(np.add, cells, kind)


def _accumulated(function: np.ufunc, cells: Array) -> Array:
    """Combine the elements of each cell one by one, in order."""
    places = product(*[range(extent) for extent in cells.shape[1::2]])
    every = slice(None)
    total: Array | None = None
    for place in places:
        part = cells[tuple([index for at in place for index in (every, at)])]
        if total is None:
            total = part.copy()
        else:
            function(total, part, out=total)
    assert total is not None
    return total


def _along_axes(function: np.ufunc, cells: Array, kind: Any = None) -> Array:
    """Combine the elements of each cell, dimension by dimension from the first."""
    for axis in range(cells.ndim // 2):
        cells = _along_axis(function, cells, axis + 1, kind)
    return cells if kind is None or cells.dtype == kind else cells.astype(kind)


def _along_axis(function: np.ufunc, cells: Array, axis: int, kind: Any) -> Array:
    extent = cells.shape[axis]
    if extent == 1:
        return cells.reshape(cells.shape[:axis] + cells.shape[axis + 1 :])
    if extent > _IN_TURN // 8:
        return function.reduce(cells, axis=axis, dtype=kind)  # type: ignore[no-any-return]
    # A few operations on whole arrays are faster than a reduction over short runs.
    parts = np.moveaxis(cells, axis, 0)
    total = function(parts[0], parts[1], dtype=kind)
    for part in parts[2:]:
        function(total, part, out=total)
    return np.asarray(total)


def _extreme(function: np.ufunc) -> Callable[[Array, Array], None]:
    def reduce(cells: Array, target: Array) -> None:
        if target.dtype.isbuiltin == 2:
            cells = cells.astype(np.int8 if "int" in target.dtype.name else np.float32)
        np.copyto(target, _along_axes(function, cells), casting="unsafe")

    return reduce


def _rows(cells: Array, target: Array) -> Array:
    """Return the cells as rows of an array of a type that can be sorted."""
    rank = cells.ndim // 2
    order = [*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)]
    rows: Array = np.array(cells.transpose(order)).reshape(*target.shape, -1)
    if target.dtype.kind == "O":
        return rows
    if target.dtype.name in {"bool", "void8", "bytes8"}:
        return rows.view(np.uint8)
    if target.dtype.isbuiltin == 2:
        return rows.astype(np.int8 if "int" in target.dtype.name else np.float32)
    return rows


def _put(values: Array, target: Array) -> None:
    if target.dtype.name in {"bool", "void8", "bytes8"}:
        values = values.view(target.dtype)
    np.copyto(target, values, casting="unsafe")


def _columns(cells: Array, target: Array) -> list[Array] | None:
    """Return the sorted elements of all cells: first all smallest ones, and so on.

    None if cells are large, or elements are not simply numbers.
    """
    kind = cells.dtype.kind
    extent = prod(cells.shape[1::2])
    if extent > _FEW or kind not in "biuf" or cells.dtype.isbuiltin == 2:
        return None
    if kind == "f" and np.isnan(cells).any():
        return None
    rank = cells.ndim // 2
    order = [*range(1, 2 * rank, 2), *range(0, 2 * rank, 2)]
    columns = list(np.array(cells.transpose(order), order="C").reshape(extent, *target.shape))
    for one, other in _network(extent):
        low = np.minimum(columns[one], columns[other])
        np.maximum(columns[one], columns[other], out=columns[other])
        columns[one] = low
    return columns


@cache
def _network(count: int) -> tuple[tuple[int, int], ...]:
    """Return Batcher's merge exchange: which elements to put in order, so that all are."""
    pairs = []
    top = 1 << max(0, (count - 1).bit_length() - 1)
    p = top
    while p:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(count - d) if i & p == r]
            if q == p:
                break
            q, r, d = q >> 1, p, q - p
        p >>= 1
    return tuple(pairs)


def _median(cells: Array, target: Array) -> None:
    columns = _columns(cells, target)
    if columns is not None:
        target[...] = columns[(len(columns) - 1) // 2]
        return
    rows = _rows(cells, target)
    middle = (rows.shape[-1] - 1) // 2
    rows.partition(middle, axis=-1)
    _put(rows[..., middle], target)


def _mode(cells: Array, target: Array) -> None:
    columns = _columns(cells, target)
    if columns is not None:
        _longest_run(columns, target)
        return
    rows = _rows(cells, target)
    if rows.dtype.kind == "O":
        for index in np.ndindex(target.shape):
            target[index] = _most_frequent(rows[index].tolist())
        return
    rows.sort(axis=-1)
    # The longest run of equal elements, and the first such, which is that of the smallest element.
    positions = np.arange(rows.shape[-1])
    begins = np.ones(rows.shape, bool)
    np.not_equal(rows[..., 1:], rows[..., :-1], out=begins[..., 1:])
    starts = np.maximum.accumulate(np.where(begins, positions, 0), axis=-1)
    longest = np.argmax(positions - starts, axis=-1)
    _put(np.take_along_axis(rows, longest[..., None], axis=-1)[..., 0], target)


def _longest_run(columns: list[Array], target: Array) -> None:
    """Put the most frequent one of sorted elements, and of several the first."""
    best: Array = columns[0].copy()
    length = np.ones(best.shape, np.uint8)
    longest = length.copy()
    for before, column in pairwise(columns):
        length *= column == before
        length += 1
        longer = length > longest
        np.copyto(best, column, where=longer)
        np.maximum(longest, length, out=longest)
    target[...] = best


def _most_frequent(elements: list[Any]) -> Any:
    """Return the mode of Python objects: bytes, text, or JSON values, which are ordered as text."""
    kinds = {*map(type, elements)}
    comparable = kinds <= {int, float} or (len(kinds) == 1 and kinds <= {bytes, str, bool})
    keys = elements if comparable else [json.dumps(item, sort_keys=True) for item in elements]
    counts = Counter(keys)
    most = max(counts.values())
    return elements[keys.index(min(key for key, count in counts.items() if count == most))]


_KERNELS: Final[dict[str, Callable[[Array, Array], None]]] = {
    "mean": _mean,
    "min": _extreme(np.fmin),
    "max": _extreme(np.fmax),
    "median": _median,
    "mode": _mode,
}
