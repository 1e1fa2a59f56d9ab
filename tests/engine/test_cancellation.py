"""Cancelled at any point, an operation leaves nothing behind and nothing half done."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

import virtchunk as ts
from tests.cancel_points import Outcome, cancelled_at
from tests.fakes import ASYNC_STYLES, FakeBackend, awaited, followers, idle, until

CACHE = {"cache_pool": {"total_bytes_limit": 1_000_000}}
ONE = {"data_copy_concurrency": {"limit": 1}, "callback_concurrency": {"limit": 1}}
OWN = {"data_copy_concurrency": {"limit": 3}, "callback_concurrency": {"limit": 3}}
MATRIX = ("async", "async one", "async many", "sync", "coroutine", "future")
"""Every way to suspend, and every way to be waited for."""


@pytest.fixture(params=["scope", "task"])
def how(request: pytest.FixtureRequest, anyio_backend: tuple[str, Any]) -> str:
    """How to cancel: anyio's way and, on asyncio, also its own."""
    if request.param == "task" and anyio_backend[0] != "asyncio":
        pytest.skip("task.cancel() is asyncio's")
    way: str = request.param
    return way


async def at_every_point(
    start: Callable[[], Callable[[], Awaitable[Any]]],
    check: Callable[[Outcome], Awaitable[object]],
    how: str,
) -> None:
    """Cancel a new operation at each of its suspensions, and check what is left after each."""
    at = 0
    while True:
        threads = threading.active_count()
        outcome = await cancelled_at(at, start(), how)
        await check(outcome)
        assert threading.active_count() <= threads + 4  # idle ones of the backend
        if outcome.suspensions <= at:
            assert outcome.completed
            return
        at += 1
        assert at < 300


@pytest.mark.parametrize("limits", [ONE, OWN], ids=["limit 1", "limit 3"])
@pytest.mark.parametrize("style", MATRIX)
async def test_read(style: str, limits: dict[str, Any], how: str) -> None:
    context = ts.Context(limits)
    array = np.arange(12).reshape(3, 4)
    backend = FakeBackend(array)
    view = backend.view((2, 2), style, context=context)

    async def check(outcome: Outcome) -> None:
        assert backend.running == 0
        assert idle(view)
        called = len(backend.calls)
        await anyio.lowlevel.checkpoint()
        assert len(backend.calls) == called
        np.testing.assert_array_equal(await view.read(), array)
        if outcome.completed:
            np.testing.assert_array_equal(outcome.value, array)

    await at_every_point(lambda: view.read, check, how)


@pytest.mark.parametrize("style", MATRIX)
async def test_cached_read(style: str, how: str) -> None:
    array = np.arange(12).reshape(3, 4)
    backends = []

    def start() -> Callable[[], Awaitable[Any]]:
        backend = FakeBackend(array)
        view = backend.view((2, 2), style, context=ts.Context(OWN | CACHE))
        backends.append((backend, view))
        return view.read

    async def check(outcome: Outcome) -> None:
        backend, view = backends.pop()
        assert backend.running == 0
        assert idle(view)
        np.testing.assert_array_equal(await view.read(), array)
        assert len(backend.calls) <= 8

    await at_every_point(start, check, how)


@pytest.mark.parametrize("cache", [{}, CACHE], ids=["", "cached"])
@pytest.mark.parametrize("style", MATRIX)
@pytest.mark.parametrize("write_style", ["sync", "async one"])
async def test_write(style: str, write_style: str, cache: dict[str, Any], how: str) -> None:
    """Whole chunks and, at the edges of the request, chunks that are read first."""
    before, after = np.zeros((4, 4), np.int64), np.zeros((4, 4), np.int64)
    after[0:3, 1:4] = np.arange(1, 10).reshape(3, 3)
    begun: list[tuple[FakeBackend, ts.TensorStore]] = []

    def start() -> Callable[[], Awaitable[Any]]:
        backend = FakeBackend(before.copy())
        context = ts.Context(ONE | cache)
        view = backend.view((2, 2), style, write_style=write_style, context=context)
        begun.append((backend, view))

        async def operation() -> None:
            if cache:
                await view.read()
            await view[0:3, 1:4].write(after[0:3, 1:4])

        return operation

    async def check(outcome: Outcome) -> None:
        backend, view = begun.pop()
        assert backend.running == 0
        assert idle(view)
        for rows in (slice(0, 2), slice(2, 4)):
            for columns in (slice(0, 2), slice(2, 4)):
                chunk = backend.array[rows, columns].tolist()
                assert chunk in (before[rows, columns].tolist(), after[rows, columns].tolist())
        if outcome.completed:
            np.testing.assert_array_equal(backend.array, after)
        np.testing.assert_array_equal(await view.read(), backend.array)
        await view.write(7)
        assert (backend.array == 7).all()
        assert idle(view)

    await at_every_point(start, check, how)


