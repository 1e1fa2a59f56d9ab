"""Hypothesis strategies for chunk layouts, as Python source text for either implementation.

Layouts are drawn so that constraints often meet on one dimension and sometimes agree: hence the few
distinct values, next to large and fractional ones for the arithmetic.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.strategies import Draw, rarely

__all__ = [
    "broken_layout_jsons",
    "domain_texts",
    "grid_texts",
    "layout_texts",
    "layout_transform_texts",
    "observe_grid",
    "observe_layout",
    "ranks",
    "search_texts",
]

GRID_PROPERTIES = (
    "rank",
    "ndim",
    "shape",
    "shape_soft_constraint",
    "aspect_ratio",
    "aspect_ratio_soft_constraint",
    "elements",
    "elements_soft_constraint",
)
LAYOUT_PROPERTIES = (
    "rank",
    "ndim",
    "inner_order",
    "inner_order_soft_constraint",
    "grid_origin",
    "grid_origin_soft_constraint",
)


def observe_grid(grid: Any) -> list[Any]:
    """Everything that a grid says of itself."""
    return [grid.to_json(), *(getattr(grid, name) for name in GRID_PROPERTIES)]


def observe_layout(layout: Any) -> list[Any]:
    """Everything that a layout says of itself."""
    seen = [layout.to_json(), *(getattr(layout, name) for name in LAYOUT_PROPERTIES)]
    seen += [
        observe_grid(getattr(layout, f"{usage}_chunk")) for usage in ("read", "write", "codec")
    ]
    for name in ("read_chunk_template", "write_chunk_template"):
        try:
            seen.append(repr(getattr(layout, name)))
        except Exception as error:
            seen.append(type(error))
    return seen


_SUFFIXES = ("", "_soft_constraint")
_USAGES = ("", "write_", "read_", "codec_")


def ranks() -> st.SearchStrategy[int]:
    """Mostly 1 to 3; 0, because an empty list of values is a special case of its own."""
    return st.sampled_from([2, 1, 3, 2, 1, 3, 4, 0])


def _mostly(
    usual: list[Any], *unusual: st.SearchStrategy[Any], one_in: int = 8
) -> st.SearchStrategy[Any]:
    """A few values that often meet, seldom others: a layout of many parts is to be valid often."""
    return rarely(one_in).flatmap(
        lambda odd: st.one_of(*unusual) if odd else st.sampled_from(usual)
    )


def _chunk_extents() -> st.SearchStrategy[Any]:
    """Extents of a chunk: unspecified in two ways, that of the domain, sizes, and invalid ones."""
    invalid = st.sampled_from([-2, 2**62 - 1, 2**63])
    return _mostly([None, 4, 5, 10, 0, None, 1, -1, 64], st.integers(1, 2**62 - 2), invalid)


def _chunk_ratios() -> st.SearchStrategy[Any]:
    """Aspect ratios: unspecified in two ways, simple, of any magnitude, and invalid ones."""
    invalid = st.sampled_from([-1, math.inf, math.nan])
    return _mostly([None, 1, 2, 0.5, 0, 3.0], st.floats(1e-12, 1e12), invalid)


def _chunk_elements() -> st.SearchStrategy[Any]:
    """Numbers of elements: small, where rounding shows, up to the largest; and invalid ones."""
    invalid = st.sampled_from([-1, 2**62 - 1])
    return _mostly([100, 0, 1, 2, 3, 8, 1000], st.integers(0, 2**62 - 2), invalid, one_in=3)


def _origins() -> st.SearchStrategy[Any]:
    """Grid origins, negative and far from 0.

    Not quite at the ends of the index range: there the original refuses an origin only if the
    domain is empty, or reports one that it would not accept.
    """
    invalid = st.sampled_from([2**62, 2**63])
    return _mostly([None, 0, 3, -5, 10, None], st.integers(-(2**61), 2**61), invalid)


def _vectors(rank: int, values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """One value for each dimension; seldom one too many."""
    return rarely(40).flatmap(
        lambda wrong: st.lists(values, min_size=rank + wrong, max_size=rank + wrong)
    )


def _keywords(draw: Draw, known: dict[str, st.SearchStrategy[Any]], most: int) -> str:
    """Some keywords in any order, each with a value."""
    names = draw(st.lists(st.sampled_from(sorted(known)), max_size=most, unique=True))
    return ", ".join(f"{name}={draw(known[name])}" for name in names)


def _fields(rank: int, prefix: str = "") -> dict[str, st.SearchStrategy[Any]]:
    """The three things that grids constrain, hard and soft."""
    fields = {
        "shape": _vectors(rank, _chunk_extents()),
        "aspect_ratio": _vectors(rank, _chunk_ratios()),
        "elements": _chunk_elements(),
    }
    return {f"{prefix}{name}{suffix}": fields[name] for name in fields for suffix in _SUFFIXES}


@cache
def _grid_keywords(rank: int) -> dict[str, st.SearchStrategy[Any]]:
    return {**_fields(rank), "rank": st.just(rank)}


@st.composite
def _plain_grid_texts(draw: Draw, rank: int) -> str:
    return f"ts.ChunkLayout.Grid({_keywords(draw, _grid_keywords(rank), 4)})"


@st.composite
def grid_texts(draw: Draw, rank: int) -> str:
    """Keywords of a grid, in any order: several soft and hard constraints on one dimension.

    Not ``grid_soft_constraint``: the original takes it for hard constraints.
    """
    known = _grid_keywords(rank) | {"grid": _plain_grid_texts(rank)}
    return _keywords(draw, known, 4)


def _inner_orders(rank: int) -> st.SearchStrategy[Any]:
    """Permutations, and lists that are none."""
    return rarely(20).flatmap(
        lambda broken: st.just([0] * (rank + 1)) if broken else st.permutations(range(rank))
    )


@cache
def _layout_keywords(rank: int) -> dict[str, st.SearchStrategy[Any]]:
    known: dict[str, st.SearchStrategy[Any]] = {"rank": st.just(rank), "finalize": rarely(3)}
    for usage in _USAGES:
        known |= _fields(rank, f"{usage}chunk_")
        known[f"{usage}chunk"] = _plain_grid_texts(rank)
    for suffix in _SUFFIXES:
        known[f"grid_origin{suffix}"] = _vectors(rank, _origins())
        known[f"inner_order{suffix}"] = _inner_orders(rank)
    return known


@st.composite
def layout_texts(draw: Draw, rank: int, most: int = 8) -> str:
    """Keywords of a layout, up to ``most``, in any order."""
    return _keywords(draw, _layout_keywords(rank), most)


@st.composite
def domain_texts(draw: Draw, rank: int) -> str:
    """Domains of any size: empty, of extent 1, negative, far away, and unbounded on either side."""
    dims = []
    for _ in range(rank):
        lower = draw(st.sampled_from([0, 0, 3, -7]) | st.integers(-(2**40), 2**40))
        extent = draw(st.sampled_from([100, 10, 1, 0, 10**6]) | st.integers(0, 2**60))
        dims.append(
            draw(
                st.sampled_from(
                    [f"ts.Dim({lower}, {lower + extent})"] * 3
                    + [
                        "ts.Dim()",
                        f"ts.Dim(inclusive_min={lower})",
                        f"ts.Dim(exclusive_max={lower + extent})",
                    ]
                )
            )
        )
    return f"ts.IndexDomain([{', '.join(dims)}])"


@st.composite
def search_texts(draw: Draw) -> tuple[str, str]:
    """A valid layout and a domain of which ratios, elements and sizes decide the chunk shape."""
    rank = draw(st.integers(1, 6))
    ratios = st.sampled_from([None, 1, 2, 0.5]) | st.floats(1e-6, 1e6)
    extents = st.sampled_from([None, None, None, 1, 3]) | st.integers(1, 1000)
    bounds = st.sampled_from(["ts.Dim()", "ts.Dim(100)", "ts.Dim(0)"]) | st.integers(0, 2**61).map(
        lambda size: f"ts.Dim({size})"
    )
    wanted = st.integers(0, 50) | st.integers(1, 10**7) | st.integers(0, 2**62 - 2)

    ratio, shape, dims = (
        draw(st.lists(values, min_size=rank, max_size=rank)) for values in (ratios, extents, bounds)
    )
    layout = f"chunk_aspect_ratio={ratio}, chunk_shape={shape}"
    if draw(st.booleans()):
        layout += f", chunk_elements={draw(wanted)}"
    return layout, f"ts.IndexDomain([{', '.join(dims)}])"


@st.composite
def layout_transform_texts(draw: Draw, output_rank: int) -> str:
    """Transforms with every kind of output map; several maps may share an input dimension."""
    rank = draw(st.integers(0, 4))
    shape = draw(st.lists(st.sampled_from([10, 4, 1]), min_size=rank, max_size=rank))
    offsets = st.sampled_from([0, 0, 3, -7]) | st.integers(-(2**60), 2**60)
    strides = st.sampled_from([1, 1, 1, -1, 2, 3, -2, 4, 10, -7]) | st.integers(1, 2**40)
    maps = []
    for _ in range(output_rank):
        kind = draw(st.sampled_from("sssssac")) if rank else "c"
        offset, stride = draw(offsets), draw(strides)
        if kind == "c":
            maps.append(f"ts.OutputIndexMap(offset={offset})")
            continue
        dim = draw(st.integers(0, rank - 1))
        if kind == "s":
            maps.append(
                f"ts.OutputIndexMap(input_dimension={dim}, offset={offset}, stride={stride})"
            )
        else:
            axes = [shape[axis] if axis == dim else 1 for axis in range(rank)]
            array = f"np.arange({shape[dim]}).reshape({axes})"
            maps.append(
                f"ts.OutputIndexMap(index_array={array}, offset=3, stride={stride % 5 - 7})"
            )
    return f"ts.IndexTransform(input_shape={shape}, output=[{', '.join(maps)}])"


def broken_layout_jsons() -> st.SearchStrategy[Any]:
    """JSON that is almost a layout: each member has the right form or some other one."""
    number = st.sampled_from([2, 1, 0, 3.0, 2.5, -1, None, "2", True, 2**63, 2**70])
    vector = st.lists(number, min_size=1, max_size=3) | number
    grid = st.fixed_dictionaries(
        {},
        optional={
            "shape": vector,
            "shape_soft_constraint": vector,
            "aspect_ratio": vector,
            "elements": number,
            "elements_soft_constraint": number,
        },
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "rank": number,
            "inner_order": st.permutations(range(2)) | vector,
            "inner_order_soft_constraint": st.permutations(range(2)) | vector,
            "grid_origin": vector,
            "grid_origin_soft_constraint": vector,
            "chunk": grid,
            "read_chunk": grid | number,
            "write_chunk": grid,
            "codec_chunk": grid,
            "other": number,
        },
    )
