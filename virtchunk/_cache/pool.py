"""The pool of cached chunks behind the ``cache_pool`` context resource, and one view's share of it.

A hit is one look into a plain dict and one touch of the order of use, without a lock. Everything
that changes the accounts (a chunk put in, replaced, dropped, evicted) is done under the pool's
lock, which is never held across anything that waits.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias, final

from virtchunk._context.kinds import provide
from virtchunk._fork import forget_in_child

if TYPE_CHECKING:
    import numpy as np

    from virtchunk._statistics import CachePoolStatistics

__all__ = ("CachePool", "ChunkCache", "Entry")

Array: TypeAlias = "np.ndarray[Any, Any]"
Key: TypeAlias = tuple[int, ...]

ENTRY_OVERHEAD = 512
"""Bytes accounted for an entry beside its array: the array object, the entry, keys and links."""


@final
class Entry:
    """The content of one chunk and what is known about its version; never changed in place."""

    __slots__ = ("array", "generation", "key", "owner", "time")

    def __init__(self, key: Key, array: Array, generation: bytes, time: float) -> None:
        self.key = key
        self.array = array
        """The clipped chunk; read-only by agreement."""
        self.generation = generation
        """The version the callback named; empty if it named none."""
        self.time = time
        """When the content was known to be current: seconds since the epoch, ``inf`` for ever."""
        self.owner: dict[Key, Entry] | None = None
        """The view's entries, which this one is among; not the view, which may go before it."""

    @property
    def nbytes(self) -> int:
        return self.array.nbytes + ENTRY_OVERHEAD


@final
class CachePool:
    """Least-recently-used chunks of all views of a context, up to a number of bytes.

    Args:
        total_bytes_limit: Bytes to keep. 0 keeps nothing; chunks in use are not counted, and a
            chunk that is larger than this is not kept.
    """

    __slots__ = (
        "__weakref__",
        "_caches",
        "_dropped",
        "_evictions",
        "_hits",
        "_lock",
        "_misses",
        "_order",
        "_revalidations",
        "_single_hits",
        "_total",
        "total_bytes_limit",
    )

    def __init__(self, total_bytes_limit: int = 0) -> None:
        if total_bytes_limit < 0:
            raise ValueError(f"total_bytes_limit must be >= 0, got {total_bytes_limit}")
        self.total_bytes_limit = total_bytes_limit
        # Reentrant, for the garbage collector may close a suspended write anywhere.
        self._lock = threading.RLock()
        self._order: OrderedDict[Entry, None] = OrderedDict()
        self._total = 0
        self._single_hits = count()  # counts without a lock: a step of it is atomic
        self._hits = self._misses = self._revalidations = self._evictions = 0
        self._caches: weakref.WeakSet[ChunkCache] = weakref.WeakSet()
        self._dropped: deque[dict[Key, Entry]] = deque()
        forget_in_child(self)

    def _after_fork(self) -> None:
        if not self._lock.acquire(blocking=False):  # some thread was changing the accounts
            self._order.clear()
            self._total = 0
            for cache in self._caches:
                cache.entries.clear()
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"CachePool(total_bytes_limit={self.total_bytes_limit})"

    def statistics(self) -> CachePoolStatistics:
        """Return a snapshot of what the pool holds and has done."""
        from virtchunk._statistics import CachePoolStatistics

        with self._lock:
            self._forget_dropped()
            return CachePoolStatistics(
                total_bytes_limit=self.total_bytes_limit,
                total_bytes=self._total,
                entries=len(self._order),
                hits=self._hits + _steps(self._single_hits),
                misses=self._misses,
                revalidations=self._revalidations,
                evictions=self._evictions,
                in_flight=sum(cache.in_flight() for cache in self._caches),
            )

    def record(self, *, misses: int = 0, revalidations: int = 0) -> None:
        """Count what readers did since they last told."""
        with self._lock:
            self._misses += misses
            self._revalidations += revalidations

    def used(self, entries: Collection[Entry]) -> None:
        """Count hits, and mark their entries as the most recently used."""
        move = self._order.move_to_end
        for entry in entries:
            try:  # noqa: SIM105 - `suppress` is slow
                move(entry)
            except KeyError:  # evicted in the same moment
                pass
        with self._lock:
            self._hits += len(entries)

    def used_one(self, entry: Entry) -> None:
        """Do the same for one entry, without a lock."""
        next(self._single_hits)
        try:  # noqa: SIM105 - as above
            self._order.move_to_end(entry)
        except KeyError:
            pass

    def _insert(self, entry: Entry) -> None:
        """Add an entry and evict until the pool is within its limit. Under the lock."""
        self._forget_dropped()
        self._order[entry] = None
        self._total += entry.nbytes
        while self._total > self.total_bytes_limit and self._order:
            oldest, _ = self._order.popitem(last=False)
            self._total -= oldest.nbytes
            self._evictions += 1
            owner = oldest.owner
            if owner is not None and owner.get(oldest.key) is oldest:
                del owner[oldest.key]

    def _forget_dropped(self) -> None:
        """Forget the entries of views that are gone. Under the lock."""
        while self._dropped:
            entries = self._dropped.popleft()
            for entry in entries.values():
                self._remove(entry)
            entries.clear()

    def _remove(self, entry: Entry) -> None:
        """Forget an entry. Under the lock."""
        if entry in self._order:
            del self._order[entry]
            self._total -= entry.nbytes


