"""JSON values in canonical form, and their `repr`; recorded from tensorstore 0.1.86."""

from __future__ import annotations

import decimal
import enum
import json
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.strategies_schema import json_values
from virtchunk._schema.dtype import dtype
from virtchunk._schema.json_value import format_json, json_type_name, normalize_json
from virtchunk._schema.unit import Unit


class Colour(enum.IntEnum):
    RED = 1


class Pair:
    """A sequence by protocol only."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        if index >= 2:
            raise IndexError
        return index


class Half:
    def __float__(self) -> float:
        return 0.5


class Five:
    def __index__(self) -> int:
        return 5


class Described:
    def to_json(self) -> Any:
        return {"unit": Unit("3nm")}


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ({1: "first", "1": "second"}, {"1": "first"}),
        ({None: 1, True: 2, 1.5: 3}, {"1.5": 3, "None": 1, "True": 2}),
        ((1, (2,)), [1, [2]]),
        (b"a", [97]),
        (Colour.RED, 1),
        (Five(), 5),
        (Half(), 0.5),
        (decimal.Decimal("1.5"), 1.5),
        (Pair(), [0, 1]),
        (range(3), [0, 1, 2]),
        (Described(), {"unit": [3.0, "nm"]}),
        ([dtype("uint8")], ["uint8"]),
        (np.int8(-1), -1),
        (np.float32(0.1), 0.10000000149011612),
        (np.str_("x"), "x"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (2**63, 2**63),
        (-(2**63), -(2**63)),
        # Ours; there 1.0, an error, an error, the keys alone, an error:
        (np.True_, True),
        (np.array(7), 7),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (np.uint64(2**64 - 1), 2**64 - 1),
    ],
)
def test_canonical_form(value: Any, normal: Any) -> None:
    result = normalize_json(value)

    assert repr(result) == repr(normal)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (1j, TypeError),
        (np.complex64(1), TypeError),
        ({1, 2}, TypeError),
        (object(), TypeError),
        ([{"a": ...}], TypeError),
        (int, TypeError),
        (dtype, TypeError),
        (np.datetime64("2020"), TypeError),
        (2**64, OverflowError),
        (-(2**63) - 1, OverflowError),
        ("\ud800", ValueError),
        ({"\ud800": 1}, ValueError),
    ],
)
def test_what_has_no_json_form(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        normalize_json(value)


def test_a_value_inside_itself_is_an_error() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(ValueError, match="nested too deeply"):
        normalize_json(value)


@given(json_values())
def test_canonical_form_is_a_fresh_equal_value(value: Any) -> None:
    once = normalize_json(value)

    assert json.dumps(once, sort_keys=True) == json.dumps(value, sort_keys=True)
    assert repr(normalize_json(once)) == repr(once)
    if isinstance(value, (dict, list)):
        assert once is not value


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "number"),
        (0.5, "number"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
    ],
)
def test_names_of_types(value: Any, name: str) -> None:
    assert json_type_name(value) == name


def test_short_values_are_printed_on_one_line() -> None:
    assert format_json({"b": [1.0, None], "a": {"c": True}}) == (
        "{'a': {'c': True}, 'b': [1.0, None]}"
    )
    assert format_json({}) == "{}"


def test_long_values_are_printed_one_member_per_line() -> None:
    value = {"exclusive_max": [10] * 15, "inclusive_min": [0] * 15}

    assert format_json({"domain": value, "rank": 15}) == "\n".join(
        [
            "{",
            "  'domain': {",
            "    'exclusive_max': [",
            *["      10,"] * 15,
            "    ],",
            "    'inclusive_min': [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],",
            "  },",
            "  'rank': 15,",
            "}",
        ]
    )


@pytest.mark.parametrize(
    ("letters", "lines"), [(25, 1), (26, 5), (52, 5), (53, 7), (65, 7), (66, 9)]
)
def test_where_lines_are_broken(letters: int, lines: int) -> None:
    value = {"dtype": "json", "fill_value": {"a": ["b" * letters]}, "rank": 5}

    assert len(format_json(value).splitlines()) == lines


@given(json_values())
def test_what_is_printed_is_the_value(value: Any) -> None:
    printed = format_json(normalize_json(value))

    assert repr(eval(printed, {"nan": float("nan"), "inf": float("inf")})) == repr(
        normalize_json(value)
    )
