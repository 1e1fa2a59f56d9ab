"""Running a function in a worker thread of the running loop, and never losing sight of it.

A thread cannot be cancelled. What cancels a task that waits for one must therefore wait until the
thread has ended, and tell it to stop soon. A shield of anyio does the first, but not against
``task.cancel()`` of asyncio (which is also what ``asyncio.timeout`` uses).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar, final

import anyio

from virtchunk._engine.parked import hand_over
from virtchunk._loop import cancelled_error
from virtchunk._signal import Signal

__all__ = ("Stop", "check_cancelled", "run_errand", "run_short_errand")

T = TypeVar("T")


def check_cancelled() -> None:
    """Raise the cancellation of the task that waits for this thread, if it was cancelled.

    Does nothing in threads that no task waits for.
    """
    with suppress(anyio.NoEventLoopError):
        anyio.from_thread.check_cancelled()


@final
class _Errand(Generic[T]):
    """A function on its way to a thread: it is run there or, if it is called off first, never."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function: Callable[[], T] | None = function
        self._go = [None]
        self.values: list[T] = []
        self.error: BaseException | None = None
        self.ended = Signal()

    def __call__(self) -> None:
        if self.call_off():
            # An idle thread of anyio's remembers what it was called with last: not the function.
            function, self._function = self._function, None
            assert function is not None
            try:
                self.values.append(function())
            except BaseException as error:
                self.error = error
            finally:
                del function
                self.ended.set()

    def result(self) -> T:
        """Return what the function returned, or raise what it raised; only once."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return self.values[0]

    def call_off(self) -> bool:
        """Say whether the function has not begun; it will not any more. True only once."""
        try:
            self._go.pop()
        except IndexError:
            return False
        return True


async def run_errand(function: Callable[[], T], stop: Callable[[], object]) -> T:
    """Run a function in a worker thread. When this returns or raises, it has ended.

    Args:
        function: What to run. Any result is fine, even a coroutine.
        stop: Called if the waiting task is cancelled and `check_cancelled` cannot tell.
    """
    errand = _Errand(function)
    try:
        # A limiter without limit: how many threads there are is a matter of our own limits.
        await anyio.to_thread.run_sync(errand, limiter=anyio.CapacityLimiter(math.inf))
    except anyio.get_cancelled_exc_class():
        stop()
        if not errand.call_off():
            await errand.ended.wait_out()
        raise
    return errand.result()


_LONGEST_STALL = 2e-3
"""Seconds that an event loop waits for an errand that should be short."""


async def run_short_errand(
    function: Callable[[], T], stop: Callable[[], object], was_long: Callable[[], object]
) -> T:
    """Do the same for a function that should take less time than to start a thread of the loop.

    The event loop waits for it right here, for two milliseconds at most. Does not checkpoint.

    Args:
        function: What to run, in a thread that is none of the loop's.
        stop: Called if the waiting task is cancelled.
        was_long: Called if the function has taken longer.
    """
    errand = _Errand(partial(copy_context().run, function))
    hand_over(errand)
    if not errand.ended.wait_blocking(_LONGEST_STALL):
        was_long()
        try:
            await errand.ended.wait()
        except anyio.get_cancelled_exc_class():
            stop()
            await errand.ended.wait_out()
            raise
    return errand.result()


class Stop:
    """Whether a thread should stop, as far as `check_cancelled` cannot tell."""

    __slots__ = ("_wanted",)

    def __init__(self) -> None:
        self._wanted = False

    def __call__(self) -> None:
        self._wanted = True

    def check(self) -> None:
        if self._wanted:
            raise cancelled_error()
        check_cancelled()
