"""Hypothesis strategies for everything that indexing is about.

Small strategies, each for one thing; its docstring says which odd case it exists for.
Whatever is part of an index program is drawn as Python source text (see ``index_programs``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
from hypothesis import strategies as st

from tests.index_programs import INFINITE

__all__ = [
    "HUGE",
    "MAX_RANK",
    "Draw",
    "Extent",
    "coordinates",
    "crop_domains",
    "domain_text",
    "domains",
    "extents",
    "index_arrays",
    "inner_extents",
    "labels",
    "masks",
    "numpy_terms",
    "offsets",
    "output_maps",
    "positions",
    "rarely",
    "slices",
    "strides",
    "transform_texts",
    "vector_slices",
]

Draw: TypeAlias = Callable[..., Any]

MAX_RANK = 6


@attrs.frozen
class Extent:
    """What a generator knows about one dimension."""

    inclusive_min: int
    exclusive_max: int
    label: str = ""
    implicit_lower: bool = False
    implicit_upper: bool = False

    @classmethod
    def of(cls, domain: Any) -> list[Extent]:
        """The extents of a domain of either implementation."""
        columns = (
            domain.inclusive_min,
            domain.exclusive_max,
            domain.labels,
            domain.implicit_lower_bounds,
            domain.implicit_upper_bounds,
        )
        return [cls(*row) for row in zip(*columns, strict=True)]

    @property
    def window(self) -> tuple[int, int]:
        """Finite bounds inside this extent: small numbers shrink and read well."""
        a, b = self.inclusive_min, self.exclusive_max
        lower = a if a > -INFINITE else min(b, 7) - 12
        return lower, b if b <= INFINITE else max(lower, -2) + 9


# --- Numbers, labels, bounds ----------------------------------------------------------------


def rarely(one_in: int = 25) -> st.SearchStrategy[bool]:
    """Mostly false: for the mistakes that a program may contain but mostly should not."""
    return st.integers(0, one_in - 1).map(lambda n: n == one_in - 1)


HUGE = ("ts.inf", "-ts.inf", "ts.inf - 1", "2**62", "-2**63", "2**63 - 1", "2**64")
"""Around the ends of the index range, where sums overflow."""


def labels(rank: int) -> st.SearchStrategy[list[str]]:
    """Distinct labels, many of them empty: half-labelled domains take their own alignment rule."""
    names = st.permutations(["x", "y", "z", "a", "b", "c d", "e", "f"]).map(lambda p: p[:rank])
    kept = st.lists(st.booleans(), min_size=rank, max_size=rank)
    none = st.just([""] * rank)
    return none | st.tuples(names, kept).map(
        lambda pair: [name if keep else "" for name, keep in zip(*pair, strict=True)]
    )


@st.composite
def extents(draw: Draw, label: str = "", *, infinite: bool = True) -> Extent:
    """One dimension: negative origins, zero extents, extent 1, infinite and implicit bounds."""
    lower = draw(st.sampled_from([0, 0, 0, 1, -3, 5, -20, 100]))
    size = draw(st.sampled_from([4, 5, 7, 10, 3, 2, 1, 0, 30]))
    upper = lower + size
    if infinite:
        which = draw(st.sampled_from(["", "", "", "", "lower", "upper", "both"]))
        lower = -INFINITE if which in ("lower", "both") else lower
        upper = INFINITE + 1 if which in ("upper", "both") else upper
    implicit = [draw(st.sampled_from([False, False, False, True])) for _ in range(2)]
    return Extent(lower, upper, label, *implicit)


@st.composite
def domains(draw: Draw, rank: int | None = None, *, infinite: bool = True) -> list[Extent]:
    """Domains of rank 0 to 6, mostly small ones."""
    if rank is None:
        rank = draw(st.sampled_from([2, 1, 3, 2, 3, 4, 0, 5, MAX_RANK]))
    return [draw(extents(label, infinite=infinite)) for label in draw(labels(rank))]


def coordinates(extent: Extent) -> st.SearchStrategy[int]:
    """Positions in a dimension; of an empty one, positions near by."""
    lower, upper = extent.window
    return st.integers(lower, max(lower, upper - 1))


@st.composite
def positions(draw: Draw, extent: Extent) -> str:
    """One coordinate: in the domain, beyond an implicit bound, rarely beyond any; NumPy scalars."""
    if draw(rarely(120)):
        return str(draw(st.sampled_from(HUGE)))
    lower, upper = extent.window
    if extent.implicit_lower and draw(rarely(4)):
        return str(lower - draw(st.integers(1, 5)))
    if extent.implicit_upper and draw(rarely(4)):
        return str(upper + draw(st.integers(0, 5)))
    if draw(rarely(60)):
        return str(draw(st.sampled_from([lower - 1, upper])))
    position = draw(coordinates(extent))
    return f"np.int64({position})" if draw(rarely(20)) else str(position)


def offsets() -> st.SearchStrategy[str]:
    """Distances to move by, ``None`` for not at all, rarely one that overflows."""
    near = st.integers(-12, 12).map(str)
    return rarely(60).flatmap(
        lambda far: st.sampled_from(HUGE) if far else near | near | near | st.just("None")
    )


def strides() -> st.SearchStrategy[int]:
    """Any stride but 0: both signs round differently, and -1 is the one that reverses."""
    return st.sampled_from([1, 2, 3, -1, -2, -3, 7, -7])


# --- Terms of one index expression ----------------------------------------------------------


@st.composite
def slices(draw: Draw, extent: Extent) -> str:
    """Slices with any stride, open ends, empty and reversed ones, bounds at the very edge."""
    step = draw(st.sampled_from(["", "", "1", "2", "3", "-1", "-2", "-3", "5", "None"]))
    if draw(rarely(150)):
        step = draw(st.sampled_from(["0", "ts.inf", "-2**62"]))
    lower, upper = extent.window
    lower -= extent.implicit_lower and draw(st.sampled_from([0, 0, 3]))
    upper += extent.implicit_upper and draw(st.sampled_from([0, 0, 3]))
    if step.startswith("-"):  # the mirror image: stop is exclusive at the lower end
        lower, upper = lower - 1, upper - 1
    ends = sorted(draw(st.tuples(*[st.integers(lower, max(lower, upper))] * 2)))
    if draw(rarely(60)):
        ends = draw(st.permutations([ends[0] - 9, ends[1] + 9]))
    start, stop = map(str, ends[::-1] if step.startswith("-") else ends)
    shown = draw(st.sampled_from([(1, 1), (1, 0), (0, 1), (0, 0)]))
    start, stop = start if shown[0] else "", stop if shown[1] else ""
    if draw(rarely(100)):
        start = draw(st.sampled_from(HUGE))
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


@st.composite
def vector_slices(draw: Draw, dims: Sequence[Extent]) -> str:
    """``[[1, 2]:[5, 6]:[1, -1]]``: one slice whose parts are vectors, or scalars for all."""
    windows = [dim.window for dim in dims]
    starts = [lower for lower, _ in windows]
    stops = [max(lower, draw(st.integers(lower, max(lower, upper)))) for lower, upper in windows]
    step = draw(st.sampled_from(["", ":1", ":2", f":{[2] * len(dims)}"]))
    start = draw(st.sampled_from([str(starts), str(tuple(starts)), ""]))
    stop = draw(st.sampled_from([str(stops), str(stops), str([None] * len(stops)), ""]))
    return f"{start}:{stop}{step}"


def array_shapes() -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of index arrays: size 1 is simplified to a constant, size 0 has no element to keep."""
    return st.sampled_from(
        [(2,), (3,), (1,), (4,), (2, 3), (1, 2), (2, 1), (), (0,), (0, 2), (1, 1), (2, 1, 2)]
    )


