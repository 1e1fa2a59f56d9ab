"""`TensorStore`: a view of elements that some driver provides, through an index transform."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack, final

import numpy as np
import numpy.typing as npt

from virtchunk._batch import Batch, check_batch, join
from virtchunk._drivers.driver import NO_OPTIONS, Driver, Options, WriteOperation
from virtchunk._engine.job import Progress
from virtchunk._future import Future
from virtchunk._index.domain import IndexDomain
from virtchunk._index.indexable import Assignable
from virtchunk._index.operations import Plan
from virtchunk._index.transform import IndexTransform
from virtchunk._open_options import as_flag
from virtchunk._operators import NoArithmetic
from virtchunk._planned import planned
from virtchunk._schema.dimension_units import transform_dimension_units
from virtchunk._schema.dtype import DTypeLike, dtype
from virtchunk._schema.dtype import dtype as DataType
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.layout_transform import transform_layout
from virtchunk._schema.schema import Schema
from virtchunk._schema.unit import Unit
from virtchunk._storage import StorageStatistics as _StorageStatistics
from virtchunk._storage import Unstored
from virtchunk._write_futures import WriteFutures
from virtchunk._writing import Stage, ViewWrite, write_array

if TYPE_CHECKING:
    import xarray
    from dask.array import Array as DaskArray

    from virtchunk._blocking import Backend
    from virtchunk._chunks import Chunks
    from virtchunk._spec import Spec
    from virtchunk._spec.options import OpenModeKeywords
    from virtchunk._transaction import Transaction
    from virtchunk.zarr import ViewStore

__all__ = ("TensorStore", "check_transaction")

Array: TypeAlias = "np.ndarray[Any, Any]"

_new = object.__new__


@final
class TensorStore(Assignable, NoArithmetic, Unstored):
    """An n-dimensional array whose elements are read and written on demand.

    Indexing gives further views and reads nothing: `read` and `write` do. Coordinates are
    absolute: a view of ``[10, 20)`` keeps the coordinates 10 to 19 until it is translated.

    Made by `virtual_chunked`, `array` and `open`, not directly.

    Example:
        >>> view = ts.virtual_chunked(
        ...     lambda domain, array, params: array.__setitem__(..., domain.inclusive_min[0]),
        ...     dtype=ts.int32,
        ...     shape=[6],
        ...     chunk_layout=ts.ChunkLayout(read_chunk_shape=[2]),
        ... )
        >>> view[1:5].read().result()
        array([0, 2, 2, 4], dtype=int32)
    """

    __slots__ = ("_driver", "_transaction", "_transform")

    _driver: Driver
    _transform: IndexTransform
    _transaction: Transaction | None

    StorageStatistics: TypeAlias = _StorageStatistics

    __iter__ = None  # otherwise Python would try the indices 0, 1, 2, ...

    def __init__(self) -> None:
        raise TypeError("a TensorStore is made by virtual_chunked(), array() or open()")

    @classmethod
    def _of(
        cls, driver: Driver, transform: IndexTransform, transaction: Transaction | None = None
    ) -> TensorStore:
        self = object.__new__(cls)
        self._driver = driver
        self._transform = transform
        self._transaction = transaction
        return self

    # -- reading and writing -----------------------------------------------------------------

    def read(
        self,
        *,
        order: Literal["C", "F"] = "C",
        batch: Batch | None = None,
        progress: Progress | None = None,
    ) -> Future[Array]:
        """Read the elements of the domain into a new array.

        The read runs where the returned future is awaited, or inside ``result()``; until then
        nothing happens. Chunks are computed concurrently, each at most once per read.

        Args:
            order: Memory order of the array, ``"C"`` (row-major) or ``"F"`` (column-major).
            batch: A `Batch` that the read belongs to: it runs when that is submitted, together
                with its other reads. Passed on to callbacks.
            progress: Called as ``progress(done, total, nbytes)`` for each finished chunk.

        Returns:
            A future of an array of shape ``self.shape``. Waiting for it raises the first error of
            a callback, as it was raised, with a note that names the chunk; the other callbacks
            have then been cancelled, and none runs any more. Cancelling the await does the same.

        Raises:
            ValueError: If the view is write-only; if the batch has been submitted; (from the
                future) if the domain is not finite.
            TypeError: If ``order`` is neither; if ``batch`` is no `Batch`.
        """
        if order not in {"C", "F"}:
            raise TypeError(f"order must be 'C' or 'F', got {order!r}")
        if "r" not in self._driver.mode:
            why = _why_not(self._driver, "read_function", "write-only")
            raise ValueError(f"{self!r} does not support reading: it {why}")
        if batch is None and progress is None and self._transaction is None:
            return Future._of(self._driver.read(self._transform, order, NO_OPTIONS))
        options = Options(check_batch(batch), self._transaction, progress)
        return join(batch, self._driver.read(self._transform, order, options))

    def write(
        self,
        source: TensorStore | npt.ArrayLike,
        *,
        batch: Batch | None = None,
        can_reference_source_data_indefinitely: bool | None = None,
        progress: Progress | None = None,
    ) -> WriteFutures:
        """Write to the elements of the domain.

        The write runs where the returned object is awaited, or inside ``result()``. Chunks that
        are only partly covered are read first and written whole; concurrent writes to one chunk
        take turns, so that none is lost.

        Args:
            source: A scalar, an array, or another view; it is broadcast to the domain, and
                converted to the data type where that loses nothing.
            batch: A `Batch` that the copying from another view belongs to: it runs when that is
                submitted.
            can_reference_source_data_indefinitely: Accepted for compatibility. Callbacks are never
                given the caller's own memory.
            progress: Called as ``progress(done, total, nbytes)`` for each finished chunk.

        Returns:
            Futures of the two steps of the write. If it fails, a note on the error says which
            chunks have been stored.

        Raises:
            ValueError: If the view is read-only; if the source does not fit the domain; (from the
                future) if the domain is not finite, or if a write-only view would have to read.
            TypeError: If the elements of an array cannot be converted; those of a view:
                `ValueError`.
        """
        if "w" not in self._driver.mode:
            why = _why_not(self._driver, "write_function", "read-only")
            raise ValueError(f"{self!r} does not support writing: it {why}")
        options = Options(check_batch(batch), self._transaction, progress)
        operation: WriteOperation
        if isinstance(source, TensorStore):
            operation = ViewWrite(self, source, options)
        elif batch is not None:
            raise ValueError("batch can only be specified when copying from a TensorStore source")
        else:
            operation = write_array(self._driver, self._transform, source, options)
        commit: Future[None] = join(batch, operation)
        return WriteFutures(lambda: Future._of(Stage(operation)), commit)

    def _assign(self, source: Any) -> None:
        """Write and wait: what ``t[...] = source`` does, to the view ``t[...]``."""
        self.write(source).result()

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None, context: Any = None
    ) -> Array:
        """Read everything, blocking, so that NumPy functions accept a view.

        Raises:
            ValueError: If ``copy`` is False: reading always makes a new array.
        """
        if copy is False:
            raise ValueError("reading a TensorStore always makes a new array: copy=False cannot be")
        return np.asarray(self.read().result(), dtype=dtype)

    # -- views -------------------------------------------------------------------------------

    def _get_transform(self) -> IndexTransform:
        return self._transform

    def _with_transform(self, transform: IndexTransform) -> TensorStore:
        view = _new(TensorStore)  # as `_of` does, for each view of a view
        view._driver = self._driver
        view._transform = transform
        view._transaction = self._transaction
        return view

    def _planned(self, plan: Plan) -> TensorStore:
        return _make_planned(self, plan)

    def with_transaction(self, transaction: Transaction | None) -> TensorStore:
        """Return a view of the same elements whose reads and writes belong to a transaction.

        Its writes stay in memory until the `Transaction` is committed; its reads see them.

        Raises:
            ValueError: If this view belongs to a transaction that has not been committed.
            TypeError: If it is neither a `Transaction` nor None.
        """
        check_transaction(transaction)
        if self._transaction is not None:
            self._transaction._check_replaceable()
        return TensorStore._of(self._driver, self._transform, transaction)

    def astype(self, dtype: DTypeLike) -> TensorStore:
        """Return a view with the elements converted to another data type, as `cast` does.

        Raises:
            ValueError: If there is no conversion.

        Example:
            >>> ts.array([1, 2]).astype(ts.ustring).read().result()
            array(['1', '2'], dtype=object)
        """
        from virtchunk._drivers.cast import CastDriver

        driver = CastDriver(self._driver, DataType(dtype))
        return TensorStore._of(driver, self._transform, self._transaction)

    def __copy__(self) -> TensorStore:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._transaction is not None:
            raise ValueError(f"{self!r} belongs to a transaction, which cannot be pickled")
        return _restore, (self._driver, self._transform)

    # -- in other libraries --------------------------------------------------------------------

    def to_dask(self, *, chunks: Any = None, backend: Backend = "asyncio") -> DaskArray:
        """Return a dask array that reads this view chunk by chunk; needs ``virtchunk[dask]``.

        Positions count from zero, and labels are dropped: dask has neither origins nor labels.

        Args:
            chunks: Chunks of the array, as dask takes them; ``"auto"`` makes them of several of the
                view's. Default: those of the view.
            backend: The kind of event loop that runs async callbacks, unless the view was made with
                a ``loop=``: ``"asyncio"`` or ``"trio"``.

        Raises:
            ImportError: dask is not installed.
            ValueError: The view is write-only, or its domain is not finite.

        Example:
            >>> ts.array(np.arange(6)).to_dask().sum().compute()
            np.int64(15)
        """
        from virtchunk.dask import to_dask

        return to_dask(self, chunks=chunks, backend=backend)

    def to_xarray(
        self, *, name: str | None = None, backend: Backend = "asyncio"
    ) -> xarray.DataArray:
        """Return an xarray array that reads this view lazily; needs ``virtchunk[xarray]``.

        Labels become the names of dimensions; the indices, in the view's units, coordinates.

        Args:
            name: Name of the array.
            backend: The kind of event loop that runs async callbacks, unless the view was made with
                a ``loop=``: ``"asyncio"`` or ``"trio"``.

        Raises:
            ImportError: xarray is not installed.
            ValueError: The view is write-only, or its domain is not finite.

        Example:
            >>> view = ts.array(np.arange(6))[ts.d[0].translate_to[10].label["x"]]
            >>> view.to_xarray().sel(x=slice(12, 13)).values
            array([2, 3])
        """
        from virtchunk.xarray import to_xarray

        return to_xarray(self, name=name, backend=backend)

    def as_zarr_store(
        self,
        name: str | None = None,
        *,
        chunks: Iterable[int] | None = None,
        attributes: Mapping[str, Any] | None = None,
        read_only: bool | None = None,
    ) -> ViewStore:
        """Return a store from which zarr opens this view, to read and write; no bytes are stored.

        Positions count from zero; labels are zarr's dimension names; origin and units are in the
        attributes ``origin`` and ``dimension_units``. Needs ``virtchunk[zarr]``.

        Args:
            name: None: the array is the root of the store, as `zarr.open_array` wants it. A name:
                the root is a group with the array in it, as xarray wants it.
            chunks: Shape of the chunks. Default: that of the view's own.
            attributes: Further attributes of the array; any JSON.
            read_only: Whether to refuse writes. Default: if the view is read-only.

        Raises:
            ImportError: zarr is not installed.
            TypeError: zarr has no data type for the view's elements.
            ValueError: The domain is not finite, or an argument does not suit the view.

        Example:
            >>> import zarr
            >>> zarr.open_array(ts.array(np.arange(6)).as_zarr_store())[2:4]
            array([2, 3])
        """
        from virtchunk.zarr import ViewStore

        return ViewStore(self, name, chunks=chunks, attributes=attributes, read_only=read_only)

    def __dask_tokenize__(self) -> object:
        from virtchunk.dask import tokenize

        return tokenize(self)

    # -- how to open it ------------------------------------------------------------------------

    def spec(
        self,
        *,
        retain_context: bool | None = None,
        unbind_context: bool | None = None,
        minimal_spec: bool | None = None,
        **keywords: Unpack[OpenModeKeywords],
    ) -> Spec:
        """Return the spec that opens this view again.

        The elements of an array in memory are copied into its spec, as far as the view shows them.

        Args:
            retain_context: Keep the context resources bound, so that opening the spec in this
                process shares them. By default the spec refers to default resources.
            unbind_context: Instead of that, define equal resources in the spec, shared as they are
                now.
            minimal_spec: Accepted as the original does; there is no stored metadata to leave out.
            **keywords: Options to set in the spec: ``open_mode`` or its single flags,
                ``recheck_cached_data``, ``recheck_cached_metadata`` and ``recheck_cached``; see
                `Spec.update`.

        Raises:
            TypeError: A keyword is unknown, or a value has the wrong type.
            ValueError: An option does not apply to the driver.

        Example:
            >>> ts.array([1, 2, 3], dtype=ts.int8)[1:].spec()
            Spec({
              'array': [2, 3],
              'driver': 'array',
              'dtype': 'int8',
              'transform': {
                'input_exclusive_max': [3],
                'input_inclusive_min': [1],
                'output': [{'input_dimension': 0, 'offset': -1}],
              },
            })
        """
        from virtchunk._spec import spec_of_view

        return spec_of_view(
            self._driver,
            self._transform,
            retain_context=retain_context,
            unbind_context=unbind_context,
            minimal_spec=minimal_spec,
            **keywords,
        )

    @property
    def schema(self) -> Schema:
        """What the view is: data type, domain, chunk layout and units; a new object."""
        from virtchunk._spec import schema_of_view

        return schema_of_view(self._driver, self._transform)

    # -- what it is --------------------------------------------------------------------------

    @property
    def domain(self) -> IndexDomain:
        """The domain: which coordinates can be read and written."""
        return self._transform.domain

    @property
    def dtype(self) -> dtype:
        """The data type of the elements."""
        return self._driver.dtype

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return self._transform.domain.rank

    @property
    def ndim(self) -> int:
        """The number of dimensions; the same as `rank`."""
        return self._transform.domain.rank

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents of the domain; 2**62 - 1 or more where it is unbounded."""
        return self._transform.domain.shape

    @property
    def origin(self) -> tuple[int, ...]:
        """The first coordinate of each dimension."""
        return self._transform.domain.origin

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._transform.domain.size

    @property
    def nbytes(self) -> int:
        """The number of bytes that an array of all elements takes."""
        return prod(self._transform.domain.shape) * self._driver.dtype.numpy_dtype.itemsize

    @property
    def mode(self) -> str:
        """``"r"`` (read-only), ``"w"`` (write-only) or ``"rw"``."""
        return self._driver.mode

    @property
    def readable(self) -> bool:
        """Whether `read` is supported."""
        return "r" in self._driver.mode

    @property
    def writable(self) -> bool:
        """Whether `write` is supported."""
        return "w" in self._driver.mode

    @property
    def transaction(self) -> Transaction | None:
        """The transaction that reads and writes belong to, or None."""
        return self._transaction

    @property
    def chunk_layout(self) -> ChunkLayout:
        """How the domain is cut into chunks, as seen through the view's transform."""
        constraints = transform_layout(self._driver.layout._constraints, self._transform)
        return ChunkLayout._trusted(constraints)

    @property
    def chunks(self) -> Chunks:
        """The shape of the chunks, as a tuple; called, it reads them one after another.

        Of irregular chunks the largest, of a dimension that is not cut its extent.

        Example:
            >>> view = ts.array(np.arange(6).reshape(2, 3))
            >>> view.chunks
            (2, 3)
            >>> async def largest():
            ...     async with view.chunks() as stream:
            ...         return max([int(array.max()) async for domain, array in stream])
            >>> import anyio
            >>> anyio.run(largest)
            5
        """
        from virtchunk._chunks import Chunks

        return Chunks(self)

    @property
    def dimension_units(self) -> tuple[Unit | None, ...]:
        """The physical quantity of one step along each dimension, or None where unknown."""
        return transform_dimension_units(self._driver.dimension_units, self._transform)

    @property
    def base(self) -> TensorStore | None:
        """The view that this one is computed from, as by `cast` or `downsample`; or None."""
        base = self._driver.base(self._transform)
        return base and TensorStore._of(base.driver, base.transform, self._transaction)

    def __repr__(self) -> str:
        from virtchunk._chunk_sizes import chunks_text

        parts = [
            self._driver.describe(),
            self.mode,
            f"dtype={self.dtype.name}",
            f"domain={self.domain}",
        ]
        if (chunks := chunks_text(self)).strip("(None, )"):  # else it is not cut into chunks
            parts.append(f"chunks={chunks}")
        if self._driver.cache_bytes is not None:
            parts.append(f"cache={self._driver.cache_bytes:_} bytes")
        if self._transaction is not None:
            parts.append(f"transaction={self._transaction!r}")
        return f"TensorStore({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """Show what the view is, in a notebook: dimensions, chunks, and which are cached."""
        from virtchunk._view_html import view_html

        return view_html(self)

    def resolve(self, fix_resizable_bounds: bool = False, batch: Any = None) -> Future[TensorStore]:
        """Return a future of an equal view: the bounds of these views never change."""
        as_flag(fix_resizable_bounds, "fix_resizable_bounds")
        check_batch(batch)
        return Future._resolved(self._with_transform(self._driver.resolved(self._transform)))


_make_planned = planned(TensorStore)


def _why_not(driver: Driver, function: str, mode: str) -> str:
    return f"has no {function}" if driver.name == "virtual_chunked" else f"is {mode}"


def check_transaction(transaction: object) -> Transaction | None:
    """Check an argument ``transaction``.

    Raises:
        TypeError: If it is neither a `Transaction` nor None.
    """
    if transaction is None:
        return None
    from virtchunk._transaction import check_transaction as check  # late: many programs use none

    return check(transaction)


def _restore(driver: Driver, transform: IndexTransform) -> TensorStore:
    return TensorStore._of(driver, transform)
