"""What goes wrong in a callback is raised as it is, says where, and stops everything else."""

from __future__ import annotations

import asyncio
import functools
import threading
import traceback
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import STYLES, FakeBackend, awaited, followers, idle, until

CACHE = {"cache_pool": {"total_bytes_limit": 1_000_000}}


class CustomError(Exception):
    """A user's own error."""


class CustomBaseError(BaseException):
    """One that is no `Exception`."""


def notes(error: BaseException) -> str:
    return "\n".join(error.__notes__)


def frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


async def caught_by(future: Any, blocking: bool) -> BaseException:
    """The error of a future, awaited or blocked for."""
    try:
        if blocking:
            await anyio.to_thread.run_sync(future.result)
        else:
            await future
    except BaseException as error:
        return error
    raise AssertionError("there was no error")


# -- the error -------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, CACHE], ids=["", "cached"])
@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "blocking"])
@pytest.mark.parametrize("style", STYLES)
async def test_a_read_raises_the_callback_s_own_error(
    style: str, blocking: bool, options: dict[str, Any]
) -> None:
    """The same object, with a traceback into the callback and a note that names the chunk."""
    backend = FakeBackend(np.arange(24).reshape(4, 6))
    error = backend.failures["read", (2, 3)] = CustomError("broken")
    view = backend.view((2, 3), style, context=ts.Context(options))[1:, 1:]
    future = view.read()
    raised = await caught_by(future, blocking)

    assert raised is error
    assert "_call" in frames(raised)
    assert "in read_function" in notes(raised)
    assert "chunk { [2, 4), [3, 6) }" in notes(raised)
    assert notes(raised).count("read_function") == 1
    assert future.exception() is error
    assert idle(view)
    backend.failures.clear()
    np.testing.assert_array_equal(await view.read(), backend.array[1:, 1:])


@pytest.mark.parametrize("options", [{}, CACHE], ids=["", "cached"])
@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "blocking"])
@pytest.mark.parametrize("style", STYLES)
async def test_a_write_raises_the_callback_s_own_error_and_says_what_was_stored(
    style: str, blocking: bool, options: dict[str, Any]
) -> None:
    backend = FakeBackend(np.zeros((4, 6), np.int64))
    error = backend.failures["write", (2, 3)] = CustomError("broken")
    view = backend.view((2, 3), style, context=ts.Context(options | ONE))
    raised = await caught_by(view[1:, 1:].write(5), blocking)

    assert raised is error
    assert "_call" in frames(raised)
    assert "in write_function" in notes(raised)
    assert "chunk { [2, 4), [3, 6) }" in notes(raised)
    stored = [
        key for key in [(0, 0), (0, 3), (2, 0), (2, 3)] if (backend.array[at(key)] == 5).any()
    ]
    assert f"stored: {len(stored)} of 4 chunks" in notes(raised)
    for key in stored:
        domain = ts.IndexDomain(inclusive_min=key, shape=[2, 3])
        assert str(domain) in notes(raised).split("stored:")[1]
    assert idle(view)
    np.testing.assert_array_equal(await view.read(), backend.array)


ONE = {"data_copy_concurrency": {"limit": 1}, "callback_concurrency": {"limit": 1}}


def at(key: tuple[int, ...]) -> tuple[slice, slice]:
    return slice(key[0], key[0] + 2), slice(key[1], key[1] + 3)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda f: f, "named_callback"),
        (lambda f: functools.partial(f), "named_callback"),
        (lambda f: Methods().method, "Methods.method"),
        (lambda f: Callback(), "Callback"),
        (lambda f: lambda *args: f(*args), "<lambda>"),
    ],
    ids=["function", "partial", "method", "callable", "lambda"],
)
def test_the_note_names_the_callback_as_its_author_would(make: Any, name: str) -> None:
    view = ts.virtual_chunked(make(named_callback), dtype=ts.int8, shape=[4])
    with pytest.raises(CustomError) as caught:
        view.read().result()

    assert name in notes(caught.value)


