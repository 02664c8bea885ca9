"""What is known of a service at a moment: gathered once, then judged, drawn and counted by functions of it alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

BEIJING = timezone(timedelta(hours=8), "UTC+8")
FULL, DEGRADED, PRIOR_ONLY = "full", "degraded", "prior_only"


@dataclass(frozen=True)
class Line:
    """One hour: its version in the store and its entry in the ledger, as far as there are any.

    Parameters
    ----------
    hour
        UTC datetime64[h].
    status
        P0 to P3 or Rn; empty without a version.
    condition
        full, degraded or prior_only; empty without a version.
    revision, seq
        Of the version and of its commit.
    precise
        Precise stations that measured; None when it is not told.
    chi2
        Reduced chi2 of the window; None when there is none.
    counts
        Of each class: seen, used, and why not.
    reasons, missing
        Why it is degraded or the prior, and feeds of the window that delivered nothing.
    state, tries, error, at, seconds
        Of the ledger: running, done or failed; tries since it was done; why it failed; when; seconds of each stage.
    """

    hour: np.datetime64
    status: str = ""
    condition: str = ""
    revision: int = 0
    seq: int = 0
    precise: int | None = None
    chi2: float | None = None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    state: str = ""
    tries: int = 0
    error: str = ""
    at: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def used(self) -> dict[str, int]:
        """Observations used, by class."""
        return {name: int(found.get("used", 0)) for name, found in self.counts.items()}

    @property
    def seen(self) -> dict[str, int]:
        """Observations there were, by class."""
        return {name: int(found.get("seen", 0)) for name, found in self.counts.items()}


@dataclass(frozen=True)
class Feed:
    """One feed of the case.

    Parameters
    ----------
    name
        Of its source: kind, id and height.
    kind
        stations, columns, mobile or sinks.
    klass
        Class of its station; columns, mobile and sinks are their own.
    precise
        Whether it is of high precision.
    last
        Newest hour that deliveries which count tell of; None when there is none.
    """

    name: str
    kind: str
    klass: str
    precise: bool = False
    last: np.datetime64 | None = None


@dataclass(frozen=True)
class Run:
    """One run of the ledger; `ended` is None when it is under way or was killed."""

    id: str
    command: str
    began: datetime
    ended: datetime | None = None
    outcome: str = ""
    made: int = 0
    failed: int = 0


@dataclass(frozen=True)
class SetAside:
    """A delivery that does not count: its feed, path, state, reason, and when it came as far as it is known."""

    source: str
    path: str
    state: str
    reason: str
    at: str = ""


@dataclass(frozen=True)
class Facts:
    """All of it.

    Parameters
    ----------
    case, title, version, config
        Name and title of the case, version of the code, digest of the case.
    now
        The time as far as it is trusted.
    first, expected
        First hour of the service, and the newest that is due; the former is later when none is due yet.
    ready_minutes
        Minutes after its beginning when an hour is due.
    run, locked
        The last run; whether a run holds the lock now.
    lines
        Hours shown, oldest first, also those without a version.
    newest, solved
        The newest hour with a version, and the newest that is not the prior.
    future
        Hours with a version that have not been yet.
    missing
        Hours due that have no version.
    left
        Hours the last run left due: late data, or more than a run makes.
    failed
        Hours that could not be made.
    deliveries, set_aside
        Versions of files by state; the newest that do not count.
    feeds
        Of the case.
    skew
        Seconds by which the clock jumped since the last run.
    disk
        Bytes free and of the disk; None when they cannot be told.
    sizes
        Of store, spool, cache: bytes, whether all was counted, and when.
    listener
        What its counters say; None when there is none near.
    faults
        What could not be read, by name of the alarm.
    before
        The health file of the run before.
    """

    case: str
    title: str
    version: str
    config: str
    now: datetime
    first: np.datetime64
    expected: np.datetime64
    ready_minutes: int = 75
    run: Run | None = None
    locked: bool = False
    lines: tuple[Line, ...] = ()
    newest: Line | None = None
    solved: Line | None = None
    future: int = 0
    missing: tuple[np.datetime64, ...] = ()
    left: tuple[np.datetime64, ...] = ()
    failed: tuple[Line, ...] = ()
    deliveries: Mapping[str, int] = field(default_factory=dict)
    set_aside: tuple[SetAside, ...] = ()
    feeds: tuple[Feed, ...] = ()
    skew: float = 0.0
    disk: tuple[int, int] | None = None
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    listener: Mapping[str, Any] | None = None
    faults: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)

    def age(self, hour: np.datetime64) -> float:
        """Return hours since an hour began."""
        return (self.now.timestamp() - int(hour.astype("datetime64[s]").astype(np.int64))) / 3600

    @property
    def is_due(self) -> bool:
        """Whether any hour is due yet."""
        return bool(self.expected >= self.first)
