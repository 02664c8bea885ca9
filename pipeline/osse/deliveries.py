"""A simulated case as its instruments would deliver it: files that grow by the hour, some of them late.

The folder made here is that of a service: case.toml names daily files, and `deliver` puts into them what has arrived
by an hour. What has arrived in the end does not depend on how it came.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import InputError
from pipeline.osse import case_file
from pipeline.schema import HOUR

#: by folder: how a row's label is read, and what to add to it to have the row's end in UTC
_LABELS: dict[str, tuple[str, slice | int, str, np.timedelta64]] = {
    ".dat": (" ", slice(0, 2), "%y%m%d %H%M%S", np.timedelta64(30, "s")),
    ".hourly.csv": (",", 0, "%Y-%m-%d %H:%M:%S", np.timedelta64(-8, "h")),
    ".halfhourly.csv": (",", 1, "%Y%m%d%H%M", np.timedelta64(-8, "h")),
    ".track.csv": (",", 0, "%Y-%m-%d %H:%M:%S", np.timedelta64(1, "s")),
}
#: lines before the first row
_HEADS = {".dat": 3}
#: hours after its day that a satellite's file comes
_SATELLITE = 6

#: called with a file's name and an hour of rows; returns when these are delivered, given that they are on time at the
#: hour's end
Lateness = Callable[[str, np.datetime64], np.datetime64]


def on_time(name: str, hour: np.datetime64) -> np.datetime64:  # noqa: ARG001 - as any lateness
    """Deliver every hour when it is over."""
    return hour + HOUR


@dataclass(frozen=True)
class Late:
    """Feeds whose last hours come late, now and then, and hours that come never on time; the same for every seed.

    Parameters
    ----------
    seed
        Of who is late, and when.
    share
        Of the stretches of six hours of a feed that are late.
    most
        Longest delay, hours.
    """

    seed: int
    share: float = 0.1
    most: int = 30

    def __call__(self, name: str, hour: np.datetime64) -> np.datetime64:
        """Return when an hour of a file is delivered."""
        stretch = int(hour.astype("datetime64[h]").astype(np.int64)) // 6
        random = np.random.default_rng([self.seed, stretch, *name.encode()])
        delay = int(random.integers(1, self.most + 1)) if random.random() < self.share else 0
        return hour + (1 + delay) * HOUR


class Deliveries:
    """The files of a simulated case, hour by hour.

    Parameters
    ----------
    case
        Folder of a simulated case.
    target
        Folder of the service.

    Raises
    ------
    InputError
        When `case` is no simulated case.
    """

    def __init__(self, case: Path, target: Path) -> None:
        if not (case / case_file.TRUTH).exists():
            raise InputError(
                "deliveries are those of a simulated case", got=str(case), remedy="make one: `tianyan osse make`"
            )
        self.case, self.target = case, target

    @property
    def first(self) -> np.datetime64:
        """The first hour with observations, UTC."""
        with xr.open_dataset(self.case / case_file.TRUTH, engine="netcdf4") as truth:
            return np.datetime64(str(truth.attrs["observation_start"]), "ns")

    def lay_out(self, sections: str) -> Path:
        """Write case.toml with some more sections, and everything that is no delivery; return the path of case.toml.

        Parameters
        ----------
        sections
            [cycle] and [service], as TOML.
        """
        text = (self.case / "case.toml").read_text(encoding="utf-8")
        # one file for the whole time becomes one a day
        for end in _LABELS:
            text = re.sub(rf'"((?:stations|sinks|mobile)/[^"]*){re.escape(end)}"', rf'"\1.*{end}"', text)
        for name in (case_file.WEATHER, "fluxes", "background"):
            shutil.copytree(self.case / name, self.target / name, dirs_exist_ok=True, copy_function=_linked)
        for kind in (case_file.STATIONS, case_file.SINKS, case_file.COLUMNS, case_file.MOBILE):
            (self.target / kind).mkdir(parents=True, exist_ok=True)
        path = self.target / "case.toml"
        path.write_text(f"{text}\n{sections.strip()}\n", encoding="utf-8")
        return path

    def deliver(self, until: np.datetime64, lateness: Lateness = on_time) -> int:
        """Put into the service's folder what has arrived by a time; return how many files changed.

        Parameters
        ----------
        until
            UTC.
        lateness
            When each hour of each feed is delivered.
        """
        changed = 0
        for name, content in self._arrived(until.astype("datetime64[ns]"), lateness):
            path = self.target / name
            if content and (not path.exists() or path.read_bytes() != content):
                # as programs that send files do: under another name until it is whole
                aside = path.with_name(f"{path.name}.part")
                aside.write_bytes(content)
                os.replace(aside, path)
                changed += 1
        return changed

    def _arrived(self, until: np.datetime64, lateness: Lateness) -> Iterator[tuple[str, bytes]]:
        for kind in (case_file.STATIONS, case_file.SINKS, case_file.MOBILE):
            found = {path.name: path for path in (self.case / kind).iterdir()}
            # what a case's own plan holds back is delivered here like the rest
            found |= {path.name: path for path in (self.case / case_file.LATE / kind).glob("*") if path.is_file()}
            for name, path in sorted(found.items()):
                end = next(end for end in _LABELS if name.endswith(end))
                stem = name.removesuffix(end)
                for day, content in _by_day(path, end, until, partial(lateness, stem)):
                    yield f"{kind}/{stem}.{day}{end}", content
        for path in sorted((self.case / case_file.COLUMNS).iterdir()):
            found_day = re.search(r"_(\d{4})(\d\d)(\d\d)", path.name)
            assert found_day is not None
            over = np.datetime64("-".join(found_day.groups()), "h") + np.timedelta64(24 + _SATELLITE, "h")
            if over <= until:
                yield f"{case_file.COLUMNS}/{path.name}", path.read_bytes()


def _by_day(
    path: Path, end: str, until: np.datetime64, when: Callable[[np.datetime64], np.datetime64]
) -> Iterator[tuple[str, bytes]]:
    """Give the days of a file and what of each has arrived."""
    separator, at, form, shift = _LABELS[end]
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    head, rows = lines[: _HEADS.get(end, 1)], lines[_HEADS.get(end, 1) :]
    texts = [row.split(separator) for row in rows]
    labels = [separator.join(text[at]) if isinstance(at, slice) else text[at] for text in texts]
    time = pd.to_datetime(labels, format=form).to_numpy().astype("datetime64[ns]") + shift
    # a row's end is the next hour's beginning
    hour = (time - np.timedelta64(1, "ns")).astype("datetime64[h]").astype("datetime64[ns]")
    there = {one: when(one) <= until for one in np.unique(hour)}
    arrived = np.array([there[one] for one in hour], dtype=bool)
    days = hour.astype("datetime64[D]")
    for day in np.unique(days[arrived]):
        chosen = np.flatnonzero(arrived & (days == day))
        yield str(day).replace("-", ""), "".join([*head, *(rows[row] for row in chosen)]).encode()


def _linked(source: str, target: str) -> str:
    """Link a file instead of copying it; a weather file is large."""
    Path(target).unlink(missing_ok=True)
    os.link(source, target)
    return target
