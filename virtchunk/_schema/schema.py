"""`Schema`: what is known about an array before it exists, as users see it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypedDict, Unpack, final

from virtchunk._index.domain import IndexDomain
from virtchunk._index.indexable import Indexable
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.codec import CodecSpec
from virtchunk._schema.dimension_units import (
    DimensionUnits,
    DimensionUnitsLike,
    normalize_dimension_units,
)
from virtchunk._schema.dtype import DTypeLike
from virtchunk._schema.dtype import dtype as DataType
from virtchunk._schema.fill_value import FillValue
from virtchunk._schema.json_value import format_json
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.schema_constraints import SCHEMA_UNCONSTRAINED, SchemaConstraints
from virtchunk._schema.schema_json import schema_from_json, schema_to_json

if TYPE_CHECKING:
    from typing import SupportsIndex

    import numpy as np

__all__ = ("Schema", "SchemaKeywords")

_ABSENT: Final[Any] = object()


class SchemaKeywords(TypedDict, total=False):
    """The keyword arguments of `Schema` and its `update`; None says nothing."""

    rank: SupportsIndex | None
    dtype: DTypeLike | None
    domain: IndexDomain | None
    shape: Iterable[SupportsIndex] | None
    chunk_layout: ChunkLayout | None
    codec: CodecSpec | None
    fill_value: Any
    dimension_units: DimensionUnitsLike | None
    schema: Schema | None


@final
class Schema(Indexable):
    """Constraints on an array: rank, data type, domain, chunk layout, codec, fill value and units.

    Constraints are added by `update` and never taken away; one that conflicts with what is known is
    an error. Indexing a schema gives the schema of what the same indexing of the array would show.

    Args:
        json: The JSON representation; alone, without keywords.
        rank: Number of dimensions.
        dtype: Data type.
        domain: Bounds and labels. Merged with a known domain: bounds must be equal, except that an
            infinite implicit bound gives way; a bound stays implicit only if both are; an empty
            label gives way, two labels must be equal.
        shape: Same as a domain of that shape without labels that begins at zero.
        chunk_layout: Constraints on the chunk layout, merged with known ones.
        codec: Encoding parameters, merged with known ones.
        fill_value: Value of positions that were never written, of a shape that broadcasts to that
            of the domain. It is converted to ``dtype`` if that is known.
        dimension_units: For each dimension the physical unit of one step along it, None where
            unknown; merged with known ones.
        schema: Further constraints.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has an invalid value, or conflicts with another.

    Example:
        >>> schema = ts.Schema(dtype="uint8", shape=[100, 200], dimension_units=["4nm", None])
        >>> schema.rank
        2
        >>> schema[10, ::2]
        Schema({
          'domain': {'exclusive_max': [100], 'inclusive_min': [0]},
          'dtype': 'uint8',
          'rank': 1,
        })
    """

    __slots__ = ("_constraints",)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # `update` changes what it is equal to

    _constraints: SchemaConstraints

    def __init__(self, json: Any = _ABSENT, **constraints: Unpack[SchemaKeywords]) -> None:
        if json is _ABSENT:
            self._constraints = _add(SCHEMA_UNCONSTRAINED, constraints, "Schema")
        elif constraints:
            raise TypeError(f"Schema() takes json or keywords, got json and {[*constraints]}")
        else:
            self._constraints = schema_from_json(json)

    @classmethod
    def _trusted(cls, constraints: SchemaConstraints) -> Schema:
        self = cls.__new__(cls)
        self._constraints = constraints
        return self

    def update(self, **constraints: Unpack[SchemaKeywords]) -> None:
        """Add constraints in place; takes the keywords of the constructor.

        Raises:
            TypeError: An argument has the wrong type. Then nothing is added.
            ValueError: An argument has an invalid value, or conflicts with what is known. Then
                nothing is added.

        Example:
            >>> schema = ts.Schema(rank=3)
            >>> schema.update(dtype=ts.uint8)
            >>> schema
            Schema({'dtype': 'uint8', 'rank': 3})
        """
        self._constraints = _add(self._constraints, constraints, "Schema.update")

    @property
    def rank(self) -> int | None:
        """Number of dimensions; None if unknown.

        Example:
            >>> ts.Schema(dimension_units=["nm", "nm"]).rank
            2
        """
        return self._constraints.rank

    @property
    def ndim(self) -> int | None:
        """Number of dimensions; None if unknown. The same as `rank`."""
        return self._constraints.rank

    @property
    def dtype(self) -> DataType | None:
        """Data type; None if unknown."""
        return self._constraints.data_type

    @property
    def domain(self) -> IndexDomain | None:
        """Bounds and labels; None if unknown.

        Example:
            >>> schema = ts.Schema(domain=ts.IndexDomain(labels=["x", "y"]))
            >>> schema.update(shape=[100, 200])
            >>> schema.domain
            { "x": [0, 100), "y": [0, 200) }
        """
        return self._constraints.domain

    @property
    def chunk_layout(self) -> ChunkLayout:
        """Constraints on the chunk layout; a copy, so that updating it leaves the schema alone."""
        return ChunkLayout._trusted(self._constraints.layout)

    @property
    def codec(self) -> CodecSpec | None:
        """Encoding parameters; None if unconstrained."""
        return self._constraints.codec

    @property
    def fill_value(self) -> np.ndarray[Any, np.dtype[Any]] | None:
        """Value of positions that were never written; None if unconstrained.

        The array is read-only, and of the smallest shape that broadcasts to that of the domain. Its
        data type is that of the schema only if that was known when the value was given.

        Example:
            >>> ts.Schema(dtype="float32", fill_value=[[1, 2]]).fill_value
            array([1., 2.], dtype=float32)
        """
        fill_value = self._constraints.fill_value
        return None if fill_value is None else fill_value.public_array()

    @property
    def dimension_units(self) -> DimensionUnits | None:
        """Physical unit of one step along each dimension; None if the rank is unknown.

        Example:
            >>> schema = ts.Schema(rank=2)
            >>> schema.update(dimension_units=["3nm", None])
            >>> schema.dimension_units
            (Unit(3, "nm"), None)
        """
        known = self._constraints
        return None if known.rank is None else known.dimension_units or (None,) * known.rank

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the domain, shape ``(rank,)``.

        Raises:
            ValueError: Not even the rank is known.
        """
        return self._constraints.known_domain().shape

    @property
    def origin(self) -> tuple[int, ...]:
        """Lower bounds of the domain, shape ``(rank,)``.

        Raises:
            ValueError: Not even the rank is known.
        """
        return self._constraints.known_domain().origin

    @property
    def size(self) -> int:
        """Number of elements of the domain.

        Raises:
            ValueError: Not even the rank is known.
        """
        return self._constraints.known_domain().size

    def copy(self) -> Schema:
        """Return an independent schema with the same constraints.

        Example:
            >>> a = ts.Schema(dtype=ts.uint8)
            >>> b = a.copy()
            >>> b.update(rank=3)
            >>> a
            Schema({'dtype': 'uint8'})
        """
        return Schema._trusted(self._constraints)

    def to_json(self, include_defaults: bool = False) -> Any:
        """Return the JSON representation.

        Args:
            include_defaults: Accepted as the original does; without effect.

        Raises:
            ValueError: The fill value has no JSON representation: bytes that are not UTF-8.

        Example:
            >>> ts.Schema(dtype=ts.uint8, dimension_units=["nm"]).to_json()
            {'dimension_units': [[1.0, 'nm']], 'dtype': 'uint8', 'rank': 1}
        """
        return schema_to_json(self._constraints)

    def _get_transform(self) -> IndexTransform:
        return IndexTransform._identity(self._constraints.known_domain())

    def _with_transform(self, transform: IndexTransform) -> Schema:
        return Schema._trusted(self._constraints.transformed(transform))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schema):
            return NotImplemented
        return self._constraints == other._constraints

    def __copy__(self) -> Schema:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Schema:
        return self.copy()

    def __repr__(self) -> str:
        return f"Schema({format_json(schema_to_json(self._constraints, for_display=True))})"


