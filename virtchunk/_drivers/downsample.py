"""The ``downsample`` driver: cells of elements of another view, each reduced to one.

The cell of index ``i`` consists of the elements of the base at ``[i * factor, (i + 1) * factor)``
in each dimension, as far as the base has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Self, TypeAlias, final

import numpy as np

from virtchunk._context.context import Context
from virtchunk._drivers.composite import ComputedStep, Plan, Read, Tally, chunk_grid, empty, part_of
from virtchunk._drivers.driver import Options, View, WriteOperation, check_finite, resolve_within
from virtchunk._drivers.reduction import check_method, reduce_cells
from virtchunk._engine.together import Step
from virtchunk._future import Operation
from virtchunk._grid.partition import Partition, partition
from virtchunk._grid.regular import RegularDimension
from virtchunk._grid.tiles import grown, restricted
from virtchunk._index.compose import compose
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.dimension_units import transform_dimension_units
from virtchunk._schema.dtype import dtype
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.layout_transform import transform_layout
from virtchunk._schema.unit import Unit

__all__ = ("DownsampleDriver", "check_factors", "downsampled_domain", "scale", "upsampled")

Array: TypeAlias = "np.ndarray[Any, Any]"

_TILE = 1 << 20
"""Bytes of the base that are reduced at a time, from memory: what a processor's cache holds."""
_TILE_OF_CHUNKS = 1 << 23
"""The same, from chunks that have to be computed."""
_AT_ONCE = 8
"""Tiles under way: while some are reduced, others are waited for."""
_ALIGNED = 4
"""How much larger than a chunk of the base a tile may be for the sake of ending where it does."""


