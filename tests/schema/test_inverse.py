"""Constraints on a view, carried over to what it is a view of."""

from __future__ import annotations

from typing import Any

import pytest

import virtchunk as ts
from virtchunk._schema.inverse import inverse_transformed

BASE = ts.IndexTransform(input_shape=[2, 3])


def carried(view: ts.IndexTransform, **constraints: Any) -> ts.Schema:
    return ts.Schema._trusted(inverse_transformed(ts.Schema(**constraints)._constraints, view))


def layout(**constraints: Any) -> dict[str, Any]:
    return {"chunk_layout": ts.ChunkLayout(**constraints)}


@pytest.mark.parametrize(
    ("view", "units", "carried_units"),
    [
        (BASE, ["4nm", "6nm"], ["4nm", "6nm"]),
        (BASE.T, ["4nm", "6nm"], ["6nm", "4nm"]),
        (BASE[:, ::2], ["4nm", "6nm"], ["4nm", "3nm"]),
        (BASE[:, ::-2], ["4nm", "6nm"], ["4nm", "3nm"]),
        (BASE[1], ["4nm"], [None, "4nm"]),
        (BASE[:, None], ["4nm", None, "6nm"], ["4nm", "6nm"]),
        (BASE[:, :2][ts.d[0, 1].diagonal], ["4nm"], ["4nm", "4nm"]),
        (BASE[[0, 1]], [None, "6nm"], [None, "6nm"]),
        (BASE.translate_to[10, 20], ["4nm", None], ["4nm", None]),
    ],
)
def test_units_are_divided_by_the_stride(
    view: ts.IndexTransform, units: list[Any], carried_units: list[Any]
) -> None:
    assert carried(view, dimension_units=units) == ts.Schema(dimension_units=carried_units)


@pytest.mark.parametrize(
    ("view", "order", "carried_order"),
    [
        (BASE, [1, 0], [1, 0]),
        (BASE.T, [1, 0], [0, 1]),
        (BASE[1], [0], [1, 0]),
        (BASE[:, None], [2, 1, 0], [1, 0]),
        (BASE[[0, 1]], [0, 1], [1, 0]),
        (BASE.oindex[[0, 1], [1]], [1, 0], [0, 1]),
        (BASE[:, :2][ts.d[0, 1].diagonal], [0], [0, 1]),
    ],
)
def test_dimensions_that_no_order_is_given_for_change_fastest(
    view: ts.IndexTransform, order: list[int], carried_order: list[int]
) -> None:
    for firmness in ("inner_order", "inner_order_soft_constraint"):
        given = carried(view, **layout(**{firmness: order}))

        assert given == ts.Schema(**layout(**{firmness: carried_order}))


@pytest.mark.parametrize(
    ("view", "origin", "carried_origin"),
    [
        (BASE, [4, 6], [4, 6]),
        (BASE.T, [4, 6], [6, 4]),
        (BASE[:, ::2], [4, 6], [4, 12]),
        (BASE[:, ::-1], [4, 6], [4, -5]),
        (BASE[:, ::-2], [4, 6], [4, -10]),
        (BASE[1], [4], [None, 4]),
        (BASE.translate_to[10, 20], [4, 6], [-6, -14]),
        (BASE[:, None], [1, None, 3], [1, 3]),
    ],
)
def test_a_grid_origin_is_the_border_of_a_chunk(
    view: ts.IndexTransform, origin: list[Any], carried_origin: list[Any]
) -> None:
    for firmness in ("grid_origin", "grid_origin_soft_constraint"):
        given = carried(view, **layout(**{firmness: origin}))

        assert given == ts.Schema(**layout(**{firmness: carried_origin}))


@pytest.mark.parametrize(
    ("view", "shape", "carried_shape"),
    [
        (BASE, [4, 6], [4, 6]),
        (BASE.T, [4, 6], [6, 4]),
        (BASE[:, ::-2], [4, 6], [4, 12]),
        (BASE[1], [4], [None, 4]),
        (BASE[:, None], [1, None, 3], [1, 3]),
    ],
)
def test_chunks_are_stretched_by_the_stride(
    view: ts.IndexTransform, shape: list[Any], carried_shape: list[Any]
) -> None:
    for firmness in (
        "read_chunk_shape",
        "write_chunk_shape_soft_constraint",
        "codec_chunk_aspect_ratio",
        "chunk_aspect_ratio_soft_constraint",
    ):
        given = carried(view, **layout(**{firmness: shape}))

        assert given == ts.Schema(**layout(**{firmness: carried_shape}))


def test_the_extent_of_the_domain_and_a_number_of_elements_stay_the_same() -> None:
    given = layout(read_chunk_shape=[-1, 2], chunk_elements=5, codec_chunk_elements=6)
    expected = layout(read_chunk_shape=[-1, 4], chunk_elements=5, codec_chunk_elements=6)

    assert carried(BASE[:, ::2], **given) == ts.Schema(**expected)


def test_soft_constraints_on_what_is_not_there_are_dropped() -> None:
    wishes = layout(
        grid_origin_soft_constraint=[1, 2, 3], read_chunk_shape_soft_constraint=[1, 2, 3]
    )

    assert carried(BASE[:, None], **wishes) == ts.Schema(
        **layout(grid_origin_soft_constraint=[1, 3], read_chunk_shape_soft_constraint=[1, 3])
    )


