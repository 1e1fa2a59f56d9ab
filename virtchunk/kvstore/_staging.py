"""Key-value stores in a transaction: what was written, and how it is read and stored.

A store that is bound to a transaction runs its operations by a `StagedRunner`: writes go into the
transaction, reads look there first. What has to be asked of the driver is written once, as a
generator of calls, for blocking and awaiting alike.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from functools import partial
from itertools import count
from math import inf
from time import time
from typing import Any, NoReturn, TypeAlias, final

import anyio
import anyio.lowlevel
import attrs

from virtchunk._control import Control
from virtchunk._fork import forget_in_child
from virtchunk._schema.generation import TimestampedStorageGeneration
from virtchunk._transaction import Counter, Transaction
from virtchunk.kvstore._running import Runner
from virtchunk.kvstore.values import MISSING, ByteRange, KeyRange, ReadResult

__all__ = ("StagedRunner", "StoreChanges")

Call: TypeAlias = tuple[str, tuple[Any, ...]]
Calls: TypeAlias = Generator[Call, Any, Any]

OVERHEAD = 256
"""Bytes accounted for a key beside the key itself and its value."""
_TASKS = 32
"""Keys that are stored at once by an awaited commit; drivers have limits of their own."""
_NAMED_KEYS = 20
"""How many keys an error's note names before it only counts the others."""
_NOTHING_OF_IT = ByteRange(0, 0)

_versions = count(1)


def _next_generation() -> bytes:
    """Return a generation for what is in a transaction only; no driver makes such a one."""
    return b"\x04" + next(_versions).to_bytes(8, "little")


@final
@attrs.frozen
class Change:
    """What a transaction does to one key."""

    value: bytes | None
    """The new value; None deletes the key."""
    condition: bytes
    """The generation that the key must have at the commit; empty for any."""
    generation: bytes
    """What reads through the transaction are told."""
    impossible: bool = False
    """Whether some write was conditional on a value that the transaction itself had replaced."""

    def nbytes(self, key: bytes) -> int:
        return len(key) + len(self.value or b"") + OVERHEAD

    def is_at(self, generation: bytes) -> bool:
        """Say whether a condition on this generation holds for what the transaction has."""
        return generation == self.generation or (generation == MISSING and self.value is None)


