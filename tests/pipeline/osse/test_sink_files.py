"""Simulated towers: errors and faults of the stated kind, in files that ingest reads as what they are."""

import numpy as np
import pytest
from ingest_cases import registry, settings

from pipeline.ingest import read_sinks
from pipeline.osse.sink_files import FILL, tower_record, write_fluxnet
from pipeline.schema import Flag, is_used

START = np.datetime64("2024-07-15T00", "ns")
HALVES = 48 * 60
TIME = np.arange(HALVES) / 48
#: uptake by day about noon in China, respiration at night
FLUX = np.where(np.cos(2 * np.pi * (TIME - 4 / 24)) > 0, -18 * np.cos(2 * np.pi * (TIME - 4 / 24)), 5.0)
FRICTION = 0.3 + 0.2 * np.cos(2 * np.pi * TIME) + 0.1 * np.sin(2 * np.pi * TIME * 3.3)


def case(**changes):
    sink = {
        "id": "ZJ_S01", "format": "fluxnet", "files": ["s.csv"], "height": 40, "quality": "NEE_QC",
        "uncertainty": "NEE_RANDUNC", "friction_least": 0.15, "representation_error": 3.0,
    } | changes  # fmt: skip
    window = {"start": "2024-07-15T00:00:00Z", "end": "2024-09-13T00:00:00Z"}
    sector = {"name": "biosphere", "sigma_fraction": 0.5, "length": 50, "hours": 5}
    source = {"file": "flux.nc", "format": "netcdf", "variable": "flux"}
    return settings(
        case={"name": "t", "title": "t", "species": "co2", "flux_hours": window, "observation_hours": window},
        sectors=[{**sector, "sources": [source]}],
        sinks=[sink],
    )


def hourly(values):
    return values.reshape(-1, 2).mean(axis=1)


def test_an_undisturbed_tower_comes_back_hour_by_hour_with_its_error(tmp_path):
    record = tower_record(FLUX, np.full(HALVES, 0.4), np.random.default_rng(3), calm=0.15, faults=False)
    write_fluxnet(tmp_path / "s.csv", START, record)
    observations, accounts = read_sinks(case(), tmp_path, registry())
    assert accounts[0].rows == {"used": HALVES}
    assert np.all(observations["flag"].values == 0)
    assert observations["time"].values[0] == START
    np.testing.assert_allclose(observations["value"].values, hourly(record.flux), atol=6e-4)
    np.testing.assert_allclose(observations["uncertainty"].values, np.sqrt(hourly(record.sigma**2) / 2), rtol=1e-3)
    # the errors told are those made
    normal = (observations["value"].values - hourly(FLUX)) / observations["uncertainty"].values
    assert normal.std() == pytest.approx(1, abs=4 / np.sqrt(2 * normal.size))


def test_what_is_filled_drained_or_lost_is_never_used(tmp_path):
    record = tower_record(FLUX, FRICTION, np.random.default_rng(5), calm=0.15)
    write_fluxnet(tmp_path / "s.csv", START, record)
    observations, accounts = read_sinks(case(), tmp_path, registry())
    used = is_used(observations["flag"].values)
    good = (record.quality == 0) & (np.round(record.friction, 3) >= 0.15)
    flags = observations["flag"].values
    spike = (flags & int(Flag.SPIKE)) > 0
    np.testing.assert_array_equal(used, good.reshape(-1, 2).all(axis=1) & ~spike)
    # errors of long tails look like spikes now and then
    assert spike.mean() < 0.005
    filled = np.isin(record.quality, (1, 2, 3)).reshape(-1, 2).any(axis=1)
    np.testing.assert_array_equal((flags & int(Flag.GAP_FILLED)) > 0, filled)
    assert ((flags & int(Flag.LOW_TURBULENCE)) > 0).sum() > 50
    assert ((flags & int(Flag.MISSING)) > 0).any()
    assert sum(accounts[0].rows.values()) == HALVES
    assert {"used", "gap-filled", "low turbulence", "missing value"} <= set(accounts[0].rows)
    # what is left is unbiased: the errors of hours cancel
    left = (observations["value"].values - hourly(FLUX))[used]
    assert abs(left.mean()) < 4 * left.std() / np.sqrt(left.size)


def test_without_the_rule_for_calm_air_respiration_would_come_out_too_low(tmp_path):
    record = tower_record(FLUX, FRICTION, np.random.default_rng(5), calm=0.15)
    write_fluxnet(tmp_path / "s.csv", START, record)
    observations, _ = read_sinks(case(friction_least=0.0), tmp_path, registry())
    calm = hourly(FRICTION) < 0.13
    night = is_used(observations["flag"].values) & calm & (hourly(FLUX) > 4)
    assert observations["value"].values[night].mean() < 4.3


def test_gaps_are_filled_from_the_same_time_of_other_days():
    quiet = tower_record(FLUX, np.full(HALVES, 0.4), np.random.default_rng(7), calm=0.15)
    filled = np.isin(quiet.quality, (1, 2))
    assert 0.04 < filled.mean() < 0.3
    # within an hour of the right time of day, with the noise of some twenty half hours each
    assert np.sqrt(np.mean((quiet.flux - FLUX)[filled] ** 2)) < 2.0
    assert np.all(np.isnan(quiet.sigma[filled]))


def test_errors_of_measurements_have_the_stated_size_and_long_tails():
    long = np.tile(FLUX, 5)
    record = tower_record(long, np.full(long.size, 0.4), np.random.default_rng(2), calm=0.15)
    measured = record.quality == 0
    error = ((record.flux - long) / record.sigma)[measured]
    assert error.std() == pytest.approx(1, rel=0.05)
    # kurtosis of a Laplace distribution is 6, of a normal one 3
    assert np.mean(error**4) == pytest.approx(6, rel=0.25)


def test_the_file_is_local_standard_time_with_fills(tmp_path):
    record = tower_record(FLUX, FRICTION, np.random.default_rng(5), calm=0.15)
    write_fluxnet(tmp_path / "s.csv", START, record)
    lines = (tmp_path / "s.csv").read_text(encoding="ascii").splitlines()
    assert lines[0] == "TIMESTAMP_START,TIMESTAMP_END,NEE,NEE_QC,NEE_RANDUNC,USTAR"
    assert lines[1].startswith("202407150800,202407150830,")
    assert len(lines) == HALVES + 1
    assert any(f",{FILL:.0f},{FILL:.0f},{FILL:.0f},{FILL:.0f}" in line for line in lines)
