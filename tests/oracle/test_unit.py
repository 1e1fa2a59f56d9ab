"""Units and the units of dimensions against the original (tensorstore 0.1.86)."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.strategies_schema import (
    OURS,
    evaluate,
    json_values,
    multipliers,
    outcome,
    unit_texts,
    units,
)

ts = pytest.importorskip("tensorstore")


@given(unit_texts())
def test_text_is_read_alike(text: str) -> None:
    expected = outcome(ts, "ts.Unit(text)", text=text)

    assert expected == outcome(OURS, "ts.Unit(text)", text=text)


@given(multipliers(), st.sampled_from(["", ", 'nm'", ", ' 4'", ", None", ", 3"]))
def test_numbers_are_taken_alike(multiplier: str, base_unit: str) -> None:
    expected = outcome(ts, f"ts.Unit({multiplier}{base_unit})")

    assert expected == outcome(OURS, f"ts.Unit({multiplier}{base_unit})")


@given(multipliers(), st.sampled_from("*/"), multipliers())
def test_arithmetic_is_alike(unit: str, operation: str, number: str) -> None:
    expected = outcome(ts, f"ts.Unit({unit}, 'm') {operation} ({number})")

    assert expected == outcome(OURS, f"ts.Unit({unit}, 'm') {operation} ({number})")


@given(multipliers(), st.sampled_from(["", "m", "4m", " "]))
def test_display_is_alike(multiplier: str, base_unit: str) -> None:
    expected = str(evaluate(ts, f"ts.Unit({multiplier}, {base_unit!r})"))

    assert expected == str(evaluate(OURS, f"ts.Unit({multiplier}, {base_unit!r})"))


@given(unit_texts(), unit_texts())
def test_equality_is_alike(a: str, b: str) -> None:
    text = f"ts.Unit({a!r}) == ts.Unit({b!r})"

    assert evaluate(ts, text) == evaluate(OURS, text)


@given(json_values() | st.lists(json_values(), min_size=2, max_size=2))
def test_json_is_read_alike(json: object) -> None:
    expected = outcome(ts, "ts.Unit(json=json)", json=json)

    assert expected == outcome(OURS, "ts.Unit(json=json)", json=json)


@given(units())
def test_the_unit_of_a_dimension_is_read_alike(unit: str) -> None:
    assume("ts.Unit({" not in unit)
    text = f"ts.Schema(dimension_units=[{unit}]).dimension_units"
    expected = outcome(ts, text)

    assert expected == outcome(OURS, text)
