"""Running an async function in another loop, from a blocked thread or from a task."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest

from tests.fakes import until
from virtchunk._bridge import run_elsewhere, run_in_loop
from virtchunk._control import Control
from virtchunk._loop import as_loop, is_running, running_loop, same_loop, spawn

BACKENDS = anyio.get_available_backends()


async def _token() -> Any:
    return anyio.lowlevel.current_token()


@pytest.fixture(params=BACKENDS)
def elsewhere(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The token of a loop that runs in another thread."""
    with anyio.from_thread.start_blocking_portal(request.param) as portal:
        yield portal.call(_token)


async def thread_of() -> int:
    await anyio.lowlevel.checkpoint()
    return threading.get_ident()


variable: ContextVar[str] = ContextVar("variable", default="unset")


async def value_of() -> str:
    await anyio.lowlevel.checkpoint()
    return variable.get()


async def fail() -> None:
    await anyio.lowlevel.checkpoint()
    raise LookupError("gone")


class Forever:
    """An async function that runs until it is cancelled."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = False

    async def __call__(self) -> None:
        self.began.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(3):
                    await anyio.lowlevel.checkpoint()
            self.ended = True


# -- from a thread ---------------------------------------------------------------------------------


def test_a_thread_gets_the_result_from_the_loop(elsewhere: Any) -> None:
    assert run_in_loop(elsewhere, thread_of) != threading.get_ident()


def test_a_thread_gets_the_error_from_the_loop(elsewhere: Any) -> None:
    with pytest.raises(LookupError, match="gone"):
        run_in_loop(elsewhere, fail)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, BaseException])
def test_the_loop_survives_what_the_function_raises(
    elsewhere: Any, error: type[BaseException]
) -> None:
    async def raise_it() -> None:
        raise error("stop")

    with pytest.raises(error):
        run_in_loop(elsewhere, raise_it)
    assert run_in_loop(elsewhere, thread_of)


def test_the_thread_s_context_variables_are_seen_in_the_loop(elsewhere: Any) -> None:
    variable.set("mine")

    assert run_in_loop(elsewhere, value_of) == "mine"


def test_a_deadline_cancels_the_function_and_waits_for_its_end(elsewhere: Any) -> None:
    forever = Forever()
    with pytest.raises(TimeoutError):
        run_in_loop(elsewhere, forever, Control(time.monotonic() + 0.02))
    assert forever.ended


def test_a_deadline_in_the_past(elsewhere: Any) -> None:
    with pytest.raises(TimeoutError):
        run_in_loop(elsewhere, Forever(), Control(time.monotonic() - 1))


def test_a_check_cancels_the_function_and_waits_for_its_end(elsewhere: Any) -> None:
    forever = Forever()

    def check() -> None:
        if forever.began.is_set():
            raise LookupError("enough")

    with pytest.raises(LookupError):
        run_in_loop(elsewhere, forever, check=check)
    assert forever.ended


def test_a_control_cancels_the_function_from_another_thread(elsewhere: Any) -> None:
    forever, control = Forever(), Control()

    def cancel() -> None:
        forever.began.wait(20)
        control.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(asyncio.CancelledError):
        run_in_loop(elsewhere, forever, control)
    thread.join()
    assert forever.ended


def test_an_error_of_a_cancelled_thread_pool_is_passed_on(elsewhere: Any) -> None:
    """It is an ordinary exception, though its name says otherwise."""

    async def raise_it() -> None:
        raise concurrent.futures.CancelledError("in a pool")

    with pytest.raises(concurrent.futures.CancelledError, match="in a pool"):
        run_in_loop(elsewhere, raise_it)


async def test_a_thread_of_the_loop_itself_may_come_back() -> None:
    loop = await _token()

    assert await anyio.to_thread.run_sync(run_in_loop, loop, thread_of) == threading.get_ident()


async def test_the_loop_s_own_thread_may_not_wait_for_it() -> None:
    with pytest.raises(RuntimeError, match="own thread"):
        run_in_loop(await _token(), thread_of)


# -- from a task -----------------------------------------------------------------------------------


async def test_a_task_gets_the_result_from_another_loop(elsewhere: Any) -> None:
    variable.set("mine")

    assert await run_elsewhere(elsewhere, thread_of) != threading.get_ident()
    assert await run_elsewhere(elsewhere, value_of) == "mine"
    assert await run_elsewhere(await _token(), thread_of) == threading.get_ident()


async def test_a_task_gets_the_error_from_another_loop(elsewhere: Any) -> None:
    with pytest.raises(LookupError, match="gone"):
        await run_elsewhere(elsewhere, fail)


async def test_a_cancelled_task_waits_for_the_end_in_the_other_loop(
    elsewhere: Any, anyio_backend_name: str
) -> None:
    forever = Forever()
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:

            async def cancel() -> None:
                await until(forever.began.is_set)
                scope.cancel()

            group.start_soon(cancel)
            await run_elsewhere(elsewhere, forever)
        assert scope.cancelled_caught
        assert forever.ended
    if anyio_backend_name == "asyncio":
        forever = Forever()
        task = asyncio.get_running_loop().create_task(run_elsewhere(elsewhere, forever))
        await until(forever.began.is_set)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert forever.ended


async def test_a_task_cancelled_at_once_runs_nothing_on(elsewhere: Any) -> None:
    forever = Forever()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await run_elsewhere(elsewhere, forever)
    assert scope.cancelled_caught
    assert forever.ended == forever.began.is_set()


# -- loops that do not run -------------------------------------------------------------------------


def ended_loop(backend: str) -> Any:
    return anyio.run(_token, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_loop_that_has_ended_is_an_error(backend: str) -> None:
    loop = await anyio.to_thread.run_sync(ended_loop, backend)
    assert not is_running(loop)
    with pytest.raises(RuntimeError, match="is not running"):
        await run_elsewhere(loop, thread_of)
    with pytest.raises(RuntimeError, match="is not running"):
        await anyio.to_thread.run_sync(run_in_loop, loop, thread_of)


def test_a_task_that_a_loop_never_came_to_is_lost_not_waited_for() -> None:
    loop = asyncio.new_event_loop()
    lost: list[int] = []
    assert spawn(as_loop(loop), fail, lambda: lost.append(1))
    assert lost == []
    loop.close()

    assert lost == [1]
    assert not spawn(as_loop(loop), fail, lambda: lost.append(2))
    assert lost == [1]


def test_plain_code_has_no_running_loop() -> None:
    assert running_loop() is None
    assert not same_loop(None, None)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_stands_for_a_loop(backend: str) -> None:
    async def main() -> None:
        token = running_loop()
        assert token is not None
        assert same_loop(token, as_loop(token))
        assert same_loop(token, as_loop(token.native_token))
        assert is_running(token)

    anyio.run(main, backend=backend)
    with pytest.raises(TypeError, match="loop must be an asyncio event loop"):
        as_loop(5)
