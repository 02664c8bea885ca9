"""How often the truth lies where the posterior says, over draws: `python -m benchmarks.coverage DRAWS DAYS [KM]`.

Every draw is made as files, read, inverted and scored. All draws are over one province and one weather, so footprints
are made once; errors of prior, background and instruments are new each time. Kinds: matched errors, for which the
statistics must come out right; the errors of real priors and instruments; the same files again with no offsets of
sensors in the state; and an error of the transport on top.
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
#: geography and weather; and the first draw: errors were settled while looking at lower ones, and at this one
SEED, FIRST = 1, 101
MATCHED, REAL, UNAWARE, TRANSPORT = (
    "matched errors",
    "errors of real priors and instruments",
    "the same, offsets of sensors not estimated",
    "and the air moved otherwise than the weather says",
)
KINDS: dict[str, dict[str, Any]] = {
    MATCHED: {"matched": True},
    REAL: {},
    UNAWARE: {},
    TRANSPORT: {"transport_error": TransportError()},
}
_NAMES = ("covered", "chi2", "left out", "city prior", "city", "province prior", "province")


def without_offsets(path: Path) -> Path:
    """Write the case without offsets of sensors beside it; return its path."""
    other = path.with_name("unaware.toml")
    lines = path.read_text(encoding="utf-8").splitlines()
    other.write_text("\n".join(line for line in lines if not line.startswith("offset = ")) + "\n", encoding="utf-8")
    return other


def scored(path: Path) -> tuple[float, ...]:
    """Run a case; return the figures of `_NAMES`: shares, ratios, and errors in %."""
    store, truth = run_case(path), path.parent / "truth.nc"
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


def over_draws(rows: list[tuple[float, ...]]) -> np.ndarray:
    """Return the mean of each figure over draws; of the provincial errors, which have a sign, the root mean square."""
    table = np.array(rows)
    return np.array([*table[:, :5].mean(axis=0), *np.sqrt((table[:, 5:] ** 2).mean(axis=0))])


_HEADING = "draw   covered   chi2   left out   city RMSE, %: prior, posterior   province, %: prior, posterior"


def main(draws: int, days: int, spacing_km: float = 9.0) -> None:
    """Print one line a draw, then the mean of each kind; of the provincial errors, the root mean square."""
    print(f"{SECTOR} CO2 of {days} day(s), cells of {spacing_km:g} km, {draws} draws a kind")
    mean: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, options in KINDS.items():
            print(f"\n{kind}\n{_HEADING}")
            rows = []
            for draw in range(FIRST, FIRST + draws):
                plan = Plan(seed=SEED, draw=draw, hours=24 * days, spacing_km=spacing_km, **options)
                path, _ = make_case(Path(folder), plan)
                rows.append(scored(without_offsets(path) if kind == UNAWARE else path))
                print(_line(str(draw), rows[-1]), flush=True)
            mean[kind] = over_draws(rows)
            print(_line("all", tuple(mean[kind])))
    city = _NAMES.index("city")
    ratio = mean[UNAWARE][city] / mean[REAL][city]
    print(f"\ncity RMSE with offsets not estimated, over that with: {ratio:.2f} (goal 2)")


def _line(name: str, row: tuple[float, ...]) -> str:
    covered, chi2, ratio, *errors = row
    before, after, province_before, province_after = errors
    return (
        f"{name:>4}   {covered:>7.0%}   {chi2:>4.2f}   {ratio:>8.2f}   {before:>20.1f}, {after:>9.1f}"
        f"   {province_before:>19.1f}, {province_after:>9.1f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *(float(value) for value in sys.argv[3:]))
