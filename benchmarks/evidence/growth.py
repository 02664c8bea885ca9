"""How city totals get better with days of data and with stations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.evidence import look
from benchmarks.evidence.desk import Desk
from benchmarks.evidence.parts import Parts
from benchmarks.evidence.sizes import real_worlds
from benchmarks.evidence.weeks import FOLDER
from benchmarks.evidence.worlds import opened, solved
from pipeline.osse.network import sites

SECTORS = ("anthropogenic", "net")
#: the sector whose truth all errors are told in shares of
EMISSION = "anthropogenic"
SO_FAR, WEEK = "the days observed so far", "the whole week"
ONLY, ADDED = "spectrometers alone", "micro sensors beside all spectrometers"


def make(desk: Desk) -> None:
    """Make the piece."""
    rows: list[dict[str, Any]] = []
    for world in real_worlds(desk.size):
        told = solved(desk.work, FOLDER, world, keep=True)
        desk.record.steps.append(world.command)
        desk.record.inputs |= {f"{world.name}/{name}": one for name, one in told["inputs"].items()}
        parts = Parts(opened(desk.work, world))
        rows += _by_days(desk, parts, int(world.plan.draw or 0)) + _by_stations(desk, parts, int(world.plan.draw or 0))
        del parts
    worlds = real_worlds(desk.size)
    desk.record.seeds = {"geography and weather": worlds[0].plan.seed, "draws": [one.plan.draw for one in worlds]}
    table = pd.DataFrame(rows)
    desk.table("growth/growth.csv", table, "errors and sigma of every draw, % of the emission")
    _shown(desk, table)
    _draw_days(desk, table)
    _draw_stations(desk, table)


def measured(parts: Parts, rows: np.ndarray, days: np.ndarray, sector: str) -> dict[str, float]:
    """Return errors and sigma of the totals over some days from some rows, % of what was emitted in them.

    Returns
    -------
    Of the cities, root mean square over their mean emission: prior_error, error, prior_sigma, sigma; of the province:
    province_error (with sign), province_sigma; and observations.
    """
    place = None if sector == "net" else parts.sectors.index(sector)
    truth = parts.truth()[:, days].sum(axis=1)
    known, emitted = (truth.sum(axis=0) if place is None else truth[place]), truth[parts.sectors.index(EMISSION)]
    mean, sigma = parts.told(rows).over(days, place)
    prior, stated = parts.told(rows[:0]).over(days, place)
    city, top = parts.level == "city", int(np.flatnonzero(parts.level == "province")[0])
    scale, one = 100 / emitted[city].mean(), 100 / emitted[top]

    def rms(values: np.ndarray) -> float:
        return float(scale * np.sqrt((values[city] ** 2).mean()))

    return {
        "observations": rows.size,
        "prior_error": rms(prior - known),
        "error": rms(mean - known),
        "prior_sigma": rms(stated),
        "sigma": rms(sigma),
        "province_error": float(one * (mean - known)[top]),
        "province_sigma": float(one * sigma[top]),
    }


def _by_days(desk: Desk, parts: Parts, draw: int) -> list[dict[str, Any]]:
    first = parts.opened.time.astype("datetime64[D]").min()
    day = (parts.opened.time.astype("datetime64[D]") - first).astype(int)
    found = []
    for count in desk.size.days:
        rows, so_far = np.flatnonzero(day < count), np.arange(parts.day.shape[0]) < count
        for sector in SECTORS:
            for of, days in ((SO_FAR, so_far), (WEEK, np.ones_like(so_far))):
                one = measured(parts, rows, days, sector)
                found.append({"draw": draw, "by": "days", "of": of, "sector": sector, "count": count, **one})
    return found


def _by_stations(desk: Desk, parts: Parts, draw: int) -> list[dict[str, Any]]:
    every, when = np.ones(parts.day.shape[0], bool), parts.opened.time[0]
    most = max(desk.size.spectrometers)
    networks = [(ONLY, count, count, 0) for count in desk.size.spectrometers]
    networks += [(ADDED, count, most, count) for count in desk.size.micro]
    found = []
    for of, count, spectrometers, micro in networks:
        ids = [site.id for site in sites(when, spectrometers=spectrometers, micro=micro)]
        rows = np.flatnonzero(np.isin(parts.opened.instrument, ids))
        for sector in SECTORS:
            one = measured(parts, rows, every, sector)
            found.append({"draw": draw, "by": "stations", "of": of, "sector": sector, "count": count, **one})
    return found


def over_draws(table: pd.DataFrame) -> pd.DataFrame:
    """Return root mean squares over draws by `of`, sector and count, with the least and largest error."""
    names = ["prior_error", "error", "prior_sigma", "sigma", "province_error", "province_sigma"]
    keys = ["by", "of", "sector", "count"]
    squared = table.assign(**{name: table[name] ** 2 for name in names}).groupby(keys, sort=False)[names].mean() ** 0.5
    errors = table.groupby(keys, sort=False)["error"].agg(least="min", most="max")
    return squared.join(errors).join(table.groupby(keys, sort=False)["observations"].mean()).reset_index()


def _shown(desk: Desk, table: pd.DataFrame) -> None:
    mean, draws = over_draws(table), table["draw"].nunique()
    for by, what in (("days", "Days of data, whole network"), ("stations", "Stations, all days")):
        rows = [
            [
                f"{one['of']}: {one['count']}", one["sector"], f"{one['observations']:.0f}",
                f"{one['prior_error']:.1f} -> {one['error']:.1f} ({one['least']:.1f} to {one['most']:.1f})",
                f"{one['prior_sigma']:.1f} -> {one['sigma']:.1f}", f"{one['province_error']:.1f}",
                f"{one['province_sigma']:.1f}",
            ]
            for one in mean[mean["by"] == by].to_dict("records")
        ]  # fmt: skip
        heading = ["of", "sector", "observations", "city RMSE, % (least and most of a draw)", "city sigma, %"]
        desk.shows(
            [*heading, "province, error, %", "province, sigma, %"],
            rows,
            f"**{what}** (root mean squares over {draws} draw(s), prior -> posterior, in % of the emission):",
        )
    for sector in SECTORS:
        week = mean[(mean["of"] == SO_FAR) & (mean["sector"] == sector)]
        first, last = week.iloc[0], week.iloc[-1]
        desk.says(
            f"Cities, {sector}: sigma of what was observed is {first['sigma']:.1f} % after {first['count']} day(s) and "
            f"{last['sigma']:.1f} % after {last['count']}; the error {first['error']:.1f} % and {last['error']:.1f} %."
        )
        for of in (ONLY, ADDED):
            line = mean[(mean["of"] == of) & (mean["sector"] == sector)]
            first, last = line.iloc[0], line.iloc[-1]
            desk.says(
                f"Cities, {sector}, {of}: sigma {first['sigma']:.1f} % with {first['count']} and {last['sigma']:.1f} % "
                f"with {last['count']}; the error {first['error']:.1f} % and {last['error']:.1f} %."
            )


def _lines(axis: Axes, mean: pd.DataFrame, colour: str, said: str) -> None:
    """Draw sigma as a line, the error as marks with the least and most of a draw."""
    at = mean["count"].to_numpy(float)
    axis.plot(at, mean["sigma"], "-", color=colour, lw=2, label=f"sigma: {said}")
    spread = np.abs(np.stack([mean["error"] - mean["least"], mean["most"] - mean["error"]]))
    axis.errorbar(at, mean["error"], yerr=spread, fmt="o", ms=6, color=colour, capsize=3, label=f"error: {said}")


def _draw_days(desk: Desk, table: pd.DataFrame) -> None:
    mean = over_draws(table)
    figure, axes = look.sheet(1, len(SECTORS), (11, 4.9))
    for axis, sector in zip(axes[0], SECTORS, strict=True):
        for of, colour in ((SO_FAR, look.POSTERIOR), (WEEK, "#D55E00")):
            _lines(axis, mean[(mean["of"] == of) & (mean["sector"] == sector)], colour, of)
        axis.set_xticks(desk.size.days)
        axis.set_ylim(bottom=0)
        axis.set_title(f"{sector}: city totals")
        axis.set_xlabel("days of data")
        axis.set_ylabel("root mean square, % of the cities' mean emission")
    look.legend(figure, axes[0, 0], columns=3)
    desk.picture(
        "growth/days.png",
        figure,
        "Stated sigma (lines) and error (marks; bars from the best to the worst draw) against days of data.",
    )


def _draw_stations(desk: Desk, table: pd.DataFrame) -> None:
    mean = over_draws(table)
    figure, axes = look.sheet(1, 2, (11, 4.9), sharey=True)
    for axis, of in zip(axes[0], (ONLY, ADDED), strict=True):
        for sector, colour in zip(SECTORS, (look.POSTERIOR, "#D55E00"), strict=True):
            mine = mean[(mean["of"] == of) & (mean["sector"] == sector)]
            _lines(axis, mine, colour, sector)
            axis.axhline(
                mine["prior_sigma"].iloc[0], color=colour, ls=":", lw=1.2, label=f"sigma of the prior: {sector}"
            )
        axis.set_ylim(bottom=0)
        axis.set_title(of)
        axis.set_xlabel("stations")
    axes[0, 0].set_ylabel("root mean square, % of the cities' mean emission")
    look.legend(figure, axes[0, 0], columns=3)
    desk.picture(
        "growth/stations.png",
        figure,
        "Stated sigma (lines) and error (marks; bars from the best to the worst draw) of the week's city totals "
        "against stations, in the order of the station table.",
    )
