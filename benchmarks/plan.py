"""What a year of a national domain takes on some nodes: `python -m benchmarks.plan [DOCS] > docs/scale/plan.txt`.

Unit costs come from files that other commands wrote (transport/bench.txt, inversion/bench.txt, inversion/hourly.txt and
service/store.txt under DOCS), and that of the factor is measured here, in one thread; each is told with its source, and
with the law that carries it to the sizes planned for. Nothing was measured at those sizes.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg

from benchmarks.cases import machine
from benchmarks.hourly import LATE
from benchmarks.problems import SHAPES
from kernels.jit import one_blas_thread
from pipeline.inversion.memory import Window, plan

HOURS_OF_YEAR = 8760
GB, MIB = 1e9, 2**20
#: of a node
CORES, MEMORY = 64, 512 * GB
NODES = (1, 4, 16, 64, 256)
#: what measured problems have: cells of problem C, its window's hours, its observations, and cells of the store
C = SHAPES["C"]
STORE_CELLS = 160 * 170
#: hours of a stretch where some 180 workers share the year; fewer get longer ones
STRETCH = 24


@dataclass(frozen=True)
class Plan:
    """A domain and its network.

    Parameters
    ----------
    name
        In words.
    cells, sectors, regions
        Of the state, and whose totals are reported.
    stations
        That report every hour.
    used
        Hours of a day whose observations are used.
    window, lag, back
        Hours of a window, until its version, and of a footprint.
    particles, members
        Of a receptor, and of the ensemble.
    entries
        Of a footprint.
    """

    name: str
    cells: int = 500_000
    sectors: int = 2
    regions: int = 400
    stations: int = 1000
    used: int = 24
    window: int = 96
    lag: int = 48
    back: int = 24
    particles: int = 500
    members: int = 64
    entries: int = 8700

    @property
    def observations(self) -> int:
        """Rows of K."""
        return self.stations * self.used * (self.window - self.back) // 24


PLANS = (
    Plan("all hours of 1000 stations, windows of 96 hours"),
    Plan("the eight afternoon hours of each day", used=8),
    Plan("the same, windows of 48 hours", used=8, window=48, lag=24),
)


def number(folder: Path, name: str, pattern: str) -> float:
    """Return the number that a pattern finds in a file that a command wrote."""
    found = re.search(pattern, (folder / name).read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{name} has no line like {pattern}")
    return float(found[1])


def read_costs(folder: Path) -> dict[str, tuple[float, str]]:
    """Return unit costs that stand in files: number, and words with the source."""
    transport, hourly, store = "transport/bench.txt", "inversion/hourly.txt", "service/store.txt"
    particle = number(folder, transport, r"^one particle for one hour, one thread +([\d.]+) ")
    weather = number(folder, transport, r"^one hour of weather prepared +([\d.]+) ")
    members = number(folder, "inversion/bench.txt", r"^C: (?s:.*?)^64 members +[\d.]+ +([\d.]+)")
    commit = number(folder, store, r"^commit of one hour +([\d.]+)")
    disk = number(folder, store, r"^size on disk +([\d.]+)")
    cached = number(folder, hourly, r"now; ([\d.]+) GiB kept")
    return {
        "particle": (particle * 1e-6, f"s a particle and hour ({transport})"),
        "weather": (weather, f"s to prepare an hour of weather, of that file's grid ({transport})"),
        "members": (2 * members / 64, "s a member of problem C, two threads' seconds together (inversion/bench.txt)"),
        "commit": (commit / 1e3, f"s to commit an hour of {STORE_CELLS} cells, in the driver ({store})"),
        "disk": (disk * MIB / HOURS_OF_YEAR, f"bytes an hour of {STORE_CELLS} cells takes in the store ({store})"),
        "cached": (cached * 2**30, f"bytes of products kept for problem C's window ({hourly})"),
    }


def products_of(rows: float, others: float, entries: float, sectors: int) -> float:
    """Return the products of entries with maps that rows of K take against others before them."""
    return rows * others * entries * sectors


def step_costs(folder: Path) -> dict[str, tuple[float, str]]:
    """Return what K takes, from a window of problem C made whole and from the hourly step after it.

    All of the whole window's seconds are laid to its products. What is then left of the step's is that of the maps that
    every row needs once more, for the totals of the newest hour.
    """
    name = "inversion/hourly.txt"
    before = number(folder, name, r"^(\d+) observations before")
    now = number(folder, name, r"before, (\d+) now")
    whole = number(folder, name, r"^the window before, nothing kept +[\d.]+ +([\d.]+)")
    step = number(folder, name, r"^K and what totals need +[\d.]+ +([\d.]+)")
    entries = number(folder, "inversion/bench.txt", r"^C: .* observations of (\d+) entries")
    product = whole / products_of(before, before / 2, entries, C.sectors)
    # those of the newest hour, and late ones
    new = before / (C.hours - C.back) + LATE
    rest = max(step - product * products_of(new, now, entries, C.sectors), 0.0)
    return {
        "product": (product, f"s a product of an entry of H with a row's map ({name})"),
        "map": (rest / (now * C.ny * C.nx * C.sectors), f"s a row, cell and sector, for the totals ({name})"),
    }


def factor_cost(rows: int) -> dict[str, tuple[float, str]]:
    """Return the speed of the factor of some rows, measured here in one thread."""
    place = np.arange(rows) / rows
    system = np.exp(-3 * np.abs(place[:, None] - place)) + 0.1 * np.eye(rows)
    with one_blas_thread():
        start = time.process_time()
        scipy.linalg.cholesky(system, lower=True, overwrite_a=True, check_finite=False)
        speed = rows**3 / 3 / (time.process_time() - start)
    return {"flops": (speed, f"flop/s of the factor, {rows} rows, measured here")}


def stages(one: Plan, costs: dict[str, float]) -> dict[str, float]:
    """Return processor seconds of each stage of an hour of the year, but for the driver's.

    Reading of files and problem, and regional totals of periods, which a version has none of, are left out.
    """
    m, new = one.observations, one.stations * one.used / 24
    scale = one.cells / (C.ny * C.nx)
    state = one.cells * one.sectors
    return {
        "footprints": new * one.particles * one.back * costs["particle"],
        "weather": costs["weather"] * scale,
        "K, new rows": products_of(new, m, one.entries, one.sectors) * costs["product"],
        "K, totals": m * state * costs["map"],
        # the rest of a window is made anew by the first hour of a stretch
        "K, once a stretch": products_of(m, m / 2, one.entries, one.sectors) * costs["product"] / STRETCH,
        "factor, weights": m**3 / 3 / costs["flops"] + 2 * m**2 / costs["flops"],
        "diagnostics: inverse": 2 * m**3 / 3 / costs["flops"],
        "ensemble": one.members * costs["members"] * scale * one.window / C.hours
        + one.members * 2 * m**2 / costs["flops"],
    }


def memory(one: Plan) -> dict[str, int]:
    """Return the bytes of an hour in a process of one thread, by `pipeline.inversion.plan`."""
    hours, rows = one.window, one.observations
    return plan(
        Window(
            hours=hours, cells=one.cells, sectors=one.sectors, observations=rows, entries=rows * one.entries,
            # of a version: the totals of its two hours
            regions=one.regions, days=1, members=one.members, batch=8, item=4, threads=1,
        )
    )  # fmt: skip


def lines_of(one: Plan, costs: dict[str, float]) -> list[str]:
    """Return what a plan comes to."""
    parts, bytes_ = stages(one, costs), memory(one)
    each, need = sum(parts.values()), sum(bytes_.values())
    at_once = min(CORES, int(MEMORY // need))
    scale = one.cells / STORE_CELLS
    commit, disk = costs["commit"] * scale, costs["disk"] * scale
    kept = costs["cached"] * (one.observations / C.observations) ** 2
    lines = [
        f"{one.name}: {one.observations} observations a window",
        "  processor, s an hour: "
        + ", ".join(f"{name} {value:.3g}" for name, value in parts.items())
        + f"; together {each:.3g}",
        "  memory, GB an hour: "
        + ", ".join(f"{name} {value / GB:.3g}" for name, value in bytes_.items() if value)
        + f"; together {need / GB:.3g}, K alone {8 * one.observations**2 / GB:.3g}",
        f"  a node has {CORES} cores and {MEMORY / GB:.0f} GB: {at_once} hours at once, for want of "
        + ("cores" if at_once == CORES else "memory"),
        f"  a process keeps {kept / GB:.3g} GB of products on its node's disk, and reads them every hour",
        f"  the driver: {commit:.2g} s to commit an hour, {commit * HOURS_OF_YEAR / 3600:.2g} hours for the year's; "
        f"{disk * HOURS_OF_YEAR / GB:.0f} GB of store",
    ]
    if not at_once:
        return [*lines, "  it does not fit on such a node: what breaks first is the memory of one hour"]
    days = []
    for nodes in NODES:
        # hours that share a node's memory leave the other cores to BLAS, which is not counted on here
        seconds = max(HOURS_OF_YEAR * each / (nodes * at_once), HOURS_OF_YEAR * commit)
        days.append(f"{nodes}: {seconds / 86400:.3g}" + ("*" if seconds == HOURS_OF_YEAR * commit else ""))
    crowd = each / commit
    return [
        *lines,
        "  days for the year, by nodes: " + ", ".join(days) + " (* the driver's commits take that long)",
        f"  the driver keeps up with {crowd:.0f} hours at once, {crowd / at_once:.0f} nodes",
    ]


def report(folder: Path, rows: int = 3000) -> str:
    """Return the plan as text."""
    told = read_costs(folder) | step_costs(folder) | factor_cost(rows)
    costs = {name: value for name, (value, _) in told.items()}
    lines = [
        machine(),
        "",
        "unit costs, of one core",
        *(f"  {value:.4g} {words}" for value, words in told.values()),
        "",
        "laws: footprints as receptors x particles x hours back; weather, store, commit as cells; ensemble as",
        "cells x hours of the window; new rows of K as new rows x rows x entries x sectors, totals as rows x cells x",
        "sectors, and a whole window once a stretch of hours; products kept as rows^2; factor m^3 / 3, inverse",
        "2 m^3 / 3 for m rows; memory as it is planned before a window is solved",
        "",
    ]
    for one in PLANS:
        lines += [*lines_of(one, costs), ""]
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    print(report(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs")))
