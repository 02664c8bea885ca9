"""How high a parcel from the ground rises by itself: the depth that deep convection mixes.

Pseudo-adiabatic parcel theory (Holton and Hakim 2013, An Introduction to Dynamic Meteorology, sections 2.9 and 9.5):
the parcel of the lowest level keeps its potential temperature and water up to saturation, then cools along the moist
adiabat; convection reaches the highest level at which it is still lighter than the air round it.
"""

from __future__ import annotations

import numpy as np

#: gas constants of dry air and water vapour, heat capacity of air (J kg-1 K-1) and latent heat of condensation (J kg-1)
_R_DRY, _R_VAPOUR, _HEAT_CAPACITY, _LATENT = 287.0, 461.5, 1005.0, 2.5e6
_RATIO = _R_DRY / _R_VAPOUR
#: steps of the ascent between two levels
_STEPS = 4
#: convective available potential energy below which nothing is mixed, J kg-1
_LEAST_ENERGY = 100.0


def saturation_humidity(temperature: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Return the specific humidity of saturated air, kg kg-1 (Bolton 1980, Mon. Weather Rev. 108, 1046, eq. 10).

    Parameters
    ----------
    temperature, pressure
        Arrays of one shape: K and Pa.
    """
    celsius = temperature - 273.15
    vapour = np.minimum(611.2 * np.exp(17.67 * celsius / (celsius + 243.5)), 0.5 * pressure)
    return np.asarray(_RATIO * vapour / (pressure - (1.0 - _RATIO) * vapour))


def convection_height(
    temperature: np.ndarray, pressure: np.ndarray, humidity: np.ndarray, height: np.ndarray
) -> np.ndarray:
    """Return the height above ground that a parcel of the lowest level reaches by itself, (y, x) float64, m.

    Parameters
    ----------
    temperature, pressure, humidity, height : (level, y, x)
        K, Pa, kg kg-1 and m above ground; levels ascend, those below ground (height <= 0) are passed over.

    Returns
    -------
    Zero where the available energy is less than 100 J kg-1: the turbulence of the boundary layer is all there is.
    """
    count = height.shape[0]
    begun = height[0] > 0.0
    parcel, water = temperature[0].astype(np.float64), humidity[0].astype(np.float64)
    top, energy, reached = np.zeros(begun.shape), np.zeros(begun.shape), np.zeros(begun.shape)
    for level in range(1, count):
        begins = ~begun & (height[level] > 0.0)
        rises = begun
        low, high = pressure[level - 1].astype(np.float64), pressure[level].astype(np.float64)
        lifted, left = _lift(parcel, water, low, high)
        parcel = np.where(rises, lifted, np.where(begins, temperature[level], parcel))
        water = np.where(rises, left, np.where(begins, humidity[level], water))
        begun = begun | begins
        warmth = _virtual(parcel, water) - _virtual(temperature[level], humidity[level])
        gain = _R_DRY * warmth * np.log(low / high)
        # energy below a stable layer counts only if the parcel gets through it
        energy = np.where(rises, energy + np.maximum(gain, 0.0), energy)
        higher = rises & (warmth > 0.0)
        top = np.where(higher, height[level], top)
        reached = np.where(higher, energy, reached)
    return np.where(reached >= _LEAST_ENERGY, top, 0.0)


def _lift(
    temperature: np.ndarray, water: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a parcel's temperature and vapour after its ascent from one pressure to another."""
    step = np.log(high / low) / _STEPS
    pressure = low
    for _ in range(_STEPS):
        # Heun's rule in ln p
        slope = _slope(temperature, water, pressure)
        after = pressure * np.exp(step)
        guess = temperature + step * slope
        slope = 0.5 * (slope + _slope(guess, water, after))
        temperature, pressure = temperature + step * slope, after
        water = np.minimum(water, saturation_humidity(temperature, pressure))
    return temperature, water


def _slope(temperature: np.ndarray, water: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Return dT / d ln p of a parcel, K: dry, or along the pseudo-adiabat where it is saturated."""
    saturated = saturation_humidity(temperature, pressure)
    dry = _R_DRY * temperature / _HEAT_CAPACITY
    above = 1.0 + _LATENT * saturated / (_R_DRY * temperature)
    below = 1.0 + _LATENT**2 * saturated / (_HEAT_CAPACITY * _R_VAPOUR * temperature**2)
    return np.where(water >= saturated, dry * above / below, dry)


def _virtual(temperature: np.ndarray, humidity: np.ndarray) -> np.ndarray:
    return np.asarray(temperature * (1.0 + (1.0 / _RATIO - 1.0) * humidity))
