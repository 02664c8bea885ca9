"""What quality control found at one station, whatever it measures: a line for each test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.ingest import account
from pipeline.ingest.account import Account
from pipeline.schema import FAIL, UNUSED, Flag, flag_names, is_used

#: bits that keep an hour out though they are no failure of the measurement
_ALARMS = Flag.LAG_SUSPECT | Flag.UNIT_SUSPECT


@dataclass(frozen=True, eq=False)
class Report:
    """What quality control found at one station.

    Parameters
    ----------
    title
        Station, instrument and period.
    quantity
        What is measured, with its unit.
    rows
        Samples or half hours: time, value, bits, and reason, why one is not in its hour's mean.
    interval
        Averaging interval of a row.
    time, value, flag : (hour,)
        Start of each hour, UTC, its mean and its quality bits.
    tests
        The threshold of each test that was made, in words.
    versions
        Its number.
    left_out
        Bits that keep a row out of the hour's mean though they are no failure.
    accounts
        One per file.
    alarms
        What a person should look at.
    """

    title: str
    quantity: str
    rows: pd.DataFrame
    interval: np.timedelta64
    time: np.ndarray
    value: np.ndarray
    flag: np.ndarray
    tests: Mapping[Flag, str]
    versions: Mapping[Flag, int]
    left_out: Flag
    accounts: list[Account]
    alarms: list[str]


def period_of(time: np.ndarray) -> str:
    """Return the first and last day of hours, in words; nothing of none.

    Examples
    --------
    >>> period_of(np.array(["2024-07-01T00", "2024-07-03T23"], dtype="datetime64[h]"))
    ', 2024-07-01 to 2024-07-03'
    """
    return f", {time[0]:.10} to {time[-1]:.10}".replace("T", " ") if time.size else ""


def print_report(report: Report, console: Console) -> None:
    """Print the account of rows, a line for each test, and the alarms."""
    console.rule(report.title)
    console.print(account.render(report.accounts), highlight=False, markup=False, soft_wrap=True)
    console.print(rule_table(report))
    for alarm in report.alarms:
        console.print(f"- alarm: {alarm}", highlight=False, markup=False)


def rule_table(report: Report) -> Table:
    """Return the samples and hours each test flagged, its version and threshold, and what the flag means."""
    bits = report.rows["bits"].to_numpy(dtype=np.uint32)
    usable = int(is_used(report.flag).sum())
    table = Table(
        box=box.SIMPLE, show_edge=False, title=f"{report.time.size} hours, {usable} used", title_justify="left"
    )
    for heading, side in (("test", "left"), ("v", "right"), ("threshold", "left"), ("samples", "right"),
                          ("hours", "right"), ("so", "left")):  # fmt: skip
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for flag in Flag:
        samples, found = (int(np.sum((values & np.uint32(flag)) != 0)) for values in (bits, report.flag))
        if samples or found or flag in report.tests:
            version = str(report.versions.get(flag, ""))
            table.add_row(
                flag_names(flag)[0], version, report.tests.get(flag, ""), str(samples or ""), str(found or ""),
                _so(flag, report.left_out),
            )  # fmt: skip
    return table


def _so(flag: Flag, left_out: Flag) -> str:
    """Return what a flag means for the use of what carries it."""
    if flag & left_out:
        return "not in the hour's mean"
    if flag is Flag.HOURLY_SPREAD:
        return "good, not selected"
    if flag & FAIL:
        return "bad, not used"
    if flag & UNUSED:
        return "good, not selected"
    return "suspect, not used" if flag & _ALARMS else "suspect, used"
