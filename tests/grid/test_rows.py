"""Rows are the pieces of a box, taken together along the last dimension of the grid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.grid.test_partition import cut
from tests.strategies_views import Base, Selection, views
from virtchunk._grid import box
from virtchunk._grid.box import BoxPartition


def pieces_of_rows(request: BoxPartition) -> list[tuple[Any, ...]]:
    """Lower bound, index into the request, index into the chunk, for each piece of all rows."""
    pieces = []
    for row in request.rows():
        columns = row.columns
        start, stop = row.out[-1].start, row.out[-1].stop
        assert (columns.out[0].start, columns.out[-1].stop) == (start, stop)
        for lower, out, part in zip(columns.lower, columns.out, columns.part, strict=True):
            pieces.append(((*row.lower, lower), (*row.out[:-1], out), (*row.part, part)))
    return pieces


@pytest.mark.parametrize("batch", [1, 2, 1024])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(view=views(arrays=False))
def test_rows_are_the_pieces_in_their_order(
    view: tuple[Base, Selection], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box, "_BATCH", batch)
    request = cut(*view)
    if not isinstance(request, BoxPartition):
        return
    pieces = list(request.pieces())

    assert [(lower, out, part) for lower, _, _, out, part, _ in pieces] == pieces_of_rows(request)
    whole = [row.covers for row in request.rows() for _ in row.columns.lower]
    assert all(piece[5] for piece, covers in zip(pieces, whole, strict=True) if covers)
    assert all(whole) or not all(piece[5] for piece in pieces)
