"""Partition of requests with index arrays or diagonals: pieces described by index arrays.

Dimensions that depend on each other form a *set*. For each set the touched positions are grouped by
chunk once; a piece combines one group of each set, so that a chunk occurs once per request however
scattered the indices are. Memory is in proportion to the index arrays, not to the request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, ClassVar, NamedTuple, TypeAlias, final

import numpy as np

from virtchunk._grid.box import spread
from virtchunk._grid.regular import DimensionGrid
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._index.transform import IndexTransform

__all__ = ("ScatteredPartition", "scattered_partition")

Array: TypeAlias = "np.ndarray[Any, Any]"


class _Group(NamedTuple):
    """The positions of one set that fall into one combination of cells."""

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    positions: tuple[Array, ...]
    """Per input dimension of the set, the positions in the request, shape ``(n,)``."""
    inside: tuple[Array, ...]
    """Per output dimension of the set, the same elements' positions in the cell, shape ``(n,)``."""
    covers: bool


class _Set(NamedTuple):
    """Input and output dimensions that depend on each other, and their groups."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    groups: list[_Group]


def scattered_partition(
    transform: IndexTransform, grid: Sequence[DimensionGrid]
) -> ScatteredPartition:
    """Group the request by chunk. See `virtchunk._grid.partition.partition`."""
    shape = transform.domain.shape
    sets = [
        _Set(inputs, outputs, _groups(transform, grid, inputs, outputs))
        for inputs, outputs in _independent(transform)
    ]
    used = {i for one in sets for i in one.inputs}
    unused = tuple(i for i in range(len(shape)) if i not in used)
    return ScatteredPartition(shape, tuple(sets), unused)


def _depends(transform: IndexTransform) -> list[set[int]]:
    """Return, per output dimension, the input dimensions along which its coordinate varies."""
    depends = []
    for output in transform._output:
        if output.index_array is not None:
            depends.append({i for i, size in enumerate(output.index_array.shape) if size != 1})
        elif output.input_dimension is not None:
            depends.append({output.input_dimension})
        else:
            depends.append(set())
    return depends


def _independent(transform: IndexTransform) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Split the dimensions into the connected parts of the graph of dependencies."""
    parts: list[tuple[set[int], list[int]]] = []
    for output, inputs in enumerate(_depends(transform)):
        joined, outputs = set(inputs), [output]
        rest = []
        for known in parts:
            if inputs and known[0] & joined:
                joined |= known[0]
                outputs = known[1] + outputs
            else:
                rest.append(known)
        parts = [*rest, (joined, outputs)]
    return [(tuple(sorted(inputs)), tuple(sorted(outputs))) for inputs, outputs in parts]


def _coordinates(transform: IndexTransform, inputs: tuple[int, ...], output: int) -> Array:
    """Return the base coordinates of one output dimension, over the box of its set's inputs."""
    shape = transform.domain.shape
    box = tuple(shape[i] for i in inputs)
    mapped = transform._output[output]
    if mapped.index_array is not None:
        index = mapped.index_array[
            tuple(slice(None) if i in inputs else 0 for i in range(len(shape)))
        ]
        assert mapped.stride is not None
        _check_range(mapped, output, index)
        return np.broadcast_to(mapped.offset + mapped.stride * index, box)
    if mapped.input_dimension is None:
        return np.full(box, mapped.offset, np.int64)
    source = mapped.input_dimension
    low = transform.domain.inclusive_min[source]
    assert mapped.stride is not None
    run = mapped.offset + mapped.stride * np.arange(low, low + shape[source], dtype=np.int64)
    place = inputs.index(source)
    return np.broadcast_to(run.reshape([-1 if i == place else 1 for i in range(len(box))]), box)


def _check_range(mapped: OutputIndexMap, dimension: int, index: Array) -> None:
    """Refuse indices outside the range that was left when the array was composed."""
    allowed = mapped.index_range
    if allowed is None or not index.size:
        return
    wrong = (index < allowed.inclusive_min) | (index > allowed.inclusive_max)
    if wrong.any():
        raise ValueError(
            f"index {int(index[wrong][0])} is outside the valid range {allowed} of the index array "
            f"for dimension {dimension} of the base"
        )


