from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from virtchunk.demo.terrain import (
    SplineTaps,
    hillshade,
    hypsometric_tint,
    shaded_relief,
    slope_and_aspect,
    upsample,
)

STEP = 10.0


def surface(rise_north: float, rise_east: float) -> npt.NDArray[np.float32]:
    """A plane of 5 x 6 samples that rises by so much per sample; the first row is in the north."""
    y, x = np.mgrid[:5, :6]
    plane: npt.NDArray[np.float32] = (x * rise_east - y * rise_north).astype(np.float32)
    return plane


def taps(start: int, stop: int, *, zoom: int = 3, size: int = 8) -> SplineTaps:
    return SplineTaps.between(start, stop, zoom=zoom, size=size)


def test_level_ground_has_no_slope_and_the_light_of_the_sun_s_height() -> None:
    slope, _ = slope_and_aspect(surface(0, 0), (STEP, STEP))

    np.testing.assert_array_equal(slope, np.zeros((3, 4)))
    np.testing.assert_allclose(hillshade(surface(0, 0), (STEP, STEP)), np.sin(np.pi / 4), rtol=1e-6)


@pytest.mark.parametrize(
    ("rise_north", "rise_east", "faces"),
    [(-STEP, 0, 0), (0, -STEP, 90), (STEP, 0, 180), (0, STEP, -90), (-STEP, STEP, -45)],
    ids=["north", "east", "south", "west", "north-west"],
)
def test_aspect_is_the_compass_direction_downhill(
    rise_north: float, rise_east: float, faces: float
) -> None:
    slope, aspect = slope_and_aspect(surface(rise_north, rise_east), (STEP, STEP))

    np.testing.assert_allclose(np.cos(aspect - np.radians(faces)), np.ones((3, 4)), rtol=1e-6)
    np.testing.assert_allclose(np.tan(slope), np.hypot(rise_north, rise_east) / STEP, rtol=1e-5)


def test_slope_takes_rows_and_columns_to_be_as_far_apart_as_told() -> None:
    slope, _ = slope_and_aspect(surface(3, 0), (3.0, 100.0))

    np.testing.assert_allclose(slope, np.pi / 4, rtol=1e-6)


def test_sun_shines_from_the_north_west() -> None:
    facing = hillshade(surface(-STEP, STEP), (STEP, STEP))
    turned_away = hillshade(surface(STEP * 2, -STEP * 2), (STEP, STEP))

    assert facing.min() > 0.98
    assert turned_away.max() == 0.0


def test_weights_of_every_sample_add_up_to_one() -> None:
    np.testing.assert_allclose(taps(0, 24).weight.sum(axis=0), np.ones(24), rtol=1e-6)


def test_upsampling_keeps_a_plane_a_plane_away_from_the_edge() -> None:
    y, x = np.mgrid[:8, :8]
    fine_y, fine_x = (np.mgrid[6:18, 6:18] + 0.5) / 3 - 0.5
    inside = taps(6, 18)

    fine = upsample((2 * y + 5 * x)[inside.window, inside.window], inside, inside)

    np.testing.assert_allclose(fine, 2 * fine_y + 5 * fine_x, rtol=1e-5)


def test_upsampling_any_window_gives_the_whole_s_own_samples_to_the_last_bit() -> None:
    coarse = np.random.default_rng(0).integers(200, 1100, (8, 8)).astype(np.int16)
    whole = upsample(coarse, taps(0, 24), taps(0, 24))

    for rows, columns in [((0, 5), (0, 24)), ((7, 8), (3, 11)), ((20, 24), (23, 24))]:
        y, x = taps(*rows), taps(*columns)
        part = upsample(coarse[y.window, x.window], y, x)

        np.testing.assert_array_equal(part, whole[slice(*rows), slice(*columns)])


def test_taps_touch_no_more_than_the_margin_they_need() -> None:
    assert taps(6, 9).window == slice(0, 5)
    assert taps(0, 1).window == slice(0, 2)
    assert taps(23, 24).window == slice(6, 8)


def test_tint_runs_from_the_first_colour_to_the_last_and_stops_there() -> None:
    tint = hypsometric_tint(np.array([100, 200, 1000, 2000], np.float32), 200, 1000)

    np.testing.assert_array_equal(tint[0], tint[1])
    np.testing.assert_array_equal(tint[2], tint[3])
    assert tint[0].tolist() != tint[2].tolist()


def test_relief_is_brighter_towards_the_sun_and_never_quite_black_in_the_shadow() -> None:
    spacing = (STEP, STEP)
    sunny = shaded_relief(surface(-STEP, STEP), spacing=spacing, lowest=-99, highest=99)
    shady = shaded_relief(surface(STEP * 2, -STEP * 2), spacing=spacing, lowest=-99, highest=99)

    assert (sunny.shape, sunny.dtype) == ((3, 4, 3), np.dtype(np.uint8))
    assert sunny.mean() > 2 * shady.mean()
    assert shady.min() > 20
