"""The ``array`` driver: elements of a NumPy array in memory."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Any, TypeAlias, final

import anyio.lowlevel
import numpy as np

from virtchunk._context.context import Context
from virtchunk._control import Control
from virtchunk._drivers.driver import Options, WriteOperation, check_finite, resolve_within
from virtchunk._engine.job import Progress
from virtchunk._future import Operation
from virtchunk._grid.partition import Partition, partition
from virtchunk._grid.regular import RegularDimension
from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.dtype import dtype
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.unit import Unit

__all__ = ("ArrayDriver",)

Array: TypeAlias = "np.ndarray[Any, Any]"


@final
class ArrayDriver:
    """An array in memory, as one chunk.

    Args:
        array: Element storage; shared, not copied.
        domain: Where the array lies; its shape is the array's.
        data_type: What the elements are.
        context: Kept for the spec.
        dimension_units: Unit of each dimension.
        writable: Whether views may be written.
    """

    name = "array"
    cache_bytes = None
    instant = True
    blocking = True

    def __init__(
        self,
        array: Array,
        domain: IndexDomain,
        data_type: dtype,
        context: Context,
        dimension_units: tuple[Unit | None, ...],
        writable: bool,
    ) -> None:
        self.array = array
        self.domain = domain
        self.dtype = data_type
        self.context = context
        self.dimension_units = dimension_units
        self.mode = "rw" if writable else "r"
        self.grid = tuple(
            RegularDimension(low, max(high - low, 1), low, high)
            for low, high in zip(domain.inclusive_min, domain.exclusive_max, strict=True)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The mode may be less than what the array permits: `open` can restrict it.
        arguments = self.array, self.domain, self.dtype, self.context, self.dimension_units, True
        return ArrayDriver, arguments, {"mode": self.mode}

    @property
    def layout(self) -> ChunkLayout:
        """The order of the dimensions in memory; an array has no chunks."""
        order = sorted(range(self.array.ndim), key=lambda i: -abs(self.array.strides[i]))
        return ChunkLayout(inner_order=order, grid_origin=self.domain.inclusive_min)

    def describe(self) -> str:
        return "array"

    def base(self, transform: IndexTransform) -> None:
        return None

    def read(
        self, transform: IndexTransform, order: str, options: Options, into: Array | None = None
    ) -> Operation[Array]:
        read = _Read(self, self.resolved(transform), order, options, into)
        if options.transaction is None:
            return read
        from virtchunk._drivers.transactional import StagedRead

        return StagedRead(options.transaction, self, read, options.progress)

    def write(
        self, transform: IndexTransform, source: Array, owned: bool, options: Options
    ) -> WriteOperation:
        if options.transaction is None:
            return _Write(self, transform, source, options)
        from virtchunk._drivers.transactional import ArrayParticipant, StagedWrite

        make = partial(ArrayParticipant, self, options.transaction)
        return StagedWrite(self, transform, source, options, make)

    def resolved(self, transform: IndexTransform) -> IndexTransform:
        """Replace implicit bounds by what the array allows; see `Driver.resolved`."""
        return resolve_within(self.domain, transform)

    def cut(self, transform: IndexTransform) -> Partition:
        """Cut a request along the only chunk.

        Raises:
            ValueError: If the request is not finite.
        """
        check_finite(transform.domain)
        return partition(transform, self.grid)


class _Operation:
    """Something done at once: awaiting it is one checkpoint."""

    def __init__(self, driver: ArrayDriver, transform: IndexTransform, options: Options) -> None:
        self.driver = driver
        self.transform = transform
        self.options = options


@final
class _Read(_Operation):
    def __init__(
        self,
        driver: ArrayDriver,
        transform: IndexTransform,
        order: str,
        options: Options,
        into: Array | None,
    ) -> None:
        super().__init__(driver, transform, options)
        self.order = order
        self.into = into

    def describe(self) -> str:
        return f"read of {self.transform.domain} of an array"

    def prepare(self) -> tuple[Array, Partition, float]:
        """Return the empty result, the request, and how old cached content may be."""
        result = self.into
        if result is None:
            result = np.empty(
                self.transform.domain.shape,
                self.driver.array.dtype,
                order=self.order,  # type: ignore[call-overload]
            )
        return result, self.driver.cut(self.transform), -inf

    def fill_blocking(
        self,
        result: Array,
        cut: Partition,
        bound: float,
        progress: Progress | None,
        control: Control,
    ) -> None:
        """Read a part of the request."""
        view = cut.request_view(result)
        for _, _, _, out, part, _ in cut.pieces():
            view[out] = self.driver.array[part]
            if progress is not None:
                progress(1, 1, result.nbytes)

    async def fill(
        self, result: Array, cut: Partition, bound: float, progress: Progress | None
    ) -> None:
        """Do the same in a task. Always checkpoints."""
        await anyio.lowlevel.checkpoint()
        self.fill_blocking(result, cut, bound, progress, Control())

    def run_blocking(self, control: Control) -> Array:
        result, cut, bound = self.prepare()
        self.fill_blocking(result, cut, bound, self.options.progress, control)
        cut.spread(result)
        return result

    async def run(self) -> Array:
        await anyio.lowlevel.checkpoint()
        return self.run_blocking(Control())


@final
class _Write(_Operation):
    def __init__(
        self, driver: ArrayDriver, transform: IndexTransform, source: Array, options: Options
    ) -> None:
        super().__init__(driver, transform, options)
        self.source = source

    def describe(self) -> str:
        return f"write to {self.transform.domain} of an array"

    def stage(self) -> None:
        self.source = self.source.copy()

    async def stage_awaiting(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.stage()

    def run_blocking(self, control: Control) -> None:
        driver, cut = self.driver, self.driver.cut(self.transform)
        source = self.source
        if np.may_share_memory(source, driver.array):
            source = source.copy()
        view = cut.request_view(source)
        for _, _, _, out, part, _ in cut.pieces():
            driver.array[part] = view[out]
            if self.options.progress is not None:
                self.options.progress(1, 1, source.nbytes)

    async def run(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.run_blocking(Control())
