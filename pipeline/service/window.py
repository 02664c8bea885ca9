"""What one window reads: a folder of links to just the deliveries and the weather it may know of."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.cycle import window_settings
from pipeline.ingest import Source, sources_of
from pipeline.service.elsewhere import Elsewhere, digest_of
from pipeline.service.inputs import Inputs
from pipeline.service.place import Place
from pipeline.settings import Settings

#: hours whose deliveries are asked for at once
_BLOCK = 744


class Delivered(Protocol):
    """Who knows the deliveries of hours: `Inputs`, or `Known`."""

    def files(self, start: int, end: int) -> Sequence[tuple[str, str, Path]]:
        """Return source, path and place of every version that counts and tells of an hour [start, end)."""
        ...


class Beside(Protocol):
    """Who knows the other files of hours: `Elsewhere`, or `Known`."""

    def static(self) -> Sequence[tuple[Path, str]]:
        """Return every file that is no weather, and its digest."""
        ...

    def weather(self, start: int, end: int) -> Sequence[tuple[Path, str]]:
        """Return the weather files of hours [start, end], and their stamps."""
        ...


@dataclass(frozen=True)
class WindowOf:
    """The window that ends with an hour.

    Parameters
    ----------
    hour
        The newest hour of it, UTC.
    settings
        The case's, for this window.
    """

    hour: np.datetime64
    settings: Settings

    @property
    def known(self) -> tuple[int, int]:
        """Hours [start, end) since 1970 of the deliveries it may know of."""
        assert self.settings.case.known_hours is not None
        return _hours(self.settings.case.known_hours.bounds)

    @property
    def carried(self) -> tuple[int, int]:
        """Hours [start, end] since 1970 of the weather it may read."""
        transport = self.settings.transport
        back = 0 if transport is None else transport.hours
        # air that is judged by its weather is that of all known hours
        start = self.known[0] if self.settings.case.select or self.settings.bias_filter else None
        first, last = _hours(self.settings.case.observation_hours.bounds)
        return (first if start is None else start) - back - 1, last + 1


@dataclass(frozen=True)
class Known:
    """What one window may read, as it was known at one moment: it can be told to another process.

    Parameters
    ----------
    deliveries
        Source, path and place of every version.
    beside, carriers
        Files that are no deliveries: without time, and weather.
    """

    deliveries: tuple[tuple[str, str, Path], ...]
    beside: tuple[tuple[Path, str], ...]
    carriers: tuple[tuple[Path, str], ...]

    @classmethod
    def of(cls, window: WindowOf, inputs: Delivered, elsewhere: Beside) -> Known:
        """Return what a window may read now."""
        deliveries = tuple(inputs.files(*window.known))
        return cls(deliveries, tuple(elsewhere.static()), tuple(elsewhere.weather(*window.carried)))

    def files(self, start: int, end: int) -> Sequence[tuple[str, str, Path]]:  # noqa: ARG002 - of the window alone
        """As `Inputs`."""
        return self.deliveries

    def static(self) -> Sequence[tuple[Path, str]]:
        """As `Elsewhere`."""
        return self.beside

    def weather(self, start: int, end: int) -> Sequence[tuple[Path, str]]:  # noqa: ARG002
        """As `Elsewhere`."""
        return self.carriers

    def is_there(self) -> bool:
        """Return whether every delivery still stands in the spool: a file that grew takes the place of what it was."""
        return all(path.exists() for *_, path in self.deliveries)


def window_of(place: Place, hour: np.datetime64) -> WindowOf:
    """Return the window that ends with an hour."""
    return WindowOf(hour, window_settings(place.settings, hour, place.service.first))


def last_hour(manifest: Mapping[str, Any]) -> np.datetime64:
    """Return the hour that ends the window a version was made from."""
    end: np.datetime64 = np.datetime64(str(manifest["window"][1]), "h")
    return end - np.timedelta64(1, "h")


class Signatures:
    """Digests of all that windows may read: as long as one stays the same, there is nothing to do again.

    Parameters
    ----------
    place
        The case.
    inputs, elsewhere
        What there is now.
    """

    def __init__(self, place: Place, inputs: Inputs, elsewhere: Elsewhere) -> None:
        self._place, self._inputs, self._elsewhere = place, inputs, elsewhere
        static = [[path.relative_to(place.root).as_posix(), digest] for path, digest in elsewhere.static()]
        self._common = digest_of([place.config, static])
        self._blocks: dict[int, dict[int, str]] = {}

    def of(self, window: WindowOf) -> str:
        """Return the signature of a window."""
        weather = [
            f"{path.relative_to(self._place.root).as_posix()} {stamp}"
            for path, stamp in self._elsewhere.weather(*window.carried)
        ]
        carried = self._elsewhere.series(*_hours(window.settings.case.flux_hours.bounds))
        hours = [f"{hour} {said}" for hour in range(*window.known) if (said := self._said(hour))]
        return digest_of([str(window.hour), self._common, weather, carried, hours])

    def _said(self, hour: int) -> str | None:
        """Return the digest of what deliveries tell of an hour; they are asked for a month's hours at once."""
        block = hour // _BLOCK
        if block not in self._blocks:
            self._blocks[block] = self._inputs.hours(block * _BLOCK, (block + 1) * _BLOCK)
        return self._blocks[block].get(hour)


