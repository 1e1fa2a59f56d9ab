"""JSON of domains and transforms: the canonical form, and all that is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from virtchunk import Dim, IndexDomain, IndexTransform, OutputIndexMap


@pytest.mark.parametrize(
    ("domain", "json"),
    [
        (IndexDomain(2), {"rank": 2}),
        (IndexDomain(2, labels=["", ""]), {"rank": 2}),
        (IndexDomain(labels=["x", ""]), {"labels": ["x", ""]}),
        (IndexDomain(shape=[2, 3]), {"exclusive_max": [2, 3], "inclusive_min": [0, 0]}),
        (IndexDomain(inclusive_min=[2]), {"inclusive_min": [2]}),
        (IndexDomain(exclusive_max=[2]), {"exclusive_max": [2]}),
        (
            IndexDomain([Dim(), Dim(5, implicit_upper=True)]),
            {"exclusive_max": [["+inf"], [5]], "inclusive_min": [["-inf"], 0]},
        ),
        (
            IndexDomain([Dim(implicit_lower=False, implicit_upper=False)]),
            {"exclusive_max": ["+inf"], "inclusive_min": ["-inf"]},
        ),
    ],
    ids=str,
)
def test_domains_leave_out_what_follows_from_the_rest(domain: IndexDomain, json: Any) -> None:
    assert json == domain.to_json()
    assert domain == IndexDomain(json=json)


@pytest.mark.parametrize(
    ("output", "json"),
    [
        ([], []),
        ([OutputIndexMap(0)], [{}]),
        ([OutputIndexMap(4)], [{"offset": 4}]),
        ([OutputIndexMap(0, 0, 2)], [{"input_dimension": 0, "stride": 2}]),
        ([OutputIndexMap([1, 2, 3], 5)], [{"index_array": [1, 2, 3], "offset": 5}]),
        (
            [OutputIndexMap([1, 2, 3], index_range=Dim(3))],
            [{"index_array": [1, 2, 3], "index_array_bounds": [0, 2]}],
        ),
        (
            [OutputIndexMap([1, 2, 3], index_range=Dim(exclusive_max=3))],
            [{"index_array": [1, 2, 3], "index_array_bounds": ["-inf", 2]}],
        ),
    ],
    ids=str,
)
def test_output_maps_leave_out_defaults(output: list[OutputIndexMap], json: Any) -> None:
    transform = IndexTransform(input_shape=[3], output=output)
    expected = {"input_exclusive_max": [3], "input_inclusive_min": [0], "output": json}

    assert expected == transform.to_json()
    assert transform == IndexTransform(json=expected)


def test_an_identity_has_no_output_maps() -> None:
    assert IndexTransform(2).to_json() == {"input_rank": 2}


def test_an_index_range_that_all_entries_satisfy_is_left_out() -> None:
    output = [OutputIndexMap([1, 2, 3], index_range=Dim(4))]
    json = IndexTransform(input_shape=[3], output=output).to_json()

    assert json["output"] == [{"index_array": [1, 2, 3]}]


@pytest.mark.parametrize(
    ("json", "domain"),
    [
        ({"rank": 2.0}, IndexDomain(2)),
        ({"rank": np.int64(2)}, IndexDomain(2)),
        ({"shape": [1, [2]]}, IndexDomain([Dim(1), Dim(2, implicit_upper=True)])),
        ({"shape": (1,)}, IndexDomain(shape=[1])),
        ({"shape": np.array([1])}, IndexDomain(shape=[1])),
        ({"shape": [" +2"]}, IndexDomain(shape=[2])),
        ({"shape": ["+inf"]}, IndexDomain([Dim(inclusive_min=0, implicit_upper=False)])),
        ({"inclusive_max": [["+inf"], 2]}, IndexDomain([Dim(), Dim(exclusive_max=3)])),
        (
            {"inclusive_min": [[1]], "shape": [2], "rank": 1},
            IndexDomain([Dim(1, 3, implicit_lower=True)]),
        ),
        (IndexDomain(3), IndexDomain(3)),
    ],
    ids=str,
)
def test_other_ways_to_write_a_domain(json: Any, domain: IndexDomain) -> None:
    assert domain == IndexDomain(json=json)


@pytest.mark.parametrize(
    ("json", "message"),
    [
        (None, "expected an object for an index domain, got None"),
        ([], "expected an object"),
        ({}, 'give at least one of "rank", "inclusive_min"'),
        ({"size": 3}, "the number of dimensions is unknown"),
        ({"rank": 1, "size": 3}, 'an index domain has unknown members: "size"'),
        ({"rank": -1}, r'"rank" must be in \[0, 32\], got -1'),
        ({"rank": 33}, r'"rank" must be in \[0, 32\]'),
        ({"rank": "2"}, "expected a 64-bit integer for \"rank\", got '2'"),
        ({"rank": True}, 'for "rank", got True'),
        ({"rank": 3, "shape": [1]}, "`shape` has 1 entries, but `rank` is for 3"),
        ({"shape": [1], "inclusive_max": [2]}, '"shape" and "inclusive_max" say the same'),
        ({"shape": 3}, 'expected an array for "shape", got 3'),
        ({"shape": [1, 2.5]}, r'a 64-bit integer or "\+inf" for "shape"\[1\], got 2.5'),
        ({"shape": ["inf"]}, r'"\+inf" for "shape"\[0\], got \'inf\''),
        ({"shape": ["1_0"]}, r'for "shape"\[0\]'),
        ({"shape": [[1, 2]]}, r"a list of one, which marks an implicit bound,"),
        ({"shape": [-1]}, "size of dimension 0 must be >= 0"),
        ({"inclusive_min": ["+inf"]}, r'"-inf" for "inclusive_min"\[0\]'),
        ({"inclusive_min": [-(2**62)]}, "expected an integer in"),
        ({"inclusive_min": [2**63]}, "got 9223372036854775808"),
        ({"labels": ["x", None]}, r'expected a string for "labels"\[1\], got None'),
        ({"labels": ["x", "x"]}, 'label "x" stands for'),
    ],
    ids=str,
)
def test_json_that_describes_no_domain_is_refused(json: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IndexDomain(json=json)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (5, 'expected an array for "output", got 5'),
        ([5], r'expected an object for "output"\[0\], got 5'),
        ([{"scale": 2}], r'"output"\[0\] has unknown members: "scale"'),
        ([{"stride": 2}], '"stride", which is of no use without "input_dimension"'),
        ([{"index_array_bounds": [1, 2]}], 'of no use without "index_array"'),
        ([{"input_dimension": 0, "index_array_bounds": [1, 2]}], 'without "index_array"'),
        ([{"input_dimension": 0, "index_array": [1]}], "has both"),
        ([{"offset": "5"}], r'for "output"\[0\]\["offset"\], got \'5\''),
        ([{"input_dimension": 1}], "output dimension 0 refers to input dimension 1"),
        ([{"index_array": [[1], 2]}], r"nested lists of shape \(2, 1\)"),
        ([{"index_array": [1, 2]}], r"has shape \(2,\)"),
        ([{"index_array": [1, True, 2]}], r'for "output"\[0\]\["index_array"\], got True'),
        ([{"index_array": [1, 2, 3], "index_array_bounds": [1]}], "expected two bounds"),
        ([{"index_array": [1, 2, 3], "index_array_bounds": [3, 1]}], r"invalid interval \[3, 1\]"),
    ],
    ids=str,
)
def test_json_that_describes_no_output_map_is_refused(output: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IndexTransform(json={"input_shape": [3], "output": output})


@pytest.mark.parametrize("json", [{"rank": object()}, {"shape": {1, 2}}], ids=["object", "set"])
def test_what_json_cannot_express_is_a_type_error(json: Any) -> None:
    with pytest.raises(TypeError, match="not a JSON value"):
        IndexDomain(json=json)


def test_an_integer_that_json_cannot_hold_is_an_overflow() -> None:
    with pytest.raises(OverflowError, match='for "rank"'):
        IndexDomain(json={"rank": 2**64})
