"""The picture of a domain: a bar, a rectangle or a box, cut into chunks, the cached ones coloured.

Two dimensions make the front face, a third one the depth, drawn obliquely. A cell of a face stands
for all chunks behind it, and its colour for the part of them that is cached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from math import prod
from typing import TypeAlias

import attrs

from virtchunk._html.axis import Axis
from virtchunk._html.text import escape, shorten

__all__ = ("Box", "drawn_axes", "figure")

Box: TypeAlias = Sequence[tuple[int, int]]
"""The coordinates of a chunk, one pair of bounds for each axis."""
Cells: TypeAlias = Mapping[tuple[int, int], float]
Point: TypeAlias = tuple[float, float]

_LONGEST = 190.0
"""Pixels of the longest edge."""
_SHORTEST = 22.0
_SHALLOWEST = 50.0
"""The same for the depth, which is drawn shorter."""
_OBLIQUE = 0.42
"""How much of the depth's length goes to the right, and as much upwards."""
_TRUE_TO_SCALE = 0.4
"""Edges that are shorter than this part of the longest one are drawn longer than they are."""
_FEW = 4
"""A dimension of so few elements (colours, say) is rather drawn as the depth."""
_LEVELS = 5
"""Shades of cached cells."""
_MOST_LETTERS = 14
_LETTER = 6.7
"""Pixels, at most on average, of a letter."""
_MARGIN = 3.0
_LINE = 15.0

_ONE = Axis(low=0, high=1, window=(0, 1), edges=(0, 1))
"""What stands for the dimensions that a bar or a single element does not have."""


@attrs.frozen
class _Face:
    """A parallelogram, where it is cut, and how much of each of its cells is cached."""

    corner: Point
    across: Point
    down: Point
    columns: Axis
    rows: Axis
    cached: Cells
    shade: float

    def point(self, column: float, row: float) -> str:
        x = self.corner[0] + column * self.across[0] + row * self.down[0]
        y = self.corner[1] + column * self.across[1] + row * self.down[1]
        return f"{x:.1f} {y:.1f}"

    def outline(self) -> str:
        return self._block(0, 1, 0, 1)

    def _block(self, left: float, right: float, top: float, bottom: float) -> str:
        corners = (left, top), (right, top), (right, bottom), (left, bottom)
        return f"M{'L'.join(self.point(*corner) for corner in corners)}Z"

    def lines(self) -> str:
        """Draw the borders between cells."""
        across = [f"M{self.point(x, 0)}L{self.point(x, 1)}" for x in self.columns.fractions[1:-1]]
        down = [f"M{self.point(0, y)}L{self.point(1, y)}" for y in self.rows.fractions[1:-1]]
        return "".join(across + down)

    def blocks(self) -> dict[int, str]:
        """Draw the cells that hold something cached, as one path for each shade.

        Neighbours of one shade in a row are one block.
        """
        columns, rows = self.columns.fractions, self.rows.fractions
        paths: dict[int, list[str]] = defaultdict(list)
        started = level = row = -1
        before = (-2, -2)
        cells = sorted((r, c, _level(part)) for (c, r), part in self.cached.items())
        for r, c, shade in [*cells, (-1, -1, -1)]:
            if (r, c - 1) == before and shade == level:
                before = (r, c)
                continue
            if started >= 0:
                block = columns[started], columns[before[1] + 1], rows[row], rows[row + 1]
                paths[level].append(self._block(*block))
            started, level, row, before = c, shade, r, (r, c)
        return {shade: "".join(path) for shade, path in paths.items()}


def _level(part: float) -> int:
    """Return the shade of a cell: never none, never the full one unless all of it is cached."""
    return _LEVELS if part > 1 - 1e-9 else 1 + int(part * (_LEVELS - 1))


def drawn_axes(axes: Sequence[Axis]) -> list[int]:
    """Choose what to draw: rows and columns of the front, then the depth if there is one.

    The last two dimensions make the front, but rather not those of few elements.
    """

    def preference(dim: int) -> tuple[bool, bool, int]:
        size = axes[dim].size
        return size != 1, size is None or size > _FEW, dim

    chosen = sorted(range(len(axes)), key=preference, reverse=True)
    front, depth = sorted(chosen[:2]), chosen[2:3]
    return front + [dim for dim in depth if axes[dim].size != 1]


def figure(axes: Sequence[Axis], cached: Iterable[Box] = ()) -> str:
    """Draw a domain as SVG.

    Args:
        axes: Its dimensions; none for a single element.
        cached: Which parts of it to colour.
    """
    padding = max(2 - len(axes), 0)
    names = [_name(axis, dim) for dim, axis in enumerate(axes)]
    names, axes = [""] * padding + names, [_ONE] * padding + [*axes]
    cached = ([(0, 1)] * padding + [*box] for box in cached)
    drawn = drawn_axes(axes)
    rows, columns, *_ = shown = [axes[dim] for dim in drawn]
    height, width, *depths = _lengths(shown)
    reach = max(depths[0], _SHALLOWEST) * _OBLIQUE if depths else 0.0
    tints = _projections(axes, drawn, cached)
    faces = [_Face((0, reach), (width, 0), (0, height), columns, rows, tints[0], 0.05)]
    if depths:
        depth = shown[2]
        top = _Face((0, reach), (width, 0), (reach, -reach), columns, depth, tints[1], 0.09)
        side = _Face((width, reach), (reach, -reach), (0, height), depth, rows, tints[2], 0.14)
        faces += [top, side]
    places = _places(width, height, reach)
    texts = [_Text(names[dim], *place) for dim, place in zip(drawn, places, strict=False)]
    size = width + reach, height + reach
    return _svg(faces, [text for text in texts if text.text], size, dashed=any(map(_odd, shown)))


