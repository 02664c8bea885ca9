"""What one sender, and all of them together, may ask of the listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from time import monotonic

from pipeline.errors import ConfigError
from pipeline.listener.frames import LONGEST, STANDARD


@dataclass(frozen=True)
class Limits:
    """Bounds of the listener.

    Parameters
    ----------
    connections
        At the same time.
    idle
        Seconds a connection may go without a whole message.
    patience
        Seconds from the first byte of a message to its last.
    rate, total_rate
        Bytes a second of one connection, and of all: what is faster is read later, nothing is dropped. Ten seconds'
        worth may come at once.
    longest
        Bytes of a data segment.
    hold
        Seconds messages are gathered before they are written together.
    gather
        Messages that are written without waiting for more.
    waiting
        Bytes of messages that may wait for the disk; while there are more nothing is read.
    """

    connections: int = 200
    idle: float = 600.0
    patience: float = 30.0
    rate: float = 16_384.0
    total_rate: float = 262_144.0
    longest: int = STANDARD
    hold: float = 0.5
    gather: int = 200
    waiting: int = 8 << 20

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not 0 < value < float("inf"):
                raise ConfigError(
                    "a limit must be above zero, and a number", got=value, remedy="leave it out", where=one.name
                )
        if self.longest > LONGEST:
            raise ConfigError(
                f"a packet can say no length above {LONGEST}", got=self.longest, remedy="give less", where="longest"
            )


class Bucket:
    """A rate that is kept by waiting.

    Parameters
    ----------
    rate
        Of what is taken, per second.
    clock
        Seconds that never go back.

    Examples
    --------
    >>> bucket = Bucket(10.0, clock=lambda: 0.0)
    >>> bucket.take(100), bucket.take(5)
    (0.0, 0.5)
    """

    #: seconds of the rate that may be taken at once
    AT_ONCE = 10.0

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._left, self._seen = rate * self.AT_ONCE, clock()

    def take(self, amount: float) -> float:
        """Take an amount; return the seconds to wait before the next."""
        now = self._clock()
        self._left = min(self._left + (now - self._seen) * self._rate, self._rate * self.AT_ONCE) - amount
        self._seen = now
        return max(0.0, -self._left / self._rate)
