"""Key-value stores: bytes by key, in memory, in files or in object stores.

`KvStore` is what is used, and re-exported by the package. Here is what is needed to write a driver:
an object with the methods of `Driver` or `AsyncDriver`, for `KvStore.from_driver`.
"""

from __future__ import annotations

from virtchunk.kvstore.driver import AsyncDriver as AsyncDriver
from virtchunk.kvstore.driver import AtomicDriver as AtomicDriver
from virtchunk.kvstore.driver import Driver as Driver
from virtchunk.kvstore.file import FileDriver as FileDriver
from virtchunk.kvstore.memory import MemoryDriver as MemoryDriver
from virtchunk.kvstore.object_store import ObjectStoreDriver as ObjectStoreDriver
from virtchunk.kvstore.store import KvStore as KvStore
from virtchunk.kvstore.values import MISSING as MISSING
from virtchunk.kvstore.values import WHOLE as WHOLE
from virtchunk.kvstore.values import ByteRange as ByteRange
from virtchunk.kvstore.values import KeyRange as KeyRange
from virtchunk.kvstore.values import ReadResult as ReadResult

__all__ = (
    "MISSING",
    "WHOLE",
    "AsyncDriver",
    "AtomicDriver",
    "ByteRange",
    "Driver",
    "FileDriver",
    "KeyRange",
    "KvStore",
    "MemoryDriver",
    "ObjectStoreDriver",
    "ReadResult",
)
