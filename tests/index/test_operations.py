"""Operations on selected dimensions: what becomes of domains, output maps and index arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from virtchunk import Dim, IndexDomain, IndexTransform, OutputIndexMap, inf
from virtchunk._index import operations
from virtchunk._index.operations import ImplicitFlags

XY = IndexTransform(
    input_inclusive_min=[2, -3], input_exclusive_max=[6, 4], input_labels=["x", "y"]
)
TABLE = np.arange(12).reshape(3, 4)
ARRAYS = IndexTransform(
    IndexDomain([Dim(3, inclusive_min=5), Dim(4, inclusive_min=-1), Dim(2)]),
    [
        OutputIndexMap(TABLE[:, :, None], 100, 2),
        OutputIndexMap(2),
        OutputIndexMap([[[7, 8]]], 0, 1, Dim(10)),
    ],
)


def mapping(transform: IndexTransform) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Where each index of the domain goes."""
    ranges = [range(dim.inclusive_min, dim.exclusive_max) for dim in transform.domain]
    return {indices: transform(indices) for indices in itertools.product(*ranges)}


@pytest.mark.parametrize(
    ("operation", "domain", "output"),
    [
        (lambda t: operations.translate_to(t, [0, 1], 0), "[0, 4), [0, 7)", [(2, 1), (-3, 1)]),
        (lambda t: operations.translate_to(t, [1], (5,)), "[2, 6), [5, 12)", [(0, 1), (-8, 1)]),
        (lambda t: operations.translate_to(t, [0], None), "[2, 6), [-3, 4)", [(0, 1), (0, 1)]),
        (
            lambda t: operations.translate_by(t, [1, 0], (1, 2)),
            "[4, 8), [-2, 5)",
            [(-2, 1), (-1, 1)],
        ),
        (
            lambda t: operations.translate_backward_by(t, [0], 2),
            "[0, 4), [-3, 4)",
            [(2, 1), (0, 1)],
        ),
        (lambda t: operations.stride(t, [0, 1], 2), "[1, 3), [-1, 2)", [(0, 2), (0, 2)]),
        (lambda t: operations.stride(t, [0, 1], (-1, -3)), "[-5, -1), [-1, 2)", [(0, -1), (0, -3)]),
        (lambda t: operations.stride(t, [0, 1], (10, 1)), "[1, 1), [-3, 4)", [(0, 10), (0, 1)]),
    ],
)
def test_indices_move_and_outputs_stay(
    operation: Callable[[IndexTransform], IndexTransform],
    domain: str,
    output: list[tuple[int, int]],
) -> None:
    actual = operation(XY)

    assert domain == repr(actual.label["", ""].domain)[2:-2]
    assert actual.input_labels == ("x", "y")
    assert [OutputIndexMap(i, *pair) for i, pair in enumerate(output)] == actual.output


def test_strides_and_offsets_accumulate() -> None:
    transform = operations.stride(XY, [0], 3)
    transform = operations.translate_by(transform, [0], 10)
    transform = operations.stride(transform, [0], -2)

    assert OutputIndexMap(0, -30, -6) == transform.output[0]


@pytest.mark.parametrize(
    "operation",
    [
        lambda t: operations.translate_to(t, [0, 1, 2], 0),
        lambda t: operations.translate_by(t, [0, 1], (7, -3)),
    ],
)
def test_a_translation_does_not_touch_index_arrays(
    operation: Callable[[IndexTransform], IndexTransform],
) -> None:
    moved = operation(ARRAYS)

    assert list(mapping(ARRAYS).values()) == list(mapping(moved).values())
    assert ARRAYS.output[0].index_array is moved.output[0].index_array


@pytest.mark.parametrize("transform", [XY, ARRAYS, XY[3], XY[::2, ::-3], IndexTransform(0)])
@pytest.mark.parametrize("origin", [0, -7, 2**60])
def test_the_short_way_to_move_the_origin_is_the_long_one(
    transform: IndexTransform, origin: int
) -> None:
    dims = range(transform.input_rank)

    expected = operations.translate_to(transform, dims, origin)
    for argument in (origin, (origin,) * len(dims)):
        plan = operations.plan_move(transform, argument)
        assert plan is not None
        assert expected == operations.carry_out_move(plan)


@pytest.mark.parametrize(
    ("transform", "origin"),
    [
        (XY, (0,)),
        (XY, (0, None)),
        (XY, True),
        (XY, 2**62 - 3),
        (XY, -(2**62)),
        (XY[:: 2**40], 2**50),
        (IndexTransform(1), 0),
    ],
)
def test_the_short_way_leaves_special_cases_to_the_long_one(
    transform: IndexTransform, origin: Any
) -> None:
    assert operations.plan_move(transform, origin) is None


def test_a_stride_keeps_multiples_of_index_arrays() -> None:
    before = mapping(ARRAYS)
    after = mapping(operations.stride(ARRAYS, [0, 1], (2, -1)))

    assert {(x, y, z): before[2 * x, -y, z] for x, y, z in after} == after
    assert list(after)[:2] == [(3, -2, 0), (3, -2, 1)]


