"""``virtchunk demo``: a picture, and how fast it was computed."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from virtchunk.cli._files import replacing, write_png
from virtchunk.cli._running import bar, run
from virtchunk.demo.landscape import Landscape, jacksboro_fault

__all__ = ("draw",)


def draw(backend: str, out: Path, *, chunk: int, zoom: int, quiet: bool) -> None:
    """Write the picture, and say what that took."""
    landscape = Landscape(jacksboro_fault(), zoom=zoom, chunk=chunk)
    rows, columns = landscape.model.heights.shape
    click.echo(f"{rows} x {columns} heights, {zoom} x {zoom} pixels each, on {backend}")
    with replacing(out) as unfinished:
        start = perf_counter()
        with bar("shading", quiet) as progress:

            async def read() -> Any:
                return await landscape.relief.read(progress=progress)

            pixels = run(read, backend)
        seconds = perf_counter() - start
        write_png(unfinished, pixels)
    height, width, _ = pixels.shape
    computed = landscape.computed
    click.echo(
        f"{out.resolve()}: {height} x {width} pixels, {out.stat().st_size / 1e6:.1f} MB\n"
        f"{computed['relief']} chunks of {chunk} x {chunk} in {seconds:.1f} s: "
        f"{computed['relief'] / seconds:.0f} chunks/s, "
        f"{pixels[..., 0].size / seconds / 1e6:.1f} megapixels/s\n"
        f"below them: {computed['detail']} chunks of interpolated heights from "
        f"{computed['tiles']} tiles"
    )
