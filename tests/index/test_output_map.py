"""Output index maps: three methods, owned arrays, and their view as a sequence."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import numpy as np
import pytest

from virtchunk import Dim, IndexTransform, OutputIndexMap, OutputIndexMethod
from virtchunk._index.output_map import format_array

ARRAY = OutputIndexMap([1, 2], offset=5, stride=6, index_range=Dim(3))


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (OutputIndexMap(), "offset=0"),
        (OutputIndexMap(5), "offset=5"),
        (OutputIndexMap(np.array(3)), "offset=3"),
        (OutputIndexMap(5, 6), "offset=6, stride=1, input_dimension=5"),
        (OutputIndexMap(5, stride=2), "offset=0, stride=2, input_dimension=5"),
        (OutputIndexMap(input_dimension=1), "offset=0, stride=1, input_dimension=1"),
        (
            OutputIndexMap([[1, 2]], 5),
            "offset=5, stride=1, index_array={{1, 2}}, index_range=(-inf, +inf)",
        ),
        (
            OutputIndexMap(5, index_range=Dim(9)),
            "offset=0, stride=1, index_array=5, index_range=[0, 9)",
        ),
        (ARRAY, "offset=5, stride=6, index_array={1, 2}, index_range=[0, 3)"),
    ],
    ids=str,
)
def test_the_arguments_choose_the_method(output: OutputIndexMap, text: str) -> None:
    assert f"OutputIndexMap({text})" == repr(output)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"stride": 2},
        {"index_array": [1], "input_dimension": 0},
        {"index_range": Dim(3), "input_dimension": 0},
        {"size": 2},
    ],
    ids=str,
)
def test_arguments_of_different_methods_do_not_mix(kwargs: Any) -> None:
    with pytest.raises(TypeError, match="is not one of the forms"):
        OutputIndexMap(**kwargs)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (np.array([1, 2], np.uint64), "got dtype uint64"),
        (np.array([1.0]), "got dtype float64"),
        ([1.5], "got dtype float64"),
        ([2**63], "got dtype uint64"),
        (["x"], "must hold 64-bit integers"),
        ([[1], [2, 3]], "must be rectangular"),
        (None, "must hold 64-bit integers"),
    ],
    ids=str,
)
def test_index_arrays_hold_64_bit_integers(argument: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        OutputIndexMap(index_array=argument)


@pytest.mark.parametrize(
    "argument",
    [[1.0, 2.0], (1, 2), range(1, 3), np.array([1, 2], ">i2"), np.array([1, 2], np.uint32)],
)
def test_index_arrays_are_converted(argument: Any) -> None:
    array = OutputIndexMap(argument).index_array

    assert array is not None
    assert array.dtype == np.int64
    assert array.tolist() == [1, 2]


def test_an_index_array_is_owned_and_read_only() -> None:
    mine = np.array([1, 2])
    array = OutputIndexMap(mine).index_array
    assert array is not None
    mine[0] = 9

    assert array.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 9


def test_the_index_range_has_no_label_and_explicit_bounds() -> None:
    output = OutputIndexMap([1], index_range=Dim(3, "x", implicit_lower=True))

    assert output.index_range == Dim(3)
    assert OutputIndexMap([1]).index_range == Dim(implicit_lower=False, implicit_upper=False)


def test_changing_the_index_range_does_not_change_the_map() -> None:
    bounds = ARRAY.index_range
    assert bounds is not None
    bounds.label = "x"

    assert ARRAY.index_range == Dim(3)


def test_parts_that_a_method_does_not_use_are_none() -> None:
    constant, single = OutputIndexMap(5), OutputIndexMap(input_dimension=1)

    assert (constant.stride, constant.input_dimension, constant.index_range) == (None, None, None)
    assert (single.index_array, single.index_range) == (None, None)
    assert ARRAY.input_dimension is None


def test_methods_have_the_original_numbers() -> None:
    methods = [m.method for m in (OutputIndexMap(), OutputIndexMap(input_dimension=0), ARRAY)]

    assert methods == [
        OutputIndexMethod.constant,
        OutputIndexMethod.single_input_dimension,
        OutputIndexMethod.array,
    ]
    assert [int(method) for method in methods] == [0, 1, 2]
    assert repr(methods[2]) == "<OutputIndexMethod.array: 2>"
    assert "abc"[OutputIndexMethod.array] == "c"


@pytest.mark.parametrize(
    "other",
    [
        OutputIndexMap([1, 3], 5, 6, Dim(3)),
        OutputIndexMap([[1, 2]], 5, 6, Dim(3)),
        OutputIndexMap([1, 2], 5, 6, Dim(4)),
        OutputIndexMap([1, 2], 5, 7, Dim(3)),
        OutputIndexMap(5),
        5,
    ],
    ids=str,
)
def test_equality_looks_at_everything(other: Any) -> None:
    assert other != ARRAY


@pytest.mark.parametrize("output", [OutputIndexMap(5), OutputIndexMap(1, 2, 3), ARRAY], ids=str)
def test_a_map_is_a_value(output: OutputIndexMap) -> None:
    again = pickle.loads(pickle.dumps(output))

    assert [again, copy.copy(output), copy.deepcopy(output)] == [output] * 3
    assert hash(again) == hash(output)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        output.offset = 3  # type: ignore[misc]


def test_an_unpickled_index_array_is_read_only() -> None:
    array = pickle.loads(pickle.dumps(ARRAY)).index_array

    assert not array.flags.writeable


def test_output_maps_are_a_sequence() -> None:
    maps = IndexTransform(3).output

    assert maps.rank == len(maps) == 3
    assert maps[-1] == OutputIndexMap(input_dimension=2)
    assert maps[1:] == list(maps)[1:]
    assert maps == list(maps)
    assert maps == iter(list(maps))
    assert maps != list(maps)[1:]
    assert maps != 5
    assert hash(maps) == hash(IndexTransform(3).output)
    assert pickle.loads(pickle.dumps(maps)) == maps
    assert repr(maps) == repr(list(maps))


@pytest.mark.parametrize("index", [3, -4])
def test_an_output_dimension_that_does_not_exist_is_named(index: int) -> None:
    with pytest.raises(IndexError, match=rf"output dimension {index} is outside \[-3, 3\)"):
        IndexTransform(3).output[index]


def test_output_dimensions_have_no_labels() -> None:
    with pytest.raises(TypeError, match="an output dimension must be an integer"):
        IndexTransform(3).output["x"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array(5), "5"),
        (np.zeros((2, 0), int), "{{}, {}}"),
        (np.arange(4).reshape(2, 2), "{{0, 1}, {2, 3}}"),
        (np.arange(1001), "{0, 1, 2, ..., 998, 999, 1000}"),
        (np.arange(2002).reshape(2, 1001)[:, :1000], None),
    ],
)
def test_large_arrays_are_abbreviated(array: Any, text: str | None) -> None:
    row = "{0, 1, 2, ..., 997, 998, 999}, {1001, 1002, 1003, ..., 1998, 1999, 2000}"

    assert format_array(array) == (text or f"{{{row}}}")
