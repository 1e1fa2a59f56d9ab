"""Domains: construction, derived values, lookup, combination, and being a value."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

import attrs
import numpy as np
import pytest

from virtchunk import Dim, IndexDomain, IndexTransform, OutputIndexMap, d, inf
from virtchunk._index.domain import domain_factory

XY = IndexDomain(inclusive_min=[1, 2], exclusive_max=[4, 7], labels=["x", "y"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"rank": 2}, "{ (-inf*, +inf*), (-inf*, +inf*) }"),
        ({"rank": 0}, "{  }"),
        ({"shape": [2, 3]}, "{ [0, 2), [0, 3) }"),
        ({"shape": (2,), "rank": 1}, "{ [0, 2) }"),
        ({"shape": np.array([2, 3])}, "{ [0, 2), [0, 3) }"),
        ({"shape": iter([2, 3])}, "{ [0, 2), [0, 3) }"),
        ({"shape": [2], "inclusive_min": [5]}, "{ [5, 7) }"),
        ({"inclusive_min": [5]}, "{ [5, +inf*) }"),
        ({"exclusive_max": [5]}, "{ (-inf*, 5) }"),
        ({"inclusive_max": [5]}, "{ (-inf*, 6) }"),
        ({"inclusive_min": [-inf], "exclusive_max": [inf + 1]}, "{ (-inf, +inf) }"),
        ({"labels": ["x", None]}, '{ "x": (-inf*, +inf*), (-inf*, +inf*) }'),
        ({"implicit_lower_bounds": [0, 1]}, "{ (-inf, +inf*), (-inf*, +inf*) }"),
        ({"shape": [2], "implicit_upper_bounds": [True]}, "{ [0, 2*) }"),
        ({"shape": [2], "labels": ["x"]}, '{ "x": [0, 2) }'),
        ({"dimensions": [Dim(5), Dim("y")]}, '{ [0, 5), "y": (-inf*, +inf*) }'),
        ({"dimensions": XY}, '{ "x": [1, 4), "y": [2, 7) }'),
    ],
    ids=str,
)
def test_domains_are_made_from_vectors_or_dimensions(arguments: Any, text: str) -> None:
    assert text == repr(IndexDomain(**arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "number of dimensions is unknown: give `rank`"),
        ({"rank": 33}, r"must be in \[0, 32\], got 33"),
        ({"rank": -1}, r"must be in \[0, 32\], got -1"),
        ({"shape": [1] * 33}, r"must be in \[0, 32\], got 33"),
        ({"rank": 2, "shape": [3]}, "`shape` has 1 entries, but `rank` is for 2"),
        ({"shape": [3], "labels": ["x", "y"]}, "`labels` has 2 entries, but `shape` is for 1"),
        ({"shape": [3], "exclusive_max": [3]}, "`exclusive_max` and `shape` say the same"),
        ({"shape": [3, -1]}, "size of dimension 1 must be >= 0, got -1"),
        ({"inclusive_min": [0, 5], "exclusive_max": [1, 3]}, r"\[5, 3\) of dimension 1"),
        ({"shape": [3, 3], "labels": ["x", "x"]}, 'label "x" stands for dimensions 0 and 1'),
        ({"dimensions": [Dim("x"), Dim("x")]}, 'label "x" stands for dimensions 0 and 1'),
        ({"inclusive_min": [-inf - 1]}, "indices lie in"),
    ],
    ids=str,
)
def test_contradictions_are_named(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IndexDomain(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 2.0}, "expected a rank or an iterable of Dim, got 2.0"),
        ({"rank": [1, 2]}, "expected Dim objects, got 1; for bounds use shape="),
        ({"shape": 5}, "`shape` must be a sequence, got 5"),
        ({"shape": [2.0]}, "`shape` must be an integer, got 2.0"),
        ({"shape": {3: 1}}, "`shape` must be a sequence"),
        ({"labels": "xy"}, "`labels` must be a sequence of strings, got 'xy'"),
        ({"labels": [5]}, "`labels` must be a string, got 5"),
        ({"implicit_lower_bounds": ["x"]}, "`implicit_lower_bounds` must be a bool, got 'x'"),
        ({"dimensions": [Dim(5)], "labels": ["x"]}, "`dimensions` describes the whole domain"),
        ({"json": {"rank": 1}, "rank": 1}, "`json` describes the whole domain"),
    ],
    ids=str,
)
def test_arguments_of_the_wrong_type_are_named(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        IndexDomain(**arguments)


def test_all_that_is_derived() -> None:
    assert (XY.rank, XY.ndim, len(XY)) == (2, 2, 2)
    assert XY.origin == XY.inclusive_min == (1, 2)
    assert XY.inclusive_max == (3, 6)
    assert XY.shape == (3, 5)
    assert XY.size == 15
    assert list(XY) == [Dim(1, 4, label="x"), Dim(2, 7, label="y")]
    assert list(reversed(XY)) == list(XY)[::-1]


@pytest.mark.parametrize("rank", range(5))
def test_the_shape_is_the_difference_of_the_bounds(rank: int) -> None:
    lower, upper = range(1, rank + 1), range(11, 11 + 2 * rank, 2)
    domain = IndexDomain(inclusive_min=lower, exclusive_max=upper)

    assert domain.shape == tuple(b - a for a, b in zip(lower, upper, strict=True))


@pytest.mark.parametrize(
    ("shape", "size"), [([], 1), ([2**61, 2], 2**62), ([2**62, 5], 2**63 - 1), ([2**62, 5, 0], 0)]
)
def test_the_size_is_capped(shape: list[int], size: int) -> None:
    assert size == IndexDomain(shape=shape).size


def test_index_exp_is_made_once() -> None:
    domain = IndexDomain(shape=[2, 3])

    assert domain.index_exp == (slice(0, 2), slice(0, 3))
    assert domain.index_exp is domain.index_exp
    assert IndexDomain(1).index_exp == (slice(None),)


@pytest.mark.parametrize(
    "domain", [IndexDomain(inclusive_min=[-1]), IndexDomain(shape=[2]).translate_to[-2]], ids=str
)
def test_index_exp_refuses_what_numpy_would_count_from_the_end(domain: IndexDomain) -> None:
    with pytest.raises(ValueError, match=r"negative bound in dimension 0.*translate"):
        domain.index_exp  # noqa: B018


def test_one_dimension_is_looked_up_by_index_or_label() -> None:
    y = Dim(2, 7, label="y")

    assert [XY[1], XY[-1], XY["y"], XY[b"y"], XY[np.int64(1)]] == [y] * 5


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (2, r"dimension 2 does not exist"),
        (-3, r"dimension -3 does not exist"),
        ("z", 'no dimension has the label "z"; the labels of .* are "x", "y"'),
        ("", "cannot be selected by label"),
    ],
)
def test_a_dimension_that_does_not_exist_is_an_index_error(key: Any, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        XY[key]


@pytest.mark.parametrize(
    ("key", "labels"),
    [
        (slice(None), ("x", "y")),
        (slice(None, None, -1), ("y", "x")),
        ((), ()),
        ([1], ("y",)),
        (("y", 0), ("y", "x")),
        ((1, [0]), ("y", "x")),
        (d[0], ("x",)),
    ],
    ids=str,
)
def test_several_dimensions_make_a_domain(key: Any, labels: tuple[str, ...]) -> None:
    selected = XY[key]

    assert isinstance(selected, IndexDomain)
    assert selected.labels == labels
    assert list(selected) == [XY[label] for label in labels]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((1, 1), 'dimension 1 .*"y".* is selected more than once'),
        ((0, "x"), "more than once"),
        (slice(5, None), "does not exist"),
        (d["z"], 'no dimension has the label "z"'),
    ],
    ids=str,
)
def test_a_selection_that_does_not_fit_is_a_value_error(key: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"cannot select dimensions .*{message}"):
        XY[key]


@pytest.mark.parametrize("key", [None, 1.0, ...])
def test_other_keys_are_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="a dimension selection consists of"):
        XY[key]


def test_a_domain_crops() -> None:
    assert XY[IndexDomain(inclusive_min=[3], shape=[2], labels=["y"])].shape == (3, 2)


def test_a_transform_gives_the_domain_that_it_maps_into() -> None:
    output = [OutputIndexMap(1, 2), OutputIndexMap(0, stride=2)]

    assert repr(XY[IndexTransform(2, output=output)]) == "{ [1, 4), [-1, 2) }"


def test_an_expression_is_applied() -> None:
    assert XY[d["x"].translate_to[0].label["z"]].labels == ("z", "y")


def test_operations_on_all_dimensions_give_domains() -> None:
    assert XY.translate_to[0].origin == (0, 0)
    assert XY.translate_by[1, None].origin == (2, 2)
    assert XY.translate_backward_by[1].origin == (0, 1)
    assert XY.label["", "z"].labels == ("", "z")
    assert XY.mark_bounds_implicit[True].implicit_lower_bounds == (True, True)
    assert XY.transpose(["y", 0]).labels == XY.T.labels == ("y", "x")
    assert repr(XY.label) == f"{XY!r}.label"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (IndexDomain(3), "cannot hull .* their ranks differ, 2 and 3"),
        (IndexDomain(labels=["a", ""]), 'in dimension 0, .*"x" and "a"'),
        (IndexDomain(labels=["", "x"]), '"y" and "x"'),
    ],
    ids=str,
)
def test_domains_that_do_not_match_are_not_combined(other: IndexDomain, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        XY.hull(other)


def test_a_combined_domain_has_no_label_twice() -> None:
    a, b = IndexDomain(labels=["x", ""]), IndexDomain(labels=["", "x"])

    with pytest.raises(ValueError, match='label "x" stands for dimensions 0 and 1'):
        a.intersect(b)


def test_hull_and_intersection_keep_labels() -> None:
    other = IndexDomain(shape=[2, 9])

    assert repr(XY.hull(other)) == '{ "x": [0, 4), "y": [0, 9) }'
    assert repr(XY.intersect(other)) == '{ "x": [1, 2), "y": [2, 7) }'


def test_only_dimensions_are_looked_for() -> None:
    assert Dim(1, 4, label="x") in XY
    assert Dim(1, 4) not in XY
    with pytest.raises(TypeError, match="a domain is a sequence of Dim"):
        3 in XY  # type: ignore[operator]  # noqa: B015


def test_a_domain_is_a_value() -> None:
    same = IndexDomain([Dim(1, 4, label="x"), Dim(2, 7, label="y")])
    copies = [copy.copy(XY), copy.deepcopy(XY), pickle.loads(pickle.dumps(XY))]

    assert copies == [XY] * 3
    assert {XY, same} == {XY}
    assert IndexDomain(shape=[3, 5]) != XY
    assert object() != XY
    assert weakref.ref(XY)() is XY


def test_a_cached_index_exp_does_not_make_a_difference() -> None:
    a, b = IndexDomain(shape=[2]), IndexDomain(shape=[2])
    assert a.index_exp

    assert a == b
    assert hash(a) == hash(b)
    assert pickle.dumps(a) == pickle.dumps(b)


@pytest.mark.parametrize("name", ["inclusive_min", "labels", "_index_exp", "other"])
def test_a_domain_does_not_change(name: str) -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(XY, name, ())


def test_a_factory_makes_explicit_domains_with_the_labels_of_its_template() -> None:
    template = XY.mark_bounds_implicit[True]
    index_exp = (slice(1, 2), slice(3, 4))
    domain = domain_factory(template)((1, 3), (2, 4), index_exp)

    assert type(domain) is IndexDomain
    assert repr(domain) == '{ "x": [1, 2), "y": [3, 4) }'
    assert domain.index_exp is index_exp
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        domain.labels = ()  # type: ignore[misc]
