"""From arguments to a view: `virtual_chunked` and `array`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from virtchunk._context.context import Context
from virtchunk._drivers.virtual import VirtualDriver
from virtchunk._engine.parameters import ReadFunction, WriteFunction
from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform
from virtchunk._loop import as_loop
from virtchunk._open_options import RecheckCacheOption, as_flag, parse_recheck
from virtchunk._schema.conversion import convert_array, infer_dtype
from virtchunk._schema.dimension_units import DimensionUnitsLike
from virtchunk._schema.dtype import DTypeLike
from virtchunk._schema.dtype import dtype as DataType
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.schema import Schema
from virtchunk._store import TensorStore, check_transaction

if TYPE_CHECKING:
    from virtchunk._transaction import Transaction

if TYPE_CHECKING:
    from virtchunk._grid.choice import ChunksLike

__all__ = ("array", "virtual_chunked")


def virtual_chunked(
    read_function: ReadFunction | None = None,
    write_function: WriteFunction | None = None,
    *,
    loop: object | None = None,
    rank: int | None = None,
    dtype: DTypeLike | None = None,
    domain: IndexDomain | None = None,
    shape: Iterable[int] | None = None,
    chunk_layout: ChunkLayout | None = None,
    dimension_units: DimensionUnitsLike | None = None,
    schema: Schema | None = None,
    context: Context | None = None,
    transaction: Transaction | None = None,
    recheck_cached_data: RecheckCacheOption | None = None,
    chunks: ChunksLike | None = None,
) -> TensorStore:
    """Make a view whose elements are computed, or stored, chunk by chunk, by your own functions.

    Nothing is called until the view is read or written. A callback is a plain function, called in
    worker threads when the operation is awaited, or async, awaited in tasks of the operation.

    Args:
        read_function: Computes the content of one chunk; see `ReadFunction`. None: a write-only
            view, which accepts writes of whole chunks only.
        write_function: Stores the content of one chunk; see `WriteFunction`. None: a read-only
            view.
        loop: The event loop that runs async callbacks: an asyncio loop, or an
            `anyio.lowlevel.EventLoopToken`. Default: the loop of the task that awaits the
            operation; for blocking calls in other threads the loop that runs now, if any.
        rank: The number of dimensions.
        dtype: The data type of the elements.
        domain: Bounds and labels; bounds may be infinite.
        shape: The extents of a domain that begins at 0; merged with ``domain`` if both are given.
        chunk_layout: How the domain is cut into chunks. Default: chunks of about 2**20 elements
            that begin at the origin, as nearly cubic as the domain permits.
        dimension_units: The physical quantity of one step along each dimension.
        schema: Further constraints, merged with the others.
        context: Limits and the cache pool; a new one by default, which caches nothing.
        transaction: Transaction that all reads and writes through the view belong to; see
            `TensorStore.with_transaction`.
        recheck_cached_data: When a cached chunk is revalidated: ``True`` (at each read, the
            default), ``False`` (never), ``"open"`` (if older than this view) or a time in seconds
            since the Unix epoch. Content without a version, or valid for ever, never is.
        chunks: Sizes of chunks that need not be alike: for each dimension the sizes one by one,
            such as ``((3, 5, 2), (4, 4))``; or one size, -1 for the extent of the domain, None for
            what ``chunk_layout`` says. One integer alone is the size in all dimensions.

    Raises:
        TypeError: If a callback is not callable, or an argument has the wrong type.
        ValueError: If neither callback is given, ``dtype`` or the rank is unknown, constraints
            conflict, a fill value is given, or ``chunks`` do not make up the domain.

    Example:
        >>> def squares(domain, array, params):
        ...     (rows,) = domain.index_exp
        ...     array[...] = np.arange(rows.start, rows.stop) ** 2
        >>> view = ts.virtual_chunked(squares, dtype=ts.int64, shape=[1_000_000])
        >>> view[10:15].read().result()
        array([100, 121, 144, 169, 196])
    """
    _check_callbacks(read_function, write_function)
    check_transaction(transaction)
    constraints = Schema(
        rank=rank,
        dtype=dtype,
        domain=domain,
        shape=shape,
        chunk_layout=chunk_layout,
        dimension_units=dimension_units,
        schema=schema,
    )
    driver = VirtualDriver.from_schema(
        read_function,
        write_function,
        constraints,
        context=Context() if context is None else context,
        recheck=True
        if recheck_cached_data is None
        else parse_recheck(recheck_cached_data, "recheck_cached_data"),
        loop=None if loop is None else as_loop(loop),
        chunks=chunks,
    )
    return TensorStore._of(driver, IndexTransform._identity(driver.domain), transaction)


def _check_callbacks(read_function: object, write_function: object) -> None:
    if read_function is None and write_function is None:
        raise ValueError("at least one of read_function and write_function must be specified")
    for name, function in (("read_function", read_function), ("write_function", write_function)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable, got {function!r}")


def array(
    array: npt.ArrayLike,
    dtype: DTypeLike | None = None,
    *,
    context: Context | None = None,
    copy: bool | None = None,
    write: bool | None = None,
) -> TensorStore:
    """Make a view of an array in memory.

    Args:
        array: An array, or anything that NumPy makes one of.
        dtype: Element type; by default the array's own. Objects are JSON values.
        context: Kept for the view's spec; a new one by default.
        copy: ``True`` copies, ``False`` shares the memory or raises. Default: share if possible.
        write: Whether the view can be written. ``True`` copies an array that is read-only.
            Default: if the array can, or was copied.

    Raises:
        ValueError: If ``copy=False`` but a copy is needed: to convert the elements, or to write.
        TypeError: If the elements cannot be converted to ``dtype``, or an argument has the wrong
            type.

    Example:
        >>> numbers = np.arange(6)
        >>> view = ts.array(numbers)
        >>> view[2:4] = 7
        >>> numbers
        array([0, 1, 7, 7, 4, 5])
    """
    if context is not None and not isinstance(context, Context):
        raise TypeError(f"context must be a Context or None, got {context!r}")
    data_type = None if dtype is None else DataType(dtype)
    values = convert_array(array, data_type)
    if data_type is None:
        data_type = infer_dtype(values.dtype)
    if as_flag(copy, "copy") or (as_flag(write, "write") and not values.flags.writeable):
        if copy is False:
            raise ValueError("write=True, but the array is read-only, and copy=False")
        values = values.copy() if _shares(values, array) else values
    elif copy is False and not _shares(values, array):
        raise ValueError("copy=False, but the elements have to be copied to become this array")
    writable = values.flags.writeable and write is not False
    domain = IndexDomain(shape=values.shape)
    from virtchunk._drivers.array import ArrayDriver

    driver = ArrayDriver(
        values,
        domain,
        data_type,
        Context() if context is None else context,
        (None,) * values.ndim,
        writable,
    )
    return TensorStore._of(driver, IndexTransform._identity(domain))


def _shares(values: np.ndarray[Any, Any], array: npt.ArrayLike) -> bool:
    """Whether an array was made without a copy: doing it again gives the same memory."""
    return values is array or np.may_share_memory(values, np.asarray(array))
