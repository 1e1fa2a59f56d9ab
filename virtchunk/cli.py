"""The command line: ``virtchunk demo`` draws a landscape."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import click
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console

import virtchunk as ts
from virtchunk.demo.landscape import Landscape, jacksboro_fault
from virtchunk.progress import ProgressBar

__all__ = ("cli", "demo", "leaving_at_ctrl_c", "read_with_progress", "write_png")

Pixels = npt.NDArray[np.uint8]

INTERRUPTED = 128 + 2  # as a shell reports a program that SIGINT ended

# By default trio raises KeyboardInterrupt between any two instructions of any task, be it in the
# middle of starting another one; asyncio has the main task cancelled. The latter is what we want.
LOOP_OPTIONS: dict[str, dict[str, Any]] = {
    "asyncio": {},
    "trio": {"restrict_keyboard_interrupt_to_checkpoints": True},
}


@click.group()
@click.version_option(package_name="virtchunk")
def cli() -> None:
    """N-dimensional arrays whose chunks are computed by functions."""


@cli.command(context_settings={"show_default": True})
@click.option("--backend", type=click.Choice(["asyncio", "trio"]), default="asyncio")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="relief.png")
@click.option("--chunk", type=click.IntRange(min=1), default=256, help="Edge of a chunk in pixels.")
@click.option("--zoom", type=click.IntRange(min=1), default=12, help="Pixels per height sample.")
def demo(backend: str, out: Path, chunk: int, zoom: int) -> None:
    """Draw shaded relief of the Jacksboro fault in Tennessee, chunk by chunk."""
    if find_spec(backend) is None:
        raise click.UsageError(f"{backend} is not installed: pip install 'virtchunk[{backend}]'")
    with leaving_at_ctrl_c():
        landscape = Landscape(jacksboro_fault(), zoom=zoom, chunk=chunk)
        rows, columns = landscape.model.heights.shape
        click.echo(f"{rows} x {columns} heights, {zoom} x {zoom} pixels each, on {backend}")
        start = perf_counter()
        pixels = read_with_progress(landscape.relief, backend)
        seconds = perf_counter() - start
        write_png(out, pixels)
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


def read_with_progress(view: ts.TensorStore, backend: str) -> Pixels:
    """Read a whole view behind a bar that counts its chunks."""
    with ProgressBar("shading", console=Console()) as bar:

        async def read() -> Any:
            return await view.read(progress=bar)

        pixels: Pixels = anyio.run(read, backend=backend, backend_options=LOOP_OPTIONS[backend])
        return pixels


def write_png(path: Path, pixels: Pixels) -> None:
    """Write an image that is there as a whole or not at all."""
    unfinished = path.with_name(path.name + ".part")
    try:
        Image.fromarray(pixels).save(unfinished, format="PNG", compress_level=3)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def leaving_at_ctrl_c() -> Iterator[None]:
    """Turn Ctrl-C into a shell's exit code for it, in whichever task it arrived."""
    interrupted = False
    try:
        yield
    except* KeyboardInterrupt:
        interrupted = True
    if interrupted:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
