from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("matplotlib", reason="the demonstration is an extra")

from virtchunk.demo.landscape import ElevationModel, Landscape, jacksboro_fault
from virtchunk.demo.terrain import SplineTaps, upsample

ZOOM = 3


@pytest.fixture
def model() -> ElevationModel:
    """A corner of the real thing: 70 x 75 samples lie in four tiles."""
    whole = jacksboro_fault()
    return ElevationModel(whole.heights[:70, :75], whole.spacing)


def all_at_once(scene: Landscape) -> npt.NDArray[np.uint8]:
    """The relief as one computation on the whole array."""
    heights = scene.model.heights
    rows, columns = (
        SplineTaps.between(0, size * scene.zoom, zoom=scene.zoom, size=size)
        for size in heights.shape
    )
    detail = upsample(heights, rows, columns)
    return scene.shade(np.pad(detail, 1, mode="edge"))


def test_model_is_the_one_that_matplotlib_ships() -> None:
    model = jacksboro_fault()

    assert (model.heights.shape, model.heights.dtype) == ((344, 403), np.dtype(np.int16))
    assert model.spacing == pytest.approx((92.8, 74.5), abs=0.1)


@pytest.mark.parametrize("chunk", [1000, 210, 64, 33, 17])
async def test_relief_has_no_seams_whatever_the_chunks(model: ElevationModel, chunk: int) -> None:
    scene = Landscape(model, zoom=ZOOM, chunk=chunk)

    pixels = await scene.relief.read()

    assert pixels.shape == (70 * ZOOM, 75 * ZOOM, 3)
    np.testing.assert_array_equal(pixels, all_at_once(scene))


@pytest.mark.parametrize("cache_bytes", [0, 100_000])
async def test_relief_is_the_same_with_little_or_no_cache(
    model: ElevationModel, cache_bytes: int
) -> None:
    scene = Landscape(model, zoom=ZOOM, chunk=64, cache_bytes=cache_bytes)

    np.testing.assert_array_equal(await scene.relief.read(), all_at_once(scene))


async def test_cache_has_every_chunk_computed_once(model: ElevationModel) -> None:
    scene = Landscape(model, zoom=ZOOM, chunk=64)

    await scene.relief.read()
    await scene.relief.read()

    assert scene.computed == {"tiles": 4, "detail": 16, "relief": 16}


async def test_a_window_is_computed_from_what_it_needs_and_no_more(model: ElevationModel) -> None:
    scene = Landscape(model, zoom=ZOOM, chunk=64)

    window = await scene.relief[10:20, 30:40].read()

    np.testing.assert_array_equal(window, all_at_once(scene)[10:20, 30:40])
    assert scene.computed == {"tiles": 1, "detail": 4, "relief": 1}
