"""Which callbacks JSON can name, and that naming one does not import it."""

from __future__ import annotations

import functools
import sys
from typing import Any

import pytest

from virtchunk._drivers.callback_names import check_callback_name, import_callback, name_of_callback


def load(*args: Any) -> None:
    """A callback that can be imported."""


class Tiles:
    """Something with methods."""

    @staticmethod
    def load(*args: Any) -> None: ...

    @classmethod
    def load_all(cls, *args: Any) -> None: ...

    def load_own(self, *args: Any) -> None: ...

    def __call__(self, *args: Any) -> None: ...


def shadowed() -> None: ...


first_shadowed = shadowed


def shadowed() -> None:  # type: ignore[no-redef]
    ...


IMPORTABLE = [load, Tiles.load, Tiles.load_all]


@pytest.mark.parametrize("function", IMPORTABLE, ids=lambda function: function.__qualname__)
def test_a_named_callback_is_the_same_when_it_is_imported(function: Any) -> None:
    name = name_of_callback(function, "read_function")

    assert name == f"{__name__}:{function.__qualname__}"
    assert import_callback(name, "read_function", allowed=True) == function


def test_a_callback_of_main_has_no_name() -> None:
    def here() -> None: ...

    here.__module__ = "__main__"
    here.__qualname__ = "here"

    with pytest.raises(NotImplementedError, match=r"read_function __main__:here .*in __main__"):
        name_of_callback(here, "read_function")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda: None, "it is a lambda"),
        (functools.partial(load, 1), "it is a functools.partial"),
        (Tiles().load_own, "would not give the same object"),
        (Tiles(), "it is an instance of Tiles, not a function"),
        (first_shadowed, "would not give the same object"),
    ],
    ids=["lambda", "partial", "method", "instance", "shadowed"],
)
def test_other_callbacks_have_no_name(function: Any, reason: str) -> None:
    with pytest.raises(NotImplementedError, match=f"write_function .* {reason}"):
        name_of_callback(function, "write_function")


def test_a_closure_has_no_name() -> None:
    def inner() -> None: ...

    with pytest.raises(NotImplementedError, match=r"<locals>\.inner .*inside of a function"):
        name_of_callback(inner, "read_function")


@pytest.mark.parametrize("name", ["a:b", "package.module:Class.method", "_x1:_y", "größe:ü"])
def test_a_name_is_a_module_and_a_qualified_name(name: str) -> None:
    assert check_callback_name(name, "read_function") == name


@pytest.mark.parametrize(
    "name", ["", "a", "a:", ":b", "a:b:c", "a b:c", "a.:b", "1a:b", "a:<lambda>", 5, None, ["a:b"]]
)
def test_anything_else_is_no_name(name: Any) -> None:
    with pytest.raises(ValueError, match='"read_function" must name a function as "module:qual'):
        check_callback_name(name, "read_function")


def test_nothing_is_imported_unless_it_is_allowed() -> None:
    module = "antigravity"
    assert module not in sys.modules

    with pytest.raises(ValueError, match=f'"{module}:fly", which runs code: .*allow_import=True'):
        import_callback(f"{module}:fly", "read_function", allowed=False)

    assert module not in sys.modules


def test_what_is_not_there_cannot_be_imported() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_callback("no_such_module:load", "read_function", allowed=True)
    with pytest.raises(AttributeError, match="no_such_function"):
        import_callback(f"{__name__}:no_such_function", "read_function", allowed=True)


def test_what_is_imported_must_be_callable() -> None:
    with pytest.raises(ValueError, match=r'"os:sep" is not callable'):
        import_callback("os:sep", "read_function", allowed=True)
