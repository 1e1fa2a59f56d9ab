"""Drivers over obstore: S3, Google Cloud Storage, Azure and HTTP. They need ``virtchunk[obstore]``.

obstore's own coroutines need asyncio; so its blocking functions are called, in worker threads when
they are awaited, which is as fast and works under trio too. The generation of a value is its ETag.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, ClassVar, NoReturn, final

from virtchunk._limits import Limiter
from virtchunk._schema.generation import TimestampedStorageGeneration
from virtchunk.kvstore._kinds import Kind, Members, register
from virtchunk.kvstore._url import encoded
from virtchunk.kvstore.values import MISSING, WHOLE, ByteRange, KeyRange, ReadResult

__all__ = ("ObjectStoreDriver",)

_requests = Limiter(32)  # threads, and connections, of the whole process


@final
class ObjectStoreDriver:
    """Keeps values in any store of the package obstore; see `virtchunk.kvstore.Driver`.

    Args:
        store: A store of obstore, such as ``obstore.store.S3Store("bucket")``. Stores of obstore
            have no empty keys, nor keys with empty, ``.`` or ``..`` components.

    Raises:
        ImportError: obstore is not installed.
    """

    __slots__ = ("_obstore", "_store")

    limiter = _requests

    def __init__(self, store: Any) -> None:
        self._obstore = _obstore()
        self._store = store

    def __repr__(self) -> str:
        return f"ObjectStoreDriver({self._store!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectStoreDriver, (self._store,)

    def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        """Read a key."""
        path, now = _path(key), time.time()
        options: dict[str, Any] = {}
        if if_not_equal not in {b"", MISSING}:
            options["if_none_match"] = _etag(if_not_equal)
        if byte_range is not WHOLE:
            options["range"] = _range(byte_range)
        try:
            if byte_range.stop == byte_range.start:
                return self._read_nothing(path, if_not_equal, byte_range, now)
            found = self._obstore.get(self._store, path, options=options)
            meta = found.meta
            stamp = _stamp(meta, now)
            if stamp.generation == if_not_equal:  # the server does not know if_none_match
                return ReadResult("unspecified", b"", stamp)
            byte_range.bounds(meta["size"])
            return ReadResult("value", bytes(found.bytes()), stamp)
        except FileNotFoundError:
            return ReadResult("missing", b"", TimestampedStorageGeneration(MISSING, now))
        except self._obstore.exceptions.NotModifiedError:
            return ReadResult("unspecified", b"", TimestampedStorageGeneration(if_not_equal, now))
        except self._obstore.exceptions.NotSupportedError:
            if byte_range is WHOLE:
                raise
            whole = self.read(key, if_not_equal, WHOLE)  # the server does not know ranges
            value = byte_range.of(whole.value) if whole.state == "value" else b""
            return ReadResult(whole.state, value, whole.stamp)
        except self._obstore.exceptions.GenericError:
            # Servers refuse ranges that begin behind the end in ways of their own. Ask for the size
            # to tell such a refusal from any other error.
            if byte_range is WHOLE:
                raise
            return self._read_nothing(path, if_not_equal, byte_range, now)

    def _read_nothing(
        self, path: str, if_not_equal: bytes, byte_range: ByteRange, now: float
    ) -> ReadResult:
        """Read an empty range, which obstore cannot, or find out that it is outside the value."""
        meta = self._obstore.head(self._store, path)
        stamp = _stamp(meta, now)
        if stamp.generation == if_not_equal:
            return ReadResult("unspecified", b"", stamp)
        start, stop = byte_range.bounds(meta["size"])
        if start < stop:
            found = self._obstore.get(self._store, path, options={"range": (start, stop)})
            return ReadResult("value", bytes(found.bytes()), _stamp(found.meta, now))
        return ReadResult("value", b"", stamp)

    def write(
        self, key: bytes, value: bytes | None, if_equal: bytes
    ) -> TimestampedStorageGeneration:
        """Store or delete a key.

        Raises:
            NotImplementedError: The store does not support the condition. None supports one on
                deleting.
        """
        path, now = _path(key), time.time()
        if value is None:
            return self._delete(path, if_equal, now)
        mode: Any = "overwrite"
        if if_equal == MISSING:
            mode = "create"
        elif if_equal:
            mode = {"e_tag": _etag(if_equal)}
        errors = self._obstore.exceptions
        try:
            # Parts of a large value would be put together without regard for a condition.
            meta = self._obstore.put(self._store, path, value, mode=mode, use_multipart=False)
        except (errors.AlreadyExistsError, errors.PreconditionError, FileNotFoundError):
            if not if_equal:
                raise
            return TimestampedStorageGeneration(b"", now)
        return _stamp(meta, now)

    def _delete(self, path: str, if_equal: bytes, now: float) -> TimestampedStorageGeneration:
        if if_equal:
            raise NotImplementedError(
                "object stores do not delete on condition; write without if_equal, or keep an "
                "empty value"
            )
        with suppress(FileNotFoundError):  # only some stores tell
            self._obstore.delete(self._store, path)
        return TimestampedStorageGeneration(MISSING, now)

    def delete_range(self, keys: KeyRange) -> None:
        """Delete all keys in a range."""
        paths = [key.decode() for key in self.list(keys)]
        for start in range(0, len(paths), 1000):
            self._obstore.delete(self._store, paths[start : start + 1000])

    def list(self, keys: KeyRange) -> Iterator[bytes]:
        """Yield all keys in a range."""
        if keys.empty:
            return
        prefix = keys._common_prefix().decode(errors="replace").partition("\ufffd")[0]
        # Prefixes are made of whole components there.
        folder = prefix.rpartition("/")[0]
        for batch in self._obstore.list(self._store, prefix=folder or None):
            for meta in batch:
                key = meta["path"].encode()
                if key in keys:
                    yield key


def _obstore() -> Any:
    try:
        return import_module("obstore")
    except ImportError as error:
        raise ImportError(
            'stores in s3, gcs, azure and http need obstore: pip install "virtchunk[obstore]"'
        ) from error


def _path(key: bytes) -> str:
    """Turn a key into a path that obstore does not change.

    Raises:
        ValueError: There is none.
    """
    try:
        path = key.decode()
    except UnicodeDecodeError:
        _refuse(key)
    if not path or any(part in {"", ".", ".."} for part in path.split("/")) or "\0" in path:
        _refuse(key)
    return path


def _refuse(key: bytes) -> NoReturn:
    raise ValueError(
        f"invalid key {key!r}: in an object store it must be UTF-8 without a NUL byte, and have no "
        'component that is empty, "." or ".."'
    )


def _etag(generation: bytes) -> str:
    return generation.decode("utf-8", "surrogateescape")


def _stamp(meta: Any, now: float) -> TimestampedStorageGeneration:
    """Return the stamp of what a server said.

    A server without ETags leaves the time of the last change. It need not differ between versions,
    but there is nothing better to go by.
    """
    tag = meta.get("e_tag") or f"{meta.get('last_modified', 'unknown')} {meta.get('size', '')}"
    return TimestampedStorageGeneration(tag, now)


def _range(byte_range: ByteRange) -> Any:
    if byte_range.start < 0:
        return {"suffix": -byte_range.start}
    if byte_range.stop is None:
        return {"offset": byte_range.start}
    return tuple(byte_range)


def _make(class_name: str, *arguments: Any, **keywords: Any) -> ObjectStoreDriver:
    _obstore()
    store_class = getattr(import_module("obstore.store"), class_name)
    given = {name: value for name, value in keywords.items() if value not in ("", {}, None)}
    return ObjectStoreDriver(store_class(*arguments, **given))


class _Bucket(Kind):
    """What stores with buckets have in common."""

    scheme: ClassVar[str]

    @classmethod
    def url(cls, members: dict[str, Any], path: str) -> str:
        return f"{cls.scheme}://{members['bucket']}/{encoded(path)}"

    @classmethod
    def from_url(cls, rest: str) -> dict[str, Any]:
        bucket, _, path = rest.partition("/")
        return {"bucket": bucket, "path": path}


@register
class _S3(_Bucket):
    name = "s3"
    scheme = "s3"
    members: ClassVar[Members] = {
        "bucket": (..., str),
        "endpoint": ("", str),
        "aws_region": ("", str),
    }

    @classmethod
    def open(cls, members: dict[str, Any], resources: dict[str, Any]) -> ObjectStoreDriver:
        endpoint: str = members["endpoint"]
        options = {"allow_http": True} if endpoint.startswith("http:") else {}
        return _make(
            "S3Store",
            members["bucket"],
            endpoint=endpoint,
            region=members["aws_region"],
            client_options=options,
        )


@register
class _Gcs(_Bucket):
    name = "gcs"
    schemes: ClassVar[tuple[str, ...]] = ("gs",)
    scheme = "gs"
    members: ClassVar[Members] = {"bucket": (..., str)}

    @classmethod
    def open(cls, members: dict[str, Any], resources: dict[str, Any]) -> ObjectStoreDriver:
        return _make("GCSStore", members["bucket"])


@register
class _Azure(Kind):
    name = "azure"
    members: ClassVar[Members] = {"container": (..., str), "account": ("", str)}

    @classmethod
    def open(cls, members: dict[str, Any], resources: dict[str, Any]) -> ObjectStoreDriver:
        return _make("AzureStore", members["container"], account_name=members["account"])

    @classmethod
    def url(cls, members: dict[str, Any], path: str) -> str:
        raise NotImplementedError('the driver "azure" has no URL')

    @classmethod
    def from_url(cls, rest: str) -> dict[str, Any]:
        raise ValueError('the driver "azure" has no URL; describe it by an object')


@register
class _Http(Kind):
    name = "http"
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    members: ClassVar[Members] = {"base_url": (..., str), "headers": ([], list)}

    @classmethod
    def parse(cls, json: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
        members, path = super().parse(json, path)
        scheme, separator, rest = members["base_url"].partition("://")
        if not separator or scheme not in cls.schemes:
            raise ValueError(f'"base_url" must begin with http:// or https://, got "{scheme}"')
        host, _, before = rest.partition("/")
        members["base_url"] = f"{scheme}://{host}"
        if before and path:
            before = before.removesuffix("/") + "/"
        return members, f"/{before}{path.removeprefix('/')}"

    @classmethod
    def check(cls, members: dict[str, Any], path: str) -> None:
        if not all(isinstance(header, str) and ":" in header for header in members["headers"]):
            raise ValueError('"headers" must be a list of strings "name: value"')

    @classmethod
    def open(cls, members: dict[str, Any], resources: dict[str, Any]) -> _HttpDriver:
        url: str = members["base_url"]
        pairs = (header.split(":", 1) for header in members["headers"])
        headers = {name.strip(): value.strip() for name, value in pairs}
        options: dict[str, Any] = {"allow_http": True} if url.startswith("http:") else {}
        if headers:
            options["default_headers"] = headers
        return _HttpDriver(_make("HTTPStore", url, client_options=options))

    @classmethod
    def url(cls, members: dict[str, Any], path: str) -> str:
        return f"{members['base_url']}{encoded(path)}"

    @classmethod
    def from_url(cls, rest: str) -> dict[str, Any]:
        host, slash, path = rest.partition("/")
        return {"base_url": host, "path": slash + path}


@final
class _HttpDriver:
    """Reads from an HTTP server. Paths begin with a slash here, as in the original."""

    __slots__ = ("_inner",)

    limiter = _requests

    def __init__(self, inner: ObjectStoreDriver) -> None:
        self._inner = inner

    def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        return self._inner.read(key.removeprefix(b"/"), if_not_equal, byte_range)

    def write(self, key: bytes, value: bytes | None, if_equal: bytes) -> NoReturn:
        self._refuse("writing")

    def delete_range(self, keys: KeyRange) -> NoReturn:
        self._refuse("deleting")

    def list(self, keys: KeyRange) -> NoReturn:
        self._refuse("listing")

    def _refuse(self, what: str) -> NoReturn:
        raise NotImplementedError(f"{what} is not supported by the HTTP driver")
