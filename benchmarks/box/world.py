"""Frozen inputs: the simulated province, made once in the bench's folder and used again."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.case import Progress
from pipeline.errors import ConfigError, InputError
from pipeline.osse import Plan, make_case
from pipeline.osse.deliveries import Deliveries
from pipeline.osse.plan import MOST

#: marks a folder as a bench's
MARK = "bench.json"
#: written into a province when it is whole
_MADE = "made.json"
#: stations of the whole network: air and towers
NETWORK = sum(MOST.values())
#: what is the same for the same plan; weather follows from its recipe, and footprints are traced anew
_DIGESTED = ("case.toml", "stations/*", "sinks/*", "fluxes/*", "background/*", "weather/recipe.json")


@dataclass(frozen=True)
class Size:
    """How large a bench is.

    Parameters
    ----------
    plan
        The province, whole network; few particles, for it is made only to have measurements.
    particles
        Per receptor in the service, which traces everything itself.
    sections
        Of the service's case.
    warm, stretch
        Hours made one by one after the first, and then by one process.
    kernels
        Size of the kernels' cases.
    cold
        Whether caches are empty at first, so that kernels are compiled: a minute that a test does not have.
    help_runs
        Of `tianyan --help`.
    solver
        More of section [solver].
    """

    plan: Plan
    particles: int
    window: int
    lag: int
    warm: int
    stretch: int
    kernels: str
    cold: bool = True
    help_runs: int = 5
    solver: str = ""


#: hours made begin at this hour of the last day, UTC: late morning, when all stations' air is used
_BUSY = 2
SIZES = {
    "province": Size(Plan(1, hours=12 * 24, particles=50, mobile=True), 200, 72, 24, 3, 12, "full"),
    "small": Size(Plan(1, hours=4 * 24, spacing_km=18.0, particles=20, mobile=True), 50, 72, 24, 3, 6, "full"),
    "tiny": Size(
        Plan(1, hours=6, spacing_km=40.0, hours_back=4, particles=20, columns=False),
        20,
        6,
        2,
        1,
        2,
        "tiny",
        cold=False,
        help_runs=1,
        solver="members = 4\n",
    ),
}


def size_of(name: str) -> Size:
    """Return a size by its name.

    Raises
    ------
    ConfigError
        When there is none.
    """
    if name not in SIZES:
        raise ConfigError(
            f"a size is one of {', '.join(SIZES)}", got=name, remedy="leave it out for the province", where="--size"
        )
    return SIZES[name]


def with_stations(plan: Plan, stations: int) -> Plan:
    """Return a plan with fewer stations, of each kind in proportion.

    Raises
    ------
    ConfigError
        When there are not so many, or too few for an inversion.
    """
    # a solved hour needs three precise stations
    if not 6 <= stations <= NETWORK:
        raise ConfigError(
            f"stations must lie in [6, {NETWORK}]: the illustrative network",
            got=stations,
            remedy=f"leave the option out for all {NETWORK}",
            where="--stations",
        )
    spectrometers = max(3, round(stations * MOST["spectrometers"] / NETWORK))
    sinks = round(stations * MOST["sinks"] / NETWORK)
    return replace(plan, spectrometers=spectrometers, sinks=sinks, micro=stations - spectrometers - sinks)


def claim(folder: Path) -> None:
    """Make the bench's folder, or take one that is a bench's already.

    Raises
    ------
    InputError
        When it holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("the folder must be a folder", got="a file", remedy="give another path", where=str(folder))
    held = sorted(path.name for path in folder.iterdir())[:3] if folder.is_dir() else []
    if held and not (folder / MARK).exists():
        raise InputError(
            "the folder must be new, or that of an earlier bench",
            got=held,
            remedy="give another: what is in it would be replaced",
            where=str(folder),
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text(json.dumps({"folder of": "tianyan bench"}), encoding="utf-8")


def make_world(folder: Path, name: str, stations: int, progress: Progress) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a province, made unless it is there, and what to say of it.

    Parameters
    ----------
    folder
        The bench's.
    name
        Of a size.
    stations
        How many.
    progress
        As of `make_case`.

    Returns
    -------
    Folder and {size, stations, digest}: the digest is of what decides the numbers.
    """
    place = folder / f"province-{name}-{stations}"
    made = place / _MADE
    if not made.exists():
        # one that was stopped half way
        shutil.rmtree(place, ignore_errors=True)
        make_case(place, with_stations(size_of(name).plan, stations), progress=progress)
        # the service traces its own
        shutil.rmtree(place / "transport", ignore_errors=True)
        made.write_text(json.dumps({"digest": _digest(place)}), encoding="utf-8")
    digest = json.loads(made.read_text(encoding="utf-8"))["digest"]
    return place, {"size": name, "stations": stations, "digest": digest}


def _digest(place: Path) -> str:
    digest = hashlib.sha256()
    for pattern in _DIGESTED:
        for path in sorted(place.glob(pattern)):
            digest.update(f"{path.relative_to(place)}\0".encode())
            # netCDF files carry versions of libraries, not times
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def first_hour(size: Size) -> np.datetime64:
    """Return the first hour that is made: late morning of the last day."""
    start, end = (one.astype("datetime64[h]") for one in size.plan.observed)
    day = max(start, (end - np.timedelta64(1, "h")).astype("datetime64[D]").astype("datetime64[h]"))
    return np.datetime64(day + np.timedelta64(_BUSY, "h"), "h")


def lay_out(world: Path, target: Path, size: Size, threads: int) -> Deliveries:
    """Make the folder of a service of a province, nothing delivered yet; one that is there is removed.

    Parameters
    ----------
    world
        The province.
    target
        The service's folder.
    size
        Of the bench.
    threads
        Of the service's kernels and pools.
    """
    shutil.rmtree(target, ignore_errors=True)
    deliveries = Deliveries(world, target)
    start = first_hour(size) - np.timedelta64(size.lag, "h")
    sections = (
        f"[cycle]\nwindow_hours = {size.window}\nlag_hours = {size.lag}\n\n"
        f"[service]\nstart = {max(start, size.plan.observed[0].astype('datetime64[h]'))}:00:00Z\nquiet_seconds = 0\n\n"
        # some pools of threads are as large as the machine, whatever cores a process may use
        f"[solver]\nthreads = {threads}\n{size.solver}"
    )
    case = deliveries.lay_out(sections)
    text, changed = re.subn(r"(?m)^particles = \d+$", f"particles = {size.particles}", case.read_text(encoding="utf-8"))
    assert changed == 1, "a case with [transport] states its particles"
    case.write_text(text, encoding="utf-8")
    return deliveries


def begin_at(case: Path, hour: np.datetime64) -> None:
    """Let a service begin at an hour: none before it is due then."""
    text = case.read_text(encoding="utf-8")
    case.write_text(re.sub(r"(?m)^start = \S+$", f"start = {hour}:00:00Z", text), encoding="utf-8")
