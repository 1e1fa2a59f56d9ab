"""Hypothesis strategies for contexts: their JSON, and trees of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ("context_json", "resource_keys")

MEMBERS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "cache_pool": st.fixed_dictionaries(
        {}, optional={"total_bytes_limit": st.sampled_from([0, 1, 7, 2**63, 2**64 - 1, 2.0])}
    ),
    "data_copy_concurrency": st.fixed_dictionaries(
        {}, optional={"limit": st.sampled_from([1, 2, 1.0, 2**64 - 1, "shared"])}
    ),
    "file_io_concurrency": st.fixed_dictionaries({}, optional={"limit": st.just(3)}),
    "memory_key_value_store": st.just({}),
}
"""The kinds that the original has too; defaults are also drawn written out, to vanish in print."""


def resource_keys(kind: str | None = None) -> st.SearchStrategy[str]:
    """A key of few possible ones, so that two draws often meet: the bare kind, a named one."""
    kinds = st.sampled_from(sorted(MEMBERS)) if kind is None else st.just(kind)
    return st.builds(str.__add__, kinds, st.sampled_from(["", "", "#a", "#b", "#"]))


@st.composite
def context_json(draw: st.DrawFn) -> dict[str, Any]:
    """The JSON of a context: members, None, and references, also to nothing and in cycles."""
    json: dict[str, Any] = {}
    for key in draw(st.sets(resource_keys(), max_size=5)):
        kind = key.partition("#")[0]
        json[key] = draw(st.one_of(MEMBERS[kind], resource_keys(kind), st.none()))
    return json
