"""Imports inside the package go one way, and the pure layers stay pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "virtchunk"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"_html", "errors"}) | frozenset({"_extras"}),
    frozenset({"_index"}),
    frozenset({"_schema"}),
    frozenset({"_grid"}),
    frozenset({"_context", "_limits", "_open_mode", "_open_options", "_statistics"})
    | frozenset({"_batch", "_bridge", "_control", "_fork", "_future", "_interrupts", "_loop"})
    | frozenset({"_write_futures"})
    | frozenset({"_signal"})
    | frozenset({"_transaction"}),
    frozenset({"_cache"}),
    frozenset({"_engine"}),
    frozenset({"kvstore"}),
    frozenset({"_drivers"}),
    frozenset({"_blocking", "_chunk_sizes"})
    | frozenset({"_copy", "_planned", "_spec", "_store", "_stream", "_writing"})
    | frozenset({"_chunks", "_operators", "_storage", "_view_html"}),
    frozenset({"_computed", "_derived", "_open"}),
    frozenset({"__init__"}),
    frozenset({"dask", "progress", "xarray", "zarr"}),
    frozenset({"__main__", "cli", "demo"}),
)
"""From the bottom up: a module imports from its own layer and from the layers before it.

The only place where the layers are written down. The last two are the edge: nothing imports them.
"""

INTEGRATIONS = LAYERS[-2]
GATEWAYS = frozenset({"__init__", "_store"})
"""The exception: here users find methods and names of the integrations, which import them late."""

PURE = frozenset({"_html", "errors", "_index", "_schema", "_grid"})
"""Layers that compute and never wait: no coroutine, no event loop."""

MODULES = sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def unit_of(path: Path) -> str:
    """The top-level module or package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def level_of(unit: str) -> int:
    for level, layer in enumerate(LAYERS):
        if unit in layer:
            return level
    raise AssertionError(f"virtchunk.{unit} has no place in LAYERS: give it one")


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def absolute_imports(path: Path) -> list[str]:
    """Every module a file imports anywhere in it, ``from .x import y`` written out in full."""
    package = ["virtchunk", *path.relative_to(ROOT).parent.parts]
    names: list[str] = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def imported_units(path: Path) -> set[str]:
    """The top-level parts of the package that a file imports; names of ``__init__`` count as it."""
    units = set()
    for name in absolute_imports(path):
        first, _, rest = name.partition(".")
        if first == "virtchunk":
            unit = rest.split(".")[0]
            is_module = (ROOT / unit).is_dir() or (ROOT / f"{unit}.py").exists()
            units.add(unit if unit and (is_module or unit.startswith("_")) else "__init__")
    return units


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_imports_only_from_its_own_layer_and_those_below(path: Path) -> None:
    own = level_of(unit_of(path))
    upward = {unit for unit in imported_units(path) if level_of(unit) > own}
    if unit_of(path) in GATEWAYS:
        upward -= INTEGRATIONS

    assert upward == set()


@pytest.mark.parametrize("path", [path for path in MODULES if unit_of(path) in PURE], ids=name_of)
def test_pure_layers_neither_await_nor_import_an_event_loop(path: Path) -> None:
    asynchronous = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    coroutines = [node for node in ast.walk(parse(path)) if isinstance(node, asynchronous)]
    loops = {name.split(".")[0] for name in absolute_imports(path)} & {"anyio", "asyncio", "trio"}

    assert (coroutines, loops) == ([], set())


def test_the_package_is_where_these_tests_look_for_it() -> None:
    assert {"__init__", "_index", "_schema", "_grid"} <= {unit_of(path) for path in MODULES}
