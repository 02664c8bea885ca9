"""Totals of areas over periods, labelled: prior, posterior and their sigmas, by sector and net."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.answers.areas import Area, area_of
from pipeline.answers.hours_source import HoursSource
from pipeline.answers.periods import Frequency, Period, checked, groups, length_of, parse_period, require_frequency
from pipeline.answers.run_source import RunSource
from pipeline.answers.source import AreaTotals, Source
from pipeline.errors import InputError, SizeError
from pipeline.grid import HourStore
from pipeline.units import SECONDS_PER_HOUR, species, tonnes_per_flux_unit

#: entry of `sector` that is all of them together
NET = "net"
#: parts a query may have: a year of hours is 8760
MOST_PARTS = 10_000


def open_source(store: Path | str, *, version: str | None = None, as_of: datetime | str | None = None) -> Source:
    """Return a store, opened at one of its versions.

    Parameters
    ----------
    store
        Folder of the hourly service's store, of the service around it, or of a run.
    version
        Id of a snapshot of a store of hours, or the name of a release; the newest when not given.
    as_of
        What the store said at a time (with a zone).

    Raises
    ------
    InputError, StoreError
        When there is no such store or version.
    """
    path = Path(store)
    found = hours_store_at(path)
    if found is not None:
        return HoursSource(HourStore.open(found), version=version, as_of=parse_as_of(as_of))
    if version is not None or as_of is not None:
        raise InputError(
            "only a store of hours has versions",
            got=str(path),
            remedy="leave out version and as_of, or give the folder of the hourly service's store",
            where="store",
        )
    return RunSource(path)


def hours_store_at(path: Path) -> Path | None:
    """Return the folder of the store of hours that a path means: itself, or that of the service in it; None if none."""
    places = (path, path / "store", path / "service" / "store")
    return next((found for found in places if HourStore.is_there(found)), None)


def open_dataset(
    store: Path | str,
    period: str | Period | tuple[np.datetime64, np.datetime64] | None = None,
    *,
    version: str | None = None,
    as_of: datetime | str | None = None,
) -> xr.Dataset:
    """Return the fields of a store, read when they are asked for.

    Parameters
    ----------
    store, version, as_of
        As for `open_source`.
    period
        As for `query`.

    Returns
    -------
    Dataset over sector, time, y and x: flux_prior, flux_prior_std, flux_posterior, flux_posterior_std (positive
    upward), and what else the store has; hours without a version are NaN. Its attribute `version` is the snapshot it
    shows, whatever is committed meanwhile.

    Raises
    ------
    InputError, StoreError
        When there is no such store, version or period.
    """
    source = open_source(store, version=version, as_of=as_of)
    span = period_of(source, period)
    if source.hours.size:
        # hours before the first and after the last would be NaN for years
        ends = source.hours[-1] + np.timedelta64(1, "h")
        span = Period(max(span.start, source.hours[0]), min(span.end, ends))
    if span.end <= span.start:
        raise _nothing(source, period)
    return source.dataset(span.start, span.end).assign_attrs(version=source.version.id)


def query(
    store: Source | Path | str,
    region: Any | Sequence[Any],
    period: str | Period | tuple[np.datetime64, np.datetime64] | None = None,
    *,
    sector: str | Sequence[str] | None = None,
    freq: Frequency = "all",
    version: str | None = None,
    as_of: datetime | str | None = None,
) -> xr.Dataset:
    """Return totals of areas over a period.

    Parameters
    ----------
    store
        What `open_source` takes, or gives.
    region
        An area or a list of them: id or name of a region, a polygon (shapely or GeoJSON), the path of a file of
        polygons, a box (west, east, south, north), or a cell by a point in it (longitude, latitude), in degrees.
    period
        As `parse_period` reads it, or [start, end) as datetime64, UTC; all hours of the store when not given.
    sector
        Names of sectors, or "net"; all of them and net when not given.
    freq
        Parts of the period that have a total each: hour, day, month, year (UTC), or all.
    version, as_of
        As for `open_source`.

    Returns
    -------
    Dataset over region, sector and time (start of each part, UTC): prior, prior_std, posterior, posterior_std (t of the
    gas, positive upward), data_share (of the prior variance that the data took away), flux_prior, flux_prior_std,
    flux_posterior, flux_posterior_std (the same per area and time, in the gas's flux unit), exact (whether
    posterior_std is that of the inversion; else it is an upper estimate), hours and hours_missing, area and outside.

    Raises
    ------
    InputError
        For a region, period, sector or freq that is not known, with what is.
    GridError
        For a polygon wholly outside the grid.
    """
    if isinstance(store, Path | str):
        source = open_source(store, version=version, as_of=as_of)
        try:
            return query(source, region, period, sector=sector, freq=freq)
        finally:
            source.close()
    require_frequency(freq)
    several = isinstance(region, list)
    areas = [area_of(one, store.regions) for one in (region if several else [region])]
    sectors = chosen_sectors(store, sector)
    span = period_of(store, period)
    hours = some_hours(store, span)
    starts, parts = groups(hours, freq)
    if len(parts) > MOST_PARTS:
        raise SizeError(
            f"a question may have {MOST_PARTS} parts", got=len(parts), remedy="ask by day or month", where="frequency"
        )
    found = store.totals(areas, hours, parts)
    count = np.array([part.size for part in parts])
    return _labelled(store, areas, sectors, starts, count, length_of(starts, freq, span), span, found)


def chosen_sectors(source: Source, sector: str | Sequence[str] | None) -> list[str]:
    """Return the sectors that were asked for.

    Raises
    ------
    InputError
        For one that the store does not have.
    """
    known = [*source.sectors, NET]
    if sector is None:
        return known
    wanted = [sector] if isinstance(sector, str) else list(sector)
    for name in wanted:
        if name not in known:
            raise InputError(
                "the sector must be one of the store's", got=name, remedy=f"it has {', '.join(known)}", where="sector"
            )
    return wanted


def period_of(source: Source, period: str | Period | tuple[np.datetime64, np.datetime64] | None) -> Period:
    """Return the period that was asked for; that of the store when none was.

    Raises
    ------
    InputError
        For one that is none, is empty, or is not of whole hours.
    """
    if isinstance(period, str):
        return parse_period(period)
    if isinstance(period, Period):
        return checked(period, str(period))
    if period is not None:
        start, end = (np.datetime64(t) for t in period)
        whole = Period(start.astype("datetime64[h]"), end.astype("datetime64[h]"))
        if whole.start != start or whole.end != end:
            raise InputError(
                "a period must be of whole hours", got=f"{start} to {end}", remedy="round it", where="period"
            )
        return checked(whole, f"{start} to {end}")
    if source.hours.size == 0:
        raise InputError("the store must have an hour", got="none", remedy="run `tianyan run-due` first", where="store")
    return Period(source.hours[0], source.hours[-1] + np.timedelta64(1, "h"))


def some_hours(source: Source, span: Period) -> np.ndarray:
    """Return the hours of a period that have numbers.

    Raises
    ------
    InputError
        When there is none.
    """
    hours = span.within(source.hours)
    if hours.size == 0:
        raise _nothing(source, span)
    return hours


def parse_as_of(told: datetime | str | None) -> datetime | None:
    """Return the time a store is asked about.

    Raises
    ------
    InputError
        When it is no ISO time, or has no zone.
    """
    if told is None or isinstance(told, datetime):
        found = told
    else:
        try:
            found = datetime.fromisoformat(told)
        except ValueError as error:
            raise InputError(
                "a time must be ISO, with a zone", got=told, remedy="write it as 2024-07-15T06:00Z", where="as_of"
            ) from error
    if found is not None and found.tzinfo is None:
        raise InputError("a time must have a zone", got=str(told), remedy="end it with Z", where="as_of")
    try:
        return None if found is None else found.astimezone(UTC)
    except OverflowError as error:
        raise InputError(
            "a time must lie in the years 1 to 9999, UTC", got=str(told), remedy="ask for another", where="as_of"
        ) from error


def _nothing(source: Source, asked: object) -> InputError:
    return InputError(
        "the period must have an hour with numbers",
        got=str(asked),
        remedy=f"the store has {source.hours[0]}Z to {source.hours[-1]}Z" if source.hours.size else "it has none yet",
        where="period",
    )


def _labelled(
    source: Source,
    areas: list[Area],
    sectors: list[str],
    starts: np.ndarray,
    count: np.ndarray,
    expected: np.ndarray,
    span: Period,
    found: AreaTotals,
) -> xr.Dataset:
    gas = species(source.species)
    means = [_with_net(values) for values in (found.prior, found.posterior)]
    sigmas = [_sigmas(values) for values in (found.prior_covariance, found.covariance)]
    at = [[*source.sectors, NET].index(name) for name in sectors]
    dims = ("region", "sector", "time")
    named = {
        "prior": (means[0], "prior total"),
        "prior_std": (sigmas[0], "one sigma of the prior total"),
        "posterior": (means[1], "posterior total"),
        "posterior_std": (sigmas[1], "one sigma of the posterior total"),
    }
    # what one flux unit over the whole area makes in the hours of each part, t
    per_unit = found.size[:, None, None] * tonnes_per_flux_unit(gas) * SECONDS_PER_HOUR * count[None, None, :]
    variables: dict[str, Any] = {}
    for name, (values, meaning) in named.items():
        wanted = values[:, at]
        variables[name] = (dims, wanted, {"units": "t", "long_name": f"{meaning} of {gas.name}, positive upward"})
        density = np.divide(wanted, per_unit, out=np.zeros_like(wanted), where=per_unit > 0)
        per = {"units": gas.flux_unit, "long_name": f"{meaning} per area and time"}
        variables[f"flux_{name}"] = (dims, density, per)
    variance = [values[:, at] ** 2 for values in sigmas]
    share = 1.0 - np.divide(variance[1], variance[0], out=np.ones_like(variance[0]), where=variance[0] > 0)
    told = {
        "data_share": (dims, share, "1", "share of the prior variance taken away by data"),
        "exact": (("region", "time"), found.exact, "", "posterior_std is exact; else it is an upper estimate"),
        "hours": ("time", count, "1", "hours that have numbers"),
        "hours_missing": ("time", expected - count, "1", "hours that have none"),
        "area": ("region", found.size, "m2", "area inside the grid"),
        "outside": ("region", found.outside, "1", "share of the area outside the grid"),
    }
    for name, (over, values, unit, meaning) in told.items():
        variables[name] = (over, values, {**({"units": unit} if unit else {}), "long_name": meaning})
    names = [(area.name, *_names(source, area)) for area in areas]
    coords = {
        "region": np.array([name[0] for name in names], dtype=object),
        "region_name": ("region", np.array([name[1] for name in names], dtype=object)),
        "region_name_en": ("region", np.array([name[2] for name in names], dtype=object)),
        "sector": np.array(sectors, dtype=object),
        "time": starts.astype("datetime64[ns]"),
    }
    attrs = {
        "species": source.species,
        "period": str(span),
        "store": source.version.store.name,
        "version": source.version.id,
        "linearised": int(source.linearised),
        **{f"version_{key}": value for key, value in source.version.facts.items()},
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _with_net(values: np.ndarray) -> np.ndarray:
    """Return means with those of all sectors together: (area, sector + 1, group)."""
    return np.concatenate([values, values.sum(axis=1, keepdims=True)], axis=1)


def _sigmas(covariance: np.ndarray) -> np.ndarray:
    """Return sigmas of sectors and of all together: (area, sector + 1, group)."""
    each = np.einsum("agss->asg", covariance)
    net = covariance.sum(axis=(2, 3))[:, None]
    return np.sqrt(np.clip(np.concatenate([each, net], axis=1), 0.0, None))


def _names(source: Source, area: Area) -> tuple[str, str]:
    if area.region is None:
        return area.name, ""
    return source.regions.names[area.region], source.regions.names_en[area.region]
