"""The tables of a run: observations, diagnostics, stations, classes, totals."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from rich.table import Table

from pipeline.inversion import DIAGNOSTICS, rms
from pipeline.schema import SATELLITE, instruments, is_single

#: a total with more decimals is written with an exponent
_DECIMALS = 6
#: stations, and regions, that are listed unasked
_STATIONS, _REGIONS = 20, 20


def made_by(dataset: xr.Dataset) -> np.ndarray:
    """Return the station of each observation, or the instrument of a sounding."""
    return instruments(dataset["obs_station"].values, dataset["obs_platform"].values)


def is_sounding(dataset: xr.Dataset) -> np.ndarray:
    """Return whether each observation is one, or a segment of a drive."""
    return is_single(dataset["obs_platform"].values)


def is_compared(dataset: xr.Dataset) -> np.ndarray:
    """Return whether each observation was held out and has what the model says of it."""
    reason = dataset["obs_reason"].values.astype(str)
    return (reason != "") & np.isfinite(dataset["obs_posterior"].values)


def use_table(dataset: xr.Dataset) -> Table:
    """Return what became of the hourly observations of every station."""
    table = Table(title="hourly observations", title_justify="left")
    for column in ("station", "height, m", "values", "used", "not used, and why"):
        table.add_column(column)
    makers, sounding = made_by(dataset), is_sounding(dataset)
    platform = dataset["obs_platform"].values.astype(str)
    heights = dataset["obs_height"].values
    reasons = dataset["obs_reason"].values.astype(str)
    for name, height in sorted({(s, float(h)) for s, h in zip(makers, heights, strict=True)}):
        mine = (makers == name) & (heights == height)
        why = ", ".join(f"{text}: {int(np.sum(reasons[mine] == text))}" for text in np.unique(reasons[mine]) if text)
        size = int(mine.sum())
        kind = "columns, {} sounding{}" if (platform[mine] == SATELLITE).all() else "drives, {} segment{}"
        label = f"{name} {kind.format(size, 's' if size > 1 else '')}" if sounding[mine].all() else name
        table.add_row(label, f"{height:g}", str(size), str(int(np.sum(reasons[mine] == ""))), why)
    return table


def diagnostic_table(dataset: xr.Dataset) -> Table:
    """Return the diagnostics of the run."""
    table = Table(title="diagnostics", title_justify="left")
    table.add_column("quantity")
    table.add_column("value", justify="right")
    for name in DIAGNOSTICS:
        variable = dataset[f"diagnostic_{name}"]
        value = variable.item()
        table.add_row(str(variable.attrs["long_name"]), f"{value:d}" if isinstance(value, int) else f"{value:.3f}")
    return table


def station_table(dataset: xr.Dataset, *, full: bool = False) -> Table | None:
    """Return how prior, posterior and all other stations fit each station, the most deviant first; None in old stores.

    Parameters
    ----------
    full
        List all stations, not the first ones only.
    """
    if "station_id" not in dataset or dataset.sizes["station"] == 0:
        return None
    chi2 = dataset["station_left_out_chi2"].values
    order = np.argsort(-np.abs(np.log(np.maximum(chi2, np.finfo(float).tiny))), kind="stable")
    shown = order if full else order[:_STATIONS]
    more = f"; the {shown.size} of {order.size} that deviate most: `--full` for all" if shown.size < order.size else ""
    table = Table(title=f"stations, root mean square of observed minus modelled{more}", title_justify="left")
    table.add_column("station")
    table.add_column("class")
    for column in ("values", "prior", "posterior", "left out", "its sigma", "left-out chi2"):
        table.add_column(column, justify="right")
    names = ("prior_rmse", "posterior_rmse", "left_out_rmse", "left_out_sigma", "left_out_chi2")
    values = np.stack([dataset[f"station_{name}"].values for name in names], axis=1)
    for row in shown.tolist():
        name, platform, count = (dataset[f"station_{key}"].values[row] for key in ("id", "platform", "count"))
        table.add_row(str(name), str(platform), str(int(count)), *(f"{value:.3g}" for value in values[row]))
    return table


def class_table(dataset: xr.Dataset) -> Table | None:
    """Return chi2 of every class of observations; None in old stores."""
    if "platform_id" not in dataset or dataset.sizes["platform"] == 0:
        return None
    table = Table(title="classes of observations: 1 when the stated errors are right", title_justify="left")
    table.add_column("class")
    for column in ("values", "chi2", "left-out chi2"):
        table.add_column(column, justify="right")
    for name, count, *chi2 in zip(
        *(dataset[f"platform_{key}"].values for key in ("id", "count", "chi2", "left_out_chi2")), strict=True
    ):
        table.add_row(str(name), str(int(count)), *(f"{value:.3g}" for value in chi2))
    return table


def held_out_table(dataset: xr.Dataset) -> Table | None:
    """Return how prior and posterior fit what was held out, by station, instrument or laboratory; None without any."""
    mine = is_compared(dataset)
    if not mine.any():
        return None
    unit = str(dataset["obs_value"].attrs.get("units", ""))
    table = Table(title=f"held out, observed minus modelled, {unit}", title_justify="left")
    table.add_column("station")
    table.add_column("class")
    for column in ("values", "prior bias", "prior RMSE", "posterior bias", "posterior RMSE", "over its sigma"):
        table.add_column(column, justify="right")
    value, sigma = dataset["obs_value"].values, dataset["obs_error"].values
    makers, platform = made_by(dataset), dataset["obs_platform"].values.astype(str)
    for name in np.unique(makers[mine]):
        rows = np.flatnonzero(mine & (makers == name))
        before, after = (value[rows] - dataset[f"obs_{which}"].values[rows] for which in ("prior", "posterior"))
        fits = [number for left in (before, after) for number in (f"{left.mean():+.3g}", f"{rms(left):.3g}")]
        ratio = rms(after / sigma[rows])
        table.add_row(str(name), str(platform[rows[0]]), str(rows.size), *fits, f"{ratio:.3g}")
    return table


def offset_table(dataset: xr.Dataset, *, full: bool = False) -> Table | None:
    """Return the solved offsets of sensors, the largest first; None when none was solved for."""
    used = dataset["obs_reason"].values.astype(str) == ""
    if "obs_offset" not in dataset or not np.any(dataset["obs_offset"].values[used] != 0):
        return None
    makers, heights, offset = made_by(dataset), dataset["obs_height"].values, dataset["obs_offset"].values
    rows = []
    for name, height in sorted({(str(s), float(h)) for s, h in zip(makers[used], heights[used], strict=True)}):
        mine = offset[used & (makers == name) & (heights == height)]
        if np.any(mine != 0):
            rows.append((name, height, mine))
    rows.sort(key=lambda row: -float(np.abs(row[2].mean())))
    shown = rows if full else rows[:_STATIONS]
    more = f"; the {len(shown)} largest of {len(rows)}" if len(shown) < len(rows) else ""
    unit = str(dataset["obs_offset"].attrs.get("units", ""))
    table = Table(title=f"offsets of sensors, {unit}{more}", title_justify="left")
    table.add_column("station")
    for column in ("height, m", "mean", "least", "most"):
        table.add_column(column, justify="right")
    for name, height, mine in shown:
        numbers = (f"{value:+.3g}" for value in (mine.mean(), mine.min(), mine.max()))
        table.add_row(name, f"{height:g}", *numbers)
    return table


def tower_table(dataset: xr.Dataset) -> Table | None:
    """Return what towers measured, prior and posterior, means over the used hours; None when there are none."""
    if "tower_obs_value" not in dataset or dataset.sizes["tower_obs"] == 0:
        return None
    unit = str(dataset["tower_obs_value"].attrs.get("units", ""))
    table = Table(title=f"towers, mean flux over the used hours, {unit}", title_justify="left")
    table.add_column("station")
    for column in ("values", "used", "measured", "prior", "posterior"):
        table.add_column(column, justify="right")
    station = dataset["tower_obs_station"].values.astype(str)
    used = dataset["tower_obs_reason"].values.astype(str) == ""
    for name in np.unique(station):
        mine = (station == name) & used
        means = (dataset[f"tower_obs_{key}"].values[mine] for key in ("value", "prior", "posterior"))
        numbers = (f"{value.mean():.3g}" if value.size else "-" for value in means)
        table.add_row(str(name), str(int(np.sum(station == name))), str(int(mine.sum())), *numbers)
    return table


def region_table(dataset: xr.Dataset, *, full: bool = False) -> Table | None:
    """Return prior and posterior totals of regions, with one sigma; of many, the first levels only unless `full`."""
    if dataset.sizes["region"] == 0:
        return None
    gas = str(dataset.attrs["species"]).upper()
    shown = slice(None) if full else main_regions(dataset)
    whole = dataset.sel(period="all").isel(region=shown)
    hidden = dataset.sizes["region"] - whole.sizes["region"]
    names = [f"region_{which}{std}" for which in ("prior", "posterior") for std in ("", "_std")]
    unit, scale = mass_unit(max(float(np.abs(whole[name]).max()) for name in names))
    table = Table(title=f"regional totals over all observed hours, {unit} {gas}, with one sigma", title_justify="left")
    if hidden:
        table.caption, table.caption_justify = f"{hidden} smaller regions: `tianyan show STORE --full`", "left"
    for column in ("region", "sector", "prior", "posterior"):
        table.add_column(column, justify="right" if column in ("prior", "posterior") else "left")
    for r, name in enumerate(whole["region_name_en"].values):
        row = whole.isel(region=r)
        for k, sector in enumerate(row["sector"].values):
            pairs = [(row[f"region_{which}"][k], row[f"region_{which}_std"][k]) for which in ("prior", "posterior")]
            table.add_row(
                "" if k else name or whole["region"].values[r], sector, *(with_sigma(*pair, scale) for pair in pairs)
            )
        pairs = [(row[f"region_{which}"].sum(), row[f"region_net_{which}_std"]) for which in ("prior", "posterior")]
        table.add_row("", "net", *(with_sigma(*pair, scale) for pair in pairs), end_section=True)
    return table


def main_regions(dataset: xr.Dataset) -> np.ndarray:
    """Return the places of the regions that are shown unasked: of the first levels, as long as they are few."""
    levels = dataset["region_level"].values.astype(str)
    shown = np.zeros(levels.size, bool)
    for level in dict.fromkeys(levels.tolist()):
        more = shown | (levels == level)
        if shown.any() and more.sum() > _REGIONS:
            break
        shown = more
    return np.flatnonzero(shown)


def mass_unit(most: float) -> tuple[str, float]:
    """Return the unit in which a total of so many tonnes is shown, and its tonnes.

    Examples
    --------
    >>> mass_unit(4300.0), mass_unit(12.0)
    (('kt', 1000.0), ('t', 1.0))
    """
    return ("kt", 1e3) if most >= 1e3 else ("t", 1.0)


def with_sigma(mean: Any, sigma: Any, scale: float) -> str:
    """Return a total and its sigma, both to the third digit of sigma."""
    return f"{rounded(mean, sigma, scale)} ± {rounded(sigma, sigma, scale)}"


def rounded(value: Any, sigma: Any, scale: float) -> str:
    """Return a total to the third digit of a sigma.

    Examples
    --------
    >>> rounded(305612.0, 68401.0, 1e3), rounded(305612.0, 0.0, 1e3), rounded(-0.04, 20.0, 1.0)
    ('305.6', '306', '0.0')
    """
    shown, error = float(value) / scale, float(sigma) / scale
    if not error > 0:
        return f"{shown:.3g}"
    decimals = 2 - int(np.floor(np.log10(error)))
    return f"{shown:.2e}" if decimals > _DECIMALS else f"{shown:z.{max(0, decimals)}f}"
