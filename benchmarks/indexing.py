"""Indexing, beside the original in one run: ``python benchmarks/indexing.py [rounds]``.

Both sides run the same text, in turns of a millisecond, so that noise hits both alike.
Only the ratio means something; a ratio above 1 says that virtchunk is faster.
"""

from __future__ import annotations

import statistics
import sys
import timeit
from typing import Any

import attrs
import numpy as np
import tensorstore

import virtchunk

TURN = 0.001  # seconds; long enough for the clock, shorter than what a scheduler interrupts
MUST = 0.5  # no case may be slower than half the original's speed


@attrs.frozen
class Case:
    """One statement, and the ratio that it has to reach."""

    statement: str
    must: float = MUST
    """0 for a case that is only watched."""


@attrs.frozen
class Result:
    """Median seconds per execution of one case on each side."""

    case: Case
    base: str
    original: float
    ours: float
    ratio: float
    """How many times faster than the original: median over pairs of neighbouring turns."""


CASES = [
    Case("t[10:20, 5:30]", must=1.0),
    Case("t[5, 5]", must=1.0),
    Case("t[::2, 3::3][5:10, 4]"),
    Case("t[..., 5:10]", must=1.0),
    Case("t[domain]"),
    Case("t[expression]", must=0),
    Case("t.translate_to[7, 7]"),
    Case("t[ts.d['x'].translate_to[7]]", must=0),
    Case("t.vindex[rows, columns]"),
    Case("t.oindex[rows, columns]", must=0),
    Case("t[transform]", must=0),
    Case("t.T", must=0),
]

DOMAIN_CASES = [
    Case("domain.index_exp"),
    Case("ts.IndexDomain(shape=[10, 20])"),
    Case("domain.translate_by[3, 4]", must=0),
]


def names(module: Any, kind: str) -> dict[str, Any]:
    """What the statements mention, for one implementation."""
    transform = module.IndexTransform(input_shape=[100, 2000], input_labels=["x", "y"])
    view = transform
    if kind == "view":
        view = module.virtual_chunked(
            lambda domain, array, params: None, shape=[100, 2000], dtype=module.int32
        )[module.d[:].label["x", "y"]]
    rng = np.random.default_rng(0)
    return {
        "ts": module,
        "t": view,
        "transform": transform[10:20, 5:30],
        "domain": transform[10:20, 5:30].domain,
        "expression": module.d["y"][5:30].translate_by[2],
        "rows": rng.integers(0, 100, 1000),
        "columns": rng.integers(0, 2000, 1000),
    }


def measure(case: Case, kind: str, rounds: int) -> Result:
    """Run both sides in turns."""
    timers = [
        timeit.Timer(case.statement, globals=names(module, kind))
        for module in (tensorstore, virtchunk)
    ]
    turns = [max(1, int(TURN / (timer.timeit(20) / 20))) for timer in timers]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for timer, repeat, into in zip(timers, turns, seconds, strict=True):
            into.append(timer.timeit(repeat) / repeat)
    original, ours = map(statistics.median, seconds)
    ratio = statistics.median(a / b for a, b in zip(*seconds, strict=True))
    return Result(case, kind, original, ours, ratio)


def main(rounds: int = 101) -> list[Result]:
    """Print one table and return its rows."""
    kinds = ["transform", *(["view"] if hasattr(virtchunk, "virtual_chunked") else [])]
    plan = [("domain", case) for case in DOMAIN_CASES]
    plan += [(kind, case) for kind in kinds for case in CASES]
    print(f"{'of':<10} {'statement':<34} {'original':>9} {'ours':>9} {'ratio':>6}")
    results = []
    for kind, case in plan:
        result = measure(case, kind, rounds)
        results.append(result)
        micros = [f"{seconds * 1e6:6.2f} us" for seconds in (result.original, result.ours)]
        missed = "" if result.ratio >= case.must else f"  below {case.must:g}"
        print(f"{kind:<10} {case.statement:<34} {' '.join(micros)} {result.ratio:6.2f}{missed}")
    return results


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