@final
class DownsampleDriver:
    """A base view at a lower resolution; read-only.

    Args:
        of: The base view.
        factors: Extents of a cell, each >= 1.
        method: See `virtchunk._drivers.reduction`.

    Raises:
        ValueError: The method does not support the base's data type, there are not as many factors
            as dimensions, or the base cannot be read.
    """

    name = "downsample"

    def __init__(self, of: View, factors: tuple[int, ...], method: str) -> None:
        check_factors(factors, of.transform.domain.rank)
        check_method(method, of.driver.dtype)
        if "r" not in of.driver.mode:
            raise ValueError("downsampling needs a base that can be read, and this one cannot")
        self.of = of
        self.factors = factors
        self.method = method
        self.mode = "r"
        self.domain = downsampled_domain(of.transform.domain, factors, method)

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return DownsampleDriver, (self.of, self.factors, self.method)

    @property
    def dtype(self) -> dtype:
        """The data type of the base."""
        return self.of.driver.dtype

    @property
    def context(self) -> Context:
        """The resources of the base."""
        return self.of.driver.context

    @property
    def cache_bytes(self) -> int | None:
        """The cache of the base."""
        return self.of.driver.cache_bytes

    @property
    def instant(self) -> bool:
        """Whether the base is in memory."""
        return self.of.driver.instant

    @property
    def blocking(self) -> bool:
        """Whether the base's callbacks are synchronous."""
        return self.of.driver.blocking

    @property
    def layout(self) -> ChunkLayout:
        """The base's chunks, in cells; nearly so where their borders are no multiples of one."""
        of = self.of
        seen = transform_layout(of.driver.layout._constraints, of.transform)
        scaled = scale(IndexDomain(rank=self.domain.rank), self.factors)
        return ChunkLayout._trusted(transform_layout(seen, scaled))

    @property
    def dimension_units(self) -> tuple[Unit | None, ...]:
        """The units of the base, times the factors."""
        units = transform_dimension_units(self.of.driver.dimension_units, self.of.transform)
        return transform_dimension_units(units, scale(self.domain, self.factors))

    def base(self, transform: IndexTransform) -> View:
        """Return the part of the base that a view is computed from; all, if that is no box."""
        of = self.of
        upper = upsampled(transform, of.transform.domain, self.factors)
        return of if upper is None else View(of.driver, compose(of.transform, upper))

    def describe(self) -> str:
        return f"{self.method} of {self.of.driver.describe()}"

    def resolved(self, transform: IndexTransform) -> IndexTransform:
        """Replace implicit bounds by those that the base has now; see `Driver.resolved`."""
        domain = self._base_transform().domain
        return resolve_within(downsampled_domain(domain, self.factors, self.method), transform)

    def cut(self, transform: IndexTransform) -> Partition:
        """Cut a request into tiles of the base's chunks, to be read one by one.

        Raises:
            ValueError: If the request is not finite.
        """
        check_finite(transform.domain)
        return partition(transform, self._grid(transform))

    def write(
        self, transform: IndexTransform, source: Array, owned: bool, options: Options
    ) -> WriteOperation:
        raise AssertionError("the mode is 'r'")

    def read(
        self, transform: IndexTransform, order: str, options: Options, into: Array | None = None
    ) -> Operation[Array]:
        if self.method == "stride" or max(self.factors, default=1) == 1:
            scaled = compose(scale(self.domain, self.factors), self.resolved(transform))
            whole = compose(self._base_transform(), scaled)
            return self.of.driver.read(whole, order, options, into)

        def plan() -> Plan:
            seen = self.resolved(transform)
            cut = self.cut(seen)
            result = into
            if result is None:
                result = empty(seen.domain.shape, self.dtype.numpy_dtype, order)
            steps = self._reads(cut, cut.request_view(result), options)
            nbytes = result.nbytes * self._elements_of_cell()
            return Plan(result, steps, _AT_ONCE, nbytes, partial(cut.spread, result))

        return Read(self, transform, plan)

    def _base_transform(self) -> IndexTransform:
        return self.of.driver.resolved(self.of.transform)

    def _elements_of_cell(self) -> int:
        return max(1, math.prod(map(min, self.factors, self.of.transform.domain.shape)))

    def _grid(self, transform: IndexTransform) -> list[RegularDimension]:
        """Return tiles of whole chunks of the base, of bounded size; in cells."""
        of, domain = self.of, self.domain
        known = chunk_grid(of.driver, of.transform)
        rank = domain.rank
        starts, chunks = known or ((0,) * rank, (1,) * rank)
        pairs = list(map(_cells_of_chunk, starts, chunks, self.factors))
        # What a request skips should not be read only because it lies in the same tile.
        skipped = _skipped(transform, rank) if known else set[int]()
        itemsize = max(1, self.dtype.numpy_dtype.itemsize)
        limit = (_TILE if of.driver.instant else _TILE_OF_CHUNKS) // itemsize
        limit //= self._elements_of_cell()
        sizes = grown(
            [size for _, size in pairs],
            [0 if dim in skipped else extent for dim, extent in enumerate(domain.shape)],
            max(limit, 1),
        )
        sizes = [pairs[dim][1] if dim in skipped else size for dim, size in enumerate(sizes)]
        return [
            RegularDimension(start, size, low, high)
            for (start, _), size, low, high in zip(
                pairs, sizes, domain.inclusive_min, domain.exclusive_max, strict=True
            )
        ]

    def _reads(self, cut: Partition, target: Array, options: Options) -> Iterator[Step]:
        seen = self._base_transform()
        driver, itemsize = self.of.driver, self.dtype.numpy_dtype.itemsize
        tally = None
        if options.progress is not None:
            blocks = (self._block(piece, seen.domain)[0] for piece in cut.pieces())
            total = sum(driver.cut(restricted(seen, block)).total for block in blocks)
            tally = Tally(options.progress, total)
        for piece in cut.pieces():
            block, first, select = self._block(piece, seen.domain)
            out = piece[3]
            part = target[out]
            own = part_of(options, tally, part.nbytes)
            read = driver.read(restricted(seen, block), "C", own)
            finish: Callable[[Array], None] = partial(
                self._reduce, first, block.inclusive_min, target, out, select
            )
            yield ComputedStep(read, finish, block.size * itemsize, self)

    def _block(
        self, piece: tuple[Any, ...], base: IndexDomain
    ) -> tuple[IndexDomain, tuple[tuple[int, int], ...], tuple[Any, ...]]:
        """Return what of the base a piece needs, its cells, and how to select its elements."""
        lower, part = piece[0], piece[4]
        ranges, select = zip(*map(_needed, lower, part), strict=True) if lower else ((), ())
        block = IndexDomain._trusted(
            tuple(
                [
                    max(first * factor, low)
                    for (first, _), factor, low in zip(
                        ranges, self.factors, base.inclusive_min, strict=True
                    )
                ]
            ),
            tuple(
                [
                    min(end * factor, high)
                    for (_, end), factor, high in zip(
                        ranges, self.factors, base.exclusive_max, strict=True
                    )
                ]
            ),
            base.labels,
            (False,) * base.rank,
            (False,) * base.rank,
        )
        return block, ranges, select

    def _reduce(
        self,
        ranges: tuple[tuple[int, int], ...],
        origin: tuple[int, ...],
        target: Array,
        out: Any,
        select: Any,
        block: Array,
    ) -> None:
        whole = all(isinstance(index, slice) and index.step == 1 for index in select)
        if whole and all(isinstance(index, slice) for index in out):
            reduce_cells(block, origin, self.factors, self.method, target[out])
            return
        cells: Array = np.empty([end - first for first, end in ranges], target.dtype)
        reduce_cells(block, origin, self.factors, self.method, cells)
        target[out] = cells[select]


