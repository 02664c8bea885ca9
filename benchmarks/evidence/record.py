"""What is kept of a piece beside its pictures: what it was made from, by which code, and what it says."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.provenance import file_digest

ROOT = Path(__file__).resolve().parents[2]
#: sources whose change makes a piece another: the numbers come from these
_NUMERICS = (
    "kernels", "station_meta", "pipeline/grid", "pipeline/ingest", "pipeline/transport", "pipeline/inversion",
    "pipeline/osse", "pipeline/settings", "pipeline/case.py", "pipeline/footprints.py",
    "pipeline/footprints_weather.py", "pipeline/schema.py", "pipeline/units.py",
)  # fmt: skip
_KINDS = ("*.py", "*.csv", "*.toml")


@dataclass
class Record:
    """One piece as it was made.

    Parameters
    ----------
    piece
        Its name.
    command
        What makes it alone.
    size
        "full" or "quick".
    version, commit, code
        Of tianyan; that last changed the sources that make numbers, empty outside a checkout; digest of these sources
        and of the evidence's own.
    made
        UTC day.
    seconds
        Wall time, without parts that an earlier, stopped rebuild had made.
    seeds
        By name.
    inputs
        SHA-256 by name; of a folder, of its files' digests in the order of their paths.
    steps
        Commands that make the parts, in order.
    outputs
        SHA-256 of each file written, by its path from the folder of the evidence.
    pictures
        (path, caption) in the order they are shown.
    tables
        (path, caption).
    findings
        Sentences with the numbers of this rebuild.
    shown
        Markdown tables in the index, each with its numbers.
    absent
        Why it could not be made; empty when it was.
    """

    piece: str
    command: str
    size: str
    version: str = __version__
    commit: str = ""
    code: str = ""
    made: str = ""
    seconds: float = 0.0
    seeds: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    pictures: list[tuple[str, str]] = field(default_factory=list)
    tables: list[tuple[str, str]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    absent: str = ""

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """Return what `write` wrote; None when there is nothing."""
        if not path.is_file():
            return None
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def stands(self, folder: Path) -> bool:
        """Return whether every file it wrote is still there as it was written."""
        return all(
            (folder / name).is_file() and file_digest(folder / name) == one for name, one in self.outputs.items()
        )


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of a file, or over the files under a folder: their paths and digests, sorted by path."""
    if folder.is_file():
        return file_digest(folder)
    return joined_digest(
        (path.relative_to(folder).as_posix(), file_digest(path)) for path in folder.rglob("*") if path.is_file()
    )


def joined_digest(parts: Iterable[tuple[str, str]]) -> str:
    """Return one digest over (name, digest) pairs, in the order of their names."""
    text = "".join(f"{one}  {name}\n" for name, one in sorted(parts))
    return hashlib.sha256(text.encode()).hexdigest()


def code_digest() -> str:
    """Return the digest of the sources that make numbers, and of the evidence's own."""
    return _sources_digest((*_NUMERICS, "benchmarks"))


def numerics_digest() -> str:
    """Return the digest of the sources that make the numbers of a simulated world or a case."""
    return _sources_digest(_NUMERICS)


def _sources_digest(names: tuple[str, ...]) -> str:
    found = []
    for name in names:
        top = ROOT / name
        files = [top] if top.is_file() else [path for kind in _KINDS for path in top.rglob(kind)]
        found += [(path.relative_to(ROOT).as_posix(), file_digest(path)) for path in files]
    return joined_digest(found)


def commit() -> str:
    """Return the commit that last changed the sources that make numbers, with a plus when files differ from it.

    Empty outside a checkout.
    """
    try:
        head = _git("log", "-1", "--abbrev=12", "--format=%h", "--", *_NUMERICS)
        changed = _git("status", "--porcelain", "--", *_NUMERICS)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")


def _git(*asked: str) -> str:
    return subprocess.run(["git", *asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
