"""Dimension expressions: ``d["x", "y"][3:5].translate_to[0]``, operations on selected dimensions.

An expression is data: a dimension selection and a sequence of operations.  Nothing happens until it
is applied to a transform.  Then the selection is resolved, and each operation takes the transform
and the selected dimensions and returns both for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import attrs

from virtchunk._index import operations
from virtchunk._index.dim_selection import (
    DimIdentifier,
    DimRange,
    DimSelectionLike,
    check_distinct,
    count_range,
    expand_ranges,
    find_label,
    format_dim_selection,
    parse_dim_selection,
    resolve_dim_selection,
)
from virtchunk._index.index_terms import IndexingSpec, Mode, NumpyIndexingSpec, parse_spec
from virtchunk._index.numpy_indexing import apply_spec_to_selection, spread_terms
from virtchunk._index.subscript import Offsets, Subscript

if TYPE_CHECKING:
    from virtchunk._index.transform import IndexTransform

Step = tuple["IndexTransform", list[int]]


class Operation(Protocol):
    """One operation of a dimension expression; its ``repr`` is how it is written after a dot."""

    def apply(self, transform: IndexTransform, dims: list[int]) -> Step:
        """Apply it to ``dims``; return the new transform and the dimensions selected afterwards."""


@final
@attrs.frozen(repr=False)
class _Index:
    spec: IndexingSpec

    def apply(self, transform: IndexTransform, dims: list[int]) -> Step:
        if self.spec.has_newaxis:
            raise IndexError(
                "newaxis (None) is possible only in the first operation of a dimension expression:"
                " after it, all selected dimensions exist already"
            )
        return apply_spec_to_selection(transform, self.spec, dims)

    def __repr__(self) -> str:
        return repr(self.spec)


@final
@attrs.frozen(repr=False)
class _Shift:
    """A translation or a striding."""

    name: str
    value: operations.Vector

    def apply(self, transform: IndexTransform, dims: list[int]) -> Step:
        return SHIFTS[self.name](transform, dims, self.value), dims

    def __repr__(self) -> str:
        value = self.value
        if not isinstance(value, tuple):
            return f".{self.name}[{value}]"
        text = ",".join(map(str, value)) + ("," if len(value) == 1 else "")
        return f".{self.name}[{text or '()'}]"


SHIFTS: Final[dict[str, Callable[[Any, list[int], operations.Vector], Any]]] = {
    "translate_to": operations.translate_to,
    "translate_by": operations.translate_by,
    "translate_backward_by": operations.translate_backward_by,
    "stride": operations.stride,
}


@final
@attrs.frozen(repr=False)
class _Label:
    labels: tuple[str, ...]

    def apply(self, transform: IndexTransform, dims: list[int]) -> Step:
        return operations.label(transform, dims, self.labels), dims

    def __repr__(self) -> str:
        return f".label[{','.join(map(repr, self.labels)) or '()'}]"


@final
@attrs.frozen(repr=False)
class _MarkBoundsImplicit:
    flags: operations.ImplicitFlags

    def apply(self, transform: IndexTransform, dims: list[int]) -> Step:
        return operations.mark_bounds_implicit(transform, dims, self.flags), dims

    def __repr__(self) -> str:
        lower, upper = self.flags
        if lower == upper and lower is not None:
            return f".mark_bounds_implicit[{lower}]"
        parts = ["" if flag is None else str(flag) for flag in self.flags]
        return f".mark_bounds_implicit[{':'.join(parts)}]"


@final
@attrs.frozen(repr=False)
class _Diagonal:
    def apply(self, transform: IndexTransform, dims: list[int]) -> Step:
        return operations.diagonal(transform, dims), [0]

    def __repr__(self) -> str:
        return ".diagonal"


@final
@attrs.frozen(repr=False)
class _Transpose:
    target: tuple[DimIdentifier, ...]

    def apply(self, transform: IndexTransform, dims: list[int]) -> Step:
        rank = len(transform.domain.labels)
        target = self._resolve(len(dims), rank)
        others = iter([dim for dim in range(rank) if dim not in dims])
        source = dict(zip(target, dims, strict=True))
        permutation = [source[i] if i in source else next(others) for i in range(rank)]
        return operations.transpose(transform, permutation), target

    def _resolve(self, count: int, rank: int) -> list[int]:
        if len(self.target) == 1 and isinstance(self.target[0], int):
            if not count:
                return []
            # One index places all selected dimensions, in their order, from it on.
            first, last = self.target[0], rank - count
            if not -last - 1 <= first <= last:
                raise IndexError(
                    f"transpose cannot begin {count} selected dimensions at {first}: of {rank}"
                    f" dimensions that must be in [{-last - 1}, {last}]"
                )
            first += last + 1 if first < 0 else 0
            return list(range(first, first + count))
        target: list[int] = []
        for dim in expand_ranges(self.target, rank):
            if isinstance(dim, str):
                raise IndexError(
                    f"the target {dim!r} of transpose must be given by index: a label names a"
                    " dimension, not a place"
                )
            target.append(dim)
        if len(target) != count:
            raise IndexError(
                f"transpose got {len(target)} targets for {count} selected dimensions; give one for"
                " each, or a single index for where they begin"
            )
        if len(set(target)) != count:
            raise IndexError(f"targets {target} of transpose must be different")
        return target

    def __repr__(self) -> str:
        return f".transpose[{format_dim_selection(self.target)}]"


@attrs.frozen(repr=False)
class DimExpression:
    """A sequence of operations on selected dimensions, which can be used as an index.

    It is made from a `DimSelection`, ``ts.d[...]``.

    Example:
      >>> expression = ts.d["x", "y"][3:5].translate_to[0]
      >>> expression
      d['x','y'][3:5].translate_to[0]
      >>> ts.IndexDomain(labels=["x", "y", "z"])[expression]
      { "x": [0, 2), "y": [0, 2), "z": (-inf*, +inf*) }
    """

    _selection: tuple[DimIdentifier, ...]
    _operations: tuple[Operation, ...] = ()

    def _apply_to(self, transform: IndexTransform) -> IndexTransform:
        """Apply the expression; indexing asks whether a key has this method."""
        return apply_expression(transform, self)

    def _then(self, operation: Operation) -> DimExpression:
        return DimExpression(self._selection, (*self._operations, operation))

    def _index(self, indices: Any, mode: Mode) -> DimExpression:
        return self._then(_Index(parse_spec(indices, mode)))

    def __getitem__(self, indices: NumpyIndexingSpec) -> DimExpression:
        """Apply a NumPy-style indexing expression, with one term for each selected dimension.

        A single integer, slice or `newaxis` applies to every selected dimension.  The start, stop
        and step of a slice may be vectors: ``[[1, 2]:[5, 6]]`` is ``[1:5, 2:6]``.  `newaxis` is
        possible in the first operation only; the selection then says where in the result the new
        dimensions are.  The dimensions of index arrays take the place of the first dimension they
        apply to, or come first if there are several that are not adjacent terms.

        Dimensions that remain, and new ones, are selected afterwards.

        Raises:
          IndexError: If a term is not allowed; when applied, if the number of terms does not fit or
            an index is outside the domain.
          TypeError: If a slice is not made of integers, or an array cannot be converted safely.

        Example:
          >>> ts.IndexDomain(shape=[6, 7, 8], labels=["x", "y", "z"])[ts.d["z", "x"][2, 1:3]]
          { "x": [1, 3), "y": [0, 7) }
        """
        return self._index(indices, "default")

    @property
    def oindex(self) -> Subscript[NumpyIndexingSpec, DimExpression]:
        """Apply a NumPy-style indexing expression whose arrays are combined orthogonally.

        Example:
          >>> ts.IndexDomain(shape=[6, 7])[ts.d[:].oindex[[1, 2, 3], [4, 5]]]
          { [0, 3), [0, 2) }
        """
        return Subscript(self, "oindex", lambda self, indices: self._index(indices, "oindex"))

    @property
    def vindex(self) -> Subscript[NumpyIndexingSpec, DimExpression]:
        """Apply a NumPy-style indexing expression; the dimensions of its arrays come first.

        Example:
          >>> ts.IndexDomain(shape=[6, 7])[ts.d[1].vindex[[4, 5]]]
          { [0, 2), [0, 6) }
        """
        return Subscript(self, "vindex", lambda self, indices: self._index(indices, "vindex"))

    @property
    def label(self) -> Subscript[str | Iterable[str], DimExpression]:
        """Set the labels of the selected dimensions, one for each; the selection stays.

        Raises:
          TypeError: If the subscript is neither a string nor a sequence of strings.
          IndexError: When applied, if the number does not fit or a label would occur twice.

        Example:
          >>> ts.IndexDomain(shape=[6, 7])[ts.d[0, 1].label["x", "y"]]
          { "x": [0, 6), "y": [0, 7) }
        """
        return Subscript(
            self, "label", lambda self, labels: self._then(_Label(operations.parse_labels(labels)))
        )

    @property
    def translate_to(self) -> Subscript[Offsets, DimExpression]:
        """Move the origins of the selected dimensions; the selection stays.

        The subscript is one index for all of them or one for each; ``None`` leaves a dimension
        where it is.

        Raises:
          TypeError: If the subscript is of another type.
          IndexError: When applied, if the number does not fit, a dimension is unbounded below, or a
            bound leaves the range of indices.

        Example:
          >>> ts.IndexDomain(shape=[6, 7])[ts.d[:].translate_to[3, None]]
          { [3, 9), [0, 7) }
        """
        return self._shift("translate_to")

    @property
    def translate_by(self) -> Subscript[Offsets, DimExpression]:
        """Move the selected dimensions up; the selection stays.

        The subscript is one offset for all of them or one for each; ``None`` stands for 0.

        Raises:
          TypeError: If the subscript is of another type.
          IndexError: When applied, if the number does not fit or a bound leaves the range of
            indices.

        Example:
          >>> ts.IndexDomain(shape=[6, 7])[ts.d[:].translate_by[3]]
          { [3, 9), [3, 10) }
        """
        return self._shift("translate_by")

    @property
    def translate_backward_by(self) -> Subscript[Offsets, DimExpression]:
        """Move the selected dimensions down; otherwise like `translate_by`.

        Example:
          >>> ts.IndexDomain(shape=[6, 7])[ts.d[0].translate_backward_by[3]]
          { [-3, 3), [0, 7) }
        """
        return self._shift("translate_backward_by")

    @property
    def stride(self) -> Subscript[Offsets, DimExpression]:
        """Keep the multiples of a stride in the selected dimensions; the selection stays.

        Index ``x`` of the result is index ``stride * x`` before; unlike that of a slice, the result
        does not depend on where the domain starts.  The subscript is one stride for all selected
        dimensions or one for each; ``None`` stands for 1.

        Raises:
          TypeError: If the subscript is of another type.
          IndexError: When applied, if the number does not fit or a stride is zero.

        Example:
          >>> ts.IndexDomain(inclusive_min=[1], exclusive_max=[8])[ts.d[0].stride[-3]]
          { [-2, 0) }
        """
        return self._shift("stride")

    def _shift(self, name: str) -> Subscript[Offsets, DimExpression]:
        return Subscript(
            self, name, lambda self, value: self._then(_Shift(name, operations.parse_vector(value)))
        )

    @property
    def transpose(self) -> Subscript[DimSelectionLike, DimExpression]:
        """Move the selected dimensions to other places; the selection stays.

        The subscript gives the place of each selected dimension in the result, by index.  A single
        index is where they begin, in their order; if it is negative, where they end, counted from
        the end.  Dimensions that are not selected fill the other places in their order.

        Raises:
          TypeError: If the subscript is no dimension selection.
          IndexError: When applied, if the number does not fit, or a target is a label, does not
            exist or occurs twice.

        Example:
          >>> ts.IndexDomain(shape=[5, 6, 7], labels=["x", "y", "z"])[ts.d["z", "x"].transpose[0]]
          { "z": [0, 7), "x": [0, 5), "y": [0, 6) }
        """
        return Subscript(
            self,
            "transpose",
            lambda self, target: self._then(_Transpose(parse_dim_selection(target))),
        )

    @property
    def diagonal(self) -> DimExpression:
        """Replace the selected dimensions by one, in front, that moves along all of them at once.

        Its domain is the intersection of theirs, without label; a bound is implicit if it is in all
        of them.  Afterwards this dimension is selected.

        Example:
          >>> ts.IndexDomain(shape=[5, 6, 7], labels=["x", "y", "z"])[ts.d["x", "z"].diagonal]
          { [0, 5), "y": [0, 6) }
        """
        return self._then(_Diagonal())

    @property
    def mark_bounds_implicit(self) -> Subscript[bool | slice | None, DimExpression]:
        """Make bounds of the selected dimensions implicit (true) or explicit; the selection stays.

        The subscript is a flag for both bounds or ``lower:upper``; what is ``None`` or left out
        stays as it is.  Implicit bounds do not limit indexing, so this can enlarge a domain.

        Raises:
          TypeError: If the subscript is of another type.
          IndexError: When applied, if an index array depends on a dimension that would get an
            implicit bound.

        Example:
          >>> ts.IndexDomain(shape=[5, 6])[ts.d[0].mark_bounds_implicit[:True]]
          { [0, 5*), [0, 6) }
        """
        return Subscript(
            self,
            "mark_bounds_implicit",
            lambda self, flags: self._then(_MarkBoundsImplicit(operations.parse_implicit(flags))),
        )

    # Iterating by `__getitem__` would never end.
    __iter__ = None

    def __repr__(self) -> str:
        operations_text = "".join(map(repr, self._operations))
        return f"d[{format_dim_selection(self._selection)}]{operations_text}"


@final
@attrs.frozen(repr=False)
class DimSelection(DimExpression):
    """A selection of dimensions by index, label or range, to which operations can be added.

    It is made by subscripting `d`, and can be part of another selection.

    Example:
      >>> ts.d[0:1, 2, "x"]
      d[0:1,2,'x']
      >>> ts.d[[0, 1], ts.d[2, 3]]
      d[0,1,2,3]
    """

    @property
    def _selected_identifiers(self) -> tuple[DimIdentifier, ...]:
        return self._selection


@final
class _DimSelection:
    """The type of `d`."""

    __slots__ = ()

    def __getitem__(self, selection: DimSelectionLike) -> DimSelection:
        """Select dimensions: indices (negative: from the end), labels, slices of indices, nested.

        Raises:
          TypeError: If ``selection`` is of another type.
          ValueError: If a slice has a step of zero.
        """
        return DimSelection(parse_dim_selection(selection))

    __iter__ = None

    def __repr__(self) -> str:
        return "d"

    def __reduce__(self) -> str:
        return "d"


d: Final = _DimSelection()
"""Subscript it to select dimensions, e.g. ``ts.d["x", -1]``."""


def apply_expression(transform: IndexTransform, expression: DimExpression) -> IndexTransform:
    """Apply a dimension expression.

    Raises:
      IndexError: If it has no operation, its selection does not fit the domain, or an operation
        fails.
    """
    steps = expression._operations
    if not steps:
        raise IndexError(
            f"{expression!r} only selects dimensions; add an operation, e.g. {expression!r}[...]"
        )
    first = steps[0]
    if isinstance(first, _Index) and first.spec.has_newaxis:
        result, dims = _add_dimensions(transform, expression._selection, first.spec)
    else:
        dims = resolve_dim_selection(expression._selection, transform.domain)
        result, dims = first.apply(transform, dims)
    for step in steps[1:]:
        result, dims = step.apply(result, dims)
    return result


def _add_dimensions(
    transform: IndexTransform, selection: tuple[DimIdentifier, ...], spec: IndexingSpec
) -> Step:
    """Apply a first operation with newaxis: indices in the selection count new dimensions too."""
    domain = transform.domain
    if spec.scalar:
        count = sum([_count_new(identifier) for identifier in selection])
    else:
        count = spec.terms.count(None)
    rank = len(domain.labels) + count
    operations.check_rank(rank)
    places = expand_ranges(selection, rank)
    terms = spread_terms(spec, len(places))
    new = [place for place, (term, _) in zip(places, terms, strict=True) if term is None]
    for place in new:
        if isinstance(place, str):
            raise IndexError(f"label {place!r} cannot say where a new dimension is; use an index")
    existing = [dim for dim in range(rank) if dim not in new]
    dims = [
        existing[find_label(place, domain)] if isinstance(place, str) else place for place in places
    ]
    check_distinct(dims)
    return apply_spec_to_selection(transform, spec, dims)


def _count_new(identifier: DimIdentifier) -> int:
    count = count_range(identifier) if isinstance(identifier, DimRange) else 1
    if count is None:
        raise IndexError(
            f"slice {identifier!r} does not say how many new dimensions there are; give its start"
            " and stop"
        )
    return count
