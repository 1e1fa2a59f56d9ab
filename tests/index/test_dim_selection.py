"""Dimension selections: parsing, printing, and what they mean for a domain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from virtchunk import IndexDomain, d
from virtchunk._index.dim_selection import (
    DimRange,
    count_range,
    parse_dim_selection,
    resolve_dim_selection,
)

DOMAIN = IndexDomain(labels=["x", "y", "", "w"])


@pytest.mark.parametrize(
    ("selection", "text", "dims"),
    [
        (0, "d[0]", [0]),
        (-1, "d[-1]", [3]),
        (np.int64(1), "d[1]", [1]),
        (True, "d[1]", [1]),
        ("y", "d['y']", [1]),
        (b"y", "d['y']", [1]),
        (bytearray(b"y"), "d['y']", [1]),
        (np.str_("y"), "d['y']", [1]),
        ((), "d[()]", []),
        ([], "d[()]", []),
        ((2, "x"), "d[2,'x']", [2, 0]),
        ([2, ["x", (1,)]], "d[2,'x',1]", [2, 0, 1]),
        ((d["w"], d[0:2]), "d['w',0:2]", [3, 0, 1]),
        (range(3), "d[0,1,2]", [0, 1, 2]),
        (np.array([2, 0]), "d[2,0]", [2, 0]),
        ({"x": 0}, "d['x']", [0]),
        (slice(None), "d[:]", [0, 1, 2, 3]),
        (slice(None, None, 1), "d[:]", [0, 1, 2, 3]),
        (slice(None, None, -1), "d[::-1]", [3, 2, 1, 0]),
        (slice(1, 3), "d[1:3]", [1, 2]),
        (slice(-2, None), "d[-2:]", [2, 3]),
        (slice(None, -1), "d[:-1]", [0, 1, 2]),
        (slice(2, 2), "d[2:2]", []),
        (slice(3, 0, -2), "d[3:0:-2]", [3, 1]),
        (slice(2, -5, -1), "d[2:-5:-1]", [2, 1, 0]),
        (slice(0, 4, 3), "d[0:4:3]", [0, 3]),
    ],
    ids=str,
)
def test_a_selection_is_flat_printed_and_resolved(
    selection: Any, text: str, dims: list[int]
) -> None:
    assert text == repr(d[selection])
    assert dims == resolve_dim_selection(parse_dim_selection(selection), DOMAIN)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (4, r"dimension 4 does not exist: there are 4, \[-4, 4\)"),
        (-5, "dimension -5 does not exist"),
        ("z", r'no dimension has the label "z".* are "x", "y", "w"'),
        ("", "cannot be selected by label, use its index"),
        ((0, "x"), r'dimension 0 \("x"\) is selected more than once'),
        ((2, -2), "dimension 2 is selected more than once"),
        (slice(4, None), "dimension 4 does not exist"),
        (slice(5), r"slice :5 of dimensions stops outside \[-5, 4\]"),
        (slice(2, 1), "slice 2:1 of 4 dimensions stops before it starts"),
        (slice(1, 2, -1), "slice 1:2:-1 of 4 dimensions stops before it starts"),
    ],
    ids=str,
)
def test_a_selection_that_does_not_fit_a_domain_is_an_index_error(
    selection: Any, message: str
) -> None:
    with pytest.raises(IndexError, match=message):
        resolve_dim_selection(parse_dim_selection(selection), DOMAIN)


def test_without_labels_there_is_none_to_name() -> None:
    with pytest.raises(IndexError, match="all empty"):
        resolve_dim_selection(("x",), IndexDomain(2))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (None, r"got None; for all dimensions write d\[:\]"),
        (..., r"for all dimensions write d\[:\]"),
        (1.5, "got 1.5"),
        ((0, 1.5), "got 1.5"),
        (d[0][3], "already has operations"),
        (slice("x", "y"), "got 'x'.*list labels one by one"),
        (slice(1.0), "got 1.0"),
        (2**64, "64 bits"),
    ],
    ids=str,
)
def test_what_is_no_selection_is_a_type_error(selection: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        d[selection]


def test_a_range_without_a_step_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be zero"):
        d[::0]


@pytest.mark.parametrize(
    ("dims", "count"),
    [
        ((None, 2, 1), 2),
        ((-2, None, 1), 2),
        ((-3, -1, 1), 2),
        ((0, 5, 2), 3),
        ((2, None, -1), 3),
        ((3, 1, -1), 2),
        ((None, -3, -1), 2),
        ((None, None, 1), None),
        ((1, None, 1), None),
        ((None, -1, 1), None),
        ((1, -1, 1), None),
        ((-1, 1, -1), None),
        ((-2, None, -1), None),
    ],
    ids=str,
)
def test_some_ranges_say_how_many_dimensions_they_are(dims: Any, count: int | None) -> None:
    assert count == count_range(DimRange(*dims))
