"""The parity page's text; every figure in it is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.parity import stilt
from benchmarks.parity.mptrac import Mptrac, Result
from benchmarks.parity.results import (
    EMULATED,
    FIRST,
    HOURLY,
    LEAST_R,
    MET,
    OPEN,
    RIMS,
    RULES,
    SCHEME,
    SHARED,
    SIGMAS,
    SPREAD,
    TOTAL,
    Compared,
)
from benchmarks.parity.stilt import PARTICLES, REFERENCE_PARTICLES, Stilt
from kernels.steps import HORIZONTAL_FLOOR
from pipeline.transport.trace import MEMORY

_SHOWN_HOURS = (8, 14, 20, 23)
_ADVECTION = 0.01


def page(case: Stilt, found: list[Compared], parcels: Mptrac, result: Result) -> str:
    """Return docs/parity.md."""
    parts = [_INTRODUCTION, *_stilt(case, found), *_mptrac(parcels, result)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _percent(ratio: float) -> str:
    return f"{100.0 * (ratio - 1.0):+.1f} %" if np.isfinite(ratio) else "-"


def _share(value: float, digits: int = 0) -> str:
    return f"{100.0 * value:.{digits}f} %"


def _met(yes: bool) -> str:
    return "yes" if yes else "**no**"


def _list(ratios: np.ndarray) -> str:
    return ", ".join(_percent(one) for one in ratios)


_INTRODUCTION = """
# Our transport beside other models

Written by `python -m benchmarks.parity` (part of `make evidence`; needs ../shared/data and ../shared/reference); no
number here is typed. The tests `test_parity_stilt.py` and `test_parity_mptrac.py` hold the results.
"""


def _stilt(case: Stilt, found: list[Compared]) -> list[str]:
    names = [case.receptor(number).station for number in range(len(found))]
    return [
        f"""
## STILT

The same weather file (12 km, 28 pressure levels, flat terrain, simulated), read by our ARL reader; three receptors, 24
hours back; boundary-layer height from the file, at least 150 m; no near-field correction, no smoothing. Ours:
{PARTICLES} particles. STILT: one run of {REFERENCE_PARTICLES} (HYSPLIT-STILT 5.1.0).""",
        _summary(names, found),
        "![Footprints](parity/footprints.png)\n\n![Hourly totals](parity/hourly.png)\n\n![Spread](parity/spread.png)",
        "### Hourly totals, over STILT's",
        _hourly(names, found),
        _reading(names, found),
        "### Where the first hours differ",
        _first(names, found),
        "### Horizontal turbulence",
        _horizontal(names, found),
        "### Particles that leave",
        _rim(names, found),
    ]


def _summary(names: list[str], found: list[Compared]) -> str:
    rows = [row for name, one in zip(names, found, strict=True) for row in _summary_of(name, one)]
    return _table(["quantity", "tolerance", "result", "met", "remark"], rows)


def _summary_of(name: str, one: Compared) -> list[list[str]]:
    ratio = one.ours.total / one.theirs.total
    total_met = _met(abs(ratio - 1.0) <= TOTAL)
    noise = f"noise of STILT's total {_share(one.noise, 1)}"
    blocks = stilt.spread_ratios(one.ours, one.theirs)
    compared = blocks[np.isfinite(blocks)]
    spread_met = _met(bool(np.all(np.abs(compared - 1.0) <= SPREAD)))
    kept = f"{compared.size} of {blocks.size} blocks: both keep over {_share(stilt.KEPT)} of their particles"
    reasons = [reason for reason in one.reasons() if reason in (MET, SCHEME, SHARED, OPEN)]
    hours, met = len(reasons), reasons.count(MET)
    rest = ", ".join(f"{reasons.count(why)} {why}" for why in (SCHEME, SHARED, OPEN) if why in reasons)
    r_name = f"{name}: r, 2-cell smoothing, without 5 x 5 cells"
    return [
        [f"{name}: total", f"within {_share(TOTAL)}", _percent(ratio), total_met, noise],
        [r_name, f">= {LEAST_R}", f"{one.r:.3f}", _met(one.r >= LEAST_R), f"emulator {one.emulated_r:.3f}"],
        [f"{name}: spread, blocks of 6 h", f"within {_share(SPREAD)}", _list(compared), spread_met, kept],
        [f"{name}: hourly totals", f"within {_share(HOURLY)}", f"{met} of {hours} hours", _met(met == hours), rest],
    ]


def _hourly(names: list[str], found: list[Compared]) -> str:
    head = ["hours back", *(f"{name}: ours (emulator; noise)" for name in names)]
    rows = []
    for hour in range(stilt.HOURS):
        cells = []
        for one in found:
            mine, scheme = one.ratio(one.ours)[hour], one.ratio(one.emulated)[hour]
            if not np.isfinite(mine):
                cells.append("-")
                continue
            reason = one.reasons()[hour]
            told = "" if reason == MET else f" **{reason}**"
            cells.append(f"{mine:.2f} ({scheme:.2f}; {one.hourly_noise[hour]:.2f}){told}")
        if any(cell != "-" for cell in cells):
            rows.append([str(hour + 1), *cells])
    return _table(head, rows)


def _reading(names: list[str], found: list[Compared]) -> str:
    reasons = [reason for one in found for reason in one.reasons()]
    emulated = [one.ratio(one.emulated) for one in found]
    within = sum(int(np.sum(np.abs(ratio - 1.0) <= HOURLY)) for ratio in emulated)
    compared = sum(int(np.isfinite(ratio).sum()) for ratio in emulated)
    return f"""
