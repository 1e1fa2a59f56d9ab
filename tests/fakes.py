"""A fake of what stands behind a virtual view: an array, and callbacks that can be watched.

`FakeBackend` records each call, counts how many run at once, waits where a test says so, fails on
demand and, if asked to, gives every chunk a version. Its callbacks come in every style that a user
may write them in (`STYLES`); what they do is the same.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import attrs
import numpy as np

import virtchunk as ts
from virtchunk._schema.generation import TimestampedStorageGeneration

__all__ = [
    "ASYNC_STYLES",
    "STYLES",
    "THREAD_STYLES",
    "Call",
    "FakeBackend",
    "Style",
    "awaited",
    "followers",
    "idle",
    "until",
    "until_blocking",
]

Array: TypeAlias = np.ndarray[Any, Any]
Key: TypeAlias = tuple[int, ...]
Style: TypeAlias = str

ASYNC_STYLES = ("async", "async one", "async many", "method", "partial", "callable")
"""Coroutine functions: they differ in how often they suspend and in what kind of callable it is."""
THREAD_STYLES = ("sync", "coroutine", "awaitable", "future", "thread future")
"""Plain functions, called in threads, which differ in what they return."""
STYLES = ASYNC_STYLES + THREAD_STYLES

_SUSPENSIONS = {"async": 0, "async one": 1, "async many": 3}


@attrs.frozen
class Call:
    """One call of a callback."""

    role: str
    """``"read"`` or ``"write"``."""
    domain: ts.IndexDomain
    params: Any
    array: Array
    """What the callback was given: its memory is not the test's."""
    thread: int

    @property
    def key(self) -> Key:
        return self.domain.inclusive_min


class FakeBackend:
    """An array that is read and written by callbacks.

    Args:
        array: The content.
        origin: The coordinates of its first element.
        versioned: Whether callbacks return stamps, and honour the generations they are given.
    """

    def __init__(self, array: Array, origin: Key | None = None, *, versioned: bool = False) -> None:
        self.array = array
        self.origin = (0,) * array.ndim if origin is None else origin
        self.versioned = versioned
        self.generations: dict[Key, int] = {}
        self.clock: Callable[[], float] = lambda: 0.0
        """What stamps say."""
        self.calls: list[Call] = []
        self.failures: dict[tuple[str, Key], BaseException] = {}
        """Raised instead of reading or writing a chunk, before anything is done; for the role
        ``"write done"``, after it was stored."""
        self.results: dict[str, Any] = {}
        """Returned for a role instead of what is right."""
        self.before: Callable[[Call], object] | None = None
        """Called at the beginning of each call, wherever the call is."""
        self.hold: Callable[[Call], Awaitable[object]] | None = None
        """Awaited by each async call, after it has begun."""
        self.running = 0
        self.most_running = 0
        self._lock = threading.Lock()

    # -- what happened -------------------------------------------------------------------------

    def reads(self) -> list[Key]:
        """The chunks that were read, in order."""
        return [call.key for call in self.calls if call.role == "read"]

    def writes(self) -> list[Key]:
        """The chunks that were written, in order."""
        return [call.key for call in self.calls if call.role == "write"]

    # -- making views --------------------------------------------------------------------------

    def view(
        self,
        chunk: Key | None = None,
        style: Style = "sync",
        *,
        mode: str = "rw",
        write_style: Style | None = None,
        **options: Any,
    ) -> ts.TensorStore:
        """Open a view of the array."""
        if chunk is not None:
            options["chunk_layout"] = ts.ChunkLayout(read_chunk_shape=chunk)
        domain = ts.IndexDomain(inclusive_min=self.origin, shape=self.array.shape)
        return ts.virtual_chunked(
            self.callback("read", style) if "r" in mode else None,
            self.callback("write", write_style or style) if "w" in mode else None,
            dtype=self.array.dtype,
            domain=domain,
            **options,
        )

    def callback(self, role: str, style: Style) -> Any:
        """Return a callback of a style."""
        make = {
            "sync": self._sync,
            "coroutine": self._returning_coroutine,
            "awaitable": self._returning_awaitable,
            "future": self._returning_future,
            "thread future": self._returning_thread_future,
            "method": self._method,
            "partial": self._partial,
            "callable": self._callable,
        }.get(style)
        return self._async(role, _SUSPENSIONS[style]) if make is None else make(role)

    # -- styles --------------------------------------------------------------------------------

    def _sync(self, role: str) -> Any:
        def callback(domain: ts.IndexDomain, array: Array, params: Any) -> Any:
            with self._call(role, domain, array, params):
                return self._do(role, domain, array, params)

        return callback

    def _async(self, role: str, suspensions: int) -> Any:
        async def callback(domain: ts.IndexDomain, array: Array, params: Any) -> Any:
            with self._call(role, domain, array, params) as call:
                if self.hold is not None:
                    await self.hold(call)
                for _ in range(suspensions):
                    await anyio.lowlevel.checkpoint()
                return self._do(role, domain, array, params)

        return callback

    def _method(self, role: str) -> Any:
        return _Methods(self._async(role, 1)).method

    def _partial(self, role: str) -> Any:
        callback = self._async(role, 1)

        async def reordered(extra: str, *arguments: Any) -> Any:
            assert extra == "extra"
            return await callback(*arguments)

        return partial(reordered, "extra")

    def _callable(self, role: str) -> Any:
        return _Callable(self._async(role, 1))

    def _returning_coroutine(self, role: str) -> Any:
        callback = self._async(role, 1)
        return lambda *arguments: callback(*arguments)

    def _returning_awaitable(self, role: str) -> Any:
        callback = self._async(role, 1)
        return lambda *arguments: _Awaitable(lambda: callback(*arguments))

    def _returning_future(self, role: str) -> Any:
        callback = self._sync(role)

        def returning(*arguments: Any) -> ts.Future[Any]:
            promise, future = ts.Promise[Any].new()
            try:
                promise.set_result(callback(*arguments))
            except BaseException as error:
                promise.set_exception(error)
            return future

        return returning

    def _returning_thread_future(self, role: str) -> Any:
        callback = self._sync(role)

        def returning(*arguments: Any) -> futures.Future[Any]:
            future: futures.Future[Any] = futures.Future()
            try:
                future.set_result(callback(*arguments))
            except BaseException as error:
                future.set_exception(error)
            return future

        return returning

    # -- what all of them do -------------------------------------------------------------------

    @contextmanager
    def _call(self, role: str, domain: ts.IndexDomain, array: Array, params: Any) -> Iterator[Call]:
        call = Call(role, domain, params, array, threading.get_ident())
        with self._lock:
            self.calls.append(call)
            self.running += 1
            self.most_running = max(self.running, self.most_running)
        try:
            if self.before is not None:
                self.before(call)
            error = self.failures.get((role, call.key))
            if error is not None:
                raise error
            yield call
        finally:
            with self._lock:
                self.running -= 1

    def _do(self, role: str, domain: ts.IndexDomain, array: Array, params: Any) -> Any:
        place: Array = self.array[(*self._index(domain), ...)]  # type: ignore[arg-type]
        key = domain.inclusive_min
        with self._lock:
            current = b"v%d" % self.generations.get(key, 0)
            if role == "read":
                if self.versioned and params.if_not_equal == current:
                    return self._stamp(b"")
                array[...] = place
            else:
                if self.versioned and params.if_equal not in {b"", current}:
                    return self._stamp(b"")
                place[...] = array
                self.generations[key] = self.generations.get(key, 0) + 1
                current = b"v%d" % self.generations[key]
                if ("write done", key) in self.failures:
                    raise self.failures["write done", key]
            if role in self.results:
                return self.results[role]
            return self._stamp(current) if self.versioned else None

    def store(self, key: Key, shape: Key, value: Any) -> None:
        """Change a chunk behind the view's back, as another process would."""
        index = tuple(
            slice(k - low, k - low + n) for k, low, n in zip(key, self.origin, shape, strict=True)
        )
        with self._lock:
            self.array[index] = value
            self.generations[key] = self.generations.get(key, 0) + 1

    def _stamp(self, generation: bytes) -> Any:
        return TimestampedStorageGeneration(generation, self.clock())

    def _index(self, domain: ts.IndexDomain) -> tuple[slice, ...]:
        return tuple(
            slice(a - low, b - low)
            for a, b, low in zip(
                domain.inclusive_min, domain.exclusive_max, self.origin, strict=True
            )
        )


