"""ARL packed weather on pressure levels to the "meteorology" dataset, on the file's own grid.

Files on sigma, terrain-following or hybrid levels are refused. Pressure levels below the ground stay, with negative
heights: what the file holds there is extrapolated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pyproj
import xarray as xr

from pipeline.errors import ConfigError, CoordinateError, FormatError, TimeError
from pipeline.grid import Grid
from pipeline.ingest.air import moist_density, vapour_pressure
from pipeline.ingest.arl import Period, periods, read_field
from pipeline.ingest.meteorology_checks import check_weather
from pipeline.ingest.richardson import derived_height
from pipeline.schema import label

#: radius of the sphere that ARL grids are defined on, m (HYSPLIT's CMAPF library)
_EARTH_RADIUS = 6_371_200.0
#: standard gravity, m s-2 (CGPM 1901)
_GRAVITY = 9.80665
#: specific gas constants of dry air and water vapour, J kg-1 K-1 (US Standard Atmosphere 1976; IAPWS)
_R_DRY, _R_VAPOUR = 287.053, 461.52
_PRESSURE_LEVELS = 2
_PASCAL_PER_HPA = 100.0

_SURFACE = {
    "surface_pressure": "PRSS",
    "friction_velocity": "USTR",
    "heat_flux": "SHTF",
    "terrain": "SHGT",
}
_UPPER = {"height": "HGTS", "temperature": "TEMP", "u": "UWND", "v": "VWND", "omega": "WWND", "humidity": "RELH"}
_ROUGHNESS, _BOUNDARY_LAYER = "RGHS", "PBLH"
_REMEDIES = {
    _ROUGHNESS: "; or give the setting roughness",
    _BOUNDARY_LAYER: '; or set boundary_layer = "richardson"',
}


def read_arl(
    path: str | Path,
    hours: tuple[np.datetime64, np.datetime64] | None = None,
    *,
    roughness: float | None = None,
    boundary_layer: Literal["file", "richardson"] = "file",
) -> xr.Dataset:
    """Read the weather of an ARL packed file.

    Parameters
    ----------
    path
        The file.
    hours
        First and last time wanted, both included; None reads all.
    roughness
        Aerodynamic roughness length, m, for files without the field RGHS.
    boundary_layer
        "richardson" derives the boundary-layer height where PBLH is absent (`richardson_height`).

    Returns
    -------
    The "meteorology" dataset. Heights are the file's geopotential ones (HGTS), as HYSPLIT and STILT take them: 0.16 %
    below the geometric at 10 km. Winds are along the grid's axes, as ARL files hold them. Vertical velocity is
    -omega / (rho g), the hydrostatic approximation (Holton & Hakim 2013, section 3.5): the rise of the pressure surface
    itself, dz/dt + u dz/dx + v dz/dy, is neglected. Specific humidity is `specific_humidity`.

    Raises
    ------
    InputError, FormatError
        For a file that cannot be read (see `pipeline.ingest.arl`), lacks a field, or whose heights do not ascend.
    TimeError
        For hours the file does not hold, or times that are not evenly spaced.
    CoordinateError
        For a projection or a vertical coordinate that cannot be used, a grid, levels or ground that change, or fewer
        than two levels above the ground.
    UnitError
        For implausible numbers.
    ConfigError
        For a roughness length that is not positive.
    """
    path = Path(path)
    if roughness is not None and not (np.isfinite(roughness) and roughness > 0):
        raise ConfigError("the roughness length must be positive", got=roughness, remedy="give it in metres")
    chosen = _select(periods(path), hours, path.name)
    _check_same(chosen, path.name)
    grid = grid_of(chosen[0], path.name)
    surface_names = _surface_names(chosen[0], roughness, boundary_layer)
    surface = {key: np.empty((len(chosen), 1, *grid.shape), np.float32) for key in surface_names}
    upper = {key: np.empty((len(chosen), len(chosen[0].levels) - 1, *grid.shape), np.float32) for key in _UPPER}
    with path.open("rb") as stream:
        for time, period in enumerate(chosen):
            places = _places(period, surface_names, path.name)
            for key, numbers in places.items():
                target = surface[key] if key in surface else upper[key]
                for level, number in enumerate(numbers):
                    target[time, level] = read_field(stream, period, number, path.name)
    fields = {key: values[:, 0] for key, values in surface.items()}
    if "roughness" not in fields and roughness is not None:
        fields["roughness"] = np.full((len(chosen), *grid.shape), roughness, np.float32)
    return check_weather(_dataset(chosen, grid, fields, upper, path.name), [path.name] * len(chosen))


def specific_humidity(relative: np.ndarray, temperature: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Return specific humidity from relative humidity over water.

    Parameters
    ----------
    relative
        Relative humidity, percent; packing may leave it just below zero, which is taken as zero.
    temperature
        Air temperature, K.
    pressure
        Air pressure, Pa; the three broadcast.

    Returns
    -------
    kg kg-1

    Examples
    --------
    >>> round(float(specific_humidity(np.array(100.0), np.array(293.15), np.array(100000.0))), 5)
    0.01466
    """
    vapour = vapour_pressure(relative, temperature)
    ratio = _R_DRY / _R_VAPOUR
    return ratio * vapour / (pressure - (1.0 - ratio) * vapour)


