"""`Future` and `Promise`: results that run where they are awaited, or are given elsewhere."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import pickle
import signal
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import FakeBackend, awaited, idle, until, until_blocking
from virtchunk._control import Control


class Work:
    """An operation that counts its runs."""

    def __init__(self, result: Any = "result") -> None:
        self.result = result
        self.runs = 0
        self.release: Callable[[], Any] | None = None

    def describe(self) -> str:
        return "work"

    def run_blocking(self, control: Control) -> Any:
        self.runs += 1
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    async def run(self) -> Any:
        self.runs += 1
        if self.release is not None:
            await self.release()
        await anyio.lowlevel.checkpoint()
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def future_of(work: Work) -> ts.Future[Any]:
    return ts.Future._of(work)


# -- promises --------------------------------------------------------------------------------------


def test_a_kept_promise() -> None:
    promise, future = ts.Promise[int].new()
    assert (future.done(), future.cancelled()) == (False, False)
    promise.set_result(5)

    assert (future.done(), future.cancelled()) == (True, False)
    assert (future.result(), future.result(), future.exception()) == (5, 5, None)


def test_a_promise_is_kept_once() -> None:
    promise, future = ts.Promise[int].new()
    promise.set_result(5)
    promise.set_result(6)
    promise.set_exception(LookupError())

    assert future.result() == 5


def test_a_broken_promise() -> None:
    promise, future = ts.Promise[int].new()
    error = LookupError("gone")
    promise.set_exception(error)

    assert future.exception() is error
    with pytest.raises(LookupError, match="gone") as caught:
        future.result()
    assert caught.value is error


def test_a_dropped_promise_is_an_error() -> None:
    """As in the original."""
    promise, future = ts.Promise[int].new()
    del promise

    with pytest.raises(ValueError, match="dropped"):
        future.result()


def test_a_promise_dropped_in_a_cycle_is_an_error() -> None:
    promise, future = ts.Promise[Any].new()
    cycle: list[Any] = [promise]
    cycle.append(cycle)
    del promise, cycle
    gc.collect()

    assert isinstance(future.exception(), ValueError)


def test_cancelling_a_promised_result() -> None:
    promise, future = ts.Promise[int].new()
    assert future.cancel()
    assert not future.cancel()
    promise.set_result(5)

    assert (future.done(), future.cancelled()) == (True, True)
    for wait in (future.result, future.exception):
        with pytest.raises(asyncio.CancelledError):
            wait()


@pytest.mark.parametrize(
    ("timeout", "deadline"),
    [(0.01, None), (0, None), (-1, None), (None, 0.01), (60, 0.01), (0.01, 60), (None, -60)],
)
def test_waiting_no_longer_than_asked(timeout: float | None, deadline: float | None) -> None:
    _promise, future = ts.Promise[int].new()
    until = None if deadline is None else time.time() + deadline
    for wait in (future.result, future.exception):
        with pytest.raises(TimeoutError):
            wait(timeout=timeout, deadline=until)

    assert not future.done()


def test_waiting_at_most_very_long() -> None:
    promise, future = ts.Promise[int].new()
    threading.Timer(0.01, promise.set_result, [5]).start()

    assert future.result(timeout=1e12) == 5


def test_a_result_from_another_thread_wakes_everybody() -> None:
    """Blocked threads, tasks of asyncio and tasks of trio at the same time."""
    promise, future = ts.Promise[int].new()
    results: list[int] = []
    waiting = threading.Semaphore(0)

    async def two() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(one)
            await anyio.wait_all_tasks_blocked()
            waiting.release()

    async def one() -> None:
        results.append(await future)

    def block() -> None:
        waiting.release()
        results.append(future.result())

    threads = [threading.Thread(target=block)]
    threads += [
        threading.Thread(target=anyio.run, args=(two,), kwargs={"backend": name})
        for name in BACKENDS
    ]
    for thread in threads:
        thread.start()
        waiting.acquire(timeout=20)
    promise.set_result(5)
    for thread in threads:
        thread.join(20)

    assert results == [5] * (1 + 2 * len(BACKENDS))


BACKENDS = anyio.get_available_backends()


async def test_a_cancelled_waiter_leaves_the_promise_alone() -> None:
    promise, future = ts.Promise[int].new()
    with anyio.move_on_after(0.01) as scope:
        await future
    assert scope.cancelled_caught
    assert not future.done()
    promise.set_result(5)

    assert await future == 5
    assert future._signal is None


async def test_awaiting_what_is_done_checkpoints() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ts.Future(5)

    assert scope.cancelled_caught
    assert await ts.Future(5) == 5


# -- callbacks -------------------------------------------------------------------------------------


def test_callbacks_are_called_in_order_with_the_future() -> None:
    promise, future = ts.Promise[int].new()
    calls: list[tuple[int, Any]] = []

    def note(i: int, done: ts.Future[int]) -> None:
        calls.append((i, done))

    for i in range(3):
        future.add_done_callback(partial(note, i))
    assert calls == []
    promise.set_result(5)
    future.add_done_callback(lambda done: calls.append((3, done)))

    assert calls == [(i, future) for i in range(4)]


def test_removed_callbacks_are_not_called() -> None:
    promise, future = ts.Promise[int].new()
    calls: list[Any] = []
    add = calls.append
    future.add_done_callback(add)
    future.add_done_callback(add)

    assert future.remove_done_callback(add) == 2
    assert future.remove_done_callback(add) == 0
    promise.set_result(5)
    assert calls == []
    assert future.remove_done_callback(add) == 0


def test_a_failing_callback_is_printed_and_keeps_no_other_from_being_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    promise, future = ts.Promise[int].new()
    calls: list[Any] = []

    def fail(done: ts.Future[int]) -> None:
        raise LookupError("in a callback")

    future.add_done_callback(fail)
    future.add_done_callback(calls.append)
    promise.set_result(5)

    assert calls == [future]
    assert "LookupError: in a callback" in capsys.readouterr().err


def test_a_callback_may_use_the_future() -> None:
    promise, future = ts.Promise[int].new()
    calls: list[Any] = []
    future.add_done_callback(lambda done: done.add_done_callback(calls.append))
    future.add_done_callback(lambda done: calls.append(done.result()))
    promise.set_result(5)

    assert calls == [future, 5]


def test_finalizers_may_complete_futures_at_any_moment() -> None:
    """The garbage collector may drop a promise while this thread changes the state of a future."""
    done = threading.Event()

    def run() -> None:
        threshold = gc.get_threshold()
        gc.set_threshold(1)
        try:
            for _ in range(300):
                promise, future = ts.Promise[Any].new()
                cycle: list[Any] = [promise]
                cycle.append(cycle)
                del promise, cycle
                for _ in range(10):
                    future.add_done_callback(lambda done: None)
                assert isinstance(future.exception(timeout=10), ValueError)
        finally:
            gc.set_threshold(*threshold)
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert done.wait(30)


def test_a_signal_handler_may_complete_a_future_at_any_moment() -> None:
    """In the thread that is just adding a callback."""
    promise, future = ts.Promise[int].new()

    class Reentrant:
        def __eq__(self, other: object) -> bool:
            promise.set_result(5)
            return True

        __hash__ = None  # type: ignore[assignment]

    future.add_done_callback(Reentrant())  # type: ignore[arg-type]
    finished = threading.Event()

    def remove() -> None:
        future.remove_done_callback(lambda done: None)
        finished.set()

    threading.Thread(target=remove, daemon=True).start()
    assert finished.wait(10)
    assert future.result() == 5


# -- conversion ------------------------------------------------------------------------------------


def test_a_value_is_a_future_that_is_done() -> None:
    future = ts.Future([1, 2])

    assert future.done()
    assert future.result() == [1, 2]


def test_a_future_is_its_own_conversion() -> None:
    future = ts.Future(5)

    assert ts.Future(future) is future


async def test_an_awaitable_runs_when_it_is_awaited() -> None:
    runs: list[int] = []

    async def run() -> int:
        runs.append(1)
        await anyio.lowlevel.checkpoint()
        return 5

    future = ts.Future(run())
    await anyio.lowlevel.checkpoint()
    assert runs == []

    assert (await future, await future, runs) == (5, 5, [1])


async def test_an_awaitable_can_be_waited_for_in_another_thread() -> None:
    async def run() -> int:
        await anyio.lowlevel.checkpoint()
        return threading.get_ident()

    future = ts.Future(run())

    assert await anyio.to_thread.run_sync(future.result) == threading.get_ident()


async def test_an_awaitable_cannot_be_waited_for_in_its_own_loop() -> None:
    future = ts.Future(awaited(ts.Future(5)))
    with pytest.raises(RuntimeError, match="await"):
        future.result()

    assert await future == 5


def test_a_coroutine_without_a_loop_is_refused_and_closed() -> None:
    """The original warns that it was never awaited."""
    with pytest.raises(ValueError, match=r"no event loop specified.*await"):
        ts.Future(awaited(ts.Future(5)))
    gc.collect()


async def test_a_cancelled_awaitable_is_closed() -> None:
    """No warning that it was never awaited."""
    future = ts.Future(awaited(ts.Future(5)))
    assert future.cancel()
    gc.collect()

    with pytest.raises(asyncio.CancelledError):
        future.result()


def test_futures_are_generic_and_not_picklable_and_promises_not_constructed() -> None:
    assert str(ts.Future[int]).endswith("Future[int]")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(ts.Future(5))
    with pytest.raises(TypeError, match=r"Promise\.new"):
        ts.Promise()
    with pytest.raises(TypeError):
        ts.Future()  # type: ignore[call-overload]


def test_repr_tells_the_state() -> None:
    promise, future = ts.Promise[int].new()
    assert "pending" in repr(future)
    promise.set_exception(LookupError("gone"))
    assert "failed: LookupError('gone')" in repr(future)
    pending = future_of(Work())
    assert "work: pending" in repr(pending)
    pending.cancel()
    assert "done" in repr(ts.Future(5))


# -- operations ------------------------------------------------------------------------------------


async def test_an_operation_runs_once_however_often_it_is_awaited() -> None:
    work = Work()
    future = future_of(work)
    assert work.runs == 0

    assert [await future, await future, future.result(), future.exception()] == [
        "result",
        "result",
        "result",
        None,
    ]
    assert work.runs == 1


async def test_an_operation_fails_once() -> None:
    error = LookupError("gone")
    work = Work(error)
    future = future_of(work)
    for _ in range(2):
        with pytest.raises(LookupError) as caught:
            await future
        assert caught.value is error
    assert future.exception() is error
    assert work.runs == 1


async def test_tasks_that_await_at_once_share_one_run() -> None:
    work = Work()
    event = anyio.Event()
    work.release = event.wait
    future = future_of(work)
    results: list[Any] = []

    async def wait() -> None:
        results.append(await future)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert "running" in repr(future)
        event.set()

    assert results == ["result"] * 10
    assert work.runs == 1


async def test_another_waiter_takes_over_from_a_cancelled_one() -> None:
    work = Work()
    event = anyio.Event()
    work.release = event.wait
    future = future_of(work)
    scope = anyio.CancelScope()
    results: list[Any] = []

    async def lead() -> None:
        with scope:
            await future

    async def follow() -> None:
        results.append(await future)

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(follow)
        group.start_soon(follow)
        blocked = anyio.Event()

        async def block() -> None:
            blocked.set()
            results.append(await anyio.to_thread.run_sync(future.result))

        group.start_soon(block)
        await blocked.wait()
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await until(lambda: work.runs == 2)
        event.set()

    assert results == ["result"] * 3


async def test_a_cancelled_run_may_be_started_again() -> None:
    work = Work()
    event = anyio.Event()
    work.release = event.wait
    future = future_of(work)
    with anyio.move_on_after(0.01):
        await future
    assert not future.done()
    event.set()

    assert await future == "result"
    assert work.runs == 2


@pytest.mark.parametrize("where", ["task", "thread"])
async def test_cancel_stops_a_run(where: str) -> None:
    work = Work()
    stopped: list[int] = []

    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(1)

    work.release = forever
    future = future_of(work)
    caught: list[BaseException] = []

    async def wait() -> None:
        try:
            await future
        except asyncio.CancelledError as error:
            caught.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        if where == "task":
            assert future.cancel()
        else:
            assert await anyio.to_thread.run_sync(future.cancel)

    assert len(caught) == 2
    assert (stopped, future.cancelled()) == ([1], True)
    assert not future.cancel()


def test_cancel_before_a_run() -> None:
    work = Work()
    future = future_of(work)
    assert future.cancel()

    with pytest.raises(asyncio.CancelledError):
        future.result()
    assert (work.runs, future.cancelled(), future.done()) == (0, True, True)


def test_force_runs_and_keeps_the_error() -> None:
    work = Work(LookupError("gone"))
    future = future_of(work)
    future.force()
    future.force()

    assert work.runs == 1
    assert isinstance(future.exception(), LookupError)


def test_force_does_nothing_to_a_promised_result() -> None:
    _promise, future = ts.Promise[int].new()
    future.force()

    assert not future.done()


def test_callbacks_are_called_by_who_runs_the_operation() -> None:
    future = future_of(Work())
    calls: list[int] = []
    future.add_done_callback(lambda done: calls.append(threading.get_ident()))
    future.result()

    assert calls == [threading.get_ident()]


def test_an_operation_that_never_ran_warns() -> None:
    backend = FakeBackend(np.arange(4))
    view = backend.view((2,))

    def forget(operation: str) -> None:
        getattr(view[1:3], operation)(*([5] if operation == "write" else []))
        gc.collect()

    with pytest.warns(RuntimeWarning, match=r"read of \{ \[1, 3\) \} from .*never awaited"):
        forget("read")
    with pytest.warns(RuntimeWarning, match=r"write to \{ \[1, 3\) \} of .*never awaited"):
        forget("write")
    assert backend.calls == []


def test_what_ran_or_was_cancelled_does_not_warn() -> None:
    view = FakeBackend(np.arange(4)).view((2,))
    view.read().result()
    view.read().cancel()
    view.write(5).result()
    view.write(5).cancel()
    gc.collect()


def test_a_future_lets_go_of_its_operation() -> None:
    work = Work()
    reference = weakref.ref(work)
    future = future_of(work)
    future.result()
    del work
    gc.collect()

    assert reference() is None


# -- blocking in and beside loops ------------------------------------------------------------------


async def test_a_running_future_is_not_waited_for_in_its_own_loop() -> None:
    work = Work()
    event = anyio.Event()
    work.release = event.wait
    future = future_of(work)
    async with anyio.create_task_group() as group:
        group.start_soon(awaited, future)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="await"):
            future.result()
        event.set()

    assert future.result() == "result"


async def test_a_refused_future_can_still_be_awaited() -> None:
    """The error says to use ``await``: so that must work."""
    backend = FakeBackend(np.arange(4))
    view = backend.view((2,), "async one")
    reading, writing = view.read(), view.write(7)
    for future in (reading, writing):
        with pytest.raises(RuntimeError, match="use `await"):
            future.result()
        with pytest.raises(RuntimeError, match="use `await"):
            future.exception()
    assert backend.calls == []
    assert (await reading).tolist() == [0, 1, 2, 3]
    await writing
    assert backend.array.tolist() == [7] * 4


def test_a_future_refused_for_want_of_a_loop_can_still_be_awaited() -> None:
    view = FakeBackend(np.arange(4)).view((2,), "async one")
    future = view.read()
    with pytest.raises(ValueError, match=r"no event loop specified.*`await`.*loop="):
        future.result()

    assert anyio.run(awaited, future).tolist() == [0, 1, 2, 3]


async def test_futures_work_with_asyncio_s_own_tools(anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("asyncio's")
    view = FakeBackend(np.arange(4)).view((2,), "async one")
    results = await asyncio.gather(view.read(), view[1:2].read())
    assert [result.tolist() for result in results] == [[0, 1, 2, 3], [1]]
    assert (await asyncio.wait_for(view.read(), 20)).tolist() == [0, 1, 2, 3]
    async with asyncio.timeout(20):
        assert (await asyncio.ensure_future(view.read())).tolist() == [0, 1, 2, 3]


async def test_timeouts_of_asyncio_stop_everything(anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("asyncio's")
    backend = FakeBackend(np.arange(4))

    async def hold(call: Any) -> None:
        await anyio.sleep_forever()

    backend.hold = hold
    view = backend.view((2,), "async one")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(view.read(), 0.02)
    assert backend.running == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await view.read()
    assert backend.running == 0
    assert idle(view)


@pytest.mark.parametrize("style", ["sync", "thread future", "future"])
def test_a_blocking_read_times_out(style: str) -> None:
    """When the callback that runs has returned, or at once if it only waits."""
    backend = FakeBackend(np.arange(4))
    context = ts.Context({"data_copy_concurrency": {"limit": 1}})
    backend.before = lambda call: time.sleep(0.02)
    view = backend.view((1,), style, context=context)
    future = view.read()
    with pytest.raises(TimeoutError):
        future.result(timeout=0.01)
    assert 1 <= len(backend.calls) < 4
    assert idle(view)

    assert future.result().tolist() == [0, 1, 2, 3]


def test_a_blocking_read_times_out_while_it_waits_for_a_future() -> None:
    made: list[Any] = []

    def never(kind: str) -> Any:
        if kind == "thread":
            made.append(concurrent.futures.Future())
            return made[-1]
        promise, future = ts.Promise[None].new()
        made.append(promise)
        return future

    for kind in ("thread", "promise"):
        for chunks in (1, 2):
            view = ts.virtual_chunked(
                lambda *_, kind=kind: never(kind),
                dtype=ts.int8,
                shape=[chunks],
                chunk_layout=ts.ChunkLayout(read_chunk_shape=[1]),
            )
            with pytest.raises(TimeoutError):
                view.read().result(timeout=0.02)
            assert idle(view)


def test_a_blocking_read_times_out_while_it_waits_for_another_one() -> None:
    backend = FakeBackend(np.arange(4))
    gate = threading.Event()
    backend.before = lambda call: gate.wait(20)
    view = backend.view((4,), context=ts.Context({"data_copy_concurrency": {"limit": 2}}))
    other = backend.view((4,), context=ts.Context({"data_copy_concurrency": {"limit": 1}}))
    leaders = [threading.Thread(target=v.read().result) for v in (view, other)]
    for leader in leaders:
        leader.start()
    try:
        until_blocking(lambda: backend.running == 2)
        for follower in (view, other[0:2]):  # behind the leader, or the only token
            with pytest.raises(TimeoutError):
                follower.read().result(timeout=0.02)
    finally:
        gate.set()
        for leader in leaders:
            leader.join(20)
    assert idle(view, other)


# -- Ctrl-C ----------------------------------------------------------------------------------------


@pytest.fixture
def interrupts() -> Any:
    """Ctrl-C raises `KeyboardInterrupt`, as it does in a program."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_when(condition: Callable[[], bool]) -> threading.Thread:
    """Press Ctrl-C once a condition holds."""

    def watch() -> None:
        while not condition():
            time.sleep(0.001)
        time.sleep(0.01)  # until the main thread waits; interrupting earlier is no problem either
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.usefixtures("interrupts")
def test_ctrl_c_while_waiting_for_a_promise() -> None:
    promise, future = ts.Promise[int].new()
    thread = interrupt_when(lambda: future._signal is not None)
    with pytest.raises(KeyboardInterrupt):
        future.result(timeout=20)
    thread.join()
    promise.set_result(5)

    assert future.result() == 5


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("chunks", [1, 8])
@pytest.mark.parametrize("limit", [1, 3])
def test_ctrl_c_in_a_blocking_read(limit: int, chunks: int) -> None:
    """All threads have ended when it is raised; the read may be tried again."""
    backend = FakeBackend(np.arange(chunks))
    interrupted = threading.Event()
    main = threading.get_ident()

    def before(call: Any) -> None:
        if interrupted.is_set():
            return
        if call.thread == main:
            while True:  # only the main thread is interrupted
                time.sleep(0.001)
        interrupted.wait(0.2)

    backend.before = before
    context = ts.Context({"data_copy_concurrency": {"limit": limit}})
    view = backend.view((1,), context=context)
    future = view.read()
    thread = interrupt_when(lambda: backend.running > 0)
    with pytest.raises(KeyboardInterrupt):
        future.result(timeout=20)
    interrupted.set()
    thread.join()
    assert backend.running == 0
    assert idle(view)

    assert future.result().tolist() == list(range(chunks))


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("backend_name", BACKENDS)
def test_ctrl_c_while_callbacks_run_in_another_loop(backend_name: str) -> None:
    backend = FakeBackend(np.arange(8))

    async def hold(call: Any) -> None:
        await anyio.sleep_forever()

    backend.hold = hold
    with anyio.from_thread.start_blocking_portal(backend_name) as portal:
        loop = portal.call(_token)
        view = backend.view((1,), "async one", loop=loop)
        future = view.read()
        thread = interrupt_when(lambda: backend.running == 8)
        with pytest.raises(KeyboardInterrupt):
            future.result(timeout=20)
        thread.join()
        assert backend.running == 0
        assert idle(view)
        backend.hold = None

        assert future.result().tolist() == list(range(8))


async def _token() -> Any:
    return anyio.lowlevel.current_token()
