"""The journal of a store: one line for each move of a branch, in the order of a counter.

It is an index. What it says stands in the commits too, and it is made again from them when it lags or is damaged; only
moves back (repairs) stand nowhere else.
"""

from __future__ import annotations

import bisect
import itertools
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.grid.hours_files import put, sync_folder


@dataclass(frozen=True)
class Record:
    """A line of the journal.

    Parameters
    ----------
    seq
        Number of the commit.
    snapshot
        What the branch points to since.
    at
        When, by the caller's clock: ISO 8601, UTC.
    branch
        Which moved.
    kind
        create, commit, seal, extend, branch, adopt or repair.
    hours
        Runs of hours that were written: first hour since 1970, and how many.
    message
        The caller's.
    """

    seq: int
    snapshot: str
    at: str
    branch: str
    kind: str
    hours: tuple[tuple[int, int], ...] = ()
    message: str = ""

    @property
    def metadata(self) -> dict[str, Any]:
        """What the commit itself says of it."""
        found = asdict(self)
        del found["snapshot"], found["message"]
        return found | {"hours": [list(run) for run in self.hours]}


def record_of(snapshot: str, metadata: dict[str, Any], message: str) -> Record | None:
    """Return the line for a commit; None when it is none of ours."""
    try:
        hours = tuple((int(first), int(count)) for first, count in metadata["hours"])
        return Record(
            int(metadata["seq"]),
            snapshot,
            str(metadata["at"]),
            str(metadata["branch"]),
            str(metadata["kind"]),
            hours,
            message,
        )
    except (KeyError, TypeError, ValueError):
        return None


def runs(hours: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return sorted hours as runs.

    Examples
    --------
    >>> runs([5, 3, 4, 9])
    ((3, 3), (9, 1))
    """
    out: list[tuple[int, int]] = []
    for hour in sorted(set(hours)):
        if out and sum(out[-1]) == hour:
            out[-1] = (out[-1][0], out[-1][1] + 1)
        else:
            out.append((hour, 1))
    return tuple(out)


#: bytes by which a file is known again: a line with its checksum
_END = 512


class Journal:
    """The file.

    Parameters
    ----------
    path
        It may be missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        #: bytes and lines that were read and whole, and the end of them: it grows, or is another file
        self._known: tuple[int, bytes, list[Record]] = (0, b"", [])

    def read(self) -> tuple[list[Record], bool]:
        """Return all whole lines, and whether there was nothing else.

        What a kill left of a last line is dropped without a word: the commit itself has it.
        """
        size, end, known = self._known
        try:
            with self._path.open("rb") as file:
                file.seek(size - len(end))
                if file.read(len(end)) != end:
                    file.seek(0)
                    size, end, known = 0, b"", []
                content = file.read()
        except FileNotFoundError:
            return [], False
        records, whole = list(known), True
        *lines, torn = content.split(b"\n")
        for line in filter(None, lines):
            record = _parsed(line)
            if record is None:
                whole = False
            else:
                records.append(record)
        if whole:
            read = content[: len(content) - len(torn)]
            self._known = (size + len(read), (end + read)[-_END:], list(records))
        return records, whole and bool(records)

    def append(self, record: Record) -> None:
        """Add a line, on the disk when this returns."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (b"\n" if torn else b"") + _line(record))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self._path.parent)

    def replace(self, records: Sequence[Record]) -> None:
        """Write all lines anew."""
        put(self._path, b"".join(map(_line, records)))


def _line(record: Record) -> bytes:
    text = json.dumps(asdict(record), ensure_ascii=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parsed(line: bytes) -> Record | None:
    try:
        check, text = line.split(b" ", 1)
        if int(check, 16) != zlib.crc32(text):
            return None
        found = json.loads(text)
        return Record(**{**found, "hours": tuple((a, b) for a, b in found["hours"])})
    except (ValueError, TypeError, KeyError):
        return None


def newest_at(records: Sequence[Record], branch: str, as_of: datetime) -> Record | None:
    """Return the newest move of a branch up to a time; None when there was none yet, or it is no longer known.

    The order is the counter's. A clock that went back gives a commit the time of the latest before it: what readers
    could see then was what came first.
    """
    mine = [record for record in records if record.branch == branch]
    latest = list(itertools.accumulate((datetime.fromisoformat(r.at) for r in mine), max))
    number = bisect.bisect_right(latest, as_of)
    if not number:
        return None
    found = mine[number - 1]
    if number < len(mine):
        # a number nobody has was removed by retention, and may have been this branch's
        known = {record.seq for record in records}
        if any(seq not in known for seq in range(found.seq + 1, mine[number].seq)):
            return None
    return found
