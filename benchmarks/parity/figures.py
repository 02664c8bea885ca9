"""Pictures of the parity page."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm
from scipy.ndimage import gaussian_filter

from benchmarks.parity import mptrac, stilt
from benchmarks.parity.results import HOURLY, Compared, hours_label
from benchmarks.parity.stilt import Run, Stilt

#: share of particles below which no spread is drawn
_ENOUGH = 0.05
_THEIRS, _OURS, _EMULATED = "#222222", "#c8102e", "#2b6cb0"


def footprints(case: Stilt, found: list[Compared], path: Path) -> None:
    """Draw the three total footprints, STILT's above ours."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 7), sharex=True, sharey=True, layout="constrained")
    x, y = case.grid.x_edges / 1000.0, case.grid.y_edges / 1000.0
    mesh = None
    for number, one in enumerate(found):
        receptor = case.receptor(number)
        at_x, at_y = case.grid.from_lonlat(receptor.lon, receptor.lat)
        for axis, run, name in ((axes[0, number], one.theirs, "STILT"), (axes[1, number], one.ours, "ours")):
            field = gaussian_filter(run.field.sum(axis=0), 1.0)
            mesh = axis.pcolormesh(
                x, y, np.where(field > 1e-6, field, np.nan), norm=LogNorm(1e-5, 3e-2), cmap="viridis"
            )
            axis.plot(at_x / 1000.0, at_y / 1000.0, "x", color=_OURS, markersize=8)
            axis.set_title(f"{name}, {receptor.station}, total {run.total:.3f}")
            axis.set_aspect("equal")
    figure.supxlabel("easting, km")
    figure.supylabel("northing, km")
    assert mesh is not None
    figure.colorbar(mesh, ax=axes, shrink=0.7, label="footprint over 24 h, ppm (µmol m⁻² s⁻¹)⁻¹, smoothed over 1 cell")
    _save(figure, path)


def hourly(case: Stilt, found: list[Compared], path: Path) -> None:
    """Draw hourly totals over STILT's."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
    hours = hours_label()
    for number, (axis, one) in enumerate(zip(axes, found, strict=True)):
        axis.axhspan(1.0 - HOURLY, 1.0 + HOURLY, color="0.9", label="tolerance")
        compared = one.theirs.kept > stilt.KEPT
        noise = np.where(compared, one.hourly_noise, np.nan)
        axis.fill_between(hours, 1.0 - 2 * noise, 1.0 + 2 * noise, color="0.75", label="2 sd of STILT's 2000 particles")
        axis.plot(hours, one.ratio(one.ours), "o-", color=_OURS, markersize=4, label="ours")
        axis.plot(hours, one.ratio(one.emulated), "s--", color=_EMULATED, markersize=3, label="emulator of STILT")
        axis.set_title(case.receptor(number).station)
        axis.set_xlabel("hours back")
    axes[0].set_ylabel("hourly total / STILT's")
    axes[0].legend(fontsize=8)
    axes[0].set_ylim(0.6, 1.5)
    _save(figure, path)


def spread(case: Stilt, found: list[Compared], path: Path) -> None:
    """Draw the plumes' spread."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    hours = hours_label()
    for number, (axis, one) in enumerate(zip(axes, found, strict=True)):
        axis.plot(hours, _seen(one.theirs), "-", color=_THEIRS, label="STILT")
        axis.plot(hours, _seen(one.ours), "o-", color=_OURS, markersize=4, label="ours")
        axis.plot(hours, _seen(one.emulated), "s--", color=_EMULATED, markersize=3, label="emulator of STILT")
        lost = np.flatnonzero(one.theirs.kept <= stilt.KEPT)
        if lost.size:
            axis.axvspan(hours[lost[0]] - 0.5, hours[-1], color="0.92", label="most of STILT's particles gone")
        axis.set_title(case.receptor(number).station)
        axis.set_xlabel("hours back")
        axis.legend(fontsize=8)
    axes[0].set_ylabel("spread sqrt(var x + var y), km")
    _save(figure, path)


def _seen(run: Run) -> np.ndarray:
    """Return the spread while enough particles are left to have one."""
    return np.where(run.kept > _ENOUGH, run.spread, np.nan)


def distance(case: mptrac.Mptrac, found: mptrac.Result, path: Path) -> None:
    """Draw the distance between our parcels and MPTRAC's."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    minutes = np.arange(found.apart.size) * case.step / 60.0
    axis.plot(minutes, found.apart, "o-", color=_OURS, label="ours and MPTRAC's parcel, median")
    axis.plot(minutes, found.twins, "s--", color=_EMULATED, label="MPTRAC's parcels released side by side, median / √2")
    axis.plot(minutes, found.mean_apart, "o-", color=_THEIRS, label="ours and MPTRAC's mean position")
    axis.plot(minutes, 0.01 * found.mean_went, ":", color="0.5", label="1 % of the way of the mean position")
    axis.set_xlabel("minutes")
    axis.set_ylabel("distance, m")
    axis.legend(fontsize=8)
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
