"""Laws of the analytic plume."""

import numpy as np
import pytest
import xarray as xr

from pipeline.errors import InputError, TimeError
from pipeline.grid import Grid, lambert_grid
from pipeline.schema import HOUR
from pipeline.transport import Plume, plume_footprints
from pipeline.units import MOLAR_MASS_AIR

START = np.datetime64("2024-07-14T18", "ns")


def wide_grid(spacing=6000.0, half=60):
    edges = spacing * np.arange(-half, half + 1)
    return Grid(lambert_grid(west=118, east=123, south=27, north=31.5, spacing=9000.0).crs, edges, edges)


def weather(u, v, height):
    fields = np.broadcast_arrays(np.asarray(u, float), np.asarray(v, float), np.asarray(height, float))
    times = START + HOUR * np.arange(fields[0].size)
    names = ("u", "v", "boundary_layer_height")
    return xr.Dataset({n: ("time", f.copy()) for n, f in zip(names, fields, strict=True)}, coords={"time": times})


def receptors(grid, x=0.0, y=0.0, hours=(12,)):
    lon, lat = grid.to_lonlat(np.array([x]), np.array([y]))
    n = len(hours)
    return xr.Dataset(
        {
            "time": ("obs", START + HOUR * np.array(hours)),
            "station": ("obs", np.full(n, "ZJ_P01")),
            "lon": ("obs", np.full(n, lon[0])),
            "lat": ("obs", np.full(n, lat[0])),
            "height": ("obs", np.full(n, 100.0)),
        },
        attrs={"species": "co2"},
    )


