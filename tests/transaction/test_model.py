"""A machine that uses transactions in any order, beside a model that is just dictionaries."""

from __future__ import annotations

from typing import Any

import anyio
import attrs
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

import virtchunk as ts
from tests.fakes import FakeBackend, idle

SHAPE, CHUNK, ORIGIN = (6, 7), (4, 3), (-2, 5)

rows, columns = st.integers(0, SHAPE[0]), st.integers(0, SHAPE[1])
small_boxes = st.tuples(
    st.integers(0, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2)
).map(lambda ends: (slice(ends[0], ends[0] + ends[1]), slice(ends[2], ends[2] + ends[3])))
"""In the first chunk, mostly, so that it is soon covered."""
boxes = small_boxes | st.tuples(rows, rows, columns, columns).map(
    lambda ends: (slice(*sorted(ends[:2])), slice(*sorted(ends[2:])))
)
points = st.lists(
    st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1)), min_size=1, max_size=5
).map(lambda pairs: (np.array([x for x, _ in pairs]), np.array([y for _, y in pairs])))
selections = boxes | points
values = st.integers(1, 99)


@attrs.define(eq=False)
class Staged:
    """One transaction and what it should hold."""

    transaction: ts.Transaction
    values: dict[tuple[int, int], int] = attrs.Factory(dict)

    def over(self, base: Any) -> Any:
        result = base.copy()
        for place, value in self.values.items():
            result[place] = value
        return result

    def chunks(self) -> dict[tuple[int, ...], bool]:
        """Touched chunks, and whether each is wholly written."""
        found: dict[tuple[int, ...], bool] = {}
        for place in self.values:
            index = tuple(x // size for x, size in zip(place, CHUNK, strict=True))
            if index not in found:
                cells = [
                    range(i * size, min((i + 1) * size, extent))
                    for i, size, extent in zip(index, CHUNK, SHAPE, strict=True)
                ]
                found[index] = all((x, y) in self.values for x in cells[0] for y in cells[1])
        return found


class Transactions(RuleBasedStateMachine):
    """Several transactions, and plain reads and writes, on one view."""

    transactions: Bundle[Staged] = Bundle("transactions")

    def __init__(self) -> None:
        super().__init__()
        self.model = np.arange(np.prod(SHAPE), dtype=np.int64).reshape(SHAPE) - 1000
        self.backend = FakeBackend(self.model.copy(), ORIGIN, versioned=True)
        self.view = self.backend.view(CHUNK)  # chunks begin at the origin of the domain
        self.open: list[Staged] = []

    def at(self, selection: Any) -> Any:
        """The view's coordinates of positions."""
        return tuple(
            slice(part.start + low, part.stop + low) if isinstance(part, slice) else part + low
            for part, low in zip(selection, ORIGIN, strict=True)
        )

    @rule(target=transactions, limited=st.booleans())
    def begin(self, limited: bool) -> Staged:
        limit = 10**6 if limited else None
        staged = Staged(ts.Transaction(total_bytes_limit=limit))
        self.open.append(staged)
        return staged

    @rule(staged=transactions, selection=selections, value=values, awaited=st.booleans())
    def write(self, staged: Staged, selection: Any, value: int, awaited: bool) -> None:
        positions = np.arange(np.prod(SHAPE)).reshape(SHAPE)[selection]
        source = positions + value
        view = self.view.with_transaction(staged.transaction)[self.at(selection)]
        calls = len(self.backend.calls)
        if awaited:

            async def write() -> None:
                await view.write(source)

            anyio.run(write)
        else:
            view.write(source).result()
        assert len(self.backend.calls) == calls
        for position in positions.reshape(-1).tolist():
            staged.values[divmod(position, SHAPE[1])] = position + value

    @rule(staged=transactions, selection=selections, awaited=st.booleans())
    def read(self, staged: Staged, selection: Any, awaited: bool) -> None:
        view = self.view.with_transaction(staged.transaction)[self.at(selection)]
        if awaited:

            async def read() -> Any:
                return await view.read()

            found = anyio.run(read)
        else:
            found = view.read().result()
        np.testing.assert_array_equal(found, staged.over(self.model)[selection])

    @rule(selection=boxes, value=values)
    def write_plainly(self, selection: Any, value: int) -> None:
        self.view[self.at(selection)] = value
        self.model[selection] = value

    @rule(staged=consumes(transactions), awaited=st.booleans())
    def commit(self, staged: Staged, awaited: bool) -> None:
        self.open.remove(staged)
        self.backend.calls.clear()
        if awaited:

            async def commit() -> None:
                await staged.transaction.commit_async()

            anyio.run(commit)
        else:
            staged.transaction.commit_sync()
        self.model = staged.over(self.model)
        chunks = staged.chunks()
        assert sorted(self.backend.writes()) == sorted(map(self.lower, chunks))
        partly = [index for index, whole in chunks.items() if not whole]
        assert sorted(self.backend.reads()) == sorted(map(self.lower, partly))

    @staticmethod
    def lower(index: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(low + i * size for low, i, size in zip(ORIGIN, index, CHUNK, strict=True))

    @rule(staged=consumes(transactions))
    def abort(self, staged: Staged) -> None:
        self.open.remove(staged)
        self.backend.calls.clear()
        staged.transaction.abort()
        assert self.backend.calls == []

    @invariant()
    def the_store_is_as_the_model(self) -> None:
        np.testing.assert_array_equal(self.backend.array, self.model)
        assert idle(self.view)

    @invariant()
    def memory_is_accounted_for(self) -> None:
        for staged in self.open:
            chunks = staged.chunks()
            most, least = 0, 0
            for index, whole in chunks.items():
                size = 1
                for i, extent, total in zip(index, CHUNK, SHAPE, strict=True):
                    size *= min((i + 1) * extent, total) - i * extent
                least += 8 * size + (0 if whole else size)
                most += 9 * size + 1000
            assert least <= staged.transaction.total_bytes <= most

    def teardown(self) -> None:
        for staged in self.open:
            staged.transaction.abort()


TestTransactions = Transactions.TestCase
TestTransactions.settings = settings(deadline=None, max_examples=100, stateful_step_count=25)
