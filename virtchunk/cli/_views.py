"""Views as users name them on the command line: ``module:view``, or the path of a zarr array."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from virtchunk._extras import needed
from virtchunk._store import TensorStore
from virtchunk.cli._selection import Term, parse_selection

__all__ = ("Selection", "ViewName", "is_path", "select")

_NAME = re.compile(r"(\w+(?:\.\w+)*):(\w+(?:\.\w+)*)")


def is_path(name: str) -> bool:
    """Say whether what a user wrote is a path rather than ``module:view``."""
    return _NAME.fullmatch(name) is None


if TYPE_CHECKING:  # not generic before click 8.3
    _ViewType = click.ParamType[TensorStore]
    _SelectionType = click.ParamType[tuple[Term, ...]]
else:
    _ViewType = _SelectionType = click.ParamType


class ViewName(_ViewType):
    """A click type: the name of a view, which becomes the view."""

    name = "view"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> TensorStore:
        """Find the view.

        Raises:
            click.BadParameter: There is no such view.
        """
        if isinstance(value, TensorStore):
            return value
        match = _NAME.fullmatch(value)
        return _open_path(Path(value)) if match is None else _attribute(*match.groups())


def _attribute(module_name: str, path: str) -> TensorStore:
    """Import a module, found in the working directory too, and look up an attribute of it."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        value: object = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # it is there, but needs something that is not
        raise click.BadParameter(f"there is no module {error.name!r}, here or installed") from None
    for name in path.split("."):
        if not hasattr(value, name):
            raise click.BadParameter(f"module {module_name!r} has no attribute {path!r}")
        value = getattr(value, name)
    if not isinstance(value, TensorStore):
        hint = "; call it in the module, and name what it returns" if callable(value) else ""
        raise click.BadParameter(
            f"{module_name}:{path} must be a TensorStore, got {type(value).__name__}{hint}"
        )
    return value


def _open_path(path: Path) -> TensorStore:
    if not path.exists():
        raise click.BadParameter(
            f"{str(path)!r} is neither of the form module:view nor the path of a zarr array"
        )
    from virtchunk.zarr import from_zarr

    zarr = needed("zarr", "zarr")
    try:
        return from_zarr(zarr.open_array(path, mode="r"))
    except (FileNotFoundError, zarr.errors.BaseZarrError) as error:
        raise click.BadParameter(f"{str(path)!r} is not a zarr array: {error}") from None


class Selection(_SelectionType):
    """A click type: what would stand between the brackets of ``view[...]``."""

    name = "selection"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Term, ...]:
        """Parse the selection.

        Raises:
            click.BadParameter: It is none.
        """
        if isinstance(value, tuple):
            return value
        try:
            return parse_selection(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def select(view: TensorStore, selection: tuple[Term, ...]) -> TensorStore:
    """Return a part of a view.

    Raises:
        click.UsageError: The view has no such part.
    """
    try:
        return view[selection] if selection else view
    except (IndexError, ValueError) as error:
        raise click.UsageError(str(error)) from None