def grid_of(period: Period, name: str) -> Grid:
    """Return the grid of a file's index record.

    Raises
    ------
    CoordinateError
        For a grid that is not longitude-latitude, Lambert conformal, Mercator or polar stereographic with its y axis
        along the reference meridian, or whose sync point cannot be placed.
    """
    _, _, ref_lat, ref_lon, size, _, _, sync_x, sync_y, sync_lat, sync_lon, _ = period.grid
    crs = crs_of(period, name)
    # a grid size of zero marks longitude-latitude; the spacings then stand where the reference point was
    dx, dy = (size * 1e3, size * 1e3) if size else (ref_lon, ref_lat)
    to_plane = pyproj.Proj(crs) if size else None
    x, y = to_plane(sync_lon, sync_lat) if to_plane else (sync_lon, sync_lat)
    # the grid's points are counted from 1
    centres_x, centres_y = x + (np.arange(period.nx) + 1 - sync_x) * dx, y + (np.arange(period.ny) + 1 - sync_y) * dy
    back = to_plane(x, y, inverse=True) if to_plane and np.all(np.isfinite([x, y])) else (x, y)
    turn = (back[0] - sync_lon + 180.0) % 360.0 - 180.0
    if not (abs(turn) < 1e-6 and abs(back[1] - sync_lat) < 1e-6):
        raise CoordinateError(
            f"point ({sync_x:g}, {sync_y:g}) must lie at latitude {sync_lat:g}, longitude {sync_lon:g} in {crs}",
            got=f"latitude {back[1]:.6g}, longitude {back[0]:.6g}",
            remedy="check the grid definition in the file's index record",
            where=f"{name}:record {period.record}",
        )
    return Grid.from_centres(crs, centres_x, centres_y)


def crs_of(period: Period, name: str) -> str:
    """Return the CRS of a file's index record as a PROJ string, or "EPSG:4326" for longitude and latitude.

    The cone angle is the latitude of tangency: 90 polar stereographic, 0 Mercator, Lambert conformal between; the
    grid size is true at the reference latitude, which need not be that of tangency.

    Raises
    ------
    CoordinateError
        For any other projection.
    """
    pole_lat, _, ref_lat, ref_lon, size, orientation, tangent, *_ = period.grid
    if size == 0.0:
        return "EPSG:4326"
    if size < 0 or orientation != 0.0 or abs(pole_lat) != 90.0 or abs(tangent) > 90.0 or abs(ref_lat) > 90.0:
        raise CoordinateError(
            "the projection must be longitude-latitude, Lambert conformal, Mercator or polar stereographic, not turned",
            got=f"pole {pole_lat:g}, size {size:g} km, orientation {orientation:g}, cone angle {tangent:g}",
            remedy="convert the file to one of these",
            where=f"{name}:record {period.record}",
        )
    sphere = f"+R={_EARTH_RADIUS:.0f} +units=m +no_defs"
    if tangent == 0.0:
        return f"+proj=merc +lon_0={ref_lon:g} +lat_ts={ref_lat:g} {sphere}"
    if abs(tangent) == 90.0:
        true_scale = 0.5 * (1.0 + np.sin(np.radians(ref_lat)) * np.sign(tangent))
        return f"+proj=stere +lat_0={tangent:g} +lon_0={ref_lon:g} +k_0={true_scale:.12g} {sphere}"
    scale = _lambert_scale(ref_lat, tangent)
    return f"+proj=lcc +lat_1={tangent:g} +lat_0={tangent:g} +lon_0={ref_lon:g} +k_0={1 / scale:.12g} {sphere}"


def _lambert_scale(latitude: float, tangent: float) -> float:
    """Return the scale of a tangent Lambert conformal map of the sphere (Snyder 1987, eq. 15-4)."""
    phi, phi_0 = np.radians(latitude), np.radians(tangent)
    ratio = np.tan(np.pi / 4 - phi / 2) / np.tan(np.pi / 4 - phi_0 / 2)
    return float(np.cos(phi_0) / np.cos(phi) * ratio ** np.sin(phi_0))


def _select(found: list[Period], hours: tuple[np.datetime64, np.datetime64] | None, name: str) -> list[Period]:
    """Return the periods wanted, which must be there and evenly spaced."""
    times = np.array([period.time for period in found])
    first, last = hours if hours is not None else (times[0], times[-1])
    if not times[0] <= first <= last <= times[-1]:
        raise TimeError(
            f"the hours must lie in the file, from {_minute(times[0])} to {_minute(times[-1])}",
            got=f"{_minute(first)} to {_minute(last)}",
            remedy="give hours of this file, or read another",
            where=name,
        )
    wanted = np.flatnonzero((times >= first) & (times <= last))
    steps = np.diff(times[wanted])
    if wanted.size == 0 or np.any(steps <= np.timedelta64(0)) or np.any(steps != steps[:1]):
        raise TimeError(
            "the file's times must ascend in even steps over the hours wanted",
            got=[_minute(times[i]) for i in wanted[:1]] + sorted({str(step.astype("m8[m]")) for step in steps}),
            remedy="fill the missing hours, or read the parts apart",
            where=name,
        )
    return [found[i] for i in wanted]


