"""Which layer of a stack gives which elements of a request: the last one that has them.

A request without index arrays is cut into boxes of positions: each layer, from the last to the
first, takes what is left of what it has. So layers that overlap are read in few, large parts.
Requests with index arrays are cut along all borders of all layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np

from virtchunk._drivers.driver import View
from virtchunk._grid.irregular import IrregularDimension
from virtchunk._grid.partition import Partition, partition
from virtchunk._index.compose import compose
from virtchunk._index.domain import IndexDomain
from virtchunk._index.output_map import UNBOUNDED, OutputIndexMap
from virtchunk._index.transform import IndexTransform

__all__ = ("Bounds", "Cut", "Part", "StackPartition", "cut_into_parts")

Array: TypeAlias = "np.ndarray[Any, Any]"
Box: TypeAlias = tuple[tuple[int, int], ...]
"""Positions in a request, counted from 0: first and end along each dimension."""

_FEW = 8
"""So many layers are looked through one by one."""


class Part(NamedTuple):
    """Elements of a request that one layer gives."""

    layer: int
    transform: IndexTransform
    """To the coordinates of the stack."""
    out: Any
    """Index into the request."""
    shares: bool
    """Whether that gives a view of the request's memory, rather than a copy."""


class Cut(NamedTuple):
    """A request cut by layers."""

    parts: Sequence[Part]
    spread: Callable[[Array], object] | None
    """What is left to do when all parts have been read."""


@final
class Bounds:
    """Where the layers lie.

    Args:
        domains: Of the layers.
        domain: Of the stack.
    """

    def __init__(self, domains: Sequence[IndexDomain], domain: IndexDomain) -> None:
        self.domain = domain
        self.lows = [one.inclusive_min for one in domains]
        self.highs = [one.exclusive_max for one in domains]
        self._low = np.array(self.lows, np.int64).reshape(len(domains), domain.rank)
        # One past the largest index is no such number.
        last = [tuple(high - 1 for high in highs) for highs in self.highs]
        self._last = np.array(last, np.int64).reshape(len(domains), domain.rank)

    def touched(self, low: Sequence[int], last: Sequence[int]) -> list[int]:
        """Return the layers that have elements in a box, the last one first."""
        if len(self.lows) <= _FEW:
            return list(range(len(self.lows)))[::-1]
        found = (self._low <= np.array(last)) & (self._last >= np.array(low))
        return np.flatnonzero(found.all(axis=1))[::-1].tolist()  # type: ignore[no-any-return]

    def top(self, cell: Sequence[int]) -> int | None:
        """Return the layer that gives the element at a place."""
        layers = self.touched(cell, cell)
        return next((layer for layer in layers if self._has(layer, cell)), None)

    def _has(self, layer: int, cell: Sequence[int]) -> bool:
        return all(
            low <= at < high
            for low, at, high in zip(self.lows[layer], cell, self.highs[layer], strict=True)
        )


def cut_into_parts(transform: IndexTransform, bounds: Bounds) -> Cut:
    """Cut a finite request by layers.

    Raises:
        ValueError: No layer has some of the elements.
    """
    if any(size == 0 for size in transform.domain.shape):
        return Cut((), None)
    if any(output.index_array is not None for output in transform._output):
        cut = partition(transform, _edges(bounds))
        return Cut([_scattered(piece, bounds) for piece in cut.pieces()], cut.spread)
    return Cut(_boxes(transform, bounds), None)


# -- boxes -------------------------------------------------------------------------------------


def _boxes(transform: IndexTransform, bounds: Bounds) -> list[Part]:
    shape = transform.domain.shape
    runs = [_run(output, transform.domain) for output in transform._output]
    reach = [_reach(run, shape) for run in runs]
    left: list[Box] = [tuple((0, size) for size in shape)]
    parts: list[Part] = []
    for layer in bounds.touched([low for low, _ in reach], [last for _, last in reach]):
        has = _positions(runs, bounds.lows[layer], bounds.highs[layer], shape)
        if has is None:
            continue
        rest: list[Box] = []
        for box in left:
            common = _intersection(box, has)
            if common is None:
                rest.append(box)
            else:
                rest += _without(box, common)
                parts.append(_part(layer, transform, common))
        left = rest
        if not left:
            return parts
    place = [
        low + first for low, (first, _) in zip(transform.domain.inclusive_min, left[0], strict=True)
    ]
    raise _missing(transform(place))


def _missing(cell: Sequence[int]) -> ValueError:
    return ValueError(
        f"no layer of the stack has the element at {tuple(cell)}; read where there are layers, "
        "or put one that has a value everywhere at the beginning"
    )


def _run(output: OutputIndexMap, domain: IndexDomain) -> tuple[int | None, int, int]:
    """Return which dimension of a request an output depends on, its start and its steps."""
    source, stride = output.input_dimension, output.stride
    if source is None or not stride:
        return None, output.offset, 1
    return source, output.offset + stride * domain.inclusive_min[source], stride


def _reach(run: tuple[int | None, int, int], shape: tuple[int, ...]) -> tuple[int, int]:
    source, start, stride = run
    end = start if source is None else start + stride * (shape[source] - 1)
    return min(start, end), max(start, end)


