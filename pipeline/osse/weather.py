"""Simulated weather over the province, hour by hour: large-scale wind, breezes, boundary layer, sun, cloud, warmth.

Everything is a smooth function of place and time with seeded phases; `pipeline.osse.wind` turns an hour of it into
winds on all levels that conserve mass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse
import scipy.sparse.linalg
import xarray as xr

from pipeline.grid import Grid
from pipeline.ingest.temporal import sin_elevation
from pipeline.osse.landscape import Landscape, landscape, smooth
from pipeline.osse.world import World
from pipeline.schema import HOUR

ZONE = "Asia/Shanghai"
#: phases of the weather count from here, so that a longer case holds a shorter one's hours; a Monday
EPOCH = np.datetime64("2024-07-15T00", "ns")

#: the wind turns once in this many hours, and swings about that; mean speed over the boundary layer, m s-1
_TURN_HOURS, _SWING, _SPEED = 110.0, 0.45, 3.8
#: waves on the wind: length, km, and speed, m s-1, each
_WAVES = ((300.0, 0.7), (430.0, 0.8), (600.0, 0.8))
#: hills of this height, m, halve the depth of the channel that the low wind has
_CHANNEL = 600.0
#: sea breeze at its best and land breeze at its, m s-1, over a front of this width, km
_BREEZE, _FRONT = (4.0, -1.2), 25.0
#: up-slope wind by day and down-slope by night, m s-1, on slopes steeper than this
_SLOPE_WIND, _STEEP = (1.4, -1.6), 0.02
#: boundary layer, m: over land at its deepest under a clear sky; over sea; at night per m s-1 of wind, and in calm
_DEEP, _MARINE, _NIGHT = 1700.0, 450.0, (80.0, 45.0)
#: share of the sunlight that warms the air; loss at night, gain over sea and over towns, W m-2
_WARMING, _COOLING, _SEA_HEAT, _TOWN_HEAT = 0.36, -14.0, 12.0, 15.0
#: K: mean, its swing over days, daily half-swings over land and sea, more in towns
_WARM, _SWING_K, _DAILY, _TOWN = 300.5, 1.5, (4.0, 0.6), 1.0
#: screen-level specific humidity, kg kg-1
_MOIST = 0.0165
#: roughness lengths, m: sea, crop, forest, town
_ROUGHNESS = (3e-4, 0.1, 0.8, 1.0)
#: how far the transport error's patterns reach, km, and last, hours
_ERROR_LENGTH, _ERROR_HOURS = 80.0, 18.0


@dataclass(frozen=True)
class TransportError:
    """How far the weather that carried the air was from the one that the case names, one sigma.

    Parameters
    ----------
    speed
        Share of the wind speed.
    direction
        Degrees.
    depth
        Share of the boundary-layer height.
    """

    speed: float = 0.10
    direction: float = 10.0
    depth: float = 0.20


def local_hour(times: np.ndarray) -> np.ndarray:
    """Return the local hour of day at the middle of each UTC hour, float64 in [0, 24).

    Examples
    --------
    >>> local_hour(np.array(["2024-07-15T00"], dtype="datetime64[ns]")).tolist()
    [8.5]
    """
    local = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(ZONE)
    return np.asarray(local.hour, dtype=np.float64) + 0.5


def simulate_weather(times: np.ndarray, grid: Grid, world: World) -> xr.Dataset:
    """Return the weather at instants.

    Parameters
    ----------
    times : (time,) datetime64[ns]
        Whole hours, UTC.
    grid
        Of the weather, in metres.
    world
        Phases of wind, waves and clouds.

    Returns
    -------
    Dataset over (time, y, x): the wind's parts as complex numbers u + i v along the grid's axes, m s-1 (`high`: aloft;
    `low`: the same, channelled by hills; `breeze`: at the ground, from sea to land by day; `slope`: at the ground, up
    the slopes by day); boundary_layer_height (m), heat_flux (W m-2, upward), radiation (W m-2), temperature (K, at
    2 m), humidity (%, at 2 m). Over (y, x): terrain (m), roughness (m).
    """
    ground = landscape(grid)
    hours = ((times - EPOCH) / HOUR)[:, None, None]
    # `local_hour` is of the hour's middle, the weather of its start
    clock = (local_hour(times) - 0.5)[:, None, None]
    cloud = _cloud(hours, grid, world)
    light = radiation(times, grid, cloud)
    steady, waves = _synoptic(hours, world), _waves(hours, grid, world)
    # the coast as the air feels it: a front, not a line
    coast = smooth(ground.land, grid, 0.5 * _FRONT)
    dims = ("time", "y", "x")
    low = steady * _channelled(ground.height, steady) + waves
    fields = {
        "high": steady + waves,
        "low": low,
        "breeze": _daily(clock, 15.0, 3.0, 4.5, 3.5, _BREEZE) * _onshore(ground.land, grid),
        "slope": _daily(clock, 13.0, 3.0, 2.0, 4.5, _SLOPE_WIND) * _upslope(ground.height, grid),
        "boundary_layer_height": _depth(clock, coast, ground, cloud, np.abs(low)),
        "heat_flux": _heat(coast, ground, light),
        "radiation": light,
        "temperature": _temperature(hours, clock, coast, ground, world),
    }
    fields["humidity"] = relative_humidity(fields["temperature"], ground.height)
    sea, crop, forest, town = _ROUGHNESS
    logs = (1 - ground.land) * np.log(sea) + ground.crop * np.log(crop)
    logs = logs + ground.forest * np.log(forest) + ground.urban * np.log(town)
    return xr.Dataset(
        {name: (dims, np.broadcast_to(values, (times.size, *grid.shape))) for name, values in fields.items()}
        | {"terrain": (dims[1:], ground.height), "roughness": (dims[1:], np.exp(logs))},
        coords={"time": times},
    )


def perturbed(weather: xr.Dataset, grid: Grid, error: TransportError, rng: np.random.Generator) -> xr.Dataset:
    """Return the weather that really carried the air: wind and boundary layer off by smooth, lasting errors.

    Parameters
    ----------
    weather
        Of `simulate_weather` on `grid`.
    error
        One-sigma sizes.
    """
    count = weather.sizes["time"]
    speed, direction, depth = (_pattern(count, grid, rng) for _ in range(3))
    turned = (1 + error.speed * speed) * np.exp(1j * np.radians(error.direction) * direction)
    deeper = np.exp(error.depth * depth)
    factors = dict.fromkeys(("high", "low", "breeze", "slope"), turned) | {"boundary_layer_height": deeper}
    return weather.assign({name: weather[name] * factor for name, factor in factors.items()})


def radiation(times: np.ndarray, grid: Grid, cloud: np.ndarray) -> np.ndarray:
    """Return sunlight at the ground, W m-2: (time, y, x).

    Clear sky: Haurwitz (1945, J. Meteorol. 2, 154); cloud cover: Kasten and Czeplak (1980, Solar Energy 24, 177).

    Parameters
    ----------
    cloud : (time, y, x)
        Share of the sky that is covered.
    """
    lon, lat = grid.lonlat
    sine = np.maximum(sin_elevation(times[:, None, None], lon, lat), 1e-3)
    clear = 1098.0 * sine * np.exp(-0.057 / sine)
    out: np.ndarray = np.where(sine > 1e-3, clear, 0.0) * (1 - 0.75 * cloud**3.4)
    return out


def relative_humidity(temperature: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return the relative humidity at 2 m, %, of air that holds the same vapour all day.

    Saturation: Bolton (1980, Mon. Weather Rev. 108, 1046), eq. 10.

    Parameters
    ----------
    temperature : (time, y, x)
        K.
    height : (y, x)
        Above sea, m.
    """
    celsius = temperature - 273.15
    saturated = 611.2 * np.exp(17.67 * celsius / (celsius + 243.5))
    vapour = _MOIST * 1.008e5 * np.exp(-height / 8500.0) * np.exp(-height / 2500.0) / 0.622
    return np.clip(100 * vapour / saturated, 20.0, 99.0)


