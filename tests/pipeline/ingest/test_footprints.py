"""Footprints of others: each number lands in its cell, its hour and its row, or is counted and explained."""

import netCDF4
import numpy as np
import pytest
from ingest_cases import (
    HOUR,
    TAC,
    dense,
    lonlat_grid,
    registry,
    settings,
    shared_data,
    times,
    write_field,
    write_name_file,
)

from pipeline.errors import ConfigError, CoordinateError, FormatError, InputError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.ingest.footprints import read_footprints
from pipeline.schema import check, hours_between

GRID = lonlat_grid()
FLUX_HOURS = hours_between(np.datetime64("2014-06-30"), np.datetime64("2014-07-02"))
BACK = np.array([0, 2, 4])


@pytest.fixture
def fields(rng):
    """Return fp (time, y, x) and fp_HiTRes (time, H_back, y, x) of six releases, all cells different."""
    return rng.uniform(0.1, 1.0, (6, *GRID.shape)), rng.uniform(0.1, 1.0, (6, 3, *GRID.shape))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def read(folder, timing="integrated", grid=GRID, **part):
    part = {"format": "name", "files": ["*.nc"], "station": "TAC", "height": 100, "timing": timing} | part
    return read_footprints(settings(footprints=[part]), grid, folder, registry())


def test_sparse_rows_equal_the_dense_field(tmp_path, fields):
    fp, _ = fields
    fp[2, 1, 3] = 0.0
    write_name_file(tmp_path / "a.nc", GRID, fp, times(6))
    found, _ = read(tmp_path)
    check(found, "footprints")
    whole = dense(found, FLUX_HOURS)
    for row, label in enumerate(times(6)):
        hour = int((label - FLUX_HOURS[0]) // HOUR)
        np.testing.assert_allclose(whole[row, hour], fp[row].ravel(), rtol=1e-12)
        assert whole[row].sum() == pytest.approx(fp[row].sum(), rel=1e-12)
    assert np.diff(found["indptr"].values).tolist() == [20, 20, 19, 20, 20, 20]
    assert Grid.from_dataset(found) == GRID


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dims", [("lat", "lon", "time"), ("time", "lat", "lon"), ("lon", "time", "lat")])
def test_a_point_north_east_of_the_receptor_lands_there(tmp_path, descending, dims):
    # the receptor is in column 2, row 2; one cell north and two east of it is column 4, row 3
    fp = np.zeros((2, *GRID.shape))
    fp[:, 3, 4] = 0.7
    write_name_file(tmp_path / "a.nc", GRID, fp, times(2), descending=descending, dims=dims)
    found, _ = read(tmp_path)
    lon, lat = (axis.ravel()[found["cell"].values[0]] for axis in GRID.lonlat)
    assert (lon, lat) == (pytest.approx(1.9), pytest.approx(52.75))
    assert lon > TAC[0]
    assert lat > TAC[1]
    assert found["footprint"].values.tolist() == pytest.approx([0.7, 0.7])


def test_a_bin_of_hours_back_lands_on_its_flux_hours(tmp_path, fields):
    fp, _ = fields
    for bin_index, expected in ((0, [0, 1]), (1, [2, 3]), (2, [4, 5, 6, 7, 8])):
        resolved = np.zeros((6, 3, *GRID.shape))
        resolved[:, bin_index] = fp
        write_name_file(tmp_path / "a.nc", GRID, fp, times(6), resolved=resolved, h_back=BACK)
        found, _ = read(tmp_path, "hourly", residual_hours=5)
        whole = dense(found, FLUX_HOURS)
        receptor = int((times(6)[0] - FLUX_HOURS[0]) // HOUR)
        by_hour = whole[0].sum(axis=1)
        assert (receptor - np.flatnonzero(by_hour))[::-1].tolist() == expected
        np.testing.assert_allclose(by_hour[by_hour > 0], fp[0].sum() / len(expected), rtol=1e-12)


def test_hourly_leaves_out_and_counts_rows_without_resolved_values(tmp_path, fields):
    fp, resolved = fields
    resolved[1::2] = np.nan
    write_name_file(tmp_path / "a.nc", GRID, fp, times(6), resolved=resolved, h_back=BACK)
    found, notes = read(tmp_path, "hourly")
    assert found["time"].values.tolist() == times(6)[::2].tolist()
    assert any("3 rows without a time-resolved footprint" in note for note in notes)
    np.testing.assert_allclose(dense(found, FLUX_HOURS).sum(axis=1), resolved[::2].sum(axis=1).reshape(3, -1))


def test_shares_keep_each_cells_total(tmp_path, fields):
    fp, resolved = fields
    resolved[1::2] = np.nan
    resolved[0, 2, 1, 1] = -0.3
    resolved[2, :, 0, 0] = 0.0
    write_name_file(tmp_path / "a.nc", GRID, fp, times(6), resolved=resolved, h_back=BACK)
    found, notes = read(tmp_path, "shares")
    whole = dense(found, FLUX_HOURS)
    np.testing.assert_allclose(whole.sum(axis=1), fp.reshape(6, -1), rtol=1e-12)
    assert whole.min() >= 0
    assert any("1 negative time-resolved values counted as zero" in note for note in notes)
    assert any("3 rows took the time shares of the neighbouring releases" in note for note in notes)


def test_shares_follow_the_cell_then_the_domain(tmp_path, fields):
    fp, resolved = fields
    resolved[0, :, 0, 0] = 0.0
    write_name_file(tmp_path / "a.nc", GRID, fp, times(6), resolved=resolved, h_back=BACK)
    found, _ = read(tmp_path, "shares")
    whole = dense(found, FLUX_HOURS)
    receptor = int((times(6)[0] - FLUX_HOURS[0]) // HOUR)
    own = resolved[0].reshape(3, -1)
    first_bin = whole[0, receptor - 1 : receptor + 1].sum(axis=0) / fp[0].ravel()
    np.testing.assert_allclose(first_bin[1:], own[0, 1:] / own.sum(axis=0)[1:], rtol=1e-12)
    assert first_bin[0] == pytest.approx(own[0].sum() / own.sum(), rel=1e-12)


def test_neighbours_of_a_release_share_their_sum(tmp_path, fields):
    fp, resolved = fields
    resolved[[1, 3, 5]] = np.nan
    write_name_file(tmp_path / "a.nc", GRID, fp, times(6), resolved=resolved, h_back=BACK)
    whole = dense(read(tmp_path, "shares")[0], FLUX_HOURS)
    receptor = int((times(6)[1] - FLUX_HOURS[0]) // HOUR)
    both = (resolved[0] + resolved[2]).reshape(3, -1)
    first_bin = whole[1, receptor - 1 : receptor + 1].sum(axis=0) / fp[1].ravel()
    np.testing.assert_allclose(first_bin, both[0] / both.sum(axis=0), rtol=1e-12)


def test_shares_are_not_borrowed_from_afar(tmp_path, fields):
    fp, resolved = fields
    resolved[1:] = np.nan
    write_name_file(tmp_path / "a.nc", GRID, fp, times(6), resolved=resolved, h_back=BACK)
    found, notes = read(tmp_path, "shares")
    assert found["time"].values.tolist() == times(6)[:3].tolist()
    assert any("3 rows without time shares within one bin were left out" in note for note in notes)


def test_entries_outside_the_flux_hours_are_dropped_and_weighed(tmp_path, fields):
    fp, resolved = fields
    write_name_file(tmp_path / "a.nc", GRID, fp[:1], times(1), resolved=resolved[:1], h_back=BACK)
    # the receptor's hour is the 31st flux hour; the residual bin reaches 4 + 34 h back, 7 of them too early
    found, notes = read(tmp_path, "hourly", residual_hours=34)
    lost = resolved[0, 2].sum() * 7 / 34 / resolved[0].sum()
    assert any(f"140 entries outside flux_hours, {100 * lost:.2g} % of the footprint" in note for note in notes)
    assert found["footprint"].values.sum() == pytest.approx(resolved[0].sum() * (1 - lost), rel=1e-12)


def test_rows_with_nan_outside_the_window_or_of_other_stations_are_counted(tmp_path, fields):
    fp, _ = fields
    fp[4, 0, 0] = np.nan
    fp[5, 1, 1] = -0.01
    write_name_file(tmp_path / "a.nc", GRID, fp, times(6, "2014-06-30T22"))
    found, notes = read(tmp_path)
    assert found["time"].values.tolist() == times(6, "2014-06-30T22")[[2, 3, 5]].tolist()
    text = " ".join(notes)
    assert "2 rows outside observation_hours" in text
    assert "1 rows with missing values" in text
    assert "1 negative values were kept" in text


def test_nothing_left_says_why(tmp_path, fields):
    write_name_file(tmp_path / "a.nc", GRID, fields[0], times(6))
    with pytest.raises(
        InputError, match=r"at least one footprint.*6 rows of TAC, a station and inlet the case does not"
    ):
        read(tmp_path, height=54)


def test_one_receptor_hour_twice_is_refused(tmp_path, fields):
    for name in ("a.nc", "b.nc"):
        write_name_file(tmp_path / name, GRID, fields[0], times(6))
    with pytest.raises(InputError, match="one footprint an hour; got 'two of TAC at 100 m, 2014-07-01T06"):
        read(tmp_path)


def test_units_are_required_and_converted(tmp_path, fields):
    fp, _ = fields
    path = tmp_path / "a.nc"
    write_name_file(path, GRID, fp, times(6), unit=None)
    with pytest.raises(UnitError, match=r"a\.nc: fp: a footprint must state its unit"):
        read(tmp_path)
    write_name_file(path, GRID, fp, times(6), unit="s m3 kg-1")
    with pytest.raises(UnitError, match=r"a\.nc: fp: .*got 's m3 kg-1'"):
        read(tmp_path)
    write_name_file(path, GRID, fp, times(6), unit="ppb (umol m-2 s-1)-1")
    found, _ = read(tmp_path)
    np.testing.assert_allclose(found["footprint"].values, 1e-3 * fp.ravel(), rtol=1e-12)


@pytest.mark.parametrize(
    ("grid", "rule"),
    [
        (lonlat_grid(nx=6), r"a\.nc: fp: the file's grid must be the domain's"),
        (Grid("EPSG:4326", GRID.x_edges + 0.1, GRID.y_edges), "x cells must be the domain's; got 'edges off by 0.1"),
        (Grid("EPSG:4326", GRID.x_edges, GRID.y_edges - 0.25), "y cells must be the domain's; got 'edges off by 0.25"),
    ],
)
def test_another_grid_is_refused(tmp_path, fields, grid, rule):
    write_name_file(tmp_path / "a.nc", GRID, fields[0], times(6))
    with pytest.raises(CoordinateError, match=rule):
        read(tmp_path, grid=grid)


def test_longitudes_a_turn_away_are_the_same(tmp_path, fields):
    turned = Grid("EPSG:4326", GRID.x_edges + 360.0, GRID.y_edges)
    write_name_file(tmp_path / "a.nc", turned, fields[0], times(6))
    found, _ = read(tmp_path)
    np.testing.assert_allclose(found["footprint"].values, fields[0].ravel(), rtol=1e-12)
    assert found["x"].values.tolist() == GRID.x.tolist()


@pytest.mark.parametrize(
    ("time", "labels", "rule"),
    [
        ({"period": "1.0 hours"}, times(6), "must say that a time label is the start"),
        ({"long_name": "hours since the start of the run"}, times(6), "must say that a time label is the start"),
        ({"label": "right", "comment": "beginning"}, times(6), "must say .*got {'label': 'right'"),
        ({"label": "left", "period": "3 hours"}, times(6), "releases must last one hour each; got '3 hours'"),
        ({"label": "left"}, times(6, step=2), "releases must last one hour each"),
        ({"label": "left"}, times(6)[::-1], "times must ascend, each once"),
        ({"label": "left"}, times(6)[[0, 1, 1, 2, 3, 4]], "times must ascend, each once"),
        ({"label": "left", "period": "1.0 hours"}, times(6) + np.timedelta64(30, "m"), "labels must be whole hours"),
    ],
)
def test_time_labels_are_stated_hourly_and_ascending(tmp_path, fields, time, labels, rule):
    write_name_file(tmp_path / "a.nc", GRID, fields[0], labels, time=time)
    with pytest.raises(TimeError, match=rule):
        read(tmp_path)


def test_a_release_elsewhere_is_refused(tmp_path, fields):
    write_name_file(tmp_path / "a.nc", GRID, fields[0], times(6), place=(TAC[1], TAC[0]))
    with pytest.raises(CoordinateError, match=r"must lie within 500 m of TAC; got .* m away.*swapped"):
        read(tmp_path)
    # 0.004 degrees of latitude are 445 m, 0.005 are 556 m
    write_name_file(tmp_path / "a.nc", GRID, fields[0], times(6), place=(TAC[0], TAC[1] + 0.004))
    read(tmp_path)
    write_name_file(tmp_path / "a.nc", GRID, fields[0], times(6), place=(TAC[0], TAC[1] + 0.005))
    with pytest.raises(CoordinateError, match="556 m away"):
        read(tmp_path)


def test_a_truncated_file_and_a_missing_variable_are_refused(tmp_path, fields):
    path = write_name_file(tmp_path / "a.nc", GRID, fields[0], times(6))
    with pytest.raises(FormatError, match=r"a\.nc: the file must hold fp_HiTRes"):
        read(tmp_path, "hourly")
    with pytest.raises(FormatError, match=r"a\.nc: the file must hold srr; got .*'fp'"):
        read(tmp_path, format="paris")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"a\.nc: .*truncated"):
        read(tmp_path)


def test_hours_back_are_never_counted_from_the_dimension(tmp_path, fields):
    path = write_name_file(
        tmp_path / "a.nc", GRID, fields[0], times(6), resolved=fields[1], h_back=2 * np.arange(fields[1].shape[1])
    )
    with netCDF4.Dataset(path, "a") as data:
        data.renameVariable("H_back", "lost")
    with pytest.raises(FormatError, match=r"a\.nc: the file must hold H_back"):
        read(tmp_path, "hourly")


def test_hours_back_must_be_even(tmp_path, fields):
    write_name_file(tmp_path / "a.nc", GRID, fields[0], times(6), resolved=fields[1], h_back=np.array([0, 2, 5]))
    with pytest.raises(TimeError, match=r"hours back must start at 0 and step evenly.*got \[0, 2, 5\]"):
        read(tmp_path, "hourly")


def test_the_receptor_must_be_declared_where_the_file_is_silent(tmp_path, fields):
    write_name_file(tmp_path / "a.nc", GRID, fields[0], times(6))
    with pytest.raises(InputError, match="the receptor's station must be known"):
        read(tmp_path, station=None)
    with pytest.raises(InputError, match="the receptor's height must be known"):
        read(tmp_path, height=None)


def test_exits_turn_with_the_axes(tmp_path, fields, rng):
    exits = {side: rng.uniform(0, 1e-3, (6, 2, GRID.nx if side in "ns" else GRID.ny)) for side in "nesw"}
    for descending in (False, True):
        write_name_file(
            tmp_path / "a.nc",
            GRID,
            fields[0],
            times(6),
            exits=exits,
            heights=np.array([500.0, 1500.0]),
            descending=descending,
        )
        found, _ = read(tmp_path)
        assert found["exit_height"].values.tolist() == [500.0, 1500.0]
        for side in ("north", "east", "south", "west"):
            np.testing.assert_allclose(found[f"exit_{side}"].values, exits[side[0]], rtol=1e-6)


def test_paris_files_are_integrated_only_and_name_their_site(tmp_path, fields):
    axes = {"time": times(6), "latitude": GRID.y, "longitude": GRID.x}
    path = write_field(
        tmp_path / "a.nc",
        "srr",
        fields[0],
        ("time", "latitude", "longitude"),
        axes,
        attrs={"units": "(mol/mol)/(mol/m2/s)"},
        time={"label": "left", "period": " 1.0 hours"},
    )
    with netCDF4.Dataset(path, "a") as data:
        data.setncatts({"site": "TAC", "inlet_height": "100magl"})
        for name, value in zip(("release_lon", "release_lat"), TAC, strict=True):
            data.createVariable(name, "f4", ("time",))[:] = np.full(6, value)
    found, _ = read(tmp_path, format="paris", station=None, height=None)
    np.testing.assert_allclose(found["footprint"].values, fields[0].ravel(), rtol=1e-12)
    assert set(found["station"].values) == {"TAC"}
    with pytest.raises(ConfigError, match="format paris holds no hours back"):
        read(tmp_path, "hourly", format="paris")
    with pytest.raises(InputError, match="site must be the declared station, BSD; got 'TAC'"):
        read(tmp_path, format="paris", station="BSD")
    with pytest.raises(CoordinateError, match=r"release height must be the declared one, 54 m; got \[100"):
        read(tmp_path, format="paris", height=54)


def real_grid():
    return Grid.from_centres("EPSG:4326", -0.396 + 0.352 * np.arange(12), 51.211 + 0.234 * np.arange(12))


def real_case(start="2014-07-01", end="2014-07-04", station="TAC", height=100.0, **part):
    case = {
        "name": "real",
        "title": "real files",
        "species": "co2",
        "flux_hours": {"start": f"{np.datetime64(start) - 2}T00:00:00Z", "end": f"{end}T01:00:00Z"},
        "observation_hours": {"start": f"{start}T00:00:00Z", "end": f"{end}T01:00:00Z"},
    }
    feed = {"id": station, "format": "gcwerks", "files": ["x"], "height": height, "representation_error": 1.0}
    part = {"files": ["footprints/TAC*.nc"], "station": station, "height": height, "format": "name"} | part
    return settings(case=case, stations=[feed], footprints=[part])


def test_real_name_file():
    root = shared_data()
    totals = {}
    for timing, rows in (("integrated", 73), ("hourly", 37), ("shares", 73)):
        found, notes = read_footprints(real_case(timing=timing), real_grid(), root, registry())
        assert found.sizes["obs"] == rows
        totals[timing] = float(found["footprint"].sum())
    assert totals["integrated"] == pytest.approx(128.9159, abs=1e-3)
    assert totals["hourly"] == pytest.approx(67.67, abs=0.01)
    assert totals["shares"] == pytest.approx(totals["integrated"], rel=1e-4)
    assert any("407 negative" in note for note in notes)
    shares = sum(
        found[f"exit_{side}"].sum(found[f"exit_{side}"].dims[1:]) for side in ("north", "east", "south", "west")
    )
    assert float(shares.min()) == pytest.approx(0.0303, abs=1e-4)
    assert float(shares.max()) == pytest.approx(0.0532, abs=1e-4)


def test_real_paris_file():
    case = real_case("2018-09-02", "2018-09-04", "MHD", 10.0, format="paris", files=["footprints/MHD*.nc"])
    found, notes = read_footprints(case, real_grid(), shared_data(), registry())
    assert found.sizes["obs"] == 49
    assert any("rows have no footprint inside the grid" in note for note in notes)
