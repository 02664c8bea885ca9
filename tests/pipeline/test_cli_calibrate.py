"""`tianyan calibrate fit`: two tables in, a calibration that ingest applies out."""

import numpy as np
import pytest
from station_files import feed, registry

from pipeline import cli
from pipeline.ingest.air import vapour_pressure
from pipeline.ingest.calibrations import read_calibrations
from pipeline.ingest.feeds import judge_feed
from pipeline.units import SPECIES
from station_meta import load_rules

SLOPES = np.array([-0.3, 1e-3, 2e-3])


def tables(folder, *, days=20, zone="+08:00"):
    """A sensor beside a reference, half-hourly, in moist air and Beijing time; and the true dry air of its hours."""
    rng = np.random.default_rng(2)
    n = 48 * days
    start = np.datetime64("2024-04-01T00:00", "m")
    labels = np.datetime_as_string(start + np.arange(n) * np.timedelta64(30, "m"))
    temperature = 290 + 9 * np.sin(2 * np.pi * np.arange(n) / 48) + rng.normal(0, 1, n)
    pressure = 1.01e5 + rng.normal(0, 500, n)
    humidity = rng.uniform(30, 84, n)
    vapour = vapour_pressure(humidity, temperature)
    air = np.repeat(425 + 10 * rng.standard_normal(n // 2), 2)
    dry = air - 4.0 - SLOPES @ np.stack([temperature - 290, pressure - 1.01e5, vapour - 1200])
    moist = (dry + rng.normal(0, 0.5, n)) * (1 - vapour / pressure)
    rows = zip(labels, moist, temperature, pressure, humidity, strict=True)
    lines = [
        "time,value,temperature,pressure,humidity",
        *(f"{t}{zone},{v!r},{k!r},{p!r},{h!r}" for t, v, k, p, h in rows),
    ]
    (folder / "sensor.csv").write_text("\n".join(lines).replace("np.float64(", "").replace(")", "") + "\n")
    reference = ["time,value", *(f"{t}{zone},{float(v)!r}" for t, v in zip(labels, air, strict=True))]
    (folder / "reference.csv").write_text("\n".join(reference) + "\n")
    return air[::2]


def run(monkeypatch, folder, *words):
    monkeypatch.chdir(folder)
    given = ["tianyan", "calibrate", "fit", "sensor.csv", "reference.csv", "--station", "ABC", "--beside", "REF"]
    monkeypatch.setattr("sys.argv", [*given, "--air", "wet", "--out", "c.toml", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_what_was_fitted_corrects_the_feed_it_was_fitted_for(tmp_path, monkeypatch, capsys):
    truth = tables(tmp_path)
    assert run(monkeypatch, tmp_path) == 0
    told = capsys.readouterr().out
    assert "ABC: 480 hours beside REF, 2024-03-31T16:00:00+00:00 to 2024-04-20T16:00:00+00:00" in told
    (made,) = read_calibrations([tmp_path / "c.toml"])
    assert (made.station, made.reference, made.source) == ("ABC", "REF", "sensor.csv beside reference.csv")
    np.testing.assert_allclose(made.coefficients[2:], SLOPES, rtol=0.15)
    # half-hourly noise of 0.5 ppm, two to the hour
    assert made.rmse == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    columns = {"time": "time", "value": "value", "unit": "ppm", "minutes": 30,
               "environment": {name: name for name in ("temperature", "pressure", "humidity")}}  # fmt: skip
    ours = feed("table", table=columns, air="wet", quality_class="micro", completeness={"expected": 2, "minimum": 2})
    ever = made.model_copy(update={"valid_from": made.trained_from})
    judged = judge_feed([tmp_path / "sensor.csv"], ours, SPECIES["co2"], registry(tmp_path), load_rules(), None, [ever])
    error = judged.hours.value - truth
    assert np.sqrt(np.mean(error**2)) == pytest.approx(made.rmse, rel=0.05)


def spoilt(folder, name, change):
    """Change cells of a table: row number to {column: text}; None leaves the row out."""
    head, *lines = (folder / name).read_text().splitlines()
    names = head.split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines]
    kept = [row | (change.get(i) or {}) for i, row in enumerate(rows) if change.get(i, {}) is not None]
    (folder / name).write_text("\n".join([head, *(",".join(row.values()) for row in kept)]) + "\n")


def test_fills_and_what_is_out_of_bounds_tell_no_more_than_rows_that_are_not_there(tmp_path, monkeypatch, capsys):
    wrong = [
        {"value": "-999"}, {"value": "0"}, {"value": "9.96921e36"}, {"value": ""}, {"humidity": "-999"},
        {"temperature": "-9999.0"}, {"pressure": "nan"}, {"humidity": "99"}, {"temperature": "150"},
        {"pressure": "1010"}, {"value": "200"}, {"value": "6000"}, {"value": "word"},
    ]  # fmt: skip
    tables(tmp_path)
    # one half hour of an hour each, spread over the days
    sensor = {60 * i + 1: cells for i, cells in enumerate(wrong)}
    reference = {60 * i + 30: {"value": text} for i, text in enumerate(("-999.99", "0", "100", "3000"))}
    spoilt(tmp_path, "sensor.csv", sensor)
    spoilt(tmp_path, "reference.csv", reference)
    assert run(monkeypatch, tmp_path) == 0
    told = capsys.readouterr().out
    assert (
        "sensor.csv: left out 1 not readable, 6 missing or fill, 3 surroundings outside their bounds, "
        "3 outside the range of air; 13 hours incomplete"
    ) in told
    assert "reference.csv: left out 2 missing or fill, 2 outside the range of air; 4 hours incomplete" in told
    assert f"ABC: {480 - 13 - 4} hours beside REF" in told
    (found,) = read_calibrations([tmp_path / "c.toml"])
    tables(tmp_path)
    spoilt(tmp_path, "sensor.csv", dict.fromkeys(sensor))
    spoilt(tmp_path, "reference.csv", dict.fromkeys(reference))
    (tmp_path / "c.toml").unlink()
    assert run(monkeypatch, tmp_path) == 0
    assert "sensor.csv: left out 13 hours incomplete" in capsys.readouterr().out
    assert read_calibrations([tmp_path / "c.toml"]) == [found]


def test_thresholds_of_one_s_own_decide_what_is_fitted(tmp_path, monkeypatch, capsys):
    tables(tmp_path)
    spoilt(tmp_path, "sensor.csv", {1: {"humidity": "90"}})
    bounds = "humidity = [0.0, 95.0], temperature = [253.15, 323.15], pressure = [85000.0, 105000.0]"
    (tmp_path / "own.toml").write_text(f"[stations.ABC.co2]\nenvironment = {{ {bounds} }}\n")
    assert run(monkeypatch, tmp_path, "--rules", "own.toml") == 0
    told = capsys.readouterr().out
    assert "left out" not in told
    assert "ABC: 480 hours" in told


def test_a_second_calibration_of_the_same_time_is_refused_and_the_file_stays(tmp_path, monkeypatch, capsys):
    tables(tmp_path)
    run(monkeypatch, tmp_path)
    before = (tmp_path / "c.toml").read_bytes()
    assert run(monkeypatch, tmp_path) == 2
    assert "periods of one sensor's calibrations must not overlap" in capsys.readouterr().err
    assert (tmp_path / "c.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"days": 10}, (), "must have stood beside the reference on 14 days; got 11"),
        ({"zone": ""}, (), "times must carry their zone; got '2024-04-01T00:00'"),
        ({}, ("--device-pressure", "101325"), "device pressure and temperature go together"),
    ],
)
def test_a_co_location_that_cannot_be_used_is_refused(tmp_path, monkeypatch, capsys, change, words, said):
    tables(tmp_path, **change)
    assert run(monkeypatch, tmp_path, *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "c.toml").exists()


def test_a_device_that_does_not_compensate_is_compensated_first(tmp_path, monkeypatch):
    tables(tmp_path)
    run(monkeypatch, tmp_path, "--device-pressure", "101000", "--device-temperature", "290")
    (made,) = read_calibrations([tmp_path / "c.toml"])
    # x (T / T0) adds 425 / 290 ppm per K to the sensor, which the fit takes off again
    assert made.coefficients[2] == pytest.approx(SLOPES[0] - 425 / 290, abs=0.15)
