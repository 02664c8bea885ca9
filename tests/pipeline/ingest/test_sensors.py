"""Sensors beside spectrometers: the bias comes off, what told it is held out, and who is out of touch is not used."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from ingest_cases import settings
from station_files import registry

from pipeline.ingest.air import vapour_pressure
from pipeline.ingest.bias import first_state, is_mixed, track
from pipeline.ingest.calibrations import Calibration
from pipeline.ingest.correction import CoLocation, correct, fit
from pipeline.ingest.sensors import without_bias
from pipeline.ingest.stations import read_stations
from pipeline.osse.instruments import INSTRUMENTS, micro_record
from pipeline.schema import HOUR, Flag, is_used, label
from pipeline.settings import Settings
from station_meta import BiasRules, load_rules

RULES = load_rules().table("bias_filter", BiasRules)
#: three spectrometers within 50 km of the sensor, one beyond, and the sensor
PLACES = {"AAA": (120.0, 30.1), "BBB": (120.2, 30.0), "CCC": (120.1, 30.3), "FAR": (121.5, 30.0), "MIC": (120.1, 30.1)}
START = np.datetime64("2024-06-01T00", "ns")
BIAS = 7.0


def case(**changes):
    feeds = [
        {"id": name, "format": "gcwerks", "files": ["*"], "height": 50, "representation_error": 1.0}
        | ({"offset": {"sigma": 3.0, "hours": 100}} if name == "MIC" else {})
        for name in PLACES
    ]
    base = settings().case.model_dump()
    return settings(case=base, stations=feeds, **({"bias_filter": {"history": 10}} | changes))


def hours(days, *, first=0, seed=1, scale="WMO CO2 X2019", bias=BIAS, spread=0.3, flag=0):
    """Observations of all places; the sensor is off by a bias."""
    rng = np.random.default_rng(seed + first)
    time = START + (24 * first + np.arange(24 * days)) * HOUR
    air = 425 + 5 * np.sin(np.arange(time.size) / 7)
    parts = []
    for name, (lon, lat) in PLACES.items():
        micro = name == "MIC"
        error = bias + rng.normal(0, 2.0, time.size) if micro else rng.normal(0, spread, time.size)
        numbers = {"uncertainty": 1.0 if micro else 0.1, "spread": 0.5, "lon": lon, "lat": lat, "height": 50.0}
        bits = np.full(time.size, flag if micro else 0, dtype=np.uint32)
        bare = {key: ("obs", np.full(time.size, number)) for key, number in numbers.items()} | {
            "time": ("obs", time), "value": ("obs", air + error), "count": ("obs", np.ones(time.size, dtype=np.int64)),
            "flag": ("obs", bits), "station": ("obs", np.full(time.size, name)),
            "platform": ("obs", np.full(time.size, "micro" if micro else "city")),
            "scale": ("obs", np.full(time.size, scale if micro else "WMO CO2 X2019")),
        }  # fmt: skip
        parts.append(xr.Dataset(bare, attrs={"species": "co2"}))
    joined = xr.concat(parts, dim="obs", combine_attrs="override")
    return label(joined.isel(obs=np.lexsort((joined["station"], joined["time"]))), "observations")


def micro(dataset):
    return dataset.isel(obs=np.flatnonzero(dataset["station"].values == "MIC"))


def run(before, inside, **changes):
    arguments = {"settings": case(), "rules": RULES, "kinds": {"MIC": "GMP343"}} | changes
    return without_bias(inside, before, **arguments)


def is_told(made):
    """Whether a reference ever told the sensor's bias."""
    return not np.isnan(micro(made.observations)["anchor_age"].values).any()


def test_the_bias_comes_off_and_what_told_it_is_held_out():
    before, inside = hours(10), hours(3, first=10)
    made = run(before, inside)
    found, given = micro(made.observations), micro(inside)
    np.testing.assert_allclose(found["value"] + found["bias"], given["value"], rtol=1e-14)
    assert np.abs(found["bias"].values - BIAS).max() < 1.5
    assert np.all(found["offset_sigma"].values < 1.0)
    held = (found["flag"].values & np.uint32(Flag.HELD_OUT)) != 0
    # noon to five by the sun, at 120 E: 4 to 9 UTC
    hour = pd.DatetimeIndex(found["time"].values).hour
    assert set(hour[held]) <= {4, 5, 6, 7, 8}
    assert held.sum() >= 12
    assert not is_used(found["flag"].values[held]).any()
    assert is_used(found["flag"].values[~held]).all()
    # one sigma of sensor noise stays in each hour; the floor is the field's experience
    assert set(found["uncertainty"].values) == {RULES.floor}
    assert made.notes[-1] == f"bias filter: 1 sensors; {held.sum()} hours told their bias, and are held out"
    assert "without weather" in made.notes[0]


