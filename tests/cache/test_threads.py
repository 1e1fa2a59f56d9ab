"""Readers and writers of one cached chunk in several threads: nobody sees less than was written."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import idle

Array = np.ndarray[Any, Any]


@pytest.fixture
def _hasty_threads() -> Any:
    """Let threads take turns as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_hasty_threads")
def test_reads_in_threads_never_go_back_behind_a_finished_write() -> None:
    stored = 0
    written = 0  # the newest value whose write has returned

    def read(domain: ts.IndexDomain, array: Array, params: object) -> None:
        array[...] = stored

    def write(domain: ts.IndexDomain, array: Array, params: object) -> None:
        nonlocal stored
        stored = int(array[0])

    # Room for one chunk of the two: so they drive each other out, and are read anew.
    context = ts.Context({"cache_pool": {"total_bytes_limit": 600}})
    view = ts.virtual_chunked(
        read,
        write,
        dtype=ts.int64,
        shape=[2],
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[1]),
        context=context,
    )
    errors: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            least = written
            seen = int(view[0].read().result())
            if seen < least:
                errors.append(f"saw {seen} after {least} had been written")
            view[1].read().result()

    readers = [threading.Thread(target=look) for _ in range(3)]
    for thread in readers:
        thread.start()
    for value in range(1, 400):
        view[0] = value
        written = value
    done.set()
    for thread in readers:
        thread.join()

    assert errors == []
    assert idle(view)
    statistics = context["cache_pool"].statistics()
    assert statistics.total_bytes <= 600
    assert statistics.entries <= 1
