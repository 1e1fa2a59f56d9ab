"""Cutting a large request into boxes of whole chunks, each of a bounded number of elements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from types import MappingProxyType
from typing import Final, final

from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform

__all__ = ("Tiles", "grown", "restricted")

_NONE: Final[Mapping[int, Iterable[int]]] = MappingProxyType({})


@final
class Tiles:
    """A finite domain cut into boxes.

    Args:
        domain: What to cut.
        origin: Where a chunk begins.
        chunk: The extents of a chunk; no tile cuts through one.
        elements: How many elements a tile has at most, unless a single chunk has more.
        sizes: Of the chunks one by one, for dimensions where ``chunk`` is only the largest.
    """

    def __init__(
        self,
        domain: IndexDomain,
        origin: Sequence[int],
        chunk: Sequence[int],
        elements: int,
        sizes: Mapping[int, Iterable[int]] = _NONE,
    ) -> None:
        self._domain = domain
        tile = grown(chunk, domain.shape, elements)
        bounds = zip(domain.inclusive_min, domain.exclusive_max, strict=True)
        self._cuts = [
            _joined(low, sizes[dim], tile[dim])
            if dim in sizes
            else _cuts(low, high, origin[dim], tile[dim])
            for dim, (low, high) in enumerate(bounds)
        ]
        self.total = math.prod(max(0, len(cuts) - 1) for cuts in self._cuts)

    def __iter__(self) -> Iterator[IndexDomain]:
        explicit = (False,) * self._domain.rank
        labels = self._domain.labels
        for bounds in product(*[list(pairwise(cuts)) for cuts in self._cuts]):
            lower = tuple(low for low, _ in bounds)
            upper = tuple(high for _, high in bounds)
            yield IndexDomain._trusted(lower, upper, labels, explicit, explicit)


def grown(chunk: Sequence[int], shape: Sequence[int], elements: int) -> list[int]:
    """Return the extents of a box of whole chunks that has about so many elements.

    It grows along the last dimension first: that is how most sources and targets lie in memory.
    """
    tile = list(chunk)
    for i in reversed(range(len(tile))):
        others = math.prod(tile) // tile[i]
        whole = _up(max(1, shape[i]), tile[i])
        tile[i] = max(tile[i], min(elements // others // tile[i] * tile[i], whole))
    return tile


def restricted(transform: IndexTransform, domain: IndexDomain) -> IndexTransform:
    """Return a transform on a part of its domain, given with explicit bounds."""
    if any(output.index_array is not None for output in transform._output):
        return transform[domain]
    return IndexTransform._trusted(domain, transform._output)


def _up(extent: int, size: int) -> int:
    """Return the smallest multiple of ``size`` that holds ``extent`` wherever it begins."""
    return (-(-extent // size) + 1) * size


def _cuts(low: int, high: int, start: int, size: int) -> list[int]:
    """Return the borders of the tiles of ``[low, high)``, both ends included."""
    if low == high:
        return [low]
    first = low + size - (low - start) % size
    return [low, *range(first, high, size), high]


def _joined(low: int, sizes: Iterable[int], most: int) -> list[int]:
    """Return the borders of tiles of whole chunks, none larger than ``most`` nor than its chunk."""
    cuts, end = [low], low
    for size in sizes:
        if end > cuts[-1] and end + size > cuts[-1] + most:
            cuts.append(end)
        end += size
    return cuts if end == low else [*cuts, end]
