"""Which values a write accepts, and what array they become.

Arrays (and everything that presents itself as one: array protocols, buffers) are converted only
where NumPy calls the conversion *safe*, so that no write loses information silently. Python
scalars, NumPy scalars and sequences of them carry no data type that was chosen on purpose, so each
element is converted as assigning it to an element of an array converts it: ``1.5`` becomes the
integer 1, and 300 does not fit into ``uint8``.

The elements of ``string``, ``ustring`` and ``json`` are never converted to text or bytes: they must
be `bytes`, `str` and JSON values already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from virtchunk._schema.dtype import dtype, dtype_from_numpy
from virtchunk._schema.json_value import normalize_json

__all__ = ("check_cast", "convert_array", "infer_dtype")

_PLAIN: Final = (bool, int, float, complex, str, bytes, list, tuple, dict, np.generic, type(None))
_PROTOCOLS: Final = ("__array__", "__array_interface__", "__array_struct__")


def convert_array(value: Any, data_type: dtype | None = None) -> np.ndarray[Any, np.dtype[Any]]:
    """Return a value that is to be written as an array of the data type.

    The result may be ``value`` itself or share its memory; it may be read-only.

    Args:
        value: A scalar, a nested sequence of scalars, or an array.
        data_type: What the elements are; by default what they stand for by themselves, where
            objects stand for JSON values.

    Raises:
        TypeError: An array whose elements cannot be converted safely, or an element of the wrong
            type.
        ValueError: A scalar that does not denote an element, a ragged sequence, or (without
            ``data_type``) elements of a type that stands for no `dtype`.
        OverflowError: A number that does not fit.

    Example:
        >>> from virtchunk._schema.conversion import convert_array
        >>> convert_array([1, 2.5], ts.uint8)
        array([1, 2], dtype=uint8)
        >>> convert_array(np.array([1, 2]), ts.uint8)
        Traceback (most recent call last):
        TypeError: cannot write an array of int64 as uint8: ...
    """
    if data_type is None:
        array = np.asarray(value)
        data_type = infer_dtype(array.dtype)
        value = array
    convert = _BY_NAME.get(data_type.name)
    if convert is not None:
        return convert(value)
    if not isinstance(value, np.ndarray):
        if not _is_array_like(value):
            return np.array(value, dtype=data_type.numpy_dtype)
        value = np.asarray(value)
    if value.dtype == data_type.numpy_dtype:
        return np.asarray(value)
    check_cast(value.dtype, data_type)
    return np.asarray(value, dtype=data_type.numpy_dtype)


def infer_dtype(numpy_dtype: np.dtype[Any]) -> dtype:
    """Return the data type of an array for which none was given: objects are JSON values.

    Raises:
        ValueError: No data type stands for ``numpy_dtype``.
    """
    return dtype("json") if numpy_dtype.kind == "O" else dtype_from_numpy(numpy_dtype)


def check_cast(source: np.dtype[Any], target: dtype) -> None:
    """Check that an array may be written as another data type.

    Any source is let through to ``string``, ``ustring`` and ``json``, whose elements are checked
    one by one.

    Args:
        source: Data type of the array to be written.
        target: Data type that it is written as.

    Raises:
        TypeError: Some value of ``source`` has no equal value of ``target``.
    """
    if target.numpy_dtype.kind != "O" and not np.can_cast(source, target.numpy_dtype, "safe"):
        raise TypeError(
            f"cannot write an array of {source} as {target.name}: that is not a safe conversion; "
            f"if losing information is intended, convert the array first, as in "
            f'array.astype("{target.numpy_dtype}")'
        )


def _is_array_like(value: Any) -> bool:
    if isinstance(value, _PLAIN):
        return False
    if any(hasattr(value, protocol) for protocol in _PROTOCOLS):
        return True
    try:
        memoryview(value).release()
    except TypeError:
        return False
    return True


def _objects(value: Any, element: Callable[[Any], Any]) -> np.ndarray[Any, np.dtype[Any]]:
    source = np.asarray(value, dtype=object)
    result = np.empty(source.shape, dtype=object)
    flat = result.reshape(-1)
    for index, item in enumerate(source.reshape(-1)):
        flat[index] = element(item)
    return result


def _to_json(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    return _objects(value, normalize_json)


def _to_string(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    return _objects(value, _bytes_element)


def _to_ustring(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    return _objects(value, _str_element)


def _bytes_element(item: Any) -> bytes:
    if not isinstance(item, bytes):
        raise TypeError(f"an element of string must be bytes, got {item!r}; text is ustring")
    return bytes(item)


def _str_element(item: Any) -> str:
    if not isinstance(item, str):
        raise TypeError(f"an element of ustring must be str, got {item!r}; bytes are string")
    item.encode()
    return str(item)


def _to_char(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    array = np.asarray(value)
    if array.dtype.kind == "U" and not _is_array_like(value):
        array = array.astype(bytes)
    return _single_bytes(array, dtype("char"), "S")


def _to_byte(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    return _single_bytes(np.asarray(value), dtype("byte"), "SV")


def _single_bytes(
    array: np.ndarray[Any, np.dtype[Any]], target: dtype, kinds: str
) -> np.ndarray[Any, np.dtype[Any]]:
    source = array.dtype
    if source.kind not in kinds or source.itemsize > 1 or source.names is not None:
        raise TypeError(
            f"cannot write elements of {source} as {target.name}: "
            f"each must be a single byte, as in an array of {target.numpy_dtype}"
        )
    return np.asarray(array, dtype=target.numpy_dtype)


_BY_NAME: Final[dict[str, Callable[[Any], np.ndarray[Any, np.dtype[Any]]]]] = {
    "byte": _to_byte,
    "char": _to_char,
    "json": _to_json,
    "string": _to_string,
    "ustring": _to_ustring,
}
