"""Quality control of eight real low-cost nodes in Glasgow, January 2022: `python -m benchmarks.glasgow [FOLDER]`.

Each node goes through `tianyan qc report` of files, by the thresholds of class micro. What no file states is assumed
here and stands in the text: labels at the start of the hour, dry mole fractions, and a scale that has only a name. No
bias is taken off, and no neighbour compared, for micro stations are nobody's reference. In FOLDER (docs/quality when
not given) appear the text and one picture.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import station_meta
from pipeline.ingest.quality import flat_line
from pipeline.qc import report_of_files
from pipeline.quality_report import Report
from pipeline.schema import HOUR, Flag, flag_names, is_used
from pipeline.show_quality import KINDS, kinds, taken_out
from station_meta import load_rules

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT.parent / "shared" / "data" / "stations" / "beaco2n_glasgow_receptors_202201.nc"
OUT = ROOT / "docs" / "quality"
SECTION = """format = "receptor-nc"
height = 3
quality_class = "micro"
hour_label = "start"
air = "dry"
"""
SCALE = "BEACO2N as delivered"
#: ppm, the last that of class micro
TOLERANCES = (0.0, 0.1, 0.2, 0.3, 0.5)
_SO = {
    Flag.RANGE_FAIL: "bad, not used",
    Flag.RANGE_SUSPECT: "suspect, used",
    Flag.FLAT_LINE: "bad, not used",
    Flag.SPIKE: "taken out: the hour is missing",
    Flag.RATE: "suspect, used",
    Flag.HOURLY_SPREAD: "good, not selected",
}
TESTS = tuple(_SO)


def nodes() -> pd.DataFrame:
    """Return the shipped facts of the nodes in the list, under ids of their own, with what no file states assumed."""
    known = pd.read_csv(station_meta.KNOWN, dtype=str, keep_default_na=False)
    found = known[known["id"].str.startswith("BEACON_")]
    return found.assign(id=found["id"].str.replace("BEACON", "GLASGOW"), scale=f"co2:{SCALE}", uncertainty="co2:3.6")


def reports() -> list[Report]:
    """Return the report of every node."""
    with tempfile.TemporaryDirectory() as name:
        table, section = Path(name) / "nodes.csv", Path(name) / "feed.toml"
        facts = nodes()
        facts.to_csv(table, index=False)
        section.write_text(SECTION, encoding="utf-8")
        return [report_of_files(one, [FILE], "co2", tables=[table], section=section) for one in facts["id"]]


def text(found: list[Report]) -> str:
    """Return what was assumed, the thresholds, a line for each node, and what its neighbours say of it."""
    middle = float(np.nanmedian(together(found).to_numpy()))
    lines = ["assumed, for no file states it:"]
    lines += [f"  {line}" for line in (*SECTION.splitlines(), f'scale = "{SCALE}"')]
    lines += ["", f"{'test':<15}{'v':>2}  {'threshold, class micro':<41}so"]
    lines += [f"{_name(f):<15}{found[0].versions[f]:>2}  {found[0].tests[f]:<41}{_SO[f]}" for f in TESTS]
    lines += ["", f"{'node':<46}{'rows':>5}{'used':>5}{'median':>8}{'less all':>9}" + _row(map(_name, TESTS))]
    for one in found:
        good = one.value[np.isfinite(one.value)]
        lines.append(
            f"{_head(one):<46}{len(_rows(one)):>5}{int(is_used(one.flag).sum()):>5}{np.median(good):>8.1f}"
            f"{np.median(good) - middle:>+9.1f}"
            + _row(int(np.sum((one.flag & np.uint32(flag)) != 0)) for flag in TESTS)
        )
    lines += [f"medians in ppm; that of all hours is {middle:.1f}; under each test the hours it flagged"]
    return "\n".join([*lines, *_spikes_told(found), *_flat_told(found)])


def _spikes_told(found: list[Report]) -> list[str]:
    """Return each spike with what the other nodes did: did the sensor jump, or was the air of the city rich?"""
    every = together(found)
    out = ["", "spikes, ppm: above the hours before and after; the others' median above its own of the whole month"]
    for one in found:
        others = every.drop(columns=_head(one))
        rich = (others - others.median()).median(axis=1)
        for time in one.time[(one.flag & np.uint32(Flag.SPIKE)) != 0]:
            own = every.loc[time - HOUR : time + HOUR, _head(one)].to_numpy()
            out.append(f"  {_head(one):<47}{str(time)[:13]}{own[1] - max(own[0], own[2]):>+8.1f}{rich[time]:>+8.1f}")
    return out


def _flat_told(found: list[Report]) -> list[str]:
    """Return the hours of flat lines by tolerance: is it the sensor or the air that does not move?"""
    out = ["", "hours of flat lines, of all nodes, by the tolerance"]
    for tolerance in TOLERANCES:
        rules = replace(load_rules().of("co2", "micro"), flat_tolerance=tolerance)
        hours = sum(int(flat_line(*_series(one), one.interval, rules).sum()) for one in found)
        out.append(f"  {tolerance:g} ppm: {hours}")
    return out


def _series(report: Report) -> tuple[np.ndarray, np.ndarray]:
    rows = _rows(report)
    rows = rows[np.isfinite(rows["value"])]
    return rows["time"].to_numpy(), rows["value"].to_numpy()


def _rows(report: Report) -> pd.DataFrame:
    """Return the node's own rows of the list."""
    return report.rows[~report.rows["reason"].str.startswith("other ")]


