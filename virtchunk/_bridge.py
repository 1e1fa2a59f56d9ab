"""Running an async function in another event loop: from a blocked thread, or from a task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.lowlevel import EventLoopToken

from virtchunk._control import Control
from virtchunk._loop import call_soon, cancelled_error, is_running, running_loop, same_loop
from virtchunk._signal import Signal

__all__ = ("run_elsewhere", "run_in_loop")

T = TypeVar("T")


class _Visit(Generic[T]):
    """One call of an async function in a foreign loop, which can be cancelled from outside."""

    def __init__(self, loop: EventLoopToken, function: Callable[[], Awaitable[T]]) -> None:
        self._loop = loop
        self._function = function
        self._scopes: list[anyio.CancelScope] = []
        self._unwanted = False
        self.begun = False
        self.ended = Signal()

    def run(self) -> T:
        """Run it, blocking this thread for the result."""
        self.begun = True
        return anyio.from_thread.run(self._scoped, token=self._loop)

    async def _scoped(self) -> T:
        try:
            with anyio.CancelScope() as scope:
                self._scopes.append(scope)
                if self._unwanted:
                    scope.cancel()
                return await self._function()
        finally:
            self.ended.set()
        raise cancelled_error()

    def cancel(self) -> None:
        """Cancel the function; it ends soon, which sets ``ended``."""
        self._unwanted = True
        for scope in self._scopes:
            call_soon(self._loop, scope.cancel)


def run_in_loop(
    loop: EventLoopToken, function: Callable[[], Awaitable[T]], control: Control | None = None
) -> T:
    """Run an async function in ``loop``, from a thread of its own, and block for its result.

    An interrupt of the waiting thread (Ctrl-C) cancels the function and waits for its end, so that
    nothing runs on.

    Args:
        loop: Where to run.
        function: What to run.
        control: A deadline, and a way to cancel from another thread.

    Raises:
        TimeoutError: If the deadline passes.
        RuntimeError: If called in the thread of ``loop`` (it would wait for itself), or if ``loop``
            does not run.
    """
    if same_loop(running_loop(), loop):
        raise RuntimeError("a blocking call in the event loop's own thread; use await instead")
    _check_running(loop)
    visit = _Visit(loop, function if control is None else partial(_within, control, function))
    if control is not None:
        control.on_cancel = visit.cancel
        control.check()
    try:
        return visit.run()
    except (KeyboardInterrupt, SystemExit):
        if not visit.ended.is_set():
            visit.cancel()
            visit.ended.wait_blocking()
        raise


async def _within(control: Control, function: Callable[[], Awaitable[T]]) -> T:
    with anyio.fail_after(control.remaining()):
        return await function()


async def run_elsewhere(loop: EventLoopToken, function: Callable[[], Awaitable[T]]) -> T:
    """Run an async function in ``loop``, from a task of another one, and await its result.

    Cancellation cancels the function in its loop, and returns when it has ended.

    Raises:
        RuntimeError: If ``loop`` does not run.
    """
    if same_loop(running_loop(), loop):
        return await function()
    _check_running(loop)
    visit = _Visit(loop, function)
    try:
        return await anyio.to_thread.run_sync(
            visit.run, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
        )
    except anyio.get_cancelled_exc_class():
        if visit.begun:
            visit.cancel()
            with anyio.CancelScope(shield=True):
                await visit.ended.wait()
        raise


def _check_running(loop: EventLoopToken) -> None:
    if not is_running(loop):
        raise RuntimeError(
            f"the event loop {loop.native_token!r}, in which the callbacks are to run, is not running"
        )
