"""Hypothesis strategies for schemas and what they are made of, as Python source text.

Text runs on either implementation (``ts`` is the module under test, ``np`` is NumPy), shrinks to
something readable, and can be pasted into an interpreter when the two disagree.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.strategies import Draw, Extent, domain_text, domains, rarely
from virtchunk._index.dim import Dim
from virtchunk._index.dim_expression import d
from virtchunk._index.domain import IndexDomain
from virtchunk._index.output_map import OutputIndexMap
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.codec import CodecSpec
from virtchunk._schema.dtype import _BY_NAME, dtype
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.schema import Schema
from virtchunk._schema.unit import Unit

__all__ = [
    "DTYPE_NAMES",
    "OURS",
    "dtype_likes",
    "evaluate",
    "fill_value_texts",
    "has_distinct_labels",
    "json_values",
    "multipliers",
    "observe",
    "outcome",
    "schema_keywords",
    "schema_texts",
    "unit_texts",
    "units",
]

OURS = SimpleNamespace(
    ChunkLayout=ChunkLayout,
    CodecSpec=CodecSpec,
    Dim=Dim,
    IndexDomain=IndexDomain,
    IndexTransform=IndexTransform,
    OutputIndexMap=OutputIndexMap,
    Schema=Schema,
    Unit=Unit,
    d=d,
    dtype=dtype,
    inf=2**62 - 1,
    newaxis=None,
)
"""The names that programs use, from the modules that define them."""


def evaluate(module: Any, source: str, **names: object) -> Any:
    """Evaluate a program on one implementation."""
    return eval(source, {"ts": module, "np": np, "nan": math.nan, "inf": math.inf, **names})


def outcome(module: Any, source: str, **names: object) -> Any:
    """What can be seen of the value of a program, or the class of what it raises."""
    try:
        return observe(module, evaluate(module, source, **names))
    except Exception as error:
        return type(error)


def observe(module: Any, x: Any) -> Any:
    """Describe a value by what users can see of it, in a form that compares across modules."""
    if isinstance(x, module.dtype):
        return f"dtype {x.name}"
    if isinstance(x, module.Unit):
        return f"unit {x.multiplier!r} {x.base_unit!r}"
    if isinstance(x, module.Schema):
        layout = x.chunk_layout.to_json()
        layout.pop("rank", None)  # which is that of the schema
        return [
            repr(x.to_json()),
            observe(module, x.fill_value),
            observe(module, x.dimension_units),
            repr(layout),
        ]
    if isinstance(x, np.ndarray):
        return f"array {x.dtype} {x.shape} {x.tolist()!r}"
    if isinstance(x, (tuple, list)):
        return [observe(module, item) for item in x]
    return f"{type(x).__name__} {x!r}"


# --- Data types -----------------------------------------------------------------------------

DTYPE_NAMES = sorted(_BY_NAME)


def dtype_likes() -> st.SearchStrategy[str]:
    """What stands for a data type, and what nearly does: other spellings, text, numbers."""
    numpy = ["bool", "i1", "<i4", ">i4", "u8", ">f2", "f4", "f8", "c8", "c16", "S", "S3", "V", "V5"]
    numpy += ["U", "U3", "O", "M8", "i4,f8", "(2,3)f4", "g", "q", "Q"]
    types = ["int", "float", "bool", "complex", "str", "bytes", "object", "list", "np.int8"]
    types += ["np.float16", "np.longlong", "np.bytes_", "np.void", "np.str_", "np.longdouble"]
    wrong = ["'i4'", "'int'", "'float'", "''", "'Int32'", "None", "3", "[]", "b'int32'", "'uint4'"]
    return st.sampled_from(
        [
            *map(repr, DTYPE_NAMES),
            *(f"ts.dtype({name!r})" for name in DTYPE_NAMES),
            *(f"np.dtype({name!r})" for name in numpy),
            *types,
            *wrong,
        ]
    )


# --- JSON -----------------------------------------------------------------------------------


def json_values() -> st.SearchStrategy[Any]:
    """JSON values of any depth; object keys with non-ASCII text, integers around 64 bits."""
    edges = st.sampled_from([-(2**63), 2**63 - 1, 2**63, 2**64 - 1, 0, -1])
    leaves = (
        st.none()
        | st.booleans()
        | edges
        | st.integers(-1000, 1000)
        | st.floats()
        | st.text(max_size=4)
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=8,
    )


# --- Units ----------------------------------------------------------------------------------


def unit_texts() -> st.SearchStrategy[str]:
    """Text with and without a number in front: signs, exponents, dots, spaces in all places."""
    space = st.sampled_from(["", "", " ", "\t", "\n ", "\u00a0"])
    sign = st.sampled_from(["", "", "-", "+", "--", "- "])
    number = st.from_regex(r"[0-9]{0,4}(\.[0-9]{0,4})?([eE][-+]?[0-9]{0,3})?", fullmatch=True)
    base = st.sampled_from(
        ["", "nm", "m", "m/s", "4", "e", "e5", ".", "µm", "x y", "inf", "%", "-"]
    )
    parts = st.tuples(space, sign, st.just("") | number, space, base, space)
    return parts.map("".join) | st.text(max_size=6)


def multipliers() -> st.SearchStrategy[str]:
    """Numbers as text: integers, ratios, zero, negative, huge, NaN and infinity."""
    special = st.sampled_from(
        ["0", "-0.0", "nan", "inf", "1e300", "5e-324", "True", "np.float32(3)"]
    )
    return st.integers(-20, 100).map(str) | st.floats().map(repr) | special


@st.composite
def units(draw: Draw) -> str:
    """What ``dimension_units`` accepts for one dimension, from few values so that they meet."""
    few = [
        "None",
        "None",
        "'4nm'",
        "'4 nm'",
        "(4, 'nm')",
        "ts.Unit(4, 'nm')",
        "'m'",
        "2",
        "''",
        "(1, '')",
    ]
    wrong = ["('4', 'nm')", "{}", "(1, 2, 3)", "nan"]
    if draw(rarely(40)):
        return str(draw(st.sampled_from(wrong)))
    return str(draw(st.sampled_from(few) | unit_texts().map(repr)))


# --- Fill values ----------------------------------------------------------------------------


def _scalar_texts() -> st.SearchStrategy[str]:
    numbers = ["0", "1", "-1", "300", "2.5", "nan", "True", "1j", "np.int64(7)", "np.float32(0.1)"]
    others = ["'a'", "b'a'", "None", "'5'", "{'a': 1}", "2**63", "2**64", "'\\u00e9'", "-0.0"]
    return st.sampled_from([*numbers * 3, *others])


@st.composite
def fill_value_texts(draw: Draw, shape: tuple[int, ...] | None = None) -> str:
    """Scalars, lists and arrays; extents of 1 that broadcast, and shapes that do not fit."""
    if draw(st.booleans()):
        return str(draw(_scalar_texts()))
    if shape is None or draw(rarely(8)):
        shape = draw(st.sampled_from([(2,), (3,), (1,), (2, 3), (1, 2), (2, 1), (1, 1), (2, 1, 2)]))
    first = draw(st.integers(0, len(shape)))
    kept = [extent if draw(st.booleans()) else 1 for extent in shape[first:]]
    values = np.arange(math.prod(kept)).reshape(kept)
    kind = draw(st.sampled_from(["list", "list", "int64", "uint8", "float64"]))
    if kind == "list":
        return repr(values.tolist())
    return f"np.array({values.tolist()}, {kind!r})"


# --- Schemas --------------------------------------------------------------------------------


def small_domains(rank: int) -> st.SearchStrategy[list[Extent]]:
    """Domains of one rank over so few bounds that two of them often agree in some of them."""
    bounds = st.sampled_from([(0, 3), (0, 3), (1, 3), (0, 2**62), (-(2**62) + 1, 3)])
    whole = st.just((-(2**62) + 1, 2**62))

    def extent(pair: tuple[int, int], label: str, lower: bool, upper: bool) -> Extent:
        return Extent(*pair, label, lower, upper)

    flags = st.booleans()
    one = st.builds(extent, bounds | whole, st.sampled_from(["", "", "x", "y"]), flags, flags)
    return st.lists(one, min_size=rank, max_size=rank).filter(
        lambda extents: has_distinct_labels([extent.label for extent in extents])
    )


def has_distinct_labels(labels: list[str]) -> bool:
    """Whether no two dimensions have the same label."""
    names = [label for label in labels if label]
    return len(names) == len(set(names))


def _layouts(rank: int) -> st.SearchStrategy[str]:
    """A few layouts of a rank, hard and soft, that sometimes agree."""
    order = st.permutations(range(rank)).map(lambda p: f"inner_order={list(p)}")
    origin = st.lists(st.sampled_from([None, 0, 5]), min_size=rank, max_size=rank)
    shape = st.lists(st.sampled_from([None, 1, 4]), min_size=rank, max_size=rank)
    terms = [
        order,
        origin.map(lambda v: f"grid_origin={v}"),
        shape.map(lambda v: f"read_chunk_shape={v}"),
        shape.map(lambda v: f"write_chunk_shape_soft_constraint={v}"),
        st.sampled_from(["chunk_elements=100", f"rank={rank}"]),
    ]
    one = st.one_of(terms)
    return st.lists(one, max_size=2, unique_by=lambda term: term.split("=")[0]).map(
        lambda chosen: f"ts.ChunkLayout({', '.join(chosen)})"
    )


@st.composite
def schema_keywords(draw: Draw, rank: int, *, many: bool = True) -> str:
    """Keywords of `Schema`, for one rank (rarely another), from few values so that they meet."""
    if draw(rarely(25)):
        rank = draw(st.integers(0, 4))
    domain = small_domains(rank) if draw(st.booleans()) else domains(rank)
    shape = (3,) * rank
    values: dict[str, st.SearchStrategy[str]] = {
        "rank": st.sampled_from([str(rank)] * 8 + ["33", "'3'", "None", "2.0"]),
        "dtype": st.sampled_from(["'int32'", "'int32'", "int", "ts.dtype('json')", "'float32'"]),
        "domain": domain.map(domain_text),
        "shape": st.just(str(list(shape))) | st.sampled_from(["[5, 3]", "[-1]", "3", "[1.5]"]),
        "chunk_layout": _layouts(rank),
        # The original cannot print a schema with a fill value of bytes.
        "fill_value": fill_value_texts(shape).filter(lambda text: not text.startswith("b")),
        "dimension_units": st.lists(units(), min_size=rank, max_size=rank).map(
            lambda texts: f"[{', '.join(texts)}]"
        ),
    }
    weights = [*values, "domain", "domain", "dimension_units", "fill_value"]
    names = draw(
        st.lists(st.sampled_from(weights), unique=True, min_size=1, max_size=4 if many else 1)
    )
    return ", ".join(f"{name}={draw(values[name])}" for name in names)


@st.composite
def schema_texts(draw: Draw) -> str:
    """One schema of rank 0 to 4, mostly a valid one, mostly with a domain."""
    rank = draw(st.sampled_from([2, 1, 3, 2, 0, 4]))
    keywords = draw(schema_keywords(rank))
    if "domain=" not in keywords and draw(st.booleans()):
        keywords += f", domain={domain_text(draw(domains(rank)))}"
    return f"ts.Schema({keywords})"
