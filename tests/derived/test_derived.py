"""What all views of views have in common: values, lazy transforms, batches, progress, pickles."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from unittest.mock import patch

import anyio
import anyio.lowlevel
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import virtchunk as ts
from tests.cancel_points import cancelled_at
from tests.fakes import FakeBackend, idle
from tests.strategies_derived import METHODS, Downsampling, downsamplings, values
from tests.strategies_views import Base, selections
from virtchunk._drivers import cast as cast_module
from virtchunk._drivers import downsample as downsample_module

Array: TypeAlias = "np.ndarray[Any, Any]"
Make: TypeAlias = Callable[[ts.TensorStore], ts.TensorStore]

GRID = np.arange(12 * 10).reshape(12, 10)
HALVES = np.arange(6), np.arange(5)

MAKERS: dict[str, Make] = {
    "cast": lambda view: ts.cast(view, ts.float64),
    "mean": lambda view: ts.downsample(view, [2, 2], "mean"),
    "stride": lambda view: ts.downsample(view, [2, 2], "stride"),
    "stack": lambda view: ts.stack([view, view[::-1].translate_to[0, 0]]),
    "concat": lambda view: ts.concat([view, view[:5]], 0),
    "overlay": lambda view: ts.overlay([view, view[2:5, 3:7].translate_by[1, 1]]),
    "nested": lambda view: ts.downsample(
        ts.stack([ts.cast(view, ts.int32), ts.cast(view[:, ::-1].translate_to[0, 0], ts.int32)]),
        [2, 3, 1],
        "max",
    ),
}

STYLES = ("sync", "async", "async many", "coroutine")


def expected(name: str) -> Array:
    """What a maker shows of `GRID`, from an array in memory."""
    return MAKERS[name](ts.array(GRID)).read().result()


@pytest.fixture
def small_tiles() -> Iterator[None]:
    """Tiles of a few chunks, so that small views have several."""
    with small():
        yield


def small() -> Any:
    """Make tiles small."""
    from contextlib import ExitStack

    stack = ExitStack()
    for module in (cast_module, downsample_module):
        stack.enter_context(patch.object(module, "_TILE", 100))
        stack.enter_context(patch.object(module, "_TILE_OF_CHUNKS", 200))
    return stack


def test_the_models_are_what_numpy_makes() -> None:
    assert np.array_equal(expected("cast"), GRID.astype(float))
    cells = GRID.reshape(6, 2, 5, 2).sum(axis=(1, 3))
    assert np.array_equal(expected("mean"), np.rint(cells / 4).astype(int))
    assert np.array_equal(expected("stride"), GRID[::2, ::2])
    assert np.array_equal(expected("stack"), np.stack([GRID, GRID[::-1]]))
    assert np.array_equal(expected("concat"), np.concatenate([GRID, GRID[:5]]))
    over = GRID.copy()
    over[3:6, 4:8] = GRID[2:5, 3:7]
    assert np.array_equal(expected("overlay"), over)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", MAKERS)
async def test_awaiting_gives_the_elements(name: str, style: str) -> None:
    base = FakeBackend(GRID.copy()).view((5, 4), style)
    view = MAKERS[name](base)

    assert np.array_equal(await view.read(), expected(name))
    assert idle(base)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", MAKERS)
def test_blocking_gives_the_elements(name: str) -> None:
    base = FakeBackend(GRID.copy()).view((5, 4))
    view = MAKERS[name](base)

    assert np.array_equal(view.read().result(), expected(name))
    assert idle(base)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", MAKERS)
def test_blocking_for_async_callbacks_without_a_loop_is_refused(name: str) -> None:
    view = MAKERS[name](FakeBackend(GRID.copy()).view((5, 4), "async"))

    with pytest.raises(ValueError, match="no event loop"):
        view.read().result()


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", MAKERS)
async def test_what_blocking_could_not_do_can_still_be_awaited(name: str) -> None:
    view = MAKERS[name](FakeBackend(GRID.copy()).view((5, 4), "async"))
    future = view.read()

    with pytest.raises(RuntimeError, match="await"):
        future.result()

    assert np.array_equal(await future, expected(name))


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_is_read_before_somebody_waits(name: str) -> None:
    backend = FakeBackend(GRID.copy())
    view = MAKERS[name](backend.view((5, 4)))
    assert view[..., 1:3].T.domain.rank == view.rank
    assert backend.calls == []


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", MAKERS)
def test_the_order_of_the_result_is_what_was_asked_for(name: str, order: Any) -> None:
    read = MAKERS[name](FakeBackend(GRID.copy()).view((5, 4))).read(order=order).result()

    assert read.flags["C_CONTIGUOUS" if order == "C" else "F_CONTIGUOUS"]
    assert np.array_equal(read, expected(name))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("how", ["scope", "task"])
@pytest.mark.parametrize("style", ["async many", "sync"])
@pytest.mark.parametrize("name", ["cast", "mean", "concat", "nested"])
async def test_cancelled_anywhere_nothing_is_left(
    name: str, style: str, how: str, anyio_backend: tuple[str, Any]
) -> None:
    if how == "task" and anyio_backend[0] != "asyncio":
        pytest.skip("task.cancel() is asyncio's")
    context = ts.Context({"data_copy_concurrency": {"limit": 2}})
    for at in range(0, 60, 3):
        backend = FakeBackend(GRID.copy())
        base = backend.view((5, 4), style, context=context)
        view = MAKERS[name](base)

        outcome = await cancelled_at(at, lambda view=view: view.read(), how)  # type: ignore[misc]

        assert idle(base)
        assert backend.running == 0
        if outcome.completed:
            assert np.array_equal(outcome.value, expected(name))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("style", ["async one", "sync"])
@pytest.mark.parametrize("name", MAKERS)
async def test_a_failing_chunk_stops_the_others(name: str, style: str) -> None:
    backend = FakeBackend(GRID.copy())
    error = RuntimeError("broken")
    backend.failures["read", (0, 0)] = error
    base = backend.view((2, 2), style, context=ts.Context({"data_copy_concurrency": {"limit": 1}}))

    with pytest.raises(RuntimeError) as caught:
        await MAKERS[name](base).read()

    assert caught.value is error
    assert "chunk" in error.__notes__[0]
    assert idle(base)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("blocking", [True, False])
async def test_progress_counts_chunks_of_the_base_and_bytes_of_the_result(
    name: str, blocking: bool
) -> None:
    view = MAKERS[name](FakeBackend(GRID.copy()).view((5, 4)))
    seen: list[tuple[int, int, int]] = []

    def progress(done: int, total: int, nbytes: int) -> None:
        seen.append((done, total, nbytes))

    future = view.read(progress=progress)
    read = future.result() if blocking else await future

    done, total, nbytes = zip(*seen, strict=True)
    assert list(done) == list(range(1, len(seen) + 1))
    assert set(total) == {len(seen)}
    assert list(nbytes) == sorted(nbytes)
    assert nbytes[-1] == read.nbytes


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", MAKERS)
async def test_streaming_gives_each_element_once(name: str) -> None:
    view = MAKERS[name](FakeBackend(GRID.copy()).view((5, 4), "async"))
    seen = np.full(view.shape, -1, view.dtype.numpy_dtype)
    count = np.zeros(view.shape, int)

    async with view.chunks() as stream:
        async for domain, array in stream:
            seen[domain.index_exp] = array
            count[domain.index_exp] += 1

    assert np.array_equal(seen, expected(name))
    assert (count == 1).all()


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", MAKERS)
async def test_copying_gives_the_same(name: str) -> None:
    view = MAKERS[name](FakeBackend(GRID.copy()).view((5, 4), "async"))
    target = np.zeros(view.shape, view.dtype.numpy_dtype)

    await ts.copy(view, ts.array(target), max_bytes=500)

    assert np.array_equal(target, expected(name))


@pytest.mark.parametrize("name", MAKERS)
async def test_a_batch_runs_them_together_and_callbacks_see_it(name: str) -> None:
    backend = FakeBackend(GRID.copy())
    view = MAKERS[name](backend.view((5, 4), "async one"))

    async with ts.Batch() as batch:
        one, two = view.read(batch=batch), view[..., :1].read(batch=batch)
        await anyio.lowlevel.checkpoint()
        assert backend.calls == []

    assert np.array_equal(one.result(), expected(name))
    assert np.array_equal(two.result(), expected(name)[..., :1])
    assert {call.params.batch for call in backend.calls} == {batch}


@pytest.mark.parametrize("name", MAKERS)
def test_pickling_keeps_what_it_is(name: str) -> None:
    view = MAKERS[name](ts.array(GRID))[..., 1:]
    again = pickle.loads(pickle.dumps(view))

    assert again.domain == view.domain
    assert again.schema == view.schema
    assert again.mode == view.mode
    assert np.array_equal(again.read().result(), view.read().result())
    assert copy.copy(view) is view


@pytest.mark.parametrize("name", MAKERS)
def test_its_spec_opens_it_again(name: str) -> None:
    view = MAKERS[name](ts.array(GRID))[..., 1:]
    for spec in (view.spec(), view.spec(retain_context=True), ts.Spec(view.spec().to_json())):
        again = ts.open(spec).result()

        assert again.domain == view.domain
        assert again.dtype == view.dtype
        assert np.array_equal(again.read().result(), view.read().result())
        assert ts.open(pickle.loads(pickle.dumps(view.spec()))).result().domain == view.domain


@pytest.mark.parametrize("name", MAKERS)
def test_reading_twice_asks_the_cache_of_the_base(name: str) -> None:
    backend = FakeBackend(GRID.copy())
    context = ts.Context({"cache_pool": {"total_bytes_limit": 1_000_000}})
    view = MAKERS[name](backend.view((5, 4), context=context, recheck_cached_data=False))

    view.read().result()
    before = len(backend.calls)
    view.read().result()

    assert len(backend.calls) == before
    assert len(set(backend.reads())) == before


@pytest.mark.parametrize("name", MAKERS)
def test_repr_says_what_it_is_made_of(name: str) -> None:
    shown = repr(MAKERS[name](ts.array(GRID)))

    word = {"concat": "stack", "overlay": "stack", "nested": "max of stack"}.get(name, name)
    assert shown.startswith(f"TensorStore({word} of ")


PAIRS: dict[str, Callable[[ts.TensorStore, ts.TensorStore], ts.TensorStore]] = {
    "cast": lambda one, two: ts.cast(one, ts.float64),
    "stack": lambda one, two: ts.stack([one, two], 1),
    "concat": lambda one, two: ts.concat([one, two[::-1].translate_to[0]], 1),
    "overlay": lambda one, two: ts.overlay([one, two[2:5, 3:7].translate_by[1, 1]]),
    "nested": lambda one, two: ts.cast(
        ts.stack([ts.cast(one, ts.float32), two.astype("float32")]), "int32"
    ),
}


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(
    "select", ["view", "view[..., 2:6]", "view.T[::-2]", "view.oindex[..., [3, 1]]"]
)
@pytest.mark.parametrize("style", ["sync", "async one", "blocking"])
@pytest.mark.parametrize("name", PAIRS)
async def test_a_write_stores_what_a_write_to_arrays_does(
    name: str, style: str, select: str
) -> None:
    backends = [FakeBackend(np.zeros_like(GRID)) for _ in range(2)]
    models = [np.zeros_like(GRID) for _ in range(2)]
    callbacks = "sync" if style == "blocking" else style
    views = [
        PAIRS[name](*[backend.view((5, 4), callbacks) for backend in backends]),
        PAIRS[name](*[ts.array(model) for model in models]),
    ]
    for view in views:
        part = eval(select, {"view": view})
        values = np.arange(part.size, dtype=np.int32).reshape(part.shape)
        if style == "blocking":
            part.write(values).result()
        else:
            await part.write(values)
        assert np.array_equal(await part.read(), values)

    for backend, written in zip(backends, models, strict=True):
        assert np.array_equal(backend.array, written)
        assert backend.running == 0


async def test_a_source_that_is_staged_may_change() -> None:
    array = np.zeros(20)
    view = ts.concat([FakeBackend(array[:10]).view((3,)), FakeBackend(array[10:]).view((4,))], 0)
    source = np.arange(20.0)
    futures = ts.cast(view, "float64").write(source)

    await futures.copy
    source[:] = -1
    await futures

    assert np.array_equal(array, np.arange(20.0))


@pytest.mark.usefixtures("small_tiles")
def test_a_write_through_a_cast_calls_each_chunk_once() -> None:
    backend = FakeBackend(np.zeros((12, 10), np.int16))
    view = ts.cast(backend.view((5, 4)), ts.float32)

    view.write(GRID.astype(np.float32)).result()

    assert np.array_equal(backend.array, GRID)
    assert sorted(backend.writes()) == sorted(set(backend.writes()))
    assert backend.reads() == []


@pytest.mark.parametrize("name", ["cast", "concat", "overlay"])
async def test_transactions_reach_the_base(name: str) -> None:
    array = np.zeros_like(GRID)
    base = FakeBackend(array).view((5, 4), "async")
    transaction = ts.Transaction()
    view = MAKERS[name](base).with_transaction(transaction)

    await view.write(np.full(view.shape, 7))
    assert (await view.read() == 7).all()
    assert not array.any()
    await transaction.commit_async()

    assert (array == 7).any()


@pytest.mark.parametrize("name", MAKERS)
def test_the_transaction_of_the_base_is_that_of_the_view(name: str) -> None:
    transaction = ts.Transaction()
    base = ts.array(GRID.copy()).with_transaction(transaction)
    base[...] = 3

    view = MAKERS[name](base)

    assert view.transaction is transaction
    assert (view.read().result() == 3).all()
    assert view.base is None or view.base.transaction is transaction
    transaction.abort()


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize("limit", [1, 2])
async def test_callbacks_may_read_views_of_views_with_any_limit(
    name: str, style: str, limit: int
) -> None:
    limits = {
        "data_copy_concurrency": {"limit": limit},
        "callback_concurrency": {"limit": limit},
    }
    context = ts.Context(limits)
    inner = MAKERS[name](FakeBackend(GRID.copy()).view((2, 3), "sync", context=context))
    shape = inner.shape
    part = tuple(slice(0, min(size, 2)) for size in shape)

    def blocking(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        array[...] = inner[part].read().result().sum()

    async def awaiting(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        array[...] = (await inner[part].read()).sum()

    outer = ts.virtual_chunked(
        blocking if style == "sync" else awaiting,
        dtype=inner.dtype,
        shape=[6],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[1]),
        context=context,
    )
    both = ts.stack([outer, outer])

    with anyio.fail_after(30):
        assert set((await both.read()).ravel()) == {expected(name)[part].sum()}


@pytest.mark.parametrize("limit", [1, 2])
def test_blocking_in_callbacks_ends_with_any_limit(limit: int) -> None:
    context = ts.Context({"data_copy_concurrency": {"limit": limit}})
    view: ts.TensorStore = FakeBackend(GRID.copy()).view((2, 3), context=context)
    for _ in range(3):
        below = ts.concat([view, view], 0)[:12]

        def nested(
            domain: ts.IndexDomain, array: Array, params: Any, below: ts.TensorStore = below
        ) -> None:
            array[...] = below[domain].read().result()

        view = ts.virtual_chunked(
            nested,
            dtype=ts.int64,
            shape=[12, 10],
            chunk_layout=ts.ChunkLayout(read_chunk_shape=[4, 5]),
            context=context,
        )

    assert np.array_equal(view.read(batch=None).result(timeout=60), GRID)


# -- transforms on top ---------------------------------------------------------------------------


def as_base(view: ts.TensorStore) -> Base:
    """The domain of a view, for strategies that draw selections of it."""
    return Base(view.origin, view.shape, (1,) * view.rank, view.origin)


@hypothesis.given(downsamplings(), st.data())
def test_any_selection_of_a_downsampled_view(given: Downsampling, data: st.DataObject) -> None:
    array = data.draw(values(given.base.shape, "int32"))
    backend = FakeBackend(array, given.base.origin)
    views = [
        ts.array(array).translate_to[given.base.origin],
        backend.view(given.base.chunk),
    ]
    for base in views:
        with small():
            view = ts.downsample(base, given.factors, given.method)
            whole = view.read().result()
            assert np.array_equal(whole, model(array, given))
            selection = data.draw(selections(as_base(view)))
            part = view[selection.transform(ts)].read().result()
        assert np.array_equal(part, selection.read(as_base(view), whole))


def reduced(method: str, first: Any, cell: list[int]) -> Any:
    """One cell, whose sorted elements are given."""
    match method:
        case "stride":
            return first
        case "min":
            return cell[0]
        case "max":
            return cell[-1]
        case "median":
            return cell[(len(cell) - 1) // 2]
        case "mode":
            return max(cell, key=lambda x: (cell.count(x), -x))
    return round(sum(cell) / len(cell))


def model(array: Array, given: Downsampling) -> Array:
    """The same, cell by cell, in plain Python."""
    origin = given.base.origin
    cells = [
        range(
            -(-low // f) if given.method == "stride" else low // f,
            -(-(low + size) // f) if size else low // f,
        )
        for low, size, f in zip(origin, array.shape, given.factors, strict=True)
    ]
    result = np.zeros([max(0, len(one)) for one in cells], array.dtype)
    for index in np.ndindex(result.shape):
        bounds = [
            (max(one[i] * f, low) - low, min((one[i] + 1) * f, low + size) - low)
            for one, i, f, low, size in zip(
                cells, index, given.factors, origin, array.shape, strict=True
            )
        ]
        cell = sorted(array[tuple(slice(a, b) for a, b in bounds)].ravel().tolist())
        result[index] = reduced(given.method, array[tuple(a for a, _ in bounds)], cell)
    return result


@hypothesis.given(st.data(), st.sampled_from(["float64", "int8", "ustring"]))
def test_any_selection_of_a_cast(data: st.DataObject, target: str) -> None:
    array = data.draw(values((5, 4, 3), "int32"))
    for base in (ts.array(array), FakeBackend(array).view((2, 3, 1))):
        with small():
            view = ts.cast(base, target)
            selection = data.draw(selections(as_base(view)))
            part = view[selection.transform(ts)].read().result()
        with np.errstate(all="ignore"):
            model = (
                array.astype(str).astype(object) if target == "ustring" else array.astype(target)
            )
        assert np.array_equal(part, selection.read(as_base(view), model))


@pytest.mark.parametrize("method", METHODS)
def test_a_large_read_holds_a_bounded_part_of_the_base(method: Any) -> None:
    held: list[int] = []

    def read(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        array[...] = domain.inclusive_min[0]
        held.append(array.nbytes)

    base = ts.virtual_chunked(
        read,
        dtype=ts.int64,
        shape=[10_000],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[100]),
    )
    largest = 0
    reduce_cells: Any = vars(downsample_module)["reduce_cells"]

    def watched(block: Array, *rest: Any) -> None:
        nonlocal largest
        largest = max(largest, block.nbytes)
        reduce_cells(block, *rest)

    with small(), patch.object(downsample_module, "reduce_cells", watched):
        ts.downsample(base, [10], method).read().result()

    assert largest <= 800
    if method != "stride":
        assert len(held) == 100


def test_what_a_request_skips_is_not_computed() -> None:
    backend = FakeBackend(np.arange(1000))
    view = ts.downsample(backend.view((10,)), [5], "max")

    assert view[::50].read().result().tolist() == [4, 254, 504, 754]
    assert backend.reads() == [(0,), (250,), (500,), (750,)]


def test_empty_requests_compute_nothing() -> None:
    backend = FakeBackend(GRID.copy())
    for make in MAKERS.values():
        view = make(backend.view((5, 4)))
        assert view[..., 2:2].read().result().size == 0
    assert backend.calls == []
