"""Fan-out: how many workers a job gets, where they run, and how they end together.

Whatever happens, when a function of this module returns or raises, none of the job's workers runs
any more, no token is held and no chunk is claimed. If several chunks fail, the first error is
raised, and the others are mentioned in a note.

- Synchronous callbacks in plain code run in the calling thread. Under an event loop they run in a
  worker thread, and the loop stays responsive. In both cases, when the callbacks turn out to take
  long enough that a second core may pay, further threads pull from the same iterator.
- Async callbacks run in a *growing pool* of tasks: a new task is started only when a callback
  suspends while there is more to do and a token is free. Callbacks that never suspend cost no
  task, and a thousand that wait on a network wait at the same time.
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
from anyio.abc import TaskGroup
from anyio.lowlevel import EventLoopToken

from virtchunk._bridge import run_elsewhere, run_in_loop
from virtchunk._control import Control
from virtchunk._engine.job import SLICE, Job
from virtchunk._engine.worker import Lending, Worker, current_worker, entered
from virtchunk._loop import running_loop, same_loop

__all__ = ("run", "run_blocking")

_MOST_PIECES = 256
"""Pieces taken at a time, at most."""
_WORTH_A_THREAD = 50e-6
"""Seconds per callback from which on another thread is tried."""


# -- threads -------------------------------------------------------------------------------------


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
        try:
            with entered(worker):
                self._work(worker, helping)
        except BaseException as error:  # noqa: BLE001 - raised by the job's own thread or task
            self.stopped = True
            self.failures.append(error)

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
            if limiter.waiters:
                if helping:
                    return
                worker.release()
                worker.acquire_blocking()
            elif each > _WORTH_A_THREAD and job.taken < job.total:
                self._try_helper()
            if job.taken >= job.total:
                return

    def _try_helper(self) -> None:
        """Start another thread if a token is free."""
        helper = self.new_worker()
        if helper.try_acquire():
            try:
                self.start(partial(self.work_and_release, helper, helping=True))
            except BaseException:
                helper.release()
                raise


def run_blocking(job: Job, control: Control) -> None:
    """Work off a job in this thread; async callbacks in their event loop, which is another's.

    Raises:
        BaseException: What the first failing callback raised.
        TimeoutError: If ``control`` has a deadline that has passed.
        RuntimeError: If the callbacks are async and their loop is this thread's.
        ValueError: If the callbacks are async and there is no loop to run them.
    """
    if job.is_async and not _is_served(job):
        run_in_loop(_home(job), partial(_run_in_tasks, job), control)
    else:
        _run_here(job, control)


def _is_served(job: Job) -> bool:
    """Deliver what needs no callback; say whether that was all."""
    while job.taken < job.total:
        missing = job.serve(job.take(_MOST_PIECES))
        if missing:
            job.put_back(missing)
            return False
    return True


def _home(job: Job) -> EventLoopToken:
    """Return the loop in which a blocking call has async callbacks run."""
    here, parent = running_loop(), current_worker.get()
    loop = job.source.home() or (None if parent is None else parent.loop)
    if here is not None and (loop is None or same_loop(here, loop)):
        raise RuntimeError(
            "a blocking call in the event loop's own thread would wait for async callbacks that "
            "this loop has to run; use `await t.read()` or `await t.write(...)` instead of "
            "`.result()` or `t[...] = x`"
        )
    if loop is None:
        raise ValueError(
            "no event loop specified and thread does not have a running event loop: the callbacks "
            "are async; use `await`, or pass loop= to virtual_chunked"
        )
    return loop


def _run_here(job: Job, control: Control) -> None:
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
        _raise_first(job, threads.failures)


async def _run_in_threads(job: Job) -> None:
    """Work off a job of synchronous callbacks in worker threads, awaiting them."""
    parent = current_worker.get()
    loop = job.source.loop or running_loop()
    async with Lending(parent):
        if job.total == 1:
            threads = _Threads(job, parent, loop, _check_thread, _refuse)
            worker = threads.new_worker()
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
        _raise_first(job, threads.failures)


async def _in_thread(function: Callable[..., None], *args: Any) -> None:
    # A limiter of our own: data_copy_concurrency is what bounds these threads.
    await anyio.to_thread.run_sync(function, *args, limiter=anyio.CapacityLimiter(math.inf))


def _check_thread() -> None:
    anyio.from_thread.check_cancelled()


def _refuse(target: Callable[[], None]) -> None:
    raise AssertionError("a single chunk needs no helper")


# -- tasks ---------------------------------------------------------------------------------------


class _Tasks:
    """The growing pool of tasks that work on one job of async callbacks."""

    def __init__(self, job: Job, parent: Worker | None, group: TaskGroup) -> None:
        self.job = job
        self.parent = parent
        self.group = group
        self.limiter = job.source.callbacks
        self.loop = running_loop()
        self.active = 0
        self.failures: list[BaseException] = []
        self.cancelled: list[BaseException] = []

    def grow(self) -> None:
        """Use the time that a callback waits: start another task, if there is work and a token."""
        if self.group.cancel_scope.cancel_called:
            return  # each task that ends would start one more, all through what is left of the job
        if self.job.taken < self.job.total:
            worker = Worker(self.limiter, self.parent, self.loop)
            if worker.try_acquire():
                self.group.start_soon(self.work, worker)

    async def work(self, worker: Worker) -> None:
        """Work off pieces until there are none left; runs in each of the tasks."""
        current_worker.set(worker)  # the task's own context: nothing to reset
        self.active += 1
        try:
            await self.job.run_pieces(worker, _TaskPace(self, worker))
        except anyio.get_cancelled_exc_class() as error:
            self.cancelled.append(error)
            self.group.cancel_scope.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - raised by the job's own task
            self.failures.append(error)
            self.group.cancel_scope.cancel()
        finally:
            self.active -= 1
            worker.release()


class _TaskPace:
    """See `virtchunk._engine.job.Pace`."""

    __slots__ = ("_tasks", "_worker", "paused", "waiters")

    def __init__(self, tasks: _Tasks, worker: Worker) -> None:
        self._tasks = tasks
        self._worker = worker
        self.paused = False
        self.waiters = worker.limiter.waiters

    def suspended(self) -> None:
        self.paused = True
        self._tasks.grow()

    async def rest(self) -> bool:
        if self.waiters:
            if self._tasks.active > 1:
                return False
            self._worker.release()
            await self._worker.acquire()
        await anyio.lowlevel.checkpoint()
        return True


async def _run_in_tasks(job: Job) -> None:
    """Work off a job of async callbacks in tasks."""
    parent = current_worker.get()
    async with Lending(parent):
        worker = Worker(job.source.callbacks, parent, running_loop())
        await worker.acquire()
        try:
            async with anyio.create_task_group() as group:
                tasks = _Tasks(job, parent, group)
                group.start_soon(tasks.work, worker)
        finally:
            worker.release()
    # Nobody cancelled *us*, or we would not be here: a lone cancellation is a callback's own doing.
    failures = tasks.failures or tasks.cancelled
    if failures:
        _raise_first(job, failures)


# -- both ----------------------------------------------------------------------------------------


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
        if job.source.loop is None:
            await _run_in_tasks(job)
        else:
            await run_elsewhere(job.source.loop, partial(_run_in_tasks, job))
    else:
        await _run_in_threads(job)


async def _serve_from_cache(job: Job) -> bool:
    """Deliver what needs no callback, right here; say whether that was all."""
    started = perf_counter()
    while job.taken < job.total:
        block = job.take(_MOST_PIECES)
        missing = job.serve(block)
        if missing:
            job.put_back(missing)
            return False
        if perf_counter() - started > SLICE:
            await anyio.lowlevel.checkpoint()
            started = perf_counter()
    return True


def _raise_first(job: Job, failures: list[BaseException]) -> None:
    error, *others = failures
    if isinstance(error, Exception):
        job.explain_failure(error)
        for other in others:
            error.add_note(f"another chunk failed too: {other!r}")
    raise error
