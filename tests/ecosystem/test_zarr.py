"""Views opened by zarr and xarray, and zarr arrays as views."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

import virtchunk as ts
from tests.fakes import FakeBackend

zarr = pytest.importorskip("zarr", reason="an extra")

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from virtchunk.zarr import create_like

Array = np.ndarray[Any, Any]

PROTOTYPE = default_buffer_prototype()

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])
"""For what leaves async generators to the loop, as zarr does, which knows no other."""


def content() -> Array:
    return np.arange(1, 78, dtype=np.int32).reshape(7, 11)


def view_of(fake: FakeBackend, **options: Any) -> ts.TensorStore:
    """A view of chunks of 3 x 4 whose grid begins where the array does."""
    return ts.virtual_chunked(
        fake.callback("read", "sync"),
        fake.callback("write", "sync"),
        dtype=ts.dtype(fake.array.dtype),
        domain=ts.IndexDomain(inclusive_min=fake.origin, shape=fake.array.shape, labels=["y", "x"]),
        chunk_layout=ts.ChunkLayout(chunk_shape=[3, 4], grid_origin=fake.origin),
        **options,
    )


@pytest.fixture
def fake() -> FakeBackend:
    return FakeBackend(content(), (5, -3))


@pytest.fixture
def view(fake: FakeBackend) -> ts.TensorStore:
    return view_of(fake, dimension_units=["4nm", None])


def huge() -> ts.TensorStore:
    """10**12 chunks of 10**6 elements."""

    def fill(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        array.fill(7)

    layout = ts.ChunkLayout(read_chunk_shape=[1000, 1000])
    return ts.virtual_chunked(fill, dtype=ts.uint8, shape=[10**9, 10**9], chunk_layout=layout)


async def first(names: AsyncIterator[str], count: int) -> list[str]:
    found: list[str] = []
    async for name in names:
        found.append(name)
        if len(found) == count:
            break
    return found


async def value_of(store: Any, key: str) -> bytes:
    value: bytes = (await store.get(key, PROTOTYPE)).to_bytes()
    return value


# -- reading ---------------------------------------------------------------------------------------


def test_zarr_reads_a_view(view: ts.TensorStore) -> None:
    array = zarr.open_array(view.as_zarr_store(), mode="r")

    assert (array.shape, array.chunks, array.dtype) == ((7, 11), (3, 4), np.dtype(np.int32))
    np.testing.assert_array_equal(array[...], content())
    np.testing.assert_array_equal(array[2:5, 7], content()[2:5, 7])
    np.testing.assert_array_equal(array.oindex[[0, 6], 2:3], content()[[0, 6], 2:3])


def test_zarr_computes_only_the_chunks_it_needs(view: ts.TensorStore, fake: FakeBackend) -> None:
    array = zarr.open_array(view.as_zarr_store(), mode="r")

    array[0:3, 4:9]

    assert {call.key for call in fake.calls} == {(5, 1), (5, 5)}


def test_metadata_has_labels_origin_and_units(view: ts.TensorStore) -> None:
    array = zarr.open_array(view.as_zarr_store(attributes={"units": "m"}))

    assert array.metadata.dimension_names == ("y", "x")
    assert dict(array.attrs) == {
        "origin": [5, -3],
        "dimension_units": ["4 nm", None],
        "units": "m",
    }


def test_metadata_says_nothing_where_there_is_nothing_to_say() -> None:
    array = zarr.open_array(ts.array(content()).as_zarr_store())

    assert array.metadata.dimension_names is None
    assert dict(array.attrs) == {}


TYPES = ["bool", "int8", "uint16", "int64", "float16", "float64", "complex64", "complex128"]
TIMES = ["datetime64[ns]", "timedelta64[s]"]


@pytest.mark.parametrize("name", [*TYPES, *TIMES])
def test_elements_of_every_type_that_zarr_has_are_read_and_written(name: str) -> None:
    element = ts.dtype(name).numpy_dtype
    values = np.arange(5).astype(element)
    target = np.zeros(5, element)

    array = zarr.open_array(ts.array(target).as_zarr_store(chunks=[2]), mode="r+")
    array[...] = values

    np.testing.assert_array_equal(target, values)
    np.testing.assert_array_equal(array[1:], values[1:])


@pytest.mark.parametrize("name", ["bfloat16", "int4", "string", "json", "char", "byte"])
def test_elements_of_other_types_are_refused(name: str) -> None:
    if name in {"bfloat16", "int4"}:
        pytest.importorskip("ml_dtypes")
    view = ts.virtual_chunked(lambda domain, array, params: None, dtype=name, shape=[4])

    with pytest.raises(TypeError, match=f"no data type for elements of type {name}"):
        view.as_zarr_store()


VIEWS = {
    "strided": lambda view: view[5:12:2, -3:8:3],
    "reversed": lambda view: view[::-1, ::-1],
    "transposed": lambda view: view.T,
    "one row": lambda view: view[7],
    "scalar": lambda view: view[7, 0],
    "gathered": lambda view: view.oindex[[5, 11, 7], :],
    "scattered": lambda view: view.vindex[[5, 11, 7], [0, 1, 2]],
    "empty": lambda view: view[6:6],
    "misaligned": lambda view: view[6:11, 0:7],
    "new dimension": lambda view: view[ts.newaxis],
}


@pytest.mark.parametrize("kind", VIEWS)
def test_whatever_an_indexed_view_shows_zarr_reads(view: ts.TensorStore, kind: str) -> None:
    part = VIEWS[kind](view)

    read = zarr.open_array(part.as_zarr_store(), mode="r")[...]

    np.testing.assert_array_equal(read, part.read().result())


def test_chunks_are_those_of_the_view_but_no_larger_than_all_of_it() -> None:
    def fill(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        array.fill(1)

    layout = ts.ChunkLayout(read_chunk_shape=[8, 1000])
    view = ts.virtual_chunked(fill, dtype=ts.uint8, shape=[20, 30], chunk_layout=layout)

    assert zarr.open_array(view.as_zarr_store()).chunks == (8, 30)
    assert zarr.open_array(view.as_zarr_store(chunks=[5, 6])).chunks == (5, 6)
    assert zarr.open_array(view.as_zarr_store(chunks=[5, 6]))[...].sum() == 600


def test_irregular_chunks_are_shown_as_regular_ones() -> None:
    fake = FakeBackend(content())
    view = fake.view(chunks=((3, 2, 2), (4, 4, 3)))

    array = zarr.open_array(view.as_zarr_store())

    np.testing.assert_array_equal(array[...], content())


def test_async_callbacks_run_in_the_loop_of_zarr() -> None:
    async def fill(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        await anyio.lowlevel.checkpoint()
        array[...] = domain.inclusive_min[0]

    layout = ts.ChunkLayout(read_chunk_shape=[2])
    view = ts.virtual_chunked(fill, dtype=ts.int64, shape=[5], chunk_layout=layout)

    assert zarr.open_array(view.as_zarr_store())[...].tolist() == [0, 0, 2, 2, 4]


def test_error_of_a_callback_reaches_whoever_reads() -> None:
    def fail(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        raise LookupError("no tile")

    view = ts.virtual_chunked(fail, dtype=ts.int64, shape=[5])

    with pytest.raises(LookupError, match="no tile"):
        zarr.open_array(view.as_zarr_store())[...]


def test_array_in_a_group_is_opened_by_xarray_with_named_dimensions(fake: FakeBackend) -> None:
    xarray = pytest.importorskip("xarray")
    view = view_of(fake)[ts.d["x"].label[""]]
    store = view.as_zarr_store("image", attributes={"units": "m"})

    dataset = xarray.open_zarr(store, chunks=None)

    assert fake.calls == []
    assert dataset.image.dims == ("y", "dim_1")
    assert dataset.image.attrs["units"] == "m"
    np.testing.assert_array_equal(dataset.image[2, 3:].values, content()[2, 3:])
    assert zarr.open_group(store, mode="r")["image"][0, 0] == 1


def test_xarray_slices_reduces_and_loads_what_it_opened_lazily(
    view: ts.TensorStore, fake: FakeBackend
) -> None:
    xarray = pytest.importorskip("xarray")
    dataset = xarray.open_zarr(view.as_zarr_store("image"), chunks=None)

    mean = float(dataset.image.isel(y=slice(0, 3), x=slice(4, 8)).mean())

    assert mean == content()[0:3, 4:8].mean()
    assert fake.reads() == [(5, 1)]
    np.testing.assert_array_equal(dataset.load().image.sum("y"), content().sum(0))


def test_xarray_has_dask_compute_it_chunk_by_chunk(view: ts.TensorStore) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("dask.array")

    image = xarray.open_zarr(view.as_zarr_store("image"), chunks={}).image

    assert image.chunks == ((3, 3, 1), (4, 4, 3))
    np.testing.assert_array_equal((image * 2).max("x").compute(), content().max(1) * 2)


def test_xarray_writes_a_region(view: ts.TensorStore, fake: FakeBackend) -> None:
    xarray = pytest.importorskip("xarray")
    store = view.as_zarr_store("image")
    block = xarray.Dataset({"image": (("y", "x"), np.full((3, 4), -1, np.int32))})

    block.to_zarr(store, region={"y": slice(3, 6), "x": slice(4, 8)}, consolidated=False)

    assert (fake.array[3:6, 4:8] == -1).all()
    assert (fake.array == -1).sum() == 12


def test_the_original_reads_what_a_view_gives(view: ts.TensorStore, tmp_path: Path) -> None:
    original = pytest.importorskip("tensorstore")

    async def save() -> None:
        store = view.as_zarr_store()
        async for key in store.list():
            path = tmp_path / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(await value_of(store, key))

    anyio.run(save)
    opened = original.open({"driver": "zarr3", "kvstore": f"file://{tmp_path}/"}).result()

    np.testing.assert_array_equal(opened.read().result(), content())
    assert opened.domain.labels == ("y", "x")
    assert [str(unit) for unit in opened.dimension_units] == ["4 nm", "None"]


# -- keys ------------------------------------------------------------------------------------------


@ASYNCIO
async def test_keys_are_listed(view: ts.TensorStore) -> None:
    store = view.as_zarr_store("image")
    chunks = [f"image/c/{i}/{j}" for i in range(3) for j in range(3)]

    assert [key async for key in store.list()] == ["image/zarr.json", "zarr.json", *chunks]
    assert [key async for key in store.list_prefix("image/c/1/")] == chunks[3:6]
    assert [key async for key in store.list_prefix("image/c/1")] == chunks[3:6]
    assert [key async for key in store.list_prefix("elsewhere")] == []
    assert [name async for name in store.list_dir("")] == ["image", "zarr.json"]
    assert [name async for name in store.list_dir("image")] == ["zarr.json", "c"]
    assert [name async for name in store.list_dir("image/c/")] == ["0", "1", "2"]
    assert [name async for name in store.list_dir("image/c/1")] == ["0", "1", "2"]
    assert [name async for name in store.list_dir("image/c/1/1")] == []
    assert [name async for name in store.list_dir("image/c/3")] == []
    assert not await store.is_empty("image")
    assert await store.is_empty("other")


@ASYNCIO
async def test_keys_without_number_are_listed_one_by_one() -> None:
    store = huge().as_zarr_store()

    assert await first(store.list(), 3) == ["zarr.json", "c/0/0", "c/0/1"]
    assert await first(store.list_dir("c"), 3) == ["0", "1", "2"]
    assert await first(store.list_prefix("c/7/999999"), 1) == ["c/7/999999"]


async def test_listing_without_end_can_be_cancelled() -> None:
    with anyio.move_on_after(0.05) as scope:
        async for _ in huge().as_zarr_store().list():
            pass

    assert scope.cancelled_caught


async def test_an_empty_view_has_no_chunks() -> None:
    store = ts.array(np.zeros((3, 0))).as_zarr_store()

    assert [key async for key in store.list()] == ["zarr.json"]
    assert [name async for name in store.list_dir("")] == ["zarr.json"]
    assert not await store.exists("c/0/0")


KEYS = ["c/3/0", "c/0/-1", "c/00/0", "c/0", "c/0/0/0", "c/0/0/", "c", "c//0", "", "c/0/x", "c/0/²"]


@pytest.mark.parametrize("key", [*KEYS, "zarr.json/", "image/zarr.json", ".zarray", "0/0"])
async def test_other_keys_do_not_exist(view: ts.TensorStore, key: str) -> None:
    store = view.as_zarr_store()

    assert not await store.exists(key)
    assert await store.get(key, PROTOTYPE) is None
    with pytest.raises(FileNotFoundError):
        await store.getsize(key)


async def test_sizes_are_known_without_computing(view: ts.TensorStore, fake: FakeBackend) -> None:
    store = view.as_zarr_store()
    described = len(await value_of(store, "zarr.json"))

    assert await store.getsize("c/2/2") == 3 * 4 * 4
    assert await store.getsize_prefix("c/1") == 3 * 3 * 4 * 4
    assert await store.getsize_prefix("") == described + 9 * 3 * 4 * 4
    assert fake.calls == []
    assert await huge().as_zarr_store().getsize_prefix("c") == 10**18


async def test_chunk_at_the_edge_is_filled_up(view: ts.TensorStore) -> None:
    value = await value_of(view.as_zarr_store(), "c/2/2")

    expected = np.zeros((3, 4), np.int32)
    expected[:1, :3] = content()[6:, 8:]
    np.testing.assert_array_equal(np.frombuffer(value, np.int32).reshape(3, 4), expected)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (RangeByteRequest(2, 6), slice(2, 6)),
        (RangeByteRequest(40, 100), slice(40, 48)),
        (OffsetByteRequest(44), slice(44, 48)),
        (SuffixByteRequest(3), slice(45, 48)),
        (SuffixByteRequest(99), slice(0, 48)),
    ],
)
async def test_parts_of_values_are_read(view: ts.TensorStore, part: Any, expected: slice) -> None:
    store = view.as_zarr_store()
    whole = await value_of(store, "c/0/0")

    several = await store.get_partial_values(PROTOTYPE, [("c/0/0", part), ("x", None)])

    assert [value and value.to_bytes() for value in several] == [whole[expected], None]


async def test_cancelling_reaches_the_callback() -> None:
    events: list[str] = []
    begun = anyio.Event()

    async def wait(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        try:
            begun.set()
            await anyio.sleep_forever()
        finally:
            events.append("stopped")

    store = ts.virtual_chunked(wait, dtype=ts.int8, shape=[3]).as_zarr_store()
    async with anyio.create_task_group() as group:
        group.start_soon(store.get, "c/0", PROTOTYPE)
        await begun.wait()
        group.cancel_scope.cancel()

    assert events == ["stopped"]


@ASYNCIO
async def test_cancelling_a_read_of_zarr_reaches_the_callback() -> None:
    events: list[str] = []
    begun = anyio.Event()

    async def wait(domain: ts.IndexDomain, array: Array, params: Any) -> None:
        try:
            begun.set()
            await anyio.sleep_forever()
        finally:
            events.append("stopped")

    store = ts.virtual_chunked(wait, dtype=ts.int8, shape=[3]).as_zarr_store()
    array = await zarr.api.asynchronous.open_array(store=store, mode="r")
    async with anyio.create_task_group() as group:
        group.start_soon(array.getitem, slice(0, 2))
        await begun.wait()
        group.cancel_scope.cancel()

    assert events == ["stopped"]


# -- writing ---------------------------------------------------------------------------------------


def test_zarr_writes_through_to_the_view(view: ts.TensorStore, fake: FakeBackend) -> None:
    array = zarr.open_array(view.as_zarr_store(), mode="r+")

    array[2:5, 3:7] = -1
    array[6, 10] = -2
    array[0:3, 0:3] = 0

    expected = content()
    expected[2:5, 3:7] = -1
    expected[6, 10] = -2
    expected[0:3, 0:3] = 0
    np.testing.assert_array_equal(fake.array, expected)
    np.testing.assert_array_equal(array[...], expected)


def test_chunk_of_nothing_but_the_fill_value_is_written_too(
    view: ts.TensorStore, fake: FakeBackend
) -> None:
    zarr.open_array(view.as_zarr_store(), mode="r+")[...] = 0

    assert not fake.array.any()


READ_ONLY = {
    "array": lambda array: array.__setitem__(..., 0),
    "attribute": lambda array: array.attrs.update(a=1),
}


@pytest.mark.parametrize("change", READ_ONLY)
def test_read_only_stores_cannot_be_written(view: ts.TensorStore, change: str) -> None:
    array = zarr.open_array(view.as_zarr_store(read_only=True))

    with pytest.raises(ValueError, match="read-only"):
        READ_ONLY[change](array)


def test_store_of_a_read_only_view_is_read_only() -> None:
    view = ts.array(np.arange(3), write=False)

    assert view.as_zarr_store().read_only
    with pytest.raises(ValueError, match="read_only=False cannot be"):
        view.as_zarr_store(read_only=False)
    with pytest.raises(ValueError, match="read_only=False cannot be"):
        view.as_zarr_store().with_read_only(False)


def test_read_only_store_of_a_writable_view(view: ts.TensorStore) -> None:
    store = view.as_zarr_store("image", chunks=[2, 2], attributes={"a": 1})

    assert not store.read_only
    assert store.with_read_only(True).read_only
    assert store.with_read_only(True) != store
    assert store.with_read_only(True).with_read_only(False) == store


CHANGES = {
    "attribute": lambda store: zarr.open_array(store).attrs.update(a=1),
    "larger": lambda store: zarr.open_array(store).resize((9, 13)),
    "another key": lambda store: sync(store.set("c/9/9", PROTOTYPE.buffer.from_bytes(b""))),
    "all": lambda store: sync(store.clear()),
    "a folder": lambda store: sync(store.delete_dir("c/0")),
    "a key": lambda store: sync(store.delete("zarr.json")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_describes_a_view_cannot_be_changed(
    view: ts.TensorStore, fake: FakeBackend, change: str
) -> None:
    with pytest.raises(ValueError, match=r"cannot be (changed|deleted)|no place for"):
        CHANGES[change](view.as_zarr_store())

    np.testing.assert_array_equal(fake.array, content())


def test_zarr_fills_what_it_would_cut_off_before_it_is_told_that_nothing_can_be(
    view: ts.TensorStore, fake: FakeBackend
) -> None:
    with pytest.raises(ValueError, match="cannot be changed"):
        zarr.open_array(view.as_zarr_store()).resize((7, 4))

    np.testing.assert_array_equal(fake.array[:, :4], content()[:, :4])
    assert not fake.array[:, 4:].any()


def test_a_view_is_not_overwritten_by_a_new_array(view: ts.TensorStore, fake: FakeBackend) -> None:
    with pytest.raises(zarr.errors.ContainsArrayError):
        zarr.create_array(view.as_zarr_store(), shape=[3], dtype="i4", overwrite=True)

    np.testing.assert_array_equal(fake.array, content())


# -- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/b", ".", "..", "__hidden"])
def test_bad_names_are_refused(view: ts.TensorStore, name: str) -> None:
    with pytest.raises(ValueError, match="the name of an array"):
        view.as_zarr_store(name)


@pytest.mark.parametrize("chunks", [[], [3], [3, 0], [3, 4, 5]])
def test_bad_chunks_are_refused(view: ts.TensorStore, chunks: list[int]) -> None:
    with pytest.raises(ValueError, match="chunks must be 2 integers > 0"):
        view.as_zarr_store(chunks=chunks)


def test_unbounded_views_are_refused() -> None:
    view = ts.virtual_chunked(lambda domain, array, params: None, dtype=ts.int8, rank=2)

    with pytest.raises(ValueError, match="select a finite part"):
        view.as_zarr_store()


def test_store_can_be_pickled() -> None:
    store = ts.array(content()).as_zarr_store("image", chunks=[2, 3], attributes={"a": 1})

    loaded = pickle.loads(pickle.dumps(store))

    array = zarr.open_group(loaded, mode="r")["image"]
    assert (array.chunks, dict(array.attrs)) == ((2, 3), {"a": 1})
    np.testing.assert_array_equal(array[...], content())


def test_stores_of_one_view_are_equal(view: ts.TensorStore) -> None:
    assert view.as_zarr_store() == view.as_zarr_store()
    assert view.as_zarr_store() != view[6:].as_zarr_store()
    assert view.as_zarr_store() != view.as_zarr_store("image")
    assert view.as_zarr_store() != object()
    assert repr(view.as_zarr_store("image")).startswith("ViewStore(TensorStore(")


def test_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "zarr.py").write_text("raise ModuleNotFoundError('no zarr', name='zarr')")
    program = """
