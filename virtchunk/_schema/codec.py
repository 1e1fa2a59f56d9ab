"""Encoding parameters as an opaque JSON value: carried, compared and merged, never interpreted."""

from __future__ import annotations

import copy
from typing import Any, final

import attrs

from virtchunk._schema.json_value import format_json, json_type_name, normalize_json

__all__ = ("CodecSpec",)


@final
@attrs.frozen(init=False, repr=False, eq=False)
class CodecSpec:
    """How some driver encodes chunks.

    A virtual view stores nothing and therefore has no codec; the value is only passed on.

    Args:
        json: The JSON representation: an object whose member ``driver`` names the driver that
            gives meaning to the other members. Another `CodecSpec` gives an equal one.

    Raises:
        ValueError: ``json`` is not such an object.

    Example:
        >>> ts.CodecSpec({"driver": "zarr", "compressor": None})
        CodecSpec({'compressor': None, 'driver': 'zarr'})
    """

    _members: dict[str, Any]

    def __init__(self, json: Any) -> None:
        members = normalize_json(json)
        if not isinstance(members, dict):
            raise ValueError(  # noqa: TRY004 - what JSON says wrongly is a wrong value
                f"a codec in JSON must be an object, got {json_type_name(members)} {members!r}"
            )
        if not isinstance(members.get("driver"), str):
            raise ValueError(  # noqa: TRY004
                'a codec in JSON must have a member "driver" that is a string, '
                f"got {format_json(members)}"
            )
        object.__setattr__(self, "_members", members)

    def to_json(self, include_defaults: bool = False) -> dict[str, Any]:
        """Return the JSON representation.

        Args:
            include_defaults: Accepted as the original does; without effect.

        Example:
            >>> ts.CodecSpec({"driver": "zarr"}).to_json()
            {'driver': 'zarr'}
        """
        return copy.deepcopy(self._members)

    def _merge(self, new: CodecSpec) -> CodecSpec:
        """Return the codec that satisfies both.

        Raises:
            ValueError: They give different values to one member.
        """
        for name in sorted(self._members.keys() & new._members.keys()):
            if self._members[name] != new._members[name]:
                raise ValueError(
                    f"cannot merge {self} with {new}: they differ in the member {name!r}"
                )
        return CodecSpec({**self._members, **new._members})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CodecSpec):
            return NotImplemented
        return self._members == other._members

    def __hash__(self) -> int:
        import json  # late: rarely needed, and slow to import

        return hash(json.dumps(self._members))

    def __repr__(self) -> str:
        return f"CodecSpec({format_json(self._members)})"

    def __copy__(self) -> CodecSpec:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CodecSpec:
        return self

    def __reduce__(self) -> tuple[type[CodecSpec], tuple[dict[str, Any]]]:
        return (CodecSpec, (self._members,))
