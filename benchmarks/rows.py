"""Rows of a benchmark table: contenders measured in turns, and what the ratios have to be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

__all__ = ("Row", "RowResult", "Table", "replace_table")

OURS = "virtchunk"
BUDGET = 4.0
"""Seconds that a row of short measurements may take."""
MOST_ROUNDS = 41


@attrs.frozen
class Row:
    """One case.

    ``original``, ``floor``, ``ideal`` and ``most`` are what must be reached: how many times faster
    than the original at least, how many times the floor's or the ideal time at most, how many
    seconds at most.
    """

    name: str
    make: Callable[..., dict[str, Callable[[], float]]]
    arguments: tuple[Any, ...] = ()
    original: float | None = None
    floor: float | None = None
    ideal: float | None = None
    most: float | None = None
    rounds: int = 5
    """Rounds at least; there are more as long as the row takes less than `BUDGET`."""

    def run(self, *, quick: bool = False) -> RowResult:
        """Measure all contenders in turns, after one round that does not count."""
        contenders = self.make(*self.arguments)
        started = time.perf_counter()
        times = {name: [measure()] for name, measure in contenders.items()}
        if not quick:
            times = {name: [] for name in contenders}
            fitting = int(BUDGET / (time.perf_counter() - started))
            for _ in range(max(self.rounds, min(fitting, MOST_ROUNDS))):
                for name, measure in contenders.items():
                    times[name].append(measure())
        return RowResult(self, times)

    def must(self) -> str:
        """Say what has to be reached."""
        words = [
            None if self.original is None else f">= {self.original:.3g}x original",
            None if self.floor is None else f"<= {self.floor:.3g}x floor",
            None if self.ideal is None else f"<= {self.ideal:.3g}x ideal",
            None if self.most is None else f"<= {self.most * 1e6:,.0f}",
        ]
        return ", ".join(word for word in words if word is not None)


@attrs.frozen
class RowResult:
    """Seconds per contender and round, and what follows."""

    row: Row
    times: dict[str, list[float]]

    @property
    def medians(self) -> dict[str, float]:
        """The usual time of each contender."""
        return {name: statistics.median(values) for name, values in self.times.items()}

    @property
    def minima(self) -> dict[str, float]:
        """The time of each contender when nobody disturbed it."""
        return {name: min(values) for name, values in self.times.items()}

    def peers(self) -> str:
        """Return the times of others who can do the same."""
        known = (OURS, "original", "floor", "ideal")
        others = {k: v for k, v in self.medians.items() if not k.startswith(known)}
        return ", ".join(f"{name} {_micro(time)}" for name, time in others.items())

    def verdict(self) -> str:
        """Say whether every goal is reached: by medians, or at least by minima."""
        by_medians, by_minima = (self._reached(times) for times in (self.medians, self.minima))
        if not by_medians:
            return ""
        return "yes" if all(by_medians) else "by minima" if all(by_minima) else "NO"

    def _reached(self, times: Mapping[str, float]) -> list[bool]:
        row, ours = self.row, times[OURS]
        found = []
        if row.original is not None:
            found.append(ratio_to_original(times) >= row.original)
        for name, bound in (("floor", row.floor), ("ideal", row.ideal)):
            if bound is not None:
                found.append(ours <= bound * times[name])
        if row.most is not None:
            found.append(ours <= row.most)
        return found


def best_original(times: Mapping[str, float]) -> float | None:
    """The original's time at its better setting."""
    return min((t for name, t in times.items() if name.startswith("original")), default=None)


def ratio_to_original(times: Mapping[str, float]) -> float:
    """How many times faster than the original."""
    original = best_original(times)
    assert original is not None
    return original / times[OURS]


class Table:
    """The rows so far, as Markdown."""

    COLUMNS = (
        "case",
        "virtchunk (us)",
        "original (us)",
        "floor (us)",
        "faster than original",
        "times floor",
        "must be",
        "reached",
    )

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.missed: list[str] = []

    def add(self, result: RowResult) -> str:
        """Append a row and return its line. Ratios: of medians, and of minima in parentheses."""
        medians, minima = result.medians, result.minima
        floor = next((name for name in ("floor", "ideal") if name in medians), None)
        original = times_floor = ""
        if best_original(medians) is not None:
            original = f"{ratio_to_original(medians):.2f} ({ratio_to_original(minima):.2f})"
        if floor is not None:
            ratios = (times[OURS] / times[floor] for times in (medians, minima))
            times_floor = "{:.2f} ({:.2f})".format(*ratios)
        others = result.peers()
        verdict = result.verdict()
        cells = [
            result.row.name + (f" (us: {others})" if others else ""),
            _micro(medians[OURS]),
            _micro(best_original(medians)),
            _micro(None if floor is None else medians[floor]),
            original,
            times_floor,
            result.row.must(),
            verdict,
        ]
        line = f"| {' | '.join(cells)} |"
        self.lines.append(line)
        if verdict == "NO":
            self.missed.append(result.row.name)
        return line

    def head(self) -> str:
        """Return the first two lines."""
        return f"| {' | '.join(self.COLUMNS)} |\n{'|---' * len(self.COLUMNS)}|"

    def text(self) -> str:
        """Return the whole table."""
        return "\n".join((self.head(), *self.lines)) + "\n"

    def closing(self) -> str:
        """Return what has not been reached."""
        if not self.missed:
            return "every goal is reached"
        return f"not reached: {', '.join(self.missed)}"


def replace_table(path: Path, name: str, table: str) -> None:
    """Put a table between the comments ``<!-- name -->`` and ``<!-- end of name -->`` of a page.

    A file that does not exist, or has no such comments, becomes the table alone.
    """
    first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    if first in page and last in page:
        before, after = page.split(first)[0], page.split(last)[1]
        table = f"{before}{first}{table}{last}{after}"
    path.write_text(table, encoding="utf-8")


def _micro(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:,.2f}"
