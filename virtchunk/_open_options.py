"""How a view is opened: until when cached data is taken to be current."""

from __future__ import annotations

import math
import time
from typing import Any, Literal, TypeAlias

__all__ = ("RecheckCacheOption", "as_flag", "parse_recheck", "staleness_bound")

RecheckCacheOption: TypeAlias = bool | Literal["open"] | float
"""When cached data is revalidated before it is returned from a read.

True: at each read. False: never. ``"open"``: when it is older than the opening of the view.
A number: when it is older than this time, in seconds since the epoch.
"""


def parse_recheck(value: Any, name: str) -> RecheckCacheOption:
    """Return the canonical form: infinities become the `bool` that they amount to.

    Raises:
        TypeError: It is neither a boolean, nor a number, nor ``"open"``.
    """
    if value is True or value is False or value == "open":
        return value  # type: ignore[no-any-return]
    if isinstance(value, str) or not hasattr(type(value), "__float__"):
        raise TypeError(
            f'{name} must be True (recheck at each read), False (never), "open" (what is older '
            f"than the opening) or a time in seconds since the epoch, got {value!r}"
        )
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if seconds == math.inf:
        return True
    return False if seconds == -math.inf or math.isnan(seconds) else seconds


def staleness_bound(option: RecheckCacheOption, opened: float) -> float:
    """Return the time, in seconds since the epoch, from which on cached data is current enough.

    Args:
        option: Canonical option.
        opened: When the view was opened, in seconds since the epoch.
    """
    if option is True:
        return time.time()
    if option is False:
        return -math.inf
    # Nothing is known to be current at a time that is yet to come.
    return opened if option == "open" else min(option, time.time())


def as_flag(value: Any, name: str) -> bool:
    """Return the truth of a flag; text and containers are refused, being most likely an error."""
    if value is not None and not hasattr(type(value), "__bool__"):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)
