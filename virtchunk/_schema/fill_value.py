"""What positions hold that were never written, as a constraint: an array to be broadcast.

A `FillValue` is kept in its smallest form: a dimension along which it does not vary has extent 1,
and leading dimensions of extent 1 are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, final

import attrs
import numpy as np

from virtchunk._index.compose import compose
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.conversion import convert_array, infer_dtype
from virtchunk._schema.dtype import dtype

if TYPE_CHECKING:
    from virtchunk._index.output_map import OutputIndexMap

__all__ = ("FillValue",)

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@final
@attrs.frozen(eq=False)
class FillValue:
    """A fill value of a known data type.

    Two are equal if data type, shape and all elements are, where NaN equals NaN.
    """

    data_type: dtype
    """What the elements are; not necessarily the data type of the schema."""
    array: Array
    """The elements in the smallest form, read-only and owned."""

    @classmethod
    def of(cls, value: Any, data_type: dtype | None = None) -> FillValue:
        """Convert a value as a write would.

        Args:
            value: A scalar, a nested sequence, or an array.
            data_type: What the elements are; by default what they stand for by themselves.

        Raises:
            TypeError: As `convert_array` does.
            ValueError: As `convert_array` does.
            OverflowError: As `convert_array` does.
        """
        array = convert_array(value, data_type)
        return cls._from_array(data_type or infer_dtype(array.dtype), array)

    @classmethod
    def _from_array(cls, data_type: dtype, array: Array) -> FillValue:
        """Build from an array of that type, which is copied."""
        array = np.array(_unbroadcast(array))
        array.setflags(write=False)
        return cls(data_type, array)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FillValue):
            return NotImplemented
        return self.data_type == other.data_type and _same_elements(self.array, other.array)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (FillValue._from_array, (self.data_type, self.array))

    def __str__(self) -> str:
        return str(self.array.tolist())

    def check_rank(self, rank: int) -> None:
        """Check that it can be broadcast to some shape of that rank.

        Raises:
            ValueError: It cannot.
        """
        if self.array.ndim > rank:
            raise ValueError(
                f"fill_value {self} of shape {self.array.shape} has more dimensions than the rank, "
                f"{rank}"
            )

    def check_domain(self, domain: IndexDomain) -> None:
        """Check that it can be broadcast to the shape of a domain.

        Raises:
            ValueError: It cannot.
        """
        self.check_rank(domain.rank)
        for dim, extent in self._varying(domain.rank):
            if extent != domain.shape[dim]:
                raise ValueError(
                    f"fill_value {self} of shape {self.array.shape} cannot be broadcast to domain "
                    f"{domain}: dimension {dim} needs an extent of 1 or {domain.shape[dim]}"
                )

    def _varying(self, rank: int) -> list[tuple[int, int]]:
        """Return dimension and extent of those dimensions along which it varies."""
        first = rank - self.array.ndim
        extents = enumerate(self.array.shape, first)
        return [(dim, extent) for dim, extent in extents if extent != 1]

    def transformed(
        self, domain: IndexDomain | None, transform: IndexTransform
    ) -> FillValue | None:
        """Return the fill value as seen through a transform; None if no position remains.

        Args:
            domain: The domain that it is broadcast to, if known. Otherwise that domain is taken to
                be what the transform selects, or to begin at 0 where that is unbounded.
            transform: Its output space is that of the fill value.

        Raises:
            ValueError: The transform selects positions for which there is no value, or (if the
                domain is not known) not exactly as many as there are values.
        """
        varying = self._varying(len(transform._output))
        if not varying:
            return self
        intervals = {
            dim: (domain.inclusive_min[dim], domain.exclusive_max[dim])
            if domain is not None
            else _selected(transform, dim, extent)
            for dim, extent in varying
        }
        try:
            composed = compose(_box(len(transform._output), intervals), transform)
            if composed.domain.size == 0:
                return None
            positions = tuple(
                [_positions(composed, dim, *interval) for dim, interval in intervals.items()]
            )
        except IndexError as error:
            raise ValueError(f"cannot transform fill_value {self}: {error}") from None
        core = self.array.reshape([extent for _, extent in varying])
        result = core[positions]
        return FillValue._from_array(self.data_type, result.reshape(result.shape[1:]))

    def public_array(self) -> Array:
        """Return the elements for users to keep: what they could modify in them is a copy."""
        if self.data_type.name != "json":
            return self.array
        array = convert_array(self.array, self.data_type)
        array.setflags(write=False)
        return array

    def to_json(self) -> Any:
        """Return the JSON representation: an element, or nested arrays of elements.

        Raises:
            ValueError: An element has none (bytes that are not UTF-8).
        """
        from virtchunk._schema.array_json import array_to_json

        return array_to_json(self.array, self.data_type)

    def for_display(self) -> Any:
        """Return the JSON representation, or the elements themselves if there is none."""
        try:
            return self.to_json()
        except ValueError:
            return self.array.tolist()

    @classmethod
    def from_json(cls, value: Any, data_type: dtype | None) -> FillValue:
        """Return the fill value that a normalised JSON value represents.

        Args:
            value: An element, or nested arrays of elements.
            data_type: What the elements are; JSON values if it is not known.

        Raises:
            ValueError: ``value`` is no such thing, or a ragged one.
        """
        data_type = data_type or dtype("json")
        from virtchunk._schema.array_json import array_from_json

        return cls._from_array(data_type, array_from_json(value, data_type, "fill_value"))


def _unbroadcast(array: Array) -> Array:
    """Return the smallest view that broadcasts to the array."""
    strides = zip(array.shape, array.strides, strict=True)
    axes = [extent == 1 or (stride == 0 and extent > 0) for extent, stride in strides]
    smallest = [slice(0, 1) if constant else slice(None) for constant in axes]
    array = array[(*smallest, ...)]  # the dots make it an array even without axes
    leading = axes.index(False) if False in axes else len(axes)
    return array.reshape(array.shape[leading:])


def _same_elements(a: Array, b: Array) -> bool:
    if a.shape != b.shape:
        return False
    return all(_same(x, y) for x, y in zip(a.reshape(-1), b.reshape(-1), strict=True))


def _same(x: Any, y: Any) -> bool:
    """Tell whether two elements are equal; what differs from itself (NaN) equals its like."""
    return bool(x == y) or bool(x != x and y != y)


def _selected(transform: IndexTransform, dim: int, extent: int) -> tuple[int, int]:
    """Return the interval of output positions of one dimension, which must have an extent.

    Raises:
        ValueError: It has another one.
    """
    output = transform._output[dim]
    interval = (output.offset, output.offset + 1)
    if output.input_dimension is not None and output.stride is not None:
        low = transform.domain.inclusive_min[output.input_dimension]
        high = transform.domain.exclusive_max[output.input_dimension]
        if low <= -INF and high >= INF_UPPER:
            return 0, extent
        ends = output.offset + output.stride * low, output.offset + output.stride * (high - 1)
        interval = (min(ends), max(ends) + 1)
    if output.index_array is not None or interval[1] - interval[0] != extent:
        raise ValueError(
            f"cannot transform a fill_value that varies along dimension {dim} without knowing the "
            f"domain of that dimension: it has {extent} values, and the transform does not select "
            "just as many; specify a domain first"
        )
    return interval


def _box(rank: int, intervals: dict[int, tuple[int, int]]) -> IndexTransform:
    """Return the identity on a domain with these intervals, unbounded in other dimensions."""
    bounds = [intervals.get(dim, (-INF, INF_UPPER)) for dim in range(rank)]
    implicit = tuple([dim not in intervals for dim in range(rank)])
    domain = IndexDomain._trusted(
        tuple([low for low, _ in bounds]),
        tuple([high for _, high in bounds]),
        ("",) * rank,
        implicit,
        implicit,
    )
    return IndexTransform._identity(domain)


def _positions(transform: IndexTransform, dim: int, low: int, high: int) -> Array:
    """Return where one output dimension points to, counted from ``low``.

    The result has one leading axis of extent 1 (so that indexing with it always gives an array)
    and then an axis for each input dimension, of extent 1 where the position does not depend on it.

    Raises:
        IndexError: A position is outside ``[low, high)``.
    """
    positions = _image(transform.domain, transform._output[dim]) - low
    if positions.size and (positions.min() < 0 or positions.max() >= high - low):
        raise IndexError(f"an index array points outside [{low}, {high}) in dimension {dim}")
    return positions[np.newaxis]


def _image(domain: IndexDomain, output: OutputIndexMap) -> Array:
    """Return the output positions, with an axis for each input dimension."""
    if output.stride is None:
        return np.full((1,) * domain.rank, output.offset)
    if output.index_array is not None:
        return output.offset + output.stride * output.index_array
    dim = output.input_dimension
    assert dim is not None
    shape = [1] * domain.rank
    shape[dim] = domain.shape[dim]
    indices = np.arange(domain.inclusive_min[dim], domain.exclusive_max[dim]).reshape(shape)
    return output.offset + output.stride * indices
