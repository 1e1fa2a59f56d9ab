"""The JSON form of domains and transforms, both ways.

A bound is a number, ``"-inf"`` or ``"+inf"``; wrapped in a list of one it is implicit.  What
follows from the rest is left out: bounds that are all infinite and implicit, labels that are all
empty, the output maps of an identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from virtchunk._index.components import parse_components
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import (
    INF,
    INF_SIZE,
    INF_UPPER,
    MAX_INDEX,
    MAX_RANK,
    MIN_INDEX,
    check_closed,
    is_int64,
)
from virtchunk._index.output_map import UNBOUNDED, IndexArray, OutputIndexMap
from virtchunk._index.transform import IndexTransform, check_output_maps

_UPPER_BOUNDS: Final = ("shape", "inclusive_max", "exclusive_max")
_VECTORS: Final = ("inclusive_min", *_UPPER_BOUNDS, "labels")
# What "-inf" or "+inf" stands for in each member.
_INFINITY: Final = {
    "inclusive_min": ("-inf", -INF),
    "exclusive_max": ("+inf", INF_UPPER),
    "inclusive_max": ("+inf", INF),
    "shape": ("+inf", INF_SIZE),
}


def domain_to_json(domain: IndexDomain, prefix: str = "") -> dict[str, Any]:
    """Return the JSON form of ``domain``, with ``prefix`` in front of the names of its members."""
    result: dict[str, Any] = {}
    rank = len(domain)
    unbounded_above = all(domain.implicit_upper_bounds) and domain.exclusive_max == (
        (INF_UPPER,) * rank
    )
    unbounded_below = all(domain.implicit_lower_bounds) and domain.inclusive_min == (-INF,) * rank
    if not unbounded_above:
        result[f"{prefix}exclusive_max"] = _bounds_to_json(
            domain.exclusive_max, domain.implicit_upper_bounds, INF_UPPER, "+inf"
        )
    if not unbounded_below:
        result[f"{prefix}inclusive_min"] = _bounds_to_json(
            domain.inclusive_min, domain.implicit_lower_bounds, -INF, "-inf"
        )
    if any(domain.labels):
        result[f"{prefix}labels"] = list(domain.labels)
    return result or {f"{prefix}rank": rank}


def _bounds_to_json(
    bounds: tuple[int, ...], implicit: tuple[bool, ...], infinity: int, infinity_json: str
) -> list[Any]:
    values = [infinity_json if bound == infinity else bound for bound in bounds]
    return [[value] if flag else value for value, flag in zip(values, implicit, strict=True)]


def transform_to_json(transform: IndexTransform) -> dict[str, Any]:
    """Return the JSON form of ``transform``."""
    result = domain_to_json(transform.domain, "input_")
    if transform._output != IndexTransform._identity(transform.domain)._output:
        result["output"] = [_map_to_json(output) for output in transform._output]
    return result


def _map_to_json(output: OutputIndexMap) -> dict[str, Any]:
    result: dict[str, Any] = {}
    array = output.index_array
    if array is not None:
        bounds = output._bounds or UNBOUNDED
        result["index_array"] = array.tolist()
        if bounds != UNBOUNDED and not _all_within(array, bounds):
            lower = "-inf" if bounds[0] == -INF else bounds[0]
            upper = "+inf" if bounds[1] == INF_UPPER else bounds[1] - 1
            result["index_array_bounds"] = [lower, upper]
    elif output.input_dimension is not None:
        result["input_dimension"] = output.input_dimension
    if output.offset:
        result["offset"] = output.offset
    if output.stride not in (None, 1):
        result["stride"] = output.stride
    return result


def _all_within(array: IndexArray, bounds: tuple[int, int]) -> bool:
    if array.size == 0:
        return True
    lower, upper = max(bounds[0], MIN_INDEX), min(bounds[1] - 1, MAX_INDEX)
    return bool(lower <= array.min() and array.max() <= upper)


def domain_from_json(json: Any) -> IndexDomain:
    """Return the domain that ``json`` describes.

    Raises:
      TypeError: If some part of ``json`` is not a JSON value.
      ValueError: If it does not describe a domain.
    """
    members = _object(json, "an index domain")
    domain = _read_domain(members, "")
    _refuse_members(members, "an index domain")
    return domain


def transform_from_json(json: Any) -> IndexTransform:
    """Return the transform that ``json`` describes.

    Raises:
      TypeError: If some part of ``json`` is not a JSON value.
      ValueError: If it does not describe a transform.
    """
    members = _object(json, "an index transform")
    domain = _read_domain(members, "input_")
    output = members.pop("output", _ABSENT)
    _refuse_members(members, "an index transform")
    if output is _ABSENT:
        return IndexTransform._identity(domain)
    maps = [
        _read_map(value, f'"output"[{i}]') for i, value in enumerate(_array(output, '"output"'))
    ]
    return IndexTransform._trusted(domain, check_output_maps(domain, maps))


_ABSENT: Final[Any] = object()


def _read_domain(members: dict[str, Any], prefix: str) -> IndexDomain:
    """Remove the members that describe the domain and return it."""
    present = [name for name in ("rank", *_VECTORS) if prefix + name in members]
    if not present:
        names = ", ".join(f'"{prefix}{name}"' for name in ("rank", *_VECTORS))
        raise ValueError(f"the number of dimensions is unknown: give at least one of {names}")
    if sum(name in _UPPER_BOUNDS for name in present) > 1:
        names = " and ".join(f'"{prefix}{name}"' for name in present if name in _UPPER_BOUNDS)
        raise ValueError(f"{names} say the same thing twice; give one of them")
    rank = None
    if "rank" in present:
        where = f'"{prefix}rank"'
        rank = _integer(members.pop(prefix + "rank"), where, from_string=False)
        if not 0 <= rank <= MAX_RANK:
            raise ValueError(f"{where} must be in [0, {MAX_RANK}], got {rank}")
    components: dict[str, Any] = {}
    for name in present:
        if name == "labels":
            components[name] = _labels(members.pop(prefix + name), f'"{prefix}{name}"')
        elif name != "rank":
            values, flags = _bounds(members.pop(prefix + name), name, f'"{prefix}{name}"')
            components[name] = values
            flags_name = "lower" if name == "inclusive_min" else "upper"
            components[f"implicit_{flags_name}_bounds"] = flags
    return IndexDomain._trusted(
        *parse_components(
            rank,
            components.get("inclusive_min"),
            components.get("implicit_lower_bounds"),
            components.get("exclusive_max"),
            components.get("inclusive_max"),
            components.get("shape"),
            components.get("implicit_upper_bounds"),
            components.get("labels"),
            prefix,
        )
    )


def _labels(value: Any, where: str) -> list[str]:
    labels = _array(value, where)
    for i, label in enumerate(labels):
        if not isinstance(label, str):
            raise _unexpected(label, "a string", f"{where}[{i}]")
    return labels


def _bounds(value: Any, name: str, where: str) -> tuple[list[int], list[bool]]:
    """Return bounds, one for each dimension, and which of them are implicit."""
    infinity_json, infinity = _INFINITY[name]
    values, flags = [], []
    for i, item in enumerate(_array(value, where)):
        position = f"{where}[{i}]"
        implicit = _is_array(item)
        if implicit:
            wrapped = list(item)
            if len(wrapped) != 1:
                raise _unexpected(item, "a list of one, which marks an implicit bound,", position)
            item = wrapped[0]
        flags.append(implicit)
        values.append(_bound(item, infinity_json, infinity, position))
    return values, flags


def _bound(value: Any, infinity_json: str, infinity: int, where: str) -> int:
    if value == infinity_json and isinstance(value, str):
        return infinity
    result = _integer(value, where, f'a 64-bit integer or "{infinity_json}"')
    if result < -INF:
        raise _unexpected(value, f'an integer in [{MIN_INDEX}, {MAX_INDEX}] or "-inf"', where)
    return result


def _read_map(value: Any, where: str) -> OutputIndexMap:
    members = _object(value, where)
    offset = _integer(members.pop("offset", 0), f'{where}["offset"]', from_string=False)
    if "input_dimension" in members and "index_array" in members:
        raise ValueError(f'{where} has both "input_dimension" and "index_array"; give one of them')
    for name, needs in (("stride", "input_dimension"), ("index_array_bounds", "index_array")):
        if name in members and needs not in members and "index_array" not in members:
            raise ValueError(f'{where} has "{name}", which is of no use without "{needs}"')
    stride = _integer(members.pop("stride", 1), f'{where}["stride"]', from_string=False)
    if "index_array" in members:
        array = _index_array(members.pop("index_array"), f'{where}["index_array"]')
        bounds = UNBOUNDED
        if "index_array_bounds" in members:
            bounds_where = f'{where}["index_array_bounds"]'
            bounds = _index_array_bounds(members.pop("index_array_bounds"), bounds_where)
        result = OutputIndexMap._array(array, offset, stride, bounds)
    elif "input_dimension" in members:
        dimension_where = f'{where}["input_dimension"]'
        dimension = _integer(members.pop("input_dimension"), dimension_where, from_string=False)
        result = OutputIndexMap._single(dimension, offset, stride)
    else:
        result = OutputIndexMap._constant(offset)
    _refuse_members(members, where)
    return result


def _index_array(value: Any, where: str) -> IndexArray:
    """Return nested lists of integers as an array."""

    def shape_of(item: Any) -> tuple[int, ...]:
        if not _is_array(item):
            return ()
        return (len(item), *(shape_of(item[0]) if len(item) else ()))

    shape = shape_of(value)

    def flatten(item: Any, depth: int) -> list[int]:
        if depth == len(shape):
            return [_integer(item, where)]
        if not _is_array(item) or len(item) != shape[depth]:
            raise ValueError(f"{where} must be nested lists of shape {shape}, got {value!r}")
        return [index for inner in item for index in flatten(inner, depth + 1)]

    return np.array(flatten(value, 0), dtype=np.int64).reshape(shape)


def _index_array_bounds(value: Any, where: str) -> tuple[int, int]:
    bounds = _array(value, where)
    if len(bounds) != 2:
        raise _unexpected(value, "two bounds", where)
    lower = _bound(bounds[0], "-inf", -INF, f"{where}[0]")
    upper = _bound(bounds[1], "+inf", INF, f"{where}[1]")
    return check_closed(lower, upper, f" in {where}")


def _object(value: Any, where: str) -> dict[str, Any]:
    """Return the members of a JSON object, in a dictionary of our own."""
    if not isinstance(value, Mapping) and callable(getattr(value, "to_json", None)):
        value = value.to_json()
    if not isinstance(value, Mapping):
        raise _unexpected(value, "an object", where)
    return {str(key): member for key, member in value.items()}


def _refuse_members(members: dict[str, Any], where: str) -> None:
    if members:
        names = ", ".join(f'"{name}"' for name in members)
        raise ValueError(f"{where} has unknown members: {names}")


def _is_array(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return False
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return hasattr(type(value), "__len__") and hasattr(type(value), "__getitem__")


def _array(value: Any, where: str) -> list[Any]:
    if not _is_array(value):
        raise _unexpected(value, "an array", where)
    return list(value)


def _integer(
    value: Any, where: str, expected: str = "a 64-bit integer", from_string: bool = True
) -> int:
    """Return a JSON number, or a decimal string where that is allowed, as an integer."""
    result = None
    if isinstance(value, float | np.floating):
        result = int(value) if value.is_integer() else None
    elif isinstance(value, str):
        if from_string and value.isascii() and "_" not in value:
            result = _parse_decimal(value)
    elif not isinstance(value, bool | np.bool_) and hasattr(type(value), "__index__"):
        result = value.__index__() if not isinstance(value, np.ndarray) or value.ndim == 0 else None
    if result is None:
        raise _unexpected(value, expected, where)
    if is_int64(result):
        return result
    # An integer that JSON cannot hold is an error of another kind than one that does not fit here.
    is_json = isinstance(value, float) or -(2**63) <= result < 2**64
    error = ValueError if is_json else OverflowError
    raise error(f"expected {expected} for {where}, got {result}")


def _parse_decimal(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


_JSON_TYPES: Final = (str, bytes, int, float, np.generic, np.ndarray, Mapping, type(None))


def _unexpected(value: Any, expected: str, where: str) -> Exception:
    message = f"expected {expected} for {where}, got {value!r}"
    known = isinstance(value, _JSON_TYPES) or _is_array(value)
    return ValueError(message) if known else TypeError(f"{message}, which is not a JSON value")
