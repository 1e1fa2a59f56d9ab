"""Converting elements to another data type, on purpose: what `cast` does.

Unlike a write, a cast may lose information: fractions are cut off, integers keep their low bits,
numbers become text. Numbers convert to each other, save a complex number to a truth value; they
become text, but text does not become numbers; and JSON values convert both ways, if they are what
the other type asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from virtchunk._schema.dtype import dtype
from virtchunk._schema.element_json import element_json

__all__ = ("Convert", "conversion")

Array: TypeAlias = "np.ndarray[Any, Any]"
Convert: TypeAlias = Callable[[Array, Array], None]
"""Puts the elements of one array, converted, into another one of the same shape."""

_FLOAT: Final = re.compile(r"b?float\d")
_INTEGER: Final = re.compile(r"u?int\d+")
_TIME: Final = re.compile(r"(datetime|timedelta)64")
_TEXT: Final = ("string", "ustring")
_BYTES: Final = ("char", "byte")


def _kind(data_type: dtype) -> str:
    name = data_type.name
    if _INTEGER.fullmatch(name):
        return "integer"
    if _FLOAT.match(name):
        return "float"
    if name.startswith("complex"):
        return "complex"
    time = _TIME.match(name)
    return time[1] if time else name


def conversion(source: dtype, target: dtype) -> Convert | None:
    """Return how to convert elements from one data type to another; None if that is not possible.

    What it returns raises `ValueError` for an element that the target type cannot hold.

    Example:
        >>> from virtchunk._schema.cast import conversion
        >>> text = np.empty(2, object)
        >>> conversion(ts.float32, ts.ustring)(np.array([0.1, 2], np.float32), text)
        >>> text
        array(['0.1', '2'], dtype=object)
    """
    one, two = _kind(source), _kind(target)
    if source == target or (one == two and one in {"datetime", "timedelta"}):
        return _copy
    if {one, two} <= {*_BYTES}:
        return _reinterpret
    if {one, two} == {"bool", "complex"}:
        return _copy if one == "bool" else None
    if {one, two} <= _NUMBERS:
        return _copy_real_part if one == "complex" and two != one else _copy_number(source, target)
    if two in _TEXT and one in _TO_TEXT:
        return _by_element(_encoded(_TO_TEXT[one]) if two == "string" else _TO_TEXT[one])
    if two == "json" and one in {*_NUMBERS, *_TEXT}:
        return _by_element(element_json(source).encode)
    if one == "json" and two in {"bool", "integer", "float", *_TEXT}:
        decode = element_json(target).decode
        return _by_element(lambda element: decode(element, target))
    return None


_NUMBERS: Final = {"bool", "integer", "float", "complex"}


# -- numbers ---------------------------------------------------------------------------------------


def _copy(source: Array, target: Array) -> None:
    # An infinity or a large number that an integer cannot hold becomes whatever the processor says.
    with np.errstate(all="ignore"):
        np.copyto(target, source, casting="unsafe")


def _copy_real_part(source: Array, target: Array) -> None:
    _copy(source.real, target)


def _copy_number(source: dtype, target: dtype) -> Convert:
    """Convert by way of a type that NumPy knows both from and to, where it has no direct way."""
    if source.numpy_dtype.isbuiltin == 1 and target.numpy_dtype.isbuiltin == 1:
        return _copy
    middle = np.dtype(np.int64 if _kind(source) == "integer" else np.float32)
    if source.numpy_dtype.isbuiltin == 1:
        # Directly, or a number would be rounded twice; integers first lose their upper bits.
        if _kind(target) != "integer":
            return _copy
        middle = np.dtype(np.int8)

    def by_way(source: Array, target: Array) -> None:
        with np.errstate(all="ignore"):
            _copy(source.astype(middle), target)

    return by_way


def _reinterpret(source: Array, target: Array) -> None:
    target.view(np.uint8)[...] = source.view(np.uint8)


# -- text and JSON ---------------------------------------------------------------------------------


def _by_element(convert: Callable[[Any], Any]) -> Convert:
    def put(source: Array, target: Array) -> None:
        if source.dtype.kind == "V":  # elements that are no Python numbers
            source = source.astype(np.int8 if "int" in source.dtype.name else np.float64)
        for index, element in zip(np.ndindex(source.shape), source.ravel().tolist(), strict=True):
            target[index] = convert(element)

    return put


def _float_text(element: float) -> str:
    return f"{element:g}"


def _complex_text(element: complex) -> str:
    return f"({element.real:g},{element.imag:g})"


def _decoded(element: bytes) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"bytes that are not valid UTF-8 cannot become text: {element!r} ({error.reason})"
        ) from None


def _encoded(text: Callable[[Any], str]) -> Callable[[Any], bytes]:
    return lambda element: text(element).encode()


_TO_TEXT: Final[dict[str, Callable[[Any], str]]] = {
    "integer": str,
    "float": _float_text,
    "complex": _complex_text,
    "string": _decoded,
    "ustring": str,
    "json": lambda element: element_json(dtype("ustring")).decode(element, dtype("ustring")),
}
