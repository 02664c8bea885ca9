"""Everything the parity page says about STILT, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.parity import stilt
from benchmarks.parity.stilt import HOURS, REFERENCE_PARTICLES, Run, Stilt
from benchmarks.parity.stilt_column import FLOOR, HANNA, HANNA_U, NO_FLOOR, OURS, RULE

#: tolerances: of a total, of r, of a block's spread, of an hour
TOTAL, LEAST_R, SPREAD, HOURLY = 0.05, 0.98, 0.15, 0.15
RECEPTORS = 3
EMULATED = 8000
FIRST = 3
RIMS = (0, 1, 2)
RULES = {
    "ours: u'^2 + v'^2 = w'^2, with a floor": RULE,
    "the same without the floor": NO_FLOOR,
    "sigma_u of Hanna (1982)": HANNA_U,
    "0.2 m/s (STILT of 2009)": FLOOR,
}
# why an hour is as it is
#: the emulator is off by at most so many standard deviations of the reference
SIGMAS = 3.0
MET, SCHEME, SHARED, OPEN, FEW = "met", "vertical scheme", "emulator too", "not explained", "-"


@dataclass(frozen=True, eq=False)
class Compared:
    """One receptor.

    Parameters
    ----------
    theirs, ours, emulated
        STILT, our model, and the emulator.
    runs : (run, hour) float64
        Hourly totals of our model with as many particles as the reference has.
    r, emulated_r
        Correlation with STILT.
    steps : dict
        First hours' ratios to STILT, (FIRST,), from STILT's vertical scheme to ours.
    rules : dict
        Spread ratios of the emulator by rule of horizontal turbulence.
    kept : (rim, hour) float64
        Share of our particles on the way when so many cells are taken off the weather.
    """

    theirs: Run
    ours: Run
    emulated: Run
    runs: np.ndarray
    r: float
    emulated_r: float
    steps: dict[str, np.ndarray]
    rules: dict[str, np.ndarray]
    kept: np.ndarray

    @property
    def noise(self) -> float:
        """Relative standard deviation of a total of the reference's size."""
        return float(stilt.relative_noise(self.runs.sum(axis=1)))

    @property
    def hourly_noise(self) -> np.ndarray:
        """(hour,) the same of an hour's total."""
        return stilt.relative_noise(self.runs)

    def blocks(self) -> np.ndarray:
        """Return (block, 3) of six-hour totals: ours over STILT's, the emulator's, and the relative noise."""
        compared = np.where(self.theirs.kept > stilt.KEPT, 1.0, np.nan)

        def total(hourly: np.ndarray) -> np.ndarray:
            return (hourly * compared).reshape(*hourly.shape[:-1], -1, stilt.BLOCK).sum(axis=-1)

        reference = total(self.theirs.hourly)
        ratios = [total(run.hourly) / reference for run in (self.ours, self.emulated)]
        return np.stack([*ratios, stilt.relative_noise(total(self.runs))], axis=-1)

    def ratio(self, run: Run) -> np.ndarray:
        """Return hourly totals over STILT's; NaN where it has lost more than half of its particles."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.theirs.kept > stilt.KEPT, run.hourly / self.theirs.hourly, np.nan)

    def reasons(self) -> list[str]:
        """Return for each hour whether it is within the tolerance, or why it is not."""
        out = []
        for mine, scheme, noise in zip(
            self.ratio(self.ours), self.ratio(self.emulated), self.hourly_noise, strict=True
        ):
            if not np.isfinite(mine):
                out.append(FEW)
            elif abs(mine - 1.0) <= HOURLY:
                out.append(MET)
            elif abs(scheme - 1.0) <= 0.5 * abs(mine - 1.0):
                out.append(SCHEME)
            else:
                out.append(SHARED if abs(scheme - 1.0) <= SIGMAS * noise else OPEN)
        return out


def compare_all(shared: Path) -> tuple[Stilt, list[Compared]]:
    """Run everything for the three receptors."""
    cases = [stilt.load(shared, rim) for rim in RIMS]
    case = cases[RIMS.index(stilt.RIM)]
    return case, [_compare(case, cases, number) for number in range(RECEPTORS)]


def _compare(case: Stilt, cases: list[Stilt], number: int) -> Compared:
    theirs, mine = case.theirs(number), stilt.ours(case, number)
    emulated = stilt.emulated(case, number, particles=EMULATED)
    total = theirs.field.sum(axis=0)
    return Compared(
        theirs=theirs,
        ours=mine,
        emulated=emulated,
        runs=stilt.runs_of_reference_size(case, number),
        r=stilt.correlation(case, number, mine.field.sum(axis=0), total),
        emulated_r=stilt.correlation(case, number, emulated.field.sum(axis=0), total),
        steps=_steps(case, number, theirs, mine, emulated),
        rules={
            name: stilt.spread_ratios(stilt.emulated(case, number, rule=rule, particles=REFERENCE_PARTICLES), theirs)
            for name, rule in RULES.items()
        },
        kept=np.stack([stilt.ours(one, number, REFERENCE_PARTICLES).kept for one in cases]),
    )


def _steps(case: Stilt, number: int, theirs: Run, mine: Run, emulated: Run) -> dict[str, np.ndarray]:
    """Return the first hours' ratios on the way from STILT's vertical scheme to ours."""
    fine = case.window.heights[1:-1].astype(np.float64)

    dense = np.concatenate([np.arange(0.5, 10.0, 0.5), np.geomspace(10.0, 0.95 * fine[-1], 160)])

    def early(levels: np.ndarray, form: int) -> Run:
        return stilt.emulated(case, number, levels, form=form, particles=EMULATED, hours=FIRST)

    runs = {
        "emulator, STILT's levels": emulated,
        "emulator, our levels (2, 5, 10, 20, 35 m ...)": early(fine, HANNA),
        "emulator, our levels and our profiles": early(fine, OURS),
        "emulator, every 0.5 m near the ground and our profiles": early(dense, OURS),
        "our model": mine,
    }
    return {name: run.hourly[:FIRST] / theirs.hourly[:FIRST] for name, run in runs.items()}


def hours_label(count: int = HOURS) -> np.ndarray:
    """Return the hours back, from 1."""
    return np.arange(1, count + 1)
