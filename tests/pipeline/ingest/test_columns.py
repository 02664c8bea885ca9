"""Satellite columns: ids that do not depend on the file, kernels from the ground up, an outcome for every sounding."""

import numpy as np
import pytest
import xarray as xr
from column_files import LAYERS, START, column_case, kernel, read_columns, write_columns
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_cases import shared_data

from pipeline.errors import ConfigError, FormatError, InputError, TimeError, UnitError
from pipeline.ingest import account
from pipeline.ingest.columns import AGAIN, NO_POSITION
from pipeline.ingest.rows import OUTSIDE
from pipeline.ingest.soundings import OUTSIDE_AREA, sounding_ids
from pipeline.schema import Flag, check, is_used

SECONDS = [0, 0, 1, 14, 3600]
LON = [148.6319, 148.7044, 148.5, 148.25, 149.01]
LAT = [-23.6792, -23.6614, -23.4, -23.1, -22.9]
SECOND = np.timedelta64(1, "s")


def write(folder, name="tropomi.nc", **changes):
    return write_columns(folder / name, SECONDS, LON, LAT, **changes)


def test_a_sounding_keeps_its_numbers_and_its_second(tmp_path):
    write(tmp_path, xch4=[1851.0, 1852.0, 1853.0, 1854.0, 1855.0], unc=[20.0, 19.0, 18.0, 17.0, 16.0])
    observations, receptors, accounts, notes = read_columns(column_case(), tmp_path)
    check(observations, "observations")
    check(receptors, "receptors")
    assert sorted(observations["value"].values) == [1851.0, 1852.0, 1853.0, 1854.0, 1855.0]
    at = int(np.flatnonzero(observations["value"].values == 1854.0)[0])
    assert observations["station"].values[at] == "TROPOMI-20221207T034439-23.100+148.250"
    assert observations["uncertainty"].values[at] == 17.0
    assert observations["time"].values[at] == np.datetime64("2022-12-07T03")
    assert receptors["time"].values[at] == START + 14 * SECOND
    assert receptors["lon"].values[at] == 148.25
    for name in ("station", "lon", "lat", "height"):
        assert np.array_equal(observations[name].values, receptors[name].values)
    assert np.all(receptors["duration"].values == 0)
    assert set(observations["platform"].values) == {"satellite"}
    assert accounts[0].rows == {"used": 5}
    assert any("unc states no unit and is taken in ppb" in note for note in notes)


def test_layers_run_from_the_ground_up(tmp_path):
    write(tmp_path)
    _, receptors, _, _ = read_columns(column_case(), tmp_path)
    found = receptors["averaging_kernel"].values
    assert np.all(np.diff(found, axis=1) < 0)
    ids = sounding_ids("TROPOMI", START + np.array(SECONDS) * SECOND, np.array(LON), np.array(LAT))
    rows = [ids.tolist().index(station) for station in receptors["station"].values]
    np.testing.assert_array_equal(found, kernel(5)[rows, ::-1])
    edges = receptors["pressure_edge"].values
    np.testing.assert_allclose(edges, np.tile(1 - np.arange(LAYERS + 1) / LAYERS, (5, 1)), atol=1e-15)


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(5)))
def test_the_order_of_rows_in_the_file_changes_nothing(order, tmp_path_factory):
    whole, turned = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("turned")
    write(whole, xch4=1860.0 + np.arange(5))
    write(turned, xch4=1860.0 + np.arange(5), order=order)
    for one, two in zip(read_columns(column_case(), whole)[:2], read_columns(column_case(), turned)[:2], strict=True):
        xr.testing.assert_identical(one, two)


def test_an_id_does_not_depend_on_the_other_soundings(tmp_path):
    write(tmp_path)
    everything = set(read_columns(column_case(), tmp_path)[0]["station"].values)
    write_columns(tmp_path / "tropomi.nc", SECONDS[1:3], LON[1:3], LAT[1:3])
    some = set(read_columns(column_case(), tmp_path)[0]["station"].values)
    assert len(some) == 2
    assert some < everything


def test_whole_turns_and_the_sign_of_zero_leave_an_id_alone():
    time = np.full(4, START)
    ids = sounding_ids("S5P", time, np.array([181.5, -178.5, 0.0, -1e-9]), np.array([0.0, -0.0, 1.0, 1.0]))
    assert ids[0] == ids[1] == "S5P-20221207T034425+00.000-178.500"
    assert ids[2] == ids[3]


