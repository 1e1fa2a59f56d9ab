"""A progress bar for reads, writes, copies and streams of chunks; needs ``virtchunk[progress]``.

Bars that are shown at the same time, from whatever threads and tasks, share one place on the
screen. What is not a terminal, a log file for example, gets one line for each bar when it ends.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self, final

from virtchunk._extras import needed

needed("rich.progress", "progress")

from rich import get_console  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import (  # noqa: E402
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text  # noqa: E402

from virtchunk._html.text import bytes_text  # noqa: E402

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("ProgressBar",)

_PAUSE: Final = 0.05
"""Seconds between two updates, so that a million chunks cost next to nothing."""


@final
class ProgressBar:
    """Shows how far an operation is, inside a ``with`` block.

    The bar itself is what ``progress=`` takes, in `TensorStore.read`, `TensorStore.write`, `copy`
    and `TensorStore.chunks`. One bar shows one operation at a time. It stays on the screen when the
    block ends, and says so if that was by an error or by cancellation.

    Args:
        description: What the operation does.
        console: Where to show it; by default the standard error output, or the notebook.
        transient: Whether to remove the bar at the end.

    Raises:
        RuntimeError: (from ``with``) The bar is being shown already.

    Example:
        >>> from virtchunk.progress import ProgressBar
        >>> view = ts.array(np.arange(6))
        >>> with ProgressBar("reading", transient=True) as bar:
        ...     view.read(progress=bar).result()
        array([0, 1, 2, 3, 4, 5])
    """

    def __init__(
        self, description: str = "", *, console: Console | None = None, transient: bool = False
    ) -> None:
        self.description: str = description
        self.transient: bool = transient
        self._console = console
        self._display: _Display | None = None
        self._task = TaskID(0)
        self._next = 0.0
        self._latest: tuple[int, int, int] | None = None

    def __enter__(self) -> Self:
        if self._display is not None:
            raise RuntimeError(f"the progress bar {self.description!r} is being shown already")
        self._next, self._latest = 0.0, None
        self._display = _enter(self._console or _default_console())
        self._task = self._display.progress.add_task(self.description, total=None, nbytes=0)
        return self

    def __call__(self, done: int, total: int, nbytes: int, /) -> None:
        """Take note that ``done`` of ``total`` chunks are finished, ``nbytes`` bytes of them."""
        self._latest = done, total, nbytes
        now = monotonic()
        if now >= self._next or done == total:
            self._next = now + _PAUSE
            self._update()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._update()
        display, self._display = self._display, None
        assert display is not None
        try:
            display.end(self._task, self.description, self.transient, error)
        finally:
            _leave(display)

    def _update(self) -> None:
        display, latest = self._display, self._latest
        if display is not None and latest is not None:
            done, total, nbytes = latest
            with suppress(KeyError):  # the block has ended in this moment
                display.progress.update(self._task, completed=done, total=total, nbytes=nbytes)


class _Bytes(ProgressColumn):
    """Bytes so far, and bytes per second."""

    def render(self, task: Task) -> Text:
        nbytes: int = task.fields["nbytes"]
        rate = f" {bytes_text(int(nbytes / task.elapsed))}/s" if nbytes and task.elapsed else ""
        return Text(f"{bytes_text(nbytes)}{rate}")


@final
class _Display:
    """The place on a console where bars are shown that exist at the same time."""

    def __init__(self, console: Console) -> None:
        self.bars = 0
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("chunks"),
            _Bytes(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not _can_be_redrawn(console),
            transient=True,  # what remains is printed by `end`
        )

    def end(
        self, task: TaskID, description: str, transient: bool, error: BaseException | None
    ) -> None:
        """Take a bar away, and leave its last state above the others."""
        progress = self.progress
        shown = next(one for one in progress.tasks if one.id == task)
        if error is not None:
            description += " failed" if isinstance(error, Exception) else " stopped"
        total = shown.completed if error is None and shown.total is None else shown.total
        progress.update(task, description=description, total=total)
        progress.stop_task(task)
        last: Any = progress.make_tasks_table([shown])
        progress.remove_task(task)
        progress.refresh()
        if not transient:
            progress.console.print(last)


def _can_be_redrawn(console: Console) -> bool:
    if console.is_jupyter:
        return find_spec("ipywidgets") is not None  # rich needs it, and would warn
    return console.is_interactive


_STDERR: Final = Console(stderr=True)
_lock = threading.Lock()
_displays: dict[int, _Display] = {}
"""What is shown now, by the identity of its console."""


def _default_console() -> Console:
    console = get_console()
    return console if console.is_jupyter else _STDERR


def _enter(console: Console) -> _Display:
    with _lock:
        display = _displays.get(id(console)) or _Display(console)
        if not display.bars:
            display.progress.start()
        _displays[id(console)] = display
        display.bars += 1
        return display


def _leave(display: _Display) -> None:
    with _lock:
        display.bars -= 1
        if not display.bars:
            del _displays[id(display.progress.console)]
            if not display.progress.disable:  # else some versions of rich print an empty line
                display.progress.stop()
