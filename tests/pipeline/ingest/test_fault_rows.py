"""Faults of time, unit, place and filling: each is read by a rule, counted, or refused by name; none is guessed."""

import netCDF4
import numpy as np
import pytest
from station_files import feed, obspack, registry

from pipeline.errors import CoordinateError, RegistryError, TimeError, UnitError
from pipeline.grid.gcj02 import to_gcj02
from pipeline.ingest.formats import table
from pipeline.ingest.rows import CLOCK_CHANGE
from pipeline.ingest.stations import read_station
from pipeline.units import mole_fraction_factor, species

CO2 = species("co2")
TABLE = {"time": "when", "value": "co2", "unit": "ppm"}
HOURS = np.datetime64("2024-07-01T00", "s") + np.arange(6) * np.timedelta64(3600, "s")
VALUES = 420 + np.sin(np.arange(6.0))
PLACE = (119.75, 30.25)


def labelled(path, labels):
    path.write_text("when,co2\n" + "".join(f"{label},{420 + i}\n" for i, label in enumerate(labels)))
    return path


@pytest.mark.parametrize(
    ("labels", "form"),
    [
        (["2024-07-01T24:00", "2024-07-01T23:00"], None),
        (["2024/07/01 24:00", "2024/07/01 23:00"], "%Y/%m/%d %H:%M"),
        (["24-07-01 00:00", "2024-07-01T23:00"], None),
        (["01/07/24 00:00", "2024-07-01T23:00"], None),
        (["2024-02-30T00:00", "2024-07-01T23:00"], None),
        (["2024-07-01T00:60", "2024-07-01T23:00"], None),
        (["1e9", "2024-07-01T23:00"], None),
        (["45474.5", "2024-07-01T23:00"], None),
    ],
)
def test_a_label_of_another_form_is_unreadable_not_guessed(tmp_path, labels, form):
    ours = feed("table", table=TABLE | {"time_format": form}, zone="UTC", hour_label="start")
    found = table.read(labelled(tmp_path / "a.csv", labels), ours, CO2)
    assert found.reason.tolist() == ["unreadable time", ""]
    assert np.isnat(found.time).tolist() == [True, False]


def test_two_digits_of_a_year_are_read_where_they_are_declared(tmp_path):
    ours = feed("table", table=TABLE | {"time_format": "%y%m%d %H%M"}, zone="UTC", hour_label="start")
    found = table.read(labelled(tmp_path / "a.csv", ["240701 0000", "880701 0000"]), ours, CO2)
    assert found.time.astype("datetime64[D]").astype(str).tolist() == ["2024-07-01", "1988-07-01"]


def test_summer_time_of_1986_to_1991_is_undone_by_the_zone_and_its_lost_hour_is_counted(tmp_path):
    # China's clocks went from 2 to 3 on 14 April 1991, a Sunday
    labels = ["1991-04-14T01:00", "1991-04-14T02:00", "1991-04-14T04:00", "1991-12-01T08:00"]
    path = labelled(tmp_path / "a.csv", labels)
    ours = feed("table", table=TABLE, zone="Asia/Shanghai", hour_label="start")
    found, account = read_station(path, ours, CO2, registry(tmp_path))
    assert account.rows == {"used": 3, CLOCK_CHANGE: 1}
    times = found["time"].values.astype("datetime64[h]").astype(str).tolist()
    assert times == ["1991-04-13T17", "1991-04-13T19", "1991-12-01T00"]


@pytest.mark.parametrize("unit", ["ppmv ", " PPM", "µmol/mol", "umol mol-1", "µmol.mol-¹", "1e-6", "μmol mol⁻¹"])
def test_names_of_one_unit_are_one_unit(tmp_path, unit):
    assert mole_fraction_factor(unit, CO2, where="a.nc") == pytest.approx(1.0)
    found, _ = read_station(
        obspack(tmp_path / "a.nc", HOURS, VALUES, unit=unit), feed("obspack"), CO2, registry(tmp_path)
    )
    np.testing.assert_allclose(found["value"], VALUES)


