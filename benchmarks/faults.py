"""What each kind of fault is found by, and what it costs: `python -m benchmarks.faults FOLDER [DRAW [DAYS [KM]]]`.

A simulated province is made in FOLDER (weather and footprints stay there for the next time), once without faults and
once with each kind at a share of its stations, and inverted. One line a kind: what became of the hours it harmed, and
the error of the cities beside that of the run without faults.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.case import run_case
from pipeline.osse import FAULTS, Plan, detect, figures, make_case, score, summary

SECTOR = "anthropogenic"
#: geography and weather, as the simulated weeks of docs/cases
SEED, PARTICLES = 1, 150
#: a fault may cost the cities so much, as a factor on their RMSE
GOAL = 1.2
_HEADING = (
    f"{'fault':9} {'stations':>8} {'hours':>6} {'not used':>9} {'mended':>7} {'suspect':>8} {'unseen':>7} {'gate':>6}"
    f" {'city RMSE %':>12} {'ratio':>6} {'province %':>11} {'chi2':>5}   found by"
)


def run(folder: Path, faults: tuple[str, ...], draw: int, days: int, spacing_km: float) -> tuple[float, float, float]:
    """Make and invert a case; return city RMSE and provincial error, %, and reduced chi2."""
    plan = Plan(seed=SEED, draw=draw, hours=24 * days, spacing_km=spacing_km, particles=PARTICLES, faults=faults)
    path, _ = make_case(folder, plan)
    store, truth = run_case(path), path.parent / "truth.nc"
    found = summary(score(store, truth), SECTOR)
    chi2 = next(row.posterior for row in figures(store, truth) if row.name == "reduced chi2")
    return found["posterior_rmse_percent"], found["posterior_error_percent"], chi2


def main(folder: Path, draw: int = 201, days: int = 7, spacing_km: float = 3.0) -> None:
    """Print the table; then the share of sound hours that each test flags, over all runs."""
    print(f"{SECTOR} CO2 of {days} day(s), cells of {spacing_km:g} km, draw {draw}; goal: ratio at most {GOAL:g}")
    sound = run(folder, (), draw, days, spacing_km)
    print(_HEADING)
    print(f"{'none':9} {'':60} {sound[0]:9.1f} {1.0:6.2f} {sound[1]:11.1f} {sound[2]:5.2f}", flush=True)
    alarms: dict[str, float] = {}
    hours = 0
    for name in (*FAULTS, "all"):
        city, province, chi2 = run(folder, tuple(FAULTS) if name == "all" else (name,), draw, days, spacing_km)
        found = detect(folder)
        table = found.faults[found.faults["fault"].isin(FAULTS)]
        stations, harmed = int(table["stations"].sum()), int(table["hours"].sum())
        shares = [
            100 * int(table[key].sum()) / max(harmed, 1) for key in ("lost", "mended", "flagged", "unnoticed", "gate")
        ]
        told = "" if name == "all" else str(table["by"].iloc[0])
        print(
            f"{name:9} {stations:8d} {harmed:6d} {shares[0]:8.0f}% {shares[1]:6.0f}% {shares[2]:7.0f}%"
            f" {shares[3]:6.0f}% {shares[4]:5.0f}% {city:11.1f} {city / sound[0]:6.2f}"
            f" {province:11.1f} {chi2:5.2f}   {told}",
            flush=True,
        )
        hours += found.sound
        for key, share in found.alarms.items():
            alarms[key] = alarms.get(key, 0.0) + share * found.sound
    told = ", ".join(f"{key} {100 * count / hours:.2f} %" for key, count in sorted(alarms.items(), key=lambda x: -x[1]))
    print(f"\nof {hours} sound hours with a value, flagged: {told}")
    print("not used: no value, or one that is kept out; mended: within 2 ppm of the sound hour; suspect, unseen: used")
    print(
        "all the same; gate: of these two, taken by the innovation gate. A harmed hour counts whether or not the case"
    )
    print("uses its hour of the day.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:4]), *map(float, sys.argv[4:5]))