@final
class ChunkCache:
    """One view's chunks in a pool.

    ``in_flight`` counts the view's chunks that are being computed, for the statistics.

    Also keeps out content that a write has overtaken: a writer declares what is being read of the
    chunk outdated under the same lock under which a reader finds that out before it puts.
    """

    __slots__ = ("__weakref__", "entries", "in_flight", "pool")

    def __init__(self, pool: CachePool, in_flight: Callable[[], int] = int) -> None:
        self.pool = pool
        self.entries: dict[Key, Entry] = {}
        self.in_flight = in_flight
        pool._caches.add(self)
        weakref.finalize(self, _drop_all, pool, self.entries)

    def put(self, entry: Entry, is_outdated: Callable[[], bool] | None = None) -> None:
        """Keep an entry, in place of any other for its chunk.

        Args:
            entry: What was read or written.
            is_outdated: Says whether the chunk was written since its reading began; then the entry
                is not kept.
        """
        with self.pool._lock:
            if is_outdated is None or not is_outdated():
                self._replace(entry)

    def overtake(self, entry: Entry, outdate: Callable[[Key], object]) -> None:
        """Keep what was written, and declare what is being read of the chunk outdated."""
        with self.pool._lock:
            outdate(entry.key)
            self._replace(entry)

    def drop(self, key: Key) -> None:
        """Forget a chunk."""
        self.doubt(key, lambda _: None)

    def doubt(self, key: Key, outdate: Callable[[Key], object]) -> None:
        """Forget a chunk, and declare what is being read of it outdated."""
        with self.pool._lock:
            outdate(key)
            entry = self.entries.pop(key, None)
            if entry is not None:
                self.pool._remove(entry)

    def _replace(self, entry: Entry) -> None:
        before = self.entries.get(entry.key)
        if before is not None:
            self.pool._remove(before)
        if entry.nbytes > self.pool.total_bytes_limit:  # it would drive out everything else first
            self.entries.pop(entry.key, None)
            return
        entry.owner = self.entries
        self.entries[entry.key] = entry
        self.pool._insert(entry)


def _steps(counter: count[int]) -> int:
    """Return how many steps a counter from zero has made; only its text tells without a step."""
    return int(repr(counter)[len("count(") : -1])


def _drop_all(pool: CachePool, entries: dict[Key, Entry]) -> None:
    """Return the bytes of a view that is gone.

    The garbage collector may call this anywhere, so it never waits: if another thread holds the
    lock, the next one to hold it does the work.
    """
    pool._dropped.append(entries)
    if pool._lock.acquire(blocking=False):
        try:
            pool._forget_dropped()
        finally:
            pool._lock.release()


provide("cache_pool", lambda members: CachePool(members["total_bytes_limit"]))
