"""Small cases and foreign files for the ingest tests, written in the real formats."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

import station_meta
from pipeline.grid.definition import Grid
from pipeline.settings import Settings

#: the registry's position of Tacolneston
TAC = (1.13872, 52.51775)
HOUR = np.timedelta64(1, "h")


def shared_data() -> Path:
    """Return the folder of real inputs beside the checkout, or skip."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data")
    return folder


def lonlat_grid(nx: int = 5, ny: int = 4) -> Grid:
    """Return a small grid round Tacolneston; nx and ny differ, so that swapped axes show."""
    return Grid.from_centres("EPSG:4326", 0.3 + 0.4 * np.arange(nx), 52.0 + 0.25 * np.arange(ny))


def settings(**changes) -> Settings:
    """Return a valid case; sections given replace the default ones."""
    base = {
        "case": {
            "name": "test",
            "title": "a test",
            "species": "co2",
            "flux_hours": {"start": "2014-06-30T00:00:00Z", "end": "2014-07-02T00:00:00Z"},
            "observation_hours": {"start": "2014-07-01T00:00:00Z", "end": "2014-07-02T00:00:00Z"},
        },
        "grid": {
            "crs": "EPSG:4326",
            "x": {"first": 0.3, "step": 0.4, "count": 5},
            "y": {"first": 52.0, "step": 0.25, "count": 4},
        },
        "stations": [
            {"id": "TAC", "format": "gcwerks", "files": ["tac.dat"], "height": 100, "representation_error": 1.0}
        ],
        "footprints": [{"format": "name", "files": ["*.nc"], "station": "TAC", "height": 100}],
        "sectors": [{"name": "fossil", "sources": [source()], "sigma_fraction": 0.5, "length": 50, "hours": 5}],
        "background": {"kind": "curtains", "file": "edges.nc", "unit": "mol mol-1", "sigma": 1.0, "hours": 6},
        "outputs": {"store": "out.zarr"},
    }
    return Settings.model_validate(base | changes)


def source(**changes) -> dict:
    """Return a flux source."""
    return {"file": "flux.nc", "format": "netcdf", "variable": "flux"} | changes


def registry():
    """Return the shipped station table."""
    return station_meta.load()


def times(count: int, start: str = "2014-07-01T06", step: int = 1) -> np.ndarray:
    """Return hour labels."""
    return (np.datetime64(start) + step * HOUR * np.arange(count)).astype("datetime64[ns]")


def write_field(
    path: Path,
    name: str,
    values: np.ndarray,
    dims: tuple[str, ...],
    axes: dict[str, np.ndarray],
    *,
    attrs: dict | None = None,
    time: dict | None = None,
) -> Path:
    """Write a field and its axes; time axes are datetime64 and get `time` as extra attributes."""
    with netCDF4.Dataset(path, "w") as data:
        for dim, axis in axes.items():
            data.createDimension(dim, axis.size)
            if axis.dtype.kind == "M":
                variable = data.createVariable(dim, "f8", (dim,))
                variable[:] = (axis - np.datetime64("2014-01-01")) / HOUR
                variable.setncatts({"units": "hours since 2014-01-01", **({"label": "left"} if time is None else time)})
            else:
                variable = data.createVariable(dim, "f8", (dim,))
                variable[:] = axis
        data.createVariable(name, "f8", dims)[:] = values
        data[name].setncatts(attrs or {})
    return path


def write_name_file(
    path: Path,
    grid: Grid,
    fp: np.ndarray,
    labels: np.ndarray,
    *,
    resolved: np.ndarray | None = None,
    h_back: np.ndarray | None = None,
    exits: dict[str, np.ndarray] | None = None,
    heights: np.ndarray | None = None,
    descending: bool = False,
    dims: tuple[str, ...] = ("lat", "lon", "time"),
    place: tuple[float, float] = TAC,
    unit: str | None = "(mol/mol)/(mol/m2/s)",
    time: dict | None = None,
) -> Path:
    """Write a NAME file as OpenGHG stores it.

    fp is (time, y, x) on the grid's ascending axes; resolved is (time, H_back, y, x); exits n, s are (time, height,
    x), e, w (time, height, y). A descending file holds the same field with its rows turned.
    """
    turn = slice(None, None, -1) if descending else slice(None)
    axes = {"time": labels, "lat": grid.y[turn], "lon": grid.x}
    order = [("time", "lat", "lon").index(dim) for dim in dims]
    stated = {"label": "left", "period": "1.0 hours"} if time is None else time
    attrs = {} if unit is None else {"units": unit}
    write_field(path, "fp", fp[:, turn].transpose(order), dims, axes, attrs=attrs, time=stated)
    with netCDF4.Dataset(path, "a") as data:
        for name, value in zip(("release_lon", "release_lat"), place, strict=True):
            data.createVariable(name, "f4", ("time",))[:] = np.full(labels.size, value)
        if resolved is not None:
            data.createDimension("H_back", h_back.size)
            data.createVariable("H_back", "i8", ("H_back",))[:] = h_back
            variable = data.createVariable("fp_HiTRes", "f8", ("lat", "lon", "time", "H_back"), fill_value=np.nan)
            variable[:] = resolved[:, :, turn].transpose(2, 3, 0, 1)
        if exits is not None:
            data.createDimension("height", heights.size)
            data.createVariable("height", "f4", ("height",))[:] = heights
            for side, values in exits.items():
                axis = "lon" if side in "ns" else "lat"
                stored = values if axis == "lon" else values[..., turn]
                variable = data.createVariable(f"particle_locations_{side}", "f4", ("height", axis, "time"))
                variable[:] = stored.transpose(1, 2, 0)
    return path


def dense(footprints, hours: np.ndarray) -> np.ndarray:
    """Return the sparse dataset as (obs, hour, cell)."""
    rows = np.repeat(np.arange(footprints.sizes["obs"]), np.diff(footprints["indptr"].values))
    lag = ((footprints["hour"].values - hours[0]) // HOUR).astype(int)
    out = np.zeros((footprints.sizes["obs"], hours.size, footprints.sizes["y"] * footprints.sizes["x"]))
    np.add.at(out, (rows, lag, footprints["cell"].values), footprints["footprint"].values)
    return out
