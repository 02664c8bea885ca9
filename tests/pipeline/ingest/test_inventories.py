"""Inventories: one mass, whatever the file's unit, grid, axis order or format; hours covered, nothing extrapolated."""

import netCDF4
import numpy as np
import pyproj
import pytest
import rasterio
from ingest_cases import lonlat_grid, settings, source, times, write_field

from pipeline import units
from pipeline.errors import ConfigError, CoordinateError, FormatError, GridError, InputError, TimeError, UnitError
from pipeline.grid import lambert_grid
from pipeline.grid.definition import Grid
from pipeline.ingest.inventories import read_fluxes
from pipeline.schema import check

GRID = lonlat_grid()
GAS = units.species("co2")
HOURS = 48


def read(folder, *sources, grid=GRID, **sector):
    sector = {"name": "fossil", "sigma_fraction": 0.5, "length": 50, "hours": 5} | sector
    case = settings(sectors=[sector | {"sources": list(sources or [source()])}])
    return read_fluxes(case, grid, folder)


def mass(dataset, grid=GRID):
    """Return the mean t per year on the grid."""
    flux = dataset["flux"].values[0].mean(axis=0)
    return float((flux * grid.area).sum()) * units.tonnes_per_flux_unit(GAS) * units.SECONDS_PER_YEAR


@pytest.fixture
def flux():
    """Return a field in umol m-2 s-1, all cells different."""
    return np.random.default_rng(11).uniform(0.5, 5.0, GRID.shape)


def write(folder, values, dims=("lat", "lon"), unit="umol m-2 s-1", grid=GRID, **axes):
    attrs = {} if unit is None else {"units": unit}
    return write_field(folder / "flux.nc", "flux", values, dims, {"lat": grid.y, "lon": grid.x, **axes}, attrs=attrs)


@pytest.mark.parametrize(
    ("unit", "factor", "per_cell"),
    [  # worked by hand: grams of CO2 per mol 44.009, of carbon 12.011
        ("umol m-2 s-1", 1.0, False),
        ("mol/m2/s", 1e-6, False),
        ("kg m-2 s-1", 44.009e-9, False),
        ("g m-2 day-1", 44.009e-6 * 86400, False),
        ("gC m-2 day-1", 12.011e-6 * 86400, False),
        ("t cell-1 year-1", 44.009e-12 * 365.2425 * 86400, True),
        ("tC cell-1 year-1", 12.011e-12 * 365.2425 * 86400, True),
    ],
)
def test_every_unit_gives_the_same_flux(tmp_path, flux, unit, factor, per_cell):
    write(tmp_path, flux * factor * (GRID.area if per_cell else 1.0), unit=unit)
    found, notes = read(tmp_path)
    check(found, "fluxes")
    np.testing.assert_allclose(found["flux"].values[0], np.broadcast_to(flux, (HOURS, *GRID.shape)), rtol=1e-12)
    expected = (flux * GRID.area).sum() * 44.009e-12 * 365.2425 * 86400
    assert mass(found) == pytest.approx(expected, rel=1e-12)
    assert f"{expected:.6g} t co2 per year inside the grid, 0 t outside" in notes[0]