@pytest.mark.parametrize("inner_style", ["sync", "async one"])
@pytest.mark.parametrize("style", ["sync", "async"])
async def test_nested_read(style: str, inner_style: str, how: str) -> None:
    """The nested operations end before the outer one does."""
    context = ts.Context(ONE)
    inner = FakeBackend(np.arange(8))
    inner_view = inner.view((2,), inner_style, context=context)

    def sync_read(domain: Any, array: Any, params: Any) -> None:
        array[...] = inner_view[domain].read().result()

    async def async_read(domain: Any, array: Any, params: Any) -> None:
        array[...] = await inner_view[domain].read()

    view = ts.virtual_chunked(
        sync_read if style == "sync" else async_read,
        dtype=ts.int64,
        shape=[8],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[4]),
        context=context,
    )

    async def check(outcome: Outcome) -> None:
        assert inner.running == 0
        assert idle(view, inner_view)
        assert (await view.read()).tolist() == list(range(8))

    await at_every_point(lambda: view.read, check, how)


# -- waiting for somebody else ---------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a synchronous callback waits for; opened at the end whatever happens."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("style", ["sync", "async", "coroutine"])
async def test_a_cancelled_follower_leaves_the_leader_alone(style: str, how: str) -> None:
    release = anyio.Event()
    backend = FakeBackend(np.arange(4))
    gate = threading.Event()

    async def hold(call: Any) -> None:
        await release.wait()

    if style == "sync":
        backend.before = lambda call: gate.wait(20)
    else:
        backend.hold = hold
    context = ts.Context(OWN)
    view = backend.view((4,), style, context=context)
    results: list[Any] = []

    async def lead() -> None:
        results.append(await view.read())

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await until(lambda: bool(backend.calls))
        for _ in range(2):
            with anyio.move_on_after(0.05) as scope:
                await view.read()
            assert scope.cancelled_caught
            assert len(backend.calls) == 1
        gate.set()
        release.set()

    assert results[0].tolist() == [0, 1, 2, 3]
    assert idle(view)


@pytest.mark.parametrize("style", ASYNC_STYLES)
async def test_a_cancelled_leader_is_succeeded_by_a_follower(style: str) -> None:
    backend = FakeBackend(np.arange(4))
    release = anyio.Event()

    async def hold(call: Any) -> None:
        if len(backend.calls) == 1:
            await release.wait()
        for _ in range(3):  # so that the others come while the first of them is at it
            await anyio.lowlevel.checkpoint()

    backend.hold = hold
    view = backend.view((4,), style, context=ts.Context(OWN))
    results: list[Any] = []

    async def follow() -> None:
        results.append((await view.read()).tolist())

    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()

        async def lead() -> None:
            with scope:
                await view.read()

        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            group.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        assert len(backend.calls) == 1
        scope.cancel()

    assert results == [[0, 1, 2, 3]] * 3
    assert len(backend.calls) == 2
    assert idle(view)


async def test_a_cancelled_leader_in_a_thread_is_no_failure_for_its_followers() -> None:
    """Its callback returned a coroutine that was cancelled in the loop."""
    backend = FakeBackend(np.arange(4))
    release = anyio.Event()

    async def hold(call: Any) -> None:
        if len(backend.calls) == 1:
            await release.wait()

    backend.hold = hold
    view = backend.view((4,), "coroutine", context=ts.Context(OWN))
    results: list[Any] = []

    async def follow() -> None:
        results.append((await view.read()).tolist())

    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()

        async def lead() -> None:
            with scope:
                await view.read()

        group.start_soon(lead)
        await until(lambda: backend.running == 1)
        group.start_soon(follow)
        await until(lambda: followers(view) == 1)
        scope.cancel()

    assert results == [[0, 1, 2, 3]]
    assert idle(view)


async def test_a_reader_that_waits_for_a_token_can_be_cancelled(gate: threading.Event) -> None:
    context = ts.Context(ONE)
    busy, other = FakeBackend(np.arange(4)), FakeBackend(np.arange(4))
    busy.before = lambda call: gate.wait(20)
    view = busy.view((4,), context=context)
    async with anyio.create_task_group() as group:
        group.start_soon(awaited, view.read())
        await until(lambda: busy.running == 1)
        with anyio.move_on_after(0.05) as scope:
            await other.view((4,), context=context).read()
        assert scope.cancelled_caught
        assert other.calls == []
        gate.set()
    assert idle(view)


async def test_a_timeout_cancels_all_callbacks_before_it_is_over() -> None:
    """Of 64 chunks all are cancelled at their next await; none runs on."""
    ended: list[int] = []
    began = 0

    async def read(domain: Any, array: Any, params: Any) -> None:
        nonlocal began
        began += 1
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            ended.append(domain.inclusive_min[0])

    layout = ts.ChunkLayout(read_chunk_shape=[1])
    view = ts.virtual_chunked(read, dtype=ts.int8, shape=[64], chunk_layout=layout)

    async def time_out() -> None:
        await until(lambda: began == 64)
        scope.deadline = anyio.current_time()

    async with anyio.create_task_group() as group:
        group.start_soon(time_out)
        with pytest.raises(TimeoutError):
            with anyio.fail_after(60) as scope:
                await view.read()

    assert sorted(ended) == list(range(64))
    assert idle(view)


