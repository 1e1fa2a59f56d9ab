"""What may stand between the brackets of NumPy-style indexing, parsed and checked.

An `IndexingSpec` is a value: it does not know yet what it will be applied to.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, SupportsIndex, TypeAlias, final

import attrs
import numpy as np
import numpy.typing as npt

from virtchunk._index.output_map import IndexArray

newaxis: Final = None
"""Alias of ``None``: in an indexing expression it adds a dimension with the domain ``[0*, 1*)``.

Example:
  >>> ts.IndexTransform(input_shape=[5])[ts.newaxis, 3].domain
  { [0*, 1*) }
"""

NumpyIndexTerm: TypeAlias = SupportsIndex | slice | types.EllipsisType | npt.ArrayLike | None
"""One term of a `NumpyIndexingSpec`: integer, slice, ``newaxis``, ``...``, index array or mask."""

NumpyIndexingSpec: TypeAlias = NumpyIndexTerm | tuple[NumpyIndexTerm, ...]
"""What may stand between the brackets of ``x[...]``, ``x.oindex[...]``, ``x.vindex[...]``."""

Mode: TypeAlias = Literal["default", "oindex", "vindex"]


_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_ALLOWED: Final = "integers, slices, `...`, newaxis (None), and arrays of integers or booleans"


@final
@attrs.frozen(eq=False, repr=False)
class ArrayTerm:
    """An index array, or a mask turned into the index arrays of its true elements."""

    source: npt.NDArray[Any]
    """What was given: integers or booleans, read-only."""
    arrays: tuple[IndexArray, ...]
    """One array of indices for each dimension that the term uses up; all of the same shape."""
    shape: tuple[int, ...]
    """Shape of these arrays, also if there are none."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrayTerm):
            return NotImplemented
        return self.source.dtype == other.source.dtype and np.array_equal(self.source, other.source)

    def __hash__(self) -> int:
        return hash((self.source.dtype.kind, self.source.shape, self.source.tobytes()))

    def __repr__(self) -> str:
        source = self.source
        if source.size:
            text = np.array2string(source, separator=", ", threshold=sys.maxsize, prefix="array(")
            return f"array({text})"
        reshape = f".reshape{source.shape}" if source.ndim > 1 else ""
        return f"array([], dtype={source.dtype}){reshape}"


Term: TypeAlias = int | slice | types.EllipsisType | ArrayTerm | None


@final
@attrs.frozen(repr=False)
class IndexingSpec:
    """A parsed NumPy-style indexing expression."""

    terms: tuple[Term, ...]
    scalar: bool
    """Whether it is a bare integer, slice or `newaxis`, which is for all selected dimensions."""
    mode: Mode

    @property
    def has_newaxis(self) -> bool:
        """Whether a dimension is added."""
        return None in self.terms

    def __hash__(self) -> int:
        # Slices cannot be hashed before Python 3.12.
        terms = [(t.start, t.stop, t.step) if isinstance(t, slice) else t for t in self.terms]
        return hash((tuple(terms), self.scalar, self.mode))

    def __repr__(self) -> str:
        text = ",".join([_format_term(term) for term in self.terms])
        if not self.terms:
            text = "()"
        elif len(self.terms) == 1 and not self.scalar:
            text += ","
        return f"[{text}]" if self.mode == "default" else f".{self.mode}[{text}]"


def _format_term(term: Term) -> str:
    if term is Ellipsis:
        return "..."
    if isinstance(term, slice):
        return format_slice(term.start, term.stop, 1 if term.step is None else term.step)
    return repr(term)


def format_slice(start: int | None, stop: int | None, step: int) -> str:
    """Format a slice as it is written between brackets."""
    parts = ["" if value is None else str(value) for value in (start, stop)]
    return ":".join(parts if step == 1 else [*parts, str(step)])


def parse_spec(indices: Any, mode: Mode) -> IndexingSpec:
    """Parse an indexing expression.

    Raises:
      IndexError: If a term is of a kind that is not allowed, there is more than one ``...``, or
        index arrays cannot be broadcast together.
      TypeError: If a slice is not made of integers, or an array cannot be converted safely.
      ValueError: If an array is ragged.
    """
    terms: list[Term] = []
    for item in indices if isinstance(indices, tuple) else (indices,):
        if type(item) is int and _INT64_MIN <= item <= _INT64_MAX:
            terms.append(item)
        elif isinstance(item, slice):
            terms.extend(_parse_slice(item))
        else:
            term = _parse_term(item)
            if term is Ellipsis and term in terms:
                raise IndexError("an indexing expression may contain `...` only once")
            terms.append(term)
            if isinstance(term, ArrayTerm) and mode != "oindex":
                broadcast([term for term in terms if isinstance(term, ArrayTerm)])
    return IndexingSpec(tuple(terms), _is_scalar(indices, terms), mode)


