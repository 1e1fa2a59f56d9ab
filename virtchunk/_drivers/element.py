"""Reading one element: the short way, which the cache alone can answer.

What takes more (a callback that waits, another reader of the chunk, a nested operation) goes the
way of all reads.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np

from virtchunk._engine.one import read_one
from virtchunk._grid.regular import RegularDimension
from virtchunk._index.plain_indexing import element_transform

if TYPE_CHECKING:
    from virtchunk._control import Control
    from virtchunk._drivers.virtual import VirtualDriver
    from virtchunk._future import Operation
    from virtchunk._index.plain_indexing import ElementPlan

__all__ = ("ReadElement",)

Array: TypeAlias = "np.ndarray[Any, Any]"


@final
class ReadElement:
    """One read of an element of a virtual view.

    Args:
        driver: Where from.
        plan: The transform of the view that it is an element of, and its base coordinates.
    """

    __slots__ = ("driver", "plan")

    def __init__(self, driver: VirtualDriver, plan: ElementPlan) -> None:
        self.driver = driver
        self.plan = plan

    def peek(self) -> Array | None:
        """Return the element if the cache holds it, fresh enough; None otherwise."""
        driver = self.driver
        cache = driver.source.cache
        if cache is None:
            return None
        grid = driver.grid
        lowers: list[int] = []
        part: list[Any] = []
        dimension = 0
        for coordinate in self.plan[1]:
            cells = grid[dimension]
            low = cells.inclusive_min
            if not low <= coordinate < cells.exclusive_max:
                return None
            if type(cells) is RegularDimension:  # `bounds`, without a call
                lower = coordinate - (coordinate - cells.origin) % cells.size
                lower = lower if lower > low else low  # noqa: FURB136 - `max` is slower
            else:
                lower, _ = cells.bounds(coordinate)
            lowers.append(lower)
            part.append(coordinate - lower)
            dimension += 1  # noqa: SIM113 - `zip` and `enumerate` are slower
        entry = cache.entries.get(tuple(lowers))
        if entry is None or (entry.time != inf and entry.time < driver.staleness_bound()):
            return None
        cache.pool.used_one(entry)
        part.append(...)  # a view of rank 0, not a scalar
        copy: Array = entry.array[tuple(part)].copy()
        return copy

    def _piece(self) -> tuple[Any, ...] | None:
        """Return the element as a piece of a partition; None if it is outside the base."""
        grid = self.driver.grid
        lowers: list[int] = []
        uppers: list[int] = []
        part: list[Any] = []
        dimension = 0
        for coordinate in self.plan[1]:
            cells = grid[dimension]
            low, high = cells.inclusive_min, cells.exclusive_max
            if not low <= coordinate < high:
                return None
            if type(cells) is RegularDimension:  # as above
                size = cells.size
                lower = coordinate - (coordinate - cells.origin) % size
                upper = lower + size
                lower = lower if lower > low else low  # noqa: FURB136
                upper = upper if upper < high else high  # noqa: FURB136
            else:
                lower, upper = cells.bounds(coordinate)
            lowers.append(lower)
            uppers.append(upper)
            part.append(coordinate - lower)
            dimension += 1  # noqa: SIM113
        part.append(...)
        # Never "covers", which would have the callback fill the result itself, of another shape.
        return tuple(lowers), tuple(uppers), None, ..., tuple(part), False

    def _general(self) -> Operation[Array]:
        return self.driver.read(element_transform(self.plan), "C")

    def describe(self) -> str:
        return self._general().describe()

    def run_blocking(self, control: Control) -> Array:
        driver = self.driver
        source = driver.source
        piece = self._piece()
        if piece is not None:
            result = np.empty((), source.dtype)
            if read_one(source, piece, result, driver.staleness_bound(), None, control.check):
                return result
        return self._general().run_blocking(control)

    async def run(self) -> Array:
        return await self._general().run()