def _positions(
    runs: Sequence[tuple[int | None, int, int]],
    lows: tuple[int, ...],
    highs: tuple[int, ...],
    shape: tuple[int, ...],
) -> Box | None:
    """Return the positions of a request at which a layer has elements; None if there are none."""
    box = [(0, size) for size in shape]
    for (source, start, stride), low, high in zip(runs, lows, highs, strict=True):
        if source is None:
            if not low <= start < high:
                return None
            continue
        if stride > 0:
            first, end = -((start - low) // stride), -((start - high) // stride)
        else:
            first, end = -((high - 1 - start) // -stride), (start - low) // -stride + 1
        known_first, known_end = box[source]
        first, end = max(first, known_first), min(end, known_end)
        if first >= end:
            return None
        box[source] = first, end
    return tuple(box)


def _intersection(one: Box, other: Box) -> Box | None:
    common = tuple(
        (max(first, second), min(end, limit))
        for (first, end), (second, limit) in zip(one, other, strict=True)
    )
    return None if any(first >= end for first, end in common) else common


def _without(box: Box, hole: Box) -> Iterator[Box]:
    """Cut a box around another one that lies inside of it."""
    rest = list(box)
    for dim, ((first, end), (low, high)) in enumerate(zip(box, hole, strict=True)):
        for part in ((first, low), (high, end)):
            if part[0] < part[1]:
                yield (*rest[:dim], part, *rest[dim + 1 :])
        rest[dim] = (low, high)


def _part(layer: int, transform: IndexTransform, box: Box) -> Part:
    own = transform.domain
    explicit = (False,) * own.rank
    domain = IndexDomain._trusted(
        tuple([low + first for low, (first, _) in zip(own.inclusive_min, box, strict=True)]),
        tuple([low + end for low, (_, end) in zip(own.inclusive_min, box, strict=True)]),
        own.labels,
        explicit,
        explicit,
    )
    out = tuple([slice(first, end) for first, end in box])
    return Part(layer, IndexTransform._trusted(domain, transform._output), (*out, ...), True)


# -- index arrays ------------------------------------------------------------------------------


def _scattered(piece: tuple[Any, ...], bounds: Bounds) -> Part:
    lower, part = piece[0], piece[4]
    layer = bounds.top(lower)
    if layer is None:
        first = [index if isinstance(index, int) else int(index.flat[0]) for index in part]
        raise _missing([low + index for low, index in zip(lower, first, strict=True)])
    return Part(layer, _points(lower, part), piece[3], False)


def _edges(bounds: Bounds) -> list[IrregularDimension]:
    """Return a grid of which no cell lies across a border of a layer."""
    dimensions = []
    domain = bounds.domain
    for dim in range(domain.rank):
        low, high = domain.inclusive_min[dim], domain.exclusive_max[dim]
        borders = {low, high}
        for edges in (bounds.lows, bounds.highs):
            borders.update(edge[dim] for edge in edges if low < edge[dim] < high)
        dimensions.append(IrregularDimension(tuple(sorted(borders))))
    return dimensions


def _points(lower: tuple[int, ...], part: tuple[Any, ...]) -> IndexTransform:
    """Return the transform that selects elements given by index arrays, counted from ``lower``."""
    arrays = [index for index in part if not isinstance(index, int)]
    shape = np.broadcast_shapes(*[array.shape for array in arrays])
    outputs = [
        OutputIndexMap._constant(low + index) if isinstance(index, int) else _array_map(low + index)
        for low, index in zip(lower, part, strict=True)
    ]
    return IndexTransform._trusted(IndexDomain(shape=shape), tuple(outputs))


def _array_map(index: Array) -> OutputIndexMap:
    if index.size == 1:
        return OutputIndexMap._constant(int(index.reshape(-1)[0]))
    return OutputIndexMap._array(index, 0, 1, UNBOUNDED)


# -- cutting by chunks ---------------------------------------------------------------------------


@final
class StackPartition:
    """A request cut by layers, and each part along the chunks of its layer."""

    def __init__(self, transform: IndexTransform, parts: Sequence[tuple[Part, View]]) -> None:
        self._shape = transform.domain.shape
        self.scattered = any(output.index_array is not None for output in transform._output)
        self._parts: list[tuple[Any, Partition]] = [
            (part.out, view.driver.cut(compose(view.transform, part.transform)))
            for part, view in parts
        ]

    @property
    def total(self) -> int:
        return sum(cut.total for _, cut in self._parts)

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        """Yield what `region` understands; these are no pieces of one grid."""
        for out, cut in self._parts:
            for piece in cut.pieces():
                yield out, cut, piece

    def region(self, piece: tuple[Any, ...]) -> tuple[slice, ...]:
        out, cut, inner = piece
        if self.scattered:
            raise ValueError("the pieces of a request with index arrays are no boxes")
        return tuple(
            slice(place.start + part.start, place.start + part.stop)
            for place, part in zip(out, cut.region(inner), strict=False)
        )

    def request_view(self, array: Array) -> Array:
        return array

    def spread(self, array: Array) -> None:
        """Do nothing: parts fill their part of the request."""
