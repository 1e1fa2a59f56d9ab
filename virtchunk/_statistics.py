"""Snapshots of shared resources, for tests and monitoring."""

from __future__ import annotations

from typing import final

import attrs

__all__ = ("CachePoolStatistics", "LimiterStatistics")


@final
@attrs.frozen
class CachePoolStatistics:
    """A snapshot of a cache pool."""

    total_bytes_limit: int
    """What the pool may hold, in bytes."""
    total_bytes: int
    """What it holds: array bytes, and a fixed overhead of 512 bytes for each entry."""
    entries: int
    """How many chunks it holds."""
    hits: int
    """Chunks served from the pool without calling a callback."""
    misses: int
    """Chunks computed because the pool did not hold them."""
    revalidations: int
    """Chunks whose callback was asked whether they are still current."""
    evictions: int
    """Chunks dropped to make room."""
    in_flight: int
    """Chunks that are being computed now."""


@final
@attrs.frozen
class LimiterStatistics:
    """A snapshot of a `Limiter`."""

    total_tokens: int
    """How many callbacks may run at once."""
    borrowed_tokens: int
    """How many run now."""
    waiting: int
    """How many tasks and threads wait for a token."""
