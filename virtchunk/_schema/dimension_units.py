"""The units of all dimensions of a space: given, merged, and carried through a transform.

The unit of a dimension is what one step of the index along it measures. None says that it is
unknown, which is not the same as dimensionless.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from virtchunk._index.interval import MAX_RANK
from virtchunk._schema.json_value import json_type_name
from virtchunk._schema.unit import Unit, unit_from_json

if TYPE_CHECKING:
    from numbers import Real

    from virtchunk._index.transform import IndexTransform

__all__ = (
    "DimensionUnits",
    "DimensionUnitsLike",
    "dimension_units_from_json",
    "dimension_units_to_json",
    "merge_dimension_units",
    "normalize_dimension_units",
    "transform_dimension_units",
)

DimensionUnits: TypeAlias = "tuple[Unit | None, ...]"
"""A unit for each dimension; None where it is unknown."""
DimensionUnitsLike: TypeAlias = (
    "Iterable[Unit | str | float | Real | tuple[float | Real, str] | None]"
)
"""What a ``dimension_units=`` argument accepts."""


def normalize_dimension_units(units: DimensionUnitsLike) -> DimensionUnits:
    """Return a unit, or None, for each dimension.

    Args:
        units: For each dimension a `Unit`, what `Unit` accepts as its only argument, or None.

    Raises:
        TypeError: ``units`` is not such a sequence.
        ValueError: There are more than 32 of them.

    Example:
        >>> from virtchunk._schema.dimension_units import normalize_dimension_units
        >>> normalize_dimension_units(["4nm", None, (3, "m"), 2.5])
        (Unit(4, "nm"), None, Unit(3, "m"), Unit(2.5, ""))
    """
    if isinstance(units, (str, bytes, Mapping)) or not isinstance(units, Iterable):
        raise TypeError(
            f"dimension_units must be a sequence with a unit or None for each dimension, "
            f"got {units!r}"
        )
    return _check_count(tuple([_normalize(unit, dim) for dim, unit in enumerate(units)]))


def _normalize(unit: Any, dim: int) -> Unit | None:
    if unit is None or isinstance(unit, Unit):
        return unit
    try:
        return Unit(unit)
    except TypeError:
        raise TypeError(
            f"dimension_units[{dim}] must be a Unit, text such as '4nm', a number, "
            f"a pair of number and base unit, or None, got {unit!r}"
        ) from None


def _check_count(units: DimensionUnits) -> DimensionUnits:
    if len(units) > MAX_RANK:
        raise ValueError(
            f"dimension_units gives {len(units)} dimensions; there are at most {MAX_RANK}"
        )
    return units


def merge_dimension_units(existing: DimensionUnits, new: DimensionUnits) -> DimensionUnits:
    """Return the units that satisfy both, where None says nothing.

    Args:
        existing: What is known already.
        new: What is added, for as many dimensions.

    Raises:
        ValueError: They give different units to one dimension.
    """
    return tuple([_merge(dim, *pair) for dim, pair in enumerate(zip(existing, new, strict=True))])


def _merge(dim: int, existing: Unit | None, new: Unit | None) -> Unit | None:
    if existing is not None and new is not None and existing != new:
        raise ValueError(
            f"dimension_units[{dim}] is {new}, which differs from the existing unit {existing}"
        )
    return new if existing is None else existing


def transform_dimension_units(units: DimensionUnits, transform: IndexTransform) -> DimensionUnits:
    """Return the units of the input dimensions of a transform.

    An input dimension has a unit if exactly one output dimension depends on it, and that one only
    on it and affinely: the unit of the output dimension times the magnitude of the stride.

    Args:
        units: The units of the output dimensions.
        transform: Transform of output rank ``len(units)``.

    Example:
        >>> from virtchunk._schema.dimension_units import transform_dimension_units
        >>> backwards = ts.OutputIndexMap(offset=9, input_dimension=0, stride=-2)
        >>> transform = ts.IndexTransform(input_shape=[3], output=[backwards])
        >>> transform_dimension_units((ts.Unit("4nm"),), transform)
        (Unit(8, "nm"),)
    """
    result: list[Unit | None] = [None] * transform.domain.rank
    uses = [0] * transform.domain.rank
    for unit, output in zip(units, transform._output, strict=True):
        dim = output.input_dimension
        if dim is not None:
            uses[dim] += 1
            result[dim] = unit and unit * abs(output.stride or 0)
        elif output.index_array is not None:
            for axis, extent in enumerate(output.index_array.shape):
                uses[axis] += 2 * (extent > 1)
    return tuple([unit if uses[dim] == 1 else None for dim, unit in enumerate(result)])


def dimension_units_to_json(units: DimensionUnits) -> list[Any]:
    """Return the JSON representation: an array of units and nulls."""
    return [unit and unit.to_json() for unit in units]


def dimension_units_from_json(value: Any) -> DimensionUnits:
    """Return the units that a normalised JSON value represents.

    Raises:
        ValueError: It is not an array of units and nulls.
    """
    if not isinstance(value, list):
        raise ValueError(  # noqa: TRY004 - what JSON says wrongly is a wrong value
            f"dimension_units must be an array, got {json_type_name(value)} {value!r}"
        )
    return _check_count(tuple([None if unit is None else unit_from_json(unit) for unit in value]))
