"""Data types: a name, the NumPy representation of one element, and how one element is made.

A `dtype` is a name from a fixed list (plus ``datetime64[unit]`` and ``timedelta64[unit]``).
Elements of the numeric types are NumPy scalars; elements of ``string``, ``ustring`` and ``json``
are the Python objects `bytes`, `str` and JSON values, held in object arrays. The small integer and
float formats that NumPy lacks come from the package ``ml_dtypes``, which is imported at the moment
such a representation is needed.
"""

from __future__ import annotations

import builtins
import importlib
import re
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from virtchunk._schema.json_value import normalize_json

__all__ = ("DTypeLike", "dtype", "dtype_from_numpy")

_NUMPY_NAMES: Final = (
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
)
_ML_DTYPES_NAMES: Final = (
    "int2",
    "int4",
    "bfloat16",
    "float4_e2m1fn",
    "float8_e3m4",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
)
_TIME_NAME: Final = re.compile(r"(?:datetime64|timedelta64)\[[^\]]+\]")


@final
class dtype:
    """The data type of a view: what one element is.

    Two data types are equal when they have the same name. Comparing with anything the constructor
    accepts (a name, a Python type, a NumPy data type) compares with the data type it stands for.

    Args:
        dtype: A name (``"int32"``), a Python type (`int`, `float`, `bool`, `complex`, `str`,
            `bytes`), a NumPy scalar type or data type of any byte order, or another `dtype`.

    Raises:
        ValueError: There is no data type of that name, or for that NumPy data type.
        TypeError: The argument is none of these.

    Example:
        >>> ts.dtype("int32")
        dtype("int32")
        >>> ts.dtype(float)
        dtype("float64")
        >>> ts.dtype(np.dtype("datetime64[ns]")).name
        'datetime64[ns]'
        >>> ts.int64 == np.dtype("int64")
        True
    """

    __slots__ = ("_name", "_numpy_dtype")

    _name: str
    _numpy_dtype: np.dtype[Any] | None  # None until needed, for types that ml_dtypes provides

    def __new__(cls, dtype: DTypeLike) -> dtype:
        """Return the one object of that data type, or a new one for a time type."""
        if isinstance(dtype, cls):
            return dtype
        if isinstance(dtype, str):
            return _from_name(dtype)
        if isinstance(dtype, np.dtype):
            return dtype_from_numpy(dtype)
        if isinstance(dtype, builtins.type):
            return _from_type(dtype)
        raise TypeError(
            "dtype must be a data type name, a Python type, a numpy data type or a dtype, "
            f"got {dtype!r}"
        )

    @classmethod
    def _trusted(cls, name: str, numpy_dtype: np.dtype[Any] | None) -> dtype:
        self = object.__new__(cls)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_numpy_dtype", numpy_dtype)
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"dtype is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"dtype is immutable: cannot delete {name!r}")

    @property
    def name(self) -> str:
        """Name of the data type, which is also its JSON representation.

        Example:
            >>> ts.bool.name
            'bool'
        """
        return self._name

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """NumPy data type of an array of such elements, in native byte order.

        It is ``object`` for ``string``, ``ustring`` and ``json``.

        Raises:
            ImportError: The representation comes from ``ml_dtypes``, which is not installed.

        Example:
            >>> ts.uint16.numpy_dtype
            dtype('uint16')
            >>> ts.json.numpy_dtype
            dtype('O')
        """
        found = self._numpy_dtype
        if found is None:
            found = _numpy_dtype_from_ml_dtypes(self._name)
            object.__setattr__(self, "_numpy_dtype", found)
        return found

    @property
    def type(self) -> builtins.type:
        """Python type of one element.

        Raises:
            ImportError: The type comes from ``ml_dtypes``, which is not installed.

        Example:
            >>> ts.string.type, ts.ustring.type
            (<class 'bytes'>, <class 'str'>)
            >>> ts.int16.type is np.int16
            True
        """
        if self._name == "string":
            return bytes
        if self._name == "ustring":
            return str
        return self.numpy_dtype.type

    def to_json(self) -> str:
        """Return the JSON representation, which is the name.

        Example:
            >>> ts.float32.to_json()
            'float32'
        """
        return self._name

    def __call__(self, arg: Any, /) -> Any:
        """Make one element of this data type.

        The element is what calling `.type` with ``arg`` gives, except that ``json`` returns a
        normalised copy of the JSON value and a time type keeps its unit.

        Raises:
            ValueError: ``arg`` has the right kind but not a value of this type.
            TypeError: ``arg`` cannot be made into such an element.
            OverflowError: The number does not fit.

        Example:
            >>> int(ts.uint8("7"))
            7
            >>> ts.json({"a": (1, 2)})
            {'a': [1, 2]}
        """
        if self._name == "json":
            return normalize_json(arg)
        if self.numpy_dtype.kind in "mM":
            return np.asarray(arg, dtype=self.numpy_dtype)[()]
        return self.type(arg)

    def __eq__(self, other: object) -> bool:
        """Compare with another `dtype` or with anything that stands for one.

        Raises:
            ValueError: ``other`` is a name or NumPy data type that stands for no `dtype`: most
                likely a typing error, which a silent False would hide.
        """
        if self is other:
            return True
        if isinstance(other, dtype):
            return self._name == other._name
        if isinstance(other, (str, np.dtype, type)):
            return self._name == dtype(other)._name
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'dtype("{self._name}")'

    def __reduce__(self) -> tuple[builtins.type[dtype], tuple[str]]:
        return (dtype, (self._name,))


