"""What a callback is told beside the domain and the array, and the shape of callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, final

import attrs

from virtchunk._batch import Batch
from virtchunk._future import FutureLike
from virtchunk._index.domain import IndexDomain
from virtchunk._schema.generation import TimestampedStorageGeneration

if TYPE_CHECKING:
    import numpy as np

__all__ = (
    "ReadFunction",
    "VirtualChunkedReadParameters",
    "VirtualChunkedWriteParameters",
    "WriteFunction",
)

Stamp: TypeAlias = FutureLike[TimestampedStorageGeneration | None]


class _Fields:
    """The fields of `VirtualChunkedReadParameters`, writable: a third of the time to make one."""

    __slots__ = ("__weakref__", "batch", "if_not_equal", "staleness_bound")


@final
@attrs.frozen
class VirtualChunkedReadParameters(_Fields):
    """Options of a chunk read, the third argument of a ``read_function``."""

    if_not_equal: bytes = b""
    """Generation of the cached content. If it is still the current one, the callback may return a
    stamp with an empty generation instead of filling the array. Empty: fill it in any case."""
    staleness_bound: float = float("-inf")
    """Content known to be current at this time or later serves: seconds since the epoch, or
    ``-inf`` if any content does."""
    batch: Batch | None = None
    """The batch that the read belongs to, to be passed on to reads of other views and stores."""

    @staticmethod
    def _trusted(
        if_not_equal: bytes, staleness_bound: float, batch: Batch | None
    ) -> VirtualChunkedReadParameters:
        self: Any = _Fields()
        self.if_not_equal = if_not_equal
        self.staleness_bound = staleness_bound
        self.batch = batch
        self.__class__ = VirtualChunkedReadParameters
        return self  # type: ignore[no-any-return]


@final
@attrs.frozen
class VirtualChunkedWriteParameters:
    """Options of a chunk write, the third argument of a ``write_function``."""

    if_equal: bytes = b""
    """Generation that the written content was derived from; if it is no longer the current one,
    the callback must not store, and returns a stamp with an empty generation. Empty: store in any
    case."""


class ReadFunction(Protocol):
    """A callback that computes or fetches the content of one chunk.

    Called once for each chunk, with the whole chunk (clipped to the view's domain), even if only a
    part was asked for. May be a plain function (called in a worker thread when the read is
    awaited) or async (awaited in a task; cancelled when the read is).
    """

    def __call__(
        self,
        domain: IndexDomain,
        array: np.ndarray[Any, Any],
        params: VirtualChunkedReadParameters,
        /,
    ) -> Stamp:
        """Assign the content of ``domain`` to ``array``.

        Args:
            domain: The chunk's bounds in the view's base coordinates, with its labels.
            array: Writable, zero-origin, of shape ``domain.shape``. It may be strided (it may be a
                part of the result itself), so assign through indexing (``array[...] = x``), not
                through ``array.reshape(-1)``. Its content is undefined once the call has returned.
            params: What is known already; see `VirtualChunkedReadParameters`.

        Returns:
            None if the content stays valid for ever, a
            `KvStore.TimestampedStorageGeneration`, or an awaitable of one of them.
        """


class WriteFunction(Protocol):
    """A callback that stores the content of one chunk; see `ReadFunction`."""

    def __call__(
        self,
        domain: IndexDomain,
        array: np.ndarray[Any, Any],
        params: VirtualChunkedWriteParameters,
        /,
    ) -> Stamp:
        """Store the content of ``domain``.

        Args:
            domain: The chunk's bounds in the view's base coordinates, with its labels.
            array: Read-only, of shape ``domain.shape``; never the memory that the caller of
                ``write`` passed, so it may be kept.
            params: What to check first; see `VirtualChunkedWriteParameters`.

        Returns:
            As a `ReadFunction`; the stamp of what was stored, or one with an empty generation
            if nothing was, because ``params.if_equal`` did not match at the stamp's time.
        """