def _synoptic(hours: np.ndarray, world: World) -> np.ndarray:
    """Return the wind far from hills and coasts, complex (time, 1, 1): it turns, so that every city has its turn."""
    phase = world.phase
    direction = phase[0] + 2 * np.pi * hours / _TURN_HOURS + _SWING * np.sin(2 * np.pi * hours / 37 + phase[1])
    speed = _SPEED + 1.0 * np.sin(2 * np.pi * hours / 61 + phase[2]) + 0.4 * np.sin(2 * np.pi * hours / 23 + phase[3])
    out: np.ndarray = speed * np.exp(1j * direction)
    return out


def _waves(hours: np.ndarray, grid: Grid, world: World) -> np.ndarray:
    """Return travelling waves of a stream function, complex (time, y, x): free of divergence."""
    x, y = np.meshgrid(grid.x, grid.y)
    out = np.zeros((hours.shape[0], *grid.shape), np.complex128)
    for index, (length, speed) in enumerate(_WAVES):
        angle, start = world.phase[4 + 2 * index : 6 + 2 * index]
        number = 2 * np.pi / (length * 1e3)
        along = np.cos(angle) * x + np.sin(angle) * y
        # they travel with 4 m s-1; the wind of a plane wave blows along its crests
        wave = np.cos(number * (along - 4.0 * 3600 * hours) + start)
        out += speed * wave * 1j * np.exp(1j * angle)
    return out


