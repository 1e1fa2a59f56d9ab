"""Specs that hold the specs of other views: which resources they share, and how JSON says so.

The expected JSON is what the original prints for its driver "stack", which is built alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, final

import attrs

import virtchunk as ts
from virtchunk._drivers.registry import view_spec_from_json, view_spec_of
from virtchunk._drivers.spec import DriverSpec, ViewSpec
from virtchunk._schema.schema_constraints import SchemaConstraints

LAYER = {"driver": "array", "dtype": "int8", "array": 1}
KIND = "data_copy_concurrency"


@final
@attrs.frozen(kw_only=True)
class Pile(DriverSpec):
    """Views on top of each other; there is no way to open it."""

    name = "pile"
    layers: tuple[ViewSpec, ...]

    @property
    def bases(self) -> tuple[ViewSpec, ...]:
        return self.layers

    def with_bases(self, bases: tuple[ViewSpec, ...]) -> Self:
        return attrs.evolve(self, layers=bases)

    def members_to_json(self, base_to_json: Callable[[ViewSpec], Any]) -> dict[str, Any]:
        return {"layers": [base_to_json(layer) for layer in self.layers]}


def pile(*layers: ViewSpec, **fields: Any) -> ViewSpec:
    schema = SchemaConstraints(rank=0)
    return ViewSpec(Pile(schema=schema, layers=layers, **{"resources": {KIND: KIND}, **fields}))


def layer(**members: Any) -> ViewSpec:
    return view_spec_from_json({**LAYER, **members})


def opened(context: ts.Context, **members: Any) -> ViewSpec:
    view = ts.open({**LAYER, **members}, context=context).result()
    return view_spec_of(view._driver, view._transform)


def resources_in(json: Any) -> list[Any]:
    """What is said of the resource, of the pile first and then of its layers."""
    return [part.get(KIND) for part in (json, *json["layers"])]


def context(limit: int) -> ts.Context:
    return ts.Context({KIND: {"limit": limit}, f"{KIND}#a": {"limit": 10 * limit}})


def test_what_is_shared_has_one_name() -> None:
    shared = context(3)

    json = pile(opened(shared), opened(shared)).bound(shared).to_json(include_defaults=False)

    assert json["context"] == {KIND: {"limit": 3}}
    assert resources_in(json) == [None, None, None]


def test_what_is_different_is_numbered() -> None:
    one, other = context(3), context(4)

    json = pile(opened(one), opened(other), opened(one)).bound(other).to_json(False)

    assert json["context"] == {f"{KIND}#0": {"limit": 4}, f"{KIND}#1": {"limit": 3}}
    assert resources_in(json) == [f"{KIND}#0", f"{KIND}#1", f"{KIND}#0", f"{KIND}#1"]


def test_display_marks_what_is_bound_in_each_part() -> None:
    one, other = context(3), context(4)

    shown = pile(opened(one), layer(), opened(one, **{KIND: f"{KIND}#a"})).for_display()
    assert resources_in(shown) == [None, [KIND], None, [f"{KIND}#a"]]

    shown = pile(opened(one), opened(other)).bound(other).for_display()
    assert resources_in(shown) == [[f"{KIND}#0"], [f"{KIND}#1"], [f"{KIND}#0"]]


def test_a_layer_is_bound_with_definitions_of_its_own() -> None:
    outer, inner = {KIND: {"limit": 6}}, {KIND: {"limit": 5}}
    unbound = pile(layer(context=inner), layer(), context=ts.Context.Spec(outer))
    assert unbound.to_json(False)["context"] == outer
    assert unbound.to_json(False)["layers"][0]["context"] == inner

    json = unbound.bound(ts.Context()).to_json(False)

    assert json["context"] == {f"{KIND}#0": {"limit": 6}, f"{KIND}#1": {"limit": 5}}
    assert resources_in(json) == [f"{KIND}#0", f"{KIND}#1", f"{KIND}#0"]


def test_unbinding_and_binding_again_shares_alike() -> None:
    one, other = context(3), context(4)
    bound = pile(opened(one), opened(other), opened(one)).bound(other)

    again = bound.unbound().bound(ts.Context())

    first, second, third, fourth = again.driver.references()
    assert first is third
    assert second is fourth
    assert first is not second
    assert again.to_json(False) == bound.to_json(False)
    assert again != bound


def test_stripping_goes_down_to_the_layers() -> None:
    stripped = pile(opened(context(3)), layer(context={KIND: {"limit": 5}})).stripped()

    assert stripped == pile(layer(), layer())


def test_nested_specs_are_compared() -> None:
    assert pile(layer()) == pile(layer())
    assert pile(layer()) != pile(layer(array=2))
    assert pile(layer()) != layer()
    assert pile(layer()) != 5
