"""`Limiter`: a fair count of tokens for threads and tasks of all loops."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

import virtchunk as ts
from virtchunk._limits import Limiter
from virtchunk._statistics import LimiterStatistics

BACKENDS = anyio.get_available_backends()


def test_a_limit_is_at_least_1() -> None:
    with pytest.raises(ValueError, match=">= 1, got 0"):
        Limiter(0)


def test_statistics_are_a_snapshot() -> None:
    limiter = Limiter(2)
    assert limiter.try_acquire()
    before = limiter.statistics()
    assert limiter.try_acquire()
    assert limiter.full
    assert not limiter.try_acquire()

    assert before == LimiterStatistics(total_tokens=2, borrowed_tokens=1, waiting=0)
    assert limiter.statistics() == LimiterStatistics(2, 2, 0)
    limiter.release()
    limiter.release()
    assert limiter.statistics() == LimiterStatistics(2, 0, 0)
    assert "2" in repr(limiter)


def test_views_of_a_context_show_their_limits() -> None:
    context = ts.Context({"data_copy_concurrency": {"limit": 3}})
    seen: list[Any] = []

    def read(domain: Any, array: Any, params: Any) -> None:
        seen.append(context["data_copy_concurrency"].statistics())

    ts.virtual_chunked(read, dtype=ts.int8, shape=[4], context=context).read().result()

    assert seen == [LimiterStatistics(3, 1, 0)]


async def test_who_waits_first_is_served_first() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    served: list[int] = []

    async def wait(i: int) -> None:
        await limiter.acquire()
        served.append(i)
        limiter.release()

    async with anyio.create_task_group() as group:
        for i in range(5):
            group.start_soon(wait, i)
            await anyio.wait_all_tasks_blocked()
        assert limiter.statistics().waiting == 5
        assert not limiter.try_acquire()
        limiter.release()

    assert served == list(range(5))
    assert limiter.statistics() == LimiterStatistics(1, 0, 0)


async def test_a_cancelled_waiter_takes_no_token() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    with anyio.move_on_after(0.001) as scope:
        await limiter.acquire()
    assert scope.cancelled_caught
    assert limiter.statistics() == LimiterStatistics(1, 1, 0)
    limiter.release()
    await limiter.acquire()
    assert limiter.statistics() == LimiterStatistics(1, 1, 0)


async def test_a_token_that_comes_with_the_cancellation_is_passed_on() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    served: list[int] = []

    async def wait(i: int) -> None:
        await limiter.acquire()
        served.append(i)
        limiter.release()

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:

            async def both() -> None:
                await anyio.wait_all_tasks_blocked()
                group.start_soon(wait, 1)
                await anyio.wait_all_tasks_blocked()
                assert limiter.statistics().waiting == 2
                limiter.release()
                scope.cancel()

            group.start_soon(both)
            await wait(0)

    assert served == ([1] if scope.cancelled_caught else [0, 1])
    assert limiter.statistics() == LimiterStatistics(1, 0, 0)


def test_a_check_ends_a_blocking_wait_without_a_token() -> None:
    limiter = Limiter(1)
    limiter.acquire_blocking()

    def check() -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError):
        limiter.acquire_blocking(check)
    assert limiter.statistics() == LimiterStatistics(1, 1, 0)


def test_a_finalizer_that_runs_inside_the_limiter_can_give_its_token_back() -> None:
    limiter = Limiter(1)
    limiter.acquire_blocking()

    with limiter._lock:  # the garbage collector may run here, and close a coroutine
        limiter.release()

    assert limiter.try_acquire()


def test_a_token_beyond_the_limit_counts() -> None:
    limiter = Limiter(1)
    limiter.acquire_blocking()
    limiter.acquire_beyond()
    waiting = threading.Thread(target=limiter.acquire_blocking)
    waiting.start()
    while not limiter.waiters:
        time.sleep(0.001)
    assert limiter.statistics() == LimiterStatistics(1, 2, 1)
    limiter.release()
    assert limiter.statistics() == LimiterStatistics(1, 1, 1)
    limiter.release()
    waiting.join(20)
    assert limiter.statistics() == LimiterStatistics(1, 1, 0)


@pytest.mark.parametrize("total", [1, 3])
def test_threads_and_loops_share_the_tokens(total: int) -> None:
    limiter = Limiter(total)
    running = most = 0
    lock = threading.Lock()

    def begin() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)

    def end() -> None:
        nonlocal running
        with lock:
            running -= 1
        limiter.release()

    async def work() -> None:
        for _ in range(50):
            await limiter.acquire()
            begin()
            await anyio.lowlevel.checkpoint()
            end()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(work)

    def block() -> None:
        for _ in range(50):
            limiter.acquire_blocking()
            begin()
            time.sleep(0)
            end()

    threads = [threading.Thread(target=block) for _ in range(3)] + [
        threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": name})
        for name in BACKENDS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert 1 <= most <= total
    assert limiter.statistics() == LimiterStatistics(total, 0, 0)
