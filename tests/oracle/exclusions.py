"""What the original gets plainly wrong, and is therefore not compared, each with its reason.

An exclusion is as narrow as it can be: it looks at one operation and at what it is applied to.
What virtchunk does instead follows the original's documentation and has its own tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

__all__ = ["EXCLUSIONS", "Exclusion", "excluded"]


@attrs.frozen
class Exclusion:
    """One defect of the original."""

    name: str
    reason: str
    applies: Callable[[Any, str], bool]


def _chained_ellipsis(x: Any, operation: str) -> bool:
    """``...`` in an index term that is not the first operation of its dimension expression."""
    expression = re.search(r"ts\.d\[.*", operation)
    if expression is None:
        return False
    return "..." in "".join(_expression_steps(expression.group())[2:])


def _stride_none(x: Any, operation: str) -> bool:
    return any("None" in step for step in re.findall(r"\.stride\[([^]]*)\]", operation))


def _expression_steps(source: str) -> list[str]:
    """Split ``ts.d[0][1].diagonal.label["a"]`` into selection and operations."""
    steps, depth, start = [], 0, 0
    source = source.replace(".diagonal", ".diagonal[]")
    for at, character in enumerate(source):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth < 0:
            break
        if depth == 0 and character == "]":
            steps.append(source[start : at + 1])
            start = at + 1
    return steps


EXCLUSIONS = (
    Exclusion(
        "ellipsis after another operation of a dimension expression",
        "d[0].label['x'][...] reads past the end of the selection: a segmentation fault or garbage",
        _chained_ellipsis,
    ),
    Exclusion(
        "stride[None]",
        "documented to leave the dimension as it is; takes the smallest 64-bit integer as stride",
        _stride_none,
    ),
)


def excluded(x: Any, operation: str) -> bool:
    """Whether a known defect makes this operation on ``x`` impossible to compare."""
    return any(exclusion.applies(x, operation) for exclusion in EXCLUSIONS)
