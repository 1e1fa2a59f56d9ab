"""Random programs of key-value operations give what the original's drivers give.

Generations are opaque: each is named by when it was first seen.
"""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

keys = st.sampled_from(["a", "b", "a/b", "c", b"\xff", "é"])
memory_keys = keys | st.sampled_from(["", "a//b", "..", "x.__lock"])
file_keys = st.sampled_from(["x", "y", "d/e", "d/f", "é", "", "..", "d//e", "x\0", "x.__lock"])
values = st.binary(max_size=8) | st.text(max_size=3)
bounds = st.none() | st.integers(-3, 9)
byte_ranges = st.none() | st.builds(slice, bounds, bounds)
conditions = st.sampled_from(["no", "last", "first", "missing", "empty"])
# The original's file driver aborts the process if the range is empty, or keys are shorter than
# what is to be stripped from them.
ranges = st.tuples(
    st.sampled_from(["", "a", "c", "d/", "x"]), st.sampled_from(["", "b", "d0", "y"])
).filter(lambda bounds: not bounds[1] or bounds[0] < bounds[1])


def steps(key: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(
        st.tuples(st.just("read"), key, conditions, byte_ranges)
        | st.tuples(st.just("write"), key, values | st.none(), conditions)
        | st.tuples(st.just("get"), key)
        | st.tuples(st.just("in"), key)
        | st.tuples(st.just("list"), ranges, st.integers(0, 1))
        | st.tuples(st.just("delete_range"), ranges),
        max_size=12,
    )


class Run:
    """One module's run of a program."""

    def __init__(self, ts: Any, spec: Any) -> None:
        self.ts = ts
        self.store = ts.KvStore.open(spec).result()
        self.missing = self.store.read("nothing").result().stamp.generation
        self.names: dict[bytes, int] = {b"": 0, self.missing: 1}
        self.last = self.first = self.missing

    def name(self, generation: bytes) -> int:
        if generation not in self.names and self.first == self.missing:
            self.first = generation
        if generation not in {b"", self.missing}:
            self.last = generation
        return self.names.setdefault(generation, len(self.names))

    def condition(self, which: str) -> bytes | None:
        named: dict[str, Any] = {"no": None, "empty": b"", "missing": self.missing}
        named |= {"last": self.last, "first": self.first}
        found: bytes | None = named[which]
        return found

    def step(self, what: str, *arguments: Any) -> Any:
        try:
            return getattr(self, f"do_{what}")(*arguments)
        except Exception as error:
            return type(error)

    def do_read(self, key: Any, condition: str, byte_range: Any) -> Any:
        found = self.store.read(
            key, if_not_equal=self.condition(condition), byte_range=byte_range
        ).result()
        return found.state, found.value, self.name(found.stamp.generation)

    def do_write(self, key: Any, value: Any, condition: str) -> Any:
        stamp = self.store.write(key, value, if_equal=self.condition(condition)).result()
        return self.name(stamp.generation)

    def do_get(self, key: Any) -> Any:
        return self.store[key]

    def do_in(self, key: Any) -> Any:
        return key in self.store

    def do_list(self, bounds: Any, strip: int) -> Any:
        return sorted(self.store.list(self.ts.KvStore.KeyRange(*bounds), strip).result())

    def do_delete_range(self, bounds: Any) -> Any:
        return self.store.delete_range(self.ts.KvStore.KeyRange(*bounds)).result()


def compare(one: Run, two: Run, program: list[Any]) -> None:
    for step in program:
        assert one.step(*step) == two.step(*step), step


@given(steps(memory_keys))
def test_memory(ours: Any, original: Any, program: list[Any]) -> None:
    json = {"driver": "memory", "path": "p/"}

    compare(Run(ours, json), Run(original, json), program)


@given(steps(file_keys))
def test_file(ours: Any, original: Any, program: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        compare(
            Run(ours, {"driver": "file", "path": f"{one}/r/", "file_io_sync": False}),
            Run(original, {"driver": "file", "path": f"{two}/r/", "file_io_sync": False}),
            program,
        )


SPECS: list[Any] = [
    "memory://",
    "memory://a%20b",
    "file:///tmp/a%20b/",
    {"driver": "memory", "path": "x", "atomic": False},
    {"driver": "memory", "context": {"memory_key_value_store": {}}},
    {"driver": "memory", "memory_key_value_store": {}},
    {"driver": "file", "path": "/tmp/x/", "file_io_concurrency": {"limit": 3}},
    {"driver": "file", "path": "tmp"},
    "/tmp",
    "bogus://",
    "memory://a?b",
    "memory://a#b",
    "file://tmp/a",
    5,
    None,
    {"driver": "bogus"},
    {"driver": "memory", "bogus": 1},
    {"driver": "memory", "path": 5},
    {"path": "x"},
]


def outcome(function: Any) -> Any:
    try:
        return function()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_specs(ours: Any, original: Any, spec: Any) -> None:
    for see in (
        lambda ts: ts.KvStore.Spec(spec).to_json(),
        lambda ts: ts.KvStore.Spec(spec).path,
        lambda ts: ts.KvStore.Spec(spec).url,
        lambda ts: (ts.KvStore.Spec(spec) / "a" + "b").to_json(),
        lambda ts: ts.KvStore.open(spec).result().path,
        lambda ts: ts.KvStore.open(spec).result().spec().to_json(),
    ):
        assert outcome(lambda see=see: see(ours)) == outcome(lambda see=see: see(original))
