"""The facts a feed needs from station_meta: where, when, on which scale; and whether a file agrees with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

import station_meta
from pipeline.errors import CoordinateError, RegistryError, TimeError
from pipeline.grid.gcj02 import to_gcj02
from pipeline.ingest.axes import distance
from pipeline.ingest.formats.samples import Mark, Samples
from pipeline.settings import StationSettings
from pipeline.units import Species
from station_meta import Station, StationMetaError

#: a header may lie this far from the registry, m (docs/stations.md)
POSITION_TOLERANCE = 500.0
#: a position nearer to the shifted one than this share of the shift is it: 40 to 60 m in Zhejiang, about what the
#: rounding of a header leaves
_SHIFT_SHARE = 0.1
_UTC_NAMES = {"UTC", "Etc/UTC", "GMT", "Etc/GMT"}


@dataclass(frozen=True)
class Periods:
    """Registry facts along a series: `which` (row,) indexes `stations`, -1 where no period covers the time."""

    which: np.ndarray
    stations: tuple[Station, ...]

    @property
    def one(self) -> Station:
        """The facts of the first period, for what may not change within a feed."""
        return self.stations[0]


def periods(time: np.ndarray, feed: StationSettings, gas: Species, registry: pd.DataFrame) -> Periods:
    """Return which registry period covers each time.

    Parameters
    ----------
    time : (row,) datetime64[ns]
        UTC; NaT is covered by none.

    Raises
    ------
    RegistryError
        When the station is unknown, no period covers any of the times, the inlet or the species is not the
        station's, or its class changes between periods.
    """
    which = np.full(time.size, -1)
    found: list[Station] = []
    moments = np.unique(time[~np.isnat(time)])
    at, refused = 0, None
    while at < moments.size:
        try:
            station = station_meta.find(registry, feed.id, moments[at])
        except StationMetaError as error:
            refused = refused or error
            begins = registry_rows(registry, feed.id)["valid_from"].to_numpy("datetime64[ns]")
            later = begins[begins > moments[at]]
            at = int(np.searchsorted(moments, later.min())) if later.size else moments.size
            continue
        end = moments.size if station.valid_to is None else int(np.searchsorted(moments, _moment(station.valid_to)))
        which[(time >= moments[at]) & (time <= moments[end - 1])] = len(found)
        found.append(station)
        at = end
    if refused is not None and not found:
        raise registry_error(refused) from refused
    if not found:
        raise RegistryError(
            "a row must have a readable time", got="none", remedy="check the format", where=f"station {feed.id}"
        )
    for station in found:
        unlike = _unlike(station, feed, gas)
        if unlike is not None:
            raise unlike
    if len({station.station_class for station in found}) > 1:
        raise RegistryError(
            "a feed must keep one station class",
            got=[station.station_class for station in found],
            remedy="read its periods as feeds of their own",
            where=f"station {feed.id}",
        )
    return Periods(which, tuple(found))


def fitting_periods(feed: StationSettings, gas: Species, registry: pd.DataFrame) -> list[Station]:
    """Return the periods in which the station measures the species at the feed's inlet, at least one.

    Raises
    ------
    RegistryError
        When the station is unknown, or the inlet or the species is not the station's at any time.
    """
    try:
        every = station_meta.every_period(registry, feed.id)
    except StationMetaError as error:
        raise registry_error(error) from error
    faults = [_unlike(station, feed, gas) for station in every]
    if faults[-1] is not None and all(faults):
        raise faults[-1]
    return [station for station, fault in zip(every, faults, strict=True) if fault is None]


def registry_rows(registry: pd.DataFrame, station: str) -> pd.DataFrame:
    """Return the registry's rows of a station.

    Raises
    ------
    RegistryError
        When it has none; near names are suggested.
    """
    try:
        return station_meta.periods_of(registry, station)
    except StationMetaError as error:
        raise registry_error(error) from error


def registry_error(error: StationMetaError) -> RegistryError:
    """Return the error of station_meta as one of this package, word for word."""
    return RegistryError(error.rule, got=error.got, remedy=error.remedy, where=error.where)


def zone_and_mark(said: Samples, feed: StationSettings, registry: pd.DataFrame, *, where: str) -> tuple[str, Mark]:
    """Return the zone and what labels mark: what the file states, else the settings, else the registry.

    Raises
    ------
    RegistryError
        When none of the three says.
    TimeError
        When settings and file contradict each other.
    """
    zone = _agreed("zone", said.zone, feed.zone, _common(registry, feed.id, "zone"), feed, where)
    marks = _agreed("hour_label", said.marks, feed.hour_label, _common(registry, feed.id, "hour_label"), feed, where)
    for mark in ("start", "centre", "end"):
        if marks == mark:
            return zone, mark
    raise RegistryError("hour_label must be start, centre or end", got=marks, remedy="correct it", where=where)


def check_position(said: Samples, station: Station, *, where: str) -> None:
    """Raise when the file's position is not the registry's; a mobile station has none.

    Coordinates of Chinese map services lie 300 to 700 m off: within the tolerance or beyond it, they are recognised.

    Raises
    ------
    CoordinateError
        Saying so when the two look swapped, or shifted as maps are.
    """
    if said.position is None or station.station_class == "mobile":
        return
    lon, lat = said.position
    allowed = POSITION_TOLERANCE + said.position_error
    x, y = to_gcj02(station.lon, station.lat)
    shifted = float(distance(x, y, station.lon, station.lat))
    is_shifted = bool(distance(lon, lat, x, y) < _SHIFT_SHARE * shifted)
    if distance(lon, lat, station.lon, station.lat) <= allowed and not is_shifted:
        return
    rule = f"the file must lie within {allowed:g} m of the registry"
    if distance(lat, lon, station.lon, station.lat) <= allowed:
        rule = "longitude and latitude look swapped"
    elif is_shifted:
        rule = f"the position looks like GCJ-02, that of map services, {shifted:.0f} m from the true one"
    raise CoordinateError(
        rule,
        got=f"lon {lon:g}, lat {lat:g}; registry lon {station.lon:g}, lat {station.lat:g}",
        remedy="correct the file or the registry; check that it is the same station",
        where=where,
    )


def at_station(said: Samples, station: Station, *, where: str) -> Samples:
    """Return what a file of several places says, with a reason on the rows that are not the station's.

    The station's are those of the one place nearest to the registry's position; a file of one place stays as it is.

    Raises
    ------
    CoordinateError
        When no place lies near enough.
    """
    if said.places is None:
        return said
    places, which = np.unique(said.places, axis=0, return_inverse=True)
    away = np.nan_to_num(distance(places[:, 0], places[:, 1], station.lon, station.lat), nan=np.inf)
    nearest = int(np.argmin(away))
    if away[nearest] > POSITION_TOLERANCE:
        raise CoordinateError(
            f"one place of the file must lie within {POSITION_TOLERANCE:g} m of the registry",
            got=f"lon {places[nearest, 0]:g}, lat {places[nearest, 1]:g}, {away[nearest]:.0f} m away, is the nearest",
            remedy="correct the registry, or the files of the feed",
            where=where,
        )
    elsewhere = which.ravel() != nearest
    reason = said.reason.copy()
    reason[elsewhere] = np.array(["other station at {:g} E, {:g} N".format(*place) for place in places], dtype=object)[
        which.ravel()[elsewhere]
    ]
    return replace(said, reason=reason)


def scale_of(station: Station, gas: Species) -> str:
    """Return the registry's scale; an empty text when it is not known."""
    return station.scale.get(gas.name, "")


