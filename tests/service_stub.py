"""A service whose science is a pure function of the rows its windows read: an hour costs milliseconds.

Inbox, spool, registry, ledger, store, lock and health are the real ones; only what lies between the files of a window
and the numbers of its hours is ours (`making.prepare` and `making.versions`). The numbers follow from every row, so
that a wrong row, one too many, or a mix of two versions shows in them.
"""

import csv
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
import xarray as xr

import station_meta
from pipeline._version import __version__
from pipeline.errors import InputError
from pipeline.ingest import contents
from pipeline.ingest.files import whole
from pipeline.ingest.registry import read_registry, read_rules
from pipeline.ingest.rows import read_rows
from pipeline.service import making, product
from pipeline.service.carrier import carrier_of
from pipeline.service.clock import Clock
from pipeline.service.place import read_place
from pipeline.service.runs import run_due, running
from pipeline.service.window import laid_out
from pipeline.settings import StationSettings
from pipeline.units import SPECIES

#: a month ends six hours later
FIRST = np.datetime64("2024-07-31T18", "h")
HOUR = np.timedelta64(1, "h")
WINDOW, LAG = 6, 2
STATIONS = ("AAA", "BBB", "CCC")
#: minutes after the hour
READY = 75
#: in an hour of a station
ROWS = 4
CASE = """
[case]
name = "stub"
title = "a stub"
species = "co2"
flux_hours = { start = 2024-07-31T17:00:00Z, end = 2024-08-01T18:00:00Z }
observation_hours = { start = 2024-07-31T18:00:00Z, end = 2024-08-01T18:00:00Z }

[inputs]
root = "inbox"
station_tables = ["table.csv"]

[grid]
crs = "EPSG:4326"
x = { first = 119.5, step = 0.25, count = 4 }
y = { first = 30.0, step = 0.25, count = 3 }

[regions]
boxes = [{ id = "WHOLE", name = "whole", box = [119.0, 121.0, 29.5, 31.0] }]
%s
[[footprints]]
format = "name"
files = ["footprints/*.nc"]
station = "AAA"
height = 50

[[sectors]]
name = "fossil"
sigma_fraction = 0.5
length = 50
hours = 5

[[sectors.sources]]
file = "flux.nc"
format = "netcdf"
variable = "flux"

[background]
kind = "curtains"
file = "edges.nc"
unit = "mol mol-1"
sigma = 1.0
hours = 6

[outputs]
store = "out.zarr"

[cycle]
window_hours = 6
lag_hours = 2

[service]
start = 2024-07-31T18:00:00Z
spectrometers_least = 2
retry_minutes = 0.001
%s
"""
FEED = """
[[stations]]
id = "%s"
format = "table"
files = ["%s"]
height = 50
representation_error = 1.0
air = "dry"
table = { time = "time", value = "co2", unit = "ppm", minutes = 15 }
"""


def make_place(folder: Path, service: str = "quiet_seconds = 0", patterns: dict[str, str] | None = None) -> Path:
    """Write a case of three stations and return its file; nothing is delivered."""
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    columns = {
        "name_zh": "", "name_en": "a test", "station_class": "external", "lon": "119.75", "lat": "30.25",
        "ground_height": "20", "inlets": "50", "species": "co2", "instrument": "CRDS",
        "scale": "co2:WMO CO2 X2019", "zone": "UTC", "hour_label": "start", "uncertainty": "co2:0.1",
        "valid_from": "", "valid_to": "", "illustrative": "true", "source": "a test",
    }  # fmt: skip
    with (inbox / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=station_meta.COLUMNS)
        writer.writeheader()
        writer.writerows({"id": name, **columns} for name in STATIONS)
    for name in ("footprints/a.nc", "flux.nc", "edges.nc"):
        # named, hashed and never opened
        (inbox / name).parent.mkdir(exist_ok=True)
        (inbox / name).write_bytes(b"not read")
    feeds = "".join(FEED % (name, (patterns or {}).get(name, f"{name.lower()}/**/*.csv")) for name in STATIONS)
    (folder / "case.toml").write_text(CASE % (feeds, service), encoding="utf-8")
    return folder / "case.toml"


def value_of(station: str, hour: int, variant: int) -> float:
    """Return what a station measures in an hour since the first; each variant of it is another number."""
    return 400.0 + 10 * STATIONS.index(station) + (hour * 7 % 11) + 0.25 * variant


