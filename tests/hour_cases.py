"""Stores of hours for tests: a small grid, values that a number says."""

from datetime import UTC, datetime, timedelta

import numpy as np
import xarray as xr

from pipeline.grid import HourStore, HourVersion

START = np.datetime64("2024-07-01T00")
NOON = datetime(2024, 7, 15, 12, tzinfo=UTC)
FIELDS = ("flux_prior", "flux_posterior")
SECTORS, NY, NX, REGIONS = 2, 6, 8, 3


def template(ny=NY, nx=NX):
    """Return a template as the service makes it, small."""
    shape = (SECTORS, ny, nx)
    attrs = {"grid_mapping": "crs", "units": "umol m-2 s-1"}
    return xr.Dataset(
        {
            **{name: (("sector", "y", "x"), np.zeros(shape, np.float32), attrs) for name in FIELDS},
            "region_total": (("sector", "region"), np.zeros((SECTORS, REGIONS)), {"units": "kg h-1"}),
            "station_value": (("feed",), np.zeros(2)),
        },
        coords={
            "sector": ("sector", np.array(["fossil", "land"], dtype=object)),
            "region": ("region", np.array(["330000", "330100", "330200"], dtype=object)),
            "region_name": ("region", np.array(["浙江", "杭州", "宁波"], dtype=object)),
            "x": ("x", 3000.0 * np.arange(nx), {"units": "m", "bounds": "x_bounds"}),
            "y": ("y", 3000.0 * np.arange(ny), {"units": "m"}),
            "x_bounds": (("x", "edge"), np.zeros((nx, 2))),
            "lon": (("y", "x"), np.full((ny, nx), 120.0)),
            "lat": (("y", "x"), np.full((ny, nx), 30.0)),
            "crs": ((), np.int32(0), {"grid_mapping_name": "lambert_conformal_conic"}),
        },
        attrs={"species": "co2"},
    )


def make(path, hours=24 * 60, **sizes):
    """Return a new store."""
    return HourStore.create(path, template(**sizes), start=START, hours=hours, attrs={"title": "a test"})


def hour(number):
    """Return an hour of the axis."""
    return START + np.timedelta64(number, "h")


def version(number, value, status="P1", **facts):
    """Return a version of an hour: every number of it is the same, or follows from it alone."""
    data = template()
    for name in data.data_vars:
        data[name] = data[name] + value
    return HourVersion(hour(number), data, {"status": status, "condition": "full", **facts})


def noisy(number, seed, ny=NY, nx=NX):
    """Return a version whose numbers all differ, one of them NaN."""
    random = np.random.default_rng([number, seed])
    data = template(ny, nx)
    for name in data.data_vars:
        values = random.standard_normal(data[name].shape)
        values.flat[0] = np.nan
        data[name] = data[name].copy(data=values.astype(data[name].dtype))
    return HourVersion(hour(number), data, {"status": "P1", "condition": "full", "key": f"{seed}"})


def at(minutes):
    """Return a time of a commit."""
    return NOON + timedelta(minutes=minutes)