import virtchunk as ts
for use in (ts.array([1]).as_zarr_store, lambda: ts.from_zarr(None)):
    try:
        use()
    except ImportError as error:
        print(error)
from virtchunk import *
"""

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout.count("needs zarr") == done.stdout.count("virtchunk[zarr]") == 2


# -- zarr arrays as views --------------------------------------------------------------------------


def stored(**options: Any) -> Any:
    """An array of zarr's, in memory, with the content."""
    options = {"shape": (7, 11), "chunks": (3, 4), "dtype": "i4"} | options
    array = zarr.create_array({}, **options)
    array[...] = content()
    return array


async def test_zarr_array_is_read_and_written_as_a_view() -> None:
    array = stored()
    view = ts.from_zarr(array)

    np.testing.assert_array_equal(await view.read(), content())
    np.testing.assert_array_equal(await view[2:5, 3].read(), content()[2:5, 3])
    await view[1:5, 2:9].write(-1)

    expected = content()
    expected[1:5, 2:9] = -1
    np.testing.assert_array_equal(array[...], expected)


def test_zarr_array_is_read_and_written_by_blocking_too() -> None:
    array = stored()
    view = ts.from_zarr(array)

    view[...] = 5

    assert (view.read().result() == 5).all()
    assert (array[...] == 5).all()


