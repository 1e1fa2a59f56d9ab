"""Selections as users write them on the command line, such as ``0:10,5`` or ``...,::2``."""

from __future__ import annotations

import re
from types import EllipsisType
from typing import TypeAlias

__all__ = ("Term", "parse_selection")

Term: TypeAlias = int | slice | EllipsisType

_INTEGER = re.compile(r"[+-]?\d+")


def parse_selection(text: str) -> tuple[Term, ...]:
    """Parse what would stand between the brackets of ``view[...]``.

    Terms are separated by commas: an integer, a range ``start:stop`` or ``start:stop:step`` of
    which each part may be left out, or ``...``, once. Coordinates are absolute, so that a negative
    one is not counted from the end.

    Raises:
        ValueError: Something else is there.

    Example:
        >>> from virtchunk.cli._selection import parse_selection
        >>> parse_selection("0:10, 5, ...")
        (slice(0, 10, None), 5, Ellipsis)
    """
    if not text.strip():
        return ()
    terms = tuple(_term(part.strip(), text) for part in text.split(","))
    if terms.count(...) > 1:
        raise ValueError(f"there can be only one '...' in a selection, got {text!r}")
    return terms


def _term(part: str, text: str) -> Term:
    if part == "...":
        return ...
    bounds = [bound.strip() for bound in part.split(":")]
    if part and len(bounds) <= 3 and all(not b or _INTEGER.fullmatch(b) for b in bounds):
        numbers = [int(bound) if bound else None for bound in bounds]
        if len(numbers) > 1:
            return slice(*numbers)
        if numbers[0] is not None:
            return numbers[0]
    raise ValueError(
        f"a selection consists of integers, ranges start:stop:step and '...', separated by commas; "
        f"got {part!r} in {text!r}"
    )
