"""What can be assigned to a view: whatever the original takes, with the same values or error."""

from __future__ import annotations

import array
import datetime
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

original = pytest.importorskip("tensorstore")

import virtchunk


class WithArray:
    """An array of another library."""

    def __init__(self, values: Any = (1, 2, 3)) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.values.astype(dtype) if dtype is not None else self.values


class WithInterface:
    def __init__(self) -> None:
        self.values = np.arange(3)
        self.__array_interface__ = self.values.__array_interface__


class Sequence:
    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> int:
        if place > 2:
            raise IndexError
        return place


class WithIndex:
    def __index__(self) -> int:
        return 7


class WithFloat:
    def __float__(self) -> float:
        return 2.5


SOURCES: dict[str, Callable[[], Any]] = {
    "int": lambda: 5,
    "bool": lambda: True,
    "float": lambda: 1.5,
    "negative": lambda: -1,
    "large": lambda: 300,
    "huge": lambda: 2**70,
    "nan": lambda: float("nan"),
    "complex": lambda: 1j,
    "None": lambda: None,
    "str": lambda: "7",
    "word": lambda: "seven",
    "bytes": lambda: b"7",
    "list": lambda: [1, 2, 3],
    "list of one": lambda: [4],
    "list of two": lambda: [1, 2],
    "list of floats": lambda: [1.0, 2.5, 3.0],
    "list of strings": lambda: ["1", "2", "3"],
    "list of bools": lambda: [True, False, True],
    "list of arrays": lambda: [np.int64(1), np.array(2), 3],
    "nested": lambda: [[[1, 2], [3, 4]]],
    "ragged": lambda: [1, [2, 3], 3],
    "empty list": list,
    "tuple": lambda: (1, 2, 3),
    "range": lambda: range(3),
    "generator": lambda: (i for i in range(3)),
    "set": lambda: {1, 2, 3},
    "dict": dict,
    "memoryview": lambda: np.arange(3, dtype=np.int8).data,
    "memoryview of bytes": lambda: memoryview(b"abc"),
    "bytearray": lambda: bytearray(b"abc"),
    "array.array": lambda: array.array("b", [1, 2, 3]),
    "array.array, wide": lambda: array.array("q", [1, 2, 3]),
    "int8": lambda: np.arange(3, dtype=np.int8),
    "int64": lambda: np.arange(3, dtype=np.int64),
    "float64": lambda: np.arange(3.0),
    "bool array": lambda: np.array([True, False, True]),
    "object array": lambda: np.array([1, 2, 3], dtype=object),
    "string array": lambda: np.array(["1", "2", "3"]),
    "datetime array": lambda: np.array(["2020-01-01"] * 3, "M8[D]"),
    "structured": lambda: np.array([(1,)] * 3, [("a", "i1")]),
    "big-endian": lambda: np.arange(3, dtype=">i2"),
    "strided": lambda: np.arange(6, dtype=np.int8)[::-2],
    "0-d": lambda: np.array(6, np.int8),
    "numpy scalar": lambda: np.int8(6),
    "wide numpy scalar": lambda: np.float64(6.5),
    "masked": lambda: np.ma.array([1, 2, 3], mask=[False, True, False], dtype=np.int8),
    "matrix": lambda: np.asmatrix([1, 2, 3]),
    "__array_interface__": WithInterface,
    "sequence": Sequence,
    "__index__": WithIndex,
    "__float__": WithFloat,
    "Fraction": lambda: Fraction(7, 2),
    "Decimal": lambda: Decimal("3.5"),
    "datetime": lambda: datetime.datetime(2020, 1, 1),
    "object": object,
    "class": lambda: int,
    "Ellipsis": lambda: ...,
    "dtype": lambda: np.dtype("i4"),
}
TYPES = ("int8", "uint8", "int32", "int64", "float32", "float64", "complex128", "bool")


def outcome(ts: Any, dtype: str, make: Callable[[], Any]) -> Any:
    view = ts.array(np.full(3, 9).astype(dtype))
    try:
        view[...] = make()
    except Exception as error:
        return type(error)
    return [str(value) for value in view.read().result()]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", SOURCES)
def test_sources_give_the_values_or_errors_of_the_original(name: str, dtype: str) -> None:
    make = SOURCES[name]

    assert outcome(virtchunk, dtype, make) == outcome(original, dtype, make)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "values", [[1, 2, 3], [1.5, 2.5, 3.5], [True, False, True], [1, 2]], ids=str
)
def test_arrays_of_other_libraries_are_converted_as_numpy_arrays_are(
    values: list[Any], dtype: str
) -> None:
    """The original asks them to convert themselves, which may lose values."""
    other = outcome(virtchunk, dtype, lambda: WithArray(values))

    assert other == outcome(virtchunk, dtype, lambda: np.array(values))
    if other is not TypeError:
        assert other == outcome(original, dtype, lambda: WithArray(values))


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 3), (1, 1)])
def test_surplus_dimensions_of_one_element_are_dropped_as_in_numpy(
    shape: tuple[int, ...],
) -> None:
    assert outcome(original, "int8", lambda: np.ones(shape, np.int8)) is ValueError
    assert outcome(virtchunk, "int8", lambda: np.ones(shape, np.int8)) == ["1", "1", "1"]
    assert outcome(virtchunk, "int8", lambda: np.ones(shape, np.int8).tolist()) == ["1", "1", "1"]
