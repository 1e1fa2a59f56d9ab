"""Partition a transformed request into one piece per chunk.

The input dimensions of a transform and the grid dimensions it maps to fall into independent sets.
Where each set is one strided input dimension over one grid dimension, or a constant, the request is
a *box*: its pieces are the product of per-dimension columns, and are described by slices
(`BoxPartition`). Index arrays, and input dimensions that drive several grid dimensions at once
(diagonals), go through `_grid/scattered.py`.

Pieces are produced lazily: memory does not grow with the number of chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product, repeat
from math import prod
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, cast, final

import attrs
import numpy as np

from virtchunk._grid.regular import Columns, DimensionGrid, columns
from virtchunk._index.transform import IndexTransform

__all__ = ("BoxPartition", "Partition", "Piece", "partition", "spread")

Array: TypeAlias = "np.ndarray[Any, Any]"

# Cells per batch of the one dimension that is not held in memory as a whole.
_BATCH = 1024


class Piece(NamedTuple):
    """The part of a request that lies in one chunk.

    Partitions yield plain tuples in this order, because they make millions of them.
    """

    lower: tuple[int, ...]
    """Inclusive lower bound of the clipped chunk, in base coordinates. Names the chunk."""
    upper: tuple[int, ...]
    """Exclusive upper bound of the clipped chunk."""
    index_exp: tuple[slice, ...] | None
    """The chunk's domain as an index expression; None if not known, or if a bound is negative."""
    out: Any
    """Index into ``partition.request_view(array)``: the elements that lie in the chunk."""
    part: Any
    """Index into an array of the chunk: the same elements, in the same order."""
    covers: bool
    """Whether every element of the chunk is touched."""


class Partition(Protocol):
    """A request cut along chunk borders."""

    @property
    def scattered(self) -> bool:
        """Whether pieces are described by index arrays.

        If not, a piece that covers its chunk is the chunk: ``request_view(array)[out]`` is a view
        of the chunk's shape, with its elements in order.
        """

    @property
    def total(self) -> int:
        """The number of chunks touched."""

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        """Yield the pieces, each the plain tuple of a `Piece`; may be called again."""

    def request_view(self, array: Array) -> Array:
        """View an array of the request's shape with its axes as ``out`` indexes them."""

    def spread(self, array: Array) -> None:
        """Copy, in place, along input dimensions on which no grid dimension depends."""


def partition(transform: IndexTransform, grid: Sequence[DimensionGrid]) -> Partition:
    """Cut the domain of ``transform`` along the borders of the chunks it maps to.

    Args:
        transform: From the request (its domain, which must be finite) to base coordinates.
        grid: The dimensions of the chunk grid, one for each output dimension of ``transform``.

    Raises:
        IndexError: If the transform leaves the bounds of the grid.
    """
    shape = transform.domain.shape
    if 0 in shape:
        return BoxPartition(shape, (), (), None, empty=True)
    lows = transform.domain.inclusive_min
    axes = []
    used = set()
    for dimension, (output, cells) in enumerate(zip(transform._output, grid, strict=True)):
        source = output.input_dimension
        if output.index_array is not None or source in used:
            from virtchunk._grid.scattered import scattered_partition  # noqa: PLC0415 - needs this module

            return scattered_partition(transform, grid)
        if source is None:
            axis = _Axis(cells, None, output.offset, 1, 1)
        else:
            used.add(source)
            assert output.stride is not None
            axis = _strided(
                cells, source, output.offset, output.stride, lows[source], shape[source]
            )
        _check_bounds(axis, dimension)
        axes.append(axis)
    unused = () if len(used) == len(shape) else tuple(i for i in range(len(shape)) if i not in used)
    return BoxPartition(shape, tuple(axes), unused, _only_piece(axes))


class _Axis(NamedTuple):
    """One grid dimension of a box: the coordinates ``start + stride * k``, ``0 <= k < extent``."""

    grid: DimensionGrid
    source: int | None
    start: int
    stride: int
    extent: int
    reverse: bool = False

    @property
    def last(self) -> int:
        return self.start + self.stride * (self.extent - 1)

    def batches(self, batch: int) -> Iterator[Columns]:
        return columns(self.grid, self.start, self.stride, self.extent, batch)

    def cells(self) -> int:
        if self.extent == 1 or self.start == self.last:
            return 1
        cells = self.grid.cells(self.start, self.last)
        if self.stride == 1 or cells == 1:
            return cells
        return sum(len(columns.lower) for columns in self.batches(_BATCH))


def _strided(
    grid: DimensionGrid, source: int, offset: int, stride: int, low: int, extent: int
) -> _Axis:
    start = offset + stride * low
    if stride > 0:
        return _Axis(grid, source, start, stride, extent)
    # Walk the same coordinates upwards, and reverse the axis of the request instead.
    return _Axis(grid, source, start + stride * (extent - 1), -stride or 1, extent, reverse=True)


