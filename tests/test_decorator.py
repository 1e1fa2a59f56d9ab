"""`computed`: views of what functions of a domain return."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, assert_type

import anyio
import anyio.lowlevel
import numpy as np
import pytest

import virtchunk as ts

if TYPE_CHECKING:
    from pathlib import Path

Array = np.ndarray[Any, Any]

VALUES = np.arange(60).reshape(10, 6)
CHUNKS = ts.ChunkLayout(read_chunk_shape=[4, 3])


@ts.computed(dtype=ts.int64, shape=[10, 6], chunk_layout=CHUNKS)
def numbers(domain: ts.IndexDomain) -> Array:
    """Count through the rows."""
    return VALUES[domain.index_exp]


@ts.computed(dtype=ts.int64, shape=[10, 6], chunk_layout=CHUNKS)
async def later(domain: ts.IndexDomain) -> Array:
    await anyio.lowlevel.checkpoint()
    return VALUES[domain.index_exp]


class Shelf:
    """A namespace, for a qualified name of two parts."""

    @ts.computed(dtype=ts.int64, shape=[10, 6])
    def inner(domain: ts.IndexDomain) -> Array:
        return VALUES[domain.index_exp]


def plain(domain: ts.IndexDomain) -> Array:
    return VALUES[domain.index_exp]


def make(function: Any, **keywords: Any) -> ts.TensorStore:
    return ts.computed(function, **{"dtype": ts.int64, "shape": [10, 6], **keywords})


def returning(result: Any, **keywords: Any) -> ts.TensorStore:
    def answer(domain: ts.IndexDomain) -> Any:
        return result

    return make(answer, **{"shape": [2, 3], **keywords})


# -- what it makes ---------------------------------------------------------------------------------


def test_a_decorated_function_is_a_view() -> None:
    assert_type(numbers, ts.TensorStore)
    assert numbers.mode == "r"
    assert numbers.chunk_layout.read_chunk.shape == (4, 3)
    np.testing.assert_array_equal(numbers.read().result(), VALUES)
    np.testing.assert_array_equal(numbers[::-2, 1].read().result(), VALUES[::-2, 1])


async def test_a_decorated_coroutine_function_is_a_view() -> None:
    assert_type(later, ts.TensorStore)
    np.testing.assert_array_equal(await later[2:9].read(), VALUES[2:9])
    np.testing.assert_array_equal(await numbers[2:9].read(), VALUES[2:9])


def test_a_function_may_be_passed_as_well() -> None:
    view = ts.computed(plain, dtype=ts.int64, shape=[10, 6])

    assert_type(view, ts.TensorStore)
    np.testing.assert_array_equal(view.read().result(), VALUES)


@pytest.mark.parametrize(
    "function",
    [
        lambda domain: later[domain].read(),
        partial(lambda offset, domain: _later(domain, offset), 0),
        type("Callable", (), {"__call__": lambda self, domain: _later(domain, 0)})(),
    ],
    ids=["future", "partial", "callable"],
)
async def test_what_is_returned_may_be_awaitable(function: Any) -> None:
    np.testing.assert_array_equal(await make(function).read(), VALUES)


async def _later(domain: ts.IndexDomain, offset: int) -> Array:
    await anyio.lowlevel.checkpoint()
    return VALUES[domain.index_exp] + offset


def test_each_chunk_is_asked_for_once_with_its_whole_domain() -> None:
    asked = []

    def note(domain: ts.IndexDomain) -> Array:
        asked.append(str(domain))
        return VALUES[domain.index_exp]

    make(note, chunk_layout=CHUNKS)[3:5, 4:].read().result()

    assert sorted(asked) == ["{ [0, 4), [3, 6) }", "{ [4, 8), [3, 6) }"]


def test_it_takes_irregular_chunks() -> None:
    view = make(plain, chunks=((3, 5, 2), 6))

    np.testing.assert_array_equal(view.read().result(), VALUES)
    assert view._driver.cut(view._transform).total == 3


# -- what may be returned --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "result",
    [
        np.ones((2, 3), np.int64),
        np.ones((2, 3), np.uint8),
        np.ones((3, 2), np.int64).T,
        np.broadcast_to(1, (2, 3)),
        [[1, 1, 1], [1, 1, 1]],
        ts.array(np.ones((2, 3), np.int64)),
    ],
    ids=["array", "narrower", "transposed", "broadcast", "lists", "view"],
)
def test_arrays_of_the_chunks_shape_that_convert_safely_are_taken(result: Any) -> None:
    read = returning(result).read().result()

    np.testing.assert_array_equal(read, np.ones((2, 3)))
    assert read.dtype == np.int64


def test_what_was_returned_stays_the_functions_own() -> None:
    kept = np.ones((2, 3), np.int64)
    read = returning(kept).read().result()
    read[...] = 5

    assert (kept == 1).all()


def test_a_view_without_dimensions_takes_scalars() -> None:
    assert returning(5, shape=[]).read().result() == 5


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (None, TypeError, "answer returned None for chunk { [0, 2), [0, 3) }; return an array"),
        (np.ones((3, 2), int), ValueError, "an array of shape (3, 2) and data type int64 for"),
        (np.ones(3, int), ValueError, "return an array of shape (2, 3) and data type int64"),
        (5, ValueError, "answer returned 5 for chunk { [0, 2), [0, 3) }; return an array"),
        ([], ValueError, "answer returned [] for chunk"),
        (
            np.ones((2, 3)),
            TypeError,
            "data type float64 for chunk { [0, 2), [0, 3) }, which is not",
        ),
        ([["x"] * 3] * 2, TypeError, "which is not a safe conversion"),
        (list(range(99)), ValueError, " 15, 16, 1... for chunk"),
    ],
    ids=["none", "shape", "rank", "scalar", "empty", "dtype", "text", "long"],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_anything_else_is_an_error_that_tells_what_came_and_what_is_allowed(
    result: Any, error: type[Exception], message: str, is_async: bool
) -> None:
    async def answer(domain: ts.IndexDomain) -> Any:
        return result

    view = make(answer, shape=[2, 3]) if is_async else returning(result)
    with pytest.raises(error) as caught:
        await view.read()

    assert message in str(caught.value)
    (note,) = caught.value.__notes__
    assert note.startswith("in read_function ")
    assert note.endswith("answer for chunk { [0, 2), [0, 3) }")


def test_none_is_no_content_of_a_view_of_objects_either() -> None:
    with pytest.raises(TypeError, match="returned None"):
        returning(None, dtype=ts.json, shape=[]).read().result()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ts.computed(5, dtype=ts.int8), TypeError, "takes a function of a domain, got 5"),  # type: ignore[call-overload]
        (lambda: ts.computed(plain), ValueError, "dtype must be specified"),
        (lambda: ts.computed(plain, color=1), TypeError, "color"),  # type: ignore[call-overload]
        (lambda: ts.computed(color=1)(plain), TypeError, "color"),  # type: ignore[call-overload]
    ],
)
def test_wrong_arguments_are_errors(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_errors_of_the_function_are_its_own() -> None:
    def fails(domain: ts.IndexDomain) -> Array:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone") as caught:
        make(fails).read().result()

    assert caught.value.__notes__[0].endswith("fails for chunk { [0, 10), [0, 6) }")


@pytest.mark.filterwarnings("error")
def test_a_blocking_read_of_an_async_function_without_a_loop_leaves_no_coroutine_behind() -> None:
    with pytest.raises(ValueError, match="loop"):
        later.read().result()
    gc.collect()


# -- its name --------------------------------------------------------------------------------------


def test_a_view_is_named_after_its_function() -> None:
    assert repr(numbers).startswith("TensorStore(numbers, r, dtype=int64")
    assert repr(Shelf.inner).startswith("TensorStore(Shelf.inner, r")
    assert repr(make(partial(plain))).startswith("TensorStore(plain, r")


@pytest.mark.parametrize("view", [numbers, later, Shelf.inner], ids=["sync", "async", "nested"])
async def test_pickles_of_decorated_functions_are_opened_by_name(view: ts.TensorStore) -> None:
    for part in (view, view[3:]):
        again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(part))))

        assert repr(again) == repr(part)
        assert again.spec() == part.spec()
        np.testing.assert_array_equal(await again.read(), await part.read())


def test_pickles_of_passed_functions_are_opened_by_name() -> None:
    again = pickle.loads(pickle.dumps(make(plain)))

    assert repr(again) == repr(make(plain))
    np.testing.assert_array_equal(again.read().result(), VALUES)
    assert plain.__qualname__ == "plain"


@ts.computed(dtype=ts.int64, shape=[3])
def replaced(domain: ts.IndexDomain) -> Array:
    return np.zeros(domain.shape, int)


def test_a_name_that_leads_to_something_else_now_is_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = replaced
    monkeypatch.setattr(sys.modules[__name__], "replaced", view.read().result())

    with pytest.raises(pickle.PicklingError, match="not the same object"):
        pickle.dumps(view)
    with pytest.raises(NotImplementedError, match="would not give the same object"):
        view.spec().to_json()


def test_functions_inside_of_functions_do_not_pickle() -> None:
    with pytest.raises((AttributeError, pickle.PicklingError), match="answer"):
        pickle.dumps(returning(5))


async def test_specs_of_decorated_functions_name_them() -> None:
    for view, name in ((numbers, "numbers"), (later, "later"), (Shelf.inner, "Shelf.inner")):
        json = view[2:].spec().to_json()

        assert json["read_function"] == f"{__name__}:{name}"
        again = ts.open(json, allow_import=True).result()
        assert repr(again) == repr(view[2:])
        np.testing.assert_array_equal(await again.read(), VALUES[2:])
        assert again.spec() == view[2:].spec()


def test_a_name_of_a_view_stands_for_its_callback() -> None:
    """Whatever else the JSON says of domain, data type and chunks."""
    json = {
        "driver": "virtual_chunked",
        "dtype": "int64",
        "read_function": f"{__name__}:numbers",
        "schema": {"domain": {"shape": [4, 3]}},
    }
    view = ts.open(json, allow_import=True).result()

    np.testing.assert_array_equal(view.read().result(), VALUES[:4, :3])
    with pytest.raises(ValueError, match="pass allow_import=True"):
        ts.open(json).result()
    only_write = {**json, "write_function": json["read_function"]}
    with pytest.raises(ValueError, match=r'write_function ".*:numbers" is not callable'):
        ts.open(only_write, allow_import=True).result()


def test_specs_of_passed_functions_have_no_json() -> None:
    """Their name leads to a function that does not fill arrays."""
    spec = make(plain).spec()

    with pytest.raises(NotImplementedError, match="would not give the same object"):
        spec.to_json()
    assert "<computed " in repr(spec)
    np.testing.assert_array_equal(ts.open(spec).result().read().result(), VALUES)


def run(code: str, path: Path) -> str:
    (path / "script.py").write_text(textwrap.dedent(code))
    return subprocess.run(
        [sys.executable, "script.py"], cwd=path, check=True, capture_output=True, text=True
    ).stdout


SCRIPT = """
    import pickle
    import sys
    import virtchunk as ts

    @ts.computed(dtype=ts.int64, shape=[3])
    def three(domain):
        return [1, 2, 3]

    {rest}
