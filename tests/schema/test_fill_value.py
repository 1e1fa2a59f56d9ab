"""Fill values; recorded from tensorstore 0.1.86 unless a comment says that it is ours."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

from virtchunk._index.dim_expression import d
from virtchunk._index.domain import IndexDomain
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.dtype import dtype
from virtchunk._schema.element_json import element_json
from virtchunk._schema.fill_value import FillValue
from virtchunk._schema.schema import Schema

INT32 = dtype("int32")


@pytest.mark.parametrize(
    ("value", "smallest"),
    [
        (3, 3),
        ([[[3]]], 3),
        ([[1, 2]], [1, 2]),
        ([[1], [2]], [[1], [2]]),
        ([1, 1], [1, 1]),
        (np.broadcast_to(np.int32(3), (2, 2)), 3),
        (np.broadcast_to(np.array([1, 2], "int32"), (3, 2)), [1, 2]),
        (np.broadcast_to(np.array([[1], [2]], "int32"), (2, 3)), [[1], [2]]),
    ],
)
def test_the_smallest_form_is_kept(value: Any, smallest: Any) -> None:
    array = FillValue.of(value, INT32).array

    assert array.tolist() == smallest
    assert array.dtype == np.dtype("int32")
    assert not array.flags.writeable


def test_the_elements_are_owned() -> None:
    value = np.array([1, 2])
    fill_value = FillValue.of(value)
    value[0] = 9

    assert fill_value.array.tolist() == [1, 2]


def test_json_elements_cannot_be_changed_from_outside() -> None:
    schema = Schema(dtype="json", fill_value={"a": [1]})
    found = schema.fill_value
    assert found is not None
    found.item()["a"].append(2)

    assert schema.to_json()["fill_value"] == {"a": [1]}


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (3, [[3]], True),
        (3, 3.0, False),
        (3, np.uint8(3), False),
        (3, [3, 3], False),
        ([1, 2], [1, 3], False),
        (0.0, -0.0, True),
        (math.nan, math.nan, True),  # ours
        ([1, math.nan], [1, math.nan], True),  # ours
    ],
)
def test_equality(a: Any, b: Any, same: bool) -> None:
    assert (FillValue.of(a) == FillValue.of(b)) is same
    assert FillValue.of(a) != a


SHAPES = [
    # fill value, shape, fits
    (3, (), True),
    (3, (2, 2), True),
    ([1, 2], (2,), True),
    ([1, 2], (4, 2), True),
    ([[[1, 2]]], (2,), True),
    ([[1], [2]], (2, 5), True),
    ([1, 2], (), False),
    ([1, 2], (3,), False),
    ([1, 2], (0,), False),
    ([1, 2], (1,), False),
    ([[1, 2], [3, 4]], (2,), False),
    ([[1, 2], [3, 4]], (4, 2), False),
    ([[1], [2]], (4, 2), False),
]


@pytest.mark.parametrize(("value", "shape", "fits"), SHAPES)
def test_broadcasting_to_a_domain(value: Any, shape: tuple[int, ...], fits: bool) -> None:
    fill_value = FillValue.of(value)
    if fits:
        fill_value.check_domain(IndexDomain(shape=shape))
    else:
        with pytest.raises(ValueError, match="fill_value"):
            fill_value.check_domain(IndexDomain(shape=shape))


def test_refusal_names_shape_and_dimension() -> None:
    domain = IndexDomain(labels=["x", "y"], shape=[4, 3])
    with pytest.raises(
        ValueError, match=r"\[1, 2\] of shape \(2,\) .* dimension 1 needs .* 1 or 3"
    ):
        FillValue.of([1, 2]).check_domain(domain)
    with pytest.raises(ValueError, match=r"more dimensions than the rank, 1"):
        FillValue.of([[1], [2]]).check_rank(1)


ELEMENTS: list[tuple[str, Any, Any]] = [
    ("bool", True, True),
    ("int4", -8, -8),
    ("uint8", 255, 255),
    ("uint64", 2**64 - 1, 2**64 - 1),
    ("float16", 0.1, 0.0999755859375),
    ("float32", 0.1, 0.10000000149011612),
    ("float64", 1, 1.0),
    ("bfloat16", 1.5, 1.5),
    ("string", b"a\0", "a\0"),
    ("string", b"\xc3\xa9", "\u00e9"),
    ("ustring", "\u00e9", "\u00e9"),
    ("json", {"a": [1]}, {"a": [1]}),
    ("complex64", 1 + 2j, [1.0, 2.0]),
    # Ours from here: there not implemented.
    ("char", b"a", "a"),
    ("char", b"", "\0"),
    ("byte", b"\xff", 255),
    ("datetime64[s]", "2020-01-02", "2020-01-02T00:00:00"),
    ("datetime64[s]", "NaT", "NaT"),
    ("timedelta64[s]", 5, 5),
    ("timedelta64[s]", "NaT", "NaT"),
]


@pytest.mark.parametrize(("name", "value", "json"), ELEMENTS)
def test_elements_in_json(name: str, value: Any, json: Any) -> None:
    if name in ("int4", "bfloat16"):
        pytest.importorskip("ml_dtypes")
    fill_value = FillValue.of(value, dtype(name))

    assert repr(fill_value.to_json()) == repr(json)
    assert FillValue.from_json(json, dtype(name)) == fill_value


@pytest.mark.parametrize(
    ("name", "json", "element"),
    [
        ("float32", "NaN", math.nan),
        ("float32", "nan", math.nan),
        ("float32", "-Infinity", -math.inf),
        ("float32", "1.5", 1.5),
        ("float32", 1e300, math.inf),
        ("float16", 1e10, math.inf),
        ("uint8", 3.0, 3),
        ("uint8", "3", 3),
        ("bool", "true", True),
        ("bool", "false", False),
        ("complex64", ["NaN", 1], complex(math.nan, 1)),  # ours
    ],
)
def test_other_ways_to_write_elements(name: str, json: Any, element: Any) -> None:
    array = FillValue.from_json(json, dtype(name)).array

    assert repr(array[()].item()) == repr(element)


@pytest.mark.parametrize(
    ("name", "json"),
    [
        ("bool", 1),
        ("bool", "yes"),
        ("uint8", 300),
        ("uint8", -1),
        ("uint8", 3.5),
        ("uint8", True),
        ("uint8", None),
        ("uint8", "3.0"),
        ("int4", 8),
        ("int64", 2**63),
        ("float32", True),
        ("float32", None),
        ("float32", "one"),
        ("string", 3),
        ("ustring", None),
        ("int32", [[1, 2], [3]]),
        ("int32", [[1, 2], 3]),
        ("int32", [1, [2]]),
        ("json", [1, [2]]),
        # Ours from here: there not implemented.
        ("complex64", 1),
        ("complex64", [1]),
        ("complex64", [1, 2, 3]),
        ("complex64", [[1, 2], 3]),
        ("char", "ab"),
        ("char", "\u0100"),
        ("char", 5),
        ("byte", 256),
        ("datetime64[s]", 5),
        ("datetime64[s]", "yesterday"),
        ("timedelta64[s]", "soon"),
    ],
)
def test_json_that_is_refused(name: str, json: Any) -> None:
    if name == "int4":
        pytest.importorskip("ml_dtypes")
    with pytest.raises(ValueError, match=r"expected .*, got|fill_value"):
        FillValue.from_json(json, dtype(name))


def test_arrays_in_json() -> None:
    array = [[[1, 2]], [[3, 4]]]
    fill_value = FillValue.from_json(array, INT32)

    assert fill_value.array.shape == (2, 1, 2)
    assert fill_value.to_json() == array
    assert FillValue.from_json([[1, 2], [3, 4]], dtype("complex64")).array.tolist() == [
        1 + 2j,
        3 + 4j,
    ]
    assert FillValue.from_json([], INT32).array.shape == (0,)
    assert FillValue.from_json([], INT32).to_json() == []


def test_json_without_a_data_type_is_json() -> None:
    fill_value = FillValue.from_json([1, "a"], None)

    assert fill_value.data_type == "json"
    assert fill_value.array.tolist() == [1, "a"]


def test_bytes_that_are_not_text_have_no_json_form_but_are_displayed() -> None:
    fill_value = FillValue.of([b"a", b"\xff"], dtype("string"))

    with pytest.raises(ValueError, match="not valid UTF-8"):
        fill_value.to_json()
    assert fill_value.for_display() == [b"a", b"\xff"]


def test_every_data_type_has_a_json_form() -> None:
    from tests.strategies_schema import DTYPE_NAMES

    for name in DTYPE_NAMES:
        assert callable(element_json(dtype(name)).encode)


@pytest.mark.parametrize(("name", "value", "json"), ELEMENTS)
def test_pickle_leads_back(name: str, value: Any, json: Any) -> None:
    if name in ("int4", "bfloat16"):
        pytest.importorskip("ml_dtypes")
    fill_value = FillValue.of(value, dtype(name))
    copied = pickle.loads(pickle.dumps(fill_value))

    assert copied == fill_value
    assert not copied.array.flags.writeable


FULL = Schema(shape=[2, 3], dtype="int32", fill_value=[[0, 1, 2], [3, 4, 5]])
ROW = Schema(shape=[2, 3], dtype="int32", fill_value=[1, 2, 3])
COLUMN = Schema(shape=[2, 3], dtype="int32", fill_value=[[1], [2]])
SCALAR = Schema(shape=[2, 3], dtype="int32", fill_value=7)
MOVED = FULL.translate_to[10, 20]
UNBOUNDED = Schema(rank=2, dtype="int32", fill_value=[[0, 1, 2], [3, 4, 5]])

single = OutputIndexMap(input_dimension=0)

INDEXED: list[tuple[Schema, Any, Any]] = [
    (FULL, ..., [[0, 1, 2], [3, 4, 5]]),
    (FULL, 0, [0, 1, 2]),
    (FULL, (slice(None), 1), [1, 4]),
    (FULL, slice(0, 1), [0, 1, 2]),
    (FULL, (slice(None), slice(1, 3)), [[1, 2], [4, 5]]),
    (FULL, (slice(None), slice(None, None, 2)), [[0, 2], [3, 5]]),
    (FULL, (slice(None), slice(None, None, -1)), [[2, 1, 0], [5, 4, 3]]),
    (FULL, [1, 0], [[3, 4, 5], [0, 1, 2]]),
    (FULL, (slice(None), [1, 0, 1]), [[1, 0, 1], [4, 3, 4]]),
    (FULL, (slice(None), None), [[[0, 1, 2]], [[3, 4, 5]]]),
    (FULL, (..., None), [[[0], [1], [2]], [[3], [4], [5]]]),
    (FULL, d[0, 1].diagonal, [0, 4]),
    (FULL, (0, 1), 1),
    (FULL, slice(0, 0), None),
    (SCALAR, (0, [1, 1]), 7),
    (SCALAR, (None, slice(None, None, -2)), 7),
    (SCALAR, slice(0, 0), None),
    (ROW, 0, [1, 2, 3]),
    (ROW, (slice(None), 1), 2),
    (ROW, (slice(None), [2]), 3),
    (ROW, [1, 0], [1, 2, 3]),
    (ROW, d[0, 1].diagonal, [1, 2]),
    (COLUMN, 1, 2),
    (COLUMN, (slice(None), 1), [1, 2]),
    (COLUMN, (slice(None), None), [[[1]], [[2]]]),
    (MOVED, 10, [0, 1, 2]),
    (MOVED, (slice(None), 21), [1, 4]),
    (MOVED, d[0, 1].diagonal, None),
    (UNBOUNDED, ..., [[0, 1, 2], [3, 4, 5]]),
    (UNBOUNDED, (slice(None), slice(None, None, -1)), [[2, 1, 0], [5, 4, 3]]),
    (UNBOUNDED, d[0, 1].diagonal, [0, 4]),
    (UNBOUNDED, (slice(5, 7), slice(0, 3)), [[0, 1, 2], [3, 4, 5]]),
    (UNBOUNDED, IndexTransform(1, output=[single, single]), [0, 4]),
]


@pytest.mark.parametrize(("schema", "key", "expected"), INDEXED)
def test_indexing_picks_elements(schema: Schema, key: Any, expected: Any) -> None:
    found = schema[key].fill_value

    assert (None if found is None else found.tolist()) == expected


def test_transposing_transposes() -> None:
    def elements(schema: Schema) -> Any:
        assert schema.fill_value is not None
        return schema.fill_value.tolist()

    assert elements(FULL.T) == [[0, 3], [1, 4], [2, 5]]
    assert elements(ROW.T) == [[1], [2], [3]]
    assert elements(COLUMN.T) == [1, 2]
    assert elements(FULL.vindex[[0, 1], [1, 2]]) == [1, 5]
    assert elements(FULL.oindex[[1], [2, 1]]) == [5, 4]


@pytest.mark.parametrize(
    "key",
    [0, (slice(None), 1), slice(0, 1), (slice(None), slice(1, None)), [1, 0], (slice(None), [2])],
)
def test_without_a_domain_every_value_must_be_selected(key: Any) -> None:
    with pytest.raises(ValueError, match="specify a domain first"):
        UNBOUNDED[key]


def test_positions_without_a_value_are_an_error() -> None:
    resizable = Schema(dtype="int32")
    resizable.update(domain=IndexDomain(shape=[2], implicit_upper_bounds=[True]), fill_value=[1, 2])

    with pytest.raises(ValueError, match="cannot transform fill_value"):
        resizable[5]
    with pytest.raises(ValueError, match=r"cannot transform fill_value .* \[0, 2\)"):
        resizable[[0, 5]]
