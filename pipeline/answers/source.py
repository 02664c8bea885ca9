"""What every store can be asked for: totals of areas over hours, with how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.answers.areas import Area, RegionTable
from pipeline.grid import Grid
from pipeline.inversion import Correlation


@dataclass(frozen=True)
class Version:
    """Which state of a store answers come from.

    Parameters
    ----------
    store
        Its folder.
    id
        The same id is the same numbers, for ever.
    kind
        "hours" (the store of the hourly service) or "run" (of one case).
    facts
        What else is known of it: commit, time, code, case.
    """

    store: Path
    id: str
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AreaTotals:
    """Totals of areas over groups of hours, tonnes of the gas.

    Parameters
    ----------
    prior, posterior : (area, sector, group) float64
        Means.
    prior_covariance, covariance : (area, group, sector, sector) float64
        Between sectors, t2.
    exact : (area, group) bool
        Whether the posterior covariance is that of the inversion; else an upper estimate (`pipeline.answers.upper`).
    size : (area,) float64
        Of the areas inside the grid, m2.
    outside : (area,) float64
        Share of each area that lies outside the grid and is not counted.
    """

    prior: np.ndarray
    posterior: np.ndarray
    prior_covariance: np.ndarray
    covariance: np.ndarray
    exact: np.ndarray
    size: np.ndarray
    outside: np.ndarray


def joined(parts: Sequence[AreaTotals]) -> AreaTotals:
    """Return the totals of all areas of several."""
    return AreaTotals(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(AreaTotals)))


class Source(Protocol):
    """A store that was opened, at one of its versions.

    Attributes
    ----------
    grid
        Its cells.
    species
        Gas of its fluxes.
    sectors
        Names.
    regions
        Declared ones.
    version
        Which state it is.
    hours : (n,) datetime64[h]
        Those that have numbers, ascending.
    """

    grid: Grid
    species: str
    sectors: tuple[str, ...]
    regions: RegionTable
    version: Version
    hours: np.ndarray

    @property
    def correlations(self) -> tuple[Correlation, ...]:
        """How the prior errors of each sector are correlated."""

    @property
    def linearised(self) -> bool:
        """Whether covariances are those of a linearised problem (log-normal sectors), beside the members' means."""

    def totals(self, areas: Sequence[Area], hours: np.ndarray, groups: Sequence[np.ndarray]) -> AreaTotals:
        """Return totals of areas.

        Parameters
        ----------
        areas
            Of `area_of`.
        hours : (n,) datetime64[h]
            Some of `hours`, ascending.
        groups
            Places in them, ascending.
        """

    def fractions(self) -> scipy.sparse.csr_array:
        """Return the share of each cell's area inside each declared region: (region, cell)."""

    def field(self, name: str, sector: int, hours: np.ndarray) -> np.ndarray:
        """Return a field of one sector in some of `hours`: (hour, y, x)."""

    def facts(self, hours: np.ndarray) -> list[dict[str, Any]]:
        """Return of each hour its status, condition, revision and how many observations were used."""

    def stations(self, hours: np.ndarray) -> list[dict[str, dict[str, float | None]]]:
        """Return of each hour what each station and inlet measured, and what the models say of it.

        Returns
        -------
        By "station/height": value, error, prior, prior_std, posterior, background_prior, background_posterior, offset
        (the unit of the gas's mole fraction) and flag (bits of `pipeline.schema.Flag`); None is not a number.
        """

    def dataset(self, start: np.datetime64, end: np.datetime64) -> xr.Dataset:
        """Return all fields of hours [start, end), read when they are asked for."""

    def close(self) -> None:
        """Let go of it."""
