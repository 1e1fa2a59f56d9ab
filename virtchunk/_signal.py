"""A one-shot flag that wakes waiters in any thread and in any event loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import anyio.lowlevel

from virtchunk._loop import call_soon, running_loop

__all__ = ("Signal",)

_BETWEEN_CHECKS = 0.02
"""Seconds that a blocked thread may take to see that it should stop."""


class Signal:
    """Set once, from anywhere; every present and future waiter then goes on.

    Lock-free: a waiter first puts itself on the list and then looks at the flag, a setter first
    raises the flag and then empties the list, so one of the two always sees the other.
    """

    __slots__ = ("_listeners", "_set")

    def __init__(self) -> None:
        self._set = False
        self._listeners: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        """Say whether the signal was given."""
        return self._set

    def set(self) -> None:
        """Give the signal. Never blocks; a second call does nothing."""
        self._set = True
        while self._listeners:
            try:
                listener = self._listeners.pop()
            except IndexError:  # another thread took the last one
                return
            listener()

    async def wait(self) -> None:
        """Wait for the signal. Always checkpoints; cancellation leaves nothing behind."""
        if self._set:
            await anyio.lowlevel.checkpoint()
            return
        event = anyio.Event()
        home = threading.get_ident()
        loop = running_loop()
        assert loop is not None

        def listener() -> None:
            if threading.get_ident() == home:
                event.set()
            else:
                call_soon(loop, event.set)

        self._listeners.append(listener)
        try:
            if not self._set:
                await event.wait()
        finally:
            self._forget(listener)

    async def wait_out(self) -> None:
        """Wait for the signal whatever happens: a cancellation is raised when it has come.

        Shields hold off the cancellations of anyio and trio, but not ``task.cancel()`` of asyncio,
        which is also what ``asyncio.timeout`` does.
        """
        cancelled: BaseException | None = None
        with anyio.CancelScope(shield=True):
            while not self._set:
                try:
                    await self.wait()
                except anyio.get_cancelled_exc_class() as error:
                    cancelled = error
        if cancelled is not None:
            raise cancelled

    def wait_blocking(
        self, timeout: float | None = None, check: Callable[[], object] | None = None
    ) -> bool:
        """Block this thread for the signal, at most ``timeout`` seconds; say whether it came.

        Args:
            timeout: Maximum number of seconds to block.
            check: Called now and then while waiting; it raises if there is a reason to stop.
        """
        if self._set:
            return True
        gate = threading.Lock()
        gate.acquire()
        self._listeners.append(gate.release)
        try:
            return self.is_set() or _pass(gate, timeout, check)
        finally:
            self._forget(gate.release)

    def _forget(self, listener: Callable[[], object]) -> None:
        with suppress(ValueError):  # already called
            self._listeners.remove(listener)


def _pass(gate: threading.Lock, timeout: float | None, check: Callable[[], object] | None) -> bool:
    """Wait until the gate is opened; see `Signal.wait_blocking`."""
    if check is None:
        most = threading.TIMEOUT_MAX
        return gate.acquire(timeout=-1 if timeout is None else min(max(timeout, 0.0), most))
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        check()
        left = _BETWEEN_CHECKS if end is None else min(end - time.monotonic(), _BETWEEN_CHECKS)
        if gate.acquire(timeout=max(left, 0.0)):
            return True
        if left <= 0:
            return False
