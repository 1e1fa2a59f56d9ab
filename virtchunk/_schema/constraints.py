"""Hard and soft constraints on one value per dimension, and how further ones are added.

A hard constraint must hold; a soft one is a wish. Of two hard constraints on one thing both must
agree; a hard one replaces a soft one; of two soft ones the first stays. Hence each dimension has at
most one constraint, and the order in which constraints are added matters for soft ones only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar, final

import attrs

from virtchunk._index.interval import MAX_RANK

__all__ = (
    "DimConstraints",
    "add_constraint",
    "add_values",
    "check_rank",
    "merge_rank",
    "merge_values",
)

T = TypeVar("T", int, float)


def check_rank(rank: int) -> int:
    """Return ``rank`` if an index space may have that many dimensions.

    Raises:
        ValueError: It may not.
    """
    if not 0 <= rank <= MAX_RANK:
        raise ValueError(f"rank must be in [0, {MAX_RANK}], got {rank}")
    return rank


def merge_rank(existing: int | None, new: int | None) -> int | None:
    """Return the one rank that two statements agree on; None says nothing.

    Raises:
        ValueError: They differ, or ``new`` is not a rank.
    """
    if new is None or new == existing:
        return existing
    if existing is None:
        return check_rank(new)
    raise ValueError(
        f"rank {new} differs from rank {existing}, which was specified before; "
        f"give one value for each of the {existing} dimensions"
    )


def add_constraint(
    hard: T | None, soft: T | None, new: T | None, *, is_hard: bool, where: str = ""
) -> tuple[T | None, T | None]:
    """Return the hard and the soft constraint on one thing after another one is added.

    Args:
        hard: The hard constraint so far; None if there is none.
        soft: The soft constraint so far; None unless ``hard`` is None.
        new: The constraint to add; None adds nothing.
        is_hard: Whether ``new`` is a hard constraint.
        where: What the constraint is about, for the message, such as ``" for dimension 0"``.

    Raises:
        ValueError: ``new`` and ``hard`` are different hard constraints.
    """
    if new is None:
        return hard, soft
    if not is_hard:
        return hard, new if hard is None and soft is None else soft
    if hard is not None and hard != new:
        raise ValueError(
            f"hard constraint {new}{where} differs from the hard constraint {hard}, which was "
            f"specified before; make one of them a soft constraint, or leave it out"
        )
    return new, None


@final
@attrs.frozen
class DimConstraints(Generic[T]):
    """For each dimension a hard constraint, a soft constraint, or neither."""

    hard: tuple[T | None, ...]
    """The hard constraints; None where a dimension has none."""
    soft: tuple[T | None, ...]
    """The soft constraints; None where a dimension has none, or has a hard one."""

    def or_none(self) -> DimConstraints[T] | None:
        """These constraints, or None if there is none: equal constraints are equal values."""
        constrained = any(value is not None for value in self.hard + self.soft)
        return self if constrained else None

    def combined(self) -> tuple[T | None, ...]:
        """What each dimension is asked to be, no matter how firmly."""
        return tuple(
            soft if hard is None else hard for hard, soft in zip(self.hard, self.soft, strict=True)
        )


def add_values(
    known: DimConstraints[T] | None, values: Sequence[T | None], *, is_hard: bool
) -> DimConstraints[T] | None:
    """Return constraints and one more for each dimension where ``values`` is not None.

    Constraints that constrain nothing are None here, so that equal constraints are equal values.

    Raises:
        ValueError: Two hard constraints on one dimension differ.
    """
    if values.count(None) == len(values):
        return known
    if known is None:
        new, nothing = tuple(values), (None,) * len(values)
        return DimConstraints(new, nothing) if is_hard else DimConstraints(nothing, new)
    pairs = [
        add_constraint(hard, soft, new, is_hard=is_hard, where=f" for dimension {dim}")
        for dim, (hard, soft, new) in enumerate(zip(known.hard, known.soft, values, strict=True))
    ]
    return DimConstraints(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def merge_values(
    known: DimConstraints[T] | None, other: DimConstraints[T] | None, *, is_hard: bool = True
) -> DimConstraints[T] | None:
    """Return these constraints and those of ``other``; all as soft ones unless ``is_hard``."""
    if other is None or (known is None and is_hard):
        return known or other
    known = add_values(known, other.hard, is_hard=is_hard)
    return add_values(known, other.soft, is_hard=False)
