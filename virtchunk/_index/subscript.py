"""Properties that are meant to be subscripted, such as ``x.translate_to[0]``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

__all__ = ("Offsets", "Subscript")

_ArgumentT = TypeVar("_ArgumentT", contravariant=True)
_ResultT = TypeVar("_ResultT", covariant=True)


class Subscript(Generic[_ArgumentT, _ResultT]):
    """A property that is meant to be subscripted, such as `DimExpression.label`."""

    __slots__ = ("_apply", "_name", "_owner")

    def __init__(self, owner: Any, name: str, apply: Callable[[Any, _ArgumentT], _ResultT]) -> None:
        self._owner = owner
        self._name = name
        self._apply = apply

    def __getitem__(self, argument: _ArgumentT) -> _ResultT:
        return self._apply(self._owner, argument)

    # Iterating by `__getitem__` would never end.
    __iter__ = None

    def __repr__(self) -> str:
        return f"{self._owner!r}.{self._name}"


Offsets = int | None | Iterable[int | None]
