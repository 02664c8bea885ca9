"""The real files, with numbers counted from them by other means (awk, plain pandas)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from station_files import feed

import station_meta
from pipeline.errors import RegistryError
from pipeline.ingest.inspection import inspect, sniff
from pipeline.ingest.stations import read_station
from pipeline.schema import Flag
from pipeline.settings import Completeness
from pipeline.units import species

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "stations"
CO2, CH4 = species("co2"), species("ch4")
THIRD = Completeness(expected=18, minimum=14)

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data")


@pytest.fixture(scope="module")
def facts():
    return station_meta.load()


def look(name, gas, facts, station, height):
    return inspect(FOLDER / name, gas, facts, station=station, height=height, completeness=THIRD)


def test_tacolneston_minutes(facts):
    name = "tac.picarro.1minute.100m.201407.dat"
    found, account = look(name, CO2, facts, "TAC", 100)
    assert account.rows_read == 15409
    assert account.rows["missing value"] == 1594
    assert account.rows["spike"] <= 0.005 * 15409
    assert account.rows_used + account.rows["missing value"] + account.rows["spike"] == 15409
    raw = pd.read_csv(FOLDER / name, skiprows=3, sep=r"\s+", header=None)
    stamp = raw[0].astype(str) + raw[1].astype(str).str.zfill(6)
    hour = pd.to_datetime(stamp, format="%y%m%d%H%M%S").dt.floor("h")
    assert 18 <= hour.value_counts().median() <= 20
    plain = raw[7].groupby(hour).mean()
    ours = pd.Series(found["value"].values, found["time"].values)
    clean = ours[(found["count"].values == raw[7].groupby(hour).count().reindex(ours.index).values)]
    assert len(clean) > 700
    np.testing.assert_allclose(clean, plain.reindex(clean.index), rtol=1e-12)
    assert np.abs(ours - plain.reindex(ours.index)).max() < 6
    assert found["count"].max() <= 20
    assert (found["flag"].values & np.uint32(Flag.INCOMPLETE) > 0).sum() == (found["count"].values < 14).sum()


def test_bilsdale_hours_and_the_days_the_registry_does_not_cover(facts):
    found, account = look("bsd.picarro.hourly.108m.min.dat", CO2, facts, "BSD", 108)
    assert account.rows_read == 999
    assert account.rows_used == found.sizes["obs"]
    assert found["count"].values[0] == 450
    assert found["value"].values[0] == 410.0
    assert found["time"].values[0] == np.datetime64("2014-01-30T11")
    with pytest.raises(RegistryError, match="no scale of co"):
        look("bsd.picarro.hourly.108m.min.dat", species("co"), facts, "BSD", 108)


def test_ridge_hill_flags(facts):
    found, account = look("ICOS_ATC_L2_L2-2024.1_RGL_90.0_CTS.CH4", CH4, facts, "RGL", 90)
    assert account.rows == {"flag K": 29, "used": 13, "flag N": 7}
    assert found["value"].values[-1] == 2001.63
    assert found["time"].values[-1] == np.datetime64("2021-02-27T00")
    assert set(found["scale"].values) == {"WMO X2004A"}
    assert not found["flag"].any()


def test_svartberget(facts):
    found, account = look("svb_co2.csv", CO2, facts, "SVB", 150)
    assert account.rows_read == account.rows_used == 15640
    assert found["value"].values[0] == 413.194


def test_boulder_gives_one_of_three_inlets(facts):
    found, account = look("ch4_bao_tower-insitu_1_ccgg_all.nc", CH4, facts, "BAO", 300)
    assert account.rows_used == 1400
    assert (account.rows["other inlet 100 m"], account.rows["other inlet 22 m"]) == (1398, 1392)
    assert found["value"].values[0] == pytest.approx(1862.989, abs=1e-3)
    assert found["count"].values[0] == 26
    assert found["time"].values[0] == np.datetime64("2012-05-04T00")


def test_cabauw_starts_half_an_hour_before_its_time_variable(facts):
    name = "co2_cbw_tower-insitu_445_allvalid-207magl.nc"
    found, account = look(name, CO2, facts, "CBW", 207)
    assert account.rows_read == found.sizes["obs"] == 209501
    assert found["time"].values[0] == np.datetime64("1992-10-23T13")
    assert sniff(FOLDER / name) == "obspack"
    # air of the 1990s is below today's limit: flagged, on record, and not averaged
    assert account.rows["range fail"] == account.flags["range fail"]
    last = found.isel(obs=-1)
    assert (last["value"].item(), last["count"].item()) == (pytest.approx(414.19, abs=0.01), 60)


def test_waliguan_months(facts):
    found, account = look("wlg236n0.dat", CO2, facts, "WLG", 10)
    assert account.rows == {"monthly mean": 329}
    assert found.sizes["obs"] == 0


def test_jungfraujoch_day_first_dates(facts):
    columns = {"time": "Time (UTC)", "value": "CO2 (ppm)", "unit": "ppm", "time_format": "%d.%m.%Y %H:%M:%S"}
    declared = feed("table", id="JFJ", height=5, table=columns, hour_label="start")
    path = FOLDER / "Jungfraujoch_CO2_20240101-20240331.csv"
    with pytest.raises(RegistryError, match="the calibration scale must be known"):
        read_station(path, declared, CO2, facts)
    known = facts.assign(scale=facts["scale"].where(facts["id"] != "JFJ", "co2:WMO CO2 X2019"))
    found, account = read_station(path, declared, CO2, known)
    assert account.rows == {"used": 2130, "missing value": 54}
    assert found["time"].values[-1] == np.datetime64("2024-03-31T23")
