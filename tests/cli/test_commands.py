"""What ``info``, ``read`` and ``copy`` do, in the process of the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Invoke

pytest.importorskip("click", reason="the command line is an extra")

Array = np.ndarray[Any, Any]

BACKENDS = [
    "asyncio",
    pytest.param("trio", marks=pytest.mark.skipif(find_spec("trio") is None, reason="no trio")),
]


def heights() -> Array:
    """What scenes:heights shows."""
    return np.arange(-10, 10, dtype=np.int32)[:, None] * 100 + np.arange(30, dtype=np.int32)


def files(folder: Path) -> set[str]:
    """What commands have left in the folder."""
    return {path.name for path in folder.iterdir()} - {
        "scenes.py", "damaged.py", "needy.py", "__pycache__"
    }  # fmt: skip


# -- info ------------------------------------------------------------------------------------------


def test_info_tells_what_a_view_is(invoke: Invoke) -> None:
    result = invoke("info", "scenes:heights")

    assert result.exit_code == 0
    facts = {line[:12].strip(): line[12:] for line in result.output.splitlines() if line[0] != " "}
    assert facts == {
        "domain": '{ "y": [-10, 10), "x": [0, 30) }',
        "dtype": "int32",
        "mode": "read-only",
        "size": "600 elements of 4 bytes: 2.34 KiB",
        "units": "y: 4 nm",
        "chunks": "8 x 8, 256 B; 3 x 4 = 12 of them",
        "read by": "heights_of (in threads, scenes.py:5)",
        "written by": "nothing",
        "cache": "none",
        "layout": "ChunkLayout({",
    }


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("scenes:unbounded", "size        unbounded"),
        ("scenes:scene.heights", "dtype       int32"),
        ("scenes:colours", "colours_of (async, scenes.py:"),
        ("scenes:target", "driver      array"),
        ("scenes:write_only", "mode        write-only"),
        ("scenes:texts", "dtype       string"),
        ("scenes:irregular", "chunks      none, or of several sizes"),
    ],
)
def test_info_tells_of_views_of_all_kinds(invoke: Invoke, name: str, fact: str) -> None:
    result = invoke("info", name)

    assert result.exit_code == 0
    assert fact in result.output


# -- read ------------------------------------------------------------------------------------------

SELECTIONS: dict[str, Any] = {
    "": np.s_[...],
    "0:2, 5": np.s_[10:12, 5],
    "-5:-3,7:9": np.s_[5:7, 7:9],
    "-5": np.s_[5],
    "...,29": np.s_[..., 29],
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("selection", SELECTIONS)
def test_read_writes_what_is_selected(
    invoke: Invoke, folder: Path, selection: str, backend: str
) -> None:
    result = invoke("read", "scenes:heights", selection, "-o", "out.npy", "--backend", backend)

    assert (result.exit_code, result.output) == (0, "")
    np.testing.assert_array_equal(np.load("out.npy"), heights()[SELECTIONS[selection]])
    assert files(folder) == {"out.npy"}


def test_read_prints_where_no_file_is_named(invoke: Invoke) -> None:
    result = invoke("read", "scenes:heights", "-5:-3,7:9")

    assert result.output == "[[-493 -492]\n [-393 -392]]\n"


def test_read_takes_every_second_coordinate(invoke: Invoke) -> None:
    result = invoke("read", "scenes:heights", "-10:-4:2,3", "-o", "out.npy")

    assert result.exit_code == 0
    np.testing.assert_array_equal(np.load("out.npy"), heights()[0:6:2, 3])


def test_npz_has_origin_labels_and_units_too(invoke: Invoke) -> None:
    assert invoke("read", "scenes:heights", "5:", "-o", "out.npz").exit_code == 0

    with np.load("out.npz") as file:
        np.testing.assert_array_equal(file["data"], heights()[15:])
        assert file["origin"].tolist() == [5, 0]
        assert file["labels"].tolist() == ["y", "x"]
        assert file["units"].tolist() == ["4 nm", ""]


def test_zarr_has_what_a_view_has_and_can_be_read_back(invoke: Invoke, folder: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="an extra")

    assert invoke("read", "scenes:heights", "-o", "out.zarr").exit_code == 0

    array = zarr.open_array("out.zarr", mode="r")
    np.testing.assert_array_equal(array[...], heights())
    assert (array.chunks, array.metadata.dimension_names) == ((8, 8), ("y", "x"))
    assert '{ "y": [-10, 10), "x": [0, 30) }' in invoke("info", "out.zarr").output
    assert invoke("read", "out.zarr", "-10,3").output == "-997\n"
    assert files(folder) == {"out.zarr"}


def test_png_of_three_channels_is_in_colour(invoke: Invoke) -> None:
    image = pytest.importorskip("PIL.Image", reason="an extra")

    assert invoke("read", "scenes:colours", "-o", "out.png").exit_code == 0

    with image.open("out.png") as picture:
        assert (picture.size, picture.mode) == ((5, 4), "RGB")
        assert picture.getpixel((0, 0)) == (0, 1, 2)


def test_png_is_stretched_to_what_it_can_hold(invoke: Invoke) -> None:
    image = pytest.importorskip("PIL.Image", reason="an extra")

    assert invoke("read", "scenes:heights", "-o", "out.png").exit_code == 0

    with image.open("out.png") as picture:
        assert (picture.size, picture.mode, picture.getextrema()) == ((30, 20), "L", (0, 255))


def test_files_are_replaced(invoke: Invoke, folder: Path) -> None:
    (folder / "out.npy").write_text("old")

    assert invoke("read", "scenes:heights", "-o", "out.npy").exit_code == 0

    assert np.load("out.npy").shape == (20, 30)


@pytest.mark.parametrize("out", ["out.npy", "out.zarr"])
def test_files_may_be_larger_than_memory(invoke: Invoke, folder: Path, out: str) -> None:
    if out == "out.zarr":
        pytest.importorskip("zarr", reason="an extra")
    (folder / "large.py").write_text(LARGE)
    invoke("info", "large:view")  # imports what there is to import

    tracemalloc.start()
    try:
        result = invoke("read", "large:view", "-o", out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert result.exit_code == 0
    assert peak < 50_000_000


LARGE = """
import virtchunk as ts

