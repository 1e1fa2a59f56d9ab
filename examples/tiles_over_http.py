"""Map tiles from an HTTP server as one array: fetched when needed, asked for again by their tags.

The server, in a thread of this program, has tiles of an elevation model of an invented island, and
none of the sea around it. The client is httpx, which runs on asyncio and trio alike.

Needs httpx. Run it with ``python examples/tiles_over_http.py [asyncio|trio] [picture.png]``.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import httpx
import numpy as np
import numpy.typing as npt

import virtchunk as ts

SIZE = 100_000  # metres, and samples, along each edge of the map
TILE = 250
CENTRE, RADIUS, SUMMIT = 50_000, 900, 1200


class Tiles(BaseHTTPRequestHandler):
    """``/row/column`` is a tile: little-endian int16, row by row; 404 where there is only sea."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a tile, or that the client has it already."""
        row, column = map(int, self.path.strip("/").split("/"))
        y, x = np.ogrid[:TILE, :TILE]
        distance = np.hypot(y + row * TILE - CENTRE, x + column * TILE - CENTRE)
        heights = (SUMMIT * (1 - distance / RADIUS)).clip(0).astype("<i2")
        tag = f'"{heights.sum()}"'
        if not heights.any():
            self._answer(404)
        elif self.headers["If-None-Match"] == tag:
            self._answer(304, tag)
        else:
            self._answer(200, tag, heights.tobytes())

    def _answer(self, status: int, tag: str = "", body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """Run the server while the block runs; yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Tiles) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def open_map(client: httpx.AsyncClient, answers: Counter[int]) -> ts.TensorStore:
    """Present all tiles of a server as one array."""

    async def fetch(
        domain: ts.IndexDomain,
        array: npt.NDArray[np.int16],
        params: ts.VirtualChunkedReadParameters,
    ) -> ts.KvStore.TimestampedStorageGeneration:
        row, column = (low // TILE for low in domain.inclusive_min)
        known = params.if_not_equal.decode()  # the tag of what is in the cache
        headers = {"If-None-Match": known} if known else {}
        asked = time.time()
        answer = await client.get(f"/{row}/{column}", headers=headers)
        answers[answer.status_code] += 1
        if answer.status_code == 304:
            return ts.KvStore.TimestampedStorageGeneration(b"", asked)  # still the same
        if answer.status_code == 404:
            array[...] = 0
            return ts.KvStore.TimestampedStorageGeneration(b"sea", asked)
        tile = np.frombuffer(answer.raise_for_status().content, "<i2")
        array[...] = tile.reshape(array.shape)
        return ts.KvStore.TimestampedStorageGeneration(answer.headers["ETag"].encode(), asked)

    return ts.virtual_chunked(
        fetch,
        dtype=ts.int16,
        domain=ts.IndexDomain(shape=[SIZE, SIZE], labels=["y", "x"]),
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[TILE, TILE]),
        dimension_units=["m", "m"],
        context=ts.Context(
            {
                "cache_pool": {"total_bytes_limit": 100_000_000},
                "callback_concurrency": {"limit": 4},  # requests at a time
            }
        ),
    )


async def main(picture: str | None) -> None:
    """Look at the island twice, then along one line through it."""
    with serving() as address:
        async with httpx.AsyncClient(base_url=address) as client:
            answers: Counter[int] = Counter()
            island = open_map(client, answers)
            window = island[49_000:51_000, 49_000:51_000]

            async def read(what: str, view: ts.TensorStore) -> npt.NDArray[np.int16]:
                answers.clear()
                heights: npt.NDArray[np.int16] = await view.read()
                print(f"{what}: up to {heights.max()} m;", dict(sorted(answers.items())))
                return heights

            heights = await read("window", window)
            await read("again", window)
            await read("along a line", window[50_000, ::100])
            if picture is not None:
                save(heights, picture)


def save(heights: npt.NDArray[Any], picture: str) -> None:
    """Draw heights in grey."""
    from PIL import Image

    Image.fromarray((heights / SUMMIT * 255).astype(np.uint8)).save(picture)


if __name__ == "__main__":
    backend = sys.argv[1] if sys.argv[1:] else "asyncio"
    anyio.run(main, sys.argv[2] if sys.argv[2:] else None, backend=backend)
