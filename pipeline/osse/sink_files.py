"""Eddy-covariance towers of the simulated province: what they measure, and the half-hourly files they deliver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.ingest import random_error
from pipeline.schema import HOUR
from pipeline.settings import SinkSettings

#: a row, and how many a day has
_HALF_HOUR, _DAY = np.timedelta64(30, "m"), 48
#: share of half hours lost one by one, rain on the open path; long failures a day, and their length, half hours
_LOST, _FAILURES, _FAILURE = 0.06, 0.08, (6, 36)
#: share of the failures in which nothing at all is recorded, and nothing is filled
_DARK = 0.3
#: half hours within this of the time of day fill a gap, where at least `_FEW` are measured
_NEAR, _FEW = 2, 3
#: what these files have for no value
FILL = -9999.0


@dataclass(frozen=True, eq=False)
class TowerRecord:
    """What a tower's data centre delivers, by half hour; NaN where there is nothing.

    Parameters
    ----------
    flux : (half_hour,)
        Net flux, umol m-2 s-1, positive upward; measured or filled.
    quality : (half_hour,)
        FLUXNET's: 0 measured, 1 to 3 filled, better to worse.
    sigma : (half_hour,)
        One-sigma random error of measured fluxes, umol m-2 s-1.
    friction : (half_hour,)
        Friction velocity, m s-1.
    """

    flux: np.ndarray
    quality: np.ndarray
    sigma: np.ndarray
    friction: np.ndarray


def tower_record(
    flux: np.ndarray, friction: np.ndarray, rng: np.random.Generator, *, calm: float, faults: bool = True
) -> TowerRecord:
    """Return what a tower makes of the true flux around it.

    Measurements have a random error that grows with the flux and has the tails of a Laplace distribution (Richardson et
    al. 2006). In calm nights part of what the ground gives off drains away unseen. Some half hours are lost, by
    themselves or in failures of hours; most of those are filled from the same time of other days.

    Parameters
    ----------
    flux : (half_hour,) float64
        True net flux over the tower's footprint, umol m-2 s-1.
    friction : (half_hour,) float64
        Friction velocity, m s-1.
    calm
        Friction velocity below which a flux upward is seen only in part, m s-1.
    faults
        Without them, every half hour is measured and its error is normal.
    """
    law = SinkSettings.model_fields["random_error"].default
    sigma = random_error(flux, law)
    if not faults:
        return TowerRecord(flux + rng.normal(0, sigma), np.zeros(flux.size), sigma, friction.copy())
    drained = (friction < calm) & (flux > 0)
    seen = np.where(drained, flux * friction / calm, flux)
    # a Laplace distribution of scale b has a variance of 2 b^2
    seen = seen + rng.laplace(0, sigma / np.sqrt(2))
    lost = rng.random(flux.size) < _LOST
    dark = np.zeros(flux.size, dtype=bool)
    for at in rng.integers(0, flux.size, rng.poisson(_FAILURES * flux.size / _DAY)):
        out = slice(at, at + rng.integers(*_FAILURE))
        lost[out] = True
        dark[out] |= rng.random() < _DARK
    measured = np.where(lost, np.nan, seen)
    filled, quality = _filled(measured)
    gone = dark | ~np.isfinite(filled)
    return TowerRecord(
        np.where(gone, np.nan, filled),
        np.where(gone, np.nan, quality),
        np.where(lost, np.nan, sigma),
        np.where(dark, np.nan, friction),
    )


def write_fluxnet(path: Path, start: np.datetime64, record: TowerRecord) -> None:
    """Write a record as FLUXNET exchanges it: CSV by half hour, site's standard time (UTC+8), -9999 for no value.

    Parameters
    ----------
    path
        File to write.
    start
        Start of the first half hour, UTC.
    record
        What to write.
    """
    begin = start + 8 * HOUR + np.arange(record.flux.size) * _HALF_HOUR
    columns = {
        "NEE": (record.flux, "%.3f"),
        "NEE_QC": (record.quality, "%.0f"),
        "NEE_RANDUNC": (record.sigma, "%.3f"),
        "USTAR": (record.friction, "%.3f"),
    }
    frame = pd.DataFrame(
        {
            "TIMESTAMP_START": pd.DatetimeIndex(begin).strftime("%Y%m%d%H%M"),
            "TIMESTAMP_END": pd.DatetimeIndex(begin + _HALF_HOUR).strftime("%Y%m%d%H%M"),
            **{
                name: np.where(np.isfinite(values), np.char.mod(form, values), f"{FILL:.0f}")
                for name, (values, form) in columns.items()
            },
        }
    )
    frame.to_csv(path, index=False, lineterminator="\n")


def _filled(measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (flux, quality) with gaps filled by the mean of measured half hours near the same time of day.

    As the mean diurnal course of Falge et al. (2001, Agric. For. Meteorol. 107, 43); of too few, by the mean of all.
    """
    flux, quality = measured.copy(), np.zeros(measured.size)
    known = np.flatnonzero(np.isfinite(measured))
    for at in np.flatnonzero(~np.isfinite(measured)):
        apart = np.abs((known - at + _DAY // 2) % _DAY - _DAY // 2)
        near = known[apart <= _NEAR]
        if near.size >= _FEW:
            flux[at], quality[at] = measured[near].mean(), 1.0 if near.size >= 3 * _FEW else 2.0
        elif known.size:
            flux[at], quality[at] = measured[known].mean(), 3.0
    return flux, quality
