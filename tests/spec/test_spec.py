"""`Spec`: JSON, equality, updates, indexing and what is known, on specs of arrays."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import virtchunk as ts

JSON = {"driver": "array", "dtype": "int8", "array": [[1, 2, 3], [4, 5, 6]]}
CONTEXT = ts.Context(
    {"data_copy_concurrency": {"limit": 3}, "data_copy_concurrency#a": {"limit": 4}}
)


def spec(**members: Any) -> ts.Spec:
    return ts.Spec({**JSON, **members})


def updated(original: ts.Spec, **keywords: Any) -> ts.Spec:
    changed = original.copy()
    changed.update(**keywords)
    return changed


class TestJson:
    def test_says_what_is_known(self) -> None:
        assert spec().to_json() == {
            **JSON,
            "transform": {"input_inclusive_min": [0, 0], "input_exclusive_max": [2, 3]},
        }

    def test_members_are_sorted(self) -> None:
        json = spec(schema={"dimension_units": ["nm", None]}).to_json()

        assert [*json] == ["array", "driver", "dtype", "schema", "transform"]

    def test_defaults_are_included_when_asked_for(self) -> None:
        json = spec().to_json(include_defaults=True)

        assert json["context"] == {}
        assert json["data_copy_concurrency"] == "data_copy_concurrency"
        assert json["schema"] == {"dtype": "int8", "rank": 2}

    @pytest.mark.parametrize(
        "original",
        [
            spec(),
            spec()[1],
            spec()[:, ::-1].T,
            spec().oindex[[0, 1, 0], [2]],
            spec().label["x", "y"],
            spec(schema={"dimension_units": ["4nm", None], "fill_value": 5}),
            spec(context={"data_copy_concurrency": {"limit": 3}}),
            spec(data_copy_concurrency={"limit": 3}),
            spec(data_copy_concurrency="data_copy_concurrency#a"),
            spec(array=5),
            spec(array=[]),
            spec(dtype="json", array=[{"a": 1}, None]),
            spec(dtype="float32", array=[1.5, float("nan"), float("-inf")]),
        ],
        ids=lambda original: repr(original.to_json()),
    )
    def test_round_trips(self, original: ts.Spec) -> None:
        assert ts.Spec(original.to_json()) == original
        assert ts.Spec(original.to_json(include_defaults=True)) == original
        assert pickle.loads(pickle.dumps(original)) == original

    def test_takes_objects_that_have_json(self) -> None:
        assert spec(dtype=ts.int8, transform=ts.IndexTransform(input_shape=[2, 3])) == spec()
        assert spec(array=np.array(JSON["array"])) == spec()

    def test_a_spec_is_copied(self) -> None:
        original = spec()
        again = ts.Spec(original)
        again.update(dimension_units=["nm", None])

        assert original == spec() != again

    @pytest.mark.parametrize(
        ("json", "message"),
        [
            (None, "a spec is an object such as"),
            (5, "a spec is an object such as"),
            ("memory://", "URLs are not supported"),
            (
                {},
                '"driver" must be the name of a driver: '
                "array, cast, downsample, stack, virtual_chunked; got None",
            ),
            ({"driver": "zarr"}, '"driver" must be the name of a driver'),
            ({"driver": ["array"]}, '"driver" must be the name of a driver'),
            ({"driver": "array"}, "dtype must be specified"),
            ({"driver": "array", "dtype": "int8"}, 'must have a member "array"'),
            ({**JSON, "x": 1, "open": True}, 'driver "array" has no member "open", "x"'),
            ({**JSON, "schema": {"dtype": "int16"}}, "dtype int8 differs from dtype int16"),
            ({**JSON, "rank": 3}, '"array" has rank 2, but the rank is 3'),
            ({**JSON, "rank": None}, "rank must be an integer"),
            ({**JSON, "rank": 1, "schema": {"rank": 2}}, "rank"),
            ({**JSON, "rank": 1, "transform": {"input_rank": 2}}, '"rank" is 1, but "transform" '),
            ({**JSON, "transform": {"input_rank": 3}}, '"array" has rank 2, but the rank is 3'),
            ({**JSON, "transform": None}, "transform"),
            ({**JSON, "schema": None}, "schema"),
            ({**JSON, "context": None}, "a context is an object"),
            ({**JSON, "context": {"tape": {}}}, 'no kind of resource "tape"'),
            ({**JSON, "data_copy_concurrency": None}, '"data_copy_concurrency" must be'),
            ({**JSON, "array": [[1], [2, 3]]}, '"array"'),
            ({**JSON, "array": [1.5]}, "expected an integer"),
        ],
    )
    def test_what_is_no_spec_is_refused(self, json: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ts.Spec(json)

    def test_what_has_no_json_is_refused(self) -> None:
        with pytest.raises(TypeError):
            spec(dtype=np.int8)


class TestRepr:
    def test_is_json_of_python(self) -> None:
        assert (
            repr(spec()[1])
            == """Spec({
  'array': [[1, 2, 3], [4, 5, 6]],
  'driver': 'array',
  'dtype': 'int8',
  'transform': {
    'input_exclusive_max': [3],
    'input_inclusive_min': [0],
    'output': [{'offset': 1}, {'input_dimension': 0}],
  },
})"""
        )

    def test_marks_what_is_bound(self) -> None:
        bound = updated(spec(array=5), context=CONTEXT)

        assert (
            repr(bound)
            == """Spec({
  'array': 5,
  'context': {'data_copy_concurrency': {'limit': 3}},
  'data_copy_concurrency': ['data_copy_concurrency'],
  'driver': 'array',
  'dtype': 'int8',
  'transform': {'input_rank': 0},
})"""
        )

    def test_makes_an_equal_spec(self) -> None:
        original = spec(data_copy_concurrency={"limit": 3})[:, 1]

        assert eval(repr(original), {"Spec": ts.Spec}) == original


class TestContext:
    def test_bound_resources_are_named_in_json(self) -> None:
        json = updated(spec(), context=CONTEXT).to_json()

        assert json["context"] == {"data_copy_concurrency": {"limit": 3}}
        assert "data_copy_concurrency" not in json

    def test_a_reference_is_looked_up(self) -> None:
        bound = updated(spec(data_copy_concurrency="data_copy_concurrency#a"), context=CONTEXT)

        assert bound.to_json()["context"] == {"data_copy_concurrency#a": {"limit": 4}}
        assert bound.to_json()["data_copy_concurrency"] == "data_copy_concurrency#a"

    def test_definitions_of_the_spec_come_first(self) -> None:
        own = spec(context={"data_copy_concurrency": {"limit": 8}})

        assert updated(own, context=CONTEXT).to_json()["context"] == {
            "data_copy_concurrency": {"limit": 8}
        }

    def test_what_is_bound_stays_bound(self) -> None:
        bound = updated(spec(), context=CONTEXT)

        assert updated(bound, context=ts.Context()) == bound

    def test_strip_forgets_everything(self) -> None:
        for given in [
            updated(spec(), context=CONTEXT),
            spec(data_copy_concurrency={"limit": 3}),
            spec(context={"cache_pool": {}}),
        ]:
            assert updated(given, strip_context=True) == spec()

    def test_unbind_defines_what_it_refers_to(self) -> None:
        unbound = updated(updated(spec(), context=CONTEXT), unbind_context=True)

        assert unbound == spec(context={"data_copy_concurrency": {"limit": 3}})

    def test_unbind_and_strip_come_before_bind(self) -> None:
        bound = updated(spec(), context=CONTEXT)

        assert updated(spec(), context=CONTEXT, unbind_context=True, strip_context=True) == bound
        assert updated(bound, unbind_context=True, strip_context=True) == spec()

    @pytest.mark.parametrize("flag", [False, None])
    def test_without_a_flag_nothing_happens(self, flag: bool | None) -> None:
        bound = updated(spec(), context=CONTEXT)

        assert updated(bound, unbind_context=flag, strip_context=flag, context=None) == bound

    def test_bound_resources_are_compared_by_identity(self) -> None:
        bound = updated(spec(), context=CONTEXT)

        assert bound == updated(spec(), context=CONTEXT)
        assert bound == copy.copy(bound) == copy.deepcopy(bound)
        assert bound != spec()
        assert bound != updated(spec(), context=ts.Context(CONTEXT.spec))

    def test_a_pickle_keeps_what_is_shared(self) -> None:
        one, other = pickle.loads(
            pickle.dumps((updated(spec(), context=CONTEXT), updated(spec()[1], context=CONTEXT)))
        )

        assert one[1] == other
        assert one.to_json()["context"] == {"data_copy_concurrency": {"limit": 3}}

    def test_an_undefined_reference_is_found_by_binding(self) -> None:
        nowhere = spec(data_copy_concurrency="data_copy_concurrency#b")

        with pytest.raises(ValueError, match='"data_copy_concurrency#b" is not defined'):
            nowhere.update(context=CONTEXT)

    def test_a_context_is_one(self) -> None:
        with pytest.raises(TypeError, match="context must be a Context"):
            spec().update(context={})  # type: ignore[arg-type]


class TestUpdate:
    def test_constraints_are_merged(self) -> None:
        changed = updated(spec(), dimension_units=["4nm", None])
        changed.update(dimension_units=[None, "5nm"])

        assert changed.dimension_units == (ts.Unit("4nm"), ts.Unit("5nm"))

    def test_constraints_on_a_view_are_carried_over(self) -> None:
        view = spec()[1, ::-2]

        assert updated(view, dimension_units=["4nm"]).to_json()["schema"] == {
            "dimension_units": [None, [2.0, "nm"]]
        }
        assert updated(view, dimension_units=["4nm"]).dimension_units == (ts.Unit("4nm"),)

    @pytest.mark.parametrize(
        "keywords",
        [
            {"open": True},
            {"create": True, "delete_existing": True},
            {"open_mode": ts.OpenMode(create=True), "assume_metadata": True},
            {"recheck_cached_data": False},
            {"recheck_cached": "open", "minimal_spec": True},
            {"dtype": "int8", "rank": 2, "schema": ts.Schema(rank=2)},
            {"dtype": None, "open": None, "kvstore": None},
        ],
    )
    def test_what_does_not_concern_arrays_is_ignored(self, keywords: dict[str, Any]) -> None:
        changed = updated(spec(), **keywords)

        assert changed == spec()
        assert changed.open_mode == ts.OpenMode()

    @pytest.mark.parametrize(
        ("keywords", "error"),
        [
            ({"dtype": "int16"}, ValueError),
            ({"dtype": "no such type"}, ValueError),
            ({"rank": 3}, ValueError),
            ({"shape": [2]}, ValueError),
            ({"rank": 1, "shape": [2]}, ValueError),
            ({"schema": ts.Schema(rank=3)}, ValueError),
            ({"domain": ts.IndexDomain(2), "shape": [3]}, ValueError),
            ({"dtype": 5}, TypeError),
            ({"rank": "2"}, TypeError),
            ({"domain": 5}, TypeError),
            ({"schema": {"rank": 2}}, TypeError),
            ({"open": "yes"}, TypeError),
            ({"open_mode": 5}, TypeError),
            ({"recheck_cached": "always"}, TypeError),
            ({"recheck_cached_metadata": [1]}, TypeError),
            ({"kvstore": "memory://"}, TypeError),
            ({"unbind_context": "a"}, TypeError),
            ({"color": "red"}, TypeError),
        ],
        ids=repr,
    )
    def test_a_refused_update_changes_nothing(
        self, keywords: dict[str, Any], error: type[Exception]
    ) -> None:
        changed = spec()

        with pytest.raises(error):
            changed.update(**{"dimension_units": ["nm", None], **keywords})
        assert changed == spec()

    def test_a_keyword_that_does_not_exist_is_named(self) -> None:
        with pytest.raises(TypeError, match=r"Spec.update\(\) has no keyword argument 'color'"):
            updated(spec(), color="red")


class TestIndexing:
    def test_composes_transforms(self) -> None:
        view = spec()[ts.d[:].label["x", "y"]][ts.d["y"].translate_to[10]][1]

        assert view.domain == ts.IndexDomain(inclusive_min=[10], shape=[3], labels=["y"])
        assert view.transform == ts.IndexTransform(
            domain=view.domain,
            output=[ts.OutputIndexMap(1), ts.OutputIndexMap(offset=-10, input_dimension=0)],
        )

    def test_stays_inside_of_the_domain(self) -> None:
        with pytest.raises(IndexError, match=r"index 5 is outside the domain \[0, 2\)"):
            spec()[5]

    def test_does_not_iterate(self) -> None:
        with pytest.raises(TypeError, match="not iterable"):
            iter(spec())

    def test_leaves_the_original_alone(self) -> None:
        original = spec()
        original.T.update(dimension_units=["nm", None])

        assert original == spec()


class TestKnown:
    def test_about_a_whole_array(self) -> None:
        known = spec(schema={"dimension_units": ["4nm", None]})

        assert (known.rank, known.ndim, known.dtype) == (2, 2, ts.int8)
        assert (known.shape, known.origin, known.size) == ((2, 3), (0, 0), 6)
        assert known.domain == ts.IndexDomain(shape=[2, 3])
        assert known.transform == ts.IndexTransform(input_shape=[2, 3])
        assert known.chunk_layout == ts.ChunkLayout(inner_order=[0, 1], grid_origin=[0, 0])
        assert known.dimension_units == (ts.Unit("4nm"), None)
        assert known.schema.dimension_units == known.dimension_units

    def test_about_a_view(self) -> None:
        known = spec(schema={"dimension_units": ["4nm", None]})[ts.d[0, 1].translate_to[5, 7]].T

        assert known.domain == ts.IndexDomain(inclusive_min=[7, 5], shape=[3, 2])
        assert known.schema.domain == known.domain
        assert known.chunk_layout == ts.ChunkLayout(inner_order=[1, 0], grid_origin=[7, 5])
        assert known.dimension_units == (None, ts.Unit("4nm"))

    def test_about_a_slice_the_schema_is_that_of_the_slice(self) -> None:
        """Where the original fails: the rank of the schema is that of the view."""
        assert spec()[1].schema.rank == 1

    def test_nothing_about_what_arrays_do_not_have(self) -> None:
        known = spec(schema={"fill_value": 5})

        assert {known.codec, known.fill_value, known.kvstore, known.base} == {None}
        with pytest.raises(NotImplementedError, match='driver "array" has no URL'):
            _ = known.url

    def test_what_is_returned_is_a_copy(self) -> None:
        known = spec()
        known.schema.update(dimension_units=["nm", None])
        known.open_mode.create = True

        assert known == spec()
        assert known.open_mode == ts.OpenMode()


def test_specs_are_not_hashed_and_equal_nothing_else() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(spec())
    assert spec() != spec().to_json()
