"""Hypothesis strategies for specs of arrays and what can be done with them, as Python source.

The text runs on either implementation, see ``strategies_schema``. ``CONTEXT`` is a context that
both know by that name.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.strategies import Draw, rarely
from tests.strategies_schema import schema_keywords

__all__ = ["array_spec_texts", "names_of", "observe_spec", "spec_jsons", "update_texts"]

ELEMENTS: dict[str, st.SearchStrategy[Any]] = {
    "int8": st.integers(-3, 3),
    "bool": st.booleans(),
    "float32": st.sampled_from([0.0, -1.5, 2.0, math.inf, math.nan]),
    "ustring": st.sampled_from(["", "a", "bc"]),
    "json": st.sampled_from([None, True, 1, "a", {"a": [1]}]),
}
REFERENCES: list[Any] = [
    "data_copy_concurrency",
    "data_copy_concurrency#a",
    "data_copy_concurrency#nowhere",
    {"limit": 3},
    {},
    {"limit": "shared"},
    ["data_copy_concurrency#a"],
]
CONTEXTS: list[Any] = [
    {},
    {"data_copy_concurrency": {"limit": 5}},
    {"data_copy_concurrency": "data_copy_concurrency#a", "cache_pool": {}},
    {"data_copy_concurrency#a": {"limit": 7}},
]


def names_of(module: Any) -> dict[str, Any]:
    """The names that the texts use beside ``ts``."""
    members = {"data_copy_concurrency": {"limit": 3}, "data_copy_concurrency#a": {"limit": 4}}
    return {"CONTEXT": module.Context(members)}


def observe_spec(spec: Any) -> list[Any]:
    """Describe a spec by what users can see of it."""
    layout = spec.chunk_layout.to_json()
    layout.pop("rank", None)  # which the original takes from the other side of the transform
    if 0 in np.shape(spec.to_json()["array"]):
        layout.pop("inner_order")  # of no elements, and by different strides
    complete = spec.to_json(include_defaults=True)
    constraints = complete["schema"].pop("chunk_layout", {})
    constraints.pop("rank", None)  # which the schema tells anyhow
    return [
        repr(spec.to_json()),
        repr([complete, constraints]),
        repr([spec.rank, spec.domain, spec.transform, spec.open_mode]),
        spec.dtype.name,
        repr([unit and (unit.multiplier, unit.base_unit) for unit in spec.dimension_units]),
        repr(layout),
        spec.kvstore,
        spec.base,
        spec.codec,
        spec.fill_value,
    ]


@st.composite
def _nested(draw: Draw, shape: tuple[int, ...], elements: st.SearchStrategy[Any]) -> Any:
    if not shape:
        return draw(elements)
    return [draw(_nested(shape[1:], elements)) for _ in range(shape[0])]


@st.composite
def spec_jsons(draw: Draw) -> dict[str, Any]:
    """The JSON of a spec of a small array; sometimes empty, of rank 0, of more than one type."""
    data_type = draw(st.sampled_from(["int8", "int8", *ELEMENTS]))
    shape = draw(st.sampled_from([(2, 3), (3,), (2, 1, 2), (), (0,), (2, 0), (1, 1), (3, 2)]))
    json: dict[str, Any] = {
        "driver": "array",
        "dtype": data_type,
        "array": draw(_nested(shape, ELEMENTS[data_type])),
    }
    if draw(rarely(4)):
        json["data_copy_concurrency"] = draw(st.sampled_from(REFERENCES))
    if draw(rarely(4)):
        json["context"] = draw(st.sampled_from(CONTEXTS))
    if draw(rarely(6)):
        json["rank"] = len(shape)
    if draw(rarely(4)):
        units = [None if draw(st.booleans()) else [4.0, "nm"] for _ in shape]
        json["schema"] = {"dimension_units": units} if shape else {}
    return json


def array_spec_texts() -> st.SearchStrategy[str]:
    """A valid spec of an array."""
    return spec_jsons().map(lambda json: f"ts.Spec({json})")


OPTIONS = [
    *("open=True", "create=True", "open=None", "open='a'", "delete_existing=1"),
    *("open_mode=ts.OpenMode(create=True)", "open_mode=5", "assume_metadata=True"),
    *("recheck_cached_data=False", "recheck_cached='open'", "recheck_cached_metadata='never'"),
    *("recheck_cached=5.5", "minimal_spec=True", "kvstore='memory://'", "kvstore=None"),
    *("context=CONTEXT", "context=CONTEXT", "context=5", "context=None"),
]
MUTATIONS = ["strip_context=True", "unbind_context=True", "unbind_context=False", "color='red'"]


@st.composite
def update_texts(draw: Draw, rank: int, *, more: list[str] = MUTATIONS) -> str:
    """Keyword arguments: constraints for a rank, options, and what to do with the context."""
    options = draw(st.lists(st.sampled_from([*OPTIONS, *more]), max_size=2, unique=True))
    names = [option.split("=")[0] for option in options]
    keywords = [option for at, option in enumerate(options) if names[at] not in names[:at]]
    if draw(st.booleans()):
        keywords.append(draw(schema_keywords(rank, many=False)))
    return ", ".join(keywords)
