"""Network design: what a station at each of some places would add to the knowledge of regional totals.

settings -> hours a network would report -> footprints -> K and its Schur complement -> single sites, then one by one

The equations and their sources stand in `pipeline.inversion.expected`. Nothing is taken from observation files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from kernels.jit import set_threads
from pipeline.case import Progress, quiet, region_notes, station_weather
from pipeline.design_case import Place, period_functionals, planned_problem, require_design_memory
from pipeline.design_plan import Planner, Template
from pipeline.design_sites import Site
from pipeline.errors import ConfigError
from pipeline.inversion import Assembled
from pipeline.inversion.expected import Expected, expected
from pipeline.units import species

#: all sectors together
NET = "net"


@dataclass(frozen=True, eq=False)
class Design:
    """What candidates are worth.

    Parameters
    ----------
    place
        The case.
    sites
        Candidates, by id.
    sector
        Sector of the totals, or net.
    prior, now : (region,) tonnes
        Sigma of the totals over the period without observations, and with the network.
    single : (site, region) tonnes
        Sigma with the network and that candidate.
    chosen
        Candidates one by one, each the best beside the network and those before it.
    sequence : (step, region) tonnes
        Sigma with the network and the chosen ones up to each.
    hours : (site,)
        Hours with a footprint.
    stations
        Of the network: `lon`, `lat` (degrees) and `platform`, their class, (station,) each.
    notes
        Sentences for the output.
    """

    place: Place
    sites: tuple[Site, ...]
    sector: str
    prior: np.ndarray
    now: np.ndarray
    single: np.ndarray
    chosen: tuple[int, ...]
    sequence: np.ndarray
    hours: np.ndarray
    stations: xr.Dataset
    notes: tuple[str, ...]

    def score(self, sigma: np.ndarray) -> np.ndarray:
        """Return the share by which sigmas, (..., region), lower the sum of the scored regions' of now."""
        scored = self.place.scored
        total = self.now[scored].sum()
        return (total - sigma[..., scored].sum(axis=-1)) / total if total > 0 else np.zeros(sigma.shape[:-1])

    @property
    def ranked(self) -> list[int]:
        """Candidates by their own score, the best first; equal ones by id."""
        return np.argsort(-self.score(self.single), kind="stable").tolist()


def design(
    place: Place,
    sites: Sequence[Site],
    *,
    choose: int = 5,
    sector: str = NET,
    empty: bool = False,
    store: Path | None = None,
    progress: Progress = quiet,
) -> Design:
    """Return what candidates are worth, one by one and together.

    Parameters
    ----------
    place
        Of `place_of`.
    sites
        Candidates, in any order.
    choose
        How many are chosen one after the other, at most.
    sector
        Sector of the totals, or net.
    empty
        Whether to leave the case's stations out.
    store
        Folder of the footprints; `design` in the case's folder of footprints when not given. What is there is not
        traced again.

    Raises
    ------
    TianyanError
        Any of `pipeline.errors`; ConfigError when it does not fit in memory, or there is no such sector.
    """
    sites = tuple(sorted(sites, key=lambda site: site.id))
    names = [one.name for one in place.settings.sectors]
    if sector not in (NET, *names):
        remedy = f"use {', '.join((NET, *names))}"
        raise ConfigError("the sector must be one of the case's", got=sector, remedy=remedy, where="--sector")
    set_threads(place.settings.solver.threads)
    around = station_weather(place.settings, place.grid, place.root, place.path)
    planner = Planner(place.settings, place.root, around)
    templates = {kind: planner.template(kind) for kind in sorted({site.kind for site in sites})}
    progress("planning", 0, 0)
    network = None if empty else planner.network()
    parts = [planner.of_site(site, templates[site.kind]) for site in sites]
    observed = _sorted([*([] if network is None else [network]), *parts])
    settings = planner.with_sites(sites, templates, alone=empty)
    require_design_memory(settings, place.grid, observed.sizes["obs"], len(sites))
    assembled, notes = planned_problem(place, settings, observed, store, progress)
    rows = _rows(assembled, sites)
    own = np.setdiff1d(np.arange(assembled.station.size), np.concatenate(rows))
    given = expected(
        assembled.problem.take(np.concatenate([own, *rows])),
        own.size,
        period_functionals(place),
        sectors=range(len(names)) if sector == NET else [names.index(sector)],
        threads=settings.solver.threads,
        progress=lambda done: progress("solving", round(100 * done), 100),
    )
    hours = np.array([mine.size for mine in rows])
    blocks = np.split(np.arange(hours.sum()), np.cumsum(hours)[:-1])
    progress("choosing", 0, 0)
    single = _after(given, blocks)
    chosen, sequence = _one_by_one(given, blocks, place.scored, min(choose, len(sites)))
    return Design(
        place, sites, sector, np.sqrt(given.prior), np.sqrt(given.variance), single, chosen, sequence,
        hours, _stations(network), (*_notes(place, sites, templates, hours, network, own.size), *notes),
    )  # fmt: skip


