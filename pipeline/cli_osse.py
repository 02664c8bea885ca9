"""What `tianyan osse` does: make a simulated case, and score a run of one against its truth."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.case import Progress
from pipeline.errors import InputError
from pipeline.osse import Plan, make_case
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
