"""Arrays of elements in JSON: nested arrays, or just an element for rank 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from virtchunk._schema.element_json import element_json

if TYPE_CHECKING:
    from virtchunk._schema.dtype import dtype

__all__ = ("array_from_json", "array_to_json")

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def array_to_json(array: Array, data_type: dtype) -> Any:
    """Return the JSON representation of an array.

    Raises:
        ValueError: An element has none (bytes that are not UTF-8).
    """
    encode = element_json(data_type).encode
    return _nest([encode(item) for item in array.reshape(-1)], array.shape)


def array_from_json(value: Any, data_type: dtype, what: str) -> Array:
    """Return the array that a normalised JSON value represents.

    Args:
        value: Nested arrays of elements.
        data_type: What the elements are.
        what: What the value is, for messages.

    Raises:
        ValueError: The nested arrays are ragged, or an element is none of that type.
    """
    decode = element_json(data_type).decode
    element_depth = 1 if data_type.name.startswith("complex") else 0
    shape = _shape(value, element_depth)
    array = np.empty(shape, dtype=data_type.numpy_dtype)
    flat = array.reshape(-1)
    with np.errstate(over="ignore"):
        for index, item in enumerate(_leaves(value, shape, what)):
            if isinstance(item, list) and not element_depth:
                raise ValueError(f"{what} must have elements at depth {len(shape)}, got {item!r}")
            flat[index] = decode(item, data_type)
    return array


def _nest(items: list[Any], shape: tuple[int, ...]) -> Any:
    """Arrange items in nested lists of a shape."""
    if not shape:
        return items[0]
    step = len(items) // shape[0] if shape[0] else 0
    return [_nest(items[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def _shape(value: Any, element_depth: int) -> tuple[int, ...]:
    """Return the shape of nested lists, whose innermost ``element_depth`` levels are elements."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape[: len(shape) - element_depth] if shape else shape)


def _leaves(value: Any, shape: tuple[int, ...], where: str) -> list[Any]:
    """Return the elements of nested lists of a shape.

    Raises:
        ValueError: The lists do not have that shape.
    """
    if not shape:
        return [value]
    if not isinstance(value, list) or len(value) != shape[0]:
        raise ValueError(f"{where} must be an array of length {shape[0]}, got {value!r}")
    leaves = [_leaves(item, shape[1:], f"{where}[{i}]") for i, item in enumerate(value)]
    return [leaf for part in leaves for leaf in part]
