"""Futures: operations that run where they are awaited, and promises that are kept elsewhere.

A `Future` made by `TensorStore.read` holds an *operation*: it starts when
somebody awaits it or calls `Future.result`, runs inside that very task or thread, and
ends there. A `Future` made by `Promise.new` holds nothing and waits for its promise.
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, final, overload

import anyio
import anyio.lowlevel

from virtchunk._bridge import run_in_loop
from virtchunk._control import Control, InLoopError, NoLoopError, NotHere
from virtchunk._fork import call_in_child
from virtchunk._interrupts import at_checkpoints, pending, tell_trio
from virtchunk._loop import as_loop, call_soon, cancelled_error, is_running, running_loop, same_loop
from virtchunk._signal import Signal

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

__all__ = ("Future", "FutureLike", "NotStarted", "Operation", "Promise")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

_PENDING, _RUNNING, _DONE = range(3)
_new = object.__new__

# Guards the few instructions of each change of state, of all futures; nothing waits under it. A
# finalizer or a signal handler may run between any two instructions and complete a future in this
# very thread: so it is reentrant, and what adds a waiter looks at the state once more afterwards.
_transition = threading.RLock()


def _after_fork() -> None:
    global _transition
    _transition = threading.RLock()


call_in_child(_after_fork)


class NotStarted(RuntimeError):
    """Raised by an operation that may not run yet: its own future stays as it is, for later."""

    def __init__(self, message: str, operation: object) -> None:
        super().__init__(message)
        self.operation = operation


class Operation(Protocol[T_co]):
    """Work that a `Future` runs, in a task or in a thread, at most one run at a time.

    A run that was cancelled may be started again from the beginning. An operation may also have a
    method ``peek()``, which returns the result if it is there at once, without calling or waiting
    for anything, and None otherwise. It may be called before a run and beside one.
    """

    def run_blocking(self, control: Control) -> T_co:
        """Run in this thread; call ``control.check()`` between pieces of work."""

    async def run(self) -> T_co:
        """Run in this task. Always checkpoints."""

    def describe(self) -> str:
        """Name the operation and its view, for warnings."""


@final
class Future(Generic[T]):
    """The result of an operation, to be awaited or waited for.

    Awaitable under asyncio and trio alike. A future of an operation is lazy: it runs inside the
    task that awaits it (or inside the call of `result`), so that cancelling that task
    cancels the work, and it ends there. Awaiting it again gives the same result; awaiting it from
    several tasks at once runs it once, and if the running task is cancelled, another takes over.

    Constructing a future directly converts a value or an awaitable; a future is returned as it is.

    Args:
        future: A `Future`, an awaitable (which runs when this future is awaited), or an
            immediate result.
        loop: Where to run an awaitable when somebody *blocks* for it, in another thread.
            Default: the running loop, if any.

    Raises:
        ValueError: If ``future`` is a coroutine, no loop is running and none is given.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_cancel_run",
        "_error",
        "_operation",
        "_runner",
        "_signal",
        "_state",
        "_value",
    )

    _callbacks: list[Callable[[Future[T]], object]] | None
    _cancel_run: Callable[[], object] | None
    _error: BaseException | None
    _operation: Operation[T] | None
    _runner: EventLoopToken | None
    _signal: Signal | None
    _state: int
    _value: T

    @overload
    def __new__(cls, future: Future[T], *, loop: object | None = None) -> Future[T]: ...
    @overload
    def __new__(cls, future: Awaitable[T], *, loop: object | None = None) -> Future[T]: ...
    @overload
    def __new__(cls, future: T, *, loop: object | None = None) -> Future[T]: ...
    def __new__(cls, future: Any, *, loop: object | None = None) -> Future[Any]:
        if isinstance(future, Future):
            return future
        if isawaitable(future):
            home = running_loop() if loop is None else as_loop(loop)
            if home is None and hasattr(future, "close"):
                future.close()
                raise ValueError(
                    "no event loop specified and thread does not have a running event loop: "
                    "await the coroutine, or pass loop="
                )
            return cls._of(_Awaiting(future, home))
        return cls._resolved(future)

    @staticmethod
    def _of(operation: Operation[T] | None) -> Future[T]:
        self: Future[T] = _new(Future)
        self._operation = operation
        self._state = _PENDING
        self._error = self._signal = self._callbacks = self._cancel_run = self._runner = None
        return self

    @classmethod
    def _resolved(cls, value: T) -> Future[T]:
        self = cls._of(None)
        self._value = value
        self._state = _DONE
        return self

    def __reduce__(self) -> str:
        raise TypeError("a Future cannot be pickled; pickle its result")

    def __repr__(self) -> str:
        if self._state is _DONE:
            state = "done" if self._error is None else f"failed: {self._error!r}"
        else:
            state = "running" if self._state is _RUNNING else "pending"
        what = "" if self._operation is None else f" {self._operation.describe()}"
        return f"<virtchunk.Future{what}: {state}>"

    def __del__(self) -> None:
        operation = self._operation
        if operation is not None and self._state is _PENDING and self._cancel_run is None:
            warnings.warn(
                f"{operation.describe()} was never awaited: it did not run",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )
            if isinstance(operation, _Awaiting):
                operation.close()

    # -- waiting -----------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, Any, T]:
        """Run the operation in this task (or wait for whoever runs it), and return its result.

        Always checkpoints. Cancelling the awaiting task cancels the operation before it returns.
        """
        return self._wait().__await__()

    @at_checkpoints
    async def _wait(self) -> T:
        if pending:
            tell_trio()
        while True:
            if self._state is _DONE:
                await anyio.lowlevel.checkpoint()
                return self._outcome()
            loop = running_loop()
            assert loop is not None
            scope = anyio.CancelScope()
            if self._claim(partial(call_soon, loop, scope.cancel), loop):
                return await self._run_here(scope)
            await self._changed().wait()

    def result(self, timeout: float | None = None, deadline: float | None = None) -> T:
        """Block until the operation is complete, and return its result.

        The operation runs in this thread. Synchronous callbacks cannot be interrupted: a timeout
        takes effect as soon as the ones that run have returned, and nothing runs on afterwards.

        Args:
            timeout: Maximum number of seconds to block.
            deadline: Latest time to wait for, in seconds since the Unix epoch.

        Raises:
            TimeoutError: If the result was not ready in time.
            asyncio.CancelledError: If the future was cancelled.
            KeyboardInterrupt: On Ctrl-C, after the operation has been stopped.
            RuntimeError: In an event loop's own thread, if the callbacks are async: use ``await``.
        """
        if self._state is _PENDING:
            # Nothing to run, stop or wait for: an element from the cache takes half the time.
            peek = getattr(self._operation, "peek", None)
            value = None if peek is None else peek()
            if value is not None and self._settle(value):
                return value  # type: ignore[no-any-return]
        if self._state is not _DONE:
            self._finish(_monotonic(timeout, deadline))
        return self._outcome()

    def _result(self, check: Callable[[], object] | None) -> T:
        """Block for the result; ``check`` raises if there is a reason to stop."""
        self._finish(None, check)
        return self._outcome()

    def exception(
        self, timeout: float | None = None, deadline: float | None = None
    ) -> BaseException | None:
        """Block until the operation is complete, and return its error, or None.

        Args and errors are those of `result`, save that the operation's error is returned.
        """
        self._finish(_monotonic(timeout, deadline))
        if self._error is not None and self.cancelled():
            raise self._error
        return self._error

    def _finish(self, deadline: float | None, check: Callable[[], object] | None = None) -> None:
        while self._state is not _DONE:
            control = Control(deadline)
            if self._claim(control.cancel, None):
                self._run_blocking(control)
                return
            runner = self._runner
            if runner is not None and same_loop(runner, running_loop()):
                raise RuntimeError(
                    "a blocking call in the event loop's own thread would wait for a task of this "
                    "loop; use `await` instead of `.result()`"
                )
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._changed().wait_blocking(left, check):
                raise TimeoutError("the result was not ready within the timeout")

    def force(self) -> None:
        """Make the operation happen without waiting for its result.

        Operations have no life of their own, so this runs the operation to its end, here and now,
        as `result` does; an error is kept for `result`. Futures of a promise are forced
        already.

        Raises:
            RuntimeError: In an event loop's own thread, if the callbacks are async.
        """
        if self._operation is not None:
            self._finish(None)

    # -- state -------------------------------------------------------------------------------

    def done(self) -> bool:
        """Say whether the operation has completed, failed or been cancelled."""
        return self._state is _DONE

    def _idle(self) -> bool:
        """Say whether the operation is there to be run, and nobody runs it."""
        return self._state is _PENDING

    def cancelled(self) -> bool:
        """Say whether the operation was cancelled."""
        return self._state is _DONE and isinstance(self._error, type(cancelled_error()))

    def cancel(self) -> bool:
        """Cancel the operation: running callbacks are cancelled, and the future fails.

        Returns:
            False if the operation had completed already.
        """
        with _transition:
            if self._state is _DONE:
                return False
            stop = self._cancel_run
            running = self._state is _RUNNING
            operation = self._operation
        if running and stop is not None:
            stop()
            return True
        cancelled = self._settle(error=cancelled_error())
        if cancelled and isinstance(operation, _Awaiting):
            operation.close()
        return cancelled

    def add_done_callback(self, callback: Callable[[Future[T]], object]) -> None:
        """Have ``callback(self)`` called on completion, at once if it is complete already.

        Callbacks are called in the order in which they were added, in the thread that completes
        the future.
        """
        with _transition:
            if self._callbacks is None:
                self._callbacks = []
            self._callbacks.append(callback)
            if self._state is not _DONE:
                return
            callbacks, self._callbacks = self._callbacks, None
        for known in callbacks:
            self._call(known)

    def remove_done_callback(self, callback: Callable[[Future[T]], object]) -> int:
        """Forget ``callback``; return how many times it had been added."""
        with _transition:
            before = self._callbacks or []
            self._callbacks = [known for known in before if known != callback]
            return len(before) - len(self._callbacks)

    # -- one run -----------------------------------------------------------------------------

    def _claim(self, stop: Callable[[], object], loop: EventLoopToken | None) -> bool:
        """Become the one who runs the operation, if it is there to be run."""
        _transition.acquire()
        try:
            if self._operation is None or self._state is not _PENDING:
                return False
            self._state = _RUNNING
            self._cancel_run, self._runner = stop, loop
            return True
        finally:
            _transition.release()

    async def _run_here(self, scope: anyio.CancelScope) -> T:
        operation = self._operation
        assert operation is not None
        try:
            with scope:
                value = await operation.run()
        except (GeneratorExit, anyio.get_cancelled_exc_class()):
            self._abandon(for_ever=scope.cancel_called)
            raise
        except BaseException as error:
            self._fail(operation, error)
            raise
        if scope.cancelled_caught:
            self._settle(error=cancelled_error())
            return self._outcome()
        self._settle(value)
        return value

    def _run_blocking(self, control: Control) -> None:
        operation = self._operation
        assert operation is not None
        try:
            value = operation.run_blocking(control)
        except (TimeoutError, KeyboardInterrupt) as error:
            if isinstance(error, TimeoutError) and not control.late():
                self._settle(error=error)
                return
            self._abandon()
            raise
        except NotHere as error:
            if error.control is not control:  # it is another operation's, in a callback of this one
                self._settle(error=error)
                return
            self._step_back()
            raise
        except BaseException as error:
            self._fail(operation, error)
        else:
            self._settle(value)

    def _fail(self, operation: Operation[T], error: BaseException) -> None:
        if isinstance(error, NotStarted) and error.operation is operation:
            self._step_back()
            raise error
        self._settle(error=error)

    def _abandon(self, for_ever: bool = False) -> None:
        """End a cancelled run: whoever waits besides us starts it anew, if it can be."""
        if for_ever or isinstance(self._operation, _Awaiting):
            self._settle(error=cancelled_error())
        else:
            self._step_back()

    def _step_back(self) -> None:
        """Leave the operation to others, as if it had not been run."""
        with _transition:
            self._state, self._runner = _PENDING, None
            signal, self._signal = self._signal, None
        if signal is not None:
            signal.set()

    def _settle(self, value: Any = None, error: BaseException | None = None) -> bool:
        _transition.acquire()  # half the time of `with`
        try:
            if self._state is _DONE:
                return False
            self._value, self._error = value, error
            self._state = _DONE
            self._operation = self._cancel_run = self._runner = None
            signal, self._signal = self._signal, None
            callbacks, self._callbacks = self._callbacks, None
        finally:
            _transition.release()
        if signal is not None:
            signal.set()
        if callbacks is not None:
            for callback in callbacks:
                self._call(callback)
        return True

    def _call(self, callback: Callable[[Future[T]], object]) -> None:
        try:
            callback(self)
        except Exception:
            import traceback  # late: rarely needed, and slow to import

            traceback.print_exc()

    def _changed(self) -> Signal:
        """Return the signal of the next change of state; set if there is nothing to wait for."""
        with _transition:
            if self._signal is None:
                self._signal = Signal()
            signal = self._signal
            if self._state is _RUNNING or (self._operation is None and self._state is _PENDING):
                return signal
            self._signal = None
        signal.set()
        return signal

    def _outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value


