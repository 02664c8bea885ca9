"""The two satellites of a simulated case: what they look at, and their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.grid import Grid
from pipeline.osse.case_file import COLUMNS, SATELLITES
from pipeline.osse.column_files import write_oco2_lite, write_swath
from pipeline.osse.plan import Plan
from pipeline.osse.soundings import Soundings, column_of, oco2_soundings, sounding_receptors, swath_soundings
from pipeline.schema import HOUR

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Overpasses:
    """What one satellite sees of a case.

    Parameters
    ----------
    id
        Of the case's section `columns`.
    soundings
        At least one.
    write
        Writes one day's file.
    """

    id: str
    soundings: Soundings
    write: Callable[[Path, Soundings, np.ndarray], None]

    def receptors(self) -> xr.Dataset:
        """Return the dataset "receptors" of the soundings."""
        return sounding_receptors(self.soundings, self.id, SATELLITES[self.id].top)

    def write_days(
        self,
        folder: Path,
        times: np.ndarray,
        background: np.ndarray,
        enhancement: np.ndarray,
        rng: np.random.Generator,
        more: float = 0.0,
    ) -> None:
        """Write the columns, one file a day.

        Parameters
        ----------
        folder
            Of the case.
        times, background : (hour,)
            Observed hours, and the true background in each, ppm.
        enhancement : (n,)
            H f of the soundings, ppm.
        more
            One-sigma error beyond the soundings' own noise, ppm.
        """
        hour = ((self.soundings.time - times[0]) // HOUR).astype(np.int64)
        values = column_of(self.soundings, background[hour], enhancement, rng)
        values = values + rng.normal(0, 1, values.size) * more
        days = self.soundings.time.astype("datetime64[D]")
        for day in np.unique(days):
            mine = days == day
            stamp = str(day).replace("-", "")
            path = folder / COLUMNS / SATELLITES[self.id].pattern.replace("*", stamp)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.write(path, self.soundings.at(mine), values[mine])


def overpasses(grid: Grid, plan: Plan, rng: np.random.Generator) -> list[Overpasses]:
    """Return the satellites that see something of a case.

    Parameters
    ----------
    grid
        Of the case.
    rng
        Stream of where they look.
    """
    if not plan.columns:
        return []
    start, end = plan.observed
    days = np.arange(start.astype("datetime64[D]"), (end - 1).astype("datetime64[D]") + _DAY)
    narrow, wide = rng.spawn(2)
    found = [
        Overpasses("OCO2", oco2_soundings(grid, days, narrow), write_oco2_lite),
        Overpasses("IMAGER", swath_soundings(grid, days, wide), write_swath),
    ]
    seen = []
    for one in found:
        # a case may end before the day's overpass
        during = (one.soundings.time >= start) & (one.soundings.time < end)
        if during.any():
            seen.append(Overpasses(one.id, one.soundings.at(during), one.write))
    return seen
