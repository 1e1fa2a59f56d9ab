"""What is known of where the elements of a view are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import attrs

from virtchunk._future import Future

if TYPE_CHECKING:
    from virtchunk._drivers.driver import Driver

__all__ = ("StorageStatistics", "storage_statistics")


@final
@attrs.frozen(kw_only=True)
class StorageStatistics:
    """Whether the elements of a view are stored; see `TensorStore.storage_statistics`.

    Example:
        >>> view = ts.array([1, 2, 3])
        >>> view.storage_statistics(query_fully_stored=True).result()
        TensorStore.StorageStatistics(not_stored=None, fully_stored=True)
    """

    not_stored: bool | None = None
    """Whether no element is stored; None if that was not asked for."""
    fully_stored: bool | None = None
    """Whether all elements are stored; None if that was not asked for."""


StorageStatistics.__qualname__ = "TensorStore.StorageStatistics"


def storage_statistics(
    driver: Driver, query_not_stored: bool, query_fully_stored: bool
) -> Future[StorageStatistics]:
    """Answer for arrays, and for what is computed from one of them, element by element.

    Raises:
        NotImplementedError: Nobody knows.
    """
    stored: Any = driver
    while stored.name in _COMPUTED:
        stored = stored.base
    if stored.name != "array":
        raise NotImplementedError(
            f"storage statistics of {driver.describe()} are not supported: only arrays in memory "
            "are known to be stored"
        )
    return Future._resolved(
        StorageStatistics(
            not_stored=False if query_not_stored else None,
            fully_stored=True if query_fully_stored else None,
        )
    )


_COMPUTED = frozenset({"cast", "downsample"})
"""Drivers that say what their base says."""
