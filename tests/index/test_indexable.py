"""Indexing as methods: what a class with a transform gets, and what it has to provide."""

from __future__ import annotations

from typing import Any, Self

import pytest

from virtchunk import Dim, Indexable, IndexDomain, IndexTransform, OutputIndexMap, d
from virtchunk._index.indexable import Assignable

BASE = IndexTransform(
    input_inclusive_min=[1, 2, 3], input_shape=[4, 5, 6], input_labels=["x", "", "z"]
)


class View(Assignable):
    """The least that can be indexed and assigned to."""

    def __init__(self, transform: IndexTransform, log: list[Any]) -> None:
        self.transform = transform
        self.log = log

    def _get_transform(self) -> IndexTransform:
        return self.transform

    def _with_transform(self, transform: IndexTransform) -> Self:
        return type(self)(transform, self.log)

    def _assign(self, source: Any) -> None:
        self.log.append((self.transform, source))


@pytest.fixture
def view() -> View:
    return View(BASE, [])


def test_every_kind_of_index_gives_a_view_of_the_same_class(view: View) -> None:
    inner = IndexTransform(IndexDomain(0), [OutputIndexMap(4)] * 3)
    for key in (2, slice(3), (2, ..., 4), [2, 3], True, None, d["x"][2], inner, BASE.domain):
        assert type(view[key]) is View
        assert BASE[key] == view[key].transform
        assert view.log is view[key].log


@pytest.mark.parametrize(
    "apply",
    [
        lambda x: x.oindex[1:3, [2, 3]],
        lambda x: x.vindex[1:3, [2, 3]],
        lambda x: x.translate_to[0],
        lambda x: x.translate_by[1, None, 2],
        lambda x: x.translate_backward_by[[1, 2, 3]],
        lambda x: x.label["a", "", "c"],
        lambda x: x.mark_bounds_implicit[True],
        lambda x: x.transpose(["z", 0, 1]),
        lambda x: x.T,
    ],
)
def test_methods_do_what_they_do_for_a_transform(apply: Any, view: View) -> None:
    assert apply(BASE) == apply(view).transform
    assert apply(BASE) != BASE


@pytest.mark.parametrize(
    ("direct", "expression"),
    [
        (BASE.translate_to[7], d[:].translate_to[7]),
        (BASE.translate_by[7, 8, None], d[:].translate_by[7, 8, None]),
        (BASE.translate_backward_by[7], d[:].translate_backward_by[7]),
        (BASE.label["a", "b", ""], d[:].label["a", "b", ""]),
        (BASE.mark_bounds_implicit[:True], d[:].mark_bounds_implicit[:True]),
        (BASE.transpose(), d[::-1].transpose[:]),
        (BASE.T, d[::-1].transpose[:]),
        (BASE.transpose(["z", 0, 1]), d["z", 0, 1].transpose[:]),
        (BASE.transpose(d[2, ["x", 1]]), d["z", 0, 1].transpose[:]),
        (BASE.transpose(slice(None)), d[:][...]),
    ],
    ids=str,
)
def test_a_method_is_an_expression_on_all_dimensions(
    direct: IndexTransform, expression: Any
) -> None:
    assert BASE[expression] == direct


def test_assignments_go_to_the_view_that_is_indexed(view: View) -> None:
    view[2] = "a"
    view.oindex[1:3, [2, 3]] = "b"
    view.vindex[1:3, [2, 3]] = "c"

    assert [
        (BASE[2], "a"),
        (BASE.oindex[1:3, [2, 3]], "b"),
        (BASE.vindex[1:3, [2, 3]], "c"),
    ] == view.log


