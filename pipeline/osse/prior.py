"""What an inventory and a biosphere model would say about the simulated province: plausible, and wrong.

Wrong as real priors are: a smoother proxy in space, city totals off by 20-40 % of either sign and the province's by a
quarter, a power plant and two works that are missing and two plants at their owner's address, one day for everything
and no week, too much uptake and too little respiration or the reverse, light that comes early or late, one green.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from pipeline.grid import Grid, Regions
from pipeline.osse.biosphere import exchange
from pipeline.osse.landscape import landscape
from pipeline.osse.pattern import bump, city_rows, land_fraction, spread_over
from pipeline.osse.sources import CITIES, NEIGHBOURS, PLANTS, WORKS, Point
from pipeline.osse.truth import city_total
from pipeline.osse.weather_points import weather_on
from pipeline.osse.world import World
from pipeline.units import SPECIES, flux_factor

#: the inventory's proxy knows no towns: one bump of this width per city on top of even land, km
_PROXY_SIGMA = 18.0
_PROXY_EVEN = 0.35
#: what a register's stacks are spread over before they serve as surface fluxes, km
_PLUME_SIGMA = 5.0
#: the model's cloud is spread over this many hours, its warmth off by so many K
_CLOUD_HOURS, _TOO_WARM = 5, 0.8
#: what case.toml declares as the inventory's day: one broad hump, by local hour
DAY_PROFILE = tuple(float(w) for w in np.round(1 + 0.35 * np.cos(2 * np.pi * (np.arange(24) + 0.5 - 13.5) / 24), 3))


def prior_diffuse(grid: Grid, regions: Regions, world: World) -> np.ndarray:
    """Return the inventory's emission outside its known points, kg m-2 s-1: (ny, nx).

    Parameters
    ----------
    grid
        Lon-lat grid of the inventory.
    regions
        Province and cities on that grid.
    world
        City errors and missing points: the inventory counts their coal but not their place, and spreads it.
    """
    shares = city_rows(regions.fractions, regions.ids, grid)
    tonnes = np.zeros(grid.shape)
    lost: list[Point] = [*(PLANTS[at] for at in world.missing), *(WORKS[at] for at in world.missing_works)]
    for city, share, factor in zip(CITIES, shares, world.city_factor, strict=True):
        total, points = city_total(city)
        spread = factor * (total - points + 1e6 * sum(point.total for point in lost if point.city == city.id))
        inside = share * grid.area
        tonnes += spread_over(spread * (1 - _PROXY_EVEN), inside * bump(grid, city.lon, city.lat, _PROXY_SIGMA))
        tonnes += spread_over(spread * _PROXY_EVEN, inside)
    outside = land_fraction(grid) * (1 - np.clip(shares.sum(axis=0), 0, 1))
    for place, factor in zip(NEIGHBOURS, world.neighbour_factor, strict=True):
        density = factor * place.total * bump(grid, place.lon, place.lat, 1.3 * place.core)
        tonnes += density * outside * grid.area
    to_mole, _ = flux_factor("t cell-1 year-1", SPECIES["co2"])
    from_mole, _ = flux_factor("kg m-2 s-1", SPECIES["co2"])
    return tonnes * to_mole / from_mole / grid.area


def prior_points(grid: Grid, regions: Regions, world: World) -> np.ndarray:
    """Return the inventory's power plants and works, t CO2 per cell and year: (ny, nx).

    Parameters
    ----------
    grid
        Lon-lat grid of the register.
    regions
        Province and cities on that grid: a register knows whose stack it is, so none leaks into the sea.
    world
        City errors, missing and misplaced points.
    """
    inside = {
        city.id: share for city, share in zip(CITIES, city_rows(regions.fractions, regions.ids, grid), strict=True)
    }
    centre = {city.id: (city.lon, city.lat) for city in CITIES}
    factor = {city.id: f for city, f in zip(CITIES, world.city_factor, strict=True)}
    known: list[tuple[Point, bool]] = [
        *((plant, i in world.displaced) for i, plant in enumerate(PLANTS) if i not in world.missing),
        *((works, False) for i, works in enumerate(WORKS) if i not in world.missing_works),
    ]
    tonnes = np.zeros(grid.shape)
    for point, displaced in known:
        place = centre[point.city] if displaced else (point.lon, point.lat)
        plume = bump(grid, *place, _PLUME_SIGMA) * inside[point.city] * grid.area
        tonnes += spread_over(factor[point.city] * point.total * 1e6, plume)
    return tonnes


def prior_exchange(grid: Grid, times: np.ndarray, world: World, weather: xr.Dataset, weather_grid: Grid) -> np.ndarray:
    """Return the modelled net ecosystem exchange, mol m-2 s-1: (time, ny, nx).

    Parameters
    ----------
    grid
        Lon-lat grid of the model.
    times : (time,) datetime64[ns]
        Hour starts, UTC.
    world
        The model's errors.
    weather
        Of `simulate_weather` on `weather_grid`; the model's own is smoother, late and too warm.
    """
    light, celsius = weather_on(weather, weather_grid, grid, times)
    light = _shifted(_smoothed(light), world.late)
    flux = exchange(
        landscape(grid),
        light,
        celsius + np.float32(_TOO_WARM),
        uptake_factor=world.uptake_factor,
        respiration_factor=world.respiration_factor,
    )
    return flux * SPECIES["co2"].flux_in_si


def _smoothed(light: np.ndarray) -> np.ndarray:
    """Return light whose cloud is the mean of some hours around: clear-sky light times a running mean of the rest."""
    # the clearest hour of the grid stands for the clear sky
    clear = np.maximum(light.max(axis=1, keepdims=True), 1.0)
    share = light / clear
    half = _CLOUD_HOURS // 2
    padded = np.pad(share, ((half, half), (0, 0)), mode="edge")
    running = sum(padded[k : k + light.shape[0]] for k in range(_CLOUD_HOURS)) / _CLOUD_HOURS
    out: np.ndarray = np.where(light > 0, clear * running, 0.0).astype(np.float32)
    return out


def _shifted(light: np.ndarray, hours: float) -> np.ndarray:
    """Return the light of some hours before, by straight lines in time; at the ends, that of the ends."""
    at = np.clip(np.arange(light.shape[0]) - hours, 0, light.shape[0] - 1)
    low = np.minimum(at.astype(int), light.shape[0] - 2) if light.shape[0] > 1 else np.zeros(1, int)
    share = (at - low).astype(np.float32)[:, None]
    out: np.ndarray = (1 - share) * light[low] + share * light[np.minimum(low + 1, light.shape[0] - 1)]
    return out
