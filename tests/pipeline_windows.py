"""A small window as Datasets: two stations, two sectors, a day; everything random but the structure."""

import numpy as np
import xarray as xr

from pipeline.grid import Grid, box_regions
from pipeline.inversion import region_functionals, solve
from pipeline.schema import HOUR, Flag, hours_between, label
from pipeline.settings import Box, Settings
from pipeline.units import SPECIES

GRID = Grid.from_centres("EPSG:4326", 118.0 + 0.25 * np.arange(6), 28.0 + 0.25 * np.arange(5))
START, END = np.datetime64("2024-07-14T18"), np.datetime64("2024-07-16T00")
TIME = hours_between(START, END)
STATIONS = {"AAA": (118.5, 28.5), "BBB": (119.0, 28.75)}


def settings(**solver):
    sector = {"sources": [{"file": "a.nc", "format": "netcdf", "variable": "flux"}], "length": 40, "hours": 6}
    feed = {"format": "gcwerks", "files": ["*"], "height": 10}
    return Settings.model_validate(
        {
            "case": {
                "name": "small",
                "title": "A small window",
                "species": "co2",
                "flux_hours": {"start": f"{START}:00Z", "end": f"{END}:00Z"},
                "observation_hours": {"start": "2024-07-15T00:00Z", "end": f"{END}:00Z"},
            },
            "grid": {"crs": "EPSG:4326", "x": {"first": 118.0, "step": 0.25, "count": 6},
                     "y": {"first": 28.0, "step": 0.25, "count": 5}},
            "stations": [
                {"id": "AAA", **feed, "representation_error": 1.0},
                {"id": "BBB", **feed, "representation_error": 3.0},
            ],
            "footprints": [{"format": "stilt", "files": ["*"]}],
            "sectors": [
                {"name": "anthropogenic", **sector, "sigma_fraction": 0.5},
                {"name": "biosphere", **sector, "sigma_fraction": 0.5, "sigma_floor": 1.0},
            ],
            "background": {"kind": "series", "file": "b.csv", "sigma": 1.0, "hours": 6,
                           "table": {"time": "t", "value": "v", "unit": "ppm"}},
            "solver": {"members": 8, **solver},
            "outputs": {"store": "small.zarr", "ensemble": True},
        }
    )  # fmt: skip


def regions():
    boxes = [
        Box(id="WEST", name="west", box=(117.875, 118.625, 27.875, 29.125)),
        Box(id="EAST", name="east", box=(118.625, 119.375, 27.875, 29.125)),
        Box(id="ALL", name="all", box=(117.875, 119.375, 27.875, 29.125)),
    ]
    return box_regions(boxes, GRID)


def solved(problem):
    """The solution, with what the totals of the regions need."""
    functionals = region_functionals(regions(), SPECIES["co2"], TIME.size, problem.prior.dtype)
    return solve(problem, functionals=functionals)


def observations(random):
    hours = TIME[np.datetime64("2024-07-15") <= TIME]
    rows = [(t, s) for t in hours for s in STATIONS]
    m = len(rows)
    flag = np.zeros(m, dtype=np.uint32)
    flag[3] = Flag.RANGE_FAIL
    station = np.array([s for _, s in rows], dtype=object)
    return label(
        xr.Dataset(
            {
                "time": ("obs", np.array([t for t, _ in rows])),
                "value": ("obs", 400 + random.normal(0, 3, m)),
                "uncertainty": ("obs", np.full(m, 0.2)),
                "spread": ("obs", np.full(m, 0.5)),
                "count": ("obs", np.full(m, 60)),
                "flag": ("obs", flag),
                "station": ("obs", station),
                "platform": ("obs", np.full(m, "city", dtype=object)),
                "lon": ("obs", np.array([STATIONS[s][0] for s in station])),
                "lat": ("obs", np.array([STATIONS[s][1] for s in station])),
                "height": ("obs", np.full(m, 10.0)),
                "scale": ("obs", np.full(m, "WMO CO2 X2019", dtype=object)),
            },
            attrs={"species": "co2"},
        ),
        "observations",
    )


def footprints(random, observed):
    """A footprint of the last six hours for every observation but the first; some reach outside the day."""
    kept = observed.isel(obs=slice(1, None))
    indptr, hour, cell, value = [0], [], [], []
    for t in kept["time"].values:
        for back in range(6):
            chosen = random.choice(GRID.size, 5, replace=False)
            hour += [t - back * HOUR] * 5
            cell += list(chosen)
            value += list(random.exponential(0.15, 5))
        indptr.append(len(hour))
    return label(
        xr.Dataset(
            {
                **{name: ("obs", kept[name].values) for name in ("time", "station", "lon", "lat", "height")},
                "indptr": ("row_edge", np.array(indptr)),
                "hour": ("entry", np.array(hour)),
                "cell": ("entry", np.array(cell)),
                "footprint": ("entry", np.array(value)),
            },
            attrs={"species": "co2"},
        ),
        "footprints",
    )


def background(rows):
    m = rows.sizes["obs"]
    return label(
        xr.Dataset(
            {
                "time": ("obs", rows["time"].values),
                "station": ("obs", rows["station"].values),
                "background": ("obs", np.linspace(398, 400, m)),
                "exit_share": ("obs", np.ones(m)),
            },
            attrs={"species": "co2"},
        ),
        "background",
    )


def fluxes(random):
    shape = (2, TIME.size, *GRID.shape)
    flux = random.normal([[[[4.0]]], [[[-2.0]]]], 1.0, shape)
    return label(
        xr.Dataset(
            {
                "flux": (("sector", "time", "y", "x"), flux),
                "flux_std": (("sector", "time", "y", "x"), 0.3 + 0.5 * np.abs(flux)),
            },
            coords={"time": TIME, "sector": np.array(["anthropogenic", "biosphere"], dtype=object)},
            attrs={"species": "co2"},
        ),
        "fluxes",
    )
