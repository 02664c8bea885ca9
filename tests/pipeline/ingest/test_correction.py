"""The environmental correction finds what was put in, says how well, and knows where it was not trained."""

import numpy as np
import pytest

from pipeline.errors import FormatError, TimeError
from pipeline.ingest.air import vapour_pressure
from pipeline.ingest.calibrations import Calibration, read_calibrations, render
from pipeline.ingest.correction import CoLocation, correct, fit
from station_meta import load_rules

LEAST = load_rules().table("co_location", CoLocation)
TRUE = np.array([3.0, 0.05, -0.25, 2e-3, 4e-3])


def weeks(rng, days=20, *, noise=1.0, daily=0.0, outliers=0.0):
    """Hours beside a reference: time, reference, sensor, T, P, e; the sensor errs by TRUE about round numbers."""
    hour = np.arange(24 * days)
    time = np.datetime64("2024-04-01", "ns") + hour * np.timedelta64(1, "h")
    temperature = 290 + 8 * np.sin(2 * np.pi * hour / 24) + 4 * np.sin(hour / 60) + rng.normal(0, 1, hour.size)
    pressure = 1.01e5 + 600 * np.cos(hour / 50) + rng.normal(0, 50, hour.size)
    vapour = vapour_pressure(rng.uniform(40, 90, hour.size), temperature)
    value = 425 + 12 * rng.standard_normal(hour.size)
    predictors = np.stack([value - 425, temperature - 290, pressure - 1.01e5, vapour - 1200])
    error = rng.normal(0, noise, hour.size) + np.repeat(rng.normal(0, daily, days), 24)
    error += 60 * (rng.random(hour.size) < outliers)
    return time, value + TRUE[0] + TRUE[1:] @ predictors + error, value, temperature, pressure, vapour


def slopes_of(record):
    found = fit(*record, LEAST)
    return found, found.coefficients[1:], np.sqrt(np.diag(found.covariance))[1:]


def test_coefficients_without_noise_are_those_put_in():
    record = weeks(np.random.default_rng(1), noise=0.0)
    found, slopes, _ = slopes_of(record)
    np.testing.assert_allclose(slopes, TRUE[1:], rtol=1e-9)
    corrected, sigma, outside = correct(found, *record[2:])
    np.testing.assert_allclose(corrected, record[1], rtol=0, atol=1e-8)
    assert found.rmse < 1e-8
    assert sigma.max() < 1e-6
    assert not outside.any()


def test_errors_of_coefficients_are_as_large_as_stated_when_hours_of_a_day_err_alike():
    rng, z = np.random.default_rng(7), []
    for _ in range(150):
        _, slopes, sigma = slopes_of(weeks(rng, days=40, daily=1.0))
        z.append((slopes - TRUE[1:]) / sigma)
    # 150 draws of 4 nearly independent slopes; the sandwich of 40 days is some percent too small
    assert np.mean(np.square(z)) == pytest.approx(1.0, abs=0.3)


def test_plumes_past_one_of_the_two_inlets_hardly_move_the_fit():
    record = weeks(np.random.default_rng(3), outliers=0.05)
    _, slopes, sigma = slopes_of(record)
    assert np.all(np.abs(slopes - TRUE[1:]) < 4 * sigma)
    # least squares would take a twentieth of 60 ppm into its mean
    found = fit(*record, LEAST)
    centre = TRUE[0] + TRUE[1:] @ (found.centre - [425, 290, 1.01e5, 1200])
    assert found.coefficients[0] == pytest.approx(centre, abs=0.35)


def test_outside_the_training_a_correction_is_flagged_and_less_certain_the_further_it_is():
    record = weeks(np.random.default_rng(4))
    found = fit(*record, LEAST)
    steps = np.array([0.0, 5.0, 10.0, 20.0])
    far = [np.full(4, c) for c in found.centre]
    far[1] = found.high[1] + steps
    _, sigma, outside = correct(found, *far)
    assert outside.tolist() == [False, True, True, True]
    assert np.all(np.diff(sigma) > 0)
    assert sigma[0] >= found.rmse
    _, inside, _ = correct(found, *found.centre[:, None])
    assert inside[0] < sigma[0]


