"""`KvStore`: keys to values, through one of several drivers, below a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, final

import attrs

from virtchunk._batch import Batch, check_batch, join
from virtchunk._context import Context
from virtchunk._future import Future
from virtchunk._schema import generation as _generation
from virtchunk.kvstore import spec as _spec
from virtchunk.kvstore import values as _values
from virtchunk.kvstore._coalesce import Group, GroupRead
from virtchunk.kvstore._copying import CopyRange
from virtchunk.kvstore._running import METHODS, WRITE_ALL, Call, Runner, Running
from virtchunk.kvstore.spec import Source, appended, as_path, joined
from virtchunk.kvstore.values import ByteRange, as_bytes, parse_byte_range

if TYPE_CHECKING:
    import builtins
    from typing import SupportsFloat, SupportsIndex

    from virtchunk._transaction import Transaction
    from virtchunk.kvstore.driver import AsyncDriver, Driver

__all__ = ("KvStore",)


@final
class KvStore:
    """A map from keys to values, both of them bytes, that is stored somewhere.

    Keys are text (encoded as UTF-8) or bytes; the store's `path` is put before each of them, with
    no separator. Operations return a `Future`: they run where it is awaited, or inside
    ``result()``. The mapping syntax (``kv[key]``, ``kv[key] = value``, ``del kv[key]``,
    ``key in kv``) blocks, as ``result()`` does.

    Made by `KvStore.open` or `KvStore.from_driver`, not directly.

    Example:
        >>> store = ts.KvStore.open({"driver": "memory"}).result()
        >>> store["a"] = b"value"
        >>> store["a"]
        b'value'
        >>> "b" in store
        False
        >>> (store / "tiles/")["x"] = b"tile"
        >>> store.list().result()
        [b'a', b'tiles/x']
    """

    __slots__ = ("__weakref__", "_path", "_runner", "_source")

    KeyRange: TypeAlias = _values.KeyRange
    ReadResult: TypeAlias = _values.ReadResult
    Spec: TypeAlias = _spec.Spec
    TimestampedStorageGeneration: TypeAlias = _generation.TimestampedStorageGeneration

    _source: Source
    _runner: Running
    _path: str

    def __init__(self) -> None:
        raise TypeError("a KvStore is made by KvStore.open() or KvStore.from_driver()")

    @classmethod
    def _of(cls, source: Source, runner: Running, path: str) -> KvStore:
        self = object.__new__(cls)
        self._source, self._runner, self._path = source, runner, path
        return self

    @staticmethod
    def open(
        spec: Spec | Any,
        *,
        context: Context | None = None,
        transaction: Transaction | None = None,
    ) -> Future[KvStore]:
        """Open a store.

        Args:
            spec: A `KvStore.Spec`, its JSON, or a URL.
            context: Where to look up the resources that the spec refers to; by default a new
                context, which is shared with nothing. What is bound in the spec stays.
            transaction: Transaction that all operations belong to; see `with_transaction`.

        Returns:
            A future of the store. It is done at once: nothing is contacted before the first
            operation.

        Raises:
            ValueError: ``spec`` is no spec. From the future: a resource is not defined.
            TypeError: An argument has the wrong type.
            ImportError: From the future: the driver needs ``virtchunk[obstore]``.
        """
        _check_transaction(transaction)
        if context is not None and not isinstance(context, Context):
            raise TypeError(f"context must be a Context or None, got {context!r}")
        parsed = _spec.Spec(spec)
        future: Future[KvStore] = Future._of(None)
        try:
            source = parsed._source.bound(Context() if context is None else context)
            future._settle(_open(source, parsed._path)._bound(transaction))
        except Exception as error:
            future._settle(error=error)
        return future

    @staticmethod
    def from_driver(
        driver: Driver | AsyncDriver, path: str | bytes = "", *, context: Context | None = None
    ) -> KvStore:
        """Make a store of a driver of your own.

        Args:
            driver: An object with the methods of `virtchunk.kvstore.Driver` or
                `virtchunk.kvstore.AsyncDriver`.
            path: What all keys begin with.
            context: Its ``file_io_concurrency`` limits how many blocking methods run at once.

        Raises:
            TypeError: The object lacks a method.

        Example:
            >>> from virtchunk.kvstore import MemoryDriver
            >>> store = ts.KvStore.from_driver(MemoryDriver(), "a/")
            >>> store["b"] = b"1"
            >>> store.list().result()
            [b'b']
        """
        for method in METHODS:
            if not callable(getattr(driver, method, None)):
                raise TypeError(f"a driver of a KvStore needs a method {method}, got {driver!r}")
        resources: dict[str, Any] = {"file_io_concurrency": "file_io_concurrency"}
        source = Source(None, {}, resources, None, driver)
        return _open(source.bound(Context() if context is None else context), as_path(path))

    # -- reading and writing -----------------------------------------------------------------

    def read(
        self,
        key: str | bytes,
        *,
        if_not_equal: str | bytes | None = None,
        staleness_bound: SupportsFloat | SupportsIndex | None = None,
        batch: Batch | None = None,
        byte_range: slice | None = None,
    ) -> Future[ReadResult]:
        """Read the value of a key.

        Args:
            key: The key, which is put after the path.
            if_not_equal: Generation of a value that is known: if it still is the current one, the
                value is not read, and the state of the result is ``"unspecified"``.
            staleness_bound: Accepted as the original does. No driver keeps values, so each read is
                a new one.
            batch: Batch that the read belongs to; it runs when that is submitted, together with
                other reads of the key. See `Batch`.
            byte_range: Part of the value: ``slice(a, b)``, ``slice(a, None)``, ``slice(None, b)``
                or, for the last ``n`` bytes, ``slice(-n, None)``.

        Returns:
            A future of the result. A missing key is no error: the state of the result says it.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: ``byte_range`` has none of these forms, or the batch has been submitted;
                from the future: the value is shorter than ``byte_range``, or the driver cannot
                have such a key.
        """
        full = self._key(key)
        known = b"" if if_not_equal is None else as_bytes(if_not_equal, "if_not_equal")
        wanted = parse_byte_range(byte_range)
        if staleness_bound is not None:
            _check_time(staleness_bound)
        batch = check_batch(batch)
        if batch is None:
            return Future._of(self._read(full, known, wanted))
        return self._read_in_batch(batch, full, known, wanted)

    def _read(self, key: bytes, if_not_equal: bytes, byte_range: ByteRange) -> Call[ReadResult]:
        runner = self._runner
        return Call(
            partial(self._describe, "read", key),
            runner,
            "read",
            (key, if_not_equal, byte_range),
            _same,
        )

    def _read_in_batch(
        self, batch: Batch, key: bytes, if_not_equal: bytes, byte_range: ByteRange
    ) -> Future[ReadResult]:
        def read(part: ByteRange) -> Future[_values.ReadResult]:
            return Future._of(self._read(key, if_not_equal, part))

        name = (self._runner, key, if_not_equal)
        group = batch.shared.setdefault(name, Group(read))
        operation = GroupRead(group, byte_range, partial(self._describe, "read", key))
        return join(batch, operation)

    def write(
        self,
        key: str | bytes,
        value: str | bytes | None,
        *,
        if_equal: str | bytes | None = None,
    ) -> Future[TimestampedStorageGeneration]:
        """Store, or delete, the value of a key.

        Args:
            key: The key, which is put after the path.
            value: What to store; None deletes the key.
            if_equal: Do so only if this is the generation of the present value.

        Returns:
            A future of the new generation, when the value is safe. Its generation is empty if
            ``if_equal`` did not match, and nothing was stored.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: From the future: the driver cannot have such a key.
        """
        full = self._key(key)
        runner = self._runner
        return Future._of(
            Call(
                partial(self._describe, "write", full),
                runner,
                "write",
                (
                    full,
                    None if value is None else as_bytes(value, "value"),
                    b"" if if_equal is None else as_bytes(if_equal, "if_equal"),
                ),
                _same,
            )
        )

    def delete_range(self, range: KeyRange) -> Future[None]:  # noqa: A002
        """Delete all keys in a range.

        Args:
            range: Range of the keys, as they are without the path.

        Raises:
            TypeError: It is no `KvStore.KeyRange`.
        """
        return self._on_range("delete_range", range, _nothing)

    def list(
        self,
        range: KeyRange | None = None,  # noqa: A002
        strip_prefix_length: SupportsIndex = 0,
    ) -> Future[builtins.list[bytes]]:
        """Return the keys, without the path.

        Args:
            range: Only those in a range.
            strip_prefix_length: How many bytes to leave out at the beginning of each key.

        Returns:
            A future of a list in unspecified order.

        Raises:
            TypeError: An argument has the wrong type, or ``strip_prefix_length`` is negative.
        """
        length = strip_prefix_length.__index__()
        if length < 0:
            raise TypeError(f"strip_prefix_length must be >= 0, got {length}")
        strip = partial(_stripped, len(self._prefix) + length)
        return self._on_range("list", _values.KeyRange() if range is None else range, strip)

    def _on_range(
        self, method: str, range_: KeyRange, convert: Callable[[Any], Any]
    ) -> Future[Any]:
        if not isinstance(range_, _values.KeyRange):
            raise TypeError(f"range must be a KvStore.KeyRange, got {range_!r}")
        runner, full = self._runner, range_._within(self._prefix)
        if range_.empty:
            full = _values.KeyRange(b"b", b"a")
        what = partial(self._describe, method, full.inclusive_min)
        return Future._of(Call(what, runner, method, (full,), convert))

    def experimental_copy_range_to(
        self,
        target: KvStore,
        source_range: KeyRange | None = None,
        source_staleness_bound: SupportsFloat | SupportsIndex | None = None,
    ) -> Future[None]:
        """Copy a range of keys, one value after the other, to this or another store.

        Args:
            target: Where to: the keys follow the path of this store.
            source_range: Range of the keys; all of them by default.
            source_staleness_bound: Accepted as the original does, see `read`.

        Raises:
            TypeError: An argument has the wrong type.
        """
        if not isinstance(target, KvStore):
            raise TypeError(f"target must be a KvStore, got {target!r}")
        if source_staleness_bound is not None:
            _check_time(source_staleness_bound)
        return Future._of(CopyRange(self, target, self.list(source_range)))

    # -- the same, blocking ------------------------------------------------------------------

    def __getitem__(self, key: str | bytes) -> bytes:
        """Return the value of a key, blocking.

        Raises:
            KeyError: The key has no value.
        """
        found = self.read(key).result()
        if found.state == "missing":
            raise KeyError(key)
        return found.value

    def __setitem__(self, key: str | bytes, value: str | bytes | None) -> None:
        """Store the value of a key, or delete it if that is None, blocking."""
        self.write(key, value).result()

    def __delitem__(self, key: str | bytes) -> None:
        """Delete a key, blocking; a missing key is no error."""
        self.write(key, None).result()

    def __contains__(self, key: str | bytes) -> bool:
        """Say whether a key has a value, blocking."""
        return self.read(key, byte_range=slice(0, 0)).result().state != "missing"

    __iter__ = None  # otherwise Python would try the keys 0, 1, 2, ...

    # -- what it is --------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """What is put before all keys."""
        return self._path

    @path.setter
    def path(self, path: str | bytes) -> None:
        self._path = as_path(path)

    @property
    def base(self) -> KvStore | None:
        """The store below an adapter: None, for there are no adapters."""
        return None

    @property
    def url(self) -> str:
        """URL of the store.

        Raises:
            NotImplementedError: It was made by `from_driver`.
            ValueError: The path cannot be written as a URL.
        """
        return self._source.url(self._path)

    def spec(
        self, *, retain_context: bool | None = None, unbind_context: bool | None = None
    ) -> Spec:
        """Return the spec that opens this store again.

        Args:
            retain_context: Keep the context resources bound, so that opening the spec in this
                process shares them; that of the ``memory`` driver holds the values.
            unbind_context: Instead of that, define equal resources in the spec.
        """
        source = self._source
        if unbind_context:
            source = source.unbound()
        elif not retain_context:
            source = source.stripped()
        return _spec.Spec._trusted(source, self._path)

    @property
    def transaction(self) -> Transaction | None:
        """The transaction that all operations belong to, or None; it can be assigned."""
        return self._runner.transaction

    @transaction.setter
    def transaction(self, transaction: Transaction | None) -> None:
        _check_transaction(transaction)
        self._runner = self._bound(transaction)._runner

    def with_transaction(self, transaction: Transaction | None) -> KvStore:
        """Return the same store, whose operations belong to a transaction.

        What is written stays in memory until the `Transaction` is committed; what is read shows it.
        Conditions (``if_equal``) are checked at the commit.

        Raises:
            ValueError: This store belongs to a transaction that has not been committed.
            TypeError: It is neither a `Transaction` nor None.
        """
        _check_transaction(transaction)
        if self._runner.transaction is not None:
            self._runner.transaction._check_replaceable()
        return self._bound(transaction)

    def _bound(self, transaction: Transaction | None) -> KvStore:
        """Return a copy whose operations belong to a transaction, or to none."""
        plain, source = self._runner.plain, self._source
        if transaction is None:
            return KvStore._of(source, plain, self._path)
        from virtchunk.kvstore._staging import StagedRunner

        atomic = source.members.get("atomic", True) and hasattr(plain.driver, WRITE_ALL)
        name = repr(plain.driver) if source.kind is None else f"the {source.kind.name} store"
        return KvStore._of(source, StagedRunner(plain, transaction, name, atomic), self._path)

    def __add__(self, suffix: str | bytes) -> KvStore:
        """Append to the path, without a separator."""
        return KvStore._of(self._source, self._runner, appended(self._path, suffix))

    def __truediv__(self, component: str | bytes) -> KvStore:
        """Append a component to the path, with a ``/`` between the two if there is none."""
        return KvStore._of(self._source, self._runner, joined(self._path, component))

    def copy(self) -> KvStore:
        """Return a store with the same values, whose path can be changed on its own."""
        return KvStore._of(self._source, self._runner, self._path)

    def __copy__(self) -> KvStore:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        self._refuse_copying()
        return _reopen, (self.spec(retain_context=True),)

    def __deepcopy__(self, memo: dict[int, Any]) -> KvStore:
        self._refuse_copying()
        # New resources, which share nothing with these, but among each other what was shared.
        source = self._source
        resources = deepcopy(dict(source.resources), memo)
        driver = deepcopy(source.driver, memo)
        return _open(attrs.evolve(source, resources=resources, driver=driver), self._path)

    def _refuse_copying(self) -> None:
        if self._runner.transaction is not None:
            raise ValueError(f"{self!r} belongs to a transaction, which cannot be pickled")

    def __repr__(self) -> str:
        return f"KvStore({self._source.show(self._path, mark_bound=False)})"

    @property
    def _prefix(self) -> bytes:
        return self._path.encode("utf-8", "surrogateescape")

    def _key(self, key: str | bytes) -> bytes:
        return self._prefix + as_bytes(key, "key")

    def _describe(self, what: str, key: bytes) -> str:
        return f"{what} of {key!r} in {self!r}"


def _open(source: Source, path: str) -> KvStore:
    """Make a store of a bound source.

    Raises:
        ImportError: The driver needs a package that is not installed.
    """
    live = {name: resource._live for name, resource in source.resources.items()}  # type: ignore[union-attr]
    kind = source.kind
    driver = source.driver if kind is None else kind.open(dict(source.members), live)
    limiter = getattr(driver, "limiter", None) or live.get("file_io_concurrency")
    return KvStore._of(source, Runner(driver, limiter), path)


def _reopen(spec: _spec.Spec) -> KvStore:
    return _open(spec._source, spec._path)


def _check_transaction(transaction: object) -> None:
    if transaction is not None:
        from virtchunk._transaction import check_transaction  # late: many programs use none

        check_transaction(transaction)


def _check_time(value: Any) -> None:
    if isinstance(value, (str, bytes)) or not (
        hasattr(value, "__float__") or hasattr(value, "__index__")
    ):
        raise TypeError(f"staleness_bound must be seconds since the Unix epoch, got {value!r}")


def _same(value: Any) -> Any:
    return value


def _nothing(value: object) -> None:
    return None


def _stripped(length: int, keys: Iterable[bytes]) -> list[bytes]:
    return [key[length:] for key in keys]
