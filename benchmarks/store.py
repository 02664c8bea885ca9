"""The store of hours, a year of it: `python -m benchmarks.store [tiny|quarter] FOLDER`.

Fields are smooth, with the noise of a solver. The last month is hot, all but a day of it in the archive too; all before
it is sealed. Times are medians (and the least) of several calls in one process after one unmeasured (files are in the
page cache); "opened" counts the opening of store and snapshot, in a fresh process. A store that is in the folder
is measured as it is.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.cases import Figure, machine
from pipeline.grid import Grid, HourStore, HourVersion, box_regions, lambert_grid
from pipeline.service import product
from pipeline.settings import Box, Settings

FIELDS = ("flux_prior", "flux_prior_std", "flux_posterior", "flux_posterior_std")
TABLES = ("region_prior", "region_prior_std", "region_posterior", "region_posterior_std")
START = np.datetime64("2024-01-01T00")
NOW = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Size:
    """How much is stored."""

    hours: int
    hot: int
    ny: int
    nx: int
    regions: int
    repeats: int
    bulk: int


SIZES = {
    "full": Size(8760, 744, 160, 170, 100, 7, 168),
    "quarter": Size(2208, 744, 160, 170, 100, 7, 168),
    "tiny": Size(200, 30, 12, 14, 5, 1, 50),
}


def settings() -> Settings:
    """Return a case of two sectors: what the template of a store is made of."""
    source = {"sources": [{"file": "a.nc", "format": "netcdf", "variable": "flux"}], "sigma_fraction": 0.5}
    return Settings.model_validate(
        {
            "case": {
                "name": "year",
                "title": "A year of invented hours",
                "species": "co2",
                "flux_hours": {"start": "2024-01-01T00:00Z", "end": "2024-01-02T00:00Z"},
                "observation_hours": {"start": "2024-01-01T00:00Z", "end": "2024-01-02T00:00Z"},
            },
            "grid": {"box": [118.0, 123.0, 27.0, 31.5], "spacing": 3000.0},
            "stations": [
                {"id": "AAA", "format": "gcwerks", "files": ["*"], "height": 10, "representation_error": 1.0}
            ],
            "footprints": [{"format": "stilt", "files": ["*"]}],
            "sectors": [
                {"name": "fossil", **source, "length": 20, "hours": 240},
                {"name": "land", **source, "length": 60, "hours": 6, "sigma_floor": 1.0},
            ],
            "background": {
                "kind": "series", "file": "b.csv", "sigma": 1.0, "hours": 6,
                "table": {"time": "t", "value": "v", "unit": "ppm"},
            },
            "outputs": {"store": "year.zarr"},
        }
    )  # fmt: skip


def template(size: Size) -> xr.Dataset:
    lambert = lambert_grid(west=118.0, east=123.0, south=27.0, north=31.5, spacing=3000.0)
    grid = Grid(lambert.crs, lambert.x_edges[0] + 3000.0 * np.arange(size.nx + 1), 3000.0 * np.arange(size.ny + 1))
    lon, lat = grid.lonlat
    rows = int(np.ceil(np.sqrt(size.regions)))
    across = np.linspace(lon[:, 0].max(), lon[:, -1].min(), rows + 1)
    upward = np.linspace(lat[0].max(), lat[-1].min(), rows + 1)
    boxes = []
    for n in range(size.regions):
        row, column = divmod(n, rows)
        corners = (across[column], across[column + 1], upward[row], upward[row + 1])
        boxes.append(Box(id=f"{n:06d}", name=f"box {n}", box=tuple(map(float, corners))))
    return product.template(settings(), grid, box_regions(boxes, grid))


class Hours:
    """Makes versions of hours: smooth patterns, a daily cycle, two hundredths of noise."""

    def __init__(self, size: Size) -> None:
        random = np.random.default_rng(7)
        self._size, self._template = size, template(size)
        y, x = np.mgrid[0 : size.ny, 0 : size.nx]
        waves = [
            np.sin(2 * np.pi * (a * y / size.ny + b * x / size.nx) + p)
            for a, b, p in zip(*random.uniform(0.5, 6, (2, 12)), random.uniform(0, 6, 12), strict=True)
        ]
        self._patterns = np.exp(np.tensordot(random.standard_normal((8, 12)) / 3, np.array(waves), 1))
        self._noise = 1 + 0.02 * random.standard_normal((31, size.ny, size.nx))

    def version(self, number: int, key: str = "", scale: float = 1.0) -> HourVersion:
        shape = self._template["flux_prior"].shape
        cycle = 1.5 + np.sin(2 * np.pi * (number % 24) / 24) + 0.3 * np.sin(number / 97)
        variables = {}
        for i, name in enumerate(FIELDS):
            maps = [scale * cycle * self._patterns[2 * i + s] * self._noise[(number + 7 * i + s) % 31] for s in (0, 1)]
            variables[name] = (("sector", "y", "x"), np.array(maps, np.float32).reshape(shape))
        random = np.random.default_rng(number)
        for name in TABLES:
            variables[name] = (("sector", "region"), cycle * random.lognormal(size=(2, self._size.regions)))
        squares = variables[TABLES[-1]][1] ** 2 * np.eye(2)[:, :, None]
        variables["region_covariance"] = (("sector", "sector_2", "region"), squares)
        manifest = {"status": "P1", "condition": "full", "key": key or str(number), "window": [str(START), "0"]}
        return HourVersion(START + np.timedelta64(number, "h"), xr.Dataset(variables), manifest)


def fill(path: Path, size: Size) -> tuple[float, float]:
    """Fill a store; return seconds of committing and of sealing."""
    shutil.rmtree(path, ignore_errors=True)
    store, hours = HourStore.create(path, template(size), start=START, hours=size.hours + 24), Hours(size)
    committing = sealing = 0.0
    last = size.hours - size.hot
    for first in range(0, size.hours, size.bulk):
        versions = [hours.version(n) for n in range(first, min(first + size.bulk, size.hours))]
        at = NOW - timedelta(hours=size.hours - first)
        began = time.perf_counter()
        store.commit(versions, at=at)
        committing += time.perf_counter() - began
        end = min(first + size.bulk, last)
        if end > first and ((end // size.bulk) % 4 == 0 or end == last):
            began = time.perf_counter()
            store.seal(START, START + np.timedelta64(end, "h"), at=at)
            sealing += time.perf_counter() - began
            store.collect(at)
    # what the service does once a day: all but the last day in the archive too
    store.seal(START, START + np.timedelta64(size.hours - 24, "h"), at=NOW, keep=True)
    store.collect(NOW)
    return committing, sealing


def median(function: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Return medians of clock and processor milliseconds after one unmeasured call, and the least by the clock."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return summary(times)


def summary(times: list[tuple[float, float]]) -> tuple[float, float, float]:
    clock, processor = zip(*times, strict=True)
    return 1e3 * statistics.median(clock), 1e3 * statistics.median(processor), 1e3 * min(clock)


def reading(path: Path, size: Size) -> list[Figure]:
    store = HourStore.open(path)
    reader = store.at()
    end = START + np.timedelta64(size.hours, "h")
    old, new = START + np.timedelta64(77, "h"), end - np.timedelta64(5, "h")
    numbers = iter(range(10**6))

    def some(span: int) -> int:
        return (37 * next(numbers)) % span

    def cell(first: np.datetime64) -> np.ndarray:
        data = reader.dataset(first, end, ["flux_posterior"])["flux_posterior"]
        return data.isel(sector=0, y=some(size.ny), x=some(size.nx)).values

    cases: list[tuple[str, str, Callable[[], object]]] = [
        ("snapshot opened again", "", lambda: store.at().close()),
        ("map, hot: one variable, both sectors", "50", lambda: reader.map(new - some(20), ["flux_posterior"])),
        ("map, hot: all four variables", "50", lambda: reader.map(new - some(20))),
        ("map, archive: one variable, both sectors", "150", lambda: reader.map(old + some(60), ["flux_posterior"])),
        ("map, archive: all four variables", "150", lambda: reader.map(old + some(60))),
        ("one cell, the whole year, one variable", "100", lambda: cell(START)),
        ("one cell, the hot month, one variable", "", lambda: cell(end - np.timedelta64(size.hot, "h"))),
        (
            "all regions, the whole year, one variable",
            "30",
            lambda: reader.dataset(START, end, [TABLES[2]])[TABLES[2]].isel(sector=0).values,
        ),
        ("manifests of a month", "", lambda: reader.manifests(end - np.timedelta64(min(720, size.hours), "h"), end)),
        ("digests of an hour verified", "", lambda: reader.verify(new)),
    ]
    found = []
    for name, goal, function in cases:
        clock, processor, least = median(function, size.repeats)
        found.append(Figure(name, clock, "ms", goal, processor, least))
    reader.close()
    return found


def disk(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def writing(path: Path, size: Size) -> list[Figure]:
    store, hours = HourStore.open(path), Hours(size)
    before, seq = disk(path), store.at().seq
    now = NOW + timedelta(days=seq)
    times = []
    count = 3 * size.repeats
    for number in range(count):
        version = hours.version(size.hours - count + number, f"late {seq} {number}", 1 + seq / 1000)
        began = time.perf_counter(), time.process_time()
        store.commit([version], at=now + timedelta(minutes=number))
        times.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    grown = (disk(path) - before) / count
    began = time.perf_counter()
    removed = store.collect(now + timedelta(minutes=count))
    collecting = time.perf_counter() - began
    clock, processor, least = summary(times)
    day = START + np.timedelta64(size.hours - 24, "h"), START + np.timedelta64(size.hours, "h")
    began = time.perf_counter()
    store.seal(*day, at=now + timedelta(hours=9), keep=True)
    copying = time.perf_counter() - began
    return [
        Figure("a day copied to the archive, hot kept", 1e3 * copying, "ms"),
        Figure("commit of one hour", clock, "ms", "300", processor, least),
        Figure("disk an hourly commit takes", grown / 2**20, "MiB"),
        Figure(f"retention, {removed.snapshots} snapshots removed", collecting, "s"),
    ]


def opened(path: Path) -> Figure:
    """Time a fresh process from the import of the store to a snapshot, without Python and its libraries."""
    script = (
        "import sys, time; from pathlib import Path; from pipeline.grid import HourStore; a = time.perf_counter();"
        "HourStore.open(Path(sys.argv[1])).at(); print(time.perf_counter() - a)"
    )
    found = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    return Figure("store and snapshot opened in a fresh process", 1e3 * float(found.stdout), "ms")


def _filled(path: Path, size: Size) -> list[Figure]:
    committing, sealing = fill(path, size)
    return [
        Figure("bulk commits, an hour", 1e3 * committing / size.hours, "ms"),
        Figure("sealing, an hour", 1e3 * sealing / max(1, size.hours - size.hot), "ms"),
    ]


def figures(path: Path, size: Size) -> list[Figure]:
    # a store that is there is measured as it is
    filled = [] if HourStore.is_there(path) else _filled(path, size)
    raw = size.hours * 8 * size.ny * size.nx * 4
    kept = disk(path)
    files = sum(1 for p in path.rglob("*") if p.is_file())
    return [
        *filled,
        Figure("size on disk", kept / 2**20, "MiB"),
        Figure("raw size over size on disk", raw / kept, ""),
        Figure("files", files, ""),
        opened(path),
        *reading(path, size),
        *writing(path, size),
    ]


def report(size: Size, found: list[Figure]) -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    lines = [
        machine(),
        f"load {load}: others work on the same cores",
        f"{size.hours} hours, the last {size.hot} hot; 4 variables, 2 sectors, {size.ny} x {size.nx} cells; "
        f"{size.regions} regions",
        "",
        f"{'':<46}{'clock':>10}{'least':>9}{'processor':>11}{'':>5}{'goal':>7}",
    ]
    for one in found:
        least, processor = ("" if value is None else f"{value:.1f}" for value in (one.least, one.processor))
        lines.append(f"{one.name:<46}{one.value:>10.1f}{least:>9}{processor:>11}{one.unit:>5}{one.goal:>7}")
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    *names, folder = sys.argv[1:]
    chosen = SIZES[names[0] if names else "full"]
    print(report(chosen, figures(Path(folder), chosen)))
