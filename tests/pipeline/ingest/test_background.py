"""Background: exits weigh the curtains as the closed form says; a table is looked up by hour; gaps are named."""

import netCDF4
import numpy as np
import pandas as pd
import pytest
from ingest_cases import lonlat_grid, registry, settings, shared_data, times, write_name_file

from pipeline import units
from pipeline.errors import ConfigError, CoordinateError, FormatError, InputError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.ingest.background import read_background
from pipeline.ingest.footprints import read_footprints
from pipeline.schema import check

GRID = lonlat_grid()
GAS = units.species("co2")
HEIGHTS = np.array([500.0, 1500.0, 2500.0])
LENGTH = {"n": GRID.nx, "s": GRID.nx, "e": GRID.ny, "w": GRID.ny}


@pytest.fixture
def rng():
    return np.random.default_rng(13)


@pytest.fixture
def exits(rng):
    """Return shares (time, height, cell) that sum to about 0.05 of the particles, as in a cropped window."""
    return {side: rng.uniform(0, 1e-3, (4, 3, length)) for side, length in LENGTH.items()}


@pytest.fixture
def vmr(rng):
    """Return mol mol-1 (height, cell), all different."""
    return {side: rng.uniform(390e-6, 400e-6, (3, length)) for side, length in LENGTH.items()}


def write_curtains(path, vmr, *, unit=None, descending=False, times_of=None, heights=HEIGHTS, grid=GRID):
    """Write curtains as OpenGHG does: vmr_n(height, lon), ..., a scalar time; or a time axis with vmr (time, ...)."""
    turn = slice(None, None, -1) if descending else slice(None)
    with netCDF4.Dataset(path, "w") as data:
        for name, axis in (("height", heights), ("lat", grid.y[turn]), ("lon", grid.x)):
            data.createDimension(name, axis.size)
            data.createVariable(name, "f4", (name,))[:] = axis
        lead = ()
        if times_of is None:
            data.createVariable("time", "i8", ()).setncatts({"units": "days since 2014-07-01"})
            data["time"][...] = 0
        else:
            lead = ("time",)
            data.createDimension("time", times_of.size)
            data.createVariable("time", "i8", lead)[:] = (
                (times_of - np.datetime64("2014-01-01")).astype("m8[h]").astype(int)
            )
            data["time"].setncatts({"units": "hours since 2014-01-01", "label": "left"})
        for side, values in vmr.items():
            axis = "lon" if side in "ns" else "lat"
            stored = values if axis == "lon" else values[..., turn]
            data.createVariable(f"vmr_{side}", "f8", (*lead, "height", axis))[:] = stored
            if unit is not None:
                data[f"vmr_{side}"].units = unit
    return path


def footprints(folder, exits, grid=GRID):
    (folder / "fp").mkdir(exist_ok=True)
    write_name_file(folder / "fp/a.nc", GRID, np.ones((4, *GRID.shape)), times(4), exits=exits, heights=HEIGHTS)
    return read_footprints(settings(), grid, folder / "fp", registry())[0]


def read(folder, rows, **background):
    section = {"kind": "curtains", "file": "edges.nc", "unit": "mol mol-1", "sigma": 1.0, "hours": 6} | background
    return read_background(settings(background=section), rows, GAS, GRID, folder)


def closed_form(exits, vmr, row):
    """Return sum(share * vmr) / sum(share) in ppm, side by side, cell by cell."""
    above = below = 0.0
    for side, length in LENGTH.items():
        for level in range(3):
            for cell in range(length):
                share = float(np.float32(exits[side][row, level, cell]))  # as the file stores it
                above += share * vmr[side][level, cell]
                below += share
    return 1e6 * above / below, below


@pytest.mark.parametrize("descending", [False, True])
def test_curtains_are_weighted_by_exits(tmp_path, exits, vmr, descending):
    write_curtains(tmp_path / "edges.nc", vmr, descending=descending)
    found, notes = read(tmp_path, footprints(tmp_path, exits))
    check(found, "background")
    for row in range(4):
        expected, share = closed_form(exits, vmr, row)
        assert float(found["background"][row]) == pytest.approx(expected, rel=1e-12)
        assert float(found["exit_share"][row]) == pytest.approx(share, rel=1e-6)
    low, high = float(found["exit_share"].min()), float(found["exit_share"].max())
    assert any(f"exit shares sum to {low:.3g}-{high:.3g}" in note and "background correction" in note for note in notes)
    assert any("one time, 2014-07-01T00:00, used for every hour" in note for note in notes)


def test_one_exit_gives_that_cells_mole_fraction(tmp_path, exits, vmr):
    for side in exits:
        exits[side][:] = 0.0
    exits["w"][:, 2, 3] = 0.02
    write_curtains(tmp_path / "edges.nc", vmr)
    found, _ = read(tmp_path, footprints(tmp_path, exits))
    np.testing.assert_allclose(found["background"].values, 1e6 * vmr["w"][2, 3], rtol=1e-12)


