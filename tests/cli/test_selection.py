from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("click", reason="the command line is an extra")

from virtchunk.cli._selection import parse_selection

GOOD: dict[str, tuple[Any, ...]] = {
    "": (),
    "  ": (),
    "5": (5,),
    "-5": (-5,),
    "+5": (5,),
    "0:10,5": (slice(0, 10), 5),
    " 0 : 10 , 5 ": (slice(0, 10), 5),
    ":": (slice(None),),
    "-3:": (slice(-3, None),),
    ":-3": (slice(None, -3),),
    "::2": (slice(None, None, 2),),
    "10:0:-1": (slice(10, 0, -1),),
    "...": (...,),
    "0,...,::2": (0, ..., slice(None, None, 2)),
}

BAD = ["x", "0:x", "1.5", "1 2", "1:2:3:4", ",", "1,", ",1", "1,,2", "..", "....", "[1,2]", "None"]
HOSTILE = ["__import__('os')", "1e3", "0x10", "1_000", "...,...", "- 5", "--5", "²", "1;2"]


@pytest.mark.parametrize("text", GOOD)
def test_selection_is_what_it_would_be_between_brackets(text: str) -> None:
    assert parse_selection(text) == GOOD[text]


@pytest.mark.parametrize("text", [*BAD, *HOSTILE])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"selection"):
        parse_selection(text)
