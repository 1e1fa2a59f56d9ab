"""What the spec of a view says about its resources, before and after they are bound."""

from __future__ import annotations

from typing import Any

import pytest

from virtchunk._context import Context, bind, parse_reference, reference_to_json, unbind

FIVE = {"total_bytes_limit": 5}
CONTEXT = Context({"cache_pool#a": FIVE, "cache_pool": "cache_pool#a"})


@pytest.mark.parametrize(
    ("json", "reference", "again"),
    [
        ("cache_pool", "cache_pool", None),
        ("cache_pool#a", "cache_pool#a", "cache_pool#a"),
        (["cache_pool#a"], "cache_pool#a", "cache_pool#a"),
        (FIVE, FIVE, FIVE),
        ({}, {"total_bytes_limit": 0}, {}),
        ([{}], {"total_bytes_limit": 0}, {}),
    ],
)
def test_a_reference_is_a_key_or_members(json: Any, reference: Any, again: Any) -> None:
    parsed = parse_reference("cache_pool", json)

    assert parsed == reference
    assert reference_to_json("cache_pool", parsed, include_defaults=False) == again


@pytest.mark.parametrize("json", [None, 5, [], ["cache_pool", "cache_pool"], "tape", {"x": 1}])
def test_anything_else_is_refused(json: Any) -> None:
    with pytest.raises(ValueError, match='"cache_pool"'):
        parse_reference("cache_pool", json)


def test_a_key_is_bound_to_what_the_context_has_there() -> None:
    assert bind("cache_pool", "cache_pool#a", CONTEXT) is CONTEXT["cache_pool#a"]
    assert bind("cache_pool", "cache_pool", CONTEXT) is CONTEXT["cache_pool#a"]


def test_members_are_bound_to_a_resource_of_their_own() -> None:
    one, other = (bind("cache_pool", FIVE, CONTEXT) for _ in range(2))

    assert one is not other
    assert one.to_json() == FIVE


def test_what_is_bound_stays_bound() -> None:
    resource = CONTEXT["cache_pool"]

    assert bind("cache_pool", resource, Context()) is resource


def test_a_resource_keeps_its_key() -> None:
    resource = CONTEXT["cache_pool"]

    names, spec = unbind([resource])

    assert names == {resource: "cache_pool#a"}
    assert spec.to_json() == {"cache_pool#a": FIVE}


def test_a_resource_of_its_own_stays_in_place() -> None:
    resource = bind("cache_pool", FIVE, CONTEXT)

    names, spec = unbind([resource])

    assert names == {resource: FIVE}
    assert spec.to_json() == {}


def test_a_resource_of_its_own_gets_a_key_when_it_is_shared() -> None:
    resource = bind("cache_pool", FIVE, CONTEXT)

    names, spec = unbind([resource, resource])

    assert names == {resource: "cache_pool#0"}
    assert spec.to_json() == {"cache_pool#0": FIVE}


def test_different_resources_with_one_key_are_numbered() -> None:
    one, other, third = (Context({"cache_pool": FIVE})["cache_pool"] for _ in range(3))
    named_one = Context({"cache_pool#1": {}})["cache_pool#1"]

    names, spec = unbind([one, other, one, named_one, third])

    assert names == {
        one: "cache_pool#0",
        other: "cache_pool#2",
        named_one: "cache_pool#1",
        third: "cache_pool#3",
    }
    assert [*spec.to_json()] == ["cache_pool#0", "cache_pool#1", "cache_pool#2", "cache_pool#3"]


def test_what_the_spec_defines_already_is_kept() -> None:
    resource = CONTEXT["cache_pool#a"]

    names, spec = unbind([resource], Context.Spec({"cache_pool#a": {}, "file_io_concurrency": {}}))

    assert names == {resource: "cache_pool#0"}
    assert spec.to_json() == {"cache_pool#0": FIVE, "cache_pool#a": {}, "file_io_concurrency": {}}
