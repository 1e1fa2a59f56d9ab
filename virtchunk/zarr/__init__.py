"""Views as zarr arrays, and zarr arrays as views. Needs ``virtchunk[zarr]``.

`TensorStore.as_zarr_store` gives a `ViewStore`, from which zarr, xarray and others open a view;
`from_zarr` gives a view of an array that zarr has opened, `create_like` one of a new array.
"""

from virtchunk._extras import needed as _needed

_needed("zarr.dtype", "zarr")  # names the extra if zarr is missing, or older than that

from virtchunk.zarr._array import create_like, from_zarr  # noqa: E402
from virtchunk.zarr._store import ViewStore  # noqa: E402

__all__ = ("ViewStore", "create_like", "from_zarr")
