"""Random reads of random virtual views give what the original gives, and call the same chunks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies_views import Base, Selection, bases, selections

DTYPES = ["int32", "float64", "bool", "string", "ustring", "json", "complex64", "bfloat16", "int4"]


@attrs.frozen
class View:
    """How a virtual view is opened, in either module."""

    base: Base
    labels: tuple[str, ...]
    dtype: str
    inner_order: tuple[int, ...] | None

    def values(self, ts: Any) -> Any:
        """The content of the base: distinct values, as far as the data type has them."""
        numbers = self.base.values()
        make: dict[str, Callable[[int], Any]] = {
            "string": lambda n: b"\xff%d" % n,
            "ustring": lambda n: f"é{n}",
            "json": lambda n: {"n": [n, None]} if n % 2 else n,
        }
        if self.dtype in make:
            values = np.empty(numbers.shape, object)
            for at in np.ndindex(numbers.shape):
                values[at] = make[self.dtype](int(numbers[at]))
            return values
        return numbers.astype(getattr(ts, self.dtype).numpy_dtype)

    def open(self, ts: Any, calls: list[Any], **options: Any) -> Any:
        """Open the view; ``calls`` is filled with what its callback is called with."""
        values = self.values(ts)

        def read(domain: Any, array: Any, params: Any) -> None:
            calls.append(
                (
                    domain.inclusive_min,
                    domain.exclusive_max,
                    domain.labels,
                    array.shape,
                    array.dtype.str,
                    array.flags.writeable,
                    params.if_not_equal,
                    named(params.staleness_bound),
                )
            )
            array[...] = values[self.base.index(domain.inclusive_min, domain.exclusive_max)]

        layout = {} if self.inner_order is None else {"inner_order": self.inner_order}
        return ts.virtual_chunked(
            read,
            dtype=getattr(ts, self.dtype),
            domain=ts.IndexDomain(
                inclusive_min=self.base.origin, shape=self.base.shape, labels=self.labels
            ),
            chunk_layout=self.base.layout(ts, **layout),
            **options,
        )


@st.composite
def opened(draw: Callable[..., Any]) -> View:
    base = draw(bases())
    rank = len(base.shape)
    labels = draw(st.permutations(["x", "y", "", "", "z"]))[:rank]
    order = draw(st.none() | st.permutations(range(rank)))
    return View(
        base, tuple(labels), draw(st.sampled_from(DTYPES)), None if order is None else tuple(order)
    )


@st.composite
def reads(draw: Callable[..., Any]) -> tuple[View, Selection]:
    view = draw(opened())
    return view, draw(selections(view.base))


def crashes(selection: Selection) -> bool:
    """Whether the original dies: see `exclusions.EXCLUSIONS`.

    Its grid partition fails for an index array over several dimensions of the request of which
    other output maps use one, and for index arrays where the request is empty.
    """
    arrays = [np.array(rest[0]) for kind, *rest in selection.maps if kind == "array"]
    strided = {rest[0] for kind, *rest in selection.maps if kind == "stride"}
    varying = [{d for d, n in enumerate(a.shape) if n > 1} for a in arrays]
    used = strided.union(*varying) if varying else strided
    return any(len(dims & used) > 1 for dims in varying) or (bool(arrays) and 0 in selection.shape)


def named(bound: float) -> float | str:
    """A bound, which is not the same time of now in both."""
    return "now" if abs(bound - time.time()) < 1000 else bound


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or the class of what it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error)


def facts(found: Any) -> Any:
    """What is compared of an array: values, and how they are laid out in memory."""
    if not isinstance(found, np.ndarray):
        return type(found), found
    strides = [s for s, n in zip(found.strides, found.shape, strict=True) if n > 1 and found.size]
    if found.dtype.hasobject:  # of objects, the original orders a broadcast dimension first
        strides = []
    return found.shape, found.dtype.name, found.tolist(), strides, found.flags.writeable


@given(reads(), st.sampled_from(["C", "F"]))
def test_reads(ours: Any, original: Any, read: tuple[View, Selection], order: str) -> None:
    view, selection = read
    if crashes(selection):
        return
    seen = []
    for ts in (ours, original):
        calls: list[Any] = []
        opened = view.open(ts, calls)
        part = opened[selection.transform(ts)]
        result = facts(outcome(part.read(order=order).result))
        seen.append((result, sorted(calls)))

    chunks = [call[0] for call in seen[0][1]]
    assert len(chunks) == len(set(chunks))
    if 0 in selection.shape:
        # The original calls for chunks that only a broadcast dimension of no extent touches.
        assert not chunks
        assert seen[0][0] == seen[1][0]
    else:
        assert seen[0] == seen[1]


@given(reads())
def test_numpy_functions_take_views_for_arrays(
    ours: Any, original: Any, read: tuple[View, Selection]
) -> None:
    view, selection = read
    if crashes(selection):
        return
    seen = [
        facts(outcome(np.asarray, view.open(ts, [])[selection.transform(ts)]))
        for ts in (ours, original)
    ]

    assert seen[0] == seen[1]


# -- caching ---------------------------------------------------------------------------------------

POOL = {"cache_pool": {"total_bytes_limit": 10_000_000}}
WHAT_IS_RETURNED: Sequence[str] = ["none", "inf", "now", "past", "asked", "unchanged"]


def stamp(ts: Any, kind: str, params: Any, generation: bytes) -> Any:
    """What a callback returns."""
    make = ts.KvStore.TimestampedStorageGeneration
    if kind == "none":
        return None
    if kind == "unchanged" and params.if_not_equal == generation:
        return make(b"", current(params))
    times = {"inf": float("inf"), "now": time.time(), "past": 10.0}
    return make(generation, times.get(kind, current(params)))


def current(params: Any) -> float:
    """The least time that serves: not the very bound, which the original rounds up or down."""
    least: float = max(params.staleness_bound, 10.0) + 0.001
    return min(least, time.time())


@given(
    st.sampled_from([True, False, "open", 5.0, 1e6, 1.9e9, 2e9, 3e9]),
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(WHAT_IS_RETURNED)), max_size=8),
    st.booleans(),
)
def test_what_is_asked_again_of_cached_chunks(
    ours: Any, original: Any, recheck: Any, program: list[tuple[int, str]], keep: bool
) -> None:
    """Whatever `recheck_cached_data` is, and whatever callbacks say about their content."""
    seen = []
    for ts in (ours, original):
        calls: list[Any] = []
        now = [b"v", "none"]

        def read(
            domain: Any,
            array: Any,
            params: Any,
            ts: Any = ts,
            calls: list[Any] = calls,
            now: list[Any] = now,
        ) -> Any:
            calls.append((domain.inclusive_min, params.if_not_equal, named(params.staleness_bound)))
            array[...] = len(calls)
            return stamp(ts, now[1], params, now[0])

        view = ts.virtual_chunked(
            read,
            dtype=ts.int32,
            shape=[6],
            chunk_layout=ts.ChunkLayout(read_chunk_shape=[2]),
            context=ts.Context(POOL if keep else {}),
        )
        spec = view.spec(retain_context=True)
        spec.update(recheck_cached_data=recheck)
        view = ts.open(spec).result()
        results = []
        for chunk, kind in program:
            now[1] = kind
            results.append(view[2 * chunk : 2 * chunk + 2].read().result().tolist())
        seen.append((results, calls))

    assert seen[0] == seen[1]


CANNOT: dict[str, Callable[[Any], Any]] = {
    "unbounded": lambda ts: ts.virtual_chunked(lambda *_: None, dtype=ts.int8, rank=1).read(),
    "write-only": lambda ts: ts.virtual_chunked(None, print, dtype=ts.int8, shape=[2]).read(),
    "failing": lambda ts: ts.virtual_chunked(lambda *_: 1 // 0, dtype=ts.int8, shape=[2]).read(),
    "order": lambda ts: ts.virtual_chunked(print, dtype=ts.int8, shape=[2]).read(order="A"),
}


def finished(read: Callable[[Any], Any], ts: Any) -> Any:
    return read(ts).result()


@pytest.mark.parametrize("case", CANNOT)
def test_errors(ours: Any, original: Any, case: str) -> None:
    errors = [outcome(finished, CANNOT[case], ts) for ts in (ours, original)]

    assert errors[0] == errors[1]
    assert isinstance(errors[0], type)
