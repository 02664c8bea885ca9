"""A small ERA5-like atmosphere, written as the Climate Data Store and as CDO write it."""

import netCDF4
import numpy as np

NY, NX = 5, 6
#: hPa; the lowest lies below the ground everywhere
LEVELS = np.array([1000.0, 925.0, 850.0, 700.0, 500.0])
T0, G, RD = 280.0, 9.80665, 287.0597
UTM = "+proj=utm +zone=32 +north +datum=WGS84 +k_0=0.9996 +x_0=500000 +y_0=0 +units=m"
SECONDS = 1746057600  # 2025-05-01T00 since 1970
START = np.datetime64("2025-05-01T00", "ns")
HOUR = np.timedelta64(1, "h")


def upper(hour=0):
    """Return an isothermal dry atmosphere; (level, y, x), levels from the ground up, rows from the south."""
    k, j, i = np.meshgrid(np.arange(LEVELS.size), np.arange(NY), np.arange(NX), indexing="ij")
    return {
        "t": np.full(k.shape, T0),
        "u": 3.0 + hour + 0.5 * i - 0.2 * j + k,
        "v": -2.0 + 0.1 * i + 0.4 * j - k,
        "w": -0.2 + 0.05 * k + 0.01 * i,
        "q": np.zeros(k.shape),
    }


def surface():
    """Return the fields at the ground, (y, x), rows from the south."""
    j, i = np.mgrid[0:NY, 0:NX]
    one = np.ones((NY, NX))
    return {
        "sp": 96000.0 - 300.0 * i - 100.0 * j,
        "z": G * (100.0 + 30.0 * i + 10.0 * j),
        "t2m": T0 * one,
        "blh": 500.0 + 10 * i,
        "ishf": -80.0 + 2.0 * j,
        "iews": 0.12 * one,
        "inss": -0.05 * one,
        "fsr": 0.2 + 0.01 * i,
    }


def isothermal_height():
    """Return the geometric heights above ground of an isothermal atmosphere, (level, y, x)."""
    ground = surface()["z"] / G
    above_sea = ground + RD * T0 / G * np.log(surface()["sp"] / (100 * LEVELS[:, None, None]))
    radius = 6371229.0
    return radius * above_sea / (radius - above_sea) - radius * ground / (radius - ground)


def changed(fields, drop, change):
    """Return the fields that are not dropped, those named in `change` put through its functions."""
    change = change or {}
    return {name: change[name](v) if name in change else v for name, v in fields.items() if name not in drop}


def write_cds(path, hours=(0,), levels=True, ground=True, drop=(), static=False, change=None, more=None):
    """Write netCDF as the Climate Data Store does: valid_time, hPa from the top down, latitude from the north."""
    with netCDF4.Dataset(path, "w") as data:
        for name, values, unit in (
            ("latitude", 50.0 - 0.25 * np.arange(NY), "degrees_north"),
            ("longitude", 8.0 + 0.25 * np.arange(NX), "degrees_east"),
        ):
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,)).units = unit
            data[name][:] = values
        lead = ()
        if not static:
            lead = ("valid_time",)
            data.createDimension("valid_time", len(hours))
            data.createVariable("valid_time", "i8", ("valid_time",)).units = "seconds since 1970-01-01"
            data["valid_time"][:] = [SECONDS + 3600 * hour for hour in hours]
        if levels:
            data.createDimension("pressure_level", LEVELS.size)
            data.createVariable("pressure_level", "f8", ("pressure_level",)).units = "hPa"
            data["pressure_level"][:] = LEVELS[::-1]
        for step, hour in enumerate(hours):
            fields = (upper(hour) if levels else {}) | (surface() if ground else {}) | (more or {})
            for name, values in changed(fields, drop, change).items():
                volume = values.ndim == 3
                dims = (*lead, *(("pressure_level",) if volume else ()), "latitude", "longitude")
                if name not in data.variables:
                    data.createVariable(name, "f4", dims, fill_value=np.nan)
                turned = values[::-1, ::-1] if volume else values[::-1]
                data[name][step if lead else slice(None)] = turned
    return path


def write_cdo(path, hour=0, margin=0, change=None, proj=UTM, drop=()):
    """Write what CDO makes of it on a UTM grid, `margin` rows and columns outside the source missing."""
    ny, nx = NY + 2 * margin, NX + 2 * margin
    with netCDF4.Dataset(path, "w") as data:
        mapping = data.createVariable("UTM32", "i4", ())
        mapping.setncatts({"grid_mapping_name": "utm32", "proj_params": proj})
        axes = {
            "y": 5.3e6 + 2e4 * np.arange(ny),
            "x": 7.0e5 + 2e4 * np.arange(nx),
            "plev": 100 * LEVELS,
            "time": [hour],
        }
        units = {"y": "m", "x": "m", "plev": "Pa", "time": "hours since 2025-5-1 00:00:00"}
        for name, values in axes.items():
            data.createDimension(name, len(values))
            data.createVariable(name, "f8", (name,)).units = units[name]
            data[name][:] = values
        data["x"].standard_name, data["y"].standard_name = "projection_x_coordinate", "projection_y_coordinate"
        fields = upper(hour) | surface()
        fields["2t"] = fields.pop("t2m")
        for name, values in changed(fields, drop, change).items():
            dims = ("time", *(("plev",) if values.ndim == 3 else ()), "y", "x")
            variable = data.createVariable(name, "f4", dims, fill_value=-9e33)
            variable.grid_mapping = "UTM32"
            wide = np.full((*values.shape[:-2], ny, nx), np.nan)
            wide[..., margin : ny - margin, margin : nx - margin] = values
            variable[0] = np.where(np.isnan(wide), -9e33, wide)
    return path


def holed(values):
    """Return the values with one missing, at level 2 or at the ground."""
    out = values.astype(float)
    out[(2, 3, 2)[-values.ndim :]] = np.nan
    return out
