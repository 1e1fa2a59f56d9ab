"""Hypothesis strategies for everything that indexing is about.

Small strategies, each for one thing; its docstring says which odd case it exists for.
Whatever is part of an index program is drawn as Python source text (see ``index_programs``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import attrs
import numpy as np
from hypothesis import strategies as st

from tests.index_programs import INFINITE, Program, apply, build

__all__ = [
    "Extent",
    "base_views",
    "coordinates",
    "dim_selections",
    "domain_operations",
    "extents",
    "index_arrays",
    "index_programs",
    "labels",
    "masks",
    "numpy_terms",
    "output_maps",
    "rarely",
    "slices",
    "transform_operations",
]

T = TypeVar("T")
Draw: TypeAlias = Callable[..., Any]
Excluded: TypeAlias = Callable[[Any, str], bool]

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
    names = st.permutations(["x", "y", "z", "a", "b", "c d"]).map(lambda p: p[:rank])
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
    """One coordinate as text: in the domain, beyond an implicit bound, rarely beyond any bound."""
    if draw(rarely(120)):
        return str(draw(st.sampled_from(HUGE)))
    lower, upper = extent.window
    if extent.implicit_lower and draw(rarely(4)):
        return str(lower - draw(st.integers(1, 5)))
    if extent.implicit_upper and draw(rarely(4)):
        return str(upper + draw(st.integers(0, 5)))
    if draw(rarely(60)):
        return str(draw(st.sampled_from([lower - 1, upper])))
    return str(draw(coordinates(extent)))


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
    kinds = ["slice", "slice", "int", "full", *(["array", "array", "mask"] if arrays else [])]
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
            taken = min(draw(st.sampled_from([1, 1, 2])), len(dims) - at) if kind == "mask" else 1
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
    if kind == "array":
        own = draw(array_shapes() if mode == ".oindex" or draw(rarely(40)) else _narrowed(shape))
        return str(draw(index_arrays(dims[0], own)))
    return ":" if kind == "full" else str(draw(masks(dims)))


# --- Dimension expressions ------------------------------------------------------------------


@st.composite
def dim_selections(draw: Draw, dims: Sequence[int], rank: int, names: Sequence[str]) -> str:
    """The inside of ``ts.d[...]`` for these dimensions: index, negative index, label, nested."""
    if tuple(dims) == tuple(range(rank)) and draw(st.booleans()):
        return str(draw(st.sampled_from([":", "0:", "::1"])))
    if tuple(dims) == tuple(range(rank))[::-1] and rank > 1 and draw(st.booleans()):
        return "::-1"
    terms = [
        draw(
            st.sampled_from(
                [
                    str(dim),
                    str(dim),
                    str(dim - rank),
                    *([repr(names[dim])] * 4 if names[dim] else []),
                ]
            )
        )
        for dim in dims
    ]
    if len(terms) > 1 and draw(rarely(6)):
        cut = draw(st.integers(0, len(terms)))
        head, tail = ", ".join(terms[:cut]), ", ".join(terms[cut:])
        nested = [f"[{head}], [{tail}]", f"ts.d[{head or '()'}], [{tail}]"]
        return str(draw(st.sampled_from(nested)))
    return ", ".join(terms) if terms else "()"


def vectors(element: st.SearchStrategy[str], count: int) -> st.SearchStrategy[str]:
    """One value for all dimensions, or one for each; rarely one too many."""
    each = rarely(60).flatmap(
        lambda wrong: st.lists(element, min_size=count + wrong, max_size=count + wrong)
    )
    written = each.map(lambda values: f"({', '.join(values)},)" if values else "()")
    return element | written | written


@st.composite
def implicit_marks(draw: Draw) -> str:
    """What ``mark_bounds_implicit`` takes."""
    one = st.sampled_from(["True", "False", "None", ""])
    return str(draw(one.filter(bool) | st.tuples(one, one).map(":".join)))


@st.composite
def _translation(draw: Draw, dims: Sequence[Extent]) -> str:
    by = [".translate_by", ".translate_backward_by"]
    bounded = all(dim.inclusive_min > -INFINITE for dim in dims)
    name = draw(st.sampled_from([".translate_to", *by] if bounded or draw(rarely(20)) else by))
    return f"{name}[{draw(vectors(offsets(), len(dims)))}]"


@st.composite
def _labelling(draw: Draw, count: int, taken: Sequence[str] = ()) -> str:
    """New labels; "" removes one, and a duplicate is an error that must be noticed."""
    free = [name for name in ("p", "q", "r", "s", "t", "u", "v", "w") if name not in taken]
    names = draw(st.permutations(free[: max(count, 2)]))
    chosen = ["" if draw(rarely(5)) else name for name in names[:count]]
    if taken and chosen and draw(rarely(40)):
        chosen[0] = draw(st.sampled_from(sorted(taken)))
    if count == 1 and draw(st.booleans()):
        return f".label[{chosen[0]!r}]"
    return f".label[{', '.join(map(repr, chosen)) or '()'}]"


@st.composite
def _transposition(draw: Draw, count: int, rank: int) -> str:
    """Target positions, one block of them, or all reversed."""
    kind = draw(st.sampled_from(["each", "each", "block", "slice"]))
    if kind == "block" and rank:
        block = draw(
            st.integers(-rank, rank - 1) if draw(rarely(6)) else st.integers(0, rank - count)
        )
        return f".transpose[{block}]"
    if kind == "slice" and count == rank:
        return f".transpose[{draw(st.sampled_from(['::-1', ':', '0:']))}]"
    targets = draw(st.permutations(range(rank)))[:count]
    shown = [str(dim - rank) if draw(rarely(5)) else str(dim) for dim in targets]
    return f".transpose[{', '.join(shown) or '()'}]"


@st.composite
def _expression_step(
    draw: Draw, extents: Sequence[Extent], dims: Sequence[int], first: bool
) -> str:
    """One operation of a dimension expression on the selected ``dims``."""
    chosen = [extents[dim] for dim in dims]
    kind = draw(
        st.sampled_from(
            [
                "index",
                "index",
                "index",
                "translate",
                "label",
                "stride",
                "transpose",
                "mark",
                "diagonal",
            ]
        )
    )
    if kind == "translate":
        return str(draw(_translation(chosen)))
    if kind == "label":
        others = {dim.label for i, dim in enumerate(extents) if i not in dims} - {""}
        return str(draw(_labelling(len(dims), sorted(others))))
    if kind == "stride":
        amounts = strides().map(str) | rarely(30).map(lambda wrong: "0" if wrong else "None")
        return f".stride[{draw(vectors(amounts, len(dims)))}]"
    if kind == "transpose":
        return str(draw(_transposition(len(dims), len(extents))))
    if kind == "mark":
        return f".mark_bounds_implicit[{draw(implicit_marks())}]"
    if kind == "diagonal":
        return ".diagonal"
    mode = draw(st.sampled_from(["", "", ".oindex", ".vindex"]))
    if len(dims) > 1 and draw(rarely(4)):
        return f"{mode}[{draw(_vector_slices(chosen))}]"
    terms = draw(numpy_terms(chosen, mode, complete=True, new=not first and draw(rarely(60))))
    return f"{mode}[{terms or '()'}]"


@st.composite
def _vector_slices(draw: Draw, dims: Sequence[Extent]) -> str:
    """``[[1, 2]:[5, 6]:[1, -1]]``: one slice whose parts are vectors, or scalars for all."""
    windows = [dim.window for dim in dims]
    starts = [lower for lower, _ in windows]
    stops = [max(lower, draw(st.integers(lower, max(lower, upper)))) for lower, upper in windows]
    step = draw(st.sampled_from(["", ":1", ":2", f":{[2] * len(dims)}"]))
    start = draw(st.sampled_from([str(starts), str(tuple(starts)), ""]))
    stop = draw(st.sampled_from([str(stops), str(stops), str([None] * len(stops)), ""]))
    return f"{start}:{stop}{step}"


@st.composite
def _new_dims(draw: Draw, extents: Sequence[Extent]) -> str:
    """``ts.d[...][ts.newaxis, ...]``: the selection names positions in the result."""
    count = draw(st.sampled_from([1, 1, 2]))
    rank = len(extents) + count
    dims = draw(st.permutations(range(rank)))[:count]
    shown = ", ".join(str(dim - rank) if draw(rarely(4)) else str(dim) for dim in dims)
    terms = draw(st.sampled_from(["None", ", ".join(["ts.newaxis"] * count)]))
    return f"ts.d[{shown}]{draw(st.sampled_from(['', '.vindex', '.oindex']))}[{terms}]"


@st.composite
def dim_expressions(draw: Draw, module: Any, x: Any, excluded: Excluded) -> str:
    """A selection and up to four chained operations, each fitting what the ones before it made."""
    extents = Extent.of(_domain_of(module, x))
    rank = len(extents)
    if rank < MAX_RANK and draw(rarely(8)):
        text = draw(_new_dims(extents))
    else:
        dims = draw(st.permutations(range(rank)))[: draw(st.integers(min(rank, 1), rank))]
        names = [dim.label for dim in extents]
        text = f"ts.d[{draw(dim_selections(dims, rank, names))}]"
        if draw(rarely(80)):
            text = f"ts.d[{draw(st.sampled_from(['0, 0', '-1, 0', '9', repr('nope')]))}]"
        step = draw(_expression_step(extents, dims, first=True))
        if excluded(x, f"[{text}{step}]"):
            return text + ".mark_bounds_implicit[None]"
        text += step
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        state = _selected(module, x, text)
        if state is None or len(state[0]) > MAX_RANK:
            break
        step = draw(_expression_step(*state, first=False))
        if not excluded(x, f"[{text}{step}]"):
            text += step
    return str(text)


def _selected(module: Any, x: Any, expression: str) -> tuple[list[Extent], list[int]] | None:
    """What a dimension expression made so far: the extents and which of them are selected.

    The selection is found by labelling it: only the right number of labels is accepted.
    """
    try:
        extents = Extent.of(_domain_of(module, apply(module, x, f"[{expression}]")))
        for count in range(len(extents) + 1):
            marks = [f"#{i}" for i in range(count)]
            try:
                marked = apply(
                    module, x, f"[{expression}.label[{', '.join(map(repr, marks)) or '()'}]]"
                )
            except (IndexError, ValueError):
                continue
            found = list(_domain_of(module, marked).labels)
            return extents, [found.index(mark) for mark in marks]
    except Exception:  # the expression itself is a mistake: that is where the program ends
        return None
    return None


# --- Whole operations -----------------------------------------------------------------------


def _domain_of(module: Any, x: Any) -> Any:
    return x if isinstance(x, module.IndexDomain) else x.domain


def domain_text(extents: Sequence[Extent], *, shortest: bool = False) -> str:
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
def _inner_extent(draw: Draw, extent: Extent) -> Extent:
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
    inner = [draw(_inner_extent(extent)) for extent in extents]
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
    finite = [i for i, e in enumerate(inner) if e.exclusive_max - e.inclusive_min < 40]
    if kind == "single" and inner:
        dim = draw(st.sampled_from(range(len(inner))))
        stride = draw(st.sampled_from([1, 1, 2, -1, -3]))
        a, b = inner[dim].window
        low, high = sorted((a * stride, (b - 1) * stride))
        if b <= a or high - low < upper - lower:
            offset = draw(st.integers(lower - low, max(lower - low, upper - 1 - high)))
            if draw(rarely(80)):
                return f"ts.OutputIndexMap({draw(st.sampled_from(HUGE))}, {dim}, {stride})"
            return f"ts.OutputIndexMap(input_dimension={dim}, offset={offset}, stride={stride})"
    if kind == "array" and len(finite) == len(inner):
        own = [1 if draw(st.booleans()) else e.exclusive_max - e.inclusive_min for e in inner]
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


@st.composite
def _shared_operation(draw: Draw, module: Any, x: Any, kind: str, excluded: Excluded) -> str:
    """An operation that domains, transforms and views have in common."""
    extents = Extent.of(_domain_of(module, x))
    if kind == "expression":
        return f"[{draw(dim_expressions(module, x, excluded))}]"
    if kind == "domain":
        return f"[{draw(crop_domains(extents))}]"
    if kind == "transform":
        return f"[{draw(transform_texts(extents))}]"
    if kind == "transpose":
        axes = draw(st.permutations(range(len(extents))))
        shown = draw(dim_selections(axes, len(extents), [e.label for e in extents]))
        plain = ":" not in shown and "ts.d" not in shown
        return f".transpose([{shown if shown != '()' else ''}])" if plain else ".T"
    if kind == "label":
        return str(draw(_labelling(len(extents))))
    if kind == "mark":
        return f".mark_bounds_implicit[{draw(implicit_marks())}]"
    return str(draw(_translation(extents)))


@st.composite
def domain_operations(draw: Draw, module: Any, x: Any, excluded: Excluded) -> str:
    """What can be done with a domain; picking one dimension ends the program."""
    kinds = ["expression", "domain", "transform", "transpose", "label", "mark", "translate"]
    kind = draw(st.sampled_from(["expression", *kinds, "dims", "dims", "hull", "intersect"]))
    if kind in kinds:
        return str(draw(_shared_operation(module, x, kind, excluded)))
    extents = Extent.of(x)
    if kind == "dims":
        dims = draw(st.permutations(range(len(extents))))
        dims = (
            dims[: draw(st.integers(min(2, len(dims)), len(dims)))] if draw(rarely(8)) else dims[:1]
        )
        return f"[{draw(dim_selections(dims, len(extents), [e.label for e in extents]))}]"
    names = draw(labels(len(extents))) if draw(rarely(4)) else [""] * len(extents)
    other = [draw(_inner_extent(extent)) for extent in extents]
    other = [
        attrs.evolve(e, label=e.label if draw(st.booleans()) else name)
        for e, name in zip(other, names, strict=True)
    ]
    return f".{kind}({domain_text(other)})"


@st.composite
def transform_operations(draw: Draw, module: Any, x: Any, excluded: Excluded) -> str:
    """What can be done with a transform or a view."""
    kinds = ["numpy", "numpy", "expression", "expression", "domain", "transform"]
    kind = draw(st.sampled_from([*kinds, "transpose", "label", "mark", "translate"]))
    if kind != "numpy":
        return str(draw(_shared_operation(module, x, kind, excluded)))
    mode = draw(st.sampled_from(["", "", ".oindex", ".vindex"]))
    terms = draw(numpy_terms(Extent.of(x.domain), mode))
    return f"{mode}[{terms or '()'}]"


# --- Programs -------------------------------------------------------------------------------


@st.composite
def base_views(draw: Draw, driver: str) -> str:
    """A view of few elements over an array, or over a callback with any finite domain."""
    extents = draw(domains(draw(st.sampled_from([2, 1, 3, 0])), infinite=False))
    shape = [min(e.exclusive_max - e.inclusive_min, 5) for e in extents]
    names = [e.label for e in extents]
    if driver == "array":
        size = int(np.prod(shape, dtype=int))
        data = f"np.arange({size}, dtype=np.int32).reshape({shape})"
        return f"ts.array({data})" + (f"[ts.d[:].label[{names}]]" if any(names) else "")
    inner = [
        Extent(e.inclusive_min, e.inclusive_min + n, e.label)
        for e, n in zip(extents, shape, strict=True)
    ]
    chunk = [draw(st.sampled_from([1, 2, 3])) for _ in shape]
    layout = f"ts.ChunkLayout(chunk_shape={chunk})"
    return (
        f"ts.virtual_chunked(coordinate_sum, domain={domain_text(inner)}, dtype=ts.int64, "
        f"chunk_layout={layout})"
    )


@st.composite
def base_transforms(draw: Draw) -> str:
    """An identity over any domain, or any output maps: unlike views, transforms check no source."""
    if draw(rarely(3)):
        return str(draw(transform_texts()))
    return f"ts.IndexTransform({domain_text(draw(domains()))})"


def _never(x: object, operation: str) -> bool:
    return False


@st.composite
def index_programs(draw: Draw, module: Any, kind: str, excluded: Excluded = _never) -> Program:
    """A base of this kind (domain, transform, array or virtual) and up to five operations on it.

    ``module`` is asked what each operation made, so that the next one mostly fits: a program that
    fails at once says little. ``excluded`` keeps an operation from being run at all.
    """
    if kind == "domain":
        base, operations = domain_text(draw(domains())), domain_operations
    elif kind == "transform":
        base, operations = draw(base_transforms()), transform_operations
    else:
        base, operations = draw(base_views(kind)), transform_operations
    steps: list[str] = []
    try:
        x = build(module, base)
    except Exception:
        return Program(base)
    for _ in range(draw(st.sampled_from([3, 4, 2, 5, 1]))):
        step = draw(operations(module, x, excluded))
        if excluded(x, step):
            continue
        try:
            x = apply(module, x, step)
        except Exception:  # most mistakes are dropped: nothing can follow them
            if draw(rarely(2)):
                steps.append(step)
                break
            continue
        steps.append(step)
        if isinstance(x, module.Dim) or len(_domain_of(module, x)) > MAX_RANK + 2:
            break
    return Program(base, tuple(steps))
