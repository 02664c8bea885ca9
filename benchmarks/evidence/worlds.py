"""Simulated worlds: made as files, solved as `tianyan run` does, scored against their truth; each of them once.

What a world gave is kept as JSON under the digest of its plan and of the sources, so that a rebuild that was stopped
goes on where it was.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.evidence.record import joined_digest, numerics_digest
from pipeline.case import assembled_case, domain_grid, run_case
from pipeline.grid import open_kept, open_store
from pipeline.inversion import Solution, unpack
from pipeline.osse import Plan, figures, make_case, print_score, score
from pipeline.osse.case_file import TRUTH
from pipeline.schema import Flag, instruments
from pipeline.settings import input_root, read_settings

#: regions whose totals are compared with the truth
LEVELS = ("province", "city", "county")
_TRACES = ("transport/footprints", "transport_true/footprints")


@dataclass(frozen=True)
class World:
    """One simulated case.

    Parameters
    ----------
    name
        Short, and the name of its files.
    plan
        What it holds.
    offsets
        Whether the inversion estimates offsets of the sensors that have them.
    """

    name: str
    plan: Plan
    offsets: bool = True

    @property
    def command(self) -> str:
        """What makes and solves the same by hand."""
        plan = self.plan
        options = [f"--seed {plan.seed}", f"--draw {plan.draw}", f"--days {plan.hours // 24}"]
        options += [f"--spacing-km {plan.spacing_km:g}", f"--particles {plan.particles}"]
        options += [f"--spectrometers {plan.spectrometers}"] if plan.spectrometers != 28 else []
        options += [f"--micro {plan.micro}"] if plan.micro != 80 else []
        flags = {
            "--no-sinks": plan.sinks == 0, "--no-columns": not plan.columns, "--no-mobile": not plan.mobile,
            "--transport-error": plan.transport_error is not None, "--matched": plan.matched,
        }  # fmt: skip
        options += [flag for flag, given in flags.items() if given]
        if not self.offsets:
            options.append("(and without the lines `offset = ...` in case.toml)")
        return f"tianyan osse make WORLD {' '.join(options)}; tianyan run WORLD/case.toml; tianyan osse score WORLD"


def once(path: Path, key: dict[str, Any], make: Callable[[], dict[str, Any]], needs: tuple[Path, ...] = ()) -> Any:
    """Return what `make` returns, from a file when it was made under the same key before.

    Parameters
    ----------
    path
        JSON, written whole.
    key
        What it depends on.
    make
        Called when it is not there.
    needs
        Files that must be there too.
    """
    text = _text(key)
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["key"] == text and all(one.exists() for one in needs):
            return found["made"]
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps({"key": text, "made": made}), encoding="utf-8")
    os.replace(beside, path)
    return made


def solved(work: Path, folder: str, world: World, *, keep: bool = False) -> dict[str, Any]:
    """Return what became of a world: scores, figures, digests of its inputs, seconds.

    Parameters
    ----------
    work
        Where worlds stand.
    folder
        Of those that share weather and footprints, under it.
    world
        What to make.
    keep
        Whether its store stays, for `opened`.
    """
    store = stored(work, world)
    key = _key(world)
    needs = (store, store.with_suffix(".npz")) if keep else ()
    return once(work / "kept" / f"{world.name}.json", key, lambda: _solve(work / folder, world, store, keep), needs)


def known(work: Path, world: World) -> dict[str, Any] | None:
    """Return what `solved` found of a world, by the same sources; None when it was not solved."""
    path = work / "kept" / f"{world.name}.json"
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return found["made"] if found["key"] == _text(_key(world)) else None


def stored(work: Path, world: World) -> Path:
    """Return where a world's store stands."""
    return work / "stores" / f"{world.name}.zarr"


def _key(world: World) -> dict[str, Any]:
    return {"plan": asdict(world.plan), "offsets": world.offsets, "code": numerics_digest()}


def _text(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True, default=str)


def _solve(folder: Path, world: World, store: Path, keep: bool) -> dict[str, Any]:
    began = time.monotonic()
    _whole(folder)
    path, spent = make_case(folder, world.plan)
    _remember(folder)
    made = time.monotonic()
    store.parent.mkdir(parents=True, exist_ok=True)
    if not world.offsets:
        path = _without_offsets(path)
    run_case(path, store=store)
    ended = time.monotonic()
    truth = folder / TRUTH
    told = told_of(store, truth)
    told["seconds"] = {"footprints": spent.footprints, "making": made - began - spent.footprints, "run": ended - made}
    if keep:
        np.savez(store.with_suffix(".npz"), **_rows(path, store))
        shutil.copyfile(truth, store.with_suffix(".truth.nc"))
    else:
        shutil.rmtree(store)
    return told


def _without_offsets(path: Path) -> Path:
    """Write the case without offsets of sensors beside it; return its path."""
    other = path.with_name("unaware.toml")
    lines = path.read_text(encoding="utf-8").splitlines()
    other.write_text("\n".join(line for line in lines if not line.startswith("offset = ")) + "\n", encoding="utf-8")
    return other


