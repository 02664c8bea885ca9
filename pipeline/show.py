"""What a person looks at after a run: the account in text and one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from rich.console import Console

from pipeline.grid import Grid
from pipeline.show_maps import draw_map, scale_of, signed
from pipeline.show_tables import (
    class_table,
    diagnostic_table,
    held_out_table,
    is_compared,
    is_sounding,
    made_by,
    main_regions,
    offset_table,
    region_table,
    station_table,
    tower_table,
    use_table,
)
from pipeline.units import species

#: lines of the account of files that are printed unasked
_SHORT = 40
#: stations whose series are drawn, besides one that is only compared with
_DRAWN = 3


def print_account(dataset: xr.Dataset, console: Console, *, full: bool = False) -> None:
    """Print what was read, rejected, used and found; the rows of many files only when `full`."""
    console.rule(str(dataset.attrs["title"]))
    account = str(dataset.attrs["account"])
    if full or len(account.splitlines()) <= _SHORT:
        console.print(account, highlight=False, markup=False, soft_wrap=True)
    else:
        console.print("rows of every file, used and rejected: `tianyan show STORE --full`", highlight=False)
    console.print(use_table(dataset))
    for note in str(dataset.attrs["notes"]).splitlines():
        console.print(f"- {note}", highlight=False, markup=False)
    console.print(diagnostic_table(dataset))
    for table in (
        station_table(dataset, full=full),
        class_table(dataset),
        held_out_table(dataset),
        offset_table(dataset, full=full),
        tower_table(dataset),
        region_table(dataset, full=full),
    ):
        if table is not None:
            console.print(table)


def draw(dataset: xr.Dataset, path: Path) -> None:
    """Write a PNG: maps of prior, posterior, change and uncertainty; observed, prior and posterior time series.

    Maps are means of the net flux over the observed hours; the uncertainty is that of one hour's flux, averaged.
    """
    stations = _stations_to_draw(dataset)
    figure = plt.figure(figsize=(15, 5 + 2.6 * len(stations)), layout="constrained")
    panels: Any = figure.subfigures(2, 1, height_ratios=[4.6, 2.6 * len(stations)])
    top, bottom = panels
    _draw_maps(dataset, top)
    _draw_series(dataset, bottom, stations)
    hours = int(np.sum(dataset["obs_reason"].values == ""))
    top.suptitle(
        f"{dataset.attrs['title']}\n"
        f"means over the observed hours, all sectors together; {hours} values used; "
        "triangles: stations, dots: soundings and segments of drives"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _stations_to_draw(dataset: xr.Dataset) -> list[str]:
    """Return the stations and instruments with the most used values, and that with the most to compare with alone."""
    makers, used = made_by(dataset), dataset["obs_reason"].values == ""
    compared = is_compared(dataset) & ~np.isin(makers, makers[used])

    def first(rows: np.ndarray, count: int) -> list[str]:
        names, counts = np.unique(makers[rows], return_counts=True)
        return [str(name) for name in names[np.argsort(-counts, kind="stable")][:count]]

    return first(used, _DRAWN) + first(compared, 1)


def _draw_maps(dataset: xr.Dataset, figure: Any) -> None:
    gas = species(str(dataset.attrs["species"]))
    grid = Grid.from_dataset(dataset)
    observed = dataset["obs_time"].values
    hours = dataset.sel(time=slice(observed.min(), observed.max()))
    prior, posterior = (hours[f"flux_{which}"].sum("sector").mean("time").values for which in ("prior", "posterior"))
    prior_sigma, sigma = (
        np.sqrt(np.square(hours[f"flux_{which}_std"].values).sum(axis=0)).mean(axis=0)
        for which in ("prior", "posterior")
    )
    reduction = 1 - np.divide(sigma, prior_sigma, out=np.ones_like(sigma), where=prior_sigma > 0)
    scale = float(np.quantile(np.abs(np.stack([prior, posterior])), 0.98))
    change = float(np.quantile(np.abs(posterior - prior), 0.98)) or 1.0
    panels = (
        ("prior net flux", prior, "RdBu_r", signed(scale), gas.flux_unit),
        ("posterior net flux", posterior, "RdBu_r", signed(scale), gas.flux_unit),
        ("posterior - prior", posterior - prior, "PuOr_r", signed(change), gas.flux_unit),
        ("hourly sigma reduced by", 100 * reduction, "viridis", Normalize(0, max(1.0, 100 * reduction.max())), "%"),
    )
    axes: Sequence[Axes] = figure.subplots(1, 4, sharey=True)
    unit = scale_of(grid)
    sounding = is_sounding(dataset)
    for axis, (title, field, colours, norm, label) in zip(axes, panels, strict=True):
        draw_map(axis, grid, field, title=title, norm=norm, colours=colours, unit=label)
        x, y = grid.from_lonlat(dataset["obs_lon"].values, dataset["obs_lat"].values)
        axis.plot(x[~sounding] * unit, y[~sounding] * unit, "k^", markersize=4, fillstyle="none")
        axis.plot(x[sounding] * unit, y[sounding] * unit, "k.", markersize=1.5)
        for fraction in dataset["region_fraction"].values[main_regions(dataset)]:
            # a contour through half of the cell's share follows the region's border
            axis.contour(grid.x * unit, grid.y * unit, fraction, levels=[0.5], colors="0.25", linewidths=0.5)
    axes[0].set_ylabel("latitude" if grid.is_geographic else "y, km")


def _draw_series(dataset: xr.Dataset, figure: Any, stations: list[str]) -> None:
    """Draw observed and modelled values: of stations by time, of an instrument sounding by sounding."""
    gas = species(str(dataset.attrs["species"]))
    makers, sounding = made_by(dataset), is_sounding(dataset)
    one_clock = not sounding[np.isin(makers, stations)].any()
    axes = np.atleast_1d(figure.subplots(len(stations), 1, sharex=one_clock))
    for axis, station in zip(axes, stations, strict=True):
        rows = np.flatnonzero(makers == station)
        if sounding[rows].all():
            # their ids are in the order of time, then of latitude
            mine = dataset.isel(obs=rows[np.argsort(dataset["obs_station"].values[rows].astype(str), kind="stable")])
            _draw_values(axis, mine, np.arange(1, rows.size + 1))
            axis.set_xlabel("sounding or segment, in order of time")
        else:
            mine = dataset.isel(obs=rows)
            _draw_values(axis, mine, mine["obs_time"].values)
            axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(axis.xaxis.get_major_locator()))
            if not one_clock or axis is axes[-1]:
                axis.set_xlabel("time, UTC")
        axis.set_ylabel(f"{station}\n{gas.name.upper()}, {gas.mole_fraction_unit}")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=7, frameon=False)


def _draw_values(axis: Axes, mine: xr.Dataset, along: np.ndarray) -> None:
    """Draw one station's or instrument's values along its hours or its soundings."""
    used, compared = mine["obs_reason"].values == "", is_compared(mine)
    other = ~used & ~compared
    axis.fill_between(
        along, mine["obs_prior"] - mine["obs_prior_std"], mine["obs_prior"] + mine["obs_prior_std"],
        color="tab:blue", alpha=0.15, lw=0, label="prior ± 1 sigma",
    )  # fmt: skip
    axis.plot(along, mine["obs_background_posterior"], ":", color="grey", label="background, corrected")
    axis.plot(along, mine["obs_prior"], color="tab:blue", lw=1, label="prior")
    axis.plot(along, mine["obs_posterior"], color="tab:red", lw=1.4, label="posterior")
    axis.plot(along[used], mine["obs_value"].values[used], "k.", markersize=5, label="observed")
    axis.plot(
        along[compared], mine["obs_value"].values[compared], "ko", markersize=4, fillstyle="none", label="held out"
    )
    axis.plot(along[other], mine["obs_value"].values[other], "x", color="0.5", markersize=4, label="not used")
