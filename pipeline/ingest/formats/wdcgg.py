"""WDCGG text of monthly means: lines REM01 to REM25 describe, then year, month, value and -99... for missing.

A monthly mean is background information, not an hourly observation: the caller refuses it by its interval.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError, UnitError
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, MONTH, RAGGED, Samples, first_reason, samples
from pipeline.ingest.formats.text import column, numbers, read_lines, split_rows, times
from pipeline.settings import StationSettings
from pipeline.units import Species

#: half an arc minute in both directions, m: positions are rounded to arc minutes
_POSITION_ERROR = 1311.0


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:  # noqa: ARG001 - readers share one signature
    """Return the months of a WDCGG file.

    Raises
    ------
    FormatError
        When the REM lines are missing, or are of another species or interval.
    UnitError
        When no unit is stated.
    """
    lines = read_lines(path)
    head = [line for line in lines if line.startswith("REM")]
    facts = dict(re.findall(r"^REM\d+ +([A-Z/ ]+): *(.*)$", "\n".join(head), flags=re.MULTILINE))
    _check(head, facts, gas, path)
    # the heading's M stands for two columns, year and month
    names = ["Y", *next(line.split()[1:] for line in head if re.match(r"REM\d+ +M ", line))]
    rows = split_rows(lines[len(head) :], len(head) + 1, len(names), None, where=path.name)
    cell = dict(zip(names, rows.cells.T, strict=True))
    label = times(cell["Y"] + "-" + cell["M"], "%Y-%m")
    value, bad = numbers(rows.cells[:, column(names, gas.name.upper(), where=path.name)])
    return samples(
        label,
        value,
        first_reason(len(label), (rows.ragged, RAGGED), (np.isnat(label), BAD_TIME), (bad, BAD_NUMBER)),
        unit=facts["UNIT"].strip(),
        interval=MONTH,
        marks="start",
        zone="UTC",
        where=path.name,
        spread=numbers(cell["SD"])[0] if "SD" in cell else None,
        count=numbers(cell["ND"])[0] if "ND" in cell else None,
        scale=facts.get("CALIBRATION", "").partition("(")[0].strip(),
        position=_position(facts),
        position_error=_POSITION_ERROR,
        notes=rows.notes,
    )


def _check(head: list[str], facts: dict[str, str], gas: Species, path: Path) -> None:
    if not head or "MONTHLY" not in head[0] or not any(re.match(r"REM\d+ +M ", line) for line in head):
        raise FormatError(
            "the file must start with WDCGG's REM lines for monthly data",
            got=head[0][:60] if head else "no REM line",
            remedy="check the format; hourly WDCGG files can be declared as a table",
            where=path.name,
        )
    if facts.get("PARAMETER", "").strip().lower() != gas.name:
        raise FormatError(
            f"PARAMETER must be {gas.name}", got=facts.get("PARAMETER"), remedy="choose another file", where=path.name
        )
    if not facts.get("UNIT", "").strip():
        raise UnitError("REM lines must state UNIT", got="none", remedy="fetch it again", where=path.name)


def _position(facts: dict[str, str]) -> tuple[float, float] | None:
    """Return (lon, lat) of 36 17' N and 100 54' E."""
    found = [re.match(r" *(\d+) +(\d+)' *([NSEW])", facts.get(key, "")) for key in ("LONGITUDE", "LATITUDE")]
    lon, lat = ((int(m[1]) + int(m[2]) / 60) * (-1 if m[3] in "SW" else 1) if m else np.nan for m in found)
    return None if np.isnan(lon) or np.isnan(lat) else (lon, lat)
