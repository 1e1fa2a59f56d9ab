"""Batches: reads that are declared one by one and run together."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import warnings
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from virtchunk.kvstore import ByteRange, KeyRange, MemoryDriver, ReadResult

Stamp = ts.KvStore.TimestampedStorageGeneration
DIGITS = b"0123456789"


class Recording:
    """A driver that blocks, and notes what it is asked to read."""

    def __init__(self) -> None:
        self.inner = MemoryDriver()
        self.reads: list[tuple[bytes, ByteRange]] = []

    def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        self.reads.append((key, byte_range))
        return self.inner.read(key, if_not_equal, byte_range)

    def write(self, key: bytes, value: bytes | None, if_equal: bytes) -> Stamp:
        return self.inner.write(key, value, if_equal)

    def delete_range(self, keys: KeyRange) -> None:
        self.inner.delete_range(keys)

    def list(self, keys: KeyRange) -> list[bytes]:
        return self.inner.list(keys)


def recorded(**values: bytes) -> tuple[ts.KvStore, list[tuple[bytes, ByteRange]]]:
    driver = Recording()
    store = ts.KvStore.from_driver(driver)
    for key, value in values.items():
        store[key] = value
    return store, driver.reads


def rendezvous(parties: int) -> ts.TensorStore:
    """A view whose callback returns only when as many of them run at once."""
    barrier = threading.Barrier(parties)

    def read(domain: ts.IndexDomain, array: np.ndarray[Any, Any], params: object) -> None:
        barrier.wait(timeout=20)
        array[...] = domain.inclusive_min[0]

    return ts.virtual_chunked(
        read,
        dtype=ts.int64,
        shape=[parties],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[1]),
        context=ts.Context({"data_copy_concurrency": {"limit": parties}}),
    )


def test_waiting_for_a_member_before_submit_is_an_error_and_loses_nothing() -> None:
    store, _ = recorded(a=DIGITS)
    batch = ts.Batch()
    read = store.read("a", batch=batch)
    with pytest.raises(RuntimeError, match="submit"):
        read.result()
    assert not read.done()

    batch.submit()

    assert read.result().value == DIGITS


async def test_awaiting_a_member_before_submit_is_an_error_and_loses_nothing() -> None:
    store, _ = recorded(a=DIGITS)
    batch = ts.Batch()
    read = store.read("a", batch=batch)
    with pytest.raises(RuntimeError, match="submit"):
        await read

    batch.submit()

    assert (await read).value == DIGITS


def test_an_unsubmitted_member_fails_the_view_whose_callback_waits_for_it() -> None:
    store, _ = recorded(a=DIGITS)
    read = store.read("a", batch=ts.Batch())

    def wait(domain: ts.IndexDomain, array: np.ndarray[Any, Any], params: object) -> None:
        read.result()

    view = ts.virtual_chunked(wait, dtype=ts.int8, shape=[1]).read()
    with pytest.raises(RuntimeError, match="submit"):
        view.result()

    assert view.done()


def test_byte_ranges_of_one_key_become_one_request() -> None:
    store, reads = recorded(a=DIGITS, b=b"other")
    with ts.Batch() as batch:
        one = store.read("a", byte_range=slice(1, 3), batch=batch)
        two = store.read("a", byte_range=slice(5, 8), batch=batch)
        same = store.read("a", byte_range=slice(5, 8), batch=batch)
        other = store.read("b", batch=batch)

    assert sorted(reads) == [(b"a", (1, 8)), (b"b", (0, None))]
    assert [f.result().value for f in (one, two, same, other)] == [b"12", b"567", b"567", b"other"]


async def test_byte_ranges_of_one_key_become_one_request_when_awaited() -> None:
    store, reads = recorded(a=DIGITS)
    async with ts.Batch() as batch:
        one = store.read("a", byte_range=slice(1, 3), batch=batch)
        two = store.read("a", byte_range=slice(5, None), batch=batch)
        last = store.read("a", byte_range=slice(-2, None), batch=batch)
        assert not one.done()

    assert all(future.done() for future in (one, two, last))
    assert sorted(reads) == [(b"a", (-2, None)), (b"a", (1, None))]
    assert [f.result().value for f in (one, two, last)] == [b"12", b"56789", b"89"]


async def test_a_range_beyond_the_value_fails_only_its_own_member() -> None:
    store, _ = recorded(a=DIGITS)
    async with ts.Batch() as batch:
        good = store.read("a", byte_range=slice(1, 3), batch=batch)
        bad = store.read("a", byte_range=slice(2, 30), batch=batch)

    assert (await good).value == b"12"
    with pytest.raises(ValueError, match="10 bytes"):
        await bad


async def test_awaiting_one_member_runs_all_of_them_at_the_same_time() -> None:
    view = rendezvous(3)
    batch = ts.Batch()
    reads = [view[i : i + 1].read(batch=batch) for i in range(3)]
    batch.submit()
    assert (await reads[1])[0] == 1

    assert [future.done() for future in reads] == [True, True, True]


def test_result_of_one_member_runs_all_of_them_at_the_same_time() -> None:
    view = rendezvous(3)
    batch = ts.Batch()
    reads = [view[i : i + 1].read(batch=batch) for i in range(3)]
    batch.submit()
    assert reads[1].result()[0] == 1

    assert [future.done() for future in reads] == [True, True, True]


def failing() -> ts.TensorStore:
    def fail(domain: ts.IndexDomain, array: np.ndarray[Any, Any], params: object) -> None:
        raise OSError("no such tile")

    return ts.virtual_chunked(fail, dtype=ts.int8, shape=[1])


async def test_errors_stay_in_their_futures() -> None:
    store, _ = recorded(a=DIGITS)
    async with ts.Batch() as batch:
        bad = failing().read(batch=batch)
        good = store.read("a", batch=batch)

    assert (await good).value == DIGITS
    with pytest.raises(OSError, match="no such tile"):
        await bad


def test_errors_stay_in_their_futures_in_plain_code() -> None:
    store, _ = recorded(a=DIGITS)
    with ts.Batch() as batch:
        bad = failing().read(batch=batch)
        good = store.read("a", batch=batch)

    assert (bad.done(), good.done()) == (True, True)
    assert isinstance(bad.exception(), OSError)


async def test_with_in_async_code_only_submits() -> None:
    store, reads = recorded(a=DIGITS)
    with ts.Batch() as batch:
        read = store.read("a", batch=batch)
    assert reads == []

    assert (await read).value == DIGITS


def test_members_of_a_block_that_raises_are_cancelled() -> None:
    store, reads = recorded(a=DIGITS)
    batch = ts.Batch()
    read = store.read("a", batch=batch)
    with pytest.raises(ZeroDivisionError), batch:
        raise ZeroDivisionError

    assert (read.cancelled(), reads) == (True, [])


def test_submitting_twice_or_reading_afterwards_is_an_error() -> None:
    store, _ = recorded(a=DIGITS)
    batch = ts.Batch()
    batch.submit()

    with pytest.raises(ValueError, match="already submitted"):
        batch.submit()
    with pytest.raises(ValueError, match="already submitted"):
        store.read("a", batch=batch)
    with pytest.raises(ValueError, match="already submitted"):
        failing().read(batch=batch)


def test_submit_inside_of_the_block_is_allowed() -> None:
    with ts.Batch() as batch:
        batch.submit()


@pytest.mark.parametrize("reader", ["store", "view"])
def test_only_a_batch_is_taken_for_one(reader: str) -> None:
    store, _ = recorded()
    wrong: Any = 5
    with pytest.raises(TypeError, match="Batch"):
        store.read("a", batch=wrong) if reader == "store" else failing().read(batch=wrong)


def test_a_batch_can_be_neither_copied_nor_pickled() -> None:
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="Batch"):
            attempt(ts.Batch())


def test_members_that_ran_do_not_warn_and_others_do() -> None:
    store, _ = recorded(a=DIGITS)
    with ts.Batch() as batch:
        store.read("a", batch=batch)
    del batch
    gc.collect()
    forgotten = ts.Batch()
    store.read("a", batch=forgotten)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del forgotten
        gc.collect()
    assert ["never awaited" in str(warning.message) for warning in caught] == [True]


async def test_callbacks_pass_the_batch_on_and_their_reads_are_merged() -> None:
    store, reads = recorded(tile=bytes(range(8)))
    seen: list[object] = []
    all_begun = anyio.Event()

    async def load(
        domain: ts.IndexDomain,
        array: np.ndarray[Any, Any],
        params: ts.VirtualChunkedReadParameters,
    ) -> None:
        (part,) = domain.index_exp
        seen.append(params.batch)
        if len(seen) == 4:
            all_begun.set()
        await all_begun.wait()
        found = await store.read("tile", byte_range=part, batch=params.batch)
        array[...] = np.frombuffer(found.value, np.uint8)

    view = ts.virtual_chunked(
        load, dtype=ts.uint8, shape=[8], chunk_layout=ts.ChunkLayout(read_chunk_shape=[2])
    )
    async with ts.Batch() as batch:
        whole = view.read(batch=batch)

    assert (await whole).tolist() == list(range(8))
    assert seen == [batch] * 4
    assert len(reads) < 4


def test_sync_callbacks_pass_the_batch_on() -> None:
    store, _ = recorded(tile=bytes(range(8)))

    def load(
        domain: ts.IndexDomain,
        array: np.ndarray[Any, Any],
        params: ts.VirtualChunkedReadParameters,
    ) -> None:
        found = store.read("tile", byte_range=domain.index_exp[0], batch=params.batch).result()
        array[...] = np.frombuffer(found.value, np.uint8)

    view = ts.virtual_chunked(
        load, dtype=ts.uint8, shape=[8], chunk_layout=ts.ChunkLayout(read_chunk_shape=[2])
    )
    with ts.Batch() as batch:
        whole = view.read(batch=batch)

    assert whole.result().tolist() == list(range(8))


async def test_cancelling_the_block_cancels_its_members_and_they_can_be_run_again() -> None:
    entered = anyio.Event()
    gate = anyio.Event()

    async def read(domain: ts.IndexDomain, array: np.ndarray[Any, Any], params: object) -> None:
        entered.set()
        await gate.wait()
        array[...] = 3

    view = ts.virtual_chunked(read, dtype=ts.int8, shape=[1])
    batch = ts.Batch()
    first = view.read(batch=batch)
    second = view.read(batch=batch)
    async with anyio.create_task_group() as group:

        async def wait() -> None:
            batch.submit()
            await first

        group.start_soon(wait)
        await entered.wait()
        group.cancel_scope.cancel()
    assert (first.done(), second.done()) == (False, False)

    gate.set()

    assert ((await second)[0], (await first)[0]) == (3, 3)


def test_a_timeout_of_one_member_stops_all_and_they_can_be_run_again() -> None:
    store, _ = recorded(a=DIGITS, b=DIGITS)
    batch = ts.Batch()
    reads = [store.read(key, batch=batch) for key in "ab"]
    batch.submit()
    with pytest.raises(TimeoutError):
        reads[0].result(timeout=-1)

    assert reads[0].result().value == DIGITS


def test_ranges_that_are_far_apart_are_read_apart() -> None:
    store, reads = recorded(a=bytes(300_000))
    with ts.Batch() as batch:
        store.read("a", byte_range=slice(0, 10), batch=batch)
        store.read("a", byte_range=slice(290_000, 290_010), batch=batch)
        store.read("a", byte_range=slice(5, 20), batch=batch)

    assert sorted(reads) == [(b"a", (0, 20)), (b"a", (290_000, 290_010))]


def test_parts_that_nobody_came_for_do_not_warn() -> None:
    store, _ = recorded(a=bytes(300_000))
    batch = ts.Batch()
    far = store.read("a", byte_range=slice(290_000, 290_010), batch=batch)
    near = store.read("a", byte_range=slice(0, 10), batch=batch)
    far.cancel()
    batch.submit()
    assert near.result().value == bytes(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del batch, near, far
        gc.collect()


async def test_result_in_the_thread_of_an_event_loop_runs_all_members_in_place() -> None:
    store, _ = recorded(a=DIGITS, b=DIGITS)
    batch = ts.Batch()
    reads = [store.read(key, batch=batch) for key in "ab"]
    batch.submit()

    assert reads[0].result().value == DIGITS
    assert reads[1].done()


@given(st.lists(st.tuples(st.integers(-12, 12), st.none() | st.integers(0, 12)), min_size=1))
def test_members_get_what_they_would_get_alone(bounds: list[tuple[int, int | None]]) -> None:
    ranges = [slice(a, b) for a, b in bounds if b is None or 0 <= a <= b]
    store, _ = recorded(a=DIGITS)
    with ts.Batch() as batch:
        together = [store.read("a", byte_range=one, batch=batch) for one in ranges]

    for future, one in zip(together, ranges, strict=True):
        alone = store.read("a", byte_range=one)
        expected = alone.exception()
        assert type(future.exception()) is type(expected)
        if expected is None:
            assert future.result().value == alone.result().value


def async_view() -> ts.TensorStore:
    async def read(domain: ts.IndexDomain, array: np.ndarray[Any, Any], params: object) -> None:
        array[...] = 4

    return ts.virtual_chunked(read, dtype=ts.int8, shape=[1])


def test_members_that_need_an_event_loop_can_still_be_awaited() -> None:
    with ts.Batch() as batch:
        reads = [async_view().read(batch=batch) for _ in range(3)]
    for read in reads:
        with pytest.raises(ValueError, match="await"):
            read.result()

    async def main() -> list[int]:
        return [int((await read)[0]) for read in reads]

    assert anyio.run(main) == [4, 4, 4]


async def test_copying_from_a_view_can_be_a_member() -> None:
    target = np.zeros(1, np.int8)
    async with ts.Batch() as batch:
        written = ts.array(target).write(async_view(), batch=batch)
        with pytest.raises(ValueError, match="TensorStore source"):
            ts.array(target).write([1], batch=batch)
        assert not written.commit.done()

    assert (written.commit.done(), target[0]) == (True, 4)
