"""Choosing one grid of chunks that satisfies a layout's constraints, for a domain.

The extent of each dimension of a chunk comes, in this order, from a constraint on the shape, or
from the number of elements: the dimensions that are left get extents in the proportion of their
aspect ratios, none larger than the domain, so that the chunk has as many elements as possible but
not more than asked for, 1 Mi by default.

The second part has no closed form, because extents are whole numbers, cannot exceed the domain and
cannot fall below 1. It is a search for the largest factor by which the aspect ratio may be
multiplied. Which of several nearly equal factors comes out decides about single elements of the
extents, so the search takes the same steps as the original's (0.1.86), in the same floating-point
arithmetic.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Final, final

import attrs

from virtchunk._index.interval import INF, INF_UPPER, shift
from virtchunk._schema.constraints import DimConstraints
from virtchunk._schema.grid_constraints import WHOLE_DOMAIN, GridConstraints
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.layout_constraints import LayoutConstraints

if TYPE_CHECKING:
    from virtchunk._index.domain import IndexDomain

__all__ = ("DEFAULT_CHUNK_ELEMENTS", "ChunkGrid", "choose_chunk_grid", "choose_chunk_shape")

DEFAULT_CHUNK_ELEMENTS: Final = 2**20
"""Number of elements aimed at in a chunk if no constraint tells it."""

_WIDE_RANGE: Final = 4.0
"""Ratio of the bounds above which the search halves their ratio rather than their difference."""
_PRECISION: Final = 0.5
"""Difference of the bounds at which the search ends, in elements of the dimension with the largest
aspect ratio."""


@final
@attrs.frozen
class ChunkGrid:
    """The grid of chunks of a view, which are chunks to read as well as to write."""

    origin: tuple[int, ...]
    """An index at which a chunk begins."""
    shape: tuple[int, ...]
    """Extents of a chunk, > 0."""
    inner_order: tuple[int, ...]
    """Dimensions of a chunk in memory, the one that varies fastest last."""

    def layout(self) -> ChunkLayout:
        """This grid as a precise layout: every constraint is a hard one.

        Example:
            >>> from virtchunk._schema.chunk_shape import ChunkGrid
            >>> ChunkGrid((0,), (5,), (0,)).layout().read_chunk_template
            { [0, 5) }
        """
        rank = len(self.shape)
        wishes: tuple[int | None, ...] = (None,) * rank
        grid = GridConstraints(rank, DimConstraints(self.shape, wishes).or_none())
        constraints = LayoutConstraints(
            rank,
            self.inner_order or None,
            inner_order_is_hard=rank > 0,
            grid_origin=DimConstraints(self.origin, wishes).or_none(),
            write_chunk=grid,
            read_chunk=grid,
            codec_chunk=GridConstraints(rank),
        )
        return ChunkLayout._trusted(constraints)


def choose_chunk_grid(layout: ChunkLayout, domain: IndexDomain) -> ChunkGrid:
    """Return the one grid for reading and writing that suits a layout's constraints best.

    Where no constraint tells the origin of the grid, a chunk begins at the domain's origin; of the
    indices at which a chunk begins then, the smallest that is not negative is reported. Where the
    domain has no lower bound, the grid's origin is 0.

    Args:
        layout: The constraints. Those on chunks to read come before those on chunks to write.
        domain: What the grid is for; may be unbounded.

    Raises:
        ValueError: The ranks differ; hard constraints on chunks to read and to write differ; there
            is a hard constraint on the shape of codec chunks; a chunk shall be as large as the
            domain, which is unbounded; or a chunk at the grid's origin, or the domain relative to
            it, would reach beyond the range of indices.

    Example:
        >>> from virtchunk._schema.chunk_shape import choose_chunk_grid
        >>> choose_chunk_grid(ts.ChunkLayout(), ts.IndexDomain(shape=[1000, 1000, 1000])).shape
        (101, 101, 101)
        >>> layout = ts.ChunkLayout(chunk_shape=[10, 0], chunk_elements=200)
        >>> choose_chunk_grid(layout, ts.IndexDomain([ts.Dim(5, 100), ts.Dim()]))
        ChunkGrid(origin=(5, 0), shape=(10, 20), inner_order=(0, 1))
    """
    rank = len(domain.inclusive_min)
    constraints = layout._constraints.with_rank(rank)
    _refuse_codec_shape(constraints.codec_chunk)
    try:
        grid = constraints.read_chunk.merge(constraints.write_chunk)
    except ValueError as error:
        raise ValueError(
            f"the constraints on chunks to read and to write must agree, because a view has one "
            f"grid for both: {error}"
        ) from None
    shape = choose_chunk_shape(grid, domain)
    origin = _choose_origin(constraints.grid_origin, shape, domain)
    _check_range(origin, shape, domain)
    return ChunkGrid(origin, shape, constraints.inner_order or tuple(range(rank)))


def _refuse_codec_shape(codec: GridConstraints) -> None:
    if codec.shape is not None and any(codec.shape.hard):
        raise ValueError(
            f"the shape of codec chunks cannot be constrained, got {codec.shape.hard}: "
            f"a virtual view has no codec; constrain the read chunks"
        )


def _choose_origin(
    constraints: DimConstraints[int] | None, shape: tuple[int, ...], domain: IndexDomain
) -> tuple[int, ...]:
    wanted = (None,) * len(shape) if constraints is None else constraints.combined()
    return tuple(
        origin if origin is not None else 0 if lower == -INF else lower % extent
        for origin, lower, extent in zip(wanted, domain.inclusive_min, shape, strict=True)
    )


def _check_range(origin: tuple[int, ...], shape: tuple[int, ...], domain: IndexDomain) -> None:
    """Check that the first chunk, and the domain relative to it, stay in the range of indices."""
    for dim, lower in enumerate(origin):
        where = f" of dimension {dim} relative to the grid origin {lower}"
        shift(domain.inclusive_min[dim], domain.exclusive_max[dim], -lower, where)
        if lower + shape[dim] > INF_UPPER:
            raise ValueError(
                f"a chunk of extent {shape[dim]} at the grid origin {lower} of dimension {dim} "
                f"reaches beyond the range of indices; choose another grid origin"
            )


def choose_chunk_shape(grid: GridConstraints, domain: IndexDomain) -> tuple[int, ...]:
    """Return the shape of a chunk that suits a grid's constraints, soft ones too, best.

    Raises:
        ValueError: A chunk shall be as large as the domain, which is unbounded.
    """
    bounds = list(zip(domain.inclusive_min, domain.exclusive_max, strict=True))
    rank = len(bounds)
    wanted = (None,) * rank if grid.shape is None else grid.shape.combined()
    shape = [
        _domain_extent(dim, *bounds[dim]) if extent == WHOLE_DOMAIN else extent
        for dim, extent in enumerate(wanted)
    ]
    elements = grid.elements if grid.elements is not None else grid.elements_soft
    if elements is None:
        elements = DEFAULT_CHUNK_ELEMENTS
    ratios = (None,) * rank if grid.aspect_ratio is None else grid.aspect_ratio.combined()
    free = [dim for dim, extent in enumerate(shape) if extent is None]
    fixed = math.prod(extent for extent in shape if extent is not None)
    limits = [_largest_extent(*bounds[dim], elements) for dim in free]
    chosen = _proportional_extents([ratios[dim] or 1.0 for dim in free], limits, elements, fixed)
    for dim, extent in zip(free, chosen, strict=True):
        shape[dim] = extent
    return tuple(extent for extent in shape if extent is not None)


def _domain_extent(dim: int, lower: int, upper: int) -> int:
    if lower == -INF or upper == INF_UPPER:
        raise ValueError(
            f"chunk size -1 of dimension {dim} stands for the extent of the domain, "
            f"which is unbounded there; give a number"
        )
    return max(1, upper - lower)


def _largest_extent(lower: int, upper: int, elements: int) -> float:
    unbounded = lower == -INF or upper == INF_UPPER
    return float(max(1, elements if unbounded else min(upper - lower, elements)))


def _proportional_extents(
    ratios: list[float], limits: list[float], elements: int, fixed: int
) -> list[int]:
    """Return extents in the proportion of ``ratios``, each in ``[1, limit]``.

    Args:
        ratios: Relative extents.
        limits: Largest extents.
        elements: Largest number of elements of the whole chunk, if extents of 1 do not exceed it.
        fixed: Product of the other extents of the chunk.
    """
    if not ratios:
        return []
    largest = max(ratios)
    ratios = [ratio / largest for ratio in ratios]

    def extents(factor: float) -> list[int]:
        return [
            int(max(1.0, min(limit, factor * ratio)))
            for ratio, limit in zip(ratios, limits, strict=True)
        ]

    low = _PRECISION
    high = max(
        limit / ratio if ratio else math.inf for ratio, limit in zip(ratios, limits, strict=True)
    )
    high = min(2 * high, sys.float_info.max)
    while low + _PRECISION < high:
        wide = high > _WIDE_RANGE * low
        middle = math.sqrt(low * high) if wide else low + (high - low) / 2
        if not low < middle < high:
            break  # neighbouring floating-point numbers
        if fixed * math.prod(extents(middle)) > elements:
            high = middle
        else:
            low = middle
    return extents(low)
