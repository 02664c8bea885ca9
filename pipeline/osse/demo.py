"""One simulated day over Zhejiang: truth, weather, instruments; every input is written as a file in its real format."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.case import Progress, quiet, transport_folder
from pipeline.errors import InputError
from pipeline.footprints import made_footprints, make_footprints
from pipeline.grid import Grid, lambert_grid, zhejiang_regions
from pipeline.osse import case_file
from pipeline.osse.flux_files import write_annual_netcdf, write_geotiff, write_hourly_netcdf
from pipeline.osse.instruments import INSTRUMENTS, hourly_record, minute_record, true_air
from pipeline.osse.network import Site, sites
from pipeline.osse.prior import prior_diffuse, prior_exchange, prior_points
from pipeline.osse.station_files import minute_spread, write_background, write_gcwerks, write_micro
from pipeline.osse.truth import true_fluxes
from pipeline.osse.weather import simulate_background, simulate_weather
from pipeline.osse.weather_files import write_weather
from pipeline.osse.world import World, draw_world
from pipeline.schema import HOUR, hours_between, label
from pipeline.settings import read_settings
from pipeline.units import SECONDS_PER_HOUR

#: the simulated day, UTC
DAY = np.datetime64("2024-07-15T00", "ns")
#: chance that an hour of a micro sensor is lost
_MICRO_LOSS = 0.05
#: degrees the files of the prior reach beyond the box, which bends in the plane
_BEYOND = 1.0
_LEVELS = ("province", "city")


def make_demo(
    folder: Path,
    *,
    seed: int,
    spacing_km: float = 9.0,
    hours: int = 24,
    spectrometers: int = 28,
    micro: int = 6,
    progress: Progress = quiet,
) -> Path:
    """Write the inputs of a simulated case and return its case.toml.

    Parameters
    ----------
    folder
        Made when it is missing; the inputs an earlier call wrote there are replaced.
    seed
        Seed of everything drawn by chance; the same seed gives the same bytes.
    spacing_km
        Cell side of the Lambert grid.
    hours
        Hours with observations, from 2024-07-15T00Z.
    spectrometers, micro
        How many stations of each kind deliver data.
    progress
        Called as `pipeline.footprints` does.

    Returns
    -------
    Path of case.toml. Beside it lie `truth.nc`, which it does not name, the folders of the inputs, and the footprints
    of the case: truth and inversion share them, so there is no transport error. Footprints of an earlier call stay
    and are used where weather and receptor are the same.

    Raises
    ------
    InputError
        For a number of hours or stations that cannot be, or a folder with inputs that are not an earlier call's.
    """
    if hours < 1:
        raise InputError("hours must be at least 1", got=hours, remedy="give 24 for a day", where="hours")
    world = draw_world(seed)
    west, east, south, north = case_file.BOX
    grid = lambert_grid(west=west, east=east, south=south, north=north, spacing=1000.0 * spacing_km)
    window = (DAY - case_file.HOURS_BACK * HOUR, DAY + hours * HOUR)
    times = hours_between(*window)
    chosen = sites(DAY, spectrometers=spectrometers, micro=micro)
    _fresh(folder)
    truth = _truth(grid, times, world, seed)
    # first of all: it marks the folder as ours
    _write_truth(folder / case_file.TRUTH, truth)
    _write_prior(folder, times, world)
    # fields of weather are instants: the last hour needs its end too
    weather = simulate_weather(np.append(times, window[1]), world)
    write_weather(folder / case_file.WEATHER, weather, grid)
    path = folder / "case.toml"
    case_file.write_case(
        path,
        chosen,
        flux_hours=window,
        observation_hours=(DAY, window[1]),
        spacing=1000.0 * spacing_km,
    )
    _write_observations(path, chosen, truth, grid, world, progress)
    return path


def _fresh(folder: Path) -> None:
    """Make the input folders, empty: a file left by another seed would be read as this one's."""
    names = (case_file.WEATHER, case_file.STATIONS, "fluxes", "background")
    found = [name for name in names if (folder / name).exists()]
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


def _truth(grid: Grid, times: np.ndarray, world: World, seed: int) -> xr.Dataset:
    """Return the true fluxes, with the hours that are observed stated as attributes."""
    truth = true_fluxes(grid, zhejiang_regions(_LEVELS, grid), times, world)
    truth.attrs.update(
        title="True fluxes of a simulated case",
        observation_start=str(DAY.astype("datetime64[s]")),
        observation_end=str((times[-1] + HOUR).astype("datetime64[s]")),
        seed=seed,
    )
    return truth


