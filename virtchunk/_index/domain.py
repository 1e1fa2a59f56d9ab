"""A box of indices: for each dimension a range, which of its bounds are implicit, and a label.

An `IndexDomain` holds five tuples, one entry per dimension; everything else is derived from
them.  One is made for every chunk of every read, so there are two ways in: the public constructor
checks its arguments, and `IndexDomain._trusted` and `domain_factory` take the canonical tuples as
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from operator import sub
from typing import TYPE_CHECKING, Any, final, overload

import attrs

from virtchunk._index.components import (
    check_labels_unique,
    check_rank,
    parse_components,
    plain_components,
)
from virtchunk._index.dim import Dim, merge_labels, parse_label
from virtchunk._index.dim_selection import (
    DimSelectionLike,
    find_label,
    normalize_dimension,
    parse_dim_selection,
    resolve_dim_selection,
)
from virtchunk._index.indexable import DomainOperations, view_of
from virtchunk._index.interval import INF, INF_SIZE, INF_UPPER, Interval, hull, intersect

if TYPE_CHECKING:
    from virtchunk._index.dim_expression import DimExpression
    from virtchunk._index.transform import IndexTransform

_ABSENT: Any = object()


class _Fields:
    """The fields of `IndexDomain`, writable: what a domain is before it is frozen.

    Frozen attrs classes refuse assignment, and going around that costs 30 to 80 ns for each
    field.  An object of this class takes plain assignments (a few ns) and then becomes an
    `IndexDomain` by changing its class.
    """

    __slots__ = (
        "__weakref__",
        "_index_exp",
        "exclusive_max",
        "implicit_lower_bounds",
        "implicit_upper_bounds",
        "inclusive_min",
        "labels",
    )

    inclusive_min: tuple[int, ...]
    exclusive_max: tuple[int, ...]
    labels: tuple[str, ...]
    implicit_lower_bounds: tuple[bool, ...]
    implicit_upper_bounds: tuple[bool, ...]
    _index_exp: tuple[slice, ...] | None


@final
@attrs.frozen(init=False, repr=False)
class IndexDomain(_Fields, DomainOperations):
    """A box in an n-dimensional index space: bounds, implicit flags and labels of each dimension.

    A domain is a sequence of `Dim`.  It never changes; indexing it by a dimension expression,
    another domain or a transform gives a new one.

    Example:
      >>> domain = ts.IndexDomain(shape=[20, 30], labels=["x", "y"])
      >>> domain
      { "x": [0, 20), "y": [0, 30) }
      >>> domain.shape, domain.size
      ((20, 30), 600)
      >>> domain["y"]
      Dim(inclusive_min=0, exclusive_max=30, label="y")
    """

    inclusive_min: tuple[int, ...]
    """First index of each dimension, shape ``(rank,)``; ``-inf`` where unbounded below."""
    exclusive_max: tuple[int, ...]
    """One past the last index of each dimension, shape ``(rank,)``; ``inf + 1`` where unbounded."""
    labels: tuple[str, ...]
    """Label of each dimension, shape ``(rank,)``; the empty string for none."""
    implicit_lower_bounds: tuple[bool, ...]
    """Whether each lower bound is implicit, shape ``(rank,)``."""
    implicit_upper_bounds: tuple[bool, ...]
    """Whether each upper bound is implicit, shape ``(rank,)``."""
    _index_exp: tuple[slice, ...] | None = attrs.field(eq=False)

    @overload
    def __new__(
        cls,
        rank: int | None = None,
        *,
        inclusive_min: Iterable[int] | None = None,
        implicit_lower_bounds: Iterable[bool] | None = None,
        exclusive_max: Iterable[int] | None = None,
        inclusive_max: Iterable[int] | None = None,
        shape: Iterable[int] | None = None,
        implicit_upper_bounds: Iterable[bool] | None = None,
        labels: Iterable[str | None] | None = None,
    ) -> IndexDomain: ...
    @overload
    def __new__(cls, dimensions: Iterable[Dim], /) -> IndexDomain: ...
    @overload
    def __new__(cls, *, dimensions: Iterable[Dim]) -> IndexDomain: ...
    @overload
    def __new__(cls, *, json: Any) -> IndexDomain: ...
    def __new__(
        cls,
        rank: Any = None,
        *,
        dimensions: Any = None,
        inclusive_min: Any = None,
        implicit_lower_bounds: Any = None,
        exclusive_max: Any = None,
        inclusive_max: Any = None,
        shape: Any = None,
        implicit_upper_bounds: Any = None,
        labels: Any = None,
        json: Any = _ABSENT,
    ) -> IndexDomain:
        """Make a domain from component vectors, from dimensions, or from JSON.

        * Component vectors, one entry per dimension, with at most one of ``exclusive_max``,
          ``inclusive_max`` and ``shape``.  Bounds that are not given are infinite and implicit,
          except that ``shape`` alone starts at zero; bounds that are given are explicit, unless
          ``implicit_lower_bounds`` or ``implicit_upper_bounds`` says otherwise.  ``rank`` is
          needed only when there is no vector.
        * An iterable of `Dim`, for instance another domain.
        * ``json=``: what `to_json` returns.

        Raises:
          TypeError: If an argument has the wrong type, or the forms are mixed.
          ValueError: If the vectors disagree about the rank, bounds are out of order or out of
            range, two dimensions have the same label, or the rank is not in ``[0, 32]``.
        """
        if (
            rank is None
            and inclusive_max is None
            and implicit_lower_bounds is None
            and implicit_upper_bounds is None
            and dimensions is None
            and json is _ABSENT
            and (shape is None or exclusive_max is None)
        ):
            plain = plain_components(inclusive_min, exclusive_max, shape, labels)
            if plain is not None:
                return IndexDomain._trusted(*plain)
        components = (
            inclusive_min,
            implicit_lower_bounds,
            exclusive_max,
            inclusive_max,
            shape,
            implicit_upper_bounds,
            labels,
        )
        if json is not _ABSENT:
            _refuse_mixture("json", rank, dimensions, *components)
            from virtchunk._index.json_form import domain_from_json

            return domain_from_json(json)
        if dimensions is None and rank is not None and not hasattr(rank, "__index__"):
            rank, dimensions = None, rank
        if dimensions is not None:
            _refuse_mixture("dimensions", rank, *components)
            return domain_from_dimensions(dimensions)
        return IndexDomain._trusted(*parse_components(rank, *components))

    @staticmethod
    def _trusted(
        inclusive_min: tuple[int, ...],
        exclusive_max: tuple[int, ...],
        labels: tuple[str, ...],
        implicit_lower_bounds: tuple[bool, ...],
        implicit_upper_bounds: tuple[bool, ...],
    ) -> IndexDomain:
        """Build without checking: five tuples of one length that describe valid intervals."""
        self: Any = _Fields()
        self.inclusive_min = inclusive_min
        self.exclusive_max = exclusive_max
        self.labels = labels
        self.implicit_lower_bounds = implicit_lower_bounds
        self.implicit_upper_bounds = implicit_upper_bounds
        self._index_exp = None
        self.__class__ = IndexDomain
        return self  # type: ignore[no-any-return]

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.inclusive_min)

    @property
    def ndim(self) -> int:
        """Number of dimensions, the same as `rank`."""
        return len(self.inclusive_min)

    @property
    def origin(self) -> tuple[int, ...]:
        """First index of each dimension, the same as `inclusive_min`."""
        return self.inclusive_min

    @property
    def inclusive_max(self) -> tuple[int, ...]:
        """Last index of each dimension, shape ``(rank,)``; ``inf`` where unbounded above."""
        return tuple([upper - 1 for upper in self.exclusive_max])

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each dimension, shape ``(rank,)``; meaningless where unbounded."""
        lower = self.inclusive_min
        upper = self.exclusive_max
        # Every callback asks for this; written out, the usual ranks take less than half the time.
        if len(lower) == 2:
            return upper[0] - lower[0], upper[1] - lower[1]
        if len(lower) == 3:
            return upper[0] - lower[0], upper[1] - lower[1], upper[2] - lower[2]
        return tuple(map(sub, upper, lower))

    @property
    def size(self) -> int:
        """Number of elements, capped at ``2**63 - 1``.

        Example:
          >>> ts.IndexDomain(inclusive_min=[1, 2, 3], shape=[3, 4, 5]).size
          60
        """
        return min(prod(self.shape), INF_SIZE)

    @property
    def index_exp(self) -> tuple[slice, ...]:
        """The domain as a tuple of ``slice(start, stop)``, to index a NumPy array or a view.

        An infinite bound is ``None``.  The tuple is made once.

        Raises:
          ValueError: If a finite bound is negative, because NumPy would count it from the end.

        Example:
          >>> domain = ts.IndexDomain(inclusive_min=[0, 2], shape=[2, 3])
          >>> domain.index_exp
          (slice(0, 2, None), slice(2, 5, None))
          >>> np.arange(10).reshape(2, 5)[domain.index_exp]
          array([[2, 3, 4],
                 [7, 8, 9]])
        """
        cached = self._index_exp
        if cached is None:
            cached = _index_exp(self)
            _set_index_exp(self, cached)
        return cached

    def hull(self, other: IndexDomain) -> IndexDomain:
        """Return the smallest domain that holds this one and ``other``.

        Implicit flags go with the chosen bounds; of two labels the one that is set is kept.

        Raises:
          ValueError: If the ranks differ, labels of one dimension differ, or two dimensions of the
            result would have the same label.

        Example:
          >>> a = ts.IndexDomain(inclusive_min=[1, 2], exclusive_max=[4, 5], labels=["x", ""])
          >>> a.hull(ts.IndexDomain(shape=[2, 3]))
          { "x": [0, 4), [0, 5) }
        """
        return _combine(self, other, hull, "hull")

    def intersect(self, other: IndexDomain) -> IndexDomain:
        """Return the domain of the elements that are in this one and in ``other``.

        Implicit flags go with the chosen bounds; of two labels the one that is set is kept.

        Raises:
          ValueError: If the ranks differ, labels of one dimension differ, or two dimensions of the
            result would have the same label.

        Example:
          >>> a = ts.IndexDomain(inclusive_min=[1, 2], exclusive_max=[4, 5], labels=["x", ""])
          >>> a.intersect(ts.IndexDomain(shape=[2, 3]))
          { "x": [1, 2), [2, 3) }
        """
        return _combine(self, other, intersect, "intersect")

    @overload
    def __getitem__(self, key: int | str | bytes) -> Dim: ...  # type: ignore[overload-overlap]
    @overload
    def __getitem__(
        self, key: DimSelectionLike | DimExpression | IndexDomain | IndexTransform
    ) -> IndexDomain: ...
    def __getitem__(self, key: Any) -> Dim | IndexDomain:
        """Return one dimension, a domain of some of the dimensions, or a view of the domain.

        * An index (negative: from the end) or a label gives a `Dim`.
        * A slice of indices, a `DimSelection`, or a sequence of any of these gives the domain of
          the selected dimensions, in that order.
        * Another domain crops this one.  Its dimensions are matched by label if both have labels,
          by position otherwise; its implicit flags do not matter.
        * A `DimExpression` is applied, and gives the domain that results.
        * An `IndexTransform` whose output indices lie in this domain gives the domain of what it
          maps into it.

        Raises:
          IndexError: If there is no such dimension, or ``key`` does not fit the domain.
          TypeError: If ``key`` is none of these.
          ValueError: If a selection of several dimensions names one twice or one that does not
            exist.

        Example:
          >>> domain = ts.IndexDomain(shape=[5, 6, 7], labels=["x", "y", "z"])
          >>> domain["y"]
          Dim(inclusive_min=0, exclusive_max=6, label="y")
          >>> domain["z", 0]
          { "z": [0, 7), "x": [0, 5) }
          >>> domain[ts.IndexDomain(inclusive_min=[2], shape=[3], labels=["y"])]
          { "x": [0, 5), "y": [2, 5), "z": [0, 7) }
          >>> domain[ts.d["x"].translate_by[10]]
          { "x": [10, 15), "y": [0, 6), "z": [0, 7) }
        """
        if type(key) is int:
            return self._dim(normalize_dimension(key, len(self.labels)))
        if isinstance(key, str | bytes):
            return self._dim(find_label(parse_label(key), self))
        if _is_view_key(key):
            return view_of(self._get_transform(), key).domain
        identifiers = parse_dim_selection(key)
        if hasattr(type(key), "__index__") and not hasattr(type(key), "__len__"):
            return self._dim(resolve_dim_selection(identifiers, self)[0])
        try:
            dims = resolve_dim_selection(identifiers, self)
        except IndexError as error:
            raise ValueError(f"cannot select dimensions {key!r}: {error}") from None
        return IndexDomain._trusted(
            tuple([self.inclusive_min[i] for i in dims]),
            tuple([self.exclusive_max[i] for i in dims]),
            tuple([self.labels[i] for i in dims]),
            tuple([self.implicit_lower_bounds[i] for i in dims]),
            tuple([self.implicit_upper_bounds[i] for i in dims]),
        )

    def _dim(self, i: int) -> Dim:
        return Dim._trusted(
            self.inclusive_min[i],
            self.exclusive_max[i],
            self.labels[i],
            self.implicit_lower_bounds[i],
            self.implicit_upper_bounds[i],
        )

    def _is_explicitly_empty(self) -> bool:
        """Tell whether there are no elements and no implicit bound could give way to any."""
        lower, upper = self.inclusive_min, self.exclusive_max
        for i in range(len(lower)):
            if (
                lower[i] == upper[i]
                and not self.implicit_lower_bounds[i]
                and not self.implicit_upper_bounds[i]
            ):
                return True
        return False

    def _get_transform(self) -> IndexTransform:
        from virtchunk._index.transform import IndexTransform

        return IndexTransform._trusted(self, ())

    def _with_transform(self, transform: IndexTransform) -> IndexDomain:
        return transform.domain

    def to_json(self) -> Any:
        """Return the JSON representation, which `IndexDomain` accepts as ``json=``.

        Example:
          >>> ts.IndexDomain(shape=[2, 3], labels=["x", ""]).to_json()
          {'exclusive_max': [2, 3], 'inclusive_min': [0, 0], 'labels': ['x', '']}
        """
        from virtchunk._index.json_form import domain_to_json

        return domain_to_json(self)

    def __len__(self) -> int:
        """Return the number of dimensions."""
        return len(self.inclusive_min)

    def __iter__(self) -> Iterator[Dim]:
        """Iterate over the dimensions, each a new `Dim`."""
        return map(
            Dim._trusted,
            self.inclusive_min,
            self.exclusive_max,
            self.labels,
            self.implicit_lower_bounds,
            self.implicit_upper_bounds,
        )

    def __contains__(self, dimension: Dim) -> bool:
        """Tell whether one of the dimensions equals ``dimension``.

        Raises:
          TypeError: If ``dimension`` is not a `Dim`.
        """
        if not isinstance(dimension, Dim):
            raise TypeError(
                f"a domain is a sequence of Dim, it cannot contain {dimension!r};"
                " to look for an index, ask one dimension: `index in domain[0]`"
            )
        return any(dimension == own for own in self)

    def __repr__(self) -> str:
        """Return e.g. ``{ "x": [0, 20), [0*, +inf*) }``."""
        return f"{{ {', '.join(map(str, self))} }}"

    def _repr_html_(self) -> str:
        """Show the domain in a notebook."""
        from virtchunk._index.html import domain_html

        return domain_html(self)

    def __copy__(self) -> IndexDomain:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> IndexDomain:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return IndexDomain._trusted, (
            self.inclusive_min,
            self.exclusive_max,
            self.labels,
            self.implicit_lower_bounds,
            self.implicit_upper_bounds,
        )


