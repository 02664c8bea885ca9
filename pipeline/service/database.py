"""The service's SQLite file: an index of deliveries and a ledger of runs. It can be lost: both are made again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pipeline.errors import InputError

#: of the tables; another one is moved aside and made again
VERSION = 2
_TABLES = """
CREATE TABLE delivery (
  path TEXT, sequence INTEGER, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, seen_at TEXT NOT NULL,
  grown INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (path, sequence));
CREATE TABLE look (
  path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, inode INTEGER, since REAL, sequence INTEGER);
CREATE TABLE told (
  sha256 TEXT, source TEXT, config TEXT, error TEXT NOT NULL, PRIMARY KEY (sha256, source));
CREATE TABLE content (
  sha256 TEXT, source TEXT, hour INTEGER, digest TEXT NOT NULL, PRIMARY KEY (sha256, source, hour)) WITHOUT ROWID;
CREATE TABLE standing (
  source TEXT, path TEXT, sequence INTEGER, sha256 TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (source, path, sequence)) WITHOUT ROWID;
CREATE INDEX content_hour ON content (hour);
CREATE INDEX standing_sha256 ON standing (sha256, source);
CREATE TABLE weather (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, first INTEGER, last INTEGER, error TEXT NOT NULL);
CREATE TABLE static (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE hour (
  hour INTEGER PRIMARY KEY, state TEXT NOT NULL, tries INTEGER NOT NULL, deaths INTEGER NOT NULL,
  signature TEXT NOT NULL, key TEXT NOT NULL,
  sequence INTEGER NOT NULL, condition TEXT NOT NULL, config TEXT NOT NULL, code TEXT NOT NULL, error TEXT NOT NULL,
  at TEXT NOT NULL, seconds TEXT NOT NULL);
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE run (
  run TEXT PRIMARY KEY, command TEXT NOT NULL, began TEXT NOT NULL, ended TEXT, outcome TEXT, made INTEGER,
  failed INTEGER);
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database, made when it is missing; one that is damaged or of another version is moved aside first.

    Raises
    ------
    InputError
        When the file cannot be opened or made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        try:
            found = _opened(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            found = None
        if found is None:
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                old = path.with_name(name)
                if old.exists():
                    old.replace(path.with_name(f"{name}.damaged"))
            found = _opened(path)
            assert found is not None
    except (sqlite3.OperationalError, OSError) as error:
        raise InputError(
            "the service's database must be writable", got=str(error), remedy="check the disk", where=str(path)
        ) from error
    return found


def _opened(path: Path) -> sqlite3.Connection | None:
    """Return a connection; None when the file holds another version or is damaged."""
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA trusted_schema=OFF")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")
        return connection
    if version == VERSION and connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
        # of a database that was made before there was one
        connection.execute("CREATE INDEX IF NOT EXISTS standing_sha256 ON standing (sha256, source)")
        return connection
    connection.close()
    return None