def _array_text(values: Sequence[Any], shape: tuple[int, ...], dtype: str | None) -> str:
    nested = np.reshape(np.array(list(values), dtype=object), shape).tolist()
    if 0 in shape:
        return f"np.zeros({shape}, {dtype or 'int'!r})"
    text = str(nested)
    return text if dtype is None and shape else f"np.array({text}, {dtype or 'int64'!r})"


@st.composite
def index_arrays(draw: Draw, extent: Extent, shape: tuple[int, ...]) -> str:
    """Integer arrays as lists or NumPy arrays of any width; duplicates happen by themselves."""
    size = int(np.prod(shape, dtype=int))
    values = draw(st.lists(coordinates(extent), min_size=size, max_size=size))
    if size and draw(rarely(60)):
        values[0] = extent.window[1] + draw(st.integers(0, 3))
    width = draw(st.sampled_from([None, None, "int64", "int32", "int8", "uint16"]))
    if width is not None and size:
        info = np.iinfo(width)
        width = width if info.min <= min(values) and max(values) <= info.max else "int64"
    return _array_text(values, shape, width)


@st.composite
def masks(draw: Draw, taken: Sequence[Extent]) -> str:
    """Boolean arrays over one or more dimensions, true only where a coordinate exists."""
    if not taken:  # rank 0 adds a dimension of size 0 or 1
        return str(draw(st.sampled_from(["True", "False", "np.True_", "np.array(False)"])))
    shape = tuple(max(0, min(extent.window[1], 4)) for extent in taken)
    exists = np.ones(shape, dtype=bool)
    for axis, extent in enumerate(taken):
        first = [slice(None)] * axis + [slice(0, max(0, extent.window[0]))]
        exists[tuple(first)] = False
    chosen = draw(st.lists(st.booleans(), min_size=exists.size, max_size=exists.size))
    values = [bool(a and b) for a, b in zip(exists.flat, chosen, strict=True)]
    return _array_text(values, shape, "bool" if 0 in shape or draw(rarely(3)) else None)


