"""Measured series as the feeds deliver them: GCWerks minute text, a micro-sensor table, a background series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.osse.instruments import MINUTES
from pipeline.schema import HOUR

#: what a micro sensor's gateway writes for no value
FILL = -999.0
#: HJ 212 status letters used here: normal, fault
NORMAL, FAULT = "N", "D"
_HEADING = (
    "     -      -         -    -       co2     co2   co2 ",
    "  date   time      type port         C   stdev     N ",
)
_BLANK = f"{'nan':>9} {'nan':>7} {'nan':>5}"
#: samples the analyser takes in a minute
_SAMPLES = 19


def write_gcwerks(path: Path, start: np.datetime64, minutes: np.ndarray, spread: np.ndarray) -> None:
    """Write one-minute CO2 as GCWerks exports a Picarro: three heading lines, UTC labels at mid-minute, nan for none.

    Parameters
    ----------
    path
        File to write.
    start
        First minute, UTC.
    minutes : (minute,) float64
        Dry-air mole fraction, ppm; NaN where there is none.
    spread : (minute,) float64
        Standard deviation of the samples in the minute, ppm.
    """
    labels = pd.DatetimeIndex(start + np.timedelta64(30, "s") + np.arange(minutes.size) * np.timedelta64(1, "m"))
    # the export is dated by its data: a case must not depend on the day it was made
    created = (labels[-1] + pd.Timedelta(1, "D")).strftime("%d %b %y 08:30 GMT").lstrip("0")
    lines = [f"Created:  {created}", *_HEADING]
    for stamp, value, sigma in zip(labels.strftime("%y%m%d %H%M%S"), minutes, spread, strict=True):
        numbers = _BLANK if np.isnan(value) else f"{value:9.2f} {sigma:7.3f} {_SAMPLES:5d}"
        lines.append(f"{stamp}       air    9 {numbers} ")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def write_micro(
    path: Path,
    start: np.datetime64,
    hourly: np.ndarray,
    valid: np.ndarray,
    humidity: np.ndarray | None = None,
    again: np.ndarray | None = None,
) -> None:
    """Write hourly CO2 as a micro sensor's gateway does: CSV, Beijing time, the label ends the hour.

    Parameters
    ----------
    path
        File to write.
    start
        Start of the first hour, UTC.
    hourly : (hour,) float64
        Mole fraction, ppm.
    valid : (hour,) bool
        Hours with status N; the others carry status D and the fill value.
    humidity : (hour,) float64 or None
        Relative humidity in the sensor's cell, %; no such column when None.
    again : (hour,) bool or None
        Hours that are delivered a second time, with 50 ppm more.
    """
    ends = pd.DatetimeIndex(start + (1 + np.arange(hourly.size)) * HOUR)
    local = ends.tz_localize("UTC").tz_convert("Asia/Shanghai")
    frame = pd.DataFrame(
        {
            "time": local.strftime("%Y-%m-%d %H:%M:%S"),
            "co2_ppm": np.where(valid, np.round(hourly, 1), FILL),
            "status": np.where(valid, NORMAL, FAULT),
        }
    )
    if humidity is not None:
        frame["rh_percent"] = np.round(humidity, 0)
    if again is not None:
        other = frame[again].assign(co2_ppm=np.where(valid, np.round(hourly + 50.0, 1), FILL)[again])
        frame = pd.concat([frame, other], ignore_index=True)
    frame.to_csv(path, index=False, lineterminator="\n")


def write_background(path: Path, times: np.ndarray, values: np.ndarray) -> None:
    """Write the estimated background by hour, ppm, UTC, labelled at the start."""
    stamps = pd.DatetimeIndex(times).strftime("%Y-%m-%dT%H:%M:%SZ")
    frame = pd.DataFrame({"time": stamps, "co2_ppm": np.round(values, 3)})
    frame.to_csv(path, index=False, lineterminator="\n")


def minute_spread(minutes: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return a plausible standard deviation within each minute, ppm: (minute,)."""
    return 0.02 + sigma * np.sqrt(rng.chisquare(_SAMPLES, minutes.size) / _SAMPLES) / np.sqrt(MINUTES)
