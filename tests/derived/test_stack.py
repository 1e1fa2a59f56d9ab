"""Stacks: which layer gives which element, however they lie and whatever is asked for."""

from __future__ import annotations

import math
import threading
from typing import Any

import anyio
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import virtchunk as ts
from tests.fakes import FakeBackend, idle
from tests.strategies_derived import Layers, layers
from tests.strategies_views import Base, selections
from virtchunk._drivers.stack_plan import Bounds, cut_into_parts

GRID = np.arange(24).reshape(4, 6)


def overlay(given: Layers, *, virtual: bool = False) -> ts.TensorStore:
    """The layers over something that has a value everywhere."""
    low, high = given.hull
    ground = np.zeros([b - a for a, b in zip(low, high, strict=True)], np.int64)
    views = [ts.array(ground).translate_to[low]]
    for number, (origin, shape) in enumerate(given.boxes):
        values = given.values(number)
        if virtual:
            chunk = tuple(min(size, 2) for size in shape)
            views.append(FakeBackend(values, origin).view(chunk))
        else:
            views.append(ts.array(values).translate_to[origin])
    return ts.overlay(views)


@hypothesis.given(layers(), st.booleans(), st.data())
def test_any_selection_of_layers_anywhere(
    given: Layers, virtual: bool, data: st.DataObject
) -> None:
    view = overlay(given, virtual=virtual)
    base = Base(view.origin, view.shape, (1,) * view.rank, view.origin)
    selection = data.draw(selections(base))

    part = view[selection.transform(ts)]

    assert np.array_equal(part.read().result(), selection.read(base, given.model()))


@hypothesis.given(layers(), st.data())
def test_any_selection_is_written_to_the_layers_that_are_seen(
    given: Layers, data: st.DataObject
) -> None:
    view = overlay(given)
    base = Base(view.origin, view.shape, (1,) * view.rank, view.origin)
    selection = data.draw(selections(base))
    part = view[selection.transform(ts)]
    written = -1 - np.arange(math.prod(selection.shape)).reshape(selection.shape)

    part.write(written).result()

    model = given.model()
    if 0 not in selection.shape:
        places = selection.positions(base)
        model[places] = written
    assert np.array_equal(view.read().result(), model)


@hypothesis.given(layers(rank=2))
def test_parts_cover_a_request_once_and_the_uppermost_layer_wholly(given: Layers) -> None:
    domains = [ts.IndexDomain(inclusive_min=origin, shape=shape) for origin, shape in given.boxes]
    low, high = given.hull
    whole = ts.IndexDomain(inclusive_min=low, exclusive_max=high)
    parts, spread = cut_into_parts(ts.IndexTransform(domains[-1]), Bounds([whole, *domains], whole))

    assert spread is None
    assert [part.layer for part in parts] == [len(domains)]


def test_layers_that_are_hidden_are_not_read() -> None:
    hidden, seen = FakeBackend(GRID.copy()), FakeBackend(-GRID)
    view = ts.overlay([hidden.view((2, 3)), seen.view((2, 3))])

    assert np.array_equal(view.read().result(), -GRID)
    assert hidden.calls == []


def test_only_the_chunks_of_the_layers_that_are_touched_are_read() -> None:
    backends = [FakeBackend(GRID + 100 * number) for number in range(20)]
    view = ts.stack([backend.view((2, 3)) for backend in backends])

    assert view[3:15:4, 2, 3].read().result().tolist() == [315, 715, 1115]
    assert [len(backend.calls) for backend in backends] == [
        int(number in {3, 7, 11}) for number in range(20)
    ]


async def test_layers_are_waited_for_at_the_same_time() -> None:
    waiting = 0
    all_waiting = anyio.Event()

    async def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 30:
            all_waiting.set()
        await all_waiting.wait()
        array[...] = 1

    layers = [ts.virtual_chunked(read, dtype=ts.int8, shape=[3]) for _ in range(30)]

    with anyio.fail_after(10):
        assert (await ts.stack(layers).read()).sum() == 90