def broadcast(terms: list[ArrayTerm]) -> tuple[int, ...]:
    """Return the shape that the arrays of all these terms have together.

    Raises:
      IndexError: If there is none.
    """
    try:
        return np.broadcast_shapes(*[term.shape for term in terms])
    except ValueError:
        shapes = ", ".join([str(term.shape) for term in terms])
        raise IndexError(
            f"index arrays of shapes {shapes} cannot be broadcast together; to combine each index"
            " of one with each index of the others, use oindex"
        ) from None


def _is_scalar(indices: Any, terms: list[Term]) -> bool:
    if isinstance(indices, slice):
        return not any(map(_is_vector, (indices.start, indices.stop, indices.step)))
    if isinstance(indices, tuple):
        return False
    term = terms[0]
    # An array of rank zero is looked up like any other, but like an integer it fits everywhere.
    is_single = isinstance(term, ArrayTerm) and term.shape == () and term.arrays != ()
    return term is None or isinstance(term, int) or is_single


def _parse_term(item: Any) -> Term:
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, bool | np.bool_):
        return _make_mask(np.asarray(item))
    if not isinstance(item, np.ndarray) and hasattr(type(item), "__index__"):
        value = int(item.__index__())
        if _INT64_MIN <= value <= _INT64_MAX:
            return value
    array = np.asarray(item)
    if array.size == 0 and not isinstance(item, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype == np.bool_:
        return _make_mask(array)
    if array.dtype.kind not in "iu":
        raise IndexError(f"only {_ALLOWED} can be indices, got {_describe_value(item)}")
    if not np.can_cast(array.dtype, np.int64):
        raise TypeError(
            f"indices must be 64-bit signed integers, got {_describe_value(item)};"
            " convert it with .astype(np.int64) if its values fit"
        )
    array = np.array(array, dtype=np.int64)
    array.flags.writeable = False
    return ArrayTerm(array, (array,), array.shape)


def _describe_value(item: Any) -> str:
    if isinstance(item, np.ndarray):
        return f"an array of {item.dtype}"
    if isinstance(item, int):
        return f"{item}, which needs more than 64 bits"
    text = repr(item)
    return text if len(text) < 80 else f"an object of type {type(item).__name__}"


def _make_mask(mask: npt.NDArray[np.bool_]) -> ArrayTerm:
    mask = np.array(mask)
    mask.flags.writeable = False
    if mask.ndim == 0:
        return ArrayTerm(mask, (), (int(mask),))
    arrays = tuple([array.astype(np.int64, copy=False) for array in np.nonzero(mask)])
    return ArrayTerm(mask, arrays, arrays[0].shape)


def _is_vector(value: Any) -> bool:
    if value is None or type(value) is int:
        return False
    if hasattr(type(value), "__index__"):
        # An array has `__index__` whatever its shape.
        return isinstance(value, np.ndarray) and value.ndim > 0
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _parse_slice(item: slice) -> list[slice]:
    """Return the slices that a slice stands for: several if one of its three parts is a vector."""
    if not any(map(_is_vector, (item.start, item.stop, item.step))):
        step = parse_slice_number(item.step)
        start, stop = parse_slice_number(item.start), parse_slice_number(item.stop)
        return [slice(start, stop, None if step == 1 else step)]
    parts = [
        tuple([parse_slice_number(number) for number in value])
        if _is_vector(value)
        else parse_slice_number(value)
        for value in (item.start, item.stop, item.step)
    ]
    counts = {len(part) for part in parts if isinstance(part, tuple)}
    if len(counts) > 1:
        raise IndexError(
            f"start, stop and step of {item!r} must be single numbers or vectors of one length"
        )
    count = counts.pop()
    vectors = [part if isinstance(part, tuple) else (part,) * count for part in parts]
    return [
        slice(start, stop, None if step == 1 else step)
        for start, stop, step in zip(*vectors, strict=True)
    ]


def parse_slice_number(value: Any) -> int | None:
    """Parse the start, stop or step of a slice.

    Raises:
      TypeError: If it is neither an integer of 64 bits nor ``None``.
    """
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"start, stop and step of a slice must be integers or None, got {value!r}"
        ) from None
    if not _INT64_MIN <= number <= _INT64_MAX:
        raise TypeError(f"start, stop and step of a slice must fit in 64 bits, got {number}")
    return number
