"""`Batch`: reads that are declared one by one and run together.

A read with a batch is a *member* of it. Nothing of it happens before the batch is submitted. After
that, whoever waits for one member runs all that have not been run, concurrently and inside that
very call; whoever leaves the ``with`` block does the same. So a batch has no life of its own: what
runs, runs inside somebody's call, and has ended when that call returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, final

import anyio

from virtchunk._control import Control, NotHere
from virtchunk._future import Future, NotStarted, Operation
from virtchunk._loop import running_loop

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Batch", "check_batch", "join")

T = TypeVar("T")

_MOST_THREADS = 16
"""Threads in which a blocking call runs members at once; callbacks have limits of their own."""


@final
class Batch:
    """Groups reads, so that they run at the same time and share what they have in common.

    Reads of one key of a `KvStore` become one request to its driver where their byte ranges touch
    or nearly do; reads of views run concurrently, and their callbacks can pass the batch on
    (``params.batch``) to what they read.

    As a context manager it is submitted at the end of the block. ``async with`` then runs all
    members and waits for them, as does ``with`` in code without an event loop; ``with`` in async
    code only submits. Errors stay in the futures of the members. If the block raises, members that
    have not been run are cancelled.

    Waiting for a member runs all of them. So members should be waited for only after `submit`, or
    else `RuntimeError` is raised (the original waits for ever); nothing is lost by that.

    Example:
        >>> store = ts.KvStore.open("memory://").result()
        >>> store["tiles"] = b"abcdef"
        >>> with ts.Batch() as batch:
        ...     head = store.read("tiles", byte_range=slice(0, 2), batch=batch)
        ...     tail = store.read("tiles", byte_range=slice(-2, None), batch=batch)
        >>> head.result().value, tail.result().value
        (b'ab', b'ef')
    """

    __slots__ = ("__weakref__", "_leading", "_lock", "_members", "_running", "_submitted", "shared")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: dict[_Member[Any], Future[Any]] = {}
        self._submitted = False
        self._leading = False  # whether somebody is running all members just now
        self._running = 0  # members that run: their callbacks may add further ones
        self.shared: dict[Any, Any] = {}
        """What members have in common, for those who make members."""

    def __repr__(self) -> str:
        state = "submitted" if self._submitted else "open"
        return f"<virtchunk.Batch: {state}, operations={len(self._members)}>"

    def submit(self) -> None:
        """Permit the members to run. There can be no new ones, save from callbacks of these.

        Raises:
            ValueError: The batch has been submitted already.
        """
        if self._submitted:
            raise ValueError("batch was already submitted; make a new Batch for further reads")
        self._submitted = True

    def _add(self, operation: Operation[T]) -> Future[T]:
        """Make a member of an operation, and return its future.

        Raises:
            ValueError: If the batch has been submitted, and this is no callback of its members.
        """
        with self._lock:
            if self._submitted and not self._running:
                raise ValueError("batch was already submitted; make a new Batch for further reads")
            member = _Member(operation, self)
            future: Future[T] = Future._of(member)
            self._members[member] = future
        return future

    # -- running all members ------------------------------------------------------------------

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._cancel()
        self._submitted = True
        if error is None and running_loop() is None:
            self._run_all_blocking(None, Control())

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._cancel()
        self._submitted = True
        if error is None:
            await self._run_all(None)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Batch cannot be pickled or copied")

    def _cancel(self) -> None:
        for future in self._pending(None):
            future.cancel()

    def _pending(self, leader: _Member[Any] | None) -> list[Future[Any]]:
        """Return the futures of the members that are still to be run, without the leader's.

        Those that somebody runs just now are left out: the leader may be run by a callback of one.
        """
        with self._lock:
            for member in [member for member, future in self._members.items() if future.done()]:
                del self._members[member]
            return [
                future
                for member, future in self._members.items()
                if member is not leader and future._idle()
            ]

    def _lead(self, leader: _Member[Any] | None) -> list[Future[Any]]:
        """Become the one who runs all members, if nobody is; return what is to be run besides."""
        with self._lock:
            if self._leading:
                return []
            self._leading = True
        others = self._pending(leader)
        if not others:
            self._leading = False
        return others

    async def _run_all(self, leader: _Member[T] | None) -> T | None:
        """Run the leader's operation and all others, each in a task."""
        others = self._lead(leader)
        if not others:
            return await self._run_one(leader)
        outcome: list[Any] = []
        failure: Exception | None = None
        try:
            async with anyio.create_task_group() as group:
                for future in others:
                    group.start_soon(_quietly, future)
                try:
                    outcome.append(await self._run_one(leader))
                except Exception as error:
                    failure = error
        finally:
            self._leading = False
        if failure is not None:
            raise failure
        value: T | None = outcome[0]
        return value

    async def _run_one(self, member: _Member[T] | None) -> T | None:
        if member is None:
            await anyio.lowlevel.checkpoint()
            return None
        with self._lock:
            self._running += 1
        try:
            return await member.operation.run()
        finally:
            with self._lock:
                self._running -= 1

    def _run_all_blocking(self, leader: _Member[T] | None, control: Control) -> T | None:
        """Do the same, in threads; one after the other in the thread of an event loop."""
        others = self._lead(leader)
        if not others:
            return self._run_one_blocking(leader, control)
        try:
            if running_loop() is not None:
                # Threads would need this loop for async callbacks, and wait for it in vain.
                value = self._run_one_blocking(leader, control)
                _finish_all(others, control)
                return value
            threads = [
                threading.Thread(
                    target=copy_context().run, args=(_finish_all, others, control), daemon=True
                )
                for _ in range(min(len(others), _MOST_THREADS))
            ]
            return _with_threads(
                threads, others, lambda: self._run_one_blocking(leader, control), control
            )
        finally:
            self._leading = False

    def _run_one_blocking(self, member: _Member[T] | None, control: Control) -> T | None:
        if member is None:
            return None
        with self._lock:
            self._running += 1
        try:
            return member.operation.run_blocking(control)
        finally:
            with self._lock:
                self._running -= 1


