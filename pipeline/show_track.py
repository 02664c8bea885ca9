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
    figure = plt.figure(figsize=(14, 7), layout="constrained")
    axes: Any = figure.subplots(1, 2, width_ratios=[1, 1.3])
    used = drive.samples[drive.samples["segment"] >= 0]
    rise = used["enhancement"].to_numpy()
    low, high = (float(np.quantile(rise, share)) for share in (1 - _SHOWN, _SHOWN)) if rise.size else (0.0, 1.0)
    norm = Normalize(low, max(high, low + 1e-6))
    _draw_road(axes[0], drive, used, norm)
    _draw_time(axes[1], drive, used, gas)
    mappable = plt.cm.ScalarMappable(norm, _COLOURS)
    figure.colorbar(
        mappable,
        ax=axes[0],
        extend="both",
        shrink=0.8,
        label=f"{gas.name.upper()} above background, {gas.mole_fraction_unit}",
    )
    figure.suptitle(f"{title}: {len(drive.samples)} rows, {len(used)} used, {len(drive.segments)} segments")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_road(axis: Axes, drive: Drive, used: pd.DataFrame, norm: Normalize) -> None:
    """Draw samples as dots, segments as rings of their median's colour, and refused rows that have a place."""
    lost = drive.samples[drive.samples["segment"] < 0].dropna(subset=["lon", "lat"])
    if len(used):
        # a position far outside would shrink the road to a point: it is told in the account, not drawn
        near = [lost[name].between(used[name].min() - 0.01, used[name].max() + 0.01) for name in ("lon", "lat")]
        lost = lost[near[0] & near[1]]
    axis.plot(lost["lon"], lost["lat"], "x", color="0.6", ms=4, label=f"not used ({len(lost)})")
    axis.scatter(used["lon"], used["lat"], c=used["enhancement"], s=6, cmap=_COLOURS, norm=norm, label="sample")
    segments = drive.segments
    axis.scatter(
        segments["lon"], segments["lat"], c=segments["enhancement"], s=60, cmap=_COLOURS, norm=norm,
        edgecolors="black", linewidths=0.8, label="median of a segment", zorder=3,
    )  # fmt: skip
    middle = float(used["lat"].mean()) if len(used) else 0.0
    axis.set_aspect(1 / np.cos(np.radians(middle)))
    axis.margins(0.1)
    axis.ticklabel_format(useOffset=False)
    axis.tick_params(axis="x", rotation=30)
    axis.set(xlabel="longitude", ylabel="latitude")
    if len(used):
        _draw_scale(axis, middle)
    axis.legend(loc="upper left", bbox_to_anchor=(0, 1.12), fontsize=8, ncols=3, frameon=False)


def _draw_scale(axis: Axes, lat: float) -> None:
    """Draw a bar of a round length."""
    axis.autoscale_view()
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
    axis.legend(loc="upper left", bbox_to_anchor=(0, 1.12), fontsize=8, ncols=4, frameon=False)
