"""Several operations at once: the layers of a stack, the tiles of a read that is computed.

As everywhere in this package, nothing outlives the call: when a function of this module returns or
raises, none of the operations runs any more. The first one that fails stops the others. Operations
are made as they are begun with, so that memory does not grow with their number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from functools import partial
from itertools import chain, islice
from time import perf_counter
from typing import Protocol, final

import anyio
import anyio.lowlevel

from virtchunk._control import Control, NotHere
from virtchunk._engine.errand import check_cancelled, run_errand
from virtchunk._engine.job import SLICE
from virtchunk._engine.worker import Lending, Worker, caller, current_worker
from virtchunk._interrupts import at_checkpoints
from virtchunk._limits import Limiter
from virtchunk._loop import cancelled_error, running_loop

__all__ = (
    "WORTH_A_THREAD",
    "Step",
    "compute",
    "run_aside",
    "run_instantly",
    "run_together",
    "run_together_blocking",
)

_MOST_THREADS = 16
"""Threads in which a blocking call waits for operations; callbacks have limits of their own."""
_SLOW = 10 * SLICE
"""Seconds from which on an operation is worth as many threads as there may be, at once."""
_BETWEEN_CHECKS = 0.02
"""Seconds that a thread waits for its helpers before it sees whether it should stop them."""
WORTH_A_THREAD = 1 << 18
"""Bytes from which on it pays to compute in a thread, rather than hold up the event loop."""


class Step(Protocol):
    """One of the operations."""

    def run_blocking(self, control: Control) -> object:
        """Run in this thread; call ``control.check()`` between pieces of work."""

    async def run(self) -> object:
        """Run in this task. Always checkpoints."""


async def run_together(steps: Iterable[Step], at_once: int) -> None:
    """Run operations in tasks, ``at_once`` of them at a time.

    Raises:
        BaseException: What the first failing one raised.
    """
    steps = iter(steps)
    several = list(islice(steps, 2))
    if len(several) < 2:
        await _run_alone(several)
        return
    group = _Tasks(chain(several, steps), at_once)
    async with Lending(caller()):
        async with anyio.create_task_group() as tasks:
            group.start = tasks.start_soon
            group.cancel = tasks.cancel_scope.cancel
            group.more()
        await anyio.lowlevel.checkpoint()
    # Nobody cancelled *us*, or we would not be here: a lone cancellation is an operation's own.
    _raise_first(group.failures or group.cancelled)


async def _run_alone(steps: list[Step]) -> None:
    await anyio.lowlevel.checkpoint()
    async with Lending(caller()):
        for step in steps:
            await step.run()


async def run_instantly(steps: Iterable[Step]) -> None:
    """Run operations that never wait, one after the other, giving others a turn in between."""
    await anyio.lowlevel.checkpoint()
    control, started = Control(), perf_counter()
    for step in steps:
        step.run_blocking(control)
        if perf_counter() - started > SLICE:
            await anyio.lowlevel.checkpoint()
            started = perf_counter()


async def run_aside(steps: Iterable[Step], at_once: int, limiter: Limiter) -> None:
    """Run operations that block in a thread and, if that pays, in others beside it.

    To them, this is a callback that starts them: it holds a token, which serves them meanwhile, and
    knows the loop in which to await what synchronous callbacks return.

    Args:
        steps: The operations.
        at_once: How many threads there may be.
        limiter: What the token is of.
    """
    steps = iter(steps)
    several = list(islice(steps, 2))
    if len(several) < 2:
        await _run_alone(several)
        return
    control, parent = Control(watch=check_cancelled), caller()
    async with Lending(parent):
        worker = Worker(limiter, parent, running_loop(), control.check)
        await worker.acquire()
        try:
            work = partial(_serve, worker, chain(several, steps), at_once, control)
            await run_errand(work, control.cancel)
        finally:
            worker.close()


def _serve(worker: Worker, steps: Iterable[Step], at_once: int, control: Control) -> None:
    token = current_worker.set(worker)
    try:
        run_together_blocking(steps, at_once, control)
    finally:
        current_worker.reset(token)


def run_together_blocking(steps: Iterable[Step], at_once: int, control: Control) -> None:
    """Run operations in this thread and, if they take long, in others beside it.

    Raises:
        BaseException: What the first failing one raised.
        TimeoutError: If ``control`` has a deadline that has passed.
    """
    # In an event loop's thread there are no helpers: this loop could not serve them.
    helpers = 0 if running_loop() is not None else min(at_once, _MOST_THREADS) - 1
    threads = _Threads(iter(steps), helpers, control)
    threads.work(control)
    threads.join()
    _raise_first(threads.failures)


async def compute(function: Callable[[], object], nbytes: int, limiter: Limiter) -> None:
    """Call a function that computes: here if that is quick, else in a thread within a limit.

    Args:
        function: Waits for nothing, so that it may hold a token.
        nbytes: How much it has to work on.
        limiter: The limit of such threads.
    """
    if nbytes < WORTH_A_THREAD:
        function()
        return
    await limiter.acquire()
    try:
        await run_errand(function, _nothing)
    finally:
        limiter.release()


def _nothing() -> None:
    """A computation is soon over: it need not be stopped, only waited for."""


def _raise_first(failures: list[BaseException]) -> None:
    if not failures:
        return
    error, *others = failures
    if isinstance(error, Exception):
        for other in others:
            error.add_note(f"another part failed too: {other!r}")
    raise error


@final
class _Tasks:
    """Tasks that pull from one iterator; each one that finds something starts the next."""

    def __init__(self, steps: Iterator[Step], at_once: int) -> None:
        self.steps = steps
        self.missing = at_once
        self.failures: list[BaseException] = []
        self.cancelled: list[BaseException] = []
        self.start: Callable[..., object]
        self.cancel: Callable[[], object]

    def more(self) -> None:
        if self.missing:
            self.missing -= 1
            self.start(self.work)

    @at_checkpoints
    async def work(self) -> None:
        first = True
        try:
            for step in self.steps:
                if first:
                    first = False
                    self.more()
                await step.run()
        except anyio.get_cancelled_exc_class() as error:
            self.cancelled.append(error)
            self.cancel()
            raise
        except BaseException as error:
            self.failures.append(error)
            self.cancel()


@final
class _Threads:
    """This thread and its helpers, pulling from one iterator.

    A helper is started when an operation has taken so long that another thread may pay.
    """

    def __init__(self, steps: Iterator[Step], helpers: int, control: Control) -> None:
        self.steps = steps
        self.missing = helpers
        self.control = control
        self.failures: list[BaseException] = []
        self.exhausted = False
        self.stopped = False
        self._controls = [control]
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def work(self, control: Control, eagerly: bool = False) -> None:
        """Run operations until there are none left; never raises."""
        try:
            if eagerly:
                self._try_helper(eagerly)
            while (step := self._take()) is not None:
                started = perf_counter()
                step.run_blocking(control)
                control.check()
                if (took := perf_counter() - started) > SLICE:
                    self._try_helper(took > _SLOW)
        except BaseException as error:
            self._fail(error)

    def join(self) -> None:
        """Wait for the helpers' end, and make it come soon if this thread has to stop."""
        try:
            for thread in self._threads:  # each may have started one more
                while thread.is_alive():
                    thread.join(_BETWEEN_CHECKS)
                    if not self.stopped:
                        self.control.check()
        except BaseException as error:
            self._fail(error)
            for thread in self._threads:
                thread.join()

    def _take(self) -> Step | None:
        with self._lock:
            if self.stopped:
                return None
            step = next(self.steps, None)
            self.exhausted = step is None
            return step

    def _try_helper(self, eagerly: bool) -> None:
        with self._lock:
            if self.exhausted or self.stopped or not self.missing:
                return
            self.missing -= 1
            control = Control(self.control.deadline)
            thread = threading.Thread(
                target=copy_context().run, args=(self.work, control, eagerly), daemon=True
            )
            self._controls.append(control)
            self._threads.append(thread)
            thread.start()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            # What one raises because another one has failed is no failure.
            if not (self.stopped and isinstance(error, type(cancelled_error()))):
                self.failures.append(error)
            self.stopped = True
            controls = self._controls
        if isinstance(error, NotHere):
            error.control = self.control  # so that our future knows that it may still be awaited
        for control in controls:
            control.cancel()