def named_callback(*arguments: Any) -> None:
    raise CustomError("broken")


class Methods:
    def method(self, *arguments: Any) -> None:
        named_callback()


class Callback:
    def __call__(self, *arguments: Any) -> None:
        named_callback()


@pytest.mark.parametrize("style", ["sync", "async", "async one"])
async def test_an_error_while_reading_for_a_write_names_the_read_function(style: str) -> None:
    backend = FakeBackend(np.zeros((4, 6), np.int64))
    error = backend.failures["read", (0, 0)] = CustomError("broken")
    raised = await caught_by(backend.view((2, 3), style)[1:, 1:].write(5), blocking=False)

    assert raised is error
    assert "in read_function" in notes(raised)
    assert "in write_function" not in notes(raised)
    assert (0, 0) not in backend.writes()


@pytest.mark.parametrize("style", ["sync", "async", "async one"])
async def test_of_a_long_write_only_the_first_chunks_stored_are_named(style: str) -> None:
    backend = FakeBackend(np.zeros(100, np.int64))
    backend.failures["write", (60,)] = CustomError("broken")
    context = ts.Context(ONE)
    raised = await caught_by(backend.view((1,), style, context=context).write(5), blocking=False)

    assert "stored: 60 of 100 chunks: { [0, 1) }, { [1, 2) }" in notes(raised)
    assert "and 40 more" in notes(raised)


@pytest.mark.parametrize("style", STYLES)
async def test_several_failures_are_one_plain_error(style: str) -> None:
    """Not a group; the others are mentioned."""
    backend = FakeBackend(np.arange(8))
    context = ts.Context({"callback_concurrency": {"limit": 8}})
    for i in range(8):
        backend.failures["read", (i,)] = CustomError(f"broken {i}")
    view = backend.view((1,), style, context=context)
    raised = await caught_by(view.read(), blocking=False)

    assert isinstance(raised, CustomError)
    assert idle(view)


async def test_further_failures_are_mentioned_in_a_note() -> None:
    backend = FakeBackend(np.arange(3))

    async def read(domain: Any, array: Any, params: Any) -> None:
        try:
            await anyio.sleep_forever() if domain.inclusive_min[0] else await ready.wait()
        finally:
            raise CustomError(f"broken {domain.inclusive_min[0]}")

    ready = anyio.Event()
    layout = ts.ChunkLayout(read_chunk_shape=[1])
    view = ts.virtual_chunked(read, dtype=ts.int64, shape=[3], chunk_layout=layout)
    async with anyio.create_task_group() as group:

        async def go() -> None:
            await anyio.wait_all_tasks_blocked()
            ready.set()

        group.start_soon(go)
        raised = await caught_by(view.read(), blocking=False)

    assert str(raised) == "broken 0"
    assert "another chunk failed too: CustomError('broken 1')" in notes(raised)
    assert "another chunk failed too: CustomError('broken 2')" in notes(raised)
    assert backend.calls == []


# -- the others ------------------------------------------------------------------------------------


async def test_siblings_are_cancelled_and_awaited_before_the_error_is_raised() -> None:
    ended: list[int] = []
    everybody = anyio.Event()
    began = 0

    async def read(domain: Any, array: Any, params: Any) -> None:
        nonlocal began
        began += 1
        if began == 16:
            everybody.set()
        try:
            await everybody.wait()
            if domain.inclusive_min[0] == 7:
                raise CustomError("broken")
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
            ended.append(domain.inclusive_min[0])

    layout = ts.ChunkLayout(read_chunk_shape=[1])
    view = ts.virtual_chunked(read, dtype=ts.int64, shape=[16], chunk_layout=layout)
    with pytest.raises(CustomError):
        await view.read()

    assert sorted(ended) == list(range(16))
    assert idle(view)