async def test_a_failing_layer_cancels_the_others() -> None:
    cancelled = 0

    async def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        nonlocal cancelled
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled += 1
            raise

    async def fail(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        await anyio.wait_all_tasks_blocked()
        raise ZeroDivisionError

    waiting = [ts.virtual_chunked(read, dtype=ts.int8, shape=[3]) for _ in range(5)]
    failing = ts.virtual_chunked(fail, dtype=ts.int8, shape=[3])

    with pytest.raises(ZeroDivisionError):
        await ts.stack([*waiting, failing]).read()

    assert cancelled == 5
    assert idle(failing, *waiting)


def test_a_blocking_read_of_slow_layers_uses_threads() -> None:
    met = threading.Barrier(3)

    def slow(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        threading.Event().wait(0.02)

    def meet(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        met.wait(10)

    context = ts.Context({"data_copy_concurrency": {"limit": 8}})
    views = [
        ts.virtual_chunked(function, dtype=ts.int8, shape=[3], context=context)
        for function in (meet, meet, meet, slow)
    ]

    ts.stack(views).read().result()  # the last one first


@pytest.mark.parametrize("where", [slice(0, 2), slice(0, 1)])
def test_a_layer_that_cannot_be_written_is_found_before_anything_is_written(where: slice) -> None:
    backend = FakeBackend(GRID.copy())
    view = ts.stack([backend.view((2, 3)), ts.array(GRID, write=False)])
    assert view.mode == "rw"

    if where.stop == 2:
        with pytest.raises(ValueError, match=r"layer 1 .* cannot be written"):
            view[where].write(0).result()
        assert backend.calls == []
    else:
        view[where].write(0).result()
        assert not backend.array.any()


def test_where_no_layer_is_reading_says_where() -> None:
    view = ts.overlay([ts.array([1, 2]), ts.array([3]).translate_to[5]])

    with pytest.raises(ValueError, match=r"no layer of the stack has the element at \(2,\)"):
        view.read().result()
    with pytest.raises(ValueError, match=r"no layer .* at \(3,\)"):
        view.oindex[[0, 3]].read().result()
    with pytest.raises(ValueError, match="no layer"):
        view.write(1).result()


def test_a_spec_as_a_layer_is_opened_when_it_is_needed() -> None:
    context = ts.Context({"data_copy_concurrency": {"limit": 3}})
    spec = ts.array(GRID).spec()
    view = ts.concat([spec, ts.array(GRID.copy()), spec[1:]], 0, context=context)

    assert np.array_equal(view.read().result(), np.concatenate([GRID, GRID, GRID[1:]]))
    view[...] = 0  # of what a spec opens, nothing is left afterwards
    assert np.array_equal(view[:4].read().result(), GRID)
    assert not view[4:8].read().result().any()


def test_layers_named_in_json_import_code_only_if_allowed() -> None:
    layer = {
        "driver": "virtual_chunked",
        "dtype": "int8",
        "schema": {"domain": {"shape": [2]}},
        "read_function": "tests.spec.callbacks:missing",
    }
    json = {"driver": "stack", "layers": [layer]}

    with pytest.raises(ValueError, match="allow_import"):
        ts.open(json).result().read().result()


def test_different_transactions_are_refused() -> None:
    one, two = ts.Transaction(), ts.Transaction()
    view = ts.array(GRID)
    first, second = view.with_transaction(one), view.with_transaction(two)

    assert ts.stack([first, first]).transaction is one
    assert ts.stack([view, view], transaction=one).transaction is one
    assert ts.stack([first, first], transaction=one).transaction is one
    for arguments, options in (
        ([first, second], {}),
        ([first, view], {}),
        ([view, first], {}),
        ([first, first], {"transaction": two}),
    ):
        wrong: dict[str, Any] = options
        with pytest.raises(ValueError, match="another transaction"):
            ts.stack(arguments, **wrong)


def test_unbounded_layers_are_read_where_they_are_asked_for() -> None:
    def read(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        array[...] = np.arange(domain.inclusive_min[0], domain.exclusive_max[0])

    line = ts.virtual_chunked(
        read, dtype=ts.int64, rank=1, chunk_layout=ts.ChunkLayout(read_chunk_shape=[10])
    )
    view = ts.overlay([line, ts.array([-1, -2]).translate_to[5]])

    assert view[3:9].read().result().tolist() == [3, 4, -1, -2, 7, 8]
    assert ts.stack([line, line])[1, -3:2].read().result().tolist() == [-3, -2, -1, 0, 1]
    with pytest.raises(ValueError, match="unbounded"):
        view.read().result()
    with pytest.raises(ValueError, match="without bounds"):
        ts.concat([line, line], 0)


@pytest.mark.parametrize("count", [1, 5, 100])
def test_many_layers(count: int) -> None:
    arrays = [np.full((2, 3), number) for number in range(count)]
    views = [ts.array(array) for array in arrays]

    assert np.array_equal(ts.stack(views, 1).read().result(), np.stack(arrays, 1))
    assert np.array_equal(ts.concat(views, -1).read().result(), np.concatenate(arrays, -1))
