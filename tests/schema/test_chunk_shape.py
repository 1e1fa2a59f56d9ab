"""Choosing a grid of chunks. The expected values were recorded from the original (0.1.86)."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from tests.strategies_layout import search_texts
from tests.strategies_schema import OURS, evaluate
from virtchunk._schema.chunk_shape import ChunkGrid, choose_chunk_grid

Bounds = list[tuple[int | None, int | None]]


def domain_of(bounds: Bounds) -> ts.IndexDomain:
    return ts.IndexDomain([ts.Dim(inclusive_min=low, exclusive_max=high) for low, high in bounds])


@attrs.frozen
class Case:
    name: str
    layout: ts.ChunkLayout
    bounds: Bounds
    shape: tuple[int, ...]
    origin: tuple[int, ...]
    inner_order: tuple[int, ...]


CASES = [
    Case("nothing known, rank 1", ts.ChunkLayout(), [(0, 10000000)], (1048576,), (0,), (0,)),
    Case(
        "nothing known, rank 2",
        ts.ChunkLayout(),
        [(0, 1000000), (0, 1000000)],
        (1024, 1024),
        (0, 0),
        (0, 1),
    ),
    Case(
        "nothing known, rank 3",
        ts.ChunkLayout(),
        [(0, 1000), (0, 1000), (0, 1000)],
        (101, 101, 101),
        (0, 0, 0),
        (0, 1, 2),
    ),
    Case(
        "nothing known, rank 4",
        ts.ChunkLayout(),
        [(0, 1000), (0, 1000), (0, 1000), (0, 1000)],
        (32, 32, 32, 32),
        (0, 0, 0, 0),
        (0, 1, 2, 3),
    ),
    Case(
        "nothing known, rank 21",
        ts.ChunkLayout(),
        [(None, None)] * 21,
        (1,) * 21,
        (0,) * 21,
        tuple(range(21)),
    ),
    Case(
        "unbounded",
        ts.ChunkLayout(),
        [(None, None), (None, None), (None, None)],
        (101, 101, 101),
        (0, 0, 0),
        (0, 1, 2),
    ),
    Case(
        "small domain",
        ts.ChunkLayout(),
        [(0, 10), (0, 20), (0, 30)],
        (10, 20, 30),
        (0, 0, 0),
        (0, 1, 2),
    ),
    Case(
        "one small dimension",
        ts.ChunkLayout(),
        [(0, 1000), (0, 2000), (0, 30)],
        (186, 186, 30),
        (0, 0, 0),
        (0, 1, 2),
    ),
    Case("empty dimension", ts.ChunkLayout(), [(0, 10), (0, 0)], (10, 1), (0, 0), (0, 1)),
    Case(
        "negative origin",
        ts.ChunkLayout(),
        [(5, 1000), (-7, 1000000000)],
        (995, 1053),
        (5, 1046),
        (0, 1),
    ),
    Case(
        "bounded below only",
        ts.ChunkLayout(),
        [(33, None), (None, 7)],
        (1024, 1024),
        (33, 0),
        (0, 1),
    ),
    Case(
        "few elements",
        ts.ChunkLayout(chunk_elements=10),
        [(0, 100), (0, 100)],
        (3, 3),
        (0, 0),
        (0, 1),
    ),
    Case(
        "zero elements",
        ts.ChunkLayout(chunk_elements=0),
        [(0, 100), (0, 100)],
        (1, 1),
        (0, 0),
        (0, 1),
    ),
    Case(
        "all elements",
        ts.ChunkLayout(chunk_elements=2**62 - 2),
        [(None, None), (None, None)],
        (2147483647, 2147483647),
        (0, 0),
        (0, 1),
    ),
    Case(
        "soft elements give way",
        ts.ChunkLayout(chunk_elements_soft_constraint=10, read_chunk_elements=1000),
        [(0, 100), (0, 100)],
        (31, 31),
        (0, 0),
        (0, 1),
    ),
    Case(
        "aspect ratio",
        ts.ChunkLayout(chunk_aspect_ratio=[1, 2]),
        [(0, 1000000), (0, 1000000)],
        (724, 1448),
        (0, 0),
        (0, 1),
    ),
    Case(
        "aspect ratio cut by the domain",
        ts.ChunkLayout(chunk_aspect_ratio=[1, 2]),
        [(0, 1000000), (0, 100)],
        (10485, 100),
        (0, 0),
        (0, 1),
    ),
    Case(
        "fractional aspect ratio",
        ts.ChunkLayout(
            chunk_aspect_ratio=[5.056409266486747, None, 6.103406575991026], chunk_elements=1215182
        ),
        [(0, 1000000), (0, 9), (0, 925872)],
        (334, 9, 404),
        (0, 0, 0),
        (0, 1, 2),
    ),
    Case(
        "extreme aspect ratio",
        ts.ChunkLayout(chunk_aspect_ratio=[1e-12, 1000000000000.0]),
        [(0, 1000000), (0, 1000000)],
        (1, 1000000),
        (0, 0),
        (0, 1),
    ),
    Case(
        "fixed extents",
        ts.ChunkLayout(chunk_shape=[3, None]),
        [(0, 1000000), (0, 1000000)],
        (3, 349525),
        (0, 0),
        (0, 1),
    ),
    Case(
        "fixed extents above the number of elements",
        ts.ChunkLayout(chunk_shape=[1000, None], chunk_elements=10),
        [(0, 1000000), (0, 1000000)],
        (1000, 1),
        (0, 0),
        (0, 1),
    ),
    Case(
        "extent of the domain",
        ts.ChunkLayout(chunk_shape=[-1, None], chunk_elements=1000),
        [(5, 100), (0, 1000000)],
        (95, 10),
        (5, 0),
        (0, 1),
    ),
    Case("extent of an empty domain", ts.ChunkLayout(chunk_shape=[-1]), [(5, 5)], (1,), (0,), (0,)),
    Case(
        "soft shape",
        ts.ChunkLayout(chunk_shape_soft_constraint=[10, 20]),
        [(0, 100), (0, 100)],
        (10, 20),
        (0, 0),
        (0, 1),
    ),
    Case(
        "hard before soft shape",
        ts.ChunkLayout(write_chunk_shape=[10, None], read_chunk_shape_soft_constraint=[5, 7]),
        [(0, 100), (0, 100)],
        (10, 7),
        (0, 0),
        (0, 1),
    ),
    Case(
        "soft read before soft write shape",
        ts.ChunkLayout(
            write_chunk_shape_soft_constraint=[10, None], read_chunk_shape_soft_constraint=[5, 7]
        ),
        [(0, 100), (0, 100)],
        (5, 7),
        (0, 0),
        (0, 1),
    ),
    Case(
        "larger than the domain", ts.ChunkLayout(chunk_shape=[1000]), [(3, 10)], (1000,), (3,), (0,)
    ),
    Case(
        "grid origin",
        ts.ChunkLayout(chunk_shape=[10, 20], grid_origin=[33, None]),
        [(5, 100), (-7, 200)],
        (10, 20),
        (33, 13),
        (0, 1),
    ),
    Case(
        "soft grid origin",
        ts.ChunkLayout(chunk_shape=[10, 20], grid_origin_soft_constraint=[33, -71]),
        [(5, 100), (-7, 200)],
        (10, 20),
        (33, -71),
        (0, 1),
    ),
    Case(
        "inner order",
        ts.ChunkLayout(inner_order=[1, 0]),
        [(0, 10), (0, 20)],
        (10, 20),
        (0, 0),
        (1, 0),
    ),
    Case(
        "soft inner order",
        ts.ChunkLayout(inner_order_soft_constraint=[1, 0]),
        [(0, 10), (0, 20)],
        (10, 20),
        (0, 0),
        (1, 0),
    ),
    Case(
        "codec chunk shape",
        ts.ChunkLayout(codec_chunk_shape=[4, 5]),
        [(0, 10), (0, 20)],
        (4, 5),
        (0, 0),
        (0, 1),
    ),
    Case(
        "codec elements do not matter",
        ts.ChunkLayout(codec_chunk_elements=5),
        [(0, 10), (0, 20)],
        (10, 20),
        (0, 0),
        (0, 1),
    ),
    Case(
        "soft codec shape does not matter",
        ts.ChunkLayout(codec_chunk=ts.ChunkLayout.Grid(shape_soft_constraint=[2, 2])),
        [(0, 10), (0, 20)],
        (10, 20),
        (0, 0),
        (0, 1),
    ),
    Case(
        "codec aspect ratio",
        ts.ChunkLayout(codec_chunk_aspect_ratio=[1, 4], chunk_elements=100),
        [(0, 100), (0, 200)],
        (5, 20),
        (0, 0),
        (0, 1),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_chosen_grid(case: Case) -> None:
    grid = choose_chunk_grid(case.layout, domain_of(case.bounds))

    assert grid == ChunkGrid(case.origin, case.shape, case.inner_order)


@attrs.frozen
class Refusal:
    name: str
    layout: ts.ChunkLayout
    bounds: Bounds
    message: str


REFUSALS = [
    Refusal(
        "ranks differ",
        ts.ChunkLayout(chunk_shape=[4, 5]),
        [(0, 10)],
        "rank 1 differs from rank 2",
    ),
    Refusal(
        "read and write shapes differ",
        ts.ChunkLayout(read_chunk_shape=[4], write_chunk_shape=[8]),
        [(0, 10)],
        "must agree, because a view has one grid for both: hard constraint 8 for dimension 0",
    ),
    Refusal(
        "read and write elements differ",
        ts.ChunkLayout(read_chunk_elements=4, write_chunk_elements=8),
        [(0, 10)],
        "hard constraint 8 differs from the hard constraint 4",
    ),
    Refusal(
        "codec shape",
        ts.ChunkLayout(codec_chunk=ts.ChunkLayout.Grid(shape=[4])),
        [(0, 10)],
        "a virtual view has no codec",
    ),
    Refusal(
        "extent of an unbounded domain",
        ts.ChunkLayout(chunk_shape=[4, -1]),
        [(0, 10), (0, None)],
        "chunk size -1 of dimension 1 stands for the extent of the domain, which is unbounded",
    ),
    Refusal(
        "chunk beyond the last index",
        ts.ChunkLayout(chunk_shape=[3], grid_origin=[2**62 - 2]),
        [(0, 10)],
        "reaches beyond the range of indices",
    ),
    Refusal(
        "domain too far from the origin",
        ts.ChunkLayout(chunk_shape=[3], grid_origin=[-(2**62) + 2]),
        [(0, 10)],
        "of dimension 0 relative to the grid origin",
    ),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_constraints_that_no_grid_satisfies(refusal: Refusal) -> None:
    with pytest.raises(ValueError, match=refusal.message):
        choose_chunk_grid(refusal.layout, domain_of(refusal.bounds))


def test_absurd_aspect_ratios_give_some_chunk() -> None:
    layout = ts.ChunkLayout(chunk_aspect_ratio=[5e-324, 1e308])

    assert choose_chunk_grid(layout, ts.IndexDomain(shape=[10, 10])).shape == (1, 10)


@given(search_texts())
def test_chosen_chunks_obey_their_constraints(texts: tuple[str, str]) -> None:
    layout: Any = evaluate(OURS, f"ts.ChunkLayout({texts[0]})")
    domain: Any = evaluate(OURS, texts[1])
    grid = choose_chunk_grid(layout, domain)
    wanted = layout.read_chunk.elements
    elements = 2**20 if wanted is None else wanted

    free = []
    for extent, fixed, size in zip(grid.shape, layout.read_chunk.shape, domain.shape, strict=True):
        assert extent == fixed or (fixed is None and 1 <= extent <= max(1, size))
        free.append(1 if fixed is not None else extent)
    assert math.prod(grid.shape) <= elements or math.prod(free) == 1


@given(
    st.lists(st.integers(1, 2**40), min_size=1, max_size=5),
    st.integers(0, 10**6),
    st.data(),
)
def test_more_elements_never_make_a_smaller_chunk(
    sizes: list[int], elements: int, data: st.DataObject
) -> None:
    domain = ts.IndexDomain(shape=sizes)
    fewer = choose_chunk_grid(ts.ChunkLayout(chunk_elements=elements), domain)
    more = data.draw(st.integers(elements, 2 * elements + 1))
    larger = choose_chunk_grid(ts.ChunkLayout(chunk_elements=more), domain)

    assert all(a <= b for a, b in zip(fewer.shape, larger.shape, strict=True))


@pytest.mark.parametrize("grid", [ChunkGrid((), (), ()), ChunkGrid((1, 2), (10, 20), (1, 0))])
def test_layout_of_a_grid_is_what_its_json_says(grid: ChunkGrid) -> None:
    layout = grid.layout()

    assert ts.ChunkLayout(layout.to_json()) == layout
    assert layout.codec_chunk.rank == layout.read_chunk.rank


def test_layout_of_a_grid_is_precise() -> None:
    layout = ChunkGrid((1, 2), (10, 20), (1, 0)).layout()

    assert layout.to_json() == {
        "grid_origin": [1, 2],
        "inner_order": [1, 0],
        "read_chunk": {"shape": [10, 20]},
        "write_chunk": {"shape": [10, 20]},
    }
