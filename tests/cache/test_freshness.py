"""When a cached chunk serves, when its callback is asked again, and what a write does to it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Literal

import anyio
import numpy as np
import pytest

import virtchunk as ts

Array = np.ndarray[Any, Any]
Stamp = ts.KvStore.TimestampedStorageGeneration
Params = ts.VirtualChunkedReadParameters
WriteParams = ts.VirtualChunkedWriteParameters
Recheck = bool | Literal["open"] | float

PAST, NEVER = 5.0, math.inf


class Versioned:
    """Content with versions behind a view of two chunks; its stamps tell the time they are told."""

    def __init__(self, stamp_time: Callable[[], float] | None = None, *, silent: bool = False):
        self.stamp_time = stamp_time or time.time
        self.silent = silent  # answers None instead of stamps
        self.values = {0: 1, 2: 1}
        self.versions = {0: 1, 2: 1}
        self.reads: list[bytes] = []
        self.writes: list[bytes] = []
        self.bounds: list[float] = []
        self.before_write: Callable[[], None] = lambda: None

    def version(self, key: int) -> bytes:
        return b"v%d" % self.versions[key]

    def change(self, key: int, value: int) -> None:
        self.values[key] = value
        self.versions[key] += 1

    def read(self, domain: ts.IndexDomain, array: Array, params: Params) -> Stamp | None:
        key = domain.inclusive_min[0]
        self.reads.append(params.if_not_equal)
        self.bounds.append(params.staleness_bound)
        if self.silent:
            array[...] = self.values[key]
            return None
        if params.if_not_equal == self.version(key):
            array[...] = 99  # to be ignored
            return Stamp(b"", self.stamp_time())
        array[...] = self.values[key]
        return Stamp(self.version(key), self.stamp_time())

    def write(self, domain: ts.IndexDomain, array: Array, params: WriteParams) -> Stamp:
        key = domain.inclusive_min[0]
        self.before_write()
        self.writes.append(params.if_equal)
        if params.if_equal not in {b"", self.version(key)}:
            return Stamp(b"", time.time())
        self.change(key, int(array[0]))
        return Stamp(self.version(key), self.stamp_time())

    def view(
        self, recheck: Recheck | None = None, limit: int = 10_000, how: str = "direct"
    ) -> ts.TensorStore:
        context = ts.Context({"cache_pool": {"total_bytes_limit": limit}})
        direct = ts.virtual_chunked(
            self.read,
            self.write,
            dtype=ts.int64,
            shape=[4],
            chunk_layout=ts.ChunkLayout(read_chunk_shape=[2]),
            context=context,
            recheck_cached_data=recheck,
        )
        if how == "direct":
            return direct
        if how == "spec":
            spec = direct.spec(retain_context=True)
            spec.update(recheck_cached_data=recheck)
            return ts.open(spec).result()
        return ts.open(
            direct.spec(retain_context=True),
            recheck_cached_data=recheck,
        ).result()


def counts(view: ts.TensorStore) -> tuple[int, int, int]:
    """Hits, misses and revalidations."""
    statistics = _pool(view).statistics()
    return statistics.hits, statistics.misses, statistics.revalidations


def _pool(view: ts.TensorStore) -> Any:
    driver: Any = view._driver
    return driver.source.cache.pool


FORMS: list[tuple[Recheck, float, int]] = [
    # How to recheck, the time of the stamps in seconds from now, calls for the second read.
    (True, 0, 2),
    (True, 1000, 0),
    (True, -1000, 2),
    (False, -1000, 0),
    ("open", 0, 0),
    ("open", -1000, 2),
    (time.time() - 500, 0, 0),
    (time.time() - 500, -1000, 2),
    (math.inf, 0, 2),
    (-math.inf, -1000, 0),
]


@pytest.mark.parametrize("how", ["direct", "spec", "open"])
@pytest.mark.parametrize(("recheck", "ago", "calls"), FORMS)
async def test_what_recheck_cached_data_permits(
    recheck: Recheck, ago: float, calls: int, how: str
) -> None:
    content = Versioned(lambda: time.time() + ago)
    view = content.view(recheck, how=how)
    assert (await view.read()).tolist() == [1, 1, 1, 1]
    content.reads.clear()
    assert (await view.read()).tolist() == [1, 1, 1, 1]

    assert content.reads == [b"v1"] * calls
    assert counts(view) == (2 - calls, 2, calls)


@pytest.mark.parametrize("content", [Versioned(silent=True), Versioned(lambda: NEVER)])
def test_content_valid_for_ever_is_never_asked_for_again(content: Versioned) -> None:
    view = content.view(True)
    for _ in range(3):
        assert view.read().result().tolist() == [1, 1, 1, 1]

    assert content.reads == [b"", b""]
    assert counts(view) == (4, 2, 0)


def test_changed_content_replaces_the_cached_one() -> None:
    content = Versioned()
    view = content.view(True)
    view.read().result()
    content.change(2, 7)

    assert view.read().result().tolist() == [1, 1, 7, 7]
    assert content.reads == [b"", b"", b"v1", b"v1"]
    assert _pool(view).statistics().entries == 2


def test_revalidation_moves_the_time_forward() -> None:
    now = PAST
    content = Versioned(lambda: now)
    view = content.view(True)
    view.read().result()
    now = time.time() + 1000
    view.read().result()
    content.reads.clear()

    assert view.read().result().tolist() == [1, 1, 1, 1]
    assert content.reads == []


def test_callbacks_are_told_the_bound() -> None:
    content = Versioned()
    before = time.time()
    content.view(True).read().result()
    content.view(False).read().result()
    content.view(12.5).read().result()

    assert before <= content.bounds[0] <= time.time()
    assert content.bounds[2:] == [-math.inf, -math.inf, 12.5, 12.5]


@pytest.mark.parametrize("cached", [False, True])
def test_unchanged_is_no_answer_when_nothing_is_cached(cached: bool) -> None:
    def read(domain: ts.IndexDomain, array: Array, params: Params) -> Stamp:
        return Stamp(b"", time.time())

    context = ts.Context({"cache_pool": {"total_bytes_limit": 1000 * cached}})
    view = ts.virtual_chunked(read, dtype=ts.int8, shape=[1], context=context)
    with pytest.raises(ValueError, match="nothing is cached"):
        view.read().result()


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_view_reads_what_it_has_written(awaited: bool) -> None:
    content = Versioned(lambda: time.time() + 1000)
    view = content.view(True)
    if awaited:
        await view[0:2].write(5)
        found = await view[0:2].read()
    else:
        view[0:2].write(5).result()
        found = view[0:2].read().result()

    assert found.tolist() == [5, 5]
    assert (content.reads, content.writes) == ([], [b""])


def test_a_partial_write_is_based_on_what_is_cached_however_old() -> None:
    content = Versioned(lambda: PAST)
    view = content.view(True)
    view.read().result()
    content.reads.clear()
    view[0] = 8

    assert (content.reads, content.writes) == ([], [b"v1"])
    assert view[0:2].read().result().tolist() == [8, 1]


def test_a_conflict_is_read_again_and_merged_again() -> None:
    content = Versioned()
    view = content.view(False)
    view.read().result()
    content.change(0, 4)  # by somebody else
    content.reads.clear()
    view[1] = 6

    assert content.writes == [b"v1", b"v2"]
    assert content.reads == [b""]
    assert view.read().result().tolist() == [4, 6, 1, 1]


async def test_a_chunk_that_is_written_while_it_is_read_is_not_cached_as_it_was() -> None:
    entered, gate = anyio.Event(), anyio.Event()
    value = 1

    async def read(domain: ts.IndexDomain, array: Array, params: Params) -> None:
        array[...] = value
        entered.set()
        await gate.wait()

    async def write(domain: ts.IndexDomain, array: Array, params: WriteParams) -> None:
        nonlocal value
        value = int(array[0])

    context = ts.Context({"cache_pool": {"total_bytes_limit": 10_000}})
    view = ts.virtual_chunked(read, write, dtype=ts.int8, shape=[1], context=context)
    found: list[int] = []

    async def see() -> None:
        found.append((await view.read())[0])

    async with anyio.create_task_group() as group:
        group.start_soon(see)
        await entered.wait()
        await view.write(2)
        group.start_soon(see)  # began after the write: must see it
        await anyio.wait_all_tasks_blocked()
        gate.set()

    assert sorted(found) == [1, 2]
    assert (await view.read())[0] == 2


async def test_many_readers_of_a_chunk_share_one_call_even_of_an_old_version() -> None:
    gate = anyio.Event()
    calls = 0

    async def read(domain: ts.IndexDomain, array: Array, params: Params) -> Stamp:
        nonlocal calls
        calls += 1
        array[...] = 3
        await gate.wait()
        return Stamp(b"1", PAST)

    context = ts.Context({"cache_pool": {"total_bytes_limit": 10_000}})
    view = ts.virtual_chunked(read, dtype=ts.int8, shape=[1], context=context)
    found: list[int] = []

    async def see() -> None:
        found.append((await view.read())[0])

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(see)
        await anyio.wait_all_tasks_blocked()
        gate.set()

    assert (found, calls <= 2) == ([3] * 10, True)


async def test_all_that_the_cache_serves_counts_as_a_hit_in_long_reads_too() -> None:
    async def read(domain: ts.IndexDomain, array: Array, params: Params) -> None:
        array[...] = domain.inclusive_min[0]

    context = ts.Context({"cache_pool": {"total_bytes_limit": 10**7}})
    view = ts.virtual_chunked(
        read,
        dtype=ts.int64,
        shape=[1000],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[1]),
        context=context,
    )
    await view[1:].read()
    await view.read()
    statistics = context["cache_pool"].statistics()

    assert (statistics.hits, statistics.misses, statistics.entries) == (999, 1000, 1000)
