"""Specs of key-value stores: JSON, URLs, paths and resources."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import virtchunk as ts
from virtchunk.kvstore import FileDriver

Spec = ts.KvStore.Spec

URLS: list[tuple[str, dict[str, Any]]] = [
    ("memory://", {"driver": "memory"}),
    ("memory://a%20b/%25%C3%A9%3F%23~-_.!", {"driver": "memory", "path": "a b/%é?#~-_.!"}),
    ("file:///tmp/a%20b/", {"driver": "file", "path": "/tmp/a b/"}),
]


@pytest.mark.parametrize(("url", "json"), URLS)
def test_urls(url: str, json: dict[str, Any]) -> None:
    assert Spec(url).to_json() == json
    assert Spec(json).url == url
    assert Spec(Spec(json)) == Spec(url)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (5, "URL or an object"),
        (None, "URL or an object"),
        ({"path": "x"}, '"driver" must be'),
        ({"driver": "bogus"}, '"driver" must be'),
        ({"driver": "memory", "bogus": 1}, 'no member "bogus"'),
        ({"driver": "memory", "path": 1}, '"path" must be a string'),
        ({"driver": "memory", "atomic": "x"}, '"atomic"'),
        ({"driver": "file", "path": "/a/../b"}, "invalid path"),
        ({"driver": "file", "file_io_mode": {"mode": "memmap"}}, "must be absent"),
        ("/tmp/x", "scheme must be specified"),
        ("bogus://x", "unsupported URL scheme"),
        ("file://host/x", "no host"),
        ("memory://a?b", "query"),
        ("memory://a#b", "fragment"),
        ("memory://a|zarr3:", "adapters"),
        ("memory://a%zz", "hexadecimal"),
    ],
)
def test_what_is_no_spec(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Spec(wrong)
    with pytest.raises(ValueError, match=message):
        ts.KvStore.open(wrong)


JOINS = [("", "/y", "/y"), ("x", "y", "x/y"), ("x", "/y", "x/y"), ("x/", "y", "x/y")]
JOINS += [("x/", "/y", "x//y"), ("x", "", "x"), ("", "y", "y")]


@pytest.mark.parametrize(("path", "component", "expected"), JOINS)
def test_joining_paths(path: str, component: str, expected: str) -> None:
    spec = Spec({"driver": "memory", "path": path})
    store = ts.KvStore.open(spec).result()

    assert ((spec / component).path, (store / component.encode()).path) == (expected, expected)
    assert ((spec + component).path, (store + component).path) == (path + component,) * 2


def test_a_path_that_is_not_utf8_is_kept() -> None:
    store = ts.KvStore.open("memory://").result()
    (store + b"\xff")["a"] = b"1"

    assert store.list().result() == [b"\xffa"]


def test_resources_can_be_kept_defined_or_left_out() -> None:
    context = ts.Context({"memory_key_value_store#a": {}})
    json = {"driver": "memory", "memory_key_value_store": "memory_key_value_store#a"}
    store = ts.KvStore.open(json, context=context).result()
    store["k"] = b"1"

    assert store.spec().to_json() == {"driver": "memory"}
    assert store.spec(unbind_context=True).to_json() == json | {
        "context": {"memory_key_value_store#a": {}}
    }
    assert ts.KvStore.open(store.spec(retain_context=True)).result()["k"] == b"1"
    assert "k" not in ts.KvStore.open(store.spec(unbind_context=True)).result()
    assert store.spec(retain_context=True) == store.copy().spec(retain_context=True)
    other = ts.KvStore.open(json, context=ts.Context({"memory_key_value_store#a": {}})).result()
    assert store.spec(retain_context=True) != other.spec(retain_context=True)


def test_a_resource_that_is_not_defined_fails_the_future() -> None:
    json = {"driver": "memory", "memory_key_value_store": "memory_key_value_store#a"}
    with pytest.raises(ValueError, match="memory_key_value_store#a"):
        ts.KvStore.open(json).result()


def test_specs_are_changed_in_place_and_copied() -> None:
    spec = Spec({"driver": "memory", "memory_key_value_store": "memory_key_value_store#a"})
    copies = [spec.copy(), copy.copy(spec), copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))]
    assert all(one == spec for one in copies)
    spec.path = "x"
    assert [one.path for one in copies] == [""] * 4
    spec.update(context=ts.Context({"memory_key_value_store#a": {}}))
    assert repr(spec) == (
        "KvStore.Spec({\n"
        "  'context': {'memory_key_value_store#a': {}},\n"
        "  'driver': 'memory',\n"
        "  'memory_key_value_store': ['memory_key_value_store#a'],\n"
        "  'path': 'x',\n"
        "})"
    )
    spec.update(unbind_context=True)
    spec.update(strip_context=True)
    assert repr(spec) == "KvStore.Spec({'driver': 'memory', 'path': 'x'})"


def test_defaults_are_shown_on_demand() -> None:
    assert Spec("memory://").to_json(include_defaults=True) == {
        "atomic": True,
        "context": {},
        "driver": "memory",
        "memory_key_value_store": "memory_key_value_store",
        "path": "",
    }


def test_a_store_of_an_object_has_no_json_and_no_url() -> None:
    store = ts.KvStore.from_driver(FileDriver(), "/tmp/")

    assert "FileDriver(sync=True)" in repr(store)
    with pytest.raises(NotImplementedError, match="from_driver"):
        store.spec().to_json()
    with pytest.raises(NotImplementedError, match="URL"):
        _ = store.url
    assert pickle.loads(pickle.dumps(store)).path == "/tmp/"


def test_values_can_be_changed_compared_and_pickled() -> None:
    keys = ts.KvStore.KeyRange("a", b"b")
    keys.inclusive_min = "q"
    assert keys.empty
    assert pickle.loads(pickle.dumps(keys)) == keys == keys.copy() == copy.deepcopy(keys)
    assert repr(keys) == "KvStore.KeyRange(b'q', b'b')"
    result = ts.KvStore.ReadResult("value", "é")
    assert result.value == "é".encode()
    assert repr(pickle.loads(pickle.dumps(result))) == repr(result)
    result.state = "missing"
    with pytest.raises(TypeError, match="state"):
        result.state = "gone"  # type: ignore[assignment]
