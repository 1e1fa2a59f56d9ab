"""Reading one chunk: what small reads do, without a job, task groups or blocks.

Under an event loop, a callback that has been quick so far is not worth the hundred microseconds
that it takes to start a thread of the loop's and be woken by it. It is handed to a parked thread,
and the loop waits for that right here, but for two milliseconds at most: if the callback takes
longer after all, or waits for something that only the loop can give, the loop goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import copy_context
from operator import sub
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import anyio.lowlevel

from virtchunk._engine.parameters import VirtualChunkedReadParameters
from virtchunk._engine.parked import hand_over
from virtchunk._engine.perform import wait_blocking
from virtchunk._engine.source import ChunkSource
from virtchunk._engine.worker import Worker, current_worker
from virtchunk._loop import cancelled_error, running_loop

if TYPE_CHECKING:
    import numpy as np
    from anyio.lowlevel import EventLoopToken

__all__ = ("read_one", "read_one_awaiting")

Array: TypeAlias = "np.ndarray[Any, Any]"

_LONGEST_STALL = 2e-3
"""Seconds that an event loop waits for a callback that has been quick so far."""


def read_one(
    source: ChunkSource,
    piece: tuple[Any, ...],
    request: Array,
    bound: float,
    batch: Any,
    check: Callable[[], object],
    loop: EventLoopToken | None = None,
) -> bool:
    """Read the only chunk of a request, if nobody and nothing has to be waited for.

    Args:
        source: The chunks.
        piece: The piece, of a partition that is not scattered.
        request: The array to read into, as the partition views it.
        bound: Content known to be current at this time (seconds since the epoch) serves.
        batch: Passed on to the callback.
        check: Raises if the read has to stop.
        loop: Where an awaitable runs that the callback may return.

    Returns:
        False, and nothing has been done, if it takes more: an async callback, a cache without the
        chunk, another reader at it, no free token, or a nested operation.
    """
    lower, upper, index_exp, out, part, covers = piece
    if source.cache is not None:
        entry = source.cache.entries.get(lower)
        if entry is None or entry.time < bound:
            return False
        request[out] = entry.array[part]
        source.cache.pool.used((entry,))
        return True
    if source.read_is_async or current_worker.get() is not None:
        return False
    worker = Worker(source.data_copy, None, loop or source.home(), check)
    if not worker.try_acquire():
        return False
    if source.reads.workers.setdefault(lower, worker) is not worker:
        worker.release()
        return False
    token = current_worker.set(worker)
    try:
        array = request[out] if covers else source.allocate(tuple(map(sub, upper, lower)))
        assert source.read_function is not None
        returned: Any = source.read_function(
            source.make_domain(lower, upper, index_exp),
            array if covers else array.view(),
            VirtualChunkedReadParameters._trusted(b"", bound, batch),
        )
        if returned is not None:
            returned = wait_blocking(returned, worker)
            source.check_filled(returned, lower, upper)
        if not covers:
            request[out] = array[part]
    except BaseException as error:
        source.read_failed(error, lower, upper, worker)
        raise
    finally:
        current_worker.reset(token)
        worker.close()
    source.reads.workers.pop(lower, None)
    if worker.followers:
        source.tell_readers(lower, worker, array, returned)
    return True


async def read_one_awaiting(
    source: ChunkSource, piece: tuple[Any, ...], request: Array, bound: float, batch: Any
) -> bool:
    """Do the same from a task; see `read_one`. Checkpoints if it returns True.

    Returns:
        False also if the callback has not been quick so far, or needs a thread of the loop's.
    """
    if source.cache is None and not (
        source.quick and not source.read_is_async and current_worker.get() is None
    ):
        return False
    attempt = _Attempt()
    arguments = (source, piece, request, bound, batch, attempt.check, running_loop())
    if source.cache is not None:
        await anyio.lowlevel.checkpoint()
        return read_one(*arguments)
    await anyio.lowlevel.checkpoint_if_cancelled()
    context = copy_context()
    done = hand_over(lambda: attempt.run(lambda: context.run(read_one, *arguments)))
    try:
        await anyio.lowlevel.checkpoint()  # now, for the thread takes a while to wake up
        if not done.wait_blocking(_LONGEST_STALL):
            source.observed(math.inf)
            await done.wait()
    except anyio.get_cancelled_exc_class():
        attempt.stopped = True
        await done.wait_out()
        raise
    error, attempt.error = attempt.error, None
    if isinstance(error, anyio.NoEventLoopError):
        # A callback that talks to its loop through anyio.from_thread needs a thread of anyio's.
        source.observed(math.inf)
        return False
    if error is not None:
        raise error
    return attempt.succeeded


class _Attempt:
    """A read in another thread: how it ended, and whether it is still wanted."""

    def __init__(self) -> None:
        self.stopped = False
        self.succeeded = False
        self.error: BaseException | None = None

    def check(self) -> None:
        if self.stopped:
            raise cancelled_error()

    def run(self, read: Callable[[], bool]) -> None:
        try:
            self.succeeded = read()
        except BaseException as error:
            self.error = error
