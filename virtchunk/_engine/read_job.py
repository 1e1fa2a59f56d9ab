"""Reading: the loops over pieces that fill the request.

This is where the time of many small chunks goes. What is common (no cache, nobody else at the same
chunk, a callback that returns None) is written out, with no call of our own around the callback
that could be spared; everything else goes through `virtchunk._engine.steps`.
"""

from __future__ import annotations

from collections import deque
from itertools import compress, product
from operator import attrgetter, getitem, sub
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np

from virtchunk._cache.pool import Entry
from virtchunk._engine.job import SLICE, Block, Job, Pace, Progress
from virtchunk._engine.parameters import VirtualChunkedReadParameters
from virtchunk._engine.perform import perform, perform_blocking, resume, settle, wait_blocking
from virtchunk._engine.source import ChunkSource, Key
from virtchunk._engine.steps import Steps, read_chunk
from virtchunk._engine.worker import Worker
from virtchunk._grid.box import BoxPartition
from virtchunk._grid.partition import Partition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("ReadJob",)

Array: TypeAlias = "np.ndarray[Any, Any]"


_array = attrgetter("array")
_time = attrgetter("time")


_ROW = 8
"""Chunks from which on a row is worth joining."""
_SMALL = 1 << 14
"""Bytes of a chunk above which copying takes longer than all else, and threads may share it."""


def _exhaust(iterator: Iterator[object]) -> None:
    """Run an iterator to its end, for what its steps do."""
    deque(iterator, maxlen=0)


