"""The accounts of the cache pool: bytes, order of use, evictions, and views that go."""

from __future__ import annotations

import gc
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from virtchunk._cache.pool import ENTRY_OVERHEAD, CachePool, ChunkCache, Entry

CHUNK = 1000  # bytes


def entry(key: int, size: int = CHUNK) -> Entry:
    return Entry((key,), np.zeros(size, np.uint8), b"1", 1.0)


def test_bytes_are_those_of_the_arrays_and_a_fixed_overhead() -> None:
    pool = CachePool(10_000)
    cache = ChunkCache(pool)
    cache.put(entry(0))
    cache.put(entry(1, 17))
    cache.put(entry(0, 500))  # in place of the first
    statistics = pool.statistics()

    assert statistics.total_bytes == 517 + 2 * ENTRY_OVERHEAD
    assert (statistics.entries, statistics.evictions) == (2, 0)


def test_what_was_used_least_recently_goes_first() -> None:
    pool = CachePool(3 * (CHUNK + ENTRY_OVERHEAD))
    one, two = ChunkCache(pool), ChunkCache(pool)
    for cache, key in ((one, 0), (two, 0), (one, 1)):
        cache.put(entry(key))
    pool.used((one.entries[(0,)],))
    one.put(entry(2))

    assert (set(one.entries), set(two.entries)) == ({(0,), (1,), (2,)}, set())
    assert pool.statistics().evictions == 1


def test_a_chunk_that_is_too_large_drives_nothing_out() -> None:
    pool = CachePool(5000)
    cache = ChunkCache(pool)
    cache.put(entry(0))
    cache.put(entry(1, 5000))
    assert set(cache.entries) == {(0,)}

    cache.put(entry(0, 5000))

    assert (cache.entries, pool.statistics().total_bytes) == ({}, 0)


def test_the_bytes_of_a_view_that_is_gone_are_free_again() -> None:
    context = ts.Context({"cache_pool": {"total_bytes_limit": 100_000}})
    view = ts.virtual_chunked(
        lambda domain, array, params: array.fill(1), dtype=ts.int8, shape=[10], context=context
    )
    view.read().result()
    assert context["cache_pool"].statistics().entries == 1
    del view
    gc.collect()

    assert context["cache_pool"].statistics().total_bytes == 0


def test_a_finalizer_that_runs_inside_the_pool_can_forget_a_chunk() -> None:
    pool = CachePool(100_000)
    cache = ChunkCache(pool)
    cache.put(entry(0))

    with pool._lock:  # the garbage collector may run here, and close a suspended write
        cache.drop((0,))

    assert pool.statistics().entries == 0


def test_statistics_are_a_frozen_snapshot() -> None:
    statistics: Any = CachePool(5).statistics()
    with pytest.raises(AttributeError):
        statistics.hits = 7


operations = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "use", "drop"]),
        st.integers(0, 1),
        st.integers(0, 4),
        st.sampled_from([0, 100, 1000, 5000]),
    ),
    max_size=40,
)


@given(st.integers(0, 8000), operations)
def test_the_accounts_agree_with_a_list_in_order_of_use(limit: int, steps: list[Any]) -> None:
    pool = CachePool(limit)
    caches = [ChunkCache(pool), ChunkCache(pool)]
    model: OrderedDict[tuple[int, int], int] = OrderedDict()
    evictions = 0
    for what, owner, key, size in steps:
        cache, name = caches[owner], (owner, key)
        if what == "put":
            cache.put(entry(key, size))
            model.pop(name, None)
            if size + ENTRY_OVERHEAD <= limit:
                model[name] = size + ENTRY_OVERHEAD
            while sum(model.values()) > limit:
                model.popitem(last=False)
                evictions += 1
        elif what == "use" and name in model:
            pool.used((cache.entries[(key,)],))
            model.move_to_end(name)
        elif what == "drop":
            cache.drop((key,))
            model.pop(name, None)

        assert {(o, k) for o in (0, 1) for (k,) in caches[o].entries} == set(model)
        statistics = pool.statistics()
        assert statistics.total_bytes == sum(model.values()) <= limit
        assert (statistics.entries, statistics.evictions) == (len(model), evictions)
