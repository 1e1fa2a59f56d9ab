"""Workers: whoever runs callbacks, one after another, holding one token of a limit.

Operations nest: a callback may read another view, in its own task or by blocking its thread. The
rule that makes this safe at any depth, with every limit at 1: *nobody holds a token while waiting*.
A worker whose callback starts a nested operation lends its token back to the limit until that
operation has ended, and then waits its turn to go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, final

from anyio.lowlevel import EventLoopToken

from virtchunk._limits import Limiter

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Lending", "Worker", "current_worker", "entered")

current_worker: ContextVar[Worker | None] = ContextVar("virtchunk_worker", default=None)
"""The worker whose callback the running code belongs to."""


@final
class Worker:
    """Runs callbacks of one operation, one at a time.

    Only the worker's own thread or task, or a nested operation that it waits for, changes it.
    """

    __slots__ = ("followers", "held", "lent", "limiter", "loop", "parent", "waiting_on")

    def __init__(
        self, limiter: Limiter, parent: Worker | None, loop: EventLoopToken | None
    ) -> None:
        self.limiter = limiter
        self.parent = parent
        """The worker whose callback started this operation."""
        if loop is None and parent is not None:
            loop = parent.loop
        self.loop: EventLoopToken | None = loop
        """The event loop of the task that awaits the outermost operation, if there is one."""
        self.held = False
        """Whether a token is held now."""
        self.lent = 0
        """How many nested operations of the running callback are under way."""
        self.followers: list[object] = []
        """Claims that others wait for; see `virtchunk._engine.claims`."""
        self.waiting_on: Worker | None = None
        """The worker whose chunk this one waits for."""

    def ancestry(self) -> Iterator[Worker]:
        """Yield this worker, the one whose callback it serves, and so on."""
        worker: Worker | None = self
        while worker is not None:
            yield worker
            worker = worker.parent

    async def acquire(self) -> None:
        """Wait for a token. Cancellation leaves none held."""
        await self.limiter.acquire()
        self.held = True

    def acquire_blocking(self) -> None:
        """Block this thread for a token."""
        self.limiter.acquire_blocking()
        self.held = True

    def try_acquire(self) -> bool:
        """Take a token if one is free; never waits."""
        self.held = self.limiter.try_acquire()
        return self.held

    def release(self) -> None:
        """Give the token back, if one is held."""
        if self.held:
            self.held = False
            self.limiter.release()


@contextmanager
def entered(worker: Worker) -> Iterator[None]:
    """Make ``worker`` the one that code in this context runs for."""
    token = current_worker.set(worker)
    try:
        yield
    finally:
        current_worker.reset(token)


@final
class Lending:
    """Gives a waiting worker's token back to its limit, and takes one again afterwards.

    Used as ``with`` in threads and ``async with`` in tasks. ``worker`` may be None: then there is
    nothing to lend.
    """

    __slots__ = ("_worker",)

    def __init__(self, worker: Worker | None) -> None:
        self._worker = worker

    def _lend(self) -> None:
        worker = self._worker
        if worker is not None:
            worker.lent += 1
            worker.release()

    def _returned(self) -> Worker | None:
        """Return the worker if this was its last loan, so that it needs a token again."""
        worker = self._worker
        if worker is None:
            return None
        worker.lent -= 1
        return worker if worker.lent == 0 and not worker.held else None

    def __enter__(self) -> None:
        self._lend()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        worker = self._returned()
        if worker is not None:
            worker.acquire_blocking()

    async def __aenter__(self) -> None:
        self._lend()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A cancelled wait leaves the worker without a token; it gives back only what it holds.
        worker = self._returned()
        if worker is not None:
            await worker.acquire()
