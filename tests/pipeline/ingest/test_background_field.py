"""A field sampled at particle ends: exact where it is linear, equal to a loop elsewhere, refused where unknown."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
from ingest_cases import lonlat_grid, settings, times

from pipeline import units
from pipeline.errors import CoordinateError, FormatError, InputError, TimeError, UnitError
from pipeline.ingest import background_field
from pipeline.ingest.background import read_background
from pipeline.ingest.background_field import sample_field
from pipeline.schema import check

GAS = units.species("co2")
STEPS = times(3, "2014-06-30T18", 12)
LON, LAT = -6.0 + 1.5 * np.arange(11), 48.0 + 1.25 * np.arange(7)
PRESSURE = np.array([1000.0, 925.0, 800.0, 600.0, 350.0])
EPOCH = np.datetime64("2014-06-30T18", "ns")


def linear(lon, lat, pressure, time):
    """Return ppm, linear in lon, lat, ln p and time."""
    hours = (time - EPOCH) / np.timedelta64(1, "h")
    return 380.0 + 0.3 * lon - 0.2 * lat + 2.5 * np.log(pressure) + 0.05 * hours


def ends(rows=4, particles=40, seed=3, **changes):
    """Return footprints with ends inside the field; the rows' times are mixed."""
    rng = np.random.default_rng(seed)
    shape = (rows, particles)
    weight = rng.uniform(0.5, 1.5, shape)
    data = {
        "end_lon": rng.uniform(-5.9, 8.9, shape),
        "end_lat": rng.uniform(48.1, 55.4, shape),
        "end_height": rng.uniform(10.0, 4000.0, shape),
        "end_pressure": rng.uniform(40000.0, 98000.0, shape),
        "end_age": rng.uniform(-3600.0, 6 * 3600.0, shape),
        "end_weight": weight / weight.sum(axis=1, keepdims=True),
    } | changes
    made = xr.Dataset({name: (("obs", "particle"), values) for name, values in data.items()})
    made["time"] = ("obs", times(rows)[::-1])
    made["station"] = ("obs", np.full(rows, "TAC"))
    return made


def when(made):
    return made["time"].values[:, None] - np.round(1e9 * made["end_age"].values).astype("timedelta64[ns]")


def mesh(steps=STEPS, pressure=100 * PRESSURE, lat=LAT, lon=LON):
    """Return the coordinates of every value, (time, level, lat, lon)."""
    return np.meshgrid(steps, pressure, lat, lon, indexing="ij")


def on_axis(steps=STEPS, pressure=100 * PRESSURE, lat=LAT, lon=LON):
    t, p, y, x = mesh(steps, pressure, lat, lon)
    return linear(x, y, p, t)


def write(path, values, *, steps=STEPS, lon=LON, lat=LAT, level=PRESSURE, level_unit="hPa", unit="ppm", extra=()):
    """Write (time, level, lat, lon) as CAMS does; extra is rows of name, dims, values, unit."""
    with netCDF4.Dataset(path, "w") as data:
        axes = {"level": (level, level_unit), "latitude": (lat, "degrees_north"), "longitude": (lon, "degrees_east")}
        if steps is not None:
            axes = {"time": ((steps - EPOCH) / np.timedelta64(1, "h"), "hours since 2014-06-30 18:00")} | axes
        for name, (axis, units_of) in axes.items():
            data.createDimension(name, len(axis))
            variable = data.createVariable(name, "f8", (name,))
            variable[:] = axis
            if units_of:
                variable.units = units_of
        variable = data.createVariable("co2", "f8", tuple(axes))
        variable[:] = values
        if unit:
            variable.units = unit
        for name, dims, numbers, units_of in extra:
            for dim, length in zip(dims, np.shape(numbers), strict=True):
                if dim not in data.dimensions:
                    data.createDimension(dim, length)
            variable = data.createVariable(name, "f8", dims)
            variable[...] = numbers
            if units_of:
                variable.units = units_of
    return path


def sampled(paths, made, unit=None):
    paths = paths if isinstance(paths, list) else [paths]
    return sample_field(paths, "co2", unit, made, GAS)


def expected(made, values):
    weight = made["end_weight"].values
    mean = (weight * values).sum(axis=1) / weight.sum(axis=1)
    spread = np.sqrt((weight * (values - mean[:, None]) ** 2).sum(axis=1) / weight.sum(axis=1))
    return mean, spread


