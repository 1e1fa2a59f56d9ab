"""How one output coordinate of a transform is computed from its input coordinates.

There are three methods: a constant, ``offset + stride * input[input_dimension]``, and ``offset +
stride * index_array[input]``.  Nothing else is needed to describe every kind of indexing, and the
three are closed under composition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias, final, overload

import attrs
import numpy as np
import numpy.typing as npt

from virtchunk._index.dim import Dim
from virtchunk._index.interval import INF, INF_UPPER, format_interval, parse_int64

IndexArray: TypeAlias = npt.NDArray[np.int64]

UNBOUNDED = (-INF, INF_UPPER)
"""Index range of an index array whose values are not limited."""

_ANY_INDEX = Dim(implicit_lower=False, implicit_upper=False)
_SUMMARY_THRESHOLD = 1000
_EDGE_ITEMS = 3


@final
class OutputIndexMethod(Enum):
    """Which of the three methods an `OutputIndexMap` uses.

    Example:
      >>> ts.OutputIndexMap(offset=5).method
      <OutputIndexMethod.constant: 0>
    """

    constant = 0
    """The output coordinate is `OutputIndexMap.offset`."""
    single_input_dimension = 1
    """The output coordinate is an affine function of one input coordinate."""
    array = 2
    """The output coordinate is an affine function of an entry of an array."""

    def __int__(self) -> int:
        return self.value

    def __index__(self) -> int:
        return self.value


class _Fields:
    """The fields of `OutputIndexMap`, writable; see `virtchunk._index.domain._Fields`."""

    __slots__ = (
        "__weakref__",
        "_bounds",
        "index_array",
        "input_dimension",
        "offset",
        "stride",
    )

    offset: int
    stride: int | None
    input_dimension: int | None
    index_array: IndexArray | None
    _bounds: tuple[int, int] | None


@final
@attrs.frozen(init=False, repr=False, eq=False)
class OutputIndexMap(_Fields):
    """How one output coordinate of an `IndexTransform` follows from the input coordinates.

    Example:
      >>> ts.OutputIndexMap(offset=5)
      OutputIndexMap(offset=5)
      >>> ts.OutputIndexMap(input_dimension=1, offset=5, stride=2)
      OutputIndexMap(offset=5, stride=2, input_dimension=1)
      >>> ts.OutputIndexMap([2, 3, 5], index_range=ts.Dim(10))
      OutputIndexMap(offset=0, stride=1, index_array={2, 3, 5}, index_range=[0, 10))
    """

    offset: int
    """The coordinate of a constant map, what is added to the product otherwise."""
    stride: int | None
    """The factor; ``None`` for a constant map."""
    input_dimension: int | None
    """Index of the input dimension of a single input dimension map, else ``None``."""
    index_array: IndexArray | None
    """The read-only array of an array map, else ``None``.

    It has one axis for each input dimension, of extent 1 where it does not depend on it.
    """
    _bounds: tuple[int, int] | None
    """Half-open range that entries of the array must lie in; ``None`` without an array."""

    @overload
    def __new__(cls, offset: int = 0) -> OutputIndexMap: ...
    @overload
    def __new__(cls, input_dimension: int, offset: int = 0, stride: int = 1) -> OutputIndexMap: ...
    @overload
    def __new__(
        cls,
        index_array: npt.ArrayLike,
        offset: int = 0,
        stride: int = 1,
        index_range: Dim = ...,
    ) -> OutputIndexMap: ...
    def __new__(cls, *args: Any, **kwargs: Any) -> OutputIndexMap:
        """Make a constant, single input dimension or array map.

        The first positional argument is the offset of a constant map if it is an integer and stands
        alone, the input dimension if more arguments follow, the index array if it is an array.

        Raises:
          TypeError: If the arguments fit none of the forms, are of the wrong type, or need more
            than 64 bits.
        """
        form = _choose_form(args, kwargs)
        return form(*args, **kwargs)

    @staticmethod
    def _constant(offset: int) -> OutputIndexMap:
        """Build a constant map without checking."""
        self: Any = _Fields()
        self.offset = offset
        self.stride = self.input_dimension = self.index_array = self._bounds = None
        self.__class__ = OutputIndexMap
        return self  # type: ignore[no-any-return]

    @staticmethod
    def _single(input_dimension: int, offset: int, stride: int) -> OutputIndexMap:
        """Build a single input dimension map without checking."""
        self: Any = _Fields()
        self.offset = offset
        self.stride = stride
        self.input_dimension = input_dimension
        self.index_array = self._bounds = None
        self.__class__ = OutputIndexMap
        return self  # type: ignore[no-any-return]

    @staticmethod
    def _array(
        index_array: IndexArray,
        offset: int,
        stride: int,
        index_range: Dim | tuple[int, int] | None = None,
    ) -> OutputIndexMap:
        """Build an array map without checking; the array becomes read-only and is not copied."""
        if isinstance(index_range, Dim):
            index_range = (index_range.inclusive_min, index_range.exclusive_max)
        index_array.setflags(write=False)
        self: Any = _Fields()
        self.offset = offset
        self.stride = stride
        self.input_dimension = None
        self.index_array = index_array
        self._bounds = index_range or UNBOUNDED
        self.__class__ = OutputIndexMap
        return self  # type: ignore[no-any-return]

    @property
    def method(self) -> OutputIndexMethod:
        """Which of the three methods this is."""
        if self.index_array is not None:
            return OutputIndexMethod.array
        if self.input_dimension is not None:
            return OutputIndexMethod.single_input_dimension
        return OutputIndexMethod.constant

    @property
    def index_range(self) -> Dim | None:
        """Range that the entries of the index array must lie in; ``None`` without an array.

        Entries are checked when they are used.
        """
        if self._bounds is None:
            return None
        return Dim._trusted(*self._bounds, "", False, False)

    def __eq__(self, other: object) -> bool:
        """Compare method, offset, stride, input dimension, index range, and the array's content."""
        if not isinstance(other, OutputIndexMap):
            return NotImplemented
        if self._scalars() != other._scalars():
            return False
        if self.index_array is None or other.index_array is None:
            return self.index_array is other.index_array
        return np.array_equal(self.index_array, other.index_array)

    def __hash__(self) -> int:
        array = self.index_array
        return hash((self._scalars(), None if array is None else (array.shape, array.tobytes())))

    def _scalars(self) -> tuple[int, int | None, int | None, tuple[int, int] | None]:
        return self.offset, self.stride, self.input_dimension, self._bounds

    def __repr__(self) -> str:
        if self.stride is None:
            return f"OutputIndexMap(offset={self.offset})"
        start = f"OutputIndexMap(offset={self.offset}, stride={self.stride}, "
        if self.index_array is None:
            return f"{start}input_dimension={self.input_dimension})"
        bounds = format_interval(*(self._bounds or UNBOUNDED))
        return f"{start}index_array={format_array(self.index_array)}, index_range={bounds})"

    def __copy__(self) -> OutputIndexMap:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> OutputIndexMap:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self.stride is None:
            return OutputIndexMap._constant, (self.offset,)
        if self.index_array is None:
            return OutputIndexMap._single, (self.input_dimension, self.offset, self.stride)
        return OutputIndexMap._array, (self.index_array, self.offset, self.stride, self._bounds)


