"""Jobs: the pieces of one read or one write, and the loops over them that workers run.

These loops are where the time of many small chunks goes. What is common (no cache, nobody else at
the same chunk, a callback that returns None) is written out here, without calls of our own around
the callback; everything else goes through `virtchunk._engine.steps`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import chain, islice
from operator import sub
from typing import Any, Protocol, TypeAlias

import numpy as np

from virtchunk._cache.pool import Entry
from virtchunk._engine.parameters import VirtualChunkedReadParameters, VirtualChunkedWriteParameters
from virtchunk._engine.perform import perform, perform_blocking, settle, wait_blocking
from virtchunk._engine.source import ChunkSource, Key
from virtchunk._engine.steps import read_chunk, write_chunk
from virtchunk._engine.worker import Worker
from virtchunk._grid.partition import Partition

__all__ = ("Job", "Progress", "ReadJob", "WriteJob")

Array: TypeAlias = "np.ndarray[Any, Any]"
Block: TypeAlias = list[tuple[Any, ...]]
_Suspended: TypeAlias = Callable[[], object]

# How many chunks an error's note names before it only counts the others.
_NAMED_CHUNKS = 20


class Progress(Protocol):
    """Called once for each finished chunk, one call at a time, in whatever thread finished it."""

    def __call__(self, done: int, total: int, nbytes: int, /) -> object:
        """Take note.

        Args:
            done: Chunks finished so far, this one included.
            total: Chunks of the whole operation.
            nbytes: Bytes of the request delivered so far.
        """


class Job:
    """One operation's pieces, shared by all its workers.

    Args:
        source: The chunks.
        partition: The request, cut along chunk borders.
        request: The array that is read into or written from, of the request's shape.
        batch: Passed on to callbacks.
        progress: Called for each finished chunk, or None.
    """

    is_async: bool
    """Whether the callbacks are coroutine functions, to be run in tasks rather than threads."""

    def __init__(
        self,
        source: ChunkSource,
        partition: Partition,
        request: Array,
        batch: Any,
        progress: Progress | None,
    ) -> None:
        self.source = source
        self.partition = partition
        self.request = partition.request_view(request)
        self.batch = batch
        self.progress = progress
        self.total = partition.total
        self.taken = 0
        """How many pieces workers have begun with."""
        self.unfinished: Block = []
        """Pieces that a failed or cancelled worker had begun with but did not finish."""
        self._pieces: Iterator[tuple[Any, ...]] = partition.pieces()
        self._direct = not partition.scattered
        self._done = 0
        self._bytes = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> Block:
        """Take up to ``count`` pieces to work on; thread-safe. An empty list: none are left."""
        with self._lock:
            block = list(islice(self._pieces, count))
            self.taken += len(block)
            return block

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        """Take pieces one by one; for tasks of one event loop, which share what is left."""
        for piece in self._pieces:
            self.taken += 1
            yield piece

    def put_back(self, block: Block) -> None:
        """Return pieces that were taken but not begun with."""
        with self._lock:
            self._pieces = chain(block, self._pieces)
            self.taken -= len(block)

    def serve(self, block: Block) -> Block:
        """Work off the pieces that need no callback; return the others."""
        return block

    def run_block(self, block: Block, worker: Worker) -> None:
        """Work off pieces in this thread."""
        raise NotImplementedError

    async def run_piece(
        self, piece: tuple[Any, ...], worker: Worker, suspended: _Suspended
    ) -> None:
        """Work off a piece in this task; see `virtchunk._engine.perform.perform`."""
        raise NotImplementedError

    def finished(self, out: Any) -> None:
        """Count a finished piece and tell the progress callback."""
        size = np.broadcast(*out).size if self.partition.scattered else self.request[out].size
        with self._lock:
            self._done += 1
            self._bytes += size * self.request.dtype.itemsize
            assert self.progress is not None
            self.progress(self._done, self.total, self._bytes)

    def explain_failure(self, error: BaseException) -> None:
        """Note on the error what became of the rest of the job."""


class ReadJob(Job):
    """Reads chunks into the request.

    Args:
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
        self.bound = bound
        self._params = VirtualChunkedReadParameters(b"", bound, batch)

    def run_block(self, block: Block, worker: Worker) -> None:
        if self.source.cache is None:
            self._read_block(block, worker)
        else:
            self._read_cached_block(block, worker)

    def _read_block(self, block: Block, worker: Worker) -> None:
        source, request, params, direct = self.source, self.request, self._params, self._direct
        function, make_domain = source.read_function, source.make_domain
        claim = source.reads.claim
        progress = self.progress
        assert function is not None
        for lower, upper, index_exp, out, part, covers in block:
            if claim(lower, worker) is not worker:
                self._deliver(self._read_steps_blocking(lower, upper, worker), out, part)
                continue
            outcome: Entry | BaseException | None = None
            try:
                if covers and direct:
                    array = target = request[out]
                else:
                    array = source.allocate(tuple(map(sub, upper, lower)))
                    target = array.view()
                returned = function(make_domain(lower, upper, index_exp), target, params)
                if returned is not None:
                    returned = wait_blocking(returned, worker)
                    source.check_filled(returned, lower, upper)
                if array is not target:
                    request[out] = array[part]
                if worker.followers:
                    outcome = source.snapshot(lower, array, returned)
            except BaseException as error:
                if isinstance(error, Exception):
                    outcome = error
                    source.explain(error, "read", lower, upper)
                raise
            finally:
                source.release_read(lower, worker, outcome)
            if progress is not None:
                self.finished(out)

    def _read_cached_block(self, block: Block, worker: Worker) -> None:
        for lower, upper, _, out, part, _ in self.serve(block):
            self._deliver(self._read_steps_blocking(lower, upper, worker), out, part)

    def _read_steps_blocking(self, lower: Key, upper: Key, worker: Worker) -> Entry:
        return perform_blocking(
            read_chunk(self.source, lower, upper, worker, self.bound, self.batch), worker
        )

    def serve(self, block: Block) -> Block:
        """Deliver the pieces that the cache holds fresh enough; return the others."""
        cache = self.source.cache
        if cache is None:
            return block
        request, bound, progress, direct = self.request, self.bound, self.progress, self._direct
        find, touch = cache.entries.get, cache.pool.touch
        missing: Block = []
        for piece in block:
            entry = find(piece[0])
            if entry is None or entry.time < bound:
                missing.append(piece)
                continue
            out = piece[3]
            request[out] = entry.array if direct and piece[5] else entry.array[piece[4]]
            touch(entry)
            if progress is not None:
                self.finished(out)
        cache.pool.record(hits=len(block) - len(missing))
        return missing

    def _deliver(self, entry: Entry, out: Any, part: Any) -> None:
        self.request[out] = entry.array[part]
        if self.progress is not None:
            self.finished(out)

    async def run_piece(
        self, piece: tuple[Any, ...], worker: Worker, suspended: _Suspended
    ) -> None:
        source = self.source
        lower, upper, index_exp, out, part, covers = piece
        if source.cache is not None or source.reads.claim(lower, worker) is not worker:
            steps = read_chunk(source, lower, upper, worker, self.bound, self.batch)
            self._deliver(await perform(steps, worker, suspended), out, part)
            return
        outcome: Entry | BaseException | None = None
        request = self.request
        assert source.read_function is not None
        try:
            if covers and self._direct:
                array = target = request[out]
            else:
                array = source.allocate(tuple(map(sub, upper, lower)))
                target = array.view()
            returned = source.read_function(
                source.make_domain(lower, upper, index_exp), target, self._params
            )
            if returned is not None:
                returned = await settle(returned, suspended)
                if returned is not None:
                    source.check_filled(returned, lower, upper)
            if array is not target:
                request[out] = array[part]
            if worker.followers:
                outcome = source.snapshot(lower, array, returned)
        except BaseException as error:
            if isinstance(error, Exception):
                outcome = error
                source.explain(error, "read", lower, upper)
            raise
        finally:
            source.release_read(lower, worker, outcome)
        if self.progress is not None:
            self.finished(out)