def _only_piece(axes: Sequence[_Axis]) -> tuple[Any, ...] | None:
    """Return the piece of a request that lies in one chunk, or None.

    Small reads are common and should not pay for columns and products.
    """
    lowers, uppers, outs, parts, covers = [], [], [], [], True
    for grid, _, start, stride, extent, _ in axes:
        lower, upper = grid.bounds(start)
        end = start + stride * (extent - 1)
        if end >= upper:
            return None
        lowers.append(lower)
        uppers.append(upper)
        outs.append(slice(0, extent))
        parts.append(slice(start - lower, end - lower + 1, stride))
        covers = covers and extent == upper - lower
    if not axes:  # a 0-d array indexed by () would give a scalar, not a view
        return (), (), (), ..., ..., True
    index_exp = None if min(lowers) < 0 else tuple(map(slice, lowers, uppers))
    return tuple(lowers), tuple(uppers), index_exp, tuple(outs), tuple(parts), covers


def _check_bounds(axis: _Axis, dimension: int) -> None:
    low, high = axis.grid.inclusive_min, axis.grid.exclusive_max
    if axis.start < low or axis.last >= high:
        raise IndexError(
            f"the request reaches [{axis.start}, {axis.last + 1}) in dimension {dimension}, "
            f"outside the domain [{low}, {high}) of the base"
        )


@final
@attrs.frozen(eq=False)
class BoxPartition:
    """A request whose every piece is described by slices."""

    shape: tuple[int, ...]
    axes: tuple[_Axis, ...]
    unused: tuple[int, ...]
    only: tuple[Any, ...] | None
    """The piece, if the request lies in one chunk."""
    empty: bool = False
    scattered: ClassVar[bool] = False

    @property
    def total(self) -> int:
        if self.only is not None:
            return 1
        return 0 if self.empty else prod(axis.cells() for axis in self.axes)

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        if self.only is not None or self.empty:
            return iter(() if self.only is None else (self.only,))
        return chain.from_iterable(self._batches())

    def _batches(self) -> Iterator[Iterator[tuple[Any, ...]]]:
        axes = self.axes
        # All columns but the longest are held whole: at most the square root of the chunks.
        longest = max(range(len(axes)), key=lambda i: axes[i].extent)
        held = [
            None if i == longest else _join(axis.batches(_BATCH)) for i, axis in enumerate(axes)
        ]
        for batch in axes[longest].batches(_BATCH):
            held[longest] = batch
            yield _product(held)

    def request_view(self, array: Array) -> Array:
        unused, axes = self.unused, self.axes
        if not unused and all(axis.source == i and not axis.reverse for i, axis in enumerate(axes)):
            return array
        reverse = {axis.source for axis in axes if axis.reverse}
        array = array[
            tuple(
                0 if i in unused else slice(None, None, -1 if i in reverse else 1)
                for i in range(len(self.shape))
            )
        ]
        used = [i for i in range(len(self.shape)) if i not in unused]
        order = [used.index(axis.source) for axis in axes if axis.source is not None]
        expand = tuple(None if axis.source is None else slice(None) for axis in axes)
        return array.transpose(order)[expand]

    def spread(self, array: Array) -> None:
        spread(array, self.unused)

    def region(self, piece: tuple[Any, ...]) -> tuple[slice, ...]:
        """Return the positions of a piece in the request, counted from 0, per input dimension."""
        region = [slice(0, size) for size in self.shape]
        for axis, out in zip(self.axes, piece[3] if self.axes else (), strict=True):
            if axis.source is not None:
                ends = (out.start, out.stop)
                if axis.reverse:
                    ends = (axis.extent - out.stop, axis.extent - out.start)
                region[axis.source] = slice(*ends)
        return tuple(region)


def spread(array: Array, dimensions: tuple[int, ...]) -> None:
    """Copy, in place, the first entry along each of ``dimensions`` to all others."""
    if dimensions:
        first = tuple(slice(0, 1) if i in dimensions else slice(None) for i in range(array.ndim))
        array[...] = array[first]


def _join(batches: Iterator[Columns]) -> Columns:
    first = next(batches)
    for batch in batches:
        for column, more in zip(first, batch, strict=True):
            cast("list[object]", column).extend(cast("list[object]", more))
    return first


def _product(held: Sequence[Columns | None]) -> Iterator[tuple[Any, ...]]:
    """Combine the columns of all dimensions, at C speed, into pieces."""
    lower, upper, base, out, part, whole = zip(*[c for c in held if c is not None], strict=True)
    aligned = all(map(all, whole))
    # A domain with a negative bound has no index expression: NumPy would count it from the end.
    negative = any(column[0] < 0 for column in lower)
    return zip(
        product(*lower),
        product(*upper),
        repeat(None) if negative else product(*base),
        product(*out),
        product(*part),
        repeat(True) if aligned else map(all, product(*whole)),
        strict=False,
    )
