"""Every public name, member and signature of the original is here, or in a table of reasons."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("tensorstore")

import virtchunk as ts

METRICS = "counters of the original's C++ parts"
STUBS = "a detail of how the original's stubs are generated"

OMITTED = {
    "T": STUBS,
    "T_contra": STUBS,
    "experimental_collect_matching_metrics": METRICS,
    "experimental_collect_prometheus_format_metrics": METRICS,
    "experimental_push_metrics_to_prometheus": METRICS,
    "experimental_update_verbose_logging": "switches logging of the original's C++ parts",
    "parse_tensorstore_flags": "command line flags of the original's C++ parts",
    "Context.__init__": "by position, a spec and JSON go to the same parameter",
}
"""What is deliberately not here, or not as it is there.

Not in this table: values that have no hash there have one here; the classes of subscriptable
properties (``_Vindex``), which nobody names; and the submodule ``ocdbt``, a storage driver.
"""


class Parameter(NamedTuple):
    name: str
    kind: inspect._ParameterKind
    default: Any
    """The default; `inspect.Parameter.empty` for none, `...` for one that cannot be compared."""


class Member(NamedTuple):
    path: str
    kind: str
    """``"class"``, ``"function"``, ``"property"``, ``"setter"`` or ``"name"``."""
    overloads: tuple[tuple[Parameter, ...], ...] = ()


NOTHING = inspect.Parameter.empty
SUBSCRIPT_CLASS = re.compile("_[A-Z]")


def stub_file() -> Path:
    spec = importlib.util.find_spec("tensorstore")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_suffix(".pyi")


def literal(node: ast.expr | None) -> Any:
    if node is None:
        return NOTHING
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ...


def parameters(function: ast.FunctionDef) -> tuple[Parameter, ...]:
    """The parameters of a function in the stubs, without the instance."""
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    made = []
    for argument, default in zip(plain, defaults, strict=True):
        nameless = re.fullmatch(r"arg\d*", argument.arg) or argument in arguments.posonlyargs
        kind = inspect.Parameter.POSITIONAL_ONLY
        made.append(
            Parameter(
                argument.arg,
                kind if nameless else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                literal(default),
            )
        )
    if arguments.vararg:
        made.append(Parameter(arguments.vararg.arg, inspect.Parameter.VAR_POSITIONAL, NOTHING))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        made.append(Parameter(argument.arg, inspect.Parameter.KEYWORD_ONLY, literal(default)))
    return tuple(one for one in made if one.name not in {"self", "cls"})


def members(body: list[ast.stmt], prefix: str = "") -> Iterator[Member]:
    """Everything that a part of the stubs declares, overloads together."""
    functions: dict[str, list[ast.FunctionDef]] = {}
    for node in body:
        match node:
            case ast.FunctionDef():
                functions.setdefault(node.name, []).append(node)
            case ast.ClassDef() if not SUBSCRIPT_CLASS.match(node.name):
                yield Member(prefix + node.name, "class")
                yield from members(node.body, f"{prefix}{node.name}.")
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name))
            ) if name != "__hash__":
                yield Member(prefix + name, "name")
    for name, definitions in functions.items():
        decorators = {ast.unparse(one) for node in definitions for one in node.decorator_list}
        if "property" in decorators:
            yield Member(prefix + name, "property")
            if any(decorator.endswith(".setter") for decorator in decorators):
                yield Member(f"{prefix}{name}=", "setter")
        else:
            yield Member(prefix + name, "function", tuple(map(parameters, definitions)))


MEMBERS = list(members(ast.parse(stub_file().read_text(encoding="utf-8")).body))


for package in ("_schema", "_spec", "_drivers"):
    path = importlib.import_module(f"virtchunk.{package}").__path__
    for module in pkgutil.iter_modules(path, f"virtchunk.{package}."):
        importlib.import_module(module.name)


def keyword_type(annotation: str) -> Any:
    """The class behind ``**keywords: Unpack[Keywords]``; found by name, wherever it is."""
    (name,) = re.findall(r"Unpack\[(\w+)\]", annotation)
    return next(
        vars(module)[name]
        for path, module in sys.modules.items()
        if path.startswith("virtchunk.") and name in vars(module)
    )


def expanded(function: Any) -> Iterator[Parameter]:
    """The parameters of one of our functions, with those of an unpacked ``TypedDict``."""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD and "Unpack" in str(parameter.annotation):
            for name in keyword_type(parameter.annotation).__annotations__:
                yield Parameter(name, inspect.Parameter.KEYWORD_ONLY, ...)
        elif parameter.name not in {"self", "cls"}:
            yield Parameter(parameter.name, parameter.kind, parameter.default)


def signatures(owner: Any, name: str) -> list[list[Parameter]]:
    """Our overloads of a function; a constructor's, whichever method it is."""
    if name in {"__init__", "__new__"}:
        name = "__init__" if "__init__" in vars(owner) else "__new__"
    function = getattr(owner, name)
    plain = getattr(function, "__func__", function)
    found = typing.get_overloads(plain) if hasattr(plain, "__module__") else []
    return [list(expanded(one)) for one in [*found, function]]


