"""Claims by themselves: who gets what when, at every moment at which others may come in between."""

from __future__ import annotations

from typing import Any

import anyio
import numpy as np
import pytest

from tests.fakes import Call, FakeBackend, awaited, followers, idle, until
from virtchunk._engine.claims import Claims, Follower
from virtchunk._engine.worker import Worker
from virtchunk._limits import Limiter


def worker(parent: Worker | None = None) -> Worker:
    return Worker(Limiter(1), parent, None)


def follow(claims: Claims[Any], leader: Worker, follower: Worker) -> Follower[Any]:
    found = claims.follow("chunk", leader, follower)
    assert found is not None
    return found


@pytest.fixture
def claims() -> Claims[Any]:
    return Claims()


def claim(claims: Claims[Any], leader: Worker) -> None:
    assert claims.claim("chunk", leader) is leader


# -- readers ---------------------------------------------------------------------------------------


def test_all_followers_get_the_outcome(claims: Claims[Any]) -> None:
    leader = worker()
    claim(claims, leader)
    waiting = [follow(claims, leader, worker()) for _ in range(3)]
    claims.release("chunk", leader, "content")

    assert [(f.outcome, f.signal.is_set()) for f in waiting] == [("content", True)] * 3
    assert not leader.followers
    assert not claims.busy("chunk")


def test_who_comes_after_the_claim_was_dropped_does_not_follow(claims: Claims[Any]) -> None:
    leader = worker()
    claim(claims, leader)
    del claims.workers["chunk"]

    assert claims.follow("chunk", leader, worker()) is None
    assert not leader.followers


def test_who_left_is_not_told(claims: Claims[Any]) -> None:
    leader, follower = worker(), worker()
    claim(claims, leader)
    found = follow(claims, leader, follower)
    claims.left(found)
    claims.release("chunk", leader, "content")

    assert found.outcome is None
    assert not found.signal.is_set()
    assert not leader.followers
    assert not follower.waits


def test_followers_of_an_outdated_read_look_for_themselves(claims: Claims[Any]) -> None:
    leader = worker()
    claim(claims, leader)
    before = follow(claims, leader, worker())
    claims.outdate("chunk")
    after = follow(claims, leader, worker())
    assert claims.is_outdated("chunk", leader)
    claims.release("chunk", leader, "content")

    assert before.outcome is after.outcome is None
    assert before.signal.is_set()
    assert after.signal.is_set()
    assert not leader.followers


def test_a_write_outdates_the_read_it_met_and_no_later_one(claims: Claims[Any]) -> None:
    """A reader that has just finished must not take the mark of the one that came next."""
    first, second = worker(), worker()
    claim(claims, first)
    del claims.workers["chunk"]  # it has its content, and has not told its followers yet
    claim(claims, second)
    claims.outdate("chunk")
    late = follow(claims, second, worker())
    for told in claims.dismiss("chunk", first):
        told.tell("old")
    claims.release("chunk", second, "read before the write")

    assert late.outcome is None
    assert late.signal.is_set()


def test_outdating_a_read_that_has_ended_leaves_nothing_behind(claims: Claims[Any]) -> None:
    """The writer looked while the claim stood, and marks when it does not any more."""

    class Ended(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return self.pop(key, default)

    leader = worker()
    claims.workers = Ended(chunk=leader)
    claims.outdate("chunk")

    assert not leader.followers


# -- writers ---------------------------------------------------------------------------------------


def test_turns_are_taken_in_order(claims: Claims[Any]) -> None:
    leader, *others = (worker() for _ in range(4))
    claim(claims, leader)
    waiting = [follow(claims, leader, other) for other in others]
    for done, (heir, found) in enumerate(zip(others, waiting, strict=True), 1):
        claims.give_up("chunk", leader)
        assert claims.workers["chunk"] is heir
        assert [f.signal.is_set() for f in waiting] == [n < done for n in range(3)]
        assert all(f.leader is heir for f in waiting[done:])
        claims.left(found)
        leader = heir
    claims.give_up("chunk", leader)

    assert not claims.busy("chunk")
    assert not any(each.followers or each.waits for each in others)


def test_if_somebody_came_in_between_all_are_woken(claims: Claims[Any]) -> None:
    leader, intruder = worker(), worker()
    claim(claims, leader)
    waiting = [follow(claims, leader, worker()) for _ in range(2)]
    del claims.workers["chunk"]
    claim(claims, intruder)
    claims.pass_on("chunk", leader)

    assert claims.workers["chunk"] is intruder
    assert all(f.signal.is_set() for f in waiting)
    assert not leader.followers
    assert not intruder.followers


async def test_a_turn_that_comes_together_with_a_cancellation_is_passed_on() -> None:
    backend = FakeBackend(np.zeros(4, np.int64))
    gate, scope = anyio.Event(), anyio.CancelScope()

    async def hold(call: Call) -> None:
        await gate.wait()
        if call.role == "write":  # the last thing before the second one has its turn
            scope.cancel()

    async def cancelled() -> None:
        with scope:
            await view[1].write(1)

    backend.hold = hold
    view = backend.view((4,), "async")
    async with anyio.create_task_group() as group:
        group.start_soon(awaited, view[0].write(1))
        await until(lambda: bool(backend.calls))
        group.start_soon(cancelled)
        await until(lambda: followers(view) == 1)
        group.start_soon(awaited, view[2].write(1))
        await until(lambda: followers(view) == 2)
        gate.set()

    assert scope.cancelled_caught
    assert backend.array.tolist() == [1, 0, 1, 0]
    assert idle(view)


async def test_concurrent_writes_of_one_chunk_do_not_wake_all_others_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or the work would grow with the square of their number."""
    follow, followed = Claims.follow, []

    def counted(*arguments: Any) -> Any:
        followed.append(arguments)
        return follow(*arguments)

    monkeypatch.setattr(Claims, "follow", counted)
    backend = FakeBackend(np.zeros(100, np.int64))
    view = backend.view((100,), "async one")
    async with anyio.create_task_group() as group:
        for i in range(100):
            group.start_soon(awaited, view[i].write(i))

    assert backend.array.tolist() == list(range(100))
    assert len(followed) == 99
    assert idle(view)


# -- dependencies ----------------------------------------------------------------------------------


def test_what_waits_for_itself_is_refused(claims: Claims[Any]) -> None:
    """However many waits there are in between."""
    other: Claims[Any] = Claims()
    outer, second = worker(), worker()
    claim(claims, outer)
    assert other.claim("chunk", second) is second
    inner = follow(other, second, worker(outer))  # what outer's callback started waits for second
    with pytest.raises(RuntimeError, match="depends on itself"):
        claims.follow("chunk", outer, worker(second))
    assert not outer.followers
    other.left(inner)

    assert claims.follow("chunk", outer, worker(second)) is not None


def test_a_dependency_that_has_ended_counts_no_more(claims: Claims[Any]) -> None:
    other: Claims[Any] = Claims()
    outer, second = worker(), worker()
    claim(claims, outer)
    assert other.claim("chunk", second) is second
    follow(other, second, worker(outer))
    other.release("chunk", second, "content")  # told, but it has not gone on yet

    assert claims.follow("chunk", outer, worker(second)) is not None
