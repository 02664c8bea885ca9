"""ERA5: heights, winds and surface fields against closed forms; both namings; every refusal; the real files."""

import importlib

import netCDF4
import numpy as np
import pytest
from era5_cases import (
    HOUR,
    LEVELS,
    NX,
    NY,
    RD,
    START,
    T0,
    G,
    holed,
    isothermal_height,
    surface,
    upper,
    write_cdo,
    write_cds,
)
from ingest_cases import shared_data

from pipeline.errors import ConfigError, CoordinateError, FormatError, TimeError, UnitError
from pipeline.grid import Grid
from pipeline.ingest.era5 import read_era5
from pipeline.ingest.era5_fields import first_above_ground, hypsometric_geopotential
from pipeline.ingest.era5_files import era5_times
from pipeline.ingest.wind_rotation import earth_to_grid


def test_isothermal_atmosphere_has_its_closed_form(tmp_path):
    got = read_era5([write_cds(tmp_path / "a.nc")])
    assert dict(got.sizes) == {"time": 1, "level": 5, "y": NY, "x": NX, "edge": 2}
    np.testing.assert_allclose(got["height"][0], isothermal_height(), rtol=2e-6, atol=1e-2)
    np.testing.assert_allclose(got["pressure"][0, :, 2, 3], 100 * LEVELS)
    density = 100 * LEVELS[:, None, None] / (RD * T0) * np.ones((NY, NX))
    np.testing.assert_allclose(got["density"][0], density, rtol=1e-6)
    np.testing.assert_allclose(got["w"][0], -upper()["w"] / (density * G), rtol=1e-6)
    assert {str(got[name].dtype) for name in got.data_vars} == {"float32"}


def test_levels_below_the_ground_stay_with_negative_heights(tmp_path):
    height = read_era5([write_cds(tmp_path / "a.nc")])["height"]
    assert np.all(height[0, 0] < 0)
    assert np.all(height[0, 1:] > 0)
    assert np.all(height.diff("level") > 0)


def test_surface_fields_have_the_contract_signs(tmp_path):
    got = read_era5([write_cds(tmp_path / "a.nc")]).isel(time=0)
    truth = surface()
    # ECMWF counts downward, we upward
    np.testing.assert_allclose(got["heat_flux"], -truth["ishf"])
    np.testing.assert_allclose(got["friction_velocity"], np.sqrt(0.13 / (truth["sp"] / (RD * T0))), rtol=1e-6)
    np.testing.assert_allclose(got["boundary_layer_height"], truth["blh"])
    np.testing.assert_allclose(got["roughness"], truth["fsr"])
    np.testing.assert_allclose(got["surface_pressure"], truth["sp"])
    np.testing.assert_allclose(got["terrain"], truth["z"] / G, rtol=5e-5)
    np.testing.assert_allclose(got["u"], upper()["u"], rtol=1e-6)
    np.testing.assert_allclose(Grid.from_dataset(got).y, 49.0 + 0.25 * np.arange(NY))


def test_layers_weigh_their_pressure_when_air_is_moist_and_cools_with_height():
    k = np.arange(40)[:, None, None]
    pressure = 1e5 * 0.97 ** np.arange(40)
    virtual = 300.0 - 1.2 * k * np.ones((40, 2, 3))
    ground = np.array([[98500.0, 95000.0, 101000.0], [80000.0, 97000.0, 90001.0]])
    near = 300.0 + np.log(ground / 1e5) * 1.2 / -np.log(0.97)
    got = hypsometric_geopotential(pressure, virtual, ground, near, np.full((2, 3), 500.0)) - 500.0
    # Tv is linear in ln p from ground to top, so the exact integral is that of its mean
    log = np.log(ground / pressure[:, None, None])
    np.testing.assert_allclose(got, RD * 0.5 * (virtual + near) * log, atol=1e-6)
    assert np.all((got < 0) == (pressure[:, None, None] > ground))
    assert first_above_ground(pressure[:, None, None] + 0 * virtual, pressure, ground).max() <= ground.max()


def test_geopotential_of_the_levels_goes_before_the_hypsometric_equation(tmp_path):
    raised = G * (surface()["z"] / G + np.array([-300.0, 400.0, 1100.0, 2600.0, 5200.0])[:, None, None])
    levels = write_cds(tmp_path / "levels.nc", ground=False, more={"z": raised})
    ground = write_cds(tmp_path / "ground.nc", levels=False)
    got = read_era5([levels, ground])
    np.testing.assert_allclose(got["height"][0, :, 0, 0], [-300.0, 400.0, 1100.0, 2600.0, 5200.0], rtol=1.5e-3)
    np.testing.assert_allclose(got["terrain"], surface()["z"] / G, rtol=5e-5)


