"""Views as lazy xarray arrays, and an engine of `xarray.open_dataset`. Needs ``virtchunk[xarray]``.

xarray's own lazy indexing sits on top of a view: selections are collected, and the view reads the
box or the grid of points that remains when values are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

import numpy as np

from virtchunk._blocking import Backend, check_backend, wait_for
from virtchunk._chunk_sizes import chunk_sizes
from virtchunk._extras import needed
from virtchunk._spec import Spec
from virtchunk._spec.open import open as open_spec
from virtchunk._store import TensorStore

if TYPE_CHECKING:
    import xarray as xr
    from xarray.backends import BackendArray, BackendEntrypoint
    from xarray.core import indexing
else:
    xr = needed("xarray", "xarray")
    indexing = import_module("xarray.core.indexing")
    BackendArray, BackendEntrypoint = xr.backends.BackendArray, xr.backends.BackendEntrypoint

pd: Any = needed("pandas", "xarray")

__all__ = ("ViewBackendEntrypoint", "to_xarray")

Array: TypeAlias = "np.ndarray[Any, Any]"

_MOST_INT64 = 2**63 - 1
_MOST_FLOATS = 1 << 20
"""Coordinates that are kept one by one, if they are not integers. More cannot be selected exactly,
but take no memory."""


def to_xarray(
    view: TensorStore, *, name: str | None = None, backend: Backend = "asyncio"
) -> xr.DataArray:
    """Return a lazy xarray array; see `TensorStore.to_xarray`, whose keywords these are.

    Raises:
        ValueError: The view is write-only, its domain is not finite, or there is no such backend.
    """
    if not view.readable:
        raise ValueError(f"{view!r} does not support reading: it has no read_function")
    dims = _dims(view.domain.labels)
    shape = view.chunk_layout.read_chunk.shape or (None,) * view.rank
    sizes = dict(zip(dims, map(_preferred, chunk_sizes(view), shape), strict=True))
    data = indexing.LazilyIndexedArray(_ViewArray(view, backend))
    preferred = {dim: size for dim, size in sizes.items() if size is not None}
    array = xr.DataArray(xr.Variable(dims, data), coords=_coordinates(view, dims), name=name)
    array.encoding["preferred_chunks"] = preferred  # what chunks={} of open_dataset asks for
    return array


@final
class ViewBackendEntrypoint(BackendEntrypoint):
    """The engine ``"virtchunk"`` of `xarray.open_dataset`.

    It opens a view, a `Spec` or the JSON of one, or ``"module:name"`` of a view in a module, which
    is then imported. Without ``engine="virtchunk"`` it opens views and specs.

    Example:
        >>> import xarray
        >>> view = ts.array(np.arange(4.0))
        >>> xarray.open_dataset(view, engine="virtchunk")["data"].mean().item()
        1.5
    """

    description = "Open views of virtchunk"
    open_dataset_parameters: ClassVar[tuple[Any, ...] | None] = (
        "filename_or_obj",
        "drop_variables",
        "name",
        "allow_import",
        "backend",
    )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Say whether this is a view or a spec."""
        return isinstance(filename_or_obj, (TensorStore, Spec))

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        name: str = "data",
        allow_import: bool = False,
        backend: Backend = "asyncio",
    ) -> xr.Dataset:
        """Open a dataset of one variable; see `TensorStore.to_xarray`.

        Args:
            filename_or_obj: What to open: see above.
            drop_variables: Names of variables and coordinates to leave out.
            name: Name of the variable.
            allow_import: Whether callbacks that JSON names may be imported; see `virtchunk.open`.
            backend: The kind of event loop that runs async callbacks of views without a ``loop=``.

        Raises:
            TypeError: ``filename_or_obj`` is nothing of that kind.
            ValueError: The spec cannot be opened, or the view not be read.
            ImportError: There is no such module.
            AttributeError: It has nothing of that name.
        """
        view = _opened(filename_or_obj, allow_import)
        dataset = to_xarray(view, name=name, backend=backend).to_dataset()
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        return dataset.drop_vars(list(dropped), errors="ignore")