@pytest.mark.parametrize("permutation", list(itertools.permutations(range(3))), ids=str)
def test_a_transposition_permutes_index_arrays(permutation: tuple[int, ...]) -> None:
    before = mapping(ARRAYS)
    after = mapping(operations.transpose(ARRAYS, permutation))

    assert len(before) == len(after)
    for indices, output in after.items():
        old = [0] * 3
        for place, dim in enumerate(permutation):
            old[dim] = indices[place]
        assert before[tuple(old)] == output


@pytest.mark.parametrize("dims", [[0, 1], [1, 0], [1, 2], [0, 1, 2], [2], []], ids=str)
def test_a_diagonal_moves_along_all_its_dimensions(dims: list[int]) -> None:
    transform = operations.translate_to(ARRAYS, [0, 1, 2], 0)
    if not dims:
        added = operations.diagonal(transform, dims)
        assert repr(added.domain) == "{ (-inf*, +inf*), [0, 3), [0, 4), [0, 2) }"
        return
    before = mapping(transform)
    after = mapping(operations.diagonal(transform, dims))
    others = [dim for dim in range(3) if dim not in dims]

    assert min(transform.shape[dim] for dim in dims) == len({indices[0] for indices in after})
    for indices, output in after.items():
        old = [indices[0]] * 3
        for place, dim in enumerate(others, 1):
            old[dim] = indices[place]
        assert before[tuple(old)] == output


def test_a_diagonal_is_implicit_where_all_its_dimensions_are() -> None:
    lower = Dim(0, 10, implicit_lower=True)
    both = Dim(2, 8, implicit_lower=True, implicit_upper=True)
    transform = IndexTransform(IndexDomain([lower, both]))

    assert repr(operations.diagonal(transform, [0, 1]).domain) == "{ [2*, 8) }"


def test_a_diagonal_without_common_indices_is_empty_at_the_largest_origin() -> None:
    transform = IndexTransform(input_inclusive_min=[12, 5], input_exclusive_max=[18, 10])

    assert repr(operations.diagonal(transform, [0, 1]).domain) == "{ [12, 12) }"


def test_flags_of_bounds_change_sides_with_a_negative_stride() -> None:
    transform = IndexTransform(IndexDomain([Dim(2, 9, implicit_lower=True)]))

    assert repr(operations.stride(transform, [0], -1).domain) == "{ [-8, -1*) }"


@pytest.mark.parametrize(
    ("flags", "domain"),
    [
        (ImplicitFlags(True, None), "{ [0*, 5) }"),
        (ImplicitFlags(False, True), "{ [0, 5*) }"),
        (ImplicitFlags(None, None), "{ [0, 5) }"),
    ],
    ids=str,
)
def test_bounds_become_implicit_and_explicit(flags: ImplicitFlags, domain: str) -> None:
    transform = IndexTransform(input_shape=[5])
    marked = operations.mark_bounds_implicit(transform, [0], flags)

    assert domain == repr(marked.domain)
    explicit = operations.mark_bounds_implicit(marked, [0], ImplicitFlags(False, False))
    assert transform == explicit


def test_bounds_an_index_array_depends_on_cannot_be_implicit() -> None:
    with pytest.raises(IndexError, match="output dimension 0 has no entries"):
        operations.mark_bounds_implicit(ARRAYS, [1], ImplicitFlags(True, None))


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda: operations.translate_to(XY, [0], inf), r"origin .* is no index"),
        (lambda: operations.translate_to(XY, [0], -inf), r"origin .* is no index"),
        (lambda: operations.translate_by(XY, [0], inf - 5), r'dimension 0 \("x"\) moved by'),
        (lambda: operations.translate_backward_by(XY, [1], inf), "leaves the range of indices"),
        (lambda: operations.translate_to(IndexTransform(1), [0], 0), "translate_by can shift it"),
        (lambda: operations.stride(XY, [0], -(2**63)), "is not possible"),
        (lambda: operations.label(XY, [0], ("y",)), 'would both have the label "y"'),
        (lambda: operations.diagonal(IndexTransform(32), []), "33 dimensions"),
    ],
)
def test_what_leaves_the_range_is_refused(operation: Callable[[], Any], message: str) -> None:
    with pytest.raises(IndexError, match=message):
        operation()


@pytest.mark.parametrize(
    "operation",
    [
        lambda t: operations.stride(t, [0], 2**40),
        lambda t: operations.translate_by(t, [0], 2**40),
        lambda t: t[2**40],
        lambda t: t[2**40 :: 2**40],
    ],
)
def test_an_output_index_never_wraps(operation: Callable[[IndexTransform], Any]) -> None:
    transform = IndexTransform(IndexDomain(1), [OutputIndexMap(0, 5, 2**30)])

    with pytest.raises(IndexError, match="needs more than 64 bits"):
        operation(transform)


def test_the_largest_indices_can_be_reached() -> None:
    transform = operations.translate_by(IndexTransform(input_shape=[1]), [0], inf - 2)

    assert Dim(inf - 2, inf - 1) == transform.domain[0]


def test_an_unbounded_dimension_is_translated_in_its_output_only() -> None:
    transform = operations.translate_by(IndexTransform(1), [0], 3)

    assert IndexDomain(1) == transform.domain
    assert OutputIndexMap(0, -3) == transform.output[0]


def test_nothing_to_do_changes_nothing() -> None:
    assert XY is operations.translate_by(XY, [0, 1], 0)
    assert operations.stride(XY, [0, 1], 1) == XY
    assert operations.transpose(XY, [0, 1]) == XY
