"""Three footprints to look at: `python -m benchmarks.footprint_pictures FOLDER`.

One inlet near Hangzhou Bay in weather of closed form: a day's convective layer, a night's stable one, and a sea breeze,
whose air turned round within the day. The sea breeze is a non-divergent roll along the coast: onshore below, offshore
above, rising inland; it reverses weakly at night.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.transport_weather import START, meteorology
from pipeline.grid import Grid
from pipeline.schema import HOUR, label
from pipeline.settings import MeteorologySettings, TransportSettings
from pipeline.show_footprint import draw_footprint
from pipeline.transport import Receptor, WeatherWindow, footprints_dataset, prepare, trace_receptor

_LID = 12_000.0
_LON, _LAT, _HEIGHT = 121.55, 30.0, 60.0
_HOURS = 24
#: UTC; local time is 8 h later: 14 h, 3 h and 17 h
_CASES = {"day": ("2024-06-02T06", 0.0), "night": ("2024-06-02T19", 0.0), "sea-breeze": ("2024-06-02T09", 6.0)}
#: depth of the roll, its half width, m, and the coast it stands on, degrees east
_DEPTH, _WIDTH, _COAST = 1500.0, 60_000.0, 121.9


def _grid() -> Grid:
    crs = "+proj=lcc +lat_1=29 +lat_2=31 +lat_0=30 +lon_0=121 +R=6370000 +units=m"
    axis = 3000.0 * (np.arange(140) - 69.5)
    return Grid.from_centres(crs, axis, axis)


def breeze(hour: xr.Dataset, grid: Grid, number: int, strength: float) -> xr.Dataset:
    """Return an hour of weather with the roll of a stream function on top; light large-scale wind.

    psi = S(t) sin(pi z / D) exp(-(x / W)^2),  u = -d psi / dz,  w = d psi / dx  for z below D.
    """
    out = hour.copy(deep=True)
    x = grid.x - float(grid.from_lonlat(_COAST, _LAT)[0])
    z = hour["height"].values[0, :, 0, 0].astype(np.float64)
    local = (number + 8) % 24
    phase = strength * (np.sin(np.pi * (local - 9) / 11) if 9 <= local <= 20 else -0.25)
    shape = np.exp(-((x / _WIDTH) ** 2))
    inside = (z < _DEPTH)[:, None]
    scale = phase * _DEPTH / np.pi
    u = -scale * np.pi / _DEPTH * np.cos(np.pi * z / _DEPTH)[:, None] * shape[None, :]
    w = scale * np.sin(np.pi * z / _DEPTH)[:, None] * (-2 * x / _WIDTH**2 * shape)[None, :]
    for name, roll, calm in (("u", u, 0.25), ("v", 0.0 * u, 0.25), ("w", w, 0.0)):
        out[name].values[0] = calm * hour[name].values[0] + np.where(inside, roll, 0.0)[:, None, :]
    return label(out, "meteorology")


def main(folder: Path) -> None:
    """Trace and draw."""
    grid = _grid()
    folder.mkdir(parents=True, exist_ok=True)
    settings = TransportSettings(
        meteorology=MeteorologySettings(format="wrf", files=["none"]), folder="none", hours=_HOURS, particles=4000
    )
    for name, (time, strength) in _CASES.items():
        hour = np.datetime64(time, "ns")
        last = int((hour - START) / HOUR) + 1
        window = WeatherWindow(grid, grid, _LID, 3600.0, _HOURS + 3)
        for number in range(last - _HOURS - 1, last + 1):
            weather = meteorology(grid, number, 30)
            if strength:
                weather = breeze(weather, grid, number, strength)
            window.put(window.index(START + number * HOUR), prepare(weather, grid, _LID)[0])
        receptor = Receptor(hour, 3600.0, name.upper(), _LON, _LAT, _HEIGHT)
        first, end = window.index(START) + last - _HOURS - 1, window.index(START) + last
        made = trace_receptor(receptor, window, np.array([first, end, window.slots]), settings)
        row = footprints_dataset([made], grid, "co2")
        draw_footprint(row, grid, folder / f"{name}.png", age=True)
        print(f"{name}: total {made.value.sum(dtype=np.float64):.3f} ppm per umol m-2 s-1, picture {name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
