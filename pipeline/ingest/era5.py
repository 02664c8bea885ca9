"""ERA5 on pressure levels into the contract "meteorology", on the file's own grid.

netCDF of the Climate Data Store or of CDO, and GRIB; a field may be in any of the files of its hour. Levels below the
ground stay, with negative heights: what ERA5 holds there is extrapolated.

Winds of ERA5 are along east and north. On a lon-lat grid those are the grid's axes. Files regridded to a projection by
CDO (`remapbil` and its kin) keep the components as they were, each interpolated like a scalar, and name them
`eastward_wind` and `northward_wind`: they are turned to the grid's axes here.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from pipeline.errors import ConfigError, CoordinateError, TimeError
from pipeline.grid import Grid
from pipeline.ingest.air import moist_density, virtual_temperature
from pipeline.ingest.era5_fields import (
    GRAVITY,
    R_DRY,
    R_VAPOUR,
    first_above_ground,
    friction_velocity,
    geometric_height,
    hypsometric_geopotential,
)
from pipeline.ingest.era5_files import Part, open_era5
from pipeline.ingest.era5_hour import Hour
from pipeline.ingest.meteorology_checks import check_weather
from pipeline.ingest.richardson import derived_height
from pipeline.ingest.wind_rotation import earth_to_grid
from pipeline.schema import SCHEMAS, label


def read_era5(
    paths: Iterable[str | Path],
    hours: tuple[np.datetime64, np.datetime64] | None = None,
    *,
    roughness: float | None = None,
    boundary_layer: Literal["file", "richardson"] = "file",
    winds: Literal["earth", "grid"] = "earth",
) -> xr.Dataset:
    """Read ERA5, whatever the order of the files.

    Parameters
    ----------
    paths
        netCDF, or GRIB by its ending (.grib, .grb). Names are ECMWF's short ones: on pressure levels t, u, v, w, q and,
        if fetched, z; at the surface sp, z, 2t (t2m), blh, ishf, zust (or iews and inss), fsr.
    hours
        First and last time wanted, both included; all times when None.
    roughness
        Roughness length, m, for files without fsr.
    boundary_layer
        "richardson" derives the boundary-layer height where blh is absent (`richardson_height`).
    winds
        "earth" for components along east and north, as ERA5 has them; "grid" takes them as along the grid's axes.

    Returns
    -------
    "meteorology", float32. Heights are the levels' geopotential, or without it by the hypsometric equation from the
    surface up, made geometric. w is -omega / (rho g), the hydrostatic approximation (Holton & Hakim 2013, section
    3.5): the rise of the pressure surface itself is neglected. u* is zust or sqrt(|tau| / rho). ECMWF counts fluxes
    positive downward: the heat flux is -ishf. Rows and columns at the border that lie outside the source of a
    regridded file (surface pressure missing in more than half of them) are left out, and counted in
    `attrs["margin_left_out"]`.

    Raises
    ------
    InputError
        One of its kinds: FormatError for a missing field or values, TimeError for hours not in the files,
        CoordinateError for a projection or axes that cannot be used or that differ, UnitError for implausible numbers.
    ConfigError
        For a roughness length that is not positive, or GRIB without cfgrib.
    """
    if roughness is not None and not (np.isfinite(roughness) and roughness > 0):
        raise ConfigError("the roughness length must be positive", got=roughness, remedy="give it in metres")
    with ExitStack() as stack:
        parts = [part for path in paths for part in stack.enter_context(open_era5(Path(path)))]
        times = _select(parts, hours)
        first = Hour(parts, times[0])
        rows, columns = first.inner()
        found = [Hour(parts, time, (rows, columns)) for time in times]
        whole = first.grid
        grid = Grid(whole.crs, whole.x_edges[_edges(columns)], whole.y_edges[_edges(rows)])
        frames = []
        for hour in found:
            hour.require_like(first)
            frames.append(_fields(hour, grid, roughness, boundary_layer, winds))
        names = [hour.names for hour in found]
    margin = (rows.start, whole.ny - rows.stop, columns.start, whole.nx - columns.stop)
    out = _joined(frames, grid, times)
    out.attrs["margin_left_out"] = "rows south {}, north {}; columns west {}, east {}".format(*margin)
    return check_weather(out, names)


def _edges(cells: slice) -> slice:
    return slice(cells.start, cells.stop + 1)


def _select(parts: list[Part], hours: tuple[np.datetime64, np.datetime64] | None) -> np.ndarray:
    """Return the times of the parts from the first wanted to the last, both of which must be there."""
    times = np.unique(np.concatenate([np.empty(0, dtype="datetime64[ns]"), *(part.times for part in parts)]))
    if times.size == 0:
        raise TimeError("there must be at least one time", got="none", remedy="check the paths", where="paths")
    first, last = (times[0], times[-1]) if hours is None else hours
    if not (first <= last and np.all(np.isin(np.array([first, last]), times))):
        raise TimeError(
            "the first and the last time wanted must be in the files, in order",
            got=f"{first} to {last}; the files hold {times[0]} to {times[-1]}",
            remedy="fetch these hours",
            where="paths",
        )
    return np.asarray(times[(times >= first) & (times <= last)])


def _fields(hour: Hour, grid: Grid, roughness: float | None, boundary_layer: str, winds: str) -> dict[str, np.ndarray]:
    """Return the fields of the contract at one time."""
    upper = {name: hour.read(name, levels=True) for name in "tuvwq"}
    surface, ground = hour.read("z"), hour.read("sp")
    # the air at 2 m is given the humidity of the lowest level above the ground
    humidity = first_above_ground(upper["q"], hour.pressure, ground)
    near = virtual_temperature(hour.read("t2m"), humidity, dry=R_DRY, vapour=R_VAPOUR)
    terrain = geometric_height(surface)
    pressure = np.broadcast_to(hour.pressure[:, None, None], upper["t"].shape)
    density = moist_density(pressure, upper["t"], upper["q"], dry=R_DRY, vapour=R_VAPOUR)
    u, v = earth_to_grid(upper["u"], upper["v"], grid) if winds == "earth" else (upper["u"], upper["v"])
    fields = {
        "height": geometric_height(_geopotential(hour, upper, ground, near, surface)) - terrain,
        "u": u,
        "v": v,
        "w": -upper["w"] / (density * GRAVITY),
        "temperature": upper["t"],
        "pressure": pressure,
        "humidity": upper["q"],
        "density": density,
        "surface_pressure": ground,
        "friction_velocity": _friction(hour, ground, near),
        "heat_flux": -hour.read("ishf"),
        "terrain": terrain,
    }
    if roughness is None or hour.has("fsr"):
        fields["roughness"] = hour.read("fsr")
    else:
        fields["roughness"] = np.full_like(terrain, roughness)
    if boundary_layer == "file" or hour.has("blh"):
        fields["boundary_layer_height"] = hour.read("blh")
    else:
        fields["boundary_layer_height"] = derived_height(
            fields, gravity=GRAVITY, dry=R_DRY, vapour=R_VAPOUR, where=hour.where
        )
    return {name: values.astype(np.float32) for name, values in fields.items()}


def _geopotential(
    hour: Hour, upper: dict[str, np.ndarray], ground: np.ndarray, near: np.ndarray, surface: np.ndarray
) -> np.ndarray:
    """Return the geopotential of the levels: the file's, or by the hypsometric equation."""
    if hour.has("z", levels=True):
        return hour.read("z", levels=True)
    virtual = virtual_temperature(upper["t"], upper["q"], dry=R_DRY, vapour=R_VAPOUR)
    return hypsometric_geopotential(hour.pressure, virtual, ground, near, surface)


def _friction(hour: Hour, surface_pressure: np.ndarray, surface_virtual: np.ndarray) -> np.ndarray:
    """Return the friction velocity: the file's, or that of the instantaneous stresses."""
    if hour.has("zust"):
        return hour.read("zust")
    return friction_velocity(hour.read("iews"), hour.read("inss"), surface_pressure, surface_virtual)


def _joined(frames: list[dict[str, np.ndarray]], grid: Grid, times: np.ndarray) -> xr.Dataset:
    """Return the hours as one labelled dataset; each hour's fields are given up on the way, to hold them once."""
    terrain = frames[0]["terrain"]
    if any(not np.array_equal(frame["terrain"], terrain) for frame in frames):
        raise CoordinateError(
            "the ground (z) must stay the same", got="it changes with time", remedy="do not mix sources", where="z"
        )
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {"terrain": (("y", "x"), terrain)}
    for name, declared in SCHEMAS["meteorology"].items():
        if name not in ("time", "terrain"):
            data[name] = (declared.dims, np.stack([frame.pop(name) for frame in frames]))
    return label(xr.Dataset(data, coords={**grid.coordinates(), "time": times}), "meteorology")
