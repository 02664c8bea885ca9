"""Mole fractions become those of dry air: by the gas law and by the water that is there, or are not used."""

import numpy as np
import pytest
from station_files import feed, registry

from pipeline.errors import ConfigError
from pipeline.ingest.air import compensated, dry_mole_fraction, vapour_pressure
from pipeline.ingest.calibrations import Calibration
from pipeline.ingest.conditioning import conditioned
from pipeline.ingest.feeds import judge_feed
from pipeline.ingest.formats.samples import samples
from pipeline.ingest.stations import read_station
from pipeline.schema import Flag
from pipeline.units import SPECIES
from station_meta import load_rules

CO2 = SPECIES["co2"]
TIME = np.datetime64("2024-07-01T00", "ns") + np.arange(4) * np.timedelta64(1, "h")
AROUND = {
    "humidity": np.array([40.0, 60.0, 80.0, 95.0]),
    "temperature": np.array([275.0, 288.0, 300.0, 308.0]),
    "pressure": np.array([9.0e4, 1.0e5, 1.01e5, 1.02e5]),
}
VAPOUR = vapour_pressure(AROUND["humidity"], AROUND["temperature"])


def said(value, **environment):
    return samples(
        TIME, value, np.full(TIME.size, "", dtype=object), unit="ppm", interval=np.timedelta64(3600, "s"),
        marks="start", zone="UTC", where="a", spread=np.full(TIME.size, 2.0), environment=environment,
    )  # fmt: skip


def run(value, calibrations=(), environment=AROUND, **declared):
    return conditioned(said(value, **environment), TIME, 1.0, feed("hj212", **HJ, **declared), calibrations, where="a")


HJ = {"hj212": {"mn": "1", "factor": "a05001", "unit": "ppm"}}
TRUTH = np.array([400.0, 420.0, 440.0, 500.0])


def test_drying_undoes_the_dilution_by_water():
    # a mole of moist air holds 1 - x of dry air
    moist = TRUTH * (1 - VAPOUR / AROUND["pressure"])
    made = run(moist, air="wet")
    np.testing.assert_allclose(made.value, TRUTH, rtol=1e-14)
    np.testing.assert_allclose(made.spread, 2.0 * TRUTH / moist, rtol=1e-14)
    assert not made.bits.any()
    # two percent of water and more: 8 to 17 ppm, as much as a city
    assert (TRUTH - moist).max() > 15
    water = 100 * VAPOUR / AROUND["pressure"]
    np.testing.assert_allclose(run(moist, air="wet", environment={"water": water}).value, TRUTH, rtol=1e-14)


def test_saturation_is_that_of_the_tables():
    # WMO-No. 8 (CIMO guide), saturation over water: 6.11 hPa at 0 C, 12.27 at 10 C, 23.37 at 20 C, 42.43 at 30 C
    found = vapour_pressure(np.array(100.0), 273.15 + np.array([0.0, 10.0, 20.0, 30.0]))
    np.testing.assert_allclose(found, [611.0, 1227.0, 2337.0, 4243.0], rtol=2e-3)


def test_compensation_undoes_the_count_of_molecules_in_a_volume():
    # the device counts x P / T molecules and takes P0 and T0 for granted
    taken = (101325.0, 298.15)
    reported = TRUTH * (AROUND["pressure"] / taken[0]) * (taken[1] / AROUND["temperature"])
    made = run(reported, air="dry", compensation={"pressure": taken[0], "temperature": taken[1]})
    np.testing.assert_allclose(made.value, TRUTH, rtol=1e-14)
    one = compensated(np.array(1.0), np.array(taken[0]), np.array(taken[1]), taken=taken)
    assert one == 1.0


def test_compensation_comes_before_drying_and_neither_minds():
    made = run(TRUTH, air="wet", compensation={"pressure": 1e5, "temperature": 300.0})
    by_hand = dry_mole_fraction(
        compensated(TRUTH, AROUND["pressure"], AROUND["temperature"], taken=(1e5, 300.0)), VAPOUR / AROUND["pressure"]
    )
    np.testing.assert_allclose(made.value, by_hand, rtol=1e-14)
    assert len(made.notes) == 2


def test_a_feed_that_does_not_say_is_not_used():
    made = run(TRUTH, air=None)
    assert set(made.bits) == {np.uint32(Flag.WET_DRY_UNKNOWN)}
    assert "not declared (air): not used" in made.notes[0]
    # a network's own format is dry by definition
    dry = conditioned(said(TRUTH), TIME, 1.0, feed("obspack", air=None), (), where="a")
    assert not dry.bits.any()
    assert dry.value.tolist() == TRUTH.tolist()