def laid_out(
    place: Place, window: WindowOf, inputs: Delivered, elsewhere: Beside, target: Path
) -> tuple[Settings, list[str]]:
    """Fill a folder with links to what a window may read.

    Parameters
    ----------
    target
        The folder; what is there and does not belong there is removed first.

    Returns
    -------
    settings
        The window's, without the feeds of which nothing is there.
    missing
        Names of these feeds.
    """
    there: set[str] = set()
    wanted: dict[Path, Path] = {}
    for source, path, delivered in inputs.files(*window.known):
        there.add(source)
        wanted.setdefault(target / path, delivered)
    others = [path for path, _ in elsewhere.static()] + [path for path, _ in elsewhere.weather(*window.carried)]
    for other in others:
        wanted.setdefault(target / other.relative_to(place.root), other)
    lay(target, wanted)
    sources = sources_of(window.settings)
    missing = [one.name for one in sources if one.name not in there]
    return _without(window.settings, [one for one in sources if one.name in there]), missing


def _without(settings: Settings, kept: Sequence[Source]) -> Settings:
    feeds = [one.settings for one in kept]
    kinds = ("stations", "columns", "mobile", "sinks")
    changed: dict[str, object] = {kind: [f for f in getattr(settings, kind) if f in feeds] for kind in kinds}
    if not any(feed.offset for feed in settings.stations if feed in feeds):
        changed["bias_filter"] = None
    return settings.model_copy(update=changed)


def lay(target: Path, wanted: Mapping[Path, Path]) -> None:
    """Make a folder hold some links and nothing else; those that are right already stay."""
    if target.is_symlink() or not target.is_dir():
        target.unlink(missing_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    right: set[Path] = set()
    for folder, folders, files in os.walk(target, topdown=False):
        for path in (Path(folder, name) for name in (*files, *folders)):
            if not path.is_symlink() and path.is_dir():
                # one that is empty now; another is refused
                with contextlib.suppress(OSError):
                    path.rmdir()
            elif path.is_symlink() and path in wanted and os.readlink(path) == str(wanted[path]):
                right.add(path)
            else:
                # a link of another window that stayed would be read
                path.unlink()
    for path in wanted.keys() - right:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(wanted[path])


def _hours(bounds: tuple[np.datetime64, np.datetime64]) -> tuple[int, int]:
    start, end = (int(time.astype("datetime64[h]").astype(np.int64)) for time in bounds)
    return start, end


def hour_number(hour: np.datetime64) -> int:
    """Return hours since 1970 of an hour.

    Examples
    --------
    >>> hour_number(np.datetime64("1970-01-02T03"))
    27
    """
    return int(hour.astype("datetime64[h]").astype(np.int64))
