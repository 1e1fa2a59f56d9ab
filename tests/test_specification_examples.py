"""What the page of the original about virtual views says, sentence by sentence.

Its two examples, and a test for each of its statements. Most are tested more closely elsewhere:

- once per chunk, whatever is read: tests/engine/test_reads.py, tests/oracle/test_reads.py
- what may be written how: tests/engine/test_writes.py, tests/oracle/test_writes.py
- loops: tests/engine/test_loops.py
- stamps, caching, revalidation: tests/cache/, tests/engine/test_single_flight.py
- how constraints merge: tests/schema/, tests/spec/, tests/oracle/test_spec.py
- pickle: tests/engine/test_lifetime.py
- blocking inside callbacks: tests/engine/test_nesting.py
- transactions: tests/transaction/, tests/oracle/test_transactions.py
"""

from __future__ import annotations

import pickle
import threading
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import numpy as np
import pytest

import virtchunk as ts

Array = np.ndarray[Any, Any]
Stamp = ts.KvStore.TimestampedStorageGeneration
CACHE = {"cache_pool": {"total_bytes_limit": 100_000}}


# -- the examples ----------------------------------------------------------------------------------


async def test_example_read_only(capsys: pytest.CaptureFixture[str]) -> None:
    a = ts.array([[1, 2, 3], [4, 5, 6]], dtype=ts.uint32)

    async def do_read(
        domain: ts.IndexDomain, array: Array, read_params: ts.VirtualChunkedReadParameters
    ) -> None:
        print(f"Computing content for: {domain}")  # noqa: T201
        array[...] = (await a[domain].read()) + 100

    t = ts.virtual_chunked(do_read, dtype=a.dtype, domain=a.domain)
    result = await t.read()

    assert repr(result) == repr(np.array([[101, 102, 103], [104, 105, 106]], dtype=np.uint32))
    assert capsys.readouterr().out == "Computing content for: { [0, 2), [0, 3) }\n"


async def test_example_read_write() -> None:
    array = np.zeros(shape=[4, 5], dtype=np.uint32)
    array[1] = 50

    def do_read(domain: Any, chunk: Any, read_context: Any) -> None:
        chunk[...] = array[domain.index_exp]

    def do_write(domain: Any, chunk: Any, write_context: Any) -> None:
        array[domain.index_exp] = chunk

    t = ts.virtual_chunked(
        do_read,
        do_write,
        dtype=array.dtype,
        shape=array.shape,
        chunk_layout=ts.ChunkLayout(read_chunk_shape=(2, 3)),
    )
    before = await t.read()
    assert before.tolist() == [[0] * 5, [50] * 5, [0] * 5, [0] * 5]
    assert before.dtype == np.uint32

    t[1:3, 1:3] = 42

    assert array.tolist() == [[0] * 5, [50, 42, 42, 50, 50], [0, 42, 42, 0, 0], [0] * 5]


# -- read_function and write_function --------------------------------------------------------------


def fill(domain: ts.IndexDomain, array: Array, params: Any) -> None:
    array[...] = sum(domain.inclusive_min)


def store_nothing(domain: Any, array: Any, params: Any) -> None:
    """Stand for a function that stores."""


def test_read_function_must_be_given_to_read_and_write_function_to_write() -> None:
    only_read = ts.virtual_chunked(fill, dtype=ts.int32, shape=[3])
    only_write = ts.virtual_chunked(None, store_nothing, dtype=ts.int32, shape=[3])

    assert (only_read.readable, only_read.writable, only_read.mode) == (True, False, "r")
    assert (only_write.readable, only_write.writable, only_write.mode) == (False, True, "w")
    with pytest.raises(ValueError, match="does not support writing"):
        only_read[...] = 5
    with pytest.raises(ValueError, match="does not support reading"):
        only_write.read()
    with pytest.raises(ValueError, match="read_function"):
        ts.virtual_chunked(dtype=ts.int32, shape=[3])


def test_a_version_that_a_read_returns_identifies_the_content_for_caching() -> None:
    asked: list[bytes] = []

    def read(domain: Any, array: Any, params: ts.VirtualChunkedReadParameters) -> Stamp:
        asked.append(params.if_not_equal)
        if params.if_not_equal == b"one":
            return Stamp(b"", params.staleness_bound)
        array[...] = 7
        return Stamp(b"one", params.staleness_bound)

    view = ts.virtual_chunked(read, dtype=ts.int32, shape=[3], context=ts.Context(CACHE))
    results = [view.read().result().tolist() for _ in range(3)]

    assert results == [[7, 7, 7]] * 3
    assert asked == [b"", b"one", b"one"]


