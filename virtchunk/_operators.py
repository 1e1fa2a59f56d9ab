"""Why a view has no arithmetic: an operator says so, and how to read first.

Against something that brings its own operators, such as a NumPy array, that one decides: it may
read the view and compute.
"""

from __future__ import annotations

from typing import Any

__all__ = ("NoArithmetic",)

_BINARY = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "matmul": "@",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "divmod": "divmod()",
    "pow": "**",
    "lshift": "<<",
    "rshift": ">>",
    "and": "&",
    "xor": "^",
    "or": "|",
}
_COMPARISONS = {"lt": ("<", "gt"), "le": ("<=", "ge"), "gt": (">", "lt"), "ge": (">=", "le")}
_UNARY = {"neg": "-", "pos": "+", "invert": "~", "abs": "abs()"}


class NoArithmetic:
    """A base class whose operators raise `TypeError`, with a hint.

    Type checkers see no operators at all, so that they report them before the program runs.
    """

    __slots__ = ()


def _refuse(symbol: str) -> TypeError:
    return TypeError(
        f"a TensorStore has no operator {symbol}: its elements are not in memory; read them first, "
        "as in t.read().result() or await t.read(), or use numpy.asarray(t)"
    )


def _binary(symbol: str, reflected: str) -> Any:
    def operator(self: NoArithmetic, other: object) -> Any:
        kind = type(other)
        if hasattr(kind, reflected) and kind.__module__ != "builtins" and kind is not type(self):
            return NotImplemented
        raise _refuse(symbol)

    return operator


def _reflected(symbol: str) -> Any:
    def operator(self: NoArithmetic, other: object) -> Any:
        raise _refuse(symbol)

    return operator


def _unary(symbol: str) -> Any:
    def operator(self: NoArithmetic) -> Any:
        raise _refuse(symbol)

    return operator


def _define() -> None:
    made = {}
    for name, symbol in _BINARY.items():
        made[f"__{name}__"] = _binary(symbol, f"__r{name}__")
        made[f"__r{name}__"] = _reflected(symbol)
    for name, (symbol, reflected) in _COMPARISONS.items():
        made[f"__{name}__"] = _binary(symbol, f"__{reflected}__")
    for name, symbol in _UNARY.items():
        made[f"__{name}__"] = _unary(symbol)
    for name, operator in made.items():
        operator.__name__ = name
        operator.__qualname__ = f"NoArithmetic.{name}"
        setattr(NoArithmetic, name, operator)


_define()
