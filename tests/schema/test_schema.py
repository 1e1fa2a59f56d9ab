"""Schemas; answers recorded from tensorstore 0.1.86 unless a comment says that they are ours."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given

from tests.strategies_schema import OURS, evaluate, outcome, schema_texts
from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.codec import CodecSpec
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.schema import Schema
from virtchunk._schema.unit import Unit

EVERYTHING = Schema(
    dtype="int32",
    domain=IndexDomain(labels=["x", "y"], shape=[3, 4]),
    fill_value=5,
    dimension_units=["m", None],
    chunk_layout=ChunkLayout(grid_origin=[0, 0]),
    codec=CodecSpec({"driver": "zarr"}),
)
EVERYTHING_JSON = {
    "chunk_layout": {"grid_origin": [0, 0]},
    "codec": {"driver": "zarr"},
    "dimension_units": [[1.0, "m"], None],
    "domain": {"exclusive_max": [3, 4], "inclusive_min": [0, 0], "labels": ["x", "y"]},
    "dtype": "int32",
    "fill_value": 5,
    "rank": 2,
}
MADE = {"exclusive_max": [[2]], "inclusive_min": [0]}


def test_properties_of_a_full_schema() -> None:
    schema = EVERYTHING

    assert (schema.rank, schema.ndim) == (2, 2)
    assert schema.dtype == "int32"
    assert schema.domain == IndexDomain(labels=["x", "y"], shape=[3, 4])
    assert (schema.shape, schema.origin, schema.size) == ((3, 4), (0, 0), 12)
    assert schema.fill_value is not None
    assert repr(schema.fill_value) == "array(5, dtype=int32)"
    assert schema.dimension_units == (Unit("m"), None)
    assert schema.chunk_layout == ChunkLayout(grid_origin=[0, 0])
    assert schema.codec == CodecSpec({"driver": "zarr"})


def test_properties_of_an_empty_schema() -> None:
    schema = Schema()

    known = [schema.rank, schema.ndim, schema.dtype, schema.domain, schema.fill_value]
    assert known == [None] * 5
    assert schema.dimension_units is None
    assert schema.codec is None
    assert schema.chunk_layout == ChunkLayout()
    assert schema.to_json() == {}
    assert repr(schema) == "Schema({})"


@pytest.mark.parametrize("name", ["shape", "origin", "size", "T"])
def test_without_a_rank_there_is_no_domain(name: str) -> None:
    """There a segmentation fault."""
    with pytest.raises(ValueError, match="rank of the schema must be specified"):
        getattr(Schema(), name)
    with pytest.raises(ValueError, match="rank of the schema must be specified"):
        Schema()[...]


def test_with_a_rank_alone_the_domain_is_unbounded() -> None:
    schema = Schema(rank=2)

    assert schema.domain is None
    assert schema.shape == (2**63 - 1,) * 2
    assert schema.origin == (-(2**62) + 1,) * 2
    assert schema.size == 2**63 - 1
    assert schema.dimension_units == (None, None)


@pytest.mark.parametrize(
    ("keywords", "rank"),
    [
        ({"rank": 0}, 0),
        ({"rank": np.int64(32)}, 32),
        ({"rank": True}, 1),
        ({"domain": IndexDomain(2)}, 2),
        ({"shape": [1, 2, 3]}, 3),
        ({"shape": []}, 0),
        ({"shape": np.array([1, 2])}, 2),
        ({"chunk_layout": ChunkLayout(inner_order=[1, 0])}, 2),
        ({"chunk_layout": ChunkLayout(rank=2)}, 2),
        ({"dimension_units": [None]}, 1),
        ({"schema": Schema(rank=3)}, 3),
        ({"fill_value": [1, 2]}, None),
        ({"dimension_units": []}, None),
        ({"dtype": int}, None),
        ({"chunk_layout": ChunkLayout(chunk_elements=5)}, None),
        ({"rank": None, "dtype": None, "schema": None, "fill_value": None}, None),
    ],
)
def test_what_tells_the_rank(keywords: dict[str, Any], rank: int | None) -> None:
    assert Schema(**keywords).rank == rank


@pytest.mark.parametrize(
    "keywords",
    [
        {"rank": "3"},
        {"rank": 3.0},
        {"dtype": 5},
        {"domain": [1, 2]},
        {"shape": 5},
        {"shape": [1.5]},
        {"shape": "12"},
        {"shape": [None]},
        {"chunk_layout": {}},
        {"codec": {"driver": "zarr"}},
        {"dimension_units": "4nm"},
        {"dimension_units": [{}]},
        {"schema": {"rank": 3}},
        {"fill_value": np.array([1.5]), "dtype": "int32"},
        {"color": 3},
        {"json": {"rank": 3}, "rank": 3},
    ],
)
def test_values_of_other_types_are_refused(keywords: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Schema(**keywords)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"rank": 33}, r"rank must be in \[0, 32\], got 33"),
        ({"rank": -1}, r"got -1"),  # ours; there unconstrained
        ({"dtype": "i4"}, "no data type named 'i4'"),
        ({"shape": [-1]}, "-1"),
        ({"shape": [1] * 33}, "32"),
        ({"fill_value": "a"}, 'text is "ustring"'),
        ({"rank": 2, "shape": [1]}, "shape tells that the rank is 1, but 2 was specified before"),
        ({"rank": 2, "dimension_units": ["m"]}, "dimension_units tells that the rank is 1"),
        ({"rank": 2, "domain": IndexDomain(1)}, "domain tells that the rank is 1"),
        (
            {"rank": 3, "chunk_layout": ChunkLayout(rank=2)},
            "chunk_layout tells that the rank is 2, but 3",
        ),
        ({"rank": 2, "schema": Schema(rank=3)}, "schema tells that the rank is 3, but 2"),
        ({"dtype": "int8", "schema": Schema(dtype="uint8")}, "dtype uint8 differs from dtype int8"),
        (
            {"domain": IndexDomain(inclusive_min=[1], exclusive_max=[4]), "shape": [4]},
            "dimension 0, the lower bounds 1 and 0 differ",
        ),
        ({"rank": 0, "fill_value": [1, 2]}, r"\[1, 2\] of shape \(2,\) has more dimensions"),
        ({"shape": [3], "fill_value": [1, 2]}, "cannot be broadcast to domain"),
        (
            {"dtype": "int32", "fill_value": 1, "schema": Schema(fill_value=1)},
            "fill_value 1 of dtype int64 differs from 1 of dtype int32",
        ),
        (
            {"codec": CodecSpec({"driver": "n5"}), "schema": Schema(codec=EVERYTHING.codec)},
            "differ in the member 'driver'",
        ),
        (
            {"dimension_units": ["4nm"], "schema": Schema(dimension_units=["5nm"])},
            r"dimension_units\[0\] is 5 nm",
        ),
        (
            {
                "chunk_layout": ChunkLayout(inner_order=[0, 1]),
                "schema": Schema(chunk_layout=ChunkLayout(inner_order=[1, 0])),
            },
            "inner order",
        ),
    ],
)
def test_values_that_conflict_are_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schema(**keywords)


def test_unknown_keywords_are_named() -> None:
    with pytest.raises(TypeError, match=r"Schema\(\) got unexpected keywords \['color'\]"):
        Schema(color=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Schema.update\(\) got unexpected keywords \['json'\]"):
        Schema().update(json={})  # type: ignore[call-arg]


def test_updates_add_up() -> None:
    schema = Schema()
    schema.update(rank=2)
    schema.update(domain=IndexDomain(labels=["x", ""]))
    schema.update(shape=[3, 4])
    schema.update(dimension_units=["m", None], dtype="int8")
    schema.update(dimension_units=[None, "s"], fill_value=7)
    schema.update(chunk_layout=ChunkLayout(grid_origin=[0, None]))
    schema.update(chunk_layout=ChunkLayout(grid_origin=[None, 1]))
    schema.update()

    assert schema.to_json() == {
        "chunk_layout": {"grid_origin": [0, 1]},
        "dimension_units": [[1.0, "m"], [1.0, "s"]],
        "domain": {"exclusive_max": [3, 4], "inclusive_min": [0, 0], "labels": ["x", ""]},
        "dtype": "int8",
        "fill_value": 7,
        "rank": 2,
    }


def test_a_schema_merged_with_itself_is_itself() -> None:
    schema = Schema(dtype="float32", fill_value=math.nan)  # NaN: there a conflict
    for each in (schema, EVERYTHING.copy()):
        before = each.copy()
        each.update(schema=each)

        assert each == before


def test_an_update_that_fails_changes_nothing() -> None:
    """There what precedes the failure is kept."""
    schema = Schema(dtype="int8")
    with pytest.raises(ValueError, match="uint8"):
        schema.update(rank=3, schema=Schema(dtype="uint8"))

    assert schema == Schema(dtype="int8")


def test_a_rank_must_fit_a_fill_value_that_is_known() -> None:
    schema = Schema(fill_value=[[1], [2]])
    with pytest.raises(ValueError, match="more dimensions than the rank, 1"):
        schema.update(rank=1)
    with pytest.raises(ValueError, match="cannot be broadcast to domain"):
        schema.update(shape=[3, 3])
    schema.update(shape=[2, 3])

    assert schema.rank == 2


def test_a_fill_value_is_converted_only_to_a_data_type_that_is_known() -> None:
    before = Schema(dtype="uint8", fill_value=3.7)
    after = Schema(fill_value=3.7)
    after.update(dtype="uint8")

    assert (before.to_json()["fill_value"], after.to_json()["fill_value"]) == (3, 3.7)


def test_what_is_handed_out_does_not_change_the_schema() -> None:
    schema = EVERYTHING.copy()
    schema.chunk_layout.update(inner_order=[0, 1])
    schema.to_json()["domain"]["labels"].append("z")
    assert schema.fill_value is not None
    with pytest.raises(ValueError, match="read-only"):
        schema.fill_value[...] = 6

    assert schema == EVERYTHING


def test_json_leads_both_ways() -> None:
    assert EVERYTHING.to_json() == EVERYTHING_JSON
    assert list(EVERYTHING.to_json()) == sorted(EVERYTHING_JSON)
    assert EVERYTHING.to_json(include_defaults=True) == EVERYTHING_JSON
    assert Schema(EVERYTHING_JSON) == Schema(json=EVERYTHING) == EVERYTHING


@pytest.mark.parametrize(
    ("json", "result"),
    [
        ({"rank": 3.0}, {"rank": 3}),
        ({"dtype": np.dtype("int32").name}, {"dtype": "int32"}),
        ({"domain": {"shape": [[2]]}}, {"domain": MADE, "rank": 1}),
        ({"domain": IndexDomain(2)}, {"domain": {"rank": 2}, "rank": 2}),
        ({"chunk_layout": {}}, {}),
        ({"chunk_layout": {"rank": 3}}, {"rank": 3}),
        ({"fill_value": None}, {"fill_value": None}),
        ({"fill_value": [[[1]]]}, {"fill_value": 1}),
        ({"dtype": "int32", "fill_value": [1, 2]}, {"dtype": "int32", "fill_value": [1, 2]}),
        ({"dimension_units": ["4nm", None]}, {"dimension_units": [[4.0, "nm"], None], "rank": 2}),
        ({"dimension_units": [4]}, {"dimension_units": [[4.0, ""]], "rank": 1}),
        ({"dimension_units": [None, None]}, {"rank": 2}),
        ({"dimension_units": []}, {}),
    ],
)
def test_json_is_brought_into_one_form(json: Any, result: Any) -> None:
    assert Schema(json).to_json() == result


@pytest.mark.parametrize(
    ("json", "message"),
    [
        (None, "must be an object, got null None"),
        (5, "must be an object, got number 5"),
        ({"color": 1, "b": 2}, r"no members \['b', 'color'\]"),
        ({"rank": "3"}, "member \"rank\" .* got string '3'"),
        ({"rank": True}, 'member "rank"'),
        ({"rank": None}, 'member "rank"'),
        ({"rank": 33}, 'member "rank"'),
        ({"rank": -1}, 'member "rank"'),
        ({"rank": 2.5}, 'member "rank"'),
        ({"dtype": 5}, 'member "dtype"'),
        ({"dtype": "i4"}, 'member "dtype"'),
        ({"dtype": None}, 'member "dtype"'),
        ({"domain": None}, 'member "domain"'),
        ({"domain": {}}, 'member "domain"'),
        ({"domain": {"shape": [1]}, "rank": 2}, 'member "domain"'),
        ({"chunk_layout": None}, 'member "chunk_layout"'),
        ({"chunk_layout": {"grid_origin": [1]}, "rank": 2}, 'member "chunk_layout"'),
        ({"codec": None}, 'member "codec"'),
        ({"dtype": "int32", "fill_value": "a"}, 'member "fill_value"'),
        ({"rank": 0, "fill_value": [1, 2]}, 'member "fill_value"'),
        ({"dimension_units": None}, 'member "dimension_units"'),
        ({"dimension_units": ["m"], "rank": 2}, 'member "dimension_units"'),
    ],
)
def test_other_json_is_refused(json: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schema(json)


def test_repr_is_the_json_laid_out() -> None:
    assert repr(Schema(dtype="uint8", rank=3)) == "Schema({'dtype': 'uint8', 'rank': 3})"
    assert repr(EVERYTHING) == "\n".join(
        [
            "Schema({",
            "  'chunk_layout': {'grid_origin': [0, 0]},",
            "  'codec': {'driver': 'zarr'},",
            "  'dimension_units': [[1.0, 'm'], None],",
            "  'domain': {",
            "    'exclusive_max': [3, 4],",
            "    'inclusive_min': [0, 0],",
            "    'labels': ['x', 'y'],",
            "  },",
            "  'dtype': 'int32',",
            "  'fill_value': 5,",
            "  'rank': 2,",
            "})",
        ]
    )
    # There an error:
    text = repr(Schema(dtype="string", fill_value=b"\xff"))
    assert text == "Schema({'dtype': 'string', 'fill_value': b'\\xff'})"


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Schema(), Schema(rank=0), False),
        (Schema(rank=2, dimension_units=[None, None]), Schema(rank=2), True),  # ours
        (Schema(rank=2, chunk_layout=ChunkLayout(rank=2)), Schema(rank=2), True),  # ours
        (Schema(dimension_units=[1]), Schema(dimension_units=[1.0]), True),
        (Schema(fill_value=1), Schema(fill_value=1.0), False),
        (Schema(fill_value=np.uint8(1)), Schema(fill_value=1), False),
        (Schema(fill_value=math.nan), Schema(fill_value=math.nan), True),  # ours
        (Schema(dtype="float32", fill_value=1), Schema(dtype="float32", fill_value=1.0), True),
        (Schema(shape=[3]), Schema(domain=IndexDomain(shape=[3])), True),
        (Schema(shape=[3]), Schema(domain=IndexDomain(shape=[3], labels=["x"])), False),
        (Schema(codec=CodecSpec({"driver": "a"})), Schema(codec=CodecSpec({"driver": "b"})), False),
    ],
)
def test_equality(a: Schema, b: Schema, same: bool) -> None:
    assert (a == b) is same
    assert (a != b) is not same
    assert a != a.to_json()  # ours; there a TypeError


def test_what_can_change_is_not_hashable() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Schema())
    with pytest.raises(AttributeError):
        Schema().rank = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Schema().color = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("duplicate", [Schema.copy, copy.copy, copy.deepcopy], ids=repr)
def test_a_copy_is_independent(duplicate: Any) -> None:
    original = Schema(dtype="uint8")
    copied = duplicate(original)
    copied.update(rank=2)
    original.update(rank=3)

    assert (original.rank, copied.rank) == (3, 2)


@given(schema_texts())
def test_every_form_leads_back(text: str) -> None:
    assume(not isinstance(outcome(OURS, text), type))
    assume("1j" not in text)  # a pair of numbers, unless JSON tells the data type
    schema: Schema = evaluate(OURS, text)
    # In JSON the multiplier of a unit must be a positive number.
    assume(all(0 < unit.multiplier < math.inf for unit in schema.dimension_units or () if unit))

    assert pickle.loads(pickle.dumps(schema)) == schema
    assert copy.copy(schema) == copy.deepcopy(schema) == schema.copy() == schema
    json = schema.to_json()
    assert repr(Schema(json).to_json()) == repr(json)
    names = {"Schema": Schema, "nan": math.nan, "inf": math.inf}
    assert repr(eval(repr(schema), names)) == repr(schema)


def test_a_pickle_keeps_what_json_does_not() -> None:
    schema = Schema(fill_value=np.array([b"\xff"], object))
    same = Schema(dtype="string", fill_value=b"\xff")

    for each in (schema, same):
        assert pickle.loads(pickle.dumps(each)) == each


INDEXABLE = Schema(
    domain=IndexDomain(labels=["x", "y", "z"], shape=[1000, 2000, 3000]),
    chunk_layout=ChunkLayout(grid_origin=[100, 200, 300], inner_order=[0, 1, 2]),
    dimension_units=["nm", None, "2s"],
    dtype="int8",
    codec=CodecSpec({"driver": "zarr"}),
)


def test_indexing_carries_every_part_along() -> None:
    assert INDEXABLE[[5, 10, 20], 6:10, ::2] == Schema(
        domain=IndexDomain(labels=["", "y", "z"], inclusive_min=[0, 6, 0], shape=[3, 4, 1500]),
        chunk_layout=ChunkLayout(grid_origin=[None, 200, 150], inner_order=[1, 2, 0]),
        dimension_units=[None, None, "4s"],
        dtype="int8",
        codec=CodecSpec({"driver": "zarr"}),
    )


def test_every_way_of_indexing_works() -> None:
    schema = INDEXABLE

    assert schema.T.domain == IndexDomain(labels=["z", "y", "x"], shape=[3000, 2000, 1000])
    assert schema.transpose([2, 0, 1]).shape == (3000, 1000, 2000)
    assert schema.oindex[[5, 10], [7, 8, 10]].shape == (2, 3, 3000)
    assert schema.vindex[[5, 10, 20], [7, 8, 10]].shape == (3, 3000)
    assert schema.translate_by[5].origin == (5, 5, 5)
    assert schema.translate_to[1, 2, 3].chunk_layout.grid_origin == (101, 202, 303)
    assert schema.translate_backward_by[5].origin == (-5, -5, -5)
    labelled = schema.label["a", "b", "c"].domain
    assert labelled is not None
    assert labelled.labels == ("a", "b", "c")
    assert schema[IndexDomain(labels=["z"], shape=[9])].shape == (1000, 2000, 9)
    transform = IndexTransform(domain=IndexDomain(3))
    assert schema[transform].domain == IndexDomain(shape=[1000, 2000, 3000])


def test_explicit_bounds_stay_explicit() -> None:
    assert INDEXABLE.mark_bounds_implicit[True] == INDEXABLE
    resizable = Schema(domain=IndexDomain(shape=[3], implicit_upper_bounds=[True]))
    assert resizable.mark_bounds_implicit[False].domain == IndexDomain(shape=[3])


def test_with_a_rank_alone_indexing_changes_the_rank() -> None:
    schema = Schema(rank=2, dtype="int8")

    assert schema[1] == Schema(rank=1, dtype="int8")
    assert schema[None, 5:10].rank == 3
    assert schema[IndexDomain(shape=[2, 3])].domain is None


def test_indexing_outside_the_domain_is_an_error() -> None:
    with pytest.raises(IndexError):
        INDEXABLE[-1]
    with pytest.raises(IndexError):
        INDEXABLE[5:2000]
    with pytest.raises(IndexError):
        INDEXABLE[IndexTransform(domain=IndexDomain(2))]