"""


def test_pickles_are_opened_by_other_processes(tmp_path: Path) -> None:
    run(SCRIPT.format(rest="pass"), tmp_path)
    rest = "import script; open('p', 'wb').write(pickle.dumps(script.three[1:]))"
    run(SCRIPT.format(rest=f"if __name__ == '__main__': {rest}"), tmp_path)
    code = "import pickle; print(pickle.load(open('p', 'rb')).read().result().tolist())"

    opened = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert opened.stdout == "[2, 3]\n"


def test_pickles_work_in_the_main_module(tmp_path: Path) -> None:
    rest = "print(pickle.loads(pickle.dumps(three)).read().result().tolist())"

    assert run(SCRIPT.format(rest=rest), tmp_path) == "[1, 2, 3]\n"


def test_cloudpickle_carries_functions_of_the_main_module(tmp_path: Path) -> None:
    pytest.importorskip("cloudpickle")
    rest = "import cloudpickle; open('p', 'wb').write(cloudpickle.dumps(three))"
    run(SCRIPT.format(rest=rest), tmp_path)
    code = "import pickle; print(pickle.load(open('p', 'rb')).read().result().tolist())"

    opened = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert opened.stdout == "[1, 2, 3]\n"


def test_protocols_describe_functions() -> None:
    """For type checkers; there is nothing to run."""

    def returns(domain: ts.IndexDomain) -> Array:
        return VALUES

    async def awaits(domain: ts.IndexDomain) -> Array:
        return VALUES

    def futures(domain: ts.IndexDomain) -> Awaitable[Array]:
        return later.read()

    def nothing(domain: ts.IndexDomain) -> None: ...

    functions: list[ts.ComputeFunction] = [returns, awaits, futures]
    wrong: ts.ComputeFunction = nothing  # type: ignore[assignment]
    assert all(map(callable, [*functions, wrong]))
