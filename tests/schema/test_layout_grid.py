"""`ChunkLayout.Grid`. Unless a test says so, the original (0.1.86) gives the same answers."""

from __future__ import annotations

import copy
import math
import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given

import virtchunk as ts
from tests.strategies_layout import grid_texts, observe_grid, ranks
from tests.strategies_schema import OURS, evaluate, outcome

Grid = ts.ChunkLayout.Grid


def test_nothing_is_known_of_an_unconstrained_grid() -> None:
    grid = Grid()

    assert observe_grid(grid) == [{}, *[None] * 8]


def test_values_without_a_constraint_are_none_once_the_rank_is_known() -> None:
    grid = Grid(rank=2)

    assert (grid.rank, grid.ndim) == (2, 2)
    assert grid.shape == grid.shape_soft_constraint == (None, None)
    assert grid.aspect_ratio == grid.aspect_ratio_soft_constraint == (None, None)
    assert grid.elements is None


JSON_OF_KEYWORDS: list[tuple[dict[str, Any], Any]] = [
    ({"rank": -1}, {}),
    ({"shape": []}, {}),
    ({"shape": [1, None, 0]}, {"shape": [1, None, None]}),
    ({"shape": [-1, 4]}, {"shape": [None, 4], "shape_soft_constraint": [-1, None]}),
    ({"shape": (x for x in (3, 4))}, {"shape": [3, 4]}),
    ({"shape": np.array([3, 4])}, {"shape": [3, 4]}),
    ({"shape": [1, 2], "shape_soft_constraint": [3, 4]}, {"shape": [1, 2]}),
    ({"shape_soft_constraint": [3, 4], "shape": [1, 2]}, {"shape": [1, 2]}),
    (
        {"shape": [1, None], "shape_soft_constraint": [3, 4]},
        {"shape": [1, None], "shape_soft_constraint": [None, 4]},
    ),
    ({"aspect_ratio": [1, 0, None, 2.5]}, {"aspect_ratio": [1.0, None, None, 2.5]}),
    ({"aspect_ratio": [-0.0]}, {}),
    ({"aspect_ratio": [np.float32(2)]}, {"aspect_ratio": [2.0]}),
    ({"aspect_ratio": [Fraction(5, 2)]}, {"aspect_ratio": [2.5]}),
    ({"elements": 0}, {"elements": 0}),
    ({"elements": True}, {"elements": 1}),
    ({"elements": np.int8(4)}, {"elements": 4}),
    ({"elements": np.float32(4)}, {"elements": 4}),
    ({"elements": Decimal(4)}, {"elements": 4}),
    ({"elements": Fraction(9, 2)}, {"elements": 4}),
    ({"elements": 4, "elements_soft_constraint": 5}, {"elements": 4}),
    ({"elements_soft_constraint": 5}, {"elements_soft_constraint": 5}),
    ({"elements": -(2**63)}, {}),
    (
        {"grid": Grid(shape=[1, 2]), "aspect_ratio_soft_constraint": [None, 3]},
        {"shape": [1, 2], "aspect_ratio_soft_constraint": [None, 3.0]},
    ),
]