@final
class _Member(Generic[T]):
    """An operation of a batch; running it runs the others too."""

    __slots__ = ("batch", "operation")

    def __init__(self, operation: Operation[T], batch: Batch) -> None:
        self.operation = operation
        self.batch = batch

    def describe(self) -> str:
        return self.operation.describe()

    def _check(self) -> None:
        if not self.batch._submitted:
            raise NotStarted(
                f"{self.describe()} belongs to a batch that has not been submitted: leave its "
                "`with` block, or call `batch.submit()`, before waiting for it",
                self,
            )

    def run_blocking(self, control: Control) -> T:
        self._check()
        value: Any = self.batch._run_all_blocking(self, control)
        return value  # type: ignore[no-any-return]

    async def run(self) -> T:
        self._check()
        value: Any = await self.batch._run_all(self)
        return value  # type: ignore[no-any-return]


def check_batch(batch: object) -> Batch | None:
    """Check an argument ``batch``.

    Raises:
        TypeError: It is neither a `Batch` nor None.
    """
    if batch is None or isinstance(batch, Batch):
        return batch
    raise TypeError(f"batch must be a Batch or None, got {batch!r}")


def join(batch: Batch | None, operation: Operation[T]) -> Future[T]:
    """Return the future of an operation, which is a member of the batch if there is one.

    Raises:
        ValueError: If the batch has been submitted already.
    """
    return Future._of(operation) if batch is None else batch._add(operation)


async def _quietly(future: Future[Any]) -> None:
    try:
        await future
    except Exception:  # it stays in the future
        pass
    except BaseException:
        if not future.cancelled():
            raise


def _finish_all(futures: list[Future[Any]], control: Control) -> None:
    """Run members until none are left; thread-safe, for each claims its run."""
    while futures:
        try:
            future = futures.pop()
        except IndexError:  # another thread took the last one
            return
        with suppress(TimeoutError, NotHere):  # it can be run again, elsewhere perhaps
            future._finish(control.deadline)


def _with_threads(
    threads: list[threading.Thread],
    futures: list[Future[Any]],
    function: Callable[[], T],
    control: Control,
) -> T:
    """Call a function while the threads work; whatever happens, they have ended afterwards."""
    running = list(futures)
    try:
        for thread in threads:
            thread.start()
        value = function()
        for thread in threads:
            _join(thread, control)
        return value
    except (KeyboardInterrupt, TimeoutError):
        futures.clear()
        for future in running:
            future.cancel()
        raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _join(thread: threading.Thread, control: Control) -> None:
    while thread.is_alive():
        thread.join(control.remaining())
        control.check()
