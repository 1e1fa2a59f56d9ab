"""`ViewStore`: what zarr takes for a store is a view.

To zarr a store is keys with bytes. Here there are no bytes: what zarr asks for is computed when it
asks, and what it stores is written to the view.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.lowlevel
import numpy as np
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)

from virtchunk._drivers.driver import check_finite
from virtchunk._index.domain import IndexDomain
from virtchunk._store import TensorStore
from virtchunk.zarr._keys import ChunkKeys
from virtchunk.zarr._metadata import array_metadata, chunk_shape, data_type, group_metadata

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ("ViewStore",)

Array: TypeAlias = "np.ndarray[Any, Any]"

_METADATA = "zarr.json"
_BETWEEN_CHECKPOINTS = 1000
"""Keys that are listed in one go."""


class ViewStore(Store):
    """A store of zarr format 3 that holds one array: a view. See `TensorStore.as_zarr_store`.

    Args:
        view: The view; its domain must be finite.
        name: None: the array is the root of the store. Otherwise the root is a group, and this is
            the name of the array in it.
        chunks: Shape of the chunks. Default: that of the view's own.
        attributes: Further attributes of the array; any JSON.
        read_only: Whether to refuse writes. Default: if the view is read-only.

    Raises:
        TypeError: zarr has no data type for the view's elements.
        ValueError: The domain is not finite; ``name`` is no name; ``chunks`` does not suit the
            view; a writable store is asked of a view that is read-only.
    """

    supports_writes = True
    supports_listing = True
    # A chunk can be deleted, which fills it; but neither can a view be, nor can it be replaced.
    supports_deletes = False

    def __init__(
        self,
        view: TensorStore,
        name: str | None = None,
        *,
        chunks: Iterable[int] | None = None,
        attributes: Mapping[str, Any] | None = None,
        read_only: bool | None = None,
    ) -> None:
        check_finite(view.domain)
        if read_only is None:
            read_only = not view.writable
        elif not (read_only or view.writable):
            raise ValueError(f"{view!r} is read-only, so read_only=False cannot be")
        super().__init__(read_only=read_only)
        _check_name(name)
        self._view: TensorStore = view
        self._name: str | None = name
        self._attributes: dict[str, Any] = dict(attributes or {})
        self._chunks: tuple[int, ...] = chunk_shape(view, chunks)
        self._fill: Any = data_type(view).default_scalar()
        grid = tuple(-(-n // size) for n, size in zip(view.shape, self._chunks, strict=True))
        path = "" if name is None else f"{name}/"
        self._keys: ChunkKeys = ChunkKeys(f"{path}c", grid)
        array = array_metadata(view, self._chunks, self._attributes, name_all=name is not None)
        documents = {f"{path}{_METADATA}": array}
        if name is not None:
            documents[_METADATA] = group_metadata(name, array)
        self._documents: dict[str, bytes] = {
            key: json.dumps(document).encode() for key, document in documents.items()
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ViewStore) and self._identity() == other._identity()

    __hash__ = None  # type: ignore[assignment]  # stores of zarr have none

    def _identity(self) -> tuple[Any, ...]:
        return (self._view._driver, self._view._transform, self._documents, self.read_only)

    def __reduce__(self) -> tuple[Any, ...]:
        restore = partial(_restore, chunks=self._chunks, read_only=self.read_only)
        return restore, (self._view, self._name, self._attributes)

    def __repr__(self) -> str:
        name = "" if self._name is None else f", name={self._name!r}"
        return f"ViewStore({self._view!r}{name})"

    def with_read_only(self, read_only: bool = False) -> ViewStore:
        """Return the same store, read-only or not.

        Raises:
            ValueError: A writable store is asked of a view that is read-only.
        """
        return _restore(
            self._view, self._name, self._attributes, chunks=self._chunks, read_only=read_only
        )

    async def _enter(self) -> None:
        _forget_trio()
        await self._ensure_open()

    # -- reading -----------------------------------------------------------------------------------

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a key, computed now; None if there is no such key.

        Always checkpoints. Cancelling it cancels what computes the chunk.
        """
        await self._enter()
        at = self._keys.position(key)
        if at is not None:
            chunk = await self._read(at)
            buffer = prototype.buffer.from_array_like(chunk.reshape(-1).view(np.uint8))
        else:
            await anyio.lowlevel.checkpoint()
            document = self._documents.get(key)
            if document is None:
                return None
            buffer = prototype.buffer.from_bytes(document)
        return buffer if byte_range is None else buffer[_slice(byte_range, len(buffer))]

    async def _read(self, at: tuple[int, ...]) -> Array:
        """Read one chunk; at the edges of the view it is filled up to its full shape."""
        values = await self._view[self._region(at)].read()
        if values.shape == self._chunks:
            return values
        whole: Array = np.full(self._chunks, self._fill, values.dtype)
        whole[tuple(map(slice, values.shape))] = values
        return whole

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of values, one after another."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Say whether there is such a key; nothing is computed."""
        await self._enter()
        await anyio.lowlevel.checkpoint()
        return key in self._documents or self._keys.position(key) is not None

    async def getsize(self, key: str) -> int:
        """Return the length of a value in bytes; nothing is computed.

        Raises:
            FileNotFoundError: There is no such key.
        """
        if not await self.exists(key):
            raise FileNotFoundError(key)
        document = self._documents.get(key)
        return self._chunk_bytes if document is None else len(document)

    async def getsize_prefix(self, prefix: str) -> int:
        """Return the length of all values below ``prefix``, in bytes; nothing is computed."""
        await self._enter()
        await anyio.lowlevel.checkpoint()
        folder = _folder(prefix)
        documents = [text for key, text in self._documents.items() if key.startswith(folder)]
        return sum(map(len, documents)) + self._keys.count(folder) * self._chunk_bytes

    # -- writing -----------------------------------------------------------------------------------

    async def set(self, key: str, value: Buffer) -> None:
        """Write a chunk to the view.

        Raises:
            ValueError: The store is read-only; or the key is no chunk's: what describes a view
                cannot be changed.
        """
        await self._enter()
        self._check_writable()
        document = self._documents.get(key)
        if document is None:
            region = self._region(self._position(key))
            flat = np.frombuffer(value.to_bytes(), self._view.dtype.numpy_dtype)
            values = flat.reshape(self._chunks)[tuple(map(slice, region.shape))]
            await self._view[region].write(values)
            return
        await anyio.lowlevel.checkpoint()
        # What is unchanged may be stored: xarray does so when it has written a region.
        if json.loads(value.to_bytes()) != json.loads(document):
            raise ValueError(f"what describes a view cannot be changed: {key!r} of {self!r}")

    async def delete(self, key: str) -> None:
        """Fill a chunk: zarr deletes chunks in which there is nothing but the fill value.

        Raises:
            ValueError: As in `set`.
        """
        await self._enter()
        self._check_writable()
        await self._view[self._region(self._position(key))].write(self._fill)

    async def delete_dir(self, prefix: str) -> None:
        """Refuse: filling all of a view is a thing to be asked for by its name.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"{self!r} cannot be deleted, nor replaced by another array")

    async def clear(self) -> None:
        """Refuse, as `delete_dir` does.

        Raises:
            ValueError: Always.
        """
        await self.delete_dir("")

    def _position(self, key: str) -> tuple[int, ...]:
        at = self._keys.position(key)
        if at is None:
            raise ValueError(f"a view has no place for anything but its chunks, got key {key!r}")
        return at

    # -- listing -----------------------------------------------------------------------------------

    async def list(self) -> AsyncIterator[str]:
        """Yield all keys, one after another: as many as there are chunks, and more."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with ``prefix``, one after another."""
        await self._enter()
        for key in self._documents:
            if key.startswith(prefix):
                yield key
        async for key in _checkpointing(self._keys.starting_with(prefix)):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield what follows ``prefix`` in keys, up to the next ``/``, one after another."""
        await self._enter()
        folder = _folder(prefix)
        roots = [self._keys.root] if self._keys.count("") else []
        for name in dict.fromkeys(
            key.removeprefix(folder).partition("/")[0]
            for key in [*self._documents, *roots]
            if key.startswith(folder)
        ):
            yield name
        async for name in _checkpointing(self._keys.inside(folder)):
            yield name

    # -- chunks ------------------------------------------------------------------------------------

    @property
    def _chunk_bytes(self) -> int:
        return math.prod(self._chunks) * self._view.dtype.numpy_dtype.itemsize

    def _region(self, at: tuple[int, ...]) -> IndexDomain:
        """Return the part of the view's domain that is the chunk at a grid position."""
        domain = self._view.domain
        lower = tuple(
            low + index * size
            for low, index, size in zip(domain.inclusive_min, at, self._chunks, strict=True)
        )
        upper = tuple(
            min(low + size, high)
            for low, size, high in zip(lower, self._chunks, domain.exclusive_max, strict=True)
        )
        explicit = (False,) * domain.rank
        return IndexDomain._trusted(lower, upper, domain.labels, explicit, explicit)


