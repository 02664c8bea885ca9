"""`tianyan service backup` and `tianyan service restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipeline.cli_progress import Bar
from pipeline.cli_service import CaseFile


def backup(target: Path, *, case: CaseFile = Path("case.toml")) -> None:
    """Copy everything of a service that cannot be made again into a folder.

    That is the store, the deliveries, the ledger, the case file and its tables (stations, thresholds, calibrations,
    regions). Not copied: caches, footprints, logs, and what has other publishers (weather, inventories, backgrounds). A
    second backup into the same folder copies what is new; the one before stands until it is done. Runs may go on; it
    waits for one under way up to an hour.

    Parameters
    ----------
    target
        The folder; best on another disk.
    """
    from pipeline.service.backup import back_up
    from pipeline.service.place import read_place

    with Bar() as progress:
        done = back_up(read_place(case), target, progress=progress)
    print(
        f"backup: {done.files} file(s), {_megabytes(done.size)}; copied now: {done.copied} file(s), "
        f"{_megabytes(done.copied_size)}"
    )


def restore(
    source: Path,
    *,
    case: CaseFile = Path("case.toml"),
    replace: Annotated[bool, Parameter(negative=(), help="move aside what stands there")] = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="read and check every file, and do nothing")] = False,
) -> None:
    """Put a backup in place, after every file of it was held against its digest.

    The case file goes where --case says, and the folders where the case file says. Stop the timer first.

    Parameters
    ----------
    source
        The folder of `tianyan service backup`.
    """
    from pipeline.service.restore import check
    from pipeline.service.restore import restore as put_in_place

    with Bar() as progress:
        if dry_run:
            manifest = check(source, progress=progress)
        else:
            done = put_in_place(source, case, replace_old=replace, progress=progress)
    if dry_run:
        size = sum(item.size for item in manifest.files.values())
        print(f"whole: {len(manifest.files)} file(s), {_megabytes(size)}, of {manifest.case}, by {manifest.code}")
        return
    print(f"restored: {done.files} file(s), {_megabytes(done.size)}, to {done.folder}")
    for path in done.aside:
        print(f"moved aside: {path}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
