"""What an inventory and a biosphere model would say about the simulated province: plausible, and wrong.

Wrong as real priors are: a smoother proxy in space, city totals off by 20-40 % of either sign, a power plant that is
missing and two at their owner's address, the wrong day, too much respiration and too little, too late uptake.
"""

from __future__ import annotations

import numpy as np

from pipeline.grid import Grid, Regions
from pipeline.osse.pattern import at_points, bump, city_rows, land_fraction, spread_over
from pipeline.osse.sources import CITIES, NEIGHBOURS, PLANTS
from pipeline.osse.truth import RESPIRATION, UPTAKE, city_total, daylight
from pipeline.osse.weather import local_hour
from pipeline.osse.world import World
from pipeline.units import SPECIES, flux_factor

#: the inventory's proxy knows no towns: one bump of this width per city on top of even land, km
_PROXY_SIGMA = 20.0
_PROXY_EVEN = 0.35
_RESPIRATION_FACTOR = 1.15
_UPTAKE_FACTOR = 0.92
#: hours by which the modelled uptake comes late
_LATE = 0.5
#: one vegetation for all land
_VEGETATION = 0.55
#: what case.toml declares as the inventory's day: one broad hump, by local hour
DAY_PROFILE = tuple(float(w) for w in np.round(1 + 0.35 * np.cos(2 * np.pi * (np.arange(24) + 0.5 - 13.5) / 24), 3))


def prior_diffuse(grid: Grid, regions: Regions, world: World) -> np.ndarray:
    """Return the inventory's emission outside its known plants, kg m-2 s-1: (ny, nx).

    Parameters
    ----------
    grid
        Lon-lat grid of the inventory.
    regions
        Province and cities on that grid.
    world
        City errors and the missing plant: the inventory counts its coal but not its place, and spreads it.
    """
    shares = city_rows(regions.fractions, regions.ids, grid)
    tonnes = np.zeros(grid.shape)
    lost = PLANTS[world.missing]
    for city, share, factor in zip(CITIES, shares, world.city_factor, strict=True):
        total, plants = city_total(city)
        spread = factor * (total - plants + (lost.total * 1e6 if lost.city == city.id else 0.0))
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


def prior_points(grid: Grid, world: World) -> np.ndarray:
    """Return the inventory's power plants, t CO2 per cell and year: (ny, nx)."""
    centre = {city.id: (city.lon, city.lat) for city in CITIES}
    factor = {city.id: f for city, f in zip(CITIES, world.city_factor, strict=True)}
    lon, lat, tonnes = [], [], []
    for i, plant in enumerate(PLANTS):
        if i == world.missing:
            continue
        place = centre[plant.city] if i in world.displaced else (plant.lon, plant.lat)
        lon.append(place[0])
        lat.append(place[1])
        tonnes.append(factor[plant.city] * plant.total * 1e6)
    return at_points(grid, lon, lat, tonnes)


def prior_exchange(grid: Grid, times: np.ndarray) -> np.ndarray:
    """Return the modelled net ecosystem exchange, mol m-2 s-1: (time, ny, nx)."""
    hour = local_hour(times)[:, None, None]
    uptake = _UPTAKE_FACTOR * UPTAKE * 0.8 * daylight(hour - _LATE)
    net = _RESPIRATION_FACTOR * RESPIRATION - uptake
    return _VEGETATION * land_fraction(grid) * net * SPECIES["co2"].flux_in_si
