"""Waiting for views in threads of other libraries, where no event loop runs async callbacks.

A blocking read of a view with async callbacks needs an event loop in another thread. Workers of
dask have none; and where a notebook made the view in its own loop, that loop stands still while the
notebook waits for the workers. So such operations run in an event loop of this module's: one for
the whole process, in a daemon thread that is started when it is first needed and stays, so that
what callbacks keep open in it, such as connections, can be used again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import anyio
from anyio.lowlevel import EventLoopToken, current_token

from virtchunk._bridge import run_in_loop
from virtchunk._control import NoLoopError
from virtchunk._fork import call_in_child

if TYPE_CHECKING:
    from virtchunk._future import Future
    from virtchunk._store import TensorStore

__all__ = ("Backend", "check_backend", "wait_for")

T = TypeVar("T")
Backend: TypeAlias = Literal["asyncio", "trio"]
"""Which kind of event loop runs async callbacks where there is none."""

_loops: dict[Backend, EventLoopToken] = {}
_starting = threading.Lock()


def _after_fork() -> None:
    global _starting
    _starting = threading.Lock()
    _loops.clear()


call_in_child(_after_fork)


def check_backend(backend: str) -> None:
    """Check that there is a kind of event loop.

    Raises:
        ValueError: There is none of that name, or it is not installed.
    """
    available = anyio.get_available_backends()
    if backend not in available:
        raise ValueError(
            f"backend must be the name of an event loop that is installed: {', '.join(available)}; "
            f"got {backend!r}"
        )


def wait_for(view: TensorStore, start: Callable[[], Future[T]], backend: Backend) -> T:
    """Block for the result of an operation on a view, in any thread.

    Synchronous callbacks run here, async ones in the loop that the user passed as ``loop=``, or
    else in the one of this module.

    Args:
        view: What is read or written.
        start: Makes the future of its operation. It may be called twice.
        backend: The kind of event loop.

    Raises:
        RuntimeError: If called in the very loop that would have to run async callbacks.
    """
    if not _may_need_loop(view):
        try:
            return start().result()
        except NoLoopError:  # a synchronous callback wants to wait for async ones
            pass
    return run_in_loop(_loop(backend), start)


def _may_need_loop(view: TensorStore) -> bool:
    driver: Any = view._driver
    if driver.instant:
        return False
    source = getattr(driver, "source", None)
    if source is None:  # what is below a view of views is not looked into
        return True
    return source.loop is None and (source.read_is_async or source.write_is_async)


def _loop(backend: Backend) -> EventLoopToken:
    """Return the loop of a kind; it is started if it is not there yet."""
    with _starting:
        if backend not in _loops:
            check_backend(backend)
            ready = threading.Event()
            threading.Thread(
                target=anyio.run,
                args=(_stay, backend, ready),
                kwargs={"backend": backend},
                name=f"virtchunk {backend} loop",
                daemon=True,
            ).start()
            ready.wait()
        return _loops[backend]


async def _stay(backend: Backend, ready: threading.Event) -> None:
    _loops[backend] = current_token()
    ready.set()
    await anyio.sleep_forever()
