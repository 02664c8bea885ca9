"""ARL weather to the meteorology contract: projections, derived quantities, refusals, and the reference file."""

from pathlib import Path

import numpy as np
import pytest
from arl_cases import LAMBERT, NX, NY, weather, write

from pipeline.errors import ConfigError, CoordinateError, FormatError, TimeError
from pipeline.grid import Grid
from pipeline.ingest.arl import Period
from pipeline.ingest.arl_meteorology import crs_of, grid_of, read_arl, specific_humidity

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "stilt" / "weather.arl"


def period(*grid, nx=20, ny=10):
    time = np.datetime64("2024-06-01T00", "ns")
    return Period(time, "TEST", grid, nx, ny, 2, (1.0, 1000.0), (), 0)


def test_fields_come_out_in_si_on_their_levels(tmp_path):
    out = read_arl(write(tmp_path / "a.arl", weather()))
    assert dict(out.sizes) == {"time": 3, "level": 3, "y": NY, "x": NX, "edge": 2}
    at = out.isel(time=1, level=1, y=3, x=4)
    assert float(at["pressure"]) == 92500.0
    assert float(at["height"]) == 800.0 + 7 * 0.5 - (30.0 + 7 * 0.25)
    assert float(at["u"]) == 6.0 + 7 * 2**-6
    assert float(at["surface_pressure"]) == pytest.approx(100 * (1010.0 + 7 * 0.125))
    assert float(at["heat_flux"]) == -20.0 + 7 * 0.5
    assert float(at["roughness"]) == 0.125 + 7 * 2**-8
    assert float(out["terrain"][3, 4]) == 30.0 + 7 * 0.25


def test_density_and_vertical_velocity_keep_the_gas_law_and_hydrostatic_balance(tmp_path):
    at = read_arl(write(tmp_path / "a.arl", weather())).isel(time=0, level=2, y=5, x=6).astype(np.float64)
    vapour = at.humidity * at.pressure / (0.62198 + 0.37802 * at.humidity)
    moist = (at.pressure - vapour) / (287.053 * at.temperature) + vapour / (461.52 * at.temperature)
    assert float(at.density) == pytest.approx(float(moist), rel=1e-5)
    omega = -0.0625 + 11 * 2**-12
    assert float(at.w * at.density * 9.80665) == pytest.approx(-omega * 100, rel=1e-5)
    assert float(at.w) > 0


def test_saturated_air_has_the_tabulated_humidity():
    # 6.112, 12.27, 23.37 hPa over water at 0, 10, 20 degrees (WMO-No. 8, annex 4.B, to its digits)
    got = specific_humidity(np.array(100.0), np.array([273.15, 283.15, 293.15]), np.array(1e5))
    vapour = np.array([611.2, 1227.0, 2337.0])
    assert got == pytest.approx(0.62198 * vapour / (1e5 - 0.37802 * vapour), rel=2e-3)
    assert specific_humidity(np.array(-0.01), np.array(250.0), np.array(4e4)) == 0.0


def test_hours_include_both_ends_and_read_the_same_numbers(tmp_path):
    path = write(tmp_path / "a.arl", weather(), hours=(0, 3, 6, 9))
    part = read_arl(path, (np.datetime64("2024-06-01T03"), np.datetime64("2024-06-01T06")))
    assert part["time"].values.astype("M8[h]").astype(str).tolist() == ["2024-06-01T03", "2024-06-01T06"]
    assert part.equals(read_arl(path).isel(time=slice(1, 3)))


def test_records_of_other_hours_are_not_read(tmp_path):
    path = write(tmp_path / "a.arl", weather())
    whole = read_arl(path)
    data = bytearray(path.read_bytes())
    data[50 + NX * NY + 60] ^= 1  # in the first hour
    path.write_bytes(data)
    later = (np.datetime64("2024-06-01T01"), np.datetime64("2024-06-01T02"))
    assert read_arl(path, later).equals(whole.isel(time=slice(1, 3)))
    with pytest.raises(FormatError, match=r"a.arl:record 1: the bytes of PRSS on level 0 must add up"):
        read_arl(path)


@pytest.mark.parametrize(("first", "last"), [("2024-05-31T23", "2024-06-01T01"), ("2024-06-01T01", "2024-06-01T03")])
def test_hours_outside_the_file_are_refused(tmp_path, first, last):
    path = write(tmp_path / "a.arl", weather())
    with pytest.raises(TimeError, match=rf"a.arl: the hours must lie in the file, from .*T00:00 to .*got '{first}"):
        read_arl(path, (np.datetime64(first), np.datetime64(last)))


