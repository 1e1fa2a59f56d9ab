"""Views as zarr arrays, and zarr arrays as views. Needs ``virtchunk[zarr]``.

`TensorStore.as_zarr_store` gives a `ViewStore`, from which zarr, xarray and others open a view;
`from_zarr` gives a view of an array that zarr has opened, `create_like` one of a new array.
"""

from typing import TYPE_CHECKING

from virtchunk._extras import needed as _needed
from virtchunk.zarr._array import create_like, from_zarr

if TYPE_CHECKING:
    from virtchunk.zarr._store import ViewStore

__all__ = ("ViewStore", "create_like", "from_zarr")


def __getattr__(name: str) -> object:
    # A class of zarr's is its base: only what is used asks for zarr.
    if name == "ViewStore":
        _needed("zarr.dtype", "zarr")
        from virtchunk.zarr._store import ViewStore

        return ViewStore
    raise AttributeError(f"module 'virtchunk.zarr' has no attribute {name!r}")
