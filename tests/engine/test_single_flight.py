"""Who reads a chunk while it is read shares that, unless a write came between them."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import STYLES, FakeBackend, awaited, followers, idle, until
from virtchunk._schema.generation import TimestampedStorageGeneration as Stamp

CACHE = {"cache_pool": {"total_bytes_limit": 1_000_000}}
EVER = float("inf")
OPTIONS = pytest.mark.parametrize("options", [{}, CACHE], ids=["", "cached"])


class Slow:
    """A backend whose calls wait at a gate, each with what it has seen before."""

    def __init__(self, style: str, options: dict[str, Any]) -> None:
        self.memory = np.arange(4)
        self.gate = threading.Event()
        self.reads = self.writes = 0
        self.style = style
        limits = {
            "data_copy_concurrency": {"limit": 16},
            "callback_concurrency": {"limit": 16},
        }
        self.view = ts.virtual_chunked(
            self.read if style == "sync" else self.read_async,
            self.write if style == "sync" else self.write_async,
            dtype=ts.int64,
            shape=[4],
            context=ts.Context(limits | options),
        )

    def read(self, domain: Any, array: Any, params: Any) -> None:
        self.reads += 1
        seen = self.memory.copy()
        if self.reads == 1:
            assert self.gate.wait(20)
        array[...] = seen

    async def read_async(self, domain: Any, array: Any, params: Any) -> None:
        self.reads += 1
        seen = self.memory.copy()
        if self.reads == 1:
            await until(self.gate.is_set)
        await anyio.lowlevel.checkpoint()
        array[...] = seen

    def write(self, domain: Any, array: Any, params: Any) -> None:
        self.writes += 1
        self.memory[...] = array

    async def write_async(self, domain: Any, array: Any, params: Any) -> None:
        await anyio.lowlevel.checkpoint()
        self.write(domain, array, params)


@pytest.fixture(params=["sync", "async"])
def style(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@OPTIONS
async def test_ten_concurrent_reads_of_a_chunk_are_one_call(
    style: str, options: dict[str, Any]
) -> None:
    """Whatever parts of it they read, awaiting or blocking."""
    slow = Slow(style, options)
    results: list[list[int]] = []

    async def read(i: int) -> None:
        part = slow.view[i % 3 : 4]
        result = await anyio.to_thread.run_sync(part.read().result) if i % 2 else await part.read()
        results.append(result.tolist())

    async with anyio.create_task_group() as group:
        for i in range(10):
            group.start_soon(read, i)
        await until(lambda: followers(slow.view) == 9)
        slow.gate.set()

    assert sorted(results) == sorted([0, 1, 2, 3][i % 3 :] for i in range(10))
    assert slow.reads == 1
    assert idle(slow.view)


@pytest.mark.parametrize("style", STYLES)
async def test_reads_of_the_same_chunks_in_different_orders(style: str) -> None:
    backend = FakeBackend(np.arange(12))
    view = backend.view((2,), style)
    results: list[Any] = []

    async def read(part: ts.TensorStore) -> None:
        results.append(np.sort(await part.read()).tolist())

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(read, view)
            group.start_soon(read, view[11::-1])

    assert results == [list(range(12))] * 8
    assert idle(view)


async def test_a_follower_gets_memory_of_its_own() -> None:
    slow = Slow("async", {})
    results: list[Any] = []

    async def read() -> None:
        results.append(await slow.view.read())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read)
        await until(lambda: followers(slow.view) == 2)
        slow.gate.set()
    results[0][...] = -1

    assert [result.tolist() for result in results[1:]] == [[0, 1, 2, 3]] * 2


@OPTIONS
@pytest.mark.parametrize("part", [slice(0, 4), slice(1, 3)], ids=["whole", "partial"])
async def test_a_reader_that_comes_after_a_write_does_not_get_what_was_read_before(
    style: str, options: dict[str, Any], part: slice
) -> None:
    slow = Slow(style, options)
    old, new = list(range(4)), list(range(4))
    new[part] = [7] * (part.stop - part.start)
    results: dict[str, list[int]] = {}

    async def read(name: str) -> None:
        results[name] = (await slow.view.read()).tolist()

    async with anyio.create_task_group() as group:
        group.start_soon(read, "before")
        await until(lambda: slow.reads == 1)
        group.start_soon(read, "also before")
        await until(lambda: followers(slow.view) == 1)
        if part == slice(0, 4):
            await slow.view.write(7)
        else:  # what was read is good enough to be merged with, but no write has come between yet
            group.start_soon(awaited, slow.view[part].write(7))
            await until(lambda: followers(slow.view) == 2)
            slow.gate.set()
            await until(lambda: slow.writes == 1)
        group.start_soon(read, "after")
        if part == slice(0, 4):
            await until(lambda: followers(slow.view) == 2 or "after" in results)
            slow.gate.set()

    assert results["before"] in (old, new)
    assert results["also before"] in (old, new)
    assert results["after"] == new
    assert slow.memory.tolist() == new
    assert (await slow.view.read()).tolist() == new
    assert idle(slow.view)


@OPTIONS
async def test_after_a_failed_write_the_cache_does_not_hide_what_may_be_stored(
    style: str, options: dict[str, Any]
) -> None:
    backend = FakeBackend(np.arange(8))

    def write(domain: Any, array: Any, params: Any) -> None:
        backend.array[domain.index_exp] = array
        raise LookupError("after it was stored")

    async def write_async(domain: Any, array: Any, params: Any) -> None:
        write(domain, array, params)

    view = ts.virtual_chunked(
        backend.callback("read", style),
        write if style == "sync" else write_async,
        dtype=ts.int64,
        shape=[8],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[4]),
        context=ts.Context(options),
    )
    for part, value in ((view[0:4], 5), (view[5:7], 6)):
        await view.read()
        with pytest.raises(LookupError):
            await part.write(value)
        np.testing.assert_array_equal(await view.read(), backend.array)
    assert idle(view)


@OPTIONS
async def test_after_a_cancelled_write_the_cache_does_not_hide_what_may_be_stored(
    options: dict[str, Any],
) -> None:
    backend = FakeBackend(np.arange(4))

    async def write(domain: Any, array: Any, params: Any) -> None:
        backend.array[domain.index_exp] = array
        await anyio.sleep_forever()

    view = ts.virtual_chunked(
        backend.callback("read", "async"),
        write,
        dtype=ts.int64,
        shape=[4],
        context=ts.Context(options),
    )
    await view.read()
    with anyio.move_on_after(0.02) as scope:
        await view.write(7)
    assert scope.cancelled_caught

    assert (await view.read()).tolist() == [7] * 4
    assert idle(view)


# -- generations -----------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
@OPTIONS
async def test_a_write_is_told_what_its_merge_was_based_on(
    style: str, options: dict[str, Any]
) -> None:
    """And a write of a whole chunk is unconditional."""
    backend = FakeBackend(np.zeros(4, np.int64), versioned=True)
    backend.clock = lambda: EVER
    view = backend.view((4,), style, context=ts.Context(options))
    await view[0:2].write(1)
    await view.write(2)
    await view[0:2].write(3)
    conditions = [call.params.if_equal for call in backend.calls if call.role == "write"]

    assert conditions == [b"v0", b"", b"v2"]
    assert backend.array.tolist() == [3, 3, 2, 2]


@pytest.mark.parametrize("style", STYLES)
@OPTIONS
async def test_a_conflict_is_read_and_merged_again(style: str, options: dict[str, Any]) -> None:
    backend = FakeBackend(np.zeros(4, np.int64), versioned=True)
    times = iter(range(1000, 2000))
    backend.clock = lambda: float(next(times))
    conflicts = 3

    def interfere(call: Any) -> None:
        nonlocal conflicts
        if call.role == "write" and conflicts:
            conflicts -= 1
            backend.store((0,), (4,), 10 * (3 - conflicts))

    backend.before = interfere
    view = backend.view((4,), style, context=ts.Context(options))
    await view[1:3].write(5)

    assert backend.array.tolist() == [30, 5, 5, 30]
    assert len(backend.writes()) == 4
    bounds = [call.params.staleness_bound for call in backend.calls if call.role == "read"]
    assert bounds[0] == -EVER
    assert bounds == sorted(bounds)
    assert all(bound >= 1000 for bound in bounds[1:])
    assert idle(view)


@pytest.mark.parametrize("style", STYLES)
async def test_a_conflict_of_a_whole_chunk_is_just_tried_again(style: str) -> None:
    refusals = iter([True, True, False])
    written: list[list[int]] = []

    def write(domain: Any, array: Any, params: Any) -> Any:
        assert params.if_equal == b""
        written.append(array.tolist())
        return Stamp(b"" if next(refusals) else b"v1", 5.0)

    async def write_async(*arguments: Any) -> Any:
        return write(*arguments)

    function: Any = write_async if style.startswith("async") else write
    view = ts.virtual_chunked(None, function, dtype=ts.int64, shape=[3])
    await view.write(7)

    assert written == [[7, 7, 7]] * 3
    assert idle(view)


@pytest.mark.parametrize("style", ["async", "sync"])
async def test_conflicts_without_end_can_be_cancelled(style: str) -> None:
    """Each retry is a checkpoint."""
    calls = 0

    def write(domain: Any, array: Any, params: Any) -> Any:
        nonlocal calls
        calls += 1
        return Stamp(b"", 5.0)

    async def write_async(*arguments: Any) -> Any:
        return write(*arguments)

    function: Any = write_async if style == "async" else write
    backend = FakeBackend(np.zeros(4, np.int64))
    for read in (None, backend.callback("read", style)):
        view = ts.virtual_chunked(read, function, dtype=ts.int64, shape=[4])
        part = view[1:] if read else view
        calls = 0
        with anyio.move_on_after(0.02) as scope:
            await part.write(7)
        assert scope.cancelled_caught
        assert calls > 1
        assert idle(view)
        write_once_more = part.write(7)
        with pytest.raises(TimeoutError):
            await anyio.to_thread.run_sync(write_once_more.result, 0.02)
        assert idle(view)


@pytest.mark.parametrize("versioned", [False, True], ids=["", "versioned"])
@pytest.mark.parametrize("style", STYLES)
@OPTIONS
async def test_of_concurrent_partial_writes_none_is_lost(
    style: str, options: dict[str, Any], versioned: bool
) -> None:
    """Of tasks and threads, to one chunk."""
    backend = FakeBackend(np.zeros(24, np.int64), versioned=versioned)
    limits = {"data_copy_concurrency": {"limit": 4}}
    view = backend.view((24,), style, context=ts.Context(options | limits))

    async def write(i: int) -> None:
        part = view[i : i + 2]
        if i % 4:
            await part.write(i)
        else:
            await anyio.to_thread.run_sync(part.write(i).result)

    async with anyio.create_task_group() as group:
        for i in range(0, 24, 2):
            group.start_soon(write, i)

    assert backend.array.tolist() == [i // 2 * 2 for i in range(24)]
    np.testing.assert_array_equal(await view.read(), backend.array)
    assert idle(view)


async def test_two_views_of_one_store_lose_nothing_with_generations() -> None:
    """Two views share no claims: only the conditions keep them apart."""
    backend = FakeBackend(np.zeros(8, np.int64), versioned=True)
    times = iter(range(10**9))
    backend.clock = lambda: float(next(times))
    views = [
        backend.view((8,), "async many", context=ts.Context(options)) for options in ({}, CACHE)
    ]
    async with anyio.create_task_group() as group:
        for i in range(8):
            group.start_soon(awaited, views[i % 2][i].write(i + 1))

    assert backend.array.tolist() == list(range(1, 9))
    assert len(backend.writes()) > 8
    assert idle(*views)


@pytest.mark.parametrize("generation", [b"0", b"\x00", b"\x01v", b" ", b"\xff" * 100])
async def test_generations_are_opaque_bytes(generation: bytes) -> None:
    """The original takes the first byte for flags."""
    seen: list[bytes] = []

    def read(domain: Any, array: Any, params: Any) -> Any:
        array[...] = 0
        return Stamp(generation, 5.0)

    def write(domain: Any, array: Any, params: Any) -> Any:
        seen.append(params.if_equal)
        return Stamp(generation, 6.0)

    view = ts.virtual_chunked(read, write, dtype=ts.int64, shape=[4])
    await view[1:].write(5)
    view[1:].write(5).result()

    assert seen == [generation] * 2


@pytest.mark.parametrize("style", STYLES)
async def test_unchanged_is_no_answer_to_a_question_that_was_not_asked(style: str) -> None:
    """The original silently returns zeros."""
    backend = FakeBackend(np.arange(4))
    backend.results["read"] = Stamp(b"", 5.0)
    view = backend.view((4,), style)
    for part in (view, view[1:2]):
        with pytest.raises(ValueError, match="if_not_equal was empty: nothing is cached"):
            await part.read()
    with pytest.raises(ValueError, match="nothing is cached"):
        await view[1:].write(5)
    assert idle(view)


# -- waiting costs no threads ----------------------------------------------------------------------


@OPTIONS
async def test_awaited_reads_wait_for_a_chunk_without_threads(options: dict[str, Any]) -> None:
    slow = Slow("sync", options)
    threads = [threading.active_count()]
    results: list[list[int]] = []

    async def read() -> None:
        results.append((await slow.view.read()).tolist())

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(read)
        await until(lambda: followers(slow.view) == 49)
        threads.append(threading.active_count())
        slow.gate.set()

    assert results == [[0, 1, 2, 3]] * 50
    assert slow.reads == 1
    assert threads[1] < threads[0] + 20
    assert idle(slow.view)


@OPTIONS
async def test_awaited_writes_wait_for_their_turn_without_threads(options: dict[str, Any]) -> None:
    slow = Slow("sync", options)
    before = threading.active_count()
    async with anyio.create_task_group() as group:
        for i in range(50):
            group.start_soon(awaited, slow.view[i % 4].write(100 + i))
        await until(lambda: followers(slow.view) == 49)
        threads = threading.active_count()
        slow.gate.set()

    assert all(int(value) % 4 == i for i, value in enumerate(slow.memory))
    assert slow.writes == 50
    assert threads < before + 20
    assert idle(slow.view)


@OPTIONS
async def test_what_others_are_busy_with_comes_last(options: dict[str, Any]) -> None:
    """A read of many chunks does the others meanwhile."""
    gate = threading.Event()
    backend = FakeBackend(np.arange(8))
    backend.before = lambda call: call.key == (2,) and gate.wait(20)
    limit = {"data_copy_concurrency": {"limit": 8}}
    view = backend.view((2,), context=ts.Context(options | limit))
    results: list[list[int]] = []

    async def read() -> None:
        results.append((await view.read()).tolist())

    async with anyio.create_task_group() as group:
        group.start_soon(awaited, view[2:3].read())
        await until(lambda: backend.running == 1)
        group.start_soon(read)
        await until(lambda: followers(view) == 1)
        assert sorted(backend.reads()) == [(0,), (2,), (4,), (6,)]
        gate.set()

    assert results == [list(range(8))]
    assert len(backend.calls) == 4
    assert idle(view)


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_a_write_that_waits_for_a_turn_says_what_it_has_stored(how: str) -> None:
    gate = threading.Event()
    backend = FakeBackend(np.zeros(6, np.int64))
    backend.before = lambda call: call.key == (2,) and gate.wait(20)
    view = backend.view((2,), context=ts.Context({"data_copy_concurrency": {"limit": 8}}))
    errors: list[BaseException] = []
    scope = anyio.CancelScope()

    async def write() -> None:
        with scope:
            try:
                await view.write(7)
            except LookupError as error:
                errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(awaited, view[2:4].write(5))
        await until(lambda: backend.running == 1)
        group.start_soon(write)
        await until(lambda: followers(view) == 1)
        if how == "fails":
            calls = len(backend.calls)

            def fail(call: Any) -> None:
                if len(backend.calls) > calls:
                    raise LookupError

            backend.before = fail
        else:
            scope.cancel()
        gate.set()

    if how == "fails":
        assert any("stored: 2 of 3 chunks: { [0, 2) }, { [4, 6) };" in n for n in notes(errors[0]))
    else:
        assert scope.cancelled_caught
    assert backend.array.tolist() == [7, 7, 5, 5, 7, 7]
    assert idle(view)


def notes(error: BaseException) -> list[str]:
    found: list[str] = error.__notes__
    return found
