"""Alignment: which element of a source belongs to which element of a target, as in a write or copy.

NumPy broadcasts by position, from the last dimension.  Here labels come first: where both domains
have labels, dimensions with the same label belong together, and the unlabeled ones by position from
the last.  Origins do not matter, only extents do: dimensions that belong together are moved onto
each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from virtchunk._index.interval import INF
from virtchunk._index.operations import describe_dimension, describe_interval
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._index.transform import IndexTransform

if TYPE_CHECKING:
    from virtchunk._index.domain import IndexDomain


def align(source: IndexDomain, target: IndexDomain) -> IndexTransform:
    """Return the transform that gives, for each element of ``target``, the one of ``source``.

    A source dimension of extent 1 is repeated to any extent, a source dimension that has no
    counterpart must have extent 1, and along a target dimension that has none the source is
    repeated.

    Args:
      source: Where values come from.
      target: Where they go.

    Returns:
      A transform whose input domain is ``target`` and whose output indices lie in ``source``.

    Raises:
      ValueError: If an extent fits neither the target's nor 1.

    Example:
      >>> from virtchunk._index.alignment import align
      >>> source = ts.IndexDomain(shape=[3, 2], labels=["y", "x"])
      >>> target = ts.IndexDomain(inclusive_min=[5, 6], shape=[2, 3], labels=["x", "y"])
      >>> align(source, target)([5, 7])
      (1, 0)
    """
    matches = _match(source, target)
    maps: list[OutputIndexMap] = []
    problems: list[str] = []
    for i, j in enumerate(matches):
        lower, size = source.inclusive_min[i], source.exclusive_max[i] - source.inclusive_min[i]
        if j is not None:
            start = target.inclusive_min[j]
            if size == target.exclusive_max[j] - start and (lower == -INF) == (start == -INF):
                maps.append(OutputIndexMap._single(j, lower - start, 1))
                continue
        if size == 1:
            maps.append(OutputIndexMap._constant(lower))
        elif j is None:
            problems.append(f"{_describe(source, i)} of the source has no counterpart")
        else:
            problems.append(
                f"{_describe(source, i)} of the source does not fit {_describe(target, j)} of the"
                " target"
            )
    if problems:
        raise ValueError(
            f"cannot align {source} with {target}: {'; '.join(problems)}. Dimensions are matched by"
            " label, unlabeled ones from the last; their extents must be equal, or 1 in the source"
        )
    return IndexTransform._trusted(target, tuple(maps))


def _match(source: IndexDomain, target: IndexDomain) -> list[int | None]:
    """Return, for each dimension of ``source``, its counterpart in ``target``, if any."""
    if not any(source.labels) or not any(target.labels):
        shift = len(target) - len(source)
        return [i + shift if i + shift >= 0 else None for i in range(len(source))]
    by_label = {label: j for j, label in enumerate(target.labels) if label}
    unlabeled = _unlabeled_from_last(target)
    matches = [
        by_label.get(label) if label else next(unlabeled, None) for label in reversed(source.labels)
    ]
    return matches[::-1]


def _unlabeled_from_last(domain: IndexDomain) -> Iterator[int]:
    return (j for j in reversed(range(len(domain))) if not domain.labels[j])


def _describe(domain: IndexDomain, i: int) -> str:
    return f"{describe_dimension(domain, i)} {describe_interval(domain, i)}"
