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
    """Seconds per execution of one case on each side, turn by turn."""

    case: Case
    base: str
    original: list[float]
    ours: list[float]

    def ratio(self) -> float:
        """How many times faster than the original: median over pairs of neighbouring turns."""
        return statistics.median(a / b for a, b in zip(self.original, self.ours, strict=True))

    def ratio_of_minima(self) -> float:
        """The same when nobody disturbs."""
        return min(self.original) / min(self.ours)

    def verdict(self) -> str:
        """Say whether the goal is reached: by medians, or at least by minima."""
        if not self.case.must:
            return ""
        if self.ratio() >= self.case.must:
            return "yes"
        return "by minima" if self.ratio_of_minima() >= self.case.must else "NO"

    def line(self) -> str:
        """Return the row of a Markdown table."""
        cells = [
            f"`{self.case.statement}` of a {self.base}",
            *(f"{statistics.median(seconds) * 1e6:.2f}" for seconds in (self.ours, self.original)),
            f"{self.ratio():.2f} ({self.ratio_of_minima():.2f})",
            f">= {self.case.must:g}x original" if self.case.must else "",
            self.verdict(),
        ]
        return f"| {' | '.join(cells)} |"


CASES = [
    Case("t[10:20, 5:30]", must=1.0),
    Case("t[5, 5]", must=1.0),
    Case("t[5, 5].domain", must=0),
    Case("t[::2, 3::3][5:10, 4]"),
    Case("t[..., 5:10]", must=1.0),
    Case("t[domain]"),
    Case("t[expression]", must=0),
    Case("t.translate_to[7, 7]"),
    Case("t.translate_to[7, 7][10:20, 10:20]"),
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
    return Result(case, kind, *seconds)


COLUMNS = (
    "statement",
    "virtchunk (us)",
    "original (us)",
    "faster than original",
    "must be",
    "reached",
)


def table(results: list[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = (result.line() for result in results)
    return "\n".join((HEAD, *lines)) + "\n"


HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def main(rounds: int = 201) -> list[Result]:
    """Print one table and return its rows."""
    plan = [("domain", case) for case in DOMAIN_CASES]
    plan += [(kind, case) for kind in ("transform", "view") for case in CASES]
    print(HEAD)
    results = []
    for kind, case in plan:
        results.append(measure(case, kind, rounds))
        print(results[-1].line(), flush=True)
    return results


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
