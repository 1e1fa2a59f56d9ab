"""Reading more than fits: the chunks of a view, one after another, within a budget of bytes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, final

import anyio
import anyio.lowlevel

from virtchunk._engine.job import Progress
from virtchunk._index.domain import IndexDomain
from virtchunk._interrupts import at_checkpoints, tell_trio

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    from anyio.abc import TaskGroup

    from virtchunk._store import TensorStore

__all__ = ("DEFAULT_MAX_BYTES", "ChunkOrder", "ChunkStream")

Array: TypeAlias = "np.ndarray[Any, Any]"
ChunkOrder: TypeAlias = Literal["completion", "grid"]
"""In which order a stream gives its chunks: as they come, or row by row."""

DEFAULT_MAX_BYTES = 256 << 20
"""Bytes that a stream may hold, unless said otherwise."""
_MOST_CHUNKS = 256
"""Chunks that a stream may hold: small ones must not become as many tasks as fit the budget."""


@final
class ChunkStream:
    """An async iterator over the chunks of a view, each as ``(domain, array)``.

    Made by `TensorStore.chunks`, and entered with ``async with``: the chunks are read ahead by
    tasks that end with the block, whether it is left by the last chunk, by ``break`` or by an
    error. An error of a callback is raised by the block, as `TensorStore.read` raises it.

    The arrays that were read but not yet taken, and those being read, are never more than the
    budget together (or one chunk, if a single one is more). An array counts as taken when the next
    one is asked for.
    """

    def __init__(
        self,
        view: TensorStore,
        regions: Iterator[IndexDomain],
        total: int,
        order: ChunkOrder,
        max_bytes: int,
        progress: Progress | None,
    ) -> None:
        self._view = view
        self._regions = regions
        self._total = total
        self._order = order
        self._max_bytes = max_bytes
        self._progress = progress
        self._group: TaskGroup
        self._itemsize = view.dtype.numpy_dtype.itemsize
        self._held = 0
        """Bytes of chunks that are being read, wait to be taken, or were taken last."""
        self._held_chunks = 0
        self._taken = 0
        self._last: Array | None = None
        self._done = 0
        self._bytes = 0
        self._ready: dict[int, tuple[IndexDomain, Array]] = {}
        self._completed: deque[int] = deque()
        self._changed = anyio.Event()
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"<virtchunk.ChunkStream of {self._view!r}: {self._taken} of {self._total} taken>"

    @at_checkpoints
    async def __aenter__(self) -> Self:
        tell_trio()
        self._group = anyio.create_task_group()  # here, where an event loop runs
        await self._group.__aenter__()
        self._group.start_soon(self._read_ahead)
        return self

    @at_checkpoints
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._group.cancel_scope.cancel()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            return await self._group.__aexit__(kind, error, trace)
        # The group would wrap the block's own error in an exception group.
        await self._group.__aexit__(None, None, None)
        return None

    def __aiter__(self) -> Self:
        return self

    @at_checkpoints
    async def __anext__(self) -> tuple[IndexDomain, Array]:
        """Give the next chunk. Always checkpoints; cancellation loses no chunk."""
        await anyio.lowlevel.checkpoint()
        if self._last is not None:
            self._held -= self._last.nbytes
            self._held_chunks -= 1
            self._last = None
            self._notify()
        if self._taken == self._total:
            raise StopAsyncIteration
        while (index := self._next_ready()) is None:
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()
        region, array = self._ready.pop(index)
        self._taken += 1
        self._last = array
        return region, array

    def _next_ready(self) -> int | None:
        if self._order == "grid":
            return self._taken if self._taken in self._ready else None
        return self._completed.popleft() if self._completed else None

    def _notify(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    @at_checkpoints
    async def _read_ahead(self) -> None:
        """Start a task for each chunk, in grid order, as the budget permits."""
        async with anyio.create_task_group() as readers:
            for index, region in enumerate(self._regions):
                nbytes = math.prod(region.shape) * self._itemsize
                while self._held_chunks and (
                    self._held + nbytes > self._max_bytes or self._held_chunks >= _MOST_CHUNKS
                ):
                    await self._changed.wait()
                self._held += nbytes
                self._held_chunks += 1
                readers.start_soon(self._read_one, index, region, readers.cancel_scope)
        self._notify()

    @at_checkpoints
    async def _read_one(self, index: int, region: IndexDomain, scope: anyio.CancelScope) -> None:
        try:
            array = await self._view[region].read()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            self._failure = self._failure or error
            scope.cancel()
            return
        self._ready[index] = (region, array)
        self._completed.append(index)
        self._done += 1
        self._bytes += array.nbytes
        if self._progress is not None:
            self._progress(self._done, self._total, self._bytes)
        self._notify()
