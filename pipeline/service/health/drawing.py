"""Pictures of a page, as SVG made by hand: a strip of days and hours, and stacked bars by hour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

import numpy as np

from pipeline.errors import shown
from pipeline.service.health.facts import BEIJING, Line

#: told apart by every kind of eye (Okabe and Ito), and by its sign
COLOURS = {
    "full": "#0072B2", "degraded": "#E69F00", "prior_only": "#999999", "missing": "#FFFFFF", "failed": "#D55E00",
}  # fmt: skip
SIGNS = {"missing": "–", "failed": "×"}
#: of bars, one on the other: no two that look alike are next to each other
BARS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000", "#999999")
_CELL, _LEFT, _TOP = 24, 58, 20


def safe(text: object) -> str:
    """Return text of anyone as it may stand in HTML."""
    return escape(shown(str(text), 300), quote=True)


def local(hour: np.datetime64) -> datetime:
    """Return an hour in Beijing."""
    return datetime.fromtimestamp(int(hour.astype("datetime64[s]").astype(np.int64)), UTC).astimezone(BEIJING)


def look_of(line: Line) -> str:
    """Return how an hour is shown: its condition, or that it failed or is missing."""
    if line.condition:
        return line.condition
    return "failed" if line.state == "failed" else "missing"


def strip(lines: Sequence[Line]) -> str:
    """Return days of Beijing one under the other, an hour a cell: colour by condition, sign by status."""
    days = list(dict.fromkeys(local(line.hour).date() for line in lines))
    width, height = _LEFT + 24 * _CELL, _TOP + len(days) * (_CELL + 2)
    parts = [_svg(width, height, "hours by day, Beijing time")]
    for hour in range(0, 24, 3):
        parts.append(_text(_LEFT + hour * _CELL + _CELL / 2, _TOP - 5, f"{hour:02d}", "middle"))
    for row, day in enumerate(days):
        parts.append(_text(_LEFT - 5, _TOP + row * (_CELL + 2) + 17, f"{day:%m-%d}", "end"))
    for line in lines:
        at, look = local(line.hour), look_of(line)
        x, y = _LEFT + at.hour * _CELL, _TOP + days.index(at.date()) * (_CELL + 2)
        sign = SIGNS.get(look, line.status[-1:] or "?")
        dash = ' stroke-dasharray="3 2"' if look == "missing" else ""
        centre = f'x="{x + _CELL / 2:g}" y="{y + 16}" text-anchor="middle"'
        parts.append(
            f"<g><title>{safe(title_of(line))}</title>"
            f'<rect x="{x + 1}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}" rx="3" '
            f'fill="{COLOURS.get(look, "#FFFFFF")}" stroke="#555"{dash}/>'
            f'<text {centre} class="{_ink(look)}">{safe(sign)}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def title_of(line: Line) -> str:
    """Return what is told of an hour when the pointer rests on it."""
    at = local(line.hour)
    told = [f"{at:%Y-%m-%d %H}:00 北京 = {line.hour}Z", line.condition or look_of(line)]
    if line.status:
        told.append(f"{line.status} r{line.revision}")
        told.append(f"used {sum(line.used.values())} of {sum(line.seen.values())}")
    told += [*line.reasons[:3], *([line.error] if line.state == "failed" else [])]
    return " · ".join(told)


def bars(values: Mapping[np.datetime64, Mapping[str, float]], unit: str) -> str:
    """Return stacked bars by hour with their legend; an empty text when there is nothing to draw.

    Parameters
    ----------
    values
        By hour, in order: by part, not negative.
    unit
        Of the values, behind the axis' last number.
    """
    parts = list(dict.fromkeys(name for found in values.values() for name in found))
    totals = [sum(found.values()) for found in values.values()]
    if not parts or not max(totals, default=0) > 0:
        return ""
    top = _round(max(totals))
    high, wide = 150, 600
    step = wide / len(values)
    out = [_svg(_LEFT + wide + 4, high + _TOP + 22, f"by hour, {unit}")]
    for share in (0.0, 0.5, 1.0):
        y = _TOP + high * (1 - share)
        out.append(f'<line x1="{_LEFT}" x2="{_LEFT + wide}" y1="{y:g}" y2="{y:g}" class="grid"/>')
        out.append(_text(_LEFT - 5, y + 4, f"{top * share:g}{unit if share == 1 else ''}", "end"))
    labelled = max(1, round(len(values) / 8))
    for number, (hour, found) in enumerate(values.items()):
        at, base = local(hour), 0.0
        x = _LEFT + number * step
        if number % labelled == 0:
            label = f"{at:%m-%d}" if at.hour < labelled else f"{at:%H}:00"
            out.append(_text(x + step / 2, _TOP + high + 15, label, "middle"))
        told = ", ".join(f"{name} {value:g}" for name, value in found.items() if value)
        out.append(f"<g><title>{safe(f'{at:%m-%d %H}:00 北京 · {told}')}</title>")
        for name, value in found.items():
            size = high * value / top
            base += size
            out.append(
                f'<rect x="{x + 0.1 * step:.2f}" y="{_TOP + high - base:.2f}" width="{0.8 * step:.2f}" '
                f'height="{size:.2f}" fill="{_bar(parts.index(name))}"/>'
            )
        out.append("</g>")
    out.append("</svg>")
    return "".join(out) + legend({name: _bar(number) for number, name in enumerate(parts)})


def legend(colours: Mapping[str, str]) -> str:
    """Return what colours stand for."""
    keys = (f'<span><i style="background:{colour}"></i>{safe(name)}</span>' for name, colour in colours.items())
    return f'<p class="legend">{"".join(keys)}</p>'


def _bar(number: int) -> str:
    return BARS[number % len(BARS)]


def _ink(look: str) -> str:
    return "dark" if look in {"degraded", "missing", "prior_only"} else "light"


def _round(value: float) -> float:
    """Return the next round number of two digits at most that is not below a value.

    Examples
    --------
    >>> _round(7.3), _round(83.0), _round(0.031), _round(10.0)
    (8.0, 100.0, 0.04, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{next(m for m in (1, 2, 4, 6, 8, 10) if m * power >= value * (1 - 1e-9)) * power:g}")


def _svg(width: float, height: float, name: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{safe(name)}" font-size="12">'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{safe(text)}</text>'
