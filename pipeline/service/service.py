"""The service of a case: deliveries taken, one hour made and committed.

A window gives versions of two hours: of its newest, and of the one whose lag it ends. A version from a later window is
never replaced by one from an earlier window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

import numpy as np

from pipeline._version import __version__
from pipeline.case import Progress, quiet
from pipeline.errors import CorruptError
from pipeline.grid import HourStore, HourVersion
from pipeline.ingest import Contents, sandbox, sources_of
from pipeline.service import making, product
from pipeline.service.clock import SYSTEM, Clock
from pipeline.service.database import open_database
from pipeline.service.elsewhere import Elsewhere, digest_of
from pipeline.service.inputs import Inputs, Looked
from pipeline.service.ledger import DONE, FAILED, RUNNING, Entry, Ledger
from pipeline.service.log import Log
from pipeline.service.making import Domain
from pipeline.service.place import Place
from pipeline.service.spool import Spool
from pipeline.service.stages import Stages
from pipeline.service.window import Signatures, last_hour, window_of

#: an hour that took its process down so often is not solved again, but is the prior
_DEADLY = 3
#: what the ledger calls the digest of the inputs that were found good
_PRIOR = "prior"


class Service:
    """The service of one case; of one run, which holds its lock.

    Parameters
    ----------
    place
        The case.
    log
        Where what happens is told.
    clock
        The time.
    """

    def __init__(self, place: Place, log: Log, clock: Clock = SYSTEM) -> None:
        self.place, self.log, self.clock = place, log, clock
        database = open_database(place.database)
        self.ledger = Ledger(database)
        self.inputs = Inputs(
            database,
            Spool(place.spool),
            place.root,
            sources_of(place.settings),
            place.config,
            place.folder / "recalled.txt",
        )
        self.elsewhere = Elsewhere(database, place.settings, place.root)
        self._domain: Domain | None = None
        self._store: HourStore | None = None
        self._signatures: Signatures | None = None

    @property
    def domain(self) -> Domain:
        """Grid and regions of the case; made when first asked for."""
        if self._domain is None:
            self._domain = making.domain_of(self.place)
        return self._domain

    @property
    def store(self) -> HourStore:
        """The store; made when it is missing."""
        if self._store is None:
            asked = product.template(self.place.settings, self.domain.grid, self.domain.regions)
            if HourStore.is_there(self.place.store):
                self._store = HourStore.open(self.place.store)
                self._store.require_template(asked)
            else:
                self._store = HourStore.create(self.place.store, asked, start=self.place.service.first)
        return self._store

    def settle(self) -> None:
        """Bring the store back to what is whole, and the ledger in line with it, before anything is made."""
        if HourStore.is_there(self.place.store):
            self._reconcile(self._opened())
        elif self.ledger.entries():
            self.ledger.forget()

    def _opened(self) -> HourStore:
        """Return the store that is there, brought back to what is whole if its newest commit cannot be read."""
        try:
            store = HourStore.open(self.place.store)
            store.at().close()
        except CorruptError as error:
            done = HourStore.repair(self.place.store, at=self.clock.wall())
            lost = [str(hour) for hour in (*done.recompute, *done.lost)]
            self.log.warn("store repaired", error=str(error), hours=lost)
            # which may have taken hours back: what the ledger says of them is of a store that is gone
            self.ledger.forget()
            store = HourStore.open(self.place.store)
        return store

    def _reconcile(self, store: HourStore) -> None:
        """Let the ledger say of every hour what the store says, where they cannot both be right.

        The ledger was lost, or is older than the store (a run was killed after its commit); or the store went back, by
        a repair or from a backup.
        """
        entries = self.ledger.entries()
        newest = max((entry.sequence for entry in entries.values()), default=0)
        with store.at() as reader:
            hours = reader.hours()
            if newest == reader.seq or (newest == 0 and not hours.size) or (entries and newest < reader.seq):
                return
            found = reader.manifests(hours[0], hours[-1] + np.timedelta64(1, "h")) if hours.size else {}
        self.ledger.forget()
        for manifest in found.values():
            # a window whose other hour has a version of an earlier one is still to be made
            windows = [found.get(hour) for hour in making.wanted(self.place, last_hour(manifest))]
            if all(one is not None and last_hour(one) >= last_hour(manifest) for one in windows):
                self.ledger.put(_entry_of(manifest))
        self.log.warn("ledger made again from the store", hours=len(found))

    def follow_store(self) -> None:
        """Make the ledger again from the store, whose main branch is another now."""
        self.ledger.forget()
        self._reconcile(self.store)

    @property
    def signatures(self) -> Signatures:
        """Of what there was at the last look."""
        if self._signatures is None:
            self._signatures = Signatures(self.place, self.inputs, self.elsewhere)
        return self._signatures

    def look(self, progress: Progress = quiet) -> Looked:
        """Take what is new in the inbox, and see which weather there is.

        Raises
        ------
        ConfigError, InputError, GridError
            When a file of the prior cannot be used: nothing is made then.
        """
        found = self.inputs.look(
            lambda: Contents(self.place.settings, self.place.root, cache=self.place.cache),
            self.clock.wall(),
            self.place.service.quiet_seconds,
            lambda done, of: progress("deliveries", done, of),
        )
        self.elsewhere.look()
        self._signatures = None
        for path, error in found.refused:
            self.log.warn("set aside", file=path, reason=error)
        self._require_prior()
        return found

    def _require_prior(self) -> None:
        """Raise unless the prior can be used; what was found good is not looked at again until a file changes."""
        files = [[path.relative_to(self.place.root).as_posix(), digest] for path, digest in self.elsewhere.static()]
        asked = digest_of([__version__, self.place.config, files])
        if self.ledger.noted(_PRIOR) != asked:
            making.require_prior(self.place)
            self.ledger.note(_PRIOR, asked)

    def is_made(self, hour: np.datetime64, entry: Entry | None) -> bool:
        """Return whether an hour is made from just what there is."""
        if entry is None or entry.state != DONE:
            return False
        return entry.signature == self.signatures.of(window_of(self.place, hour))

    def make(self, hour: np.datetime64, *, progress: Progress = quiet, force: bool = False) -> bool:
        """Make one hour, unless it is made from just what there is; return whether a version was written.

        Parameters
        ----------
        hour
            UTC.
        force
            Solve it though nothing changed.

        Raises
        ------
        ConfigError, StoreError, OSError
            Nothing is committed then.
        """
        hour = hour.astype("datetime64[h]")
        before = self.ledger.entry(hour)
        if not force and self.is_made(hour, before):
            return False
        last = Entry(hour, DONE) if before is None or before.state == DONE else before
        # it says running where its process was killed
        deaths = last.deaths + (last.state == RUNNING)
        entry = Entry(hour, RUNNING, last.tries + 1, deaths, at=self._now(), config=self.place.config, code=__version__)
        self.ledger.put(entry)
        stages = Stages()
        try:
            written, entry = self._made(entry, stages, force, progress)
        except Exception as error:
            self.ledger.put(replace(entry, state=FAILED, error=str(error), at=self._now(), seconds=stages.seconds))
            raise
        except BaseException:
            # told to stop: that is no fault of the hour
            if before is None:
                self.ledger.drop(hour)
            else:
                self.ledger.put(before)
            raise
        finally:
            sandbox.finish()
        self.ledger.put(replace(entry, state=DONE, at=self._now(), seconds=stages.seconds))
        told = {"condition": entry.condition, "written": written, "sequence": entry.sequence}
        self.log.info("hour", hour=str(hour), **told, seconds=stages.seconds, processor=stages.processor)
        return written

    def _made(self, entry: Entry, stages: Stages, force: bool, progress: Progress) -> tuple[bool, Entry]:
        """Read, solve and commit an hour; return whether a version was written, and its entry."""
        hour, place = entry.hour, self.place
        window = window_of(place, hour)
        entry = replace(entry, signature=self.signatures.of(window))
        with stages.stage("store"):
            reader = self.store.at()
            known = {at: reader.manifest(at) for at in making.wanted(place, hour)}
        targets = [at for at, manifest in known.items() if manifest is None or last_hour(manifest) <= hour]
        if not targets:
            # every hour it would tell of has a version of a later window
            return False, replace(entry, condition="superseded")
        give_up = f"{entry.deaths} tries took their process down" if entry.deaths >= _DEADLY else ""
        prepared = making.prepare(
            place, self.domain, window, self.inputs, self.elsewhere, stages, give_up=give_up, progress=progress
        )
        entry = replace(entry, key=prepared.key)
        current = [known[at] for at in targets]
        if not force and all(m is not None and (m["key"], last_hour(m)) == (prepared.key, hour) for m in current):
            newest = current[-1]
            assert newest is not None
            return False, replace(entry, sequence=newest["seq"], condition=newest["condition"])
        made = making.versions(place, self.domain, prepared, stages, progress=progress)
        versions = []
        for one in made:
            if one.hour in targets:
                told = {"signature": entry.signature, "status": _status(known[one.hour], one.manifest["status"])}
                versions.append(HourVersion(one.hour, one.data, one.manifest | told))
        progress("committing", 0, 0)
        with stages.stage("commit"):
            commit = self.store.commit(versions, at=self.clock.wall(), message=str(hour), expected_seq=reader.seq)
        condition = str(versions[-1].manifest["condition"]) if versions else "superseded"
        return commit.written, replace(entry, sequence=commit.seq, condition=condition)

    def _now(self) -> str:
        return self.clock.wall().astimezone(UTC).isoformat(timespec="seconds")


def _status(before: Mapping[str, Any] | None, status: str) -> str:
    """Return the status of a version that follows another: what was consolidated or reprocessed stays so."""
    return status if before is None or before["status"] in (making.P0, making.P1, making.P2) else before["status"]


def _entry_of(manifest: Mapping[str, Any]) -> Entry:
    """Return what the ledger says of the window that a version was made from."""
    return Entry(
        last_hour(manifest),
        DONE,
        signature=str(manifest.get("signature", "")),
        key=str(manifest["key"]),
        sequence=int(manifest["seq"]),
        condition=str(manifest["condition"]),
        config=str(manifest["config"]),
        code=str(manifest["code"]),
        at=str(manifest["at"]),
    )
