"""The commands; what they do is in the modules beside this one."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import click
import numpy as np

from virtchunk._copy import copy as copy_views
from virtchunk._drivers.driver import check_finite
from virtchunk._store import TensorStore
from virtchunk.cli._description import describe
from virtchunk.cli._files import FORMATS, copy_in_parts, replacing
from virtchunk.cli._running import backend_option, bar, failures_told, quiet_option, run
from virtchunk.cli._views import Selection, ViewName, is_path, select

__all__ = ("cli",)

_MOST_PRINTED = 100_000
"""Elements that are printed; NumPy leaves out most of them."""

_HELP = """N-dimensional arrays whose chunks are computed by functions.

A view is named MODULE:NAME, where MODULE can be imported or lies in the working directory; a zarr
array by its path.

Exit codes: 0 done; 1 reading or writing failed; 2 bad arguments; 130 stopped by Ctrl-C.
"""


class _Group(click.Group):
    """Commands whose failures are told in a few words."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with failures_told(ctx.params["traceback"]):
            return super().invoke(ctx)


class _SelectionCommand(click.Command):
    """A command that takes ``-5:3`` for a selection, not for options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; an option has no space before it."""
        negative = re.compile(r"-\d[-+\d\s,.:]*")
        return super().parse_args(ctx, [f" {a}" if negative.fullmatch(a) else a for a in args])


@click.group(cls=_Group, help=_HELP)
@click.version_option(package_name="virtchunk")
@click.option("--traceback", is_flag=True, help="Show where errors come from.")
def cli(traceback: bool) -> None:
    """Parse what is common to all commands; `_Group` uses it."""


@cli.command()
@click.argument("view", type=ViewName())
def info(view: TensorStore) -> None:
    """Tell what a view is, without reading it.

    \b
    Examples:
      virtchunk info scenes:relief
      virtchunk info heights.zarr
    """  # noqa: D301 - click reads it
    for heading, text in describe(view):
        click.echo(f"{heading:<12}" + text.replace("\n", "\n" + " " * 12))


@cli.command(cls=_SelectionCommand)
@click.argument("view", type=ViewName())
@click.argument("selection", type=Selection(), default="")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write: .npy, .npz, .zarr or .png. Default: print.",
)
@backend_option
@quiet_option
def read(
    view: TensorStore, selection: tuple[Any, ...], out: Path | None, backend: str, quiet: bool
) -> None:
    """Read a view, or the part of it that SELECTION tells.

    SELECTION is what would stand between the brackets of view[...]: integers, ranges
    start:stop:step and '...', separated by commas. Coordinates are absolute: negative ones are not
    counted from the end.

    .npy and .zarr files may be larger than memory. A PNG shows a view of rank 2, or of rank 3 with
    3 or 4 colour channels; elements of more than 8 bits are stretched from their smallest to their
    largest. A file is written as a whole or not at all.

    \b
    Examples:
      virtchunk read scenes:heights "0:10, 5"
      virtchunk read scenes:heights "..., ::100" -o coarse.npy
      virtchunk read scenes:relief "-200:200, 0:400" -o relief.png --backend trio
      virtchunk read heights.zarr -o heights.npz
    """  # noqa: D301 - click reads it
    part = select(view, selection)
    _check_readable(part)
    if out is None:
        if part.size > _MOST_PRINTED:
            raise click.UsageError(
                f"{part.size:_} elements are too many to be printed; select fewer, or name a file "
                "with --out"
            )
        click.echo(str(np.asarray(run(lambda: _read(part), backend))))
        return
    _save(part, out, backend, quiet)


async def _read(view: TensorStore) -> Any:
    return await view.read()


def _save(view: TensorStore, out: Path, backend: str, quiet: bool) -> None:
    """Write a view to a new file."""
    file_format = FORMATS.get(out.suffix.lower())
    if file_format is None:
        raise click.BadParameter(
            f"{str(out)!r} must end in one of {', '.join(FORMATS)}", param_hint="'--out'"
        )
    _check_free(out)
    try:
        file_format.check(view)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    with replacing(out) as unfinished, bar(out.name, quiet) as progress:

        async def save() -> None:
            await file_format.save(view, unfinished, progress)

        run(save, backend)


@cli.command()
@click.argument("source", type=ViewName())
@click.argument("target")
@backend_option
@quiet_option
def copy(source: TensorStore, target: str, backend: str, quiet: bool) -> None:
    """Copy a view into another one, or into a new zarr array, however large it is.

    TARGET is MODULE:NAME of a view that can be written, of a domain that fits; or a path that ends
    in .zarr, of an array that is not there yet.

    \b
    Examples:
      virtchunk copy scenes:relief relief.zarr
      virtchunk copy relief.zarr scenes:archive --backend trio
    """  # noqa: D301 - click reads it
    _check_readable(source)
    if is_path(target):
        if Path(target).suffix.lower() != ".zarr":
            raise click.BadParameter(
                f"{target!r} must be MODULE:NAME or end in .zarr", param_hint="'TARGET'"
            )
        _save(source, Path(target), backend, quiet)
        return
    view = ViewName()(target)
    try:
        copying = copy_views(source, view)
        copying.cancel()
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    with bar(target, quiet) as progress:

        async def save() -> None:
            await copy_in_parts(source, view, progress)

        run(save, backend)


def _check_readable(view: TensorStore) -> None:
    try:
        check_finite(view.domain)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not view.readable:
        raise click.UsageError(f"{view!r} is write-only")


def _check_free(path: Path) -> None:
    """Refuse to write where a folder is; files are replaced."""
    if path.is_dir():
        raise click.UsageError(f"{str(path)!r} is there already; remove it first")
    if not path.parent.is_dir():
        raise click.UsageError(f"there is no folder {str(path.parent)!r}")
    if not os.access(path.parent, os.W_OK):  # to know before the work is done
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


@cli.command(context_settings={"show_default": True})
@backend_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="relief.png")
@click.option("--chunk", type=click.IntRange(min=1), default=256, help="Edge of a chunk in pixels.")
@click.option("--zoom", type=click.IntRange(min=1), default=12, help="Pixels per height sample.")
@quiet_option
def demo(backend: str, out: Path, chunk: int, zoom: int, quiet: bool) -> None:
    """Draw shaded relief of the Jacksboro fault in Tennessee, chunk by chunk."""
    from virtchunk.cli._demo import draw

    draw(backend, out, chunk=chunk, zoom=zoom, quiet=quiet)
