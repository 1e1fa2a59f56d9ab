"""A view of 10^12 elements, planned by dask, of which a part is computed and stored in files.

Each element is how many steps its number takes to reach 1, in Collatz' game: even numbers are
halved, odd ones tripled, and one added. It is computed in plain Python, so that threads take turns.

Run it with ``python examples/materialised_through_dask.py [asyncio|trio]``, or with ``cluster`` to
measure the same job in the threads of one process and in the processes of a cluster.
"""

from __future__ import annotations

import io
import sys
import time
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import virtchunk as ts
from virtchunk.dask import store

SIDE = 10**6
TILE = 1000


def steps(number: int) -> int:
    """Play the game from one number."""
    count = 0
    while number > 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        count += 1
    return count


def compute(domain: ts.IndexDomain, array: npt.NDArray[Any], params: object) -> None:
    """Compute one tile; row by row, the elements are 0, 1, 2, ..."""
    rows, columns = np.ogrid[domain.index_exp]
    numbers = rows * SIDE + columns
    array[...] = np.reshape([steps(number) for number in numbers.ravel().tolist()], array.shape)


def numbers(tile: int = TILE) -> ts.TensorStore:
    """Present all of them as one array."""
    return ts.virtual_chunked(compute, dtype=ts.uint16, shape=[SIDE, SIDE], chunks=tile)


def tiles_in_files(path: str, like: ts.TensorStore) -> ts.TensorStore:
    """Present the files of a folder as one array, with a tile in each."""
    files = ts.KvStore.open({"driver": "file", "path": f"{path}/", "file_io_sync": False}).result()

    def key_of(domain: ts.IndexDomain) -> str:
        return "{}.{}.npy".format(*domain.inclusive_min)

    async def load(domain: ts.IndexDomain, array: npt.NDArray[Any], params: object) -> None:
        array[...] = np.load(io.BytesIO((await files.read(key_of(domain))).value))

    async def save(domain: ts.IndexDomain, array: npt.NDArray[Any], params: object) -> None:
        content = io.BytesIO()
        np.save(content, array)
        await files.write(key_of(domain), content.getvalue())

    return ts.virtual_chunked(
        load, save, dtype=like.dtype, domain=like.domain, chunk_layout=like.chunk_layout
    )


def main(backend: Literal["asyncio", "trio"]) -> None:
    """Plan all of it, and compute a part."""
    plan = numbers().to_dask()
    print(f"planned: {plan.size:.0e} elements, {plan.npartitions:.0e} tasks, none of them run")

    window = numbers(tile=8)[:16, :24]
    with TemporaryDirectory() as folder:
        target = tiles_in_files(folder, window)
        store(window.to_dask(), target, backend=backend)
        stored = target.to_dask(backend=backend)
        print("stored:", stored.npartitions, "tiles; the longest game:", stored.max().compute())


def measure() -> None:
    """Store 480 x 480 elements, with the threads of one process and with two processes."""
    import distributed

    window = numbers(tile=96)[:480, :480]

    def seconds(scheduler: str) -> float:
        with TemporaryDirectory() as folder:
            started = time.perf_counter()
            store(window.to_dask(), tiles_in_files(folder, window), scheduler=scheduler)
            return time.perf_counter() - started

    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
        for scheduler in ("threads", "distributed"):
            print(f"{scheduler}: {min(seconds(scheduler) for _ in range(5)):.2f} s")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["cluster"]:
            measure()
        case [("asyncio" | "trio") as backend]:
            main(backend)
        case _:
            main("asyncio")