def check_factors(factors: tuple[int, ...], rank: int) -> None:
    """Check downsampling factors.

    Raises:
        ValueError: There are not as many as dimensions, or one is not positive.
    """
    if len(factors) != rank:
        raise ValueError(
            f"the number of downsample factors, {len(factors)}, is not the rank of the base, {rank}"
        )
    if any(factor < 1 for factor in factors):
        raise ValueError(f"downsample factors must all be positive, got {list(factors)}")


def downsampled_domain(domain: IndexDomain, factors: tuple[int, ...], method: str) -> IndexDomain:
    """Return the cells that have elements; with "stride", those that have their first one.

    Example:
        >>> from virtchunk._drivers.downsample import downsampled_domain
        >>> downsampled_domain(ts.IndexDomain(inclusive_min=[1], shape=[7]), (3,), "mean")
        { [0, 3) }
    """
    lower, upper = [], []
    pairs = zip(domain.inclusive_min, domain.exclusive_max, factors, strict=True)
    for low, high, factor in pairs:
        first = low
        if low != -INF:
            first = -(-low // factor) if method == "stride" else low // factor
        end = high
        if high != INF_UPPER:
            end = first if low == high else max(first, -(-high // factor))
        lower.append(first)
        upper.append(end)
    return IndexDomain._trusted(
        tuple(lower),
        tuple(upper),
        domain.labels,
        domain.implicit_lower_bounds,
        domain.implicit_upper_bounds,
    )


def scale(domain: IndexDomain, factors: tuple[int, ...]) -> IndexTransform:
    """Return the transform from a cell to its first element."""
    outputs = [OutputIndexMap._single(dim, 0, factor) for dim, factor in enumerate(factors)]
    return IndexTransform._trusted(domain, tuple(outputs))


def upsampled(
    transform: IndexTransform, base: IndexDomain, factors: tuple[int, ...]
) -> IndexTransform | None:
    """Return the transform to the elements of the cells that a transform leads to.

    A dimension of it has the extent of its cells. A constant cell becomes a further dimension.
    None if a dimension skips cells, or is taken from an index array.
    """
    lower, upper = [*transform.domain.inclusive_min], [*transform.domain.exclusive_max]
    labels = [*transform.domain.labels]
    outputs = []
    used = set()
    for dim, (output, factor) in enumerate(zip(transform._output, factors, strict=True)):
        low, high = base.inclusive_min[dim], base.exclusive_max[dim]
        source, stride = output.input_dimension, output.stride
        if output.index_array is not None or source in used:
            return None
        if source is None:
            first, end = output.offset, output.offset + 1
            source, stride, offset = len(lower), 1, output.offset * factor
            lower.append(0)
            upper.append(0)
            labels.append("")
        else:
            if stride not in {1, -1}:
                return None
            ends = (stride * lower[source], stride * (upper[source] - 1))
            first, end = output.offset + min(ends), output.offset + max(ends) + 1
            offset = output.offset * factor + (factor - 1 if stride == -1 else 0)
        used.add(source)
        first, end = max(low, first * factor), min(high, end * factor)
        if stride == -1:
            first, end = offset - end + 1, offset - first + 1
        else:
            first, end = first - offset, end - offset
        lower[source], upper[source] = first, max(first, end)
        outputs.append(OutputIndexMap._single(source, offset, stride))
    explicit = (False,) * len(lower)
    domain = IndexDomain._trusted(tuple(lower), tuple(upper), tuple(labels), explicit, explicit)
    return IndexTransform._trusted(domain, tuple(outputs))


def _cells_of_chunk(origin: int, chunk: int, factor: int) -> tuple[int, int]:
    """Return origin and extent, in cells, of tiles that end where chunks do, if feasible."""
    aligned = math.lcm(chunk, factor)
    if aligned <= _ALIGNED * max(chunk, factor):
        return origin // factor, aligned // factor
    return origin // factor, -(-chunk // factor)


def _skipped(transform: IndexTransform, rank: int) -> set[int]:
    """Return the dimensions of which a request takes only some cells."""
    return {
        dim
        for dim in range(rank)
        if transform._output[dim].index_array is not None
        or abs(transform._output[dim].stride or 1) > 1
    }


def _needed(lower: int, part: Any) -> tuple[tuple[int, int], Any]:
    """Return the range of cells that a piece needs along a dimension, and which of them."""
    if isinstance(part, slice):
        first, end, step = part.start, part.stop, part.step or 1
        return (lower + first, lower + end), slice(0, end - first, step)
    if isinstance(part, int):
        return (lower + part, lower + part + 1), 0
    first, end = int(part.min()), int(part.max()) + 1
    return (lower + first, lower + end), part - first
