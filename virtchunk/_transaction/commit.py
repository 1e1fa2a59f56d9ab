"""The commit of a transaction: one participant after the other, or all at once in tasks."""

from __future__ import annotations

import threading
from typing import final

import anyio
import anyio.lowlevel

from virtchunk._control import Control
from virtchunk._transaction.changes import Changes, Participant

__all__ = ("Commit",)


@final
class Commit:
    """The operation that stores the changes of a transaction; see `virtchunk._future.Operation`."""

    __slots__ = ("changes",)

    def __init__(self, changes: Changes) -> None:
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

    def __init__(self, changes: Changes) -> None:
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
