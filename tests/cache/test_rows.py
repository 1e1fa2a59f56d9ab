"""Rows of small chunks are served from the cache at once, with the same result as one by one."""

from __future__ import annotations

import anyio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import virtchunk as ts
from tests.fakes import FakeBackend, idle
from tests.strategies_views import Base, Selection, views
from virtchunk._engine import read_job


def cached(backend: FakeBackend, layout: ts.ChunkLayout) -> ts.TensorStore:
    context = ts.Context({"cache_pool": {"total_bytes_limit": 1 << 24}})
    view = backend.view(chunk_layout=layout, context=context, recheck_cached_data=False)
    view.read().result()
    return view


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(views(), st.sets(st.integers(0, 40)), st.sampled_from(["C", "F"]))
def test_what_the_cache_holds_is_read_in_rows(
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[Base, Selection],
    missing: set[int],
    order: str,
) -> None:
    """Also if some chunks are missing: they are asked for, and only they."""
    monkeypatch.setattr(read_job, "_ROW", 1)
    base, selection = case
    backend = FakeBackend(base.values(), base.origin)
    whole = cached(backend, base.layout(ts))
    keys = sorted(whole._driver.source.cache.entries)  # type: ignore[attr-defined]
    gone = {key for i, key in enumerate(keys) if i in missing}
    for key in gone:
        whole._driver.source.cache.drop(key)  # type: ignore[attr-defined]
    backend.calls.clear()
    result = whole[selection.transform(ts)].read(order=order).result()  # type: ignore[arg-type]

    np.testing.assert_array_equal(result, selection.read(base, base.values()))
    assert sorted(backend.reads()) == sorted(gone & set(selection.cells(base)))
    assert idle(whole)


ROWS = ts.ChunkLayout(read_chunk_shape=[2, 1])


@pytest.mark.parametrize("awaited", [False, True])
async def test_hits_are_counted_and_nothing_is_asked_for(awaited: bool) -> None:
    backend = FakeBackend(np.arange(400).reshape(20, 20))
    view = cached(backend, ROWS)
    backend.calls.clear()
    future = view[1:, ::-1].read()
    result = await future if awaited else future.result()

    np.testing.assert_array_equal(result, backend.array[1:, ::-1])
    assert backend.calls == []
    assert view._driver.context["cache_pool"].statistics().hits == 200


def test_stale_chunks_are_not_served_in_rows() -> None:
    backend = FakeBackend(np.arange(40).reshape(2, 20), versioned=True)
    context = ts.Context({"cache_pool": {"total_bytes_limit": 1 << 20}})
    view = backend.view(chunk_layout=ROWS, context=context)
    view.read().result()
    backend.store((0, 7), (2, 1), -1)

    np.testing.assert_array_equal(view.read().result(), backend.array)


def test_progress_is_told_of_each_chunk_of_a_row() -> None:
    view = cached(FakeBackend(np.arange(40).reshape(2, 20)), ROWS)
    told: list[tuple[int, int, int]] = []
    view.read(progress=lambda *step: told.append(step)).result()

    assert [step[:2] for step in told] == [(i + 1, 20) for i in range(20)]


async def test_a_long_read_from_the_cache_can_be_cancelled() -> None:
    view = cached(
        FakeBackend(np.zeros((2000, 16), np.int8)), ts.ChunkLayout(read_chunk_shape=[1, 2])
    )
    with anyio.CancelScope() as scope:
        scope.cancel()
        await view.read()

    assert scope.cancelled_caught
    assert (await view.read()).shape == (2000, 16)
