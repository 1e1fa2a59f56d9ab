"""Key-value stores: the versions of what they hold."""

from __future__ import annotations

from typing import final

from virtchunk._schema import generation as _generation

__all__ = ("KvStore",)


@final
class KvStore:
    """The namespace of `KvStore.TimestampedStorageGeneration`, as callbacks return it."""

    TimestampedStorageGeneration = _generation.TimestampedStorageGeneration