def fill(domain, array, params):
    array.fill(1)

view = ts.virtual_chunked(fill, dtype=ts.uint8, shape=[150, 1000, 1000], chunks=(1, 1000, 1000))
"""


# -- copy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_copy_goes_from_view_to_array_to_view(invoke: Invoke, backend: str) -> None:
    pytest.importorskip("zarr", reason="an extra")

    there = invoke("copy", "scenes:heights", "out.zarr", "--backend", backend)
    back = invoke("copy", "out.zarr", "scenes:target", "--backend", backend)

    assert (there.output, there.exit_code, back.output, back.exit_code) == ("", 0, "", 0)
    np.testing.assert_array_equal(sys.modules["scenes"].stored, heights())


# -- what goes wrong -------------------------------------------------------------------------------

BAD_ARGUMENTS = {
    "unknown module": ("info nothing:view", "there is no module 'nothing'"),
    "unknown module of a package": ("info os.nothing:view", "there is no module 'os.nothing'"),
    "unknown attribute": ("info scenes:nothing", "module 'scenes' has no attribute 'nothing'"),
    "no view": ("info scenes:number", "scenes:number must be a TensorStore, got int"),
    "a function": ("info scenes:make", "got function; call it in the module"),
    "neither": ("info scenes", "'scenes' is neither of the form module:view nor the path"),
    "bad selection": ("read scenes:heights 0:x", "got '0:x' in '0:x'"),
    "too many terms": ("read scenes:heights 0,0,0", "an index for 3 dimensions"),
    "out of bounds": ("read scenes:heights 99", "index 99 is outside the domain [-10, 10)"),
    "unknown suffix": ("read scenes:heights -o out.tif", "must end in one of .npy"),
    "no folder": ("read scenes:heights -o no/out.npy", "there is no folder 'no'"),
    "a folder": ("read scenes:heights -o folder.npy", "'folder.npy' is there already"),
    "unbounded": ("read scenes:unbounded -o out.npy", "select a finite part"),
    "too much to print": ("read scenes:unbounded 0:1000,0:1000", "too many to be printed"),
    "write-only": ("read scenes:write_only", "is write-only"),
    "no picture": ("read scenes:heights 0 -o out.png", "a PNG shows a view of rank 2"),
    "texts": ("read scenes:texts -o out.npy", "no type for elements of type string"),
    "not writable": ("copy scenes:heights scenes:colours", "must be writable"),
    "does not fit": ("copy scenes:heights scenes:small", "cannot align"),
    "no target": ("copy scenes:heights out.npy", "must be MODULE:NAME or end in .zarr"),
    "unknown backend": ("read scenes:heights --backend curio", "'curio' is not one of"),
    "unknown option": ("read scenes:heights --put out.npy", "No such option"),
    "unknown command": ("write scenes:heights", "No such command"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_told_and_end_with_2(invoke: Invoke, folder: Path, case: str) -> None:
    command, message = BAD_ARGUMENTS[case]
    if case == "no picture":
        pytest.importorskip("PIL", reason="an extra")
    (folder / "folder.npy").mkdir()

    result = invoke(*command.split(" "))

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert files(folder) == {"folder.npy"}


FAILURES = {
    "callback": ("read scenes:broken -o out.npy", "LookupError: no tile\nin read_function fail"),
    "callback, printing": ("read scenes:broken", "LookupError: no tile\nin read_function fail"),
    "module": ("info damaged:view", "Error: no disk"),
    "package of a module": ("info needy:view", "No module named 'there_is_no_such_package'"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures_are_told_without_a_traceback_and_end_with_1(
    invoke: Invoke, folder: Path, case: str
) -> None:
    command, message = FAILURES[case]

    result = invoke(*command.split(" "))

    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert files(folder) == set()


def test_failed_copy_leaves_no_half_array(invoke: Invoke, folder: Path) -> None:
    pytest.importorskip("zarr", reason="an extra")

    result = invoke("copy", "scenes:broken", "out.zarr")

    assert (result.exit_code, files(folder)) == (1, set())


def test_zarr_arrays_are_not_replaced(invoke: Invoke) -> None:
    pytest.importorskip("zarr", reason="an extra")
    invoke("copy", "scenes:heights", "out.zarr")

    again = invoke("copy", "scenes:colours", "out.zarr")

    assert again.exit_code == 2
    assert "'out.zarr' is there already" in again.stderr


def test_path_of_something_else_is_told(invoke: Invoke) -> None:
    pytest.importorskip("zarr", reason="an extra")

    result = invoke("info", "scenes.py")

    assert result.exit_code == 2
    assert "'scenes.py' is not a zarr array" in result.stderr


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unwritable to root"
)
def test_folder_that_cannot_be_written_is_told_before_reading(invoke: Invoke, folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o500)

    result = invoke("read", "scenes:broken", "-o", "locked/out.npy")

    assert result.exit_code == 1
    assert "Permission denied: 'locked/out.npy'" in result.stderr


def test_file_that_cannot_be_written_is_told_by_its_name(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, *args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(np.lib.format, "open_memmap", full)

    result = invoke("read", "scenes:heights", "-o", "out.npy")

    assert (result.exit_code, result.stderr) == (
        1,
        "Error: [Errno 28] No space left on device: 'out.npy'\n",
    )


def test_traceback_is_there_for_the_asking(invoke: Invoke) -> None:
    result = invoke("--traceback", "read", "scenes:broken")

    assert isinstance(result.exception, LookupError)


@pytest.mark.parametrize("command", [(), ("info",), ("read",), ("copy",), ("demo",)])
def test_help_is_there(invoke: Invoke, command: tuple[str, ...]) -> None:
    result = invoke(*command, "--help")

    assert result.exit_code == 0
    assert "\b" not in result.output
    assert "Usage:" in result.output


# -- as a process ----------------------------------------------------------------------------------

SLOW = r"""
import sys
import time
import virtchunk as ts

