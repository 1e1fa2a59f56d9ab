"""The kinds of context resource: the members their JSON may have, and what a live one is.

A kind knows three things: its members with their defaults, how one member is checked, and how the
object that does the work is made from the checked members. Whoever builds that object in a higher
layer says so with `provide`; the kinds that only limit concurrency are complete here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, final

import attrs

from virtchunk._limits import Limiter

__all__ = ("Members", "ResourceKind", "kind_of", "provide")

Members: TypeAlias = Mapping[str, Any]
"""The JSON members of one resource, checked and complete."""

CALLBACKS_IN_FLIGHT: Final = 256
"""Enough to hide the latency of a network store, few enough for its sockets and our memory."""

FEWEST_FILE_OPERATIONS: Final = 4
"""File operations wait more than they compute, so even one processor runs several."""

MOST_UINT64: Final = 2**64 - 1


@final
@attrs.frozen
class ResourceKind:
    """One kind of resource.

    The registry is filled when the package is imported and only read afterwards, so kinds are read
    by any thread without a lock.
    """

    name: str
    """What stands before the ``#`` in a resource key."""
    defaults: Members
    """Every member, with the value that applies when it is absent."""
    check: Callable[[Any, str], Any]
    """Turn the JSON value of a member into its canonical form, or raise; gets value and subject."""

    def parse(self, json: Any, key: str) -> Members:
        """Check the JSON of the resource ``key`` and fill in the defaults."""
        if not isinstance(json, dict):
            raise ValueError(  # noqa: TRY004 - a wrong JSON value, whatever its type
                f'resource "{key}" must be an object, null or a reference such as "{self.name}#id" '
                f"to another resource of its kind, got {json!r}"
            )
        unknown = ", ".join(f'"{name}"' for name in sorted(json.keys() - self.defaults.keys()))
        if unknown:
            known = ", ".join(f'"{name}"' for name in self.defaults) or "none"
            raise ValueError(f'resource "{key}" has no member {unknown}; its members: {known}')
        return {
            name: self.check(json[name], f'"{name}" of resource "{key}"') if name in json else value
            for name, value in self.defaults.items()
        }

    def to_json(self, members: Members, include_defaults: bool) -> dict[str, Any]:
        """Return the members as JSON, without those equal to their default unless asked for."""
        return {
            name: value
            for name, value in members.items()
            if include_defaults or value != self.defaults[name]
        }

    def create(self, members: Members) -> Any:
        """Make the object that does the work of a resource with these members.

        Raises:
            NotImplementedError: Nothing that has been imported uses such resources.
        """
        if self.name not in _FACTORIES:
            raise NotImplementedError(f"nothing that is imported uses a {self.name}")
        return _FACTORIES[self.name](members)


def kind_of(key: str) -> ResourceKind:
    """Return the kind of the resource with this key: ``kind`` or ``kind#id``.

    Raises:
        ValueError: There is no such kind.
    """
    name = key.partition("#")[0]
    found = _KINDS.get(name)
    if found is None:
        raise ValueError(f'there is no kind of resource "{name}"; kinds are {", ".join(_KINDS)}')
    return found


def provide(kind: str, factory: Callable[[Members], Any]) -> None:
    """Say how the live object of a kind is made; called once, by the module that defines it.

    The object is made at most once per resource that is used, without awaiting. Two threads that
    want it in the same moment may each make one: the first to finish wins and the other is dropped,
    so making one must have no effect outside of it.
    """
    assert kind in _KINDS, kind
    assert kind not in _FACTORIES, f"two modules provide {kind}"
    _FACTORIES[kind] = factory


def _checked_limit(value: Any, subject: str) -> int | str:
    """An integer >= 1, or "shared" for the limit that all of the process has in common."""
    if value == "shared":
        return "shared"
    return _checked_integer(value, subject, minimum=1, otherwise=' or "shared"')


def _checked_bytes(value: Any, subject: str) -> int:
    return _checked_integer(value, subject, minimum=0, otherwise="")


def _checked_integer(value: Any, subject: str, *, minimum: int, otherwise: str) -> int:
    """A JSON integer, which may be spelled as a float without a fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= MOST_UINT64:
        raise ValueError(
            f"{subject} must be an integer in [{minimum}, {MOST_UINT64}]{otherwise}, got {value!r}"
        )
    return value


def _no_member(value: Any, subject: str) -> Any:
    raise AssertionError(subject)  # `parse` has refused every member by its name


def _limiter_factory(shared_total: int) -> Callable[[Members], Limiter]:
    shared = Limiter(shared_total)

    def limiter(members: Members) -> Limiter:
        return shared if members["limit"] == "shared" else Limiter(members["limit"])

    return limiter


_KINDS: Final[dict[str, ResourceKind]] = {
    kind.name: kind
    for kind in (
        ResourceKind("cache_pool", {"total_bytes_limit": 0}, _checked_bytes),
        ResourceKind("callback_concurrency", {"limit": CALLBACKS_IN_FLIGHT}, _checked_limit),
        ResourceKind("data_copy_concurrency", {"limit": "shared"}, _checked_limit),
        ResourceKind("file_io_concurrency", {"limit": "shared"}, _checked_limit),
        ResourceKind("memory_key_value_store", {}, _no_member),
    )
}

_PROCESSORS: Final = os.cpu_count() or 1
_FACTORIES: Final[dict[str, Callable[[Members], Any]]] = {
    "callback_concurrency": _limiter_factory(CALLBACKS_IN_FLIGHT),
    "data_copy_concurrency": _limiter_factory(_PROCESSORS),
    "file_io_concurrency": _limiter_factory(max(FEWEST_FILE_OPERATIONS, _PROCESSORS)),
}
