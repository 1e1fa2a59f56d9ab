"""Views that are made from other views: `cast`, `downsample`, `stack`, `concat` and `overlay`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index as as_index
from typing import TYPE_CHECKING, Any, overload

import attrs
import numpy as np

from virtchunk._context.context import Context
from virtchunk._drivers.cast import CastDriver
from virtchunk._drivers.cast_spec import CastSpec
from virtchunk._drivers.downsample import DownsampleDriver
from virtchunk._drivers.downsample_spec import DownsampleSpec
from virtchunk._drivers.driver import View
from virtchunk._drivers.reduction import DownsampleMethod
from virtchunk._drivers.spec import OpenRequest
from virtchunk._drivers.stack import Layer
from virtchunk._drivers.stack_spec import LayerFacts, make_stack
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._index.transform import IndexTransform
from virtchunk._open_options import as_flag
from virtchunk._schema.dimension_units import (
    DimensionUnits,
    DimensionUnitsLike,
    transform_dimension_units,
)
from virtchunk._schema.dtype import DTypeLike
from virtchunk._schema.dtype import dtype as DataType
from virtchunk._schema.schema import Schema
from virtchunk._spec.spec import Spec, check_context
from virtchunk._store import TensorStore

if TYPE_CHECKING:
    from virtchunk._transaction import Transaction

__all__ = ("DownsampleMethod", "cast", "concat", "downsample", "overlay", "stack")


@overload
def cast(base: TensorStore, dtype: DTypeLike) -> TensorStore: ...
@overload
def cast(base: Spec, dtype: DTypeLike) -> Spec: ...
def cast(base: TensorStore | Spec, dtype: DTypeLike) -> TensorStore | Spec:
    """Return a view with the elements of another one, converted to a data type.

    Elements are converted while they are read and, the other way round, while they are written.
    A cast may lose information: fractions are cut off, integers that do not fit keep their low
    bits, a complex number loses its imaginary part. Numbers become text, but not the other way
    round, so that such a view is read-only; JSON values are converted both ways.

    Args:
        base: What to convert; or a spec of it, which gives a spec.
        dtype: What to convert to.

    Raises:
        ValueError: If there is no conversion.
        TypeError: If ``base`` is neither a view nor a spec.

    Example:
        >>> view = ts.cast(ts.array([1.5, 2.5, -3.5]), ts.int32)
        >>> view.read().result()
        array([ 1,  2, -3], dtype=int32)
    """
    data_type = DataType(dtype)
    if isinstance(base, Spec):
        return Spec._trusted(CastSpec.of_base(base._view, data_type))
    _check_view(base, "cast()")
    driver = CastDriver(base._driver, data_type)
    return TensorStore._of(driver, base._transform, base._transaction)


@overload
def downsample(
    base: TensorStore, downsample_factors: Iterable[int], method: DownsampleMethod
) -> TensorStore: ...
@overload
def downsample(base: Spec, downsample_factors: Iterable[int], method: DownsampleMethod) -> Spec: ...
def downsample(
    base: TensorStore | Spec, downsample_factors: Iterable[int], method: DownsampleMethod
) -> TensorStore | Spec:
    """Return a view at a lower resolution, computed from the base whenever it is read.

    The element at ``i`` is made from those of the base at ``[i * factor, (i + 1) * factor)`` in
    each dimension, as far as the base has them: cells begin at multiples of the factors, wherever
    the base begins. A large read takes the base piece by piece.

    Args:
        base: What to downsample; or a spec of it, which gives a spec.
        downsample_factors: How many elements of the base make one, for each dimension.
        method: ``"stride"`` takes the first element of a cell, and has only those cells of which
            the base has it. ``"mean"`` rounds to the nearest integer, halves to the even one, if
            the elements are integers. ``"min"``, ``"max"``; ``"median"``, of two in the middle the
            lower one; ``"mode"``, the most frequent element, and of several the smallest.

    Raises:
        ValueError: If the factors are not positive or not one for each dimension, if there is no
            such method, if the data type has no mean or no order, or the base cannot be read.
        TypeError: If ``base`` is neither a view nor a spec, or a factor is no integer.

    Example:
        >>> view = ts.downsample(ts.array([[1, 3, 5], [5, 7, 6]]), [2, 2], "mean")
        >>> view.read().result()
        array([[4, 6]])
    """
    factors = tuple([as_index(factor) for factor in downsample_factors])
    if isinstance(base, Spec):
        return Spec._trusted(DownsampleSpec.of_base(base._view, factors, method))
    _check_view(base, "downsample()")
    driver = DownsampleDriver(View(base._driver, base._transform), factors, method)
    identity = IndexTransform._identity(driver.domain)
    return TensorStore._of(driver, identity, base._transaction)


def stack(
    layers: Iterable[TensorStore | Spec],
    axis: int = 0,
    *,
    read: bool | None = None,
    write: bool | None = None,
    context: Context | None = None,
    transaction: Transaction | None = None,
    rank: int | None = None,
    dtype: DTypeLike | None = None,
    domain: IndexDomain | None = None,
    shape: Iterable[int] | None = None,
    dimension_units: DimensionUnitsLike | None = None,
    schema: Schema | None = None,
) -> TensorStore:
    """Stack views along a new dimension, as `numpy.stack` does.

    A read needs only the layers that it touches, and reads them at the same time; so does a write.

    Args:
        layers: Views of one rank and data type. The domain is the smallest box around all of them.
            A `Spec` of known domain is opened whenever it is needed.
        axis: Where the new dimension goes; a negative number counts from the end.
        read: Whether the view must be readable.
        write: Whether the view must be writable. If neither is set, the view is what any of its
            layers can be; otherwise it is what is set.
        context: Kept for the view's spec; a new one by default.
        transaction: Transaction of all reads and writes; by default that of the layers, which must
            all have the same.
        rank: Constrains the rank of the view, as the following constrain what they name.
        dtype: The data type.
        domain: Bounds and labels. Given bounds replace those of the layers.
        shape: The same as a domain that begins at 0.
        dimension_units: Units; they replace those of the layers.
        schema: Further constraints, merged with the others.

    Raises:
        ValueError: If there is no layer, the layers do not fit each other or the constraints, or
            the view cannot be what it must be.
        TypeError: If a layer is neither a view nor a spec.

    Example:
        >>> view = ts.stack([ts.array([1, 2]), ts.array([3, 4])])
        >>> view.read().result()
        array([[1, 2],
               [3, 4]])
    """
    placed = _check_layers(layers, "stack")
    if not placed:
        raise ValueError("stack() needs at least one layer, to know the rank")
    axis = _new_axis(axis, len(placed[0].transform.domain.inclusive_min) + 1)
    placed = [
        attrs.evolve(one, transform=_with_new_dimension(one.transform, axis, position))
        for position, one in enumerate(_same_rank(placed))
    ]
    constraints = Schema(
        rank=rank,
        dtype=dtype,
        domain=domain,
        shape=shape,
        dimension_units=dimension_units,
        schema=schema,
    )
    return _stacked(placed, constraints, read, write, context, transaction)


def concat(
    layers: Iterable[TensorStore | Spec],
    axis: int | str,
    *,
    read: bool | None = None,
    write: bool | None = None,
    context: Context | None = None,
    transaction: Transaction | None = None,
    rank: int | None = None,
    dtype: DTypeLike | None = None,
    domain: IndexDomain | None = None,
    shape: Iterable[int] | None = None,
    dimension_units: DimensionUnitsLike | None = None,
    schema: Schema | None = None,
) -> TensorStore:
    """Concatenate views along one of their dimensions, as `numpy.concatenate` does.

    The first layer stays where it is; each of the others is moved to begin where the one before it
    ends.

    Args:
        layers: Views of one rank and data type; see `stack`.
        axis: The dimension, as a number or a label; a negative number counts from the end.
        read: See `stack`.
        write: See `stack`.
        context: See `stack`.
        transaction: See `stack`.
        rank: See `stack`.
        dtype: See `stack`.
        domain: See `stack`.
        shape: See `stack`.
        dimension_units: See `stack`.
        schema: See `stack`.

    Raises:
        ValueError: If there is no layer or no such dimension, the layers do not fit each other or
            the constraints, or the view cannot be what it must be.
        TypeError: If a layer is neither a view nor a spec.

    Example:
        >>> rows = ts.array([[1, 2], [3, 4]]).label["y", "x"]
        >>> ts.concat([rows, rows[:1]], "y").read().result()
        array([[1, 2],
               [3, 4],
               [1, 2]])
    """
    placed = _check_layers(layers, "concat")
    if not placed:
        raise ValueError("concat() needs at least one layer")
    dimension = _known_axis(axis, _same_rank(placed))
    moved = placed[:1]
    for one in placed[1:]:
        end = moved[-1].transform.domain.exclusive_max[dimension]
        moved.append(attrs.evolve(one, transform=_moved(one.transform, dimension, end, len(moved))))
    constraints = Schema(
        rank=rank,
        dtype=dtype,
        domain=domain,
        shape=shape,
        dimension_units=dimension_units,
        schema=schema,
    )
    return _stacked(moved, constraints, read, write, context, transaction)


def overlay(
    layers: Iterable[TensorStore | Spec],
    *,
    read: bool | None = None,
    write: bool | None = None,
    context: Context | None = None,
    transaction: Transaction | None = None,
    rank: int | None = None,
    dtype: DTypeLike | None = None,
    domain: IndexDomain | None = None,
    shape: Iterable[int] | None = None,
    dimension_units: DimensionUnitsLike | None = None,
    schema: Schema | None = None,
) -> TensorStore:
    """Lay views over each other, each where its domain says: the last one that has an element wins.

    Reading where no layer is raises `ValueError`.

    Args:
        layers: Views of one rank and data type; see `stack`. There may be none, if ``dtype`` and
            ``domain`` are given.
        read: See `stack`.
        write: See `stack`.
        context: See `stack`.
        transaction: See `stack`.
        rank: See `stack`.
        dtype: See `stack`.
        domain: See `stack`.
        shape: See `stack`.
        dimension_units: See `stack`.
        schema: See `stack`.

    Raises:
        ValueError: If the layers do not fit each other or the constraints, or the view cannot be
            what it must be.
        TypeError: If a layer is neither a view nor a spec.

    Example:
        >>> ground = ts.array([1, 2, 3, 4])
        >>> ts.overlay([ground, ts.array([7, 8]).translate_to[1]]).read().result()
        array([1, 7, 8, 4])
    """
    constraints = Schema(
        rank=rank,
        dtype=dtype,
        domain=domain,
        shape=shape,
        dimension_units=dimension_units,
        schema=schema,
    )
    placed = _check_layers(layers, "overlay")
    return _stacked(placed, constraints, read, write, context, transaction)


# -- layers ------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class _Placed:
    """A layer, and where it lies."""

    layer: TensorStore | Spec
    transform: IndexTransform


def _check_view(value: object, function: str) -> None:
    if not isinstance(value, TensorStore):
        raise TypeError(f"{function} needs a TensorStore or a Spec, got {value!r}")


def _check_layers(layers: Any, function: str) -> list[_Placed]:
    if isinstance(layers, (TensorStore, Spec)):
        raise TypeError(f"{function}() needs a sequence of layers, got a single one: {layers!r}")
    placed = []
    for number, layer in enumerate(layers):
        if isinstance(layer, Spec):
            if layer.domain is None:
                raise ValueError(f"the domain of layer {number} must be specified")
        elif not isinstance(layer, TensorStore):
            raise TypeError(f"layer {number} must be a TensorStore or a Spec, got {layer!r}")
        placed.append(_Placed(layer, layer._get_transform()))
    return placed


def _same_rank(placed: Sequence[_Placed]) -> Sequence[_Placed]:
    rank = placed[0].transform.domain.rank
    for number, one in enumerate(placed):
        domain = one.transform.domain
        if domain.rank != rank:
            raise ValueError(
                f"layer {number} has rank {domain.rank}, with the domain {domain}, but layer 0 has "
                f"rank {rank}"
            )
    return placed


def _new_axis(axis: Any, rank: int) -> int:
    return _normalized(as_index(axis), rank)


def _normalized(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is outside [-{rank}, {rank})")
    return axis % rank


def _known_axis(axis: Any, placed: Sequence[_Placed]) -> int:
    rank = placed[0].transform.domain.rank
    if not isinstance(axis, str):
        return _normalized(as_index(axis), rank)
    for one in placed:
        labels = one.transform.domain.labels
        if axis and axis in labels:
            return labels.index(axis)
    raise ValueError(
        f'no dimension is labelled "{axis}"; layer 0 has the domain {placed[0].transform.domain}'
    )


def _with_new_dimension(transform: IndexTransform, axis: int, position: int) -> IndexTransform:
    """Give a view one more dimension, of a single index."""
    old = transform.domain

    def insert(values: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        return (*values[:axis], value, *values[axis:])

    domain = IndexDomain._trusted(
        insert(old.inclusive_min, position),
        insert(old.exclusive_max, position + 1),
        insert(old.labels, ""),
        insert(old.implicit_lower_bounds, False),
        insert(old.implicit_upper_bounds, False),
    )
    outputs = []
    for output in transform._output:
        dim = output.input_dimension
        if output.index_array is not None:
            array = np.expand_dims(output.index_array, axis)
            assert output.stride is not None
            output = OutputIndexMap._array(array, output.offset, output.stride, output.index_range)
        elif dim is not None and dim >= axis:
            assert output.stride is not None
            output = OutputIndexMap._single(dim + 1, output.offset, output.stride)
        outputs.append(output)
    return IndexTransform._trusted(domain, tuple(outputs))


def _moved(transform: IndexTransform, axis: int, low: int, number: int) -> IndexTransform:
    """Move a view along a dimension, so that it begins at an index."""
    old = transform.domain
    start, end = old.inclusive_min[axis], old.exclusive_max[axis]
    if low == INF_UPPER or start == -INF:
        raise ValueError(
            f"layer {number} cannot be put behind the one before it: along dimension {axis}, a "
            "domain without bounds is in the way"
        )
    shift = low - start

    def replace(values: tuple[int, ...], value: int) -> tuple[int, ...]:
        return (*values[:axis], value, *values[axis + 1 :])

    domain = IndexDomain._trusted(
        replace(old.inclusive_min, low),
        replace(old.exclusive_max, end if end == INF_UPPER else end + shift),
        old.labels,
        old.implicit_lower_bounds,
        old.implicit_upper_bounds,
    )
    outputs = []
    for output in transform._output:
        if output.input_dimension == axis:
            assert output.stride is not None
            offset = output.offset - output.stride * shift
            output = OutputIndexMap._single(axis, offset, output.stride)
        outputs.append(output)
    return IndexTransform._trusted(domain, tuple(outputs))


# -- the stack ---------------------------------------------------------------------------------


def _stacked(
    placed: Sequence[_Placed],
    constraints: Schema,
    read: bool | None,
    write: bool | None,
    context: Context | None,
    transaction: Transaction | None,
) -> TensorStore:
    check_context(context)
    request = OpenRequest(read=as_flag(read, "read"), write=as_flag(write, "write"))
    context = Context() if context is None else context
    transaction = _common_transaction(placed, transaction)
    facts = [_facts(one, number, context) for number, one in enumerate(placed)]
    driver = make_stack(facts, constraints._constraints, context)
    driver.mode = request.mode("stack", driver.mode)
    return TensorStore._of(driver, IndexTransform._identity(driver.domain), transaction)


def _facts(one: _Placed, number: int, context: Context) -> LayerFacts:
    layer, transform = one.layer, one.transform
    if isinstance(layer, Spec):
        spec = layer._view.with_transform(transform).bound(context)
        return LayerFacts.of_spec(spec, number)
    driver = layer._driver
    units: DimensionUnits = (None,) * transform.domain.rank
    if any(driver.dimension_units):
        units = transform_dimension_units(driver.dimension_units, transform)
    view = View(driver, transform)
    return LayerFacts(layer=Layer(transform.domain, view), data_type=driver.dtype, units=units)


def _common_transaction(
    placed: Sequence[_Placed], transaction: Transaction | None
) -> Transaction | None:
    """Return the one transaction that all layers have, or that none of them has.

    Raises:
        ValueError: They have different ones.
    """
    given = transaction is not None
    for number, one in enumerate(placed):
        if isinstance(one.layer, Spec):
            continue
        own = one.layer._transaction
        if number == 0 and not given:
            transaction = own
        if own is not transaction and not (own is None and given):
            raise ValueError(
                f"layer {number} belongs to another transaction than the stack; give all layers "
                "the same one, by with_transaction()"
            )
    return transaction
