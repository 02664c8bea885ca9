"""What a person looks at after a drive: the road coloured by what is above its background, and the readings in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from pipeline.ingest.drive import Drive
from pipeline.units import Species

_COLOURS = "viridis"
#: share of the samples within the colours: a single second must not take them all
_SHOWN = 0.99
_METRES_PER_DEGREE = 111_195.0
#: side of the smallest map, m
_LEAST = 100.0
#: so many segments have rings of their own; of more they would hide the road
_FEW = 50


def draw_track(drive: Drive, title: str, gas: Species, path: Path) -> None:
    """Write a PNG: the track with its segments on a map, and samples, background, segments and refused rows in time.

    Parameters
    ----------
    drive
        What was read.
    title
        What the drive is.
    gas
        The species.
    path
        The PNG.
    """
    figure = plt.figure(figsize=(15, 7.5), layout="constrained")
    axes: Any = figure.subplots(1, 2, width_ratios=[1, 1.3])
    used = drive.samples[drive.samples["segment"] >= 0]
    rise = used["enhancement"].to_numpy()
    low, high = (float(np.quantile(rise, share)) for share in (1 - _SHOWN, _SHOWN)) if rise.size else (0.0, 1.0)
    norm = Normalize(low, max(high, low + 1e-6))
    _draw_road(axes[0], drive, used, norm)
    _draw_time(axes[1], drive, used, gas)
    unit = f"{gas.name.upper()} above background, {gas.mole_fraction_unit}"
    bar = plt.cm.ScalarMappable(norm, _COLOURS)
    figure.colorbar(bar, ax=axes[0], extend="both", orientation="horizontal", shrink=0.8, label=unit)
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    figure.suptitle(f"{title}: {len(drive.samples)} rows, {len(used)} used, {len(drive.segments)} segments")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_road(axis: Axes, drive: Drive, used: pd.DataFrame, norm: Normalize) -> None:
    """Draw samples as dots, segments as rings, in the colour of what is above the background; and what is lost."""
    axis.ticklabel_format(useOffset=False)
    axis.tick_params(axis="x", rotation=30)
    axis.locator_params(axis="x", nbins=5)
    axis.set(xlabel="longitude", ylabel="latitude")
    axis.set_title("dots: samples, rings: medians of segments, crosses: not used", fontsize=10)
    if used.empty:
        return
    lost = drive.samples[drive.samples["segment"] < 0]
    axis.plot(lost["lon"], lost["lat"], "x", color="0.6", ms=4)
    axis.scatter(used["lon"], used["lat"], c=used["enhancement"], s=8, cmap=_COLOURS, norm=norm)
    segments = drive.segments
    size = 60.0 if len(segments) < _FEW else 20.0
    axis.scatter(
        segments["lon"], segments["lat"], c=segments["enhancement"], s=size, cmap=_COLOURS, norm=norm,
        edgecolors="black", linewidths=size / 120, zorder=3,
    )  # fmt: skip
    # a square about the road; a position far outside would shrink it to a point
    (west, east), (south, north) = ((used[name].min(), used[name].max()) for name in ("lon", "lat"))
    shrink = float(np.cos(np.radians(0.5 * (south + north))))
    half = 0.55 * max((east - west) * shrink, north - south, _LEAST / _METRES_PER_DEGREE)
    x, y = 0.5 * (west + east), 0.5 * (south + north)
    axis.set(xlim=(x - half / shrink, x + half / shrink), ylim=(y - half, y + half), aspect=1 / shrink)
    _draw_scale(axis, y)


def _draw_scale(axis: Axes, lat: float) -> None:
    """Draw a bar of a round length."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    metres = _METRES_PER_DEGREE * np.cos(np.radians(lat))
    wide = max((right - left) * metres, 1.0)
    power = 10.0 ** np.floor(np.log10(0.4 * wide))
    length = max(digit * power for digit in (1, 2, 5) if digit * power <= 0.4 * wide)
    start, level = left + 0.05 * (right - left), bottom + 0.03 * (top - bottom)
    axis.plot([start, start + length / metres], [level, level], color="black", lw=3, solid_capstyle="butt")
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axis.annotate(text, (start + length / metres, level), (5, 0), textcoords="offset points", va="center")


def _draw_time(axis: Axes, drive: Drive, used: pd.DataFrame, gas: Species) -> None:
    """Draw readings in time: used ones over their background, segments as bars, refused ones by reason."""
    axis.plot(used["time"], used["value"], ".", color="0.5", ms=3, label="sample")
    axis.plot(used["time"], used["value"] - used["enhancement"], ":", color="tab:blue", lw=1.2, label="background")
    lost = drive.samples[(drive.samples["segment"] < 0) & np.isfinite(drive.samples["value"])]
    for number, (reason, mine) in enumerate(lost.groupby("reason")):
        axis.plot(mine["time"], mine["value"], "x", ms=4, color=f"C{number % 10}", label=f"{reason} ({len(mine)})")
    segments = drive.segments
    ends = segments["time"] + pd.to_timedelta(segments["seconds"], unit="s")
    axis.hlines(segments["value"], segments["time"], ends, color="tab:red", lw=2.5, label="median of a segment")
    if len(used):
        low, high = used["value"].min(), used["value"].max()
        axis.set_ylim(low - 0.1 * (high - low) - 0.5, high + 0.1 * (high - low) + 0.5)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(axis.xaxis.get_major_locator()))
    axis.set(xlabel="time at the inlet, UTC", ylabel=f"{gas.name.upper()}, {gas.mole_fraction_unit}")
