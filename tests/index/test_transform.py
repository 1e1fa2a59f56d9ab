"""Transforms: construction, notation, evaluation at a point, and being a value."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import numpy as np
import pytest

from virtchunk import Dim, Indexable, IndexDomain, IndexTransform, OutputIndexMap

LOOKUP = IndexTransform(
    input_inclusive_min=[5],
    input_shape=[3],
    input_labels=["x"],
    output=[
        OutputIndexMap(7),
        OutputIndexMap(0, 2, -3),
        OutputIndexMap([4, 9, 2], 1, 10, index_range=Dim(8)),
    ],
)


def test_notation() -> None:
    assert repr(LOOKUP) == (
        "Rank 1 -> 3 index space transform:\n"
        "  Input domain:\n"
        '    0: [5, 8) "x"\n'
        "  Output index maps:\n"
        "    out[0] = 7\n"
        "    out[1] = 2 + -3 * in[0]\n"
        "    out[2] = 1 + 10 * bounded([0, 8), array(in)), where array =\n"
        "      {4, 9, 2}\n"
    )


@pytest.mark.parametrize(
    "transform",
    [
        IndexTransform(input_shape=[2, 3]),
        IndexTransform(IndexDomain(shape=[2, 3])),
        IndexTransform([Dim(2), Dim(3)]),
        IndexTransform(domain=IndexDomain(shape=[2, 3])),
        IndexTransform(json={"input_shape": [2, 3]}),
        IndexTransform(input_shape=[2, 3], output=IndexTransform(2).output),
        IndexTransform(
            input_shape=[2, 3], output=(OutputIndexMap(input_dimension=i) for i in range(2))
        ),
    ],
    ids=range(7),
)
def test_without_output_maps_a_transform_is_the_identity(transform: IndexTransform) -> None:
    assert transform == IndexTransform(input_inclusive_min=[0, 0], input_exclusive_max=[2, 3])
    assert [m.input_dimension for m in transform.output] == [0, 1]


def test_all_that_is_derived_from_the_domain() -> None:
    domain = LOOKUP.domain

    assert (LOOKUP.input_rank, LOOKUP.ndim, LOOKUP.output_rank) == (1, 1, 3)
    assert LOOKUP.origin == LOOKUP.input_origin == LOOKUP.input_inclusive_min == domain.origin
    assert LOOKUP.input_inclusive_max == domain.inclusive_max
    assert LOOKUP.input_exclusive_max == domain.exclusive_max
    assert LOOKUP.shape == LOOKUP.input_shape == domain.shape
    assert LOOKUP.size == domain.size
    assert LOOKUP.input_labels == domain.labels
    assert LOOKUP.implicit_lower_bounds == domain.implicit_lower_bounds
    assert LOOKUP.implicit_upper_bounds == domain.implicit_upper_bounds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give `input_rank`, or a vector such as `input_shape`"),
        ({"input_rank": 2, "input_shape": [1]}, "`input_shape` has 1 entries"),
        ({"input_rank": 1, "output": [OutputIndexMap()] * 33}, "at most 32 output dimensions"),
        (
            {"input_shape": [3], "output": [OutputIndexMap(), OutputIndexMap(1, 0)]},
            r"output dimension 1 refers to input dimension 1, but .* has dimensions \[0, 1\)",
        ),
        (
            {"input_shape": [3], "output": [OutputIndexMap([[1, 2, 3]])]},
            "output dimension 0 has 2 axes, but .* has 1 dimensions",
        ),
        (
            {"input_shape": [4, 3], "output": [OutputIndexMap([[1, 2]])]},
            r"has shape \(1, 2\), but dimension 1 of the domain .* has extent 3",
        ),
        (
            {
                "input_shape": [3],
                "implicit_upper_bounds": [True],
                "output": [OutputIndexMap([1, 2, 3])],
            },
            "depends on dimension 0 .* must then be explicit",
        ),
    ],
    ids=range(7),
)
def test_output_maps_must_fit_the_domain(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IndexTransform(**arguments)


def test_an_empty_index_array_depends_only_on_the_dimensions_that_make_it_empty() -> None:
    array = OutputIndexMap(np.zeros((0, 3), dtype=np.int64))

    of_implicit_extent = IndexTransform(
        input_shape=[0, 3], implicit_upper_bounds=[False, True], output=[array]
    )
    assert of_implicit_extent.output[0] == OutputIndexMap(0)
    with pytest.raises(ValueError, match="depends on dimension 0"):
        IndexTransform(input_shape=[0, 3], implicit_upper_bounds=[True, False], output=[array])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": 5, "input_rank": 1}, "output must be a sequence of OutputIndexMap, got 5"),
        ({"output": [5], "input_rank": 1}, "output must consist of OutputIndexMap, got 5"),
        ({"domain": IndexDomain(1), "input_rank": 1}, "`domain` describes the whole domain"),
        ({"json": {"input_rank": 1}, "output": []}, "`json` describes the whole domain"),
        ({"domain": 3}, "expected a rank or an iterable of Dim"),
    ],
    ids=range(5),
)
def test_arguments_of_the_wrong_type_are_named(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        IndexTransform(**arguments)


@pytest.mark.parametrize(
    ("shape", "output", "expected"),
    [
        ([3], OutputIndexMap(0, 4, 0), OutputIndexMap(4)),
        ([3], OutputIndexMap([1, 2, 3], 4, 0), OutputIndexMap(4)),
        ([0], OutputIndexMap([1], 3, 4), OutputIndexMap(0)),
        ([3], OutputIndexMap([1]), OutputIndexMap([1])),
        ([0], OutputIndexMap(0), OutputIndexMap(0)),
    ],
    ids=str,
)
def test_degenerate_maps_become_constant(
    shape: list[int], output: OutputIndexMap, expected: OutputIndexMap
) -> None:
    assert expected == IndexTransform(input_shape=shape, output=[output]).output[0]


def test_axes_along_which_an_array_was_broadcast_are_dropped() -> None:
    broadcast = np.broadcast_to(np.arange(3)[:, None], (3, 4))
    transform = IndexTransform(input_shape=[3, 4], output=[OutputIndexMap(broadcast)])

    assert transform.output[0] == OutputIndexMap([[0], [1], [2]])


def test_a_point_is_mapped_by_every_method() -> None:
    assert LOOKUP([5]) == (7, -13, 41)
    assert LOOKUP(np.array([7])) == (7, -19, 21)
    assert IndexTransform(0)([]) == ()


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ([8], r'index 8 is outside \[5, 8\), dimension 0 \("x"\) of the domain .*absolute'),
        ([-1], r"index -1 is outside \[5, 8\)"),
        ([5, 5], "has 1 dimensions, got 2 indices"),
        ([6], r"index 9 in the index array of dimension 2 is outside \[0, 8\)"),
    ],
    ids=str,
)
def test_a_point_must_be_in_the_domain(point: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LOOKUP(point)


@pytest.mark.parametrize("point", [5, ["x"], [1.0]], ids=str)
def test_a_point_consists_of_integers(point: Any) -> None:
    with pytest.raises(TypeError, match="expected a sequence of integers, got"):
        LOOKUP(point)


def test_implicit_bounds_do_not_limit_points() -> None:
    transform = LOOKUP[()].domain.mark_bounds_implicit[True]

    assert IndexTransform(transform)([-100]) == (-100,)
    with pytest.raises(ValueError, match="outside"):
        IndexTransform(transform)([2**62])


def test_an_output_index_never_wraps_around() -> None:
    with pytest.raises(
        ValueError, match=r"output index \d+ of dimension 0 needs more than 64 bits"
    ):
        IndexTransform(1, output=[OutputIndexMap(0, 0, 2**62)])([4])


@pytest.mark.parametrize(
    "transform", [LOOKUP, IndexTransform(0), IndexTransform(3).T], ids=range(3)
)
def test_a_transform_is_a_value(transform: IndexTransform) -> None:
    again = pickle.loads(pickle.dumps(transform))

    assert [again, copy.copy(transform), copy.deepcopy(transform)] == [transform] * 3
    assert hash(again) == hash(transform)
    assert transform != IndexTransform(5)
    assert transform != object()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        transform.domain = IndexDomain(0)  # type: ignore[misc]


def test_a_transform_is_indexable_and_not_iterable() -> None:
    assert isinstance(LOOKUP, Indexable)
    with pytest.raises(TypeError, match="not iterable"):
        iter(LOOKUP)