def lines_of(station: str, hour: int, variant: int = 0) -> str:
    """Return the rows of an hour, without a header."""
    start = FIRST + np.timedelta64(hour, "h")
    value = value_of(station, hour, variant)
    return "".join(
        f"{np.datetime64(start, 'm') + np.timedelta64(15 * row, 'm')}:00Z,{value + 0.01 * row:.2f}\n"
        for row in range(ROWS)
    )


def text_of(station: str, *hours: tuple[int, int]) -> str:
    """Return a file of some hours and their variants."""
    return "time,co2\n" + "".join(lines_of(station, hour, variant) for hour, variant in hours)


def deliver(case: Path, path: str, text: str | bytes) -> Path:
    """Put a file into the inbox, whole at once, as a sender does that renames."""
    target = case.parent / "inbox" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}")
    aside.write_bytes(text if isinstance(text, bytes) else text.encode())
    aside.replace(target)
    return target


@lru_cache(maxsize=1)
def _facts():
    """Return registry and rules: all places here have the same."""
    with TemporaryDirectory() as folder:
        place = read_place(make_place(Path(folder) / "facts"))
        registry = read_registry(place.settings, place.root)
        return registry, read_rules(place.settings, place.root, registry)


def _registry(settings, root: Path):
    # a table remembers every view of it for long
    return _facts()[0].copy()


def _rules(settings, root: Path, registry):
    return _facts()[1]


