"""One footprint as a picture: where and when its air touched the ground, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates
import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
import pyproj
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D

from pipeline.coast import NOT_DRAWN, draw_coast, draw_zhejiang
from pipeline.errors import InputError
from pipeline.grid import Grid
from pipeline.schema import HOUR
from pipeline.transport import hour_path, read_hour, take

#: shares of the integral whose smallest areas are outlined, with colour and width: all show where they coincide
_SHARES = {0.95: ("#7b3294", 4.5), 0.8: ("#fdb863", 2.8), 0.5: ("#d7191c", 1.2)}
#: colours span this share of the integral, and at most this many decades
_SHOWN, _DECADES = 0.999, 4
#: hours back whose contours show the plume's age
_AGES = (1, 2, 3, 6, 9, 12, 18, 24, 36, 48, 72, 96, 120, 168, 240)
_REASON_COLOURS = {
    "travelling": "0.5",
    "time up": "black",
    "left the grid": "tab:green",
    "left the weather": "tab:olive",
    "weather ended": "magenta",
    "lost": "tab:red",
}


@dataclass(frozen=True)
class Chosen:
    """A footprint on disk.

    Parameters
    ----------
    row
        Dataset "footprints" with one row.
    others
        Stations of that hour that were asked for too.
    """

    row: xr.Dataset
    others: list[str]


def choose(folder: Path, grid: Grid, *, station: str | None = None, time: np.datetime64 | None = None) -> Chosen:
    """Return the first footprint, by time and then by row, that is what was asked for.

    Parameters
    ----------
    folder
        Where `pipeline.footprints` writes.
    grid
        The flux grid; files of another one are passed over.
    station
        Station id, or id of a sounding, or of the instrument of soundings; any when not given.
    time
        A time within the receptor's hour, UTC; any when not given.

    Raises
    ------
    InputError
        When there is none.
    """
    there = sorted((folder / "footprints").glob("*/*/*.nc"))
    paths = there if time is None else [hour_path(folder / "footprints", time)]
    seen: list[str] = []
    foreign = 0
    for path in paths:
        dataset = read_hour(path, grid)
        if dataset is None:
            foreign += path.exists()
            continue
        names = dataset["station"].values.astype(str)
        seen += [name for name in names if name not in seen]
        asked = [i for i, name in enumerate(names) if station is None or station in (name, name.split("-")[0])]
        if asked:
            return Chosen(take(dataset, np.array(asked[:1])), [str(names[i]) for i in asked[1:]])
    raise InputError(
        "there must be a footprint to draw",
        got=f"none{f' of {station}' if station else ''}{f' at {_words(time)}' if time is not None else ''}",
        remedy=_remedy(seen, foreign, there),
        where=str(folder / "footprints"),
    )


def draw_footprint(row: xr.Dataset, grid: Grid, path: Path, *, column: bool = False, age: bool = False) -> list[str]:
    """Write a PNG of one footprint: its sum over the hours on a map, and the sum of each hour.

    Parameters
    ----------
    row
        Dataset "footprints" with one row.
    grid
        The flux grid.
    path
        PNG to write.
    column
        The height is the top of a column, not an inlet's.
    age
        Draw contours of the mean time before the receptor's hour.

    Returns
    -------
    What a reader should know of the picture.

    Raises
    ------
    InputError
        When the footprint is nil: none of its air touched the ground on the grid.
    """
    field = np.bincount(row["cell"].values, row["footprint"].values, grid.size).reshape(grid.shape)
    total = float(field.sum())
    if not total > 0:
        raise InputError(
            "a footprint must not be nil to be drawn",
            got=f"{total:g} at {row['station'].values[0]}",
            remedy="choose another receptor, or particles that travel longer",
            where="footprint",
        )
    figure = plt.figure(figsize=(14, 8), layout="constrained")
    panels: Any = figure.subfigures(1, 2, width_ratios=[2.1, 1])
    right: Any = panels[1].subplots(2, 1, height_ratios=[1.2, 1])
    drawn = _draw_map(panels[0].subplots(), panels[0], row, grid, field, age)
    _draw_place(right[0], grid)
    _draw_hours(right[1], row)
    figure.suptitle(_title(row, total, column))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return [] if drawn else [NOT_DRAWN]


def smallest_area(field: np.ndarray, share: float) -> np.ndarray:
    """Return the mask of the fewest cells that hold a share of a field's sum.

    Parameters
    ----------
    field
        Not negative, with a positive sum.
    share
        0 to 1.

    Examples
    --------
    >>> smallest_area(np.array([[1.0, 5.0], [4.0, 0.0]]), 0.8).tolist()
    [[False, True], [True, False]]
    """
    order = np.argsort(-field, axis=None, kind="stable")
    running = np.cumsum(field.ravel()[order])
    count = int(np.searchsorted(running, share * running[-1] * (1 - 1e-12))) + 1
    mask = np.zeros(field.size, dtype=bool)
    mask[order[:count]] = True
    return mask.reshape(field.shape)


def outline(mask: np.ndarray, x_edges: np.ndarray, y_edges: np.ndarray) -> np.ndarray:
    """Return the cell sides between a mask and the rest, (side, 2, 2).

    Examples
    --------
    >>> outline(np.array([[True, False]]), np.arange(3.0), np.arange(2.0)).shape
    (4, 2, 2)
    """
    padded = np.pad(mask, 1)
    row, column = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([np.stack([x_edges[column], y_edges[row + end]], axis=1) for end in (0, 1)], axis=1)
    row, column = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.stack([np.stack([x_edges[column + end], y_edges[row]], axis=1) for end in (0, 1)], axis=1)
    return np.concatenate([upright, level])


def _draw_map(axis: Axes, figure: Any, row: xr.Dataset, grid: Grid, field: np.ndarray, age: bool) -> bool:
    """Draw the footprint, the areas of its shares, the receptor and the particles' ends; return whether coast is."""
    scale = 1.0 if grid.is_geographic else 1e-3
    x, y = grid.x_edges * scale, grid.y_edges * scale
    most = float(field.max())
    least = float(field[smallest_area(field, _SHOWN)].min())
    norm = LogNorm(min(max(least, most * 10.0**-_DECADES), most / 2), most)
    shown = np.ma.masked_where(field <= 0, np.maximum(field, norm.vmin or 0.0))
    image = axis.pcolormesh(x, y, shown, cmap="YlGnBu", norm=norm)
    unit = str(row["footprint"].attrs["units"])
    figure.colorbar(
        image, ax=axis, shrink=0.8, extend="min", label=f"footprint of a cell, summed over the hours, {unit}"
    )
    handles = _draw_ends(axis, row, grid, scale)
    for share, (colour, width) in _SHARES.items():
        sides = outline(smallest_area(field, share), x, y)
        axis.add_collection(LineCollection(list(sides), colors=colour, lw=width, capstyle="projecting", zorder=4))
        handles.append(Line2D([], [], color=colour, lw=width, label=f"{share:.0%} of the footprint"))
    at = grid.from_lonlat(row["lon"].values, row["lat"].values)
    axis.plot(at[0] * scale, at[1] * scale, "*", color="yellow", mec="black", ms=15, zorder=6)
    handles.insert(0, Line2D([], [], ls="", marker="*", color="yellow", mec="black", ms=12, label="receptor"))
    if age:
        _draw_age(axis, row, grid, field, scale)
    pad = 0.08 * max(np.ptp(x), np.ptp(y))
    axis.set(xlim=(x[0] - pad, x[-1] + pad), ylim=(y[0] - pad, y[-1] + pad))
    axis.plot(x[[0, -1, -1, 0, 0]], y[[0, 0, -1, -1, 0]], color="0.6", lw=0.8, ls=":", zorder=2)
    axis.set_aspect(1 / np.cos(np.radians(grid.y.mean())) if grid.is_geographic else 1)
    axis.set_xlabel("longitude" if grid.is_geographic else "x, km")
    axis.set_ylabel("latitude" if grid.is_geographic else "y, km")
    _draw_scale(axis, grid, scale)
    draw_zhejiang(axis, grid, scale=scale)
    drawn = draw_coast(axis, grid, scale=scale)
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return drawn


