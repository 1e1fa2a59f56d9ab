"""What is known about an array before it exists, as a value.

`SchemaConstraints` is what `Schema` refers to: the class that users see can be updated in place,
this one cannot, so that an update that fails halfway has changed nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

import attrs

from virtchunk._index.compose import carry_back_domain
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._schema.constraints import check_rank
from virtchunk._schema.dimension_units import (
    DimensionUnits,
    merge_dimension_units,
    transform_dimension_units,
)
from virtchunk._schema.domain_merge import merge_domains
from virtchunk._schema.layout_constraints import LAYOUT_UNCONSTRAINED, LayoutConstraints
from virtchunk._schema.layout_transform import transform_layout

if TYPE_CHECKING:
    from virtchunk._index.transform import IndexTransform
    from virtchunk._schema.codec import CodecSpec
    from virtchunk._schema.dtype import dtype
    from virtchunk._schema.fill_value import FillValue

__all__ = ("SCHEMA_UNCONSTRAINED", "SchemaConstraints")


@final
@attrs.frozen(eq=False)
class SchemaConstraints:
    """Constraints on rank, data type, domain, layout, codec, fill value and units of an array.

    None says nothing. The rank is known as soon as any member tells it.
    """

    rank: int | None = None
    """Number of dimensions."""
    data_type: dtype | None = None
    """What the elements are."""
    domain: IndexDomain | None = None
    """Bounds and labels."""
    layout: LayoutConstraints = LAYOUT_UNCONSTRAINED
    """How the elements are laid out in chunks."""
    codec: CodecSpec | None = None
    """How chunks are encoded."""
    fill_value: FillValue | None = None
    """What positions hold that were never written."""
    dimension_units: DimensionUnits | None = None
    """What a step along each dimension measures; None if that is unknown for all."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SchemaConstraints):
            return NotImplemented
        return self._comparable() == other._comparable()

    __hash__ = None  # type: ignore[assignment]

    def _comparable(self) -> tuple[Any, ...]:
        return (
            self.rank,
            self.data_type,
            self.domain,
            self.layout.with_rank(self.rank),
            self.codec,
            self.fill_value,
            self.dimension_units,
        )

    def with_rank(self, rank: int | None, what: str = "rank") -> SchemaConstraints:
        """Return these constraints with a rank.

        Args:
            rank: The rank; None says nothing.
            what: What tells it, for the message.

        Raises:
            ValueError: Another one is known, or it is not a rank, or not one for the fill value.
        """
        merged = self._merge_rank(rank, what)
        return self if merged == self.rank else self._with(merged)

    def _merge_rank(self, rank: int | None, what: str) -> int | None:
        if rank is None or rank == self.rank:
            return self.rank
        if self.rank is not None:
            raise ValueError(
                f"{what} tells that the rank is {rank}, but {self.rank} was specified before"
            )
        check_rank(rank)
        if self.fill_value is not None:
            self.fill_value.check_rank(rank)
        return rank

    def _with(
        self,
        rank: int | None,
        data_type: dtype | None = None,
        domain: IndexDomain | None = None,
        layout: LayoutConstraints | None = None,
        codec: CodecSpec | None = None,
        fill_value: FillValue | None = None,
        dimension_units: DimensionUnits | None = None,
    ) -> SchemaConstraints:
        """Return the same with another rank, and what else is given."""
        return SchemaConstraints(
            rank,
            self.data_type if data_type is None else data_type,
            self.domain if domain is None else domain,
            self.layout if layout is None else layout,
            self.codec if codec is None else codec,
            self.fill_value if fill_value is None else fill_value,
            self.dimension_units if dimension_units is None else dimension_units,
        )

    def with_dtype(self, data_type: dtype | None) -> SchemaConstraints:
        """Return these constraints with a data type.

        Raises:
            ValueError: Another one is known.
        """
        if data_type is None or data_type == self.data_type:
            return self
        if self.data_type is not None:
            raise ValueError(
                f"dtype {data_type.name} differs from dtype {self.data_type.name}, "
                "which was specified before"
            )
        return self._with(self.rank, data_type=data_type)

    def with_domain(self, domain: IndexDomain | None, what: str = "domain") -> SchemaConstraints:
        """Return these constraints with a domain merged in.

        Args:
            domain: The domain; None says nothing.
            what: What tells it, for the message.

        Raises:
            ValueError: It conflicts with what is known of rank, domain or fill value.
        """
        if domain is None:
            return self
        rank = self._merge_rank(domain.rank, what)
        if self.domain is not None:
            domain = merge_domains(self.domain, domain)
        if self.fill_value is not None:
            self.fill_value.check_domain(domain)
        return self._with(rank, domain=domain)

    def with_layout(self, layout: LayoutConstraints) -> SchemaConstraints:
        """Return these constraints with a chunk layout merged in.

        Raises:
            ValueError: It conflicts with what is known of rank or layout.
        """
        if layout is LAYOUT_UNCONSTRAINED:
            return self
        rank = self._merge_rank(layout.rank, "chunk_layout")
        if self.layout is not LAYOUT_UNCONSTRAINED:
            layout = self.layout.merge(layout)
        return self._with(rank, layout=layout)

    def with_codec(self, codec: CodecSpec | None) -> SchemaConstraints:
        """Return these constraints with a codec merged in.

        Raises:
            ValueError: It conflicts with the one that is known.
        """
        if codec is None:
            return self
        merged = codec if self.codec is None else self.codec._merge(codec)
        return self._with(self.rank, codec=merged)

    def with_fill_value(self, fill_value: FillValue | None) -> SchemaConstraints:
        """Return these constraints with a fill value.

        Raises:
            ValueError: Another one is known, or it cannot be broadcast to the domain.
        """
        if fill_value is None:
            return self
        if self.domain is not None:
            fill_value.check_domain(self.domain)
        elif self.rank is not None:
            fill_value.check_rank(self.rank)
        if self.fill_value is None:
            return self._with(self.rank, fill_value=fill_value)
        if self.fill_value != fill_value:
            raise ValueError(
                f"fill_value {fill_value} of dtype {fill_value.data_type.name} differs from "
                f"{self.fill_value} of dtype {self.fill_value.data_type.name}, "
                "which was specified before"
            )
        return self

    def with_dimension_units(self, units: DimensionUnits | None) -> SchemaConstraints:
        """Return these constraints with units merged in. No units at all say nothing.

        Raises:
            ValueError: They conflict with what is known of rank or units.
        """
        if not units:
            return self
        rank = self._merge_rank(len(units), "dimension_units")
        if self.dimension_units is not None:
            units = merge_dimension_units(self.dimension_units, units)
        return self._with(rank, dimension_units=units if any(units) else None)

    def merge(self, new: SchemaConstraints) -> SchemaConstraints:
        """Return the constraints that satisfy both.

        Raises:
            ValueError: They conflict.
        """
        return (
            self.with_rank(new.rank, "schema")
            .with_dtype(new.data_type)
            .with_domain(new.domain)
            .with_layout(new.layout)
            .with_codec(new.codec)
            .with_fill_value(new.fill_value)
            .with_dimension_units(new.dimension_units)
        )

    def known_domain(self) -> IndexDomain:
        """Return the domain; if only the rank is known, one without bounds and labels.

        Raises:
            ValueError: The rank is not known.
        """
        if self.domain is not None:
            return self.domain
        rank = self.rank
        if rank is None:
            raise ValueError(
                "the rank of the schema must be specified; update(rank=...) or any constraint "
                "that tells the number of dimensions does so"
            )
        return IndexDomain._trusted(
            (-INF,) * rank, (INF_UPPER,) * rank, ("",) * rank, (True,) * rank, (True,) * rank
        )

    def transformed(self, transform: IndexTransform) -> SchemaConstraints:
        """Return the constraints on what one sees through a transform.

        Args:
            transform: Its output space is that of these constraints.

        Raises:
            IndexError: An explicit bound of the transform lies outside the domain.
            ValueError: The fill value cannot be transformed.
        """
        domain, layout = self.domain, self.layout
        fill_value, units = self.fill_value, self.dimension_units
        if domain is not None:
            domain = carry_back_domain(domain, transform)
        if layout != LAYOUT_UNCONSTRAINED:
            layout = transform_layout(layout, transform)
        if fill_value is not None:
            fill_value = fill_value.transformed(self.domain, transform)
            if (transform.domain if domain is None else domain).size == 0:
                fill_value = None
        if units is not None:
            transformed_units = transform_dimension_units(units, transform)
            units = transformed_units if any(transformed_units) else None
        return SchemaConstraints(
            transform.domain.rank,
            self.data_type,
            domain,
            layout,
            self.codec,
            fill_value,
            units,
        )


SCHEMA_UNCONSTRAINED: Final = SchemaConstraints()
