"""Partition a transformed request into one piece per chunk.

The input dimensions of a transform and the grid dimensions it maps to fall into independent sets.
Where each set is one strided input dimension over one grid dimension, or a constant, the request is
a *box*: its pieces are the product of per-dimension columns, and are described by slices
(`virtchunk._grid.box`). Index arrays, and input dimensions that drive several grid dimensions at
once (diagonals), go through `virtchunk._grid.scattered`.

Pieces are produced lazily: memory does not grow with the number of chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import eq
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from virtchunk._grid.box import Axis, BoxPartition, NoChunks, OneChunk, axis_of
from virtchunk._grid.regular import DimensionGrid
from virtchunk._index.transform import IndexTransform

if TYPE_CHECKING:
    import numpy as np

__all__ = ("Partition", "Piece", "partition")

Array: TypeAlias = "np.ndarray[Any, Any]"


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

    def region(self, piece: tuple[Any, ...]) -> tuple[slice, ...]:
        """Return the positions of a piece in the request, counted from 0, per input dimension.

        Raises:
            ValueError: If they are scattered.
        """

    def spread(self, array: Array) -> None:
        """Copy, in place, along input dimensions on which no grid dimension depends."""


def partition(transform: IndexTransform, grid: Sequence[DimensionGrid]) -> Partition:
    """Cut the domain of ``transform`` along the borders of the chunks it maps to.

    Args:
        transform: From the request (its domain, which must be finite) to base coordinates.
        grid: The dimensions of the chunk grid, one for each output dimension of ``transform``.

    Raises:
        ValueError: If the transform leaves the bounds of the grid, or an index array the range that
            indexing left to it. (The original's class, at the same moment.)
    """
    domain = transform.domain
    lows, highs = domain.inclusive_min, domain.exclusive_max
    if any(map(eq, lows, highs)):
        return NoChunks(domain.shape)
    only = _one_chunk(transform, grid)
    if only is not None:
        return only
    shape = domain.shape
    axes: list[Axis] = []
    used = set()
    for dimension, (output, cells) in enumerate(zip(transform._output, grid, strict=True)):
        source = output.input_dimension
        if output.index_array is not None or source in used:
            from virtchunk._grid.scattered import scattered_partition

            return scattered_partition(transform, grid)
        if source is None:
            axis = Axis(cells, None, output.offset, 1, 1)
        else:
            used.add(source)
            assert output.stride is not None
            axis = axis_of(cells, source, output.offset, output.stride, lows[source], shape[source])
        _check_bounds(axis, dimension)
        axes.append(axis)
    unused = tuple(i for i in range(len(shape)) if i not in used)
    return BoxPartition(shape, tuple(axes), unused)


def _one_chunk(transform: IndexTransform, grid: Sequence[DimensionGrid]) -> OneChunk | None:
    """Return the partition of a request that lies in one chunk; None if it does not, or may not."""
    domain = transform.domain
    lows, highs = domain.inclusive_min, domain.exclusive_max
    lowers: list[int] = []
    uppers: list[int] = []
    outs: list[Any] = []
    parts: list[Any] = []
    sources: list[tuple[int | None, bool]] = []
    used: list[int] = []
    covers, negative = True, False
    dimension = 0
    for output in transform._output:
        cells = grid[dimension]
        dimension += 1  # noqa: SIM113 - `zip(..., strict=True)` takes a third of the time of it all
        source = output.input_dimension
        if source is None:
            if output.index_array is not None:
                return None
            start = end = output.offset
            extent = stride = 1
            sources.append((None, False))
        else:
            assert output.stride is not None
            stride = output.stride
            extent = highs[source] - lows[source]
            start = output.offset + stride * lows[source]
            end = start + stride * (extent - 1)
            if source in used:
                return None
            used.append(source)
            sources.append((source, stride < 0))
            if stride <= 0:
                start, end, stride = end, start, -stride or 1
        if start < cells.inclusive_min or end >= cells.exclusive_max:
            return None
        lower, upper = cells.bounds(start)
        if end >= upper:
            return None
        lowers.append(lower)
        uppers.append(upper)
        outs.append(slice(0, extent))
        parts.append(slice(start - lower, end - lower + 1, stride))
        covers = covers and extent == upper - lower
        negative = negative or lower < 0
    unused: tuple[int, ...] = ()
    if len(used) < len(lows):
        unused = tuple(i for i in range(len(lows)) if i not in used)
    if not lowers:  # a 0-d array indexed by () would give a scalar, not a view
        outs = parts = [...]
    index_exp = None if negative else tuple(map(slice, lowers, uppers))
    piece = (tuple(lowers), tuple(uppers), index_exp, tuple(outs), tuple(parts), covers)
    return OneChunk(domain.shape, piece, tuple(sources), unused)


def _check_bounds(axis: Axis, dimension: int) -> None:
    low, high = axis.grid.inclusive_min, axis.grid.exclusive_max
    if axis.start < low or axis.last >= high:
        raise ValueError(
            f"the request reaches [{axis.start}, {axis.last + 1}) in dimension {dimension}, "
            f"outside the domain [{low}, {high}) of the base"
        )
