"""What chunks should look like: shape, aspect ratio and number of elements, as one value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import attrs

from virtchunk._index.interval import MAX_INDEX
from virtchunk._schema.constraints import (
    DimConstraints,
    add_constraint,
    add_values,
    merge_rank,
    merge_values,
)

__all__ = ("UNCONSTRAINED", "WHOLE_DOMAIN", "GridConstraints")

WHOLE_DOMAIN = -1
"""The chunk size that stands for the extent of the domain."""
_UNSPECIFIED_ELEMENTS = -(2**63)


@final
@attrs.frozen
class GridConstraints:
    """Constraints on the chunks of one regular grid.

    A member is None if it constrains nothing, so that equal constraints are equal values.
    """

    rank: int | None = None
    shape: DimConstraints[int] | None = None
    """Extents > 0, or `WHOLE_DOMAIN` as a soft constraint."""
    aspect_ratio: DimConstraints[float] | None = None
    """Relative extents > 0."""
    elements: int | None = None
    """Hard constraint on the number of elements."""
    elements_soft: int | None = None
    """Soft constraint on the number of elements; None unless ``elements`` is."""

    def with_rank(self, rank: int | None) -> GridConstraints:
        """Return these constraints with a rank.

        Raises:
            ValueError: They have another one already, or it is not a rank.
        """
        merged = merge_rank(self.rank, rank)
        if merged == self.rank:
            return self
        return GridConstraints(
            merged, self.shape, self.aspect_ratio, self.elements, self.elements_soft
        )

    def add_shape(self, shape: Sequence[int | None], *, is_hard: bool) -> GridConstraints:
        """Return these constraints with extents added; None and 0 add nothing.

        Raises:
            ValueError: The rank or a hard constraint conflicts, or an extent is invalid.
        """
        values = [_check_extent(extent, dim) for dim, extent in enumerate(shape)]
        rank = merge_rank(self.rank, len(values))
        if is_hard and WHOLE_DOMAIN in values:
            exact = [None if extent == WHOLE_DOMAIN else extent for extent in values]
            whole = [extent if extent == WHOLE_DOMAIN else None for extent in values]
            constraints = add_values(self.shape, exact, is_hard=True)
            constraints = add_values(constraints, whole, is_hard=False)
        else:
            constraints = add_values(self.shape, values, is_hard=is_hard)
        return GridConstraints(
            rank, constraints, self.aspect_ratio, self.elements, self.elements_soft
        )

    def add_aspect_ratio(
        self, aspect_ratio: Sequence[float | None], *, is_hard: bool
    ) -> GridConstraints:
        """Return these constraints with relative extents added; None and 0 add nothing.

        Raises:
            ValueError: The rank or a hard constraint conflicts, or a ratio is invalid.
        """
        values = [_check_ratio(ratio, dim) for dim, ratio in enumerate(aspect_ratio)]
        rank = merge_rank(self.rank, len(values))
        ratios = add_values(self.aspect_ratio, values, is_hard=is_hard)
        return GridConstraints(rank, self.shape, ratios, self.elements, self.elements_soft)

    def add_elements(self, elements: int | None, *, is_hard: bool) -> GridConstraints:
        """Return these constraints with a number of elements added; None adds nothing.

        Raises:
            ValueError: A hard constraint conflicts, or the number is invalid.
        """
        hard, soft = add_constraint(
            self.elements, self.elements_soft, _check_elements(elements), is_hard=is_hard
        )
        return GridConstraints(self.rank, self.shape, self.aspect_ratio, hard, soft)

    def merge(self, other: GridConstraints, *, is_hard: bool = True) -> GridConstraints:
        """Return these constraints and those of ``other``, all as soft ones unless ``is_hard``.

        A rank of 0 says nothing, like an empty list of values.

        Raises:
            ValueError: The ranks or two hard constraints conflict.
        """
        rank = merge_rank(self.rank, other.rank or None)
        ratios = merge_values(self.aspect_ratio, other.aspect_ratio, is_hard=is_hard)
        shape = merge_values(self.shape, other.shape, is_hard=is_hard)
        hard, soft = add_constraint(
            self.elements, self.elements_soft, other.elements, is_hard=is_hard
        )
        hard, soft = add_constraint(hard, soft, other.elements_soft, is_hard=False)
        return GridConstraints(rank, shape, ratios, hard, soft)

    def merge_aspect_ratio(self, other: GridConstraints) -> GridConstraints:
        """Return these constraints and the rank and aspect ratio of ``other``.

        Raises:
            ValueError: The ranks or two hard constraints conflict.
        """
        return self.merge(GridConstraints(other.rank, None, other.aspect_ratio))


UNCONSTRAINED = GridConstraints()
"""The constraints that every grid satisfies."""


def _check_extent(extent: int | None, dim: int) -> int | None:
    if not extent:
        return None
    if extent == WHOLE_DOMAIN or 0 < extent <= MAX_INDEX:
        return extent
    raise ValueError(
        f"chunk size {extent} for dimension {dim} must be in [1, {MAX_INDEX}], "
        f"-1 for the extent of the domain, or 0 or None for any"
    )


def _check_ratio(ratio: float | None, dim: int) -> float | None:
    if not ratio:
        return None
    if 0 < ratio < math.inf:
        return ratio
    raise ValueError(
        f"aspect ratio {ratio} for dimension {dim} must be positive and finite, "
        f"or 0 or None for any"
    )


def _check_elements(elements: int | None) -> int | None:
    if elements is None or elements == _UNSPECIFIED_ELEMENTS:
        return None
    if 0 <= elements <= MAX_INDEX:
        return elements
    raise ValueError(f"number of elements {elements} must be in [0, {MAX_INDEX}]")
