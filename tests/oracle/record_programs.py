"""Write down what the original answers, for runs of the tests where it is not installed.

Run from the project's root, with the version of tensorstore that the answers are attributed to::

    python -m tests.oracle.record_programs

Drawn programs are the same on every run as long as the strategies and Hypothesis stay the same;
the chosen ones are here because each shows a rule that a reader would not guess.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tensorstore
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.index_programs import Observation, Program, run
from tests.oracle.exclusions import excluded
from tests.strategies_index_programs import index_programs

RECORDED = Path(__file__).parents[1] / "index" / "recorded_programs.json"
DRAWN = {"domain": 50, "transform": 110, "array": 30, "virtual": 20}
LONGEST = 2_000  # characters of one record; longer ones teach nothing more

PLAIN = "ts.IndexTransform(input_inclusive_min=[2, -3, 0], input_shape=[8, 6, 5])"
LABELLED = PLAIN[:-1] + ", input_labels=['x', 'y', 'z'])"
UNBOUNDED = "ts.IndexTransform(input_labels=['x', 'y', ''])"
DOMAIN = "ts.IndexDomain(inclusive_min=[2, -3, 0], shape=[8, 6, 5], labels=['x', '', 'z'])"

CHOSEN = [
    # Coordinates are absolute; striding divides the origin, rounding towards zero.
    (PLAIN, ["[2]"]),
    (PLAIN, ["[-1]"]),
    (PLAIN, ["[:, -1]"]),
    (PLAIN, ["[3:9:2]", "[2]"]),
    (PLAIN, ["[:, -3:3:2]"]),
    (PLAIN, ["[:, ::-2]"]),
    (PLAIN, ["[9:2:-3]", ".translate_to[0]"]),
    (PLAIN, ["[0:4]"]),
    (PLAIN, ["[4:4]"]),
    (PLAIN, ["[::0]"]),
    (PLAIN, ["[..., 1]"]),
    (PLAIN, ["[..., 1, ...]"]),
    (PLAIN, ["[2, 2, 2, 2]"]),
    (PLAIN, ["[ts.newaxis, 3, :, ts.newaxis]"]),
    (PLAIN, ["['x']"]),
    (PLAIN, ["[1.5]"]),
    (PLAIN, ["[2**62]"]),
    (PLAIN, ["[2**70]"]),
    # Index arrays: where their dimensions go, size 1, size 0, out of range only when used.
    (PLAIN, ["[[2, 3], [0, 1]]"]),
    (PLAIN, ["[[2, 3], :, [0, 1]]"]),
    (PLAIN, ["[:, [0, 1], [0, 1]]"]),
    (PLAIN, ["[:, [[0], [1]], [0, 1, 2]]"]),
    (PLAIN, [".vindex[:, [0, 1], [0, 1]]"]),
    (PLAIN, [".oindex[[2, 3], [0, 1, 2], 4]"]),
    (PLAIN, ["[[5]]"]),
    (PLAIN, ["[np.zeros((0, 2), 'int64')]"]),
    (PLAIN, ["[[2, 30]]"]),
    (PLAIN, ["[[2, 3], [0, 1, 2]]"]),
    (PLAIN, ["[[2, 3, 4]]", "[::-1]", "[-1]"]),
    (PLAIN, ["[True]"]),
    (PLAIN, ["[np.array(False)]"]),
    (PLAIN, ["[[[False, False, True], [True, False, False]]]"]),
    (PLAIN, [".oindex[[False, False, True, True], ..., [True, False, True]]"]),
    # Dimension expressions.
    (LABELLED, ["[ts.d['z', 'x'][1, 3]]"]),
    (LABELLED, ["[ts.d['x', 'z'][1:3]]"]),
    (LABELLED, ["[ts.d['x', 'z'][[2, 1]:[4, 3]]]"]),
    (LABELLED, ["[ts.d['x', 'z'][[2, 3], [1, 2]]]"]),
    (LABELLED, ["[ts.d['z', 'x'].oindex[[1, 2], [2, 3, 4]]]"]),
    (LABELLED, ["[ts.d['z', 'x'].translate_to[0].transpose[0].label['a', 'b']]"]),
    (LABELLED, ["[ts.d['x', 'y'].diagonal.label['xy']]"]),
    (LABELLED, ["[ts.d[:].stride[2]]"]),
    (LABELLED, ["[ts.d['y'].stride[-2]]"]),
    (LABELLED, ["[ts.d['x', 'y'].transpose[-1]]"]),
    (LABELLED, ["[ts.d['x', 'x'][1]]"]),
    (LABELLED, ["[ts.d['w'][1]]"]),
    (LABELLED, ["[ts.d['x', 'y'].label['y', 'x']]"]),
    (LABELLED, ["[ts.d['x'].label['z']]"]),
    (LABELLED, ["[ts.d[1][ts.newaxis].label['new']]"]),
    (LABELLED, ["[ts.d['x'][ts.newaxis]]"]),
    (LABELLED, ["[ts.d[0].translate_by[5][ts.newaxis]]"]),
    (LABELLED, ["[ts.d[0]]"]),
    (LABELLED, [".mark_bounds_implicit[True]", "[-100:100]", ".mark_bounds_implicit[False:]"]),
    # Infinite bounds and the ends of the index range.
    (UNBOUNDED, ["[1:5, ::2]"]),
    (UNBOUNDED, ["[::2]"]),
    (UNBOUNDED, [".translate_to[1]"]),
    (UNBOUNDED, [".translate_by[2**62 - 1]"]),
    (UNBOUNDED, ["[5:]", ".translate_by[2**62 - 2]"]),
    (UNBOUNDED, ["[ts.d['x', 'y'][3:7].diagonal]"]),
    # Indexing with domains and transforms.
    (PLAIN, ["[ts.IndexDomain(inclusive_min=[3, 0, 1], shape=[2, 2, 2])]"]),
    (PLAIN, ["[ts.IndexDomain(inclusive_min=[3, 0, 1], shape=[2, 2, 2], labels=['a', 'b', ''])]"]),
    (LABELLED, ["[ts.IndexDomain(inclusive_min=[1, 3], shape=[2, 2], labels=['z', 'x'])]"]),
    (LABELLED, ["[ts.IndexDomain(inclusive_min=[3], shape=[2])]"]),
    (LABELLED, ["[ts.IndexDomain(inclusive_min=[3], shape=[2], labels=['w'])]"]),
    (PLAIN, ["[ts.IndexDomain(inclusive_min=[0, 0, 0], shape=[3, 2, 2])]"]),
    (
        PLAIN,
        [
            "[ts.IndexTransform(2, output=[ts.OutputIndexMap(3), ts.OutputIndexMap(0, 1, 2), "
            "ts.OutputIndexMap(0, 4, -1)])]"
        ],
    ),
    (PLAIN, ["[ts.IndexTransform(1, output=[ts.OutputIndexMap(0)])]"]),
    # Domains.
    (DOMAIN, ["['z', 'x']"]),
    (DOMAIN, ["['x']"]),
    (DOMAIN, ["[-1]"]),
    (DOMAIN, ["[::-2]"]),
    (DOMAIN, ["['x', 0]"]),
    (DOMAIN, ["[5]"]),
    (DOMAIN, ["['w']"]),
    (DOMAIN, [".T", ".translate_to[0]", ".label['a', 'b', 'c']"]),
    (DOMAIN, ["[ts.d['z'][[3, 1]]]"]),
    (DOMAIN, [".intersect(ts.IndexDomain(shape=[4, 4, 4], labels=['', 'y', 'z']))"]),
    (DOMAIN, [".hull(ts.IndexDomain(shape=[4, 4, 4], labels=['w', '', '']))"]),
    (DOMAIN, [".intersect(ts.IndexDomain(shape=[4, 4]))"]),
]


def drawn(kind: str, count: int) -> list[Program]:
    """The same different programs every time."""
    found: dict[str, Program] = {}

    @seed(1)
    @settings(
        max_examples=count * 6,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(index_programs(tensorstore, kind, excluded))
    def collect(program: Program) -> None:
        steps = program.operations
        dull = not steps or len(set(steps)) < len(steps) or "inclusive_min=[]" in program.base
        if not dull and len(json.dumps(record(program))) <= LONGEST:
            found[str(program)] = program

    collect()
    return random.Random(1).sample(list(found.values()), count)


def record(program: Program) -> dict[str, Any]:
    """The program beside what the original answers."""
    observed: list[Observation] = run(tensorstore, program)
    return {"base": program.base, "operations": program.operations, "observed": observed}


def main() -> None:
    """Ask the original and write the file."""
    chosen = [Program(base, tuple(operations)) for base, operations in CHOSEN]
    programs = chosen + [program for item in DRAWN.items() for program in drawn(*item)]
    records = [record(program) for program in programs]
    lines = ",\n".join(json.dumps(item) for item in records)
    provenance = json.dumps(
        f"Observed by running tensorstore {version('tensorstore')} from PyPI; written by "
        "tests/oracle/record_programs.py, never by hand."
    )
    RECORDED.write_text(f'{{"provenance": {provenance},\n"programs": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
