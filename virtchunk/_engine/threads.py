"""Synchronous callbacks: in the calling thread, in helpers beside it, and in threads of a loop.

Plain code runs its callbacks itself. Under an event loop they run in a worker thread, so that the
loop stays responsive. In both cases, when they turn out to take long enough that a second core may
pay, further threads pull from the same iterator.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from virtchunk._control import Control
from virtchunk._engine.errand import check_cancelled, run_errand
from virtchunk._engine.job import SLICE, Job, raise_first
from virtchunk._engine.tasks import run_in_tasks
from virtchunk._engine.worker import Lending, Worker, caller, current_worker
from virtchunk._interrupts import at_checkpoints
from virtchunk._loop import cancelled_error, running_loop

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

__all__ = ("run_here", "run_in_threads")

_MOST_PIECES = 256
"""Pieces taken at a time, at most."""
_WORTH_A_THREAD = 50e-6
"""Seconds per callback from which on another thread is tried."""
_BETWEEN_CHECKS = 0.02
"""Seconds that a thread waits for its helpers before it sees whether it should stop them."""


class _Threads:
    """The threads that work on one job: a first one, and helpers.

    Args:
        job: What to do.
        parent: The worker whose callback started the job.
        loop: The loop of the task that awaits the job, if any.
        check: Raises, in the first thread, if the work has to stop.
        check_helper: Raises, in a helper, if the work has to stop.
        start: Runs a helper in another thread.
    """

    def __init__(
        self,
        job: Job,
        parent: Worker | None,
        loop: EventLoopToken | None,
        check: Callable[[], object],
        check_helper: Callable[[], object],
        start: Callable[[Worker], None],
    ) -> None:
        self.job = job
        self.limiter = job.source.data_copy
        self.parent = parent
        self.loop = loop
        self.check = check
        self.check_helper = check_helper
        self.start = start
        self.failures: list[BaseException] = []
        self.stopped = False

    def first_worker(self) -> Worker:
        return Worker(self.limiter, self.parent, self.loop, self._check_first)

    def stop(self) -> None:
        self.stopped = True

    def _check_first(self) -> None:
        if self.stopped:
            raise cancelled_error()
        self.check()

    def _check_helper(self) -> None:
        if self.stopped:
            raise cancelled_error()
        self.check_helper()

    def work(self, worker: Worker, helping: bool = False) -> None:
        """Pull and work off pieces until there are none left; runs in each of the threads.

        Never raises: failures are collected, and the first one stops all. What others raise because
        they have been stopped is no failure.
        """
        token = current_worker.set(worker)
        try:
            self._work(worker, helping)
        except BaseException as error:
            if not (self.stopped and isinstance(error, type(cancelled_error()))):
                self.failures.append(error)
            self.stopped = True
        finally:
            current_worker.reset(token)

    def work_and_close(self, worker: Worker, helping: bool = False) -> None:
        """Work, and give the worker's token back."""
        try:
            self.work(worker, helping)
        finally:
            worker.close()

    def _work(self, worker: Worker, helping: bool) -> None:
        job, limiter, size = self.job, self.limiter, 1
        check = self.check_helper if helping else self.check
        while not self.stopped:
            check()
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
        helper = Worker(self.limiter, self.parent, self.loop, self._check_helper)
        if helper.try_acquire():
            try:
                self.start(helper)
            except BaseException:
                helper.close()
                raise


def run_here(job: Job, control: Control) -> None:
    """Work off a job of synchronous callbacks in this thread and, if that pays, in helpers."""
    parent = caller()
    check = control.check
    if parent is not None:
        check = partial(_check_both, control.check, parent.check or check_cancelled)
    helpers: list[threading.Thread] = []
    blocked: list[EventLoopToken | None] = []

    def start(helper: Worker) -> None:
        if not helpers:  # only this thread is at work yet
            blocked.append(running_loop())
        helper.blocks = blocked[0]
        thread = threading.Thread(
            target=copy_context().run, args=(threads.work_and_close, helper, True), daemon=True
        )
        thread.start()
        helpers.append(thread)

    threads = _Threads(job, parent, job.source.home(), check, control.check, start)
    worker = threads.first_worker()
    if parent is not None and parent.serve(worker):
        # The token that this thread holds already serves: its callback does nothing meanwhile.
        try:
            threads.work(worker)
            _join(helpers, threads)
        finally:
            parent.end_service(worker)
    else:
        with Lending(parent):
            worker.acquire_blocking()
            threads.work_and_close(worker)
            _join(helpers, threads)
    if threads.failures:
        raise_first(job, threads.failures)


def _check_both(one: Callable[[], object], other: Callable[[], object]) -> None:
    one()
    other()


def _join(helpers: list[threading.Thread], threads: _Threads) -> None:
    """Wait for the helpers' end, and make it come soon if this thread has to stop."""
    try:
        for thread in helpers:  # each may have started one more
            while thread.is_alive():
                thread.join(_BETWEEN_CHECKS)
                threads.check()
    except BaseException as error:
        threads.stopped = True
        threads.failures.insert(0, error)
        for thread in helpers:
            thread.join()


async def run_in_threads(job: Job) -> None:
    """Work off a job of synchronous callbacks in worker threads, awaiting them.

    What others are busy with is waited for in tasks: a thousand that wait for one chunk would be a
    thousand threads.
    """
    job.deferred = []
    try:
        if not _is_deferred(job):
            await _run_in_threads(job)
        if job.deferred:
            job.resume_deferred()
            await run_in_tasks(job)
    except BaseException:
        job.unfinished.extend(job.deferred)
        raise


def _is_deferred(job: Job) -> bool:
    """Defer the only piece of a job, if that is the case."""
    if job.total > 1:
        return False
    piece = job.take(1)
    if job.busy(piece[0][0]):
        job.deferred = piece
        return True
    job.put_back(piece)
    return False


async def _run_in_threads(job: Job) -> None:
    parent = caller()
    loop = job.source.loop or running_loop()
    check = check_cancelled
    async with Lending(parent):
        if job.total == 1:
            threads = _Threads(job, parent, loop, check, check, _refuse)
            worker = threads.first_worker()
            await worker.acquire()
            await _in_thread(threads, worker, partial(threads.work, worker))
        else:
            async with anyio.create_task_group() as group:

                def start(helper: Worker) -> None:
                    work = partial(copy_context().run, threads.work, helper, True)
                    anyio.from_thread.run_sync(group.start_soon, _in_thread, threads, helper, work)

                threads = _Threads(job, parent, loop, check, check, start)
                worker = threads.first_worker()
                await worker.acquire()
                await _in_thread(threads, worker, partial(threads.work, worker))
    await anyio.lowlevel.checkpoint_if_cancelled()
    if threads.failures:
        raise_first(job, threads.failures)


@at_checkpoints
async def _in_thread(threads: _Threads, worker: Worker, work: Callable[[], None]) -> None:
    """Work in a thread of the loop. When this returns or raises, the thread has ended."""
    try:
        await run_errand(work, threads.stop)
    finally:
        worker.close()


def _refuse(helper: Worker) -> None:
    raise AssertionError("a single chunk needs no helper")
