"""`Context`: which resource a key leads to, and what is one object and what is not."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
from hypothesis import given

from tests.strategies_context import context_json, resource_keys
from virtchunk._context import Context, live

FIVE = {"total_bytes_limit": 5}
SEVEN = {"total_bytes_limit": 7}


def test_the_same_key_leads_to_the_same_resource() -> None:
    context = Context({"cache_pool": FIVE})

    assert context["cache_pool"] is context["cache_pool"]
    assert context["cache_pool"] != Context({"cache_pool": FIVE})["cache_pool"]


def test_a_kind_that_is_not_defined_is_the_default() -> None:
    assert Context()["cache_pool"].to_json(include_defaults=True) == {"total_bytes_limit": 0}


def test_default_contexts_share_nothing() -> None:
    assert Context()["cache_pool"] is not Context()["cache_pool"]


def test_a_named_resource_is_not_the_default_one() -> None:
    context = Context({"cache_pool#a": FIVE})

    assert context["cache_pool#a"].to_json() == FIVE
    assert context["cache_pool"].to_json() == {}


def test_two_resources_that_say_the_same_are_two() -> None:
    context = Context({"cache_pool": FIVE, "cache_pool#a": FIVE})

    assert context["cache_pool"] is not context["cache_pool#a"]


def test_a_reference_leads_to_the_resource_it_names() -> None:
    context = Context(
        {"cache_pool": "cache_pool#a", "cache_pool#a": "cache_pool#b", "cache_pool#b": FIVE}
    )

    assert context["cache_pool"] is context["cache_pool#a"] is context["cache_pool#b"]


def test_a_reference_to_the_default_makes_the_default() -> None:
    context = Context({"cache_pool#a": "cache_pool"})

    assert context["cache_pool#a"] is context["cache_pool"]


@pytest.mark.parametrize(
    ("json", "key"),
    [
        ({"cache_pool": "cache_pool"}, "cache_pool"),
        ({"cache_pool#a": "cache_pool#b", "cache_pool#b": "cache_pool#a"}, "cache_pool#b"),
    ],
)
def test_a_cycle_of_references_is_found_when_it_is_followed(json: Any, key: str) -> None:
    context = Context(json)

    with pytest.raises(ValueError, match=r'in a cycle: "cache_pool'):
        context[key]


@pytest.mark.parametrize("key", ["cache_pool#b", "cache_pool#", "cache_pool"])
def test_a_name_that_nobody_defines_is_refused(key: str) -> None:
    context = Context({"cache_pool": "cache_pool#nowhere"}, parent=Context())

    with pytest.raises(ValueError, match=r'resource "cache_pool#\w*" is not defined'):
        context[key]


@pytest.mark.parametrize("key", ["cache", "", "#a", "cache_pool ", "tape_drive#a"])
def test_a_kind_that_does_not_exist_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="kinds are cache_pool, callback_concurrency, data_copy"):
        Context()[key]


@pytest.mark.parametrize("key", [5, None, b"cache_pool"])
def test_a_key_is_a_string(key: Any) -> None:
    with pytest.raises(TypeError, match="key of a resource is a string"):
        Context()[key]


class TestParents:
    def test_what_a_child_does_not_define_is_its_parents(self) -> None:
        parent = Context({"cache_pool#a": FIVE})
        child = Context({"cache_pool": SEVEN}, parent=parent)

        assert child.parent is parent
        assert child["cache_pool"].to_json() == SEVEN
        assert child["cache_pool#a"] is parent["cache_pool#a"]
        assert child["data_copy_concurrency"] is parent["data_copy_concurrency"]

    def test_a_child_refers_to_what_its_parent_defines(self) -> None:
        parent = Context({"cache_pool#remote": FIVE})
        child = Context({"cache_pool": "cache_pool#remote"}, parent=parent)

        assert child["cache_pool"] is parent["cache_pool#remote"]

    def test_a_parents_references_do_not_see_its_children(self) -> None:
        parent = Context({"cache_pool": "cache_pool#a"})
        child = Context({"cache_pool#a": FIVE}, parent=parent)

        with pytest.raises(ValueError, match='"cache_pool#a" is not defined'):
            child["cache_pool"]

    def test_none_is_the_default_of_the_parent(self) -> None:
        parent = Context({"cache_pool": FIVE, "cache_pool#a": SEVEN})
        child = Context({"cache_pool": None, "cache_pool#a": None}, parent=parent)

        assert child["cache_pool"] is child["cache_pool#a"] is parent["cache_pool"]

    def test_none_without_a_parent_is_a_default_of_its_own(self) -> None:
        context = Context({"cache_pool": FIVE, "cache_pool#a": None})

        assert context["cache_pool#a"].to_json() == {}

    def test_there_is_none_unless_it_is_given(self) -> None:
        assert Context({}).parent is None


class TestConstructor:
    def test_takes_json_or_a_spec(self) -> None:
        spec = Context.Spec({"cache_pool": FIVE})

        for context in [
            Context({"cache_pool": FIVE}),
            Context(json={"cache_pool": FIVE}),
            Context(spec),
            Context(spec=spec),
            Context(spec, Context()),
        ]:
            assert context.spec == spec

    def test_takes_nothing(self) -> None:
        assert Context().spec is Context(spec=None).spec is None

    @pytest.mark.parametrize("json", [None, 5, "cache_pool", [], [["cache_pool", {}]]])
    def test_refuses_json_that_is_no_object(self, json: Any) -> None:
        with pytest.raises(ValueError, match="a context is an object such as"):
            Context(json)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"parent": Context()},
            {"json": {}, "parent": 5},
            {"spec": {}},
            {"json": {}, "spec": Context.Spec({})},
            {"json": Context()},
        ],
    )
    def test_refuses_arguments_of_the_wrong_type(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(TypeError):
            Context(**arguments)


def test_a_context_is_not_changed_and_not_iterated() -> None:
    context: Any = Context()

    with pytest.raises(AttributeError):
        context.spec = None
    with pytest.raises(TypeError):
        iter(context)
    with pytest.raises(TypeError):
        "cache_pool" in context  # noqa: B015 - the question alone is refused


def test_a_resource_is_not_made_by_its_constructor() -> None:
    with pytest.raises(TypeError, match="comes from its context"):
        Context.Resource()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Context(), "Context()"),
        (Context({}), "Context({})"),
        (Context({"cache_pool": FIVE}), "Context({'cache_pool': {'total_bytes_limit': 5}})"),
        (Context({}, Context()), "Context({}, parent=Context())"),
        (Context({"cache_pool": FIVE})["cache_pool"], "Context.Resource({'total_bytes_limit': 5})"),
        (Context.Spec({"cache_pool": {}}), "Context.Spec({'cache_pool': {}})"),
        (
            Context.Spec(
                {"file_io_concurrency": {"limit": 10}, "cache_pool": FIVE, "cache_pool#longer": {}}
            ),
            "Context.Spec({\n"
            "  'cache_pool': {'total_bytes_limit': 5},\n"
            "  'cache_pool#longer': {},\n"
            "  'file_io_concurrency': {'limit': 10},\n"
            "})",
        ),
    ],
)
def test_repr(value: object, text: str) -> None:
    assert text == repr(value)


def test_repr_makes_an_equal_context() -> None:
    context = Context({"cache_pool": "cache_pool#a"}, Context({"cache_pool#a": FIVE}))

    again = eval(repr(context))

    assert again.spec == context.spec
    assert again["cache_pool"].to_json() == FIVE


class TestSpec:
    @given(context_json())
    def test_round_trips_through_json(self, json: dict[str, Any]) -> None:
        spec = Context.Spec(json)

        assert Context.Spec(spec.to_json()) == spec
        assert Context.Spec(spec.to_json(include_defaults=True)) == spec
        assert hash(Context.Spec(spec.to_json())) == hash(spec)
        assert pickle.loads(pickle.dumps(spec)) == spec

    def test_keys_are_sorted(self) -> None:
        spec = Context.Spec({"file_io_concurrency": {}, "cache_pool#b": {}, "cache_pool": {}})

        assert [*spec.to_json()] == ["cache_pool", "cache_pool#b", "file_io_concurrency"]

    def test_defaults_are_left_out_unless_asked_for(self) -> None:
        spec = Context.Spec(
            {"data_copy_concurrency": {"limit": "shared"}, "cache_pool": "cache_pool#a"}
        )

        assert spec.to_json() == {"data_copy_concurrency": {}, "cache_pool": "cache_pool#a"}
        assert spec.to_json(include_defaults=True) == {
            "data_copy_concurrency": {"limit": "shared"},
            "cache_pool": "cache_pool#a",
        }

    def test_equals_what_defines_the_same(self) -> None:
        assert Context.Spec({"cache_pool": {"total_bytes_limit": 0}}) == Context.Spec(
            {"cache_pool": {}}
        )
        assert Context.Spec({"cache_pool": FIVE}) != Context.Spec({"cache_pool": SEVEN})

    def test_does_not_follow_the_json_it_was_made_from(self) -> None:
        json = {"cache_pool": {"total_bytes_limit": 5}}
        spec = Context.Spec(json)
        json["cache_pool"]["total_bytes_limit"] = 6
        spec.to_json()["cache_pool"]["total_bytes_limit"] = 7

        assert spec.to_json() == {"cache_pool": FIVE}

    def test_copies_are_itself(self) -> None:
        spec = Context.Spec({})

        assert copy.copy(spec) is spec
        assert copy.deepcopy(spec) is spec


class TestPickle:
    def test_keeps_spec_and_parent(self) -> None:
        parent = Context({"cache_pool#remote": FIVE})
        context = Context({"cache_pool": "cache_pool#remote"}, parent)

        again = pickle.loads(pickle.dumps(context))

        assert again.spec == context.spec
        assert again.parent.spec == parent.spec
        assert again["cache_pool"].to_json() == FIVE

    def test_keeps_a_context_without_spec(self) -> None:
        again = pickle.loads(pickle.dumps(Context()))

        assert again.spec is None
        assert again.parent is None

    def test_keeps_one_resource_one(self) -> None:
        parent = Context({"cache_pool#remote": FIVE})
        child = Context({"cache_pool": "cache_pool#remote"}, parent)

        resource, again, again_parent = pickle.loads(
            pickle.dumps((child["cache_pool"], child, parent))
        )

        assert again.parent is again_parent
        assert again["cache_pool"] is again_parent["cache_pool#remote"] is resource

    def test_keeps_one_default_one(self) -> None:
        context = Context()

        again, resource = pickle.loads(pickle.dumps((context, context["callback_concurrency"])))

        assert again["callback_concurrency"] is resource

    def test_does_not_carry_what_runs(self) -> None:
        resource = Context({"data_copy_concurrency": {"limit": 2}})["data_copy_concurrency"]
        resource._live.try_acquire()

        again = pickle.loads(pickle.dumps(resource))

        assert resource.statistics().borrowed_tokens == 1
        assert again.statistics().borrowed_tokens == 0

    def test_a_deep_copy_shares_nothing(self) -> None:
        parent = Context({"cache_pool": FIVE})
        child = Context({}, parent)

        again, again_parent = copy.deepcopy((child, parent))

        assert again.parent is again_parent is not parent
        assert again["cache_pool"] is again_parent["cache_pool"] is not parent["cache_pool"]
        assert again["cache_pool"].to_json() == FIVE

    def test_a_shallow_copy_is_the_same_context(self) -> None:
        context = Context()

        assert copy.copy(context) is context
        assert copy.copy(context["cache_pool"]) is context["cache_pool"]


class TestLive:
    def test_a_resource_that_counts_nothing_has_no_statistics(self) -> None:
        with pytest.raises(NotImplementedError, match="memory_key_value_store"):
            Context()["memory_key_value_store"].statistics()

    def test_is_made_once_per_resource(self) -> None:
        parent = Context({"data_copy_concurrency": {"limit": 2}})
        child = Context({}, parent)

        assert live(child, "data_copy_concurrency") is live(parent, "data_copy_concurrency")

    def test_is_one_for_all_threads(self) -> None:
        for _ in range(20):
            context = Context({"data_copy_concurrency": {"limit": 2}})
            start = threading.Barrier(4)
            seen: list[object] = []

            def use(
                context: Context = context,
                start: threading.Barrier = start,
                seen: list[object] = seen,
            ) -> None:
                start.wait()
                seen.append(live(context, "data_copy_concurrency"))

            threads = [threading.Thread(target=use) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            assert len(seen) == 4
            assert len(set(map(id, seen))) == 1

    @given(context_json(), resource_keys())
    def test_every_resource_of_every_context_can_be_asked_for_its_json(
        self, json: dict[str, Any], key: str
    ) -> None:
        """Whatever the references say, a key leads to a resource of its kind or to a ValueError."""
        context = Context(json)
        try:
            resource = context[key]
        except ValueError:
            return

        assert resource is context[key]
        assert resource._kind.name == key.partition("#")[0]
