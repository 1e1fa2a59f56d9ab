"""Alignment of a source to a target, as writes and copies do it."""

from __future__ import annotations

from typing import Any

import pytest

from virtchunk import IndexDomain, OutputIndexMap
from virtchunk._index.alignment import align


def box(shape: tuple[int, ...], labels: str = "", origin: int = 0) -> IndexDomain:
    """A domain; ``_`` in ``labels`` is an unlabeled dimension."""
    names = [label.replace("_", "") for label in labels] or None
    return IndexDomain(shape=shape, labels=names, inclusive_min=[origin] * len(shape))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (box((2, 3)), box((2, 3)), [0, 1]),
        (box((3,)), box((2, 3)), [1]),
        (box(()), box((2, 3)), []),
        (box((2, 1)), box((2, 3)), [0, None]),
        (box((1, 1, 3)), box((2, 3)), [None, None, 1]),
        (box((3, 2), "yx"), box((2, 3), "xy"), [1, 0]),
        (box((3, 2), "_x"), box((2, 3), "x_"), [1, 0]),
        (box((2,), "x"), box((2, 3), "xy"), [0]),
        (box((2, 3)), box((2, 3), "xy"), [0, 1]),
        (box((2, 3), "y_"), box((2, 3)), [0, 1]),
        (box((3, 1), "yz"), box((2, 3), "xy"), [1, None]),
        (box((4, 3), "_x"), box((2, 3, 4), "_x_"), [2, 1]),
        (box((1, 2, 4, 3), "q__x"), box((2, 3, 4), "_x_"), [None, 0, 2, 1]),
        (box((0, 3)), box((0, 3)), [0, 1]),
        (box((1, 3)), box((0, 3)), [None, 1]),
    ],
    ids=str,
)
def test_dimensions_are_matched_by_label_then_from_the_last(
    source: IndexDomain, target: IndexDomain, expected: list[int | None]
) -> None:
    transform = align(source, target)

    assert target == transform.domain
    assert expected == [output.input_dimension for output in transform.output]


def test_origins_do_not_matter() -> None:
    transform = align(box((2, 3), origin=7), box((2, 3), origin=5))

    assert list(transform.output) == [OutputIndexMap(i, 2) for i in range(2)]


def test_a_repeated_dimension_stays_at_its_only_index() -> None:
    assert align(box((1,), origin=7), box((3,)))([2]) == (7,)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (
            box((3, 2)),
            box((2, 3)),
            r"dimension 0 \[0, 3\) of the source does not fit dimension 0 \[0, 2\) of the target;"
            r" dimension 1 \[0, 2\) of the source does not fit dimension 1 \[0, 3\)",
        ),
        (box((2, 1, 3)), box((2, 3)), r"dimension 0 \[0, 2\) of the source has no counterpart"),
        (
            box((3, 2), "yz"),
            box((2, 3), "xy"),
            r'dimension 1 \("z"\) \[0, 2\) of the source has no counterpart',
        ),
        (box((2,), "_"), box((2, 3), "x_"), "does not fit dimension 1"),
        (box((2, 3), "xy"), box((1, 3), "xy"), "does not fit dimension 0"),
        (box((0, 3)), box((1, 3)), "does not fit dimension 0"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(source: IndexDomain, target: IndexDomain, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        align(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"rank": 1}, {"rank": 1}),
        ({"inclusive_min": [3]}, {"inclusive_min": [3]}),
    ],
)
def test_infinite_dimensions_fit_each_other(source: Any, target: Any) -> None:
    transform = align(IndexDomain(**source), IndexDomain(**target))

    assert transform([5]) == (5,)


def test_an_infinite_dimension_does_not_fit_a_finite_one() -> None:
    with pytest.raises(ValueError, match=r"\(-inf\*, \+inf\*\) of the source does not fit"):
        align(IndexDomain(1), box((3,)))