@final
class StoreChanges:
    """The changes to one driver's keys; see `virtchunk._transaction.Participant`.

    Args:
        runner: The driver.
        name: Names the store, for error messages.
        atomic: Whether the driver can store any number of keys as a whole.
        transaction: Whose changes they are.
    """

    def __init__(self, runner: Runner, name: str, atomic: bool, transaction: Transaction) -> None:
        self.runner = runner
        self.name = name
        self.atomic = atomic
        self.reserve = transaction._memory.reserve
        self.lock = threading.Lock()
        self.keys: dict[bytes, Change] = {}
        self.ranges: list[tuple[KeyRange, bytes]] = []
        """Deleted ranges, and the generation of what is missing there."""
        self.seen: dict[bytes, bytes] = {}
        """Generations of the keys that were read, if reads have to be repeatable."""
        self.ready = False
        """Whether conditions that are checked beforehand have been."""
        forget_in_child(self)

    def _after_fork(self) -> None:
        self.lock = threading.Lock()

    # -- while the transaction is open -------------------------------------------------------

    def find(self, key: bytes) -> Change | None:
        """Return what the transaction has of a key."""
        change = self.keys.get(key)
        if change is None:
            for deleted, generation in self.ranges:
                if key in deleted:
                    return Change(None, b"", generation)
        return change

    def put(self, key: bytes, value: bytes | None, if_equal: bytes) -> bytes:
        """Write or delete a key; return its generation in the transaction."""
        with self.lock:
            before = self.find(key)
            if before is None:
                seen = self.seen.get(key, b"")
                wrong = bool(seen and if_equal and seen != if_equal)
                change = Change(value, seen or if_equal, _next_generation(), wrong)
            else:
                wrong = bool(if_equal and not before.is_at(if_equal))
                impossible = before.impossible or wrong
                change = Change(value, before.condition, _next_generation(), impossible)
            replaced = self.keys.get(key)
            self.reserve(change.nbytes(key) - (0 if replaced is None else replaced.nbytes(key)))
            self.keys[key] = change
        return change.generation

    def delete(self, keys: KeyRange) -> None:
        """Delete a range of keys."""
        with self.lock:
            self.reserve(OVERHEAD)
            generation = _next_generation()
            for key in [key for key in self.keys if key in keys]:
                change = self.keys.pop(key)
                self.reserve(-change.nbytes(key))
                if change.condition or change.impossible:
                    self._keep(key, attrs.evolve(change, value=None, generation=generation))
            for key, seen in self.seen.items():
                if key in keys and key not in self.keys and not self._deleted(key):
                    self._keep(key, Change(None, seen, generation))
            self.ranges.append((keys, generation))

    def _keep(self, key: bytes, change: Change) -> None:
        self.keys[key] = change
        self.reserve(change.nbytes(key))

    def _deleted(self, key: bytes) -> bool:
        return any(key in deleted for deleted, _ in self.ranges)

    def saw(self, key: bytes, generation: bytes) -> bool:
        """Note what version of a key was read; say whether it is the one that was read before."""
        with self.lock:
            known = self.seen.get(key)
            if known is None:
                self.reserve(len(key) + OVERHEAD)
                self.seen[key] = generation
        return known is None or known == generation

    def listed(self, keys: KeyRange, found: list[bytes]) -> list[bytes]:
        """Return the keys in a range, given those that the driver has."""
        with self.lock:
            kept = [key for key in found if self.find(key) is None]
            own = [key for key, change in self.keys.items() if change.value is not None]
        return sorted([*kept, *(key for key in own if key in keys)])

    # -- the commit --------------------------------------------------------------------------

    @property
    def total(self) -> int:
        return len(self.keys) + len(self.ranges)

    def describe(self) -> str:
        return self.name

    def prepare(self) -> bool:
        """Say whether there is anything to do.

        Raises:
            ValueError: A condition cannot be fulfilled.
        """
        for key, change in self.keys.items():
            if change.impossible:
                self._mismatch(key, "nothing of the transaction was stored")
        return bool(self.total or self.seen)

    def _mismatch(self, key: bytes, outcome: str) -> NoReturn:
        raise ValueError(
            f"ABORTED: generation mismatch: {_key_name(key, self.name)} does not have the version "
            f"that the transaction has read, or was given as if_equal; {outcome}"
        )

    def commit_blocking(self, control: Control, stored: Counter) -> None:
        """Store the changes in this thread, one key after the other."""
        for method, arguments in self._first_calls(stored):
            control.check()
            self._done_first(method, arguments, self._blocking(method, arguments, control), stored)
        before = dict(self.keys)
        try:
            for key, change in before.items():
                control.check()
                found = self._blocking("write", (key, change.value, change.condition), control)
                self._done(key, found, stored)
        except BaseException as error:
            self._explain(error, before)
            raise

    def _blocking(self, method: str, arguments: tuple[Any, ...], control: Control) -> Any:
        return self.runner.run_blocking(method, arguments, control)

    async def commit(self, stored: Counter) -> None:
        """Store the changes in this task, several keys at once. Always checkpoints."""
        await anyio.lowlevel.checkpoint()
        for method, arguments in self._first_calls(stored):
            self._done_first(method, arguments, await self.runner.run(method, arguments), stored)
        before = dict(self.keys)
        try:
            await self._write_all(iter(before.items()), len(before), stored)
        except BaseException as error:
            self._explain(error, before)
            raise

    async def _write_all(
        self, keys: Iterator[tuple[bytes, Change]], count: int, stored: Counter
    ) -> None:
        failures: list[Exception] = []

        async def work() -> None:
            for key, change in keys:
                arguments = (key, change.value, change.condition)
                self._done(key, await self.runner.run("write", arguments), stored)

        async def work_in_group() -> None:
            try:
                await work()
            except Exception as error:
                failures.append(error)
                group.cancel_scope.cancel()

        if count <= 1:
            await work()
            return
        async with anyio.create_task_group() as group:
            for _ in range(min(count, _TASKS)):
                group.start_soon(work_in_group)
        if failures:
            raise failures[0]

    def _first_calls(self, stored: Counter) -> Iterator[Call]:
        """Yield what is to be done before single keys are written."""
        if self.atomic:
            if self.total or self.seen:
                yield "write_all", self._as_a_whole()
            return
        if not self.ready:
            for key, seen in list(self.seen.items()):
                if key not in self.keys:
                    yield "read", (key, seen, _NOTHING_OF_IT)
            self.ready = True
        while self.ranges:
            for part in _without(self.ranges[0][0], self.keys):
                yield "delete_range", (part,)
            self._forget_range(stored)

    def _as_a_whole(self) -> tuple[Any, ...]:
        conditions = {key: seen for key, seen in self.seen.items() if key not in self.keys}
        conditions |= {key: one.condition for key, one in self.keys.items() if one.condition}
        ranges = [part for deleted, _ in self.ranges for part in _without(deleted, self.keys)]
        return {key: one.value for key, one in self.keys.items()}, conditions, ranges

    def _done_first(
        self, method: str, arguments: tuple[Any, ...], found: Any, stored: Counter
    ) -> None:
        if method == "read" and found.stamp.generation != arguments[1]:
            self._mismatch(arguments[0], "nothing of the transaction's keys was stored")
        if method == "write_all":
            if found is not None:
                self._mismatch(found, "nothing of the transaction's keys was stored")
            while self.ranges:
                self._forget_range(stored)
            self.seen.clear()
            for key in list(self.keys):
                self._forget(key, stored)

    def _done(self, key: bytes, found: TimestampedStorageGeneration, stored: Counter) -> None:
        if not found.generation:
            self._mismatch(key, "it was not stored")
        self._forget(key, stored)

    def _forget(self, key: bytes, stored: Counter) -> None:
        change = self.keys.pop(key)
        self.reserve(-change.nbytes(key))
        stored(len(change.value or b""))

    def _forget_range(self, stored: Counter) -> None:
        self.ranges.pop(0)
        self.reserve(-OVERHEAD)
        stored(0)

    def _explain(self, error: BaseException, before: dict[bytes, Change]) -> None:
        """Note which keys were stored, and how many were not."""
        done = [key for key in before if key not in self.keys]
        names = [repr(key) for key in done[:_NAMED_KEYS]]
        if len(done) > len(names):
            names.append(f"and {len(done) - len(names)} more")
        error.add_note(
            f"stored: {len(done)} of {len(before)} keys of {self.name}"
            + (f": {', '.join(names)}" if names else "")
            + "; the others were not, save those whose writing had begun and may have been"
        )


