"""Reads and writes through a transaction, of views with chunks and of arrays.

A write copies its elements into the transaction's buffers, and nothing else: no callback is called.
A read takes from the base what the buffers do not hold, and lays over it what they do. The commit
is a write of all buffers, by the engine's own `WriteJob`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, final

import anyio.lowlevel
import numpy as np

from virtchunk._control import Control
from virtchunk._drivers.driver import Options
from virtchunk._engine.buffers import Buffered, ChunkBuffers, Remainder, StoredChunks
from virtchunk._engine.errand import run_errand
from virtchunk._engine.fanout import run, run_blocking
from virtchunk._engine.job import SLICE, Progress
from virtchunk._engine.source import Key
from virtchunk._engine.write_job import WriteJob
from virtchunk._future import Operation
from virtchunk._grid.partition import Partition
from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform
from virtchunk._transaction import Counter, Participant, Transaction

if TYPE_CHECKING:
    from virtchunk._drivers.array import ArrayDriver
    from virtchunk._drivers.virtual import VirtualDriver

__all__ = ("ArrayParticipant", "StagedRead", "StagedWrite", "ViewParticipant")

Array: TypeAlias = "np.ndarray[Any, Any]"

_INLINE_BYTES = 1 << 20
"""Bytes up to which a write is copied in the event loop's thread, rather than in a worker's."""
_INLINE_PIECES = 256
"""Chunks up to which it is."""


class _Base(Protocol):
    """What both drivers have."""

    @property
    def domain(self) -> IndexDomain: ...

    def describe(self) -> str: ...

    def cut(self, transform: IndexTransform) -> Partition: ...


class ChunkParticipant(Participant, Protocol):
    """What holds the writes to one driver's chunks."""

    buffers: ChunkBuffers


class BaseRead(Operation[Array], Protocol):
    """A plain read, of which parts can be done."""

    def prepare(self) -> tuple[Array, Partition, float]:
        """Return the empty result, the request, and how old cached content may be."""

    def fill_blocking(
        self,
        result: Array,
        cut: Partition,
        bound: float,
        progress: Progress | None,
        control: Control,
    ) -> None:
        """Read the chunks of a part of the request."""

    async def fill(
        self, result: Array, cut: Partition, bound: float, progress: Progress | None
    ) -> None:
        """Do the same in a task. Always checkpoints."""


class _Held(NamedTuple):
    """A piece of a request, and what was written to its chunk."""

    out: Any
    part: Any
    chunk: Buffered


@final
class StagedRead:
    """A read through a transaction.

    Args:
        transaction: ...
        driver: What is read.
        base: The same read without the transaction.
        progress: Called for each finished chunk, or None.
    """

    def __init__(
        self, transaction: Transaction, driver: object, base: BaseRead, progress: Progress | None
    ) -> None:
        self.transaction = transaction
        self.driver = driver
        self.base = base
        self.progress = progress

    def describe(self) -> str:
        return f"{self.base.describe()} in a transaction"

    def run_blocking(self, control: Control) -> Array:
        chunks = self._held()
        if not chunks:
            return self.base.run_blocking(control)
        plan = _ReadPlan(*self.base.prepare(), chunks, self.progress)
        for held in plan.whole:
            plan.deliver(held)
        if plan.rest.total:
            self.base.fill_blocking(
                plan.result, plan.rest, plan.bound, plan.later_progress(), control
            )
        for held in plan.partly:
            plan.lay_over(held)
        plan.cut.spread(plan.result)
        return plan.result

    async def run(self) -> Array:
        chunks = self._held()
        if not chunks:
            return await self.base.run()
        plan = _ReadPlan(*self.base.prepare(), chunks, self.progress)
        await _paced(plan.deliver, plan.whole)
        if plan.rest.total:
            await self.base.fill(plan.result, plan.rest, plan.bound, plan.later_progress())
        await _paced(plan.lay_over, plan.partly)
        plan.cut.spread(plan.result)
        return plan.result

    def _held(self) -> dict[Key, Buffered] | None:
        self.transaction._check_open()
        participant: ChunkParticipant | None = self.transaction._find(self.driver)
        return None if participant is None else participant.buffers.chunks


