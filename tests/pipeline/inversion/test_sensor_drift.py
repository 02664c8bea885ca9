"""A sensor that drifts for half a year moves no flux by as much as half its sigma, once its bias is followed."""

import numpy as np
import pytest
import scipy.sparse

from pipeline.grid import Grid
from pipeline.ingest.bias import first_state, is_mixed, track
from pipeline.inversion import CorrelatedError, Problem, rows_of, sector_covariance, solve, totals
from pipeline.schema import HOUR
from station_meta import BiasRules, load_rules

RULES = load_rules().table("bias_filter", BiasRules)
#: days of the record, the last of which are inverted; ppm a day
DAYS, WINDOW, DRIFT = 180, 7, 0.15
START = np.datetime64("2024-01-01T00", "ns")


def flux(drift, *, followed, seed):
    """Posterior of one flux factor and its sigma, from the last week of a sensor that sees a plume but at midday."""
    rng = np.random.default_rng(seed)
    hour = np.arange(24 * DAYS)
    time = START + hour * HOUR
    local = time.astype("datetime64[h]") + 8 * HOUR
    mixed = is_mixed(local, RULES) & (rng.random(hour.size) < 0.6)
    seen = np.where(is_mixed(local, RULES), 0.0, 2.0)
    air = 420.0 + seen * rng.normal(0.0, 1.0)
    sensor = air + drift * hour / 24 + rng.normal(0.0, 1.6, hour.size)
    field = np.where(mixed, 420.0 + rng.normal(0.0, 0.5, hour.size), np.nan)
    day = local.astype("datetime64[D]").astype(np.int64)
    found, _ = track(first_state(time[0], RULES), time, day, sensor - field, RULES)
    late = np.flatnonzero((hour >= 24 * (DAYS - WINDOW)) & ~found.used)
    value = (sensor - found.bias if followed else sensor)[late]
    grid = Grid("EPSG:4326", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    problem = Problem(
        value=value,
        variance=np.full(late.size, 1.6**2 + 4.0**2),
        background=np.full(late.size, 420.0),
        errors=(CorrelatedError("offset", found.sigma[late], hour[late] * 1.0, np.zeros(late.size, np.int64), 100.0),),
        footprint=scipy.sparse.csr_array(seen[late][:, None]),
        prior=np.zeros((1, 1, 1, 1)),
        covariances=(sector_covariance(np.ones((1, 1, 1)), grid, length=10.0, hours=1.0),),
    )
    answer = solve(problem)
    total = totals(answer, rows_of(scipy.sparse.csr_array(np.ones((1, 1))), 1))
    return answer.flux.item(), np.sqrt(total.posterior_covariance.item())


@pytest.mark.parametrize("seed", range(5))
def test_half_a_year_of_drift_moves_the_flux_by_less_than_half_its_sigma(seed):
    sound, sigma = flux(0.0, followed=True, seed=seed)
    drifting, _ = flux(DRIFT, followed=True, seed=seed)
    assert 0.05 < sigma < 0.9
    assert abs(drifting - sound) < 0.5 * sigma
    # 26 ppm that nobody followed
    assert flux(DRIFT, followed=False, seed=seed)[0] - sound > 2.0 * sigma
