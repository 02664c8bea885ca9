"""Half-hourly fluxes of eddy-covariance towers, as FLUXNET, ICOS and EuroFlux exchange them: CSV, -9999 for missing.

    TIMESTAMP_START,TIMESTAMP_END,NEE,NEE_QC,USTAR
    202407150800,202407150830,-7.31,0,0.42

Times are the site's standard time, all year the same, without a zone. FLUXNET's form states both ends of a row. The
older one has a column `date` (day first) and one `time`, and a second heading line of units; what its labels mark is
told by the station table. Fluxes are in umol m-2 s-1, positive upward, in all of them.

Names differ (FLUXNET `NEE_VUT_REF` and `NEE_VUT_REF_QC`, ICOS `NEE` and `NEE_SSITC_TEST`, EuroFlux `FC_PI_1_1_1`), so
that the settings tell them. Qualifier F says of a column that its gaps were filled, as a column `_QC` beside it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError, TimeError
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, HOUR, RAGGED, Mark, first_reason
from pipeline.ingest.formats.text import column, numbers, read_lines, split_rows, times

UNIT = "umol m-2 s-1"
#: below this a number is the fill: -9999, or -9999.99
_FILL = -9990.0
_HALF = np.timedelta64(30, "m")


@dataclass(frozen=True)
class FluxColumns:
    """Names of the columns to read, as the file's heading has them; None where there is none.

    Parameters
    ----------
    flux, quality, uncertainty
        The flux, its quality flag and its one-sigma random error.
    friction, temperature, radiation
        Friction velocity, m s-1, air temperature, and incoming shortwave radiation, W m-2.
    """

    flux: str
    quality: str | None
    friction: str
    uncertainty: str | None = None
    temperature: str | None = None
    radiation: str | None = None


@dataclass(frozen=True)
class FluxRows:
    """One entry per data row of a file, in the file's order; NaN where the file says nothing.

    Parameters
    ----------
    label : (row,) datetime64[ns]
        Site's standard time; NaT where unreadable.
    marks
        What a label marks; None where the file does not say.
    interval
        Averaging interval of a row.
    value, uncertainty : (row,) float64
        umol m-2 s-1; uncertainty NaN also where no column is declared.
    quality : (row,) float64
        Quality flag; 0 where no column is declared.
    friction, temperature, radiation : (row,) float64
        m s-1, the file's unit, W m-2; NaN also where no column is declared.
    reason : (row,) object
        Why the row cannot be used, in words; empty where it can.
    notes
        Facts about the file that its reader should see.
    """

    label: np.ndarray
    marks: Mark | None
    interval: np.timedelta64
    value: np.ndarray
    uncertainty: np.ndarray
    quality: np.ndarray
    friction: np.ndarray
    temperature: np.ndarray
    radiation: np.ndarray
    reason: np.ndarray
    notes: tuple[str, ...]


def read(path: Path, columns: FluxColumns) -> FluxRows:
    """Return the rows of a file.

    Raises
    ------
    FormatError
        When a column is missing, the heading is of neither form, or the flux is a filled one without a quality column.
    TimeError
        When the rows are not half hours or hours.
    """
    # units in the heading may be in any encoding; all that is read is ASCII
    lines = read_lines(path, "latin-1")
    names = [name.strip().strip('"') for name in lines[0].split(",")]
    newer = "TIMESTAMP_START" in names
    if not newer and not {"date", "time"} <= set(names):
        raise FormatError(
            "the heading must hold TIMESTAMP_START and TIMESTAMP_END, or date and time",
            got=names[:8],
            remedy="correct sinks.format or sinks.files",
            where=path.name,
        )
    _require_measured(names, columns, path.name)
    first = 1 if newer else 2
    rows = split_rows(lines[first:], first + 1, len(names), ",", where=path.name)
    if not rows.cells.size:
        raise FormatError("the file must hold a data row", got="none", remedy="fetch it again", where=path.name)

    def cells(name: str) -> np.ndarray:
        return np.asarray(rows.cells[:, column(names, name, where=path.name)])

    def values(name: str | None, default: float) -> tuple[np.ndarray, np.ndarray]:
        if name is None:
            return np.full(len(rows.cells), default), np.zeros(len(rows.cells), dtype=bool)
        found, unreadable = numbers(cells(name))
        return np.where(found < _FILL, np.nan, found), unreadable

    if newer:
        label, end = (times(cells(name), "%Y%m%d%H%M") for name in ("TIMESTAMP_START", "TIMESTAMP_END"))
        steps = end - label
    else:
        label = times(cells("date") + " " + cells("time"), "%d/%m/%Y %H:%M:%S")
        steps = np.diff(label)
    value, bad = values(columns.flux, np.nan)
    quality = values(columns.quality, 0.0)[0]
    unflagged = () if columns.quality else (f"no quality column: every {columns.flux} is taken as measured",)
    return FluxRows(
        label=label,
        marks="start" if newer else None,
        interval=_interval(steps, whole=newer, where=path.name),
        value=value,
        uncertainty=values(columns.uncertainty, np.nan)[0],
        quality=quality,
        friction=values(columns.friction, np.nan)[0],
        temperature=values(columns.temperature, np.nan)[0],
        radiation=values(columns.radiation, np.nan)[0],
        reason=first_reason(len(label), (rows.ragged, RAGGED), (np.isnat(label), BAD_TIME), (bad, BAD_NUMBER)),
        notes=(*rows.notes, *unflagged),
    )


def _require_measured(names: list[str], columns: FluxColumns, where: str) -> None:
    """Raise when nothing would tell measured fluxes from filled ones."""
    filled = "f" in columns.flux.casefold().split("_")[1:]
    beside = f"{columns.flux}_QC"
    if (beside in names and columns.quality != beside) or (filled and columns.quality is None):
        raise FormatError(
            "of a flux whose gaps were filled, the quality column must tell the measured values",
            got=f"{columns.flux} with quality {columns.quality}",
            remedy=f'set quality = "{beside}"' if beside in names else "choose the column of measured values",
            where=where,
        )


def _interval(steps: np.ndarray, *, whole: bool, where: str) -> np.timedelta64:
    """Return the averaging interval: what every row states, or the commonest step between labels."""
    known, count = np.unique(steps[~np.isnat(steps)], return_counts=True)
    usual = known[np.argmax(count)] if known.size else np.timedelta64("NaT")
    if (whole and known.size > 1) or usual not in (_HALF, HOUR):
        raise TimeError(
            "rows must be half hours, or hours",
            got=[str(step) for step in known[:3].astype("timedelta64[m]")],
            remedy="choose the half-hourly file",
            where=where,
        )
    return _HALF if usual == _HALF else HOUR
