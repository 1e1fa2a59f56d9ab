"""NumPy-style indexing: as NumPy does where coordinates agree, and the rules where they do not."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from virtchunk import Dim, IndexDomain, IndexTransform, OutputIndexMap, d, inf, newaxis
from virtchunk._index.index_terms import parse_spec
from virtchunk._index.numpy_indexing import apply_spec, index, oindex, vindex

SHAPE = (4, 5, 6)
BASE = IndexTransform(input_shape=SHAPE)
ARRAY = np.arange(np.prod(SHAPE)).reshape(SHAPE)
MASK = np.array([[True, False, True, False, False]] * 2 + [[False] * 4 + [True]] * 2)


def evaluate(transform: IndexTransform) -> npt.NDArray[Any]:
    """Look up every element of the domain of ``transform`` in `ARRAY`."""
    domain = transform.domain
    ranges = [range(dim.inclusive_min, dim.exclusive_max) for dim in domain]
    values = [ARRAY[transform(indices)] for indices in itertools.product(*ranges)]
    return np.array(values, dtype=ARRAY.dtype).reshape(domain.shape)


def bounded(dim: Dim) -> IndexTransform:
    return IndexTransform(IndexDomain([dim]))


@pytest.mark.parametrize(
    "indices",
    [
        np.s_[1],
        np.s_[1, 2, 3],
        np.s_[1:3],
        np.s_[:, 2:2],
        np.s_[..., 3],
        np.s_[1:3, ..., 2:5],
        np.s_[::2, 1::3, 4],
        np.s_[newaxis, 1, newaxis, ..., newaxis],
        np.s_[[3, 0, 3]],
        np.s_[[[3, 0], [1, 1]]],
        np.s_[:, [4, 0]],
        np.s_[[0, 1], [2, 3], [4, 5]],
        np.s_[[[0], [1]], [2, 3]],
        np.s_[[0, 1], :, [2, 3]],
        np.s_[:, [0, 1], [2, 3]],
        np.s_[[0, 1], newaxis, [2, 3]],
        np.s_[[0, 1], ..., [2, 3]],
        np.s_[[1], [2, 3]],
        np.s_[[True, False, True, True]],
        np.s_[:, [True, False, True, True, False]],
        np.s_[MASK],
        np.s_[MASK, 2:4],
        np.s_[True],
        np.s_[False, 1:3],
        np.s_[np.zeros(0, dtype=int)],
        np.s_[np.array([1, 2], dtype=np.uint8), 1:2],
    ],
    ids=str,
)
def test_non_negative_indices_select_what_numpy_selects(indices: Any) -> None:
    actual = evaluate(BASE[indices])
    expected = ARRAY[indices]

    assert expected.shape == actual.shape
    assert np.array_equal(expected, actual)


@pytest.mark.parametrize(
    "arrays",
    [([1, 3],), ([1, 3], [0, 2, 4]), ([0], [4, 4], [5, 0, 2])],
    ids=str,
)
def test_oindex_combines_each_index_with_each_other(arrays: Any) -> None:
    rest = [range(extent) for extent in SHAPE[len(arrays) :]]

    assert np.array_equal(ARRAY[np.ix_(*arrays, *rest)], evaluate(BASE.oindex[arrays]))


def test_oindex_puts_each_array_in_its_place() -> None:
    actual = BASE.oindex[[[0, 1]], newaxis, 2, [1, 2, 3]]

    assert actual.shape == (1, 2, 1, 3)
    assert np.array_equal(ARRAY[[0, 1], 2][:, [1, 2, 3]], evaluate(actual)[0, :, 0, :])


def test_vindex_puts_the_arrays_first() -> None:
    actual = evaluate(BASE.vindex[1:3, [0, 4], [2, 3]])

    assert np.array_equal(ARRAY[1:3, [0, 4], [2, 3]].T, actual)


def test_a_mask_of_rank_zero_adds_a_dimension_in_each_mode() -> None:
    assert BASE.vindex[True].shape == (1, 4, 5, 6)
    assert BASE.oindex[:, False].shape == (4, 0, 5, 6)
    assert BASE[:, True, :, True].shape == (1, 4, 5, 6)


@pytest.mark.parametrize(
    ("indices", "domain", "offset", "stride"),
    [
        (np.s_[:], "{ [-5, 8) }", 0, 1),
        (np.s_[-2:3], "{ [-2, 3) }", 0, 1),
        (np.s_[3:3], "{ [3, 3) }", 0, 1),
        (np.s_[20:20], "{ [20, 20) }", 0, 1),
        (np.s_[::2], "{ [-2, 5) }", -1, 2),
        (np.s_[::3], "{ [-1, 4) }", -2, 3),
        (np.s_[-4::3], "{ [-1, 3) }", -1, 3),
        (np.s_[1:8:20], "{ [0, 1) }", 1, 20),
        (np.s_[::-1], "{ [-7, 6) }", 0, -1),
        (np.s_[6:-3:-1], "{ [-6, 3) }", 0, -1),
        (np.s_[::-2], "{ [-3, 4) }", 1, -2),
        (np.s_[-3::-2], "{ [1, 3) }", -1, -2),
        (np.s_[:2:-3], "{ [-2, 0) }", 1, -3),
    ],
    ids=str,
)
def test_a_slice_starts_at_start_over_step_rounded_towards_zero(
    indices: slice, domain: str, offset: int, stride: int
) -> None:
    actual = bounded(Dim(-5, 8))[indices]

    assert domain == repr(actual.domain)
    assert [OutputIndexMap(0, offset, stride)] == actual.output


@pytest.mark.parametrize(
    ("indices", "domain"),
    [
        (np.s_[:], "{ [0*, 10*) }"),
        (np.s_[3:], "{ [3, 10*) }"),
        (np.s_[:12], "{ [0*, 12) }"),
        (np.s_[-3:15], "{ [-3, 15) }"),
        (np.s_[::3], "{ [0*, 4*) }"),
        (np.s_[-3::2], "{ [-1, 6*) }"),
        (np.s_[::-1], "{ [-9*, 1*) }"),
        (np.s_[7:2:-1], "{ [-7, -2) }"),
        # The end that is named is the explicit one; TensorStore forgets it and returns [-9*, 1).
        (np.s_[7::-1], "{ [-7, 1*) }"),
        (np.s_[:3:-1], "{ [-9*, -3) }"),
        (np.s_[12::-1], "{ [-12, 1*) }"),
    ],
    ids=str,
)
def test_implicit_bounds_do_not_limit_and_stay_where_nothing_is_named(
    indices: slice, domain: str
) -> None:
    dim = Dim(0, 10, implicit_lower=True, implicit_upper=True)

    assert domain == repr(bounded(dim)[indices].domain)


@pytest.mark.parametrize(
    ("indices", "domain"),
    [
        (np.s_[5:], "{ [5, +inf*) }"),
        (np.s_[:5], "{ (-inf*, 5) }"),
        (np.s_[0::2], "{ [0, +inf*) }"),
        (np.s_[5::-2], "{ [-2, +inf*) }"),
        (np.s_[::-1], "{ (-inf*, +inf*) }"),
        (np.s_[-inf:inf], "{ (-inf, +inf) }"),
    ],
    ids=str,
)
def test_unbounded_dimensions_can_be_sliced(indices: slice, domain: str) -> None:
    assert domain == repr(IndexTransform(1)[indices].domain)


def test_labels_stay_with_slices_and_go_with_arrays() -> None:
    transform = BASE.label["x", "y", "z"]

    assert transform[1:2, [0, 1]].input_labels == ("x", "", "z")
    assert transform[newaxis].input_labels == ("", "x", "y", "z")
    assert transform[1, 2].input_labels == ("z",)


@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        (10, IndexError, r'index 10 .* \[2, 6\) of dimension 0 \("x"\)$'),
        (-1, IndexError, r"index -1 .* the last element is 5"),
        (-3, IndexError, r"element -3 from the end is 3"),
        (1, IndexError, r"the first one is 2: use 3, or translate_to\[0\]"),
        (np.s_[:, 9], IndexError, r"index 9 is outside the domain \[0, 5\) of dimension 1$"),
        (np.s_[0:4], IndexError, r"slice \[0, 4\) .* the part within the domain is \[2, 4\)"),
        (np.s_[0:1], IndexError, r"the domain starts at 2, use translate_to\[0\]"),
        (np.s_[:-1], IndexError, "negative ones do not count from the end"),
        (np.s_[5:3], IndexError, "stops before it starts; bounds that are left out"),
        (np.s_[: 2**62], IndexError, "has a bound that is no index"),
        (np.s_[::0], IndexError, "step 0 .* not possible"),
        (np.s_[1, 2, 3, 4], IndexError, "an index for 4 dimensions .* which has 3"),
        (np.s_[..., ...], IndexError, "only once"),
        (np.s_[[2, 3], [0, 1, 2]], IndexError, r"shapes \(2,\), \(3,\) .* use oindex"),
        (np.s_[(newaxis,) * 30], IndexError, "33 dimensions; at most 32"),
        ("x", IndexError, "can be indices, got 'x'"),
        (1.5, IndexError, "can be indices, got 1.5"),
        (np.array([1.5]), IndexError, "an array of float64"),
        (2**70, IndexError, "needs more than 64 bits"),
        (2**63, TypeError, "needs more than 64 bits"),
        (np.s_[2**63 :], TypeError, "fit in 64 bits"),
        (np.s_[1.5:], TypeError, "must be integers or None, got 1.5"),
        (np.s_["a":], TypeError, "must be integers or None, got 'a'"),
        (np.array([2], dtype=np.uint64), TypeError, "an array of uint64; convert it"),
        (np.s_[0, 1.5:], TypeError, "got 1.5"),
        ([[2], [3, 4]], ValueError, "inhomogeneous"),
    ],
    ids=str,
)
def test_errors_name_the_dimension_and_the_fix(
    indices: Any, error: type[Exception], message: str
) -> None:
    transform = IndexTransform(
        input_inclusive_min=[2, 0, 0], input_exclusive_max=[6, 5, 4], input_labels=["x", "", ""]
    )

    with pytest.raises(error, match=message):
        transform[indices]


def test_an_empty_dimension_says_so() -> None:
    with pytest.raises(IndexError, match="which is empty"):
        bounded(Dim(3, 3))[3]


def test_an_unbounded_slice_with_a_step_needs_a_start() -> None:
    with pytest.raises(IndexError, match="step 2 needs a start"):
        IndexTransform(1)[::2]


def test_index_arrays_are_checked_when_they_are_used() -> None:
    lazy = BASE[[1, 2, 30]]

    assert lazy[:2]([0, 0, 0]) == (1, 0, 0)
    assert Dim(4) == lazy.output[0].index_range
    with pytest.raises(IndexError, match=r"entry 30 .* \[0, 4\)"):
        lazy[2]
    with pytest.raises(IndexError, match="30"):
        BASE[[30]]


def test_the_index_array_is_our_own_and_read_only() -> None:
    indices = np.array([1, 2])
    transform = BASE[indices]
    indices[:] = 3

    array = transform.output[0].index_array
    assert array is not None
    assert array.ravel().tolist() == [1, 2]
    assert not array.flags.writeable


def test_an_array_of_one_entry_becomes_a_constant() -> None:
    assert OutputIndexMap(3) == BASE[[3]].output[0]
    assert OutputIndexMap(2) == BASE[[3, 2]][1].output[0]


@pytest.mark.parametrize("indices", [np.s_[1:1], np.s_[:, 2:2]], ids=str)
def test_an_index_array_over_an_empty_domain_becomes_zero(indices: Any) -> None:
    assert OutputIndexMap(0) == BASE[[3, 2]][indices].output[0]


@pytest.mark.parametrize("indices", [np.s_[-7, 3:3], np.s_[3:3, -7], np.s_[9:9, 9]], ids=str)
def test_an_index_is_not_checked_where_there_is_no_element(indices: Any) -> None:
    assert BASE[indices].size == 0


@pytest.mark.parametrize(
    "indices",
    [
        np.s_[1:3, 2, ::2],
        np.s_[..., ::-1],
        np.s_[3, :, 1:5:3],
        np.s_[...],
        (),
        np.s_[[3, 1]],
        np.s_[np.array([3, 1]), np.array([4, 0])],
        np.s_[np.array([[3, 1], [0, 0]])],
        np.s_[[3, 1], [4, 0], [5, 5]],
        np.s_[[3, 1], [4, 0], [5, 5], [1, 2]],
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "transform",
    [
        BASE,
        BASE.label["x", "y", ""],
        BASE.T[::-1, :, ::2].translate_to[0],
        BASE.mark_bounds_implicit[True],
        IndexTransform(BASE.domain, [OutputIndexMap(2, 7, -3), OutputIndexMap(5)]),
        BASE[[0, 1, 2, 3]],
        BASE[:, 3:3],
    ],
    ids=lambda transform: str(transform.to_json()),
)
def test_the_fast_paths_do_what_the_general_path_does(
    indices: Any, transform: IndexTransform
) -> None:
    def attempt(function: Any, *args: Any) -> Any:
        try:
            return function(transform, *args)
        except IndexError as error:
            return str(error)

    for mode, function in (("default", index), ("vindex", vindex), ("oindex", oindex)):
        general = attempt(apply_spec, parse_spec(indices, mode))  # type: ignore[arg-type]
        assert general == attempt(function, indices)


def test_an_index_array_of_rank_zero_is_an_array_not_an_integer() -> None:
    assert BASE[1] == BASE[np.array(1)]
    # It starts the block of index arrays, and counts as zero where nothing can be looked up.
    assert BASE[np.array(1), :, [1, 2]].shape == (2, 5)
    assert BASE[np.array(3), 0:0].output[0].offset == 0
    # Alone it is for all selected dimensions, as an integer is.
    assert BASE[d[0, 1][np.array(2)]] == BASE[2, 2]


def test_terms_may_be_any_kind_of_integer() -> None:
    assert BASE[1, 2:3] == BASE[np.int64(1), np.int8(2) : np.uint64(3)]
    assert BASE[1:2] == BASE[1:2:1]


def test_a_slice_of_vectors_is_a_sequence_of_slices() -> None:
    start, stop = [1, 2], np.array([3, 4])

    assert BASE[1:3, 2:4] == BASE[slice(start, stop)]
    assert BASE[1:4:2, 2:4] == BASE[slice(start, 4, [2, None])]
    with pytest.raises(IndexError, match="vectors of one length"):
        BASE[slice([1, 2], [3])]


@pytest.mark.parametrize("mode", ["default", "oindex", "vindex"])
def test_a_parsed_expression_is_a_value(mode: Any) -> None:
    indices = np.s_[1, 2:3, ..., newaxis, [1, 2], [True, False]]
    spec = parse_spec(indices, mode)

    assert spec == parse_spec(indices, mode)
    assert hash(spec) == hash(pickle.loads(pickle.dumps(spec)))
    assert spec != parse_spec(np.s_[1, 2:3, ..., newaxis, [1, 3], [True, False]], mode)
    assert spec != parse_spec(np.s_[1, 2:3, ..., newaxis, [1, 2], [1, 0]], mode)


def test_indexing_leaves_the_original_alone() -> None:
    transform = IndexTransform(input_shape=SHAPE)
    transform[1:2, ::2, 3]
    transform[d[:].translate_by[7]]

    assert transform == BASE
