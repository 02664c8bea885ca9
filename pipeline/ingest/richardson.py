"""The boundary-layer height by bulk Richardson number, for weather that holds none."""

from __future__ import annotations

import numpy as np

from pipeline.errors import FormatError
from pipeline.ingest.air import virtual_temperature

#: critical bulk Richardson number and weight of the surface shear (Vogelezang and Holtslag 1996, sections 3 and 4)
CRITICAL_RICHARDSON, SHEAR_WEIGHT = 0.25, 100.0
#: R / cp of dry air, and the reference pressure of potential temperature, Pa
KAPPA, REFERENCE_PRESSURE = 2.0 / 7.0, 1.0e5


def richardson_height(
    height: np.ndarray,
    theta: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    friction_velocity: np.ndarray,
    *,
    gravity: float,
) -> np.ndarray:
    """Return the height where the bulk Richardson number first reaches its critical value.

    Ri(z) = g (theta(z) - theta_s) (z - z_s) / (theta_s (|V(z) - V_s|^2 + b u*^2)), s the lowest level above the ground,
    b = 100, critical value 0.25 (Vogelezang and Holtslag 1996, doi:10.1007/BF02430331); linear between levels. No
    thermal excess is added to theta_s. It is not the height that a weather model's own scheme would write: a scheme
    by turbulent energy can be half or twice of it.

    Parameters
    ----------
    height, theta, u, v : (level, y, x)
        Height above ground, m, ascending; virtual potential temperature, K; wind, m s-1. Levels at or below the ground
        are not used.
    friction_velocity : (y, x)
        m s-1.
    gravity
        m s-2.

    Returns
    -------
    (y, x) m above ground; NaN where the number stays below critical up to the top
    """
    lowest = np.argmax(height > 0, axis=0)[None]
    at_ground = [np.take_along_axis(values, lowest, axis=0) for values in (height, theta, u, v)]
    shear = (u - at_ground[2]) ** 2 + (v - at_ground[3]) ** 2 + SHEAR_WEIGHT * np.maximum(friction_velocity, 1e-3) ** 2
    number = gravity * (theta - at_ground[1]) * (height - at_ground[0]) / (at_ground[1] * shear)
    above = (number >= CRITICAL_RICHARDSON) & (height > at_ground[0])
    # the number is zero at the lowest level, so the first level above is never that one
    first = np.maximum(np.argmax(above, axis=0), 1)[None]
    upper, lower = (np.take_along_axis(number, level, axis=0)[0] for level in (first, first - 1))
    top, base = (np.take_along_axis(height, level, axis=0)[0] for level in (first, first - 1))
    reached = above.any(axis=0)
    share = (CRITICAL_RICHARDSON - lower) / np.where(reached, upper - lower, 1.0)
    return np.where(reached, base + share * (top - base), np.nan)


def derived_height(
    fields: dict[str, np.ndarray], *, gravity: float, dry: float, vapour: float, where: str
) -> np.ndarray:
    """Return the boundary-layer height of one time by `richardson_height`, which must exist everywhere.

    Parameters
    ----------
    fields
        By the contract's names: height, temperature, humidity, pressure, u and v (level, y, x), friction_velocity
        (y, x).
    gravity, dry, vapour
        m s-2, and the gas constants of dry air and water vapour, J kg-1 K-1.
    where
        File and time, for messages.

    Returns
    -------
    (y, x) m above ground

    Raises
    ------
    FormatError
        Where the number does not reach its critical value below the top.
    """
    virtual = virtual_temperature(fields["temperature"], fields["humidity"], dry=dry, vapour=vapour)
    theta = virtual * (REFERENCE_PRESSURE / fields["pressure"]) ** KAPPA
    columns = (fields["height"], theta, fields["u"], fields["v"], fields["friction_velocity"])
    found = richardson_height(*columns, gravity=gravity)
    if missing := int(np.isnan(found).sum()):
        raise FormatError(
            f"the bulk Richardson number must reach {CRITICAL_RICHARDSON} below the model's top",
            got=f"{missing} columns where it does not",
            remedy="use weather that holds the boundary-layer height",
            where=f"{where}:boundary_layer_height",
        )
    return found
