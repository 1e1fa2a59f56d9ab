"""Capacity limits that hold across views, threads and event loops.

`anyio.CapacityLimiter` belongs to the one loop that first used it, while a
`Context` outlives loops and is used from several at once; so the limiter behind
``data_copy_concurrency`` and ``callback_concurrency`` counts under a lock of its own and wakes
waiters through `Signal`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, final

from virtchunk._fork import forget_in_child
from virtchunk._signal import Signal

if TYPE_CHECKING:
    from virtchunk._statistics import LimiterStatistics

__all__ = ("Limiter",)


@final
class Limiter:
    """A fair, thread-safe count of tokens.

    A token is held only while a callback of ours runs, never while its holder waits for another
    operation; so whoever waits here waits for work that makes progress.
    """

    __slots__ = ("__weakref__", "_borrowed", "_lock", "total", "waiters")

    def __init__(self, total: int) -> None:
        if total < 1:
            raise ValueError(f"a concurrency limit must be an integer >= 1, got {total}")
        self.total: int = total
        self._borrowed = 0
        # Reentrant, for the garbage collector may close a coroutine that holds a token anywhere.
        self._lock = threading.RLock()
        self.waiters: deque[Signal] = deque()
        """Who waits, first come first served: not empty means that holders should take turns."""
        forget_in_child(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._borrowed = 0
        self.waiters.clear()

    def __repr__(self) -> str:
        return f"Limiter({self.total})"

    @property
    def full(self) -> bool:
        """Whether there is no token to take, at this moment."""
        return self._borrowed >= self.total

    def statistics(self) -> LimiterStatistics:
        """Return a snapshot, for tests and monitoring."""
        from virtchunk._statistics import LimiterStatistics

        with self._lock:
            return LimiterStatistics(self.total, self._borrowed, len(self.waiters))

    def try_acquire(self) -> bool:
        """Take a token if one is free and nobody waits for it; never blocks."""
        self._lock.acquire()  # half the time of `with`
        try:
            if self._borrowed >= self.total or self.waiters:
                return False
            self._borrowed += 1
            return True
        finally:
            self._lock.release()

    async def acquire(self) -> None:
        """Wait for a token. Checkpoints when it has to wait; cancellation takes none."""
        turn = self._queue()
        if turn is not None:
            try:
                await turn.wait()
            except BaseException:
                self._give_up(turn)
                raise

    def acquire_blocking(self, check: Callable[[], object] | None = None) -> None:
        """Block this thread until a token is free. An interrupt (Ctrl-C) takes none.

        Args:
            check: See `Signal.wait_blocking`.
        """
        turn = self._queue()
        if turn is not None:
            try:
                turn.wait_blocking(check=check)
            except BaseException:
                self._give_up(turn)
                raise

    def acquire_beyond(self) -> None:
        """Take a token at once, be it one more than there are.

        For a holder that had lent its token, is cancelled and cannot wait: its callback goes on
        running, if only to clean up, and has to be counted.
        """
        with self._lock:
            self._borrowed += 1

    def release(self) -> None:
        """Give a token back: to the first in the queue, if there is one."""
        self._lock.acquire()
        try:
            if self.waiters and self._borrowed <= self.total:
                turn = self.waiters.popleft()
            else:
                if self._borrowed:  # in a forked child a token may come back that was forgotten
                    self._borrowed -= 1
                return
        finally:
            self._lock.release()
        turn.set()

    def _queue(self) -> Signal | None:
        with self._lock:
            if self._borrowed < self.total and not self.waiters:
                self._borrowed += 1
                return None
            turn = Signal()
            self.waiters.append(turn)
            return turn

    def _give_up(self, turn: Signal) -> None:
        """Leave the queue, or pass on the token that came in the same moment."""
        with self._lock:
            if turn in self.waiters:
                self.waiters.remove(turn)
                return
        self.release()