def together(found: list[Report]) -> pd.DataFrame:
    """Return the values of all nodes by time, as delivered."""
    return pd.DataFrame({_head(one): pd.Series(*reversed(_series(one))) for one in found})


def _name(flag: Flag) -> str:
    return flag_names(flag)[0]


def _head(report: Report) -> str:
    return report.title.split(",")[0].removesuffix(" (BEACO2N)")


def _row(cells: Iterable[object]) -> str:
    return "".join(f"{cell!s:>15}" for cell in cells)


def draw(found: list[Report], path: Path) -> None:
    """Write a PNG: each node's hours by what became of them, over the median of all nodes."""
    figure, axes = plt.subplots(len(found), 1, figsize=(13, 15), sharex=True, sharey=True, layout="constrained")
    every = together(found)
    half = np.timedelta64(30, "m")
    for ax, one in zip(axes, found, strict=True):
        ax.plot(
            every.index + half, every.median(axis=1), lw=0.8, color="#bbbbbb", zorder=0, label="median of the eight"
        )
        for name, mask in kinds(one.flag).items():
            shown = mask & np.isfinite(one.value)
            if shown.any():
                colour, mark = KINDS[name]
                ax.plot(
                    one.time[shown] + half, one.value[shown], mark, ms=3, color=colour, label=f"{name}: {shown.sum()}"
                )
        time, value = taken_out(one)
        if time.size:
            ax.plot(time, value, "x", ms=7, mew=1.8, color=KINDS["bad"][0], label=f"taken out: {time.size}")
        counts = ((_name(flag), int(np.sum((one.flag & np.uint32(flag)) != 0))) for flag in TESTS)
        told = ", ".join(f"{name} {count}" for name, count in counts if count) or "nothing"
        ax.set_title(f"{_head(one)}.  Flagged: {told}", fontsize=10, loc="left")
        ax.legend(loc="upper right", fontsize=8, ncols=4, framealpha=0.9)
        ax.grid(alpha=0.3)
    axes[0].set_xlim(every.index[0], every.index[-1] + 2 * half)
    axes[0].set_ylim(every.min().min() - 10.0, every.max().max() + 110.0)
    figure.supylabel(found[0].quantity)
    locator = mdates.DayLocator(range(1, 30, 3))
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(mdates.DateFormatter("%-d %b %Y"))
    axes[-1].set_xlabel("UTC")
    figure.savefig(path, dpi=85)
    plt.close(figure)


def main(folder: Path) -> None:
    """Write text and picture."""
    found = reports()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "glasgow.txt").write_text(text(found) + "\n", encoding="utf-8")
    draw(found, folder / "glasgow.png")
    print(os.path.relpath(folder / "glasgow.txt"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
