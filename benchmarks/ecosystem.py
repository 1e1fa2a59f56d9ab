"""What it costs to read a view through other libraries, beside reading the view itself.

``python benchmarks/ecosystem.py`` prints milliseconds and, in brackets, how many times that of the
view. The callback does next to nothing, so that this is the worst case.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

import virtchunk as ts

ROUNDS = 7

Read = Callable[[], Any]


def through_view(view: ts.TensorStore) -> Read:
    return lambda: view.read().result()


def through_dask(view: ts.TensorStore) -> Read:
    array = view.to_dask()
    return lambda: array.compute()


def through_dask_in_one_thread(view: ts.TensorStore) -> Read:
    array = view.to_dask()
    return lambda: array.compute(scheduler="sync")


def through_dask_chunks_joined(view: ts.TensorStore) -> Read:
    array = view.to_dask(chunks="auto")
    return lambda: array.compute()


def through_xarray(view: ts.TensorStore) -> Read:
    array = view.to_xarray()
    return lambda: array.values


def through_zarr(view: ts.TensorStore) -> Read:
    import zarr

    array = zarr.open_array(view.as_zarr_store(), mode="r")
    return lambda: array[...]


def zarr_in_memory(view: ts.TensorStore) -> Any:
    """Return what the view shows as chunks in memory, not compressed: what zarr itself takes."""
    import zarr

    array = zarr.create_array(
        {}, shape=view.shape, chunks=view.chunks, dtype=np.float32, compressors=None
    )
    array[...] = through_zarr(view)()
    return array


def through_zarr_alone(view: ts.TensorStore) -> Read:
    array = zarr_in_memory(view)
    return lambda: array[...]


def through_view_of_zarr(view: ts.TensorStore) -> Read:
    view_of_zarr = ts.from_zarr(zarr_in_memory(view))
    return lambda: view_of_zarr.read().result()


ROUTES: dict[str, tuple[str, Callable[[ts.TensorStore], Read]]] = {
    "view": ("virtchunk", through_view),
    "xarray": ("xarray", through_xarray),
    "dask": ("dask", through_dask),
    "dask, one thread": ("dask", through_dask_in_one_thread),
    'dask, chunks="auto"': ("dask", through_dask_chunks_joined),
    "zarr": ("zarr", through_zarr),
    "zarr, no view": ("zarr", through_zarr_alone),
    "zarr as a view": ("zarr", through_view_of_zarr),
}
"""Names, the packages they need, and how to read."""


def fill(domain: ts.IndexDomain, array: Any, params: object) -> None:
    array[...] = domain.inclusive_min[0]


async def fill_async(domain: ts.IndexDomain, array: Any, params: object) -> None:
    array[...] = domain.inclusive_min[0]


CASES = {
    "1 chunk of 64 x 64": (fill, 64, 64),
    "256 chunks of 64 x 64": (fill, 1024, 64),
    "16 chunks of 512 x 512": (fill, 2048, 512),
    "256 async chunks of 64 x 64": (fill_async, 1024, 64),
}


def milliseconds(routes: dict[str, Read]) -> dict[str, float]:
    """Measure all of them in turns, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in routes}
    for turn in range(ROUNDS + 1):
        for name, read in routes.items():
            gc.collect()
            started = time.perf_counter()
            read()
            if turn:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) * 1000 for name, values in times.items()}


def main() -> None:
    names = [name for name, (package, _) in ROUTES.items() if find_spec(package)]
    for case, (callback, side, chunk) in CASES.items():
        view = ts.virtual_chunked(callback, dtype=ts.float32, shape=[side, side], chunks=chunk)
        routes = {name: ROUTES[name][1](view) for name in names}
        if callback is fill_async:  # needs an event loop, which only the others bring along
            routes["view"] = awaiting(view)
        for read in routes.values():
            assert np.array_equal(read(), routes["view"]())
        found = milliseconds(routes)
        print(case)
        for name, time_taken in found.items():
            print(f"  {name:22} {time_taken:8.2f}  ({time_taken / found['view']:.1f} x)")


def awaiting(view: ts.TensorStore) -> Read:
    import anyio

    async def read() -> Any:
        return await view.read()

    return lambda: anyio.run(read)


if __name__ == "__main__":
    main()
