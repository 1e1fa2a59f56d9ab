"""Workers: whoever runs callbacks, one after another, holding one token of a limit.

Operations nest: a callback may read another view, in its own task or by blocking its thread. The
rule that makes this safe at any depth, with every limit at 1: *nobody holds a token while waiting*.
A worker whose callback starts a nested operation lends its token back to the limit until that
operation has ended, and then waits its turn to go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, final

from virtchunk._fork import call_in_child
from virtchunk._limits import Limiter

if TYPE_CHECKING:
    from types import TracebackType

    from anyio.lowlevel import EventLoopToken

    from virtchunk._engine.claims import Follower, Queue

__all__ = ("Lending", "Worker", "caller", "current_worker")

current_worker: ContextVar[Worker | None] = ContextVar("virtchunk_worker", default=None)
"""The worker whose callback the running code belongs to, or once belonged to."""


def caller() -> Worker | None:
    """Return the worker whose callback runs this code, and waits for what it starts."""
    worker = current_worker.get()
    return None if worker is None or worker.closed else worker


@final
class Worker:
    """Runs callbacks of one operation, one at a time.

    Its token is moved under a lock, because the operations that its callback has started may run in
    several tasks and threads, and the last of them to end takes a token for it again. Everything
    else is changed by the worker's own thread or task only.
    """

    __slots__ = (
        "blocks",
        "check",
        "closed",
        "followers",
        "held",
        "lent",
        "limiter",
        "loop",
        "parent",
        "waits",
    )

    def __init__(
        self,
        limiter: Limiter,
        parent: Worker | None,
        loop: EventLoopToken | None,
        check: Callable[[], object] | None = None,
    ) -> None:
        self.limiter = limiter
        self.parent = parent
        """The worker whose callback started this operation."""
        if loop is None and parent is not None:
            loop = parent.loop
        self.loop: EventLoopToken | None = loop
        """The event loop of the task that awaits the outermost operation, if there is one."""
        self.check = check
        """Raises if the operation has to stop; None in tasks, where cancellation does that."""
        self.blocks: EventLoopToken | None = None
        """The loop whose thread is blocked until the operation has ended, if there is one."""
        self.held = False
        """Whether a token is held now."""
        self.lent = 0
        """How many operations that its callback started are under way."""
        self.closed = False
        """Whether the operation has ended. Something that a callback left behind may still run."""
        self.followers: dict[tuple[object, Any], Queue[Any]] = {}
        """Claims that others wait for; see `virtchunk._engine.claims`."""
        self.waits: dict[Follower[Any], None] = {}
        """What this worker, and those that serve its callback, wait for: chunks of others."""

    def ancestry(self) -> Iterator[Worker]:
        """Yield this worker, the one whose callback it serves, and so on."""
        worker: Worker | None = self
        while worker is not None:
            yield worker
            worker = worker.parent

    async def acquire(self) -> None:
        """Wait for a token. Cancellation leaves none held."""
        await self.limiter.acquire()
        self._keep()

    def acquire_blocking(self) -> None:
        """Block this thread for a token."""
        self.limiter.acquire_blocking(self.check)
        self._keep()

    def try_acquire(self) -> bool:
        """Take a token if one is free; never waits."""
        self.held = self.limiter.try_acquire()
        return self.held

    def release(self) -> None:
        """Give the token back, if one is held."""
        _tokens.acquire()  # half the time of `with`
        try:
            held, self.held = self.held, False
        finally:
            _tokens.release()
        if held:
            self.limiter.release()

    def close(self) -> None:
        """Give the token back for good."""
        self.closed = True
        self.release()

    def lend(self) -> None:
        """Give the token back until `regain` or `regain_blocking`; may be done several times."""
        with _tokens:
            self.lent += 1
            held, self.held = self.held, False
        if held:
            self.limiter.release()

    async def regain(self) -> None:
        """End a loan; wait for a token if it was the last one.

        A callback that is cancelled goes on without waiting, but counts as running nevertheless.
        """
        if self._unlend():
            try:
                await self.limiter.acquire()
            except BaseException:
                self._take_beyond()
                raise
            self._keep()

    def regain_blocking(self) -> None:
        """Do the same in a thread."""
        if self._unlend():
            try:
                self.limiter.acquire_blocking(self.check)
            except BaseException:
                self._take_beyond()
                raise
            self._keep()

    def regain_now(self) -> None:
        """Do the same without waiting, where that is not possible."""
        if self._unlend():
            self._take_beyond()

    def serve(self, child: Worker) -> bool:
        """Let the first worker of a nested operation in this thread use the token that is held."""
        with _tokens:
            if not self.held or self.limiter is not child.limiter:
                return False
            self.lent += 1
            self.held, child.held = False, True
            return True

    def end_service(self, child: Worker) -> None:
        """Take back the token that was lent by `serve`, or wait for another one."""
        with _tokens:
            back = child.held and self.lent == 1 and not self.closed
            if back:
                self.lent, self.held, child.held = 0, True, False
        child.close()
        if not back:
            self.regain_blocking()

    def _unlend(self) -> bool:
        with _tokens:
            self.lent -= 1
            return not (self.lent or self.held or self.closed)

    def _take_beyond(self) -> None:
        self.limiter.acquire_beyond()
        self._keep()

    def _keep(self) -> None:
        """Keep a token that was taken, unless it is not wanted any more."""
        with _tokens:
            wanted = not (self.lent or self.held or self.closed)
            self.held = self.held or wanted
        if not wanted:
            self.limiter.release()


# Reentrant, for the garbage collector may close a coroutine of a worker anywhere.
_tokens = threading.RLock()


def _after_fork() -> None:
    global _tokens
    _tokens = threading.RLock()


call_in_child(_after_fork)


@final
class Lending:
    """Lends a waiting worker's token to its limit, and takes one again afterwards.

    Used as ``with`` in threads and ``async with`` in tasks. ``worker`` may be None: then there is
    nothing to lend.
    """

    __slots__ = ("_worker",)

    def __init__(self, worker: Worker | None) -> None:
        self._worker = worker

    def __enter__(self) -> None:
        if self._worker is not None:
            self._worker.lend()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._worker is not None:
            self._worker.regain_blocking()

    async def __aenter__(self) -> None:
        if self._worker is not None:
            self._worker.lend()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._worker is None:
            return
        if kind is GeneratorExit:  # nothing can be awaited any more
            self._worker.regain_now()
        else:
            await self._worker.regain()
