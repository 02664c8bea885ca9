"""The innovation gate: what goes, what stays, and that the rest is solved as if what went had never been."""

from dataclasses import replace

import numpy as np
import pipeline_windows as windows
import pytest
import small_problem as small

from pipeline.inversion import assemble, gate_notes, gate_of, marked, passing, signal, solution_of, solve, through
from pipeline.inversion.result_observed import observed_variables
from pipeline.schema import Flag, is_used

#: nine observations in the first hour, five in the second
TIME = np.datetime64("2024-07-15T00") + np.repeat([0, 60], [9, 5]) * np.timedelta64(1, "m")

CITY = np.full(small.M, "city", dtype=object)


def stated(problem):
    """Standard deviation of every innovation, from full matrices."""
    return np.sqrt(np.diag(small.dense_algebra(problem)["k"]))


def at_sigma(problem, sigmas):
    """The problem with innovations of so many sigma."""
    return replace(problem, value=problem.prior_value() + sigmas * stated(problem))


@pytest.fixture(scope="module")
def problem():
    return small.make_problem()


def test_an_innovation_passes_up_to_the_stated_number_of_sigma(problem):
    sigmas = np.zeros(small.M)
    sigmas[[1, 5]] = 3.001, -3.001
    sigmas[[2, 6]] = 2.999, -2.999
    far = at_sigma(problem, sigmas)
    gate = gate_of(far, signal(far), TIME, CITY, 3.0)
    assert np.flatnonzero(~gate.passed).tolist() == [1, 5]
    assert gate.degraded.size == 0


def test_no_gate_lets_everything_pass(problem):
    far = at_sigma(problem, np.full(small.M, 99.0))
    assert gate_of(far, signal(far), TIME, CITY, 0.0).passed.all()


def test_an_hour_that_would_lose_more_than_a_quarter_loses_none_and_is_degraded(problem):
    sigmas = np.zeros(small.M)
    sigmas[[0, 1]] = 9.0  # 2 of 9
    sigmas[[10, 11]] = 9.0  # 2 of 5
    far = at_sigma(problem, sigmas)
    gate = gate_of(far, signal(far), TIME, CITY, 3.0)
    assert np.flatnonzero(~gate.passed).tolist() == [0, 1]
    assert gate.degraded.astype("datetime64[h]").tolist() == [TIME[-1].astype("datetime64[h]").tolist()]


def test_towers_and_satellites_do_not_use_up_the_quarter_of_the_stations(problem):
    sigmas = np.zeros(small.M)
    sigmas[[0, 1, 2]] = 9.0
    far = at_sigma(problem, sigmas)
    made = signal(far)
    # three of nine are too many
    assert gate_of(far, made, TIME, CITY, 3.0).passed.all()
    # one of seven stations, and both towers
    kinds = CITY.copy()
    kinds[[1, 2]] = "sink"
    gate = gate_of(far, made, TIME, kinds, 3.0)
    assert np.flatnonzero(~gate.passed).tolist() == [0]
    assert gate.degraded.size == 1


def test_what_passes_is_solved_as_if_the_rest_had_never_been(problem):
    functionals = small.functionals()[1]
    passed = ~np.isin(np.arange(small.M), [0, 4, 7, 13])
    expected = solve(problem.take(np.flatnonzero(passed)), functionals=functionals)
    found = solution_of(problem.take(np.flatnonzero(passed)), through(signal(problem, functionals=functionals), passed))
    np.testing.assert_allclose(found.flux, expected.flux, rtol=1e-12)
    np.testing.assert_allclose(found.totals, expected.totals, rtol=1e-12)
    np.testing.assert_allclose(found.factor.lower, expected.factor.lower, rtol=0, atol=1e-10)


def test_a_spike_that_passes_no_gate_moves_no_flux(problem):
    spike = np.zeros(small.M)
    spike[3] = 200.0
    clean, spoilt = at_sigma(problem, np.zeros(small.M)), at_sigma(problem, spike)
    found = []
    for one in (clean, spoilt):
        made = signal(one)
        passed = gate_of(one, made, TIME, CITY, 3.0).passed
        passed[3] = False
        found.append(solution_of(one.take(np.flatnonzero(passed)), through(made, passed)).flux)
    assert not gate_of(spoilt, signal(spoilt), TIME, CITY, 3.0).passed[3]
    np.testing.assert_array_equal(found[0], found[1])


@pytest.fixture(scope="module")
def gated():
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    inputs = (observed, rows, windows.background(rows), windows.fluxes(random))
    before = assemble(windows.settings(precision="double"), windows.GRID, *inputs)
    passed = np.ones(before.time.size, bool)
    passed[[2, 11]] = False
    return observed, before, passed, passing(before, passed)


def test_rows_that_do_not_pass_are_told_and_flagged(gated):
    observed, before, passed, after = gated
    gone = before.air.rows[~passed[before.air.at]]
    assert after.air.reason[gone].tolist() == ["flagged innovation"] * 2
    flagged = marked(observed, before.air, passed)
    assert np.flatnonzero((flagged["flag"] & Flag.INNOVATION) > 0).tolist() == sorted(gone.tolist())
    assert not is_used(flagged["flag"].values[gone]).any()
    assert not (observed["flag"] & Flag.INNOVATION).any()


def test_what_is_left_keeps_its_own_values(gated):
    observed, _, _, after = gated
    solution = windows.solved(after.problem)
    left_out = type("LeftOut", (), {"residual": solution.innovation, "sigma": solution.innovation})
    told = observed_variables(solution, after.air, observed, left_out, "ppm", "obs")
    posterior = told["obs_posterior"][1]
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(posterior)), np.sort(after.air.rows))
    np.testing.assert_allclose(posterior[after.air.rows], solution.modelled[after.air.at])
    np.testing.assert_array_equal(observed["value"].values[after.air.rows], after.problem.value[after.air.at])
    np.testing.assert_array_equal(observed["station"].values[after.air.rows], after.station[after.air.at])


def test_notes_name_classes_and_degraded_hours(problem):
    sigmas = np.zeros(small.M)
    sigmas[[0, 10, 11]] = 9.0
    far = at_sigma(problem, sigmas)
    gate = gate_of(far, signal(far), TIME, CITY, 3.0)
    platform = np.where(np.arange(small.M) < 3, "micro", "city")
    first, second = gate_notes(gate, platform, 3.0)
    assert "1 of 14 observations lie more than 3 sigma" in first
    assert "(micro 1)" in first
    assert "degraded: in 1 hour(s), the first 2024-07-15T01Z" in second
