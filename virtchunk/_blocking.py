"""Waiting for views in threads of other libraries, where no event loop runs async callbacks.

A blocking read of a view with async callbacks needs an event loop in another thread. Workers of
dask have none; and where a notebook made the view in its own loop, that loop stands still while the
notebook waits for the workers. So the operation runs in an event loop that is there as long as
somebody waits like this, one for all of them, in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from anyio.from_thread import BlockingPortalProvider

from virtchunk._control import NoLoopError
from virtchunk._fork import call_in_child

if TYPE_CHECKING:
    from virtchunk._future import Future
    from virtchunk._store import TensorStore

__all__ = ("Backend", "wait_for")

T = TypeVar("T")
Backend: TypeAlias = Literal["asyncio", "trio"]
"""Which kind of event loop runs async callbacks where there is none."""

_portals: dict[str, BlockingPortalProvider] = {}

call_in_child(_portals.clear)


def wait_for(view: TensorStore, start: Callable[[], Future[T]], backend: Backend) -> T:
    """Block for the result of an operation on a view, in any thread.

    Synchronous callbacks run here, async ones in the loop that the user passed as ``loop=``, or
    else in the one of this module.

    Args:
        view: What is read or written.
        start: Makes the future of its operation. It may be called twice.
        backend: The kind of event loop.
    """
    if not _may_need_loop(view):
        try:
            return start().result()
        except NoLoopError:  # a synchronous callback wants to wait for async ones
            pass
    portals = _portals.setdefault(backend, BlockingPortalProvider(backend))
    with portals as portal:
        waiting = portal.start_task_soon(_await, start())
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise


def _may_need_loop(view: TensorStore) -> bool:
    driver: Any = view._driver
    if driver.instant:
        return False
    source = getattr(driver, "source", None)
    if source is None:  # what is below a view of views is not looked into
        return True
    return source.loop is None and (source.read_is_async or source.write_is_async)


async def _await(future: Future[T]) -> T:
    return await future
