"""A small wrfout, written as WRF writes it."""

import netCDF4
import numpy as np
import pyproj

NZ, NY, NX = 6, 5, 7
DX, T0, P0 = 9000.0, 280.0, 1.01e5
LAMBERT = {"MAP_PROJ": 1, "TRUELAT1": 30.0, "TRUELAT2": 60.0, "STAND_LON": 110.0, "MOAD_CEN_LAT": 29.0}
LAMBERT |= {"CEN_LON": 120.0, "POLE_LAT": 90.0, "DX": DX, "DY": DX}
LAMBERT_CRS = "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=29 +lon_0=110 +R=6370000 +units=m"
START = np.datetime64("2022-12-07T00", "ns")
HOUR = np.timedelta64(1, "h")


def positions(crs=LAMBERT_CRS, lon=120.0, lat=29.0):
    to_plane = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = to_plane.transform(lon, lat)
    x, y = np.meshgrid(x + DX * np.arange(NX), y + DX * np.arange(NY))
    lon, lat = to_plane.transform(x, y, direction="INVERSE")
    return x, y, lon, lat


def fields(hour=0):
    """Return an isothermal hydrostatic atmosphere over sloping ground, with winds linear in every direction."""
    k, j, i = np.meshgrid(np.arange(NZ + 1.0), np.arange(NY + 1.0), np.arange(NX + 1.0), indexing="ij")
    terrain = (50.0 + 30 * i + 20 * j)[0, :NY, :NX]
    full = terrain + (40 * k + 12 * k**2)[:, :NY, :NX]
    middle = 0.5 * (full[1:] + full[:-1])
    pressure = P0 * np.exp(-9.81 * middle / (287.0 * T0))
    two = np.ones((NY, NX))
    return {
        "HGT": terrain,
        "PHB": 9.81 * full - 100.0,
        "PH": np.full(full.shape, 100.0),
        "PB": 0.9 * pressure,
        "P": 0.1 * pressure,
        "T": T0 * (1e5 / pressure) ** (2 / 7) - 300.0,
        "QVAPOR": np.zeros(pressure.shape),
        "U": (1.0 + hour + 0.5 * i - 0.2 * j + 0.3 * k)[:NZ, :NY],
        "V": (-2.0 + 0.1 * i + 0.4 * j - 0.3 * k)[:NZ, :, :NX],
        "W": (0.05 * k - 0.01 * i)[:, :NY, :NX],
        "PSFC": P0 * np.exp(-9.81 * terrain / (287.0 * T0)),
        "UST": 0.3 * two,
        "HFX": -20.0 * two,
        "PBLH": (400.0 + terrain),
        "ZNT": 0.1 * two,
    }


def write(path, hours=(0,), attrs=LAMBERT, drop=(), minutes=0, lonlat=None, extra=None, change=None, **replaced):
    dims = {"bottom_top": NZ, "south_north": NY, "west_east": NX}
    lon, lat = lonlat or positions()[2:]
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts({key: np.float32(value) if key != "MAP_PROJ" else value for key, value in attrs.items()})
        data.createDimension("Time", None)
        data.createDimension("DateStrLen", 19)
        for name, size in dims.items():
            data.createDimension(name, size)
            data.createDimension(f"{name}_stag", size + 1)
        times = data.createVariable("Times", "S1", ("Time", "DateStrLen"))
        for index, hour in enumerate(hours):
            text = str(np.datetime64(START + hour * HOUR + np.timedelta64(minutes, "m"), "s")).replace("T", "_")
            times[index] = netCDF4.stringtochar(np.array([text], dtype="S19"))[0]
            values = fields(hour) | {"XLONG": lon, "XLAT": lat} | (extra or {}) | replaced
            for name, factor in (change or {}).items():
                values[name] = values[name] * factor
            for name in set(values) - set(drop):
                shape = values[name].shape
                axes = zip(list(dims)[-len(shape) :], shape, strict=True)
                names = [f"{dim}_stag" if size == dims[dim] + 1 else dim for dim, size in axes]
                if name not in data.variables:
                    data.createVariable(name, "f4", ("Time", *names), fill_value=-9e33)
                data[name][index] = values[name]
    return path