def _draw_ends(axis: Axes, row: xr.Dataset, grid: Grid, scale: float) -> list[Line2D]:
    """Draw where particles end, and return the legend of why, with the share of the air each reason takes."""
    if "end_lon" not in row:
        return []
    x, y = grid.from_lonlat(row["end_lon"].values[0], row["end_lat"].values[0])
    weight, reason = row["end_weight"].values[0].astype(np.float64), row["end_reason"].values[0]
    handles = []
    for code, name in enumerate(str(row["end_reason"].attrs["flag_meanings"]).split()):
        mine = reason == code
        if not mine.any():
            continue
        words = name.replace("_", " ")
        label = f"particle ended: {words}, {weight[mine].sum() / weight.sum():.1%}"
        style: dict[str, Any] = {"ls": "", "marker": "o", "mew": 0, "color": _REASON_COLOURS[words]}
        axis.plot(x[mine] * scale, y[mine] * scale, ms=2.5, alpha=0.6, zorder=5, **style)
        handles.append(Line2D([], [], ms=5, label=label, **style))
    return handles


def _draw_age(axis: Axes, row: xr.Dataset, grid: Grid, field: np.ndarray, scale: float) -> None:
    """Draw contours of the mean hours between touching the ground and the receptor's hour."""
    back = (row["time"].values[0] - row["hour"].values) / HOUR
    weighted = np.bincount(row["cell"].values, row["footprint"].values * back, grid.size).reshape(grid.shape)
    inside = smallest_area(field, _SHOWN)
    mean = np.ma.masked_where(~inside, weighted / np.where(inside, field, 1.0))
    levels = [hours for hours in _AGES if mean.min() < hours < mean.max()]
    if levels and min(grid.shape) > 1:
        halo: list[effects.AbstractPathEffect] = [effects.withStroke(linewidth=2.5, foreground="white")]
        drawn = axis.contour(
            grid.x * scale, grid.y * scale, mean, levels=levels, colors="black", linewidths=0.9, zorder=4
        )
        drawn.set_path_effects(halo)
        for text in axis.clabel(drawn, fmt="%g h", fontsize=9):
            text.set_path_effects(halo)


