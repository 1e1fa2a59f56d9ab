"""Random operations on random views, one after another and at the same time, against an array.

Each machine has a store of chunks behind callbacks of one style, an event loop of its own in which
most operations run (others block, or run in a loop of another backend), and a NumPy array of what
the store should hold. Callbacks fail, operations are cancelled wherever they suspend, and others
change the store meanwhile. After each step nothing of any operation may be left behind.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain, cycle
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import attrs
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import virtchunk as ts
from tests.cancel_points import Outcome, cancelled_at
from tests.fakes import STYLES, Call, FakeBackend, idle
from tests.strategies_views import Base, Selection, bases, selections
from virtchunk._cache.pool import ENTRY_OVERHEAD

Array = np.ndarray[Any, Any]
Operation = Callable[[], Awaitable[Any]]
BACKENDS = anyio.get_available_backends()


class FailureOnPurpose(Exception):
    """What callbacks raise."""


@attrs.define
class Act:
    """One read or write of a part of the base."""

    selection: Selection
    values: Array | None
    """What is written; None: a read."""
    result: Array | None = None
    error: BaseException | None = None
    seen: Array | None = None
    """What was read again, right after it was written."""

    def positions(self, base: Base) -> list[tuple[int, ...]]:
        """The elements of the base, in the order of the request's elements."""
        if not base.shape:
            return [()] * int(np.prod(self.selection.shape, dtype=int))
        columns = [p.reshape(-1).tolist() for p in self.selection.positions(base)]
        return list(zip(*columns, strict=True))