def accepts(ours: list[Parameter], theirs: tuple[Parameter, ...], special: bool = False) -> bool:
    """Whether each call that their signature allows is allowed by ours, and means the same.

    Args:
        ours: Our parameters.
        theirs: Those of the original.
        special: Whether the arguments are only ever given by position.
    """
    places = {parameter.name: place for place, parameter in enumerate(ours)}
    used = []
    for place, their in enumerate(theirs):
        nameless = special or their.kind is inspect.Parameter.POSITIONAL_ONLY
        where = place if nameless else places.get(their.name, len(ours))
        if where >= len(ours) or not stands_for(ours[where], their, nameless, where == place):
            return False
        used.append(where)
    others = [own for place, own in enumerate(ours) if place not in used]
    return all(own.default is not NOTHING or "VAR" in own.kind.name for own in others)


def stands_for(own: Parameter, their: Parameter, nameless: bool, same_place: bool) -> bool:
    """Whether one of our parameters takes what one of theirs does."""
    if nameless:
        fits = own.kind is not inspect.Parameter.KEYWORD_ONLY
    elif their.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
        fits = same_place and own.kind is their.kind
    else:
        fits = own.kind is not inspect.Parameter.POSITIONAL_ONLY
    defaults = (their.default, own.default)
    if their.default is NOTHING or ... in defaults:
        return fits and (their.default is NOTHING or own.default is not NOTHING)
    # Where theirs is "" by a mistake of the stubs, the bytes b"" are meant.
    return fits and (their.default == own.default or defaults == ("", b""))


def accepted(ours: list[list[Parameter]], theirs: tuple[Parameter, ...], special: bool) -> bool:
    """Whether one of our overloads accepts one of theirs; or one by position, another by name."""
    if any(accepts(own, theirs, special) for own in ours):
        return True
    if not theirs:
        return False
    first, *others = theirs
    by_position = (first._replace(kind=inspect.Parameter.POSITIONAL_ONLY), *others)
    by_name = tuple(their._replace(kind=inspect.Parameter.KEYWORD_ONLY) for their in theirs)
    strict = [own for own in ours if own and own[0].kind is inspect.Parameter.POSITIONAL_ONLY]
    return any(accepts(own, by_position) for own in strict) and any(
        accepts(own, by_name) for own in ours
    )


def can_be_assigned(owner: type, descriptor: object) -> bool:
    if isinstance(descriptor, property):
        return descriptor.fset is not None
    return inspect.isdatadescriptor(descriptor) and "frozen" not in owner.__setattr__.__qualname__


def resolve(path: str) -> tuple[Any, str]:
    """The object that has a member, and the member's name."""
    *owners, name = path.rstrip("=").split(".")
    owner: Any = ts
    for part in owners:
        owner = getattr(owner, part)
    return owner, name


def differs(member: Member) -> bool:
    """Whether a member of the original is not here, or not as it is there."""
    owner, name = resolve(member.path)
    try:
        ours = inspect.getattr_static(owner, name)
    except AttributeError:
        return getattr(owner, name, None) is None and name != "newaxis"
    match member.kind:
        case "class":
            return not isinstance(getattr(owner, name), type)
        case "property":
            return callable(ours) and not inspect.isdatadescriptor(ours)
        case "setter":
            return not can_be_assigned(owner, ours)
        case "function":
            special = name.startswith("__") and name not in {"__init__", "__new__", "__call__"}
            own = signatures(owner, name)
            return not all(accepted(own, their, special) for their in member.overloads)
    return False


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: f"{member.path}-{member.kind}")
def test_each_member_is_here_as_it_is_there_or_left_out_for_a_reason(member: Member) -> None:
    assert differs(member) == (member.path in OMITTED)


def test_what_is_left_out_is_in_the_original() -> None:
    assert set(OMITTED) <= {member.path for member in MEMBERS}


def test_the_stubs_have_been_read() -> None:
    kinds = [member.kind for member in MEMBERS]

    assert len(MEMBERS) > 400
    assert kinds.count("function") > 200
    assert kinds.count("property") > 150


@pytest.mark.parametrize(
    ("ours", "theirs", "fits"),
    [
        ("a, b=None", "a, b=None", True),
        ("a, b=None, *, c=1", "a, b=None", True),
        ("a, b=None, *, c", "a, b=None", False),
        ("b, a", "a, b", False),
        ("a, *, b=None", "a, b=None", False),
        ("a, b=None", "a, *, b=None", True),
        ("a, b=2", "a, b=None", False),
        ("a, b", "a, b=None", False),
        ("a", "a, b=None", False),
        ("other", "arg0", True),
        ("other, /", "arg0", True),
        ("other, /", "a", False),
    ],
)
def test_signatures_are_compared_as_callers_see_them(ours: str, theirs: str, fits: bool) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def function({ours}): ...", namespace)
    (their,) = ast.parse(f"def function({theirs}): ...").body
    assert isinstance(their, ast.FunctionDef)

    assert accepted([list(expanded(namespace["function"]))], parameters(their), False) is fits


@pytest.mark.parametrize(
    "path",
    [member.path for member in MEMBERS if member.kind == "class" and member.path not in OMITTED],
)
def test_classes_have_the_path_that_users_import_from(path: str) -> None:
    owner, name = resolve(path)
    found = getattr(owner, name)

    assert (found.__module__, found.__qualname__) == ("virtchunk", path)
