from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("click", reason="the command line is an extra")

pytest.importorskip("PIL", reason="the demonstration is an extra")
pytest.importorskip("matplotlib", reason="the demonstration is an extra")

from click.testing import CliRunner
from PIL import Image

from virtchunk.cli import cli
from virtchunk.cli._files import replacing, write_png
from virtchunk.demo.landscape import Landscape

Heights = NDArray[np.float32]
Pixels = NDArray[np.uint8]

BACKENDS = [
    "asyncio",
    pytest.param("trio", marks=pytest.mark.skipif(find_spec("trio") is None, reason="no trio")),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_demo_writes_the_picture_and_says_what_it_did(backend: str, tmp_path: Path) -> None:
    out = tmp_path / "relief.png"
    options = ["demo", "--backend", backend, "--out", str(out), "--chunk", "100", "--zoom", "1"]

    result = CliRunner().invoke(cli, options, catch_exceptions=False)

    assert result.exit_code == 0
    with Image.open(out) as picture:
        assert (picture.size, picture.mode) == ((403, 344), "RGB")
    for fact in [
        f"on {backend}",
        str(out),
        "344 x 403 pixels",
        "20 chunks of 100 x 100",
        "42 tiles",
    ]:
        assert fact in result.output


@pytest.mark.parametrize("backend", BACKENDS)
def test_ctrl_c_stops_the_demo_with_130_and_leaves_no_file(backend: str, tmp_path: Path) -> None:
    # Half a million chunks: minutes of work, and the first line of output says that it begins.
    options = ["--backend", backend, "--chunk", "16", "--zoom", "30"]
    command = [sys.executable, "-m", "virtchunk", "demo", *options]

    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("344 x 403 heights")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (130, "interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_ctrl_c_in_the_middle_of_a_chunk_stops_the_demo(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    shade = Landscape.shade

    def interrupt(landscape: Landscape, heights: Heights) -> Pixels:
        begun.append(heights)
        if len(begun) == 10:
            signal.raise_signal(signal.SIGINT)
        return shade(landscape, heights)

    monkeypatch.setattr(Landscape, "shade", interrupt)
    options = ["demo", "--backend", backend, "--out", str(tmp_path / "relief.png"), "--chunk", "20"]

    result = CliRunner().invoke(cli, options)

    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert len(begun) < 100


def test_unfinished_picture_is_removed(tmp_path: Path) -> None:
    with pytest.raises(TypeError), replacing(tmp_path / "relief.png") as unfinished:
        write_png(unfinished, np.zeros((2, 2, 7), np.uint8))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("package", "extra"), [("click", "cli"), ("rich", "cli"), ("PIL", "demo")])
def test_missing_package_is_named_with_the_extra_that_has_it(
    package: str, extra: str, tmp_path: Path
) -> None:
    missing = f"raise ModuleNotFoundError('no {package}', name='{package}')"
    (tmp_path / f"{package}.py").write_text(missing)  # found first: the working directory is

    done = subprocess.run(
        [sys.executable, "-m", "virtchunk", "demo", "--zoom", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert f"no {package}" in done.stderr
    assert f"pip install 'virtchunk[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
