"""Every member of a view answers as the original's does, or refuses with its class of error."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

original = pytest.importorskip("tensorstore")

import virtchunk

VALUES = np.arange(12, dtype=np.int32).reshape(3, 4)


def read(domain: Any, array: Any, params: Any) -> None:
    array[...] = VALUES[domain.index_exp]


def write(domain: Any, array: Any, params: Any) -> None:
    pass


def make(ts: Any, kind: str) -> Any:
    if kind == "array":
        return ts.array(VALUES.copy())
    if kind == "read-only array":
        return ts.array(VALUES.copy(), write=False)
    if kind == "empty array":
        return ts.array(np.zeros((3, 0), np.int32))
    functions = {"r": (read, None), "w": (None, write), "rw": (read, write)}[kind]
    return ts.virtual_chunked(
        *functions,
        dtype=ts.int32,
        domain=ts.IndexDomain(shape=[3, 4], labels=["y", ""]),
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[2, 2]),
        dimension_units=["4 nm", None],
    )


KINDS = ("array", "read-only array", "empty array", "r", "w", "rw")


def shown(value: Any) -> Any:
    """What can be compared across the two packages."""
    if isinstance(value, (original.TensorStore, virtchunk.TensorStore)):
        return ("view", shown(value.domain), shown(value.dtype), value.mode)
    if isinstance(value, (original.Unit, virtchunk.Unit)):
        return str(value)
    if hasattr(value, "result"):
        return shown(value.result())
    if isinstance(value, np.ndarray):
        return value.dtype, value.tolist()
    if isinstance(value, tuple):
        return tuple(map(shown, value))
    if type(value).__module__.startswith(("tensorstore", "virtchunk")):
        return str(value)
    return value


def outcome(ts: Any, kind: str, ask: Callable[[Any], Any]) -> Any:
    try:
        return shown(ask(make(ts, kind)))
    except Exception as error:
        return type(error)


ATTRIBUTES = (
    "base",
    "chunk_layout",
    "codec",
    "dimension_units",
    "domain",
    "dtype",
    "fill_value",
    "kvstore",
    "mode",
    "ndim",
    "origin",
    "rank",
    "readable",
    "schema",
    "shape",
    "size",
    "transaction",
    "url",
    "writable",
    "T",
)
CALLS: dict[str, Callable[[Any], Any]] = {
    "read": lambda t: t.read(),
    "read, order F": lambda t: t.read(order="F"),
    "read, order positional": lambda t: t.read("F"),
    "read, wrong order": lambda t: t.read(order="K"),
    "write a scalar": lambda t: t.write(7),
    "write what does not fit": lambda t: t.write(np.zeros(5, np.int32)),
    "resolve": lambda t: t.resolve(),
    "resolve, fixing": lambda t: t.resolve(True),
    "resolve, wrong": lambda t: t.resolve(3),
    "resolve, wrong batch": lambda t: t.resolve(batch=3),
    "resize": lambda t: t.resize(),
    "resize, bounds": lambda t: t.resize(exclusive_max=[2, 2]),
    "resize, some bounds": lambda t: t.resize([None, None], [2, None]),
    "resize, wrong rank": lambda t: t.resize(exclusive_max=[2]),
    "resize, wrong ranks": lambda t: t.resize(inclusive_min=[0], exclusive_max=[2, 2]),
    "resize, no list": lambda t: t.resize(inclusive_min=5),
    "resize, no integers": lambda t: t.resize(exclusive_max=["a", "b"]),
    "resize, no flag": lambda t: t.resize(resize_tied_bounds="yes"),
    "statistics": lambda t: t.storage_statistics(),
    "statistics, one": lambda t: t.storage_statistics(query_not_stored=True),
    "statistics, both": lambda t: t.storage_statistics(
        query_not_stored=True, query_fully_stored=True
    ),
    "statistics, by position": lambda t: t.storage_statistics(True),
    "statistics of a part": lambda t: t[:1].storage_statistics(query_fully_stored=True),
    "with_transaction None": lambda t: t.with_transaction(None),
    "with_transaction wrong": lambda t: t.with_transaction(3),
    "spec, unknown keyword": lambda t: t.spec(colour="red"),
    "copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "len": len,
    "iter": iter,
    "next": lambda t: next(t),
    "reversed": reversed,
    "in": lambda t: 3 in t,
    "bool": bool,
    "int": lambda t: int(t[0, 0]),
    "float": lambda t: float(t[0, 0]),
    "complex": lambda t: complex(t[0, 0]),
    "index": lambda t: operator.index(t[0, 0]),
    "round": round,
    "equal to itself": lambda t: t == t,
    "unequal to itself": lambda t: t != t,
    "equal to the same part": lambda t: t[...] == t[...],
    "equal to a number": lambda t: t == 1,
    "hash": lambda t: isinstance(hash(t), int),
    "new attribute": lambda t: setattr(t, "colour", "red"),
    "set domain": lambda t: setattr(t, "domain", None),
    "delete item": lambda t: operator.delitem(t, 0),
    "call": lambda t: t(),
    "asarray": np.asarray,
    "asarray, dtype": lambda t: np.asarray(t, dtype=np.float64),
    "array, copy": lambda t: np.array(t, copy=True),
    "np.sum": np.sum,
    "np.transpose": np.transpose,
    "np.shape": np.shape,
    "np.ndim": np.ndim,
    "array plus view": lambda t: np.ones(4, np.int32) + t,
    "view plus array": lambda t: t + np.ones(4, np.int32),
    "numpy scalar times view": lambda t: np.int64(2) * t,
    "view times numpy scalar": lambda t: t * np.int64(2),
    "view < array": lambda t: t < np.full(4, 5),
    "view == array": lambda t: t == np.full(4, 5),
    "a list of views": lambda t: np.array([t, t]),
}
OPERATORS: tuple[str, ...] = ("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul", "pow")
OPERATORS += ("lshift", "rshift", "and_", "or_", "xor", "lt", "le", "gt", "ge")
for _name in OPERATORS:
    CALLS[f"view {_name} number"] = lambda t, name=_name: getattr(operator, name)(t, 2)  # type: ignore[misc]
    CALLS[f"number {_name} view"] = lambda t, name=_name: getattr(operator, name)(2, t)  # type: ignore[misc]
    CALLS[f"view {_name} view"] = lambda t, name=_name: getattr(operator, name)(t, t)  # type: ignore[misc]
    CALLS[f"view {_name} list"] = lambda t, name=_name: getattr(operator, name)(t, [2])  # type: ignore[misc]
for _name in ("neg", "pos", "invert", "abs"):
    CALLS[_name] = getattr(operator, _name)
for _name in ("iadd", "imul"):
    CALLS[_name] = lambda t, name=_name: getattr(operator, name)(t, 2)  # type: ignore[misc]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_are_those_of_the_original(kind: str, name: str) -> None:
    ask = operator.attrgetter(name)

    assert outcome(virtchunk, kind, ask) == outcome(original, kind, ask)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_calls_and_protocols_answer_as_those_of_the_original(kind: str, name: str) -> None:
    ask = CALLS[name]

    assert outcome(virtchunk, kind, ask) == outcome(original, kind, ask)


@pytest.mark.parametrize("kind", ["array", "w", "rw"])
def test_what_cannot_be_cast_is_refused_as_there(kind: str) -> None:
    def ask(view: Any) -> Any:
        return view.write(np.zeros((3, 4), np.float64))

    assert outcome(virtchunk, kind, ask) is outcome(original, kind, ask) is TypeError


def test_all_members_of_the_original_are_asked_for() -> None:
    members = {name for name in dir(original.TensorStore) if not name.startswith("_")}
    methods = {"StorageStatistics", "astype", "label", "mark_bounds_implicit", "oindex", "read"}
    methods |= {"resize", "resolve", "spec", "storage_statistics", "translate_backward_by"}
    methods |= {"translate_by", "translate_to", "transpose", "vindex", "with_transaction", "write"}

    assert members == methods | set(ATTRIBUTES)
