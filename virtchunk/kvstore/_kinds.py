"""The kinds of key-value store that a spec can name, and what each of them has to say.

The modules of the drivers register their kinds. What they have in common (the path, the resources
and the context they come from) is in `virtchunk.kvstore.spec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar

from virtchunk._schema.json_value import json_type_name

__all__ = ("Kind", "kind_named", "kind_of_scheme", "register")

Members: TypeAlias = Mapping[str, tuple[Any, type]]


class Kind:
    """One kind of driver. Subclasses are used as they are, and never instantiated."""

    name: ClassVar[str]
    """What JSON calls it."""
    schemes: ClassVar[tuple[str, ...]] = ()
    """The schemes of its URLs; its name if none are given."""
    resource_kinds: ClassVar[tuple[str, ...]] = ()
    """The context resources it uses; ``file_io_concurrency`` limits how many operations run."""
    members: ClassVar[Members] = {}
    """Its own members: default and type; ``...`` as the default makes one required."""

    @classmethod
    def parse(cls, json: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
        """Take the members of this kind out of ``json``, and return them with the path.

        Raises:
            ValueError: One is missing, or has the wrong type.
        """
        members = {}
        for name, (default, expected) in cls.members.items():
            value = json.pop(name, default)
            if value is ... or (value is not default and not isinstance(value, expected)):
                got = "it is missing" if value is ... else f"got {json_type_name(value)}"
                raise ValueError(
                    f'member "{name}" of the driver "{cls.name}" must be of type '
                    f"{expected.__name__}, {got}"
                )
            members[name] = value
        cls.check(members, path)
        return members, path

    @classmethod
    def check(cls, members: dict[str, Any], path: str) -> None:
        """Check what hangs together.

        Raises:
            ValueError: The members or the path cannot be used.
        """

    @classmethod
    def open(cls, members: dict[str, Any], resources: dict[str, Any]) -> Any:
        """Make the driver.

        Args:
            members: As `parse` returned them.
            resources: The live objects of `resource_kinds`.
        """
        raise NotImplementedError

    @classmethod
    def url(cls, members: dict[str, Any], path: str) -> str:
        """Return the URL.

        Raises:
            ValueError: The path cannot be written as a URL.
        """
        raise NotImplementedError

    @classmethod
    def from_url(cls, rest: str) -> dict[str, Any]:
        """Return the JSON of a URL, without the driver; ``rest`` is what follows ``://``.

        The path is decoded afterwards.

        Raises:
            ValueError: The URL is none of this kind.
        """
        raise NotImplementedError


_KINDS: dict[str, type[Kind]] = {}
_SCHEMES: dict[str, type[Kind]] = {}
_K = TypeVar("_K", bound=type[Kind])


def register(kind: _K) -> _K:
    """Make a kind known; a class decorator."""
    _KINDS[kind.name] = kind
    for scheme in kind.schemes or (kind.name,):
        _SCHEMES[scheme] = kind
    return kind


def kind_named(name: Any) -> type[Kind]:
    """Return the kind that JSON calls ``name``.

    Raises:
        ValueError: There is none.
    """
    return _find(_KINDS, name, '"driver" must be the name of a key-value store driver')


def kind_of_scheme(scheme: str, url: str) -> type[Kind]:
    """Return the kind of a URL.

    Raises:
        ValueError: There is none.
    """
    return _find(_SCHEMES, scheme, f'unsupported URL scheme in "{url}"; it must be one')


def _find(known: Mapping[str, type[Kind]], name: Any, rule: str) -> type[Kind]:
    if isinstance(name, str) and name in known:
        return known[name]
    raise ValueError(f"{rule}: {', '.join(sorted(known))}; got {name!r}")
