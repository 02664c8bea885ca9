"""What the service's database says, read only: a run may be under way, and nothing is made, locked or changed."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import numpy as np

from pipeline.service.clock import Reading
from pipeline.service.database import VERSION
from pipeline.service.health.facts import Line, Run, SetAside

#: hours back that a feed's newest hour is looked for, one after the other: most are found in the first
_BACK = (72, 24 * 12)
#: feeds that are asked for one by one: a millisecond for each year of daily files
_FEW = 30
_SHOWN = 50
#: steps of SQLite between two looks at the time, and seconds after which it is interrupted
_STEPS, _LIMIT = 20_000, 2.0


@dataclass(frozen=True)
class Told:
    """What the database says.

    Parameters
    ----------
    entries
        Hours from one on, and all that failed: the ledger's part of a line.
    run, clocks
        The last run, and the clocks when it began.
    deliveries, set_aside
        Of the registry.
    newest
        Newest hour of each feed that told of any.
    cut
        Whether the registry took too long, and nothing is told of it.
    """

    entries: Mapping[np.datetime64, Line] = field(default_factory=dict)
    run: Run | None = None
    clocks: Reading | None = None
    deliveries: Mapping[str, int] = field(default_factory=dict)
    set_aside: tuple[SetAside, ...] = ()
    newest: Mapping[str, np.datetime64] = field(default_factory=dict)
    cut: bool = False


def read_database(path: Path, since: np.datetime64, now: datetime) -> Told:
    """Return what a database says.

    Parameters
    ----------
    path
        Of the database.
    since
        First hour of which all entries are wanted.
    now
        The time: what is said of later hours is not believed.

    Raises
    ------
    sqlite3.Error, OSError, ValueError
        When it is missing, damaged, of another version or busy.
    """
    error: sqlite3.Error | None = None
    for query in _queries(path):
        try:
            with _opened(path, query) as database:
                first = Told(_entries(database, since), *_last_run(database))
                try:
                    return _of_registry(database, first, int(now.timestamp() // 3600))
                except sqlite3.OperationalError as found:
                    if "interrupted" not in str(found):
                        raise
                    return replace(first, cut=True)
        except sqlite3.Error as found:
            error = found
    assert error is not None
    raise error


def _queries(path: Path) -> list[str]:
    """Return how a database may be opened: one that nobody writes leaves no trace when it is taken as unchanging."""
    asked = ["mode=ro&immutable=1", "mode=ro"]
    return asked[::-1] if path.with_name(f"{path.name}-wal").exists() else asked


@contextmanager
def _opened(path: Path, query: str) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is missing")
    end = time.monotonic() + _LIMIT
    connection = sqlite3.connect(f"file:{quote(str(path))}?{query}", uri=True, timeout=1.0, isolation_level=None)
    with closing(connection):
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        connection.execute("PRAGMA trusted_schema=OFF")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise ValueError(f"it has version {version}, not {VERSION}")
        # all of it at one moment
        connection.execute("BEGIN")
        yield connection


def _entries(database: sqlite3.Connection, since: np.datetime64) -> dict[np.datetime64, Line]:
    rows = database.execute(
        "SELECT hour, state, tries, error, at, seconds FROM hour WHERE hour >= ? OR state = 'failed' ORDER BY hour",
        (int(since.astype("datetime64[h]").astype(np.int64)),),
    )
    out = {}
    for number, state, tries, error, at, seconds in rows:
        hour = np.datetime64(number, "h")
        out[hour] = Line(hour, state=state, tries=tries, error=error, at=at, seconds=json.loads(seconds))
    return out


def _last_run(database: sqlite3.Connection) -> tuple[Run | None, Reading | None]:
    row = database.execute(
        "SELECT run, command, began, ended, outcome, made, failed FROM run ORDER BY rowid DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None, None
    run, command, began, ended, outcome, made, failed = row
    clocks = Reading.of(began)
    over = None if ended is None else datetime.fromisoformat(ended).astimezone(UTC)
    return Run(run, command, clocks.wall, over, outcome or "", made or 0, failed or 0), clocks


def _of_registry(database: sqlite3.Connection, first: Told, now: int) -> Told:
    counts = dict(database.execute("SELECT state, count(*) FROM standing GROUP BY state ORDER BY state"))
    return replace(
        first, deliveries=counts, set_aside=tuple(_set_aside(database)), newest=_newest(database, now)
    )  # fmt: skip


def _set_aside(database: sqlite3.Connection) -> Iterator[SetAside]:
    # of each state: many of one must not hide another
    rows = database.execute(
        "SELECT source, path, state, reason, seen FROM (SELECT *, row_number() OVER (PARTITION BY state"
        " ORDER BY seen DESC, source, path) AS number FROM"
        " (SELECT s.source, s.path, s.state, s.reason, coalesce(d.seen_at, '') AS seen FROM standing s"
        " LEFT JOIN delivery d ON d.path = s.path AND d.sequence = s.sequence"
        " WHERE s.state NOT IN ('current', 'superseded', 'duplicate'))) WHERE number <= ?"
        " ORDER BY seen DESC, source, path",
        (_SHOWN,),
    )
    return (SetAside(*row) for row in rows)


def _newest(database: sqlite3.Connection, now: int) -> dict[str, np.datetime64]:
    """Return the newest hour of each feed; of one that has been silent for months, the newest at all."""
    sources = {source for (source,) in database.execute("SELECT DISTINCT source FROM standing WHERE state = 'current'")}
    found: dict[str, int] = {}
    for back in _BACK:
        rows = database.execute(
            "SELECT s.source, max(c.hour) FROM"
            " (SELECT source, sha256, max(hour) AS hour FROM content WHERE hour BETWEEN ? AND ? GROUP BY 1, 2) c"
            " JOIN standing s ON s.source = c.source AND s.sha256 = c.sha256 WHERE s.state = 'current' GROUP BY 1",
            (now - back, now),
        )
        found = {**dict(rows), **found}
        if len(sources - found.keys()) <= _FEW:
            break
    for source in sources - found.keys():
        # the end of each of its files, by the index
        (hour,) = database.execute(
            "SELECT max((SELECT max(hour) FROM content c WHERE c.sha256 = s.sha256 AND c.source = s.source"
            " AND c.hour <= ?)) FROM standing s WHERE s.source = ? AND s.state = 'current'",
            (now, source),
        ).fetchone()
        if hour is not None:
            found[source] = hour
    return {source: np.datetime64(hour, "h") for source, hour in found.items()}
