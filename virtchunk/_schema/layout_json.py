"""The JSON representation of chunk layouts and their grids."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

from virtchunk._index.interval import MAX_RANK
from virtchunk._schema.grid_constraints import UNCONSTRAINED, GridConstraints
from virtchunk._schema.json_value import json_type_name, normalize_json
from virtchunk._schema.layout_constraints import (
    LAYOUT_UNCONSTRAINED,
    USAGES,
    LayoutConstraints,
    Usage,
)

__all__ = ("grid_from_json", "grid_to_json", "layout_from_json", "layout_to_json")

S = TypeVar("S")
_INT64: Final = range(-(2**63), 2**63)


def grid_to_json(grid: GridConstraints) -> dict[str, Any]:
    """Return the JSON representation of a grid; it does not tell the rank."""
    json: dict[str, Any] = {}
    for name, constraints in (("aspect_ratio", grid.aspect_ratio), ("shape", grid.shape)):
        if constraints is not None:
            _put_vector(json, name, constraints.hard)
            _put_vector(json, f"{name}_soft_constraint", constraints.soft)
    if grid.elements is not None:
        json["elements"] = grid.elements
    if grid.elements_soft is not None:
        json["elements_soft_constraint"] = grid.elements_soft
    return dict(sorted(json.items()))


def layout_to_json(layout: LayoutConstraints) -> dict[str, Any]:
    """Return the JSON representation of a layout, with the rank if nothing else tells it."""
    json: dict[str, Any] = {}
    if layout.inner_order is not None:
        soft = "" if layout.inner_order_is_hard else "_soft_constraint"
        json[f"inner_order{soft}"] = list(layout.inner_order)
    if layout.grid_origin is not None:
        _put_vector(json, "grid_origin", layout.grid_origin.hard)
        _put_vector(json, "grid_origin_soft_constraint", layout.grid_origin.soft)
    for usage in USAGES:
        if grid := grid_to_json(getattr(layout, usage)):
            json[usage] = grid
    if layout.rank is not None and not _tells_rank(layout):
        json["rank"] = layout.rank
    return dict(sorted(json.items()))


def _tells_rank(layout: LayoutConstraints) -> bool:
    grids = (layout.write_chunk, layout.read_chunk, layout.codec_chunk)
    vectors: list[object] = [layout.inner_order, layout.grid_origin]
    vectors += [vector for grid in grids for vector in (grid.shape, grid.aspect_ratio)]
    return any(vector is not None for vector in vectors)


def _put_vector(json: dict[str, Any], name: str, values: tuple[Any, ...]) -> None:
    if any(value is not None for value in values):
        json[name] = list(values)


def grid_from_json(json: Any) -> GridConstraints:
    """Return the grid that a JSON value represents.

    Raises:
        TypeError: Some part of it has no JSON form.
        ValueError: It represents none.
    """
    return _read_grid(normalize_json(json))


def _read_grid(json: Any) -> GridConstraints:
    return _read_members(json, "ChunkLayout.Grid", UNCONSTRAINED, _GRID_MEMBERS)


def layout_from_json(json: Any) -> LayoutConstraints:
    """Return the layout that a JSON value represents.

    Raises:
        TypeError: Some part of it has no JSON form.
        ValueError: It represents none.
    """
    return _read_members(normalize_json(json), "ChunkLayout", LAYOUT_UNCONSTRAINED, _LAYOUT_MEMBERS)


def _read_members(json: Any, what: str, result: S, members: dict[str, Callable[[S, Any], S]]) -> S:
    """Add the members of an object to ``result``, in the order of the table ``members``."""
    if not isinstance(json, dict):
        raise ValueError(  # noqa: TRY004 - what JSON says wrongly is a wrong value
            f"{what} must be a JSON object, got {json_type_name(json)}: {json!r}"
        )
    if not json.keys() <= members.keys():
        unknown = min(json.keys() - members.keys())
        raise ValueError(f"{what} has no member {unknown!r}; it may have {', '.join(members)}")
    for name, add in members.items():
        if name not in json:
            continue
        try:
            result = add(result, json[name])
        except ValueError as error:
            raise ValueError(f"invalid member {name!r} of {what}: {error}") from None
    return result


def _vector(json: Any, read: Callable[[Any], S]) -> list[S]:
    if not isinstance(json, list):
        raise ValueError(  # noqa: TRY004
            f"expected an array with one value for each dimension, got "
            f"{json_type_name(json)}: {json!r}"
        )
    return [read(value) for value in json]


def _int(json: Any) -> int:
    if isinstance(json, (int, float)) and not isinstance(json, bool):
        if isinstance(json, int) and json in _INT64:
            return json
        if isinstance(json, float) and math.isfinite(json) and int(json) == json:
            return _int(int(json))
    raise ValueError(f"expected an integer of at most 64 bits, got {json!r}")


def _optional_int(json: Any) -> int | None:
    return None if json is None else _int(json)


def _optional_float(json: Any) -> float | None:
    if json is None:
        return None
    if isinstance(json, bool) or not isinstance(json, (int, float)):
        raise ValueError(f"expected a number, got {json!r}")  # noqa: TRY004
    return float(json)


def _rank(json: Any) -> int:
    rank = _int(json)
    if not 0 <= rank <= MAX_RANK:
        raise ValueError(f"rank must be in [0, {MAX_RANK}], got {rank}")
    return rank


def _grid_member(name: str, is_hard: bool) -> Callable[[GridConstraints, Any], GridConstraints]:
    def add(grid: GridConstraints, json: Any) -> GridConstraints:
        if name == "elements":
            return grid.add_elements(_int(json), is_hard=is_hard)
        if name == "shape":
            return grid.add_shape(_vector(json, _optional_int), is_hard=is_hard)
        return grid.add_aspect_ratio(_vector(json, _optional_float), is_hard=is_hard)

    return add


_GRID_MEMBERS: Final[dict[str, Callable[[GridConstraints, Any], GridConstraints]]] = {
    f"{name}{suffix}": _grid_member(name, is_hard)
    for name in ("shape", "aspect_ratio", "elements")
    for suffix, is_hard in (("", True), ("_soft_constraint", False))
}


def _inner_order(is_hard: bool) -> Callable[[LayoutConstraints, Any], LayoutConstraints]:
    def add(layout: LayoutConstraints, json: Any) -> LayoutConstraints:
        if json is None:
            return layout
        return layout.add_inner_order(_vector(json, _int), is_hard=is_hard)

    return add


def _grid_origin(is_hard: bool) -> Callable[[LayoutConstraints, Any], LayoutConstraints]:
    return lambda layout, json: layout.add_grid_origin(
        _vector(json, _optional_int), is_hard=is_hard
    )


def _usage(usage: Usage | None) -> Callable[[LayoutConstraints, Any], LayoutConstraints]:
    def add(layout: LayoutConstraints, json: Any) -> LayoutConstraints:
        grid = _read_grid(json)
        layout = layout.with_rank(grid.rank)  # unlike a keyword, an empty array means rank 0
        return layout.merge_shared_grid(grid) if usage is None else layout.merge_grid(usage, grid)

    return add


_LAYOUT_MEMBERS: Final[dict[str, Callable[[LayoutConstraints, Any], LayoutConstraints]]] = {
    "rank": lambda layout, json: layout.with_rank(_rank(json)),
    "inner_order": _inner_order(True),
    "inner_order_soft_constraint": _inner_order(False),
    "grid_origin": _grid_origin(True),
    "grid_origin_soft_constraint": _grid_origin(False),
    "chunk": _usage(None),
    **{usage: _usage(usage) for usage in USAGES},
}
