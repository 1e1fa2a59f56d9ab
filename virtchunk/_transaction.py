"""`Transaction`: writes that are kept in memory until all of them are committed.

What was changed is held by *participants*, one for each view's driver and each key-value store;
this module knows only that they can be committed. A transaction opens, takes changes, and ends:
nothing can be read or written through it once its commit has started.

The commit is an operation like any other: it runs where it is awaited, or inside ``result()``, and
ends there. One that is cancelled keeps what it has not stored, and can be run again.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, final

import anyio
import anyio.lowlevel

from virtchunk._control import Control
from virtchunk._fork import forget_in_child
from virtchunk._future import Future
from virtchunk._signal import Signal

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Counter", "Participant", "Transaction", "check_transaction")

ProgressFunction = Callable[[int, int, int], object]


class Counter(Protocol):
    """Called by a participant once for each chunk or key that it has stored."""

    def __call__(self, nbytes: int, /) -> object:
        """Take note of so many bytes."""


class Participant(Protocol):
    """The changes to one view's chunks, or to one key-value store."""

    @property
    def total(self) -> int:
        """How many chunks or keys are to be stored; fewer after a part of them has been."""

    def describe(self) -> str:
        """Name what is changed, for error messages."""

    def prepare(self) -> None:
        """Raise if the changes cannot be stored; nobody has stored anything yet."""

    def commit_blocking(self, control: Control, stored: Counter) -> None:
        """Store the changes in this thread, and forget what has been stored."""

    async def commit(self, stored: Counter) -> None:
        """Do the same in this task. Always checkpoints."""


P = TypeVar("P", bound=Participant)


