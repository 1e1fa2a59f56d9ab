"""How transactions begin and end, and what they refuse."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import threading
from collections.abc import Callable
from typing import Any

import anyio
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import FakeBackend, idle


def chunked(style: str = "sync", size: int = 10) -> tuple[FakeBackend, ts.TensorStore]:
    backend = FakeBackend(np.zeros(size, np.int64))
    return backend, backend.view((4,), style)


def state(transaction: ts.Transaction) -> tuple[bool, bool, bool, bool]:
    return (
        transaction.open,
        transaction.commit_started,
        transaction.aborted,
        transaction.future.done(),
    )


OPEN, COMMITTED = (True, False, False, False), (False, True, False, True)
ABORTED = (False, False, True, True)


# -- its end --------------------------------------------------------------------------------------


def test_a_block_commits() -> None:
    backend, view = chunked()
    with ts.Transaction() as transaction:
        view.with_transaction(transaction)[2:6] = 1
        assert state(transaction) == OPEN
    assert state(transaction) == COMMITTED
    assert backend.array.tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    assert transaction.future.result() is None


def test_a_block_that_raises_aborts() -> None:
    backend, view = chunked()
    transaction = ts.Transaction()
    with pytest.raises(ZeroDivisionError), transaction:
        view.with_transaction(transaction)[2:6] = 1 // 0
    assert state(transaction) == ABORTED
    assert backend.calls == []


async def test_an_async_block_commits_or_aborts() -> None:
    backend, view = chunked("async one")
    async with ts.Transaction() as transaction:
        await view.with_transaction(transaction)[0:4].write(1)
    assert state(transaction) == COMMITTED
    transaction = ts.Transaction()

    async def fail() -> None:
        async with transaction:
            await view.with_transaction(transaction)[4:8].write(1)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert state(transaction) == ABORTED
    assert backend.writes() == [(0,)]


def test_committing_twice_is_one_commit() -> None:
    backend, view = chunked()
    transaction = ts.Transaction()
    view.with_transaction(transaction)[0:4] = 1
    future = transaction.commit_async()
    assert not transaction.open
    assert backend.calls == []
    transaction.abort()  # too late
    future.result()
    transaction.commit_sync()
    transaction.abort()
    assert state(transaction) == COMMITTED
    assert backend.writes() == [(0,)]


def test_waiting_for_the_future_commits() -> None:
    backend, view = chunked()
    transaction = ts.Transaction()
    view.with_transaction(transaction)[0:4] = 1
    assert not transaction.future.done()
    transaction.future.result()
    assert state(transaction) == COMMITTED
    assert backend.writes() == [(0,)]


def test_aborting_forgets_and_is_an_error_of_the_future() -> None:
    backend, view = chunked()
    transaction = ts.Transaction()
    view.with_transaction(transaction)[0:4] = 1
    transaction.abort()
    transaction.abort()
    assert state(transaction) == ABORTED
    assert transaction.total_bytes == 0
    attempts: list[Callable[[], object]] = [
        transaction.commit_sync,
        transaction.future.result,
        lambda: transaction.commit_async().result(),
        lambda: transaction.__exit__(None, None, None),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="CANCELLED: the transaction was aborted"):
            attempt()
    assert state(transaction) == ABORTED
    assert backend.calls == []


def test_nothing_to_commit_is_committed_at_once() -> None:
    transaction = ts.Transaction()
    assert transaction.commit_async().done()
    assert state(transaction) == COMMITTED


def test_cancelling_the_future_aborts() -> None:
    backend, view = chunked()
    transaction = ts.Transaction()
    view.with_transaction(transaction)[0:4] = 1
    assert transaction.future.cancel()
    assert transaction.aborted
    with pytest.raises(ValueError, match="aborted"):
        view.with_transaction(transaction).read().result()
    assert backend.calls == []


@pytest.mark.parametrize("end", ["commit", "abort"])
def test_after_the_end_nothing_can_be_read_or_written(end: str) -> None:
    backend, view = chunked()
    store = ts.KvStore.open("memory://").result()
    transaction = ts.Transaction()
    staged, kept = view.with_transaction(transaction), store.with_transaction(transaction)
    read, write = staged.read(), staged.write(1)
    (transaction.commit_sync if end == "commit" else transaction.abort)()
    attempts: list[Callable[[], Any]] = [
        read.result,
        write.result,
        lambda: staged.read().result(),
        lambda: staged.write(1).result(),
        lambda: view.with_transaction(transaction)[0].read().result(),
        lambda: kept.read("a").result(),
        lambda: kept.write("a", "b").result(),
        lambda: kept.list().result(),
        lambda: kept.delete_range(ts.KvStore.KeyRange()).result(),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="transaction is not open"):
            attempt()
    assert backend.calls == []


def test_a_dropped_transaction_warns_if_there_was_something_to_store() -> None:
    _, view = chunked()
    transaction = ts.Transaction()
    view.with_transaction(transaction)[0:6] = 1
    with pytest.warns(RuntimeWarning, match="dropped before 2 chunks and keys were committed"):
        del transaction  # it is in no reference cycle
    ts.Transaction()
    transaction = ts.Transaction()
    view.with_transaction(transaction).read().result()
    transaction.commit_async()
    del transaction
    gc.collect()


def test_a_dropped_transaction_can_be_committed_by_its_future() -> None:
    backend, view = chunked()
    transaction = ts.Transaction()
    view.with_transaction(transaction)[0:4] = 1
    future = transaction.commit_async()
    del transaction
    future.result()
    assert backend.writes() == [(0,)]


# -- errors of the commit -------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["sync", "async", "async one"])
async def test_an_error_of_the_commit_says_what_was_stored(style: str) -> None:
    backend, view = chunked(style)
    backend.failures["write", (4,)] = OSError("disk full")
    transaction = ts.Transaction()
    await view.with_transaction(transaction).write(1)
    with pytest.raises(OSError, match="disk full") as caught:
        await transaction.commit_async()
    notes = caught.value.__notes__
    stored = len(backend.array[backend.array == 1])
    assert any("in write_function" in note and "[4, 8)" in note for note in notes)
    assert any(note.startswith("stored: ") and "of 3 chunks" in note for note in notes)
    assert any(note.startswith("of the transaction, ") for note in notes)
    assert stored in {0, 2, 4, 6}
    assert (transaction.commit_started, transaction.aborted) == (True, False)
    assert repr(transaction) == "<virtchunk.Transaction: failed>"
    assert transaction.total_bytes == 0
    for again in (transaction.commit_async(), transaction.future):
        with pytest.raises(OSError, match="disk full"):
            await again
    assert idle(view)


@pytest.mark.parametrize("blocking", [True, False])
async def test_parts_on_several_views_fail_together(blocking: bool) -> None:
    good, bad = FakeBackend(np.zeros(4, np.int64)), FakeBackend(np.zeros(4, np.int64))
    bad.failures["write", (0,)] = OSError("broken")
    store = ts.KvStore.open("memory://").result()
    transaction = ts.Transaction()
    good.view((4,)).with_transaction(transaction).write(1).result()
    bad.view((4,)).with_transaction(transaction).write(1).result()
    store.with_transaction(transaction)["a"] = "b"
    future = transaction.commit_async()
    with pytest.raises(OSError, match="broken") as caught:
        future.result() if blocking else await future
    note = next(note for note in caught.value.__notes__ if note.startswith("of the transaction"))
    assert "of 3 chunks and keys were stored; the others are of " in note
    if blocking:
        assert "1 of 3" in note
        assert "memory store" in note
        assert good.writes() == [(0,)]


async def test_parts_on_several_views_are_committed_at_once() -> None:
    waiting = anyio.Event()
    backends = [FakeBackend(np.zeros(4, np.int64)) for _ in range(2)]

    async def meet(call: object) -> None:
        if sum(len(backend.writes()) for backend in backends) == 2:
            waiting.set()
        await waiting.wait()

    async with ts.Transaction() as transaction:
        for backend in backends:
            backend.hold = meet
            await backend.view((4,), "async").with_transaction(transaction).write(1)
    assert all((backend.array == 1).all() for backend in backends)


async def test_blocking_in_the_loop_fails_at_once_and_can_be_awaited_afterwards() -> None:
    backend, view = chunked("async one")
    transaction = ts.Transaction()
    await view.with_transaction(transaction)[0:4].write(1)
    with pytest.raises(RuntimeError, match="await"):
        transaction.commit_sync()
    assert (transaction.commit_started, transaction.future.done()) == (True, False)
    await transaction.commit_async()
    assert state(transaction) == COMMITTED
    assert backend.writes() == [(0,)]


def test_a_commit_that_times_out_can_be_gone_on_with() -> None:
    backend, view = chunked()
    transaction = ts.Transaction()
    view.with_transaction(transaction)[...] = 1
    late = threading.Event()
    backend.before = lambda call: late.wait(0.25)
    with pytest.raises(TimeoutError):
        transaction.commit_async().result(timeout=0.2)
    assert repr(transaction).startswith("<virtchunk.Transaction: committing, ")
    assert 0 < len(backend.writes()) < 3
    before = len(backend.writes())
    late.set()
    transaction.commit_sync()
    assert (backend.array == 1).all()
    assert len(backend.writes()) - before < 3
    assert state(transaction) == COMMITTED


def test_an_interrupted_commit_can_be_aborted() -> None:
    backend, view = chunked()
    transaction = ts.Transaction()
    view.with_transaction(transaction)[...] = 1
    wait = threading.Event()
    backend.before = lambda call: wait.wait(0.25)
    with pytest.raises(TimeoutError):
        transaction.commit_async().result(timeout=0.2)
    calls = len(backend.calls)
    transaction.abort()
    assert (transaction.aborted, transaction.commit_started, transaction.open) == (
        True,
        True,
        False,
    )
    assert transaction.total_bytes == 0
    with pytest.raises(ValueError, match="CANCELLED"):
        transaction.commit_sync()
    assert len(backend.calls) == calls


# -- atomic ---------------------------------------------------------------------------------------


def test_a_second_chunk_aborts_an_atomic_transaction_at_the_write() -> None:
    backend, view = chunked()
    transaction = ts.Transaction(atomic=True)
    staged = view.with_transaction(transaction)
    staged[0:2] = 1
    staged[3] = 1
    staged[...].read().result()
    with pytest.raises(ValueError, match=r"chunk { \[0, 4\) } of .* and chunk { \[4, 8\) } of"):
        staged[2:6] = 2
    assert state(transaction) == ABORTED
    with pytest.raises(ValueError, match=r"cannot combine chunk { \[0, 4\) }"):
        transaction.commit_sync()
    assert backend.writes() == []


def test_one_write_of_two_chunks_aborts_an_atomic_transaction() -> None:
    _, view = chunked()
    transaction = ts.Transaction(atomic=True)
    with pytest.raises(ValueError, match="cannot combine"):
        view.with_transaction(transaction)[...] = 1
    assert transaction.aborted
    assert transaction.total_bytes == 0


def test_an_atomic_transaction_stores_one_chunk() -> None:
    backend, view = chunked()
    with ts.Transaction(atomic=True) as transaction:
        view.with_transaction(transaction)[1:3] = 1
    assert backend.writes() == [(0,)]
    assert transaction.atomic


@pytest.mark.parametrize("first", ["view", "array", "store"])
@pytest.mark.parametrize("second", ["view", "array", "store"])
def test_two_views_or_stores_are_too_much_for_an_atomic_transaction(
    first: str, second: str
) -> None:
    transaction = ts.Transaction(atomic=True)

    def write(kind: str) -> None:
        if kind == "view":
            chunked()[1].with_transaction(transaction)[0] = 1
        elif kind == "array":
            ts.array(np.zeros(3)).with_transaction(transaction)[0] = 1
        else:
            ts.KvStore.open("memory://").result().with_transaction(transaction)["a"] = "b"

    write(first)
    with pytest.raises(ValueError, match=r"cannot combine .* and .* in one atomic transaction"):
        write(second)
    assert transaction.aborted


# -- memory ---------------------------------------------------------------------------------------


def test_bytes_are_counted_and_given_back() -> None:
    _, view = chunked()
    transaction = ts.Transaction()
    staged = view.with_transaction(transaction)
    assert transaction.total_bytes == 0
    staged[0] = 1
    partly = transaction.total_bytes
    assert 4 * 9 <= partly <= 4 * 9 + 600
    staged[1:4] = 1
    assert transaction.total_bytes == partly - 4
    staged[0:4] = 1
    assert transaction.total_bytes == partly - 4
    transaction.commit_sync()
    assert transaction.total_bytes == 0


def test_a_limit_is_an_error_before_anything_is_changed() -> None:
    backend = FakeBackend(np.zeros(1000, np.int64))
    view = backend.view((100,))
    transaction = ts.Transaction(total_bytes_limit=3_000)
    staged = view.with_transaction(transaction)
    staged[0:200] = 1
    held = transaction.total_bytes
    assert transaction.total_bytes_limit == 3_000
    with pytest.raises(MemoryError, match="total_bytes_limit is 3_000"):
        staged[150:950] = 2
    assert transaction.total_bytes == held
    assert staged[150:200].read().result().tolist() == [1] * 50
    assert transaction.open
    staged[0:200] = 3  # needs no more
    transaction.commit_sync()
    assert backend.array[:200].tolist() == [3] * 200
    assert not backend.array[200:].any()


def test_a_limit_counts_keys_and_values() -> None:
    store = ts.KvStore.open("memory://").result()
    with ts.Transaction(total_bytes_limit=2_000) as transaction:
        staged = store.with_transaction(transaction)
        staged["a"] = b"x" * 1_000
        with pytest.raises(MemoryError):
            staged["b"] = b"x" * 1_000
        with pytest.raises(MemoryError):
            staged["a"] = b"x" * 2_000
        assert staged["a"] == b"x" * 1_000
        staged["a"] = b"y"
        staged["b"] = b"x" * 1_000
    assert store["a"] == b"y"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"atomic": "x"}, TypeError),
        ({"repeatable_read": []}, TypeError),
        ({"total_bytes_limit": -1}, ValueError),
        ({"total_bytes_limit": 1.5}, TypeError),
        ({"total_bytes_limit": True}, TypeError),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(arguments))):
        ts.Transaction(**arguments)


def test_transactions_are_themselves_only() -> None:
    transaction = ts.Transaction(True, True)
    assert transaction == transaction
    assert transaction != ts.Transaction(True, True)
    assert {transaction: 1}[transaction] == 1
    assert transaction.repeatable_read
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            attempt(transaction)


def test_repr_tells_the_state() -> None:
    transaction = ts.Transaction(atomic=True)
    assert repr(transaction) == "<virtchunk.Transaction: open, atomic>"
    ts.array(np.zeros(3, np.int8)).with_transaction(transaction)[...] = 1
    assert repr(transaction) == "<virtchunk.Transaction: open, atomic, 515 bytes>"
    transaction.commit_sync()
    assert repr(transaction) == "<virtchunk.Transaction: committed, atomic>"
    transaction = ts.Transaction()
    transaction.abort()
    assert repr(transaction) == "<virtchunk.Transaction: aborted>"


# -- threads --------------------------------------------------------------------------------------


def test_a_commit_waits_for_writes_that_have_begun() -> None:
    view = ts.array(np.zeros(4, np.int64))
    transaction = ts.Transaction()
    begun, go_on, committed = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        with transaction._changing():
            begun.set()
            go_on.wait()

    def commit() -> None:
        transaction.commit_sync()
        committed.set()

    view.with_transaction(transaction)[...] = 1
    threads = [threading.Thread(target=target) for target in (write, commit)]
    threads[0].start()
    begun.wait()
    threads[1].start()
    assert not committed.wait(0.05)
    go_on.set()
    for thread in threads:
        thread.join()
    assert view.read().result().tolist() == [1] * 4


async def test_a_transaction_is_used_from_tasks_and_threads() -> None:
    backend, view = chunked("async one", 40)
    transaction = ts.Transaction()
    staged = view.with_transaction(transaction)

    async def write(start: int) -> None:
        await staged[start : start + 4].write(start)
        assert (await staged[start : start + 4].read()).tolist() == [start] * 4

    async with anyio.create_task_group() as group:
        for start in range(0, 18, 2):
            group.start_soon(write, 2 * start)
        await anyio.to_thread.run_sync(lambda: staged[39:].write(7).result())
    assert backend.calls == []
    await transaction.commit_async()
    assert backend.array[39] == 7
    assert backend.array[:36].tolist() == [4 * (i // 4) for i in range(36)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_transaction_of_its_own() -> None:
    backend, view = chunked()
    store = ts.KvStore.open("memory://").result()
    transaction = ts.Transaction()
    staged, kept = view.with_transaction(transaction), store.with_transaction(transaction)
    staged[0:4] = 1
    kept["a"] = "1"
    participant: Any = transaction._find(view._driver)
    with transaction._changing(), participant.buffers.lock:  # as some other thread would
        child = os.fork()
        if child == 0:
            try:
                staged[4:8] = 2
                kept["b"] = "2"
                transaction.commit_sync()
                stored = backend.array.tolist() == [1] * 4 + [2] * 4 + [0] * 2
                os._exit(0 if stored and store["a"] + store["b"] == b"12" else 1)
            finally:
                os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert backend.calls == []
    transaction.commit_sync()
    assert backend.array.tolist() == [1] * 4 + [0] * 6
    assert store.list().result() == [b"a"]


def test_two_event_loops_use_one_transaction() -> None:
    backend, view = chunked("async one", 40)
    transaction = ts.Transaction()
    staged = view.with_transaction(transaction)

    async def write(start: int) -> None:
        for i in range(start, start + 20):
            await staged[i].write(i)
            assert await staged[i].read() == i

    backends = anyio.get_available_backends()
    threads = [
        threading.Thread(target=anyio.run, args=(write, 20 * i), kwargs={"backend": name})
        for i, name in enumerate([backends[0], backends[-1]])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def commit() -> None:
        await transaction.commit_async()

    anyio.run(commit, backend=backends[-1])
    assert backend.array.tolist() == list(range(40))
    assert backend.reads() == []


def test_an_abort_in_the_middle_of_a_write_leaves_nothing_accounted() -> None:
    _, view = chunked()
    transaction = ts.Transaction()
    with transaction._changing():
        transaction.abort()
        transaction._memory.reserve(100)
    assert transaction.total_bytes == 0
    with pytest.raises(ValueError, match="it was aborted"):
        view.with_transaction(transaction)[0] = 1