def test_a_read_that_returns_none_may_be_cached_for_ever() -> None:
    calls: list[Any] = []

    def read(domain: Any, array: Any, params: Any) -> None:
        calls.append(params)
        array[...] = 7

    view = ts.virtual_chunked(read, dtype=ts.int32, shape=[3], context=ts.Context(CACHE))
    for _ in range(3):
        assert view.read().result().tolist() == [7, 7, 7]

    assert len(calls) == 1


def test_a_version_that_a_write_returns_identifies_what_is_cached() -> None:
    asked: list[Any] = []

    def read(domain: Any, array: Any, params: ts.VirtualChunkedReadParameters) -> Stamp:
        asked.append(params.if_not_equal)
        return Stamp(b"", params.staleness_bound)

    def write(domain: Any, array: Any, params: ts.VirtualChunkedWriteParameters) -> Stamp:
        asked.append(params.if_equal)
        return Stamp(b"stored", 5.0)

    context = ts.Context(CACHE)
    view = ts.virtual_chunked(read, write, dtype=ts.int32, shape=[3], context=context)
    view[...] = 9

    assert view.read().result().tolist() == [9, 9, 9]
    assert asked == [b"", b"stored"]


def test_a_write_that_returns_none_leaves_content_cached_for_ever() -> None:
    def read(domain: Any, array: Any, params: Any) -> None:
        raise AssertionError("not asked")

    context = ts.Context(CACHE)
    view = ts.virtual_chunked(read, store_nothing, dtype=ts.int32, shape=[3], context=context)
    view[...] = 9

    assert view.read().result().tolist() == [9, 9, 9]


# -- loop ------------------------------------------------------------------------------------------


async def test_a_coroutine_runs_in_the_loop_that_was_given() -> None:
    threads: list[int] = []

    async def read(domain: Any, array: Any, params: Any) -> None:
        threads.append(threading.get_ident())
        array[...] = 1

    with anyio.from_thread.start_blocking_portal() as portal:
        loop = portal.call(anyio.lowlevel.current_token)
        there = portal.call(threading.get_ident)
        view = ts.virtual_chunked(read, loop=loop, dtype=ts.int8, shape=[2])
        await view.read()
        await anyio.to_thread.run_sync(view.read().result)

    assert threads == [there, there]


async def test_the_loop_is_by_default_the_one_that_runs_where_the_view_is_made() -> None:
    threads: list[int] = []

    async def read(domain: Any, array: Any, params: Any) -> None:
        threads.append(threading.get_ident())
        array[...] = 1

    view = ts.virtual_chunked(read, dtype=ts.int8, shape=[2])
    await anyio.to_thread.run_sync(view.read().result)

    assert threads == [threading.get_ident()]


def test_without_any_loop_a_coroutine_is_an_error() -> None:
    async def read(domain: Any, array: Any, params: Any) -> None:
        array[...] = 1

    async def write(domain: Any, array: Any, params: Any) -> None:
        """Store nothing."""

    view = ts.virtual_chunked(read, write, dtype=ts.int8, shape=[2])
    with pytest.raises(ValueError, match="no event loop specified"):
        view.read().result()
    with pytest.raises(ValueError, match="no event loop specified"):
        view[...] = 1


# -- constraints -----------------------------------------------------------------------------------


def opened(**options: Any) -> ts.TensorStore:
    options.setdefault("dtype", ts.int32)
    return ts.virtual_chunked(fill, **options)


def test_rank_dtype_domain_and_shape_must_agree() -> None:
    for options in (
        {"rank": 2, "shape": [3]},
        {"dtype": ts.int32, "schema": ts.Schema(dtype=ts.int8), "shape": [3]},
        {"shape": [3], "domain": ts.IndexDomain(shape=[4])},
        {"shape": [3], "domain": ts.IndexDomain(rank=2)},
        {"shape": [3], "domain": ts.IndexDomain([ts.Dim(1, 4)])},
    ):
        with pytest.raises(ValueError, match=r"rank|match|differ|dtype|domain"):
            opened(**options)


