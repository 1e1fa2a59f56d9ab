"""Reading one chunk in this thread: what small reads do, without a job, workers or blocks."""

from __future__ import annotations

from collections.abc import Callable
from operator import sub
from typing import TYPE_CHECKING, Any, TypeAlias

from virtchunk._engine.parameters import VirtualChunkedReadParameters
from virtchunk._engine.perform import wait_blocking
from virtchunk._engine.source import ChunkSource
from virtchunk._engine.worker import Worker, current_worker

if TYPE_CHECKING:
    import numpy as np

__all__ = ("read_one",)

Array: TypeAlias = "np.ndarray[Any, Any]"


def read_one(
    source: ChunkSource,
    piece: tuple[Any, ...],
    request: Array,
    bound: float,
    batch: Any,
    check: Callable[[], object],
) -> bool:
    """Read the only chunk of a request, if nobody and nothing has to be waited for.

    Args:
        source: The chunks.
        piece: The piece, of a partition that is not scattered.
        request: The array to read into, as the partition views it.
        bound: Content known to be current at this time (seconds since the epoch) serves.
        batch: Passed on to the callback.
        check: Raises if the read has to stop.

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
    worker = Worker(source.data_copy, None, source.home(), check)
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
            VirtualChunkedReadParameters(b"", bound, batch),
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
    if worker.followers or source.overtaken:
        source.tell_readers(lower, worker, array, returned)
    return True
