"""Copying one view into another, tile by tile, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, final

import anyio
import anyio.lowlevel

from virtchunk._chunk_sizes import sizes_along
from virtchunk._control import Control
from virtchunk._engine.job import Progress
from virtchunk._future import Future
from virtchunk._grid.tiles import Tiles
from virtchunk._index.alignment import align
from virtchunk._interrupts import at_checkpoints
from virtchunk._schema.conversion import check_cast
from virtchunk._store import TensorStore
from virtchunk._stream import DEFAULT_MAX_BYTES

if TYPE_CHECKING:
    import numpy as np

__all__ = ("copy",)

Array: TypeAlias = "np.ndarray[Any, Any]"

_TILES_AT_ONCE = 4
"""Tiles under way: while one is written, others are read."""


def copy(
    source: TensorStore,
    target: TensorStore,
    *,
    progress: Progress | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Future[None]:
    """Write one view into another, without ever holding all of it.

    The target's domain is cut into tiles of whole write chunks, so that no chunk is written twice
    or read back; each tile is read from the source and written, several at a time.

    Args:
        source: What to read; it is aligned with the target as in `TensorStore.write`.
        target: Where to write.
        progress: Called as ``progress(done, total, nbytes)`` for each tile written.
        max_bytes: How much of the source may be held at a time, in bytes. At least one chunk of
            the target is.

    Returns:
        A future that runs the copy where it is awaited. Cancelling it leaves the tiles that were
        written, and nothing running.

    Raises:
        ValueError: If the source cannot be read or the target not written, if the domains do not
            fit, or if ``max_bytes`` is not positive.
        TypeError: If the elements cannot be converted.

    Example:
        >>> squares = ts.array(np.arange(6) ** 2)
        >>> target = ts.array(np.zeros(6, np.int64))
        >>> ts.copy(squares, target).result()
        >>> target.read().result()
        array([ 0,  1,  4,  9, 16, 25])
    """
    if not source.readable:
        raise ValueError(f"the source of a copy must be readable, got {source!r}")
    if not target.writable:
        raise ValueError(f"the target of a copy must be writable, got {target!r}")
    if max_bytes <= 0:
        raise ValueError(f"max_bytes must be positive, got {max_bytes}")
    check_cast(source.dtype.numpy_dtype, target.dtype)
    aligned = source[align(source.domain, target.domain)]
    return Future._of(_Copy(aligned, target, progress, max_bytes))


@final
class _Copy:
    """The operation behind `copy`; both views have the same domain."""

    def __init__(
        self, source: TensorStore, target: TensorStore, progress: Progress | None, max_bytes: int
    ) -> None:
        self.source = source
        self.target = target
        self.progress = progress
        self.max_bytes = max_bytes

    def describe(self) -> str:
        return f"copy of {self.source!r} to {self.target!r}"

    def _prepare(self) -> Tiles:
        itemsize = self.source.dtype.numpy_dtype.itemsize
        origin, chunk, sizes = _chunks(self.source, self.target)
        elements = max(1, self.max_bytes // _TILES_AT_ONCE // itemsize)
        return Tiles(self.target.domain, origin, chunk, elements, sizes)

    def run_blocking(self, control: Control) -> None:
        tiles = self._prepare()
        nbytes = 0
        for done, tile in enumerate(tiles, 1):
            control.check()
            array = self.source[tile].read().result()
            self.target[tile].write(array).result()
            nbytes += array.nbytes
            if self.progress is not None:
                self.progress(done, tiles.total, nbytes)

    async def run(self) -> None:
        await anyio.lowlevel.checkpoint()
        tiles = self._prepare()
        pool = _Pool(self, tiles)
        async with anyio.create_task_group() as group:
            for _ in range(min(_TILES_AT_ONCE, tiles.total)):
                group.start_soon(pool.work, group.cancel_scope)
        if pool.failure is not None:
            raise pool.failure


@final
class _Pool:
    """Tasks that copy tiles, pulling from one iterator."""

    def __init__(self, copying: _Copy, tiles: Tiles) -> None:
        self.copying = copying
        self.total = tiles.total
        self.remaining = iter(tiles)
        self.done = 0
        self.nbytes = 0
        self.failure: BaseException | None = None

    @at_checkpoints
    async def work(self, scope: anyio.CancelScope) -> None:
        source, target = self.copying.source, self.copying.target
        try:
            for tile in self.remaining:
                array = await source[tile].read()
                await target[tile].write(array)
                self.done += 1
                self.nbytes += array.nbytes
                if self.copying.progress is not None:
                    self.copying.progress(self.done, self.total, self.nbytes)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            self.failure = self.failure or error
            scope.cancel()


def _chunks(
    source: TensorStore, target: TensorStore
) -> tuple[Sequence[int], Sequence[int], Mapping[int, Sequence[int]]]:
    """Return the chunks to keep whole: the target's, if it has some.

    An array in memory takes any part at no extra cost; then the source's chunks count.

    Returns:
        An origin, the extents of a chunk, and where they differ along a dimension, each of them.
    """
    domain = target.domain
    views = [view for view in (target, source) if view._driver.name != "array"]
    for view in views:
        layout = view.chunk_layout
        shape, origin = layout.write_chunk.shape, layout.grid_origin
        if shape is None or origin is None or None in origin or not domain.size:
            continue
        irregular = {
            dim: sizes_along(view, dim) or () for dim, size in enumerate(shape) if not size
        }
        if all(irregular.values()):
            chunk = [size or max(irregular[dim]) for dim, size in enumerate(shape)]
            return [at or 0 for at in origin], chunk, irregular
    return domain.inclusive_min, (1,) * domain.rank, {}
