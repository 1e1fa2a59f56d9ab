"""`ChunkLayout`, the choice of a chunk shape and indexed layouts against the original.

The original is tensorstore 0.1.86.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.strategies_layout import (
    broken_layout_jsons,
    domain_texts,
    grid_texts,
    layout_texts,
    layout_transform_texts,
    observe_grid,
    observe_layout,
    ranks,
    search_texts,
)
from tests.strategies_schema import OURS, evaluate
from virtchunk._schema.chunk_shape import choose_chunk_grid
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.layout_transform import transform_layout

ts = pytest.importorskip("tensorstore")

more = settings(max_examples=3 * settings().max_examples)
"""For the arithmetic, where few of the examples come near a boundary."""


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returns, or the class of what it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error)


def updated(module: Any, kind: str, texts: list[str]) -> list[Any]:
    """What a layout or grid says after each update, up to the first that fails."""
    value = evaluate(module, kind)
    observe = observe_layout if kind == "ts.ChunkLayout()" else observe_grid
    seen: list[Any] = []
    try:
        for text in texts:
            value.update(**evaluate(module, f"dict({text})"))
            seen.append(observe(value))
    except Exception as error:
        seen.append(type(error))
    return seen


def layout_or_skip(module: Any, text: str) -> Any:
    """The layout with some keywords, if there is one."""
    made = outcome(evaluate, module, f"ts.ChunkLayout({text})")
    assume(not isinstance(made, type))
    return made


@more
@given(ranks().flatmap(layout_texts))
@example("codec_chunk_shape=[5], codec_chunk_aspect_ratio=[2], codec_chunk_elements=7")
@example("chunk_shape=[], inner_order=[], rank=2")
@example("grid_origin=[2**61], chunk_shape=[2**61 - 1], finalize=True")
@example("grid_origin=[2**61], chunk_shape=[2**61 - 2], finalize=True")
@example("grid_origin=[2**61], chunk_shape=[2**61]")
@example("grid_origin=[2**61], chunk_shape=[2**61 + 1]")
def test_keywords_make_the_same_layout(text: str) -> None:
    expected = outcome(lambda: observe_layout(evaluate(ts, f"ts.ChunkLayout({text})")))

    assert expected == outcome(lambda: observe_layout(evaluate(OURS, f"ts.ChunkLayout({text})")))


@given(ranks().flatmap(lambda rank: st.lists(layout_texts(rank, 3), max_size=4)))
def test_updates_of_a_layout_merge_alike(texts: list[str]) -> None:
    expected = updated(ts, "ts.ChunkLayout()", texts)

    assert expected == updated(OURS, "ts.ChunkLayout()", texts)


@given(ranks().flatmap(lambda rank: st.lists(grid_texts(rank), max_size=4)))
def test_updates_of_a_grid_merge_alike(texts: list[str]) -> None:
    expected = updated(ts, "ts.ChunkLayout.Grid()", texts)

    assert expected == updated(OURS, "ts.ChunkLayout.Grid()", texts)


@given(ranks().flatmap(lambda rank: st.tuples(layout_texts(rank), layout_texts(rank))))
def test_layouts_are_equal_alike(texts: tuple[str, str]) -> None:
    ours = [layout_or_skip(OURS, text) for text in texts]
    theirs = [layout_or_skip(ts, text) for text in texts]
    # The original takes two layouts for equal that differ in nothing but the rank.
    assume(ours[0].rank == ours[1].rank)
    expected = theirs[0] == theirs[1]

    assert expected == (ours[0] == ours[1])


@given(ranks().flatmap(layout_texts))
def test_json_of_a_layout_is_read_alike(text: str) -> None:
    json = layout_or_skip(OURS, text).to_json()
    expected = observe_layout(ts.ChunkLayout(json))

    assert expected == observe_layout(ChunkLayout(json))


@given(broken_layout_jsons())
@example({"chunk": {"shape": []}})
@example({"rank": 2, "grid_origin": []})
@example({"rank": 2.0})
@example({"inner_order": None})
def test_any_json_is_read_or_refused_alike(json: Any) -> None:
    expected = outcome(lambda: observe_layout(ts.ChunkLayout(json)))

    assert expected == outcome(lambda: observe_layout(ChunkLayout(json)))


def their_grid(layout: Any, domain: Any) -> Any:
    """The layout of a virtual view."""
    view = ts.virtual_chunked(lambda *_: None, dtype=ts.uint8, domain=domain, chunk_layout=layout)
    return view.chunk_layout.to_json()


def our_grid(layout: ChunkLayout, domain: Any) -> Any:
    return choose_chunk_grid(layout, domain).layout().to_json()


@more
@given(st.integers(1, 4).flatmap(lambda r: st.tuples(layout_texts(r, 6), domain_texts(r))))
def test_the_same_grid_is_chosen(texts: tuple[str, str]) -> None:
    layout, domain = texts
    ours = layout_or_skip(OURS, layout)
    theirs = layout_or_skip(ts, layout)
    expected = outcome(their_grid, theirs, evaluate(ts, domain))

    assert expected == outcome(our_grid, ours, evaluate(OURS, domain))


@more
@given(search_texts())
@example(("rank=3", "ts.IndexDomain(3)"))
@example(("rank=2", "ts.IndexDomain([ts.Dim(inclusive_min=2**62 - 10), ts.Dim()])"))
def test_the_same_extents_are_found(texts: tuple[str, str]) -> None:
    layout, domain = texts
    expected = outcome(their_grid, evaluate(ts, f"ts.ChunkLayout({layout})"), evaluate(ts, domain))

    assert expected == outcome(
        our_grid, evaluate(OURS, f"ts.ChunkLayout({layout})"), evaluate(OURS, domain)
    )


@more
@given(st.integers(1, 4).flatmap(lambda r: st.tuples(layout_texts(r), layout_transform_texts(r))))
def test_indexing_carries_a_layout_along(texts: tuple[str, str]) -> None:
    layout, transform = texts
    ours = layout_or_skip(OURS, layout)
    theirs = layout_or_skip(ts, layout)
    our_transform = evaluate(OURS, transform)
    their_transform = evaluate(ts, transform)
    assume(ours.rank == our_transform.output_rank)

    def our_layout() -> Any:
        constraints = transform_layout(ours._constraints, our_transform)
        return observe_layout(ChunkLayout._trusted(constraints))

    def their_layout() -> Any:
        return observe_layout(ts.Schema(chunk_layout=theirs)[their_transform].chunk_layout)

    expected = outcome(their_layout)

    assert expected == outcome(our_layout)


OPERATIONS = (
    "[ts.d[0].translate_by[5]]",
    "[ts.d[:].transpose[::-1]]",
    "[::2]",
    "[::-1]",
    "[ts.d[0].stride[-3]]",
    "[4]",
    "[..., 4]",
    "[ts.newaxis]",
    "[[5, 3, 4]]",
    "[..., [5, 3]]",
    "[ts.d[0, 1].diagonal]",
    "[ts.d[:].label['x', 'y', 'z']]",
    "[3:20, 4:9]",
    ".T",
    ".vindex[[1, 2], [3, 4]]",
    ".oindex[[1, 2], [3, 4]]",
    "[ts.d[0].translate_to[-7]][::3].T[2]",
)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "layout",
    [
        "chunk_shape=[10, 4, 6]",
        "chunk_shape=[5, 3, 7], grid_origin=[1, -1, 2], inner_order=[1, 2, 0]",
    ],
)
def test_an_indexed_view_reports_the_same_layout(layout: str, operation: str) -> None:
    import virtchunk

    def report(module: Any) -> Any:
        layout_value = evaluate(module, f"ts.ChunkLayout({layout})")
        view = module.virtual_chunked(
            lambda *_: None, dtype=module.uint8, shape=[30, 40, 50], chunk_layout=layout_value
        )
        return observe_layout(evaluate(module, f"view{operation}", view=view).chunk_layout)

    assert report(ts) == report(virtchunk)
