"""Faults put into simulated feeds on purpose, one kind at a time, with a record of which hours they harm.

Each kind is drawn from its own stream of random numbers, by station: the rest of a case is the same with and without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import InputError
from pipeline.osse.network import SPECTROMETERS, Site
from pipeline.schema import HOUR

#: name in the record of faults every simulated instrument has now and then
OWN = "own"
#: columns of the record of what was harmed
_RECORD = ("fault", "station", "start", "end")
_DAY = 24
#: relative humidity in the heated cell of a sound micro sensor, %
DRY_CELL = 40.0
#: what a portal sends instead of a file
PAGE = "<!DOCTYPE html>\n<html><body><h1>503 Service Unavailable</h1></body></html>\n"
_ALL = (*SPECTROMETERS, "micro")


@dataclass(frozen=True, eq=False)
class Feed:
    """What one station's file will hold.

    Parameters
    ----------
    values : (sample,) float64
        ppm; NaN where there is none.
    per_hour
        Samples an hour.
    harmed : (hour,) bool
        Hours a fault touched.
    shift
        Hours by which labels are late.
    humidity : (hour,) float64 or None
        Relative humidity in the cell, %; None where the feed does not report it.
    again : (hour,) bool
        Hours delivered a second time with another value.
    page
        Whether the file is a web page instead.
    """

    values: np.ndarray
    per_hour: int
    harmed: np.ndarray
    shift: int = 0
    humidity: np.ndarray | None = None
    again: np.ndarray | None = None
    page: bool = False

    @property
    def hours(self) -> int:
        """Number of hours."""
        return self.harmed.size

    def between(self, first: int, end: int) -> Feed:
        """Return the feed of hours [first, end)."""
        return replace(
            self,
            values=self.values[first * self.per_hour : end * self.per_hour],
            harmed=self.harmed[first:end],
            humidity=None if self.humidity is None else self.humidity[first:end],
            again=None if self.again is None else self.again[first:end],
        )

    def samples(self, hours: np.ndarray) -> np.ndarray:
        """Return the mask of samples of a mask of hours."""
        return np.repeat(hours, self.per_hour)


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Parameters
    ----------
    what
        In words.
    classes
        Stations that may have it.
    share
        Share of them that do, at least one.
    change
        Makes the feed that has it.
    """

    what: str
    classes: tuple[str, ...]
    share: float
    change: Callable[[Feed, np.random.Generator], Feed]


def _span(feed: Feed, rng: np.random.Generator, hours: int) -> np.ndarray:
    """Return a mask of so many hours on end."""
    first = int(rng.integers(0, max(feed.hours - hours, 0) + 1))
    mask = np.zeros(feed.hours, dtype=bool)
    mask[first : first + hours] = True
    return mask


