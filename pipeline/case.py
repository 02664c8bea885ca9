"""One case from its files to its store: the stages in order, and nothing else.

settings -> grid, regions -> observations, footprints, background, fluxes -> problem -> solution -> store
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr

from kernels.jit import set_threads
from pipeline.case_inputs import input_files, under_way_notes
from pipeline.errors import ConfigError, shown
from pipeline.footprints import made_footprints, make_footprints
from pipeline.footprints_weather import CaseWeather
from pipeline.grid import Grid, Regions, grid_from_settings, make_regions, require_writable, write_store
from pipeline.ingest import (
    account,
    all_receptors,
    quarantine,
    read_background,
    read_fluxes,
    read_footprints,
    read_registry,
    read_sinks,
    sandbox,
    versions_told,
)
from pipeline.inversion import (
    Assembled,
    LogRun,
    Rows,
    Run,
    Solution,
    assemble,
    constraint_notes,
    gate_notes,
    gate_of,
    kept_signal,
    log_problem,
    marked,
    pack,
    passing,
    posterior,
    region_functionals,
    require_memory,
    signal,
    solution_of,
    solve_log,
    through,
)
from pipeline.inversion_dask import processes_here, team
from pipeline.provenance import provenance
from pipeline.settings import Settings, input_root, read_settings
from pipeline.station_weather import StationWeather
from pipeline.units import species

#: called with (stage, done, of); of is 0 for stages without steps
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class AssembledCase:
    """A case's problem, and what its reading left to tell.

    Parameters
    ----------
    observations
        Dataset "observations", used or not.
    time : (time,) datetime64
        Hours of the fluxes.
    assembled
        The problem, and where its observations come from.
    accounts
        What became of the rows of every file.
    notes
        What a reader of the results should know.
    towers
        Dataset "flux_observations", used or not; None without towers.
    degraded : (k,) datetime64
        Hours in which the innovation gate was off.
    """

    observations: xr.Dataset
    time: np.ndarray
    assembled: Assembled
    accounts: list[account.Account]
    notes: list[str]
    towers: xr.Dataset | None = None
    degraded: np.ndarray = field(default_factory=lambda: np.zeros(0, "datetime64[h]"))


def quiet(stage: str, done: int, of: int) -> None:
    """Report nothing."""


def run_case(
    path: Path,
    *,
    root: Path | None = None,
    store: Path | None = None,
    scheduler: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """Run the case of a settings file and return the path of its store.

    Parameters
    ----------
    path
        The TOML file.
    root
        Folder of the inputs, when it is not the one the file names.
    store
        Where to write, when not where the file says.
    scheduler
        Who makes footprints, blocks of K and members: see `pipeline.inversion_dask.team`.

    Raises
    ------
    TianyanError
        Any of `pipeline.errors`: nothing is written then.
    """
    settings = read_settings(path)
    root = input_root(settings, path) if root is None else root.resolve()
    store = (path.resolve().parent / settings.outputs.store if store is None else store).resolve()
    require_writable(store)
    set_threads(settings.solver.threads)
    result, solution = invert(settings, path, root, progress, scheduler=scheduler)
    progress("writing", 0, 0)
    write_store(result, store, pack(solution, settings) if settings.outputs.query else None)
    return store


def invert(
    settings: Settings,
    path: Path,
    root: Path,
    progress: Progress = quiet,
    *,
    cache: Path | None = None,
    scheduler: str | None = None,
) -> tuple[xr.Dataset, Solution]:
    """Return the posterior Dataset of a case, with account, notes and provenance as attributes, and the solution.

    Parameters
    ----------
    cache
        Folder of products of rows that are kept from run to run; none are when not given. It changes no number.
    scheduler
        As for `run_case`. It changes no number either.
    """
    grid = domain_grid(settings)
    progress("regions", 0, 0)
    regions = make_regions(settings.regions, grid, root)
    require_memory(settings, grid.size, len(regions.ids))
    result, solution = inverted(
        settings,
        grid,
        regions,
        # handed over, not held here: the gate makes another problem of it
        assembled_case(settings, grid, path, root, progress, scheduler=scheduler),
        progress,
        cache=cache,
        scheduler=scheduler,
    )
    result.attrs["provenance"] = provenance(path, root, input_files(settings, root))
    return result, solution


def inverted(
    settings: Settings,
    grid: Grid,
    regions: Regions,
    given: AssembledCase,
    progress: Progress = quiet,
    *,
    cache: Path | None = None,
    scheduler: str | None = None,
) -> tuple[xr.Dataset, Solution]:
    """Return the posterior Dataset of what was read, with account and notes as attributes, and the solution."""
    gas = species(settings.case.species)
    threads = settings.solver.threads
    require_memory(
        settings,
        grid.size,
        len(regions.ids),
        observations=given.assembled.problem.value.size,
        entries=given.assembled.problem.footprint.nnz,
        compared=given.assembled.compared.footprint.cell.size,
        workers=processes_here(scheduler, threads),
    )
    dtype = given.assembled.problem.covariances[0].dtype
    functionals = region_functionals(regions, gas, given.time.size, dtype)
    kept = None if cache is None else (cache, int(given.time[0].astype("datetime64[h]").astype(np.int64)))
    with team(scheduler, threads) as makers:
        given, solution, log = solved(settings, given, functionals, progress, run=makers.run, kept=kept)
        result = posterior(
            settings,
            grid,
            regions,
            given.observations,
            given.time,
            given.assembled,
            solution,
            towers=given.towers,
            progress=lambda done: progress("ensemble", done, settings.solver.members),
            draw=makers.draw,
            log=log,
        )
    degraded = np.isin(given.time.astype("datetime64[h]"), given.degraded)
    told = {"long_name": "the innovation gate was off: too many of a kind of observation lay beyond it"}
    result = result.assign(degraded=("time", degraded, told))
    result.attrs["account"] = account.render(given.accounts)
    result.attrs["quality_tests"] = versions_told()
    result.attrs["quarantine"] = quarantine.record(given.accounts)
    notes = [*region_notes(regions), *given.notes, *constraint_notes(solution, gas)]
    notes += str(result.attrs.get("lognormal", "")).splitlines()
    result.attrs["notes"] = "\n".join(shown(note, len(note)) for note in notes)
    return result, solution


def solved(
    settings: Settings,
    given: AssembledCase,
    functionals: Rows | None,
    progress: Progress = quiet,
    *,
    run: Run | None = None,
    kept: tuple[Path, int] | None = None,
) -> tuple[AssembledCase, Solution, LogRun | None]:
    """Return what is used of what was read, the solution, and of log-normal sectors what their members are made from.

    Parameters
    ----------
    run
        Who makes the blocks of K; threads of this process when not given.
    kept
        Folder and first hour, as `kept_signal` is given them. Log-normal sectors, whose K is another at each iteration,
        are always made here and now, and pass no innovation gate.
    """
    problem, threads = given.assembled.problem, settings.solver.threads

    def told(done: float) -> None:
        progress("solving", round(100 * done), 100)

    is_log = np.array([sector.distribution == "lognormal" for sector in settings.sectors])
    if is_log.any():
        progress("linearising", 0, 0)
        log = log_problem(problem, is_log, [sector.name for sector in settings.sectors])
        iterations = settings.solver.iterations
        solution, found = solve_log(log, iterations=iterations, functionals=functionals, threads=threads, progress=told)
        ungated = "log-normal sectors have no innovation gate: every observation is used, spikes too"
        notes = [*given.notes, *([ungated] if settings.solver.gate > 0 else [])]
        return replace(given, notes=notes), solution, LogRun(log, found)
    if kept is None:
        made = signal(problem, functionals=functionals, threads=threads, progress=told, run=run)
    else:
        made = kept_signal(problem, *kept, functionals=functionals, threads=threads, progress=told, run=run)
    progress("factor", 0, 0)
    gate = gate_of(problem, made, given.assembled.time, given.assembled.platform, settings.solver.gate)
    before = given.assembled
    given = replace(
        given,
        assembled=passing(before, gate.passed),
        observations=marked(given.observations, before.air, gate.passed),
        towers=None if given.towers is None else marked(given.towers, before.towers, gate.passed),
        notes=[*given.notes, *gate_notes(gate, before.platform, settings.solver.gate)],
        degraded=gate.degraded,
    )
    return given, solution_of(given.assembled.problem, through(made, gate.passed)), None


def assembled_case(
    settings: Settings,
    grid: Grid,
    path: Path,
    root: Path,
    progress: Progress = quiet,
    *,
    scheduler: str | None = None,
    cache: Path | None = None,
) -> AssembledCase:
    """Read what a case names, make its footprints, and return the problem.

    Parameters
    ----------
    scheduler
        As for `run_case`.
    cache
        Folder of what was derived from inputs before; it changes no number.
    """
    registry = read_registry(settings, root)

    progress("observations", 0, 0)
    around = station_weather(settings, grid, root, path)
    observations, receptors, accounts, observation_notes = all_receptors(settings, root, registry, around, cache=cache)
    sandbox.finish()
    quarantine.require_usable(receptors, accounts)
    progress("footprints", 0, 0)
    if settings.transport is None:
        footprints, footprint_notes = read_footprints(settings, grid, root, registry)
    else:
        folder = transport_folder(settings, path)
        threads = settings.solver.threads
        made = make_footprints(
            settings, grid, receptors, root, folder, threads=threads, scheduler=scheduler, progress=progress
        )
        footprints, footprint_notes = made_footprints(made, grid, settings.case.flux_hours.bounds)
    progress("background", 0, 0)
    background, background_notes = read_background(settings, footprints, species(settings.case.species), grid, root)
    progress("prior fluxes", 0, 0)
    fluxes, flux_notes = read_fluxes(settings, grid, root, cache=cache)

    progress("problem", 0, 0)
    towers = None
    if settings.sinks:
        towers, tower_accounts = read_sinks(settings, root, registry)
        accounts = [*accounts, *tower_accounts]
    set_aside = quarantine.reasons(accounts)
    assembled = assemble(settings, grid, observations, footprints, background, fluxes, towers, set_aside)
    notes = [*observation_notes, *footprint_notes, *background_notes, *flux_notes]
    notes += [*quarantine.notes(accounts), *under_way_notes(settings, root), *sandbox.network_note()]
    return AssembledCase(observations, fluxes["time"].values, assembled, accounts, notes, towers)


def station_weather(settings: Settings, grid: Grid, root: Path, path: Path) -> StationWeather | None:
    """Return the weather at stations where the case asks for it and has a section [transport]."""
    if settings.transport is None or not (settings.case.select or settings.bias_filter):
        return None
    return StationWeather(CaseWeather(settings.transport, grid, root, transport_folder(settings, path)))


def transport_folder(settings: Settings, path: Path) -> Path:
    """Return the folder of footprints and prepared weather of a case with a section [transport].

    Raises
    ------
    ConfigError
        When the case has no such section.
    """
    if settings.transport is None:
        raise ConfigError(
            "the case must have a section [transport]", remedy="see `tianyan config explain`", where=path.name
        )
    return (path.resolve().parent / settings.transport.folder).resolve()


def domain_grid(settings: Settings) -> Grid:
    """Return the case's grid.

    Raises
    ------
    GridError, ConfigError
        When it cannot exist, or the window on it cannot fit in memory.
    """
    grid = grid_from_settings(settings.grid)
    require_memory(settings, grid.size)
    return grid


def region_notes(regions: Regions) -> list[str]:
    """Return what a reader of regional totals should know."""
    notes = [f"region {name}: its polygon crossed itself and was repaired" for name in regions.repaired]
    cut = [(i, share) for i, share in zip(regions.ids, regions.outside_share, strict=True) if share > 1e-3]
    return notes + [
        f"region {name}: {share:.1%} of its area lies outside the grid and is not counted" for name, share in cut
    ]
