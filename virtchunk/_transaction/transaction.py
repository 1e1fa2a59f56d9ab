"""`Transaction`, as users and drivers see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, final

from virtchunk._future import Future
from virtchunk._transaction.changes import Changes, Memory, Participant, ProgressFunction
from virtchunk._transaction.commit import Commit

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Transaction", "check_transaction")

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

    _changes: Changes
    _future: Future[None]

    def __init__(
        self,
        atomic: bool = False,
        repeatable_read: bool = False,
        *,
        total_bytes_limit: int | None = None,
    ) -> None:
        changes = Changes(
            _flag(atomic, "atomic"),
            _flag(repeatable_read, "repeatable_read"),
            _limit(total_bytes_limit),
        )
        self._changes = changes
        self._future = Future._of(Commit(changes))
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
        if changes.memory.total_bytes:
            words.append(f"{changes.memory.total_bytes:_} bytes")
        return f"<virtchunk.Transaction: {', '.join(words)}>"

    def _repr_html_(self) -> str:
        """Show how far the transaction is, and what it holds, in a notebook."""
        from virtchunk._transaction.html import transaction_html

        return transaction_html(self)

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
        return self._changes.memory.total_bytes

    @property
    def total_bytes_limit(self) -> int | None:
        """How much it may hold in memory, in bytes; None for no limit."""
        return self._changes.memory.limit

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

    def _changing(self) -> Changes:
        """Return a context in which to make changes, without ever waiting for anything.

        Entering it raises `ValueError` if the transaction is not open.
        """
        return self._changes

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
            f"cannot combine {first} and {name()} in one atomic transaction: they cannot be "
            "stored as a whole; the transaction was aborted. Use a transaction that is not atomic, "
            "or one for each"
        )
        self._fail(error)
        raise error

    @property
    def _memory(self) -> Memory:
        """Where to account for memory before it is taken."""
        return self._changes.memory


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
