"""`ChunkLayout`. Unless a test says so, the original (0.1.86) gives the same answers."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import virtchunk as ts
from tests.strategies_layout import layout_texts, observe_layout, ranks
from tests.strategies_schema import OURS, evaluate, outcome
from virtchunk._schema.layout_transform import transform_layout

ChunkLayout = ts.ChunkLayout
Grid = ts.ChunkLayout.Grid


def layout_or_skip(text: str) -> Any:
    assume(not isinstance(outcome(OURS, f"ts.ChunkLayout({text})"), type))
    return evaluate(OURS, f"ts.ChunkLayout({text})")


def test_nothing_is_known_of_an_unconstrained_layout() -> None:
    layout = ChunkLayout()

    assert (layout.rank, layout.ndim, layout.to_json()) == (-1, -1, {})
    assert layout.inner_order is layout.inner_order_soft_constraint is None
    assert layout.grid_origin is layout.grid_origin_soft_constraint is None
    assert layout.read_chunk == Grid()


JSON_OF_KEYWORDS: list[tuple[dict[str, Any], Any]] = [
    ({"rank": 2}, {"rank": 2}),
    ({"rank": -1}, {}),
    ({"rank": 0}, {"rank": 0}),
    ({"inner_order": []}, {}),
    ({"inner_order": [1, 0]}, {"inner_order": [1, 0]}),
    ({"inner_order_soft_constraint": [1, 0]}, {"inner_order_soft_constraint": [1, 0]}),
    ({"inner_order_soft_constraint": [1, 0], "inner_order": [0, 1]}, {"inner_order": [0, 1]}),
    ({"grid_origin": [None, None]}, {"rank": 2}),
    (
        {"grid_origin": [1, None], "grid_origin_soft_constraint": [5, 6]},
        {"grid_origin": [1, None], "grid_origin_soft_constraint": [None, 6]},
    ),
    ({"chunk_shape": [4]}, {"read_chunk": {"shape": [4]}, "write_chunk": {"shape": [4]}}),
    (
        {"chunk_aspect_ratio": [2]},
        {usage: {"aspect_ratio": [2.0]} for usage in ("codec_chunk", "read_chunk", "write_chunk")},
    ),
    ({"chunk_elements": 9}, {"read_chunk": {"elements": 9}, "write_chunk": {"elements": 9}}),
    (
        {"chunk": Grid(shape=[4], elements_soft_constraint=9, aspect_ratio=[2])},
        {
            "codec_chunk": {"aspect_ratio": [2.0]},
            "read_chunk": {
                "aspect_ratio": [2.0],
                "elements_soft_constraint": 9,
                "shape": [4],
            },
            "write_chunk": {
                "aspect_ratio": [2.0],
                "elements_soft_constraint": 9,
                "shape": [4],
            },
        },
    ),
    ({"write_chunk_shape": [4]}, {"write_chunk": {"shape": [4]}}),
    ({"read_chunk_elements": 9}, {"read_chunk": {"elements": 9}}),
    # These two keywords are about the chunks to read, whatever their names say.
    ({"codec_chunk_shape": [4]}, {"read_chunk": {"shape": [4]}}),
    ({"codec_chunk_aspect_ratio": [4]}, {"read_chunk": {"aspect_ratio": [4.0]}}),
    ({"codec_chunk_elements": 9}, {"codec_chunk": {"elements": 9}}),
    ({"codec_chunk": Grid(shape=[4])}, {"codec_chunk": {"shape": [4]}}),
    (
        {"chunk_elements_soft_constraint": 5, "write_chunk_elements_soft_constraint": 6},
        {
            "read_chunk": {"elements_soft_constraint": 5},
            "write_chunk": {"elements_soft_constraint": 5},
        },
    ),
    ({"rank": 2, "chunk": Grid(rank=0), "grid_origin": []}, {"rank": 2}),
    (
        {
            "write_chunk_shape": [6, 4],
            "read_chunk_shape": [None, 2],
            "grid_origin": [1, 2],
            "chunk_elements": 5,
            "chunk_aspect_ratio": [1, 2],
            "codec_chunk": Grid(shape_soft_constraint=[1, 2], shape=[None, 7]),
            "inner_order_soft_constraint": [1, 0],
            "finalize": True,
        },
        {
            "codec_chunk": {"shape": [None, 7]},
            "grid_origin": [1, 2],
            "inner_order_soft_constraint": [1, 0],
            "read_chunk": {"shape": [6, 2]},
            "write_chunk": {"shape": [6, 4]},
        },
    ),
]


@pytest.mark.parametrize(("keywords", "json"), JSON_OF_KEYWORDS)
def test_keywords_become_json(keywords: dict[str, Any], json: Any) -> None:
    assert ChunkLayout(**keywords).to_json() == json


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"rank": 33}, ValueError, r"invalid rank: rank must be in \[0, 32\], got 33"),
    ({"rank": -2}, ValueError, "got -2"),
    ({"rank": "2"}, TypeError, "expected an integer, got '2'"),
    ({"inner_order": [1, 1]}, ValueError, r"permutation of 0, ..., 1, got \[1, 1\]"),
    ({"inner_order": [None, 0]}, TypeError, "expected an integer, got None"),
    ({"inner_order": [0], "rank": 2}, ValueError, "rank 1 differs from rank 2"),
    ({"grid_origin": [0, 2**62]}, ValueError, "for dimension 1"),
    ({"grid_origin": [0, 2**63]}, TypeError, "at most 64 bits"),
    ({"grid_origin": 5}, TypeError, "expected one value for each dimension, got 5"),
    ({"chunk_shape": [4], "read_chunk_shape": [5]}, ValueError, "invalid read_chunk_shape"),
    ({"chunk": {"shape": [4]}}, TypeError, "expected a ChunkLayout.Grid, got {'shape'"),
    ({"chunk": Grid(shape=[4]), "read_chunk": Grid(shape=[5])}, ValueError, "read_chunk: hard"),
    ({"chunk": Grid(rank=3), "rank": 2}, ValueError, "rank 3 differs from rank 2"),
    ({"chunk_elements": 5, "write_chunk_elements": 6}, ValueError, "invalid write_chunk_elements"),
    ({"finalize": True}, ValueError, "rank must be specified"),
    ({"finalize": True, "rank": 2}, ValueError, "grid origin of dimension 0 must be specified"),
    (
        {"finalize": True, "grid_origin": [0], "write_chunk_shape": [3], "read_chunk_shape": [2]},
        ValueError,
        "in dimension 0, 3 is not a multiple of 2",
    ),
    (
        {"finalize": True, "grid_origin": [2**61], "chunk_shape": [2**61]},
        ValueError,
        "reaches beyond the largest index",
    ),
    ({"shape": [3]}, TypeError, "unexpected keyword argument 'shape'"),
]


@pytest.mark.parametrize(("keywords", "error", "message"), REFUSED)
def test_what_is_no_layout(keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ChunkLayout(**keywords)


def test_hard_constraints_on_the_inner_order_must_agree() -> None:
    layout = ChunkLayout(inner_order=[1, 0])
    layout.update(inner_order=[1, 0], inner_order_soft_constraint=[0, 1])

    with pytest.raises(ValueError, match=r"hard constraint \[0, 1\] on the inner order differs"):
        layout.update(inner_order=[0, 1])
    assert layout.inner_order == (1, 0)


BROKEN_JSON: list[tuple[Any, str]] = [
    (None, "must be a JSON object, got null"),
    ([], "must be a JSON object, got array"),
    ({"size": 3}, "has no member 'size'"),
    ({"rank": None}, "invalid member 'rank'"),
    ({"rank": -1}, "rank must be in"),
    ({"rank": 2.5}, "expected an integer"),
    ({"inner_order": [True]}, "expected an integer"),
    ({"inner_order": 5}, "expected an array with one value for each dimension, got number: 5"),
    ({"grid_origin": ["1"]}, "expected an integer of at most 64 bits, got '1'"),
    ({"chunk": None}, "ChunkLayout.Grid must be a JSON object, got null"),
    ({"chunk": {"rank": 2}}, "ChunkLayout.Grid has no member 'rank'"),
    ({"chunk": {"aspect_ratio": [True]}}, "expected a number, got True"),
    ({"chunk": {"elements": None}}, "expected an integer"),
    ({"chunk": {"shape": [4]}, "read_chunk": {"shape": [5]}}, "invalid member 'read_chunk'"),
    ({"rank": 2, "grid_origin": []}, "rank 0 differs from rank 2"),
]


@pytest.mark.parametrize(("json", "message"), BROKEN_JSON)
def test_json_that_is_no_layout(json: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChunkLayout(json)


def test_json_may_hold_layouts_and_integral_floats() -> None:
    json = {"rank": 2.0, "inner_order": None, "chunk": Grid(shape=[4, None])}

    assert ChunkLayout(json) == ChunkLayout(chunk_shape=[4, None])
    assert ChunkLayout(ChunkLayout(rank=3)) == ChunkLayout(rank=3)


def test_json_and_keywords_do_not_mix() -> None:
    with pytest.raises(TypeError, match="either json or keywords"):
        ChunkLayout({}, rank=2)


def test_an_update_that_fails_changes_nothing() -> None:
    """The original keeps what it added before it failed."""
    layout = ChunkLayout(rank=2)
    with pytest.raises(ValueError, match="invalid chunk_shape"):
        layout.update(grid_origin=[1, 2], chunk_shape=[3])

    assert layout == ChunkLayout(rank=2)


def test_grids_of_a_layout_are_copies() -> None:
    layout = ChunkLayout(chunk_shape=[4])
    layout.read_chunk.update(elements=5)

    assert layout.read_chunk.elements is None


def test_equality_is_about_values() -> None:
    assert ChunkLayout(rank=2) == ChunkLayout(grid_origin=[None, None])
    assert ChunkLayout(rank=2) != ChunkLayout()
    assert ChunkLayout(inner_order=[0, 1]) != ChunkLayout(inner_order_soft_constraint=[0, 1])
    assert ChunkLayout(chunk_elements=5) == ChunkLayout(
        read_chunk_elements=5, write_chunk_elements=5
    )
    assert ChunkLayout() != {}


def test_layouts_of_different_rank_differ() -> None:
    """The original takes these for equal."""
    assert ChunkLayout(rank=2) != ChunkLayout(rank=3)


def test_a_layout_that_can_change_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(ChunkLayout())


def test_repr_shows_the_json() -> None:
    layout = ChunkLayout(chunk_shape=[1, 2], inner_order=[1, 0], write_chunk_elements=4)

    assert repr(ChunkLayout()) == "ChunkLayout({})"
    assert repr(layout) == (
        "ChunkLayout({\n"
        "  'inner_order': [1, 0],\n"
        "  'read_chunk': {'shape': [1, 2]},\n"
        "  'write_chunk': {'elements': 4, 'shape': [1, 2]},\n"
        "})"
    )


@given(ranks().flatmap(layout_texts))
def test_copies_are_equal_and_independent(text: str) -> None:
    layout = layout_or_skip(text)

    for made in (
        copy.copy(layout),
        copy.deepcopy(layout),
        pickle.loads(pickle.dumps(layout)),
        ChunkLayout(layout.to_json()),
    ):
        assert made == layout
        assert observe_layout(made) == observe_layout(layout)
        made.update(codec_chunk_elements_soft_constraint=12345)
        assert layout.codec_chunk.elements_soft_constraint != 12345


@given(ranks().flatmap(layout_texts))
def test_merging_a_layout_with_itself_changes_nothing(text: str) -> None:
    constraints = layout_or_skip(text)._constraints

    assert constraints.merge(constraints) == constraints


@given(st.integers(1, 3).flatmap(layout_texts))
def test_finalizing_a_final_layout_changes_nothing(text: str) -> None:
    layout = layout_or_skip(text.replace("finalize=True", "finalize=False"))
    layout.update(rank=2 if layout.rank == -1 else layout.rank)
    layout.update(grid_origin=[origin or 0 for origin in layout.grid_origin])
    try:
        layout.update(finalize=True)
    except ValueError:
        return
    again = copy.copy(layout)
    again.update(finalize=True)

    assert again == layout
    assert layout.read_chunk.elements is layout.write_chunk.elements_soft_constraint is None
    assert set(layout.read_chunk.shape_soft_constraint) == {None}


def test_templates_follow_hard_constraints() -> None:
    layout = ChunkLayout(
        grid_origin=[5, None, 7, -3],
        grid_origin_soft_constraint=[None, 6, None, None],
        read_chunk_shape=[10, 20, None, 30],
        write_chunk_shape_soft_constraint=[1, 2, 3, 4],
    )

    assert repr(layout.read_chunk_template) == "{ [5, 15), (-inf, +inf), (-inf, +inf), [-3, 27) }"
    assert repr(layout.write_chunk_template) == "{ " + ", ".join(["(-inf, +inf)"] * 4) + " }"


def test_templates_need_a_rank_and_room() -> None:
    with pytest.raises(ValueError, match="rank of the chunk layout must be specified"):
        _ = ChunkLayout().read_chunk_template
    with pytest.raises(ValueError, match=r"write_chunk of extent 4 at grid origin .* dimension 1"):
        _ = ChunkLayout(grid_origin=[0, 2**62 - 3], chunk_shape=[3, 4]).write_chunk_template


# -- indexed layouts -------------------------------------------------------------------------

FULL = ChunkLayout(
    grid_origin=[3, None],
    grid_origin_soft_constraint=[None, 7],
    read_chunk=Grid(
        shape=[10, None],
        shape_soft_constraint=[None, -1],
        aspect_ratio=[2, None],
        aspect_ratio_soft_constraint=[None, 3],
        elements=50,
    ),
    inner_order=[1, 0],
)


def expected(
    origin: list[int | None],
    soft_origin: list[int | None],
    shape: list[int | None],
    soft_shape: list[int | None],
    ratio: list[float | None],
    soft_ratio: list[float | None],
    inner_order: list[int],
) -> ChunkLayout:
    return ChunkLayout(
        grid_origin=origin,
        grid_origin_soft_constraint=soft_origin,
        read_chunk=Grid(
            shape=shape,
            shape_soft_constraint=soft_shape,
            aspect_ratio=ratio,
            aspect_ratio_soft_constraint=soft_ratio,
            elements=50,
        ),
        inner_order=inner_order,
    )


def strided(origin: int, shape: int, ratio: float) -> ChunkLayout:
    """What becomes of `FULL` with a stride along dimension 0."""
    soft = ([None, 7], [shape, None], [None, -1], [ratio, None], [None, 3.0])
    return expected([origin, None], *soft, inner_order=[1, 0])


TRANSFORMED: list[tuple[str, ChunkLayout]] = [
    ("[ts.d[:].label['x', 'y']]", FULL),
    ("[20:50, 4:90]", FULL),
    ("[ts.d[0].translate_by[5]]", strided(8, 10, 2.0)),
    ("[ts.d[0].stride[2]]", strided(2, 5, 1.0)),
    ("[ts.d[0].stride[3]]", strided(1, 10, 2 / 3)),
    ("[ts.d[0].stride[10]]", strided(1, 1, 0.2)),
    ("[ts.d[0].stride[20]]", strided(1, 1, 0.1)),
    ("[ts.d[0].stride[-1]]", strided(-2, 10, 2.0)),
    ("[ts.d[0].stride[-2]]", strided(-1, 5, 1.0)),
    ("[ts.d[0].stride[-3]]", strided(0, 10, 2 / 3)),
    ("[20:52:4]", strided(1, 5, 0.5)),
    (
        "[ts.d[:].transpose[1, 0]]",
        expected([None, 3], [7, None], [None, 10], [-1, None], [None, 2.0], [3.0, None], [0, 1]),
    ),
    ("[4]", expected([None], [7], [None], [-1], [None], [3.0], [0])),
    ("[:, 4]", expected([3], [None], [10], [None], [2.0], [None], [0])),
    (
        "[ts.newaxis]",
        expected(
            [None, 3, None],
            [None, None, 7],
            [None, 10, None],
            [None, None, -1],
            [None, 2.0, None],
            [None, None, 3.0],
            [2, 1, 0],
        ),
    ),
    (
        "[:, [3, 4, 5]]",
        expected(
            [3, None], [None, None], [10, None], [None, None], [2.0, None], [None, None], [0, 1]
        ),
    ),
    (
        "[[3, 4, 5]]",
        expected(
            [None, None], [None, 7], [None, None], [None, -1], [None, None], [None, 3.0], [1, 0]
        ),
    ),
    ("[ts.d[0, 1].diagonal]", expected([None], [None], [None], [None], [None], [None], [0])),
]


@pytest.mark.parametrize(("operation", "result"), TRANSFORMED)
def test_indexing_carries_a_layout_along(operation: str, result: ChunkLayout) -> None:
    space = ts.IndexTransform(ts.IndexDomain([ts.Dim(inclusive_min=0), ts.Dim(inclusive_min=0)]))
    transform = eval(f"space{operation}", {"ts": ts, "space": space})

    assert ChunkLayout._trusted(transform_layout(FULL._constraints, transform)) == result


def test_a_layout_fits_transforms_of_its_rank_only() -> None:
    with pytest.raises(
        ValueError, match="rank 2 does not fit an index transform with output rank 1"
    ):
        transform_layout(FULL._constraints, ts.IndexTransform(input_rank=1))


def test_an_origin_stays_in_the_range_of_indices() -> None:
    layout = ChunkLayout(grid_origin=[-(2**62) + 2])
    transform = ts.IndexTransform(
        input_rank=1, output=[ts.OutputIndexMap(input_dimension=0, offset=3, stride=2)]
    )

    with pytest.raises(ValueError, match=r"an? .*index x stands for 3 \+ 2 \* x"):
        transform_layout(layout._constraints, transform)
