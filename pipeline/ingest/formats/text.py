"""Text files: lines that are text, rows of the right width, numbers that are numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import FormatError, InputError

#: lines named in a note about rows that were cut or run together
_LINES_SHOWN = 5


@dataclass(frozen=True)
class Rows:
    """Cells of the data rows.

    `cells` is (row, column) text, empty in a row that has another width; `ragged` marks those; `notes` name them.
    """

    cells: np.ndarray
    ragged: np.ndarray
    notes: tuple[str, ...]


def read_lines(path: Path, encoding: str = "utf-8") -> list[str]:
    """Return the lines of a text file, without their ends.

    Raises
    ------
    InputError
        When there is no such file.
    FormatError
        When it is empty, a web page, binary, or in another encoding.
    """
    if not path.is_file():
        raise InputError("the file must exist", got=str(path), remedy="check the path under inputs.root")
    raw = path.read_bytes()
    head = raw[:512].lstrip().lower()
    if not head:
        raise FormatError(
            "the file must not be empty", got=f"{len(raw)} bytes", remedy="fetch it again", where=path.name
        )
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        got = head.splitlines()[0][:40].decode("ascii", "replace")
        raise FormatError("the file must be data, not a web page", got=got, remedy="fetch it again", where=path.name)
    if b"\0" in raw:
        raise FormatError(
            "a text file must not hold zero bytes", got=raw[:8].hex(" "), remedy="check the format", where=path.name
        )
    try:
        # a byte-order mark, which spreadsheet programs write, is no part of the first column's name
        return raw.decode(encoding).removeprefix("\ufeff").splitlines()
    except (UnicodeDecodeError, LookupError) as error:
        raise FormatError(
            f"the text must be {encoding}",
            got=str(error),
            remedy="save it in UTF-8, or declare encoding in the table section",
            where=path.name,
        ) from error


def split_rows(lines: list[str], first: int, width: int, separator: str | None, *, where: str) -> Rows:
    """Return the cells of `lines`, blank lines left out.

    Parameters
    ----------
    lines
        Data lines.
    first
        Line number of the first of them, counted from one.
    width
        Columns a row must have.
    separator
        One character, or None for runs of blanks.

    Raises
    ------
    FormatError
        When no row has the right width.
    """
    numbered = [
        (first + i, [cell.strip() for cell in line.split(separator)]) for i, line in enumerate(lines) if line.strip()
    ]
    ragged = np.array([len(cells) != width for _, cells in numbered], dtype=bool)
    bad = [number for (number, _), wrong in zip(numbered, ragged, strict=True) if wrong]
    if bad and ragged.all():
        raise FormatError(
            f"a row must have {width} columns",
            got=f"{len(numbered[0][1])} at line {bad[0]}",
            remedy="check the format and the separator; fetch it again",
            where=where,
        )
    blank = [""] * width
    cells = np.array([blank if wrong else row for (_, row), wrong in zip(numbered, ragged, strict=True)], dtype=object)
    return Rows(cells.reshape(len(numbered), width), ragged, note_ragged(bad, width))


def note_ragged(bad: list[int], width: int) -> tuple[str, ...]:
    """Return the note that names the lines of another width, or none.

    Examples
    --------
    >>> note_ragged([3, 9], 5)
    ('not 5 columns at line 3, 9',)
    """
    shown = ", ".join(map(str, bad[:_LINES_SHOWN])) + (", ..." if len(bad) > _LINES_SHOWN else "")
    return (f"not {width} columns at line {shown}",) if bad else ()


def numbers(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (values, unreadable): float64 with NaN for blank, nan and NA cells, and a mask of cells that are neither.

    Examples
    --------
    >>> values, unreadable = numbers(np.array(["1.5", "nan", "", "12x"], dtype=object))
    >>> values.tolist(), unreadable.tolist()
    ([1.5, nan, nan, nan], [False, False, False, True])
    """
    text = pd.Series(cells, dtype="str").str.strip()
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    missing = text.str.lower().isin(["", "nan", "na", "null", "none"]).to_numpy(dtype=bool)
    return values, np.isnan(values) & ~missing


def times(cells: np.ndarray, form: str) -> np.ndarray:
    """Return datetime64[ns] labels read with a strptime format; NaT where unreadable."""
    return pd.to_datetime(pd.Series(cells, dtype="str"), format=form, errors="coerce").to_numpy("datetime64[ns]")


def column(names: list[str], wanted: str, *, where: str) -> int:
    """Return the place of a column.

    Raises
    ------
    FormatError
        When it is not there once, naming the columns that are.
    """
    if names.count(wanted) != 1:
        raise FormatError(
            f"column {wanted} must be there once",
            got=names,
            remedy="check the species and the format",
            where=where,
        )
    return names.index(wanted)
