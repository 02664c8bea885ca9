"""Our advection beside MPTRAC's parcels on real ERA5 (docs/parity.md has the whole comparison).

MPTRAC ran with its diffusion on, so single parcels cannot be followed; means over the parcels, and its recorded winds,
can.
"""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.parity import mptrac

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
TOLERANCE = 0.01


@pytest.fixture(scope="module")
def case():
    if not (SHARED / "data/dispersion/mptrac_munich").exists():
        pytest.skip("needs ../shared/data")
    return mptrac.load(SHARED)


@pytest.fixture(scope="module")
def result(case):
    return mptrac.measure(case)


def test_no_parcel_comes_near_the_cut_margin(case, result):
    assert case.left_out == "rows south 1, north 2; columns west 1, east 0"
    assert result.outside == 0


def test_the_resolved_wind_is_read_as_mptrac_reads_it(result):
    assert result.pressure < 1e-4


def test_the_mean_of_the_parcels_goes_where_that_of_mptrac_goes(result):
    assert result.mean_apart[-1] <= TOLERANCE * result.mean_went[-1]
    assert result.step_bias <= TOLERANCE * result.step_length
    # the noise of the means is below the tolerance, so they tell something
    assert result.mean_error < TOLERANCE * result.mean_went[-1]


def test_single_parcels_are_as_far_away_as_mptracs_own_twins(result):
    # 10 % of the way, not 1 %: the random walk of the reference, seen in parcels it released side by side
    assert result.pairs > 100
    assert result.apart[-1] > TOLERANCE * result.went[-1]
    np.testing.assert_allclose(result.apart[1:], result.twins[1:], rtol=0.15)


def test_production_winds_are_within_a_few_percent_of_mptracs(result):
    # fixed heights cut the corners of ERA5's profile; the winds are slow
    assert result.production < 0.03


def test_the_outer_step_is_short_enough(result):
    assert result.halved < 1.0
