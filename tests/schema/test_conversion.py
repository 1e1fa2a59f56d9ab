"""What a write accepts; recorded from tensorstore 0.1.86 unless a comment says that it is ours."""

from __future__ import annotations

import array
import decimal
from typing import Any

import numpy as np
import pytest

from virtchunk._schema.conversion import check_cast, convert_array, infer_dtype
from virtchunk._schema.dtype import dtype

NUMPY_1 = np.lib.NumpyVersion(np.__version__) < "2.0.0"


class Presents:
    """Presents itself as an array of floats."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return np.array([1.5, 2.5])


PLAIN: list[tuple[str, Any, list[Any]]] = [
    ("bool", 300, [True]),
    ("bool", "a", [True]),
    ("bool", None, [False]),
    ("uint8", 1.5, [1]),
    ("uint8", "5", [5]),
    ("uint8", True, [1]),
    ("uint8", np.int64(300), [44]),
    ("uint8", np.float32(2.5), [2]),
    ("uint8", [1.5, 2.5], [1, 2]),
    ("uint8", (np.int64(300), 1), [44, 1]),
    ("uint8", [np.array(1.5), np.array(2)], [1, 2]),
    ("uint8", decimal.Decimal("1.5"), [1]),
    ("uint8", bytearray(b"\1\2"), [1, 2]),
    ("uint8", range(3), [0, 1, 2]),
    ("int16", -1, [-1]),
    ("float32", None, [np.nan]),
    ("float64", "1e3", [1000.0]),
    ("complex64", 1, [1 + 0j]),
    ("string", b"\xff", [b"\xff"]),
    ("string", np.array([b"abc", b"d"]), [b"abc", b"d"]),
    ("ustring", "\u00e9", ["\u00e9"]),
    ("ustring", np.array(["abc", "d"]), ["abc", "d"]),
    ("json", None, [None]),
    ("json", [[1], [1, 2]], [[1], [1, 2]]),
    ("json", {"a": (1,)}, [{"a": [1]}]),
    ("json", np.array([1.5, 2]), [1.5, 2.0]),
    ("json", b"x", [[120]]),
    ("char", b"a", [b"a"]),  # ours from here: there bytes are lost
    ("char", ["a", "b"], [b"a", b"b"]),
    ("byte", b"a", [b"a"]),
    ("byte", np.array([b"a", b"b"], "V1"), [b"a", b"b"]),
    ("datetime64[D]", "2020-01-02", [np.datetime64("2020-01-02")]),
    ("datetime64[s]", np.array(["2020"], "M8[D]"), [np.datetime64("2020-01-01T00:00:00")]),
    ("timedelta64[s]", 5, [np.timedelta64(5, "s")]),
]


@pytest.mark.parametrize(("name", "value", "elements"), PLAIN)
def test_a_value_becomes_an_array(name: str, value: Any, elements: list[Any]) -> None:
    result = convert_array(value, dtype(name))

    assert result.dtype == dtype(name).numpy_dtype
    found = result.reshape(-1)
    assert len(found) == len(elements)
    for item, element in zip(found, elements, strict=True):
        same = item.tobytes() == element if name == "byte" else item == element
        assert same or (item != item and element != element)


SAFE = [
    ("bool", "uint8"),
    ("uint8", "int16"),
    ("uint8", "uint64"),
    (">i2", "int16"),
    ("int32", "float64"),
    ("float16", "float32"),
    ("float32", "complex64"),
    ("uint16", "float32"),
    ("M8[D]", "datetime64[ns]"),  # ours
]
UNSAFE = [
    ("uint8", "bool"),
    ("int64", "uint8"),
    ("int64", "uint64"),
    ("float64", "int32"),
    ("float64", "float32"),
    ("int64", "float32"),
    ("complex64", "float32"),
    ("O", "uint8"),
    ("U1", "uint8"),
    ("M8[Y]", "uint8"),
    ("i4,i4", "uint8"),
    ("U1", "char"),
    ("O", "char"),
    ("S3", "char"),  # ours: there two of three bytes are lost
    ("M8[ns]", "datetime64[D]"),  # ours
]


@pytest.mark.parametrize(("source", "target"), SAFE)
def test_arrays_are_converted_where_that_is_safe(source: str, target: str) -> None:
    values = np.array([0, 1]).astype(source)
    result = convert_array(values, dtype(target))

    assert result.dtype == dtype(target).numpy_dtype
    assert (result == values).all()
    check_cast(values.dtype, dtype(target))


@pytest.mark.parametrize(("source", "target"), UNSAFE)
@pytest.mark.parametrize("shape", [(), (2,)])
def test_arrays_are_refused_where_it_is_not(
    source: str, target: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(TypeError):
        convert_array(np.zeros(shape, source), dtype(target))


@pytest.mark.parametrize(
    "value",
    [
        Presents(),
        array.array("d", [1.5]),
        memoryview(array.array("d", [1.5])),
    ],
)
def test_what_presents_itself_as_an_array_is_one(value: Any) -> None:
    with pytest.raises(TypeError, match="float64 as uint8"):
        convert_array(value, dtype("uint8"))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        pytest.param(
            "uint8", 300, OverflowError, marks=pytest.mark.skipif(NUMPY_1, reason="wraps around")
        ),
        pytest.param(
            "uint8", [1, -1], OverflowError, marks=pytest.mark.skipif(NUMPY_1, reason="likewise")
        ),
        ("uint8", 2**70, OverflowError),
        ("uint8", "a", ValueError),
        ("uint8", b"x", ValueError),
        ("uint8", None, TypeError),
        ("uint8", 1j, TypeError),
        ("uint8", {"a": 1}, TypeError),
        ("uint8", float("nan"), ValueError),
        ("uint8", [[1], [1, 2]], ValueError),
        ("float32", {1}, TypeError),
        ("string", "a", TypeError),
        ("string", [b"a", None], TypeError),
        ("string", 1, TypeError),
        ("ustring", b"a", TypeError),
        ("ustring", np.array([b"a"]), TypeError),
        ("ustring", "\ud800", ValueError),
        ("json", 1j, TypeError),
        ("json", np.array(["2020"], "M8[D]"), TypeError),
        ("char", b"ab", TypeError),  # ours: there bytes are lost
        ("char", "\u00e9", ValueError),
        ("char", 1, TypeError),  # ours: there the first digit
        ("byte", 1, TypeError),
        ("byte", "a", TypeError),
    ],
)
def test_values_that_are_refused(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        convert_array(value, dtype(name))


def test_refusal_says_how_to_lose_information_on_purpose() -> None:
    with pytest.raises(TypeError, match=r'int64 as uint8.*array.astype\("uint8"\)'):
        convert_array(np.arange(3), dtype("uint8"))
    with pytest.raises(TypeError, match="must be bytes, got 'a'; text is ustring"):
        convert_array(["a"], dtype("string"))
    with pytest.raises(TypeError, match="must be str, got b'a'; bytes are string"):
        convert_array([b"a"], dtype("ustring"))


def test_an_array_of_the_right_type_is_not_copied() -> None:
    values = np.arange(3, dtype="int32")

    assert convert_array(values, dtype("int32")) is values
    assert convert_array(values) is values


def test_json_values_are_copied() -> None:
    value = [{"a": 1}]
    result = convert_array(value, dtype("json"))
    result[0]["a"] = 2

    assert value == [{"a": 1}]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ([1, 2], "int64"),
        (1.5, "float64"),
        (True, "bool"),
        (2**63, "uint64"),
        (np.array(["a"], object), "json"),
        ([None], "json"),
        (np.zeros(2, ">f4"), "float32"),
        (b"a", "char"),
        (np.array(["2020"], "M8[D]"), "datetime64[D]"),  # ours
    ],
)
def test_without_a_data_type_elements_stand_for_themselves(value: Any, name: str) -> None:
    result = convert_array(value)

    assert infer_dtype(result.dtype) == name
    assert result.dtype == dtype(name).numpy_dtype


def test_without_a_data_type_text_is_refused() -> None:
    with pytest.raises(ValueError, match='text is "ustring"'):
        convert_array("a")
