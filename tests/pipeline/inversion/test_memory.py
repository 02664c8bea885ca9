"""A window that cannot fit in memory is refused with numbers, and the estimate is of the size of what is taken."""

import tracemalloc

import numpy as np
import pipeline_windows as windows
import pytest
import scipy.sparse

from pipeline.errors import ConfigError
from pipeline.grid import Grid
from pipeline.inversion import (
    Problem,
    exponential_matrix,
    members,
    memory_needed,
    require_memory,
    separable_covariance,
    solve,
    spread_of,
)


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


def test_the_estimate_covers_what_the_solution_takes_and_is_not_far_above_it():
    # the hours, sectors and observations of `windows`, on 900 cells
    random = np.random.default_rng(5)
    grid = Grid.from_centres("EPSG:4326", 118 + 0.03 * np.arange(30), 28 + 0.03 * np.arange(30))
    shape, m = (windows.TIME.size, *grid.shape), 48
    problem = Problem(
        value=400 + random.normal(0, 3, m),
        variance=np.ones(m),
        background=np.full(m, 400.0),
        background_covariance=exponential_matrix(np.arange(m) / 2, 6.0),
        footprint=scipy.sparse.random_array((m, int(np.prod(shape))), density=0.02, rng=random, format="csr"),
        prior=random.normal(1, 1, (2, *shape)),
        covariances=(separable_covariance(np.ones(shape), grid, length=20.0, hours=6.0),) * 2,
    )
    solve(problem)  # compiled before anything is measured
    tracemalloc.start()
    solution = solve(problem)
    spread_of(solution, members(solution, 2, 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < memory_needed(windows.settings(), grid.size) < 3 * peak
