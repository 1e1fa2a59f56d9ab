"""Every request is cut into one piece per chunk, which say where each element goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import virtchunk as ts
from tests.strategies_views import Base, Selection, views
from virtchunk._grid.partition import Partition, Piece, partition
from virtchunk._grid.regular import RegularDimension


def grid(base: Base) -> list[RegularDimension]:
    return [
        RegularDimension(origin, size, low, low + extent)
        for origin, size, low, extent in zip(
            base.grid_origin, base.chunk, base.origin, base.shape, strict=True
        )
    ]


def cut(base: Base, selection: Selection) -> Partition:
    return partition(selection.transform(ts), grid(base))


@given(views())
def test_reading_piece_by_piece_gives_what_numpy_gives(view: tuple[Base, Selection]) -> None:
    base, selection = view
    values = base.values()
    request = cut(base, selection)
    result = np.zeros(selection.shape, np.int64)
    target = request.request_view(result)
    for piece in request.pieces():
        chunk = values[base.index(piece[0], piece[1])]
        target[piece[3]] = chunk[piece[4]]
    request.spread(result)

    np.testing.assert_array_equal(result, selection.read(base, values))


@given(views())
def test_each_chunk_that_is_touched_occurs_once(view: tuple[Base, Selection]) -> None:
    base, selection = view
    request = cut(base, selection)
    pieces = [Piece(*piece) for piece in request.pieces()]

    assert {piece.lower: piece.upper for piece in pieces} == selection.cells(base)
    assert len(pieces) == request.total == len({piece.lower for piece in pieces})
    for piece in pieces:
        expected = tuple(map(slice, piece.lower, piece.upper))
        assert piece.index_exp in (None, expected)
        assert piece.index_exp is None or min(piece.lower, default=0) >= 0
        assert all(type(bound) is int for bound in piece.lower + piece.upper)


@given(views())
def test_a_piece_covers_its_chunk_if_every_element_is_touched(
    view: tuple[Base, Selection],
) -> None:
    base, selection = view

    covered = {piece[0] for piece in cut(base, selection).pieces() if piece[5]}

    assert covered == selection.covered(base)


@given(views(arrays=False))
def test_a_covering_piece_of_a_box_is_a_view_of_the_chunk_in_order(
    view: tuple[Base, Selection],
) -> None:
    """This is what lets a callback fill the result in place."""
    base, selection = view
    request = cut(base, selection)
    if request.scattered:
        return
    result = np.zeros(selection.shape, np.int64)
    target = request.request_view(result)
    for piece in request.pieces():
        if piece[5]:
            values = base.values()[base.index(piece[0], piece[1])]
            place = target[piece[3]]
            place[...] = values
            np.testing.assert_array_equal(place, values)
            assert np.may_share_memory(place, result) or place.size == 0


@given(views())
def test_pieces_may_be_asked_for_again(view: tuple[Base, Selection]) -> None:
    request = cut(*view)

    assert [piece[:3] for piece in request.pieces()] == [piece[:3] for piece in request.pieces()]


@given(views())
def test_writing_piece_by_piece_keeps_the_last_value_of_each_element(
    view: tuple[Base, Selection],
) -> None:
    base, selection = view
    values = base.values()
    request = cut(base, selection)
    source = -1 - np.arange(np.prod(selection.shape, dtype=int)).reshape(selection.shape)
    for piece in request.pieces():
        chunk = values[base.index(piece[0], piece[1])]
        chunk[piece[4]] = request.request_view(source)[piece[3]]
    expected = base.values()
    last = {}
    for position in np.ndindex(selection.shape):
        last[tuple(int(c[position]) for c in selection.positions(base))] = source[position]
    for position, value in last.items():
        expected[position] = value

    np.testing.assert_array_equal(values, expected)


def test_pieces_of_a_huge_request_are_made_as_they_are_asked_for() -> None:
    size = 10**12
    request = partition(
        ts.IndexTransform(domain=ts.IndexDomain(shape=[10, size])),
        [RegularDimension(0, 5, 0, 10), RegularDimension(0, 1, 0, size)],
    )

    assert request.total == 2 * size
    pieces = request.pieces()
    assert [next(pieces)[0] for _ in range(3)] == [(0, 0), (0, 1), (0, 2)]


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ([ts.OutputIndexMap(input_dimension=0, offset=3)], r"\[3, 6\).*dimension 0.*\[0, 5\)"),
        ([ts.OutputIndexMap(offset=-1)], r"\[-1, 0\).*dimension 0.*\[0, 5\)"),
        ([ts.OutputIndexMap(index_array=[0, 9, 1])], r"9.*dimension 0.*\[0, 5\)"),
    ],
    ids=["stride", "constant", "array"],
)
def test_a_transform_that_leaves_the_base_is_a_value_error(maps: list[Any], message: str) -> None:
    transform = ts.IndexTransform(domain=ts.IndexDomain(shape=[3]), output=maps)

    with pytest.raises(ValueError, match=message):
        list(partition(transform, [RegularDimension(0, 2, 0, 5)]).pieces())
