"""A landscape as three virtual views, each computed on demand from the one below it.

``tiles`` (heights, fetched tile by tile) -> ``detail`` (heights, upsampled) -> ``relief`` (pixels).
A chunk that needs a margin reads exactly that window of the view below; the cache that all views
share keeps neighbours from fetching or computing the same data twice.
"""

from __future__ import annotations

from collections import Counter
from importlib.metadata import distribution
from pathlib import Path

import anyio
import attrs
import numpy as np
import numpy.typing as npt

import virtchunk as ts
from virtchunk.demo.terrain import SplineTaps, shaded_relief, upsample

__all__ = ("ElevationModel", "Landscape", "jacksboro_fault", "with_margin")

TILE_SHAPE = (64, 64)
TILE_LATENCY = 0.02  # seconds; what a nearby tile server takes to answer
EXAGGERATION = 2  # heights are drawn this much steeper than they are
METRES_PER_DEGREE = 111_320  # of latitude


@attrs.frozen(eq=False)
class ElevationModel:
    """Heights on a regular grid; the first row is the northernmost."""

    heights: npt.NDArray[np.int16]
    """Metres above the sea, shape ``(rows, columns)``."""
    spacing: tuple[float, float]
    """Metres between rows and between columns."""


def jacksboro_fault() -> ElevationModel:
    """Load the elevation model of the Jacksboro fault in Tennessee that ships with matplotlib."""
    # Found without importing matplotlib, which takes longer than most of what the demo does.
    data = distribution("matplotlib").locate_file("matplotlib/mpl-data/sample_data")
    with np.load(Path(str(data), "jacksboro_fault_dem.npz")) as file:
        latitude = np.radians((file["ymin"] + file["ymax"]) / 2)
        rows = float(file["dy"]) * METRES_PER_DEGREE
        columns = float(file["dx"] * np.cos(latitude)) * METRES_PER_DEGREE
        return ElevationModel(file["elevation"], (rows, columns))


@attrs.define(eq=False)
class Landscape:
    """An elevation model and the views on it; nothing is computed before a view is read."""

    model: ElevationModel
    zoom: int = 12
    """Pixels per sample of the model, along each dimension."""
    chunk: int = 256
    """Edge length, in pixels, of the chunks to compute."""
    cache_bytes: int = 64_000_000
    """Limit of the cache that the views share."""
    computed: Counter[str] = attrs.field(init=False, factory=Counter)
    """How many chunks of each view have been computed so far."""
    tiles: ts.TensorStore = attrs.field(init=False)
    """Heights in metres, int16 ``(y, x)``."""
    detail: ts.TensorStore = attrs.field(init=False)
    """Upsampled heights in metres, float32 ``(y, x)``."""
    relief: ts.TensorStore = attrs.field(init=False)
    """Red, green and blue, uint8 ``(y, x, channel)``."""

    def __attrs_post_init__(self) -> None:
        context = ts.Context({"cache_pool": {"total_bytes_limit": self.cache_bytes}})
        rows, columns = self.model.heights.shape
        height, width = rows * self.zoom, columns * self.zoom
        self.tiles = ts.virtual_chunked(
            self.fetch_tile,
            dtype=ts.int16,
            domain=ts.IndexDomain(shape=[rows, columns], labels=["y", "x"]),
            chunk_layout=ts.ChunkLayout(read_chunk_shape=TILE_SHAPE),
            context=context,
        )
        self.detail = ts.virtual_chunked(
            self.interpolate,
            dtype=ts.float32,
            domain=ts.IndexDomain(shape=[height, width], labels=["y", "x"]),
            chunk_layout=ts.ChunkLayout(read_chunk_shape=[self.chunk, self.chunk]),
            context=context,
        )
        self.relief = ts.virtual_chunked(
            self.paint,
            dtype=ts.uint8,
            domain=ts.IndexDomain(shape=[height, width, 3], labels=["y", "x", "channel"]),
            chunk_layout=ts.ChunkLayout(read_chunk_shape=[self.chunk, self.chunk, 3]),
            context=context,
        )

    async def fetch_tile(
        self,
        domain: ts.IndexDomain,
        array: npt.NDArray[np.int16],
        params: ts.VirtualChunkedReadParameters,
    ) -> None:
        """Fill one chunk of `tiles`, as slowly as a server would."""
        await anyio.sleep(TILE_LATENCY)
        array[...] = self.model.heights[domain.index_exp]
        self.computed["tiles"] += 1

    async def interpolate(
        self,
        domain: ts.IndexDomain,
        array: npt.NDArray[np.float32],
        params: ts.VirtualChunkedReadParameters,
    ) -> None:
        """Fill one chunk of `detail` from the tiles around it."""
        y, x = (
            SplineTaps.between(dim.inclusive_min, dim.exclusive_max, zoom=self.zoom, size=size)
            for dim, size in zip(domain, self.tiles.shape, strict=True)
        )
        window = await self.tiles[y.window, x.window].read()
        array[...] = await anyio.to_thread.run_sync(upsample, window, y, x)
        self.computed["detail"] += 1

    async def paint(
        self,
        domain: ts.IndexDomain,
        array: npt.NDArray[np.uint8],
        params: ts.VirtualChunkedReadParameters,
    ) -> None:
        """Fill one chunk of `relief` from the heights in it and one pixel around it."""
        y, x, _channel = domain
        rows, missing_rows = with_margin(y, self.detail.shape[0])
        columns, missing_columns = with_margin(x, self.detail.shape[1])
        heights = await self.detail[rows, columns].read()
        heights = np.pad(heights, (missing_rows, missing_columns), mode="edge")
        array[...] = await anyio.to_thread.run_sync(self.shade, heights)
        self.computed["relief"] += 1

    def shade(self, heights: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Paint heights that have a margin of one pixel."""
        rows, columns = (metres / self.zoom / EXAGGERATION for metres in self.model.spacing)
        lowest, highest = self.model.heights.min(), self.model.heights.max()
        return shaded_relief(heights, spacing=(rows, columns), lowest=lowest, highest=highest)


def with_margin(dim: ts.Dim, size: int) -> tuple[slice, tuple[int, int]]:
    """Widen a range by one sample: the part that exists, and how much is missing at either end."""
    first, last = dim.inclusive_min - 1, dim.exclusive_max + 1
    window = slice(max(first, 0), min(last, size))
    return window, (window.start - first, last - window.stop)
