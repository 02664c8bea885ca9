"""What settings and station table say stops a run when no file could put it right; what a file says is the file's."""

import re

import numpy as np
import pytest
from column_files import column_case
from station_files import obspack, registry
from track_files import drive, laboratory
from track_files import write as write_drive

from pipeline.errors import ConfigError, RegistryError
from pipeline.ingest import all_receptors
from pipeline.ingest.drive import MobileRules
from pipeline.ingest.mobile import read_mobile
from pipeline.ingest.registry import load_own_rules, rules_table
from pipeline.ingest.sinks import read_sinks
from pipeline.ingest.stations import read_stations
from pipeline.settings import Settings

HOURS = np.datetime64("2024-07-01T00", "s") + np.arange(6) * np.timedelta64(3600, "s")
VALUES = 420 + np.sin(np.arange(6.0))
TABLE = {"time": "when", "value": "co2", "unit": "ppm"}
SOUND = {"id": "ABC", "format": "obspack", "files": ["sound.nc"], "height": 50, "representation_error": 1.0}
VAN = {"id": "VAN", "station_class": "mobile", "inlets": "3", "uncertainty": "co2:0.5", "lon": "120", "lat": "30"}


def case(*stations, window=("2024-07-01", "2024-07-02"), rules="", **sections):
    hours = {"start": f"{window[0]}T00:00:00Z", "end": f"{window[1]}T00:00:00Z"}
    about = {"name": "a", "title": "a", "species": "co2", "flux_hours": hours, "observation_hours": hours}
    base = column_case(species="co2").model_dump(mode="json")
    inputs = {"quality_rules": ["own.toml"] if rules else []}
    return Settings.model_validate(
        base | {"case": about, "inputs": inputs, "stations": list(stations), "columns": []} | sections
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with a sound station's file, one of a table and a place for the registry."""
    obspack(tmp_path / "sound.nc", HOURS, VALUES, unit="ppm")
    rows = "".join(f"{t},{v}\n" for t, v in zip(np.datetime_as_string(HOURS), VALUES, strict=True))
    (tmp_path / "other.csv").write_text("when,co2\n" + rows)
    (tmp_path / "facts").mkdir()
    return tmp_path


def other(**changes):
    table = TABLE | changes.pop("table", {})
    declared = {"id": "ABD", "format": "table", "files": ["other.csv"], "height": 50, "representation_error": 1.0}
    return declared | {"table": table, "air": "dry"} | changes


@pytest.mark.parametrize(
    ("changes", "facts", "kind", "said"),
    [
        ({"height": 30}, {}, RegistryError, r"station ABD: height must be one of the station's inlets; got '30 m"),
        ({}, {"species": "ch4", "scale": "ch4:WMO CH4 X2004A", "uncertainty": "ch4:1"}, RegistryError,
         r"station ABD: the station must measure the species; got .co2, not in"),
        ({"zone": "Beijing"}, {}, ConfigError,
         r"station ABD: zone: the zone must be in the tz database; got 'Beijing'"),
        ({"table": {"unit": "pmm"}}, {}, ConfigError,
         r"station ABD: table.unit: the unit must be a dry-air mole fraction; got 'pmm'"),
        ({"format": "hj212", "table": None, "hj212": {"mn": "A", "factor": "a05001", "unit": "pmm"}}, {}, ConfigError,
         r"station ABD: hj212.unit: the unit must be"),
        ({}, {"station_class": "sink"}, RegistryError, r"thresholds of co2 must be declared for the class; got 'sink'"),
    ],
    ids=["height", "species", "zone", "unit", "unit of messages", "class"],
)  # fmt: skip
def test_what_no_file_could_put_right_stops_the_run(folder, changes, facts, kind, said):
    facts = registry(folder / "facts", rows=[{}, {"id": "ABD", "lon": "119.9"} | facts])
    declared = other()
    declared = {key: value for key, value in (declared | changes).items() if value is not None}
    if changes.get("table"):
        declared["table"] = TABLE | changes["table"]
    with pytest.raises(kind, match=said):
        read_stations(case(SOUND, declared), folder, facts)


def test_a_feed_is_held_against_the_registry_before_any_file_is_read(folder):
    (folder / "sound.nc").write_bytes(b"")
    with pytest.raises(RegistryError, match="the station must be in the table; got 'ABD'"):
        read_stations(case(SOUND, other()), folder, registry(folder / "facts"))


def test_a_heading_without_a_declared_column_is_the_file_s_and_the_others_are_used(folder):
    facts = registry(folder / "facts", rows=[{}, {"id": "ABD", "lon": "119.9"}])
    found, (good, bad), _ = read_stations(case(SOUND, other(table={"value": "CO2"})), folder, facts)
    assert set(found["station"].values) == {"ABC"}
    assert good.refused is None
    assert re.search(
        r"column CO2 must be there once; got \['when', 'co2'\].*the columns the settings name", str(bad.refused)
    )


def test_an_inlet_of_another_period_is_the_file_s(folder):
    rows = [{"valid_to": "2024-07-02", "inlets": "10"}, {"valid_from": "2024-07-02"}]
    obspack(folder / "sound.nc", HOURS, VALUES, unit="ppm")
    obspack(folder / "later.nc", HOURS + np.timedelta64(1, "D"), VALUES, unit="ppm")
    settings = case(SOUND | {"files": ["*.nc"]}, window=("2024-07-01", "2024-07-03"))
    found, (good, bad), _ = read_stations(settings, folder, registry(folder / "facts", rows=rows))
    assert (good.source, found.sizes["obs"]) == ("later.nc", 6)
    assert "height must be one of the station's inlets" in str(bad.refused)


PERIODS = [
    {"valid_to": "2022-01-01", "station_class": "micro", "instrument": "LP8"},
    {"valid_from": "2022-01-01", "station_class": "regional", "instrument": "CRDS"},
]


@pytest.mark.parametrize(("year", "flag"), [(2021, 0), (2024, 1)])
def test_a_file_is_judged_by_the_class_its_station_has_at_its_time(folder, year, flag):
    # 700 ppm is suspect at a regional station, not at a micro one
    hours = HOURS + (np.datetime64(f"{year}-07-01", "s") - np.datetime64("2024-07-01", "s"))
    obspack(folder / "sound.nc", hours, VALUES + 280, unit="ppm")
    facts = registry(folder / "facts", rows=PERIODS)
    found, (told,), _ = read_stations(case(SOUND, window=(f"{year}-07-01", f"{year}-07-02")), folder, facts)
    assert found["platform"].values[0] == ("micro", "regional")[flag]
    assert told.rows == ({"used": 6}, {"used, flagged range suspect": 6})[flag]


@pytest.mark.parametrize(("year", "floor"), [(2021, 13.6), (2024, 3.6)])
def test_a_sensor_s_floor_is_that_of_the_instrument_it_is_at_the_time(folder, year, floor):
    hours = HOURS + (np.datetime64(f"{year}-07-01", "s") - np.datetime64("2024-07-01", "s"))
    obspack(folder / "sound.nc", hours, VALUES, unit="ppm")
    rows = [period | {"station_class": "micro"} for period in PERIODS]
    sensor = SOUND | {"offset": {"sigma": 5.0, "hours": 720}}
    settings = case(sensor, window=(f"{year}-07-01", f"{year}-07-02"), bias_filter={})
    found, _, _ = read_stations(settings, folder, registry(folder / "facts", rows=rows))
    assert found["uncertainty"].values.tolist() == [floor] * 6


@pytest.mark.parametrize(
    ("changes", "facts", "kind", "said"),
    [
        ({"zone": "Beijing"}, {}, ConfigError, r"mobile VAN: zone: the zone must be in the tz database"),
        ({}, {"zone": ""}, RegistryError, r"mobile VAN: the zone of a track's labels must be known"),
        ({"columns": {"unit": "pmm"}}, {}, ConfigError, r"mobile VAN: columns.unit: the unit must be"),
        ({"columns": {"co_unit": "pbb"}}, {}, ConfigError, r"mobile VAN: columns.co_unit: the unit must be"),
        ({}, {"scale": "co2:unknown;ch4:unknown"}, RegistryError, "the scale of a species must be known"),
        ({}, {"uncertainty": "ch4:5"}, RegistryError, "the uncertainty of a species must be known"),
        ({"id": "VEN"}, {}, RegistryError, "the station must be in the table; got 'VEN'.*use VAN"),
    ],
    ids=["zone", "no zone", "unit", "unit of CO", "scale", "uncertainty", "id"],
)
def test_of_a_laboratory_too(folder, changes, facts, kind, said):
    write_drive(folder / "a.csv", drive(60))
    table = registry(folder / "facts", rows=[{}, VAN | facts])
    lab = laboratory(files=["a.csv"], box=(119, 121, 29, 31), **changes)
    with pytest.raises(kind, match=said):
        read_mobile(case(SOUND).model_copy(update={"mobile": [lab]}), folder, table)


def test_of_thresholds_of_drives_too(folder):
    write_drive(folder / "a.csv", drive(60))
    (folder / "own.toml").write_text("[mobile]\nsegment_metres = -1.0\n")
    table = registry(folder / "facts", rows=[{}, VAN])
    settings = case(SOUND, rules="own.toml").model_copy(update={"mobile": [laboratory(files=["a.csv"])]})
    with pytest.raises(RegistryError, match=r"own\.toml \[mobile\]: segment_metres must be positive; got -1\.0"):
        read_mobile(settings, folder, table)


def test_of_a_tower_too(folder):
    (folder / "a.csv").write_text("TIMESTAMP_START,TIMESTAMP_END,NEE,USTAR\n202407010800,202407010830,-4,0.5\n")
    sink = {"id": "ABE", "format": "fluxnet", "files": ["a.csv"], "height": 50, "friction_least": 0.2,
            "representation_error": 3.0}  # fmt: skip
    settings = case(SOUND)
    sector = settings.sectors[0].name
    settings = case(SOUND, sinks=[sink | {"sector": sector}])
    table = registry(folder / "facts", rows=[{}, {"id": "ABE", "station_class": "sink", "zone": ""}])
    with pytest.raises(RegistryError, match="sink ABE: the zone of a tower must be known"):
        read_sinks(settings, folder, table)


def test_thresholds_of_a_station_nobody_knows_are_refused_and_of_one_without_a_feed_told(folder):
    table = registry(folder / "facts", rows=[{}, {"id": "ABD", "lon": "119.9"}])
    (folder / "own.toml").write_text("[stations.ABX.co2]\nrate = 1.0\n")
    with pytest.raises(RegistryError, match=r"own\.toml \[stations\.ABX\]: the station must be in the table.*use AB"):
        read_stations(case(SOUND, rules="own.toml"), folder, table)
    (folder / "own.toml").write_text("[stations.ABD.co2]\nrate = 1.0\n[stations.ABC.co2]\nrate = 2.0\n")
    notes = all_receptors(case(SOUND, rules="own.toml"), folder, table)[3]
    assert "thresholds of ABD are used by no feed of the case" in notes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("background_percentile = 500.0", "background_percentile must be at most 100; got 500"),
        ("background_percentile = -1.0", "background_percentile must be positive"),
        ("segment_metres = -1.0", "segment_metres must be positive; got -1"),
        ("background_minutes = -5.0", "background_minutes must be positive; got -5"),
        ("gap_seconds = 0.0", "gap_seconds must be positive; got 0"),
        ("segment_last = 5.0", "did you mean segment_least"),
    ],
)
def test_impossible_thresholds_of_drives_are_named(tmp_path, text, said):
    (tmp_path / "own.toml").write_text(f"[mobile]\n{text}\n")
    with pytest.raises(RegistryError, match=rf"own\.toml \[mobile\]: .*{said}"):
        rules_table(load_own_rules([tmp_path / "own.toml"]), "mobile", MobileRules)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("radius = 0.0", "radius must be positive"),
        ("fewest = 0", "fewest must be a count; got 0"),
        ("mixed = [20.0, 6.0]", "mixed must be hours of one day"),
        ("mixed_least = 6", "mixed_least must be a count of mixed hours"),
        ("lag_days = 0", "lag_days must be a count; got 0"),
        ("lag_most = -3", "lag_most must be a count; got -3"),
        ("lag_share = 1.5", "must be shares"),
        ("unit_hours = 0", "unit_hours must be a count; got 0"),
        ("unit_least = 0", "unit_least must be a count of unit_hours"),
        ('units.co2 = { "ppb as ppm" = [1100.0, 900.0] }', "units must be ratios that rise"),
    ],
)
def test_impossible_thresholds_of_comparisons_stop_the_run(folder, text, said):
    (folder / "own.toml").write_text(f"[neighbours]\n{text}\n")
    with pytest.raises(RegistryError, match=rf"own\.toml \[neighbours\]: .*{said}"):
        read_stations(case(SOUND, rules="own.toml"), folder, registry(folder / "facts"))
