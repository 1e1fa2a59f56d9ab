"""Reads of one key in one batch, merged: byte ranges that touch, or nearly, are read once.

The members of a group share its parts, and a part is a `Future`: whichever member comes first reads
it, and the others take their bytes out of what it read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import final

import anyio.lowlevel

from virtchunk._control import Control, NotHere
from virtchunk._future import Future
from virtchunk._schema.generation import TimestampedStorageGeneration
from virtchunk.kvstore.values import WHOLE, ByteRange, ReadResult

__all__ = ("Group", "GroupRead", "merged_ranges")

GAP = 1 << 16
"""Bytes read in vain rather than making another request."""


def merged_ranges(ranges: Iterable[ByteRange]) -> list[ByteRange]:
    """Return few ranges of which each of the given ones is a part.

    Example:
        >>> from virtchunk.kvstore._coalesce import merged_ranges
        >>> from virtchunk.kvstore.values import ByteRange
        >>> merged_ranges([ByteRange(90, 100), ByteRange(0, 10), ByteRange(10**9, None)])
        [ByteRange(start=0, stop=100), ByteRange(start=1000000000, stop=None)]
    """
    wanted = set(ranges)
    if WHOLE in wanted:
        return [WHOLE]
    # How far from the beginning the last bytes are is not known: they are read apart.
    last = [range_ for range_ in wanted if range_.start < 0]
    merged: list[ByteRange] = []
    for start, stop in sorted(
        (range_ for range_ in wanted if range_.start >= 0), key=lambda range_: range_.start
    ):
        before = merged[-1] if merged else None
        if before is None or (before.stop is not None and start > before.stop + GAP):
            merged.append(ByteRange(start, stop))
        elif before.stop is not None:
            merged[-1] = ByteRange(before.start, None if stop is None else max(before.stop, stop))
    return [*merged, min(last)] if last else merged


@final
class Group:
    """All reads of one key in one batch, under the same condition.

    Args:
        read: Makes the future of reading a range of it.
    """

    __slots__ = ("_lock", "_parts", "_wanted", "read")

    def __init__(self, read: Callable[[ByteRange], Future[ReadResult]]) -> None:
        self.read = read
        self._lock = threading.Lock()
        self._wanted: set[ByteRange] = set()
        self._parts: dict[ByteRange, Future[ReadResult] | None] = {}  # None: nobody came for it yet

    def want(self, byte_range: ByteRange) -> None:
        """Note that some member wants this range."""
        with self._lock:
            self._wanted.add(byte_range)

    def part_of(self, byte_range: ByteRange) -> tuple[ByteRange, Future[ReadResult]]:
        """Return the part that covers a range, and its future, which the caller waits for."""
        with self._lock:
            if self._covering(byte_range) is None:
                # Also what was noted after the first parts were made, by callbacks of members.
                missing = [one for one in self._wanted if self._covering(one) is None]
                self._parts.update(dict.fromkeys(merged_ranges(missing)))
            part = self._covering(byte_range)
            assert part is not None
            future = self._parts[part]
            if future is None:
                future = self._parts[part] = self.read(part)
        return part, future

    def _covering(self, byte_range: ByteRange) -> ByteRange | None:
        return next((part for part in self._parts if _covers(part, byte_range)), None)


def _covers(part: ByteRange, byte_range: ByteRange) -> bool:
    if part == WHOLE:
        return True
    if part.start < 0 or byte_range.start < 0:
        return part.start < 0 and part.start <= byte_range.start < 0
    if byte_range.start < part.start:
        return False
    return part.stop is None or (byte_range.stop is not None and byte_range.stop <= part.stop)


@final
class GroupRead:
    """One member of a group."""

    __slots__ = ("byte_range", "describe", "group")

    def __init__(self, group: Group, byte_range: ByteRange, describe: Callable[[], str]) -> None:
        self.group = group
        self.byte_range = byte_range
        self.describe = describe
        group.want(byte_range)

    def run_blocking(self, control: Control) -> ReadResult:
        """Read the part, unless another member has, and return the bytes of this one."""
        control.check()
        part, future = self.group.part_of(self.byte_range)
        try:
            return self._cut(part, future._result(control.check))
        except NotHere as error:  # the same is true of this read
            raise type(error)(str(error), control) from None
        except ValueError:
            if part == self.byte_range:
                raise
            return self.group.read(self.byte_range)._result(control.check)

    async def run(self) -> ReadResult:
        """Do the same in a task. Always checkpoints."""
        await anyio.lowlevel.checkpoint()  # so that other tasks say what they want
        part, future = self.group.part_of(self.byte_range)
        try:
            return self._cut(part, await future)
        except ValueError:  # the value is shorter than some member wants, but maybe not this one
            if part == self.byte_range:
                raise
            return await self.group.read(self.byte_range)

    def _cut(self, part: ByteRange, result: ReadResult) -> ReadResult:
        value = result.value
        if result.state == "value" and part != self.byte_range:
            value = self._bytes_of(part, value)
        stamp = TimestampedStorageGeneration(result.stamp.generation, result.stamp.time)
        return ReadResult(result.state, value, stamp)

    def _bytes_of(self, part: ByteRange, value: bytes) -> bytes:
        if part == WHOLE or part.start < 0:
            return self.byte_range.of(value)
        start, stop = self.byte_range
        shifted = ByteRange(start - part.start, None if stop is None else stop - part.start)
        return shifted.of(value)