_set_index_exp: Callable[[IndexDomain, tuple[slice, ...]], None] = _Fields.__dict__[
    "_index_exp"
].__set__


def domain_factory(
    template: IndexDomain,
) -> Callable[[tuple[int, ...], tuple[int, ...], tuple[slice, ...] | None], IndexDomain]:
    """Return a function that makes domains like ``template``, for loops over chunks.

    The function takes the lower bounds, the exclusive upper bounds and the finished `index_exp`, or
    None if that is to be made when it is asked for; it checks nothing.  Labels are the template's
    and all bounds are explicit.
    """
    labels = template.labels
    explicit = (False,) * len(labels)

    def make(
        inclusive_min: tuple[int, ...],
        exclusive_max: tuple[int, ...],
        index_exp: tuple[slice, ...] | None,
        # Defaults are the fastest variables: locals, without the indirection of a closure's cell.
        fields: Any = _Fields,
        labels: tuple[str, ...] = labels,
        explicit: tuple[bool, ...] = explicit,
        frozen: Any = IndexDomain,
    ) -> IndexDomain:
        self = fields()
        self.inclusive_min = inclusive_min
        self.exclusive_max = exclusive_max
        self.labels = labels
        self.implicit_lower_bounds = explicit
        self.implicit_upper_bounds = explicit
        self._index_exp = index_exp
        self.__class__ = frozen
        return self  # type: ignore[no-any-return]

    return make