def test_a_missing_number_gives_no_corrected_value():
    found = fit(*weeks(np.random.default_rng(4)), LEAST)
    value, _, _ = correct(found, np.array([420.0]), np.array([np.nan]), np.array([1e5]), np.array([1000.0]))
    assert np.isnan(value).all()


def test_too_short_or_too_even_a_co_location_is_refused():
    record = weeks(np.random.default_rng(5))
    with pytest.raises(TimeError, match=r"ZJ_M001: a sensor must have stood beside the reference on 14 days; got 13"):
        fit(*(part[: 24 * 13] for part in record), LEAST, where="ZJ_M001")
    even = [*record]
    even[3] = 290 + (record[3] - 290) / 3
    with pytest.raises(TimeError, match=r"temperature must have spanned 15 K beside the reference; got '\d+\.\d K'"):
        fit(*even, LEAST)
    even = [*record]
    even[4] = np.full_like(record[4], 1.01e5)
    with pytest.raises(TimeError, match=r"pressure must have changed beside the reference; got '101000 Pa"):
        fit(*even, LEAST)


def calibration(**changes):
    found = fit(*weeks(np.random.default_rng(6)), LEAST)
    numbers = {name: getattr(found, name).tolist() for name in ("centre", "coefficients", "covariance", "low", "high")}
    declared = {
        "station": "ZJ_M001", "species": "co2", "valid_from": "2024-05-01T00:00:00Z",
        "trained_from": "2024-04-01T00:00:00Z", "trained_to": "2024-04-21T00:00:00Z", "reference": "ZJ_P01",
        "source": "杭州 side by side", "rmse": found.rmse,
    }  # fmt: skip
    return Calibration.model_validate(declared | numbers | changes)


def test_a_calibration_survives_its_file_to_the_bit(tmp_path):
    one, two = calibration(valid_to="2024-08-01T00:00:00+08:00"), calibration(valid_from="2024-08-01T00:00:00+08:00")
    path = tmp_path / "c.toml"
    path.write_text(render(one) + "\n" + render(two), encoding="utf-8")
    assert read_calibrations([path]) == [one, two]
    # an end belongs to the next: 16:00 UTC is midnight in Beijing
    at = np.array(["2024-07-31T15:59", "2024-07-31T16:00"], dtype="datetime64[ns]")
    assert (one.covers(at).tolist(), two.covers(at).tolist()) == ([True, False], [False, True])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("valid_from", "valid_form"), "valid_from"),
        (('station = "ZJ_M001"', "station = 3"), "station"),
        (("rmse = ", "rmse = -"), "rmse"),
        (("[[calibration]]", "[other]"), r"holds \[\[calibration\]\] alone; got \['other'\]"),
        (("2024-04-21", "2024-03-21"), "trained_to must come after trained_from"),
        (('"', ""), "must be TOML"),
    ],
)
def test_a_fault_of_the_file_is_named(tmp_path, change, said):
    path = tmp_path / "c.toml"
    path.write_text(render(calibration()).replace(*change), encoding="utf-8")
    with pytest.raises(FormatError, match=f"c.toml.*{said}"):
        read_calibrations([path])


def test_overlapping_periods_of_one_sensor_are_refused(tmp_path):
    path = tmp_path / "c.toml"
    later = calibration(valid_from="2024-06-01T00:00:00Z")
    path.write_text(render(calibration()) + render(later), encoding="utf-8")
    with pytest.raises(FormatError, match="calibrations of ZJ_M001: periods of one sensor"):
        read_calibrations([path])
    other = calibration(station="ZJ_M002", valid_from="2024-06-01T00:00:00Z")
    path.write_text(render(calibration()) + render(other), encoding="utf-8")
    assert len(read_calibrations([path])) == 2
