"""What stands around a service: room on the disk, sizes of its folders, a listener's counters, whether a run is on."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

LISTENER = "listener.json"
#: a larger file of status is not ours, nor are counters with more entries, deeper ones, or larger numbers
_MOST, _ENTRIES, _DEPTH, _LARGEST = 4 << 20, 64, 3, 2**63
#: hours for which sizes that were counted in full hold, and seconds that counting may take
_HOLDS, _SECONDS = timedelta(hours=6), 0.5


def disk_of(folder: Path) -> tuple[int, int] | None:
    """Return bytes free for us and bytes of the disk of a folder, or of its parent when it is missing."""
    for place in (folder, *folder.parents):
        try:
            found = shutil.disk_usage(place)
        except OSError:
            continue
        return found.free, found.total
    return None


def sizes_of(
    folders: Mapping[str, Path], now: datetime, before: Mapping[str, Any], seconds: float = _SECONDS
) -> dict[str, dict[str, Any]]:
    """Return bytes of folders: those counted before as long as they hold, else what can be counted in time.

    Parameters
    ----------
    folders
        By name.
    now
        The time.
    before
        What this returned for the run before.
    seconds
        For all of them together.
    """
    out: dict[str, dict[str, Any]] = {}
    end = time.monotonic() + seconds
    for name, folder in folders.items():
        known = before.get(name)
        if isinstance(known, dict) and _holds(known, now):
            out[name] = dict(known)
            continue
        size, whole = _counted(folder, end)
        out[name] = {"bytes": size, "complete": whole, "at": now.isoformat(timespec="seconds")}
    return out


def _holds(known: Mapping[str, Any], now: datetime) -> bool:
    try:
        return bool(known["complete"]) and abs(now - datetime.fromisoformat(known["at"])) < _HOLDS
    except (TypeError, KeyError, ValueError):
        return False


def _counted(folder: Path, end: float) -> tuple[int, bool]:
    """Return bytes of the files of a folder, and whether the time sufficed for all of them."""
    size, left = 0, [folder]
    while left:
        try:
            with os.scandir(left.pop()) as found:
                for one in found:
                    if one.is_dir(follow_symlinks=False):
                        left.append(Path(one.path))
                    else:
                        size += one.stat(follow_symlinks=False).st_size
                    if time.monotonic() > end:
                        return size, False
        except OSError:
            # gone meanwhile, or not ours to read
            continue
    return size, True


def listener_near(root: Path, folder: Path, patterns: Iterable[str]) -> Mapping[str, Any] | None:
    """Return the counters of a listener whose folder feeds read from, of its stations the number; None without any.

    Who delivers files may put anything there: what is no counter is left out.

    Parameters
    ----------
    root
        Folder of all inputs.
    folder
        Of the service.
    patterns
        Of the feeds' files under the root.
    """
    plain = {PurePosixPath(pattern).parent for pattern in patterns}
    near = sorted(str(one) for one in plain if not any(sign in str(one) for sign in "*?["))
    for place in (folder, *(root / one for one in near)):
        found = read_json(place / LISTENER)
        if found:
            stations = found.get("stations")
            told = {name: value for name, value in found.items() if name != "stations"}
            return {**_counters(told, _DEPTH), "stations": len(stations) if isinstance(stations, dict) else 0}
    return None


def _counters(found: Mapping[str, Any], depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in islice(found.items(), _ENTRIES):
        if isinstance(value, dict) and depth > 1:
            out[name] = _counters(value, depth - 1)
        elif isinstance(value, str) or (isinstance(value, int | float) and abs(value) < _LARGEST):
            out[name] = value
    return out


def read_json(path: Path) -> Mapping[str, Any]:
    """Return an object from a file of JSON; an empty one when it is missing or anything else."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_MOST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock, without waiting and without making its file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
