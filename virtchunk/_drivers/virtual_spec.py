"""The spec of a virtual view: callbacks, or the names of callbacks that came from JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, cast, final

import attrs

from virtchunk._drivers.callback_names import check_callback_name, import_callback, name_of_callback
from virtchunk._drivers.registry import register
from virtchunk._drivers.spec import (
    DriverSpec,
    OpenRequest,
    SpecOptions,
    ViewSpec,
    bound_resources,
    compose_with_domain,
)
from virtchunk._drivers.virtual import VirtualDriver
from virtchunk._grid.choice import Chunks, chunks_of, parse_chunks
from virtchunk._open_mode import OpenMode
from virtchunk._open_options import RecheckCacheOption, parse_recheck
from virtchunk._schema.schema import Schema
from virtchunk._schema.schema_constraints import SchemaConstraints

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

    from virtchunk._context import Context
    from virtchunk._drivers.driver import Driver
    from virtchunk._index.transform import IndexTransform

__all__ = ("VirtualSpec",)

_Callback: TypeAlias = "Callable[..., Any] | str | None"


@register
@final
@attrs.frozen(kw_only=True)
class VirtualSpec(DriverSpec):
    """How to open a virtual view."""

    name = "virtual_chunked"
    resource_kinds: ClassVar[tuple[str, ...]] = (
        "cache_pool",
        "callback_concurrency",
        "data_copy_concurrency",
    )

    read_function: _Callback = None
    """Computes chunks; a string is a name to import."""
    write_function: _Callback = None
    """Stores chunks; a string is a name to import."""
    chunks: Chunks | None = None
    """Sizes of chunks that the schema cannot tell."""
    recheck: RecheckCacheOption = True
    """When cached chunks are revalidated."""
    loop: EventLoopToken | None = attrs.field(default=None, eq=False)
    """Where async callbacks run; neither in JSON nor pickled."""

    @classmethod
    def from_members(cls, members: dict[str, Any], common: Mapping[str, Any]) -> Self:
        read_function = _pop_callback(members, "read_function")
        write_function = _pop_callback(members, "write_function")
        if read_function is None and write_function is None:
            raise ValueError("at least one of read_function and write_function must be specified")
        chunks = _chunks_from_json(members.pop("chunks")) if "chunks" in members else None
        recheck: RecheckCacheOption = True
        if "recheck_cached_data" in members:
            recheck = _recheck_from_json(members.pop("recheck_cached_data"))
        return cls(
            read_function=read_function,
            write_function=write_function,
            chunks=chunks,
            recheck=recheck,
            **common,
        )

    @classmethod
    def of_driver(cls, driver: Driver, transform: IndexTransform) -> ViewSpec:
        driver = cast("VirtualDriver", driver)
        source = driver.source
        spec = cls(
            schema=SchemaConstraints(driver.domain.rank, driver.dtype)
            .with_domain(driver.domain)
            .with_layout(driver.layout._constraints)
            .with_dimension_units(driver.dimension_units),
            resources=bound_resources(cls.resource_kinds, driver.context),
            read_function=source.read_function,
            write_function=source.write_function,
            chunks=chunks_of(driver.grid),
            recheck=driver.recheck,
            loop=source.loop,
        )
        return ViewSpec(spec, transform)

    def members_to_json(self, base_to_json: Callable[[ViewSpec], Any]) -> dict[str, Any]:
        return self._members(name_of_callback)

    def members_for_display(self, base_to_json: Callable[[ViewSpec], Any]) -> dict[str, Any]:
        def name_if_any(function: Callable[..., Any], member: str) -> Any:
            try:
                return name_of_callback(function, member)
            except NotImplementedError:
                return function

        return self._members(name_if_any)

    def _members(self, to_json: Callable[[Callable[..., Any], str], Any]) -> dict[str, Any]:
        callbacks = {"read_function": self.read_function, "write_function": self.write_function}
        members: dict[str, Any] = {
            member: callback if isinstance(callback, str) else to_json(callback, member)
            for member, callback in callbacks.items()
            if callback is not None
        }
        if self.chunks is not None:
            members["chunks"] = _chunks_to_json(self.chunks)
        if self.recheck is not True:
            members["recheck_cached_data"] = self.recheck
        return members

    def with_options(self, options: SpecOptions) -> Self:
        if options.recheck_cached_metadata is not None:
            raise ValueError(
                'recheck_cached_metadata is not supported: the driver "virtual_chunked" has no '
                "metadata; recheck_cached_data is about its chunks"
            )
        updated = super().with_options(options)
        if options.recheck_cached_data is None:
            return updated
        return attrs.evolve(updated, recheck=options.recheck_cached_data)

    @property
    def open_mode(self) -> OpenMode:
        return OpenMode(open=True)

    def open(
        self, context: Context, transform: IndexTransform | None, request: OpenRequest
    ) -> tuple[Driver, IndexTransform]:
        supported = "r" * (self.read_function is not None) + "w" * (self.write_function is not None)
        mode = request.mode(self.name, supported)
        driver = VirtualDriver.from_schema(
            self._callback("read_function", request),
            self._callback("write_function", request),
            Schema._trusted(self.schema),
            context=context,
            recheck=self.recheck,
            loop=self.loop,
            chunks=self.chunks,
        )
        driver.mode = mode
        return driver, compose_with_domain(driver.domain, transform)

    def _callback(self, member: str, request: OpenRequest) -> Callable[..., Any] | None:
        callback: _Callback = getattr(self, member)
        if isinstance(callback, str):
            return import_callback(callback, member, allowed=request.allow_import)
        return callback

    def __reduce__(self) -> tuple[Any, ...]:
        fields = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "loop")
        return _restore, (fields,)


def _restore(fields: dict[str, Any]) -> VirtualSpec:
    return VirtualSpec(**fields)


def _pop_callback(members: dict[str, Any], member: str) -> str | None:
    return check_callback_name(members.pop(member), member) if member in members else None


def _chunks_from_json(value: Any) -> Chunks:
    try:
        return parse_chunks(value)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _chunks_to_json(chunks: Chunks) -> Any:
    if isinstance(chunks, int):
        return chunks
    return [list(sizes) if isinstance(sizes, tuple) else sizes for sizes in chunks]


def _recheck_from_json(value: Any) -> RecheckCacheOption:
    try:
        return parse_recheck(value, '"recheck_cached_data"')
    except TypeError as error:
        raise ValueError(str(error)) from None
