"""The simulated province as files: truth, prior, weather, instruments; every input in its real format."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import xarray as xr

from pipeline.case import Progress, quiet
from pipeline.errors import InputError
from pipeline.grid import Grid, lambert_grid, zhejiang_regions
from pipeline.osse import case_file
from pipeline.osse.background import simulate_background
from pipeline.osse.drives import Drive, round_trip, write_drive
from pipeline.osse.flux_files import write_annual_netcdf, write_geotiff, write_hourly_netcdf, write_shares
from pipeline.osse.landscape import smooth
from pipeline.osse.matched import matched_fluxes
from pipeline.osse.network import Site, laboratory, sites, towers
from pipeline.osse.observations import Air, enhancement, receptors, write_feeds
from pipeline.osse.overpasses import Overpasses, overpasses
from pipeline.osse.pattern import land_fraction
from pipeline.osse.plan import Plan
from pipeline.osse.prior import prior_diffuse, prior_exchange, prior_points
from pipeline.osse.station_files import write_background
from pipeline.osse.tower_feeds import write_towers
from pipeline.osse.truth import true_fluxes
from pipeline.osse.weather import perturbed, simulate_weather
from pipeline.osse.weather_files import weather_grid, wider, write_weather
from pipeline.osse.weather_points import weather_at
from pipeline.osse.world import World, draw_world
from pipeline.schema import HOUR, hours_between
from pipeline.settings import Settings, read_settings

#: degrees the files of the prior reach beyond the box, which bends in the plane
_BEYOND = 1.0
#: the shore within this distance counts as land where fluxes are uncertain, km
_SHORE = 10.0
_LEVELS = ("province", "city")
#: what a weather folder was made from
_RECIPE = "recipe.json"
#: of the recipe: raised when the simulated weather changes
_VERSION = 1


@dataclass(frozen=True)
class Timing:
    """Wall time of making a case, s: of its footprints, and of all else."""

    footprints: float
    rest: float


@dataclass(frozen=True, eq=False)
class _Scene:
    """What a case is made of before anything is observed."""

    plan: Plan
    world: World
    grid: Grid
    times: np.ndarray
    around: Grid
    weather: xr.Dataset
    air: list[Site]
    towers: list[Site]
    satellites: list[Overpasses]
    drives: list[Drive]


def make_case(
    folder: Path, plan: Plan, *, world: World | None = None, progress: Progress = quiet
) -> tuple[Path, Timing]:
    """Write the inputs of a simulated case; return its case.toml and what it took.

    Parameters
    ----------
    folder
        Made when it is missing. Inputs that an earlier call wrote there are replaced; weather and footprints stay and
        are used where they are the same, so that other draws over the same province are cheap.
    plan
        What to make; the same plan gives the same bytes.
    world
        What is drawn by chance; drawn from the plan's seeds when not given.
    progress
        Called with (stage, done, of).

    Returns
    -------
    Path of case.toml, beside which lie `truth.nc`, which it does not name, the folders of the inputs, and the
    footprints of the case; and the time it took.

    Raises
    ------
    InputError
        For a folder with inputs that are not an earlier call's.
    """
    began = perf_counter()
    scene = _scene(plan, draw_world(plan.seed, plan.draw) if world is None else world)
    _fresh(folder)
    path = folder / "case.toml"
    seen, driven = [one.id for one in scene.satellites], [one.site for one in scene.drives]
    case_file.write_case(path, plan, scene.air, scene.towers, seen, driven)
    _write_weather(folder, scene, progress)
    progress("prior", 0, 0)
    _write_prior(folder, scene)
    settings = read_settings(path)
    progress("truth", 0, 0)
    truth = _truth(folder, settings, scene)
    # it marks the folder as ours
    _write_truth(folder / case_file.TRUTH, truth)
    spent = _observe(path, settings, scene, truth, progress)
    return path, Timing(spent, perf_counter() - began - spent)


def _scene(plan: Plan, world: World) -> _Scene:
    west, east, south, north = case_file.BOX
    grid = lambert_grid(west=west, east=east, south=south, north=north, spacing=1000.0 * plan.spacing_km)
    times = hours_between(*plan.window)
    around = wider(weather_grid(grid))
    # fields of weather are instants: the last hour needs its end too
    weather = simulate_weather(np.append(times, plan.window[1]), around, world)
    return _Scene(
        plan,
        world,
        grid,
        times,
        around,
        weather,
        sites(plan.observed[0], spectrometers=plan.spectrometers, micro=plan.micro),
        towers(plan.observed[0], plan.sinks),
        overpasses(grid, plan, world.sounding_rng),
        [round_trip(laboratory(plan.observed[0]), plan.observed[0])] if plan.drives else [],
    )


def _fresh(folder: Path) -> None:
    """Make the input folders, empty: a file left by another call would be read as this one's."""
    kinds = (case_file.STATIONS, case_file.SINKS, case_file.COLUMNS, case_file.MOBILE, case_file.LATE)
    names = (*kinds, "fluxes", "background")
    kept = (case_file.WEATHER, case_file.WEATHER_TRUE)
    found = [name for name in (*names, *kept) if (folder / name).exists()]
    if found and not (folder / case_file.TRUTH).exists():
        raise InputError(
            "the folder must be new, or hold an earlier simulated case",
            got=found,
            remedy="give another folder: these would be emptied",
            where=str(folder),
        )
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    # from here on it is ours, whatever happens
    (folder / case_file.TRUTH).touch()


