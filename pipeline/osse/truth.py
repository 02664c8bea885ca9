"""The true fluxes of the simulated province, on the domain's grid, hour by hour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from pipeline.grid import Grid, Regions
from pipeline.osse.pattern import at_points, bump, city_rows, land_fraction, offset, spread_over
from pipeline.osse.sources import CITIES, NEIGHBOURS, PLANTS, City
from pipeline.osse.weather import local_hour
from pipeline.osse.world import World
from pipeline.schema import HOUR, label
from pipeline.units import SPECIES, flux_factor

SECTORS = ("anthropogenic", "biosphere")
#: shares of a city's emission outside power plants: its core, its county centres, the land between
_SHARES = (0.45, 0.25, 0.3)
_CENTRE_SIGMA = 6.0
#: umol m-2 s-1 over full vegetation: respiration, and uptake at noon under a clear sky
RESPIRATION = 4.5
UPTAKE = 19.0


def city_total(city: City) -> tuple[float, float]:
    """Return (all, power plants only) of a city's true emission, t CO2 per year."""
    plants = sum(plant.total for plant in PLANTS if plant.city == city.id)
    return city.total * 1e6, plants * 1e6


def true_fluxes(grid: Grid, regions: Regions, times: np.ndarray, world: World) -> xr.Dataset:
    """Return the true fluxes.

    Parameters
    ----------
    grid
        Domain grid.
    regions
        Province and cities on that grid.
    times : (time,) datetime64[ns]
        Hour starts, UTC.
    world
        Places of county centres and the clouds.

    Returns
    -------
    Dataset "fluxes" of `pipeline.schema`, float64; flux_std is zero, for the truth is known.
    """
    area, points = _tonnes_per_year(grid, regions, world)
    factor, _ = flux_factor("t cell-1 year-1", SPECIES["co2"])
    hour = local_hour(times)
    shape = (slice(None), None, None)
    human = factor / grid.area * (traffic_day(hour)[shape] * area + power_day(hour)[shape] * points)
    flux = np.stack([human, _biosphere(grid, times, world)])
    dataset = xr.Dataset(
        {
            "flux": (("sector", "time", "y", "x"), flux),
            "flux_std": (("sector", "time", "y", "x"), np.zeros_like(flux)),
        },
        coords={"sector": list(SECTORS), "time": times, **grid.coordinates()},
        attrs={"species": "co2"},
    )
    return label(dataset, "fluxes")


def _tonnes_per_year(grid: Grid, regions: Regions, world: World) -> tuple[np.ndarray, np.ndarray]:
    """Return (diffuse, power plants), t CO2 per cell and year."""
    shares = city_rows(regions.fractions, regions.ids, grid)
    diffuse = np.zeros(grid.shape)
    for city, share, centres in zip(CITIES, shares, world.centres, strict=True):
        core, towns, rest = _SHARES
        weight = core * bump(grid, city.lon, city.lat, city.core)
        for east, north in centres:
            weight += towns / len(centres) * bump(grid, *offset(city, east, north), _CENTRE_SIGMA)
        inside = weight * share * grid.area
        everywhere = share * grid.area
        total, plants = city_total(city)
        diffuse += spread_over((total - plants) * (core + towns), inside)
        diffuse += spread_over((total - plants) * rest, everywhere)
    outside = land_fraction(grid) * (1 - np.clip(shares.sum(axis=0), 0, 1))
    for place in NEIGHBOURS:
        diffuse += place.total * 1e6 * bump(grid, place.lon, place.lat, place.core) * outside * grid.area * 1e-6
    points = at_points(grid, [p.lon for p in PLANTS], [p.lat for p in PLANTS], [p.total * 1e6 for p in PLANTS])
    return diffuse, points


def traffic_day(hour: np.ndarray) -> np.ndarray:
    """Return the true day of diffuse emission, mean 1 over 24 hours: morning and evening peaks, a low night."""
    return _mean_one(
        lambda h: 0.6 + np.exp(-0.5 * ((h - 8.5) / 1.8) ** 2) + 1.1 * np.exp(-0.5 * ((h - 18.5) / 2.5) ** 2), hour
    )


def power_day(hour: np.ndarray) -> np.ndarray:
    """Return the true day of power plants, mean 1 over 24 hours: 15 % more in the afternoon."""
    return _mean_one(lambda h: 1 + 0.15 * np.cos(2 * np.pi * (h - 15) / 24), hour)


def _mean_one(shape: Callable[[np.ndarray], np.ndarray], hour: np.ndarray) -> np.ndarray:
    return shape(hour) / shape(np.arange(24) + 0.5).mean()


def daylight(hour: np.ndarray) -> np.ndarray:
    """Return light relative to noon of a July day of 13.6 hours, by local hour."""
    return np.clip(np.cos(np.pi * (hour - 12.2) / 13.6), 0, None)


def _biosphere(grid: Grid, times: np.ndarray, world: World) -> np.ndarray:
    """Return net ecosystem exchange, umol m-2 s-1: (time, y, x)."""
    lon, lat = grid.lonlat
    hills = 0.6 + 0.15 * np.tanh((120.6 - lon) + 0.5 * (29.5 - lat))
    built = sum(bump(grid, c.lon, c.lat, c.core) * 2 * np.pi * c.core**2 for c in (*CITIES, *NEIGHBOURS))
    vegetation = land_fraction(grid) * hills * (1 - 0.8 * np.clip(built, 0, 1))
    hour = local_hour(times)[:, None, None]
    drift = ((times - times[0]) / HOUR)[:, None, None] / 12
    waves = np.sin(2 * lon + world.cloud[0] + drift) + np.sin(3 * lat + world.cloud[1] - drift)
    clear = 0.8 + 0.1 * waves
    warm = 1 + 0.2 * np.cos(2 * np.pi * (hour - 15) / 24)
    return vegetation * (RESPIRATION * warm - UPTAKE * daylight(hour) * clear)
