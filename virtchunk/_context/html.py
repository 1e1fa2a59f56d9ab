"""Contexts as notebooks show them: what they define, and what of it is in use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from virtchunk._html.page import Table, card
from virtchunk._html.text import bytes_text, count_text

if TYPE_CHECKING:
    from virtchunk._context.context import Context

__all__ = ("context_html",)


def context_html(context: Context) -> str:
    """Render a context, without making any of its resources."""
    defined = {} if context.spec is None else context.spec.to_json()
    keys = sorted({*defined, *context._resources})
    rows = [(key, _members(context, key, defined), _use(context, key)) for key in keys]
    return card(
        "Context",
        tags=["with a parent"] if context.parent is not None else [],
        tables=[
            Table(rows, ["resource", "defined as", "in use"])
            if rows
            else Table([("every resource is the default",)])
        ],
    )


def _members(context: Context, key: str, defined: dict[str, Any]) -> str:
    definition = defined.get(key)
    if isinstance(definition, str):
        return f"the same as {definition}"
    if key in defined and definition is None:
        return "that of the parent"
    resource = context._resources.get(key)
    if resource is not None:
        definition = resource.to_json(include_defaults=True)
    return _pairs(definition)


def _pairs(members: Any) -> str:
    if not isinstance(members, dict):
        return json.dumps(members)
    return ", ".join(
        f"{name.replace('_', ' ')} {_value(name, value)}" for name, value in members.items()
    )


def _value(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return bytes_text(value) if "bytes" in name else count_text(value)
    return str(value)


def _changes(field: attrs.Attribute[Any], _: object) -> bool:
    """Say whether a statistic is more than what the resource was defined as."""
    return field.name not in {"total_bytes_limit", "total_tokens"}


def _use(context: Context, key: str) -> str:
    """Say what a resource does, if it has been made."""
    resource = context._resources.get(key)
    live = resource._made.get(None) if resource is not None else None
    if live is None or not hasattr(live, "statistics"):
        return ""
    statistics = live.statistics()
    if attrs.has(type(statistics)):
        return _pairs(attrs.asdict(statistics, filter=_changes))
    return str(statistics)
