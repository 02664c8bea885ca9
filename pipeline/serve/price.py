"""What a question costs, told from sizes alone before anything is read (OWASP API4:2023)."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from pipeline.answers import Area, RunSource, Source
from pipeline.errors import SizeError
from pipeline.grid import Grid

#: numbers that one question may read, and that a reply may hold
MOST_READ, MOST_TOLD = 200_000_000, 10_000_000
#: numbers read, or told, from which a question is a heavy one; how many of these run at once, in all and of one client
HEAVY, HEAVY_TOLD = 10_000_000, 1_000_000
_AT_ONCE, _OF_ONE = 2, 1
#: requests of one client: how many in a second, and how many at a stroke
_RATE, _BURST = 200.0, 400.0
#: clients remembered
_CLIENTS = 4096
#: degrees that the outline of an area may be long, round the globe twice, and the numbers that one of them is worth
MOST_OUTLINE, _DEGREE = 2000, 80_000
#: fields that a total of a polygon reads, and tables that one of a region does
_FIELDS, _TABLES = 4, 6


class BusyError(Exception):
    """Too much is asked at once; `seconds` says when to ask again."""

    def __init__(self, rule: str, seconds: int) -> None:
        super().__init__(rule)
        self.seconds = seconds


def require(read: int, told: int) -> None:
    """Raise unless a question costs no more than one may.

    Parameters
    ----------
    read, told
        Numbers that are read, and that the reply holds.

    Raises
    ------
    SizeError
        When it does, with how many parts it makes.
    """
    parts = max(-(-read // MOST_READ), -(-told // MOST_TOLD))
    if parts > 1:
        raise SizeError(
            f"one request may read {MOST_READ:.0e} numbers and be told {MOST_TOLD:.0e}",
            got=f"{read:.3g} read, {told:.3g} told",
            remedy=f"ask for a {parts}th part of the period at a time, or for fewer sectors or longer parts (freq)",
            where="request",
        )


def of_totals(source: Source, areas: list[Area], hours: int, parts: int, sectors: int) -> tuple[int, int]:
    """Return what totals read and tell: numbers; of a run, what is gone through to ask its solution."""
    read = 0
    for area in areas:
        # a run tells the hours of its regions; anything else goes once through the state for each part
        if isinstance(source, RunSource) and (area.region is None or parts < hours):
            read += of_outline(area) + parts * source.grid.size * source.hours.size * len(source.sectors)
            continue
        if area.region is not None:
            read += _TABLES * hours * len(source.sectors)
            continue
        read += of_outline(area) + _FIELDS * _box(area, source.grid) * hours * len(source.sectors)
    return read, len(areas) * parts * sectors * _FIELDS


def of_outline(area: Area) -> int:
    """Return what it costs to lay a polygon over a grid, as numbers read.

    Raises
    ------
    SizeError
        When its outline is longer than one may be: long edges get many corners, as they bend in the plane.
    """
    if area.polygon is None:
        return 0
    length = float(area.polygon.length)
    if length > MOST_OUTLINE:
        raise SizeError(
            f"the outline of an area may be {MOST_OUTLINE} degrees long",
            got=round(length),
            remedy="leave out what lies far from the grid, or draw fewer and shorter edges",
            where="polygon",
        )
    return int(length * _DEGREE)


def _box(area: Area, grid: Grid) -> int:
    """Return the cells of the smallest box of a grid with an area in it, or a few more."""
    if area.polygon is None:
        return grid.size if area.point is None else 1
    west, south, east, north = area.polygon.bounds
    lon, lat = grid.lonlat
    # corners of cells reach beyond their centres
    reach = max(float(np.abs(np.diff(values, axis=axis)).max(initial=0.0)) for values in (lon, lat) for axis in (0, 1))
    near = ((lon - (west - reach)) % 360 <= east - west + 2 * reach) & (lat >= south - reach) & (lat <= north + reach)
    rows, columns = np.nonzero(near)
    return int(np.ptp(rows) + 1) * int(np.ptp(columns) + 1) if rows.size else 0


def of_maps(source: Source, hours: int, parts: int, sectors: int) -> tuple[int, int]:
    """Return what maps of a period read and tell: numbers."""
    return _FIELDS * source.grid.size * hours * len(source.sectors), (_FIELDS + 1) * source.grid.size * parts * sectors


def of_ledger(source: Source, regions: int, hours: int, parts: int) -> tuple[int, int]:
    """Return what a ledger reads and tells: numbers."""
    sectors = len(source.sectors)
    read = source.grid.size * hours * sectors + _TABLES * regions * hours * sectors
    return read, regions * parts * (sectors + 1) * 24


class Gate:
    """How much each client may do, and how many heavy questions run at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heavy: list[str] = []
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, client: str) -> None:
        """Count a request of a client.

        Raises
        ------
        BusyError
            When it has sent too many.
        """
        now = time.monotonic()
        with self._lock:
            left, at = self._buckets.pop(client, (_BURST, now))
            left = min(_BURST, left + _RATE * (now - at)) - 1.0
            self._buckets[client] = (max(left, 0.0), now)
            if len(self._buckets) > _CLIENTS:
                self._buckets.popitem(last=False)
        if left < 0:
            raise BusyError(f"a client may send {_RATE:g} requests a second", 1)

    @contextmanager
    def heavy(self, client: str, read: int, told: int) -> Iterator[None]:
        """Let a question run, if it is light or few heavy ones run.

        Raises
        ------
        BusyError
            When it is not.
        """
        if read < HEAVY and told < HEAVY_TOLD:
            yield
            return
        with self._lock:
            if len(self._heavy) >= _AT_ONCE or self._heavy.count(client) >= _OF_ONE:
                raise BusyError(f"{_AT_ONCE} large questions are answered at once, {_OF_ONE} of a client", 5)
            self._heavy.append(client)
        try:
            yield
        finally:
            with self._lock:
                self._heavy.remove(client)
