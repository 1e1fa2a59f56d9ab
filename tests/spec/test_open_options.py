"""`OpenMode` and the times from which on cached data is current enough."""

from __future__ import annotations

import copy
import math
import pickle
import time
from typing import Any

import numpy as np
import pytest

from virtchunk._open_mode import OpenMode
from virtchunk._open_options import parse_recheck, staleness_bound

FLAGS = ["open", "create", "delete_existing", "assume_metadata", "assume_cached_metadata"]


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_is_off_unless_given(flag: str) -> None:
    assert getattr(OpenMode(), flag) is False
    assert getattr(OpenMode(**{flag: True}), flag) is True


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_can_be_set(flag: str) -> None:
    mode = OpenMode()
    setattr(mode, flag, 1)

    assert mode == OpenMode(**{flag: True})


@pytest.mark.parametrize(
    ("value", "truth"), [(1, True), (0, False), (None, False), (np.bool_(True), True), (2.5, True)]
)
def test_a_number_or_none_is_a_flag(value: Any, truth: bool) -> None:
    assert OpenMode(create=value).create is truth


@pytest.mark.parametrize("value", ["a", [], {}])
def test_text_and_containers_are_no_flags(value: Any) -> None:
    with pytest.raises(TypeError, match="must be True or False"):
        OpenMode(open=value)
    with pytest.raises(TypeError, match="must be True or False"):
        OpenMode().open = value


def test_there_are_no_other_flags() -> None:
    mode: Any = OpenMode

    with pytest.raises(TypeError):
        mode(True)
    with pytest.raises(TypeError):
        mode(close=True)
    with pytest.raises(AttributeError):
        mode().close = True


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (OpenMode(), "OpenMode()"),
        (OpenMode(open=True), "OpenMode(open=True)"),
        (OpenMode(create=True, open=True), "OpenMode(open=True, create=True)"),
        (
            OpenMode(**dict.fromkeys(FLAGS, True)),
            "OpenMode(open=True, create=True, delete_existing=True, assume_metadata=True, "
            "assume_cached_metadata=True)",
        ),
    ],
)
def test_repr_makes_an_equal_mode(mode: OpenMode, text: str) -> None:
    assert text == repr(mode)
    assert mode == eval(text)


def test_modes_are_compared_and_copied_by_their_flags() -> None:
    mode = OpenMode(create=True)

    assert mode == copy.copy(mode) == copy.deepcopy(mode) == pickle.loads(pickle.dumps(mode))
    assert mode != OpenMode()
    assert mode != object()
    with pytest.raises(TypeError):
        hash(mode)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (True, True),
        (False, False),
        ("open", "open"),
        (0, 0.0),
        (5, 5.0),
        (-1.5, -1.5),
        (np.float32(5), 5.0),
        (math.inf, True),
        (2**5000, True),
        (-math.inf, False),
        (math.nan, False),
    ],
)
def test_recheck_option(value: Any, canonical: Any) -> None:
    parsed = parse_recheck(value, "recheck_cached_data")

    assert parsed == canonical
    assert type(parsed) is type(canonical)


@pytest.mark.parametrize("value", ["x", "", None, [1], {}])
def test_anything_else_is_no_recheck_option(value: Any) -> None:
    with pytest.raises(TypeError, match="recheck_cached_data must be True"):
        parse_recheck(value, "recheck_cached_data")


def test_staleness_bound() -> None:
    before = time.time()
    now = staleness_bound(True, opened=7.0)

    assert before <= now <= time.time()
    assert staleness_bound(False, opened=7.0) == -math.inf
    assert staleness_bound("open", opened=7.0) == 7.0
    assert staleness_bound(5.0, opened=7.0) == 5.0
    assert now <= staleness_bound(math.inf, opened=7.0) <= time.time()
