"""Corrections of cheap sensors on file: TOML, one table `[[calibration]]` per sensor and validity period."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from pipeline.errors import FormatError
from pipeline.ingest.correction import Correction
from pipeline.settings.base import Finite, NonNegative, Section

_Four = Annotated[list[Finite], Field(min_length=4, max_length=4)]
_Five = Annotated[list[Finite], Field(min_length=5, max_length=5)]


class Calibration(Section):
    """A sensor's correction, when it holds, and where it comes from; ppm, K, Pa, and vapour pressure in Pa."""

    station: str
    species: str
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    trained_from: AwareDatetime
    trained_to: AwareDatetime
    reference: str = Field(min_length=1)
    source: str = Field(min_length=1)
    rmse: NonNegative
    centre: _Four
    coefficients: _Five
    covariance: Annotated[list[_Five], Field(min_length=5, max_length=5)]
    low: _Four
    high: _Four

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must come after valid_from")
        if self.trained_to <= self.trained_from:
            raise ValueError("trained_to must come after trained_from")
        matrix = np.array(self.covariance)
        if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=0) or np.any(np.diag(matrix) < 0):
            raise ValueError("covariance must be symmetric, its diagonal not negative")
        if any(a > b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("low must not exceed high")
        return self

    @property
    def correction(self) -> Correction:
        """Its numbers as arrays."""
        return Correction(
            np.array(self.centre),
            np.array(self.coefficients),
            np.array(self.covariance),
            np.array(self.low),
            np.array(self.high),
            self.rmse,
        )

    @property
    def bounds(self) -> tuple[np.datetime64, np.datetime64]:
        """(valid_from, valid_to) as UTC datetime64[ns]; NaT for an open end."""
        return _utc(self.valid_from), np.datetime64("NaT", "ns") if self.valid_to is None else _utc(self.valid_to)

    @property
    def trained_until(self) -> np.datetime64:
        """`trained_to` as UTC datetime64[ns]: the sensor then stood beside a reference."""
        return _utc(self.trained_to)

    def covers(self, time: np.ndarray) -> np.ndarray:
        """Return the mask of times, datetime64 in UTC, at which it holds."""
        start, end = self.bounds
        return (time >= start) & (np.isnat(end) | (time < end))


def read_calibrations(paths: Sequence[Path]) -> list[Calibration]:
    """Return the corrections of files.

    Raises
    ------
    FormatError
        When a file cannot be read or a key not be used, or two periods of one sensor overlap.
    """
    found: list[Calibration] = []
    for path in paths:
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
            found += [Calibration.model_validate(table) for table in tables.pop("calibration", [])]
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FormatError(
                "a file of calibrations must be TOML in UTF-8", got=str(error), remedy="correct it", where=path.name
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise FormatError(
                f"{'.'.join(map(str, first['loc'])) or 'the table'}: {first['msg'].removeprefix('Value error, ')}",
                remedy="make the table by `tianyan calibrate fit`",
                where=path.name,
            ) from error
        if tables:
            raise FormatError(
                "a file of calibrations holds [[calibration]] alone",
                got=sorted(tables),
                remedy="remove the rest",
                where=path.name,
            )
    _check_overlap(found)
    return found


def render(calibration: Calibration) -> str:
    """Return the table as TOML, numbers to their last bit."""
    lines = ["[[calibration]]"]
    for name, value in calibration.model_dump(mode="json", exclude_none=True).items():
        # JSON's text, numbers and arrays are TOML's; a time stands without quotes
        bare = name in ("valid_from", "valid_to", "trained_from", "trained_to")
        lines.append(f"{name} = {value if bare else json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def append(path: Path, calibration: Calibration) -> None:
    """Add a calibration to a file, which is made when it is not there.

    Raises
    ------
    FormatError
        When the file cannot be read, or holds one of the same sensor and time.
    """
    there = read_calibrations([path]) if path.exists() else []
    _check_overlap([*there, calibration])
    with path.open("a", encoding="utf-8") as stream:
        stream.write(("\n" if there else "") + render(calibration))


def _check_overlap(calibrations: Sequence[Calibration]) -> None:
    for i, one in enumerate(calibrations):
        for other in calibrations[:i]:
            if (one.station, one.species) != (other.station, other.species):
                continue
            if other.covers(np.array([one.bounds[0]])).any() or one.covers(np.array([other.bounds[0]])).any():
                raise FormatError(
                    "periods of one sensor's calibrations must not overlap",
                    got=f"{one.valid_from.isoformat()} and {other.valid_from.isoformat()}",
                    remedy="set valid_to of the earlier one",
                    where=f"calibrations of {one.station}",
                )


def _utc(when: AwareDatetime) -> np.datetime64:
    return np.datetime64(int(when.timestamp()), "s").astype("datetime64[ns]")
