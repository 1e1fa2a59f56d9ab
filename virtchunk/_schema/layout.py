"""`ChunkLayout`: constraints on how an array is laid out in chunks, as users see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, Unpack, final

import attrs

from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._schema.json_value import format_json
from virtchunk._schema.layout_constraints import LAYOUT_UNCONSTRAINED, LayoutConstraints, Usage
from virtchunk._schema.layout_grid import Grid as _Grid
from virtchunk._schema.layout_grid import hard_values, soft_values
from virtchunk._schema.layout_json import layout_from_json, layout_to_json
from virtchunk._schema.layout_keywords import ChunkLayoutKeywords, add_to_layout

if TYPE_CHECKING:
    from virtchunk._schema.grid_constraints import GridConstraints

__all__ = ("ChunkLayout",)

_ABSENT: Final[Any] = object()


@final
class ChunkLayout:
    """Constraints on how an array is laid out: grids of chunks, and the order within a chunk.

    There is a grid of chunks to read, one of chunks to write and one of chunks that a codec works
    on. Each may be constrained by shape, aspect ratio and number of elements (see
    `ChunkLayout.Grid`); all have one origin. ``chunk`` and the keywords that begin with ``chunk_``
    are about reading and writing alike.

    A hard constraint must hold, a soft one (``..._soft_constraint``) is a wish. A hard constraint
    replaces a soft one, the first of several soft ones stays, and hard ones must agree.

    Args:
        json: The JSON representation; alone, without keywords.
        rank: Number of dimensions.
        inner_order: Order of the elements within a chunk, from the dimension that varies slowest to
            the one that varies fastest; a permutation of ``range(rank)``.
        grid_origin: An index at which a chunk begins, for each dimension; None for any.
        chunk: Constraints on the chunks to read and to write; its aspect ratio holds for the codec
            too.
        write_chunk: Constraints on the chunks to write.
        read_chunk: Constraints on the chunks to read.
        codec_chunk: Constraints on the chunks that a codec works on.
        chunk_shape: Extents of a chunk; None or 0 for any, -1 for that of the domain (which is a
            soft constraint even here). Likewise ``write_chunk_shape``, ``read_chunk_shape``; and
            ``codec_chunk_shape``, which constrains the chunks to read.
        chunk_aspect_ratio: Relative extents of a chunk; None or 0 for any; also for the codec.
            Likewise ``write_chunk_aspect_ratio``, ``read_chunk_aspect_ratio``; and
            ``codec_chunk_aspect_ratio``, which constrains the chunks to read.
        chunk_elements: Number of elements aimed at in a chunk. Likewise ``write_chunk_elements``,
            ``read_chunk_elements``, ``codec_chunk_elements``.
        finalize: Make a precise layout of the constraints, after all others are added: each origin
            must be known; soft constraints on shapes, and all on aspect ratios and elements, are
            dropped; the extents of chunks to read that are unknown become those of the chunks to
            write.

    Raises:
        TypeError: A keyword does not exist, or its value has the wrong type.
        ValueError: A value is out of range, constraints conflict, or ``json`` is no layout.

    Example:
        >>> layout = ts.ChunkLayout(read_chunk_shape=[100, 200], inner_order=[1, 0])
        >>> layout.rank
        2
        >>> layout.update(grid_origin=[0, 50])
        >>> layout.read_chunk_template
        { [0, 100), [50, 250) }
    """

    __slots__ = ("_constraints",)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # `update` changes what it is equal to

    Grid: TypeAlias = _Grid
    """Constraints on the chunks of one grid."""

    _constraints: LayoutConstraints

    def __init__(self, json: Any = _ABSENT, **constraints: Unpack[ChunkLayoutKeywords]) -> None:
        if json is _ABSENT:
            self._constraints = add_to_layout(LAYOUT_UNCONSTRAINED, constraints, "ChunkLayout")
        elif constraints:
            raise TypeError(
                f"ChunkLayout() takes either json or keywords, got json and {[*constraints]}"
            )
        else:
            self._constraints = layout_from_json(json)

    @classmethod
    def _trusted(cls, constraints: LayoutConstraints) -> ChunkLayout:
        self = cls.__new__(cls)
        self._constraints = constraints
        return self

    def update(self, **constraints: Unpack[ChunkLayoutKeywords]) -> None:
        """Add constraints in place; takes the keywords of the constructor.

        Raises:
            TypeError: A keyword does not exist, or its value has the wrong type.
            ValueError: A value is out of range, or constraints conflict. Then nothing is added.

        Example:
            >>> layout = ts.ChunkLayout(write_chunk_shape=[64, 64], grid_origin=[0, 0])
            >>> layout.update(finalize=True)
            >>> layout.read_chunk.shape
            (64, 64)
        """
        self._constraints = add_to_layout(self._constraints, constraints, "update")

    @property
    def rank(self) -> int:
        """Number of dimensions; -1 if unknown."""
        rank = self._constraints.rank
        return -1 if rank is None else rank

    @property
    def ndim(self) -> int:
        """Number of dimensions; -1 if unknown. The same as `rank`."""
        return self.rank

    @property
    def inner_order(self) -> tuple[int, ...] | None:
        """Hard constraint on the order of elements within a chunk; None if there is none."""
        layout = self._constraints
        return layout.inner_order if layout.inner_order_is_hard else None

    @property
    def inner_order_soft_constraint(self) -> tuple[int, ...] | None:
        """Soft constraint on the order of elements within a chunk; None if there is none."""
        layout = self._constraints
        if layout.rank == 0:
            return ()  # the only order there is
        return None if layout.inner_order_is_hard else layout.inner_order

    @property
    def grid_origin(self) -> tuple[int | None, ...] | None:
        """Hard constraints on where chunks begin; None if the rank is unknown."""
        return hard_values(self._constraints.rank, self._constraints.grid_origin)

    @property
    def grid_origin_soft_constraint(self) -> tuple[int | None, ...] | None:
        """Soft constraints on where chunks begin; None if the rank is unknown."""
        return soft_values(self._constraints.rank, self._constraints.grid_origin)

    @property
    def write_chunk(self) -> _Grid:
        """Constraints on the chunks to write; a copy."""
        return _public_grid(self._constraints.write_chunk)

    @property
    def read_chunk(self) -> _Grid:
        """Constraints on the chunks to read; a copy."""
        return _public_grid(self._constraints.read_chunk)

    @property
    def codec_chunk(self) -> _Grid:
        """Constraints on the chunks that a codec works on; a copy."""
        return _public_grid(self._constraints.codec_chunk)

    @property
    def read_chunk_template(self) -> IndexDomain:
        """The chunk to read that begins at `grid_origin`, where hard constraints tell it.

        A dimension without a hard constraint on the origin or the extent is unbounded.

        Raises:
            ValueError: The rank is unknown, or the chunk reaches beyond the range of indices.

        Example:
            >>> ts.ChunkLayout(
            ...     grid_origin=[5, None], read_chunk_shape=[100, 200]
            ... ).read_chunk_template
            { [5, 105), (-inf, +inf) }
        """
        return _template(self._constraints, "read_chunk")

    @property
    def write_chunk_template(self) -> IndexDomain:
        """The chunk to write that begins at `grid_origin`, where hard constraints tell it.

        A dimension without a hard constraint on the origin or the extent is unbounded.

        Raises:
            ValueError: The rank is unknown, or the chunk reaches beyond the range of indices.
        """
        return _template(self._constraints, "write_chunk")

    def to_json(self) -> Any:
        """Return the JSON representation.

        Example:
            >>> ts.ChunkLayout(inner_order=[1, 0], chunk_elements=9).to_json()
            {'inner_order': [1, 0], 'read_chunk': {'elements': 9}, 'write_chunk': {'elements': 9}}
        """
        return layout_to_json(self._constraints)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChunkLayout):
            return NotImplemented
        return self._constraints == other._constraints

    def __repr__(self) -> str:
        return f"ChunkLayout({format_json(self.to_json())})"

    def _repr_html_(self) -> str:
        """Show the layout in a notebook."""
        from virtchunk._schema.html import layout_html

        return layout_html(self)

    def __copy__(self) -> ChunkLayout:
        return ChunkLayout._trusted(self._constraints)

    def __deepcopy__(self, memo: dict[int, Any]) -> ChunkLayout:
        return ChunkLayout._trusted(self._constraints)


def _public_grid(grid: GridConstraints) -> _Grid:
    # As in the original, the grids of a layout of rank 0 do not tell their rank.
    return _Grid._trusted(grid if grid.rank else attrs.evolve(grid, rank=None))


def _template(layout: LayoutConstraints, usage: Usage) -> IndexDomain:
    rank = layout.rank
    if rank is None:
        raise ValueError(f"rank of the chunk layout must be specified to tell its {usage}_template")
    shape = getattr(layout, usage).shape
    lower, upper = [-INF] * rank, [INF_UPPER] * rank
    if shape is not None and layout.grid_origin is not None:
        for dim, (origin, extent) in enumerate(
            zip(layout.grid_origin.hard, shape.hard, strict=True)
        ):
            if origin is None or extent is None:
                continue
            lower[dim], upper[dim] = origin, origin + extent
            if upper[dim] > INF_UPPER:
                raise ValueError(
                    f"{usage} of extent {extent} at grid origin {origin} in dimension {dim} "
                    f"reaches beyond the range of indices"
                )
    explicit = (False,) * rank
    return IndexDomain._trusted(tuple(lower), tuple(upper), ("",) * rank, explicit, explicit)
