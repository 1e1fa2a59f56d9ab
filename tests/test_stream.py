"""`TensorStore.chunks`: all chunks, once each, within the budget, and nothing left behind."""

from __future__ import annotations

from typing import Any

import anyio
import numpy as np
import pytest

import virtchunk as ts
from tests import fakes

BASE = np.arange(20 * 18).reshape(20, 18)


def view(**options: Any) -> tuple[fakes.FakeBackend, ts.TensorStore]:
    backend = fakes.FakeBackend(BASE.copy())
    return backend, backend.view((7, 5), **options)


@pytest.mark.parametrize("style", ["sync", "async", "async one"])
@pytest.mark.parametrize("order", ["completion", "grid"])
async def test_chunks_of_a_transformed_view_are_its_parts(style: str, order: Any) -> None:
    _, whole = view(style=style)
    part = whole[3:19:2, 2:17].T[::-1]
    expected = await part.read()
    seen = np.zeros(part.shape, int)

    async with part.chunks(order=order) as stream:
        async for domain, array in stream:
            assert np.array_equal(array, await part[domain].read())
            where = domain.translate_backward_by[part.origin].index_exp
            seen[where] += 1
            assert np.array_equal(expected[where], array)

    assert np.all(seen == 1)


async def test_grid_order_is_row_by_row_however_late_the_first_chunk_comes() -> None:
    backend, whole = view(style="async")
    done: list[Any] = []
    first_may_go = anyio.Event()

    async def hold(call: fakes.Call) -> None:
        if call.key == (0, 0):
            await first_may_go.wait()

    backend.hold = hold
    async with anyio.create_task_group() as group:

        async def iterate() -> None:
            async with whole.chunks(order="grid") as stream:
                async for domain, _ in stream:
                    done.append(domain.inclusive_min)

        group.start_soon(iterate)
        await anyio.wait_all_tasks_blocked()
        assert done == []
        first_may_go.set()

    assert done == sorted(done)
    assert len(done) == 12


async def test_completion_order_does_not_wait_for_a_slow_chunk() -> None:
    backend, whole = view(style="async")
    first_may_go = anyio.Event()

    async def hold(call: fakes.Call) -> None:
        if call.key == (0, 0):
            await first_may_go.wait()

    backend.hold = hold
    done = []
    async with whole.chunks() as stream:
        async for domain, _ in stream:
            done.append(domain.inclusive_min)
            if len(done) == 11:
                first_may_go.set()

    assert done[-1] == (0, 0)


async def test_no_more_is_read_ahead_than_the_budget_permits() -> None:
    backend, whole = view(style="async")
    chunk = 7 * 5 * BASE.itemsize

    async with whole.chunks(order="grid", max_bytes=2 * chunk) as stream:
        iterator = aiter(stream)
        for taken in range(1, 4):
            await anext(iterator)
            await anyio.wait_all_tasks_blocked()
            # The one that was taken counts until the next is asked for.
            assert len(backend.reads()) <= taken + 1


async def test_a_chunk_larger_than_the_budget_is_read_alone() -> None:
    backend, whole = view(style="async")

    async with whole.chunks(max_bytes=1) as stream:
        async for _ in stream:
            assert backend.most_running == 1


async def test_leaving_the_block_cancels_what_is_read_ahead() -> None:
    backend, whole = view(style="async")

    async def hold(call: fakes.Call) -> None:
        if call.key != (0, 0):
            await anyio.sleep_forever()

    backend.hold = hold
    async with whole.chunks() as stream:
        async for _ in stream:
            break

    assert backend.running == 0


async def test_an_error_of_a_callback_is_raised_as_it_is() -> None:
    backend, whole = view(style="async")
    error = OSError("no such tile")
    backend.failures["read", (7, 5)] = error

    with pytest.raises(OSError) as caught:  # noqa: PT012
        async with whole.chunks() as stream:
            async for _ in stream:
                pass

    assert caught.value is error
    assert "[7, 14), [5, 10)" in "".join(error.__notes__)
    assert backend.running == 0


async def test_an_error_of_the_block_is_not_wrapped() -> None:
    _, whole = view(style="async")

    with pytest.raises(KeyError, match="mine"):  # noqa: PT012
        async with whole.chunks() as stream:
            async for _ in stream:
                raise KeyError("mine")


async def test_a_cancelled_block_leaves_nothing_running() -> None:
    backend, whole = view(style="async")

    async def hold(call: fakes.Call) -> None:
        await anyio.sleep_forever()

    backend.hold = hold
    with anyio.CancelScope() as scope:
        async with whole.chunks() as stream, anyio.create_task_group() as group:

            async def cancel() -> None:
                await anyio.wait_all_tasks_blocked()
                scope.cancel()

            group.start_soon(cancel)
            async for _ in stream:
                pass

    assert scope.cancelled_caught
    assert backend.running == 0


async def test_progress_counts_every_chunk() -> None:
    _, whole = view()
    seen: list[tuple[int, int, int]] = []

    async with whole.chunks(progress=lambda *state: seen.append(state)) as stream:
        async for _ in stream:
            pass

    assert [state[:2] for state in seen] == [(i, 12) for i in range(1, 13)]
    assert seen[-1][2] == BASE.nbytes


async def test_an_empty_view_has_no_chunks() -> None:
    _, whole = view()

    async with whole[3:3].chunks() as stream:
        assert [domain async for domain, _ in stream] == []


def test_index_arrays_and_unknown_orders_are_refused() -> None:
    _, whole = view()
    write_only = ts.virtual_chunked(None, print, dtype=ts.int8, shape=[3])

    with pytest.raises(ValueError, match="index arrays"):
        whole[[1, 2]].chunks()
    with pytest.raises(ValueError, match="order must be"):
        whole.chunks(order="backwards")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not support reading"):
        write_only.chunks()