@pytest.mark.parametrize("hours", [(0, 1, 3), (0, 2, 1, 3), (0, 1, 1)])
def test_missing_or_disordered_hours_are_refused(tmp_path, hours):
    path = write(tmp_path / "a.arl", weather(), hours)
    with pytest.raises(TimeError, match="the file's times must ascend in even steps"):
        read_arl(path)


@pytest.mark.parametrize("name", ["PRSS", "PBLH", "USTR", "SHTF", "SHGT", "HGTS", "TEMP", "WWND", "RELH"])
def test_a_missing_field_is_named(tmp_path, name):
    path = write(tmp_path / "a.arl", weather(**{name: None}))
    with pytest.raises(FormatError, match=rf"a.arl:record 0: the file must hold {name} .* on level"):
        read_arl(path, roughness=0.1)


def test_roughness_is_never_invented(tmp_path):
    path = write(tmp_path / "a.arl", weather(RGHS=None))
    with pytest.raises(FormatError, match=r"the file must hold RGHS .*or give the setting roughness"):
        read_arl(path)
    assert np.all(read_arl(path, roughness=0.25)["roughness"] == 0.25)
    # the file's own goes before it
    full = write(tmp_path / "b.arl", weather())
    assert read_arl(full, roughness=0.25).equals(read_arl(full))
    with pytest.raises(ConfigError, match="the roughness length must be positive; got 0"):
        read_arl(path, roughness=0.0)


def test_levels_below_the_ground_stay_with_negative_heights(tmp_path):
    # the ground rises from 30 m to 254 m, so that the lowest level is under it only in the far corner
    out = read_arl(write(tmp_path / "a.arl", weather(SHGT=(30.0, 4.0))))
    assert out["pressure"][0, :, 0, 0].values.tolist() == [100000.0, 92500.0, 85000.0]
    assert float(out["height"][0, 0, 0, 0]) == 120.0
    assert float(out["height"][0, 0, -1, -1]) == 150.0 + 55 * 0.5 - (30.0 + 55 * 4.0)
    with pytest.raises(CoordinateError, match=r"b.arl at .*T00:00:height: at least two levels must lie above .*got 1"):
        read_arl(write(tmp_path / "b.arl", weather(SHGT=(800.0, 1.0))))


def test_heights_that_do_not_ascend_are_refused(tmp_path):
    with pytest.raises(FormatError, match=r"a.arl at .*:height: heights must ascend .*got 'a step of 0 m'"):
        read_arl(write(tmp_path / "a.arl", weather(HGTS=(500.0, 0.5))))


def test_boundary_layer_height_is_derived_only_when_absent_and_asked_for(tmp_path):
    bare, full = write(tmp_path / "a.arl", weather(PBLH=None)), write(tmp_path / "b.arl", weather())
    with pytest.raises(FormatError, match=r'must hold PBLH .*set boundary_layer = "richardson"'):
        read_arl(bare)
    derived = read_arl(bare, boundary_layer="richardson")["boundary_layer_height"]
    # the lowest level stands at 120 m and the next at 770 m, where theta is 1.4 K higher: a share of that layer
    assert np.all((derived > 115) & (derived < 800))
    assert float(derived.max() - derived.min()) > 0
    assert read_arl(full, boundary_layer="richardson").equals(read_arl(full))


@pytest.mark.parametrize("vertical", [1, 3, 4])
def test_other_vertical_coordinates_are_refused(tmp_path, vertical):
    with pytest.raises(CoordinateError, match=f"the vertical coordinate must be pressure .*got {vertical}"):
        read_arl(write(tmp_path / "a.arl", weather(), vertical=vertical))


def test_a_grid_that_changes_is_refused(tmp_path):
    path = write(tmp_path / "a.arl", weather(), (0, 1))
    other = write(tmp_path / "b.arl", weather(), (2,), grid=(*LAMBERT[:9], 46.0, *LAMBERT[10:]))
    path.write_bytes(path.read_bytes() + other.read_bytes())
    with pytest.raises(CoordinateError, match="the grid and levels must stay the same"):
        read_arl(path)


