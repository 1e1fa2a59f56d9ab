"""Views as dask arrays, and dask arrays as views. Needs ``virtchunk[dask]``.

A dask array of a view is one layer of its graph: each task reads one chunk, wherever dask runs it.
The tasks carry the view itself, pickled once however many they are, and opened once in each
process: what is cached there serves all of them.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias, final

import attrs
import numpy as np

from virtchunk._blocking import Backend, check_backend, wait_for
from virtchunk._chunk_sizes import chunk_sizes
from virtchunk._context.context import Context
from virtchunk._engine.worker import Lending, caller
from virtchunk._extras import needed
from virtchunk._open import virtual_chunked
from virtchunk._schema.conversion import check_cast, infer_dtype
from virtchunk._schema.dtype import dtype
from virtchunk._store import TensorStore

if TYPE_CHECKING:
    from dask.array import Array as DaskArray

    from virtchunk._index.domain import IndexDomain

__all__ = ("from_dask", "store", "to_dask", "tokenize")

Array: TypeAlias = "np.ndarray[Any, Any]"

_OPENED = 16
"""Views that a process keeps open for the tasks that are still to come."""


def to_dask(view: TensorStore, *, chunks: Any = None, backend: Backend = "asyncio") -> DaskArray:
    """Return a dask array that reads a view; see `TensorStore.to_dask`, whose keywords these are.

    Raises:
        ImportError: dask is not installed.
        ValueError: The view is write-only, its domain is not finite, or there is no such backend.
    """
    da = _dask_array()
    if not view.readable:
        raise ValueError(f"{view!r} does not support reading: it has no read_function")
    element = view.dtype.numpy_dtype
    whole = -1 if element.hasobject else "auto"
    own = tuple(sizes or whole for sizes in chunk_sizes(view))
    sizes = da.core.normalize_chunks(own, view.shape, dtype=element)
    if chunks is not None:
        sizes = da.core.normalize_chunks(chunks, view.shape, dtype=element, previous_chunks=sizes)
    array: DaskArray = da.from_array(
        _Window(view, backend),
        chunks=sizes,
        name=f"virtchunk-{_base().tokenize(view, sizes)}",
        asarray=False,
        fancy=False,
        inline_array=True,
        meta=np.empty((0,) * view.ndim, element),
    )
    return array


def store(
    array: DaskArray,
    view: TensorStore,
    *,
    compute: bool = True,
    backend: Backend = "asyncio",
    **kwargs: Any,
) -> Any:
    """Write a dask array into a view, chunk by chunk: `dask.array.store` for views.

    Chunks of the array that do not fit those of the view are cut and joined first, so that no chunk
    of the view is written twice, and none is read.

    Args:
        array: What to write; of the view's shape.
        view: Where to write. Positions count from its origin.
        compute: Whether to write now. Otherwise the graph that will is returned.
        backend: The kind of event loop that runs async callbacks of a view without a ``loop=``.
        **kwargs: Passed on to `dask.compute`, such as ``scheduler=``.

    Returns:
        None; or, with ``compute=False``, what is to be computed.

    Raises:
        ImportError: dask is not installed.
        TypeError: ``array`` is no dask array, or its elements cannot be converted to the view's.
        ValueError: The view is read-only, or the shapes differ.

    Example:
        >>> import dask.array as da
        >>> from virtchunk.dask import store
        >>> target = ts.array(np.zeros(6, np.int64))
        >>> store(da.arange(6, chunks=2) ** 2, target)
        >>> target.read().result()
        array([ 0,  1,  4,  9, 16, 25])
    """
    da = _dask_array()
    _check_array(array, da)
    if not view.writable:
        raise ValueError(f"{view!r} does not support writing: it has no write_function")
    if array.shape != view.shape:
        raise ValueError(
            f"the array has shape {array.shape}, the view {view.shape}: store() broadcasts nothing"
        )
    check_cast(array.dtype, view.dtype)
    fitting = tuple(map(_fitting, array.chunks, chunk_sizes(view)))
    return da.store(
        array.rechunk(fitting),
        _Window(view, backend),
        lock=False,
        compute=compute,
        **kwargs,
    )


def _fitting(have: tuple[int, ...], want: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return chunk sizes, if possible those there are, that begin where others do."""
    if want is None or set(accumulate(have)) <= set(accumulate(want)):
        return have
    return want