def by_hour(footprints, grid, row=0):
    """Return {hours back: (ny, nx)} of one row."""
    edges = footprints["indptr"].values
    entries = slice(edges[row], edges[row + 1])
    back = ((footprints["time"].values[row] - footprints["hour"].values[entries]) // HOUR).astype(int)
    out = {}
    for lag in np.unique(back):
        field = np.zeros(grid.size)
        at = back == lag
        field[footprints["cell"].values[entries][at]] = footprints["footprint"].values[entries][at]
        out[int(lag)] = field.reshape(grid.shape)
    return out


def centroid(field, grid):
    total = field.sum()
    return (field * grid.x).sum() / total, (field * grid.y[:, None]).sum() / total


def changing_weather():
    hours = np.arange(18)
    return weather(3 * np.cos(hours / 5), 2 * np.sin(hours / 4), 300 + 900 * np.abs(np.sin(hours / 6)))


def test_integral_is_residence_time_over_mixing_depth():
    grid, plume, air = wide_grid(), Plume(hours=6), changing_weather()
    layers = by_hour(plume_footprints(receptors(grid), air, grid, plume), grid)
    assert sorted(layers) == list(range(7))
    for lag, field in layers.items():
        height = float(air["boundary_layer_height"][12 - lag])
        depth = max(0.5 * height, 100.0)
        # releases fill the receptor's own hour evenly, so on average half of it lies upwind
        seconds = 1800.0 if lag == 0 else 3600.0
        expected = MOLAR_MASS_AIR * seconds / (1.15 * depth)
        assert field.sum() == pytest.approx(expected, rel=1e-6)


def test_mass_outside_the_grid_is_not_counted():
    # wind from the west at 10 m/s: after ten hours the puffs are 360 km upwind, beyond the grid, which ends at 120 km
    grid, plume = wide_grid(half=20), Plume(hours=10)
    layers = by_hour(plume_footprints(receptors(grid), weather(np.full(18, 10.0), 0.0, 1000.0), grid, plume), grid)
    whole = MOLAR_MASS_AIR * 3600.0 / (1.15 * 500.0)
    assert layers[1].sum() == pytest.approx(whole, rel=0.02)
    assert 10 not in layers
    assert sum(field.sum() for field in layers.values()) < 5 * whole


def test_the_footprint_moves_with_its_receptor():
    grid, plume, air = wide_grid(), Plume(hours=4), changing_weather()
    here = by_hour(plume_footprints(receptors(grid), air, grid, plume), grid)
    there = by_hour(plume_footprints(receptors(grid, 5 * 6000.0, -3 * 6000.0), air, grid, plume), grid)
    for lag, field in here.items():
        np.testing.assert_allclose(np.roll(field, (-3, 5), axis=(0, 1)), there[lag], rtol=1e-4, atol=1e-9)


def test_puffs_lie_upwind_by_the_distance_travelled():
    grid, plume = wide_grid(spacing=3000.0), Plume(hours=5)
    layers = by_hour(plume_footprints(receptors(grid), weather(np.full(18, 4.0), -2.0, 800.0), grid, plume), grid)
    for lag in range(1, 5):
        east, north = centroid(layers[lag], grid)
        # the middle of the flux hour is `lag` hours before the middle of the receptor's hour
        assert east == pytest.approx(-4.0 * 3600 * lag, abs=30.0)
        assert north == pytest.approx(2.0 * 3600 * lag, abs=30.0)


def test_calm_air_leaves_the_puff_over_the_receptor():
    grid, plume = wide_grid(spacing=2000.0, half=40), Plume(hours=3)
    layers = by_hour(plume_footprints(receptors(grid), weather(np.zeros(18), 0.0, 800.0), grid, plume), grid)
    for field in layers.values():
        np.testing.assert_allclose(field, field[::-1], rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(field, field[:, ::-1], rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(field, field.T, rtol=1e-4, atol=1e-9)
    widths = [float((field.sum(axis=0) * grid.x**2).sum() / field.sum()) for field in layers.values()]
    assert widths == sorted(widths)


def test_spread_has_taylors_limits():
    plume = Plume(sigma_start=0.0)
    short, long = 60.0, 1e7
    assert plume.sigma(np.array(short)) == pytest.approx(plume.sigma_velocity * short, rel=2e-3)
    diffusive = plume.sigma_velocity * np.sqrt(2 * plume.time_scale * long)
    assert plume.sigma(np.array(long)) == pytest.approx(diffusive, rel=1e-2)


def test_a_coarse_cell_is_the_sum_of_its_fine_cells():
    fine, coarse = wide_grid(3000.0, 60), wide_grid(9000.0, 20)
    plume, air = Plume(hours=4), changing_weather()
    small = by_hour(plume_footprints(receptors(fine), air, fine, plume), fine)
    large = by_hour(plume_footprints(receptors(coarse), air, coarse, plume), coarse)
    for lag, field in large.items():
        np.testing.assert_allclose(small[lag].reshape(40, 3, 40, 3).sum(axis=(1, 3)), field, rtol=1e-4, atol=1e-9)


def test_no_footprint_before_the_first_weather_hour():
    grid = wide_grid()
    found = plume_footprints(receptors(grid, hours=(2, 3)), changing_weather(), grid, Plume(hours=18))
    assert sorted(by_hour(found, grid, 0)) == [0, 1, 2]
    assert sorted(by_hour(found, grid, 1)) == [0, 1, 2, 3]


def test_the_dilution_layer_has_a_floor():
    plume = Plume(dilution_floor=120.0)
    np.testing.assert_allclose(plume.dilution_height(np.array([100.0, 1000.0])), [120.0, 500.0])


def test_a_receptor_hour_without_weather_is_refused():
    grid = wide_grid()
    with pytest.raises(TimeError, match=r"weather must cover every receptor hour; got '2024-07-15T14:00"):
        plume_footprints(receptors(grid, hours=(20,)), changing_weather(), grid, Plume())


def test_weather_with_a_gap_is_refused():
    grid = wide_grid()
    with pytest.raises(TimeError, match="hourly without gaps"):
        plume_footprints(receptors(grid), changing_weather().isel(time=[0, 1, 2, 4, 12]), grid, Plume())


def test_a_lonlat_grid_is_refused():
    grid = Grid("EPSG:4326", np.arange(118.0, 121), np.arange(27.0, 30))
    with pytest.raises(InputError, match="projected grid in m; got 'EPSG:4326'"):
        plume_footprints(receptors(wide_grid()), changing_weather(), grid, Plume())