def exact(made):
    """Return mean and spread of the linear field by its formula."""
    lon, lat, pressure = (made[f"end_{name}"].values for name in ("lon", "lat", "pressure"))
    return expected(made, linear(lon, lat, pressure, when(made)))


def test_a_linear_field_is_sampled_exactly(tmp_path):
    made = ends()
    mean, spread, share, notes = sampled(write(tmp_path / "f.nc", on_axis()), made)
    np.testing.assert_allclose(mean, exact(made)[0], rtol=1e-12)
    np.testing.assert_allclose(spread, exact(made)[1], rtol=1e-9)
    np.testing.assert_allclose(share, 1.0)
    assert notes == []


def test_the_order_of_axes_and_their_units_do_not_matter(tmp_path):
    made = ends()
    turned = on_axis(lat=LAT[::-1], pressure=100 * PRESSURE[::-1], lon=LON) * 1e-6
    path = write(
        tmp_path / "f.nc",
        turned,
        lat=LAT[::-1],
        level=100 * PRESSURE[::-1],
        level_unit="Pa",
        lon=np.mod(LON, 360.0),  # 354 ... 0 ... 9: jumps within the axis
        unit="mol mol-1",
    )
    np.testing.assert_allclose(sampled(path, made)[0], exact(made)[0], rtol=1e-12)
    descending = write(tmp_path / "g.nc", on_axis(lon=LON[::-1]), lon=LON[::-1], unit=None)
    np.testing.assert_allclose(sampled(descending, made, "ppm")[0], exact(made)[0], rtol=1e-12)


def test_longitude_is_cyclic_on_a_global_field(tmp_path):
    lon = np.arange(0.0, 360.0, 10.0)
    x = mesh(lon=lon)[3]
    made = ends(end_lon=np.broadcast_to(np.linspace(-9.0, 9.0, 40), (4, 40)))
    path = write(tmp_path / "f.nc", 400.0 + np.where(x == 350.0, -10.0, x) * (x > 340) + x * (x < 20), lon=lon)
    np.testing.assert_allclose(sampled(path, made)[0], expected(made, 400.0 + made["end_lon"].values)[0], rtol=1e-12)
    # the same cells from -180 to 170
    west = np.roll(400.0 + np.where(x == 350.0, -10.0, x) * (x > 340) + x * (x < 20), 18, axis=3)
    again = write(tmp_path / "g.nc", west, lon=np.arange(-180.0, 180.0, 10.0))
    np.testing.assert_allclose(sampled(again, made)[0], sampled(path, made)[0], rtol=1e-12)


def test_ends_beyond_the_levels_take_the_outermost_level(tmp_path):
    made = ends()
    made["end_pressure"][:, :10] = 101_500.0
    made["end_pressure"][:, 10:14] = 20_000.0
    mean, _, _, notes = sampled(write(tmp_path / "f.nc", on_axis()), made)
    clamped = made.assign(end_pressure=made["end_pressure"].clip(35_000.0, 100_000.0))
    np.testing.assert_allclose(mean, exact(clamped)[0], rtol=1e-12)
    assert any("25.0 % of the ends lie below" in note and "10.0 % above" in note for note in notes)


def surface_pressure():
    """Return ps (time, lat, lon) in Pa over terrain that is not flat."""
    t, y, x = np.meshgrid((STEPS - EPOCH) / np.timedelta64(1, "h"), LAT, LON, indexing="ij")
    return 101_000.0 - 900.0 * np.cos(x) - 50.0 * (y - 48.0) ** 2 + 20.0 * t


A, B = np.array([0.0, 500.0, 3000.0, 9000.0, 15000.0, 20000.0]), np.array([1.0, 0.93, 0.8, 0.5, 0.2, 0.05])


