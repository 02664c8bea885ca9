"""Files of low-cost nodes: which device a row is of, which time is believed, and which quality is declared good."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from micro_files import aqmesh, beaco2n, receptor_list
from station_files import feed, minutes, registry

import station_meta
from pipeline.errors import ConfigError, CoordinateError, FormatError, RegistryError, TimeError
from pipeline.ingest.formats import aqmesh as aqmesh_format
from pipeline.ingest.formats import beaco2n as beaco2n_format
from pipeline.ingest.formats import receptors as receptor_format
from pipeline.ingest.formats.samples import HOUR
from pipeline.ingest.stations import read_station
from pipeline.settings import StationSettings, validated
from pipeline.units import species

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "stations"
real = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data")
CO2, CH4 = species("co2"), species("ch4")
HOURS = minutes("2021-07-15T12:00", 4, 60)


def node(kind, number, valid=()):
    return feed(kind, node={"id": number, "valid": list(valid)})


def test_utc_is_believed_and_californias_clock_is_not(tmp_path):
    path = beaco2n(tmp_path / "175.csv", [(t, 410 + i, "") for i, t in enumerate(HOURS)])
    found = beaco2n_format.read(path, node("beaco2n", "175"), CO2)
    assert found.time[0] == np.datetime64("2021-07-15T12:00")
    assert (found.zone, found.marks, found.unit, found.interval) == ("UTC", None, "ppm", HOUR)
    assert "local_timestamp, not used: UTC -7 h" in found.notes


def test_a_row_whose_two_times_differ_is_not_used(tmp_path):
    path = beaco2n(tmp_path / "175.csv", [(t, 410, "") for t in HOURS])
    text = path.read_text()
    path.write_text(text.replace("1626357600.0", "1626357602.0").replace("1626361200.0", ""))
    found = beaco2n_format.read(path, node("beaco2n", "175"), CO2)
    assert found.reason.tolist() == ["", "", "epoch and datetime differ", "epoch and datetime differ"]
    assert np.isnat(found.time[2:]).all()
    path.write_text(text.replace(",1626", ",1636"))
    table = registry(tmp_path, hour_label="start")
    with pytest.raises(TimeError, match=r"a row must have a readable time; got 'epoch and datetime differ'"):
        read_station(path, node("beaco2n", "175"), CO2, table)


def test_levels_are_declared_good_or_all_are_taken_and_named(tmp_path):
    rows = [(t, 410, level) for t, level in zip(HOURS, ("1a", "2a", "", "3b"), strict=True)]
    path = beaco2n(tmp_path / "175.csv", rows)
    found = beaco2n_format.read(path, node("beaco2n", "175", ["1a", "2a"]), CO2)
    assert found.reason.tolist() == ["", "", "QC level missing", "QC level 3b"]
    every = beaco2n_format.read(path, node("beaco2n", "175"), CO2)
    assert (every.reason == "").all()
    assert "no QC level declared valid: every value is taken; in the file: 1a, 2a, 3b, none" in every.notes


def test_a_file_of_another_node_is_refused(tmp_path):
    path = beaco2n(tmp_path / "175.csv", [(t, 410, "") for t in HOURS])
    with pytest.raises(RegistryError, match=r"all 4 are of another; got 'other station node 175'"):
        read_station(path, node("beaco2n", "171"), CO2, registry(tmp_path))


def test_a_node_file_without_the_species_is_refused(tmp_path):
    path = beaco2n(tmp_path / "175.csv", [(t, 410, "") for t in HOURS])
    with pytest.raises(FormatError, match="column ch4_ppm must be there once"):
        beaco2n_format.read(path, node("beaco2n", "175"), CH4)


def test_one_pod_is_read_of_a_file_of_several(tmp_path):
    rows = [(t, value, pod, state) for pod, value in (("11245", 413), ("19245", 420))
            for t, state in zip(HOURS, "PPRR", strict=True)]  # fmt: skip
    path = aqmesh(tmp_path / "a.csv", [*rows, (HOURS[0], -999, "19245", "R")])
    found = aqmesh_format.read(path, node("aqmesh", "19245", ["R"]), CO2)
    assert found.reason.tolist() == [*["other station pod 11245"] * 4, "ratification P", "ratification P", "", "", ""]
    assert found.value[4:].tolist() == [420, 420, 420, 420, -999]
    noted = aqmesh_format.read(path, node("aqmesh", "11245"), CO2).notes
    assert noted == ("no ratification declared valid: every value is taken; in the file: P, R",)


def test_sections_and_formats_of_devices_go_together():
    given = {"id": "ABC", "files": ["*"], "height": 5, "representation_error": 1.0}
    for changes in ({"format": "aqmesh"}, {"format": "icos-csv", "node": {"id": "1"}}):
        with pytest.raises(ConfigError, match="the section node goes with formats beaco2n and aqmesh"):
            validated(StationSettings, given | changes)


NEAR, FAR = (119.751, 30.25), (119.78, 30.25)


def test_the_node_at_the_registrys_position_is_chosen(tmp_path):
    values = np.array([[410.0, 460.0], [411.0, 461.0], [412.0, 462.0]])
    path = receptor_list(tmp_path / "r.nc", "2022-01-31T22", [FAR, NEAR], values[:, ::-1])
    table = registry(tmp_path, inlets="3", hour_label="start")
    found, told = read_station(path, feed("receptor-nc", height=3), CO2, table)
    assert found["value"].values.tolist() == [410, 411, 412]
    assert found["spread"].values.tolist() == [1.5, 1.5, 1.5]
    assert found["time"].values[-1] == np.datetime64("2022-02-01T00")
    assert told.rows == {"other station at 119.78 E, 30.25 N": 3, "used": 3}


def test_no_node_within_half_a_kilometre_is_refused(tmp_path):
    path = receptor_list(tmp_path / "r.nc", "2022-01-01", [FAR], [[410.0]])
    table = registry(tmp_path, inlets="3", hour_label="start")
    with pytest.raises(CoordinateError, match=r"within 500 m of the registry; got 'lon 119\.78, lat 30\.25, 28\d\d m"):
        read_station(path, feed("receptor-nc", height=3), CO2, table)


def test_receptors_whose_two_times_differ_or_of_another_inlet_say_so(tmp_path):
    path = receptor_list(tmp_path / "r.nc", "2022-01-01", [NEAR], [[410.0], [411.0]], hour_off=1)
    found = receptor_format.read(path, feed("receptor-nc", height=3), CO2)
    assert found.reason.tolist() == ["fjul and yr, mon, day, hr differ"] * 2
    path = receptor_list(tmp_path / "q.nc", "2022-01-01", [NEAR], [[410.0]], agl=5)
    assert receptor_format.read(path, feed("receptor-nc", height=3), CO2).reason.tolist() == ["other inlet 5 m"]


def test_a_list_without_the_species_is_refused(tmp_path):
    path = receptor_list(tmp_path / "r.nc", "2022-01-01", [NEAR], [[410.0]])
    with pytest.raises(FormatError, match="got 'no ch4, ch4e'"):
        receptor_format.read(path, feed("receptor-nc", height=3), CH4)


@pytest.fixture(scope="module")
def glasgow(tmp_path_factory):
    """The shipped facts of the nodes, with the scale and label that no file states and a test must assume."""
    known = pd.read_csv(station_meta.KNOWN, dtype=str, keep_default_na=False)
    nodes = known[known["id"].str.match("BEACON_|AQMESH_")].assign(
        scale="co2:WMO CO2 X2019", hour_label="start", uncertainty="co2:3.6"
    )
    path = tmp_path_factory.mktemp("facts") / "nodes.csv"
    nodes.to_csv(path, index=False)
    return station_meta.load(path)


def test_the_shipped_nodes_say_what_is_not_known():
    table = station_meta.load()
    nodes = table[table["id"].str.match("BEACON_|AQMESH_")]
    assert len(nodes) == 13
    assert set(nodes["station_class"]) == {"external"}
    assert set(nodes["scale"]) == {"co2:unknown"}
    assert set(nodes["hour_label"]) == {""}


@real
def test_bellahouston(glasgow):
    path = FOLDER / "beaco2n_175_BELLAHOUSTONACADEMY.csv"
    declared = node("beaco2n", "175").model_copy(update={"id": "BEACON_175", "height": 3.0})
    found, told = read_station(path, declared, CO2, glasgow)
    assert told.rows == {"used": 26, "missing value": 1}
    assert (found["value"].values[0], found["value"].values.max()) == (410.7, 461.9)
    assert found["time"].values[0] == np.datetime64("2021-07-15T12:00")
    assert told.notes[0] == "local_timestamp, not used: UTC -7 h"


@real
def test_strathclyde_has_no_value():
    path = FOLDER / "beaco2n_171_UNIVERSITYOFSTRATHCLYDE.csv"
    found = beaco2n_format.read(path, node("beaco2n", "171"), CO2)
    assert found.value.tolist() == [-999.0] * 8
    # winter and summer of California
    assert "local_timestamp, not used: UTC -8, -7 h" in found.notes


@real
@pytest.mark.parametrize(
    ("pod", "read", "missing"),
    [("11245", 9, 0), ("19245", 33, 21), ("29245", 18, 18), ("34245", 13, 5), ("39245", 157, 76)],
)
def test_real_pods(glasgow, pod, read, missing):
    table = pd.read_csv(FOLDER / "aqmesh_co2_data.csv", dtype={"pod_id_location": str})
    mine = table[table["pod_id_location"] == pod]
    assert (len(mine), int((mine["co2_ppm"] == -999).sum())) == (read, missing)
    declared = node("aqmesh", pod).model_copy(update={"id": f"AQMESH_{pod}", "height": 1.0})
    found, told = read_station(FOLDER / "aqmesh_co2_data.csv", declared, CO2, glasgow)
    assert told.rows_read == len(table)
    assert told.rows.get("missing value", 0) == missing
    used = mine[mine["co2_ppm"] > 0]
    np.testing.assert_array_equal(found["time"].values, pd.to_datetime(used["date_UTC"]).to_numpy())
    np.testing.assert_array_equal(found["value"].values, used["co2_ppm"].to_numpy())


@real
def test_eight_real_nodes_are_told_apart(glasgow):
    path = FOLDER / "beaco2n_glasgow_receptors_202201.nc"
    medians, hours = {}, 0
    for number in (171, 172, 174, 175, 178, 179, 193, 197):
        declared = feed("receptor-nc", id=f"BEACON_{number}", height=3)
        found, told = read_station(path, declared, CO2, glasgow)
        assert told.rows_read == 5951
        hours += found.sizes["obs"]
        medians[number] = float(found["value"].median())
    assert hours == 5951
    # medians by position, of plain pandas; nodes of one city that differ by 43 ppm are not calibrated
    assert medians[175] == pytest.approx(411.291366)
    assert medians[179] == pytest.approx(454.031246)
