"""Fan-out: where a job's workers run, and what everybody may rely on.

Whatever happens, when a function of this module returns or raises, none of the job's workers runs
any more, no token is held and no chunk is claimed. If several chunks fail, the first error is
raised, and the others are mentioned in a note.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from virtchunk._bridge import run_elsewhere, run_in_loop
from virtchunk._control import Control, InLoopError, NoLoopError
from virtchunk._engine.errand import check_cancelled
from virtchunk._engine.job import SLICE, Job
from virtchunk._engine.tasks import run_in_tasks, run_in_this_task
from virtchunk._engine.threads import run_here, run_in_threads
from virtchunk._engine.worker import caller
from virtchunk._loop import running_loop, same_loop

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

__all__ = ("run", "run_blocking")

_MOST_PIECES = 256
"""Pieces looked up in the cache at a time."""


def run_blocking(job: Job, control: Control) -> None:
    """Work off a job in this thread; async callbacks in their event loop, which is another's.

    Raises:
        BaseException: What the first failing callback raised.
        TimeoutError: If ``control`` has a deadline that has passed.
        RuntimeError: If the callbacks are async and their loop is this thread's.
        ValueError: If the callbacks are async and there is no loop to run them.
    """
    for _ in job.serve_rows():
        control.check()
    if job.taken == job.total > 0:
        return
    if job.is_async and not _is_served(job):
        parent = caller()
        check = None if parent is None else parent.check or check_cancelled
        run_in_loop(_home(job, control), partial(run_in_this_task, job), control, check)
    else:
        run_here(job, control)


def _home(job: Job, control: Control) -> EventLoopToken:
    """Return the loop in which a blocking call has async callbacks run."""
    here, parent = running_loop(), caller()
    loop = job.source.home() or (None if parent is None else parent.loop)
    blocked = [] if parent is None else [worker.blocks for worker in parent.ancestry()]
    if (here is not None and loop is None) or any(same_loop(b, loop) for b in [here, *blocked]):
        raise InLoopError(
            "a blocking call in the event loop's own thread would wait for async callbacks that "
            "this loop has to run; use `await t.read()` or `await t.write(...)` instead of "
            "`.result()` or `t[...] = x`",
            control,
        )
    if loop is None:
        raise NoLoopError(
            "no event loop specified and thread does not have a running event loop: the callbacks "
            "are async; use `await`, or pass loop= to virtual_chunked",
            control,
        )
    return loop


async def run(job: Job) -> None:
    """Work off a job, awaiting it. Always checkpoints.

    Cancellation reaches async callbacks at once. Synchronous callbacks finish the chunk they are
    at; no further ones are called. Either way nothing runs on.

    Raises:
        BaseException: What the first failing callback raised.
    """
    if await _serve_from_cache(job):
        await anyio.lowlevel.checkpoint()
    elif job.is_async:
        loop = job.source.loop
        if loop is None or same_loop(loop, running_loop()):
            await run_in_tasks(job)
        else:
            await run_elsewhere(loop, partial(run_in_this_task, job))
    else:
        await run_in_threads(job)


async def _serve_from_cache(job: Job) -> bool:
    """Deliver what needs no callback, right here; say whether that was all."""
    started = perf_counter()
    for _ in job.serve_rows():
        if perf_counter() - started > SLICE:
            await anyio.lowlevel.checkpoint()
            started = perf_counter()
    while job.taken < job.total:
        if not _serve(job):
            return False
        if perf_counter() - started > SLICE:
            await anyio.lowlevel.checkpoint()
            started = perf_counter()
    return True


def _is_served(job: Job) -> bool:
    """Do the same without awaiting."""
    while job.taken < job.total:
        if not _serve(job):
            return False
    return True


def _serve(job: Job) -> bool:
    """Deliver some pieces that need no callback; False at the first one that does."""
    if not job.cached:
        return False
    missing = job.serve(job.take(_MOST_PIECES))
    job.put_back(missing)
    return not missing
