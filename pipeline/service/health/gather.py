"""Gathers the facts of a service: read only, in any state it may be found in."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np

from pipeline._version import __version__
from pipeline.errors import LockedError, TianyanError
from pipeline.ingest import load_registry, sources_of
from pipeline.ingest.files import whole
from pipeline.service.clock import SYSTEM, Clock, trusted
from pipeline.service.health.around import disk_of, is_locked, listener_near, read_json, sizes_of
from pipeline.service.health.database import Told, read_database
from pipeline.service.health.facts import Facts, Feed, Line
from pipeline.service.health.store import HOUR, Published, read_store
from pipeline.service.place import Place, newest_due
from station_meta import PRECISE_CLASSES

#: hours of which a line is gathered: those of the page
HOURS = 7 * 24
HEALTH = "health.json"


class Ended(Protocol):
    """What a run that ends tells: a part of `pipeline.service.runs.Outcome`."""

    failed: dict[np.datetime64, str]
    left: list[np.datetime64]
    skew: float
    now: datetime


def gather(
    place: Place,
    now: datetime | None = None,
    outcome: Ended | None = None,
    *,
    hours: int = HOURS,
    clock: Clock = SYSTEM,
) -> Facts:
    """Return the facts of a service.

    Parameters
    ----------
    place
        The case.
    now
        The time; that of the outcome, or of the clock as far as it is trusted, when not given.
    outcome
        Of the run that ends; without it, what the run before left.
    hours
        Of which lines are gathered.
    clock
        Read when no time is given.
    """
    before = read_json(place.folder / HEALTH)
    faults: dict[str, str] = {}
    at = (now or (outcome.now if outcome is not None else clock.read().wall)).astimezone(UTC)
    told = _database(place, at, hours, faults)
    skew = 0.0 if outcome is None else outcome.skew
    if told.clocks is not None and now is None:
        reading = clock.read()
        if outcome is None:
            trust = trusted(reading, told.clocks)
            at, skew = trust.time, trust.jump
            skew = skew or _number(before.get("clock", {}), "skew_seconds")
        elif reading.boot == told.clocks.boot:
            # the time at which the run ends, by the clock that does not jump
            at += timedelta(seconds=max(0.0, reading.running - told.clocks.running))
    this = np.datetime64(at.replace(tzinfo=None), "h")
    expected = newest_due(place, at)
    said = _store(place, this - (hours - 1) * HOUR, this, faults)
    due = np.arange(place.service.first, expected + HOUR)
    failed = tuple(line for line in told.entries.values() if line.state == "failed")
    sizes = {"store": place.store, "spool": place.spool, "cache": place.cache}
    return Facts(
        case=place.settings.case.name,
        title=place.settings.case.title,
        version=__version__,
        config=place.config,
        now=at,
        first=place.service.first,
        expected=expected,
        ready_minutes=place.service.ready_minutes,
        run=told.run,
        locked=is_locked(place.lock),
        lines=_lines(said, told, this - (hours - 1) * HOUR, expected, place.service.first),
        newest=_joined(said.newest, told),
        solved=_joined(said.solved, told),
        future=int(np.sum(said.hours > this)),
        missing=tuple(np.setdiff1d(due, said.hours)),
        left=tuple(outcome.left) if outcome is not None else _hours(before.get("due", {}), "left"),
        failed=failed,
        deliveries=told.deliveries,
        set_aside=told.set_aside,
        feeds=_feeds(place, told.newest, before),
        skew=skew,
        disk=disk_of(place.folder),
        sizes=sizes_of(sizes, at, before.get("sizes", {})),
        listener=listener_near(
            place.root, place.folder, [pattern for one in place.settings.stations for pattern in one.files]
        ),
        faults=faults,
        before=before,
    )


def _database(place: Place, now: datetime, hours: int, faults: dict[str, str]) -> Told:
    since = np.datetime64(now.replace(tzinfo=None), "h") - (hours - 1) * HOUR
    try:
        told = read_database(place.database, since, now)
    except (sqlite3.Error, OSError, ValueError) as error:
        faults["database_unreadable"] = str(error)
        return Told()
    if told.cut:
        faults["database_slow"] = "nothing is told of deliveries"
    return told


def _store(place: Place, since: np.datetime64, now: np.datetime64, faults: dict[str, str]) -> Published:
    if not place.store.exists():
        return Published()
    for attempt in range(2):
        try:
            return read_store(place.store, since, now)
        except LockedError as error:
            if attempt:
                faults["store_busy"] = str(error)
        except Exception as error:
            # whatever three libraries make of a damaged file
            faults["store_unreadable"] = str(error) or type(error).__name__
            break
    return Published()


def _lines(
    said: Published, told: Told, since: np.datetime64, expected: np.datetime64, first: np.datetime64
) -> tuple[Line, ...]:
    """Return a line of every hour that is due or has a version or an entry, oldest first."""
    known = {hour for hour in told.entries if hour >= since} | set(said.lines)
    hours = sorted(known | set(np.arange(max(since, first), expected + HOUR)))
    return tuple(line for hour in hours if (line := _joined(said.lines.get(hour, Line(hour)), told)) is not None)


def _joined(line: Line | None, told: Told) -> Line | None:
    """Return a line with what the ledger says of its hour."""
    if line is None or line.hour not in told.entries:
        return line
    mine = told.entries[line.hour]
    return replace(
        line, state=mine.state, tries=mine.tries, error=mine.error, at=mine.at, seconds=mine.seconds
    )  # fmt: skip


def _feeds(place: Place, newest: Mapping[str, np.datetime64], before: Mapping[str, Any]) -> tuple[Feed, ...]:
    classes = _classes(place, before)
    out = []
    for source in sources_of(place.settings):
        kind = source.name.partition("/")[0]
        klass = classes.get(source.name, kind)
        out.append(Feed(source.name, kind, klass, klass in PRECISE_CLASSES, newest.get(source.name)))
    return tuple(out)


def _classes(place: Place, before: Mapping[str, Any]) -> dict[str, str]:
    """Return the class of each station feed: as the run before told it for this case, else by the station tables."""
    names = [source.name for source in sources_of(place.settings) if source.name.startswith("stations/")]
    if (before.get("config"), before.get("version")) == (place.config, __version__):
        known = {str(one.get("name")): str(one.get("class")) for one in _objects(before.get("feeds"))}
        if all(name in known for name in names):
            return {name: known[name] for name in names}
    try:
        table = load_registry(whole(place.root, place.settings.inputs.station_tables))
        of_station = dict(zip(table["id"].astype(str), table["station_class"].astype(str), strict=True))
    except (TianyanError, OSError, KeyError):
        of_station = {}
    out = {}
    for name, feed in zip(names, place.settings.stations, strict=True):
        # without its table: a sensor whose offset is solved for is a cheap one
        guess = "external" if feed.offset is None else "micro"
        out[name] = feed.quality_class or of_station.get(feed.id, guess)
    return out


def _hours(found: Any, name: str) -> tuple[np.datetime64, ...]:
    try:
        return tuple(np.datetime64(str(hour).removesuffix(":00Z").removesuffix("Z"), "h") for hour in found[name])
    except (TypeError, KeyError, ValueError):
        return ()


def _number(found: Any, name: str) -> float:
    try:
        return float(found[name])
    except (TypeError, KeyError, ValueError):
        return 0.0


def _objects(found: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
