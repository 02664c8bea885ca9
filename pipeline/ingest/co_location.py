"""A sensor beside a reference: two tables in, the sensor's correction out.

SENSOR.csv has the columns time, value, temperature, pressure, and humidity or water; REFERENCE.csv has time and value,
dry. Times carry their zone and mark the start of a sample; values are in ppm, temperature in K, pressure in Pa,
humidity and water vapour in %. Samples are averaged to hours, after they are compensated and dried as the feed's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.errors import FormatError, TimeError
from pipeline.ingest.calibrations import Calibration
from pipeline.ingest.conditioning import conditioned, water_fraction
from pipeline.ingest.correction import CoLocation, fit
from pipeline.ingest.formats.samples import HOUR, Samples, samples
from pipeline.ingest.formats.table import read_table
from pipeline.ingest.registry import load_own_rules, rules_table
from pipeline.settings import StationSettings, TableColumns

_AROUND = ("temperature", "pressure", "humidity", "water")


def calibration_of(
    sensor: Path,
    reference: Path,
    least: CoLocation,
    *,
    station: str,
    beside: str,
    source: str,
    air: Literal["dry", "wet"],
    compensation: tuple[float, float] | None = None,
) -> tuple[Calibration, pd.DataFrame]:
    """Return the correction of a sensor, valid from the end of its training on, and the hours it was fitted to.

    Parameters
    ----------
    sensor, reference
        The tables.
    least
        What a co-location must have.
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

    Raises
    ------
    FormatError, TimeError, ConfigError
        When a table cannot be read, or the co-location is too short or too much alike.
    """
    time, value, _ = _table(reference, ())
    hours = _sensor_hours(sensor, station, air, compensation).join(_hourly(time, value, "reference"), how="inner")
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
    return calibration, hours


def co_location_rules(tables: Sequence[Path]) -> CoLocation:
    """Return what a co-location must have, by the shipped thresholds and tables of one's own.

    Raises
    ------
    RegistryError
        When a table cannot be used.
    """
    return rules_table(load_own_rules(tables), "co_location", CoLocation)


def _sensor_hours(
    path: Path, station: str, air: Literal["dry", "wet"], compensation: tuple[float, float] | None
) -> pd.DataFrame:
    """Return hourly means of a sensor, conditioned as its feed is, and of what is around it."""
    time, value, environment = _table(path, _AROUND)
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
    return pd.concat([_hourly(time, numbers, name) for name, numbers in parts.items()], axis=1)


def _table(path: Path, optional: Sequence[str]) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return times (UTC), values, and those optional columns that are there."""
    with path.open(encoding="utf-8-sig") as stream:
        head = [name.strip() for name in stream.readline().split(",")]
    around = {name: name for name in optional if name in head}
    found = read_table(path, TableColumns(time="time", value="value", unit="ppm", environment=around))
    if found.zone is None:
        raise TimeError("times must carry their zone", got=str(found.written[0]), remedy="write 2024-07-01T02:00Z",
                        where=path.name)  # fmt: skip
    good = ~np.isnat(found.label) & (found.reason == "")
    return found.label[good], found.value[good], {name: values[good] for name, values in found.environment.items()}


def _as_samples(time: np.ndarray, value: np.ndarray, environment: dict[str, np.ndarray], path: Path) -> Samples:
    return samples(
        time, value, np.full(time.size, "", dtype=object), unit="ppm", interval=HOUR, marks="start", zone="UTC",
        where=path.name, environment=environment,
    )  # fmt: skip


def _hourly(time: np.ndarray, numbers: np.ndarray, name: str) -> pd.Series:
    series = pd.Series(numbers, index=pd.DatetimeIndex(time).floor("h"), name=name)
    return series.groupby(level=0).mean()


def _aware(time: np.datetime64) -> datetime:
    return pd.Timestamp(time).to_pydatetime().replace(tzinfo=UTC)
