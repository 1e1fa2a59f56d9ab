"""`Context`: what views share, such as a cache pool and the limits on concurrency.

A context maps keys, ``kind`` or ``kind#id``, to resources. A resource is a handle: equal to itself
only, cheap until it is used, and the owner of the live object (a pool, a limiter) that is made at
its first use. Handles are made on demand and kept by the context that defines them, so a context
and all its children hand out the same one.

Any thread may use a context at any time. There is no lock, which a forked child could inherit held
by a thread that it does not have: `dict.setdefault` decides which of two handles made in the same
moment is the one that everybody sees.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias, final, overload

import attrs

from virtchunk._context.kinds import Members, ResourceKind, kind_of
from virtchunk._schema.json_value import format_json, normalize_json

__all__ = ("Context", "live")

_Entry: TypeAlias = "Members | str | None"
"""What a spec says about a key: members, a reference to another key, or the parent's default."""

_UNSET: Final[Any] = object()


@final
@attrs.frozen(init=False, eq=False, repr=False)
class Context:
    """Resources that several views and stores share.

    A view opened with a context uses its ``cache_pool``, ``data_copy_concurrency`` and
    ``callback_concurrency``; views opened with the same context share them. The JSON of a context
    maps keys to resources:

    - ``"cache_pool"``: the resource of that kind that is used unless another one is asked for;
    - ``"cache_pool#a"``: another one of that kind, named ``a``.

    A resource is described by an object with its members, by a string that refers to another key
    of the same kind, or by None, which stands for the default resource of the parent. Keys that a
    context does not define are looked up in its parent. The kinds and their members:

    ======================== ====================== =========== ==================================
    kind                     member                 default     what it bounds
    ======================== ====================== =========== ==================================
    `cache_pool`             ``total_bytes_limit``  0           bytes of cached chunks
    `data_copy_concurrency`  ``limit``              "shared"    threads that copy or call back
    `callback_concurrency`   ``limit``              256         asynchronous callbacks in flight
    `file_io_concurrency`    ``limit``              "shared"    file operations in flight
    `memory_key_value_store` (none)                             nothing: it holds the stored values
    ======================== ====================== =========== ==================================

    The limit ``"shared"`` is one for the whole process: as many as there are processors for
    ``data_copy_concurrency``, at least 4 for ``file_io_concurrency``, 256 callbacks.

    Contexts are immutable, compare by identity and may be used by any number of threads and event
    loops at once. Pickling keeps what is shared within one pickle: a resource or parent that
    occurs twice is one object again afterwards, with a new and empty live state.

    Args:
        json: JSON of the context, or a `Context.Spec`. Without it (or with ``spec=None``) all
            resources are the defaults, shared with no other context.
        parent: Context to inherit from.
        spec: Another way to pass a `Context.Spec`.

    Raises:
        ValueError: The JSON is no object, names an unknown kind, or has an invalid or unknown
            member.
        TypeError: ``parent`` without a spec, or an argument of the wrong type.

    Example:
        >>> context = ts.Context({"cache_pool": {"total_bytes_limit": 5_000_000}})
        >>> context["cache_pool"].to_json()
        {'total_bytes_limit': 5000000}
        >>> child = ts.Context({"cache_pool#none": {}}, parent=context)
        >>> child["cache_pool"] is context["cache_pool"]
        True
    """

    _spec: Context.Spec | None
    _parent: Context | None
    _resources: dict[str, Context.Resource]  # those that this context defines and somebody used

    @overload
    def __init__(self, *, spec: None = None) -> None: ...
    @overload
    def __init__(self, *, spec: Context.Spec, parent: Context | None = None) -> None: ...
    @overload
    def __init__(self, json: Any, parent: Context | None = None) -> None: ...
    def __init__(
        self,
        json: Any = _UNSET,
        parent: Context | None = None,
        *,
        spec: Context.Spec | None = None,
    ) -> None:
        if json is not _UNSET:
            if spec is not None:
                raise TypeError("give a Context either spec= or json=, not both")
            spec = json if isinstance(json, Context.Spec) else Context.Spec(json)
        if spec is None and parent is not None:
            raise TypeError("a Context with a parent needs a spec: Context({}, parent=...)")
        _check_type("spec", spec, Context.Spec)
        _check_type("parent", parent, Context)
        self.__attrs_init__(spec, parent, {})

    @classmethod
    def _restore(
        cls,
        spec: Context.Spec | None,
        parent: Context | None,
        resources: dict[str, Context.Resource],
    ) -> Context:
        self = cls.__new__(cls)
        self.__attrs_init__(spec, parent, resources)
        return self

    @property
    def parent(self) -> Context | None:
        """Context to which keys that this one does not define are passed on, or None.

        Example:
            >>> parent = ts.Context({"file_io_concurrency": {"limit": 10}})
            >>> child = ts.Context({}, parent=parent)
            >>> child.parent is parent
            True
            >>> child["file_io_concurrency"].to_json()
            {'limit': 10}
        """
        return self._parent

    @property
    def spec(self) -> Context.Spec | None:
        """What this context was made from, without what it inherits; None for ``Context()``.

        Example:
            >>> ts.Context({"cache_pool": {"total_bytes_limit": 5}}).spec
            Context.Spec({'cache_pool': {'total_bytes_limit': 5}})
            >>> ts.Context().spec is None
            True
        """
        return self._spec

    def __getitem__(self, key: str) -> Context.Resource:
        """Return the resource with this key; the same object every time.

        Args:
            key: ``kind`` or ``kind#id``. A bare kind is always defined, an id has to be.

        Raises:
            ValueError: There is no such kind, or no resource with this id here or in a parent, or
                the references form a cycle.
            TypeError: ``key`` is no string.

        Example:
            >>> context = ts.Context({"cache_pool#a": {"total_bytes_limit": 10}})
            >>> context["cache_pool#a"]
            Context.Resource({'total_bytes_limit': 10})
            >>> context["cache_pool"]
            Context.Resource({})
        """
        return self._resources.get(key) or self._find(key)

    __iter__ = None  # otherwise Python would try the keys 0, 1, 2, ...
    __contains__ = None

    def _find(self, key: str) -> Context.Resource:
        if not isinstance(key, str):
            raise TypeError(f'the key of a resource is a string such as "cache_pool", got {key!r}')
        kind = kind_of(key)
        context: Context | None = self
        while context is not None:
            entries = context._spec._entries if context._spec is not None else {}
            if key in entries:
                return context._defined(kind, key, entries)
            if context._parent is None and key == kind.name:
                return context._own(kind, key, kind.defaults)
            context = context._parent
        raise ValueError(
            f'resource "{key}" is not defined in this context or its parents; '
            f'define it, or use "{kind.name}", which always is'
        )

    def _defined(
        self, kind: ResourceKind, key: str, entries: dict[str, _Entry]
    ) -> Context.Resource:
        """Return what the spec of this very context says about ``key``."""
        entry = entries[key]
        seen = [key]
        while isinstance(entry, str):
            if entry in seen:
                cycle = " -> ".join(f'"{name}"' for name in [*seen, entry])
                raise ValueError(f"context resources refer to each other in a cycle: {cycle}")
            if entry not in entries:
                return self._find(entry)
            seen.append(entry)
            entry = entries[entry]
        if entry is not None:
            return self._own(kind, seen[-1], entry)
        if self._parent is not None:
            return self._parent[kind.name]
        return self._own(kind, seen[-1], kind.defaults)

    def _own(self, kind: ResourceKind, key: str, members: Members) -> Context.Resource:
        return self._resources.setdefault(key, Context.Resource._trusted(kind, key, members))

    def __repr__(self) -> str:
        """Show what this context and its parents define: an expression that makes one like it."""
        if self._spec is None:
            return "Context()"
        parent = "" if self._parent is None else f", parent={self._parent!r}"
        return f"Context({format_json(self._spec.to_json())}{parent})"

    def _repr_html_(self) -> str:
        """Show what this context defines, and what of it is in use, in a notebook."""
        from virtchunk._context.html import context_html

        return context_html(self)

    def __copy__(self) -> Context:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Context._restore, (self._spec, self._parent, self._resources.copy())

    @final
    @attrs.frozen(init=False, repr=False)
    class Spec:
        """The parsed JSON of a `Context`: what it defines, without making anything.

        Specs that define the same are equal.

        Args:
            json: Object that maps resource keys to resources, see `Context`.

        Raises:
            ValueError: As for `Context`.

        Example:
            >>> ts.Context.Spec({"cache_pool": {"total_bytes_limit": 0}})
            Context.Spec({'cache_pool': {}})
        """

        _entries: dict[str, _Entry] = attrs.field(hash=False)

        def __init__(self, json: Any) -> None:
            self.__attrs_init__(_parse_entries(json))

        @classmethod
        def _trusted(cls, entries: dict[str, _Entry]) -> Context.Spec:
            self = cls.__new__(cls)
            self.__attrs_init__(entries)
            return self

        def to_json(self, include_defaults: bool = False) -> Any:
            """Return the JSON of the context.

            Args:
                include_defaults: Whether to include members that are equal to their default.

            Example:
                >>> ts.Context.Spec({"cache_pool": {}}).to_json(include_defaults=True)
                {'cache_pool': {'total_bytes_limit': 0}}
            """
            return {
                key: entry
                if entry is None or isinstance(entry, str)
                else kind_of(key).to_json(entry, include_defaults)
                for key, entry in self._entries.items()
            }

        def __repr__(self) -> str:
            return f"Context.Spec({format_json(self.to_json())})"

        def __copy__(self) -> Context.Spec:
            return self

        def __deepcopy__(self, memo: object) -> Context.Spec:
            return self

        def __reduce__(self) -> tuple[Any, ...]:
            return Context.Spec, (self.to_json(),)

    @final
    @attrs.frozen(init=False, eq=False, repr=False)
    class Resource:
        """A handle to one resource of a `Context`; equal to itself only.

        Not made by its constructor: ``context[key]`` returns it.
        """

        _kind: ResourceKind
        _key: str | None  # the key it is defined under; None if written in place in a view's spec
        _members: Members
        _made: dict[None, Any]  # the live object, once somebody needed it

        def __init__(self) -> None:
            raise TypeError('a resource comes from its context: context["cache_pool"]')

        @classmethod
        def _trusted(
            cls, kind: ResourceKind, key: str | None, members: Members
        ) -> Context.Resource:
            self = cls.__new__(cls)
            self.__attrs_init__(kind, key, members, {})
            return self

        @classmethod
        def _restore(cls, kind: str, key: str | None, members: Members) -> Context.Resource:
            return cls._trusted(kind_of(kind), key, members)

        @property
        def _live(self) -> Any:
            """The object that does the work, made when it is first needed."""
            made = self._made
            if None not in made:
                made.setdefault(None, self._kind.create(self._members))
            return made[None]

        def to_json(self, include_defaults: bool = False) -> Any:
            """Return the JSON of the resource.

            Args:
                include_defaults: Whether to include members that are equal to their default.

            Example:
                >>> ts.Context()["data_copy_concurrency"].to_json(include_defaults=True)
                {'limit': 'shared'}
            """
            return self._kind.to_json(self._members, include_defaults)

        def statistics(self) -> Any:
            """Return a frozen snapshot of what the resource does at this moment.

            A limit on concurrency tells how many run and wait, a cache pool what it holds.

            Raises:
                NotImplementedError: A resource of this kind counts nothing.

            Example:
                >>> ts.Context({"data_copy_concurrency": {"limit": 2}})[
                ...     "data_copy_concurrency"
                ... ].statistics()
                LimiterStatistics(total_tokens=2, borrowed_tokens=0, waiting=0)
            """
            live = self._live
            if not hasattr(live, "statistics"):
                raise NotImplementedError(f"a resource {self._kind.name} has no statistics")
            return live.statistics()

        def __repr__(self) -> str:
            return f"Context.Resource({format_json(self.to_json())})"

        def __copy__(self) -> Context.Resource:
            return self

        def __reduce__(self) -> tuple[Any, ...]:
            return Context.Resource._restore, (self._kind.name, self._key, self._members)


def live(context: Context, kind: str) -> Any:
    """Return the live object of the default resource of a kind: a limiter, a cache pool."""
    return context[kind]._live


def _parse_entries(json: Any) -> dict[str, _Entry]:
    """Check the JSON of a whole context, in the order of its keys."""
    json = normalize_json(json)
    if not isinstance(json, dict):
        raise ValueError(  # noqa: TRY004 - a wrong JSON value, whatever its type
            'a context is an object such as {"cache_pool": {"total_bytes_limit": 1000000}}, '
            f"got {json!r}"
        )
    return {key: _parse_entry(key, json[key]) for key in sorted(json)}


def _parse_entry(key: str, json: Any) -> _Entry:
    kind = kind_of(key)
    if json is None:
        return None
    if isinstance(json, str) and json.partition("#")[0] == kind.name:
        return json
    return kind.parse(json, key)


def _check_type(name: str, value: Any, expected: type) -> None:
    if value is not None and not isinstance(value, expected):
        raise TypeError(f"{name} must be a {expected.__qualname__} or None, got {value!r}")
