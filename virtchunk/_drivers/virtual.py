"""The ``virtual_chunked`` driver: elements computed and stored, chunk by chunk, by callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, final

import anyio.lowlevel
import numpy as np

from virtchunk._cache.pool import CachePool
from virtchunk._context.context import Context, live
from virtchunk._control import Control
from virtchunk._drivers.driver import NO_OPTIONS, Options, WriteOperation, check_finite
from virtchunk._drivers.element import ReadElement
from virtchunk._engine.fanout import run, run_blocking
from virtchunk._engine.job import Job, Progress
from virtchunk._engine.one import read_one, read_one_awaiting
from virtchunk._engine.read_job import ReadJob
from virtchunk._engine.source import ChunkSource, name_of
from virtchunk._engine.write_job import WriteJob
from virtchunk._future import Operation
from virtchunk._grid.box import OneChunk
from virtchunk._grid.partition import Partition, partition
from virtchunk._grid.regular import DimensionGrid, RegularDimension
from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform
from virtchunk._open_options import RecheckCacheOption, staleness_bound
from virtchunk._schema.chunk_shape import choose_chunk_grid
from virtchunk._schema.dtype import dtype
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.schema import Schema
from virtchunk._schema.unit import Unit

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

    from virtchunk._grid.choice import ChunksLike
    from virtchunk._index.plain_indexing import ElementPlan

__all__ = ("VirtualDriver",)

Array: TypeAlias = "np.ndarray[Any, Any]"

_STAGE_WHOLE = 1 << 24
"""Bytes of a source up to which it is copied as a whole, rather than chunk by chunk."""


@final
class VirtualDriver:
    """Callbacks over a chunk grid.

    Args:
        read_function: Computes chunks, or None.
        write_function: Stores chunks, or None.
        domain: Base domain, with explicit bounds.
        data_type: Element type.
        layout: Complete chunk layout of the base domain.
        grid: The same as dimensions for the planner.
        dimension_units: Unit of each dimension.
        context: Resources: limits, and the cache pool.
        recheck: When cached chunks are asked for anew: ``True`` (at each read), ``False`` (never),
            ``"open"``, or seconds since the epoch.
        loop: Where async callbacks run, if the user said so.
        time_opened: When the view was opened, seconds since the epoch; default: now.
    """

    name = "virtual_chunked"
    instant = False

    def __init__(
        self,
        read_function: Callable[..., Any] | None,
        write_function: Callable[..., Any] | None,
        *,
        domain: IndexDomain,
        data_type: dtype,
        layout: ChunkLayout,
        grid: Iterable[DimensionGrid],
        dimension_units: tuple[Unit | None, ...],
        context: Context,
        recheck: RecheckCacheOption = True,
        loop: EventLoopToken | None = None,
    ) -> None:
        self.domain = domain
        self.dtype = data_type
        self.layout = layout
        self.grid = tuple(grid)
        self.dimension_units = dimension_units
        self.context = context
        self.recheck = recheck
        self.time_opened = time.time()
        self.mode = ("" if read_function is None else "r") + ("" if write_function is None else "w")
        pool: CachePool = live(context, "cache_pool")
        self.cache_bytes = pool.total_bytes_limit or None
        self.source = ChunkSource(
            read_function,
            write_function,
            domain=domain,
            dtype=data_type.numpy_dtype,
            inner_order=layout.inner_order,
            pool=pool if pool.total_bytes_limit > 0 else None,
            data_copy=live(context, "data_copy_concurrency"),
            callbacks=live(context, "callback_concurrency"),
            loop=loop,
        )

    @classmethod
    def from_schema(
        cls,
        read_function: Callable[..., Any] | None,
        write_function: Callable[..., Any] | None,
        schema: Schema,
        *,
        context: Context,
        recheck: RecheckCacheOption,
        loop: EventLoopToken | None,
        chunks: ChunksLike | None = None,
    ) -> VirtualDriver:
        """Decide what constraints leave open: explicit bounds, and one grid of chunks.

        Raises:
            TypeError: If ``chunks`` have the wrong form.
            ValueError: If the data type or the rank is unknown, a fill value is given, or no grid
                satisfies the constraints.
        """
        if schema.dtype is None:
            raise ValueError("dtype must be specified")
        if schema.rank is None:
            raise ValueError("rank must be specified")
        if schema.fill_value is not None:
            raise ValueError("fill_value not supported: callbacks give every element a value")
        rank = schema.rank
        domain = _explicit(IndexDomain(rank=rank) if schema.domain is None else schema.domain)
        grid: Iterable[DimensionGrid]
        if chunks is None:
            chosen = choose_chunk_grid(schema.chunk_layout, domain)
            bounds = (domain.inclusive_min, domain.exclusive_max)
            grid = map(RegularDimension, chosen.origin, chosen.shape, *bounds)
            layout = chosen.layout()
        else:
            from virtchunk._grid.choice import choose_grid, parse_chunks

            grid, layout = choose_grid(schema.chunk_layout, domain, parse_chunks(chunks))
        return cls(
            read_function,
            write_function,
            domain=domain,
            data_type=schema.dtype,
            layout=layout,
            grid=grid,
            dimension_units=schema.dimension_units or (None,) * rank,
            context=context,
            recheck=recheck,
            loop=loop,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The loop is a matter of the thread that unpickles: not carried.
        arguments = (
            self.source.read_function,
            self.source.write_function,
            {
                "domain": self.domain,
                "data_type": self.dtype,
                "layout": self.layout,
                "grid": self.grid,
                "dimension_units": self.dimension_units,
                "context": self.context,
                "recheck": self.recheck,
            },
        )
        # The mode may be less than what the callbacks permit: `open` can restrict it.
        return _rebuild, arguments, {"mode": self.mode}

    def staleness_bound(self) -> float:
        """Return how old cached content may be for a read that is requested now."""
        return staleness_bound(self.recheck, self.time_opened)

    def describe(self) -> str:
        source = self.source
        functions = [
            name_of(function)
            for function in (source.read_function, source.write_function)
            if function is not None
        ]
        return ", ".join(functions)

    @property
    def blocking(self) -> bool:
        """Whether the callbacks are synchronous."""
        return not (self.source.read_is_async or self.source.write_is_async)

    def base(self, transform: IndexTransform) -> None:
        return None

    def read(
        self,
        transform: IndexTransform,
        order: str,
        options: Options = NO_OPTIONS,
        into: Array | None = None,
    ) -> Operation[Array]:
        read = _Read(self, transform, order, options, into)
        if options.transaction is None:
            return read
        from virtchunk._drivers.transactional import StagedRead

        return StagedRead(options.transaction, self, read, options.progress)

    def read_element(self, plan: ElementPlan) -> Operation[Array]:
        """Prepare to read one element, without options."""
        return ReadElement(self, plan)

    def write(
        self, transform: IndexTransform, source: Array, owned: bool, options: Options
    ) -> WriteOperation:
        if options.transaction is None:
            return _Write(self, transform, source, owned, options)
        from virtchunk._drivers.transactional import StagedWrite, ViewParticipant

        make = partial(ViewParticipant, self, options.transaction)
        return StagedWrite(self, transform, source, options, make)

    def resolved(self, transform: IndexTransform) -> IndexTransform:
        """Return the transform as it is: no bound is ever found out later."""
        return transform

    def cut(self, transform: IndexTransform) -> Partition:
        """Cut a request along chunk borders.

        Raises:
            ValueError: If the request is not finite.
        """
        check_finite(transform.domain)
        return partition(transform, self.grid)


def _explicit(domain: IndexDomain) -> IndexDomain:
    """Return the same domain with explicit bounds."""
    explicit = (False,) * domain.rank
    return IndexDomain._trusted(
        domain.inclusive_min, domain.exclusive_max, domain.labels, explicit, explicit
    )


def _rebuild(read_function: Any, write_function: Any, options: dict[str, Any]) -> VirtualDriver:
    return VirtualDriver(read_function, write_function, **options)


@final
class _Read:
    """One read of a virtual view."""

    __slots__ = ("driver", "into", "options", "order", "transform")

    def __init__(
        self,
        driver: VirtualDriver,
        transform: IndexTransform,
        order: str,
        options: Options,
        into: Array | None,
    ) -> None:
        self.driver = driver
        self.transform = transform
        self.order = order
        self.options = options
        self.into = into

    def describe(self) -> str:
        return f"read of {self.transform.domain} from {self.driver.describe()}"

    def prepare(self) -> tuple[Array, Partition, float]:
        """Return the empty result, the request, and how old cached content may be."""
        driver, domain = self.driver, self.transform.domain
        cut = driver.cut(self.transform)
        result = self.into
        if result is None:
            result = np.empty(
                domain.shape,
                driver.source.dtype,
                self.order,  # type: ignore[call-overload]
            )
        return result, cut, driver.staleness_bound()

    def _job(self, result: Array, cut: Partition, bound: float, progress: Progress | None) -> Job:
        return ReadJob(self.driver.source, cut, result, self.options.batch, progress, bound)

    def fill_blocking(
        self,
        result: Array,
        cut: Partition,
        bound: float,
        progress: Progress | None,
        control: Control,
    ) -> None:
        """Read the chunks of a part of the request."""
        run_blocking(self._job(result, cut, bound, progress), control)

    async def fill(
        self, result: Array, cut: Partition, bound: float, progress: Progress | None
    ) -> None:
        """Do the same in a task. Always checkpoints."""
        await run(self._job(result, cut, bound, progress))

    def run_blocking(self, control: Control) -> Array:
        result, cut, bound = self.prepare()
        if not (type(cut) is OneChunk and self._read_one(cut, result, bound, control)):
            run_blocking(self._job(result, cut, bound, self.options.progress), control)
        cut.spread(result)
        return result

    def _read_one(self, cut: OneChunk, result: Array, bound: float, control: Control) -> bool:
        """Try the short way of small reads."""
        options = self.options
        return options.progress is None and read_one(
            self.driver.source,
            cut.piece,
            cut.request_view(result),
            bound,
            options.batch,
            control.check,
        )

    async def run(self) -> Array:
        result, cut, bound = self.prepare()
        if not (type(cut) is OneChunk and await self._read_one_awaiting(cut, result, bound)):
            await run(self._job(result, cut, bound, self.options.progress))
        cut.spread(result)
        return result

    async def _read_one_awaiting(self, cut: OneChunk, result: Array, bound: float) -> bool:
        options = self.options
        return options.progress is None and await read_one_awaiting(
            self.driver.source, cut.piece, cut.request_view(result), bound, options.batch
        )


@final
class _Write:
    """One write to a virtual view."""

    def __init__(
        self,
        driver: VirtualDriver,
        transform: IndexTransform,
        source: Array,
        owned: bool,
        options: Options,
    ) -> None:
        self.driver = driver
        self.transform = transform
        self.source = source
        self.owned = owned
        self.options = options

    def describe(self) -> str:
        return f"write to {self.transform.domain} of {self.driver.describe()}"

    def stage(self) -> None:
        if not self.owned:
            self.source = self.source.copy()
            self.owned = True

    async def stage_awaiting(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.stage()

    def _prepare(self) -> Job:
        driver, options = self.driver, self.options
        cut = driver.cut(self.transform)
        if driver.source.read_function is None:
            _check_aligned(driver, cut)
        if not self.owned and self.source.nbytes <= _STAGE_WHOLE:
            self.stage()
        if self.owned:
            self.source.flags.writeable = False
        return WriteJob(
            driver.source, cut, self.source, options.batch, options.progress, self.owned
        )

    def run_blocking(self, control: Control) -> None:
        run_blocking(self._prepare(), control)

    async def run(self) -> None:
        await run(self._prepare())


def _check_aligned(driver: VirtualDriver, cut: Partition) -> None:
    """Refuse a write that would need a read, before any callback is called."""
    for piece in cut.pieces():
        if not piece[5]:
            chunk = driver.source.chunk_name(piece[0], piece[1])
            raise ValueError(
                f"write-only virtual chunked views require chunk-aligned writes: chunk {chunk} is "
                "only partly covered, and there is no read_function to give the rest of it"
            )