def hybrid(case):
    """Return extra variables and pressures at the middles of the levels for one spelling of hybrid levels."""
    ps = surface_pressure()
    edge = A[:, None, None] + B[:, None, None] * ps[:, None]
    middle = 0.5 * (edge[:, :-1] + edge[:, 1:])
    am, bm = 0.5 * (A[:-1] + A[1:]), 0.5 * (B[:-1] + B[1:])
    surface = ("Psurf", ("time", "latitude", "longitude"), ps, "Pa")
    p0 = ("P0", (), 1000.0, "hPa")
    space = ("latitude", "longitude")
    extra = {
        "edges": [("ap", ("hlevel",), A, "Pa"), ("bp", ("hlevel",), B, None), surface],
        "middles": [("hyam", ("level",), am, "Pa"), ("hybm", ("level",), bm, "1"), surface],
        "reference": [("hyam", ("level",), am / 1e5, None), ("hybm", ("level",), bm, None), surface, p0],
        "boundary": [("pressure", ("time", "boundary", *space), edge / 100, "hPa")],
        "middle": [("pressure", ("time", "level", *space), middle, "Pa")],
    }
    return extra[case], middle


@pytest.mark.parametrize("case", ["edges", "middles", "reference", "boundary", "middle"])
def test_every_kind_of_level_samples_a_linear_field_exactly(tmp_path, case):
    extra, pressure = hybrid(case)
    made = ends()
    made["end_pressure"] = made["end_pressure"].clip(40_000.0, 90_000.0)
    t, _, y, x = mesh()
    values = linear(x, y, pressure, t)
    path = write(tmp_path / "f.nc", values, level=np.arange(5), level_unit=None, extra=extra)
    np.testing.assert_allclose(sampled(path, made)[0], exact(made)[0], rtol=1e-12)
    # the same air on pressure levels
    flat = write(tmp_path / "g.nc", on_axis())
    np.testing.assert_allclose(sampled(path, made)[0], sampled(flat, made)[0], rtol=1e-12)


def looped(values, pressure, made):
    """Return values at the ends, one by one: a column at each corner and step, then along lat, lon and time."""
    out = np.empty(made["end_lon"].shape)
    for row, particle in np.ndindex(out.shape):
        at = {name: float(made[f"end_{name}"][row, particle]) for name in ("lon", "lat", "pressure")}
        time = when(made)[row, particle]
        grid = np.empty((STEPS.size, LAT.size, LON.size))
        for k, j, i in np.ndindex(grid.shape):
            grid[k, j, i] = np.interp(-np.log(at["pressure"]), -np.log(pressure[k, :, j, i]), values[k, :, j, i])
        by_row = np.array([[np.interp(at["lon"], LON, line) for line in level] for level in grid])
        by_step = np.array([np.interp(at["lat"], LAT, line) for line in by_row])
        out[row, particle] = np.interp(float(time - EPOCH), (STEPS - EPOCH).astype(float), by_step)
    return out


def test_any_field_agrees_with_a_loop_and_with_itself_in_blocks(tmp_path, monkeypatch):
    extra, pressure = hybrid("edges")
    values = 400.0 + np.random.default_rng(5).normal(0.0, 5.0, pressure.shape)
    path = write(tmp_path / "f.nc", values, level=np.arange(5), level_unit=None, extra=extra)
    made = ends(rows=3, particles=5)
    mean, spread, _, _ = sampled(path, made)
    np.testing.assert_allclose(mean, expected(made, looped(values, pressure, made))[0], rtol=1e-12)
    np.testing.assert_allclose(spread, expected(made, looped(values, pressure, made))[1], rtol=1e-9)
    monkeypatch.setattr(background_field, "PARTICLES_AT_ONCE", 1)
    np.testing.assert_array_equal(sampled(path, made)[0], mean)


def test_several_files_are_one_series(tmp_path):
    made = ends()
    parts = [
        write(tmp_path / f"{name}.nc", on_axis(steps=STEPS[pick]), steps=STEPS[pick])
        for name, pick in (("b", slice(0, 1)), ("a", slice(1, 3)))
    ]
    np.testing.assert_allclose(sampled(parts, made)[0], exact(made)[0], rtol=1e-12)
    with pytest.raises(TimeError, match=r"b\.nc and .*b\.nc: a time must occur once; got '2014-06-30T18"):
        sampled([parts[0], parts[0]], made)
    other = write(tmp_path / "c.nc", on_axis(lat=LAT + 1), lat=LAT + 1)
    with pytest.raises(CoordinateError, match=r"c\.nc: all files of the field must have one grid"):
        sampled([parts[0], other], made)
    still = write(tmp_path / "d.nc", on_axis()[0], steps=None)
    with pytest.raises(TimeError, match=r"d\.nc: each of several files must have times"):
        sampled([parts[0], still], made)


