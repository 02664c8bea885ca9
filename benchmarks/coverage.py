"""How often the truth lies where the posterior says, over draws: `python -m benchmarks.coverage 20 2 [spacing km]`.

Every draw is made as files, read, inverted and scored. All draws of a kind are over one province and one weather, so
footprints are made once; errors of prior, background and instruments are new each time. Three kinds: matched errors,
for which the statistics must come out right; the errors of real priors and instruments; and these with an error of the
transport on top.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.case import run_case
from pipeline.osse import Plan, TransportError, figures, make_case, score, summary

SECTOR = "anthropogenic"
#: geography and weather
SEED = 1
KINDS: dict[str, dict[str, Any]] = {
    "matched errors": {"matched": True},
    "errors of real priors": {},
    "and of the transport": {"transport_error": TransportError()},
}


def one(folder: Path, plan: Plan) -> tuple[float, ...]:
    """Return a draw's share of city totals covered, reduced chi2, left-out ratio, and errors in % (see `_HEADING`)."""
    path, _ = make_case(folder, plan)
    store, truth = run_case(path), folder / "truth.nc"
    found = summary(score(store, truth), SECTOR)
    by_name = {row.name: row.posterior for row in figures(store, truth)}
    return (
        found["covered"],
        by_name["reduced chi2"],
        by_name["left-out stations, RMSE over stated sigma"],
        found["prior_rmse_percent"],
        found["posterior_rmse_percent"],
        found["prior_error_percent"],
        found["posterior_error_percent"],
    )


_HEADING = "draw   covered   chi2   left out   city RMSE, %: prior, posterior   province, %: prior, posterior"


def main(draws: int, days: int, spacing_km: float = 9.0) -> None:
    """Print one line a draw, then the mean of each kind; of the provincial errors, the root mean square."""
    print(f"{SECTOR} CO2 of {days} day(s), cells of {spacing_km:g} km, {draws} draws a kind")
    for kind, options in KINDS.items():
        print(f"\n{kind}\n{_HEADING}")
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            for draw in range(1, draws + 1):
                plan = Plan(seed=SEED, draw=draw, hours=24 * days, spacing_km=spacing_km, **options)
                rows.append(one(Path(folder), plan))
                print(_line(str(draw), rows[-1]), flush=True)
        table = np.array(rows)
        mean = [*table[:, :5].mean(axis=0), *np.sqrt((table[:, 5:] ** 2).mean(axis=0))]
        print(_line("all", tuple(mean)))


def _line(name: str, row: tuple[float, ...]) -> str:
    covered, chi2, ratio, *errors = row
    before, after, province_before, province_after = errors
    return (
        f"{name:>4}   {covered:>7.0%}   {chi2:>4.2f}   {ratio:>8.2f}   {before:>20.1f}, {after:>9.1f}"
        f"   {province_before:>19.1f}, {province_after:>9.1f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *(float(value) for value in sys.argv[3:]))
