"""Granules in the layouts of the products, by the published names of groups, variables, dims, types and fills.

No granule of these products was at hand: names and types are those of `station_meta/columns.toml`, which says where
each was seen. A test changes what it is about; the rest is a good granule.
"""

import netCDF4
import numpy as np

OCO_FILL, S5P_FILL, CCI_FILL = -999999.0, np.float32(9.96921e36), -999.0
OCO_SECONDS = 1721023200.0
#: levels as shares of the surface pressure, from the ground up
OCO_SHARE = np.linspace(1.0, 1e-4, 20)
OCO_KERNEL = np.interp(OCO_SHARE[::-1], [0, 0.3, 0.7, 1], [0.23, 0.75, 1.03, 0.98])[::-1]
OCO_ATTRS = {"Platform": "OCO-2", "BuildId": "B11.2.10", "creation_date": "Aug 20, 2024"}
_NEAR = np.array([-0.01, 0.01, 0.01, -0.01]), np.array([-0.01, -0.01, 0.01, 0.01])


def oco_numbers(lon, lat, levels=20):
    """Return what a Lite file holds of soundings a third of a second apart, levels from space down."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    count = lon.size
    share = np.linspace(1.0, 1e-4, levels)
    weight = np.full(levels, 1.0 / (levels - 1))
    weight[[0, -1]] *= 0.5
    kernel = np.interp(share[::-1], OCO_SHARE[::-1], OCO_KERNEL[::-1])[::-1]
    return {
        "sounding_id": 2024071506000001 + 10 * np.arange(count),
        "time": OCO_SECONDS + np.arange(count) / 3,
        "latitude": lat,
        "longitude": lon,
        "vertex_latitude": lat[:, None] + _NEAR[1],
        "vertex_longitude": lon[:, None] + _NEAR[0],
        "xco2": np.full(count, 422.8),
        "xco2_x2019": np.full(count, 423.0),
        "xco2_uncertainty": np.full(count, 0.5),
        "xco2_quality_flag": np.zeros(count),
        "pressure_levels": np.tile(1000.0 * share[::-1], (count, 1)),
        "pressure_weight": np.tile(weight, (count, 1)),
        "xco2_averaging_kernel": np.tile(kernel[::-1], (count, 1)) + 0.001 * np.arange(count)[:, None],
        "co2_profile_apriori": np.tile(420.0 + 3.0 * share[::-1], (count, 1)),
    }


def write_oco(path, lon, lat, *, without=(), attrs=None, levels=20, flag_type="i1", **changes):
    """Write an OCO-2 Lite file of version 11; `changes` replace or add variables, `attrs` the file's attributes."""
    numbers = oco_numbers(lon, lat, levels) | {name: np.asarray(value) for name, value in changes.items()}
    kinds = {"sounding_id": "i8", "xco2_quality_flag": flag_type, "xco2_quality_flag_ML": "i1", "warn_level": "i1"}
    kinds["time"] = "f8"
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts({key: value for key, value in (OCO_ATTRS | (attrs or {})).items() if value is not None})
        data.createDimension("sounding_id", len(lon))
        data.createDimension("levels", levels)
        data.createDimension("vertices", 4)
        for name, value in numbers.items():
            if name in without:
                continue
            kind = kinds.get(name, "f4")
            dims = ("sounding_id",) + ((("vertices",) if "vertex" in name else ("levels",)) if value.ndim == 2 else ())
            fill = OCO_FILL if kind[0] == "f" else None
            variable = data.createVariable(name, kind, dims, fill_value=fill)
            variable[:] = np.where(np.isfinite(value), value, OCO_FILL)
            if name == "time":
                variable.units = "seconds since 1970-01-01 00:00:00"
            elif (name.startswith("xco2") and "flag" not in name and "kernel" not in name) or "apriori" in name:
                variable.units = "ppm"
            elif name == "pressure_levels":
                variable.units = "hPa"
    return path


S5P_LAYERS = 12
S5P_START = "2022-12-07T03:44:25"
S5P_ATTRS = {
    "id": "S5P_OFFL_L2__CH4____20221207T025543_20221207T043713_26671_03_020700_20221209T012345",
    "processor_version": "02.07.00",
    "date_created": "2022-12-09T01:23:45",
    "orbit": np.int32(26671),
}
#: priors fall in the stratosphere, kernels too: by layer, the ground first
S5P_KERNEL = np.linspace(1.06, 0.69, S5P_LAYERS)
S5P_PRIOR = np.array([1890, 1885, 1880, 1875, 1870, 1865, 1860, 1850, 1800, 1700, 1500, 1200.0])
_DETAILED, _INPUT, _GEO = (
    f"PRODUCT/SUPPORT_DATA/{name}" for name in ("DETAILED_RESULTS", "INPUT_DATA", "GEOLOCATIONS")
)


