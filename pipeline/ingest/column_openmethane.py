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
- Neither product nor version: editions of a file are not told apart.
"""

from __future__ import annotations

import numpy as np

from pipeline.ingest.column_granule import Granule
from pipeline.ingest.column_levels import outside_corners
from pipeline.ingest.netcdf import decode_times
from pipeline.ingest.soundings import OUTSIDE_AREA, Area, Soundings, first_fault, sounding_ids, wanted
from pipeline.units import Species


def read(granule: Granule, gas: Species, area: Area) -> Soundings:
    """Return the soundings of an area.

    Raises
    ------
    FormatError, UnitError, TimeError
        Naming the variable that is not as it must be.
    """
    lon, lat = granule.numbers("longitude", 1), granule.numbers("latitude", 1)
    rows = np.flatnonzero(wanted(lon, lat, area))
    lon, lat = lon[rows], lat[rows]
    value, uncertainty, quality = (granule.numbers(what, 1)[rows] for what in ("value", "uncertainty", "flag"))
    unit, of_error = (granule.variable(what).attrs.get("units") for what in ("value", "uncertainty"))
    factor, error = granule.factor("value", gas), granule.factor("uncertainty", gas, default=str(unit))
    time = decode_times(granule.variable("time"), where=granule.where("time"))[rows]
    kernel = granule.numbers("kernel", 2)[rows][:, ::-1]
    granule.check_layers(kernel.shape[1])
    corners = (granule.numbers(what, 2)[rows] for what in ("longitude_corners", "latitude_corners"))
    least, size = granule.contract.quality or 0.0, rows.size
    remarks = (
        f"{granule.identity}: the files hold no prior profile: a modelled column is its background plus the fluxes' "
        "share of it by averaging kernel and pressure weight",
    )
    unstated = f"{granule.identity}: unc states no unit and is taken in {unit}, the unit of the column"
    return Soundings(
        time=time,
        lon=lon,
        lat=lat,
        value=value * factor,
        uncertainty=granule.contract.uncertainty_factor * uncertainty * error,
        fault=first_fault(
            size, [(quality < least, f"quality value below {least:g}"), outside_corners(lon, lat, *corners)]
        ),
        complete=np.isfinite(quality) & np.isfinite(kernel).all(axis=1),
        kernel=kernel,
        edge=np.tile(np.linspace(1.0, 0.0, kernel.shape[1] + 1), (size, 1)),
        prior_part=np.zeros(size),
        kernel_sum=np.ones(size),
        native=sounding_ids("", time, lon, lat).astype(object),
        identity=granule.identity,
        left_out={OUTSIDE_AREA: granule.variable("time").size - size},
        remarks=remarks if of_error else (*remarks, unstated),
    )
