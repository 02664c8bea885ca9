"""WRF: de-staggering, heights, density and grid against closed forms; every refusal; the real files."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
from ingest_cases import shared_data
from wrf_cases import DX, HOUR, LAMBERT, LAMBERT_CRS, NX, NY, NZ, P0, START, T0, fields, positions, write

from pipeline.errors import ConfigError, CoordinateError, FormatError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.ingest import wrf


def test_isothermal_atmosphere_has_its_closed_form(tmp_path):
    got = wrf.read_wrf([write(tmp_path / "a.nc")], None)
    truth = fields()
    full = (truth["PH"] + truth["PHB"]) / 9.81
    above_sea = 0.5 * (full[1:] + full[:-1])
    np.testing.assert_allclose(got["height"][0], above_sea - truth["HGT"], rtol=1e-5)
    np.testing.assert_allclose(got["temperature"], T0, rtol=1e-6)
    density = P0 * np.exp(-9.81 * above_sea / (287.0 * T0)) / (287.0 * T0)
    np.testing.assert_allclose(got["density"][0], density, rtol=1e-6)
    np.testing.assert_allclose(got["boundary_layer_height"][0], truth["PBLH"])
    np.testing.assert_allclose(got["terrain"], truth["HGT"])
    assert {str(got[name].dtype) for name in got.data_vars} == {"float32"}


def test_linear_fields_are_destaggered_exactly(tmp_path):
    got = wrf.read_wrf([write(tmp_path / "a.nc")], None)
    k, j, i = np.meshgrid(np.arange(NZ), np.arange(NY), np.arange(NX), indexing="ij")
    np.testing.assert_allclose(got["u"][0], 1 + 0.5 * (i + 0.5) - 0.2 * j + 0.3 * k, atol=1e-6)
    np.testing.assert_allclose(got["v"][0], -2 + 0.1 * i + 0.4 * (j + 0.5) - 0.3 * k, atol=1e-6)
    np.testing.assert_allclose(got["w"][0], 0.05 * (k + 0.5) - 0.01 * i, atol=1e-6)


def test_water_vapour_makes_air_lighter_by_the_ideal_gas_law(tmp_path):
    ratio = np.full((NZ, NY, NX), 0.012)
    got = wrf.read_wrf([write(tmp_path / "a.nc", QVAPOR=ratio)], None)
    np.testing.assert_allclose(got["humidity"], 0.012 / 1.012, rtol=1e-6)
    pressure, temperature = (got[name].values.astype(float) for name in ("pressure", "temperature"))
    # Dalton: partial pressures of 1 kg dry air and 12 g vapour add up
    density = pressure * 1.012 / (temperature * (287.0 + 0.012 * 461.6))
    np.testing.assert_allclose(got["density"], density, rtol=1e-6)


def test_rotation_to_earth_agrees_with_the_angle_of_the_file(tmp_path):
    # U and V read along the grid, carried a short way in the grid's plane, must go where WRF's formula says
    lon = positions()[2]
    cone = np.log(np.cos(np.radians(30.0)) / np.cos(np.radians(60.0))) / np.log(
        np.tan(np.radians(45 - 15)) / np.tan(np.radians(45 - 30))
    )
    angle = -cone * np.radians(lon - 110.0)
    file = write(tmp_path / "a.nc", extra={"COSALPHA": np.cos(angle), "SINALPHA": np.sin(angle)})
    got = wrf.read_wrf([file], None)
    grid = Grid.from_dataset(got)
    u, v = (got[name].values[0, 2].astype(float) for name in "uv")
    with netCDF4.Dataset(file) as data:
        cosine, sine = (np.asarray(data[name][0], dtype=float) for name in ("COSALPHA", "SINALPHA"))
    east, north = u * cosine - v * sine, v * cosine + u * sine
    gx, gy = np.meshgrid(grid.x, grid.y)
    (lon0, lat0), (lon1, lat1) = grid.to_lonlat(gx, gy), grid.to_lonlat(gx + u, gy + v)
    moved = np.arctan2((lat1 - lat0), (lon1 - lon0) * np.cos(np.radians(lat0)))
    turned = np.abs(np.degrees(angle)).min()
    assert turned > 5, "the case must be rotated"
    np.testing.assert_allclose(moved, np.arctan2(north, east), atol=2e-5)
    np.testing.assert_allclose(np.hypot(east, north), np.hypot(u, v), rtol=1e-6)


@pytest.mark.parametrize(
    ("attrs", "crs", "lon", "lat"),
    [
        (LAMBERT, LAMBERT_CRS, 120.0, 29.0),
        (LAMBERT | {"TRUELAT1": -30.0, "TRUELAT2": -30.0, "MOAD_CEN_LAT": -29.0},
         "+proj=lcc +lat_1=-30 +lat_2=-30 +lat_0=-29 +lon_0=110 +R=6370000", 120.0, -29.0),
        (LAMBERT | {"MAP_PROJ": 2, "TRUELAT1": 60.0},
         "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=110 +R=6370000", 120.0, 70.0),
        (LAMBERT | {"MAP_PROJ": 2, "TRUELAT1": -71.0},
         "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=110 +R=6370000", 120.0, -70.0),
        (LAMBERT | {"MAP_PROJ": 3, "TRUELAT1": 15.0, "CEN_LON": 179.9},
         "+proj=merc +lat_ts=15 +lon_0=179.9 +R=6370000", 179.8, 10.0),
    ],
)  # fmt: skip
def test_grid_gives_back_the_positions_of_the_file(tmp_path, attrs, crs, lon, lat):
    x, y, lon, lat = positions(crs, lon, lat)
    got = wrf.read_wrf([write(tmp_path / "a.nc", attrs=attrs, lonlat=(lon, lat))], None)
    grid = Grid.from_dataset(got)
    np.testing.assert_allclose(grid.x, x[0], atol=5)
    np.testing.assert_allclose(grid.y, y[:, 0], atol=5)
    np.testing.assert_allclose(np.diff(grid.x_edges), DX)
    np.testing.assert_allclose((got["lon"] - lon + 180) % 360 - 180, 0, atol=2e-4)
    np.testing.assert_allclose(got["lat"], lat, atol=1e-4)


def test_lon_lat_grid_across_the_date_line(tmp_path):
    lon, lat = np.meshgrid(179.75 + 0.1 * np.arange(NX), 10.05 + 0.1 * np.arange(NY))
    attrs = LAMBERT | {"MAP_PROJ": 6}
    file = write(tmp_path / "a.nc", attrs=attrs, lonlat=((lon + 180) % 360 - 180, lat))
    grid = Grid.from_dataset(wrf.read_wrf([file], None))
    np.testing.assert_allclose(grid.x, lon[0], atol=1e-4)
    np.testing.assert_allclose(grid.y, lat[:, 0], atol=1e-5)
    rotated = write(tmp_path / "b.nc", attrs=attrs | {"POLE_LAT": 40.0}, lonlat=(lon, lat))
    with pytest.raises(CoordinateError, match=r"POLE_LAT 90.*got 'MAP_PROJ 6, POLE_LAT 40"):
        wrf.read_wrf([rotated], None)


def test_result_does_not_depend_on_the_order_or_packing_of_files(tmp_path):
    files = [write(tmp_path / f"{hour}.nc", hours=(hour,)) for hour in range(4)]
    got = wrf.read_wrf(files, None)
    assert got["time"].values.tolist() == (START + np.arange(4) * HOUR).tolist()
    np.testing.assert_allclose(got["u"][:, 0, 0, 0], 1.25 + np.arange(4))
    assert got.identical(wrf.read_wrf([files[index] for index in (2, 0, 3, 1)], None))
    together = write(tmp_path / "all.nc", hours=range(4))
    assert got.identical(wrf.read_wrf([together], None))
    # an hour given twice and alike counts once
    assert got.identical(wrf.read_wrf([together, files[2]], None))


def test_hours_are_cut_with_both_ends_included(tmp_path):
    file = write(tmp_path / "a.nc", hours=range(5))
    got = wrf.read_wrf([file], (START + HOUR, START + 3 * HOUR))
    assert got["time"].values.tolist() == (START + np.arange(1, 4) * HOUR).tolist()
    with pytest.raises(TimeError, match=r"missing 2022-12-07T05, 2022-12-07T06'"):
        wrf.read_wrf([file], (START + 3 * HOUR, START + 6 * HOUR))
    with pytest.raises(TimeError, match="two whole hours in order; got '2022-12-07T03"):
        wrf.read_wrf([file], (START + 3 * HOUR, START))


def test_gaps_and_contradicting_hours_are_refused(tmp_path):
    files = [write(tmp_path / f"{hour}.nc", hours=(hour,)) for hour in (0, 1, 4)]
    with pytest.raises(TimeError, match=r"every hour must be present; got 'missing 2022-12-07T02, 2022-12-07T03'"):
        wrf.read_wrf(files, None)
    other = write(tmp_path / "other.nc", hours=(1,), change={"U": 1.01})
    with pytest.raises(TimeError, match=r"identical \(1.nc at 2022-12-07T01\); got \['u'\]"):
        wrf.read_wrf([*files, other], None)
    with pytest.raises(TimeError, match="whole hours; got '2022-12-07T00:20"):
        wrf.read_wrf([write(tmp_path / "off.nc", minutes=20)], None)
    with pytest.raises(TimeError, match="at least one hour; got 'none'"):
        wrf.read_wrf([], None)
    with pytest.raises(TimeError, match="at least one hour; got 'none'"):
        wrf.read_wrf([write(tmp_path / "empty.nc", hours=())], None)
    with netCDF4.Dataset(files[0], "a") as data:
        data["Times"][0, 5:7] = np.array([b"1", b"3"])
    with pytest.raises(TimeError, match=r"0\.nc:Times: Times must be dates; got '2022-13-07_00"):
        wrf.read_wrf(files, None)


def test_frames_of_two_domains_are_refused(tmp_path):
    first = write(tmp_path / "a.nc")
    moved = write(tmp_path / "b.nc", hours=(1,), lonlat=positions(lon=120.5)[2:])
    with pytest.raises(CoordinateError, match="x cells must be the domain's; got 'edges off by"):
        wrf.read_wrf([first, moved], None)
    raised = write(tmp_path / "c.nc", hours=(1,), HGT=fields()["HGT"] - 2.0)
    with pytest.raises(CoordinateError, match=r"c\.nc at 2022-12-07T01:HGT: the terrain .* got 'differs by up to 2 m'"):
        wrf.read_wrf([first, raised], None)


@pytest.mark.parametrize("name", [name for name in fields() if name != "ZNT"])
def test_a_missing_variable_is_named(tmp_path, name):
    with pytest.raises(FormatError, match=rf"a\.nc at 2022-12-07T00:{name}: the variable {name} must be present"):
        wrf.read_wrf([write(tmp_path / "a.nc", drop=[name])], None)


def test_roughness_is_taken_from_the_argument_only_where_the_file_has_none(tmp_path):
    bare, full = write(tmp_path / "a.nc", drop=["ZNT"]), write(tmp_path / "b.nc")
    with pytest.raises(FormatError, match=r"variable ZNT must be present.*set roughness in"):
        wrf.read_wrf([bare], None)
    np.testing.assert_allclose(wrf.read_wrf([bare], None, roughness=0.25)["roughness"], 0.25)
    np.testing.assert_allclose(wrf.read_wrf([full], None, roughness=0.25)["roughness"], 0.1)
    with pytest.raises(UnitError, match=r"roughness must lie in .* got '-1'"):
        wrf.read_wrf([bare], None, roughness=-1.0)


def test_times_come_from_xtime_where_times_is_absent(tmp_path):
    file = write(tmp_path / "a.nc", hours=(0, 1))
    with netCDF4.Dataset(file, "a") as data:
        data.renameVariable("Times", "OldTimes")
    with pytest.raises(FormatError, match="must hold Times or XTIME"):
        wrf.read_wrf([file], None)
    with netCDF4.Dataset(file, "a") as data:
        data.createVariable("XTIME", "f4", ("Time",)).units = "minutes since 2022-12-07 00:00:00"
        data["XTIME"][:] = [0.0, 60.0]
    assert wrf.read_wrf([file], None)["time"].values.tolist() == (START + np.arange(2) * HOUR).tolist()


def test_missing_values_are_counted_with_their_level(tmp_path):
    wind = fields()["U"]
    wind[2, 1, :3] = np.nan
    with pytest.raises(
        FormatError, match=r"a\.nc at 2022-12-07T00:U: values must be finite; got '3 missing, first at level 2'"
    ):
        wrf.read_wrf([write(tmp_path / "a.nc", U=wind)], None)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"P": 0.01, "PB": 0.01}, UnitError, "pressure at the lowest level must lie in .* Pa; got '969"),
        ({"PSFC": 0.01}, UnitError, "surface_pressure must lie in .* Pa; got '9"),
        ({"T": 30.0}, UnitError, "temperature must lie in .* K; got '-"),
        ({"PHB": -1.0}, FormatError, "heights must ascend from the ground; got 'a step of -"),
        ({"HGT": 1.5}, FormatError, "heights must ascend from the ground; got 'a step of -"),
    ],
)
def test_implausible_numbers_are_refused(tmp_path, change, error, text):
    with pytest.raises(error, match=text):
        wrf.read_wrf([write(tmp_path / "a.nc", change=change)], None)


def test_files_that_are_not_whole_wrfout_are_refused(tmp_path):
    cut = write(tmp_path / "cut.nc")
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(FormatError, match="it is truncated"):
        wrf.read_wrf([cut], None)
    bare = {key: value for key, value in LAMBERT.items() if key != "TRUELAT2"}
    with pytest.raises(FormatError, match=r"a\.nc: the attribute TRUELAT2 must be present"):
        wrf.read_wrf([write(tmp_path / "a.nc", attrs=bare)], None)
    with pytest.raises(CoordinateError, match=r"MAP_PROJ must be 1 .* got 'MAP_PROJ 203"):
        wrf.read_wrf([write(tmp_path / "b.nc", attrs=LAMBERT | {"MAP_PROJ": 203})], None)
    with pytest.raises(CoordinateError, match=r"within 0\.01 of a cell; got '0\.\d+ of the step 9300 in x'"):
        wrf.read_wrf([write(tmp_path / "c.nc", attrs=LAMBERT | {"DX": 9300.0})], None)
    with xr.open_dataset(write(tmp_path / "whole.nc"), decode_times=False) as data:
        data.isel(west_east=slice(1, None)).to_netcdf(tmp_path / "e.nc")
    with pytest.raises(FormatError, match=r"west_east_stag must be one longer than west_east; got"):
        wrf.read_wrf([tmp_path / "e.nc"], None)
    flat = write(tmp_path / "d.nc", W=np.zeros((NZ, NY, NX)))
    with pytest.raises(
        FormatError, match=r"d\.nc at 2022-12-07T00:W: the dims must be those of wrfout; got \('Time', 'bottom_top'"
    ):
        wrf.read_wrf([flat], None)


def test_boundary_layer_height_is_derived_only_when_absent_and_asked_for(tmp_path):
    bare, full = write(tmp_path / "a.nc", drop=["PBLH"]), write(tmp_path / "b.nc")
    derive = {"boundary_layer_height"}
    with pytest.raises(FormatError, match=r'variable PBLH must be present.*set boundary_layer = "richardson"'):
        wrf.read_wrf([bare], None)
    derived = wrf.read_wrf([bare], None, derive=derive)["boundary_layer_height"]
    # theta rises by g / cp per metre: the closed form of the linear profile, plus the wind's shear
    assert np.all((derived > 80) & (derived < 300))
    np.testing.assert_allclose(wrf.read_wrf([full], None, derive=derive)["boundary_layer_height"][0], fields()["PBLH"])
    calm = write(tmp_path / "c.nc", drop=["PBLH"], change={"UST": 30.0})
    with pytest.raises(FormatError, match=r"must reach 0\.25 below the model's top; got '35 columns"):
        wrf.read_wrf([calm], None, derive=derive)
    with pytest.raises(ConfigError, match=r"got \['roughness'\]"):
        wrf.read_wrf([full], None, derive={"roughness"})


def test_real_bowen_is_hydrostatic():
    folder = shared_data() / "meteorology" / "wrf_bowen_20221207"
    got = wrf.read_wrf(sorted(folder.glob("*.nc"), reverse=True), None)
    assert dict(got.sizes) | {"edge": 0} == {"time": 25, "level": 32, "y": 14, "x": 14, "edge": 0}
    height, pressure, density = (got[name].values.astype(float) for name in ("height", "pressure", "density"))
    assert np.all(np.diff(height, axis=1) > 0)
    assert 20 < height[:, 0].min() < height[:, 0].max() < 30
    # every layer to 1 % (its density is the mean of two points), the column and the ground closer
    weight = 9.81 * 0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(height, axis=1)
    np.testing.assert_allclose(weight, -np.diff(pressure, axis=1), rtol=0.01)
    lowest = 9.81 * density[:, 0] * height[:, 0]
    surface = got["surface_pressure"].values
    np.testing.assert_allclose(pressure[:, 0] + lowest, surface, rtol=5e-4)
    np.testing.assert_allclose(weight.sum(axis=1) + lowest, surface - pressure[:, -1], rtol=4e-3)
    # the positions of the grid are the file's
    with netCDF4.Dataset(sorted(folder.glob("*.nc"))[0]) as data:
        np.testing.assert_allclose(got["lon"], data["XLONG"][0], atol=1e-4)
        np.testing.assert_allclose(got["lat"], data["XLAT"][0], atol=1e-4)
    # by day (00 UTC is 10 h local) heat goes up and the layer is deep; by night (15 UTC) the reverse
    flux, layer = (got[name].mean(("y", "x")).values for name in ("heat_flux", "boundary_layer_height"))
    assert flux[2] > 100
    assert flux[15] < 0
    assert layer[4] > 4 * layer[15]
