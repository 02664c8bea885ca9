"""What one window reads: a folder of links to just the deliveries and the weather it may know of."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cycle import window_settings
from pipeline.ingest import Source, sources_of
from pipeline.service.elsewhere import Elsewhere, digest_of
from pipeline.service.inputs import Inputs
from pipeline.service.place import Place
from pipeline.settings import Settings

#: hours whose deliveries are asked for at once
_BLOCK = 744


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
    place: Place, window: WindowOf, inputs: Inputs, elsewhere: Elsewhere, target: Path
) -> tuple[Settings, list[str]]:
    """Fill a folder with links to what a window may read.

    Parameters
    ----------
    target
        The folder; what is there is removed first.

    Returns
    -------
    settings
        The window's, without the feeds of which nothing is there.
    missing
        Names of these feeds.
    """
    # a link of another window that stayed would be read
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    there: set[str] = set()
    for source, path, delivered in inputs.files(*window.known):
        there.add(source)
        _link(target / path, delivered)
    others = [path for path, _ in elsewhere.static()] + [path for path, _ in elsewhere.weather(*window.carried)]
    for other in others:
        _link(target / other.relative_to(place.root), other)
    target.mkdir(parents=True, exist_ok=True)
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


def _link(name: Path, target: Path) -> None:
    name.parent.mkdir(parents=True, exist_ok=True)
    if not name.is_symlink():
        name.symlink_to(target)


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