def test_soundings_outside_the_grid_are_counted_not_kept(tmp_path):
    write_columns(tmp_path / "a.nc", SECONDS, [*LON[:3], 151.0, LON[4]], [*LAT[:4], -20.0])
    observations, _, accounts, _ = read_columns(column_case(), tmp_path)
    assert observations.sizes["obs"] == 3
    assert accounts[0].rows == {"used": 3, OUTSIDE_AREA: 2}
    assert accounts[0].rows_read == 5


def test_a_centre_outside_its_own_corners_is_flagged(tmp_path):
    write(
        tmp_path, lat_corner=np.array(LAT)[:, None] + np.array([0.01, 0.01, 0.05, 0.05]) * (np.arange(5) == 2)[:, None]
    )
    observations, _, accounts, _ = read_columns(column_case(), tmp_path)
    assert (observations["flag"].values == int(Flag.INSTRUMENT)).sum() == 1
    assert accounts[0].rows == {"used": 4, "centre outside its own corners (flagged instrument)": 1}


def test_soundings_outside_the_hours_are_counted_not_kept(tmp_path):
    write(tmp_path)
    case = column_case(hours=("2022-12-07T03", "2022-12-07T04"))
    observations, receptors, accounts, _ = read_columns(case, tmp_path)
    assert observations.sizes["obs"] == receptors.sizes["obs"] == 4
    assert accounts[0].rows == {"used": 4, OUTSIDE: 1}
    assert accounts[0].rows_read == 5
    assert "outside the hours asked for" in account.render(accounts)


def test_a_file_wholly_outside_the_hours_is_told(tmp_path):
    write(tmp_path)
    observations, receptors, accounts, _ = read_columns(column_case(hours=("2022-12-09T00", "2022-12-10T00")), tmp_path)
    assert observations.sizes["obs"] == receptors.sizes["obs"] == 0
    assert accounts[0].rows == {OUTSIDE: 5}


@pytest.mark.parametrize(
    ("changes", "flag", "used"),
    [
        ({"qa": [0.49, 0.5, 1, 1, 1]}, Flag.INSTRUMENT, False),
        ({"qa": [np.nan, 0.5, 1, 1, 1]}, Flag.MISSING, False),
        ({"xch4": [np.nan, 1860, 1860, 1860, 1860]}, Flag.MISSING, False),
        ({"unc": [np.nan, 20, 20, 20, 20]}, Flag.MISSING, False),
        ({"unc": [0.0, 20, 20, 20, 20]}, Flag.MISSING, False),
        ({"averaging_kernel": np.where(np.arange(5)[:, None] == 0, np.nan, kernel(5))}, Flag.MISSING, False),
        ({"xch4": [1499.0, 1860, 1860, 1860, 1860]}, Flag.RANGE_FAIL, False),
        ({"xch4": [9999.0, 1860, 1860, 1860, 1860]}, Flag.RANGE_FAIL, False),
        ({"xch4": [2200.0, 1860, 1860, 1860, 1860]}, Flag.RANGE_SUSPECT, True),
    ],
)
def test_a_bad_sounding_is_flagged_and_the_others_stay(tmp_path, changes, flag, used):
    write(tmp_path, **changes)
    observations, _, accounts, _ = read_columns(column_case(), tmp_path)
    first = observations["station"].values == "TROPOMI-20221207T034425-23.679+148.632"
    assert observations["flag"].values[first].tolist() == [int(flag)]
    assert np.all(observations["flag"].values[~first] == 0)
    assert is_used(observations["flag"].values).sum() == accounts[0].hours_usable == (5 if used else 4)
    assert sum(accounts[0].rows.values()) == 5


def test_the_quality_wanted_is_a_setting(tmp_path):
    write(tmp_path, qa=[0.4, 0.5, 0.6, 0.7, 1.0])
    flags = read_columns(column_case(quality=0.65), tmp_path)[0]["flag"].values
    assert (flags == int(Flag.INSTRUMENT)).sum() == 3


def test_a_sounding_without_a_place_is_counted_not_kept(tmp_path):
    write_columns(tmp_path / "a.nc", SECONDS, [np.nan, *LON[1:]], [LAT[0], 91.0, *LAT[2:]])
    observations, _, accounts, _ = read_columns(column_case(), tmp_path)
    assert observations.sizes["obs"] == 3
    assert accounts[0].rows == {"used": 3, NO_POSITION: 2}


