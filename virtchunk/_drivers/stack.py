"""The ``stack`` driver: several views, its layers, seen as one.

`stack`, `concat` and `overlay` all make one; they differ in where they put the layers. Where layers
overlap, the last one counts. All layers that a request needs are read, or written, together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias, final

import attrs

from virtchunk._context.context import Context
from virtchunk._drivers.composite import Plan, Read, Tally, Write, empty, part_of
from virtchunk._drivers.driver import Options, View, WriteOperation, check_finite, resolve_within
from virtchunk._drivers.spec import OpenRequest, ViewSpec
from virtchunk._drivers.stack_plan import Bounds, Part, StackPartition, cut_into_parts
from virtchunk._engine.together import Step
from virtchunk._future import Operation
from virtchunk._grid.partition import Partition
from virtchunk._index.compose import compose
from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.dtype import dtype
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.unit import Unit

if TYPE_CHECKING:
    import numpy as np

__all__ = ("Layer", "StackDriver")

Array: TypeAlias = "np.ndarray[Any, Any]"

_AT_ONCE = 256
"""Layers under way at a time; their callbacks have limits of their own."""
_VERBS = {"r": "read", "w": "written"}


@final
@attrs.frozen(eq=False)
class Layer:
    """A view, or the spec of one that is opened whenever it is needed."""

    domain: IndexDomain
    view: View | None
    spec: ViewSpec | None = None
    allow_import: bool = False
    """Whether opening may import callbacks."""

    @property
    def mode(self) -> str:
        """What can be done, as far as that is known without opening."""
        return "rw" if self.view is None else self.view.driver.mode

    @property
    def instant(self) -> bool:
        """See `Driver.instant`."""
        return self.view is not None and self.view.driver.instant

    @property
    def blocking(self) -> bool:
        """See `Driver.blocking`."""
        return self.view is not None and self.view.driver.blocking

    def opened(self, letter: str, number: int) -> View:
        """Return the view, to be read (``"r"``) or written (``"w"``).

        Raises:
            ValueError: That is not possible.
        """
        view = self.view
        if view is None:
            assert self.spec is not None
            view = View(*self.spec.open(Context(), OpenRequest(allow_import=self.allow_import)))
        if letter not in view.driver.mode:
            raise ValueError(
                f"layer {number} of the stack, {view.driver.describe()}, cannot be {_VERBS[letter]}"
            )
        return view


@final
class StackDriver:
    """Layers over one domain.

    Args:
        layers: What there is; the last ones count where they overlap.
        domain: What is seen of them, with explicit bounds.
        data_type: Of all layers.
        dimension_units: Unit of each dimension.
        context: Kept for the spec.
        mode: What can be done, of what any of the layers permits.
    """

    name = "stack"
    cache_bytes = None

    def __init__(
        self,
        layers: Sequence[Layer],
        domain: IndexDomain,
        data_type: dtype,
        dimension_units: tuple[Unit | None, ...],
        context: Context,
        mode: str = "rw",
    ) -> None:
        self.layers = tuple(layers)
        self.domain = domain
        self.dtype = data_type
        self.dimension_units = dimension_units
        self.context = context
        possible = {letter for layer in layers for letter in layer.mode} if layers else {"r", "w"}
        self.mode = "".join(letter for letter in mode if letter in possible)
        self.layout = ChunkLayout(rank=domain.rank)
        self.instant = all(layer.instant for layer in layers)
        self.blocking = all(layer.blocking for layer in layers)
        self._bounds = Bounds([layer.domain for layer in layers], domain)

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return StackDriver, (
            self.layers,
            self.domain,
            self.dtype,
            self.dimension_units,
            self.context,
            self.mode,
        )

    def base(self, transform: IndexTransform) -> None:
        return None

    def describe(self) -> str:
        count = len(self.layers)
        return f"stack of {count} layer{'s' * (count != 1)}"

    def resolved(self, transform: IndexTransform) -> IndexTransform:
        """Replace implicit bounds by the stack's; see `Driver.resolved`."""
        return resolve_within(self.domain, transform)

    def cut(self, transform: IndexTransform) -> Partition:
        """Cut a request by layers, and each part along the chunks of its layer.

        Raises:
            ValueError: If the request is not finite, or there is no layer for a part of it.
        """
        check_finite(transform.domain)
        parts, _ = cut_into_parts(transform, self._bounds)
        return StackPartition(transform, list(self._opened(parts, "r")))

    def read(
        self, transform: IndexTransform, order: str, options: Options, into: Array | None = None
    ) -> Operation[Array]:
        def plan() -> Plan:
            seen = self.resolved(transform)
            check_finite(seen.domain)
            result = into
            if result is None:
                result = empty(seen.domain.shape, self.dtype.numpy_dtype, order)
            parts, spread = cut_into_parts(seen, self._bounds)
            opened = list(self._opened(parts, "r"))
            finish = None if spread is None else partial(spread, result)
            steps = self._reads(opened, result, options)
            return Plan(result, steps, _AT_ONCE, result.nbytes, finish)

        return Read(self, transform, plan)

    def write(
        self, transform: IndexTransform, source: Array, owned: bool, options: Options
    ) -> WriteOperation:
        def plan(source: Array, owned: bool) -> Plan:
            seen = self.resolved(transform)
            check_finite(seen.domain)
            parts, _ = cut_into_parts(seen, self._bounds)
            opened = list(self._opened(parts, "w"))
            steps = self._writes(opened, source, owned, options)
            return Plan(None, steps, _AT_ONCE, source.nbytes)

        return Write(self, transform, source, owned, plan)

    def _opened(self, parts: Sequence[Part], letter: str) -> Iterator[tuple[Part, View]]:
        """Yield each part with its layer; a layer that has only a spec is opened once."""
        views: dict[int, View] = {}
        for part in parts:
            view = views.get(part.layer)
            if view is None:
                view = views[part.layer] = self.layers[part.layer].opened(letter, part.layer)
            yield part, view

    def _reads(
        self, parts: Sequence[tuple[Part, View]], result: Array, options: Options
    ) -> Iterator[Step]:
        tally = _tally(parts, options)
        for part, view in parts:
            own = part_of(options, tally, part.transform.domain.size * result.itemsize)
            transform = compose(view.transform, part.transform)
            if part.shares:
                yield view.driver.read(transform, "C", own, result[part.out])
            else:
                yield _ReadAndPut(view.driver.read(transform, "C", own), result, part.out)

    def _writes(
        self, parts: Sequence[tuple[Part, View]], source: Array, owned: bool, options: Options
    ) -> Iterator[Step]:
        tally = _tally(parts, options)
        for part, view in parts:
            values = source[part.out]
            own = part_of(options, tally, values.nbytes)
            transform = compose(view.transform, part.transform)
            yield view.driver.write(transform, values, owned or not part.shares, own)


def _tally(parts: Sequence[tuple[Part, View]], options: Options) -> Tally | None:
    if options.progress is None:
        return None
    total = sum(
        view.driver.cut(compose(view.transform, part.transform)).total for part, view in parts
    )
    return Tally(options.progress, total)


@final
@attrs.frozen(eq=False)
class _ReadAndPut:
    """A read of scattered elements."""

    read: Operation[Array]
    result: Array
    out: Any

    def run_blocking(self, control: Any) -> None:
        self.result[self.out] = self.read.run_blocking(control)

    async def run(self) -> None:
        self.result[self.out] = await self.read.run()
