"""Whether anything can have changed since a run that left nothing to do: asked first, without the large libraries.

The answer rests on names, sizes, times of change and inodes of everything under the inputs' folder, links followed, on
the case file and on the code. It may say that something changed where nothing did; the reverse only of a file whose
content changes while all of these stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline._version import __version__

_FILE = "quiet.json"


def fingerprint(case: Path) -> str:
    """Return a digest of the case file and of the names and stamps of all its inputs.

    Raises
    ------
    OSError, tomllib.TOMLDecodeError
        When they cannot be read.
    """
    text = case.read_bytes()
    said = tomllib.loads(text.decode("utf-8"))
    root = (case.parent / said.get("inputs", {}).get("root", ".")).resolve()
    # what the service and the transport write themselves is no input
    ours = [said.get("service", {}).get("folder", "service"), said.get("transport", {}).get("folder", "transport")]
    left_out = {(case.parent / name).resolve() for name in ours}
    digest = hashlib.sha256(f"{__version__}\n".encode() + text)
    for line in _stamps(root, left_out):
        digest.update(line.encode(errors="surrogateescape"))
    withdrawn = case.parent / ours[0] / "recalled.txt"
    if withdrawn.exists():
        digest.update(withdrawn.read_bytes())
    return digest.hexdigest()


def is_quiet(case: Path, now: datetime, hour: datetime | None = None) -> bool:
    """Return whether the last run left nothing to do, and nothing has come or become due since.

    Parameters
    ----------
    case
        The case's TOML file.
    now
        The time.
    hour
        Ask of this hour alone, whatever else became due.
    """
    try:
        said = tomllib.loads(case.read_text(encoding="utf-8"))
        service = said["service"]
        left = json.loads((case.parent / service.get("folder", "service") / _FILE).read_text(encoding="utf-8"))
        newest = datetime.fromisoformat(left["newest"])
        if hour is None:
            over = now - timedelta(minutes=service.get("ready_minutes", 75))
            reached = over.astimezone(UTC) < newest + timedelta(hours=1)
            reached = reached and (left["again"] is None or now < datetime.fromisoformat(left["again"]))
        else:
            whole = hour == hour.replace(minute=0, second=0, microsecond=0)
            # hours of consolidated months were not looked at
            reached = whole and datetime.fromisoformat(left["first"]) <= hour <= newest
        same = left["store"] == _store(case.parent / service.get("folder", "service"))
        return reached and same and bool(left["fingerprint"] == fingerprint(case))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # whatever is wrong, the full way says it better
        return False


def write_quiet(folder: Path, found: str, first: datetime, newest: datetime, again: datetime | None = None) -> None:
    """Write down that a run left nothing to do.

    Parameters
    ----------
    folder
        Of the service.
    found
        Of `fingerprint`, from before the run looked at anything.
    first, newest
        The hours that were looked at.
    again
        When deliveries are to be fetched again; never when not given.
    """
    aside = folder / f".{_FILE}"
    told = {
        "fingerprint": found,
        "first": first.isoformat(),
        "newest": newest.isoformat(),
        "again": None if again is None else again.isoformat(),
        "store": _store(folder),
    }
    aside.write_text(json.dumps(told), encoding="utf-8")
    os.replace(aside, folder / _FILE)


def forget(folder: Path) -> None:
    """Forget it: a run begins."""
    (folder / _FILE).unlink(missing_ok=True)


def _store(folder: Path) -> list[int]:
    """Return the stamp of the list of commits: a store that was put back from a copy has another."""
    try:
        found = (folder / "store" / "journal.jsonl").stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _stamps(folder: Path, seen: set[Path]) -> Iterator[str]:
    """Give a line for every file under a folder, in one order; links are followed, as patterns follow them.

    Parameters
    ----------
    folder
        What is below it and cannot be looked at, or is gone by then, is a line of its own, and stops nothing.
    seen
        Real folders that are not looked into, again or at all; filled in.
    """
    seen.add(folder.resolve())
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        try:
            if not entry.is_dir():
                stamp = entry.stat()
                yield f"{entry.path} {stamp.st_size} {stamp.st_mtime_ns} {stamp.st_ino}\n"
            elif Path(entry.path).resolve() not in seen:
                yield from _stamps(Path(entry.path), seen)
        except OSError:
            yield f"{entry.path}\n"
