"""Chunk layouts as notebooks show them: one chunk to write, cut into chunks to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from virtchunk._html.axis import MOST_CELLS, Axis
from virtchunk._html.figure import figure
from virtchunk._html.page import Table, card
from virtchunk._html.text import count_text

if TYPE_CHECKING:
    from virtchunk._schema.layout import ChunkLayout

__all__ = ("layout_html",)

_Values: TypeAlias = "Sequence[float | None] | None"
_USAGES = ("read", "write", "codec")


def layout_html(layout: ChunkLayout) -> str:
    """Render a layout; soft constraints in parentheses."""
    rank = max(layout.rank, 0)
    axes = _axes(layout)
    note = '<div class="vc-note">a chunk to write, cut into chunks to read</div>'
    return card(
        "ChunkLayout",
        tags=[f"rank {layout.rank}" if layout.rank >= 0 else "rank unknown"],
        tables=[_sizes(layout), _dimensions(layout, rank)],
        picture=figure(axes) if axes is not None else "",
        note=note if axes is not None and any(len(axis.cut) > 2 for axis in axes) else "",
    )


def _dimensions(layout: ChunkLayout, rank: int) -> Table:
    order = layout.inner_order, layout.inner_order_soft_constraint
    columns = [
        ("origin", _column(rank, layout.grid_origin, layout.grid_origin_soft_constraint)),
        *[
            (f"{usage} chunk", _column(rank, grid.shape, grid.shape_soft_constraint))
            for usage, grid in _grids(layout)
        ],
        *[
            (f"{usage} aspect", _column(rank, grid.aspect_ratio, grid.aspect_ratio_soft_constraint))
            for usage, grid in _grids(layout)
        ],
        ("memory order", _column(rank, *(None if one is None else _ranks(one) for one in order))),
    ]
    used = [(name, cells) for name, cells in columns if any(cells)]
    rows = [(str(dim), *(cells[dim] for _, cells in used)) for dim in range(rank)]
    return Table(rows, ["", *(name for name, _ in used)])


def _sizes(layout: ChunkLayout) -> Table:
    rows = []
    for usage, grid in _grids(layout):
        if grid.elements is not None:
            rows.append((f"elements of a {usage} chunk", count_text(grid.elements)))
        elif grid.elements_soft_constraint is not None:
            rows.append(
                (f"elements of a {usage} chunk", f"({count_text(grid.elements_soft_constraint)})")
            )
    return Table(rows)


def _grids(layout: ChunkLayout) -> list[tuple[str, Any]]:
    return [(usage, getattr(layout, f"{usage}_chunk")) for usage in _USAGES]


def _ranks(order: Sequence[int]) -> list[int]:
    """Return the place of each dimension in the order, counted from the one that varies slowest."""
    return [order.index(dim) for dim in range(len(order))]


def _column(rank: int, hard: _Values, soft: _Values) -> list[str]:
    """Return what is said of each dimension; soft constraints in parentheses."""
    cells = []
    for dim in range(rank):
        value, wish = (None if values is None else values[dim] for values in (hard, soft))
        wished = "" if wish is None else f"({_text(wish)})"
        cells.append(wished if value is None else _text(value))
    return cells


def _text(value: float) -> str:
    return count_text(value) if isinstance(value, int) else f"{value:g}"


def _axes(layout: ChunkLayout) -> list[Axis] | None:
    """Return one chunk to write as axes, or None if its shape is not known."""
    read, write = _known(layout.read_chunk), _known(layout.write_chunk)
    outer = write or read
    if outer is None:
        return None
    return [_axis(size, part) for size, part in zip(outer, read or outer, strict=True)]


def _known(grid: Any) -> list[int] | None:
    """Return the shape of the chunks of a grid, if all of it is known."""
    hard, soft = grid.shape or (), grid.shape_soft_constraint or ()
    known = [size or wish for size, wish in zip(hard, soft, strict=True)]
    return known if known and None not in known else None


def _axis(size: int, part: int) -> Axis:
    few = -(-size // part) <= MOST_CELLS
    edges = (*range(0, size, part), size) if few else None
    return Axis(low=0, high=size, window=(0, size), edges=edges, chunk=part)
