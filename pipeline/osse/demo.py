"""One simulated day over Zhejiang: truth, weather, instruments; every input is written as a file in its real format."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import InputError
from pipeline.grid import Grid, lambert_grid, zhejiang_regions
from pipeline.osse import case_file
from pipeline.osse.flux_files import write_annual_netcdf, write_geotiff, write_hourly_netcdf
from pipeline.osse.footprint_files import write_stilt
from pipeline.osse.instruments import INSTRUMENTS, hourly_record, minute_record, true_air
from pipeline.osse.network import Site, sites
from pipeline.osse.prior import prior_diffuse, prior_exchange, prior_points
from pipeline.osse.station_files import minute_spread, write_background, write_gcwerks, write_micro
from pipeline.osse.truth import true_fluxes
from pipeline.osse.weather import simulate_background, simulate_weather
from pipeline.osse.world import World, draw_world
from pipeline.schema import HOUR, hours_between
from pipeline.transport import Plume, plume_footprints

#: the simulated day, UTC
DAY = np.datetime64("2024-07-15T00", "ns")
#: chance that an hour of a micro sensor is lost
_MICRO_LOSS = 0.05
#: degrees the files of the prior reach beyond the box, which bends in the plane
_BEYOND = 1.0
_LEVELS = ("province", "city")


def make_demo(
    folder: Path, *, seed: int, spacing_km: float = 9.0, hours: int = 24, spectrometers: int = 28, micro: int = 6
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

    Returns
    -------
    Path of case.toml. Beside it lie `truth.nc`, which it does not name, and the folders of the inputs.

    Raises
    ------
    InputError
        For a number of hours or stations that cannot be, or a folder with inputs that are not an earlier call's.
    """
    if hours < 1:
        raise InputError("hours must be at least 1", got=hours, remedy="give 24 for a day", where="hours")
    plume, world = Plume(), draw_world(seed)
    west, east, south, north = case_file.BOX
    grid = lambert_grid(west=west, east=east, south=south, north=north, spacing=1000.0 * spacing_km)
    window = (DAY - plume.hours * HOUR, DAY + hours * HOUR)
    times = hours_between(*window)
    chosen = sites(DAY, spectrometers=spectrometers, micro=micro)
    _fresh(folder)
    truth = _truth(grid, times, world, seed)
    # first of all: it marks the folder as ours
    _write_truth(folder / case_file.TRUTH, truth)
    _write_prior(folder, times, world)
    _write_observations(folder, chosen, truth, grid, plume, world)
    path = folder / "case.toml"
    case_file.write_case(
        path,
        chosen,
        flux_hours=window,
        observation_hours=(DAY, window[1]),
        spacing=1000.0 * spacing_km,
    )
    return path


def _fresh(folder: Path) -> None:
    """Make the input folders, empty: a file left by another seed would be read as this one's."""
    names = (case_file.FOOTPRINTS, case_file.STATIONS, "fluxes", "background")
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
    folder: Path, chosen: Sequence[Site], truth: xr.Dataset, grid: Grid, plume: Plume, world: World
) -> None:
    """Write footprints, the air each instrument saw, and the estimated background."""
    times = truth["time"].values
    observed = times[times >= DAY]
    weather = simulate_weather(times, world)
    error, memory = case_file.BACKGROUND_ERROR
    true_background, estimate = simulate_background(observed, world, error=error, memory=memory)
    write_background(folder / case_file.BACKGROUND, observed, estimate)
    for site, rng in zip(chosen, world.instrument_rng.spawn(len(chosen)), strict=True):
        footprints = plume_footprints(_receptors(site, observed), weather, grid, plume)
        write_stilt(folder / case_file.FOOTPRINTS / site.id.lower(), footprints, grid)
        air = true_background + true_air(footprints, truth)
        _write_record(folder / case_file.station_file(site), site, observed[0], air, rng)


def _receptors(site: Site, times: np.ndarray) -> xr.Dataset:
    station = site.station
    return xr.Dataset(
        {
            "time": ("obs", times),
            "station": ("obs", np.full(times.size, site.id)),
            **{
                name: ("obs", np.full(times.size, value))
                for name, value in (("lon", station.lon), ("lat", station.lat), ("height", site.height))
            },
        },
        attrs={"species": "co2"},
    )


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