def _write_prior(folder: Path, times: np.ndarray, world: World) -> None:
    """Write the inventory on 0.1 degree and the biosphere model on 0.25 degree."""
    fine, coarse = _lonlat_grid(0.1), _lonlat_grid(0.25)
    regions = zhejiang_regions(_LEVELS, fine)
    write_annual_netcdf(folder / case_file.DIFFUSE, fine, prior_diffuse(fine, regions, world), "emi_co2")
    write_geotiff(folder / case_file.POINTS, fine, prior_points(fine, world))
    write_hourly_netcdf(folder / case_file.EXCHANGE, coarse, times, prior_exchange(coarse, times), "nee")


def _lonlat_grid(step: float) -> Grid:
    west, east, south, north = case_file.BOX
    columns, rows = (round((high - low + 2 * _BEYOND) / step) for low, high in ((west, east), (south, north)))
    return Grid(
        "EPSG:4326",
        west - _BEYOND + step * np.arange(columns + 1),
        south - _BEYOND + step * np.arange(rows + 1),
    )


def _write_observations(
    path: Path, chosen: Sequence[Site], truth: xr.Dataset, grid: Grid, world: World, progress: Progress
) -> None:
    """Write the air each instrument saw, and the estimated background."""
    folder, times = path.parent, truth["time"].values
    observed = times[times >= DAY]
    error, memory = case_file.BACKGROUND_ERROR
    true_background, estimate = simulate_background(observed, world, error=error, memory=memory)
    write_background(folder / case_file.BACKGROUND, observed, estimate)
    enhancement = _enhancement(path, chosen, observed, truth, grid, progress)
    for site, values, rng in zip(chosen, enhancement, world.instrument_rng.spawn(len(chosen)), strict=True):
        _write_record(folder / case_file.station_file(site), site, observed[0], true_background + values, rng)


def _enhancement(
    path: Path, chosen: Sequence[Site], observed: np.ndarray, truth: xr.Dataset, grid: Grid, progress: Progress
) -> np.ndarray:
    """Return what the true fluxes add to the air of every site, ppm: (site, hour).

    The footprints are made by the case's own settings and left in its folder, where its run will find them.
    """
    settings = read_settings(path)
    receptors = _receptors(chosen, observed)
    folder = transport_folder(settings, path)
    made = make_footprints(settings, grid, receptors, path.parent, folder, progress=progress)
    if made.failures:
        raise InputError("every site must have a footprint", got=made.failures[0], remedy="report this", where="demo")
    footprints, _ = made_footprints(made, grid, settings.case.flux_hours.bounds)
    row = {key: index for index, key in enumerate(_keys(footprints))}
    order = [row[key] for key in _keys(receptors)]
    by_hour = true_air(footprints, truth)[order].reshape(observed.size, len(chosen))
    return by_hour.T


def _keys(dataset: xr.Dataset) -> list[tuple[np.datetime64, str]]:
    return list(zip(dataset["time"].values, dataset["station"].values, strict=True))


def _receptors(chosen: Sequence[Site], times: np.ndarray) -> xr.Dataset:
    """Return one receptor per hour and site, hours first: those that the case's run will ask for."""
    hours, count = times.size, len(chosen)
    places = {
        "lon": [site.station.lon for site in chosen],
        "lat": [site.station.lat for site in chosen],
        "height": [site.height for site in chosen],
        "duration": [SECONDS_PER_HOUR] * count,
    }
    dataset = xr.Dataset(
        {
            "time": ("obs", np.repeat(times, count)),
            "station": ("obs", np.tile([site.id for site in chosen], hours)),
            **{name: ("obs", np.tile(np.array(values, dtype=np.float64), hours)) for name, values in places.items()},
        },
        attrs={"species": "co2"},
    )
    return label(dataset, "receptors")


def _write_record(path: Path, site: Site, start: np.datetime64, air: np.ndarray, rng: np.random.Generator) -> None:
    instrument = INSTRUMENTS[site.station.station_class]
    if site.is_micro:
        write_micro(path, start, hourly_record(air, instrument, rng), rng.random(air.size) >= _MICRO_LOSS)
        return
    minutes = minute_record(air, instrument, rng)
    write_gcwerks(path, start, minutes, minute_spread(minutes, instrument.minute_noise, rng))


def _write_truth(path: Path, truth: xr.Dataset) -> None:
    small = {name: {"dtype": "float32", "zlib": True, "complevel": 1} for name in ("flux", "flux_std")}
    truth.to_netcdf(path, engine="netcdf4", encoding={**small, "time": {"units": "hours since 1970-01-01"}})
