"""A view described as zarr describes its arrays, in JSON of format 3."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from virtchunk._schema.chunk_shape import choose_chunk_grid
from virtchunk._schema.layout import ChunkLayout
from virtchunk._store import TensorStore

__all__ = (
    "ORIGIN",
    "UNITS",
    "array_metadata",
    "chunk_shape",
    "coordinates",
    "data_type",
    "group_metadata",
)

ORIGIN = "origin"
"""Attribute with the first coordinate of each dimension; zarr's own begin at 0."""
UNITS = "dimension_units"
"""Attribute with the unit of each dimension, as the original's ``zarr3`` driver writes it."""


def chunk_shape(view: TensorStore, wanted: Iterable[int] | None) -> tuple[int, ...]:
    """Return the shape of zarr's chunks: no larger than the view where one chunk holds all of it.

    Raises:
        ValueError: ``wanted`` does not suit the view.
    """
    own = view.chunk_layout.read_chunk.shape or (None,) * view.rank
    if wanted is not None:
        shape = tuple(wanted)
        if len(shape) != view.rank or min(shape, default=1) < 1:
            raise ValueError(f"chunks must be {view.rank} integers > 0, got {shape}")
    else:
        wish = ChunkLayout(chunk_shape=[size or 0 for size in own], rank=view.rank)
        shape = choose_chunk_grid(wish, view.domain).shape
    return tuple(min(size, max(extent, 1)) for size, extent in zip(shape, view.shape, strict=True))


def data_type(view: TensorStore) -> Any:
    """Return zarr's description of the elements.

    Raises:
        TypeError: zarr has no data type for them.
    """
    element = view.dtype.numpy_dtype
    if element.kind not in "biufcmM":
        raise TypeError(f"zarr has no data type for elements of type {view.dtype.name}")
    from zarr.dtype import parse_dtype

    return parse_dtype(element, zarr_format=3)


def array_metadata(
    view: TensorStore, chunks: tuple[int, ...], attributes: dict[str, Any], name_all: bool
) -> dict[str, Any]:
    """Return the metadata of a view's array.

    Args:
        view: The view.
        chunks: Shape of the chunks.
        attributes: Further attributes.
        name_all: Whether to give dimensions without a label a name, as xarray does.
    """
    kind = data_type(view)
    fill = kind.to_json_scalar(kind.default_scalar(), zarr_format=3)
    endian = {"configuration": {"endian": sys.byteorder}}
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": view.shape,
        "data_type": kind.to_json(zarr_format=3),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": [{"name": "bytes"} | (endian if view.dtype.numpy_dtype.itemsize > 1 else {})],
        "attributes": coordinates(view) | attributes,
    }
    labels = view.domain.labels
    if name_all:
        metadata["dimension_names"] = [label or f"dim_{i}" for i, label in enumerate(labels)]
    elif any(labels):
        metadata["dimension_names"] = [label or None for label in labels]
    return metadata


def coordinates(view: TensorStore) -> dict[str, Any]:
    """Return what zarr's own metadata has no place for, as attributes."""
    attributes: dict[str, Any] = {}
    if any(view.origin):
        attributes[ORIGIN] = view.origin
    units = view.dimension_units
    if any(unit is not None for unit in units):
        attributes[UNITS] = [None if unit is None else str(unit) for unit in units]
    return attributes


def group_metadata(name: str, array: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a group with one array in it, whose own is part of it."""
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {},
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": {name: array},
        },
    }
