"""Specs as values: which driver to open, with what constraints, seen through which transform.

A `DriverSpec` says how to open one driver; each driver has a subclass of its own. A `ViewSpec` adds
the index transform through which a view shows the driver's elements: it is the immutable value
behind the public `Spec`, which can be updated in place, and what a driver that is made from other
views (a cast, a stack) holds of them.

The resources that a spec uses are references until it is *bound* to a context, and the resources
themselves afterwards (see `virtchunk._context.references`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, final

import attrs

from virtchunk._context import Context, Reference, bind, reference_to_json, unbind
from virtchunk._index.compose import compose
from virtchunk._index.transform import IndexTransform
from virtchunk._open_mode import OpenMode
from virtchunk._open_options import RecheckCacheOption
from virtchunk._schema.inverse import inverse_transformed
from virtchunk._schema.schema_constraints import SCHEMA_UNCONSTRAINED, SchemaConstraints
from virtchunk._schema.schema_json import schema_to_json

if TYPE_CHECKING:
    from virtchunk._context.kinds import Members
    from virtchunk._drivers.driver import Driver
    from virtchunk._index.domain import IndexDomain

__all__ = (
    "DriverSpec",
    "OpenRequest",
    "SpecOptions",
    "ViewSpec",
    "bound_resources",
    "compose_in_space",
    "compose_with_domain",
    "pop_base",
)

_BaseToJson: TypeAlias = "Callable[[ViewSpec], Any]"


@final
@attrs.frozen(kw_only=True)
class SpecOptions:
    """What keyword arguments add to a spec; None leaves it as it is."""

    schema: SchemaConstraints = SCHEMA_UNCONSTRAINED
    """Further constraints on the view."""
    open_mode: OpenMode | None = None
    """What opening may do."""
    recheck_cached_data: RecheckCacheOption | None = None
    """When cached chunks are revalidated."""
    recheck_cached_metadata: RecheckCacheOption | None = None
    """When cached metadata is revalidated."""
    kvstore: Any = None
    """Where the driver stores its data."""


@final
@attrs.frozen(kw_only=True)
class OpenRequest:
    """What the caller of `open` says that is no part of the spec."""

    read: bool = False
    """Whether the view must be readable."""
    write: bool = False
    """Whether the view must be writable. With neither, it is what the driver can do."""
    transaction: Any = None
    """Transaction of the view."""
    allow_import: bool = False
    """Whether callbacks named in JSON may be imported, which runs code."""

    def mode(self, driver: str, supported: str) -> str:
        """Return ``"r"``, ``"w"`` or ``"rw"``: what is asked for, of what is supported.

        Raises:
            ValueError: Something else is asked for.
        """
        wanted = "r" * self.read + "w" * self.write
        for letter, verb in (("r", "reading"), ("w", "writing")):
            if letter in wanted and letter not in supported:
                raise ValueError(f'{verb} is not supported by this "{driver}" spec')
        return wanted or supported


def _say_the_same(one: SchemaConstraints, other: SchemaConstraints) -> bool:
    """Whether two schemas are equal, or would be in JSON, where fill values have no data type."""
    if one == other:
        return True
    if one.fill_value is None or other.fill_value is None:
        return False
    rest, other_rest = (attrs.evolve(schema, fill_value=None) for schema in (one, other))
    same_value = one.fill_value.for_display() == other.fill_value.for_display()
    return rest == other_rest and bool(same_value)


@attrs.frozen(kw_only=True)
class DriverSpec:
    """How to open a driver. Subclasses add what is particular to one driver.

    Two are equal if all of this is, where bound resources are equal to themselves only.
    """

    name: ClassVar[str]
    """What JSON calls the driver."""
    resource_kinds: ClassVar[tuple[str, ...]] = ("data_copy_concurrency",)
    """The context resources it uses."""

    schema: SchemaConstraints = attrs.field(eq=attrs.cmp_using(eq=_say_the_same))
    """What the spec says about the elements, in the driver's own coordinates."""
    resources: Mapping[str, Reference]
    """For each kind of resource which one."""
    context: Context.Spec | None = None
    """Definitions of resources, for the time when the spec is bound."""

    # -- what subclasses define ----------------------------------------------------------------

    @classmethod
    def from_members(cls, members: dict[str, Any], common: Mapping[str, Any]) -> Self:
        """Make a spec from JSON.

        Args:
            members: The members of the object that are not common to all drivers; those that are
                understood are to be removed from it.
            common: The fields of `DriverSpec`, for the constructor.

        Raises:
            ValueError: A member is missing or invalid.
        """
        raise NotImplementedError

    @classmethod
    def of_driver(cls, driver: Driver, transform: IndexTransform) -> ViewSpec:
        """Return the bound spec of a view of an open driver."""
        raise NotImplementedError

    def members_to_json(self, base_to_json: _BaseToJson) -> dict[str, Any]:
        """Return the members that `from_members` understands.

        Raises:
            NotImplementedError: There is no JSON for something in the spec.
        """
        raise NotImplementedError

    def members_for_display(self, base_to_json: _BaseToJson) -> dict[str, Any]:
        """Return the same for `repr`, with Python objects in the place of what has no JSON."""
        return self.members_to_json(base_to_json)

    def open(
        self, context: Context, transform: IndexTransform | None, request: OpenRequest
    ) -> tuple[Driver, IndexTransform]:
        """Open the driver.

        Args:
            context: A context of just the resources of this spec.
            transform: From the view to the driver's coordinates; None for all of it.
            request: What else the caller wants.

        Raises:
            ValueError: The constraints cannot be satisfied.
            NotImplementedError: The driver cannot do what is asked for.
        """
        raise NotImplementedError

    @property
    def known(self) -> SchemaConstraints:
        """The constraints together with what follows from the rest of the spec."""
        return self.schema

    @property
    def open_mode(self) -> OpenMode:
        """What opening may do; a new object."""
        return OpenMode()

    @property
    def kvstore(self) -> Any:
        """Spec of the key-value store below; None if the driver has none."""
        return None

    @property
    def url(self) -> str:
        """URL of what would be opened.

        Raises:
            NotImplementedError: The driver has none.
        """
        raise NotImplementedError(f'the driver "{self.name}" has no URL')

    def base(self, transform: IndexTransform | None) -> ViewSpec | None:
        """Return the spec of the one view that this one is made from, as seen through a transform.

        None if there is none, or several.
        """
        return None

    @property
    def bases(self) -> tuple[ViewSpec, ...]:
        """The specs of the views that this one is made from."""
        return ()

    def with_bases(self, bases: tuple[ViewSpec, ...]) -> Self:
        """Return the same with other specs in the place of `bases`."""
        assert not bases
        return self

    def with_options(self, options: SpecOptions) -> Self:
        """Return the same with further constraints, in the driver's coordinates, and options.

        Raises:
            ValueError: A constraint conflicts, or an option does not apply to this driver.
        """
        if options.kvstore is not None:
            raise ValueError(f'kvstore is not supported: the driver "{self.name}" has none')
        return attrs.evolve(self, schema=self.schema.merge(options.schema))

    # -- resources -----------------------------------------------------------------------------

    def references(self) -> Iterator[Reference]:
        """All references, those of the bases included, in the order in which JSON shows them."""
        for kind in self.resource_kinds:
            yield self.resources[kind]
        for base in self.bases:
            yield from base.driver.references()

    def map_resources(
        self,
        resource: Callable[[str, Reference], Any],
        context: Callable[[Context.Spec | None], Context.Spec | None],
    ) -> Self:
        """Return the same with other references and definitions, here and in the bases."""
        mapped = attrs.evolve(
            self,
            resources={kind: resource(kind, self.resources[kind]) for kind in self.resource_kinds},
            context=context(self.context),
        )
        return mapped.with_bases(
            tuple(
                attrs.evolve(base, driver=base.driver.map_resources(resource, context))
                for base in self.bases
            )
        )

    def bound(self, context: Context) -> Self:
        """Return the same, with the resources that the references mean in this context.

        Raises:
            ValueError: A reference leads nowhere.
        """
        if self.context is not None:
            context = Context(self.context, context)
        resources = {
            kind: bind(kind, self.resources[kind], context) for kind in self.resource_kinds
        }
        own = attrs.evolve(self, resources=resources, context=None)
        return own.with_bases(
            tuple(attrs.evolve(base, driver=base.driver.bound(context)) for base in self.bases)
        )


