"""What each class of station tells: degrees of freedom, and what the cities' sigma would be without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.evidence import look
from benchmarks.evidence.desk import Desk
from benchmarks.evidence.parts import Parts
from benchmarks.evidence.sizes import other_worlds, real_worlds
from benchmarks.evidence.weeks import FOLDER
from benchmarks.evidence.worlds import known, opened, solved, totals_of

SECTORS = ("anthropogenic", "net")
_CLASSES = ("provincial", "regional", "city", "micro", "satellite", "sink")
#: of the sum of shares against the run's own figure
_EQUAL = 1e-6


@dataclass(frozen=True, eq=False)
class Class:
    """One class of station.

    Parameters
    ----------
    name, stations, observations
        Which, how many of them, how many observations of theirs were used.
    shared, alone, lost
        Degrees of freedom: its rows' share of all; were it alone; that the others have less without it.
    without, only : dict
        Sigma of the week's totals, kt, by sector, (region,): all others, and it alone.
    """

    name: str
    stations: int
    observations: int
    shared: float
    alone: float
    lost: float
    without: dict[str, np.ndarray]
    only: dict[str, np.ndarray]


def make(desk: Desk) -> None:
    """Make the piece."""
    world = real_worlds(desk.size)[0]
    told = solved(desk.work, FOLDER, world, keep=True)
    desk.record.steps.append(world.command)
    desk.record.seeds = {"geography and weather": world.plan.seed, "draw": world.plan.draw}
    desk.record.inputs |= {f"{world.name}/{name}": one for name, one in told["inputs"].items()}
    parts = Parts(opened(desk.work, world))
    every = np.arange(parts.problem.value.size)
    share = parts.signal(every)
    total, stated = float(share.sum()), told["diagnostics"]["dofs_flux"]
    if abs(total - stated) > _EQUAL * abs(stated):
        raise AssertionError(f"shares add up to {total}, the run says {stated}")
    prior, posterior = _sigmas(parts, every[:0]), _sigmas(parts, every)
    found = [_of_class(parts, name, share, total) for name in _CLASSES if np.any(parts.opened.platform == name)]
    _tables(desk, parts, found, share, total, (prior, posterior))
    _say(desk, parts, found, (prior, posterior))
    _check_with_runs(desk, parts, found)
    _draw_signal(desk, found, total)
    _draw_cities(desk, parts, found, posterior)


def _sigmas(parts: Parts, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return sigma of every region's total over all days, kt, by sector."""
    told, days = parts.told(rows), np.ones(parts.day.shape[0], bool)
    places = {name: None if name == "net" else parts.sectors.index(name) for name in SECTORS}
    return {name: told.over(days, place)[1] for name, place in places.items()}


def _of_class(parts: Parts, name: str, share: np.ndarray, total: float) -> Class:
    mine = parts.opened.platform == name
    inside, others = np.flatnonzero(mine), np.flatnonzero(~mine)
    return Class(
        name,
        np.unique(parts.opened.instrument[mine]).size,
        inside.size,
        float(share[mine].sum()),
        float(parts.signal(inside).sum()),
        total - (float(parts.signal(others).sum()) if others.size else 0.0),
        _sigmas(parts, others),
        _sigmas(parts, inside),
    )


def _rms(parts: Parts, sigma: np.ndarray) -> float:
    return float(np.sqrt((sigma[parts.level == "city"] ** 2).mean()))


def _tables(
    desk: Desk,
    parts: Parts,
    found: list[Class],
    share: np.ndarray,
    total: float,
    whole: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
) -> None:
    rows = [
        [
            one.name, one.stations, one.observations, f"{one.shared:.1f}", f"{one.shared / total:.0%}",
            f"{one.shared / one.stations:.2f}", f"{100 * one.shared / one.observations:.2f}", f"{one.alone:.1f}",
            f"{one.lost:.1f}",
        ]
        for one in found
    ]  # fmt: skip
    rows.append(
        ["all", sum(one.stations for one in found), share.size, f"{total:.1f}", "100%", "", "", f"{total:.1f}", ""]
    )
    heading = ["class", "stations", "observations", "degrees of freedom", "share", "a station", "100 observations"]
    desk.shows([*heading, "were it alone", "lost without it"], rows, "**Degrees of freedom for signal of the fluxes**:")
    prior, posterior = whole
    lines = []
    for one in found:
        cells = [one.name]
        for name in SECTORS:
            all_, without, only = (_rms(parts, each[name]) for each in (posterior, one.without, one.only))
            cells += [f"{without:.1f} ({without / all_ - 1:+.0%})", f"{only:.1f}"]
        lines.append(cells)
    names = [word for name in SECTORS for word in (f"{name}: without it", "with it alone")]
    ends = {name: [_rms(parts, one[name]) for one in whole] for name in SECTORS}
    bare = ", ".join(f"{name} {before:.1f} and {after:.1f}" for name, (before, after) in ends.items())
    desk.shows(
        ["class", *names], lines, f"**Sigma of the cities' totals, root mean square, kt** (prior and all data: {bare}):"
    )
    station = pd.DataFrame({"station": parts.opened.instrument, "class": parts.opened.platform, "share": share})
    table = station.groupby(["class", "station"])["share"].agg(["size", "sum"]).reset_index()
    table.columns = pd.Index(["class", "station", "observations", "degrees_of_freedom"])
    table = table.sort_values("degrees_of_freedom", ascending=False)
    desk.table("information/stations.csv", table, "degrees of freedom of every station")
    city = [
        {"region": region, "level": parts.level[at], "sector": name, "prior": prior[name][at],
         "all": posterior[name][at], **{f"without_{one.name}": one.without[name][at] for one in found},
         **{f"only_{one.name}": one.only[name][at] for one in found}}
        for name in SECTORS for at, region in enumerate(parts.names)
    ]  # fmt: skip
    desk.table("information/sigma.csv", pd.DataFrame(city), "sigma of every region's total without and with each class")


