"""Hypothesis strategies for requests to views whose chunks have sizes of their own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any, TypeAlias

import attrs
from hypothesis import strategies as st

from tests.strategies_views import Base, Selection, selections

__all__ = ["IrregularBase", "irregular_bases", "irregular_views"]

Draw: TypeAlias = Callable[..., Any]


@attrs.frozen
class IrregularBase(Base):
    """A domain cut into chunks of given sizes; ``chunk`` and ``grid_origin`` mean nothing."""

    sizes: tuple[tuple[int, ...], ...]
    """Per dimension the sizes of its chunks, each > 0."""

    def cell(self, position: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        lower, upper = [], []
        for x, low, sizes in zip(position, self.origin, self.sizes, strict=True):
            borders = list(accumulate(sizes, initial=low))
            lower.append(max(border for border in borders if border <= x))
            upper.append(min(border for border in borders if border > x))
        return tuple(lower), tuple(upper)


@st.composite
def irregular_bases(draw: Draw) -> IrregularBase:
    """Arrays of rank 0 to 3: one chunk, chunks of one element, no chunk at all, sizes alike."""
    rank = draw(st.sampled_from([2, 1, 3, 0]))
    several = st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4)
    # Chunks of one size are in the minority, but have to work next to others.
    alike = st.sampled_from([[2, 2], [3, 3, 1], [5], []])
    sizes = [tuple(draw(st.one_of(several, several, several, alike))) for _ in range(rank)]
    return IrregularBase(
        origin=tuple(draw(st.sampled_from([0, 0, 3, -7])) for _ in range(rank)),
        shape=tuple(map(sum, sizes)),
        chunk=(1,) * rank,
        grid_origin=(0,) * rank,
        sizes=tuple(sizes),
    )


@st.composite
def irregular_views(draw: Draw, *, arrays: bool = True) -> tuple[IrregularBase, Selection]:
    """A base and a request to it."""
    base = draw(irregular_bases())
    return base, draw(selections(base, arrays=arrays))
