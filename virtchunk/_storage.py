"""What can be asked of a view about its storage when there is none: only callbacks or an array."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any, NoReturn, final

import attrs

from virtchunk._drivers.driver import Driver
from virtchunk._future import Future
from virtchunk._index.transform import IndexTransform
from virtchunk._open_options import as_flag

__all__ = ("StorageStatistics", "Unstored")


@final
@attrs.define(kw_only=True)
class StorageStatistics:
    """Whether the elements of a view are stored; see `TensorStore.storage_statistics`.

    Can be changed, and has no hash, as in the original.

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


class Unstored:
    """The members of a view that are about storage."""

    __slots__ = ()

    _driver: Driver
    _transform: IndexTransform

    @property
    def kvstore(self) -> None:
        """The key-value store of the chunks: None, for callbacks and arrays have none."""
        return None

    @property
    def codec(self) -> None:
        """The encoding of the chunks: None, for they are not encoded."""
        return None

    @property
    def fill_value(self) -> None:
        """The value of elements that were never written: None, for there are none."""
        return None

    @property
    def url(self) -> str:
        """Refuse: callbacks and arrays have no address.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(f"{self!r} has no URL representation")

    def resize(
        self,
        inclusive_min: Iterable[int | None] | None = None,
        exclusive_max: Iterable[int | None] | None = None,
        resize_metadata_only: bool = False,
        resize_tied_bounds: bool = False,
        expand_only: bool = False,
        shrink_only: bool = False,
    ) -> NoReturn:
        """Refuse: the bounds of these views are fixed when they are made.

        Raises:
            ValueError: If the view is read-only, or the number of bounds is not its rank.
            TypeError: If the bounds are not integers or None, or a flag is none.
            NotImplementedError: In all other cases.
        """
        for name, bounds in ("inclusive_min", inclusive_min), ("exclusive_max", exclusive_max):
            _check_bounds(name, bounds, self._transform.domain.rank)
        as_flag(resize_metadata_only, "resize_metadata_only")
        as_flag(resize_tied_bounds, "resize_tied_bounds")
        as_flag(expand_only, "expand_only")
        as_flag(shrink_only, "shrink_only")
        if "w" not in self._driver.mode:
            raise ValueError(f"{self!r} does not support resizing: it is read-only")
        raise NotImplementedError(f"{self!r} does not support resizing: its bounds are fixed")

    def storage_statistics(
        self, *, query_not_stored: bool = False, query_fully_stored: bool = False
    ) -> Future[StorageStatistics]:
        """Return a future of whether the elements are stored: those of an array in memory are.

        Args:
            query_not_stored: Whether to find out if no element is.
            query_fully_stored: Whether to find out if all elements are.

        Raises:
            NotImplementedError: If the elements do not come from one array, perhaps by `cast` or
                `downsample`: nobody knows what callbacks have stored.
        """
        if not _in_memory(self._driver, self._transform):
            raise NotImplementedError(
                f"{self!r} does not support storage statistics: only arrays in memory are known to "
                "be stored"
            )
        return Future._resolved(
            StorageStatistics(
                not_stored=False if query_not_stored else None,
                fully_stored=True if query_fully_stored else None,
            )
        )


def _in_memory(driver: Driver, transform: IndexTransform) -> bool:
    """Say whether the elements are those of an array, or computed one by one from an array."""
    while (base := driver.base(transform)) is not None:
        driver, transform = base.driver, base.transform
    return driver.name == "array"


def _check_bounds(name: str, bounds: Iterable[Any] | None, rank: int) -> None:
    if bounds is None:
        return
    try:
        count = len([bound is None or index(bound) for bound in bounds])
    except TypeError as error:
        raise TypeError(
            f"{name} must be a sequence of integers or None, one for each dimension, got {bounds!r}"
        ) from error
    if count != rank:
        raise ValueError(
            f"{name} must have one bound for each of the {rank} dimensions: {bounds!r}"
        )
