"""Copying a range of keys from one store to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from virtchunk._control import Control
from virtchunk._future import Future

if TYPE_CHECKING:
    from virtchunk.kvstore.store import KvStore

__all__ = ("CopyRange",)


@final
class CopyRange:
    """The operation behind `KvStore.experimental_copy_range_to`: one key after the other.

    A key that is deleted meanwhile is left out. What was copied before an error stays.
    """

    __slots__ = ("keys", "source", "target")

    def __init__(self, source: KvStore, target: KvStore, keys: Future[list[bytes]]) -> None:
        self.source = source
        self.target = target
        self.keys = keys

    def describe(self) -> str:
        """Name the operation."""
        return f"copy from {self.source!r} to {self.target!r}"

    def run_blocking(self, control: Control) -> None:
        """Copy, blocking this thread."""
        for key in self.keys._result(control.check):
            found = self.source.read(key)._result(control.check)
            if found.state == "value":
                self.target.write(key, found.value)._result(control.check)

    async def run(self) -> None:
        """Copy in this task. Always checkpoints."""
        for key in await self.keys:
            found = await self.source.read(key)
            if found.state == "value":
                await self.target.write(key, found.value)