async def test_a_failing_task_group_cancels_the_reads_in_it() -> None:
    backend = FakeBackend(np.arange(64))

    async def hold(call: Any) -> None:
        await anyio.sleep_forever()

    backend.hold = hold
    view = backend.view((1,), "async")
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - a task group is not one statement
        async with anyio.create_task_group() as group:
            group.start_soon(awaited, view.read())
            await anyio.wait_all_tasks_blocked()
            assert backend.running == 64
            raise LookupError("elsewhere")

    assert isinstance(caught.value.exceptions[0], LookupError)
    assert backend.running == 0
    assert idle(view)


@pytest.mark.parametrize("chunks", [1, 5])
async def test_a_cancelled_read_waits_for_its_thread(
    chunks: int, how: str, gate: threading.Event
) -> None:
    """A thread cannot be stopped; but nothing of the read runs on when the read has ended."""
    backend = FakeBackend(np.arange(chunks))
    began, ended = threading.Event(), threading.Event()

    def before(call: Any) -> None:
        began.set()
        gate.wait(20)
        ended.set()

    backend.before = before
    view = backend.view((1,), context=ts.Context(ONE))

    async def cancel_and_open() -> None:
        await until(began.is_set)
        cancel()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        assert not ended.is_set()
        gate.set()

    async with anyio.create_task_group() as group:
        if how == "scope":
            with anyio.CancelScope() as scope:
                cancel: Callable[[], object] = scope.cancel
                group.start_soon(cancel_and_open)
                await view.read()
            assert scope.cancelled_caught
        else:
            import asyncio

            async def run() -> Any:
                return await view.read()

            task = asyncio.get_running_loop().create_task(run())
            cancel = task.cancel
            group.start_soon(cancel_and_open)
            await asyncio.wait([task])
            assert task.cancelled()
        assert ended.is_set()
        assert len(backend.calls) == 1
        assert idle(view)


async def test_a_callback_that_never_returns_is_cancelled() -> None:
    """Async ones, and plain ones that wait for something that the loop can end."""
    never, done = anyio.Event(), []

    async def wait() -> None:
        try:
            await never.wait()
        finally:
            done.append(1)

    def promise(*arguments: Any) -> Any:
        kept.append(pair := ts.Promise[None].new())
        return pair[1]

    kept: list[Any] = []
    callbacks: list[Any] = [
        lambda *_: wait(),
        lambda *_: anyio.from_thread.run(wait),
        promise,
    ]

    async def coroutine_function(*arguments: Any) -> None:
        await wait()

    for callback in [*callbacks, coroutine_function]:
        view = ts.virtual_chunked(callback, dtype=ts.int8, shape=[4], context=ts.Context(ONE))
        with anyio.move_on_after(0.05) as scope:
            await view.read()
        assert scope.cancelled_caught
        assert idle(view)
    assert len(done) == 3


async def test_what_a_callback_left_running_takes_no_token_with_it() -> None:
    """A task that outlives the callback that started it still runs in its context."""
    context = ts.Context(ONE)
    inner = FakeBackend(np.arange(4))
    release = anyio.Event()

    async def hold(call: Any) -> None:
        await release.wait()

    inner.hold = hold
    inner_view = inner.view((4,), "async", context=context)
    async with anyio.create_task_group() as group:

        async def read(domain: Any, array: Any, params: Any) -> None:
            group.start_soon(awaited, inner_view.read())
            array[...] = 5

        view = ts.virtual_chunked(read, dtype=ts.int8, shape=[4], context=context)
        assert (await view.read()).tolist() == [5] * 4
        await anyio.wait_all_tasks_blocked()
        release.set()

    assert idle(view, inner_view)


async def test_a_nested_read_that_timed_out_leaves_its_callback_counted() -> None:
    context = ts.Context(ONE)
    inner = FakeBackend(np.arange(4))

    async def hold(call: Any) -> None:
        await anyio.sleep_forever()

    inner.hold = hold
    inner_view = inner.view((4,), "async", context=context)
    limiter = context["callback_concurrency"]
    borrowed = []

    async def read(domain: Any, array: Any, params: Any) -> None:
        with anyio.move_on_after(0.01):
            await inner_view.read()
        await anyio.lowlevel.checkpoint()
        borrowed.append(limiter.statistics().borrowed_tokens)
        array[...] = 5

    layout = ts.ChunkLayout(read_chunk_shape=[1])
    view = ts.virtual_chunked(read, dtype=ts.int8, shape=[3], chunk_layout=layout, context=context)
    await view.read()

    assert borrowed == [1, 1, 1]
    assert idle(view, inner_view)
