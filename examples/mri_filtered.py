"""An MRI volume, smoothed lazily: only what is looked at is read from the file and filtered.

``scan`` reads slabs of a NIfTI file that comes with nibabel; ``smooth`` is a Gaussian filter over
it, whose chunks each read a margin of what is below; ``edges`` is a gradient over that.

Needs nibabel. Run it with ``python examples/mri_filtered.py [asyncio|trio] [picture.png]``.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib.resources import files
from typing import Any

import anyio
import nibabel
import numpy as np
import numpy.typing as npt

import virtchunk as ts

Array = npt.NDArray[Any]

SIGMA = 2.0  # millimetres
CHUNK = [32, 32, 8, 1]


def open_scan(path: str, computed: Counter[str], context: ts.Context) -> ts.TensorStore:
    """Present a NIfTI file of rank 4 as an array (x, y, z, t)."""
    image: Any = nibabel.load(path)
    *space, time = image.header.get_zooms()
    millimetre, second = image.header.get_xyzt_units()

    def load(domain: ts.IndexDomain, array: Array, params: object) -> None:
        computed["scan"] += 1
        array[...] = image.dataobj[domain.index_exp]

    return ts.virtual_chunked(
        load,
        dtype=ts.float32,
        domain=ts.IndexDomain(shape=image.shape, labels=["x", "y", "z", "t"]),
        chunk_layout=ts.ChunkLayout(read_chunk_shape=CHUNK),
        dimension_units=[*((float(zoom), millimetre) for zoom in space), (float(time), second)],
        context=context,
    )


def smoothed(view: ts.TensorStore, computed: Counter[str], context: ts.Context) -> ts.TensorStore:
    """Return a view filtered by a Gaussian along its first three dimensions."""
    kernels = []
    for unit in view.dimension_units[:3]:
        assert unit is not None
        radius = int(np.ceil(2 * SIGMA / unit.multiplier))
        weights = np.exp(-((np.arange(-radius, radius + 1) * unit.multiplier / SIGMA) ** 2) / 2)
        kernels.append(weights / weights.sum())
    radii = [len(kernel) // 2 for kernel in kernels]

    async def fill(domain: ts.IndexDomain, array: Array, params: object) -> None:
        computed["smooth"] += 1
        values, padding = await with_margin(view, domain, [*radii, 0])
        values = np.pad(values, padding, mode="edge")
        for dim, kernel in enumerate(kernels):
            windows = np.lib.stride_tricks.sliding_window_view(values, len(kernel), axis=dim)
            values = windows @ kernel
        array[...] = values

    return ts.virtual_chunked(fill, schema=view.schema, context=context)


def edges_of(view: ts.TensorStore, computed: Counter[str], context: ts.Context) -> ts.TensorStore:
    """Return a view of how steep another one is in the planes of x and y."""

    async def fill(domain: ts.IndexDomain, array: Array, params: object) -> None:
        computed["edges"] += 1
        values, padding = await with_margin(view, domain, [1, 1, 0, 0])
        values = np.pad(values, padding, mode="edge")
        array[...] = np.hypot(
            values[2:, 1:-1] - values[:-2, 1:-1], values[1:-1, 2:] - values[1:-1, :-2]
        )

    return ts.virtual_chunked(fill, schema=view.schema, context=context)


async def with_margin(
    view: ts.TensorStore, domain: ts.IndexDomain, margin: list[int]
) -> tuple[Array, list[tuple[int, int]]]:
    """Read a domain and what there is around it; say how much is missing at either end."""
    windows, missing = [], []
    for part, whole, width in zip(domain, view.domain, margin, strict=True):
        low, high = part.inclusive_min - width, part.exclusive_max + width
        inside = slice(max(low, whole.inclusive_min), min(high, whole.exclusive_max))
        windows.append(inside)
        missing.append((inside.start - low, high - inside.stop))
    return await view[tuple(windows)].read(), missing


async def main(picture: str | None) -> None:
    """Look at a part of one plane, then at all of the plane."""
    context = ts.Context({"cache_pool": {"total_bytes_limit": 100_000_000}})
    computed: Counter[str] = Counter()
    scan = open_scan(str(files("nibabel") / "tests/data/example4d.nii.gz"), computed, context)
    edges = edges_of(smoothed(scan, computed, context), computed, context)
    print(scan.domain, *scan.dimension_units, sep="; ")
    for part in (edges[70:80, 70:80, 12, 0], edges[..., 12, 0]):
        computed.clear()
        values = await part.read()
        print(f"{part.domain}: mean {values.mean():.2f}; computed {dict(sorted(computed.items()))}")
    if picture is not None:
        save(await edges[..., 12, 0].read(), picture)


def save(values: Array, picture: str) -> None:
    """Draw a plane, its second dimension upwards."""
    from PIL import Image

    Image.fromarray((values.T[::-1] / values.max() * 255).astype(np.uint8)).save(picture)


if __name__ == "__main__":
    backend = sys.argv[1] if sys.argv[1:] else "asyncio"
    anyio.run(main, sys.argv[2] if sys.argv[2:] else None, backend=backend)