def _make_constant(offset: Any = 0) -> OutputIndexMap:
    return OutputIndexMap._constant(parse_int64(offset, "offset"))


def _make_single(input_dimension: Any, offset: Any = 0, stride: Any = 1) -> OutputIndexMap:
    return OutputIndexMap._single(
        parse_int64(input_dimension, "input_dimension"),
        parse_int64(offset, "offset"),
        parse_int64(stride, "stride"),
    )


def _make_array(
    index_array: Any, offset: Any = 0, stride: Any = 1, index_range: Any = _ANY_INDEX
) -> OutputIndexMap:
    if not isinstance(index_range, Dim):
        raise TypeError(f"index_range must be a Dim, got {index_range!r}")
    return OutputIndexMap._array(
        parse_index_array(index_array),
        parse_int64(offset, "offset"),
        parse_int64(stride, "stride"),
        index_range,
    )


_PARAMETERS: Final[dict[Callable[..., OutputIndexMap], tuple[str, ...]]] = {
    _make_constant: ("offset",),
    _make_single: ("input_dimension", "offset", "stride"),
    _make_array: ("index_array", "offset", "stride", "index_range"),
}


def _choose_form(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., OutputIndexMap]:
    form = _guess_form(args, kwargs)
    names = _PARAMETERS[form]
    if len(args) > len(names) or not kwargs.keys() <= set(names[len(args) :]):
        given = [repr(arg) for arg in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
        raise TypeError(
            f"OutputIndexMap({', '.join(given)}) is not one of the forms OutputIndexMap(offset),"
            " OutputIndexMap(input_dimension, offset, stride) and"
            " OutputIndexMap(index_array, offset, stride, index_range)"
        )
    return form


def _guess_form(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., OutputIndexMap]:
    if "index_array" in kwargs or "index_range" in kwargs:
        return _make_array
    if "input_dimension" in kwargs:
        return _make_single
    if not args:
        return _make_constant
    first = args[0]
    if not hasattr(first, "__index__") or (isinstance(first, np.ndarray) and first.ndim > 0):
        return _make_array
    return _make_constant if len(args) == 1 and not kwargs else _make_single


def parse_index_array(values: Any) -> IndexArray:
    """Return ``values`` as an array of our own of 64-bit integers.

    Raises:
      TypeError: If they are not integers, are arrays of a type that does not fit (``uint64``, any
        float), or do not form an array.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise TypeError(f"an index array must be rectangular, got {values!r}") from None
    if not _fits_int64(array, trust_dtype=isinstance(values, np.ndarray)):
        raise TypeError(
            f"an index array must hold 64-bit integers, got dtype {array.dtype}; convert it with"
            " .astype(np.int64) if its values fit"
        )
    # Axes along which nothing changes are kept that way: a transform drops them.
    own = np.array(drop_broadcasting(array), dtype=np.int64)
    return own if own.shape == array.shape else np.broadcast_to(own, array.shape)


def drop_broadcasting(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``array`` with extent 1 along the axes that `numpy.broadcast_to` made."""
    if array.size == 0 or 0 not in array.strides:
        return array
    return array[tuple([slice(0, 1 if step == 0 else None) for step in array.strides])]


def _fits_int64(array: npt.NDArray[Any], trust_dtype: bool) -> bool:
    """Tell whether all values are 64-bit integers, if ``trust_dtype`` by the dtype alone."""
    if np.can_cast(array.dtype, np.int64, "safe") or (array.size == 0 and not trust_dtype):
        return True
    if trust_dtype or array.dtype.kind not in "uf":
        return False
    return bool(((array == np.floor(array)) & (abs(array) < 2**63)).all())


@final
@attrs.frozen(repr=False, eq=False)
class OutputIndexMaps(Sequence[OutputIndexMap]):
    """The output index maps of a transform, one for each output dimension.

    Example:
      >>> ts.IndexTransform(1).output
      [OutputIndexMap(offset=0, stride=1, input_dimension=0)]
    """

    _maps: tuple[OutputIndexMap, ...]

    @property
    def rank(self) -> int:
        """Number of output dimensions."""
        return len(self._maps)

    def __len__(self) -> int:
        """Return the number of output dimensions."""
        return len(self._maps)

    @overload
    def __getitem__(self, index: int) -> OutputIndexMap: ...
    @overload
    def __getitem__(self, index: slice) -> list[OutputIndexMap]: ...
    def __getitem__(self, index: int | slice) -> OutputIndexMap | list[OutputIndexMap]:
        """Return the map of one output dimension, or a list for a slice.

        Raises:
          IndexError: If there is no such dimension.
          TypeError: If ``index`` is neither an integer nor a slice.
        """
        if isinstance(index, slice):
            return list(self._maps[index])
        rank = len(self._maps)
        position = parse_int64(index, "an output dimension")
        if not -rank <= position < rank:
            raise IndexError(f"output dimension {position} is outside [{-rank}, {rank})")
        return self._maps[position]

    def __iter__(self) -> Iterator[OutputIndexMap]:
        """Iterate over the maps."""
        return iter(self._maps)

    def __eq__(self, other: object) -> bool:
        """Compare with any iterable of maps."""
        if isinstance(other, OutputIndexMaps):
            return self._maps == other._maps
        if not isinstance(other, Iterable) or isinstance(other, str | bytes):
            return NotImplemented
        return self._maps == tuple(other)

    def __hash__(self) -> int:
        return hash(self._maps)

    def __repr__(self) -> str:
        return repr(list(self._maps))

    def __reduce__(self) -> tuple[Any, ...]:
        return OutputIndexMaps, (self._maps,)


def format_array(array: npt.NDArray[Any]) -> str:
    """Format an array as ``{{1, 2}, {3, 4}}``, a large one with only the edges of each axis."""
    return _format_axis(array, summarize=array.size > _SUMMARY_THRESHOLD)


def _format_axis(array: npt.NDArray[Any], summarize: bool) -> str:
    if array.ndim == 0:
        return str(array[()])
    extent = array.shape[0]
    if summarize and extent > 2 * _EDGE_ITEMS:
        head = [_format_axis(array[i], summarize) for i in range(_EDGE_ITEMS)]
        tail = [_format_axis(array[i], summarize) for i in range(extent - _EDGE_ITEMS, extent)]
        return f"{{{', '.join([*head, '...', *tail])}}}"
    return f"{{{', '.join(_format_axis(row, summarize) for row in array)}}}"
