"""Reads and writes that consist of others: what drivers have in common that derive their elements.

Such a driver plans a request as steps, each of them an operation of a driver below it and perhaps a
computation. They run together: see `virtchunk._engine.together`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, final

import anyio.lowlevel
import attrs
import numpy as np

from virtchunk._context.context import live
from virtchunk._control import Control
from virtchunk._drivers.driver import Driver, Options
from virtchunk._engine.job import Progress
from virtchunk._engine.together import (
    WORTH_A_THREAD,
    Step,
    compute,
    run_aside,
    run_instantly,
    run_together,
    run_together_blocking,
)
from virtchunk._future import Operation
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.layout_transform import transform_layout

if TYPE_CHECKING:
    from virtchunk._index.transform import IndexTransform

__all__ = ("ComputedStep", "Plan", "Read", "Tally", "Write", "chunk_grid", "empty", "limiter_of")

Array: TypeAlias = "np.ndarray[Any, Any]"


class Plan(NamedTuple):
    """What there is to do."""

    result: Any
    """What the operation returns in the end."""
    steps: Iterable[Step]
    """The operations to run, made as they are begun with."""
    at_once: int
    """How many of them may run at a time."""
    nbytes: int
    """How much there is to work on."""
    finish: Callable[[], object] | None = None
    """What is left to do when they have run."""


class _Composite:
    """An operation that consists of steps."""

    def __init__(self, driver: Driver, name: str) -> None:
        self.driver = driver
        self.name = name

    def describe(self) -> str:
        return f"{self.name} {self.driver.describe()}"

    def plan(self) -> Plan:
        raise NotImplementedError

    def _run_blocking(self, control: Control) -> Any:
        result, steps, at_once, nbytes, finish = self.plan()
        if nbytes < WORTH_A_THREAD and self.driver.instant:
            for step in steps:
                step.run_blocking(control)
        else:
            run_together_blocking(steps, at_once, control)
        if finish is not None:
            finish()
        return result

    async def _run(self) -> Any:
        result, steps, at_once, nbytes, finish = self.plan()
        if self.driver.instant and nbytes < WORTH_A_THREAD:
            await run_instantly(steps)
        elif self.driver.blocking:
            limiter = limiter_of(self.driver)
            if self.driver.instant:  # threads that compute, rather than wait
                at_once = min(at_once, limiter.total)
            await run_aside(steps, at_once, limiter)
        else:
            await run_together(steps, at_once)
        if finish is not None:
            finish()
        return result


@final
class Read(_Composite):
    """A read: ``plan`` makes the array and the steps that fill it."""

    def __init__(self, driver: Driver, transform: IndexTransform, plan: Callable[[], Plan]) -> None:
        super().__init__(driver, f"read of {transform.domain} from")
        self._plan = plan

    def plan(self) -> Plan:
        return self._plan()

    def run_blocking(self, control: Control) -> Array:
        return self._run_blocking(control)  # type: ignore[no-any-return]

    async def run(self) -> Array:
        return await self._run()  # type: ignore[no-any-return]


@final
class Write(_Composite):
    """A write: ``plan`` makes the steps that store parts of an array; it is given whether owned."""

    def __init__(
        self,
        driver: Driver,
        transform: IndexTransform,
        source: Array,
        owned: bool,
        plan: Callable[[Array, bool], Plan],
    ) -> None:
        super().__init__(driver, f"write to {transform.domain} of")
        self._source = source
        self._owned = owned
        self._plan = plan

    def plan(self) -> Plan:
        return self._plan(self._source, self._owned)

    def stage(self) -> None:
        if not self._owned:
            self._source = self._source.copy()
            self._owned = True

    async def stage_awaiting(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.stage()

    def run_blocking(self, control: Control) -> None:
        self._run_blocking(control)

    async def run(self) -> None:
        await self._run()


@final
@attrs.frozen(eq=False)
class ComputedStep:
    """A read, and what is computed from it."""

    read: Operation[Array]
    finish: Callable[[Array], object]
    nbytes: int
    """How much there is to compute from."""
    driver: Driver
    """Whose limit counts."""

    def run_blocking(self, control: Control) -> None:
        self.finish(self.read.run_blocking(control))

    async def run(self) -> None:
        array = await self.read.run()
        await compute(lambda: self.finish(array), self.nbytes, limiter_of(self.driver))


@final
class Tally:
    """Makes one progress out of that of several operations.

    Args:
        progress: Whom to tell.
        total: Chunks of all of them.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._bytes = 0
        self._lock = threading.Lock()

    def part(self, nbytes: int) -> Progress:
        """Return the progress of one operation, which delivers so many bytes of the request."""
        last_done = last_bytes = 0

        def note(done: int, total: int, _: int, /) -> None:
            nonlocal last_done, last_bytes
            with self._lock:
                delivered = nbytes * done // total
                self._done += done - last_done
                self._bytes += delivered - last_bytes
                last_done, last_bytes = done, delivered
                self._progress(self._done, self._total, self._bytes)

        return note


def part_of(options: Options, tally: Tally | None, nbytes: int) -> Options:
    """Return the options of one operation among several."""
    if tally is None:
        return options
    return attrs.evolve(options, progress=tally.part(nbytes))


def empty(shape: tuple[int, ...], numpy_dtype: np.dtype[Any], order: str) -> Array:
    """Return a new array."""
    return np.empty(shape, numpy_dtype, order)  # type: ignore[call-overload,no-any-return]


def limiter_of(driver: Driver) -> Any:
    """Return the limit of threads that copy or compute."""
    return live(driver.context, "data_copy_concurrency")


def chunk_grid(
    driver: Driver, transform: IndexTransform
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return origin and extents of a view's chunks, as far as they are known; None if not at all.

    Where a dimension has none, every index is a chunk.
    """
    layout = ChunkLayout._trusted(transform_layout(driver.layout._constraints, transform))
    shape, origin = layout.read_chunk.shape, layout.grid_origin
    if shape is None or origin is None:
        return None
    return tuple([at or 0 for at in origin]), tuple([max(size or 1, 1) for size in shape])