def test_a_finite_or_explicit_bound_takes_precedence_over_an_infinite_implicit_one() -> None:
    schema = ts.Schema(domain=ts.IndexDomain([ts.Dim(inclusive_min=2)]))
    view = opened(schema=schema, domain=ts.IndexDomain([ts.Dim(2, 9)]))

    assert view.domain == ts.IndexDomain([ts.Dim(2, 9)])


def test_labels_must_be_equal_or_empty() -> None:
    schema = ts.Schema(domain=ts.IndexDomain(shape=[2, 3], labels=["x", ""]))
    view = opened(schema=schema, domain=ts.IndexDomain(shape=[2, 3], labels=["", "y"]))
    assert view.domain.labels == ("x", "y")

    with pytest.raises(ValueError, match="label"):
        opened(schema=schema, domain=ts.IndexDomain(shape=[2, 3], labels=["z", ""]))


def test_shape_is_the_domain_that_begins_at_zero() -> None:
    assert opened(shape=[2, 3]).domain == opened(domain=ts.IndexDomain(shape=[2, 3])).domain
    assert opened(shape=[2, 3]).origin == (0, 0)


def test_chunk_layouts_are_merged_or_incompatible() -> None:
    def layout(*shape: int | None) -> ts.ChunkLayout:
        return ts.ChunkLayout(read_chunk_shape=[s or 0 for s in shape])

    schema = ts.Schema(chunk_layout=layout(2, None))
    view = opened(shape=[9, 9], schema=schema, chunk_layout=layout(None, 3))
    assert view.chunk_layout.read_chunk.shape == (2, 3)

    with pytest.raises(ValueError, match="chunk"):
        opened(shape=[9, 9], schema=schema, chunk_layout=layout(4, None))


def test_units_are_given_per_dimension_unknown_or_without_dimension() -> None:
    view = opened(shape=[2, 3, 4, 5], dimension_units=["4nm", None, "", (3, "s")])

    assert view.dimension_units == (ts.Unit(4, "nm"), None, ts.Unit(1, ""), ts.Unit(3, "s"))


# -- context, caching, blocking --------------------------------------------------------------------


def counting() -> tuple[list[Any], Any]:
    calls: list[Any] = []

    def read(domain: Any, array: Any, params: Any) -> None:
        calls.append(domain)
        array[...] = 1

    return calls, read


def test_content_is_computed_on_every_read_unless_there_is_a_cache_pool() -> None:
    calls, read = counting()
    view = ts.virtual_chunked(read, dtype=ts.int8, shape=[2])
    view.read().result()
    view.read().result()
    assert len(calls) == 2


def test_a_cache_pool_is_shared_only_through_a_context_that_is_given() -> None:
    _, read = counting()
    context = ts.Context(CACHE)
    views = [ts.virtual_chunked(read, dtype=ts.int8, shape=[2], context=context) for _ in range(2)]
    for view in views:
        view.read().result()
    apart = ts.virtual_chunked(read, dtype=ts.int8, shape=[2])
    apart.read().result()

    assert context["cache_pool"].statistics().entries == 2


