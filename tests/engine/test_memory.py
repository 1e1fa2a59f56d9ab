"""What a read of a million chunks takes of memory, beside its result: nothing per chunk is kept."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path

import anyio

import virtchunk as ts

how, style = sys.argv[1:]


def read(domain, array, params):
    array[...] = 1


async def read_async(domain, array, params):
    array[...] = 1


def view(side):
    layout = ts.ChunkLayout(read_chunk_shape=[2, 2])
    function = read if style == "sync" else read_async
    return ts.virtual_chunked(function, dtype=ts.int8, shape=[side, side], chunk_layout=layout)


def peak():
    [line] = [s for s in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in s]
    return int(line.split()[1]) / 1024


async def awaited(future):
    return await future


def run(view):
    if how == "blocking":
        return view.read().result()
    return anyio.run(awaited, view.read(), backend=how)


run(view(256))
before = peak()
result = run(view(2000))
assert result.all()
print(peak() - before - result.nbytes / 2**20)
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak")
@pytest.mark.parametrize(
    ("how", "style"),
    [("blocking", "sync"), ("asyncio", "sync"), ("asyncio", "async"), ("trio", "async")],
)
def test_a_million_chunks_take_5_megabytes_at_most(how: str, style: str) -> None:
    """More than 16 thousand chunks do, and beyond the result."""
    if how == "trio" and find_spec("trio") is None:
        pytest.skip("trio is not installed")
    arguments = [sys.executable, "-c", PROGRAM, how, style]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)

    assert float(done.stdout) <= 5