def domain_from_dimensions(dimensions: Iterable[Dim]) -> IndexDomain:
    """Return the domain with these dimensions.

    Raises:
      TypeError: If ``dimensions`` is not an iterable of `Dim`.
      ValueError: If there are more than 32, or two have the same label.
    """
    try:
        dims = tuple(dimensions)
    except TypeError:
        raise TypeError(f"expected a rank or an iterable of Dim, got {dimensions!r}") from None
    for dim in dims:
        if not isinstance(dim, Dim):
            raise TypeError(
                f"expected Dim objects, got {dim!r}; for bounds use shape=, inclusive_min= or"
                " exclusive_max="
            )
    check_rank(len(dims))
    labels = tuple([dim.label for dim in dims])
    check_labels_unique(labels)
    return IndexDomain._trusted(
        tuple([dim.inclusive_min for dim in dims]),
        tuple([dim.exclusive_max for dim in dims]),
        labels,
        tuple([dim.implicit_lower for dim in dims]),
        tuple([dim.implicit_upper for dim in dims]),
    )


def _refuse_mixture(name: str, *others: Any) -> None:
    for other in others:
        if other is not None:
            raise TypeError(
                f"`{name}` describes the whole domain; it cannot be combined with other arguments"
            )


def _is_view_key(key: Any) -> bool:
    """Tell whether ``domain[key]`` is what it is for a transform, rather than a selection."""
    kind = type(key)
    if hasattr(kind, "_apply_to"):  # a dimension expression, which may only select dimensions
        return not hasattr(kind, "_selected_identifiers")
    if isinstance(key, IndexDomain):
        return True
    from virtchunk._index.transform import IndexTransform

    return isinstance(key, IndexTransform)


