"""Limits hold everywhere, and nested operations end at any depth, with every limit at 1."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import FakeBackend, awaited, idle, until

BACKENDS = anyio.get_available_backends()
ONE = {"data_copy_concurrency": {"limit": 1}, "callback_concurrency": {"limit": 1}}
LAYOUT = ts.ChunkLayout(read_chunk_shape=[3])
NUMBERS = list(range(8))


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("style", ["sync", "future", "thread future"])
async def test_data_copy_concurrency_bounds_plain_callbacks(style: str, limit: int) -> None:
    """Across the views of a context, and reads as well as writes."""
    context = ts.Context({"data_copy_concurrency": {"limit": limit}})
    backend = FakeBackend(np.arange(24))
    full = threading.Event()

    def wait(call: Any) -> None:
        if backend.running == limit:
            full.set()
        full.wait(10)

    backend.before = wait
    views = [backend.view((1,), style, context=context) for _ in range(3)]
    async with anyio.create_task_group() as group:
        for view in views:
            group.start_soon(awaited, view.read())
            group.start_soon(awaited, view[::2].write(np.arange(0, 24, 2)))

    assert backend.most_running == limit
    assert idle(*views)


@pytest.mark.parametrize("limit", [1, 2, 5, 300])
async def test_callback_concurrency_bounds_async_callbacks(limit: int) -> None:
    """However many chunks, views and reads there are; and the limit is reached."""
    context = ts.Context({"callback_concurrency": {"limit": limit}})
    backend = FakeBackend(np.arange(400))
    gate = anyio.Event()

    async def hold(call: Any) -> None:
        if backend.running == limit:
            gate.set()
        await gate.wait()

    backend.hold = hold
    views = [backend.view((1,), "async one", context=context) for _ in range(2)]
    async with anyio.create_task_group() as group:
        for view in views:
            group.start_soon(awaited, view.read())
            group.start_soon(awaited, view[::3].write(np.arange(0, 400, 3)))

    assert backend.most_running == limit
    assert backend.array.tolist() == list(range(400))
    assert idle(*views)


async def test_the_default_is_256_async_callbacks_in_flight() -> None:
    backend = FakeBackend(np.arange(600))
    view = backend.view((1,), "async one")

    async def hold(call: Any) -> None:
        await gate.wait()

    gate = anyio.Event()
    backend.hold = hold
    async with anyio.create_task_group() as group:
        group.start_soon(awaited, view.read())
        await anyio.wait_all_tasks_blocked()
        assert backend.running == 256
        gate.set()


@pytest.mark.parametrize("limit", [1, 3])
def test_limits_hold_across_loops_and_threads(limit: int) -> None:
    context = ts.Context(
        {
            "data_copy_concurrency": {"limit": limit},
            "callback_concurrency": {"limit": limit},
        }
    )
    plain, asynchronous = FakeBackend(np.arange(24)), FakeBackend(np.arange(24))
    plain_view = plain.view((1,), context=context)
    async_view = asynchronous.view((1,), "async many", context=context)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(awaited, plain_view.read())
                group.start_soon(awaited, async_view.read())

    threads = [
        threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": name})
        for name in BACKENDS
    ]
    threads += [threading.Thread(target=plain_view.read().result) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert 1 <= plain.most_running <= limit
    assert 1 <= asynchronous.most_running <= limit
    assert idle(plain_view, async_view)


@pytest.mark.parametrize(
    ("style", "resource"),
    [("async one", "callback_concurrency"), ("sync", "data_copy_concurrency")],
)
async def test_reads_take_turns_where_tokens_are_scarce(style: str, resource: str) -> None:
    """A read of many chunks does not keep another one waiting until its end."""
    context = ts.Context({resource: {"limit": 1}})
    long, short = FakeBackend(np.arange(400)), FakeBackend(np.arange(1))
    pause = threading.Event()
    long.before = lambda call: pause.wait(0.002)
    done: list[str] = []

    async def read(name: str, backend: FakeBackend) -> None:
        await backend.view((1,), style, context=context).read()
        done.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(read, "long", long)
        await until(lambda: len(long.calls) > 3)
        group.start_soon(read, "short", short)

    assert done == ["short", "long"]


async def test_a_returned_coroutine_counts_as_a_plain_callback() -> None:
    context = ts.Context({"data_copy_concurrency": {"limit": 2}})
    backend = FakeBackend(np.arange(24))
    full = anyio.Event()

    async def hold(call: Any) -> None:
        if backend.running == 2:
            full.set()
        await full.wait()

    backend.hold = hold
    view = backend.view((1,), "coroutine", context=context)
    async with anyio.create_task_group() as group:
        for i in range(4):
            group.start_soon(awaited, view[6 * i : 6 * i + 6].read())

    assert backend.most_running == 2
    assert idle(view)


# -- nested operations -----------------------------------------------------------------------------


def nested(kinds: str, context: ts.Context) -> list[ts.TensorStore]:
    """Views, each of which reads and writes through the next one; the innermost holds the data.

    Args:
        kinds: One letter for each view, from the outside: ``s`` blocks, ``a`` awaits, ``c`` returns
            a coroutine, ``f`` returns a future.
        context: Shared by all.
    """
    memory = np.arange(8)

    def base_read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = memory[domain.index_exp]

    def base_write(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        memory[domain.index_exp] = array

    def view_of(read: Any, write: Any) -> ts.TensorStore:
        return ts.virtual_chunked(
            read, write, dtype=ts.int64, shape=[8], chunk_layout=LAYOUT, context=context
        )

    views = [view_of(base_read, base_write)]
    for kind in reversed(kinds):
        views.append(view_of(*_passing_on(kind, views[-1])))
    return views


def _passing_on(kind: str, inner: ts.TensorStore) -> tuple[Any, Any]:
    """Callbacks that read and write another view."""

    async def await_read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = await inner[domain].read()

    async def await_write(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        await inner[domain].write(array)

    def block_read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = inner[domain].read().result()

    def block_write(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        inner[domain].write(array).result()

    if kind == "a":
        return await_read, await_write
    if kind == "c":
        return (lambda *args: await_read(*args)), (lambda *args: await_write(*args))
    if kind == "f":
        return (
            (lambda *args: ts.Future(await_read(*args))),
            (lambda domain, array, params: inner[domain].write(array).commit),
        )
    return block_read, block_write


DEPTHS = ["sssss", "aaaaa", "ccccc", "sasas", "asasa", "saaaa", "aassa", "scasc", "s", "a", "c"]


@pytest.mark.parametrize("kinds", DEPTHS)
async def test_nested_operations_with_every_limit_at_1(kinds: str) -> None:
    context = ts.Context(ONE)
    views = nested(kinds, context)
    outermost = views[-1]

    assert (await outermost.read()).tolist() == NUMBERS
    await outermost[2:7].write(5)
    assert (await outermost.read()).tolist() == [0, 1, 5, 5, 5, 5, 5, 7]
    results: list[Any] = []

    async def read() -> None:
        results.append((await outermost.read()).tolist())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read)
            group.start_soon(awaited, views[1][1:3].write(5))
            group.start_soon(awaited, views[0].read())
    assert len(results) == 3
    assert (await views[0].read()).tolist() == [0, 5, 5, 5, 5, 5, 5, 7]
    assert idle(*views)


@pytest.mark.parametrize("kinds", DEPTHS)
async def test_nested_operations_that_are_blocked_for_in_a_thread(kinds: str) -> None:
    views = nested(kinds, ts.Context(ONE))
    outermost = views[-1]

    assert (await anyio.to_thread.run_sync(outermost.read().result)).tolist() == NUMBERS
    await anyio.to_thread.run_sync(outermost[2:7].write(5).result)
    assert (await views[0].read()).tolist() == [0, 1, 5, 5, 5, 5, 5, 7]
    assert idle(*views)


@pytest.mark.parametrize("kinds", ["s", "ss", "sssss"])
def test_nested_operations_in_plain_code(kinds: str) -> None:
    views = nested(kinds, ts.Context(ONE))
    threads = [threading.Thread(target=view.read().result) for view in views for _ in range(2)]
    for thread in threads:
        thread.start()
    views[-1][2:7].write(5).result()
    for thread in threads:
        thread.join(20)

    assert views[-1].read().result().tolist() == [0, 1, 5, 5, 5, 5, 5, 7]
    assert idle(*views)


@pytest.mark.parametrize("kind", ["a", "s", "c"])
async def test_a_callback_with_several_nested_operations_at_once(kind: str) -> None:
    """The token is back when the last of them has ended, and away while any of them waits."""
    context = ts.Context(ONE)
    (inner,) = nested("", context)
    deep = nested("a", context)[-1]
    counted: list[int] = []
    limiter = context["callback_concurrency"]

    async def gather() -> Any:
        parts: list[Any] = [None, None, None]

        async def one(i: int, view: ts.TensorStore) -> None:
            for _ in range(i):
                await anyio.lowlevel.checkpoint()
            await view[0:3].read()
            for _ in range(3 - i):
                await anyio.lowlevel.checkpoint()
            parts[i] = await view[i : i + 1].read()

        async with anyio.create_task_group() as group:
            for i, view in enumerate([deep, inner, deep]):
                group.start_soon(one, i, view)
        counted.append(limiter.statistics().borrowed_tokens)
        return np.concatenate(parts)

    async def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = await gather()

    def block(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = anyio.from_thread.run(gather)

    callback: Any = {"a": read, "s": block, "c": lambda *args: read(*args)}[kind]
    view = ts.virtual_chunked(
        callback, dtype=ts.int64, shape=[12], chunk_layout=LAYOUT, context=context
    )
    assert (await view.read()).tolist() == [0, 1, 2] * 4
    if kind == "a":
        assert counted == [1] * 4
    assert idle(view, inner, deep)


async def test_a_future_that_somebody_else_completes_with_the_only_token() -> None:
    """A callback that waits for a future does not keep the token that completes it."""
    context = ts.Context(ONE)
    (inner,) = nested("", context)

    def read(domain: ts.IndexDomain, array: Any, params: Any) -> Any:
        promise, future = ts.Promise[None].new()

        def complete() -> None:  # a thread that knows nothing of the callback it works for
            array[...] = inner[domain].read().result()
            promise.set_result(None)

        threading.Thread(target=complete).start()
        return future

    view = ts.virtual_chunked(read, dtype=ts.int64, shape=[8], chunk_layout=LAYOUT, context=context)
    assert (await view.read()).tolist() == NUMBERS
    assert (await anyio.to_thread.run_sync(view.read().result)).tolist() == NUMBERS
    assert idle(view, inner)


# -- what depends on itself ------------------------------------------------------------------------


def make_cyclic(kinds: str, context: ts.Context) -> list[ts.TensorStore]:
    """Views in a ring: each reads the next one, and the last one the first."""
    views: list[ts.TensorStore] = []

    def callbacks(i: int) -> Any:
        async def await_read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
            array[...] = await views[(i + 1) % len(kinds)][domain].read()

        def block_read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
            array[...] = views[(i + 1) % len(kinds)][domain].read().result()

        returning: Any = lambda *args: await_read(*args)  # noqa: E731
        return {"a": await_read, "s": block_read, "c": returning}[kinds[i]]

    views += [
        ts.virtual_chunked(
            callbacks(i), dtype=ts.int64, shape=[8], chunk_layout=LAYOUT, context=context
        )
        for i in range(len(kinds))
    ]
    return views


RINGS = ["a", "s", "c", "aa", "ss", "as", "sa", "cs", "asa", "sss"]


@pytest.mark.parametrize("limits", [{}, ONE], ids=["", "limit 1"])
@pytest.mark.parametrize("kinds", RINGS)
async def test_a_chunk_that_depends_on_itself_is_an_error(
    kinds: str, limits: dict[str, Any]
) -> None:
    """Not a deadlock."""
    views = make_cyclic(kinds, ts.Context(limits))
    for view in views:
        with pytest.raises(RuntimeError, match="depends on itself"):
            await view.read()
        with pytest.raises(RuntimeError, match="depends on itself"):
            await anyio.to_thread.run_sync(view.read().result)
    assert idle(*views)


@pytest.mark.parametrize("kinds", ["s", "ss", "sss"])
def test_a_chunk_that_depends_on_itself_in_plain_code(kinds: str) -> None:
    views = make_cyclic(kinds, ts.Context(ONE))
    with pytest.raises(RuntimeError, match="depends on itself"):
        views[0].read().result()
    assert idle(*views)


@pytest.mark.parametrize("kinds", ["aa", "ss", "as", "aaa", "sas"])
async def test_readers_that_wait_for_each_other_are_an_error(kinds: str) -> None:
    """Each has claimed its own chunk, and then needs the chunk of the next one."""
    views: list[ts.TensorStore] = []
    began = [threading.Event() for _ in kinds]
    context = ts.Context({"data_copy_concurrency": {"limit": 8}})

    def callback(i: int) -> Any:
        following = (i + 1) % len(kinds)

        async def await_read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
            began[i].set()
            await until(began[following].is_set)
            array[...] = await views[following][domain].read()

        def block_read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
            began[i].set()
            began[following].wait(10)
            array[...] = views[following][domain].read().result()

        return {"a": await_read, "s": block_read}[kinds[i]]

    views += [
        ts.virtual_chunked(
            callback(i), dtype=ts.int64, shape=[8], chunk_layout=LAYOUT, context=context
        )
        for i in range(len(kinds))
    ]
    errors: list[BaseException] = []

    async def read(view: ts.TensorStore) -> None:
        try:
            await view[0:3].read()
        except RuntimeError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for view in views:
            group.start_soon(read, view)

    assert len(errors) == len(kinds)
    assert any("depends on itself" in str(error) for error in errors)
    assert idle(*views)


async def test_a_chunk_may_depend_on_other_chunks_of_its_view() -> None:
    """Also where others are reading the same chunks at the same time, in the other order."""
    context = ts.Context(ONE)

    async def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        (low,), (high,) = domain.inclusive_min, domain.exclusive_max
        below = await view[low - 1].read() if low else 0
        array[...] = below + np.arange(1, high - low + 1)

    view = ts.virtual_chunked(read, dtype=ts.int64, shape=[8], chunk_layout=LAYOUT, context=context)
    results: list[Any] = []

    async def run(part: ts.TensorStore) -> None:
        results.append((await part.read()).tolist())

    async with anyio.create_task_group() as group:
        for part in (view, view[7::-1], view[6:8], view):
            group.start_soon(run, part)

    assert sorted(results) == sorted([list(range(1, 9))] * 2 + [list(range(8, 0, -1)), [7, 8]])
    assert idle(view)


async def test_a_write_callback_may_read_its_own_view_s_other_chunks_but_not_write_its_own() -> (
    None
):
    backend = FakeBackend(np.arange(8))

    async def write(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        if array[0] == 5:
            await view[domain].write(6)

    view = ts.virtual_chunked(
        backend.callback("read", "async one"),
        write,
        dtype=ts.int64,
        shape=[8],
        chunk_layout=LAYOUT,
        context=ts.Context(ONE),
    )
    with pytest.raises(RuntimeError, match="depends on itself"):
        await view[0:3].write(5)
    await view[0:3].write(6)
    assert idle(view)


async def test_many_readers_of_one_chunk_are_no_burden() -> None:
    """Looking for a cycle does not take longer the more others wait."""
    backend = FakeBackend(np.arange(3))
    gate = anyio.Event()

    async def hold(call: Any) -> None:
        await gate.wait()

    backend.hold = hold
    view = backend.view((3,), "async one")
    async with anyio.create_task_group() as group:
        for _ in range(2_000):
            group.start_soon(awaited, view.read())
        await anyio.wait_all_tasks_blocked()
        gate.set()

    assert len(backend.calls) == 1
    assert idle(view)
