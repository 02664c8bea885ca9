"""Charts of the monthly report, as SVG made by hand: the totals of days, and what became of every hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.ticker import MaxNLocator

#: told apart by every kind of eye (Okabe and Ito)
COLOURS = {"full": "#0072B2", "degraded": "#E69F00", "prior_only": "#999999", "missing": "#FFFFFF"}
_WIDE, _HIGH, _LEFT, _TOP, _UNDER = 690, 190, 64, 22, 22
#: width and height of an hour
_CELL = 21, 6


@dataclass(frozen=True, eq=False)
class Days:
    """Totals of days, in the unit they are shown in.

    Parameters
    ----------
    count
        Days of the month.
    day : (n,) int
        Of the month, from 1.
    prior, posterior, sigma : (n,) float
        Totals, and one sigma of the posterior's.
    whole : (n,) bool
        Whether no hour is missing.
    """

    count: int
    day: np.ndarray
    prior: np.ndarray
    posterior: np.ndarray
    sigma: np.ndarray
    whole: np.ndarray


def days_chart(days: Days, unit: str) -> str:
    """Return totals of days: a line through the posterior with its sigma, and the prior's, broken.

    Parameters
    ----------
    days
        One at least.
    unit
        Beside the axis.
    """
    low, high = days.posterior - days.sigma, days.posterior + days.sigma
    ticks = MaxNLocator(5).tick_values(min(low.min(), days.prior.min(), 0.0), max(high.max(), days.prior.max(), 0.0))
    step = (_WIDE - _LEFT) / days.count
    x = _LEFT + (days.day - 0.5) * step

    def at(value: np.ndarray | float) -> np.ndarray:
        return _TOP + _HIGH * (ticks[-1] - np.asarray(value)) / (ticks[-1] - ticks[0])

    parts = [f'<svg viewBox="0 0 {_WIDE} {_TOP + _HIGH + _UNDER}" role="img">', _text(0, 12, unit, "start")]
    for tick in ticks:
        css = "zero" if abs(tick) < 1e-9 * np.ptp(ticks) else "grid"
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDE}" y1="{at(tick):.1f}" y2="{at(tick):.1f}" class="{css}"/>')
        parts.append(_text(_LEFT - 6, float(at(tick)) + 4, f"{tick:g}".replace("-", "−"), "end"))
    parts += [
        _text(_LEFT + (day - 0.5) * step, _TOP + _HIGH + 16, f"{day}", "middle") for day in range(1, days.count + 1, 2)
    ]
    # a line joins whole days that follow one another: that of a part of a day is another kind of total
    whole = np.flatnonzero(days.whole)
    for run in np.split(whole, np.flatnonzero(np.diff(days.day[whole]) > 1) + 1):
        if not run.size:
            continue
        band = [*zip(x[run], at(high[run]), strict=True), *zip(x[run][::-1], at(low[run])[::-1], strict=True)]
        parts.append(f'<path d="{_path(band)}Z" class="band"/>')
        for css, values in (("prior", days.prior), ("posterior", days.posterior)):
            parts.append(f'<path d="{_path(list(zip(x[run], at(values[run]), strict=True)))}" class="{css}"/>')
    for number, middle in enumerate(x):
        ends = f'y1="{at(low[number]):.1f}" y2="{at(high[number]):.1f}"'
        centre = f'cx="{middle:.1f}" cy="{at(days.posterior[number]):.1f}"'
        css = "dot" if days.whole[number] else "dot part"
        parts.append(f'<line x1="{middle:.1f}" x2="{middle:.1f}" {ends} class="whisker"/>')
        parts.append(f'<circle {centre} r="3.5" class="{css}"/>')
        parts.append(f'<circle cx="{middle:.1f}" cy="{at(days.prior[number]):.1f}" r="2" class="dot before"/>')
    return "".join([*parts, "</svg>"])


def hours_chart(first: np.datetime64, count: int, conditions: Mapping[np.datetime64, str]) -> str:
    """Return every hour of a month as a cell: days across, hours of the day down, coloured by condition.

    Parameters
    ----------
    first
        Hour the month begins with.
    count
        Its days.
    conditions
        Of the hours that have numbers.
    """
    across, down = _CELL
    cells: dict[str, list[str]] = {}
    for number in range(24 * count):
        day, hour = divmod(number, 24)
        look = conditions.get(first + np.timedelta64(number, "h"), "missing")
        x, y = 30 + day * across, 4 + hour * down
        cells.setdefault(look, []).append(f"M{x} {y}h{across - 1}v{down - 1}h{1 - across}z")
    high = 4 + 24 * down
    parts = [f'<svg viewBox="0 0 {30 + count * across} {high + 18}" role="img">']
    parts += [
        f'<path d="{"".join(path)}" fill="{COLOURS.get(look, "#FFFFFF")}" stroke="#bbb" stroke-width="0.3"/>'
        for look, path in sorted(cells.items())
    ]
    parts += [_text(25, 4 + hour * down + 8, f"{hour:02d}", "end") for hour in (0, 6, 12, 18)]
    parts += [_text(30 + (day - 0.5) * across, high + 14, f"{day}", "middle") for day in range(1, count + 1, 2)]
    return "".join([*parts, "</svg>"])


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