def _write_weather(folder: Path, scene: _Scene, progress: Progress) -> None:
    """Write the weather the case names, and the one that carried the air, unless they are there."""
    plan = scene.plan
    recipe = {"version": _VERSION, "seed": plan.seed, "window": [str(end) for end in plan.window]}
    recipe["grid"] = [plan.spacing_km, *case_file.BOX]
    _written(folder / case_file.WEATHER, recipe, scene.weather, scene.grid, progress)
    error = plan.transport_error
    if error is None:
        shutil.rmtree(folder / case_file.WEATHER_TRUE, ignore_errors=True)
        return
    other = recipe | {"error": [error.speed, error.direction, error.depth]}
    happened = perturbed(scene.weather, scene.around, error, scene.world.transport_rng)
    _written(folder / case_file.WEATHER_TRUE, other, happened, scene.grid, progress)


def _written(folder: Path, recipe: dict[str, object], weather: xr.Dataset, grid: Grid, progress: Progress) -> None:
    """Write a weather folder, unless it holds this recipe; the recipe is written last."""
    note, text = folder / _RECIPE, json.dumps(recipe)
    if note.exists() and note.read_text(encoding="utf-8") == text:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_weather(folder, weather, grid, progress=progress)
    note.write_text(text, encoding="utf-8")


def _truth(folder: Path, settings: Settings, scene: _Scene) -> xr.Dataset:
    """Return the true fluxes, with the hours that are observed stated as attributes."""
    plan = scene.plan
    if plan.matched:
        truth = matched_fluxes(settings, scene.grid, folder, scene.world.fluxes_rng)
    else:
        regions = zhejiang_regions(_LEVELS, scene.grid)
        truth = true_fluxes(scene.grid, regions, scene.times, scene.world, scene.weather, scene.around)
    truth.attrs.update(
        title="True fluxes of a simulated case",
        observation_start=str(plan.observed[0].astype("datetime64[s]")),
        observation_end=str(plan.observed[1].astype("datetime64[s]")),
        seed=plan.seed,
        draw=plan.seed if plan.draw is None else plan.draw,
        matched=int(plan.matched),
        transport_error=int(plan.transport_error is not None),
    )
    return truth


