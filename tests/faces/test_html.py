"""What notebooks show: well-formed, bounded in size, and true."""

from __future__ import annotations

import itertools
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtchunk as ts
from virtchunk._html.axis import MOST_CELLS, Axis
from virtchunk._html.figure import drawn_axes, figure
from virtchunk._html.page import Table
from virtchunk._html.text import bytes_text, count_text, escape, shorten
from virtchunk._view_html import _axes, _cached

SVG = "{http://www.w3.org/2000/svg}"
LETTER = 6.7
LIMIT = 100_000


def fill(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    array[...] = 1


def pool(limit: int = 10_000_000) -> ts.Context:
    return ts.Context({"cache_pool": {"total_bytes_limit": limit}})


def virtual(domain: ts.IndexDomain, chunk: list[int], **options: Any) -> ts.TensorStore:
    layout = ts.ChunkLayout(read_chunk_shape=chunk)
    return ts.virtual_chunked(fill, dtype=ts.uint8, domain=domain, chunk_layout=layout, **options)


def parse(shown: Any) -> ET.Element:
    html = shown._repr_html_()
    assert len(html) < LIMIT
    return ET.fromstring(html)


def words(root: ET.Element) -> str:
    return " ".join(text for text in root.itertext() if not text.startswith("."))


def boxes_of_text(svg: ET.Element) -> list[tuple[float, float, float, float]]:
    """Left, right, top and bottom of each text, not less than what a browser needs."""
    boxes = []
    for text in svg.iter(f"{SVG}text"):
        width = len(text.text or "") * LETTER
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.attrib["text-anchor"]] * width
        boxes.append((left, left + width, y - 9, y + 3))
    return boxes


def check_texts(svg: ET.Element) -> None:
    """No text overlaps another one, or leaves the picture."""
    left, top, width, height = map(float, svg.attrib["viewBox"].split())
    boxes = boxes_of_text(svg)
    for box in boxes:
        assert left <= box[0] + 0.1
        assert box[1] <= left + width + 0.1
        assert top <= box[2] + 0.1
        assert box[3] <= top + height + 0.1
    for a, b in itertools.combinations(boxes, 2):
        assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]


LABELS = ("", "x", "y", "z", "channel", "a label that is longer than most", "<b>&\"'", "\0\ud800")


@st.composite
def domains(draw: st.DrawFn) -> ts.IndexDomain:
    rank = draw(st.integers(0, 6))
    extents = st.sampled_from([0, 1, 2, 3, 17, 1000, 10**6, 10**12])
    sizes = draw(st.lists(extents, min_size=rank, max_size=rank))
    lows = draw(st.lists(st.sampled_from([-5, 0, 7]), min_size=rank, max_size=rank))
    bounded = draw(st.lists(st.booleans(), min_size=2 * rank, max_size=2 * rank))
    return ts.IndexDomain(
        inclusive_min=[low if bounded[2 * i] else -ts.inf for i, low in enumerate(lows)],
        exclusive_max=[
            low + sizes[i] if bounded[2 * i + 1] else ts.inf + 1 for i, low in enumerate(lows)
        ],
        labels=draw(st.permutations(LABELS[:7]))[:rank],
    )


@given(domain=domains(), data=st.data())
def test_any_view_is_well_formed_bounded_and_legible(
    domain: ts.IndexDomain, data: st.DataObject
) -> None:
    sizes = st.sampled_from([1, 2, 64, 1000])
    chunk = data.draw(st.lists(sizes, min_size=domain.rank, max_size=domain.rank))
    view = virtual(domain, chunk, context=pool())
    for shown in (view, domain, view.chunk_layout, view.T):
        for svg in parse(shown).iter(f"{SVG}svg"):
            check_texts(svg)


@pytest.mark.parametrize(
    "domain",
    [
        ts.IndexDomain(shape=[]),
        ts.IndexDomain(shape=[0]),
        ts.IndexDomain(shape=[0, 0, 0]),
        ts.IndexDomain(rank=32),
        ts.IndexDomain(shape=[1] * 32),
        ts.IndexDomain(shape=[10**6] * 3),
        ts.IndexDomain(inclusive_min=[-(2**62) + 2], exclusive_max=[2**62 - 1]),
    ],
    ids=str,
)
def test_extreme_views_are_bounded_too(domain: ts.IndexDomain) -> None:
    view = virtual(domain, [1] * domain.rank, context=pool())

    assert parse(view).find(f".//{SVG}svg") is not None
    assert parse(domain).find(f".//{SVG}svg") is not None


