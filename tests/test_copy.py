"""`virtchunk.copy`: whole chunks, in bounded memory, and honest about what was written."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import virtchunk as ts
from tests import fakes

BASE = np.arange(40 * 36).reshape(40, 36)


def views(style: str = "sync") -> tuple[fakes.FakeBackend, ts.TensorStore, ts.TensorStore]:
    """A target, its view with chunks of 8 x 7, and the view of a source with chunks of 11 x 5."""
    target = fakes.FakeBackend(np.zeros_like(BASE))
    source = fakes.FakeBackend(BASE.copy()).view((11, 5), style)
    return target, target.view((8, 7), style), source


@pytest.mark.parametrize("style", ["sync", "async", "async one"])
async def test_each_chunk_of_the_target_is_written_once_and_none_is_read(style: str) -> None:
    target, target_view, source = views(style)

    await ts.copy(source, target_view, max_bytes=10_000)

    assert np.array_equal(target.array, BASE)
    assert set(Counter(target.writes()).values()) == {1}
    assert target.reads() == []


def test_blocking_does_the_same() -> None:
    target, target_view, source = views()

    ts.copy(source, target_view, max_bytes=10_000).result()

    assert np.array_equal(target.array, BASE)
    assert set(Counter(target.writes()).values()) == {1}


@hypothesis.given(
    st.integers(1, 20_000),
    st.tuples(st.integers(0, 20), st.integers(20, 40)),
    st.tuples(st.integers(0, 18), st.integers(18, 36)),
)
def test_any_part_is_copied_with_any_budget(
    max_bytes: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    target, target_view, source = views()
    where = slice(*rows), slice(*columns)

    ts.copy(source[where], target_view[where], max_bytes=max_bytes).result()

    expected = np.zeros_like(BASE)
    expected[where] = BASE[where]
    assert np.array_equal(target.array, expected)
    # A chunk that is only partly in the target is read once and written once.
    assert set(Counter(target.writes()).values()) <= {1}


async def test_no_more_of_the_source_is_held_than_the_budget_permits() -> None:
    held = most = 0
    size = 4096

    async def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        nonlocal held, most
        held += array.nbytes
        most = max(most, held)
        await anyio.lowlevel.checkpoint()

    async def write(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        nonlocal held
        await anyio.lowlevel.checkpoint()
        held -= array.nbytes

    layout = ts.ChunkLayout(read_chunk_shape=[16])
    source = ts.virtual_chunked(read, dtype=ts.uint8, shape=[size], chunk_layout=layout)
    target = ts.virtual_chunked(None, write, dtype=ts.uint8, shape=[size], chunk_layout=layout)

    await ts.copy(source, target, max_bytes=256)

    assert held == 0
    assert 64 <= most <= 256


async def test_labels_align_the_source_with_the_target() -> None:
    source = ts.array(BASE)[ts.d[:].label["y", "x"]]
    target_array = np.zeros((36, 40), BASE.dtype)
    target = ts.array(target_array)[ts.d[:].label["x", "y"]]

    await ts.copy(source, target)

    assert np.array_equal(target_array, BASE.T)


async def test_progress_ends_with_everything() -> None:
    _, target_view, source = views()
    seen: list[tuple[int, int, int]] = []

    await ts.copy(source, target_view, max_bytes=4_000, progress=lambda *s: seen.append(s))

    done, total, nbytes = seen[-1]
    assert done == total == len(seen)
    assert nbytes == BASE.nbytes


async def test_a_failing_source_stops_the_copy_with_its_own_error() -> None:
    target, target_view, _ = views("async")
    backend = fakes.FakeBackend(BASE.copy())
    error = OSError("unreadable")
    backend.failures["read", (22, 5)] = error

    with pytest.raises(OSError) as caught:
        await ts.copy(backend.view((11, 5), "async"), target_view, max_bytes=4_000)

    assert caught.value is error
    assert backend.running == target.running == 0


async def test_a_cancelled_copy_leaves_nothing_running() -> None:
    target, target_view, source = views("async")

    async def hold(call: fakes.Call) -> None:
        await anyio.sleep_forever()

    target.hold = hold
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def run() -> None:
                await ts.copy(source, target_view, max_bytes=4_000)

            group.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            assert target.running > 0
            scope.cancel()

    assert target.running == 0


def test_impossible_copies_are_refused_at_once() -> None:
    _, target_view, source = views()
    read_only = ts.virtual_chunked(print, dtype=BASE.dtype, shape=BASE.shape)
    write_only = ts.virtual_chunked(None, print, dtype=BASE.dtype, shape=BASE.shape)

    with pytest.raises(ValueError, match="source of a copy must be readable"):
        ts.copy(write_only, target_view)
    with pytest.raises(ValueError, match="target of a copy must be writable"):
        ts.copy(source, read_only)
    with pytest.raises(ValueError, match="max_bytes must be positive"):
        ts.copy(source, target_view, max_bytes=0)
    with pytest.raises(ValueError, match="cannot align"):
        ts.copy(source[3:], target_view)
    with pytest.raises(TypeError, match="safe"):
        ts.copy(source, ts.array(np.zeros(BASE.shape, np.uint8)))
