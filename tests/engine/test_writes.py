"""Writes through any transform store what NumPy would store, whole chunk by whole chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from tests.fakes import STYLES, FakeBackend, idle
from tests.strategies_views import Base, Selection, views


def expected(base: Base, selection: Selection, source: Any) -> Any:
    """What the base holds afterwards: of several values for one element the last one."""
    values = base.values()
    positions = selection.positions(base)
    for at in np.ndindex(selection.shape):
        values[tuple(int(p[at]) for p in positions)] = source[at]
    return values


def source_for(selection: Selection) -> Any:
    size = int(np.prod(selection.shape, dtype=int))
    return -1 - np.arange(size).reshape(selection.shape)


def check(backend: FakeBackend, base: Base, selection: Selection, source: Any) -> None:
    cells, covered = selection.cells(base), selection.covered(base)
    np.testing.assert_array_equal(backend.array, expected(base, selection, source))
    assert sorted(backend.writes()) == sorted(cells)
    assert sorted(backend.reads()) == sorted(cells.keys() - covered)
    for call in backend.calls:
        assert call.domain.exclusive_max == cells[call.key]
        assert call.array.shape == call.domain.shape


@given(views())
def test_blocking_write(view: tuple[Base, Selection]) -> None:
    base, selection = view
    backend = FakeBackend(base.values(), base.origin)
    source = source_for(selection)
    store = backend.view(chunk_layout=base.layout(ts))[selection.transform(ts)]
    store.write(source).result()

    check(backend, base, selection, source)
    assert idle(store)


@given(views(), st.sampled_from(STYLES), st.sampled_from(STYLES))
async def test_awaited_write(view: tuple[Base, Selection], style: str, write_style: str) -> None:
    """Whatever the styles of the two callbacks are."""
    base, selection = view
    backend = FakeBackend(base.values(), base.origin)
    source = source_for(selection)
    store = backend.view(style=style, write_style=write_style, chunk_layout=base.layout(ts))
    await store[selection.transform(ts)].write(source)

    check(backend, base, selection, source)
    assert idle(store)


@given(views(), st.sampled_from(["sync", "async one"]), st.booleans())
async def test_cached_writes_are_seen_by_reads(
    view: tuple[Base, Selection], style: str, versioned: bool
) -> None:
    base, selection = view
    backend = FakeBackend(base.values(), base.origin, versioned=versioned)
    context = ts.Context({"cache_pool": {"total_bytes_limit": 1_000_000}})
    store = backend.view(style=style, chunk_layout=base.layout(ts), context=context)
    before = await store.read()
    source = source_for(selection)
    await store[selection.transform(ts)].write(source)
    after = await store.read()

    np.testing.assert_array_equal(before, base.values())
    np.testing.assert_array_equal(after, expected(base, selection, source))
    np.testing.assert_array_equal(after, backend.array)


def test_the_array_is_read_only_and_nobody_elses() -> None:
    backend = FakeBackend(np.zeros((4, 6), np.int32))
    source = np.arange(24, dtype=np.int32).reshape(4, 6)
    source_view = ts.array(source)
    view = backend.view((2, 3))
    for written in (source, source_view, source.astype(np.int16), source[::-1]):
        view.write(written).result()
        view[1:3, 1:3].write(written[1:3, 1:3]).result()

    assert backend.writes()
    for call in backend.calls:
        if call.role == "write":
            assert not call.array.flags.writeable
            assert not np.may_share_memory(call.array, source)


@pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array")
@pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array")
def test_a_write_callback_may_keep_its_array_and_reshape_it() -> None:
    """It is not the memory of the cache that is reshaped."""
    context = ts.Context({"cache_pool": {"total_bytes_limit": 100_000}})
    backend = FakeBackend(np.zeros((4, 6), np.int32))
    kept: list[Any] = []

    def write(domain: Any, array: Any, params: Any) -> None:
        backend.array[domain.index_exp] = array
        array.shape = (array.size,)
        kept.append(array)

    view = ts.virtual_chunked(
        backend.callback("read", "sync"),
        write,
        dtype=ts.int32,
        shape=[4, 6],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[2, 3]),
        context=context,
    )
    source = np.arange(24, dtype=np.int32).reshape(4, 6)
    view.write(source).result()
    view[0:3].write(source[0:3] + 100).result()

    assert [k.tolist() for k in kept[:2]] == [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]]
    source[0:3] += 100
    np.testing.assert_array_equal(view.read().result(), source)


@pytest.mark.parametrize("nbytes", [1 << 10, 1 << 25], ids=["small", "large"])
async def test_after_copy_the_source_may_be_changed(nbytes: int) -> None:
    """Also where the source is too large to be copied as a matter of course."""
    backend = FakeBackend(np.zeros(nbytes // 8, np.int64))
    source = np.arange(nbytes // 8)
    futures = backend.view((nbytes // 32,)).write(source)
    assert not futures.done()
    await futures.copy
    source[...] = -1
    assert backend.calls == []
    await futures

    np.testing.assert_array_equal(backend.array, np.arange(nbytes // 8))


@pytest.mark.parametrize(
    "source",
    [5, [1, 2, 3], [[1], [2]], np.int8(3), np.arange(6).reshape(2, 3), ts.array([7, 8, 9])],
    ids=["scalar", "row", "column", "numpy scalar", "full", "view"],
)
async def test_sources_are_broadcast(source: Any) -> None:
    backend = FakeBackend(np.zeros((2, 3), np.int64))
    await backend.view((1, 2)).write(source)
    values = source.read().result() if isinstance(source, ts.TensorStore) else source

    np.testing.assert_array_equal(backend.array, np.broadcast_to(values, (2, 3)))


def test_a_source_of_another_shape_is_refused_at_once() -> None:
    backend = FakeBackend(np.zeros((2, 3), np.int64))
    with pytest.raises(ValueError, match="3"):
        backend.view((1, 2)).write(np.zeros((4, 3), np.int64))


async def test_a_write_of_nothing_calls_nothing() -> None:
    backend = FakeBackend(np.zeros((2, 3), np.int64))
    await backend.view((1, 2), "async one")[1:1].write(5)
    backend.view((1, 2))[:, 3:].write(np.zeros((2, 0), np.int64)).result()

    assert backend.calls == []


async def test_a_view_is_written_into_another_by_labels() -> None:
    source = FakeBackend(np.arange(6).reshape(2, 3))
    target = FakeBackend(np.zeros((3, 2), np.int64))
    await (
        target.view((2, 2), "async one")
        .label["x", "y"]
        .write(source.view((1, 2), "async many").label["y", "x"])
    )

    np.testing.assert_array_equal(target.array, source.array.T)


# -- modes ---------------------------------------------------------------------------------------


async def test_a_read_only_view_refuses_writes_at_once() -> None:
    backend = FakeBackend(np.zeros(4, np.int64))
    view = backend.view((2,), mode="r")

    assert (view.mode, view.readable, view.writable) == ("r", True, False)
    with pytest.raises(ValueError, match="write_function"):
        view.write(1)
    with pytest.raises(ValueError, match="write_function"):
        view[0:2] = 1
    assert backend.calls == []


async def test_a_write_only_view_refuses_reads_at_once() -> None:
    backend = FakeBackend(np.zeros(4, np.int64))
    view = backend.view((2,), mode="w")

    assert (view.mode, view.readable, view.writable) == ("w", False, True)
    with pytest.raises(ValueError, match="read_function"):
        view.read()
    assert backend.calls == []


@given(views(), st.sampled_from(["sync", "async one"]))
async def test_write_only_views_accept_whole_chunks_only(
    view: tuple[Base, Selection], style: str
) -> None:
    """The rule is checked before any callback is called."""
    base, selection = view
    backend = FakeBackend(base.values(), base.origin)
    source = source_for(selection)
    store = backend.view(mode="w", style=style, chunk_layout=base.layout(ts))
    write = store[selection.transform(ts)].write(source)
    cells, covered = selection.cells(base), selection.covered(base)
    if cells.keys() == covered:
        await write
        check(backend, base, selection, source)
    else:
        with pytest.raises(ValueError, match="chunk-aligned writes: chunk") as caught:
            await write
        partial = [lower for lower in cells if lower not in covered]
        domains = [
            str(ts.IndexDomain(inclusive_min=lower, exclusive_max=cells[lower]))
            for lower in partial
        ]
        assert any(f"chunk {domain} is" in str(caught.value) for domain in domains)
        assert backend.calls == []
    assert idle(store)


def test_a_clipped_edge_chunk_counts_as_whole() -> None:
    backend = FakeBackend(np.zeros(5, np.int64))
    backend.view((3,), mode="w").write(np.arange(5)).result()
    backend.view((3,), mode="w")[3:5].write([8, 9]).result()

    assert backend.array.tolist() == [0, 1, 2, 8, 9]
