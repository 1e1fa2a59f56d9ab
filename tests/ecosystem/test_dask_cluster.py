"""Views on a cluster of processes: the way beyond one machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

import virtchunk as ts
from tests.ecosystem.tiles import open_tiles
from tests.fakes import idle, until

distributed = pytest.importorskip("distributed", reason="an extra")
da = pytest.importorskip("dask.array", reason="an extra")

from virtchunk.dask import store

Array = np.ndarray[Any, Any]


def content() -> Array:
    return np.arange(1, 78, dtype=np.int32).reshape(7, 11)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two worker processes with one thread each."""
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> ts.KvStore:
    return ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("cache_bytes", [0, 10**6])
def test_workers_read_and_write_a_view_over_files(
    client: Any, folder: ts.KvStore, asynchronous: bool, cache_bytes: int
) -> None:
    view = open_tiles(folder, (7, 11), (3, 4), asynchronous=asynchronous, cache_bytes=cache_bytes)

    store(da.from_array(content(), chunks=(2, 11)), view)

    async def read() -> Array:
        return await view.read()

    np.testing.assert_array_equal(anyio.run(read), content())
    assert view.to_dask().sum().compute() == content().sum()


def test_workers_that_write_to_the_same_tiles_lose_nothing(client: Any, folder: ts.KvStore) -> None:
    """What they return says which version they have changed."""
    view = open_tiles(folder, (8, 8), (8, 8))

    da.store(da.arange(64, chunks=4).reshape(8, 8).rechunk((1, 4)), view, lock=False)

    np.testing.assert_array_equal(view.read().result(), np.arange(64).reshape(8, 8))


def test_the_tasks_of_a_worker_share_one_cache(client: Any, tmp_path: Path) -> None:
    log = str(tmp_path / "log")

    def read(domain: ts.IndexDomain, array: Array, params: object) -> None:
        with open(log, "a", encoding="ascii") as file:
            file.write(f"{domain.inclusive_min[0]}\n")
        array[...] = domain.inclusive_min[0]

    view = ts.virtual_chunked(
        read,
        dtype=ts.int64,
        shape=[12],
        chunk_layout=ts.ChunkLayout(chunk_shape=[4]),
        context=ts.Context({"cache_pool": {"total_bytes_limit": 10**6}}),
    )
    worker, *_ = client.scheduler_info()["workers"]

    total = client.compute(view.to_dask(chunks=1).sum(), workers=[worker]).result()

    assert total == 4 * (0 + 4 + 8)
    assert sorted(Path(log).read_text(encoding="ascii").split()) == ["0", "4", "8"]


async def test_a_view_of_a_dask_array_is_computed_by_the_cluster(client: Any) -> None:
    array = da.zeros(8, chunks=2).map_blocks(lambda block: block + os.getpid(), dtype=float)

    pids = {int(pid) for pid in await ts.from_dask(array).read()}

    workers = client.run(os.getpid).values()
    assert pids <= set(workers)


def test_a_worker_computes_a_view_of_a_dask_array_by_itself(client: Any) -> None:
    below = ts.from_dask(da.arange(8, chunks=2) * 2)

    def plus_one(domain: ts.IndexDomain, array: Array, params: object) -> None:
        array[...] = below[domain].read().result() + 1

    above = ts.virtual_chunked(plus_one, dtype=ts.int64, shape=[8], chunks=4)

    np.testing.assert_array_equal(above.to_dask().compute(), np.arange(8) * 2 + 1)


async def test_cancelling_a_read_takes_its_chunks_back_from_the_cluster(
    client: Any, tmp_path: Path
) -> None:
    def hold(block: Array, folder: str) -> Array:
        Path(folder, f"begun{time.monotonic_ns()}").touch()
        while not Path(folder, "proceed").exists():
            time.sleep(0.005)
        return block

    array = da.zeros(64, chunks=1).map_blocks(hold, str(tmp_path), dtype=float, meta=np.zeros(0))
    view = ts.from_dask(array)

    async with anyio.create_task_group() as group:

        async def read() -> None:
            await view.read()

        group.start_soon(read)
        await until(lambda: begun(tmp_path) > 0)
        group.cancel_scope.cancel()
    await anyio.Path(tmp_path, "proceed").touch()

    assert idle(view)
    assert client.submit(abs, -1, pure=False).result() == 1  # the workers are free again
    assert begun(tmp_path) < 64


def begun(folder: Path) -> int:
    return len(list(folder.glob("begun*")))