def _draw_scale(axis: Axes, grid: Grid, scale: float) -> None:
    """Draw a bar of a round length, true at the middle of the grid."""
    x, y = 0.5 * (grid.x_edges[0] + grid.x_edges[-1]), 0.5 * (grid.y_edges[0] + grid.y_edges[-1])
    step = float(grid.x_edges[1] - grid.x_edges[0])
    lon, lat = grid.to_lonlat(np.array([x, x + step]), np.array([y, y]))
    km = abs(float(pyproj.Geod(ellps="WGS84").inv(lon[0], lat[0], lon[1], lat[1])[2])) / 1e3 / step
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    length = 0.25 * (right - left) / scale * km
    power = 10.0 ** np.floor(np.log10(length))
    length = max(digit * power for digit in (1, 2, 5) if digit * power <= length)
    start, level = left + 0.03 * (right - left), bottom + 0.025 * (top - bottom)
    end = start + length / km * scale
    axis.plot([start, end], [level, level], color="black", lw=3, solid_capstyle="butt", zorder=7)
    axis.annotate(f"{length:g} km", (end, level), (6, 0), textcoords="offset points", va="center", zorder=7)


def _draw_place(axis: Axes, grid: Grid) -> None:
    """Draw where in the world the grid lies, in longitude and latitude."""
    world = Grid("EPSG:4326", np.array([-180.0, 180.0]), np.array([-90.0, 90.0]))
    side = np.linspace(0, 1, 20)
    x = grid.x_edges[0] + np.concatenate([side, 0 * side + 1, 1 - side, 0 * side]) * np.ptp(grid.x_edges)
    y = grid.y_edges[0] + np.concatenate([0 * side, side, 0 * side + 1, 1 - side]) * np.ptp(grid.y_edges)
    lon, lat = grid.to_lonlat(x, y)
    lon = grid.central_longitude + (lon - grid.central_longitude + 180.0) % 360.0 - 180.0
    middle = 0.5 * (lat.min() + lat.max())
    half = max(6.0, 1.5 * float(np.ptp(lat)), 1.2 * float(np.ptp(lon)) * np.cos(np.radians(middle)))
    wide = half / np.cos(np.radians(middle))
    centre = 0.5 * (lon.min() + lon.max())
    axis.set(xlim=(centre - wide, centre + wide), ylim=(max(middle - half, -90), min(middle + half, 90)))
    axis.set_aspect(1 / np.cos(np.radians(middle)))
    draw_coast(axis, world, resolution="l")
    axis.plot(lon, lat, color="tab:red", lw=1.5, zorder=5)
    axis.set(title="where the grid lies", xlabel="longitude", ylabel="latitude")


