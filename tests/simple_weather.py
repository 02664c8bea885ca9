"""A "meteorology" dataset made of closed forms, for any grid."""

import numpy as np
import xarray as xr

from pipeline.schema import label

SCALE_HEIGHT = 8000.0
R_DRY = 287.0


def meteorology(
    grid, hours=4, *, u=0.0, v=0.0, w=0.0, start="2024-06-01T00", layer=1000.0, flux=0.0, friction=0.3, terrain=None,
    heights=(20.0, 100.0, 400.0, 1000.0, 2500.0, 6000.0, 13000.0), humidity=0.0, roughness=0.1,
):  # fmt: skip
    """Return an isothermal atmosphere with a given wind along the axes; u, v, w are numbers or arrays (l, y, x)."""
    heights = np.array(heights)
    shape = (hours, heights.size, *grid.shape)
    flat = (hours, *grid.shape)
    ground = np.zeros(grid.shape) if terrain is None else terrain
    height = np.broadcast_to(heights[None, :, None, None], shape)
    surface_pressure = np.broadcast_to(1e5 * np.exp(-ground / SCALE_HEIGHT), flat)
    pressure = surface_pressure[:, None] * np.exp(-height / SCALE_HEIGHT)
    temperature = np.full(shape, SCALE_HEIGHT * 9.81 / R_DRY)
    volume = {
        "height": height, "u": np.broadcast_to(u, shape), "v": np.broadcast_to(v, shape),
        "w": np.broadcast_to(w, shape), "temperature": temperature, "pressure": pressure,
        "humidity": np.full(shape, humidity), "density": pressure / (R_DRY * temperature * (1 + 0.608 * humidity)),
    }  # fmt: skip
    surface = {
        "surface_pressure": surface_pressure, "boundary_layer_height": np.full(flat, layer),
        "friction_velocity": np.full(flat, friction), "heat_flux": np.full(flat, flux),
        "roughness": np.full(flat, roughness),
    }  # fmt: skip
    variables = {name: (("time", "level", "y", "x"), values) for name, values in volume.items()}
    variables |= {name: (("time", "y", "x"), values) for name, values in surface.items()}
    variables["terrain"] = (("y", "x"), ground)
    times = np.datetime64(start, "ns") + np.arange(hours) * np.timedelta64(1, "h")
    out = xr.Dataset(variables, coords={**grid.coordinates(), "time": times})
    return label(out.astype(np.float32, keep_attrs=True), "meteorology")
