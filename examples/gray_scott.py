"""A simulation as an array (time, substance, y, x), computed as far as somebody looks.

Two substances diffuse and react, as Gray and Scott described it. A chunk is ten frames; to compute
it, the callback reads the frame before its first from the very view that it belongs to. So looking
at a late frame computes all chunks before it, once: the cache keeps them.

Run it with ``python examples/gray_scott.py [asyncio|trio] [picture.png]``.
"""

from __future__ import annotations

import math
import sys
from collections import Counter

import anyio
import anyio.to_thread
import numpy as np
import numpy.typing as npt

import virtchunk as ts

Frames = npt.NDArray[np.float32]

SIZE = 64
FRAMES_PER_CHUNK = 10
STEPS_PER_FRAME = 25
FEED, KILL = 0.037, 0.06
DIFFUSION = np.array([0.16, 0.08], np.float32)[:, None, None]


# The stamp of a computed chunk: what the cache has of it never gets old.
FOR_EVER = ts.KvStore.TimestampedStorageGeneration(b"computed", math.inf)


class Reaction:
    """The simulation, and how much of it has been computed."""

    def __init__(self) -> None:
        self.computed: Counter[str] = Counter()
        self.states: ts.TensorStore = ts.virtual_chunked(
            self.advance,
            dtype=ts.float32,
            domain=ts.IndexDomain(
                shape=[1_000_000, 2, SIZE, SIZE], labels=["time", "substance", "y", "x"]
            ),
            chunk_layout=ts.ChunkLayout(read_chunk_shape=[FRAMES_PER_CHUNK, 2, SIZE, SIZE]),
            context=ts.Context({"cache_pool": {"total_bytes_limit": 50_000_000}}),
        )

    async def advance(
        self, domain: ts.IndexDomain, array: Frames, params: ts.VirtualChunkedReadParameters
    ) -> ts.KvStore.TimestampedStorageGeneration:
        """Compute ten frames from the one before them."""
        first = domain["time"].inclusive_min
        frame = await self.states[first - 1].read() if first else beginning()
        await anyio.to_thread.run_sync(simulate, frame, array)
        self.computed["chunks"] += 1
        self.computed["frames"] += len(array)
        return FOR_EVER


def beginning() -> Frames:
    """Return the frame before the first: one substance everywhere, some of the other inside."""
    frame = np.zeros((2, SIZE, SIZE), np.float32)
    frame[0] = 1
    middle = slice(SIZE // 2 - 4, SIZE // 2 + 4)
    frame[:, middle, middle] = [[[0.5]], [[0.25]]]
    return frame


def simulate(frame: Frames, frames: Frames) -> None:
    """Fill frames with what follows a frame."""
    for following in frames:
        for _ in range(STEPS_PER_FRAME):
            frame = step(frame)
        following[...] = frame


def step(frame: Frames) -> Frames:
    """Return what a frame is one step later; what leaves at one edge comes in at the other."""
    around = sum(np.roll(frame, shift, axis) for shift in (1, -1) for axis in (1, 2))
    u, v = frame
    reaction = u * v * v
    change = DIFFUSION * (around - 4 * frame)
    change[0] += FEED * (1 - u) - reaction
    change[1] += reaction - (FEED + KILL) * v
    return frame + change


async def main(picture: str | None) -> None:
    """Look at a late frame, then at earlier ones, then at a later one."""
    reaction = Reaction()
    for time in (99, 49, 119):
        reaction.computed.clear()
        frame = await reaction.states[time, 1].read()
        print(
            f"frame {time}: {(frame > 0.1).mean():.0%} covered; computed "
            f"{reaction.computed['frames']} frames in {reaction.computed['chunks']} chunks"
        )
    if picture is not None:
        from PIL import Image

        frame = await reaction.states[119, 1].read()
        Image.fromarray((frame / frame.max() * 255).astype(np.uint8)).save(picture)


if __name__ == "__main__":
    backend = sys.argv[1] if sys.argv[1:] else "asyncio"
    anyio.run(main, sys.argv[2] if sys.argv[2:] else None, backend=backend)
