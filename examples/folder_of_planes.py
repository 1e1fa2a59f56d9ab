"""A folder with one file per time step, as one array (time, y, x) that can be read and written.

Run it with ``python examples/folder_of_planes.py [asyncio|trio]``.
"""

from __future__ import annotations

import io
import sys
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import numpy as np
import numpy.typing as npt

import virtchunk as ts


def open_folder(folder: anyio.Path, shape: tuple[int, int, int]) -> ts.TensorStore:
    """Present ``000000.npy``, ``000001.npy``, ... as one array; a missing file is all zeros."""

    def file_of(domain: ts.IndexDomain) -> anyio.Path:
        return folder / f"{domain[0].inclusive_min:06}.npy"

    async def load(domain: ts.IndexDomain, array: npt.NDArray[Any], params: object) -> None:
        try:
            content = await file_of(domain).read_bytes()
        except FileNotFoundError:
            array[...] = 0
        else:
            array[0] = np.load(io.BytesIO(content))

    async def save(domain: ts.IndexDomain, array: npt.NDArray[Any], params: object) -> None:
        content = io.BytesIO()
        np.save(content, array[0])
        await file_of(domain).write_bytes(content.getvalue())

    return ts.virtual_chunked(
        load,
        save,
        dtype=ts.uint16,
        domain=ts.IndexDomain(shape=shape, labels=["time", "y", "x"]),
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[1, *shape[1:]]),  # a file is a chunk
    )


async def main() -> None:
    """Write three planes of a long movie, then look at one pixel over time."""
    with TemporaryDirectory() as name:
        movie = open_folder(anyio.Path(name), (100_000, 480, 640))
        await movie[10:13, 100:200, 100:200].write(7)

        print(sorted([path.name async for path in anyio.Path(name).iterdir()]))
        print(await movie[8:15, 150, 150].read())


if __name__ == "__main__":
    anyio.run(main, backend=sys.argv[1] if sys.argv[1:] else "asyncio")
