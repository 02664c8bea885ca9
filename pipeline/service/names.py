"""Names of deliveries: whose they are by the patterns of feeds, and which cannot be kept."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath


def is_utf8(name: str) -> bool:
    """Return whether a path can be written down: bytes of a file's name need not be of UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def folders_of(paths: Iterable[str]) -> set[str]:
    """Return all folders that paths lie in."""
    return {str(folder) for path in paths for folder in PurePosixPath(path).parents}


def fault_of(path: str, delivered: set[str], folders: set[str]) -> str:
    """Return why a path cannot be that of a delivery; empty when it can.

    Parameters
    ----------
    path
        Under the inbox.
    delivered
        Paths of all that was delivered before.
    folders
        Of these: of `folders_of`.
    """
    if not is_utf8(path):
        return "a file's name must be UTF-8: have it sent under another"
    # a window is a folder of all that was delivered, whenever that was
    if path in folders or not delivered.isdisjoint(folders_of([path])):
        return "a file and a folder must not have one name, not even one after the other: have it sent under another"
    return ""


def matching(paths: Sequence[str], patterns: Iterable[str]) -> list[str]:
    """Return the paths that are one of a feed's patterns; of a year's deliveries only those that begin alike are tried.

    Parameters
    ----------
    paths
        Under the inbox, sorted.

    Examples
    --------
    >>> [matching(["hz/07/a.csv", "hz/a.csv"], [pattern]) for pattern in ("./hz/**/*.csv", "hz/*.csv", "h")]
    [['hz/07/a.csv', 'hz/a.csv'], ['hz/a.csv'], []]
    """
    found: set[str] = set()
    for pattern in patterns:
        parts = PurePosixPath(pattern).parts
        # "hz/**" is "hz" too
        begins = re.split(r"[*?\[]", "/".join(parts), maxsplit=1)[0].rstrip("/")
        for path in paths[bisect_left(paths, begins) :]:
            if not path.startswith(begins):
                break
            if _matched(path.split("/"), parts):
                found.add(path)
    return sorted(found)


def _matched(parts: list[str], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matched(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matched(parts[1:], pattern[1:])
