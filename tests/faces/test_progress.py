"""Progress bars: what they leave on a console, and that they leave it when they should."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from typing import Any

import anyio
import numpy as np
import pytest

pytest.importorskip("rich", reason="the progress bar is an extra")

from rich.console import Console

import virtchunk as ts
from virtchunk import progress
from virtchunk.progress import ProgressBar


def fill(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    array[...] = domain.inclusive_min[0]


def store(domain: ts.IndexDomain, array: Any, params: Any) -> None:
    pass


def view(function: Any = fill, size: int = 12) -> ts.TensorStore:
    layout = ts.ChunkLayout(read_chunk_shape=[2])
    return ts.virtual_chunked(
        function, store, dtype=ts.int32, shape=[size], chunk_layout=layout, loop=None
    )


def log() -> Console:
    """A file: what is not a terminal."""
    return Console(file=io.StringIO(), width=100)


def terminal() -> Console:
    return Console(file=io.StringIO(), width=100, force_terminal=True, force_interactive=True)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", console.file.getvalue())


@pytest.fixture(autouse=True)
def nothing_remains() -> Any:
    yield
    assert progress._displays == {}
    for thread in threading.enumerate():
        if "Refresh" in type(thread).__name__:
            thread.join(30)
            assert not thread.is_alive()


async def test_reads_writes_copies_and_streams_take_a_bar() -> None:
    console = log()
    one, other = view(), view()
    with ProgressBar("reading", console=console) as bar:
        await one.read(progress=bar)
    with ProgressBar("writing", console=console) as bar:
        await one.write(np.zeros(12, np.int32), progress=bar)
    with ProgressBar("copying", console=console) as bar:
        await ts.copy(one, other, progress=bar)
    with ProgressBar("streaming", console=console) as bar:
        async with one.chunks(progress=bar) as stream:
            assert len([domain async for domain, array in stream]) == 6
    lines = written(console).splitlines()

    assert [line.split()[0] for line in lines] == ["reading", "writing", "copying", "streaming"]
    for line in (lines[0], lines[1], lines[3]):
        assert "6/6 chunks 48 B" in line


def test_a_log_gets_one_line_a_bar_and_no_control_characters() -> None:
    console = log()
    with ProgressBar("[b]not markup[/b]", console=console) as bar:
        view().read(progress=bar).result()
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()

    assert text.startswith("[b]not markup[/b]")
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_a_transient_bar_leaves_nothing() -> None:
    console = log()
    with ProgressBar("reading", console=console, transient=True) as bar:
        view().read(progress=bar).result()

    assert written(console) == ""


def test_a_terminal_is_drawn_on_while_the_operation_runs() -> None:
    console = terminal()
    with ProgressBar("reading", console=console) as bar:
        bar(2, 6, 16)
        (display,) = progress._displays.values()
        display.progress.refresh()
        assert "2/6 chunks 16 B" in written(console)

    assert written(console).count("reading") > 1


def test_several_bars_share_the_screen() -> None:
    console = terminal()
    with ProgressBar("outer", console=console) as outer:
        outer(1, 2, 10)
        for name in ("first", "second"):
            with ProgressBar(name, console=console) as inner:
                view().read(progress=inner).result()
                (display,) = progress._displays.values()
                assert [task.description for task in display.progress.tasks] == ["outer", name]
        outer(2, 2, 20)

    last = [line for line in written(console).splitlines() if "outer" in line][-1]
    assert "2/2 chunks 20 B" in last


def test_bars_of_many_threads_end_one_by_one() -> None:
    console = terminal()
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        with ProgressBar(f"thread {number}", console=console) as bar:
            barrier.wait(30)
            view().read(progress=bar).result()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    for number in range(8):
        assert re.search(rf"thread {number} .*6/6 chunks 48 B", written(console))


def test_a_failed_read_leaves_the_screen_and_says_so() -> None:
    def fail(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        raise OSError("no such tile")

    console = terminal()
    with pytest.raises(OSError, match="tile"), ProgressBar("reading", console=console) as bar:
        view(fail).read(progress=bar).result()

    assert "reading failed" in written(console)


async def test_a_cancelled_read_leaves_the_screen_and_says_so() -> None:
    async def hang(domain: ts.IndexDomain, array: Any, params: Any) -> None:
        if domain.inclusive_min[0]:
            started.set()
            await anyio.sleep_forever()

    async def read(scope: anyio.CancelScope) -> None:
        with scope, ProgressBar("reading", console=console) as bar:
            await view(hang).read(progress=bar)

    started = anyio.Event()
    console = log()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            group.start_soon(read, scope)
            await started.wait()
            scope.cancel()

    assert "reading stopped" in written(console)


def test_a_bar_is_shown_once_at_a_time_and_may_be_used_again() -> None:
    bar = ProgressBar("reading", console=log())
    for _ in range(2):
        with bar:
            assert view().read(progress=bar).result().shape == (12,)
            with pytest.raises(RuntimeError, match="'reading' is being shown"):
                bar.__enter__()
    bar(1, 2, 3)  # of an operation that outlives the block: shown nowhere


def test_an_operation_without_chunks_ends_its_bar() -> None:
    console = log()
    with ProgressBar("reading", console=console) as bar:
        view()[3:3].read(progress=bar).result()

    assert "0/0 chunks 0 B" in written(console)


def test_the_screen_is_updated_less_often_than_chunks_finish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock) * progress._PAUSE / 100)
    with ProgressBar("reading", console=log()) as bar:
        (display,) = progress._displays.values()
        updates: list[Any] = []
        monkeypatch.setattr(display.progress, "update", lambda *_, **new: updates.append(new))
        for done in range(1, 1001):
            bar(done, 1000, done)

    assert 10 <= len(updates) <= 14
    assert updates[-2]["completed"] == 1000


def test_a_notebook_without_widgets_gets_the_last_state_and_no_warning() -> None:
    pytest.importorskip("IPython")
    console = Console(force_jupyter=True, width=100)

    with ProgressBar("reading", console=console) as bar:
        assert progress._can_be_redrawn(console) == ("ipywidgets" in sys.modules)
        view().read(progress=bar).result()


def test_without_the_package_the_error_names_the_extra() -> None:
    program = "import sys; sys.modules['rich'] = None; import virtchunk.progress"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "ImportError" in done.stderr
    assert "virtchunk[progress]" in done.stderr
