"""How the elements of an array should be laid out in chunks, as a value.

`LayoutConstraints` is what `ChunkLayout` refers to: the class that users see can be updated in
place, this one cannot, so that it may be shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, final

import attrs

from virtchunk._index.interval import INF, MAX_INDEX, MIN_INDEX
from virtchunk._schema.constraints import DimConstraints, add_values, merge_rank, merge_values
from virtchunk._schema.grid_constraints import UNCONSTRAINED, GridConstraints

__all__ = ("LAYOUT_UNCONSTRAINED", "USAGES", "LayoutConstraints", "Usage")

Usage: TypeAlias = Literal["write_chunk", "read_chunk", "codec_chunk"]
"""What a grid of chunks is for."""
USAGES: Final[tuple[Usage, ...]] = ("write_chunk", "read_chunk", "codec_chunk")

_UNSPECIFIED_ORIGIN: Final = -(2**63)


@final
@attrs.frozen
class LayoutConstraints:
    """Constraints on the grids of chunks and on the order of elements within a chunk.

    A member is None if it constrains nothing, so that equal constraints are equal values.
    """

    rank: int | None = None
    """Also the rank of each of the three grids."""
    inner_order: tuple[int, ...] | None = None
    """Permutation of the dimensions; the last one varies fastest."""
    inner_order_is_hard: bool = False
    """Whether ``inner_order`` is a hard constraint; False if it is None."""
    grid_origin: DimConstraints[int] | None = None
    """An index that is the lower bound of a chunk of each grid."""
    write_chunk: GridConstraints = UNCONSTRAINED
    read_chunk: GridConstraints = UNCONSTRAINED
    codec_chunk: GridConstraints = UNCONSTRAINED

    def with_rank(self, rank: int | None) -> LayoutConstraints:
        """Return these constraints with a rank.

        Raises:
            ValueError: They have another one already, or it is not a rank.
        """
        merged = merge_rank(self.rank, rank)
        if merged == self.rank:
            return self
        return LayoutConstraints(
            merged,
            self.inner_order,
            self.inner_order_is_hard,
            self.grid_origin,
            self.write_chunk.with_rank(merged),
            self.read_chunk.with_rank(merged),
            self.codec_chunk.with_rank(merged),
        )

    def add_inner_order(self, inner_order: Sequence[int], *, is_hard: bool) -> LayoutConstraints:
        """Return these constraints with an order added.

        Raises:
            ValueError: The rank or a hard constraint conflicts, or the order is no permutation.
        """
        new = tuple(inner_order)
        merged = self.with_rank(len(new))
        if sorted(new) != list(range(len(new))):
            raise ValueError(
                f"inner order must be a permutation of 0, ..., {len(new) - 1}, got {list(new)}"
            )
        if not is_hard and self.inner_order is not None:
            return merged
        if is_hard and self.inner_order_is_hard and self.inner_order != new:
            raise ValueError(
                f"hard constraint {list(new)} on the inner order differs from the hard constraint "
                f"{list(self.inner_order or ())}, which was specified before; "
                f"make one of them a soft constraint, or leave it out"
            )
        return LayoutConstraints(
            merged.rank,
            new or None,
            is_hard and bool(new),
            merged.grid_origin,
            merged.write_chunk,
            merged.read_chunk,
            merged.codec_chunk,
        )

    def add_grid_origin(
        self, grid_origin: Sequence[int | None], *, is_hard: bool
    ) -> LayoutConstraints:
        """Return these constraints with an origin added; None adds nothing.

        Raises:
            ValueError: The rank or a hard constraint conflicts, or an index is out of range.
        """
        values = [_check_origin(origin, dim) for dim, origin in enumerate(grid_origin)]
        merged = self.with_rank(len(values))
        return merged._with_origin(add_values(self.grid_origin, values, is_hard=is_hard))

    def _with_origin(self, grid_origin: DimConstraints[int] | None) -> LayoutConstraints:
        return LayoutConstraints(
            self.rank,
            self.inner_order,
            self.inner_order_is_hard,
            grid_origin,
            self.write_chunk,
            self.read_chunk,
            self.codec_chunk,
        )

    def with_grid(self, usage: Usage, grid: GridConstraints) -> LayoutConstraints:
        """Return these constraints with another grid, whose rank holds for all.

        Raises:
            ValueError: The rank conflicts.
        """
        rank = merge_rank(self.rank, grid.rank)
        grids = [grid if name == usage else getattr(self, name) for name in USAGES]
        return LayoutConstraints(
            rank,
            self.inner_order,
            self.inner_order_is_hard,
            self.grid_origin,
            *[one.with_rank(rank) for one in grids],
        )

    def merge_grid(self, usage: Usage, grid: GridConstraints) -> LayoutConstraints:
        """Return these constraints and those of ``grid`` on the chunks for ``usage``.

        Raises:
            ValueError: The rank or a hard constraint conflicts.
        """
        merged = self.with_rank(grid.rank or None)
        try:
            return merged.with_grid(usage, getattr(merged, usage).merge(grid))
        except ValueError as error:
            raise ValueError(f"{usage}: {error}") from None

    def merge_shared_grid(self, grid: GridConstraints) -> LayoutConstraints:
        """Return these constraints and those of ``grid`` on all chunks.

        Codecs take part in the aspect ratio only.

        Raises:
            ValueError: The rank or a hard constraint conflicts.
        """
        merged = self.merge_grid("write_chunk", grid).merge_grid("read_chunk", grid)
        return merged.with_grid("codec_chunk", merged.codec_chunk.merge_aspect_ratio(grid))

    def merge(self, other: LayoutConstraints) -> LayoutConstraints:
        """Return these constraints and those of ``other``.

        Raises:
            ValueError: The rank or a hard constraint conflicts.
        """
        merged = self.with_rank(other.rank)
        if other.inner_order is not None:
            merged = merged.add_inner_order(other.inner_order, is_hard=other.inner_order_is_hard)
        merged = merged._with_origin(merge_values(merged.grid_origin, other.grid_origin))
        for usage in USAGES:
            merged = merged.merge_grid(usage, getattr(other, usage))
        return merged

    def finalized(self) -> LayoutConstraints:
        """Return the precise layout that these constraints describe.

        Soft constraints on shapes, and all constraints on aspect ratios and elements, are dropped.
        Where the read chunks have no extent they get that of the write chunks.

        Raises:
            ValueError: The rank or the origin of a dimension is unknown, a chunk at the origin
                reaches beyond the range of indices, or the write chunks do not consist of whole
                read chunks.
        """
        if self.rank is None:
            raise ValueError("rank must be specified to finalize a chunk layout")
        origin = _complete_origin(self.rank, self.grid_origin)
        shapes = {usage: _hard_shape(self.rank, getattr(self, usage)) for usage in USAGES}
        shapes["read_chunk"] = [
            read or write
            for read, write in zip(shapes["read_chunk"], shapes["write_chunk"], strict=True)
        ]
        for usage, shape in shapes.items():
            _check_chunk_at_origin(usage, origin, shape)
        _check_multiple(shapes["write_chunk"], shapes["read_chunk"])
        final = LayoutConstraints(
            rank=self.rank,
            inner_order=self.inner_order,
            inner_order_is_hard=self.inner_order_is_hard,
            grid_origin=self.grid_origin,
        )
        for usage, shape in shapes.items():
            grid = GridConstraints(self.rank).add_shape(shape, is_hard=True)
            final = final.with_grid(usage, grid)
        return final


LAYOUT_UNCONSTRAINED: Final = LayoutConstraints()
"""The constraints that every layout satisfies."""


def _check_origin(origin: int | None, dim: int) -> int | None:
    if origin is None or origin == _UNSPECIFIED_ORIGIN:
        return None
    if MIN_INDEX <= origin <= MAX_INDEX:
        return origin
    raise ValueError(
        f"grid origin {origin} for dimension {dim} must be in [{MIN_INDEX}, {MAX_INDEX}], "
        f"or None for any"
    )


def _complete_origin(rank: int, grid_origin: DimConstraints[int] | None) -> list[int]:
    hard = (None,) * rank if grid_origin is None else grid_origin.hard
    for dim, origin in enumerate(hard):
        if origin is None:
            raise ValueError(
                f"grid origin of dimension {dim} must be specified as a hard constraint "
                f"to finalize a chunk layout, got {list(hard)}"
            )
    return [origin for origin in hard if origin is not None]


def _hard_shape(rank: int, grid: GridConstraints) -> list[int | None]:
    return [None] * rank if grid.shape is None else list(grid.shape.hard)


def _check_chunk_at_origin(usage: Usage, origin: list[int], shape: list[int | None]) -> None:
    for dim, (lower, extent) in enumerate(zip(origin, shape, strict=True)):
        if extent is not None and lower + extent >= INF:
            raise ValueError(
                f"{usage} at origin {lower} with extent {extent} reaches beyond the largest index, "
                f"{MAX_INDEX}, in dimension {dim}"
            )


def _check_multiple(write: list[int | None], read: list[int | None]) -> None:
    for dim, (whole, part) in enumerate(zip(write, read, strict=True)):
        if whole is not None and part is not None and whole % part != 0:
            raise ValueError(
                f"write chunk shape {write} must be a multiple of the read chunk shape {read}, "
                f"but in dimension {dim}, {whole} is not a multiple of {part}"
            )
