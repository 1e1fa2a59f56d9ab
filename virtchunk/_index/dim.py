"""One dimension of an index space: a range of indices, implicit flags of its bounds, a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final, final, overload

from virtchunk._index.interval import (
    INF,
    INF_SIZE,
    INF_UPPER,
    Interval,
    check_closed,
    check_half_open,
    check_sized,
    format_interval,
    hull,
    intersect,
    parse_int64,
)

_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "'": "\\'", "\\": "\\\\"}


def quote_label(label: str) -> str:
    """Return ``label`` as a Python string literal in double quotes, for messages and repr."""
    text = "".join(
        _ESCAPES.get(char, char if char.isprintable() else char.encode("unicode_escape").decode())
        for char in label
    )
    return f'"{text}"'


def parse_label(value: Any, what: str = "label") -> str:
    """Return a dimension label as ``str``; UTF-8 encoded ``bytes`` are decoded.

    Raises:
      TypeError: If it is neither.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"{what} must be a string, got {value!r}")


def merge_labels(label: str, other: str) -> str:
    """Return the label of two dimensions that are the same; an empty label gives way.

    Raises:
      ValueError: If both are set and differ.
    """
    if not label or label == other:
        return other
    if not other:
        return label
    raise ValueError(
        f"dimension labels do not match: {quote_label(label)} and {quote_label(other)}"
    )


