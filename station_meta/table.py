"""Reading station tables: text in, a checked and typed table out."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from station_meta.checks import Limits, Problem, check, check_columns
from station_meta.errors import StationMetaError
from station_meta.fields import COLUMNS

#: public facts about real stations
KNOWN = Path(__file__).with_name("known.csv")
#: a made-up network with the blue book's counts
ZHEJIANG_ILLUSTRATIVE = Path(__file__).with_name("zhejiang_illustrative.csv")


def load(*paths: str | Path, limits: Limits | None = None) -> pd.DataFrame:
    """Return station tables as one, checked.

    Parameters
    ----------
    paths
        CSV files in UTF-8; `KNOWN` and `ZHEJIANG_ILLUSTRATIVE` when none is given.
    limits
        Bounds of the checks; Zhejiang's when not given.

    Returns
    -------
    DataFrame
        One row per station and period, index (file, row). `lon`, `lat` (degrees) and `ground_height` (m, NaN where
        unknown) are float64, `illustrative` is bool, `valid_from` and `valid_to` are datetime64[ns] (NaT where open);
        the rest is text as in the file.

    Raises
    ------
    StationMetaError
        When a file cannot be read, or with every fault `check` finds.
    """
    frames = [_read(Path(path)) for path in paths or (KNOWN, ZHEJIANG_ILLUSTRATIVE)]
    _refuse([problem for frame in frames for problem in check_columns(frame)])
    frame = pd.concat(frames)[list(COLUMNS)]
    _refuse(check(frame, limits=limits))
    return _typed(frame)


def _refuse(problems: list[Problem]) -> None:
    if problems:
        lines = "\n  ".join(str(problem) for problem in problems)
        raise StationMetaError(
            f"the station facts must keep every rule; {len(problems)} fault(s):\n  {lines}\n",
            remedy="correct those rows",
        )


def _read(path: Path) -> pd.DataFrame:
    """Return the file as text, with the index (file, line)."""
    try:
        # utf-8-sig: spreadsheet programs put a byte-order mark first
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            records = [(reader.line_num, record) for record in reader if record]
    except FileNotFoundError as error:
        raise StationMetaError("the station table must exist", got=str(path), remedy="check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise StationMetaError(
            "a station table must be CSV in UTF-8", got=str(error), remedy="save it so", where=path.name
        ) from error
    if len(records) < 2:
        raise StationMetaError(
            "a station table must have a heading and a row", remedy="check the file", where=path.name
        )
    (_, heading), *rows = records
    for line, record in rows:
        if len(record) != len(heading):
            raise StationMetaError(
                f"every row must have the heading's {len(heading)} cells",
                got=len(record),
                remedy="quote a cell that holds a comma; write empty cells out",
                where=f"{path.name} row {line}",
            )
    index = pd.MultiIndex.from_tuples([(path.name, line) for line, _ in rows], names=["file", "row"])
    return pd.DataFrame([record for _, record in rows], columns=[name.strip() for name in heading], index=index)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.apply(lambda column: column.str.strip())
    for column in ("lon", "lat", "ground_height"):
        frame[column] = frame[column].map(lambda text: float(text or "nan")).astype("float64")
    for column in ("valid_from", "valid_to"):
        frame[column] = pd.to_datetime(frame[column].replace("", None), format="%Y-%m-%d").astype("datetime64[ns]")
    frame["illustrative"] = frame["illustrative"] == "true"
    return frame
