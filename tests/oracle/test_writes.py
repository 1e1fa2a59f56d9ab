"""Random writes to random virtual views store what the original stores, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies_views import Base, Selection, bases, selections

DTYPES = ["int32", "float64", "bool", "string", "ustring", "json", "complex64", "bfloat16", "int4"]
POOL = {"cache_pool": {"total_bytes_limit": 10_000_000}}


class Store:
    """What is behind a view, in either module: an array with versions, and what was called."""

    def __init__(self, ts: Any, base: Base, dtype: str, *, versioned: bool = False) -> None:
        self.ts, self.base, self.versioned = ts, base, versioned
        self.dtype = getattr(ts, dtype)
        self.array = np.zeros(base.shape, self.dtype.numpy_dtype)
        if dtype in {"string", "ustring"}:
            self.array[...] = b"" if dtype == "string" else ""
        self.versions: dict[Any, int] = {}
        self.calls: list[Any] = []
        self.before_write: Callable[[Any], object] = lambda key: None
        self.known: dict[Any, float] = {}
        """The times that stamps of conflicts named, for each chunk."""

    def view(self, mode: str = "rw", labels: tuple[str, ...] | None = None, **options: Any) -> Any:
        base, ts = self.base, self.ts
        return ts.virtual_chunked(
            self.read if "r" in mode else None,
            self.write if "w" in mode else None,
            dtype=self.dtype,
            domain=ts.IndexDomain(inclusive_min=base.origin, shape=base.shape, labels=labels),
            chunk_layout=base.layout(ts),
            **options,
        )

    def version(self, key: Any) -> bytes:
        return b"v%d" % self.versions.get(key, 0)

    def stamp(self, generation: bytes, time: float) -> Any:
        return self.ts.KvStore.TimestampedStorageGeneration(generation, time)

    def read(self, domain: Any, array: Any, params: Any) -> Any:
        key = domain.inclusive_min
        self.calls.append(("read", key, domain.exclusive_max, array.shape, params.if_not_equal))
        bound = params.staleness_bound
        assert bound == float("-inf") or bound >= self.known.get(key, 0.0)
        if self.versioned and params.if_not_equal == self.version(key):
            return self.stamp(b"", max(bound, 5.0))
        array[...] = self.array[self.base.index(key, domain.exclusive_max)]
        return self.stamp(self.version(key), max(bound, 5.0)) if self.versioned else None

    def write(self, domain: Any, array: Any, params: Any) -> Any:
        key = domain.inclusive_min
        self.before_write(key)
        self.calls.append(
            (
                "write",
                key,
                domain.exclusive_max,
                domain.labels,
                array.dtype.str,
                array.flags.writeable,
                np.array(array).tolist(),
                params.if_equal,
            )
        )
        if self.versioned and params.if_equal not in {b"", self.version(key)}:
            self.known[key] = len(self.calls) + 10.0
            return self.stamp(b"", self.known[key])
        self.array[self.base.index(key, domain.exclusive_max)] = array
        self.versions[key] = self.versions.get(key, 0) + 1
        return self.stamp(self.version(key), 5.0) if self.versioned else None

    def sorted_calls(self) -> list[Any]:
        """The calls of each chunk in order, chunk by chunk."""
        return sorted(self.calls, key=lambda call: call[1])


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or the class of what it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error)


def crashes(selection: Selection) -> bool:
    """Whether the original dies; see `exclusions.EXCLUSIONS`, and test_reads.py."""
    arrays = [np.array(rest[0]) for kind, *rest in selection.maps if kind == "array"]
    strided = {rest[0] for kind, *rest in selection.maps if kind == "stride"}
    varying = [{d for d, n in enumerate(a.shape) if n > 1} for a in arrays]
    used = strided.union(*varying) if varying else strided
    return any(len(dims & used) > 1 for dims in varying) or (bool(arrays) and 0 in selection.shape)


@st.composite
def requests(draw: Callable[..., Any]) -> tuple[Base, Selection]:
    """A base and a part of it that is not empty: of empty writes the original makes garbage."""
    base = draw(bases().filter(lambda base: 0 not in base.shape))
    found: Selection = draw(selections(base).filter(lambda s: 0 not in s.shape))
    return base, found


@st.composite
def values(draw: Callable[..., Any], dtype: str, shape: tuple[int, ...]) -> Any:
    """An array that can be broadcast to a shape."""
    kept = shape[draw(st.integers(0, len(shape))) :]
    own = tuple(draw(st.sampled_from([n, n, 1])) for n in kept)
    numbers = np.arange(1, int(np.prod(own, dtype=int)) + 1).reshape(own)
    if dtype in {"string", "ustring", "json"}:
        result = np.empty(own, object)
        for at in np.ndindex(own):
            text = f"é{numbers[at]}"
            result[at] = {
                "string": text.encode(),
                "ustring": text,
                "json": [text, int(numbers[at])],
            }[dtype]
        return result
    import tensorstore

    return (numbers % (8 if dtype == "int4" else 100)).astype(
        getattr(tensorstore, dtype).numpy_dtype
    )


def unambiguous(base: Base, selection: Selection) -> bool:
    """Whether no element is written twice: of several values, any may win."""
    return len(selection.touched(base)) == int(np.prod(selection.shape, dtype=int))


@given(requests(), st.data(), st.sampled_from(DTYPES), st.booleans(), st.booleans())
def test_writes(
    ours: Any,
    original: Any,
    request_: tuple[Base, Selection],
    data: st.DataObject,
    dtype: str,
    keep: bool,
    versioned: bool,
) -> None:
    """What is stored, and what callbacks are given; with a cache, and with versions."""
    base, selection = request_
    if crashes(selection) or not unambiguous(base, selection):
        return
    source = data.draw(values(dtype, selection.shape))
    labels = tuple(["x", "", "z"][: len(base.shape)])
    seen = []
    for ts in (ours, original):
        store = Store(ts, base, dtype, versioned=versioned)
        view = store.view(labels=labels, context=ts.Context(POOL if keep else {}))
        part = view[selection.transform(ts)]
        # Without a cache the original may or may not have forgotten what it has read before.
        results = [outcome(part.write(source).result) for _ in range(1 + keep)]
        seen.append((results, store.sorted_calls(), store.array.tolist()))

    assert seen[0] == seen[1]


@given(requests(), st.integers(1, 3))
def test_conflicts(ours: Any, original: Any, request_: tuple[Base, Selection], times: int) -> None:
    """Somebody else stores while a write is under way: it reads, merges and writes again."""
    base, selection = request_
    if crashes(selection) or not unambiguous(base, selection):
        return
    seen = []
    for ts in (ours, original):
        store = Store(ts, base, "int32", versioned=True)
        left: dict[Any, int] = {}

        def interfere(key: Any, store: Store = store, left: dict[Any, int] = left) -> None:
            if left.setdefault(key, times):
                left[key] -= 1
                store.array[base.index(key, base.cell(key)[1])] = 10 * (times - left[key])
                store.versions[key] = store.versions.get(key, 0) + 1

        store.before_write = interfere
        store.view()[selection.transform(ts)].write(-1).result()
        # The original knows a version that it has read for the write itself, even without a cache.
        calls = [call[:4] if call[0] == "read" else call for call in store.sorted_calls()]
        seen.append((calls, store.array.tolist()))

    assert seen[0] == seen[1]


@given(requests())
def test_write_only_views(ours: Any, original: Any, request_: tuple[Base, Selection]) -> None:
    """Whole chunks can be written; of others the original has stored some when it refuses."""
    base, selection = request_
    if crashes(selection) or not unambiguous(base, selection):
        return
    seen = []
    for ts in (ours, original):
        store = Store(ts, base, "int32")
        part = store.view("w")[selection.transform(ts)]
        seen.append((outcome(part.write(7).result), store.array.tolist()))

    assert seen[0][0] == seen[1][0]
    if seen[0][0] is None:
        assert seen[0] == seen[1]
    else:
        assert not np.any(seen[0][1])


# -- sources ---------------------------------------------------------------------------------------

SCALARS = {
    "int": 5,
    "negative": -1,
    "large": 1000,
    "huge": 2**40,
    "float": 2.5,
    "whole": 2.0,
    "bool": True,
    "bytes": b"x",
    "str": "x",
    "none": None,
    "list": [1, 2, 3],
    "nested": [[1], [2]],
    "ragged": [[1], [2, 3]],
    "dict": {"a": 1},
    "complex": 1 + 2j,
    "int8": np.int8(3),
    "int64": np.int64(3),
    "float32": np.float32(2.5),
    "array": np.arange(6).reshape(2, 3),
    "narrow": np.arange(6, dtype=np.int8).reshape(2, 3),
    "floats": np.arange(6, dtype=np.float32).reshape(2, 3),
    "bools": np.array([[True, False, True]]),
    "strings": np.array(["a", "b", "c"]),
    "byte strings": np.array([b"a", b"b", b"c"]),
    "objects": np.array([1, "b", None], object),
    "too many": np.zeros((2, 2, 3), np.int8),
    "too long": np.zeros((2, 4), np.int8),
    "empty": np.zeros((0, 3), np.int8),
}
TARGETS = ["int8", "int32", "uint64", "float32", "bool", "string", "ustring", "json", "bfloat16"]


@pytest.mark.parametrize("dtype", TARGETS)
@pytest.mark.parametrize("name", SCALARS)
def test_conversions(ours: Any, original: Any, name: str, dtype: str) -> None:
    if name == "too many" and dtype not in {"int8", "int32", "float32", "json", "bfloat16"}:
        return  # two errors at once
    base = Base((0, 0), (2, 3), (2, 2), (0, 0))
    seen = []
    for ts in (ours, original):
        store = Store(ts, base, dtype)

        def write(store: Store = store) -> Any:
            return store.view().write(SCALARS[name]).result()

        # As text: not a number is not equal to itself.
        seen.append(repr((outcome(write), store.sorted_calls(), store.array.tolist())))

    assert seen[0] == seen[1]


LABELS = ["x", "y", ""]


@st.composite
def sources(draw: Callable[..., Any]) -> tuple[Any, ...]:
    """The domain of a view to copy from: translated, permuted, with and without labels."""
    rank = draw(st.integers(0, 3))
    origin = tuple(draw(st.sampled_from([0, 0, 1, -4])) for _ in range(rank))
    shape = tuple(draw(st.sampled_from([2, 3, 1])) for _ in range(rank))
    labels = tuple(draw(st.permutations(["x", "y", "", ""]))[:rank])
    return origin, shape, labels


@given(sources(), st.permutations(LABELS), st.sampled_from(["int32", "int8", "int64", "float32"]))
def test_views_as_sources(
    ours: Any,
    original: Any,
    source: tuple[Any, ...],
    labels: list[str],
    dtype: str,
) -> None:
    """They are aligned by labels, and broadcast where they have one element."""
    base = Base((1, 0), (2, 3), (2, 2), (1, 0))
    origin, shape, names = source
    seen = []
    for ts in (ours, original):
        store = Store(ts, base, "int32")
        content = np.arange(int(np.prod(shape, dtype=int)), dtype=dtype).reshape(shape)
        domain = ts.IndexDomain(inclusive_min=origin, shape=shape, labels=names)
        other = ts.array(content)[ts.d[:].translate_to[origin].label[names]] if names else None
        if other is None:
            other = ts.array(content)
        assert other.domain == domain

        def write(store: Store = store, other: Any = other) -> Any:
            return store.view(labels=tuple(labels[:2])).write(other).result()

        seen.append((outcome(write), store.sorted_calls(), store.array.tolist()))

    assert seen[0] == seen[1]


def test_what_cannot_be_written(ours: Any, original: Any) -> None:
    base = Base((0,), (4,), (2,), (0,))

    def failing(ts: Any) -> Any:
        return ts.virtual_chunked(None, lambda *_: 1 // 0, dtype=ts.int8, shape=[2]).write(1)

    cases: list[Callable[[Any], Any]] = [
        lambda ts: Store(ts, base, "int8").view("r").write(1).result(),
        lambda ts: ts.virtual_chunked(None, print, dtype=ts.int8, rank=1).write(1).result(),
        lambda ts: failing(ts).result(),
        lambda ts: Store(ts, base, "int8").view()[9:10].write(1).result(),
    ]
    for case in cases:
        errors = [outcome(case, ts) for ts in (ours, original)]
        assert errors[0] == errors[1]
        assert isinstance(errors[0], type)
