"""The making of one hour: from what is delivered to versions of its window's hours; nothing is committed here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from kernels.jit import set_threads
from pipeline._version import __version__
from pipeline.case import AssembledCase, Progress, assembled_case, domain_grid, quiet, transport_folder
from pipeline.cycle import hours_window
from pipeline.errors import GridError, InputError, SolverError
from pipeline.grid import Grid, Regions, grid_from_settings, make_regions
from pipeline.ingest import quarantine, read_fluxes, require_fluxes
from pipeline.inversion import prior_only, problem_digest
from pipeline.schema import HOUR
from pipeline.service import product
from pipeline.service.carrier import Carrier, carrier_of, sound_weather, with_forecasts
from pipeline.service.elsewhere import digest_of
from pipeline.service.place import Place
from pipeline.service.solving import solve_hours
from pipeline.service.stages import Stages
from pipeline.service.window import Beside, Delivered, WindowOf, laid_out, window_of
from pipeline.settings import Settings
from station_meta import PRECISE_CLASSES

FULL, DEGRADED, PRIOR_ONLY = "full", "degraded", "prior_only"
#: of a version: the prior alone; its window ends with the hour; its window reaches `lag_hours` beyond it; consolidated
P0, P1, P2, P3 = "P0", "P1", "P2", "P3"
#: what stops a window's inversion, but not the hour: it is the prior then
_STOPS = (InputError, SolverError, GridError, MemoryError, np.linalg.LinAlgError, ArithmeticError)


@dataclass(frozen=True, eq=False)
class Domain:
    """What all hours of a case share.

    Parameters
    ----------
    grid, regions
        Of the case.
    """

    grid: Grid
    regions: Regions


def domain_of(place: Place) -> Domain:
    """Return the domain of a case.

    Raises
    ------
    GridError, ConfigError
        When it cannot exist, or a window on it cannot fit in memory.
    """
    set_threads(place.settings.solver.threads)
    # the case's own hours may be those of years: what must fit is the longest window
    longest = place.service.first + np.timedelta64(place.cycle.window_hours, "h")
    grid = domain_grid(window_of(place, longest).settings)
    regions = make_regions(place.settings.regions, grid, place.root, cache=place.derived)
    return Domain(grid, regions)


def require_prior(place: Place) -> None:
    """Raise unless the files of the prior can be used: without them no hour can be published, not even as the prior.

    Raises
    ------
    ConfigError, InputError, GridError
        Naming the file.
    """
    require_fluxes(place.settings, grid_from_settings(place.settings.grid), place.root, place.service.first)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A window that was read.

    Parameters
    ----------
    window
        The window.
    settings
        Of the window, without the feeds that are missing.
    given
        Its problem; None when there is none, and the hour is the prior.
    key
        Digest of all that decides the numbers.
    missing
        Feeds that have delivered nothing.
    reasons
        Why nothing was inverted, in words.
    carrier
        Its weather.
    files
        What was read: path, bytes and digest.
    """

    window: WindowOf
    settings: Settings
    given: AssembledCase | None
    key: str
    missing: tuple[str, ...]
    reasons: tuple[str, ...]
    carrier: Carrier
    files: tuple[dict[str, Any], ...]


@dataclass(frozen=True, eq=False)
class Version:
    """A version of an hour, ready to be committed.

    Parameters
    ----------
    hour
        UTC.
    data
        Variables of `product.template`.
    manifest
        How it was made.
    """

    hour: np.datetime64
    data: xr.Dataset
    manifest: dict[str, Any]


def prepare(
    place: Place,
    domain: Domain,
    window: WindowOf,
    inputs: Delivered,
    elsewhere: Beside,
    stages: Stages,
    *,
    give_up: str = "",
    progress: Progress = quiet,
) -> Prepared:
    """Read what a window may know of, and return its problem.

    Parameters
    ----------
    inputs, elsewhere
        What there is; the service's own, or `pipeline.service.window.Known` for both.
    give_up
        Why the window is not to be solved; it is when not given.

    Raises
    ------
    ConfigError
        When the case itself cannot be right.
    """
    view = place.view
    with stages.stage("layout"):
        settings, missing = laid_out(place, window, inputs, elsewhere, view)
        files = tuple(_files(place, view))
        carrier = carrier_of(settings, view)
    given: AssembledCase | None = None
    reasons: tuple[str, ...] = ()
    key = ""
    try:
        if give_up:
            raise InputError("the hour must be solvable", got=give_up, remedy="see the log")
        if not settings.stations and not settings.columns and not settings.mobile:
            raise InputError("there must be deliveries", got="none in the window", remedy="see the inbox")
        with stages.stage("weather"):
            settings, carrier = _weather(settings, place, domain.grid, view, window.carried)
        with stages.stage("reading"):
            given = assembled_case(
                settings, domain.grid, place.path, view, stages.watching(progress), cache=place.derived
            )
        carried = [_carried(carrier, hour) for hour in wanted(place, window.hour)]
        key = digest_of([place.config, problem_digest(given.assembled.problem), *_seen(given), carried])
    except _STOPS as error:
        given, reasons = None, (_nothing_inverted(error),)
    if given is None:
        with stages.stage("reading"):
            prior = _prior(replace(window, settings=settings), domain, view, place.derived)
        key = digest_of([place.config, *reasons, *(bytes_digest(prior[name].values) for name in product.FIELDS[:2])])
    return Prepared(window, settings, given, key, tuple(missing), reasons, carrier, files)