def s5p_numbers(lon, lat):
    """Return what a level 2 file holds of pixels (scanline, ground_pixel): path -> (values, type, unit)."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    shape = lon.shape
    surface = np.full(shape, 100000.0) + 100.0 * np.arange(lon.size).reshape(shape)
    air = np.broadcast_to(surface[..., None] / S5P_LAYERS / 9.80665 / 28.9644e-3, (*shape, S5P_LAYERS))
    ordinal = np.arange(lon.size).reshape(shape)[..., None]
    full = np.full(shape, 1.0)
    return {
        "PRODUCT/latitude": (lat, "f4", "degrees_north"),
        "PRODUCT/longitude": (lon, "f4", "degrees_east"),
        "PRODUCT/qa_value": (full, "u1", "1"),
        "PRODUCT/methane_mixing_ratio": (1850.0 * full, "f4", "1e-9"),
        "PRODUCT/methane_mixing_ratio_precision": (5.0 * full, "f4", "1e-9"),
        "PRODUCT/methane_mixing_ratio_bias_corrected": (1860.0 * full, "f4", "1e-9"),
        "PRODUCT/methane_mixing_ratio_bias_corrected_destriped": (1865.0 * full, "f4", "1e-9"),
        f"{_DETAILED}/column_averaging_kernel": (S5P_KERNEL[::-1] + 0.001 * ordinal, "f4", "1"),
        f"{_DETAILED}/chi_square_SWIR": (9000.0 * full, "f4", "1"),
        f"{_DETAILED}/surface_albedo_SWIR": (0.2 * full, "f4", "1"),
        f"{_DETAILED}/surface_albedo_NIR": (0.3 * full, "f4", "1"),
        f"{_DETAILED}/aerosol_optical_thickness_SWIR": (0.05 * full, "f4", "1"),
        f"{_INPUT}/surface_classification": (0 * full, "u1", None),
        f"{_INPUT}/surface_pressure": (surface, "f4", "Pa"),
        f"{_INPUT}/pressure_interval": (surface / S5P_LAYERS, "f4", "Pa"),
        f"{_INPUT}/dry_air_subcolumns": (air, "f4", "mol m-2"),
        f"{_INPUT}/methane_profile_apriori": (air * 1e-9 * S5P_PRIOR[::-1], "f4", "mol m-2"),
        f"{_GEO}/latitude_bounds": (lat[..., None] + 0.03 * np.array([-1, -1, 1, 1]), "f4", None),
        f"{_GEO}/longitude_bounds": (lon[..., None] + 0.03 * np.array([-1, 1, 1, -1]), "f4", None),
    }


def s5p_times(lines, start=S5P_START):
    """Return the times of lines 0.84 s apart, as the files write them."""
    first = np.datetime64(start, "ms")
    return np.array([f"{first + np.timedelta64(840 * line, 'ms')}000Z" for line in range(lines)], dtype=object)


def write_s5p(path, lon, lat, *, without=(), attrs=None, start=S5P_START, units=None, types=None, **changes):
    """Write a TROPOMI level 2 methane file of pixels (scanline, ground_pixel).

    `changes` replace the values of the variables of that name, `types` and `units` their type and unit.
    """
    lines, pixels = np.shape(lon)
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts(S5P_ATTRS | (attrs or {}))
        product = data.createGroup("PRODUCT")
        for name, size in (("time", 1), ("scanline", lines), ("ground_pixel", pixels), ("corner", 4), ("layer", 12)):
            product.createDimension(name, size)
        for name in ("scanline", "ground_pixel"):
            product.createVariable(name, "i4", (name,))[:] = np.arange(product.dimensions[name].size)
        if "time_utc" not in without:
            times = changes.get("time_utc", s5p_times(lines, start))
            product.createVariable("time_utc", str, ("time", "scanline"))[0] = times
        for place, (values, kind, unit) in s5p_numbers(lon, lat).items():
            name = place.rsplit("/", 1)[1]
            if name not in without:
                mine = np.asarray(changes.get(name, values), float)[None]
                dims = ("time", "scanline", "ground_pixel")
                _put(data, place, mine, (types or {}).get(name, kind), (units or {}).get(name, unit), dims)
    return path


def write_blended(path, lon, lat, *, without=(), attrs=None, **changes):
    """Write a blended TROPOMI+GOSAT file: the pixels (n,) in one row, no groups."""
    numbers = s5p_numbers(np.asarray(lon)[None, :], np.asarray(lat)[None, :])
    numbers["methane_mixing_ratio_blended"] = (np.full((1, len(lon)), 1870.0), "f4", "1e-9")
    unkept = ("methane_mixing_ratio_bias_corrected_destriped", "aerosol_optical_thickness_SWIR", *without)
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts({"Title": "Blended TROPOMI+GOSAT Methane Product", "Contact": "nobody"} | (attrs or {}))
        for name, size in (("nobs", len(lon)), ("layer", S5P_LAYERS), ("corner", 4)):
            data.createDimension(name, size)
        times = np.repeat(s5p_times(1), len(lon))
        data.createVariable("time_utc", str, ("nobs",), fill_value="")[:] = changes.get("time_utc", times)
        for place, (values, kind, unit) in numbers.items():
            name = place.rsplit("/", 1)[-1]
            if name not in unkept:
                _put(data, name, np.asarray(changes.get(name, values[0]), float), kind, unit, ("nobs",))
    return path


def _put(data, place, values, kind, unit, dims):
    """Write a variable of pixels, or of corners or layers of them; what is not finite is the fill."""
    name = place.rsplit("/", 1)[-1]
    last = () if values.ndim == len(dims) else ("corner",) if "bounds" in name else ("layer",)
    fill = S5P_FILL if kind[0] == "f" else 255
    variable = data.createVariable(place, kind, (*dims, *last), fill_value=fill)
    if name == "qa_value" and kind == "u1":
        variable.scale_factor, variable.add_offset = np.float32(0.01), np.float32(0.0)
        values = np.round(100 * values)
    variable.set_auto_maskandscale(False)
    variable[:] = np.where(np.isfinite(values), values, fill)
    if unit:
        variable.units = unit