@final
class _Window:
    """What tasks read and write: a view, as an array whose positions count from zero.

    Pickled, it is the pickle of the view, made once, and what it is known by.
    """

    __slots__ = ("_backend", "_pickled", "_view")

    def __init__(self, view: TensorStore, backend: Backend) -> None:
        check_backend(backend)
        self._view = view.translate_to[(0,) * view.ndim] if view.ndim else view
        self._backend: Backend = backend
        self._pickled: tuple[str, bytes] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self._view.shape

    @property
    def ndim(self) -> int:
        return self._view.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._view.dtype.numpy_dtype

    def __getitem__(self, selection: Any) -> Array:
        part = self._view[selection]
        return wait_for(part, part.read, self._backend)

    def __setitem__(self, selection: Any, values: Array) -> None:
        part = self._view[selection]
        wait_for(part, lambda: part.write(values).commit, self._backend)

    def __dask_tokenize__(self) -> object:
        return tokenize(self._view)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._pickled is None:
            pickled: bytes = import_module("cloudpickle").dumps((self._view, self._backend))
            self._pickled = hashlib.sha256(pickled).hexdigest(), pickled
        return _reopen, (_Pickled(*self._pickled),)


@final
@attrs.frozen
class _Pickled:
    """A pickle, compared by its digest alone."""

    digest: str
    content: bytes = attrs.field(eq=False)


@lru_cache(_OPENED)
def _reopen(pickled: _Pickled) -> _Window:
    view, backend = pickle.loads(pickled.content)
    window = _Window(view, backend)
    window._pickled = pickled.digest, pickled.content
    return window


# -- a dask array as a view ------------------------------------------------------------------------


def from_dask(
    array: DaskArray, *, scheduler: Any = None, context: Context | None = None
) -> TensorStore:
    """Return a read-only view of a dask array.

    Each chunk is computed by itself when the view reads it: by the client of a cluster if there is
    one, else as `dask.compute` would, in a worker thread. What chunks have in common is computed
    for each of them, unless the array is persisted, or the context has a cache pool that keeps the
    chunks.

    Cancelling a read releases what it has submitted to a cluster, which computes it only if
    somebody else wants it too. Elsewhere the chunks that are being computed are finished, and no
    others are begun.

    Args:
        array: The array, with chunks of known sizes.
        scheduler: As in `dask.compute`. Default: the client of a cluster, or dask's setting.
        context: Limits and the cache pool of the view.

    Returns:
        A view with the array's shape, data type and chunks; its origin is zero, and it has no
        labels.

    Raises:
        ImportError: dask is not installed.
        TypeError: ``array`` is no dask array, or its chunks are not to be NumPy arrays.
        ValueError: Its shape or chunks are not known, or its data type is not supported.

    Example:
        >>> import dask.array as da
        >>> view = ts.from_dask(da.arange(10, chunks=4) ** 2)
        >>> view[3:6].read().result()
        array([ 9, 16, 25])
    """
    _check_array(array, _dask_array())
    if any(np.isnan(sum(sizes)) for sizes in array.chunks):
        raise ValueError(
            f"the sizes of the array's chunks are not known: {array.chunks}; "
            "call its compute_chunk_sizes() first"
        )
    if not isinstance(array._meta, np.ndarray) or isinstance(array._meta, np.ma.MaskedArray):
        raise TypeError(
            f"the chunks of the array are of type {type(array._meta).__name__}, but have to be "
            "NumPy arrays; convert them first, with map_blocks(numpy.asarray) or ma.filled()"
        )
    element = infer_dtype(array.dtype)
    if array.dtype.kind == "V" and array.dtype != element.numpy_dtype:
        raise ValueError(f"there is no data type of views for {array.dtype}")
    return virtual_chunked(
        _Blocks(array, scheduler),
        dtype=element,
        shape=array.shape,
        chunks=array.chunks,
        context=context,
    )