@lru_cache(maxsize=16)
def _read(content: bytes, name: str, feed: str):
    """Return what the real reader makes of one file: a function of it, so asked once."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.csv"
        path.write_bytes(content)
        registry, rules = _facts()
        return read_rows([path], [name], StationSettings.model_validate_json(feed), SPECIES["co2"], registry, rules, ())


def _read_once(paths, names, feed, gas, registry, rules, calibrations=(), known=None, kept=None):
    """Take the place of `read_rows` where files are read one by one."""
    (path,) = paths
    return _read(path.read_bytes(), names[0], feed.model_dump_json())


@lru_cache(maxsize=256)
def _told(content: bytes, name: str, feed: str):
    """Return times and values of the rows of one file that can be used."""
    table = _read(content, name, feed).table
    table = table[(table["reason"] == "") & table["time"].notna()]
    return table["time"].to_numpy().astype("datetime64[m]"), table["value"].to_numpy().copy()


def rows_of(settings, root: Path) -> list[tuple[str, str, float]]:
    """Return station, time and value of every row that counts, of the files a window may know, by their real reader."""
    found = []
    first, last = (time.astype("datetime64[m]") for time in settings.case.known_hours.bounds)
    for feed in settings.stations:
        told: dict[np.datetime64, set[float]] = {}
        for path in whole(root, feed.files):
            name = path.relative_to(root).as_posix()
            times, values = _told(path.read_bytes(), name, feed.model_dump_json())
            for time, value in zip(times, values, strict=True):
                if first <= time < last:
                    told.setdefault(time, set()).add(round(float(value), 4))
        # as of two rows of one time: equal ones are one, of others none counts
        found += [(feed.id, str(time), *values) for time, values in told.items() if len(values) == 1]
    return sorted(found)


def hour_of(rows, hour: np.datetime64) -> list[list]:
    """Return the rows of one hour."""
    return [list(row) for row in rows if np.datetime64(row[1], "h") == hour]


def numbers(rows, hour: np.datetime64) -> xr.Dataset:
    """Return the numbers of an hour: of the prior, and what the rows of its window make of it."""
    used = [row for row in rows if hour - 3 * HOUR <= np.datetime64(row[1], "h") <= hour + LAG * HOUR]
    number = int((hour - FIRST) / HOUR)
    pattern = 1.0 + np.arange(12.0).reshape(1, 3, 4) / 12 + number % 24
    digest = hashlib.sha256(json.dumps(used).encode()).digest()
    mark = np.frombuffer(digest[:12], np.uint8).reshape(1, 3, 4) / 256
    told = bool(hour_of(rows, hour))
    posterior = pattern + mark + sum(row[2] - 400 for row in used) / 64 if told else pattern
    spread = pattern / np.sqrt(1.0 + len(used)) if told else pattern
    maps = {
        "flux_prior": pattern, "flux_prior_std": pattern, "flux_posterior": posterior, "flux_posterior_std": spread
    }  # fmt: skip
    totals = {
        name: values.sum(axis=(1, 2))[:, None] for name, values in zip(product.TOTALS, maps.values(), strict=True)
    }
    return xr.Dataset(
        {name: (("sector", "y", "x"), values.astype(np.float32)) for name, values in maps.items()}
        | {f"region_{name}": (("sector", "region"), values) for name, values in totals.items()}
        | {"region_covariance": (("sector", "sector_2", "region"), totals["posterior_std"][:, None] ** 2)}
    )


@dataclass(frozen=True, eq=False)
class Prepared:
    """Rows that a window may know, instead of a problem."""

    hour: np.datetime64
    rows: list[tuple[str, str, float]]
    key: str
    missing: list[str]
    files: list[dict]
    reasons: tuple[str, ...] = ()


def prepare(place, domain, window, inputs, elsewhere, stages, *, give_up="", progress=None) -> Prepared:
    """Take the place of `making.prepare`."""
    view = place.view
    settings, missing = laid_out(place, window, inputs, elsewhere, view)
    files = list(making._files(place, view))
    try:
        if give_up:
            raise InputError("the hour must be solvable", got=give_up, remedy="see the log")
        rows = rows_of(settings, view)
    except InputError:
        rows = []
    carrier_of(settings, view)
    key = hashlib.sha256(json.dumps([place.config, str(window.hour), rows]).encode()).hexdigest()
    return Prepared(window.hour, rows, key, missing, files)


def versions(place, domain, prepared, stages, *, progress=None) -> list[making.Version]:
    """Take the place of `making.versions`."""
    return [_version(place, prepared, hour) for hour in making.wanted(place, prepared.hour)]


def _version(place, prepared, hour) -> making.Version:
    mine = hour_of(prepared.rows, hour)
    told = {row[0] for row in mine}
    status = making.P0 if not told else making.P1 if hour == prepared.hour else making.P2
    manifest = {
        "status": status,
        "condition": making.FULL if len(told) > 1 else making.DEGRADED if told else making.PRIOR_ONLY,
        "reasons": [f"{len(told)} stations"],
        "missing": prepared.missing,
        "key": prepared.key,
        "window": [str(prepared.hour - (WINDOW - 1) * HOUR), str(prepared.hour + HOUR)],
        "met_lead_h": 0,
        "window_complete": bool(prepared.hour >= hour + LAG * HOUR),
        "config": place.config,
        "code": __version__,
        "inputs": prepared.files,
        "counts": {"external": {"seen": len(mine), "used": len(mine)}} if mine else {},
        "rows": mine,
    }
    return making.Version(hour, numbers(prepared.rows, hour), manifest)


@contextmanager
def stubbed():
    """Let services make their hours by the functions above, and read the station tables once."""
    with (
        mock.patch.object(making, "prepare", prepare),
        mock.patch.object(making, "versions", versions),
        mock.patch.object(making, "require_prior", return_value=None),
        mock.patch.object(contents, "read_registry", _registry),
        mock.patch.object(contents, "read_rules", _rules),
        mock.patch.object(contents, "read_rows", _read_once),
    ):
        yield


class Clocks:
    """Clocks of a machine, which tests turn."""

    def __init__(self, hour: int = 0) -> None:
        self.wall = moment(hour)
        self.running, self.boot = 1000.0, "first"

    def pass_by(self, **span: float) -> None:
        """Let time pass."""
        step = timedelta(**span)
        self.wall, self.running = self.wall + step, self.running + step.total_seconds()

    def clock(self) -> Clock:
        """Return them as a service reads them."""
        return Clock(lambda: self.wall, lambda: self.running, lambda: self.boot)


def moment(hour: int) -> datetime:
    """Return when an hour, counted from the first, becomes due."""
    first = datetime.fromisoformat(str(np.datetime64(FIRST, "s"))).replace(tzinfo=UTC)
    return first + timedelta(hours=hour, minutes=READY)


@contextmanager
def run(case: Path, clocks: Clocks, command: str = "run-due"):
    """A run of the service."""
    with running(read_place(case), command, clock=clocks.clock()) as (service, outcome):
        yield service, outcome


def due(case: Path, clocks: Clocks):
    """What `run-due` does."""
    with run(case, clocks) as (service, outcome):
        run_due(service, outcome)
    return outcome
