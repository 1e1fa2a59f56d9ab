"""What ``virtchunk info`` tells about a view."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from virtchunk._engine.source import is_async, name_of
from virtchunk._html.text import bytes_text
from virtchunk._index.interval import INF
from virtchunk._store import TensorStore

__all__ = ("describe",)


def describe(view: TensorStore) -> Iterator[tuple[str, str]]:
    """Yield what can be told without reading: headings, and what belongs to them."""
    itemsize = view.dtype.numpy_dtype.itemsize
    yield "domain", str(view.domain)
    yield "dtype", view.dtype.name
    yield "mode", {"r": "read-only", "w": "write-only", "rw": "read and write"}[view.mode]
    yield "size", _size(view.size, itemsize) if view.size < INF else "unbounded"
    yield from _chunks(view, itemsize)
    units = {
        label or str(dim): unit
        for dim, (label, unit) in enumerate(
            zip(view.domain.labels, view.dimension_units, strict=True)
        )
        if unit is not None
    }
    yield "units", ", ".join(f"{name}: {unit}" for name, unit in units.items()) or "none"
    source: Any = getattr(view._driver, "source", None)
    if hasattr(source, "read_function"):
        yield "read by", _callback(source.read_function)
        yield "written by", _callback(source.write_function)
    else:
        yield "driver", view._driver.describe()
    cache = view._driver.cache_bytes
    yield "cache", "none" if cache is None else bytes_text(cache)
    yield "layout", repr(view.chunk_layout)


def _size(count: int, itemsize: int) -> str:
    return f"{count:_} elements of {itemsize} bytes: {bytes_text(count * itemsize)}"


def _chunks(view: TensorStore, itemsize: int) -> Iterator[tuple[str, str]]:
    shape = [size for size in view.chunk_layout.read_chunk.shape or () if size]
    origin = [at for at in view.chunk_layout.grid_origin or () if at is not None]
    if not len(shape) == len(origin) == view.rank:
        yield "chunks", "none, or of several sizes"
        return
    text = f"{' x '.join(map(str, shape))}, {bytes_text(math.prod(shape) * itemsize)}"
    if view.size < INF:
        domain = view.domain
        grid = [
            (high - 1 - at) // size - (low - at) // size + 1 if low < high else 0
            for low, high, at, size in zip(
                domain.inclusive_min, domain.exclusive_max, origin, shape, strict=True
            )
        ]
        text += f"; {' x '.join(map(str, grid))} = {math.prod(grid):_} of them"
    yield "chunks", text


def _callback(function: Callable[..., Any] | None) -> str:
    if function is None:
        return "nothing"
    kind = "async" if is_async(function) else "in threads"
    while isinstance(function, partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    place = "" if code is None else f", {Path(code.co_filename).name}:{code.co_firstlineno}"
    return f"{name_of(function)} ({kind}{place})"