async def test_blocking_on_another_operation_inside_a_callback_completes_here() -> None:
    """The page warns of a deadlock; see also what it recommends, below."""
    context = ts.Context({"data_copy_concurrency": {"limit": 1}})
    inner = ts.virtual_chunked(fill, dtype=ts.int32, shape=[3], context=context)

    def read(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        array[...] = inner[domain].read().result()

    async def read_better(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        array[...] = await inner[domain].read()

    for function in (read, read_better):
        view = ts.virtual_chunked(function, dtype=ts.int32, shape=[3], context=context)
        assert (await view.read()).tolist() == [0, 0, 0]


# -- pickle ----------------------------------------------------------------------------------------


def test_views_pickle_if_and_only_if_their_functions_do() -> None:
    view = ts.virtual_chunked(fill, dtype=ts.int32, shape=[3])[1:]
    same = pickle.loads(pickle.dumps(view))
    assert same.domain == view.domain
    assert same.read().result().tolist() == view.read().result().tolist()

    local = ts.virtual_chunked(lambda *_: None, dtype=ts.int32, shape=[3])
    with pytest.raises((pickle.PicklingError, AttributeError), match="local object"):
        pickle.dumps(local)


async def fill_async(domain: Any, array: Array, params: Any) -> None:
    array[...] = threading.get_ident() % 1000


async def test_the_loop_of_a_pickle_is_the_one_that_runs_where_it_is_loaded() -> None:
    with anyio.from_thread.start_blocking_portal() as portal:
        loop = portal.call(anyio.lowlevel.current_token)
        view = ts.virtual_chunked(fill_async, loop=loop, dtype=ts.int32, shape=[1])
        there = portal.call(threading.get_ident)
        assert await view.read() == [there % 1000]
        same = pickle.loads(pickle.dumps(view))

    assert await anyio.to_thread.run_sync(same.read().result) == [threading.get_ident() % 1000]


# -- transactions ----------------------------------------------------------------------------------


class Memory:
    """An array, and what is called on it."""

    def __init__(self) -> None:
        self.array = np.zeros(4, np.int32)
        self.calls: list[Any] = []

    def read(self, domain: ts.IndexDomain, array: Array, params: Any) -> None:
        self.calls.append(("read", domain.origin[0]))
        array[...] = self.array[domain.index_exp]

    def write(self, domain: ts.IndexDomain, array: Array, params: Any) -> None:
        self.calls.append(("write", domain.origin[0], params.if_equal))
        self.array[domain.index_exp] = array

    def view(self, **options: Any) -> ts.TensorStore:
        layout = ts.ChunkLayout(read_chunk_shape=[2])
        return ts.virtual_chunked(
            self.read, self.write, dtype=ts.int32, shape=[4], chunk_layout=layout, **options
        )


async def test_a_transactional_write_is_buffered_and_observed_by_its_own_reads_only() -> None:
    memory = Memory()
    view = memory.view()
    async with ts.Transaction() as transaction:
        inside = view.with_transaction(transaction)
        await inside[0:3].write(5)
        assert (await inside.read()).tolist() == [5, 5, 5, 0]
        assert (await view.read()).tolist() == [0, 0, 0, 0]
        assert not any(call[0] == "write" for call in memory.calls)
        memory.calls.clear()

    assert memory.array.tolist() == [5, 5, 5, 0]
    assert sorted(memory.calls) == [("read", 2), ("write", 0, b""), ("write", 2, b"")]


async def test_an_atomic_transaction_must_not_write_to_more_than_one_chunk() -> None:
    memory = Memory()
    transaction = ts.Transaction(atomic=True)
    inside = memory.view().with_transaction(transaction)
    await inside[0:2].write(5)
    with pytest.raises(ValueError, match="atomic"):
        await inside[1:3].write(5)
    transaction.abort()

    assert memory.array.tolist() == [0] * 4


async def test_a_transaction_given_at_creation_is_as_good_as_one_bound_later() -> None:
    memory = Memory()
    transaction = ts.Transaction()
    view = memory.view(transaction=transaction)
    assert view.transaction is transaction
    await view.write(3)
    assert memory.array.tolist() == [0] * 4
    await transaction.commit_async()

    assert memory.array.tolist() == [3] * 4


async def test_functions_may_use_other_transactions_while_one_is_committed() -> None:
    below = Memory()

    async def write(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        async with ts.Transaction() as other:
            await below.view(transaction=other)[domain].write(array)

    layout = ts.ChunkLayout(read_chunk_shape=[2])
    view = ts.virtual_chunked(None, write, dtype=ts.int32, shape=[4], chunk_layout=layout)
    async with ts.Transaction() as transaction:
        await view.with_transaction(transaction).write(6)

    assert below.array.tolist() == [6] * 4


async def test_the_same_transaction_in_a_callback_that_is_called_by_its_commit_fails() -> None:
    below = Memory().view()
    transaction = ts.Transaction()

    async def write(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        await below.with_transaction(transaction)[0].write(1)

    view = ts.virtual_chunked(None, write, dtype=ts.int32, shape=[2])
    await view.with_transaction(transaction).write(6)
    with pytest.raises(ValueError, match="transaction"):
        await transaction.commit_async()


async def test_a_read_only_view_may_read_with_the_transaction_it_is_read_with() -> None:
    memory = Memory()
    async with ts.Transaction() as transaction:
        below = memory.view(transaction=transaction)
        await below[0].write(8)

        async def read(domain: ts.IndexDomain, array: Array, params: Any) -> None:
            array[...] = await below[domain].read()

        view = ts.virtual_chunked(read, dtype=ts.int32, shape=[4])
        assert (await view.with_transaction(transaction).read()).tolist() == [8, 0, 0, 0]
