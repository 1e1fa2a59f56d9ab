"""The JSON representation of a schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import MAX_RANK
from virtchunk._schema.codec import CodecSpec
from virtchunk._schema.dimension_units import dimension_units_from_json, dimension_units_to_json
from virtchunk._schema.dtype import dtype
from virtchunk._schema.fill_value import FillValue
from virtchunk._schema.json_value import json_type_name, normalize_json
from virtchunk._schema.layout_json import layout_from_json, layout_to_json
from virtchunk._schema.schema_constraints import SCHEMA_UNCONSTRAINED, SchemaConstraints

__all__ = ("schema_from_json", "schema_to_json")


def schema_to_json(schema: SchemaConstraints, *, for_display: bool = False) -> dict[str, Any]:
    """Return the JSON representation: a member for each constraint.

    Args:
        schema: The constraints.
        for_display: Put in the fill value as it is if it has no JSON representation.

    Raises:
        ValueError: The fill value has none.
    """
    json: dict[str, Any] = {}
    layout = layout_to_json(schema.layout)
    layout.pop("rank", None)
    if layout:
        json["chunk_layout"] = layout
    if schema.codec is not None:
        json["codec"] = schema.codec.to_json()
    if schema.dimension_units is not None:
        json["dimension_units"] = dimension_units_to_json(schema.dimension_units)
    if schema.domain is not None:
        json["domain"] = schema.domain.to_json()
    if schema.data_type is not None:
        json["dtype"] = schema.data_type.to_json()
    if schema.fill_value is not None:
        fill_value = schema.fill_value
        json["fill_value"] = fill_value.for_display() if for_display else fill_value.to_json()
    if schema.rank is not None:
        json["rank"] = schema.rank
    return json


def schema_from_json(value: Any) -> SchemaConstraints:
    """Return the schema that a JSON value represents.

    Raises:
        TypeError: Some part of the value has no JSON form.
        ValueError: It does not represent a schema; the message names the member.
    """
    members = normalize_json(value)
    if not isinstance(members, dict):
        raise ValueError(  # noqa: TRY004 - what JSON says wrongly is a wrong value
            f"a schema in JSON must be an object, got {json_type_name(members)} {members!r}"
        )
    if unknown := sorted(members.keys() - _MEMBERS.keys()):
        raise ValueError(f"a schema in JSON has no members {unknown}; they are {sorted(_MEMBERS)}")
    schema = SCHEMA_UNCONSTRAINED
    for name, add in _MEMBERS.items():
        if name in members:
            try:
                schema = add(schema, members[name])
            except ValueError as error:
                raise ValueError(f'in member "{name}" of the schema: {error}') from None
    return schema


def _add_rank(schema: SchemaConstraints, value: Any) -> SchemaConstraints:
    is_integer = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not is_integer:
        raise ValueError(
            f"rank must be an integer in [0, {MAX_RANK}], got {json_type_name(value)} {value!r}"
        )
    return schema.with_rank(int(value))


def _add_dtype(schema: SchemaConstraints, value: Any) -> SchemaConstraints:
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - what JSON says wrongly is a wrong value
            f"dtype must be the name of a data type, got {json_type_name(value)} {value!r}"
        )
    return schema.with_dtype(dtype(value))


def _add_domain(schema: SchemaConstraints, value: Any) -> SchemaConstraints:
    return schema.with_domain(IndexDomain(json=value))


def _add_layout(schema: SchemaConstraints, value: Any) -> SchemaConstraints:
    return schema.with_layout(layout_from_json(value))


def _add_codec(schema: SchemaConstraints, value: Any) -> SchemaConstraints:
    return schema.with_codec(CodecSpec(value))


def _add_fill_value(schema: SchemaConstraints, value: Any) -> SchemaConstraints:
    return schema.with_fill_value(FillValue.from_json(value, schema.data_type))


def _add_dimension_units(schema: SchemaConstraints, value: Any) -> SchemaConstraints:
    return schema.with_dimension_units(dimension_units_from_json(value))


_MEMBERS: Final[dict[str, Callable[[SchemaConstraints, Any], SchemaConstraints]]] = {
    "rank": _add_rank,
    "dtype": _add_dtype,
    "domain": _add_domain,
    "chunk_layout": _add_layout,
    "codec": _add_codec,
    "fill_value": _add_fill_value,
    "dimension_units": _add_dimension_units,
}
"""In the order in which they are added, which decides what a conflict is attributed to."""