def _without(deleted: KeyRange, keys: dict[bytes, Change]) -> Iterator[KeyRange]:
    """Yield the parts of a range between keys that are written by themselves."""
    lower = deleted.inclusive_min
    for key in sorted(key for key in keys if key in deleted):
        if lower < key:
            yield KeyRange(lower, key)
        lower = key + b"\0"
    last = KeyRange(lower, deleted.exclusive_max)
    if not last.empty:
        yield last


def _key_name(key: bytes, store: str) -> str:
    return f"key {key!r} of {store}"


@final
class StagedRunner:
    """Runs the operations of a store that is bound to a transaction; see `Runner`.

    Args:
        plain: How they would be run without it.
        transaction: ...
        name: Names the store, for error messages.
        atomic: Whether the driver can store any number of keys as a whole.
    """

    __slots__ = ("atomic", "name", "plain", "transaction")

    def __init__(self, plain: Runner, transaction: Transaction, name: str, atomic: bool) -> None:
        self.plain = plain
        self.transaction = transaction
        self.name = name
        self.atomic = atomic

    def run_blocking(self, method: str, arguments: Any, control: Control) -> Any:
        """Run an operation in this thread."""
        control.check()
        calls = self._calls(method, arguments)
        try:
            call = next(calls)
            while True:
                call = calls.send(self.plain.run_blocking(*call, control))
        except StopIteration as stop:
            return stop.value

    async def run(self, method: str, arguments: Any) -> Any:
        """Run an operation in this task. Always checkpoints."""
        await anyio.lowlevel.checkpoint()
        calls = self._calls(method, arguments)
        try:
            call = next(calls)
            while True:
                call = calls.send(await self.plain.run(*call))
        except StopIteration as stop:
            return stop.value

    def _calls(self, method: str, arguments: Any) -> Calls:
        self.transaction._check_open()
        calls: Calls = getattr(self, f"_{method}")(*arguments)
        return calls

    def _changes(self) -> StoreChanges:
        make = partial(StoreChanges, self.plain, self.name, self.atomic, self.transaction)
        return self.transaction._participant(self.plain.driver, make)

    def _claim(self, changes: StoreChanges, key: bytes) -> None:
        unit = id(changes) if changes.atomic else (id(changes), key)
        self.transaction._claim(unit, partial(_key_name, key, self.name))

    def _read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> Calls:
        repeatable = self.transaction.repeatable_read
        changes: StoreChanges | None = self.transaction._find(self.plain.driver)
        change = None if changes is None else changes.find(key)
        if change is not None:
            return _result(change, if_not_equal, byte_range)
        if repeatable:
            changes = self._changes()
            self._claim(changes, key)
        found: ReadResult = yield "read", (key, if_not_equal, byte_range)
        if repeatable and changes is not None and not changes.saw(key, found.stamp.generation):
            error = ValueError(
                f"ABORTED: generation mismatch: {_key_name(key, self.name)} was changed since this "
                "repeatable_read transaction has read it; the transaction was aborted"
            )
            self.transaction._fail(error)
            raise error
        return found

    def _write(self, key: bytes, value: bytes | None, if_equal: bytes) -> Calls:
        yield from ()  # it asks nothing of the driver
        with self.transaction._changing():
            changes = self._changes()
            self._claim(changes, key)
            generation = changes.put(key, value, if_equal)
        return TimestampedStorageGeneration(generation, time())

    def _delete_range(self, keys: KeyRange) -> Calls:
        yield from ()
        with self.transaction._changing():
            if not keys.empty:
                changes = self._changes()
                self._claim_range(changes, keys)
                changes.delete(keys)

    def _claim_range(self, changes: StoreChanges, keys: KeyRange) -> None:
        if changes.atomic or not self.transaction.atomic:
            self._claim(changes, keys.inclusive_min)
            return
        error = ValueError(
            f"cannot delete a range of keys of {self.name} in an atomic transaction, because that "
            "cannot be done as a whole; the transaction was aborted"
        )
        self.transaction._fail(error)
        raise error

    def _list(self, keys: KeyRange) -> Calls:
        if self.transaction.repeatable_read:
            raise NotImplementedError(
                "repeatable_read transactions do not support list: nobody would notice keys that "
                "are added meanwhile"
            )
        found: list[bytes] = list((yield "list", (keys,)))
        changes: StoreChanges | None = self.transaction._find(self.plain.driver)
        return found if changes is None else changes.listed(keys, found)


def _result(change: Change, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
    """Return what reading a changed key gives."""
    generation = change.generation
    if generation == if_not_equal:
        return ReadResult._trusted("unspecified", b"", generation, inf)
    if change.value is None:
        return ReadResult._trusted("missing", b"", generation, inf)
    return ReadResult._trusted("value", byte_range.of(change.value), generation, inf)
