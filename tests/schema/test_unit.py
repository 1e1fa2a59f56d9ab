"""Units; answers recorded from tensorstore 0.1.86 unless a comment says that they are ours."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtchunk._schema.unit import Unit


@pytest.mark.parametrize(
    ("text", "multiplier", "base_unit"),
    [
        ("4nm", 4, "nm"),
        ("nm", 1, "nm"),
        ("3e5", 3e5, ""),
        ("", 1, ""),
        ("  ", 1, ""),
        (" 4 nm ", 4, "nm"),
        ("\f4\tnm x\n", 4, "nm x"),
        ("4.5e-3 m", 0.0045, "m"),
        ("-3m", -3, "m"),
        ("+.5m", 0.5, "m"),
        ("5.m", 5, "m"),
        ("-0", -0.0, ""),
        ("0e-400m", 0, "m"),
        ("3e", 3, "e"),
        ("1e+m", 1, "e+m"),
        ("3 e5", 3, "e5"),
        ("1e5e5", 1e5, "e5"),
        ("1.2.3", 1.2, ".3"),
        ("0x10m", 0, "x10m"),
        ("1_000m", 1, "_000m"),
        ("10 4", 10, "4"),
        ("--3", 1, "--3"),
        ("+ 3m", 1, "+ 3m"),
        (".", 1, "."),
        ("e5", 1, "e5"),
        ("m4", 1, "m4"),
        ("inf", 1, "inf"),
        ("nan", 1, "nan"),
        ("1e400m", 1, "1e400m"),
        ("1e-310m", 1, "1e-310m"),
        ("4\u00b5m", 4, "\u00b5m"),
        ("4\u00a0m", 4, "\u00a0m"),
        ("\u0661m", 1, "\u0661m"),
    ],
)
def test_text_is_split_into_number_and_base_unit(
    text: str, multiplier: float, base_unit: str
) -> None:
    unit = Unit(text)

    assert (repr(unit.multiplier), unit.base_unit) == (repr(float(multiplier)), base_unit)


@pytest.mark.parametrize(
    ("unit", "multiplier", "base_unit"),
    [
        (Unit(), 1, ""),
        (Unit(3), 3, ""),
        (Unit(True), 1, ""),
        (Unit(np.float32(3.5)), 3.5, ""),
        (Unit(3, " m "), 3, " m "),
        (Unit(2, "5m"), 2, "5m"),
        (Unit((3, "m")), 3, "m"),
        (Unit([np.int64(3), np.str_("m")]), 3, "m"),  # type: ignore[call-overload]
        (Unit(multiplier=3), 3, ""),
        (Unit(multiplier=3, base_unit="m"), 3, "m"),
        (Unit(unit="3m"), 3, "m"),
        (Unit(unit=(3, "m")), 3, "m"),
        (Unit(json="3nm"), 3, "nm"),
        (Unit(json=[3, "nm"]), 3, "nm"),
        (Unit(json=[3, " 4"]), 3, " 4"),
        (Unit(json=3.5), 3.5, ""),
        (Unit(json=-math.inf), -math.inf, ""),
        (Unit(json=Unit("3m")), 3, "m"),
    ],
)
def test_forms_of_the_constructor(unit: Unit, multiplier: float, base_unit: str) -> None:
    assert (unit.multiplier, unit.base_unit) == (multiplier, base_unit)
    assert type(unit.multiplier) is float
    assert type(unit.base_unit) is str


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (["3", "m"], {}),
        ([3, None], {}),
        ([(3,)], {}),
        ([(3, "m", 4)], {}),
        ([("3", "m")], {}),
        (["m", 3], {}),
        ([None], {}),
        ([1j], {}),
        ([10**400], {}),
        ([{}], {}),
        ([Unit("3m")], {}),
        ([3, "m", 4], {}),
        ([b"3m"], {}),  # ours; there text
        ([], {"base_unit": "m"}),
        ([], {"unit": "m", "multiplier": 3}),
        ([], {"json": "m", "unit": "m"}),
        ([], {"color": 3}),
    ],
)
def test_other_arguments_are_refused(args: list[Any], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"a unit is Unit\(multiplier\), .* got Unit\("):
        Unit(*args, **kwargs)


@pytest.mark.parametrize(
    "json",
    [
        None,
        True,
        {},
        [],
        [3],
        [3, "m", 4],
        ["3", "m"],
        [True, "m"],
        [3, None],
        [0, "m"],
        [-1, "m"],
        [math.inf, "m"],
        [math.nan, "m"],
        b"m",
    ],
)
def test_other_json_is_refused(json: Any) -> None:
    with pytest.raises(ValueError, match="a unit in JSON"):
        Unit(json=json)


def test_arithmetic_changes_the_multiplier() -> None:
    unit = Unit("3.5nm")

    assert unit * 2 == Unit(7, "nm")
    assert unit / 2 == Unit(1.75, "nm")
    assert unit * np.array(2.0) == Unit(7, "nm")
    assert unit / 0 == Unit(math.inf, "nm")
    assert math.isnan((Unit(0) / 0).multiplier)
    assert (unit * 1e400).multiplier == math.inf


@pytest.mark.parametrize("number", [None, "2", 1j, Unit("2m"), 10**400, np.array([1, 2])])
def test_arithmetic_takes_numbers_only(number: Any) -> None:
    with pytest.raises(TypeError):
        Unit("3m") * number
    with pytest.raises(TypeError):
        Unit("3m") / number
    with pytest.raises(TypeError):
        number * Unit("3m")


def test_equality_is_that_of_number_and_text() -> None:
    assert Unit("3 nm") == Unit(3, "nm")
    assert Unit(0.0) == Unit(-0.0)
    assert Unit("1000nm") != Unit("1um")
    assert Unit(math.nan) != Unit(math.nan)
    assert Unit("3nm") != "3nm"  # ours; there a TypeError


def test_equal_units_have_equal_hashes() -> None:
    """There units are not hashable."""
    assert len({Unit("3nm"), Unit(3, "nm"), Unit("3m"), Unit(0.0), Unit(-0.0)}) == 3


def test_units_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Unit("3m").multiplier = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("unit", "text", "display"),
    [
        (Unit("4nm"), 'Unit(4, "nm")', "4 nm"),
        (Unit("nm"), 'Unit(1, "nm")', "nm"),
        (Unit(), 'Unit(1, "")', "1"),
        (Unit(300000), 'Unit(300000, "")', "300000"),
        (Unit(-3, "m"), 'Unit(-3, "m")', "-3 m"),
        (Unit(1e300), 'Unit(1e+300, "")', "1e+300"),
        (Unit(3, 'a"b\n'), 'Unit(3, "a\\"b\\n")', '3 a"b\n'),
        # Ours; there 0.333333, 1.23457e+08 and the bytes of the text:
        (Unit(1 / 3, "m"), 'Unit(0.3333333333333333, "m")', "0.333333 m"),
        (Unit(123456789), 'Unit(123456789.0, "")', "1.23457e+08"),
        (Unit("\u00b5m"), 'Unit(1, "\u00b5m")', "\u00b5m"),
    ],
)
def test_printed_forms(unit: Unit, text: str, display: str) -> None:
    assert repr(unit) == text
    assert str(unit) == display


@given(st.floats(allow_nan=False), st.text())
def test_every_form_leads_back(multiplier: float, base_unit: str) -> None:
    unit = Unit(multiplier, base_unit)

    assert eval(repr(unit), {"Unit": Unit, "inf": math.inf}) == unit
    assert pickle.loads(pickle.dumps(unit)) == unit
    assert copy.copy(unit) == copy.deepcopy(unit) == unit


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False), st.text())
def test_json_leads_back(multiplier: float, base_unit: str) -> None:
    unit = Unit(multiplier, base_unit)

    assert unit.to_json() == [multiplier, base_unit]
    assert Unit(json=unit.to_json()) == unit
