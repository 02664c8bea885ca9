"""The two cases with real data, run as a user runs them: `tianyan run workflows/CASE.toml`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.evidence.desk import Desk
from benchmarks.evidence.record import ROOT
from pipeline.grid import open_store
from pipeline.units import species

#: what each reads, under the shared folder
TACOLNESTON = (
    "data/stations/tac.picarro.1minute.100m.201407.dat",
    "data/footprints/TAC-100magl_UKV_co2_TEST_201407.nc",
    "data/fluxes/tacolneston_co2",
    "data/fluxes/gridcar.2013",
)
BOWEN = (
    "data/columns/tropomi_ch4_2022-12-07.nc",
    "data/columns/tropomi_ch4_2022-12-08.nc",
    "data/meteorology/wrf_bowen_20221207",
    "data/fluxes/bowen_ch4",
)
#: particles a sounding of the tiny size
_FEW = "particles = 10"


def tacolneston(desk: Desk) -> None:
    """Make the tower's piece."""
    _run(desk, "tacolneston", "Prior, posterior, change and uncertainty, and the tower's series.")


def bowen(desk: Desk) -> None:
    """Make the satellite's piece."""
    _run(desk, "bowen", "Prior, posterior, change and uncertainty of methane, and the overpass.")


def _run(desk: Desk, name: str, caption: str) -> None:
    """Run a case in a folder of its own; keep what it printed and drew."""
    folder = desk.work / "cases" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # its outputs beside it instead of beside the checkout's workflows
    text = (
        (ROOT / "workflows" / f"{name}.toml")
        .read_text(encoding="utf-8")
        .replace(f'"../{name}-output', f'"{name}-output')
    )
    if desk.size.name == "quick":
        text = text.replace(f'folder = "{name}-output"', f'folder = "{name}-output"\n{_FEW}')
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    data = desk.shared / "data"
    # the code of this checkout, whatever else is installed
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", "run", f"{name}.toml", "--data", str(data)],
        cwd=folder, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    command = f"tianyan run workflows/{name}.toml"
    desk.record.steps.append(command)
    desk.text(f"{name}.txt", done.stdout, f"what `{command}` prints: account, diagnostics, totals")
    shutil.copyfile(folder / f"{name}-output" / f"{name}.png", desk.folder / f"{name}.png")
    desk.keep(f"{name}.png")
    desk.record.pictures.append((f"{name}.png", caption))
    _say(desk, folder / f"{name}-output" / f"{name}.zarr")


def _say(desk: Desk, store: Path) -> None:
    """Say how much the data told."""
    run = open_store(store)
    one = {name: float(run[f"diagnostic_{name}"]) for name in ("observations", "chi2", "dofs_flux", "dofs_background")}
    desk.says(
        f"{one['observations']:.0f} observations tell {one['dofs_flux']:.1f} independent numbers about the fluxes and "
        f"{one['dofs_background']:.1f} about the background; reduced chi2 {one['chi2']:.2f}."
    )
    period = run.sel(period="all")
    for at, name in enumerate(run["region_name"].values):
        before, after = (float(period[f"region_net_{which}_std"][at]) for which in ("prior", "posterior"))
        desk.says(f"{name}: sigma of the net total over the period falls by {1 - after / before:.0%}.")
    left, prior = (float(run[f"diagnostic_{name}_rmse"]) for name in ("left_out", "prior"))
    stated, unit = float(run["diagnostic_left_out_sigma"]), species(str(run.attrs["species"])).mole_fraction_unit
    desk.says(
        f"Observations left out in groups are predicted to {left:.2f} {unit} (stated {stated:.2f} {unit}); by the "
        f"prior alone to {prior:.2f} {unit}."
    )
