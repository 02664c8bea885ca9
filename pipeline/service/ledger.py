"""The ledger of runs and hours: what was tried, when, with what outcome. No version of an hour rests on it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from pipeline.service.clock import Reading
from pipeline.service.window import hour_number

RUNNING, DONE, FAILED = "running", "done", "failed"


@dataclass(frozen=True)
class Entry:
    """What the ledger says of an hour.

    Parameters
    ----------
    hour
        UTC.
    state
        running (or a run that was killed), done or failed.
    tries
        Since it was last done.
    deaths
        How many of them took their process down.
    signature
        Of what it was made from.
    key
        Digest of what was solved.
    sequence
        Of the commit.
    condition
        full, degraded or prior_only.
    config, code
        Digest of the case and version of the code.
    error
        Why it failed.
    at
        When.
    seconds
        Of each stage.
    """

    hour: np.datetime64
    state: str
    tries: int = 0
    deaths: int = 0
    signature: str = ""
    key: str = ""
    sequence: int = 0
    condition: str = ""
    config: str = ""
    code: str = ""
    error: str = ""
    at: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


def _entry(number: int, *rest: Any) -> Entry:
    names = ("state", "tries", "deaths", "signature", "key", "sequence", "condition", "config", "code", "error", "at")
    *said, spent = rest
    return Entry(np.datetime64(number, "h"), **dict(zip(names, said, strict=True)), seconds=json.loads(spent))


class Ledger:
    """Reads and writes the ledger.

    Parameters
    ----------
    database
        Of `pipeline.service.database.open_database`.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def entries(self) -> dict[np.datetime64, Entry]:
        """Return what is known of every hour, by hour."""
        rows = self._db.execute("SELECT * FROM hour ORDER BY hour")
        return {np.datetime64(number, "h"): _entry(number, *rest) for number, *rest in rows}

    def entry(self, hour: np.datetime64) -> Entry | None:
        """Return what is known of one hour."""
        row = self._db.execute("SELECT * FROM hour WHERE hour = ?", (hour_number(hour),)).fetchone()
        return None if row is None else _entry(*row)

    def put(self, entry: Entry) -> None:
        """Write what is known of an hour."""
        self._db.execute(
            "INSERT OR REPLACE INTO hour VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                hour_number(entry.hour), entry.state, entry.tries, entry.deaths, entry.signature, entry.key,
                entry.sequence, entry.condition, entry.config, entry.code, entry.error, entry.at,
                json.dumps(entry.seconds),
            ),
        )  # fmt: skip

    def drop(self, hour: np.datetime64) -> None:
        """Forget an hour."""
        self._db.execute("DELETE FROM hour WHERE hour = ?", (hour_number(hour),))

    def forget(self) -> None:
        """Forget all hours, so that what is due is found by the store alone."""
        self._db.execute("DELETE FROM hour")

    def note(self, name: str, value: str) -> None:
        """Remember a text by a name."""
        self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str | None:
        """Return what was remembered by a name; None when nothing was."""
        row = self._db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def begin(self, run: str, command: str, clocks: Reading) -> None:
        """Write that a run began, by clocks the next run compares its own with."""
        self._db.execute(
            "INSERT OR REPLACE INTO run VALUES (?, ?, ?, NULL, NULL, 0, 0)", (run, command, clocks.written())
        )

    def end(self, run: str, at: datetime, outcome: str, made: int, failed: int) -> None:
        """Write how a run ended."""
        self._db.execute(
            "UPDATE run SET ended = ?, outcome = ?, made = ?, failed = ? WHERE run = ?",
            (at.astimezone(UTC).isoformat(), outcome, made, failed, run),
        )

    def last_clocks(self) -> Reading | None:
        """Return the clocks of the last run's beginning; None when there was none."""
        row = self._db.execute("SELECT began FROM run ORDER BY rowid DESC LIMIT 1").fetchone()
        if row is None:
            return None
        return Reading.of(row[0])

    def prune(self, keep: int) -> None:
        """Keep only the newest so many runs."""
        self._db.execute(
            "DELETE FROM run WHERE rowid NOT IN (SELECT rowid FROM run ORDER BY rowid DESC LIMIT ?)", (keep,)
        )
