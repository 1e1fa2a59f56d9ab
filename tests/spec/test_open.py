"""`open`: from a spec to a view, and where its errors come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import virtchunk as ts

JSON = {"driver": "array", "dtype": "int8", "array": [[1, 2, 3], [4, 5, 6]]}


def test_opens_json_and_specs() -> None:
    for spec in [JSON, ts.Spec(JSON)]:
        view = ts.open(spec).result()

        assert view.read().result().tolist() == JSON["array"]


async def test_can_be_awaited() -> None:
    view = await ts.open(JSON)

    assert (await view[1].read()).tolist() == [4, 5, 6]


def test_is_done_at_once() -> None:
    assert ts.open(JSON).done()


def test_opens_a_view_as_the_spec_shows_it() -> None:
    spec = ts.Spec(JSON)[:, ::-1].label["x", "y"]

    view = ts.open(spec).result()

    assert view.domain == spec.domain
    assert view.read().result().tolist() == [[3, 2, 1], [6, 5, 4]]


def test_keeps_to_the_domain_of_the_driver() -> None:
    spec = ts.Spec({**JSON, "transform": {"input_rank": 2}})

    assert ts.open(spec).result().domain == ts.IndexDomain(shape=[2, 3])


def test_each_opening_has_elements_of_its_own() -> None:
    spec = ts.Spec(JSON)
    one, other = (ts.open(spec).result() for _ in range(2))
    one[0, 0] = 9

    assert one[0, 0].read().result() == 9
    assert other[0, 0].read().result() == 1
    assert spec == ts.Spec(JSON)


@pytest.mark.parametrize(
    ("keywords", "mode"),
    [
        ({}, "rw"),
        ({"read": True}, "r"),
        ({"write": True}, "w"),
        ({"read": True, "write": True}, "rw"),
        ({"read": False, "write": False}, "rw"),
        ({"read": None, "write": False}, "rw"),
    ],
)
def test_mode(keywords: dict[str, Any], mode: str) -> None:
    assert ts.open(JSON, **keywords).result().mode == mode


def test_a_view_opened_for_reading_is_not_written() -> None:
    view = ts.open(JSON, read=True).result()

    with pytest.raises(ValueError, match="writ"):
        view.write(1)


def test_a_context_is_used() -> None:
    context = ts.Context({"data_copy_concurrency": {"limit": 3}})
    view = ts.open(JSON, context=context).result()

    bound = ts.Spec(JSON)
    bound.update(context=context)
    assert view.spec(retain_context=True) == bound


def test_what_is_bound_in_the_spec_stays() -> None:
    context = ts.Context()
    spec = ts.Spec(JSON)
    spec.update(context=context)

    assert ts.open(spec, context=ts.Context()).result().spec(retain_context=True) == spec


def test_constraints_are_added() -> None:
    view = ts.open(JSON, dimension_units=["4nm", None], schema=ts.Schema(rank=2)).result()

    assert view.dimension_units == (ts.Unit("4nm"), None)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"dtype": ts.int16}, ValueError, "dtype int16 differs from dtype int8"),
        ({"rank": 1}, ValueError, "rank"),
        ({"shape": [2, 4]}, ValueError, r"\[0, 4\)"),
        ({"fill_value": 5}, ValueError, "fill_value is not supported"),
        ({"codec": ts.CodecSpec({"driver": "zarr"})}, ValueError, "codec is not supported"),
        ({"chunk_layout": ts.ChunkLayout(inner_order=[1, 0])}, ValueError, "inner order"),
        ({"chunk_layout": ts.ChunkLayout(grid_origin=[1, 1])}, ValueError, "hard constraint 1"),
        (
            {"chunk_layout": ts.ChunkLayout(read_chunk_shape=[1, 1])},
            ValueError,
            r"read_chunk shape \[1, 1\] is not supported",
        ),
    ],
)
def test_what_cannot_be_satisfied_is_told_by_the_future(
    keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    future = ts.open(JSON, **keywords)

    with pytest.raises(error, match=message):
        future.result()


def test_soft_constraints_on_an_array_are_wishes() -> None:
    layout = ts.ChunkLayout(
        read_chunk_shape_soft_constraint=[1, 1],
        inner_order_soft_constraint=[1, 0],
        chunk_elements=5,
    )

    assert ts.open(JSON, chunk_layout=layout).result().chunk_layout.inner_order == (0, 1)


def test_a_spec_that_leaves_the_domain_is_told_by_the_future() -> None:
    future = ts.open({**JSON, "transform": {"input_shape": [5, 3]}})

    with pytest.raises(ValueError, match="the transform leaves the domain"):
        future.result()


def test_an_undefined_resource_is_told_by_the_future() -> None:
    future = ts.open({**JSON, "data_copy_concurrency": "data_copy_concurrency#nowhere"})

    with pytest.raises(ValueError, match='"data_copy_concurrency#nowhere" is not defined'):
        future.result()


@pytest.mark.parametrize(
    ("spec", "keywords", "error"),
    [
        (5, {}, ValueError),
        ({"driver": "no such driver"}, {}, ValueError),
        ({"driver": "array", "array": [1]}, {"dtype": ts.int8}, ValueError),
        (JSON, {"recheck_cached": "always"}, TypeError),
        (JSON, {"context": 5}, TypeError),
        (JSON, {"dtype": "no such type"}, ValueError),
        (JSON, {"read": "yes"}, TypeError),
        (JSON, {"color": "red"}, TypeError),
        (ts.array([1, 2]), {}, TypeError),
    ],
)
def test_what_is_no_argument_is_told_at_once(
    spec: Any, keywords: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ts.open(spec, **keywords)


class TestSpecOfAnArray:
    def test_opens_an_equal_view(self) -> None:
        elements = np.arange(12, dtype=np.int32).reshape(3, 4)
        view = ts.array(elements)
        for same in [
            view,
            view[1],
            view[1:2],
            view[1:1],
            view[1, 2],
            view[:, ::-2].T,
            view.label["x", "y"].translate_to[5, 7],
            view.oindex[[0, 0, 2], [1, 3]],
            view.vindex[[0, 1], [1, 3]],
            view[:, ts.newaxis],
            view[ts.d[0, 1].diagonal],
            ts.array(np.broadcast_to(elements[0], (3, 4))),
            ts.array(np.asfortranarray(elements)),
        ]:
            again = ts.open(same.spec()).result()

            assert again.domain == same.domain
            assert again.dtype == same.dtype
            assert np.array_equal(again.read().result(), same.read().result())

    def test_has_only_the_elements_of_the_view(self) -> None:
        view = ts.array(np.arange(1000))

        assert view[5:7].spec().to_json()["array"] == [5, 6]
        assert ts.array(np.broadcast_to(3, (9, 9))).spec().to_json()["array"] == 3

    def test_does_not_follow_the_array(self) -> None:
        elements = np.zeros(2)
        spec = ts.array(elements).spec()
        elements[0] = 5

        assert spec.to_json()["array"] == [0, 0]

    def test_has_the_units_of_the_view(self) -> None:
        view = ts.open(JSON, dimension_units=["4nm", "5nm"]).result()

        assert view.T[::2, 1:2].spec().dimension_units == (ts.Unit("10nm"), None)
        assert view.spec().dimension_units == view.dimension_units

    def test_refers_to_default_resources_unless_asked(self) -> None:
        context = ts.Context({"data_copy_concurrency": {"limit": 3}})
        view = ts.array([1, 2], dtype=ts.int8, context=context)

        assert "context" not in view.spec().to_json()
        assert view.spec(retain_context=False) == view.spec()
        for spec in [
            view.spec(retain_context=True),
            view.spec(unbind_context=True),
            view.spec(retain_context=False, unbind_context=True),
        ]:
            assert spec.to_json()["context"] == {"data_copy_concurrency": {"limit": 3}}
        assert view.spec(retain_context=True) != view.spec(unbind_context=True)

    @pytest.mark.parametrize("keyword", ["dtype", "rank", "kvstore", "context", "color"])
    def test_takes_no_constraints(self, keyword: str) -> None:
        arguments: dict[str, Any] = {keyword: None}

        with pytest.raises(TypeError, match=f"no keyword argument '{keyword}'"):
            ts.array([1, 2]).spec(**arguments)

    def test_takes_options(self) -> None:
        view = ts.array([1, 2])

        assert view.spec(minimal_spec=True, open=True, recheck_cached=False) == view.spec()


def test_the_schema_of_a_view_is_all_that_is_known() -> None:
    view = ts.open(JSON, dimension_units=["4nm", "5nm"]).result()

    assert view.schema == view.spec().schema
    assert view.T[0].schema.to_json() == {
        "chunk_layout": {"grid_origin": [0], "inner_order": [0]},
        "dimension_units": [[4.0, "nm"]],
        "domain": {"exclusive_max": [2], "inclusive_min": [0]},
        "dtype": "int8",
        "rank": 1,
    }


def test_a_view_can_be_opened_in_a_transaction() -> None:
    transaction = ts.Transaction()

    view = ts.open(JSON, transaction=transaction).result()

    assert view.transaction is transaction
    with pytest.raises(TypeError, match="must be a Transaction or None"):
        ts.open(JSON, transaction=object())  # type: ignore[arg-type]
