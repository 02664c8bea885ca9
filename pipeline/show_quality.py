"""One picture of what quality control found at a station: its series, and when each test flagged it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from pipeline.quality_report import Report
from pipeline.schema import FAIL, HOUR, UNUSED, Flag, flag_names, is_used

#: what an hour is, colour, and how it is marked
KINDS = {
    "used": ("#1f4e79", "."),
    "suspect, used": ("#e08e0b", "."),
    "good, not selected": ("#9db4c8", "."),
    "suspect, not used": ("#8e44ad", "x"),
    "bad": ("#c0392b", "x"),
}
_HOUR_IN_DAYS = 1.0 / 24.0
#: reasons of samples that no test took out
_NOT_TAKEN_OUT = ("", "outside the hours asked for")


def draw_quality(report: Report, path: Path) -> None:
    """Write a PNG: the hours by what became of them, over the samples where there are any, and a lane for each flag."""
    flags = [flag for flag in Flag if np.any((report.flag & np.uint32(flag)) != 0)]
    figure, axes = plt.subplots(
        2, 1, figsize=(14, 5.5 + 0.28 * len(flags)), sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": [4.5, 0.5 + 0.28 * max(len(flags), 1)]},
    )  # fmt: skip
    top, lanes = axes
    _draw_samples(top, report)
    _draw_hours(top, report)
    _draw_lanes(lanes, report.time, report.flag, flags)
    top.set_ylabel(report.quantity)
    locator = mdates.AutoDateLocator()
    lanes.xaxis.set_major_locator(locator)
    lanes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    lanes.set_xlabel("UTC")
    figure.suptitle(report.title + "".join(f"\n{alarm}" for alarm in report.alarms))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def kinds(flag: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mask of hours of each kind, by its name; every hour is of one."""
    used = is_used(flag)
    bad = (flag & np.uint32(FAIL)) != 0
    unselected = ~used & ~bad & ((flag & np.uint32(UNUSED)) != 0)
    return {
        "used": used & (flag == 0),
        "suspect, used": used & (flag != 0),
        "good, not selected": unselected,
        "suspect, not used": ~used & ~bad & ~unselected,
        "bad": bad,
    }


def taken_out(report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of samples with a value that a test took out of the mean, datetime64[ns], and their values."""
    frame = report.rows
    reason, bits, value = (frame[name].to_numpy() for name in ("reason", "bits", "value"))
    out = ~np.isin(reason, _NOT_TAKEN_OUT) & ((bits & np.uint32(FAIL | Flag.SPIKE)) != 0) & np.isfinite(value)
    return frame["time"].to_numpy()[out] + report.interval // 2, value[out]


def _draw_samples(ax: Axes, report: Report) -> None:
    """Draw samples shorter than an hour as a thin line, and those that a test took out of the mean as dots."""
    if report.interval < HOUR:
        _draw_line(ax, report)
    time, value = taken_out(report)
    ax.plot(time, value, ".", ms=2.5 if report.interval < HOUR else 6, color="#e57373", zorder=1,
            label="samples taken out")  # fmt: skip


def _draw_line(ax: Axes, report: Report) -> None:
    frame = report.rows
    kept = np.isin(frame["reason"].to_numpy(dtype=object), _NOT_TAKEN_OUT)
    time: Any = frame["time"].to_numpy()[kept]
    ax.plot(time, frame["value"].to_numpy()[kept], lw=0.4, color="#cccccc", zorder=0, label="samples")


def _draw_hours(ax: Axes, report: Report) -> None:
    middle: Any = report.time + np.timedelta64(30, "m")
    shown = np.isfinite(report.value)
    for name, mask in kinds(report.flag).items():
        colour, mark = KINDS[name]
        which = mask & shown
        label = f"{name}: {int(mask.sum())}" + ("" if mask.sum() == which.sum() else f" ({which.sum()} with a value)")
        ax.plot(middle[which], report.value[which], mark, ms=4, color=colour, label=label)
    usual = report.value[shown & ((report.flag & np.uint32(FAIL)) == 0)]
    if usual.size:
        # one value of 5000 ppm would flatten all others
        low, high = np.quantile(usual, [0.0, 1.0])
        margin = 0.15 * max(high - low, 1.0)
        ax.set_ylim(low - margin, high + margin)
    ax.legend(loc="upper left", fontsize=8, ncols=3, framealpha=0.9)
    ax.grid(alpha=0.3)


def _draw_lanes(ax: Axes, time: np.ndarray, flag: np.ndarray, flags: list[Flag]) -> None:
    start = mdates.date2num(time) if time.size else np.zeros(0)
    for lane, one in enumerate(flags):
        at = start[(flag & np.uint32(one)) != 0]
        kind = "bad" if one & FAIL else "good, not selected" if one & UNUSED else "suspect, used"
        ax.broken_barh([(x, _HOUR_IN_DAYS) for x in at], (lane - 0.4, 0.8), color=KINDS[kind][0])
    ax.set_yticks(range(len(flags)), [flag_names(one)[0] for one in flags], fontsize=8)
    ax.set_ylim(max(len(flags), 1) - 0.5, -0.5)
    if start.size:
        ax.set_xlim(start[0] - _HOUR_IN_DAYS, start[-1] + 2 * _HOUR_IN_DAYS)
    ax.grid(alpha=0.3, axis="x")