@pytest.mark.parametrize("style", ["sync", "future", "thread future"])
async def test_no_more_callbacks_are_called_after_an_error_and_threads_have_ended(
    style: str,
) -> None:
    backend = FakeBackend(np.arange(64))
    failing = threading.Event()

    def before(call: Any) -> None:
        threading.Event().wait(0.001)
        if call.key == (10,):
            failing.set()

    backend.before = before
    backend.failures["read", (10,)] = CustomError("broken")
    context = ts.Context({"data_copy_concurrency": {"limit": 4}})
    view = backend.view((1,), style, context=context)
    for blocking in (False, True):
        backend.calls.clear()
        await caught_by(view.read(), blocking)
        called = len(backend.calls)
        assert backend.running == 0
        assert called < 40
        threading.Event().wait(0.01)
        assert len(backend.calls) == called
        assert idle(view)


@pytest.mark.parametrize("style", ["async", "async one"])
async def test_no_async_callback_begins_after_an_error(style: str) -> None:
    backend = FakeBackend(np.arange(300))
    backend.failures["read", (10,)] = CustomError("broken")
    context = ts.Context({"callback_concurrency": {"limit": 4}})
    view = backend.view((1,), style, context=context)
    await caught_by(view.read(), blocking=False)

    assert len(backend.calls) <= 10 + 4 + 1
    assert idle(view)


# -- errors that are no exceptions -----------------------------------------------------------------


@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "blocking"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("role", ["read", "write"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, CustomBaseError])
async def test_what_is_no_exception_is_raised_all_the_same(
    kind: type[BaseException], role: str, style: str, blocking: bool
) -> None:
    backend = FakeBackend(np.arange(8))
    error = backend.failures[role, (4,)] = kind("stop")
    view = backend.view((2,), style, context=ts.Context(ONE))
    future: Any = view.read() if role == "read" else view.write(5)
    raised = await caught_by(future, blocking)

    assert raised is error
    assert backend.running == 0
    assert idle(view)
    backend.failures.clear()
    np.testing.assert_array_equal(await view.read(), backend.array)


@pytest.mark.parametrize("style", ["async", "async one", "sync", "coroutine", "future"])
async def test_a_callback_that_says_it_was_cancelled_is_reported_as_that(
    style: str, anyio_backend_name: str
) -> None:
    """Nobody cancelled the read: its task goes on, and the others are cancelled."""
    if anyio_backend_name != "asyncio":
        pytest.skip("asyncio's CancelledError")
    backend = FakeBackend(np.arange(8))
    error = backend.failures["read", (4,)] = asyncio.CancelledError("spontaneous")
    view = backend.view((1,), style, context=ts.Context(ONE))
    raised = await caught_by(view.read(), blocking=False)

    assert isinstance(raised, asyncio.CancelledError)
    assert style == "coroutine" or raised is error
    await anyio.lowlevel.checkpoint()
    assert backend.running == 0
    assert idle(view)
    backend.failures.clear()
    assert (await view.read()).tolist() == list(range(8))


@pytest.mark.parametrize("style", ["sync", "async", "future"])
async def test_a_stop_iteration_is_an_error_not_an_end(style: str) -> None:
    """Python turns it into a RuntimeError where generators are involved."""
    backend = FakeBackend(np.arange(8))
    backend.failures["read", (4,)] = StopIteration("oops")
    for options in ({}, CACHE):
        view = backend.view((1,), style, context=ts.Context(options))
        raised = await caught_by(view.read(), blocking=False)
        assert isinstance(raised, (RuntimeError, StopIteration))
        assert idle(view)


# -- wrong things ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [5, "v1", b"v1", (b"v1", 5.0), np.arange(3), object()])
@pytest.mark.parametrize("style", ["sync", "async", "coroutine", "future", "thread future"])
async def test_returning_the_wrong_thing_is_a_type_error_that_says_what_is_right(
    style: str, wrong: Any
) -> None:
    backend = FakeBackend(np.arange(8))
    for role in ("read", "write"):
        backend.results[role] = wrong
    for options in ({}, CACHE):
        view = backend.view((2,), style, context=ts.Context(options))
        for future, role in ((view.read(), "read"), (view.write(5), "write")):
            raised = await caught_by(future, blocking=False)
            assert isinstance(raised, TypeError)
            assert f"{role}_function FakeBackend." in str(raised)
            assert "returned" in str(raised)
            assert repr(wrong) in str(raised)
            assert "chunk { [" in str(raised)
            assert "return None, a KvStore.TimestampedStorageGeneration or an awaitable" in str(
                raised
            )
        assert idle(view)


