"""`tianyan status`: how a service is, read from its files without touching them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipeline.cli_service import CaseFile, Now

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from pipeline.service.health import Facts, Health, Line

#: exit codes as monitoring systems take them: fine, warning, critical, unknown
CODES = {"green": 0, "yellow": 1, "red": 2}
UNKNOWN = 3
_STYLES = {"green": "bold green", "yellow": "bold yellow", "red": "bold red", "notice": "bold cyan"}
#: letters of the reasons of an hour
_REASONS = 160
#: letters of a class at the head of its column
_CLASS = 5


def status(
    *,
    case: CaseFile = Path("case.toml"),
    json: Annotated[bool, Parameter(negative=(), help="print what health.json holds, as it is now")] = False,
    prometheus: Annotated[bool, Parameter(negative=(), help="print metrics in Prometheus's text format")] = False,
    page: Annotated[Path | None, Parameter(help="write the page of status to this HTML file")] = None,
    hours: Annotated[int, Parameter(help="hours of the table, at most a week")] = 48,
    now: Now = None,
) -> None:
    """Tell how the hourly service is: alarms first, then the last hours. Nothing of it is changed.

    It works while a run is under way, and needs no lock. The exit code is 0 when all is well (green), 1 when something
    is to be looked at (yellow), 2 when hours are not published as promised (red), and 3 when that cannot be told, as
    monitoring systems take it. docs/status.md lists the alarms and what to do.
    """
    from pipeline.cli_times import parse_time
    from pipeline.errors import TianyanError
    from pipeline.service.health import gather, health, metrics, put
    from pipeline.service.health import page as page_of
    from pipeline.service.place import read_place

    try:
        place = read_place(case)
        found = health(gather(place, None if now is None else parse_time(now, "--now")))
        if page is not None:
            put(page, page_of(found))
    except (TianyanError, OSError) as error:
        print(f"tianyan: {error}", file=sys.stderr)
        sys.exit(UNKNOWN)
    if json:
        print(found.text(), end="")
    elif prometheus:
        print(metrics(found), end="")
    else:
        _print(found, hours)
    sys.exit(CODES[found.state])


def _print(found: Health, hours: int) -> None:
    from rich.console import Console
    from rich.text import Text

    from pipeline.errors import shown

    console, facts = Console(), found.facts
    console.print(Text(f"{facts.case}: {found.state}", _STYLES[found.state]), Text(_both(found.at)))
    for alarm in found.alarms:
        console.print(Text(f"{alarm.level}: {alarm.name} {alarm.zh}", _STYLES[alarm.level]))
        console.print(Text(shown(f"    {alarm.meaning}: {alarm.detail}")))
        console.print(Text(f"    since {_both(alarm.since)}; {alarm.action}"))
    for name, line in (("newest hour", found.newest), ("newest solved", found.solved)):
        told = (
            "none"
            if line is None
            else f"{line.hour}Z, {facts.age(line.hour):.1f} h ago, {line.status} {line.condition}"
        )
        console.print(Text(shown(f"{name}: {told}")))
    due = f"{len(facts.missing)} without a version, {len(facts.left)} left by the last run, {len(facts.failed)} failed"
    console.print(Text(f"hours due: {due}"))
    console.print(Text(f"deliveries: {', '.join(f'{n} {state}' for state, n in facts.deliveries.items()) or 'none'}"))
    console.print(Text(_run(facts)))
    lines = facts.lines[-max(hours, 0) :] if hours > 0 else ()
    if lines:
        console.print(_table(lines))
        for reason, hours_of in _reasons(lines).items():
            console.print(Text(f"{_spans(hours_of)}: {shown(reason, _REASONS)}"))


def _run(facts: Facts) -> str:
    from pipeline.errors import shown

    run = facts.run
    if run is None:
        return "runs: none"
    state = run.outcome if run.ended is not None else "under way" if facts.locked else "killed"
    return shown(f"last run: {run.command}, begun {_both(run.began)}: {state}")


def _table(lines: tuple[Line, ...]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from pipeline.errors import shown
    from pipeline.service.health import local

    classes = list(dict.fromkeys(name for line in lines for name in line.used))
    title = "hours; observations used of seen, by class"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("Beijing, UTC", no_wrap=True)
    table.add_column("version", no_wrap=True)
    table.add_column("chi2", justify="right", no_wrap=True, min_width=4)
    table.add_column("s", justify="right", no_wrap=True, min_width=3)
    for name in classes:
        table.add_column(Text(shown(name)[:_CLASS]), justify="right", no_wrap=True)
    for line in reversed(lines):
        at = local(line.hour)
        # a table of 80 letters
        short = str(line.condition).removesuffix("_only")
        version = f"{line.status} {short} r{line.revision}" if line.status else ""
        cells = (
            f"{at:%m-%d %H}:00 {str(line.hour)[-2:]}Z",
            version or ("failed" if line.state == "failed" else "missing"),
            "" if line.chi2 is None else f"{line.chi2:.2f}",
            f"{sum(line.seconds.values()):.0f}" if line.seconds else "",
            *(f"{line.used[name]}/{line.seen[name]}" if name in line.used else "" for name in classes),
        )
        table.add_row(*(Text(shown(cell)) for cell in cells))
    return table


def _reasons(lines: tuple[Line, ...]) -> dict[str, list[np.datetime64]]:
    """Return why hours are not full, or failed, each with its hours."""
    found: dict[str, list[np.datetime64]] = {}
    for line in lines:
        for reason in line.reasons or ([line.error] if line.error else []):
            found.setdefault(reason, []).append(line.hour)
    return found


def _spans(hours: list[np.datetime64]) -> str:
    """Return hours in words: the only one, or how many from which to which."""
    first, last = (f"{str(hour)[5:].replace('T', ' ')}Z" for hour in (hours[0], hours[-1]))
    return first if len(hours) == 1 else f"{len(hours)} hours, {first} to {last}"


def _both(at: object) -> str:
    from datetime import UTC, datetime

    from pipeline.service.health import BEIJING

    assert isinstance(at, datetime)
    return f"{at.astimezone(BEIJING):%m-%d %H:%M} Beijing, {at.astimezone(UTC):%m-%d %H:%M} UTC"
