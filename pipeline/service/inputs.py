"""The registry of deliveries: what came, what of it counts, which hours it tells of.

The inbox belongs to its senders; what is taken from it stands in the spool, and only that is ever computed with. The
tables are an index: lost, they are made again from spool and inbox.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import InputError, shown
from pipeline.ingest import Contents, Source, sandbox
from pipeline.ingest.files import under_way, whole
from pipeline.service.names import fault_of, folders_of, matching
from pipeline.service.passing import passes
from pipeline.service.spool import Spool, Stamp, stamp_of
from pipeline.service.standing import CURRENT, Delivery, standing

#: of a version: the next one begins with it; it does, and it is not yet known whether that one can be used
_GROWN, _GROWING = 1, 2
_SHA256 = re.compile("[0-9a-f]{64}")
#: why a version counts no more
_DAMAGED = "the copy that was kept is no longer what was delivered, and the inbox does not hold it: deliver it again"

#: called with (done, of)
Told = Callable[[int, int], None]


@dataclass
class Looked:
    """What a look at the inbox found.

    Parameters
    ----------
    taken
        Versions taken now.
    waiting
        Files that still change, or are under way by their name.
    refused
        Files that could not be used, with the reason.
    """

    taken: int = 0
    waiting: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


class Inputs:
    """The deliveries of a case.

    Parameters
    ----------
    database
        Of `open_database`.
    spool
        Where versions stand.
    inbox
        Where files come to.
    sources
        Feeds of the case.
    config
        Digest of the case: what a file says is asked again when it changes.
    recalled
        File with a digest a line: content that its provider withdrew. It may be missing.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        spool: Spool,
        inbox: Path,
        sources: Sequence[Source],
        config: str,
        recalled: Path,
    ) -> None:
        self._db, self._spool, self._inbox, self._sources, self._config = database, spool, inbox, sources, config
        self._recalled = recalled
        #: versions read in this run and found to be what was delivered
        self._whole: set[tuple[str, int, str]] = set()
        if not self._db.execute("SELECT 1 FROM delivery LIMIT 1").fetchone():
            self._restore()

    def look(self, contents: Callable[[], Contents], now: datetime, quiet: float, told: Told | None = None) -> Looked:
        """Take what is new and whole in the inbox, and settle what counts.

        Parameters
        ----------
        contents
            Makes what reads files; called when there is something to read.
        now
            The time.
        quiet
            Seconds without change after which a file is whole.
        told
            Called with how many files were read, of how many.
        """
        out = Looked()
        wanted: dict[str, list[Source]] = {}
        for source in self._sources:
            for found in whole(self._inbox, source.patterns):
                wanted.setdefault(found.relative_to(self._inbox).as_posix(), []).append(source)
            out.waiting += [path.name for path in under_way(self._inbox, source.patterns)]
        known = {row[0]: row[1:] for row in self._db.execute("SELECT * FROM look")}
        delivered = {path for (path,) in self._db.execute("SELECT DISTINCT path FROM delivery")}
        folders = folders_of(delivered)
        for path in sorted(wanted):
            if fault := fault_of(path, delivered, folders):
                out.refused.append((shown(path), fault))
            else:
                self._take(path, known.get(path), now, quiet, out)
        self._settle(contents, told, out)
        return out

    def hours(self, start: int, end: int) -> dict[int, str]:
        """Return a digest of all that counts, of each hour [start, end) since 1970 that has anything."""
        rows = self._db.execute(
            "SELECT c.hour, s.source, c.digest FROM content c JOIN standing s"
            " ON s.sha256 = c.sha256 AND s.source = c.source WHERE s.state = ? AND c.hour >= ? AND c.hour < ?"
            " ORDER BY c.hour, s.source, s.path",
            (CURRENT, start, end),
        )
        found: dict[int, hashlib._Hash] = {}
        for hour, source, digest in rows:
            found.setdefault(hour, hashlib.sha256()).update(f"{source} {digest}\n".encode())
        return {hour: digest.hexdigest() for hour, digest in found.items()}

    def files(self, start: int, end: int) -> list[tuple[str, str, Path]]:
        """Return source, path and place of every version that counts and tells of an hour [start, end)."""
        rows = self._db.execute(
            "SELECT DISTINCT s.source, s.path, s.sequence, s.sha256 FROM standing s JOIN content c"
            " ON s.sha256 = c.sha256 AND s.source = c.source WHERE s.state = ? AND c.hour >= ? AND c.hour < ?"
            " ORDER BY s.source, s.path",
            (CURRENT, start, end),
        )
        return [
            (source, path, self._spool.place(path, number, sha))
            for source, path, number, sha in rows.fetchall()
            if self._is_whole(path, number, sha)
        ]

    def newest(self) -> int | None:
        """Return the newest hour any delivery tells of."""
        row = self._db.execute("SELECT max(hour) FROM content").fetchone()
        return None if row is None else row[0]

    def states(self) -> list[tuple[str, str, str, str]]:
        """Return source, path, state and reason of every version that does not count but for being superseded."""
        rows = self._db.execute(
            "SELECT source, path, state, reason FROM standing WHERE state NOT IN (?, 'superseded') ORDER BY 1, 2",
            (CURRENT,),
        )
        return [tuple(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many versions there are of each state."""
        return dict(self._db.execute("SELECT state, count(*) FROM standing GROUP BY state ORDER BY state"))

    def _is_whole(self, path: str, sequence: int, sha256: str) -> bool:
        """Return whether a version is what was delivered, read once in a run; mended from the inbox if need be.

        One that cannot be counts no more, until the same is delivered again.
        """
        version = (path, sequence, sha256)
        if version in self._whole:
            return True
        if not self._spool.is_whole(*version):
            (size,) = self._db.execute(
                "SELECT bytes FROM delivery WHERE path = ? AND sequence = ?", version[:2]
            ).fetchone()
            if not self._spool.mend(self._inbox / path, *version, size):
                self._db.execute("UPDATE told SET error = ? WHERE sha256 = ?", (_DAMAGED, sha256))
                # its file in the inbox, when there is one again, is looked at
                self._db.execute("DELETE FROM look WHERE path = ?", (path,))
                return False
        self._whole.add(version)
        return True

    def _restore(self) -> None:
        """Fill the index from the spool: a version that the next one begins with was dropped, and is not missed."""
        self._db.execute("BEGIN IMMEDIATE")
        last: tuple[str, int, str] = ("", 0, "")
        for path, sequence, digest in self._spool.versions():
            self._found(path, last[1:] if last[0] == path else None, (sequence, digest))
            last = (path, sequence, digest)
        self._db.execute("COMMIT")

    def _found(self, path: str, before: tuple[int, str] | None, version: tuple[int, str]) -> None:
        """Write down a version that is in the spool."""
        size = self._spool.place(path, *version).stat().st_size
        self._db.execute("INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?, ?, 0)", (path, *version, size, ""))
        if (
            before is not None
            and self._spool.place(path, *before).exists()
            and self._spool.grows(path, before, version)
        ):
            self._grows(path, before[0], _GROWING)

    def _grows(self, path: str, sequence: int, grown: int) -> None:
        self._db.execute("UPDATE delivery SET grown = ? WHERE path = ? AND sequence = ?", (grown, path, sequence))

    def _take(
        self,
        path: str,
        known: tuple[int, int, int, float, int | None] | None,
        now: datetime,
        quiet: float,
        out: Looked,
    ) -> None:
        """Take one file if it is another than it was, and whole."""
        source, stamp, at = self._inbox / path, stamp_of(self._inbox / path), now.timestamp()
        if stamp is None:
            return
        same = known is not None and Stamp(*known[:3]) == stamp
        if same and known is not None and known[4] is not None:
            return
        # a clock that was set back must not let a file wait until it is again what it was
        since = min(known[3], at) if same and known is not None else at
        # by its own clock, or by ours: either may have jumped
        if at - stamp.mtime * 1e-9 < quiet and at - since < quiet:
            out.waiting.append(path)
            self._looked(path, stamp, since, None)
            return
        last = self._db.execute(
            "SELECT sequence, sha256 FROM delivery WHERE path = ? ORDER BY sequence DESC LIMIT 1", (path,)
        ).fetchone()
        # a run that was killed took them
        for version in self._spool.since(path, last[0] if last else 0):
            self._found(path, last, version)
            last = version
        sequence, digest = last or (0, "")
        before = self._spool.place(path, sequence, digest) if last else None
        try:
            taken = self._spool.take(source, path, stamp, sequence + 1, before)
        except InputError as error:
            out.refused.append((path, str(error)))
            if passes(error):
                out.waiting.append(path)
            self._looked(path, stamp, since, None if passes(error) else 0)
            return
        if taken is None:
            out.waiting.append(path)
            self._looked(path, stamp, at, None)
            return
        if taken.sha256 == digest:
            # the one that is kept may be damaged
            self._spool.renumber(path, taken.sequence, sequence, digest)
            self._db.execute("DELETE FROM told WHERE sha256 = ? AND error = ?", (digest, _DAMAGED))
            self._looked(path, stamp, since, sequence)
            return
        self._db.execute("BEGIN IMMEDIATE")
        if taken.grown:
            self._grows(path, sequence, _GROWING)
        seen = now.astimezone(UTC).isoformat(timespec="seconds")
        self._db.execute(
            "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, 0)",
            (path, taken.sequence, taken.sha256, taken.size, seen),
        )
        self._looked(path, stamp, since, taken.sequence)
        self._db.execute("COMMIT")
        out.taken += 1

    def _looked(self, path: str, stamp: Stamp, since: float, sequence: int | None) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO look VALUES (?, ?, ?, ?, ?, ?)",
            (path, stamp.size, stamp.mtime, stamp.inode, since, sequence),
        )

    def _settle(self, contents: Callable[[], Contents], told: Told | None, out: Looked) -> None:
        """Read what was never read, and settle which versions of each feed count."""
        deliveries: dict[str, list[tuple[int, str, int]]] = {}
        for path, *rest in self._db.execute("SELECT path, sequence, sha256, grown FROM delivery ORDER BY 1, 2"):
            deliveries.setdefault(path, []).append((rest[0], rest[1], rest[2]))
        paths = sorted(deliveries)
        of_source = {source.name: matching(paths, source.patterns) for source in self._sources}
        known = {
            (sha, source)
            for sha, source in self._db.execute("SELECT sha256, source FROM told WHERE config = ?", (self._config,))
        }
        unread = [
            (source, path, number, sha)
            for source in self._sources
            for path in of_source[source.name]
            for number, sha, grown in deliveries[path]
            if grown != _GROWN and (sha, source.name) not in known
        ]
        if unread:
            reader = contents()
            for done, (source, path, number, sha) in enumerate(unread):
                if told is not None:
                    told(done, len(unread))
                self._read(reader, source, path, number, sha, out)
            sandbox.finish()
        errors = dict[tuple[str, str], str]()
        for sha, source, error in self._db.execute("SELECT sha256, source, error FROM told WHERE error != ''"):
            errors[sha, source] = error
        self._drop_grown(deliveries, of_source, errors)
        recalled = self._withdrawn(out)
        self._db.execute("BEGIN IMMEDIATE")
        for name, paths in of_source.items():
            given = [
                Delivery(path, number, sha, grown == _GROWN, errors.get((sha, name), ""))
                for path in paths
                for number, sha, grown in deliveries[path]
            ]
            digests = {(one.path, one.sequence): one.sha256 for one in given}
            found = {(name, *at, digests[at], *state) for at, state in standing(given, recalled).items()}
            there = set(self._db.execute("SELECT * FROM standing WHERE source = ?", (name,)))
            self._change(there - found, found - there)
        gone = {row for row in self._db.execute("SELECT * FROM standing") if row[0] not in of_source}
        self._change(gone, ())
        self._db.execute("COMMIT")

    def _drop_grown(
        self,
        deliveries: dict[str, list[tuple[int, str, int]]],
        of_source: dict[str, list[str]],
        errors: dict[tuple[str, str], str],
    ) -> None:
        """Let go of versions that the next one begins with, if that one can be used."""
        for path, versions in deliveries.items():
            for at, (number, sha, grown) in enumerate(versions[:-1]):
                if grown != _GROWING:
                    continue
                names = [name for name, paths in of_source.items() if path in paths]
                usable = any((versions[at + 1][1], name) not in errors for name in names)
                if usable:
                    self._spool.drop(path, number, sha)
                versions[at] = (number, sha, _GROWN if usable else 0)
                self._db.execute("BEGIN IMMEDIATE")
                self._grows(path, number, versions[at][2])
                if usable:
                    self._forget(sha)
                self._db.execute("COMMIT")

    def _forget(self, sha: str) -> None:
        """Forget what a content says, unless it stands under another name too: all of it is in what it grew into."""
        if not self._db.execute("SELECT 1 FROM delivery WHERE sha256 = ? AND grown != ?", (sha, _GROWN)).fetchone():
            self._db.execute("DELETE FROM content WHERE sha256 = ?", (sha,))
            self._db.execute("DELETE FROM told WHERE sha256 = ?", (sha,))

    def _change(self, gone: Iterable[tuple[object, ...]], new: Iterable[tuple[object, ...]]) -> None:
        self._db.executemany(
            "DELETE FROM standing WHERE source = ? AND path = ? AND sequence = ?", [row[:3] for row in gone]
        )
        self._db.executemany("INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?, ?)", list(new))

    def _read(self, reader: Contents, source: Source, path: str, number: int, sha: str, out: Looked) -> None:
        """Ask one version what it tells of each hour."""
        error, config = "", self._config
        hours: dict[int, str] = {}
        try:
            if self._is_whole(path, number, sha):
                with _named(self._spool.place(path, number, sha), path) as named:
                    hours = reader.hours(named, path, source)
                error = "" if hours else "it holds no row with a time"
            else:
                error = _DAMAGED
        except InputError as found:
            # of no case: it is asked again at the next look
            error, config = str(found), "" if passes(found) else config
        if error:
            out.refused.append((path, error))
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM content WHERE sha256 = ? AND source = ?", (sha, source.name))
        self._db.executemany(
            "INSERT INTO content VALUES (?, ?, ?, ?)", [(sha, source.name, h, d) for h, d in hours.items()]
        )
        self._db.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)", (sha, source.name, config, error))
        self._db.execute("COMMIT")

    def _withdrawn(self, out: Looked) -> set[str]:
        """Return the digests of withdrawn content."""
        if not self._recalled.exists():
            return set()
        lines = self._recalled.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        found = {line.split()[0].lower() for line in lines if line.strip() and not line.startswith("#")}
        out.refused += [
            (self._recalled.name, f"a line must begin with a SHA-256; got {shown(word)!r}")
            for word in sorted(found)
            if not _SHA256.fullmatch(word)
        ]
        return found


@contextmanager
def _named(place: Path, path: str) -> Iterator[Path]:
    """Give a version under the name it was delivered by: some files say in their names what they hold."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / Path(path).name
        link.symlink_to(place.resolve())
        yield link
