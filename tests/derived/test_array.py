"""`virtchunk.array`: what it copies, what it shares, and what may be written."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import virtchunk as ts


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


class Arrayish:
    """Something that presents an array of its own."""

    def __init__(self) -> None:
        self.values = np.arange(3)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.values


SOURCES: dict[str, Callable[[], Any]] = {
    "array": lambda: np.arange(3),
    "read-only": lambda: read_only(np.arange(3)),
    "reversed": lambda: np.arange(6)[::-2],
    "broadcast": lambda: np.broadcast_to(np.arange(3), (2, 3)),
    "big-endian": lambda: np.arange(3, dtype=">i8"),
    "list": lambda: [0, 1, 2],
    "scalar": lambda: 5,
    "numpy scalar": lambda: np.int16(5),
    "memoryview": lambda: memoryview(b"abc"),
    "bytearray": lambda: bytearray(b"abc"),
    "array-like": Arrayish,
    "empty": lambda: np.zeros((0, 3)),
}
DIFFERENT = {"big-endian": "copied, where the original reads the bytes the wrong way round"}


@pytest.mark.parametrize("dtype", [None, "int64", "float64", "int8"])
@pytest.mark.parametrize("write", [None, True, False])
@pytest.mark.parametrize("copy", [None, True, False])
@pytest.mark.parametrize("name", sorted(set(SOURCES) - set(DIFFERENT)))
def test_flags_are_understood_as_by_the_original(
    name: str, copy: bool | None, write: bool | None, dtype: str | None
) -> None:
    original = pytest.importorskip("tensorstore")

    def outcome(module: Any) -> Any:
        source = SOURCES[name]()
        try:
            view = module.array(source, dtype, copy=copy, write=write)
        except Exception as error:
            return type(error)
        return view.mode, view.shape, view.dtype.name, view.read().result().tolist()

    assert outcome(ts) == outcome(original)


def test_a_view_is_read() -> None:
    view = ts.array(ts.array([1, 2, 3]), "float64")

    assert view.read().result().tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(TypeError, match="int8"):
        ts.array(ts.array([1, 2, 3]), "int8")


def test_bytes_in_another_order_are_put_in_order() -> None:
    assert ts.array(np.arange(3, dtype=">i8")).read().result().tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["array", "reversed", "bytearray", "array-like"])
def test_a_write_reaches_the_source_unless_it_was_copied(name: str) -> None:
    def elements(source: Any) -> list[int]:
        return np.asarray(source).tolist()  # type: ignore[no-any-return]

    source = SOURCES[name]()
    before = elements(source)

    ts.array(source, copy=True)[...] = 7
    assert elements(source) == before
    ts.array(source)[...] = 7
    assert elements(source) == [7, 7, 7]


def test_to_write_what_is_read_only_copies_it() -> None:
    source = read_only(np.arange(3))
    view = ts.array(source, write=True)

    view[...] = 7

    assert source.tolist() == [0, 1, 2]
    assert view.read().result().tolist() == [7, 7, 7]
    with pytest.raises(ValueError, match="read-only"):
        ts.array(source, write=True, copy=False)


def test_views_of_a_read_only_view_are_read_only() -> None:
    view = ts.array(np.arange(6).reshape(2, 3), write=False)

    for part in (view[1], view.T, ts.cast(view, "int8"), ts.stack([view, view])):
        assert part.mode == "r"
        with pytest.raises(ValueError, match="does not support writing"):
            part.write(1)
    assert pickle.loads(pickle.dumps(view)).mode == "r"


def test_arrays_of_no_elements() -> None:
    view = ts.array(np.zeros((0, 3)))

    assert view.read().result().shape == (0, 3)
    view.write(1).result()
    assert ts.open(view.spec()).result().shape == (0, 3)


@pytest.mark.parametrize(
    ("keyword", "value"), [("copy", "yes"), ("write", "no"), ("context", 5), ("context", {})]
)
def test_flags_of_another_type_are_refused(keyword: str, value: Any) -> None:
    wrong: dict[str, Any] = {keyword: value}
    with pytest.raises(TypeError, match=keyword):
        ts.array([1, 2], **wrong)


def test_the_context_is_kept_for_the_spec() -> None:
    context = ts.Context({"data_copy_concurrency": {"limit": 3}})
    spec = ts.array([1, 2], context=context).spec(retain_context=True)

    assert spec.to_json()["context"] == {"data_copy_concurrency": {"limit": 3}}
