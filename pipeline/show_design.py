"""A network design in tables, and as a map of its candidates beside the sigmas of the regions."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from pipeline.coast import draw_coast, draw_zhejiang
from pipeline.design import Design
from pipeline.design_file import reduction
from pipeline.grid import Grid
from pipeline.report_maps import centre
from pipeline.show_tables import mass_unit
from pipeline.units import species

#: candidates that are listed unasked, and margin of the map around the regions, share of their width
_LISTED, _MARGIN = 10, 0.08
_HALO = [effects.withStroke(linewidth=2.5, foreground="white")]


def print_design(design: Design, console: Console, *, full: bool = False) -> None:
    """Print regions, ranked candidates, the sequence and notes.

    Parameters
    ----------
    design
        Of `pipeline.design`.
    console
        To print on.
    full
        List all candidates, not the first ones only.
    """
    console.print(region_table(design))
    console.print(site_table(design, full=full))
    console.print(sequence_table(design))
    for note in design.notes:
        console.print(f"- {note}", highlight=False, markup=False)


def region_table(design: Design) -> Table:
    """Return sigma of every region: without observations, now, with the best candidate, and with all chosen."""
    unit, scale = mass_unit(float(design.prior.max()))
    gas, case = species(design.place.settings.case.species).name.upper(), design.place.settings.case
    start, end = (f"{str(time)[:13]}Z" for time in case.observation_hours.bounds)
    best = design.sites[design.ranked[0]].id
    title = f"sigma of totals from {start} to {end}, {design.sector}, {unit} {gas}"
    table = Table(title=title, title_justify="left")
    table.add_column("region")
    for name in ("prior", "now", f"with {best}", "less", f"with {len(design.chosen)} chosen", "less"):
        table.add_column(name, justify="right")
    alone = design.single[design.ranked[0]]
    every = design.sequence[-1] if design.chosen else design.now
    for i, name in enumerate(design.place.regions.names):
        cells = [f"{value[i] / scale:.1f}" for value in (design.prior, design.now, alone, every)]
        less = [f"{reduction(design.now, value)[i]:.1%}" for value in (alone, every)]
        table.add_row(name, *cells[:3], less[0], cells[3], less[1])
    return table


def site_table(design: Design, *, full: bool = False) -> Table:
    """Return candidates by score, the best first, each alone beside the network of now; what all share is left out."""
    scored, levels = design.place.scored, np.array(design.place.regions.levels)
    shown = design.ranked if full else design.ranked[:_LISTED]
    more = f"; {len(shown)} of {len(design.sites)}: `--full` for all" if len(shown) < len(design.sites) else ""
    table = Table(
        title=f"candidates, each alone beside the network of now{more}",
        caption=f"score: the sum of sigmas ({_level(design)}) is less by; mean: of what each region's is less by",
        title_justify="left",
        caption_justify="left",
    )
    about = {
        "class": [site.kind for site in design.sites],
        "m": [f"{site.height:g}" for site in design.sites],
        "hours": [str(count) for count in design.hours],
    }
    about = {name: texts for name, texts in about.items() if len(set(texts)) > 1}
    province = np.flatnonzero((levels == "province") & ~scored)
    table.add_column("")
    table.add_column("candidate")
    for name in ("lon", "lat", *about, "score", "mean", *["province"] * province.size):
        table.add_column(name, justify="right")
    table.add_column("most for")
    score = design.score(design.single)
    for rank, at in enumerate(shown):
        site, less = design.sites[at], reduction(design.now, design.single[at])
        most = int(np.argmax(np.where(scored, less, -1.0)))
        table.add_row(
            str(rank + 1), _name(design, at), f"{site.lon:.2f}", f"{site.lat:.2f}", *(x[at] for x in about.values()),
            f"{score[at]:.1%}", f"{less[scored].mean():.1%}", *(f"{less[i]:.1%}" for i in province),
            f"{design.place.regions.names[most]} {less[most]:.1%}",
        )  # fmt: skip
    return table


def sequence_table(design: Design) -> Table:
    """Return the candidates chosen one after the other, each the best beside those before it."""
    table = Table(title="one after the other, each the best beside the network and those before", title_justify="left")
    for name in ("", "candidate"):
        table.add_column(name)
    for name in ("score together", "it adds"):
        table.add_column(name, justify="right")
    total = np.concatenate([[0.0], design.score(design.sequence)])
    for step, at in enumerate(design.chosen):
        table.add_row(
            str(step + 1), _name(design, at), f"{total[step + 1]:.1%}", f"{total[step + 1] - total[step]:.1%}"
        )
    return table


def draw_design(design: Design, path: Path) -> None:
    """Write a PNG: candidates by score over coast and borders, and the sigma of each scored region now and then.

    Parameters
    ----------
    design
        Of `pipeline.design`.
    path
        The file.
    """
    figure = plt.figure(figsize=(14, 7.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.75, 1.0])
    _draw_map(design, left, figure)
    _draw_regions(design, right)
    case = design.place.settings.case
    start, end = (str(time)[:10] for time in (case.observation_hours.bounds[0], case.observation_hours.bounds[1]))
    gas = species(case.species).name.upper()
    figure.suptitle(
        f"Where would another station tell most?  {gas}, {design.sector} flux, {start} to {end}\n"
        f"score: by how much the sum of sigmas ({_level(design)}) falls below that of the network of now", fontsize=12
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_map(design: Design, axis: Axes, figure: Figure) -> None:
    """Draw candidates coloured by score, the chosen ones with their numbers, stations, and names of regions."""
    grid = design.place.grid
    unit = 1.0 if grid.is_geographic else 1e-3
    sites, score = design.sites, 100 * design.score(design.single)
    x, y = (np.asarray(v) * unit for v in grid.from_lonlat([s.lon for s in sites], [s.lat for s in sites]))
    _look(design, axis, unit, (x, y))
    for kind, mark, size, colour in (("micro", ".", 3.5, "0.45"), ("", "^", 5.0, "0.2")):
        mine = design.stations.isel(obs=np.flatnonzero((design.stations["platform"].values == "micro") == bool(kind)))
        if mine.sizes["obs"]:
            east, north = grid.from_lonlat(mine["lon"].values, mine["lat"].values)
            name = "micro sensors now" if kind else "stations now"
            axis.plot(east * unit, north * unit, mark, ms=size, mfc="none", mec=colour, ls="", label=name, zorder=4)
    drawn = axis.scatter(
        x, y, c=score, s=110, cmap="YlOrRd", vmin=0, edgecolors="0.35", linewidths=0.6, zorder=5, label="candidates"
    )
    figure.colorbar(drawn, ax=axis, label="score of the candidate alone, %", shrink=0.8, pad=0.01)
    chosen = list(design.chosen)
    axis.scatter(x[chosen], y[chosen], s=170, facecolors="none", edgecolors="black", linewidths=1.8, zorder=6,
                 label="chosen one after the other")  # fmt: skip
    for step, at in enumerate(chosen):
        axis.text(x[at], y[at], str(step + 1), ha="center", va="center", fontsize=8, fontweight="bold",
                  path_effects=[effects.withStroke(linewidth=1.6, foreground="white")], zorder=7)  # fmt: skip
    total = 100 * design.score(design.sequence)
    listed = "\n".join(f"{n + 1}  {_plain(design, at)}: {total[n]:.1f} %" for n, at in enumerate(chosen))
    told = f"chosen, and their score together\n{listed}"
    axis.text(0.985, 0.015, told, transform=axis.transAxes, ha="right", va="bottom", fontsize=9, zorder=8,
              bbox={"facecolor": "white", "edgecolor": "0.7", "alpha": 0.9})  # fmt: skip
    axis.legend(loc="upper left", fontsize=9, framealpha=0.9).set_zorder(8)


def _look(design: Design, axis: Axes, unit: float, sites: tuple[np.ndarray, np.ndarray]) -> None:
    """Turn an axis to the regions and candidates; draw coast, borders and the names of scored regions."""
    place = design.place
    grid: Grid = place.grid
    inside = np.asarray(place.regions.fractions.sum(axis=0)).reshape(grid.shape) > 0
    for name, edges, along, points in (
        ("x", grid.x_edges, inside.any(axis=0), sites[0]), ("y", grid.y_edges, inside.any(axis=1), sites[1])
    ):  # fmt: skip
        cells = np.flatnonzero(along)
        low = min(edges[cells[0]] * unit, points.min())
        high = max(edges[cells[-1] + 1] * unit, points.max())
        wide = _MARGIN * (high - low)
        axis.set(**{f"{name}lim": (low - wide, high + wide)})
    draw_coast(axis, grid, scale=unit)
    draw_zhejiang(axis, grid, scale=unit)
    for i in np.flatnonzero(place.scored) if place.scored.sum() <= 20 else []:
        share = place.regions.fractions[[i]].toarray().reshape(grid.shape)
        if _level(design) == "box":
            axis.contour(grid.x * unit, grid.y * unit, share, levels=[0.5], colors="0.4", linewidths=0.7)
        middle = np.array(centre(grid, share)) * unit
        text = _short(place.regions.names_en[i] or place.regions.ids[i])
        x, y = _free(middle, np.stack(sites, axis=1), axis)
        axis.text(x, y, text, ha="center", va="center", fontsize=8, color="tab:blue", path_effects=_HALO,
                  zorder=4.5)  # fmt: skip
    axis.set_xlabel("longitude" if grid.is_geographic else "x, km")
    axis.set_ylabel("latitude" if grid.is_geographic else "y, km")
    axis.set_aspect(1 / np.cos(np.radians(grid.y.mean())) if grid.is_geographic else 1)


def _free(middle: np.ndarray, points: np.ndarray, axis: Axes) -> np.ndarray:
    """Return where a name stands clear of points: in the middle, else a little above or below it."""
    high = abs(axis.get_ylim()[1] - axis.get_ylim()[0])
    places = middle + high * np.array([[0.0, 0.0], [0.0, 0.03], [0.0, -0.03], [0.0, 0.05], [0.0, -0.05]])
    # a name is wider than high
    away = np.abs(places[:, None] - points) / high / np.array([0.08, 0.03])
    clear = np.min(np.max(away, axis=2), axis=1) >= 1.0
    return np.asarray(places[np.argmax(clear)])


def _draw_regions(design: Design, axis: Axes) -> None:
    """Draw the sigma of each scored region, now and with all chosen candidates, the largest first."""
    place = design.place
    unit, scale = mass_unit(float(design.now.max()))
    mine = np.flatnonzero(place.scored)
    mine = mine[np.argsort(design.now[mine], kind="stable")][-20:]
    rows = np.arange(mine.size)
    every = design.sequence[-1] if design.chosen else design.now
    axis.hlines(rows, every[mine] / scale, design.now[mine] / scale, color="0.7", lw=3, zorder=1)
    axis.plot(design.now[mine] / scale, rows, "o", color="0.35", label="network of now")
    best = design.single[design.ranked[0]]
    axis.plot(
        best[mine] / scale,
        rows,
        "|",
        color="tab:orange",
        ms=11,
        mew=2,
        label=f"with {_plain(design, design.ranked[0])}",
    )
    axis.plot(every[mine] / scale, rows, "o", color="tab:red", label=f"with the {len(design.chosen)} chosen")
    for row, i in enumerate(mine):
        text = f"  -{reduction(design.now, every)[i]:.0%}"
        axis.text(design.now[i] / scale, row, text, va="center", fontsize=8.5, color="tab:red")
    names = [_short(place.regions.names_en[i] or place.regions.ids[i]) for i in mine]
    axis.set_yticks(rows, names)
    axis.set_xlim(0, 1.14 * design.now[mine].max() / scale)
    axis.set_xlabel(f"sigma of the total over the period, {unit}")
    axis.set_title(f"sigma by {_level(design)}", fontsize=11)
    axis.grid(axis="x", color="0.9")
    axis.legend(loc="lower right", fontsize=9)


def _level(design: Design) -> str:
    return np.array(design.place.regions.levels)[design.place.scored][0]


def _name(design: Design, at: int) -> str:
    site = design.sites[at]
    return f"{site.id} {site.name}".strip()


def _plain(design: Design, at: int) -> str:
    """Return what the fonts of a picture can write of a candidate: its id, else where it is."""
    site = design.sites[at]
    return site.id if site.id.isascii() else f"{site.lon:.2f} E, {site.lat:.2f} N"


def _short(name: str) -> str:
    return name.removesuffix(" City").removesuffix(" Shi")
