"""Codecs are carried along; errors recorded from tensorstore 0.1.86."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from virtchunk._schema.codec import CodecSpec

JSON = {"driver": "zarr", "compressor": {"id": "blosc", "shuffle": [1, 2]}}


def test_json_leads_back() -> None:
    codec = CodecSpec(JSON)

    assert codec.to_json() == JSON
    assert codec.to_json(include_defaults=True) == JSON
    assert CodecSpec(codec) == CodecSpec(json=JSON) == codec
    assert eval(repr(codec)) == codec


def test_repr_is_sorted() -> None:
    assert repr(CodecSpec({"driver": "n5", "a": 1})) == "CodecSpec({'a': 1, 'driver': 'n5'})"


@pytest.mark.parametrize("json", [None, 5, [], "zarr", {}, {"driver": 5}])
def test_other_json_is_refused(json: Any) -> None:
    with pytest.raises(ValueError, match="a codec in JSON must"):
        CodecSpec(json)


def test_codecs_are_values() -> None:
    """There a codec is equal to itself only."""
    codec = CodecSpec(JSON)

    assert codec != CodecSpec({"driver": "zarr"})
    assert codec != JSON
    assert hash(codec) == hash(CodecSpec(dict(reversed(JSON.items()))))
    assert copy.copy(codec) == copy.deepcopy(codec) == pickle.loads(pickle.dumps(codec)) == codec


def test_nothing_that_is_handed_out_or_in_changes_a_codec() -> None:
    json: dict[str, Any] = {"driver": "zarr", "filters": [1]}
    codec = CodecSpec(json)
    json["filters"].append(2)
    codec.to_json()["filters"].append(3)

    assert codec.to_json() == {"driver": "zarr", "filters": [1]}


def test_merging_joins_members() -> None:
    merged = CodecSpec({"driver": "zarr", "a": 1})._merge(CodecSpec({"driver": "zarr", "b": 2}))

    assert merged == CodecSpec({"driver": "zarr", "a": 1, "b": 2})


@pytest.mark.parametrize("other", [{"driver": "n5"}, {"driver": "zarr", "a": 2}])
def test_a_conflict_names_the_member(other: dict[str, Any]) -> None:
    member = "driver" if other["driver"] == "n5" else "a"
    with pytest.raises(ValueError, match=f"differ in the member '{member}'"):
        CodecSpec({"driver": "zarr", "a": 1})._merge(CodecSpec(other))
