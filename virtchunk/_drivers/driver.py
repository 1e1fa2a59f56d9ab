"""What a view asks of the driver below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, final

import attrs

from virtchunk._context.context import Context
from virtchunk._engine.job import Progress
from virtchunk._future import Operation
from virtchunk._grid.partition import Partition
from virtchunk._index.compose import carry_back_domain
from virtchunk._index.domain import IndexDomain
from virtchunk._index.interval import INF, INF_UPPER
from virtchunk._index.transform import IndexTransform
from virtchunk._schema.dtype import dtype
from virtchunk._schema.layout import ChunkLayout
from virtchunk._schema.unit import Unit

if TYPE_CHECKING:
    import numpy as np

__all__ = (
    "NO_OPTIONS",
    "Driver",
    "Options",
    "View",
    "WriteOperation",
    "check_finite",
    "resolve_within",
)

Array: TypeAlias = "np.ndarray[Any, Any]"


@final
@attrs.frozen
class Options:
    """What a caller may say about one read or write, beside what and where."""

    batch: Any = None
    """The batch it belongs to."""
    transaction: Any = None
    """The transaction it belongs to."""
    progress: Progress | None = None
    """Called for each finished chunk."""


NO_OPTIONS = Options()


class WriteOperation(Operation[None], Protocol):
    """A write, which can let go of its source before it runs."""

    def stage(self) -> None:
        """Copy the source, so that the caller may change it."""

    async def stage_awaiting(self) -> None:
        """Do the same in a task. Always checkpoints."""


class Driver(Protocol):
    """Elements over a base domain, to be read and written through index transforms."""

    @property
    def name(self) -> str:
        """The name of the driver in a JSON spec."""

    @property
    def dtype(self) -> dtype:
        """The data type of the elements."""

    @property
    def domain(self) -> IndexDomain:
        """The base domain, with explicit bounds."""

    @property
    def mode(self) -> str:
        """What can be done: ``"r"``, ``"w"`` or ``"rw"``."""

    @property
    def layout(self) -> ChunkLayout:
        """How the base domain is cut into chunks."""

    @property
    def dimension_units(self) -> tuple[Unit | None, ...]:
        """The unit of one step along each dimension of the base domain."""

    @property
    def cache_bytes(self) -> int | None:
        """How much of the cache pool's bytes this and other views may fill; None: no cache."""

    @property
    def context(self) -> Context:
        """The resources that the driver uses."""

    @property
    def instant(self) -> bool:
        """Whether reads and writes wait for nothing: memory holds all that they need."""

    @property
    def blocking(self) -> bool:
        """Whether they are best made in threads: nothing of it is a coroutine function."""

    def read(
        self, transform: IndexTransform, order: str, options: Options, into: Array | None = None
    ) -> Operation[Array]:
        """Prepare to read.

        Args:
            transform: From the domain to read to the base domain; its bounds are explicit if
                ``into`` is given.
            order: Memory order of the result, ``"C"`` or ``"F"``.
            options: See `Options`.
            into: Where to put the elements, an array of the driver's data type and the shape of
                the domain, with any strides; it is the result then. None: a new array.
        """

    def write(
        self, transform: IndexTransform, source: Array, owned: bool, options: Options
    ) -> WriteOperation:
        """Prepare to write.

        Args:
            transform: From the domain to write to the base domain.
            source: The elements, of the driver's data type and the shape of the domain.
            owned: Whether nobody else can change ``source``.
            options: See `Options`.
        """

    def resolved(self, transform: IndexTransform) -> IndexTransform:
        """Replace implicit bounds by what the base has there now.

        Raises:
            ValueError: If an explicit bound lies outside the base.
        """

    def cut(self, transform: IndexTransform) -> Partition:
        """Cut a request along chunk borders.

        Raises:
            ValueError: If the request is not finite.
        """

    def base(self, transform: IndexTransform) -> View | None:
        """Return the one view that a view of this driver is computed from; None: none, or many."""

    def describe(self) -> str:
        """Name where the elements come from, in a few words, for ``repr``."""


@final
@attrs.frozen
class View:
    """A driver seen through a transform: what a derived view is made from."""

    driver: Driver
    transform: IndexTransform
    """From the view's domain to the driver's."""


def resolve_within(base: IndexDomain, transform: IndexTransform) -> IndexTransform:
    """Replace implicit bounds by what the base domain allows; see `Driver.resolved`.

    Raises:
        ValueError: An explicit bound lies outside the base.
    """
    own = transform.domain
    if True not in own.implicit_lower_bounds and True not in own.implicit_upper_bounds:
        return transform
    try:
        domain = carry_back_domain(base, transform)
    except IndexError as error:
        raise ValueError(*error.args) from None
    explicit = (False,) * domain.rank
    bounds = (domain.inclusive_min, domain.exclusive_max, domain.labels, explicit, explicit)
    return IndexTransform._trusted(IndexDomain._trusted(*bounds), transform._output)


def check_finite(domain: IndexDomain) -> None:
    """Check that all elements of a domain can be read or written.

    Raises:
        ValueError: A bound is infinite.
    """
    if -INF in domain.inclusive_min or INF_UPPER in domain.exclusive_max:
        raise ValueError(
            f"cannot read or write the unbounded domain {domain}; select a finite part of it "
            "first, as in t[0:100]"
        )