def test_a_ground_that_moves_is_refused(tmp_path):
    path = write(tmp_path / "a.arl", weather(), (0, 1))
    path.write_bytes(path.read_bytes() + write(tmp_path / "b.arl", weather(SHGT=(31.0, 0.25)), (2,)).read_bytes())
    with pytest.raises(CoordinateError, match=r"a.arl: the ground \(SHGT\) must stay the same"):
        read_arl(path)


@pytest.mark.parametrize(
    ("grid", "start"),
    [
        ((90, 0, 45, 8, 12, 0, 45, 3, 4, 47.5, 6, 0), "+proj=lcc"),
        ((90, 0, 30, 110, 12, 0, 45, 3, 4, 31, 115, 0), "+proj=lcc"),
        ((90, 0, -20, 140, 9, 0, -35, 3, 4, -31, 145, 0), "+proj=lcc"),
        ((90, 0, 60, -105, 20, 0, 90, 3, 4, 55, -90, 0), "+proj=stere"),
        ((90, 0, -60, 30, 20, 0, -90, 3, 4, -65, 20, 0), "+proj=stere"),
        ((90, 0, 20, 100, 15, 0, 0, 3, 4, 15, 105, 0), "+proj=merc"),
    ],
)
def test_size_is_true_at_the_reference_latitude_and_the_sync_point_in_place(grid, start):
    made = grid_of(period(*map(float, grid)), "a.arl")
    assert made.crs.startswith(start)
    lon, lat = made.lonlat
    assert (lat[3, 2], lon[3, 2]) == pytest.approx((grid[9], grid[10]), abs=1e-6)
    # one step of longitude at the reference point, as long on the map as on the sphere
    x, y = made.from_lonlat(np.array([grid[3], grid[3] + 1e-4]), np.array([grid[2], grid[2]]))
    true = np.radians(1e-4) * 6371200.0 * np.cos(np.radians(grid[2]))
    assert np.hypot(np.diff(x), np.diff(y))[0] == pytest.approx(true, rel=1e-6)


def test_a_size_of_zero_is_longitude_latitude():
    made = grid_of(period(60.0, 30.0, 0.5, 0.25, 0.0, 0.0, 0.0, 1.0, 1.0, 20.0, 100.0, 0.0), "a.arl")
    assert made == Grid.from_centres("EPSG:4326", 100 + 0.25 * np.arange(20), 20 + 0.5 * np.arange(10))


@pytest.mark.parametrize(("place", "value"), [(0, 30.0), (4, -12.0), (5, 15.0), (6, 95.0)])
def test_unknown_projections_are_refused(place, value):
    grid = [*LAMBERT]
    grid[place] = value
    with pytest.raises(CoordinateError, match=f"a.arl:record 0: the projection must be .*{value:g}"):
        crs_of(period(*grid), "a.arl")


def test_a_sync_point_off_the_map_is_refused():
    grid = period(*LAMBERT[:9], -90.0, 8.0, 0.0)
    with pytest.raises(CoordinateError, match=r"point \(6, 5\) must lie at latitude -90, longitude 8"):
        grid_of(grid, "a.arl")


def test_the_reference_weather_is_read_as_it_was_made():
    if not REFERENCE.is_file():
        pytest.skip("needs ../shared/reference")
    out = read_arl(REFERENCE, roughness=0.1)
    assert dict(out.sizes) == {"time": 40, "level": 28, "y": 41, "x": 43, "edge": 2}
    assert out["time"].values[[0, -1]].astype("M8[h]").astype(str).tolist() == ["2024-06-01T00", "2024-06-02T15"]
    assert (float(out["lat"][20, 21]), float(out["lon"][20, 21])) == pytest.approx((45.0, 8.0))
    assert np.all(out["terrain"] == 0)
    assert np.all(out["height"].diff("level") > 0)
    mean = out["boundary_layer_height"].mean(("y", "x"))
    # 200 m at night, 1600 m by day, patches of 20 % either way
    assert (float(mean.min()), float(mean.max())) == pytest.approx((200, 1600), rel=0.01)
    assert (float(out["boundary_layer_height"].min()), float(out["boundary_layer_height"].max())) == pytest.approx(
        (160, 1920), rel=0.01
    )
    # heights were made from pressure by the hypsometric equation: the layers' weight must be their pressure
    weight = (0.5 * (out.density[:, 1:].values + out.density[:, :-1].values) * 9.80665) * out.height.diff(
        "level"
    ).values
    np.testing.assert_allclose(weight, -out.pressure.diff("level").values, rtol=0.03)
