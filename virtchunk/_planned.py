"""Views whose transform has been checked, but is built only when it is first used.

Programs make views of single elements, and views with another origin, by the million, and checking
takes half the time of building. The transform of an element need not be built at all to read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtchunk._drivers.virtual import VirtualDriver
from virtchunk._future import Future
from virtchunk._index.plain_indexing import element_transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtchunk._index.operations import Plan
    from virtchunk._index.transform import IndexTransform
    from virtchunk._store import TensorStore

__all__ = ("planned",)


def planned(view_class: type[TensorStore]) -> Callable[[TensorStore, Plan], TensorStore]:
    """Return a function that makes planned views.

    Their class is a state of the class of views. The slot of the transform holds the `Plan`; when
    somebody asks for the transform, it is built, and the view becomes an ordinary one.
    """
    new = object.__new__
    # The slot under another name, in both classes: a view may change its class at any time.
    view_class._made = view_class.__dict__["_transform"]  # type: ignore[attr-defined]

    class Planned(view_class):  # type: ignore[misc, valid-type]
        __slots__ = ()

        _made: Any

        @property
        def _transform(self) -> IndexTransform:
            made = self._made
            if type(made) is tuple:
                build, argument = made
                made = self._made = build(argument)
            self.__class__ = view_class  # type: ignore[assignment] # last: threads may look on
            return made  # type: ignore[no-any-return]

        def read(self, **options: Any) -> Future[Any]:
            made, driver = self._made, self._driver
            if (
                not options
                and type(made) is tuple
                and made[0] is element_transform
                and type(driver) is VirtualDriver
                and self._transaction is None
                and "r" in driver.mode
            ):
                return Future._of(driver.read_element(made[1]))
            return view_class.read(self, **options)

    Planned.__name__ = view_class.__name__
    Planned.__qualname__ = view_class.__qualname__
    Planned.__module__ = "virtchunk"

    def make(like: TensorStore, plan: Plan) -> TensorStore:
        view = new(Planned)
        view._driver = like._driver
        view._made = plan
        view._transaction = like._transaction
        return view

    return make
