"""Mole fractions of dry air from what an instrument reports: compensated, dried, and corrected for its surroundings.

The order is: pressure and temperature of a device that counts molecules in a volume, water vapour, then the sensor's
own correction, which was fitted to dry mole fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ConfigError
from pipeline.ingest.air import compensated, dry_mole_fraction, vapour_pressure
from pipeline.ingest.calibrations import Calibration
from pipeline.ingest.correction import correct
from pipeline.ingest.formats.samples import Samples
from pipeline.schema import Flag
from pipeline.settings import StationSettings

#: networks' formats, which hold dry mole fractions by their own definition; any other feed says `air`
DRY_FORMATS = ("gcwerks", "icos-atc", "icos-csv", "obspack", "wdcgg")
NO_SURROUNDINGS = "surroundings not reported"


@dataclass(frozen=True, eq=False)
class Conditioned:
    """Rows of one file after conditioning.

    Parameters
    ----------
    value, spread, uncertainty : (row,) float64
        In the species' own unit; where a correction was applied, the uncertainty is at least that of the correction.
    lacking : (row,) bool
        Rows in which the instrument does not report what is needed.
    bits : (row,) uint32
        WET_DRY_UNKNOWN, CALIBRATION.
    notes
        What was done.
    """

    value: np.ndarray
    spread: np.ndarray
    uncertainty: np.ndarray
    lacking: np.ndarray
    bits: np.ndarray
    notes: tuple[str, ...]


def conditioned(
    said: Samples,
    time: np.ndarray,
    factor: float,
    feed: StationSettings,
    calibrations: Sequence[Calibration],
    *,
    where: str,
) -> Conditioned:
    """Return the mole fractions of a file in dry air and in the species' own unit.

    Parameters
    ----------
    said
        The file.
    time : (row,) datetime64[ns]
        Start of each row's interval, UTC.
    factor
        From the file's unit to the species' own.
    feed
        Declares `air` and `compensation`.
    calibrations
        Of the sensor, for periods that do not overlap; none for a station without.
    where
        The file, for messages.

    Raises
    ------
    ConfigError
        When the file does not report what is needed at all.
    """
    value, scale = said.value * factor, np.full(said.value.size, factor)
    lacking, bits = np.zeros(value.size, dtype=bool), np.zeros(value.size, dtype=np.uint32)
    notes: list[str] = []
    if feed.compensation is not None:
        pressure, temperature = _reported(said, ("pressure", "temperature"), "compensation", where)
        taken = (feed.compensation.pressure, feed.compensation.temperature)
        scale *= compensated(np.ones(value.size), pressure, temperature, taken=taken)
        notes.append(f"compensated for pressure and temperature, from {taken[0]:g} Pa and {taken[1]:g} K")
    air = feed.air or ("dry" if feed.format in DRY_FORMATS else None)
    if air is None:
        bits |= np.uint32(Flag.WET_DRY_UNKNOWN)
        notes.append("whether its mole fractions are of dry or of moist air is not declared (air): not used")
    if air == "wet":
        scale *= dry_mole_fraction(np.ones(value.size), water_fraction(said, where))
        notes.append("mole fractions of moist air, dried")
    lacking |= ~np.isfinite(scale)
    value, uncertainty = said.value * scale, said.uncertainty * scale
    if calibrations:
        value, sigma, found = _corrected(value, said, time, calibrations, where)
        lacking |= ~np.isfinite(value) & np.isfinite(said.value)
        uncertainty = np.fmax(uncertainty, sigma)
        bits |= found
        notes.append(f"corrected for its surroundings by {len(calibrations)} calibration(s)")
    return Conditioned(value, said.spread * scale, uncertainty, lacking, bits, tuple(notes))


def water_fraction(said: Samples, where: str) -> np.ndarray:
    """Return the mole fraction of water vapour in moist air, mol mol-1: as reported, or by humidity, T and P.

    Raises
    ------
    ConfigError
        When the file reports neither.
    """
    if "water" in said.environment:
        return 0.01 * said.environment["water"]
    humidity, temperature, pressure = _reported(said, ("humidity", "temperature", "pressure"), 'air = "wet"', where)
    return vapour_pressure(humidity, temperature) / pressure


def _corrected(
    value: np.ndarray, said: Samples, time: np.ndarray, calibrations: Sequence[Calibration], where: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return corrected values, the correction's sigma (NaN without one), and CALIBRATION bits."""
    temperature, pressure = _reported(said, ("temperature", "pressure"), "its calibration", where)
    vapour = water_fraction(said, where) * pressure
    out, sigma = value.copy(), np.full(value.size, np.nan)
    # a sensor known to need a correction is suspect when it has none
    suspect = np.ones(value.size, dtype=bool)
    for calibration in calibrations:
        rows = np.flatnonzero(calibration.covers(time))
        around = (part[rows] for part in (value, temperature, pressure, vapour))
        out[rows], sigma[rows], suspect[rows] = correct(calibration.correction, *around)
    return out, sigma, np.where(suspect, np.uint32(Flag.CALIBRATION), np.uint32(0))


def _reported(said: Samples, names: Sequence[str], what: str, where: str) -> list[np.ndarray]:
    lacking = [name for name in names if name not in said.environment]
    if lacking:
        raise ConfigError(
            f"a feed must report {', '.join(names)} for {what}",
            got=f"not {', '.join(lacking)}",
            remedy="name the columns in table.environment, in Pa, K and %",
            where=where,
        )
    return [said.environment[name] for name in names]
