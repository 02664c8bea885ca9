"""Observations of one kind as they enter the problem: which are used, and their operator, background and errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.inversion.along_track import correlated_share
from pipeline.inversion.compared import only_held_out
from pipeline.inversion.operator import footprint_matrix, match_rows
from pipeline.inversion.towers import tower_matrix
from pipeline.schema import MOBILE, SATELLITE, instruments, is_used, why_unused
from pipeline.settings import OffsetSettings, Settings


@dataclass(frozen=True, eq=False)
class Part:
    """Observations of one kind, as they enter the problem.

    Parameters
    ----------
    keys
        Their rows of the Dataset, m of them.
    value, variance, background : (m,) float64
        In the unit of the mole fraction or flux; the variance is each one's own.
    background_sigma : (m,) float64
        Error of the background, which all of them share.
    matrix : (m, time * y * x)
        Rows of H.
    share : (sector, m) float64
        Which sectors' fluxes an observation sees.
    offset, offset_sigma : (m,)
        What the settings say of each one's offset, and its one-sigma size.
    rows : (m,) int
        Index into the Dataset.
    reason : (obs,) text
        Why a row of the Dataset is not used; empty for those that are.
    """

    keys: xr.Dataset
    value: np.ndarray
    variance: np.ndarray
    background: np.ndarray
    background_sigma: np.ndarray
    matrix: scipy.sparse.csr_array
    share: np.ndarray
    offset: list[OffsetSettings | None]
    offset_sigma: np.ndarray
    rows: np.ndarray
    reason: np.ndarray


def air_parts(
    settings: Settings,
    grid: Grid,
    observations: xr.Dataset,
    footprints: xr.Dataset,
    background: xr.Dataset,
    fluxes: xr.Dataset,
) -> tuple[Part, Part]:
    """Return the observations of air that are used, and those that are held out and nothing else.

    Raises
    ------
    SolverError
        When an observation is of no feed, satellite or laboratory of the settings.
    """
    match = match_rows(observations, footprints)
    carried = background["background"].values[match].astype(np.float64)
    reason = _flagged(observations)
    held_out = only_held_out(observations["flag"].values) & np.isfinite(carried) & (match >= 0)
    reason[(reason == "") & ~np.isfinite(carried)] = "no background"
    reason[(match < 0) & ((reason == "") | (reason == "no background"))] = "no footprint"
    whole = footprint_matrix(footprints, fluxes["time"].values, grid)
    total = np.abs(fluxes["flux"].values).sum(axis=0, dtype=np.float64).ravel()

    def part(rows: np.ndarray) -> Part:
        used = observations.isel(obs=rows)
        return _air_part(settings, used, carried[rows], whole[match[rows]], total, rows, reason)

    used, compared = part(np.flatnonzero(reason == "")), part(np.flatnonzero(held_out))
    # what a retrieval shares along its track is an error of the measurement: it is stated, not modelled
    measured = observations["uncertainty"].values[compared.rows].astype(np.float64)
    shared = correlated_share(settings, compared.keys) * measured**2
    return used, replace(compared, variance=compared.variance + shared)


def tower_part(settings: Settings, grid: Grid, observed: xr.Dataset, time: np.ndarray) -> Part:
    """Return the flux observations of towers that are used."""
    reason = _flagged(observed)
    rows = np.flatnonzero(reason == "")
    used = observed.isel(obs=rows)
    errors = {sink.id: sink.representation_error for sink in settings.sinks}
    representation = np.array([errors[str(name)] for name in used["station"].values])
    names = np.array([sector.name for sector in settings.sectors])
    return Part(
        keys=used,
        value=used["value"].values.astype(np.float64),
        variance=used["uncertainty"].values.astype(np.float64) ** 2 + representation**2,
        background=np.zeros(rows.size),
        background_sigma=np.zeros(rows.size),
        matrix=tower_matrix(used, time, grid),
        share=(used["sector"].values.astype(str)[None, :] == names[:, None]).astype(float),
        offset=[None] * rows.size,
        offset_sigma=np.zeros(rows.size),
        rows=rows,
        reason=reason,
    )


def _air_part(
    settings: Settings,
    used: xr.Dataset,
    carried: np.ndarray,
    matrix: scipy.sparse.csr_array,
    total: np.ndarray,
    rows: np.ndarray,
    reason: np.ndarray,
) -> Part:
    """Return observations of air with their background, their rows of H, and errors by the prior's flux in all."""
    # a column sees its share of the background, and its retrieval's prior for the rest
    sees = used["kernel_sum"].values.astype(float) if "kernel_sum" in used else np.ones(rows.size)
    from_prior = used["prior_part"].values.astype(float) if "prior_part" in used else np.zeros(rows.size)
    representation, share, offset = _of_settings(settings, used)
    inflation = _inflation(settings, used["time"].values)
    # uptake and emission err on their own: they do not cancel here
    enhancement = matrix @ total
    measured = used["uncertainty"].values.astype(np.float64)
    own = 1.0 - correlated_share(settings, used)
    return Part(
        keys=used,
        value=used["value"].values.astype(np.float64),
        variance=own * measured**2 + inflation**2 * (representation**2 + (share * enhancement) ** 2),
        background=from_prior + sees * carried,
        background_sigma=settings.background.sigma * sees,
        matrix=matrix,
        share=np.ones((len(settings.sectors), rows.size)),
        offset=offset,
        offset_sigma=_offset_sigma(used, offset),
        rows=rows,
        reason=reason,
    )


