"""Arrays of elements as nested arrays in JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import virtchunk as ts
from virtchunk._schema.array_json import array_from_json, array_to_json


@pytest.mark.parametrize(
    ("data_type", "json", "shape"),
    [
        ("int8", 5, ()),
        ("int8", [], (0,)),
        ("int8", [[], []], (2, 0)),
        ("int8", [[1, 2, 3], [4, 5, 6]], (2, 3)),
        ("bool", [[True], [False]], (2, 1)),
        ("float32", [1.5, float("inf")], (2,)),
        ("complex64", [[1.0, 2.0], [3.0, 4.0]], (2,)),
        ("complex64", [1.0, 2.0], ()),
        ("string", ["a", "b"], (2,)),
        ("ustring", [["ä"]], (1, 1)),
        ("json", [{"a": [1]}, None], (2,)),
        ("json", {"a": [1]}, ()),
    ],
)
def test_round_trips(data_type: str, json: Any, shape: tuple[int, ...]) -> None:
    array = array_from_json(json, ts.dtype(data_type), "array")

    assert array.shape == shape
    assert array.dtype == ts.dtype(data_type).numpy_dtype
    assert array_to_json(array, ts.dtype(data_type)) == json


def test_order_in_memory_does_not_matter() -> None:
    array = np.asfortranarray([[1, 2, 3], [4, 5, 6]])

    assert array_to_json(array, ts.int64) == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("data_type", "json", "message"),
    [
        ("int8", [[1], [2, 3]], r"array\[1\] must be an array of length 1, got \[2, 3\]"),
        ("int8", [[1, 2], 3], r"array\[1\] must be an array of length 2, got 3"),
        ("int8", [1, [2]], r"array must have elements at depth 1, got \[2\]"),
        ("json", [5, []], r"array must have elements at depth 1, got \[\]"),
        ("int8", [300], "integer"),
        ("int8", None, "integer"),
        ("bool", [0], "true or false"),
    ],
)
def test_what_is_ragged_or_of_another_type_is_refused(
    data_type: str, json: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        array_from_json(json, ts.dtype(data_type), "array")


def test_a_string_that_is_no_utf8_has_no_json() -> None:
    with pytest.raises(ValueError):
        array_to_json(np.array([b"\xff"], dtype=object), ts.string)