@pytest.mark.parametrize(
    ("view", "domain", "carried_domain"),
    [
        (BASE, ts.IndexDomain(shape=[5, 6]), ts.IndexDomain(shape=[5, 6])),
        (
            BASE.T,
            ts.IndexDomain(shape=[5, 6], labels=["y", "x"]),
            ts.IndexDomain(shape=[6, 5], labels=["x", "y"]),
        ),
        (
            BASE[:, ::-1],
            ts.IndexDomain([ts.Dim(2), ts.Dim(size=3, implicit_upper=True)]),
            ts.IndexDomain([ts.Dim(2), ts.Dim(inclusive_min=-2, size=3, implicit_lower=True)]),
        ),
        (
            BASE.translate_to[10, 20],
            ts.IndexDomain(inclusive_min=[10, 20], shape=[2, 3]),
            ts.IndexDomain(shape=[2, 3]),
        ),
        (BASE[:, ::2], ts.IndexDomain(labels=["x", "y"]), ts.IndexDomain(labels=["x", "y"])),
        (BASE[:, None], ts.IndexDomain(shape=[2, 7, 3]), ts.IndexDomain(shape=[2, 3])),
        (
            BASE[:, ::-1],
            ts.IndexDomain([ts.Dim(), ts.Dim(inclusive_min=0)]),
            ts.IndexDomain([ts.Dim(), ts.Dim(exclusive_max=1)]),
        ),
    ],
)
def test_a_domain_is_mapped(
    view: ts.IndexTransform, domain: ts.IndexDomain, carried_domain: ts.IndexDomain
) -> None:
    assert carried(view, domain=domain) == ts.Schema(domain=carried_domain)


@pytest.mark.parametrize(
    ("view", "value", "carried_value"),
    [
        (BASE, [4, 5], [4, 5]),
        (BASE.T, [4, 5], [[4], [5]]),
        (BASE.T, [[1, 2], [3, 4], [5, 6]], [[1, 3, 5], [2, 4, 6]]),
        (BASE[:, ::-1], [[1, 2, 3]], [3, 2, 1]),
        (BASE[:, None], [1, 2, 3], [1, 2, 3]),
        (BASE[None], [[[1, 2, 3]]], [1, 2, 3]),
        (BASE.translate_to[10, 20], 5, 5),
    ],
)
def test_a_fill_value_is_transposed_and_reversed(
    view: ts.IndexTransform, value: Any, carried_value: Any
) -> None:
    assert carried(view, fill_value=value) == ts.Schema(rank=2, fill_value=carried_value)


def test_data_type_and_codec_concern_any_view() -> None:
    given: dict[str, Any] = {"dtype": "int8", "codec": ts.CodecSpec({"driver": "n5"})}

    assert carried(BASE[1], **given) == ts.Schema(rank=2, **given)


@pytest.mark.parametrize(
    ("view", "constraints", "message"),
    [
        (BASE[1], {"rank": 2}, "the constraints are for rank 2, but the view has rank 1"),
        (BASE, {"shape": [2]}, "the constraints are for rank 1, but the view has rank 2"),
        (BASE[:, None], {"dimension_units": [None, "nm", None]}, "dimension_units .* dimension 1"),
        (BASE[[0, 1]], {"dimension_units": ["nm", None]}, "dimension_units .* dimension 0"),
        (
            BASE.label["x", "y"][:, None],
            layout(grid_origin=[1, 0, 3]),
            r"grid_origin \[1, 0, 3\] constrains dimension 1, which corresponds to no dimension",
        ),
        (BASE[[0, 1]], layout(grid_origin=[1, 2]), "grid_origin .* constrains dimension 0"),
        (BASE[:, None], layout(read_chunk_shape=[1, 1, 3]), "read_chunk shape .* dimension 1"),
        (
            BASE[:, None].label["x", "new", "y"],
            layout(chunk_aspect_ratio=[1, 1, 3]),
            r"write_chunk aspect ratio .* constrains dimension 1 \('new'\)",
        ),
        (BASE[:, ::2], {"shape": [2, 3]}, "dimension 1 has a finite bound and a stride of 2"),
        (BASE[1], {"shape": [3]}, "dimension 0 depends on an index array or is constant"),
        (BASE[[0, 1]], {"shape": [2, 3]}, "dimension 0 depends on an index array or is constant"),
        (
            BASE[:, :2][ts.d[0, 1].diagonal],
            {"shape": [2]},
            "dimension 1 shares input dimension 0 with another one",
        ),
        (BASE[:, ::2], {"fill_value": 5}, "fill_value 5 .* through a stride of 2"),
        (BASE[1], {"fill_value": 5}, "fill_value 5 cannot be carried over"),
        (BASE[:, None], {"fill_value": [[1], [2]]}, "fill_value .* constrains dimension 1"),
        (
            BASE.translate_to[2**61, 0],
            layout(grid_origin=[-(2**62) + 2, 0]),
            "which is outside",
        ),
        (BASE[:, ::2], layout(read_chunk_shape=[1, 2**61]), "is one of 4611686018427387904"),
        (
            BASE.translate_to[2**61, 0],
            {"domain": ts.IndexDomain(inclusive_min=[-(2**62) + 2, 0], shape=[1, 1])},
            "out of the range of indices",
        ),
    ],
)
def test_what_has_no_counterpart_is_refused(
    view: ts.IndexTransform, constraints: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        carried(view, **constraints)
