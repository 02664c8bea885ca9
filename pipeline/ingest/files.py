"""Input files by pattern: always under the input folder, always in the same order."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import InputError


def expand(root: Path, pattern: str) -> list[Path]:
    """Return the files a path or glob pattern names under `root`, sorted by name.

    Raises
    ------
    InputError
        When nothing matches, or the pattern leaves the folder.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise InputError(
            "input paths must stay under inputs.root", got=pattern, remedy="move the file there or change inputs.root"
        )
    try:
        found = sorted(path for path in root.glob(pattern) if path.is_file())
    except ValueError as error:
        raise InputError("an input path must be a path or a glob pattern", got=pattern, remedy=str(error)) from error
    if not found:
        raise InputError("an input path must name a file", got=pattern, remedy=f"look in {root}", where="inputs")
    return found
