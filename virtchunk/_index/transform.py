"""A function from one index space to another: what a view does to the coordinates it is asked for.

An `IndexTransform` is its input domain and one `OutputIndexMap` for each output dimension.  Views
of an array, crops, transpositions, strided slices and index arrays are all transforms; applying
one after the other is composition (`virtchunk._index.compose`), so that a chain of views costs one
transform.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, final, overload

import attrs

from virtchunk._index.components import parse_components
from virtchunk._index.dim import Dim, quote_label
from virtchunk._index.domain import IndexDomain, domain_from_dimensions
from virtchunk._index.indexable import Indexable
from virtchunk._index.interval import MAX_RANK, format_interval
from virtchunk._index.output_map import (
    UNBOUNDED,
    OutputIndexMap,
    OutputIndexMaps,
    drop_broadcasting,
    format_array,
)

_ABSENT: Any = object()
_IDENTITY = tuple(OutputIndexMap._single(i, 0, 1) for i in range(MAX_RANK))


class _Fields:
    """The fields of `IndexTransform`, writable; see `virtchunk._index.domain._Fields`."""

    __slots__ = ("__weakref__", "_output", "domain")

    domain: IndexDomain
    _output: tuple[OutputIndexMap, ...]


@final
@attrs.frozen(init=False, repr=False)
class IndexTransform(_Fields, Indexable):
    """A function from the indices of an input domain to output indices.

    Example:
      >>> transform = ts.IndexTransform(
      ...     input_shape=[3, 4],
      ...     output=[ts.OutputIndexMap(input_dimension=1, offset=7), ts.OutputIndexMap(8)],
      ... )
      >>> transform
      Rank 2 -> 2 index space transform:
        Input domain:
          0: [0, 3)
          1: [0, 4)
        Output index maps:
          out[0] = 7 + 1 * in[1]
          out[1] = 8
      >>> transform([1, 2])
      (9, 8)
    """

    domain: IndexDomain
    """The input domain."""
    _output: tuple[OutputIndexMap, ...]

    @overload
    def __new__(
        cls,
        input_rank: int | None = None,
        *,
        input_inclusive_min: Iterable[int] | None = None,
        implicit_lower_bounds: Iterable[bool] | None = None,
        input_exclusive_max: Iterable[int] | None = None,
        input_inclusive_max: Iterable[int] | None = None,
        input_shape: Iterable[int] | None = None,
        implicit_upper_bounds: Iterable[bool] | None = None,
        input_labels: Iterable[str | None] | None = None,
        output: Iterable[OutputIndexMap] | None = None,
    ) -> IndexTransform: ...
    @overload
    def __new__(
        cls,
        domain: IndexDomain | Sequence[Dim],
        /,
        output: Iterable[OutputIndexMap] | None = None,
    ) -> IndexTransform: ...
    @overload
    def __new__(
        cls,
        *,
        domain: IndexDomain | Sequence[Dim],
        output: Iterable[OutputIndexMap] | None = None,
    ) -> IndexTransform: ...
    @overload
    def __new__(cls, *, json: Any) -> IndexTransform: ...
    def __new__(
        cls,
        input_rank: Any = None,
        output: Any = None,
        *,
        domain: Any = None,
        input_inclusive_min: Any = None,
        implicit_lower_bounds: Any = None,
        input_exclusive_max: Any = None,
        input_inclusive_max: Any = None,
        input_shape: Any = None,
        implicit_upper_bounds: Any = None,
        input_labels: Any = None,
        json: Any = _ABSENT,
    ) -> IndexTransform:
        """Make a transform from component vectors, from a domain, or from JSON.

        * Component vectors describe the input domain as they do for `IndexDomain`, with names that
          start with ``input_``.
        * ``domain``: an `IndexDomain` or a sequence of `Dim`.
        * ``json=``: what `to_json` returns.

        Without ``output`` the transform is the identity.

        Raises:
          TypeError: If an argument has the wrong type, or the forms are mixed.
          ValueError: If the domain is not valid (see `IndexDomain`), an output map names an input
            dimension that does not exist, the shape of an index array does not fit the domain, or
            an index array depends on a dimension with an implicit bound.
        """
        components = (
            input_inclusive_min,
            implicit_lower_bounds,
            input_exclusive_max,
            input_inclusive_max,
            input_shape,
            implicit_upper_bounds,
            input_labels,
        )
        if json is not _ABSENT:
            _refuse_mixture("json", input_rank, domain, output, *components)
            from virtchunk._index.json_form import transform_from_json

            return transform_from_json(json)
        if domain is None and input_rank is not None and not hasattr(input_rank, "__index__"):
            input_rank, domain = None, input_rank
        if domain is None:
            domain = IndexDomain._trusted(
                *parse_components(input_rank, *components, prefix="input_")
            )
        else:
            _refuse_mixture("domain", input_rank, *components)
            if not isinstance(domain, IndexDomain):
                domain = domain_from_dimensions(domain)
        if output is None:
            return IndexTransform._identity(domain)
        return IndexTransform._trusted(domain, check_output_maps(domain, output))

    @staticmethod
    def _trusted(domain: IndexDomain, output: tuple[OutputIndexMap, ...]) -> IndexTransform:
        """Build without checking: every map fits the domain."""
        self: Any = _Fields()
        self.domain = domain
        self._output = output
        self.__class__ = IndexTransform
        return self  # type: ignore[no-any-return]

    @staticmethod
    def _identity(domain: IndexDomain) -> IndexTransform:
        """Return the transform that maps every index of ``domain`` to itself."""
        self: Any = _Fields()
        self.domain = domain
        self._output = _IDENTITY[: len(domain.labels)]
        self.__class__ = IndexTransform
        return self  # type: ignore[no-any-return]

    def _get_transform(self) -> IndexTransform:
        return self

    def _with_transform(self, transform: IndexTransform) -> IndexTransform:
        return transform

    @property
    def output(self) -> OutputIndexMaps:
        """The output index maps, one for each output dimension."""
        return OutputIndexMaps(self._output)

    @property
    def input_rank(self) -> int:
        """Number of input dimensions."""
        return len(self.domain.labels)

    @property
    def output_rank(self) -> int:
        """Number of output dimensions."""
        return len(self._output)

    @property
    def ndim(self) -> int:
        """Number of input dimensions, the same as `input_rank`."""
        return len(self.domain.labels)

    @property
    def input_origin(self) -> tuple[int, ...]:
        """First index of each input dimension, the same as `input_inclusive_min`."""
        return self.domain.inclusive_min

    @property
    def origin(self) -> tuple[int, ...]:
        """First index of each input dimension, the same as `input_inclusive_min`."""
        return self.domain.inclusive_min

    @property
    def input_inclusive_min(self) -> tuple[int, ...]:
        """First index of each input dimension; ``-inf`` where unbounded below."""
        return self.domain.inclusive_min

    @property
    def input_inclusive_max(self) -> tuple[int, ...]:
        """Last index of each input dimension; ``inf`` where unbounded above."""
        return self.domain.inclusive_max

    @property
    def input_exclusive_max(self) -> tuple[int, ...]:
        """One past the last index of each input dimension; ``inf + 1`` where unbounded above."""
        return self.domain.exclusive_max

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Extent of each input dimension; meaningless where unbounded."""
        return self.domain.shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each input dimension, the same as `input_shape`."""
        return self.domain.shape

    @property
    def size(self) -> int:
        """Number of elements of the input domain, capped at ``2**63 - 1``."""
        return self.domain.size

    @property
    def input_labels(self) -> tuple[str, ...]:
        """Label of each input dimension; the empty string for none."""
        return self.domain.labels

    @property
    def implicit_lower_bounds(self) -> tuple[bool, ...]:
        """Whether the lower bound of each input dimension is implicit."""
        return self.domain.implicit_lower_bounds

    @property
    def implicit_upper_bounds(self) -> tuple[bool, ...]:
        """Whether the upper bound of each input dimension is implicit."""
        return self.domain.implicit_upper_bounds

    def __call__(self, indices: Iterable[int]) -> tuple[int, ...]:
        """Map a vector of input indices to the vector of output indices.

        Args:
          indices: One index for each input dimension, within the domain; implicit bounds do not
            limit it.

        Raises:
          TypeError: If ``indices`` is not a sequence of integers.
          ValueError: If there are too few or too many, an index is outside the domain, an entry of
            an index array is outside its range, or an output index needs more than 64 bits.

        Example:
          >>> ts.IndexTransform(2)[ts.d[:].translate_by[1, 2]]([1, 2])
          (0, 0)
        """
        from virtchunk._index.compose import map_indices

        return map_indices(self, indices)

    def to_json(self) -> Any:
        """Return the JSON representation, which `IndexTransform` accepts as ``json=``.

        An index range that all entries of the array satisfy is left out.

        Example:
          >>> ts.IndexTransform(input_shape=[3], output=[ts.OutputIndexMap(4)]).to_json()
          {'input_exclusive_max': [3], 'input_inclusive_min': [0], 'output': [{'offset': 4}]}
        """
        from virtchunk._index.json_form import transform_to_json

        return transform_to_json(self)

    def __repr__(self) -> str:
        """Return a description: the input domain, then a formula for each output dimension."""
        domain = self.domain
        lines = [f"Rank {len(domain)} -> {len(self._output)} index space transform:"]
        lines.append("  Input domain:")
        for i, dim in enumerate(domain):
            interval = format_interval(*dim._interval())
            label = f" {quote_label(dim.label)}" if dim.label else ""
            lines.append(f"    {i}: {interval}{label}")
        lines.append("  Output index maps:")
        lines.extend(f"    out[{i}] = {_format_map(m)}" for i, m in enumerate(self._output))
        return "\n".join([*lines, ""])

    __iter__ = None  # iterating by `__getitem__` would never end well

    def __copy__(self) -> IndexTransform:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> IndexTransform:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return IndexTransform._trusted, (self.domain, self._output)


def _format_map(output: OutputIndexMap) -> str:
    if output.stride is None:
        return str(output.offset)
    if output.index_array is None:
        return f"{output.offset} + {output.stride} * in[{output.input_dimension}]"
    bounds = format_interval(*(output._bounds or UNBOUNDED))
    array = format_array(output.index_array)
    return (
        f"{output.offset} + {output.stride} * bounded({bounds}, array(in)), where array =\n"
        f"      {array}"
    )


def check_output_maps(domain: IndexDomain, output: Any) -> tuple[OutputIndexMap, ...]:
    """Return ``output`` as maps that fit ``domain``, with degenerate maps made constant.

    Raises:
      TypeError: If it is not an iterable of `OutputIndexMap`.
      ValueError: As documented for `IndexTransform`.
    """
    if not isinstance(output, Iterable):
        raise TypeError(f"output must be a sequence of OutputIndexMap, got {output!r}")
    maps = tuple(output)
    for output_map in maps:
        if not isinstance(output_map, OutputIndexMap):
            raise TypeError(f"output must consist of OutputIndexMap, got {output_map!r}")
    if len(maps) > MAX_RANK:
        raise ValueError(f"there may be at most {MAX_RANK} output dimensions, got {len(maps)}")
    return tuple([_check_map(domain, i, output_map) for i, output_map in enumerate(maps)])


def _check_map(
    domain: IndexDomain, output_dimension: int, output: OutputIndexMap
) -> OutputIndexMap:
    where = f"output dimension {output_dimension}"
    if output.index_array is not None:
        return _check_array_map(domain, where, output)
    dimension = output.input_dimension
    if dimension is None:
        return output
    rank = len(domain)
    if not 0 <= dimension < rank:
        raise ValueError(
            f"{where} refers to input dimension {dimension}, but the domain {domain} has dimensions"
            f" [0, {rank})"
        )
    return OutputIndexMap._constant(output.offset) if output.stride == 0 else output


def _check_array_map(domain: IndexDomain, where: str, output: OutputIndexMap) -> OutputIndexMap:
    array = output.index_array
    assert array is not None
    assert output.stride is not None
    array = drop_broadcasting(array)
    shape = domain.shape
    if array.ndim != len(shape):
        raise ValueError(
            f"the index array of {where} has {array.ndim} axes, but the domain {domain} has"
            f" {len(shape)} dimensions; give it one axis for each, of extent 1 where it is constant"
        )
    # One axis at a time, each with the reason for its error.
    for i, (extent, expected) in enumerate(zip(array.shape, shape, strict=True)):
        if extent == 1:
            continue
        if extent != expected:
            raise ValueError(
                f"the index array of {where} has shape {array.shape}, but dimension {i} of the"
                f" domain {domain} has extent {expected}; axis {i} must have that extent, or 1"
            )
        dim = domain[i]
        # An array without elements depends only on the dimensions that leave it none.
        depends = array.size > 0 or extent == 0
        if depends and (dim.implicit_lower or dim.implicit_upper or not dim.finite):
            raise ValueError(
                f"the index array of {where} depends on dimension {i} of the domain {domain}, whose"
                " bounds must then be explicit and finite"
            )
    if domain._is_explicitly_empty():
        return OutputIndexMap._constant(0)
    if output.stride == 0:
        return OutputIndexMap._constant(output.offset)
    return OutputIndexMap._array(array, output.offset, output.stride, output._bounds)


def _refuse_mixture(name: str, *others: Any) -> None:
    for other in others:
        if other is not None:
            raise TypeError(
                f"`{name}` describes the whole domain; it cannot be combined with others"
            )
