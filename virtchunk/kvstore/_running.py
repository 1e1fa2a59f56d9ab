"""Running a driver's methods: in place, in a worker thread, or in a task.

A method that blocks holds a token of the store's limit while it runs, and its caller, if that is
a callback, lends its own token meanwhile; so nested operations never wait for each other's tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, final

import anyio.lowlevel

from virtchunk._bridge import run_in_loop
from virtchunk._control import Control, InLoopError, NoLoopError
from virtchunk._engine.errand import Stop, check_cancelled, run_errand, run_short_errand
from virtchunk._engine.source import is_async
from virtchunk._engine.worker import Lending, Worker, current_worker
from virtchunk._limits import Limiter
from virtchunk._loop import is_running, running_loop, same_loop

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

    from virtchunk._transaction import Transaction

__all__ = ("METHODS", "WRITE_ALL", "Call", "Runner", "Running")

T = TypeVar("T")

_DISTRUST = 1.0
"""Seconds for which methods are not taken for short after one of them was not."""
METHODS = ("read", "write", "delete_range", "list")
WRITE_ALL = "write_all"
"""The method of drivers that can change several keys as a whole."""


class Running(Protocol):
    """What runs the operations of a store: a `Runner`, or one of a store in a transaction."""

    @property
    def plain(self) -> Runner:
        """What runs them outside of transactions."""

    @property
    def transaction(self) -> Transaction | None:
        """The transaction that they belong to."""

    def run_blocking(self, method: str, arguments: Any, control: Control) -> Any:
        """Run an operation in this thread."""

    async def run(self, method: str, arguments: Any) -> Any:
        """Run an operation in this task. Always checkpoints."""


@final
class Runner:
    """A driver, and how its methods are run.

    Args:
        driver: A `virtchunk.kvstore.Driver` or `virtchunk.kvstore.AsyncDriver`.
        limiter: How many blocking methods run at once; None for no limit.
    """

    __slots__ = ("asynchronous", "blocks", "driver", "limiter", "made_in", "short", "slow_until")
    transaction: ClassVar[None] = None

    def __init__(self, driver: Any, limiter: Limiter | None) -> None:
        self.driver = driver
        self.limiter = limiter
        self.blocks: bool = getattr(driver, "blocks", True)
        self.short: frozenset[str] = getattr(driver, "short", frozenset())
        """Methods that block for microseconds only, as a rule."""
        self.slow_until = 0.0
        """Since one of them was not, none is taken for short until then; see `time.monotonic`."""
        self.made_in = running_loop()
        methods = METHODS + ((WRITE_ALL,) if hasattr(driver, WRITE_ALL) else ())
        self.asynchronous = {name for name in methods if is_async(getattr(driver, name))}

    @property
    def plain(self) -> Runner:
        """Itself."""
        return self

    def run_blocking(self, method: str, arguments: Any, control: Control) -> Any:
        """Run a method in this thread; an async one in its loop, which is another's."""
        control.check()
        function = getattr(self.driver, method)
        if method in self.asynchronous:
            parent = current_worker.get()
            check = None if parent is None else parent.check or check_cancelled
            call = partial(function, *arguments)
            with Lending(parent):
                return run_in_loop(self._home(parent, control), call, control, check)
        if not self.blocks or self.limiter is None:
            return function(*arguments)
        return self._run_limited(partial(function, *arguments), control)

    def _run_limited(self, function: Callable[[], T], control: Control) -> T:
        parent = current_worker.get()
        loop = running_loop()
        assert self.limiter is not None
        with Lending(parent):
            worker = Worker(self.limiter, parent, loop, control.check)
            if loop is not None or _blocks_a_loop(parent):
                # Whoever holds the tokens may need the loop that is blocked by this very call.
                worker._take_beyond()
            else:
                worker.acquire_blocking()
            return _run_as(worker, function)

    async def run(self, method: str, arguments: Any) -> Any:
        """Run a method from a task. Always checkpoints."""
        await anyio.lowlevel.checkpoint()
        function = getattr(self.driver, method)
        if method in self.asynchronous:
            async with Lending(current_worker.get()):
                return await function(*arguments)
        if not self.blocks:
            return function(*arguments)
        call = partial(function, *arguments)
        if method in self.short and current_worker.get() is None and monotonic() > self.slow_until:
            return await self._run_short(call)
        return await self._run_in_thread(call)

    async def _run_short(self, function: Callable[[], T]) -> T:
        assert self.limiter is not None
        worker = Worker(self.limiter, None, running_loop())
        if not worker.try_acquire():
            return await self._run_in_thread(function)
        return await run_short_errand(partial(_run_as, worker, function), _ignore, self._was_long)

    def _was_long(self) -> None:
        self.slow_until = monotonic() + _DISTRUST

    async def _run_in_thread(self, function: Callable[[], T]) -> T:
        if self.limiter is None:
            return await run_errand(function, _ignore)
        stop = Stop()
        parent = current_worker.get()
        async with Lending(parent):
            worker = Worker(self.limiter, parent, running_loop(), stop.check)
            await worker.acquire()
            try:
                return await run_errand(partial(_run_as, worker, function), stop)
            finally:
                worker.close()

    def _home(self, parent: Worker | None, control: Control) -> EventLoopToken:
        """Return the loop for an async method that somebody blocks for."""
        here = running_loop()
        loop = self.made_in if self.made_in is not None and is_running(self.made_in) else None
        if loop is None and parent is not None:
            loop = parent.loop
        blocked = [] if parent is None else [worker.blocks for worker in parent.ancestry()]
        if (here is not None and loop is None) or any(same_loop(b, loop) for b in [here, *blocked]):
            raise InLoopError(
                "a blocking call in the event loop's own thread would wait for async methods of "
                f"the driver {self.driver!r} that this loop has to run; use `await kv.read(key)` "
                "or its like instead of `.result()` or `kv[key]`",
                control,
            )
        if loop is None:
            raise NoLoopError(
                f"the methods of the driver {self.driver!r} are async and no event loop is "
                "running; use `await kv.read(key)` or its like",
                control,
            )
        return loop


@final
class Call(Generic[T]):
    """One operation on a store; see `virtchunk._future.Operation`."""

    __slots__ = ("arguments", "convert", "method", "runner", "what")

    def __init__(
        self,
        what: Callable[[], str],
        runner: Running,
        method: str,
        arguments: tuple[Any, ...],
        convert: Callable[[Any], T],
    ) -> None:
        self.what = what
        self.runner = runner
        self.method = method
        self.arguments = arguments
        self.convert = convert

    def describe(self) -> str:
        """Name the operation and its store, for warnings."""
        return self.what()

    def run_blocking(self, control: Control) -> T:
        """Run in this thread."""
        return self.convert(self.runner.run_blocking(self.method, self.arguments, control))

    async def run(self) -> T:
        """Run in this task. Always checkpoints."""
        return self.convert(await self.runner.run(self.method, self.arguments))


def _run_as(worker: Worker, function: Callable[[], T]) -> T:
    """Run a function with a token; give the token back in this very thread.

    Its task might not get to it: its event loop may be blocked, by somebody who waits for a token.
    """
    reset = current_worker.set(worker)
    try:
        return function()
    finally:
        current_worker.reset(reset)
        worker.close()


def _blocks_a_loop(parent: Worker | None) -> bool:
    return parent is not None and any(worker.blocks is not None for worker in parent.ancestry())


def _ignore() -> None:
    pass
