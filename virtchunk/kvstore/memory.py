"""The ``memory`` driver: values in a dict, which the stores of a context share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, ClassVar, final

from virtchunk._context import provide
from virtchunk._schema.generation import TimestampedStorageGeneration
from virtchunk.kvstore._kinds import Kind, Members, register
from virtchunk.kvstore._url import encoded
from virtchunk.kvstore.values import MISSING, ByteRange, KeyRange, ReadResult

__all__ = ("MemoryDriver",)

# Of all such stores: it is held for a few instructions. A child that is forked meanwhile would
# inherit it held by nobody, and values half changed; so forking takes it first.
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )

_versions = count(1)  # of the whole process, so that a deleted key never gets an old version again


@final
class MemoryDriver:
    """Keeps values in memory; see `virtchunk.kvstore.Driver`."""

    __slots__ = ("_values",)

    blocks = False

    def __init__(self) -> None:
        self._values: dict[bytes, tuple[bytes, bytes]] = {}

    def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        """Read a key."""
        found = self._values.get(key)
        now = time.time()
        if found is None:
            return ReadResult._trusted("missing", b"", MISSING, now)
        value, generation = found
        if generation == if_not_equal:
            return ReadResult._trusted("unspecified", b"", generation, now)
        return ReadResult._trusted("value", byte_range.of(value), generation, now)

    def write(
        self, key: bytes, value: bytes | None, if_equal: bytes
    ) -> TimestampedStorageGeneration:
        """Store or delete a key."""
        generation = _next_generation() if value is not None else MISSING
        with _lock:
            if if_equal:
                found = self._values.get(key)
                if if_equal != (MISSING if found is None else found[1]):
                    return TimestampedStorageGeneration(b"", time.time())
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value, generation
        return TimestampedStorageGeneration(generation, time.time())

    def write_all(
        self,
        writes: Mapping[bytes, bytes | None],
        conditions: Mapping[bytes, bytes],
        ranges: Iterable[KeyRange],
    ) -> bytes | None:
        """Store and delete several keys as a whole; see `virtchunk.kvstore.AtomicDriver`."""
        with _lock:
            for key, expected in conditions.items():
                found = self._values.get(key)
                if expected != (MISSING if found is None else found[1]):
                    return key
            for deleted in ranges:
                for key in [key for key in self._values if key in deleted]:
                    del self._values[key]
            for key, value in writes.items():
                if value is None:
                    self._values.pop(key, None)
                else:
                    self._values[key] = value, _next_generation()
        return None

    def delete_range(self, keys: KeyRange) -> None:
        """Delete all keys in a range."""
        with _lock:
            for key in [key for key in self._values if key in keys]:
                del self._values[key]

    def list(self, keys: KeyRange) -> list[bytes]:
        """Return all keys in a range, sorted."""
        with _lock:
            found = [key for key in self._values if key in keys]
        return sorted(found)


def _next_generation() -> bytes:
    return b"\0" + next(_versions).to_bytes(8, "big")


@register
class _Memory(Kind):
    name = "memory"
    resource_kinds: ClassVar[tuple[str, ...]] = ("memory_key_value_store",)
    members: ClassVar[Members] = {"atomic": (True, bool)}

    @classmethod
    def open(cls, members: dict[str, Any], resources: dict[str, Any]) -> MemoryDriver:
        driver: MemoryDriver = resources["memory_key_value_store"]
        return driver

    @classmethod
    def url(cls, members: dict[str, Any], path: str) -> str:
        return f"memory://{encoded(path)}"

    @classmethod
    def from_url(cls, rest: str) -> dict[str, Any]:
        return {"path": rest}


provide("memory_key_value_store", lambda members: MemoryDriver())
