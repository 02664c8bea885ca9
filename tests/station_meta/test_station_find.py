"""A station is found at a time, or the error says which id, period or fact is missing."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

import station_meta
from station_meta import StationMetaError


@pytest.fixture(scope="module")
def table():
    return station_meta.load()


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """One station that moves and changes scale at 2022-01-01."""
    lines = station_meta.ZHEJIANG_ILLUSTRATIVE.read_text(encoding="utf-8").splitlines()
    path = tmp_path_factory.mktemp("tables") / "moved.csv"
    common = (
        "ZJ_T01,测试站,Test tower,city,{lon},30.25,12,30;60,co2,CRDS,co2:{scale},UTC,start,,{start},{end},true,made up"
    )
    path.write_text(
        "\n".join(
            [
                lines[0],
                common.format(lon="120.10", scale="WMO CO2 X2007", start="2020-01-01", end="2022-01-01"),
                common.format(lon="120.20", scale="WMO CO2 X2019", start="2022-01-01", end=""),
            ]
        ),
        encoding="utf-8",
    )
    return station_meta.load(path)


def test_fields_are_parsed(table):
    station = station_meta.find(table, "TAC", "2014-07-01T00:00")
    assert station.inlets == (54.0, 100.0, 185.0)
    assert station.species == ("co2", "ch4")
    assert (station.scale_of("co2"), station.scale_of("ch4")) == ("WMO CO2 X2007", "WMO CH4 X2004A")
    assert (station.uncertainty_of("co2"), station.uncertainty_of("ch4")) == (0.1, 1.0)
    assert (station.zone, station.hour_label, station.illustrative) == ("UTC", "centre", False)
    with pytest.raises(FrozenInstanceError):
        station.lon = 0.0


@pytest.mark.parametrize("id_", ["LAN", "ZJ_R01", "ZJ_MOB1", "SE_HTM"])
def test_a_station_can_be_hashed_and_compared_by_value(table, id_):
    once, twice = (station_meta.find(table, id_, "2024-01-01") for _ in range(2))
    assert once == twice
    assert len({once, twice}) == 1


def test_a_period_holds_its_first_moment_and_not_its_last(moved):
    def scale(when):
        return station_meta.find(moved, "ZJ_T01", when).scale["co2"]

    assert scale("2021-12-31T23:59:59") == "WMO CO2 X2007"
    assert scale("2022-01-01") == "WMO CO2 X2019"
    assert station_meta.find(moved, "ZJ_T01", "2030-01-01").valid_to is None
    assert station_meta.find(moved, "ZJ_T01", "2030-01-01").valid_from == datetime(2022, 1, 1, tzinfo=UTC)


def test_every_form_of_one_moment_finds_the_same_period(moved):
    beijing = timezone(timedelta(hours=8))
    forms = [
        datetime(2022, 1, 1, 7, 59, tzinfo=beijing),
        datetime(2021, 12, 31, 23, 59),
        np.datetime64("2021-12-31T23:59", "ns"),
        pd.Timestamp("2021-12-31T23:59Z"),
        "2022-01-01T07:59+08:00",
    ]
    assert {station_meta.find(moved, "ZJ_T01", form).lon for form in forms} == {120.10}


def test_a_time_no_period_covers_is_refused_with_the_periods(moved):
    with pytest.raises(StationMetaError) as caught:
        station_meta.find(moved, "ZJ_T01", "2019-12-31T12:00")
    text = str(caught.value)
    assert "station ZJ_T01" in text
    assert "0 of [2020-01-01 to 2022-01-01; 2022-01-01 to open] do; got '2019-12-31T12:00:00'" in text


def test_a_missing_time_is_refused(table):
    with pytest.raises(StationMetaError, match="the time must be known; got 'NaT'"):
        station_meta.find(table, "TAC", np.datetime64("NaT"))


@pytest.mark.parametrize(
    ("wanted", "near"), [("tac", "TAC"), ("ZJ_R1", "ZJ_R01"), ("Waliguan", "WLG"), ("Tacolnestone", "TAC")]
)
def test_an_unknown_id_is_refused_with_near_names(table, wanted, near):
    with pytest.raises(StationMetaError, match=rf"must be in the table; got '{wanted}'\. Remedy: use .*\b{near}\b"):
        station_meta.find(table, wanted, "2014-07-01")


def test_an_id_near_to_nothing_is_refused_plainly(table):
    with pytest.raises(StationMetaError, match=r"got 'QQQQQQ'\. Remedy: add it to a station table"):
        station_meta.find(table, "QQQQQQ", "2014-07-01")


def test_an_unknown_fact_is_an_error_when_it_is_used(table):
    lan = station_meta.find(table, "LAN", "2024-01-01")
    assert (lan.scale, lan.zone, lan.hour_label, lan.inlets) == ({}, None, None, ())
    with pytest.raises(StationMetaError, match=r"station LAN \(co2, ch4\): the scale of a species .* got 'co2'"):
        lan.scale_of("co2")
    with pytest.raises(StationMetaError, match="the uncertainty of a species must be known before it is used"):
        lan.uncertainty_of("ch4")


def test_a_species_that_is_not_measured_has_no_scale(table):
    with pytest.raises(StationMetaError, match="got 'co'"):
        station_meta.find(table, "ZJ_M001", "2024-01-01").scale_of("co")


def test_a_station_with_two_periods_counts_once(moved):
    assert station_meta.network_counts(moved)["city"] == 1
