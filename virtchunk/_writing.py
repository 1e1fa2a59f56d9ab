"""What `TensorStore.write` does: from an array or from another view, in one step or in two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from virtchunk._control import Control
from virtchunk._drivers.driver import Driver, Options, WriteOperation
from virtchunk._future import Operation
from virtchunk._index.alignment import align
from virtchunk._index.domain import IndexDomain
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.conversion import check_cast, convert_array

if TYPE_CHECKING:
    from virtchunk._store import TensorStore

__all__ = ("Stage", "ViewWrite", "write_array")

Array: TypeAlias = "np.ndarray[Any, Any]"


def write_array(
    driver: Driver, transform: IndexTransform, source: npt.ArrayLike, options: Options
) -> WriteOperation:
    """Prepare to write what NumPy can make an array of, broadcast to the domain."""
    values = convert_array(source, driver.dtype)
    owned = values is not source and values.base is None and not hasattr(source, "__array__")
    transform = driver.resolved(transform)
    shape = transform.domain.shape
    if values.shape != shape:
        align(IndexDomain(shape=values.shape), transform.domain)
        surplus = values.ndim - len(shape)
        values = np.broadcast_to(values.reshape(values.shape[max(surplus, 0) :]), shape)
    return driver.write(transform, values, owned, options)


@final
class ViewWrite:
    """A write whose source is another view: read first, then written."""

    def __init__(self, target: TensorStore, source: TensorStore, options: Options) -> None:
        try:
            check_cast(source.dtype.numpy_dtype, target.dtype)
        except TypeError as error:  # the original's class for views, unlike that for arrays
            raise ValueError(str(error)) from None
        self.target = target
        self.options = options
        self.source = source[align(source.domain, target.domain)]
        self.values: Array | None = None

    def describe(self) -> str:
        return f"write to {self.target.domain} of {self.target!r}"

    def stage(self) -> None:
        self.values = self.source.read().result()

    async def stage_awaiting(self) -> None:
        self.values = await self.source.read()

    def _write(self, values: Array) -> Operation[None]:
        converted = convert_array(values, self.target.dtype)
        return self.target._driver.write(self.target._transform, converted, True, self.options)

    def run_blocking(self, control: Control) -> None:
        values = self.values
        if values is None:
            source = self.source
            read = source._driver.read(
                source._transform, "C", Options(transaction=source._transaction)
            )
            values = read.run_blocking(control)
        self._write(values).run_blocking(control)

    async def run(self) -> None:
        values = self.values if self.values is not None else await self.source.read()
        await self._write(values).run()


@final
class Stage:
    """Only the first step of a write: letting go of the source."""

    def __init__(self, operation: WriteOperation) -> None:
        self.operation = operation

    def describe(self) -> str:
        return f"copy for the {self.operation.describe()}"

    def run_blocking(self, control: Control) -> None:
        self.operation.stage()

    async def run(self) -> None:
        await self.operation.stage_awaiting()
