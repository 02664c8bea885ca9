"""What the store of hours says of its newest versions: the truth of what is published, whatever the ledger holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.grid import HourStore
from pipeline.service.health.facts import Line

#: codes of `state` that are no prior: those of full and degraded
_SOLVED = (1, 2)
HOUR = np.timedelta64(1, "h")


class Reader(Protocol):
    """What is needed of a snapshot of the store."""

    vectors: dict[str, np.ndarray]

    def hours(self) -> np.ndarray:
        """Return the hours that have a version, ascending."""

    def manifests(self, start: np.datetime64, end: np.datetime64) -> dict[np.datetime64, dict[str, Any]]:
        """Return the manifest of each hour [start, end) that has a version."""


@dataclass(frozen=True, eq=False)
class Published:
    """What is published.

    Parameters
    ----------
    hours
        All that have a version, also such as have not been yet.
    lines
        The store's part of lines, of the hours asked for.
    newest, solved
        The newest hour not after the time, and the newest of them that is not the prior.
    """

    hours: np.ndarray = field(default_factory=lambda: np.array([], dtype="datetime64[h]"))
    lines: Mapping[np.datetime64, Line] = field(default_factory=dict)
    newest: Line | None = None
    solved: Line | None = None


def read_store(path: Path, since: np.datetime64, now: np.datetime64) -> Published:
    """Return what a store says.

    Parameters
    ----------
    path
        Of the store.
    since
        First hour of which lines are wanted.
    now
        The hour that is under way.

    Raises
    ------
    StoreError, LockedError, OSError
        When it cannot be read.
    """
    with HourStore.open(path).at() as reader:
        return published(reader, since, now)


def published(reader: Reader, since: np.datetime64, now: np.datetime64) -> Published:
    """Return what a snapshot says, as `read_store`."""
    hours = reader.hours().astype("datetime64[h]")
    if not hours.size:
        return Published(hours)
    states = reader.vectors["state"]
    solved = hours[np.isin(states[states > 0], _SOLVED) & (hours <= now)]
    past = hours[hours <= now]
    lines = _lines(reader, hours[(hours >= since) & (hours <= now)])
    return Published(hours, lines, _last(reader, lines, past), _last(reader, lines, solved))


def _lines(reader: Reader, hours: np.ndarray) -> dict[np.datetime64, Line]:
    if not hours.size:
        return {}
    return {hour: line_of(hour, said) for hour, said in reader.manifests(hours[0], hours[-1] + HOUR).items()}


def _last(reader: Reader, lines: Mapping[np.datetime64, Line], hours: np.ndarray) -> Line | None:
    if not hours.size:
        return None
    found = lines.get(hours[-1])
    return found if found is not None else _lines(reader, hours[-1:])[hours[-1]]


def line_of(hour: np.datetime64, manifest: Mapping[str, Any]) -> Line:
    """Return what a manifest says of its hour; a version of another code may say less."""
    chi2 = manifest.get("diagnostics", {}).get("chi2")
    return Line(
        hour,
        str(manifest.get("status", "")),
        str(manifest.get("condition", "")),
        int(manifest.get("revision", 0)),
        int(manifest.get("seq", 0)),
        manifest.get("precise_stations"),
        float(chi2) if isinstance(chi2, int | float) and math.isfinite(chi2) else None,
        manifest.get("counts", {}),
        tuple(map(str, manifest.get("reasons", ()))),
        tuple(map(str, manifest.get("missing", ()))),
    )
