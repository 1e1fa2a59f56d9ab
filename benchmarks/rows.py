"""Rows of a benchmark table: contenders measured in turns, and what the ratios have to be."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import attrs

__all__ = ("Row", "RowResult", "Table")

OURS = "virtchunk"


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

    def run(self, *, quick: bool = False) -> RowResult:
        """Measure all contenders in turns, after one round that does not count."""
        contenders = self.make(*self.arguments)
        rounds = 1 if quick else self.rounds
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(rounds + (rounds > 1)):
            for name, measure in contenders.items():
                elapsed = measure()
                if turn or rounds == 1:
                    times[name].append(elapsed)
        medians = {name: statistics.median(values) for name, values in times.items()}
        return RowResult(self, medians)


@attrs.frozen
class RowResult:
    """Median seconds per contender, and what follows."""

    row: Row
    medians: dict[str, float]

    @property
    def best_original(self) -> float | None:
        times = [time for name, time in self.medians.items() if name.startswith("original")]
        return min(times) if times else None

    def peers(self) -> str:
        """Return the times of others who can do the same."""
        known = (OURS, "original", "floor", "ideal")
        others = {k: v for k, v in self.medians.items() if not k.startswith(known)}
        return ", ".join(f"{name} {_micro(time)}" for name, time in others.items())

    def checks(self) -> list[tuple[str, float, bool | None]]:
        """Return each comparison: its text, its value, and whether it is good enough."""
        ours, row = self.medians[OURS], self.row
        found: list[tuple[str, float, bool | None]] = []
        if self.best_original is not None:
            ratio = self.best_original / ours
            found.append(
                ("x original", ratio, None if row.original is None else ratio >= row.original)
            )
        for name, bound in (("floor", row.floor), ("ideal", row.ideal)):
            if name in self.medians:
                ratio = ours / self.medians[name]
                found.append((f"x {name}", ratio, None if bound is None else ratio <= bound))
        if row.most is not None:
            found.append(("at most", ours, ours <= row.most))
        return found


class Table:
    """The rows so far, as Markdown."""

    COLUMNS = (
        "case",
        "virtchunk (us)",
        "original (us)",
        "floor (us)",
        "faster than original",
        "times floor",
        "ok",
    )

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.missed: list[str] = []

    def add(self, result: RowResult) -> str:
        """Append a row and return its line."""
        medians = result.medians
        floor = medians.get("floor", medians.get("ideal"))
        checks = {text: (value, good) for text, value, good in result.checks()}
        original = checks.get("x original", (None, None))[0]
        times = checks.get("x floor", checks.get("x ideal", (None, None)))[0]
        goods = [good for _, good in checks.values() if good is not None]
        verdict = "" if not goods else "yes" if all(goods) else "NO"
        cells = [
            result.row.name,
            _micro(medians[OURS]),
            _micro(result.best_original),
            _micro(floor),
            _ratio(original),
            _ratio(times),
            verdict,
        ]
        others = result.peers()
        if others:
            cells[0] += f" (us: {others})"
        line = f"| {' | '.join(cells)} |"
        self.lines.append(line)
        if verdict == "NO":
            self.missed.append(result.row.name)
        return line

    def text(self) -> str:
        """Return the whole table."""
        head = (f"| {' | '.join(self.COLUMNS)} |", "|---" * len(self.COLUMNS) + "|")
        return "\n".join((*head, *self.lines)) + "\n"

    def closing(self) -> str:
        """Return what has not been reached."""
        if not self.missed:
            return "every row is good enough"
        return f"not good enough: {', '.join(self.missed)}"


def _micro(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:,.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
