"""Every script in examples/ runs, on every backend it is offered on, and prints what it should."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

OUTPUT = {
    "tiles_in_a_store.py": (
        "first read: 4 tiles fetched, 0 found unchanged\n"
        "again: 0 tiles fetched, 4 found unchanged\n"
        "after somebody else wrote a tile: 1 tiles fetched, 3 found unchanged\n"
        "[ 0  0 18 21]\n"
    ),
    "folder_of_planes.py": "['000010.npy', '000011.npy', '000012.npy']\n[0 0 7 7 7 0 0]\n",
    "gray_scott.py": (
        "frame 99: 66% covered; computed 100 frames in 10 chunks\n"
        "frame 49: 47% covered; computed 0 frames in 0 chunks\n"
        "frame 119: 65% covered; computed 20 frames in 2 chunks\n"
    ),
    "materialised_through_dask.py": (
        "planned: 1e+12 elements, 1e+06 tasks, none of them run\n"
        "stored: 6 tiles; the longest game: 344\n"
    ),
    "mri_filtered.py": (
        '{ "x": [0, 128), "y": [0, 96), "z": [0, 24), "t": [0, 2) }; 2 mm; 2 mm; 2.2 mm; 2000 sec\n'
        '{ "x": [70, 80), "y": [70, 80) }: mean 50.77; '
        "computed {'edges': 1, 'scan': 36, 'smooth': 6}\n"
        "{ \"x\": [0, 128), \"y\": [0, 96) }: mean 34.61; computed {'edges': 11, 'smooth': 6}\n"
    ),
    "tiles_over_http.py": (
        "window: up to 1200 m; {200: 52, 404: 12}\n"
        "again: up to 1200 m; {304: 52, 404: 12}\n"
        "along a line: up to 1200 m; {304: 8}\n"
    ),
}

NEEDS = {
    "materialised_through_dask.py": "dask",
    "mri_filtered.py": "nibabel",
    "tiles_over_http.py": "httpx",
}
"""Packages of extras, and of the dependency group "examples"."""

PICTURES = ["gray_scott.py", "mri_filtered.py", "tiles_over_http.py"]


def test_every_example_is_listed_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(OUTPUT)


@pytest.mark.parametrize("name", OUTPUT)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_example_prints_what_it_should(name: str, backend: str, tmp_path: Path) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    pytest.importorskip(NEEDS.get(name, "virtchunk"), reason="an example needs it")
    picture = tmp_path / "picture.png"
    draws = name in PICTURES and find_spec("PIL") is not None
    arguments = [str(picture)] if draws else []

    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), backend, *arguments], capture_output=True, text=True
    )

    assert (done.stderr, done.stdout) == ("", OUTPUT[name])
    assert picture.exists() == draws