class _Methods:
    def __init__(self, callback: Any) -> None:
        self.callback = callback

    async def method(self, domain: Any, array: Any, params: Any) -> Any:
        return await self.callback(domain, array, params)


class _Callable:
    def __init__(self, callback: Any) -> None:
        self.callback = callback

    async def __call__(self, domain: Any, array: Any, params: Any) -> Any:
        return await self.callback(domain, array, params)


class _Awaitable:
    """An awaitable that is neither a coroutine nor a future of anybody's."""

    def __init__(self, make: Callable[[], Awaitable[Any]]) -> None:
        self.make = make

    def __await__(self) -> Any:
        return self.make().__await__()


def idle(*views: ts.TensorStore) -> bool:
    """Say whether nothing of any operation on the views is left: no token, claim or follower."""
    for view in views:
        source: Any = view._driver.source  # type: ignore[attr-defined]
        for limiter in (source.data_copy, source.callbacks):
            statistics = limiter.statistics()
            if statistics.borrowed_tokens or statistics.waiting:
                return False
        if len(source.reads) or len(source.writes):
            return False
    return True


def followers(view: ts.TensorStore) -> int:
    """How many wait for somebody else's chunk."""
    source: Any = view._driver.source  # type: ignore[attr-defined]
    claims = [source.reads, source.writes]
    leaders = {worker for each in claims for worker in list(each.workers.values())}
    return sum(
        len(queue.members) for leader in leaders for queue in list(leader.followers.values())
    )


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something that a thread brings about has happened.

    For what no event tells: that a thread has got as far as waiting.
    """
    while not condition():  # noqa: ASYNC110 - threads set no event of the loop
        await anyio.sleep(0.001)


def until_blocking(condition: Callable[[], bool]) -> None:
    """Do the same outside of event loops."""
    while not condition():
        threading.Event().wait(0.001)


async def awaited(awaitable: Awaitable[Any]) -> Any:
    """Await something, where an async function is wanted."""
    return await awaitable
