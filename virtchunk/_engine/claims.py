"""Claims: at most one worker computes a chunk at a time; the others wait for its outcome.

Claiming is one atomic `dict.setdefault`, because it happens for every chunk, while
followers are rare and pay for everything else:

- a follower first puts its request on the leader's list, and then looks whether the claim still
  stands; a leader first drops its claim, and then looks at its list. One of them sees the other.
- before it waits, a follower looks whether the leader waits (through nested operations, however
  deep) for the follower itself; a chunk that depends on itself is an error, not a deadlock.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, Generic, TypeVar, final

from virtchunk._engine.worker import Worker
from virtchunk._fork import call_in_child
from virtchunk._signal import Signal

__all__ = ("Claims", "Follower")

T = TypeVar("T")

# All workers that wait for another one's chunk, in all claims; guarded by the lock.
_following: set[Worker] = set()
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _following.clear()


call_in_child(_after_fork)


@final
class Follower(Generic[T]):
    """One that waits for a claimed chunk."""

    __slots__ = ("claims", "key", "leader", "outcome", "signal")

    def __init__(self, claims: Claims[T], key: Any, leader: Worker) -> None:
        self.claims = claims
        self.key = key
        self.leader = leader
        self.signal = Signal()
        self.outcome: T | BaseException | None = None
        """What the leader made: its result, its error, or None (cancelled: try yourself)."""

    @property
    def waits(self) -> bool:
        """Whether the leader is still at it; if not, the follower just has not gone on yet."""
        return not self.signal.is_set() and self.claims.workers.get(self.key) is self.leader


@final
class Claims(Generic[T]):
    """Which worker is busy with which chunk."""

    __slots__ = ("workers",)

    def __init__(self) -> None:
        self.workers: dict[Any, Worker] = {}
        """Who has which chunk. Loops over many chunks use it directly, as `claim` does."""

    def __len__(self) -> int:
        return len(self.workers)

    def claim(self, key: Any, worker: Worker) -> Worker:
        """Claim a chunk; return who has it: ``worker`` itself, or the leader to follow."""
        return self.workers.setdefault(key, worker)

    def busy(self, key: Any) -> bool:
        """Say whether somebody has claimed a chunk."""
        return key in self.workers

    def follow(self, key: Any, leader: Worker, worker: Worker) -> Follower[T] | None:
        """Join the chunk's followers.

        The caller waits for ``follower.signal`` and then calls `left`.

        Returns:
            None if the leader has finished meanwhile.

        Raises:
            RuntimeError: If the leader itself waits for ``worker``.
        """
        follower: Follower[T] = Follower(self, key, leader)
        leader.followers.append(follower)
        if self.workers.get(key) is not leader:
            self._withdraw(leader, follower)
            return None
        with _lock:
            if _depends(leader, set(worker.ancestry()), set()):
                self._withdraw(leader, follower)
                raise RuntimeError(
                    f"the chunk at {key} depends on itself: its callback reads or writes, directly "
                    "or through other views, the chunk that is being computed"
                )
            worker.waiting_on = follower
            _following.add(worker)
        return follower

    def left(self, follower: Follower[T], worker: Worker) -> None:
        """Stop waiting, whether the signal came or the wait was cancelled."""
        with _lock:
            worker.waiting_on = None
            _following.discard(worker)
        self._withdraw(follower.leader, follower)

    def release(self, key: Any, worker: Worker, outcome: T | BaseException | None) -> None:
        """Drop a claim and tell its followers the outcome."""
        self.workers.pop(key, None)
        if worker.followers:
            self.tell(key, worker, outcome)

    def tell(self, key: Any, worker: Worker, outcome: T | BaseException | None) -> None:
        """Tell the followers of a dropped claim its outcome."""
        for follower in list(worker.followers):
            if isinstance(follower, Follower) and follower.claims is self and follower.key == key:
                self._withdraw(worker, follower)
                follower.outcome = outcome
                follower.signal.set()

    @staticmethod
    def _withdraw(leader: Worker, follower: object) -> None:
        with suppress(ValueError):  # told, or withdrawn, already
            leader.followers.remove(follower)


def _depends(leader: Worker, mine: set[Worker], seen: set[Worker]) -> bool:
    """Say whether ``leader`` cannot finish before one of ``mine`` has."""
    if leader in mine:
        return True
    if (
        not leader.lent and leader.waiting_on is None
    ):  # nor has its callback started what could wait
        return False
    seen.add(leader)
    for worker in _following:
        target = worker.waiting_on
        if target is None or target.leader in seen or leader not in worker.ancestry():
            continue
        if target.waits and _depends(target.leader, mine, seen):
            return True
    return False