def _channelled(height: np.ndarray, steady: np.ndarray) -> np.ndarray:
    """Return the low wind over the steady one: the potential flow through a channel that hills make shallow.

    u = e - grad phi with div (d u) = 0, solved for e along x and along y; air goes round hills, and faster over them.
    """
    depth = 1.0 / (1.0 + height / _CHANNEL)
    east, north = (_potential_flow(depth, axis) for axis in (0, 1))
    out: np.ndarray = (steady.real * east + steady.imag * north) / steady
    return out


def _potential_flow(depth: np.ndarray, axis: int) -> np.ndarray:
    """Return the flow of a unit wind along one axis, complex (y, x); phi is zero beyond the edge."""
    ny, nx = depth.shape
    wide = np.pad(depth, 1, mode="edge")
    face_x = 0.5 * (wide[1:-1, 1:] + wide[1:-1, :-1])
    face_y = 0.5 * (wide[1:, 1:-1] + wide[:-1, 1:-1])
    index = np.arange(ny * nx).reshape(ny, nx)
    diagonal = face_x[:, 1:] + face_x[:, :-1] + face_y[1:] + face_y[:-1]
    rows, columns, values = [index.ravel()], [index.ravel()], [diagonal.ravel()]
    for one, other, face in (
        (index[:, 1:], index[:, :-1], face_x[:, 1:-1]),
        (index[1:], index[:-1], face_y[1:-1]),
    ):
        rows += [one.ravel(), other.ravel()]
        columns += [other.ravel(), one.ravel()]
        values += [-face.ravel()] * 2
    matrix = scipy.sparse.csc_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(index.size,) * 2
    )
    face = face_x if axis == 0 else face_y
    source = -np.diff(face, axis=1 - axis)
    phi = scipy.sparse.linalg.spsolve(matrix, source.ravel()).reshape(ny, nx)
    slope_y, slope_x = np.gradient(phi)
    flow: np.ndarray = (1.0 if axis == 0 else 1j) - (slope_x + 1j * slope_y)
    return flow


