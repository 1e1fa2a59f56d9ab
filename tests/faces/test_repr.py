"""What `repr` says of the objects that have no literal form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import virtchunk as ts


def fill(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    array[...] = 1


def view(**options: Any) -> ts.TensorStore:
    layout = ts.ChunkLayout(read_chunk_shape=[2, 2])
    return ts.virtual_chunked(fill, dtype=ts.int32, shape=[4, 3], chunk_layout=layout, **options)


def test_views_say_where_their_elements_come_from() -> None:
    context = ts.Context({"cache_pool": {"total_bytes_limit": 5000}})

    assert repr(view()) == (
        "TensorStore(fill, r, dtype=int32, domain={ [0, 4), [0, 3) }, chunks=(2, 2))"
    )
    assert repr(view(context=context)).endswith("chunks=(2, 2), cache=5_000 bytes)")
    assert repr(ts.array([1.0])) == "TensorStore(array, rw, dtype=float64, domain={ [0, 1) })"
    assert str(view()) == repr(view())


def test_a_view_in_a_transaction_says_so() -> None:
    with ts.Transaction() as transaction:
        shown = repr(ts.array([1]).with_transaction(transaction))

    assert shown.endswith("transaction=<virtchunk.Transaction: open>)")


def test_futures_say_what_they_wait_for() -> None:
    read = view().read()
    assert repr(read) == "<virtchunk.Future read of { [0, 4), [0, 3) } from fill: pending>"
    read.result()
    assert repr(read) == "<virtchunk.Future: done>"

    written = ts.array(np.zeros(3)).write(1)
    assert repr(written) == "<virtchunk.WriteFutures write to { [0, 3) } of an array: pending>"
    written.result()
    assert repr(written) == "<virtchunk.WriteFutures: done>"


def test_promises_say_whether_they_are_kept() -> None:
    promise, future = ts.Promise[int].new()
    assert repr(promise) == "<virtchunk.Promise: pending>"
    promise.set_result(3)
    assert repr(promise) == "<virtchunk.Promise: done>"
    assert future.result() == 3


def test_batches_say_how_much_is_in_them() -> None:
    batch = ts.Batch()
    assert repr(batch) == "<virtchunk.Batch: open, operations=0>"
    read = view().read(batch=batch)
    assert repr(batch) == "<virtchunk.Batch: open, operations=1>"
    batch.submit()
    assert repr(batch).startswith("<virtchunk.Batch: submitted")
    assert read.result().shape == (4, 3)


async def test_streams_say_how_far_they_are() -> None:
    stream = view().chunks()
    assert repr(stream).endswith("chunks=(2, 2)): 0 of 4 taken>")
    async with stream:
        await stream.__anext__()

    assert repr(stream).endswith(": 1 of 4 taken>")


def test_a_stream_can_be_made_where_no_event_loop_runs() -> None:
    assert "0 of 4" in repr(view().chunks())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ts.Context(), "Context()"),
        (ts.Context()["cache_pool"], "Context.Resource({})"),
        (ts.TensorStore.StorageStatistics(not_stored=True), "TensorStore.StorageStatistics("),
        (ts.Context()["cache_pool"].statistics(), "CachePoolStatistics(total_bytes_limit=0"),
        (ts.Schema(rank=2), "Schema({'rank': 2})"),
        (ts.KvStore.Spec("memory://"), "KvStore.Spec({'driver': 'memory'})"),
        (ts.OpenMode(open=True), "OpenMode(open=True)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_show_what_makes_them(value: Any, shown: str) -> None:
    assert repr(value).startswith(shown)
