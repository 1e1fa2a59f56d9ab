"""Casts, downsampled views and stacks beside the original, over arrays and over virtual views.

    python benchmarks/derived.py [--quick] [NAME ...]

Contenders take turns; times are medians, in milliseconds for a whole read. The original's callbacks
and ours are the same.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorstore
from rows import Row

import virtchunk

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 255, (4096, 4096)).astype(np.uint8)
FLOATS = RANDOM.random((2048, 2048), np.float32)
TILES = [np.full((256, 256), number, np.uint16) for number in range(100)]


def array(ts: Any, values: Any) -> Any:
    return ts.array(values)


def virtual(ts: Any, values: Any) -> Any:
    def load(domain: Any, chunk: Any, params: Any) -> None:
        chunk[...] = values[domain.index_exp]

    chunk = [min(size, 512) for size in values.shape]
    return ts.virtual_chunked(
        load,
        dtype=ts.dtype(values.dtype),
        shape=values.shape,
        chunk_layout=ts.ChunkLayout(read_chunk_shape=chunk),
    )


CASES: dict[str, Callable[[Any, Any], Any]] = {
    "cast uint8 to float32": lambda ts, base: ts.cast(base(ts, PIXELS), "float32"),
    "cast float32 to int16": lambda ts, base: ts.cast(base(ts, FLOATS), "int16"),
    "mean 2 x 2 of uint8": lambda ts, base: ts.downsample(base(ts, PIXELS), [2, 2], "mean"),
    "mean 2 x 2 of float32": lambda ts, base: ts.downsample(base(ts, FLOATS), [2, 2], "mean"),
    "mean 3 x 5 of float32": lambda ts, base: ts.downsample(base(ts, FLOATS), [3, 5], "mean"),
    "max 2 x 2 of uint8": lambda ts, base: ts.downsample(base(ts, PIXELS), [2, 2], "max"),
    "median 2 x 2 of uint8": lambda ts, base: ts.downsample(base(ts, PIXELS), [2, 2], "median"),
    "mode 2 x 2 of uint8": lambda ts, base: ts.downsample(base(ts, PIXELS), [2, 2], "mode"),
    "stride 2 x 2 of uint8": lambda ts, base: ts.downsample(base(ts, PIXELS), [2, 2], "stride"),
    "stack of 100": lambda ts, base: ts.stack([base(ts, tile) for tile in TILES]),
    "stack of 100, one element each": lambda ts, base: ts.stack([base(ts, tile) for tile in TILES])[
        :, 3, 5
    ],
    "concat of 100": lambda ts, base: ts.concat([base(ts, tile) for tile in TILES], 0),
}


def measured(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def contenders(make: Callable[[Any, Any], Any], base: Any) -> dict[str, Callable[[], float]]:
    original, ours = make(tensorstore, base), make(virtchunk, base)
    assert np.array_equal(original.read().result(), ours.read().result())

    async def awaited() -> float:
        started = time.perf_counter()
        await ours.read()
        return time.perf_counter() - started

    return {
        "virtchunk": lambda: measured(lambda: ours.read().result()),
        "virtchunk awaited": lambda: asyncio.run(awaited()),
        "original": lambda: measured(lambda: original.read().result()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    print("| case | virtchunk | awaited | original | times original | awaited, times original |")
    print("|---|---|---|---|---|---|")
    for base in (array, virtual):
        for name, make in CASES.items():
            title = f"{name}, {base.__name__}"
            if options.names and not any(part in title for part in options.names):
                continue
            medians = Row(title, contenders, (make, base)).run(quick=options.quick).medians
            ours, awaited, original = medians.values()
            print(
                f"| {title} | {ours * 1e3:.2f} | {awaited * 1e3:.2f} | {original * 1e3:.2f} "
                f"| {ours / original:.2f} | {awaited / original:.2f} |"
            )


if __name__ == "__main__":
    main()
