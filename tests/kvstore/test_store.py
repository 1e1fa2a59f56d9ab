"""What all drivers have in common: `KvStore` over memory, files and drivers written by users."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

import virtchunk as ts
from virtchunk.kvstore import MISSING, ByteRange, FileDriver, KeyRange, MemoryDriver, ReadResult

Stamp = ts.KvStore.TimestampedStorageGeneration


class AsyncMemory:
    """The memory driver with async methods."""

    def __init__(self) -> None:
        self.inner = MemoryDriver()

    async def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        await anyio.lowlevel.checkpoint()
        return self.inner.read(key, if_not_equal, byte_range)

    async def write(self, key: bytes, value: bytes | None, if_equal: bytes) -> Stamp:
        await anyio.lowlevel.checkpoint()
        return self.inner.write(key, value, if_equal)

    async def delete_range(self, keys: KeyRange) -> None:
        await anyio.lowlevel.checkpoint()
        self.inner.delete_range(keys)

    async def list(self, keys: KeyRange) -> Iterable[bytes]:
        await anyio.lowlevel.checkpoint()
        return self.inner.list(keys)


class Short:
    """A driver that says it is quick, and then waits for an event."""

    short = frozenset({"read"})

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.threads: list[int] = []
        self.ended = 0

    def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        self.threads.append(threading.get_ident())
        if key == b"broken":
            raise PermissionError(key)
        if key == b"slow":
            assert self.gate.wait(20)
        self.ended += 1
        return ReadResult("value", key, Stamp(b"1", 5.0))

    def write(self, key: bytes, value: bytes | None, if_equal: bytes) -> Stamp:
        raise NotImplementedError

    def delete_range(self, keys: KeyRange) -> None:
        raise NotImplementedError

    def list(self, keys: KeyRange) -> Iterable[bytes]:
        raise NotImplementedError


async def test_a_method_that_should_be_short_and_is_not_does_not_block_the_loop() -> None:
    driver = Short()
    store = ts.KvStore.from_driver(driver)
    assert (await store.read("quick")).value == b"quick"
    with pytest.raises(PermissionError):
        await store.read("broken")
    results: list[bytes] = []

    async def read() -> None:
        results.append((await store.read("slow")).value)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        for _ in range(20):  # a blocked loop would not get through this
            await anyio.lowlevel.checkpoint()
        assert not results
        driver.gate.set()

    assert results == [b"slow"]
    assert threading.get_ident() not in driver.threads


async def test_cancelling_a_short_method_that_is_not_waits_for_its_end() -> None:
    driver = Short()
    store = ts.KvStore.from_driver(driver)
    scope = anyio.CancelScope()

    async def read() -> None:
        with scope:
            await store.read("slow")
        assert driver.ended == 1

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        while not driver.threads:
            await anyio.lowlevel.checkpoint()
        scope.cancel()
        await anyio.lowlevel.checkpoint()
        driver.gate.set()

    assert scope.cancelled_caught
    assert store._runner.plain.limiter is not None
    assert store._runner.plain.limiter.statistics().borrowed_tokens == 0


class Gated:
    """A driver that blocks at an event, counts who is inside, and may read another store."""

    def __init__(self, parties: int = 1, base: ts.KvStore | None = None) -> None:
        self.barrier = threading.Barrier(parties)
        self.base = base
        self.inside = 0
        self.most = 0
        self.lock = threading.Lock()

    def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.barrier.wait(timeout=20)
        if self.base is not None:
            found = self.base.read(key).result()
        else:
            found = ReadResult("value", key, Stamp(b"1", 5.0))
        with self.lock:
            self.inside -= 1
        return found

    def write(self, key: bytes, value: bytes | None, if_equal: bytes) -> Stamp:
        raise PermissionError("read-only")

    def delete_range(self, keys: KeyRange) -> None:
        raise PermissionError("read-only")

    def list(self, keys: KeyRange) -> Iterable[bytes]:
        return [b"x", b"y"]


@pytest.fixture(params=["memory", "file", "user"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ts.KvStore:
    if request.param == "memory":
        return ts.KvStore.open("memory://p/").result()
    if request.param == "file":
        return ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/root/"}).result()
    return ts.KvStore.from_driver(FileDriver(sync=False), f"{tmp_path}/user/")


def test_reading_what_was_written(store: ts.KvStore) -> None:
    written = store.write("a/b", b"value").result()
    found = store.read(b"a/b").result()

    assert (found.state, found.value) == ("value", b"value")
    assert found.stamp.generation == written.generation != b""
    assert found.stamp.time >= written.time
    assert store["a/b"] == b"value"


def test_a_missing_key(store: ts.KvStore) -> None:
    found = store.read("nothing").result()

    assert (found.state, found.value, found.stamp.generation) == ("missing", b"", MISSING)
    assert "nothing" not in store
    with pytest.raises(KeyError, match="nothing"):
        store["nothing"]
    del store["nothing"]


async def test_all_operations_can_be_awaited(store: ts.KvStore) -> None:
    await store.write("a", b"1")
    await store.write("b", "é")

    assert (await store.read("b")).value == "é".encode()
    assert sorted(await store.list()) == [b"a", b"b"]
    assert (await store.write("a", None)).generation == MISSING
    assert (await store.read("a")).state == "missing"
    await store.delete_range(KeyRange())
    assert list(await store.list()) == []


def test_reading_on_condition(store: ts.KvStore) -> None:
    known = store.write("a", b"1").result().generation

    same = store.read("a", if_not_equal=known).result()
    assert (same.state, same.value, same.stamp.generation) == ("unspecified", b"", known)
    store["a"] = b"2"
    assert store.read("a", if_not_equal=known).result().value == b"2"
    assert store.read("b", if_not_equal=MISSING).result().state == "missing"


def test_writing_on_condition(store: ts.KvStore) -> None:
    first = store.write("a", b"1", if_equal=MISSING).result().generation
    assert first
    assert store.write("a", b"x", if_equal=MISSING).result().generation == b""
    assert store.write("b", b"x", if_equal=first).result().generation == b""
    second = store.write("a", b"2", if_equal=first).result().generation
    assert second not in {b"", first}
    assert store.write("a", None, if_equal=first).result().generation == b""
    assert store["a"] == b"2"
    assert store.write("a", None, if_equal=second).result().generation == MISSING
    assert store.write("a", None, if_equal=second).result().generation == b""
    assert store.write("a", None, if_equal=MISSING).result().generation == MISSING


def test_no_two_versions_have_the_same_generation(store: ts.KvStore) -> None:
    seen = set()
    for number in range(300):
        seen.add(store.write("a", b"same size", if_equal=None).result().generation)
        if number % 3 == 0:
            del store["a"]

    assert len(seen) == 300


RANGES: list[tuple[slice, bytes]] = [
    (slice(2, 5), b"234"),
    (slice(None, 4), b"0123"),
    (slice(4, None), b"456789"),
    (slice(-3, None), b"789"),
    (slice(0, 0), b""),
    (slice(10, None), b""),
    (slice(None, None), b"0123456789"),
    (slice(np.int64(2), np.int64(3)), b"2"),
]


@pytest.mark.parametrize(("byte_range", "expected"), RANGES)
def test_byte_ranges(store: ts.KvStore, byte_range: slice, expected: bytes) -> None:
    store["a"] = b"0123456789"

    assert store.read("a", byte_range=byte_range).result().value == expected
    assert store.read("b", byte_range=byte_range).result().state == "missing"


@pytest.mark.parametrize("byte_range", [slice(2, 11), slice(11, None), slice(-11, None)])
def test_byte_ranges_beyond_the_value_are_errors(store: ts.KvStore, byte_range: slice) -> None:
    store["a"] = b"0123456789"

    with pytest.raises(ValueError, match="10 bytes"):
        store.read("a", byte_range=byte_range).result()


@pytest.mark.parametrize(
    ("byte_range", "error"),
    [
        (slice(5, 2), ValueError),
        (slice(None, -2), ValueError),
        (slice(-3, -1), ValueError),
        (slice(1, 5, 1), TypeError),
        (slice("a", 5), TypeError),
        ((1, 2), TypeError),
    ],
)
def test_what_is_no_byte_range_is_refused_at_once(byte_range: Any, error: type) -> None:
    store = ts.KvStore.open("memory://").result()
    with pytest.raises(error, match="byte_range"):
        store.read("a", byte_range=byte_range)


def test_ranges_of_keys(store: ts.KvStore) -> None:
    for key in ("a", "ab", "b", "c/d", "c/e", "c/é", b"\xff\x01"):
        store[key] = b"1"

    assert sorted(store.list(KeyRange("ab", "c/e")).result()) == [b"ab", b"b", b"c/d"]
    assert sorted(store.list(KeyRange("c/", "c0"), 2).result()) == [b"d", b"e", "é".encode()]
    assert sorted((store / "c/").list().result()) == [b"d", b"e", "é".encode()]
    assert store.list(KeyRange("b", "a")).result() == []
    store.delete_range(KeyRange("b", "c/e")).result()
    assert sorted(store.list().result()) == [b"a", b"ab", b"c/e", "c/é".encode(), b"\xff\x01"]
    (store / "c/").delete_range(KeyRange()).result()
    assert sorted(store.list().result()) == [b"a", b"ab", b"\xff\x01"]


async def test_copying_a_range(store: ts.KvStore) -> None:
    for key in ("c/1", "c/2", "d"):
        store[key] = key
    target = ts.KvStore.open("memory://t").result()
    await (store / "c/").experimental_copy_range_to(target, KeyRange("", "2"))
    (store / "c/").experimental_copy_range_to(store / "e/").result()

    assert target.list().result() == [b"1"]
    assert sorted(store.list().result()) == [b"c/1", b"c/2", b"d", b"e/1", b"e/2"]
    assert store["e/2"] == b"c/2"


def test_wrong_types_are_refused_at_once(store: ts.KvStore) -> None:
    wrong: Any = 5
    text: Any = "x"
    for attempt in (
        lambda: store.read(wrong),
        lambda: store.write(wrong, b""),
        lambda: store.write("a", wrong),
        lambda: store.write("a", b"", if_equal=wrong),
        lambda: store.list(wrong),
        lambda: store.list(strip_prefix_length=-1),
        lambda: store.delete_range(wrong),
        lambda: store / wrong,
        lambda: wrong in store,
        lambda: store.read("a", staleness_bound=text),
        lambda: ts.KvStore(),
        lambda: iter(store),  # type: ignore[call-overload]
    ):
        with pytest.raises(TypeError):
            attempt()


def test_copies_share_the_values_and_not_the_path(store: ts.KvStore) -> None:
    store["q/a"] = b"1"
    for other in (copy.copy(store), store.copy()):
        other.path += "q/"
        assert other["a"] == b"1"
    assert store["q/a"] == b"1"


def test_a_deep_copy_in_memory_is_a_new_store() -> None:
    context = ts.Context()
    one = ts.KvStore.open("memory://", context=context).result()
    two = ts.KvStore.open("memory://b/", context=context).result()
    one["b/x"] = b"1"
    assert two["x"] == b"1"
    for copied in (copy.deepcopy((one, two)), pickle.loads(pickle.dumps((one, two)))):
        assert copied[0].list().result() == []
        copied[0]["b/y"] = b"2"
        assert copied[1]["y"] == b"2"

    assert one.list().result() == [b"b/x"]


def test_a_pickled_file_store_finds_its_files(tmp_path: Path) -> None:
    store = ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()
    store["a"] = b"1"

    assert pickle.loads(pickle.dumps(store))["a"] == b"1"
    assert copy.deepcopy(store)["a"] == b"1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_use_a_store(store: ts.KvStore) -> None:
    store["a"] = b"1"
    child = os.fork()
    if not child:
        try:
            store["b"] = store["a"] + b"2"
            os._exit(0 if store["b"] == b"12" else 1)
        finally:
            os._exit(2)

    assert os.waitpid(child, 0)[1] == 0


async def test_async_drivers_run_in_the_task_that_awaits() -> None:
    store = ts.KvStore.from_driver(AsyncMemory(), "p/")
    await store.write("a", b"1")

    assert (await store.read("a")).value == b"1"
    assert await store.list() == [b"a"]
    refused = store.read("a")
    with pytest.raises(RuntimeError, match=r"await kv\.read"):
        refused.result()
    assert (await refused).value == b"1"
    assert await anyio.to_thread.run_sync(lambda: store["a"]) == b"1"


def test_async_drivers_need_an_event_loop() -> None:
    store = ts.KvStore.from_driver(AsyncMemory())
    with pytest.raises(ValueError, match="await"):
        store["a"]


async def test_blocking_drivers_run_at_the_same_time_up_to_the_limit() -> None:
    driver = Gated(parties=3)
    context = ts.Context({"file_io_concurrency": {"limit": 3}})
    store = ts.KvStore.from_driver(driver, context=context)
    async with anyio.create_task_group() as group:
        for number in range(9):
            group.start_soon(_await, store.read(str(number)))

    assert driver.most == 3
    assert context["file_io_concurrency"].statistics().borrowed_tokens == 0


async def _await(future: ts.Future[Any]) -> None:
    await future


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_driver_can_read_another_store_with_every_limit_at_one(blocking: bool) -> None:
    context = ts.Context({"file_io_concurrency": {"limit": 1}})
    inner = ts.KvStore.from_driver(Gated(), context=context)
    outer = ts.KvStore.from_driver(Gated(base=inner), context=context)
    found = outer.read("k").result() if blocking else await outer.read("k")

    assert found.value == b"k"
    assert context["file_io_concurrency"].statistics().borrowed_tokens == 0


async def test_errors_of_a_driver_reach_the_caller_as_they_are() -> None:
    store = ts.KvStore.from_driver(Gated())
    with pytest.raises(PermissionError, match="read-only"):
        await store.write("a", b"")
    with pytest.raises(PermissionError, match="read-only"):
        store["a"] = b""


def test_an_object_that_is_no_driver_is_refused() -> None:
    wrong: Any = object()
    with pytest.raises(TypeError, match="method read"):
        ts.KvStore.from_driver(wrong)


async def test_a_sync_callback_may_block_for_a_store(store: ts.KvStore) -> None:
    for number in range(4):
        store[str(number)] = bytes([number] * 3)

    def load(domain: ts.IndexDomain, array: np.ndarray[Any, Any], params: object) -> Stamp:
        found = store.read(str(domain.inclusive_min[0])).result()
        array[...] = np.frombuffer(found.value, np.uint8)
        return found.stamp

    view = ts.virtual_chunked(
        load,
        dtype=ts.uint8,
        shape=[4, 3],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[1, 3]),
        context=ts.Context({"data_copy_concurrency": {"limit": 1}}),
    )

    assert (await view.read())[:, 0].tolist() == [0, 1, 2, 3]
    assert view.read().result()[:, 0].tolist() == [0, 1, 2, 3]


async def test_a_cancelled_wait_for_a_blocking_driver_ends_when_the_driver_has_ended() -> None:
    entered, gate = threading.Event(), threading.Event()
    ended: list[bool] = []

    class Slow(Gated):
        def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
            entered.set()
            gate.wait(20)
            ended.append(True)
            return ReadResult("missing")

    store = ts.KvStore.from_driver(Slow())
    async with anyio.create_task_group() as group:
        group.start_soon(_await, store.read("a"))
        await anyio.to_thread.run_sync(entered.wait)
        group.cancel_scope.cancel()
        gate.set()

    assert ended == [True]


async def test_a_sync_callback_may_block_for_a_store_with_async_methods() -> None:
    store = ts.KvStore.from_driver(AsyncMemory())
    await store.write("a", b"7")

    def load(domain: ts.IndexDomain, array: np.ndarray[Any, Any], params: object) -> None:
        array[...] = int(store["a"])

    view = ts.virtual_chunked(load, dtype=ts.uint8, shape=[2])

    assert (await view.read()).tolist() == [7, 7]
