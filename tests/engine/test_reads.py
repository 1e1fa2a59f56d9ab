"""Reads through any transform give what NumPy gives, and call each chunk's callback once."""

from __future__ import annotations

from typing import Any, Literal

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from tests.fakes import STYLES, FakeBackend, idle
from tests.strategies_views import Base, Selection, views

orders = st.sampled_from(["C", "F"])
Order = Literal["C", "F"]


def view_of(
    backend: FakeBackend, base: Base, selection: Selection, style: str = "sync", **options: Any
) -> ts.TensorStore:
    view = backend.view(style=style, chunk_layout=base.layout(ts), **options)
    result: ts.TensorStore = view[selection.transform(ts)]
    return result


def check(backend: FakeBackend, base: Base, selection: Selection, actual: Any, order: str) -> None:
    expected = selection.read(base, backend.array)
    assert isinstance(actual, np.ndarray)
    assert actual.dtype == backend.array.dtype
    assert actual.flags.c_contiguous if order == "C" else actual.flags.f_contiguous
    assert actual.flags.writeable
    np.testing.assert_array_equal(actual, expected)
    assert {c.key: c.domain.exclusive_max for c in backend.calls} == selection.cells(base)
    assert len(backend.calls) == len(selection.cells(base))


@given(views(), orders)
def test_blocking_read(view: tuple[Base, Selection], order: Order) -> None:
    base, selection = view
    backend = FakeBackend(base.values(), base.origin)
    store = view_of(backend, base, selection)
    actual = store.read(order=order).result()

    check(backend, base, selection, actual, order)
    assert idle(store)


@given(views(), orders, st.sampled_from(STYLES))
async def test_awaited_read(view: tuple[Base, Selection], order: Order, style: str) -> None:
    base, selection = view
    backend = FakeBackend(base.values(), base.origin)
    store = view_of(backend, base, selection, style)
    actual = await store.read(order=order)

    check(backend, base, selection, actual, order)
    assert idle(store)


@given(views(), st.sampled_from(["sync", "async one"]))
async def test_cached_read_of_what_was_read_calls_nothing(
    view: tuple[Base, Selection], style: str
) -> None:
    base, selection = view
    backend = FakeBackend(base.values(), base.origin)
    context = ts.Context({"cache_pool": {"total_bytes_limit": 1_000_000}})
    store = view_of(backend, base, selection, style, context=context)
    first = await store.read()
    called = len(backend.calls)
    again = await store.read()
    blocking = await anyio.to_thread.run_sync(store.read().result)

    check(backend, base, selection, first, "C")
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(blocking, first)
    assert len(backend.calls) == called
    assert not np.may_share_memory(again, first)


@given(views(), st.permutations([0, 1, 2]))
def test_inner_order_changes_nothing_but_memory(
    view: tuple[Base, Selection], order: list[int]
) -> None:
    base, selection = view
    inner = [i for i in order if i < len(base.shape)]
    backend = FakeBackend(base.values(), base.origin)
    layout = base.layout(ts, inner_order=inner)
    store = backend.view(chunk_layout=layout)[selection.transform(ts)]

    check(backend, base, selection, store.read().result(), "C")


def test_scratch_arrays_follow_the_inner_order() -> None:
    """The last dimension of the order is the contiguous one, as in the original."""
    strides = []
    backend = FakeBackend(np.arange(60).reshape(3, 4, 5))
    backend.before = lambda call: strides.append(call.array.strides)
    layout = ts.ChunkLayout(read_chunk_shape=[3, 4, 5], inner_order=[2, 0, 1])
    view = backend.view(chunk_layout=layout)
    view[0:2].read().result()  # a part of the chunk, so that scratch is needed

    assert strides == [(4 * 8, 8, 12 * 8)]


def test_a_chunk_inside_the_request_is_filled_in_place() -> None:
    backend = FakeBackend(np.arange(24).reshape(4, 6))
    result = backend.view((2, 3)).read().result()

    assert all(np.may_share_memory(call.array, result) for call in backend.calls)


def test_callbacks_get_base_coordinates_and_labels() -> None:
    seen: list[ts.IndexDomain] = []

    def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        seen.append(domain)
        assert array.shape == domain.shape
        array[...] = 0

    domain = ts.IndexDomain(inclusive_min=[3, -1], shape=[4, 5], labels=["x", "y"])
    layout = ts.ChunkLayout(read_chunk_shape=[4, 4])
    view = ts.virtual_chunked(read, dtype=ts.int8, domain=domain, chunk_layout=layout)
    moved = view.T[3].translate_to[100].label["z"]
    moved.read().result()

    assert seen == [ts.IndexDomain(inclusive_min=[3, 3], exclusive_max=[7, 4], labels=["x", "y"])]


