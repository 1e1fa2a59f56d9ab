"""The spec of a downsampled view: that of its base, the factors and the method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, final

import attrs

from virtchunk._drivers.downsample import (
    DownsampleDriver,
    check_factors,
    downsampled_domain,
    scale,
    upsampled,
)
from virtchunk._drivers.driver import Driver, View
from virtchunk._drivers.reduction import METHODS
from virtchunk._drivers.registry import register, view_spec_from_json, view_spec_of
from virtchunk._drivers.spec import (
    DriverSpec,
    OpenRequest,
    SpecOptions,
    ViewSpec,
    compose_with_domain,
    pop_base,
)
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._open_mode import OpenMode
from virtchunk._schema.domain_merge import merge_domains
from virtchunk._schema.inverse import inverse_transformed
from virtchunk._schema.schema_constraints import SchemaConstraints

if TYPE_CHECKING:
    from virtchunk._context import Context
    from virtchunk._index.transform import IndexTransform

__all__ = ("DownsampleSpec",)


@register
@final
@attrs.frozen(kw_only=True)
class DownsampleSpec(DriverSpec):
    """How to open a downsampled view. Constraints on it are constraints on its base."""

    name = "downsample"
    resource_kinds: ClassVar[tuple[str, ...]] = ()

    of: ViewSpec
    """What is downsampled."""
    factors: tuple[int, ...]
    """Extents of a cell."""
    method: str
    """How a cell becomes one element."""

    @classmethod
    def of_base(cls, base: ViewSpec, factors: tuple[int, ...], method: str) -> ViewSpec:
        """Return the spec of a base downsampled.

        Raises:
            ValueError: The factors do not fit the base, or there is no such method.
        """
        if method not in METHODS:
            raise ValueError(f"the method must be one of {', '.join(METHODS)}, got {method!r}")
        check_factors(factors, len(factors) if base.rank is None else base.rank)
        schema = SchemaConstraints(rank=len(factors))
        spec = cls(of=base, factors=factors, method=method, schema=schema, resources={})
        return ViewSpec(spec)

    @classmethod
    def from_members(cls, members: dict[str, Any], common: Mapping[str, Any]) -> Self:
        schema: SchemaConstraints = common["schema"]
        json = pop_base(members, cls.name)
        if schema.data_type is not None:
            json.setdefault("dtype", schema.data_type.name)
        base = view_spec_from_json(json)
        base = ViewSpec(base.driver, base.transform)
        factors = _factors_from_json(members.pop("downsample_factors", None))
        method = members.pop("downsample_method", None)
        view = cls.of_base(base, factors, method)
        spec = cast("DownsampleSpec", view.driver)
        spec = attrs.evolve(spec, resources=common["resources"], context=common["context"])
        return spec.with_options(SpecOptions(schema=schema))

    @classmethod
    def of_driver(cls, driver: Driver, transform: IndexTransform) -> ViewSpec:
        driver = cast("DownsampleDriver", driver)
        base = view_spec_of(driver.of.driver, driver.of.transform)
        spec = cls.of_base(base, driver.factors, driver.method).driver
        return ViewSpec(spec, transform)

    def members_to_json(self, base_to_json: Callable[[ViewSpec], Any]) -> dict[str, Any]:
        json = base_to_json(self.of)
        json.pop("dtype", None)  # it is the view's own
        return {
            "base": json,
            "downsample_factors": [*self.factors],
            "downsample_method": self.method,
        }

    @property
    def known(self) -> SchemaConstraints:
        base = self.of.schema
        rank = len(self.factors)
        domain = self.schema.domain
        if base.domain is not None:
            domain = downsampled_domain(base.domain, self.factors, self.method)
        everything = IndexDomain(rank=rank)
        seen = attrs.evolve(base.with_rank(rank), domain=None, fill_value=None)
        seen = seen.transformed(scale(everything, self.factors))
        return attrs.evolve(seen, domain=domain)

    def with_options(self, options: SpecOptions) -> Self:
        given = options.schema
        schema = self.schema.with_rank(given.rank).with_domain(given.domain)
        known = self.known.domain
        if given.domain is not None and known is not None:
            merge_domains(known, given.domain)
        everything = IndexDomain(rank=len(self.factors))
        required = inverse_transformed(
            attrs.evolve(given, domain=None, fill_value=None),
            scale(everything, self.factors),
        )
        if given.fill_value is not None:
            raise ValueError(f'fill_value is not supported: the driver "{self.name}" has none')
        if given.domain is not None:
            required = required.with_domain(_same_resolution(given.domain, self.factors))
        base = self.of.updated(attrs.evolve(options, schema=required))
        return attrs.evolve(self, schema=schema, of=base)

    @property
    def bases(self) -> tuple[ViewSpec, ...]:
        return (self.of,)

    def with_bases(self, bases: tuple[ViewSpec, ...]) -> Self:
        (base,) = bases
        return attrs.evolve(self, of=base)

    def base(self, transform: IndexTransform | None) -> ViewSpec:
        domain = self.of.domain
        if transform is None or domain is None:
            return self.of
        upper = upsampled(transform, domain, self.factors)
        return self.of if upper is None else self.of.seen_through(upper)

    @property
    def kvstore(self) -> Any:
        return self.of.driver.kvstore

    @property
    def open_mode(self) -> OpenMode:
        return self.of.driver.open_mode

    def open(
        self, context: Context, transform: IndexTransform | None, request: OpenRequest
    ) -> tuple[Driver, IndexTransform]:
        request.mode(self.name, "r")
        base = View(*self.of.open(context, attrs.evolve(request, read=True)))
        driver = DownsampleDriver(base, self.factors, self.method)
        if self.schema.domain is not None:
            merge_domains(driver.domain, self.schema.domain)
        return driver, compose_with_domain(driver.domain, transform)


def _factors_from_json(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(
        isinstance(factor, int) and not isinstance(factor, bool) and factor >= 1 for factor in value
    ):
        raise ValueError(
            f'"downsample_factors" must be an array of integers >= 1, one for each dimension, '
            f"got {value!r}"
        )
    return tuple(value)


def _same_resolution(domain: IndexDomain, factors: tuple[int, ...]) -> IndexDomain:
    """Return what a domain says of the dimensions that are not downsampled, and all labels."""
    kept = [factor == 1 for factor in factors]

    def choose(values: tuple[Any, ...], unknown: Any) -> tuple[Any, ...]:
        return tuple([value if keep else unknown for value, keep in zip(values, kept, strict=True)])

    return IndexDomain._trusted(
        choose(domain.inclusive_min, -INF),
        choose(domain.exclusive_max, INF_UPPER),
        domain.labels,
        choose(domain.implicit_lower_bounds, True),
        choose(domain.implicit_upper_bounds, True),
    )