def _restore(
    view: TensorStore,
    name: str | None,
    attributes: dict[str, Any],
    *,
    chunks: tuple[int, ...],
    read_only: bool,
) -> ViewStore:
    return ViewStore(view, name, chunks=chunks, attributes=attributes, read_only=read_only)


def _check_name(name: str | None) -> None:
    if name is not None and ("/" in name or name.startswith("__") or not name.strip(".")):
        raise ValueError(
            "the name of an array must not be empty, contain '/', consist of dots, or begin with "
            f"'__'; got {name!r}"
        )


def _folder(prefix: str) -> str:
    path = prefix.strip("/")
    return f"{path}/" if path else ""


def _slice(byte_range: ByteRequest, size: int) -> slice:
    if isinstance(byte_range, RangeByteRequest):
        return slice(byte_range.start, byte_range.end)
    if isinstance(byte_range, OffsetByteRequest):
        return slice(byte_range.offset, None)
    if isinstance(byte_range, SuffixByteRequest):
        return slice(max(0, size - byte_range.suffix), None)
    raise TypeError(f"a range of bytes must be one of zarr's own kinds, got {byte_range!r}")


def _forget_trio() -> None:
    """Correct what anyio takes the running event loop for.

    zarr's blocking interface copies the caller's context variables into its asyncio loop. If the
    caller is a task of trio, one of them says that trio runs here.
    """
    sniffio: Any = sys.modules.get("sniffio")
    if sniffio is not None and sniffio.thread_local.name is None:
        sniffio.current_async_library_cvar.set(None)


async def _checkpointing(names: Iterator[str]) -> AsyncIterator[str]:
    """Yield names, letting others have a turn, and cancel, now and then."""
    await anyio.lowlevel.checkpoint()
    for count, name in enumerate(names, 1):
        yield name
        if count % _BETWEEN_CHECKPOINTS == 0:
            await anyio.lowlevel.checkpoint()
