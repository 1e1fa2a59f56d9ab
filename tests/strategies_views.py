"""Hypothesis strategies for requests to chunked views, with a NumPy model of each.

A `Base` is an array cut into chunks, a `Selection` an arbitrary index transform into it. Both know
nothing of any implementation: the model is fancy indexing with one coordinate array per dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any, TypeAlias

import attrs
import numpy as np
from hypothesis import strategies as st

__all__ = ["Base", "Cells", "Selection", "bases", "selections", "views"]

Array: TypeAlias = "np.ndarray[Any, Any]"
Cells: TypeAlias = dict[tuple[int, ...], tuple[int, ...]]
"""Clipped chunks: lower bound -> exclusive upper bound."""
Draw: TypeAlias = Callable[..., Any]


@attrs.frozen
class Base:
    """A domain cut into regular chunks."""

    origin: tuple[int, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    grid_origin: tuple[int, ...]

    def values(self, dtype: str = "int64") -> Array:
        """Distinct values, so that a misplaced element shows."""
        return np.arange(1, prod(self.shape) + 1, dtype=dtype).reshape(self.shape)

    def domain(self, module: Any) -> Any:
        return module.IndexDomain(inclusive_min=self.origin, shape=self.shape)

    def layout(self, module: Any, **more: Any) -> Any:
        return module.ChunkLayout(read_chunk_shape=self.chunk, grid_origin=self.grid_origin, **more)

    def cell(self, position: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The clipped chunk that holds a position."""
        lower, upper = [], []
        for x, origin, size, low, extent in zip(
            position, self.grid_origin, self.chunk, self.origin, self.shape, strict=True
        ):
            start = origin + (x - origin) // size * size
            lower.append(max(start, low))
            upper.append(min(start + size, low + extent))
        return tuple(lower), tuple(upper)

    def index(self, lower: tuple[int, ...], upper: tuple[int, ...]) -> tuple[Any, ...]:
        """The part of ``values()`` that a box of coordinates is, as a view even at rank 0."""
        bounds = zip(lower, upper, self.origin, strict=True)
        return *(slice(a - low, b - low) for a, b, low in bounds), ...


@attrs.frozen
class Selection:
    """An index transform: for each dimension of the base, how a coordinate of it comes about.

    Each of ``maps`` is ``("constant", c)``, ``("stride", input dimension, offset, stride)`` or
    ``("array", nested lists of the request's rank)``.
    """

    origin: tuple[int, ...]
    shape: tuple[int, ...]
    maps: tuple[tuple[Any, ...], ...]

    def transform(self, module: Any) -> Any:
        outputs = []
        for kind, *rest in self.maps:
            if kind == "constant":
                outputs.append(module.OutputIndexMap(offset=rest[0]))
            elif kind == "stride":
                dimension, offset, stride = rest
                outputs.append(
                    module.OutputIndexMap(input_dimension=dimension, offset=offset, stride=stride)
                )
            else:
                outputs.append(module.OutputIndexMap(index_array=np.array(rest[0], np.int64)))
        return module.IndexTransform(
            domain=module.IndexDomain(inclusive_min=self.origin, shape=self.shape), output=outputs
        )

    def coordinates(self) -> tuple[Array, ...]:
        """One array of the request's shape per dimension of the base."""
        result = []
        for kind, *rest in self.maps:
            run: Any
            if kind == "constant":
                run = np.array(rest[0])
            elif kind == "stride":
                dimension, offset, stride = rest
                low = self.origin[dimension]
                run = offset + stride * np.arange(low, low + self.shape[dimension])
                run = run.reshape([-1 if i == dimension else 1 for i in range(len(self.shape))])
            else:
                run = np.array(rest[0], np.int64)
            result.append(np.broadcast_to(run, self.shape))
        return tuple(result)

    def positions(self, base: Base) -> tuple[Array, ...]:
        """The same, counted from 0: an index into ``base.values()``."""
        return tuple(c - low for c, low in zip(self.coordinates(), base.origin, strict=True))

    def read(self, base: Base, values: Array) -> Array:
        """The elements of the request."""
        if not self.maps:
            return np.broadcast_to(values, self.shape)
        return values[self.positions(base)]

    def touched(self, base: Base) -> set[tuple[int, ...]]:
        """The coordinates of all elements of the base that the request touches."""
        if 0 in self.shape:
            return set()
        if not self.maps:
            return {()}
        return set(zip(*[c.reshape(-1).tolist() for c in self.coordinates()], strict=True))

    def cells(self, base: Base) -> Cells:
        """The chunks that the request touches."""
        return dict(base.cell(position) for position in self.touched(base))

    def covered(self, base: Base) -> set[tuple[int, ...]]:
        """The lower bounds of the chunks of which the request touches every element."""
        touched = self.touched(base)
        return {
            lower
            for lower, upper in self.cells(base).items()
            if all(p in touched for p in product(*map(range, lower, upper)))
        }


