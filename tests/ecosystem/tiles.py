"""Tiles in a key-value store as a view, for other processes too: all it needs can be pickled."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

import virtchunk as ts

__all__ = ["open_tiles"]


def open_tiles(
    store: ts.KvStore,
    shape: tuple[int, ...],
    tile: tuple[int, ...],
    *,
    asynchronous: bool = False,
    cache_bytes: int = 0,
) -> ts.TensorStore:
    """Present the values ``0.0``, ``0.4``, ... as one array; a missing one is all zeros.

    The callbacks are defined in here so that a worker gets their code: it cannot import the tests.
    """

    def key_of(domain: ts.IndexDomain) -> str:
        return ".".join(map(str, domain.inclusive_min))

    def fill(array: Any, found: Any) -> Any:
        if found.state == "unspecified":
            return ts.KvStore.TimestampedStorageGeneration(b"", found.stamp.time)
        array[...] = np.load(io.BytesIO(found.value)) if found.state == "value" else 0
        return found.stamp

    def encoded(array: Any) -> bytes:
        content = io.BytesIO()
        np.save(content, array)
        return content.getvalue()

    def load(domain: ts.IndexDomain, array: Any, params: Any) -> Any:
        return fill(array, store.read(key_of(domain), if_not_equal=params.if_not_equal).result())

    def save(domain: ts.IndexDomain, array: Any, params: Any) -> Any:
        return store.write(key_of(domain), encoded(array), if_equal=params.if_equal).result()

    async def load_awaiting(domain: ts.IndexDomain, array: Any, params: Any) -> Any:
        return fill(array, await store.read(key_of(domain), if_not_equal=params.if_not_equal))

    async def save_awaiting(domain: ts.IndexDomain, array: Any, params: Any) -> Any:
        return await store.write(key_of(domain), encoded(array), if_equal=params.if_equal)

    return ts.virtual_chunked(
        load_awaiting if asynchronous else load,
        save_awaiting if asynchronous else save,
        dtype=ts.int64,
        shape=shape,
        chunk_layout=ts.ChunkLayout(chunk_shape=tile),
        context=ts.Context({"cache_pool": {"total_bytes_limit": cache_bytes}}),
    )
