"""The chunk source of a view: its callbacks, and everything that all operations on it share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np

from virtchunk._cache.pool import CachePool, ChunkCache, Entry
from virtchunk._engine.claims import Claims
from virtchunk._engine.worker import Worker
from virtchunk._fork import forget_in_child
from virtchunk._index.domain import IndexDomain, domain_factory
from virtchunk._limits import Limiter
from virtchunk._loop import is_running, lose, running_loop
from virtchunk._schema.generation import TimestampedStorageGeneration

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

__all__ = ("NOTHING_CACHED", "ChunkSource", "Key", "is_async", "name_of")

Array: TypeAlias = "np.ndarray[Any, Any]"
Key: TypeAlias = tuple[int, ...]


def is_async(function: object) -> bool:
    """Say whether a callback is a coroutine function, looking through partials and methods."""
    while isinstance(function, partial):
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    call = getattr(type(function), "__call__", None)  # noqa: B004 - is it async, not is it there
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(call)


def name_of(function: object) -> str:
    """Name a callback as its author would."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__


@final
class ChunkSource:
    """Callbacks, chunk cache and claims of one view and all views made from it.

    Args:
        read_function: Computes a chunk, or None.
        write_function: Stores a chunk, or None.
        domain: The base domain; chunks carry its labels.
        dtype: Element type of the arrays handed to callbacks.
        inner_order: Memory order of scratch arrays, outermost dimension first; None for C order.
        pool: Where to keep chunks, or None to keep nothing.
        data_copy: Limit of synchronous callbacks.
        callbacks: Limit of asynchronous callbacks.
        loop: Where async callbacks run, if the user said so.
    """

    __slots__ = (
        "__weakref__",
        "cache",
        "callbacks",
        "data_copy",
        "domain",
        "dtype",
        "inner_order",
        "loop",
        "made_in",
        "make_domain",
        "quick",
        "read_function",
        "read_is_async",
        "reads",
        "write_function",
        "write_is_async",
        "writes",
    )

    def __init__(
        self,
        read_function: Callable[..., Any] | None,
        write_function: Callable[..., Any] | None,
        *,
        domain: IndexDomain,
        dtype: np.dtype[Any],
        inner_order: tuple[int, ...] | None,
        pool: CachePool | None,
        data_copy: Limiter,
        callbacks: Limiter,
        loop: EventLoopToken | None = None,
    ) -> None:
        self.read_function = read_function
        self.write_function = write_function
        self.read_is_async = is_async(read_function)
        self.write_is_async = is_async(write_function)
        self.domain = domain
        self.make_domain = domain_factory(domain)
        self.dtype = dtype
        trivial = inner_order is None or inner_order == tuple(range(domain.rank))
        self.inner_order = None if trivial else inner_order
        self.loop = loop
        self.made_in = running_loop()
        """The loop that ran where the view was made: a home for blocking calls in other threads."""
        self.data_copy = data_copy
        self.callbacks = callbacks
        self.reads: Claims[Entry] = Claims()
        self.writes: Claims[Entry] = Claims()
        self.cache = None if pool is None else ChunkCache(pool, self.reads.__len__)
        self.quick = False
        """Whether the last calls of synchronous callbacks took next to no time."""
        forget_in_child(self)

    def _after_fork(self) -> None:
        self.reads.workers.clear()
        self.writes.workers.clear()
        self.made_in = None
        if self.loop is not None:
            lose(self.loop)

    def observed(self, seconds: float) -> None:
        """Note how long a synchronous callback took."""
        self.quick = seconds < _QUICK

    def home(self) -> EventLoopToken | None:
        """Return the loop that runs async callbacks for a blocking call, if there is one."""
        if self.loop is not None:
            return self.loop
        if self.made_in is not None and is_running(self.made_in):
            return self.made_in
        return None

    def allocate(self, shape: tuple[int, ...]) -> Array:
        """Make an array for a chunk; its content is undefined."""
        order = self.inner_order
        if order is None:
            return np.empty(shape, self.dtype)
        return np.empty([shape[i] for i in order], self.dtype).transpose(np.argsort(order))

    def cached(self, key: Key) -> Entry | None:
        """Return what the pool holds of a chunk, however old."""
        return None if self.cache is None else self.cache.entries.get(key)

    def served(self, entry: Entry) -> None:
        """Note that the pool's content of a chunk has served a reader."""
        if self.cache is not None:
            self.cache.pool.used((entry,))

    def claim_read(self, key: Key, worker: Worker) -> Worker:
        """Claim the computing of a chunk; see `Claims.claim`."""
        return self.reads.claim(key, worker)

    def release_read(self, key: Key, worker: Worker, outcome: Entry | BaseException | None) -> None:
        """End the computing of a chunk, and give its followers the outcome.

        Followers get nothing, and compute for themselves, if the chunk was written meanwhile.
        """
        self.reads.release(key, worker, outcome)

    def keep(self, entry: Entry, worker: Worker) -> None:
        """Put what was read into the pool, unless it is outdated already."""
        if self.cache is not None:
            self.cache.put(entry, partial(self.reads.is_outdated, entry.key, worker))

    def written(self, entry: Entry) -> None:
        """Note that a chunk has been stored: no read that began before may count for later ones."""
        if self.cache is not None:
            self.cache.overtake(entry, self.reads.outdate)
        else:
            self.reads.outdate(entry.key)

    def doubted(self, key: Key) -> None:
        """Note that a chunk may have been stored, or not: its writer failed or was cancelled."""
        if self.cache is not None:
            self.cache.doubt(key, self.reads.outdate)
        else:
            self.reads.outdate(key)

    def tell_readers(self, key: Key, worker: Worker, array: Array, returned: object) -> None:
        """Tell the followers of a read whose claim was dropped what was read.

        They get a copy: ``array`` may be a part of somebody's result. See `release_read`.
        """
        followers = self.reads.dismiss(key, worker)
        if followers:
            stamp = returned if isinstance(returned, TimestampedStorageGeneration) else _FOR_EVER
            entry: Entry | None = None
            try:
                entry = Entry(key, array.copy(), stamp.generation, stamp.time)
            finally:
                for follower in followers:
                    follower.tell(entry)

    def read_failed(self, error: BaseException, key: Key, upper: Key, worker: Worker) -> None:
        """End the computing of a chunk with an error; cancelled followers try for themselves."""
        failed = isinstance(error, Exception)
        if failed:
            self.explain(error, "read", key, upper)
        self.release_read(key, worker, error if failed else None)

    def check_filled(self, returned: object, key: Key, upper: Key) -> None:
        """Check what a read callback returned when there was nothing cached to fall back on."""
        stamp = self.version(returned, "read", key, upper)
        if returned is not None and not stamp.generation:
            raise ValueError(NOTHING_CACHED)

    def conflicts(self, returned: object, key: Key, upper: Key) -> bool:
        """Say whether a write callback's stamp means that it did not store."""
        return returned is not None and not self.version(returned, "write", key, upper).generation

    def chunk_name(self, key: Key, upper: Key) -> str:
        """Name a chunk by its domain, for error messages."""
        return str(self.make_domain(key, upper, None))

    def explain(self, error: BaseException, role: str, key: Key, upper: Key) -> None:
        """Note on a callback's error which callback and chunk it came from; once per error."""
        function = self.read_function if role == "read" else self.write_function
        note = f"in {role}_function {name_of(function)} for chunk {self.chunk_name(key, upper)}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)

    def version(
        self, returned: object, role: str, key: Key, upper: Key
    ) -> TimestampedStorageGeneration:
        """Check what a callback returned; None stands for content that stays valid for ever.

        Raises:
            TypeError: If it is neither None nor a stamp.
        """
        if returned is None:
            return _FOR_EVER
        if isinstance(returned, TimestampedStorageGeneration):
            return returned
        raise self._refusal(returned, role, key, upper)

    def _refusal(self, returned: object, role: str, key: Key, upper: Key) -> TypeError:
        function = self.read_function if role == "read" else self.write_function
        return TypeError(
            f"{role}_function {name_of(function)} returned {returned!r} for chunk "
            f"{self.chunk_name(key, upper)}; return None, a KvStore.TimestampedStorageGeneration "
            "or an awaitable of one"
        )


_QUICK = 200e-6
"""Seconds below which a callback counts as quick."""

NOTHING_CACHED = (
    "the callback returned a stamp with an empty generation, which says that the content named by "
    "params.if_not_equal is still current, but params.if_not_equal was empty: nothing is cached. "
    "Fill the array and return a stamp with a generation, or None"
)

# Never handed to users: the class is mutable, as the original's is.
_FOR_EVER = TimestampedStorageGeneration(b"", inf)
