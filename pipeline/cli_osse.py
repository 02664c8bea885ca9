"""What `tianyan osse` does: make a simulated case, and score a run of one against its truth."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pipeline.case import Progress
from pipeline.errors import InputError
from pipeline.osse import Deliveries, Late, Plan, make_case, on_time
from pipeline.osse.case_file import STORE, TRUTH


def make(folder: Path, plan: Plan, *, progress: Progress) -> list[str]:
    """Make a simulated case and return what to tell of it.

    Parameters
    ----------
    folder
        Where to write.
    plan
        What to make.
    progress
        As `make_case`.
    """
    path, timing = make_case(folder, plan, progress=progress)
    return [
        f"case:       {os.path.relpath(path)}",
        f"made in:    {timing.rest:.0f} s, and {timing.footprints:.0f} s for the footprints that were not there",
        f"next:       tianyan run {os.path.relpath(path)}, then tianyan osse score {os.path.relpath(folder)}",
    ]


def places(given: Path) -> tuple[Path, Path]:
    """Return (store, truth) of a simulated case's folder, or of a store in one.

    Raises
    ------
    InputError
        When there is no store, or no truth beside it.
    """
    store = given if (given / "zarr.json").exists() else given / STORE
    truth = store.resolve().parent / TRUTH
    for path, remedy in ((store, "run its case.toml first"), (truth, "give the folder of a simulated case")):
        if not path.exists():
            raise InputError("store and truth must be there", got=str(path), remedy=remedy, where=str(given))
    return store, truth


_LIVE = """
[cycle]
window_hours = 72
lag_hours = 24

[service]
start = {first}:00:00Z
quiet_seconds = 0
"""


def deliver_until(world: Path, folder: Path, until: np.datetime64, late: int | None) -> str:
    """Put into a service's folder what has arrived by a time, and say so; the folder is made at the first call.

    Parameters
    ----------
    world
        Folder of a simulated case.
    folder
        Of the service.
    until
        UTC.
    late
        Seed of which files come late; none does when not given.
    """
    deliveries = Deliveries(world, folder)
    case = folder / "case.toml"
    if not case.exists():
        first = deliveries.first.astype("datetime64[h]")
        deliveries.lay_out(_LIVE.format(first=first))
    changed = deliveries.deliver(until, on_time if late is None else Late(late))
    return f"{changed} file(s) delivered; next: tianyan run-due --case {os.path.relpath(case)} --now {_after(until)}"


def _after(until: np.datetime64) -> str:
    """Return a time at which the hour before is due."""
    return f"{np.datetime_as_string(until + np.timedelta64(16, 'm'), unit='m')}Z"