class Machine(RuleBasedStateMachine):
    """Views of one store; see the module."""

    backend_name = ""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.portal = self.stack.enter_context(
            anyio.from_thread.start_blocking_portal(self.backend_name)
        )
        self.next_value = 1000

    @initialize(
        base=bases(),
        style=st.sampled_from(STYLES),
        write_style=st.none() | st.sampled_from(STYLES),
        versioned=st.booleans(),
        kept=st.sampled_from([None, 1, 3, 1000]),
        limit=st.sampled_from([1, 2, 16]),
        pauses=st.lists(st.integers(0, 12), min_size=1, max_size=7),
    )
    def open(
        self,
        base: Base,
        style: str,
        write_style: str | None,
        versioned: bool,
        kept: int | None,
        limit: int,
        pauses: list[int],
    ) -> None:
        """Make the store, and two views.

        The cache has room for ``kept`` chunks; async callbacks suspend as often as ``pauses`` say.
        """
        self.base = base
        self.model = base.values()
        self.store = FakeBackend(self.model.copy(), base.origin, versioned=versioned)
        self.store.clock = time.time
        self.store.hold = partial(self.pause, cycle(pauses))
        self.versioned, self.cached = versioned, kept is not None
        resources: dict[str, Any] = {
            "data_copy_concurrency": {"limit": limit},
            "callback_concurrency": {"limit": limit},
        }
        if kept is not None:
            chunk = int(np.prod(base.chunk, dtype=int)) * 8 + ENTRY_OVERHEAD
            resources["cache_pool"] = {"total_bytes_limit": kept * chunk}
        self.context = ts.Context(resources)

        def view() -> ts.TensorStore:
            return self.store.view(
                style=style,
                write_style=write_style,
                chunk_layout=base.layout(ts),
                context=self.context,
            )

        self.views = [self.portal.call(view), self.portal.call(view)]

    @staticmethod
    async def pause(pauses: Iterator[int], call: Call) -> None:
        for _ in range(next(pauses)):
            await anyio.lowlevel.checkpoint()

    def teardown(self) -> None:
        self.stack.close()

    # -- what is done --------------------------------------------------------------------------

    def act(self, data: st.DataObject, write: bool) -> Act:
        selection = data.draw(selections(self.base))
        if not write:
            return Act(selection, None)
        size = int(np.prod(selection.shape, dtype=int))
        first, self.next_value = self.next_value, self.next_value + size
        return Act(selection, np.arange(first, first + size).reshape(selection.shape))

    def future(self, act: Act, which: int = 0) -> Any:
        view = self.views[which][act.selection.transform(ts)]
        return view.read() if act.values is None else view.write(act.values)

    async def run(self, act: Act, which: int = 0) -> None:
        try:
            act.result = await self.future(act, which)
            if act.values is not None:
                act.seen = await self.views[which][act.selection.transform(ts)].read()
        except FailureOnPurpose as error:
            act.error = error

    def run_somehow(self, act: Act, how: str, which: int) -> None:
        """Run it in the machine's loop, or blocking, or in a loop of its own."""
        if how == "loop":
            self.portal.call(self.run, act, which)
        elif how == "blocking":
            try:
                act.result = self.future(act, which).result()
            except FailureOnPurpose as error:
                act.error = error
        else:
            anyio.run(self.run, act, which, backend=how)

    # -- what must come of it --------------------------------------------------------------------

    def check(self, *acts: Act) -> None:
        """Check what acts that may have run at the same time have read and stored.

        Each element that was read is the one that was there or one that was being written. Each
        element that was written holds one of the values written to it; or, if a write of it has not
        come to its end, maybe what it held before.
        """
        before, after = self.model, self.store.array
        written: dict[tuple[int, ...], set[int]] = {}
        certain: set[tuple[int, ...]] = set()
        for act in acts:
            if act.values is not None:
                own = dict(
                    zip(act.positions(self.base), act.values.reshape(-1).tolist(), strict=True)
                )
                for position, value in own.items():  # of several values the last one
                    written.setdefault(position, set()).add(value)
                if act.error is None:
                    certain.update(own)
        for act in acts:
            found = act.seen if act.values is not None else act.result
            if found is not None:
                values = found.reshape(-1).tolist()
                for position, value in zip(act.positions(self.base), values, strict=True):
                    allowed = set(written.get(position, ()))
                    if act.values is None:
                        allowed.add(int(before[position]))
                    assert value in allowed, (position, value, allowed)
        for position in np.ndindex(before.shape):
            allowed = written.get(position, set())
            if position not in certain:
                allowed = allowed | {before[position]}
            assert after[position] in allowed, (position, after[position], allowed)
        self.model = after.copy()

    @rule(
        data=st.data(),
        write=st.booleans(),
        how=st.sampled_from(["loop", "blocking", *BACKENDS]),
        which=st.integers(0, 1),
    )
    def one_after_another(self, data: st.DataObject, write: bool, how: str, which: int) -> None:
        act = self.act(data, write)
        self.run_somehow(act, how, which if self.coherent else 0)

        assert act.error is None
        if act.values is None:
            expected = act.selection.read(self.base, self.model)
            np.testing.assert_array_equal(act.result, expected)
        self.check(act)

    @rule(data=st.data(), writes=st.lists(st.booleans(), min_size=2, max_size=5))
    def at_the_same_time(self, data: st.DataObject, writes: list[bool]) -> None:
        acts = [self.act(data, write) for write in writes]
        self.portal.call(self.all_of, acts)

        assert all(act.error is None for act in acts)
        self.check(*acts)

    async def all_of(self, acts: list[Act]) -> None:
        async with anyio.create_task_group() as group:
            for act in acts:
                group.start_soon(self.run, act)

    @rule(
        data=st.data(),
        writes=st.lists(st.booleans(), min_size=1, max_size=4),
        role=st.sampled_from(["read", "write", "write done"]),
        how=st.sampled_from(["loop", "blocking"]),
    )
    def with_a_callback_that_fails(
        self, data: st.DataObject, writes: list[bool], role: str, how: str
    ) -> None:
        acts = [self.act(data, write) for write in writes]
        keys = sorted(set(chain(*[act.selection.cells(self.base) for act in acts])))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        failure = self.store.failures[role, key] = FailureOnPurpose()
        called = len(self.store.calls)
        try:
            if len(acts) == 1:
                self.run_somehow(acts[0], how, 0)
            else:
                self.portal.call(self.all_of, acts)
        finally:
            self.store.failures.clear()

        role = role.split()[0]
        failed = any(c.role == role and c.key == key for c in self.store.calls[called:])
        assert failed == any(act.error is failure for act in acts)
        self.check(*acts)

    @rule(
        data=st.data(),
        writes=st.lists(st.booleans(), min_size=1, max_size=4),
        at=st.integers(0, 60),
        how=st.sampled_from(["scope", "task"]),
    )
    def with_a_cancellation(
        self, data: st.DataObject, writes: list[bool], at: int, how: str
    ) -> None:
        acts = [self.act(data, write) for write in writes]
        how = "scope" if self.backend_name == "trio" else how
        operation: Operation = (
            (lambda: self.run(acts[0])) if len(acts) == 1 else (lambda: self.all_of(acts))
        )
        outcome: Outcome = self.portal.call(cancelled_at, at, operation, how)

        if not outcome.completed:
            for act in acts:
                if act.result is None:
                    act.error = FailureOnPurpose()  # or it has completed: all the same
        self.check(*acts)

    # -- what others do ------------------------------------------------------------------------

    @property
    def coherent(self) -> bool:
        """Whether a view sees what is stored without it."""
        return self.versioned or not self.cached

    def change(self, data: st.DataObject) -> Callable[[], None]:
        """Draw a change of one chunk by somebody else."""
        whole = Selection(
            self.base.origin,
            self.base.shape,
            tuple(("stride", d, 0, 1) for d in range(len(self.base.shape))),
        )
        cells = whole.cells(self.base)
        if not cells:
            return lambda: None
        lower = data.draw(st.sampled_from(sorted(cells)))
        shape = tuple(b - a for a, b in zip(lower, cells[lower], strict=True))
        value, self.next_value = self.next_value, self.next_value + 1

        def happen() -> None:
            self.store.store(lower, shape, value)
            self.model[self.base.index(lower, cells[lower])] = value

        return happen

    @precondition(lambda self: self.coherent)
    @rule(data=st.data())
    def somebody_else_stores(self, data: st.DataObject) -> None:
        self.change(data)()

    @precondition(lambda self: self.versioned)
    @rule(data=st.data(), how=st.sampled_from(["loop", "blocking"]), times=st.integers(1, 3))
    def somebody_else_stores_during_a_write(
        self, data: st.DataObject, how: str, times: int
    ) -> None:
        """Just before a chunk is stored: what was merged is outdated."""
        act = self.act(data, write=True)
        touched = list(act.selection.cells(self.base))
        if len(touched) != 1:
            return
        changes = [self.change(data) for _ in range(times)]
        called, conflicts = len(self.store.calls), 0

        def interfere(call: Call) -> None:
            nonlocal conflicts
            if call.role == "write":
                if changes:
                    changes.pop()()
                current = b"v%d" % self.store.generations.get(call.key, 0)
                conflicts += call.params.if_equal not in {b"", current}

        self.store.before = interfere
        self.run_somehow(act, how, 0)
        self.store.before = None

        assert act.error is None
        assert [c.role for c in self.store.calls[called:]].count("write") == 1 + conflicts
        self.check(act)

    # -- what must hold in between -----------------------------------------------------------------

    @invariant()
    def nothing_is_left(self) -> None:
        """No token, claim or follower; and the store is what it should be."""
        if not hasattr(self, "views"):
            return
        assert idle(*self.views)
        assert self.store.running == 0
        np.testing.assert_array_equal(self.store.array, self.model)

    @invariant()
    def the_cache_is_exact(self) -> None:
        """Its bytes are those of its entries; what it holds of a current version is right."""
        if not hasattr(self, "views"):
            return
        statistics = self.context["cache_pool"].statistics()
        caches: list[Any] = [view._driver.source.cache for view in self.views]  # type: ignore[attr-defined]
        entries = [entry for cache in caches if cache for entry in cache.entries.values()]
        assert statistics.entries == len(entries)
        assert statistics.total_bytes == sum(e.array.nbytes + ENTRY_OVERHEAD for e in entries)
        assert statistics.total_bytes <= statistics.total_bytes_limit
        assert statistics.in_flight == 0
        for cache in caches[: 2 if self.coherent else 1]:
            for key, entry in cache.entries.items() if cache else ():
                current = b"v%d" % self.store.generations.get(key, 0)
                if not self.versioned or entry.generation == current:
                    upper = self.base.cell(key)[1]
                    expected = self.model[self.base.index(key, upper)]
                    np.testing.assert_array_equal(entry.array, expected)


def machine(backend: str) -> type[Machine]:
    return type(f"Machine_{backend}", (Machine,), {"backend_name": backend})


STEPS = settings(settings.default, stateful_step_count=12)

if "asyncio" in BACKENDS:
    TestAsyncio = machine("asyncio").TestCase
    TestAsyncio.settings = STEPS
if "trio" in BACKENDS:
    TestTrio = machine("trio").TestCase
    TestTrio.settings = STEPS