def _check_array(array: object, da: Any) -> None:
    if not isinstance(array, da.Array):
        raise TypeError(f"a dask array is needed, got {array!r}")


@final
@attrs.frozen(eq=False)
class _Blocks:
    """The read function of a view of a dask array."""

    array: Any
    scheduler: Any = None

    def __call__(self, domain: IndexDomain, target: Array, params: object) -> Any:
        block = self.array[domain.index_exp]
        client = self._client()
        if client is not None:
            return _Submitted(client.compute(block), target)
        # A task that waits for other tasks could wait for ever: its worker may have one thread.
        here = "sync" if self.scheduler is None and _in_worker() else self.scheduler
        with Lending(caller()):  # tasks may read views, for which they need our token
            values = block.compute(scheduler=here)
        target[...] = values
        return None

    def _client(self) -> Any:
        """Return the client of a cluster whose futures can be waited for, if one is to compute."""
        distributed = sys.modules.get("distributed")
        if distributed is None or _in_worker():
            return None
        wanted = self.scheduler or _base().config.get("scheduler", None)
        if wanted in {None, "distributed", "dask.distributed"}:
            with suppress(ValueError):  # there is no client
                wanted = distributed.get_client()
        usable = isinstance(wanted, distributed.Client) and not wanted.asynchronous
        return wanted if usable else None

    def __dask_tokenize__(self) -> object:
        return ("virtchunk.from_dask", self.array.name)


@final
class _Submitted:
    """A block that a cluster computes: waited for as for a `concurrent.futures.Future`."""

    def __init__(self, future: Any, target: Array) -> None:
        self._future = future
        self._target = target

    def add_done_callback(self, callback: Callable[[object], object]) -> None:
        self._future.add_done_callback(callback)

    def cancel(self) -> None:
        # Not `cancel`: others may have asked for the same block.
        self._future.release()

    def result(self) -> None:
        self._target[...] = self._future.result()


def _in_worker() -> bool:
    """Say whether this is a task that a worker of a cluster runs."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


# -- what a view is to dask ------------------------------------------------------------------------


def tokenize(view: TensorStore) -> object:
    """Return what dask makes the name of a view's chunks of.

    It is made of the view's spec: where the elements come from, and the transform. Views with equal
    specs have equal tokens, in all processes, as far as dask has them for the callbacks: functions
    of modules by name, lambdas and functions inside of others by their code and what they refer to.
    Contexts, caches and loops do not matter, nor does what is stored behind the callbacks; but
    views that belong to a transaction have tokens of their own, in this process.

    Example:
        >>> from dask.base import tokenize
        >>> tokenize(ts.array([1, 2])) == tokenize(ts.array([1, 2]))
        True
    """
    transaction = view.transaction
    own = None if transaction is None else id(transaction)
    return ("virtchunk", own, _parts(view.spec()._view))


def _parts(value: object) -> object:
    """Take apart what is ours, field by field, because equal objects have different pickles."""
    if isinstance(value, dtype):
        return value.name
    kind = type(value)
    if attrs.has(kind) and kind.__module__.startswith("virtchunk"):
        fields = [getattr(value, field.name) for field in attrs.fields(kind) if field.eq]
        return (kind.__qualname__, [_parts(field) for field in fields])
    if isinstance(value, Mapping):
        return [(_parts(key), _parts(item)) for key, item in sorted(value.items())]
    if isinstance(value, (tuple, list)):
        return [_parts(item) for item in value]
    return _base().normalize_token(value)


def _dask_array() -> Any:
    return needed("dask.array", "dask")


def _base() -> Any:
    return needed("dask.base", "dask")