@final
class Transaction:
    """Writes to views and key-value stores that stay in memory until they are committed.

    What is written through a transaction (by views and stores that `TensorStore.with_transaction`
    and `KvStore.with_transaction` make) stays in memory, where only reads through the same
    transaction see it, until it is committed. Then it is stored as plain writes would be: chunk by
    chunk, concurrently, each chunk once.

    As a context manager, with ``with`` or ``async with``, it is committed at the end of the block,
    and aborted if the block raises. A transaction that is dropped stores nothing, and warns if
    there was something to store.

    It may be used from several threads and event loops.

    Args:
        atomic: Permit only what can be stored as a whole: one chunk of one view, one key, or any
            number of keys of one ``memory`` store. A write that needs more raises `ValueError` and
            aborts the transaction.
        repeatable_read: Fail if a key of a key-value store that was read through the transaction
            is found changed by somebody else, when it is read again or at the commit.
        total_bytes_limit: How much may be held in memory, in bytes; a write that needs more raises
            `MemoryError`, and changes nothing. None: no limit.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: ``total_bytes_limit`` is negative.

    Example:
        >>> view = ts.array(np.zeros(4, np.int64))
        >>> with ts.Transaction() as transaction:
        ...     staged = view.with_transaction(transaction)
        ...     staged[1:3] = 5
        ...     print(staged.read().result(), view.read().result())
        [0 5 5 0] [0 0 0 0]
        >>> view.read().result()
        array([0, 5, 5, 0])
    """

    __slots__ = ("__weakref__", "_changes", "_future")

    _changes: _Changes
    _future: Future[None]

    def __init__(
        self,
        atomic: bool = False,
        repeatable_read: bool = False,
        *,
        total_bytes_limit: int | None = None,
    ) -> None:
        changes = _Changes(
            _flag(atomic, "atomic"),
            _flag(repeatable_read, "repeatable_read"),
            _limit(total_bytes_limit),
        )
        self._changes = changes
        self._future = Future._of(_Commit(changes))
        # Not the future's business: it is the changes that must not vanish in silence.
        self._future._cancel_run = _nothing
        self._future.add_done_callback(changes.ended)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Transaction cannot be pickled or copied: commit it instead")

    def __repr__(self) -> str:
        changes = self._changes
        words = [changes.state(self._future)]
        if changes.atomic:
            words.append("atomic")
        if changes.total_bytes:
            words.append(f"{changes.total_bytes:_} bytes")
        return f"<virtchunk.Transaction: {', '.join(words)}>"

    # -- its end -----------------------------------------------------------------------------

    def commit_async(self, *, progress: ProgressFunction | None = None) -> Future[None]:
        """Start the commit: nothing can be read or written through the transaction any more.

        The chunks and keys are stored where the returned future is awaited, or inside its
        ``result()``. If that is cancelled, or times out, some of them may have been stored; `repr`
        and a note on the error say how many. The others are stored when it is awaited again, or
        forgotten by `abort`.

        Has no further effect if the commit has been started already, or the transaction aborted.

        Args:
            progress: Called as ``progress(done, total, nbytes)`` for each chunk or key stored.

        Returns:
            The `future`. Waiting for it raises the first error of a callback or driver, with a note
            on what was stored and what was not; what was not then is lost.
        """
        changes = self._changes
        if changes.start(progress) and not changes.participants and not changes.writers:
            self._future._settle()
        return self._future

    def commit_sync(self, *, progress: ProgressFunction | None = None) -> None:
        """Commit, and block until everything is stored; see `commit_async`."""
        self.commit_async(progress=progress).result()

    def abort(self) -> None:
        """Forget the changes; nothing of them is stored.

        Has no effect once the commit has been started, unless it was cancelled: then what it has
        not stored is forgotten.
        """
        self._fail(ValueError("CANCELLED: the transaction was aborted"))

    def _fail(self, error: Exception) -> None:
        if self._changes.may_abort(self._future):
            self._future._settle(error=error)

    @property
    def future(self) -> Future[None]:
        """The result of the commit; an error if it failed or the transaction was aborted.

        Waiting for it commits the transaction, as the original does; asking whether it is done
        does not.
        """
        return self._future

    @property
    def open(self) -> bool:
        """Whether it can be used: neither is it aborted nor its commit started."""
        return not (self._changes.started or self._changes.aborted)

    @property
    def aborted(self) -> bool:
        """Whether it was aborted, by `abort` or by a write that it does not permit."""
        return self._changes.aborted

    @property
    def commit_started(self) -> bool:
        """Whether its commit has been started."""
        return self._changes.started

    # -- what it is --------------------------------------------------------------------------

    @property
    def atomic(self) -> bool:
        """Whether it permits only what can be stored as a whole."""
        return self._changes.atomic

    @property
    def repeatable_read(self) -> bool:
        """Whether it fails if what was read through it is changed by somebody else."""
        return self._changes.repeatable_read

    @property
    def total_bytes(self) -> int:
        """How much it holds in memory, in bytes: chunks, keys, values and what belongs to them."""
        return self._changes.total_bytes

    @property
    def total_bytes_limit(self) -> int | None:
        """How much it may hold in memory, in bytes; None for no limit."""
        return self._changes.limit

    # -- as a context manager ----------------------------------------------------------------

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.commit_sync()
        else:
            self.abort()

    def __aenter__(self) -> Future[Transaction]:
        return Future._resolved(self)

    def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Future[None]:
        if kind is None:
            return self.commit_async()
        self.abort()
        return Future._resolved(None)

    # -- for views and stores ----------------------------------------------------------------

    def _check_open(self) -> None:
        """Raise if nothing may be read or written any more.

        Raises:
            ValueError: The commit has started, or the transaction was aborted.
        """
        self._changes.check_open()

    def _check_replaceable(self) -> None:
        """Raise if a view or store may not leave this transaction for another one.

        Raises:
            ValueError: It has not been committed.
        """
        future = self._future
        if not (future.done() and future._error is None):
            raise ValueError(
                "cannot bind another transaction, or none, while this one has not been committed: "
                "start from a view or store that was never bound to it"
            )

    def _find(self, subject: object) -> Any:
        """Return what holds the changes to a driver or a store; None if there are none."""
        return self._changes.participants.get(id(subject))

    def _participant(self, subject: object, make: Callable[[], P]) -> P:
        """Return what holds the changes to a driver or a store, which it keeps alive."""
        with self._changes.lock:
            found: Any = self._changes.participants.get(id(subject))
            if found is None:
                found = self._changes.participants[id(subject)] = make()
        return found  # type: ignore[no-any-return]

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Make changes, which must not wait for anything: the commit waits for them.

        Raises:
            ValueError: The transaction is not open.
        """
        changes = self._changes
        changes.enter()
        try:
            yield
        finally:
            changes.leave()

    def _claim(self, unit: object, name: Callable[[], str]) -> None:
        """Say what is going to be changed, before it is.

        Args:
            unit: What is stored as a whole.
            name: Names it, for the error message.

        Raises:
            ValueError: It is the second such unit of an atomic transaction, which is then aborted.
        """
        changes = self._changes
        if not changes.atomic:
            return
        first = changes.claim(unit, name)
        if first is None:
            return
        error = ValueError(
            f"cannot write to {first} and to {name()} in one atomic transaction, because they "
            "cannot be stored as a whole; the transaction was aborted. Use a transaction that is "
            "not atomic, or one for each"
        )
        self._fail(error)
        raise error

    def _reserve(self, nbytes: int) -> None:
        """Account for memory before it is taken; less than 0 gives some back.

        Raises:
            MemoryError: There would be more than the limit permits. Nothing was changed.
        """
        self._changes.reserve(nbytes)


@final
class _Changes:
    """What a transaction and its commit have in common.

    The lock is held for a few instructions at a time.
    """

    __slots__ = (
        "__weakref__",
        "aborted",
        "atomic",
        "idle",
        "limit",
        "lock",
        "participants",
        "progress",
        "repeatable_read",
        "runs",
        "started",
        "total",
        "total_bytes",
        "unit",
        "writers",
    )

    def __init__(self, atomic: bool, repeatable_read: bool, limit: int | None) -> None:
        self.atomic = atomic
        self.repeatable_read = repeatable_read
        self.limit = limit
        self.lock = threading.Lock()
        self.started = self.aborted = False
        self.participants: dict[int, Participant] = {}
        self.total_bytes = 0
        self.total = 0
        """How many chunks and keys there were when the commit began."""
        self.unit: tuple[object, Callable[[], str]] | None = None
        """What an atomic transaction changes, and its name."""
        self.writers = 0
        """How many writes are just now making changes."""
        self.idle: Signal | None = None
        """Given when there are no more of them."""
        self.runs = 0
        """How often the commit was run; more than once if it was cancelled."""
        self.progress: ProgressFunction | None = None
        forget_in_child(self)

    def _after_fork(self) -> None:
        self.lock = threading.Lock()
        self.writers, self.idle = 0, None

    def __del__(self) -> None:
        left = self.left()
        if left:
            warnings.warn(
                f"a Transaction was dropped before {left} chunks and keys were committed: they are "
                "not stored. Commit or abort it, or use it in a `with` block",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def left(self) -> int:
        """Return how many chunks and keys are still to be stored."""
        return sum(participant.total for participant in self.participants.values())

    def state(self, future: Future[None]) -> str:
        """Describe in a few words how far it has got."""
        if not future.done():
            if not self.started:
                return "open"
            stored = f"{self.total - self.left()} of {self.total} chunks and keys stored"
            return f"committing, {stored}" if self.runs else "committing"
        if self.aborted:
            return "aborted"
        return "committed" if future._error is None else "failed"

    # -- while it is open --------------------------------------------------------------------

    def check_open(self) -> None:
        if self.aborted:
            raise ValueError(
                "transaction is not open: it was aborted; use a new Transaction, on a view or "
                "store that is not bound to this one"
            )
        if self.started:
            raise ValueError(
                "transaction is not open: its commit has already started; use a new Transaction. "
                "Callbacks of views that are written through it have to use another one"
            )

    def enter(self) -> None:
        with self.lock:
            self.check_open()
            self.writers += 1

    def leave(self) -> None:
        with self.lock:
            self.writers -= 1
            idle = None if self.writers else self.idle
        if idle is not None:
            idle.set()

    def claim(self, unit: object, name: Callable[[], str]) -> str | None:
        """Make ``unit`` the only one; return the name of another one that is already."""
        with self.lock:
            if self.unit is None:
                self.unit = unit, name
            known, known_name = self.unit
        return None if known == unit else known_name()

    def reserve(self, nbytes: int) -> None:
        with self.lock:
            held, limit = self.total_bytes, self.limit
            if limit is None or nbytes <= 0 or held + nbytes <= limit:
                self.total_bytes += nbytes
                return
        raise MemoryError(
            f"the transaction holds {held:_} bytes and would need {nbytes:_} more for this write, "
            f"but its total_bytes_limit is {limit:_}; commit it, and go on in a new one"
        )

    # -- its end -----------------------------------------------------------------------------

    def start(self, progress: ProgressFunction | None = None) -> bool:
        """Let no more changes be made; say whether this was the start."""
        with self.lock:
            if self.started or self.aborted:
                return False
            self.started, self.progress = True, progress
            return True

    def may_abort(self, future: Future[None]) -> bool:
        """Abort, unless there is a commit that runs, has ended or will be run."""
        with self.lock:
            if future.done() or (self.started and not (self.runs and future._idle())):
                return False
            self.aborted = True
            return True

    def ended(self, future: Future[None]) -> None:
        """Forget the changes: the transaction was committed, aborted or has failed."""
        with self.lock:
            if not self.started:
                self.aborted = True
            self.participants, self.total_bytes = {}, 0

    def begin(self) -> Signal | None:
        """Begin or resume the commit; return what to wait for first."""
        self.start()
        with self.lock:
            self.runs += 1
            if self.writers and self.idle is None:
                self.idle = Signal()
            return self.idle if self.writers else None

    def prepared(self) -> list[Participant]:
        """Return who has something to store, having asked each whether that is possible."""
        participants = [one for one in self.participants.values() if one.total]
        for participant in participants:
            participant.prepare()
        self.total = max(self.total, self.left())
        return participants

    def explain(self, error: BaseException) -> None:
        """Note on an error how much had been stored."""
        left = self.left()
        names = [one.describe() for one in self.participants.values() if one.total]
        error.add_note(
            f"of the transaction, {self.total - left} of {self.total} chunks and keys were stored; "
            f"the others are of {', '.join(names)}"
        )


@final
class _Commit:
    """The operation that stores the changes of a transaction; see `virtchunk._future.Operation`."""

    __slots__ = ("changes",)

    def __init__(self, changes: _Changes) -> None:
        self.changes = changes

    def describe(self) -> str:
        return "commit of a Transaction"

    def run_blocking(self, control: Control) -> None:
        changes = self.changes
        control.check()
        idle = changes.begin()
        if idle is not None:
            idle.wait_blocking(check=control.check)
        participants = changes.prepared()
        tally = _Tally(changes)
        try:
            for participant in participants:
                control.check()
                participant.commit_blocking(control, tally)
        except BaseException as error:
            changes.explain(error)
            raise

    async def run(self) -> None:
        changes = self.changes
        await anyio.lowlevel.checkpoint()
        idle = changes.begin()
        if idle is not None:
            await idle.wait()
        participants = changes.prepared()
        tally = _Tally(changes)
        try:
            if len(participants) == 1:
                await participants[0].commit(tally)
            else:
                await _commit_all(participants, tally)
        except BaseException as error:
            changes.explain(error)
            raise


async def _commit_all(participants: list[Participant], tally: _Tally) -> None:
    """Commit several participants at once; the first failure stops all."""
    failures: list[Exception] = []

    async def commit(participant: Participant) -> None:
        try:
            await participant.commit(tally)
        except Exception as error:
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for participant in participants:
            group.start_soon(commit, participant)
    if failures:
        error, *others = failures
        for other in others:
            error.add_note(f"another part of the transaction failed too: {other!r}")
        raise error


@final
class _Tally:
    """Counts what was stored, and tells the progress callback."""

    __slots__ = ("_changes", "_done", "_lock", "_nbytes")

    def __init__(self, changes: _Changes) -> None:
        self._changes = changes
        self._lock = threading.Lock()
        self._done = changes.total - changes.left()
        self._nbytes = 0

    def __call__(self, nbytes: int) -> None:
        progress = self._changes.progress
        if progress is None:
            return
        with self._lock:
            self._done += 1
            self._nbytes += nbytes
            progress(self._done, self._changes.total, self._nbytes)


def check_transaction(transaction: object) -> Transaction | None:
    """Check an argument ``transaction``.

    Raises:
        TypeError: It is neither a `Transaction` nor None.
    """
    if transaction is None or isinstance(transaction, Transaction):
        return transaction
    raise TypeError(f"transaction must be a Transaction or None, got {transaction!r}")


def _flag(value: object, name: str) -> bool:
    if value is None or isinstance(value, int):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {value!r}")


def _limit(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"total_bytes_limit must be an integer or None, got {value!r}")
    if value < 0:
        raise ValueError(f"total_bytes_limit must be >= 0, got {value}")
    return value


def _nothing() -> None:
    pass
