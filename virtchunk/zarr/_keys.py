"""The keys of an array's chunks in a zarr store: ``c/3/0`` is the chunk at ``(3, 0)`` of the grid.

There may be more of them than could ever be listed, so they are counted and taken apart instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import final

import attrs

__all__ = ("ChunkKeys",)


@final
@attrs.frozen
class ChunkKeys:
    """The keys of all chunks of one array."""

    root: str
    """What all keys begin with, without the ``/`` that follows: ``"c"`` or ``"image/c"``."""
    grid: tuple[int, ...]
    """How many chunks there are along each dimension."""

    def position(self, key: str) -> tuple[int, ...] | None:
        """Return the grid position of the chunk with this key; None if there is none."""
        at = self._begin(f"{key}/")
        return at if at is not None and len(at) == len(self.grid) else None

    def count(self, folder: str) -> int:
        """Return how many keys begin with ``folder``, which is empty or ends in ``/``."""
        begin = self._begin(folder)
        return 0 if begin is None else math.prod(self.grid[len(begin) :])

    def starting_with(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix, in the order of the grid."""
        begin = self._begin(prefix[: prefix.rfind("/") + 1])
        if begin is not None:
            at = "/".join([self.root, *map(str, begin)])
            yield from (key for key in self._below(at, len(begin)) if key.startswith(prefix))

    def inside(self, folder: str) -> Iterator[str]:
        """Yield the indices that follow ``folder``, which ends in ``/``, in keys."""
        begin = self._begin(folder)
        if begin is not None and folder.startswith(f"{self.root}/") and len(begin) < len(self.grid):
            yield from map(str, range(self.grid[len(begin)]))

    def _begin(self, folder: str) -> tuple[int, ...] | None:
        """Return the indices in what a key begins with; None if no key begins so."""
        root = f"{self.root}/"
        if not math.prod(self.grid):
            return None
        if root.startswith(folder):
            return ()
        parts = folder.removeprefix(root).removesuffix("/").split("/")
        if not folder.startswith(root) or len(parts) > len(self.grid):
            return None
        at = tuple(map(_index, parts))
        inside = all(0 <= index < size for index, size in zip(at, self.grid, strict=False))
        return at if inside else None

    def _below(self, at: str, depth: int) -> Iterator[str]:
        # Not itertools.product, which begins with a list of each of its arguments.
        if depth == len(self.grid):
            yield at
            return
        for index in range(self.grid[depth]):
            yield from self._below(f"{at}/{index}", depth + 1)


def _index(component: str) -> int:
    """Return the number that a component of a key is; -1 if none, or not as zarr writes it."""
    if not (component.isascii() and component.isdigit()):
        return -1
    return int(component) if component == "0" or component[0] != "0" else -1
