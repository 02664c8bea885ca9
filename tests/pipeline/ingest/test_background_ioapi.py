"""CMAQ's files: the right layer, the right cell of the grid or of its rim, the right hour; the real Bowen files."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
from ingest_cases import shared_data, times

from pipeline import units
from pipeline.errors import CoordinateError, FormatError, InputError, TimeError
from pipeline.grid.definition import Grid
from pipeline.ingest.background_field import sample_field
from pipeline.ingest.background_ioapi import SCALE_HEIGHT, perimeter

GAS = units.species("ch4")
NX, NY, STEP = 6, 4, 10_000.0
X0, Y0 = 1_480_000.0, 314_000.0
GRID = Grid(
    "+proj=lcc +lat_1=-40.0 +lat_2=-15.0 +lat_0=-27.5 +lon_0=133.302 +R=6370000 +units=m +no_defs",
    X0 + STEP * np.arange(NX + 1),
    Y0 + STEP * np.arange(NY + 1),
)
SIGMA = np.array([1.0, 0.97, 0.9, 0.7, 0.4, 0.0])
TOP, SURFACE = 5000.0, 98_000.0
ATTRIBUTES = {
    "GDTYP": 2, "P_ALP": -40.0, "P_BET": -15.0, "P_GAM": 133.302, "XCENT": 133.302, "YCENT": -27.5, "XORIG": X0,
    "YORIG": Y0, "XCELL": STEP, "YCELL": STEP, "NCOLS": NX, "NROWS": NY, "NTHIK": 1, "VGTYP": 7, "VGTOP": TOP,
    "VGLVLS": SIGMA,
}  # fmt: skip


def write(path, values, *, flags=((0, 0),), unit="ppmV            ", **attrs):
    """Write (TSTEP, LAY, ROW, COL) or (TSTEP, LAY, PERIM) as the I/O API does."""
    dims = ("TSTEP", "LAY", "ROW", "COL") if values.ndim == 4 else ("TSTEP", "LAY", "PERIM")
    with netCDF4.Dataset(path, "w") as data:
        for dim, length in (*zip(dims, values.shape, strict=True), ("VAR", 1), ("DATE-TIME", 2)):
            data.createDimension(dim, length)
        data.createVariable("TFLAG", "i4", ("TSTEP", "VAR", "DATE-TIME"))[:] = np.array(flags)[:, None, :]
        data["TFLAG"].units = "<YYYYDDD,HHMMSS>"
        data.createVariable("CH4", "f8", dims)[:] = values
        data["CH4"].units = unit
        data.setncatts({key: value for key, value in (ATTRIBUTES | attrs).items() if value is not None})
    return path


def ends(x, y, sigma=0.95, age=0.0):
    """Return two equal rows whose particles end at grid coordinates (m) and at a share of the air's pressure."""
    lon, lat = GRID.to_lonlat(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    shape = (2, lon.size)
    pressure = np.broadcast_to(TOP + np.asarray(sigma) * (SURFACE - TOP), shape)
    data = {
        "end_lon": np.broadcast_to(lon, shape),
        "end_lat": np.broadcast_to(lat, shape),
        "end_pressure": pressure,
        "end_height": -SCALE_HEIGHT * np.log(pressure / SURFACE),
        "end_age": np.broadcast_to(np.asarray(age, dtype=float), shape),
        "end_weight": np.full(shape, 1 / lon.size),
    }
    made = xr.Dataset({name: (("obs", "particle"), values) for name, values in data.items()})
    made["time"] = ("obs", times(2, "2022-12-07T06", 0))
    return made


def sampled(path, made):
    return sample_field([path], "CH4", None, made, GAS)


def one(path, x, y, **where):
    """Return ppb at one place."""
    return sampled(path, ends([x], [y], **where))[0][0]


def by_layer(base=1.8):
    """Return ppm (1, LAY, ROW, COL) that differ by layer alone."""
    return base + 0.1 * np.arange(5)[None, :, None, None] * np.ones((1, 5, NY, NX))


@pytest.mark.parametrize(
    ("sigma", "layer"), [(1.0, 0), (0.98, 0), (0.95, 1), (0.71, 2), (0.69, 3), (0.1, 4), (-0.02, 4)]
)
def test_an_end_takes_the_layer_that_its_sigma_lies_in(tmp_path, sigma, layer):
    path = write(tmp_path / "icon.nc", by_layer())
    assert one(path, X0 + 2.2e4, Y0 + 1.7e4, sigma=sigma) == pytest.approx(1800.0 + 100.0 * layer, rel=1e-12)


def test_a_field_linear_on_the_projected_grid_is_sampled_exactly(tmp_path):
    values = 1.8 + 1e-6 * (GRID.x[None, :] - X0) + 3e-6 * (GRID.y[:, None] - Y0)
    path = write(tmp_path / "icon.nc", np.broadcast_to(values, (1, 5, NY, NX)))
    rng = np.random.default_rng(7)
    x, y = X0 + rng.uniform(0.5e4, 5.5e4, 30), Y0 + rng.uniform(0.5e4, 3.5e4, 30)
    mean, spread, share, notes = sampled(path, ends(x, y))
    at = 1800.0 + 1e-3 * (x - X0) + 3e-3 * (y - Y0)
    np.testing.assert_allclose(mean, at.mean(), rtol=1e-9)
    np.testing.assert_allclose(spread, at.std(), rtol=1e-6)
    np.testing.assert_allclose(share, 1.0)
    assert notes == ["background: icon.nc holds one step, used for every hour"]
    with pytest.raises(CoordinateError, match=r"icon\.nc: every particle must end inside.*x 1480\.0 to 1540\.0 km"):
        one(path, X0 - 100.0, Y0 + 1e4)


def test_the_perimeter_runs_south_east_north_west():
    # columns 0 to NX + 1 and rows 0 to NY + 1, those of the grid being 1 to NX and 1 to NY
    order = [(column, 0) for column in range(1, NX + 2)]
    order += [(NX + 1, row) for row in range(1, NY + 2)]
    order += [(column, NY + 1) for column in range(NX + 1)]
    order += [(0, row) for row in range(NY + 1)]
    found = (perimeter(GRID) - [X0, Y0]) / STEP + 0.5
    np.testing.assert_allclose(found, order, atol=1e-9)
    assert len(set(order)) == len(order) == 2 * (NX + NY + 2)


def test_an_end_takes_the_nearest_cell_of_the_perimeter(tmp_path):
    values = 1.8 + 0.001 * np.arange(24)[None, None, :] + 0.1 * np.arange(5)[None, :, None]
    path = write(tmp_path / "bcon.nc", values)
    for index, (x, y) in enumerate(perimeter(GRID)):
        # a little off the centre, towards the grid
        place = x + 0.3 * np.sign(X0 + 3e4 - x) * 1e4, y + 0.3 * np.sign(Y0 + 2e4 - y) * 1e4
        assert one(path, *place) == pytest.approx(1900.0 + index, rel=1e-12)
    assert one(path, X0 - 3e4, Y0 + 2.5e4) == pytest.approx(1900.0 + 22, rel=1e-12)
    notes = sampled(path, ends([X0], [Y0]))[3]
    assert "background: bcon.nc: every particle takes the perimeter cell nearest to its end" in notes
    with pytest.raises(CoordinateError, match=r"bcon\.nc: every particle must end inside.*covers the rim of x 1480"):
        one(path, X0 - 9e4, Y0)


def test_hours_are_read_from_tflag_and_interpolated(tmp_path):
    values = np.concatenate([by_layer(1.8), by_layer(1.9), by_layer(1.7)])
    flags = ((2022340, 230000), (2022341, 0), (2022341, 120000))  # 6 December 23 UTC to 7 December 12 UTC
    path = write(tmp_path / "conc.nc", values, flags=flags)
    x, y = X0 + 2.2e4, Y0 + 1.7e4
    assert one(path, x, y, sigma=1.0) == pytest.approx(1800.0, rel=1e-12)  # 06 UTC: half way from 1.9 to 1.7
    assert one(path, x, y, sigma=1.0, age=6.25 * 3600) == pytest.approx(1875.0, rel=1e-12)
    with pytest.raises(TimeError, match=r"conc\.nc: the field must cover .*2022-12-06T23.*2 of 2 ends outside"):
        one(path, x, y, age=8 * 3600)
    write(path, values, flags=((0, 0), (0, 10000), (0, 20000)))
    with pytest.raises(TimeError, match=r"TFLAG must hold dates, YYYYDDD and HHMMSS"):
        one(path, x, y)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"GDTYP": 6}, CoordinateError, r"GDTYP must be 2 \(Lambert\); got 6\.0"),
        ({"VGTYP": -9999}, CoordinateError, r"VGTYP must be 1 or 7 .*got -9999\.0"),
        ({"NTHIK": 2}, CoordinateError, r"NTHIK must be 1; got 2"),
        ({"XCENT": 130.0}, CoordinateError, r"XCENT must be the meridian P_GAM; got 130\.0"),
        ({"VGTOP": None}, FormatError, r"the attribute VGTOP must be present"),
        ({"NCOLS": 7}, FormatError, r"the field must have dims .*'NCOLS': 7"),
        ({"VGLVLS": SIGMA[::-1]}, FormatError, r"the field must have dims"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, change, error, text):
    path = write(tmp_path / "icon.nc", by_layer(), **change)
    with pytest.raises(error, match=rf"icon\.nc.*{text}"):
        one(path, X0 + 2e4, Y0 + 2e4)


