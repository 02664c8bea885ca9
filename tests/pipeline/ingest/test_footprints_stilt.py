"""STILT files: the receptor is in the name, a layer's label is the start of its hour."""

import shutil
import time

import netCDF4
import numpy as np
import pytest
from ingest_cases import HOUR, TAC, dense, lonlat_grid, registry, settings, shared_data, times

from pipeline.errors import ConfigError, CoordinateError, FormatError, InputError, TimeError, UnitError
from pipeline.grid import Grid, lambert_grid
from pipeline.ingest.footprints import read_footprints
from pipeline.schema import hours_between

GRID = lonlat_grid()
FLUX_HOURS = hours_between(np.datetime64("2014-06-30"), np.datetime64("2014-07-02"))
NAME = "201407011200_1.1387_52.5178_100_foot.nc"


def write(path, values, grid=GRID, *, start="2014-07-01T09", crs=None, unit="ppm (umol-1 m2 s)", fill=-1.0):
    """Write a file as R-STILT does: foot(time, lat, lon), or (time, y, x) with the PROJ string as attribute."""
    names = ("lat", "lon") if grid.is_geographic else ("y", "x")
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts({"crs": crs or "+proj=longlat", "crs_format": "PROJ.4", "title": "STILT Footprint"})
        for name, axis, units in zip(
            names,
            (grid.y, grid.x),
            ("degrees_north", "degrees_east") if grid.is_geographic else ("m", "m"),
            strict=True,
        ):
            data.createDimension(name, axis.size)
            data.createVariable(name, "f8", (name,))[:] = axis
            data[name].units = units
        data.createDimension("time", len(values))
        data.createVariable("time", "f8", ("time",))[:] = (times(len(values), start) - np.datetime64(0, "s")) / (
            np.timedelta64(1, "s")
        )
        data["time"].setncatts({"units": "seconds since 1970-01-01 00:00:00Z", "calendar": "standard"})
        data.createVariable("foot", "f4", ("time", *names), fill_value=fill)[:] = values
        if unit is not None:
            data["foot"].units = unit
    return path


@pytest.fixture
def values():
    return np.random.default_rng(3).uniform(0.01, 0.1, (3, *GRID.shape))


def read(folder, timing="hourly", grid=GRID, **part):
    part = {"format": "stilt", "files": ["*_foot.nc"], "timing": timing} | part
    return read_footprints(settings(footprints=[part]), grid, folder, registry())


