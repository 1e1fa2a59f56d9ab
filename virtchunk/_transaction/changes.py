"""What a transaction and its commit have in common: participants, memory, and how far it is."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, final

from virtchunk._fork import forget_in_child
from virtchunk._future import Future
from virtchunk._signal import Signal

if TYPE_CHECKING:
    from types import TracebackType

    from virtchunk._control import Control

__all__ = ("Changes", "Counter", "Memory", "Participant", "ProgressFunction")

ProgressFunction: TypeAlias = Callable[[int, int, int], object]


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

    def prepare(self) -> bool:
        """Say whether there is anything to do; raise if that is not possible.

        Nobody has stored anything yet when the commit begins, and calls this.
        """

    def commit_blocking(self, control: Control, stored: Counter) -> None:
        """Store the changes in this thread, and forget what has been stored."""

    async def commit(self, stored: Counter) -> None:
        """Do the same in this task. Always checkpoints."""


@final
class Memory:
    """How many bytes a transaction holds, and may hold.

    Participants have this and not the transaction, so that one that is dropped is gone at once.
    """

    __slots__ = ("closed", "limit", "lock", "total_bytes")

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.total_bytes = 0
        self.closed = False
        """Whether the transaction has ended; a write may just be on its way then."""

    def reserve(self, nbytes: int) -> None:
        """Account for memory before it is taken; less than 0 gives some back.

        Raises:
            MemoryError: There would be more than the limit permits. Nothing was changed.
        """
        with self.lock:
            if self.closed:
                return
            held, limit = self.total_bytes, self.limit
            if limit is None or nbytes <= 0 or held + nbytes <= limit:
                self.total_bytes += nbytes
                return
        raise MemoryError(
            f"the transaction holds {held:_} bytes and would need {nbytes:_} more for this write, "
            f"but its total_bytes_limit is {limit:_}; commit it, and go on in a new one"
        )

    def close(self) -> None:
        """Forget all: the transaction has ended."""
        with self.lock:
            self.closed, self.total_bytes = True, 0


@final
class Changes:
    """What a transaction and its commit have in common.

    The lock is held for a few instructions at a time.
    """

    __slots__ = (
        "__weakref__",
        "aborted",
        "atomic",
        "idle",
        "lock",
        "memory",
        "participants",
        "progress",
        "repeatable_read",
        "runs",
        "started",
        "total",
        "unit",
        "writers",
    )

    def __init__(self, atomic: bool, repeatable_read: bool, limit: int | None) -> None:
        self.atomic = atomic
        self.repeatable_read = repeatable_read
        self.memory = Memory(limit)
        self.lock = threading.Lock()
        self.started = self.aborted = False
        self.participants: dict[int, Participant] = {}
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
        self.memory.lock = threading.Lock()

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
        return sum(participant.total for participant in self.known())

    def known(self) -> list[Participant]:
        """Return the participants; others may join while somebody goes through them."""
        return list(self.participants.values())

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

    def __enter__(self) -> None:
        """Begin to make changes; the commit waits until that has ended."""
        with self.lock:
            self.check_open()
            self.writers += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
            self.participants = {}
        self.memory.close()

    def begin(self) -> Signal | None:
        """Begin or resume the commit; return what to wait for first."""
        self.start()
        with self.lock:
            self.runs += 1
            if self.writers and self.idle is None:
                self.idle = Signal()
            return self.idle if self.writers else None

    def prepared(self) -> list[Participant]:
        """Return who has something to do, having asked each whether that is possible."""
        participants = [one for one in self.known() if one.prepare()]
        self.total = max(self.total, self.left())
        return participants

    def explain(self, error: BaseException) -> None:
        """Note on an error how much had been stored."""
        left = self.left()
        note = (
            f"of the transaction, {self.total - left} of {self.total} chunks and keys were stored"
        )
        if left:
            names = [one.describe() for one in self.known() if one.total]
            note += f"; the others are of {', '.join(names)}"
        error.add_note(note)
