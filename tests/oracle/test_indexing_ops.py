"""Random chains of indexing operations do the same here as in tensorstore 0.1.86.

A chain starts with a domain or a transform and applies up to five operations.  Each operation is
source text, evaluated for both libraries.  After each step the domain and the output maps (as
JSON), or the class of the error, must be equal.  ``VIRTCHUNK_CHAINS`` sets the number of chains.

``indexing_cases.txt`` holds expressions written by hand, for what chance does not find.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.oracle.exclusions import excluded

CASES = [
    line
    for line in Path(__file__).with_name("indexing_cases.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
CHAINS = int(os.environ.get("VIRTCHUNK_CHAINS", "400"))
LABELS = ["x", "y", "z", "w"]


class Generator:
    """Writes operations that mostly make sense for a given domain."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def base(self) -> str:
        """A domain, or a transform with any kind of output map."""
        rank = self.random.choice([0, 1, 1, 2, 2, 2, 3, 3, 4, 6])
        labels = self.random.sample([*LABELS, "", "", "", ""], min(rank, 8))
        dims = ", ".join(self.dimension(label) for label in labels)
        domain = f"ts.IndexDomain([{dims}])"
        if self.chance(0.3):
            return domain
        if self.chance(0.5):
            return f"ts.IndexTransform({domain})"
        maps = ", ".join(self.output_map(rank) for _ in range(self.random.randrange(5)))
        return f"ts.IndexTransform({domain}, [{maps}])"

    def dimension(self, label: str) -> str:
        kind = self.random.randrange(6)
        lower = self.random.randrange(-8, 8)
        upper = lower + self.random.choice([0, 1, 2, 5, 9, 20])
        parts = [f"label={label!r}"]
        if kind != 1:
            parts.append(f"inclusive_min={lower}")
        if kind != 2:
            parts.append(f"exclusive_max={upper}")
        if self.chance(0.3):
            parts.append(f"implicit_lower={self.chance(0.5)}")
        if self.chance(0.3):
            parts.append(f"implicit_upper={self.chance(0.5)}")
        return f"ts.Dim({', '.join(parts)})"

    def output_map(self, rank: int) -> str:
        offset = self.random.randrange(-5, 6)
        if rank == 0 or self.chance(0.2):
            return f"ts.OutputIndexMap({offset})"
        stride = self.random.choice([1, 1, 1, 2, -1, -3])
        dim = self.random.randrange(rank)
        return f"ts.OutputIndexMap({dim}, {offset}, {stride})"

    def operation(self, domain: Any, is_domain: bool) -> str:
        """One operation, as text to follow an expression for something with this domain."""
        rank = domain.rank
        expression = f"[{self.expression(domain)}]"
        direct = self.direct(domain)
        other = f"[{self.other_domain(domain)}]"
        if is_domain:
            return self.random.choice([expression, expression, direct, other])
        mode = self.random.choice(["", "", "", ".oindex", ".vindex"])
        numpy_style = f"{mode}[{self.numpy_index(domain, list(range(rank)), newaxis=True)}]"
        transform = f"[{self.inner_transform(domain)}]"
        return self.random.choice(
            [
                expression,
                expression,
                numpy_style,
                numpy_style,
                numpy_style,
                direct,
                other,
                transform,
            ]
        )

    # NumPy-style indexing

    def coordinate(self, domain: Any, dim: int) -> int:
        lower, upper = self.bounds(domain, dim)
        spread = 0 if self.chance(0.93) else 2
        return self.random.randint(lower - spread, max(lower, upper - 1) + spread)

    def bounds(self, domain: Any, dim: int) -> tuple[int, int]:
        """Finite numbers near the domain; a made-up dimension if it does not exist."""
        if dim >= domain.rank:
            return 0, 5
        lower, upper = domain.inclusive_min[dim], domain.exclusive_max[dim]
        if lower < -(2**60):
            lower = min(upper, 100) - 7
        if upper > 2**60:
            upper = lower + 9
        return lower, upper

    def slice(self, domain: Any, dim: int, reverse: bool = True) -> str:
        if self.chance(0.3):
            return ":"
        lower, upper = self.bounds(domain, dim)
        spread = 0 if self.chance(0.9) else 2
        start = self.random.randint(lower - spread, upper + spread)
        stop = self.random.randint(start, max(start, upper + spread))
        step = self.random.choice(["", "", "", ":1", ":2", ":3", ":-1", ":-2", ":20", ":0"][:10])
        if step == ":0" and self.chance(0.8):
            step = ""
        if step.startswith(":-") and not reverse:
            step = ""
        if step.startswith(":-"):
            start, stop = stop - 1, start - 1
        first = "" if self.chance(0.3) else str(start)
        last = "" if self.chance(0.3) else str(stop)
        return f"{first}:{last}{step}"

    def array(self, domain: Any, dim: int, shape: tuple[int, ...]) -> str:
        values = [self.coordinate(domain, dim) for _ in range(int(np.prod(shape)))]
        text = str(np.reshape(np.array(values, dtype=np.int64), shape).tolist())
        return f"np.zeros({shape}, dtype=int)" if 0 in shape else text

    def mask(self, shape: tuple[int, ...]) -> str:
        values = [self.chance(0.4) for _ in range(int(np.prod(shape)))]
        if not shape:
            return self.random.choice(["True", "False"])
        return f"np.array({values}, dtype=bool).reshape({shape})"

    def numpy_index(self, domain: Any, dims: list[int], newaxis: bool, reverse: bool = True) -> str:
        """Terms for ``dims``, in this order; most often as many as there are.

        Without ``reverse`` there is no slice with a negative step: after another operation nobody
        here knows whether bounds are implicit, for which the original gets it wrong.
        """
        terms: list[str] = []
        shape = self.random.choice([(2,), (3,), (1,), (2, 2), (1, 3), (0,)])
        remaining = list(dims)
        extra = self.chance(0.04)
        array_rate = self.random.choice([0.0, 0.0, 0.2, 0.6])
        while remaining or extra:
            if not remaining:
                remaining, extra = [dims[-1] if dims else 0], False
            if newaxis and self.chance(0.1):
                terms.append("None")
            if self.chance(array_rate * 0.15):
                terms.append(self.mask(()))
            if self.chance(array_rate):
                if self.chance(0.25):
                    size = self.random.randint(1, min(2, len(remaining)))
                    dims_used = remaining[:size]
                    extents = tuple(max(1, min(6, self.bounds(domain, d)[1])) for d in dims_used)
                    terms.append(self.mask(extents))
                    del remaining[:size]
                    continue
                broadcast = tuple(1 if self.chance(0.1) else n for n in shape)
                wrong = (*shape[:-1], 4) if self.chance(0.03) else broadcast
                terms.append(self.array(domain, remaining.pop(0), wrong))
            elif self.chance(0.4):
                terms.append(str(self.coordinate(domain, remaining.pop(0))))
            else:
                terms.append(self.slice(domain, remaining.pop(0), reverse))
        if self.chance(0.3):
            at = self.random.randint(0, len(terms))
            to = self.random.randint(at, min(len(terms), at + 2))
            terms[at:to] = ["..."]
        elif self.chance(0.2) and newaxis and terms:
            terms.pop()
        if self.chance(0.01):
            terms.append(self.random.choice(["...", "'x'", "1.5", "[1.5]", "slice('a')", "2**62"]))
        if len(terms) == 1 and self.chance(0.7):
            return terms[0]
        return ", ".join(terms) + "," if terms else "()"

    # Dimension expressions

    def selection(self, domain: Any, dims: list[int]) -> str:
        items: list[str] = []
        for dim in dims:
            label = domain.labels[dim] if dim < domain.rank else ""
            if label and self.chance(0.5):
                items.append(repr(label))
            elif self.chance(0.3):
                items.append(str(dim - domain.rank))
            else:
                items.append(str(dim))
        if self.chance(0.02):
            items.append(self.random.choice(["'nope'", "9", "-9", "0", "2:1", "::2", "'x'"]))
        if self.chance(0.15) and items:
            items = [f"[{', '.join(items)}]"]
        return ", ".join(items) or "()"

    def expression(self, domain: Any) -> str:
        rank = domain.rank
        dims = self.random.sample(range(rank), self.random.randint(0, rank))
        if self.chance(0.4):
            dims.sort()
        text = f"ts.d[{self.selection(domain, dims)}]"
        if self.chance(0.2):
            ranges = [":", "::-1", ":1", "1:", "-2:", "::2", "0:2", ":-1", "-1::-1"]
            text = f"ts.d[{self.random.choice(ranges)}]"
            dims = list(range(rank))
        if self.chance(0.12):
            return f"ts.d[{self.new_dimensions(domain)}"
        for position in range(self.random.choice([0, 1, 1, 1, 1, 1, 2, 2, 3])):
            text += self.step(domain, dims, position)
        return text

    def new_dimensions(self, domain: Any) -> str:
        """A first operation with newaxis, with its selection."""
        places = self.random.sample(range(domain.rank + 2), self.random.randint(1, 2))
        names = [str(place - domain.rank - 2 if self.chance(0.3) else place) for place in places]
        terms = ["None" if self.chance(0.7) else ":" for _ in places]
        selection = ", ".join(names)
        if self.chance(0.2):
            selection = self.random.choice(["0:2", "-2:", ":1", "1:", "-3:-1", "2::-1", "::2", ":"])
        if self.chance(0.1) and domain.rank:
            selection += f", {self.random.choice(list(domain.labels))!r}"
            terms.append(":")
        rest = ".label['n', '']" if self.chance(0.2) else ""
        index = "None" if self.chance(0.4) else ", ".join(terms) + ","
        return f"{selection}][{index}]{rest}"

    def vector(self, count: int, values: list[int]) -> str:
        if self.chance(0.3):
            return str(self.random.choice(values))
        count += self.chance(0.03)
        items = [
            "None" if self.chance(0.15) else str(self.random.choice(values)) for _ in range(count)
        ]
        return ", ".join(items) + "," if items else str(values[0])

    def step(self, domain: Any, dims: list[int], position: int) -> str:
        """One operation of an expression; after the first, ``dims`` is only a guess."""
        count = len(dims)
        kind = self.random.randrange(14)
        if kind < 5:
            mode = self.random.choice(["", "", "", ".oindex", ".vindex"])
            if self.chance(0.2) and dims:
                return f"{mode}[{self.slice(domain, dims[0], reverse=not position)}]"
            if self.chance(0.05) and count == 2:
                lower = [self.bounds(domain, dim)[0] for dim in dims]
                return f"[{lower}:]"
            index = self.numpy_index(domain, dims, newaxis=False, reverse=not position)
            return f"{mode}[{index}]"
        if kind < 8:
            name = self.random.choice(["translate_to", "translate_by", "translate_backward_by"])
            return f".{name}[{self.vector(count, [-7, -1, 0, 1, 2, 10])}]"
        if kind == 8:
            return f".stride[{self.vector(count, [1, 2, 3, -1, -2, 5])}]"
        if kind == 9:
            return f".label[{self.label_list(count)}]"
        if kind == 10:
            return ".diagonal"
        if kind == 11:
            return f".mark_bounds_implicit[{self.flags()}]"
        places = self.random.sample(range(domain.rank), min(count, domain.rank))
        targets = [str(place - domain.rank if self.chance(0.2) else place) for place in places]
        if self.chance(0.4):
            choices = ["0", "-1", "1", ":", "::-1", "2", "'x'", "-2", "0:2"]
            targets = [self.random.choice(choices)]
        return f".transpose[{', '.join(targets) or '()'}]"

    def label_list(self, count: int) -> str:
        count += self.chance(0.03)
        labels = [self.random.choice([*"abcdefgh", "", "", "x"]) for _ in range(count)]
        return ", ".join(map(repr, labels)) + "," if labels else "()"

    def flags(self) -> str:
        return self.random.choice(["True", "False", "None", ":True", "True:False", "False:", ":"])

    # The rest

    def direct(self, domain: Any) -> str:
        count = domain.rank
        kind = self.random.randrange(6)
        if kind < 3:
            name = self.random.choice(["translate_to", "translate_by", "translate_backward_by"])
            return f".{name}[{self.vector(count, [-7, 0, 1, 10])}]"
        if kind == 3:
            return f".label[{self.label_list(count)}]"
        if kind == 4:
            return f".mark_bounds_implicit[{self.flags()}]"
        order = self.random.sample(range(count), count)
        return self.random.choice([".T", ".transpose()", f".transpose({order})", ".transpose([0])"])

    def other_domain(self, domain: Any) -> str:
        dims = list(range(domain.rank))
        labels = [domain.labels[dim] for dim in dims]
        if self.chance(0.4):
            self.random.shuffle(dims)
            labels = [domain.labels[dim] for dim in dims]
        if any(labels) and self.chance(0.3):
            dims = [dim for dim in dims if domain.labels[dim] and self.chance(0.7)]
            labels = [domain.labels[dim] for dim in dims]
        elif self.chance(0.3):
            labels = [""] * len(dims)
        elif not any(labels) and self.chance(0.3):
            labels = ["p", "q", "", "r", "", "", "", ""][: len(dims)]
        parts = []
        for dim, label in zip(dims, labels, strict=False):
            lower = self.coordinate(domain, dim)
            upper = max(lower, self.coordinate(domain, dim) + 1)
            implicit = ", implicit_lower=True" if self.chance(0.2) else ""
            parts.append(f"ts.Dim({lower}, {upper}, label={label!r}{implicit})")
        if self.chance(0.03):
            parts.append("ts.Dim(3)")
        return f"ts.IndexDomain([{', '.join(parts)}])"

    def inner_transform(self, domain: Any) -> str:
        maps = []
        for dim in range(domain.rank):
            if self.chance(0.3):
                maps.append(f"ts.OutputIndexMap({self.coordinate(domain, dim)})")
            elif self.chance(0.3):
                array = self.array(domain, dim, (2, 1))
                maps.append(f"ts.OutputIndexMap({array})")
            else:
                maps.append(
                    f"ts.OutputIndexMap({self.random.randrange(2)}, {self.random.randrange(3)})"
                )
        dims = "ts.Dim(2, label='p'), ts.Dim(implicit_lower=True, implicit_upper=True)"
        return f"ts.IndexTransform([{dims}], [{', '.join(maps)}])"