@final
class ReadJob(Job):
    """Reads chunks into the request.

    Args:
        source: See `Job`, as the next four.
        partition: ...
        request: ...
        batch: ...
        progress: ...
        bound: Content known to be current at this time (seconds since the epoch) serves.
    """

    def __init__(
        self,
        source: ChunkSource,
        partition: Partition,
        request: Array,
        batch: Any,
        progress: Progress | None,
        bound: float,
    ) -> None:
        super().__init__(source, partition, request, batch, progress)
        self.is_async = source.read_is_async
        self.cached = source.cache is not None
        self.bound = bound
        self._params = VirtualChunkedReadParameters(b"", bound, batch)

    def run_block(self, block: Block, worker: Worker) -> None:
        if self.source.cache is not None:
            for piece in self.serve(block):
                self._read_piece(piece, worker)
            return
        source, request, params, direct = self.source, self.request, self._params, self._direct
        function, make_domain, allocate = source.read_function, source.make_domain, source.allocate
        claim, drop = source.reads.workers.setdefault, source.reads.workers.pop
        followers, progress = worker.followers, self.progress
        assert function is not None
        for piece in block:
            lower, upper, index_exp, out, part, covers = piece
            if claim(lower, worker) is not worker:
                self._read_piece(piece, worker)
                continue
            try:
                if covers and direct:
                    array = target = request[out]
                else:
                    array = allocate(tuple(map(sub, upper, lower)))
                    target = array.view()
                returned = function(make_domain(lower, upper, index_exp), target, params)
                if returned is not None:
                    returned = wait_blocking(returned, worker)
                    source.check_filled(returned, lower, upper)
                if array is not target:
                    request[out] = array[part]
            except BaseException as error:
                source.read_failed(error, lower, upper, worker)
                raise
            drop(lower, None)
            if followers:
                source.tell_readers(lower, worker, array, returned)
            if progress is not None:
                self.finished(out)

    async def run_pieces(self, worker: Worker, pace: Pace) -> None:
        source, request, params, direct = self.source, self.request, self._params, self._direct
        function, make_domain, allocate = source.read_function, source.make_domain, source.allocate
        claim, drop = source.reads.workers.setdefault, source.reads.workers.pop
        followers, progress = worker.followers, self.progress
        suspended, waiters = pace.suspended, pace.waiters
        short = source.cache is None and source.read_is_async
        assert function is not None
        started = perf_counter()
        for lower, upper, index_exp, out, part, covers in self._pieces:
            self.taken += 1
            if not (short and claim(lower, worker) is worker):
                self._deliver(
                    await perform(self._steps(lower, upper, worker), worker, suspended), out, part
                )
            else:
                try:
                    if covers and direct:
                        array = target = request[out]
                    else:
                        array = allocate(tuple(map(sub, upper, lower)))
                        target = array.view()
                    returned = function(make_domain(lower, upper, index_exp), target, params)
                    if type(returned) is CoroutineType:
                        try:
                            yielded = returned.send(None)
                        except StopIteration as stop:
                            returned = stop.value
                        else:
                            suspended()
                            returned = await resume(returned, yielded)
                    elif returned is not None:
                        returned = await settle(returned, suspended)
                    if returned is not None:
                        source.check_filled(returned, lower, upper)
                    if array is not target:
                        request[out] = array[part]
                except BaseException as error:
                    source.read_failed(error, lower, upper, worker)
                    raise
                drop(lower, None)
                if followers:
                    source.tell_readers(lower, worker, array, returned)
                if progress is not None:
                    self.finished(out)
            if pace.paused:
                pace.paused = False
                started = perf_counter()
            if waiters or perf_counter() - started > SLICE:
                if not await pace.rest():
                    return
                started = perf_counter()

    def serve(self, block: Block) -> Block:
        """Deliver the pieces that the cache holds fresh enough; return the others."""
        cache = self.source.cache
        if cache is None or not block:
            return block
        lowers, _, _, outs, parts, covers = zip(*block, strict=True)
        entries: Sequence[Any] = list(map(cache.entries.get, lowers))
        missing: Block = []
        if None in entries or min(map(_time, entries)) < self.bound:
            found = [entry is not None and entry.time >= self.bound for entry in entries]
            missing = [piece for piece, is_found in zip(block, found, strict=True) if not is_found]
            entries, outs, parts, covers = (
                tuple(compress(column, found)) for column in (entries, outs, parts, covers)
            )
        # No loop of ours: all that is left is done by C functions calling each other.
        arrays = map(_array, entries)
        if not (self._direct and all(covers)):
            arrays = map(getitem, arrays, parts)
        _exhaust(map(self.request.__setitem__, outs, arrays))
        cache.pool.used(entries)
        if self.progress is not None:
            _exhaust(map(self.finished, outs))
        return missing

    def serve_rows(self) -> Iterator[object]:
        """Deliver rows of small chunks that the cache holds fresh enough, a third of the work.

        Joining a row is one step for NumPy, where each piece for itself would be one.
        """
        cache, partition = self.source.cache, self.partition
        if cache is None or self.progress is not None or type(partition) is not BoxPartition:
            return
        if self.request.dtype.isbuiltin != 1:  # NumPy may not join others
            return
        served, get = 0, cache.entries.get
        try:
            for lower, out, part, covers, columns in partition.rows():
                lasts = columns.lower
                entries: list[Any] = list(map(get, product(*zip(lower), lasts)))
                if len(lasts) < _ROW or None in entries or entries[0].nbytes > _SMALL:
                    return
                if min(map(_time, entries)) < self.bound:
                    return
                arrays = map(_array, entries)
                if not covers:
                    arrays = map(getitem, arrays, product(*zip(part), columns.part))
                np.concatenate(list(arrays), axis=-1, out=self.request[out])
                cache.pool.used(entries)
                served += len(entries)
                yield None
        finally:
            self.skip(served)

    def _steps(self, lower: Key, upper: Key, worker: Worker) -> Steps:
        return read_chunk(self.source, lower, upper, worker, self.bound, self.batch)

    def busy(self, key: Key) -> bool:
        return self.source.reads.busy(key)

    def _read_piece(self, piece: tuple[Any, ...], worker: Worker) -> None:
        """Read a piece in this thread, the long way, or leave it to a task."""
        lower, upper, _, out, part, _ = piece
        if self.deferred is not None and self.busy(lower):
            self.deferred.append(piece)
        else:
            self._deliver(perform_blocking(self._steps(lower, upper, worker), worker), out, part)

    def _deliver(self, entry: Entry, out: Any, part: Any) -> None:
        self.request[out] = entry.array[part]
        if self.progress is not None:
            self.finished(out)