def test_a_time_axis_gives_each_row_its_step(tmp_path, exits, vmr):
    steps = times(3, "2014-07-01T00", 6)
    stacked = {side: np.stack([values, values + 1e-6, values + 2e-6]) for side, values in vmr.items()}
    write_curtains(tmp_path / "edges.nc", stacked, times_of=steps)
    rows = footprints(tmp_path, exits)  # 06 to 09 UTC: the second step
    found, _ = read(tmp_path, rows)
    assert float(found["background"][0]) == pytest.approx(closed_form(exits, vmr, 0)[0] + 1.0, rel=1e-12)
    write_curtains(tmp_path / "edges.nc", stacked, times_of=times(3, "2014-07-01T00", 2))
    with pytest.raises(TimeError, match=r"must cover every row; .*4 rows outside, first 2014-07-01T06"):
        read(tmp_path, rows)


def test_the_unit_is_stated_or_declared_and_plausible(tmp_path, exits, vmr):
    rows = footprints(tmp_path, exits)
    write_curtains(tmp_path / "edges.nc", vmr)
    with pytest.raises(UnitError, match=r"edges\.nc: vmr_n: the curtains must have a unit.*background\.unit"):
        read(tmp_path, rows, unit=None)
    with pytest.raises(UnitError, match=r"must lie within 200 to 1000 ppm; got '0\.00039"):
        read(tmp_path, rows, unit="ppm")
    write_curtains(tmp_path / "edges.nc", {side: 1e6 * values for side, values in vmr.items()}, unit="ppm")
    found, _ = read(tmp_path, rows, unit=None)
    assert float(found["background"][0]) == pytest.approx(closed_form(exits, vmr, 0)[0], rel=1e-12)


def test_heights_grid_and_values_must_fit(tmp_path, exits, vmr):
    rows = footprints(tmp_path, exits)
    write_curtains(tmp_path / "edges.nc", vmr, heights=HEIGHTS + 100)
    with pytest.raises(
        CoordinateError, match=r"edges\.nc: height: the curtains' heights must be the exits'; got \[600"
    ):
        read(tmp_path, rows)
    shifted = Grid("EPSG:4326", GRID.x_edges + 0.4, GRID.y_edges)
    write_curtains(tmp_path / "edges.nc", vmr, grid=shifted)
    with pytest.raises(CoordinateError, match=r"x cells must be the domain's; got 'edges off by 0\.4"):
        read(tmp_path, rows)
    vmr["e"][1, 1] = np.nan
    write_curtains(tmp_path / "edges.nc", vmr)
    with pytest.raises(InputError, match=r"vmr_e: curtains must have no missing values; got '1 missing"):
        read(tmp_path, rows)
    del vmr["s"]
    write_curtains(tmp_path / "edges.nc", {side: vmr[side] for side in "nw"})
    with pytest.raises(InputError, match="vmr_e: curtains need four sides"):
        read(tmp_path, rows)


def test_rows_without_exits_are_refused(tmp_path, exits, vmr):
    write_curtains(tmp_path / "edges.nc", vmr)
    for side in exits:
        exits[side][2] = 0.0
    with pytest.raises(
        InputError, match="every row must have particle exits; got '1 of 4 have none, first 2014-07-01T08"
    ):
        read(tmp_path, footprints(tmp_path, exits))
    with pytest.raises(InputError, match="curtains need particle exits in the footprints"):
        read(tmp_path, footprints(tmp_path, None))


def series(folder, rows, frame, name="background.csv", **table):
    path = folder / name
    if name.endswith("csv"):
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    columns = {"time": "time", "value": "co2", "unit": "ppm"} | table
    return read(folder, rows, kind="series", file=name, unit=None, table=columns)


@pytest.fixture
def frame():
    """Return 24 hours of ppm."""
    labels = [f"2014-07-01T{hour:02d}:00:00" for hour in range(24)]
    return pd.DataFrame({"time": labels, "co2": 390.0 + np.arange(24), "flag": ["O"] * 24})


@pytest.mark.parametrize("name", ["background.csv", "background.parquet"])
def test_a_table_is_looked_up_by_hour(tmp_path, exits, frame, name):
    rows = footprints(tmp_path, exits)
    found, _ = series(tmp_path, rows, frame.sample(frac=1.0, random_state=1), name)
    assert found["background"].values.tolist() == [396.0, 397.0, 398.0, 399.0]
    assert found["exit_share"].values.tolist() == [1.0] * 4


def test_table_labels_with_a_zone_are_converted(tmp_path, exits, frame):
    frame["time"] += "+01:00"
    found, _ = series(tmp_path, footprints(tmp_path, exits), frame)
    assert found["background"].values.tolist() == [397.0, 398.0, 399.0, 400.0]


