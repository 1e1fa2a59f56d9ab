"""The spec of an array in memory: its JSON holds the elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast, final

import attrs
import numpy as np

from virtchunk._control import Control
from virtchunk._drivers.array import ArrayDriver
from virtchunk._drivers.driver import Driver, Options
from virtchunk._drivers.registry import register
from virtchunk._drivers.spec import (
    DriverSpec,
    OpenRequest,
    ViewSpec,
    bound_resources,
    compose_with_domain,
)
from virtchunk._index.compose import compose
from virtchunk._index.domain import IndexDomain
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.array_json import array_from_json, array_to_json
from virtchunk._schema.dimension_units import transform_dimension_units
from virtchunk._schema.layout_constraints import LAYOUT_UNCONSTRAINED, USAGES, LayoutConstraints
from virtchunk._schema.schema_constraints import SchemaConstraints

if TYPE_CHECKING:
    from virtchunk._context import Context
    from virtchunk._schema.unit import Unit

__all__ = ("ArraySpec", "memory_layout")

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def _equal(one: Array, other: Array) -> bool:
    """Whether two arrays have the same elements; NaN is the same as NaN."""
    if one.shape != other.shape:
        return False
    same: Array = np.asarray(one == other)
    unordered: Array = np.asarray((one != one) & (other != other))
    return bool(np.all(same | unordered))


@register
@final
@attrs.frozen(kw_only=True)
class ArraySpec(DriverSpec):
    """How to open an array in memory."""

    name = "array"

    array: Array = attrs.field(eq=attrs.cmp_using(eq=_equal))
    """The elements; shared with whoever opens the spec, and read-only until then."""

    @classmethod
    def from_members(cls, members: dict[str, Any], common: Mapping[str, Any]) -> Self:
        schema: SchemaConstraints = common["schema"]
        if schema.data_type is None:
            raise ValueError('dtype must be specified, to read the "array" of the spec')
        if "array" not in members:
            raise ValueError('a spec of the driver "array" must have a member "array"')
        array = array_from_json(members.pop("array"), schema.data_type, '"array"')
        if schema.rank not in {None, array.ndim}:
            raise ValueError(f'"array" has rank {array.ndim}, but the rank is {schema.rank}')
        return cls(array=array, **{**common, "schema": schema.with_rank(array.ndim)})

    @classmethod
    def of_driver(cls, driver: Driver, transform: IndexTransform) -> ViewSpec:
        driver = cast("ArrayDriver", driver)
        domain = transform.domain
        if domain.size == 0:
            array: Array = np.empty((0,), driver.array.dtype)
            outputs = [OutputIndexMap._constant(0)]
            units: tuple[Unit | None, ...] = (None,)
        else:
            kept = _varying(driver.array, transform)
            array = np.array(_elements(driver, compose(transform, _only(kept, domain))), order="K")
            outputs = [OutputIndexMap._single(dim, -domain.inclusive_min[dim], 1) for dim in kept]
            seen = transform_dimension_units(driver.dimension_units, transform)
            units = tuple(seen[dim] for dim in kept)
        array.setflags(write=False)
        schema = SchemaConstraints(array.ndim, driver.dtype).with_dimension_units(units)
        resources = bound_resources(cls.resource_kinds, driver.context)
        spec = cls(array=array, schema=schema, resources=resources)
        return ViewSpec(spec, IndexTransform._trusted(domain, tuple(outputs)))

    def members_to_json(self, base_to_json: Callable[[ViewSpec], Any]) -> dict[str, Any]:
        assert self.schema.data_type is not None
        return {"array": array_to_json(self.array, self.schema.data_type)}

    @property
    def known(self) -> SchemaConstraints:
        return SchemaConstraints(
            rank=self.array.ndim,
            data_type=self.schema.data_type,
            domain=IndexDomain(shape=self.array.shape),
            layout=memory_layout(self.array),
            dimension_units=self.schema.dimension_units,
        )

    def open(
        self, context: Context, transform: IndexTransform | None, request: OpenRequest
    ) -> tuple[Driver, IndexTransform]:
        mode = request.mode(self.name, "rw")
        known = self._checked()
        assert known.domain is not None
        assert known.data_type is not None
        driver = ArrayDriver(
            self.array.copy(),
            known.domain,
            known.data_type,
            context,
            known.dimension_units or (None,) * self.array.ndim,
            "w" in mode,
        )
        driver.mode = mode
        return driver, compose_with_domain(known.domain, transform)

    def _checked(self) -> SchemaConstraints:
        """Return what is known; everything that the spec says in addition has to agree with it."""
        schema, known = self.schema, self.known
        for name, value in (("fill_value", schema.fill_value), ("codec", schema.codec)):
            if value is not None:
                raise ValueError(f'{name} is not supported: the driver "array" has none')
        for usage in USAGES:
            shape = getattr(schema.layout, usage).shape
            if shape is not None and any(shape.hard):
                raise ValueError(
                    f'{usage} shape {list(shape.hard)} is not supported: the driver "array" has no '
                    "chunks; make it a soft constraint, or leave it out"
                )
        known.with_domain(schema.domain).with_layout(schema.layout)
        return known


def memory_layout(array: Array) -> LayoutConstraints:
    """The order of the dimensions in memory. An array begins at the origin, and has no chunks."""
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    layout = LAYOUT_UNCONSTRAINED.with_rank(array.ndim).add_inner_order(order, is_hard=True)
    return layout.add_grid_origin((0,) * array.ndim, is_hard=True)


def _varying(array: Array, transform: IndexTransform) -> list[int]:
    """The dimensions of a view along which its elements may differ; all of them are bounded."""
    dims = set()
    for axis, output in enumerate(transform._output):
        if array.strides[axis] == 0 or array.shape[axis] == 1:
            continue
        if output.input_dimension is not None:
            dims.add(output.input_dimension)
        elif output.index_array is not None:
            dims.update(np.flatnonzero(np.array(output.index_array.shape) > 1).tolist())
    return sorted(dim for dim in dims if transform.domain.shape[dim] > 1)


def _only(dims: list[int], domain: IndexDomain) -> IndexTransform:
    """Select some index of each dimension of a domain, except of these, which stay as they are."""
    kept = IndexDomain._trusted(
        tuple([domain.inclusive_min[dim] for dim in dims]),
        tuple([domain.exclusive_max[dim] for dim in dims]),
        ("",) * len(dims),
        (False,) * len(dims),
        (False,) * len(dims),
    )
    outputs = [
        OutputIndexMap._single(dims.index(dim), 0, 1)
        if dim in dims
        else OutputIndexMap._constant(min(max(low, 0), high - 1))
        for dim, (low, high) in enumerate(
            zip(domain.inclusive_min, domain.exclusive_max, strict=True)
        )
    ]
    return IndexTransform._trusted(kept, tuple(outputs))


def _elements(driver: ArrayDriver, transform: IndexTransform) -> Array:
    """The elements of a view: in the order that they have in memory, if they are a slice of it.

    Each dimension of the view has to select something.
    """
    inputs = [output.input_dimension for output in transform._output]
    used = [dim for dim in inputs if dim is not None]
    is_slice = all(output.index_array is None for output in transform._output)
    if not is_slice or len(set(used)) < len(used):
        return driver.read(transform, "C", Options()).run_blocking(Control())
    index = tuple(_part(transform.domain, output) for output in transform._output)
    return driver.array[(*index, ...)].transpose(np.argsort(used))


def _part(domain: IndexDomain, output: OutputIndexMap) -> int | slice:
    """What one output dimension selects of an axis that begins at 0, for a domain not empty."""
    dim, stride = output.input_dimension, output.stride
    if dim is None or stride is None:
        return output.offset
    first = output.offset + stride * domain.inclusive_min[dim]
    end = output.offset + stride * domain.exclusive_max[dim]
    return slice(first, end if end >= 0 else None, stride)
