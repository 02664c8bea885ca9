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


def vapour_pressure(relative: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Return the water vapour pressure, Pa: relative humidity times its saturation over water (Bolton 1980, eq. 10).

    Parameters
    ----------
    relative
        Relative humidity, percent; packing may leave it just below zero, which is taken as zero.
    temperature
        Air temperature, K; the two broadcast.

    References
    ----------
    Bolton 1980, doi:10.1175/1520-0493(1980)108<1046:TCOEPT>2.0.CO;2: within 0.1 % from -30 to 35 C.

    Examples
    --------
    >>> round(float(vapour_pressure(np.array(50.0), np.array(293.15))), 1)
    1168.5
    """
    celsius = temperature - 273.15
    return np.maximum(relative, 0.0) * (0.01 * 611.2) * np.exp(17.67 * celsius / (celsius + 243.5))


def dry_mole_fraction(moist: np.ndarray, water: np.ndarray) -> np.ndarray:
    """Return the mole fraction in dry air, moist / (1 - water): what is left when the water is taken away.

    Parameters
    ----------
    moist
        Mole fraction in moist air, any unit.
    water
        Mole fraction of water vapour in moist air, mol mol-1: vapour pressure over air pressure.

    Examples
    --------
    >>> float(dry_mole_fraction(np.array(400.0), np.array(0.02)).round(3))
    408.163
    """
    return moist / (1.0 - water)


def compensated(
    reported: np.ndarray, pressure: np.ndarray, temperature: np.ndarray, *, taken: tuple[float, float]
) -> np.ndarray:
    """Return the mole fraction of air whose molecules a device counts in a volume: x (P0 / P) (T / T0), by the gas law.

    Parameters
    ----------
    reported
        Mole fraction, any unit, as the device says for P0 and T0.
    pressure, temperature
        P and T of the air in it, Pa and K.
    taken
        P0 and T0.

    Examples
    --------
    >>> float(compensated(np.array(400.0), np.array(95000.0), np.array(288.0), taken=(100000.0, 298.0)).round(3))
    406.923
    """
    return reported * (taken[0] / pressure) * (temperature / taken[1])
