"""Views as notebooks show them: what they are, their chunks, and which of them are cached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from virtchunk._grid.regular import DimensionGrid, RegularDimension
from virtchunk._html.axis import MOST_CELLS, Axis, window_of
from virtchunk._html.figure import Box, figure
from virtchunk._html.page import Table, axes_table, card, legend
from virtchunk._html.text import bytes_text, count_text
from virtchunk._index.html import bounds_of, elements_text
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._schema.unit import Unit

if TYPE_CHECKING:
    from virtchunk._cache.pool import CachePool, ChunkCache
    from virtchunk._drivers.driver import Driver
    from virtchunk._store import TensorStore

__all__ = ("view_html",)

_MOST_BOXES = 10_000
"""Cached chunks that are drawn: more of them would take too long."""
_MODES = {"r": "read", "w": "write", "rw": "read and write"}


def view_html(view: TensorStore) -> str:
    """Render a view; nothing is read."""
    axes = _axes(view)
    cached, more = _cached(view)
    return card(
        "TensorStore",
        name=view._driver.describe(),
        tags=[view.dtype.name, _MODES[view.mode], *["in a transaction"] * bool(view.transaction)],
        tables=[Table(_facts(view, axes, cached, more)), axes_table(axes)],
        picture=figure(axes, [box for box, _ in cached]),
        note=legend(axes, coloured=bool(cached)),
    )


def _facts(
    view: TensorStore, axes: Sequence[Axis], cached: Sequence[tuple[Box, int]], more: bool
) -> list[tuple[str, str]]:
    elements = elements_text(view.domain)
    infinite = elements == "∞"
    facts = [("elements", elements), ("bytes", "∞" if infinite else bytes_text(view.nbytes))]
    sizes = [axis.chunk for axis in axes if axis.chunk is not None and axis.largest is None]
    if axes and len(sizes) == len(axes):
        facts.append(("a chunk", bytes_text(prod(sizes) * view.dtype.numpy_dtype.itemsize)))
    counts = [axis.chunks for axis in axes if axis.chunks is not None]
    if axes and len(counts) == len(axes):
        facts.append(("chunks", count_text(prod(counts))))
    if _cache(view) is not None:
        plus = "more than " if more else ""
        nbytes = sum(nbytes for _, nbytes in cached)
        facts.append(("cached", f"{plus}{count_text(len(cached))} chunks, {bytes_text(nbytes)}"))
    if view._driver.cache_bytes is not None:
        facts.append(("cache pool", _pool_text(view._driver)))
    return facts


def _pool_text(driver: Driver) -> str:
    pool: CachePool = driver.context["cache_pool"]._live
    used = bytes_text(pool.statistics().total_bytes)
    return f"{used} of {bytes_text(pool.total_bytes_limit)}"


# -- dimensions --------------------------------------------------------------------------------


def _axes(view: TensorStore) -> list[Axis]:
    grid = _grid(view._driver)
    sources: dict[int, list[tuple[OutputIndexMap, DimensionGrid | None]]] = {}
    for output, cells in zip(view._transform._output, grid, strict=True):
        if output.input_dimension is not None:
            sources.setdefault(output.input_dimension, []).append((output, cells))
    return [_axis(view, dim, sources.get(dim, [])) for dim in range(view.rank)]


def _grid(driver: Driver) -> Sequence[DimensionGrid | None]:
    """Return the chunk grid of a driver; None for a dimension that is not cut."""
    if driver.name == "array":
        return [None] * driver.domain.rank
    grid: Sequence[DimensionGrid] | None = getattr(driver, "grid", None)
    if grid is not None:
        return grid
    shape, origin = driver.layout.read_chunk.shape, driver.layout.grid_origin
    if shape is None or origin is None:
        return [None] * driver.domain.rank
    bounds = driver.domain.inclusive_min, driver.domain.exclusive_max
    return [
        RegularDimension(start or 0, size, low, high) if size else None
        for start, size, low, high in zip(origin, shape, *bounds, strict=True)
    ]


def _axis(
    view: TensorStore, dim: int, sources: Sequence[tuple[OutputIndexMap, DimensionGrid | None]]
) -> Axis:
    """Describe a dimension of a view, with the chunks along it if it goes through one grid only."""
    domain = view.domain
    low, high = bounds_of(domain, dim)
    output, cells = sources[0] if len(sources) == 1 else (None, None)
    chunk, largest, chunks, edges = None, None, None, None
    window = window_of(low, high, 1, 0)
    if output is not None and cells is not None:
        chunk, largest, origin = _chunk(output, cells)
        window = window_of(low, high, chunk or 1, origin)
        count, edges = _edges(output, cells, *window)
        chunks = None if low is None or high is None else count
    else:
        edges = window
    unit = view.dimension_units[dim]
    return Axis(
        label=domain.labels[dim],
        low=low,
        high=high,
        implicit=(domain.implicit_lower_bounds[dim], domain.implicit_upper_bounds[dim]),
        chunk=chunk,
        largest=largest,
        window=window,
        edges=edges,
        chunks=chunks,
        unit=_unit_text(unit, 1),
        length="" if low is None or high is None else _unit_text(unit, high - low),
    )


def _unit_text(unit: Unit | None, count: int) -> str:
    return "" if unit is None else f"{unit.multiplier * count:.6g} {unit.base_unit}".strip()


def _chunk(output: OutputIndexMap, cells: DimensionGrid) -> tuple[int | None, int | None, int]:
    """Return the extents of chunks as the view sees them, and where one begins.

    One extent if all chunks have it, else those of the smallest and the largest.
    """
    stride = abs(output.stride or 1)
    if isinstance(cells, RegularDimension):
        return max(cells.size // stride, 1), None, _border(output, cells.origin)
    sizes: tuple[int, ...] = getattr(cells, "sizes", ())
    if not sizes:
        return None, None, 0
    return max(min(sizes) // stride, 1), -(-max(sizes) // stride), 0


def _border(output: OutputIndexMap, base: int) -> int:
    """Return where, in a view, lies the border below a coordinate of the base."""
    stride = output.stride or 1
    distance = base - output.offset
    return -(-distance // stride) if stride > 0 else distance // stride + 1


def _edges(
    output: OutputIndexMap, cells: DimensionGrid, start: int, stop: int
) -> tuple[int, tuple[int, ...] | None]:
    """Count the chunks in ``[start, stop)``, and say where they begin and end, if they are few."""
    if start >= stop:
        return 0, (start, stop)
    stride = output.stride or 1
    ends = output.offset + stride * start, output.offset + stride * (stop - 1)
    first, last = max(min(ends), cells.inclusive_min), min(max(ends), cells.exclusive_max - 1)
    count = min(cells.cells(first, last), stop - start)
    if count > MOST_CELLS:
        return count, None
    borders = {start, stop}
    coordinate = first
    while coordinate <= last:
        _, coordinate = cells.bounds(coordinate)
        borders.add(min(max(_border(output, coordinate), start), stop))
    return count, tuple(sorted(borders))


# -- cached chunks -----------------------------------------------------------------------------


def _cache(view: TensorStore) -> ChunkCache | None:
    """Return the chunks of the view's own driver that are cached, if any ever are."""
    source: Any = getattr(view._driver, "source", None)
    cache: ChunkCache | None = getattr(source, "cache", None)
    return cache


def _cached(view: TensorStore) -> tuple[list[tuple[Box, int]], bool]:
    """Return cached chunks as boxes in the view with their bytes, and whether there are more."""
    cache = _cache(view)
    if cache is None:
        return [], False
    entries = list(cache.entries.values())  # a copy in one step, while others may add some
    return list(_boxes(view, entries[:_MOST_BOXES])), len(entries) > _MOST_BOXES


def _boxes(view: TensorStore, entries: Sequence[Any]) -> Iterator[tuple[Box, int]]:
    outputs = view._transform._output
    if any(output.index_array is not None for output in outputs):
        return  # what a chunk has in such a view is no box
    domain = view.domain
    for entry in entries:
        box = list(zip(domain.inclusive_min, domain.exclusive_max, strict=True))
        for output, low, extent in zip(outputs, entry.key, entry.array.shape, strict=True):
            dim = output.input_dimension
            if dim is None:
                if not low <= output.offset < low + extent:
                    break
                continue
            borders = sorted((_border(output, low), _border(output, low + extent)))
            start, stop = max(box[dim][0], borders[0]), min(box[dim][1], borders[1])
            if start >= stop:
                break
            box[dim] = start, stop
        else:
            yield box, entry.array.nbytes
