"""The simulated weather as WRF writes it: one netCDF file an hour, staggered, on a Lambert grid on WRF's sphere.

Winds on a conformal map diverge by the change of its scale, which is below 0.1 % over the province: no more than
1e-8 s-1, which the mass balance leaves out.
"""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pyproj
import xarray as xr

from pipeline.case import Progress, quiet
from pipeline.grid import Grid
from pipeline.osse import air_column
from pipeline.osse.wind import vertical_wind, winds

#: cell side of the weather, m, and how many cells it reaches beyond the flux grid
SPACING = 9_000.0
_MARGIN = 2
#: radius of WRF's earth, m; reference pressure, Pa, and exponent of potential temperature, and WRF's offset of it, K
_RADIUS, _REFERENCE, _KAPPA, _THETA = 6.370e6, 1.0e5, 2.0 / 7.0, 300.0

_DIMS = {
    "2": ("Time", "south_north", "west_east"),
    "3": ("Time", "bottom_top", "south_north", "west_east"),
    "X": ("Time", "bottom_top", "south_north", "west_east_stag"),
    "Y": ("Time", "bottom_top", "south_north_stag", "west_east"),
    "Z": ("Time", "bottom_top_stag", "south_north", "west_east"),
}
_STAGGER = {"2": "", "3": "", "X": "X", "Y": "Y", "Z": "Z"}
#: name, dims, unit, description: WRF's own
_VARIABLES = (
    ("XLAT", "2", "degree_north", "LATITUDE, SOUTH IS NEGATIVE"),
    ("XLONG", "2", "degree_east", "LONGITUDE, WEST IS NEGATIVE"),
    ("U", "X", "m s-1", "x-wind component"),
    ("V", "Y", "m s-1", "y-wind component"),
    ("W", "Z", "m s-1", "z-wind component"),
    ("PH", "Z", "m2 s-2", "perturbation geopotential"),
    ("PHB", "Z", "m2 s-2", "base-state geopotential"),
    ("T", "3", "K", "perturbation potential temperature theta-t0"),
    ("P", "3", "Pa", "perturbation pressure"),
    ("PB", "3", "Pa", "BASE STATE PRESSURE"),
    ("QVAPOR", "3", "kg kg-1", "Water vapor mixing ratio"),
    ("PSFC", "2", "Pa", "SFC PRESSURE"),
    ("HGT", "2", "m", "Terrain Height"),
    ("PBLH", "2", "m", "PBL HEIGHT"),
    ("UST", "2", "m s-1", "U* IN SIMILARITY THEORY"),
    ("HFX", "2", "W m-2", "UPWARD HEAT FLUX AT THE SURFACE"),
    ("T2", "2", "K", "TEMP at 2 M"),
    ("SWDOWN", "2", "W m-2", "DOWNWARD SHORT WAVE FLUX AT GROUND SURFACE"),
    ("ZNT", "2", "m", "TIME-VARYING ROUGHNESS LENGTH"),
)


def weather_grid(grid: Grid) -> Grid:
    """Return the grid of the weather's mass points: `SPACING` cells over the flux grid and two more on every side.

    Parameters
    ----------
    grid
        Lambert conformal flux grid; the weather has its parallels and meridian, on WRF's sphere.
    """
    told = _projection(grid)
    parallels = f"+lat_1={told['TRUELAT1']:g} +lat_2={told['TRUELAT2']:g}"
    origin = f"+lat_0={told['MOAD_CEN_LAT']:g} +lon_0={told['STAND_LON']:g}"
    crs = f"+proj=lcc {parallels} {origin} +R={_RADIUS:.0f} +units=m +no_defs"
    edges = [
        SPACING * np.arange(np.floor(axis[0] / SPACING) - _MARGIN, np.ceil(axis[-1] / SPACING) + _MARGIN + 1)
        for axis in (grid.x_edges, grid.y_edges)
    ]
    return Grid(crs, *edges)


def wider(grid: Grid) -> Grid:
    """Return the grid one cell wider on every side: winds on the faces of the outermost cells need neighbours."""
    x, y = grid.x_edges, grid.y_edges
    return Grid(
        grid.crs,
        np.concatenate([[x[0] - SPACING], x, [x[-1] + SPACING]]),
        np.concatenate([[y[0] - SPACING], y, [y[-1] + SPACING]]),
    )


