"""Indexing a domain: it behaves as a transform from it to a space without dimensions would.

`IndexDomain` comes first in this package, and operations on transforms need it; so the way back, from
a domain to these operations, is here, and is taken only when it is needed.
"""

from __future__ import annotations

from typing import Any, final

import attrs

from virtchunk._index.dim import Dim
from virtchunk._index.dim_expression import DimExpression, DimSelection
from virtchunk._index.dim_selection import (
    find_label,
    normalize_dimension,
    parse_dim_selection,
    resolve_dim_selection,
)
from virtchunk._index.domain import IndexDomain
from virtchunk._index.indexable import DomainOperations, view_of
from virtchunk._index.interval import parse_int64
from virtchunk._index.transform import IndexTransform


@final
@attrs.frozen(repr=False)
class DomainView(DomainOperations):
    """The operations on all dimensions, for a domain; their results are domains."""

    _domain: IndexDomain

    def _get_transform(self) -> IndexTransform:
        return IndexTransform._trusted(self._domain, ())

    def _with_transform(self, transform: IndexTransform) -> Any:
        return transform.domain

    def __repr__(self) -> str:
        return repr(self._domain)


def index_domain(domain: IndexDomain, key: Any) -> Dim | IndexDomain:
    """Return what ``domain[key]`` is; see `IndexDomain.__getitem__`."""
    if isinstance(key, str | bytes):
        return _dim(domain, find_label(key if isinstance(key, str) else key.decode(), domain))
    if isinstance(key, IndexDomain | IndexTransform) or (
        isinstance(key, DimExpression) and not isinstance(key, DimSelection)
    ):
        return view_of(IndexTransform._trusted(domain, ()), key).domain
    identifiers = parse_dim_selection(key)
    if hasattr(type(key), "__index__"):
        return _dim(domain, normalize_dimension(parse_int64(key, "a dimension"), len(domain)))
    try:
        dims = resolve_dim_selection(identifiers, domain)
    except IndexError as error:
        raise ValueError(f"cannot select dimensions {key!r}: {error}") from None
    return IndexDomain._trusted(
        tuple([domain.inclusive_min[i] for i in dims]),
        tuple([domain.exclusive_max[i] for i in dims]),
        tuple([domain.labels[i] for i in dims]),
        tuple([domain.implicit_lower_bounds[i] for i in dims]),
        tuple([domain.implicit_upper_bounds[i] for i in dims]),
    )


def _dim(domain: IndexDomain, i: int) -> Dim:
    return Dim._trusted(
        domain.inclusive_min[i],
        domain.exclusive_max[i],
        domain.labels[i],
        domain.implicit_lower_bounds[i],
        domain.implicit_upper_bounds[i],
    )
