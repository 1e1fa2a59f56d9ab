"""Drivers over obstore: in memory and on disk, against HTTP, and servers for S3 and for Azure."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import os
import pickle
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import pytest

import virtchunk as ts
from virtchunk.kvstore import MISSING, KeyRange, ObjectStoreDriver

obstore_store = pytest.importorskip("obstore.store")


class Quiet(SimpleHTTPRequestHandler):
    """Python's own server, which knows neither ETags nor ranges."""

    def log_message(self, *arguments: object) -> None:
        pass


class Full(Quiet):
    """A server that knows both."""

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, *, body: bool) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        size, wanted = len(content), self.headers.get("Range")
        if self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.send_header("ETag", tag)
            self.end_headers()
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = int(first) if first else size - int(last)
            stop = min(int(last) + 1, size) if first and last else size
            content = content[start:stop]
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture(params=[Full, Quiet])
def website(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a b").write_bytes(b"0123456789")
    handler = partial(request.param, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_reading_from_an_http_server(website: str) -> None:
    store = ts.KvStore.open(website + "/").result()

    assert store["a b"] == b"0123456789"
    assert store.read("missing").result().state == "missing"
    assert store.read("a b", byte_range=slice(2, 5)).result().value == b"234"
    assert store.read("a b", byte_range=slice(8, None)).result().value == b"89"
    assert store.read("a b", byte_range=slice(-3, None)).result().value == b"789"
    known = store.read("a b").result().stamp.generation
    assert store.read("a b", if_not_equal=known).result().state == "unspecified"
    assert store.read("a b", if_not_equal=b'"other"').result().state == "value"


async def test_awaiting_an_http_server(website: str) -> None:
    store = await ts.KvStore.open({"driver": "http", "base_url": website, "headers": ["x: y"]})
    found: list[bytes] = []

    async def read() -> None:
        found.append((await store.read("a b")).value)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(read)

    assert found == [b"0123456789"] * 8


def test_an_http_server_cannot_be_written(website: str) -> None:
    store = ts.KvStore.open(website).result()
    for attempt in (store.write("a", b""), store.list(), store.delete_range(KeyRange())):
        with pytest.raises(NotImplementedError, match="HTTP"):
            attempt.result()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    if find_spec("moto") is None or find_spec("flask") is None:
        pytest.skip("moto's server is not installed")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def new_bucket(endpoint: str, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    request = urllib.request.Request(f"{endpoint}/{name}", method="PUT")
    urllib.request.urlopen(request).close()
    return {"driver": "s3", "bucket": name, "endpoint": endpoint, "aws_region": "us-east-1"}


KEY = base64.b64encode(b"key").decode()


@pytest.fixture(scope="module")
def azure() -> Iterator[str]:
    """A container in azurite (from npm), where its command is on the path."""
    command = shutil.which("azurite-blob")
    if command is None:
        pytest.skip("azurite is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--blobPort", str(port)]
    server = subprocess.Popen(
        [command, *options],
        env=os.environ | {"AZURITE_ACCOUNTS": f"one:{KEY}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    while "successfully listens" not in (line := server.stdout.readline()):
        assert line, "azurite has not started"
    url = f"http://127.0.0.1:{port}/one"
    create_container(url, "container")
    yield url
    server.terminate()
    server.communicate()


def create_container(url: str, name: str) -> None:
    """Do what obstore cannot do."""
    date = email.utils.formatdate(usegmt=True)
    headers = f"x-ms-date:{date}\nx-ms-version:2020-10-02"
    signed = "PUT" + 12 * "\n" + f"{headers}\n/one/one/{name}\nrestype:container"
    signature = hmac.digest(base64.b64decode(KEY), signed.encode(), "sha256")
    request = urllib.request.Request(
        f"{url}/{name}?restype=container",
        method="PUT",
        headers=dict(line.split(":", 1) for line in headers.split("\n"))
        | {"Authorization": f"SharedKey one:{base64.b64encode(signature).decode()}"},
    )
    urllib.request.urlopen(request).close()


@pytest.fixture(params=["memory", "local", "s3", "azure"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ts.KvStore:
    if request.param == "memory":
        return ts.KvStore.from_driver(ObjectStoreDriver(obstore_store.MemoryStore()), "p/")
    if request.param == "local":
        driver = ObjectStoreDriver(obstore_store.LocalStore(str(tmp_path)))
        return ts.KvStore.from_driver(driver, "p/")
    if request.param == "azure":
        container = obstore_store.AzureStore(
            "container",
            account_name="one",
            account_key=KEY,
            endpoint=request.getfixturevalue("azure"),
            client_options={"allow_http": True},
        )
        return ts.KvStore.from_driver(ObjectStoreDriver(container), f"{abs(hash(tmp_path))}/")
    endpoint = request.getfixturevalue("s3")
    bucket = f"bucket-{abs(hash(tmp_path))}"
    return ts.KvStore.open(new_bucket(endpoint, bucket, monkeypatch) | {"path": "p/"}).result()


def test_reading_what_was_written(store: ts.KvStore) -> None:
    written = store.write("a/b c", b"0123456789").result()
    found = store.read("a/b c").result()

    assert (found.state, found.value) == ("value", b"0123456789")
    assert found.stamp.generation == written.generation != b""
    assert store.read("a/b c", if_not_equal=written.generation).result().state == "unspecified"
    assert store.read("nothing").result().stamp.generation == MISSING
    for byte_range, value in (
        (slice(2, 5), b"234"),
        (slice(None, 4), b"0123"),
        (slice(4, None), b"456789"),
        (slice(-3, None), b"789"),
        (slice(3, 3), b""),
        (slice(10, None), b""),
    ):
        assert store.read("a/b c", byte_range=byte_range).result().value == value
    for byte_range in (slice(2, 11), slice(11, None), slice(20, 30)):
        with pytest.raises(ValueError, match="10 bytes"):
            store.read("a/b c", byte_range=byte_range).result()


async def test_listing_and_deleting(store: ts.KvStore) -> None:
    for key in ("a", "b/c", "b/d", "e"):
        await store.write(key, b"1")

    assert sorted(await store.list()) == [b"a", b"b/c", b"b/d", b"e"]
    assert sorted(await store.list(KeyRange("b/d"))) == [b"b/d", b"e"]
    assert (await store.write("e", None)).generation == MISSING
    assert (await store.write("e", None)).generation == MISSING
    await (store / "b/").delete_range(KeyRange())
    assert await store.list() == [b"a"]


def test_writing_on_condition(store: ts.KvStore) -> None:
    first = store.write("a", b"1", if_equal=MISSING).result().generation
    assert store.write("a", b"x", if_equal=MISSING).result().generation == b""
    if "LocalStore" in repr(store):
        with pytest.raises(NotImplementedError):
            store.write("a", b"2", if_equal=first).result()
        return
    second = store.write("a", b"2", if_equal=first).result().generation
    assert second not in {b"", first}
    assert store.write("a", b"x", if_equal=first).result().generation == b""
    assert store.write("b", b"x", if_equal=first).result().generation == b""
    assert store["a"] == b"2"
    with pytest.raises(NotImplementedError, match="condition"):
        store.write("a", None, if_equal=second).result()


@pytest.mark.parametrize("key", ["", "/a", "../a", "a//b", ".", b"\xff", "a\0b"])
def test_keys_that_the_store_would_change_are_refused(key: str | bytes) -> None:
    store = ts.KvStore.from_driver(ObjectStoreDriver(obstore_store.MemoryStore()))
    with pytest.raises(ValueError, match="invalid key"):
        store.write(key, b"").result()


def test_pickling(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = new_bucket(s3, "pickled", monkeypatch)
    store = ts.KvStore.open(spec).result()
    store["a"] = b"1"

    assert pickle.loads(pickle.dumps(store))["a"] == b"1"
    assert store.spec().to_json() == spec


URLS: list[tuple[str, dict[str, Any]]] = [
    ("s3://bucket/a%20b", {"driver": "s3", "bucket": "bucket", "path": "a b"}),
    ("gs://bucket/a", {"driver": "gcs", "bucket": "bucket", "path": "a"}),
    ("http://host:1/a%20b", {"driver": "http", "base_url": "http://host:1", "path": "/a b"}),
    ("https://host/", {"driver": "http", "base_url": "https://host", "path": "/"}),
]


@pytest.mark.parametrize(("url", "json"), URLS)
def test_urls(url: str, json: dict[str, Any]) -> None:
    assert ts.KvStore.Spec(url).to_json() == json
    assert ts.KvStore.Spec(json).url == url


def test_specs_that_lack_something() -> None:
    for wrong in (
        {"driver": "s3"},
        {"driver": "http"},
        {"driver": "http", "base_url": "ftp://x"},
        {"driver": "http", "base_url": "http://x", "headers": ["y"]},
        "azure://x",
    ):
        with pytest.raises(ValueError, match=r"member|base_url|headers|URL"):
            ts.KvStore.Spec(wrong)


def test_without_obstore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    future = ts.KvStore.open("s3://bucket/")

    with pytest.raises(ImportError, match=r"virtchunk\[obstore\]"):
        future.result()


def test_stores_elsewhere_open_without_contact() -> None:
    assert ts.KvStore.open("gs://bucket/a").result().path == "a"
    json = {"driver": "azure", "container": "c", "account": "x", "path": "a"}
    assert ts.KvStore.open(json).result().path == "a"
