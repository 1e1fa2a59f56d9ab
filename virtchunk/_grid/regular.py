"""One dimension of a chunk grid, and how a strided run of coordinates falls into its cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, final

import attrs

__all__ = ("Columns", "DimensionGrid", "RegularDimension", "columns")


class DimensionGrid(Protocol):
    """What the planner asks of one dimension of a chunk grid."""

    @property
    def inclusive_min(self) -> int:
        """First coordinate of the dimension; ``-inf`` when unbounded."""

    @property
    def exclusive_max(self) -> int:
        """One past its last coordinate; ``inf + 1`` when unbounded."""

    def bounds(self, coordinate: int) -> tuple[int, int]:
        """Return the half-open bounds, clipped to the dimension, of a coordinate's cell."""

    def cells(self, first: int, last: int) -> int:
        """Count the cells that hold a coordinate of ``[first, last]``."""


@final
@attrs.frozen
class RegularDimension:
    """Cells of one size, laid out from ``origin`` in both directions, clipped to the bounds."""

    origin: int
    size: int
    inclusive_min: int
    exclusive_max: int

    def bounds(self, coordinate: int) -> tuple[int, int]:
        size = self.size
        lower = coordinate - (coordinate - self.origin) % size
        upper = lower + size
        low, high = self.inclusive_min, self.exclusive_max
        # Conditions: `max` and `min` take longer than the rest of a small read's planning.
        return lower if lower > low else low, upper if upper < high else high  # noqa: FURB136

    def cells(self, first: int, last: int) -> int:
        return (last - self.origin) // self.size - (first - self.origin) // self.size + 1


class Columns(NamedTuple):
    """Per cell that a run of coordinates touches, one entry in each column."""

    lower: list[int]
    """First coordinate of the clipped cell."""
    upper: list[int]
    """One past its last coordinate."""
    base: list[slice]
    """The two as a slice: what ``domain.index_exp`` of the chunk shows for this dimension."""
    out: list[slice]
    """Positions in the request (counted from 0) that fall into the cell."""
    part: list[slice]
    """The same positions inside the cell (counted from its clipped lower bound)."""
    whole: list[bool]
    """Whether that is all of the cell, in order."""


def columns(
    grid: DimensionGrid, start: int, stride: int, count: int, batch: int
) -> Iterator[Columns]:
    """Lay the coordinates ``start + stride * k``, ``0 <= k < count``, over a dimension's cells.

    Args:
        grid: The dimension.
        start: Coordinate of the request's position 0.
        stride: Distance between neighbouring positions, >= 1.
        count: Number of positions, >= 0.
        batch: How many cells one `Columns` holds at most, so that memory stays bounded however
            many cells there are.
    """
    position = 0
    while position < count:
        batched = Columns([], [], [], [], [], [])
        lowers, uppers, bases, outs, parts, wholes = batched
        while position < count and len(lowers) < batch:
            coordinate = start + stride * position
            lower, upper = grid.bounds(coordinate)
            # first position whose coordinate is >= upper
            end = min(count, -((start - upper) // stride))
            first = coordinate - lower
            lowers.append(lower)
            uppers.append(upper)
            bases.append(slice(lower, upper))
            outs.append(slice(position, end))
            parts.append(slice(first, first + (end - position - 1) * stride + 1, stride))
            wholes.append(end - position == upper - lower)
            position = end
        yield batched
