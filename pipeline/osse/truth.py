"""The true fluxes of the simulated province, on the domain's grid, hour by hour."""

from __future__ import annotations

import numpy as np
import xarray as xr

from pipeline.grid import Grid, Regions
from pipeline.osse.activity import ACTIVITIES, activity
from pipeline.osse.biosphere import exchange, greenness
from pipeline.osse.landscape import landscape
from pipeline.osse.pattern import KM_PER_DEGREE, bump, city_rows, land_fraction, offset, spread_over
from pipeline.osse.sources import CITIES, NEIGHBOURS, PLANTS, ROADS, WORKS, City, Point
from pipeline.osse.weather_points import weather_on
from pipeline.osse.world import World
from pipeline.units import SPECIES, flux_factor

SECTORS = ("anthropogenic", "biosphere")
#: shares of a city's emission outside points
_SHARES = {"traffic": 0.35, "industry": 0.45, "homes": 0.20}
#: where each is: the core, the county centres, the parks, along roads, everywhere
_PLACES = {
    "traffic": (0.35, 0.20, 0.05, 0.25, 0.15),
    "industry": (0.20, 0.15, 0.50, 0.00, 0.15),
    "homes": (0.50, 0.25, 0.00, 0.00, 0.25),
}
#: width of county centres, parks and roads, km
_CENTRE_SIGMA, _PARK_SIGMA, _ROAD_SIGMA = 6.0, 3.5, 2.5
#: a stack's plume reaches the ground some km away, at one side or another: the surface flux that stands for it, km
_STACK_SIGMA = 6.0
#: what a neighbour's emission follows
_NEIGHBOUR = "industry"


def city_total(city: City) -> tuple[float, float]:
    """Return (all, points only) of a city's true emission, t CO2 per year."""
    points = sum(point.total for point in (*PLANTS, *WORKS) if point.city == city.id)
    return city.total * 1e6, points * 1e6


def true_fluxes(
    grid: Grid, regions: Regions, times: np.ndarray, world: World, weather: xr.Dataset, weather_grid: Grid
) -> xr.Dataset:
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
        Places of county centres and industrial parks.
    weather
        Of `simulate_weather` on `weather_grid`, with an instant at both ends of every hour.

    Returns
    -------
    Dataset with flux (sector, time, y, x), float32, umol m-2 s-1, positive upward.
    """
    light, celsius = weather_on(weather, weather_grid, grid, times)
    green = greenness(grid, world)
    flux = np.empty((len(SECTORS), times.size, *grid.shape), np.float32)
    flux[0] = anthropogenic(grid, regions, times, world)
    flux[1] = exchange(landscape(grid), light, celsius, green=green)
    return as_dataset(flux, grid, times)


def as_dataset(flux: np.ndarray, grid: Grid, times: np.ndarray) -> xr.Dataset:
    """Return fluxes (sector, time, y, x), umol m-2 s-1, as a Dataset."""
    dims = ("sector", "time", "y", "x")
    attrs = {"units": SPECIES["co2"].flux_unit, "long_name": "true flux, hourly mean, positive upward"}
    coords = {"sector": list(SECTORS), "time": times, **grid.coordinates()}
    return xr.Dataset({"flux": (dims, flux, attrs)}, coords=coords, attrs={"species": "co2"})


def anthropogenic(grid: Grid, regions: Regions, times: np.ndarray, world: World) -> np.ndarray:
    """Return the true emission, umol m-2 s-1: (time, y, x) float32."""
    tonnes = tonnes_per_year(grid, regions, world)
    factor, _ = flux_factor("t cell-1 year-1", SPECIES["co2"])
    flux = np.zeros((times.size, *grid.shape), np.float32)
    for name in ACTIVITIES:
        density = (factor * tonnes[name] / grid.area).astype(np.float32)
        flux += activity(name, times).astype(np.float32)[:, None, None] * density
    return flux


def tonnes_per_year(grid: Grid, regions: Regions, world: World) -> dict[str, np.ndarray]:
    """Return t CO2 per cell and year by activity; "power" holds plants, works are "industry"."""
    shares = city_rows(regions.fractions, regions.ids, grid)
    out = {name: np.zeros(grid.shape) for name in ACTIVITIES}
    roads = _roads(grid)
    for city, share, centres, parks in zip(CITIES, shares, world.centres, world.parks, strict=True):
        inside = share * grid.area
        total, points = city_total(city)
        core = bump(grid, city.lon, city.lat, city.core)
        towns, works = (
            sum(bump(grid, *offset(city, *place), width) for place in places)
            for places, width in ((centres, _CENTRE_SIGMA), (parks, _PARK_SIGMA))
        )
        for name, part in _SHARES.items():
            for pattern, place in zip((core, towns, works, roads, 1.0), _PLACES[name], strict=True):
                if place:
                    out[name] += spread_over((total - points) * part * place, pattern * inside)
    outside = land_fraction(grid) * (1 - np.clip(shares.sum(axis=0), 0, 1))
    for there in NEIGHBOURS:
        density = there.total * bump(grid, there.lon, there.lat, there.core)
        out[_NEIGHBOUR] += density * outside * grid.area
    inside = {city.id: share * grid.area for city, share in zip(CITIES, shares, strict=True)}
    stacks: list[tuple[str, Point]] = [("power", plant) for plant in PLANTS]
    stacks += [("industry", works) for works in WORKS]
    for name, point in stacks:
        plume = bump(grid, point.lon, point.lat, _STACK_SIGMA)
        out[name] += spread_over(point.total * 1e6, plume * inside[point.city])
    return out


def _roads(grid: Grid) -> np.ndarray:
    """Return how near each cell is to a trunk road, 1 on it: straight between the cities of `ROADS`."""
    lon, lat = grid.lonlat
    place = {city.id: (city.lon, city.lat) for city in (*CITIES, *NEIGHBOURS)}
    nearest = np.full(grid.shape, np.inf)
    scale = KM_PER_DEGREE * np.cos(np.radians(29.0))
    for first, second in ROADS:
        (x0, y0), (x1, y1) = place[first], place[second]
        east, north = (x1 - x0) * scale, (y1 - y0) * KM_PER_DEGREE
        to_x, to_y = (lon - x0) * scale, (lat - y0) * KM_PER_DEGREE
        along = np.clip((to_x * east + to_y * north) / (east**2 + north**2), 0, 1)
        nearest = np.minimum(nearest, np.hypot(to_x - along * east, to_y - along * north))
    # a coarse grid must still see the road
    out: np.ndarray = np.exp(-0.5 * (nearest / _ROAD_SIGMA) ** 2) + 1e-6
    return out