def _check_same(chosen: list[Period], name: str) -> None:
    """Raise unless the levels are of pressure and every period has the first one's grid and levels."""
    first = chosen[0]
    for period in chosen:
        where = f"{name}:record {period.record}"
        if period.vertical != _PRESSURE_LEVELS:
            raise CoordinateError(
                "the vertical coordinate must be pressure (flag 2)",
                got=period.vertical,
                remedy="use a file on pressure levels, or the model's own output",
                where=where,
            )
        if (period.grid, period.nx, period.ny, period.levels) != (first.grid, first.nx, first.ny, first.levels):
            raise CoordinateError(
                "the grid and levels must stay the same",
                got=str(_minute(period.time)),
                remedy="read the hours before it apart",
                where=where,
            )


def _surface_names(period: Period, roughness: float | None, boundary_layer: str) -> dict[str, str]:
    """Return the surface fields to read: those that stand in for nothing, and the others where the file has them."""
    held = {variable for level, variable, _ in period.fields if level == 0}
    names = dict(_SURFACE)
    if _ROUGHNESS in held or roughness is None:
        names["roughness"] = _ROUGHNESS
    if _BOUNDARY_LAYER in held or boundary_layer == "file":
        names["boundary_layer_height"] = _BOUNDARY_LAYER
    return names


def _places(period: Period, surface: dict[str, str], name: str) -> dict[str, list[int]]:
    """Return where the records of each field are, one number per level."""
    numbers = {(level, variable): number for number, (level, variable, _) in enumerate(period.fields)}
    wanted = [(key, 0, variable) for key, variable in surface.items()]
    wanted += [(key, level, variable) for key, variable in _UPPER.items() for level in range(1, len(period.levels))]
    places: dict[str, list[int]] = {key: [] for key in (*surface, *_UPPER)}
    for key, level, variable in wanted:
        if (level, variable) not in numbers:
            raise FormatError(
                f"the file must hold {variable} ({key.replace('_', ' ')}) on level {level}",
                got=sorted({found for at, found in numbers if at == level}),
                remedy=f"make the file with it{_REMEDIES.get(variable, '')}",
                where=f"{name}:record {period.record}",
            )
        places[key].append(numbers[level, variable])
    return places


def _dataset(
    chosen: list[Period], grid: Grid, surface: dict[str, np.ndarray], upper: dict[str, np.ndarray], name: str
) -> xr.Dataset:
    """Return the labelled dataset."""
    terrain = surface.pop("terrain")
    if np.any(terrain != terrain[0]):
        raise CoordinateError(
            "the ground (SHGT) must stay the same",
            got="it changes with time",
            remedy="read the parts apart",
            where=name,
        )
    height = upper.pop("height") - terrain[:, None]
    levels = np.array(chosen[0].levels[1:], dtype=np.float32) * np.float32(_PASCAL_PER_HPA)
    pressure = np.broadcast_to(levels[None, :, None, None], height.shape)
    humidity = specific_humidity(upper.pop("humidity"), upper["temperature"], pressure)
    density = moist_density(pressure, upper["temperature"], humidity, dry=_R_DRY, vapour=_R_VAPOUR)
    w = -upper.pop("omega") * _PASCAL_PER_HPA / (density * _GRAVITY)
    volume = {"height": height, "pressure": pressure, "humidity": humidity, "density": density, "w": w}
    surface["surface_pressure"] *= _PASCAL_PER_HPA
    if "boundary_layer_height" not in surface:
        surface["boundary_layer_height"] = _derived(chosen, volume | upper | surface, name)
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]]
    variables = {key: (("time", "level", "y", "x"), values) for key, values in (volume | upper).items()}
    variables |= {key: (("time", "y", "x"), values) for key, values in surface.items()}
    out = xr.Dataset(
        {**variables, "terrain": (("y", "x"), terrain[0])},
        coords={**grid.coordinates(), "time": np.array([period.time for period in chosen])},
        attrs={"source": f"{name} ({chosen[0].source.strip()})"},
    )
    return label(out.astype(np.float32, keep_attrs=True), "meteorology")


def _derived(chosen: list[Period], fields: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return (time, y, x) boundary-layer heights by bulk Richardson number."""
    return np.stack(
        [
            derived_height(
                {key: values[step] for key, values in fields.items()},
                gravity=_GRAVITY,
                dry=_R_DRY,
                vapour=_R_VAPOUR,
                where=f"{name} at {_minute(period.time)}",
            )
            for step, period in enumerate(chosen)
        ]
    )


def _minute(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]"))
