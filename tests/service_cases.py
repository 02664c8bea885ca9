"""A small simulated province whose files are delivered hour by hour, and a service of it."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from pipeline.osse import Plan, make_case
from pipeline.osse.deliveries import Deliveries
from pipeline.service.clock import Clock
from pipeline.service.place import read_place
from pipeline.service.runs import run_due, running

FIRST = np.datetime64("2024-07-15T00", "h")
PLAN = {
    "seed": 3, "hours": 8, "spacing_km": 30.0, "hours_back": 4, "particles": 30, "spectrometers": 3, "micro": 2,
    "sinks": 1, "columns": False, "mobile": False,
}  # fmt: skip
SECTIONS = """
[cycle]
window_hours = 12
lag_hours = 3

[service]
start = 2024-07-15T00:00:00Z
quiet_seconds = 0
spectrometers_least = 2
retry_minutes = 0.001

[solver]
threads = 1
members = 4
"""


def make_world(folder: Path) -> Path:
    """The simulated case; small regions keep an hour small."""
    case, _ = make_case(folder, Plan(**PLAN))
    text = case.read_text(encoding="utf-8").replace('["province", "city", "county"]', '["province"]')
    case.write_text(text, encoding="utf-8")
    return case.parent


def make_live(world: Path, target: Path, sections: str = SECTIONS) -> Deliveries:
    """A service's folder, nothing delivered yet."""
    deliveries = Deliveries(world, target)
    deliveries.lay_out(sections)
    return deliveries


def at(hour) -> datetime:
    """An hour as a datetime."""
    return datetime.fromisoformat(str(np.datetime64(hour, "s"))).replace(tzinfo=UTC)


def standing_still(now: datetime) -> Clock:
    """A clock that shows one time, and whose jumps nobody can see."""
    return Clock(lambda: now, lambda: 0.0, lambda: "")


@contextmanager
def run(target: Path, now, command="run-due"):
    """A run at a quarter past an hour and a minute."""
    clock = standing_still(at(now) + timedelta(minutes=16))
    with running(read_place(target / "case.toml"), command, clock=clock) as (service, outcome):
        yield service, outcome


def due(target: Path, now) -> object:
    """What `run-due` does at a time."""
    with run(target, now) as (service, outcome):
        run_due(service, outcome)
    return outcome


def current(target: Path) -> dict[str, dict]:
    """What the store says of every hour now, but for what depends on the way that led there."""
    from pipeline.grid import HourStore

    # the files read were shorter when they were read earlier; what was used of them is in `signature` and `key`
    history = {"seq", "at", "revision", "revisions", "inputs"}
    with HourStore.open(target / "service" / "store").at() as reader:
        found = {}
        for hour in reader.hours():
            reader.verify(hour)
            found[str(hour)] = {k: v for k, v in reader.manifest(hour).items() if k not in history}
    return json.loads(json.dumps(found))