def _moment(when: object) -> np.datetime64:
    return pd.Timestamp(str(when)).tz_convert("UTC").tz_localize(None).to_datetime64()


def _unlike(station: Station, feed: StationSettings, gas: Species) -> RegistryError | None:
    """Return what of a feed is not the station's in that period, if anything."""
    where = f"station {feed.id}"
    if station.station_class != "mobile" and feed.height not in station.inlets:
        return RegistryError(
            "height must be one of the station's inlets",
            got=f"{feed.height:g} m, not in {list(station.inlets)}",
            remedy="correct height, or add the inlet to the station table",
            where=where,
        )
    if gas.name not in station.species:
        return RegistryError(
            "the station must measure the species",
            got=f"{gas.name}, not in {list(station.species)}",
            remedy="correct the species, or add it to the station table",
            where=where,
        )
    return None


def _common(registry: pd.DataFrame, station: str, column: str) -> str | None:
    """Return the registry's value when all periods of the station agree on one."""
    values = {str(value) for value in registry_rows(registry, station)[column] if pd.notna(value) and str(value)}
    return values.pop() if len(values) == 1 else None


def _agreed(
    what: str, stated: str | None, declared: str | None, registered: str | None, feed: StationSettings, where: str
) -> str:
    if stated and declared and stated != declared and not {stated, declared} <= _UTC_NAMES:
        raise TimeError(
            f"{what} in the settings must be what the file states, {stated}",
            got=declared,
            remedy=f"remove {what} from the settings of {feed.id}",
            where=where,
        )
    found = stated or declared or registered
    if not found:
        raise RegistryError(
            f"{what} of the feed must be known",
            got="neither file, settings nor station table say",
            remedy=f"set {what} of {feed.id} in the settings or in the station table",
            where=where,
        )
    return found
