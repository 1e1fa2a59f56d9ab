"""How the spec of a view names its resources, before and after they are bound to a context.

A spec says of each kind of resource it uses one of three things: the key to look up in the context
that it will be bound to, the members of a resource of its own, or, once bound, the resource itself.

Turning a bound spec back into JSON has to say which parts of it share a resource. So its resources
are collected first and get the keys they had; where two different ones had the same key, all of
that kind with this problem are numbered: ``cache_pool#0``, ``cache_pool#1``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from itertools import count
from typing import Any, TypeAlias

from virtchunk._context.context import Context
from virtchunk._context.kinds import Members, kind_of
from virtchunk._schema.json_value import format_json

__all__ = ("Reference", "bind", "parse_reference", "reference_to_json", "unbind")

Reference: TypeAlias = "str | Members | Context.Resource"


def parse_reference(kind: str, json: Any) -> str | Members:
    """Check what the normalised JSON of a spec says about the resource of a kind.

    An array of one stands for its element: this is how `repr` marks what is bound.

    Raises:
        ValueError: It is no key of this kind, and no object with the members of this kind.
    """
    if isinstance(json, list):
        if len(json) != 1:
            raise ValueError(
                f'"{kind}" must be a resource, or an array with just one, got {format_json(json)}'
            )
        json = json[0]
    if isinstance(json, str) and json.partition("#")[0] == kind:
        return json
    return kind_of(kind).parse(json, kind)


def bind(kind: str, reference: Reference, context: Context) -> Context.Resource:
    """Return the resource that a spec means when it is opened in this context.

    Raises:
        ValueError: The context does not define the key, or its references form a cycle.
    """
    if isinstance(reference, Context.Resource):
        return reference
    if isinstance(reference, str):
        return context[reference]
    return Context.Resource._trusted(kind_of(kind), None, reference)


def reference_to_json(kind: str, reference: Any, include_defaults: bool) -> Any:
    """Return the JSON of an unbound reference, or None when it is the default resource.

    A list of one, the mark of what is bound, stays one.
    """
    if isinstance(reference, list):
        named = reference_to_json(kind, reference[0], include_defaults)
        return [kind if named is None else named]
    if isinstance(reference, str):
        return None if reference == kind and not include_defaults else reference
    return kind_of(kind).to_json(reference, include_defaults)


def unbind(
    resources: Iterable[Context.Resource], taken: Context.Spec | None = None
) -> tuple[dict[Context.Resource, str | Members], Context.Spec]:
    """Name resources so that binding the names in a new context shares what was shared.

    Args:
        resources: Bound resources, in the order in which their numbers should count; repeated where
            they are shared.
        taken: What the spec that will hold the names defines already, which is kept.

    Returns:
        What to call each resource, and the context spec that defines these names. A resource that
        was written in place and is not shared stays in place.
    """
    uses = Counter(resources)
    wanted = Counter(resource._key for resource in uses)
    entries = {} if taken is None else dict(taken._entries)
    names: dict[Context.Resource, str | Members] = {}
    for resource, number in uses.items():
        key = resource._key
        if key is None and number == 1:
            names[resource] = resource._members
            continue
        if key is None or key in entries or wanted[key] > 1:
            key = _numbered(resource._kind.name, entries.keys() | wanted.keys())
        names[resource] = key
        entries[key] = resource._members
    return names, Context.Spec._trusted(dict(sorted(entries.items())))


def _numbered(kind: str, taken: Container[str | None]) -> str:
    return next(key for number in count() if (key := f"{kind}#{number}") not in taken)
