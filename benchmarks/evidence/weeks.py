"""Simulated weeks: draws nobody tuned to, and the first of them again with other errors and thinner networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.evidence import look
from benchmarks.evidence.chance import binomial
from benchmarks.evidence.desk import Desk
from benchmarks.evidence.sizes import other_worlds, real_worlds
from benchmarks.evidence.worlds import World, solved, totals_of

#: folder under the work folder whose weather and footprints all weeks share
FOLDER = "week"
SECTORS = ("anthropogenic", "net")
#: the sector whose truth all errors are told in shares of
EMISSION = "anthropogenic"


def make(desk: Desk) -> None:
    """Make the piece."""
    worlds = listed(desk)
    told = {}
    for said, world in worlds.items():
        is_real = said.startswith("draw")
        told[said] = solved(desk.work, FOLDER, world, keep=is_real)
        desk.record.steps.append(world.command)
        desk.record.inputs |= {f"{world.name}/{name}": one for name, one in told[said]["inputs"].items()}
    desk.record.seeds = {"geography and weather": 1, "draws": sorted({world.plan.draw for world in worlds.values()})}
    for said, one in told.items():
        desk.text(f"weeks/{worlds[said].name}.txt", _heading(said, worlds[said], one) + one["text"], f"{said}: score")
    desk.table("weeks/totals.csv", _all_totals(told, worlds), "every region's totals in every week, kt")
    for sector in SECTORS:
        rows = [_row(said, one, sector) for said, one in told.items()]
        heading = ["week", "observations", "province, %", "city RMSE, %", "stated sigma, %"]
        told_of = "errors prior -> posterior, % of the emission; in brackets what chance allows were cities independent"
        desk.shows([*heading, "within 90 %", "chi2"], rows, f"**{_title(sector)}** ({told_of}):")
    _say(desk, told)
    _draw_cities(desk, {said: one for said, one in told.items() if said.startswith("draw")})
    _draw_networks(desk, told)


def listed(desk: Desk) -> dict[str, World]:
    """Return all worlds of the piece by what is said of them."""
    real = {f"draw {world.plan.draw}": world for world in real_worlds(desk.size)}
    return real | other_worlds(desk.size)


def _title(sector: str) -> str:
    return {"anthropogenic": "Anthropogenic emission", "net": "Net flux (anthropogenic and biosphere)"}[sector]


def _heading(said: str, world: World, told: dict[str, Any]) -> str:
    days, spent = world.plan.hours // 24, told["seconds"]
    return (
        f"{said}: {days} days, cells of {world.plan.spacing_km:g} km\n{world.command}\n"
        f"footprints {spent['footprints']:.0f} s, files {spent['making']:.0f} s, inversion {spent['run']:.0f} s\n\n"
    )


def _all_totals(told: dict[str, Any], worlds: dict[str, World]) -> pd.DataFrame:
    frames = [pd.DataFrame(one["totals"]).assign(week=said, draw=worlds[said].plan.draw) for said, one in told.items()]
    table = pd.concat(frames, ignore_index=True)
    first = ["week", "draw"]
    return table[first + [name for name in table.columns if name not in first]]


def measures(told: dict[str, Any], sector: str) -> dict[str, float]:
    """Return errors of a week, of the province and of the cities, and what was stated of these.

    In % of what was truly emitted (of the cities' mean), those of the net too.

    Returns
    -------
    province_prior, province_posterior (with sign); rmse_prior, rmse_posterior, sigma (root mean squares over cities);
    within, how many cities' truth lies within their 90 % interval; and cities, how many there are.
    """
    cities, province = (totals_of(told, sector, level) for level in ("city", "province"))
    emitted, top = (totals_of(told, EMISSION, level)["truth"].mean() for level in ("city", "province"))
    found: dict[str, float] = {"within": int(cities["covered"].sum()), "cities": len(cities)}
    for name in ("prior", "posterior"):
        found[f"rmse_{name}"] = 100 * float(np.sqrt(((cities[name] - cities["truth"]) ** 2).mean())) / emitted
        found[f"province_{name}"] = 100 * float((province[name] - province["truth"]).iloc[0]) / top
    return found | {"sigma": 100 * float(np.sqrt((cities["sigma"] ** 2).mean())) / emitted}


def _row(said: str, told: dict[str, Any], sector: str) -> list[str]:
    one, chi2 = measures(told, sector), told["diagnostics"]["chi2"]
    low, high = binomial(int(one["within"]), int(one["cities"]))
    return [
        said,
        f"{told['diagnostics']['observations']:.0f}",
        f"{one['province_prior']:+.1f} -> {one['province_posterior']:+.1f}",
        f"{one['rmse_prior']:.1f} -> {one['rmse_posterior']:.1f}",
        f"{one['sigma']:.1f}",
        f"{one['within']:.0f} of {one['cities']:.0f} ({low:.0%} to {high:.0%})",
        f"{chi2:.2f}",
    ]


def _say(desk: Desk, told: dict[str, Any]) -> None:
    real = [one for said, one in told.items() if said.startswith("draw")]
    for sector in SECTORS:
        found = [measures(one, sector) for one in real]
        before, after, sigma = ([one[name] for one in found] for name in ("rmse_prior", "rmse_posterior", "sigma"))
        within, of = (sum(int(one[name]) for one in found) for name in ("within", "cities"))
        low, high = binomial(within, of)
        desk.says(
            f"{_title(sector)}, {len(real)} draw(s) with errors as real ones: city RMSE {_span(before)} before and "
            f"{_span(after)} after, stated {_span(sigma)} %; {within} of {of} city totals within their "
            f"90 % interval ({low:.0%} to {high:.0%} by chance, were they independent; the cities of one draw are not)."
        )
    first = measures(real[0], "anthropogenic")["rmse_posterior"]
    for said, one in told.items():
        if said.startswith("draw") or said == "matched errors":
            continue
        other = measures(one, "anthropogenic")
        desk.says(
            f"The first draw with {said}: city RMSE {other['rmse_posterior']:.1f} % where the whole network with right "
            f"transport has {first:.1f} %; stated {other['sigma']:.1f} %."
        )


def _span(values: list[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def _draw_cities(desk: Desk, told: dict[str, Any]) -> None:
    """Draw every city's truth, prior and posterior, a panel a draw."""
    figure, axes = look.sheet(len(SECTORS), len(told), (3.6 * len(told) + 1.4, 8.4), sharey="row", sharex="row")
    for row, sector in enumerate(SECTORS):
        for column, (said, one) in enumerate(told.items()):
            axis, cities = axes[row, column], totals_of(one, sector, "city")
            at = np.arange(len(cities))
            posterior, sigma = cities["posterior"], 1.645 * cities["sigma"]
            axis.errorbar(
                posterior, at, xerr=sigma, fmt="o", ms=5, color=look.POSTERIOR, capsize=3, label="posterior, 90 %"
            )
            axis.plot(cities["prior"], at, "d", ms=5, mfc="none", color=look.PRIOR, label="prior", mew=1.4)
            axis.plot(cities["truth"], at, "x", ms=7, color=look.TRUTH, label="truth", mew=1.6)
            look.names_on_y(axis, list(cities["name"]))
            axis.set_title(f"{sector}, {said}")
            axis.set_xlabel("kt CO2 over the week" if desk.size.name == "full" else "kt CO2")
    look.legend(figure, axes[0, 0], columns=3, top=True)
    desk.picture(
        "weeks/cities.png",
        figure,
        "City totals of the draws with errors as real ones: the truth is to lie within nine of ten bars.",
    )


def _draw_networks(desk: Desk, told: dict[str, Any]) -> None:
    """Draw the cities' RMSE of every week before and after, and what was stated."""
    figure, axes = look.sheet(1, 2, (10.5, 0.42 * len(told) + 1.9), sharey=True)
    for axis, sector in zip(axes[0], SECTORS, strict=True):
        for at, one in enumerate(told.values()):
            found = measures(one, sector)
            before, after = found["rmse_prior"], found["rmse_posterior"]
            axis.plot([before, after], [at, at], color=look.GREY, lw=2, zorder=1)
            axis.plot(before, at, "d", color=look.PRIOR, ms=7, label="prior" if at == 0 else None)
            axis.plot(after, at, "o", color=look.POSTERIOR, ms=8, label="posterior" if at == 0 else None)
            said = "stated: root mean square of sigma" if at == 0 else None
            axis.plot(found["sigma"], at, "|", color=look.TRUTH, ms=15, mew=2, label=said)
        look.names_on_y(axis, list(told))
        axis.set_xlim(left=0)
        axis.set_title(_title(sector))
        axis.set_xlabel("RMSE of the cities' totals, % of their mean emission")
    look.legend(figure, axes[0, 0], columns=3)
    desk.picture(
        "weeks/networks.png", figure, "RMSE of the city totals before and after, for every week; one draw a line."
    )
