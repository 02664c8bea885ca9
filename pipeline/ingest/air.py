"""Moist air as an ideal gas. The gas constants are the caller's: a weather model's own undo what that model did."""

from __future__ import annotations

import numpy as np


def virtual_temperature(temperature: np.ndarray, humidity: np.ndarray, *, dry: float, vapour: float) -> np.ndarray:
    """Return T (1 + (Rv / Rd - 1) q), K: the temperature of dry air of the same pressure and density.

    Parameters
    ----------
    temperature, humidity
        Arrays of one shape: K, and specific humidity q in kg kg-1.
    dry, vapour
        Gas constants Rd and Rv, J kg-1 K-1.
    """
    return temperature * (1.0 + (vapour / dry - 1.0) * humidity)


def moist_density(
    pressure: np.ndarray, temperature: np.ndarray, humidity: np.ndarray, *, dry: float, vapour: float
) -> np.ndarray:
    """Return p / (Rd Tv), kg m-3, with Tv the virtual temperature.

    Parameters
    ----------
    pressure, temperature, humidity
        Arrays of one shape: Pa, K, and specific humidity in kg kg-1.
    dry, vapour
        Gas constants Rd and Rv, J kg-1 K-1.
    """
    return pressure / (dry * virtual_temperature(temperature, humidity, dry=dry, vapour=vapour))
