"""Views as dask arrays, and dask arrays as views."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import hypothesis
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import STYLES, FakeBackend, idle
from tests.strategies_views import Base, Selection, views

dask = pytest.importorskip("dask", reason="an extra")
da = pytest.importorskip("dask.array", reason="an extra")

from dask.base import tokenize

from virtchunk.dask import store

Array = np.ndarray[Any, Any]


def content() -> Array:
    return np.arange(1, 78, dtype=np.int32).reshape(7, 11)


@pytest.fixture
def fake() -> FakeBackend:
    return FakeBackend(content(), (5, -3))


def view_of(fake: FakeBackend, style: str = "sync", **options: Any) -> ts.TensorStore:
    """A view of chunks of 3 x 4 whose grid begins where the array does."""
    layout = ts.ChunkLayout(chunk_shape=[3, 4], grid_origin=fake.origin)
    return fake.view(style=style, chunk_layout=layout, **options)


@pytest.fixture
def view(fake: FakeBackend) -> ts.TensorStore:
    return view_of(fake)


def fill(domain: ts.IndexDomain, array: Array, params: object) -> None:
    """A callback that has a name."""
    array[...] = domain.inclusive_min[0]


# -- a view as a dask array ------------------------------------------------------------------------


def test_a_view_is_a_dask_array_of_its_chunks_without_origin_and_labels(
    view: ts.TensorStore,
) -> None:
    array = view[ts.d[:].label["y", "x"]].to_dask()

    assert (array.shape, array.dtype) == ((7, 11), np.dtype(np.int32))
    assert array.chunks == ((3, 3, 1), (4, 4, 3))
    np.testing.assert_array_equal(array.compute(), content())


def test_its_graph_is_one_layer(view: ts.TensorStore) -> None:
    assert len(view.to_dask().dask.layers) == 1


def test_slicing_it_reads_only_the_chunks_that_are_touched(
    fake: FakeBackend, view: ts.TensorStore
) -> None:
    part = view.to_dask()[4:, 9:]
    assert fake.calls == []

    np.testing.assert_array_equal(part.compute(), content()[4:, 9:])
    assert sorted(fake.reads()) == [(8, 5), (11, 5)]


@pytest.mark.parametrize(
    "selection",
    [
        np.s_[::-1],
        np.s_[::-2, ::-1],
        np.s_[5:1:-2, 9:0:-3],
        np.s_[-3:, -1],
        np.s_[0:0],
        np.s_[1:6, None, 3],
        np.s_[[1, 2], :3],
        np.s_[:, [0, 5, 2]],
    ],
    ids=str,
)
def test_it_is_selected_from_as_from_an_array(view: ts.TensorStore, selection: Any) -> None:
    part = view.to_dask()[selection]

    np.testing.assert_array_equal(part.compute(), content()[selection])
    np.testing.assert_array_equal(part[::-1].compute(), content()[selection][::-1])


def test_reductions_and_functions_of_dask_work_on_it(view: ts.TensorStore) -> None:
    array = view.to_dask()

    assert array.sum().compute() == content().sum()
    np.testing.assert_array_equal(
        (array.rechunk(5) * 2).max(axis=0).compute(), (content() * 2).max(axis=0)
    )
    np.testing.assert_array_equal(array[[4, 0, 4]].compute(), content()[[4, 0, 4]])


def test_chunks_can_be_chosen_as_dask_does(view: ts.TensorStore) -> None:
    assert view.to_dask(chunks=(7, 5)).chunks == ((7,), (5, 5, 1))
    assert view.to_dask(chunks="auto").chunks == ((7,), (11,))
    np.testing.assert_array_equal(view.to_dask(chunks=(2, -1)).compute(), content())
    with pytest.raises(ValueError, match="add up"):
        view.to_dask(chunks=((3,), (4, 4, 3)))


@pytest.mark.parametrize(
    ("part", "chunks"),
    [
        (np.s_[6:, 0], ((2, 3, 1),)),
        (np.s_[6:, ::2], ((2, 3, 1), (2, 2, 2))),
        (np.s_[::-1, 0:1], ((1, 3, 3), (1,))),
        (ts.d[:].transpose[::-1], ((4, 4, 3), (3, 3, 1))),
        (np.s_[6:6], ((0,), (11,))),
        (np.s_[5, 0], ()),
        (np.s_[ts.newaxis, 5], ((1,), (4, 4, 3))),
    ],
)
def test_the_chunks_of_what_is_indexed_are_those_of_the_view(
    view: ts.TensorStore, part: Any, chunks: Any
) -> None:
    array = view[part].to_dask()

    assert array.chunks == chunks
    np.testing.assert_array_equal(array.compute(), view[part].read().result())


def test_irregular_chunks_stay_as_they_are() -> None:
    view = ts.virtual_chunked(fill, dtype=ts.int32, shape=[10, 8], chunks=((3, 5, 2), (4, 4)))

    assert view.to_dask().chunks == ((3, 5, 2), (4, 4))
    np.testing.assert_array_equal(view.to_dask()[:, 0].compute(), [0] * 3 + [3] * 5 + [8] * 2)


def test_dimensions_with_index_arrays_get_chunks_that_dask_chooses(view: ts.TensorStore) -> None:
    part = view.oindex[[9, 5, 9]]

    assert part.to_dask().chunks == ((3,), (4, 4, 3))
    np.testing.assert_array_equal(part.to_dask().compute(), content()[[4, 0, 4]])


@hypothesis.given(views())
def test_any_view_is_the_same_through_dask(drawn: tuple[Base, Selection]) -> None:
    base, selection = drawn
    values = base.values()
    fake = FakeBackend(values, base.origin)
    view = fake.view(chunk_layout=base.layout(ts))[selection.transform(ts)]

    with dask.config.set(scheduler="sync"):
        array = view.to_dask().compute()

    np.testing.assert_array_equal(array, selection.read(base, values))


def test_elements_may_be_objects() -> None:
    names = ts.array(np.array(["a", "bc", "def"], object), dtype=ts.ustring)

    assert names.to_dask().compute().tolist() == ["a", "bc", "def"]
    assert names.vindex[[2, 0]].to_dask().compute().tolist() == ["def", "a"]


@pytest.mark.parametrize("style", STYLES)
def test_callbacks_of_any_style_run_in_the_threads_of_dask(fake: FakeBackend, style: str) -> None:
    view = view_of(fake, style)

    np.testing.assert_array_equal(view.to_dask().compute(), content())
    assert idle(view)


def test_async_callbacks_run_in_the_kind_of_loop_that_is_asked_for() -> None:
    pytest.importorskip("trio")

    async def which(domain: ts.IndexDomain, array: Array, params: object) -> None:
        array[...] = anyio.get_all_backends().index(_backend())

    view = ts.virtual_chunked(which, dtype=ts.int8, shape=[2])

    for backend in ("asyncio", "trio"):
        expected = anyio.get_all_backends().index(backend)
        assert view.to_dask(backend=backend)[0].compute() == expected


def _backend() -> str:
    name: str = type(anyio.lowlevel.current_token().native_token).__module__.partition(".")[0]
    return "trio" if name == "trio" else "asyncio"


async def test_a_loop_may_stand_still_while_it_computes_a_view_that_was_made_in_it(
    fake: FakeBackend,
) -> None:
    """As a cell of a notebook does."""
    array = view_of(fake, "async many").to_dask()

    np.testing.assert_array_equal(array.compute(), content())


def test_a_callback_may_block_for_a_view_with_async_callbacks(fake: FakeBackend) -> None:
    below = view_of(fake, "async many")

    def double(domain: ts.IndexDomain, array: Array, params: object) -> None:
        array[...] = below[domain].read().result() * 2

    above = ts.virtual_chunked(
        double, dtype=ts.int32, domain=below.domain, chunk_layout=below.chunk_layout
    )

    np.testing.assert_array_equal(above.to_dask().compute(), content() * 2)


def test_callbacks_and_tasks_that_read_views_need_no_second_token(fake: FakeBackend) -> None:
    context = ts.Context({"data_copy_concurrency": {"limit": 1}})
    below = view_of(fake, context=context)

    def total(domain: ts.IndexDomain, array: Array, params: object) -> None:
        array[...] = below.to_dask().sum().compute()

    totals = ts.virtual_chunked(total, dtype=ts.int64, shape=[3], chunks=1, context=context)
    doubled = ts.from_dask(below.to_dask() * 2, context=context)

    assert totals.to_dask().compute().tolist() == [content().sum()] * 3
    np.testing.assert_array_equal(doubled.read().result(), content() * 2)
    np.testing.assert_array_equal(doubled.to_dask().compute(), content() * 2)


def test_an_error_of_a_callback_comes_through(fake: FakeBackend, view: ts.TensorStore) -> None:
    fake.failures["read", (8, 1)] = OSError("no such tile")

    with pytest.raises(OSError, match="no such tile"):
        view.to_dask().sum().compute()


def test_what_cannot_be_read_is_no_dask_array(fake: FakeBackend) -> None:
    with pytest.raises(ValueError, match="no read_function"):
        view_of(fake, mode="w").to_dask()
    with pytest.raises(ValueError, match="unbounded"):
        ts.virtual_chunked(fill, dtype=ts.int8, rank=1).to_dask()
    with pytest.raises(ValueError, match=r"backend must be .* asyncio.* got 'curio'"):
        view_of(fake).to_dask(backend="curio")  # type: ignore[arg-type]


def test_planning_takes_no_time_that_grows_with_the_elements() -> None:
    view = ts.virtual_chunked(
        fill,
        dtype=ts.float32,
        shape=[10**6, 10**6],
        chunk_layout=ts.ChunkLayout(chunk_shape=[2000, 2000]),
    )

    array = view.to_dask()

    assert (array.size, array.npartitions) == (10**12, 250_000)
    assert array[123_456, 999_999].compute() == 122_000


# -- names -----------------------------------------------------------------------------------------


def named(**options: Any) -> ts.TensorStore:
    return ts.virtual_chunked(
        **{"read_function": fill, "dtype": ts.int32, "shape": [10], **options}
    )


def scaled(factor: int, domain: ts.IndexDomain, array: Array, params: object) -> None:
    array[...] = factor


def reading(base: ts.TensorStore, domain: ts.IndexDomain, array: Array, params: object) -> None:
    array[...] = base[domain].read().result()


Make: TypeAlias = Callable[[], ts.TensorStore]

EQUAL: dict[str, tuple[Make, Make]] = {
    "made twice": (named, named),
    "other context": (named, lambda: named(context=ts.Context({"cache_pool": {}}))),
    "indexed alike": (lambda: named()[2:5], lambda: named()[1:][2:5]),
    "partial": (
        lambda: named(read_function=partial(scaled, 2)),
        lambda: named(read_function=partial(scaled, 2)),
    ),
    "a view of a view": (
        lambda: named(read_function=partial(reading, named())),
        lambda: named(read_function=partial(reading, named())),
    ),
    "array": (lambda: ts.array([1, 2, 3]), lambda: ts.array([1, 2, 3])),
    "stacked": (lambda: ts.stack([named(), named()]), lambda: ts.stack([named(), named()])),
    "opened": (named, lambda: ts.open(named().spec()).result()),
    "pickled": (named, lambda: pickle.loads(pickle.dumps(named()))),
    "array pickled": (
        lambda: ts.array([1, 2])[1:],
        lambda: pickle.loads(pickle.dumps(ts.array([1, 2])))[1:],
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_views_have_equal_tokens(name: str) -> None:
    one, other = EQUAL[name]

    assert tokenize(one(), ensure_deterministic=True) == tokenize(other())
    assert one().to_dask().name == other().to_dask().name


DIFFERENT: dict[str, Make] = {
    "callback": lambda: named(read_function=partial(fill)),
    "data type": lambda: named(dtype=ts.int16),
    "shape": lambda: named(shape=[11]),
    "labels": lambda: named()[ts.d[0].label["x"]],
    "part": lambda: named()[1:],
    "translated": lambda: named()[ts.d[0].translate_to[3]],
    "reversed": lambda: named()[::-1],
    "units": lambda: named(dimension_units=["4nm"]),
    "chunks": lambda: named(chunks=5),
    "partial": lambda: named(read_function=partial(scaled, 2)),
    "other partial": lambda: named(read_function=partial(scaled, 3)),
    "lambda": lambda: named(read_function=lambda domain, array, params: None),
    "other lambda": lambda: named(read_function=lambda domain, array, params: 1),
    "a view of a view": lambda: named(read_function=partial(reading, named())),
    "a view of another": lambda: named(read_function=partial(reading, named()[::-1])),
    "cast": lambda: ts.cast(named(), ts.int64),
    "stacked": lambda: ts.stack([named(), named()]),
    "array": lambda: ts.array(np.zeros(10, np.int32)),
    "other array": lambda: ts.array(np.ones(10, np.int32)),
}


def test_different_views_have_different_tokens() -> None:
    tokens = {name: tokenize(make()) for name, make in {"itself": named, **DIFFERENT}.items()}

    assert len(set(tokens.values())) == len(tokens)


def test_a_view_in_a_transaction_is_another_one() -> None:
    view = ts.array([1, 2, 3])
    transaction = ts.Transaction()
    inside = view.with_transaction(transaction)
    inside[0] = 7

    assert tokenize(inside) == tokenize(view.with_transaction(transaction)) != tokenize(view)
    assert dask.compute(inside.to_dask().sum(), view.to_dask().sum()) == (12, 6)
    transaction.abort()


def test_lambdas_are_known_by_their_code() -> None:
    def make(number: int) -> ts.TensorStore:
        return named(read_function=lambda domain, array, params: array.fill(number))

    assert tokenize(make(1)) == tokenize(make(1))
    assert tokenize(make(1)) != tokenize(make(2))


def test_other_processes_find_the_same_token() -> None:
    program = (
        "import numpy as np, virtchunk as ts; from dask.base import tokenize\n"
        "print(tokenize(ts.virtual_chunked(np.copyto, dtype=ts.int8, shape=[9])[2:]))"
    )
    view = ts.virtual_chunked(np.copyto, dtype=ts.int8, shape=[9])[2:]  # type: ignore[arg-type]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == tokenize(view)


def test_what_tasks_carry_is_pickled_once_and_opened_once(fake: FakeBackend) -> None:
    (layer,) = named().to_dask().dask.layers.values()
    tasks = list(dict(layer).values())
    window = tasks[0].args[0] if hasattr(tasks[0], "args") else tasks[0][1]
    window = getattr(window, "value", window)

    one, other = (pickle.loads(pickle.dumps(window)) for _ in range(2))

    assert one is other
    assert len(pickle.dumps([window] * 100)) < len(pickle.dumps(window)) + 1000
    assert one[2:4].tolist() == [0, 0]


# -- writing ---------------------------------------------------------------------------------------


def test_dask_stores_into_a_view(fake: FakeBackend) -> None:
    zeros = FakeBackend(np.zeros((7, 11), np.int32))
    target = zeros.view((3, 4))

    da.store(da.from_array(content(), chunks=(3, 4)), target, lock=False)

    np.testing.assert_array_equal(zeros.array, content())
    assert zeros.reads() == []


def test_chunks_that_do_not_fit_are_read_modified_and_written_and_nothing_is_lost() -> None:
    zeros = FakeBackend(np.zeros((7, 11), np.int32))

    da.store(da.from_array(content(), chunks=2), zeros.view((3, 4)), lock=False)

    np.testing.assert_array_equal(zeros.array, content())


@pytest.mark.parametrize("style", ["sync", "async many", "awaitable"])
@pytest.mark.parametrize("chunks", [2, (3, 4), (6, 8), -1])
def test_store_writes_every_chunk_of_a_view_once_wherever_it_lies(style: str, chunks: Any) -> None:
    fake = FakeBackend(np.zeros((7, 11), np.int32), (5, -3))
    view = view_of(fake, style)

    store(da.from_array(content(), chunks=chunks), view)

    np.testing.assert_array_equal(fake.array, content())
    assert fake.reads() == []
    assert sorted(fake.writes()) == [(i, j) for i in (5, 8, 11) for j in (-3, 1, 5)]
    assert idle(view)


def test_store_writes_to_parts_and_to_write_only_views() -> None:
    fake = FakeBackend(np.zeros((7, 11), np.int32), (5, -3))

    store(da.ones((3, 4), dtype=np.int32, chunks=1), view_of(fake, mode="w")[8:11, 1:5])

    assert fake.array.sum() == fake.array[3:6, 4:8].sum() == 12


def test_store_can_wait_for_compute(fake: FakeBackend) -> None:
    view = view_of(fake)

    planned = store(view.to_dask() * 2, view, compute=False)
    assert fake.calls == []
    dask.compute(planned)

    np.testing.assert_array_equal(fake.array, content() * 2)


@pytest.mark.parametrize(
    ("array", "mode", "error", "match"),
    [
        (da.zeros((7, 11), dtype=np.int32), "r", ValueError, "no write_function"),
        (da.zeros((7, 12), dtype=np.int32), "rw", ValueError, r"shape \(7, 12\), the view"),
        (da.zeros(11, dtype=np.int32), "rw", ValueError, "broadcasts nothing"),
        (da.zeros((7, 11), dtype=np.float64), "rw", TypeError, "float64"),
        (np.zeros((7, 11), np.int32), "rw", TypeError, "dask array is needed"),
    ],
)
def test_store_refuses_what_does_not_fit(
    fake: FakeBackend, array: Any, mode: str, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        store(array, view_of(fake, mode=mode))

    assert fake.calls == []


# -- a dask array as a view ------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [(4, 5), ((3, 5, 2), (4, 4)), -1])
async def test_a_dask_array_is_a_view_of_its_chunks(chunks: Any) -> None:
    values = np.arange(80).reshape(10, 8)
    array = da.from_array(values, chunks=chunks) * 2

    view = ts.from_dask(array)

    assert (view.domain, view.dtype) == (ts.IndexDomain(shape=[10, 8]), ts.int64)
    assert view.to_dask().chunks == array.chunks
    np.testing.assert_array_equal(await view.read(), values * 2)
    np.testing.assert_array_equal(await view[2:9, ::3].read(), (values * 2)[2:9, ::3])


def test_it_can_be_read_without_a_loop_and_has_nothing_to_write_to() -> None:
    view = ts.from_dask(da.arange(10, chunks=4))

    assert view.mode == "r"
    np.testing.assert_array_equal(view[3:6].read().result(), [3, 4, 5])
    assert ts.from_dask(da.arange(10, chunks=4).sum()).read().result() == 45
    assert ts.from_dask(da.zeros((0, 3))).read().result().shape == (0, 3)


async def test_each_chunk_is_computed_once_and_only_if_it_is_touched() -> None:
    computed = []

    def note(block: Array, block_info: Any = None) -> Array:
        computed.append(block_info[0]["chunk-location"])
        return block

    array = da.zeros((6, 6), chunks=(2, 3)).map_blocks(note, dtype=float)
    computed.clear()  # dask tries it out

    await ts.from_dask(array)[3:, 1:3].read()

    assert sorted(computed) == [(1, 0), (2, 0)]


async def test_a_cache_pool_keeps_what_was_computed() -> None:
    computed = []

    def note(block: Array) -> Array:
        computed.append(block.shape)
        return block

    array = da.zeros(4, chunks=2).map_blocks(note, dtype=float, meta=np.zeros(0))
    view = ts.from_dask(array, context=ts.Context({"cache_pool": {"total_bytes_limit": 10**6}}))

    await view.read()
    await view.read()

    assert computed == [(2,), (2,)]


async def test_cancelling_a_read_begins_no_further_chunk() -> None:
    begun = threading.Semaphore(0)
    proceed = threading.Event()
    computed = []

    def hold(block: Array) -> Array:
        computed.append(block.shape)
        begun.release()
        proceed.wait(10)
        return block

    array = da.zeros(100, chunks=1).map_blocks(hold, dtype=float, meta=np.zeros(0))
    limit = ts.Context({"data_copy_concurrency": {"limit": 1}})
    view = ts.from_dask(array, context=limit)

    async with anyio.create_task_group() as group:

        async def read() -> None:
            await view.read()

        group.start_soon(read)
        await anyio.to_thread.run_sync(begun.acquire)
        group.cancel_scope.cancel()
        proceed.set()

    assert len(computed) == 1
    assert idle(view)


def test_the_scheduler_can_be_chosen() -> None:
    threads = set()

    def note(block: Array) -> Array:
        threads.add(threading.current_thread())
        return block

    array = da.zeros(4, chunks=4).map_blocks(note, dtype=float, meta=np.zeros(0))

    ts.from_dask(array, scheduler="sync").read().result()

    assert threads == {threading.current_thread()}


def test_an_error_of_a_task_comes_through() -> None:
    def fail(block: Array) -> Array:
        raise OSError("no such block")

    array = da.zeros(4, chunks=2).map_blocks(fail, dtype=float, meta=np.zeros(0))

    with pytest.raises(OSError, match="no such block"):
        ts.from_dask(array).read().result()


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: np.zeros(3), TypeError, "a dask array is needed"),
        (lambda: da.arange(9, chunks=3)[da.arange(9, chunks=3) > 4], ValueError, "not known"),
        (lambda: da.ma.masked_less(da.arange(9, chunks=3), 4), TypeError, "MaskedArray"),
        (lambda: da.zeros(3, dtype=[("a", int)]), ValueError, "no data type"),
    ],
)
def test_what_is_no_array_of_known_chunks_is_no_view(
    make: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        ts.from_dask(make())
