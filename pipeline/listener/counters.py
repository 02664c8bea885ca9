"""What became of everything that came: counters since the start, kept for a page of status, and lines of a log."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time

from pipeline.errors import shown

#: stations told by name; of more, those heard last
MOST_STATIONS = 2000
_MOST_LETTERS = 40
#: seconds between two log lines of one kind
_QUIET = 60.0


class Counters:
    """Counts since the start; `told` gives them for `listener.json`.

    Parameters
    ----------
    clock
        Seconds since 1970.

    Examples
    --------
    >>> counters = Counters(clock=lambda: 0.0)
    >>> counters.stored(b"A1", 400, answered=True)
    >>> counters.rejected["no packet"] += 1
    >>> counters.told()["stations"]
    {'A1': {'last': '1970-01-01T00:00:00Z', 'messages': 1}}
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._since = clock()
        self.messages = self.bytes = self.answered = self.connections = self.most_connections = 0
        self.waiting = self.failures = self.files = self.throttled = self.not_kept = 0
        self.last_failure = ""
        self.rejected: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self._stations: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def stored(self, station: bytes, size: int, *, answered: bool) -> None:
        """Count a message that is durable."""
        name = shown(station.decode("ascii", "backslashreplace"), _MOST_LETTERS) or "without MN"
        self.messages += 1
        self.bytes += size
        self.answered += answered
        self._stations[name] = self._clock(), self._stations.get(name, (0.0, 0))[1] + 1
        self._stations.move_to_end(name)
        if len(self._stations) > MOST_STATIONS:
            self._stations.popitem(last=False)

    def failed(self, error: OSError) -> None:
        """Count an attempt to store messages that failed."""
        self.failures += 1
        self.last_failure = f"{_stamp(self._clock())} {error.strerror or type(error).__name__}"

    def told(self) -> dict[str, object]:
        """Return all of it as JSON takes it."""
        return {
            "written": _stamp(self._clock()),
            "since": _stamp(self._since),
            "messages": self.messages,
            "bytes": self.bytes,
            "answered": self.answered,
            "waiting": self.waiting,
            "files": self.files,
            "rejected": dict(self.rejected),
            "rejected_not_kept": self.not_kept,
            "failures": self.failures,
            "last_failure": self.last_failure,
            "connections": {
                "now": self.connections,
                "most": self.most_connections,
                "refused": dict(self.refused),
                "closed": dict(self.closed),
                "slowed": self.throttled,
            },
            "stations": {
                name: {"last": _stamp(last), "messages": number} for name, (last, number) in self._stations.items()
            },
        }


class Log:
    """Lines to standard error, at most one of a kind a minute; when they cannot be written all else goes on."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._kept_back: Counter[str] = Counter()

    def __call__(self, kind: str, text: str, *, always: bool = False) -> None:
        """Write a line of a kind; what it quotes is escaped."""
        now = self._clock()
        if not always and now - self._last.get(kind, -_QUIET) < _QUIET:
            self._kept_back[kind] += 1
            return
        self._last[kind] = now
        others = f" (and {more} more of {kind} before)" if (more := self._kept_back.pop(kind, 0)) else ""
        with suppress(OSError, ValueError):
            print(f"{_stamp(time())} {kind}: {shown(text)}{others}", file=sys.stderr, flush=True)


def write_told(path: Path, told: dict[str, object]) -> None:
    """Write counters so that a reader finds the old ones or the new, never half.

    Raises
    ------
    OSError
        When they cannot be; the old ones stay.
    """
    aside = path.with_name(f"{path.name}.tmp")
    aside.write_text(json.dumps(told, indent=1) + "\n", encoding="ascii")
    os.replace(aside, path)


def _stamp(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