@pytest.mark.parametrize(("keywords", "json"), JSON_OF_KEYWORDS)
def test_keywords_become_json(keywords: dict[str, Any], json: Any) -> None:
    assert Grid(**keywords).to_json() == json


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"rank": 33}, ValueError, r"invalid rank: rank must be in \[0, 32\], got 33"),
    ({"rank": 2.0}, TypeError, "invalid rank: expected an integer, got 2.0"),
    ({"rank": 2**63}, TypeError, "at most 64 bits"),
    ({"shape": [1] * 33}, ValueError, "got 33"),
    ({"shape": [1, 2], "rank": 3}, ValueError, "rank 2 differs from rank 3"),
    ({"shape": [-2]}, ValueError, "chunk size -2 for dimension 0"),
    ({"shape": [1, 2**62 - 1]}, ValueError, "for dimension 1"),
    ({"shape": 5}, TypeError, "expected one value for each dimension, got 5"),
    ({"shape": "12"}, TypeError, "expected one value for each dimension, got '12'"),
    ({"shape": {1: 2}}, TypeError, "expected one value for each dimension"),
    ({"shape": [1.0]}, TypeError, "expected an integer, got 1.0"),
    ({"shape": ["1"]}, TypeError, "expected an integer, got '1'"),
    ({"aspect_ratio": [1, -1]}, ValueError, "aspect ratio -1.0 for dimension 1"),
    ({"aspect_ratio": [math.nan]}, ValueError, "positive and finite"),
    ({"aspect_ratio": [math.inf]}, ValueError, "positive and finite"),
    ({"aspect_ratio": ["1"]}, TypeError, "expected a number, got '1'"),
    ({"aspect_ratio": [1j]}, TypeError, "expected a number"),
    ({"elements": -1}, ValueError, "number of elements -1"),
    ({"elements": 2**62 - 1}, ValueError, "number of elements"),
    ({"elements": 2**63}, TypeError, "at most 64 bits"),
    ({"grid": {"shape": [1]}}, TypeError, "expected a ChunkLayout.Grid"),
    ({"grid": Grid(shape=[3]), "shape": [4]}, ValueError, "invalid grid: hard constraint 3"),
    ({"grid": Grid(elements=3), "elements": 4}, ValueError, "hard constraint 3 differs"),
    ({"size": 3}, TypeError, "unexpected keyword argument 'size'"),
]


@pytest.mark.parametrize(("keywords", "error", "message"), REFUSED)
def test_what_is_no_grid(keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Grid(**keywords)


def test_soft_merging_turns_hard_constraints_into_soft_ones() -> None:
    """As documented; the original keeps them hard."""
    grid = Grid(
        shape_soft_constraint=[None, 7],
        grid_soft_constraint=Grid(shape=[4, 5], aspect_ratio=[1, None], elements=6),
    )

    assert grid.to_json() == {
        "aspect_ratio_soft_constraint": [1.0, None],
        "elements_soft_constraint": 6,
        "shape_soft_constraint": [4, 7],
    }


def test_json_and_keywords_do_not_mix() -> None:
    with pytest.raises(TypeError, match="either json or keywords"):
        Grid({}, rank=2)


def test_an_update_that_fails_changes_nothing() -> None:
    """The original keeps what it added before it failed."""
    grid = Grid(elements=4)
    with pytest.raises(ValueError, match="invalid elements"):
        grid.update(shape=[3], elements=5)

    assert grid == Grid(elements=4)


def test_equality_is_about_values() -> None:
    assert Grid(rank=2) == Grid(shape=[None, None])
    assert Grid(rank=2) != Grid()
    assert Grid(shape=[1, 2]) != Grid(shape_soft_constraint=[1, 2])
    assert Grid() != {}


def test_a_grid_that_can_change_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Grid())


def test_repr_shows_the_json() -> None:
    assert repr(Grid(shape=[1, None])) == "ChunkLayout.Grid({'shape': [1, None]})"


@given(ranks().flatmap(grid_texts))
def test_copies_are_equal_and_independent(text: str) -> None:
    assume(not isinstance(outcome(OURS, f"ts.ChunkLayout.Grid({text})"), type))
    grid = evaluate(OURS, f"ts.ChunkLayout.Grid({text})")

    for made in (copy.copy(grid), copy.deepcopy(grid), pickle.loads(pickle.dumps(grid))):
        assert made == grid
        assert observe_grid(made) == observe_grid(grid)
        made.update(elements_soft_constraint=12345)
        assert made.elements == grid.elements
        assert grid.elements_soft_constraint != 12345


@given(ranks().flatmap(grid_texts))
def test_json_tells_everything_but_the_rank(text: str) -> None:
    assume(not isinstance(outcome(OURS, f"ts.ChunkLayout.Grid({text})"), type))
    grid = evaluate(OURS, f"ts.ChunkLayout.Grid({text})")
    again = Grid(grid.to_json())
    if grid.rank is not None:
        again.update(rank=grid.rank)

    assert again == grid
    assert again.to_json() == grid.to_json(include_defaults=True)
