"""Where callbacks run: event loops explicit and implied, several of them, and none."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import STYLES, FakeBackend, awaited, followers, idle, until, until_blocking

BACKENDS = anyio.get_available_backends()
NUMBERS = list(range(12))
NEED_A_LOOP = ("async one", "coroutine", "awaitable")
"""Styles whose callbacks have to be awaited."""


def backend_and_view(style: str, **options: Any) -> tuple[FakeBackend, ts.TensorStore]:
    backend = FakeBackend(np.arange(12))
    return backend, backend.view((2,), style, **options)


@pytest.fixture(params=BACKENDS)
def elsewhere(request: pytest.FixtureRequest) -> Iterator[tuple[Any, int]]:
    """An event loop that runs in another thread, and that thread."""
    with anyio.from_thread.start_blocking_portal(request.param) as portal:
        token = portal.call(_token)
        yield token, portal.call(threading.get_ident)


async def _token() -> Any:
    return anyio.lowlevel.current_token()


# -- an explicit loop ------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_blocking_calls_run_async_callbacks_in_the_given_loop(
    style: str, elsewhere: tuple[Any, int]
) -> None:
    loop, thread = elsewhere
    backend, view = backend_and_view(style, loop=loop)
    where = {thread} if style.startswith(("async", "method", "partial", "callable")) else None

    assert view.read().result().tolist() == NUMBERS
    view[1:5] = 7
    assert backend.array.tolist() == [0, 7, 7, 7, 7, *NUMBERS[5:]]
    threads = {call.thread for call in backend.calls}
    assert where is None or threads == where
    assert idle(view)


@pytest.mark.parametrize("style", STYLES)
async def test_awaited_calls_run_async_callbacks_in_the_given_loop(
    style: str, elsewhere: tuple[Any, int]
) -> None:
    loop, thread = elsewhere
    backend, view = backend_and_view(style, loop=loop)

    assert (await view.read()).tolist() == NUMBERS
    await view[1:5].write(7)
    assert backend.array.tolist() == [0, 7, 7, 7, 7, *NUMBERS[5:]]
    if style == "async one":
        assert {call.thread for call in backend.calls} == {thread}
    assert idle(view)


@pytest.mark.parametrize("style", ["async one", "coroutine"])
async def test_cancellation_reaches_the_given_loop(style: str, elsewhere: tuple[Any, int]) -> None:
    backend, view = backend_and_view(style, loop=elsewhere[0])
    ended: list[int] = []

    async def hold(call: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(1)

    backend.hold = hold
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cancel() -> None:
                await until(lambda: backend.running > 0)
                scope.cancel()

            group.start_soon(cancel)
            await view.read()
    assert scope.cancelled_caught
    assert ended
    assert backend.running == 0
    assert idle(view)
    backend.hold = None
    assert (await view.read()).tolist() == NUMBERS


async def test_an_error_comes_back_from_the_given_loop(elsewhere: tuple[Any, int]) -> None:
    backend, view = backend_and_view("async one", loop=elsewhere[0])
    error = backend.failures["read", (4,)] = LookupError("gone")
    with pytest.raises(LookupError) as caught:
        await view.read()
    assert caught.value is error
    with pytest.raises(LookupError) as caught:
        await anyio.to_thread.run_sync(view.read().result)
    assert caught.value is error


def test_an_interrupt_raised_by_a_callback_does_not_end_the_given_loop(
    elsewhere: tuple[Any, int],
) -> None:
    backend, view = backend_and_view("async one", loop=elsewhere[0])
    backend.failures["read", (4,)] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        view.read().result()
    del backend.failures["read", (4,)]

    assert view.read().result().tolist() == NUMBERS


def test_an_asyncio_loop_is_accepted_as_such() -> None:
    with anyio.from_thread.start_blocking_portal("asyncio") as portal:
        loop = portal.call(_native_loop)
        backend, view = backend_and_view("async one", loop=loop)

        assert view.read().result().tolist() == NUMBERS
        assert {call.thread for call in backend.calls} == {portal.call(threading.get_ident)}


async def _native_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def test_the_given_loop_may_be_one_s_own(anyio_backend_name: str) -> None:
    backend, view = backend_and_view("async one", loop=await _token())

    assert (await view.read()).tolist() == NUMBERS
    assert (await anyio.to_thread.run_sync(view.read().result)).tolist() == NUMBERS
    assert {call.thread for call in backend.calls} == {threading.get_ident()}


@pytest.mark.parametrize("ending", ["stopped", "closed", "not started"])
async def test_a_given_loop_that_does_not_run_is_an_error(ending: str) -> None:
    loop = asyncio.new_event_loop()
    if ending == "stopped":
        thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.sleep(0)))
        thread.start()
        thread.join()
    if ending == "closed":
        loop.close()
    _, view = backend_and_view("async one", loop=loop)
    try:
        with pytest.raises(RuntimeError, match="is not running"):
            await view.read()
        with pytest.raises(RuntimeError, match="is not running"):
            await anyio.to_thread.run_sync(view.read().result)
    finally:
        loop.close()
    assert idle(view)


async def test_a_given_loop_that_ends_meanwhile_is_an_error() -> None:
    """Not a wait for ever: neither in a task nor in a thread."""
    for backend_name in BACKENDS:
        for wait in (awaited, lambda future: anyio.to_thread.run_sync(future.result)):
            began = threading.Event()
            end = threading.Event()
            tokens: list[Any] = []
            thread = threading.Thread(
                target=anyio.run, args=(_until, tokens, end), kwargs={"backend": backend_name}
            )
            thread.start()
            await until(lambda tokens=tokens: bool(tokens))  # type: ignore[misc]
            backend, view = backend_and_view("async one", loop=tokens[0])

            async def hold(call: Any, began: threading.Event = began) -> None:
                began.set()
                await anyio.sleep_forever()

            backend.hold = hold
            caught: list[BaseException] = []

            async def read(
                wait: Callable[[Any], Awaitable[Any]] = wait, view: ts.TensorStore = view
            ) -> None:
                try:
                    await wait(view.read())
                except (RuntimeError, asyncio.CancelledError) as error:
                    caught.append(error)  # noqa: B023 - used in this very turn

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await until(began.is_set)
                end.set()
            thread.join(20)
            assert len(caught) == 1
            assert idle(view)


async def _until(tokens: list[Any], end: threading.Event) -> None:
    tokens.append(anyio.lowlevel.current_token())
    await until(end.is_set)


@pytest.mark.parametrize("loop", [5, "asyncio", object()])
def test_what_is_no_loop_is_a_type_error(loop: Any) -> None:
    with pytest.raises(TypeError, match="loop must be"):
        backend_and_view("async one", loop=loop)


# -- no explicit loop ------------------------------------------------------------------------------


@pytest.mark.parametrize("style", NEED_A_LOOP)
async def test_the_loop_of_the_awaiting_task_runs_async_callbacks(style: str) -> None:
    backend, view = backend_and_view(style)
    loops: list[Any] = []

    async def hold(call: Any) -> None:
        loops.append(anyio.lowlevel.current_token().native_token)

    backend.hold = hold

    assert (await view.read()).tolist() == NUMBERS
    assert set(loops) == {anyio.lowlevel.current_token().native_token}


@pytest.mark.parametrize("style", STYLES)
async def test_a_view_made_in_a_loop_can_be_used_by_blocking_calls_in_threads(style: str) -> None:
    backend, view = backend_and_view(style)
    thread = threading.Thread(target=lambda: results.append(view.read().result()))
    results: list[Any] = []
    thread.start()  # a thread that anyio knows nothing of
    await until(lambda: not thread.is_alive())

    assert [result.tolist() for result in results] == [NUMBERS]
    if style == "async one":
        assert {call.thread for call in backend.calls} == {threading.get_ident()}


@pytest.mark.parametrize("style", STYLES)
def test_two_loops_one_after_the_other(style: str) -> None:
    """The original is bound to the first one."""
    backend, view = backend_and_view(style)
    views = [view]

    async def main() -> None:
        views.append(backend.view((2,), style))
        for each in views:
            assert (await each.read()).tolist() == NUMBERS
            await each[3:6].write(NUMBERS[3:6])

    for name in [*BACKENDS, *BACKENDS]:
        anyio.run(main, backend=name)

    assert idle(*views)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("cached", [False, True])
def test_two_loops_at_once_on_one_view(style: str, cached: bool) -> None:
    """Asyncio in one thread, trio in another, and plain code in a third."""
    context = ts.Context(
        {
            "data_copy_concurrency": {"limit": 1},
            "callback_concurrency": {"limit": 1},
            "cache_pool": {"total_bytes_limit": 10_000 if cached else 0},
        }
    )
    backend, view = backend_and_view(style, context=context)
    ready = threading.Barrier(len(BACKENDS) + 1)
    results: list[list[int]] = []

    async def main() -> None:
        ready.wait(20)
        for _ in range(4):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(read)
            await view[2:7].write(NUMBERS[2:7])

    async def read() -> None:
        results.append((await view.read()).tolist())

    def plain() -> None:
        ready.wait(20)
        for _ in range(4):
            with contextlib.suppress(ValueError):  # no loop to run async callbacks
                results.append(view.read().result().tolist())

    threads = [
        threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": name})
        for name in BACKENDS
    ]
    threads.append(threading.Thread(target=plain))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert not any(thread.is_alive() for thread in threads)
    assert len(results) >= 12 * len(BACKENDS)
    assert all(result == NUMBERS for result in results)
    assert backend.most_running == 1
    assert idle(view)


@pytest.mark.parametrize("leader", BACKENDS)
def test_a_reader_in_one_loop_follows_one_in_another(leader: str) -> None:
    backend, view = backend_and_view("async one")
    follower = next((name for name in BACKENDS if name != leader), leader)
    began, gate = threading.Event(), threading.Event()
    results: list[Any] = []

    async def hold(call: Any) -> None:
        began.set()
        await until(gate.is_set)

    backend.hold = hold

    async def main() -> None:
        results.append((await view[0:2].read()).tolist())

    one = threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": leader})
    one.start()
    assert began.wait(20)
    other = threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": follower})
    other.start()
    until_blocking(lambda: followers(view) > 0)
    gate.set()
    one.join(20)
    other.join(20)

    assert results == [[0, 1]] * 2
    assert len(backend.calls) == 1


# -- blocking in a loop's own thread ---------------------------------------------------------------


@pytest.mark.parametrize("style", ["async", "async one", "method", "partial", "callable"])
async def test_blocking_for_async_callbacks_in_the_loop_s_thread_is_an_error(style: str) -> None:
    """The original hangs."""
    backend, view = backend_and_view(style)
    for block in (
        lambda: view.read().result(),
        lambda: view.write(5).result(),
        lambda: view.__setitem__(slice(1, 3), 5),
        lambda: np.asarray(view),
    ):
        with pytest.raises(RuntimeError, match=r"event loop's own thread.*`await t\.read\(\)`"):
            block()
    assert backend.calls == []


@pytest.mark.parametrize("style", ["coroutine", "awaitable"])
async def test_blocking_for_a_returned_awaitable_in_the_loop_s_thread_is_an_error(
    style: str,
) -> None:
    """The coroutine is closed: no warning that it was never awaited."""
    _, view = backend_and_view(style)
    with pytest.raises(RuntimeError, match="event loop's own thread"):
        view.read().result()
    with pytest.raises(RuntimeError, match="event loop's own thread"):
        view[1:3] = 5
    gc.collect()
    assert idle(view)


@pytest.mark.parametrize("style", ["sync", "future", "thread future"])
async def test_blocking_for_plain_callbacks_in_the_loop_s_thread_works(style: str) -> None:
    _, view = backend_and_view(style)
    view[1:3] = 5
    assert np.asarray(view).tolist() == [0, 5, 5, *NUMBERS[3:]]
    assert idle(view)


async def test_blocking_where_everything_is_cached_works() -> None:
    context = ts.Context({"cache_pool": {"total_bytes_limit": 10_000}})
    _, view = backend_and_view("async one", context=context)
    await view.read()

    assert view.read().result().tolist() == NUMBERS


async def test_blocking_in_a_worker_thread_works_in_every_style() -> None:
    for style in STYLES:
        backend, view = backend_and_view(style)
        assert (await anyio.to_thread.run_sync(view.read().result)).tolist() == NUMBERS
        await anyio.to_thread.run_sync(view[1:4].write(5).result)
        assert backend.array[1:4].tolist() == [5, 5, 5]
        assert idle(view)


async def test_helpers_of_a_read_that_blocks_the_loop_do_not_wait_for_the_loop() -> None:
    """A callback in a helper thread may not wait for what only the blocked loop can do."""
    context = ts.Context({"data_copy_concurrency": {"limit": 3}})
    inner_backend, inner = backend_and_view("async one", context=context)
    slow = threading.Event()
    errors: list[BaseException] = []
    main = threading.get_ident()

    def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        if threading.get_ident() == main:
            slow.wait(0.05)  # so long that helpers are started
            array[...] = 5
            return
        try:
            inner.read().result()
        except RuntimeError as error:
            errors.append(error)
            raise

    layout = ts.ChunkLayout(read_chunk_shape=[1])
    view = ts.virtual_chunked(read, dtype=ts.int64, shape=[6], chunk_layout=layout, context=context)
    with pytest.raises(RuntimeError, match="event loop's own thread"):
        view.read().result()
    assert errors
    assert inner_backend.calls == []
    assert idle(view, inner)


# -- no loop at all --------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["async", "async one", "method", "partial", "callable"])
def test_async_callbacks_without_a_loop_are_an_error(style: str) -> None:
    backend, view = backend_and_view(style)
    for block in (lambda: view.read().result(), lambda: view.__setitem__(..., 5)):
        with pytest.raises(ValueError, match=r"no event loop specified.*`await`.*loop="):
            block()
    gc.collect()
    assert backend.calls == []
    assert idle(view)


@pytest.mark.parametrize("style", ["coroutine", "awaitable"])
def test_a_returned_awaitable_without_a_loop_is_an_error(style: str) -> None:
    """The original warns that the coroutine was never awaited."""
    _, view = backend_and_view(style)
    for block in (lambda: view.read().result(), lambda: view.__setitem__(slice(1, 4), 5)):
        with pytest.raises(ValueError, match=r"no event loop specified.*`await`.*loop="):
            block()
    gc.collect()
    assert idle(view)


@pytest.mark.parametrize("style", ["sync", "future", "thread future"])
def test_plain_code_needs_no_loop(style: str) -> None:
    backend, view = backend_and_view(style)
    view[1:3] = 5

    assert view.read().result().tolist() == [0, 5, 5, *NUMBERS[3:]]
    assert threading.get_ident() in {call.thread for call in backend.calls}


@pytest.mark.parametrize("style", NEED_A_LOOP)
def test_a_loop_that_is_gone_is_no_loop(style: str) -> None:
    views: list[ts.TensorStore] = []

    async def main() -> None:
        views.append(backend_and_view(style)[1])

    for name in BACKENDS:
        anyio.run(main, backend=name)
    for view in views:
        with pytest.raises(ValueError, match="no event loop specified"):
            view.read().result()
    gc.collect()


def test_a_write_of_whole_chunks_needs_no_loop_for_an_async_read_function() -> None:
    """The read function is not called, so it does not matter what it is."""
    backend = FakeBackend(np.arange(12))
    view = backend.view((2,), "async one", write_style="sync")
    view[2:6] = 5

    assert backend.array.tolist() == [0, 1, 5, 5, 5, 5, *NUMBERS[6:]]
    assert backend.reads() == []
    with pytest.raises(ValueError, match="no event loop specified"):
        view[3:6] = 7
    assert idle(view)


# -- the loop stays responsive ---------------------------------------------------------------------


async def test_a_slow_callback_does_not_block_the_loop() -> None:
    """Not even one that was quick before."""
    gate = threading.Event()
    backend, view = backend_and_view("sync")
    for _ in range(3):
        await view[0:1].read()
    backend.before = lambda call: gate.wait(20)
    for part in (view[0:1], view):
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while not gate.is_set():
                await anyio.lowlevel.checkpoint()
                ticks += 1
                if ticks == 20:
                    gate.set()

        gate.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            await part.read()
        assert ticks == 20


async def test_context_variables_are_the_caller_s_in_every_callback() -> None:
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable", default="unset")
    for style in STYLES:
        seen: list[str] = []
        backend, view = backend_and_view(style)
        backend.before = lambda call, seen=seen: seen.append(variable.get())
        variable.set(style)
        await view.read()
        await view[0:1].read()
        await view[0:1].read()
        if style not in NEED_A_LOOP:
            await anyio.to_thread.run_sync(view.read().result)
        assert set(seen) == {style}
        assert variable.get() == style
