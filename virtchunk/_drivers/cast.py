"""The ``cast`` driver: the elements of another one, converted to another data type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self, TypeAlias, final

from virtchunk._context.context import Context
from virtchunk._control import Control
from virtchunk._drivers.composite import (
    ComputedStep,
    Plan,
    Read,
    Tally,
    Write,
    chunk_grid,
    empty,
    limiter_of,
    part_of,
)
from virtchunk._drivers.driver import Driver, Options, View, WriteOperation
from virtchunk._engine.together import Step, compute
from virtchunk._future import Operation
from virtchunk._grid.partition import Partition
from virtchunk._grid.tiles import Tiles, restricted
from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.cast import Convert, conversion
from virtchunk._schema.dtype import dtype
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.unit import Unit

if TYPE_CHECKING:
    import numpy as np

__all__ = ("CastDriver",)

Array: TypeAlias = "np.ndarray[Any, Any]"

_TILE = 1 << 20
"""Bytes converted at a time, from memory: what a processor's cache holds."""
_TILE_OF_CHUNKS = 1 << 22
"""The same, from chunks that have to be computed."""
_AT_ONCE = 16
"""Tiles under way: while some are converted, others are waited for."""


@final
class CastDriver:
    """Elements of a base driver as another data type, tile by tile.

    Args:
        of: The base driver.
        data_type: What its elements are converted to.
        mode: What can be done, of what the conversions and the base permit.

    Raises:
        ValueError: There is no conversion, neither for reading nor for writing.
    """

    name = "cast"

    def __init__(self, of: Driver, data_type: dtype, mode: str = "rw") -> None:
        self.of = of
        self.dtype = data_type
        reading, writing = conversion(of.dtype, data_type), conversion(data_type, of.dtype)
        if reading is None and writing is None:
            raise ValueError(
                f"elements of {of.dtype.name} cannot be cast to {data_type.name}, nor back"
            )
        possible = "r" * (reading is not None) + "w" * (writing is not None)
        self.mode = "".join(letter for letter in mode if letter in of.mode and letter in possible)
        self._reading, self._writing = reading, writing

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return CastDriver, (self.of, self.dtype, self.mode)

    @property
    def domain(self) -> IndexDomain:
        """The domain of the base."""
        return self.of.domain

    @property
    def layout(self) -> ChunkLayout:
        """The layout of the base."""
        return self.of.layout

    @property
    def dimension_units(self) -> tuple[Unit | None, ...]:
        """The units of the base."""
        return self.of.dimension_units

    @property
    def cache_bytes(self) -> int | None:
        """The cache of the base."""
        return self.of.cache_bytes

    @property
    def context(self) -> Context:
        """The resources of the base."""
        return self.of.context

    @property
    def instant(self) -> bool:
        """Whether the base is in memory."""
        return self.of.instant

    @property
    def blocking(self) -> bool:
        """Whether the base's callbacks are synchronous."""
        return self.of.blocking

    def base(self, transform: IndexTransform) -> View:
        """Return the view before the conversion."""
        return View(self.of, transform)

    def describe(self) -> str:
        return f"cast of {self.of.describe()}"

    def resolved(self, transform: IndexTransform) -> IndexTransform:
        """Replace implicit bounds by those of the base; see `Driver.resolved`."""
        return self.of.resolved(transform)

    def cut(self, transform: IndexTransform) -> Partition:
        """Cut a request along the base's chunks; see `Driver.cut`."""
        return self.of.cut(transform)

    def read(
        self, transform: IndexTransform, order: str, options: Options, into: Array | None = None
    ) -> Operation[Array]:
        if self.of.dtype == self.dtype:
            return self.of.read(transform, order, options, into)
        convert = self._reading
        assert convert is not None  # or the mode would not be "r"

        def plan() -> Plan:
            seen = self.of.resolved(transform)
            result = into
            if result is None:
                result = empty(seen.domain.shape, self.dtype.numpy_dtype, order)
            steps = self._reads(seen, result, convert, options)
            return Plan(result, steps, _AT_ONCE, result.nbytes)

        return Read(self, transform, plan)

    def write(
        self, transform: IndexTransform, source: Array, owned: bool, options: Options
    ) -> WriteOperation:
        if self.of.dtype == self.dtype:
            return self.of.write(transform, source, owned, options)
        convert = self._writing
        assert convert is not None  # or the mode would not be "w"

        def plan(source: Array, _: bool) -> Plan:
            steps = self._writes(self.of.resolved(transform), source, convert, options)
            return Plan(None, steps, _AT_ONCE, source.nbytes)

        return Write(self, transform, source, owned, plan)

    def _reads(
        self, transform: IndexTransform, result: Array, convert: Convert, options: Options
    ) -> Iterator[Step]:
        for domain, part, own in self._tiles(transform, result, options):
            read = self.of.read(restricted(transform, domain), "C", own)

            def finish(array: Array, target: Array = part) -> None:
                convert(array, target)

            yield ComputedStep(read, finish, part.nbytes, self)

    def _writes(
        self, transform: IndexTransform, source: Array, convert: Convert, options: Options
    ) -> Iterator[Step]:
        for domain, part, own in self._tiles(transform, source, options):
            yield _ConvertAndWrite(self, restricted(transform, domain), part, convert, own)

    def _tiles(
        self, transform: IndexTransform, request: Array, options: Options
    ) -> Iterator[tuple[IndexDomain, Array, Options]]:
        """Yield parts of the request that are whole chunks of the base."""
        domain = transform.domain
        itemsize = max(self.of.dtype.numpy_dtype.itemsize, request.itemsize)
        limit = (_TILE if self.of.instant else _TILE_OF_CHUNKS) // itemsize
        # Tiles would not divide what index arrays scatter: each might need every chunk.
        scattered = any(output.index_array is not None for output in transform._output)
        tiles: list[IndexDomain] | Tiles = [domain]
        if request.size > limit and not (scattered and not self.of.instant):
            grid = chunk_grid(self.of, transform)
            origin, chunk = grid or (domain.inclusive_min, (1,) * domain.rank)
            tiles = Tiles(domain, origin, chunk, limit)
        tally = None
        if options.progress is not None:
            total = sum(self.of.cut(restricted(transform, tile)).total for tile in tiles)
            tally = Tally(options.progress, total)
        low = domain.inclusive_min
        for tile in tiles:
            place: Any = tuple(
                slice(lower - start, upper - start)
                for start, lower, upper in zip(
                    low, tile.inclusive_min, tile.exclusive_max, strict=True
                )
            )
            part = request[(*place, ...)]
            yield tile, part, part_of(options, tally, part.nbytes)


@final
class _ConvertAndWrite:
    """Converts a part of the source, and stores it."""

    def __init__(
        self,
        driver: CastDriver,
        transform: IndexTransform,
        source: Array,
        convert: Convert,
        options: Options,
    ) -> None:
        self.driver = driver
        self.transform = transform
        self.source = source
        self.convert = convert
        self.options = options
        self.converted = empty(source.shape, driver.of.dtype.numpy_dtype, "C")

    def _convert(self) -> None:
        self.convert(self.source, self.converted)

    def _write(self) -> WriteOperation:
        return self.driver.of.write(self.transform, self.converted, True, self.options)

    def run_blocking(self, control: Control) -> None:
        self._convert()
        self._write().run_blocking(control)

    async def run(self) -> None:
        await compute(self._convert, self.source.nbytes, limiter_of(self.driver))
        await self._write().run()
