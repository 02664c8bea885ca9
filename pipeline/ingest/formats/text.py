"""Text files: lines that are text, rows of the right width, numbers that are numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from pipeline.errors import FormatError, InputError
from pipeline.ingest.signatures import HEAD, foreign_kind

#: a tower's half hours of twenty years with all their columns are split by year; any other series is far smaller
MOST_BYTES = 256 << 20
#: the widest real line has 10 kB: the heading of some hundred columns
MOST_LINE = 1 << 20
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
    """Return the lines of a text file, without their ends: LF, CR LF or CR.

    Raises
    ------
    InputError
        When there is no such file.
    FormatError
        When it is empty, a web page, binary, in another encoding, too large, or has a line that is too long; no more
        than `MOST_BYTES` are looked at.
    """
    if not path.is_file():
        raise InputError("the file must exist", got=str(path), remedy="check the path under inputs.root")
    lines: list[str] = []
    with path.open("rb") as stream:
        _check_head(stream.read(HEAD), path)
        stream.seek(0)
        for number, raw in enumerate(_whole_lines(stream, path), start=1):
            try:
                text = raw.decode(encoding)
            except (UnicodeDecodeError, LookupError) as error:
                raise FormatError(
                    f"the text must be {encoding}",
                    got=f"{error}, in line {number}",
                    remedy="save it in UTF-8, or declare encoding in the table section",
                    where=path.name,
                ) from error
            # a byte-order mark, which spreadsheet programs write, is no part of the first column's name
            text = text.removesuffix("\n").removesuffix("\r")
            lines += (text.removeprefix("\ufeff") if number == 1 else text).split("\r")
    return lines


def _check_head(head: bytes, path: Path) -> None:
    """Raise when a file is no text by its first bytes."""
    start = head.lstrip().lower()
    if not start:
        raise FormatError(
            "the file must not be empty", got=f"{len(head)} bytes", remedy="fetch it again", where=path.name
        )
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        got = start.splitlines()[0][:40].decode("ascii", "replace")
        raise FormatError("the file must be data, not a web page", got=got, remedy="fetch it again", where=path.name)
    kind = foreign_kind(head)
    if kind:
        raise FormatError("the file must be text", got=kind[0], remedy=kind[1], where=path.name)


def _whole_lines(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, none of them zero bytes or too long; all of them together not too many."""
    # a byte more than a line may have: the rest of a longer one is never read
    for number, line in enumerate(iter(partial(stream.readline, MOST_LINE + 1), b""), start=1):
        if len(line) > MOST_LINE:
            got, rule, remedy = (
                f"more in line {number}",
                f"a line must have at most {MOST_LINE} bytes",
                "fetch it again",
            )
        elif b"\0" in line:
            got, rule, remedy = f"one in line {number}", "a text file must not hold zero bytes", "check the format"
        elif stream.tell() > MOST_BYTES:
            got, rule, remedy = "more", f"a text file must have at most {MOST_BYTES} bytes", "split it by year"
        else:
            yield line
            continue
        raise FormatError(rule, got=got, remedy=remedy, where=path.name)


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


def named_columns(path: Path, wanted: Sequence[str]) -> tuple[Rows, list[np.ndarray]]:
    """Return the rows of a comma-separated file with a heading, and the cells of some of its columns, in that order.

    Raises
    ------
    FormatError
        When a column is missing.
    """
    lines = read_lines(path)
    names = [name.strip() for name in lines[0].split(",")]
    at = [column(names, name, where=path.name) for name in wanted]
    rows = split_rows(lines[1:], 2, len(names), ",", where=path.name)
    return rows, [rows.cells[:, place] for place in at]


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
            remedy="check the format, and the columns the settings name; fetch it again if it is not the file meant",
            where=where,
        )
    return names.index(wanted)