def test_result_does_not_depend_on_how_fields_and_hours_lie_in_files(tmp_path):
    one = read_era5([write_cds(tmp_path / "all.nc", hours=(0, 1, 2))])
    assert one["time"].values.tolist() == (START + np.arange(3) * HOUR).tolist()
    np.testing.assert_allclose(one["u"][:, 0, 0, 0], [3.0, 4.0, 5.0])
    split = [write_cds(tmp_path / f"l{hour}.nc", hours=(hour,), ground=False) for hour in (2, 0, 1)]
    split.insert(1, write_cds(tmp_path / "s.nc", hours=(0, 1, 2), levels=False))
    assert one.identical(read_era5(split))
    # the height of the ground may be in a file without a time
    names = [name for name in surface() if name != "z"]
    split[1] = write_cds(tmp_path / "t.nc", hours=(0, 1, 2), levels=False, drop=["z"])
    still = write_cds(tmp_path / "z.nc", levels=False, static=True, drop=names)
    assert one.identical(read_era5([*split, still]))
    assert era5_times(still).size == 0
    part = read_era5([tmp_path / "all.nc"], (START + HOUR, START + 2 * HOUR))
    assert part.equals(one.isel(time=slice(1, 3)))


def test_winds_of_a_projected_file_are_turned_to_the_grid(tmp_path):
    file = write_cdo(tmp_path / "a.nc")
    got, raw = read_era5([file]), read_era5([file], winds="grid")
    np.testing.assert_allclose(raw["u"][0], upper()["u"], rtol=1e-6)
    u, v = earth_to_grid(upper()["u"], upper()["v"], Grid.from_dataset(got))
    np.testing.assert_allclose(got["u"][0], u, rtol=1e-5)
    np.testing.assert_allclose(got["v"][0], v, rtol=1e-5)
    # some 2 degrees east of the central meridian the grid is turned by about 2 degrees
    assert float(np.abs(got["u"] - raw["u"]).max()) > 0.1
    assert "Transverse" in got["crs"].attrs["crs_wkt"] or "transverse" in got["crs"].attrs["crs_wkt"]
    assert Grid.from_dataset(got).x[0] == 7.0e5


def test_a_margin_outside_the_source_is_cut_off_and_told(tmp_path):
    got = read_era5([write_cdo(tmp_path / "a.nc", margin=2)])
    assert got.attrs["margin_left_out"] == "rows south 2, north 2; columns west 2, east 2"
    assert Grid.from_dataset(got).shape == (NY, NX)
    assert Grid.from_dataset(got).x[0] == 7.4e5
    np.testing.assert_allclose(got["height"][0], isothermal_height(), rtol=2e-6, atol=1e-2)


@pytest.mark.parametrize("name", ["u", "t", "sp", "blh"])
def test_missing_values_are_counted_with_file_time_and_field(tmp_path, name):
    files = [write_cdo(tmp_path / f"{hour}.nc", hour, 1, {name: holed} if hour else {}) for hour in (0, 1)]
    with pytest.raises(FormatError, match=rf"1\.nc at 2025-05-01T01:00:{name}: values must be finite; got '1 of"):
        read_era5(files)


@pytest.mark.parametrize("name", ["t", "u", "v", "w", "q", "sp", "z", "t2m", "blh", "ishf", "iews", "inss", "fsr"])
def test_a_missing_field_is_named(tmp_path, name):
    with pytest.raises(FormatError, match=rf"a\.nc at 2025-05-01T00:00: the field {name} must be present"):
        read_era5([write_cds(tmp_path / "a.nc", drop=[name])])


def test_fluxes_summed_over_time_are_refused(tmp_path):
    file = write_cds(tmp_path / "a.nc", drop=["ishf"], more={"sshf": -3e5 * np.ones((NY, NX))})
    with pytest.raises(FormatError, match=r"the field ishf .*got 'only sshf, summed over time'.*fetch instantaneous_"):
        read_era5([file])
    both = write_cds(tmp_path / "b.nc", more={"sshf": -3e5 * np.ones((NY, NX))})
    np.testing.assert_allclose(read_era5([both])["heat_flux"][0], -surface()["ishf"])
    stress = write_cds(tmp_path / "c.nc", drop=["iews"], more={"ewss": 300 * np.ones((NY, NX))})
    with pytest.raises(FormatError, match=r"the field iews .*got 'only ewss, summed over time'"):
        read_era5([stress])


def test_friction_velocity_of_the_file_goes_before_the_stresses(tmp_path):
    file = write_cds(tmp_path / "a.nc", drop=["iews", "inss"], more={"zust": np.full((NY, NX), 0.25)})
    np.testing.assert_allclose(read_era5([file])["friction_velocity"], 0.25)


