"""Rows of a tower's files in UTC, judged: by themselves, by the night, and by their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.errors import RegistryError, TimeError
from pipeline.ingest.clock import standard_offset
from pipeline.ingest.flux_quality import is_night, spikes
from pipeline.ingest.formats.fluxnet import FluxRows
from pipeline.ingest.formats.samples import HOUR
from pipeline.ingest.intervals import odd_interval, usual_interval
from pipeline.ingest.quality import flat_line, range_bits
from pipeline.schema import Flag
from station_meta import QualityRules, SinkRules, Station

#: bits of a row that says nothing about its neighbours
UNFIT = Flag.MISSING | Flag.GAP_FILLED | Flag.RANGE_FAIL | Flag.FLAT_LINE | Flag.LOW_TURBULENCE


@dataclass(frozen=True)
class Accepted:
    """Quality flags of rows that may be used, and what one of the others is.

    Parameters
    ----------
    day, night
        Flags.
    otherwise
        GAP_FILLED or LOW_TURBULENCE.
    """

    day: tuple[int, ...]
    night: tuple[int, ...]
    otherwise: Flag


def rows_of(
    said: FluxRows, facts: Station, accepted: Accepted, rules: QualityRules, sink: SinkRules, *, where: str
) -> pd.DataFrame:
    """Return one file's rows, judged by themselves.

    Returns
    -------
    time (start of the row, UTC), value and stated (flux and its stated error, umol m-2 s-1), friction (m s-1),
    temperature, night, bits, reason (why the row cannot be used, in words), share (of an hour).

    Raises
    ------
    RegistryError
        When zone or hour label of the tower are not known.
    TimeError
        When rows do not begin at whole multiples of their interval within an hour.
    """
    time = _utc_start(said, facts, where)
    night = is_night(time + said.interval // 2, said.radiation, facts.lon, facts.lat, sink)
    has = np.isfinite(said.value)
    bits = range_bits(said.value, rules)
    bits[~has] |= np.uint32(Flag.MISSING)
    good = np.where(night, np.isin(said.quality, accepted.night), np.isin(said.quality, accepted.day))
    bits[has & ~good] |= np.uint32(accepted.otherwise)
    return pd.DataFrame(
        {
            "time": time,
            "value": said.value,
            "stated": said.uncertainty,
            "friction": said.friction,
            "temperature": said.temperature,
            "night": night,
            "bits": bits,
            "reason": pd.Series(said.reason, dtype=object),
            "share": float(said.interval / HOUR),
        }
    )


def interval_faults(said: Sequence[FluxRows], names: Sequence[str]) -> list[TimeError | None]:
    """Return for each file of a tower what is wrong with its interval, if it has another than most."""
    usual = usual_interval([one.interval for one in said]) if said else None
    return [
        odd_interval(one.interval, usual, remedy="leave one kind out", where=name)
        if usual is not None and one.interval != usual
        else None
        for one, name in zip(said, names, strict=True)
    ]


def joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of several files by time, with the number of the file each is of as `source`."""
    table = pd.concat([frame.assign(source=number) for number, frame in enumerate(frames)], ignore_index=True)
    return table.sort_values(["time", "source"], kind="stable", na_position="last", ignore_index=True)


def judge_neighbours(table: pd.DataFrame, rules: QualityRules, sink: SinkRules) -> None:
    """Fill in the bits of rows that stand still, then of those that stand out of the others.

    What was filled in, is of no quality or cannot be stands between no two measured rows; of several rows of one time
    the first is compared.
    """
    interval = np.timedelta64(round(3600 * float(table["share"].iloc[0])), "s")
    bits = table["bits"].to_numpy(dtype=np.uint32).copy()
    time, value = table["time"].to_numpy(), table["value"].to_numpy()
    readable = (table["reason"] == "").to_numpy(dtype=bool)

    def fit(unfit: Flag) -> np.ndarray:
        rows = np.flatnonzero(readable & ((bits & np.uint32(unfit)) == 0))
        return rows[np.append(True, np.diff(time[rows]) > np.timedelta64(0))] if rows.size else rows

    measured = fit(Flag.MISSING | Flag.GAP_FILLED)
    bits[measured[flat_line(time[measured], value[measured], interval, rules)]] |= np.uint32(Flag.FLAT_LINE)
    left = fit(UNFIT)
    night = table["night"].to_numpy(dtype=bool)
    bits[left[spikes(time[left], value[left], night[left], interval, sink)]] |= np.uint32(Flag.SPIKE)
    table["bits"] = bits


def _utc_start(said: FluxRows, facts: Station, where: str) -> np.ndarray:
    """Return the start of each row in UTC, from the standard time of the station's zone."""
    marks = said.marks or facts.hour_label
    if facts.zone is None or marks is None:
        raise RegistryError(
            "zone and hour_label of the tower must be known",
            got="the station table has none",
            remedy="add them to it",
            where=where,
        )
    halves = {"start": 0, "centre": 1, "end": 2}[marks]
    out = said.label - halves * (said.interval.astype("timedelta64[ns]") // 2)
    years = out.astype("datetime64[Y]")
    for year in np.unique(years[~np.isnat(years)]):
        out[years == year] -= standard_offset(facts.zone, int(year.astype(np.int64)) + 1970, where=where)
    known = out[~np.isnat(out)]
    odd = (known - known.astype("datetime64[h]")) % said.interval != np.timedelta64(0)
    if odd.any():
        raise TimeError(
            f"rows must begin at whole multiples of {said.interval} within an hour of UTC",
            got=str(known[odd][0]),
            remedy="check zone and hour_label of the station table",
            where=where,
        )
    return np.asarray(out)
