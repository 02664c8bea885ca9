"""Our footprints beside STILT's on the same weather file (docs/parity.md has the whole comparison).

The weather is given without its outermost cells, because STILT ends particles one cell inside its rim.
"""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.parity import stilt
from benchmarks.parity.results import HOURLY, LEAST_R, RECEPTORS, SPREAD, TOTAL

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
RECEPTOR = range(RECEPTORS)
#: the emulator of STILT's vertical scheme in our winds, first hours
EARLY, EARLY_PARTICLES = 3, 4000


@pytest.fixture(scope="module")
def case():
    if not (SHARED / "reference/stilt/weather.arl").exists():
        pytest.skip("needs ../shared/reference")
    return stilt.load(SHARED)


@pytest.fixture(scope="module")
def runs(case):
    return [(stilt.ours(case, number), case.theirs(number)) for number in RECEPTOR]


def test_the_total_is_that_of_stilt(runs):
    for number, (ours, theirs) in enumerate(runs):
        # C: a total of STILT's 2000 particles is itself uncertain by 3.6 % there (docs/parity.md)
        assert ours.total / theirs.total == pytest.approx(1.0, abs=TOTAL + (0.02 if number == 2 else 0.0))


def test_the_map_is_that_of_stilt_away_from_the_receptor(case, runs):
    for number, (ours, theirs) in enumerate(runs):
        assert stilt.correlation(case, number, ours.field.sum(axis=0), theirs.field.sum(axis=0)) >= LEAST_R


def test_the_plume_spreads_as_that_of_stilt(runs):
    compared = 0
    for number, (ours, theirs) in enumerate(runs):
        blocks = stilt.spread_ratios(ours, theirs)
        blocks = blocks[np.isfinite(blocks)]
        # night, block 2: STILT's vertical scheme in our winds gives the same excess, which is the horizontal floor's
        most = SPREAD + 0.02 if number == 1 else SPREAD
        np.testing.assert_allclose(blocks, 1.0, atol=most)
        compared += blocks.size
    # blocks in which both models keep over half of their particles: 4, 3 and 2
    assert compared == 9


def test_hourly_totals_are_those_of_stilt(runs):
    # First hour by day at 10 m: STILT's lowest layer, 0 to 75 m, has the turbulence of 10 m and mixes too slowly (the
    # emulator test below). Beyond 15 % elsewhere: its levels too (night), and the noise of its 2000 particles (day).
    beyond = 0
    for number, (ours, theirs) in enumerate(runs):
        kept = theirs.kept > stilt.KEPT
        ratio = ours.hourly[kept] / theirs.hourly[kept]
        slow = 1 if number == 0 else 0
        assert 0.70 < ratio[0] <= 1.0 + HOURLY
        np.testing.assert_allclose(ratio[slow:], 1.0, atol=HOURLY + 0.08)
        beyond += int(np.sum(np.abs(ratio - 1.0) > HOURLY))
    assert beyond <= 17


@pytest.mark.parametrize("number", RECEPTOR)
def test_the_first_hours_differ_because_stilt_has_constant_profiles_between_coarse_levels(case, runs, number):
    ours, theirs = runs[number]
    emulated = stilt.emulated(case, number, particles=EARLY_PARTICLES, hours=EARLY)
    found = emulated.hourly[:EARLY] / theirs.hourly[:EARLY]
    np.testing.assert_allclose(found, 1.0, atol=0.06)
    # and as far up, or not, after an hour
    np.testing.assert_allclose(emulated.height[0], theirs.height[0], rtol=0.06)
    assert abs(ours.height[0] / theirs.height[0] - 1.0) > abs(emulated.height[0] / theirs.height[0] - 1.0)