# What NumPy looks for, so that `np.dtype(ts.int32)` and libraries that ask a view for its ``dtype``
# work; not written in the class, where the name would hide that of the class from annotations.
for _name in ("dtype", "__numpy_dtype__"):
    setattr(dtype, _name, property(lambda self: self.numpy_dtype))


DTypeLike: TypeAlias = "dtype | str | type | np.dtype[Any]"
"""What a ``dtype=`` argument accepts: see `dtype`."""


def dtype_from_numpy(numpy_dtype: npt.DTypeLike) -> dtype:
    """Return the `dtype` that stands for a NumPy data type of any byte order.

    Args:
        numpy_dtype: Whatever `numpy.dtype` accepts.

    Raises:
        ValueError: No data type stands for it: ``object`` (which of string, ustring and json?),
            ``U``, long doubles, times without a unit.
    """
    numpy_dtype = np.dtype(numpy_dtype)
    found = _BY_NUMPY.get(numpy_dtype) or _BY_NAME.get(numpy_dtype.name)
    if found is not None:
        return found
    kind = numpy_dtype.kind
    if kind == "S":
        return _BY_NAME["char"]
    if kind == "V" and numpy_dtype.type is np.void:
        return _BY_NAME["byte"]
    if kind in "mM" and _TIME_NAME.fullmatch(numpy_dtype.name):
        return dtype._trusted(numpy_dtype.name, numpy_dtype.newbyteorder("="))
    raise ValueError(
        f"no data type stands for the numpy data type {numpy_dtype!r}{_hint_for(numpy_dtype)}"
    )


def _hint_for(numpy_dtype: np.dtype[Any]) -> str:
    if numpy_dtype.kind == "O":
        return '; say which objects are meant: "json", "string" (bytes) or "ustring" (str)'
    if numpy_dtype.kind in "UT":
        return '; text is "ustring"'
    if numpy_dtype.kind in "mM":
        return '; give it a unit, as in "datetime64[ns]"'
    return ""


def _from_name(name: str) -> dtype:
    found = _BY_NAME.get(name)
    if found is not None:
        return found
    if _TIME_NAME.fullmatch(name):
        try:
            return dtype_from_numpy(name)
        except TypeError as error:
            raise ValueError(f"invalid unit in data type name {name!r}: {error}") from None
    raise ValueError(
        f"there is no data type named {name!r}; names are {', '.join(sorted(_BY_NAME))}, "
        "datetime64[unit] and timedelta64[unit]"
    )


def _from_type(python_type: builtins.type) -> dtype:
    return _BY_TYPE.get(python_type) or dtype_from_numpy(python_type)


def _numpy_dtype_from_ml_dtypes(name: str) -> np.dtype[Any]:
    try:
        ml_dtypes = importlib.import_module("ml_dtypes")
    except ImportError as error:
        raise ImportError(
            f'data type "{name}" needs the package ml_dtypes, which is not installed: '
            "pip install ml_dtypes",
            name="ml_dtypes",
        ) from error
    scalar_type = getattr(ml_dtypes, name, None)
    if scalar_type is None:
        raise ImportError(
            f'data type "{name}" needs a newer ml_dtypes than the installed '
            f"{ml_dtypes.__version__}: pip install --upgrade ml_dtypes",
            name="ml_dtypes",
        )
    numpy_dtype: np.dtype[Any] = np.dtype(scalar_type)
    return numpy_dtype


_OBJECT: Final = np.dtype(object)
_BY_NAME: Final[dict[str, dtype]] = {
    **{name: dtype._trusted(name, np.dtype(name)) for name in _NUMPY_NAMES},
    **{name: dtype._trusted(name, None) for name in _ML_DTYPES_NAMES},
    **{name: dtype._trusted(name, _OBJECT) for name in ("string", "ustring", "json")},
    "char": dtype._trusted("char", np.dtype("S1")),
    "byte": dtype._trusted("byte", np.dtype("V1")),
}

# Shortcuts: NumPy computes the name of a data type anew each time it is asked for it.
_BY_NUMPY: Final = {np.dtype(name): _BY_NAME[name] for name in _NUMPY_NAMES}
_BY_TYPE: Final[dict[builtins.type, dtype]] = {
    bytes: _BY_NAME["string"],
    str: _BY_NAME["ustring"],
    **{found.type: data_type for found, data_type in _BY_NUMPY.items()},
    **{plain: _BY_NUMPY[np.dtype(plain)] for plain in (bool, int, float, complex)},
}
