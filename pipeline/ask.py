"""Questions put to a finished run: the total of any area over any hours, exactly, from what its store kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse
import shapely

from pipeline.errors import InputError
from pipeline.grid import Grid, Regions, open_kept, open_store, regions_from_polygons
from pipeline.inversion import Solution, region_weights, rows_of, totals, unpack
from pipeline.units import species

#: an id no region of a file has
_ASKED = "asked"


@dataclass(frozen=True, eq=False)
class Answer:
    """The total of an area over a period, tonnes of the gas, by sector and net.

    Parameters
    ----------
    sectors
        Names.
    prior, posterior : (sector,) float64
        Totals.
    covariance : (sector, sector) float64
        Posterior covariance between sectors, t2.
    prior_covariance : (sector, sector) float64
        Prior covariance, t2.
    hours
        Hours in the period.
    """

    sectors: tuple[str, ...]
    prior: np.ndarray
    posterior: np.ndarray
    covariance: np.ndarray
    prior_covariance: np.ndarray
    hours: int

    @property
    def sigma(self) -> np.ndarray:
        """Posterior sigma of each sector."""
        return np.sqrt(np.clip(np.diag(self.covariance), 0.0, None))

    @property
    def prior_sigma(self) -> np.ndarray:
        """Prior sigma of each sector."""
        return np.sqrt(np.clip(np.diag(self.prior_covariance), 0.0, None))

    @property
    def net(self) -> tuple[float, float]:
        """Posterior total of all sectors, and its sigma."""
        return float(self.posterior.sum()), float(np.sqrt(max(self.covariance.sum(), 0.0)))


class Run:
    """A finished run that answers questions.

    Parameters
    ----------
    store
        Zarr folder of a run with `outputs.query`.

    Raises
    ------
    InputError
        When there is no such store, or it kept no solution.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.posterior = open_store(store)
        self.grid = Grid.from_dataset(self.posterior)

    @cached_property
    def solution(self) -> Solution:
        """The run's solution, read when first needed."""
        return unpack(open_kept(self.store), self.posterior)

    def posterior_of(
        self, area: shapely.Geometry | str, period: tuple[np.datetime64, np.datetime64] | None = None
    ) -> Answer:
        """Return the exact total of an area over whole hours.

        Parameters
        ----------
        area
            Polygon or multipolygon in longitude and latitude (degrees, WGS84), or the id of a region of the run.
        period
            Start and end, exclusive, UTC; all hours of the window when not given.

        Raises
        ------
        InputError
            For a region the run does not know, or a period without an hour of the window.
        GridError
            For an area outside the grid.
        """
        fractions = self._fractions(area)
        time = self.posterior["time"].values
        start, end = (time[0], time[-1] + np.timedelta64(1, "h")) if period is None else period
        hours = (time >= start) & (time < end)
        if not hours.any():
            raise InputError(
                "the period must hold an hour of the window",
                got=f"{start} to {end}",
                remedy=f"the window is {time[0].astype('datetime64[h]')} to {time[-1].astype('datetime64[h]')}, UTC",
                where="period",
            )
        gas = species(str(self.posterior.attrs["species"]))
        problem = self.solution.problem
        weights = region_weights(fractions, gas).astype(problem.prior.dtype)
        row = scipy.sparse.csr_array(scipy.sparse.kron(hours.astype(weights.dtype)[None], weights, format="csr"))
        found = totals(self.solution, rows_of(row, time.size))
        return Answer(
            tuple(map(str, self.posterior["sector"].values)),
            found.prior_mean[:, 0],
            found.posterior_mean[:, 0],
            found.posterior_covariance[:, 0, :, 0],
            found.prior_covariance[:, 0, :, 0],
            int(hours.sum()),
        )

    def _fractions(self, area: shapely.Geometry | str) -> Regions:
        """Return the area as a region of the grid."""
        if not isinstance(area, str):
            return regions_from_polygons(self.grid, [_ASKED], [_ASKED], [""], ["asked"], [area])
        known = [str(name) for name in self.posterior["region"].values]
        if area not in known:
            raise InputError(
                "the region must be one of the run's",
                got=area,
                remedy=f"known: {', '.join(known[:12])}{' ...' if len(known) > 12 else ''}",
                where="area",
            )
        share = self.posterior["region_fraction"].values[known.index(area)].reshape(1, -1)
        fractions = scipy.sparse.csr_array(share.astype(np.float64))
        inside = fractions @ self.grid.area.ravel()
        return Regions(self.grid, (area,), (area,), ("",), ("asked",), fractions, inside, np.zeros(1), ())


def posterior_of(
    store: Path, area: shapely.Geometry | str, period: tuple[np.datetime64, np.datetime64] | None = None
) -> Answer:
    """Return the exact total of any area over any period of a finished run; see `Run.posterior_of`."""
    return Run(store).posterior_of(area, period)