def _draw_hours(axis: Axes, row: xr.Dataset) -> None:
    """Draw the footprint's sum of each flux hour."""
    hours, place = np.unique(row["hour"].values, return_inverse=True)
    axis.bar(mdates.date2num(hours), np.bincount(place, row["footprint"].values), width=0.9 / 24, align="edge")
    axis.axvline(
        float(mdates.date2num(row["time"].values[0])), color="0.4", ls=":", lw=1, label="the receptor's hour begins"
    )
    axis.xaxis_date()
    span = float((hours[-1] - hours[0]) / HOUR) + 1
    every = next((step for step in (1, 2, 3, 6, 12) if span <= 7 * step), 24)
    locator = mdates.HourLocator(range(0, 24, every)) if span <= 168 else mdates.AutoDateLocator()
    axis.xaxis.set(major_locator=locator, major_formatter=mdates.ConciseDateFormatter(locator))
    axis.margins(y=0.15)
    axis.set(
        title="footprint of each hour", xlabel="hour of the flux, UTC", ylabel=str(row["footprint"].attrs["units"])
    )
    axis.legend(loc="upper left", fontsize=8, frameon=False)


def _title(row: xr.Dataset, total: float, column: bool) -> str:
    time, lon = row["time"].values[0], float(row["lon"].values[0])
    local = time + np.timedelta64(round(lon / 15 * 60), "m")
    height = f"{float(row['height'].values[0]):g} m"
    count = f", {row.sizes['particle']} particles" if "particle" in row.dims else ""
    return (
        f"{row['station'].values[0]}: hour from {_words(time)} UTC ({_words(local)[11:]} local solar time), "
        f"{f'column from the ground to {height}' if column else f'{height} above ground'}\n"
        f"total footprint {total:.3g} {row['footprint'].attrs['units']}, "
        f"over {np.unique(row['hour'].values).size} hour(s){count}"
    )


def _words(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")


def _remedy(seen: list[str], foreign: int, there: list[Path]) -> str:
    if seen:
        return f"stations there: {', '.join(seen[:10])}{f' and {len(seen) - 10} more' if len(seen) > 10 else ''}"
    if foreign:
        return f"{foreign} file(s) there are of another grid or damaged; run `tianyan footprints CASE.toml` again"
    if there:
        return f"hours there: {there[0].stem} to {there[-1].stem}; for others run `tianyan footprints CASE.toml` first"
    return "run `tianyan footprints CASE.toml` first"
