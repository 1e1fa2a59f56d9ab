"""What ``import virtchunk`` costs: the standard library, numpy, anyio, attrs and their needs."""

from __future__ import annotations

import re
import subprocess
import sys

ALLOWED = frozenset({"anyio", "attr", "attrs", "numpy", "virtchunk"})
THEIR_NEEDS = frozenset({"idna", "sniffio", "typing_extensions"})
CYTHON = frozenset({"_cython", "cython_runtime"})  # what NumPy 1's compiled modules leave behind

PROGRAM = """
import sys
before = set(sys.modules)
import virtchunk
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def loaded_by_import() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    return {re.sub(r"^_cython_\d.*", "_cython", name) for name in done.stdout.split()}


def test_importing_the_package_loads_nothing_it_does_not_declare() -> None:
    loaded = loaded_by_import()

    assert "virtchunk" in loaded
    assert loaded - sys.stdlib_module_names - ALLOWED - THEIR_NEEDS - CYTHON == set()


def test_importing_the_package_imports_no_integration() -> None:
    program = "import sys, virtchunk; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    integrations = {"virtchunk.dask", "virtchunk.xarray", "virtchunk.zarr"}

    assert integrations & {*done.stdout.split()} == set()
