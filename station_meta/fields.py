"""The columns of a station table, and how the text of one cell is read."""

from __future__ import annotations

import math
import re
from datetime import date, datetime

import pandas as pd

COLUMNS = (
    "id",
    "name_zh",
    "name_en",
    "station_class",
    "lon",
    "lat",
    "ground_height",
    "inlets",
    "species",
    "instrument",
    "scale",
    "zone",
    "hour_label",
    "uncertainty",
    "valid_from",
    "valid_to",
    "illustrative",
    "source",
)
#: classes of the Zhejiang network, which must lie in the province
NETWORK_CLASSES = ("provincial", "regional", "city", "micro", "sink", "mobile")
#: and the stations around it: background air, and other people's networks
CLASSES = (*NETWORK_CLASSES, "background", "external")
#: classes of high precision, which others are compared with
PRECISE_CLASSES = ("provincial", "regional", "city", "background", "external")
HOUR_LABELS = ("start", "centre", "end")
#: written for a scale that is truly not known, so that a forgotten one stands out
UNKNOWN = "unknown"

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def cell(value: object) -> str:
    """Return a cell as the text it has in the file, whether or not it was already typed.

    Examples
    --------
    >>> cell(True), cell(float("nan")), cell(pd.Timestamp("2014-07-01")), cell(" UTC ")
    ('true', '', '2014-07-01', 'UTC')
    """
    if isinstance(value, str):
        return value.strip()
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    text = str(value)
    return text.lower() if text in {"True", "False"} else text


def number(text: str) -> float:
    """Return a finite number.

    Raises
    ------
    ValueError
        When the text is not one.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"not finite: {text}")
    return value


def items(text: str) -> tuple[str, ...]:
    """Return the parts of a semicolon list; an empty cell has none.

    Examples
    --------
    >>> items("co2; ch4"), items("")
    (('co2', 'ch4'), ())
    """
    return tuple(part.strip() for part in text.split(";")) if text else ()


def heights(text: str) -> tuple[float, ...]:
    """Return inlet heights above ground, m.

    Raises
    ------
    ValueError
        When one is not a number, is negative, or is given twice.

    Examples
    --------
    >>> heights("54;100;185")
    (54.0, 100.0, 185.0)
    """
    values = tuple(number(part) for part in items(text))
    if any(value < 0 for value in values) or len(set(values)) < len(values):
        raise ValueError("negative or repeated height")
    return values


def by_species(text: str) -> dict[str, str]:
    """Return the value of each species of a list such as "co2:WMO CO2 X2007;ch4:WMO CH4 X2004A".

    Raises
    ------
    ValueError
        When a part is not species:value, or a species comes twice.

    Examples
    --------
    >>> by_species("co2:0.1;ch4:1")
    {'co2': '0.1', 'ch4': '1'}
    """
    values: dict[str, str] = {}
    for part in items(text):
        species, colon, value = (piece.strip() for piece in part.partition(":"))
        if not (species and colon and value) or species in values:
            raise ValueError(f"not species:value, or twice: {part}")
        values[species] = value
    return values


def sigmas(text: str) -> dict[str, float]:
    """Return the one-sigma measurement error of each species, in the species' own unit.

    Raises
    ------
    ValueError
        When a value is not a positive number.
    """
    values = {species: number(value) for species, value in by_species(text).items()}
    if any(value <= 0 for value in values.values()):
        raise ValueError("an uncertainty must be positive")
    return values


def day(text: str) -> date | None:
    """Return a date written YYYY-MM-DD; an empty cell is an open end.

    Raises
    ------
    ValueError
        When the text is another form, or no day of the calendar.
    """
    if not text:
        return None
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(f"not YYYY-MM-DD: {text}")
    return date.fromisoformat(text)
