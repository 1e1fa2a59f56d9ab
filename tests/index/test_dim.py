"""Dimensions: the forms of the constructor, notation, and what can be changed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from virtchunk import Dim, inf

ANY: Any = Dim
"""The constructor without its type: for arguments that no checker lets pass."""


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (Dim(), "Dim()"),
        (Dim("x"), 'Dim(label="x")'),
        (Dim(label=None), "Dim()"),
        (Dim(None), "Dim()"),
        (Dim(5), "Dim(inclusive_min=0, exclusive_max=5)"),
        (Dim(5, "x"), 'Dim(inclusive_min=0, exclusive_max=5, label="x")'),
        (Dim(5, inclusive_min=2), "Dim(inclusive_min=2, exclusive_max=7)"),
        (Dim(None, "x"), 'Dim(inclusive_min=0, label="x")'),
        (Dim(size=None, inclusive_min=5), "Dim(inclusive_min=5)"),
        (Dim(3, 8), "Dim(inclusive_min=3, exclusive_max=8)"),
        (Dim(None, 8), "Dim(exclusive_max=8)"),
        (Dim(3, None), "Dim(inclusive_min=0, exclusive_max=3)"),
        (Dim(3, None, label="x"), 'Dim(inclusive_min=3, label="x")'),
        (Dim(inclusive_min=3, inclusive_max=8), "Dim(inclusive_min=3, exclusive_max=9)"),
        (Dim(inclusive_max=8), "Dim(exclusive_max=9)"),
        (Dim(5, implicit_upper=True), "Dim(inclusive_min=0, exclusive_max=5, implicit_upper=True)"),
        (Dim(implicit_lower=False), "Dim(implicit_lower=False)"),
        (
            Dim(inclusive_min=-inf, exclusive_max=inf + 1),
            "Dim(implicit_lower=False, implicit_upper=False)",
        ),
        (Dim(True), "Dim(inclusive_min=0, exclusive_max=1)"),
        (ANY(np.int8(5)), "Dim(inclusive_min=0, exclusive_max=5)"),
        (ANY(label=b"x"), 'Dim(label="x")'),
    ],
)
def test_each_form_is_shown_as_an_expression_that_makes_it(dim: Dim, text: str) -> None:
    assert text == repr(dim)
    assert dim == eval(text, {"Dim": Dim})


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1, 2, 3), {}),
        (("x", 5), {}),
        (("x",), {"label": "y"}),
        (("x",), {"inclusive_min": 3}),
        ((), {"size": 5, "exclusive_max": 9}),
        ((), {"inclusive_max": 5, "exclusive_max": 9}),
        ((2,), {"inclusive_max": 5}),
        ((), {"stop": 1}),
    ],
)
def test_arguments_of_different_forms_do_not_mix(args: Any, kwargs: Any) -> None:
    with pytest.raises(TypeError, match=r"is not one of the forms Dim\(label\), Dim\(size"):
        Dim(*args, **kwargs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ANY(5.0), "size must be an integer, got 5.0"),
        (lambda: ANY(label=5), "label must be a string, got 5"),
        (lambda: ANY(2**63), "size must fit in 64 bits"),
        (lambda: ANY(implicit_lower="yes"), "implicit_lower must be a bool, got 'yes'"),
    ],
)
def test_arguments_of_the_wrong_type_are_named(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dim(-1), "size must be >= 0, got -1"),
        (lambda: Dim(5, 4), r"invalid interval \[5, 4\): the upper bound must not be below"),
        (lambda: Dim(inclusive_min=inf), "indices lie in"),
        (lambda: Dim(exclusive_max=inf + 2), r"\[-\d+, \d+\): indices lie in"),
    ],
)
def test_what_is_no_interval_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (Dim(5), "[0, 5)"),
        (Dim("x"), '"x": (-inf*, +inf*)'),
        (Dim(0, 5, implicit_lower=True, implicit_upper=True), "[0*, 5*)"),
        (Dim(label="a\"b'\n\\\x01é"), r""""a\"b\'\n\\\x01é": (-inf*, +inf*)"""),
    ],
)
def test_str_is_the_notation_of_domains(dim: Dim, text: str) -> None:
    assert text == str(dim)


def test_bounds_of_an_unbounded_dimension_are_infinite() -> None:
    dim = Dim()

    assert (dim.inclusive_min, dim.inclusive_max) == (-inf, inf)
    assert (dim.exclusive_min, dim.exclusive_max) == (-inf - 1, inf + 1)
    assert dim.size == len(dim) == 2**63 - 1
    assert not dim.finite


def test_an_empty_dimension_is_finite() -> None:
    dim = Dim(3, 3)

    assert dim.empty
    assert dim.finite
    assert list(dim) == []


def test_iteration_yields_the_indices() -> None:
    assert list(Dim(-1, 3)) == [-1, 0, 1, 2]


def test_an_infinite_dimension_has_no_end_to_iterate_to() -> None:
    with pytest.raises(ValueError, match=r"cannot iterate over \[3, \+inf\*\)"):
        iter(Dim(inclusive_min=3))


@pytest.mark.parametrize(
    ("item", "dim", "expected"),
    [
        (5, Dim(1, 10), True),
        (10, Dim(1, 10), False),
        (inf, Dim(), False),
        (inf - 1, Dim(), True),
        (Dim(1, 5), Dim(10), True),
        (Dim(1, 5), Dim(4), False),
        (Dim(99, 99), Dim(4), True),
        (Dim(2, label="x"), Dim(4, label="y"), True),
    ],
)
def test_containment(item: Any, dim: Dim, expected: bool) -> None:
    assert expected == (item in dim)


@pytest.mark.parametrize("item", [1.0, "x", None, 2**64])
def test_only_indices_and_dimensions_are_looked_for(item: Any) -> None:
    with pytest.raises(TypeError, match="an index must"):
        item in Dim(5)  # noqa: B015


def test_labels_are_merged_and_must_not_differ() -> None:
    assert Dim(5, "x").hull(Dim(3, 8)).label == "x"
    assert Dim(5).intersect(Dim(3, 8, label="x")).label == "x"
    with pytest.raises(ValueError, match='labels do not match: "x" and "y"'):
        Dim(5, "x").hull(Dim(5, "y"))


def test_dimensions_combine_only_with_dimensions() -> None:
    with pytest.raises(TypeError, match="expected a Dim, got 5"):
        Dim(5).hull(5)  # type: ignore[arg-type]


def test_label_and_flags_can_be_assigned() -> None:
    dim = Dim(5)
    dim.label = "x"
    dim.implicit_lower = True
    dim.implicit_upper = True

    assert dim == Dim(5, "x", implicit_lower=True, implicit_upper=True)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("label", None, TypeError),
        ("implicit_lower", "no", TypeError),
        ("size", 3, AttributeError),
        ("inclusive_min", 3, AttributeError),
        ("other", 3, AttributeError),
    ],
)
def test_nothing_else_can_be_assigned(name: str, value: Any, error: type[Exception]) -> None:
    dim = Dim(5)

    with pytest.raises(error):
        setattr(dim, name, value)
    assert dim == Dim(5)


def test_equality_looks_at_everything() -> None:
    dim = Dim(1, 5, label="x")

    assert dim == Dim(inclusive_min=1, inclusive_max=4, label="x")
    assert dim != Dim(1, 5)
    assert dim != Dim(1, 5, label="x", implicit_upper=True)
    assert dim != 5


def test_a_dimension_can_change_and_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Dim(5))


def test_copies_are_independent() -> None:
    dim = Dim(3, 8, label="x", implicit_upper=True)
    copies = [copy.copy(dim), copy.deepcopy(dim), pickle.loads(pickle.dumps(dim))]

    assert copies == [dim] * 3
    copies[0].label = "y"
    assert dim.label == "x"
