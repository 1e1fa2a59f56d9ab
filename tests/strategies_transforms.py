"""Hypothesis strategies for the values of the index space: the arguments that make them.

Arguments instead of values, because the same ones are given to two implementations.  Unlike the
programs of ``strategies``, these go to the very ends of the index range.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
import numpy as np
from hypothesis import strategies as st

from tests.index_programs import INFINITE
from tests.strategies import Draw, Extent, domains, labels, rarely

__all__ = [
    "Arguments",
    "TransformArguments",
    "component_vectors",
    "dim_arguments",
    "domain_arguments",
    "has_hollow_arrays",
    "inner_transforms",
    "points",
    "transforms",
]

Arguments: TypeAlias = dict[str, Any]

EDGES = [sign * (INFINITE + d) for sign in (-1, 1) for d in (-2, -1, 0, 1, 2)] + [2**63 - 1]
"""Around the last index, infinity, and the exclusive bound that stands for it."""


def numbers() -> st.SearchStrategy[int]:
    """Small numbers, rarely one at the end of the index range."""
    return rarely(12).flatmap(lambda edge: st.sampled_from(EDGES) if edge else st.integers(-8, 12))


@st.composite
def dim_arguments(draw: Draw) -> tuple[list[Any], Arguments]:
    """Arguments for each form of `Dim`, with bounds left out, given as None, or out of order."""
    form = draw(st.sampled_from(["label", "size", "half-open", "closed", "positional"]))
    number = numbers() | numbers() | numbers() | st.none()
    names: dict[str, st.SearchStrategy[Any]] = {"label": st.sampled_from(["", "x", "y", 'q"'])}
    args: list[Any] = []
    if form == "size":
        args = [draw(numbers())]
        names["inclusive_min"] = number
    elif form == "half-open":
        names |= {"inclusive_min": number, "exclusive_max": number}
    elif form == "closed":
        names |= {"inclusive_min": number, "inclusive_max": number}
    elif form == "positional":
        args = [draw(number), draw(numbers())]
    names |= {"implicit_lower": st.booleans(), "implicit_upper": st.booleans()}
    return args, {key: draw(value) for key, value in names.items() if draw(rarely(2))}


@st.composite
def component_vectors(draw: Draw, prefix: str = "") -> Arguments:
    """Any subset of the vectors that describe a domain: too many upper bounds, different ranks."""
    rank = draw(st.integers(0, 4))

    def vector(values: st.SearchStrategy[Any]) -> list[Any]:
        length = rank + draw(rarely(40))
        return list(draw(st.lists(values, min_size=length, max_size=length)))

    result: Arguments = {}
    if draw(rarely(3)):
        result["rank"] = rank
    for name, one_in in (
        ("inclusive_min", 2),
        ("exclusive_max", 3),
        ("inclusive_max", 5),
        ("shape", 3),
    ):
        if draw(rarely(one_in)):
            result[name] = vector(numbers())
    if draw(rarely(3)):
        result["labels"] = [name or None for name in draw(labels(rank))]
    result = {prefix + name: value for name, value in result.items()}
    for name in ("implicit_lower_bounds", "implicit_upper_bounds"):
        if draw(rarely(3)):
            result[name] = vector(st.booleans())
    return result


def vectors_of(extents: list[Extent]) -> Arguments:
    """The arguments that make a domain of these extents."""
    return {
        "inclusive_min": [e.inclusive_min for e in extents],
        "exclusive_max": [e.exclusive_max for e in extents],
        "labels": [e.label for e in extents],
        "implicit_lower_bounds": [e.implicit_lower for e in extents],
        "implicit_upper_bounds": [e.implicit_upper for e in extents],
    }


def domain_arguments(
    rank: int | None = None, *, infinite: bool = True
) -> st.SearchStrategy[Arguments]:
    """Arguments for valid domains of rank 0 to 6."""
    return domains(rank, infinite=infinite).map(vectors_of)


@attrs.frozen
class TransformArguments:
    """What a transform is made of."""

    extents: list[Extent]
    maps: list[Arguments]

    def make(self, ts: Any) -> Any:
        """The transform, in either implementation."""
        output = []
        for arguments in self.maps:
            bounds = arguments.get("index_range")
            given = {key: value for key, value in arguments.items() if key != "index_range"}
            extra = {} if bounds is None else {"index_range": ts.Dim(*bounds)}
            output.append(ts.OutputIndexMap(**given, **extra))
        return ts.IndexTransform(ts.IndexDomain(**vectors_of(self.extents)), output)


def is_hollow(extents: list[Extent]) -> bool:
    """Whether there is a dimension of extent 0 that an implicit bound could give more."""
    return any(
        e.inclusive_min == e.exclusive_max and (e.implicit_lower or e.implicit_upper)
        for e in extents
    )


def has_hollow_arrays(domain: Any, *transforms: TransformArguments) -> bool:
    """Whether index arrays meet a domain on which the original crashes or shows no array."""
    arrays = any("index_array" in m for t in transforms for m in t.maps)
    return arrays and (
        is_hollow(Extent.of(domain)) or any(is_hollow(t.extents) for t in transforms)
    )


@st.composite
def output_map_arguments(draw: Draw, extents: list[Extent], target: Extent | None) -> Arguments:
    """Arguments for one output map over ``extents``, often with values in ``target``."""
    lower, upper = target.window if target else (-6, 8)
    kind = draw(st.sampled_from(["single", "single", "constant", "array"]))
    if kind == "constant" or not extents:
        return {"offset": draw(st.integers(lower - draw(rarely(20)), max(lower, upper - 1)))}
    offset = 0 if draw(rarely(2)) else draw(st.integers(-9, 9))
    stride = draw(st.sampled_from([1, 1, 1, 2, -1, -3, 7, 0]))
    if kind == "single":
        dimension = draw(st.integers(0, len(extents) - 1)) - 9 * draw(rarely(60))
        return {"input_dimension": dimension, "offset": offset, "stride": stride}
    shape = [draw(st.sampled_from([1, _array_extent(e)])) for e in extents]
    size = int(np.prod(shape, dtype=int))
    value = st.integers(lower, max(lower, upper - 1))
    values = draw(st.lists(value, min_size=size, max_size=size))
    array = np.array(values, np.int64).reshape(shape)
    result: Arguments = {"index_array": array, "offset": offset, "stride": stride}
    if target and draw(rarely(2)):
        result |= {"offset": 0, "stride": 1}
    if draw(rarely(3)):
        start = draw(st.integers(lower - 1, lower + 2))
        result["index_range"] = start, start + draw(st.integers(0, 12))
    return result


def _array_extent(extent: Extent) -> int:
    """The extent of an index array along a dimension that it depends on, 1 if it must not."""
    size = extent.exclusive_max - extent.inclusive_min
    return 1 if size > 5 or extent.implicit_lower or extent.implicit_upper else size


@st.composite
def transforms(draw: Draw) -> TransformArguments:
    """Transforms with maps of all kinds, rarely one that is not allowed."""
    extents = draw(domains())
    count = draw(st.integers(0, 4))
    return TransformArguments(
        extents, [draw(output_map_arguments(extents, None)) for _ in range(count)]
    )


@st.composite
def inner_transforms(draw: Draw, outer: list[Extent]) -> TransformArguments:
    """Transforms whose output fits the domain ``outer`` about every other time."""
    extents = draw(domains())
    maps = [draw(output_map_arguments(extents, extent)) for extent in outer]
    if draw(st.booleans()):  # implicit bounds always fit
        used = {i for m in maps for i, n in enumerate(np.shape(m.get("index_array", ()))) if n != 1}
        extents = [
            e if i in used else attrs.evolve(e, implicit_lower=True, implicit_upper=True)
            for i, e in enumerate(extents)
        ]
    return TransformArguments(extents, maps[: len(maps) - draw(rarely(60))])


@st.composite
def points(draw: Draw, extents: list[Extent]) -> list[int]:
    """Input indices, rarely outside the domain."""
    result = []
    for extent in extents:
        lower, upper = extent.window
        result.append(draw(st.integers(lower - draw(rarely(9)), max(lower, upper - 1))))
    return result