def _odd(axis: Axis) -> bool:
    """Say whether what is drawn is not what there is: an infinity, or nothing."""
    return not axis.size


def _name(axis: Axis, dim: int) -> str:
    return f"{shorten(axis.label or f'dim {dim}', _MOST_LETTERS)}\u2002{axis.size_text}"


def _lengths(axes: Sequence[Axis]) -> list[float]:
    """Return how long each axis is drawn: to scale, unless that would be too short."""
    extents = [axis.window[1] - axis.window[0] for axis in axes]
    longest = max(extents)
    if longest <= 1:
        return [_SHORTEST * 1.5] * len(axes)
    lengths = []
    for extent in extents:
        ratio = extent / longest
        if ratio < _TRUE_TO_SCALE:
            ratio = _TRUE_TO_SCALE * (ratio / _TRUE_TO_SCALE) ** 0.35
        lengths.append(max(_LONGEST * ratio, _SHORTEST))
    return lengths


def _projections(axes: Sequence[Axis], drawn: Sequence[int], cached: Iterable[Box]) -> list[Cells]:
    """Return, for front, top and side, which part of what lies behind each cell is cached."""
    rows, columns, *rest = drawn
    faces = [(columns, rows), *[(columns, depth) for depth in rest], *[(d, rows) for d in rest]]
    totals: list[dict[tuple[int, int], float]] = [defaultdict(float) for _ in faces]
    covered = cache(lambda dim, low, high: list(axes[dim].covered(low, high)))
    part = cache(lambda dim, low, high: _part(axes[dim], low, high))
    for box in cached:
        cells = {dim: covered(dim, *box[dim]) for dim in drawn}
        parts = [part(dim, *bounds) for dim, bounds in enumerate(box)]
        for total, face in zip(totals, faces, strict=True):
            behind = prod(part for dim, part in enumerate(parts) if dim not in face)
            if behind:
                for (column, width), (row, height) in product(*(cells[dim] for dim in face)):
                    total[column, row] += behind * width * height
    return list(totals)


def _part(axis: Axis, low: int, high: int) -> float:
    """Return which part of what is drawn of an axis lies in ``[low, high)``."""
    start, stop = axis.window
    return max(min(high, stop) - max(low, start), 0) / max(stop - start, 1)


@attrs.frozen
class _Text:
    """A line of text and where it is anchored."""

    text: str
    x: float
    y: float
    anchor: str

    @property
    def left(self) -> float:
        return self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * self.width

    @property
    def width(self) -> float:
        return len(self.text) * _LETTER

    def svg(self) -> str:
        return (
            f'<text x="{self.x:.1f}" y="{self.y:.1f}" text-anchor="{self.anchor}">'
            f"{escape(self.text)}</text>"
        )


def _places(width: float, height: float, reach: float) -> list[tuple[float, float, str]]:
    """Return where the names of rows, columns and depth stand."""
    bottom = reach + height
    return [
        (-7, reach + height / 2 + 4, "end"),
        (width / 2, bottom + _LINE, "middle"),
        (width + reach / 2 + 7, bottom - reach / 2 + 8, "start"),
    ]


def _svg(faces: Sequence[_Face], texts: Sequence[_Text], size: Point, dashed: bool) -> str:
    """Put faces and texts together, in a picture that is large enough for both."""
    width, height = size
    left = min([0.0, *(text.left for text in texts)]) - _MARGIN
    right = max([width, *(text.left + text.width for text in texts)]) + _MARGIN
    top, bottom = -_MARGIN, max([height, *(text.y + 4 for text in texts)]) + _MARGIN
    box = f"{left:.1f} {top:.1f} {right - left:.1f} {bottom - top:.1f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{right - left:.0f}" '
        f'height="{bottom - top:.0f}" role="img" font-size="11" fill="currentColor" '
        f'stroke-linejoin="round">'
    ]
    for face in faces:
        parts.append(f'<path d="{face.outline()}" fill-opacity="{face.shade}"/>')
        parts += [
            f'<path class="vc-cached" d="{path}" fill="#1a9c8a" '
            f'fill-opacity="{0.15 + 0.7 * level / _LEVELS:.2f}"/>'
            for level, path in sorted(face.blocks().items())
        ]
        if lines := face.lines():
            parts.append(_stroke(lines, 0.7, 0.38))
    for face in faces:
        parts.append(_stroke(face.outline(), 1.3, 0.85, dashed=dashed))
    parts += [text.svg() for text in texts]
    return "".join([*parts, "</svg>"])


def _stroke(path: str, width: float, opacity: float, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="5 3"' if dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="{width}" '
        f'stroke-opacity="{opacity}"{dashes}/>'
    )
