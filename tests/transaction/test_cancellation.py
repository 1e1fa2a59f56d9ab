"""Cancelled at any point, a commit has stored whole chunks, says how many, and can go on."""

from __future__ import annotations

import gc
import re
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.lowlevel
import numpy as np
import pytest

import virtchunk as ts
from tests.cancel_points import Outcome, cancelled_at
from tests.fakes import FakeBackend, idle
from virtchunk.kvstore import FileDriver

ONE = {"data_copy_concurrency": {"limit": 1}, "callback_concurrency": {"limit": 1}}
OWN = {"data_copy_concurrency": {"limit": 3}, "callback_concurrency": {"limit": 3}}
CACHE = {"cache_pool": {"total_bytes_limit": 1_000_000}}


@pytest.fixture(params=["scope", "task"])
def how(request: pytest.FixtureRequest, anyio_backend: tuple[str, Any]) -> str:
    """How to cancel: anyio's way and, on asyncio, also its own."""
    if request.param == "task" and anyio_backend[0] != "asyncio":
        pytest.skip("task.cancel() is asyncio's")
    way: str = request.param
    return way


async def at_every_point(
    start: Callable[[], Awaitable[Callable[[], Awaitable[Any]]]],
    check: Callable[[Outcome], Awaitable[object]],
    how: str,
) -> None:
    """Cancel a new operation at each of its suspensions, and check what is left after each."""
    at = 0
    while True:
        outcome = await cancelled_at(at, await start(), how)
        await check(outcome)
        if outcome.suspensions <= at:
            assert outcome.completed
            return
        at += 1
        assert at < 300


class Bench:
    """Two views and a store, and a transaction on all of them."""

    def __init__(self, style: str, write_style: str, limits: dict[str, Any]) -> None:
        context = ts.Context(limits)
        self.backends = [FakeBackend(np.zeros(7, np.int64), versioned=True) for _ in range(2)]
        self.views = [
            backend.view((2,), style, write_style=write_style, context=context)
            for backend in self.backends
        ]
        self.folder = tempfile.TemporaryDirectory()
        driver = FileDriver(sync=False)
        self.store = ts.KvStore.from_driver(driver, self.folder.name + "/")
        self.transaction = ts.Transaction()

    async def write(self) -> None:
        for view in self.views:
            await view.with_transaction(self.transaction)[1:7].write(5)
        staged = self.store.with_transaction(self.transaction)
        for key in "ab":
            await staged.write(key, b"5")

    def writes(self) -> int:
        return sum(len(backend.writes()) for backend in self.backends)

    def stored(self) -> int:
        """How many chunks and keys have been stored; each is as it was, or all of it is new."""
        count = len(self.store.list().result())
        for backend in self.backends:
            for chunk, new in (([0, 1], [0, 5]), ([2, 3], [5, 5]), ([4, 5], [5, 5]), ([6], [5])):
                found = backend.array[chunk].tolist()
                assert found in (new, [0] * len(new))
                count += found == new
        return count


@pytest.mark.parametrize(
    "limits", [ONE, OWN, OWN | CACHE], ids=["limit 1", "limit 3", "limit 3, cached"]
)
@pytest.mark.parametrize(
    ("style", "write_style"),
    [("sync", "sync"), ("async one", "async one"), ("async", "sync"), ("sync", "async many")],
)
async def test_commit(style: str, write_style: str, limits: dict[str, Any], how: str) -> None:
    benches: list[Bench] = []

    async def start() -> Callable[[], Awaitable[Any]]:
        bench = Bench(style, write_style, limits)
        benches.append(bench)
        await bench.write()
        return bench.transaction.commit_async

    async def check(outcome: Outcome) -> None:
        bench = benches.pop()
        transaction = bench.transaction
        assert all(backend.running == 0 for backend in bench.backends)
        assert idle(*bench.views)
        assert transaction.commit_started
        assert not transaction.open
        calls = [len(backend.calls) for backend in bench.backends]
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        assert calls == [len(backend.calls) for backend in bench.backends]
        stored = bench.stored()
        if outcome.completed:
            assert stored == 10
            assert transaction.future.done()
        else:
            told = re.search(r"(\d+) of 10 chunks and keys stored", repr(transaction))
            # What was stored in the moment of the cancellation may not be known to be.
            assert told is None or int(told[1]) <= stored
            before = bench.writes()
            await transaction.commit_async()
            assert bench.stored() == 10
            assert bench.writes() - before <= 10 - (0 if told is None else int(told[1]))
        assert transaction.future.done()
        assert transaction.total_bytes == 0
        assert idle(*bench.views)
        bench.folder.cleanup()

    await at_every_point(start, check, how)


def drop(transactions: list[ts.Transaction]) -> None:
    """Forget them; what refers to them in tracebacks goes, too."""
    transactions.clear()
    gc.collect()


@pytest.mark.parametrize("then", ["abort", "drop"])
async def test_what_is_left_of_a_cancelled_commit_can_be_given_up(then: str) -> None:
    backend = FakeBackend(np.zeros(8, np.int64))
    view = backend.view((2,), "async", context=ts.Context(ONE))
    scope = anyio.CancelScope()

    async def hold(call: Any) -> None:
        if len(backend.writes()) == 2:
            scope.cancel()
        await anyio.lowlevel.checkpoint()

    backend.hold = hold
    transactions = [ts.Transaction()]
    await view.with_transaction(transactions[0]).write(5)
    notes: list[str] = []
    with scope:
        try:
            await transactions[0].commit_async()
        except BaseException as error:
            notes = error.__notes__
            raise
    assert backend.array.tolist() == [5, 5, 0, 0, 0, 0, 0, 0]
    assert any("1 of 4 chunks and keys were stored" in note for note in notes)
    assert "committing, 1 of 4 chunks and keys stored" in repr(transactions[0])
    if then == "abort":
        transactions[0].abort()
        assert transactions[0].aborted
        with pytest.raises(ValueError, match="CANCELLED"):
            await transactions[0].commit_async()
    else:
        with pytest.warns(RuntimeWarning, match="dropped before 3 chunks and keys"):
            drop(transactions)
    assert len(backend.writes()) == 2
    assert idle(view)


@pytest.mark.parametrize("operation", ["read", "write"])
async def test_reads_and_writes_in_a_transaction(operation: str, how: str) -> None:
    backends: list[tuple[FakeBackend, ts.TensorStore, ts.Transaction]] = []

    async def start() -> Callable[[], Awaitable[Any]]:
        backend = FakeBackend(np.zeros((2, 400_000), np.int8))
        view = backend.view((1, 100_000), "async one", context=ts.Context(OWN))
        transaction = ts.Transaction()
        staged = view.with_transaction(transaction)
        await staged[:, 50_000:150_000].write(3)
        backends.append((backend, view, transaction))
        if operation == "read":
            return staged.read
        return lambda: staged.write(np.full((2, 400_000), 7, np.int8))

    async def check(outcome: Outcome) -> None:
        backend, view, transaction = backends.pop()
        assert backend.running == 0
        assert idle(view)
        assert backend.writes() == []
        staged = view.with_transaction(transaction)
        values = set(np.unique(await staged.read()).tolist())
        assert values in ({0, 3}, {7})
        if operation == "write" and outcome.completed:
            assert values == {7}
        await transaction.commit_async()
        assert set(np.unique(backend.array).tolist()) == values

    await at_every_point(start, check, how)
