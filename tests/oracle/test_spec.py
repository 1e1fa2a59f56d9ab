"""`Spec`, `open`, `OpenMode` and ``TensorStore.spec`` against the original (tensorstore 0.1.86).

Virtual views have no JSON there, so the comparison runs on arrays in memory.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import virtchunk
from tests.oracle.exclusions import excluded
from tests.strategies_index_programs import transform_operations
from tests.strategies_schema import evaluate
from tests.strategies_spec import array_spec_texts, names_of, observe_spec, update_texts

ts = pytest.importorskip("tensorstore")

BOTH = (ts, virtchunk)
NAMES = {module: names_of(module) for module in BOTH}


def run(module: Any, source: str, **names: Any) -> Any:
    return evaluate(module, source, **NAMES[module], **names)


def without_units(json: dict[str, Any]) -> str:
    """The JSON of an array's spec, for which the original forgets to transform the units."""
    return repr({name: json[name] for name in json if name != "schema"})


def seen(module: Any, value: Any) -> Any:
    """Describe a value by what users can see of it."""
    if isinstance(value, module.Spec):
        return observe_spec(value)
    if isinstance(value, module.TensorStore):
        values = value.read().result()
        units = [unit and (unit.multiplier, unit.base_unit) for unit in value.dimension_units]
        same = [repr(value.domain), value.dtype.name, value.mode, units, repr(values.tolist())]
        return [*same, without_units(value.spec(retain_context=True).to_json())]
    return repr(value)


def outcome(module: Any, source: str, **names: Any) -> Any:
    try:
        return seen(module, run(module, source, **names))
    except Exception as error:
        return type(error)


def updated(module: Any, spec: Any, keywords: str) -> Any:
    """What a spec says after an update, or the class of the error."""
    try:
        run(module, f"x.update({keywords})", x=spec)
    except Exception as error:
        return type(error)
    return seen(module, spec)


def not_comparable(keywords: str, transform: Any) -> bool:
    """Whether something is drawn that the original gets wrong."""
    arrays = any(output.index_array is not None for output in transform.output)
    # It drops hard constraints on the layout that an index array leaves nothing to act on.
    return arrays and "chunk_layout" in keywords


@given(array_spec_texts(), st.data())
def test_specs_are_indexed_alike(text: str, data: st.DataObject) -> None:
    theirs, ours = (run(module, text) for module in BOTH)
    assert seen(ts, theirs) == seen(virtchunk, ours)

    for _ in range(2):
        operation = data.draw(transform_operations(virtchunk, ours.transform, excluded))
        assume(not excluded(theirs.transform, operation))
        expected = outcome(ts, f"x{operation}", x=theirs)

        assert expected == outcome(virtchunk, f"x{operation}", x=ours)
        if isinstance(expected, type):
            return
        theirs = run(ts, f"x{operation}", x=theirs)
        ours = run(virtchunk, f"x{operation}", x=ours)


@given(array_spec_texts(), st.data())
def test_views_of_specs_are_updated_alike(text: str, data: st.DataObject) -> None:
    ours = run(virtchunk, text)
    operation = data.draw(st.just("") | transform_operations(virtchunk, ours.transform, excluded))
    assume(not excluded(run(ts, text).transform, operation))
    assume(isinstance(outcome(virtchunk, f"x{operation}", x=ours), list))
    theirs, ours = (run(module, f"{text}{operation}") for module in BOTH)

    for _ in range(3):
        keywords = data.draw(update_texts(ours.rank))
        assume(not not_comparable(keywords, ours.transform))
        expected = updated(ts, theirs, keywords)

        assert expected == updated(virtchunk, ours, keywords), keywords
        if isinstance(expected, type):
            return


@given(array_spec_texts(), st.data())
def test_specs_are_opened_alike(text: str, data: st.DataObject) -> None:
    ours = run(virtchunk, text)
    operation = data.draw(st.just("") | transform_operations(virtchunk, ours.transform, excluded))
    assume(not excluded(run(ts, text).transform, operation))
    assume(isinstance(outcome(virtchunk, f"x{operation}", x=ours), list))
    rank = run(virtchunk, f"x{operation}", x=ours).rank
    more = ["read=True", "write=True", "read=False", "write='a'", "batch=None", "transaction=None"]
    keywords = data.draw(update_texts(rank, more=more))
    assume(not not_comparable(keywords, run(virtchunk, f"x{operation}", x=ours).transform))
    program = f"ts.open({text}{operation}{', ' if keywords else ''}{keywords}).result()"
    expected = outcome(ts, program)

    assert expected == outcome(virtchunk, program), program