- *Emulator*: STILT's vertical scheme (below) with {EMULATED} particles in our winds, same boundary layer, same
  horizontal turbulence. Its results stand for STILT's without the noise of one run: {within} of {compared} hours are
  within {_share(HOURLY)} of STILT's. Ours less the emulator's is what the vertical scheme does.
- *Noise*: relative standard deviation of an hour's total among {len(found[0].runs)} runs of ours with
  {REFERENCE_PARTICLES} particles. By night few particles are in the shallow layer, and they stay there: neighbouring
  hours are wrong together, so blocks tell more:

{_blocks(names, found)}

- Why an hour is outside: *{SCHEME}* when the emulator is off by half as much or less ({reasons.count(SCHEME)} hours);
  else *{SHARED}* when the emulator is off too, within {SIGMAS:.0f} standard deviations ({reasons.count(SHARED)} hours):
  not the vertical scheme, and large for the noise of one run but within it; a difference that the emulator shares with
  us cannot be excluded. *{OPEN}* otherwise ({reasons.count(OPEN)} hours). Hours after STILT has lost half of its
  particles are left out."""


def _blocks(names: list[str], found: list[Compared]) -> str:
    rows = []
    for name, one in zip(names, found, strict=True):
        for block, (mine, scheme, noise) in enumerate(one.blocks()):
            if np.isfinite(mine):
                hours = f"{block * stilt.BLOCK + 1} to {(block + 1) * stilt.BLOCK}"
                off = f"{(scheme - 1.0) / noise:+.1f}"
                rows.append([name, hours, _percent(mine), _percent(scheme), _share(noise, 1), off])
    head = ["receptor", "hours back", "ours", "emulator", "noise", "emulator's difference / noise"]
    return _table(head, rows)


def _first(names: list[str], found: list[Compared]) -> str:
    rows = [[what, *(_list(one.steps[what]) for one in found)] for what in found[0].steps]
    coarse = stilt.internal_levels(*stilt.STILT_LEVELS, 1000.0)
    levels = ", ".join(f"{z:.0f}" for z in coarse)
    heights = [(one.theirs.height[0], one.emulated.height[0], one.ours.height[0]) for one in found]
    told = "; ".join(f"{name} {a:.0f}, {b:.0f} and {c:.0f}" for name, (a, b, c) in zip(names, heights, strict=True))
    return f"""
