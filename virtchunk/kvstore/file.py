"""The ``file`` driver: a value is a file, whose path is the store's path and the key.

A value is never half there. It is written to a temporary file beside its place, brought to the
disk, and renamed into place; the directory is brought to the disk as well. A process that is killed
before the renaming leaves the old value, and a temporary file that nobody lists and `delete_range`
removes.

Versions. A generation is made of the file's device, inode, modification time and size. That alone
could repeat itself: file systems give an inode to the next file as soon as it is free, and their
clocks stand still for milliseconds. So the modification time is set by us, in nanoseconds, and
always to later than that of the value that is replaced. Hence all versions of a key that come from
here differ, as long as it is not deleted; and a deleted one would have to come back in the same
nanosecond, with the same inode and size, by a clock that was set back. Other programs that replace
a file (as opposed to writing into it) change its inode or its time, too.

Conditions. Who compares and renames holds a lock (``flock``) of the *directory*, and does both
relative to the very directory that is locked, so that it does not matter whether that has been
moved or removed. There is no lock file that could be left behind, and the kernel lets go of the
lock of a process that is killed. Where there is no ``flock`` (Windows), a lock inside of the
process stands in for it: then conditions are safe within one process.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, ClassVar, Final, NoReturn, TypeVar, final

from virtchunk._schema.generation import TimestampedStorageGeneration
from virtchunk.kvstore._kinds import Kind, Members, register
from virtchunk.kvstore._url import encoded
from virtchunk.kvstore.values import MISSING, ByteRange, KeyRange, ReadResult

__all__ = ("FileDriver",)

T = TypeVar("T")

fcntl: Any = import_module("fcntl") if os.name == "posix" else None

LOCK_SUFFIX: Final = b".__lock"
"""What the names of temporary files end with, and those of keys must not; as in the original."""

_OWN_TEMPORARY: Final = re.compile(rb"[0-9a-f]{16}\.__lock")


def _flags(names: str) -> int:
    """Combine flags of ``os.open``, as far as the system has them."""
    return sum(getattr(os, f"O_{name}", 0) for name in names.split())


_READING: Final = _flags("RDONLY CLOEXEC BINARY NONBLOCK")  # of pipes, too: they are no values
_CREATING: Final = _flags("WRONLY CREAT EXCL CLOEXEC BINARY")
_LOCKING: Final = _flags("RDWR CLOEXEC")
_DIRECTORY: Final = _flags("RDONLY CLOEXEC DIRECTORY")

_TRIES: Final = 100
"""How often a directory may be removed while we write into it."""

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR})
_UNUSABLE: Final = frozenset({errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ENOTEMPTY})
_AT_FD: Final = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd

_one_at_a_time = threading.Lock()  # only where there is no flock


@final
class FileDriver:
    """Keeps values in files; see `virtchunk.kvstore.Driver`.

    Args:
        sync: Whether a value is on the disk, and not just in the system's memory, when a write
            returns.
    """

    __slots__ = ("_sync", "short")

    def __init__(self, sync: bool = True) -> None:
        self._sync = sync
        self.short: frozenset[str] = frozenset({"read"} if sync else {"read", "write"})

    def __repr__(self) -> str:
        return f"FileDriver(sync={self._sync})"

    def read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> ReadResult:
        """Read a key."""
        _check_key(key)
        now = time.time()
        try:
            file = os.open(key, _READING)
        except OSError as error:
            if error.errno in _ABSENT | {errno.EISDIR}:
                return _missing(now)
            _refuse(error, key)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                return _missing(now)
            generation = _generation(status)
            if generation == if_not_equal:
                return ReadResult._trusted("unspecified", b"", generation, now)
            start, stop = byte_range.bounds(status.st_size)
            return ReadResult._trusted("value", _read_all(file, start, stop), generation, now)
        finally:
            os.close(file)

    def write(
        self, key: bytes, value: bytes | None, if_equal: bytes
    ) -> TimestampedStorageGeneration:
        """Store or delete a key."""
        _check_key(key)
        folder, name = os.path.split(key)
        try:
            if value is None:
                return self._delete(folder, name, if_equal)
            # Emptied directories may be removed at any time, even before our file is in them.
            return _until_found(lambda: self._store(folder, name, value, if_equal))
        except OSError as error:
            _refuse(error, key)

    def _store(
        self, folder: bytes, name: bytes, value: bytes, if_equal: bytes
    ) -> TimestampedStorageGeneration:
        with _directory(folder, create=True, sync=self._sync) as place:
            temporary = secrets.token_hex(8).encode() + LOCK_SUFFIX
            file = place.create(temporary)
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX)  # says that this file has an owner
                _write_all(file, value)
                if self._sync:
                    os.fsync(file)
                with place.locked():
                    now = time.time()
                    before = place.status(name)
                    if if_equal and if_equal != _generation_or_missing(before):
                        return TimestampedStorageGeneration(b"", now)
                    generation = _generation(_made_later(file, before))
                    place.rename(temporary, name)
                    temporary = b""
                if self._sync:
                    place.sync()
                return TimestampedStorageGeneration(generation, now)
            finally:
                os.close(file)
                if temporary:
                    with suppress(FileNotFoundError):
                        place.unlink(temporary)

    def _delete(self, folder: bytes, name: bytes, if_equal: bytes) -> TimestampedStorageGeneration:
        now = time.time()
        try:
            with _directory(folder) as place, place.locked():
                now = time.time()
                before = place.status(name)
                if if_equal and if_equal != _generation_or_missing(before):
                    return TimestampedStorageGeneration(b"", now)
                if before is not None:
                    place.unlink(name)
                    if self._sync:
                        place.sync()
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            if if_equal not in {b"", MISSING}:
                return TimestampedStorageGeneration(b"", now)
        return TimestampedStorageGeneration(MISSING, now)

    def delete_range(self, keys: KeyRange) -> None:
        """Delete all keys in a range, and the directories that this empties."""
        top = _top(keys)
        folders = []
        for folder, names in _walk(top, keys):
            if folder != top and _covers(keys, folder):
                folders.append(folder)
            for name in names:
                if name.endswith(LOCK_SUFFIX):
                    if _covers(keys, folder) and _OWN_TEMPORARY.fullmatch(name):
                        _remove_orphan(folder + name)
                elif folder + name in keys:
                    self._delete(*os.path.split(folder + name), b"")
        for folder in reversed(folders):
            with suppress(OSError):  # somebody has put something there again
                os.rmdir(folder)

    def list(self, keys: KeyRange) -> Iterator[bytes]:
        """Yield all keys in a range."""
        for folder, names in _walk(_top(keys), keys):
            for name in names:
                if not name.endswith(LOCK_SUFFIX) and folder + name in keys:
                    yield folder + name


# -- keys ------------------------------------------------------------------------------------------


def _check_key(key: bytes) -> None:
    """Check that a path names a file, and no other than it seems to.

    Raises:
        ValueError: If it has a component that is empty, ``.`` or ``..``, ends with the suffix of
            temporary files, or has a NUL byte.
    """
    parts = key.removeprefix(b"/").split(b"/")
    wrong = next((part for part in parts if part in _FORBIDDEN or part.endswith(LOCK_SUFFIX)), None)
    if wrong is not None or b"\0" in key or _escapes(key):
        raise ValueError(
            f"invalid key {key!r}: a path of the file driver must have no component that is empty, "
            '".", ".." or ends with ".__lock", and no NUL byte'
        )


_FORBIDDEN: Final = frozenset({b"", b".", b".."})


def _escapes(key: bytes) -> bool:
    """Say whether Windows understands a path in another way."""
    return os.name == "nt" and (b"\\" in key or b":" in key[2:])


def _top(range_: KeyRange) -> bytes:
    """Return the directory that all keys of a range are below; it ends with ``/`` or is empty."""
    prefix = range_._common_prefix()
    return prefix[: prefix.rfind(b"/") + 1]


def _covers(range_: KeyRange, folder: bytes) -> bool:
    """Say whether all that could be in a directory is in the range."""
    return folder in range_ and folder[:-1] + b"/\xff\xff" in range_


def _touches(range_: KeyRange, folder: bytes) -> bool:
    lower, upper = range_.inclusive_min, range_.exclusive_max
    return (not upper or folder < upper) and (folder >= lower or lower.startswith(folder))


def _walk(folder: bytes, range_: KeyRange) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield directories from the top down, with the files in them; never follow a link to one."""
    if range_.empty:
        return
    names, below = [], []
    try:
        with os.scandir(folder or b".") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    below.append(folder + entry.name + b"/")
                elif entry.is_file():
                    names.append(entry.name)
    except OSError as error:
        if error.errno in _ABSENT:
            return
        raise
    yield folder, names
    for inner in below:
        if _touches(range_, inner):
            yield from _walk(inner, range_)


