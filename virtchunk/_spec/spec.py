"""`Spec`: how to open a view, as users see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Unpack, final

import attrs

from virtchunk._context import Context
from virtchunk._drivers.registry import view_spec_from_json, view_spec_of
from virtchunk._index.indexable import Indexable
from virtchunk._open_options import as_flag
from virtchunk._schema.json_value import format_json
from virtchunk._schema.schema import Schema
from virtchunk._schema.schema_constraints import SchemaConstraints
from virtchunk._spec.options import OpenModeKeywords, SpecKeywords, parse_spec_keywords

if TYPE_CHECKING:
    import numpy as np

    from virtchunk._drivers.driver import Driver
    from virtchunk._drivers.spec import ViewSpec
    from virtchunk._index.domain import IndexDomain
    from virtchunk._index.transform import IndexTransform
    from virtchunk._open_mode import OpenMode
    from virtchunk._schema.codec import CodecSpec
    from virtchunk._schema.dimension_units import DimensionUnits
    from virtchunk._schema.dtype import dtype
    from virtchunk._schema.layout import ChunkLayout

__all__ = ("Spec", "check_context", "schema_of_view", "spec_of_view")


@final
class Spec(Indexable):
    """How to open a view: driver, constraints and options, without opening anything.

    A spec is made from JSON, or by `TensorStore.spec` from a view. It can be indexed like the view
    that it opens, changed by `update`, and turned into JSON again. What it says of context
    resources are references, until `update` binds it to a `Context`.

    Two specs are equal if they say the same, where bound resources equal only themselves.

    Args:
        json: The JSON representation: an object with a member ``"driver"``, or another spec.
            Values with a method ``to_json``, such as data types, may occur anywhere in it.

    Raises:
        ValueError: The JSON describes no spec: an unknown driver, a member that is unknown,
            missing or invalid, or two that conflict.
        TypeError: Part of ``json`` has no JSON form.

    Example:
        >>> spec = ts.Spec({"driver": "array", "dtype": ts.int8, "array": [[1, 2], [3, 4]]})
        >>> spec[1].domain
        { [0, 2) }
        >>> ts.open(spec[1]).result().read().result()
        array([3, 4], dtype=int8)
    """

    __slots__ = ("_view",)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # `update` changes what it is equal to
    __iter__ = None  # otherwise Python would try the indices 0, 1, 2, ...

    _view: ViewSpec

    def __init__(self, json: Any) -> None:
        self._view = json._view if isinstance(json, Spec) else view_spec_from_json(json)

    @classmethod
    def _trusted(cls, view: ViewSpec) -> Spec:
        self = cls.__new__(cls)
        self._view = view
        return self

    def update(
        self,
        *,
        unbind_context: bool | None = None,
        strip_context: bool | None = None,
        context: Context | None = None,
        minimal_spec: bool | None = None,
        **keywords: Unpack[SpecKeywords],
    ) -> None:
        """Add constraints, change options, or change what is said of context resources, in place.

        Options that concern stored metadata are accepted and ignored by drivers that store none.

        Args:
            unbind_context: Replace bound resources by references, and define what they refer to:
                binding the spec again makes new resources, shared as the old ones were.
            strip_context: Then refer to the default resources only, and forget all definitions.
            context: Then bind the references: look the resources up in this context. What is bound
                already stays.
            minimal_spec: Accepted as the original does; there is no stored metadata to leave out.
            **keywords: Schema constraints are on the view, so they are carried over through its
                transform: ``rank``, ``dtype``, ``domain``, ``shape``, ``chunk_layout``, ``codec``,
                ``fill_value``, ``dimension_units``, ``schema`` (see `Schema`). What opening may do:
                ``open_mode``, or single flags of it: ``open``, ``create``, ``delete_existing``,
                ``assume_metadata``, ``assume_cached_metadata`` (see `OpenMode`). When cached
                content is revalidated: ``recheck_cached_data``, ``recheck_cached_metadata``, or
                both as ``recheck_cached`` (see `RecheckCacheOption`). Storage: ``kvstore``.

        Raises:
            TypeError: A keyword is unknown, or a value has the wrong type. Then nothing is changed.
            ValueError: A value is invalid, conflicts, cannot be carried over through the transform,
                or does not apply to the driver; a reference leads nowhere. Then nothing is changed.

        Example:
            >>> spec = ts.Spec({"driver": "array", "dtype": "int8", "array": [1, 2]})
            >>> spec.update(dimension_units=["4nm"])
            >>> spec.dimension_units
            (Unit(4, "nm"),)
        """
        check_context(context)
        as_flag(minimal_spec, "minimal_spec")
        view = self._view.updated(parse_spec_keywords("Spec.update", keywords))
        if as_flag(unbind_context, "unbind_context"):
            view = view.unbound()
        if as_flag(strip_context, "strip_context"):
            view = view.stripped()
        self._view = view if context is None else view.bound(context)

    # -- JSON ----------------------------------------------------------------------------------

    def to_json(self, include_defaults: bool = False) -> Any:
        """Return the JSON representation. Bound resources are named, as by ``unbind_context``.

        Args:
            include_defaults: Whether to include members that are equal to their default.

        Raises:
            NotImplementedError: Something has no JSON: a callback that cannot be imported by name.
            ValueError: An element of an array has no JSON: bytes that are not UTF-8.

        Example:
            >>> ts.Spec({"driver": "array", "dtype": "int8", "array": 5}).to_json()
            {'array': 5, 'driver': 'array', 'dtype': 'int8', 'transform': {'input_rank': 0}}
        """
        json = self._view.to_json(as_flag(include_defaults, "include_defaults"))
        return dict(sorted(json.items()))

    def __repr__(self) -> str:
        return f"Spec({format_json(self._view.for_display())})"

    def copy(self) -> Spec:
        """Return an independent spec that says the same.

        Example:
            >>> a = ts.Spec({"driver": "array", "dtype": "int8", "array": [1, 2]})
            >>> b = a.copy()
            >>> b.update(dimension_units=["nm"])
            >>> a == b
            False
        """
        return Spec._trusted(self._view)

    def __copy__(self) -> Spec:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Spec:
        return self.copy()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spec):
            return NotImplemented
        return self._view == other._view

    # -- indexing ------------------------------------------------------------------------------

    def _get_transform(self) -> IndexTransform:
        return self._view.indexing_transform()

    def _with_transform(self, transform: IndexTransform) -> Spec:
        return Spec._trusted(self._view.with_transform(transform))

    # -- what is known -------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """Everything that is known about the view that will be opened; a copy."""
        return Schema._trusted(self._view.schema)

    @property
    def dtype(self) -> dtype | None:
        """Data type; None if unknown."""
        return self._view.driver.known.data_type

    @property
    def rank(self) -> int | None:
        """Number of dimensions; None if unknown."""
        return self._view.rank

    @property
    def ndim(self) -> int | None:
        """Number of dimensions; None if unknown. The same as `rank`."""
        return self._view.rank

    @property
    def domain(self) -> IndexDomain | None:
        """Bounds and labels; None if unknown."""
        return self._view.domain

    @property
    def transform(self) -> IndexTransform | None:
        """From the view to the coordinates of the driver; None if the domain is unknown."""
        return self._view.transform

    @property
    def chunk_layout(self) -> ChunkLayout:
        """Constraints on the chunk layout; a copy."""
        return self.schema.chunk_layout

    @property
    def codec(self) -> CodecSpec | None:
        """Encoding parameters; None if unconstrained."""
        return self.schema.codec

    @property
    def fill_value(self) -> np.ndarray[Any, np.dtype[Any]] | None:
        """Value of positions that were never written; None if unconstrained."""
        return self.schema.fill_value

    @property
    def dimension_units(self) -> DimensionUnits | None:
        """Physical unit of one step along each dimension; None if the rank is unknown."""
        return self.schema.dimension_units

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the domain, shape ``(rank,)``.

        Raises:
            ValueError: Not even the rank is known.
        """
        return self._get_transform().domain.shape

    @property
    def origin(self) -> tuple[int, ...]:
        """Lower bounds of the domain, shape ``(rank,)``.

        Raises:
            ValueError: Not even the rank is known.
        """
        return self._get_transform().domain.origin

    @property
    def size(self) -> int:
        """Number of elements of the domain.

        Raises:
            ValueError: Not even the rank is known.
        """
        return self._get_transform().domain.size

    @property
    def base(self) -> Spec | None:
        """Spec of the view that this one is made from, seen through the same transform.

        None for drivers that are made from no other view, or from several.
        """
        base = self._view.driver.base(self._view._transform)
        return None if base is None else Spec._trusted(base)

    @property
    def kvstore(self) -> Any:
        """Where the driver stores its data; None if it has no key-value store."""
        return self._view.driver.kvstore

    @property
    def url(self) -> str:
        """URL of the view.

        Raises:
            NotImplementedError: The driver has no URL.
        """
        return self._view.driver.url

    @property
    def open_mode(self) -> OpenMode:
        """What opening may do; a new object. ``OpenMode()`` where that does not apply."""
        return self._view.driver.open_mode