def test_what_cannot_be_assigned_to_says_so() -> None:
    transform: Any = BASE
    with pytest.raises(TypeError, match="does not support item assignment"):
        transform[2] = 3
    with pytest.raises(TypeError, match="does not support item assignment"):
        transform.oindex[2] = 3


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda: BASE.translate_to[1, 2], "translate_to: got 2 numbers for 3"),
        (lambda: IndexTransform(1).translate_to[0], "translate_by can shift it"),
        (lambda: BASE.translate_by[2**62], "leaves the range of indices"),
        (lambda: BASE.label["a"], "label: got 1 labels for 3"),
        (lambda: BASE.label["a", "a", "b"], 'would both have the label "a"'),
        (lambda: BASE[[1, 2]].mark_bounds_implicit[True], "cannot be implicit"),
        (lambda: BASE.transpose([0, 1]), "selects 2 dimensions .* each of its 3 dimensions once"),
        (lambda: BASE.transpose([0, 1, 1]), "selected more than once"),
        (lambda: BASE.transpose([0, 1, 3]), "dimension 3 does not exist"),
        (lambda: BASE.transpose("q"), 'no dimension has the label "q"'),
    ],
)
def test_errors_of_methods_are_value_errors(apply: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply()


@pytest.mark.parametrize(
    "apply",
    [
        lambda: BASE.translate_to["a"],  # type: ignore[index]
        lambda: BASE.translate_by[1.5],  # type: ignore[index]
        lambda: BASE.label[1],  # type: ignore[index]
        lambda: BASE.mark_bounds_implicit["a"],  # type: ignore[index]
        lambda: BASE.transpose(1.5),  # type: ignore[arg-type]
        lambda: BASE.transpose(...),  # type: ignore[arg-type]
    ],
)
def test_arguments_of_another_type_are_type_errors(apply: Any) -> None:
    with pytest.raises(TypeError, match="got"):
        apply()


def test_a_property_to_subscript_shows_what_it_is_of() -> None:
    assert repr(IndexTransform(0)) + ".oindex" == repr(IndexTransform(0).oindex)


def test_isinstance_tells_what_can_be_indexed(view: View) -> None:
    assert isinstance(BASE, Indexable)
    assert isinstance(view, Indexable)
    other: object = BASE.domain
    assert not isinstance(other, Indexable)


def domain(*dims: Dim) -> IndexDomain:
    return IndexDomain(dims)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (domain(Dim(2, 3), Dim(3, 4), Dim(4, 9)), '{ "x": [2, 3), [3, 4), "z": [4, 9) }'),
        (
            domain(Dim(2, 3, label="x"), Dim(3, 4), Dim(4, 9, label="z")),
            '{ "x": [2, 3), [3, 4), "z": [4, 9) }',
        ),
        (domain(Dim(4, 6, label="z")), '{ "x": [1, 5), [2, 7), "z": [4, 6) }'),
        (
            domain(Dim(4, 6, label="z"), Dim(2, 3, label="x"), Dim(5, 6)),
            '{ "x": [2, 3), [5, 6), "z": [4, 6) }',
        ),
        (domain(Dim(9, 9), Dim(2, 3), Dim(4, 5)), '{ "x": [9, 9), [2, 3), "z": [4, 5) }'),
        (
            domain(Dim(2, 3, implicit_lower=True), Dim(3, 4), Dim(4, 9, implicit_upper=True)),
            '{ "x": [2, 3), [3, 4), "z": [4, 9) }',
        ),
    ],
    ids=str,
)
def test_a_domain_crops_what_it_is_applied_to(other: IndexDomain, expected: str) -> None:
    assert expected == repr(BASE[other].domain)
    assert BASE.output == BASE[other].output


def test_an_unlabeled_transform_takes_the_labels_of_the_domain() -> None:
    other = domain(Dim(2, 3, label="a"), Dim(3, 4))

    assert other == IndexTransform(2)[other].domain


def test_a_domain_crops_index_arrays_and_may_exceed_implicit_bounds() -> None:
    transform = IndexTransform(domain(Dim(9), Dim(0, 5, implicit_upper=True)))[[1, 3, 5]]
    cropped = transform[domain(Dim(1, 3), Dim(4, 7))]

    assert repr(cropped.domain) == "{ [1, 3), [4, 7) }"
    assert cropped([2, 6]) == (5, 6)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (domain(Dim(2)), "there must be 3 of them, not 1"),
        (domain(Dim(0, 3), Dim(3, 4), Dim(4, 9)), r'\[0, 3\) .* of dimension 0 \("x"\)'),
        (domain(Dim(2, 3, label="q")), 'no dimension has the label "q"'),
        (domain(Dim(4, 5, label="z"), Dim(2, 3)), "as many dimensions, 3, not 2"),
        (domain(Dim(4, 5, label="z"), Dim(2, 3), Dim(2, 3)), "2 unlabeled dimensions for 1"),
    ],
    ids=str,
)
def test_a_domain_that_does_not_fit_is_an_index_error(other: IndexDomain, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        BASE[other]
