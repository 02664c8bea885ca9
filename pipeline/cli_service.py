"""The commands of the hourly service: `tianyan hour`, `run-due`, `backfill`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipeline.cli_progress import Bar
from pipeline.service.quick import is_quiet

if TYPE_CHECKING:
    from pipeline.service.clock import Clock
    from pipeline.service.runs import Outcome

#: exit code when some hour failed
FAILED = 1

CaseFile = Annotated[
    Path, Parameter(name="--case", env_var="TIANYAN_CASE", help="the case's TOML file, with [cycle] and [service]")
]
Now = Annotated[
    str | None, Parameter(help="pretend that it is this time, with zone: for simulations, and to see what would be due")
]


def hour(time: str, *, case: CaseFile = Path("case.toml"), again: bool = False, now: Now = None) -> None:
    """Make one hour: take what was delivered, judge it, trace what is new, solve the window, commit.

    Same inputs, same configuration: nothing is done, and the exit code is 0.

    Parameters
    ----------
    time
        The hour, with zone: 2024-07-15T06Z.
    again
        Solve it though nothing changed.
    """
    from pipeline.cli_times import parse_time, utc

    if not again and is_quiet(case, _at(now), parse_time(time, "hour")):
        print(f"unchanged: {time}")
        return
    from pipeline.service.place import read_place
    from pipeline.service.runs import hours_of, make_all, running

    place, asked = read_place(case), utc(parse_time(time, "hour"))
    with Bar() as progress, running(place, f"hour {time}", clock=_clock(now)) as (service, outcome):
        hours = hours_of(place, asked, asked, outcome.now)
        outcome.looked = service.look(progress)
        make_all(service, hours, outcome, force=again, progress=progress)
    _tell(outcome)


def run_due(*, case: CaseFile = Path("case.toml"), now: Now = None, log: bool = False) -> None:
    """Make everything that is due: the newest hour, then hours with late or revised data and gaps, oldest first.

    A run makes the newest hour and `service.catch_up` others at most; call it every quarter of an hour or so. Started
    twice, the second does nothing.

    Parameters
    ----------
    log
        Write the log to standard error too, as JSON lines.
    """
    if is_quiet(case, _at(now)):
        print("nothing is due")
        return
    from pipeline.errors import LockedError
    from pipeline.service.place import read_place
    from pipeline.service.runs import run_due as make_due
    from pipeline.service.runs import running

    place = read_place(case)
    try:
        with Bar() as progress, running(place, "run-due", clock=_clock(now), echo=log) as (service, outcome):
            make_due(service, outcome, progress=progress)
    except LockedError:
        print("another run is under way")
        return
    _tell(outcome)


def backfill(start: str, end: str, *, case: CaseFile = Path("case.toml"), again: bool = False, now: Now = None) -> None:
    """Make all hours from one to another that are not made from just what there is, oldest first.

    Parameters
    ----------
    start, end
        First and last hour, both included, with zone: 2024-07-15T00Z 2024-07-16T23Z.
    again
        Solve them though nothing changed.
    """
    from pipeline.cli_times import parse_time, utc
    from pipeline.service.place import read_place
    from pipeline.service.runs import hours_of, make_all, running

    place, first, last = read_place(case), utc(parse_time(start, "from")), utc(parse_time(end, "to"))
    with Bar() as progress, running(place, f"backfill {start} {end}", clock=_clock(now)) as (service, outcome):
        hours = hours_of(place, first, last, outcome.now)
        outcome.looked = service.look(progress)
        make_all(service, hours, outcome, force=again, progress=progress)
    _tell(outcome)


def reprocess(
    name: str,
    start: str,
    end: str,
    *,
    case: CaseFile = Path("case.toml"),
    scheduler: str | None = None,
    workers: int = 0,
    now: Now = None,
) -> None:
    """Make hours again on a branch of the store, with the case file and code of now; readers see nothing of it yet.

    What is there already is not made again, so that a stopped reprocessing goes on where it was. Then
    `tianyan release NAME` checks the branch and makes it what readers see.

    Many days are made by many processes: `--scheduler local` starts some on this machine, `--scheduler tcp://HOST:8786`
    uses those of a `dask scheduler`, started with `dask worker tcp://HOST:8786 --nthreads 1` on machines that see the
    case's folders under the same paths (docs/scale.md). The numbers are the same, to the bit. Processes that are killed
    are replaced; an hour that kills them again and again is told as failed, and the others are made.

    Parameters
    ----------
    name
        R and a number: R1.
    start, end
        First and last hour, both included, with zone.
    scheduler
        local, or a dask scheduler's address; this process alone makes the hours when not given.
    workers
        Processes of one thread for `--scheduler local`; 0 for as many as there are cores.
    """
    from pipeline.cli_times import parse_time, utc
    from pipeline.service.place import read_place
    from pipeline.service.reprocessing import reprocess as make_again
    from pipeline.service.reprocessing import require_name
    from pipeline.service.runs import hours_of, running

    require_name(name)
    place, first, last = read_place(case), utc(parse_time(start, "from")), utc(parse_time(end, "to"))
    with Bar() as progress, running(place, f"reprocess {name}", clock=_clock(now)) as (service, outcome):
        hours = hours_of(place, first, last, outcome.now)
        outcome.looked = service.look(progress)
        make_again(service, name, hours, outcome, scheduler=scheduler, workers=workers, progress=progress)
    _tell(outcome)


def release(name: str, *, case: CaseFile = Path("case.toml"), now: Now = None) -> None:
    """Check the versions of a reprocessing, and let them be what readers see; what they saw before stays as a tag.

    Parameters
    ----------
    name
        R and a number, as `tianyan reprocess` was given it.
    """
    from pipeline.service.place import read_place
    from pipeline.service.reprocessing import release as let_be
    from pipeline.service.runs import running

    with running(read_place(case), f"release {name}", clock=_clock(now)) as (service, _):
        done = let_be(service, name)
    print(f"{name} is what readers see from commit {done.seq} on")


def _at(now: str | None) -> datetime:
    """Return the time, or the one to pretend."""
    from pipeline.cli_times import parse_time

    return datetime.now(UTC) if now is None else parse_time(now, "--now")


def _clock(now: str | None) -> Clock:
    """Return the system's clock, or one that stands still at a time."""
    from pipeline.service.clock import SYSTEM, Clock

    if now is None:
        return SYSTEM
    at = _at(now)
    return Clock(lambda: at, lambda: 0.0, lambda: "")


def _tell(outcome: Outcome) -> None:
    """Print what a run did; end with a code that says whether an hour failed."""
    from pipeline.errors import shown

    looked = outcome.looked
    if looked.taken or looked.waiting or looked.refused:
        print(f"deliveries: {looked.taken} taken, {len(looked.waiting)} not yet whole, {len(looked.refused)} set aside")
    for path, reason in looked.refused:
        print(f"set aside: {shown(path)}: {reason}")
    for reason in outcome.unfetched:
        print(f"not fetched: {reason}", file=sys.stderr)
    if outcome.skew:
        print(f"the clock jumped by {outcome.skew:+.0f} s: no hour is made that has not been by the running clock")
    for word, hours in (("made", outcome.made), ("unchanged", outcome.same), ("still due", outcome.left)):
        if hours:
            print(f"{word}: {len(hours)} hour(s), {min(hours)} to {max(hours)}")
    for hour, reason in outcome.failed.items():
        print(f"failed: {hour}: {reason}", file=sys.stderr)
    if not (outcome.made or outcome.same or outcome.failed):
        print("nothing is due")
    if outcome.failed:
        sys.exit(FAILED)
