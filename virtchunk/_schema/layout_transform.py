"""Carrying a chunk layout from one side of an index transform to the other.

A transform maps indices ``x`` of a new space, its input, to indices ``offset + stride * x`` of the
space it refers to, its output. When a view is indexed, its layout goes from the output to the input
(`transform_layout`); a layout that is asked for in terms of an indexed view goes the other way
(`inverse_transform_layout`).

Only where input and output dimensions correspond does a grid of chunks remain a grid. With a
stride, it does so approximately: seen from the input, chunks have different extents, and what is
reported is the period in which they repeat.
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

__all__ = ("inverse_transform_layout", "transform_layout")

T = TypeVar("T", int, float)
_Source: TypeAlias = tuple[int, int, int]
"""Where the constraint of a dimension comes from: a dimension of the other side, offset, stride."""
_Convert: TypeAlias = Callable[[T, int, int], T]
"""A conversion of a value, given offset and stride."""


def transform_layout(layout: LayoutConstraints, transform: IndexTransform) -> LayoutConstraints:
    """Return constraints on the output space of a transform as constraints on its input space.

    Constraints on an output dimension are dropped unless it is made up by one input dimension,
    which makes up no other.

    Raises:
        ValueError: The layout has another rank than the output space, or an origin would leave the
            range of indices.
    """
    _check_rank(layout, len(transform._output), "output")
    inputs = [output.input_dimension for output in transform._output]
    order = layout.inner_order or ()
    rank = len(transform.domain.inclusive_min)
    return _convert_layout(
        layout,
        _sources_of_inputs(transform),
        _complete_order([inputs[dim] for dim in order], rank),
        (_origin_at_input, _extent_at_input, _ratio_at_input),
    )


def inverse_transform_layout(
    layout: LayoutConstraints, transform: IndexTransform
) -> LayoutConstraints:
    """Return constraints on the input space of a transform as constraints on its output space.

    Soft constraints on an input dimension that makes up no output dimension are dropped.

    Raises:
        ValueError: The layout has another rank than the input space; a hard constraint is about a
            dimension that the output space does not have; or an origin or extent would leave the
            range of indices.
    """
    _check_rank(layout, len(transform.domain.inclusive_min), "input")
    _check_dimensions_exist(layout, transform)
    sources: list[_Source | None] = [
        None
        if output.input_dimension is None or output.stride is None
        else (output.input_dimension, output.offset, output.stride)
        for output in transform._output
    ]
    outputs = [
        dim
        for input_dim in layout.inner_order or ()
        for dim, output in enumerate(transform._output)
        if output.input_dimension == input_dim
    ]
    return _convert_layout(
        layout,
        sources,
        _complete_order(outputs, len(sources)),
        (_origin_at_output, _extent_at_output, _ratio_at_output),
    )


def _check_rank(layout: LayoutConstraints, rank: int, side: str) -> None:
    if layout.rank is not None and layout.rank != rank:
        raise ValueError(
            f"chunk layout of rank {layout.rank} does not fit an index transform with {side} rank "
            f"{rank}"
        )


def _check_dimensions_exist(layout: LayoutConstraints, transform: IndexTransform) -> None:
    """Check that no hard constraint is about an input dimension that makes up no output dimension.

    The original means to check that too, but confuses input and output dimensions: it ignores some
    of these constraints where both sides have the same rank.
    """
    grids = [getattr(layout, usage) for usage in USAGES]
    vectors = [layout.grid_origin, *(v for grid in grids for v in (grid.shape, grid.aspect_ratio))]
    known = {output.input_dimension for output in transform._output}
    for dim in range(len(transform.domain.inclusive_min)):
        for vector in vectors:
            if vector is not None and vector.hard[dim] is not None and dim not in known:
                raise ValueError(
                    f"hard constraint {vector.hard[dim]} of the chunk layout is about dimension "
                    f"{dim}, which is no dimension of what was indexed; make it a soft constraint"
                )


def _sources_of_inputs(transform: IndexTransform) -> list[_Source | None]:
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


def _complete_order(known: Sequence[int | None], rank: int) -> list[int]:
    """The known dimensions in their order, once each, and then the others."""
    found = dict.fromkeys(dim for dim in known if dim is not None)
    return [*found, *(dim for dim in range(rank) if dim not in found)]


def _convert_layout(
    layout: LayoutConstraints,
    sources: Sequence[_Source | None],
    order: Sequence[int],
    conversions: tuple[_Convert[int], _Convert[int], _Convert[float]],
) -> LayoutConstraints:
    convert_origin, convert_extent, convert_ratio = conversions
    result = LayoutConstraints().with_rank(len(sources))
    if layout.inner_order is not None:
        result = result.add_inner_order(order, is_hard=layout.inner_order_is_hard)
    for usage in USAGES:
        grid: GridConstraints = getattr(layout, usage)
        grid = attrs.evolve(
            grid,
            rank=len(sources),
            shape=_convert(grid.shape, sources, convert_extent),
            aspect_ratio=_convert(grid.aspect_ratio, sources, convert_ratio),
        )
        result = result.with_grid(usage, grid)
    origin = _convert(layout.grid_origin, sources, convert_origin)
    return attrs.evolve(result, grid_origin=origin)


def _convert(
    constraints: DimConstraints[T] | None,
    sources: Sequence[_Source | None],
    convert: _Convert[T],
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


def _ratio_at_input(ratio: float, offset: int, stride: int) -> float:
    return ratio / abs(stride)


def _ratio_at_output(ratio: float, offset: int, stride: int) -> float:
    return ratio * abs(stride)


def _extent_at_input(extent: int, offset: int, stride: int) -> int:
    return extent if extent == WHOLE_DOMAIN else extent // math.gcd(extent, stride)


def _extent_at_output(extent: int, offset: int, stride: int) -> int:
    if extent == WHOLE_DOMAIN:
        return extent
    result = extent * abs(stride)
    if result > MAX_INDEX:
        raise ValueError(
            f"chunk size {extent} of a view with stride {stride} exceeds the range of indices"
        )
    return result


def _origin_at_input(origin: int, offset: int, stride: int) -> int:
    """The first index of a chunk; with a negative stride, of the one that ends below ``origin``."""
    distance = _check_index(origin - offset, origin, offset, stride)
    result = distance // stride + 1 if stride < 0 else -(-distance // stride)
    return _check_index(result, origin, offset, stride)


def _origin_at_output(origin: int, offset: int, stride: int) -> int:
    result = offset + stride * (origin - 1 if stride < 0 else origin)
    return _check_index(result, origin, offset, stride)


def _check_index(index: int, origin: int, offset: int, stride: int) -> int:
    if MIN_INDEX <= index <= MAX_INDEX:
        return index
    raise ValueError(
        f"grid origin {origin} leaves the range of indices, [{MIN_INDEX}, {MAX_INDEX}], "
        f"in a view whose index x stands for {offset} + {stride} * x"
    )
