"""What a key-value store asks of the driver below it, which anybody can write.

A driver maps whole keys (the store's path and the key, as bytes) to values. Its four methods are
either plain functions (`Driver`) or ``async`` (`AsyncDriver`); each is looked at on its own.

Hand an object of either kind to `KvStore.from_driver`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from virtchunk._schema.generation import TimestampedStorageGeneration
from virtchunk.kvstore.values import ByteRange, KeyRange, ReadResult

__all__ = ("AsyncDriver", "AtomicDriver", "Driver")


class Driver(Protocol):
    """A key-value store with plain methods.

    They are called inside ``result()`` and ``kv[key]`` in the caller's thread, and in a worker
    thread when the operation is awaited; as many at once as the ``file_io_concurrency`` of the
    store's context permits. So they must be thread-safe, and may block. A class attribute
    ``blocks = False`` says that they never wait for anything: then they are called in place, in the
    event loop's thread as well. An attribute ``short = frozenset({"read"})`` names methods that
    take microseconds as a rule: an event loop then waits for them where it is, for two milliseconds
    at most, which costs less than to be woken.

    What they raise reaches the caller as it is.
    """

    def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange, /) -> ReadResult:
        r"""Read a key.

        Args:
            key: The whole key.
            if_not_equal: If this is the generation of the value, return a result of state
                ``"unspecified"`` with that generation. Empty: no condition.
            byte_range: What part of the value to return; see `ByteRange.of`.

        Returns:
            The value, or a result of state ``"missing"`` with the generation ``b"\x02"``. The
            stamp's time is one at which this was the case, such as the time before reading.

        Raises:
            ValueError: The value is shorter than ``byte_range`` says.
        """

    def write(
        self, key: bytes, value: bytes | None, if_equal: bytes, /
    ) -> TimestampedStorageGeneration:
        r"""Store or delete (``value=None``) a key, such that it is safe when this returns.

        Args:
            key: The whole key.
            value: What to store; None to delete what there is, if anything.
            if_equal: Do so only if this is the generation of the present value, where ``b"\x02"``
                stands for a missing one. Empty: no condition.

        Returns:
            The new generation (``b"\x02"`` for a deleted key); an empty one if the condition did
            not hold. No two versions of a key may have the same generation.
        """

    def delete_range(self, keys: KeyRange, /) -> None:
        """Delete all keys in a range."""

    def list(self, keys: KeyRange, /) -> Iterable[bytes]:
        """Return all keys in a range, in any order."""


class AsyncDriver(Protocol):
    """A key-value store with ``async`` methods; their contracts are those of `Driver`.

    They run in the task that awaits the operation, and are cancelled with it. A blocking call
    (``result()``, ``kv[key]``) runs them in the event loop in which the store was made, or which
    awaits the view whose callback makes the call; in the thread of that loop it is an error.
    """

    async def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange, /) -> ReadResult:
        """Read a key; see `Driver.read`."""

    async def write(
        self, key: bytes, value: bytes | None, if_equal: bytes, /
    ) -> TimestampedStorageGeneration:
        """Store or delete a key; see `Driver.write`."""

    async def delete_range(self, keys: KeyRange, /) -> None:
        """Delete all keys in a range."""

    async def list(self, keys: KeyRange, /) -> Iterable[bytes]:
        """Return all keys in a range, in any order."""


class AtomicDriver(Driver, Protocol):
    """A driver that can also change any number of keys as a whole.

    Transactions use it for all that they store in one store, and atomic ones depend on it. The
    method may be ``async`` as well.
    """

    def write_all(
        self,
        writes: Mapping[bytes, bytes | None],
        conditions: Mapping[bytes, bytes],
        ranges: Sequence[KeyRange],
        /,
    ) -> bytes | None:
        r"""Delete some ranges of keys, and store or delete some keys, all of it or nothing.

        No reader may see a part of it.

        Args:
            writes: New values of keys; None deletes the key.
            conditions: Generations that keys must have before, where ``b"\x02"`` stands for a
                missing one. Not all of these keys are among the written ones.
            ranges: Keys to delete; none of the written ones is in them.

        Returns:
            None if it was done; otherwise the first key that does not fulfil its condition, and
            then nothing was changed.
        """
