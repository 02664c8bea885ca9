"""From checked Datasets to the plain problem: observations of all kinds in one order, and the errors they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.inversion.along_track import track_errors
from pipeline.inversion.compared import Compared
from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.correlation import stated_covariance
from pipeline.inversion.cross import Span
from pipeline.inversion.parts import Part, air_parts, tower_part
from pipeline.inversion.problem import Problem
from pipeline.inversion.rows import rows_of
from pipeline.schema import HOUR, check
from pipeline.settings import Settings


@dataclass(frozen=True, eq=False)
class Used:
    """Where the used rows of a Dataset stand in the problem.

    Parameters
    ----------
    rows : (k,) int
        Index into the Dataset, in the problem's order.
    at : (k,) int
        Index into the problem, ascending.
    reason : (obs,) text
        Why a row of the Dataset is not used; empty for those that are.
    """

    rows: np.ndarray
    at: np.ndarray
    reason: np.ndarray


@dataclass(frozen=True, eq=False)
class Assembled:
    """The problem, and where its observations come from.

    Parameters
    ----------
    problem
        Plain arrays, sorted by time, station and height.
    air, towers
        Observations of mole fractions, and of fluxes.
    station, platform, time : (m,)
        Of each observation of the problem.
    compared
        Observations of air that have no part in it.
    """

    problem: Problem
    air: Used
    towers: Used
    station: np.ndarray
    platform: np.ndarray
    time: np.ndarray
    compared: Compared


def assemble(
    settings: Settings,
    grid: Grid,
    observations: xr.Dataset,
    footprints: xr.Dataset,
    background: xr.Dataset,
    fluxes: xr.Dataset,
    towers: xr.Dataset | None = None,
    set_aside: Sequence[str] = (),
) -> Assembled:
    """Return the problem of one window.

    An observation is used when its flags allow (`schema.is_used`) and its station, height and hour have a footprint
    with a background. Error variance is measurement plus representation error; the background error is common to
    all observations of air and correlated over `background.hours`; a feed with `offset` has one more error, its own,
    as large as the observations' `offset_sigma` where that is given, else as the settings say; and one with
    `enhancement_error` a share of what the prior's fluxes add to its air. Of columns with `correlated_share`, that
    share of the measurement variance is correlated along the track. What is held out for no other reason has the same
    operator, background and errors, and no part in the problem.

    Parameters
    ----------
    observations, footprints, background, fluxes
        Datasets of `pipeline.schema`; background has the footprints' rows.
    towers
        Dataset "flux_observations", if there is any.
    set_aside
        Files that could not be used, and why; told when nothing else is left.

    Raises
    ------
    SolverError
        When no observation can be used, or the background's rows are not the footprints'.
    """
    check(observations, "observations")
    check(fluxes, "fluxes")
    _require_rows_of(check(background, "background"), footprints)
    dtype = np.dtype(np.float32 if settings.solver.precision == "single" else np.float64)
    time = fluxes["time"].values
    air_part, held_out = air_parts(settings, grid, observations, footprints, background, fluxes)
    parts = [air_part]
    if towers is not None:
        parts.append(tower_part(settings, grid, check(towers, "flux_observations"), time))
    if all(part.rows.size == 0 for part in parts):
        raise _nothing_left(air_part.reason, set_aside)
    keys = {name: np.concatenate([part.keys[name].values.astype(kind) for part in parts]) for name, kind in _KEYS}
    order = np.lexsort((keys["height"], keys["station"], keys["time"]))
    keys = {name: values[order] for name, values in keys.items()}
    sigma = fluxes["flux_std"].values.astype(dtype)
    share = np.concatenate([part.share for part in parts], axis=1)[:, order]
    problem = Problem(
        value=_joined(parts, "value")[order],
        variance=_joined(parts, "variance")[order],
        background=_joined(parts, "background")[order],
        errors=_errors(settings, parts, order, keys, (keys["time"] - time[0]) / HOUR),
        footprint=_ordered(scipy.sparse.csr_array(scipy.sparse.vstack([p.matrix for p in parts])[order]), dtype),
        prior=fluxes["flux"].values.astype(dtype),
        covariances=tuple(stated_covariance(s, sigma[k], grid) for k, s in enumerate(settings.sectors)),
        share=None if np.all(share == 1) else share,
        span=_span(settings, ((keys["time"] - time[0]) / HOUR).astype(np.int64), time.size),
    )
    place = np.argsort(order)
    first = parts[0].rows.size
    air = _used(parts[0], place[:first])
    tower = _NONE if towers is None else _used(parts[1], place[first:])
    compared = Compared(
        held_out.rows,
        np.sqrt(held_out.variance),
        held_out.background,
        rows_of(_ordered(held_out.matrix, dtype), time.size),
        _beside(problem.errors, keys, held_out, time[0]),
    )
    return Assembled(problem, air, tower, keys["station"], keys["platform"], keys["time"], compared)


_KEYS: tuple[tuple[str, type], ...] = (("time", np.datetime64), ("station", str), ("platform", str), ("height", float))
_NONE = Used(np.zeros(0, int), np.zeros(0, int), np.zeros(0, object))


def _require_rows_of(background: xr.Dataset, footprints: xr.Dataset) -> None:
    if background.sizes["obs"] != footprints.sizes["obs"]:
        raise SolverError(
            "the background must have the footprints' rows",
            got=f"{background.sizes['obs']} against {footprints.sizes['obs']}",
            remedy="make it from the same footprints",
            where="background",
        )


def _nothing_left(reason: np.ndarray, set_aside: Sequence[str]) -> SolverError:
    """Return the error of a window without observations: how many were left out for each reason."""
    got: dict[str, object] = {str(r): int(np.sum(reason == r)) for r in np.unique(reason)}
    return SolverError(
        "there must be observations to use",
        got=got | ({"files set aside": list(set_aside)} if set_aside else {}),
        remedy="correct a file, or the hours, the limits and the feeds of the case",
        where="observations",
    )


def _used(part: Part, at: np.ndarray) -> Used:
    order = np.argsort(at)
    return Used(part.rows[order], at[order], part.reason)


def _errors(
    settings: Settings, parts: list[Part], order: np.ndarray, keys: dict[str, np.ndarray], hours: np.ndarray
) -> tuple[CorrelatedError, ...]:
    """Return the background's error, one of offsets for each time over which they drift, and those along tracks."""
    offsets = [offset for part in parts for offset in part.offset]
    offsets = [offsets[at] for at in order]
    group = np.unique(_sensors(keys["station"], keys["height"]), return_inverse=True)[1]
    sigma = _joined(parts, "background_sigma")[order]
    found = [CorrelatedError("background", sigma, hours, np.zeros(hours.size, np.int64), settings.background.hours)]
    size = _joined(parts, "offset_sigma")[order]
    for drift in sorted({offset.hours for offset in offsets if offset is not None}):
        sigma = size * np.array([o is not None and o.hours == drift for o in offsets])
        found.append(CorrelatedError("offset", sigma, hours, group, drift))
    return (*found, *track_errors(settings, parts[0].keys, order))


