"""Data types, elements and conversions against the original (tensorstore 0.1.86)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.strategies_schema import DTYPE_NAMES, OURS, dtype_likes, evaluate, json_values, outcome
from virtchunk._schema.conversion import convert_array
from virtchunk._schema.dtype import dtype

ts = pytest.importorskip("tensorstore")


@pytest.mark.parametrize("name", DTYPE_NAMES)
def test_properties_are_alike(name: str) -> None:
    theirs, ours = ts.dtype(name), dtype(name)

    assert (theirs.name, theirs.to_json(), repr(theirs)) == (ours.name, ours.to_json(), repr(ours))
    assert theirs.type is ours.type
    if name not in ("char", "byte"):  # there of itemsize 0, which makes every array empty
        assert theirs.numpy_dtype == ours.numpy_dtype


@given(dtype_likes())
def test_the_constructor_accepts_the_same(text: str) -> None:
    expected = outcome(ts, f"ts.dtype({text})")

    assert expected == outcome(OURS, f"ts.dtype({text})")


@given(st.sampled_from(DTYPE_NAMES), dtype_likes())
def test_comparison_accepts_the_same(name: str, other: str) -> None:
    text = f"ts.dtype({name!r}) == {other}"
    expected = outcome(ts, text)
    if expected is TypeError:  # ours: not a data type, hence not equal to one
        expected = "bool False"

    assert expected == outcome(OURS, text)


@given(
    st.sampled_from(["bool", "uint8", "int64", "float32", "complex64", "string", "ustring"]),
    st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3) | st.booleans(),
)
def test_elements_are_made_alike(name: str, value: Any) -> None:
    assume(not (name == "string" and isinstance(value, int) and value > 1000))
    text = f"ts.dtype({name!r})(value)"
    expected = outcome(ts, text, value=value)

    assert expected == outcome(OURS, text, value=value)


@given(json_values())
def test_json_is_normalised_alike(value: Any) -> None:
    expected = outcome(ts, "ts.dtype('json')(value)", value=value)

    assert expected == outcome(OURS, "ts.dtype('json')(value)", value=value)


_ARRAYS = npst.arrays(
    dtype=npst.boolean_dtypes()
    | npst.integer_dtypes(endianness="?")
    | npst.unsigned_integer_dtypes(endianness="?")
    | npst.floating_dtypes(sizes=(16, 32, 64), endianness="?")
    | npst.complex_number_dtypes(sizes=(64, 128))
    | npst.unicode_string_dtypes(max_len=2)
    | st.just(np.dtype("M8[s]")),
    shape=st.sampled_from([(), (2,)]),
)
_SCALARS = st.integers(-(2**64), 2**64) | st.floats() | st.complex_numbers() | st.booleans()
_ITEMS = _SCALARS | st.none() | st.text(max_size=2) | st.binary(max_size=2)


def written(name: str, value: Any) -> Any:
    """What the original stores when an array of two elements is assigned."""
    seen = []

    def write(domain: object, array: np.ndarray[Any, Any], parameters: object) -> None:
        seen.append(np.array(array))

    view = ts.virtual_chunked(write_function=write, dtype=name, shape=[2])
    view.write(value).result()
    return seen[0]


@given(
    st.sampled_from([name for name in DTYPE_NAMES if name not in ("char", "byte")]),
    _ARRAYS | _ITEMS | st.lists(_ITEMS, min_size=2, max_size=2),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_write_accepts_the_same_values(name: str, value: Any) -> None:
    def ours() -> Any:
        return np.broadcast_to(convert_array(value, dtype(name)), (2,))

    expected = outcome(OURS, "f()", f=lambda: written(name, value))

    assert expected == outcome(OURS, "f()", f=ours)


def test_a_named_data_type_compares_with_every_spelling_alike() -> None:
    spellings = ["int", "np.int64", "np.dtype('>i8')", "'int64'", "ts.dtype('int64')"]

    for spelling in spellings:
        assert evaluate(ts, f"ts.dtype('int64') == {spelling}") is True
        assert evaluate(OURS, f"ts.dtype('int64') == {spelling}") is True
