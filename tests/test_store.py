"""`TensorStore`: what a view says about itself, and how it reads, writes and is written from."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import FakeBackend, idle

MADE = pytest.mark.parametrize("kind", ["virtual", "array"])


def make(kind: str, array: Any, **options: Any) -> ts.TensorStore:
    """A view of the array, of either driver."""
    if kind == "array":
        return ts.array(array)
    return FakeBackend(array).view((2,) * array.ndim, **options)


# -- what it says about itself ---------------------------------------------------------------------


@MADE
def test_properties(kind: str) -> None:
    view = make(kind, np.arange(12, dtype=np.int16).reshape(3, 4))[1:, ::2].label["x", "y"]

    assert view.domain == ts.IndexDomain(
        inclusive_min=[1, 0], exclusive_max=[3, 2], labels=["x", "y"]
    )
    assert (view.rank, view.ndim, view.shape, view.origin, view.size) == (2, 2, (2, 2), (1, 0), 4)
    assert view.dtype == ts.int16
    assert (view.mode, view.readable, view.writable) == ("rw", True, True)
    assert view.dimension_units == (None, None)
    assert (view.base, view.kvstore, view.codec, view.fill_value) == (None, None, None, None)
    assert view.schema.domain == view.domain
    assert view.chunk_layout.rank == 2


USES: dict[str, Callable[[ts.TensorStore], Any]] = {
    "domain": lambda view: view.domain,
    "repr": repr,
    "read": lambda view: view.read().result().tolist(),
    "element": lambda view: view[8, 8].read().result().item(),
    "again": lambda view: view.translate_to[0].translate_to[1, 2].domain,
    "deepcopy": lambda view: copy.deepcopy(view).domain,
    "spec": lambda view: view.schema.domain,
}


@MADE
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_moved_view_is_like_any_other(kind: str, use: Callable[[ts.TensorStore], Any]) -> None:
    view = make(kind, np.arange(12).reshape(3, 4))[1:, ::2]
    moved, expected = view.translate_to[7, 7], view[ts.d[:].translate_to[7, 7]]

    assert isinstance(moved, ts.TensorStore)
    assert use(expected) == use(moved)
    assert type(moved) is ts.TensorStore  # and stays so
    assert use(expected) == use(moved)
    assert view.domain.origin == (1, 0)


def test_threads_may_use_a_moved_view_at_once() -> None:
    view = make("array", np.arange(12).reshape(3, 4))
    for _ in range(100):
        moved = view.translate_to[7]
        start = threading.Barrier(3)
        seen: list[object] = []

        def use(moved: ts.TensorStore = moved, start: threading.Barrier = start) -> None:
            start.wait()
            seen.append(moved.domain.origin)  # noqa: B023 - joined below

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [(7, 7)] * 3


@MADE
def test_what_these_views_cannot_do(kind: str) -> None:
    view = make(kind, np.arange(4))
    with pytest.raises(NotImplementedError, match="resizing"):
        view.resize(exclusive_max=[3])
    with pytest.raises(NotImplementedError, match="URL"):
        view.url  # noqa: B018 - reading it is what fails
    assert view.resolve().result().domain == view.domain


def test_a_read_only_view_cannot_be_resized_for_that_reason() -> None:
    with pytest.raises(ValueError, match="read-only"):
        FakeBackend(np.arange(4)).view((2,), mode="r").resize(exclusive_max=[3])


@MADE
def test_repr_names_what_there_is(kind: str) -> None:
    text = repr(make(kind, np.arange(4)).label["x"])

    assert "int64" in text
    assert '{ "x": [0, 4) }' in text
    assert "rw" in text
    if kind == "virtual":
        assert "FakeBackend._sync.<locals>.callback" in text


@MADE
def test_a_view_is_itself_and_not_iterable_and_not_constructed(kind: str) -> None:
    view = make(kind, np.arange(4))

    assert copy.copy(view) is view
    assert view == view
    assert len({view, view}) == 1
    with pytest.raises(TypeError, match="not iterable"):
        list(view)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"virtual_chunked\(\), array\(\) or open\(\)"):
        ts.TensorStore()


# -- reading ---------------------------------------------------------------------------------------


@MADE
@pytest.mark.parametrize("order", ["C", "F"])
async def test_read_in_memory_order(kind: str, order: Any) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    view = make(kind, array)
    for result in (await view.read(order=order), view.read(order=order).result()):
        np.testing.assert_array_equal(result, array)
        assert result.flags.c_contiguous if order == "C" else result.flags.f_contiguous
        assert not np.may_share_memory(result, array)


@MADE
def test_numpy_functions_take_views(kind: str) -> None:
    array = np.arange(6).reshape(2, 3)
    view = make(kind, array)

    np.testing.assert_array_equal(np.asarray(view), array)
    assert np.asarray(view, dtype=np.float32).dtype == np.float32
    assert np.sum(view) == 15
    assert float(np.max(view[1])) == 5
    with pytest.raises(ValueError, match="copy=False"):
        np.asarray(view, copy=False)


@pytest.mark.parametrize("style", ["sync", "async one"])
@pytest.mark.parametrize("cached", [False, True])
async def test_progress_is_told_once_per_chunk(style: str, cached: bool) -> None:
    context = ts.Context({"cache_pool": {"total_bytes_limit": 100_000 * cached}})
    view = FakeBackend(np.arange(20).reshape(4, 5)).view((2, 2), style, context=context)
    for _ in range(2):
        for part, chunks in ((view, 6), (view[1:3, 1], 2), (view.oindex[[0, 3], [4, 0]], 4)):
            told: list[tuple[int, int, int]] = []

            def tell(done: int, total: int, nbytes: int, told: Any = told) -> None:
                told.append((done, total, nbytes))

            await part.read(progress=tell)
            assert [done for done, _, _ in told] == list(range(1, chunks + 1))
            assert {total for _, total, _ in told} == {chunks}
            assert told[-1][2] == part.size * 8
            told.clear()
            await part.write(5, progress=tell)
            assert [done for done, _, _ in told] == list(range(1, chunks + 1))
            assert told[-1][2] == part.size * 8


@MADE
async def test_what_progress_raises_stops_the_read(kind: str) -> None:
    def tell(done: int, total: int, nbytes: int) -> None:
        raise LookupError("enough")

    view = make(kind, np.arange(8))
    with pytest.raises(LookupError):
        await view.read(progress=tell)
    with pytest.raises(LookupError):
        view.read(progress=tell).result()
    if kind == "virtual":
        assert idle(view)


# -- writing ---------------------------------------------------------------------------------------


@MADE
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (5, 5),
        (np.int8(5), 5),
        (True, 1),
        ([1, 2, 3], [1, 2, 3]),
        ([[1], [2]], [[1] * 3, [2] * 3]),
        (np.array([[[1, 2, 3]]]), [1, 2, 3]),
        (ts.array([1, 2, 3]), [1, 2, 3]),
        (np.array([1, 2, 3], np.uint8), [1, 2, 3]),
    ],
    ids=["int", "numpy", "bool", "row", "column", "surplus", "view", "safe cast"],
)
async def test_sources(kind: str, source: Any, expected: Any) -> None:
    for write in ("await", "result", "setitem"):
        array = np.zeros((2, 3), np.int64)
        view = make(kind, array)
        if write == "await":
            await view.write(source)
        elif write == "result":
            view.write(source).result()
        else:
            view[...] = source
        np.testing.assert_array_equal(array, np.broadcast_to(expected, (2, 3)))


@MADE
@pytest.mark.parametrize(
    ("source", "error"),
    [
        (np.zeros(2, np.int64), ValueError),
        (np.zeros((2, 2, 3), np.int64), ValueError),
        (np.zeros(3, np.float64), TypeError),
        ("text", ValueError),
        (None, TypeError),
        (2**70, OverflowError),
        ([1, [2]], ValueError),
        (ts.array([1.5, 2, 3]), ValueError),
    ],
    ids=["shape", "rank", "float array", "text", "None", "huge", "ragged", "float view"],
)
def test_sources_that_do_not_fit_are_refused_before_anything_is_called(
    kind: str, source: Any, error: type[Exception]
) -> None:
    array = np.zeros((2, 3), np.int64)
    with pytest.raises(error):
        make(kind, array).write(source)
    assert not array.any()


@MADE
def test_an_array_is_not_changed_by_writing_from_itself(kind: str) -> None:
    """Overlapping parts: what is written is what was there before."""
    array = np.arange(8)
    view = make(kind, array)
    view[1:8].write(view[0:7].translate_to[1]).result()
    assert array.tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    view[0:7].write(array[1:8]).result()

    assert array.tolist() == [0, 1, 2, 3, 4, 5, 6, 6]


@MADE
async def test_commit_and_copy(kind: str) -> None:
    array = np.zeros(4, np.int64)
    source = np.arange(4)
    futures = make(kind, array).write(source)
    assert isinstance(futures, ts.WriteFutures)
    assert not futures.done()
    futures.copy.result()
    await futures.copy
    source[...] = -1
    assert not array.any()
    done: list[Any] = []
    futures.add_done_callback(done.append)
    futures.add_done_callback(done.append)
    assert futures.remove_done_callback(done.append) == 2
    futures.add_done_callback(done.append)
    await futures
    await futures.commit

    assert array.tolist() == [0, 1, 2, 3]
    assert done == [futures.commit]
    assert (futures.done(), futures.cancelled(), futures.exception()) == (True, False, None)
    futures.result()
    assert not futures.cancel()


def test_a_write_may_be_cancelled_or_forced() -> None:
    backend = FakeBackend(np.zeros(4, np.int64))
    cancelled = backend.view((2,)).write(5)
    assert cancelled.cancel()
    assert cancelled.cancelled()
    forced = backend.view((2,)).write(6)
    forced.force()

    assert forced.done()
    assert backend.array.tolist() == [6] * 4


async def test_a_write_from_a_view_that_is_refused_can_still_be_awaited() -> None:
    source = FakeBackend(np.arange(4)).view((2,), "async one")
    target = FakeBackend(np.zeros(4, np.int64))
    futures = target.view((2,)).write(source)
    with pytest.raises(RuntimeError, match="use `await"):
        futures.result()
    await futures

    assert target.array.tolist() == [0, 1, 2, 3]


def test_a_write_from_a_view_times_out() -> None:
    source = FakeBackend(np.arange(4))
    gate = threading.Event()
    source.before = lambda call: gate.wait(0.05)
    context = ts.Context({"data_copy_concurrency": {"limit": 1}})
    target = FakeBackend(np.zeros(4, np.int64))
    futures = target.view((2,)).write(source.view((1,), context=context))
    with pytest.raises(TimeoutError):
        futures.result(timeout=0.02)
    assert len(source.calls) < 4
    assert target.calls == []


# -- arrays ----------------------------------------------------------------------------------------


async def test_array_operations_checkpoint() -> None:
    view = ts.array(np.arange(4))
    operations: list[Callable[[], Any]] = [view.read, lambda: view.write(5)]
    for operation in operations:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await operation()
        assert scope.cancelled_caught
    assert view.read().result().tolist() == [0, 1, 2, 3]


def test_a_read_only_array() -> None:
    array = np.arange(4)
    array.flags.writeable = False
    view = ts.array(array)
    assert view.mode == "r"
    with pytest.raises(ValueError, match="writ"):
        view.write(5)
