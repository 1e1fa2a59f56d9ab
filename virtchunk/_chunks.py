"""`TensorStore.chunks`: the shape of the chunks, which streams them when it is called.

Other libraries look for a tuple of that name; a program that reads chunk by chunk calls it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self, final

from virtchunk._grid.partition import Partition
from virtchunk._index.domain import IndexDomain
from virtchunk._stream import DEFAULT_MAX_BYTES, ChunkOrder, ChunkStream

if TYPE_CHECKING:
    from virtchunk._engine.job import Progress
    from virtchunk._store import TensorStore

__all__ = ("Chunks",)


@final
class Chunks(tuple[int, ...]):  # noqa: SLOT001 - a tuple cannot have slots that are not empty
    """The shape of a view's chunks, and the way to read them one after another.

    A tuple of integers, one for each dimension, as other array libraries have it: of irregular
    chunks the largest, of a dimension that is not cut its extent.

    Made by `TensorStore.chunks`.

    Example:
        >>> ts.array(np.zeros((3, 4))).chunks
        (3, 4)
    """

    _view: TensorStore

    def __new__(cls, view: TensorStore) -> Self:
        domain = view.domain
        grid = view.chunk_layout.read_chunk
        unknown = (None,) * domain.rank
        sizes = zip(
            grid.shape or unknown,
            grid.shape_soft_constraint or unknown,  # the largest, where they differ
            domain.shape,
            strict=True,
        )
        self = super().__new__(
            cls, (size or largest or max(extent, 1) for size, largest, extent in sizes)
        )
        self._view = view
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)

    def __call__(
        self,
        *,
        order: ChunkOrder = "completion",
        max_bytes: int = DEFAULT_MAX_BYTES,
        progress: Progress | None = None,
    ) -> ChunkStream:
        """Read the chunks of the domain one after another, when all of it would not fit.

        Args:
            order: ``"completion"``: each chunk as soon as it has been read. ``"grid"``: row by row.
            max_bytes: How much may be read ahead, in bytes.
            progress: Called as ``progress(done, total, nbytes)`` for each chunk read.

        Returns:
            To be used as ``async with view.chunks() as stream``, and then
            ``async for domain, array in stream``. Each ``domain`` is a part of this view's domain,
            so that ``view[domain]`` is the view of the chunk.

        Raises:
            ValueError: If the view is write-only, its domain is not finite, or index arrays make
                its chunks anything else than boxes.
        """
        view = self._view
        if order not in {"completion", "grid"}:
            raise ValueError(f"order must be 'completion' or 'grid', got {order!r}")
        if not view.readable:
            raise ValueError(f"{view!r} does not support reading: it has no read_function")
        cut = view._driver.cut(view._transform)
        if cut.scattered:
            raise ValueError(
                f"{view!r} is made with index arrays, so that its chunks are no boxes; use read()"
            )
        regions = map(partial(_region, view.domain, cut), cut.pieces())
        return ChunkStream(view, regions, cut.total, order, max_bytes, progress)


def _region(domain: IndexDomain, cut: Partition, piece: tuple[Any, ...]) -> IndexDomain:
    """Return the part of a view's domain that lies in one chunk."""
    explicit = (False,) * domain.rank
    bounds = list(zip(domain.inclusive_min, cut.region(piece), strict=True))
    return IndexDomain._trusted(
        tuple(low + part.start for low, part in bounds),
        tuple(low + part.stop for low, part in bounds),
        domain.labels,
        explicit,
        explicit,
    )
