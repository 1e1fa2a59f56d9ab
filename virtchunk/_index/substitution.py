"""Rewriting a transform for new input dimensions, to which most kinds of indexing come down.

Each old input index ``i`` is replaced by a number or by ``offset + stride * new``, where ``new``
is an index of the new domain.  `substitute` rewrites the output maps; whoever calls it has decided
on the new domain and checked it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from virtchunk._index.dim import quote_label
from virtchunk._index.interval import INF, MIN_INDEX, format_interval
from virtchunk._index.output_map import UNBOUNDED, OutputIndexMap

if TYPE_CHECKING:
    from virtchunk._index.domain import IndexDomain
    from virtchunk._index.transform import IndexTransform

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
_CONSTANT: Final = OutputIndexMap._constant
_SINGLE: Final = OutputIndexMap._single

NO_DIMENSION: Final = -1
"""Marks an old dimension that is replaced by a number, in the lists that `substitute` takes."""


def describe_dimension(domain: IndexDomain, dim: int) -> str:
    """Return e.g. ``dimension 0 ("x")``, for messages."""
    label = domain.labels[dim]
    return f"dimension {dim} ({quote_label(label)})" if label else f"dimension {dim}"


def describe_interval(domain: IndexDomain, dim: int) -> str:
    """Return the bounds of a dimension as they are written in a domain, for messages."""
    return format_interval(
        domain.inclusive_min[dim],
        domain.exclusive_max[dim],
        domain.implicit_lower_bounds[dim],
        domain.implicit_upper_bounds[dim],
    )


def output_overflow(offset: int, factor: int) -> IndexError:
    """Return the error for an output index that 64 bits cannot hold."""
    return IndexError(
        f"the output index {offset} + {factor} * input needs more than 64 bits; the strides or"
        " translations in this chain of views are too large"
    )


def substitute(
    transform: IndexTransform,
    domain: IndexDomain,
    dims: Sequence[int],
    offsets: Sequence[int],
    strides: Sequence[int],
    simplify: bool = True,
) -> IndexTransform:
    """Replace each old input index ``i`` by ``offsets[i] + strides[i] * new[dims[i]]``.

    Args:
      transform: What to rewrite.
      domain: The new input domain; the replaced indices lie in the old one for all of it.
      dims: For each old dimension the new one it depends on, or `NO_DIMENSION` for none.
      offsets: For each old dimension what is added.
      strides: For each old dimension the factor.
      simplify: Whether an index array that has come down to one entry becomes a constant.

    Raises:
      IndexError: If a number leaves its range, or the one entry of an index array is outside its
        range.
    """
    maps: list[OutputIndexMap] = []
    for output in transform._output:
        old = output.input_dimension
        if old is None:
            if output.index_array is not None:
                origin = transform.domain.inclusive_min
                output = _substitute_array(output, origin, domain, dims, offsets, strides, simplify)
            maps.append(output)
            continue
        new = dims[old]
        factor = output.stride
        assert factor is not None
        offset = output.offset + factor * offsets[old]
        factor *= strides[old]
        if not (INT64_MIN <= offset <= INT64_MAX and INT64_MIN <= factor <= INT64_MAX):
            raise output_overflow(offset, factor)
        if new < 0:
            maps.append(_CONSTANT(offset))
        elif new == old and offset == output.offset and factor == output.stride:
            maps.append(output)
        else:
            maps.append(_SINGLE(new, offset, factor))
    return transform._trusted(domain, tuple(maps))


def crop(transform: IndexTransform, domain: IndexDomain, simplify: bool = True) -> IndexTransform:
    """Replace the domain by one that has the same dimensions and lies within it."""
    for output in transform._output:
        if output.index_array is not None:
            rank = len(domain.labels)
            ones = [1] * rank
            return substitute(transform, domain, range(rank), [0] * rank, ones, simplify)
    return transform._trusted(domain, transform._output)


def _substitute_array(
    output: OutputIndexMap,
    origin: tuple[int, ...],
    domain: IndexDomain,
    dims: Sequence[int],
    offsets: Sequence[int],
    strides: Sequence[int],
    simplify: bool,
) -> OutputIndexMap:
    if domain._is_explicitly_empty():
        return _CONSTANT(0)
    array: Any = output.index_array
    lower = domain.inclusive_min
    upper = domain.exclusive_max
    new_shape = [1] * len(lower)
    index: list[int | slice] = []
    axes: list[int] = []  # for each axis that remains, its place in the result
    for i, extent in enumerate(array.shape):
        new = dims[i]
        first = offsets[i] - origin[i]
        if extent == 1:
            index.append(0)
        elif new < 0:
            index.append(first)
        else:
            step = strides[i]
            first += step * lower[new]
            stop = first + step * (upper[new] - lower[new])
            index.append(slice(first, stop if stop >= 0 else None, step))
            axes.append(new)
            new_shape[new] = upper[new] - lower[new]
    view = array[tuple(index)]
    order = sorted(set(axes))
    if axes != order:
        # Puts axes in order and makes diagonals of equal ones, without a copy.
        view = np.einsum(view, axes, order)
    view = view.reshape(new_shape)
    if simplify and view.size == 1:
        return constant_from_entry(output, int(view.flat[0]))
    stride: Any = output.stride
    return OutputIndexMap._array(view, output.offset, stride, output._bounds)


def constant_from_entry(output: OutputIndexMap, entry: int) -> OutputIndexMap:
    """Return the constant map that an array map amounts to when ``entry`` is all that is left.

    Raises:
      IndexError: If the entry is outside the index range of the map.
    """
    low, high = output._bounds or UNBOUNDED
    if not max(low, MIN_INDEX) <= entry < min(high, INF):
        raise IndexError(
            f"entry {entry} of an index array is outside its range {format_interval(low, high)};"
            " index arrays are checked when their entries are used"
        )
    stride: Any = output.stride
    offset = output.offset + stride * entry
    if not INT64_MIN <= offset <= INT64_MAX:
        raise output_overflow(offset, 0)
    return _CONSTANT(offset)