def test_spectrometers_are_left_as_they_are():
    before, inside = hours(10), hours(3, first=10)
    made = run(before, inside).observations
    others = np.flatnonzero(inside["station"].values != "MIC")
    for name in ("value", "uncertainty", "flag"):
        np.testing.assert_array_equal(made[name].values[others], inside[name].values[others])
    for name in ("bias", "offset_sigma", "anchor_age"):
        assert np.isnan(made[name].values[others]).all()


def test_a_sensor_no_reference_ever_told_is_not_absolute():
    # spectrometers that disagree by far more than well-mixed air does tell nothing
    made = micro(run(hours(10, spread=30.0), hours(2, first=10, spread=30.0)).observations)
    assert not is_used(made["flag"].values).any()
    assert set(made["flag"].values) == {int(Flag.ANCHOR_AGE | Flag.INSTRUMENT)}
    assert np.isnan(made["anchor_age"].values).all()


def trained(day, rmse=1.2):
    until = f"2024-05-{day:02d}T00:00:00Z"
    return Calibration.model_validate(
        {"station": "MIC", "species": "co2", "valid_from": until, "trained_from": "2023-01-01T00:00:00Z",
         "trained_to": until, "reference": "AAA", "source": "a test", "rmse": rmse, "centre": [0] * 4,
         "coefficients": [0] * 5, "covariance": [[0] * 5] * 5, "low": [0] * 4, "high": [1] * 4}
    )  # fmt: skip


def renewed(day):
    """Two calibrations of the sensor: the second takes over in June, at the end of its training."""
    when = f"2024-06-{day:02d}T00:00:00Z"
    first = trained(2).model_copy(update={"valid_to": pd.Timestamp(when).to_pydatetime()})
    changes = {"valid_from": when, "trained_to": when, "rmse": 1.0}
    return [first, Calibration.model_validate(trained(2).model_dump(mode="json") | changes)]


def test_a_bias_learned_under_one_calibration_is_not_taken_off_under_the_next():
    # the second calibration takes the old bias off, and brings one of its own
    old, new = hours(10), hours(6, first=10, bias=-2.0)
    made = run(old, new, calibrations=renewed(11))
    found = micro(made.observations)
    before_told = pd.DatetimeIndex(found["time"].values) < pd.Timestamp("2024-06-11T04:00")
    assert (found["bias"].values[before_told] == 0).all()
    assert found["offset_sigma"].values[0] == pytest.approx(1.0)
    # the last hour beside the reference is the one before it takes over
    assert found["anchor_age"].values[0] == 1
    assert np.abs(found["bias"].values[96:] + 2.0).max() < 1.0
    # what is no jump of the sensor is not taken for one
    assert not (found["flag"].values & np.uint32(Flag.JUMP_RESET)).any()
    assert "MIC: another calibration from 2024-06-11T00Z on, its bias starts anew" in made.notes
    # the hours before tell nothing of it
    alone = run(old.isel(obs=slice(0)), new, calibrations=renewed(11))
    for name in ("value", "bias", "offset_sigma", "anchor_age", "flag"):
        np.testing.assert_array_equal(alone.observations[name].values, made.observations[name].values)


def test_a_calibration_that_ends_takes_its_bias_with_it():
    ended = renewed(11)[:1]
    found = micro(run(hours(10), hours(2, first=10), calibrations=ended).observations)
    assert found["bias"].values[0] == 0
    assert found["offset_sigma"].values[0] == pytest.approx(RULES.reset)


def test_a_trained_sensor_without_spectrometers_is_used_with_the_error_of_one():
    made = micro(run(hours(10, spread=30.0), hours(2, first=10, spread=30.0), calibrations=[trained(2)]).observations)
    assert is_used(made["flag"].values).all()
    assert set(made["uncertainty"].values) == {RULES.floor_unanchored}
    # 40 days of walk since the training
    assert made["offset_sigma"].values[0] == pytest.approx(np.sqrt(1.2**2 + RULES.walk**2 * 40), rel=1e-9)
    # and one hour more since the last hour of it
    assert made["anchor_age"].values[0] == 24 * 40 + 1
    assert (made["bias"].values == 0).all()