STILT holds sigma_w and T_L constant between the levels of HYSPLIT's internal grid, at the value of the level below. For
this weather these are {levels} m ...: from the ground to {coarse[1]:.0f} m the turbulence is that of {coarse[0]:.0f} m.
By day both grow with height there, so STILT carries particles up more slowly near the ground, and they see it longer.
By night the layer from {coarse[1]:.0f} to {coarse[2]:.0f} m keeps the sigma_w of its foot up to its top, where the
profile has fallen to nothing, and the lowest one the short T_L of {coarse[0]:.0f} m: particles released at 100 m spread
higher, and fewer come down. An emulator of that scheme in our winds, brought to ours step by step, shows how much of
the difference this is (the first {FIRST} hours, over STILT's):

{_table(["model", *names], rows)}

Mean height after one hour, m (STILT, emulator, ours): {told}.

With STILT's levels and profiles the emulator gives STILT's first hours and heights: there the difference is explained.
With our levels it comes about half of the way to ours or more; our profiles (Hanna's in the smooth form of Stohl et al.
2005) move it little. The rest is the stepping: stairs made still finer do not lead to ours but away, because Euler
steps that stop at every stair gather particles near the ground. Ours, the midpoint rule in continuous profiles, is held
to the well-mixed state by tests. So the difference is STILT's vertical numerics, and we keep ours."""


def _horizontal(names: list[str], found: list[Compared]) -> str:
    rows = [[name, *(_list(one.rules[name][np.isfinite(one.rules[name])]) for one in found)] for name in RULES]
    floor = HORIZONTAL_FLOOR**2
    return f"""
A velocity of memory {MEMORY / 3600.0:.0f} h whose variance follows the vertical one, u'^2 + v'^2 = w'^2, and is at
least {floor:.2f} m2/s2 each way (HYSPLIT's smallest mixing coefficient over the memory, halved) was chosen by its fit
to STILT's spread. The emulator with other rules (over STILT's, blocks of 6 h, {REFERENCE_PARTICLES} particles):

{_table(["rule", *names], rows)}

With our rule STILT's vertical scheme gives STILT's spread, but for the second block of the plume in a shallow night
layer (B): there the floor is too much, while without it the block before is too narrow by more. With our own vertical
scheme plumes are a little wider by day, because particles leave the slow air near the ground sooner."""


def _rim(names: list[str], found: list[Compared]) -> str:
    rows = []
    for name, one in zip(names, found, strict=True):
        for hour in _SHOWN_HOURS:
            if one.theirs.kept[hour] < 0.999:
                ours = [f"{share:.3f}" for share in one.kept[:, hour]]
                rows.append([name, str(hour + 1), f"{one.theirs.kept[hour]:.3f}", *ours])
    head = ["receptor", "hours back", "STILT", *(f"ours, {rim} cells off" for rim in RIMS)]
    return f"""
STILT ends particles about one 12 km cell inside the weather's rim; ours go to the centres of the outermost cells. The
share still on the way, with cells taken off the weather on every side, tells: {stilt.RIM} cell fits, and is used above.

{_table(head, rows)}"""


def _mptrac(parcels: Mptrac, result: Result) -> list[str]:
    way = f"{_share(_ADVECTION)} of the way"
    mean = result.mean_apart[-1] / result.mean_went[-1]
    single = result.apart[-1] / result.went[-1]
    step = result.step_bias / result.step_length
    mean_told = f"{_share(mean, 2)} (noise {_share(result.mean_error / result.mean_went[-1], 2)})"
    step_told = f"{_share(step, 2)} (noise {_share(result.step_error / result.step_length, 2)})"
    rows = [
        ["each parcel after 2 h, median", way, f"{_share(single, 1)}", _met(bool(single <= _ADVECTION))],
        ["mean position after 2 h", way, mean_told, _met(bool(mean <= _ADVECTION))],
        ["mean displacement in 10 min from their points", way, step_told, _met(bool(step <= _ADVECTION))],
        ["resolved wind at the parcels, linear in pressure", "-", f"{result.pressure:.0e} of the speed (median)", "-"],
        ["resolved wind at the parcels, ours", "-", f"{_share(result.production, 1)} of the speed (median)", "-"],
    ]
    return [
        f"""
## MPTRAC

{parcels.parcels.shape[1]} parcels from one place near Munich, 1 May 2025, 0 to 2 UTC, on ERA5 at 20 km. We start from
their first positions (pressure turned into height above ground) and follow the resolved wind of the production weather,
interpolated by `kernels.air`, with the production outer step; {result.outside} parcels left the weather. Rim of the
file outside its source, not used: {parcels.left_out}.""",
        _table(["quantity", "tolerance", "result", "met"], rows),
        "![Distance](parity/mptrac.png)",
        _diffusion(result)
        + f"""
- MPTRAC writes the resolved wind at each parcel. Linear in x, y, time and pressure on the ERA5 that our reader gives,
  it comes out to rounding: axes, times, units and pressure altitude are read as MPTRAC reads them.
- Our own wind differs from it by {_share(result.production, 1)} of the speed at the median: it is linear in height
  between fixed heights, which cut the corners of ERA5's profile, and follows the terrain. The winds are slow (median
  {result.speed:.1f} m/s), so small differences are a large share; they are not of one sign and cancel in the mean.
- Halving the outer step moves no parcel by more than {result.halved:.2f} m.""",
    ]


def _diffusion(result: Result) -> str:
    return f"""
- **The reference run has its diffusion on**, so nobody without its random numbers can follow single parcels.
  {result.pairs} pairs that MPTRAC released within 1 m of each other are {result.twins[-1] * np.sqrt(2.0):.0f} m apart
  after 2 h (median), which makes {result.twins[-1]:.0f} m for one parcel: as much as we are away from MPTRAC's,
  {result.apart[-1]:.0f} m after {result.went[-1]:.0f} m. The walk's diffusivity, from its variance in 10 min, is
  {result.diffusivity:.0f} m2/s; MPTRAC's default is 50, and wind fluctuations below the grid come on top.
- So the resolved motion is judged by means over the parcels: {result.mean_apart[-1]:.0f} m after
  {result.mean_went[-1]:.0f} m, where the walk alone leaves {result.mean_error:.0f} m; and from their own points every
  10 min {result.step_bias:.1f} m of {result.step_length:.0f} m, where the walk leaves {result.step_error:.1f} m."""
