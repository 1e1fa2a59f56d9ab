"""The kinds of resource: their members, their defaults, and their live objects."""

from __future__ import annotations

import os
from typing import Any

import pytest

from virtchunk._context import Context, live
from virtchunk._context.kinds import CALLBACKS_IN_FLIGHT, kind_of

LIMITS = ["data_copy_concurrency", "callback_concurrency", "file_io_concurrency"]


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        ("cache_pool", {"total_bytes_limit": 0}),
        ("data_copy_concurrency", {"limit": "shared"}),
        ("file_io_concurrency", {"limit": "shared"}),
        ("callback_concurrency", {"limit": 256}),
        ("memory_key_value_store", {}),
    ],
)
def test_defaults(kind: str, defaults: dict[str, Any]) -> None:
    resource = Context()[kind]

    assert resource.to_json() == {}
    assert resource.to_json(include_defaults=True) == defaults


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("limit", [1, 2**64 - 1, 3.0, "shared"])
def test_a_limit_is_an_integer_from_1_or_shared(kind: str, limit: Any) -> None:
    assert {"limit": limit} == Context({kind: {"limit": limit}})[kind].to_json(
        include_defaults=True
    )


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "1", None, [1], float("inf"), float("nan")])
def test_any_other_limit_is_refused(kind: str, limit: Any) -> None:
    with pytest.raises(ValueError, match=rf'"limit" of resource "{kind}#a" must be an integer'):
        Context({f"{kind}#a": {"limit": limit}})


@pytest.mark.parametrize("size", [0, 1, 2**64 - 1, 2.0])
def test_a_cache_pool_is_bounded_by_bytes(size: Any) -> None:
    resource = Context({"cache_pool": {"total_bytes_limit": size}})["cache_pool"]

    assert {"total_bytes_limit": size} == resource.to_json(include_defaults=True)


@pytest.mark.parametrize("size", [-1, 1.5, True, "1", None, "shared"])
def test_any_other_bound_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match=r'"total_bytes_limit" of resource "cache_pool" must be'):
        Context({"cache_pool": {"total_bytes_limit": size}})


def test_a_number_that_json_has_no_room_for_overflows() -> None:
    with pytest.raises(OverflowError):
        Context({"cache_pool": {"total_bytes_limit": 2**64}})


def test_a_float_without_fraction_is_kept_as_an_integer() -> None:
    assert (
        repr(Context.Spec({"cache_pool": {"total_bytes_limit": 2.0}}))
        == "Context.Spec({'cache_pool': {'total_bytes_limit': 2}})"
    )


@pytest.mark.parametrize(
    ("json", "message"),
    [
        ({"cache_pool": {"bytes": 1, "a": 2}}, 'no member "a", "bytes"; its members: "total_bytes'),
        ({"memory_key_value_store": {"size": 1}}, 'has no member "size"; its members: none'),
        ({"tape_drive": {}}, 'no kind of resource "tape_drive"; kinds are cache_pool'),
        ({1: {}}, 'no kind of resource "1"'),
        ({"cache_pool": 5}, '"cache_pool" must be an object, null or a reference'),
        ({"cache_pool": []}, '"cache_pool" must be an object, null or a reference'),
        ({"cache_pool": True}, '"cache_pool" must be an object, null or a reference'),
        ({"cache_pool": "data_copy_concurrency"}, 'a reference such as "cache_pool#id"'),
        ({"cache_pool": ""}, 'a reference such as "cache_pool#id"'),
    ],
)
def test_what_is_no_resource_is_refused(json: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Context(json)


@pytest.mark.parametrize(
    ("kind", "total"),
    [
        ("data_copy_concurrency", os.cpu_count()),
        ("file_io_concurrency", max(4, os.cpu_count() or 1)),
        ("callback_concurrency", CALLBACKS_IN_FLIGHT),
    ],
)
def test_a_shared_limit_is_one_for_the_process(kind: str, total: int) -> None:
    first, second = (Context({kind: {"limit": "shared"}}) for _ in range(2))

    assert live(first, kind) is live(second, kind)
    assert first[kind].statistics().total_tokens == total


@pytest.mark.parametrize("kind", LIMITS)
def test_a_limit_of_its_own_is_shared_with_nobody(kind: str) -> None:
    first, second = (Context({kind: {"limit": 3}}) for _ in range(2))

    assert live(first, kind) is not live(second, kind)
    assert first[kind].statistics().total_tokens == 3


def test_the_kind_is_what_stands_before_the_first_number_sign() -> None:
    assert kind_of("cache_pool#a#b").name == "cache_pool"
    assert Context({"cache_pool#a#b": {}})["cache_pool#a#b"].to_json() == {}