@final
class Dim:
    """A range of indices ``[inclusive_min, exclusive_max)``, with a label.

    Bounds are integers in ``[-(2**62-2), 2**62-2]``, or infinite.  An implicit bound (shown with
    ``*``) describes what is there without limiting what may be asked for, as the resizable edge of
    a stored array does.

    The range is fixed; `label`, `implicit_lower` and `implicit_upper` may be assigned.

    Example:
      >>> ts.Dim(5)
      Dim(inclusive_min=0, exclusive_max=5)
      >>> ts.Dim(3, 8, label="x")
      Dim(inclusive_min=3, exclusive_max=8, label="x")
      >>> print(ts.Dim("y"))
      "y": (-inf*, +inf*)

    See also: `IndexDomain`, a sequence of dimensions.
    """

    __slots__ = (
        "__weakref__",
        "_exclusive_max",
        "_implicit_lower",
        "_implicit_upper",
        "_inclusive_min",
        "_label",
    )

    _inclusive_min: int
    _exclusive_max: int
    _label: str
    _implicit_lower: bool
    _implicit_upper: bool

    @overload
    def __init__(
        self, label: str | None = None, *, implicit_lower: bool = True, implicit_upper: bool = True
    ) -> None: ...
    @overload
    def __init__(
        self,
        size: int | None,
        label: str | None = None,
        *,
        inclusive_min: int | None = None,
        implicit_lower: bool = False,
        implicit_upper: bool | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        inclusive_min: int | None = ...,
        exclusive_max: int | None = ...,
        *,
        label: str | None = None,
        implicit_lower: bool | None = None,
        implicit_upper: bool | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        *,
        inclusive_min: int | None = ...,
        inclusive_max: int | None = ...,
        label: str | None = None,
        implicit_lower: bool | None = None,
        implicit_upper: bool | None = None,
    ) -> None: ...
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a dimension from one of four descriptions.

        * ``Dim(label=None)``: unbounded, both bounds implicit unless told otherwise.
        * ``Dim(size, label=None, inclusive_min=0)``: ``[inclusive_min, inclusive_min + size)``;
          with a size of ``None`` there is no upper bound.
        * ``Dim(inclusive_min, exclusive_max)``: half-open.
        * ``Dim(inclusive_min=, inclusive_max=)``: closed.

        A bound left out, or given as ``None``, is infinite and implicit; a bound that is given is
        explicit. ``implicit_lower=`` and ``implicit_upper=`` override that.

        Raises:
          TypeError: If the arguments fit none of these, or are of the wrong type.
          ValueError: If they describe no interval, or leave the range of indices.
        """
        form = _choose_form(args, kwargs)
        lower, upper, implicit_lower, implicit_upper, label = form(*args, **kwargs)
        self._inclusive_min = lower
        self._exclusive_max = upper
        self._implicit_lower = implicit_lower
        self._implicit_upper = implicit_upper
        self._label = label

    @staticmethod
    def _trusted(
        lower: int, upper: int, label: str, implicit_lower: bool, implicit_upper: bool
    ) -> Dim:
        """Build without checking; ``lower`` and ``upper`` are half-open and already in range."""
        self = object.__new__(Dim)
        self._inclusive_min = lower
        self._exclusive_max = upper
        self._label = label
        self._implicit_lower = implicit_lower
        self._implicit_upper = implicit_upper
        return self

    @property
    def inclusive_min(self) -> int:
        """First index; ``-inf`` if unbounded below."""
        return self._inclusive_min

    @property
    def exclusive_max(self) -> int:
        """One past the last index; ``inf + 1`` if unbounded above."""
        return self._exclusive_max

    @property
    def exclusive_min(self) -> int:
        """One before the first index; ``-inf - 1`` if unbounded below."""
        return self._inclusive_min - 1

    @property
    def inclusive_max(self) -> int:
        """Last index; ``inf`` if unbounded above, ``inclusive_min - 1`` if empty."""
        return self._exclusive_max - 1

    @property
    def size(self) -> int:
        """Number of indices; meaningless unless `finite`."""
        return self._exclusive_max - self._inclusive_min

    @property
    def empty(self) -> bool:
        """Whether there is no index in the range."""
        return self._exclusive_max == self._inclusive_min

    @property
    def finite(self) -> bool:
        """Whether both bounds are finite."""
        return self._inclusive_min != -INF and self._exclusive_max != INF_UPPER

    @property
    def label(self) -> str:
        """Name of the dimension; the empty string for none.

        Raises:
          TypeError: On assigning something that is not a string.
        """
        return self._label

    @label.setter
    def label(self, value: str) -> None:
        self._label = parse_label(value)

    @property
    def implicit_lower(self) -> bool:
        """Whether the lower bound is implicit.

        Raises:
          TypeError: On assigning something that is not a bool.
        """
        return self._implicit_lower

    @implicit_lower.setter
    def implicit_lower(self, value: bool) -> None:
        self._implicit_lower = parse_flag(value, "implicit_lower")

    @property
    def implicit_upper(self) -> bool:
        """Whether the upper bound is implicit.

        Raises:
          TypeError: On assigning something that is not a bool.
        """
        return self._implicit_upper

    @implicit_upper.setter
    def implicit_upper(self, value: bool) -> None:
        self._implicit_upper = parse_flag(value, "implicit_upper")

    def hull(self, other: Dim) -> Dim:
        """Return the smallest dimension that holds this one and ``other``.

        Implicit flags go with the chosen bounds; of two labels the one that is set is kept.

        Raises:
          ValueError: If both are labeled, differently.

        Example:
          >>> ts.Dim(1, 5, label="x").hull(ts.Dim(3))
          Dim(inclusive_min=0, exclusive_max=5, label="x")
        """
        return self._combine(other, hull)

    def intersect(self, other: Dim) -> Dim:
        """Return the dimension of the indices that are in this one and in ``other``.

        Implicit flags go with the chosen bounds; of two labels the one that is set is kept.

        Raises:
          ValueError: If both are labeled, differently.

        Example:
          >>> ts.Dim(1, 5, label="x").intersect(ts.Dim(3))
          Dim(inclusive_min=1, exclusive_max=3, label="x")
        """
        return self._combine(other, intersect)

    def _combine(
        self,
        other: Dim,
        rule: Callable[[Interval, Interval], Interval],
    ) -> Dim:
        if not isinstance(other, Dim):
            raise TypeError(f"expected a Dim, got {other!r}")
        label = merge_labels(self._label, other._label)
        lower, upper, implicit_lower, implicit_upper = rule(self._interval(), other._interval())
        return Dim._trusted(lower, upper, label, implicit_lower, implicit_upper)

    def _interval(self) -> Interval:
        return self._inclusive_min, self._exclusive_max, self._implicit_lower, self._implicit_upper

    def __contains__(self, other: int | Dim) -> bool:
        """Tell whether an index, or every index of another dimension, is in the range.

        An empty dimension is in every other; labels do not matter.

        Raises:
          TypeError: If ``other`` is neither an integer nor a `Dim`.

        Example:
          >>> 5 in ts.Dim(1, 10), ts.Dim(1, 5) in ts.Dim(4)
          (True, False)
        """
        if isinstance(other, Dim):
            if other.empty:
                return True
            return (
                self._inclusive_min <= other._inclusive_min
                and other._exclusive_max <= self._exclusive_max
            )
        value = parse_int64(other, "an index")
        return max(self._inclusive_min, -INF + 1) <= value < min(self._exclusive_max, INF)

    def __iter__(self) -> Iterator[int]:
        """Iterate over the indices.

        Raises:
          ValueError: If the range is not finite.
        """
        if not self.finite:
            raise ValueError(
                f"cannot iterate over {self}: it has no end; use a dimension with finite bounds"
            )
        return iter(range(self._inclusive_min, self._exclusive_max))

    def __len__(self) -> int:
        """Return `size`."""
        return self._exclusive_max - self._inclusive_min

    def __eq__(self, other: object) -> bool:
        """Compare bounds, implicit flags and label."""
        if not isinstance(other, Dim):
            return NotImplemented
        return self._interval() == other._interval() and self._label == other._label

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # it can be changed

    def __str__(self) -> str:
        """Return e.g. ``"x": [0, 5*)``."""
        interval = format_interval(*self._interval())
        return f"{quote_label(self._label)}: {interval}" if self._label else interval

    def __repr__(self) -> str:
        """Return a Python expression that makes an equal dimension."""
        parts = []
        bounded_below = self._inclusive_min != -INF
        bounded_above = self._exclusive_max != INF_UPPER
        if bounded_below:
            parts.append(f"inclusive_min={self._inclusive_min}")
        if self._implicit_lower == bounded_below:
            parts.append(f"implicit_lower={self._implicit_lower}")
        if bounded_above:
            parts.append(f"exclusive_max={self._exclusive_max}")
        if self._implicit_upper == bounded_above:
            parts.append(f"implicit_upper={self._implicit_upper}")
        if self._label:
            parts.append(f"label={quote_label(self._label)}")
        return f"Dim({', '.join(parts)})"

    def __copy__(self) -> Dim:
        return Dim._trusted(
            self._inclusive_min,
            self._exclusive_max,
            self._label,
            self._implicit_lower,
            self._implicit_upper,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Dim:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return Dim._trusted, (
            self._inclusive_min,
            self._exclusive_max,
            self._label,
            self._implicit_lower,
            self._implicit_upper,
        )


def parse_flag(value: Any, what: str) -> bool:
    """Return an implicit flag: a bool, ``None`` (false), or anything with a truth value of its own.

    Raises:
      TypeError: If it has none.
    """
    if value is None or hasattr(type(value), "__bool__"):
        return bool(value)
    raise TypeError(f"{what} must be a bool, got {value!r}")


_Parsed = tuple[int, int, bool, bool, str]


def _unbounded(
    label: Any = None, *, implicit_lower: Any = True, implicit_upper: Any = True
) -> _Parsed:
    lower_flag = implicit_lower is None or parse_flag(implicit_lower, "implicit_lower")
    upper_flag = implicit_upper is None or parse_flag(implicit_upper, "implicit_upper")
    return -INF, INF_UPPER, lower_flag, upper_flag, _optional_label(label)


def _sized(
    size: Any,
    label: Any = None,
    *,
    inclusive_min: Any = None,
    implicit_lower: Any = False,
    implicit_upper: Any = None,
) -> _Parsed:
    lower = 0 if inclusive_min is None else parse_int64(inclusive_min, "inclusive_min")
    extent = INF_SIZE if size is None else parse_int64(size, "size")
    lower, upper = check_sized(lower, extent)
    lower_flag = parse_flag(implicit_lower, "implicit_lower")
    upper_flag = (
        size is None if implicit_upper is None else parse_flag(implicit_upper, "implicit_upper")
    )
    return lower, upper, lower_flag, upper_flag, _optional_label(label)


def _half_open(
    inclusive_min: Any = None,
    exclusive_max: Any = None,
    *,
    label: Any = None,
    implicit_lower: Any = None,
    implicit_upper: Any = None,
) -> _Parsed:
    lower = -INF if inclusive_min is None else parse_int64(inclusive_min, "inclusive_min")
    upper = INF_UPPER if exclusive_max is None else parse_int64(exclusive_max, "exclusive_max")
    check_half_open(lower, upper)
    lower_flag = (
        inclusive_min is None
        if implicit_lower is None
        else parse_flag(implicit_lower, "implicit_lower")
    )
    upper_flag = (
        exclusive_max is None
        if implicit_upper is None
        else parse_flag(implicit_upper, "implicit_upper")
    )
    return lower, upper, lower_flag, upper_flag, _optional_label(label)


def _closed(*, inclusive_min: Any = None, inclusive_max: Any = None, **rest: Any) -> _Parsed:
    if inclusive_max is None:
        return _half_open(inclusive_min, None, **rest)
    lower = -INF if inclusive_min is None else parse_int64(inclusive_min, "inclusive_min")
    upper = check_closed(lower, parse_int64(inclusive_max, "inclusive_max"))[1]
    return _half_open(inclusive_min, upper, **rest)


def _optional_label(label: Any) -> str:
    return "" if label is None else parse_label(label)


# Names of the parameters that may be given by position, and of those that may not.
_FLAGS: Final = ("implicit_lower", "implicit_upper")
_PARAMETERS: Final[dict[Callable[..., _Parsed], tuple[tuple[str, ...], tuple[str, ...]]]] = {
    _unbounded: (("label",), _FLAGS),
    _sized: (("size", "label"), ("inclusive_min", *_FLAGS)),
    _half_open: (("inclusive_min", "exclusive_max"), ("label", *_FLAGS)),
    _closed: ((), ("inclusive_min", "inclusive_max", "label", *_FLAGS)),
}


def _choose_form(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., _Parsed]:
    form = _guess_form(args, kwargs)
    positional, named = _PARAMETERS[form]
    left = positional[len(args) :] + named
    if len(args) > len(positional) or not kwargs.keys() <= set(left):
        given = [repr(arg) for arg in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
        raise TypeError(
            f"Dim({', '.join(given)}) is not one of the forms Dim(label),"
            " Dim(size, label, inclusive_min=), Dim(inclusive_min, exclusive_max, label=) and"
            " Dim(inclusive_min=, inclusive_max=, label=)"
        )
    return form


def _guess_form(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., _Parsed]:
    if "inclusive_max" in kwargs:
        return _closed
    if "size" in kwargs:
        return _sized
    if "exclusive_max" in kwargs:
        return _half_open
    if not args:
        return _half_open if "inclusive_min" in kwargs else _unbounded
    first, second = args[0], args[1] if len(args) > 1 else None
    if isinstance(first, str | bytes):
        return _unbounded
    if len(args) == 1 and first is None and not kwargs.keys() & {"label", "inclusive_min"}:
        return _unbounded
    if isinstance(second, str | bytes):
        return _sized
    # A number alone is a size, unless what else is said makes sense for a lower bound only.
    if len(args) == 2 and (second is not None or "label" in kwargs):
        return _half_open
    lower_by_flag = kwargs.get("implicit_lower", False) is None
    return _half_open if lower_by_flag and "inclusive_min" not in kwargs else _sized
