"""`from_zarr`: an array of zarr's as a view; `create_like`: an array for what a view shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, final

import anyio
import attrs

from virtchunk._context.context import Context
from virtchunk._drivers.driver import check_finite
from virtchunk._extras import needed
from virtchunk._index.domain import IndexDomain
from virtchunk._open import virtual_chunked
from virtchunk._schema.dtype import dtype
from virtchunk._schema.layout import ChunkLayout
from virtchunk.zarr._metadata import ORIGIN, UNITS, chunk_shape, coordinates, data_type

if TYPE_CHECKING:
    import numpy as np
    import zarr

    from virtchunk._engine.parameters import (
        VirtualChunkedReadParameters,
        VirtualChunkedWriteParameters,
    )
    from virtchunk._store import TensorStore

__all__ = ("create_like", "from_zarr")

Array: TypeAlias = "np.ndarray[Any, Any]"


def from_zarr(
    array: zarr.Array[Any] | zarr.AsyncArray[Any], *, context: Context | None = None
) -> TensorStore:
    """Return a view of a zarr array, to be read and, unless the array is read-only, written.

    Its chunks are the array's shards if it has some and can be written, and otherwise its chunks.
    Labels, origin and units are those that the array's metadata tells, as `as_zarr_store` and the
    original write it.

    Args:
        array: An array that zarr has opened. One of the blocking kind works everywhere: under an
            event loop, be it trio's, it is called in worker threads, as many at a time as
            ``data_copy_concurrency`` in ``context`` says. An `zarr.AsyncArray` is awaited in
            tasks, which zarr permits under asyncio only.
        context: Limits and the cache pool; see `virtual_chunked`. zarr knows no versions of
            chunks: what the cache has is not read again, whatever others have written to the array.

    Raises:
        ImportError: zarr is not installed.
        TypeError: ``array`` is none of zarr's, or has elements of a type that views cannot have.

    Example:
        >>> import zarr
        >>> squares = zarr.array(np.arange(6) ** 2, chunks=2)
        >>> view = ts.from_zarr(squares)
        >>> view[4:] = 0
        >>> view[1:].read().result()
        array([1, 4, 9, 0, 0])
    """
    zarr = _zarr()
    if isinstance(array, zarr.AsyncArray):
        access: _ZarrArray | _AsyncZarrArray = _AsyncZarrArray(array, _origin(array))
    elif isinstance(array, zarr.Array):
        access = _ZarrArray(array, _origin(array))
    else:
        raise TypeError(
            f"from_zarr() takes a zarr.Array or zarr.AsyncArray, got {array!r}; "
            "zarr.open_array() opens one"
        )
    chunks = array.chunks if array.read_only else array.shards or array.chunks
    return virtual_chunked(
        access.read,
        None if array.read_only else access.write,
        dtype=dtype(array.dtype.newbyteorder("=")),
        domain=IndexDomain(inclusive_min=access.origin, shape=array.shape, labels=_labels(array)),
        chunk_layout=ChunkLayout(chunk_shape=chunks, grid_origin=access.origin, rank=array.ndim),
        dimension_units=_listed(array, UNITS, (str, type(None))),
        context=context,
    )


def create_like(view: TensorStore, store: Any, **options: Any) -> TensorStore:
    """Create a zarr array that can hold what a view shows, and return it as a view.

    It has the view's shape, data type, chunks, labels, origin and units; `copy` puts the elements
    in.

    Args:
        view: What the array is for; its domain must be finite.
        store: Where to create it: a path, or whatever else `zarr.create_array` takes.
        **options: Further arguments of `zarr.create_array`, such as ``name``, ``shards`` and
            ``compressors``, or others than those of the view.

    Raises:
        TypeError: zarr has no data type for the view's elements.
        ValueError: The domain is not finite; zarr refuses an argument; there is an array already.

    Example:
        >>> from virtchunk.zarr import create_like
        >>> view = ts.array(np.arange(6))[2:]
        >>> target = create_like(view, {})
        >>> ts.copy(view, target).result()
        >>> target[4:].read().result()
        array([4, 5])
    """
    zarr = _zarr()
    check_finite(view.domain)
    labels = view.domain.labels
    described: dict[str, Any] = {
        "shape": view.shape,
        "dtype": data_type(view),
        "chunks": chunk_shape(view, None),
        "dimension_names": [label or None for label in labels] if any(labels) else None,
        "attributes": coordinates(view),
    }
    return from_zarr(zarr.create_array(store, **(described | options)))


@final
@attrs.frozen(eq=False)
class _ZarrArray:
    """Callbacks that call zarr's blocking interface, in whatever thread."""

    array: zarr.Array[Any]
    origin: tuple[int, ...]

    def read(self, domain: IndexDomain, array: Array, params: VirtualChunkedReadParameters) -> None:
        array[...] = self.array[_selection(domain, self.origin)]

    def write(
        self, domain: IndexDomain, array: Array, params: VirtualChunkedWriteParameters
    ) -> None:
        self.array[_selection(domain, self.origin)] = array


@final
@attrs.frozen(eq=False)
class _AsyncZarrArray:
    """Callbacks that await zarr's coroutines, in a task of an asyncio loop."""

    array: zarr.AsyncArray[Any]
    origin: tuple[int, ...]

    async def read(
        self, domain: IndexDomain, array: Array, params: VirtualChunkedReadParameters
    ) -> None:
        _check_loop()
        array[...] = await self.array.getitem(_selection(domain, self.origin))

    async def write(
        self, domain: IndexDomain, array: Array, params: VirtualChunkedWriteParameters
    ) -> None:
        _check_loop()
        await self.array.setitem(_selection(domain, self.origin), array)


def _check_loop() -> None:
    if not hasattr(anyio.lowlevel.current_token().native_token, "call_soon_threadsafe"):
        raise RuntimeError(
            "zarr's coroutines run under asyncio only; give from_zarr() the zarr.Array instead of "
            "the zarr.AsyncArray, and its blocking interface is called in worker threads"
        )


def _selection(domain: IndexDomain, origin: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(low - start, high - start)
        for low, high, start in zip(domain.inclusive_min, domain.exclusive_max, origin, strict=True)
    )


# -- what the metadata tells -----------------------------------------------------------------------


def _zarr() -> Any:
    needed("zarr.dtype", "zarr")  # which versions that are too old do not have
    return needed("zarr", "zarr")


def _origin(array: zarr.Array[Any] | zarr.AsyncArray[Any]) -> tuple[int, ...]:
    return tuple(_listed(array, ORIGIN, (int,)) or (0,) * array.ndim)


def _labels(array: zarr.Array[Any] | zarr.AsyncArray[Any]) -> list[str]:
    names = getattr(array.metadata, "dimension_names", None)
    if names is None:  # in format 2, xarray has an attribute for that
        names = _listed(array, "_ARRAY_DIMENSIONS", (str, type(None))) or ()
    labels = [name or "" for name in names]
    known = [label for label in labels if label]
    unique = len(set(known)) == len(known)  # which zarr does not ask for
    return labels if labels and unique else [""] * array.ndim


def _listed(
    array: zarr.Array[Any] | zarr.AsyncArray[Any], name: str, kinds: tuple[type, ...]
) -> list[Any] | None:
    """Return an attribute that has one item for each dimension; None if it is anything else."""
    attributes: Mapping[str, Any] = array.metadata.attributes
    value = attributes.get(name)
    if isinstance(value, (list, tuple)) and len(value) == array.ndim:
        return list(value) if all(type(item) in kinds for item in value) else None
    return None