class WriteJob(Job):
    """Writes the request into chunks.

    Args:
        owned: Whether the request array is nobody else's and will not change, so that callbacks
            may be handed views of it.
    """

    def __init__(
        self,
        source: ChunkSource,
        partition: Partition,
        request: Array,
        batch: Any,
        progress: Progress | None,
        owned: bool,
    ) -> None:
        super().__init__(source, partition, request, batch, progress)
        # Of a mixed pair the async one decides, because only a task can await it.
        self.is_async = source.write_is_async or (
            source.read_is_async and source.read_function is not None
        )
        self._owned = owned and self._direct
        self._params = VirtualChunkedWriteParameters()

    def run_block(self, block: Block, worker: Worker) -> None:
        source, request = self.source, self.request
        function, make_domain = source.write_function, source.make_domain
        simple = self._owned and source.cache is None
        claim, release = source.writes.claim, source.writes.release
        progress = self.progress
        assert function is not None
        for i, (lower, upper, index_exp, out, part, covers) in enumerate(block):
            try:
                if not (simple and covers) or claim(lower, worker) is not worker:
                    steps = self._steps(lower, upper, out, part, covers, worker)
                    perform_blocking(steps, worker)
                else:
                    try:
                        domain = make_domain(lower, upper, index_exp)
                        returned = function(domain, request[out], self._params)
                        if returned is not None:
                            returned = wait_blocking(returned, worker)
                        conflict = returned is not None and source.conflicts(returned, lower, upper)
                        if not conflict:
                            source.stored(lower)
                    except Exception as error:
                        source.explain(error, "write", lower, upper)
                        raise
                    finally:
                        release(lower, worker, None)
                    if conflict:
                        steps = self._steps(lower, upper, out, part, covers, worker)
                        perform_blocking(steps, worker)
            except BaseException:
                self.unfinished.extend(block[i:])
                raise
            if progress is not None:
                self.finished(out)

    async def run_piece(
        self, piece: tuple[Any, ...], worker: Worker, suspended: _Suspended
    ) -> None:
        lower, upper, _, out, part, covers = piece
        try:
            steps = self._steps(lower, upper, out, part, covers, worker)
            await perform(steps, worker, suspended)
        except BaseException:
            self.unfinished.append(piece)
            raise
        if self.progress is not None:
            self.finished(out)

    def _steps(
        self, lower: Key, upper: Key, out: Any, part: Any, covers: bool, worker: Worker
    ) -> Any:
        return write_chunk(
            self.source, lower, upper, part, self.request[out], covers, worker, self.batch
        )

    def explain_failure(self, error: BaseException) -> None:
        """Note which chunks were stored, and how many were not."""
        missing = {piece[0] for piece in self.unfinished}
        stored = self.taken - len(missing)
        names = [
            self.source.chunk_name(piece[0], piece[1])
            for piece in islice(
                (
                    piece
                    for piece in islice(self.partition.pieces(), self.taken)
                    if piece[0] not in missing
                ),
                _NAMED_CHUNKS,
            )
        ]
        if stored > len(names):
            names.append(f"and {stored - len(names)} more")
        error.add_note(
            f"stored: {stored} of {self.total} chunks"
            + (f": {', '.join(names)}" if names else "")
            + "; the others were not stored, save those whose callback had begun and may have"
        )
