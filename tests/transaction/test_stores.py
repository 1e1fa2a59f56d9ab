"""Key-value stores in transactions: what is seen, what is stored, what is refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import virtchunk as ts
from virtchunk.kvstore import MISSING, ByteRange, KeyRange, MemoryDriver, ReadResult

Generation = ts.KvStore.TimestampedStorageGeneration
CONFLICT = "ABORTED: generation mismatch: key"


class AsyncMemory:
    """A driver whose methods are async, and whose writes can fail."""

    def __init__(self) -> None:
        self.inner = MemoryDriver()
        self.failing: set[bytes] = set()
        self.written: list[bytes] = []

    async def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        return self.inner.read(key, if_not_equal, byte_range)

    async def write(self, key: bytes, value: bytes | None, if_equal: bytes) -> Generation:
        if key in self.failing:
            raise OSError("broken")
        self.written.append(key)
        return self.inner.write(key, value, if_equal)

    async def delete_range(self, keys: KeyRange) -> None:
        self.inner.delete_range(keys)

    async def list(self, keys: KeyRange) -> list[bytes]:
        return self.inner.list(keys)


class AsyncWhole(AsyncMemory):
    """The same, which can store several keys as a whole."""

    async def write_all(
        self,
        writes: Mapping[bytes, bytes | None],
        conditions: Mapping[bytes, bytes],
        ranges: Sequence[KeyRange],
    ) -> bytes | None:
        return self.inner.write_all(writes, conditions, ranges)


@pytest.fixture(params=["memory", "separate", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ts.KvStore:
    """A store that changes keys as a whole, and two that do not."""
    spec = {
        "memory": {"driver": "memory"},
        "separate": {"driver": "memory", "atomic": False},
        "file": {"driver": "file", "path": f"{tmp_path}/"},
    }[request.param]
    return ts.KvStore.open(spec).result()


def content(store: ts.KvStore) -> dict[bytes, bytes]:
    return {key: store[key] for key in sorted(store.list().result())}


def test_writes_are_seen_by_the_transaction_only(store: ts.KvStore) -> None:
    store["a"], store["b"] = "1", "2"
    transaction = ts.Transaction()
    staged = store.with_transaction(transaction)
    staged["a"] = "9"
    staged["c"] = "3"
    del staged["b"]

    assert staged.transaction is transaction
    assert (staged["a"], staged["c"], "b" in staged) == (b"9", b"3", False)
    assert staged.read("a", byte_range=slice(-1, None)).result().value == b"9"
    with pytest.raises(ValueError, match="outside the value"):
        staged.read("a", byte_range=slice(0, 3)).result()
    with pytest.raises(KeyError):
        staged["b"]
    assert sorted(staged.list().result()) == [b"a", b"c"]
    assert content(store) == {b"a": b"1", b"b": b"2"}

    transaction.commit_sync()
    assert content(store) == {b"a": b"9", b"c": b"3"}


def test_an_abort_leaves_the_store_as_it_was(store: ts.KvStore) -> None:
    store["a"] = "1"
    transaction = ts.Transaction()
    staged = store.with_transaction(transaction)
    staged["a"] = "2"
    staged.delete_range(KeyRange()).result()
    transaction.abort()
    assert content(store) == {b"a": b"1"}


def test_deleted_ranges_and_keys_in_them(store: ts.KvStore) -> None:
    for key in "abcde":
        store[key] = key
    with ts.Transaction() as transaction:
        staged = store.with_transaction(transaction)
        staged["b"] = "before"
        staged.delete_range(KeyRange("b", "e")).result()
        staged["c"] = "after"
        assert sorted(staged.list().result()) == [b"a", b"c", b"e"]
        assert staged.read("d").result().state == "missing"
        staged.delete_range(KeyRange("z", "y")).result()  # nothing
        store["bb"] = "from somebody else"
        store["f"] = "from somebody else"
        assert "bb" not in staged
    assert content(store) == {b"a": b"a", b"c": b"after", b"e": b"e", b"f": b"from somebody else"}


def test_generations_in_the_transaction_serve_as_conditions(store: ts.KvStore) -> None:
    with ts.Transaction() as transaction:
        staged = store.with_transaction(transaction)
        first = staged.write("a", "1").result()
        read = staged.read("a").result()
        assert read.stamp.generation == first.generation
        assert staged.read("a", if_not_equal=first.generation).result().state == "unspecified"
        second = staged.write("a", "2", if_equal=first.generation).result()
        assert second.generation not in {b"", first.generation}
        staged.write("b", "3", if_equal=MISSING).result()
        staged.write("b", None).result()
        staged.write("b", "4", if_equal=MISSING).result()
    assert content(store) == {b"a": b"2", b"b": b"4"}


def test_conditions_are_checked_at_the_commit(store: ts.KvStore) -> None:
    generation = store.write("a", "1").result().generation
    transaction = ts.Transaction()
    staged = store.with_transaction(transaction)
    staged.write("a", "2", if_equal=generation).result()
    staged.write("a", "3").result()  # the condition of the first one remains
    store["a"] = "from somebody else"
    with pytest.raises(ValueError, match=CONFLICT):
        transaction.commit_sync()
    assert content(store) == {b"a": b"from somebody else"}
    assert (transaction.commit_started, transaction.aborted) == (True, False)


@pytest.mark.parametrize("disturbed", [False, True])
def test_deleting_a_range_keeps_the_conditions_of_keys_in_it(
    store: ts.KvStore, disturbed: bool
) -> None:
    generation = store.write("b", "1").result().generation
    transaction = ts.Transaction()
    staged = store.with_transaction(transaction)
    staged.write("b", "2", if_equal=generation).result()
    staged.delete_range(KeyRange("a", "c")).result()
    if disturbed:
        store["b"] = "x"
        with pytest.raises(ValueError, match=CONFLICT):
            transaction.commit_sync()
        assert content(store) == {b"b": b"x"}
    else:
        transaction.commit_sync()
        assert content(store) == {}


def test_a_condition_on_what_the_transaction_has_replaced_stores_nothing(
    store: ts.KvStore,
) -> None:
    generation = store.write("a", "1").result().generation
    transaction = ts.Transaction()
    staged = store.with_transaction(transaction)
    staged["b"] = "2"
    staged["a"] = "2"
    staged.write("a", "3", if_equal=generation).result()
    staged["a"] = "4"
    assert staged["a"] == b"4"
    with pytest.raises(ValueError, match=CONFLICT):
        transaction.commit_sync()
    assert content(store) == {b"a": b"1"}


def test_a_conflict_in_a_memory_store_stores_nothing_and_in_others_says_what() -> None:
    for spec, stored in (
        ({"driver": "memory"}, False),
        ({"driver": "memory", "atomic": False}, True),
    ):
        store = ts.KvStore.open(spec).result()
        generation = store.write("b", "0").result().generation
        transaction = ts.Transaction()
        staged = store.with_transaction(transaction)
        staged["a"] = "1"
        staged.write("b", "1", if_equal=generation).result()
        staged["c"] = "1"
        store["b"] = "x"
        with pytest.raises(ValueError, match=CONFLICT) as caught:
            transaction.commit_sync()
        assert ("a" in store) == stored
        assert store["b"] == b"x"
        notes = "; ".join(caught.value.__notes__)
        assert ("stored: 1 of 3 keys of the memory store: b'a';" in notes) == stored


@pytest.mark.parametrize("change", ["value", "deletion", "creation"])
@pytest.mark.parametrize("then", ["reread", "commit", "write", "delete"])
def test_repeatable_reads(store: ts.KvStore, change: str, then: str) -> None:
    if change != "creation":
        store["a"] = "1"
    transaction = ts.Transaction(repeatable_read=True)
    staged = store.with_transaction(transaction)
    staged.read("a").result()
    staged.read("a", byte_range=None).result()
    staged["b"] = "2"
    store["a"] = None if change == "deletion" else "new"
    if then == "reread":
        with pytest.raises(ValueError, match="changed since this repeatable_read transaction"):
            staged.read("a").result()
        assert transaction.aborted
    elif then == "write":
        staged["a"] = "3"
    elif then == "delete":
        staged.delete_range(KeyRange("a", "b")).result()
    before = content(store)
    with pytest.raises(ValueError, match=CONFLICT):
        transaction.commit_sync()
    assert store.read("a").result().state == ("missing" if change == "deletion" else "value")
    assert {**content(store), b"b": b""} == {**before, b"b": b""}


def test_repeatable_reads_that_are_undisturbed(store: ts.KvStore) -> None:
    store["a"], store["c"] = "1", "1"
    with ts.Transaction(repeatable_read=True) as transaction:
        staged = store.with_transaction(transaction)
        staged["b"] = staged["a"] + staged["a"]
        assert staged["b"] == b"11"
        assert "d" not in staged
        staged["c"] = staged["c"] + b"2"
        with pytest.raises(NotImplementedError, match="repeatable_read transactions do not"):
            staged.list().result()
    assert content(store) == {b"a": b"1", b"b": b"11", b"c": b"12"}


def test_atomic_transactions_take_any_keys_where_the_driver_can_store_them_as_a_whole() -> None:
    store = ts.KvStore.open("memory://").result()
    with ts.Transaction(atomic=True) as transaction:
        staged = (store / "x").with_transaction(transaction)
        staged["1"] = "a"
        (store / "y").with_transaction(transaction)["2"] = "b"
        staged.delete_range(KeyRange()).result()
    assert content(store) == {b"y2": b"b"}


def test_atomic_transactions_take_one_key_where_it_can_not(tmp_path: Path) -> None:
    store = ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()
    with ts.Transaction(atomic=True) as transaction:
        staged = store.with_transaction(transaction)
        staged["a"] = "1"
        staged["a"] = "2"
        staged.read("b").result()
    assert content(store) == {b"a": b"2"}
    transaction = ts.Transaction(atomic=True)
    staged = store.with_transaction(transaction)
    staged["a"] = "3"
    with pytest.raises(ValueError, match=r"cannot combine key .*a' of the file store and key .*b'"):
        staged["b"] = "3"
    assert transaction.aborted
    transaction = ts.Transaction(atomic=True)
    with pytest.raises(ValueError, match="cannot delete a range of keys of the file store"):
        store.with_transaction(transaction).delete_range(KeyRange()).result()
    assert transaction.aborted
    assert content(store) == {b"a": b"2"}


def test_stores_of_one_context_share_a_transaction() -> None:
    context = ts.Context()
    one = ts.KvStore.open("memory://", context=context).result()
    other = ts.KvStore.open("memory://x/", context=context).result()
    transaction = ts.Transaction()
    one.with_transaction(transaction)["x/a"] = "1"
    assert other.with_transaction(transaction)["a"] == b"1"
    transaction.abort()


def test_binding() -> None:
    store = ts.KvStore.open("memory://p/").result()
    transaction, other = ts.Transaction(), ts.Transaction()
    staged = store.with_transaction(transaction)
    for made in (staged / "x", staged + "x", staged.copy(), copy.copy(staged)):
        assert made.transaction is transaction
    assert store.transaction is None
    assert ts.KvStore.open("memory://", transaction=other).result().transaction is other
    for another in (None, other):
        with pytest.raises(ValueError, match="cannot bind another transaction"):
            staged.with_transaction(another)
    for attempt in (pickle.dumps, copy.deepcopy):
        with pytest.raises(ValueError, match="cannot be pickled"):
            attempt(staged)
    for wrong in (lambda: store.with_transaction(5), lambda: setattr(store, "transaction", 5)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="must be a Transaction or None"):
            wrong()
    staged.transaction = other
    assert staged.transaction is other
    staged.transaction = None
    staged["a"] = "1"
    assert store["a"] == b"1"


def test_ranges_are_copied_into_and_out_of_transactions() -> None:
    source, target = (ts.KvStore.open("memory://").result() for _ in range(2))
    source["a"] = "1"
    with ts.Transaction() as transaction:
        staged = source.with_transaction(transaction)
        staged["b"] = "2"
        staged.experimental_copy_range_to(target.with_transaction(transaction)).result()
        assert content(target) == {}
    assert content(target) == content(source) == {b"a": b"1", b"b": b"2"}


def test_reads_of_one_batch_see_the_transaction() -> None:
    store = ts.KvStore.open("memory://").result()
    store["a"] = "123456"
    with ts.Transaction() as transaction:
        staged = store.with_transaction(transaction)
        staged["a"] = "654321"
        with ts.Batch() as batch:
            parts = [staged.read("a", byte_range=slice(i, i + 2), batch=batch) for i in (0, 2)]
        assert [part.result().value for part in parts] == [b"65", b"43"]


@pytest.mark.parametrize("whole", [False, True])
async def test_drivers_with_async_methods(whole: bool) -> None:
    driver = AsyncWhole() if whole else AsyncMemory()
    store = ts.KvStore.from_driver(driver)
    async with ts.Transaction(repeatable_read=True) as transaction:
        staged = store.with_transaction(transaction)
        assert (await staged.read("0")).state == "missing"
        for i in range(50):
            await staged.write(str(i), bytes([i]))
        await staged.delete_range(KeyRange("49", "5"))
        assert (await staged.read("7")).value == b"\7"
    assert len(await store.list()) == 49
    assert (len(driver.written) == 0) == whole


async def test_a_key_that_fails_ends_the_commit_and_the_note_names_the_others() -> None:
    driver = AsyncMemory()
    driver.failing = {b"b"}
    store = ts.KvStore.from_driver(driver)
    transaction = ts.Transaction()
    staged = store.with_transaction(transaction)
    for key in "abc":
        await staged.write(key, b"1")
    with pytest.raises(OSError, match="broken") as caught:
        await transaction.commit_async()
    notes = caught.value.__notes__
    assert any(note.startswith("stored: ") and "of 3 keys of" in note for note in notes)
    stored = len(driver.written)
    assert any(note.startswith(f"of the transaction, {stored} of 3 chunks") for note in notes)
    assert b"b" not in driver.written


def test_keys_that_the_driver_refuses_fail_at_the_commit(tmp_path: Path) -> None:
    store = ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()
    transaction = ts.Transaction()
    store.with_transaction(transaction)["a//b"] = "1"
    with pytest.raises(ValueError, match="a//b"):
        transaction.commit_sync()


def test_an_empty_transaction_on_a_store_reads_through() -> None:
    store = ts.KvStore.open("memory://").result()
    store["a"] = "1"
    with ts.Transaction() as transaction:
        staged: Any = store.with_transaction(transaction)
        assert staged["a"] == b"1"
        assert staged.list().result() == [b"a"]
        assert transaction.total_bytes == 0
