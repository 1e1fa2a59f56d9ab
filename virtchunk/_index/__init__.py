"""Index spaces: domains, functions between them, and all that may stand in ``view[...]``.

Pure: no I/O, no async, nothing but integers and index arrays.
"""

from __future__ import annotations

from virtchunk._index.compose import compose as compose
from virtchunk._index.dim import Dim as Dim
from virtchunk._index.domain import IndexDomain as IndexDomain
from virtchunk._index.domain import domain_factory as domain_factory
from virtchunk._index.interval import INF as INF
from virtchunk._index.interval import MAX_RANK as MAX_RANK
from virtchunk._index.output_map import OutputIndexMap as OutputIndexMap
from virtchunk._index.output_map import OutputIndexMaps as OutputIndexMaps
from virtchunk._index.output_map import OutputIndexMethod as OutputIndexMethod
from virtchunk._index.transform import IndexTransform as IndexTransform