def _beside(
    errors: tuple[CorrelatedError, ...], keys: dict[str, np.ndarray], part: Part, start: np.datetime64
) -> tuple[CorrelatedError, ...]:
    """Return the errors of background and offsets: of the problem's observations, and of those of `part` after them."""
    hours = (part.keys["time"].values - start) / HOUR
    drift = np.array([np.nan if offset is None else offset.hours for offset in part.offset])
    known = np.unique(_sensors(keys["station"], keys["height"]))
    mine = _sensors(part.keys["station"].values.astype(str), part.keys["height"].values.astype(float))
    at = np.minimum(np.searchsorted(known, mine), known.size - 1)
    # one of a sensor without used hours shares its offset with nobody
    sensor = np.where(known[at] == mine, at, -1)
    found = []
    for error in errors:
        if error.name == "background":
            sigma, group = part.background_sigma, np.zeros_like(sensor)
        elif error.name == "offset":
            sigma, group = part.offset_sigma * (drift == error.e_folding), sensor
        else:
            continue
        found.append(
            replace(
                error,
                sigma=np.append(error.sigma, sigma),
                hours=np.append(error.hours, hours),
                group=np.append(error.group, group),
            )
        )
    return tuple(found)


def _sensors(station: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return what has an offset of its own, in words."""
    return np.char.add(station, np.char.mod(" %g", height))


def _span(settings: Settings, hour: np.ndarray, hours: int) -> Span | None:
    """Return the hours a footprint of our own may reach: as far back as particles travel, to the hour itself."""
    if settings.transport is None:
        return None
    # a release lasts an hour, so its last particle may end an hour before the first one's earliest
    first = np.maximum(hour - settings.transport.hours - 1, 0)
    return Span(first, np.minimum(hour, hours - 1))


def _joined(parts: list[Part], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


def _ordered(matrix: scipy.sparse.csr_array, dtype: np.dtype) -> scipy.sparse.csr_array:
    """Return the matrix in a precision, its indices in order within each row."""
    matrix = matrix.astype(dtype)
    matrix.sort_indices()
    return matrix
