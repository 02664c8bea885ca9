"""What a station file says, row by row, before anything is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pipeline.errors import FormatError

Mark = Literal["start", "centre", "end"]

MINUTE = np.timedelta64(60, "s")
HOUR = np.timedelta64(3600, "s")
#: nominal: calendar months differ, and all that matters is that a month is no hour
MONTH = np.timedelta64(30 * 24, "h")

# why a row is not used; each is counted by `pipeline.ingest.account`
RAGGED = "wrong number of columns"
BAD_TIME = "unreadable time"
BAD_NUMBER = "unreadable number"


@dataclass(frozen=True)
class Samples:
    """One entry per data row of a file, in the file's order.

    Attributes
    ----------
    time : (row,) datetime64[ns]
        Time labels as written, in `zone`; NaT where unreadable.
    value, spread, uncertainty : (row,) float64
        In `unit`; NaN where the file says nothing.
    count : (row,) int64
        Measurements behind the value; 0 where the file says nothing.
    reason : (row,) object
        Why the row cannot be used, in words; empty where it can.
    selected : (row,) bool
        False where the provider calls the value good, but not for every use.
    scale : (row,) object
        Calibration scale; empty where the file does not say.
    unit
        As the file states it, or as its format fixes it.
    interval
        Averaging interval of one row.
    marks, zone
        What a label marks, and its zone; None where the file does not say.
    position
        Longitude and latitude of the header, degrees; None where the file does not say.
    position_error
        Distance by which the header's rounding alone can be wrong, m.
    places : (row, 2) float64
        Longitude and latitude of each row, degrees, in a file of several stations; None elsewhere.
    notes
        Facts about the file that its reader should see.
    environment
        What the instrument reports of itself and its surroundings, by name: (row,) float64 each, NaN where it does not.
    """

    time: np.ndarray
    value: np.ndarray
    spread: np.ndarray
    uncertainty: np.ndarray
    count: np.ndarray
    reason: np.ndarray
    selected: np.ndarray
    scale: np.ndarray
    unit: str
    interval: np.timedelta64
    marks: Mark | None
    zone: str | None
    position: tuple[float, float] | None = None
    position_error: float = 0.0
    places: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    environment: Mapping[str, np.ndarray] = field(default_factory=dict)


def samples(
    time: np.ndarray,
    value: np.ndarray,
    reason: np.ndarray,
    *,
    unit: str,
    interval: np.timedelta64,
    marks: Mark | None,
    zone: str | None,
    where: str,
    spread: np.ndarray | None = None,
    uncertainty: np.ndarray | None = None,
    count: np.ndarray | None = None,
    selected: np.ndarray | None = None,
    scale: str | np.ndarray = "",
    position: tuple[float, float] | None = None,
    position_error: float = 0.0,
    places: np.ndarray | None = None,
    notes: tuple[str, ...] = (),
    environment: Mapping[str, np.ndarray] | None = None,
) -> Samples:
    """Return `Samples` with what the file does not say filled in as unknown.

    Raises
    ------
    FormatError
        When the file holds no data row.
    """
    rows = len(value)
    if rows == 0:
        raise FormatError("the file must hold a data row", got="none", remedy="fetch it again", where=where)
    nothing = np.full(rows, np.nan)
    known = np.zeros(rows) if count is None else np.where(np.isfinite(count) & (count > 0), count, 0)
    return Samples(
        time=np.asarray(time, dtype="datetime64[ns]"),
        value=np.asarray(value, dtype=np.float64),
        spread=nothing if spread is None else np.where(spread >= 0, spread, np.nan),
        uncertainty=nothing if uncertainty is None else np.where(uncertainty > 0, uncertainty, np.nan),
        count=known.astype(np.int64),
        reason=np.asarray(reason, dtype=object),
        selected=np.ones(rows, dtype=bool) if selected is None else selected,
        scale=np.full(rows, scale, dtype=object) if isinstance(scale, str) else scale,
        unit=unit,
        interval=interval,
        marks=marks,
        zone=zone,
        position=position,
        position_error=position_error,
        places=places,
        notes=notes,
        environment=environment or {},
    )


def is_fill(value: np.ndarray, fills: Sequence[float]) -> np.ndarray:
    """Return the mask of values that are one of the fills, as float64 or as the float32 nearest to it.

    Examples
    --------
    >>> is_fill(np.array([np.float32(-999.99), 400.0, 0.0]), [-999.99, 0.0]).tolist()
    [True, False, True]
    """
    return np.isin(value, fills) | np.isin(value, np.asarray(fills, dtype=np.float32).astype(np.float64))


def first_reason(rows: int, *tests: tuple[np.ndarray, str | np.ndarray]) -> np.ndarray:
    """Return, for each row, the reason of the first test that is true, or an empty text.

    Parameters
    ----------
    rows
        Number of rows.
    tests
        Pairs of a (row,) mask and its reason: one text, or a (row,) array of texts.

    Examples
    --------
    >>> first_reason(3, (np.array([True, False, False]), "a"), (np.array([True, True, False]), "b")).tolist()
    ['a', 'b', '']
    """
    reason = np.full(rows, "", dtype=object)
    for mask, text in reversed(tests):
        reason[mask] = text if isinstance(text, str) else text[mask]
    return reason
