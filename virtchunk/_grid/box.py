"""Requests that are boxes in the chunk grid: one strided run of coordinates in each dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product, repeat
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, cast, final

from virtchunk._grid.regular import Columns, DimensionGrid, columns

if TYPE_CHECKING:
    import numpy as np

__all__ = ("Axis", "BoxPartition", "NoChunks", "OneChunk", "Row", "arranged", "axis_of", "spread")

Array: TypeAlias = "np.ndarray[Any, Any]"

# Cells per batch of the one dimension that is not held in memory as a whole.
_BATCH = 1024


class Axis(NamedTuple):
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


def axis_of(
    grid: DimensionGrid, source: int, offset: int, stride: int, low: int, extent: int
) -> Axis:
    """Return the run that an input dimension makes along a grid dimension.

    Args:
        grid: The grid dimension.
        source: The input dimension.
        offset: Of the output index map.
        stride: Of the output index map.
        low: The input dimension's first index.
        extent: Its extent.
    """
    start = offset + stride * low
    if stride > 0:
        return Axis(grid, source, start, stride, extent)
    # Walk the same coordinates upwards, and reverse the axis of the request instead.
    return Axis(grid, source, start + stride * (extent - 1), -stride or 1, extent, reverse=True)


class Row(NamedTuple):
    """Pieces that differ only in the last grid dimension."""

    lower: tuple[int, ...]
    """Lower bounds of their chunks, without the last one."""
    out: tuple[slice, ...]
    """Index of all of them into the request, where they lie side by side along the last axis."""
    part: tuple[slice, ...]
    """Index into each chunk, without the last axis."""
    covers: bool
    """Whether every element of every chunk is touched."""
    columns: Columns
    """The last grid dimension."""


@final
class BoxPartition:
    """A request whose every piece is described by slices."""

    __slots__ = (
        "axes",
        "shape",
        "unused",
    )
    scattered: ClassVar[bool] = False

    def __init__(
        self, shape: tuple[int, ...], axes: tuple[Axis, ...], unused: tuple[int, ...]
    ) -> None:
        self.shape = shape
        self.axes = axes
        self.unused = unused

    @property
    def total(self) -> int:
        return prod(axis.cells() for axis in self.axes)

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        return chain.from_iterable(map(_product, self._columns()))

    def rows(self) -> Iterator[Row]:
        """Yield the same pieces, in the same order, by rows along the last grid dimension."""
        for *leading, last in self._columns():
            assert last is not None
            held = cast("list[Columns]", leading)
            along, all_whole = slice(last.out[0].start, last.out[-1].stop), all(last.whole)
            for lower, out, part, whole in zip(
                product(*[axis.lower for axis in held]),
                product(*[axis.out for axis in held]),
                product(*[axis.part for axis in held]),
                product(*[axis.whole for axis in held]),
                strict=True,
            ):
                yield Row(lower, (*out, along), part, all_whole and all(whole), last)

    def _columns(self) -> Iterator[list[Columns | None]]:
        """Yield the columns of all axes whose product is the request, batch by batch."""
        axes = self.axes
        # All columns but the longest are held whole: at most the square root of the chunks.
        longest = max(range(len(axes)), key=lambda i: axes[i].extent)
        held = [
            None if i == longest else _join(axis.batches(_BATCH)) for i, axis in enumerate(axes)
        ]
        for batch in axes[longest].batches(_BATCH):
            held[longest] = batch
            yield held

    def request_view(self, array: Array) -> Array:
        sources = [(axis.source, axis.reverse) for axis in self.axes]
        return arranged(array, sources, self.unused)

    def spread(self, array: Array) -> None:
        spread(array, self.unused)

    def region(self, piece: tuple[Any, ...]) -> tuple[slice, ...]:
        region = [slice(0, size) for size in self.shape]
        for axis, out in zip(self.axes, piece[3], strict=True):
            if axis.source is not None:
                ends = (out.start, out.stop)
                if axis.reverse:
                    ends = (axis.extent - out.stop, axis.extent - out.start)
                region[axis.source] = slice(*ends)
        return tuple(region)


@final
class NoChunks:
    """An empty request."""

    __slots__ = ("shape",)
    scattered: ClassVar[bool] = False
    total: ClassVar[int] = 0

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        return iter(())

    def request_view(self, array: Array) -> Array:
        return array

    def spread(self, array: Array) -> None:
        """Do nothing."""

    def region(self, piece: tuple[Any, ...]) -> tuple[slice, ...]:
        raise AssertionError("an empty request has no pieces")


@final
class OneChunk:
    """A request that lies in one chunk.

    Small reads are common, and should not pay for columns and products.
    """

    __slots__ = (
        "piece",
        "shape",
        "sources",
        "unused",
    )
    scattered: ClassVar[bool] = False
    total: ClassVar[int] = 1

    def __init__(
        self,
        shape: tuple[int, ...],
        piece: tuple[Any, ...],
        sources: tuple[tuple[int | None, bool], ...],
        unused: tuple[int, ...],
    ) -> None:
        self.shape = shape
        self.piece = piece
        self.sources = sources
        self.unused = unused

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        return iter((self.piece,))

    def request_view(self, array: Array) -> Array:
        return arranged(array, self.sources, self.unused)

    def spread(self, array: Array) -> None:
        if self.unused:
            spread(array, self.unused)

    def region(self, piece: tuple[Any, ...]) -> tuple[slice, ...]:
        return tuple(slice(0, size) for size in self.shape)


def arranged(
    array: Array, sources: Sequence[tuple[int | None, bool]], unused: tuple[int, ...]
) -> Array:
    """View an array of a request's shape with one axis for each grid dimension, in their order.

    Args:
        array: The request.
        sources: Per grid dimension, the input dimension that it depends on, or None, and whether
            coordinates decrease along it.
        unused: Input dimensions that no grid dimension depends on; their last entry is viewed.
    """
    rank = array.ndim
    if not rank:
        return array.reshape((1,) * len(sources))
    if not unused and all(pair == (i, False) for i, pair in enumerate(sources)):
        return array
    reverse = {source for source, reverse in sources if reverse}
    selection = (
        -1 if i in unused else slice(None, None, -1 if i in reverse else 1) for i in range(rank)
    )
    array = array[(*selection, ...)]  # the ellipsis: a view even where no dimension is left
    used = [i for i in range(rank) if i not in unused]
    order = [used.index(source) for source, _ in sources if source is not None]
    expand = tuple(None if source is None else slice(None) for source, _ in sources)
    return array.transpose(order)[(*expand, ...)]


def spread(array: Array, dimensions: tuple[int, ...]) -> None:
    """Copy, in place, the last entry along each of ``dimensions`` to all others.

    The last one is what requests refer to, because of several writes to an element the last wins.
    """
    if dimensions and array.size:
        last = tuple(slice(-1, None) if i in dimensions else slice(None) for i in range(array.ndim))
        array[...] = array[last]


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