def spec_of_view(
    driver: Driver,
    transform: IndexTransform,
    *,
    retain_context: bool | None = None,
    unbind_context: bool | None = None,
    minimal_spec: bool | None = None,
    **keywords: Unpack[OpenModeKeywords],
) -> Spec:
    """Return the spec of a view; see `TensorStore.spec`, whose keywords these are."""
    as_flag(minimal_spec, "minimal_spec")
    view = view_spec_of(driver, transform).updated(
        parse_spec_keywords("TensorStore.spec", keywords, OpenModeKeywords)
    )
    if as_flag(unbind_context, "unbind_context"):
        return Spec._trusted(view.unbound())
    return Spec._trusted(view if as_flag(retain_context, "retain_context") else view.stripped())


def schema_of_view(driver: Driver, transform: IndexTransform) -> Schema:
    """Return what is known about a view of an open driver: everything."""
    own = SchemaConstraints(
        rank=driver.domain.rank,
        data_type=driver.dtype,
        layout=driver.layout._constraints,
        dimension_units=driver.dimension_units if any(driver.dimension_units) else None,
    )
    return Schema._trusted(attrs.evolve(own.transformed(transform), domain=transform.domain))


def check_context(context: Any) -> None:
    """Check the type of a ``context`` argument.

    Raises:
        TypeError: It is neither a context nor None.
    """
    if context is not None and not isinstance(context, Context):
        raise TypeError(f"context must be a Context or None, got {context!r}")
