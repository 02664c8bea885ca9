"""Facts of services for tests: a week that is well, and what changes it."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from pipeline.service.health import Facts, Feed, Line, Run

HOUR = np.timedelta64(1, "h")
NOW = datetime(2024, 7, 15, 12, 20, tzinfo=UTC)
FIRST, NEWEST = np.datetime64("2024-07-01T00"), np.datetime64("2024-07-15T11")
COUNTS = {
    "provincial": {"seen": 12, "used": 10, "innovation": 2},
    "micro": {"seen": 80, "used": 61, "no footprint": 4, "sensor is suspect": 15},
}
SECONDS = {"layout": 0.4, "reading": 6.1, "solving": 21.0, "commit": 0.2}


def line(hour, **changes):
    told = {
        "status": "P1", "condition": "full", "revision": 1, "seq": 7, "precise": 12, "chi2": 1.04, "counts": COUNTS,
        "state": "done", "at": "2024-07-15T12:10:00+00:00", "seconds": SECONDS,
    }  # fmt: skip
    return Line(np.datetime64(hour, "h"), **{**told, **changes})


def feed(name, klass="provincial", *, last=NEWEST, precise=None):
    precise = klass == "provincial" if precise is None else precise
    return Feed(name, name.partition("/")[0], klass, precise, last)


FEEDS = (
    feed("stations/HZ/10"), feed("stations/NB/10"), feed("stations/M1/3", "micro"), feed("stations/M2/3", "micro"),
    feed("stations/M3/3", "micro"), feed("columns/TROPOMI", "columns"),
)  # fmt: skip


def facts(**changes):
    """Return facts of a service that is well, with changes."""
    begin = NOW.replace(minute=15)
    well = Facts(
        case="zhejiang", title="CO2 of Zhejiang", version="1.0", config="c", now=NOW, first=FIRST, expected=NEWEST,
        run=Run("abc", "run-due", begin, NOW.replace(minute=18), "done", 1, 0),
        lines=tuple(line(NEWEST - HOUR * back) for back in range(167, -1, -1)),
        newest=line(NEWEST), solved=line(NEWEST), deliveries={"current": 120, "superseded": 7}, feeds=FEEDS,
        disk=(400 * 10**9, 900 * 10**9),
    )  # fmt: skip
    return replace(well, **changes)
