"""Views among NumPy arrays, and among libraries that look for a few attributes."""

from __future__ import annotations

import operator
import pickle
from typing import Any

import numpy as np
import pytest

import virtchunk as ts

VALUES = np.arange(12, dtype=np.int32).reshape(3, 4)


def fill(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    array[...] = VALUES[domain.index_exp]


def virtual(chunk: tuple[int, ...] = (2, 3)) -> ts.TensorStore:
    layout = ts.ChunkLayout(read_chunk_shape=chunk)
    return ts.virtual_chunked(fill, dtype=ts.int32, shape=[3, 4], chunk_layout=layout)


VIEWS = {"virtual": virtual, "array": lambda: ts.array(VALUES.copy())}


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> ts.TensorStore:
    made: ts.TensorStore = VIEWS[request.param]()
    return made


def test_numpy_takes_a_view_for_an_array(view: ts.TensorStore) -> None:
    assert np.array_equal(np.asarray(view), VALUES)
    np.testing.assert_array_equal(view, VALUES)
    np.testing.assert_allclose(view[1], VALUES[1])
    assert np.sum(view) == VALUES.sum()
    assert np.mean(view, axis=0).tolist() == VALUES.mean(axis=0).tolist()
    assert np.stack([view, view]).shape == (2, 3, 4)
    assert np.asarray(view[1, 2]).shape == ()


@pytest.mark.parametrize("dtype", [None, np.int32, "float64", np.dtype(">i8"), complex])
def test_an_array_of_any_data_type_can_be_asked_for(view: ts.TensorStore, dtype: Any) -> None:
    expected = np.asarray(VALUES, dtype=dtype)
    for made in (np.asarray(view, dtype=dtype), view.__array__(dtype), np.array(view, dtype)):
        assert (made.dtype, made.tolist()) == (expected.dtype, expected.tolist())


def test_reading_is_copying(view: ts.TensorStore) -> None:
    made = np.array(view, copy=True)
    made[...] = 0

    assert np.array_equal(view, VALUES)
    with pytest.raises(ValueError, match="copy=False"):
        view.__array__(copy=False)
    with pytest.raises(ValueError, match="copy"):
        np.array(view, copy=False)


def test_size_in_bytes(view: ts.TensorStore) -> None:
    assert (view.nbytes, view[1].nbytes, view[:0].nbytes) == (48, 16, 0)
    assert ts.virtual_chunked(fill, dtype=ts.uint16, shape=[2**40] * 3).nbytes == 2**121


@pytest.mark.parametrize("operand", [2, 2.5, 1j, True, "text", [1, 2], None, {1}, object()])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "and_", "lt", "ge"])
def test_operators_say_how_to_read_first(view: ts.TensorStore, name: str, operand: Any) -> None:
    with pytest.raises(TypeError, match=r"TensorStore has no operator .*numpy\.asarray"):
        getattr(operator, name)(view, operand)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "floordiv", "mod", "matmul", "or_", "gt"])
def test_operators_between_views_and_on_the_right_say_it_too(
    view: ts.TensorStore, name: str
) -> None:
    for left, right in [(view, view), (3, view)]:
        with pytest.raises(TypeError, match="read them first"):
            getattr(operator, name)(left, right)


@pytest.mark.parametrize("name", ["neg", "pos", "invert", "abs"])
def test_operators_of_one_operand_say_it_too(view: ts.TensorStore, name: str) -> None:
    with pytest.raises(TypeError, match="read them first"):
        getattr(operator, name)(view)


def test_an_assignment_that_computes_says_it_too() -> None:
    view = ts.array(VALUES.copy())
    with pytest.raises(TypeError, match=r"no operator \+"):
        view[0:2] += 1  # type: ignore[operator]
    assert np.array_equal(view, VALUES)


def test_numpy_arrays_compute_with_what_they_read(view: ts.TensorStore) -> None:
    ones = np.ones(4, np.int32)
    pairs: list[tuple[Any, Any]] = [(view, ones), (ones, view), (np.int64(2), view)]
    for left, right in pairs:
        assert np.array_equal(left + right, np.asarray(left) + np.asarray(right))
    comparison: Any = view
    assert np.array_equal(comparison < 5 * ones, VALUES < 5)