def _groups(
    transform: IndexTransform,
    grid: Sequence[DimensionGrid],
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
) -> list[_Group]:
    box = tuple(transform.domain.shape[i] for i in inputs)
    coordinates = [_coordinates(transform, inputs, output).reshape(-1) for output in outputs]
    lowers, uppers = [], []
    for output, values in zip(outputs, coordinates, strict=True):
        low, high = _cells(grid[output], values, output, transform)
        lowers.append(low)
        uppers.append(high)
    # A stable sort by cell keeps the order of the request inside each group: the last of several
    # writes to one element wins, as in numpy.
    order = np.lexsort(lowers[::-1])
    changes = np.zeros(len(order), bool)
    changes[:1] = True
    for low in lowers:
        changes[1:] |= np.diff(low[order]) != 0
    starts = np.flatnonzero(changes)
    groups = []
    for members in np.split(order, starts[1:]):
        first = members[0]
        lower = tuple(int(low[first]) for low in lowers)
        upper = tuple(int(high[first]) for high in uppers)
        inside = tuple(
            values[members] - low for values, low in zip(coordinates, lower, strict=True)
        )
        extents = tuple(high - low for low, high in zip(lower, upper, strict=True))
        groups.append(
            _Group(
                lower,
                upper,
                np.unravel_index(members, box) if box else (),
                inside,
                _covers(inside, extents),
            )
        )
    return groups


def _cells(
    grid: DimensionGrid, values: Array, dimension: int, transform: IndexTransform
) -> tuple[Array, Array]:
    """Return the clipped bounds of the cell of each coordinate."""
    wrong = (values < grid.inclusive_min) | (values >= grid.exclusive_max)
    if wrong.any():
        raise ValueError(
            f"index {int(values[wrong][0])} of dimension {dimension} is outside the domain "
            f"[{grid.inclusive_min}, {grid.exclusive_max}) of the base"
        )
    distinct, inverse = np.unique(values, return_inverse=True)
    bounds = np.empty((2, len(distinct)), np.int64)
    low = high = grid.inclusive_min
    for i, value in enumerate(distinct.tolist()):
        if value >= high:
            low, high = grid.bounds(value)
        bounds[:, i] = (low, high)
    inverse = inverse.reshape(-1)
    return bounds[0][inverse], bounds[1][inverse]


def _covers(inside: tuple[Array, ...], extents: tuple[int, ...]) -> bool:
    size = prod(extents)
    if not inside or len(inside[0]) < size:
        return size == 1
    return len(np.unique(np.ravel_multi_index(inside, extents))) == size


@final
class ScatteredPartition:
    """A request whose pieces are described by index arrays, one broadcast axis per set."""

    __slots__ = (
        "sets",
        "shape",
        "unused",
    )
    scattered: ClassVar[bool] = True

    def __init__(
        self, shape: tuple[int, ...], sets: tuple[_Set, ...], unused: tuple[int, ...]
    ) -> None:
        self.shape = shape
        self.sets = sets
        self.unused = unused

    @property
    def total(self) -> int:
        return prod(len(one.groups) for one in self.sets)

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        rank = len(self.shape)
        outputs = [output for one in self.sets for output in one.outputs]
        order = sorted(range(len(outputs)), key=outputs.__getitem__)
        axes = sum(1 for one in self.sets if one.inputs)
        for groups in product(*[one.groups for one in self.sets]):
            lowers = [low for group in groups for low in group.lower]
            uppers = [high for group in groups for high in group.upper]
            lower = tuple(lowers[i] for i in order)
            upper = tuple(uppers[i] for i in order)
            out: list[Any] = [-1] * rank  # where nothing depends on it: see `spread`
            part: list[Any] = [0] * len(order)
            axis = 0
            for one, group in zip(self.sets, groups, strict=True):
                if not one.inputs:  # a constant, which takes no axis
                    for i, positions in zip(one.outputs, group.inside, strict=True):
                        part[i] = int(positions[0])
                    continue
                spread = tuple(-1 if i == axis else 1 for i in range(axes))
                for i, positions in zip(one.inputs, group.positions, strict=True):
                    out[i] = positions.reshape(spread)
                for i, positions in zip(one.outputs, group.inside, strict=True):
                    part[i] = positions.reshape(spread)
                axis += 1
            covers = all(group.covers for group in groups)
            yield lower, upper, None, tuple(out), tuple(part), covers

    def request_view(self, array: Array) -> Array:
        return array

    def spread(self, array: Array) -> None:
        spread(array, self.unused)

    def region(self, piece: tuple[Any, ...]) -> tuple[slice, ...]:
        raise ValueError("the pieces of a request with index arrays are no boxes")
