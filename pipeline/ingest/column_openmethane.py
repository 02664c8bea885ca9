"""Columns as the Open Methane project prepares TROPOMI's level 2: one sounding a row of dim `obs`.

What its files do not say, and what it is here taken to be:

- `averaging_kernel` (obs, ak_layer) has the top of the atmosphere first, as TROPOMI's level 2 has; the layers are
  equally thick in pressure from the ground to zero (openmethane/openmethane, scripts/obs_preprocess/
  tropomi_methane_preprocess.py: levels are multiples of `pressure_interval`, zero first). In the files of December
  2022 over Queensland the kernel rises from 0.69 in the first layer to 1.06 in the last, as methane's does downward.
- `model_pweight` and `model_vis` are the pressure weights of another model's layers, ground first, and are not read; in
  those files both are the same numbers, so the second does not hold the kernel.
- `unc` has no unit there and is taken in the unit of the mole fraction.
- `time` is in whole seconds of UTC.
- No prior profile. The modelled column is background + sum_l w_l A_l H_l f, w pressure weight, A kernel, H footprint of
  the layer, f flux: what the kernel does not see, and what lies above the release, comes from the background.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import FormatError
from pipeline.ingest.netcdf import decode_times, open_netcdf
from pipeline.ingest.soundings import Soundings, unit_factor
from pipeline.settings import ColumnSettings
from pipeline.units import Species

_DIMS = dict.fromkeys(("time", "unc", "qa", "lat", "lon"), ("obs",)) | {"averaging_kernel": ("obs", "ak_layer")}


def read(path: Path, feed: ColumnSettings, gas: Species) -> Soundings:
    """Return the soundings of one file.

    Raises
    ------
    FormatError, UnitError, TimeError
        Naming the variable that is not as it must be.
    """
    name = f"x{gas.name}"
    with open_netcdf(path) as data:
        for key, dims in {name: ("obs",), **_DIMS}.items():
            if key not in data.variables or data[key].dims != dims:
                raise FormatError(
                    f"an openmethane file must hold {key} with dims {dims}",
                    got=data[key].dims if key in data.variables else sorted(map(str, data.variables)),
                    remedy="correct columns.format, columns.files or case.species",
                    where=path.name,
                )
        unit, of_error = data[name].attrs.get("units"), data["unc"].attrs.get("units")
        factor = unit_factor(data, name, gas, path)
        error = unit_factor(data, "unc", gas, path, default=str(unit))
        numbers = {key: data[key].values.astype(np.float64) for key in (name, "unc", "qa", "lat", "lon")}
        time = decode_times(data["time"], where=f"{path.name}: time")
        kernel = data["averaging_kernel"].values.astype(np.float64)[:, ::-1]
    remarks = (
        f"{feed.id}: the files hold no prior profile: a modelled column is its background plus the fluxes' share of it "
        f"by averaging kernel and pressure weight below {feed.top:g} m",
    )
    unstated = f"{feed.id}: unc states no unit and is taken in {unit}, the unit of {name}"
    return Soundings(
        time=time,
        lon=numbers["lon"],
        lat=numbers["lat"],
        value=numbers[name] * factor,
        uncertainty=feed.uncertainty_factor * numbers["unc"] * error,
        rejected=numbers["qa"] < feed.quality,
        complete=np.isfinite(numbers["qa"]) & np.isfinite(kernel).all(axis=1),
        kernel=kernel,
        edge=np.tile(np.linspace(1.0, 0.0, kernel.shape[1] + 1), (len(kernel), 1)),
        prior_part=np.zeros(len(kernel)),
        kernel_sum=np.ones(len(kernel)),
        scale="",
        remarks=remarks if of_error else (*remarks, unstated),
    )
