"""How often the truth lies where the posterior says, at every level, over draws of four kinds.

Every draw is made as files, read, inverted and scored. All draws are over one province and one weather, so footprints
are made once; errors of prior, background and instruments are new each time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.evidence import look
from benchmarks.evidence.chance import covered, drawn, ranks
from benchmarks.evidence.desk import Desk
from benchmarks.evidence.sizes import SEED, Size
from benchmarks.evidence.worlds import World, solved, totals_of
from pipeline.osse import Plan, TransportError, summary

SECTOR = "anthropogenic"
#: the first draw: errors were settled while looking at lower ones, and at this one
FIRST = 101
MATCHED, REAL, UNAWARE, TRANSPORT = (
    "matched errors",
    "errors of real priors and instruments",
    "the same, offsets of sensors not estimated",
    "and the air moved otherwise than the weather says",
)
KINDS: dict[str, dict[str, Any]] = {
    MATCHED: {"matched": True},
    REAL: {},
    UNAWARE: {},
    TRANSPORT: {"transport_error": TransportError()},
}
_SHORT = {MATCHED: "matched", REAL: "real", UNAWARE: "no offsets", TRANSPORT: "wrong transport"}
#: sector and level of regions whose curve is drawn
SHOWN = (("anthropogenic", "city"), ("net", "city"), ("anthropogenic", "county"))
_MANY = {"city": "cities", "county": "counties"}
LEVELS = np.array([*np.arange(0.1, 0.91, 0.05), 0.95, 0.99])
_TOLD = (0.5, 0.9, 0.95)
#: worlds drawn for what chance allows, and classes of the rank histogram
_TIMES, _BINS = 4000, 10
_NAMES = ("covered", "chi2", "left out", "city prior", "city", "province prior", "province")


def make(desk: Desk) -> None:
    """Make the piece."""
    draws, days, spacing = desk.size.coverage
    told = {kind: [_solved(desk, kind, draw) for draw in range(FIRST, FIRST + draws)] for kind in KINDS}
    desk.record.seeds = {"geography and weather": SEED, "draws": list(range(FIRST, FIRST + draws)), "chance": 1}
    for kind in KINDS:
        desk.record.steps.append(f"{kind}: {world_of(desk.size, kind, FIRST).command}")
        for draw, one in zip(range(FIRST, FIRST + draws), told[kind], strict=True):
            desk.record.inputs |= {f"{_SHORT[kind]}/{draw}/{name}": value for name, value in one["inputs"].items()}
    heading = f"{SECTOR} CO2 of {days} day(s), cells of {spacing:g} km, {draws} draws a kind\n"
    desk.text("coverage/draws.txt", heading + report(told), "every draw: share within 90 %, chi2, errors")
    curves = pd.concat([curve(told, *which) for which in SHOWN], ignore_index=True)
    desk.table("coverage/curves.csv", curves, "covered share at each level, and what chance allows")
    desk.table("coverage/errors.csv", _errors(told), "truth, prior, posterior and sigma of cities and province, kt")
    _say(desk, told, curves)
    _draw_curves(desk, curves)
    _draw_ranks(desk, told)


def world_of(size: Size, kind: str, draw: int) -> World:
    """Return the world of a draw of a kind."""
    _, days, spacing = size.coverage
    plan = Plan(seed=SEED, draw=draw, hours=24 * days, spacing_km=spacing, **(size.coverage_plan | KINDS[kind]))
    return World(f"coverage-{_SHORT[kind].replace(' ', '-')}-{draw}", plan, offsets=kind != UNAWARE)


def _solved(desk: Desk, kind: str, draw: int) -> dict[str, Any]:
    return solved(desk.work, desk.size.coverage_folder, world_of(desk.size, kind, draw))


def scored(told: dict[str, Any]) -> tuple[float, ...]:
    """Return the figures of `_NAMES` of one world: shares, ratios, and errors in %."""
    found = summary(pd.DataFrame(told["totals"]), SECTOR)
    by_name = {row["name"]: row["posterior"] for row in told["figures"]}
    return (
        found["covered"],
        by_name["reduced chi2"],
        by_name["left-out stations, RMSE over stated sigma"],
        found["prior_rmse_percent"],
        found["posterior_rmse_percent"],
        found["prior_error_percent"],
        found["posterior_error_percent"],
    )


def over_draws(rows: list[tuple[float, ...]]) -> np.ndarray:
    """Return the mean of each figure over draws; of the provincial errors, which have a sign, the root mean square."""
    table = np.array(rows)
    return np.array([*table[:, :5].mean(axis=0), *np.sqrt((table[:, 5:] ** 2).mean(axis=0))])


_HEADING = "draw   covered   chi2   left out   city RMSE, %: prior, posterior   province, %: prior, posterior"


def report(told: dict[str, list[dict[str, Any]]]) -> str:
    """Return one line a draw, then the mean of each kind; of the provincial errors, the root mean square."""
    lines, mean = [], {}
    for kind, worlds in told.items():
        lines += ["", kind, _HEADING]
        rows = [scored(one) for one in worlds]
        lines += [_line(str(FIRST + at), row) for at, row in enumerate(rows)]
        mean[kind] = over_draws(rows)
        lines.append(_line("all", tuple(mean[kind])))
    city = _NAMES.index("city")
    ratio = mean[UNAWARE][city] / mean[REAL][city]
    return "\n".join([*lines, "", f"city RMSE with offsets not estimated, over that with: {ratio:.2f} (goal 2)"])


def _line(name: str, row: tuple[float, ...]) -> str:
    share, chi2, ratio, *errors = row
    before, after, province_before, province_after = errors
    return (
        f"{name:>4}   {share:>7.0%}   {chi2:>4.2f}   {ratio:>8.2f}   {before:>20.1f}, {after:>9.1f}"
        f"   {province_before:>19.1f}, {province_after:>9.1f}"
    )


def standardised(worlds: list[dict[str, Any]], sector: str, level: str) -> np.ndarray:
    """Return (truth - posterior) / sigma of every region of every draw, (draw, region)."""
    parts = [totals_of(one, sector, level) for one in worlds]
    return np.stack([((one["truth"] - one["posterior"]) / one["sigma"]).to_numpy() for one in parts])


def by_chance(worlds: list[dict[str, Any]], sector: str, level: str) -> np.ndarray:
    """Return draws of what `standardised` would be were everything right, (times, draw * region)."""
    return drawn([np.array(one["correlation"][f"{sector} {level}"]) for one in worlds], _TIMES, 1)


def curve(told: dict[str, list[dict[str, Any]]], sector: str, level: str) -> pd.DataFrame:
    """Return covered shares of every kind at every level, and the central 90 % of what chance allows."""
    frames = []
    for kind, worlds in told.items():
        share = covered(standardised(worlds, sector, level).ravel(), LEVELS)
        allowed = covered(by_chance(worlds, sector, level), LEVELS)
        low, high = np.quantile(allowed, [0.05, 0.95], axis=0)
        frame = {"kind": kind, "sector": sector, "level": level, "nominal": LEVELS}
        frames.append(pd.DataFrame(frame | {"covered": share, "chance_low": low, "chance_high": high}))
    return pd.concat(frames, ignore_index=True)


def _errors(told: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    frames = []
    for kind, worlds in told.items():
        for at, one in enumerate(worlds):
            table = pd.DataFrame(one["totals"])
            table = table[table["level"].isin(("province", "city"))]
            frames.append(table.assign(kind=kind, draw=FIRST + at))
    names = ["kind", "draw", "sector", "level", "name", "truth", "prior", "posterior", "sigma"]
    return pd.concat(frames, ignore_index=True)[names]


def _say(desk: Desk, told: dict[str, list[dict[str, Any]]], curves: pd.DataFrame) -> None:
    """Put the shares at three levels into the index, and say which lie outside what chance allows."""
    for sector, level in SHOWN:
        rows = []
        for kind, worlds in told.items():
            mine = curves[(curves["kind"] == kind) & (curves["sector"] == sector) & (curves["level"] == level)]
            z = standardised(worlds, sector, level)
            cells = [kind, f"{z.shape[0]} x {z.shape[1]}"]
            for nominal in _TOLD:
                row = mine.iloc[int(np.argmin(np.abs(mine["nominal"] - nominal)))]
                cells.append(f"{row['covered']:.0%} ({row['chance_low']:.0%} to {row['chance_high']:.0%})")
            chi2 = np.mean([one["diagnostics"]["chi2"] for one in worlds])
            rows.append([*cells, f"{np.sqrt((z**2).mean()):.2f}", f"{z.mean():+.2f}", f"{chi2:.2f}"])
        heading = ["draws", "draws x regions", *(f"within {one:.0%}" for one in _TOLD)]
        heading += ["error / sigma, RMS", "its mean", "chi2"]
        desk.shows(heading, rows, f"**{_MANY[level].capitalize()}, {sector}** (in brackets: 90 % of chance):")
    for kind in KINDS:
        mine = curves[curves["kind"] == kind]
        outside = mine[(mine["covered"] < mine["chance_low"]) | (mine["covered"] > mine["chance_high"])]
        above = int((outside["covered"] > outside["chance_high"]).sum())
        desk.says(
            f"{kind}: {len(outside)} of {len(mine)} points of the three curves lie outside what chance allows in nine "
            f"of ten cases, {above} above (sigma stated too large) and {len(outside) - above} below."
        )


def _draw_curves(desk: Desk, curves: pd.DataFrame) -> None:
    figure, axes = look.sheet(1, len(SHOWN), (13, 5.7), sharey=True)
    for axis, (sector, level) in zip(axes[0], SHOWN, strict=True):
        mine = curves[(curves["sector"] == sector) & (curves["level"] == level)]
        _band(axis, mine[mine["kind"] == MATCHED])
        for kind, colour, mark in zip(KINDS, look.SERIES, "os^D", strict=True):
            one = mine[mine["kind"] == kind]
            axis.plot(100 * one["nominal"], 100 * one["covered"], color=colour, marker=mark, ms=4, lw=1.5, label=kind)
        axis.set_title(f"{_MANY[level]}, {sector}")
        axis.set_xlabel("stated: central interval, %")
        axis.set_box_aspect(1)
        axis.set_xlim(0, 102)
        axis.set_ylim(0, 102)
    axes[0, 0].set_ylabel("truths within it, %")
    look.legend(figure, axes[0, 0], columns=3)
    desk.picture(
        "coverage/curves.png",
        figure,
        "Share of true totals within the stated interval against the interval's level. Above the diagonal: stated too "
        "large.",
    )


def _band(axis: Axes, mine: pd.DataFrame) -> None:
    """Draw the diagonal, and what chance allows about it."""
    low, high = 100 * mine["chance_low"], 100 * mine["chance_high"]
    axis.fill_between(100 * mine["nominal"], low, high, color=look.GREY, alpha=0.3, lw=0, label="chance, 90 %")
    axis.plot([0, 100], [0, 100], color=look.TRUTH, lw=1, ls="--", label="as stated")


def _draw_ranks(desk: Desk, told: dict[str, list[dict[str, Any]]]) -> None:
    shown = SHOWN[:2]
    figure, axes = look.sheet(len(shown), len(KINDS), (13, 5.6), sharey="row", sharex=True)
    middle = (np.arange(_BINS) + 0.5) / _BINS
    for row, (sector, level) in enumerate(shown):
        for axis, (kind, worlds), colour in zip(axes[row], told.items(), look.SERIES, strict=True):
            share = 100 * ranks(standardised(worlds, sector, level).ravel(), _BINS)
            low, high = 100 * np.quantile(ranks(by_chance(worlds, sector, level), _BINS), [0.05, 0.95], axis=0)
            axis.bar(middle, share, width=0.9 / _BINS, color=colour, zorder=2)
            axis.bar(middle, high - low, 1 / _BINS, bottom=low, color=look.GREY, alpha=0.35, lw=0, zorder=1)
            axis.axhline(100 / _BINS, color=look.TRUTH, lw=1, ls="--", zorder=3)
            axis.set_xlim(0, 1)
            if row == 0:
                axis.set_title(_SHORT[kind])
            if row == len(shown) - 1:
                axis.set_xlabel("rank of the truth in its\nstated distribution")
        axes[row, 0].set_ylabel(f"% of truths\n({_MANY[level]}, {sector})")
    desk.picture(
        "coverage/ranks.png", figure, "Rank histograms; flat within the grey band (90 % of chance) when sigma is right."
    )
