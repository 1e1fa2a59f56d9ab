"""One dimension of a chunk grid whose cells have sizes of their own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Self, final

import attrs

__all__ = ("IrregularDimension",)


@final
@attrs.frozen
class IrregularDimension:
    """Cells between given borders; the same to the planner as a `RegularDimension`."""

    borders: tuple[int, ...]
    """Coordinates at which cells begin, in increasing order, and one past the last coordinate."""

    @classmethod
    def of_sizes(cls, inclusive_min: int, sizes: Iterable[int]) -> Self:
        """Lay cells of these sizes, each > 0, side by side."""
        return cls(tuple(accumulate(sizes, initial=inclusive_min)))

    @property
    def inclusive_min(self) -> int:
        return self.borders[0]

    @property
    def exclusive_max(self) -> int:
        return self.borders[-1]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many coordinates each cell holds."""
        return tuple(upper - lower for lower, upper in pairwise(self.borders))

    def bounds(self, coordinate: int) -> tuple[int, int]:
        borders = self.borders
        place = bisect_right(borders, coordinate)
        return borders[place - 1], borders[place]

    def cells(self, first: int, last: int) -> int:
        return bisect_right(self.borders, last) - bisect_right(self.borders, first) + 1
