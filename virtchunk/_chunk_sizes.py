"""How large the chunks of a view are, dimension by dimension, as other array libraries want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from virtchunk._drivers.driver import check_finite

if TYPE_CHECKING:
    from virtchunk._store import TensorStore

__all__ = ("ChunkSizes", "chunk_sizes")

ChunkSizes: TypeAlias = "tuple[tuple[int, ...] | None, ...]"
"""For each dimension the extents of its chunks, in order; None where they are no intervals."""


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
    return tuple(_sizes(view, dim) for dim in range(domain.rank))


def _sizes(view: TensorStore, dim: int) -> tuple[int, ...] | None:
    origin = view.domain.inclusive_min
    line = view[(*origin[:dim], slice(None), *origin[dim + 1 :])]
    cut = line._driver.cut(line._transform)
    if cut.scattered:
        return None
    parts = [cut.region(piece)[0] for piece in cut.pieces()]
    return tuple(part.stop - part.start for part in sorted(parts, key=lambda part: part.start))