# -- files -----------------------------------------------------------------------------------------


def _missing(now: float) -> ReadResult:
    return ReadResult._trusted("missing", b"", MISSING, now)


def _generation(status: os.stat_result) -> bytes:
    fields = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    return b"\0" + b"".join(field.to_bytes(8, "big", signed=True) for field in _signed(fields))


def _signed(fields: tuple[int, ...]) -> Iterator[int]:
    """Bring numbers into the range of 64 bits with a sign; only Windows has larger ones."""
    for field in fields:
        yield (field + 2**63) % 2**64 - 2**63


def _generation_or_missing(status: os.stat_result | None) -> bytes:
    return MISSING if status is None else _generation(status)


def _made_later(file: int, before: os.stat_result | None) -> os.stat_result:
    """Set a file's time to now, but in any case to later than that of another one."""
    wanted, step = time.time_ns(), 1
    while True:
        if before is not None:
            wanted = max(wanted, before.st_mtime_ns + step)
        os.utime(file, ns=(wanted, wanted))
        status = os.fstat(file)
        if before is None or status.st_mtime_ns > before.st_mtime_ns:
            return status
        step *= 1000  # the file system's time is coarser


def _read_all(file: int, start: int, stop: int) -> bytes:
    if start:
        os.lseek(file, start, os.SEEK_SET)
    parts = []
    left = stop - start
    while left:
        part = os.read(file, min(left, 1 << 30))
        if not part:
            raise ValueError("the file was shortened by another program while it was read")
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _write_all(file: int, value: bytes) -> None:
    view = memoryview(value)
    while view:
        view = view[os.write(file, view) :]


