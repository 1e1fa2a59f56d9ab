"""Views are garbage collected, forked, pickled; nothing of the engine outlives what it serves."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref
from typing import Any

import anyio
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import until

CACHE = {"cache_pool": {"total_bytes_limit": 1_000_000}}


def squares(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    """A callback that can be pickled."""
    rows = np.arange(domain.inclusive_min[0], domain.exclusive_max[0])
    array[...] = rows**2


async def async_squares(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    await anyio.lowlevel.checkpoint()
    squares(domain, array, params)


def squares_view(read: Any = squares, **options: Any) -> ts.TensorStore:
    layout = ts.ChunkLayout(read_chunk_shape=[4])
    return ts.virtual_chunked(read, dtype=ts.int64, shape=[10], chunk_layout=layout, **options)


# -- garbage collection ----------------------------------------------------------------------------


class Cyclic:
    """Its callback refers to the view that refers to the callback."""

    def __init__(self, style: str, context: ts.Context) -> None:
        self.memory = np.zeros(10, np.int64)
        self.view = ts.virtual_chunked(
            self.read if style == "sync" else self.read_async,
            self.write,
            dtype=ts.int64,
            shape=[10],
            chunk_layout=ts.ChunkLayout(read_chunk_shape=[4]),
            context=context,
        )

    def read(self, domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = self.view.shape[0]

    async def read_async(self, domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = self.view.shape[0]

    def write(self, domain: ts.IndexDomain, array: Any, params: Any) -> None:
        self.memory[domain.index_exp] = array


async def collected(reference: weakref.ref[Any]) -> None:
    """Collect garbage until an object is gone: a thread that called it may be about to let go."""

    def gone() -> bool:
        gc.collect()
        return reference() is None

    await until(gone)


@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize("options", [{}, CACHE], ids=["", "cached"])
async def test_a_callback_that_refers_to_its_view_is_collected(
    style: str, options: dict[str, Any]
) -> None:
    """Though the context, with its cache pool, lives on."""
    context = ts.Context(options)
    cyclic = Cyclic(style, context)
    await cyclic.view.read()
    await cyclic.view[2:5].write(5)
    if style == "sync":
        cyclic.view.read().result()
    reference = weakref.ref(cyclic)
    del cyclic

    await collected(reference)
    statistics = context["cache_pool"].statistics()
    assert (statistics.total_bytes, statistics.entries) == (0, 0)


async def test_a_failed_or_cancelled_operation_keeps_nothing_alive() -> None:
    context = ts.Context(CACHE)
    cyclic = Cyclic("async", context)
    cyclic.memory = np.zeros(2, np.int64)  # the write callback will fail
    with pytest.raises(ValueError, match="broadcast"):
        await cyclic.view.write(5)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await cyclic.view.read()
    reference = weakref.ref(cyclic)
    del cyclic

    await collected(reference)


def test_collecting_a_view_while_its_pool_is_locked_does_not_deadlock() -> None:
    """The collector runs when it likes: also in a thread that is just keeping another chunk."""
    context = ts.Context(CACHE)
    pool: Any = context["cache_pool"]._live
    done = threading.Event()

    def run() -> None:
        cyclic = Cyclic("sync", context)
        cyclic.view.read().result()
        assert pool.statistics().entries == 3
        with pool._lock:
            del cyclic
            gc.collect()
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(20)
    assert pool.statistics().entries == 0
    assert pool.statistics().total_bytes == 0


async def test_results_are_not_kept_alive_by_the_engine() -> None:
    view = squares_view(async_squares)
    references = []
    for _ in range(2):
        result = await view.read()
        references.append(weakref.ref(result))
        del result
    gc.collect()

    assert [reference() for reference in references] == [None, None]


# -- pickling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [squares, async_squares])
async def test_a_pickled_view_is_an_equal_view(read: Any) -> None:
    view = squares_view(read)[2:9:2]
    copy = pickle.loads(pickle.dumps(view))

    assert (copy.domain, copy.dtype, copy.chunk_layout) == (
        view.domain,
        view.dtype,
        view.chunk_layout,
    )
    np.testing.assert_array_equal(await copy.read(), await view.read())


def test_a_callback_that_does_not_pickle_says_so() -> None:
    view = squares_view(lambda *_: None)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(view)


def test_cloudpickle_takes_any_callback() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    backend = np.arange(10)
    view = squares_view(
        lambda domain, array, params: array.__setitem__(..., backend[domain.index_exp])
    )
    copy = pickle.loads(cloudpickle.dumps(view[3:]))

    assert copy.read().result().tolist() == list(range(3, 10))


def test_what_was_shared_is_shared_within_one_pickle() -> None:
    context = ts.Context(CACHE)
    one, other = squares_view(context=context), squares_view(context=context)
    first, second, part = pickle.loads(pickle.dumps([one, other, one[2:5]]))

    assert first._driver is part._driver
    assert first._driver is not second._driver
    for name in ("data_copy", "callbacks"):
        assert getattr(first._driver.source, name) is getattr(second._driver.source, name)
    assert first._driver.source.cache.pool is second._driver.source.cache.pool
    assert first._driver.source.cache.pool is not one._driver.source.cache.pool  # type: ignore[attr-defined]


async def test_the_loop_is_not_carried() -> None:
    """The view belongs to the loop of the thread that unpickles, if there is one."""
    backend = anyio.get_available_backends()[0]
    with anyio.from_thread.start_blocking_portal(backend) as portal:
        loop = portal.call(_token)
        data = pickle.dumps(squares_view(async_squares, loop=loop))
    copy = pickle.loads(data)  # the portal's loop is gone

    assert (await copy.read()).tolist() == [i * i for i in range(10)]
    result = await anyio.to_thread.run_sync(copy.read().result)
    assert result.tolist() == [i * i for i in range(10)]


async def _token() -> Any:
    return anyio.lowlevel.current_token()


# -- forks -----------------------------------------------------------------------------------------


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

FORK = """
import os, signal, sys, threading, faulthandler
import anyio, numpy as np
import virtchunk as ts

