"""The rules by which two domains merge; recorded from tensorstore 0.1.86."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import Extent, domain_text
from tests.strategies_schema import OURS, evaluate, small_domains
from virtchunk._index.domain import IndexDomain
from virtchunk._schema.domain_merge import merge_domains

INF = 2**62 - 1
BOUNDS = ["inf", "inf*", "0", "0*", "1", "1*"]
MERGED = {
    ("inf", "inf"): "inf",
    ("inf", "inf*"): "inf",
    ("inf*", "inf*"): "inf*",
    ("inf*", "0"): "0",
    ("inf*", "0*"): "0*",
    ("inf*", "1"): "1",
    ("inf*", "1*"): "1*",
    ("0", "0"): "0",
    ("0", "0*"): "0",
    ("0*", "0*"): "0*",
    ("1", "1"): "1",
    ("1", "1*"): "1",
    ("1*", "1*"): "1*",
}
"""What two bounds become; all other pairs conflict."""


def lower(bound: str) -> IndexDomain:
    """A domain with this lower bound, where ``*`` means implicit."""
    value = -INF if "inf" in bound else int(bound[0])
    implicit = bound.endswith("*")
    return IndexDomain(inclusive_min=[value], exclusive_max=[5], implicit_lower_bounds=[implicit])


def upper(bound: str) -> IndexDomain:
    """A domain with this upper bound, six more than the number."""
    value = INF + 1 if "inf" in bound else int(bound[0]) + 6
    implicit = bound.endswith("*")
    return IndexDomain(inclusive_min=[0], exclusive_max=[value], implicit_upper_bounds=[implicit])


@pytest.mark.parametrize("make", [lower, upper])
@pytest.mark.parametrize(("existing", "new"), [*product(BOUNDS, BOUNDS)])
def test_pairs_of_bounds(make: Callable[[str], IndexDomain], existing: str, new: str) -> None:
    merged = MERGED.get((existing, new), MERGED.get((new, existing)))
    if merged is None:
        with pytest.raises(ValueError, match="only a bound that is both infinite and implicit"):
            merge_domains(make(existing), make(new))
    else:
        assert merge_domains(make(existing), make(new)) == make(merged)


@pytest.mark.parametrize(
    ("existing", "new", "merged"),
    [
        (["x", ""], ["", "y"], ["x", "y"]),
        (["x", ""], ["x", ""], ["x", ""]),
        (["x", "y"], ["", ""], ["x", "y"]),
    ],
)
def test_an_empty_label_gives_way(existing: list[str], new: list[str], merged: list[str]) -> None:
    result = merge_domains(IndexDomain(labels=existing), IndexDomain(labels=new))

    assert result == IndexDomain(labels=merged)


@pytest.mark.parametrize(
    ("existing", "new", "message"),
    [
        (IndexDomain(2), IndexDomain(3), r"ranks differ \(2 and 3\)"),
        (
            IndexDomain(labels=["x", "y"]),
            IndexDomain(labels=["", "z"]),
            'dimension 1 .*"y" and "z"',
        ),
        (
            IndexDomain(shape=[1, 2]),
            IndexDomain(shape=[1, 3]),
            "dimension 1, the upper bounds 2 and",
        ),
        (
            IndexDomain(inclusive_min=[3], labels=["x"]),
            IndexDomain(exclusive_max=[2]),
            r'dimension 0 \("x"\), the merged lower bound 3 is above the merged upper bound 2',
        ),
        # Ours; there the result has two dimensions "x":
        (
            IndexDomain(labels=["x", ""]),
            IndexDomain(labels=["", "x"]),
            '"x" repeats .* dimension 0',
        ),
    ],
)
def test_a_conflict_names_the_dimension_and_both_values(
    existing: IndexDomain, new: IndexDomain, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        merge_domains(existing, new)


def merged_or_none(*domains: IndexDomain | None) -> IndexDomain | None:
    """Merge from left to right; None if some merge is refused."""
    result = domains[0]
    for domain in domains[1:]:
        if result is None or domain is None:
            return None
        try:
            result = merge_domains(result, domain)
        except ValueError:
            return None
    return result


def domain(extents: list[Extent]) -> IndexDomain:
    made: IndexDomain = evaluate(OURS, domain_text(extents))
    return made


@given(st.integers(0, 3).flatmap(lambda rank: st.tuples(*[small_domains(rank)] * 3)))
def test_order_does_not_matter(drawn: tuple[list[Extent], ...]) -> None:
    a, b, c = map(domain, drawn)

    assert merged_or_none(a, a) == a
    assert merged_or_none(a, b) == merged_or_none(b, a)
    assert merged_or_none(a, b, c) == merged_or_none(a, merged_or_none(b, c))
