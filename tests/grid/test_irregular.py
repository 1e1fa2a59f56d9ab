"""Dimensions whose cells have sizes of their own, alone and in requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from tests.strategies_irregular import IrregularBase, irregular_views
from virtchunk._grid.irregular import IrregularDimension
from virtchunk._grid.partition import Partition, Piece, partition
from virtchunk._grid.regular import RegularDimension, columns

if TYPE_CHECKING:
    from tests.strategies_views import Selection


def cut(base: IrregularBase, selection: Selection) -> Partition:
    grid = [
        IrregularDimension.of_sizes(low, sizes)
        for low, sizes in zip(base.origin, base.sizes, strict=True)
    ]
    return partition(selection.transform(ts), grid)


def test_cells_lie_side_by_side() -> None:
    dimension = IrregularDimension.of_sizes(2, (3, 1, 4))

    assert dimension.borders == (2, 5, 6, 10)
    assert (dimension.inclusive_min, dimension.exclusive_max) == (2, 10)
    assert dimension.sizes == (3, 1, 4)
    assert [dimension.bounds(x) for x in (2, 4, 5, 6, 9)] == [
        (2, 5),
        (2, 5),
        (5, 6),
        (6, 10),
        (6, 10),
    ]


@pytest.mark.parametrize(("first", "last", "cells"), [(2, 2, 1), (2, 5, 2), (4, 9, 3), (6, 9, 1)])
def test_cells_counts_those_with_a_coordinate_in_the_range(
    first: int, last: int, cells: int
) -> None:
    assert IrregularDimension.of_sizes(2, (3, 1, 4)).cells(first, last) == cells


def test_a_dimension_of_no_cells_has_equal_bounds() -> None:
    dimension = IrregularDimension.of_sizes(7, ())

    assert (dimension.inclusive_min, dimension.exclusive_max, dimension.sizes) == (7, 7, ())


@given(
    st.integers(1, 5), st.integers(1, 4), st.integers(0, 6), st.integers(1, 4), st.integers(1, 9)
)
def test_cells_of_one_size_are_those_of_a_regular_dimension(
    size: int, cells: int, start: int, stride: int, count: int
) -> None:
    irregular = IrregularDimension.of_sizes(0, (size,) * cells)
    regular = RegularDimension(0, size, 0, size * cells)
    start %= size * cells
    count = min(count, (size * cells - 1 - start) // stride + 1)

    assert list(columns(irregular, start, stride, count, 3)) == list(
        columns(regular, start, stride, count, 3)
    )
    last = start + stride * (count - 1)
    assert irregular.cells(start, last) == regular.cells(start, last)


@given(irregular_views())
def test_reading_piece_by_piece_gives_what_numpy_gives(
    view: tuple[IrregularBase, Selection],
) -> None:
    base, selection = view
    values = base.values()
    request = cut(base, selection)
    result = np.zeros(selection.shape, np.int64)
    target = request.request_view(result)
    for piece in request.pieces():
        target[piece[3]] = values[base.index(piece[0], piece[1])][piece[4]]
    request.spread(result)

    np.testing.assert_array_equal(result, selection.read(base, values))


@given(irregular_views())
def test_each_chunk_that_is_touched_occurs_once(view: tuple[IrregularBase, Selection]) -> None:
    base, selection = view
    request = cut(base, selection)
    pieces = [Piece(*piece) for piece in request.pieces()]

    assert {piece.lower: piece.upper for piece in pieces} == selection.cells(base)
    assert len(pieces) == request.total == len({piece.lower for piece in pieces})
    assert {piece.lower for piece in pieces if piece.covers} == selection.covered(base)
    assert all(type(bound) is int for piece in pieces for bound in piece.lower + piece.upper)
