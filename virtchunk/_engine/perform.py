"""Carrying out steps: blocking a thread, or awaiting in a task. And calling callbacks, likewise."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel

from virtchunk._bridge import run_in_loop
from virtchunk._cache.pool import Entry
from virtchunk._control import Control, NoLoopError
from virtchunk._engine.claims import Follower
from virtchunk._engine.errand import Stop, run_errand
from virtchunk._engine.steps import Call, Steps
from virtchunk._engine.worker import Lending, Worker, current_worker
from virtchunk._future import Future
from virtchunk._loop import running_loop, same_loop
from virtchunk._schema.generation import TimestampedStorageGeneration
from virtchunk._signal import Signal

__all__ = ("call", "call_blocking", "needs_waiting", "perform", "perform_blocking", "resume")

_Immediate = (type(None), TimestampedStorageGeneration)


def needs_waiting(returned: object) -> bool:
    """Say whether what a callback returned is a promise of a result rather than one."""
    return not isinstance(returned, _Immediate) and (
        hasattr(returned, "__await__") or _is_thread_future(returned)
    )


def _is_thread_future(returned: object) -> bool:
    """Say whether it is a `concurrent.futures.Future`, without importing that (it is slow)."""
    return hasattr(returned, "add_done_callback") and not hasattr(returned, "__await__")


# -- blocking a thread ---------------------------------------------------------------------------


def perform_blocking(steps: Steps, worker: Worker) -> Entry:
    """Carry out the steps in this thread."""
    try:
        step = next(steps)
        while True:
            value = None
            try:
                if isinstance(step, Call):
                    value = call_blocking(step.function, step.arguments, worker)
                elif isinstance(step, Follower):
                    # Whoever leads may need our token to finish.
                    with Lending(worker):
                        step.signal.wait_blocking(check=worker.check)
                elif worker.check is not None:
                    worker.check()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as stop:
        entry: Entry = stop.value
        return entry


def call_blocking(function: Callable[..., Any], arguments: tuple[Any, ...], worker: Worker) -> Any:
    """Call a callback from a thread, and wait if it returned an awaitable."""
    return wait_blocking(function(*arguments), worker)


def wait_blocking(returned: Any, worker: Worker) -> Any:
    """Wait, in a thread, for what a callback returned, if that is awaitable.

    Raises:
        ValueError: If it has to run in an event loop, and there is none.
        RuntimeError: If it has to run in the event loop of this very thread.
    """
    if not needs_waiting(returned):
        return returned
    if isinstance(returned, Future) or _is_thread_future(returned):
        with Lending(worker):  # whoever completes it may need our token
            return _wait_for_future(returned, worker.check)
    loop = worker.loop
    here = running_loop()
    if loop is None or same_loop(here, loop):
        if hasattr(returned, "close"):
            returned.close()  # no "never awaited" warning: the error below says it
        if here is not None:
            raise RuntimeError(
                "the callback returned an awaitable, which cannot be waited for by a blocking call "
                "in the event loop's own thread; use `await t.read()` or `await t.write(...)`"
            )
        raise NoLoopError(
            "no event loop specified and thread does not have a running event loop: the callback "
            "returned an awaitable; use `await`, or pass loop= to virtual_chunked",
            Control(),  # nobody's: the operation has begun
        )
    return run_in_loop(loop, partial(_await, returned), check=worker.check)


def _wait_for_future(future: Any, check: Callable[[], object] | None) -> Any:
    if isinstance(future, Future):
        return future._result(check)
    signal = Signal()
    future.add_done_callback(lambda _: signal.set())
    try:
        signal.wait_blocking(check=check)
    except BaseException:
        future.cancel()
        raise
    return future.result()


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


# -- awaiting in a task --------------------------------------------------------------------------


async def perform(steps: Steps, worker: Worker, suspended: Callable[[], object]) -> Entry:
    """Carry out the steps in this task.

    Args:
        steps: What to do.
        worker: Who does it; its token is held.
        suspended: Called when the task is about to wait for the first time in a callback.
    """
    try:
        step = next(steps)
        while True:
            value = None
            try:
                if isinstance(step, Call):
                    value = await call(step, worker, suspended)
                elif isinstance(step, Follower):
                    suspended()
                    async with Lending(worker):
                        await step.signal.wait()
                else:
                    await anyio.lowlevel.checkpoint()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as stop:
        entry: Entry = stop.value
        return entry
    finally:
        steps.close()


async def call(step: Call, worker: Worker, suspended: Callable[[], object]) -> Any:
    """Call a callback from a task: an async one here, a synchronous one in a thread."""
    if not step.is_async:
        suspended()
        return await _call_in_thread(step, worker)
    returned = step.function(*step.arguments)
    if isinstance(returned, _Immediate):
        return returned
    return await settle(returned, suspended)


async def settle(returned: Any, suspended: Callable[[], object]) -> Any:
    """Await what a callback returned, if it is awaitable, watching for its first suspension."""
    if type(returned) is types.CoroutineType:
        try:
            yielded = returned.send(None)
        except StopIteration as stop:
            return stop.value
        suspended()
        return await resume(returned, yielded)
    if not needs_waiting(returned):
        return returned
    suspended()
    if _is_thread_future(returned):
        return await _await_thread_future(returned)
    return await returned


@types.coroutine
def resume(coroutine: Any, yielded: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has been started by hand and has suspended.

    It has run in this task from its first step, so both backends see one task that suspends. A
    coroutine must never change its task.
    """
    while True:
        try:
            sent = yield yielded
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:
            step = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, sent)
        try:
            yielded = step()
        except StopIteration as stop:
            return stop.value


async def _await_thread_future(future: Any) -> Any:
    signal = Signal()
    future.add_done_callback(lambda _: signal.set())
    try:
        await signal.wait()
    except BaseException:
        future.cancel()
        raise
    return future.result()


async def _call_in_thread(step: Call, worker: Worker) -> Any:
    """Run the synchronous one of a pair of callbacks of which the other one is async.

    It needs a token of the synchronous callbacks' limit; the task's own is lent meanwhile.
    """
    stop = Stop()
    async with Lending(worker):
        own = Worker(step.limiter, worker, worker.loop, stop.check)
        await own.acquire()
        try:
            returned = await run_errand(partial(_entered_call, own, step), stop)
        finally:
            own.close()
    if needs_waiting(returned):
        return await settle(returned, _ignore)
    return returned


def _entered_call(worker: Worker, step: Call) -> Any:
    token = current_worker.set(worker)
    try:
        return step.function(*step.arguments)
    finally:
        current_worker.reset(token)


def _ignore() -> None:
    pass