def test_roughness_is_taken_from_the_argument_only_where_the_file_has_none(tmp_path):
    bare, full = write_cds(tmp_path / "a.nc", drop=["fsr"]), write_cds(tmp_path / "b.nc")
    np.testing.assert_allclose(read_era5([bare], roughness=0.5)["roughness"], 0.5)
    np.testing.assert_allclose(read_era5([full], roughness=0.5)["roughness"][0], surface()["fsr"])
    with pytest.raises(ConfigError, match="the roughness length must be positive; got -1"):
        read_era5([bare], roughness=-1.0)


def test_boundary_layer_height_is_derived_only_when_absent_and_asked_for(tmp_path):
    # an isothermal atmosphere is stable: the number passes its critical value in the lowest layer above the ground
    bare = write_cds(tmp_path / "a.nc", drop=["blh"])
    got = read_era5([bare], boundary_layer="richardson")
    height = got["height"][0].values
    assert np.all((got["boundary_layer_height"][0] > height[1]) & (got["boundary_layer_height"][0] < height[2]))
    full = write_cds(tmp_path / "b.nc")
    assert read_era5([full], boundary_layer="richardson").identical(read_era5([full]))


def test_hours_not_in_the_files_are_refused(tmp_path):
    file = write_cds(tmp_path / "a.nc", hours=(0, 1))
    with pytest.raises(TimeError, match=r"must be in the files, in order; got '2025-05-01T01.* to 2025-05-01T02"):
        read_era5([file], (START + HOUR, START + 2 * HOUR))
    with pytest.raises(TimeError, match="at least one time; got 'none'"):
        read_era5([])


@pytest.mark.parametrize(
    ("name", "change", "error", "text"),
    [
        ("z", lambda values: values + 3e5, UnitError, "terrain must lie in .* m; got '3"),
        ("sp", lambda values: values / 100, UnitError, "surface_pressure must lie in .* Pa; got '9"),
        ("t", lambda values: values - 273.15, UnitError, "temperature must lie in .* K; got '6"),
    ],
)
def test_implausible_numbers_are_refused(tmp_path, name, change, error, text):
    with pytest.raises(error, match=rf"a\.nc at 2025-05-01T00:00:.*{text}"):
        read_era5([write_cds(tmp_path / "a.nc", change={name: change}, more={"zust": np.full((NY, NX), 0.2)})])


def test_heights_that_do_not_ascend_are_refused(tmp_path):
    flat = np.broadcast_to(G * np.array([0.0, 500.0, 1200.0, 1200.0, 5000.0])[:, None, None], (5, NY, NX))
    levels = write_cds(tmp_path / "a.nc", ground=False, more={"z": flat})
    ground = write_cds(tmp_path / "b.nc", levels=False)
    with pytest.raises(FormatError, match=r"a\.nc, b\.nc at .*:height: heights must ascend .*got 'a step of 0 m'"):
        read_era5([levels, ground])


def test_projections_and_axes_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(CoordinateError, match=r"a\.nc: projected axes need a CRS"):
        read_era5([write_cdo(tmp_path / "a.nc", proj="+proj=nowhere")])
    with pytest.raises(CoordinateError, match="only on a conformal map"):
        read_era5([write_cdo(tmp_path / "b.nc", proj="+proj=cea +lat_ts=0 +units=m")])
    file = write_cds(tmp_path / "c.nc")
    with netCDF4.Dataset(file, "a") as data:
        data["pressure_level"].units = "1"
    with pytest.raises(UnitError, match=r"c\.nc:pressure_level: levels must be pressures in Pa or hPa; got '1'"):
        read_era5([file])
    with netCDF4.Dataset(file, "a") as data:
        data["pressure_level"].units = "hPa"
        data["pressure_level"][0] = data["pressure_level"][1]
    with pytest.raises(CoordinateError, match="pressures must be positive, each once"):
        read_era5([file])
    with pytest.raises(CoordinateError, match=r"d\.nc: the file's CRS must be the domain's"):
        read_era5([write_cds(tmp_path / "e.nc"), write_cdo(tmp_path / "d.nc", hour=1)])


def test_sources_that_differ_are_refused(tmp_path):
    first = write_cds(tmp_path / "a.nc")
    raised = write_cds(tmp_path / "b.nc", hours=(1,), change={"z": lambda values: values + 50.0})
    with pytest.raises(CoordinateError, match=r"the ground \(z\) must stay the same"):
        read_era5([first, raised])
    warmer = write_cds(tmp_path / "d.nc", change={"t": lambda values: values + 0.1})
    with pytest.raises(
        FormatError, match=r"a\.nc at .*T00:00:t: two files of one time .*same t; got 'another in d\.nc'"
    ):
        read_era5([first, warmer])
    # the same twice counts once
    assert read_era5([first, write_cds(tmp_path / "e.nc")]).identical(read_era5([first]))
    other = write_cds(tmp_path / "c.nc", hours=(1,))
    with netCDF4.Dataset(other, "a") as data:
        data["pressure_level"][0] = 400.0
    with pytest.raises(CoordinateError, match=r"c\.nc: the pressure levels must be the same"):
        read_era5([first, other])