def bound_resources(kinds: tuple[str, ...], context: Context) -> dict[str, Reference]:
    """What an open driver with this context uses."""
    return {kind: context[kind] for kind in kinds}


@final
@attrs.frozen(eq=False)
class ViewSpec:
    """A driver seen through an index transform."""

    driver: DriverSpec
    _transform: IndexTransform | None = None
    """None until somebody indexes the spec: then all of the driver's domain is meant."""

    # -- what it is ----------------------------------------------------------------------------

    @property
    def transform(self) -> IndexTransform | None:
        """From the view to the driver's coordinates; None as long as the domain is unknown."""
        if self._transform is not None:
            return self._transform
        domain = self.driver.known.domain
        return None if domain is None else IndexTransform._identity(domain)

    @property
    def rank(self) -> int | None:
        """Number of dimensions of the view."""
        return self.driver.known.rank if self._transform is None else self._transform.domain.rank

    @property
    def domain(self) -> IndexDomain | None:
        """Domain of the view."""
        return self.driver.known.domain if self._transform is None else self._transform.domain

    @property
    def schema(self) -> SchemaConstraints:
        """Everything that is known about the view."""
        known, transform = self.driver.known, self._transform
        if transform is None:
            return known
        # What the driver's domain leaves of the view's is found out by opening.
        seen = attrs.evolve(known, domain=None).transformed(transform)
        return attrs.evolve(seen, domain=transform.domain)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ViewSpec):
            return NotImplemented
        one, two = self.transform, other.transform
        # JSON leaves out the range of an index array that lies within it.
        alike = one == two or (one and two and one.to_json() == two.to_json())
        return self.driver == other.driver and bool(alike)

    __hash__ = None  # type: ignore[assignment]

    # -- changes -------------------------------------------------------------------------------

    def indexing_transform(self) -> IndexTransform:
        """Return the transform that indexing applies to.

        Raises:
            ValueError: Not even the rank is known.
        """
        transform = self.transform
        if transform is not None:
            return transform
        if self.rank is None:
            raise ValueError(
                "a spec of unknown rank cannot be indexed and has no shape; "
                "specify its rank, shape or domain first"
            )
        return IndexTransform._identity(self.driver.known.known_domain())

    def with_transform(self, transform: IndexTransform) -> ViewSpec:
        """Return the same driver seen through another transform."""
        return ViewSpec(self.driver, transform)

    def without_transform(self) -> ViewSpec:
        """Return the spec of all of the driver."""
        return ViewSpec(self.driver)

    def seen_through(self, transform: IndexTransform) -> ViewSpec:
        """Return the same view, seen through a further transform."""
        own = self.transform
        return ViewSpec(self.driver, transform if own is None else compose(own, transform))

    def updated(self, options: SpecOptions) -> ViewSpec:
        """Return the spec with further constraints on the view, and options.

        Raises:
            ValueError: A constraint conflicts, or cannot be carried over to the driver, or an
                option does not apply.
        """
        if self._transform is not None and options.schema != SCHEMA_UNCONSTRAINED:
            schema = inverse_transformed(options.schema, self._transform)
            options = attrs.evolve(options, schema=schema)
        return ViewSpec(self.driver.with_options(options), self._transform)

    def bound(self, context: Context) -> ViewSpec:
        """Return the spec with resources in the place of references."""
        return ViewSpec(self.driver.bound(context), self._transform)

    def stripped(self) -> ViewSpec:
        """Return the spec with the default resources only."""
        driver = self.driver.map_resources(lambda kind, _: kind, lambda _: None)
        return ViewSpec(driver, self._transform)

    def unbound(self) -> ViewSpec:
        """Return the spec with references that make the same resources again when bound."""
        return self._named(lambda name: name)

    def _named(self, show: Callable[[str | Members], Any]) -> ViewSpec:
        bound = [item for item in self.driver.references() if isinstance(item, Context.Resource)]
        if not bound:
            return self
        names, context = unbind(bound, self.driver.context)

        def name(kind: str, reference: Reference) -> Any:
            if isinstance(reference, Context.Resource):
                return show(names[reference])
            return reference

        named = self.driver.map_resources(name, lambda context: context)
        context_or_none = context if context._entries else None
        return ViewSpec(attrs.evolve(named, context=context_or_none), self._transform)

    # -- opening -------------------------------------------------------------------------------

    def open(self, context: Context, request: OpenRequest) -> tuple[Driver, IndexTransform]:
        """Open the driver, with a transform whose domain lies inside of the driver's.

        Raises:
            ValueError: A reference leads nowhere, the constraints cannot be satisfied, or the
                transform leaves the domain.
        """
        driver_spec = self.driver.bound(context)
        resources: dict[str, Any] = {**driver_spec.resources}
        own = Context._restore(None, context, resources)
        return driver_spec.open(own, self._transform, request)

    # -- JSON ----------------------------------------------------------------------------------

    def to_json(self, include_defaults: bool) -> dict[str, Any]:
        """Return the JSON representation, in which bound resources are named.

        Raises:
            NotImplementedError: There is no JSON for something in the spec.
        """
        return self.unbound()._to_json(include_defaults)

    def _to_json(self, include_defaults: bool) -> dict[str, Any]:
        own = self.driver.members_to_json(lambda base: base._to_json(include_defaults))
        return dict(sorted((self._common_json(include_defaults) | own).items()))

    def for_display(self) -> dict[str, Any]:
        """Return the JSON with an array of one around what is bound, and objects that have none."""
        return self._named(lambda name: [name])._for_display()

    def _for_display(self) -> dict[str, Any]:
        return self._common_json(False) | self.driver.members_for_display(ViewSpec._for_display)

    def _common_json(self, include_defaults: bool) -> dict[str, Any]:
        driver = self.driver
        json: dict[str, Any] = {"driver": driver.name}
        if driver.context is not None or include_defaults:
            context = driver.context or Context.Spec({})
            json["context"] = context.to_json(include_defaults)
        for kind, reference in driver.resources.items():
            named = reference_to_json(kind, reference, include_defaults)
            if named is not None:
                json[kind] = named
        if driver.known.data_type is not None:
            json["dtype"] = driver.known.data_type.to_json()
        schema = schema_to_json(driver.schema)
        if not include_defaults:
            schema = {name: schema[name] for name in schema if name not in {"dtype", "rank"}}
        if schema or include_defaults:
            json["schema"] = schema
        if self.transform is not None:
            json["transform"] = self.transform.to_json()
        elif self.rank is not None:
            json["rank"] = self.rank
        return json


def compose_with_domain(domain: IndexDomain, transform: IndexTransform | None) -> IndexTransform:
    """Return the transform of a view, with bounds inside of the domain of its driver.

    Raises:
        ValueError: An explicit bound of the transform, or a constant, lies outside.
    """
    return compose_in_space(IndexTransform._identity(domain), transform)


def compose_in_space(seen: IndexTransform, transform: IndexTransform | None) -> IndexTransform:
    """Return the transform of a view of a view.

    Raises:
        ValueError: An explicit bound of the transform, or a constant, lies outside.
    """
    if transform is None:
        return seen
    assert len(transform._output) == seen.domain.rank  # or else the spec could not have been made
    try:
        return compose(seen, transform)
    except IndexError as error:
        raise ValueError(f"the transform leaves the domain: {error}") from None


def pop_base(members: dict[str, Any], driver: str) -> Any:
    """Take the JSON of the view that a derived one is made from.

    Raises:
        ValueError: It is missing, or no object.
    """
    json = members.pop("base", None)
    if not isinstance(json, dict):
        raise ValueError(  # noqa: TRY004 - a wrong JSON value, whatever its type
            f'"base" of a spec of the driver "{driver}" must be the spec of a view, got {json!r}'
        )
    return json
