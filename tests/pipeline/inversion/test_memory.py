"""A window that cannot fit in memory is refused with numbers, and the estimate is of the size of what is taken."""

import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pipeline_windows as windows
import pytest
import scipy.sparse

from benchmarks.problems import SHAPES, make_problem
from pipeline.errors import ConfigError
from pipeline.inversion import (
    Asked,
    Sources,
    blocks_of,
    draw,
    hourly_functionals,
    hourly_totals,
    members,
    memory_needed,
    period_totals,
    require_memory,
    solve,
    spread_of,
)
from pipeline.inversion.memory import Window, plan


def test_a_window_larger_than_memory_is_refused_with_its_size():
    settings = windows.settings()
    needed = memory_needed(settings, 30_000, 100)
    require_memory(settings, 30_000, 100, available=needed)
    with pytest.raises(ConfigError, match=r"30 hours x 30000 cells x 2 sectors, up to 48 observations and 100 regions"):
        require_memory(settings, 30_000, 100, available=needed - 1)


def test_a_decade_of_hours_is_refused_on_any_machine():
    case = windows.settings().case
    hours = case.flux_hours.model_copy(update={"end": case.flux_hours.end.replace(year=2034)})
    case = case.model_copy(update={"flux_hours": hours, "observation_hours": hours})
    decade = windows.settings().model_copy(update={"case": case})
    with pytest.raises(ConfigError, match=r"the window must fit in memory.*GB"):
        require_memory(decade, 30_000)


def functionals_of(problem):
    """Totals of five regions in every hour: the regions and the rows."""
    hours, ny, nx = problem.state_shape
    weights = scipy.sparse.csr_array(np.kron(np.eye(5), np.ones(ny * nx // 5)))
    return weights, hourly_functionals(weights, hours, problem.prior.dtype)


def window_of(problem, **changes):
    hours, ny, nx = problem.state_shape
    return Window(
        hours=hours,
        cells=ny * nx,
        sectors=len(problem.covariances),
        observations=problem.value.size,
        entries=problem.footprint.nnz,
        regions=5,
        days=hours // 24,
        members=0,
        batch=8,
        item=problem.prior.dtype.itemsize,
        threads=2,
        **changes,
    )


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_plan_covers_what_the_solution_takes_and_is_not_far_above_it(name):
    problem = make_problem(SHAPES[name])
    weights, functionals = functionals_of(problem)
    hours = problem.state_shape[0]
    days = np.array([np.arange(hours) // 24 == day for day in range(hours // 24)])
    window = window_of(problem)
    tracemalloc.start()
    solution = solve(problem, functionals=functionals, threads=2)
    spread_of(solution, members(solution, 8, 1))
    hourly_totals(solution, weights)
    period_totals(solution, weights, days, threads=2)
    solution.factor.inverse()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the problem itself was there before: H as it was read
    held = problem.footprint.data.nbytes + problem.footprint.indices.nbytes
    assert peak < sum(plan(window).values()) < 3 * (peak + held)


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_plan_covers_what_a_worker_takes_and_is_not_far_above_it(name):
    problem = make_problem(SHAPES[name])
    told = pickle.dumps(Sources(problem, functionals_of(problem)[1]), protocol=5)
    half, rows = np.arange(problem.value.size // 2), problem.value.size
    tracemalloc.start()
    sources = pickle.loads(told)
    # a part of the products: what is asked for stands beside what it was taken from
    asked = Asked(half, np.arange(rows), half + 1, rows)
    work = sources.work(0, asked)
    work.block(blocks_of(work.span)[0])
    deviation, _ = draw(sources.problem, 1, 0)
    update = sources.problem.correction(np.ones(rows))
    held = deviation, update, deviation - update
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(held) == 3
    one, none = (plan(window_of(problem, workers=count))["workers"] for count in (1, 0))
    assert none == 0
    assert peak < one < 3 * peak


def test_every_worker_has_the_problem_for_itself_but_members_are_spread_over_them():
    window = window_of(make_problem(SHAPES["tiny"]))
    one, two, ten = (plan(replace(window, workers=count)) for count in (1, 2, 10))
    assert ten["workers"] - two["workers"] == 8 * (two["workers"] - one["workers"]) > 0
    assert {name for name in one if one[name] != ten[name]} == {"workers"}
    # a chain is made by the process that asks for it
    assert plan(replace(window, workers=10, chain=True))["workers"] == 0


def test_a_window_that_fits_alone_but_not_with_its_workers_is_refused_with_what_helps():
    settings = windows.settings()
    needed = memory_needed(settings, 30_000, 100)
    with pytest.raises(
        ConfigError, match=r"for the workers'\. Remedy: use fewer processes \(solver\.threads\), shorten"
    ):
        require_memory(settings, 30_000, 100, workers=64, available=needed)
    with pytest.raises(ConfigError, match=r"Remedy: shorten"):
        require_memory(settings, 30_000, 100, available=needed - 1)


def test_a_limit_of_the_user_is_kept_and_named():
    settings = windows.settings(memory_limit=0.01)
    with pytest.raises(ConfigError, match=r"of 0\.0 GB, most of it for the"):
        require_memory(settings, 30_000, 100)