def versions(
    place: Place, domain: Domain, prepared: Prepared, stages: Stages, *, progress: Progress = quiet
) -> list[Version]:
    """Return the versions of a window's newest hour, and of the one whose lag it ends.

    Parameters
    ----------
    prepared
        Of `prepare`.

    Returns
    -------
    That of the newest hour last.
    """
    window, given = prepared.window, prepared.given
    if given is None:
        return [_of_prior(place, domain, prepared, window.hour, [])]
    with stages.stage("solving"):
        try:
            hours = np.array(wanted(place, window.hour))
            grid, regions = domain.grid, domain.regions
            told = stages.watching(progress)
            result = solve_hours(prepared.settings, grid, regions, given, hours, cache=place.cache, progress=told)
        except _STOPS as error:
            failed = replace(prepared, given=None, reasons=(_nothing_inverted(error),))
            return [_of_prior(place, domain, failed, window.hour, [])]
    with stages.stage("versions"):
        return [
            _of_result(place, domain, prepared, result, hour, P1 if hour == window.hour else P2)
            for hour in wanted(place, window.hour)
        ]


def wanted(place: Place, hour: np.datetime64) -> list[np.datetime64]:
    """Return the hours the window that ends with an hour gives versions of: the one whose lag it ends, and its own."""
    lagged = hour - np.timedelta64(place.cycle.lag_hours, "h")
    return [at for at in (lagged, hour) if at >= place.service.first]


def _of_result(
    place: Place, domain: Domain, prepared: Prepared, result: xr.Dataset, hour: np.datetime64, status: str
) -> Version:
    """Return the version of one hour of a solved window, by the rule of precise stations."""
    assert prepared.given is not None
    start = hour.astype("datetime64[ns]")
    transport = place.settings.transport
    travel = 1 if transport is None else transport.hours
    end = min(start + travel * HOUR, prepared.window.hour.astype("datetime64[ns]") + HOUR)
    found = product.reporting(prepared.given.observations, PRECISE_CLASSES, start, max(end, start + HOUR))
    told = {"precise_stations": len(found)}
    reasons = list(prepared.reasons)
    if not prepared.carrier.has(hour):
        return _of_prior(place, domain, prepared, hour, [prepared.carrier.lacks(hour)])
    lead = prepared.carrier.lead(hour)
    if lead:
        reasons.append(f"the weather is that of a forecast {lead} hours old")
    if _has_precise(place.settings, prepared.given):
        if not found:
            return _of_prior(place, domain, prepared, hour, ["no precise station measured"])
        if len(found) < place.service.spectrometers_least:
            reasons.append(f"{len(found)} precise station(s) measured, of {place.service.spectrometers_least}")
    if bool(result["degraded"].sel(time=start)):
        reasons.append("the innovation gate was off: too many of a kind of observation lay beyond it")
    if not result.attrs.get("converged", True):
        reasons.append("the iteration of log-normal sectors had not converged")
    try:
        data = product.require_finite(product.of_hour(result, hour))
    except SolverError as error:
        return _of_prior(place, domain, prepared, hour, [_nothing_inverted(error)])
    counts = product.counts(result, start, start + HOUR)
    reasons += product.shortages(counts)
    manifest = _manifest(place, prepared, hour, status, reasons) | told
    manifest |= {
        "counts": counts,
        "stations": product.stations(result, hour),
        "window_counts": product.counts(result, *prepared.window.settings.case.observation_hours.bounds),
        "diagnostics": product.diagnostics(result),
        "notes": [*_damage_notes(prepared.carrier), *str(result.attrs["notes"]).splitlines()],
        "quarantine": quarantine.record(prepared.given.accounts),
    }
    return Version(hour, data, manifest)


