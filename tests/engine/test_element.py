"""Reading one element the short way: it must be told from the general one by its speed only."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from tests.fakes import FakeBackend, idle
from virtchunk._cache.pool import ENTRY_OVERHEAD

ORIGIN, SHAPE = (-3, 2), (5, 4)
GRIDS: dict[str, dict[str, Any]] = {
    "regular": {"chunk_layout": ts.ChunkLayout(read_chunk_shape=[2, 3])},
    "shifted": {"chunk_layout": ts.ChunkLayout(read_chunk_shape=[2, 3], grid_origin=[1, 1])},
    "irregular": {"chunks": [[1, 2, 2], [3, 1]]},
    "single elements": {"chunk_layout": ts.ChunkLayout(read_chunk_shape=[1, 1])},
}
CHUNK_BYTES = 8 * 6 + ENTRY_OVERHEAD


class World:
    """An array behind callbacks, and a view of it with a cache."""

    def __init__(self, grid: str, limit: int, versioned: bool, recheck: Any = True) -> None:
        array = np.arange(20, dtype=np.int64).reshape(SHAPE)
        self.backend = FakeBackend(array, ORIGIN, versioned=versioned)
        self.context = ts.Context({"cache_pool": {"total_bytes_limit": limit}})
        self.view = self.backend.view(
            context=self.context, recheck_cached_data=recheck, **GRIDS[grid]
        )

    def element(self, x: int, y: int) -> int:
        """Read the short way."""
        result = self.view[x, y].read().result()
        assert result.shape == ()
        return int(result)

    def box(self, x: int, y: int) -> int:
        """Read the general way."""
        return int(self.view[x : x + 1, y : y + 1].read().result()[0, 0])

    def seen(self) -> Any:
        """What callbacks and the pool have seen."""
        calls = [(call.role, call.key, call.params.__class__) for call in self.backend.calls]
        generations = [
            call.params.if_not_equal for call in self.backend.calls if call.role == "read"
        ]
        cache = self.view._driver.source.cache  # type: ignore[attr-defined]
        entries = None if cache is None else set(cache.entries)
        return calls, generations, entries, self.context["cache_pool"].statistics()


steps = st.lists(
    st.tuples(
        st.sampled_from(["read", "read", "read", "write", "store"]),
        st.integers(ORIGIN[0], ORIGIN[0] + SHAPE[0] - 1),
        st.integers(ORIGIN[1], ORIGIN[1] + SHAPE[1] - 1),
    ),
    max_size=30,
)


@given(
    st.sampled_from(sorted(GRIDS)),
    st.sampled_from([0, CHUNK_BYTES, 2 * CHUNK_BYTES, 1 << 20]),
    st.booleans(),
    st.sampled_from([True, False, "open", 7.0]),
    steps,
)
def test_the_short_way_does_what_the_general_one_does(
    grid: str, limit: int, versioned: bool, recheck: Any, steps: list[tuple[str, int, int]]
) -> None:
    short, general = (World(grid, limit, versioned, recheck) for _ in range(2))
    for number, (what, x, y) in enumerate(steps):
        if what == "read":
            assert general.box(x, y) == short.element(x, y)
        else:
            for world in (short, general):
                world.backend.clock = lambda number=number: float(number)  # type: ignore[misc]
                if what == "write":
                    world.view[x, y].write(100 + number).result()
                else:
                    world.backend.store((x, y), (1, 1), 200 + number)
        assert general.seen() == short.seen()
    assert idle(short.view)


def cached(grid: str = "regular") -> World:
    """A world whose whole array is in the cache."""
    world = World(grid, 1 << 20, versioned=False)
    world.view.read().result()
    return world


@pytest.mark.parametrize("grid", GRIDS)
def test_an_element_is_an_array_of_the_callers_own(grid: str) -> None:
    world = cached(grid)
    result = world.view[0, 5].read().result()
    result[...] = 99

    assert (result.dtype, result.flags.writeable, result.base) == (np.int64, True, None)
    assert world.element(0, 5) == 15


def test_an_element_is_read_when_it_is_waited_for() -> None:
    world = cached()
    future = world.view[0, 2].read()
    world.view[0, 2] = 7

    assert repr(future).startswith("<virtchunk.Future read of {  } from")
    assert future.result() == 7
    assert future.result() is future.result()
    assert future.done()


def test_an_element_that_was_cancelled_stays_so() -> None:
    future = cached().view[0, 2].read()

    assert future.cancel()
    assert future.cancelled()
    with pytest.raises(asyncio.CancelledError):
        future.result()


def test_done_callbacks_of_an_element_are_called_once() -> None:
    future = cached().view[0, 2].read()
    seen: list[Any] = []
    future.add_done_callback(seen.append)
    future.result(timeout=0)

    assert seen == [future]


def test_an_element_that_nobody_waits_for_is_warned_of() -> None:
    view = cached().view
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        view[0, 2].read()
        gc.collect()

    assert ["never awaited" in str(warning.message) for warning in caught] == [True]


async def test_an_element_is_awaited_like_any_other_read() -> None:
    assert await cached().view[0, 5].read() == 15
    assert await World("irregular", 0, versioned=False).view[0, 5].read() == 15


def test_options_of_a_read_hold_for_an_element() -> None:
    view, told = cached().view, []

    assert view[0, 5].read(order="F").result() == 15
    assert view[0, 5].read(progress=lambda *p: told.append(p)).result() == 15
    assert told == [(1, 1, 8)]
    with ts.Batch() as batch:
        future = view[0, 5].read(batch=batch)
    assert future.result() == 15
    wrong: Any = "K"
    with pytest.raises(TypeError, match="order"):
        view[0, 5].read(order=wrong)


def test_an_element_of_a_write_only_view_cannot_be_read() -> None:
    view = FakeBackend(np.arange(4)).view((2,), mode="w")
    with pytest.raises(ValueError, match="does not support reading"):
        view[1].read()


def test_an_element_in_a_transaction_is_what_was_written_in_it() -> None:
    view = cached().view
    transaction = ts.Transaction()
    inside = view.with_transaction(transaction)
    inside[0, 5].write(7).result()

    assert inside[0, 5].read().result() == 7
    assert view[0, 5].read().result() == 15
    transaction.abort()


def test_an_element_outside_the_base_is_an_error_when_it_is_read() -> None:
    view = cached().view[ts.d[:].mark_bounds_implicit[True]]
    future = view[100, 2].read()
    with pytest.raises(ValueError, match="outside the domain"):
        future.result()