def _flagged(observed: xr.Dataset) -> np.ndarray:
    """Return why the flags keep an observation out; empty when they do not."""
    flag = observed["flag"].values
    reason = np.full(flag.size, "", dtype=object)
    for bits in np.unique(flag[~is_used(flag)]):
        reason[flag == bits] = why_unused(bits)
    return reason


def _of_settings(settings: Settings, used: xr.Dataset) -> tuple[np.ndarray, np.ndarray, list[OffsetSettings | None]]:
    """Return representation error, error as a share of the enhancement, and offset, from each one's feed or columns."""
    feeds = {(feed.id, round(float(feed.height), 1)): feed for feed in settings.stations}
    singles = {(SATELLITE, column.id): column.representation_error for column in settings.columns}
    singles |= {(MOBILE, lab.id): lab.representation_error for lab in settings.mobile}
    errors: list[tuple[float, float]] = []
    offsets: list[OffsetSettings | None] = []
    for station, instrument, height, platform in zip(
        map(str, used["station"].values),
        map(str, instruments(used["station"].values, used["platform"].values)),
        np.round(used["height"].values.astype(np.float64), 1).tolist(),
        map(str, used["platform"].values),
        strict=True,
    ):
        feed = None if platform == SATELLITE else feeds.get((station, height))
        if feed is not None:
            errors.append((feed.representation_error, feed.enhancement_error))
        elif (platform, instrument) in singles:
            errors.append((singles[platform, instrument], 0.0))
        else:
            raise SolverError(
                "an observation must be of a station and height, of a satellite, or of a laboratory, of the settings",
                got=f"{station} at {height:g} m ({platform})",
                remedy=f"stations: {sorted(feeds)}; others: {sorted(singles)}",
                where="observations",
            )
        offsets.append(None if feed is None else feed.offset)
    both = np.array(errors, dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1], offsets


def _inflation(settings: Settings, time: np.ndarray) -> np.ndarray:
    """Return the factor on the errors of comparing with the model: not 1 in hours whose weather is a forecast."""
    forecast = None if settings.transport is None else settings.transport.meteorology.forecast
    out = np.ones(time.size)
    if forecast is not None:
        for start, end in (window.bounds for window in settings.case.forecast_hours):
            out[(time >= start) & (time < end)] = forecast.inflation
    return out


def _offset_sigma(used: xr.Dataset, offset: list[OffsetSettings | None]) -> np.ndarray:
    """Return the one-sigma size of each observation's offset: what is left of a bias taken off, else the settings'."""
    declared = np.array([0.0 if given is None else given.sigma for given in offset])
    if "offset_sigma" not in used:
        return declared
    left = used["offset_sigma"].values.astype(np.float64)
    return np.where(np.isfinite(left) & (declared > 0), left, declared)
