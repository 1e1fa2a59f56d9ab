"""`KvStore.Spec`: how to open a key-value store, from JSON or a URL and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

import attrs

from virtchunk._context import Context, Reference, bind, parse_reference, reference_to_json, unbind
from virtchunk._open_options import as_flag
from virtchunk._schema.json_value import format_json, json_type_name, normalize_json
from virtchunk.kvstore._kinds import Kind, kind_named, kind_of_scheme
from virtchunk.kvstore._url import decoded, split_url
from virtchunk.kvstore.values import as_bytes

__all__ = ("Source", "Spec", "appended", "as_path", "joined")


def as_path(path: str | bytes) -> str:
    """Turn a path into text; bytes that are not UTF-8 become surrogates.

    Raises:
        TypeError: It is neither text nor bytes.
    """
    if isinstance(path, str):
        return path
    return as_bytes(path, "path").decode("utf-8", "surrogateescape")


def appended(path: str, suffix: str | bytes) -> str:
    """Append to a path, without a separator."""
    return path + as_path(suffix)


def joined(path: str, component: str | bytes) -> str:
    """Append a component to a path, with one separator between the two."""
    added = as_path(component)
    needs_separator = path and added and path[-1] != "/" and added[0] != "/"
    return f"{path}/{added}" if needs_separator else path + added


@final
@attrs.frozen
class Source:
    """What a spec says beside the path: which driver, with which members and resources."""

    kind: type[Kind] | None
    """None for a driver that was handed over as an object."""
    members: Mapping[str, Any] = attrs.field(factory=dict)
    """The kind's own members, complete."""
    resources: Mapping[str, Reference] = attrs.field(factory=dict)
    """For each kind of resource which one."""
    context: Context.Spec | None = None
    """Definitions of resources, for the time when the spec is bound."""
    driver: Any = None
    """The object that was handed over."""

    @classmethod
    def parse(cls, json: Any) -> tuple[Source, str]:
        """Read a spec; return it with its path.

        Raises:
            ValueError: It is no URL and no object with the members of a known driver.
        """
        if isinstance(json, str):
            return cls.parse(_json_of_url(json))
        json = normalize_json(json)
        if not isinstance(json, dict):
            raise ValueError(  # noqa: TRY004 - a wrong JSON value, whatever its type
                'a key-value store is described by a URL or an object such as {"driver": "memory"}'
                f", got {json_type_name(json)}"
            )
        kind = kind_named(json.pop("driver", None))
        path = json.pop("path", "")
        if not isinstance(path, str):
            raise ValueError(f'"path" must be a string, got {path!r}')  # noqa: TRY004 - as above
        context = Context.Spec(json.pop("context")) if "context" in json else None
        resources = {
            name: parse_reference(name, json.pop(name)) if name in json else name
            for name in kind.resource_kinds
        }
        members, path = kind.parse(json, path)
        if json:
            unknown = ", ".join(f'"{name}"' for name in sorted(json))
            raise ValueError(f'a spec of the driver "{kind.name}" has no member {unknown}')
        return cls(kind, members, resources, context), path

    def bound(self, context: Context) -> Source:
        """Return the same with the resources that the references mean.

        Raises:
            ValueError: A reference leads nowhere.
        """
        if self.context is not None:
            context = Context(self.context, context)
        resources = {name: bind(name, one, context) for name, one in self.resources.items()}
        return attrs.evolve(self, resources=resources, context=None)

    def stripped(self) -> Source:
        """Return the same with the default resources only."""
        return attrs.evolve(self, resources={name: name for name in self.resources}, context=None)

    def unbound(self) -> Source:
        """Return the same with references that make equal resources when bound."""
        return self._named(lambda name: name)

    def _named(self, show: Callable[[Any], Any]) -> Source:
        bound = [one for one in self.resources.values() if isinstance(one, Context.Resource)]
        if not bound:
            return self
        names, context = unbind(bound, self.context)
        resources = {
            name: show(names[one]) if isinstance(one, Context.Resource) else one
            for name, one in self.resources.items()
        }
        return attrs.evolve(
            self, resources=resources, context=context if context._entries else None
        )

    def to_json(self, path: str, include_defaults: bool) -> dict[str, Any]:
        """Return the JSON; resources must not be bound.

        Raises:
            NotImplementedError: The driver is an object that has no JSON.
        """
        if self.kind is None:
            raise NotImplementedError(
                f"a KvStore of the driver {self.driver!r} has no JSON: it was made by from_driver"
            )
        return self._json({"driver": self.kind.name}, path, include_defaults)

    def _json(self, json: dict[str, Any], path: str, include_defaults: bool) -> dict[str, Any]:
        if self.context is not None or include_defaults:
            context = self.context or Context.Spec({})
            json["context"] = context.to_json(include_defaults)
        for name, reference in self.resources.items():
            named = reference_to_json(name, reference, include_defaults)
            if named is not None:
                json[name] = named
        defaults = {} if self.kind is None else self.kind.members
        json |= {
            name: value
            for name, value in self.members.items()
            if include_defaults or value != defaults[name][0]
        }
        if path or include_defaults:
            json["path"] = path
        return dict(sorted(json.items()))

    def show(self, path: str, *, mark_bound: bool) -> str:
        """Format for ``repr``; ``mark_bound``: with an array of one around what is bound."""
        named = self._named((lambda name: [name]) if mark_bound else (lambda name: name))
        driver = self.driver if self.kind is None else self.kind.name
        return format_json(named._json({"driver": driver}, path, False))

    def url(self, path: str) -> str:
        """Return the URL.

        Raises:
            NotImplementedError: There is none.
            ValueError: The path cannot be written as a URL.
        """
        if self.kind is None:
            raise NotImplementedError(f"a KvStore of the driver {self.driver!r} has no URL")
        return self.kind.url(dict(self.members), path)