def test_a_picture_with_everything_cached_in_the_most_cells_is_bounded() -> None:
    edges = tuple(range(MOST_CELLS + 1))
    axis = Axis(low=0, high=MOST_CELLS, window=(0, MOST_CELLS), edges=edges)
    checkered = [
        ((i, i + 1), (j, j + 1), (k, k + 1))
        for i, j, k in itertools.product(range(MOST_CELLS), repeat=3)
        if (i + j + k) % 2
    ]

    assert len(figure([axis] * 3, checkered)) < LIMIT


@pytest.mark.parametrize("label", LABELS[1:])
def test_all_text_is_escaped(label: str) -> None:
    html = Table([(label, label)], [label, label]).html()
    html += figure([Axis(label=label, low=0, high=5, window=(0, 5), edges=(0, 5))])

    assert ET.fromstring(f"<p>{html}</p>") is not None
    html.encode()


def test_names_of_callbacks_are_escaped() -> None:
    view = ts.virtual_chunked(lambda *arguments: None, dtype=ts.int8, shape=[2])

    assert "<lambda>" in words(parse(view))


def test_a_view_says_what_it_is() -> None:
    domain = ts.IndexDomain(shape=[100, 512], labels=["y", "x"])
    view = virtual(domain, [16, 128], dimension_units=["4 nm", None])
    text = words(parse(view))

    for word in ("fill", "uint8", "read", "50 KiB", "2 KiB", "28", "[0, 512)", "4 nm", "400 nm"):
        assert word in text
    assert "cached" not in text


def test_what_is_cached_is_coloured_and_counted() -> None:
    view = virtual(ts.IndexDomain(shape=[4, 6]), [2, 2], context=pool())
    assert "0 chunks" in words(parse(view))
    assert not list(parse(view).iter(f"{SVG}path[@class='vc-cached']"))

    view[:2, :4].read().result()
    root = parse(view)

    assert "2 chunks, 8 B" in words(root)
    (path,) = root.findall(f".//{SVG}path[@class='vc-cached']")
    assert path.attrib["d"].count("M") == 1  # two neighbours, one block


def test_shades_tell_how_much_lies_behind() -> None:
    def shade(depth: int) -> float:
        view = virtual(ts.IndexDomain(shape=[8, 9, 9]), [1, 9, 9], context=pool())
        view[:depth].read().result()
        front = parse(view).find(f".//{SVG}path[@class='vc-cached']")
        assert front is not None
        return float(front.attrib["fill-opacity"])

    assert shade(1) < shade(4) < shade(8)


STRIDES = st.sampled_from([-3, -2, -1, 1, 2, 5])


@given(size=st.integers(1, 40), chunk=st.integers(1, 20), stride=STRIDES, data=st.data())
def test_borders_of_chunks_are_those_that_a_read_uses(
    size: int, chunk: int, stride: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, size - 1))
    whole = virtual(ts.IndexDomain(shape=[size]), [chunk])
    view = whole[start::stride]
    (axis,) = _axes(view)
    cut = view._driver.cut(view._transform)
    low = view.domain.inclusive_min[0]
    borders = {low, view.domain.exclusive_max[0]}
    for piece in cut.pieces():
        (part,) = cut.region(piece)
        borders |= {low + part.start, low + part.stop}

    assert axis.chunks is not None
    assert axis.chunks >= cut.total
    if axis.edges is None:
        assert axis.chunks > MOST_CELLS
    else:
        assert axis.edges == tuple(sorted(borders))


@given(stride=STRIDES, column=st.integers(0, 11), data=st.data())
def test_cached_boxes_are_the_elements_that_are_cached(
    stride: int, column: int, data: st.DataObject
) -> None:
    whole = virtual(ts.IndexDomain(shape=[20, 12]), [3, 5], context=pool())
    rows = data.draw(st.lists(st.integers(0, 19), min_size=1, max_size=3))
    expected = np.zeros((20, 12), bool)
    for row in rows:
        whole[row, column].read().result()
        expected[row // 3 * 3 : row // 3 * 3 + 3, column // 5 * 5 : column // 5 * 5 + 5] = True
    start = data.draw(st.integers(0, 19))
    view, chosen = whole[start::stride], expected[start::stride]
    boxes, more = _cached(view)
    low = view.domain.inclusive_min[0]
    found = np.zeros_like(chosen)
    for (row_box, column_box), nbytes in boxes:
        found[row_box[0] - low : row_box[1] - low, slice(*column_box)] = True
        assert nbytes in {6, 9, 10, 15, 4}

    assert not more
    assert np.array_equal(found, chosen)


def test_a_view_made_with_index_arrays_shows_no_cached_boxes() -> None:
    view = virtual(ts.IndexDomain(shape=[20]), [5], context=pool())[[1, 7, 3]]
    view.read().result()

    assert _cached(view) == ([], False)
    assert [axis.chunk for axis in _axes(view)] == [None]
    parse(view)


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((), []),
        ((5,), [0]),
        ((5, 6), [0, 1]),
        ((100, 200, 3), [0, 1, 2]),
        ((3, 100, 200), [1, 2, 0]),
        ((7, 8, 100, 200), [2, 3, 1]),
        ((100, 1, 200, 1), [0, 2]),
        ((1, 1, 1), [1, 2]),
    ],
)
def test_the_last_large_dimensions_are_the_front(shape: tuple[int, ...], drawn: list[int]) -> None:
    axes = [Axis(low=0, high=size, window=(0, size), edges=(0, size)) for size in shape]

    assert drawn_axes(axes) == drawn