def _write_prior(folder: Path, scene: _Scene) -> None:
    """Write the inventory on 0.1 degree, its points on 0.05, the biosphere on 0.25, and where fluxes are uncertain."""
    fine, coarse, register = _lonlat_grid(0.1), _lonlat_grid(0.25), _lonlat_grid(0.05)
    regions = zhejiang_regions(_LEVELS, fine)
    world = scene.world
    write_annual_netcdf(folder / case_file.DIFFUSE, fine, prior_diffuse(fine, regions, world), "emi_co2")
    write_geotiff(
        folder / case_file.POINTS, register, prior_points(register, zhejiang_regions(_LEVELS, register), world)
    )
    net = prior_exchange(coarse, scene.times, world, scene.weather, scene.around)
    write_hourly_netcdf(folder / case_file.EXCHANGE, coarse, scene.times, net, "nee")
    mask = _lonlat_grid(0.05)
    near = np.clip(2 * smooth(land_fraction(mask), mask, _SHORE), 0, 1)
    write_shares(folder / case_file.LAND, mask, near, "land")


def _lonlat_grid(step: float) -> Grid:
    west, east, south, north = case_file.BOX
    columns, rows = (round((high - low + 2 * _BEYOND) / step) for low, high in ((west, east), (south, north)))
    return Grid(
        "EPSG:4326",
        west - _BEYOND + step * np.arange(columns + 1),
        south - _BEYOND + step * np.arange(rows + 1),
    )


def _observe(path: Path, settings: Settings, scene: _Scene, truth: xr.Dataset, progress: Progress) -> float:
    """Write what each instrument saw, and the estimated background; return the time spent on footprints, s."""
    folder, plan, world = path.parent, scene.plan, scene.world
    observed = hours_between(*plan.observed)
    error, memory = case_file.BACKGROUND_ERROR
    carried, estimate = simulate_background(observed, world, error=error, memory=memory)
    write_background(folder / case_file.BACKGROUND, observed, estimate)
    # one call for all: an hour's file holds the receptors asked for last
    parts = [receptors(scene.air, observed), *(one.receptors() for one in scene.satellites)]
    parts += [drive.receptors() for drive in scene.drives]
    began = perf_counter()
    added = enhancement(_carried(settings, plan), path, scene.grid, parts, truth, progress)
    spent = perf_counter() - began
    progress("instruments", 0, 0)
    lon, lat = ([getattr(site.station, name) for site in scene.air] for name in ("lon", "lat"))
    warmth, moisture = (
        weather_at(scene.weather, scene.around, lon, lat, observed, name) for name in ("temperature", "humidity")
    )
    values = carried + added[0].reshape(observed.size, len(scene.air)).T
    own, space, ground, road = world.instrument_rng.spawn(4)
    write_feeds(folder, plan, settings, scene.air, Air(observed, values, warmth, moisture), own)
    roads = added[1 + len(scene.satellites) :]
    for drive, more in zip(scene.drives, roads, strict=True):
        hour = (drive.receptors()["time"].values - observed[0]) // HOUR
        write_drive(folder / case_file.mobile_file(drive.site), drive, carried[hour] + more, road)
    for one, more in zip(scene.satellites, added[1 : 1 + len(scene.satellites)], strict=True):
        unseen = case_file.SATELLITES[one.id].representation if plan.matched else 0.0
        one.write_days(folder, observed, carried, more, space, unseen)
    write_towers(folder, plan, scene.towers, truth, scene.grid, scene.weather, scene.around, observed, ground)
    return spent


def _carried(settings: Settings, plan: Plan) -> Settings:
    """Return the settings with the weather that carried the observed air."""
    if plan.transport_error is None:
        return settings
    assert settings.transport is not None
    meteorology = settings.transport.meteorology.model_copy(
        update={"files": [f"{case_file.WEATHER_TRUE}/wrfout_d01_*"]}
    )
    transport = settings.transport.model_copy(update={"meteorology": meteorology, "folder": case_file.TRANSPORT_TRUE})
    return settings.model_copy(update={"transport": transport})


def _write_truth(path: Path, truth: xr.Dataset) -> None:
    path.unlink(missing_ok=True)
    small = {"flux": {"dtype": "float32", "zlib": True, "complevel": 1}}
    truth.to_netcdf(path, engine="netcdf4", encoding={**small, "time": {"units": "hours since 1970-01-01"}})
