"""Checks against known gases: what they say of an hour, at every threshold, and faults of the table by name."""

import numpy as np
import pandas as pd
import pytest
from ingest_cases import settings
from station_files import gcwerks, minutes, registry

from pipeline.errors import FormatError, TimeError, UnitError
from pipeline.ingest.calibration_log import check_scales, checked, read_log
from pipeline.ingest.calibrations import Calibration, render
from pipeline.ingest.stations import read_stations
from pipeline.schema import Flag, is_used
from pipeline.units import SPECIES
from station_meta import load_rules

HEAD = "station,species,time,kind,measured,assigned,unit,scale\n"
RULES = load_rules()
REGIONAL, CITY, MICRO = (RULES.of("co2", name) for name in ("regional", "city", "micro"))
SUSPECT, FAIL = int(Flag.CALIBRATION), int(Flag.CALIBRATION | Flag.INSTRUMENT)
OLD, TOO_OLD = int(Flag.CALIBRATION_AGE), int(Flag.CALIBRATION_AGE | Flag.INSTRUMENT)
#: a calibration so near that its age says nothing
SET = "AAA,co2,2024-07-01T00:00Z,calibration,420,420,ppm,WMO CO2 X2019\n"
#: of a sensor that is in no case here
CALIBRATION = Calibration.model_validate(
    {"station": "MIC", "species": "co2", "valid_from": "2014-06-01T00:00Z", "trained_from": "2014-05-01T00:00Z",
     "trained_to": "2014-06-01T00:00Z", "reference": "ABC", "source": "a test", "rmse": 1.0, "centre": [0] * 4,
     "coefficients": [0] * 5, "covariance": [[0] * 5] * 5, "low": [0] * 4, "high": [1] * 4}
)  # fmt: skip


