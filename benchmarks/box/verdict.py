"""What is promised of a machine, and whether this one keeps up with the hour."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.box.hour import FIRST, STRETCH, WARM
from benchmarks.box.limits import shown_bytes

#: seconds there are for an hour
HOUR = 3600.0
#: of a warm hour, seconds and GiB: by the fewest cores they are promised for
_HOURLY = {1: (90.0, 3.0), 2: (30.0, 4.0)}
#: seconds of `tianyan --help`; real time over clock of a reprocessing
_HELP, _WEEK = 0.4, 40.0
#: they are promised of this size alone
_SIZE = "province"


def runs_of(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the runs of a name that came to an end without trouble."""
    return [run for run in report["runs"] if run["name"] == name and not run["trouble"]]


def warm_seconds(report: dict[str, Any]) -> list[float]:
    """Return the seconds of each warm hour."""
    return [run["seconds"] for run in runs_of(report, WARM)]


def peak(report: dict[str, Any]) -> int:
    """Return the most bytes a command of the service held."""
    return max((run["peak"] for run in report["runs"]), default=0)


def faster_than_time(report: dict[str, Any]) -> float | None:
    """Return how many hours one hour of clock makes, by a process that makes several; None when it made none."""
    found = runs_of(report, STRETCH)
    if not found:
        return None
    made = sum(one["written"] is True for one in found[0]["hours"])
    return HOUR * made / found[0]["seconds"]


def targets(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each target: name, value, unit, limit and whether it is met; None where it is stated and not promised.

    A target is promised of the province alone.
    """
    promised = report["inputs"]["size"] == _SIZE
    seconds, room = _HOURLY[min(report["limits"]["cores"], 2)]
    warm, first, factor = warm_seconds(report), runs_of(report, FIRST), faster_than_time(report)
    rows: list[tuple[str, float | None, str, float | None, bool]] = [
        ("an hour, the slowest of the warm ones", max(warm, default=None), "s", seconds, True),
        ("memory of the service, the most", peak(report) / 2**30, "GiB", room, True),
        ("first hour, nothing there", first[0]["seconds"] if first else None, "s", None, True),
        ("tianyan --help", None if report["help"]["trouble"] else report["help"]["seconds"], "s", _HELP, True),
        ("reprocessing, real time over clock", factor, "x", _WEEK, False),
    ]
    out = []
    for name, value, unit, limit, at_most in rows:
        met = None
        if promised and limit is not None:
            met = value is not None and (value <= limit if at_most else value >= limit)
        bound = "" if limit is None else f"{'<=' if at_most else '>='} {limit:g}"
        out.append({"name": name, "value": value, "unit": unit, "limit": bound, "met": met})
    return out


def judge(report: dict[str, Any]) -> dict[str, Any]:
    """Return whether the machine keeps up, and one line that says so."""
    inputs = report["inputs"]
    what = f"an hour of {inputs['stations']} stations at {inputs['spacing_km']:g} km"
    for run in report["runs"]:
        if run["trouble"]:
            return {"keeps_up": False, "line": f"does not keep up: {what}: {run['name']}: {run['trouble']}"}
    slowest, limit = max(warm_seconds(report)), report["limits"]["memory"]
    room = "" if limit is None else f" of {limit / 2**30:.1f}"
    held = shown_bytes(peak(report)) if limit is None else f"{peak(report) / 2**30:.1f} GiB"
    tail = f"takes {slowest:.0f} s of {HOUR:.0f} ({100 * slowest / HOUR:.1f} %), peak {held}{room}"
    keeps = slowest < HOUR
    return {"keeps_up": keeps, "line": f"{'keeps up' if keeps else 'does not keep up'}: {what} {tail}"}


def stages(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return by stage of a warm hour: median, least and most seconds, and cores in use where the service says."""
    hours = [one for run in runs_of(report, WARM) for one in run["hours"] if one["written"]]
    names = dict.fromkeys(name for one in hours for name in one["seconds"])
    found = {}
    for name in names:
        spent = [one["seconds"].get(name, 0.0) for one in hours]
        used = [one["processor"].get(name, 0.0) for one in hours]
        found[name] = {
            "seconds": statistics.median(spent),
            "least": min(spent),
            "most": max(spent),
            "cores": sum(used) / sum(spent) if sum(spent) else 0.0,
        }
    return found
