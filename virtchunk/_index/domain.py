"""A box of indices: for each dimension a range, which of its bounds are implicit, and a label.

An `IndexDomain` holds five tuples, one entry per dimension; everything else is derived from them.  One is made for every
chunk of every read, so there are two ways in: the public constructor checks its arguments, and `IndexDomain._trusted` and
`domain_factory` take the canonical tuples as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from operator import sub
from typing import Any, TypeVar, final, overload

import attrs

from virtchunk._index.dim import (
    Dim,
    hull_intervals,
    intersect_intervals,
    merge_labels,
    parse_flag,
    parse_label,
    quote_label,
)
from virtchunk._index.interval import (
    INF,
    INF_SIZE,
    INF_UPPER,
    MAX_RANK,
    check_closed,
    check_half_open,
    check_sized,
    parse_int64,
)

_T = TypeVar("_T")
_ABSENT: Any = object()


class _Fields:
    """The fields of `IndexDomain`, writable: the shape in which a domain is filled before it is frozen.

    Frozen attrs classes refuse assignment, and going around that costs 30 to 80 ns for each field.  An object of this class
    takes plain assignments (a few ns) and then becomes an `IndexDomain` by changing its class.
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
class IndexDomain(_Fields):
    """A box in an n-dimensional index space: bounds, implicit flags and labels of each dimension.

    A domain is a sequence of `Dim`.  It never changes; indexing it by a dimension expression, another domain or a transform
    gives a new one.

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
    """One past the last index of each dimension, shape ``(rank,)``; ``inf + 1`` where unbounded above."""
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
    def __new__(cls, dimensions: Iterable[Dim]) -> IndexDomain: ...
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
        return build_domain(rank, *components)

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
        return tuple(map(sub, self.exclusive_max, self.inclusive_min))

    @property
    def size(self) -> int:
        """Number of elements, capped at ``2**63 - 1``.

        Example:
          >>> ts.IndexDomain(inclusive_min=[1, 2, 3], shape=[3, 4, 5]).size
          60
        """
        return min(prod(map(sub, self.exclusive_max, self.inclusive_min)), INF_SIZE)

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
        return _combine(self, other, hull_intervals, "hull")

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
        return _combine(self, other, intersect_intervals, "intersect")

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
) -> Callable[[tuple[int, ...], tuple[int, ...], tuple[slice, ...]], IndexDomain]:
    """Return a function that makes domains like ``template``, for loops over chunks.

    The function takes the lower bounds, the exclusive upper bounds and the finished `index_exp`; it
    checks nothing.  Labels are the template's and all bounds are explicit.
    """
    labels = template.labels
    explicit = (False,) * len(labels)

    def make(
        inclusive_min: tuple[int, ...],
        exclusive_max: tuple[int, ...],
        index_exp: tuple[slice, ...],
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


def build_domain(
    rank: Any,
    inclusive_min: Any,
    implicit_lower_bounds: Any,
    exclusive_max: Any,
    inclusive_max: Any,
    shape: Any,
    implicit_upper_bounds: Any,
    labels: Any,
    prefix: str = "",
) -> IndexDomain:
    """Return the domain described by component vectors, as the constructor of `IndexDomain` does.

    Args:
      rank: Number of dimensions, or ``None``; the others likewise.
      inclusive_min: See `IndexDomain`.
      implicit_lower_bounds: See `IndexDomain`.
      exclusive_max: See `IndexDomain`.
      inclusive_max: See `IndexDomain`.
      shape: See `IndexDomain`.
      implicit_upper_bounds: See `IndexDomain`.
      labels: See `IndexDomain`.
      prefix: ``"input_"`` for the arguments of `IndexTransform`; used in messages.

    Raises:
      TypeError: If an argument has the wrong type.
      ValueError: As documented for `IndexDomain`.
    """
    vectors = _Vectors(rank, prefix)
    lower = vectors.integers("inclusive_min", inclusive_min)
    upper_name, upper = _one_upper_bound(vectors, exclusive_max, inclusive_max, shape)
    lower_flags = vectors.flags("implicit_lower_bounds", implicit_lower_bounds)
    upper_flags = vectors.flags("implicit_upper_bounds", implicit_upper_bounds)
    names = vectors.labels(labels)
    n = vectors.known_rank()
    if lower is None:
        lower = (0 if upper_name == "shape" else -INF,) * n
        lower_flags = lower_flags or (upper_name != "shape",) * n
    if upper is None:
        upper = (INF_UPPER,) * n
        upper_flags = upper_flags or (True,) * n
    bounds = []
    check = _BOUND_CHECKS[upper_name]
    for i in range(n):
        bounds.append(check(lower[i], upper[i], f" of dimension {i}"))
    return IndexDomain._trusted(
        tuple([low for low, _ in bounds]),
        tuple([high for _, high in bounds]),
        names or ("",) * n,
        lower_flags or (False,) * n,
        upper_flags or (False,) * n,
    )


_BOUND_CHECKS = {
    "exclusive_max": check_half_open,
    "inclusive_max": check_closed,
    "shape": check_sized,
}


class _Vectors:
    """Parses component vectors and holds them to one rank."""

    def __init__(self, rank: Any, prefix: str) -> None:
        self.prefix = prefix
        self.rank = None if rank is None else check_rank(parse_int64(rank, f"`{prefix}rank`"))
        self.source = f"{prefix}rank"

    def known_rank(self) -> int:
        if self.rank is None:
            raise ValueError(
                f"the number of dimensions is unknown: give `{self.prefix}rank`, or a vector such as"
                f" `{self.prefix}shape`"
            )
        return self.rank

    def integers(self, name: str, values: Any) -> tuple[int, ...] | None:
        name = self.prefix + name
        return self._vector(name, values, lambda value: parse_int64(value, f"`{name}`"))

    def flags(self, name: str, values: Any) -> tuple[bool, ...] | None:
        return self._vector(name, values, lambda value: parse_flag(value, f"`{name}`"))

    def labels(self, values: Any) -> tuple[str, ...] | None:
        name = self.prefix + "labels"
        if isinstance(values, str | bytes):
            raise TypeError(
                f"`{name}` must be a sequence of strings, got {values!r}; for one dimension write"
                f" [{values!r}]"
            )
        labels = self._vector(
            name, values, lambda label: "" if label is None else parse_label(label, f"`{name}`")
        )
        if labels is not None:
            check_labels_unique(labels)
        return labels

    def _vector(self, name: str, values: Any, parse: Callable[[Any], _T]) -> tuple[_T, ...] | None:
        if values is None:
            return None
        if isinstance(values, Mapping) or not isinstance(values, Iterable):
            raise TypeError(f"`{name}` must be a sequence, got {values!r}")
        result = tuple(map(parse, values))
        if self.rank is None:
            self.rank = check_rank(len(result))
            self.source = name
        elif len(result) != self.rank:
            raise ValueError(
                f"`{name}` has {len(result)} entries but `{self.source}` says {self.rank} dimensions"
            )
        return result


def _one_upper_bound(
    vectors: _Vectors, exclusive_max: Any, inclusive_max: Any, shape: Any
) -> tuple[str, tuple[int, ...] | None]:
    given = {"exclusive_max": exclusive_max, "inclusive_max": inclusive_max, "shape": shape}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        names = " and ".join(f"`{vectors.prefix}{name}`" for name in given)
        raise ValueError(f"{names} say the same thing twice; give one of them")
    for name, value in given.items():
        return name, vectors.integers(name, value)
    return "exclusive_max", None


def check_rank(rank: int) -> int:
    """Return ``rank`` if it is in ``[0, 32]``.

    Raises:
      ValueError: If it is not.
    """
    if not 0 <= rank <= MAX_RANK:
        raise ValueError(f"the number of dimensions must be in [0, {MAX_RANK}], got {rank}")
    return rank


def check_labels_unique(labels: tuple[str, ...]) -> None:
    """Check that no two dimensions have the same label.

    Raises:
      ValueError: If two do.
    """
    named = [label for label in labels if label]
    if len(set(named)) == len(named):
        return
    repeated = next(label for label in named if named.count(label) > 1)
    where = [i for i, label in enumerate(labels) if label == repeated]
    raise ValueError(
        f"label {quote_label(repeated)} stands for dimensions {' and '.join(map(str, where))};"
        " labels must be different"
    )


def _refuse_mixture(name: str, *others: Any) -> None:
    if any(other is not None for other in others):
        raise TypeError(
            f"`{name}` describes the whole domain; it cannot be combined with other arguments"
        )


def _index_exp(domain: IndexDomain) -> tuple[slice, ...]:
    result = []
    for i, (lower, upper) in enumerate(
        zip(domain.inclusive_min, domain.exclusive_max, strict=True)
    ):
        start = None if lower == -INF else lower
        stop = None if upper == INF_UPPER else upper
        if (start is not None and start < 0) or (stop is not None and stop < 0):
            raise ValueError(
                f"domain {domain} has a negative bound in dimension {i}, which NumPy would count from"
                " the end; translate the domain first, e.g. domain.translate_to[0]"
            )
        result.append(slice(start, stop))
    return tuple(result)


def _combine(
    a: IndexDomain,
    b: IndexDomain,
    rule: Callable[[tuple[int, int, bool, bool], tuple[int, int, bool, bool]], Any],
    verb: str,
) -> IndexDomain:
    if not isinstance(b, IndexDomain):
        raise TypeError(f"expected an IndexDomain, got {b!r}")
    if len(a) != len(b):
        raise ValueError(f"cannot {verb} {a} and {b}: their ranks differ, {len(a)} and {len(b)}")
    dims = []
    for i, (own, other) in enumerate(zip(a, b, strict=True)):
        try:
            dims.append(own._combine(other, rule))
        except ValueError as error:
            raise ValueError(f"cannot {verb} {a} and {b}: in dimension {i}, {error}") from None
    return domain_from_dimensions(dims)
