"""Data types; answers recorded from tensorstore 0.1.86 unless a comment says that they are ours."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import virtchunk._schema.named_dtypes as named
from virtchunk._schema.dtype import dtype, dtype_from_numpy

NUMPY_NAMES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
ML_NAMES = [
    "int2",
    "int4",
    "bfloat16",
    "float4_e2m1fn",
    "float8_e3m4",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e4m3b11fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]
OTHER_NAMES = ["char", "byte", "string", "ustring", "json"]
ALL_NAMES = [*NUMPY_NAMES, *ML_NAMES, *OTHER_NAMES]


@pytest.mark.parametrize("name", ALL_NAMES)
def test_every_data_type_has_a_constant_of_its_name(name: str) -> None:
    constant = getattr(named, name)

    assert constant is dtype(name)
    assert (constant.name, constant.to_json(), repr(constant)) == (name, name, f'dtype("{name}")')
    assert eval(repr(constant)) is constant


@pytest.mark.parametrize("name", NUMPY_NAMES)
def test_numpy_types_are_represented_by_themselves(name: str) -> None:
    assert dtype(name).numpy_dtype == np.dtype(name)
    assert dtype(name).type is np.dtype(name).type


@pytest.mark.parametrize("name", ML_NAMES)
def test_small_numbers_are_represented_by_ml_dtypes(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")

    assert dtype(name).type is getattr(ml_dtypes, name)
    assert dtype(dtype(name).numpy_dtype) is dtype(name)


@pytest.mark.parametrize(
    ("name", "numpy_dtype", "element_type"),
    [
        ("string", "O", bytes),
        ("ustring", "O", str),
        ("json", "O", np.object_),
        ("char", "S1", np.bytes_),  # ours; there of no size at all
        ("byte", "V1", np.void),  # likewise
        ("datetime64[ns]", "M8[ns]", np.datetime64),  # ours
        ("timedelta64[25s]", "m8[25s]", np.timedelta64),  # ours
    ],
)
def test_other_types_are_represented_by(name: str, numpy_dtype: str, element_type: type) -> None:
    assert dtype(name).numpy_dtype == np.dtype(numpy_dtype)
    assert dtype(name).type is element_type


@pytest.mark.parametrize(
    ("like", "name"),
    [
        (int, "int64"),
        (float, "float64"),
        (bool, "bool"),
        (complex, "complex128"),
        (str, "ustring"),
        (bytes, "string"),
        (np.int32, "int32"),
        (np.longlong, "int64"),
        (np.bytes_, "char"),
        (np.void, "byte"),
        (np.dtype(">i4"), "int32"),
        (np.dtype("<f8"), "float64"),
        (np.dtype("S3"), "char"),
        (np.dtype("V8"), "byte"),
        (np.dtype([("a", "i4")]), "byte"),
        (dtype("json"), "json"),
        (np.dtype(">M8[us]"), "datetime64[us]"),  # ours, as is what follows
        (np.dtype("m8[D]"), "timedelta64[D]"),
        ("datetime64[1ns]", "datetime64[ns]"),
    ],
)
def test_constructor_accepts(like: Any, name: str) -> None:
    data_type = dtype(like)

    assert data_type.name == name
    assert data_type == like
    assert data_type.numpy_dtype.isnative


@pytest.mark.parametrize(
    ("like", "error"),
    [
        ("i4", ValueError),
        ("<i4", ValueError),
        ("int", ValueError),
        ("", ValueError),
        ("uint4", ValueError),
        ("datetime64", ValueError),
        ("datetime64[parsec]", ValueError),
        (object, ValueError),
        (list, ValueError),
        (np.dtype("O"), ValueError),
        (np.dtype("U3"), ValueError),
        (np.dtype("M8"), ValueError),
        (np.longdouble, ValueError),
        (None, TypeError),
        (5, TypeError),
        (b"int32", TypeError),
        (["int32"], TypeError),
    ],
)
def test_constructor_refuses(like: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        dtype(like)


def test_refusal_says_what_to_do_instead() -> None:
    with pytest.raises(ValueError, match=r'"json", "string" .* or "ustring"'):
        dtype(object)
    with pytest.raises(ValueError, match=r'"datetime64\[ns\]"'):
        dtype(np.dtype("M8"))
    with pytest.raises(ValueError, match="no data type named 'i4'; names are bfloat16, bool,"):
        dtype("i4")
    with pytest.raises(TypeError, match=r"must be a data type name, .*, got 5"):
        dtype(5)  # type: ignore[arg-type]


def test_comparison_is_with_what_the_other_side_stands_for() -> None:
    assert dtype("int64") == int  # noqa: E721
    assert dtype("int64") == "int64"
    assert dtype("int64") == np.dtype(">i8")
    assert np.dtype("i8") == dtype("int64")
    assert np.dtype(">i8") != dtype("int64")  # NumPy compares, which knows of byte orders
    assert dtype("int64") != np.int32


def test_comparison_with_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="flaot32"):
        _ = dtype("float32") == "flaot32"


def test_what_is_no_data_type_is_not_equal() -> None:
    """There a TypeError, which makes ``x.dtype == y.dtype`` fail where ``y.dtype`` is None."""
    assert dtype("int32") != None  # noqa: E711
    assert dtype("int32") not in [5, []]


def test_equal_data_types_have_equal_hashes() -> None:
    assert hash(dtype("datetime64[s]")) == hash(dtype(np.dtype("M8[s]")))
    assert {dtype("int32"): "found"}[dtype(np.int32)] == "found"


@pytest.mark.parametrize("name", [*ALL_NAMES, "datetime64[ns]"])
def test_copies_are_equal(name: str) -> None:
    original = dtype(name)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(original, protocol)) == original
    assert copy.copy(original) == original
    assert copy.deepcopy(original) == original


def test_attributes_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        dtype("int32")._name = "int64"
    with pytest.raises(AttributeError, match="immutable"):
        del dtype("int32")._name
    with pytest.raises(AttributeError):
        dtype("int32").name = "int64"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "argument", "element"),
    [
        ("bool", "a", np.True_),
        ("uint8", 1.5, np.uint8(1)),
        ("uint8", "5", np.uint8(5)),
        ("uint8", np.int8(-1), np.uint8(255)),
        ("float32", None, np.float32("nan")),
        ("complex64", 1, np.complex64(1)),
        ("string", [1, 2], b"\1\2"),
        ("ustring", None, "None"),
        ("json", {"b": (1,), 2: np.float32(2.5)}, {"2": 2.5, "b": [1]}),
        ("datetime64[D]", "2020-02", np.datetime64("2020-02-01")),  # ours, as is what follows
        ("timedelta64[s]", np.timedelta64(2, "m"), np.timedelta64(120, "s")),
    ],
)
def test_calling_makes_an_element(name: str, argument: Any, element: Any) -> None:
    result = dtype(name)(argument)

    assert type(result) is type(element)
    assert repr(result) == repr(element)


@pytest.mark.parametrize(
    ("name", "argument", "error"),
    [
        ("uint8", 300, OverflowError),
        ("uint8", -1, OverflowError),
        ("uint8", "a", ValueError),
        ("uint8", None, TypeError),
        ("float32", 1j, TypeError),
        ("string", "a", TypeError),
        ("json", {1}, TypeError),
        ("json", 2**64, OverflowError),
    ],
)
def test_calling_refuses(name: str, argument: Any, error: type[Exception]) -> None:
    if error is OverflowError and name != "json" and np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("NumPy 1 wraps around")
    with pytest.raises(error):
        dtype(name)(argument)


def test_numpy_data_types_are_found_by_whatever_numpy_accepts() -> None:
    assert dtype_from_numpy("<i4") is dtype("int32")


def run(program: str) -> str:
    """Run a program in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_ml_dtypes_is_imported_only_when_it_is_needed() -> None:
    pytest.importorskip("ml_dtypes")
    program = """
import sys
from virtchunk._schema.named_dtypes import bfloat16
before = "ml_dtypes" in sys.modules
bfloat16.numpy_dtype
print(before, "ml_dtypes" in sys.modules)
"""

    assert run(program) == "False True"


def test_a_missing_ml_dtypes_is_named() -> None:
    program = """
import sys
sys.modules["ml_dtypes"] = None
from virtchunk._schema.dtype import dtype
try:
    dtype("bfloat16").numpy_dtype
except ImportError as error:
    print(error)
"""

    assert run(program) == (
        'data type "bfloat16" needs the package ml_dtypes, which is not installed: '
        "pip install ml_dtypes"
    )


def test_a_too_old_ml_dtypes_is_named() -> None:
    program = """
import sys, types
sys.modules["ml_dtypes"] = types.SimpleNamespace(__version__="0.0.1")
from virtchunk._schema.dtype import dtype
try:
    dtype("int2").numpy_dtype
except ImportError as error:
    print(error)
"""

    assert "newer ml_dtypes than the installed 0.0.1" in run(program)
