"""What is passed to and from a key-value store: key ranges, byte ranges, read results."""

from __future__ import annotations

from operator import index
from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeAlias, final

from virtchunk._schema.generation import TimestampedStorageGeneration

__all__ = (
    "MISSING",
    "WHOLE",
    "ByteRange",
    "KeyRange",
    "ReadResult",
    "as_bytes",
    "parse_byte_range",
)

MISSING: Final = b"\x02"
"""The generation of a key that has no value; what the original calls "no value", too."""

State: TypeAlias = Literal["unspecified", "missing", "value"]
_STATES: Final = ("unspecified", "missing", "value")


def as_bytes(value: Any, subject: str) -> bytes:
    """Turn a key or a value into bytes; text is encoded as UTF-8.

    Raises:
        TypeError: It is neither text nor bytes.
    """
    if type(value) is bytes:
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    raise TypeError(f"{subject} must be bytes or str, got {value!r}")


@final
class KeyRange:
    """A half-open range of keys, in the lexicographic order of their bytes.

    Args:
        inclusive_min: First key; empty for no lower bound. Text is encoded as UTF-8.
        exclusive_max: One past the last key; empty for no upper bound.

    Raises:
        TypeError: A bound is neither bytes nor text.

    Example:
        >>> ts.KvStore.KeyRange("a", "c")
        KvStore.KeyRange(b'a', b'c')
    """

    __slots__ = ("_exclusive_max", "_inclusive_min")
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    _inclusive_min: bytes
    _exclusive_max: bytes

    def __init__(self, inclusive_min: str | bytes = "", exclusive_max: str | bytes = "") -> None:
        self.inclusive_min = inclusive_min
        self.exclusive_max = exclusive_max

    @classmethod
    def _prefix(cls, prefix: bytes) -> KeyRange:
        """Return the range of the keys that begin with ``prefix``."""
        return cls(prefix, _successor(prefix))

    @property
    def inclusive_min(self) -> bytes:
        """First key; empty for no lower bound."""
        return self._inclusive_min

    @inclusive_min.setter
    def inclusive_min(self, value: str | bytes) -> None:
        self._inclusive_min = as_bytes(value, "inclusive_min")

    @property
    def exclusive_max(self) -> bytes:
        """One past the last key; empty for no upper bound."""
        return self._exclusive_max

    @exclusive_max.setter
    def exclusive_max(self, value: str | bytes) -> None:
        self._exclusive_max = as_bytes(value, "exclusive_max")

    @property
    def empty(self) -> bool:
        """Whether no key is in the range.

        Example:
            >>> ts.KvStore.KeyRange("b", "a").empty
            True
        """
        return bool(self._exclusive_max) and self._inclusive_min >= self._exclusive_max

    def __contains__(self, key: bytes) -> bool:
        upper = self._exclusive_max
        return key >= self._inclusive_min and (not upper or key < upper)

    def _within(self, prefix: bytes) -> KeyRange:
        """Return the range of the full keys, where this one is of what follows ``prefix``."""
        upper = self._exclusive_max
        return KeyRange(
            prefix + self._inclusive_min, prefix + upper if upper else _successor(prefix)
        )

    def _common_prefix(self) -> bytes:
        """Return the longest text that every key of the range begins with."""
        lower, upper = self._inclusive_min, self._exclusive_max
        length = 0
        while length < min(len(lower), len(upper)) and lower[length] == upper[length]:
            length += 1
        # "a/" up to "a0" is all that begins with "a/", for "0" follows "/".
        last = length < len(lower) and length + 1 == len(upper)
        return (
            lower[: length + 1] if last and upper[length] == lower[length] + 1 else lower[:length]
        )

    def copy(self) -> KeyRange:
        """Return a copy, which can be changed on its own."""
        return KeyRange(self._inclusive_min, self._exclusive_max)

    def __copy__(self) -> KeyRange:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> KeyRange:
        return self.copy()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyRange):
            return NotImplemented
        return (self._inclusive_min, self._exclusive_max) == (
            other._inclusive_min,
            other._exclusive_max,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyRange, (self._inclusive_min, self._exclusive_max)

    def __repr__(self) -> str:
        return f"KvStore.KeyRange({self._inclusive_min!r}, {self._exclusive_max!r})"


def _successor(prefix: bytes) -> bytes:
    """Return the first key after all that begin with ``prefix``; empty if there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b""


@final
class ReadResult:
    """What reading a key gave.

    Args:
        state: ``"value"``; ``"missing"``: the key has no value; ``"unspecified"``: it has the
            generation that was given as ``if_not_equal``, and was not read.
        value: The value; empty in the other states. Text is encoded as UTF-8.
        stamp: Which version it is, and when that was known to be current.

    Raises:
        TypeError: An argument has the wrong type, or there is no such state.

    Example:
        >>> ts.KvStore.ReadResult("value", b"abc").value
        b'abc'
    """

    __slots__ = ("_stamp", "_state", "_value")

    _state: State
    _value: bytes
    _stamp: TimestampedStorageGeneration

    def __init__(
        self,
        state: State = "unspecified",
        value: str | bytes = "",
        stamp: TimestampedStorageGeneration | None = None,
    ) -> None:
        self.state = state
        self.value = value
        self.stamp = TimestampedStorageGeneration() if stamp is None else stamp

    @classmethod
    def _trusted(cls, state: State, value: bytes, generation: bytes, time: float) -> ReadResult:
        """Build without checking, with a stamp that nobody else has."""
        stamp = object.__new__(TimestampedStorageGeneration)
        stamp._generation = generation
        stamp._time = time
        self = object.__new__(cls)
        self._state, self._value, self._stamp = state, value, stamp
        return self

    @property
    def state(self) -> State:
        """``"value"``, ``"missing"`` or ``"unspecified"``."""
        return self._state

    @state.setter
    def state(self, value: State) -> None:
        if value not in _STATES:
            raise TypeError(f"state must be one of {', '.join(map(repr, _STATES))}, got {value!r}")
        self._state = value

    @property
    def value(self) -> bytes:
        """The value; empty in other states than ``"value"``."""
        return self._value

    @value.setter
    def value(self, value: str | bytes) -> None:
        self._value = as_bytes(value, "value")

    @property
    def stamp(self) -> TimestampedStorageGeneration:
        """Which version it is, and when that was known to be current; a copy."""
        return self._stamp.__copy__()

    @stamp.setter
    def stamp(self, value: TimestampedStorageGeneration) -> None:
        if not isinstance(value, TimestampedStorageGeneration):
            raise TypeError(f"stamp must be a KvStore.TimestampedStorageGeneration, got {value!r}")
        self._stamp = value.__copy__()

    def __copy__(self) -> ReadResult:
        return ReadResult(self._state, self._value, self._stamp)

    def __deepcopy__(self, memo: dict[int, Any]) -> ReadResult:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadResult, (self._state, self._value, self._stamp)

    def __repr__(self) -> str:
        return (
            f"KvStore.ReadResult(state={self._state!r}, value={self._value!r}, "
            f"stamp={self._stamp!r})"
        )


@final
class ByteRange(NamedTuple):
    """Which bytes of a value are wanted: ``value[start:stop]``.

    A negative ``start`` counts from the end, and goes with ``stop=None`` only.
    """

    start: int
    stop: int | None

    def bounds(self, size: int) -> tuple[int, int]:
        """Return the bounds in a value of ``size`` bytes.

        Raises:
            ValueError: The value is too short.
        """
        start, stop = self
        if start < 0:
            start += size
        if stop is None:
            stop = size
        if not 0 <= start <= stop <= size:
            raise ValueError(
                f"byte_range {self.start or ''}:"
                f"{'' if self.stop is None else self.stop} is outside the value, "
                f"which has {size} bytes"
            )
        return start, stop

    def of(self, value: bytes) -> bytes:
        """Return these bytes of a whole value.

        Raises:
            ValueError: The value is too short.
        """
        if self is WHOLE:
            return value
        start, stop = self.bounds(len(value))
        return value[start:stop]


WHOLE: Final = ByteRange(0, None)


def parse_byte_range(byte_range: object) -> ByteRange:
    """Check the argument ``byte_range`` of a read.

    Raises:
        TypeError: It is no slice of integers without a step.
        ValueError: It is none of ``slice(a, b)``, ``slice(a, None)``, ``slice(None, b)`` and
            ``slice(-n, None)`` with ``0 <= a <= b``.
    """
    if byte_range is None:
        return WHOLE
    if not isinstance(byte_range, slice) or byte_range.step is not None:
        raise TypeError(f"byte_range must be a slice without a step, got {byte_range!r}")
    try:
        start = 0 if byte_range.start is None else index(byte_range.start)
        stop = None if byte_range.stop is None else index(byte_range.stop)
    except TypeError:
        raise TypeError(f"byte_range must have integer bounds, got {byte_range!r}") from None
    if stop is not None and not 0 <= start <= stop:
        raise ValueError(
            f"byte_range must be start:stop with 0 <= start <= stop, start: or -count:, "
            f"got {start}:{stop}"
        )
    return WHOLE if start == 0 and stop is None else ByteRange(start, stop)


# Where users find them, and where pickle looks for them.
for _class in (KeyRange, ReadResult):
    _class.__module__ = "virtchunk"
    _class.__qualname__ = f"KvStore.{_class.__name__}"
del _class