def wait(domain, array, params):
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    time.sleep(0.1)
    array.fill(1)

layout = ts.ChunkLayout(chunk_shape=[1000])
view = ts.virtual_chunked(wait, dtype=ts.int32, shape=[10**9], chunk_layout=layout)
"""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("out", ["out.npy", "out.npz", "out.zarr"])
def test_ctrl_c_ends_with_130_and_leaves_no_file(folder: Path, out: str, backend: str) -> None:
    if out == "out.zarr":
        pytest.importorskip("zarr", reason="an extra")
    (folder / "slow.py").write_text(SLOW)
    command = ["-m", "virtchunk", "read", "slow:view", "-o", out, "--backend", backend]

    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 130
    assert errors.endswith("interrupted\n")
    assert "Traceback" not in errors
    assert files(folder) == {"slow.py"}


def test_script_finds_modules_in_the_working_directory(folder: Path) -> None:
    script = Path(sys.executable).with_name("virtchunk")
    if not script.exists():
        pytest.skip("the script is not beside the interpreter")

    done = subprocess.run(
        [script, "read", "scenes:heights", "0,0:3"], capture_output=True, text=True
    )

    assert (done.stderr, done.stdout) == ("", "[0 1 2]\n")


def test_closed_pipe_is_nothing_to_talk_about(folder: Path) -> None:
    command = f"{sys.executable} -m virtchunk read scenes:heights | true"

    done = subprocess.run(command, shell=True, capture_output=True, text=True)

    assert done.stderr == ""


def test_shell_completes_commands(folder: Path) -> None:
    environment = os.environ | {
        "_VIRTCHUNK_COMPLETE": "bash_complete", "COMP_WORDS": "virtchunk ", "COMP_CWORD": "1"
    }  # fmt: skip
    program = "from virtchunk.cli import cli; cli(prog_name='virtchunk')"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )

    assert [line.partition(",")[2] for line in done.stdout.split()] == [
        "copy",
        "demo",
        "info",
        "read",
    ]