def test_age_since_the_last_reference_is_flagged_and_then_refuses():
    short = replace(RULES, anchor_suspect=39.5, anchor_fail=41.0)
    made = run(hours(10, spread=30.0), hours(2, first=10, spread=30.0), calibrations=[trained(2)], rules=short)
    flag = micro(made.observations)["flag"].values
    # aged 40 days and an hour at first: suspect; beyond 41 days not used
    assert set(flag[:24]) == {int(Flag.ANCHOR_AGE)}
    assert set(flag[24:]) == {int(Flag.ANCHOR_AGE | Flag.INSTRUMENT)}


def test_a_kind_of_sensor_has_its_own_floor():
    made = run(hours(10), hours(1, first=10), kinds={"MIC": "SenseAir LP8 pair"})
    assert set(micro(made.observations)["uncertainty"].values) == {RULES.floors["LP8"]}


def test_without_wind_and_depth_no_hour_tells_anything():
    asked = []

    def still(lon, lat, time):
        asked.append(time)
        return np.full(time.size, 1.0), np.full(time.size, 2000.0)

    made = run(hours(10), hours(1, first=10), around=still)
    assert not is_told(made)
    assert "without weather" not in made.notes[0]
    assert set(pd.DatetimeIndex(np.concatenate(asked)).hour) <= {4, 5, 6, 7, 8}
    windy = run(
        hours(10), hours(1, first=10), around=lambda lon, lat, time: (np.full(time.size, 5.0), np.full(time.size, 2e3))
    )
    assert is_told(windy)


def test_the_bias_is_against_the_spectrometers_on_the_sensor_s_own_scale():
    same = run(hours(10), hours(1, first=10))
    other = run(hours(10, scale="WMO CO2 X2007"), hours(1, first=10, scale="WMO CO2 X2007"))
    # X2019 - X2007 at 425 ppm
    step = 0.00079 * 425 - 0.142
    change = micro(other.observations)["bias"].values - micro(same.observations)["bias"].values
    np.testing.assert_allclose(change, step, atol=0.02)
    unknown = run(hours(10, scale="NIM CO2 2019"), hours(1, first=10, scale="NIM CO2 2019"))
    assert not is_told(unknown)


def test_hours_of_bad_quality_tell_nothing_and_hours_not_selected_do():
    bad = run(hours(10, flag=int(Flag.SPIKE | Flag.FLAT_LINE)), hours(1, first=10))
    good = run(hours(10, flag=int(Flag.NOT_SELECTED_HOUR)), hours(1, first=10))
    plain = run(hours(10), hours(1, first=10))
    assert micro(bad.observations)["offset_sigma"].values[0] == pytest.approx(np.sqrt(100 + 0.25 * 10), rel=1e-6)
    np.testing.assert_array_equal(micro(good.observations)["bias"], micro(plain.observations)["bias"])


def test_a_jump_is_told_in_the_notes():
    made = run(hours(10), hours(6, first=10, bias=BIAS + 20))
    events = [note for note in made.notes if "set anew" in note]
    assert len(events) == 1
    assert events[0].startswith("MIC: bias set anew at 2024-06-13T")
    flag = micro(made.observations)["flag"].values
    assert ((flag & np.uint32(Flag.JUMP_RESET)) != 0).sum() > 24


