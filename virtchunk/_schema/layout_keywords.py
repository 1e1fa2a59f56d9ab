"""The keyword arguments of `ChunkLayout`: their types, and what each of them adds to a layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, TypedDict

from virtchunk._schema.layout_arguments import (
    Float,
    Int,
    ordered_keywords,
    parse_ints,
    parse_optional_ints,
)
from virtchunk._schema.layout_constraints import LayoutConstraints, Usage
from virtchunk._schema.layout_grid import GRID_FIELDS, Grid, add_to_grid, parse_grid, parse_rank

__all__ = ("ChunkLayoutKeywords", "add_to_layout")

_Setter: TypeAlias = Callable[[LayoutConstraints, Any], LayoutConstraints]


class ChunkLayoutKeywords(TypedDict, total=False):
    """The keyword arguments of `ChunkLayout` and its `update`."""

    rank: Int | None
    inner_order: Iterable[Int] | None
    inner_order_soft_constraint: Iterable[Int] | None
    grid_origin: Iterable[Int | None] | None
    grid_origin_soft_constraint: Iterable[Int | None] | None
    chunk: Grid | None
    write_chunk: Grid | None
    read_chunk: Grid | None
    codec_chunk: Grid | None
    chunk_shape: Iterable[Int | None] | None
    chunk_shape_soft_constraint: Iterable[Int | None] | None
    write_chunk_shape: Iterable[Int | None] | None
    write_chunk_shape_soft_constraint: Iterable[Int | None] | None
    read_chunk_shape: Iterable[Int | None] | None
    read_chunk_shape_soft_constraint: Iterable[Int | None] | None
    codec_chunk_shape: Iterable[Int | None] | None
    codec_chunk_shape_soft_constraint: Iterable[Int | None] | None
    chunk_aspect_ratio: Iterable[Float | None] | None
    chunk_aspect_ratio_soft_constraint: Iterable[Float | None] | None
    write_chunk_aspect_ratio: Iterable[Float | None] | None
    write_chunk_aspect_ratio_soft_constraint: Iterable[Float | None] | None
    read_chunk_aspect_ratio: Iterable[Float | None] | None
    read_chunk_aspect_ratio_soft_constraint: Iterable[Float | None] | None
    codec_chunk_aspect_ratio: Iterable[Float | None] | None
    codec_chunk_aspect_ratio_soft_constraint: Iterable[Float | None] | None
    chunk_elements: Int | None
    chunk_elements_soft_constraint: Int | None
    write_chunk_elements: Int | None
    write_chunk_elements_soft_constraint: Int | None
    read_chunk_elements: Int | None
    read_chunk_elements_soft_constraint: Int | None
    codec_chunk_elements: Int | None
    codec_chunk_elements_soft_constraint: Int | None
    finalize: bool | None


def _add_inner_order(is_hard: bool) -> _Setter:
    def add(layout: LayoutConstraints, value: Any) -> LayoutConstraints:
        order = parse_ints(value)
        return layout.add_inner_order(order, is_hard=is_hard) if order else layout

    return add


def _add_grid_origin(is_hard: bool) -> _Setter:
    def add(layout: LayoutConstraints, value: Any) -> LayoutConstraints:
        origin = parse_optional_ints(value)
        return layout.add_grid_origin(origin, is_hard=is_hard) if origin else layout

    return add


def _add_grid_field(usages: tuple[Usage, ...], field: str, is_hard: bool) -> _Setter:
    def add(layout: LayoutConstraints, value: Any) -> LayoutConstraints:
        value = value if field == "elements" else list(value)
        for usage in usages:
            grid = add_to_grid(getattr(layout, usage), field, value, is_hard=is_hard)
            layout = layout.with_grid(usage, grid)
        return layout

    return add


def _usages(prefix: str, field: str) -> tuple[Usage, ...]:
    """The grids that the keyword ``{prefix}chunk_{field}`` is about."""
    if prefix == "write_":
        return ("write_chunk",)
    # The original takes these two keywords for constraints on the read chunk; programs that set the
    # chunk size of a view with them rely on it. `codec_chunk=` is the way to mean the codec.
    if prefix == "read_" or (prefix == "codec_" and field != "elements"):
        return ("read_chunk",)
    if prefix == "codec_":
        return ("codec_chunk",)
    everyone: tuple[Usage, ...] = ("write_chunk", "read_chunk", "codec_chunk")
    return everyone if field == "aspect_ratio" else everyone[:2]


def _finalize(layout: LayoutConstraints, value: Any) -> LayoutConstraints:
    return layout.finalized() if value else layout


_SETTERS: Final[dict[str, _Setter]] = {
    "rank": lambda layout, value: layout.with_rank(parse_rank(value)),
    "inner_order": _add_inner_order(True),
    "inner_order_soft_constraint": _add_inner_order(False),
    "grid_origin": _add_grid_origin(True),
    "grid_origin_soft_constraint": _add_grid_origin(False),
    "chunk": lambda layout, value: layout.merge_shared_grid(parse_grid(value)),
    "write_chunk": lambda layout, value: layout.merge_grid("write_chunk", parse_grid(value)),
    "read_chunk": lambda layout, value: layout.merge_grid("read_chunk", parse_grid(value)),
    "codec_chunk": lambda layout, value: layout.merge_grid("codec_chunk", parse_grid(value)),
    **{
        f"{prefix}chunk_{field}{suffix}": _add_grid_field(_usages(prefix, field), field, is_hard)
        for field in GRID_FIELDS
        for prefix in ("", "write_", "read_", "codec_")
        for suffix, is_hard in (("", True), ("_soft_constraint", False))
    },
    "finalize": _finalize,
}
"""What each keyword does, in the order in which they take effect."""


def add_to_layout(
    layout: LayoutConstraints, keywords: ChunkLayoutKeywords, function: str
) -> LayoutConstraints:
    """Return constraints with those of the keyword arguments of a function added.

    Raises:
        TypeError: A keyword does not exist, or its value has the wrong type.
        ValueError: A value is out of range, or constraints conflict.
    """
    for name in ordered_keywords(function, keywords, _SETTERS):
        value = keywords[name]  # type: ignore[literal-required]
        if value is None:
            continue
        try:
            layout = _SETTERS[name](layout, value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"invalid {name}: {error}") from None
    return layout
