"""N-dimensional arrays whose chunks are computed, or stored, by your own functions.

A view is read and written like an array; its content comes from callbacks, one call per chunk.
What happens to a read, in order, and where to find it:

1. *call*: `virtual_chunked` makes a view (`virtchunk._open`, `virtchunk._store`), described by a
   domain, a data type, a chunk layout and units (`virtchunk._schema`);
2. *transform*: indexing composes index transforms, and reads nothing (`virtchunk._index`);
3. *partition*: a request is cut along chunk borders (`virtchunk._grid`);
4. *fan-out*: workers, in tasks or threads and within limits, take pieces (`virtchunk._engine`);
5. *callback*: your function is given a domain and an array (`virtchunk._engine.parameters`);
6. *cache*: computed chunks are kept for reuse (`virtchunk._cache`), if the context has a pool;
7. *result*: a `Future`, which runs where it is awaited (`virtchunk._future`).

Nothing above a step is imported by it; everything up to the third is pure and never waits.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from types import FunctionType as _FunctionType
from typing import TYPE_CHECKING as _TYPE_CHECKING

from virtchunk._batch import Batch as Batch
from virtchunk._context.context import Context as Context
from virtchunk._engine.parameters import ReadFunction as ReadFunction
from virtchunk._engine.parameters import (
    VirtualChunkedReadParameters as VirtualChunkedReadParameters,
)
from virtchunk._engine.parameters import (
    VirtualChunkedWriteParameters as VirtualChunkedWriteParameters,
)
from virtchunk._engine.parameters import WriteFunction as WriteFunction
from virtchunk._future import Future as Future
from virtchunk._future import FutureLike as FutureLike
from virtchunk._future import Promise as Promise
from virtchunk._index.dim import Dim as Dim
from virtchunk._index.dim_selection import DimSelectionLike as DimSelectionLike
from virtchunk._index.domain import IndexDomain as IndexDomain
from virtchunk._index.index_terms import NumpyIndexingSpec as NumpyIndexingSpec
from virtchunk._index.index_terms import NumpyIndexTerm as NumpyIndexTerm
from virtchunk._index.index_terms import newaxis as newaxis
from virtchunk._index.indexable import Indexable as Indexable
from virtchunk._index.interval import inf as inf
from virtchunk._index.output_map import OutputIndexMap as OutputIndexMap
from virtchunk._index.output_map import OutputIndexMaps as OutputIndexMaps
from virtchunk._index.output_map import OutputIndexMethod as OutputIndexMethod
from virtchunk._index.transform import IndexTransform as IndexTransform
from virtchunk._open import array as array
from virtchunk._open import virtual_chunked as virtual_chunked
from virtchunk._open_options import RecheckCacheOption as RecheckCacheOption
from virtchunk._schema.codec import CodecSpec as CodecSpec
from virtchunk._schema.dtype import DTypeLike as DTypeLike
from virtchunk._schema.dtype import dtype as dtype
from virtchunk._schema.layout import ChunkLayout as ChunkLayout
from virtchunk._schema.named_dtypes import bfloat16 as bfloat16
from virtchunk._schema.named_dtypes import bool as bool  # noqa: A004 - the name it has there, too
from virtchunk._schema.named_dtypes import byte as byte
from virtchunk._schema.named_dtypes import char as char
from virtchunk._schema.named_dtypes import complex64 as complex64
from virtchunk._schema.named_dtypes import complex128 as complex128
from virtchunk._schema.named_dtypes import float4_e2m1fn as float4_e2m1fn
from virtchunk._schema.named_dtypes import float8_e3m4 as float8_e3m4
from virtchunk._schema.named_dtypes import float8_e4m3b11fnuz as float8_e4m3b11fnuz
from virtchunk._schema.named_dtypes import float8_e4m3fn as float8_e4m3fn
from virtchunk._schema.named_dtypes import float8_e4m3fnuz as float8_e4m3fnuz
from virtchunk._schema.named_dtypes import float8_e5m2 as float8_e5m2
from virtchunk._schema.named_dtypes import float8_e5m2fnuz as float8_e5m2fnuz
from virtchunk._schema.named_dtypes import float8_e8m0fnu as float8_e8m0fnu
from virtchunk._schema.named_dtypes import float16 as float16
from virtchunk._schema.named_dtypes import float32 as float32
from virtchunk._schema.named_dtypes import float64 as float64
from virtchunk._schema.named_dtypes import int2 as int2
from virtchunk._schema.named_dtypes import int4 as int4
from virtchunk._schema.named_dtypes import int8 as int8
from virtchunk._schema.named_dtypes import int16 as int16
from virtchunk._schema.named_dtypes import int32 as int32
from virtchunk._schema.named_dtypes import int64 as int64
from virtchunk._schema.named_dtypes import json as json
from virtchunk._schema.named_dtypes import string as string
from virtchunk._schema.named_dtypes import uint8 as uint8
from virtchunk._schema.named_dtypes import uint16 as uint16
from virtchunk._schema.named_dtypes import uint32 as uint32
from virtchunk._schema.named_dtypes import uint64 as uint64
from virtchunk._schema.named_dtypes import ustring as ustring
from virtchunk._schema.schema import Schema as Schema
from virtchunk._schema.unit import Unit as Unit
from virtchunk._store import TensorStore as TensorStore
from virtchunk._write_futures import WriteFutures as WriteFutures

if _TYPE_CHECKING:
    from virtchunk._computed import ComputeFunction as ComputeFunction
    from virtchunk._computed import computed as computed
    from virtchunk._copy import copy as copy
    from virtchunk._derived import DownsampleMethod as DownsampleMethod
    from virtchunk._derived import cast as cast
    from virtchunk._derived import concat as concat
    from virtchunk._derived import downsample as downsample
    from virtchunk._derived import overlay as overlay
    from virtchunk._derived import stack as stack
    from virtchunk._index.dim_expression import DimExpression as DimExpression
    from virtchunk._index.dim_expression import DimSelection as DimSelection
    from virtchunk._index.dim_expression import d as d
    from virtchunk._open_mode import OpenMode as OpenMode
    from virtchunk._spec import Spec as Spec
    from virtchunk._spec.open import open as open  # noqa: A004 - the name it has there, too
    from virtchunk._transaction import Transaction as Transaction
    from virtchunk.dask import from_dask as from_dask
    from virtchunk.kvstore import KvStore as KvStore
    from virtchunk.zarr import from_zarr as from_zarr

__all__ = (
    "Batch",
    "ChunkLayout",
    "CodecSpec",
    "ComputeFunction",
    "Context",
    "DTypeLike",
    "Dim",
    "DimExpression",
    "DimSelection",
    "DimSelectionLike",
    "DownsampleMethod",
    "Future",
    "FutureLike",
    "IndexDomain",
    "IndexTransform",
    "Indexable",
    "KvStore",
    "NumpyIndexTerm",
    "NumpyIndexingSpec",
    "OpenMode",
    "OutputIndexMap",
    "OutputIndexMaps",
    "OutputIndexMethod",
    "Promise",
    "ReadFunction",
    "RecheckCacheOption",
    "Schema",
    "Spec",
    "TensorStore",
    "Transaction",
    "Unit",
    "VirtualChunkedReadParameters",
    "VirtualChunkedWriteParameters",
    "WriteFunction",
    "WriteFutures",
    "array",
    "bfloat16",
    "bool",
    "byte",
    "cast",
    "char",
    "complex64",
    "complex128",
    "computed",
    "concat",
    "copy",
    "d",
    "downsample",
    "dtype",
    "float4_e2m1fn",
    "float8_e3m4",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float16",
    "float32",
    "float64",
    "from_dask",
    "from_zarr",
    "inf",
    "int2",
    "int4",
    "int8",
    "int16",
    "int32",
    "int64",
    "json",
    "newaxis",
    "open",
    "overlay",
    "stack",
    "string",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "ustring",
    "virtual_chunked",
)

_LATE = {
    "ComputeFunction": "virtchunk._computed",
    "DimExpression": "virtchunk._index.dim_expression",
    "DimSelection": "virtchunk._index.dim_expression",
    "DownsampleMethod": "virtchunk._derived",
    "KvStore": "virtchunk.kvstore",
    "OpenMode": "virtchunk._open_mode",
    "Spec": "virtchunk._spec",
    "Transaction": "virtchunk._transaction",
    "cast": "virtchunk._derived",
    "computed": "virtchunk._computed",
    "concat": "virtchunk._derived",
    "copy": "virtchunk._copy",
    "d": "virtchunk._index.dim_expression",
    "downsample": "virtchunk._derived",
    "from_dask": "virtchunk.dask",
    "from_zarr": "virtchunk.zarr",
    "open": "virtchunk._spec.open",
    "overlay": "virtchunk._derived",
    "stack": "virtchunk._derived",
}
"""Where names are that are imported when they are asked for: many programs never do."""


def _publish(value: object) -> None:
    """Have tracebacks, documentation and pickles show the path that users import from."""
    if isinstance(value, (type, _FunctionType)) and value.__module__.startswith("virtchunk."):
        value.__module__ = "virtchunk"
        for name, inner in vars(value).items():
            if isinstance(inner, type) and inner.__qualname__ == f"{value.__qualname__}.{name}":
                _publish(inner)


def __getattr__(name: str) -> object:
    if name == "kvstore":
        return _import_module("virtchunk.kvstore")
    if name not in _LATE:
        raise AttributeError(f"module 'virtchunk' has no attribute {name!r}")
    value: object = getattr(_import_module(_LATE[name]), name)
    _publish(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


for _name in __all__:
    if _name not in _LATE:
        _publish(globals()[_name])
