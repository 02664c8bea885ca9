"""What instruments make of the air: errors of the stated size, memory and cause, and files that come late."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.osse.instruments import INSTRUMENTS, Instrument, late_from, micro_record, minute_record

DAYS = 400
AIR = np.full(24 * DAYS, 430.0)
QUIET = Instrument(hour_noise=1e-6, minute_noise=0.0)
STEADY = np.zeros(AIR.size)


def least_squares(columns, record):
    """Return the coefficients of columns in a record, its faults and lost hours left out."""
    usual = np.isfinite(record)
    usual[usual] = np.abs(record[usual] - np.median(record[usual])) < 20
    return np.linalg.lstsq(np.column_stack(columns)[usual], record[usual], rcond=None)[0]


def test_minute_noise_leaves_the_hourly_mean_alone():
    air = 430 + 20 * np.sin(np.arange(240) / 3)
    quiet = minute_record(air, Instrument(hour_noise=2.0, minute_noise=0.0), np.random.default_rng(8))
    quiet = quiet.values.reshape(240, 60)
    noisy = minute_record(air, Instrument(hour_noise=2.0, minute_noise=1.5), np.random.default_rng(8))
    minutes = noisy.values.reshape(240, 60)
    same = np.isclose(minutes.mean(axis=1), quiet.mean(axis=1), rtol=0, atol=1e-9)
    # the others have a gap or a stuck spell, which hides part of the noise
    assert same.mean() > 0.7
    assert minutes[same].std(axis=1).min() > 0.5


def test_a_long_record_has_gaps_spikes_and_noise_of_the_stated_size():
    air = np.full(60 * 24, 430.0)
    minutes = minute_record(air, Instrument(hour_noise=1.5, minute_noise=0.5), np.random.default_rng(2)).values
    assert 0.02 < np.isnan(minutes).mean() < 0.15
    assert 60 < (minutes > 450).sum() < 300
    whole = minutes.reshape(-1, 60)
    whole = whole[~np.isnan(whole).any(axis=1)]
    assert np.median(whole, axis=1).std() == pytest.approx(1.5, rel=0.1)


def test_the_zero_of_a_micro_sensor_drifts_with_the_stated_size_and_memory():
    # a day's memory, so that 400 days hold some hundred independent offsets
    sensor = replace(QUIET, offset=3.0, offset_days=1.0)
    record = micro_record(AIR, sensor, STEADY, STEADY, np.random.default_rng(5)).values
    drift = np.where(np.abs(record - 430) < 12, record - 430, np.nan)
    assert np.nanstd(drift) == pytest.approx(3.0, rel=0.15)
    later = np.nanmean(drift[:-24] * drift[24:]) / np.nanvar(drift)
    assert later == pytest.approx(np.exp(-1), abs=0.1)


def test_sensors_move_with_temperature_and_humidity_each_by_its_own_amount():
    hours = np.arange(AIR.size)
    warm = 295 + 8 * np.sin(2 * np.pi * hours / 24)
    damp = 70 + 20 * np.cos(2 * np.pi * hours / 60)
    air = AIR + 15 * np.sin(2 * np.pi * hours / 37)
    sensor = replace(QUIET, per_kelvin=0.15, per_percent=0.03, slope=0.02)
    found = []
    for seed in range(40):
        record = micro_record(air, sensor, warm, damp, np.random.default_rng(seed)).values
        columns = [np.ones(air.size), air - 420, warm - warm.mean(), damp - damp.mean()]
        found.append(least_squares(columns, record - air)[1:])
    # a sample of 40 tells a standard deviation to 11 %
    np.testing.assert_allclose(np.std(found, axis=0), [0.02, 0.15, 0.03], rtol=0.4)
    assert np.all(np.abs(np.mean(found, axis=0)) < [0.01, 0.07, 0.015])


def test_a_micro_sensor_loses_hours_sticks_and_spikes_now_and_then():
    record = micro_record(AIR, replace(QUIET, hour_noise=1.0), STEADY, STEADY, np.random.default_rng(1)).values
    assert 0.03 < np.isnan(record).mean() < 0.07
    spikes = (record > 460).sum()
    stuck = (np.diff(record) == 0).sum()
    assert 0.05 * DAYS < spikes < 0.3 * DAYS
    assert 0.1 * DAYS < stuck < 0.5 * DAYS


def test_every_hour_with_a_spike_or_in_which_it_is_stuck_is_told():
    micro = micro_record(AIR, QUIET, STEADY, STEADY, np.random.default_rng(1))
    minutes = minute_record(AIR, QUIET, np.random.default_rng(1))
    for record in (micro, minutes):
        hours = record.values.reshape(AIR.size, -1)
        spiked = (np.nan_to_num(hours, nan=430.0) > 450).any(axis=1)
        assert record.harmed.shape == AIR.shape
        assert 0.001 < record.harmed.mean() < 0.1
        assert np.all(record.harmed[spiked])
        assert spiked.any()
        # an hour that is not harmed is the air, but for its noise
        np.testing.assert_allclose(hours[~record.harmed & np.isfinite(hours).all(axis=1)], 430.0, atol=1e-4)


def test_the_class_of_micro_sensors_has_the_hourly_error_of_field_tests():
    errors = []
    for seed in range(100):
        hours = np.arange(24 * 7)
        warm, damp = 299 + 5 * np.sin(2 * np.pi * hours / 24), 75 - 15 * np.sin(2 * np.pi * hours / 24)
        air = 440 + 15 * np.cos(2 * np.pi * hours / 24)
        sensor = replace(INSTRUMENTS["micro"], hour_noise=0.0)
        record = micro_record(air, sensor, warm, damp, np.random.default_rng(seed)).values
        errors.append(np.nanmedian((record - air) ** 2))
    # between 1.6 ppm, beside a reference site, and 3.6 ppm, without one (Delaria et al. 2021), the place's noise apart
    assert 1.6 < np.sqrt(np.mean(errors)) < 3.6


def test_late_files_are_whole_days_at_the_end_and_rare():
    rng = np.random.default_rng(0)
    cuts = np.array([late_from(24 * 7, rng) for _ in range(2000)])
    late = cuts < 24 * 7
    assert 0.03 < late.mean() < 0.07
    assert set(cuts[late]) == {24 * 5, 24 * 6}
    # the last file of a broken day may be late too, the first never
    assert {late_from(30, rng) for _ in range(500)} == {24, 30}
    assert {late_from(24, rng) for _ in range(500)} == {24}
