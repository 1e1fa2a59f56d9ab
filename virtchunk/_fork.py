"""What a forked child has to forget: locks, tokens and claims of threads that it does not have.

A child has one thread, and a copy of what all threads of its parent were in the middle of. So
whatever is held by a thread registers here, and is put back to its first state in the child.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Protocol

__all__ = ("call_in_child", "forget_in_child")


class _Forgetful(Protocol):
    def _after_fork(self) -> None:
        """Forget what other threads were at. Called in the child's only thread."""


_objects: weakref.WeakSet[_Forgetful] = weakref.WeakSet()


def forget_in_child(forgetful: _Forgetful) -> None:
    """Have ``forgetful._after_fork()`` called in each forked child, as long as the object lives."""
    _objects.add(forgetful)


def call_in_child(function: Callable[[], object]) -> None:
    """Have ``function()`` called in each forked child."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        os.register_at_fork(after_in_child=function)


def _forget_all() -> None:
    for forgetful in list(_objects):
        forgetful._after_fork()


call_in_child(_forget_all)
