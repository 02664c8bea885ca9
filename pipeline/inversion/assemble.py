"""From checked Datasets to the plain problem: which observations enter, and with which errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.inversion.covariance import exponential_matrix, separable_covariance
from pipeline.inversion.operator import footprint_matrix, match_rows
from pipeline.inversion.problem import Problem
from pipeline.schema import HOUR, SATELLITE, check, instruments, is_used, why_unused
from pipeline.settings import Settings


@dataclass(frozen=True, eq=False)
class Assembled:
    """The problem, and where its observations stand in the observations Dataset.

    Parameters
    ----------
    problem
        Plain arrays.
    rows : (m,) int
        Index into the observations Dataset of each observation of the problem.
    reason : (obs,) text
        Why an observation is not used; empty for those that are.
    """

    problem: Problem
    rows: np.ndarray
    reason: np.ndarray


def assemble(
    settings: Settings,
    grid: Grid,
    observations: xr.Dataset,
    footprints: xr.Dataset,
    background: xr.Dataset,
    fluxes: xr.Dataset,
) -> Assembled:
    """Return the problem of one window.

    An observation is used when its flags allow (`schema.is_used`) and its station, height and hour have a footprint
    with a background. Error variance is measurement plus representation error; the background error is common to
    all stations and correlated over `background.hours`.

    Parameters
    ----------
    observations, footprints, background, fluxes
        Datasets of `pipeline.schema`; background has the footprints' rows.

    Raises
    ------
    SolverError
        When no observation can be used, or the background's rows are not the footprints'.
    """
    check(observations, "observations")
    check(background, "background")
    check(fluxes, "fluxes")
    if background.sizes["obs"] != footprints.sizes["obs"]:
        raise SolverError(
            "the background must have the footprints' rows",
            got=f"{background.sizes['obs']} against {footprints.sizes['obs']}",
            remedy="make it from the same footprints",
            where="background",
        )
    match = match_rows(observations, footprints)
    carried = background["background"].values[match]
    reason = _reasons(observations, match, carried)
    rows = np.flatnonzero(reason == "")
    if rows.size == 0:
        counts = {str(r): int(np.sum(reason == r)) for r in np.unique(reason)}
        raise SolverError(
            "there must be observations to use", got=counts, remedy="see the account", where="observations"
        )
    used = observations.isel(obs=rows)
    matrix = footprint_matrix(footprints, fluxes["time"].values, grid)[match[rows]]
    sigma = fluxes["flux_std"].values.astype(np.float64)
    covariances = tuple(
        separable_covariance(sigma[k], grid, length=sector.length, hours=sector.hours)
        for k, sector in enumerate(settings.sectors)
    )
    since = (used["time"].values - fluxes["time"].values[0]) / HOUR
    problem = Problem(
        value=used["value"].values.astype(np.float64),
        variance=used["uncertainty"].values.astype(np.float64) ** 2 + _representation(settings, used) ** 2,
        background=carried[rows].astype(np.float64),
        background_covariance=settings.background.sigma**2 * exponential_matrix(since, settings.background.hours),
        footprint=scipy.sparse.csr_array(matrix),
        prior=fluxes["flux"].values.astype(np.float64),
        covariances=covariances,
    )
    return Assembled(problem, rows, reason)


def _reasons(observations: xr.Dataset, match: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Return why each observation is not used; the first reason that holds, in this order."""
    reason = np.full(match.size, "", dtype=object)
    reason[~np.isfinite(carried)] = "no background"
    reason[match < 0] = "no footprint"
    flag = observations["flag"].values
    for bits in np.unique(flag[~is_used(flag)]):
        reason[flag == bits] = why_unused(bits)
    return reason


def _representation(settings: Settings, used: xr.Dataset) -> np.ndarray:
    """Return the representation error of each observation, from its station's feed or its satellite's columns."""
    feeds = {(feed.id, round(float(feed.height), 1)): feed.representation_error for feed in settings.stations}
    columns = {column.id: column.representation_error for column in settings.columns}
    errors = []
    for station, instrument, height, platform in zip(
        map(str, used["station"].values),
        map(str, instruments(used["station"].values, used["platform"].values)),
        np.round(used["height"].values.astype(np.float64), 1).tolist(),
        map(str, used["platform"].values),
        strict=True,
    ):
        error = columns.get(instrument) if platform == SATELLITE else feeds.get((station, height))
        if error is None:
            raise SolverError(
                "an observation must be of a station and height, or of a satellite, of the settings",
                got=f"{station} at {height:g} m ({platform})",
                remedy=f"stations: {sorted(feeds)}; columns: {sorted(columns)}",
                where="observations",
            )
        errors.append(error)
    return np.array(errors)