def _say(
    desk: Desk, parts: Parts, found: list[Class], whole: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
) -> None:
    most = max(found, key=lambda one: one.shared)
    each = max(found, key=lambda one: one.shared / one.stations)
    desk.says(
        f"Most of the information is of the class *{most.name}* ({most.shared:.0f} of "
        f"{sum(one.shared for one in found):.0f} degrees of freedom); one station tells most in the class "
        f"*{each.name}* ({each.shared / each.stations:.1f} each)."
    )
    for name in SECTORS:
        prior, posterior = (_rms(parts, one[name]) for one in whole)
        worst = max(found, key=lambda one: _rms(parts, one.without[name]))
        least = min(found, key=lambda one: _rms(parts, one.without[name]))
        desk.says(
            f"Cities, {name}: sigma falls from {prior:.1f} to {posterior:.1f} kt (root mean square). Missed most is "
            f"*{worst.name}* ({_rms(parts, worst.without[name]) / posterior - 1:+.0%} without it), missed least "
            f"*{least.name}* ({_rms(parts, least.without[name]) / posterior - 1:+.1%})."
        )


def _check_with_runs(desk: Desk, parts: Parts, found: list[Class]) -> None:
    """Set sigma without a class beside that of the week that was made and run without it, where it was (`weeks`)."""
    runs = {"micro": "no micro sensors", "satellite": "no columns", "sink": "no sink towers"}
    worlds = other_worlds(desk.size)
    for one in found:
        other = worlds.get(runs.get(one.name, ""))
        told = None if other is None else known(desk.work, other)
        if told is None:
            continue
        cities = totals_of(told, "anthropogenic", "city")
        run, here = float(np.sqrt((cities["sigma"] ** 2).mean())), _rms(parts, one.without["anthropogenic"])
        desk.says(
            f"Check: without *{one.name}* {here:.2f} kt from this system, {run:.2f} kt from the week made and run "
            f"without it ({here / run - 1:+.1%}; other gaps and spikes fall to the same instruments there)."
        )


def _draw_signal(desk: Desk, found: list[Class], total: float) -> None:
    figure, axes = look.sheet(1, 2, (11, 0.55 * len(found) + 2.1))
    at = np.arange(len(found))
    left, right = axes[0]
    for shift, name, colour, said in (
        (-0.27, "shared", look.POSTERIOR, "its rows' share of all"),
        (0.0, "alone", look.PRIOR, "were it alone"),
        (0.27, "lost", look.GREEN, "lost without it"),
    ):
        left.barh(at + shift, [getattr(one, name) for one in found], 0.25, color=colour, label=said)
    labels = [f"{one.name} ({one.stations})" for one in found]
    look.names_on_y(left, labels)
    left.set_xlabel(f"degrees of freedom for signal (all together {total:.0f})")
    left.set_title("a class (number of stations)")
    look.legend(figure, left, columns=3)
    right.barh(at, [one.shared / one.stations for one in found], 0.5, color=look.POSTERIOR)
    look.names_on_y(right, labels)
    right.set_xlabel("degrees of freedom, a station")
    right.set_title("one station of it")
    desk.picture("information/signal.png", figure, "Degrees of freedom for signal by class of station.")


def _draw_cities(desk: Desk, parts: Parts, found: list[Class], posterior: dict[str, np.ndarray]) -> None:
    """Draw how much every city's sigma grows without each class."""
    figure, axes = look.sheet(1, len(SECTORS), (12, 5.4), sharey=True)
    for axis, name in zip(axes[0], SECTORS, strict=True):
        grown = np.stack([100 * (one.without[name] / posterior[name] - 1) for one in found], axis=1)
        axis.imshow(grown, cmap="Blues", vmin=0, vmax=max(1.0, float(grown.max())), aspect="auto")
        dark = 0.6 * max(1.0, float(grown.max()))
        for (row, column), value in np.ndenumerate(grown):
            colour = "white" if value > dark else "black"
            axis.text(column, row, f"{value:.0f}" if value >= 0.95 else f"{value:.1f}", ha="center", va="center",
                      color=colour, fontsize=9)  # fmt: skip
        axis.set_xticks(range(len(found)), [f"without\n{one.name}" for one in found])
        axis.set_yticks(range(len(parts.names)), parts.names)
        axis.grid(visible=False)
        axis.set_title(f"{name}: growth of sigma, %")
    desk.picture(
        "information/cities.png", figure, "Growth of the sigma of the week's total when a class is left out, %."
    )
