"""Running an async function in another event loop: from a blocked thread, or from a task.

`anyio.from_thread.run` would do for the first, but a thread that is blocked in it cannot be made to
stop waiting, and where it is a worker thread of another loop, its cancellation crosses loops
without regard for threads. So the function is started in a task of its own, and whoever waits for
it waits for a `Signal`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from virtchunk._control import Control
from virtchunk._loop import call_soon, cancelled_error, is_running, running_loop, same_loop, spawn
from virtchunk._signal import Signal

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

__all__ = ("run_elsewhere", "run_in_loop")

T = TypeVar("T")


class _Visit(Generic[T]):
    """One call of an async function in a foreign loop, which can be cancelled from outside.

    Fields are written in the foreign loop, before ``ended`` is set, and read after that; but
    ``_unwanted`` and ``_scope`` are each written on one side before it looks at the other.
    """

    def __init__(self, loop: EventLoopToken, function: Callable[[], Awaitable[T]]) -> None:
        self._loop = loop
        self._function = function
        self._scope: anyio.CancelScope | None = None
        self._unwanted = False
        self._values: list[T] = []
        self._error: BaseException | None = None
        self.ended = Signal()

    def begin(self) -> None:
        """Send the function on its way.

        Raises:
            RuntimeError: If the loop does not run any more.
        """
        # A loop that has not been started yet, or is stopped, takes work and lets it lie.
        if not (is_running(self._loop) and spawn(self._loop, self._run, self._lost)):
            raise RuntimeError(
                f"the event loop {self._loop.native_token!r}, in which the callbacks are to run, "
                "is not running"
            )

    async def _run(self) -> None:
        try:
            with anyio.CancelScope() as self._scope:
                if self._unwanted:
                    self._scope.cancel()
                self._values.append(await self._function())
        except GeneratorExit:  # the loop was closed without running its tasks to their end
            self._lost()
            raise
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            self._error = error
        finally:
            self.ended.set()

    def _lost(self) -> None:
        self._error = RuntimeError("the event loop ended before it had run the callbacks")
        self.ended.set()

    def cancel(self) -> None:
        """Cancel the function; it ends soon, which sets ``ended``. From any thread."""
        self._unwanted = True
        scope = self._scope
        if scope is not None:
            call_soon(self._loop, scope.cancel)

    def result(self) -> T:
        """Return what the function did, once it has ended, or raise what it raised."""
        if self._values:
            return self._values[0]
        error, self._error = self._error, None
        raise cancelled_error() if error is None else error


def run_in_loop(
    loop: EventLoopToken,
    function: Callable[[], Awaitable[T]],
    control: Control | None = None,
    check: Callable[[], object] | None = None,
) -> T:
    """Run an async function in ``loop``, from a thread of its own, and block for its result.

    Whatever makes the thread stop waiting (Ctrl-C too) cancels the function, and waits for its end,
    so that nothing runs on.

    Args:
        loop: Where to run.
        function: What to run.
        control: A deadline, and a way to cancel from another thread.
        check: Called now and then while waiting; it raises if there is a reason to stop.

    Raises:
        TimeoutError: If the deadline passes.
        RuntimeError: If called in the thread of ``loop`` (it would wait for itself), or if ``loop``
            does not run.
    """
    if same_loop(running_loop(), loop):
        raise RuntimeError("a blocking call in the event loop's own thread; use await instead")
    if control is None:
        control = Control()
    visit = _Visit(loop, function)
    visit.begin()
    control.on_cancel = visit.cancel
    try:
        control.check()
        while not visit.ended.wait_blocking(control.remaining(), check):
            control.check()
    except BaseException:
        visit.cancel()
        visit.ended.wait_blocking()
        raise
    return visit.result()


async def run_elsewhere(loop: EventLoopToken, function: Callable[[], Awaitable[T]]) -> T:
    """Run an async function in ``loop``, from a task of another one, and await its result.

    Cancellation cancels the function in its loop, and returns when it has ended.

    Raises:
        RuntimeError: If ``loop`` does not run.
    """
    if same_loop(running_loop(), loop):
        return await function()
    visit = _Visit(loop, function)
    visit.begin()
    try:
        await visit.ended.wait()
    except anyio.get_cancelled_exc_class():
        visit.cancel()
        await visit.ended.wait_out()
        raise
    return visit.result()