def _json_of_url(url: str) -> dict[str, Any]:
    scheme, rest, query = split_url(url, query=url.startswith("http"))
    kind = kind_of_scheme(scheme, url)
    json = kind.from_url(rest)
    json["driver"] = kind.name
    json["path"] = decoded(json.get("path", ""), url)
    if kind.name == "http":
        json["base_url"] = f"{scheme}://{json['base_url']}{query}"
    return json


@final
class Spec:
    """How to open a key-value store.

    Args:
        json: An object with a member ``"driver"``, or a URL.

    Raises:
        ValueError: It names no known driver, or has a member that the driver does not have.

    Example:
        >>> spec = ts.KvStore.Spec({"driver": "memory", "path": "tiles/"})
        >>> spec / "a"
        KvStore.Spec({'driver': 'memory', 'path': 'tiles/a'})
        >>> spec.url
        'memory://tiles/'
    """

    __slots__ = ("_path", "_source")
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    _source: Source
    _path: str

    def __init__(self, json: Any) -> None:
        if isinstance(json, Spec):
            self._source, self._path = json._source, json._path
        else:
            self._source, self._path = Source.parse(json)

    @classmethod
    def _trusted(cls, source: Source, path: str) -> Spec:
        self = object.__new__(cls)
        self._source, self._path = source, path
        return self

    @property
    def path(self) -> str:
        """What all keys begin with."""
        return self._path

    @path.setter
    def path(self, path: str | bytes) -> None:
        self._path = as_path(path)

    @property
    def base(self) -> Spec | None:
        """The store below an adapter: None, for there are no adapters."""
        return None

    @property
    def url(self) -> str:
        """URL of the store.

        Raises:
            NotImplementedError: It was made by `KvStore.from_driver`.
            ValueError: The path cannot be written as a URL.
        """
        return self._source.url(self._path)

    def __add__(self, suffix: str | bytes) -> Spec:
        """Append to the path, without a separator."""
        return Spec._trusted(self._source, appended(self._path, suffix))

    def __truediv__(self, component: str | bytes) -> Spec:
        """Append a component to the path, with a ``/`` between the two if there is none."""
        return Spec._trusted(self._source, joined(self._path, component))

    def update(
        self,
        *,
        unbind_context: bool | None = None,
        strip_context: bool | None = None,
        context: Context | None = None,
    ) -> None:
        """Change which resources the spec refers to.

        Args:
            unbind_context: Replace bound resources by references, and define what they refer to.
            strip_context: Refer to the default resources only.
            context: Then bind the references: look the resources up in this context.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: A reference leads nowhere.
        """
        if context is not None and not isinstance(context, Context):
            raise TypeError(f"context must be a Context or None, got {context!r}")
        source = self._source
        if as_flag(unbind_context, "unbind_context"):
            source = source.unbound()
        if as_flag(strip_context, "strip_context"):
            source = source.stripped()
        self._source = source if context is None else source.bound(context)

    def to_json(self, include_defaults: bool = False) -> Any:
        """Return the JSON representation, in which bound resources are named.

        Args:
            include_defaults: Whether to include what is equal to its default.

        Raises:
            NotImplementedError: The spec is that of a store made by `KvStore.from_driver`.
        """
        flag = as_flag(include_defaults, "include_defaults")
        return self._source.unbound().to_json(self._path, flag)

    def copy(self) -> Spec:
        """Return a copy, which can be changed on its own."""
        return Spec._trusted(self._source, self._path)

    def __copy__(self) -> Spec:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Spec:
        return self.copy()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spec):
            return NotImplemented
        return self._path == other._path and self._source == other._source

    def __reduce__(self) -> tuple[Any, ...]:
        source = self._source
        kind = None if source.kind is None else source.kind.name
        return _restore, (
            kind,
            dict(source.members),
            dict(source.resources),
            source.context,
            source.driver,
            self._path,
        )

    def __repr__(self) -> str:
        return f"KvStore.Spec({self._source.show(self._path, mark_bound=True)})"


def _restore(
    kind: str | None,
    members: dict[str, Any],
    resources: dict[str, Reference],
    context: Context.Spec | None,
    driver: Any,
    path: str,
) -> Spec:
    found = None if kind is None else kind_named(kind)
    return Spec._trusted(Source(found, members, resources, context, driver), path)


# Where users find it, and where pickle looks for it.
Spec.__module__ = "virtchunk"
Spec.__qualname__ = "KvStore.Spec"
