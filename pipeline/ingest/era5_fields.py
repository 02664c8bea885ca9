"""What ERA5 does not hold and the contract wants: heights, friction velocity, vertical velocity.

The constants are those of ECMWF's model (IFS Documentation Cy47r3, part IV, chapter 12), whose geopotential is divided
by standard gravity and turned from geopotential to geometric height on its sphere.
"""

from __future__ import annotations

import numpy as np

#: m s-2
GRAVITY = 9.80665
#: gas constants of dry air and of water vapour, J kg-1 K-1
R_DRY, R_VAPOUR = 287.0597, 461.5250
#: radius of the sphere that ERA5 is computed on, m
EARTH_RADIUS = 6_371_229.0


def geometric_height(geopotential: np.ndarray) -> np.ndarray:
    """Return the height above the sea, m, of a geopotential, m2 s-2: a H / (a - H), H = geopotential / g, a the radius.

    Gravity falls with the square of the distance from the centre (Wallace & Hobbs 2006, section 3.2).

    Examples
    --------
    >>> round(float(geometric_height(np.array(98066.5))), 1)
    10015.7
    """
    height = geopotential / GRAVITY
    return EARTH_RADIUS * height / (EARTH_RADIUS - height)


def hypsometric_geopotential(
    pressure: np.ndarray,
    virtual: np.ndarray,
    surface_pressure: np.ndarray,
    surface_virtual: np.ndarray,
    surface_geopotential: np.ndarray,
) -> np.ndarray:
    """Return the geopotential of pressure levels by the hypsometric equation, layer by layer from the ground.

    dPhi = R_d Tv ln(p1 / p2), Tv the mean of the layer's two ends (Wallace & Hobbs 2006, section 3.2).
    The first layer is between the ground and the next level above it. Levels below the ground are found downward from
    the ground in the same way.

    Parameters
    ----------
    pressure : (level,)
        Pa, descending.
    virtual : (level, y, x)
        Virtual temperature, K.
    surface_pressure, surface_virtual, surface_geopotential : (y, x)
        Pa, K (at 2 m), m2 s-2.

    Returns
    -------
    (level, y, x) m2 s-2, ascending; below the surface's where the pressure is higher than at the surface
    """
    layers = R_DRY * 0.5 * (virtual[1:] + virtual[:-1]) * np.log(pressure[:-1] / pressure[1:])[:, None, None]
    total = np.concatenate([np.zeros((1, *surface_pressure.shape)), np.cumsum(layers, axis=0)])
    under = pressure[:, None, None] > surface_pressure
    first_above = np.minimum(np.count_nonzero(under, axis=0), pressure.size - 1)
    last_below = np.maximum(first_above - 1, 0)

    def placed(level: np.ndarray) -> np.ndarray:
        """Return all levels hung on one of them, whose distance from the ground is one layer."""
        here, column = (
            np.take_along_axis(virtual, level[None], axis=0)[0],
            np.take_along_axis(total, level[None], axis=0),
        )
        step = R_DRY * 0.5 * (surface_virtual + here) * np.log(surface_pressure / pressure[level])
        return total - column + step

    return surface_geopotential + np.where(under, placed(last_below), placed(first_above))


def first_above_ground(values: np.ndarray, pressure: np.ndarray, surface_pressure: np.ndarray) -> np.ndarray:
    """Return (y, x) values of (level, y, x) ones at the lowest level above the ground."""
    count = np.count_nonzero(pressure[:, None, None] > surface_pressure, axis=0)
    return np.take_along_axis(values, np.minimum(count, pressure.size - 1)[None], axis=0)[0]


def friction_velocity(
    east: np.ndarray, north: np.ndarray, surface_pressure: np.ndarray, surface_virtual: np.ndarray
) -> np.ndarray:
    """Return u* = sqrt(|tau| / rho), m s-1 (Stull 1988, section 2.10), with rho = p / (R_d Tv) at the surface.

    Parameters
    ----------
    east, north : (y, x)
        Turbulent surface stress, N m-2; its sign does not matter.
    surface_pressure, surface_virtual : (y, x)
        Pa, K.
    """
    return np.sqrt(np.hypot(east, north) * R_DRY * surface_virtual / surface_pressure)
