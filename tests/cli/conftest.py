"""A folder with a module of views, in which commands are run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Invoke: TypeAlias = Callable[..., Any]

VIEWS = """
import numpy as np
import virtchunk as ts

def heights_of(domain, array, params):
    y, x = domain
    rows = np.arange(y.inclusive_min, y.exclusive_max)[:, None]
    array[...] = rows * 100 + np.arange(x.inclusive_min, x.exclusive_max)

async def colours_of(domain, array, params):
    array[...] = np.arange(3)

def fail(domain, array, params):
    raise LookupError("no tile")

heights = ts.virtual_chunked(
    heights_of,
    dtype=ts.int32,
    domain=ts.IndexDomain(inclusive_min=[-10, 0], shape=[20, 30], labels=["y", "x"]),
    chunk_layout=ts.ChunkLayout(chunk_shape=[8, 8], grid_origin=[-10, 0]),
    dimension_units=["4nm", None],
)
colours = ts.virtual_chunked(colours_of, dtype=ts.uint8, shape=[4, 5, 3])
broken = ts.virtual_chunked(fail, dtype=ts.int32, shape=[4])
unbounded = ts.virtual_chunked(fail, dtype=ts.int32, rank=2)
write_only = ts.virtual_chunked(None, fail, dtype=ts.int32, shape=[4])
irregular = ts.virtual_chunked(fail, dtype=ts.int8, shape=[4], chunks=((1, 3),))
stored = np.zeros((20, 30), np.int32)
target = ts.array(stored, copy=False)[ts.d[0].translate_to[-10]]
small = ts.array(np.zeros((2, 2), np.int32))
texts = ts.virtual_chunked(fail, dtype=ts.string, shape=[4])
number = 7

class scene:
    heights = heights

def make():
    return heights
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with ``scenes.py`` in it."""
    (tmp_path / "scenes.py").write_text(VIEWS)
    (tmp_path / "damaged.py").write_text("raise OSError('no disk')\n")
    (tmp_path / "needy.py").write_text("import there_is_no_such_package\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("scenes", "damaged", "needy"):
        sys.modules.pop(name, None)


@pytest.fixture
def invoke(folder: Path) -> Invoke:
    """Runs a command in the folder, in this process."""
    testing = pytest.importorskip("click.testing", reason="the command line is an extra")
    from virtchunk.cli import cli

    def run(*arguments: str) -> Any:
        return testing.CliRunner().invoke(cli, arguments)

    return run
