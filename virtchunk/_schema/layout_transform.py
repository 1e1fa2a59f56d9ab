"""Carrying a chunk layout along when a view is indexed.

A transform maps indices ``x`` of the new space, its input, to indices ``offset + stride * x`` of
the space that the layout is about, its output. Only where input and output dimensions correspond
does a grid of chunks remain a grid. With a stride, it does so approximately: seen from the input,
chunks have different extents, and what is reported is the period in which they repeat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs

from virtchunk._index.interval import MAX_INDEX, MIN_INDEX
from virtchunk._schema.constraints import DimConstraints
from virtchunk._schema.grid_constraints import WHOLE_DOMAIN, GridConstraints
from virtchunk._schema.layout_constraints import USAGES, LayoutConstraints

if TYPE_CHECKING:
    from virtchunk._index.transform import IndexTransform

__all__ = ("transform_layout",)

T = TypeVar("T", int, float)
_Source: TypeAlias = tuple[int, int, int]
"""The output dimension that an input dimension makes up, with offset and stride."""


def transform_layout(layout: LayoutConstraints, transform: IndexTransform) -> LayoutConstraints:
    """Return constraints on the output space of a transform as constraints on its input space.

    Constraints on an output dimension are dropped unless it is made up by one input dimension,
    which makes up no other.

    Raises:
        ValueError: The layout has another rank than the output space, or an origin would leave the
            range of indices.
    """
    output_rank = len(transform._output)
    if layout.rank is not None and layout.rank != output_rank:
        raise ValueError(
            f"chunk layout of rank {layout.rank} does not fit an index transform with output rank "
            f"{output_rank}"
        )
    sources = _sources(transform)
    if sources == [(dim, 0, 1) for dim in range(output_rank)] and layout.rank is not None:
        return layout
    result = LayoutConstraints().with_rank(len(sources))
    if layout.inner_order is not None:
        order = _transform_order(layout.inner_order, transform)
        result = result.add_inner_order(order, is_hard=layout.inner_order_is_hard)
    for usage in USAGES:
        grid: GridConstraints = getattr(layout, usage)
        shape = _convert(grid.shape, sources, _transform_extent)
        ratio = _convert(grid.aspect_ratio, sources, _transform_ratio)
        grid = attrs.evolve(grid, rank=len(sources), shape=shape, aspect_ratio=ratio)
        result = result.with_grid(usage, grid)
    origin = _convert(layout.grid_origin, sources, _transform_origin)
    return attrs.evolve(result, grid_origin=origin)


def _sources(transform: IndexTransform) -> list[_Source | None]:
    """For each input dimension the output dimension it makes up, if it makes up only one."""
    found: list[list[_Source | None]] = [[] for _ in transform.domain.inclusive_min]
    for dim, output in enumerate(transform._output):
        if output.input_dimension is not None and output.stride is not None:
            found[output.input_dimension].append((dim, output.offset, output.stride))
        elif output.index_array is not None:
            for axis, extent in enumerate(output.index_array.shape):
                if extent != 1:
                    found[axis].append(None)
    return [sources[0] if len(sources) == 1 else None for sources in found]


def _convert(
    constraints: DimConstraints[T] | None,
    sources: Sequence[_Source | None],
    convert: Callable[[T, int, int], T],
) -> DimConstraints[T] | None:
    """Take the constraint of each dimension from its source, and convert it."""
    if constraints is None:
        return None

    def collect(values: tuple[T | None, ...]) -> tuple[T | None, ...]:
        collected: list[T | None] = []
        for source in sources:
            value = None if source is None else values[source[0]]
            if source is None or value is None:
                collected.append(None)
            else:
                collected.append(convert(value, source[1], source[2]))
        return tuple(collected)

    return DimConstraints(collect(constraints.hard), collect(constraints.soft)).or_none()


def _transform_order(order: Sequence[int], transform: IndexTransform) -> list[int]:
    """Input dimensions in the order of the outputs they make up; those that make up none last."""
    inputs = [transform._output[dim].input_dimension for dim in order]
    found = dict.fromkeys(dim for dim in inputs if dim is not None)
    rank = len(transform.domain.inclusive_min)
    return [*found, *(dim for dim in range(rank) if dim not in found)]


def _transform_extent(extent: int, offset: int, stride: int) -> int:
    return extent if extent == WHOLE_DOMAIN else extent // math.gcd(extent, stride)


def _transform_ratio(ratio: float, offset: int, stride: int) -> float:
    return ratio / abs(stride)


def _transform_origin(origin: int, offset: int, stride: int) -> int:
    """The first index of a chunk; with a negative stride, of the one that ends below ``origin``."""
    distance = origin - offset
    result = distance // stride + 1 if stride < 0 else -(-distance // stride)
    for index in (distance, result):
        if not MIN_INDEX <= index <= MAX_INDEX:
            raise ValueError(
                f"grid origin {origin} leaves the range of indices, [{MIN_INDEX}, {MAX_INDEX}], "
                f"in a view whose index x stands for {offset} + {stride} * x"
            )
    return result
