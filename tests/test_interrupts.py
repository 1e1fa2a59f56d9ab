"""Ctrl-C in the middle of reads, under trio: the program ends, in order, whenever it comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("trio", reason="asyncio has the main task cancelled")

PROGRAM = """
import signal
import sys

import anyio
import trio

import virtchunk as ts

layout = ts.ChunkLayout(read_chunk_shape=[1])

async def below(domain, array, params):
    await anyio.lowlevel.checkpoint()
    array[...] = domain.inclusive_min[0]

numbers = ts.virtual_chunked(below, dtype=ts.int64, shape=[20], chunk_layout=layout)

async def above(domain, array, params):
    array[...] = (await numbers[domain].read()) ** 2

squares = ts.virtual_chunked(above, dtype=ts.int64, shape=[20], chunk_layout=layout)

async def read():
    await squares.read()

async def stream():
    async with squares.chunks() as stream:
        async for _ in stream:
            pass

async def copy():
    await ts.copy(squares, ts.array([0] * 20), max_bytes=64)

def interrupted_after(lines, use):
    # A signal comes when a number of lines has been run, wherever that is.
    def count(frame, event, argument):
        nonlocal lines
        lines -= event == "line"
        if lines == 0:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        return count

    async def main():
        await numbers[:2].read()
        sys.settrace(count)
        await use()

    interrupted = False
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        interrupted = True
    finally:
        sys.settrace(None)
    return interrupted

use = {"read": read, "stream": stream, "copy": copy}[sys.argv[1]]
limiters = [squares._driver.source.callbacks, numbers._driver.source.callbacks]
count = 0
for lines in range(5, 6000, 67):
    count += interrupted_after(lines, use)
    for limiter in limiters:
        assert limiter.statistics().borrowed_tokens == 0, lines
print(count)
"""


@pytest.mark.parametrize("use", ["read", "stream", "copy"])
def test_interrupt_after_any_line_ends_the_program_and_leaves_nothing(use: str) -> None:
    done = subprocess.run(
        # In anyio's own few lines, before a task of ours begins, it costs the task, and a warning.
        [sys.executable, "-W", "error", "-W", "ignore:coroutine", "-c", PROGRAM, use],
        capture_output=True,
        text=True,
        timeout=50,
    )

    assert done.stderr == ""
    assert int(done.stdout) > 50
