"""Ctrl-C under trio: raised where an operation can take it.

trio raises KeyboardInterrupt in whatever task runs, between any two of its instructions, save in
functions that are marked. Its own primitives are, but neither are the task groups of anyio nor what
we do between changing one thing and another; an interrupt there left tasks that never began, or
trio's nurseries in a state from which the program did not end. So the functions that tasks of ours
begin with are marked, which counts for all that they call. In them Ctrl-C waits for the next
checkpoint of the main task, as under asyncio, and is then like any other error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ("at_checkpoints", "pending", "tell_trio")

F = TypeVar("F", bound=Callable[..., Any])

pending: list[Callable[..., Any]] = []
"""Functions that trio has not been told about, for it may never be imported."""


def at_checkpoints(function: F) -> F:
    """Mark a function: while it runs, trio raises KeyboardInterrupt at checkpoints only."""
    pending.append(function)
    return function


def tell_trio() -> None:
    """Tell trio which functions are marked, if it has been imported."""
    lowlevel: Any = sys.modules.get("trio.lowlevel")
    if lowlevel is not None:
        while pending:
            # It returns the same function: what is marked is its code.
            lowlevel.enable_ki_protection(pending.pop())
