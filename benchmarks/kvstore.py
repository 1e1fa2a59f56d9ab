"""Rates of key-value stores, beside the original's where it is installed.

``python benchmarks/kvstore.py`` prints operations per second, blocking and awaited one by one, and
256 reads at once.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

VALUE = bytes(4096)
COUNT = 2000


def best_of(run: Callable[[], object], count: int, repeat: int = 3) -> float:
    """Operations per second of the fastest run."""
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return count / min(times)


def blocking(store: Any, count: int) -> dict[str, float]:
    def write() -> None:
        for i in range(count):
            store.write(str(i % 100), VALUE).result()

    def read() -> None:
        for i in range(count):
            store.read(str(i % 100)).result()

    return {"write": best_of(write, count), "read": best_of(read, count)}


def awaited(store: Any, count: int) -> dict[str, float]:
    async def one_by_one() -> None:
        for i in range(count):
            await store.read(str(i % 100))

    async def at_once() -> None:
        async def read(i: int) -> None:
            await store.read(str(i % 100))

        for _ in range(count // 256):
            await asyncio.gather(*(read(i) for i in range(256)))

    return {
        "await read": best_of(lambda: asyncio.run(one_by_one()), count),
        "256 reads at once": best_of(lambda: asyncio.run(at_once()), count // 256 * 256),
    }


def measure(name: str, spec: Any) -> dict[str, float]:
    ts = importlib.import_module(name)
    store = ts.KvStore.open(spec).result()
    return blocking(store, COUNT) | awaited(store, COUNT)


def main() -> None:
    names = ["virtchunk"]
    if importlib.util.find_spec("tensorstore"):
        names.append("tensorstore")
    folders = [tempfile.mkdtemp() for _ in names]
    try:
        for title, specs in (
            ("memory", ["memory://" for _ in names]),
            ("file", [{"driver": "file", "path": f"{folder}/a/"} for folder in folders]),
            (
                "file, not synced",
                [
                    {"driver": "file", "path": f"{folder}/b/", "file_io_sync": False}
                    for folder in folders
                ],
            ),
        ):
            rates = [measure(name, spec) for name, spec in zip(names, specs, strict=True)]
            for row in rates[0]:
                columns = "  ".join(
                    f"{name} {rate[row]:>9,.0f}/s" for name, rate in zip(names, rates, strict=True)
                )
                print(f"{title + ': ' + row:36}  {columns}")
    finally:
        for folder in folders:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