def _onshore(land: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the direction from sea to land, complex (y, x): length one at a straight coast, fading over the front."""
    slope_y, slope_x = np.gradient(smooth(land, grid, _FRONT), grid.y, grid.x)
    out: np.ndarray = (slope_x + 1j * slope_y) * np.sqrt(2 * np.pi) * _FRONT * 1e3
    return out


def _upslope(height: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the direction up the slopes, complex (y, x), of length up to one."""
    slope_y, slope_x = np.gradient(height, grid.y, grid.x)
    slope = (slope_x + 1j * slope_y) / _STEEP
    out: np.ndarray = slope / np.sqrt(1 + np.abs(slope) ** 2)
    return out


def _daily(
    clock: np.ndarray, day: float, width: float, night: float, length: float, sizes: tuple[float, float]
) -> np.ndarray:
    """Return a swing with one bump by day and another by night, each about its hour."""

    def hump(centre: float, spread: float) -> np.ndarray:
        away = (clock - centre + 12) % 24 - 12
        out: np.ndarray = np.exp(-0.5 * (away / spread) ** 2)
        return out

    return sizes[0] * hump(day, width) + sizes[1] * hump(night, length)


def _cloud(hours: np.ndarray, grid: Grid, world: World) -> np.ndarray:
    """Return cloud cover, (time, y, x): overcast and clear days, and fields that drift."""
    x, y = np.meshgrid(grid.x * 1e-3, grid.y * 1e-3)
    phase = world.phase[10:]
    days = 0.45 + 0.25 * np.sin(2 * np.pi * hours / 83 + phase[0])
    drift = 14.0 * hours
    near = np.sin(2 * np.pi * (x - drift) / 170 + phase[1]) * np.sin(2 * np.pi * (y + 0.5 * drift) / 130 + phase[2])
    far = np.sin(2 * np.pi * (x + y - drift) / 420 + phase[3])
    out: np.ndarray = np.clip(days + 0.2 * near + 0.25 * far, 0.0, 1.0)
    return out


def _depth(clock: np.ndarray, coast: np.ndarray, ground: Landscape, cloud: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Return the boundary-layer height, m: it grows over land in the morning and collapses at sunset."""
    # half way up at 10 local time, down by 19
    grown = 0.25 * (1 + np.tanh((clock - 10.0) / 1.7)) * (1 - np.tanh((clock - 18.3) / 0.6))
    deep = _DEEP * (1 - 0.45 * cloud) * (1 - 0.2 * np.minimum(ground.height / 1000.0, 1.0)) * (1 + 0.1 * ground.urban)
    calm, per_wind = _NIGHT
    night = calm + per_wind * speed + 100.0 * ground.urban
    out: np.ndarray = coast * (night + (deep - night) * grown) + (1 - coast) * _MARINE
    return out


def _heat(coast: np.ndarray, ground: Landscape, light: np.ndarray) -> np.ndarray:
    """Return the sensible heat flux, W m-2: woods and paddies spend part of the light on vapour."""
    land = _COOLING + _WARMING * light * (1 - 0.25 * ground.forest - 0.35 * ground.crop) + _TOWN_HEAT * ground.urban
    out: np.ndarray = coast * land + (1 - coast) * _SEA_HEAT
    return out


def _temperature(
    hours: np.ndarray, clock: np.ndarray, coast: np.ndarray, ground: Landscape, world: World
) -> np.ndarray:
    """Return the temperature at 2 m, K."""
    land, sea = _DAILY
    daily = (sea + (land - sea) * coast) * np.cos(2 * np.pi * (clock - 14.5) / 24)
    slow = _SWING_K * np.sin(2 * np.pi * hours / 130 + world.phase[15])
    out: np.ndarray = _WARM + slow + daily - 6.5e-3 * ground.height + _TOWN * ground.urban
    return out


def _pattern(count: int, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Return a field of unit variance, (time, y, x), that decorrelates over `_ERROR_LENGTH` and `_ERROR_HOURS`."""
    margin = 24
    step = float(grid.x_edges[1] - grid.x_edges[0])
    wide = Grid(
        grid.crs,
        grid.x_edges[0] + step * np.arange(-margin, grid.nx + margin + 1),
        grid.y_edges[0] + step * np.arange(-margin, grid.ny + margin + 1),
    )
    keep = np.exp(-1 / _ERROR_HOURS)
    # a Gaussian kernel of sigma s has white noise correlated over s sqrt(2) and scaled by 1 / (2 s sqrt(pi)) per axis
    sigma = _ERROR_LENGTH / np.sqrt(2)
    scale = 2 * np.sqrt(np.pi) * sigma * 1e3 / step
    out = np.empty((count, *grid.shape))
    field = np.zeros(grid.shape)
    for index in range(count):
        shock = scale * smooth(rng.standard_normal(wide.shape), wide, sigma)[margin:-margin, margin:-margin]
        field = shock if index == 0 else keep * field + np.sqrt(1 - keep**2) * shock
        out[index] = field
    return out