def _opened(found: Any, allow_import: bool) -> TensorStore:
    """Return the view that the first argument of `xarray.open_dataset` stands for."""
    if isinstance(found, str):
        module, colon, path = found.partition(":")
        if not (module and colon and path):
            raise ValueError(f'a view is named as "module:name", got {found!r}')
        value: Any = import_module(module)
        for part in path.split("."):
            value = getattr(value, part)
        if not isinstance(value, TensorStore):
            raise TypeError(f"{found} is no view: {value!r}")
        return value
    if isinstance(found, TensorStore):
        return found
    if isinstance(found, (Spec, dict)):
        return open_spec(found, allow_import=allow_import).result()
    raise TypeError(
        'the engine "virtchunk" opens a view, a Spec, the JSON of one, or "module:name", '
        f"got {found!r}"
    )


# -- elements --------------------------------------------------------------------------------------


@final
class _ViewArray(BackendArray):
    """What xarray indexes: positions count from zero."""

    def __init__(self, view: TensorStore, backend: Backend) -> None:
        check_backend(backend)
        self.view = view.translate_to[(0,) * view.ndim] if view.ndim else view
        self.backend: Backend = backend
        self.shape = view.shape
        self.dtype = view.dtype.numpy_dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        outer = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        outer = indexing.IndexingSupport.OUTER
        adapt = indexing.async_explicit_indexing_adapter
        return await adapt(key, self.shape, outer, self._read_awaiting)

    def _read(self, key: tuple[Any, ...]) -> Array:
        part = self._part(key)
        return wait_for(part, part.read, self.backend)

    async def _read_awaiting(self, key: tuple[Any, ...]) -> Array:
        return await self._part(key).read()

    def _part(self, key: tuple[Any, ...]) -> TensorStore:
        """Select integers, slices and arrays of positions, each in its own dimension."""
        return self.view.oindex[tuple(map(_term, key, self.shape))]

    def __dask_tokenize__(self) -> object:
        return ("virtchunk.xarray", self.view.__dask_tokenize__())


def _term(term: Any, extent: int) -> Any:
    if isinstance(term, slice):
        start, stop, step = term.indices(extent)
        return slice(start, max(start, stop), step)
    return term if isinstance(term, np.ndarray) else int(term)


# -- what is known of them -------------------------------------------------------------------------


def _dims(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of dimensions: labels, or what xarray itself calls those that have none."""
    names = []
    for i, label in enumerate(labels):
        name = label or f"dim_{i}"
        while not label and name in labels:
            name += "_"
        names.append(name)
    return tuple(names)


def _preferred(sizes: tuple[int, ...] | None, size: int | None) -> int | tuple[int, ...] | None:
    """Return chunk sizes as short as possible; the size that the layout tells if they are many."""
    if sizes is None or sizes == (0,):
        return size or None
    alike = len(set(sizes[:-1])) <= 1 and sizes[-1] <= sizes[0]
    return sizes[0] if alike else sizes


def _coordinates(view: TensorStore, dims: tuple[str, ...]) -> xr.Coordinates:
    coordinates = xr.Coordinates()
    bounds = zip(view.domain.inclusive_min, view.domain.exclusive_max, strict=True)
    for dim, (low, high), unit in zip(dims, bounds, view.dimension_units, strict=True):
        known = unit is not None and math.isfinite(unit.multiplier) and unit.multiplier != 0
        step = unit.multiplier if unit is not None and known else 1.0
        found = xr.Coordinates.from_xindex(_index(dim, low, high, step))
        if unit is not None and known:
            found[dim].attrs["units"] = unit.base_unit or "1"
        coordinates.update(found)
    return coordinates


def _index(dim: str, low: int, high: int, step: float) -> xr.Index:
    """Return an index with the coordinates of one dimension: those from low to high, times step."""
    if step.is_integer() and max(abs(low), abs(high)) * abs(step) < _MOST_INT64:
        whole = int(step)
        return xr.indexes.PandasIndex(pd.RangeIndex(low * whole, high * whole, whole), dim)
    if high - low <= _MOST_FLOATS:
        return xr.indexes.PandasIndex(pd.Index(np.arange(low, high) * step), dim)
    return xr.indexes.RangeIndex.linspace(
        low * step, high * step, high - low, endpoint=False, dim=dim
    )
