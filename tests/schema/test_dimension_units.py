"""The units of all dimensions; recorded from tensorstore 0.1.86."""

from __future__ import annotations

from typing import Any

import pytest

from virtchunk._index.domain import IndexDomain
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.dimension_units import (
    dimension_units_from_json,
    dimension_units_to_json,
    merge_dimension_units,
    normalize_dimension_units,
    transform_dimension_units,
)
from virtchunk._schema.unit import Unit

NM = Unit(4, "nm")
M = Unit(2, "m")


def test_each_dimension_takes_every_form_of_a_unit() -> None:
    units = normalize_dimension_units(["4nm", NM, (4, "nm"), 4, "", None])

    assert units == (NM, NM, NM, Unit(4, ""), Unit(1, ""), None)
    assert normalize_dimension_units(unit for unit in [None]) == (None,)


@pytest.mark.parametrize("units", ["4nm", b"m", 5, {"4nm": 1}, [["4", "nm"]], [{}], [(4, "m", 1)]])
def test_other_values_are_refused(units: Any) -> None:
    with pytest.raises(TypeError, match="dimension_units"):
        normalize_dimension_units(units)


def test_refusal_names_the_dimension() -> None:
    with pytest.raises(TypeError, match=r"dimension_units\[1\] must be a Unit, .*, got \{\}"):
        normalize_dimension_units(["m", {}])  # type: ignore[list-item]


def test_there_are_at_most_32_dimensions() -> None:
    assert len(normalize_dimension_units(["m"] * 32)) == 32
    with pytest.raises(ValueError, match="33 dimensions"):
        normalize_dimension_units(["m"] * 33)


def test_what_is_known_on_either_side_is_known() -> None:
    assert merge_dimension_units((NM, None, None), (None, M, None)) == (NM, M, None)
    assert merge_dimension_units((NM,), (Unit("4.0 nm"),)) == (NM,)


def test_a_conflict_names_the_dimension_and_both_units() -> None:
    with pytest.raises(ValueError, match=r"dimension_units\[1\] is 2 m, .* existing unit 4 nm"):
        merge_dimension_units((None, NM), (None, M))


def single(dim: int, stride: int = 1) -> OutputIndexMap:
    return OutputIndexMap(input_dimension=dim, stride=stride)


@pytest.mark.parametrize(
    ("shape", "output", "units"),
    [
        ([5, 5], [single(0), single(1)], (NM, M)),
        ([5, 5], [single(1), single(0)], (M, NM)),
        ([5, 5], [single(0, -3), single(1)], (Unit(12, "nm"), M)),
        ([5], [OutputIndexMap(7), single(0)], (M,)),
        ([5, 5, 5], [single(0), single(2)], (NM, None, M)),
        ([5], [single(0), single(0)], (None,)),
        ([5], [single(0, 2), single(0, 4)], (None,)),
        ([2], [single(0), OutputIndexMap(index_array=[1, 2])], (None,)),
        ([2, 3], [single(0), OutputIndexMap(index_array=[[1, 2, 3]])], (NM, None)),
        ([2, 2], [single(0), OutputIndexMap(index_array=[[1, 2], [3, 4]])], (None, None)),
        ([], [OutputIndexMap(1), OutputIndexMap(2)], ()),
    ],
)
def test_units_follow_a_transform(
    shape: list[int], output: list[OutputIndexMap], units: tuple[Unit | None, ...]
) -> None:
    transform = IndexTransform(domain=IndexDomain(shape=shape), output=output)

    assert transform_dimension_units((NM, M), transform) == units


def test_json_leads_back() -> None:
    json = dimension_units_to_json((NM, None))

    assert json == [[4.0, "nm"], None]
    assert dimension_units_from_json(json) == (NM, None)
    assert dimension_units_from_json(["4nm", 2]) == (NM, Unit(2))


@pytest.mark.parametrize("json", [None, 5, {}, "m", [{}], [[0, "m"]], ["m"] * 33])
def test_other_json_is_refused(json: Any) -> None:
    with pytest.raises(ValueError, match="unit"):
        dimension_units_from_json(json)