@st.composite
def _narrowed(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to ``shape``: some axes 1, leading ones missing."""
    dropped = draw(st.sampled_from([0, 0, 0, 1])) if len(shape) > 1 else 0
    return tuple(1 if draw(rarely(5)) else n for n in shape[dropped:])


@st.composite
def numpy_terms(
    draw: Draw, dims: Sequence[Extent], mode: str = "", *, complete: bool = False, new: bool = True
) -> str:
    """The inside of ``[...]`` for these dimensions.

    Every kind of term, in any order; what is left over goes to ``...`` or, unless the expression
    has to be ``complete`` (as in a dimension expression), to nobody.
    """
    arrays = draw(st.sampled_from([False, True]))
    shape = draw(array_shapes())
    terms: list[str] = []
    at, ellipsis = 0, False
    kinds = ["slice", "slice", "slice", "int", "int", "full", "vector"]
    kinds += ["array"] * 5 * arrays + ["mask"] * 2 * arrays
    while at < len(dims) or draw(rarely(8)):
        if new and draw(rarely(10)):
            terms.append(draw(st.sampled_from(["None", "ts.newaxis"])))
        elif arrays and draw(rarely(60)):
            terms.append(draw(masks([])))
        elif at == len(dims):
            if draw(rarely(20)):  # one term too many
                terms.append("0")
        elif (not ellipsis and draw(rarely(10))) or draw(rarely(300)):
            terms.append("...")
            skipped, ellipsis = draw(st.integers(0, len(dims) - at)), True
            rest = draw(numpy_terms(dims[at + skipped :], mode, complete=True, new=new))
            return _joined([*terms, rest] if rest else terms)
        elif not complete and draw(rarely(10)):
            break
        else:
            kind = draw(st.sampled_from(kinds))
            several = kind in ("mask", "vector")
            taken = min(draw(st.sampled_from([1, 1, 2])), len(dims) - at) if several else 1
            terms.append(draw(_term(kind, dims[at : at + taken], shape, mode)))
            at += taken
    return _joined(terms)


def _joined(terms: Sequence[str]) -> str:
    return ", ".join(terms)


@st.composite
def _term(draw: Draw, kind: str, dims: Sequence[Extent], shape: tuple[int, ...], mode: str) -> str:
    if kind == "int":
        return str(draw(positions(dims[0])))
    if kind == "slice":
        return str(draw(slices(dims[0])))
    if kind == "vector":
        return str(draw(vector_slices(dims)))
    if kind == "array":
        own = draw(array_shapes() if mode == ".oindex" or draw(rarely(40)) else _narrowed(shape))
        return str(draw(index_arrays(dims[0], own)))
    return ":" if kind == "full" else str(draw(masks(dims)))


# --- Domains and transforms as text --------------------------------------------------------


def domain_text(extents: Sequence[Extent]) -> str:
    """The constructor call that makes a domain of these extents."""

    def bound(value: int) -> str:
        special = {-INFINITE: "-ts.inf", INFINITE: "ts.inf", INFINITE + 1: "ts.inf + 1"}
        return special.get(value, str(value))

    mins = ", ".join(bound(e.inclusive_min) for e in extents)
    maxs = ", ".join(bound(e.exclusive_max) for e in extents)
    text = f"inclusive_min=[{mins}], exclusive_max=[{maxs}]"
    if any(e.label for e in extents):
        text += f", labels={[e.label for e in extents]}"
    lower, upper = [[int(flag) for flag in column] for column in _implicit_flags(extents)]
    if any(lower):
        text += f", implicit_lower_bounds={lower}"
    if any(upper):
        text += f", implicit_upper_bounds={upper}"
    return f"ts.IndexDomain({text})"


def _implicit_flags(extents: Sequence[Extent]) -> tuple[list[bool], list[bool]]:
    return [e.implicit_lower for e in extents], [e.implicit_upper for e in extents]


@st.composite
def inner_extents(draw: Draw, extent: Extent) -> Extent:
    """An extent inside another one, rarely sticking out."""
    lower, upper = extent.window
    a, b = sorted(draw(st.tuples(*[st.integers(lower, max(lower, upper))] * 2)))
    if draw(rarely(40)):
        b += 20
    flags = [draw(rarely(5)) for _ in range(2)]
    return Extent(a, b, extent.label, *flags)


@st.composite
def crop_domains(draw: Draw, extents: Sequence[Extent]) -> str:
    """Domains to index with, under each of the alignment rules: none, one or both labelled."""
    inner = [draw(inner_extents(extent)) for extent in extents]
    labelled = any(extent.label for extent in extents)
    rule = draw(st.sampled_from(["same", "unlabelled", "shuffled", "subset", "renamed"]))
    if rule == "unlabelled":
        inner = [attrs.evolve(extent, label="") for extent in inner]
    elif rule == "renamed" and (not labelled or draw(rarely(10))):
        names = draw(labels(len(inner)))
        inner = [attrs.evolve(e, label=name) for e, name in zip(inner, names, strict=True)]
    elif rule == "shuffled" and (all(e.label for e in inner) or draw(rarely(4))):
        inner = draw(st.permutations(inner))
    elif rule == "subset" and labelled:
        kept = [e for e in inner if e.label]
        inner = draw(st.permutations(kept))[: draw(st.integers(1, len(kept)))]
    return domain_text(inner)


@st.composite
def output_maps(draw: Draw, inner: Sequence[Extent], target: Extent | None) -> str:
    """One output map from ``inner``; into ``target`` if given, else anywhere."""
    kind = draw(st.sampled_from(["single", "single", "constant", "array"]))
    lower, upper = target.window if target else (-50, 50)
    sizes = [e.exclusive_max - e.inclusive_min for e in inner]
    # The original prints the elements beside a dimension empty within implicit bounds as `{}`.
    finite = [
        n < 40 and not (n == 0 and (e.implicit_lower or e.implicit_upper))
        for n, e in zip(sizes, inner, strict=True)
    ]
    if kind == "single" and inner:
        dim = draw(st.sampled_from(range(len(inner))))
        stride = draw(st.sampled_from([1, 1, 2, -1, -3]))
        a, b = inner[dim].window
        low, high = sorted((a * stride, (b - 1) * stride))
        if b <= a or high - low < upper - lower:
            offset = draw(st.integers(lower - low, max(lower - low, upper - 1 - high)))
            if draw(rarely(80)):
                return f"ts.OutputIndexMap({dim}, {draw(st.sampled_from(HUGE[:4]))}, {stride})"
            return f"ts.OutputIndexMap(input_dimension={dim}, offset={offset}, stride={stride})"
    if kind == "array" and all(finite):
        own = [1 if draw(st.booleans()) else n for n in sizes]
        if np.prod(own, dtype=int) <= 24:
            values = draw(index_arrays(Extent(lower, max(lower + 1, upper)), tuple(own)))
            return f"ts.OutputIndexMap({values}{draw(_index_range(lower, upper))})"
    return f"ts.OutputIndexMap({draw(positions(Extent(lower, upper)))})"


@st.composite
def _index_range(draw: Draw, lower: int, upper: int) -> str:
    """The interval that the elements of an index array are promised to lie in; sometimes wrong."""
    if draw(st.booleans()):
        return ""
    stop = draw(st.integers(lower, upper + 3)) if draw(rarely(10)) else max(upper, lower)
    return f", index_range=ts.Dim({lower}, {stop})"


@st.composite
def transform_texts(draw: Draw, target: Sequence[Extent] | None = None) -> str:
    """A transform with arbitrary output maps; its range fits ``target`` if one is given."""
    rank = draw(st.sampled_from([1, 2, 3, 0, 4]))
    inner = draw(domains(rank, infinite=target is None))
    if target is not None:
        inner = [
            attrs.evolve(e, exclusive_max=min(e.exclusive_max, e.inclusive_min + 3))
            if draw(st.sampled_from([True, True, True, False]))
            else Extent(-INFINITE, INFINITE + 1, e.label, True, True)
            for e in inner
        ]
    wanted = [None] * draw(st.integers(0, 4)) if target is None else list(target)
    maps = ", ".join(draw(output_maps(inner, extent)) for extent in wanted)
    return f"ts.IndexTransform({domain_text(inner)}, [{maps}])"
