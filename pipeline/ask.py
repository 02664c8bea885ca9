"""Questions put to a finished run: the total of any area over any hours, exactly, from what its store kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse
import shapely
import xarray as xr

from pipeline.errors import InputError
from pipeline.grid import Grid, Regions, open_kept, open_store, regions_from_polygons
from pipeline.inversion import Solution, is_linearised, region_weights, rows_of, totals, unpack
from pipeline.schema import HOUR
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
    linearised
        Whether the covariances are those of a linearised problem: the run has log-normal sectors, and the means alone
        are the members'.
    outside
        Share of the area that lies outside the grid and is not counted.
    """

    sectors: tuple[str, ...]
    prior: np.ndarray
    posterior: np.ndarray
    covariance: np.ndarray
    prior_covariance: np.ndarray
    hours: int
    linearised: bool = False
    outside: float = 0.0

    @property
    def sigma(self) -> np.ndarray:
        """Posterior sigma of each sector."""
        return np.sqrt(np.clip(np.diag(self.covariance), 0.0, None))

    @property
    def prior_sigma(self) -> np.ndarray:
        """Prior sigma of each sector."""
        return np.sqrt(np.clip(np.diag(self.prior_covariance), 0.0, None))

    @property
    def prior_net(self) -> tuple[float, float]:
        """Prior total of all sectors, and its sigma."""
        return float(self.prior.sum()), float(np.sqrt(max(self.prior_covariance.sum(), 0.0)))

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
        return unpack(self._kept, self.posterior)

    @cached_property
    def _kept(self) -> xr.Dataset:
        return open_kept(self.store)

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
            For a region the run does not know, or a period that is not whole hours of the window.
        GridError
            For an area without a part of the grid, or no area at all.
        """
        fractions = self._fractions(area)
        hours = self._hours(period)
        gas = species(str(self.posterior.attrs["species"]))
        problem = self.solution.problem
        weights = region_weights(fractions, gas).astype(problem.prior.dtype)
        row = scipy.sparse.csr_array(scipy.sparse.kron(hours.astype(weights.dtype)[None], weights, format="csr"))
        found = totals(self.solution, rows_of(row, hours.size))
        linearised = is_linearised(self._kept)
        prior, posterior = found.prior_mean[:, 0], found.posterior_mean[:, 0]
        if linearised:
            prior, posterior = (self._total(f"flux_{which}", row) for which in ("prior", "posterior"))
        return Answer(
            tuple(map(str, self.posterior["sector"].values)),
            prior,
            posterior,
            found.posterior_covariance[:, 0, :, 0],
            found.prior_covariance[:, 0, :, 0],
            int(hours.sum()),
            linearised,
            float(fractions.outside_share[0]),
        )

    def _hours(self, period: tuple[np.datetime64, np.datetime64] | None) -> np.ndarray:
        """Return which hours of the window a period holds, (time,) bool."""
        time = self.posterior["time"].values
        first, last = time[0], time[-1] + HOUR
        start, end = (first, last) if period is None else period
        whole = all(t.astype("datetime64[h]") == t for t in (start, end))
        if not (whole and first <= start < end <= last):
            raise InputError(
                "the period must be whole hours of the window, its end after its start",
                got=f"{start.astype('datetime64[m]')} to {end.astype('datetime64[m]')}",
                remedy=f"the window is {first.astype('datetime64[h]')} to {last.astype('datetime64[h]')}, UTC, its end "
                "exclusive",
                where="period",
            )
        return np.asarray((time >= start) & (time < end))

    def _total(self, field: str, row: scipy.sparse.csr_array) -> np.ndarray:
        """Return a published field's total of each sector."""
        return np.array([(row @ flux.values.ravel().astype(np.float64))[0] for flux in self.posterior[field]])

    def _fractions(self, area: shapely.Geometry | str) -> Regions:
        """Return the area as a region of the grid."""
        if not isinstance(area, str):
            if area.geom_type not in ("Polygon", "MultiPolygon") or area.is_empty:
                raise InputError(
                    "an area that is asked for must have an area",
                    got=f"{'an empty ' if area.is_empty else ''}{area.geom_type}",
                    remedy="give a polygon with three corners or more",
                    where="area",
                )
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
