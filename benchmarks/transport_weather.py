"""Weather for the transport benchmark: a sheared diurnal boundary layer over a 3 km grid, from closed forms."""

from __future__ import annotations

import numpy as np
import xarray as xr

from pipeline.grid import Grid
from pipeline.schema import HOUR, label

_R_DRY, _GRAVITY, _LAPSE = 287.0, 9.81, 6.5e-3
START = np.datetime64("2024-06-01T00", "ns")


def grid(ny: int, nx: int) -> Grid:
    """Return a Lambert grid of 3 km cells about 30 N, 120 E."""
    crs = "+proj=lcc +lat_1=29 +lat_2=31 +lat_0=30 +lon_0=120 +R=6370000 +units=m"
    return Grid.from_centres(crs, 3000.0 * (np.arange(nx) - (nx - 1) / 2), 3000.0 * (np.arange(ny) - (ny - 1) / 2))


def meteorology(domain: Grid, hour: int, levels: int) -> xr.Dataset:
    """Return one hour of weather: wind of 2 to 8 m/s that turns with height and place, a layer of 200 to 1600 m."""
    height = 15.0 * (np.exp(np.linspace(0.0, np.log(14_000.0 / 15.0), levels)))[:, None, None]
    y, x = np.meshgrid(domain.y / 1e5, domain.x / 1e5, indexing="ij")
    day = max(np.sin(np.pi * ((hour + 8) % 24 - 6) / 12.0), 0.0)
    temperature = np.maximum(298.0 - _LAPSE * height, 215.0) * np.ones_like(x)
    column = temperature[:, 0, 0]
    thickness = np.diff(height[:, 0, 0], prepend=0.0)
    pressure = 1e5 * np.exp(-np.cumsum(thickness * _GRAVITY / (_R_DRY * column)))[:, None, None] * np.ones_like(x)
    speed = 2.0 + 1.2 * np.log1p(height / 15.0)
    turn = 0.1 * hour + height / 4000.0
    u = speed * np.cos(turn) + 1.5 * np.sin(2.0 * y + 0.2 * hour)
    v = speed * np.sin(turn) + 1.5 * np.sin(2.0 * x - 0.1 * hour)
    patches = 1.0 + 0.2 * np.sin(3.0 * x) * np.cos(2.0 * y)
    volume = {
        "height": height * np.ones_like(x),
        "u": u,
        "v": v,
        "w": 0.02 * np.sin(3.0 * x) * np.sin(np.pi * height / 14_000.0),
        "temperature": temperature,
        "pressure": pressure,
        "humidity": np.full_like(temperature, 0.008),
        "density": pressure / (_R_DRY * temperature * 1.005),
    }
    surface = {
        "surface_pressure": np.full(x.shape, 1e5),
        "boundary_layer_height": (200.0 + 1400.0 * day) * patches,
        "friction_velocity": (0.15 + 0.3 * day) * patches,
        "heat_flux": (280.0 * day - 15.0) * patches,
        "roughness": np.full(x.shape, 0.3),
    }
    variables = {name: (("time", "level", "y", "x"), values[None]) for name, values in volume.items()}
    variables |= {name: (("time", "y", "x"), values[None]) for name, values in surface.items()}
    terrain = (("y", "x"), np.zeros(x.shape))
    times = START + np.array([hour]) * HOUR
    out = xr.Dataset({**variables, "terrain": terrain}, coords={**domain.coordinates(), "time": times})
    return label(out.astype(np.float32, keep_attrs=True), "meteorology")