def observe(module: Any, source: str, x: Any) -> tuple[Any, Any]:
    """Evaluate; return the value, or ``None``, and what has to be equal."""
    try:
        value = eval(source, {"ts": module, "np": np, "x": x})
        json = value.to_json()
    except Exception as error:  # whatever it is, its class is compared
        return None, type(error).__name__
    return value, (json, array_ranges(value))


def array_ranges(value: Any) -> list[str]:
    """JSON leaves out index ranges that hold; they decide about later errors."""
    output = getattr(value, "output", ())
    return [str(m.index_range) for m in output if m.index_array is not None]


def empty_but_implicit(domain: Any) -> bool:
    """Whether there is no element, but an implicit bound could give it some."""
    return any(dim.size == 0 and (dim.implicit_lower or dim.implicit_upper) for dim in list(domain))


def has_one_entry_array(value: Any) -> bool:
    output = getattr(value, "output", ())
    return any(m.index_array is not None and m.index_array.size == 1 for m in output)


def compare_chain(original: Any, ours: Any, seed: int) -> list[str]:
    """Run one chain in both libraries and return its source.

    Raises:
      AssertionError: At the first step that differs.
    """
    generator = Generator(seed)
    base = generator.base()
    history = [base]
    theirs, expected = observe(original, base, None)
    mine, actual = observe(ours, base, None)
    assert expected == actual, history
    for _ in range(generator.random.randint(1, 5)):
        if theirs is None:
            break
        is_domain = "IndexDomain" in type(theirs).__name__
        domain = theirs if is_domain else theirs.domain
        if not is_domain and empty_but_implicit(domain) and array_ranges(theirs):
            break  # The original crashes or returns garbage.
        if has_one_entry_array(theirs):
            break  # Not always simplified there; composing makes a constant of ours only.
        operation = generator.operation(domain, is_domain)
        if excluded(theirs, operation):
            continue
        history.append(f"x{operation}")
        theirs, expected = observe(original, f"x{operation}", theirs)
        mine, actual = observe(ours, f"x{operation}", mine)
        assert expected == actual, "\n".join(history)
    return history


@pytest.mark.parametrize("seed", range(CHAINS), ids=str)
def test_a_chain_of_operations_gives_the_same_domain_maps_and_errors(
    seed: int, original: Any, ours: Any
) -> None:
    compare_chain(original, ours, seed)


def names(module: Any) -> dict[str, Any]:
    """What the expressions in ``indexing_cases.txt`` mention."""
    t = module.IndexTransform(
        input_inclusive_min=[0, -5, 3], input_exclusive_max=[10, 5, 20], input_labels=["x", "", "z"]
    )
    return {"ts": module, "np": np, "d": module.d, "t": t, "u": module.IndexTransform(4)}


def outcome(module: Any, source: str) -> Any:
    try:
        value = eval(source, names(module))
        return value.to_json() if hasattr(value, "to_json") else repr(value)
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("source", CASES)
def test_an_expression_has_the_same_value_or_error(source: str, original: Any, ours: Any) -> None:
    assert outcome(original, source) == outcome(ours, source)
