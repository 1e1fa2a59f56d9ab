"""Hypothesis strategies for views that are made from other views."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np
from hypothesis import strategies as st

from tests.strategies_views import Base, bases

__all__ = ["METHODS", "Downsampling", "Layers", "downsamplings", "layers", "values"]

Array: TypeAlias = "np.ndarray[Any, Any]"
Draw: TypeAlias = Callable[..., Any]
Method: TypeAlias = Literal["stride", "median", "mode", "mean", "min", "max"]

METHODS: tuple[Method, ...] = ("mean", "min", "max", "median", "mode", "stride")


@st.composite
def values(draw: Draw, shape: tuple[int, ...], dtype: str) -> Array:
    """Elements of a type; few different ones, or extreme ones, or any."""
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["few", "extreme", "any"]))
    random = np.random.default_rng(seed)
    numpy_dtype = np.dtype(dtype)
    if numpy_dtype.kind in "iu":
        info = np.iinfo(numpy_dtype)
        low, high = {
            "few": (max(-2, int(info.min)), 3),
            "extreme": (int(info.max) - 3, int(info.max)),
            "any": (int(info.min), int(info.max)),
        }[kind]
        return random.integers(low, high, shape, numpy_dtype, endpoint=True)
    if numpy_dtype.kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    scale = 2 if kind == "few" else 100
    array: Array = np.round(random.normal(size=shape) * scale, 0 if kind == "few" else 3)
    if numpy_dtype.kind == "c":
        array = array + 1j * array[..., ::-1] if shape else array
    return array.astype(numpy_dtype)


@attrs.frozen
class Downsampling:
    """A base, factors, and a method."""

    base: Base
    factors: tuple[int, ...]
    method: Method


@st.composite
def downsamplings(draw: Draw) -> Downsampling:
    """Factors from 1 to more than the extent, and bases that begin anywhere."""
    base = draw(bases())
    factors = tuple(draw(st.sampled_from([2, 3, 1, 4, 10])) for _ in base.shape)
    return Downsampling(base, factors, draw(st.sampled_from(METHODS)))


@attrs.frozen
class Layers:
    """Boxes with values, and the NumPy model of what a stack shows of them."""

    boxes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    """Origin and shape of each."""

    def values(self, number: int) -> Array:
        _, shape = self.boxes[number]
        first = 1 + 1000 * number
        return np.arange(first, first + prod(shape), dtype=np.int64).reshape(shape)

    @property
    def hull(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Lower and upper bounds of all of them."""
        lows = [origin for origin, _ in self.boxes]
        highs = [
            tuple(low + size for low, size in zip(origin, shape, strict=True))
            for origin, shape in self.boxes
        ]
        return tuple(map(min, *lows, lows[0])), tuple(map(max, *highs, highs[0]))

    def model(self) -> Array:
        """What is seen; 0 where there is no layer."""
        low, high = self.hull
        seen = np.zeros([b - a for a, b in zip(low, high, strict=True)], np.int64)
        for number, (origin, shape) in enumerate(self.boxes):
            place = tuple(
                slice(start - a, start - a + size)
                for start, a, size in zip(origin, low, shape, strict=True)
            )
            seen[place] = self.values(number)
        return seen


@st.composite
def layers(draw: Draw, rank: int | None = None) -> Layers:
    """One to five boxes, which may overlap, hide each other, or leave gaps."""
    if rank is None:
        rank = draw(st.sampled_from([2, 1, 3]))
    count = draw(st.sampled_from([2, 3, 1, 5, 12]))
    return Layers(
        tuple(
            (
                tuple(draw(st.integers(-4, 4)) for _ in range(rank)),
                tuple(draw(st.integers(1, 6)) for _ in range(rank)),
            )
            for _ in range(count)
        )
    )
