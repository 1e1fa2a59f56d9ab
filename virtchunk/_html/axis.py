"""One dimension as it is shown: what its coordinates are, and the cells that are drawn of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property

import attrs

from virtchunk._html.text import count_text

__all__ = ("MOST_CELLS", "Axis", "window_of")

MOST_CELLS = 24
"""How many cells are drawn along a dimension; if there are more chunks, each stands for several."""
_WINDOW_CHUNKS = 3
"""How many chunks are drawn on each side of an unbounded dimension's middle."""


@attrs.frozen(kw_only=True)
class Axis:
    """A dimension of a domain and of its grid of chunks, in the coordinates that users see."""

    label: str = ""
    """Its label; empty: it is known by its number."""
    low: int | None
    """First coordinate; None: unbounded."""
    high: int | None
    """One past the last coordinate; None: unbounded."""
    implicit: tuple[bool, bool] = (False, False)
    """Which of the bounds are implicit."""
    chunk: int | None = None
    """Extent of a chunk; None: there are none, or not of one size."""
    window: tuple[int, int]
    """Which coordinates are drawn: all of them, if the dimension is bounded."""
    edges: tuple[int, ...] | None = None
    """Where chunks begin and end in the window, its ends included; None: too many to be drawn."""
    largest: int | None = None
    """Extent of the largest chunk, where they differ: `chunk` is that of the smallest."""
    chunks: int | None = None
    """How many chunks there are; None: not known, or without end."""
    unit: str = ""
    """Physical quantity of one step."""
    length: str = ""
    """Physical quantity of all steps."""

    @property
    def size(self) -> int | None:
        """Extent; None: unbounded."""
        return None if self.low is None or self.high is None else self.high - self.low

    @property
    def size_text(self) -> str:
        """The extent as text."""
        return "∞" if self.size is None else count_text(self.size)

    @property
    def range_text(self) -> str:
        """The bounds as text, implicit ones with a star."""
        lower, upper = ("*" if implicit else "" for implicit in self.implicit)
        left = "(−∞" if self.low is None else f"[{count_text(self.low)}"
        right = "+∞" if self.high is None else count_text(self.high)
        return f"{left}{lower}, {right}{upper})"

    @property
    def chunk_text(self) -> str:
        """The extent of a chunk as text, or the range of extents."""
        if self.chunk is None:
            return ""
        largest = "" if self.largest is None else f"–{count_text(self.largest)}"
        return count_text(self.chunk) + largest

    @cached_property
    def cut(self) -> tuple[int, ...]:
        """Borders of the cells that are drawn: those of chunks, or of equal parts."""
        if self.edges is not None:
            return self.edges
        start, stop = self.window
        return tuple(start + (stop - start) * i // MOST_CELLS for i in range(MOST_CELLS + 1))

    @property
    def fractions(self) -> tuple[float, ...]:
        """The borders as fractions of the window."""
        start, stop = self.window
        extent = max(stop - start, 1)
        return tuple((edge - start) / extent for edge in self.cut)

    def covered(self, low: int, high: int) -> Iterator[tuple[int, float]]:
        """Yield the cells that ``[low, high)`` touches, and which part of each it covers."""
        borders = self.cut
        first = max(bisect_right(borders, low) - 1, 0)
        for cell in range(first, min(bisect_left(borders, high), len(borders) - 1)):
            start, stop = borders[cell], borders[cell + 1]
            if part := min(stop, high) - max(start, low):
                yield cell, part / (stop - start)


def window_of(low: int | None, high: int | None, chunk: int, origin: int) -> tuple[int, int]:
    """Choose which coordinates of a dimension to draw: all, or some chunks if it is unbounded."""
    reach = _WINDOW_CHUNKS * chunk
    if low is None:
        low = origin - reach if high is None else high - 2 * reach
    if high is None:
        high = low + 2 * reach
    return low, high
