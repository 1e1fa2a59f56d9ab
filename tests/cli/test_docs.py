"""The commands in docs/command_line.md print what the page says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("click", "rich", "zarr", "PIL", "trio"):
    pytest.importorskip(package, reason="the page uses all extras")

PAGE = Path(__file__).parent.parent.parent / "docs" / "command_line.md"


def run(line: str, folder: Path) -> str:
    """Run a command, and return all that it prints."""
    program, *arguments = shlex.split(line)
    assert program == "virtchunk"
    return subprocess.run(
        [sys.executable, "-m", "virtchunk", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ).stdout


def test_commands_print_what_the_page_says(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, content in re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(content)
    sessions = "".join(re.findall(r"```console\n(.*?)```", text, re.DOTALL))
    _, *commands = re.split(r"^\$ ", sessions, flags=re.MULTILINE)

    printed = [line + "\n" + run(line, tmp_path) for line in (c.split("\n")[0] for c in commands)]

    assert printed == commands
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {
        "scenes.py",
        "coarse.npy",
        "window.png",
        "heights.zarr",
        "copy.zarr",
    }