@pytest.mark.parametrize("unit", ["", "ppmv2", "mg/m3", "percent", "unknown", "ppm dry", "\u202eppm", "1e-5"])
def test_a_unit_that_is_missing_or_unknown_is_refused(tmp_path, unit):
    path = obspack(tmp_path / "a.nc", HOURS, VALUES, unit=unit)
    with pytest.raises(UnitError, match=r"unit|mole fraction"):
        read_station(path, feed("obspack"), CO2, registry(tmp_path))
    with netCDF4.Dataset(path, "a") as data:
        data["value"].delncattr("units")
    with pytest.raises(UnitError, match=r"unit|mole fraction"):
        read_station(path, feed("obspack"), CO2, registry(tmp_path))


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        (PLACE[::-1], "longitude and latitude look swapped"),
        ((-119.75, 30.25), "within 500 m of the registry"),
        ((119.75, -30.25), "within 500 m of the registry"),
        # degrees and minutes, 119 45 and 30 15, written as a decimal
        ((119.45, 30.15), "within 500 m of the registry"),
        ((0.0, 0.0), "within 500 m of the registry"),
        (tuple(map(float, to_gcj02(*PLACE))), r"looks like GCJ-02, that of map services, \d{3} m from the true one"),
    ],
)
def test_a_place_that_is_not_the_registry_s_is_refused_with_what_it_looks_like(tmp_path, place, rule):
    path = obspack(tmp_path / "a.nc", HOURS, VALUES, unit="ppm", where=place)
    with pytest.raises(CoordinateError, match=rule):
        read_station(path, feed("obspack"), CO2, registry(tmp_path))


def test_a_map_s_place_is_known_within_the_tolerance_too_and_another_as_far_off_is_not(tmp_path):
    # in Ningbo the shift is 493 m
    lon, lat = 121.55, 29.87
    facts = registry(tmp_path, lon=str(lon), lat=str(lat))
    x, y = map(float, to_gcj02(lon, lat))
    path = obspack(tmp_path / "a.nc", HOURS, VALUES, unit="ppm", where=(x, y))
    with pytest.raises(CoordinateError, match="looks like GCJ-02, that of map services, 493 m from the true one"):
        read_station(path, feed("obspack"), CO2, facts)
    path = obspack(tmp_path / "b.nc", HOURS, VALUES, unit="ppm", where=(2 * lon - x, 2 * lat - y))
    assert read_station(path, feed("obspack"), CO2, facts)[1].rows == {"used": 6}


@pytest.mark.parametrize(
    "fill", [np.nan, np.inf, -np.inf, 0.0, -999.0, -9999.0, np.float32(-999.99), 1e36, 9.969209968386869e36]
)
def test_a_station_of_fills_alone_has_no_hour(tmp_path, fill):
    path = obspack(tmp_path / "a.nc", HOURS, np.full(6, fill), unit="ppm")
    found, account = read_station(path, feed("obspack"), CO2, registry(tmp_path))
    assert found.sizes["obs"] == 0
    assert account.rows == {"missing value": 6}


def test_masked_values_are_missing(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, VALUES, unit="ppm")
    with netCDF4.Dataset(path, "a") as data:
        data["value"][:] = np.ma.masked_all(6)
    found, account = read_station(path, feed("obspack"), CO2, registry(tmp_path))
    assert (found.sizes["obs"], account.rows) == (0, {"missing value": 6})


def test_rows_under_an_id_that_moved_are_of_the_place_of_their_time(tmp_path):
    rows = [
        {"valid_to": "2024-07-02", "lon": "119.75"},
        {"valid_from": "2024-07-02", "lon": "119.80"},
    ]
    path = labelled(tmp_path / "a.csv", np.datetime_as_string(HOURS + np.timedelta64(21, "h")))
    found, _ = read_station(
        path, feed("table", table=TABLE, zone="UTC", hour_label="start"), CO2, registry(tmp_path, rows=rows)
    )
    assert found["lon"].values.tolist() == [119.75] * 3 + [119.80] * 3
    with pytest.raises(RegistryError, match="ABC"):
        read_station(
            path,
            feed("table", table=TABLE, zone="UTC", hour_label="start"),
            CO2,
            registry(tmp_path, valid_to="2020-01-01"),
        )


def test_labels_of_a_zone_nobody_declared_are_refused(tmp_path):
    path = labelled(tmp_path / "a.csv", np.datetime_as_string(HOURS))
    with pytest.raises(TimeError, match="tz database; got 'Beijing'"):
        read_station(path, feed("table", table=TABLE, zone="Beijing", hour_label="start"), CO2, registry(tmp_path))
