"""``__all__`` says what a module offers: all of it, and nothing else (ruff's RUF022 sorts it)."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import pytest

import virtchunk

ROOT = Path(__file__).parent.parent / "virtchunk"
MODULES = sorted(set(ROOT.rglob("*.py")) - {ROOT / "__init__.py"})


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_public(path: Path) -> bool:
    """Whether no part of the path has an underscore in front (``__init__`` is its package)."""
    names = path.relative_to(ROOT).with_suffix("").parts
    return not any(name.startswith("_") and name != "__init__" for name in names)


def targets(node: ast.stmt) -> list[str]:
    """Names that one statement at the top of a module defines."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def functions_and_classes(tree: ast.Module) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


def reexports(node: ast.stmt) -> list[str]:
    """Names that an import at the top of a package's ``__init__`` brings in from the package."""
    if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("virt")):
        return [alias.asname or alias.name for alias in node.names]
    return []


def late(tree: ast.Module) -> list[ast.stmt]:
    """Imports for type checkers of what a function ``__getattr__`` of the module imports later."""
    if "__getattr__" not in functions_and_classes(tree):
        return []
    return [inner for node in tree.body if isinstance(node, ast.If) for inner in node.body]


def declared(tree: ast.Module) -> list[str]:
    """The literal value of ``__all__``, empty where there is none."""
    for node in tree.body:
        value = getattr(node, "value", None)
        if "__all__" in targets(node) and isinstance(value, ast.expr):
            return list(ast.literal_eval(value))
    return []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_all_lists_names_that_exist_and_in_public_modules_every_public_one(path: Path) -> None:
    """Public: functions, classes, and what a package imports from its modules, without underscore.

    Constants and type aliases are a module's own business, unless it lists them.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = declared(tree)
    defined = {name for node in tree.body for name in targets(node)}
    imported = {name for node in [*tree.body, *late(tree)] for name in reexports(node)}
    offered = functions_and_classes(tree) | (imported if path.name == "__init__.py" else set())
    expected = {name for name in offered if not name.startswith("_")} if is_public(path) else set()

    assert set(names) - defined - imported == set()
    assert expected - set(names) == set()
    assert len(names) == len(set(names))


def test_all_of_the_package_lists_what_can_be_reached_in_it() -> None:
    ours = {
        name
        for name in dir(virtchunk)
        if not name.startswith("_")
        and not isinstance(getattr(virtchunk, name), ModuleType)
        and name != "annotations"
    }

    assert set(virtchunk.__all__) == ours
    assert len(virtchunk.__all__) == len(ours)
