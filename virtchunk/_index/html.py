"""Domains as notebooks show them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from virtchunk._html.axis import Axis, window_of
from virtchunk._html.figure import figure
from virtchunk._html.page import Table, axes_table, card, legend
from virtchunk._html.text import count_text
from virtchunk._index.interval import INF, INF_UPPER

if TYPE_CHECKING:
    from virtchunk._index.domain import IndexDomain

__all__ = ("bounds_of", "domain_html", "elements_text")


def bounds_of(domain: IndexDomain, dim: int) -> tuple[int | None, int | None]:
    """Return the bounds of a dimension, None where there is none."""
    low, high = domain.inclusive_min[dim], domain.exclusive_max[dim]
    return None if low == -INF else low, None if high == INF_UPPER else high


def elements_text(domain: IndexDomain) -> str:
    """Return the number of elements as text."""
    finite = -INF not in domain.inclusive_min and INF_UPPER not in domain.exclusive_max
    return count_text(prod(domain.shape)) if finite or 0 in domain.shape else "∞"


def domain_html(domain: IndexDomain) -> str:
    """Render a domain."""
    axes = [_axis(domain, dim) for dim in range(domain.rank)]
    return card(
        "IndexDomain",
        tags=[f"rank {domain.rank}"],
        tables=[Table([("elements", elements_text(domain))]), axes_table(axes)],
        picture=figure(axes),
        note=legend(axes),
    )


def _axis(domain: IndexDomain, dim: int) -> Axis:
    low, high = bounds_of(domain, dim)
    window = window_of(low, high, 1, 0)
    return Axis(
        label=domain.labels[dim],
        low=low,
        high=high,
        implicit=(domain.implicit_lower_bounds[dim], domain.implicit_upper_bounds[dim]),
        window=window,
        edges=window,
    )
