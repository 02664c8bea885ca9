"""Input files by pattern: always under the input folder, always in the same order, never one that is being written.

A file under way is known by its name alone: programs that send files give them another until they are whole. Whether
one under its own name still grows, only a second look can tell; that is for a service that looks every hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.errors import InputError

#: ends of names while a file is under way: of browsers, FTP and SFTP clients, rsync (which has a dot before the name)
_UNDER_WAY = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download")
_WILD = "*?["


def shown_names(paths: Sequence[Path], root: Path | None) -> list[str]:
    """Return what messages and accounts call files: their paths under `root`, bare names of those elsewhere."""
    return [path.relative_to(root).as_posix() if root and path.is_relative_to(root) else path.name for path in paths]


def expand(root: Path, pattern: str) -> list[Path]:
    """Return the files a path or glob pattern names under `root`, sorted by name.

    A pattern does not find hidden files, nor files under way (`under_way`); a plain path may name one.

    Raises
    ------
    InputError
        When nothing matches, or the pattern leaves the folder.
    """
    found = _named(root, pattern)
    kept = [path for path in found if not (_is_wild(pattern) and _is_under_way(path))]
    if not kept:
        others = f"; {len(found)} there are still under way" if found else ""
        raise InputError(
            "an input path must name a file", got=pattern, remedy=f"look in {root}{others}", where="inputs"
        )
    return kept


def whole(root: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files that patterns name under `root`, maybe none, sorted by name; not those under way by their name.

    Raises
    ------
    InputError
        When a pattern leaves the folder, or is none.
    """
    named = ((_is_wild(pattern), path) for pattern in patterns for path in _named(root, pattern))
    return sorted({path for wild, path in named if not (wild and _is_under_way(path))})


def under_way(root: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files that patterns would find but for their names, which say that they are not yet whole.

    Raises
    ------
    InputError
        When a pattern leaves the folder, or is none.
    """
    found = {path for pattern in patterns if _is_wild(pattern) for path in _named(root, pattern)}
    return sorted(path for path in found if _is_under_way(path))


def _named(root: Path, pattern: str) -> list[Path]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise InputError(
            "input paths must stay under inputs.root", got=pattern, remedy="move the file there or change inputs.root"
        )
    try:
        return sorted(path for path in root.glob(pattern) if path.is_file())
    except ValueError as error:
        raise InputError("an input path must be a path or a glob pattern", got=pattern, remedy=str(error)) from error


def _is_wild(pattern: str) -> bool:
    return any(sign in pattern for sign in _WILD)


def _is_under_way(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower().endswith(_UNDER_WAY)