async def test_async_array_is_awaited_where_there_is_asyncio(
    anyio_backend_name: str,
) -> None:
    array = stored()
    view = ts.from_zarr(array._async_array)  # public since zarr 3.1.4

    if anyio_backend_name == "trio":
        with pytest.raises(RuntimeError, match="under asyncio only"):
            await view.read()
        return
    await view[...].write(content() + 1)

    np.testing.assert_array_equal(await view[1:].read(), content()[1:] + 1)


def test_shards_are_the_chunks_to_write_and_chunks_those_to_read() -> None:
    array = zarr.create_array({}, shape=[20], chunks=[2], shards=[6], dtype="i4")
    read_only = zarr.open_array(array.store.with_read_only(True), mode="r")

    assert ts.from_zarr(array).chunks == (6,)
    assert ts.from_zarr(read_only).chunks == (2,)
    assert ts.from_zarr(read_only).mode == "r"


def test_labels_origin_and_units_survive_the_way_there_and_back(view: ts.TensorStore) -> None:
    back = ts.from_zarr(zarr.open_array(view.as_zarr_store()))

    assert (back.domain, back.dtype) == (view.domain, view.dtype)
    assert back.dimension_units == view.dimension_units
    assert back.chunk_layout.read_chunk.shape == (3, 4)
    assert back.chunk_layout.grid_origin is not None
    np.testing.assert_array_equal(back[6:8, 0].read().result(), view[6:8, 0].read().result())


