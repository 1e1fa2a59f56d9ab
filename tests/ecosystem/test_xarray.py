"""Views as lazy xarray arrays, and the engine of `xarray.open_dataset`."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import anyio
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import STYLES, FakeBackend, idle

xr = pytest.importorskip("xarray", reason="an extra")

from virtchunk.xarray import ViewBackendEntrypoint

Array = np.ndarray[Any, Any]


def content() -> Array:
    return np.arange(1, 78, dtype=np.int32).reshape(7, 11)


@pytest.fixture
def fake() -> FakeBackend:
    return FakeBackend(content(), (5, -3))


def view_of(fake: FakeBackend, style: str = "sync", **options: Any) -> ts.TensorStore:
    """A view of chunks of 3 x 4 whose grid begins where the array does."""
    layout = ts.ChunkLayout(chunk_shape=[3, 4], grid_origin=fake.origin)
    return fake.view(style=style, chunk_layout=layout, **options)


@pytest.fixture
def view(fake: FakeBackend) -> ts.TensorStore:
    return view_of(fake, dimension_units=["4nm", None])[ts.d[:].label["y", "x"]]


@pytest.fixture
def expected() -> Any:
    """The same in memory."""
    coords = {"y": np.arange(5, 12) * 4, "x": np.arange(-3, 8)}
    return xr.DataArray(content(), dims=["y", "x"], coords=coords)


def fill(domain: ts.IndexDomain, array: Array, params: object) -> None:
    """A callback that has a name."""
    array[...] = domain.inclusive_min[0]


table = ts.virtual_chunked(fill, dtype=ts.int32, shape=[6], chunks=2)
"""A view that has a name."""


# -- what it looks like ----------------------------------------------------------------------------


def test_labels_are_dimensions_and_indices_times_units_are_coordinates(
    fake: FakeBackend, view: ts.TensorStore, expected: Any
) -> None:
    array = view.to_xarray(name="height")

    assert (array.name, array.dims, array.shape) == ("height", ("y", "x"), (7, 11))
    assert array.dtype == np.int32
    assert (array.y.attrs, array.x.attrs) == ({"units": "nm"}, {})
    assert array.encoding["preferred_chunks"] == {"y": 3, "x": 4}
    assert fake.calls == []
    xr.testing.assert_equal(array.drop_attrs(), expected)


def test_dimensions_without_labels_get_names_of_their_own() -> None:
    view = ts.array(np.zeros((1, 2, 3)))[ts.d[0].label["dim_1"]]

    assert view.to_xarray().dims == ("dim_1", "dim_1_", "dim_2")


@pytest.mark.parametrize(
    ("unit", "values", "units"),
    [
        ("4nm", [12, 16, 20], "nm"),
        ("0.5um", [1.5, 2.0, 2.5], "um"),
        (2, [6, 8, 10], "1"),
        ("s", [3, 4, 5], "s"),
        ((-1.0, "m"), [-3, -4, -5], "m"),
        ((0.0, "m"), [3, 4, 5], None),
        ((float("inf"), "m"), [3, 4, 5], None),
        ((1e300, "m"), [3e300, 4e300, 5e300], "m"),
    ],
)
def test_units_of_any_kind_make_coordinates(unit: Any, values: list[Any], units: Any) -> None:
    view = ts.virtual_chunked(
        fill,
        dtype=ts.int8,
        domain=ts.IndexDomain(inclusive_min=[3], shape=[3], labels=["x"]),
        dimension_units=[unit],
    )

    x = view.to_xarray().x

    assert x.values.tolist() == values
    assert x.attrs.get("units") == units


def test_huge_views_have_coordinates_that_take_no_memory() -> None:
    view = ts.virtual_chunked(
        fill, dtype=ts.int8, shape=[10**12, 10**12], dimension_units=["4nm", "0.5um"]
    )

    array = view[ts.d[:].label["y", "x"]].to_xarray()

    assert array.sel(y=4 * 10**11).y.item() == 4 * 10**11
    assert array.sel(x=10**9 + 0.6, method="nearest").x.item() == 10**9 + 0.5
    assert array[-3:, -2:].shape == (3, 2)


def test_elements_may_be_objects_and_views_of_any_rank() -> None:
    names = ts.array(np.array(["a", "bc"], object), dtype=ts.ustring)

    assert names.to_xarray().values.tolist() == ["a", "bc"]
    assert names[1].to_xarray().item() == "bc"
    assert names[1:1].to_xarray().values.shape == (0,)


# -- reading ---------------------------------------------------------------------------------------


SELECTIONS: list[dict[str, Any]] = [
    {"y": 3},
    {"y": -1, "x": slice(-3, None)},
    {"y": slice(1, 6, 2), "x": slice(None, None, 3)},
    {"y": slice(None, None, -1), "x": slice(8, 2, -2)},
    {"y": [3, 1, 1], "x": [0, -1]},
    {"y": slice(2, 2)},
    {"y": []},
    {"y": [0, 1], "x": 4},
    {"y": slice(3, 100)},
    {"y": np.array([True, False] * 3 + [True])},
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_selections_are_those_of_an_array_in_memory(
    view: ts.TensorStore, expected: Any, selection: dict[str, Any]
) -> None:
    selected = view.to_xarray().drop_attrs().isel(selection)

    xr.testing.assert_equal(selected, expected.isel(selection))
    twice = {"x": slice(None, None, -1)} if "x" in selected.dims else {}
    xr.testing.assert_equal(selected.isel(twice), expected.isel(selection).isel(twice))


def test_points_are_selected_one_by_one(view: ts.TensorStore, expected: Any) -> None:
    points = {"y": xr.DataArray([1, 2], dims="p"), "x": xr.DataArray([3, 10], dims="p")}

    xr.testing.assert_equal(view.to_xarray().drop_attrs().isel(points), expected.isel(points))


def test_coordinates_select_exactly_and_by_slice(view: ts.TensorStore, expected: Any) -> None:
    array = view.to_xarray().drop_attrs()

    xr.testing.assert_equal(
        array.sel(y=[24, 20], x=slice(-1, 3)), expected.sel(y=[24, 20], x=slice(-1, 3))
    )
    with pytest.raises(KeyError):
        array.sel(y=21)


def test_only_the_chunks_are_read_that_are_asked_for(
    fake: FakeBackend, view: ts.TensorStore
) -> None:
    selected = view.to_xarray().isel(y=slice(4, None)).isel(x=[10, 0], y=-1)
    assert fake.calls == []

    assert selected.values.tolist() == [77, 67]
    assert sorted(fake.reads()) == [(11, -3), (11, 5)]


def test_reductions_arithmetic_and_alignment(view: ts.TensorStore, expected: Any) -> None:
    array = view.to_xarray().drop_attrs()

    xr.testing.assert_equal(array.mean("y"), expected.mean("y"))
    xr.testing.assert_equal(
        view[5:9].to_xarray() + view[7:].to_xarray(), (expected[:4] + expected[2:])
    )
    xr.testing.assert_equal(
        xr.concat([view[5:9].to_xarray(), view[9:].to_xarray()], "y").drop_attrs(), expected
    )


@pytest.mark.parametrize("style", STYLES)
def test_callbacks_of_any_style_are_read_by_a_program_without_a_loop(
    fake: FakeBackend, style: str
) -> None:
    view = view_of(fake, style)

    np.testing.assert_array_equal(view.to_xarray().values, content())
    assert idle(view)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_async_callbacks_are_read_by_a_blocking_call_in_a_loop_as_in_a_notebook(
    fake: FakeBackend,
) -> None:
    np.testing.assert_array_equal(view_of(fake, "async many").to_xarray().values, content())


def test_load_async_awaits_several_arrays_at_once(fake: FakeBackend) -> None:
    entered = 0
    both = anyio.Event()

    async def wait_for_another(call: Any) -> None:
        nonlocal entered
        entered += 1
        if entered == 2:
            both.set()
        await both.wait()  # a deadlock, if they are read in turns

    fake.hold = wait_for_another
    view = view_of(fake, "async")

    async def load() -> list[Any]:
        parts = [view[5:8, -3:1].to_xarray(), view[8:11, 1:5].to_xarray()]
        return await asyncio.gather(*(part.load_async() for part in parts))

    one, other = asyncio.run(load())

    np.testing.assert_array_equal(one.values, content()[:3, :4])
    np.testing.assert_array_equal(other.values, content()[3:6, 4:8])


def test_load_async_selects_as_load_does(view: ts.TensorStore, expected: Any) -> None:
    async def load(selected: Any) -> Any:
        return await selected.load_async()

    for selection in SELECTIONS:
        loaded = asyncio.run(load(view.to_xarray().drop_attrs().isel(selection)))
        xr.testing.assert_equal(loaded, expected.isel(selection))


def test_it_is_lazy_until_it_is_loaded(fake: FakeBackend, view: ts.TensorStore) -> None:
    array = view.to_xarray()
    repr(array)
    assert fake.calls == []

    array.load()
    calls = len(fake.calls)
    array.sum()

    assert len(fake.calls) == calls == 9


def test_it_is_pickled_as_the_view_is() -> None:
    array = table.to_xarray(name="table")

    again = pickle.loads(pickle.dumps(array))

    xr.testing.assert_identical(again, array)
    assert again.values.tolist() == [0, 0, 2, 2, 4, 4]


def test_it_is_plotted(view: ts.TensorStore) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="an extra")
    pyplot.switch_backend("agg")
    figure, axes = pyplot.subplots(1, 2)

    array: Any = view.to_xarray(name="height")

    array.plot(ax=axes[0])
    array.isel(x=0).plot(ax=axes[1])

    assert axes[0].get_ylabel() == "y [nm]"
    assert axes[1].lines[0].get_ydata().tolist() == content()[:, 0].tolist()
    pyplot.close(figure)


# -- with dask -------------------------------------------------------------------------------------


def test_chunk_makes_a_dask_array_of_it(view: ts.TensorStore, expected: Any) -> None:
    pytest.importorskip("dask", reason="an extra")
    array = view.to_xarray()

    chunked = array.chunk(array.encoding["preferred_chunks"])

    assert chunked.chunks == ((3, 3, 1), (4, 4, 3))
    xr.testing.assert_equal(chunked.drop_attrs().max("x").compute(), expected.max("x"))


@pytest.mark.parametrize("chunks", [(3, 4), ((3, 2, 2), (4, 4, 3))], ids=["regular", "irregular"])
def test_the_engine_prefers_the_chunks_of_the_view(chunks: Any) -> None:
    pytest.importorskip("dask", reason="an extra")
    view = ts.virtual_chunked(fill, dtype=ts.int32, shape=[7, 11], chunks=chunks)

    dataset = xr.open_dataset(view, engine="virtchunk", chunks={})

    assert dataset["data"].chunks == view.to_dask().chunks
    assert dataset["data"].sum().compute() == view.read().result().sum()


# -- the engine ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda view: view,
        lambda view: view.spec(),
        lambda view: ts.array([0, 0, 2, 2, 4, 4], ts.int32).spec().to_json(),
        lambda view: f"{__name__}:table",
    ],
    ids=["view", "spec", "JSON", "name"],
)
def test_the_engine_opens_views_specs_and_names(make: Any) -> None:
    dataset = xr.open_dataset(make(table), engine="virtchunk")

    assert dataset["data"].values.tolist() == [0, 0, 2, 2, 4, 4]


def test_views_and_specs_are_opened_without_naming_the_engine() -> None:
    assert xr.open_dataset(table)["data"].shape == (6,)
    assert xr.open_dataarray(table.spec()).shape == (6,)
    assert not ViewBackendEntrypoint().guess_can_open("module:view")


def test_options_of_the_engine(view: ts.TensorStore) -> None:
    dataset = xr.open_dataset(view, engine="virtchunk", name="height", drop_variables=["x"])

    assert list(dataset.variables) == ["y", "height"]
    assert list(xr.open_dataset(view, engine="virtchunk", drop_variables="data").data_vars) == []


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("table", ValueError, "module:name"),
        (":table", ValueError, "module:name"),
        ("virtchunk:", ValueError, "module:name"),
        ("virtchunk:nothing", AttributeError, "nothing"),
        ("virtchunk.nothing:table", ImportError, "nothing"),
        ("virtchunk:d", TypeError, "no view"),
        (5, TypeError, "got 5"),
        ({"driver": "nothing"}, ValueError, "driver"),
        (
            {"driver": "virtual_chunked", "read_function": "numpy:copyto", "dtype": "int8"},
            ValueError,
            "allow_import",
        ),
    ],
)
def test_the_engine_says_what_it_cannot_open(name: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        xr.open_dataset(name, engine="virtchunk")


def test_the_engine_imports_callbacks_if_it_may() -> None:
    spec = table.spec().to_json()
    assert spec["read_function"] == f"{__name__}:fill"

    dataset = xr.open_dataset(spec, engine="virtchunk", allow_import=True)

    assert dataset["data"].values.tolist() == [0, 0, 2, 2, 4, 4]


def test_what_cannot_be_read_is_no_xarray_array(fake: FakeBackend) -> None:
    with pytest.raises(ValueError, match="no read_function"):
        view_of(fake, mode="w").to_xarray()
    with pytest.raises(ValueError, match="unbounded"):
        ts.virtual_chunked(fill, dtype=ts.int8, rank=1).to_xarray()
    with pytest.raises(ValueError, match=r"backend must be .* asyncio.* got 'curio'"):
        view_of(fake).to_xarray(backend="curio")  # type: ignore[arg-type]


def test_an_error_of_a_callback_comes_through(fake: FakeBackend, view: ts.TensorStore) -> None:
    fake.failures["read", (8, 1)] = OSError("no such tile")

    with pytest.raises(OSError, match="no such tile"):
        view.to_xarray().load()
