"""What is left of a sensor's bias is its offset's error, and what told the bias is no evidence a second time."""

from dataclasses import replace

import numpy as np
import pipeline_windows as windows
import pytest
import scipy.sparse

from pipeline.grid import Grid
from pipeline.ingest.bias import first_state, track
from pipeline.inversion import CorrelatedError, Problem, assemble, rows_of, sector_covariance, solve, totals
from pipeline.schema import HOUR, label
from pipeline.settings import OffsetSettings
from station_meta import BiasRules, load_rules

RULES = replace(load_rules().table("bias_filter", BiasRules), walk=0.01)


def assembled(offset_sigma):
    """The shared window with an offset at BBB, and what its observations say of it."""
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    settings = windows.settings(precision="double")
    feeds = [
        feed.model_copy(update={"offset": OffsetSettings(sigma=3.0, hours=50.0)}) if feed.id == "BBB" else feed
        for feed in settings.stations
    ]
    if offset_sigma is not None:
        given = np.where(observed["station"].values == "AAA", 7.0, offset_sigma)
        observed = label(observed.assign(offset_sigma=("obs", given)), "observations")
    settings = settings.model_copy(update={"stations": feeds})
    found = assemble(settings, windows.GRID, observed, rows, windows.background(rows), windows.fluxes(random))
    offset = next(error for error in found.problem.errors if error.name == "offset")
    return found.station, offset.sigma


def test_an_offset_is_as_large_as_the_observations_say_else_as_the_settings_do():
    station, plain = assembled(None)
    np.testing.assert_array_equal(plain, np.where(station == "BBB", 3.0, 0.0))
    # a feed without an offset has none, whatever its observations say
    np.testing.assert_array_equal(assembled(1.25)[1], np.where(station == "BBB", 1.25, 0.0))
    np.testing.assert_array_equal(assembled(np.nan)[1], plain)


#: hours of well-mixed air, hours in which the sensor stands in a plume, and spectrometers in well-mixed air
MIXED, PLUME, SPECTROMETERS = 12, 60, 3
BACKGROUND, NOISE = 2.0, 0.5


def factor_error(rng, *, held_out):
    """Error over sigma of one flux factor: the spectrometers tell the background and, through it, the sensor's bias."""
    truth, bias, shift = rng.normal(0.0, 1.0), rng.normal(0.0, 5.0), rng.normal(0.0, BACKGROUND)
    time = np.datetime64("2024-07-15T00", "ns") + np.arange(MIXED + PLUME) * HOUR
    day = time.astype("datetime64[D]").astype(np.int64)
    seen = np.where(np.arange(time.size) < MIXED, 0.0, 1.0)
    air = 420.0 + shift + seen * truth
    sensor = air + bias + rng.normal(0.0, np.sqrt(RULES.observation**2 - NOISE**2 / SPECTROMETERS), time.size)
    precise = air[:MIXED] + rng.normal(0.0, NOISE, (SPECTROMETERS, MIXED))
    field = np.append(precise.mean(axis=0), np.full(PLUME, np.nan))
    found, _ = track(first_state(time[0], RULES), time, day, sensor - field, RULES)
    kept = np.flatnonzero(~found.used) if held_out else np.arange(time.size)
    hours = np.concatenate([np.tile(np.arange(MIXED), SPECTROMETERS), kept]).astype(float)
    count = precise.size
    one = np.zeros(hours.size, np.int64)
    offset = np.append(np.zeros(count), found.sigma[kept])
    grid = Grid("EPSG:4326", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    problem = Problem(
        value=np.append(precise, (sensor - found.bias)[kept]),
        variance=np.append(np.full(count, NOISE**2), np.full(kept.size, RULES.observation**2)),
        background=np.full(hours.size, 420.0),
        errors=(
            CorrelatedError("background", np.full(hours.size, BACKGROUND), hours, one, 1e6),
            CorrelatedError("offset", offset, hours, one, 1e6),
        ),
        footprint=scipy.sparse.csr_array(np.append(np.zeros(count), seen[kept])[:, None]),
        prior=np.zeros((1, 1, 1, 1)),
        covariances=(sector_covariance(np.ones((1, 1, 1)), grid, length=10.0, hours=1.0),),
    )
    answer = solve(problem)
    total = totals(answer, rows_of(scipy.sparse.csr_array(np.ones((1, 1))), 1))
    return (answer.flux.item() - truth) / np.sqrt(total.posterior_covariance.item())


@pytest.mark.parametrize(("held_out", "low", "high"), [(True, 0.9, 1.1), (False, 1.25, 2.0)])
def test_hours_that_told_the_bias_are_evidence_once(held_out, low, high):
    rng = np.random.default_rng(12)
    errors = [factor_error(rng, held_out=held_out) for _ in range(400)]
    # the root mean square of 400 draws is known to 1 / sqrt(800) = 0.035
    assert low < np.sqrt(np.mean(np.square(errors))) < high