def test_grib_without_its_extra_is_a_named_remedy(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    (tmp_path / "a.grib").write_bytes(b"GRIB")
    with pytest.raises(
        ConfigError, match=r"a\.grib: GRIB .*cfgrib; got .not installed: cfgrib.*carbon-tianyan\[grib\]"
    ):
        read_era5([tmp_path / "a.grib"])


def test_grib_holds_the_same_numbers_as_netcdf(tmp_path):
    codes = pytest.importorskip("eccodes")
    pytest.importorskip("cfgrib")
    path = tmp_path / "a.grib"
    with path.open("wb") as stream:
        for hour in (0, 1):
            for name, values in upper(hour).items():
                for level, layer in zip(LEVELS, values, strict=True):
                    write_message(codes, stream, name, layer[::-1], hour, level)
            for name, values in surface().items():
                write_message(codes, stream, {"t2m": "2t"}.get(name, name), values[::-1], hour, None)
    got, same = read_era5([path]), read_era5([write_cds(tmp_path / "a.nc", hours=(0, 1))])
    for name in same.data_vars:
        np.testing.assert_allclose(got[name], same[name], rtol=1e-5, atol=1e-4, err_msg=str(name))
    assert Grid.from_dataset(got) == Grid.from_dataset(same)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"a\.grib: the file must be readable GRIB"):
        read_era5([path])


def write_message(codes, stream, name, values, hour, level):
    """Write one field; boundary layer and fluxes as ERA5 has them, forecasts from the evening before."""
    message = codes.codes_grib_new_from_samples("regular_ll_pl_grib1" if level else "regular_ll_sfc_grib1")
    forecast = name in ("blh", "ishf", "iews", "inss", "fsr")
    keys = {
        "Ni": NX, "Nj": NY, "jScansPositively": 0, "bitsPerValue": 24,
        "latitudeOfFirstGridPointInDegrees": 50.0, "latitudeOfLastGridPointInDegrees": 50.0 - 0.25 * (NY - 1),
        "longitudeOfFirstGridPointInDegrees": 8.0, "longitudeOfLastGridPointInDegrees": 8.0 + 0.25 * (NX - 1),
        "iDirectionIncrementInDegrees": 0.25, "jDirectionIncrementInDegrees": 0.25,
        "dataDate": 20250430 if forecast else 20250501, "dataTime": 1800 if forecast else 100 * hour,
        "stepRange": str(6 + hour if forecast else 0), "level": int(level or 0), "shortName": name,
    }  # fmt: skip
    for key, value in keys.items():
        codes.codes_set(message, key, value)
    codes.codes_set_values(message, values.ravel().astype(float))
    codes.codes_write(message, stream)
    codes.codes_release(message)


def test_real_munich_is_hydrostatic():
    folder = shared_data() / "meteorology" / "era5_munich_20250501"
    got = read_era5(sorted(folder.glob("*.nc"), reverse=True), roughness=0.1)
    assert dict(got.sizes) == {"time": 3, "level": 37, "y": 27, "x": 16, "edge": 2}
    assert got.attrs["margin_left_out"] == "rows south 1, north 2; columns west 1, east 0"
    height, pressure, density = (got[name].values.astype(float) for name in ("height", "pressure", "density"))
    assert np.all(np.diff(height, axis=1) > 0)
    assert np.all((height < 0) == (pressure > got["surface_pressure"].values[:, None]))
    # the layers below 500 hPa weigh their pressure, to the difference of the mean density from the density's mean
    low = pressure[0, :, 0, 0] >= 5e4
    weight = 9.80665 * 0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(height, axis=1)
    np.testing.assert_allclose(weight[:, low[1:]], -np.diff(pressure, axis=1)[:, low[1:]], rtol=0.025)
    # the standard heights of 850 and 500 hPa, and a night's inversion over land
    assert np.all(np.abs((height + got["terrain"].values)[:, got["pressure"].values[0, :, 0, 0] == 5e4] - 5700) < 200)
    assert float(got["heat_flux"].max()) < 0
    # speed is kept by the turn, 2.9 degrees at the most
    raw = read_era5(sorted(folder.glob("*.nc")), roughness=0.1, winds="grid")
    np.testing.assert_allclose(np.hypot(got["u"], got["v"]), np.hypot(raw["u"], raw["v"]), rtol=1e-5, atol=1e-5)
    assert float(np.abs(got["u"] - raw["u"]).max()) > 0.3