def test_rank_0_gives_a_scalar_array() -> None:
    """As the original does."""
    backend = FakeBackend(np.array(7))
    result = backend.view().read().result()

    assert isinstance(result, np.ndarray)
    assert (result.shape, int(result)) == ((), 7)


def test_rank_32() -> None:
    shape = (2, 1) * 16
    backend = FakeBackend(np.arange(2**16).reshape(shape))
    view = backend.view(chunk=(2, 1) * 12 + (1, 1) * 4)
    result = view.read().result()

    np.testing.assert_array_equal(result, backend.array)
    assert len(backend.calls) == 2**4


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy 1 takes 31 index arrays at most"
)
def test_rank_32_with_index_arrays() -> None:
    shape = (2, 1) * 16
    backend = FakeBackend(np.arange(2**16).reshape(shape))
    view = backend.view(chunk=(1, 1) + (2, 1) * 15).vindex[[1, 0, 1]]
    result = view.read().result()

    assert sorted(backend.reads()) == [(0,) * 32, (1, *(0,) * 31)]
    np.testing.assert_array_equal(result, backend.array[[1, 0, 1]])


@pytest.mark.parametrize("style", ["sync", "async one"])
async def test_each_chunk_is_called_once_however_scattered_the_indices(style: str) -> None:
    backend = FakeBackend(np.arange(100).reshape(10, 10))
    rows, columns = np.divmod(np.random.default_rng(5).permutation(100), 10)
    view = backend.view((5, 5), style)
    result = await view.vindex[rows, columns].read()

    np.testing.assert_array_equal(result, backend.array[rows, columns])
    assert sorted(backend.reads()) == [(0, 0), (0, 5), (5, 0), (5, 5)]


def test_a_finite_request_to_an_unbounded_domain() -> None:
    def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = np.arange(domain.inclusive_min[0], domain.exclusive_max[0])

    layout = ts.ChunkLayout(read_chunk_shape=[10], grid_origin=[0])
    view = ts.virtual_chunked(read, dtype=ts.int64, rank=1, chunk_layout=layout)

    assert view[-5:7].read().result().tolist() == list(range(-5, 7))
    assert view[10**15 : 10**15 + 2].read().result().tolist() == [10**15, 10**15 + 1]


async def test_an_unbounded_request_is_a_value_error_that_names_the_domain() -> None:
    view = ts.virtual_chunked(lambda *_: None, dtype=ts.int64, rank=1)

    with pytest.raises(ValueError, match=r"unbounded domain \{ \(-inf\*?, \+inf\*?\) \}"):
        view.read().result()
    with pytest.raises(ValueError, match="unbounded domain"):
        await view[3:].read()


async def test_a_read_of_nothing_calls_nothing_and_still_checkpoints() -> None:
    backend = FakeBackend(np.arange(5))
    view = backend.view((2,), "async")[2:2]

    with anyio.CancelScope() as scope:
        scope.cancel()
        await view.read()
    assert scope.cancelled_caught
    assert (await view.read()).shape == (0,)
    assert backend.calls == []


def test_read_is_lazy_and_order_is_checked_at_once() -> None:
    backend = FakeBackend(np.arange(5))
    view = backend.view((2,))
    future = view.read()
    assert backend.calls == []

    with pytest.raises(TypeError, match="order must be 'C' or 'F', got 'A'"):
        view.read(order="A")  # type: ignore[arg-type]
    future.result()
    assert len(backend.calls) == 3
    future.result()
    assert len(backend.calls) == 3


async def test_every_awaited_read_checkpoints() -> None:
    """Even if neither a callback nor a thread would suspend."""
    backend = FakeBackend(np.arange(5))
    pool = ts.Context({"cache_pool": {"total_bytes_limit": 10_000}})
    for view in (backend.view((2,), "async"), backend.view((2,), "sync", context=pool)):
        await view.read()
        ran: list[int] = []

        async def other(ran: list[int] = ran) -> None:
            ran.append(1)

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            await view.read()
            await view.read()  # trio runs those that are ready in any order
            assert ran
