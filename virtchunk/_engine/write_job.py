"""Writing: the loops over pieces that store the request. See also `virtchunk._engine.read_job`."""

from __future__ import annotations

from itertools import chain, islice
from math import inf
from operator import sub
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias, final

from virtchunk._engine.job import SLICE, Block, Job, Pace, Progress
from virtchunk._engine.parameters import VirtualChunkedReadParameters, VirtualChunkedWriteParameters
from virtchunk._engine.perform import perform, perform_blocking, wait_blocking
from virtchunk._engine.source import ChunkSource, Key
from virtchunk._engine.steps import Steps, read_chunk, write_chunk
from virtchunk._engine.worker import Worker
from virtchunk._grid.partition import Partition
from virtchunk._schema.generation import TimestampedStorageGeneration

if TYPE_CHECKING:
    import numpy as np

__all__ = ("WriteJob",)

Array: TypeAlias = "np.ndarray[Any, Any]"

_UNCONDITIONAL = VirtualChunkedWriteParameters()

_NAMED_CHUNKS = 20
"""How many chunks an error's note names before it only counts the others."""


@final
class WriteJob(Job):
    """Writes the request into chunks.

    Args:
        source: See `Job`, as the next four.
        partition: ...
        request: ...
        batch: ...
        progress: ...
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
        # Of a mixed pair the async one decides, because only a task can await it; but a write of
        # whole chunks does not read.
        self.is_async = source.write_is_async or (
            source.read_is_async and not all(piece[5] for piece in partition.pieces())
        )
        self._owned = owned and self._direct
        self._read_params = VirtualChunkedReadParameters(b"", -inf, batch)

    def run_block(self, block: Block, worker: Worker) -> None:
        source = self.source
        function, make_domain = source.write_function, source.make_domain
        claim, drop = source.writes.workers.setdefault, source.writes.workers.pop
        followers, reading, progress = worker.followers, source.reads.workers, self.progress
        request, owned, simple = self.request, self._owned, source.cache is None
        assert function is not None
        for i, (lower, upper, index_exp, out, part, covers) in enumerate(block):
            try:
                if not simple or claim(lower, worker) is not worker:
                    if self.deferred is not None and self.busy(lower):
                        self.deferred.append(block[i])
                        continue
                    self._write_piece(lower, upper, out, part, covers, worker)
                else:
                    conflict: TimestampedStorageGeneration | None = None
                    called = False
                    try:
                        if covers and owned:
                            array, params = request[out], _UNCONDITIONAL
                        else:
                            array, params = self._merged(
                                lower, upper, index_exp, request[out], part, covers, worker
                            )
                        called = True
                        returned = function(make_domain(lower, upper, index_exp), array, params)
                        if returned is not None:
                            returned = wait_blocking(returned, worker)
                            if source.conflicts(returned, lower, upper):
                                conflict = returned
                        if reading and conflict is None:
                            source.reads.outdate(lower)
                    except BaseException as error:
                        if called:
                            source.doubted(lower)
                            source.explain(error, "write", lower, upper)
                        raise
                    finally:
                        drop(lower, None)
                        if followers:
                            source.writes.pass_on(lower, worker)
                    if conflict is not None:
                        self._write_piece(lower, upper, out, part, covers, worker, conflict.time)
            except BaseException:
                self.unfinished.extend(block[i:])
                raise
            if progress is not None:
                self.finished(out)

    def _merged(
        self,
        lower: Key,
        upper: Key,
        index_exp: Any,
        values: Array,
        part: Any,
        covers: bool,
        worker: Worker,
    ) -> tuple[Array, VirtualChunkedWriteParameters]:
        """Return a chunk's new content, read-only and nobody else's, and what to store it on."""
        source = self.source
        array = source.allocate(tuple(map(sub, upper, lower)))
        params = _UNCONDITIONAL
        if not covers:
            generation = self._read_base(array, lower, upper, index_exp, worker)
            if generation:
                params = VirtualChunkedWriteParameters(generation)
        array[part] = values
        array.flags.writeable = False
        return array, params

    def _read_base(
        self, array: Array, lower: Key, upper: Key, index_exp: Any, worker: Worker
    ) -> bytes:
        """Read a chunk that is only partly written; return its generation."""
        source, reads = self.source, self.source.reads
        if reads.claim(lower, worker) is not worker:
            steps = read_chunk(source, lower, upper, worker, -inf, self.batch)
            entry = perform_blocking(steps, worker)
            array[...] = entry.array
            return entry.generation
        try:
            assert source.read_function is not None
            domain = source.make_domain(lower, upper, index_exp)
            returned = source.read_function(domain, array.view(), self._read_params)
            if returned is not None:
                returned = wait_blocking(returned, worker)
                source.check_filled(returned, lower, upper)
        except BaseException as error:
            source.read_failed(error, lower, upper, worker)
            raise
        reads.workers.pop(lower, None)
        if worker.followers:
            source.tell_readers(lower, worker, array, returned)
        return returned.generation if returned is not None else b""

    async def run_pieces(self, worker: Worker, pace: Pace) -> None:
        started = perf_counter()
        for piece in self._pieces:
            self.taken += 1
            lower, upper, _, out, part, covers = piece
            try:
                steps = self._steps(lower, upper, out, part, covers, worker)
                await perform(steps, worker, pace.suspended)
            except BaseException:
                self.unfinished.append(piece)
                raise
            if self.progress is not None:
                self.finished(out)
            if pace.paused:
                pace.paused = False
                started = perf_counter()
            if pace.waiters or perf_counter() - started > SLICE:
                if not await pace.rest():
                    return
                started = perf_counter()

    def busy(self, key: Key) -> bool:
        return self.source.writes.busy(key)

    def _write_piece(
        self,
        lower: Key,
        upper: Key,
        out: Any,
        part: Any,
        covers: bool,
        worker: Worker,
        bound: float = -inf,
    ) -> None:
        """Write a piece in this thread, the long way."""
        perform_blocking(self._steps(lower, upper, out, part, covers, worker, bound), worker)

    def _steps(
        self,
        lower: Key,
        upper: Key,
        out: Any,
        part: Any,
        covers: bool,
        worker: Worker,
        bound: float = -inf,
    ) -> Steps:
        values = self.request[out]
        return write_chunk(
            self.source, lower, upper, part, values, covers, worker, bound, self.batch
        )

    def explain_failure(self, error: BaseException) -> None:
        """Note which chunks were stored, and how many were not."""
        missing = {piece[0] for piece in chain(self.unfinished, self.deferred or ())}
        stored = min(self.taken, self.total) - len(missing)
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