def log(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(HEAD + text, encoding="utf-8")
    return read_log([path])


def row(kind, time, measured, assigned=420.0, station="AAA", gas="co2", unit="ppm"):
    return f"{station},{gas},{time},{kind},{measured},{assigned},{unit},WMO {gas.upper()} X2019\n"


def hour(text):
    return np.array([text], dtype="datetime64[ns]")


@pytest.mark.parametrize(
    ("rules", "off", "bits", "sigma"),
    [
        (REGIONAL, 0.1, 0, 0.0),
        (REGIONAL, -0.11, 0, 0.11),
        (REGIONAL, 0.3, 0, 0.3),
        (REGIONAL, 0.31, SUSPECT, 0.31),
        (REGIONAL, -0.5, SUSPECT, 0.5),
        (REGIONAL, 0.51, FAIL, 0.51),
        (CITY, 0.2, 0, 0.0),
        (CITY, 0.5, 0, 0.5),
        (CITY, 0.9, SUSPECT, 0.9),
        (CITY, 1.1, FAIL, 1.1),
    ],
)
def test_a_target_gas_is_good_adds_to_sigma_makes_suspect_or_refuses(tmp_path, rules, off, bits, sigma):
    text = SET + row("target", "2024-07-01T06:00Z", 420 + off)
    found = checked(log(tmp_path, text), "AAA", "co2", hour("2024-07-01T07"), rules)
    assert found.bits.tolist() == [bits]
    assert found.sigma[0] == pytest.approx(sigma, abs=1e-9)


def test_methane_has_its_own_limits_and_its_unit_is_converted(tmp_path):
    rules = RULES.of("ch4", "regional")
    for off, bits, sigma in ((2.0, 0, 0.0), (4.0, 0, 4.0), (6.0, SUSPECT, 6.0), (11.0, FAIL, 11.0)):
        text = row("calibration", "2024-07-01T00:00Z", 1.95, 1.95, gas="ch4")
        text += row("target", "2024-07-01T06:00Z", 1.95 + off / 1000, 1.95, gas="ch4")
        found = checked(log(tmp_path, text), "AAA", "ch4", hour("2024-07-01T07"), rules)
        assert (found.bits[0], found.sigma[0]) == (bits, pytest.approx(sigma, abs=1e-6))


def test_an_hour_is_told_by_the_last_check_up_to_its_start(tmp_path):
    text = SET + row("target", "2024-07-01T06:00Z", 421) + row("target", "2024-07-01T08:30+00:00", 420)
    time = np.array([f"2024-07-01T{h:02d}" for h in (5, 6, 8, 9)], dtype="datetime64[ns]")
    assert checked(log(tmp_path, text), "AAA", "co2", time, REGIONAL).bits.tolist() == [0, FAIL, FAIL, 0]


@pytest.mark.parametrize(("days", "bits"), [(30, 0), (31, 0), (32, OLD), (62, OLD), (63, TOO_OLD), (-1, OLD)])
def test_an_old_calibration_makes_suspect_then_refuses_and_one_not_yet_made_is_suspect(tmp_path, days, bits):
    time = hour("2024-07-01T00") + np.timedelta64(days, "D")
    assert checked(log(tmp_path, SET), "AAA", "co2", time, REGIONAL).bits.tolist() == [bits]


def test_a_target_gas_is_no_calibration(tmp_path):
    text = SET + row("target", "2024-08-10T00:00Z", 420)
    assert checked(log(tmp_path, text), "AAA", "co2", hour("2024-08-11T00"), REGIONAL).bits.tolist() == [OLD]


@pytest.mark.parametrize(("slope", "bits"), [(0.89, FAIL), (0.91, 0), (1.0, 0), (1.09, 0), (1.11, FAIL)])
def test_a_two_point_slope_outside_its_limits_refuses(tmp_path, slope, bits):
    text = row("two-point", "2024-07-01T00:00Z", 390, 400) + row(
        "two-point", "2024-07-01T00:00Z", 390 + 200 * slope, 600
    )
    found = checked(log(tmp_path, text), "AAA", "co2", hour("2024-07-02T00"), MICRO)
    assert found.bits.tolist() == [bits]
    # the other order of rows is the same check
    other = "".join(reversed(text.splitlines(keepends=True)))
    assert checked(log(tmp_path, other), "AAA", "co2", hour("2024-07-02T00"), MICRO).bits.tolist() == [bits]


def test_the_order_of_rows_and_other_stations_change_nothing(tmp_path):
    rows = [SET, row("target", "2024-07-01T06:00Z", 421), row("target", "2024-07-02T06:00Z", 420.2)]
    rows += [
        row("target", "2024-07-02T07:00Z", 430, station="BBB"),
        row("target", "2024-07-02T07:00Z", 1, 2, gas="ch4"),
    ]
    time = pd.date_range("2024-07-01", periods=72, freq="h").to_numpy()
    one = checked(log(tmp_path, "".join(rows)), "AAA", "co2", time, REGIONAL)
    two = checked(log(tmp_path, "".join(reversed(rows))), "AAA", "co2", time, REGIONAL)
    np.testing.assert_array_equal(one.bits, two.bits)
    np.testing.assert_array_equal(one.sigma, two.sigma)
    assert set(one.bits) == {0, FAIL}
    assert not checked(log(tmp_path, "".join(rows)), "CCC", "co2", time, REGIONAL).bits.any()


def test_of_several_target_gases_at_one_time_the_worst_is_taken_in_any_order(tmp_path):
    rows = [row("target", "2024-07-01T06:00Z", measured) for measured in (420.0, 419.4, 420.2)]
    for order in (rows, rows[::-1], rows[1:] + rows[:1]):
        found = checked(log(tmp_path, SET + "".join(order)), "AAA", "co2", hour("2024-07-01T07"), REGIONAL)
        assert found.bits.tolist() == [FAIL]
        assert found.sigma[0] == pytest.approx(0.6)


def test_a_check_on_a_scale_that_is_not_the_station_s_is_refused_by_name(tmp_path):
    found = log(tmp_path, SET + row("target", "2024-07-01T06:00Z", 420).replace("X2019", "X2007"))
    gas = SPECIES["co2"]
    with pytest.raises(UnitError, match=r"AAA: .* on the station's scale, WMO CO2 X2019; got 'WMO CO2 X2007, 1 check"):
        check_scales(found, "AAA", gas, ["WMO CO2 X2019"])
    # other names of one scale, a station of two scales, and other stations
    check_scales(found, "AAA", gas, ["NOAA CO2 X2019", "X2007", "unknown", ""])
    check_scales(found, "BBB", gas, ["NIM CO2 2019"])


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (row("check", "2024-07-01T00:00Z", 420), FormatError, "line 2: the kind must be known; got 'check'"),
        (row("target", "2024-07-01T00:00", 420), TimeError, "line 2: the time must carry its zone"),
        (row("target", "yesterday", 420), TimeError, "the time must be readable"),
        (row("target", "2024-07-01T00:00Z", "x"), FormatError, "measured and assigned must be numbers"),
        (row("target", "2024-07-01T00:00Z", "nan"), FormatError, "mole fractions must be positive"),
        (row("target", "2024-07-01T00:00Z", 420, unit="mg/m3"), UnitError, "line 2: the unit must be a dry-air"),
        (row("target", "2024-07-01T00:00Z", 420, gas="n2o"), UnitError, "the species must be declared"),
        (row("target", "2024-07-01T00:00Z", 420, station=""), FormatError, "station must be given"),
        ("AAA,co2\n", FormatError, "line 2: every row must have 8 cells; got 2"),
        (row("two-point", "2024-07-01T00:00Z", 420), FormatError, "must be two rows of one time, of two gases"),
    ],
)  # fmt: skip
def test_a_fault_of_the_table_is_named(tmp_path, text, error, said):
    with pytest.raises(error, match=said):
        log(tmp_path, text)


