"""Claims: at most one worker is busy with a chunk at a time; the others wait.

Claiming and giving up are one atomic step of a `dict` each, because they happen for every chunk,
while those who wait are rare and pay for everything else:

- a follower first joins the leader's queue, and then looks whether the claim still stands; a
  leader first drops its claim, and then looks at its queues. One of them sees the other.
- before it waits, a follower looks whether the leader waits (through nested operations, however
  deep) for the follower itself; a chunk that depends on itself is an error, not a deadlock.

Readers of a chunk wait for its content, and all of them get it (`Claims.release`). Writers wait for
their turn, and take turns in the order they came (`Claims.pass_on`).
"""

from __future__ import annotations

import threading
from typing import Any, Generic, TypeVar, final

from virtchunk._engine.worker import Worker
from virtchunk._fork import call_in_child
from virtchunk._signal import Signal

__all__ = ("Claims", "Follower")

T = TypeVar("T")

# Guards all queues. Reentrant, for the garbage collector may close a waiting coroutine anywhere.
_lock = threading.RLock()


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()


call_in_child(_after_fork)


@final
class Queue(Generic[T]):
    """Those who wait for one claimed chunk; one of the leader's `Worker.followers`."""

    __slots__ = ("claims", "key", "leader", "members", "outdated")

    def __init__(self, claims: Claims[T], key: Any, leader: Worker) -> None:
        self.claims = claims
        self.key = key
        self.leader = leader
        self.members: dict[Follower[T], None] = {}
        """In the order they came."""
        self.outdated = False
        """Whether the chunk was written since the leader began to read it."""


@final
class Follower(Generic[T]):
    """One that waits for a claimed chunk."""

    __slots__ = ("outcome", "queue", "signal", "worker")

    def __init__(self, queue: Queue[T], worker: Worker) -> None:
        self.queue = queue
        self.worker = worker
        self.signal = Signal()
        self.outcome: T | BaseException | None = None
        """What the leader made: its result, its error, or None: see for yourself."""

    @property
    def leader(self) -> Worker:
        """Who is busy with the chunk."""
        return self.queue.leader

    @property
    def waits(self) -> bool:
        """Whether the leader is still at it; if not, the follower just has not gone on yet."""
        queue = self.queue
        return not self.signal.is_set() and queue.claims.workers.get(queue.key) is queue.leader

    def tell(self, outcome: T | BaseException | None) -> None:
        """End the wait."""
        self.outcome = outcome
        self.signal.set()


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
        with _lock:
            queue = self._queue(key, leader)
            follower = Follower(queue, worker)
            queue.members[follower] = None
            if self.workers.get(key) is not leader:
                self._withdraw(follower)
                return None
            if _depends(leader, set(worker.ancestry())):
                self._withdraw(follower)
                raise RuntimeError(
                    f"the chunk at {key} depends on itself: its callback reads or writes, directly "
                    "or through other views, the chunk that is being computed"
                )
            for waiting in worker.ancestry():
                waiting.waits[follower] = None
        return follower

    def left(self, follower: Follower[T]) -> None:
        """Stop waiting, whether the signal came or the wait was cancelled."""
        with _lock:
            for waiting in follower.worker.ancestry():
                waiting.waits.pop(follower, None)
            self._withdraw(follower)

    def release(self, key: Any, worker: Worker, outcome: T | BaseException | None) -> None:
        """Drop a claim and tell its followers the outcome."""
        self.workers.pop(key, None)
        if worker.followers:
            for follower in self.dismiss(key, worker):
                follower.tell(outcome)

    def dismiss(self, key: Any, worker: Worker) -> list[Follower[T]]:
        """Return the followers of a dropped claim, to be told the outcome.

        Nobody is left to be told if the chunk is outdated: they have been sent to see for
        themselves, for one of them may have come after the write, and must see it.
        """
        with _lock:
            queue: Queue[T] | None = worker.followers.pop((self, key), None)
            if queue is None:
                return []
            followers = list(queue.members)
            queue.members.clear()
        if not queue.outdated:
            return followers
        for follower in followers:
            follower.tell(None)
        return []

    def give_up(self, key: Any, worker: Worker) -> None:
        """Drop a claim, and let the next follower have it."""
        self.workers.pop(key, None)
        if worker.followers:
            self.pass_on(key, worker)

    def pass_on(self, key: Any, worker: Worker) -> None:
        """Give a claim that has just been dropped to the follower that came first.

        The others go on waiting, for that one. If all were woken, and all but one waited anew, the
        work would grow with the square of their number.
        """
        with _lock:
            queue: Queue[T] | None = worker.followers.pop((self, key), None)
            if queue is None or not queue.members:
                return
            awake = [next(iter(queue.members))]
            heir = awake[0].worker
            if self.workers.setdefault(key, heir) is heir:
                del queue.members[awake[0]]
                queue.leader = heir
                if queue.members:
                    heir.followers[self, key] = queue
            else:  # somebody came in between
                awake = list(queue.members)
                queue.members.clear()
        for follower in awake:
            follower.tell(None)

    def outdate(self, key: Any) -> None:
        """Note that a chunk was written while somebody was reading it."""
        leader = self.workers.get(key)
        if leader is not None:
            with _lock:
                queue = self._queue(key, leader)
                queue.outdated = True
                if self.workers.get(key) is not leader:
                    self._remove_if_empty(queue)

    def is_outdated(self, key: Any, worker: Worker) -> bool:
        """Say whether a chunk was written since a worker has claimed the reading of it."""
        queue = worker.followers.get((self, key))
        return queue is not None and queue.outdated

    def _queue(self, key: Any, leader: Worker) -> Queue[T]:
        queue = leader.followers.get((self, key))
        if queue is None:
            queue = leader.followers[self, key] = Queue(self, key, leader)
        return queue

    def _withdraw(self, follower: Follower[T]) -> None:
        queue = follower.queue
        queue.members.pop(follower, None)  # or it was told already
        if not queue.outdated:
            self._remove_if_empty(queue)

    def _remove_if_empty(self, queue: Queue[T]) -> None:
        followers = queue.leader.followers
        if not queue.members and followers.get((self, queue.key)) is queue:
            del followers[self, queue.key]


def _depends(leader: Worker, mine: set[Worker]) -> bool:
    """Say whether ``leader`` cannot finish before one of ``mine`` has."""
    found, seen = [leader], {leader}
    while found:
        worker = found.pop()
        if worker in mine:
            return True
        for follower in list(worker.waits):
            target = follower.leader
            if target not in seen and follower.waits:
                seen.add(target)
                found.append(target)
    return False