ODDITIES: dict[str, dict[str, Any]] = {
    "two equal names": {"dimension_names": ["x", "x"]},
    "no list": {"attributes": {"origin": 7, "dimension_units": "nm"}},
    "too short": {"attributes": {"origin": [1], "dimension_units": ["nm"]}},
    "other things": {"attributes": {"origin": [1.5, 2], "dimension_units": [1, 2]}},
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_metadata_that_means_something_else_is_left_alone(oddity: str) -> None:
    view = ts.from_zarr(stored(**ODDITIES[oddity]))

    assert view.domain == ts.IndexDomain(shape=[7, 11])
    assert view.dimension_units == (None, None)


def test_labels_of_format_2_are_where_xarray_puts_them() -> None:
    array = stored(zarr_format=2, attributes={"_ARRAY_DIMENSIONS": ["y", "x"]}, dtype=">i4")

    view = ts.from_zarr(array)

    assert (view.domain.labels, view.dtype) == (("y", "x"), ts.int32)
    np.testing.assert_array_equal(view.read().result(), content())


def test_cache_keeps_chunks_and_sees_what_is_written_through_the_view() -> None:
    array = stored()
    context = ts.Context({"cache_pool": {"total_bytes_limit": 1_000_000}})
    view = ts.from_zarr(array, context=context)

    assert view[0, 0].read().result() == 1
    array[0, 0] = -1
    assert view[0, 0].read().result() == 1
    view[0, 0] = -2
    assert view[0, 0].read().result() == array[0, 0] == -2


def test_scalars_are_views_of_rank_0() -> None:
    array = zarr.create_array({}, shape=(), dtype="f4")
    view = ts.from_zarr(array)

    view[...] = 2.5

    assert view.read().result() == array[()] == 2.5


@pytest.mark.parametrize("wrong", ["data.zarr", np.zeros(3), None])
def test_from_zarr_takes_arrays_of_zarr_only(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"takes a zarr\.Array"):
        ts.from_zarr(wrong)


def test_zarr_arrays_of_text_are_refused() -> None:
    array = zarr.create_array({}, shape=[3], dtype=np.dtypes.StringDType())

    with pytest.raises((TypeError, ValueError)):
        ts.from_zarr(array)


def test_view_of_a_zarr_array_can_be_pickled(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", shape=[5], chunks=[2], dtype="i4")
    array[...] = np.arange(5)

    view = pickle.loads(pickle.dumps(ts.from_zarr(array)))

    assert view[1:4].read().result().tolist() == [1, 2, 3]


async def test_copy_materialises_a_view_in_bounded_memory(
    view: ts.TensorStore, tmp_path: Path
) -> None:
    target = zarr.create_array(tmp_path / "a.zarr", shape=[7, 11], chunks=[3, 4], dtype="i4")
    seen: list[tuple[int, int, int]] = []

    def progress(done: int, total: int, nbytes: int) -> None:
        seen.append((done, total, nbytes))

    source = view.translate_to[0, 0]
    await ts.copy(source, ts.from_zarr(target), progress=progress, max_bytes=4 * 12 * 4)

    np.testing.assert_array_equal(target[...], content())
    assert seen[-1] == (9, 9, 7 * 11 * 4)


async def test_array_is_created_for_what_a_view_shows(view: ts.TensorStore, tmp_path: Path) -> None:
    target = create_like(view, tmp_path / "a.zarr", shards=(6, 8), compressors=None)

    assert (target.domain, target.dtype) == (view.domain, view.dtype)
    assert target.dimension_units == view.dimension_units
    assert target.chunks == (6, 8)
    await ts.copy(view, target)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr")[...], content())
    with pytest.raises(zarr.errors.ContainsArrayError):
        create_like(view, tmp_path / "a.zarr")


async def test_view_of_a_zarr_array_of_a_view_of_a_zarr_array() -> None:
    view = ts.from_zarr(stored())
    for _ in range(3):
        view = ts.from_zarr(zarr.open_array(view.as_zarr_store()))

    np.testing.assert_array_equal(await view.read(), content())
