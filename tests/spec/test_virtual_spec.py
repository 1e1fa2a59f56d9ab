"""Specs of virtual views: with callbacks, or with the names of callbacks."""

from __future__ import annotations

import pickle
import re
import sys
from typing import Any

import anyio
import numpy as np
import pytest

import virtchunk as ts
from virtchunk._drivers.virtual_spec import VirtualSpec


def squares(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    (index,) = domain.index_exp
    array[...] = np.arange(index.start, index.stop) ** 2


def discard(domain: ts.IndexDomain, array: Any, params: Any) -> None: ...


JSON = {
    "driver": "virtual_chunked",
    "dtype": "int64",
    "read_function": f"{__name__}:squares",
    "schema": {
        "domain": {"inclusive_min": [0], "exclusive_max": [10]},
        "chunk_layout": {"read_chunk": {"shape": [4]}, "grid_origin": [2]},
        "dimension_units": [[4.0, "nm"]],
    },
}


def view(**keywords: Any) -> ts.TensorStore:
    arguments = {
        "read_function": squares,
        "dtype": ts.int64,
        "shape": [10],
        "chunk_layout": ts.ChunkLayout(read_chunk_shape=[4], grid_origin=[2]),
        "dimension_units": ["4nm"],
        **keywords,
    }
    return ts.virtual_chunked(**arguments)


def updated(original: ts.Spec, **keywords: Any) -> ts.Spec:
    changed = original.copy()
    changed.update(**keywords)
    return changed


def loop_of(spec: ts.Spec) -> object:
    driver = spec._view.driver
    assert isinstance(driver, VirtualSpec)
    return driver.loop


class TestSpecOfAView:
    def test_opens_an_equal_view(self) -> None:
        for same in [view(), view()[3:7], view()[::-2], view()[5], view().translate_to[7]]:
            again = ts.open(same.spec()).result()

            assert again.domain == same.domain
            assert again.mode == same.mode
            assert again.chunk_layout == same.chunk_layout
            assert again.dimension_units == same.dimension_units
            assert np.array_equal(again.read().result(), same.read().result())

    def test_knows_what_the_view_knows(self) -> None:
        same = view()[2:5]

        assert same.spec().schema == same.schema
        assert same.spec().domain == same.domain
        assert same.spec().dtype == same.dtype
        assert same.spec().open_mode == ts.OpenMode(open=True)
        assert {same.spec().kvstore, same.spec().base, same.spec().codec} == {None}

    def test_names_callbacks_that_can_be_imported(self) -> None:
        json = view(write_function=discard).spec().to_json()

        assert json["read_function"] == JSON["read_function"]
        assert json["write_function"] == f"{__name__}:discard"
        assert json["transform"] == {"input_inclusive_min": [0], "input_exclusive_max": [10]}

    def test_has_no_json_if_a_callback_has_no_name(self) -> None:
        spec = view(read_function=lambda domain, array, params: None).spec()

        with pytest.raises(NotImplementedError, match=r"read_function .*<lambda> .*it is a lambda"):
            spec.to_json()

    def test_prints_callbacks_that_have_no_name(self) -> None:
        spec = view(read_function=lambda domain, array, params: None).spec()

        assert re.search(r"'read_function': <function \S+<lambda> at 0x", repr(spec))
        assert f"'read_function': '{JSON['read_function']}'" in repr(view().spec())

    def test_keeps_shared_resources_when_asked(self) -> None:
        context = ts.Context({"cache_pool": {"total_bytes_limit": 5}})
        same = view(context=context)

        bound = same.spec(retain_context=True)
        assert ts.open(bound).result().spec(retain_context=True) == bound
        assert bound.to_json()["context"] == {
            "cache_pool": {"total_bytes_limit": 5},
            "callback_concurrency": {},
            "data_copy_concurrency": {},
        }
        assert same.spec() == updated(bound, strip_context=True)

    def test_keeps_when_to_recheck(self) -> None:
        same = view(recheck_cached_data="open")

        assert same.spec().to_json()["recheck_cached_data"] == "open"
        assert "recheck_cached_data" not in view().spec().to_json()
        assert updated(same.spec(), recheck_cached_data=True) == view().spec()
        assert ts.open(same.spec()).result().spec() == same.spec()

    def test_equals_the_spec_of_an_equal_view(self) -> None:
        assert view().spec() == view().spec()
        assert view().spec() != view(read_function=discard).spec()
        assert view().spec() != view()[1:].spec()

    def test_is_pickled_with_its_callbacks_but_not_the_loop(self) -> None:
        async def pickled() -> ts.Spec:
            token = anyio.lowlevel.current_token()
            spec = view(loop=token).spec()
            again: ts.Spec = pickle.loads(pickle.dumps(spec))
            assert again == spec
            assert loop_of(spec) == loop_of(ts.open(spec).result().spec()) == token
            assert loop_of(again) is None
            return again

        spec = anyio.run(pickled)

        assert ts.open(spec).result()[3].read().result() == 9


class TestFromJson:
    def test_opens_when_importing_is_allowed(self) -> None:
        opened = ts.open(JSON, allow_import=True).result()

        assert opened.read().result().tolist() == [i * i for i in range(10)]
        assert opened.spec() == view().spec()

    def test_does_not_open_otherwise(self) -> None:
        future = ts.open({**JSON, "read_function": "antigravity:fly"})

        with pytest.raises(ValueError, match=r'"antigravity:fly".*pass allow_import=True'):
            future.result()
        assert "antigravity" not in sys.modules

    def test_is_known_without_importing(self) -> None:
        spec = ts.Spec({**JSON, "read_function": "antigravity:fly"})

        assert spec[3:].domain == ts.IndexDomain(inclusive_min=[3], exclusive_max=[10])
        assert spec.dtype == ts.int64
        assert ts.Spec(spec.to_json()) == spec == pickle.loads(pickle.dumps(spec))

    def test_round_trips(self) -> None:
        for json in [
            JSON,
            {**JSON, "recheck_cached_data": 5.5, "cache_pool": {"total_bytes_limit": 3}},
            {**JSON, "rank": 1, "schema": {}},
            {**JSON, "schema": {}},
            {**JSON, "context": {"callback_concurrency": {"limit": 3}}},
        ]:
            spec = ts.Spec(json)

            assert ts.Spec(spec.to_json()) == spec
            assert ts.Spec(spec.to_json(include_defaults=True)) == spec

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ({"read_function": None}, '"read_function" must name a function'),
            ({"read_function": "squares"}, '"read_function" must name a function'),
            ({"recheck_cached_data": "always"}, '"recheck_cached_data" must be True'),
            ({"recheck_cached_metadata": True}, 'has no member "recheck_cached_metadata"'),
            ({"loop": 1}, 'has no member "loop"'),
            ({"schema": {"rank": 40}}, "rank"),
        ],
    )
    def test_what_is_invalid_is_refused(self, members: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ts.Spec({**JSON, **members})

    def test_needs_a_callback(self) -> None:
        with pytest.raises(ValueError, match="at least one of read_function and write_function"):
            ts.Spec({"driver": "virtual_chunked", "dtype": "int64"})

    def test_bounds_may_come_later(self) -> None:
        spec = ts.Spec({"driver": "virtual_chunked", "read_function": JSON["read_function"]})
        assert (spec.rank, spec.domain, spec.transform) == (None, None, None)
        with pytest.raises(ValueError, match="unknown rank"):
            spec[0]

        spec.update(rank=1)
        assert spec[3:5].domain == ts.IndexDomain(inclusive_min=[3], exclusive_max=[5])

        spec.update(shape=[4], dtype=ts.int64)
        opened = ts.open(spec[1:], allow_import=True).result()
        assert opened.read().result().tolist() == [1, 4, 9]

    @pytest.mark.parametrize(
        ("schema", "message"),
        [
            ({"rank": 1}, "dtype must be specified"),
            ({"dtype": "int64"}, "rank must be specified"),
            ({"dtype": "int64", "rank": 1, "fill_value": 5}, "fill_value not supported"),
        ],
    )
    def test_what_is_missing_is_told_by_the_future(
        self, schema: dict[str, Any], message: str
    ) -> None:
        spec = {"driver": "virtual_chunked", "read_function": JSON["read_function"]}
        future = ts.open({**spec, "schema": schema}, allow_import=True)

        with pytest.raises(ValueError, match=message):
            future.result()

    def test_a_module_that_is_not_there_is_told_by_the_future(self) -> None:
        future = ts.open({**JSON, "read_function": "no_such_module:load"}, allow_import=True)

        with pytest.raises(ModuleNotFoundError):
            future.result()


class TestUpdate:
    @pytest.mark.parametrize(
        "keywords",
        [
            {"dtype": "int32"},
            {"rank": 2},
            {"dimension_units": ["5nm"]},
            {"shape": [11]},
            {"chunk_layout": ts.ChunkLayout(read_chunk_shape=[5])},
            {"recheck_cached_metadata": False},
            {"recheck_cached": False},
        ],
        ids=repr,
    )
    def test_conflicts_are_refused(self, keywords: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            view().spec().update(**keywords)

    def test_agreement_changes_nothing(self) -> None:
        spec = view().spec()

        assert updated(spec, dtype="int64", shape=[10], dimension_units=["4nm"]) == spec
        assert updated(spec, open=False, create=True).open_mode == ts.OpenMode(open=True)

    def test_a_fill_value_is_refused_when_it_is_opened(self) -> None:
        spec = updated(view().spec(), fill_value=5)

        assert spec.fill_value is not None
        with pytest.raises(ValueError, match="fill_value not supported"):
            ts.open(spec).result()

    def test_a_codec_constrains_nothing(self) -> None:
        spec = updated(view().spec(), codec=ts.CodecSpec({"driver": "zarr"}))

        assert ts.open(spec).result().codec is None


@pytest.mark.parametrize(
    ("callbacks", "keywords", "mode"),
    [
        ({}, {}, "r"),
        ({"write_function": discard}, {}, "rw"),
        ({"write_function": discard}, {"read": True}, "r"),
        ({"write_function": discard}, {"write": True}, "w"),
        ({"read_function": None, "write_function": discard}, {}, "w"),
    ],
)
def test_mode(callbacks: dict[str, Any], keywords: dict[str, Any], mode: str) -> None:
    opened = ts.open(view(**callbacks).spec(), **keywords).result()

    assert opened.mode == mode
    assert pickle.loads(pickle.dumps(opened)).mode == mode


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"write": True}, 'writing is not supported by this "virtual_chunked" spec'),
        ({"read": True, "write": True}, "writing is not supported"),
    ],
)
def test_a_mode_that_no_callback_provides_is_refused(
    keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ts.open(view().spec(), **keywords).result()
