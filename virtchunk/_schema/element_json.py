"""The JSON form of one element of each data type, both ways.

Where the original defines none, ours is: for a complex number the pair of real and imaginary part,
for ``char`` the string of the one character with the same code, for ``byte`` a number below 256,
for a ``datetime64`` its ISO 8601 text, and for a ``timedelta64`` the number of units.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

import attrs
import numpy as np

from virtchunk._schema.dtype import dtype
from virtchunk._schema.json_value import json_type_name, normalize_json

__all__ = ("ElementJson", "element_json")

_INTEGER_NAME: Final = re.compile(r"(u?)int(\d+)")
_DECIMAL: Final = re.compile(r"[-+]?\d+")

Encode: TypeAlias = Callable[[Any], Any]
Decode: TypeAlias = Callable[[Any, dtype], Any]


@attrs.frozen
class ElementJson:
    """How elements of one kind of data type are written in JSON."""

    encode: Encode
    """Return the JSON form of an element; `ValueError` if it has none."""
    decode: Decode
    """Return the element that a normalised JSON value denotes; `ValueError` if it denotes none."""


def element_json(data_type: dtype) -> ElementJson:
    """Return how elements of a data type are written in JSON.

    Example:
        >>> from virtchunk._schema.element_json import element_json
        >>> element_json(ts.complex64).encode(np.complex64(1 + 2j))
        [1.0, 2.0]
    """
    name = data_type.name
    if name in _BY_NAME:
        return _BY_NAME[name]
    if _INTEGER_NAME.fullmatch(name):
        return _INTEGER
    for prefix, form in _BY_PREFIX.items():
        if name.startswith(prefix):
            return form
    return _FLOAT


def _reject(value: Any, expected: str) -> NoReturn:
    raise ValueError(f"expected {expected}, got {json_type_name(value)} {value!r}")


def _decode_bool(value: Any, _: dtype) -> bool:
    if value in ("true", "false"):
        return bool(value == "true")
    return value if isinstance(value, bool) else _reject(value, "true or false")


def _decode_integer(value: Any, data_type: dtype) -> int:
    low, high = _integer_range(data_type)
    number = value
    is_text = isinstance(value, str) and _DECIMAL.fullmatch(value)
    if is_text or (isinstance(value, float) and value.is_integer()):
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        _reject(value, f"an integer in [{low}, {high}]")
    return number


def _integer_range(data_type: dtype) -> tuple[int, int]:
    match = _INTEGER_NAME.fullmatch(data_type.name)
    assert match is not None
    bits = int(match[2])
    return (0, 2**bits - 1) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _decode_float(value: Any, _: dtype) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    _reject(value, 'a number, "NaN", "Infinity" or "-Infinity"')


def _encode_complex(element: Any) -> list[float]:
    return [float(element.real), float(element.imag)]


def _decode_complex(value: Any, data_type: dtype) -> complex:
    if not isinstance(value, list) or len(value) != 2:
        _reject(value, "an array of real and imaginary part")
    return complex(_decode_float(value[0], data_type), _decode_float(value[1], data_type))


def _encode_string(element: bytes) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"bytes that are not valid UTF-8 have no JSON form: {element!r} ({error.reason})"
        ) from None


def _decode_ustring(value: Any, _: dtype) -> str:
    return value if isinstance(value, str) else _reject(value, "a string")


def _decode_string(value: Any, data_type: dtype) -> bytes:
    return _decode_ustring(value, data_type).encode()


def _encode_char(element: bytes) -> str:
    return element.decode("latin-1") or "\0"


def _decode_char(value: Any, _: dtype) -> bytes:
    if not isinstance(value, str) or len(value) != 1 or ord(value) > 255:
        _reject(value, "a string of one character with a code below 256")
    return value.encode("latin-1")


def _encode_byte(element: Any) -> int:
    return element.tobytes()[0]  # type: ignore[no-any-return]


def _decode_byte(value: Any, _: dtype) -> bytes:
    return bytes([_decode_integer(value, dtype("uint8"))])


def _decode_datetime(value: Any, data_type: dtype) -> Any:
    if isinstance(value, str):
        try:
            return data_type(value)
        except ValueError:
            pass
    _reject(value, "the ISO 8601 text of a date and time")


def _encode_timedelta(element: Any) -> int | str:
    return "NaT" if np.isnat(element) else int(element.astype(np.int64))


def _decode_timedelta(value: Any, data_type: dtype) -> Any:
    return data_type(value if value == "NaT" else _decode_integer(value, dtype("int64")))


def _decode_json(value: Any, _: dtype) -> Any:
    return value


_INTEGER: Final = ElementJson(int, _decode_integer)
_FLOAT: Final = ElementJson(float, _decode_float)
_BY_NAME: Final = {
    "bool": ElementJson(bool, _decode_bool),
    "string": ElementJson(_encode_string, _decode_string),
    "ustring": ElementJson(str, _decode_ustring),
    "char": ElementJson(_encode_char, _decode_char),
    "byte": ElementJson(_encode_byte, _decode_byte),
    "json": ElementJson(normalize_json, _decode_json),
}
_BY_PREFIX: Final = {
    "complex": ElementJson(_encode_complex, _decode_complex),
    "datetime64": ElementJson(str, _decode_datetime),
    "timedelta64": ElementJson(_encode_timedelta, _decode_timedelta),
}