def test_a_field_without_times_holds_for_all_and_says_so(tmp_path):
    made = ends()
    mean, _, _, notes = sampled(write(tmp_path / "f.nc", on_axis()[0], steps=None), made)
    lon, lat, pressure = (made[f"end_{name}"].values for name in ("lon", "lat", "pressure"))
    np.testing.assert_allclose(mean, expected(made, linear(lon, lat, pressure, EPOCH))[0], rtol=1e-12)
    assert notes == ["background: f.nc has no time axis and is used for every hour"]


def test_one_step_holds_for_its_own_time_only(tmp_path):
    at = times(1)
    made = ends(rows=2, end_age=np.zeros((2, 40)))
    made["time"] = ("obs", times(2, step=0))
    path = write(tmp_path / "f.nc", on_axis(steps=at), steps=at)
    np.testing.assert_allclose(sampled(path, made)[0], exact(made)[0], rtol=1e-12)
    made["end_age"][:, 0] = 1.0
    with pytest.raises(TimeError, match=r"got '2014-07-01T06\S* to 2014-07-01T06\S*; 2 of 80 ends outside"):
        sampled(path, made)


def test_the_spread_is_the_weighted_deviation_over_particles(tmp_path):
    two = np.where(mesh()[3] < 2.0, 390.0, 410.0)
    made = ends(end_lon=np.broadcast_to(np.where(np.arange(40) < 10, -3.0, 6.0), (4, 40)))
    made["end_weight"][:] = 1 / 40
    mean, spread, _, _ = sampled(write(tmp_path / "f.nc", two), made)
    np.testing.assert_allclose(mean, 0.25 * 390 + 0.75 * 410, rtol=1e-12)
    np.testing.assert_allclose(spread, 20.0 * np.sqrt(0.25 * 0.75), rtol=1e-12)


def test_lost_particles_and_columns_are_counted_and_named(tmp_path):
    made = ends()
    path = write(tmp_path / "f.nc", on_axis())
    for name in ("end_lon", "end_lat", "end_height", "end_pressure", "end_age"):
        made[name][1, :4] = np.nan
    mean, spread, share, notes = sampled(path, made)
    kept = made.isel(obs=[1], particle=slice(4, None))
    np.testing.assert_allclose([mean[1], spread[1]], np.concatenate(exact(kept)), rtol=1e-9)
    assert share[1] == pytest.approx(float(kept["end_weight"].sum()))
    assert notes == [
        "background: 4 of 160 particles have no end and are left out; the weights of the others are normalised"
    ]
    column = ends()
    column["end_weight"][2] *= 0.6
    mean, _, share, notes = sampled(path, column)
    np.testing.assert_allclose(mean, exact(column)[0], rtol=1e-12)
    assert share[2] == pytest.approx(0.6)
    assert any("in 1 of 4 rows the particles stand for 0.6-0.6 of the column" in note for note in notes)
    made["end_lon"][1] = np.nan
    with pytest.raises(InputError, match=r"must have particles whose end is known; got '1 of 4 rows.*2014-07-01T08"):
        sampled(path, made)


def test_times_and_places_that_are_not_covered_are_refused(tmp_path):
    made = ends()
    short = write(tmp_path / "f.nc", on_axis(steps=STEPS[:2]), steps=STEPS[:2])
    with pytest.raises(
        TimeError, match=r"f\.nc: the field must cover the time of every .*\d+ of 160 ends outside, from 2014-07-01T06"
    ):
        sampled(short, made)
    east = write(tmp_path / "g.nc", on_axis(lon=LON + 6), lon=LON + 6)
    with pytest.raises(CoordinateError, match=r"g\.nc: every particle must end inside.*covers centres 0 to 15 E, 48"):
        sampled(east, made)
    made["end_lat"][0, 0] = 57.0
    with pytest.raises(CoordinateError, match=r"an end at .* E, 57\.000 N"):
        sampled(write(tmp_path / "h.nc", on_axis()), made)
    # the outer half of an outermost cell is inside
    made["end_lat"][0, 0] = LAT[-1] + 0.6
    inner = made.copy(deep=True)
    inner["end_lat"][0, 0] = LAT[-1]
    np.testing.assert_allclose(sampled(tmp_path / "h.nc", made)[0], exact(inner)[0], rtol=1e-12)


