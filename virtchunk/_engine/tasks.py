"""Async callbacks: a pool of tasks that grows only when it has to.

A new task is started only when a callback suspends while there is more to do and a token is free.
Callbacks that never suspend cost no task, and a thousand that wait on a network wait at the same
time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from virtchunk._engine.job import Job, raise_first
from virtchunk._engine.worker import Lending, Worker, caller, current_worker
from virtchunk._interrupts import at_checkpoints
from virtchunk._loop import running_loop

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ("run_in_tasks", "run_in_this_task")


class _Tasks:
    """The growing pool of tasks that work on one job of async callbacks."""

    def __init__(self, job: Job, parent: Worker | None, group: TaskGroup) -> None:
        self.job = job
        self.parent = parent
        self.group = group
        self.limiter = job.source.callbacks
        self.loop = running_loop()
        self.active = 0
        self.starting: set[Worker] = set()
        """Workers whose tasks have not begun; asyncio may cancel a task before that."""
        self.failures: list[BaseException] = []
        self.cancelled: list[BaseException] = []

    def grow(self) -> None:
        """Use the time that a callback waits: start another task, if there is work and a token."""
        if self.group.cancel_scope.cancel_called:
            return  # each task that ends would start one more, all through what is left of the job
        job = self.job
        if (job.taken < job.total or job.deferred) and not self.limiter.full:
            worker = Worker(self.limiter, self.parent, self.loop)
            if worker.try_acquire():
                self.starting.add(worker)
                self.group.start_soon(self.work, worker)

    @at_checkpoints
    async def work(self, worker: Worker) -> None:
        """Work off pieces until there are none left; runs in each of the tasks."""
        self.starting.discard(worker)
        current_worker.set(worker)  # the task's own context: nothing to reset
        self.active += 1
        try:
            await self.job.run_pieces(worker, _TaskPace(self, worker))
        except anyio.get_cancelled_exc_class() as error:
            self.cancelled.append(error)
            self.group.cancel_scope.cancel()
            raise
        except BaseException as error:
            self.failures.append(error)
            self.group.cancel_scope.cancel()
        finally:
            self.active -= 1
            worker.close()


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


class _LonePace:
    """The pace of a task that has no others beside it; see `virtchunk._engine.job.Pace`."""

    waiters = ()
    paused = False

    def suspended(self) -> None:
        """Start nothing: there is nothing more to do."""

    async def rest(self) -> bool:
        await anyio.lowlevel.checkpoint()
        return True


async def run_in_this_task(job: Job) -> None:
    """Work off a job of async callbacks in this task, which is the engine's own.

    What callbacks do to its context variables must be nobody else's concern.
    """
    if job.total > 1:
        await run_in_tasks(job)
        return
    parent = caller()
    async with Lending(parent):
        worker = Worker(job.source.callbacks, parent, running_loop())
        await worker.acquire()
        current_worker.set(worker)
        try:
            await job.run_pieces(worker, _LonePace())
        except Exception as error:
            raise_first(job, [error])
        finally:
            worker.close()


async def run_in_tasks(job: Job) -> None:
    """Work off a job of async callbacks in tasks."""
    parent = caller()
    async with Lending(parent):
        worker = Worker(job.source.callbacks, parent, running_loop())
        await worker.acquire()
        group = anyio.create_task_group()
        tasks = _Tasks(job, parent, group)
        tasks.starting.add(worker)
        try:
            async with group:
                group.start_soon(tasks.work, worker)
        finally:
            for unused in tasks.starting:
                unused.close()
    # Nobody cancelled *us*, or we would not be here: a lone cancellation is a callback's own doing.
    failures = tasks.failures or tasks.cancelled
    if failures:
        raise_first(job, failures)
