"""What a scheduler calls: everything that is due, newest hour first, then the others from the oldest on, bounded.

What is due follows from comparing signatures: of what each hour's window may read now, and of what it was made from.
No list of things to do is kept that could be lost, and a run that is killed leaves nothing that the next one must clean
up first.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from pipeline.case import Progress, quiet
from pipeline.errors import LockedError, StoreError, TianyanError, TimeError
from pipeline.service import quick
from pipeline.service.clock import SYSTEM, Clock, trusted
from pipeline.service.fetching import fetch, next_time
from pipeline.service.health import report
from pipeline.service.inputs import Looked
from pipeline.service.ledger import DONE, FAILED, Entry
from pipeline.service.lock import locked
from pipeline.service.log import Log
from pipeline.service.place import Place, newest_due
from pipeline.service.service import Service
from pipeline.service.tidying import consolidate, daily, first_open

_DAILY = "tidied"
#: runs the ledger keeps
_RUNS = 10_000


@dataclass
class Outcome:
    """What a run did.

    Parameters
    ----------
    made
        Hours of which a version was written.
    same
        Hours looked at again, of which nothing changed.
    failed
        Hours that could not be made, with why.
    left
        Hours that are due still.
    unfetched
        Sources whose command failed, with why.
    looked
        What the inbox held.
    skew
        Seconds by which the clock jumped; 0 when it did not.
    now
        The time as far as it is trusted, when the run began.
    running
        What the running clock said then.
    newest
        Hour up to which the run knows hours to be due.
    """

    made: list[np.datetime64] = field(default_factory=list)
    same: list[np.datetime64] = field(default_factory=list)
    failed: dict[np.datetime64, str] = field(default_factory=dict)
    left: list[np.datetime64] = field(default_factory=list)
    unfetched: list[str] = field(default_factory=list)
    looked: Looked = field(default_factory=Looked)
    skew: float = 0.0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    running: float = 0.0
    newest: np.datetime64 = field(default_factory=lambda: np.datetime64("NaT", "h"))


@contextmanager
def running(
    place: Place, command: str, *, clock: Clock = SYSTEM, echo: bool = False
) -> Iterator[tuple[Service, Outcome]]:
    """Hold the lock of a service for one run, and write down how it ended.

    Raises
    ------
    LockedError
        When another run is under way.
    StoreError
        When the disk takes nothing more, is read only or is broken.
    """
    try:
        with _held(place, command, clock, echo=echo) as held:
            yield held
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            "a service must be able to read and write its files",
            got=str(error),
            remedy="check the disk: its space, its quota, whether it may be written to",
            where=str(place.folder),
        ) from error


@dataclass
class _Unopened:
    """What there is of a service whose database cannot be opened."""

    place: Place
    log: Log
    clock: Clock


@contextmanager
def _held(place: Place, command: str, clock: Clock, *, echo: bool) -> Iterator[tuple[Service, Outcome]]:
    place.folder.mkdir(parents=True, exist_ok=True)
    _stop_gently()
    run = uuid.uuid4().hex[:12]
    with locked(place.lock) as ours:
        if not ours:
            raise LockedError("one run at a time", got="another is under way", remedy="wait for it", where="run.lock")
        log = Log(run, place.folder, echo=echo)
        outcome = Outcome()
        try:
            service = Service(place, log, clock)
        except (TianyanError, OSError, sqlite3.Error) as error:
            log.warn("run ended", outcome=f"failed: {error}")
            report(_Unopened(place, log, clock), outcome)
            log.close()
            raise
        trust = trusted(clock.read(), service.ledger.last_clocks())
        outcome.now, outcome.skew = trust.time, trust.jump
        outcome.running, outcome.newest = trust.clocks.running, newest_due(place, trust.time)
        if outcome.skew:
            log.warn("clock jumped", seconds=outcome.skew)
        service.ledger.begin(run, command, trust.clocks)
        log.info("run began", command=command)
        ended = "stopped"
        try:
            # whatever this run leaves undone, the next looks for
            quick.forget(place.folder)
            service.settle()
            yield service, outcome
            ended = "failed" if outcome.failed else "done"
        except (TianyanError, OSError, sqlite3.Error) as error:
            ended = f"failed: {error}"
            raise
        finally:
            try:
                service.ledger.end(run, clock.wall(), ended, len(outcome.made), len(outcome.failed))
                service.ledger.prune(_RUNS)
            finally:
                # whatever became of the ledger
                report(service, outcome)
                log.info("run ended", outcome=ended, made=[str(hour) for hour in outcome.made], left=len(outcome.left))
                log.close()


def _stop_gently() -> None:
    """Let SIGTERM end a run as an interrupt does: what is under way is undone, and nothing is counted as a fault."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def due(service: Service, now: datetime) -> list[np.datetime64]:
    """Return the hours that are due: the newest first, then the others from the oldest on.

    Months that are over and consolidated are not looked at: what comes for them still, `tianyan backfill` makes.
    """
    place = service.place
    last = newest_due(place, now)
    entries = service.ledger.entries()
    hours = np.arange(first_open(service, now), last + np.timedelta64(1, "h"))
    found = [h for h in hours if not _waits(entries.get(h), place, now) and not service.is_made(h, entries.get(h))]
    return [*(h for h in found if h == last), *(h for h in found if h != last)]


