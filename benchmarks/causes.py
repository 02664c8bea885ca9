"""What each thing that is wrong with a real prior costs: `python -m benchmarks.causes DRAWS DAYS [KM]`.

The same draws over one province and one weather, each with something of the prior put right. Noise, spikes and drift of
the instruments and the error of the background are the same in all of them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.evidence.coverage import FIRST, over_draws, scored
from benchmarks.evidence.sizes import SEED
from benchmarks.evidence.worlds import told_of
from pipeline.case import run_case
from pipeline.osse import Plan, make_case
from pipeline.osse.case_file import TRUTH
from pipeline.osse.world import World, draw_world


def points_known(world: World) -> World:
    """Every plant and works is in the register, at its place."""
    none = np.zeros(0, int)
    return replace(world, missing=none, displaced=none, missing_works=none)


def biosphere_known(world: World) -> World:
    """Uptake, respiration and their hours are right; greenness and cloud are still the model's."""
    return replace(world, uptake_factor=1.0, respiration_factor=1.0, late=0.0)


def totals_known(world: World) -> World:
    """The inventory's city totals are right; where and when they are emitted is not."""
    return replace(
        world, city_factor=np.ones_like(world.city_factor), neighbour_factor=np.ones_like(world.neighbour_factor)
    )


RIGHT: dict[str, Callable[[World], World]] = {
    "nothing put right": lambda world: world,
    "points known": points_known,
    "biosphere known": biosphere_known,
    "points and biosphere known": lambda world: points_known(biosphere_known(world)),
    "city totals known": totals_known,
}


def main(draws: int, days: int, spacing_km: float = 9.0) -> None:
    """Print one line for each thing put right: means over draws, of provincial errors the root mean square."""
    print(f"anthropogenic CO2 of {days} day(s), cells of {spacing_km:g} km, {draws} draws")
    print("errors in %, prior -> posterior")
    print(f"{'':<28}{'city RMSE':>16}{'province':>16}{'covered':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for name, mend in RIGHT.items():
            rows = []
            for draw in range(FIRST, FIRST + draws):
                plan = Plan(seed=SEED, draw=draw, hours=24 * days, spacing_km=spacing_km)
                path, _ = make_case(Path(folder), plan, world=mend(draw_world(SEED, draw)))
                rows.append(scored(told_of(run_case(path), path.parent / TRUTH)))
            covered, _, _, city_before, city, before, after = over_draws(rows)
            print(
                f"{name:<28}{city_before:>7.1f} -> {city:<5.1f}{before:>7.1f} -> {after:<5.1f}{covered:>10.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *(float(value) for value in sys.argv[3:]))