def _add(known: SchemaConstraints, new: SchemaKeywords, where: str) -> SchemaConstraints:
    """Add constraints that were given as keywords, in the order that the original does."""
    if not new.keys() <= _ADDERS.keys():
        unknown = sorted(new.keys() - _ADDERS.keys())
        raise TypeError(f"{where}() got unexpected keywords {unknown}; they are {[*_ADDERS]}")
    for name, add in _ADDERS.items():
        value = new.get(name)
        if value is not None:
            known = add(known, value)
    return known


def _add_rank(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    try:
        rank = operator.index(value)
    except TypeError:
        raise TypeError(f"rank must be an integer, got {value!r}") from None
    return known.with_rank(rank)


def _add_dtype(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    return known.with_dtype(DataType(value))


def _add_domain(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    _check_type("domain", value, IndexDomain)
    return known.with_domain(value)


def _add_shape(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    return known.with_domain(IndexDomain(shape=value), "shape")


def _add_chunk_layout(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    _check_type("chunk_layout", value, ChunkLayout)
    return known.with_layout(value._constraints)


def _add_codec(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    _check_type("codec", value, CodecSpec)
    return known.with_codec(value)


def _add_fill_value(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    return known.with_fill_value(FillValue.of(value, known.data_type))


def _add_dimension_units(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    return known.with_dimension_units(normalize_dimension_units(value))


def _add_schema(known: SchemaConstraints, value: Any) -> SchemaConstraints:
    _check_type("schema", value, Schema)
    return known.merge(value._constraints)


def _check_type(name: str, value: object, expected: type) -> None:
    if not isinstance(value, expected):
        raise TypeError(f"{name} must be a {expected.__name__}, got {value!r}")


_ADDERS: Final = {
    "rank": _add_rank,
    "dtype": _add_dtype,
    "domain": _add_domain,
    "shape": _add_shape,
    "chunk_layout": _add_chunk_layout,
    "codec": _add_codec,
    "fill_value": _add_fill_value,
    "dimension_units": _add_dimension_units,
    "schema": _add_schema,
}
