"""Keyword arguments of `open`, `Spec.update` and `TensorStore.spec`, checked and sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

import attrs

from virtchunk._drivers.spec import SpecOptions
from virtchunk._open_mode import OpenMode
from virtchunk._open_options import as_flag, parse_recheck
from virtchunk._schema.schema import Schema, SchemaKeywords

if TYPE_CHECKING:
    from virtchunk._open_options import RecheckCacheOption

__all__ = ("OpenModeKeywords", "SpecKeywords", "parse_spec_keywords")


class OpenModeKeywords(TypedDict, total=False):
    """What opening may do, and when cached content is revalidated; None says nothing."""

    open_mode: OpenMode | None
    open: bool | None
    create: bool | None
    delete_existing: bool | None
    assume_metadata: bool | None
    assume_cached_metadata: bool | None
    recheck_cached_metadata: RecheckCacheOption | None
    recheck_cached_data: RecheckCacheOption | None
    recheck_cached: RecheckCacheOption | None


class SpecKeywords(OpenModeKeywords, SchemaKeywords, total=False):
    """Everything that can be added to a spec; None says nothing."""

    kvstore: Any


_MODE_FLAGS: Final = tuple([field.name for field in attrs.fields(OpenMode)])
_RECHECKS: Final = ("recheck_cached_metadata", "recheck_cached_data", "recheck_cached")
_OTHERS: Final = ("open_mode", *_MODE_FLAGS, *_RECHECKS, "kvstore")


def parse_spec_keywords(
    function: str,
    given: SpecKeywords | OpenModeKeywords,
    allowed: type[SpecKeywords | OpenModeKeywords] = SpecKeywords,
) -> SpecOptions:
    """Check keyword arguments.

    Args:
        function: Who was given them, for messages.
        given: The keyword arguments.
        allowed: Which ones the function has.

    Raises:
        TypeError: There is no such keyword, or a value has the wrong type.
        ValueError: A value is invalid, or two of them conflict.
    """
    unknown = sorted(given.keys() - allowed.__annotations__.keys())
    if unknown:
        raise TypeError(f"{function}() has no keyword argument {unknown[0]!r}")
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    schema = {name: value for name, value in values.items() if name not in _OTHERS}
    rechecks = {name: parse_recheck(values[name], name) for name in _RECHECKS if name in values}
    both = rechecks.get("recheck_cached")  # it takes precedence
    return SpecOptions(
        open_mode=_open_mode(values),
        recheck_cached_data=rechecks.get("recheck_cached_data") if both is None else both,
        recheck_cached_metadata=rechecks.get("recheck_cached_metadata") if both is None else both,
        kvstore=_kvstore(values.get("kvstore")),
        schema=Schema(**schema)._constraints,
    )


def _open_mode(values: dict[str, Any]) -> OpenMode | None:
    """Merge a mode with single flags, which take precedence."""
    flags = {name: as_flag(values[name], name) for name in _MODE_FLAGS if name in values}
    mode = values.get("open_mode")
    if mode is None:
        return OpenMode(**flags) if flags else None
    if not isinstance(mode, OpenMode):
        raise TypeError(f"open_mode must be an OpenMode, got {mode!r}")
    return attrs.evolve(mode, **flags)


def _kvstore(value: Any) -> Any:
    # Whatever is a place in a key-value store has a path; the class is defined in a higher layer.
    if value is not None and not hasattr(value, "path"):
        raise TypeError(f"kvstore must be a KvStore or a KvStore.Spec, got {value!r}")
    return value
