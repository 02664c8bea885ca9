"""Whether tuning finds what simulated errors were drawn with: `python -m benchmarks.tuning [seeds]`.

Problems of `benchmarks.problems`, with 0.4 of their flux errors and four times their background's so that each can
be seen, are drawn from their own statistics, thinned to 1 000 observations, stated wrong by factors of 1.5 to 2 either
way, and tuned. docs/tuning.md has the table this prints.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np

from benchmarks.cases import machine
from benchmarks.problems import Shape, make_problem
from pipeline.inversion import (
    Likelihood,
    Parameter,
    Problem,
    Tuned,
    drifts_of,
    parameters_of,
    restated,
    taken,
    thinned,
    tune,
)

MOST = 1000
#: a week of hourly observations of 40 stations on 50 x 50 cells, after the hours that plumes reach back to
SHAPES = {
    "week, 1 sector": Shape(50, 50, 192, 1, 6720, "float32"),
    "week, 2 sectors": Shape(50, 50, 192, 2, 6720, "float32"),
}
_SECTORS = ("first", "second")
#: factors on what `benchmarks.problems` states
_STATED = {
    **{Parameter("sigma", name): 0.4 for name in _SECTORS},
    Parameter("shared sigma", "background"): 4.0,
}


def tuned_again(shape: Shape, seed: int, *, restricted: bool = False) -> tuple[Tuned, np.ndarray, float]:
    """Return what tuning found, its estimates over the true values, and the seconds it took."""
    random = np.random.default_rng(seed)
    observed = shape.hours - shape.back
    stations = -(-shape.observations // observed)
    station = np.arange(shape.observations) % stations
    classes = np.where(station >= stations // 3, "micro", "city")
    whole = drawn(restated(make_problem(shape, seed), _SECTORS[: shape.sectors], classes, _STATED), random)
    kept = thinned(station.astype(str), classes, np.arange(shape.observations) // stations, most=MOST, seed=seed)
    problem, classes, sectors = taken(whole, kept), classes[kept], _SECTORS[: shape.sectors]
    parameters = parameters_of(problem, sectors, classes)
    wrong = np.exp(random.uniform(np.log(1.5), np.log(2.0), len(parameters)) * random.choice([-1, 1], len(parameters)))
    stated = restated(problem, sectors, classes, dict(zip(parameters, wrong.tolist(), strict=True)))
    start = time.perf_counter()
    drifts = drifts_of(stated) if restricted else None
    tuned = tune(Likelihood(stated, sectors, classes, parameters, drifts))
    return tuned, tuned.factor * wrong, time.perf_counter() - start


def drawn(problem: Problem, random: np.random.Generator) -> Problem:
    """Return a problem with observations drawn from its own statistics."""
    truth = problem.prior + np.stack([c.draw(random) for c in problem.covariances])
    noise = np.sqrt(problem.variance) * random.standard_normal(problem.value.size)
    noise += sum(error.draw(random) for error in problem.errors)
    return replace(problem, value=problem.background + problem.project(truth) + noise)


def table(results: list[tuple[Tuned, np.ndarray, float]]) -> str:
    """Return the estimates over the true values, a line a parameter."""
    ratio = np.array([found for _, found, _ in results])
    error = np.array([tuned.error for tuned, _, _ in results])
    known = np.array([tuned.determined for tuned, _, _ in results])
    away = np.abs(np.log(ratio))
    lines = [
        "| parameter | estimate / truth: mean | least | most | within 20 % | stated error, median | within 2 errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for at, parameter in enumerate(results[0][0].parameters):
        mine = ratio[:, at]
        lines.append(
            f"| {name_of(parameter)} | {np.exp(np.log(mine).mean()):.2f} | {mine.min():.2f} | {mine.max():.2f} "
            f"| {int(np.sum(away[:, at] < np.log(1.2)))} of {mine.size} | {np.median(error[:, at]):.0%} "
            f"| {int(np.sum(away[:, at] < 2 * error[:, at]))} of {mine.size} |"
        )
    asked = [tuned.evaluations for tuned, _, _ in results]
    chi2 = [(tuned.before.chi2, tuned.after.chi2) for tuned, _, _ in results]
    lines += [
        "",
        f"Within two stated errors, where determined: {np.mean((away < 2 * error)[known]):.0%}. Reduced chi2 "
        f"{min(b for b, _ in chi2):.2f} to {max(b for b, _ in chi2):.2f} before, {min(a for _, a in chi2):.2f} to "
        f"{max(a for _, a in chi2):.2f} after. {min(asked)} to {max(asked)} evaluations, "
        f"{np.median([seconds for _, _, seconds in results]):.0f} s; "
        f"{sum(not tuned.converged for tuned, _, _ in results)} not converged.",
    ]
    return "\n".join(lines)


def name_of(parameter: Parameter) -> str:
    """Return a parameter in words."""
    return f"{parameter.of}, {parameter.kind}"


def main() -> None:
    """Print a table for each shape, and one of the restricted likelihood."""
    seeds = range(1, 1 + int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    print(machine())
    for name, shape in SHAPES.items():
        for restricted in (False, True) if name == "week, 1 sector" else (False,):
            print(f"\n{name}{', restricted' if restricted else ''}\n", flush=True)
            print(table([tuned_again(shape, seed, restricted=restricted) for seed in seeds]), flush=True)


if __name__ == "__main__":
    main()
