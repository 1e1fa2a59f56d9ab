"""`computed`: a view from a function of a domain that returns an array.

It has a name of its own, beside `virtual_chunked`: what a function is given and has to do must not
hang on whether it was passed or decorated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack, overload

import numpy as np

from virtchunk._drivers.callback_names import find_callback
from virtchunk._engine.source import is_async, name_of
from virtchunk._open import virtual_chunked

if TYPE_CHECKING:
    import numpy.typing as npt

    from virtchunk._context.context import Context
    from virtchunk._grid.choice import ChunksLike
    from virtchunk._index.domain import IndexDomain
    from virtchunk._schema.dimension_units import DimensionUnitsLike
    from virtchunk._schema.dtype import DTypeLike
    from virtchunk._schema.layout import ChunkLayout
    from virtchunk._schema.schema import Schema
    from virtchunk._store import TensorStore

__all__ = ("ComputeFunction", "computed")


class ComputeFunction(Protocol):
    """A function that returns the content of one chunk, or is a coroutine function of it.

    Called as a `ReadFunction` is: once for each chunk, with the bounds of the whole chunk (clipped
    to the view's domain), in a worker thread or, if it is async, in a task of the read.
    """

    def __call__(self, domain: IndexDomain, /) -> npt.ArrayLike | Awaitable[npt.ArrayLike]:
        """Compute the content of ``domain``.

        Args:
            domain: The chunk's bounds in the view's base coordinates, with its labels.

        Returns:
            An array of shape ``domain.shape``, of the view's data type or one that converts to it
            safely; or an awaitable of one. It is copied, and stays the function's own.
        """


class ComputedKeywords(TypedDict, total=False):
    """What `computed` takes beside the function: keywords of `virtual_chunked`."""

    loop: object | None
    rank: int | None
    dtype: DTypeLike | None
    domain: IndexDomain | None
    shape: Iterable[int] | None
    chunk_layout: ChunkLayout | None
    dimension_units: DimensionUnitsLike | None
    schema: Schema | None
    context: Context | None
    chunks: ChunksLike | None


@overload
def computed(**keywords: Unpack[ComputedKeywords]) -> Callable[[ComputeFunction], TensorStore]: ...


@overload
def computed(function: ComputeFunction, /, **keywords: Unpack[ComputedKeywords]) -> TensorStore: ...


def computed(
    function: ComputeFunction | None = None, /, **keywords: Unpack[ComputedKeywords]
) -> TensorStore | Callable[[ComputeFunction], TensorStore]:
    """Make a read-only view of what a function returns, chunk by chunk; also as a decorator.

    The simple form of `virtual_chunked`, at the price of one copy of each chunk: the function is
    given nothing but the domain of a chunk, and returns its content, which stays valid for ever.

    Args:
        function: Returns an array for the domain of a chunk, or is async and does; see
            `ComputeFunction`. Without it, a decorator is returned, which takes it.
        **keywords: Those of `virtual_chunked` that say what the view is, and where its callback
            runs: ``loop``, ``rank``, ``dtype``, ``domain``, ``shape``, ``chunk_layout``,
            ``dimension_units``, ``schema``, ``context``, ``chunks``.

    Returns:
        The view. It is named after the function, in its ``repr``, in errors and in its spec: where
        a decorator has put it in the function's place at the top level of a module, it can be
        pickled, and has JSON.

    Raises:
        TypeError: If the function is not callable, or a keyword is wrong; (from a read) if the
            function returned no array, or one that cannot be converted safely.
        ValueError: As `virtual_chunked`; (from a read) if the function returned an array of another
            shape than the chunk's.

    Example:
        >>> @ts.computed(dtype=ts.int64, shape=[1_000_000])
        ... def squares(domain):
        ...     (rows,) = domain.index_exp
        ...     return np.arange(rows.start, rows.stop) ** 2
        >>> squares[10:15].read().result()
        array([100, 121, 144, 169, 196])
    """
    if function is None:
        return lambda function: computed(function, **keywords)
    if not callable(function):
        raise TypeError(f"computed() takes a function of a domain, got {function!r}")
    make = _AsyncFilling if is_async(function) else _Filling
    return virtual_chunked(make(function), **keywords)


class _Filling:
    """The read callback that fills arrays with what a function returns.

    Args:
        function: See `ComputeFunction`.
        module: Where the function was defined, if it does not tell.
        qualname: Its name there, if it does not tell.
    """

    def __init__(
        self, function: ComputeFunction, module: str | None = None, qualname: str | None = None
    ) -> None:
        self.function: Callable[[IndexDomain], Any] = function
        # Errors, `repr` and specs speak of the callback under these names.
        self.__module__ = str(module or getattr(function, "__module__", ""))
        self.__qualname__ = qualname or name_of(function)

    def __call__(self, domain: IndexDomain, array: Any, params: object) -> Awaitable[None] | None:
        result = self.function(domain)
        if not isinstance(result, np.ndarray) and isawaitable(result):
            return self._fill_later(domain, array, result)
        self._fill(domain, array, result)
        return None

    async def _fill_later(self, domain: IndexDomain, array: Any, result: Awaitable[Any]) -> None:
        self._fill(domain, array, await result)

    def _fill(self, domain: IndexDomain, array: Any, result: Any) -> None:
        values = np.asarray(result)
        fits = values.shape == array.shape and np.can_cast(values.dtype, array.dtype, "safe")
        if not fits or result is None:
            raise self._refusal(domain, array, result, values)
        array[...] = values

    def _refusal(self, domain: IndexDomain, array: Any, result: Any, values: Any) -> Exception:
        got = f"{self.__qualname__} returned {_shown(result)} for chunk {domain}"
        wanted = f"return an array of shape {array.shape} and data type {array.dtype}"
        if result is None:
            return TypeError(f"{got}; {wanted} (it is given none to fill)")
        if values.shape != array.shape:
            return ValueError(f"{got}; {wanted}, such as np.full(domain.shape, x) for a scalar x")
        return TypeError(f"{got}, which is not a safe conversion; {wanted}, as by astype()")

    def __eq__(self, other: object) -> bool:
        return self.function == other.function if isinstance(other, _Filling) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.function)

    def __repr__(self) -> str:
        return f"<computed {self.__module__}.{self.__qualname__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        module, qualname = self.__module__, self.__qualname__
        found = find_callback(module, qualname, "read_function")
        is_there = isinstance(found, _Filling) and found == self
        if is_there and isinstance(self.function, FunctionType):
            # Pickle refers to a function by a name that has to lead to it; this one leads to the
            # view that has taken its place. So tell the way from there.
            self.function.__qualname__ = f"{qualname}._driver.source.read_function.function"
        return type(self), (self.function, module, qualname)


class _AsyncFilling(_Filling):
    """The same for a coroutine function."""

    async def __call__(self, domain: IndexDomain, array: Any, params: object) -> None:
        self._fill(domain, array, await self.function(domain))


def _shown(result: Any) -> str:
    """Describe what a function returned, without its elements."""
    if isinstance(result, np.ndarray):
        return f"an array of shape {result.shape} and data type {result.dtype}"
    text = repr(result)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_SHOWN = 60
"""How many characters of a wrong result an error message shows."""