def test_rows_without_what_is_needed_are_left_out_one_by_one():
    gap = AROUND | {"humidity": np.where(np.arange(4) == 2, np.nan, AROUND["humidity"])}
    made = run(TRUTH, air="wet", environment=gap)
    assert made.lacking.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        (
            {"air": "wet"},
            r"must report humidity, temperature, pressure for air = \"wet\"; got 'not humidity, pressure'",
        ),
        (
            {"air": "dry", "compensation": {"pressure": 1e5, "temperature": 300.0}},
            r"must report pressure, temperature for compensation; got 'not pressure'",
        ),
    ],
)
def test_a_feed_that_reports_none_of_it_is_refused(declared, named):
    with pytest.raises(ConfigError, match=named):
        run(TRUTH, environment={"temperature": AROUND["temperature"]}, **declared)


def calibration(**changes):
    declared = {
        "station": "ABC", "species": "co2", "valid_from": "2024-07-01T01:00:00Z", "valid_to": "2024-07-01T03:00:00Z",
        "trained_from": "2024-05-01T00:00:00Z", "trained_to": "2024-06-01T00:00:00Z", "reference": "DEF",
        "source": "a test", "rmse": 1.5, "centre": [420.0, 290.0, 1e5, 1200.0],
        "coefficients": [2.0, 0.1, -0.2, 1e-3, 2e-3], "covariance": np.diag([0.04, 0, 1e-4, 0, 0]).tolist(),
        "low": [380.0, 270.0, 8e4, 100.0], "high": [600.0, 298.0, 1.1e5, 6e3],
    }  # fmt: skip
    return Calibration.model_validate(declared | changes)


def test_a_correction_holds_in_its_period_and_is_flagged_outside_its_training():
    made = run(TRUTH, [calibration()], air="dry")
    around = [TRUTH - 420, AROUND["temperature"] - 290, AROUND["pressure"] - 1e5, VAPOUR - 1200]
    change = 2.0 + np.array([0.1, -0.2, 1e-3, 2e-3]) @ np.stack(around)
    np.testing.assert_allclose(made.value, TRUTH + np.where([False, True, True, False], change, 0.0), rtol=1e-13)
    # hours 0 and 3 have no calibration; in hour 2 it is warmer than in training
    assert ((made.bits & np.uint32(Flag.CALIBRATION)) != 0).tolist() == [True, False, True, True]
    np.testing.assert_allclose(made.uncertainty[1:3], np.sqrt(1.5**2 + 0.04 + 1e-4 * np.array([-2.0, 10.0]) ** 2))
    assert np.isnan(made.uncertainty[[0, 3]]).all()


def wet_table(tmp_path):
    lines = ["when,co2,rh,t,p"]
    moist = TRUTH * (1 - VAPOUR / AROUND["pressure"])
    for row in zip(np.datetime_as_string(TIME, "s"), moist, *AROUND.values(), strict=True):
        lines.append(",".join([str(row[0]), *(repr(float(number)) for number in row[1:])]))
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    columns = {"time": "when", "value": "co2", "unit": "ppm",
               "environment": {"humidity": "rh", "temperature": "t", "pressure": "p"}}  # fmt: skip
    return path, feed(
        "table", table=columns, quality_class="micro", completeness={"expected": 1, "minimum": 1}, air="wet"
    )


def test_a_wet_feed_is_dry_in_the_observations_and_its_damp_hour_is_refused(tmp_path):
    path, ours = wet_table(tmp_path)
    found, account = read_station(path, ours, CO2, registry(tmp_path))
    np.testing.assert_allclose(found["value"], [*TRUTH[:3], np.nan], rtol=1e-12)
    # beyond 85 % the sensor's own thresholds refuse it
    assert found["flag"].values[3] == Flag.MISSING | Flag.INSTRUMENT
    assert account.notes == ("mole fractions of moist air, dried",)


def test_a_sensor_has_its_own_corrections_and_no_other_s(tmp_path):
    path, ours = wet_table(tmp_path)
    facts, rules = registry(tmp_path), load_rules()
    plain, other, own = (
        judge_feed([path], ours, CO2, facts, rules, None, given).hours.value[:3]
        for given in ((), [calibration(station="XYZ")], [calibration()])
    )
    assert other.tolist() == plain.tolist()
    assert (own != plain).tolist() == [False, True, True]
