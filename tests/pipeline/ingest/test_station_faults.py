"""Station files with planted faults: each is told by file, rule and value, or counted; none changes an hour."""

import re

import numpy as np
import pytest
from ingest_cases import settings
from station_files import feed, gcwerks, minutes, obspack, registry

from pipeline.errors import ConfigError, InputError, RegistryError, TimeError, UnitError
from pipeline.ingest.files import expand
from pipeline.ingest.inspection import inspect
from pipeline.ingest.stations import read_station, read_stations
from pipeline.units import species

CO2 = species("co2")
HOURS = np.datetime64("2024-07-01T00", "s") + np.arange(12) * np.timedelta64(3600, "s")
JULY = {"start": "2024-07-01T00:00:00Z", "end": "2024-07-02T00:00:00Z"}
VALUES = np.round(420 + 3 * np.sin(np.arange(12)), 2)


def test_a_fill_stored_in_float32_is_a_missing_value(tmp_path):
    values = VALUES.copy()
    values[[2, 5, 7]] = np.float32(-999.99), np.float32(-9999.9), 1e36
    path = obspack(tmp_path / "a.nc", HOURS, values, unit="ppm")
    found, account = read_station(path, feed("obspack"), CO2, registry(tmp_path))
    assert account.rows == {"used": 9, "missing value": 3}
    assert found.sizes["obs"] == 9


def test_a_scale_the_file_calls_unknown_is_not_a_scale(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, VALUES, unit="ppm", dataset_calibration_scale="Unknown")
    with pytest.raises(RegistryError, match=r"a\.nc: the calibration scale must be known"):
        read_station(path, feed("obspack"), CO2, registry(tmp_path))


def test_one_file_in_another_unit_is_named_and_the_others_are_used(tmp_path):
    obspack(tmp_path / "a.nc", HOURS[:6], VALUES[:6], unit="ppm")
    obspack(tmp_path / "b.nc", HOURS[6:8], VALUES[6:8] * 1000, unit="ppm")
    case = settings(
        stations=[{"id": "ABC", "format": "obspack", "files": ["*.nc"], "height": 50, "representation_error": 1.0}],
        case={"name": "a", "title": "a", "species": "co2", "flux_hours": JULY, "observation_hours": JULY},
    )
    found, (good, bad), _ = read_stations(case, tmp_path, registry(tmp_path))
    np.testing.assert_array_equal(found["time"], HOURS[:6].astype("datetime64[ns]"))
    assert (good.source, good.rows) == ("a.nc", {"used": 6})
    assert (bad.source, bad.rows_read, type(bad.refused)) == ("b.nc", 0, UnitError)
    assert re.search(r"b\.nc: the typical value must be near air, 370 to 1000; got 42\d+", str(bad.refused))


def test_an_unknown_station_is_said_to_be_unknown(tmp_path):
    path = gcwerks(tmp_path / "abd.1minute.dat", minutes("2024-07-01T00:00:30", 12), VALUES)
    for height in (50.0, None):
        with pytest.raises(RegistryError, match=r"the station must be in the table; got 'ABD'.*use ABC"):
            inspect(path, CO2, registry(tmp_path), station="ABD", height=height)


def test_an_impossible_height_is_shown_itself(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, VALUES, unit="ppm")
    with pytest.raises(ConfigError, match=r"height: .*finite number; got nan"):
        inspect(path, CO2, registry(tmp_path), station="ABC", height=np.nan)


def test_a_file_without_one_readable_time_is_named(tmp_path):
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes("2024-07-01T00:00:30", 3), VALUES[:3])
    path.write_text(path.read_text().replace("240701", "24/7/1"))
    with pytest.raises(TimeError, match=r"abc\.1minute\.dat: "):
        read_station(path, feed("gcwerks"), CO2, registry(tmp_path))
    path = tmp_path / "abc_co2.csv"
    path.write_text("DateTime,co2\n2024-07-01 00:00:00+02:00,410.5\n")
    with pytest.raises(TimeError, match=r"abc_co2\.csv: a row must have a readable time; got 'unreadable time'"):
        read_station(path, feed("icos-csv"), CO2, registry(tmp_path))


@pytest.mark.parametrize("pattern", ["", "a**b", "../a.nc"])
def test_an_impossible_pattern_is_refused(tmp_path, pattern):
    with pytest.raises(InputError, match=f"got '{re.escape(pattern)}'"):
        expand(tmp_path, pattern)