def _remove_orphan(path: bytes) -> None:
    """Remove a temporary file whose owner is gone."""
    if fcntl is None:
        return
    with suppress(OSError):
        file = os.open(path, _LOCKING)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            os.close(file)


def _refuse(error: OSError, key: bytes) -> NoReturn:
    """Raise an error of the system: as `ValueError` if it is the key that cannot be."""
    if error.errno in _UNUSABLE:
        raise ValueError(
            f"the file driver cannot have the key {key!r}: {error.strerror}"
        ) from error
    raise error


def _until_found(function: Callable[[], T]) -> T:
    """Try again when a directory was removed under our feet."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return function()
    return function()


# -- directories -----------------------------------------------------------------------------------


class _Directory:
    """An open directory, and what is done in it."""

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.fd: int | None = None
        if _AT_FD:
            self.fd = os.open(path or b".", _DIRECTORY)

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)

    def _at(self, name: bytes) -> bytes:
        return name if self.fd is not None else os.path.join(self.path, name)

    def create(self, name: bytes) -> int:
        return os.open(self._at(name), _CREATING, 0o666, dir_fd=self.fd)

    def status(self, name: bytes) -> os.stat_result | None:
        """Return the status of a file, or None if there is none."""
        try:
            status = os.stat(self._at(name), dir_fd=self.fd)
        except FileNotFoundError:
            return None
        return None if stat.S_ISDIR(status.st_mode) else status

    def rename(self, old: bytes, new: bytes) -> None:
        if self.fd is not None:
            os.rename(old, new, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        else:
            os.replace(self._at(old), self._at(new))

    def unlink(self, name: bytes) -> None:
        os.unlink(self._at(name), dir_fd=self.fd)

    def sync(self) -> None:
        """Bring names to the disk."""
        if self.fd is not None:
            os.fsync(self.fd)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all others who would compare and change out of the directory, in any process."""
        if fcntl is None or self.fd is None:
            with _one_at_a_time:
                yield
            return
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)


@contextmanager
def _directory(path: bytes, *, create: bool = False, sync: bool = False) -> Iterator[_Directory]:
    try:
        place = _Directory(path)
    except FileNotFoundError:
        if not create:
            raise
        _create(path, sync)
        place = _Directory(path)
    try:
        yield place
    finally:
        place.close()


def _create(path: bytes, sync: bool) -> None:
    """Make a directory and those above it, and bring their names to the disk."""
    above = os.path.dirname(path)
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        if not above or above == path:
            raise
        _create(above, sync)
        with suppress(FileExistsError):
            os.mkdir(path)
    if sync:
        with _directory(above) as place:
            place.sync()


@register
class _File(Kind):
    name = "file"
    resource_kinds: ClassVar[tuple[str, ...]] = ("file_io_concurrency",)
    members: ClassVar[Members] = {
        "file_io_sync": (True, bool),
        # Read as the original's defaults; there is nothing to choose here.
        **dict.fromkeys(("file_io_locking", "file_io_mode", "file_io_retries"), ({}, dict)),
    }

    @classmethod
    def check(cls, members: dict[str, Any], path: str) -> None:
        chosen = [name for name, value in members.items() if isinstance(value, dict) and value]
        if chosen:
            raise ValueError(f'"{chosen[0]}" of the driver "file" must be absent or {{}}')
        parts = path.removeprefix("/").removesuffix("/").split("/")
        if path not in {"", "/"} and any(part in {"", ".", ".."} for part in parts):
            raise ValueError(
                f'invalid path "{path}": it must have no component that is empty, "." or ".."'
            )

    @classmethod
    def open(cls, members: dict[str, Any], resources: dict[str, Any]) -> FileDriver:
        return FileDriver(members["file_io_sync"])

    @classmethod
    def url(cls, members: dict[str, Any], path: str) -> str:
        if not path.startswith("/"):
            raise ValueError(f'a file URL needs an absolute path, got "{path}"')
        return f"file://{encoded(path)}"

    @classmethod
    def from_url(cls, rest: str) -> dict[str, Any]:
        if not rest.startswith("/"):
            raise ValueError(
                f'a file URL has no host: "file:///{rest}" is a path, got "file://{rest}"'
            )
        return {"path": rest}
