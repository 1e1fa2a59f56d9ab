"""Drivers by name, and the JSON that is common to all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from virtchunk._context import Context, Reference, parse_reference
from virtchunk._drivers.spec import DriverSpec, ViewSpec
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.json_value import format_json, normalize_json
from virtchunk._schema.schema_constraints import SCHEMA_UNCONSTRAINED, SchemaConstraints
from virtchunk._schema.schema_json import schema_from_json

if TYPE_CHECKING:
    from virtchunk._drivers.driver import Driver

__all__ = ("register", "view_spec_from_json", "view_spec_of")

D = TypeVar("D", bound=type[DriverSpec])

_SPECS: Final[dict[str, type[DriverSpec]]] = {}


def register(spec: D) -> D:
    """Make a driver known by its name: a decorator of its `DriverSpec`."""
    assert spec.name not in _SPECS, spec.name
    _SPECS[spec.name] = spec
    return spec


def view_spec_of(driver: Driver, transform: IndexTransform) -> ViewSpec:
    """Return the bound spec of a view of an open driver."""
    return _SPECS[driver.name].of_driver(driver, transform)


def view_spec_from_json(json: Any) -> ViewSpec:
    """Return the spec that JSON stands for.

    Objects with a method ``to_json``, such as data types, may occur anywhere in it.

    Raises:
        TypeError: Some part of it has no JSON form.
        ValueError: It is no object, names an unknown driver, or a member is unknown, missing,
            invalid or in conflict with another one.
    """
    if callable(getattr(json, "spec", None)):
        raise TypeError(
            f"a spec is needed, got {json!r}, whose spec is what its method spec() returns"
        )
    members = normalize_json(json)
    if not isinstance(members, dict):
        hint = "; URLs are not supported" if isinstance(members, str) else ""
        raise ValueError(  # noqa: TRY004 - a wrong JSON value, whatever its type
            'a spec is an object such as {"driver": "array", "dtype": "int32", "array": [1, 2]}, '
            f"got {format_json(members)}{hint}"
        )
    driver = _pop_driver(members)
    transform = _pop_transform(members)
    common = {
        "schema": _pop_schema(members, transform),
        "resources": _pop_resources(members, driver.resource_kinds),
        "context": _pop_context(members),
    }
    spec = driver.from_members(members, common)
    if members:
        unknown = ", ".join(f'"{name}"' for name in sorted(members))
        raise ValueError(f'a spec of the driver "{driver.name}" has no member {unknown}')
    if transform is not None and transform == ViewSpec(spec).transform:
        transform = None
    return ViewSpec(spec, transform)


def _pop_driver(members: dict[str, Any]) -> type[DriverSpec]:
    name = members.pop("driver", None)
    if isinstance(name, str) and name in _SPECS:
        return _SPECS[name]
    raise ValueError(
        f'"driver" must be the name of a driver: {", ".join(sorted(_SPECS))}; got {name!r}'
    )


def _pop_transform(members: dict[str, Any]) -> IndexTransform | None:
    return IndexTransform(json=members.pop("transform")) if "transform" in members else None


def _pop_schema(members: dict[str, Any], transform: IndexTransform | None) -> SchemaConstraints:
    """Merge what is said about the elements, all in the driver's coordinates except the rank."""
    schema = SCHEMA_UNCONSTRAINED
    if "schema" in members:
        schema = schema_from_json(members.pop("schema"))
    if "dtype" in members:
        schema = schema.merge(schema_from_json({"dtype": members.pop("dtype")}))
    rank = None
    if "rank" in members:
        rank = schema_from_json({"rank": members.pop("rank")}).rank
    if transform is None:
        return schema.with_rank(rank)
    if rank is not None and rank != transform.domain.rank:
        raise ValueError(
            f'"rank" is {rank}, but "transform" has input rank {transform.domain.rank}'
        )
    return schema.with_rank(len(transform._output), "the output of the transform")


def _pop_context(members: dict[str, Any]) -> Context.Spec | None:
    context = Context.Spec(members.pop("context")) if "context" in members else None
    return context if context is not None and context._entries else None


def _pop_resources(members: dict[str, Any], kinds: tuple[str, ...]) -> dict[str, Reference]:
    return {
        kind: parse_reference(kind, members.pop(kind)) if kind in members else kind
        for kind in kinds
    }
