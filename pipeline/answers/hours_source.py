"""The store of hours as a source: exact for a declared region and one hour, else an upper estimate of sigma.

Means are exact for any area and period. What the store keeps of an hour's error is the sigma of each cell and the
covariance between sectors of each region: see `pipeline.answers.upper` for sums over hours and over a polygon's cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.answers.areas import Area
from pipeline.answers.shares import fractions_of, region_table, shares_of
from pipeline.answers.source import AreaTotals, Version, joined
from pipeline.answers.upper import MOST_NUMBERS, Patch, require_numbers, variance_in_time
from pipeline.errors import StoreError
from pipeline.grid import Grid, HourReader, HourStore
from pipeline.grid.hours_layout import MATURITIES, STATES
from pipeline.inversion import Correlation, region_weights, told_correlations
from pipeline.units import species

_HOUR = np.timedelta64(1, "h")
_TABLES = ("region_prior", "region_prior_std", "region_posterior", "region_posterior_std")
_FIELDS = ("flux_prior", "flux_prior_std", "flux_posterior", "flux_posterior_std")


class HoursSource:
    """A snapshot of the hourly service's store; see `Source`.

    Parameters
    ----------
    store
        That was opened.
    version
        Id of a snapshot, or a tag; the newest when not given.
    as_of
        What it said at a time.

    Raises
    ------
    StoreError
        When there is no such store or version.
    """

    def __init__(self, store: HourStore, *, version: str | None = None, as_of: datetime | None = None) -> None:
        self.reader = _reader(store, version, as_of)
        told = self.reader.static
        if "region_fraction" not in told or "correlation_length" not in told:
            self.reader.close()
            raise StoreError(
                "a store must say how its errors are correlated and where its regions lie",
                got=f"{store.path}, made by an earlier version",
                remedy="move it away and make its hours again: `tianyan backfill`",
                where="store",
            )
        self.grid = Grid.from_dataset(told)
        self.species = str(told.attrs["species"])
        self.sectors = tuple(map(str, told["sector"].values))
        self.regions = region_table(told)
        self.hours = self.reader.hours()
        self.version = Version(store.path, self.reader.snapshot, "hours", {"commit": self.reader.seq})

    def close(self) -> None:
        """Let go of the snapshot."""
        self.reader.close()

    @property
    def linearised(self) -> bool:
        """Never: what is kept of an hour is of its members."""
        return False

    @cached_property
    def correlations(self) -> tuple[Correlation, ...]:
        """Of the prior errors of each sector."""
        return told_correlations(self.reader.static)

    def totals(self, areas: Sequence[Area], hours: np.ndarray, groups: Sequence[np.ndarray]) -> AreaTotals:
        """Return totals; see `Source`."""
        declared = [area.region for area in areas if area.region is not None]
        tables = iter(self._of_regions(declared, hours, groups) if declared else [])
        return joined(
            [next(tables) if area.region is not None else self._of_polygon(area, hours, groups) for area in areas]
        )

    def fractions(self) -> scipy.sparse.csr_array:
        """Return the shares of declared regions; see `Source`."""
        return shares_of(self.reader.static)

    def field(self, name: str, sector: int, hours: np.ndarray) -> np.ndarray:
        """Return a field of one sector; see `Source`."""
        at = self._places(hours)
        every = (slice(sector, sector + 1), slice(None), slice(None))
        return self.reader.read(self.reader.layout.named(name), at, every)[0]

    def facts(self, hours: np.ndarray) -> list[dict[str, Any]]:
        """Return status, condition, revision and observations used of each hour; see `Source`."""
        vectors = self.reader.vectors
        manifests = self.reader.manifests(hours[0], hours[-1] + _HOUR) if hours.size else {}
        told = []
        for hour, at in zip(hours, self._places(hours), strict=True):
            counts = manifests[hour].get("counts", {})
            told.append(
                {
                    "status": manifests[hour].get("status", MATURITIES[vectors["maturity"][at]]),
                    "condition": STATES[vectors["state"][at]],
                    "revision": int(vectors["revision"][at]),
                    "used": sum(int(one.get("used", 0)) for one in counts.values()),
                }
            )
        return told

    def stations(self, hours: np.ndarray) -> list[dict[str, dict[str, float | None]]]:
        """Return what stations measured in each hour; see `Source`."""
        manifests = self.reader.manifests(hours[0], hours[-1] + _HOUR) if hours.size else {}
        return [manifests[hour].get("stations", {}) for hour in hours]

    def dataset(self, start: np.datetime64, end: np.datetime64) -> xr.Dataset:
        """Return fields; see `Source`."""
        found = self.reader.dataset(start, end)
        flux, total = species(self.species).flux_unit, {"units": "t"}
        for name, variable in found.variables.items():
            if str(name).startswith("flux_"):
                variable.attrs |= {"units": flux, "grid_mapping": "crs", "long_name": f"{name}, positive upward"}
            elif str(name).startswith("region_") and "time" in variable.dims:
                variable.attrs |= {"units": "t2"} if name == "region_covariance" else total
        return found

    def _of_regions(self, places: list[int], hours: np.ndarray, groups: Sequence[np.ndarray]) -> list[AreaTotals]:
        """Return totals of declared regions from their tables."""
        at = self._places(hours)
        prior, prior_std, posterior, std = (self._table(name, at, places) for name in _TABLES)
        between = self._table("region_covariance", at, places)  # (hour, sector, sector, region)
        shape = (len(places), len(groups), len(self.sectors), len(self.sectors))
        prior_covariance, covariance = np.zeros(shape), np.zeros(shape)
        means = np.zeros((2, len(places), len(self.sectors), len(groups)))
        for g, mine in enumerate(groups):
            means[0, :, :, g], means[1, :, :, g] = prior[mine].sum(0).T, posterior[mine].sum(0).T
            # sectors are told apart in each hour; that they are between hours is not kept
            covariance[:, g] = between[mine].sum(0).transpose(2, 0, 1)
            for k, correlation in enumerate(self.correlations):
                prior_covariance[:, g, k, k] = variance_in_time(prior_std[mine, k], at[mine], correlation)
                if mine.size > 1:
                    covariance[:, g, k, k] = variance_in_time(std[mine, k], at[mine], correlation)
        exact = np.array([[mine.size == 1 for mine in groups]])
        return [
            AreaTotals(
                means[0, r : r + 1],
                means[1, r : r + 1],
                prior_covariance[r : r + 1],
                covariance[r : r + 1],
                exact,
                self.regions.areas[[place]],
                np.zeros(1),
            )
            for r, place in enumerate(places)
        ]

    def _of_polygon(self, area: Area, hours: np.ndarray, groups: Sequence[np.ndarray]) -> AreaTotals:
        """Return totals of a polygon from the maps of its cells."""
        region = fractions_of(area, self.grid)
        cells = region.fractions.indices
        weight = region_weights(region, species(self.species)).toarray()[0, cells]
        at = self._places(hours)
        sectors = len(self.sectors)
        longest = max((mine.size for mine in groups), default=0)
        require_numbers(longest, cells.size)
        # all hours and sectors at once where memory has them, else those of a group and one sector
        at_once = sectors * hours.size * cells.size <= MOST_NUMBERS
        fields = [self._cells(name, slice(0, sectors), at, cells) * weight for name in _FIELDS] if at_once else []
        squares = np.zeros((2, 1, len(groups), sectors, sectors))
        means = np.zeros((2, 1, sectors, len(groups)))
        for k, correlation in enumerate(self.correlations):
            patch = Patch(self.grid, cells, correlation)
            for which, pair in enumerate((_FIELDS[:2], _FIELDS[2:])):
                mine = [field[k] for field in fields[2 * which : 2 * which + 2]]
                if at_once and longest == 1:
                    means[which, 0, k] = mine[0].sum(axis=1)
                    squares[which, 0, :, k, k] = patch.variance_of_hours(mine[1])
                    continue
                for g, some in enumerate(groups):
                    values, sigmas = [field[some] for field in mine] or [
                        self._cells(name, slice(k, k + 1), at[some], cells)[0] * weight for name in pair
                    ]
                    means[which, 0, k, g] = values.sum()
                    squares[which, 0, g, k, k] = patch.variance(sigmas, at[some])
        return AreaTotals(
            means[0],
            means[1],
            squares[0],
            squares[1],
            np.zeros((1, len(groups)), dtype=bool),
            region.areas,
            region.outside_share,
        )

    def _places(self, hours: np.ndarray) -> np.ndarray:
        """Return the places of hours on the store's axis."""
        return (hours - self.reader.layout.hour(0)).astype(np.int64)

    def _table(self, name: str, at: np.ndarray, places: list[int]) -> np.ndarray:
        """Return a table of some hours and regions, time first: (hour, ..., region)."""
        variable = self.reader.layout.named(name)
        every = tuple(slice(None) for _ in variable.dims)
        return self.reader.read(variable, at, every)[..., places]

    def _cells(self, name: str, sectors: slice, at: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return a field of some sectors, hours and cells: (sector, hour, cell)."""
        variable = self.reader.layout.named(name)
        y, x = np.divmod(cells, self.grid.nx)
        south, north, west, east = y.min(), y.max() + 1, x.min(), x.max() + 1
        box = (sectors, slice(int(south), int(north)), slice(int(west), int(east)))
        found = self.reader.read(variable, at, box)
        return found[:, :, y - south, x - west].astype(np.float64)


def _reader(store: HourStore, version: str | None, as_of: datetime | None) -> HourReader:
    if version is None:
        return store.at(as_of)
    try:
        return store.at(tag=version)
    except StoreError:
        return store.at(snapshot=version)