FutureLike: TypeAlias = Future[T] | Awaitable[T] | T
"""What callbacks may return, and what `Future` converts: a future, an awaitable, or a value."""


def _monotonic(timeout: float | None, deadline: float | None) -> float | None:
    """Merge a timeout and a deadline on the Unix clock into one on the monotonic clock."""
    if timeout is None and deadline is None:
        return None
    limits = []
    if timeout is not None:
        limits.append(timeout)
    if deadline is not None:
        limits.append(deadline - time.time())
    return time.monotonic() + min(limits)


class _Awaiting(Generic[T]):
    """The operation behind ``Future(awaitable)``, which can be run only once."""

    def __init__(self, awaitable: Awaitable[T], home: EventLoopToken | None) -> None:
        self._awaitable = awaitable
        self._home = home

    def describe(self) -> str:
        return f"Future of {self._awaitable!r}"

    def close(self) -> None:
        """Give up what has not begun, so that nothing warns that it was never awaited."""
        if hasattr(self._awaitable, "close"):
            self._awaitable.close()

    async def run(self) -> T:
        return await self._awaitable

    def run_blocking(self, control: Control) -> T:
        control.check()
        home = self._home
        if home is None or not is_running(home):
            raise NoLoopError("blocking for an awaitable needs an event loop that runs", control)
        if same_loop(home, running_loop()):
            raise InLoopError(
                "a blocking call in the event loop's own thread: use `await`", control
            )
        return run_in_loop(home, self.run, control)


@final
class Promise(Generic[T_contra]):
    """The producing side of a `Future`.

    A promise that is dropped unkept fails its future, so that nobody waits for ever.
    """

    __slots__ = ("_future",)

    _future: Future[Any]

    def __init__(self) -> None:
        raise TypeError("use Promise.new(), which gives the promise and its future")

    @staticmethod
    def new() -> tuple[Promise[T_contra], Future[T_contra]]:
        """Make a linked pair of a promise and its future."""
        promise: Promise[T_contra] = object.__new__(Promise)
        promise._future = Future._of(None)
        return promise, promise._future

    def set_result(self, result: T_contra) -> None:
        """Complete the future with a value; does nothing if it was cancelled or is complete."""
        self._future._settle(result)

    def set_exception(self, exception: BaseException) -> None:
        """Complete the future with an error; does nothing if it was cancelled or is complete."""
        self._future._settle(error=exception)

    def __repr__(self) -> str:
        return repr(self._future).replace("Future", "Promise", 1)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self._future._settle(error=ValueError("the promise was dropped without a result"))