@pytest.mark.parametrize("dims", [("lat", "lon"), ("lon", "lat")])
@pytest.mark.parametrize(("turn_y", "turn_x"), [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_axis_order_and_direction_do_not_matter(tmp_path, flux, dims, turn_y, turn_x):
    values = flux[::turn_y, ::turn_x]
    write(tmp_path, values if dims[0] == "lat" else values.T, dims, lat=GRID.y[::turn_y], lon=GRID.x[::turn_x])
    np.testing.assert_allclose(read(tmp_path)[0]["flux"].values[0, 0], flux, rtol=1e-12)


def test_an_axis_must_be_what_its_name_says(tmp_path, flux):
    path = write(tmp_path, flux)
    with netCDF4.Dataset(path, "a") as data:
        data["lat"].units = "degrees_east"
    with pytest.raises(CoordinateError, match=r"flux\.nc: flux: an axis must be what its name says.*swapped"):
        read(tmp_path)


def test_regridding_keeps_mass_and_reports_what_falls_outside(tmp_path):
    # 0 to 360 degrees, half-degree cells offset from the domain's, straddling the meridian's seam
    wide = Grid("EPSG:4326", np.arange(0.0, 360.5, 0.5), np.arange(51.0, 54.1, 0.5))
    values = np.random.default_rng(2).uniform(1, 2, wide.shape)
    write(tmp_path, values, grid=wide)
    for grid in (GRID, lambert_grid(west=-0.6, east=1.5, south=52.2, north=53.2, spacing=20000.0)):
        found, notes = read(tmp_path, grid=grid)
        total = (values * wide.area).sum() * 44.009e-12 * 365.2425 * 86400
        inside, outside = (float(word) for word in (notes[0].split()[2], notes[0].split("grid, ")[1].split()[0]))
        assert mass(found, grid) == pytest.approx(inside, rel=1e-5)
        assert inside + outside == pytest.approx(total, rel=1e-5)
        assert found["flux"].values.min() >= 1
        assert found["flux"].values.max() <= 2


def test_a_bigger_aligned_grid_gives_its_own_cells(tmp_path):
    big = Grid.from_centres("EPSG:4326", -0.9 + 0.4 * np.arange(12), 51.25 + 0.25 * np.arange(10))
    values = np.random.default_rng(2).uniform(1, 2, big.shape)
    write(tmp_path, values, grid=big)
    np.testing.assert_allclose(read(tmp_path)[0]["flux"].values[0, 0], values[3:7, 3:8], rtol=1e-9)


def test_what_the_file_does_not_cover_is_said(tmp_path):
    part = Grid("EPSG:4326", GRID.x_edges[:3], GRID.y_edges)
    write(tmp_path, np.ones(part.shape), grid=part)
    found, notes = read(tmp_path)
    assert "60 % of the grid is not covered by the file" in notes[0]
    assert found["flux"].values[0, 0, :, 2:].max() == 0.0


def test_float32_tenth_degrees_of_the_whole_globe_are_a_grid(tmp_path):
    lon, lat = np.float32(0.5 + np.arange(360)), np.float32(-89.5 + np.arange(180))
    with netCDF4.Dataset(tmp_path / "flux.nc", "w") as data:
        for name, axis in (("lat", lat), ("lon", lon)):
            data.createDimension(name, axis.size)
            data.createVariable(name, "f4", (name,))[:] = axis
        data.createVariable("flux", "f4", ("lat", "lon"))[:] = 3.0
        data["flux"].units = "umol m-2 s-1"
    np.testing.assert_allclose(read(tmp_path)[0]["flux"].values, 3.0, rtol=1e-9)


def test_sign_scale_and_sum_of_sources(tmp_path, flux):
    write(tmp_path, flux)
    down = source(positive="down", scale=2.0, reason="twice, to see it", negative="allow")
    found, notes = read(tmp_path, source(), down, sigma_floor=0.3)
    np.testing.assert_allclose(found["flux"].values[0, 0], -flux, rtol=1e-12)
    np.testing.assert_allclose(found["flux_std"].values[0, 0], np.sqrt((0.5 * flux) ** 2 + 0.09), rtol=1e-12)
    assert "times 2: twice, to see it" in notes[1]


def test_units_are_stated_and_agree(tmp_path, flux):
    write(tmp_path, flux, unit=None)
    with pytest.raises(UnitError, match=r"flux\.nc: flux: a flux must have a unit.*declare unit"):
        read(tmp_path)
    np.testing.assert_allclose(
        read(tmp_path, source(unit="mol m-2 s-1"))[0]["flux"].values[0, 0], 1e6 * flux, rtol=1e-12
    )
    write(tmp_path, flux, unit="kg m-2 s-1")
    with pytest.raises(UnitError, match=r"declared unit must be the file's, kg m-2 s-1; got 'mol m-2 s-1'"):
        read(tmp_path, source(unit="mol m-2 s-1"))
    write(tmp_path, flux, unit="furlong")
    with pytest.raises(UnitError, match="flux unit must be known; got 'furlong'"):
        read(tmp_path)


def test_missing_values_are_refused_or_declared(tmp_path, flux):
    flux[1, 2] = np.nan
    write(tmp_path, flux)
    with pytest.raises(InputError, match=r"no missing values; got '1 of 20 values missing'.*missing = .zero"):
        read(tmp_path)
    found, notes = read(tmp_path, source(missing="zero"))
    assert found["flux"].values[0, 0, 1, 2] == 0.0
    assert "1 of 20 missing values taken as no flux" in notes[0]


def write_hourly(folder, count, start="2014-06-30T00", step=1, **options):
    values = 1.0 + np.arange(count)[:, None, None] + np.zeros(GRID.shape)
    axes = {"time": times(count, start, step), "lat": GRID.y, "lon": GRID.x}
    write_field(folder / "flux.nc", "flux", values, ("time", "lat", "lon"), axes, **options)
    with netCDF4.Dataset(folder / "flux.nc", "a") as data:
        data["flux"].units = "umol m-2 s-1"


@pytest.mark.parametrize(
    ("step", "count", "start"), [(1, 48, "2014-06-30T00"), (2, 26, "2014-06-29T22"), (6, 8, "2014-06-30T00")]
)
def test_a_step_holds_for_each_hour_it_covers(tmp_path, step, count, start):
    write_hourly(tmp_path, count, start, step)
    found, _ = read(tmp_path, source(time="hourly"))
    into = (found["time"].values - np.datetime64(start)) // np.timedelta64(step, "h")
    np.testing.assert_array_equal(found["flux"].values[0, :, 0, 0], 1.0 + into)


@pytest.mark.parametrize(
    ("count", "start", "missing"),
    [
        (47, "2014-06-30T00", "missing 2014-07-01T23:00:00.000000000 to 2014-07-02T00"),
        (48, "2014-06-30T01", "missing 2014-06-30T00:00:00.000000000 to 2014-06-30T01"),
    ],
)
def test_hours_the_file_does_not_cover_are_named(tmp_path, count, start, missing):
    write_hourly(tmp_path, count, start)
    with pytest.raises(TimeError, match=f"must cover every flux hour; .*{missing}"):
        read(tmp_path, source(time="hourly"))


def test_hourly_labels_are_stated_and_even(tmp_path):
    write_hourly(tmp_path, 48, time={})
    with pytest.raises(TimeError, match=r"flux\.nc: time: the file must say that a time label is the start"):
        read(tmp_path, source(time="hourly"))
    write_hourly(tmp_path, 48, time={"notes": "Start of time period"})
    read(tmp_path, source(time="hourly"))
    write_hourly(tmp_path, 48)
    with netCDF4.Dataset(tmp_path / "flux.nc", "a") as data:
        data["time"][20:] = data["time"][20:] + 1
    with pytest.raises(TimeError, match=r"evenly spaced by whole hours; got .*60 minutes.*120 minutes"):
        read(tmp_path, source(time="hourly"))


def test_bounds_say_where_a_label_stands(tmp_path):
    for shift, fits in ((0, True), (1, False)):
        write_hourly(tmp_path, 48, time={"bounds": "time_bounds"})
        with netCDF4.Dataset(tmp_path / "flux.nc", "a") as data:
            data.createDimension("edge", 2)
            data.createVariable("time_bounds", "f8", ("time", "edge"))[:] = np.stack(
                [data["time"][:] - shift, data["time"][:] + 1 - shift], axis=1
            )
        if fits:
            read(tmp_path, source(time="hourly"))
        else:
            with pytest.raises(TimeError, match="label is the start"):
                read(tmp_path, source(time="hourly"))


def test_a_constant_field_is_not_negative_unless_it_is_declared(tmp_path, flux):
    write(tmp_path, -flux)
    text = r"flux.nc: an inventory of emissions must not be negative; got '20 of 20 .*declare negative = \"allow\""
    with pytest.raises(InputError, match=text):
        read(tmp_path)
    np.testing.assert_allclose(read(tmp_path, source(negative="allow"))[0]["flux"].values[0, 0], -flux, rtol=1e-12)
    write(tmp_path, flux)
    with pytest.raises(InputError, match="must not be negative"):
        read(tmp_path, source(positive="down"))


def test_constant_and_hourly_are_not_mixed_up(tmp_path, flux):
    write_hourly(tmp_path, 48)
    with pytest.raises(TimeError, match="a constant source must be one field; got '48 times'"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="a profile spreads a constant field"):
        read(tmp_path, source(time="hourly", profile="daylight"))
    write(tmp_path, flux)
    with pytest.raises(TimeError, match="an hourly source must have times"):
        read(tmp_path, source(time="hourly"))


def test_a_profile_keeps_the_daily_mass(tmp_path, flux):
    write(tmp_path, flux)
    for profile in ("daylight", [float(hour) for hour in range(24)]):
        found, _ = read(tmp_path, source(profile=profile, profile_zone="Europe/London"))
        np.testing.assert_allclose(found["flux"].values[0, :24].mean(axis=0), flux, rtol=1e-12)
        assert np.ptp(found["flux"].values[0, :24, 0, 0]) > 0


def test_an_unknown_variable_and_extra_layers_are_refused(tmp_path, flux):
    write(tmp_path, np.stack([flux, flux]), ("level", "lat", "lon"), level=np.arange(2.0))
    with pytest.raises(FormatError, match=r"the field must have dims \('lat', 'lon'\); got {'level': 2"):
        read(tmp_path)
    with pytest.raises(FormatError, match=r"flux\.nc: the file must hold the declared variable; got 'emi'.*flux"):
        read(tmp_path, source(variable="emi"))


def test_projected_files_need_their_crs(tmp_path):
    grid = lambert_grid(west=0.0, east=3.0, south=51.0, north=54.0, spacing=20000.0)
    values = np.random.default_rng(4).uniform(1, 2, grid.shape)
    axes = {"y": grid.y, "x": grid.x}
    path = write_field(tmp_path / "flux.nc", "flux", values, ("y", "x"), axes, attrs={"units": "umol m-2 s-1"})
    with netCDF4.Dataset(path, "a") as data:
        data["x"].units = data["y"].units = "m"
    with pytest.raises(CoordinateError, match="projected axes need a CRS"):
        read(tmp_path, grid=grid)
    with netCDF4.Dataset(path, "a") as data:
        data["flux"].grid_mapping = "lcc"
        data.createVariable("lcc", "i4", ())
        data["lcc"].setncatts({key: value for key, value in pyproj.CRS(grid.crs).to_cf().items() if value != ""})
    found, _ = read(tmp_path, grid=grid)
    np.testing.assert_allclose(found["flux"].values[0, 0], values, rtol=1e-12)
    with netCDF4.Dataset(path, "a") as data:
        data["x"].units = "km"
    with pytest.raises(CoordinateError, match="axis must be in the unit of its CRS, metre; got 'km'"):
        read(tmp_path, grid=grid)


def write_tiff(path, values, *, crs="EPSG:4326", nodata=None, north_up=True, bands=1):
    west, north = GRID.x_edges[0], GRID.y_edges[-1]
    step = -0.25 if north_up else 0.25
    transform = rasterio.Affine(0.4, 0, west, 0, step, north if north_up else GRID.y_edges[0])
    profile = {"driver": "GTiff", "width": GRID.nx, "height": GRID.ny, "count": bands, "dtype": "float64"}
    with rasterio.open(path, "w", crs=crs, transform=transform, nodata=nodata, **profile) as image:
        for band in range(bands):
            image.write(values[::-1] if north_up else values, band + 1)
    return path


TIFF = source(file="flux.tif", format="geotiff", variable=None, unit="t cell-1 year-1")


def test_a_geotiff_is_the_same_inventory(tmp_path, flux):
    write_tiff(tmp_path / "flux.tif", flux * GRID.area * 44.009e-12 * 365.2425 * 86400)
    np.testing.assert_allclose(read(tmp_path, TIFF)[0]["flux"].values[0, 0], flux, rtol=1e-9)


def test_geotiff_nodata_is_missing(tmp_path, flux):
    flux[0, 0] = -9999.0
    write_tiff(tmp_path / "flux.tif", flux, nodata=-9999.0)
    with pytest.raises(InputError, match=r"flux\.tif: a flux must have no missing values; got '1 of 20"):
        read(tmp_path, TIFF)
    assert read(tmp_path, TIFF | {"missing": "zero"})[0]["flux"].values.min() == 0.0


def test_odd_geotiffs_are_refused(tmp_path, flux):
    path = tmp_path / "flux.tif"
    write_tiff(path, flux, north_up=False)
    with pytest.raises(CoordinateError, match="georeferenced, north up"):
        read(tmp_path, TIFF)
    write_tiff(path, flux, crs=None)
    with pytest.raises(CoordinateError, match=r"georeferenced, north up; got \{'crs': None"):
        read(tmp_path, TIFF)
    write_tiff(path, flux, bands=2)
    with pytest.raises(FormatError, match="must have one band; got 2"):
        read(tmp_path, TIFF)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(FormatError, match=r"flux\.tif: the file must start as TIFF"):
        read(tmp_path, TIFF)
    with pytest.raises(ConfigError, match='format geotiff holds one field; got \'time "hourly"'):
        read(tmp_path, TIFF | {"time": "hourly"})


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.1])
def test_a_truncated_geotiff_is_refused(tmp_path, keep):
    big = np.random.default_rng(1).normal(size=(200, 200))
    path = tmp_path / "flux.tif"
    profile = {"driver": "GTiff", "width": 200, "height": 200, "count": 1, "dtype": "float64", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=rasterio.Affine(0.1, 0, 0, 0, -0.1, 60), **profile) as image:
        image.write(big, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(FormatError, match=r"flux\.tif: the file must be readable GeoTIFF"):
        read(tmp_path, TIFF)


CDIAC = source(file="gridcar.2013", format="cdiac", variable=None, unit="TgC cell-1 year-1")


def write_cdiac(path, values):
    path.write_text("".join(f"{value:13.6E}\n" for value in values.ravel()))


def test_cdiac_rows_begin_in_the_north_west(tmp_path):
    values = np.zeros((180, 360))
    values[89 - 52, 180] = 2.0  # the cell 52-53 N, 0-1 E
    write_cdiac(tmp_path / "gridcar.2013", values)
    found, _ = read(tmp_path, CDIAC)
    lon, lat = GRID.lonlat
    inside = (lat > 52.125) & (lat < 52.9) & (lon < 1.0)
    assert (found["flux"].values[0, 0][inside] > 0).all()
    assert found["flux"].values[0, 0][:, 3:].max() == 0.0
    # 2 TgC over the cell's true area
    area = Grid("EPSG:4326", np.array([0.0, 1.0]), np.array([52.0, 53.0])).area[0, 0]
    expected = 2e12 / 12.011 / area / (365.2425 * 86400) * 1e6
    assert found["flux"].values[0, 0, 1, 0] == pytest.approx(expected, rel=1e-9)


def test_cdiac_text_must_be_whole_numbers_of_cells(tmp_path):
    path = tmp_path / "gridcar.2013"
    write_cdiac(path, np.zeros((179, 360)))
    with pytest.raises(FormatError, match="must hold 180 x 360 numbers; got 64440"):
        read(tmp_path, CDIAC)
    path.write_text("<html>gone</html>")
    with pytest.raises(FormatError, match=r"gridcar\.2013: a CDIAC file must be numbers"):
        read(tmp_path, CDIAC)


def test_a_file_elsewhere_is_named(tmp_path, flux):
    write(tmp_path, flux, lat=GRID.y - 40)
    with pytest.raises(GridError, match=r"^flux\.nc: the source must cover part of the target; got .*lat 11"):
        read(tmp_path)