def _of_prior(place: Place, domain: Domain, prepared: Prepared, hour: np.datetime64, more: list[str]) -> Version:
    """Return the prior as the version of an hour; one that is not finite is an error, and nothing is published."""
    window = replace(prepared.window, settings=prepared.settings, hour=hour)
    result = _prior(window, domain, place.view, place.derived)
    manifest = _manifest(place, prepared, hour, P0, [*prepared.reasons, *more])
    manifest["condition"] = PRIOR_ONLY
    return Version(hour, product.require_finite(product.of_hour(result, hour)), manifest)


def _weather(
    settings: Settings, place: Place, grid: Grid, view: Path, hours: tuple[int, int]
) -> tuple[Settings, Carrier]:
    """Return a window's settings and weather without what is damaged.

    Raises
    ------
    InputError
        When too little is left to trace a particle.
    """
    if settings.transport is None:
        return settings, carrier_of(settings, view)
    folder = transport_folder(settings, place.path) / "weather"
    settings, carrier = sound_weather(settings, view, folder, grid, hours)
    if carrier.times.size < 2:
        why = next(iter(carrier.damaged.values()), f"{carrier.times.size} time(s)")
        raise InputError("the window must have weather", got=why, remedy="see transport.meteorology")
    return with_forecasts(settings, carrier), carrier


def _damage_notes(carrier: Carrier) -> list[str]:
    return [f"the weather at {str(time)[:16]} cannot be used: {why}" for time, why in carrier.damaged.items()]


def _carried(carrier: Carrier, hour: np.datetime64) -> list[Any]:
    """Return what a version says of the weather of its hour."""
    told = [int(carrier.has(hour)), carrier.lead(hour)]
    return told if carrier.has(hour) or not carrier.damaged else [*told, carrier.lacks(hour)]


def _nothing_inverted(error: BaseException) -> str:
    if isinstance(error, np.linalg.LinAlgError | ArithmeticError):
        return f"nothing was inverted: a matrix must be positive definite and numbers finite; got '{error}'"
    return f"nothing was inverted: {error}" if str(error) else "nothing was inverted: memory is too small"


def _seen(given: AssembledCase) -> list[str]:
    """Return digests of everything observed, used or not: what a manifest counts."""
    tables = [given.observations, *([] if given.towers is None else [given.towers])]
    names = ("time", "station", "height", "value", "flag")
    return [bytes_digest(table[name].values) for table in tables for name in names]


def bytes_digest(values: np.ndarray) -> str:
    """Return the SHA-256 of an array's values, texts by their characters."""
    plain = values if values.dtype.kind not in "OT" else values.astype(str)
    return hashlib.sha256(f"{plain.dtype.str} {plain.shape}".encode() + plain.tobytes()).hexdigest()


def _manifest(place: Place, prepared: Prepared, hour: np.datetime64, status: str, reasons: list[str]) -> dict[str, Any]:
    start, end = prepared.window.settings.case.flux_hours.bounds
    return {
        "status": status,
        "condition": DEGRADED if reasons else FULL,
        "reasons": reasons,
        "missing": list(prepared.missing),
        "key": prepared.key,
        "window": [str(start.astype("datetime64[h]")), str(end.astype("datetime64[h]"))],
        "met_lead_h": prepared.carrier.lead(hour),
        "window_complete": bool(end >= hour.astype("datetime64[ns]") + place.cycle.lag_hours * HOUR),
        "config": place.config,
        "code": __version__,
        "inputs": list(prepared.files),
    }


def _has_precise(settings: Settings, given: AssembledCase) -> bool:
    """Return whether a case has precise stations at all: one of columns or cheap sensors alone has no such rule."""
    platform = given.observations["platform"].values.astype(str)
    return bool(np.isin(platform, PRECISE_CLASSES).any()) or any(feed.offset is None for feed in settings.stations)


def _prior(window: WindowOf, domain: Domain, view: Path, cache: Path) -> xr.Dataset:
    """Return the prior of the window's newest hour."""
    settings = window.settings
    start = window.hour.astype("datetime64[ns]")
    case = settings.case.model_copy(update={"flux_hours": hours_window(start, start + HOUR)})
    fluxes, _ = read_fluxes(settings.model_copy(update={"case": case}), domain.grid, view, cache=cache)
    return prior_only(settings, domain.grid, domain.regions, fluxes)


def _files(place: Place, view: Path) -> Iterator[dict[str, Any]]:
    """Give path, bytes and digest of what a window reads; a delivery's digest stands in the name it is kept by."""
    for path in sorted(path for path in view.rglob("*") if path.is_symlink()):
        target = path.resolve()
        told: dict[str, Any] = {"path": path.relative_to(view).as_posix(), "bytes": target.stat().st_size}
        if target.is_relative_to(place.spool):
            told["sha256"] = target.name.partition("-")[2]
        yield told