def test_another_librarys_operators_are_asked() -> None:
    class Lazy:
        def __radd__(self, other: object) -> str:
            return f"lazy sum with {type(other).__name__}"

        def __gt__(self, other: object) -> str:
            return "lazy comparison"

    view: Any = virtual()

    assert view + Lazy() == "lazy sum with TensorStore"
    assert (view < Lazy()) == "lazy comparison"


def test_views_are_equal_to_themselves_only_and_have_no_length(view: ts.TensorStore) -> None:
    same, number = view, 1
    assert view == same
    assert view != view[...]
    assert view != number  # type: ignore[comparison-overlap]
    assert len({view, same, view[...]}) == 2
    with pytest.raises(TypeError):
        len(view)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not iterable"):
        iter(view)


def test_chunks_are_a_tuple_of_integers() -> None:
    chunks = virtual().chunks

    assert isinstance(chunks, tuple)
    assert chunks == (2, 3)
    assert [*map(type, chunks)] == [int, int]
    assert (repr(chunks), hash(chunks), len(chunks)) == ("(2, 3)", hash((2, 3)), 2)
    assert (chunks[-1], chunks[:1]) == (3, (2,))
    assert type(pickle.loads(pickle.dumps(chunks))) is tuple


@pytest.mark.parametrize(
    ("index", "chunks"),
    [
        (np.s_[...], (2, 3)),
        (np.s_[1], (3,)),
        (np.s_[:, ::-1], (2, 3)),
        (np.s_[::2], (1, 3)),
        (np.s_[[0, 2, 1]], (3, 3)),
        (np.s_[1:1], (2, 3)),
        (np.s_[np.newaxis], (1, 2, 3)),
    ],
    ids=str,
)
def test_chunks_of_parts_have_an_extent_for_each_dimension(
    index: Any, chunks: tuple[int, ...]
) -> None:
    assert virtual()[index].chunks == chunks


def test_of_irregular_chunks_the_largest_counts() -> None:
    view = ts.virtual_chunked(fill, dtype=ts.int32, shape=[3, 4], chunks=((1, 2), (4,)))

    assert view.chunks == (2, 4)


def test_an_array_is_one_chunk() -> None:
    assert ts.array(VALUES).chunks == (3, 4)
    assert ts.array(np.zeros((0, 2))).chunks == (1, 2)
    assert ts.array(1.0).chunks == ()


async def test_chunks_can_be_called_to_stream_them() -> None:
    found = {}
    async with virtual().chunks(order="grid", max_bytes=100) as stream:
        async for domain, array in stream:
            found[domain.origin] = array.tolist()

    assert found == {
        (low, left): VALUES[low : low + 2, left : left + 3].tolist()
        for low in (0, 2)
        for left in (0, 3)
    }


@pytest.mark.parametrize("name", ["bool", "int8", "uint64", "float32", "complex64", "json"])
def test_numpy_takes_data_types_for_its_own(name: str) -> None:
    kind = getattr(ts, name)

    assert np.dtype(kind) == kind.numpy_dtype
    assert np.zeros(2, kind).dtype == kind.numpy_dtype
    assert np.result_type(kind, np.int8) == np.result_type(kind.numpy_dtype, np.int8)
    assert np.dtype("float64") != kind
    assert name == "json" or ts.dtype(np.dtype(kind)) == kind


def test_dask_makes_an_array_with_these_chunks() -> None:
    dask = pytest.importorskip("dask.array")
    view = virtual()
    lazy = dask.from_array(view, chunks=view.chunks, asarray=False, fancy=False)

    assert lazy.chunks == ((2, 1), (3, 1))
    assert np.array_equal(lazy.compute(scheduler="synchronous"), VALUES)


@pytest.mark.parametrize(
    "value",
    [
        ts.Context()["cache_pool"],
        ts.Context.Spec({}),
        ts.ChunkLayout.Grid(shape=[1, 2]),
        ts.TensorStore.StorageStatistics(fully_stored=True),
    ],
    ids=lambda value: type(value).__qualname__,
)
def test_nested_classes_have_their_public_path_and_pickle(value: Any) -> None:
    kind = type(value)

    assert kind.__module__ == "virtchunk"
    assert operator.attrgetter(kind.__qualname__)(ts) is kind
    assert repr(pickle.loads(pickle.dumps(value))) == repr(value)
    assert b"_context" not in pickle.dumps(kind)
