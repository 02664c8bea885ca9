"""Answers of a year of hours over HTTP and in Python: `python -m benchmarks.serve [tiny|quarter] FOLDER`.

The store is that of `benchmarks.store`, made where it is not there. A server is a process of its own. "cold" is the
first request of its kind to a fresh server, the store's files out of the page cache; then one client and eight,
each waiting 50 ms between an answer and the next request, as people and pages do, on the cores of the server.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cases import machine
from benchmarks.store import SIZES, START, Size, fill, template
from pipeline.answers import GRID, layer_map, open_source, query
from pipeline.grid import Grid, HourStore

#: seconds between an answer and the next request of a client
PAUSE = 0.05
_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class Case:
    """A kind of request: its URL for the n-th of them, how many, and the milliseconds that are promised."""

    name: str
    url: Callable[[int], str]
    goal: str = ""


def cases(size: Size, version: str) -> list[Case]:
    """Return what is asked; numbers are spread so that no request is like the one before."""
    hot, old = size.hours - 1, size.hours - size.hot - 1
    points = [f"{lon:.4f},{lat:.4f}" for lon, lat in _points(size)]
    day = [f"{START + (24 * n) * _HOUR}Z/{START + (24 * n + 24) * _HOUR}Z" for n in range(size.hours // 24)]

    def chunk(place: int) -> str:
        return f"/api/zarr/{version}/flux_posterior/c/0/{place}/0/0"

    return [
        Case("metadata of the newest version", lambda _: "/api/metadata"),
        Case("a frame of the map: one sector, a hot hour", lambda n: chunk(hot - 7 * n % (size.hot - 2)), "100"),
        Case("a frame of the map: one sector, archive", lambda n: chunk(7 * n % max(1, old)), ""),
        Case(
            "a frame of the map: net, a hot hour",
            lambda n: chunk(hot - 7 * n % (size.hot - 2)).replace("/0/", "/2/", 1),
        ),
        Case(
            "a cell, a day by hours",
            lambda n: f"/api/series?point={points[n % len(points)]}&period={day[n % len(day)]}",
        ),
        Case("a cell, the year by hours", lambda n: f"/api/series?point={points[n % len(points)]}&sector=net", "100"),
        Case(
            "a region, a day by hours",
            lambda n: f"/api/series?region=box%20{n % size.regions}&period={day[n % len(day)]}",
        ),
        Case("a region, the year by days", lambda n: f"/api/series?region=box%20{n % size.regions}&freq=day", "100"),
        Case(
            "an hour as GeoTIFF, all sectors",
            lambda n: f"/api/maps?format=tif&period={START + (hot - n % 24) * _HOUR}Z",
        ),
    ]


def _points(size: Size) -> list[tuple[float, float]]:
    """Return places spread over the inner half of the grid, degrees."""
    grid = Grid.from_dataset(template(size))
    random = np.random.default_rng(3)
    x, y = (random.uniform(0.25, 0.75, 97) * np.ptp(edges) + edges[0] for edges in (grid.x_edges, grid.y_edges))
    return list(zip(*(values.tolist() for values in grid.to_lonlat(x, y)), strict=True))


@contextmanager
def served(store: Path) -> Iterator[str]:
    """Run a server; give its host and port."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", str(store), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("serving ").strip()
        try:
            yield urllib.parse.urlsplit(address).netloc
        finally:
            process.terminate()
            process.wait(60)


def forget(store: Path) -> None:
    """Put the store's files out of the page cache."""
    os.sync()
    for path in store.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


class Client:
    """One connection that is kept."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=600)

    def ask(self, url: str) -> float:
        """Return the milliseconds of one answer."""
        began = time.perf_counter()
        self._connection.request("GET", url)
        reply = self._connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{reply.status} {url}: {body[:300]!r}")
        return 1e3 * (time.perf_counter() - began)


def asked(address: str, case: Case, clients: int, count: int) -> np.ndarray:
    """Return the milliseconds of some requests of each client."""
    found: list[float] = []

    def one(first: int) -> None:
        client = Client(address)
        for n in range(count):
            found.append(client.ask(case.url(first + n * clients)))
            time.sleep(PAUSE)

    threads = [threading.Thread(target=one, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != clients * count:
        raise RuntimeError(f"{case.name}: {clients * count - len(found)} requests had no answer")
    return np.array(found)


def in_python(store: Path, size: Size, repeats: int) -> list[tuple[str, float, np.ndarray]]:
    """Return the first and the later milliseconds of questions in Python, to a source that is open."""
    forget(store)
    found = []
    source = open_source(store)
    point = _points(size)[0]
    hour = source.hours[-3:-2]
    questions: list[tuple[str, Callable[[], object]]] = [
        ("ty.query, a cell, the year by hours", lambda: query(source, point, freq="hour")),
        ("ty.query, a region, the year by days", lambda: query(source, source.regions.ids[0], freq="day")),
        ("ty.query, the whole grid, one hour", lambda: query(source, GRID, (hour[0], hour[0] + _HOUR))),
        ("one hour of the whole grid, one map", lambda: layer_map(source, "flux_posterior", "net", hour)),
    ]
    for name, ask in questions:
        times = []
        for _ in range(repeats + 1):
            began = time.perf_counter()
            ask()
            times.append(1e3 * (time.perf_counter() - began))
        found.append((name, times[0], np.array(times[1:])))
    source.close()
    return found


def report(store: Path, size: Size) -> str:
    """Measure, and return the table."""
    count = 40 if size.repeats > 1 else 2
    with HourStore.open(store).at() as reader:
        version = reader.snapshot
    lines = [
        machine(),
        f"load {', '.join(f'{one:.1f}' for one in os.getloadavg())}: others work on the same cores",
        f"{size.hours} hours of {size.ny} x {size.nx} cells, 2 sectors, {size.regions} regions; milliseconds",
        "",
        f"{'':<46}{'cold':>8}{'1 client':>16}{'8 clients':>16}{'goal':>7}",
        f"{'':<54}{'p50':>8}{'p99':>8}{'p50':>8}{'p99':>8}",
    ]
    for case in cases(size, version):
        forget(store)
        with served(store) as address:
            cold = Client(address).ask(case.url(0))
            told = [asked(address, case, clients, count) for clients in (1, 8)]
        figures = "".join(f"{value:>8.1f}" for one in told for value in np.quantile(one, (0.5, 0.99)))
        lines.append(f"{case.name:<46}{cold:>8.1f}{figures}{case.goal:>7}".rstrip())
    lines.append("")
    for name, cold, times in in_python(store, size, min(10, count)):
        goal = "" if "region" in name else "100"
        figures = "".join(f"{value:>8.1f}" for value in np.quantile(times, (0.5, 0.99)))
        lines.append(f"{name:<46}{cold:>8.1f}{figures}{'':>16}{goal:>7}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    *names, folder = sys.argv[1:]
    chosen = SIZES[names[0] if names else "full"]
    if not HourStore.is_there(Path(folder)):
        fill(Path(folder), chosen)
    print(report(Path(folder), chosen))
