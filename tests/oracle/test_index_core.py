"""Dimensions, domains, transforms and their composition are the same values as the original's.

Checked against tensorstore 0.1.86.  Left out are index arrays over a domain with a dimension of
extent 0 whose bounds are implicit, where the original crashes, and labels that coincide when two
domains are combined, which it lets pass.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import virtchunk
from tests.strategies import Extent, domains
from tests.strategies_transforms import (
    Arguments,
    TransformArguments,
    component_vectors,
    dim_arguments,
    domain_arguments,
    has_hollow_arrays,
    inner_transforms,
    points,
    transforms,
    vectors_of,
)
from virtchunk._index.alignment import align

pytest.importorskip("tensorstore")


def outcome(make: Callable[[], Any]) -> Any:
    """What comes of it, or the class of the error."""
    try:
        return make()
    except Exception as error:
        return type(error)


def both(original: Any, ours: Any, make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The outcome in either implementation."""
    return outcome(lambda: make(original)), outcome(lambda: make(ours))


def describe_dim(dim: Any) -> tuple[Any, ...]:
    bounds = (dim.inclusive_min, dim.exclusive_max, dim.inclusive_max, dim.exclusive_min)
    rest = (dim.size, len(dim), dim.empty, dim.finite, dim.label)
    flags = (dim.implicit_lower, dim.implicit_upper)
    copies = (repr(copy.copy(dim)), repr(copy.deepcopy(dim)), repr(pickle.loads(pickle.dumps(dim))))
    return repr(dim), str(dim), bounds, rest, flags, copies


def describe_domain(domain: Any) -> tuple[Any, ...]:
    bounds = (domain.inclusive_min, domain.exclusive_max, domain.inclusive_max, domain.origin)
    sizes = (domain.rank, domain.ndim, len(domain), domain.shape, domain.size)
    flags = (domain.implicit_lower_bounds, domain.implicit_upper_bounds, domain.labels)
    copies = [domain == again for again in (copy.copy(domain), pickle.loads(pickle.dumps(domain)))]
    index_exp = outcome(lambda: domain.index_exp)
    dims = [repr(dim) for dim in domain]
    return repr(domain), bounds, sizes, flags, domain.to_json(), index_exp, dims, copies


def _describe_made(make: Callable[[], Any]) -> tuple[Any, ...]:
    return describe_domain(make())


def describe_transform(transform: Any) -> tuple[Any, ...]:
    maps = [
        (
            m.method.name,
            m.offset,
            m.stride,
            m.input_dimension,
            None if m.index_array is None else m.index_array.tolist(),
            repr(m.index_range),
        )
        for m in transform.output
    ]
    ranks = (transform.input_rank, transform.output_rank, transform.ndim)
    domain = describe_domain(transform.domain)
    return repr(transform), transform.to_json(), repr(transform.output), maps, ranks, domain


@given(arguments=dim_arguments())
def test_dimensions_are_the_same(
    arguments: tuple[list[Any], Arguments], original: Any, ours: Any
) -> None:
    args, kwargs = arguments
    expected, actual = both(original, ours, lambda ts: describe_dim(ts.Dim(*args, **kwargs)))

    assert expected == actual


@given(a=dim_arguments(), b=dim_arguments(), i=st.integers(-9, 13))
def test_dimensions_combine_and_contain_in_the_same_way(
    a: tuple[list[Any], Arguments], b: tuple[list[Any], Arguments], i: int, original: Any, ours: Any
) -> None:
    def combine(ts: Any) -> list[Any]:
        x, y = ts.Dim(*a[0], **a[1]), ts.Dim(*b[0], **b[1])
        joined = [outcome(lambda: repr(x.hull(y))), outcome(lambda: repr(x.intersect(y)))]
        return [*joined, y in x, i in x, x == y]

    expected, actual = both(original, ours, combine)

    assert expected == actual


@given(vectors=component_vectors())
def test_domains_from_vectors_are_the_same(vectors: Arguments, original: Any, ours: Any) -> None:
    expected, actual = both(original, ours, lambda ts: describe_domain(ts.IndexDomain(**vectors)))

    assert expected == actual


@given(vectors=component_vectors("input_"))
def test_transforms_from_vectors_are_the_same(vectors: Arguments, original: Any, ours: Any) -> None:
    expected, actual = both(
        original, ours, lambda ts: describe_transform(ts.IndexTransform(**vectors))
    )

    assert expected == actual


@given(
    pair=st.integers(0, 3).flatmap(lambda n: st.tuples(domain_arguments(n), domain_arguments(n)))
)
def test_domains_combine_in_the_same_way(
    pair: tuple[Arguments, Arguments], original: Any, ours: Any
) -> None:
    merged = [x or y for x, y in zip(pair[0]["labels"], pair[1]["labels"], strict=True)]
    named = [label for label in merged if label]
    assume(len(set(named)) == len(named))

    def combine(ts: Any) -> list[Any]:
        a, b = ts.IndexDomain(**pair[0]), ts.IndexDomain(**pair[1])
        makers: list[Callable[[], Any]] = [lambda: a.hull(b), lambda: a.intersect(b), lambda: a[b]]
        return [a == b, *[outcome(partial(_describe_made, make)) for make in makers]]

    expected, actual = both(original, ours, combine)

    assert expected == actual


