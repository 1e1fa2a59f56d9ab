"""What the original gets plainly wrong, and is therefore not compared, each with its reason.

An exclusion is as narrow as it can be: it looks at one operation and at what it is applied to.
What virtchunk does instead follows the original's documentation and has its own tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from tests.index_programs import apply

__all__ = ["EXCLUSIONS", "Exclusion", "excluded"]

ARRAY = re.compile(r"np\.|\[\[|, \[|True|False")
"""What an operation with an index array or a mask looks like; a few others look like that too."""


@attrs.frozen
class Exclusion:
    """One defect of the original."""

    name: str
    reason: str
    applies: Callable[[Any, str], bool]


def _chained_ellipsis(x: Any, operation: str) -> bool:
    """``...`` in an index term that is not the first operation of its dimension expression."""
    expression = re.search(r"ts\.d\[.*", operation)
    if expression is None:
        return False
    return "..." in "".join(_expression_steps(expression.group())[2:])


def _stride_none(x: Any, operation: str) -> bool:
    return any("None" in step for step in re.findall(r"\.stride\[([^]]*)\]", operation))


def _sentinel(x: Any, operation: str) -> bool:
    return "-2**63" in operation


def _wrapping_offset(x: Any, operation: str) -> bool:
    return "2**63 - 1" in operation and "translate" in operation


def _nothing_at_the_smallest_index(x: Any, operation: str) -> bool:
    domain = getattr(x, "domain", x)
    return 0 in domain.shape and re.search(r"ts\.inf|2\*\*", operation) is not None


def _huge_stride(x: Any, operation: str) -> bool:
    return "TensorStore" in type(x).__name__ and re.search(r":-2\*\*62|:ts", operation) is not None


def _reversed_slice_with_implicit_bound(x: Any, operation: str) -> bool:
    """``7::-1`` or ``:4:-1``, or any reversed slice of nothing, where a bound is implicit."""
    found = re.findall(r"([^\[\]:, ]*):([^\[\]:, ]*):-\d", operation)
    domain = getattr(x, "domain", x)
    bounds = [*domain.implicit_lower_bounds, *domain.implicit_upper_bounds]
    made_here = re.search("implicit|None|newaxis|diagonal", operation)
    if not found or not (any(bounds) or made_here):
        return False
    return 0 in domain.shape or any(bool(start) != bool(stop) for start, stop in found)


def _bounds_of_virtual_view_made_implicit(x: Any, operation: str) -> bool:
    if "TensorStore" not in type(x).__name__ or x.dtype.name != "int64":  # an array view
        return False
    return re.search(r"mark_bounds_implicit\[[^]]*True", operation) is not None


def _array_on_nothing(x: Any, operation: str) -> bool:
    """An index array where a view is empty already, or an earlier step may have emptied it."""
    if "TensorStore" not in type(x).__name__ or not ARRAY.search(operation):
        return False
    empties = re.search(r"zeros|False|(-?\d+):\1\b", operation) is not None
    return 0 in x.domain.shape or (empties and "ts.d" in operation)


def _merge_that_repeats_a_label(x: Any, operation: str) -> bool:
    """``hull`` or ``intersect`` that takes a label from the other side which another one has."""
    if not operation.startswith((".hull", ".intersect")):
        return False
    result = _domain_of_result(x, operation)
    labels = [] if result is None else [label for label in result.labels if label]
    return len(set(labels)) < len(labels)


def _array_joins_dimensions(x: Any, operation: str) -> bool:
    """An index array over two dimensions that other output maps of a virtual view use too.

    Last of all, because it runs the operation: what crashes at once has been left out by then.
    """
    import tensorstore  # the caller has checked that it is there

    if not isinstance(x, tensorstore.TensorStore) or x.dtype.name != "int64":
        return False
    try:
        result = apply(tensorstore, x.spec().transform, operation)
    except Exception:
        return False
    used = {output.input_dimension for output in result.output}
    arrays = [m.index_array for m in result.output if m.index_array is not None]
    varying = [{dim for dim, extent in enumerate(array.shape) if extent > 1} for array in arrays]
    return any(len(dims & used) > 1 for dims in varying)


def _array_over_implicit_nothing(x: Any, operation: str) -> bool:
    """An index array, and a dimension of the result that is empty within implicit bounds."""
    kind = type(x).__name__
    arrays = kind == "IndexTransform" and any(m.index_array is not None for m in x.output)
    if kind == "IndexDomain" or not (arrays or "Store" in kind or ARRAY.search(operation)):
        return False
    result = _domain_of_result(x, operation)
    if result is None:
        return False
    flags = zip(result.implicit_lower_bounds, result.implicit_upper_bounds, strict=True)
    return any(n == 0 and any(pair) for n, pair in zip(result.shape, flags, strict=True))


def _domain_of_result(x: Any, operation: str) -> Any:
    """The domain that an operation makes, found without composing output maps: that may crash."""
    import tensorstore  # the caller has checked that it is there

    try:
        if isinstance(x, tensorstore.IndexDomain):
            return apply(tensorstore, x, operation)
        return apply(tensorstore, tensorstore.IndexTransform(x.domain, []), operation).domain
    except Exception:
        return None


def _expression_steps(source: str) -> list[str]:
    """Split ``ts.d[0][1].diagonal.label["a"]`` into selection and operations."""
    steps, depth, start = [], 0, 0
    source = source.replace(".diagonal", ".diagonal[]")
    for at, character in enumerate(source):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth < 0:
            break
        if depth == 0 and character == "]":
            steps.append(source[start : at + 1])
            start = at + 1
    return steps


EXCLUSIONS = (
    Exclusion(
        "ellipsis after another operation of a dimension expression",
        "d[0].label['x'][...] reads past the end of the selection: a segmentation fault or garbage",
        _chained_ellipsis,
    ),
    Exclusion(
        "stride[None]",
        "documented to leave the dimension as it is; takes the smallest 64-bit integer as stride",
        _stride_none,
    ),
    Exclusion(
        "-2**63 as a coordinate",
        "the smallest 64-bit integer means None inside the original, and is not an error",
        _sentinel,
    ),
    Exclusion(
        "translation by the largest 64-bit integer",
        "possible where bounds are infinite; called, it wraps coordinates beyond 64 bits",
        _wrapping_offset,
    ),
    Exclusion(
        "empty interval at the very smallest index",
        "refused because its last index counts as infinite, unless a stride makes it",
        _nothing_at_the_smallest_index,
    ),
    Exclusion(
        "read of a view with a stride near the end of the index range",
        "aborts the process where two such strides multiply",
        _huge_stride,
    ),
    Exclusion(
        "reversed slice of a dimension with an implicit bound",
        "the end that is named counts for the wrong side: [0, 10*) sliced 7::-1 starts at 9",
        _reversed_slice_with_implicit_bound,
    ),
    Exclusion(
        "read outside the domain of a virtual view",
        "possible once its bounds are implicit: no callback is called, the values are garbage",
        _bounds_of_virtual_view_made_implicit,
    ),
    Exclusion(
        "read through an index array on an empty dimension",
        "its elements are not checked: random memory is read",
        _array_on_nothing,
    ),
    Exclusion(
        "hull or intersect of domains that have one label at different dimensions",
        "makes a domain in which two dimensions have the same label, an invalid one",
        _merge_that_repeats_a_label,
    ),
    Exclusion(
        "index array beside a dimension that is empty within implicit bounds",
        "a segmentation fault as soon as such a transform is indexed again: [[0, 1], :0][0:1]",
        _array_over_implicit_nothing,
    ),
    Exclusion(
        "read through an index array over two dimensions that other output maps use too",
        "a segmentation fault when the chunks are looked up, depending on the order of the maps",
        _array_joins_dimensions,
    ),
)


def excluded(x: Any, operation: str) -> bool:
    """Whether a known defect makes this operation on ``x`` impossible to compare."""
    return any(exclusion.applies(x, operation) for exclusion in EXCLUSIONS)