def _rows(assembled: Assembled, sites: Sequence[Site]) -> list[np.ndarray]:
    """Return the places of each candidate's observations in the problem."""
    mine: dict[str, list[int]] = {}
    for at, station in enumerate(assembled.station.tolist()):
        mine.setdefault(station, []).append(at)
    return [np.array(mine.get(site.station, []), dtype=np.int64) for site in sites]


def _after(given: Expected, blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Return the sigmas with each of some blocks of observations in the network, (block, functional)."""
    left = [given.variance - given.reduction(rows) for rows in blocks]
    return np.sqrt(np.maximum(np.array(left), 0.0))


def _one_by_one(
    given: Expected, blocks: Sequence[np.ndarray], scored: np.ndarray, count: int
) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the candidates chosen one after the other, and the sigmas after each, (step, functional)."""
    left, chosen, sigmas = list(range(len(blocks))), [], []
    for _ in range(count):
        after = _after(given, [blocks[at] for at in left])
        # of equal ones the first by id
        best = int(np.argmin(after[:, scored].sum(axis=1)))
        sigmas.append(after[best])
        chosen.append(left.pop(best))
        given = given.given(blocks[chosen[-1]])
    return tuple(chosen), np.array(sigmas).reshape(count, -1)


def _sorted(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return observations as one, by time, station and height."""
    whole = xr.concat(parts, dim="obs", combine_attrs="override")
    return whole.isel(obs=np.lexsort([whole[name].values for name in ("height", "station", "time")]))


def _stations(network: xr.Dataset | None) -> xr.Dataset:
    """Return place and class of a network's stations."""
    if network is None:
        return xr.Dataset(
            {name: ("obs", np.zeros(0, kind)) for name, kind in (("lon", "f8"), ("lat", "f8"), ("platform", "U1"))}
        )
    _, first = np.unique(network["station"].values.astype(str), return_index=True)
    return network[["lon", "lat", "platform"]].isel(obs=first)


def _notes(
    place: Place,
    sites: Sequence[Site],
    templates: dict[str, Template],
    hours: np.ndarray,
    network: xr.Dataset | None,
    used: int,
) -> list[str]:
    """Return what a reader should know."""
    settings = place.settings
    unit = species(settings.case.species).mole_fraction_unit
    notes = [templates[kind].told(unit) for kind in sorted(templates)]
    if network is None:
        notes.append("the network of now is left out")
    else:
        stations = np.unique(network["station"].values.astype(str)).size
        notes.append(f"network of now: {stations} station(s), {used} hours, each used hour taken to report")
    others = {"columns": settings.columns, "mobile laboratories": settings.mobile, "towers": settings.sinks}
    left = [word for word, some in others.items() if some]
    if left:
        notes.append(f"not counted, for when they report is known from files alone: {', '.join(left)}")
    if any(one.distribution == "lognormal" for one in settings.sectors):
        notes.append("log-normal sectors are taken as normal, with the stated mean and sigma")
    none = [site.id for site, count in zip(sites, hours, strict=True) if not count]
    if none:
        notes.append(f"without a footprint, so of no worth here: {', '.join(none)}")
    return [*notes, *region_notes(place.regions)]
