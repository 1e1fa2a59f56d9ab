"""Storage generations; recorded from tensorstore 0.1.86 unless a comment says that it is ours."""

from __future__ import annotations

import copy
import math
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtchunk._schema.generation import TimestampedStorageGeneration as Stamp

NAMES = {"KvStore": SimpleNamespace(TimestampedStorageGeneration=Stamp), "inf": math.inf}


@pytest.mark.parametrize(
    ("stamp", "generation", "time"),
    [
        (Stamp(), b"", -math.inf),
        (Stamp(b"abc"), b"abc", -math.inf),
        (Stamp("\u00e9", 1), b"\xc3\xa9", 1.0),
        (Stamp(generation=b"a", time=5.5), b"a", 5.5),
        (Stamp(b"a", True), b"a", 1.0),
        (Stamp(b"a", np.float32(2)), b"a", 2.0),
        (Stamp(b"a", math.inf), b"a", math.inf),
        (Stamp(b"0"), b"0", -math.inf),
        (Stamp(b"\x00"), b"\x00", -math.inf),
    ],
)
def test_attributes(stamp: Stamp, generation: bytes, time: float) -> None:
    assert (stamp.generation, stamp.time) == (generation, time)
    assert type(stamp.generation) is bytes
    assert type(stamp.time) is float


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ([None], TypeError),
        ([5], TypeError),
        ([b"a", None], TypeError),
        ([b"a", "5"], TypeError),
        ([b"a", 10**400], TypeError),
        ([b"a", math.nan], ValueError),  # ours; there for ever
    ],
)
def test_other_arguments_are_refused(args: list[Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"generation|time"):
        Stamp(*args)


def test_attributes_can_be_assigned() -> None:
    stamp = Stamp(b"abc", 5)
    stamp.generation = "xyz"
    stamp.time = 9

    assert stamp == Stamp(b"xyz", 9.0)
    with pytest.raises(TypeError):
        stamp.generation = 5  # type: ignore[assignment]
    with pytest.raises(TypeError):
        stamp.time = "a"  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        stamp.color = "red"  # type: ignore[attr-defined]
    assert stamp == Stamp(b"xyz", 9.0)


def test_what_can_change_is_not_hashable() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Stamp())


def test_a_copy_is_independent() -> None:
    stamp = Stamp(b"abc", 5)
    for other in (copy.copy(stamp), copy.deepcopy(stamp)):
        other.time = 6

        assert stamp.time == 5


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        (Stamp(b"abc", 5), "KvStore.TimestampedStorageGeneration(b'abc', 5.000000)"),
        (Stamp(b"", 1e9), "KvStore.TimestampedStorageGeneration(b'', 1000000000.000000)"),
        (Stamp(), "KvStore.TimestampedStorageGeneration(b'', -inf)"),
        # Ours; there 0.333333:
        (Stamp(b"", 1 / 3), "KvStore.TimestampedStorageGeneration(b'', 0.3333333333333333)"),
    ],
)
def test_printed_form(stamp: Stamp, text: str) -> None:
    assert repr(stamp) == text


@given(st.binary(max_size=8), st.floats(allow_nan=False))
def test_every_form_leads_back(generation: bytes, time: float) -> None:
    stamp = Stamp(generation, time)

    assert eval(repr(stamp), NAMES) == stamp
    assert pickle.loads(pickle.dumps(stamp)) == stamp
    assert copy.copy(stamp) == copy.deepcopy(stamp) == stamp
    assert stamp != Stamp(generation + b"x", time)
    assert stamp != (generation, time)
