"""Writing: the loops over pieces that store the request. See also `virtchunk._engine.read_job`."""

from __future__ import annotations

from itertools import islice
from time import perf_counter
from typing import Any, TypeAlias, final

import numpy as np

from virtchunk._engine.job import SLICE, Block, Job, Pace, Progress
from virtchunk._engine.parameters import VirtualChunkedWriteParameters
from virtchunk._engine.perform import perform, perform_blocking, wait_blocking
from virtchunk._engine.source import ChunkSource, Key
from virtchunk._engine.steps import Steps, write_chunk
from virtchunk._engine.worker import Worker
from virtchunk._grid.partition import Partition

__all__ = ("WriteJob",)

Array: TypeAlias = "np.ndarray[Any, Any]"

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
        # Of a mixed pair the async one decides, because only a task can await it.
        self.is_async = source.write_is_async or (
            source.read_is_async and source.read_function is not None
        )
        self._owned = owned and self._direct
        self._params = VirtualChunkedWriteParameters()

    def run_block(self, block: Block, worker: Worker) -> None:
        source, request, params = self.source, self.request, self._params
        function, make_domain = source.write_function, source.make_domain
        claim, drop = source.writes.workers.setdefault, source.writes.workers.pop
        followers, reading, progress = worker.followers, source.reads.workers, self.progress
        simple = self._owned and source.cache is None
        assert function is not None
        for i, (lower, upper, index_exp, out, part, covers) in enumerate(block):
            try:
                if not (simple and covers) or claim(lower, worker) is not worker:
                    self._write_piece(lower, upper, out, part, covers, worker)
                else:
                    conflict = False
                    try:
                        returned = function(
                            make_domain(lower, upper, index_exp), request[out], params
                        )
                        if returned is not None:
                            returned = wait_blocking(returned, worker)
                            conflict = source.conflicts(returned, lower, upper)
                        if reading and not conflict:
                            source.stored(lower)
                    except BaseException as error:
                        source.explain(error, "write", lower, upper)
                        raise
                    finally:
                        drop(lower, None)
                        if followers:
                            source.writes.tell(lower, worker, None)
                    if conflict:
                        self._write_piece(lower, upper, out, part, covers, worker)
            except BaseException:
                self.unfinished.extend(block[i:])
                raise
            if progress is not None:
                self.finished(out)

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

    def _write_piece(
        self, lower: Key, upper: Key, out: Any, part: Any, covers: bool, worker: Worker
    ) -> None:
        """Write a piece in this thread, the long way."""
        perform_blocking(self._steps(lower, upper, out, part, covers, worker), worker)

    def _steps(
        self, lower: Key, upper: Key, out: Any, part: Any, covers: bool, worker: Worker
    ) -> Steps:
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