def test_missing_hours_of_a_table_are_named(tmp_path, exits, frame):
    rows = footprints(tmp_path, exits)
    with pytest.raises(
        TimeError, match="must cover every footprint hour; got '2 hours missing: 2014-07-01T07, 2014-07-01T08"
    ):
        series(tmp_path, rows, frame.drop([7, 8]))
    frame.loc[7, "co2"] = -999.0
    with pytest.raises(TimeError, match="1 hours missing: 2014-07-01T07"):
        series(tmp_path, rows, frame, fill_values=[-999.0])
    frame.loc[8, "flag"] = "K"
    with pytest.raises(TimeError, match="2 hours missing"):
        series(tmp_path, rows, frame, fill_values=[-999.0], valid_flags={"flag": ["O", "U"]})


def test_odd_tables_are_refused(tmp_path, exits, frame):
    rows = footprints(tmp_path, exits)
    with pytest.raises(ConfigError, match=r"error is background\.sigma; got 'uncertainty column co2_sd'"):
        series(tmp_path, rows, frame, uncertainty="co2_sd")
    with pytest.raises(
        FormatError, match=r"background\.csv: column ch4 must be there once; got \['time', 'co2', 'flag'\]"
    ):
        series(tmp_path, rows, frame, value="ch4")
    with pytest.raises(TimeError, match="an hour must occur once; got '2014-07-01 05:00:00"):
        series(tmp_path, rows, pd.concat([frame, frame.iloc[5:6]]))
    with pytest.raises(TimeError, match=r"background\.csv: time: times must match the declared format"):
        series(tmp_path, rows, frame, time_format="%d/%m/%Y %H:%M")
    with pytest.raises(UnitError, match=r"must lie within 200 to 1000 ppm; got '0\.396 ppm'"):
        series(tmp_path, rows, frame, unit="ppb")
    (tmp_path / "page.parquet").write_text("<html>gone</html>")
    columns = {"time": "time", "value": "co2", "unit": "ppm"}
    with pytest.raises(FormatError, match=r"page\.parquet: the file must be data, not a web page"):
        read(tmp_path, rows, kind="series", file="page.parquet", unit=None, table=columns)
    frame.loc[3, "time"] = "2014-07-01T03:30:00"
    with pytest.raises(TimeError, match="label must be a whole hour; got '2014-07-01T03:30:00'"):
        series(tmp_path, rows, frame)


def test_real_tacolneston_background():
    root = shared_data()
    grid = Grid.from_centres("EPSG:4326", -0.396 + 0.352 * np.arange(12), 51.211 + 0.234 * np.arange(12))
    window = {"start": "2014-07-01T00:00:00Z", "end": "2014-07-04T01:00:00Z"}
    case = settings(
        case={"name": "real", "title": "t", "species": "co2", "flux_hours": window, "observation_hours": window},
        footprints=[{"format": "name", "files": ["footprints/TAC*.nc"], "station": "TAC", "height": 100}],
        background={
            "kind": "curtains",
            "file": "fluxes/tacolneston_co2/co2_TEST_201407.nc",
            "unit": "mol mol-1",
            "sigma": 1.0,
            "hours": 6,
        },
    )
    rows, _ = read_footprints(case, grid, root, registry())
    found, notes = read_background(case, rows, GAS, grid, root)
    assert float(found["background"].min()) == pytest.approx(395.044, abs=1e-3)
    assert float(found["background"].max()) == pytest.approx(397.247, abs=1e-3)
    assert any("sum to 0.0303-0.0532 of the particles (mean 0.0422)" in note for note in notes)


def test_curtains_are_sampled_where_our_own_particles_left(tmp_path, exits, vmr):
    write_curtains(tmp_path / "edges.nc", vmr)
    rows = footprints(tmp_path, exits)
    ours = rows.drop_vars([name for name in rows.variables if str(name).startswith("exit_")])
    shape = (rows.sizes["obs"], 2)
    ends = {
        "end_lon": np.array([GRID.x_edges[-1] + 0.01, GRID.x[1]]),
        "end_lat": np.array([GRID.y[2], GRID.y_edges[0] - 0.01]),
        "end_height": np.array([1400.0, 2600.0]), "end_weight": np.array([0.25, 0.5]), "end_reason": np.array([2, 2]),
    }  # fmt: skip
    for name, values in ends.items():
        ours[name] = (("obs", "particle"), np.broadcast_to(values, shape))
    ours["end_reason"].attrs["flag_meanings"] = "travelling time_up left_the_grid left_the_weather weather_ended lost"
    found, _ = read(tmp_path, ours)
    expected = 1e6 * (0.25 * vmr["e"][1, 2] + 0.5 * vmr["s"][2, 1]) / 0.75
    np.testing.assert_allclose(found["background"], expected, rtol=1e-12)
    np.testing.assert_allclose(found["exit_share"], 0.75, rtol=1e-12)
