"""From checked Datasets to the plain problem: which observations enter, in which order, and with which errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.inversion.along_track import correlated_share, track_errors
from pipeline.inversion.compared import Compared, only_held_out
from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.correlation import stated_covariance
from pipeline.inversion.cross import Span
from pipeline.inversion.operator import footprint_matrix, match_rows
from pipeline.inversion.problem import Problem
from pipeline.inversion.rows import rows_of
from pipeline.inversion.towers import tower_matrix
from pipeline.schema import HOUR, MOBILE, SATELLITE, check, instruments, is_used, why_unused
from pipeline.settings import OffsetSettings, Settings


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


@dataclass(frozen=True, eq=False)
class _Part:
    """Observations of one kind, as they enter the problem."""

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
    check(background, "background")
    check(fluxes, "fluxes")
    if background.sizes["obs"] != footprints.sizes["obs"]:
        raise SolverError(
            "the background must have the footprints' rows",
            got=f"{background.sizes['obs']} against {footprints.sizes['obs']}",
            remedy="make it from the same footprints",
            where="background",
        )
    dtype = np.dtype(np.float32 if settings.solver.precision == "single" else np.float64)
    time = fluxes["time"].values
    air_part, held_out = _air(settings, grid, observations, footprints, background, fluxes)
    parts = [air_part]
    if towers is not None:
        parts.append(_towers(settings, grid, check(towers, "flux_observations"), time))
    if all(part.rows.size == 0 for part in parts):
        got: dict[str, object] = {str(r): int(np.sum(parts[0].reason == r)) for r in np.unique(parts[0].reason)}
        raise SolverError(
            "there must be observations to use",
            got=got | ({"files set aside": list(set_aside)} if set_aside else {}),
            remedy="correct a file, or the hours, the limits and the feeds of the case",
            where="observations",
        )
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


def _used(part: _Part, at: np.ndarray) -> Used:
    order = np.argsort(at)
    return Used(part.rows[order], at[order], part.reason)


def _air(
    settings: Settings,
    grid: Grid,
    observations: xr.Dataset,
    footprints: xr.Dataset,
    background: xr.Dataset,
    fluxes: xr.Dataset,
) -> tuple[_Part, _Part]:
    """Return the observations of air that are used, and those that are held out and nothing else."""
    match = match_rows(observations, footprints)
    carried = background["background"].values[match].astype(np.float64)
    reason = _flagged(observations)
    held_out = only_held_out(observations["flag"].values) & np.isfinite(carried) & (match >= 0)
    reason[(reason == "") & ~np.isfinite(carried)] = "no background"
    reason[(match < 0) & ((reason == "") | (reason == "no background"))] = "no footprint"
    whole = footprint_matrix(footprints, fluxes["time"].values, grid)
    total = np.abs(fluxes["flux"].values).sum(axis=0, dtype=np.float64).ravel()

    def part(rows: np.ndarray) -> _Part:
        used = observations.isel(obs=rows)
        return _air_part(settings, used, carried[rows], whole[match[rows]], total, rows, reason)

    used, compared = part(np.flatnonzero(reason == "")), part(np.flatnonzero(held_out))
    # what a retrieval shares along its track is an error of the measurement: it is stated, not modelled
    measured = observations["uncertainty"].values[compared.rows].astype(np.float64)
    shared = correlated_share(settings, compared.keys) * measured**2
    return used, replace(compared, variance=compared.variance + shared)


def _air_part(
    settings: Settings,
    used: xr.Dataset,
    carried: np.ndarray,
    matrix: scipy.sparse.csr_array,
    total: np.ndarray,
    rows: np.ndarray,
    reason: np.ndarray,
) -> _Part:
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
    return _Part(
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


def _towers(settings: Settings, grid: Grid, observed: xr.Dataset, time: np.ndarray) -> _Part:
    reason = _flagged(observed)
    rows = np.flatnonzero(reason == "")
    used = observed.isel(obs=rows)
    errors = {sink.id: sink.representation_error for sink in settings.sinks}
    representation = np.array([errors[str(name)] for name in used["station"].values])
    names = np.array([sector.name for sector in settings.sectors])
    return _Part(
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


def _flagged(observed: xr.Dataset) -> np.ndarray:
    """Return why the flags keep an observation out; empty when they do not."""
    flag = observed["flag"].values
    reason = np.full(flag.size, "", dtype=object)
    for bits in np.unique(flag[~is_used(flag)]):
        reason[flag == bits] = why_unused(bits)
    return reason


def _errors(
    settings: Settings, parts: list[_Part], order: np.ndarray, keys: dict[str, np.ndarray], hours: np.ndarray
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
    errors: tuple[CorrelatedError, ...], keys: dict[str, np.ndarray], part: _Part, start: np.datetime64
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


def _joined(parts: list[_Part], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


def _ordered(matrix: scipy.sparse.csr_array, dtype: np.dtype) -> scipy.sparse.csr_array:
    """Return the matrix in a precision, its indices in order within each row."""
    matrix = matrix.astype(dtype)
    matrix.sort_indices()
    return matrix


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
