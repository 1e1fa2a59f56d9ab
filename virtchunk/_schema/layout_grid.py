"""`ChunkLayout.Grid`: constraints on the chunks of one regular grid, as users see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypedDict, TypeVar, Unpack, final

from virtchunk._schema.grid_constraints import UNCONSTRAINED, GridConstraints
from virtchunk._schema.json_value import format_json
from virtchunk._schema.layout_arguments import (
    Float,
    Int,
    ordered_keywords,
    parse_int,
    parse_optional_floats,
    parse_optional_ints,
)
from virtchunk._schema.layout_json import grid_from_json, grid_to_json

if TYPE_CHECKING:
    from virtchunk._schema.constraints import DimConstraints

__all__ = ("GRID_FIELDS", "Grid", "GridKeywords", "add_to_grid")

T = TypeVar("T", int, float)
_ABSENT: Final[Any] = object()

GRID_FIELDS: Final = ("shape", "aspect_ratio", "elements")
"""What is constrained; each also exists with the suffix ``_soft_constraint``."""


class GridKeywords(TypedDict, total=False):
    """The keyword arguments of `ChunkLayout.Grid` and its `update`."""

    rank: Int | None
    shape: Iterable[Int | None] | None
    shape_soft_constraint: Iterable[Int | None] | None
    aspect_ratio: Iterable[Float | None] | None
    aspect_ratio_soft_constraint: Iterable[Float | None] | None
    elements: Int | None
    elements_soft_constraint: Int | None
    grid: Grid | None
    grid_soft_constraint: Grid | None


@final
class Grid:
    """Constraints on the chunks of one regular grid: shape, aspect ratio and number of elements.

    A hard constraint must hold, a soft one is a wish. A hard constraint replaces a soft one, the
    first of several soft ones stays, and hard ones must agree.

    Args:
        json: The JSON representation; alone, without keywords.
        rank: Number of dimensions.
        shape: Extent of a chunk in each dimension; None or 0 for any, -1 for that of the domain
            (which is a soft constraint even here).
        shape_soft_constraint: The same as a soft constraint.
        aspect_ratio: Relative extents, one for each dimension; None or 0 for any.
        aspect_ratio_soft_constraint: The same as a soft constraint.
        elements: Number of elements aimed at in a chunk.
        elements_soft_constraint: The same as a soft constraint.
        grid: Constraints to add, hard ones as hard and soft ones as soft ones.
        grid_soft_constraint: Constraints to add as soft ones.

    Raises:
        TypeError: A keyword does not exist, or its value has the wrong type.
        ValueError: A value is out of range, constraints conflict, or ``json`` is no grid.

    Example:
        >>> grid = ts.ChunkLayout.Grid(shape=[64, None], aspect_ratio=[None, 2.0])
        >>> grid.update(elements_soft_constraint=2**16)
        >>> grid.to_json() == {
        ...     "shape": [64, None],
        ...     "aspect_ratio": [None, 2.0],
        ...     "elements_soft_constraint": 65536,
        ... }
        True
    """

    __slots__ = ("_constraints",)
    __qualname__ = "ChunkLayout.Grid"
    __module__ = "virtchunk._schema.layout"  # where that name leads here, for pickle
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # `update` changes what it is equal to

    _constraints: GridConstraints

    def __init__(self, json: Any = _ABSENT, **constraints: Unpack[GridKeywords]) -> None:
        if json is _ABSENT:
            self._constraints = _parse_keywords(UNCONSTRAINED, constraints, "Grid")
        elif constraints:
            raise TypeError(f"Grid() takes either json or keywords, got json and {[*constraints]}")
        else:
            self._constraints = grid_from_json(json)

    @classmethod
    def _trusted(cls, constraints: GridConstraints) -> Grid:
        self = cls.__new__(cls)
        self._constraints = constraints
        return self

    def update(self, **constraints: Unpack[GridKeywords]) -> None:
        """Add constraints in place; takes the keywords of the constructor.

        Raises:
            TypeError: A keyword does not exist, or its value has the wrong type.
            ValueError: A value is out of range, or constraints conflict. Then nothing is added.

        Example:
            >>> grid = ts.ChunkLayout.Grid(shape=[None, 5])
            >>> grid.update(shape=[3, None])
            >>> grid.shape
            (3, 5)
        """
        self._constraints = _parse_keywords(self._constraints, constraints, "update")

    @property
    def rank(self) -> int | None:
        """Number of dimensions; None if unknown."""
        return self._constraints.rank

    @property
    def ndim(self) -> int | None:
        """Number of dimensions; None if unknown. The same as `rank`."""
        return self._constraints.rank

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        """Hard constraints on the extents of a chunk; None if the rank is unknown."""
        return hard_values(self._constraints.rank, self._constraints.shape)

    @property
    def shape_soft_constraint(self) -> tuple[int | None, ...] | None:
        """Soft constraints on the extents of a chunk; None if the rank is unknown."""
        return soft_values(self._constraints.rank, self._constraints.shape)

    @property
    def aspect_ratio(self) -> tuple[float | None, ...] | None:
        """Hard constraints on the relative extents of a chunk; None if the rank is unknown."""
        return hard_values(self._constraints.rank, self._constraints.aspect_ratio)

    @property
    def aspect_ratio_soft_constraint(self) -> tuple[float | None, ...] | None:
        """Soft constraints on the relative extents of a chunk; None if the rank is unknown."""
        return soft_values(self._constraints.rank, self._constraints.aspect_ratio)

    @property
    def elements(self) -> int | None:
        """Hard constraint on the number of elements of a chunk; None if there is none."""
        return self._constraints.elements

    @property
    def elements_soft_constraint(self) -> int | None:
        """Soft constraint on the number of elements of a chunk; None if there is none."""
        return self._constraints.elements_soft

    def to_json(self, include_defaults: bool = False) -> Any:
        """Return the JSON representation.

        Args:
            include_defaults: Makes no difference; a grid has no defaults.
        """
        return grid_to_json(self._constraints)

    def __eq__(self, other: object) -> bool:
        return (
            self._constraints == other._constraints if isinstance(other, Grid) else NotImplemented
        )

    def __repr__(self) -> str:
        return f"ChunkLayout.Grid({format_json(grid_to_json(self._constraints))})"

    def __copy__(self) -> Grid:
        return Grid._trusted(self._constraints)

    def __deepcopy__(self, memo: dict[int, Any]) -> Grid:
        return Grid._trusted(self._constraints)


def hard_values(
    rank: int | None, constraints: DimConstraints[T] | None
) -> tuple[T | None, ...] | None:
    """The hard constraint of each dimension; None if the rank is unknown."""
    if constraints is not None:
        return constraints.hard
    return None if rank is None else (None,) * rank


def soft_values(
    rank: int | None, constraints: DimConstraints[T] | None
) -> tuple[T | None, ...] | None:
    """The soft constraint of each dimension; None if the rank is unknown."""
    if constraints is not None:
        return constraints.soft
    return None if rank is None else (None,) * rank


def parse_rank(value: Any) -> int | None:
    """Return a rank; -1 stands for an unknown one."""
    rank = parse_int(value)
    return None if rank == -1 else rank


def add_to_grid(grid: GridConstraints, field: str, value: Any, *, is_hard: bool) -> GridConstraints:
    """Return a grid with the value of a keyword argument added to one of its `GRID_FIELDS`.

    An empty list of values says nothing, not even that the rank is 0.
    """
    if field == "elements":
        return grid.add_elements(parse_int(value), is_hard=is_hard)
    if field == "shape":
        shape = parse_optional_ints(value)
        return grid.add_shape(shape, is_hard=is_hard) if shape else grid
    ratio = parse_optional_floats(value)
    return grid.add_aspect_ratio(ratio, is_hard=is_hard) if ratio else grid


def _add_field(field: str, is_hard: bool) -> Callable[[GridConstraints, Any], GridConstraints]:
    return lambda grid, value: add_to_grid(grid, field, value, is_hard=is_hard)


def _merge(is_hard: bool) -> Callable[[GridConstraints, Any], GridConstraints]:
    return lambda grid, value: grid.merge(parse_grid(value), is_hard=is_hard)


def parse_grid(value: Any) -> GridConstraints:
    """Return the constraints of a `Grid`.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(value, Grid):
        return value._constraints
    raise TypeError(f"expected a ChunkLayout.Grid, got {value!r}")


_SETTERS: Final[dict[str, Callable[[GridConstraints, Any], GridConstraints]]] = {
    "rank": lambda grid, value: grid.with_rank(parse_rank(value)),
    **{
        name: _add_field(field, is_hard)
        for field in GRID_FIELDS
        for name, is_hard in ((field, True), (f"{field}_soft_constraint", False))
    },
    "grid": _merge(True),
    "grid_soft_constraint": _merge(False),
}
"""What each keyword does, in the order in which they take effect."""


def _parse_keywords(
    grid: GridConstraints, keywords: GridKeywords, function: str
) -> GridConstraints:
    for name in ordered_keywords(function, keywords, _SETTERS):
        value = keywords[name]  # type: ignore[literal-required]
        if value is None:
            continue
        try:
            grid = _SETTERS[name](grid, value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"invalid {name}: {error}") from None
    return grid