@pytest.mark.parametrize("style", ["sync", "async"])
async def test_a_callback_that_assigns_the_wrong_shape_gets_numpy_s_error(style: str) -> None:
    def read(domain: Any, array: Any, params: Any) -> None:
        array[...] = np.arange(3)

    async def read_async(domain: Any, array: Any, params: Any) -> None:
        read(domain, array, params)

    function: Any = read if style == "sync" else read_async
    layout = ts.ChunkLayout(read_chunk_shape=[2])
    view = ts.virtual_chunked(function, dtype=ts.int64, shape=[8], chunk_layout=layout)
    raised = await caught_by(view.read(), blocking=False)

    assert isinstance(raised, ValueError)
    assert "broadcast" in str(raised)
    assert "chunk { [" in notes(raised)


@pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array")
async def test_a_callback_may_reshape_its_array() -> None:
    """It is its own view of the memory."""
    backend = np.arange(24).reshape(4, 6)

    def read(domain: Any, array: Any, params: Any) -> None:
        array[...] = backend[domain.index_exp]
        if array.flags.c_contiguous:
            array.shape = (array.size,)

    for options in ({}, CACHE):
        view = ts.virtual_chunked(
            read,
            dtype=ts.int64,
            shape=[4, 6],
            chunk_layout=ts.ChunkLayout(read_chunk_shape=[2, 6]),
            context=ts.Context(options),
        )
        for part in (view, view[1:3], view[1], view[0:2, 1:3], view):
            expected = backend[part.domain.index_exp] if part.rank == 2 else backend[1]
            np.testing.assert_array_equal(await part.read(), expected)
            np.testing.assert_array_equal(part.read().result(), expected)


async def test_arrays_that_callbacks_keep_do_not_change_what_was_read_with_a_cache() -> None:
    """Without one, the content of a kept array is undefined."""
    kept: list[Any] = []

    def read(domain: Any, array: Any, params: Any) -> None:
        array[...] = 5
        kept.append(array)

    view = ts.virtual_chunked(read, dtype=ts.int64, shape=[4], context=ts.Context(CACHE))
    first = await view.read()
    kept[0][...] = 7

    assert first.tolist() == [5] * 4


@pytest.mark.parametrize("style", ["async one", "sync"])
async def test_a_failing_leader_fails_its_followers_with_the_same_error(style: str) -> None:
    backend = FakeBackend(np.arange(4))
    gate = threading.Event()
    error = CustomError("broken")

    async def hold(call: Any) -> None:
        await until(gate.is_set)
        raise error

    def before(call: Any) -> None:
        gate.wait(20)
        raise error

    if style == "sync":
        backend.before = before
    else:
        backend.hold = hold
    context = ts.Context({"data_copy_concurrency": {"limit": 8}})
    view = backend.view((4,), style, context=context)
    caught: list[BaseException] = []

    async def read() -> None:
        caught.append(await caught_by(view.read(), blocking=False))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(read)
        await until(lambda: followers(view) == 4)
        gate.set()

    assert len(backend.calls) == 1
    assert all(each is error for each in caught)
    assert notes(error).count("in read_function") == 1
    assert idle(view)


async def test_an_error_in_a_task_group_is_grouped_by_that_alone() -> None:
    backend = FakeBackend(np.arange(4))
    error = backend.failures["read", (0,)] = CustomError("broken")
    view = backend.view((1,), "async one")
    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(awaited, view.read())

    assert caught.value.exceptions == (error,)
