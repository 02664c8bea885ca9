"""Versions of a store that are open: readers borrow one, and it stays what it was while they read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.answers import HoursSource, RunSource, Source, parse_as_of
from pipeline.answers.query import hours_store_at
from pipeline.errors import CorruptError, InputError
from pipeline.grid import MAIN, HourStore
from pipeline.serve.borders import borders
from pipeline.serve.edition import Edition

T = TypeVar("T")
#: versions kept open when nobody reads them
_KEPT = 3
#: versions tried before the newest, when that cannot be read
_BEFORE = 5
#: times a run is asked while others take its place
_TRIES = 3


@dataclass(frozen=True)
class Told:
    """Which version a reply comes from.

    Parameters
    ----------
    id
        Of the version.
    pinned
        Whether it was asked for by its id.
    newest
        Id of the newest, when that could not be read.
    """

    id: str
    pinned: bool = False
    newest: str = ""


class Unreadable(Exception):
    """A version cannot be read; `version` says which."""

    def __init__(self, version: str, why: str) -> None:
        super().__init__(why)
        self.version = version


class GoneError(InputError):
    """A version is not, or no longer, kept: said where a 404 would mean that its numbers are missing."""


class Shelf:
    """A store and its open versions; many threads may borrow at once.

    Parameters
    ----------
    store
        Folder, as `open_source` takes it.

    Raises
    ------
    InputError, StoreError
        When there is no store.
    """

    def __init__(self, store: Path) -> None:
        found = hours_store_at(store)
        self.path = found or store
        self.store = HourStore.open(found) if found is not None else None
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Edition] = OrderedDict()
        self._readers: dict[str, int] = {}
        self._closing = False
        #: of a run: what tells its folder from another's, and its id
        self._run: tuple[tuple[int, int] | None, str] | None = None
        if self.store is None:
            self._run_now()

    def warm(self) -> None:
        """Open the newest version, and make what the first page needs.

        Raises
        ------
        StoreError
            When no version of the store is one that this code can read.
        """

        def make(edition: Edition, _: Told) -> None:
            edition.ranges()
            for level in dict.fromkeys(edition.source.regions.levels):
                borders(edition.source, level)

        # a damaged version is told to whoever asks
        with suppress(Unreadable):
            self.answer(None, None, make)

    def answer(
        self, version: str | None, as_of: str | None, work: Callable[[Edition, Told], T], *, live: bool = True
    ) -> T:
        """Return what some work makes of a version; of the one before, when the newest cannot be read.

        Parameters
        ----------
        version, as_of
            What was asked for; neither is the newest.
        work
            What is to be done; its numbers come from that version alone.
        live
            Whether an earlier version may stand in for the newest.

        Raises
        ------
        InputError
            When the version is not known.
        Unreadable
            When it, or the newest and those before it, cannot be read.
        """
        if self.store is None:
            return self._of_run(version, as_of, work)
        wanted = self._wanted(version, as_of)
        pinned = version is not None
        newest, why = "", ""
        before = self._before(self.store, wanted) if live and version is None and as_of is None else []
        for one in [wanted, *before]:
            try:
                with self.lend(one) as edition:
                    return work(edition, Told(one, pinned, newest))
            except CorruptError as error:
                newest, why = newest or one, why or str(error)
        raise Unreadable(newest, why)

    @contextmanager
    def lend(self, version: str) -> Iterator[Edition]:
        """Give a version that stays open until it is given back.

        Raises
        ------
        StoreError
            When it is no longer kept, or cannot be read.
        """
        with self._lock:
            edition = self._open.get(version)
            if edition is not None:
                self._open.move_to_end(version)
                self._readers[version] = self._readers.get(version, 0) + 1
        if edition is None:
            source: Source = RunSource(self.path) if self.store is None else HoursSource(self.store, version=version)
            edition = self._keep(Edition(source), lent=True)
        try:
            yield edition
        finally:
            with self._lock:
                self._readers[version] -= 1
            self._let_go()

    def versions(self) -> dict[str, Any]:
        """Return the newest version, those before it, and releases by name."""
        if self.store is None:
            run = self._run_now()[1]
            return {"newest": run, "versions": [{"id": run, "commit": None, "at": None, "kind": "run"}], "releases": []}
        found = [
            {"id": one.snapshot, "commit": one.seq, "at": one.at, "kind": one.kind}
            for one in self.store.records()
            if one.branch == MAIN
        ]
        releases = [{"name": name, "id": snapshot} for name, snapshot in sorted(self.store.tags().items())]
        return {"newest": self._newest(self.store), "versions": found[::-1], "releases": releases}

    def close(self) -> None:
        """Let go of all versions that nobody reads."""
        self._closing = True
        self._let_go()

    def _wanted(self, version: str | None, as_of: str | None) -> str:
        """Return the id of what was asked for; a name that is not on the list never reaches the disk."""
        if version is not None and as_of is not None:
            raise InputError("a version is named once", got="version and as_of", remedy="give one", where="query")
        if self.store is None:
            run = self._run_now()[1]
            if as_of is not None or version not in (None, run):
                raise _unknown(version or as_of, f"a run has one: {run}")
            return run
        if as_of is not None:
            return self.store.snapshot_of(parse_as_of(as_of))
        return self._newest(self.store) if version is None else self._named(self.store, version)

    def _run_now(self) -> tuple[tuple[int, int] | None, str]:
        """Return the run in the folder, its mark and its id: another may have been put in its place."""
        found, known = _mark(self.path), self._run
        if known is None or found not in (None, known[0]):
            known = self._run = found, self._keep(Edition(RunSource(self.path))).source.version.id
        return known

    def _of_run(self, version: str | None, as_of: str | None, work: Callable[[Edition, Told], T]) -> T:
        """Return what some work makes of a run; again, when another took its place meanwhile."""
        told = ""
        for _ in range(_TRIES):
            mark, told = self._run_now()[0], self._wanted(version, as_of)
            try:
                with self.lend(told) as edition:
                    done = work(edition, Told(told, version is not None))
            except Exception as error:
                if _mark(self.path) != mark:
                    continue
                # Zarr's words of a chunk that is not as it was written, which have no type of their own
                if isinstance(error, CorruptError) or (isinstance(error, ValueError) and "checksum" in str(error)):
                    raise Unreadable(told, str(error)) from error
                raise
            # what was read since is the other's
            if _mark(self.path) == mark:
                return done
        raise Unreadable(told, "another is put in its place")

    def _newest(self, store: HourStore) -> str:
        try:
            return store.snapshot_of()
        except CorruptError as error:
            # the ref is damaged; the journal knows what it said
            found = [one.snapshot for one in store.records() if one.branch == MAIN]
            if not found:
                raise Unreadable("newest", str(error)) from error
            return found[-1]

    def _named(self, store: HourStore, version: str) -> str:
        with self._lock:
            if version in self._open:
                return version
        if version in {one.snapshot for one in store.records()}:
            return version
        tags = store.tags()
        if version not in tags:
            raise _unknown(version, f"releases are {', '.join(tags) or 'none'}; /api/versions lists all")
        return tags[version]

    def _before(self, store: HourStore, version: str) -> list[str]:
        """Return the versions of the store before one, newest first."""
        ids = [one.snapshot for one in store.records() if one.branch == MAIN and one.snapshot]
        older = ids[: ids.index(version)] if version in ids else ids
        return older[::-1][:_BEFORE]

    def _keep(self, edition: Edition, *, lent: bool = False) -> Edition:
        """Put a version on the shelf, and return the one that stands there: another thread may have been first."""
        version = edition.source.version.id
        with self._lock:
            found = self._open.setdefault(version, edition)
            if lent:
                self._readers[version] = self._readers.get(version, 0) + 1
        if found is not edition:
            edition.close()
        return found

    def _let_go(self) -> None:
        """Close what nobody reads, beyond what is kept."""
        with self._lock:
            idle = [version for version in self._open if not self._readers.get(version)]
            gone = idle if self._closing else idle[: max(0, len(self._open) - _KEPT)]
            closing = [self._open.pop(version) for version in gone]
            for version in gone:
                self._readers.pop(version, None)
        for edition in closing:
            edition.close()


def _mark(folder: Path) -> tuple[int, int] | None:
    """Return what tells a run's folder from one that is put in its place (written aside and renamed); None if none."""
    try:
        told = (folder / "zarr.json").stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns


def _unknown(version: str | None, remedy: str) -> InputError:
    return InputError("the version must be one of the store's", got=version, remedy=remedy, where="version")
