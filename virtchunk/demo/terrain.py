"""Terrain as plain NumPy: a window of heights in, smooth heights or coloured pixels out.

Nothing here knows of chunks. Each function names the margin it needs around what it computes; who
calls it for a chunk brings that margin along, and gets bit for bit what the whole array would give.
"""

from __future__ import annotations

from typing import Self

import attrs
import numpy as np
import numpy.typing as npt

__all__ = (
    "SplineTaps",
    "hillshade",
    "hypsometric_tint",
    "shaded_relief",
    "slope_and_aspect",
    "upsample",
)

Floats = npt.NDArray[np.float32]

SUN_AZIMUTH = np.float32(np.radians(315))  # from the north-west, as on printed maps
SUN_ALTITUDE = np.float32(np.radians(45))
AMBIENT = np.float32(0.35)  # light that reaches the shadows

# Height above the lowest point (0 to 1) and its colour, from valley floor to bare rock.
TINT_HEIGHTS = np.array([0.0, 0.12, 0.3, 0.5, 0.7, 0.88, 1.0], np.float32)
TINT_COLOURS = np.array(
    [
        (92, 138, 96),
        (139, 173, 113),
        (198, 203, 141),
        (222, 198, 142),
        (190, 152, 112),
        (158, 126, 106),
        (240, 236, 230),
    ],
    np.float32,
)


@attrs.frozen(eq=False)
class SplineTaps:
    """The four neighbours that each fine sample of one dimension is made of, and their weights."""

    index: npt.NDArray[np.intp]
    """Positions of the neighbours in the coarse grid, shape ``(4, samples)``."""
    weight: Floats
    """Weights of the neighbours, shape ``(4, samples)``; those of a sample add up to 1."""

    @classmethod
    def between(cls, start: int, stop: int, *, zoom: int, size: int) -> Self:
        """Compute the taps of the fine samples ``[start, stop)``.

        Args:
            start: First fine sample.
            stop: One past the last fine sample.
            zoom: Fine samples per coarse sample.
            size: Number of coarse samples; the outermost ones are repeated beyond the edge.
        """
        position = (np.arange(start, stop) + 0.5) / zoom - 0.5
        left = np.floor(position)
        t = position - left
        # The uniform cubic B-spline: twice continuously differentiable, so that shading it shows
        # no creases where coarse cells meet.
        weight = (
            np.stack(
                [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
            )
            / 6
        )
        neighbours = left.astype(np.intp) + np.arange(-1, 3)[:, np.newaxis]
        return cls(index=neighbours.clip(0, size - 1), weight=weight.astype(np.float32))

    @property
    def window(self) -> slice:
        """The coarse samples that the taps touch."""
        return slice(int(self.index.min()), int(self.index.max()) + 1)


def upsample(window: npt.NDArray[np.number], rows: SplineTaps, columns: SplineTaps) -> Floats:
    """Interpolate heights smoothly.

    Args:
        window: Coarse heights at ``[rows.window, columns.window]``.
        rows: Taps of the fine rows.
        columns: Taps of the fine columns.
    """
    tall = _weighted_sum(window.astype(np.float32), rows)
    return _weighted_sum(tall.T, columns).T


def _weighted_sum(window: Floats, taps: SplineTaps) -> Floats:
    rows: Floats = window[taps.index - taps.window.start]
    rows *= taps.weight[..., np.newaxis]
    # Added in a fixed order, so that a sample is the same to the last bit in every window.
    total: Floats = rows[0] + rows[1] + rows[2] + rows[3]
    return total


def slope_and_aspect(heights: Floats, spacing: tuple[float, float]) -> tuple[Floats, Floats]:
    """Compute how steep a surface is and which way it faces, by central differences.

    Args:
        heights: Heights with a margin of one sample on every side; the first row is the
            northernmost.
        spacing: Distance between rows and between columns, in the unit of the heights.

    Returns:
        The slope (0 is level) and the compass direction it faces (0 is north, clockwise), both in
        radians and without the margin.
    """
    north, south = heights[:-2, 1:-1], heights[2:, 1:-1]
    west, east = heights[1:-1, :-2], heights[1:-1, 2:]
    rise_north: Floats = (north - south) / np.float32(2 * spacing[0])
    rise_east: Floats = (east - west) / np.float32(2 * spacing[1])
    return np.arctan(np.hypot(rise_east, rise_north)), np.arctan2(-rise_east, -rise_north)


def hillshade(heights: Floats, spacing: tuple[float, float]) -> Floats:
    """Light a surface from the north-west: 0 is turned away from the sun, 1 facing it.

    Args:
        heights: Heights with a margin of one sample on every side.
        spacing: Distance between rows and between columns, in the unit of the heights.

    Returns:
        The light on each sample, without the margin.
    """
    slope, aspect = slope_and_aspect(heights, spacing)
    facing: Floats = np.sin(SUN_ALTITUDE) * np.cos(slope)
    facing += np.cos(SUN_ALTITUDE) * np.sin(slope) * np.cos(SUN_AZIMUTH - aspect)
    return facing.clip(0, 1)


def hypsometric_tint(heights: Floats, lowest: float, highest: float) -> Floats:
    """Colour heights from valley green to rock white: floats from 0 to 255, shape ``(..., 3)``."""
    level = (heights - np.float32(lowest)) / np.float32(highest - lowest)
    channels = [np.interp(level, TINT_HEIGHTS, colour) for colour in TINT_COLOURS.T]
    return np.stack(channels, axis=-1).astype(np.float32)


def shaded_relief(
    heights: Floats, *, spacing: tuple[float, float], lowest: float, highest: float
) -> npt.NDArray[np.uint8]:
    """Paint terrain: each height's tint, darkened by the shadow it lies in.

    Args:
        heights: Heights with a margin of one sample on every side, shape
            ``(rows + 2, columns + 2)``.
        spacing: Distance between rows and between columns, in the unit of the heights.
        lowest: Height painted in the first colour.
        highest: Height painted in the last colour.

    Returns:
        Red, green and blue, shape ``(rows, columns, 3)``.
    """
    light = AMBIENT + (1 - AMBIENT) * hillshade(heights, spacing) / np.sin(SUN_ALTITUDE)
    colour = hypsometric_tint(heights[1:-1, 1:-1], lowest, highest)
    pixels: npt.NDArray[np.uint8] = (colour * light[..., np.newaxis]).clip(0, 255).astype(np.uint8)
    return pixels
