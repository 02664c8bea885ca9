"""A small case with weather of its own: hourly ERA5-like files, three stations, few particles, six hours back."""

import contextlib

import era5_cases
import numpy as np
import xarray as xr

from pipeline.footprints import make_footprints
from pipeline.grid import Grid
from pipeline.schema import HOUR, label
from pipeline.settings import Settings

START = era5_cases.START
GRID = Grid.from_centres("EPSG:4326", 8.3 + 0.1 * np.arange(8), 49.2 + 0.1 * np.arange(6))
HOURS = 6
#: station -> longitude, latitude, height
STATIONS = {"AAA": (8.55, 49.4, 10.0), "BBB": (8.7, 49.55, 60.0), "CCC": (8.85, 49.35, 120.0)}


def write_hour(root, hour, change=None):
    """Write the weather of one hour after START: weak winds that turn with the hour."""
    turn = {"u": lambda v: 0.2 * (v - hour) + np.sin(hour), "v": lambda v: 0.2 * v + np.cos(hour)}
    return era5_cases.write_cds(root / f"era5_{hour:02d}.nc", hours=(hour,), change=turn | (change or {}))


def write_hours(root, hours):
    root.mkdir(parents=True, exist_ok=True)
    return [write_hour(root, hour) for hour in hours]


def settings(**transport):
    sector = {"sources": [{"file": "a.nc", "format": "netcdf", "variable": "flux"}], "length": 40, "hours": 6}
    window = {"start": "2025-05-01T00:00Z", "end": "2025-05-02T00:00Z"}
    axes = {name: {"first": values[0], "step": 0.1, "count": values.size} for name, values in
            {"x": GRID.x, "y": GRID.y}.items()}  # fmt: skip
    chosen = {"folder": "made", "hours": HOURS, "particles": 64, "top": 4000.0,
              "meteorology": {"format": "era5", "files": ["era5_*.nc"]}, **transport}  # fmt: skip
    return Settings.model_validate(
        {
            "case": {"name": "small", "title": "A small case", "species": "co2", "flux_hours": window,
                     "observation_hours": window},
            "grid": {"crs": "EPSG:4326", **axes},
            "stations": [{"id": "AAA", "format": "gcwerks", "files": ["*"], "height": 10, "representation_error": 1}],
            "transport": chosen,
            "sectors": [{"name": "all", **sector, "sigma_fraction": 0.5}],
            "background": {"kind": "series", "file": "b.csv", "sigma": 1.0, "hours": 6,
                           "table": {"time": "t", "value": "v", "unit": "ppm"}},
            "outputs": {"store": "small.zarr"},
        }
    )  # fmt: skip


def receptors(hours=(8, 9), stations=tuple(STATIONS), **changed):
    """Return receptors of whole hours, by time and station; `changed` are columns, broadcast over the rows."""
    rows = [(START + hour * HOUR, name, *STATIONS[name]) for hour in hours for name in stations]
    time, station, lon, lat, height = zip(*rows, strict=True)
    columns = {"time": np.array(time), "station": np.array(station), "lon": np.array(lon), "lat": np.array(lat),
               "height": np.array(height), "duration": np.full(len(rows), 3600.0)}  # fmt: skip
    for name, values in changed.items():
        columns[name] = np.broadcast_to(np.asarray(values, dtype=columns[name].dtype), len(rows)).copy()
    bare = xr.Dataset({name: ("obs", values) for name, values in columns.items()}, attrs={"species": "co2"})
    return label(bare, "receptors")


def make(root, folder, rows=None, *, case=None, grid=GRID, threads=1, scheduler=None):
    """Make the footprints of some receptors and return what was done."""
    return make_footprints(
        case or settings(), grid, receptors() if rows is None else rows, root, folder, threads=threads,
        scheduler=scheduler, progress=lambda *_: None,
    )  # fmt: skip


def contents(folder, pattern="*.nc"):
    """Return name -> bytes of the files under a folder, hidden ones left out."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob(pattern) if p.name[0] != "."}


def stamps(folder):
    """Return name -> (time of change, bytes) of every file under a folder."""
    return {
        p.relative_to(folder).as_posix(): (p.stat().st_mtime_ns, p.read_bytes())
        for p in folder.rglob("*")
        if p.is_file()
    }


def rows_of(path):
    """Return (station, time to the hour) -> variable -> the row's numbers, of an hour file."""
    with contextlib.closing(xr.open_dataset(path, engine="netcdf4")) as data:
        edges = data["indptr"].values
        return {
            (str(data["station"].values[row]), str(data["time"].values[row])[:13]): {
                **{n: data[n].values[edges[row] : edges[row + 1]] for n in ("hour", "cell", "footprint")},
                **{str(n): data[n].values[row] for n in data if str(n).startswith("end_")},
            }
            for row in range(data.sizes["obs"])
        }


def require_equal_rows(one, two):
    assert set(one) == set(two)
    for name, row in one.items():
        assert set(row) == set(two[name])
        for variable, values in row.items():
            np.testing.assert_array_equal(values, two[name][variable])
