"""The spec of a cast: that of its base, and a data type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, final

import attrs

from virtchunk._drivers.cast import CastDriver
from virtchunk._drivers.driver import Driver
from virtchunk._drivers.registry import register, view_spec_from_json, view_spec_of
from virtchunk._drivers.spec import (
    DriverSpec,
    OpenRequest,
    SpecOptions,
    ViewSpec,
    compose_in_space,
    pop_base,
)
from virtchunk._index.transform import IndexTransform
from virtchunk._open_mode import OpenMode
from virtchunk._schema.schema_constraints import SchemaConstraints

if TYPE_CHECKING:
    from virtchunk._context import Context
    from virtchunk._schema.dtype import dtype

__all__ = ("CastSpec",)


@register
@final
@attrs.frozen(kw_only=True)
class CastSpec(DriverSpec):
    """How to open a cast. Its coordinates are those of its base; so are all constraints but one."""

    name = "cast"
    resource_kinds: ClassVar[tuple[str, ...]] = ()

    of: ViewSpec
    """What is converted."""

    @classmethod
    def of_base(cls, base: ViewSpec, data_type: dtype | None) -> ViewSpec:
        """Return the spec of a cast of a base."""
        schema = SchemaConstraints(rank=base.rank, data_type=data_type)
        return ViewSpec(
            cls(of=base.without_transform(), schema=schema, resources={}), base._transform
        )

    @classmethod
    def from_members(cls, members: dict[str, Any], common: Mapping[str, Any]) -> Self:
        schema: SchemaConstraints = common["schema"]
        base = view_spec_from_json(pop_base(members, cls.name))
        rest = attrs.evolve(schema, data_type=None)
        base = ViewSpec(base.driver, base.transform).updated(SpecOptions(schema=rest))
        own = SchemaConstraints(rank=base.rank, data_type=schema.data_type)
        return cls(of=base, **{**common, "schema": own})

    @classmethod
    def of_driver(cls, driver: Driver, transform: IndexTransform) -> ViewSpec:
        driver = cast("CastDriver", driver)
        return cls.of_base(view_spec_of(driver.of, transform), driver.dtype)

    def members_to_json(self, base_to_json: Callable[[ViewSpec], Any]) -> dict[str, Any]:
        json = base_to_json(self.of)
        if self.of._transform is None:
            json.pop("transform", None)  # the cast's own says it all
        return {"base": json}

    @property
    def known(self) -> SchemaConstraints:
        return attrs.evolve(self.of.schema, data_type=self.schema.data_type, fill_value=None)

    def with_options(self, options: SpecOptions) -> Self:
        schema = self.schema.with_dtype(options.schema.data_type)
        rest = attrs.evolve(options, schema=attrs.evolve(options.schema, data_type=None))
        return attrs.evolve(self, schema=schema, of=self.of.updated(rest))

    @property
    def bases(self) -> tuple[ViewSpec, ...]:
        return (self.of,)

    def with_bases(self, bases: tuple[ViewSpec, ...]) -> Self:
        (base,) = bases
        return attrs.evolve(self, of=base)

    def base(self, transform: IndexTransform | None) -> ViewSpec:
        return self.of if transform is None else self.of.seen_through(transform)

    @property
    def kvstore(self) -> Any:
        return self.of.driver.kvstore

    @property
    def open_mode(self) -> OpenMode:
        return self.of.driver.open_mode

    def open(
        self, context: Context, transform: IndexTransform | None, request: OpenRequest
    ) -> tuple[Driver, IndexTransform]:
        if self.schema.data_type is None:
            raise ValueError("dtype must be specified, for the cast to have something to cast to")
        base, seen = self.of.open(context, request)
        driver = CastDriver(base, self.schema.data_type)
        mode = request.mode(self.name, driver.mode)
        driver = CastDriver(base, self.schema.data_type, mode)
        return driver, compose_in_space(seen, transform)
