"""`open`: from a spec to a view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from virtchunk._context import Context
from virtchunk._drivers.spec import OpenRequest
from virtchunk._future import Future
from virtchunk._open_options import as_flag
from virtchunk._spec.options import SpecKeywords, parse_spec_keywords
from virtchunk._spec.spec import Spec, check_context
from virtchunk._store import TensorStore, check_transaction

if TYPE_CHECKING:
    from virtchunk._drivers.spec import SpecOptions, ViewSpec
    from virtchunk._transaction import Transaction

__all__ = ("open",)


def open(  # noqa: A001 - the public name
    spec: Spec | Any,
    *,
    read: bool | None = None,
    write: bool | None = None,
    context: Context | None = None,
    transaction: Transaction | None = None,
    batch: Any = None,
    allow_import: bool = False,
    **keywords: Unpack[SpecKeywords],
) -> Future[TensorStore]:
    """Open the view that a spec describes.

    Args:
        spec: A `Spec`, or the JSON of one.
        read: Whether the view must be readable.
        write: Whether the view must be writable. If neither is set, the view is what its driver
            can be; otherwise it is what is set, and nothing else.
        context: Where to look up the resources that the spec refers to; by default a new context,
            which is shared with nothing. What is bound in the spec stays.
        transaction: Transaction of all reads and writes through the view.
        batch: Accepted as the original does; opening these views reads nothing.
        allow_import: Whether callbacks that the JSON of a virtual view names, as in
            ``"package.tiles:load"``, may be imported. **Importing runs code: allow it only if you
            trust where the spec comes from.**
        **keywords: Further constraints and options: those of `Spec.update`.

    Returns:
        A future of the view, which is done at once because no driver has to wait.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: ``spec`` is no spec, or a keyword is invalid. From the future: a constraint
            conflicts with the spec or cannot be satisfied, a resource is not defined, or a callback
            would have to be imported, which ``allow_import`` does not allow.
        ImportError: From the future: the module of a callback cannot be imported.

    Example:
        >>> view = ts.open({"driver": "array", "dtype": "int32", "array": [1, 2, 3]}).result()
        >>> view[1:].read().result()
        array([2, 3], dtype=int32)
    """
    request = OpenRequest(
        read=as_flag(read, "read"),
        write=as_flag(write, "write"),
        transaction=check_transaction(transaction),
        allow_import=as_flag(allow_import, "allow_import"),
    )
    check_context(context)
    options = parse_spec_keywords("open", keywords)
    view = (spec if isinstance(spec, Spec) else Spec(spec))._view
    future: Future[TensorStore] = Future._of(None)
    try:
        opened = _open(view, options, Context() if context is None else context, request)
    except Exception as error:
        future._settle(error=error)
    else:
        future._settle(opened)
    return future


def _open(
    view: ViewSpec, options: SpecOptions, context: Context, request: OpenRequest
) -> TensorStore:
    driver, transform = view.updated(options).open(context, request)
    return TensorStore._of(driver, transform, request.transaction)
