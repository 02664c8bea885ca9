"""How much memory a window takes, and the refusal of one that cannot fit, before any file is read."""

from __future__ import annotations

import os

from pipeline.errors import ConfigError
from pipeline.schema import HOUR
from pipeline.settings import Settings

#: fields over all cell-hours held at once, float64: while a block of H Q is made, and per sector in the ensemble
_FIELDS_PER_ROW = 5
_FIELDS_PER_SECTOR = 16
#: matrices of the size of K, and of the covariance of the regional totals, held at once, float64
_SYSTEMS = 6
_COVARIANCES = 4


def memory_needed(settings: Settings, cells: int, regions: int = 0) -> int:
    """Return about how many bytes the inversion of a window takes at its peak.

    Parameters
    ----------
    settings
        Hours, sectors, stations, solver.
    cells
        Cells of the grid.
    regions
        Regions whose totals are reported.
    """
    hours, observed = _hours(settings)
    sectors, block = len(settings.sectors), settings.solver.block
    observations = observed * len(settings.stations)
    field = 8 * hours * cells
    kept = settings.solver.members * sectors * field // 2 if settings.outputs.ensemble else 0
    # a total for each sector, region, day, and all days together
    totals = sectors * regions * (observed // 24 + 2)
    fields = field * (_FIELDS_PER_ROW * min(block, observations) + _FIELDS_PER_SECTOR * sectors)
    return fields + kept + 8 * (_SYSTEMS * observations**2 + _COVARIANCES * totals**2)


def require_memory(settings: Settings, cells: int, regions: int = 0, *, available: int | None = None) -> None:
    """Raise unless the window fits in memory.

    Parameters
    ----------
    settings, cells, regions
        As for `memory_needed`.
    available
        Bytes; this machine's memory when not given.

    Raises
    ------
    ConfigError
        With the size of the window, what it needs and what there is.
    """
    if available is None:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = memory_needed(settings, cells, regions)
    if needed > available:
        hours, observed = _hours(settings)
        raise ConfigError(
            "the window must fit in memory",
            got=f"{hours} hours x {cells} cells x {len(settings.sectors)} sectors, up to "
            f"{observed * len(settings.stations)} observations and {regions} regions: about {needed / 1e9:.1f} GB of "
            f"{available / 1e9:.1f} GB",
            remedy="shorten case.flux_hours and observation_hours, coarsen the grid, lower solver.block, or set "
            "outputs.ensemble to false",
            where="case.flux_hours",
        )


def _hours(settings: Settings) -> tuple[int, int]:
    """Return the number of flux hours and of observation hours."""
    windows = (settings.case.flux_hours.bounds, settings.case.observation_hours.bounds)
    flux, observed = (int((end - start) / HOUR) for start, end in windows)
    return flux, observed
