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
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_example_prints_what_it_should(name: str, backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")

    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), backend], capture_output=True, text=True
    )

    assert (done.stderr, done.stdout) == ("", OUTPUT[name])