async def _paced(function: Callable[[_Held], object], pieces: list[_Held]) -> None:
    """Do something with each piece, and let others have their turns. Always checkpoints."""
    await anyio.lowlevel.checkpoint()
    started = perf_counter()
    for piece in pieces:
        function(piece)
        if perf_counter() - started > SLICE:
            await anyio.lowlevel.checkpoint()
            started = perf_counter()


@final
class _ReadPlan:
    """Which pieces of a request come from the transaction, and which from the base."""

    def __init__(
        self,
        result: Array,
        cut: Partition,
        bound: float,
        chunks: dict[Key, Buffered],
        progress: Progress | None,
    ) -> None:
        self.result = result
        self.view = cut.request_view(result)
        self.cut = cut
        self.bound = bound
        self.progress = progress
        self.whole: list[_Held] = []
        """Pieces of which the transaction holds all elements."""
        self.partly: list[_Held] = []
        self.rest: Partition = cut
        self._done = self._nbytes = 0
        held = set()
        for lower, _, _, out, part, _ in self.cut.pieces():
            chunk = chunks.get(lower)
            if chunk is None:
                continue
            if chunk.holds(part):
                held.add(lower)
                self.whole.append(_Held(out, part, chunk))
            else:
                self.partly.append(_Held(out, part, chunk))
        if held:
            self.rest = Remainder(self.cut, frozenset(held))

    def deliver(self, held: _Held) -> None:
        values = held.chunk.array[held.part]
        self.view[held.out] = values
        if self.progress is not None:
            self._done += 1
            self._nbytes += values.nbytes
            self.progress(self._done, self.cut.total, self._nbytes)

    def lay_over(self, held: _Held) -> None:
        held.chunk.lay_over(self.view, held.out, held.part, self.cut.scattered)

    def later_progress(self) -> Progress | None:
        """Return the progress callback for what is read from the base."""
        progress, before, nbytes_before, total = (
            self.progress,
            self._done,
            self._nbytes,
            self.cut.total,
        )
        if progress is None or not before:
            return progress

        def shifted(done: int, _: int, nbytes: int) -> None:
            progress(before + done, total, nbytes_before + nbytes)

        return shifted


