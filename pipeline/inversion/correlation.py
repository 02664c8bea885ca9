"""How a sector's prior errors are correlated: as its case states it, and as a store tells it to who asks later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import xarray as xr

from pipeline.grid import Grid
from pipeline.inversion.covariance import Covariance, sector_covariance
from pipeline.inversion.spatial import Shape
from pipeline.settings import SectorSettings


@dataclass(frozen=True)
class Correlation:
    """Correlation of one sector's prior errors.

    Parameters
    ----------
    length, hours
        e-folding distance (km) and time (h).
    daily
        Width of the same-hour-of-day term, hours; None for none.
    kind
        Of `spatial_correlation`.
    wide
        A longer distance, km, and its share of the variance; None for one distance.
    """

    length: float
    hours: float
    daily: float | None
    kind: Shape
    wide: tuple[float, float] | None

    @classmethod
    def stated(cls, sector: SectorSettings) -> Correlation:
        """Return what a case states."""
        return cls(sector.length, sector.hours, sector.daily, sector.correlation, sector.wide_pair)

    def covariance(self, sigma: np.ndarray, grid: Grid) -> Covariance:
        """Return the covariance of fields with these sigmas, (time, y, x); see `sector_covariance`."""
        return sector_covariance(
            sigma, grid, length=self.length, hours=self.hours, daily=self.daily, kind=self.kind, wide=self.wide
        )


def stated_covariance(sector: SectorSettings, sigma: np.ndarray, grid: Grid) -> Covariance:
    """Return the covariance that a case states for a sector.

    Parameters
    ----------
    sector
        Its lengths, hours and correlation.
    sigma, grid
        As for `sector_covariance`.
    """
    return Correlation.stated(sector).covariance(sigma, grid)


def correlation_coordinates(sectors: Sequence[SectorSettings]) -> dict[str, Any]:
    """Return coordinates over `sector` that tell how prior errors are correlated; NaN where there is none."""
    told = [Correlation.stated(sector) for sector in sectors]
    nothing = (np.nan, np.nan)
    numbers = {
        "length": ("km", "e-folding distance", [one.length for one in told]),
        "hours": ("h", "e-folding time", [one.hours for one in told]),
        "daily": (
            "h",
            "width of the same-hour-of-day term",
            [np.nan if one.daily is None else one.daily for one in told],
        ),
        "wide": ("km", "a longer e-folding distance", [(one.wide or nothing)[0] for one in told]),
        "wide_share": ("1", "its share of the variance", [(one.wide or nothing)[1] for one in told]),
    }
    return {
        **{
            f"correlation_{name}": (
                "sector",
                np.array(values),
                {"units": unit, "long_name": f"{meaning} of prior errors"},
            )
            for name, (unit, meaning, values) in numbers.items()
        },
        "correlation_kind": ("sector", np.array([one.kind for one in told], dtype=object)),
    }


def told_correlations(told: xr.Dataset) -> tuple[Correlation, ...]:
    """Return what `correlation_coordinates` told, sector by sector."""
    found = []
    for k in range(told.sizes["sector"]):
        length, hours, daily, wide, share = (
            float(told[f"correlation_{name}"].values[k]) for name in ("length", "hours", "daily", "wide", "wide_share")
        )
        found.append(
            Correlation(
                length,
                hours,
                None if np.isnan(daily) else daily,
                cast(Shape, str(told["correlation_kind"].values[k])),
                None if np.isnan(wide) else (wide, share),
            )
        )
    return tuple(found)
