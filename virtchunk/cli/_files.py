"""Files that a view is written to: whole under their names, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, final

import attrs
import numpy as np

from virtchunk._copy import copy
from virtchunk._engine.job import Progress
from virtchunk._extras import needed
from virtchunk._open import array as view_of_array
from virtchunk._store import TensorStore
from virtchunk._stream import DEFAULT_MAX_BYTES

__all__ = ("FORMATS", "Format", "copy_in_parts", "replacing", "write_png")

Array: TypeAlias = "np.ndarray[Any, Any]"

_PARTS = 100
_SMALLEST_PART = 1 << 20
"""Bytes of a part at least: smaller ones cost more than they show."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name to write under; what is there when the block ends becomes ``path``.

    If the block fails or is interrupted, nothing is left of it.

    Raises:
        OSError: There is a folder of that name, or none for it to be in.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        if error.filename == str(unfinished):
            error.filename = str(path)  # the name that the user knows
        raise
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)


@final
@attrs.frozen
class Format:
    """A kind of file."""

    check: Callable[[TensorStore], object]
    """Raises, before anything is read, if it cannot hold what the view shows."""
    save: Callable[[TensorStore, Path, Progress], Awaitable[None]]
    """Reads the view and writes the file."""


async def copy_in_parts(source: TensorStore, target: TensorStore, progress: Progress) -> None:
    """Copy a view into another one, in so many parts that a progress bar has something to show."""
    nbytes = source.size * source.dtype.numpy_dtype.itemsize
    most = min(max(nbytes // _PARTS, _SMALLEST_PART) * 4, DEFAULT_MAX_BYTES)  # 4 are under way
    await copy(source, target, progress=progress, max_bytes=most)


# -- .npy and .npz ---------------------------------------------------------------------------------


def _check_npy(view: TensorStore) -> None:
    element = view.dtype.numpy_dtype
    if element.hasobject or np.dtype(np.lib.format.dtype_to_descr(element)) != element:
        raise ValueError(f"NumPy's files have no type for elements of type {view.dtype.name}")


async def _save_npy(view: TensorStore, path: Path, progress: Progress) -> None:
    """Write part after part into the mapped file: memory holds only a few of them."""
    mapped = np.lib.format.open_memmap(path, "w+", view.dtype.numpy_dtype, view.shape)
    await copy_in_parts(_from_zero(view), view_of_array(mapped, copy=False), progress)
    mapped.flush()


def _from_zero(view: TensorStore) -> TensorStore:
    return view.translate_to[(0,) * view.rank] if view.rank else view


async def _save_npz(view: TensorStore, path: Path, progress: Progress) -> None:
    data = await view.read(progress=progress)
    units = ["" if unit is None else str(unit) for unit in view.dimension_units]
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            data=data,
            origin=np.array(view.origin, np.int64),
            labels=np.array(view.domain.labels, np.str_),
            units=np.array(units, np.str_),
        )


# -- .zarr -----------------------------------------------------------------------------------------


def _check_zarr(view: TensorStore) -> None:
    view.as_zarr_store()


async def _save_zarr(view: TensorStore, path: Path, progress: Progress) -> None:
    from virtchunk.zarr import create_like

    await copy_in_parts(view, create_like(view, path), progress)


# -- .png ------------------------------------------------------------------------------------------


def _check_png(view: TensorStore) -> None:
    needed("PIL.Image", "demo")
    if not (view.rank == 2 or (view.rank == 3 and view.shape[2] in {3, 4})) or not view.size:
        raise ValueError(
            "a PNG shows a view of rank 2, or of rank 3 with 3 or 4 colour channels last, that is "
            f"not empty; got the domain {view.domain}"
        )
    if view.dtype.numpy_dtype.kind not in "buif":
        raise ValueError(f"a PNG cannot show elements of type {view.dtype.name}")


async def _save_png(view: TensorStore, path: Path, progress: Progress) -> None:
    write_png(path, _pixels(await view.read(progress=progress)))


def _pixels(values: Array) -> Array:
    """Return values that a PNG can hold: as they are, or stretched to the range of 8 bits."""
    if values.dtype == np.uint8 or (values.dtype == np.uint16 and values.ndim == 2):
        return values
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    stretched = np.clip((numbers - low) * (255 / ((high - low) or 1)), 0, 255)
    return np.nan_to_num(stretched).round().astype(np.uint8)


def write_png(path: Path, pixels: Array) -> None:
    """Write an image, shape ``(height, width)`` or ``(height, width, channels)``."""
    image = needed("PIL.Image", "demo")
    with path.open("wb") as file:
        image.fromarray(pixels).save(file, format="PNG", compress_level=3)


FORMATS = {
    ".npy": Format(_check_npy, _save_npy),
    ".npz": Format(_check_npy, _save_npz),
    ".png": Format(_check_png, _save_png),
    ".zarr": Format(_check_zarr, _save_zarr),
}
"""The kinds of files, by their suffixes."""
