"""Dimension expressions: applying, printing, comparing, and the selection between operations."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import virtchunk
from virtchunk import DimExpression, DimSelection, IndexDomain, IndexTransform, d, newaxis

BASE = IndexTransform(input_shape=[4, 5, 6], input_labels=["x", "y", "z"])
EXPRESSIONS = [
    d["x"][1],
    d["x", 2, -1][1:2, ..., 3],
    d["x"][1,],
    d["x"][()],
    d["x"][...],
    d["x"][:],
    d["x"][::-1, 1::2],
    d[0, -1][newaxis],
    d[0, -1][newaxis, :],
    d["x"][[1, 2, 3]],
    d["x"][[[True, False], [False, True]]],
    d["x"][True],
    d["x"][np.zeros((0, 2), dtype=int)],
    d["x"][np.zeros((2, 0), dtype=bool)],
    d["x"][[]],
    d["x"][np.arange(2000)],
    d["x"].oindex[1, [2, 3]],
    d["x"].vindex[1, [2, 3]],
    d[0, "y"][[1, 2] : [3, 4]],
    d["x"].label["a", ""].label[()],
    d["x"].label["it's", '"', "é", "\n"],
    d["x"].translate_to[3].translate_by[1, None].translate_backward_by[None],
    d["x"].translate_to[3,].stride[2, -1].stride[()],
    d["x"].transpose[0].transpose[::-1].transpose[2, 1:2],
    d["x"].diagonal.mark_bounds_implicit[True].mark_bounds_implicit[None],
    d["x"].mark_bounds_implicit[True:False].mark_bounds_implicit[:True],
    d["x"].mark_bounds_implicit[False:],
    d[()].diagonal,
    d[:-1:2, "it's"][5],
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda e: repr(e)[:60])
def test_the_repr_evaluates_to_an_equal_expression(expression: DimExpression) -> None:
    names = {"d": d, "array": np.array, "int64": np.int64, "bool": bool}

    assert expression == eval(repr(expression), names)


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda e: repr(e)[:60])
def test_an_expression_is_a_value(expression: DimExpression) -> None:
    twin = pickle.loads(pickle.dumps(expression))

    assert expression == twin == copy.deepcopy(expression)
    assert hash(expression) == hash(twin)
    assert sum(expression == other for other in EXPRESSIONS) == 1


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (d["x", 0:2], "d['x',0:2]"),
        (d["x"][1:2, ..., None, [1, 2]], "d['x'][1:2,...,None,array([1, 2])]"),
        (d["x"][5], "d['x'][5]"),
        (d["x"][5,], "d['x'][5,]"),
        (d["x"].oindex[[True, False]], "d['x'].oindex[array([ True, False]),]"),
        (d[0].label["a", "b"].diagonal, "d[0].label['a','b'].diagonal"),
        (d[0].mark_bounds_implicit[:True], "d[0].mark_bounds_implicit[:True]"),
        (d[0].translate_to[3], "d[0].translate_to[3]"),
        (d[0].label, "d[0].label"),
        (d[0][5].oindex, "d[0][5].oindex"),
        (d, "d"),
    ],
    ids=str,
)
def test_the_repr_is_how_it_is_written(expression: object, text: str) -> None:
    assert text == repr(expression)


def test_a_selection_is_not_an_expression_with_the_same_text() -> None:
    assert isinstance(d["x"], DimSelection)
    assert not isinstance(d["x"][1], DimSelection)
    assert d["x"] == d[["x"]]
    assert d["x"] != d["x"][...]
    text: object = "d['x']"
    assert d["x"] != text
    assert d["x"][1] != d["x"][1,]


@pytest.mark.parametrize("thing", [d, d[0], d[0][1], d[0].label, d[0].oindex], ids=repr)
def test_nothing_here_can_be_iterated(thing: Any) -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(thing)


def test_d_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(d)) is virtchunk.d


@pytest.mark.parametrize(
    ("expression", "domain"),
    [
        (d["y"][3], '{ "x": [0, 4), "z": [0, 6) }'),
        (d["z", "x"][3:5, 1], '{ "y": [0, 5), "z": [3, 5) }'),
        (d["z", "x"][1:3], '{ "x": [1, 3), "y": [0, 5), "z": [1, 3) }'),
        (d[:][..., 2], '{ "x": [0, 4), "y": [0, 5) }'),
        (d["x", "y"][[1, 2] : [3, 4]], '{ "x": [1, 3), "y": [2, 4), "z": [0, 6) }'),
        (d["x", "y"][[1, 2] : 4], '{ "x": [1, 4), "y": [2, 4), "z": [0, 6) }'),
        (d["y"][[3, 1]], '{ "x": [0, 4), [0, 2), "z": [0, 6) }'),
        (d["z", "x"][[3, 1], [0, 0]], '{ "y": [0, 5), [0, 2) }'),
        (d["z", "x"].vindex[[3, 1], [0, 0]], '{ [0, 2), "y": [0, 5) }'),
        (d["z", "x"].oindex[[3, 1, 2], [0, 0]], '{ [0, 2), "y": [0, 5), [0, 3) }'),
        (d["x", "y", "z"][[3, 1], :, [0, 0]], '{ [0, 2), "y": [0, 5) }'),
        (d["z"][[[3, 1]]], '{ "x": [0, 4), "y": [0, 5), [0, 1), [0, 2) }'),
        (d["y"][False, :], '{ [0, 0), "x": [0, 4), "y": [0, 5), "z": [0, 6) }'),
        (d["y", "x"][np.ones((2, 2), dtype=bool)], '{ [0, 4), "z": [0, 6) }'),
        (d["y"].stride[2], '{ "x": [0, 4), "y": [0, 3), "z": [0, 6) }'),
        (d["y"].stride[None], repr(BASE.domain)),
        (d["z", "x"].diagonal, '{ [0, 4), "y": [0, 5) }'),
        (d["y"].translate_to[7], '{ "x": [0, 4), "y": [7, 12), "z": [0, 6) }'),
        (d[:].mark_bounds_implicit[:True], '{ "x": [0, 4*), "y": [0, 5*), "z": [0, 6*) }'),
        (d[()][...], repr(BASE.domain)),
    ],
    ids=str,
)
def test_an_operation_applies_to_the_selected_dimensions(
    expression: DimExpression, domain: str
) -> None:
    assert domain == repr(BASE[expression].domain)
    assert domain == repr(BASE.domain[expression])


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        (d["z", "x"][1:3].label["a", "b"], ("b", "y", "a")),
        (d["z", "x"][:, 2].label["a"], ("y", "a")),
        (d["z", "x"][[1, 2], :].label["a", "b"], ("b", "y", "a")),
        (d["z", "x"].vindex[:, [1, 2]].label["a", "b"], ("a", "y", "b")),
        (d["z", "x"][:, [[1, 2]]].label["a", "b", "c"], ("b", "c", "y", "a")),
        (d["z", "y", "x"][[1], :, [2]].label["a", "b"], ("a", "b")),
        (d["y"][True, :].label["a", "b"], ("a", "x", "b", "z")),
        (d["x", "y"][1, 2].label[()], ("z",)),
        (d["x", "z"].diagonal.label["a"], ("a", "y")),
        (d["z", "x"].transpose[0, 1].label["a", "b"], ("a", "b", "y")),
        (d["z", "x"].transpose[-1].label["a", "b"], ("y", "a", "b")),
        (d["x", "z"].translate_by[1][1, ...].label["a"], ("y", "a")),
        (d["x", "z"].translate_by[1][..., 1].label["a"], ("a", "y")),
        (d["x", "z"].translate_by[1][...].label["a", "b"], ("a", "y", "b")),
    ],
    ids=str,
)
def test_the_dimensions_that_remain_are_selected_for_the_next_operation(
    expression: DimExpression, labels: tuple[str, ...]
) -> None:
    assert labels == BASE[expression].input_labels


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        (d[0][newaxis].label["n"], ("n", "x", "y", "z")),
        (d[-1][newaxis].label["n"], ("x", "y", "z", "n")),
        (d[-1, 1][newaxis].label["n", "m"], ("x", "m", "y", "z", "n")),
        (d[0, -1][newaxis, newaxis].label["n", "m"], ("n", "x", "y", "z", "m")),
        (d[2, 0][newaxis, :].label["n", "a"], ("a", "y", "n", "z")),
        (d["z", 0][:, newaxis].label["a", "n"], ("n", "x", "y", "a")),
        (d["x", 3][:, newaxis].label["a", "n"], ("a", "y", "z", "n")),
        (d[0:2][newaxis].label["n", "m"], ("n", "m", "x", "y", "z")),
        (d[-2:][newaxis].label["n", "m"], ("x", "y", "z", "n", "m")),
        (d[:][newaxis, ...].label["n", "a", "b", "c"], ("n", "a", "b", "c")),
        (d[()][newaxis], ("x", "y", "z")),
    ],
    ids=str,
)
def test_new_dimensions_are_placed_by_the_selection(
    expression: DimExpression, labels: tuple[str, ...]
) -> None:
    assert labels == BASE[expression].input_labels


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (d["x"], r"d\['x'\] only selects dimensions; add an operation"),
        (d["q"][1], 'no dimension has the label "q"'),
        (d["x", 0][1], 'dimension 0 \\("x"\\) is selected more than once'),
        (d["x", "y"][1,], "an index for 1 dimensions .* a selection of 2"),
        (d["x"][1, 2], "an index for 2 dimensions .* a selection of 1"),
        (d["x", "y"][[1, 2]], "an index for 1 dimensions .* a selection of 2"),
        (d["x"][9], r'index 9 .* \[0, 4\) of dimension 0 \("x"\)'),
        (d["x"].label["y"], 'dimensions 0 and 1 would both have the label "y"'),
        (d["x"].label["a", "b"], "got 2 labels for 1"),
        (d["x"].translate_to[1, 2], "got 2 numbers for 1"),
        (d["x"].translate_to[()], "got 0 numbers for 1"),
        (d["x"].stride[0], 'stride 0 of dimension 0 \\("x"\\) is not possible'),
        (d["x"].transpose[3], r"begin 1 selected dimensions at 3: of 3 .* in \[-3, 2\]"),
        (d["x", "y"].transpose[0, 1, 2], "got 3 targets for 2"),
        (d["x", "y"].transpose[1, 1], r"targets \[1, 1\] of transpose must be different"),
        (d["x", "y"].transpose["x", "y"], "'x' of transpose must be given by index"),
        (d["x"].label["a"][newaxis], "only in the first operation"),
        (d["x"][newaxis], "'x' cannot say where a new dimension is"),
        (d[1:][newaxis], "1: does not say how many new dimensions"),
        (d[0, 0][newaxis], "dimension 0 is selected more than once"),
        (d[0, 9][newaxis], "dimension 9 does not exist"),
        (d["x"].oindex[True, :], "no place for it; use vindex"),
        (d["x"][[1, 2]].mark_bounds_implicit[True], "the index array of output dimension 0"),
    ],
    ids=str,
)
def test_an_expression_that_does_not_fit_is_an_index_error(
    expression: DimExpression, message: str
) -> None:
    with pytest.raises(IndexError, match=message):
        BASE[expression]


def test_too_many_new_dimensions_are_refused() -> None:
    with pytest.raises(IndexError, match="33 dimensions; at most 32"):
        BASE[d[0:30][newaxis]]


UNTYPED: Any = d[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UNTYPED.label[5], "got 5"),
        (lambda: UNTYPED.label["a", None], "got None"),
        (lambda: UNTYPED.label[{"a": 1}], "sequence of strings"),
        (lambda: UNTYPED.translate_to["a"], "got 'a'"),
        (lambda: UNTYPED.translate_by[1.5], "got 1.5"),
        (lambda: UNTYPED.translate_by[[[1]]], r"got \[1\]"),
        (lambda: UNTYPED.stride[2**63], "64 bits"),
        (lambda: UNTYPED.stride[{1: 2}], "got {1: 2}"),
        (lambda: UNTYPED.transpose[None], "got None"),
        (lambda: UNTYPED.mark_bounds_implicit["a"], "got 'a'"),
        (lambda: UNTYPED.mark_bounds_implicit[::1], "without a step"),
        (lambda: UNTYPED["a":], "got 'a'"),
    ],
)
def test_wrong_types_are_refused_when_the_expression_is_made(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_wrong_terms_are_refused_when_the_expression_is_made() -> None:
    with pytest.raises(IndexError, match="only once"):
        d[0][..., ...]
    with pytest.raises(IndexError, match="can be indices, got 'x'"):
        d[0]["x"]
    with pytest.raises(IndexError, match="cannot be broadcast"):
        d[0, 1][[1, 2], [3, 4, 5]]
    assert d[0, 1].oindex[[1, 2], [3, 4, 5]] == d[0, 1].oindex[(1, 2), (3, 4, 5)]


def test_bytes_are_labels() -> None:
    label: Any = b"a"
    assert BASE[d[b"x"].label[label]].domain == BASE.label["a", "y", "z"].domain


def test_a_domain_takes_index_arrays_though_it_has_nothing_to_look_up() -> None:
    domain = IndexDomain(shape=[4, 5])

    assert repr(domain[d[1][[9, 9, 9]]]) == "{ [0, 4), [0, 3) }"
