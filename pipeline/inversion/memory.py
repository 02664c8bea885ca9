"""How much memory a window takes, planned by integers before it is used, and the refusal of one that cannot fit."""

from __future__ import annotations

import os
from dataclasses import dataclass

from kernels.jit import cores
from kernels.lanes import LANES
from pipeline.errors import ConfigError
from pipeline.schema import HOUR
from pipeline.settings import Settings

_DOUBLE, _INDEX = 8, 4
#: fields over all cell-hours of a sector held at once: prior, sigma, mean, the spread's two sums, and what
#: products and draws over two lengths leave behind
_FIELDS = 12
#: fields more with log-normal sectors: two states of the chain, its velocity and mean, sums of the members, prior draws
_CHAIN = 20
#: matrices of the size of K held at once: the factor, and the inverse for the diagnostics
_SYSTEMS = 2
#: matrices of the size of the totals' covariance held at once
_COVARIANCES = 6
#: maps of a block: its own, and two more where a sector's errors have two lengths
_MAPS = 3
#: arrays of the size of H: as it was read, its rows in order, and a sector's scaled values
_OPERATORS = 4
#: arrays of the size of H in a worker: as it came, its rows in order, these above the totals', a sector's scaled
#: values, and those that are asked for; fields in it: prior, sigma, and what products leave behind
_TOLD, _WORKING = 5, 4
#: fields on their way through the workers, per member of a batch: its draw, update and deviation, and the next one's
#: draw
_UNDER_WAY = 4
#: entries of a footprint when none is known yet: what those of 3 km over a day have, and one a cell-hour at most
_ENTRIES = 8000
_GIB = 2**30


@dataclass(frozen=True)
class Window:
    """Sizes of a window.

    Parameters
    ----------
    hours, cells, sectors
        The state.
    observations, entries
        Rows of H, and its entries.
    regions, days
        Regions whose totals are reported, by hour and by day.
    members, batch
        Members of the ensemble kept, and made at once.
    item
        Bytes of a number of the fields: 4 or 8.
    threads
        Blocks of K made at once.
    chain
        Whether the members are a chain: with log-normal sectors.
    workers
        Processes of this machine that have the problem each for itself; a chain needs none.
    compared
        Entries of the rows of observations that are only compared with.
    """

    hours: int
    cells: int
    sectors: int
    observations: int
    entries: int
    regions: int
    days: int
    members: int
    batch: int
    item: int
    threads: int
    chain: bool = False
    workers: int = 0
    compared: int = 0


def plan(window: Window) -> dict[str, int]:
    """Return the bytes a window takes at its peak, by what takes them."""
    w = window
    functionals = w.regions * w.hours
    system = _DOUBLE * w.observations**2
    field = w.item * w.hours * w.cells * w.sectors
    totals = w.sectors * w.regions * w.days
    block = LANES * (_MAPS * w.item * w.cells + _DOUBLE * (w.observations + functionals))
    entries = w.entries * (w.item + _INDEX)
    told = w.workers * (_TOLD * entries + _WORKING * field) + bool(w.workers) * _UNDER_WAY * w.batch * field
    return {
        "fields": field * (_FIELDS + w.batch + w.members + _CHAIN * w.chain),
        "operator": _OPERATORS * entries + w.compared * (w.item + _INDEX),
        # the chain has the factor of the observations' errors beside that of K
        "system": (_SYSTEMS + w.chain) * system,
        "blocks": w.threads * block,
        "workers": 0 if w.chain else told,
        # and the factor once more in the fields' precision
        "totals": w.item * (w.observations * w.sectors * functionals + w.observations**2),
        "covariances": _DOUBLE * (_COVARIANCES * totals**2 + 3 * w.observations * totals),
    }


def memory_needed(settings: Settings, cells: int, regions: int = 0, entries: int | None = None) -> int:
    """Return about how many bytes the inversion of a window takes at its peak.

    Parameters
    ----------
    settings
        Hours, sectors, stations, solver.
    cells
        Cells of the grid.
    regions
        Regions whose totals are reported.
    entries
        Entries of H, when they are known.
    """
    return sum(plan(window_of(settings, cells, regions, entries=entries)).values())


def window_of(
    settings: Settings,
    cells: int,
    regions: int,
    *,
    observations: int | None = None,
    entries: int | None = None,
    workers: int = 0,
    compared: int = 0,
) -> Window:
    """Return the sizes of a case, guessing from above what is not known yet."""
    from_, observed = _hours(settings)
    most = observed * (len(settings.stations) + len(settings.sinks))
    count = most if observations is None else observations
    back = settings.transport.hours + 1 if settings.transport is not None else from_
    guess = count * min(_ENTRIES, cells * min(back, from_))
    return Window(
        hours=from_,
        cells=cells,
        sectors=len(settings.sectors),
        observations=count,
        entries=guess if entries is None else entries,
        regions=regions,
        days=observed // 24 + 2,
        members=settings.solver.members if settings.outputs.ensemble else 0,
        batch=8,
        item=4 if settings.solver.precision == "single" else 8,
        threads=settings.solver.threads or cores(),
        chain=any(sector.distribution == "lognormal" for sector in settings.sectors),
        workers=workers,
        compared=compared,
    )


def require_memory(
    settings: Settings,
    cells: int,
    regions: int = 0,
    *,
    observations: int | None = None,
    entries: int | None = None,
    workers: int = 0,
    compared: int = 0,
    available: int | None = None,
) -> None:
    """Raise unless the window fits in memory.

    Parameters
    ----------
    settings, cells, regions
        As for `memory_needed`.
    observations, entries
        Rows and entries of H, when they are known.
    workers, compared
        As for `Window`.
    available
        Bytes; `solver.memory_limit`, or this machine's memory, when not given.

    Raises
    ------
    ConfigError
        With the size of the window, what it needs and what there is.
    """
    if available is None:
        limit = settings.solver.memory_limit
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        available = machine if limit is None else int(limit * _GIB)
    window = window_of(
        settings, cells, regions, observations=observations, entries=entries, workers=workers, compared=compared
    )
    parts = plan(window)
    needed = sum(parts.values())
    if needed > available:
        largest = max(parts, key=lambda name: parts[name])
        fewer = "use fewer processes (solver.threads), " if parts["workers"] else ""
        raise ConfigError(
            "the window must fit in memory",
            got=f"{window.hours} hours x {cells} cells x {window.sectors} sectors, up to "
            f"{window.observations} observations and {regions} regions: about {needed / 1e9:.1f} GB of "
            f"{available / 1e9:.1f} GB, most of it for the {largest}",
            remedy=f"{fewer}shorten case.flux_hours and observation_hours, coarsen the grid, set outputs.ensemble to "
            "false, or raise solver.memory_limit",
            where="case.flux_hours",
        )


def _hours(settings: Settings) -> tuple[int, int]:
    """Return the number of flux hours and of observation hours."""
    windows = (settings.case.flux_hours.bounds, settings.case.observation_hours.bounds)
    flux, observed = (int((end - start) / HOUR) for start, end in windows)
    return flux, observed
