"""Storage generations: which version of a stored value was seen, and when."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, final

if TYPE_CHECKING:
    from typing import SupportsFloat, SupportsIndex

__all__ = ("TimestampedStorageGeneration",)


@final
class TimestampedStorageGeneration:
    """A version of a stored value, and a time at which it was the current one.

    A generation is an identifier that its issuer chooses freely, a counter or a hash for example,
    such that equal generations mean equal content. What a callback returns is handed back to it
    unchanged. The empty generation means "unspecified".

    Both attributes can be assigned, so that such an object is not hashable.

    Args:
        generation: The identifier; text is encoded as UTF-8.
        time: Seconds since the Unix epoch. Infinity means "for ever", minus infinity, the default,
            that nothing is known about when.

    Raises:
        TypeError: ``generation`` is neither bytes nor text, or ``time`` is no number.
        ValueError: ``time`` is not a number of seconds (NaN).

    Example:
        >>> from virtchunk._schema.generation import TimestampedStorageGeneration
        >>> stamp = TimestampedStorageGeneration(b"v1", 5.5)
        >>> stamp
        KvStore.TimestampedStorageGeneration(b'v1', 5.500000)
        >>> stamp.generation, stamp.time
        (b'v1', 5.5)
    """

    __slots__ = ("_generation", "_time")
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    _generation: bytes
    _time: float

    def __init__(
        self,
        generation: str | bytes = b"",
        time: SupportsFloat | SupportsIndex = -math.inf,
    ) -> None:
        self.generation = generation
        self.time = time

    @property
    def generation(self) -> bytes:
        """The identifier; ``b""`` means unspecified. Text that is assigned is encoded as UTF-8."""
        return self._generation

    @generation.setter
    def generation(self, value: str | bytes) -> None:
        if isinstance(value, str):
            self._generation = value.encode()
        elif isinstance(value, (bytes, bytearray)):
            self._generation = bytes(value)
        else:
            raise TypeError(f"a storage generation must be bytes or str, got {value!r}")

    @property
    def time(self) -> float:
        """A time at which the generation was current, in seconds since the Unix epoch."""
        return self._time

    @time.setter
    def time(self, value: SupportsFloat | SupportsIndex) -> None:
        self._time = _parse_time(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TimestampedStorageGeneration):
            return NotImplemented
        return self._generation == other._generation and self._time == other._time

    def __copy__(self) -> TimestampedStorageGeneration:
        return TimestampedStorageGeneration(self._generation, self._time)

    def __deepcopy__(self, memo: dict[int, Any]) -> TimestampedStorageGeneration:
        return TimestampedStorageGeneration(self._generation, self._time)

    def __reduce__(self) -> tuple[type[TimestampedStorageGeneration], tuple[bytes, float]]:
        return (TimestampedStorageGeneration, (self._generation, self._time))

    def __repr__(self) -> str:
        return f"KvStore.TimestampedStorageGeneration({self._generation!r}, {self._time_text()})"

    def _time_text(self) -> str:
        """Print the time to the microsecond, or exactly where that would lose something."""
        text = f"{self._time:.6f}"
        return text if float(text) == self._time else repr(self._time)


def _parse_time(value: Any) -> float:
    if isinstance(value, (str, bytes)) or not (
        hasattr(value, "__float__") or hasattr(value, "__index__")
    ):
        raise TypeError(f"time must be a number of seconds since the Unix epoch, got {value!r}")
    try:
        time = float(value)
    except OverflowError as error:
        raise TypeError(f"time must be a number that fits into a float: {error}") from None
    if math.isnan(time):
        raise ValueError("time must be a number of seconds since the Unix epoch, got nan")
    return time


# Where users find it, and where pickle looks for it.
TimestampedStorageGeneration.__module__ = "virtchunk"
TimestampedStorageGeneration.__qualname__ = "KvStore.TimestampedStorageGeneration"
