"""What became of every row of a station file, and of every hour made from them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError, SchemaError, shown
from pipeline.schema import Flag, flag_names, is_used

USED = "used"
_WIDTH = 120
#: letters of an outcome, and outcomes besides the used ones, that are told; the rest together
_LONGEST, _OUTCOMES = 80, 30


@dataclass(frozen=True)
class Account:
    """Rows of one file by outcome, and the hours whose first sample it gave.

    `rows` maps an outcome in words to its number of rows; together they are the rows read. `flags` maps the name of
    a quality bit to the hours that carry it; an hour may carry several. A file set aside (`pipeline.ingest.quarantine`)
    has no rows; `refused` says why and `sha256` what it held.
    """

    source: str
    station: str
    species: str
    height: float
    rows_read: int
    rows: dict[str, int]
    hours: int
    hours_usable: int
    flags: dict[str, int]
    notes: tuple[str, ...] = ()
    refused: InputError | None = None
    sha256: str = ""

    def __post_init__(self) -> None:
        """Raise unless every row has one outcome."""
        told = sum(self.rows.values())
        if told != self.rows_read:
            raise SchemaError(
                f"every one of the {self.rows_read} rows read must have one outcome",
                got=told,
                remedy="report this as a fault of the reader",
                where=self.source,
            )

    @property
    def rows_used(self) -> int:
        """Rows that are part of an hourly mean, flagged or not."""
        return sum(number for outcome, number in self.rows.items() if outcome.startswith(USED))


def count_rows(reason: np.ndarray, bits: np.ndarray) -> dict[str, int]:
    """Return rows by outcome, most frequent first; a used row with quality bits says which.

    Parameters
    ----------
    reason : (row,) object
        Why the row is not used; empty for a used one.
    bits : (row,) uint32
        Quality bits.

    Examples
    --------
    >>> count_rows(np.array(["", "", "flag K"], dtype=object), np.array([0, 1 << 10, 0], dtype=np.uint32))
    {'flag K': 1, 'used': 1, 'used, flagged spike': 1}
    """
    used = reason == ""
    counts: dict[str, int] = {}
    for outcome, number in zip(*np.unique(reason[~used], return_counts=True), strict=True):
        # a reason may quote a file: two that look alike are one
        text = shown(str(outcome), _LONGEST)
        counts[text] = counts.get(text, 0) + int(number)
    rare = sorted(counts, key=lambda text: -counts[text])[_OUTCOMES:]
    if rare:
        counts[f"one of {len(rare)} other outcomes"] = sum(counts.pop(text) for text in rare)
    for value, number in zip(*np.unique(bits[used], return_counts=True), strict=True):
        counts[USED + (f", flagged {' and '.join(flag_names(int(value)))}" if value else "")] = int(number)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def account_of(
    source: str,
    station: str,
    species: str,
    height: float,
    rows: tuple[np.ndarray, np.ndarray],
    flag: np.ndarray,
    notes: tuple[str, ...],
) -> Account:
    """Return the account of one file.

    Parameters
    ----------
    rows
        (reason, bits) of its rows, as `count_rows` takes them.
    flag : (hour,) uint32
        Of the hours whose first row it gave.
    """
    return Account(
        source=source,
        station=station,
        species=species,
        height=height,
        rows_read=len(rows[0]),
        rows=count_rows(*rows),
        hours=int(flag.size),
        hours_usable=count_usable(flag),
        flags=count_flags(flag),
        notes=notes,
    )


def count_flags(flag: np.ndarray) -> dict[str, int]:
    """Return the hours that carry each quality bit, for those that any hour carries."""
    any_of = int(np.bitwise_or.reduce(flag, initial=0))
    return {flag_names(bit)[0]: int(np.sum((flag & np.uint32(bit)) != 0)) for bit in map(int, Flag) if bit & any_of}


def count_usable(flag: np.ndarray) -> int:
    """Return the hours whose flags let the inversion use them."""
    return int(is_used(flag).sum())


def render(accounts: Sequence[Account]) -> str:
    """Return the accounts as a plain text table."""
    table = Table(box=box.SIMPLE, show_edge=False)
    for heading in ("file", "what", "rows", "hours"):
        table.add_column(heading, justify="right" if heading in ("rows", "hours") else "left", overflow="fold")
    for account in accounts:
        place = f"{account.station} {account.height:g} m {account.species}"
        table.add_row(shown(account.source), f"{place}, read", str(account.rows_read), str(account.hours))
        if account.refused is not None:
            table.add_row("", f"  set aside: {account.refused}", "", "")
        for outcome, number in account.rows.items():
            table.add_row("", f"  {outcome}", str(number), "")
        table.add_row("", "  usable hours", "", str(account.hours_usable))
        for flag, number in account.flags.items():
            table.add_row("", f"  hours flagged {flag}", "", str(number))
        for note in account.notes:
            table.add_row("", f"  note: {shown(note)}", "", "")
        table.add_section()
    text = io.StringIO()
    Console(file=text, width=_WIDTH, color_system=None, markup=False, highlight=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")