def test_missing_values_and_other_grids_are_refused(tmp_path):
    values = by_layer()
    values[0, 2, 1, 1] = np.nan
    path = write(tmp_path / "icon.nc", values)
    with pytest.raises(InputError, match=r"icon\.nc: CH4: the field must have no missing values.*1 missing"):
        one(path, X0 + 1.5e4, Y0 + 1.5e4)
    first = write(tmp_path / "a.nc", by_layer(), flags=((2022341, 0),))
    other = write(tmp_path / "b.nc", by_layer(), flags=((2022341, 120000),), XORIG=X0 + 1.0)
    made = ends([X0 + 1e4], [Y0 + 1e4])
    with pytest.raises(CoordinateError, match=r"b\.nc: all files of the field must have one grid"):
        sample_field([first, other], "CH4", None, made, GAS)
    second = write(tmp_path / "b.nc", by_layer(1.9), flags=((2022341, 120000),))
    mean = sample_field([first, second], "CH4", None, made, GAS)[0]
    np.testing.assert_allclose(mean, 1950.0, rtol=1e-12)  # 06 UTC, second layer


@pytest.mark.parametrize("kind", ["icon", "bcon"])
def test_the_real_bowen_files_hold_1800_ppb(kind):
    folder = shared_data() / "fluxes" / "bowen_ch4"
    path = folder / f"template_{kind}_profile_CH4only_d01.nc"
    with netCDF4.Dataset(path) as data:
        x, y = (np.array([0.6, 5.0, 9.4]) * 1e4 + data.getncattr(name) for name in ("XORIG", "YORIG"))
    made = ends(x, y, sigma=[0.99, 0.6, 0.2])
    mean, spread, _, notes = sampled(path, made)
    np.testing.assert_allclose(mean, 1800.0, rtol=1e-6)
    assert spread.max() < 1e-3
    assert f"background: {path.name} holds one step, used for every hour" in notes
