"""Columns in the two layouts that give kernel, prior profile and pressure weights by level: OCO-2's, and GHG-CCI's.

- "oco2-lite": OCO-2 and OCO-3 Lite files of version 8 and later, levels from space to the surface. `xco2_x2019`, on
  the scale of stations today, is read where a file has it (version 11), else `xco2`, which is on X2007.
- "ghg-cci": the common layout of ESA's GHG-CCI products (GOSAT, TanSat, WFMD). Kernel and profile stand at levels, or
  in layers between `pressure_levels`, in either order: both are told by the numbers.

In both a quality flag of 0 is good and any other bad, and times are seconds since 1970, cut to whole ones here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import ConfigError, FormatError
from pipeline.ingest.netcdf import decode_times, open_netcdf
from pipeline.ingest.soundings import Soundings, layer_edges, prior_and_share, require, unit_factor, upward
from pipeline.settings import ColumnSettings
from pipeline.units import SPECIES, Species

X2007, X2019 = "WMO CO2 X2007", "WMO CO2 X2019"


def read_oco2_lite(path: Path, feed: ColumnSettings, gas: Species) -> Soundings:
    """Return the soundings of an OCO-2 or OCO-3 Lite file.

    Raises
    ------
    ConfigError
        For another gas than CO2.
    FormatError, UnitError, TimeError
        Naming the variable that is not as it must be.
    """
    if gas is not SPECIES["co2"]:
        raise ConfigError(
            "oco2-lite files hold co2", got=gas.name, remedy="correct columns.format or case.species", where=feed.id
        )
    with open_netcdf(path) as data:
        newer = "xco2_x2019" in data.variables
        name, scale = ("xco2_x2019", X2019) if newer else ("xco2", X2007)
        return _read(data, name, scale, (f"{feed.id}: columns are {name}, on {scale}",), path, feed, gas)


def read_ghg_cci(path: Path, feed: ColumnSettings, gas: Species) -> Soundings:
    """Return the soundings of a file in the GHG-CCI layout.

    Raises
    ------
    FormatError, UnitError, TimeError
        Naming the variable that is not as it must be.
    """
    with open_netcdf(path) as data:
        return _read(data, f"x{gas.name}", "", (), path, feed, gas)


def _read(
    data: xr.Dataset, name: str, scale: str, remarks: tuple[str, ...], path: Path, feed: ColumnSettings, gas: Species
) -> Soundings:
    require(data, "time", 1, layout=feed.format, path=path)
    prior = f"{gas.name}_profile_apriori"
    flat = (name, f"x{gas.name}_uncertainty", f"x{gas.name}_quality_flag", "longitude", "latitude")
    deep = ("pressure_levels", f"x{gas.name}_averaging_kernel", prior, "pressure_weight")
    value, uncertainty, flag, lon, lat = (require(data, key, 1, layout=feed.format, path=path) for key in flat)
    pressure, kernel, profile, weight = upward(*(require(data, key, 2, layout=feed.format, path=path) for key in deep))
    layers = kernel.shape[1]
    if profile.shape[1] != layers or weight.shape[1] != layers or pressure.shape[1] not in (layers, layers + 1):
        raise FormatError(
            "kernel, prior profile and pressure weight must have one number a layer, pressure one an edge or a level",
            got={key: data[key].shape[1] for key in deep},
            remedy="correct the file",
            where=path.name,
        )
    profile = profile * unit_factor(data, prior, gas, path)
    prior_part, kernel_sum = prior_and_share(weight, kernel, profile)
    time = decode_times(data["time"], where=f"{path.name}: time")
    falls = np.isfinite(pressure).all(axis=1) & (np.diff(pressure, axis=1) < 0).all(axis=1) & (pressure[:, -1] >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = layer_edges(pressure, layers)
    return Soundings(
        # to the second: ids and receptors are told apart by seconds
        time=time.astype("datetime64[s]").astype("datetime64[ns]"),
        lon=lon,
        lat=lat,
        value=value * unit_factor(data, name, gas, path),
        uncertainty=feed.uncertainty_factor * uncertainty * unit_factor(data, flat[1], gas, path),
        rejected=np.isfinite(flag) & (flag != 0),
        complete=falls & np.isfinite(flag) & np.isfinite(prior_part) & np.isfinite(kernel_sum),
        kernel=kernel,
        edge=edge,
        prior_part=prior_part,
        kernel_sum=kernel_sum,
        scale=scale,
        remarks=remarks,
    )
