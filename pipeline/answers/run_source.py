"""The store of a run as a source: exact for any area and hours, from the solution it kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.answers.areas import Area
from pipeline.answers.shares import fractions_of, region_table, shares_of
from pipeline.answers.source import AreaTotals, Version
from pipeline.errors import InputError
from pipeline.grid import Grid, Regions, open_kept, open_store
from pipeline.inversion import (
    Correlation,
    Solution,
    is_linearised,
    region_weights,
    rows_of,
    station_numbers,
    told_correlations,
    totals,
    unpack,
)
from pipeline.units import species

#: totals whose covariance is made at once
_AT_ONCE = 32


class RunSource:
    """A finished run; see `Source`.

    Parameters
    ----------
    store
        Zarr folder of a run with `outputs.query`.

    Raises
    ------
    InputError
        When there is no such store.
    """

    def __init__(self, store: Path) -> None:
        self.posterior = open_store(store)
        self._store = store
        self.grid = Grid.from_dataset(self.posterior)
        self.species = str(self.posterior.attrs["species"])
        self.sectors = tuple(map(str, self.posterior["sector"].values))
        self.regions = region_table(self.posterior)
        self.hours = self.posterior["time"].values.astype("datetime64[h]")
        self.version = Version(
            store, _digest(self.posterior), "run", {"title": str(self.posterior.attrs.get("title", ""))}
        )

    def close(self) -> None:
        """Let go of the store."""
        self.posterior.close()

    @cached_property
    def solution(self) -> Solution:
        """What the run kept, read when first needed."""
        return unpack(self.kept, self.posterior)

    @cached_property
    def kept(self) -> xr.Dataset:
        """What the run kept beside its fields."""
        return open_kept(self._store)

    @cached_property
    def correlations(self) -> tuple[Correlation, ...]:
        """Of the prior errors of each sector."""
        return told_correlations(self.kept)

    @cached_property
    def linearised(self) -> bool:
        """Whether covariances are those of a linearised problem: the run has log-normal sectors, and the means alone
        are the members'."""
        return is_linearised(self.kept)

    def totals(self, areas: Sequence[Area], hours: np.ndarray, groups: Sequence[np.ndarray]) -> AreaTotals:
        """Return exact totals; see `Source`."""
        told = [area.region for area in areas if area.region is not None]
        single = all(len(group) == 1 for group in groups) and "region_hourly_prior" in self.posterior
        if groups and single and len(told) == len(areas) and not self.linearised:
            return self._hourly(told, hours, groups)
        return self._asked(areas, hours, groups)

    def _hourly(self, places: list[int], hours: np.ndarray, groups: Sequence[np.ndarray]) -> AreaTotals:
        """Return totals of declared regions in single hours, which the run tells."""
        at = np.searchsorted(self.hours, hours[np.concatenate(groups)])
        told = {
            name: self.posterior[f"region_hourly_{name}"].values[:, places][:, :, at].astype(np.float64)
            for name in ("prior", "prior_std", "posterior")
        }
        # (hour, sector, region, sector, region), of which what is of one region; of a month all are hundreds of MB
        some = {"time": at, "region": places, "region_2": places}
        between = self.posterior["region_hourly_posterior_covariance"].isel(some).values.astype(np.float64)
        covariance = np.einsum("tsrur->rtsu", between)
        return AreaTotals(
            told["prior"].transpose(1, 0, 2),
            told["posterior"].transpose(1, 0, 2),
            np.einsum("srt,su->rtsu", told["prior_std"] ** 2, np.eye(len(self.sectors))),
            covariance,
            np.ones((len(places), len(groups)), dtype=bool),
            self.regions.areas[places],
            np.zeros(len(places)),
        )

    def _asked(self, areas: Sequence[Area], hours: np.ndarray, groups: Sequence[np.ndarray]) -> AreaTotals:
        """Return totals of any areas and hours, from the solution that was kept."""
        fractions = self._fractions(areas)
        gas, problem = species(self.species), self.solution.problem
        weights = region_weights(fractions, gas).astype(problem.prior.dtype)
        at = np.searchsorted(self.hours, hours)
        shape = (len(areas), len(groups), len(self.sectors))
        means, squares = np.zeros((2, *shape)), np.zeros((2, *shape, shape[2]))
        # a functional for each area and group; only what is on the diagonal of their covariance is asked for
        pairs = [(r, g) for r in range(shape[0]) for g in range(shape[1])]
        for first in range(0, len(pairs), _AT_ONCE):
            some = pairs[first : first + _AT_ONCE]
            masks = np.zeros((len(some), self.hours.size), weights.dtype)
            for number, (_, g) in enumerate(some):
                masks[number, at[groups[g]]] = 1.0
            blocks = [
                scipy.sparse.kron(masks[[number]], weights[[r]], format="csr") for number, (r, _) in enumerate(some)
            ]
            rows = scipy.sparse.csr_array(scipy.sparse.vstack(blocks))
            found = totals(self.solution, rows_of(rows, self.hours.size))
            prior, posterior = found.prior_mean, found.posterior_mean
            if self.linearised:
                prior, posterior = (self._sums(f"flux_{which}", rows) for which in ("prior", "posterior"))
            where = tuple(np.array(some).T)
            means[0][where], means[1][where] = prior.T, posterior.T
            for which, covariance in enumerate((found.prior_covariance, found.posterior_covariance)):
                squares[which][where] = np.einsum("sftf->fst", covariance)
        return AreaTotals(
            means[0].transpose(0, 2, 1),
            means[1].transpose(0, 2, 1),
            squares[0],
            squares[1],
            np.ones(shape[:2], dtype=bool),
            fractions.areas,
            fractions.outside_share,
        )

    def fractions(self) -> scipy.sparse.csr_array:
        """Return the shares of declared regions; see `Source`."""
        return shares_of(self.posterior)

    def field(self, name: str, sector: int, hours: np.ndarray) -> np.ndarray:
        """Return a field of one sector; see `Source`."""
        at = np.searchsorted(self.hours, hours)
        return np.asarray(self.posterior[name][sector, at].values)

    def facts(self, hours: np.ndarray) -> list[dict[str, Any]]:
        """Return status and observations used of each hour; see `Source`."""
        told = self.posterior
        status = dict(zip(self.hours, told["status"].values.astype(str), strict=True)) if "status" in told else {}
        used = told["obs_reason"].values.astype(str) == ""
        times, counts = np.unique(told["obs_time"].values[used].astype("datetime64[h]"), return_counts=True)
        count = dict(zip(times, counts, strict=True))
        return [
            {"status": status.get(hour, "run"), "condition": "full", "revision": 1, "used": int(count.get(hour, 0))}
            for hour in hours
        ]

    def stations(self, hours: np.ndarray) -> list[dict[str, dict[str, float | None]]]:
        """Return what stations measured in each hour; see `Source`."""
        return [
            {
                feed: {name: number if np.isfinite(number) else None for name, number in told.items()}
                for feed, told in each.items()
            }
            for each in station_numbers(self.posterior, hours)
        ]

    def dataset(self, start: np.datetime64, end: np.datetime64) -> xr.Dataset:
        """Return fields; see `Source`."""
        time = self.posterior["time"].values
        return self.posterior.isel(time=np.flatnonzero((time >= start) & (time < end)))

    def _fractions(self, areas: Sequence[Area]) -> Regions:
        """Return areas as regions of the grid."""
        declared = self.fractions() if any(area.region is not None for area in areas) else None
        rows, outside = [], np.zeros(len(areas))
        for number, area in enumerate(areas):
            if area.region is not None:
                assert declared is not None
                rows.append(declared[[area.region]])
            else:
                one = fractions_of(area, self.grid)
                rows.append(one.fractions)
                outside[number] = float(one.outside_share[0])
        fractions = scipy.sparse.csr_array(scipy.sparse.vstack(rows))
        ids = tuple(f"{number}" for number in range(len(areas)))
        return Regions(self.grid, ids, ids, ids, ids, fractions, fractions @ self.grid.area.ravel(), outside, ())

    def _sums(self, field: str, rows: scipy.sparse.csr_array) -> np.ndarray:
        """Return a published field's totals, (sector, functional)."""
        return np.stack([rows @ flux.values.ravel().astype(np.float64) for flux in self.posterior[field]])


def _digest(posterior: xr.Dataset) -> str:
    """Return a digest of what tells runs apart: how each was made, and its diagnostics."""
    told = {str(name): str(value) for name, value in sorted(posterior.attrs.items())}
    told |= {str(n): str(v.values) for n, v in sorted(posterior.data_vars.items()) if str(n).startswith("diagnostic_")}
    if not told:
        raise InputError("a run must say how it was made", got="no attributes", remedy="run the case again")
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:20]
