"""Physical units: a number times a base unit, which is text that is never interpreted."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, final, overload

import attrs
import numpy as np

from virtchunk._schema.json_value import json_type_name, normalize_json

if TYPE_CHECKING:
    from typing import SupportsFloat, SupportsIndex

__all__ = ("Unit", "unit_from_json")

_SPACES: Final = " \t\n\v\f\r"
_NUMBER: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


@final
@attrs.frozen(init=False, repr=False, str=False, eq=False)
class Unit:
    """A physical quantity: a multiplier times a base unit.

    The base unit is any text; ``""`` is that of a dimensionless quantity. It is compared as text,
    so that ``1000 nm`` and ``1 um`` differ. The syntax of udunits2 is recommended.

    A unit is written in one of these forms:

    - ``Unit(multiplier=1)``: dimensionless;
    - ``Unit(multiplier, base_unit)`` or ``Unit((multiplier, base_unit))``;
    - ``Unit(text)``: an optional leading number and the base unit, spaces around each ignored;
    - ``Unit(json=...)``: the JSON representation, which is text, a pair or a number.

    Args:
        unit: The multiplier, a pair of multiplier and base unit, or text to be read.
        base_unit: The base unit, taken as it is.
        multiplier: How many base units.
        json: The JSON representation.

    Raises:
        TypeError: The arguments have none of these forms.
        ValueError: ``json`` is no unit.

    Example:
        >>> ts.Unit("4nm")
        Unit(4, "nm")
        >>> ts.Unit(3.5, "m") == ts.Unit("3.5 m")
        True
        >>> ts.Unit("3e5"), ts.Unit("")
        (Unit(300000, ""), Unit(1, ""))
    """

    multiplier: float
    """How many base units."""
    base_unit: str
    """The unit that the multiplier counts; ``""`` if the quantity is dimensionless."""

    __array_ufunc__ = None  # so that an array times a unit is an error, not an array of units

    @overload
    def __init__(self, multiplier: SupportsFloat | SupportsIndex = 1) -> None: ...
    @overload
    def __init__(self, unit: str | tuple[SupportsFloat | SupportsIndex, str]) -> None: ...
    @overload
    def __init__(self, multiplier: SupportsFloat | SupportsIndex, base_unit: str) -> None: ...
    @overload
    def __init__(self, *, json: Any) -> None: ...
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        multiplier, base_unit = _parse(args, kwargs)
        object.__setattr__(self, "multiplier", multiplier)
        object.__setattr__(self, "base_unit", base_unit)

    @classmethod
    def _trusted(cls, multiplier: float, base_unit: str) -> Unit:
        self = object.__new__(cls)
        object.__setattr__(self, "multiplier", multiplier)
        object.__setattr__(self, "base_unit", base_unit)
        return self

    def to_json(self) -> list[Any]:
        """Return the JSON representation, a pair of multiplier and base unit.

        Example:
            >>> ts.Unit("3nm").to_json()
            [3.0, 'nm']
        """
        return [self.multiplier, self.base_unit]

    def __mul__(self, multiplier: SupportsFloat | SupportsIndex) -> Unit:
        """Return this unit with its multiplier times ``multiplier``.

        Example:
            >>> ts.Unit("3.5nm") * 2
            Unit(7, "nm")
        """
        number = _as_float(multiplier)
        if number is None:
            return NotImplemented
        return Unit._trusted(self.multiplier * number, self.base_unit)

    def __truediv__(self, divisor: SupportsFloat | SupportsIndex) -> Unit:
        """Return this unit with its multiplier divided by ``divisor``; by zero gives infinity.

        Example:
            >>> ts.Unit("7nm") / 2
            Unit(3.5, "nm")
        """
        number = _as_float(divisor)
        if number is None:
            return NotImplemented
        with np.errstate(all="ignore"):
            quotient = float(np.float64(self.multiplier) / np.float64(number))
        return Unit._trusted(quotient, self.base_unit)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unit):
            return NotImplemented
        return self.multiplier == other.multiplier and self.base_unit == other.base_unit

    def __hash__(self) -> int:
        return hash((self.multiplier, self.base_unit))

    def __reduce__(self) -> tuple[type[Unit], tuple[float, str]]:
        return (Unit, (self.multiplier, self.base_unit))

    def __repr__(self) -> str:
        import json  # late: rarely needed, and slow to import

        base_unit = json.dumps(self.base_unit, ensure_ascii=False)
        return f"Unit({_shortest(self.multiplier)}, {base_unit})"

    def __str__(self) -> str:
        """Return it for display: the multiplier, to six digits, and the base unit.

        A multiplier of one is left out in front of a base unit.
        """
        if not self.base_unit:
            return f"{self.multiplier:g}"
        if self.multiplier == 1:
            return self.base_unit
        return f"{self.multiplier:g} {self.base_unit}"


def unit_from_json(value: Any) -> Unit:
    """Return the unit that a normalised JSON value represents.

    Raises:
        ValueError: It represents none.
    """
    return Unit._trusted(*_from_json(value))


def _parse(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[float, str]:
    """Return multiplier and base unit from the arguments of `Unit`."""
    names = (len(args), *sorted(kwargs))
    parsed = None
    if names == (0,):
        return 1.0, ""
    if names == (0, "json"):
        return _from_json(normalize_json(kwargs["json"]))
    if names in ((1,), (0, "unit")):
        parsed = _from_text_pair_or_number(*args, *kwargs.values())
    elif names == (0, "multiplier"):
        parsed = _from_pair(kwargs["multiplier"], "")
    elif names in ((2,), (1, "base_unit")):
        parsed = _from_pair(*args, *kwargs.values())
    elif names == (0, "base_unit", "multiplier"):
        parsed = _from_pair(kwargs["multiplier"], kwargs["base_unit"])
    if parsed is None:
        arguments = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
        raise TypeError(
            "a unit is Unit(multiplier), Unit(multiplier, base_unit), "
            f"Unit((multiplier, base_unit)), Unit(text) or Unit(json=...), got Unit({arguments})"
        )
    return parsed


def _from_text_pair_or_number(value: Any) -> tuple[float, str] | None:
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, Sequence):
        return _from_pair(*value) if len(value) == 2 else None
    return _from_pair(value, "")


def _from_pair(multiplier: Any, base_unit: Any) -> tuple[float, str] | None:
    number = _as_float(multiplier)
    if number is None or not isinstance(base_unit, str):
        return None
    return number, str(base_unit)


def _as_float(value: Any) -> float | None:
    """Return a number as `float`; None for anything else, text that denotes a number included."""
    if not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _from_text(text: str) -> tuple[float, str]:
    """Split text into a multiplier and a base unit.

    A number that overflows or underflows `float` is left to the base unit, as in the original.
    """
    text = text.strip(_SPACES)
    match = _NUMBER.match(text)
    if match is not None:
        number = float(match[0])
        if sys.float_info.min <= abs(number) < math.inf or _is_zero(match[0]):
            return number, text[match.end() :].strip(_SPACES)
    return 1.0, text


def _is_zero(number: str) -> bool:
    mantissa = re.split("[eE]", number)[0]
    return not re.search("[1-9]", mantissa)


def _from_json(value: Any) -> tuple[float, str]:
    if isinstance(value, str):
        return _from_text(value)
    if _is_number(value):
        return float(value), ""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(
            "a unit in JSON is a string, a number or an array of multiplier and base unit, "
            f"got {json_type_name(value)} {value!r}"
        )
    multiplier, base_unit = value
    if not _is_number(multiplier) or not 0 < multiplier < math.inf:
        raise ValueError(
            "the multiplier of a unit in JSON must be a finite positive number, "
            f"got {json_type_name(multiplier)} {multiplier!r}"
        )
    if not isinstance(base_unit, str):
        raise ValueError(  # noqa: TRY004 - what JSON says wrongly is a wrong value
            "the base unit of a unit in JSON must be a string, "
            f"got {json_type_name(base_unit)} {base_unit!r}"
        )
    return float(multiplier), base_unit


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shortest(number: float) -> str:
    """Print a number shortly, but so that reading it back gives the same number."""
    short = f"{number:g}"
    return short if float(short) == number or math.isnan(number) else repr(number)
