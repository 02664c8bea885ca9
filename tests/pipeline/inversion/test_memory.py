"""A window that cannot fit in memory is refused with numbers, and the estimate is of the size of what is taken."""

import tracemalloc

import numpy as np
import pipeline_windows as windows
import pytest
import scipy.sparse

from benchmarks.problems import SHAPES, make_problem
from pipeline.errors import ConfigError
from pipeline.inversion import (
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


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_plan_covers_what_the_solution_takes_and_is_not_far_above_it(name):
    problem = make_problem(SHAPES[name])
    hours, ny, nx = problem.state_shape
    weights = scipy.sparse.csr_array(np.kron(np.eye(5), np.ones(ny * nx // 5)))
    days = np.array([np.arange(hours) // 24 == day for day in range(hours // 24)])
    functionals = hourly_functionals(weights, hours, problem.prior.dtype)
    window = Window(
        hours=hours,
        cells=ny * nx,
        sectors=len(problem.covariances),
        observations=problem.value.size,
        entries=problem.footprint.nnz,
        regions=5,
        days=len(days),
        members=0,
        batch=8,
        item=problem.prior.dtype.itemsize,
        threads=2,
    )
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


def test_a_limit_of_the_user_is_kept_and_named():
    settings = windows.settings(memory_limit=0.01)
    with pytest.raises(ConfigError, match=r"of 0\.0 GB, most of it for the"):
        require_memory(settings, 30_000, 100)
