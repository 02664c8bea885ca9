"""The time, and how far it can be trusted: a clock that jumps must not publish hours that have not been."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

#: seconds by which wall and running time may differ between two runs
SKEW = 60.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def _boot_id() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _running() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Reading:
    """The clocks at one moment.

    Parameters
    ----------
    wall
        UTC.
    running
        Seconds since the machine started, asleep or not.
    boot
        Which start that was.
    """

    wall: datetime
    running: float
    boot: str


@dataclass(frozen=True)
class Clock:
    """Clocks; another one in tests.

    Parameters
    ----------
    wall
        Returns the time, UTC.
    running
        Returns seconds since the machine started.
    boot
        Returns which start that was.
    """

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    running: Callable[[], float] = _running
    boot: Callable[[], str] = _boot_id

    def read(self) -> Reading:
        """Return the clocks now."""
        return Reading(self.wall(), self.running(), self.boot())


SYSTEM = Clock()


def trusted(now: Reading, last: Reading | None) -> tuple[datetime, float]:
    """Return a time not later than the running clock allows, and by how many seconds the wall clock jumped.

    Parameters
    ----------
    now, last
        Now, and at the last run; None when there was none.

    Examples
    --------
    >>> noon = datetime(2024, 7, 15, 12, tzinfo=UTC)
    >>> trusted(Reading(noon + timedelta(hours=9), 3600.0, "a"), Reading(noon, 0.0, "a"))
    (datetime.datetime(2024, 7, 15, 13, 0, tzinfo=datetime.timezone.utc), 28800.0)
    """
    if last is None or last.boot != now.boot or not now.boot or now.running < last.running:
        return now.wall, 0.0
    expected = last.wall + timedelta(seconds=now.running - last.running)
    jump = (now.wall - expected).total_seconds()
    if abs(jump) <= SKEW:
        return now.wall, 0.0
    return min(now.wall, expected), jump