@st.composite
def bases(draw: Draw, rank: int | None = None) -> Base:
    """Arrays of rank 0 to 3: negative origins, zero extents, chunks of one element, one chunk."""
    if rank is None:
        rank = draw(st.sampled_from([2, 1, 3, 0]))
    origin, shape, chunk, grid_origin = [], [], [], []
    for _ in range(rank):
        origin.append(draw(st.sampled_from([0, 0, 3, -2, -7])))
        shape.append(draw(st.sampled_from([4, 5, 6, 3, 1, 2, 7, 0])))
        chunk.append(draw(st.sampled_from([2, 3, 1, 4, 9])))
        # Chunks that do not begin at the origin make edge chunks on both sides.
        grid_origin.append(origin[-1] + draw(st.sampled_from([0, 0, 1, -1])))
    return Base(tuple(origin), tuple(shape), tuple(chunk), tuple(grid_origin))


@st.composite
def _strided(draw: Draw, low: int, extent: int, start: int, size: int, dim: int) -> Any:
    """A run of ``size`` coordinates inside ``[low, low + extent)``, in either direction."""
    most = (extent - 1) // max(size - 1, 1)
    stride = draw(st.sampled_from([*range(1, most + 1), *range(-most, 0)])) if most else 0
    if size > 1 and not stride:
        return "constant", draw(st.integers(low, low + extent - 1))
    stride = stride or draw(st.sampled_from([1, -1, 3]))
    span = stride * max(size - 1, 0)
    first = draw(st.integers(low - min(span, 0), low + extent - 1 - max(span, 0)))
    return "stride", dim, first - stride * start, stride


@st.composite
def _indexed(draw: Draw, low: int, extent: int, shape: tuple[int, ...]) -> Any:
    """An index array, varying along any of the request's dimensions; duplicates happen."""
    own = tuple(draw(st.sampled_from([n, 1])) for n in shape)
    coordinate = st.integers(low, low + extent - 1)
    flat = draw(st.lists(coordinate, min_size=prod(own), max_size=prod(own)))
    return "array", np.array(flat, dtype=np.int64).reshape(own).tolist()


@st.composite
def selections(draw: Draw, base: Base, *, arrays: bool = True) -> Selection:
    """Requests: strided, reversed, transposed, diagonal, constant, index arrays, broadcast, empty.

    Several dimensions of the base may follow one of the request (a diagonal), and none may (a
    broadcast dimension).
    """
    rank = draw(st.sampled_from([len(base.shape), len(base.shape), 1, 2, 3, 0]))
    origin = tuple(draw(st.sampled_from([0, 0, 5, -3])) for _ in range(rank))
    empty = 0 in base.shape
    extents = [0, 1] if empty else [3, 2, 4, 1, 5, 0]
    shape = [draw(st.sampled_from(extents)) for _ in range(rank)]
    if empty and (not rank or 0 not in shape):
        if not rank:
            rank, origin, shape = 1, (0,), [0]
        shape[0] = 0
    maps: list[tuple[Any, ...]] = []
    for low, extent in zip(base.origin, base.shape, strict=True):
        kinds = ["stride", "stride", "stride", "constant", *(["array"] if arrays else [])]
        kind = draw(st.sampled_from(kinds)) if rank else "constant"
        if not extent:
            zero = shape.index(0)
            maps.append(("stride", zero, low - origin[zero], 1))
        elif kind == "constant":
            maps.append(("constant", draw(st.integers(low, low + extent - 1))))
        elif kind == "array" and 0 not in shape:
            maps.append(draw(_indexed(low, extent, tuple(shape))))
        else:
            dim = draw(st.sampled_from(range(rank)))
            maps.append(draw(_strided(low, extent, origin[dim], shape[dim], dim)))
    return Selection(origin, tuple(shape), tuple(maps))


@st.composite
def views(draw: Draw, *, arrays: bool = True) -> tuple[Base, Selection]:
    """A base and a request to it."""
    base = draw(bases())
    return base, draw(selections(base, arrays=arrays))
