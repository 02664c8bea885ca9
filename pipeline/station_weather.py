"""The weather of a case at its stations, hour by hour, from the weather that carries its particles."""

from __future__ import annotations

import numpy as np

from kernels.air import LAYER
from pipeline.footprints_weather import CaseWeather
from pipeline.transport import Prepared, cells_per_metre, levels

#: height of the wind, m
_WIND_HEIGHT = 10.0
_HALF_HOUR = np.timedelta64(30, "m")


class StationWeather:
    """Wind and boundary layer at places: called as `pipeline.ingest.surroundings.Surroundings` says.

    Parameters
    ----------
    weather
        Of the case.
    """

    def __init__(self, weather: CaseWeather) -> None:
        self._weather = weather
        self._level = int(np.argmin(np.abs(levels(weather.settings.top) - _WIND_HEIGHT)))
        self._fields: dict[np.datetime64, np.ndarray | None] = {}

    def __call__(self, lon: np.ndarray, lat: np.ndarray, hours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (wind m s-1, boundary layer m) at the middle of each hour: linear in time, bilinear in space."""
        wind, layer = np.full(hours.size, np.nan), np.full(hours.size, np.nan)
        middle = hours.astype("datetime64[ns]") + _HALF_HOUR
        step = np.timedelta64(int(self._weather.step), "s")
        before = middle - middle.astype(np.int64) % step.astype("timedelta64[ns]").astype(np.int64)
        for time in np.unique(before):
            mine = np.flatnonzero(before == time)
            ends = [self._at(when) for when in (time, time + step)]
            if ends[0] is None or ends[1] is None:
                continue
            share = (middle[mine] - time) / step
            place = self._between(lon[mine], lat[mine])
            early, late = (_bilinear(field, *place) for field in ends)  # type: ignore[arg-type]
            u, v, deep = (early * (1.0 - share) + late * share).reshape(3, -1)
            wind[mine], layer[mine] = np.hypot(u, v), deep
        return wind, layer

    def _at(self, time: np.datetime64) -> np.ndarray | None:
        """Return (u, v, layer) of a weather time, (3, y, x) float64; None where it cannot be had."""
        if time not in self._fields:
            usable = time in self._weather.sources and self._weather.is_usable(time)
            prepared = self._weather.fetch(time) if usable else None
            self._fields[time] = None if prepared is None else self._field(prepared)
        return self._fields[time]

    def _field(self, prepared: Prepared) -> np.ndarray:
        per_x, per_y = cells_per_metre(self._weather.weather_grid)
        cells = prepared.volume[:, :, self._level, :2].astype(np.float64)
        return np.stack([cells[..., 0] / per_x, cells[..., 1] / per_y, prepared.surface[..., LAYER]])

    def _between(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return (row, column) of the centres before each place and the shares of the way on; NaN shares outside."""
        grid = self._weather.weather_grid
        x, y = grid.from_lonlat(lon, lat)
        found: list[np.ndarray] = []
        for place, centres in ((np.asarray(y), grid.y), (np.asarray(x), grid.x)):
            along = np.interp(place, centres, np.arange(centres.size), left=np.nan, right=np.nan)
            index = np.minimum(np.nan_to_num(along).astype(np.int64), centres.size - 2)
            found += [index, along - index]
        return tuple(found)


def _bilinear(field: np.ndarray, row: np.ndarray, up: np.ndarray, column: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return (3, place) values between four centres."""
    low = field[:, row, column] * (1.0 - right) + field[:, row, column + 1] * right
    high = field[:, row + 1, column] * (1.0 - right) + field[:, row + 1, column + 1] * right
    out: np.ndarray = low * (1.0 - up) + high * up
    return out