def _index_exp(domain: IndexDomain) -> tuple[slice, ...]:
    lower, upper = domain.inclusive_min, domain.exclusive_max
    if lower and min(lower) >= 0 and max(upper) < INF_UPPER:
        return tuple(map(slice, lower, upper))
    result = []
    for i, (low, high) in enumerate(zip(lower, upper, strict=True)):
        start = None if low == -INF else low
        stop = None if high == INF_UPPER else high
        if (start is not None and start < 0) or (stop is not None and stop < 0):
            raise ValueError(
                f"domain {domain} has a negative bound in dimension {i}, which NumPy would count"
                " from the end; translate the domain first, e.g. domain.translate_to[0]"
            )
        result.append(slice(start, stop))
    return tuple(result)


def _combine(
    a: IndexDomain,
    b: IndexDomain,
    rule: Callable[[Interval, Interval], Interval],
    verb: str,
) -> IndexDomain:
    if not isinstance(b, IndexDomain):
        raise TypeError(f"expected an IndexDomain, got {b!r}")
    if len(a) != len(b):
        raise ValueError(f"cannot {verb} {a} and {b}: their ranks differ, {len(a)} and {len(b)}")
    bounds: list[Interval] = []
    labels: list[str] = []
    for i, (own, other) in enumerate(zip(_intervals(a), _intervals(b), strict=True)):
        try:
            labels.append(merge_labels(a.labels[i], b.labels[i]))
        except ValueError as error:
            raise ValueError(f"cannot {verb} {a} and {b}: in dimension {i}, {error}") from None
        bounds.append(rule(own, other))
    check_labels_unique(tuple(labels))
    return IndexDomain._trusted(
        tuple([bound[0] for bound in bounds]),
        tuple([bound[1] for bound in bounds]),
        tuple(labels),
        tuple([bound[2] for bound in bounds]),
        tuple([bound[3] for bound in bounds]),
    )


def _intervals(domain: IndexDomain) -> Iterator[Interval]:
    return zip(
        domain.inclusive_min,
        domain.exclusive_max,
        domain.implicit_lower_bounds,
        domain.implicit_upper_bounds,
        strict=True,
    )
