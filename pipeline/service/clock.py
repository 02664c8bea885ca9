"""The time, and how far it can be trusted: a clock that jumps must not publish hours that have not been."""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

#: seconds by which wall and running time may differ between two runs
SKEW = 60.0
#: seconds after which a clock that jumped, and stays where it is, is believed
BELIEVED = 86_400.0
_TIME_ERROR = 5
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def _boot_id() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _running() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _synchronised() -> bool:
    """Return whether the kernel holds the wall clock for synchronised (adjtimex(2): it is not TIME_ERROR)."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return False
    return int(state) not in (_TIME_ERROR, -1)


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
    synchronised
        Whether the wall clock is kept by a time service.
    jumped
        What the running clock said when a jump that is not believed was first seen; None when there is none.
    """

    wall: datetime
    running: float
    boot: str
    synchronised: bool = False
    jumped: float | None = None

    def written(self) -> str:
        """Return a text that keeps what a later reading is compared with."""
        return json.dumps([self.wall.isoformat(), self.running, self.boot, self.jumped])

    @classmethod
    def of(cls, text: str) -> Reading:
        """Return the reading that was written."""
        wall, running, boot, jumped = json.loads(text)
        return cls(datetime.fromisoformat(wall).astimezone(UTC), running, boot, jumped=jumped)


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
    synchronised
        Returns whether the wall clock is kept by a time service.
    """

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    running: Callable[[], float] = _running
    boot: Callable[[], str] = _boot_id
    synchronised: Callable[[], bool] = lambda: False

    def read(self) -> Reading:
        """Return the clocks now."""
        return Reading(self.wall(), self.running(), self.boot(), self.synchronised())


SYSTEM = Clock(synchronised=_synchronised)


@dataclass(frozen=True)
class Trust:
    """What is made of the clocks.

    Parameters
    ----------
    time
        Not later than can be believed, UTC.
    jump
        Seconds by which the wall clock has jumped; 0 when it has not.
    clocks
        What the next reading is compared with.
    """

    time: datetime
    jump: float
    clocks: Reading


def trusted(now: Reading, last: Reading | None) -> Trust:
    """Return what is made of the clocks: a wall clock that left the running clock is not believed when it is ahead.

    It is believed again when it agrees with the running clock, when the machine was started again, when a time service
    keeps it, or when it stayed where it is for a day.

    Parameters
    ----------
    now, last
        Now, and the clocks of the last run; None when there was none.

    Examples
    --------
    >>> noon = datetime(2024, 7, 15, 12, tzinfo=UTC)
    >>> trust = trusted(Reading(noon + timedelta(hours=9), 3600.0, "a"), Reading(noon, 0.0, "a"))
    >>> trust.time, trust.jump
    (datetime.datetime(2024, 7, 15, 13, 0, tzinfo=datetime.timezone.utc), 28800.0)
    """
    if last is None or last.boot != now.boot or not now.boot or now.running < last.running:
        return Trust(now.wall, 0.0, now)
    expected = last.wall + timedelta(seconds=now.running - last.running)
    jump = (now.wall - expected).total_seconds()
    if abs(jump) <= SKEW:
        return Trust(now.wall, 0.0, now)
    since = now.running if last.jumped is None else last.jumped
    if now.synchronised or now.running - since > BELIEVED:
        return Trust(now.wall, jump, now)
    return Trust(min(now.wall, expected), jump, replace(now, wall=expected, jumped=since))
