"""NumPy-style indexing: integers, slices, ``...``, ``newaxis``, index arrays and masks.

Coordinates are absolute: a slice names indices of the domain, ``-1`` is the index one below 0.
There are two ways through this module.  `index` starts with `_index_by_slices`, one loop without
detours for what views are mostly made with: integers, slices and ``...``.  Anything else is parsed
into an `IndexingSpec`, laid out over the dimensions it applies to, and applied by `_apply`.

An index array term selects by a list of indices.  Several of them are broadcast against each other
and give one block of new dimensions; where it goes depends on the mode:

* default: where the first of them was, if no slice or ``newaxis`` stands between them, else first;
* ``vindex``: always first;
* ``oindex``: they are not broadcast; each gives dimensions of its own, in its own place.

A mask stands for the index arrays of its true elements.  A mask of rank zero uses up no dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from virtchunk._index.index_terms import ArrayTerm, IndexingSpec, Term, parse_spec
from virtchunk._index.index_terms import NumpyIndexingSpec as NumpyIndexingSpec
from virtchunk._index.index_terms import NumpyIndexTerm as NumpyIndexTerm
from virtchunk._index.index_terms import newaxis as newaxis
from virtchunk._index.interval import INF, MIN_INDEX
from virtchunk._index.operations import NO_DIMENSION, check_rank, crop, substitute
from virtchunk._index.output_map import IndexArray, OutputIndexMap
from virtchunk._index.slicing import check_index, slice_interval

if TYPE_CHECKING:
    from virtchunk._index.domain import IndexDomain
    from virtchunk._index.transform import IndexTransform

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_FULL: Final = slice(None)
_SIMPLE: Final = {int, slice, type(...)}
_UNCHANGED: Final = (0, 1)
"""Offset and step of a dimension that is at most cropped."""


def index(transform: IndexTransform, indices: Any) -> IndexTransform:
    """Apply a NumPy-style indexing expression in the default mode.

    Raises:
      IndexError: If it has too many terms, an index is outside the domain, or a term is of a kind
        that is not allowed.
      TypeError: If a slice is not made of integers, or an array cannot be converted safely.
    """
    result = _index_by_slices(transform, indices if type(indices) is tuple else (indices,))
    return apply_spec(transform, parse_spec(indices, "default")) if result is None else result


# The fast path


def _index_by_slices(transform: IndexTransform, terms: tuple[Any, ...]) -> IndexTransform | None:
    """Apply integers, slices and at most one ``...``; return ``None`` if there is anything else.

    Long and without helpers, because it is the innermost loop of making views.
    """
    domain = transform.domain
    lower = list(domain.inclusive_min)
    upper = list(domain.exclusive_max)
    implicit_lower = domain.implicit_lower_bounds
    implicit_upper = domain.implicit_upper_bounds
    rank = len(lower)
    points: dict[int, int] = {}
    scaled: dict[int, tuple[int, int]] = {}
    suspects: list[int] = []
    ellipsis_seen = False
    dim = 0
    for term in terms:
        kind = type(term)
        if kind is slice:
            if dim >= rank:
                return None
            start = term.start
            stop = term.stop
            step = term.step
            low = lower[dim]
            high = upper[dim]
            if start is not None:
                if type(start) is not int:
                    return None
                low = start
            if stop is not None:
                if type(stop) is not int:
                    return None
                high = stop
            if (
                low < lower[dim]
                or high > upper[dim]
                or not MIN_INDEX <= low <= high < INF
                or not (step is None or (type(step) is int and step > 0))
            ):
                # Not within finite bounds, or backwards: possible, but not that simple.
                if type(step) is not int:
                    if step is not None:
                        return None
                    step = 1
                low, high, lower_flag, upper_flag, offset = slice_interval(
                    domain, dim, start, stop, step
                )
                implicit_lower = _with(implicit_lower, dim, lower_flag)
                implicit_upper = _with(implicit_upper, dim, upper_flag)
                if step != 1:
                    scaled[dim] = offset, step
            else:
                if start is not None and implicit_lower[dim]:
                    implicit_lower = _with(implicit_lower, dim, False)
                if stop is not None and implicit_upper[dim]:
                    implicit_upper = _with(implicit_upper, dim, False)
                if step is not None:
                    first = low
                    low = first // step if first >= 0 else -(-first // step)
                    high = low - (first - high) // step
                    scaled[dim] = first - low * step, step
            lower[dim] = low
            upper[dim] = high
        elif kind is int:
            if dim >= rank:
                return None
            if not lower[dim] <= term < upper[dim] or not MIN_INDEX <= term < INF:
                if not _INT64_MIN <= term <= _INT64_MAX:
                    return None
                suspects.append(dim)
            points[dim] = term
        elif (
            term is Ellipsis
            and not ellipsis_seen
            and len(terms) <= rank + 1
            and _SIMPLE.issuperset(map(type, terms))
        ):
            ellipsis_seen = True
            dim += rank - len(terms)
        else:
            return None
        dim += 1
    labels = domain.labels
    if points:
        if len(points) == rank:
            lower = upper = []
            labels = implicit_lower = implicit_upper = ()
        else:
            for dim in reversed(points):
                del lower[dim], upper[dim]
                labels = labels[:dim] + labels[dim + 1 :]
                implicit_lower = implicit_lower[:dim] + implicit_lower[dim + 1 :]
                implicit_upper = implicit_upper[:dim] + implicit_upper[dim + 1 :]
    new_domain = domain._trusted(tuple(lower), tuple(upper), labels, implicit_lower, implicit_upper)
    if not points and not scaled:
        return crop(transform, new_domain)
    if suspects and not new_domain._is_explicitly_empty():
        for dim in suspects:
            check_index(domain, dim, points[dim])
    dims: list[int] = []
    offsets: list[int] = []
    strides: list[int] = []
    new = 0
    for old in range(rank):
        if old in points:
            dims.append(NO_DIMENSION)
            offsets.append(points[old])
            strides.append(0)
            continue
        dims.append(new)
        new += 1
        offset, step = scaled.get(old, _UNCHANGED)
        offsets.append(offset)
        strides.append(step)
    return substitute(transform, new_domain, dims, offsets, strides)


def _with(flags: tuple[bool, ...], dim: int, flag: bool) -> tuple[bool, ...]:
    return flags if flags[dim] == flag else (*flags[:dim], flag, *flags[dim + 1 :])


# The general path


class _Item(NamedTuple):
    """One step of building the new dimensions, from left to right."""

    term: Term
    component: int = 0
    """Which of the arrays of an `ArrayTerm` it is."""
    old: int = NO_DIMENSION
    """The old dimension that is used up, if any."""
    slot: int = NO_DIMENSION
    """Place in the dimension selection, if there is one."""


def apply_spec(transform: IndexTransform, spec: IndexingSpec) -> IndexTransform:
    """Apply a parsed expression to the dimensions of ``transform``, from the first one on.

    Raises:
      IndexError: If it has too many terms, an index is outside the domain, or index arrays cannot be
        broadcast.
    """
    rank = len(transform.domain.labels)
    used = sum([_uses(term) for term in spec.terms])
    if used > rank:
        raise IndexError(
            f"an index for {used} dimensions cannot be applied to the domain {transform.domain},"
            f" which has {rank}"
        )
    items: list[_Item] = []
    old = 0
    for term in spec.terms if Ellipsis in spec.terms else (*spec.terms, ...):
        if term is Ellipsis:
            items.extend([_Item(_FULL, 0, dim) for dim in range(old, old + rank - used)])
            old += rank - used
        elif _uses(term) == 0:
            items.append(_Item(term))
        else:
            items.extend([_Item(term, c, old + c) for c in range(_uses(term))])
            old += _uses(term)
    block_first = spec.mode == "vindex" or not _arrays_are_adjacent(spec.terms)
    return _apply(transform, spec, items, block_first)[0]


def apply_spec_to_selection(
    transform: IndexTransform, spec: IndexingSpec, dims: Sequence[int]
) -> tuple[IndexTransform, list[int]]:
    """Apply a parsed expression to selected dimensions; the others stay as they are.

    Args:
      transform: What to index.
      spec: The expression; it has a term for each selected dimension.
      dims: Where in the result, before integers and arrays take dimensions away, each term applies:
        the index of the dimension that `newaxis` puts there, or of the existing one.

    Returns:
      The new transform and the dimensions that are then selected.

    Raises:
      IndexError: If the number of terms does not fit, an index is outside the domain, or index
        arrays cannot be broadcast.
    """
    terms = spread_terms(spec, len(dims))
    if not any([term is None or isinstance(term, ArrayTerm) for term in spec.terms]):
        return _apply_slices_to_selection(transform, [term for term, _ in terms], dims)
    order = {dim: slot for slot, dim in enumerate(dims)}
    items: list[_Item] = []
    old = 0
    for dim in range(len(transform.domain.labels) + sum([term is None for term, _ in terms])):
        slot = order.get(dim, NO_DIMENSION)
        term, component = (_FULL, 0) if slot == NO_DIMENSION else terms[slot]
        if term is None:
            items.append(_Item(term, 0, NO_DIMENSION, slot))
        else:
            items.append(_Item(term, component, old, slot))
            old += 1
    has_zero_rank = any([isinstance(term, ArrayTerm) and not term.arrays for term in spec.terms])
    if has_zero_rank and spec.mode == "oindex":
        raise IndexError(
            "a mask of rank zero stands for no dimension, so `oindex` on a dimension selection has"
            " no place for it; use vindex"
        )
    block_first = has_zero_rank or spec.mode == "vindex" or not _arrays_are_adjacent(spec.terms)
    return _apply(transform, spec, items, block_first)


def _apply_slices_to_selection(
    transform: IndexTransform, terms: list[Term], dims: Sequence[int]
) -> tuple[IndexTransform, list[int]]:
    """Do what `apply_spec_to_selection` does for integers and slices."""
    everywhere: list[Term] = [_FULL] * len(transform.domain.labels)
    for dim, term in zip(dims, terms, strict=True):
        everywhere[dim] = term
    result = _index_by_slices(transform, tuple(everywhere))
    assert result is not None, "parsed terms are of the simple kinds"
    kept = [dim for dim, term in enumerate(everywhere) if isinstance(term, slice)]
    return result, [kept.index(dim) for dim in dims if isinstance(everywhere[dim], slice)]


def spread_terms(spec: IndexingSpec, count: int) -> list[tuple[Term, int]]:
    """Return for each of ``count`` selected dimensions the term, and which of its arrays, it gets.

    Raises:
      IndexError: If the expression is for another number of dimensions.
    """
    if spec.scalar:
        return [(spec.terms[0], 0)] * count
    used = sum([1 if term is None else _uses(term) for term in spec.terms])
    if used > count or (used < count and Ellipsis not in spec.terms):
        raise IndexError(
            f"an index for {used} dimensions cannot be applied to a selection of {count}; give a term"
            " for each selected dimension, or `...` for the rest"
        )
    result: list[tuple[Term, int]] = []
    for term in spec.terms:
        if term is Ellipsis:
            result.extend([(_FULL, 0)] * (count - used))
        else:
            result.extend([(term, c) for c in range(1 if term is None else _uses(term))])
    return result


def _uses(term: Term) -> int:
    """Return the number of existing dimensions that a term other than ``...`` uses up."""
    if isinstance(term, ArrayTerm):
        return len(term.arrays)
    return 0 if term is None or term is Ellipsis else 1


def _arrays_are_adjacent(terms: tuple[Term, ...]) -> bool:
    """Tell whether no slice, ``...`` or `newaxis` stands between two index arrays."""
    state = 0  # 0: no array so far, 1: among the arrays, 2: after them
    for term in terms:
        if isinstance(term, ArrayTerm):
            if state == 2:
                return False
            state = 1
        elif state == 1 and not isinstance(term, int):
            state = 2
    return True


class _NewDimensions:
    """The dimensions of the result, as they are built from left to right."""

    def __init__(self) -> None:
        self.lower: list[int] = []
        self.upper: list[int] = []
        self.labels: list[str] = []
        self.implicit_lower: list[bool] = []
        self.implicit_upper: list[bool] = []

    def add(
        self, lower: int, upper: int, label: str, implicit_lower: bool, implicit_upper: bool
    ) -> int:
        self.lower.append(lower)
        self.upper.append(upper)
        self.labels.append(label)
        self.implicit_lower.append(implicit_lower)
        self.implicit_upper.append(implicit_upper)
        return len(self.lower) - 1

    def add_block(self, shape: tuple[int, ...]) -> list[int]:
        """Add the dimensions of index arrays of this shape."""
        return [self.add(0, extent, "", False, False) for extent in shape]

    def finish(self, old: IndexDomain) -> IndexDomain:
        check_rank(len(self.lower))
        return old._trusted(
            tuple(self.lower),
            tuple(self.upper),
            tuple(self.labels),
            tuple(self.implicit_lower),
            tuple(self.implicit_upper),
        )


def _apply(
    transform: IndexTransform, spec: IndexingSpec, items: list[_Item], block_first: bool
) -> tuple[IndexTransform, list[int]]:
    """Build the new domain and map each old dimension to it.

    Returns:
      The new transform, and the dimensions that came from items with a slot, in order of the slots;
      the block of index arrays, if it is first, comes first.
    """
    domain = transform.domain
    rank = len(domain.labels)
    new = _NewDimensions()
    new_dims = [NO_DIMENSION] * rank
    offsets = [0] * rank
    strides = [1] * rank
    blocks: dict[int, list[int]] = {}  # dimensions of each array term, by its identity
    gathers: dict[int, tuple[ArrayTerm, int]] = {}  # term and component of each old dimension
    selected: dict[int, list[int]] = {}  # new dimensions of each slot
    array_terms = [term for term in spec.terms if isinstance(term, ArrayTerm)]
    joint = spec.mode != "oindex"
    points: list[int] = []
    first_block: list[int] = []
    joint_shape = _broadcast(array_terms) if joint else ()
    if array_terms and joint and block_first:
        first_block = new.add_block(joint_shape)
        blocks = {id(term): first_block for term in array_terms}
    for term, component, old, slot in items:
        added: list[int] = []
        if isinstance(term, slice):
            step = 1 if term.step is None else term.step
            sliced = slice_interval(domain, old, term.start, term.stop, step)
            lower, upper, implicit_lower, implicit_upper, offset = sliced
            dim = new.add(lower, upper, domain.labels[old], implicit_lower, implicit_upper)
            new_dims[old], offsets[old], strides[old] = dim, offset, step
            added = [dim]
        elif term is None:
            added = [new.add(0, 1, "", True, True)]
        elif isinstance(term, ArrayTerm):
            if id(term) not in blocks and component == 0:
                if joint and term is array_terms[0]:
                    added = new.add_block(joint_shape)
                    blocks.update({id(other): added for other in array_terms})
                elif not joint:
                    added = blocks[id(term)] = new.add_block(term.shape)
            if old != NO_DIMENSION:
                gathers[old] = term, component
        else:
            assert isinstance(term, int)
            points.append(old)
            offsets[old] = term
        if slot != NO_DIMENSION:
            selected[slot] = added
    new_domain = new.finish(domain)
    selection = [*first_block, *[dim for slot in sorted(selected) for dim in selected[slot]]]
    empty = new_domain._is_explicitly_empty()
    if not empty:
        for old in points:
            check_index(domain, old, offsets[old])
    if not gathers or empty:
        # Nothing can be looked up in an empty domain, so that index arrays count as zero there.
        result = substitute(transform, new_domain, new_dims, offsets, strides)
        return result, selection
    maps: list[OutputIndexMap] = []
    for old in range(rank):
        if old in gathers:
            term, component = gathers[old]
            maps.append(_gather(term.arrays[component], blocks[id(term)], new_domain))
        elif new_dims[old] == NO_DIMENSION:
            maps.append(OutputIndexMap._constant(offsets[old]))
        else:
            maps.append(OutputIndexMap._single(new_dims[old], offsets[old], strides[old]))
    # At run time only: composition needs the class of transforms, which is indexed by this module.
    from virtchunk._index.compose import compose

    return compose(transform, transform._trusted(new_domain, tuple(maps))), selection


def _broadcast(terms: list[ArrayTerm]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*[term.shape for term in terms])
    except ValueError:
        shapes = ", ".join([str(term.shape) for term in terms])
        raise IndexError(
            f"index arrays of shapes {shapes} cannot be broadcast together; to combine each index of"
            " one with each index of the others, use oindex"
        ) from None


def _gather(array: IndexArray, block: list[int], domain: IndexDomain) -> OutputIndexMap:
    """Return the map that looks up ``array`` by the dimensions in ``block``, which are adjacent."""
    shape = [1] * len(domain.labels)
    # Broadcasting aligns the last axes.
    for axis, extent in zip(reversed(block), reversed(array.shape), strict=False):
        shape[axis] = extent
    return OutputIndexMap._array(array.reshape(shape), 0, 1)
