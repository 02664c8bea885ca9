"""The inversion on its reference problems: `python -m benchmarks.inversion [tiny] [--export FOLDER]`.

A is compared with dense float64 algebra; C is run in a fresh process, once with an empty kernel cache (compilation
counts) and once with a full one; growth is shown by sweeps in observations and in cells. Problems A and B are exported
as plain npz on request.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.sparse

from benchmarks.cases import Figure, machine
from benchmarks.fresh import run_fresh
from benchmarks.problems import SHAPES, Shape, export, make_problem
from pipeline.inversion import (
    Problem,
    Separable,
    averaging_kernel,
    combined,
    hourly_functionals,
    hourly_totals,
    members,
    period_totals,
    signal,
    solution_of,
    solve,
    spread_of,
)

#: regions as the province has them: whole, cities, counties
_CITIES, _COUNTIES = 11, 90


def regions(ny: int, nx: int) -> scipy.sparse.csr_array:
    """Return a province of the grid, cut into cities and counties of about equal size: (region, cell)."""
    number = np.arange(ny * nx) * _COUNTIES // (ny * nx)
    city = number * _CITIES // _COUNTIES
    rows = [np.ones(ny * nx)] + [city == c for c in range(_CITIES)] + [number == c for c in range(_COUNTIES)]
    return scipy.sparse.csr_array(np.array(rows, dtype=float))


def dense_error(problem: Problem) -> float:
    """Return the largest difference of the mean from dense float64 algebra, relative to the largest correction."""
    m = problem.value.size
    system, smoothed = np.diag(problem.variance), []
    for covariance in problem.covariances:
        assert isinstance(covariance.spatial, Separable)
        axes = (covariance.temporal.matrix, covariance.spatial.axis_matrix(0), covariance.spatial.axis_matrix(1))
        h = (problem.footprint.toarray().astype(float) * covariance.sigma.ravel()).reshape(-1, *covariance.shape)
        smoothed.append(np.einsum("mtyx,ts,yu,xv->msuv", h, *axes, optimize=True))
        system = system + smoothed[-1].reshape(m, -1) @ h.reshape(m, -1).T
    for error in problem.errors:
        same = error.group[:, None] == error.group[None, :]
        lag = np.abs(error.hours[:, None] - error.hours[None, :])
        system += same * np.exp(-lag / error.e_folding) * error.sigma[:, None] * error.sigma[None, :]
    innovation = problem.value - problem.background - problem.footprint @ problem.prior.sum(axis=0).ravel()
    weights = np.linalg.solve(system, innovation)
    sigma = np.stack([c.sigma for c in problem.covariances])
    correction = sigma * np.stack([np.einsum("m,mtyx->tyx", weights, part) for part in smoothed])
    found = solve(problem).flux - problem.prior
    return float(np.abs(found - correction).max() / np.abs(correction).max())


def stages(problem: Problem, count: int) -> dict[str, float]:
    """Return the seconds of every stage of one inversion, and its peak of memory, GiB."""
    hours, ny, nx = problem.state_shape
    fractions = regions(ny, nx)
    observed = np.arange(hours) >= hours // 4
    days = np.array([observed & (np.arange(hours) // 24 == day) for day in range(-(-hours // 24))])
    days = days[days.any(axis=1)]
    out: dict[str, float] = {}

    def timed(name: str, function: Callable[[], object]) -> object:
        start = time.perf_counter()
        result = function()
        out[name] = time.perf_counter() - start
        return result

    totals = hourly_functionals(fractions, hours, problem.prior.dtype)
    found = timed("K and what totals need", lambda: signal(problem, functionals=totals))
    solution = timed("factor and weights", lambda: solution_of(problem, found))  # type: ignore[arg-type]
    timed("posterior mean", lambda: solution.flux)  # type: ignore[attr-defined]
    timed("totals of regions, hourly", lambda: hourly_totals(solution, fractions))  # type: ignore[arg-type]
    daily = timed("totals of regions, daily", lambda: period_totals(solution, fractions, days))  # type: ignore[arg-type]
    everything = np.ones((1, len(days)), dtype=bool)
    timed("totals of regions, all", lambda: combined(daily, everything, fractions.shape[0]))  # type: ignore[arg-type]
    timed("averaging kernels", lambda: averaging_kernel(solution, fractions, fractions, observed))  # type: ignore[arg-type]
    timed(f"{count} members", lambda: spread_of(solution, members(solution, count, 1)))  # type: ignore[arg-type]
    timed("inverse for diagnostics", solution.factor.inverse)  # type: ignore[attr-defined]
    out["peak memory, GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return out


def fresh_stages(problem: str, count: int, cache: str) -> dict[str, float]:
    """Return `stages` of a pickled problem in a fresh process, with the seconds of its imports."""
    code = (
        "import time; start = time.perf_counter()\n"
        "import json, pickle\n"
        "from benchmarks.inversion import stages\n"
        f"problem = pickle.load(open({problem!r}, 'rb'))\n"
        "begun = time.perf_counter() - start\n"
        f"found = stages(problem, {count})\n"
        "print(json.dumps({'start, imports, reading': begun, **found}))"
    )
    return dict(json.loads(run_fresh(code, cache)))


def growth(base: Shape, repeats: int) -> list[tuple[int, int, float, float]]:
    """Return (observations, cells, seconds of K, seconds of factor) while observations grow, then cells."""
    rows = []
    sizes = [(base.observations * k // 4, base.ny, base.nx) for k in (1, 2, 4)]
    sizes += [(base.observations, max(2, base.ny // k), max(2, base.nx // k)) for k in (4, 2)]
    for m, ny, nx in sizes:
        problem = make_problem(replace(base, observations=m, ny=ny, nx=nx))
        best = []
        for _ in range(repeats):
            start = time.perf_counter()
            found = signal(problem)
            middle = time.perf_counter()
            solution_of(problem, found)
            best.append((middle - start, time.perf_counter() - middle))
        rows.append((m, ny * nx, *np.median(np.array(best), axis=0).tolist()))
    return rows


def peaks() -> list[Figure]:
    """Return what the machine does at best, in the same run."""
    random = np.random.default_rng(0)
    a = random.standard_normal((2000, 2000))
    single, field, system = a.astype(np.float32), np.ones(2**25, np.float32), a @ a.T + 2000 * np.eye(2000)
    out = []
    for name, unit, work, function in (
        ("matrix product, float64", "Gflop/s", 2 * 2000**3, lambda: a @ a),
        ("matrix product, float32", "Gflop/s", 2 * 2000**3, lambda: single @ single),
        ("Cholesky, float64", "Gflop/s", 2000**3 / 3, lambda: scipy.linalg.cholesky(system)),
        ("scale a field of 128 MiB", "GB/s", 2 * field.nbytes, lambda: np.multiply(field, 1.5, out=field)),
    ):
        function()
        start = time.perf_counter()
        function()
        out.append(Figure(name, work / (time.perf_counter() - start) / 1e9, unit))
    return out


def report(size: str) -> str:
    """Run everything and return the report as text."""
    tiny = size == "tiny"
    names = ("tiny", "tiny", "tiny") if tiny else ("A", "B", "C")
    count = 4 if tiny else 64
    lines = [machine(), ""]
    lines += [f"{f.name:<44}{f.value:>12.4g}  {f.unit}" for f in peaks()]
    first = make_problem(SHAPES[names[0]])
    lines += ["", f"{names[0]} against dense float64, largest error    {dense_error(first):.1e}  (goal 1e-10)"]
    with tempfile.TemporaryDirectory() as folder:
        for name in names[1:]:
            lines += ["", *_of_problem(name, Path(folder), count)]
    lines += [
        "",
        "growth of K and factor with observations, then with cells",
        "observations    cells     K, s  factor, s",
    ]
    base = SHAPES["tiny"] if tiny else replace(SHAPES["C"], observations=4000, sectors=1)
    lines += [f"{m:>12}{cells:>9}{k:>9.2f}{factor:>11.2f}" for m, cells, k, factor in growth(base, 1)]
    return "\n".join(lines)


def _of_problem(name: str, folder: Path, count: int) -> list[str]:
    shape = SHAPES[name]
    path = folder / f"{name}.pickle"
    problem = make_problem(shape)
    entries = problem.footprint.nnz / problem.value.size
    with path.open("wb") as stream:
        pickle.dump(problem, stream, protocol=5)
    del problem
    cold, warm = (fresh_stages(str(path), count, str(folder / "kernels")) for _ in range(2))
    lines = [
        f"{name}: {shape.ny * shape.nx} cells x {shape.hours} h x {shape.sectors} sector(s), "
        f"{shape.observations} observations of {entries:.0f} entries",
        f"{'stage':<28}{'cold, s':>10}{'warm, s':>10}",
    ]
    lines += [f"{stage:<28}{cold[stage]:>10.2f}{warm[stage]:>10.2f}" for stage in warm]
    whole = [sum(v for k, v in run.items() if not k.startswith("peak")) for run in (cold, warm)]
    lines.append(f"{'all of it':<28}{whole[0]:>10.2f}{whole[1]:>10.2f}")
    if name == "C":
        totals = sum(v for k, v in warm.items() if k.startswith("totals"))
        lines += [
            f"goals: cold <= 180 s ({whole[0]:.0f}), peak <= 6 GiB ({warm['peak memory, GiB']:.1f}), "
            f"64 members <= 60 s ({warm['64 members']:.0f}), all region totals <= 5 s ({totals:.1f})"
        ]
    return lines


def main(arguments: list[str]) -> None:
    """Print the report, or export A and B."""
    if "--export" in arguments:
        folder = Path(arguments[arguments.index("--export") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("A", "B"):
            export(make_problem(SHAPES[name]), folder / f"{name}.npz")
            print(folder / f"{name}.npz")
        return
    print(report("tiny" if "tiny" in arguments else "full"))


if __name__ == "__main__":
    main(sys.argv[1:])
