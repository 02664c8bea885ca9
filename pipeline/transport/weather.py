"""The weather as the particles read it: fixed heights above ground, winds in cells per second, float32.

Made once per weather time from the dataset "meteorology", on its own horizontal grid; nothing is regridded sideways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from kernels.air import CONVECTION, SURFACE_COLUMNS
from kernels.heights import to_heights
from pipeline.errors import InputError
from pipeline.grid import Grid
from pipeline.schema import check
from pipeline.transport.convection import convection_height
from pipeline.transport.metric import cells_per_metre

#: heights above ground of the levels below the lid, m: a tenth apart or less, closer near the ground
_HEIGHTS = (
    0, 2, 5, 10, 20, 35, 50, 75, 100, 130, 165, 205, 250, 300, 360, 430, 510, 600, 700, 810, 930, 1060, 1200, 1360,
    1540, 1740, 1960, 2200, 2480, 2800, 3150, 3550, 4000, 4500, 5100, 5800, 6600, 7500, 8500, 9600, 10_800, 12_000,
    13_500, 15_000, 17_000, 20_000,
)  # fmt: skip
#: von Karman's constant, gravity m s-2, heat capacity of air J kg-1 K-1 (as Hanna's profiles take them)
_KARMAN, _GRAVITY, _HEAT_CAPACITY = 0.4, 9.81, 1005.0
#: 1 / L is kept within this, m-1: similarity holds no further
_MOST_INVERSE_L = 0.5
_LEAST_FRICTION = 0.01
#: depth over which the density's slope is taken, m
_SLOPE_DEPTH = 1000.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """One weather time.

    Parameters
    ----------
    volume : (y, x, level, 4) float32
        u and v in cells s-1, w in m s-1 relative to the ground, dry density in kg m-3.
    surface : (y, x, SURFACE_COLUMNS) float32
        See `kernels.air`.
    pressure : (y, x, level) float32
        Pa.
    """

    volume: np.ndarray
    surface: np.ndarray
    pressure: np.ndarray


def levels(lid: float) -> np.ndarray:
    """Return the heights above ground of the levels up to the lid, (level,) float32, m."""
    return np.array([*[height for height in _HEIGHTS if height < 0.95 * lid], lid], dtype=np.float32)


def prepare(meteorology: xr.Dataset, grid: Grid, lid: float, *, convection: bool = False) -> list[Prepared]:
    """Return every time of a "meteorology" dataset as the particles read it.

    Parameters
    ----------
    meteorology
        Dataset of `pipeline.schema` on `grid`.
    grid
        The weather's own grid.
    lid
        Height of the lid, m above ground; the vertical wind is zero there.
    convection
        Whether to work out how high deep convection mixes (`pipeline.transport.convection`).

    Raises
    ------
    InputError
        For values that are not finite, by name; nothing is filled.
    """
    check(meteorology, "meteorology")
    for name in meteorology.data_vars:
        values = meteorology[name].values
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(
                "weather must have no missing values",
                got=f"{int((~np.isfinite(values)).sum())} of {values.size}",
                remedy="fill them in the file, or leave the hour out",
                where=f"meteorology.{name}",
            )
    per_x, per_y = cells_per_metre(grid)
    slope_y, slope_x = np.gradient(meteorology["terrain"].values.astype(np.float64))
    targets = levels(lid)
    prepared = []
    for index in range(meteorology.sizes["time"]):
        hour = meteorology.isel(time=index)
        prepared.append(_prepare(hour, targets, per_x, per_y, slope_x * per_x, slope_y * per_y))
        if convection:
            profile = (hour[name].values for name in ("temperature", "pressure", "humidity", "height"))
            prepared[-1].surface[..., CONVECTION] = convection_height(*profile)
    return prepared


def _prepare(
    hour: xr.Dataset,
    targets: np.ndarray,
    per_x: np.ndarray,
    per_y: np.ndarray,
    slope_x: np.ndarray,
    slope_y: np.ndarray,
) -> Prepared:
    """Return one time; `slope_*` is the terrain's, m / m."""
    field = {str(name): hour[name].values for name in hour.data_vars}
    u, v = field["u"], field["v"]
    # following the terrain: the height above ground changes by w less the rise of the ground below
    w = field["w"] - u * slope_x - v * slope_y
    dry = field["density"] * (1.0 - field["humidity"])
    stack = np.stack([u * per_x, v * per_y, w, dry, np.log(field["pressure"])]).astype(np.float32)
    height = np.ascontiguousarray(field["height"], dtype=np.float32)
    lowest = np.argmax(height > 0.0, axis=0)[None]
    first = {name: np.take_along_axis(values, lowest, axis=0)[0].astype(np.float64)
             for name, values in {**field, "dry": dry}.items() if values.ndim == 3}  # fmt: skip
    at_ground = first["dry"] * field["surface_pressure"] / first["pressure"]
    still = np.zeros_like(at_ground)
    ground = np.stack([still, still, still, at_ground, np.log(field["surface_pressure"])]).astype(np.float32)
    out = np.empty((*per_x.shape, targets.size, stack.shape[0]), np.float32)
    to_heights(height, np.ascontiguousarray(field["roughness"], dtype=np.float32), stack, ground, targets, out)
    out[:, :, -1, 2] = 0.0
    surface = _surface(field, first["temperature"], at_ground, out[..., 3], targets)
    return Prepared(np.ascontiguousarray(out[..., :4]), surface, np.exp(out[..., 4]))


def _surface(
    field: dict[str, np.ndarray],
    temperature: np.ndarray,
    at_ground: np.ndarray,
    density: np.ndarray,
    targets: np.ndarray,
) -> np.ndarray:
    """Return (y, x, SURFACE_COLUMNS) float32: the layer's height, scales and density.

    Obukhov length and convective velocity: Stull (1988), Introduction to Boundary Layer Meteorology, eqs. 5.7c, 4.2a.
    """
    friction = np.maximum(field["friction_velocity"].astype(np.float64), _LEAST_FRICTION)
    layer = field["boundary_layer_height"].astype(np.float64)
    buoyancy = _GRAVITY * field["heat_flux"] / (at_ground * _HEAT_CAPACITY * temperature)
    inverse = np.clip(-_KARMAN * buoyancy / friction**3, -_MOST_INVERSE_L, _MOST_INVERSE_L)
    convective = np.cbrt(np.maximum(buoyancy, 0.0) * layer)
    deep = int(np.searchsorted(targets, _SLOPE_DEPTH))
    slope = np.log(density[..., deep] / at_ground) / targets[deep]
    out = np.zeros((*layer.shape, SURFACE_COLUMNS), np.float32)
    for column, values in enumerate((layer, friction, convective, inverse, at_ground, slope)):
        out[..., column] = values
    return out