def test_files_that_do_not_say_what_they_hold_are_refused(tmp_path):
    made = ends()
    path = write(tmp_path / "f.nc", on_axis(), unit=None)
    with pytest.raises(UnitError, match=r"f\.nc: co2: the field must have a unit.*background\.unit"):
        sampled(path, made)
    with pytest.raises(UnitError, match="must be a dry-air mole fraction; got 'kg kg-1'"):
        sampled(write(path, on_axis(), unit="kg kg-1"), made)
    with pytest.raises(InputError, match=r"variable ch4 must be in the file; got \['co2'\]"):
        sample_field([path], "ch4", None, made, GAS)
    write(path, on_axis(), level=np.arange(5), level_unit="m")
    with pytest.raises(CoordinateError, match=r"levels must be pressures, hybrid.*got \{'level': 'm'\}"):
        sampled(path, made)
    extra = [e for e in hybrid("reference")[0] if e[0] != "P0"]
    write(path, on_axis(), level=np.arange(5), level_unit=None, extra=extra)
    with pytest.raises(UnitError, match=r"hyam: a hybrid offset must have a unit of pressure, or a reference"):
        sampled(path, made)
    write(path, on_axis(), level=PRESSURE[[0, 2, 1, 3, 4]])
    with pytest.raises(CoordinateError, match="pressure must rise or fall along the levels"):
        sampled(path, made)
    holed = on_axis()
    holed[:, 2, 3, 4] = np.nan
    with pytest.raises(InputError, match=r"f\.nc: co2: the field must have no missing values.*1 missing"):
        sampled(write(path, holed), made)
    xr.Dataset({"co2": (("time", "z", "i", "j"), on_axis(), {"units": "ppm"})}).to_netcdf(path)
    with pytest.raises(FormatError, match=r"the layout must be one that is known.*'i': 7"):
        sampled(path, made)


def test_footprints_must_have_ends(tmp_path):
    path = write(tmp_path / "f.nc", on_axis())
    with pytest.raises(InputError, match=r"kind field needs where particles end.*got 'no end_age, end_weight'"):
        sampled(path, ends().drop_vars(["end_age", "end_weight"]))
    made = ends()
    made["end_weight"][0, 0] = -0.1
    with pytest.raises(InputError, match=r"weights must not be negative.*got 'weight -0\.1"):
        sampled(path, made)


def test_the_background_dataset_carries_the_spread(tmp_path):
    for name, pick in (("a", slice(0, 2)), ("b", slice(2, 3))):
        write(tmp_path / f"cams_{name}.nc", on_axis(steps=STEPS[pick]), steps=STEPS[pick])
    section = {"kind": "field", "file": "cams_*.nc", "variable": "co2", "sigma": 1.0, "hours": 6}
    transport = {"meteorology": {"format": "era5", "files": ["*.nc"]}, "folder": "out"}
    case = settings(background=section, transport=transport, footprints=[])
    made = ends().assign_attrs(species="co2")
    found, _ = read_background(case, made, GAS, lonlat_grid(), tmp_path)
    check(found, "background")
    np.testing.assert_allclose(found["background"].values, exact(made)[0], rtol=1e-12)
    np.testing.assert_allclose(found["background_spread"].values, exact(made)[1], rtol=1e-9)
    for name, pick in (("a", slice(0, 2)), ("b", slice(2, 3))):
        write(tmp_path / f"cams_{name}.nc", on_axis(steps=STEPS[pick]), steps=STEPS[pick], unit="ppb")
    with pytest.raises(UnitError, match=r"must lie within 200 to 1000 ppm; got '0\.[34]"):
        read_background(case, made, GAS, lonlat_grid(), tmp_path)


def test_only_the_box_and_the_steps_needed_are_read(tmp_path, monkeypatch):
    asked = []
    kept = background_field._column

    def watched(values, levels, cell, target):
        asked.append(values.shape)
        return kept(values, levels, cell, target)

    monkeypatch.setattr(background_field, "_column", watched)
    made = ends(end_lon=np.full((4, 40), 1.0), end_lat=np.full((4, 40), 50.0), end_age=np.zeros((4, 40)))
    sampled(write(tmp_path / "f.nc", on_axis()), made)
    assert set(asked) == {(5, 4)}
    assert len(asked) == 2 * 4
