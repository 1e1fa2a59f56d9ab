"""Jobs: the pieces of one operation, and how workers share them.

A read and a write differ in what is done with a piece: see `virtchunk._engine.read_job` and
`virtchunk._engine.write_job`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import Any, Protocol, TypeAlias

import numpy as np

from virtchunk._engine.source import ChunkSource, Key
from virtchunk._engine.worker import Worker
from virtchunk._grid.partition import Partition

__all__ = ("SLICE", "Block", "Job", "Pace", "Progress", "raise_first")

Array: TypeAlias = "np.ndarray[Any, Any]"
Block: TypeAlias = list[tuple[Any, ...]]

SLICE = 1e-3
"""Seconds of work between two looks at cancellation, and between two checkpoints."""


class Progress(Protocol):
    """Called once for each finished chunk, one call at a time, in whatever thread finished it."""

    def __call__(self, done: int, total: int, nbytes: int, /) -> object:
        """Take note.

        Args:
            done: Chunks finished so far, this one included.
            total: Chunks of the whole operation.
            nbytes: Bytes of the request delivered so far.
        """


class Pace(Protocol):
    """How one task of a job gets along with the others, and with other jobs."""

    @property
    def waiters(self) -> Collection[object]:
        """Who waits for a token; not empty: somebody should have a turn."""

    paused: bool
    """Set when the task has suspended, so that the event loop had its turn."""

    def suspended(self) -> object:
        """Say that the task is about to suspend in a callback."""

    async def rest(self) -> bool:
        """Let others have a turn. Always checkpoints. False: end this task, others go on."""


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
    cached = False
    """Whether some pieces may need no callback; see `serve`."""

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
        self.deferred: Block | None = None
        """Pieces that others are busy with, left by threads for tasks, which wait at less cost.
        None: whoever meets one waits for it."""
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

    def skip(self, count: int) -> None:
        """Take ``count`` pieces that have been worked off already."""
        with self._lock:
            self.taken += count
            if self.taken == self.total:
                self._pieces = iter(())
            else:
                deque(islice(self._pieces, count), maxlen=0)

    def put_back(self, block: Block) -> None:
        """Return pieces that were taken but not begun with."""
        with self._lock:
            self._pieces = chain(block, self._pieces)
            self.taken -= len(block)

    def busy(self, key: Key) -> bool:
        """Say whether somebody has claimed a chunk."""
        raise NotImplementedError

    def resume_deferred(self) -> None:
        """Go on with what was deferred: all other pieces have been worked off."""
        self._pieces = _emptying(self.deferred or [])

    def serve(self, block: Block) -> Block:
        """Work off the pieces that need no callback; return the others."""
        return block

    def serve_rows(self) -> Iterator[object]:
        """Work off the first pieces in rows, as far as they need no callback; yields after each."""
        return iter(())

    def run_block(self, block: Block, worker: Worker) -> None:
        """Work off pieces in this thread."""
        raise NotImplementedError

    async def run_pieces(self, worker: Worker, pace: Pace) -> None:
        """Take pieces one by one and work them off in this task.

        Returns when none are left, or when ``pace`` says that the task is not needed any more.
        """
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


def _emptying(block: Block) -> Iterator[tuple[Any, ...]]:
    while block:
        yield block.pop()


def raise_first(job: Job, failures: list[BaseException]) -> None:
    """Raise the first of a job's errors, with notes on what became of the rest."""
    error, *others = failures
    if isinstance(error, Exception):
        job.explain_failure(error)
        for other in others:
            error.add_note(f"another chunk failed too: {other!r}")
    raise error
