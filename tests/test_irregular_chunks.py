"""Views whose chunks have sizes of their own do all that views with regular chunks do."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from tests.fakes import STYLES, FakeBackend, idle
from tests.strategies_irregular import IrregularBase, irregular_views

if TYPE_CHECKING:
    from tests.strategies_views import Selection

VALUES = np.arange(80).reshape(10, 8)
CHUNKS = ((3, 5, 2), (2, 6))
LOWER = {(row, column) for row in (0, 3, 8) for column in (0, 2)}

styles = st.sampled_from(STYLES)


def load(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    array[...] = VALUES[domain.index_exp]


def view_of(base: IrregularBase, style: str, **options: Any) -> tuple[FakeBackend, ts.TensorStore]:
    backend = FakeBackend(base.values(), base.origin)
    return backend, backend.view(style=style, chunks=base.sizes, **options)


def source_for(selection: Selection) -> Any:
    size = int(np.prod(selection.shape, dtype=int))
    return -1 - np.arange(size).reshape(selection.shape)


def written(base: IrregularBase, selection: Selection, source: Any) -> Any:
    """What the base holds after a write: of several values for one element the last one."""
    values = base.values()
    positions = selection.positions(base)
    for at in np.ndindex(selection.shape):
        values[tuple(int(p[at]) for p in positions)] = source[at]
    return values


# -- reading and writing ---------------------------------------------------------------------------


@given(irregular_views(), st.sampled_from(["sync", "thread future"]))
def test_blocking_reads_call_each_chunk_once(
    view: tuple[IrregularBase, Selection], style: str
) -> None:
    base, selection = view
    backend, store = view_of(base, style)
    actual = store[selection.transform(ts)].read().result()

    np.testing.assert_array_equal(actual, selection.read(base, backend.array))
    assert {c.key: c.domain.exclusive_max for c in backend.calls} == selection.cells(base)
    assert len(backend.calls) == len(selection.cells(base))
    assert idle(store)


@given(irregular_views(), styles, st.sampled_from("CF"))
async def test_awaited_reads_call_each_chunk_once(
    view: tuple[IrregularBase, Selection], style: str, order: Any
) -> None:
    base, selection = view
    backend, store = view_of(base, style)
    actual = await store[selection.transform(ts)].read(order=order)

    np.testing.assert_array_equal(actual, selection.read(base, backend.array))
    assert {c.key: c.domain.exclusive_max for c in backend.calls} == selection.cells(base)
    assert len(backend.calls) == len(selection.cells(base))
    assert idle(store)


@given(irregular_views())
def test_blocking_writes_store_what_numpy_would(view: tuple[IrregularBase, Selection]) -> None:
    base, selection = view
    backend, store = view_of(base, "sync")
    source = source_for(selection)
    store[selection.transform(ts)].write(source).result()

    np.testing.assert_array_equal(backend.array, written(base, selection, source))
    assert sorted(backend.writes()) == sorted(selection.cells(base))
    assert sorted(backend.reads()) == sorted(selection.cells(base).keys() - selection.covered(base))


@given(irregular_views(), styles, styles)
async def test_awaited_writes_store_what_numpy_would(
    view: tuple[IrregularBase, Selection], style: str, write_style: str
) -> None:
    base, selection = view
    backend, store = view_of(base, style, write_style=write_style)
    source = source_for(selection)
    await store[selection.transform(ts)].write(source)

    np.testing.assert_array_equal(backend.array, written(base, selection, source))
    assert sorted(backend.writes()) == sorted(selection.cells(base))
    assert idle(store)


@given(irregular_views(), st.sampled_from(["sync", "async one"]))
async def test_cached_reads_and_writes_agree(
    view: tuple[IrregularBase, Selection], style: str
) -> None:
    base, selection = view
    context = ts.Context({"cache_pool": {"total_bytes_limit": 1_000_000}})
    backend, store = view_of(base, style, context=context)
    part = store[selection.transform(ts)]
    first = await part.read()
    called = len(backend.calls)
    again = await part.read()
    assert len(backend.calls) == called
    np.testing.assert_array_equal(first, again)
    source = source_for(selection)
    await part.write(source)

    np.testing.assert_array_equal(await store.read(), written(base, selection, source))


@given(irregular_views(arrays=False))
async def test_streams_give_each_chunk_once(view: tuple[IrregularBase, Selection]) -> None:
    base, selection = view
    _, store = view_of(base, "async one")
    part = store[selection.transform(ts)]
    result = np.zeros(selection.shape, np.int64)
    try:
        stream = part.chunks()
    except ValueError:  # a diagonal
        return
    count = 0
    async with stream:
        async for domain, array in stream:
            where = tuple(
                slice(low - first, high - first)
                for low, high, first in zip(
                    domain.inclusive_min, domain.exclusive_max, selection.origin, strict=True
                )
            )
            result[where] = array
            count += 1

    np.testing.assert_array_equal(result, selection.read(base, base.values()))
    assert count == len(selection.cells(base))


def test_a_write_only_view_takes_whole_chunks() -> None:
    backend = FakeBackend(VALUES.copy())
    store = backend.view(mode="w", chunks=CHUNKS)
    store[3:8].write(-1).result()
    with pytest.raises(ValueError, match=r"chunk \{ \[3, 8\), \[0, 2\) \} is only partly covered"):
        store[3:7].write(-2).result()

    assert (backend.array[3:8] == -1).all()
    assert set(backend.writes()) == {(3, 0), (3, 2)}


def test_callbacks_that_fail_are_told_apart_by_their_chunk() -> None:
    backend = FakeBackend(VALUES)
    backend.failures["read", (3, 2)] = OSError("gone")
    with pytest.raises(OSError, match="gone") as caught:
        backend.view(chunks=CHUNKS).read().result()

    assert "chunk { [3, 8), [2, 8) }" in caught.value.__notes__[0]


# -- saying what chunks there are ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [(4, 6), ((5, 8), 2), ((5, (2, 6)), 4), ([[10], [1] * 8], 8), (((3, 5, 2), None), 3), (-1, 1)],
)
def test_chunks_take_several_forms(chunks: Any, calls: int) -> None:
    backend = FakeBackend(VALUES)
    backend.view(chunks=chunks).read().result()

    assert len(backend.calls) == calls


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chunks": ((3, 5), (4, 4))}, ValueError, "must add up to its extent, 10, got 8"),
        ({"chunks": "auto"}, TypeError, "chunks must be an integer, or for each dimension"),
        (
            {"chunks": CHUNKS, "chunk_layout": ts.ChunkLayout(read_chunk_shape=[5, 4])},
            ValueError,
            r"chunks \(3, 5, 2\) of dimension 0 conflict with the size 5 .*read_chunk",
        ),
        (
            {
                "chunks": CHUNKS,
                "schema": ts.Schema(chunk_layout=ts.ChunkLayout(write_chunk_shape=[5, 4])),
            },
            ValueError,
            "conflict with the size 5 .*write_chunk",
        ),
        (
            {"chunks": (5, 4), "chunk_layout": ts.ChunkLayout(chunk_shape=[5, 3])},
            ValueError,
            "chunks conflict with the chunk layout",
        ),
    ],
)
def test_what_does_not_fit_is_an_error(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ts.virtual_chunked(load, dtype=ts.int64, shape=[10, 8], **options)


# -- what is known of them -------------------------------------------------------------------------


def irregular(**options: Any) -> ts.TensorStore:
    return ts.virtual_chunked(load, dtype=ts.int64, shape=[10, 8], chunks=CHUNKS, **options)


def calls_of(view: ts.TensorStore) -> set[tuple[int, ...]]:
    """The chunks that a view of `load` has."""
    cut = view._driver.cut(view._transform)
    return {piece[0] for piece in cut.pieces()}


def test_the_layout_tells_the_largest_chunk_as_a_wish() -> None:
    layout = irregular().chunk_layout

    assert layout.read_chunk.shape == layout.write_chunk.shape == (None, None)
    assert layout.read_chunk.shape_soft_constraint == (5, 6)
    assert layout.grid_origin == (0, 0)
    assert irregular().schema.chunk_layout == layout
    assert irregular().T.chunk_layout.read_chunk.shape_soft_constraint == (6, 5)


def test_a_view_of_the_same_layout_has_chunks_as_large_as_the_largest() -> None:
    view = ts.virtual_chunked(load, schema=irregular().schema)

    assert view.chunk_layout.read_chunk.shape == (5, 6)


def test_pickles_keep_the_chunks() -> None:
    for view in (irregular(), irregular()[2:9, 1]):
        again = pickle.loads(pickle.dumps(view))

        assert calls_of(again) == calls_of(view)
        np.testing.assert_array_equal(again.read().result(), view.read().result())
    spec = pickle.loads(pickle.dumps(irregular().spec()))
    assert calls_of(ts.open(spec).result()) == LOWER


def test_specs_keep_the_chunks() -> None:
    view = irregular()[2:9]
    json = view.spec().to_json()

    assert json["chunks"] == [[3, 5, 2], [2, 6]]
    assert ts.Spec(json).to_json() == json
    again = ts.open(json, allow_import=True).result()
    assert calls_of(again) == LOWER
    assert again.chunk_layout == view.chunk_layout
    assert again.spec() == view.spec()
    np.testing.assert_array_equal(again.read().result(), VALUES[2:9])


@pytest.mark.parametrize("chunks", [4, [4, None], [[4, 6], 5], -1])
def test_specs_from_json_take_all_forms(chunks: Any) -> None:
    json = {
        "driver": "virtual_chunked",
        "dtype": "int64",
        "read_function": f"{__name__}:load",
        "schema": {"domain": {"shape": [10, 8]}},
        "chunks": chunks,
    }

    assert ts.Spec(json).to_json()["chunks"] == chunks
    view = ts.open(json, allow_import=True).result()
    assert calls_of(view) == calls_of(
        ts.virtual_chunked(load, dtype=ts.int64, shape=[10, 8], chunks=chunks)
    )


def test_specs_of_regular_views_have_no_such_member() -> None:
    view = ts.virtual_chunked(load, dtype=ts.int64, shape=[10, 8], chunks=((4, 4, 2), 8))

    assert "chunks" not in view.spec().to_json()
    assert calls_of(ts.open(view.spec()).result()) == {(0, 0), (4, 0), (8, 0)}


@pytest.mark.parametrize("chunks", ["auto", [[3, "a"], 4], [0, 4], {"x": 1}])
def test_wrong_chunks_in_json_are_value_errors(chunks: Any) -> None:
    with pytest.raises(ValueError, match="chunks"):
        ts.Spec({"driver": "virtual_chunked", "read_function": "a:b", "chunks": chunks})


def test_chunks_of_a_spec_are_checked_when_it_is_opened() -> None:
    spec = irregular().spec()
    spec.update(chunk_layout=ts.ChunkLayout(read_chunk_shape=[3, None]))

    with pytest.raises(ValueError, match="conflict with the size 3"):
        ts.open(spec).result()


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (lambda view: view, "((3, 5, 2), (2, 6))"),
        (lambda view: view[::-1], "((2, 5, 3), (2, 6))"),
        (lambda view: view[2:9:2, 1], "((1, 2, 1),)"),
        (lambda view: view.T, "((2, 6), (3, 5, 2))"),
        (lambda view: view[5:7], "((2,), (2, 6))"),
        (lambda view: view[[0, 9]], "(None, (2, 6))"),
    ],
    ids=[
        "whole",
        "reversed",
        "strided",
        "transposed",
        "part",
        "array",
    ],
)
def test_repr_shows_the_sizes_as_the_view_sees_them(view: Any, shown: str) -> None:
    assert repr(view(irregular())).endswith(f"chunks={shown})")


@pytest.mark.parametrize("where", [np.s_[5:5], ts.d[0, 1].diagonal, (0, 0)])
def test_repr_shows_no_sizes_where_there_are_no_chunks_to_speak_of(where: Any) -> None:
    assert "chunks=" not in repr(irregular()[where])


def test_repr_shows_some_of_many_sizes() -> None:
    view = ts.virtual_chunked(load, dtype=ts.int64, shape=[10, 8], chunks=((1, 2) * 3 + (1,), 4))
    assert "chunks=((1, 2, 1, 2, 1, 2, ...), 4)" in repr(view)


def test_repr_of_an_unbounded_view_shows_the_sizes_of_bounded_dimensions() -> None:
    domain = ts.IndexDomain([ts.Dim(), ts.Dim(exclusive_max=-5), ts.Dim(10)])
    view = ts.virtual_chunked(load, dtype=ts.int64, domain=domain, chunks=(7, 5, (3, 5, 2)))

    assert "chunks=(7, 5, (3, 5, 2))" in repr(view)


# -- copying ---------------------------------------------------------------------------------------


@given(st.integers(1, 500), st.sampled_from([1, -1]), st.booleans())
def test_copies_write_each_chunk_once_and_whole(
    max_bytes: int, stride: int, transposed: bool
) -> None:
    """A write-only view refuses everything else."""
    backend = FakeBackend(np.zeros_like(VALUES))
    target = backend.view(mode="w", chunks=CHUNKS)
    source = ts.array(VALUES)
    if transposed:
        target, source = target.T, source.T
    where = ts.d[0, 1].stride[stride]
    ts.copy(source[where], target[where], max_bytes=max_bytes).result()

    np.testing.assert_array_equal(backend.array, VALUES)
    assert sorted(backend.writes()) == sorted(LOWER)


async def test_copies_into_an_array_read_each_chunk_once() -> None:
    backend = FakeBackend(VALUES)
    target = np.zeros_like(VALUES)
    await ts.copy(backend.view(style="async one", chunks=CHUNKS), ts.array(target), max_bytes=100)

    np.testing.assert_array_equal(target, VALUES)
    assert sorted(backend.reads()) == sorted(LOWER)


@pytest.mark.parametrize(("elements", "tiles"), [(1, 6), (64, 3), (1000, 1)])
def test_a_large_budget_joins_chunks(elements: int, tiles: int) -> None:
    backend = FakeBackend(VALUES)
    done = []
    ts.copy(
        backend.view(chunks=CHUNKS),
        ts.array(np.zeros_like(VALUES)),
        max_bytes=4 * 8 * elements,  # four tiles at once, of elements of eight bytes
        progress=lambda tile, total, nbytes: done.append((tile, total)),
    ).result()

    assert done == [(tile, tiles) for tile in range(1, tiles + 1)]


# -- transactions ----------------------------------------------------------------------------------


@given(irregular_views(), st.sampled_from(["sync", "async one"]))
async def test_transactions_buffer_irregular_chunks(
    view: tuple[IrregularBase, Selection], style: str
) -> None:
    """Reads through the transaction see what was written; each chunk is stored once."""
    base, selection = view
    backend, store = view_of(base, style)
    source = source_for(selection)
    expected = written(base, selection, source)
    async with ts.Transaction() as transaction:
        staged = store.with_transaction(transaction)
        await staged[selection.transform(ts)].write(source - 1)
        await staged[selection.transform(ts)].write(source)
        np.testing.assert_array_equal(await staged.read(), expected)
        np.testing.assert_array_equal(await store.read(), base.values())

    np.testing.assert_array_equal(backend.array, expected)
    assert sorted(backend.writes()) == sorted(selection.cells(base))
