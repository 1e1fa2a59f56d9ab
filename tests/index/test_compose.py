"""Composition: what the domain of the result is, and how output maps combine."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import virtchunk
from tests.strategies import Extent, coordinates
from tests.strategies_transforms import inner_transforms, transforms
from virtchunk import Dim, IndexDomain, IndexTransform, OutputIndexMap
from virtchunk._index.compose import compose

ONE = OutputIndexMap
SQUARE = IndexTransform(input_shape=[3, 4])


def over(*dims: Dim, output: Any = None) -> IndexTransform:
    return IndexTransform(IndexDomain(dims), output)


@pytest.mark.parametrize(
    ("outer", "inner", "domain"),
    [
        (over(Dim(5)), over(Dim(3)), "{ [0, 3) }"),
        (over(Dim(3)), over(Dim()), "{ [0, 3) }"),
        (over(Dim(3, implicit_upper=True)), over(Dim()), "{ [0, 3*) }"),
        (over(Dim(3, implicit_upper=True)), over(Dim(5)), "{ [0, 5) }"),
        (over(Dim(3)), over(Dim(5, implicit_upper=True)), "{ [0, 3) }"),
        (over(Dim(3, label="y")), over(Dim(2, label="x")), '{ "x": [0, 2) }'),
        (over(Dim(3, label="y")), over(Dim(2)), "{ [0, 2) }"),
        (over(Dim(10)), over(Dim(), output=[ONE(0, 1, 3)]), "{ [0, 3) }"),
        (over(Dim(10)), over(Dim(), output=[ONE(0, 0, -2)]), "{ [-4, 1) }"),
        (over(Dim(10, implicit_upper=True)), over(Dim(), output=[ONE(0, 0, -2)]), "{ [-4*, 1) }"),
        (SQUARE, over(Dim(), output=[ONE(0, 0), ONE(0, 0)]), "{ [0, 3) }"),
        (over(Dim(3)), over(Dim(), output=[ONE(2)]), "{ (-inf*, +inf*) }"),
        (over(Dim(3)), over(Dim(10, 10)), "{ [10, 10) }"),
        (over(Dim(10, 10)), over(Dim()), "{ [10, 10) }"),
        (over(Dim(3)), over(Dim(0), output=[ONE(5)]), "{ [0, 0) }"),
    ],
    ids=range(15),
)
def test_implicit_bounds_take_what_the_outer_domain_allows(
    outer: IndexTransform, inner: IndexTransform, domain: str
) -> None:
    assert domain == repr(compose(outer, inner).domain)


def test_an_explicit_bound_gives_way_to_no_implicit_one() -> None:
    outer = IndexTransform(input_shape=[3, 4], implicit_upper_bounds=[True, False])

    assert repr(compose(outer, over(Dim(), output=[ONE(0, 0)] * 2)).domain) == "{ [0, 4) }"


@pytest.mark.parametrize(
    ("outer", "inner", "message"),
    [
        (
            over(Dim(3)),
            over(Dim(5, "x")),
            r'0 \("x"\) of the domain .* outside \[0, 3\), .*implicit',
        ),
        (over(Dim(3)), over(Dim(1), output=[ONE(3)]), r"index 3 is outside \[0, 3\), dimension 0"),
        (over(Dim(9)), over(Dim(5), output=[ONE(0, 0, -1)]), r"outside \[-8, 1\)"),
        (SQUARE, over(Dim(3)), "rank 2 -> 2 with rank 1 -> 1: the input rank of the outer"),
        (over(Dim()), over(Dim(), output=[ONE(2**62)]), "outside"),
        (
            over(Dim(3), output=[ONE([5, 6, 7])]),
            over(Dim(3), output=[ONE([2, 1, 3])]),
            r"index 3 in the index array of dimension 0 is outside \[0, 3\)",
        ),
        (over(Dim(9)), over(Dim(1), output=[ONE([9])]), r"index 9 .* outside \[0, 9\)"),
        (
            over(Dim(), output=[ONE(0, 0, 2**40)]),
            over(Dim(), output=[ONE(0, 0, 2**40)]),
            "needs more than 64 bits",
        ),
        (over(Dim(5, 9)), over(Dim(), output=[ONE(0, -(2**62))]), "leave the range of indices"),
    ],
    ids=range(9),
)
def test_what_does_not_fit_is_an_index_error(
    outer: IndexTransform, inner: IndexTransform, message: str
) -> None:
    with pytest.raises(IndexError, match=message):
        compose(outer, inner)


TABLE = over(Dim(3), output=[ONE([5, 6, 7], 1, 2)])
GRID = IndexTransform(input_shape=[3, 4], output=[ONE(np.arange(12).reshape(3, 4))])


@pytest.mark.parametrize(
    ("outer", "inner", "output"),
    [
        (over(Dim(), output=[ONE(0, 3, 2)]), over(Dim(), output=[ONE(0, 4, 5)]), ONE(0, 11, 10)),
        (over(Dim(), output=[ONE(0, 3, 2)]), over(Dim(), output=[ONE(4)]), ONE(11)),
        (over(Dim(), output=[ONE(3)]), over(Dim()), ONE(3)),
        (
            over(Dim(10)),
            over(Dim(3), output=[ONE([1, 2, 10], stride=2)]),
            ONE([1, 2, 10], 0, 2, Dim(5)),
        ),
        (
            over(Dim(10, implicit_upper=True)),
            over(Dim(2), output=[ONE([1, 2])]),
            ONE([1, 2], index_range=Dim(inclusive_min=0, implicit_upper=False)),
        ),
        (over(Dim(10)), over(Dim(3), output=[ONE([4])]), ONE(4)),
        (TABLE, over(Dim()), ONE([5, 6, 7], 1, 2)),
        (TABLE, over(Dim(2)), ONE([5, 6], 1, 2)),
        (TABLE, over(Dim(1)), ONE(11)),
        (TABLE, over(Dim(0)), ONE(0)),
        (TABLE, IndexTransform(0, output=[ONE(1)]), ONE(13)),
        (TABLE, over(Dim(3), output=[ONE([2, 1, 0])]), ONE([7, 6, 5], 1, 2)),
        (TABLE, over(Dim(3), Dim(4), output=[ONE([[2], [1], [0]])]), ONE([[7], [6], [5]], 1, 2)),
        (GRID, over(Dim(), output=[ONE(1), ONE(0, 0)]), ONE([4, 5, 6, 7])),
        (GRID, over(Dim(), output=[ONE(0, 0), ONE(0, 0)]), ONE([0, 5, 10])),
        (
            GRID,
            over(Dim(), Dim(), output=[ONE(1, 0), ONE(0, 0)]),
            ONE(np.arange(12).reshape(3, 4).T),
        ),
    ],
    ids=range(16),
)
def test_output_maps_combine(
    outer: IndexTransform, inner: IndexTransform, output: OutputIndexMap
) -> None:
    assert compose(outer, inner).output[0] == output


def test_an_index_range_is_checked_when_its_entry_is_used() -> None:
    bounded = over(Dim(3), output=[ONE([7, 6, 5], index_range=Dim(6))])

    assert compose(bounded, over(Dim(2))).output[0].index_range == Dim(6)
    assert compose(bounded, over(Dim(1), output=[ONE(2)]))([0]) == (5,)
    with pytest.raises(IndexError, match=r"index 7 .* outside \[0, 6\)"):
        compose(bounded, over(Dim(1)))


def test_composed_index_arrays_are_read_only() -> None:
    array = compose(TABLE, over(Dim(2))).output[0].index_array

    assert array is not None
    assert not array.flags.writeable


def test_an_explicit_domain_is_kept_as_it_is() -> None:
    inner = IndexTransform(input_shape=[2, 2])

    assert compose(SQUARE, inner).domain is inner.domain


@given(data=st.data())
def test_a_composition_maps_points_like_its_parts_one_after_the_other(data: st.DataObject) -> None:
    outer_arguments = data.draw(transforms(), label="outer")
    inner_arguments = data.draw(inner_transforms(outer_arguments.extents), label="inner")
    outer = inner = whole = None
    with contextlib.suppress(IndexError, ValueError):
        outer, inner = outer_arguments.make(virtchunk), inner_arguments.make(virtchunk)
        whole = compose(outer, inner)
    assume(whole is not None and 0 not in whole.domain.shape)
    assert whole is not None
    point = [data.draw(coordinates(extent)) for extent in Extent.of(whole.domain)]
    expected = mapped(outer, mapped(inner, point))
    assume(expected is not None)  # entries of index arrays that nobody looks at may be anything

    assert expected == mapped(whole, point)


def mapped(transform: Any, point: Any) -> Any:
    """Where the point goes; None if the transform does not accept it."""
    try:
        return None if point is None else transform(point)
    except ValueError:
        return None
