"""`Schema` and the rules for its parts against the original (tensorstore 0.1.86)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.oracle.exclusions import excluded
from tests.strategies import Extent, domain_text
from tests.strategies_index_programs import transform_operations
from tests.strategies_schema import (
    OURS,
    evaluate,
    fill_value_texts,
    has_distinct_labels,
    json_values,
    observe,
    outcome,
    schema_keywords,
    schema_texts,
    small_domains,
)

ts = pytest.importorskip("tensorstore")


def updates(module: Any, texts: list[str]) -> list[Any]:
    """What a schema says after each update, up to the first that fails."""
    seen: list[Any] = []
    try:
        schema = module.Schema()
        for text in texts:
            schema.update(**evaluate(module, f"dict({text})"))
            seen.append(observe(module, schema))
    except Exception as error:
        seen.append(type(error))
    return seen


@given(st.integers(0, 4).flatmap(lambda rank: st.lists(schema_keywords(rank), max_size=4)))
def test_updates_merge_alike(texts: list[str]) -> None:
    assume(sum("fill_value=nan" in text for text in texts) < 2)  # there a conflict with itself
    expected = updates(ts, texts)

    assert expected == updates(OURS, texts)


@given(st.integers(0, 3).flatmap(lambda rank: st.tuples(*[small_domains(rank)] * 2)))
def test_domains_merge_alike(pair: tuple[list[Extent], list[Extent]]) -> None:
    merged = [a.label or b.label for a, b in zip(*pair, strict=True)]
    assume(has_distinct_labels(merged))  # or else the original makes an invalid domain
    texts = [f"domain={domain_text(extents)}" for extents in pair]
    expected = updates(ts, texts)

    assert expected == updates(OURS, texts)


@given(schema_texts(), st.data())
def test_indexing_transforms_all_parts_alike(text: str, data: st.DataObject) -> None:
    assume(not isinstance(outcome(OURS, text), type))
    # Beyond an implicit bound the original knows no fill value, not even one for all positions.
    assume(not ("fill_value" in text and "implicit" in text))
    ours = evaluate(OURS, text)
    theirs = evaluate(ts, text)
    assume(ours.rank is not None)
    view = ours._get_transform()
    operation = data.draw(transform_operations(OURS, view, excluded))
    # What becomes of transforms as such is for the tests of indexing to compare.
    whole = f"ts.IndexTransform(domain=ts.IndexDomain(json={view.domain.to_json()}))"
    text = f"str({whole}{operation})"
    assume(outcome(ts, text) == outcome(OURS, text))
    expected = outcome(ts, f"x{operation}", x=theirs)

    assert expected == outcome(OURS, f"x{operation}", x=ours)


@given(schema_texts())
def test_json_is_read_back_alike(text: str) -> None:
    schema = outcome(OURS, text)
    assume(not isinstance(schema, type))
    json = evaluate(OURS, text).to_json()
    expected = outcome(ts, "ts.Schema(json)", json=json)

    assert expected == outcome(OURS, "ts.Schema(json)", json=json)


@given(
    st.sampled_from(["bool", "uint8", "int64", "float32", "string", "ustring", "json", "int4"]),
    json_values(),
)
def test_a_fill_value_in_json_is_read_alike(data_type: str, value: Any) -> None:
    assume("[]" not in repr(value))  # beside which the original ignores elements
    json = {"dtype": data_type, "fill_value": value}
    expected = outcome(ts, "ts.Schema(json)", json=json)

    assert expected == outcome(OURS, "ts.Schema(json)", json=json)


@given(
    st.sampled_from(["bool", "uint8", "int64", "float32", "string", "ustring", "json", "bfloat16"]),
    fill_value_texts(),
)
def test_a_fill_value_is_converted_alike(data_type: str, value: str) -> None:
    text = f"ts.Schema(dtype={data_type!r}, fill_value={value})"
    expected = outcome(ts, text)

    assert expected == outcome(OURS, text)


@given(schema_texts())
def test_repr_is_alike(text: str) -> None:
    assume(not isinstance(outcome(OURS, text), type))
    printed = repr(evaluate(OURS, text))
    # The original prints bytes instead of characters, and null, which is not Python.
    assume(printed.isascii() and not re.search(r"nan|inf|\\|\"", printed))

    assert repr(evaluate(ts, text)) == printed
