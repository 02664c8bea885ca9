"""Blocks of K and members made by workers are those of threads, to the bit."""

import os
import pickle

import numpy as np
import pipeline_windows as windows
import pytest
import scipy.sparse

from benchmarks.problems import SHAPES, make_problem
from pipeline.case import AssembledCase, inverted
from pipeline.errors import ConfigError
from pipeline.inversion import (
    Sources,
    assemble,
    hourly_functionals,
    kept_signal,
    members,
    memory_needed,
    signal,
    solution_of,
)
from pipeline.inversion_dask import processes_here, team

distributed = pytest.importorskip("distributed", reason="needs the extra scale")
COUNT = 19  # members: two batches and a part of one


@pytest.fixture(scope="module")
def problem():
    return make_problem(SHAPES["tiny"])


@pytest.fixture(scope="module")
def functionals(problem):
    hours, ny, nx = problem.state_shape
    weights = scipy.sparse.csr_array(np.random.default_rng(1).random((3, ny * nx)))
    return hourly_functionals(weights, hours, problem.prior.dtype)


@pytest.fixture(scope="module")
def alone(problem, functionals):
    return signal(problem, functionals=functionals)


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as made:
        yield made


def require_same(found, alone):
    np.testing.assert_array_equal(found.system, alone.system)
    np.testing.assert_array_equal(found.totals, alone.totals)


def drawn(draws):
    return np.array([np.stack(pair) for pair in draws])


def test_workers_give_the_numbers_of_threads(problem, functionals, alone, cluster):
    with team(cluster.scheduler_address) as workers:
        found = signal(problem, functionals=functionals, run=workers.run)
        require_same(found, alone)
        solution = solution_of(problem, found)
        expected = drawn(members(solution, COUNT, 3))
        np.testing.assert_array_equal(drawn(workers.draw(solution, COUNT, 3)), expected)


def test_a_worker_with_threads_gives_the_same_numbers(problem, functionals, alone):
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as one,
        team(one.scheduler_address) as workers,
    ):
        found = signal(problem, functionals=functionals, run=workers.run)
        require_same(found, alone)
        solution = solution_of(problem, found)
        np.testing.assert_array_equal(drawn(workers.draw(solution, 8, 3)), drawn(members(solution, 8, 3)))


def test_workers_fill_the_cache_as_threads_do(problem, functionals, alone, cluster, tmp_path):
    def contents(folder):
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    kept_signal(problem, tmp_path / "threads", 0, functionals=functionals)
    folder = tmp_path / "workers"
    with team(cluster.scheduler_address) as workers:
        require_same(kept_signal(problem, folder, 0, functionals=functionals, run=workers.run), alone)
        assert contents(folder) == contents(tmp_path / "threads")
        # a part of the columns, too
        next(folder.glob("*-totals-*")).unlink()
        require_same(kept_signal(problem, folder, 0, functionals=functionals, run=workers.run), alone)


def test_another_problem_on_the_same_workers_is_its_own(functionals, cluster):
    with team(cluster.scheduler_address) as workers:
        for seed in (3, 4):
            other = make_problem(SHAPES["tiny"], seed)
            found = signal(other, functionals=functionals, run=workers.run)
            require_same(found, signal(other, functionals=functionals))


def test_what_workers_are_told_holds_the_entries_of_h_once(problem):
    sources = Sources(problem)
    assert sources.rows.value.size == problem.footprint.nnz
    told = len(pickle.dumps(sources, protocol=5))
    fields = problem.prior.nbytes + sum(c.sigma.nbytes for c in problem.covariances)
    entry = problem.footprint.data.itemsize + problem.footprint.indices.itemsize + sources.rows.cell.itemsize
    assert told < fields + entry * problem.footprint.nnz + 20_000


def test_a_scheduler_without_workers_is_told():
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        pytest.raises(ConfigError, match="the scheduler must have workers"),
        team(empty.scheduler_address),
    ):
        pass


def test_processes_of_this_machine_are_counted_and_those_behind_an_address_are_not():
    assert processes_here("local", 3) == 3
    assert processes_here("local") == os.cpu_count()
    assert processes_here(None, 3) == processes_here("tcp://127.0.0.1:8786", 3) == 0


def test_a_case_whose_workers_do_not_fit_is_refused_before_they_start(monkeypatch):
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    settings = windows.settings(threads=50)
    inputs = (observed, rows, windows.background(rows), windows.fluxes(random))
    given = AssembledCase(observed, windows.TIME, assemble(settings, windows.GRID, *inputs), [], [])
    alone = memory_needed(settings, windows.GRID.size, 3, given.assembled.problem.footprint.nnz)
    solver = settings.solver.model_copy(update={"memory_limit": alone / 2**30})
    limited = settings.model_copy(update={"solver": solver})
    monkeypatch.setattr("pipeline.inversion_dask.workers", lambda *_: 1 / 0)
    with pytest.raises(ConfigError, match=r"the window must fit in memory.*use fewer processes"):
        inverted(limited, windows.GRID, windows.regions(), given, scheduler="local")
    with pytest.raises(ZeroDivisionError):
        inverted(limited, windows.GRID, windows.regions(), given, scheduler="tcp://127.0.0.1:8786")
