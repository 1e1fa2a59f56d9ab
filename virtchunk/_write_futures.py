"""`WriteFutures`: the two steps of a write, as futures."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, final

from virtchunk._future import Future

__all__ = ("WriteFutures",)


@final
class WriteFutures:
    """The two steps of a write: the source has been copied, and the data is stored.

    Awaiting it, and everything else that it has in common with `Future`, refers to
    `commit`.
    """

    __slots__ = ("_commit", "_copy")

    def __init__(self, copy: Callable[[], Future[None]], commit: Future[None]) -> None:
        self._copy = copy
        self._commit = commit

    def __repr__(self) -> str:
        return repr(self._commit).replace("Future", "WriteFutures", 1)

    @property
    def copy(self) -> Future[None]:
        """Complete when the source is no longer referenced and may be changed.

        Awaiting it (or its ``result()``) copies the source, and stores nothing yet.
        """
        return self._copy()

    @property
    def commit(self) -> Future[None]:
        """Complete when the write is stored, and seen by later reads."""
        return self._commit

    def __await__(self) -> Generator[Any, Any, None]:
        """Store the data; see `Future.__await__`."""
        return self._commit.__await__()

    def result(self, timeout: float | None = None, deadline: float | None = None) -> None:
        """Block until the data is stored; see `Future.result`."""
        self._commit.result(timeout, deadline)

    def exception(
        self, timeout: float | None = None, deadline: float | None = None
    ) -> BaseException | None:
        """Block until the data is stored, and return the error if any; see `Future.exception`."""
        return self._commit.exception(timeout, deadline)

    def done(self) -> bool:
        """Say whether the write has completed, failed or been cancelled."""
        return self._commit.done()

    def cancel(self) -> bool:
        """Cancel the write; see `Future.cancel`."""
        return self._commit.cancel()

    def cancelled(self) -> bool:
        """Say whether the write was cancelled."""
        return self._commit.cancelled()

    def force(self) -> None:
        """Store the data now; see `Future.force`."""
        self._commit.force()

    def add_done_callback(self, callback: Callable[[Future[None]], object]) -> None:
        """Have ``callback(future)`` called when the data is stored or the write has failed."""
        self._commit.add_done_callback(callback)

    def remove_done_callback(self, callback: Callable[[Future[None]], object]) -> int:
        """Forget ``callback``; return how many times it had been added."""
        return self._commit.remove_done_callback(callback)
