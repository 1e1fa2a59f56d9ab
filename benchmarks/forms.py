"""Irregular chunks beside regular ones, and functions that return beside callbacks that fill.

    python benchmarks/forms.py [--quick] [NAME ...]

"floor" is the regular grid, or the callback that fills its array; times are per chunk.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import numpy as np
from rows import Row, Table

import virtchunk as ts

Contenders = dict[str, Callable[[], float]]

SIDE, EDGE = 512, 4
SIZES = (3, 5) * (SIDE // 8)
CHUNKS = len(SIZES) ** 2


def fill(domain: Any, array: Any, params: Any) -> None:
    array[...] = 1


def view(chunks: Any, read: Any = fill, write: Any = None, **context: Any) -> Any:
    return ts.virtual_chunked(
        read,
        write,
        dtype=ts.int32,
        shape=[SIDE, SIDE],
        chunks=chunks,
        context=ts.Context(context),
    )


def timed(work: Callable[[], object], units: int = CHUNKS) -> Callable[[], float]:
    """Return a measurement: seconds per unit of ``work``."""

    def measure() -> float:
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) / units

    return measure


def both(work: Callable[[Any], Callable[[], float]]) -> Contenders:
    return {"virtchunk": work((SIZES, SIZES)), "floor": work(EDGE)}


def reads() -> Contenders:
    def work(chunks: Any) -> Callable[[], float]:
        store = view(chunks)
        return timed(lambda: store.read().result())

    return both(work)


def reads_awaited() -> Contenders:
    async def read(store: Any) -> None:
        await store.read()

    def work(chunks: Any) -> Callable[[], float]:
        store = view(chunks)
        return timed(lambda: anyio.run(read, store))

    return both(work)


def cached() -> Contenders:
    def work(chunks: Any) -> Callable[[], float]:
        store = view(chunks, cache_pool={"total_bytes_limit": 100_000_000})
        store.read().result()
        return timed(lambda: store.read().result())

    return both(work)


def writes() -> Contenders:
    values = np.ones((SIDE, SIDE), np.int32)

    def work(chunks: Any) -> Callable[[], float]:
        store = view(chunks, fill, lambda domain, array, params: None)
        return timed(lambda: store.write(values).result())

    return both(work)


def scattered() -> Contenders:
    at = np.random.default_rng(0).integers(0, SIDE, (2, 10_000))

    def work(chunks: Any) -> Callable[[], float]:
        store = view(chunks).vindex[at[0], at[1]]
        return timed(lambda: store.read().result())

    return both(work)


def one_element() -> Contenders:
    def work(chunks: Any) -> Callable[[], float]:
        store = view(chunks)

        def points() -> None:
            for i in range(1000):
                store[i % SIDE, 5].read().result()

        return timed(points, 1000)

    return both(work)


def returning(edge: int) -> Contenders:
    """Chunks of ones: made by a function, or assigned by a callback to the array it is given."""
    side = max(SIDE, 4 * edge)
    content = np.ones((edge, edge), np.float32)
    layout = ts.ChunkLayout(read_chunk_shape=[edge, edge])
    options: Any = {"dtype": ts.float32, "shape": [side, side], "chunk_layout": layout}

    def filling(domain: Any, array: Any, params: Any) -> None:
        np.add(content, 1, out=array)

    returned = ts.computed(lambda domain: content + 1, **options)
    filled = ts.virtual_chunked(filling, **options)
    units = (side // edge) ** 2
    return {
        "virtchunk": timed(lambda: returned.read().result(), units),
        "floor": timed(lambda: filled.read().result(), units),
    }


def rows() -> Iterator[Row]:
    yield Row("irregular, read", reads, floor=1.3)
    yield Row("irregular, read, awaited", reads_awaited, floor=1.3)
    yield Row("irregular, cached", cached, floor=1.3)
    yield Row("irregular, whole writes", writes, floor=1.3)
    yield Row("irregular, 10,000 points", scattered, floor=1.3)
    yield Row("irregular, one element", one_element, floor=1.3)
    yield Row("computed, chunks of 4 x 4", returning, (4,))
    yield Row("computed, chunks of 64 x 64", returning, (64,))
    yield Row("computed, chunks of 1024 x 1024", returning, (1024,))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only rows whose name contains one of these")
    parser.add_argument("--quick", action="store_true", help="one round each")
    arguments = parser.parse_args()
    table = Table()
    for row in rows():
        if not arguments.names or any(name in row.name for name in arguments.names):
            print(table.add(row.run(quick=arguments.quick)), flush=True)
    print(table.closing())


if __name__ == "__main__":
    main()
