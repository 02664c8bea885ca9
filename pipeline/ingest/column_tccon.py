"""TCCON's public files of GGG2020: columns seen from the ground, to compare with.

A spectrum is a sounding of an instant. Kernel, prior and integration operator stand at altitudes, the ground first; the
prior and the operator are of moist air. The operator takes the retrieved oxygen for the air, so its sum is 1 to some
thousandths only, and it is used as it is: X = sum o (A x + (1 - A) x_a), x = (1 - h) times the dry mole fraction, h the
prior's water. Layers of the levels: half way to the neighbours, from the pressure measured at the ground to none.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import UnitError
from pipeline.ingest.column_granule import Granule
from pipeline.ingest.netcdf import decode_times
from pipeline.ingest.soundings import OUTSIDE_AREA, Area, Soundings, first_fault, sounding_ids, wanted
from pipeline.units import Species, pressure_factor


def read(granule: Granule, gas: Species, area: Area) -> Soundings:
    """Return the spectra of an area.

    Raises
    ------
    FormatError, UnitError, TimeError
        Naming the variable that is not as it must be.
    """
    _check_scale(granule)
    lon, lat = granule.numbers("longitude", 1), granule.numbers("latitude", 1)
    rows = np.flatnonzero(wanted(lon, lat, area))
    lon, lat = lon[rows], lat[rows]
    value, uncertainty, ground = (granule.numbers(w, 1)[rows] for w in ("value", "uncertainty", "surface_pressure"))
    kernel, profile, water, operator, pressure = (
        granule.numbers(what, 2)[rows] for what in ("kernel", "profile", "water", "weight", "pressure")
    )
    granule.check_layers(kernel.shape[1])
    ground, pressure = (
        values * pressure_factor(str(granule.variable(what).attrs.get("units")), where=granule.where(what))
        for what, values in (("surface_pressure", ground), ("pressure", pressure))
    )
    granule.check_order(*(float(np.nanmean(pressure[:, at])) if rows.size else np.nan for at in (0, -1)))
    middle = 0.5 * (pressure[:, 1:] + pressure[:, :-1]) / ground[:, None]
    # levels below the ground are layers of no thickness
    edge = np.column_stack([np.ones(rows.size), np.minimum(middle, 1.0), np.zeros(rows.size)])
    prior_part = (operator * (1.0 - kernel) * profile).sum(axis=1) * granule.factor("profile", gas)
    kernel_sum = (operator * kernel * (1.0 - water)).sum(axis=1)
    time = decode_times(granule.variable("time"), where=granule.where("time"))[rows]
    time = time.astype("datetime64[s]").astype("datetime64[ns]")
    return Soundings(
        time=time,
        lon=lon,
        lat=lat,
        value=value * granule.factor("value", gas),
        uncertainty=granule.contract.uncertainty_factor * uncertainty * granule.factor("uncertainty", gas),
        # public files hold what passed the network's own quality control
        fault=first_fault(rows.size, []),
        complete=np.isfinite(edge).all(axis=1) & np.isfinite(prior_part) & np.isfinite(kernel_sum),
        kernel=kernel,
        edge=edge,
        prior_part=prior_part,
        kernel_sum=kernel_sum,
        native=sounding_ids("", time, lon, lat).astype(object),
        identity=granule.identity,
        left_out={OUTSIDE_AREA: granule.variable("time").size - rows.size},
    )


def _check_scale(granule: Granule) -> None:
    """Raise when the file states another scale than its contract."""
    said = granule.variable("value").attrs.get("wmo_or_analogous_scale")
    if said != granule.contract.scale:
        raise UnitError(
            f"{granule.contract.variant} of {granule.identity.product} must be on {granule.contract.scale}",
            got=said,
            remedy="this is another version, which needs a contract of its own",
            where=granule.where("value"),
        )
