"""Threads that wait for work, handed over in microseconds."""

from __future__ import annotations

import threading
from collections.abc import Callable

from virtchunk._fork import call_in_child
from virtchunk._signal import Signal

__all__ = ("hand_over",)

# Parked threads, last parked first; taken and returned by atomic list operations. There are never
# more than have been busy at once, which data_copy_concurrency bounds.
_parked: list[_Parked] = []


class _Parked:
    """A daemon thread and the lock it waits on; it must not keep the interpreter from exiting."""

    __slots__ = ("_done", "_wake", "_work")

    def __init__(self) -> None:
        self._wake = threading.Lock()
        self._wake.acquire()
        self._work: Callable[[], object] | None = None
        self._done: Signal | None = None
        threading.Thread(target=self._run, name="virtchunk", daemon=True).start()

    def start(self, work: Callable[[], object], done: Signal) -> None:
        self._work, self._done = work, done
        self._wake.release()

    def _run(self) -> None:
        while True:
            self._wake.acquire()
            work, done = self._work, self._done
            self._work = self._done = None
            assert work is not None
            assert done is not None
            try:
                work()
            finally:
                del work  # or it would live until the next one comes
                _parked.append(self)
                done.set()


def hand_over(work: Callable[[], object]) -> Signal:
    """Have a parked thread call ``work``, which must not raise; return the signal of its end."""
    done = Signal()
    try:
        thread = _parked.pop()
    except IndexError:
        thread = _Parked()
    thread.start(work, done)
    return done


# A forked child has the list, but not the threads.
call_in_child(_parked.clear)