def write_weather(folder: Path, weather: xr.Dataset, grid: Grid, *, progress: Progress = quiet) -> list[Path]:
    """Write one file per instant, `wrfout_d01_YYYY-mm-dd_HH:00:00`, and return the paths.

    Parameters
    ----------
    folder
        Folder that exists.
    weather
        Of `simulate_weather` on `wider(weather_grid(grid))`.
    grid
        Lambert conformal flux grid, which the weather is to cover.
    progress
        Called with (stage, done, of).
    """
    around, attributes = weather_grid(grid), _projection(grid)
    base = _base_state(weather["terrain"].values[1:-1, 1:-1], around)
    base["ZNT"] = weather["roughness"].values[1:-1, 1:-1]
    paths = []
    count = weather.sizes["time"]
    for index, time in enumerate(weather["time"].values):
        progress("weather", index, count)
        stamp = str(time.astype("datetime64[s]")).replace("T", "_")
        paths.append(folder / f"wrfout_d01_{stamp}")
        _write(paths[-1], stamp, around, attributes, base | _hour(weather.isel(time=index)))
    progress("weather", count, count)
    return paths


def _projection(grid: Grid) -> dict[str, float]:
    """Return the attributes of WRF that say what the grid's projection is."""
    told = pyproj.CRS(grid.crs).to_cf()
    first, second = np.broadcast_to(told["standard_parallel"], 2)
    centre = {"lat": told["latitude_of_projection_origin"], "lon": told["longitude_of_central_meridian"]}
    return {
        "TRUELAT1": float(first),
        "TRUELAT2": float(second),
        "MOAD_CEN_LAT": float(centre["lat"]),
        "STAND_LON": float(centre["lon"]),
        "CEN_LAT": float(centre["lat"]),
        "CEN_LON": float(centre["lon"]),
    }


def _base_state(terrain: np.ndarray, grid: Grid) -> dict[str, np.ndarray | float]:
    """Return what rests in time: places, terrain and the hydrostatic air above it."""
    height = terrain + air_column.mass_levels()[:, None, None]
    pressure, humidity = air_column.pressure(height), air_column.humidity(height)
    lon, lat = grid.lonlat
    return {
        "XLAT": lat,
        "XLONG": lon,
        "HGT": terrain,
        "PSFC": air_column.pressure(terrain),
        # the base state is the state itself
        "PH": 0.0,
        "P": 0.0,
        "PHB": air_column.GRAVITY * (terrain + air_column.full_levels()[:, None, None]),
        "T": air_column.temperature(height) * (_REFERENCE / pressure) ** _KAPPA - _THETA,
        "PB": pressure,
        # a mixing ratio is per kg of dry air
        "QVAPOR": humidity / (1 - humidity),
    }


def _hour(hour: xr.Dataset) -> dict[str, np.ndarray | float]:
    """Return what changes from hour to hour."""
    found = winds(hour, SPACING)
    inner = {str(name): hour[name].values[1:-1, 1:-1] for name in hour.data_vars}
    return {
        "U": found.u,
        "V": found.v,
        "W": vertical_wind(found, inner["terrain"], SPACING),
        "PBLH": inner["boundary_layer_height"],
        "UST": found.friction_velocity,
        "HFX": inner["heat_flux"],
        "T2": inner["temperature"],
        "SWDOWN": inner["radiation"],
    }


def _write(
    path: Path, stamp: str, grid: Grid, attributes: dict[str, float], fields: dict[str, np.ndarray | float]
) -> None:
    levels = air_column.mass_levels().size
    sizes = {"bottom_top": levels, "south_north": grid.ny, "west_east": grid.nx}
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("Time", 1)
        file.createDimension("DateStrLen", len(stamp))
        for name, size in sizes.items():
            file.createDimension(name, size)
            file.createDimension(f"{name}_stag", size + 1)
        times = file.createVariable("Times", "S1", ("Time", "DateStrLen"))
        times[0] = np.array(list(stamp), dtype="S1")
        for name, kind, unit, description in _VARIABLES:
            variable = file.createVariable(name, "f4", _DIMS[kind], zlib=True, complevel=1)
            variable.units = unit
            variable.description = description
            variable.stagger = _STAGGER[kind]
            variable.MemoryOrder = "XY " if kind == "2" else "XYZ"
            variable[0] = np.broadcast_to(fields[name], variable.shape[1:])
        file.TITLE = "SIMULATED WEATHER IN THE LAYOUT OF WRF OUTPUT"
        file.START_DATE = stamp
        file.MAP_PROJ = np.int32(1)
        file.DX = file.DY = np.float32(SPACING)
        for name, value in attributes.items():
            setattr(file, name, np.float32(value))
