"""Indexing programs give what the original was seen to give, where the original is not installed.

The answers were observed, not written: ``tests/oracle/record_programs.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import virtchunk
from tests.index_programs import Program, run

RECORDED = json.loads(Path(__file__).with_name("recorded_programs.json").read_text())


def test_the_record_says_where_it_comes_from_and_is_not_empty() -> None:
    assert "tensorstore 0.1.86" in RECORDED["provenance"]
    assert len(RECORDED["programs"]) > 200


@pytest.mark.parametrize("record", RECORDED["programs"], ids=lambda r: r["operations"][0][:40])
def test_every_step_looks_as_recorded(record: dict[str, Any]) -> None:
    program = Program(record["base"], tuple(record["operations"]))
    observed = json.loads(json.dumps(run(virtchunk, program)))

    assert record["observed"] == observed, str(program)
