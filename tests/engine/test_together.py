"""Several operations at once: bounded, structured, and in threads only where that may pay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import anyio
import anyio.lowlevel
import attrs
import pytest

from virtchunk._control import Control
from virtchunk._engine.together import (
    compute,
    run_aside,
    run_instantly,
    run_together,
    run_together_blocking,
)
from virtchunk._limits import Limiter


@attrs.define(eq=False)
class Step:
    """An operation that notes how many of its kind are under way."""

    log: Log
    number: int

    def run_blocking(self, control: Control) -> None:
        self.log.begin(self.number)
        try:
            self.log.blocking(self.number, control)
        finally:
            self.log.end()

    async def run(self) -> None:
        self.log.begin(self.number)
        try:
            if self.number in self.log.failing:
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                    while len(self.log.begun) < len(self.log.failing):
                        await anyio.lowlevel.checkpoint()
                raise ValueError(self.number)
            await anyio.lowlevel.checkpoint()
            if self.log.forever:
                await anyio.sleep_forever()
        finally:
            self.log.end()


class Log:
    """What happened."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.running = 0
        self.most = 0
        self.made = 0
        self.threads: set[int] = set()
        self.failing: set[int] = set()
        self.forever = False
        self.blocking: Callable[[int, Control], object] = lambda number, control: None
        self.lock = threading.Lock()

    def begin(self, number: int) -> None:
        with self.lock:
            self.begun.append(number)
            self.threads.add(threading.get_ident())
            self.running += 1
            self.most = max(self.most, self.running)

    def end(self) -> None:
        with self.lock:
            self.running -= 1

    def steps(self, count: int) -> Iterator[Step]:
        for number in range(count):
            self.made += 1
            yield Step(self, number)


@pytest.mark.parametrize("count", [0, 1, 2, 50])
async def test_all_run_and_no_more_at_once_than_permitted(count: int) -> None:
    log = Log()

    await run_together(log.steps(count), 7)

    assert sorted(log.begun) == list(range(count))
    assert log.most <= min(count, 7)
    assert log.running == 0


async def test_they_are_made_when_they_are_begun_with() -> None:
    log = Log()
    log.forever = True

    with anyio.move_on_after(0.01):
        await run_together(log.steps(1000), 5)

    assert log.made == 5
    assert log.running == 0


async def test_the_first_failure_stops_the_others() -> None:
    log = Log()
    log.failing = {3}
    log.forever = True

    with pytest.raises(ValueError, match="3"):
        await run_together(log.steps(100), 10)

    assert log.running == 0
    assert len(log.begun) <= 10


async def test_further_failures_are_mentioned() -> None:
    log = Log()
    log.failing = {0, 1}

    with pytest.raises(ValueError, match=r"[01]") as caught:
        await run_together(log.steps(2), 2)

    other = 1 - caught.value.args[0]
    assert caught.value.__notes__ == [f"another part failed too: ValueError({other})"]


@pytest.mark.parametrize("count", [0, 1, 50])
def test_blocking_quick_ones_run_in_this_thread(count: int) -> None:
    log = Log()

    run_together_blocking(log.steps(count), 7, Control())

    assert log.begun == list(range(count))
    assert log.threads <= {threading.get_ident()}


def test_blocking_slow_ones_run_in_several_threads() -> None:
    log = Log()
    met = threading.Barrier(4)

    def wait(number: int, control: Control) -> None:
        if number == 0:  # so long that other threads are tried
            threading.Event().wait(0.02)
        elif number <= 4:
            met.wait(10)

    log.blocking = wait
    run_together_blocking(log.steps(30), 4, Control())

    assert sorted(log.begun) == list(range(30))
    assert log.most == 4


def test_a_failure_in_a_helper_is_raised_and_stops_this_thread() -> None:
    log = Log()
    main = threading.get_ident()
    helper = threading.Event()

    def work(number: int, control: Control) -> None:
        if number == 0:
            threading.Event().wait(0.002)
        elif threading.get_ident() != main:
            helper.set()
            raise ValueError(number)
        else:
            helper.wait(10)
            while True:
                control.check()

    log.blocking = work
    with pytest.raises(ValueError, match=r"\d"):
        run_together_blocking(log.steps(100), 4, Control())

    assert log.running == 0
    assert len(log.begun) <= 5


def test_a_timeout_stops_all_threads() -> None:
    log = Log()

    def work(number: int, control: Control) -> None:
        if number == 0:
            threading.Event().wait(0.002)
            return
        while True:
            control.check()

    log.blocking = work
    with pytest.raises(TimeoutError):
        run_together_blocking(log.steps(100), 4, Control(time.monotonic() + 0.05))

    assert log.running == 0


async def test_in_the_thread_of_an_event_loop_there_are_no_helpers() -> None:
    log = Log()
    log.blocking = lambda number, control: threading.Event().wait(0.002)

    run_together_blocking(log.steps(5), 4, Control())

    assert log.threads == {threading.get_ident()}


async def test_what_never_waits_runs_here_and_gives_others_a_turn() -> None:
    log = Log()
    log.blocking = lambda number, control: threading.Event().wait(0.002)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while log.running or len(log.begun) < 5:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await run_instantly(log.steps(5))

    assert log.begun == [0, 1, 2, 3, 4]
    assert turns >= 4


async def test_much_is_computed_in_a_thread_and_little_is_not() -> None:
    threads: list[int] = []
    limiter = Limiter(1)

    await compute(lambda: threads.append(threading.get_ident()), 100, limiter)
    await compute(lambda: threads.append(threading.get_ident()), 1 << 30, limiter)

    assert threads[0] == threading.get_ident() != threads[1]
    assert limiter.statistics().borrowed_tokens == 0


async def test_what_blocks_runs_in_threads_and_holds_a_token() -> None:
    log = Log()
    limiter = Limiter(1)
    tokens: list[int] = []
    log.blocking = lambda number, control: tokens.append(limiter.statistics().borrowed_tokens)

    await run_aside(log.steps(5), 8, limiter)

    assert log.begun == [0, 1, 2, 3, 4]
    assert tokens == [1] * 5
    assert threading.get_ident() not in log.threads
    assert limiter.statistics().borrowed_tokens == 0


async def test_cancelled_it_has_ended_before_the_cancellation_is_seen() -> None:
    log = Log()
    limiter = Limiter(4)

    def work(number: int, control: Control) -> None:
        while True:
            control.check()

    log.blocking = work
    with anyio.move_on_after(0.05):
        await run_aside(log.steps(5), 8, limiter)

    assert log.begun
    assert log.running == 0
    assert limiter.statistics().borrowed_tokens == 0
