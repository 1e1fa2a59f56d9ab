"""`Signal`: set once, from anywhere; it wakes threads and tasks of any loop."""

from __future__ import annotations

import gc
import threading
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from tests.fakes import awaited, until_blocking
from virtchunk._signal import Signal

BACKENDS = anyio.get_available_backends()


async def test_waiting_for_a_signal_that_was_given_checkpoints() -> None:
    signal = Signal()
    signal.set()
    signal.set()
    assert signal.is_set()

    await signal.wait()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await signal.wait()
    assert scope.cancelled_caught


async def test_a_signal_wakes_all_its_waiters() -> None:
    signal = Signal()
    woken: list[int] = []

    async def wait(i: int) -> None:
        await signal.wait()
        woken.append(i)

    async with anyio.create_task_group() as group:
        for i in range(5):
            group.start_soon(wait, i)
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        signal.set()

    assert sorted(woken) == list(range(5))
    assert signal._listeners == []


async def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    signal = Signal()
    with anyio.move_on_after(0.001) as scope:
        await signal.wait()
    assert scope.cancelled_caught
    assert signal._listeners == []


def test_one_signal_wakes_threads_and_loops_at_once() -> None:
    signal = Signal()
    woken: list[str] = []

    async def wait(name: str) -> None:
        await signal.wait()
        woken.append(name)

    def block() -> None:
        assert signal.wait_blocking()
        woken.append("thread")

    threads = [threading.Thread(target=block)] + [
        threading.Thread(target=anyio.run, args=(wait, name), kwargs={"backend": name})
        for name in BACKENDS
    ]
    for thread in threads:
        thread.start()
    until_blocking(lambda: len(signal._listeners) == len(threads))
    signal.set()
    for thread in threads:
        thread.join(20)

    assert sorted(woken) == sorted([*BACKENDS, "thread"])


@pytest.mark.parametrize("timeout", [0.0, -1.0, 0.01])
@pytest.mark.parametrize("check", [None, lambda: None], ids=["", "checked"])
def test_a_blocking_wait_ends_with_its_timeout(timeout: float, check: Any) -> None:
    signal = Signal()
    assert not signal.wait_blocking(timeout, check)
    assert signal._listeners == []


@pytest.mark.parametrize("timeout", [None, 20.0, 1e12])
@pytest.mark.parametrize("check", [None, lambda: None], ids=["", "checked"])
def test_a_blocking_wait_ends_with_the_signal(timeout: float | None, check: Any) -> None:
    signal = Signal()
    timer = threading.Timer(0.01, signal.set)
    timer.start()

    assert signal.wait_blocking(timeout, check)
    assert signal._listeners == []


def test_what_a_check_raises_ends_a_blocking_wait() -> None:
    signal = Signal()
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks == 3:
            raise LookupError("enough")

    with pytest.raises(LookupError):
        signal.wait_blocking(check=check)
    assert signal._listeners == []


async def test_waiting_it_out_defers_every_kind_of_cancellation(anyio_backend_name: str) -> None:
    signal = Signal()
    ended: list[bool] = []

    async def wait() -> None:
        try:
            await signal.wait_out()
        finally:
            ended.append(signal.is_set())

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:

            async def cancel() -> None:
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
                signal.set()

            group.start_soon(cancel)
            await wait()
    assert ended == [True]

    if anyio_backend_name == "asyncio":
        import asyncio

        signal = Signal()
        task = asyncio.get_running_loop().create_task(wait())
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
            task.cancel()
        await anyio.lowlevel.checkpoint()
        assert not task.done()
        signal.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert ended == [True, True]


async def test_waiting_it_out_undisturbed() -> None:
    signal = Signal()
    async with anyio.create_task_group() as group:
        group.start_soon(awaited, signal.wait_out())
        await anyio.wait_all_tasks_blocked()
        signal.set()
    await signal.wait_out()


def test_a_waiter_in_a_loop_that_is_gone_is_forgotten() -> None:
    signal = Signal()

    async def leave() -> None:
        with anyio.move_on_after(0.001):
            await signal.wait()

    for name in BACKENDS:
        anyio.run(leave, backend=name)
    signal.set()


def test_setting_races_with_waiting() -> None:
    """A waiter that comes in the very moment of the signal is not lost."""
    for _ in range(200):
        signal = Signal()
        setter = threading.Thread(target=signal.set)
        setter.start()
        assert signal.wait_blocking(20)
        setter.join()


def test_a_signal_may_be_set_by_a_finalizer_in_the_waiting_thread() -> None:
    signal = Signal()

    class Setter:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            signal.set()

    Setter()

    def collect() -> None:
        gc.collect()

    assert signal.wait_blocking(20, collect)
