"""What a blocking run is asked to look at: a deadline, and a wish to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final

from virtchunk._loop import cancelled_error

__all__ = ("Control", "InLoopError", "NoLoopError", "NotHere")


@final
class Control:
    """Held by whoever waits for a blocking run; the run looks at it between pieces of work.

    Args:
        deadline: Latest time to work on, on the monotonic clock; None for no limit.
        watch: Raises if the run has to stop for another reason; only for the thread it begins in.
    """

    __slots__ = ("_cancelled", "deadline", "on_cancel", "watch")

    def __init__(
        self, deadline: float | None = None, watch: Callable[[], object] | None = None
    ) -> None:
        self.deadline: float | None = deadline
        self.watch: Callable[[], object] | None = watch
        self.on_cancel: Callable[[], object] | None = None
        """Called, from any thread, when the run is to stop, while it waits for a loop."""
        self._cancelled = False

    def cancel(self) -> None:
        """Ask the run to stop, from any thread."""
        self._cancelled = True
        if self.on_cancel is not None:
            self.on_cancel()

    def late(self) -> bool:
        """Say whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def remaining(self) -> float | None:
        """Return the seconds left until the deadline, or None if there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def check(self) -> None:
        """Raise if the run has to stop.

        Raises:
            TimeoutError: If the deadline has passed.
            asyncio.CancelledError: If the future was cancelled.
        """
        if self._cancelled:
            raise cancelled_error()
        if self.watch is not None:
            self.watch()
        if self.late():
            raise TimeoutError("the operation did not finish within its timeout; it was stopped")


class NotHere(Exception):
    """Raised by a blocking run that cannot be made in this thread, before anything has begun.

    A future whose own run it was (``control`` tells) can still be awaited.
    """

    def __init__(self, message: str, control: Control) -> None:
        super().__init__(message)
        self.control = control


class InLoopError(NotHere, RuntimeError):
    """A blocking call in an event loop's own thread would wait for what only this loop can do."""


class NoLoopError(NotHere, ValueError):
    """A blocking call would need an event loop, and there is none."""