@final
class StagedWrite:
    """A write through a transaction: a copy into its buffers."""

    def __init__(
        self,
        driver: _Base,
        transform: IndexTransform,
        source: Array,
        options: Options,
        make: Callable[[], ChunkParticipant],
    ) -> None:
        self.driver = driver
        self.transform = transform
        self.source = source
        self.options = options
        self.make = make

    def describe(self) -> str:
        domain, driver = self.transform.domain, self.driver
        return f"write to {domain} of {driver.describe()} in a transaction"

    def stage(self) -> None:
        self.source = self.source.copy()

    async def stage_awaiting(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.stage()

    def run_blocking(self, control: Control) -> None:
        control.check()
        buffers, cut = self._prepare()
        with buffers.lock:
            self._copy(buffers, cut)

    async def run(self) -> None:
        await anyio.lowlevel.checkpoint()
        buffers, cut = self._prepare()
        small = self.source.nbytes <= _INLINE_BYTES and cut.total <= _INLINE_PIECES
        if small and buffers.lock.acquire(blocking=False):
            try:
                self._copy(buffers, cut)
            finally:
                buffers.lock.release()
        else:
            await run_errand(partial(self._copy_locked, buffers, cut), _nothing)

    def _prepare(self) -> tuple[ChunkBuffers, Partition]:
        transaction: Transaction = self.options.transaction
        transaction._check_open()
        driver, cut = self.driver, self.driver.cut(self.transform)
        participant = transaction._participant(driver, self.make)
        if transaction.atomic:
            for piece in cut.pieces():
                unit = id(driver), piece[0]
                transaction._claim(unit, partial(_chunk_name, driver, piece))
        return participant.buffers, cut

    def _copy_locked(self, buffers: ChunkBuffers, cut: Partition) -> None:
        with buffers.lock:
            self._copy(buffers, cut)

    def _copy(self, buffers: ChunkBuffers, cut: Partition) -> None:
        with self.options.transaction._changing():
            buffers.write(cut, self.source)
        progress = self.options.progress
        if progress is not None and cut.total:
            progress(cut.total, cut.total, self.source.nbytes)


def _chunk_name(driver: _Base, piece: tuple[Any, ...]) -> str:
    bounds = IndexDomain(
        inclusive_min=piece[0], exclusive_max=piece[1], labels=driver.domain.labels
    )
    return f"chunk {bounds} of {driver.describe()}"


def _nothing() -> None:
    """Stop nothing: a copy in a thread goes on to its end."""


@final
class ViewParticipant:
    """The writes to one `VirtualDriver`; see `virtchunk._transaction.Participant`."""

    def __init__(self, driver: VirtualDriver, transaction: Transaction) -> None:
        self.driver = driver
        source = driver.source
        self.buffers = ChunkBuffers(source.allocate, source.dtype.itemsize, transaction._memory)

    @property
    def total(self) -> int:
        return len(self.buffers.chunks)

    def describe(self) -> str:
        return self.driver.describe()

    def prepare(self) -> bool:
        """Say whether there is anything to do.

        Raises:
            ValueError: A chunk is only partly written, and cannot be read.
        """
        source = self.driver.source
        if source.read_function is not None:
            return bool(self.total)
        for lower, chunk in self.buffers.chunks.items():
            if chunk.mask is not None:
                raise ValueError(
                    "write-only virtual chunked views require chunk-aligned writes: of chunk "
                    f"{source.chunk_name(lower, chunk.upper)} the transaction holds only a part, "
                    "and there is no read_function to give the rest of it"
                )
        return bool(self.total)

    def commit_blocking(self, control: Control, stored: Counter) -> None:
        chunks, job = self._job(stored)
        try:
            run_blocking(job, control)
        finally:
            self.buffers.forget(chunks.stored_by(job))

    async def commit(self, stored: Counter) -> None:
        chunks, job = self._job(stored)
        try:
            await run(job)
        finally:
            self.buffers.forget(chunks.stored_by(job))

    def _job(self, stored: Counter) -> tuple[StoredChunks, WriteJob]:
        source = self.driver.source
        chunks = StoredChunks(self.buffers.chunks, source.dtype)
        progress = _by_the_piece(stored)
        return chunks, WriteJob(source, chunks, chunks, None, progress, True)  # type: ignore[arg-type]


def _by_the_piece(stored: Counter) -> Progress:
    """Turn a count of single chunks into the running total that jobs report."""
    before = 0

    def progress(done: int, total: int, nbytes: int) -> None:
        nonlocal before
        before, size = nbytes, nbytes - before
        stored(size)

    return progress


@final
class ArrayParticipant:
    """The writes to one `ArrayDriver`, as one chunk; see `virtchunk._transaction.Participant`."""

    def __init__(self, driver: ArrayDriver, transaction: Transaction) -> None:
        self.driver = driver
        array = driver.array
        self.buffers = ChunkBuffers(
            partial(np.empty, dtype=array.dtype), array.itemsize, transaction._memory
        )

    @property
    def total(self) -> int:
        return len(self.buffers.chunks)

    def describe(self) -> str:
        return self.driver.describe()

    def prepare(self) -> bool:
        """Say whether there is anything to do; it is always possible."""
        return bool(self.total)

    def commit_blocking(self, control: Control, stored: Counter) -> None:
        for key, chunk in list(self.buffers.chunks.items()):
            array = self.driver.array
            np.copyto(array, chunk.array, where=True if chunk.mask is None else chunk.mask)
            self.buffers.forget(iter([key]))
            stored(chunk.array.nbytes)

    async def commit(self, stored: Counter) -> None:
        await anyio.lowlevel.checkpoint()
        self.commit_blocking(Control(), stored)
