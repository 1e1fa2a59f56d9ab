"""Index programs: one expression, a few indexing operations, and what can be seen after each step.

A program is plain text, so that the very same program runs on any module that offers the names of
TensorStore, can be stored as JSON, and can be pasted into an interpreter when it disagrees.
In that text ``ts`` is the module under test, ``np`` is NumPy, and ``coordinate_sum`` is a chunk
callback whose values tell which coordinates were asked for.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import attrs
import numpy as np

__all__ = ["Observation", "Program", "apply", "build", "observe", "run"]

Observation: TypeAlias = "dict[str, Any]"
"""What can be seen of a result, or ``{"error": class name}``; JSON."""

INFINITE = 2**62 - 1
"""Bounds at or beyond this one are infinite."""


@attrs.frozen
class Program:
    """An expression that makes a domain, transform or view, and what is done to it, in order."""

    base: str
    operations: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            ["", f"  x = {self.base}", *(f"  x = x{step}" for step in self.operations)]
        )


def coordinate_sum(domain: Any, array: np.ndarray, params: object) -> None:
    """Fill a chunk with numbers that no two coordinates of a small domain share."""
    grid = np.ogrid[
        tuple(slice(a, b) for a, b in zip(domain.inclusive_min, domain.exclusive_max, strict=True))
    ]
    array[...] = sum((axis * 17**i for i, axis in enumerate(grid)), start=7)


def _evaluate(module: Any, source: str, **names: object) -> Any:
    return eval(source, {"ts": module, "np": np, "coordinate_sum": coordinate_sum, **names})


def build(module: Any, base: str) -> Any:
    """Make what the program starts from."""
    return _evaluate(module, base)


def apply(module: Any, x: Any, operation: str) -> Any:
    """Apply one operation, for example ``"[1, ::2]"`` or ``".oindex[[1, 2]]"``."""
    return _evaluate(module, f"x{operation}", x=x)


def run(module: Any, program: Program) -> list[Observation]:
    """Observe the base and the result of every operation, up to the first that raises."""
    observations: list[Observation] = []
    x: Any = None
    for step in (program.base, *program.operations):
        try:
            x = apply(module, x, step) if observations else build(module, step)
        except Exception as error:  # the class is what is compared
            observations.append({"error": type(error).__name__})
            break
        observations.append(observe(module, x))
    return observations


def observe(module: Any, x: Any) -> Observation:
    """Describe a domain, dimension, transform or view by everything its users can see."""
    if isinstance(x, module.Dim):
        return {"dim": str(x), "interval": [x.inclusive_min, x.exclusive_max]}
    if isinstance(x, module.IndexDomain):
        return _observe_domain(x)
    if isinstance(x, module.IndexTransform):
        return {**_observe_domain(x.domain), **_observe_transform(x)}
    return {**_observe_domain(x.domain), **_observe_values(x)}


def _observe_domain(domain: Any) -> Observation:
    return {
        "domain": str(domain),
        "origin": list(domain.origin),
        "shape": list(domain.shape),
        "labels": list(domain.labels),
        "implicit": [list(domain.implicit_lower_bounds), list(domain.implicit_upper_bounds)],
        "json": domain.to_json(),
    }


def _observe_transform(transform: Any) -> Observation:
    ranges = [m.index_range for m in transform.output]
    return {
        "json": _attempt(transform.to_json),
        "output": str(transform.output),
        "index_ranges": [None if bounds is None else str(bounds) for bounds in ranges],
        "calls": [_attempt(transform, point) for point in _points(transform.domain)],
    }


def _observe_values(view: Any) -> Observation:
    if 0 in view.domain.shape:
        # The original fails to read nothing when a coordinate it does not need is out of range.
        return {}
    try:
        values = np.asarray(view.read().result())
    except Exception as error:  # the class is what is compared
        return {"values": type(error).__name__}
    if values.size > 64:
        return {"values": hashlib.sha256(values.tobytes()).hexdigest(), "read": list(values.shape)}
    return {"values": values.tolist(), "read": list(values.shape)}


def _attempt(function: Any, *arguments: object) -> Any:
    try:
        result = function(*arguments)
    except Exception as error:  # the class is what is compared
        return type(error).__name__
    return list(result) if isinstance(result, tuple) else result


def _points(domain: Any) -> list[list[int]]:
    """First, last and a middle point of a domain, near the finite bound where one is infinite."""
    sides = [
        (a if a > -INFINITE else min(b, 5) - 6, b - 1 if b < INFINITE else max(a, -5) + 6)
        for a, b in zip(domain.inclusive_min, domain.exclusive_max, strict=True)
    ]
    first, last = [a for a, _ in sides], [b for _, b in sides]
    return [first, last, [(a + b) // 2 for a, b in sides]]