def told_of(store: Path, truth: Path) -> dict[str, Any]:
    """Return scores and figures of a store, digests of its inputs, and correlations of its errors between regions."""
    dataset = open_store(store)
    console = Console(file=io.StringIO(), width=100)
    print_score(store, truth, console)
    table = score(store, truth)
    files = json.loads(dataset.attrs["provenance"])["inputs"]
    tops: dict[str, list[tuple[str, str]]] = {}
    for one in files:
        tops.setdefault(str(one["path"]).split("/", maxsplit=1)[0], []).append((one["path"], one["sha256"]))
    names = ("observations", "chi2", "dofs_flux", "dofs_background", "dofs_offset", "left_out_rmse", "left_out_sigma")
    return {
        "totals": table[table["level"].isin(LEVELS)].to_dict("records"),
        "figures": [asdict(one) for one in figures(store, truth)],
        "diagnostics": {name: float(dataset[f"diagnostic_{name}"]) for name in names},
        "text": console.file.getvalue(),  # type: ignore[attr-defined]
        "inputs": {top: joined_digest(parts) for top, parts in sorted(tops.items())},
        "correlation": _correlations(dataset),
    }


def _correlations(dataset: Any) -> dict[str, list[list[float]]]:
    """Return the correlation of posterior errors between regions of a level, by "sector level"; regions as scored."""
    one = dataset.sel(period="all", period_2=0)
    covariance = one["region_posterior_covariance"].values
    level = one["region_level"].values.astype(str)
    sectors = [str(name) for name in one["sector"].values]
    found = {}
    for name in (*sectors, "net"):
        k = sectors.index(name) if name != "net" else None
        square = covariance.sum(axis=(0, 2)) if k is None else covariance[k, :, k, :]
        for wanted in ("city", "county"):
            at = np.flatnonzero(level == wanted)
            part = square[np.ix_(at, at)]
            sigma = np.sqrt(np.diag(part))
            found[f"{name} {wanted}"] = np.round(part / np.outer(sigma, sigma), 5).tolist()
    return found


def _rows(path: Path, store: Path) -> dict[str, np.ndarray]:
    """Return instrument, class and time of every row of the problem that a store keeps."""
    settings = read_settings(path)
    given = assembled_case(settings, domain_grid(settings), path, input_root(settings, path))
    dataset, assembled = open_store(store), given.assembled
    passed = np.ones(assembled.station.size, bool)
    for prefix, used in (("obs", assembled.air), ("tower_obs", assembled.towers)):
        if used.rows.size:
            gone = (dataset[f"{prefix}_flag"].values[used.rows] & int(Flag.INNOVATION)) != 0
            passed[used.at] &= ~gone
    kept = open_kept(store)
    if not np.array_equal(assembled.problem.value[passed], kept["value"].values):
        raise AssertionError("the rows read again are not those that were solved")
    return {
        # a sounding's name is its own: its instrument's is meant
        "instrument": instruments(assembled.station, assembled.platform)[passed].astype(str),
        "platform": assembled.platform[passed].astype(str),
        "time": assembled.time[passed],
    }


@dataclass(frozen=True, eq=False)
class Opened:
    """A world's solution and what its rows are.

    Parameters
    ----------
    solution
        As it was solved.
    posterior
        The store.
    instrument, platform, time : (m,)
        Of each row: its station, or its satellite; class; time.
    truth
        Path of the true fluxes.
    """

    solution: Solution
    posterior: Any
    instrument: np.ndarray
    platform: np.ndarray
    time: np.ndarray
    truth: Path


def opened(work: Path, world: World) -> Opened:
    """Return a world that `solved` kept."""
    store = stored(work, world)
    rows = np.load(store.with_suffix(".npz"))
    posterior = open_store(store)
    solution = unpack(open_kept(store), posterior)
    return Opened(
        solution, posterior, rows["instrument"], rows["platform"], rows["time"], store.with_suffix(".truth.nc")
    )


def totals_of(told: dict[str, Any], sector: str, level: str) -> pd.DataFrame:
    """Return the scored totals of a sector and level, kt."""
    table = pd.DataFrame(told["totals"])
    return table[(table["sector"] == sector) & (table["level"] == level)].reset_index(drop=True)


def _whole(folder: Path) -> None:
    """Put back the footprints of all receptors: an hour's file holds those that were asked for last."""
    for name in _TRACES:
        if (folder / f"{name}.all").is_dir():
            shutil.rmtree(folder / name, ignore_errors=True)
            _linked(folder / f"{name}.all", folder / name)


def _remember(folder: Path) -> None:
    """Keep the footprints of all receptors by second names; those of the first world, which has them all."""
    for name in _TRACES:
        if (folder / name).is_dir() and not (folder / f"{name}.all").is_dir():
            _linked(folder / name, folder / f"{name}.part")
            (folder / f"{name}.part").rename(folder / f"{name}.all")


def _linked(source: Path, target: Path) -> None:
    """Make a folder of second names of files that are only ever replaced whole."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=os.link)
