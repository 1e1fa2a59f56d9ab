"""NumPy-style indexing: integers, slices, ``...``, ``newaxis``, index arrays and masks.

Coordinates are absolute: a slice names indices of the domain, ``-1`` is the index one below 0.
What views are mostly made with is left to `virtchunk._index.plain_indexing`.  Anything else is
parsed into an `IndexingSpec`, laid out over the dimensions it applies to, and built by `_Builder`.

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

from virtchunk._index.index_terms import ArrayTerm, IndexingSpec, Term, broadcast, parse_spec
from virtchunk._index.index_terms import NumpyIndexingSpec as NumpyIndexingSpec
from virtchunk._index.index_terms import NumpyIndexTerm as NumpyIndexTerm
from virtchunk._index.index_terms import newaxis as newaxis
from virtchunk._index.operations import check_rank
from virtchunk._index.output_map import IndexArray, OutputIndexMap
from virtchunk._index.plain_indexing import index_by_arrays, index_by_slices
from virtchunk._index.slicing import check_index, slice_interval
from virtchunk._index.substitution import NO_DIMENSION, substitute

if TYPE_CHECKING:
    from virtchunk._index.transform import IndexTransform

_FULL: Final = slice(None)


def index(transform: IndexTransform, indices: Any) -> IndexTransform:
    """Apply a NumPy-style indexing expression in the default mode.

    Raises:
      IndexError: If it has too many terms, an index is outside the domain, or a term is of a kind
        that is not allowed.
      TypeError: If a slice is not made of integers, or an array cannot be converted safely.
    """
    terms = indices if type(indices) is tuple else (indices,)
    try:
        result = index_by_slices(transform, terms) or index_by_arrays(transform, terms, True)
    except IndexError:
        parse_spec(indices, "default")  # an expression that is not valid at all says that first
        raise
    return result or apply_spec(transform, parse_spec(indices, "default"))


def vindex(transform: IndexTransform, indices: Any) -> IndexTransform:
    """Apply a NumPy-style indexing expression in the ``vindex`` mode.

    Raises:
      IndexError: As `index` does.
      TypeError: As `index` does.
    """
    terms = indices if type(indices) is tuple else (indices,)
    result = index_by_arrays(transform, terms, True)
    return result or apply_spec(transform, parse_spec(indices, "vindex"))


def oindex(transform: IndexTransform, indices: Any) -> IndexTransform:
    """Apply a NumPy-style indexing expression in the ``oindex`` mode.

    Raises:
      IndexError: As `index` does.
      TypeError: As `index` does.
    """
    terms = indices if type(indices) is tuple else (indices,)
    result = index_by_arrays(transform, terms, False)
    return result or apply_spec(transform, parse_spec(indices, "oindex"))


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
      IndexError: If it has too many terms, an index is outside the domain, or index arrays cannot
        be broadcast.
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
    builder = _Builder(transform, spec)
    for item in items:
        builder.add(item)
    return builder.finish()


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
    if not any(term is None or isinstance(term, ArrayTerm) for term in spec.terms):
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
    has_zero_rank = any(isinstance(term, ArrayTerm) and not term.arrays for term in spec.terms)
    if has_zero_rank and spec.mode == "oindex":
        raise IndexError(
            "a mask of rank zero stands for no dimension, so `oindex` on a dimension selection has"
            " no place for it; use vindex"
        )
    # A mask of rank zero is in no place either, so that its block can only be first.
    builder = _Builder(transform, spec, block_first=has_zero_rank)
    selected = [(item.slot, builder.add(item)) for item in items]
    selection = [dim for slot, new in sorted(selected) if slot != NO_DIMENSION for dim in new]
    return builder.finish(), [*builder.first_block, *selection]


def _apply_slices_to_selection(
    transform: IndexTransform, terms: list[Term], dims: Sequence[int]
) -> tuple[IndexTransform, list[int]]:
    """Do what `apply_spec_to_selection` does for integers and slices."""
    everywhere: list[Term] = [_FULL] * len(transform.domain.labels)
    for dim, term in zip(dims, terms, strict=True):
        everywhere[dim] = term
    result = index_by_slices(transform, tuple(everywhere))
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
            f"an index for {used} dimensions cannot be applied to a selection of {count}; give a"
            " term for each selected dimension, or `...` for the rest"
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


class _Builder:
    """The new domain and what each old dimension becomes, built up from left to right."""

    def __init__(
        self, transform: IndexTransform, spec: IndexingSpec, block_first: bool = False
    ) -> None:
        rank = len(transform.domain.labels)
        self.transform = transform
        self.lower: list[int] = []
        self.upper: list[int] = []
        self.labels: list[str] = []
        self.implicit_lower: list[bool] = []
        self.implicit_upper: list[bool] = []
        # What `substitute` takes, for each old dimension; arrays are kept apart.
        self.dims = [NO_DIMENSION] * rank
        self.offsets = [0] * rank
        self.strides = [1] * rank
        self.points: list[int] = []
        self.arrays: dict[int, tuple[IndexArray, ArrayTerm]] = {}
        # The dimensions of each array term, by its identity: one block for all in joint modes.
        self.blocks: dict[int, list[int]] = {}
        self.joint: list[ArrayTerm] = []
        self.first_block: list[int] = []
        if spec.mode != "oindex":
            self.joint = [term for term in spec.terms if isinstance(term, ArrayTerm)]
            self.joint_shape = broadcast(self.joint)
            if block_first or spec.mode == "vindex" or not _arrays_are_adjacent(spec.terms):
                self.first_block = self._add_joint_block()

    def add(self, item: _Item) -> list[int]:
        """Add what one item makes; return the new dimensions."""
        term, component, old, _ = item
        if isinstance(term, slice):
            return [self._add_slice(term, old)]
        if isinstance(term, ArrayTerm):
            if old != NO_DIMENSION:
                self.arrays[old] = term.arrays[component], term
            return self._add_array(term) if component == 0 else []
        if term is None:
            return [self._add_dimension(0, 1, "", True, True)]
        assert isinstance(term, int)
        self.points.append(old)
        self.offsets[old] = term
        return []

    def _add_slice(self, term: slice, old: int) -> int:
        domain = self.transform.domain
        step = 1 if term.step is None else term.step
        sliced = slice_interval(domain, old, term.start, term.stop, step)
        lower, upper, implicit_lower, implicit_upper, offset = sliced
        self.dims[old] = len(self.lower)
        self.offsets[old] = offset
        self.strides[old] = step
        return self._add_dimension(lower, upper, domain.labels[old], implicit_lower, implicit_upper)

    def _add_array(self, term: ArrayTerm) -> list[int]:
        """Add the block of an array term where the term stands, unless it is elsewhere already."""
        if not self.joint:
            block = self.blocks[id(term)] = self._add_block(term.shape)
            return block
        if term is self.joint[0] and not self.first_block:
            return self._add_joint_block()
        return []

    def _add_joint_block(self) -> list[int]:
        block = self._add_block(self.joint_shape)
        self.blocks = {id(term): block for term in self.joint}
        return block

    def _add_block(self, shape: tuple[int, ...]) -> list[int]:
        return [self._add_dimension(0, extent, "", False, False) for extent in shape]

    def _add_dimension(
        self, lower: int, upper: int, label: str, implicit_lower: bool, implicit_upper: bool
    ) -> int:
        self.lower.append(lower)
        self.upper.append(upper)
        self.labels.append(label)
        self.implicit_lower.append(implicit_lower)
        self.implicit_upper.append(implicit_upper)
        return len(self.lower) - 1

    def finish(self) -> IndexTransform:
        """Return the transform that the expression makes."""
        transform = self.transform
        check_rank(len(self.lower))
        domain = transform.domain._trusted(
            tuple(self.lower),
            tuple(self.upper),
            tuple(self.labels),
            tuple(self.implicit_lower),
            tuple(self.implicit_upper),
        )
        empty = domain._is_explicitly_empty()
        if not empty:
            for old in self.points:
                check_index(transform.domain, old, self.offsets[old])
        if empty or not self.arrays:
            # There is nothing to look up in an empty domain: index arrays count as 0 there.
            return substitute(transform, domain, self.dims, self.offsets, self.strides)
        # At run time only: composition needs the class of transforms, which needs this module.
        from virtchunk._index.compose import compose

        maps = tuple([self._map(old) for old in range(len(self.dims))])
        return compose(transform, transform._trusted(domain, maps))

    def _map(self, old: int) -> OutputIndexMap:
        """Return how an old index follows from the new ones."""
        if old in self.arrays:
            array, term = self.arrays[old]
            shape = [1] * len(self.lower)
            # Broadcasting aligns the last axes.
            block = reversed(self.blocks[id(term)])
            for axis, extent in zip(block, reversed(array.shape), strict=False):
                shape[axis] = extent
            return OutputIndexMap._array(array.reshape(shape), 0, 1)
        if self.dims[old] == NO_DIMENSION:
            return OutputIndexMap._constant(self.offsets[old])
        return OutputIndexMap._single(self.dims[old], self.offsets[old], self.strides[old])