def test_rmse_of_a_sensor_that_drifts_jumps_and_feels_the_weather():
    # 20 days beside a reference, then 180 days with a drift of 0.15 ppm a day and two steps (a fault a network sees)
    rng = np.random.default_rng(36)
    hour = np.arange(24 * 200)
    time = START + hour * HOUR
    temperature = (
        288
        + 9 * np.sin(2 * np.pi * hour / 8760)
        + 6 * np.sin(2 * np.pi * (hour - 3) / 24)
        + rng.normal(0, 1.5, hour.size)
    )
    humidity = np.clip(70 - 2 * (temperature - 288) + rng.normal(0, 8, hour.size), 15, 95)
    pressure = 1.01e5 + 800 * np.sin(hour / 70) + rng.normal(0, 60, hour.size)
    local = time.astype("datetime64[h]") + 8 * HOUR
    mixed = is_mixed(local, RULES) & (rng.random(hour.size) < 0.6)
    air = 425 + np.where(is_mixed(local, RULES), 0.0, 12 * rng.standard_exponential(hour.size)) + 2 * np.sin(hour / 100)
    day = hour / 24
    late = day >= 20
    instrument = replace(INSTRUMENTS["micro"], per_kelvin=0.4, hour_noise=2.0)
    record = micro_record(air, instrument, temperature, humidity, rng)
    sensor = record.values + np.where(late, 0.15 * (day - 20), 0.0) + 12.0 * (day >= 90) - 9.0 * (day >= 150)
    vapour = vapour_pressure(humidity, temperature)
    around = (sensor, temperature, pressure, vapour)
    reference = air + rng.normal(0, 0.1, hour.size)
    beside = [part[~late] for part in (time, reference, *around)]
    found = fit(*beside, load_rules().table("co_location", CoLocation))
    corrected, _, _ = correct(found, *around)
    field = np.where(mixed, air + rng.normal(0, 0.5, hour.size), np.nan)
    followed, _ = track(
        first_state(time[0], RULES), time[late], local[late].astype("datetime64[D]").astype(np.int64),
        (corrected - field)[late], RULES,
    )  # fmt: skip
    truth = air[late]

    # spikes and stuck hours are the quality tests' to find
    sound = ~record.harmed[late] & np.isfinite(sensor[late])
    settled = sound & ~followed.suspected & ~followed.used & (followed.sigma < 2.0)

    def rmse(value):
        return float(np.sqrt(np.mean((value - truth)[settled] ** 2)))

    raw, fitted, filtered = map(rmse, (sensor[late], corrected[late], corrected[late] - followed.bias))
    print(f"raw {raw:.2f}, corrected {fitted:.2f}, filtered {filtered:.2f} ppm, in {settled.mean():.0%} of hours")
    assert raw > 14
    assert fitted > 12
    # 2 ppm of the sensor's own noise, 2 % of span in plumes, and a bias known to about 1 ppm
    assert filtered < 3.2
    assert settled.mean() > 0.75
    assert followed.reset.sum() == 2


def write_hours(path, time, value):
    rows = zip(np.datetime_as_string(time, unit="s"), value, strict=True)
    path.write_text("time,co2\n" + "".join(f"{label}Z,{float(number)!r}\n" for label, number in rows))


def test_a_case_reads_the_days_before_its_hours_to_know_the_bias(tmp_path):
    whole = hours(12)
    rows = []
    for name, (lon, lat) in PLACES.items():
        mine = np.flatnonzero(whole["station"].values == name)
        write_hours(tmp_path / f"{name}.csv", whole["time"].values[mine], whole["value"].values[mine])
        kind = {"station_class": "micro", "instrument": "GMP343"} if name == "MIC" else {"station_class": "city"}
        rows.append({"id": name, "lon": str(lon), "lat": str(lat), **kind})
    columns = {"time": "time", "value": "co2", "unit": "ppm"}
    feeds = [
        {"id": name, "format": "table", "files": [f"{name}.csv"], "height": 50, "representation_error": 1.0,
         "air": "dry", "table": columns} | ({"offset": {"sigma": 3.0, "hours": 100}} if name == "MIC" else {})
        for name in PLACES
    ]  # fmt: skip
    window = {"start": "2024-06-11T00:00:00Z", "end": "2024-06-13T00:00:00Z"}
    case_of = {
        "case": settings().case.model_dump() | {"flux_hours": window, "observation_hours": window},
        "stations": feeds,
    }
    facts = registry(tmp_path, rows=rows)
    plain, accounts, _ = read_stations(settings(**case_of), tmp_path, facts)
    found, again, notes = read_stations(settings(**case_of, bias_filter={"history": 10}), tmp_path, facts)
    assert accounts == again
    np.testing.assert_array_equal(found["time"], plain["time"])
    start = np.datetime64("2024-06-11", "ns")
    before, inside = (whole.isel(obs=np.flatnonzero(when)) for when in (whole["time"] < start, whole["time"] >= start))
    expected = micro(run(before, inside).observations)
    for name in ("value", "bias", "offset_sigma", "anchor_age"):
        np.testing.assert_allclose(micro(found)[name], expected[name], rtol=1e-12)
    np.testing.assert_array_equal(micro(found)["flag"], expected["flag"])
    assert "hours told their bias, and are held out" in notes[-1]
    one, _, _ = read_stations(settings(**case_of, bias_filter={"history": 1}), tmp_path, facts)
    assert (micro(one)["offset_sigma"].values > micro(found)["offset_sigma"].values)[0]


def test_a_filter_without_a_sensor_to_follow_is_refused():
    base = settings().model_dump(mode="json")
    with pytest.raises(ValueError, match="bias_filter is for feeds of co2 with an offset"):
        Settings.model_validate(base | {"bias_filter": {"history": 10}})
