"""What one chunk needs, step by step, without ever waiting.

Each function here is a generator. It yields what it wants to have done (`Call` a callback, wait as
a `Follower`, or `PAUSE`), and is resumed with the result; `virtchunk._engine.perform` carries the
steps out, blocking a thread or awaiting in a task. So the order of events that correctness hangs on
is written once, for both, and can be tested without either.
"""

from __future__ import annotations

from collections.abc import Generator
from math import inf
from operator import sub
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from virtchunk._cache.pool import Entry
from virtchunk._engine.claims import Claims, Follower
from virtchunk._engine.parameters import VirtualChunkedReadParameters, VirtualChunkedWriteParameters
from virtchunk._engine.source import NOTHING_CACHED, ChunkSource, Key
from virtchunk._engine.worker import Worker
from virtchunk._limits import Limiter

if TYPE_CHECKING:
    import numpy as np

__all__ = ("PAUSE", "Call", "Step", "Steps", "read_chunk", "write_chunk")

Array: TypeAlias = "np.ndarray[Any, Any]"


class Call(NamedTuple):
    """Wanted: the result of a callback, awaited if it is awaitable."""

    function: Any
    arguments: tuple[Any, ...]
    is_async: bool
    limiter: Limiter
    """The limit of synchronous callbacks, for one that has to run in a thread of its own."""


class Pause:
    """Wanted: a chance for others to run, and for a cancellation to be seen."""


PAUSE = Pause()
Step: TypeAlias = "Call | Follower[Entry] | Pause"
Steps: TypeAlias = Generator[Step, Any, Entry]


def read_chunk(
    source: ChunkSource,
    key: Key,
    upper: Key,
    worker: Worker,
    bound: float,
    batch: Any = None,
) -> Steps:
    """Give a chunk's content, known to be current at ``bound`` or later.

    From the cache if that is fresh enough; from another worker that is computing it just now; from
    the callback otherwise, which may find that the cached content is still current.
    """
    while True:
        entry = source.cached(key)
        if entry is not None and entry.time >= bound:
            source.served(entry)
            return entry
        leader = source.claim_read(key, worker)
        if leader is worker:
            break
        outcome = yield from _follow(source.reads, key, leader, worker)
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Entry) and outcome.time >= bound:
            return outcome
    outcome = None
    asked = time()
    try:
        entry = yield from _compute(source, key, upper, worker, bound, batch)
        # Who wanted it as it was before we asked is served, even if the stamp names an older time.
        outcome = entry
        if worker.followers and entry.time < asked:
            outcome = Entry(key, entry.array, entry.generation, asked)
    except Exception as error:
        outcome = error
        raise
    finally:
        source.release_read(key, worker, outcome)
    return entry


def _compute(
    source: ChunkSource, key: Key, upper: Key, worker: Worker, bound: float, batch: Any
) -> Steps:
    """Call the read function, and keep what it gives."""
    cached = source.cached(key)
    if cached is not None and cached.time >= bound:  # filled between the look and the claim
        source.served(cached)
        return cached
    shape = tuple(map(sub, upper, key))
    array = source.allocate(shape)
    params = VirtualChunkedReadParameters._trusted(
        b"" if cached is None else cached.generation, bound, batch
    )
    if source.cache is not None:
        source.cache.pool.record(misses=cached is None, revalidations=cached is not None)
    try:
        returned = yield Call(
            source.read_function,
            (source.make_domain(key, upper, None), array.view(), params),
            source.read_is_async,
            source.data_copy,
        )
        stamp = source.version(returned, "read", key, upper)
        if returned is not None and not stamp.generation:
            entry = _still_current(source, cached, stamp.time, key, upper)
        else:
            entry = Entry(key, array, stamp.generation, stamp.time)
    except Exception as error:
        source.explain(error, "read", key, upper)
        raise
    source.keep(entry, worker)
    return entry


def _still_current(
    source: ChunkSource, cached: Entry | None, as_of: float, key: Key, upper: Key
) -> Entry:
    """Renew cached content that the callback says has not changed."""
    if cached is None or not cached.generation:
        raise ValueError(NOTHING_CACHED)
    return Entry(key, cached.array, cached.generation, max(as_of, cached.time))


def _follow(
    claims: Claims[Entry], key: Key, leader: Worker, worker: Worker
) -> Generator[Step, Any, Entry | BaseException | None]:
    """Wait for another worker's outcome; None if it has gone without one."""
    follower = claims.follow(key, leader, worker)
    if follower is None:
        return None
    try:
        yield follower
    finally:
        claims.left(follower)
    return follower.outcome


def _turn(claims: Claims[Entry], key: Key, worker: Worker) -> Generator[Step, Any, None]:
    """Wait for the worker's turn at a chunk: until the claim is its own."""
    while True:
        leader = claims.claim(key, worker)
        if leader is worker:
            return
        try:
            yield from _follow(claims, key, leader, worker)
        except BaseException:
            if claims.workers.get(key) is worker:  # the turn came together with the cancellation
                claims.give_up(key, worker)
            raise


def write_chunk(
    source: ChunkSource,
    key: Key,
    upper: Key,
    part: Any,
    values: Array,
    covers: bool,
    worker: Worker,
    bound: float = -inf,
    batch: Any = None,
) -> Steps:
    """Store ``values`` at ``part`` of a chunk, leaving the rest of it as it is.

    A chunk that is not wholly covered is read, merged and written whole, under the condition that
    it is still the version that was read; if it is not, all of that is done again. Writers of one
    chunk take turns, so that of concurrent writes none is lost. What is merged with need not be
    more current than ``bound``.
    """
    yield from _turn(source.writes, key, worker)
    try:
        while True:
            base = None
            if not covers:
                base = yield from read_chunk(source, key, upper, worker, bound, batch)
            array = _merged(source, key, upper, part, values, base)
            params = VirtualChunkedWriteParameters(b"" if base is None else base.generation)
            try:
                returned = yield Call(
                    source.write_function,
                    # A view: whatever it does to shape or flags, what we keep stays as it is.
                    (source.make_domain(key, upper, None), array.view(), params),
                    source.write_is_async,
                    source.data_copy,
                )
                stamp = source.version(returned, "write", key, upper)
            except BaseException as error:
                source.doubted(key)
                if isinstance(error, Exception):
                    source.explain(error, "write", key, upper)
                raise
            if returned is None or stamp.generation:
                break
            # A conflict: somebody else stored another version, by the time the stamp tells.
            bound = stamp.time
            if source.cache is not None:
                source.cache.drop(key)
            yield PAUSE
        entry = Entry(key, array, stamp.generation, stamp.time)
        source.written(entry)
        return entry
    finally:
        source.writes.give_up(key, worker)


def _merged(
    source: ChunkSource, key: Key, upper: Key, part: Any, values: Array, base: Entry | None
) -> Array:
    """Return the chunk's new content, read-only and nobody else's."""
    array = source.allocate(tuple(map(sub, upper, key)))
    if base is not None:
        array[...] = base.array
    array[part] = values
    array.flags.writeable = False
    return array
