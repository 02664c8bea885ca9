"""The maximum of the likelihood, its errors, and the thinning before it."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import small_problem as small

from pipeline.inversion import (
    CorrelatedError,
    Likelihood,
    Parameter,
    Problem,
    parameters_of,
    restated,
    sector_covariance,
    taken,
    thinned,
    tune,
)

SECTORS = ("one",)
STATIONS, HOURS = 12, 60


def drawn(seed):
    """A window of two classes of stations that see a few cells each, drawn from what it states."""
    random = np.random.default_rng(seed)
    m, shape = STATIONS * HOURS, (HOURS, *small.SHAPE[1:])
    dense = np.zeros((STATIONS, *shape[1:]))
    dense.reshape(STATIONS, -1)[np.arange(STATIONS), random.permutation(20)[:STATIONS]] = 1.0
    dense += 0.1 * random.random(dense.shape)
    hour = np.repeat(np.arange(HOURS), STATIONS)
    whole = np.zeros((m, HOURS, 20))
    whole[np.arange(m), hour] = np.tile(dense.reshape(STATIONS, 20), (HOURS, 1))
    covariance = sector_covariance(np.full(shape, 2.0), small.GRID, length=40.0, hours=4.0)
    problem = Problem(
        value=np.zeros(m),
        variance=np.where(np.arange(m) % STATIONS < 4, 1.5, 4.0),
        background=np.full(m, 400.0),
        errors=(CorrelatedError("background", np.full(m, 0.2), hour.astype(float), np.zeros(m, int), 3.0),),
        footprint=scipy.sparse.csr_array(whole.reshape(m, -1)),
        prior=np.zeros((1, *shape)),
        covariances=(covariance,),
    )
    noise = np.sqrt(problem.variance) * random.standard_normal(m) + problem.errors[0].draw(random)
    truth = covariance.draw(random)[None]
    return replace(problem, value=400.0 + problem.project(truth) + noise)


CLASSES = np.where(np.arange(STATIONS * HOURS) % STATIONS < 4, "city", "micro")
SOUGHT = (
    *(Parameter(kind, "one") for kind in ("sigma", "length", "hours")),
    *(Parameter("inflation", name) for name in ("city", "micro")),
)
WRONG = np.array([2.0, 0.5, 1.7, 0.6, 1.6])


@pytest.fixture(scope="module")
def found():
    """Estimates over the truth and their stated errors, (seed, parameter) each, begun far from it."""
    ratios, errors = [], []
    for seed in range(5):
        stated = restated(drawn(seed), SECTORS, CLASSES, dict(zip(SOUGHT, WRONG.tolist(), strict=True)))
        tuned = tune(Likelihood(stated, SECTORS, CLASSES, SOUGHT))
        assert tuned.converged
        assert tuned.after.value > tuned.before.value
        assert tuned.after.chi2 == pytest.approx(1.0, abs=0.01)
        ratios.append(tuned.factor * WRONG)
        errors.append(tuned.error)
    return np.array(ratios), np.array(errors)


def test_what_was_drawn_is_found_within_20_percent(found):
    mean = np.exp(np.log(found[0]).mean(axis=0))
    np.testing.assert_allclose(mean, 1.0, atol=0.2)


def test_estimates_stray_as_far_as_their_stated_errors_say(found):
    score = np.log(found[0]) / found[1]
    assert np.sqrt(np.mean(score**2)) == pytest.approx(1.0, abs=0.5)
    assert np.all(np.abs(score) < 4)


def test_at_the_maximum_of_the_whole_the_slope_is_flat_in_units_of_the_error():
    problem = drawn(9)
    likelihood = Likelihood(problem, SECTORS, CLASSES, SOUGHT)
    tuned = tune(likelihood)
    gradient = likelihood.evaluate(np.log(tuned.factor)).gradient
    assert np.all(np.abs(gradient * tuned.error) < 0.1)


def test_a_parameter_without_trace_in_the_data_is_not_determined():
    problem = replace(drawn(1), errors=(replace(drawn(1).errors[0], sigma=np.full(CLASSES.size, 1e-6)),))
    sought = (*SOUGHT[:1], Parameter("shared hours", "background"))
    tuned = tune(Likelihood(problem, SECTORS, CLASSES, sought))
    assert tuned.determined.tolist() == [True, False]


def test_a_parameter_at_its_bound_is_not_determined_and_has_no_error():
    problem = drawn(2)
    huge = replace(problem, variance=problem.variance * 1e4)
    tuned = tune(Likelihood(huge, SECTORS, CLASSES, SOUGHT[3:]))
    assert tuned.bound.tolist() == [True, True]
    np.testing.assert_allclose(tuned.factor, 0.1)
    assert not tuned.determined.any()
    assert np.all(np.isinf(tuned.error))


def test_parameters_that_move_the_same_part_of_k_are_named_together():
    # a background error that lasts no time is a part of R
    problem = drawn(3)
    own = CorrelatedError("own", np.sqrt(problem.variance), np.arange(CLASSES.size) * 1.0, np.arange(CLASSES.size), 1.0)
    sought = (Parameter("shared sigma", "own"), Parameter("inflation", "city"))
    tuned = tune(Likelihood(replace(problem, errors=(own,)), SECTORS, np.full(CLASSES.size, "city"), sought))
    assert [(a.of, b.of) for a, b, _ in tuned.together()] == [("own", "city")]


def network(seed=1, **options):
    station = np.tile([f"S{i:02d}" for i in range(20)], 100)
    platform = np.tile(np.repeat(["city", "micro"], [5, 15]), 100)
    hour = np.repeat(np.arange(100), 20)
    kept = thinned(station, platform, hour, seed=seed, **options)
    return kept, station, platform, hour


def test_thinning_keeps_no_more_than_asked_and_is_fixed_by_its_seed():
    kept, *_ = network(most=300)
    assert 0.8 * 300 < kept.size <= 300
    assert np.all(np.diff(kept) > 0)
    np.testing.assert_array_equal(kept, network(most=300)[0])
    assert not np.array_equal(kept, network(seed=2, most=300)[0])
    np.testing.assert_array_equal(network(most=2000)[0], np.arange(2000))


def test_thinning_spreads_over_classes_stations_and_hours():
    kept, station, platform, hour = network(most=500)
    assert np.mean(platform[kept] == "city") == pytest.approx(0.25, abs=0.1)
    assert np.unique(station[kept]).size == 20
    quarters = np.bincount(hour[kept] // 25, minlength=4) / kept.size
    assert np.all((quarters > 0.15) & (quarters < 0.35))
    # hours that follow each other, and several stations of one hour
    pairs = {(s, h) for s, h in zip(station[kept], hour[kept], strict=True)}
    assert np.mean([((s, h + 1) in pairs) or ((s, h - 1) in pairs) for s, h in pairs]) > 0.9
    assert np.bincount(hour[kept]).max() >= 5


def test_every_nth_hour_alone_is_kept():
    kept, *_, hour = network(most=2000, every=7)
    assert set(np.unique(hour[kept])) == set(range(0, 100, 7))


def test_a_thinned_problem_has_the_same_covariances_of_what_is_left():
    problem = small.make_problem(dtype=np.float32)
    kept = np.array([0, 3, 7, 8, 13])
    part, whole = small.dense_algebra(taken(problem, kept)), small.dense_algebra(small.make_problem())
    np.testing.assert_allclose(part["k"], whole["k"][np.ix_(kept, kept)], rtol=1e-6)
    np.testing.assert_allclose(part["d"], whole["d"][kept], rtol=0, atol=1e-4)
    assert taken(problem, kept).footprint.dtype == np.float64
    assert len(parameters_of(taken(problem, kept), ("a", "b"), np.full(5, "city"))) == 10
