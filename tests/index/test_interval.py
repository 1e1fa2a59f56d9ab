"""Intervals: what is one, how it moves, and what maps into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtchunk._index.interval import (
    INF,
    INF_SIZE,
    INF_UPPER,
    MAX_INDEX,
    MIN_INDEX,
    check_closed,
    check_half_open,
    check_sized,
    format_interval,
    hull,
    intersect,
    parse_int64,
    preimage,
    shift,
)

SMALL = st.integers(-30, 30)


def test_the_range_of_indices_is_symmetric_and_leaves_room_for_infinity() -> None:
    assert (MIN_INDEX, MAX_INDEX, INF) == (-(2**62 - 2), 2**62 - 2, 2**62 - 1)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [(0, 0), (3, 8), (-INF, INF_UPPER), (-INF, -INF + 2), (MAX_INDEX, INF), (MIN_INDEX, 0)],
)
def test_intervals_are_accepted_as_they_are(lower: int, upper: int) -> None:
    assert check_half_open(lower, upper) == (lower, upper)


@pytest.mark.parametrize(
    ("lower", "upper", "reason"),
    [
        (5, 4, "must not be below"),
        (-INF - 1, 0, "indices lie in"),
        (0, INF_UPPER + 1, "indices lie in"),
        (INF, INF_UPPER, "indices lie in"),
        (-INF, -INF + 1, "indices lie in"),
    ],
)
def test_anything_else_is_refused_with_the_reason(lower: int, upper: int, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"\[{lower}, {upper}\) of dimension 3: .*{reason}"):
        check_half_open(lower, upper, " of dimension 3")


def test_a_closed_interval_ends_one_later_when_half_open() -> None:
    assert check_closed(3, 7) == (3, 8)
    assert check_closed(3, 2) == (3, 3)
    with pytest.raises(ValueError, match=r"\[3, 1\]"):
        check_closed(3, 1)


def test_the_infinite_size_ends_at_infinity_wherever_it_starts() -> None:
    assert check_sized(-5, INF_SIZE) == (-5, INF_UPPER)
    assert check_sized(-5, 7) == (-5, 2)


def test_sizes_are_not_negative() -> None:
    with pytest.raises(ValueError, match="size of dimension 0 must be >= 0, got -1"):
        check_sized(0, -1, " of dimension 0")


@pytest.mark.parametrize("value", [1.0, "1", None, [1]])
def test_integers_are_not_made_from_other_types(value: object) -> None:
    with pytest.raises(TypeError, match="offset must be an integer, got"):
        parse_int64(value, "offset")


def test_integers_fit_in_64_bits() -> None:
    assert parse_int64(-(2**63), "offset") == -(2**63)
    with pytest.raises(TypeError, match="offset must fit in 64 bits"):
        parse_int64(2**63, "offset")


@pytest.mark.parametrize(
    ("interval", "flags", "text"),
    [
        ((0, 5), (False, False), "[0, 5)"),
        ((-INF, 5), (True, False), "(-inf*, 5)"),
        ((0, INF_UPPER), (True, True), "[0*, +inf*)"),
    ],
)
def test_implicit_bounds_have_a_star(
    interval: tuple[int, int], flags: tuple[bool, bool], text: str
) -> None:
    assert text == format_interval(*interval, *flags)


def test_infinite_bounds_stay_when_an_interval_moves() -> None:
    assert shift(-INF, INF_UPPER, 5) == (-INF, INF_UPPER)
    assert shift(-INF, 3, -5) == (-INF, -2)
    assert shift(2, 4, MAX_INDEX - 3) == (MAX_INDEX - 1, INF)


@pytest.mark.parametrize(("interval", "offset"), [((0, 5), MAX_INDEX), ((0, 5), MIN_INDEX - 1)])
def test_a_finite_bound_does_not_leave_the_range(interval: tuple[int, int], offset: int) -> None:
    with pytest.raises(ValueError, match="leaves the range of indices"):
        shift(*interval, offset)


@given(SMALL, st.integers(0, 20), SMALL, st.integers(-7, 7).filter(bool))
def test_the_preimage_holds_exactly_the_indices_that_map_into_the_interval(
    lower: int, size: int, offset: int, stride: int
) -> None:
    first, last = preimage(lower, lower + size, offset, stride)
    inside = [x for x in range(-100, 100) if lower <= offset + stride * x < lower + size]

    assert inside == list(range(first, last))


@pytest.mark.parametrize(
    ("interval", "stride", "expected"),
    [
        ((-INF, 10), 3, (-INF, 4)),
        ((-INF, 10), -3, (-3, INF_UPPER)),
        ((5, INF_UPPER), -2, (-INF, -2)),
        ((-INF, INF_UPPER), -2, (-INF, INF_UPPER)),
    ],
)
def test_infinite_bounds_change_sides_under_a_negative_stride(
    interval: tuple[int, int], stride: int, expected: tuple[int, int]
) -> None:
    assert expected == preimage(*interval, 0, stride)


def test_a_preimage_beyond_the_range_is_an_error() -> None:
    with pytest.raises(IndexError, match=r"into \[0, 5\) of dimension 1 leave the range"):
        preimage(0, 5, 2**62, 1, " of dimension 1")


def test_flags_go_with_the_bound_that_is_chosen() -> None:
    a, b = (0, 5, True, False), (2, 9, False, True)

    assert hull(a, b) == (0, 9, True, True)
    assert intersect(a, b) == (2, 5, False, False)
    assert hull((0, 5, True, True), (0, 5, False, True)) == (0, 5, False, True)


def test_empty_intervals_have_no_say_in_a_hull() -> None:
    assert hull((9, 9, False, False), (0, 3, False, False))[:2] == (0, 3)
    assert hull((0, 3, False, False), (9, 9, False, False))[:2] == (0, 3)
    assert hull((9, 9, False, False), (3, 3, False, False))[:2] == (3, 3)


def test_intervals_without_overlap_meet_in_an_empty_one() -> None:
    assert intersect((0, 3, False, False), (9, 12, False, False))[:2] == (9, 9)
