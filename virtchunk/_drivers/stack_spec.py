"""The spec of a stack: those of its layers, and the domain that is seen of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, final

import attrs

from virtchunk._context import Context
from virtchunk._drivers.driver import Driver
from virtchunk._drivers.registry import register, view_spec_from_json, view_spec_of
from virtchunk._drivers.spec import (
    DriverSpec,
    OpenRequest,
    ViewSpec,
    bound_resources,
    compose_with_domain,
)
from virtchunk._drivers.stack import Layer, StackDriver
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._schema.domain_merge import merge_domains
from virtchunk._schema.layout_constraints import USAGES
from virtchunk._schema.schema_constraints import SchemaConstraints

if TYPE_CHECKING:
    from virtchunk._index.transform import IndexTransform
    from virtchunk._schema.dimension_units import DimensionUnits
    from virtchunk._schema.dtype import dtype

__all__ = ("LayerFacts", "StackSpec", "make_stack")


@final
@attrs.frozen(kw_only=True)
class LayerFacts:
    """A layer, and what a stack has to know of it."""

    layer: Layer
    data_type: dtype
    units: DimensionUnits

    @classmethod
    def of_spec(cls, spec: ViewSpec, number: int, allow_import: bool = False) -> Self:
        """Return what a spec says.

        Raises:
            ValueError: Too little.
        """
        domain, schema = spec.domain, spec.schema
        if domain is None:
            raise ValueError(f"the domain of layer {number} must be specified")
        if schema.data_type is None:
            raise ValueError(f"the dtype of layer {number} must be specified")
        units = schema.dimension_units or (None,) * domain.rank
        return cls(
            layer=Layer(domain, None, spec, allow_import), data_type=schema.data_type, units=units
        )


def make_stack(
    layers: Sequence[LayerFacts], schema: SchemaConstraints, context: Context, mode: str = "rw"
) -> StackDriver:
    """Return the driver that shows layers as one.

    Raises:
        ValueError: They do not fit each other, or the constraints; or nothing tells their type.
    """
    _check_supported(schema)
    data_type = schema.data_type
    domain: IndexDomain | None = None
    units: list[Any] = []
    for number, facts in enumerate(layers):
        own = facts.layer.domain
        if data_type is not None and facts.data_type != data_type:
            raise ValueError(
                f"layer {number} has dtype {facts.data_type.name}, but the stack has "
                f"{data_type.name}; cast the layer"
            )
        data_type = facts.data_type
        if domain is not None and own.rank != domain.rank:
            raise ValueError(
                f"layer {number} has rank {own.rank}, with the domain {own}, but layer 0 has rank "
                f"{domain.rank}"
            )
        domain = own if domain is None else domain
        known = units or [None] * own.rank
        units = [one or other for one, other in zip(known, facts.units, strict=True)]
    if data_type is None:
        raise ValueError("dtype must be specified, for there is no layer to tell it")
    domain = _seen(_hull([facts.layer.domain for facts in layers]), schema)
    given = schema.dimension_units or (None,) * domain.rank
    units = units or [None] * domain.rank
    return StackDriver(
        [facts.layer for facts in layers],
        domain,
        data_type,
        tuple([one or other for one, other in zip(given, units, strict=True)]),
        context,
        mode,
    )


def _hull(domains: list[IndexDomain]) -> IndexDomain | None:
    if not domains:
        return None
    hull = domains[0]
    if all(domain.labels == hull.labels and 0 not in domain.shape for domain in domains):
        return IndexDomain._trusted(
            tuple(map(min, zip(*[domain.inclusive_min for domain in domains], strict=True))),
            tuple(map(max, zip(*[domain.exclusive_max for domain in domains], strict=True))),
            hull.labels,
            hull.implicit_lower_bounds,
            hull.implicit_upper_bounds,
        )
    for number, domain in enumerate(domains):
        try:
            hull = hull.hull(domain)
        except ValueError as error:
            raise ValueError(f"layer {number} does not fit those before it: {error}") from None
    return hull


def _seen(hull: IndexDomain | None, schema: SchemaConstraints) -> IndexDomain:
    """Return the domain of a stack: where bounds are given, those; with explicit bounds."""
    given = schema.domain
    if hull is None:
        if given is None:
            raise ValueError("domain must be specified, for there is no layer to tell it")
        hull = given
    if schema.rank not in {None, hull.rank}:
        raise ValueError(f"the layers have rank {hull.rank}, but the rank is {schema.rank}")
    rank = hull.rank
    lower, upper = [*hull.inclusive_min], [*hull.exclusive_max]
    labels = hull.labels
    if given is not None:
        for dim in range(rank):
            low, high = given.inclusive_min[dim], given.exclusive_max[dim]
            if not (low == -INF and given.implicit_lower_bounds[dim]):
                lower[dim] = low
            if not (high == INF_UPPER and given.implicit_upper_bounds[dim]):
                upper[dim] = high
        labels = merge_domains(IndexDomain(labels=labels), IndexDomain(labels=given.labels)).labels
    explicit = (False,) * rank
    return IndexDomain._trusted(tuple(lower), tuple(upper), labels, explicit, explicit)


def _check_supported(schema: SchemaConstraints) -> None:
    for name, value in (("fill_value", schema.fill_value), ("codec", schema.codec)):
        if value is not None:
            raise ValueError(f'{name} is not supported: the driver "stack" has none')
    for usage in USAGES:
        shape = getattr(schema.layout, usage).shape
        if shape is not None and any(shape.hard):
            raise ValueError(
                f'{usage} shape {list(shape.hard)} is not supported: the driver "stack" has no '
                "chunks of its own"
            )


@register
@final
@attrs.frozen(kw_only=True)
class StackSpec(DriverSpec):
    """How to open a stack. Its layers are opened when they are needed."""

    name = "stack"
    resource_kinds: ClassVar[tuple[str, ...]] = ("data_copy_concurrency",)

    layers: tuple[ViewSpec, ...]
    """What is stacked."""

    @classmethod
    def from_members(cls, members: dict[str, Any], common: Mapping[str, Any]) -> Self:
        layers = members.pop("layers", None)
        if not isinstance(layers, list):
            raise ValueError(  # noqa: TRY004 - a wrong JSON value, whatever its type
                f'"layers" must be an array of specs of views, got {layers!r}'
            )
        specs = []
        for number, layer in enumerate(layers):
            try:
                specs.append(view_spec_from_json(layer))
            except ValueError as error:
                raise ValueError(f"layer {number}: {error}") from None
        spec = cls(layers=tuple(specs), **common)
        spec._known()
        return spec

    @classmethod
    def of_driver(cls, driver: Driver, transform: IndexTransform) -> ViewSpec:
        driver = cast("StackDriver", driver)
        schema = SchemaConstraints(driver.domain.rank, driver.dtype).with_domain(driver.domain)
        spec = cls(
            layers=tuple([_spec_of(layer) for layer in driver.layers]),
            schema=schema.with_dimension_units(driver.dimension_units),
            resources=bound_resources(cls.resource_kinds, driver.context),
        )
        return ViewSpec(spec, transform)

    def members_to_json(self, base_to_json: Callable[[ViewSpec], Any]) -> dict[str, Any]:
        return {"layers": [base_to_json(layer) for layer in self.layers]}

    @property
    def known(self) -> SchemaConstraints:
        return self._known()

    def _known(self) -> SchemaConstraints:
        schema = self.schema
        facts = [LayerFacts.of_spec(layer, number) for number, layer in enumerate(self.layers)]
        if not facts and (schema.data_type is None or schema.domain is None):
            return schema
        driver = make_stack(facts, schema, Context())
        units = driver.dimension_units
        return attrs.evolve(
            schema,
            rank=driver.domain.rank,
            data_type=driver.dtype,
            domain=driver.domain,
            dimension_units=units if any(units) else None,
        )

    @property
    def bases(self) -> tuple[ViewSpec, ...]:
        return self.layers

    def with_bases(self, bases: tuple[ViewSpec, ...]) -> Self:
        return attrs.evolve(self, layers=bases)

    def open(
        self, context: Context, transform: IndexTransform | None, request: OpenRequest
    ) -> tuple[Driver, IndexTransform]:
        facts = [
            LayerFacts.of_spec(layer, number, request.allow_import)
            for number, layer in enumerate(self.layers)
        ]
        mode = request.mode(self.name, "rw")
        driver = make_stack(facts, self.schema, context, mode)
        return driver, compose_with_domain(driver.domain, transform)


def _spec_of(layer: Layer) -> ViewSpec:
    if layer.view is None:
        assert layer.spec is not None
        return layer.spec
    return view_spec_of(layer.view.driver, layer.view.transform)
