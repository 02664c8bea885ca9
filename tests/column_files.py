"""Small satellite files in the openmethane layout, and a case of CH4 columns, for the tests that use them."""

import netCDF4
import numpy as np

from pipeline.ingest import columns
from pipeline.settings import Settings

START = np.datetime64("2022-12-07T03:44:25", "ns")
LAYERS = 12
#: what a sounding has when a test does not say otherwise; kernels differ by layer, so that a turned one shows
_DEFAULT = {"xch4": 1865.0, "unc": 20.0, "qa": 1.0, "albedo_swir": 0.1}


def kernel(count, layers=LAYERS):
    """Return kernels (count, layers) as the files have them: top first, rising downward, each sounding another."""
    return 0.7 + 0.03 * np.arange(layers) + 0.001 * np.arange(count)[:, None]


def write_columns(path, seconds, lon, lat, *, units=None, without=(), order=None, **values):
    """Write soundings `seconds` after START; `values` replace variables, `units` their attributes.

    `order` is the order of the rows in the file.
    """
    units = {"xch4": "ppb", "time": f"seconds since {str(START)[:19].replace('T', ' ')}"} | (units or {})
    count = len(seconds)
    rows = np.arange(count) if order is None else np.asarray(order)
    columns = {name: np.full(count, value) for name, value in _DEFAULT.items()}
    columns |= {"lon": np.asarray(lon, float), "lat": np.asarray(lat, float), "averaging_kernel": kernel(count)}
    columns |= {
        f"{axis}_corner": columns[axis][:, None] + 0.03 * np.array(way)
        for axis, way in (("lon", (-1, 1, 1, -1)), ("lat", (-1, -1, 1, 1)))
    }
    columns |= {name: np.asarray(value, float) for name, value in values.items()}
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("obs", count)
        data.createDimension("corner", 4)
        data.createDimension("ak_layer", columns["averaging_kernel"].shape[-1])
        data.createVariable("time", "i8", ("obs",))[:] = np.asarray(seconds)[rows]
        for name, value in columns.items():
            if name not in without:
                deep = "corner" if name.endswith("corner") else "ak_layer"
                dims = ("obs", deep) if value.ndim == 2 else ("obs",)
                data.createVariable(name, "f8", dims, fill_value=np.nan)[:] = value[rows]
        for name, unit in units.items():
            if unit:
                data[name].units = unit
    return path


def column_case(files=("*.nc",), *, species="ch4", stations=(), hours=("2022-12-07T00", "2022-12-08T00"), **changes):
    """Return a case of TROPOMI columns; `changes` replace keys of its section `columns`."""
    window = {"start": f"{hours[0]}:00:00Z", "end": f"{hours[1]}:00:00Z"}
    column = {"id": "TROPOMI", "format": "openmethane", "files": list(files), "representation_error": 10.0}
    # these files state no scale
    column |= {"scale_error": 0.0} | changes
    return Settings.model_validate(
        {
            "case": {"name": "a", "title": "a", "species": species, "flux_hours": window, "observation_hours": window},
            "grid": {"crs": "EPSG:4326", "x": {"first": 148, "step": 0.5, "count": 3},
                     "y": {"first": -24, "step": 0.5, "count": 4}},
            "stations": list(stations),
            "columns": [column] if files else [],
            "transport": {"meteorology": {"format": "wrf", "files": ["wrf*"]}, "folder": "out"},
            "sectors": [{"name": "all", "sigma_fraction": 0.5, "length": 10, "hours": 5,
                         "sources": [{"file": "a.tif", "format": "geotiff", "unit": "kg m-2 s-1"}]}],
            "background": {"kind": "series", "file": "b.csv", "sigma": 1, "hours": 3,
                           "table": {"time": "t", "value": "v", "unit": "ppb"}},
            "outputs": {"store": "out.zarr"},
        }
    )  # fmt: skip


def read_columns(case, folder):
    """Return what the product's function of this name returns; raise the error of the first file it set aside."""
    found = columns.read_columns(case, folder)
    for told in found[2]:
        if told.refused is not None:
            raise told.refused
    return found
