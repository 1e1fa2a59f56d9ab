"""From explicit chunk sizes and constraints to a grid and a layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import virtchunk as ts
from virtchunk._grid.choice import choose_grid, chunks_of, parse_chunks
from virtchunk._grid.irregular import IrregularDimension
from virtchunk._grid.regular import RegularDimension
from virtchunk._schema.chunk_shape import choose_chunk_grid

DOMAIN = ts.IndexDomain(inclusive_min=[10, 3], shape=[10, 8], labels=["x", ""])


def sizes(dimension: Any) -> list[int]:
    found, at = [], dimension.inclusive_min
    while at < dimension.exclusive_max:
        lower, upper = dimension.bounds(at)
        found.append(upper - lower)
        at = upper
    return found


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        (4, 4),
        (-1, -1),
        (np.int64(4), 4),
        ([4, (3, 5)], (4, (3, 5))),
        (((3, 5, 2), None), ((3, 5, 2), None)),
        (([3, 0, 5], np.array([4, 4])), ((3, 5), (4, 4))),
        (iter([range(1, 4), -1]), ((1, 2, 3), -1)),
        ((), ()),
        (((), (0,)), ((), ())),
    ],
)
def test_chunks_have_one_canonical_form(given: Any, canonical: Any) -> None:
    assert parse_chunks(given) == canonical


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ("auto", TypeError, "chunks must be an integer, or for each dimension .*got 'auto'"),
        (2.5, TypeError, r"got 2\.5"),
        (True, TypeError, "got True"),
        ([(3, 5), "ab"], TypeError, "chunks of dimension 1 .*got 'ab'"),
        ([1.5], TypeError, r"chunks of dimension 0 .*got 1\.5"),
        ([(3, 2.5)], ValueError, r"chunks of dimension 0 must be sizes >= 0, got \(3, 2\.5\)"),
        ([(3, -1)], ValueError, r"chunks of dimension 0 must be sizes >= 0, got \(3, -1\)"),
        (0, ValueError, "chunks must be positive, or -1 .*got 0"),
        ([4, -2], ValueError, "chunks of dimension 1 must be positive, or -1 .*got -2"),
    ],
)
def test_other_forms_are_refused(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_chunks(wrong)


@pytest.mark.parametrize(
    ("chunks", "shape", "expected"),
    [
        (4, (4, 4), [[4, 4, 2], [4, 4]]),
        (-1, (10, 8), [[10], [8]]),
        ((5, 100), (5, 100), [[5, 5], [8]]),
        (((4, 4, 2), (8,)), (4, 8), [[4, 4, 2], [8]]),
        (((5, 5), None), (5, 8), [[5, 5], [8]]),
    ],
)
def test_sizes_that_are_alike_make_a_regular_grid(
    chunks: Any, shape: Any, expected: list[list[int]]
) -> None:
    grid, layout = choose_grid(ts.ChunkLayout(), DOMAIN, chunks)

    assert all(isinstance(dimension, RegularDimension) for dimension in grid)
    assert [sizes(dimension) for dimension in grid] == expected
    assert layout == choose_chunk_grid(ts.ChunkLayout(chunk_shape=shape), DOMAIN).layout()
    assert chunks_of(grid) is None


def test_sizes_that_differ_make_an_irregular_dimension() -> None:
    grid, layout = choose_grid(ts.ChunkLayout(inner_order=[1, 0]), DOMAIN, ((3, 5, 2), 4))

    assert grid == (IrregularDimension((10, 13, 18, 20)), RegularDimension(3, 4, 3, 11))
    assert chunks_of(grid) == ((3, 5, 2), None)
    assert layout.read_chunk.shape == layout.write_chunk.shape == (None, 4)
    assert layout.read_chunk.shape_soft_constraint == (5, None)
    assert layout.grid_origin == (10, 3)
    assert layout.inner_order == (1, 0)


def test_the_layout_of_an_irregular_grid_leads_to_it_again() -> None:
    grid, layout = choose_grid(ts.ChunkLayout(), DOMAIN, ((3, 5, 2), 4))

    chunks = chunks_of(grid)
    assert chunks is not None
    assert choose_grid(layout, DOMAIN, chunks) == (grid, layout)


def test_a_last_chunk_that_is_larger_is_irregular() -> None:
    grid, _ = choose_grid(ts.ChunkLayout(), DOMAIN, ((4, 6), -1))

    assert [sizes(dimension) for dimension in grid] == [[4, 6], [8]]


def test_sizes_go_before_wishes_of_the_layout() -> None:
    layout = ts.ChunkLayout(
        chunk_shape_soft_constraint=[7, 7], grid_origin_soft_constraint=[1, 1], chunk_elements=10
    )
    grid, _ = choose_grid(layout, DOMAIN, ((5, 5), (3, 5)))

    assert [sizes(dimension) for dimension in grid] == [[5, 5], [3, 5]]


def test_what_sizes_leave_open_is_chosen_by_the_number_of_elements() -> None:
    layout = ts.ChunkLayout(chunk_elements=10)
    grid, _ = choose_grid(layout, DOMAIN, ((3, 5, 2), None))

    assert sizes(grid[1]) == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("origin", "chunks"),
    [([0, None], ((5, 5), 8)), ([13, None], ((3, 7), 8)), ([10, 5], ((10,), 4))],
)
def test_an_origin_at_which_a_chunk_begins_is_no_conflict(origin: Any, chunks: Any) -> None:
    grid, layout = choose_grid(ts.ChunkLayout(grid_origin=origin), DOMAIN, chunks)

    assert sizes(grid[0]) == list(chunks[0])
    assert layout.grid_origin is not None
    assert layout.grid_origin[0] == origin[0]


@pytest.mark.parametrize(
    ("layout", "chunks", "message"),
    [
        ({}, ((3, 5), 4), r'dimension 0 \("x"\) must add up to its extent, 10, got 8: \(3, 5\)'),
        ({}, (5, (3, 6)), "dimension 1 must add up to its extent, 8, got 9"),
        ({}, ((1,) * 9, 4), r"got 9: \(1, 1, 1, 1, 1, 1, 1, 1, \.\.\.\)"),
        ({}, (5,), "each of the 2 dimensions .*got 1"),
        ({}, (), "each of the 2 dimensions .*got 0"),
        ({"chunk_shape": [5, 4]}, ((3, 7), 4), r"\(3, 7\) of dimension 0 .* size 5 .*read_chunk"),
        ({"write_chunk_shape": [7, 4]}, ((3, 7), 4), "size 7 .*write_chunk"),
        ({"chunk_shape": [5, 4]}, (5, 3), "chunks conflict with the chunk layout: .*dimension 1"),
        (
            {"grid_origin": [1, None]},
            ((5, 5), 4),
            r"no chunk of dimension 0 begins at 1.*begin at 10",
        ),
        ({"grid_origin": [12, None]}, ((3, 7), 4), "no chunk of dimension 0 begins at 12"),
        ({"codec_chunk_shape": [5, 4]}, ((3, 7), 4), "size 5"),
        ({"rank": 3}, 4, "rank"),
    ],
)
def test_conflicts_are_value_errors(layout: dict[str, Any], chunks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_grid(ts.ChunkLayout(**layout), DOMAIN, chunks)


@pytest.mark.parametrize("chunks", [-1, ((3, 7),)])
def test_an_unbounded_dimension_takes_one_size_only(chunks: Any) -> None:
    domain = ts.IndexDomain(rank=1)

    with pytest.raises(ValueError, match="need a bounded domain"):
        choose_grid(ts.ChunkLayout(), domain, chunks)
    grid, _ = choose_grid(ts.ChunkLayout(), domain, 7)
    assert grid[0].bounds(-1) == (-7, 0)


def test_an_empty_dimension_has_no_chunks() -> None:
    grid, layout = choose_grid(ts.ChunkLayout(), ts.IndexDomain(shape=[0, 2]), ((), (2,)))

    assert [sizes(dimension) for dimension in grid] == [[], [2]]
    assert layout.read_chunk.shape == (1, 2)
