"""What a transaction has written to the chunks of one view, and how it is read and stored.

A chunk's buffer is as large as the chunk, with a mask of the elements that were written; one that
was written wholly has none. The mask only ever grows, and grows after the elements have been put in
place. So readers need no lock: what they find in the mask, they find in the array.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from math import prod
from operator import sub
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeAlias, final

import numpy as np

from virtchunk._engine.source import Key
from virtchunk._fork import forget_in_child
from virtchunk._grid.partition import Partition
from virtchunk._transaction.changes import Memory

if TYPE_CHECKING:
    from virtchunk._engine.job import Job

__all__ = ("Buffered", "ChunkBuffers", "Remainder", "StoredChunks")

Array: TypeAlias = "np.ndarray[Any, Any]"

OVERHEAD = 512
"""Bytes accounted for a buffer beside its array and mask."""


@final
class Buffered:
    """The written elements of one chunk."""

    __slots__ = ("array", "mask", "missing", "upper")

    def __init__(self, upper: Key, array: Array, mask: Array | None) -> None:
        self.upper = upper
        self.array = array
        self.mask = mask
        """Which elements were written; None if all of them were."""
        self.missing = 0 if mask is None else array.size
        """How many elements are still to be written, at least."""

    @property
    def nbytes(self) -> int:
        return self.array.nbytes + (0 if self.mask is None else self.mask.nbytes) + OVERHEAD

    def put(self, part: Any, values: Array) -> None:
        """Write some elements."""
        self.array[part] = values
        mask = self.mask
        if mask is None:
            return
        mask[part] = True
        self.missing -= values.size
        if self.missing <= 0:  # if all of them were written for the first time, which may not be
            self.missing = mask.size - int(np.count_nonzero(mask))
            if not self.missing:
                self.mask = None

    def holds(self, part: Any) -> bool:
        """Say whether all of these elements were written."""
        mask = self.mask
        return mask is None or bool(mask[part].all())

    def lay_over(self, view: Array, out: Any, part: Any, scattered: bool) -> None:
        """Put the written ones of these elements into a request, in place of those of the base."""
        mask = self.mask
        if mask is None:
            view[out] = self.array[part]
        elif scattered:
            values = view[out]
            np.copyto(values, self.array[part], where=mask[part])
            view[out] = values
        else:
            np.copyto(view[out], self.array[part], where=mask[part])


@final
class ChunkBuffers:
    """The written chunks of one view.

    Args:
        allocate: Makes an array for a chunk.
        itemsize: Bytes of an element.
        memory: Where to account for what is taken, and given back.
    """

    __slots__ = ("__weakref__", "allocate", "chunks", "itemsize", "lock", "memory")

    def __init__(
        self,
        allocate: Callable[[tuple[int, ...]], Array],
        itemsize: int,
        memory: Memory,
    ) -> None:
        self.allocate = allocate
        self.itemsize = itemsize
        self.memory = memory
        self.chunks: dict[Key, Buffered] = {}
        self.lock = threading.Lock()
        """Held by a writer from its first chunk to its last."""
        forget_in_child(self)

    def _after_fork(self) -> None:
        self.lock = threading.Lock()

    def write(self, cut: Partition, source: Array) -> None:
        """Write an array of the request's shape. The lock is held; either all of it or nothing.

        Raises:
            MemoryError: There is no room for it.
        """
        request, chunks = cut.request_view(source), self.chunks
        limited = self.memory.limit is not None
        if limited:
            self.memory.reserve(sum(map(self._new_bytes, cut.pieces())))
        for lower, upper, _, out, part, covers in cut.pieces():
            chunk = chunks.get(lower)
            if chunk is None:
                shape = tuple(map(sub, upper, lower))
                mask = None if covers else np.zeros(shape, np.bool_)
                chunk = Buffered(upper, self.allocate(shape), mask)
                if not limited:
                    self.memory.reserve(chunk.nbytes)
                chunk.put(part, request[out])
                chunks[lower] = chunk
            else:
                masked = chunk.mask is not None
                chunk.put(part, request[out])
                if masked and chunk.mask is None:
                    self.memory.reserve(-chunk.array.size)

    def _new_bytes(self, piece: tuple[Any, ...]) -> int:
        """Return what a piece takes of memory."""
        lower, upper, *_, covers = piece
        if lower in self.chunks:
            return 0
        size: int = prod(map(sub, upper, lower))
        return size * (self.itemsize if covers else self.itemsize + 1) + OVERHEAD

    def forget(self, keys: Iterator[Key]) -> None:
        """Drop what has been stored."""
        for key in keys:
            chunk = self.chunks.pop(key, None)
            if chunk is not None:
                self.memory.reserve(-chunk.nbytes)


@final
class Remainder:
    """A request without the pieces that a transaction holds; see `Partition`."""

    def __init__(self, cut: Partition, held: frozenset[Key]) -> None:
        self._cut = cut
        self._held = held
        self.scattered: bool = cut.scattered
        self.total: int = cut.total - len(held)

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        held = self._held
        return (piece for piece in self._cut.pieces() if piece[0] not in held)

    def request_view(self, array: Array) -> Array:
        return self._cut.request_view(array)

    def region(self, piece: tuple[Any, ...]) -> tuple[slice, ...]:
        return self._cut.region(piece)

    def spread(self, array: Array) -> None:
        self._cut.spread(array)


@final
class StoredChunks:
    """The buffers as the pieces of a write, one for each chunk, and as the array it writes.

    A piece's ``out`` is the chunk's key, and its ``part`` the mask of what is merged.
    """

    scattered: ClassVar[bool] = False

    def __init__(self, chunks: dict[Key, Buffered], dtype: np.dtype[Any]) -> None:
        self._chunks = dict(chunks)
        self.dtype = dtype
        self.total: int = len(self._chunks)

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        for lower, chunk in self._chunks.items():
            mask = chunk.mask
            part = ... if mask is None else mask
            yield lower, chunk.upper, None, lower, part, mask is None

    def request_view(self, array: Any) -> Any:
        return self

    def __getitem__(self, key: Key) -> Array:
        chunk = self._chunks[key]
        if chunk.mask is not None:
            values: Array = chunk.array[chunk.mask]
            return values
        chunk.array.flags.writeable = False
        return chunk.array

    def region(self, piece: tuple[Any, ...]) -> NoReturn:
        raise AssertionError("what a transaction has written is no part of a request")

    def spread(self, array: Array) -> None:
        """Do nothing."""

    def stored_by(self, job: Job) -> Iterator[Key]:
        """Return the chunks that a job has stored, however it has ended."""
        missing = {piece[0] for piece in job.unfinished}
        for taken, key in enumerate(self._chunks):
            if taken < job.taken and key not in missing:
                yield key
