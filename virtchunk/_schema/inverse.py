"""Constraints stated about a view, carried over to what it is a view of.

`SchemaConstraints.transformed` tells what is known about a view from what is known about its base;
here it is the other way round: somebody constrains a view (an index transform's input space), and
the base (its output space) has to satisfy it. This works where each dimension that is constrained
corresponds to one of the base. A hard constraint that has nothing to act on is an error; a soft one
is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import attrs
import numpy as np

from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER, MAX_INDEX, MIN_INDEX
from virtchunk._schema.constraints import DimConstraints, add_values
from virtchunk._schema.fill_value import FillValue
from virtchunk._schema.grid_constraints import UNCONSTRAINED, WHOLE_DOMAIN, GridConstraints
from virtchunk._schema.layout_constraints import LAYOUT_UNCONSTRAINED, USAGES, LayoutConstraints
from virtchunk._schema.schema_constraints import SchemaConstraints

if TYPE_CHECKING:
    from virtchunk._index.transform import IndexTransform
    from virtchunk._schema.dimension_units import DimensionUnits

__all__ = ("inverse_transformed",)

T = TypeVar("T", int, float)
_Scale = Callable[[T, int, int], T]
"""Carries a value from an input dimension over, given offset and stride of the output map."""


def inverse_transformed(schema: SchemaConstraints, transform: IndexTransform) -> SchemaConstraints:
    """Return what constraints on the input space of a transform require of its output space.

    Raises:
        ValueError: The ranks differ, or something that is constrained has no counterpart: the
            message names the member of the schema and the dimension.
    """
    rank = transform.domain.rank
    if schema.rank is not None and schema.rank != rank:
        raise ValueError(
            f"the constraints are for rank {schema.rank}, but the view has rank {rank}, with the "
            f"domain {transform.domain}"
        )
    return SchemaConstraints(
        rank=len(transform._output),
        data_type=schema.data_type,
        domain=schema.domain and _inverse_domain(schema.domain, transform),
        layout=_inverse_layout(schema.layout, transform),
        codec=schema.codec,
        fill_value=schema.fill_value and _inverse_fill_value(schema.fill_value, transform),
        dimension_units=schema.dimension_units
        and _inverse_units(schema.dimension_units, transform),
    )


# -- which dimensions correspond -------------------------------------------------------------


def _affine(transform: IndexTransform) -> list[tuple[int, int, int] | None]:
    """For each output dimension: input dimension, offset and stride; None if it is not affine."""
    return [
        None
        if output.input_dimension is None
        else (output.input_dimension, output.offset, output.stride or 0)
        for output in transform._output
    ]


def _check_mapped(
    constrained: list[int], transform: IndexTransform, name: str, value: object
) -> None:
    mapped = {output.input_dimension for output in transform._output}
    for dim in constrained:
        if dim not in mapped:
            label = transform.domain.labels[dim]
            raise ValueError(
                f"{name} {value} constrains dimension {dim}{f' ({label!r})' if label else ''}, "
                "which corresponds to no dimension of what this is a view of; leave it "
                "unconstrained (None)"
            )


# -- members ---------------------------------------------------------------------------------


def _inverse_units(units: DimensionUnits, transform: IndexTransform) -> DimensionUnits:
    constrained = [dim for dim, unit in enumerate(units) if unit is not None]
    _check_mapped(constrained, transform, "dimension_units", list(units))
    result = []
    for affine in _affine(transform):
        unit = None if affine is None else units[affine[0]]
        result.append(None if unit is None or affine is None else unit / abs(affine[2]))
    return tuple(result)


def _inverse_layout(layout: LayoutConstraints, transform: IndexTransform) -> LayoutConstraints:
    result = LAYOUT_UNCONSTRAINED.with_rank(len(transform._output))
    if layout.inner_order is not None:
        order = _inverse_order(layout.inner_order, transform)
        result = result.add_inner_order(order, is_hard=layout.inner_order_is_hard)
    if layout.grid_origin is not None:
        origin = _inverse_dims(layout.grid_origin, transform, "grid_origin", _move)
        result = attrs.evolve(result, grid_origin=origin)
    for usage in USAGES:
        grid = _inverse_grid(getattr(layout, usage), transform, usage)
        result = result.with_grid(usage, grid)
    return result


def _inverse_order(order: tuple[int, ...], transform: IndexTransform) -> list[int]:
    """Output dimensions in the order of their input dimensions; the others change fastest."""
    place = {dim: index for index, dim in enumerate(order)}
    keys = [len(order) if affine is None else place[affine[0]] for affine in _affine(transform)]
    return sorted(range(len(keys)), key=keys.__getitem__)


def _inverse_grid(grid: GridConstraints, transform: IndexTransform, usage: str) -> GridConstraints:
    return attrs.evolve(
        UNCONSTRAINED,
        rank=len(transform._output),
        shape=grid.shape and _inverse_dims(grid.shape, transform, f"{usage} shape", _stretch),
        aspect_ratio=grid.aspect_ratio
        and _inverse_dims(grid.aspect_ratio, transform, f"{usage} aspect ratio", _stretch_ratio),
        elements=grid.elements,
        elements_soft=grid.elements_soft,
    )


def _inverse_dims(
    constraints: DimConstraints[T], transform: IndexTransform, name: str, scale: _Scale[T]
) -> DimConstraints[T] | None:
    """Carry hard and soft constraints on single dimensions over."""
    hard = [dim for dim, value in enumerate(constraints.hard) if value is not None]
    _check_mapped(hard, transform, name, list(constraints.hard))

    def carry(values: tuple[T | None, ...]) -> list[T | None]:
        result: list[T | None] = []
        for affine in _affine(transform):
            value = None if affine is None else values[affine[0]]
            result.append(None if value is None or affine is None else scale(value, *affine[1:]))
        return result

    both = add_values(None, carry(constraints.hard), is_hard=True)
    return add_values(both, carry(constraints.soft), is_hard=False)


def _move(origin: int, offset: int, stride: int) -> int:
    """A cell border; backwards, the border below an index is the one above its image."""
    moved = offset + stride * (origin if stride > 0 else origin - 1)
    if MIN_INDEX <= moved <= MAX_INDEX:
        return moved
    raise ValueError(
        f"grid_origin {origin} becomes {moved} in what this is a view of, "
        f"which is outside [{MIN_INDEX}, {MAX_INDEX}]"
    )


def _stretch(extent: int, offset: int, stride: int) -> int:
    if extent == WHOLE_DOMAIN:
        return extent
    stretched = extent * abs(stride)
    if stretched <= MAX_INDEX:
        return stretched
    raise ValueError(
        f"a chunk of {extent} with a stride of {stride} is one of {stretched} in what this is a "
        f"view of, which is more than {MAX_INDEX}"
    )


def _stretch_ratio(ratio: float, offset: int, stride: int) -> float:
    return ratio * abs(stride)


def _inverse_domain(domain: IndexDomain, transform: IndexTransform) -> IndexDomain:
    sources = _distinct(transform, "domain", domain)
    bounds = [_inverse_bounds(domain, *source) for source in sources]
    return IndexDomain._trusted(
        tuple([low for low, _, _, _ in bounds]),
        tuple([high for _, high, _, _ in bounds]),
        tuple([domain.labels[dim] for dim, _, _ in sources]),
        tuple([implicit for _, _, implicit, _ in bounds]),
        tuple([implicit for _, _, _, implicit in bounds]),
    )


def _inverse_bounds(
    domain: IndexDomain, dim: int, offset: int, stride: int
) -> tuple[int, int, bool, bool]:
    """Bounds and their implicit flags in the output dimension of a map."""
    low, high = domain.inclusive_min[dim], domain.exclusive_max[dim]
    implicit_low = domain.implicit_lower_bounds[dim]
    implicit_high = domain.implicit_upper_bounds[dim]
    if (low != -INF or high != INF_UPPER) and abs(stride) != 1:
        raise ValueError(
            f"domain {domain} cannot be carried over to what this is a view of: dimension {dim} "
            f"has a finite bound and a stride of {stride}, which leaves the bounds open"
        )
    if stride < 0:
        low, high, implicit_low, implicit_high = 1 - high, 1 - low, implicit_high, implicit_low
    low = low if low == -INF else low + offset
    high = high if high == INF_UPPER else high + offset
    for bound in (low, high - 1):
        if not -INF <= bound <= INF:
            raise ValueError(
                f"domain {domain} has the bound {bound} in what this is a view of, which is out of "
                "the range of indices"
            )
    return low, high, implicit_low, implicit_high


def _inverse_fill_value(fill_value: FillValue, transform: IndexTransform) -> FillValue:
    sources = _distinct(transform, "fill_value", fill_value)
    for _, _, stride in sources:
        if abs(stride) != 1:
            raise ValueError(
                f"fill_value {fill_value} cannot be carried over to what this is a view of through "
                f"a stride of {stride}"
            )
    rank = transform.domain.rank
    fill_value.check_rank(rank)
    array = fill_value.array.reshape((1,) * (rank - fill_value.array.ndim) + fill_value.array.shape)
    varying = [dim for dim, extent in enumerate(array.shape) if extent != 1]
    _check_mapped(varying, transform, "fill_value", fill_value)
    kept = [dim for dim, _, _ in sources]
    dropped = [dim for dim in range(rank) if dim not in kept]
    moved = array.transpose(kept + dropped).reshape([array.shape[dim] for dim in kept])
    flipped = moved[tuple(slice(None, None, stride) for _, _, stride in sources)]
    return FillValue._from_array(fill_value.data_type, np.array(flipped))


def _distinct(transform: IndexTransform, name: str, value: object) -> list[tuple[int, int, int]]:
    """Input dimension, offset and stride of all outputs, each of which needs one of its own."""
    sources: list[tuple[int, int, int]] = []
    for dim, affine in enumerate(_affine(transform)):
        if affine is None or affine[0] in {other for other, _, _ in sources}:
            why = (
                "depends on an index array or is constant"
                if affine is None
                else f"shares input dimension {affine[0]} with another one"
            )
            raise ValueError(
                f"{name} {value} cannot be carried over to what this is a view of, whose dimension "
                f"{dim} {why}"
            )
        sources.append(affine)
    return sources