def test_a_layout_shows_what_is_hard_and_what_is_a_wish() -> None:
    layout = ts.ChunkLayout(
        read_chunk_shape=[64, 32],
        write_chunk_shape_soft_constraint=[128, 64],
        inner_order=[1, 0],
        grid_origin_soft_constraint=[0, 5],
        read_chunk_elements=1000,
        read_chunk_aspect_ratio=[1, 2.5],
    )
    text = words(parse(layout))

    for word in ("64", "(128)", "(64)", "(5)", "1\u202f000", "2.5", "cut into chunks to read"):
        assert word in text
    assert "rank unknown" in words(parse(ts.ChunkLayout()))


def test_a_context_shows_what_it_defines_and_uses_without_making_anything() -> None:
    parent = ts.Context({"data_copy_concurrency": {"limit": 3}})
    context = ts.Context(
        {
            "cache_pool": {"total_bytes_limit": 2048},
            "cache_pool#a": "cache_pool",
            "data_copy_concurrency": None,
        },
        parent=parent,
    )
    text = words(parse(context))
    assert "2 KiB" in text
    assert "the same as cache_pool" in text
    assert "that of the parent" in text
    assert "entries" not in text
    assert not any(resource._made for resource in context._resources.values())

    virtual(ts.IndexDomain(shape=[4]), [4], context=context).read().result()
    assert "entries 1" in words(parse(context))
    assert "default" in words(parse(ts.Context()))


def test_text_is_cut_and_numbers_are_readable() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert escape('<\x00\ud800">') == "&lt;\ufffd\ufffd&quot;&gt;"
    assert count_text(999) == "999"
    assert count_text(-1234) == "-1\u202f234"
    assert count_text(10**15) == "1.00e15"
    assert bytes_text(1023) == "1023 B"
    assert bytes_text(1024) == "1 KiB"
    assert bytes_text(1024**2 - 1) == "1024 KiB"
    assert bytes_text(2**90) == "1\u202f073\u202f741\u202f824 EiB"


def test_importing_the_package_loads_no_html() -> None:
    program = "import sys, virtchunk; print(*[m for m in sys.modules if 'html' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "virtchunk" not in done.stdout
    assert done.returncode == 0


def test_irregular_chunks_show_their_borders_and_range_of_sizes() -> None:
    view = ts.virtual_chunked(fill, dtype=ts.uint8, shape=[10, 8], chunks=((3, 5, 2), (4, 4)))
    rows, columns = _axes(view)

    assert (rows.edges, rows.chunk_text, rows.chunks) == ((0, 3, 8, 10), "2–5", 3)
    assert (columns.edges, columns.chunk_text, columns.chunks) == ((0, 4, 8), "4", 2)
    assert "a chunk" not in words(parse(view))


@pytest.mark.parametrize(
    "derive",
    [
        lambda view: ts.cast(view, ts.float32),
        lambda view: ts.stack([view, view]),
        lambda view: ts.concat([view, view], axis=0),
        lambda view: ts.overlay([view]),
        lambda view: ts.downsample(view, [2, 3], "mean"),
    ],
    ids=["cast", "stack", "concat", "overlay", "downsample"],
)
def test_derived_views_are_shown_too(derive: Any) -> None:
    view = derive(virtual(ts.IndexDomain(shape=[20, 12]), [4, 6], context=pool()))

    text = words(parse(view))

    assert view._driver.describe() in text
    assert "cached" not in text  # it is not this view that is cached


def test_a_transaction_shows_how_far_it_is_and_what_it_holds() -> None:
    transaction = ts.Transaction(atomic=True, total_bytes_limit=4096)
    assert "open atomic" in words(parse(transaction))
    staged = ts.array(np.zeros(4, np.uint8)).with_transaction(transaction)
    staged[1:3] = 5
    text = words(parse(transaction))

    assert "of 4 KiB" in text
    assert "array" in text
    assert "in a transaction" in words(parse(staged))
    transaction.commit_sync()
    assert "committed" in words(parse(transaction))
