"""Cancelling an operation at each point where any of its tasks suspends.

`cancelled_at` counts the suspensions of all tasks of the running loop and cancels at the n-th of
them, so that a test can go through n = 0, 1, 2, ... until the operation completes undisturbed.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import attrs

__all__ = ["Outcome", "cancelled_at"]


def on_trio() -> bool:
    """Say whether the running loop is trio's."""
    return hasattr(anyio.lowlevel.current_token().native_token, "run_sync_soon")


@attrs.frozen
class Outcome:
    """What became of an operation."""

    suspensions: int
    """How often its tasks suspended until the end."""
    completed: bool
    value: Any = None


class _Counter:
    """Counts suspensions, and cancels at one of them."""

    def __init__(self, at: int, cancel: Callable[[], object]) -> None:
        self.left = at
        self.seen = 0
        self.cancel = cancel

    def suspended(self) -> None:
        self.seen += 1
        if self.left == 0:
            self.cancel()
        self.left -= 1


async def cancelled_at(
    at: int, operation: Callable[[], Awaitable[Any]], how: str = "scope"
) -> Outcome:
    """Run an operation and cancel it at its n-th suspension.

    Args:
        at: Which suspension, counted from 0.
        operation: Starts it.
        how: ``"scope"``, a cancel scope around it, or ``"task"``, its task by ``task.cancel()``
            (asyncio only).
    """
    if how == "task":
        return await _cancelled_task(at, operation)
    with anyio.CancelScope() as scope:
        counter = _Counter(at, scope.cancel)
        value: list[Any] = []
        with _counting(counter):
            value.append(await _counted(counter, operation()))
    return Outcome(counter.seen, bool(value), *value)


async def _cancelled_task(at: int, operation: Callable[[], Awaitable[Any]]) -> Outcome:
    async def run() -> Any:
        return await operation()

    tasks: list[asyncio.Task[Any]] = []
    counter = _Counter(at, lambda: tasks[0].cancel())
    with _counting(counter):
        tasks.append(asyncio.get_running_loop().create_task(run()))
        await asyncio.wait(tasks)
    if tasks[0].cancelled():
        return Outcome(counter.seen, completed=False)
    return Outcome(counter.seen, True, tasks[0].result())


@types.coroutine
def _counted(counter: _Counter, awaitable: Awaitable[Any]) -> Generator[Any, Any, Any]:
    """Await, and tell the counter before each suspension. Trio counts by itself."""
    if on_trio():
        return (yield from awaitable.__await__())
    coroutine: Any = awaitable.__await__()
    step: Callable[[], Any] = partial(coroutine.send, None)
    while True:
        try:
            yielded = step()
        except StopIteration as stop:
            return stop.value
        counter.suspended()
        try:
            sent = yield yielded
        except BaseException as error:
            step = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, sent)


@contextmanager
def _counting(counter: _Counter) -> Iterator[None]:
    """Count the suspensions of all tasks that are started meanwhile."""
    if on_trio():
        import trio

        class Steps(trio.abc.Instrument):
            def after_task_step(self, task: Any) -> None:
                counter.suspended()

        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(steps)
    else:
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()

        def factory(
            loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
        ) -> asyncio.Future[Any]:
            async def counted() -> Any:
                return await _counted(counter, _Awaiting(coroutine))

            # Never an eager task: what it does before it is a task cannot be told apart.
            return asyncio.Task(counted(), loop=loop, **options)

        loop.set_task_factory(factory)
        try:
            yield
        finally:
            loop.set_task_factory(before)


class _Awaiting:
    """A coroutine as an awaitable that hands out the coroutine itself."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Any:
        return self._coroutine