faulthandler.dump_traceback_later(15, exit=True)
context = ts.Context({
    "data_copy_concurrency": {"limit": 2},
    "callback_concurrency": {"limit": 2},
    "cache_pool": {"total_bytes_limit": CACHE},
})
busy, gate, parent = threading.Event(), threading.Event(), os.getpid()

def read(domain, array, params):
    if os.getpid() == parent and block:
        busy.set()
        gate.wait(10)
    array[...] = np.arange(domain.inclusive_min[0], domain.exclusive_max[0])

async def read_async(domain, array, params):
    await anyio.lowlevel.checkpoint()
    read(domain, array, params)

def write(domain, array, params):
    assert array.tolist() == list(range(domain.inclusive_min[0], domain.exclusive_max[0]))

def view_of(read):
    return ts.virtual_chunked(
        read, write, dtype=ts.int64, shape=[16], context=context,
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[2]),
    )

def check():
    assert view.read().result().tolist() == list(range(16))
    view[3:5].write([3, 4]).result()
    for backend in anyio.get_available_backends():
        async def main():
            assert (await async_view.read()).tolist() == list(range(16))
            assert (await view[3:9].read()).shape == (6,)
            await view.write(np.arange(16))
            await async_view[2:9].write(np.arange(2, 9))
        anyio.run(main, backend=backend)
    promise, future = ts.Promise.new()
    threading.Timer(0.01, promise.set_result, [5]).start()
    assert future.result(timeout=5) == 5

block = False
view, async_view = view_of(read), view_of(read_async)
if WARM:
    check()  # threads, loops and caches have been used
if BUSY:
    block = True
    threads = [threading.Thread(target=v.read().result, daemon=True) for v in (view, view, view)]
    for thread in threads:
        thread.start()
    busy.wait(5)
child = os.fork()
if child == 0:
    code = 1
    signal.alarm(10)
    try:
        check()
        code = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
_, status = os.waitpid(child, 0)
gate.set()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@needs_fork
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("cache", [0, 10_000], ids=["", "cached"])
def test_views_work_in_a_forked_child(busy: bool, cache: int) -> None:
    """Even if the parent was in the middle of reading, with all tokens taken and chunks claimed."""
    pytest.importorskip("trio")
    script = FORK.replace("CACHE", str(cache)).replace("BUSY", str(busy))
    script = script.replace("WARM", str(not (busy and cache)))  # what is cached keeps nobody busy
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


FORK_IN_LOOP = """
import os, signal, sys, anyio, faulthandler
import numpy as np
import virtchunk as ts
faulthandler.dump_traceback_later(15, exit=True)

async def read(domain, array, params):
    array[...] = 5

def fill(domain, array, params):
    array[...] = 5

async def main():
    view = ts.virtual_chunked(read, dtype=ts.int64, shape=[4])
    await view.read()

    sync_view = ts.virtual_chunked(fill, dtype=ts.int64, shape=[4])
    await sync_view.read()

    def fork():  # in a thread, as a pool of processes does
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            try:
                assert sync_view.read().result().tolist() == [5] * 4
                view.read().result()
            except (ValueError, RuntimeError) as error:
                os._exit(0 if "no event loop" in str(error) or "use `await" in str(error) else 2)
            except BaseException:
                import traceback
                traceback.print_exc()
                sys.stderr.flush()
            os._exit(3)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    sys.exit(fork() if WHERE == "task" else await anyio.to_thread.run_sync(fork))

anyio.run(main, backend="BACKEND")
"""


@needs_fork
@pytest.mark.parametrize("where", ["task", "thread"])
@pytest.mark.parametrize("backend", anyio.get_available_backends())
def test_the_parent_s_loop_does_not_run_in_a_forked_child(backend: str, where: str) -> None:
    """Waiting for it would be waiting for ever."""
    script = FORK_IN_LOOP.replace("BACKEND", backend).replace("WHERE", repr(where))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
