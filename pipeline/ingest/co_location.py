"""A sensor beside a reference: two tables in, the sensor's correction out.

SENSOR.csv has the columns time, value, temperature, pressure, and humidity or water; REFERENCE.csv has time and value,
dry. Times carry their zone and mark the start of a sample; values are in ppm, temperature in K, pressure in Pa,
humidity and water vapour in %. Samples are averaged to hours, after they are compensated and dried as the feed's are.

Samples that a feed's rows would lose are left out before: fills, surroundings outside their bounds, what cannot be air.
An hour needs three quarters of the samples its interval gives, as feeds do by default. All of that is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.errors import FormatError, TimeError
from pipeline.ingest.calibrations import Calibration
from pipeline.ingest.conditioning import conditioned, water_fraction
from pipeline.ingest.correction import CoLocation, fit
from pipeline.ingest.formats.samples import HOUR, Samples, is_fill, samples
from pipeline.ingest.formats.table import read_table
from pipeline.ingest.quality import rules_of
from pipeline.ingest.registry import rules_table
from pipeline.ingest.rows import FILLS
from pipeline.settings import StationSettings, TableColumns
from station_meta import QualityRules, Rules

#: classes by whose thresholds the two are judged; a city's are the widest of those of spectrometers
_SENSOR, _REFERENCE = "micro", "city"
#: share of an hour's samples that must be there: 45 of 60, as a feed's `completeness` has it
_SHARE = 0.75
#: 0 means missing of a mole fraction, not of humidity
_FILLS_AROUND = tuple(fill for fill in FILLS if fill != 0.0)
_INCOMPLETE = "hours incomplete"
_AROUND = ("temperature", "pressure", "humidity", "water")


def calibration_of(
    sensor: Path,
    reference: Path,
    rules: Rules,
    *,
    station: str,
    beside: str,
    source: str,
    air: Literal["dry", "wet"],
    compensation: tuple[float, float] | None = None,
) -> tuple[Calibration, pd.DataFrame, list[str]]:
    """Return the correction of a sensor, valid from the end of its training on, its hours, and what was left out.

    Parameters
    ----------
    sensor, reference
        The tables.
    rules
        Thresholds: what a co-location must have, and what its samples must be.
    station, beside
        Ids of the sensor and of the reference.
    source
        Where the numbers come from, in words.
    air
        Whether the sensor's mole fractions are of dry or of moist air.
    compensation
        Pressure, Pa, and temperature, K, a device takes its air to have that does not compensate.

    Returns
    -------
    calibration
        To be written by `calibrations.append`.
    hours
        Index UTC; columns reference, value, temperature, pressure, vapour.
    left_out
        Counts of samples and hours by table and reason, in words; of a table that lost none there is nothing.

    Raises
    ------
    FormatError, TimeError, ConfigError, RegistryError
        When thresholds or a table cannot be read, or the co-location is too short or too much alike.
    """
    least = rules_table(rules, "co_location", CoLocation)
    ours = rules_of(rules, "co2", _SENSOR, station, where=sensor.name)
    theirs = rules_of(rules, "co2", _REFERENCE, "", where=reference.name)
    lost: dict[str, dict[str, int]] = {sensor.name: {}, reference.name: {}}
    hours = _sensor_hours(sensor, station, air, compensation, ours, lost[sensor.name])
    hours = hours.join(_reference_hours(reference, theirs, lost[reference.name]), how="inner")
    if hours.empty:
        raise TimeError(
            "the two tables must have hours in common", got="none", remedy="check their zones", where=sensor.name
        )
    time = hours.index.to_numpy("datetime64[ns]")
    numbers = {name: hours[name].to_numpy(dtype=np.float64) for name in map(str, hours.columns)}
    found = fit(time, **numbers, least=least, where=station)
    end = time[-1] + HOUR
    calibration = Calibration(
        station=station,
        species="co2",
        valid_from=_aware(end),
        trained_from=_aware(time[0]),
        trained_to=_aware(end),
        reference=beside,
        source=source,
        rmse=found.rmse,
        centre=found.centre.tolist(),
        coefficients=found.coefficients.tolist(),
        covariance=found.covariance.tolist(),
        low=found.low.tolist(),
        high=found.high.tolist(),
    )
    return calibration, hours, list(_told(lost))


def _sensor_hours(
    path: Path,
    station: str,
    air: Literal["dry", "wet"],
    compensation: tuple[float, float] | None,
    rules: QualityRules,
    lost: dict[str, int],
) -> pd.DataFrame:
    """Return hourly means of a sensor, conditioned as its feed is, and of what is around it; count what is lost."""
    time, interval, value, environment = _table(path, _AROUND, rules, lost)
    feed = StationSettings.model_validate(
        {
            "id": station,
            "format": "table",
            "files": [path.name],
            "height": 0.0,
            "representation_error": 0.0,
            "table": {"time": "time", "value": "value", "unit": "ppm"},
            "air": air,
            "compensation": compensation and dict(zip(("pressure", "temperature"), compensation, strict=True)),
        }
    )
    said = _as_samples(time, value, environment, path)
    made = conditioned(said, time, 1.0, feed, (), where=path.name)
    for name in ("temperature", "pressure"):
        if name not in environment:
            raise FormatError(
                "the column must be there", got=sorted(environment), remedy=f"add {name}", where=path.name
            )
    vapour = water_fraction(said, path.name) * environment["pressure"]
    parts = {"value": made.value, "vapour": vapour, **{n: environment[n] for n in ("temperature", "pressure")}}
    return _hourly(pd.DataFrame(parts, index=pd.DatetimeIndex(time)), interval, rules, lost)


def _reference_hours(path: Path, rules: QualityRules, lost: dict[str, int]) -> pd.DataFrame:
    """Return hourly means of a reference; count what is lost."""
    time, interval, value, _ = _table(path, (), rules, lost)
    hours = _hourly(pd.DataFrame({"value": value}, index=pd.DatetimeIndex(time)), interval, rules, lost)
    return hours.rename(columns={"value": "reference"})


def _table(
    path: Path, optional: Sequence[str], rules: QualityRules, lost: dict[str, int]
) -> tuple[np.ndarray, np.timedelta64, np.ndarray, dict[str, np.ndarray]]:
    """Return times (UTC), their usual step, values, and those optional columns that are there, of rows in bounds."""
    with path.open(encoding="utf-8-sig") as stream:
        head = [name.strip() for name in stream.readline().split(",")]
    around = {name: name for name in optional if name in head}
    found = read_table(path, TableColumns(time="time", value="value", unit="ppm", environment=around))
    if found.zone is None:
        raise TimeError("times must carry their zone", got=str(found.written[0]), remedy="write 2024-07-01T02:00Z",
                        where=path.name)  # fmt: skip
    readable = ~np.isnat(found.label) & (found.reason == "")
    missing = ~np.isfinite(found.value) | is_fill(found.value, FILLS)
    outside = np.zeros(missing.size, dtype=bool)
    for name, values in found.environment.items():
        missing |= ~np.isfinite(values) | is_fill(values, _FILLS_AROUND)
        low, high = rules.environment.get(name, (-np.inf, np.inf))
        outside |= (values < low) | (values > high)
    good = np.ones(missing.size, dtype=bool)
    tests = {"not readable": ~readable, "missing or fill": missing, "surroundings outside their bounds": outside}
    for name, mask in tests.items():
        lost[name] = int((good & mask).sum())
        good &= ~mask
    step = np.diff(np.unique(found.label[~np.isnat(found.label)])).astype(np.int64)
    interval: np.timedelta64 = np.timedelta64(int(np.median(step)), "ns") if step.size else HOUR
    return found.label[good], interval, found.value[good], {n: part[good] for n, part in found.environment.items()}


def _as_samples(time: np.ndarray, value: np.ndarray, environment: dict[str, np.ndarray], path: Path) -> Samples:
    return samples(
        time, value, np.full(time.size, "", dtype=object), unit="ppm", interval=HOUR, marks="start", zone="UTC",
        where=path.name, environment=environment,
    )  # fmt: skip


def _hourly(frame: pd.DataFrame, interval: np.timedelta64, rules: QualityRules, lost: dict[str, int]) -> pd.DataFrame:
    """Return hourly means of samples that can be air, of hours that have enough of them; count the others."""
    air = frame[frame["value"].between(*rules.fail)]
    lost["outside the range of air"] = len(frame) - len(air)
    hours = air.groupby(pd.DatetimeIndex(air.index).floor("h"))
    enough = hours.size() >= max(1, math.ceil(_SHARE * (HOUR / interval)))
    # an hour that lost all its samples has been told by them
    lost[_INCOMPLETE] = int((~enough).sum())
    return hours.mean()[enough]


def _told(lost: dict[str, dict[str, int]]) -> Iterator[str]:
    """Give what each table lost, in words."""
    for name, counts in lost.items():
        rows = ", ".join(f"{number} {what}" for what, number in counts.items() if number and what != _INCOMPLETE)
        hours = f"{counts[_INCOMPLETE]} {_INCOMPLETE}" if counts[_INCOMPLETE] else ""
        if rows or hours:
            yield f"{name}: left out {'; '.join(filter(None, (rows, hours)))}"


def _aware(time: np.datetime64) -> datetime:
    return pd.Timestamp(time).to_pydatetime().replace(tzinfo=UTC)
