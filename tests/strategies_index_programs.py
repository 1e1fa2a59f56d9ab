"""Hypothesis strategies for whole index programs, followed along on an implementation.

A program whose operations were drawn blindly would fail at its first or second step.
So each operation is drawn for the domain that the ones before it made on the module given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
from hypothesis import strategies as st

from tests.index_programs import INFINITE, Program, apply, build
from tests.strategies import (
    MAX_RANK,
    Draw,
    Extent,
    crop_domains,
    domain_text,
    domains,
    inner_extents,
    labels,
    numpy_terms,
    offsets,
    rarely,
    strides,
    transform_texts,
    vector_slices,
)

__all__ = ["base_views", "dim_expressions", "dim_selections", "domain_operations"]
__all__ += ["index_programs", "transform_operations"]

Excluded: TypeAlias = Callable[[Any, str], bool]


def _domain_of(module: Any, x: Any) -> Any:
    return x if isinstance(x, module.IndexDomain) else x.domain


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
        return f"{mode}[{draw(vector_slices(chosen))}]"
    terms = draw(numpy_terms(chosen, mode, complete=True, new=not first and draw(rarely(60))))
    return f"{mode}[{terms or '()'}]"


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


# --- Whole operations ---------------------------------------------------------------------


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
    other = [draw(inner_extents(extent)) for extent in extents]
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
