"""The chunk grid of a view: what its layout's constraints leave open, and sizes that are given.

Sizes that are alike make a regular dimension, just as if a constraint had asked for them: they are
planned, and reported in the layout, in the same way. Only where they differ is a dimension
irregular. No regular grid describes it then, so that the layout tells no more of it than an index
at which a chunk begins, and the largest size as a wish.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from virtchunk._grid.irregular import IrregularDimension
from virtchunk._grid.regular import DimensionGrid, RegularDimension
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._schema.chunk_shape import ChunkGrid, choose_chunk_grid
from virtchunk._schema.constraints import DimConstraints
from virtchunk._schema.grid_constraints import WHOLE_DOMAIN, GridConstraints
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.layout_constraints import LayoutConstraints

__all__ = ("Chunks", "ChunksLike", "choose_grid", "chunks_of", "parse_chunks")

ChunksLike: TypeAlias = int | Iterable[int | Iterable[int] | None]
"""Chunk sizes: an integer for all dimensions, or for each dimension an integer (-1: the extent of
the domain), the sizes of its chunks one by one, or None for what the chunk layout says."""

_SHOWN = 8
"""How many sizes an error message lists."""

_Sizes: TypeAlias = int | tuple[int, ...] | None
Chunks: TypeAlias = int | tuple[_Sizes, ...]
"""The same with plain integers and tuples only, and without chunks of no elements."""


# -- reading what was given ------------------------------------------------------------------------


def parse_chunks(chunks: Any) -> Chunks:
    """Return chunk sizes in their canonical form.

    Raises:
        TypeError: They have another form.
        ValueError: A size is out of range.
    """
    extent = _integer(chunks)
    if extent is not None:
        return _check_extent(extent, "")
    return tuple(_parse_sizes(sizes, dim) for dim, sizes in enumerate(_items(chunks, "")))


def _parse_sizes(sizes: Any, dim: int) -> _Sizes:
    where = f" of dimension {dim}"
    if sizes is None:
        return None
    extent = _integer(sizes)
    if extent is not None:
        return _check_extent(extent, where)
    parsed = [_integer(size) for size in _items(sizes, where)]
    if None in parsed or any(size < 0 for size in parsed if size is not None):
        raise ValueError(f"chunks{where} must be sizes >= 0, got {sizes!r}")
    return tuple(size for size in parsed if size)


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _items(value: Any, where: str) -> list[Any]:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [*value]
    form = "an integer, the sizes of its chunks, or None"
    wanted = form if where else f"an integer, or for each dimension {form}"
    raise TypeError(f"chunks{where} must be {wanted}, got {value!r}")


def _check_extent(extent: int, where: str) -> int:
    if extent > 0 or extent == WHOLE_DOMAIN:
        return extent
    raise ValueError(
        f"chunks{where} must be positive, or -1 for the extent of the domain, got {extent}"
    )


# -- choosing a grid -------------------------------------------------------------------------------


def choose_grid(
    layout: ChunkLayout, domain: IndexDomain, chunks: Chunks
) -> tuple[tuple[DimensionGrid, ...], ChunkLayout]:
    """Return the dimensions of the one grid for reading and writing, and its layout.

    Args:
        layout: Constraints; see `choose_chunk_grid`.
        domain: What the grid is for.
        chunks: Sizes, which go before wishes of the layout.

    Raises:
        ValueError: As `choose_chunk_grid`; or ``chunks`` do not make up the domain, or conflict
            with hard constraints.
    """
    sizes = _for_each_dimension(chunks, domain)
    constraints = layout._constraints.with_rank(domain.rank)
    listed = {
        dim: IrregularDimension.of_sizes(domain.inclusive_min[dim], given)
        for dim, given in enumerate(sizes)
        if isinstance(given, tuple)
    }
    irregular = {dim: cells for dim, cells in listed.items() if not _are_alike(cells.sizes)}
    _check_unconstrained(constraints, irregular)
    constraints = _with_origin(constraints, listed, irregular)
    wanted = [max(given, default=1) if isinstance(given, tuple) else given for given in sizes]
    chosen = choose_chunk_grid(_with_sizes(constraints, wanted), domain)
    bounds = (domain.inclusive_min, domain.exclusive_max)
    grid = map(RegularDimension, chosen.origin, chosen.shape, *bounds)
    return (
        tuple(irregular.get(dim, cells) for dim, cells in enumerate(grid)),
        _layout(chosen, irregular),
    )


def chunks_of(grid: Iterable[DimensionGrid]) -> Chunks | None:
    """Return what has to be said of a grid beside its layout; None if it is regular."""
    sizes = tuple(cells.sizes if isinstance(cells, IrregularDimension) else None for cells in grid)
    return sizes if any(sizes) else None


def _for_each_dimension(chunks: Chunks, domain: IndexDomain) -> tuple[_Sizes, ...]:
    rank = domain.rank
    sizes = (chunks,) * rank if isinstance(chunks, int) else chunks
    if len(sizes) != rank:
        raise ValueError(
            f"chunks must be given for each of the {rank} dimensions of {domain}, got {len(sizes)}"
        )
    return tuple(_for_dimension(given, dim, domain) for dim, given in enumerate(sizes))


def _for_dimension(sizes: _Sizes, dim: int, domain: IndexDomain) -> _Sizes:
    """Check that sizes suit a dimension; replace the one that stands for its extent."""
    if sizes is None or (isinstance(sizes, int) and sizes != WHOLE_DOMAIN):
        return sizes
    lower, upper = domain.inclusive_min[dim], domain.exclusive_max[dim]
    where = f"dimension {dim}" + (f' ("{domain.labels[dim]}")' if domain.labels[dim] else "")
    if lower == -INF or upper == INF_UPPER:
        raise ValueError(
            f"chunks of {where} need a bounded domain, got {domain}; pass shape or domain"
        )
    if isinstance(sizes, int):
        return max(1, upper - lower)
    if sum(sizes) != upper - lower:
        raise ValueError(
            f"chunks of {where} must add up to its extent, {upper - lower}, got {sum(sizes)}: "
            f"{_shortened(sizes)}"
        )
    return sizes


def _shortened(sizes: tuple[int, ...]) -> str:
    return str(sizes) if len(sizes) <= _SHOWN else f"({', '.join(map(str, sizes[:_SHOWN]))}, ...)"


def _are_alike(sizes: tuple[int, ...]) -> bool:
    return len(set(sizes[:-1])) <= 1 and sizes[-1:] <= sizes[:1]


def _check_unconstrained(
    constraints: LayoutConstraints, irregular: Mapping[int, IrregularDimension]
) -> None:
    """Check that nobody insists on one size where there are several."""
    for usage in ("read_chunk", "write_chunk"):
        shape = getattr(constraints, usage).shape
        for dim, cells in irregular.items():
            if shape is not None and shape.hard[dim] is not None:
                raise ValueError(
                    f"chunks {_shortened(cells.sizes)} of dimension {dim} conflict with the size "
                    f"{shape.hard[dim]} of the chunk layout's {usage}; leave one of them out"
                )


def _with_origin(
    constraints: LayoutConstraints,
    listed: Mapping[int, IrregularDimension],
    irregular: Mapping[int, IrregularDimension],
) -> LayoutConstraints:
    """Insist on where chunks begin whose sizes are listed one by one.

    Raises:
        ValueError: There is a hard constraint on another place.
    """
    nothing = (None,) * (constraints.rank or 0)
    origin = constraints.grid_origin or DimConstraints(nothing, nothing)
    hard = [*origin.hard]
    for dim, cells in listed.items():
        lower, size = cells.inclusive_min, max(cells.sizes, default=1)
        begins = lower if dim in irregular else lower % size
        wanted = hard[dim]
        if wanted is None:
            hard[dim] = begins
            continue
        fits = wanted in cells.borders[:-1] if dim in irregular else wanted % size == begins
        if not fits:
            raise ValueError(
                f"no chunk of dimension {dim} begins at {wanted}, the grid_origin of the chunk "
                f"layout: chunks {_shortened(cells.sizes)} begin at {lower}"
            )
    soft = [None if dim in listed else wish for dim, wish in enumerate(origin.soft)]
    new = DimConstraints(tuple(hard), tuple(soft)).or_none()
    return attrs.evolve(constraints, grid_origin=new)


def _with_sizes(constraints: LayoutConstraints, sizes: Sequence[int | None]) -> ChunkLayout:
    try:
        wanted = GridConstraints().add_shape(sizes, is_hard=True)
        return ChunkLayout._trusted(constraints.merge_shared_grid(wanted))
    except ValueError as error:
        raise ValueError(f"chunks conflict with the chunk layout: {error}") from None


def _layout(chosen: ChunkGrid, irregular: Mapping[int, IrregularDimension]) -> ChunkLayout:
    layout = chosen.layout()
    if not irregular:
        return layout
    sizes = DimConstraints(
        tuple(None if dim in irregular else size for dim, size in enumerate(chosen.shape)),
        tuple(size if dim in irregular else None for dim, size in enumerate(chosen.shape)),
    )
    grid = GridConstraints(len(chosen.shape), sizes)
    return ChunkLayout._trusted(
        attrs.evolve(layout._constraints, read_chunk=grid, write_chunk=grid)
    )
