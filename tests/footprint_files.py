"""Footprints on disk as `tianyan footprints` leaves them, and a case file that points at them."""

import numpy as np

from pipeline.grid import Grid
from pipeline.schema import HOUR
from pipeline.transport import Footprint, Receptor, footprints_dataset, hour_path, write_hour

GRIDS = {
    "lonlat": Grid.from_centres("EPSG:4326", 120.05 + 0.1 * np.arange(24), 29.05 + 0.1 * np.arange(20)),
    "lambert": Grid.from_centres(
        "+proj=lcc +lat_0=30 +lon_0=121 +lat_1=25 +lat_2=35 +datum=WGS84 +units=m",
        -117e3 + 9e3 * np.arange(27),
        -90e3 + 9e3 * np.arange(21),
    ),
}
STATIONS = {"AAA": (121.2, 29.9, 50.0), "TROPOMI-20240715T034425+29.700+121.000": (121.0, 29.7, 6000.0)}
TIME = np.datetime64("2024-07-15T03", "ns")

CASE = """
[case]
name = "small"
title = "A small case"
species = "ch4"
flux_hours = { start = 2024-07-15T00:00:00Z, end = 2024-07-16T00:00:00Z }
observation_hours = { start = 2024-07-15T00:00:00Z, end = 2024-07-16T00:00:00Z }
[inputs]
root = "."
[grid]
crs = "CRS"
x = { first = X0, step = DX, count = NX }
y = { first = Y0, step = DY, count = NY }
[[columns]]
id = "TROPOMI"
format = "openmethane"
files = ["*.nc"]
representation_error = 10
scale_error = 0
[transport]
folder = "transport"
[transport.meteorology]
format = "wrf"
files = ["wrfout*"]
[[sectors]]
name = "all"
sigma_fraction = 1
length = 30
hours = 24
[[sectors.sources]]
file = "flux.nc"
format = "netcdf"
variable = "flux"
[background]
kind = "field"
file = "background.nc"
variable = "CH4"
sigma = 30
hours = 6
[outputs]
store = "small.zarr"
"""


def write_case(folder, grid):
    numbers = {
        "CRS": grid.crs, "X0": grid.x[0], "DX": grid.x[1] - grid.x[0], "NX": grid.nx, "Y0": grid.y[0],
        "DY": grid.y[1] - grid.y[0], "NY": grid.ny,
    }  # fmt: skip
    text = CASE
    for name, value in numbers.items():
        text = text.replace(f"= {name}", f"= {value}").replace(f'"{name}"', f'"{value}"')
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def plume(grid, name, time=TIME, hours=6, particles=60):
    """A plume that goes back to the north-west, wider and thinner hour by hour; its particles end there."""
    lon, lat, height = STATIONS[name]
    x, y = np.meshgrid(grid.x, grid.y)
    at = grid.from_lonlat(lon, lat)
    step = grid.x[1] - grid.x[0]
    hour, cell, value = [], [], []
    for back in range(hours):
        distance = np.hypot(x - at[0] + 1.5 * back * step, y - at[1] - back * step) / (step * (1 + 0.5 * back))
        field = np.exp(-0.5 * distance**2).ravel() * 0.02 / (1 + back) ** 2
        chosen = np.flatnonzero(field > 1e-6)
        hour += [time - back * HOUR] * chosen.size
        cell += chosen.tolist()
        value += field[chosen].tolist()
    random = np.random.default_rng(3)
    ends = np.stack(
        [lon - 1.0 + random.normal(0, 0.1, particles), lat + 0.6 + random.normal(0, 0.1, particles),
         random.uniform(10, 3000, particles), random.uniform(7e4, 1e5, particles), np.full(particles, 3600.0 * hours)],
        axis=1,
    )  # fmt: skip
    return Footprint(
        Receptor(time, 3600.0, name, lon, lat, height),
        np.array(hour), np.array(cell, dtype=np.int32), np.array(value, dtype=np.float32), 1e-4, ends,
        np.where(np.arange(particles) % 3 == 0, 2, 1).astype(np.int8), np.full(particles, 1 / particles),
        np.zeros((hours, 6)),
    )  # fmt: skip


def write_footprints(folder, grid, times=(TIME,), stations=tuple(STATIONS)):
    """Write one hour file per time, with a row per station, under a transport folder; return their paths."""
    paths = []
    for time in times:
        dataset = footprints_dataset([plume(grid, name, time) for name in stations], grid, "ch4")
        dataset["key"] = ("obs", np.array([f"{time}{name}" for name in stations]))
        paths.append(hour_path(folder / "footprints", time))
        write_hour(paths[-1], dataset)
    return paths
