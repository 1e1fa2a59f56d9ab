"""Event loops seen from outside: which one runs here, and how to reach another from any thread.

Everything in virtchunk awaits through anyio.
This is the one module that looks inside an `anyio.lowlevel.EventLoopToken`, because anyio can run
a function in a foreign loop only by *blocking* for its result, while a limiter or a finished chunk
must wake a task in another loop without waiting for it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from importlib import import_module
from typing import Any

from anyio.lowlevel import EventLoopToken, current_token

__all__ = (
    "as_loop",
    "call_soon",
    "cancelled_error",
    "is_running",
    "lose",
    "running_loop",
    "same_loop",
    "spawn",
)


def running_loop() -> EventLoopToken | None:
    """Return the event loop that runs in this thread, or None in plain synchronous code."""
    try:
        return current_token()
    # Not just NoEventLoopError: in a thread that was given a copy of a task's context variables,
    # anyio believes that the task's backend runs here, and asks it.
    except RuntimeError:
        return None


def same_loop(one: EventLoopToken | None, other: EventLoopToken | None) -> bool:
    """Say whether two tokens stand for the same event loop; nothing is the same as None."""
    return one is not None and other is not None and one.native_token is other.native_token


def as_loop(loop: object) -> EventLoopToken:
    """Turn what users pass as ``loop=`` into a token.

    Args:
        loop: An `anyio.lowlevel.EventLoopToken`, an asyncio event loop (running or not yet), or a
            trio token.

    Raises:
        TypeError: If ``loop`` is none of these.
    """
    if isinstance(loop, EventLoopToken):
        return loop
    if hasattr(loop, "call_soon_threadsafe"):
        return EventLoopToken(_backend("asyncio"), loop)
    if hasattr(loop, "run_sync_soon"):
        return EventLoopToken(_backend("trio"), loop)
    raise TypeError(
        f"loop must be an asyncio event loop or an anyio.lowlevel.EventLoopToken, got {loop!r}"
    )


def _backend(name: str) -> Any:
    return import_module(f"anyio._backends._{name}").backend_class


def is_running(loop: EventLoopToken) -> bool:
    """Say whether work handed to ``loop`` would be run."""
    native: Any = loop.native_token
    if _lost and any(lost is native for lost in _lost):
        return False
    if hasattr(native, "is_running"):
        return bool(native.is_running())
    return call_soon(loop, _nothing)


_lost: list[object] = []


def lose(loop: EventLoopToken) -> None:
    """Remember that a loop runs in the parent of this forked process, though it says otherwise."""
    _lost.append(loop.native_token)


def _nothing() -> None:
    """Probe a trio loop: trio refuses the call once its run has finished."""


def call_soon(loop: EventLoopToken, callback: Callable[..., object], *args: object) -> bool:
    """Have ``loop`` call ``callback(*args)`` soon, from any thread, without waiting for it.

    Returns:
        False when the loop is gone; then nobody in it is left to be told.
    """
    native: Any = loop.native_token
    try:
        if hasattr(native, "call_soon_threadsafe"):
            native.call_soon_threadsafe(callback, *args)
        else:
            native.run_sync_soon(callback, *args)
    except RuntimeError:  # asyncio: "Event loop is closed"; trio.RunFinishedError is one too
        return False
    return True


def spawn(
    loop: EventLoopToken,
    function: Callable[[], Coroutine[Any, Any, None]],
    lost: Callable[[], object],
) -> bool:
    """Have ``loop`` run an async function in a task, from any thread, without waiting for it.

    The task gets a copy of the caller's context variables. It belongs to nobody, so the function
    must not raise (save its own cancellation): trio would end the whole run.

    Args:
        loop: Where to run it.
        function: What to run.
        lost: Called if the loop ends before it has got to it.

    Returns:
        False when the loop is gone, and ``lost`` will not be called.
    """
    ticket = _Ticket(function, lost)
    try:
        loop.backend_class.run_sync_soon(ticket.redeem, (loop.native_token,), loop.native_token)
    except RuntimeError:
        ticket.redeemed = True
        return False
    return True


class _Ticket:
    """What waits in a loop's queue for a task to be started. A loop that ends drops its queue."""

    def __init__(
        self, function: Callable[[], Coroutine[Any, Any, None]], lost: Callable[[], object]
    ) -> None:
        self.function = function
        self.lost = lost
        self.redeemed = False

    def redeem(self, native: Any) -> None:
        if hasattr(native, "create_task"):
            task = native.create_task(self.function())
            _tasks.add(task)  # asyncio itself keeps only weak references
            task.add_done_callback(_tasks.discard)
        else:
            trio: Any = import_module("trio.lowlevel")
            trio.spawn_system_task(self.function, context=copy_context())
        self.redeemed = True

    def __del__(self) -> None:
        if not self.redeemed:
            self.lost()


_tasks: set[object] = set()


def cancelled_error() -> BaseException:
    """Make the error that a cancelled `Future` raises: ``asyncio.CancelledError``, on any backend.

    The class is the original's. It is looked up late: only programs that cancel need asyncio.
    """
    error: BaseException = import_module("asyncio").CancelledError()
    return error
