"""Tiles in a key-value store, one ``.npy`` value each, as one array that is cached and revalidated.

The callbacks return the stamp of the store. So a cached tile is asked for again only by its
version, and two writers of one tile notice each other: nothing is lost.

Run it with ``python examples/tiles_in_a_store.py [asyncio|trio]``.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from typing import Any

import anyio
import numpy as np
import numpy.typing as npt

import virtchunk as ts

SHAPE = (4, 4)
TILE = (2, 2)


def open_tiles(store: ts.KvStore, states: Counter[str]) -> ts.TensorStore:
    """Present the values ``0/0.npy``, ``0/2.npy``, ... as one array; a missing one is all zeros."""

    def key_of(domain: ts.IndexDomain) -> str:
        row, column = domain.inclusive_min
        return f"{row}/{column}.npy"

    async def load(
        domain: ts.IndexDomain,
        array: npt.NDArray[Any],
        params: ts.VirtualChunkedReadParameters,
    ) -> ts.KvStore.TimestampedStorageGeneration:
        found = await store.read(
            key_of(domain), if_not_equal=params.if_not_equal, batch=params.batch
        )
        states[found.state] += 1
        if found.state == "unspecified":  # what the cache has is still current
            return ts.KvStore.TimestampedStorageGeneration(b"", found.stamp.time)
        array[...] = np.load(io.BytesIO(found.value)) if found.state == "value" else 0
        return found.stamp

    async def save(
        domain: ts.IndexDomain,
        array: npt.NDArray[Any],
        params: ts.VirtualChunkedWriteParameters,
    ) -> ts.KvStore.TimestampedStorageGeneration:
        content = io.BytesIO()
        np.save(content, array)
        return await store.write(key_of(domain), content.getvalue(), if_equal=params.if_equal)

    return ts.virtual_chunked(
        load,
        save,
        dtype=ts.int64,
        shape=SHAPE,
        chunk_layout=ts.ChunkLayout(read_chunk_shape=TILE),
        context=ts.Context({"cache_pool": {"total_bytes_limit": 10_000_000}}),
    )


async def main() -> None:
    """Read the same tiles three times, while another view writes one of them."""
    store = await ts.KvStore.open("memory://tiles/")
    states: Counter[str] = Counter()
    tiles = open_tiles(store, states)
    elsewhere = open_tiles(store, Counter())  # another cache, as in another process
    await elsewhere.write(np.arange(16).reshape(SHAPE) * 3)

    async def read(when: str) -> npt.NDArray[Any]:
        states.clear()
        content = await tiles.read()
        print(f"{when}: {states['value']} tiles fetched, {states['unspecified']} found unchanged")
        return content

    await read("first read")
    await read("again")
    await elsewhere[1, :2].write(0)
    print((await read("after somebody else wrote a tile"))[1])


if __name__ == "__main__":
    anyio.run(main, backend=sys.argv[1] if sys.argv[1:] else "asyncio")
