"""Operations on the input dimensions of a transform that need no index array of their own.

Those that take ``dims`` apply to these dimensions, in this order.

Every error here is an `IndexError`, as it is when a dimension expression is applied; the
subscriptable properties of `virtchunk._index.indexable` turn it into a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from virtchunk._index.dim import parse_flag, parse_label, quote_label
from virtchunk._index.interval import (
    INF,
    INF_UPPER,
    MAX_INDEX,
    MAX_RANK,
    MIN_INDEX,
    parse_int64,
    preimage,
    shift,
)
from virtchunk._index.output_map import IndexArray, OutputIndexMap
from virtchunk._index.substitution import INT64_MAX, INT64_MIN, crop, output_overflow, substitute
from virtchunk._index.substitution import describe_dimension as describe_dimension
from virtchunk._index.substitution import describe_interval as describe_interval

if TYPE_CHECKING:
    from virtchunk._index.domain import IndexDomain
    from virtchunk._index.transform import IndexTransform

Vector: TypeAlias = int | tuple[int | None, ...] | None
"""One number for all selected dimensions, or one for each; ``None`` leaves a dimension as it is."""

MovePlan: TypeAlias = "tuple[IndexTransform, tuple[int, ...], list[int], list[int]]"
"""What to move, its new origin, its new exclusive upper bounds, and by how much it moves."""

Plan: TypeAlias = "tuple[Callable[[Any], IndexTransform], Any]"
"""How to build a transform that has been checked: a function, and what it is called with."""

_SINGLE: Final = OutputIndexMap._single


def identity_lists(rank: int) -> tuple[list[int], list[int], list[int]]:
    """Return the ``dims``, ``offsets`` and ``strides`` that substitute nothing."""
    return list(range(rank)), [0] * rank, [1] * rank


# Vectors


def parse_vector(value: Any) -> Vector:
    """Parse the argument of a translation or of `stride`.

    Raises:
      TypeError: If it is not an integer or ``None``, or a sequence of these.
    """
    kind = type(value)
    if kind is tuple:
        for item in value:
            if type(item) is not int or not INT64_MIN <= item <= INT64_MAX:
                break
        else:
            return value  # type: ignore[no-any-return]
    elif kind is int and INT64_MIN <= value <= INT64_MAX:
        return value  # type: ignore[no-any-return]
    elif kind is not list:
        if value is None:
            return None
        if hasattr(kind, "__index__") and kind is not np.ndarray:
            return _parse_entry(value)
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise TypeError(f"expected an integer, None, or a sequence of these, got {value!r}")
    return tuple([item if item is None else _parse_entry(item) for item in value])


def _parse_entry(value: Any) -> int:
    return parse_int64(value, "an offset, origin or stride")


def expand_vector(value: Vector, count: int) -> tuple[int | None, ...]:
    """Return one entry for each of ``count`` dimensions.

    Raises:
      IndexError: If there are too few or too many.
    """
    if not isinstance(value, tuple):
        return (value,) * count
    if len(value) != count:
        raise IndexError(
            f"got {len(value)} numbers for {count} dimensions; give one for each, or a single one"
            " for all"
        )
    return value


# Translation


def translate_to(transform: IndexTransform, dims: Sequence[int], origins: Vector) -> IndexTransform:
    """Move the lower bounds of ``dims`` to ``origins``.

    Raises:
      IndexError: If there are too few or too many origins, a dimension is unbounded below, or a
        bound leaves the range of indices.
    """
    return translate(transform, dims, origins, 0)


def translate_by(transform: IndexTransform, dims: Sequence[int], offsets: Vector) -> IndexTransform:
    """Move the bounds of ``dims`` up by ``offsets``.

    Raises:
      IndexError: If there are too few or too many offsets, or a bound leaves the range of indices.
    """
    return translate(transform, dims, offsets, 1)


def translate_backward_by(
    transform: IndexTransform, dims: Sequence[int], offsets: Vector
) -> IndexTransform:
    """Move the bounds of ``dims`` down by ``offsets``.

    Raises:
      IndexError: If there are too few or too many offsets, or a bound leaves the range of indices.
    """
    return translate(transform, dims, offsets, -1)


def plan_move(transform: IndexTransform, origin: Any) -> MovePlan | None:
    """Check what `translate_to` does to all dimensions, for a plain origin and finite bounds.

    Returns ``None`` for whatever is not that simple.  `carry_out_move` builds the result; both
    together take two thirds of the time of `translate`.
    """
    domain = transform.domain
    lower = domain.inclusive_min
    rank = len(lower)
    if type(origin) is int:
        origin = (origin,) * rank
    elif type(origin) is not tuple or len(origin) != rank:
        return None
    old_upper = domain.exclusive_max
    upper: list[int] = []
    offsets: list[int] = []
    dim = 0
    for low in lower:
        new = origin[dim]
        high = old_upper[dim]
        if type(new) is not int or low < MIN_INDEX or high > MAX_INDEX or new < MIN_INDEX:
            return None
        offset = new - low
        high += offset
        if high > MAX_INDEX:
            return None
        upper.append(high)
        offsets.append(offset)
        dim += 1  # noqa: SIM113 - `enumerate` and `zip` take half as long again
    for output in transform._output:
        old = output.input_dimension
        if old is not None:
            stride: Any = output.stride
            if not INT64_MIN <= output.offset - stride * offsets[old] <= INT64_MAX:
                return None
    return transform, origin, upper, offsets


def carry_out_move(plan: MovePlan) -> IndexTransform:
    """Return the transform that `plan_move` has prepared."""
    transform, origin, upper, offsets = plan
    domain = transform.domain
    return transform._trusted(
        domain._trusted(
            origin,
            tuple(upper),
            domain.labels,
            domain.implicit_lower_bounds,
            domain.implicit_upper_bounds,
        ),
        _shift_maps(transform._output, offsets),
    )


def translate(
    transform: IndexTransform, dims: Sequence[int], values: Vector, sign: int
) -> IndexTransform:
    """Move ``dims`` by ``sign * values``, or to ``values`` if ``sign`` is zero.

    Raises:
      IndexError: As `translate_to` and `translate_by` do.
    """
    if type(values) is not tuple or len(values) != len(dims):
        values = expand_vector(values, len(dims))
    domain = transform.domain
    lower = list(domain.inclusive_min)
    upper = list(domain.exclusive_max)
    moved = [0] * len(lower)
    for slot, dim in enumerate(dims):  # `zip(..., strict=True)` is slower, and this is hot
        value = values[slot]
        if value is None:
            continue
        low = lower[dim]
        offset = sign * value if sign else value - low
        if offset == 0 and low != -INF:
            continue
        high = upper[dim]
        if (
            low < MIN_INDEX
            or high > MAX_INDEX
            or low + offset < MIN_INDEX
            or high + offset > MAX_INDEX
        ):
            lower[dim], upper[dim] = _shift(domain, dim, value, sign)
        else:
            lower[dim] = low + offset
            upper[dim] = high + offset
        moved[dim] = offset
    if not any(moved):
        return transform
    return transform._trusted(
        domain._trusted(
            tuple(lower),
            tuple(upper),
            domain.labels,
            domain.implicit_lower_bounds,
            domain.implicit_upper_bounds,
        ),
        _shift_maps(transform._output, moved),
    )


def _shift_maps(
    output: tuple[OutputIndexMap, ...], offsets: Sequence[int]
) -> tuple[OutputIndexMap, ...]:
    """Return maps that do for ``index + offsets`` what ``output`` does for ``index``."""
    maps: list[OutputIndexMap] = []
    for old_map in output:
        old = old_map.input_dimension
        if old is None or not offsets[old]:
            maps.append(old_map)
            continue
        factor: Any = old_map.stride
        new_offset = old_map.offset - factor * offsets[old]
        if not INT64_MIN <= new_offset <= INT64_MAX:
            raise output_overflow(new_offset, factor)
        maps.append(_SINGLE(old, new_offset, factor))
    return tuple(maps)


def _shift(domain: IndexDomain, dim: int, value: int, sign: int) -> tuple[int, int]:
    """Do one dimension of `translate` whose bounds are infinite, or would leave the range."""
    lower, upper = domain.inclusive_min[dim], domain.exclusive_max[dim]
    where = describe_dimension(domain, dim)
    if sign:
        offset = sign * value
    elif lower == -INF:
        raise IndexError(
            f"cannot move the origin of {where} to {value}: its domain"
            f" {describe_interval(domain, dim)} is unbounded below; translate_by can shift it"
        )
    elif not MIN_INDEX <= value <= MAX_INDEX:
        raise IndexError(
            f"origin {value} of {where} is no index; indices lie in [{MIN_INDEX}, {MAX_INDEX}]"
        )
    else:
        offset = value - lower
    try:
        return shift(lower, upper, offset, f" of {where}")
    except ValueError as error:
        raise IndexError(str(error)) from None


# Labels and implicit bounds


def parse_labels(value: Any) -> tuple[str, ...]:
    """Parse the argument of `label`: one label, or a sequence of labels.

    Raises:
      TypeError: If it is neither.
    """
    if isinstance(value, str | bytes):
        return (str(parse_label(value)),)
    if isinstance(value, bytearray):
        return (parse_label(bytes(value)),)
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"labels must be a string or a sequence of strings, got {value!r}")
    # `str` also turns NumPy's strings into plain ones.
    return tuple([str(parse_label(item)) for item in value])


def label(
    transform: IndexTransform, dims: Sequence[int], labels: tuple[str, ...]
) -> IndexTransform:
    """Set the labels of ``dims``.

    Raises:
      IndexError: If there are too few or too many, or two dimensions would have the same label.
    """
    if len(labels) != len(dims):
        raise IndexError(
            f"got {len(labels)} labels for {len(dims)} selected dimensions; give one for each, ''"
            " for none"
        )
    domain = transform.domain
    names = list(domain.labels)
    for dim, name in zip(dims, labels, strict=True):
        names[dim] = name
    check_unique_labels(names)
    return transform._trusted(
        domain._trusted(
            domain.inclusive_min,
            domain.exclusive_max,
            tuple(names),
            domain.implicit_lower_bounds,
            domain.implicit_upper_bounds,
        ),
        transform._output,
    )


def check_unique_labels(labels: Sequence[str]) -> None:
    """Check that no two dimensions have the same label.

    Raises:
      IndexError: If two do.
    """
    seen: dict[str, int] = {}
    for dim, name in enumerate(labels):
        if name and seen.setdefault(name, dim) != dim:
            raise IndexError(
                f"dimensions {seen[name]} and {dim} would both have the label {quote_label(name)};"
                " labels must be different"
            )


class ImplicitFlags(NamedTuple):
    """What `mark_bounds_implicit` sets; ``None`` leaves the bounds as they are."""

    lower: bool | None
    upper: bool | None


def parse_implicit(value: Any) -> ImplicitFlags:
    """Parse the argument of `mark_bounds_implicit`: a flag for both bounds, or ``lower:upper``.

    Raises:
      TypeError: If it is neither, or the slice has a step.
    """
    if not isinstance(value, slice):
        flag = _parse_optional_flag(value)
        return ImplicitFlags(flag, flag)
    if value.step is not None:
        raise TypeError(f"mark_bounds_implicit takes `lower:upper`, without a step, got {value!r}")
    return ImplicitFlags(_parse_optional_flag(value.start), _parse_optional_flag(value.stop))


def _parse_optional_flag(value: Any) -> bool | None:
    return None if value is None else parse_flag(value, "mark_bounds_implicit")


def mark_bounds_implicit(
    transform: IndexTransform, dims: Sequence[int], flags: ImplicitFlags
) -> IndexTransform:
    """Make bounds of ``dims`` implicit or explicit.

    Raises:
      IndexError: If an index array depends on a dimension that would get an implicit bound.
    """
    domain = transform.domain
    lower = list(domain.implicit_lower_bounds)
    upper = list(domain.implicit_upper_bounds)
    for dim in dims:
        if flags.lower or flags.upper:
            _check_no_array_depends_on(transform, dim)
        if flags.lower is not None:
            lower[dim] = flags.lower
        if flags.upper is not None:
            upper[dim] = flags.upper
    return crop(
        transform,
        domain._trusted(
            domain.inclusive_min,
            domain.exclusive_max,
            domain.labels,
            tuple(lower),
            tuple(upper),
        ),
        simplify=False,
    )


def _check_no_array_depends_on(transform: IndexTransform, dim: int) -> None:
    for i, output in enumerate(transform._output):
        if output.index_array is not None and output.index_array.shape[dim] != 1:
            raise IndexError(
                f"bounds of {describe_dimension(transform.domain, dim)} cannot be implicit: the"
                f" index array of output dimension {i} has no entries beyond them"
            )


# Stride


def stride(transform: IndexTransform, dims: Sequence[int], strides: Vector) -> IndexTransform:
    """Keep of each of ``dims`` the indices ``stride * x``, renamed to ``x``.

    Raises:
      IndexError: If there are too few or too many strides, one is zero, or a number leaves its
        range.
    """
    domain = transform.domain
    lower = list(domain.inclusive_min)
    upper = list(domain.exclusive_max)
    implicit_lower = list(domain.implicit_lower_bounds)
    implicit_upper = list(domain.implicit_upper_bounds)
    new_dims, offsets, factors = identity_lists(len(lower))
    for dim, step in zip(dims, expand_vector(strides, len(dims)), strict=True):
        if step is None or step == 1:
            continue
        if step == 0 or step == INT64_MIN:
            raise IndexError(f"stride {step} of {describe_dimension(domain, dim)} is not possible")
        where = f" of {describe_dimension(domain, dim)}"
        lower[dim], upper[dim] = preimage(lower[dim], upper[dim], 0, step, where)
        if step < 0:
            implicit_lower[dim], implicit_upper[dim] = implicit_upper[dim], implicit_lower[dim]
        factors[dim] = step
    new_domain = domain._trusted(
        tuple(lower), tuple(upper), domain.labels, tuple(implicit_lower), tuple(implicit_upper)
    )
    return substitute(transform, new_domain, new_dims, offsets, factors)


# Diagonal and transposition


def diagonal(transform: IndexTransform, dims: Sequence[int]) -> IndexTransform:
    """Put one new dimension in front, which stands for all of ``dims`` at once.

    Its domain is the intersection of theirs; a bound is implicit if it is in every one of them.

    Raises:
      IndexError: If the result would have more than 32 dimensions.
    """
    domain = transform.domain
    rank = len(domain.labels)
    lower = max([domain.inclusive_min[dim] for dim in dims], default=-INF)
    upper = min([domain.exclusive_max[dim] for dim in dims], default=INF_UPPER)
    kept = [dim for dim in range(rank) if dim not in dims]
    check_rank(len(kept) + 1)
    new_dims = [0] * rank
    for new, dim in enumerate(kept, 1):
        new_dims[dim] = new
    new_domain = domain._trusted(
        (lower, *[domain.inclusive_min[dim] for dim in kept]),
        (max(lower, upper), *[domain.exclusive_max[dim] for dim in kept]),
        ("", *[domain.labels[dim] for dim in kept]),
        (
            all(domain.implicit_lower_bounds[dim] for dim in dims),
            *[domain.implicit_lower_bounds[dim] for dim in kept],
        ),
        (
            all(domain.implicit_upper_bounds[dim] for dim in dims),
            *[domain.implicit_upper_bounds[dim] for dim in kept],
        ),
    )
    return substitute(transform, new_domain, new_dims, [0] * rank, [1] * rank, simplify=False)


def check_rank(rank: int) -> None:
    """Check the number of dimensions of a result.

    Raises:
      IndexError: If it is more than 32.
    """
    if rank > MAX_RANK:
        raise IndexError(
            f"the result would have {rank} dimensions; at most {MAX_RANK} are possible"
        )


def transpose(transform: IndexTransform, permutation: Sequence[int]) -> IndexTransform:
    """Put old dimension ``permutation[i]`` in place ``i``; ``permutation`` names each once."""
    domain = transform.domain
    rank = len(permutation)
    if rank < 2:
        return transform
    new_dims = [0] * rank
    for new, old in enumerate(permutation):
        new_dims[old] = new
    pick = itemgetter(*permutation)
    new_domain = domain._trusted(
        pick(domain.inclusive_min),
        pick(domain.exclusive_max),
        pick(domain.labels),
        pick(domain.implicit_lower_bounds),
        pick(domain.implicit_upper_bounds),
    )
    maps: list[OutputIndexMap] = []
    for output in transform._output:
        old_dim = output.input_dimension
        if output.index_array is not None:
            assert output.stride is not None
            array: IndexArray = output.index_array.transpose(permutation)
            maps.append(OutputIndexMap._array(array, output.offset, output.stride, output._bounds))
        elif old_dim is None or new_dims[old_dim] == old_dim:
            maps.append(output)
        else:
            assert output.stride is not None
            maps.append(_SINGLE(new_dims[old_dim], output.offset, output.stride))
    return transform._trusted(new_domain, tuple(maps))
