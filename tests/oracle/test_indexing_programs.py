"""Random indexing programs give the same domains, output maps, values and errors as the original.

Checked against tensorstore 0.1.86. Known defects of the original are left out: ``exclusions``.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.index_programs import Program, run
from tests.oracle.exclusions import EXCLUSIONS, excluded
from tests.strategies_index_programs import index_programs

pytest.importorskip("tensorstore")

KINDS = ["domain", "transform", "array", "virtual"]


@pytest.mark.timeout(600)  # shrinking takes a while, and a failure that is not shrunk says little
@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_every_step_of_a_program_looks_the_same(
    kind: str, data: st.DataObject, original: Any, ours: Any
) -> None:
    program = data.draw(index_programs(original, kind, excluded), label="program")
    expected = run(original, program)
    actual = run(ours, program)

    note(str(program))
    assert expected == actual


def test_most_programs_are_valid(original: Any) -> None:
    """Programs that fail at once would compare nothing but error classes."""
    outcomes: list[bool] = []

    @settings(max_examples=60, derandomize=True, database=None, deadline=None)
    @given(index_programs(original, "transform", excluded))
    def collect(program: Program) -> None:
        outcomes.append("error" not in run(original, program)[-1])

    collect()

    assert sum(outcomes) > 0.7 * len(outcomes)


def test_every_exclusion_has_a_reason() -> None:
    assert all(exclusion.reason for exclusion in EXCLUSIONS)
