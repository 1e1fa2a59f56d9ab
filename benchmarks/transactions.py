"""Times of transactions, beside the original's where it is installed.

``python benchmarks/transactions.py`` prints milliseconds, each the best of several turns: a view of
1,024 chunks of 10 x 10 bytes is written and committed, as a whole, with borders that are not whole
chunks, row by row, element by element; 300 keys of a store are written and read.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIDE, EDGE, TURNS = 320, 10, 9
Works = dict[str, Callable[[], object]]


def works(name: str) -> Works:
    """What is measured, of one of the two packages."""
    ts: Any = importlib.import_module(name)
    view = ts.virtual_chunked(
        lambda domain, array, params: None,
        lambda domain, array, params: None,
        dtype=ts.uint8,
        shape=[SIDE, SIDE],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[EDGE, EDGE]),
    )
    source = np.ones((SIDE, SIDE), np.uint8)
    store = ts.KvStore.open("memory://").result()

    def whole() -> None:
        with ts.Transaction() as transaction:
            view.with_transaction(transaction).write(source).result()

    def borders() -> None:
        with ts.Transaction() as transaction:
            view.with_transaction(transaction)[5 : SIDE - 5, 5 : SIDE - 5] = source[5:-5, 5:-5]

    def rows() -> None:
        with ts.Transaction() as transaction:
            staged = view.with_transaction(transaction)
            for i in range(SIDE):
                staged[i] = source[i]

    def elements() -> None:
        with ts.Transaction() as transaction:
            staged = view.with_transaction(transaction)
            for i in range(SIDE):
                staged[5, i] = 1

    def keys() -> None:
        with ts.Transaction() as transaction:
            staged = store.with_transaction(transaction)
            for i in range(300):
                staged[str(i)] = b"value"
            for i in range(300):
                assert staged[str(i)] == b"value"

    return {
        "all at once": whole,
        "with borders": borders,
        "row by row": rows,
        "320 elements": elements,
        "300 keys": keys,
    }


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    names = ["virtchunk"]
    if importlib.util.find_spec("tensorstore"):
        names.append("tensorstore")
    packages = {name: works(name) for name in names}
    print(f"{'milliseconds':14}", *(f"{name:>12}" for name in names))
    for case in packages["virtchunk"]:
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(TURNS):
            for name, package in packages.items():
                times[name].append(seconds(package[case]))
        print(f"{case:14}", *(f"{min(times[name]) * 1e3:12.2f}" for name in names))


if __name__ == "__main__":
    main()
