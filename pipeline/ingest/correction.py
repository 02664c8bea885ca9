"""What a cheap sensor's surroundings do to it: reference minus sensor as a linear function of what it sees and feels.

d = c0 + c1 (x - x0) + c2 (T - T0) + c3 (P - P0) + c4 (e - e0), by robust regression on weeks beside a reference.
Outside what those weeks held it is a guess: flagged, and the less certain the further out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.errors import TimeError

#: x, T, P, e and their units
PREDICTORS = (("value", "ppm"), ("temperature", "K"), ("pressure", "Pa"), ("vapour", "Pa"))
#: tuning constant of Huber's loss: 95 % efficient where errors are normal (Huber 1981, Robust Statistics)
_HUBER = 1.345
#: median absolute deviation of a normal distribution to its standard deviation
_MAD_TO_SIGMA = 1.4826
_ROUNDS = 50


@dataclass(frozen=True)
class CoLocation:
    """Least co-location to fit from: table `[co_location]` of `station_meta/quality.toml`; days, and K."""

    days: int
    temperature_span: float


@dataclass(frozen=True, eq=False)
class Correction:
    """What to add to a sensor's dry mole fractions.

    Parameters
    ----------
    centre : (4,) float64
        Means of x, T, P, e in training: ppm, K, Pa, Pa.
    coefficients : (5,) float64
        The correction at the centre, ppm, and its slopes by x, T, P, e.
    covariance : (5, 5) float64
        Of the coefficients.
    low, high : (4,) float64
        Least and largest x, T, P, e in training.
    rmse
        Root mean square of reference minus corrected sensor in training, ppm.
    """

    centre: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rmse: float


def fit(
    time: np.ndarray,
    reference: np.ndarray,
    value: np.ndarray,
    temperature: np.ndarray,
    pressure: np.ndarray,
    vapour: np.ndarray,
    least: CoLocation,
    *,
    where: str = "",
) -> Correction:
    """Return the correction of a sensor that stood beside a reference.

    Huber's M-estimator by iterated reweighting. The covariance is the sandwich with the residuals of a day as one, for
    hours that follow each other err alike (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13).

    Parameters
    ----------
    time : (hour,) datetime64
        UTC.
    reference, value : (hour,) float64
        Dry mole fractions of the reference and of the sensor, ppm; hours in which any number is NaN are left out.
    temperature, pressure, vapour : (hour,) float64
        Around the sensor, K, Pa, and water vapour pressure in Pa.
    least
        What the co-location must have.
    where
        The sensor, for messages.

    Raises
    ------
    TimeError
        When the co-location is too short, or too much alike, to tell.
    """
    predictors = np.stack([value, temperature, pressure, vapour], axis=1)
    good = np.isfinite(predictors).all(axis=1) & np.isfinite(reference)
    predictors, difference = predictors[good], (reference - value)[good]
    day = time[good].astype("datetime64[D]")
    _check(day, predictors, least, where)
    centre, scale = predictors.mean(axis=0), predictors.std(axis=0)
    design = np.column_stack([np.ones(difference.size), (predictors - centre) / scale])
    found, sigma = _huber(design, difference)
    residual = difference - design @ found
    score = np.clip(residual, -_HUBER * sigma, _HUBER * sigma)
    inside = np.abs(residual) <= _HUBER * sigma
    bread = np.linalg.inv(design[inside].T @ design[inside])
    days, of_day = np.unique(day, return_inverse=True)
    daily = np.stack([np.bincount(of_day, weights=score * column) for column in design.T], axis=1)
    covariance = days.size / (days.size - 1) * bread @ (daily.T @ daily) @ bread
    back = np.append(1.0, 1.0 / scale)
    return Correction(
        centre,
        found * back,
        covariance * np.outer(back, back),
        predictors.min(axis=0),
        predictors.max(axis=0),
        float(np.sqrt(np.mean(residual**2))),
    )


def correct(
    correction: Correction, value: np.ndarray, temperature: np.ndarray, pressure: np.ndarray, vapour: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return corrected mole fractions, their one-sigma error, and where the training says nothing.

    Parameters
    ----------
    correction
        Of the sensor.
    value, temperature, pressure, vapour : (row,) float64
        As in `fit`; NaN gives NaN.

    Returns
    -------
    corrected, sigma : (row,) float64
        ppm. sigma^2 = rmse^2 + x^T C x, C the coefficients' covariance: it grows with the distance from the training.
    outside : (row,) bool
        Any of the four beyond what the training held.
    """
    predictors = np.stack([value, temperature, pressure, vapour], axis=1)
    design = np.column_stack([np.ones(value.size), predictors - correction.centre])
    variance = np.einsum("ri,ij,rj->r", design, correction.covariance, design)
    outside = np.any((predictors < correction.low) | (predictors > correction.high), axis=1)
    return value + design @ correction.coefficients, np.sqrt(correction.rmse**2 + variance), outside


def _huber(design: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the coefficients of least Huber loss, and the robust standard deviation of the residuals."""
    weight = np.ones(observed.size)
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)
        found = np.linalg.lstsq(design * root[:, None], observed * root)[0]
        residual = observed - design @ found
        sigma = _MAD_TO_SIGMA * float(np.median(np.abs(residual - np.median(residual))))
        # a perfect fit has no residuals to weigh
        size = np.maximum(np.abs(residual), np.finfo(float).tiny)
        weight = np.minimum(1.0, _HUBER * sigma / size) if sigma > 0 else np.ones(observed.size)
    return found, sigma


def _check(day: np.ndarray, predictors: np.ndarray, least: CoLocation, where: str) -> None:
    days = int(np.unique(day).size)
    if days < least.days:
        raise TimeError(
            f"a sensor must have stood beside the reference on {least.days} days",
            got=days,
            remedy="leave it there longer",
            where=where,
        )
    span = float(np.ptp(predictors[:, 1]))
    if span < least.temperature_span:
        raise TimeError(
            f"temperature must have spanned {least.temperature_span:g} K beside the reference",
            got=f"{span:.1f} K",
            remedy="leave it there until the weather changes",
            where=where,
        )
    for (name, unit), column in zip(PREDICTORS, predictors.T, strict=True):
        if np.ptp(column) == 0:
            raise TimeError(
                f"{name} must have changed beside the reference",
                got=f"{column[0]:g} {unit} throughout",
                remedy="check that column; a constant tells nothing",
                where=where,
            )
