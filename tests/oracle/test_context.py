"""`Context` against the original (tensorstore 0.1.86)."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from operator import getitem
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies_context import context_json, resource_keys
from virtchunk._context import Context

ts = pytest.importorskip("tensorstore")


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returns, or the class of what it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error)


def complete_json(context_class: Any, json: Any) -> Any:
    return context_class.Spec(json).to_json(include_defaults=True)


def answers(context_class: Any, child: Any, parent: Any, keys: list[str]) -> list[Any]:
    """What a context says about each key, and which keys lead to the same resource."""
    parent_context = None if parent is None else context_class(parent)
    context = context_class(child, parent_context)
    found: list[Any] = []
    for where in (context, *([] if parent_context is None else [parent_context])):
        found += [outcome(getitem, where, key) for key in keys]
    return [
        (
            resource if isinstance(resource, type) else resource.to_json(include_defaults=True),
            [other for other, also in enumerate(found) if also is resource],
        )
        for resource in found
    ]


@given(
    context_json(), st.none() | context_json(), st.lists(resource_keys(), min_size=1, max_size=6)
)
def test_a_key_leads_to_the_same_resource(child: Any, parent: Any, keys: list[str]) -> None:
    expected = answers(ts.Context, child, parent, keys)

    assert expected == answers(Context, child, parent, keys)


@given(context_json(), st.none() | context_json(), st.lists(resource_keys(), max_size=4))
def test_a_pickle_keeps_what_is_shared(child: Any, parent: Any, keys: list[str]) -> None:
    def shared_after(context_class: Any, transfer: Callable[[Any], Any]) -> list[Any]:
        parent_context = None if parent is None else context_class(parent)
        context = context_class(child, parent_context)
        resources = [outcome(getitem, context, key) for key in keys]
        again, parent_again, *resources_again = transfer((context, parent_context, *resources))
        found = [outcome(getitem, again, key) for key in keys]
        return [
            again.parent is parent_again,
            again is context,
            [one is other for one in resources_again for other in found],
            repr(again.spec),
        ]

    for transfer in (lambda value: pickle.loads(pickle.dumps(value)), copy.deepcopy):
        expected = shared_after(ts.Context, transfer)

        assert expected == shared_after(Context, transfer)


@given(context_json())
def test_a_spec_prints_and_serialises_the_same(json: Any) -> None:
    theirs, ours = ts.Context.Spec(json), Context.Spec(json)

    assert repr(theirs) == repr(ours)
    assert theirs.to_json() == ours.to_json()
    assert theirs.to_json(include_defaults=True) == ours.to_json(include_defaults=True)
    assert [*theirs.to_json()] == [*ours.to_json()]


KINDS = ["cache_pool", "data_copy_concurrency", "file_io_concurrency", "memory_key_value_store"]
KEYS = [*KINDS, "cache_pool#a", "cache_pool#", "cache_pool#a#b", "cache_pool ", "", "#a", "tape", 1]
NUMBERS: list[Any] = [
    *(0, 1, -1, 1.0, 1.5, "1", "shared", "x", None, True, []),
    *(2**63, 2**64 - 1, 2**64, -(2**65), float("inf"), float("nan"), 1e300),
]
VALUES: list[Any] = [
    *(None, True, 5, "", "cache_pool", "cache_pool#a", "cache_pool#", "data_copy_concurrency#a"),
    *([], {}, {"x": 1}, {1: 2}, {"limit": {1}}, {"limit": 5, "x": 1}),
    *({"limit": number} for number in NUMBERS),
    *({"total_bytes_limit": number} for number in NUMBERS),
]


@pytest.mark.parametrize("key", KEYS)
def test_the_same_json_is_refused(key: Any) -> None:
    for value in VALUES:
        theirs, ours = (
            outcome(complete_json, kind, {key: value}) for kind in (ts.Context, Context)
        )

        assert theirs == ours, value


@pytest.mark.parametrize("json", [None, 5, "cache_pool", [], [["cache_pool", {}]], True, 1.5])
def test_the_same_is_no_context(json: Any) -> None:
    for kind in (ts.Context, ts.Context.Spec, Context, Context.Spec):
        with pytest.raises(ValueError):
            kind(json)


@pytest.mark.parametrize(
    "call",
    [
        "context()",
        "context(spec=None)",
        "context(json={})",
        "context(context.Spec({}))",
        "context(spec=context.Spec({}), parent=context())",
        "context(context.Spec({}), context())",
        "context({}, None)",
        "context({}, parent=context())",
        'context({"cache_pool": context.Spec({})})',
        'context({"cache_pool": context({})["cache_pool"]})',
        "context(parent=context())",
        "context(context())",
        "context({}, parent=5)",
        "context(spec={})",
        "context({}, spec=context.Spec({}))",
        "context({}, {})",
        "context.Resource()",
        "context()[5]",
        '"cache_pool" in context()',
        "list(context())",
        "context() == context()",
        'context({})["cache_pool"] == 5',
    ],
)
def test_the_same_calls_are_allowed(call: str) -> None:
    theirs, ours = (outcome(eval, call, {"context": kind}) for kind in (ts.Context, Context))

    if isinstance(theirs, ts.Context):
        assert isinstance(ours, Context)
        assert repr(theirs.spec) == repr(ours.spec)
        assert (theirs.parent is None) == (ours.parent is None)
    else:
        assert theirs == ours


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_the_same(kind: str) -> None:
    theirs, ours = ts.Context()[kind], Context()[kind]

    assert repr(theirs) == repr(ours) == "Context.Resource({})"
    assert theirs.to_json(include_defaults=True) == ours.to_json(include_defaults=True)
