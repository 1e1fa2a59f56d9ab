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

from virtchunk._context.context import Context as Context
from virtchunk._copy import copy as copy
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
from virtchunk._future import WriteFutures as WriteFutures
from virtchunk._index.dim import Dim as Dim
from virtchunk._index.dim_expression import DimExpression as DimExpression
from virtchunk._index.dim_expression import DimSelection as DimSelection
from virtchunk._index.dim_expression import d as d
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
from virtchunk._open_options import OpenMode as OpenMode
from virtchunk._open_options import RecheckCacheOption as RecheckCacheOption
from virtchunk._schema.codec import CodecSpec as CodecSpec
from virtchunk._schema.dtype import DTypeLike as DTypeLike
from virtchunk._schema.dtype import dtype as dtype
from virtchunk._schema.layout import ChunkLayout as ChunkLayout
from virtchunk._schema.named_dtypes import *  # noqa: F403 - the data types, by name
from virtchunk._schema.schema import Schema as Schema
from virtchunk._schema.unit import Unit as Unit
from virtchunk._spec import Spec as Spec
from virtchunk._spec.open import open as open  # noqa: A004 - the name it has there, too
from virtchunk._store import TensorStore as TensorStore
