"""Indexing as methods: what transforms, views, specs, schemas and domains have in common.

A class that has an index transform gets all kinds of indexing from a mixin; it only says how to get
the transform and how to make a copy of itself with another one.  `DomainOperations` has what makes
sense for a domain too, `Indexable` adds ``x[...]``, ``x.oindex[...]`` and ``x.vindex[...]``, and
`Assignable` the same with an assignment.

The subscriptable properties (``x.translate_to[0]``) raise `ValueError` where the same operation in
a dimension expression (``x[ts.d[:].translate_to[0]]``) raises `IndexError`, as in TensorStore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from virtchunk._index import operations
from virtchunk._index.dim_selection import (
    DimSelectionLike,
    parse_dim_selection,
    resolve_dim_selection,
)
from virtchunk._index.index_terms import NumpyIndexingSpec
from virtchunk._index.numpy_indexing import index, oindex, vindex
from virtchunk._index.operations import Plan, carry_out_move, plan_move
from virtchunk._index.plain_indexing import element_transform, plan_element
from virtchunk._index.slicing import slice_by_domain
from virtchunk._index.subscript import Offsets, Subscript

if TYPE_CHECKING:
    from virtchunk._index.dim_expression import DimExpression
    from virtchunk._index.domain import IndexDomain
    from virtchunk._index.transform import IndexTransform

_ArgumentT = TypeVar("_ArgumentT", contravariant=True)
_ResultT = TypeVar("_ResultT", covariant=True)


def view_of(transform: IndexTransform, key: Any) -> IndexTransform:
    """Apply anything that may stand between the brackets of ``x[...]``.

    Raises:
      IndexError: If it does not fit the domain or is of a kind that is not allowed.
      TypeError: If part of it has the wrong type.
    """
    kind = type(key)
    if kind is tuple or kind is slice or kind is int:
        return index(transform, key)
    # An expression: whoever has one has imported its class.
    apply: Any = getattr(kind, "_apply_to", None)
    if apply is not None:
        return apply(key, transform)  # type: ignore[no-any-return]
    if kind is type(transform.domain):
        return slice_by_domain(transform, key)
    if kind is type(transform):
        # At run time only: composition needs the class of transforms, which needs this module.
        from virtchunk._index.compose import compose

        return compose(transform, key)
    return index(transform, key)


def _on_all_dimensions(
    name: str, parse: Callable[[Any], Any], operation: Callable[..., IndexTransform], *extra: int
) -> Callable[[Any, Any], Any]:
    """Return the function behind a subscriptable property of `DomainOperations`."""

    def apply(owner: DomainOperations, argument: Any) -> Any:
        value = parse(argument)
        transform = owner._get_transform()
        dims = range(len(transform.domain.labels))
        try:
            result = operation(transform, dims, value, *extra)
        except IndexError as error:
            raise ValueError(f"{name}: {error}") from None
        return owner._with_transform(result)

    return apply


_parse, _translate = operations.parse_vector, operations.translate
_translate_to = _on_all_dimensions("translate_to", _parse, _translate, 0)
_translate_by = _on_all_dimensions("translate_by", _parse, _translate, 1)
_translate_backward_by = _on_all_dimensions("translate_backward_by", _parse, _translate, -1)
_label = _on_all_dimensions("label", operations.parse_labels, operations.label)
_mark_bounds_implicit = _on_all_dimensions(
    "mark_bounds_implicit", operations.parse_implicit, operations.mark_bounds_implicit
)


class _TranslateTo:
    """`Subscript` for `DomainOperations.translate_to`, which views need most.

    Without arguments to store and functions to look up, it takes a third of the time.
    """

    __slots__ = ("_owner",)

    _owner: DomainOperations

    def __getitem__(self, argument: Any) -> Any:
        owner = self._owner
        plan = plan_move(owner._get_transform(), argument)
        if plan is None:
            return _translate_to(owner, argument)
        return owner._planned((carry_out_move, plan))

    __iter__ = None

    def __repr__(self) -> str:
        return f"{self._owner!r}.translate_to"


def _oindex(owner: Indexable, indices: NumpyIndexingSpec) -> Any:
    return owner._with_transform(oindex(owner._get_transform(), indices))


def _vindex(owner: Indexable, indices: NumpyIndexingSpec) -> Any:
    return owner._with_transform(vindex(owner._get_transform(), indices))


class DomainOperations:
    """Operations on all dimensions; see the module."""

    __slots__ = ()

    def _get_transform(self) -> IndexTransform:
        """Return the transform to which indexing applies."""
        raise NotImplementedError

    def _with_transform(self, transform: IndexTransform) -> Self:
        """Return what ``self`` becomes when indexing has made its transform this one."""
        raise NotImplementedError

    def _planned(self, plan: Plan) -> Self:
        """Return what ``self`` becomes when its transform is the one that is planned."""
        build, argument = plan
        return self._with_transform(build(argument))

    @property
    def translate_to(self) -> Subscript[Offsets, Self]:
        """Move the origin: ``x.translate_to[0]`` makes coordinates count from zero.

        The subscript is one index for all dimensions or one for each; ``None`` leaves a dimension
        where it is.

        Raises:
          TypeError: If the subscript is of another type.
          ValueError: If the number does not fit, a dimension is unbounded below, or a bound leaves
            the range of indices.

        Example:
          >>> ts.IndexTransform(input_inclusive_min=[2, 3], input_shape=[4, 5]).translate_to[
          ...     0
          ... ].domain
          { [0, 4), [0, 5) }
        """
        subscript: Any = _TranslateTo()
        subscript._owner = self
        return subscript  # type: ignore[no-any-return]

    @property
    def translate_by(self) -> Subscript[Offsets, Self]:
        """Move the domain up by one offset for all dimensions, or one for each.

        Raises:
          TypeError: If the subscript is neither.
          ValueError: If the number does not fit or a bound leaves the range of indices.

        Example:
          >>> ts.IndexTransform(input_shape=[4, 5]).translate_by[10, None].domain
          { [10, 14), [0, 5) }
        """
        return Subscript(self, "translate_by", _translate_by)

    @property
    def translate_backward_by(self) -> Subscript[Offsets, Self]:
        """Move the domain down; otherwise like `translate_by`.

        Example:
          >>> ts.IndexTransform(input_shape=[4, 5]).translate_backward_by[1, 2].domain
          { [-1, 3), [-2, 3) }
        """
        return Subscript(self, "translate_backward_by", _translate_backward_by)

    @property
    def label(self) -> Subscript[str | Iterable[str], Self]:
        """Set the labels of all dimensions; the empty string stands for none.

        Raises:
          TypeError: If the subscript is neither a string nor a sequence of strings.
          ValueError: If the number does not fit or a label would occur twice.

        Example:
          >>> ts.IndexTransform(input_shape=[4, 5]).label["x", "y"].domain
          { "x": [0, 4), "y": [0, 5) }
        """
        return Subscript(self, "label", _label)

    @property
    def mark_bounds_implicit(self) -> Subscript[bool | slice | None, Self]:
        """Make all bounds implicit (true) or explicit; ``lower:upper`` for one kind only.

        Implicit bounds do not limit indexing.

        Raises:
          TypeError: If the subscript is neither a flag nor a slice of flags.
          ValueError: If an index array depends on a dimension that would get an implicit bound.

        Example:
          >>> ts.IndexTransform(input_shape=[4, 5]).mark_bounds_implicit[:True].domain
          { [0, 4*), [0, 5*) }
        """
        return Subscript(self, "mark_bounds_implicit", _mark_bounds_implicit)

    def transpose(self, axes: DimSelectionLike | None = None) -> Self:
        """Change the order of the dimensions.

        Args:
          axes: The old dimension for each place of the result, by index or label; all of them, each
            once.  By default the order is reversed.

        Raises:
          TypeError: If ``axes`` is no dimension selection.
          ValueError: If it is no permutation of the dimensions.

        Example:
          >>> ts.IndexTransform(input_shape=[4, 5, 6]).transpose([2, 0, 1]).domain
          { [0, 6), [0, 4), [0, 5) }
        """
        transform = self._get_transform()
        rank = len(transform.domain.labels)
        if axes is None:
            return self._with_transform(operations.transpose(transform, range(rank - 1, -1, -1)))
        try:
            order = resolve_dim_selection(parse_dim_selection(axes), transform.domain)
        except IndexError as error:
            raise ValueError(f"transpose: {error}") from None
        if len(order) != rank:
            raise ValueError(
                f"transpose: {axes!r} selects {len(order)} dimensions of {transform.domain}; name"
                f" each of its {rank} dimensions once"
            )
        return self._with_transform(operations.transpose(transform, order))

    @property
    def T(self) -> Self:
        """The same with the order of the dimensions reversed."""
        return self.transpose()


class Indexable(DomainOperations):
    """Base class of everything that can be indexed: transforms, views, specs and schemas.

    Coordinates are absolute, and the result keeps them: ``x[3:5]`` has the domain ``[3, 5)``.

    Example:
      >>> isinstance(ts.IndexTransform(2), ts.Indexable)
      True
    """

    __slots__ = ()

    def __getitem__(
        self, indices: NumpyIndexingSpec | DimExpression | IndexDomain | IndexTransform
    ) -> Self:
        """Return a view of part of the domain.

        * Integers, slices, ``...``, `newaxis`, index arrays and masks work as in NumPy, except that
          coordinates are absolute: ``-1`` is the index below 0, and a slice must lie in the domain.
        * An `IndexDomain` crops; its dimensions are matched by label, or by position if one side
          has no labels at all.
        * A `DimExpression` selects dimensions and applies operations to them.
        * An `IndexTransform` is composed: ``x[transform]`` at ``i`` is ``x`` at ``transform(i)``.

        Raises:
          IndexError: If the index does not fit the domain or is of a kind that is not allowed.
          TypeError: If a slice is not made of integers, or an array cannot be converted safely.

        Example:
          >>> ts.IndexTransform(input_shape=[10, 20, 30])[3:5, ..., 7].domain
          { [3, 5), [0, 20) }
        """
        transform = self._get_transform()
        kind: Any = type(indices)
        if kind is tuple or kind is int:
            point: Any = indices if kind is tuple else (indices,)
            element = plan_element(transform, point)
            if element is not None:
                return self._planned((element_transform, element))
        return self._with_transform(view_of(transform, indices))

    @property
    def oindex(self) -> Subscript[NumpyIndexingSpec, Self]:
        """Index with arrays that are combined orthogonally: each makes dimensions of its own.

        Raises:
          IndexError: If the index does not fit the domain or is of a kind that is not allowed.
          TypeError: If a slice is not made of integers, or an array cannot be converted safely.

        Example:
          >>> ts.IndexTransform(input_shape=[10, 20]).oindex[[1, 2, 3], [4, 5]].domain
          { [0, 3), [0, 2) }
        """
        return Subscript(self, "oindex", _oindex)

    @property
    def vindex(self) -> Subscript[NumpyIndexingSpec, Self]:
        """Index with arrays that are broadcast together; their dimensions come first.

        Raises:
          IndexError: If the index does not fit the domain or is of a kind that is not allowed.
          TypeError: If a slice is not made of integers, or an array cannot be converted safely.

        Example:
          >>> ts.IndexTransform(input_shape=[10, 20, 30]).vindex[[1, 2], :, [3, 4]].domain
          { [0, 2), [0, 20) }
        """
        return Subscript(self, "vindex", _vindex)


class AssignableSubscript(Subscript[_ArgumentT, _ResultT], Generic[_ArgumentT, _ResultT]):
    """A subscriptable property of an `Assignable`."""

    __slots__ = ()

    def __setitem__(self, argument: _ArgumentT, source: Any) -> None:
        view: Any = self[argument]
        view._assign(source)


class Assignable(Indexable):
    """Something indexable whose parts can be assigned to: ``x[...] = source``."""

    __slots__ = ()

    def _assign(self, source: Any) -> None:
        """Write ``source`` to the whole domain of ``self``, and wait for it."""
        raise NotImplementedError

    def __setitem__(
        self, indices: NumpyIndexingSpec | DimExpression | IndexDomain | IndexTransform, source: Any
    ) -> None:
        """Write ``source`` to part of the domain, and wait for it."""
        self[indices]._assign(source)

    @property
    def oindex(self) -> AssignableSubscript[NumpyIndexingSpec, Self]:
        """Index with arrays that are combined orthogonally; may be assigned to."""
        return AssignableSubscript(self, "oindex", _oindex)

    @property
    def vindex(self) -> AssignableSubscript[NumpyIndexingSpec, Self]:
        """Index with arrays that are broadcast together; may be assigned to."""
        return AssignableSubscript(self, "vindex", _vindex)