@given(arguments=transforms())
def test_transforms_are_the_same(arguments: TransformArguments, original: Any, ours: Any) -> None:
    assume(not has_hollow_arrays(ours.IndexDomain(**vectors_of(arguments.extents)), arguments))
    expected, actual = both(original, ours, lambda ts: describe_transform(arguments.make(ts)))

    assert expected == actual


@given(arguments=transforms())
def test_each_reads_the_json_of_the_other(
    arguments: TransformArguments, original: Any, ours: Any
) -> None:
    domain = ours.IndexDomain(**vectors_of(arguments.extents))
    assume(not has_hollow_arrays(domain, arguments))
    transform = outcome(lambda: arguments.make(ours))
    assume(not isinstance(transform, type))
    json = arguments.make(original).to_json()
    domain_json = domain.to_json()

    assert json == transform.to_json()
    assert json == original.IndexTransform(json=transform.to_json()).to_json()
    assert json == ours.IndexTransform(json=json).to_json()
    assert describe_domain(domain) == describe_domain(original.IndexDomain(json=domain_json))
    assert domain == ours.IndexDomain(json=domain_json)


@given(data=st.data())
def test_composition_is_the_same(data: st.DataObject, original: Any, ours: Any) -> None:
    outer = data.draw(transforms(), label="outer")
    inner = data.draw(inner_transforms(outer.extents), label="inner")
    domain = ours.IndexDomain(**vectors_of(outer.extents))
    carried = outcome(lambda: domain[inner.make(ours)])
    assume(not has_hollow_arrays(domain, outer, inner))
    assume(isinstance(carried, type) or not has_hollow_arrays(carried, outer, inner))

    def compose(ts: Any) -> list[Any]:
        box = ts.IndexDomain(**vectors_of(outer.extents))
        return [
            outcome(lambda: describe_domain(box[inner.make(ts)])),
            outcome(lambda: describe_transform(outer.make(ts)[inner.make(ts)])),
        ]

    expected, actual = both(original, ours, compose)

    assert expected == actual


@given(data=st.data())
def test_transforms_map_points_to_the_same_points(
    data: st.DataObject, original: Any, ours: Any
) -> None:
    arguments = data.draw(transforms(), label="transform")
    point = data.draw(points(arguments.extents), label="point")
    expected, actual = both(original, ours, lambda ts: arguments.make(ts)(point))

    assert expected == actual


@st.composite
def alignments(draw: Callable[..., Any]) -> tuple[list[Extent], list[Extent]]:
    """A source and a target, whose dimensions often belong together in another order."""
    target = draw(domains(draw(st.integers(0, 3)), infinite=False))
    rest = draw(domains(draw(st.integers(0, 2)), infinite=False))
    source = draw(st.permutations([*target, *rest]))
    return [
        Extent(e.inclusive_min, e.inclusive_min + 1, e.label) if draw(st.booleans()) else e
        for e in source[: draw(st.integers(0, 4))]
    ], target


@given(pair=alignments())
def test_domains_align_as_in_a_write(
    pair: tuple[list[Extent], list[Extent]], original: Any
) -> None:
    source, target = [
        [
            Extent(e.inclusive_min, min(e.exclusive_max, e.inclusive_min + 5), e.label)
            for e in extents
        ]
        for extents in pair
    ]
    for extents in (source, target):
        names = [e.label for e in extents if e.label]
        assume(len(set(names)) == len(names))

    def array(extents: list[Extent], values: Any) -> Any:
        view = original.array(values)
        if not extents:
            return view
        labels = [e.label for e in extents]
        origin = [e.inclusive_min for e in extents]
        return view[original.d[:].label[labels].translate_to[origin]]

    shape = [e.exclusive_max - e.inclusive_min for e in source]
    values = np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)

    def write() -> Any:
        result = np.full([e.exclusive_max - e.inclusive_min for e in target], -1, np.int32)
        array(target, result).write(array(source, values)).result()
        return result.tolist()

    def look_up() -> Any:
        transform = align(
            virtchunk.IndexDomain(**vectors_of(source)), virtchunk.IndexDomain(**vectors_of(target))
        )
        result = np.full(transform.domain.shape, -1, np.int32)
        for position in np.ndindex(*result.shape):
            index = transform([p + e.inclusive_min for p, e in zip(position, target, strict=True)])
            result[position] = values[
                tuple([i - e.inclusive_min for i, e in zip(index, source, strict=True)])
            ]
        return result.tolist()

    assert outcome(write) == outcome(look_up)