def test_layers_land_on_the_hours_before_the_release(tmp_path, values):
    write(tmp_path / NAME, values)
    found, _ = read(tmp_path)
    assert found["time"].values.tolist() == times(1, "2014-07-01T12").tolist()
    assert found["station"].values.tolist() == ["TAC"]
    assert found["height"].values.tolist() == [100.0]
    whole = dense(found, FLUX_HOURS)[0]
    for layer, label in enumerate(times(3, "2014-07-01T09")):
        hour = int((label - FLUX_HOURS[0]) // HOUR)
        np.testing.assert_allclose(whole[hour], values[layer].ravel(), rtol=1e-6)


def test_integrated_keeps_the_total_in_the_receptors_hour(tmp_path, values):
    write(tmp_path / NAME, values)
    found, _ = read(tmp_path, "integrated")
    whole = dense(found, FLUX_HOURS)[0]
    hour = int((np.datetime64("2014-07-01T12") - FLUX_HOURS[0]) // HOUR)
    np.testing.assert_allclose(whole[hour], values.sum(axis=0).ravel(), rtol=1e-6)
    assert np.count_nonzero(whole.sum(axis=1)) == 1


def test_projected_files_match_by_plane_not_by_numbers_alone(tmp_path):
    grid = lambert_grid(west=0.0, east=3.0, south=50.0, north=54.0, spacing=20000.0)
    values = np.random.default_rng(5).uniform(0.1, 1.0, (2, *grid.shape))
    for crs in (grid.crs, grid.crs.replace("+datum=WGS84", "+ellps=WGS84")):
        write(tmp_path / NAME, values, grid, crs=crs)
        found, _ = read(tmp_path, grid=grid)
        np.testing.assert_allclose(np.sort(found["footprint"].values), np.sort(values.ravel()), rtol=1e-6)
    # the same numbers in another plane: a sphere instead of the ellipsoid
    write(tmp_path / NAME, values, grid, crs=grid.crs.replace("+datum=WGS84", "+R=6371200"))
    with pytest.raises(CoordinateError, match=r"the file's CRS must be the domain's; got .*6371200"):
        read(tmp_path, grid=grid)


def test_the_station_is_found_by_place_and_height(tmp_path, values):
    write(tmp_path / NAME, values)
    write(tmp_path / "201407011300_1.1387_52.5178_54_foot.nc", values)
    write(tmp_path / "201407011300_1.1387_52.6178_100_foot.nc", values)
    found, notes = read(tmp_path)
    assert found.sizes["obs"] == 1
    assert any("2 rows at places or inlets the case does not use" in note for note in notes)


def test_a_declared_station_must_be_where_the_name_says(tmp_path, values):
    write(tmp_path / "201407011200_1.1387_52.6178_100_foot.nc", values)
    with pytest.raises(CoordinateError, match=r"within 500 m of TAC; got '1.13870, 52.61780: 111\d\d m away"):
        read(tmp_path, station="TAC")


def test_a_name_without_place_needs_a_declared_receptor(tmp_path, values):
    write(tmp_path / "2014070112_run7_foot.nc", values)
    with pytest.raises(InputError, match=r"receptor's place must be known.*2014070112_run7_foot\.nc"):
        read(tmp_path)
    found, _ = read(tmp_path, station="TAC", height=100)
    assert (float(found["lon"][0]), float(found["lat"][0])) == TAC


@pytest.mark.parametrize("name", ["01_foot.nc", "201413011200_1.1387_52.5178_100_foot.nc"])
def test_a_name_without_a_time_is_refused(tmp_path, values, name):
    write(tmp_path / name, values)
    with pytest.raises(InputError, match=f"(must hold the receptor|must hold a real time).*{name}"):
        read(tmp_path)


def test_layers_after_the_release_are_refused(tmp_path, values):
    write(tmp_path / NAME, values, start="2014-07-01T10")
    with pytest.raises(TimeError, match=r"hours before the release.*12:00.*release at 2014-07-01T12"):
        read(tmp_path)


def test_missing_values_units_and_shares(tmp_path, values):
    holes = values.copy()
    holes[0, 1, 1] = -1.0  # the fill value
    write(tmp_path / NAME, values)
    write(tmp_path / "201407011300_1.1387_52.5178_100_foot.nc", holes)
    found, notes = read(tmp_path)
    assert found.sizes["obs"] == 1
    assert any("1 rows with missing values" in note for note in notes)
    with pytest.raises(ConfigError, match="STILT footprints are hourly already"):
        read(tmp_path, "shares")
    write(tmp_path / NAME, values, unit=None)
    with pytest.raises(UnitError, match="must state its unit"):
        read(tmp_path)


def test_a_time_integrated_file_is_refused(tmp_path):
    path = tmp_path / NAME
    with netCDF4.Dataset(path, "w") as data:
        for name, axis in (("lat", GRID.y), ("lon", GRID.x)):
            data.createDimension(name, axis.size)
            data.createVariable(name, "f8", (name,))[:] = axis
        data.createVariable("foot", "f4", ("lat", "lon"))[:] = np.ones(GRID.shape)
    with pytest.raises(FormatError, match=r"must hold foot by time.*time_integrate"):
        read(tmp_path)


def test_hundreds_of_files_take_milliseconds_each(tmp_path, values):
    first = write(tmp_path / "201407010000_1.1387_52.5178_100_foot.nc", values, start="2014-06-30T20")
    for hour in range(1, 24):
        shutil.copy(first, tmp_path / f"20140701{hour:02d}00_1.1387_52.5178_100_foot.nc")
    read(tmp_path)
    begin = time.perf_counter()
    found, _ = read(tmp_path)
    each = (time.perf_counter() - begin) / 24
    assert found.sizes["obs"] == 24
    # 6 ms on a quiet machine; the bound leaves room for a busy one
    assert each < 0.05


def test_real_file_under_a_name_with_its_receptor(tmp_path):
    source = shared_data() / "footprints" / "stilt" / "07_foot.nc"
    grid = Grid.from_centres("EPSG:4326", -73.1273 + 0.125 * np.arange(16), 41.5956 + 0.125 * np.arange(16))
    with pytest.raises(InputError, match=r"must hold the receptor.*07_foot\.nc"):
        read(source.parent, grid=grid, files=["07_foot.nc"])
    shutil.copyfile(source, tmp_path / "202007210500_1.1387_52.5178_100_foot.nc")
    window = {"start": "2020-07-21T00:00:00Z", "end": "2020-07-21T06:00:00Z"}
    case = {"name": "real", "title": "t", "species": "co2", "flux_hours": window, "observation_hours": window}
    part = {"format": "stilt", "files": ["*_foot.nc"], "timing": "hourly"}
    found, _ = read_footprints(settings(case=case, footprints=[part]), grid, tmp_path, registry())
    hours = hours_between(np.datetime64("2020-07-21"), np.datetime64("2020-07-21T06"))
    by_hour = dense(found, hours)[0].sum(axis=1)
    np.testing.assert_allclose(by_hour, [0, 2.3904e-4, 5.15431e-3, 7.007792e-2, 1.426116e-2, 0], rtol=1e-4)
