"""The state of a service as one object: what monitoring reads, and people when something is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np

from pipeline.errors import shown
from pipeline.service.health.alarms import Alarm, alarms, silent_hours, state_of
from pipeline.service.health.facts import Facts, Line

#: of the file; fields may be added, none is renamed or changes its meaning without another number
SCHEMA = 1
#: hours, deliveries set aside and letters of a text that the file holds at most
_MOST, _LETTERS = 50, 300


@dataclass(frozen=True)
class Health:
    """The state of a service.

    Parameters
    ----------
    case, run, at, version
        Name of the case, id of the last run, the time, version of the code.
    state
        green, yellow or red.
    alarms
        That are on, the worst first.
    newest, solved
        The newest hour with a version, and the newest that is not the prior; None without any.
    facts
        All that it was made from.
    """

    case: str
    run: str
    at: datetime
    version: str
    state: str
    alarms: tuple[Alarm, ...]
    newest: Line | None
    solved: Line | None
    facts: Facts

    @property
    def stages(self) -> dict[str, dict[str, float]]:
        """Seconds of each stage, and of all together, over the hours shown: median and most."""
        done = [line.seconds for line in self.facts.lines if line.seconds]
        names = dict.fromkeys(name for seconds in done for name in seconds)
        found = {name: [float(s[name]) for s in done if name in s] for name in names}
        if done:
            found["all"] = [float(sum(s.values())) for s in done]
        return {name: {"median": round(median(v), 3), "max": round(max(v), 3)} for name, v in found.items()}

    def told(self) -> dict[str, Any]:
        """Return it as JSON takes it: docs/status.md has the fields."""
        facts, run = self.facts, self.facts.run
        told: dict[str, Any] = {
            "schema": SCHEMA,
            "case": self.case,
            "title": facts.title,
            "run": None if run is None else _run(facts),
            "at": _time(self.at),
            "version": self.version,
            "config": facts.config,
            "state": self.state,
            "alarms": [
                {
                    "name": one.name, "level": one.level, "since": _time(one.since), "detail": one.detail,
                    "meaning": one.meaning, "action": one.action,
                }
                for one in self.alarms
            ],
            "newest": None if self.newest is None else _line(facts, self.newest),
            "newest_solved": None if self.solved is None else _line(facts, self.solved),
            "due": {
                "newest": _hour(facts.expected) if facts.is_due else None,
                "missing": len(facts.missing),
                "missing_first": _hour(facts.missing[0]) if facts.missing else None,
                "missing_last": _hour(facts.missing[-1]) if facts.missing else None,
                "left": [_hour(hour) for hour in facts.left[:_MOST]],
                "left_count": len(facts.left),
            },
            "failed": [
                {"hour": _hour(one.hour), "tries": one.tries, "at": one.at, "error": one.error}
                for one in facts.failed[-_MOST:]
            ],
            "failed_count": len(facts.failed),
            "deliveries": dict(facts.deliveries),
            "set_aside": [
                {"feed": one.source, "path": one.path, "state": one.state, "reason": one.reason, "at": one.at}
                for one in facts.set_aside
            ],
            "feeds": [
                {
                    "name": feed.name, "class": feed.klass, "precise": feed.precise,
                    "last": None if feed.last is None else _hour(feed.last), "silent_hours": _rounded(past),
                }
                for feed in facts.feeds for past in [silent_hours(facts, feed)]
            ],
            "clock": {"skew_seconds": facts.skew},
            "disk": None if facts.disk is None else {"free_bytes": facts.disk[0], "total_bytes": facts.disk[1]},
            "sizes": facts.sizes,
            "stages": self.stages,
            "listener": facts.listener,
        }  # fmt: skip
        cleaned: dict[str, Any] = _clean(told)
        return cleaned

    def text(self) -> str:
        """Return the file: JSON of ASCII letters, without NaN."""
        return json.dumps(self.told(), allow_nan=False, indent=1) + "\n"


def health(facts: Facts) -> Health:
    """Return the state that facts make."""
    found = alarms(facts)
    run = "" if facts.run is None else facts.run.id
    return Health(
        facts.case, run, facts.now, facts.version, state_of(found), tuple(found), facts.newest, facts.solved, facts
    )  # fmt: skip


def _run(facts: Facts) -> dict[str, Any]:
    run = facts.run
    assert run is not None
    return {
        "id": run.id,
        "command": run.command,
        "began": _time(run.began),
        "ended": None if run.ended is None else _time(run.ended),
        "under_way": run.ended is None and facts.locked,
        "outcome": run.outcome,
        "made": run.made,
        "failed": run.failed,
    }


def _line(facts: Facts, line: Line) -> dict[str, Any]:
    return {
        "hour": _hour(line.hour),
        "age_hours": _rounded(facts.age(line.hour)),
        "status": line.status,
        "condition": line.condition,
        "revision": line.revision,
        "seq": line.seq,
        "precise_stations": line.precise,
        "chi2": line.chi2,
        "counts": {name: dict(found) for name, found in line.counts.items()},
        "reasons": list(line.reasons),
        "missing": list(line.missing[:_MOST]),
        "missing_count": len(line.missing),
    }


def _hour(hour: np.datetime64) -> str:
    return f"{hour.astype('datetime64[h]')}:00Z"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _clean(value: Any) -> Any:
    """Return what JSON takes: no NaN, foreign text as people may see it."""
    if isinstance(value, str):
        return shown(value, _LETTERS)
    if isinstance(value, Mapping):
        return {shown(str(key), _LETTERS): _clean(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [_clean(one) for one in value]
    if isinstance(value, np.generic):
        return _clean(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else shown(str(value), _LETTERS)