def test_the_same_sounding_in_two_files_is_one(tmp_path):
    write(tmp_path, "a.nc")
    write(tmp_path, "b.nc")
    observations, _, accounts, _ = read_columns(column_case(), tmp_path)
    assert observations.sizes["obs"] == 5
    assert [told.rows for told in accounts] == [{"used": 5}, {AGAIN: 5}]


def test_two_numbers_for_one_sounding_leave_it_unused(tmp_path):
    write(tmp_path, "a.nc")
    write(tmp_path, "b.nc", xch4=[1870.0, 1865.0, 1865.0, 1865.0, 1865.0])
    observations, _, accounts, _ = read_columns(column_case(), tmp_path)
    conflict = observations["flag"].values == int(Flag.DUPLICATE)
    assert sorted(observations["value"].values[conflict]) == [1865.0, 1870.0]
    assert observations.sizes["obs"] == 6
    assert accounts[1].rows == {AGAIN: 4, "used, flagged duplicate": 1}


def test_units_are_converted_and_a_stated_error_unit_is_used(tmp_path):
    write(tmp_path, xch4=np.full(5, 1.865), unc=np.full(5, 20.0), units={"xch4": "ppm", "unc": "ppb"})
    observations, _, _, notes = read_columns(column_case(), tmp_path)
    np.testing.assert_allclose(observations["value"].values, 1865.0, rtol=1e-12)
    np.testing.assert_allclose(observations["uncertainty"].values, 20.0, rtol=1e-12)
    assert not any("unc states no unit" in note for note in notes)


@pytest.mark.parametrize("name", ["xch4", "unc", "qa", "lat", "lon", "averaging_kernel"])
def test_another_layout_is_refused_by_the_variable_it_lacks(tmp_path, name):
    units = {"xch4": None} if name == "xch4" else None
    write(tmp_path, without=(name,), units=units)
    with pytest.raises(FormatError, match=f"tropomi.nc: a file of TROPOMI CH4 by Open Methane .* must hold {name};"):
        read_columns(column_case(), tmp_path)


def test_kernels_with_another_dim_are_refused(tmp_path):
    write(tmp_path, averaging_kernel=np.ones(5))
    with pytest.raises(FormatError, match=r"averaging_kernel must have 2 dims, the first that of time; got \('obs',\)"):
        read_columns(column_case(), tmp_path)


def test_a_wrong_or_missing_unit_is_refused(tmp_path):
    write(tmp_path, units={"xch4": None})
    with pytest.raises(UnitError, match=r"tropomi.nc: xch4: a mole fraction must have a unit"):
        read_columns(column_case(), tmp_path)
    write(tmp_path, units={"xch4": "ppm"})
    with pytest.raises(UnitError, match=r"must be near air, 1500 to 2500; got 1865000.0"):
        read_columns(column_case(), tmp_path)
    write(tmp_path, units={"time": "s"})
    with pytest.raises(TimeError, match=r"tropomi.nc: time: a time must have units since a date; got 's'"):
        read_columns(column_case(), tmp_path)


def test_another_gas_and_no_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"plausible columns of co must be declared; got \['TROPOMI'\]"):
        read_columns(column_case(species="co"), tmp_path)
    with pytest.raises(InputError, match=r"must name a file; got '\*.nc'"):
        read_columns(column_case(), tmp_path)
    (tmp_path / "text.nc").write_text("no netCDF")
    with pytest.raises(FormatError, match="must start as netCDF"):
        read_columns(column_case(), tmp_path)


def test_an_instrument_is_named_once(tmp_path):
    data = column_case().model_dump(mode="json")
    data["columns"] *= 2
    with pytest.raises(ValueError, match="columns must be named once; TROPOMI is not"):
        type(column_case()).model_validate(data)


def test_real_tropomi_soundings_over_the_bowen_basin():
    root = shared_data()
    case = column_case(["columns/tropomi_ch4_2022-12-0*.nc"])
    observations, receptors, accounts, _ = read_columns(case, root)
    assert [told.rows for told in accounts] == [{"used": 165}, {OUTSIDE: 73}]
    assert np.unique(observations["station"].values).size == 165
    assert 1852 < observations["value"].values.min() < observations["value"].values.max() < 1886
    # methane's kernel falls with height: were it read upside down, it would be smallest at the ground
    found = receptors["averaging_kernel"].values
    assert found.shape == (165, 12)
    assert np.all(found[:, 0] > 1.0)
    assert np.all(found[:, -1] < 0.75)
    seconds = (receptors["time"].values - START) / SECOND
    assert (seconds.min(), seconds.max()) == (0, 14)