def test_another_heading_is_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("station,species,time\nAAA,co2,2024-07-01T00:00Z\n")
    with pytest.raises(FormatError, match=r"log.csv: the columns must be station, species"):
        read_log([path])


def test_a_case_s_hours_follow_its_log(tmp_path):
    gcwerks(tmp_path / "abc.dat", minutes("2014-07-01T00:00", 360), np.full(360, 400.0) + np.arange(360) % 7)
    text = row("calibration", "2014-06-20T00:00Z", 420, station="ABC")
    text += row("target", "2014-07-01T02:00Z", 420.2, station="ABC") + row(
        "target", "2014-07-01T04:00Z", 421, station="ABC"
    )
    (tmp_path / "log.csv").write_text(HEAD + text)
    feeds = [{"id": "ABC", "format": "gcwerks", "files": ["abc.dat"], "height": 50, "representation_error": 1.0}]
    facts = registry(tmp_path)
    plain, _, _ = read_stations(settings(stations=feeds), tmp_path, facts)
    found, _, _ = read_stations(settings(stations=feeds, inputs={"calibration_logs": ["log.csv"]}), tmp_path, facts)
    before, after = plain["uncertainty"].values, found["uncertainty"].values
    np.testing.assert_allclose(after, np.hypot(before, [0, 0, 0.2, 0.2, 1.0, 1.0]))
    assert ((found["flag"].values & np.uint32(FAIL)) == FAIL).tolist() == [False] * 4 + [True] * 2
    assert not is_used(found["flag"].values[4:]).any()
    np.testing.assert_array_equal(found["value"], plain["value"])


def test_a_case_refuses_checks_on_another_scale_and_tells_of_stations_it_has_no_feed_of(tmp_path):
    gcwerks(tmp_path / "abc.dat", minutes("2014-07-01T00:00", 360), np.full(360, 400.0) + np.arange(360) % 7)
    feeds = [{"id": "ABC", "format": "gcwerks", "files": ["abc.dat"], "height": 50, "representation_error": 1.0}]
    inputs = {"calibration_logs": ["log.csv"], "calibrations": ["c.toml"]}
    case, facts = settings(stations=feeds, inputs=inputs), registry(tmp_path)
    others = "".join(row("calibration", "2014-06-20T00:00Z", 420, station=name) for name in ("XYZ", "ABD", "XYZ"))
    (tmp_path / "c.toml").write_text(render(CALIBRATION), encoding="utf-8")
    mine = row("calibration", "2014-06-20T00:00Z", 420, station="ABC")
    (tmp_path / "log.csv").write_text(HEAD + mine + others)
    _, _, notes = read_stations(case, tmp_path, facts)
    assert notes == [
        "calibration_logs: no feed of this case is of ABD, XYZ: not used",
        "calibrations: no feed of this case is of MIC: not used",
    ]
    (tmp_path / "log.csv").write_text(HEAD + mine.replace("X2019", "X2007"))
    with pytest.raises(UnitError, match="ABC: measured and assigned must be on the station's scale"):
        read_stations(case, tmp_path, facts)
