"""How large the chunks of a view are, dimension by dimension, as other array libraries want it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from virtchunk._drivers.driver import check_finite
from virtchunk._index.interval import INF

if TYPE_CHECKING:
    from virtchunk._store import TensorStore

__all__ = ("ChunkSizes", "chunk_sizes", "chunks_text", "sizes_along")

ChunkSizes: TypeAlias = "tuple[tuple[int, ...] | None, ...]"
"""For each dimension the extents of its chunks; None where they are no intervals, or too many."""

_MOST = 1 << 16
"""Chunks along one dimension that are listed."""

_SHOWN = 6
"""Sizes of irregular chunks that are shown of one dimension."""


def chunk_sizes(view: TensorStore) -> ChunkSizes:
    """Return the extents of the chunks along each dimension of a view.

    A line through the view is cut for each dimension, so that it takes as long as there are chunks
    along the edges of the view, not in it.

    Raises:
        ValueError: If the domain is not finite.
    """
    domain = view.domain
    check_finite(domain)
    if not domain.size:
        return tuple((extent,) for extent in domain.shape)
    return tuple(sizes_along(view, dim) for dim in range(domain.rank))


def sizes_along(view: TensorStore, dim: int) -> tuple[int, ...] | None:
    """Return the extents of the chunks along one dimension, in order.

    None where they are no intervals, or too many to be listed. The dimension must be bounded; no
    dimension may be empty.
    """
    bounds = zip(view.domain.inclusive_min, view.domain.exclusive_max, strict=True)
    inside: list[Any] = [low if low > -INF else min(0, high - 1) for low, high in bounds]
    line = view[(*inside[:dim], slice(None), *inside[dim + 1 :])]
    cut = line._driver.cut(line._transform)
    if cut.scattered:
        return None
    pieces = list(islice(cut.pieces(), _MOST + 1))
    if len(pieces) > _MOST:
        return None
    parts = [cut.region(piece)[0] for piece in pieces]
    return tuple(part.stop - part.start for part in sorted(parts, key=lambda part: part.start))


def chunks_text(view: TensorStore) -> str:
    """Say how large chunks are: one number for each dimension, several where they are irregular."""
    grid = view.chunk_layout.read_chunk
    shape, largest = grid.shape, grid.shape_soft_constraint
    if not shape or not largest or not any(largest) or 0 in view.shape:
        return str(shape)
    sizes = [sizes_along(view, dim) if largest[dim] else size for dim, size in enumerate(shape)]
    shown = [
        f"({', '.join(map(str, size[:_SHOWN]))}, ...)"
        if isinstance(size, tuple) and len(size) > _SHOWN
        else str(size)
        for size in sizes
    ]
    return f"({', '.join(shown)}{',' * (len(shown) == 1)})"
