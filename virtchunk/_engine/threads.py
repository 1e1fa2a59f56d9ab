"""Synchronous callbacks: in the calling thread, in helpers beside it, and in threads of a loop.

Plain code runs its callbacks itself. Under an event loop they run in a worker thread, so that the
loop stays responsive. In both cases, when they turn out to take long enough that a second core may
pay, further threads pull from the same iterator.

A read of a single chunk, whose callback has been quick so far, is not worth the some hundred
microseconds that a loop takes to start a thread and be woken by it. It is handed to a parked thread,
and the loop waits for that right here, but for two milliseconds at most: if the callback takes
longer after all, or waits for something that only the loop can give, the loop goes on without it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from anyio.lowlevel import EventLoopToken

from virtchunk._control import Control
from virtchunk._engine.job import SLICE, Job, raise_first
from virtchunk._engine.parked import hand_over
from virtchunk._engine.worker import Lending, Worker, current_worker
from virtchunk._loop import running_loop

__all__ = ("run_here", "run_in_threads")

_MOST_PIECES = 256
"""Pieces taken at a time, at most."""
_WORTH_A_THREAD = 50e-6
"""Seconds per callback from which on another thread is tried."""
_LONGEST_STALL = 2e-3
"""Seconds that an event loop waits for a callback that has been quick so far."""


class _Threads:
    """The threads that work on one job: a first one, and helpers.

    Args:
        job: What to do.
        parent: The worker whose callback started the job.
        loop: The loop of the task that awaits the job, if any.
        check: Raises if the work has to stop.
        start: Runs a function in another thread.
    """

    def __init__(
        self,
        job: Job,
        parent: Worker | None,
        loop: EventLoopToken | None,
        check: Callable[[], object],
        start: Callable[[Callable[[], None]], None],
    ) -> None:
        self.job = job
        self.limiter = job.source.data_copy
        self.parent = parent
        self.loop = loop
        self.check = check
        self.start = start
        self.failures: list[BaseException] = []
        self.stopped = False

    def new_worker(self) -> Worker:
        return Worker(self.limiter, self.parent, self.loop)

    def work(self, worker: Worker, helping: bool = False) -> None:
        """Pull and work off pieces until there are none left; runs in each of the threads.

        Never raises: failures are collected, and the first one stops all.
        """
        token = current_worker.set(worker)
        try:
            self._work(worker, helping)
        except BaseException as error:  # noqa: BLE001 - raised by the job's own thread or task
            self.stopped = True
            self.failures.append(error)
        finally:
            current_worker.reset(token)

    def work_and_release(self, worker: Worker, helping: bool = False) -> None:
        """Work, and give the worker's token back."""
        try:
            self.work(worker, helping)
        finally:
            worker.release()

    def _work(self, worker: Worker, helping: bool) -> None:
        job, limiter, size = self.job, self.limiter, 1
        while not self.stopped:
            self.check()
            block = job.take(size)
            if not block:
                return
            started = perf_counter()
            job.run_block(block, worker)
            each = (perf_counter() - started) / len(block)
            size = min(8 * size, _MOST_PIECES, int(SLICE / max(each, 1e-9)) + 1)
            job.source.observed(each)
            if job.taken >= job.total:
                return
            if limiter.waiters:
                if helping:
                    return
                worker.release()
                worker.acquire_blocking()
            elif each > _WORTH_A_THREAD:
                self._try_helper()

    def _try_helper(self) -> None:
        """Start another thread if a token is free."""
        helper = self.new_worker()
        if helper.try_acquire():
            try:
                self.start(partial(self.work_and_release, helper, helping=True))
            except BaseException:
                helper.release()
                raise


def run_here(job: Job, control: Control) -> None:
    """Work off a job of synchronous callbacks in this thread and, if that pays, in helpers."""
    parent = current_worker.get()
    helpers: list[threading.Thread] = []

    def start(target: Callable[[], None]) -> None:
        thread = threading.Thread(target=copy_context().run, args=(target,), daemon=True)
        thread.start()
        helpers.append(thread)

    threads = _Threads(job, parent, job.source.home(), control.check, start)
    worker = threads.new_worker()
    if parent is not None and parent.held and parent.limiter is worker.limiter:
        # The token that this thread holds already serves: its callback does nothing meanwhile.
        worker.held, parent.held = True, False
        threads.work(worker)
        parent.held, worker.held = worker.held, False
    else:
        with Lending(parent):
            worker.acquire_blocking()
            threads.work_and_release(worker)
    for thread in helpers:
        thread.join()
    if threads.failures:
        raise_first(job, threads.failures)


async def run_in_threads(job: Job) -> None:
    """Work off a job of synchronous callbacks in worker threads, awaiting them."""
    parent = current_worker.get()
    loop = job.source.loop or running_loop()
    async with Lending(parent):
        if job.total == 1:
            threads = _Threads(job, parent, loop, _check_thread, _refuse)
            worker = threads.new_worker()
            if not (job.source.quick and await _run_quickly(threads, worker)):
                await worker.acquire()
                await _in_thread(threads.work_and_release, worker)
        else:
            async with anyio.create_task_group() as group:

                def start(target: Callable[[], None]) -> None:
                    anyio.from_thread.run_sync(group.start_soon, _in_thread, target)

                threads = _Threads(job, parent, loop, _check_thread, start)
                worker = threads.new_worker()
                await worker.acquire()
                await _in_thread(threads.work_and_release, worker)
    await anyio.lowlevel.checkpoint_if_cancelled()
    if threads.failures:
        raise_first(job, threads.failures)


async def _run_quickly(threads: _Threads, worker: Worker) -> bool:
    """Work off a single chunk in a parked thread; False if that was not possible after all."""
    job = threads.job
    if not worker.try_acquire():
        return False
    await anyio.lowlevel.checkpoint()
    threads.check = _never
    done = hand_over(partial(copy_context().run, threads.work_and_release, worker))
    if not done.wait_blocking(_LONGEST_STALL):
        job.source.observed(math.inf)
        with anyio.CancelScope(shield=True):
            await done.wait()
    if threads.failures and isinstance(threads.failures[0], anyio.NoEventLoopError):
        # A callback that talks to its loop through anyio.from_thread needs a thread of anyio's.
        job.source.observed(math.inf)
        threads.failures.clear()
        threads.stopped = False
        threads.check = _check_thread
        job.put_back(list(job.partition.pieces()))
        job.unfinished.clear()
        return False
    return True


def _never() -> None:
    """There is nothing to check before a single chunk."""


async def _in_thread(function: Callable[..., None], *args: Any) -> None:
    # A limiter of our own: data_copy_concurrency is what bounds these threads.
    await anyio.to_thread.run_sync(function, *args, limiter=anyio.CapacityLimiter(math.inf))


def _check_thread() -> None:
    anyio.from_thread.check_cancelled()


def _refuse(target: Callable[[], None]) -> None:
    raise AssertionError("a single chunk needs no helper")