def run_due(service: Service, outcome: Outcome, *, progress: Progress = quiet) -> None:
    """Take what is new, and make what is due: the newest hour, and as many others as a run may catch up.

    An hour that cannot be made does not stop the others.
    """
    place = service.place
    sources = place.service.fetch
    _fetch(service, outcome, outcome.now)
    found = quick.fingerprint(place.path)
    outcome.looked = service.look(progress)
    hours = due(service, outcome.now)
    last = newest_due(place, outcome.now)
    most = place.service.catch_up + (1 if hours and hours[0] == last else 0)
    make_all(service, hours[:most], outcome, progress=progress)
    outcome.left += hours[most:]
    # an hour that failed is tried again, though nothing came
    unmade = any(entry.state != DONE for entry in service.ledger.entries().values())
    tidy(service, outcome)
    if not (outcome.left or unmade or outcome.looked.waiting or outcome.skew):
        first, newest = (datetime.fromisoformat(f"{h}:00:00+00:00") for h in (first_open(service, outcome.now), last))
        again = min((next_time(source, service.ledger, outcome.now) for source in sources), default=None)
        try:
            quick.write_quiet(place.folder, found, first, newest, again)
        except OSError as error:
            # the next run looks at everything then
            service.log.warn("not written", file="quiet.json", error=str(error))


def tidy(service: Service, outcome: Outcome) -> None:
    """Consolidate the months that are over, and once a day remove what nobody needs.

    What goes wrong here is told, and tried again by the next run: no hour depends on it.
    """
    # one that failed may wait for its next try
    failed = [entry.hour for entry in service.ledger.entries().values() if entry.state != DONE]
    due_still = [*outcome.left, *failed]
    try:
        consolidate(service, outcome.now, due_still)
        last = service.ledger.noted(_DAILY)
        if last is None or _over(last, timedelta(days=1), outcome.now):
            daily(service, outcome.now)
            service.ledger.note(_DAILY, outcome.now.isoformat())
    except (TianyanError, OSError) as error:
        service.log.warn("tidying failed", error=str(error))


def make_all(
    service: Service,
    hours: Sequence[np.datetime64],
    outcome: Outcome,
    *,
    force: bool = False,
    progress: Progress = quiet,
) -> None:
    """Make hours one after the other; one that becomes due meanwhile goes before what is left."""
    for number, hour in enumerate(hours):
        keep_up(service, outcome, progress=progress)
        progress(f"{hour}", number, len(hours))
        _make(service, hour, outcome, force=force, progress=progress)


def keep_up(service: Service, outcome: Outcome, *, progress: Progress = quiet) -> None:
    """Take what is new and make the newest hour when it became due since the run began: a long run holds up none."""
    now = outcome.now + timedelta(seconds=service.clock.running() - outcome.running)
    last = newest_due(service.place, now)
    if last <= outcome.newest:
        return
    outcome.newest = last
    _fetch(service, outcome, now)
    service.look(progress)
    if not service.is_made(last, service.ledger.entries().get(last)):
        _make(service, last, outcome, force=False, progress=progress)


def _fetch(service: Service, outcome: Outcome, now: datetime) -> None:
    place = service.place
    outcome.unfetched = fetch(place.service.fetch, place.root, service.ledger, service.log, now)


def _make(service: Service, hour: np.datetime64, outcome: Outcome, *, force: bool, progress: Progress) -> None:
    try:
        written = service.make(hour, progress=progress, force=force)
    except (TianyanError, OSError) as error:
        outcome.failed[hour] = str(error)
        service.log.warn("hour failed", hour=str(hour), error=str(error))
    else:
        (outcome.made if written else outcome.same).append(hour)


def hours_of(place: Place, first: np.datetime64, last: np.datetime64, now: datetime) -> list[np.datetime64]:
    """Return the hours from one to another, both included, that a service may make.

    Raises
    ------
    TimeError
        When one is not whole, lies before the service's first hour, or is not over.
    """
    for hour in (first, last):
        if hour.astype("datetime64[h]") != hour:
            raise TimeError("an hour must be whole", got=str(hour), remedy="give it as 2024-07-15T06Z", where="hour")
    first, last = first.astype("datetime64[h]"), last.astype("datetime64[h]")
    if first > last or first < place.service.first:
        raise TimeError(
            "hours must lie in order, from service.start on",
            got=f"{first} to {last}",
            remedy=f"begin at {place.service.first} or later",
            where="hour",
        )
    over = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "h")
    if last >= over:
        raise TimeError("an hour must be over", got=str(last), remedy=f"give one before {over}", where="hour")
    return list(np.arange(first, last + np.timedelta64(1, "h")))


def _waits(entry: Entry | None, place: Place, now: datetime) -> bool:
    """Return whether an hour failed so recently that it is not tried again yet; each time takes twice as long."""
    if entry is None or entry.state != FAILED or not entry.at:
        return False
    pause = timedelta(minutes=place.service.retry_minutes * 2.0 ** min(entry.tries - 1, 6))
    return not _over(entry.at, pause, now)


def _over(since: str, span: timedelta, now: datetime) -> bool:
    """Return whether a span is over; one that began later than now did so by a clock that was wrong."""
    return not datetime.fromisoformat(since) <= now < datetime.fromisoformat(since) + span
