"""What reads and writes of views in a transaction do, and what they ask of callbacks."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any, Literal

import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import ASYNC_STYLES, STYLES, FakeBackend, idle

NEGATIVE = (-3, -5)


def zeros(*, versioned: bool = False, origin: tuple[int, ...] | None = None) -> FakeBackend:
    return FakeBackend(np.zeros((6, 7), np.int64), origin, versioned=versioned)


@pytest.mark.parametrize("style", STYLES)
async def test_writes_call_nothing_until_the_commit(style: str) -> None:
    backend = zeros()
    view = backend.view((4, 4), style)

    async with ts.Transaction() as transaction:
        await view.with_transaction(transaction)[1:5, 2:6].write(7)
        assert backend.calls == []
        assert (backend.array == 0).all()

    expected = np.zeros((6, 7), np.int64)
    expected[1:5, 2:6] = 7
    np.testing.assert_array_equal(backend.array, expected)
    assert sorted(backend.reads()) == [(0, 0), (0, 4), (4, 0), (4, 4)]
    assert sorted(backend.writes()) == [(0, 0), (0, 4), (4, 0), (4, 4)]
    assert idle(view)


def test_a_chunk_that_is_written_bit_by_bit_until_it_is_covered_is_never_read() -> None:
    backend = zeros()
    with ts.Transaction() as transaction:
        staged = backend.view((4, 4)).with_transaction(transaction)
        staged[0:4, 0:2] = 1
        staged[0:4, [2, 3, 3]] = 2
        staged[0:4:2, 0:4:3] = 3

    assert backend.reads() == []
    assert backend.writes() == [(0, 0)]
    assert backend.array[:4, :4].tolist() == [[3, 1, 2, 3], [1, 1, 2, 2]] * 2


def test_elements_that_are_written_twice_count_once() -> None:
    backend = zeros()
    backend.array += 9
    view = backend.view((4, 4))
    with ts.Transaction() as transaction:
        for rows in (slice(0, 2), slice(0, 2), slice(1, 3)):
            view.with_transaction(transaction)[rows, 0:4] = 1
    assert backend.reads() == [(0, 0)]
    assert backend.array[:4, 0].tolist() == [1, 1, 1, 9]
    with ts.Transaction() as transaction:
        for rows in (slice(0, 2), slice(1, 3), slice(2, 4)):
            view.with_transaction(transaction)[rows, 0:4] = 2
    assert backend.reads() == [(0, 0)]
    assert backend.array[:4, 0].tolist() == [2, 2, 2, 2]


def test_a_chunk_that_is_partly_written_in_several_steps_is_read_and_written_once() -> None:
    backend = zeros()
    backend.array += 9
    with ts.Transaction() as transaction:
        staged = backend.view((4, 4)).with_transaction(transaction)
        for i in range(4):
            staged[i, i] = i

    assert backend.reads() == backend.writes() == [(0, 0)]
    assert np.diag(backend.array)[:4].tolist() == [0, 1, 2, 3]
    assert backend.array.sum() == 6 + 9 * (42 - 4)


def test_reads_see_what_the_transaction_has_written_and_others_do_not() -> None:
    backend = zeros()
    view = backend.view((4, 4))
    transaction, other = ts.Transaction(), ts.Transaction()
    staged = view.with_transaction(transaction)
    staged[2:5, 3] = [1, 2, 3]

    expected = np.zeros((6, 7), np.int64)
    expected[2:5, 3] = [1, 2, 3]
    orders: tuple[Literal["C", "F"], ...] = ("C", "F")
    for order in orders:
        result = staged.read(order=order).result()
        np.testing.assert_array_equal(result, expected)
        assert result.flags.c_contiguous == (order == "C")
    np.testing.assert_array_equal(staged[[4, 2, 3], [3, 3, 0]].read().result(), [3, 1, 0])
    np.testing.assert_array_equal(staged[ts.d[0, 1].transpose[1, 0]].read().result(), expected.T)
    np.testing.assert_array_equal(staged[::-1, 3].read().result(), expected[::-1, 3])
    assert staged[3, 3].read().result() == 2
    assert not view.read().result().any()
    assert not view.with_transaction(other).read().result().any()
    transaction.abort()


def test_what_the_transaction_holds_is_not_asked_of_the_callback() -> None:
    backend = zeros()
    transaction = ts.Transaction()
    staged = backend.view((4, 4)).with_transaction(transaction)
    staged[0:4, 0:4] = 1
    staged[5, 5] = 2

    assert staged[1:3, 1:3].read().result().tolist() == [[1, 1], [1, 1]]
    assert staged[5, 5].read().result() == 2
    assert backend.reads() == []
    staged[0:6, 0:4].read().result()
    assert backend.reads() == [(4, 0)]
    transaction.abort()


@pytest.mark.parametrize("shape", [(), (5,), (3, 4, 2)])
def test_ranks(shape: tuple[int, ...]) -> None:
    backend = FakeBackend(np.zeros(shape, np.int64))
    chunk = tuple(2 for _ in shape)
    with ts.Transaction() as transaction:
        staged = backend.view(chunk).with_transaction(transaction)
        staged[...] = 1
        staged[(slice(0, 1),) * len(shape)] = 2
        before = staged.read().result()
    np.testing.assert_array_equal(backend.array, before)
    assert backend.array[(0,) * len(shape)] == 2


def test_negative_coordinates_and_labels_reach_the_callback() -> None:
    backend = zeros(origin=NEGATIVE)
    with ts.Transaction() as transaction:
        backend.view((4, 4)).with_transaction(transaction)[-3, -5] = 1
    assert [call.domain.inclusive_min for call in backend.calls] == [NEGATIVE, NEGATIVE]
    assert backend.calls[0].domain.exclusive_max == (1, -1)
    assert backend.array[0, 0] == 1


def test_dimensions_that_are_broadcast_keep_the_last_value() -> None:
    view = ts.array(np.zeros(2, np.int64))
    transaction = ts.Transaction()
    twice = view.with_transaction(transaction)[ts.newaxis][0:2]
    twice.write([[1, 2], [3, 4]]).result()
    assert twice.read().result().tolist() == [[3, 4], [3, 4]]
    transaction.commit_sync()
    assert view.read().result().tolist() == [3, 4]


def test_derived_views_go_through_the_transaction_to_their_bases() -> None:
    backend, other = FakeBackend(np.zeros(8, np.int32)), np.zeros(4)
    view = backend.view((4,))
    joined = ts.concat([view.astype(ts.float64), ts.array(other)], axis=0)
    with ts.Transaction() as transaction:
        joined.with_transaction(transaction)[6:10] = 4
        halves = ts.downsample(view, [2], "mean").with_transaction(transaction)
        assert halves.read().result().tolist() == [0, 0, 0, 4]
        assert not joined.read().result().any()
        assert backend.writes() == []
    assert backend.array.tolist() == [0, 0, 0, 0, 0, 0, 4, 4]
    assert other.tolist() == [4, 4, 0, 0]


def test_chunks_may_be_of_sizes_of_their_own() -> None:
    backend = FakeBackend(np.zeros(10, np.int64))
    view = backend.view(chunks=((3, 5, 2),))
    with ts.Transaction() as transaction:
        view.with_transaction(transaction)[2:8] = 1
        assert view.with_transaction(transaction)[1:4].read().result().tolist() == [0, 1, 1]
        backend.calls.clear()
    assert sorted(backend.writes()) == [(0,), (3,)]
    assert backend.reads() == [(0,)]
    assert backend.array.tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]


def test_the_caller_may_change_the_source_after_the_write() -> None:
    view = ts.array(np.zeros(3, np.int64))
    source = np.arange(3)
    with ts.Transaction() as transaction:
        view.with_transaction(transaction).write(source).result()
        source[:] = 9
        later = view.with_transaction(transaction)[0:2].write(source[0:2])
        later.copy.result()
        source[:] = 5
        later.result()
    assert view.read().result().tolist() == [9, 9, 2]


def test_callbacks_cannot_change_what_they_are_given() -> None:
    flags = []

    def store(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        flags.append(array.flags.writeable)

    view = ts.virtual_chunked(None, store, dtype=ts.int8, shape=[4])
    with ts.Transaction() as transaction:
        view.with_transaction(transaction)[...] = 1
    assert flags == [False]


def test_views_of_one_driver_share_what_was_written() -> None:
    backend = zeros()
    view = backend.view((4, 4))
    transaction = ts.Transaction()
    view[0:3].with_transaction(transaction)[1, 1] = 5
    assert view.with_transaction(transaction)[1, 1].read().result() == 5
    assert backend.view((4, 4)).with_transaction(transaction)[1, 1].read().result() == 0
    transaction.abort()


def test_what_others_write_meanwhile_survives_where_the_transaction_has_not_written() -> None:
    backend = zeros(versioned=True)
    view = backend.view((4, 4), context=ts.Context({"cache_pool": {"total_bytes_limit": 10**6}}))
    transaction = ts.Transaction()
    staged = view.with_transaction(transaction)
    staged[0, 0] = 1
    assert staged[0, 0:2].read().result().tolist() == [1, 0]  # cached from here on
    backend.store((0, 0), (4, 4), 8)
    transaction.commit_sync()

    assert backend.array[0, 0:3].tolist() == [1, 8, 8]
    written = [call.params.if_equal for call in backend.calls if call.role == "write"]
    assert written == [b"v0", b"v1"]  # a conflict, and one more try


def test_of_two_transactions_on_one_chunk_both_have_their_elements() -> None:
    backend = zeros(versioned=True)
    view = backend.view((4, 4))
    one, other = ts.Transaction(), ts.Transaction()
    view.with_transaction(one)[0, 0:2] = 1
    view.with_transaction(other)[0, 1:3] = 2
    other.commit_sync()
    one.commit_sync()
    assert backend.array[0, :4].tolist() == [1, 1, 2, 0]


def test_chunks_that_are_only_read_are_not_written_back() -> None:
    backend = zeros(versioned=True)
    with ts.Transaction() as transaction:
        staged = backend.view((4, 4)).with_transaction(transaction)
        staged.read().result()
        staged[0, 0] = 1
    assert backend.writes() == [(0, 0)]


def test_a_write_only_view_needs_whole_chunks_at_the_commit_only() -> None:
    backend = zeros()
    view = backend.view((4, 4), mode="w")
    with ts.Transaction() as transaction:
        view.with_transaction(transaction)[0:4, 0:2] = 1
        view.with_transaction(transaction)[0:4, 2:4] = 2
    assert backend.writes() == [(0, 0)]

    transaction = ts.Transaction()
    staged = view.with_transaction(transaction)
    staged[0:4, 0:4] = 1
    staged[0:4, 4:6] = 1
    with pytest.raises(ValueError, match=r"chunk-aligned writes: of chunk { \[0, 4\), \[4, 7\) }"):
        transaction.commit_sync()
    assert backend.writes() == [(0, 0)]


def test_arrays_are_written_at_the_commit() -> None:
    array = np.zeros((2, 3))
    view = ts.array(array)
    with ts.Transaction(atomic=True) as transaction:
        staged = view.with_transaction(transaction)
        staged[0, 1:] = 4
        staged[[1, 1], [0, 2]] = 5
        assert staged.read().result().tolist() == [[0, 4, 4], [5, 0, 5]]
        assert not array.any()
        array[1, 1] = 6
    assert array.tolist() == [[0, 4, 4], [5, 6, 5]]


async def test_arrays_are_written_when_awaited() -> None:
    array = np.zeros(3)
    async with ts.Transaction() as transaction:
        staged = ts.array(array).with_transaction(transaction)
        await staged[1:].write(4)
        assert (await staged.read()).tolist() == [0, 4, 4]
    assert array.tolist() == [0, 4, 4]


def test_a_view_can_be_written_from_another_one_in_the_same_transaction() -> None:
    backend = zeros()
    with ts.Transaction() as transaction:
        staged = backend.view((4, 4)).with_transaction(transaction)
        staged[0, :] = 3
        staged[1, :] = staged[0]
    assert backend.array[1].tolist() == [3] * 7


async def test_copies_and_streams_go_through_the_transaction() -> None:
    source, target = zeros(), zeros()
    transaction = ts.Transaction()
    staged = source.view((4, 4)).with_transaction(transaction)
    await staged.write(3)
    into = target.view((4, 4)).with_transaction(transaction)
    await ts.copy(staged, into)
    async with into.chunks() as stream:
        async for _, array in stream:
            assert (array == 3).all()
    assert source.calls == target.calls == []
    await transaction.commit_async()
    assert (source.array == 3).all()
    assert (target.array == 3).all()


@pytest.mark.parametrize("style", ["sync", "async one"])
async def test_a_large_write_is_copied_in_a_thread_and_committed_in_pieces(style: str) -> None:
    backend = FakeBackend(np.zeros((40, 5000), np.int64))
    view = backend.view((1, 500), style)
    values = np.arange(200_000).reshape(40, 5000)
    async with ts.Transaction() as transaction:
        staged = view.with_transaction(transaction)
        await staged.write(values)
        np.testing.assert_array_equal(await staged.read(), values)
        assert transaction.total_bytes >= values.nbytes
    np.testing.assert_array_equal(backend.array, values)
    assert backend.reads() == []
    assert backend.most_running <= 256


@pytest.mark.parametrize("style", ["sync", *ASYNC_STYLES])
async def test_a_read_callback_may_use_the_same_transaction_on_a_read_only_view(style: str) -> None:
    backend = zeros()
    inner = backend.view((4, 4), style)
    transaction = ts.Transaction()
    staged = inner.with_transaction(transaction)
    await staged[1, 1].write(5)

    async def load(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = await staged[domain].read() * 2

    outer = ts.virtual_chunked(load, dtype=ts.int64, domain=inner.domain)
    assert (await outer.with_transaction(transaction).read())[1, 1] == 10
    transaction.abort()


def test_a_write_callback_may_use_another_transaction() -> None:
    store = ts.KvStore.open("memory://").result()

    def write(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        with ts.Transaction() as inner:
            staged = store.with_transaction(inner)
            staged["sum"] = str(array.sum())
            staged["max"] = str(array.max())

    view = ts.virtual_chunked(None, write, dtype=ts.int64, shape=[3])
    with ts.Transaction() as transaction:
        view.with_transaction(transaction).write([1, 2, 3]).result()
    assert (store["sum"], store["max"]) == (b"6", b"3")


@pytest.mark.parametrize("action", ["read", "write"])
def test_a_write_callback_that_uses_its_own_transaction_fails(action: str) -> None:
    transaction = ts.Transaction()
    other = ts.array(np.zeros(3)).with_transaction(transaction)

    def write(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        (other.read() if action == "read" else other.write(1)).result()

    view = ts.virtual_chunked(None, write, dtype=ts.int64, shape=[3])
    view.with_transaction(transaction)[...] = 1
    with pytest.raises(ValueError, match="Callbacks of views that are written") as caught:
        transaction.commit_sync()
    assert any("in write_function" in note for note in caught.value.__notes__)


def test_binding_follows_the_view() -> None:
    view = zeros().view((4, 4))
    transaction = ts.Transaction()
    staged = view.with_transaction(transaction)
    assert staged.transaction is transaction
    assert staged[1:, ::2].transaction is transaction
    assert copy.copy(staged).transaction is transaction
    assert view.transaction is None
    for other in (None, transaction, ts.Transaction()):
        with pytest.raises(ValueError, match="cannot bind another transaction"):
            staged.with_transaction(other)
    with pytest.raises(ValueError, match="cannot be pickled"):
        pickle.dumps(staged)
    with pytest.raises(TypeError, match="must be a Transaction or None, got 5"):
        view.with_transaction(5)  # type: ignore[arg-type]
    transaction.commit_sync()
    assert staged.with_transaction(None).transaction is None


def test_views_can_be_made_in_a_transaction() -> None:
    transaction = ts.Transaction()
    made = ts.virtual_chunked(print, dtype=ts.int8, shape=[3], transaction=transaction)
    assert made.transaction is transaction
    with pytest.raises(TypeError, match="must be a Transaction or None"):
        ts.virtual_chunked(print, dtype=ts.int8, shape=[3], transaction="x")  # type: ignore[arg-type]


def test_progress_counts_what_the_transaction_holds_and_what_is_read() -> None:
    backend = zeros()
    transaction = ts.Transaction()
    staged = backend.view((4, 4)).with_transaction(transaction)
    seen: list[tuple[int, int, int]] = []
    staged[0:4].write(1, progress=lambda *counts: seen.append(counts)).result()
    assert seen == [(2, 2, 28 * 8)]
    seen.clear()
    staged.read(progress=lambda *counts: seen.append(counts)).result()
    assert [(done, total) for done, total, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert seen[-1][2] == 42 * 8
    seen.clear()
    transaction.commit_async(progress=lambda *counts: seen.append(counts)).result()
    assert [(done, total) for done, total, _ in seen] == [(1, 2), (2, 2)]
    assert seen[-1][2] == 28 * 8


def test_threads_write_through_one_transaction() -> None:
    backend = FakeBackend(np.zeros((8, 64), np.int64))
    view = backend.view((3, 5))
    transaction = ts.Transaction()
    staged = view.with_transaction(transaction)
    start = threading.Barrier(8)

    def write(row: int) -> None:
        start.wait()
        for column in range(64):
            staged[row, column] = 100 * row + column
            assert staged[row, column].read().result() == 100 * row + column

    threads = [threading.Thread(target=write, args=(row,)) for row in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.calls == []
    transaction.commit_sync()
    expected = 100 * np.arange(8)[:, None] + np.arange(64)
    np.testing.assert_array_equal(backend.array, expected)
    assert backend.reads() == []
    assert transaction.total_bytes == 0
