"""Sums and second copies of the files that say where chunks are: Icechunk gives them neither.

A manifest with a flipped bit may name another chunk for an hour, and every checksum of that chunk would be right. And
one manifest serves all snapshots since it was written: the only one of the coordinates' would be the end of a store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import CorruptError
from pipeline.grid import hours_files


class Sums:
    """Sums of a repository's files, by snapshot, and copies.

    Parameters
    ----------
    path
        Folder of the store: `repo`, `sums` and `copies`.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._repo = path, path / "repo"
        self._whole: set[str] = set()

    def add(self, snapshot: str, parent: str, names: Iterable[str]) -> None:
        """Write sums and copies of a snapshot's files; they are on the disk after the next sync.

        Parameters
        ----------
        snapshot, parent
            Ids.
        names
            Files, "kind/id". The chunks of the parent's sums (of coordinates, that never change) are the snapshot's.
        """
        known = self.of(parent) or {}
        found = {name: value for name, value in known.items() if name.startswith("chunks/")}
        for name in names:
            if name in known:
                found[name] = known[name]
            else:
                content = (self._repo / name).read_bytes()
                found[name] = hashlib.sha256(content).hexdigest()
                _put(self._path / "copies" / name, content)
        self._write(snapshot, found)

    def of(self, snapshot: str) -> dict[str, str] | None:
        """Return the sums of a snapshot's files; None when there are none that are whole."""
        for place in self._places(snapshot):
            try:
                check, text = place.read_bytes().split(b"\n", 1)
            except (FileNotFoundError, ValueError):
                continue
            if hashlib.sha256(text).hexdigest().encode() == check:
                found: dict[str, str] = json.loads(text)
                return found
        return None

    def require(self, snapshot: str) -> None:
        """Raise unless a snapshot's files are what was written; each is read once.

        Raises
        ------
        CorruptError
            When one is missing or another, or there are no sums.
        """
        if f"snapshots/{snapshot}" in self._whole:
            return
        if not (self._repo / "snapshots" / snapshot).exists():
            return
        sums = self.of(snapshot)
        if sums is None:
            raise CorruptError(
                "a snapshot must have sums that are whole", got=snapshot, remedy="run `repair`", where=str(self._path)
            )
        for name, expected in sums.items():
            if name not in self._whole:
                found = self._sum(self._repo / name)
                if found != expected:
                    raise CorruptError(
                        "a file of the store must be as it was written",
                        got=found,
                        remedy="run `repair`",
                        where=f"{self._repo / name}",
                    )
                self._whole.add(name)

    def heal(self) -> list[str]:
        """Put the copy in the place of every file that is not as it was written, and the other way; return which."""
        healed, seen = [], set()
        for snapshot in sorted({path.stem for path in self._path.glob("sums/*.json")} | self._copied()):
            sums = self.of(snapshot)
            if sums is None:
                continue
            for name, expected in sums.items():
                if name in seen:
                    continue
                seen.add(name)
                places = (self._repo / name, self._path / "copies" / name)
                good = [place for place in places if self._sum(place) == expected]
                if len(good) == 1:
                    bad = next(place for place in places if place not in good)
                    hours_files.put(bad, good[0].read_bytes())
                    healed.append(name)
            text = _text(sums)
            for place in self._places(snapshot):
                if not place.exists() or place.read_bytes() != text:
                    hours_files.put(place, text)
        return healed

    def renew(self) -> None:
        """Take over the snapshots that retention wrote anew (without their parent), where what they were was right."""
        for copy in (self._path / "copies" / "snapshots").glob("*"):
            name = f"snapshots/{copy.name}"
            try:
                content = (self._repo / name).read_bytes()
            except FileNotFoundError:
                continue
            old, sums = copy.read_bytes(), self.of(copy.name)
            if content != old and sums is not None and sums.get(name) == hashlib.sha256(old).hexdigest():
                text = _text({**sums, name: hashlib.sha256(content).hexdigest()})
                # one after the other, each on the disk: a power cut must not take both sums
                for place, new in zip((*self._places(copy.name), copy), (text, text, content), strict=True):
                    hours_files.put(place, new)

    def keep(self) -> int:
        """Remove sums and copies of what the repository no longer has; return their bytes."""
        gone = []
        for kind in ("snapshots", "manifests"):
            for copy in (self._path / "copies" / kind).glob("*"):
                if not (self._repo / kind / copy.name).exists():
                    gone.append(copy)
        for folder in ("sums", "copies/sums"):
            for path in (self._path / folder).glob("*.json"):
                if not (self._repo / "snapshots" / path.stem).exists():
                    gone.append(path)
        size = sum(path.stat().st_size for path in gone)
        for path in gone:
            path.unlink()
        return size

    def _copied(self) -> set[str]:
        return {path.stem for path in self._path.glob("copies/sums/*.json")}

    def _write(self, snapshot: str, sums: dict[str, str]) -> None:
        for place in self._places(snapshot):
            _put(place, _text(sums))

    def _places(self, snapshot: str) -> tuple[Path, ...]:
        return tuple(self._path / folder / f"{snapshot}.json" for folder in ("sums", "copies/sums"))

    def _sum(self, path: Path) -> str:
        try:
            return hours_files.sum_of(path)
        except OSError as error:
            return str(error)


def _text(sums: dict[str, str]) -> bytes:
    text = json.dumps(sums, separators=(",", ":")).encode()
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def _put(path: Path, content: bytes) -> None:
    """Write a file that a sync follows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    aside.write_bytes(content)
    aside.replace(path)