def _onward(feed: Feed, rng: np.random.Generator) -> np.ndarray:
    """Return a mask of all hours after a moment in the first half."""
    return np.arange(feed.hours) >= rng.integers(1, max(feed.hours // 2, 2))


def _changed(feed: Feed, hours: np.ndarray, values: np.ndarray) -> Feed:
    return replace(feed, values=np.where(feed.samples(hours), values, feed.values), harmed=feed.harmed | hours)


def _stuck(feed: Feed, rng: np.random.Generator) -> Feed:
    hours = _span(feed, rng, 12 if feed.per_hour == 1 else 4)
    known = feed.values[feed.samples(hours) & np.isfinite(feed.values)]
    return _changed(feed, hours, np.full(feed.values.size, known[0] if known.size else 420.0))


def _spikes(feed: Feed, rng: np.random.Generator) -> Feed:
    count = max(3 * feed.hours // _DAY, 1)
    at = rng.integers(0, feed.values.size, count)
    values = feed.values.copy()
    for first in at:
        values[first : first + (1 if feed.per_hour == 1 else int(rng.integers(1, 5)))] += rng.uniform(40.0, 120.0)
    # a spike may run on into the next hour
    hours = np.isfinite(values) & (values != feed.values)
    return replace(feed, values=values, harmed=feed.harmed | hours.reshape(feed.hours, -1).any(axis=1))


def _ramp(feed: Feed, rng: np.random.Generator) -> Feed:
    hours = _onward(feed, rng)
    rise = np.clip(np.cumsum(feed.samples(hours)) / feed.per_hour, 0.0, 72.0)
    return _changed(feed, hours, feed.values + rise)


def _step(feed: Feed, rng: np.random.Generator) -> Feed:
    return _changed(feed, _onward(feed, rng), feed.values + 30.0)


def _zone(feed: Feed, rng: np.random.Generator) -> Feed:  # noqa: ARG001 - kinds share one signature
    return replace(feed, shift=8 if feed.per_hour > 1 else -8, harmed=np.ones(feed.hours, dtype=bool))


def _label(feed: Feed, rng: np.random.Generator) -> Feed:
    return replace(feed, shift=int(rng.choice([-1, 1])), harmed=np.ones(feed.hours, dtype=bool))


def _unit(feed: Feed, rng: np.random.Generator) -> Feed:  # noqa: ARG001
    # mg m-3 at 20 degrees Celsius
    return _changed(feed, np.ones(feed.hours, dtype=bool), feed.values * 1.83)


def _fills(feed: Feed, rng: np.random.Generator) -> Feed:
    at = rng.random(feed.values.size) < 0.2
    values = np.where(at, rng.choice([0.0, -999.0, -9999.0, 9.96921e36], feed.values.size), feed.values)
    hours = at.reshape(feed.hours, feed.per_hour).any(axis=1)
    return replace(feed, values=values, harmed=feed.harmed | hours)


def _humid(feed: Feed, rng: np.random.Generator) -> Feed:
    hours = np.zeros(feed.hours, dtype=bool)
    for _ in range(max(feed.hours // _DAY, 1)):
        hours |= _span(feed, rng, 6)
    wet = np.where(hours, 95.0, DRY_CELL if feed.humidity is None else feed.humidity)
    return replace(_changed(feed, hours, feed.values + rng.uniform(15.0, 40.0)), humidity=wet)


def _outage(feed: Feed, rng: np.random.Generator) -> Feed:  # noqa: ARG001
    hours = np.zeros(feed.hours, dtype=bool)
    hours[feed.hours // 3 : feed.hours // 3 + 48] = True
    return _changed(feed, hours, np.full(feed.values.size, np.nan))


def _conflict(feed: Feed, rng: np.random.Generator) -> Feed:
    again = rng.random(feed.hours) < 0.1
    return replace(feed, again=again, harmed=feed.harmed | again)


def _page(feed: Feed, rng: np.random.Generator) -> Feed:  # noqa: ARG001
    return replace(feed, page=True, harmed=np.ones(feed.hours, dtype=bool))


FAULTS: dict[str, Fault] = {
    "stuck": Fault("one value for 12 hours, or 4 of an analyser", _ALL, 0.2, _stuck),
    "spikes": Fault("three a day, 40 to 120 ppm", _ALL, 0.3, _spikes),
    "ramp": Fault("1 ppm an hour for three days, then as high", ("micro",), 0.2, _ramp),
    "step": Fault("30 ppm from one hour to the next, for good", _ALL, 0.1, _step),
    "zone": Fault("labels eight hours off: Beijing time and UTC taken for each other", _ALL, 0.1, _zone),
    "label": Fault("labels one hour off: start and end of the hour taken for each other", _ALL, 0.1, _label),
    "unit": Fault("mg m-3 written as ppm", _ALL, 0.1, _unit),
    "fills": Fault("a fifth of all values fills: 0, -999, -9999, 1e37", _ALL, 0.3, _fills),
    "humid": Fault("a wet cell for 6 hours a day, 15 to 40 ppm too high", ("micro",), 0.3, _humid),
    "outage": Fault("a gateway down: 60 % of micro sensors silent for two days", ("micro",), 0.6, _outage),
    "conflict": Fault("a tenth of the hours delivered twice, with another value", ("micro",), 0.3, _conflict),
    "page": Fault("a web page instead of the file", _ALL, 0.05, _page),
}


def require_known(names: Sequence[str]) -> None:
    """Raise InputError unless every name is one of `FAULTS`, each once."""
    odd = sorted({name for name in names if name not in FAULTS or names.count(name) > 1})
    if odd:
        raise InputError(
            "a fault must be a known one, named once",
            got=odd,
            remedy=f"use some of {', '.join(FAULTS)}",
            where="faults",
        )


def with_faults(
    feed: Feed, site: Site, chosen: Sequence[str], sites: Sequence[Site], seed: int
) -> tuple[Feed, list[tuple[str, np.ndarray]]]:
    """Return the feed with the faults its station has; and of each its name and the mask of hours it harms.

    Parameters
    ----------
    feed
        Of the station, sound.
    site
        The station.
    chosen
        Kinds that are switched on.
    sites
        All stations of the case: which of them have a kind is drawn from the seed and the kind alone.
    seed
        Of the draw.
    """
    had: list[tuple[str, np.ndarray]] = []
    for number, name in enumerate(FAULTS):
        if name not in chosen or site.id not in victims(name, sites, seed):
            continue
        rng = np.random.default_rng([seed, number, *site.id.encode()])
        feed = FAULTS[name].change(replace(feed, harmed=np.zeros(feed.hours, dtype=bool)), rng)
        had.append((name, feed.harmed))
    return feed, had


def fault_names(text: str) -> tuple[str, ...]:
    """Return the kinds a command line names: all of them, none, or some, split by commas.

    Examples
    --------
    >>> fault_names("zone,unit"), fault_names("")
    (('zone', 'unit'), ())
    """
    return tuple(FAULTS) if text == "all" else tuple(name.strip() for name in text.split(",") if name.strip())


def victims(name: str, sites: Sequence[Site], seed: int) -> list[str]:
    """Return the stations that have a kind of fault."""
    kind = FAULTS[name]
    may = [site.id for site in sites if site.station.station_class in kind.classes]
    if not may:
        return []
    rng = np.random.default_rng([seed, list(FAULTS).index(name)])
    count = max(1, round(kind.share * len(may)))
    return sorted(rng.choice(np.array(may), count, replace=False).tolist())


def spans(name: str, station: str, start: np.datetime64, harmed: np.ndarray) -> list[dict[str, object]]:
    """Return the harmed hours as rows of the record: fault, station, start, end (exclusive), UTC."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], harmed, [False]]).astype(int)))
    return [
        dict(zip(_RECORD, (name, station, start + a * HOUR, start + b * HOUR), strict=True))
        for a, b in edges.reshape(-1, 2).tolist()
    ]


def write_record(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write what was harmed: CSV, UTC."""
    frame = pd.DataFrame(list(rows), columns=list(_RECORD))
    for name in ("start", "end"):
        frame[name] = pd.to_datetime(frame[name]).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    frame.to_csv(path, index=False, lineterminator="\n")


def hourly(values: np.ndarray, per_hour: int) -> np.ndarray:
    """Return hourly means of samples, (hour,); NaN where there is none."""
    table = values.reshape(-1, per_hour)
    known = np.isfinite(table)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, table, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def write_sound(path: Path, stations: Sequence[str], times: np.ndarray, values: np.ndarray) -> None:
    """Write hourly means of what stations would have reported without the faults put in: (station, time), ppm."""
    dataset = xr.Dataset(
        {"sound": (("station", "time"), values, {"units": "ppm"})}, coords={"station": list(stations), "time": times}
    )
    dataset.to_netcdf(path, engine="netcdf4", encoding={"time": {"units": "hours since 1970-01-01"}})


def read_record(path: Path) -> pd.DataFrame:
    """Return what was harmed, times as datetime64[ns] UTC.

    Raises
    ------
    InputError
        When the case has no record of faults.
    """
    if not path.is_file():
        raise InputError(
            "the case must have faults", got=str(path), remedy="make it with `tianyan osse make --faults`", where="osse"
        )
    frame = pd.read_csv(path)
    for name in ("start", "end"):
        frame[name] = pd.to_datetime(frame[name]).dt.tz_localize(None)
    return frame
