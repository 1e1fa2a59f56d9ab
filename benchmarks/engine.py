"""The chunk engine beside the original and the bare loop, in one run.

    python benchmarks/engine.py [--quick] [--out [FILE]] [NAME ...]

Each row runs its contenders in turns, many times, so that noise hits all alike, and takes medians
and minima; only the ratios mean something. "original" is tensorstore at its better setting of two,
the default and ``data_copy_concurrency`` limit 1. "floor" is the least that Python can do: the same
callbacks called (or awaited) from a bare loop that makes each chunk's slices and array.

``--out`` puts this table, and that of ``benchmarks/indexing.py``, into ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import indexing
import numpy as np
import tensorstore
from rows import Row, Table, replace_table

import virtchunk

Contenders = dict[str, Callable[[], float]]
BACKENDS = ("asyncio", "trio")

SIDE, EDGE = 512, 4
CHUNKS = (SIDE // EDGE) ** 2


# -- making views --------------------------------------------------------------------------------


@attrs.frozen
class Module:
    """One of the two implementations, with the context that makes it fastest or default."""

    name: str
    ts: Any
    context: dict[str, Any]

    def view(
        self, read: Any, write: Any = None, side: int = SIDE, edge: int = EDGE, **more: Any
    ) -> Any:
        ts = self.ts
        context = {**self.context, **more.pop("context", {})}
        return ts.virtual_chunked(
            read,
            write,
            dtype=more.pop("dtype", ts.int32),
            shape=more.pop("shape", [side, side]),
            chunk_layout=ts.ChunkLayout(read_chunk_shape=more.pop("chunk", [edge, edge])),
            context=ts.Context(context),
            **more,
        )


OURS = Module("virtchunk", virtchunk, {})
ORIGINAL = Module("original", tensorstore, {})
ORIGINAL_1 = Module("original, limit 1", tensorstore, {"data_copy_concurrency": {"limit": 1}})
MODULES = (OURS, ORIGINAL, ORIGINAL_1)


def timed(work: Callable[[], object], units: int = CHUNKS) -> Callable[[], float]:
    """Return a measurement: seconds per unit of ``work``."""

    def measure() -> float:
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) / units

    return measure


def timed_async(
    work: Callable[[], Awaitable[object]], backend: str = "asyncio", units: int = CHUNKS
) -> Callable[[], float]:
    """Return the same, inside an event loop."""
    options = {"use_uvloop": True} if backend == "uvloop" else {}

    async def measured() -> float:
        started = time.perf_counter()
        await work()
        return (time.perf_counter() - started) / units

    name = "asyncio" if backend == "uvloop" else backend
    return lambda: anyio.run(measured, backend=name, backend_options=options)


async def awaited(view: Any) -> Any:
    return await view.read()


def slices(side: int = SIDE, edge: int = EDGE) -> Iterator[tuple[slice, slice]]:
    for row, column in product(range(0, side, edge), repeat=2):
        yield slice(row, row + edge), slice(column, column + edge)


def bare_loop(read: Any, domain: Any = None) -> Callable[[], object]:
    def work() -> None:
        result = np.empty((SIDE, SIDE), np.int32)
        for chunk in slices():
            read(chunk if domain is None else domain(chunk), result[chunk], None)

    return work


def bare_await(read: Any) -> Callable[[], Awaitable[object]]:
    async def work() -> None:
        result = np.empty((SIDE, SIDE), np.int32)
        for chunk in slices():
            await read(chunk, result[chunk], None)

    return work


def bare_pool(read: Any, limit: int, chunks: int) -> Callable[[], Awaitable[object]]:
    """As many tasks as the limit, pulling from one iterator: what one would write by hand."""

    async def work() -> None:
        result = np.empty((EDGE, EDGE), np.int32)
        todo = iter(range(chunks))

        async def worker() -> None:
            for _ in todo:
                await read(None, result, None)

        async with anyio.create_task_group() as group:
            for _ in range(limit):
                group.start_soon(worker)

    return work


def trivial(domain: Any, array: Any, params: Any) -> None:
    array[...] = 1


async def never_suspends(domain: Any, array: Any, params: Any) -> None:
    array[...] = 1


async def suspends(domain: Any, array: Any, params: Any) -> None:
    await asyncio.sleep(0)
    array[...] = 1


async def suspends_anyio(domain: Any, array: Any, params: Any) -> None:
    await anyio.lowlevel.checkpoint()
    array[...] = 1


async def sleeps(domain: Any, array: Any, params: Any) -> None:
    await asyncio.sleep(0.01)


async def sleeps_anyio(domain: Any, array: Any, params: Any) -> None:
    await anyio.sleep(0.01)


def ignore(domain: Any, array: Any, params: Any) -> None:
    pass


# -- rows ----------------------------------------------------------------------------------------


def sync_trivial() -> Contenders:
    """Plain code reads 16k chunks of 4 x 4 with a trivial callback."""
    contenders = {m.name: timed(lambda m=m: m.view(trivial).read().result()) for m in MODULES}
    return {**contenders, "floor": timed(bare_loop(trivial))}


def sync_copying() -> Contenders:
    """The callback copies from an array: ``array[...] = base[domain.index_exp]``."""
    base = np.arange(SIDE * SIDE, dtype=np.int32).reshape(SIDE, SIDE)

    def read(domain: Any, array: Any, params: Any) -> None:
        array[...] = base[domain.index_exp]

    def read_bare(chunk: Any, array: Any, params: Any) -> None:
        array[...] = base[chunk]

    contenders = {m.name: timed(lambda m=m: m.view(read).read().result()) for m in MODULES}
    return {**contenders, "floor": timed(bare_loop(read_bare))}


def sync_awaited(backend: str) -> Contenders:
    """The same as the first row, awaited."""
    return {
        OURS.name: timed_async(lambda: awaited(OURS.view(trivial)), backend),
        **{m.name: timed_async(lambda m=m: awaited(m.view(trivial))) for m in MODULES[1:]},
        "floor": timed(bare_loop(trivial)),
    }


def async_none(backend: str) -> Contenders:
    """16k chunks, an async callback that never suspends."""
    return {
        OURS.name: timed_async(lambda: awaited(OURS.view(never_suspends)), backend),
        **{m.name: timed_async(lambda m=m: awaited(m.view(never_suspends))) for m in MODULES[1:]},
        "floor": timed_async(bare_await(never_suspends), backend),
    }


def async_one(backend: str) -> Contenders:
    """16k chunks, an async callback that suspends once."""
    once = suspends_anyio if backend == "trio" else suspends
    return {
        OURS.name: timed_async(lambda: awaited(OURS.view(once)), backend),
        **{m.name: timed_async(lambda m=m: awaited(m.view(suspends))) for m in MODULES[1:]},
        "floor": timed_async(bare_await(once), backend),
    }


def waiting(backend: str, chunks: int, limit: int, original: bool) -> Contenders:
    """Callbacks that sleep for 10 ms, a number of them in flight; the whole read."""
    side = math.isqrt(chunks) * EDGE
    wait = sleeps_anyio if backend == "trio" else sleeps
    context = {"callback_concurrency": {"limit": limit}}
    contenders = {
        OURS.name: timed_async(
            lambda: awaited(OURS.view(wait, side=side, context=context)), backend, 1
        ),
        "floor": timed_async(bare_pool(wait, limit, chunks), backend, 1),
        "ideal": lambda: chunks / limit * 0.01,
    }
    if original:
        contenders[ORIGINAL.name] = timed_async(
            lambda: awaited(ORIGINAL.view(sleeps, side=side)), "asyncio", 1
        )
    return contenders


CACHED = {"cache_pool": {"total_bytes_limit": 1 << 30}}


def cached(where: Any) -> Contenders:
    """Reading again what is cached."""
    contenders: Contenders = {}
    for m in MODULES:
        view = m.view(trivial, context=CACHED)
        view.read().result()
        part = view[where]
        chunks = CHUNKS if where is ... else (SIDE // EDGE) ** 2
        contenders[m.name] = timed(lambda part=part: part.read().result(), chunks)
    return contenders


def writes(whole: bool) -> Contenders:
    """Plain code writes 16k chunks: whole ones, or half of each."""
    source = np.ones((SIDE, SIDE if whole else SIDE // 2), np.int32)

    def written(m: Module) -> None:
        view = m.view(trivial, ignore)
        (view if whole else view[:, ::2]).write(source).result()

    return {m.name: timed(lambda m=m: written(m)) for m in MODULES}


def one_element(context: dict[str, Any]) -> Contenders:
    """``t[5, 5].read().result()``."""
    contenders: Contenders = {}
    for m in MODULES:
        view = m.view(trivial, context=context)
        view[5, 5].read().result()

        def work(view: Any = view) -> None:
            for _ in range(500):
                view[5, 5].read().result()

        contenders[m.name] = timed(work, 500)
    return contenders


def await_one(backend: str) -> Contenders:
    """``await t.read()`` of one chunk, a trivial synchronous callback."""

    def many(view: Any) -> Callable[[], Awaitable[object]]:
        async def work() -> None:
            for _ in range(200):
                await view.read()

        return work

    return {
        OURS.name: timed_async(many(OURS.view(trivial, side=EDGE)), backend, 200),
        **{m.name: timed_async(many(m.view(trivial, side=EDGE)), units=200) for m in MODULES[1:]},
    }


def parallel(work: Callable[[Any], None], edge: int, dtype: str) -> Contenders:
    """Callbacks that release the GIL, on all cores; the floor is one bare thread."""
    side = edge * 8

    def read(domain: Any, array: Any, params: Any) -> None:
        work(array)

    def bare() -> None:
        result = np.empty((side, side), dtype)
        for chunk in slices(side, edge):
            work(result[chunk])

    contenders = {
        m.name: timed(
            lambda m=m: m.view(read, side=side, edge=edge, dtype=dtype).read().result(), 64
        )
        for m in MODULES
    }
    return {**contenders, "floor": timed(bare, 64)}


_ANGLES = np.linspace(0, 1, 256 * 256).reshape(256, 256)
_PACKED = zlib.compress(np.arange(1 << 16, dtype=np.float64).tobytes(), 1)


def sine(array: Any) -> None:
    np.sin(_ANGLES, out=array)


def unpack(array: Any) -> None:
    array[...] = np.frombuffer(zlib.decompress(_PACKED)).reshape(array.shape)


PEER_SIDE, PEER_EDGE = 1024, 32
PEER_CHUNKS = (PEER_SIDE // PEER_EDGE) ** 2


def peer_dask() -> Callable[[], object]:
    from dask import array, config

    def fill(block_info: Any = None) -> Any:
        return np.ones((PEER_EDGE, PEER_EDGE), np.int32)

    tiles = (PEER_EDGE,) * (PEER_SIDE // PEER_EDGE)

    def work() -> None:
        with config.set(scheduler="synchronous"):
            array.map_blocks(fill, chunks=(tiles, tiles), dtype=np.int32).compute()

    return work


def peer_zarr() -> Callable[[], object]:
    import zarr
    from zarr.core.buffer import default_buffer_prototype
    from zarr.storage import MemoryStore

    class Computed(MemoryStore):
        """A store whose chunks are made when they are asked for."""

        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            if not key.startswith("c/"):
                return await super().get(key, prototype, byte_range)
            chunk = np.empty((PEER_EDGE, PEER_EDGE), np.int32)
            trivial(None, chunk, None)
            return (prototype or default_buffer_prototype()).buffer.from_bytes(chunk.tobytes())

    opened = zarr.create_array(
        Computed(),
        shape=(PEER_SIDE, PEER_SIDE),
        chunks=(PEER_EDGE, PEER_EDGE),
        dtype="int32",
        compressors=None,
        filters=None,
    )
    return lambda: opened[:]


def peer_blosc2() -> Callable[[], object]:
    import blosc2

    def fill(inputs: Any, output: Any, offset: Any) -> None:
        output[...] = 1

    template = blosc2.zeros((PEER_SIDE, PEER_SIDE), dtype=np.int32, chunks=(PEER_EDGE, PEER_EDGE))
    lazy = blosc2.lazyudf(fill, (template,), np.int32, chunks=(PEER_EDGE, PEER_EDGE))
    return lambda: lazy[:]


def peers() -> Contenders:
    """1,024 chunks of 32 x 32 from a trivial function, by everybody who can."""
    contenders: Contenders = {
        m.name: timed(
            lambda m=m: m.view(trivial, side=PEER_SIDE, edge=PEER_EDGE).read().result(),
            PEER_CHUNKS,
        )
        for m in MODULES
    }
    for name, make in (("dask", peer_dask), ("zarr", peer_zarr), ("blosc2", peer_blosc2)):
        with contextlib.suppress(ImportError):
            contenders[name] = timed(make(), PEER_CHUNKS)
    return contenders


def large_chunks() -> Contenders:
    """Chunks of 64 MB filled by a copy, per MB; the floor is ``np.copyto`` into fresh memory."""
    edge, count = 4096, 4
    source = np.ones((edge, edge), np.float32)

    def read(domain: Any, array: Any, params: Any) -> None:
        np.copyto(array, source)

    def bare() -> None:
        for _ in range(count):
            np.copyto(np.empty_like(source), source)

    contenders = {
        m.name: timed(
            lambda m=m: (
                m.view(read, shape=[edge * count, edge], edge=edge, dtype="float32").read().result()
            ),
            64 * count,
        )
        for m in MODULES
    }
    return {**contenders, "floor": timed(bare, 64 * count)}


def async_from_sync() -> Contenders:
    """Plain code blocks for one chunk of an async callback; the loop runs in another thread."""
    contenders: Contenders = {}
    for m in MODULES[:2]:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        view = m.view(never_suspends, side=EDGE, loop=loop)

        def work(view: Any = view) -> None:
            for _ in range(200):
                view.read().result()

        contenders[m.name] = timed(work, 200)
    return contenders


def creation(text: str) -> Contenders:
    """Making a view of a view."""
    contenders: Contenders = {}
    for m in MODULES[:2]:
        names = {"t": m.view(trivial), "domain": m.ts.IndexDomain(shape=[20, 30])}
        code = compile(f"for _ in range(2000): {text}", text, "exec")
        contenders[m.name] = timed(lambda code=code, names=names: exec(code, names), 2000)
    return contenders


def subprocess_number(code: str) -> float:
    """Run Python code in a fresh process and return the number it prints.

    Modules are compiled by the first one that imports them, whatever the caller's settings.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(
        [sys.executable, "-I", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return float(run.stdout)


_MEMORY = """
import re, numpy as np, {module} as ts
def read(domain, array, params): array[...] = 1
def peak():  # of this process: that of getrusage() begins with the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
def view(side): return ts.virtual_chunked(read, dtype=ts.int8, shape=[side, side],
    chunk_layout=ts.ChunkLayout(read_chunk_shape=[2, 2]))
view(256).read().result()
before = peak()
result = view(2000).read().result()
print(peak() - before - result.nbytes / 2**20)
"""


def memory() -> Contenders:
    """Extra peak memory in MB of reading 1 M chunks instead of 16 k, less the result."""
    return {
        m.name: lambda m=m: subprocess_number(_MEMORY.format(module=m.ts.__name__)) / 1e6
        for m in MODULES[:2]
    }


_IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def importing() -> Contenders:
    """``import``, in a fresh process; the floor imports the dependencies."""
    return {
        OURS.name: lambda: subprocess_number(_IMPORT.format("virtchunk")),
        ORIGINAL.name: lambda: subprocess_number(_IMPORT.format("tensorstore")),
        "floor": lambda: subprocess_number(_IMPORT.format("numpy, anyio, attrs")),
    }


def cancel_latency(backend: str) -> Contenders:
    """From a cancellation to the end of the read, synchronous callbacks of 1 us."""

    async def measured() -> float:
        view = OURS.view(trivial, side=8192)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(awaited, view)
                await anyio.sleep(0.02)
                started = time.perf_counter()
                scope.cancel()
        return time.perf_counter() - started

    return {OURS.name: lambda: anyio.run(measured, backend=backend)}


def loop_stall(read: Any, backend: str) -> Contenders:
    """The 99th percentile of how late a 1 ms timer fires while 16k chunks are read."""

    async def measured() -> float:
        late: list[float] = []

        async def watch() -> None:
            while True:
                due = time.perf_counter() + 0.001
                await anyio.sleep(0.001)
                late.append(time.perf_counter() - due)

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            for _ in range(4):
                await OURS.view(read).read()
            group.cancel_scope.cancel()
        return sorted(late)[int(0.99 * len(late))]

    return {OURS.name: lambda: anyio.run(measured, backend=backend)}


def rows() -> Iterator[Row]:
    yield Row("sync, trivial", sync_trivial, original=8, floor=2.5)
    yield Row("sync, copying", sync_copying, original=8, floor=2.5)
    for backend in (*BACKENDS, "uvloop"):
        yield Row(f"sync, awaited, {backend}", sync_awaited, (backend,), original=8, floor=2.5)
        yield Row(f"async, no suspension, {backend}", async_none, (backend,), original=25)
        yield Row(f"async, one suspension, {backend}", async_one, (backend,), original=12)
    for backend, most in (("asyncio", 1.25), ("trio", 1.4)):
        name = f"10 ms sleep, 64 in flight, {backend}"
        yield Row(name, waiting, (backend, 1024, 64, False), ideal=most, rounds=3)
    for backend in BACKENDS:
        name = f"10 ms sleep, 1,024 in flight, {backend}"
        yield Row(name, waiting, (backend, 16384, 1024, backend == "asyncio"), floor=1.7, rounds=3)
    yield Row("cached, aligned", cached, (...,), original=2)
    yield Row("cached, unaligned", cached, (np.s_[1:511, 1:511],), original=2)
    yield Row("cached, stride 2", cached, (np.s_[::2, ::2],), original=2)
    yield Row("whole writes", writes, (True,), original=7)
    yield Row("partial writes", writes, (False,), original=7)
    yield Row("one element, uncached", one_element, ({},), original=5)
    # A recheck at each read is the default; what is valid for ever needs none.
    yield Row("one element, cached", one_element, (CACHED,), original=2.5)
    for backend in BACKENDS:
        yield Row(f"await one chunk, {backend}", await_one, (backend,), original=1)
    yield Row(
        "np.sin 256 x 256, 2 cores", parallel, (sine, 256, "float64"), original=1.2, floor=0.625
    )
    yield Row("zlib 512 KB, 2 cores", parallel, (unpack, 256, "float64"), original=1.2, floor=0.625)
    yield Row("64 MB chunks, per MB", large_chunks, original=2.5, floor=1.3, rounds=3)
    yield Row("async callback from sync code", async_from_sync, original=1 / 1.3)
    yield Row("t[10:20, 5:30]", creation, ("t[10:20, 5:30]",), original=1.2)
    yield Row("t[domain]", creation, ("t[domain]",), original=0.5)
    for backend in BACKENDS:
        yield Row(f"cancel latency, {backend}", cancel_latency, (backend,), most=0.010)
        yield Row(
            f"loop stall p99, sync, {backend}", loop_stall, (trivial, backend), most=0.015, rounds=3
        )
        yield Row(
            f"loop stall p99, async, {backend}",
            loop_stall,
            (never_suspends, backend),
            most=0.015,
            rounds=3,
        )
    yield Row("1 M chunks, extra MB", memory, most=5e-6, rounds=1)
    yield Row("peers", peers, rounds=3)
    yield Row("import", importing, floor=1.3, rounds=15)


DOCS = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only rows whose name contains one of these")
    parser.add_argument("--quick", action="store_true", help="one round each")
    parser.add_argument(
        "--out", type=Path, nargs="?", const=DOCS, help="also write the tables; default: the docs"
    )
    arguments = parser.parse_args()
    table = Table()
    print(table.head())
    for row in rows():
        if arguments.names and not any(name in row.name for name in arguments.names):
            continue
        with contextlib.suppress(ImportError):  # uvloop may be missing
            print(table.add(row.run(quick=arguments.quick)), flush=True)
    print(table.closing())
    if arguments.out is not None:
        replace_table(arguments.out, "engine", table.text())
        if not arguments.names:
            replace_table(arguments.out, "indexing", indexing.table(indexing.main()))


if __name__ == "__main__":
    main()
