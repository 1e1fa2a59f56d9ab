"""Callbacks in JSON: ``"module:qualname"``, for functions that another process can import.

Importing runs code. So a name from JSON is only resolved when the caller of `open` allows it.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from virtchunk._drivers.virtual import VirtualDriver

__all__ = ("check_callback_name", "find_callback", "import_callback", "name_of_callback")

_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def check_callback_name(name: Any, member: str) -> str:
    """Return the name of a callback if it has the right form.

    Raises:
        ValueError: It has not.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ValueError(
        f'"{member}" must name a function as "module:qualname", such as "package.tiles:load", '
        f"got {name!r}"
    )


def name_of_callback(function: Callable[..., Any], member: str) -> str:
    """Return the name under which another process can import a callback.

    Raises:
        NotImplementedError: There is none.
    """
    module = getattr(function, "__module__", None)
    qualname = getattr(function, "__qualname__", None)
    name = f"{module}:{qualname}"
    reason = _why_not_importable(function, module, qualname, member)
    if reason is None:
        return name
    shown = repr(function) if qualname is None else name
    raise NotImplementedError(
        f"{member} {shown} has no JSON representation: {reason}; JSON can only name a function "
        "that is defined at the top level of a module which can be imported (pickle with "
        "cloudpickle can carry others)"
    )


def _why_not_importable(function: object, module: Any, qualname: Any, member: str) -> str | None:
    if isinstance(function, partial):
        return "it is a functools.partial"
    if not isinstance(module, str) or not isinstance(qualname, str):
        return f"it is an instance of {type(function).__qualname__}, not a function"
    if module == "__main__":
        return "it is defined in __main__, which is another module in each process"
    if "<lambda>" in qualname:
        return "it is a lambda"
    if "<locals>" in qualname:
        return "it is defined inside of a function"
    found = find_callback(module, qualname, member)
    # A class method is a new object each time it is looked up, but an equal one.
    if callable(found) and found == function:  # an array may be there, which compares otherwise
        return None
    return "importing that name would not give the same object"


def find_callback(module: str, qualname: str, member: str) -> Any:
    """Return the callback that an imported module has under a name; None if there is none."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return _callback_of(found, member)


def _callback_of(found: Any, member: str) -> Any:
    """Return a callback, or that of a view: a decorated function's name leads to the view."""
    driver = getattr(found, "_driver", None)
    return getattr(driver.source, member) if isinstance(driver, VirtualDriver) else found


def import_callback(name: str, member: str, *, allowed: bool) -> Callable[..., Any]:
    """Return the callback with this name.

    Raises:
        ValueError: The caller did not allow it, or the name leads to something not callable.
        ImportError: There is no such module.
        AttributeError: The module has nothing of that name.
    """
    if not allowed:
        raise ValueError(
            f'opening this spec would import its {member} "{name}", which runs code: if you trust '
            "where the spec comes from, pass allow_import=True to open()"
        )
    module, _, qualname = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    found = _callback_of(found, member)
    if not callable(found):
        raise ValueError(f'{member} "{name}" is not callable: {found!r}')  # noqa: TRY004
    return found  # type: ignore[no-any-return]
