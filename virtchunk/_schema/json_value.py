"""JSON values in one canonical form, and how they are printed.

The canonical form is made of fresh `dict` (keys sorted), `list`, `str`, `int`, `float`, `bool` and
None, so that two equal values also print and serialise equally and nothing is shared with the
caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

__all__ = ("format_json", "json_type_name", "normalize_json")

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1
_WIDTH: Final = 80


def normalize_json(value: Any) -> Any:
    """Return a canonical copy of a value that JSON can express.

    An object with a method ``to_json`` stands for what that returns. Mappings become `dict` (a key
    that is not a string is converted by `str`; of keys that then coincide the first wins),
    sequences and arrays become `list`, and a number of any other type becomes the `int` or `float`
    it converts to. NaN and infinities are kept.

    Args:
        value: The value, which is not modified.

    Raises:
        TypeError: Some part of it has no JSON form.
        OverflowError: An integer is outside ``[-2**63, 2**64)``.
        ValueError: A string is not valid Unicode, or the nesting is too deep (that of a list that
            contains itself is).

    Example:
        >>> from virtchunk._schema.json_value import normalize_json
        >>> normalize_json({"b": (1, np.int8(2)), "a": ts.int32})
        {'a': 'int32', 'b': [1, 2]}
    """
    try:
        return _normalize(value)
    except RecursionError:
        raise ValueError("the value is nested too deeply to be JSON") from None


def _normalize(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, int):
        return _normalize_int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return _normalize_str(value)
    if callable(to_json := getattr(value, "to_json", None)) and not isinstance(value, type):
        return _normalize(to_json())
    if isinstance(value, Mapping):
        return _normalize_mapping(value)
    return _normalize_sequence_or_number(value)


def _normalize_int(value: int) -> int:
    if not _INT_MIN <= value <= _INT_MAX:
        raise OverflowError(
            f"integer {value} is outside the range of JSON integers [-2**63, 2**64)"
        )
    return int(value)


def _normalize_str(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"string {value!r} is not valid Unicode: {error}") from None
    return str(value)


def _normalize_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, member in value.items():
        members.setdefault(_normalize_str(str(key)), member)
    return {key: _normalize(members[key]) for key in sorted(members)}


def _normalize_sequence_or_number(value: Any) -> Any:
    kind = type(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return _normalize(value[()])
    if hasattr(kind, "__len__") and hasattr(kind, "__getitem__"):
        return [_normalize(item) for item in value]
    if hasattr(kind, "__index__"):
        return _normalize_int(value.__index__())
    if hasattr(kind, "__float__") and not isinstance(value, np.complexfloating):
        return float(value)
    raise TypeError(f"{value!r} of type {kind.__name__} has no JSON form")


def json_type_name(value: Any) -> str:
    """Return what JSON calls the type of a normalised value, for error messages.

    Example:
        >>> from virtchunk._schema.json_value import json_type_name
        >>> json_type_name({}), json_type_name(None)
        ('object', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def format_json(value: Any) -> str:
    """Print a normalised JSON value as a Python expression, for `repr`.

    What fits into 80 columns stays on one line; otherwise each member gets its own, as a code
    formatter would lay it out.

    Example:
        >>> from virtchunk._schema.json_value import format_json
        >>> format_json({"rank": 3, "dtype": "int32"})
        "{'dtype': 'int32', 'rank': 3}"
    """
    return _format(value, 0, 0)


def _format(value: Any, level: int, used: int) -> str:
    """Format ``value``, which begins at column ``used`` of a line indented by ``level`` steps."""
    line = _one_line(value)
    if not value or not isinstance(value, (dict, list)) or used + len(line) <= _WIDTH - level:
        return line
    indent = "  " * (level + 1)
    if isinstance(value, dict):
        names = [f"{key!r}: " for key in sorted(value)]
        members = [value[key] for key in sorted(value)]
    else:
        names = [""] * len(value)
        members = value
    body = "".join(
        f"{indent}{name}{_format(member, level + 1, len(indent) + len(name))},\n"
        for name, member in zip(names, members, strict=True)
    )
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{opening}\n{body}{'  ' * level}{closing}"


def _one_line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_one_line(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_one_line, value)) + "]"
    return repr(value)
