"""One dimension of a grid: which cell holds a coordinate, and how a run falls into cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtchunk._grid.regular import Columns, RegularDimension, columns

sizes = st.sampled_from([1, 2, 3, 7])
origins = st.integers(-9, 9)


@given(origins, sizes, st.integers(-9, 9), st.integers(1, 20), st.data())
def test_a_cell_holds_its_coordinate_and_begins_at_a_multiple_of_the_size(
    origin: int, size: int, low: int, extent: int, data: st.DataObject
) -> None:
    dimension = RegularDimension(origin, size, low, low + extent)
    coordinate = data.draw(st.integers(low, low + extent - 1))
    lower, upper = dimension.bounds(coordinate)

    assert lower <= coordinate < upper
    assert lower == low or (lower - origin) % size == 0
    assert upper == low + extent or (upper - origin) % size == 0
    assert upper - lower <= size


@given(origins, sizes, st.integers(-9, 9), st.integers(1, 9), st.integers(0, 30), sizes)
def test_columns_lay_every_position_into_its_cell(
    origin: int, size: int, start: int, stride: int, count: int, batch: int
) -> None:
    dimension = RegularDimension(origin, size, -1000, 1000)
    batches = list(columns(dimension, start, stride, count, batch))
    rows = [row for one in batches for row in zip(*one, strict=True)]
    positions = []
    for lower, upper, base, out, part, whole in rows:
        assert base == slice(lower, upper)
        assert (lower, upper) == dimension.bounds(lower)
        inside = list(range(part.start, part.stop, part.step))
        run = list(range(out.start, out.stop))
        assert [start + stride * k - lower for k in run] == inside
        assert whole == (inside == list(range(upper - lower)))
        positions += run

    assert positions == list(range(count))
    assert all(len(one.lower) <= batch for one in batches)
    if count:
        last = start + stride * (count - 1)
        assert len({row[0] for row in rows}) == len(rows) <= dimension.cells(start, last)


def test_cells_are_clipped_to_the_bounds_of_the_dimension() -> None:
    dimension = RegularDimension(origin=0, size=4, inclusive_min=2, exclusive_max=9)

    assert [dimension.bounds(x) for x in (2, 3, 4, 8)] == [(2, 4), (2, 4), (4, 8), (8, 9)]


@pytest.mark.parametrize(
    ("first", "last", "cells"), [(0, 0, 1), (0, 3, 1), (3, 4, 2), (-1, 0, 2), (-5, 8, 5)]
)
def test_cells_counts_those_with_a_coordinate_in_the_range(
    first: int, last: int, cells: int
) -> None:
    assert RegularDimension(0, 4, -100, 100).cells(first, last) == cells


def test_an_empty_run_has_no_columns() -> None:
    assert list(columns(RegularDimension(0, 4, 0, 9), 0, 1, 0, batch=8)) == []


def test_columns_are_lists_of_one_length() -> None:
    (one,) = columns(RegularDimension(0, 2, 0, 10), 1, 1, 5, batch=100)

    assert one == Columns(
        lower=[0, 2, 4],
        upper=[2, 4, 6],
        base=[slice(0, 2), slice(2, 4), slice(4, 6)],
        out=[slice(0, 1), slice(1, 3), slice(3, 5)],
        part=[slice(1, 2, 1), slice(0, 2, 1), slice(0, 2, 1)],
        whole=[False, True, True],
    )
