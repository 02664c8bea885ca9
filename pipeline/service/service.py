"""The service of a case: one hour made and committed, all that is due, the months that are over.

What is due follows from comparing signatures: of what each hour's window may read now, and of what it was made from.
A run that is killed leaves nothing to clean up that the next one does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC

import numpy as np

from pipeline._version import __version__
from pipeline.case import Progress, quiet
from pipeline.grid import HourStore, HourVersion
from pipeline.ingest import Contents, sandbox, sources_of
from pipeline.service import making, product
from pipeline.service.clock import SYSTEM, Clock
from pipeline.service.database import open_database
from pipeline.service.elsewhere import Elsewhere
from pipeline.service.inputs import Inputs, Looked
from pipeline.service.ledger import DONE, FAILED, RUNNING, Entry, Ledger
from pipeline.service.log import Log
from pipeline.service.making import Domain, Stages
from pipeline.service.place import Place
from pipeline.service.spool import Spool
from pipeline.service.window import signature, window_of

#: an hour that took its process down so often is not solved again, but is the prior
_DEADLY = 3


@dataclass
class Outcome:
    """What a run did.

    Parameters
    ----------
    made
        Hours of which a version was written.
    same
        Hours looked at again, of which nothing changed.
    failed
        Hours that could not be made, with why.
    left
        Hours that are due still.
    looked
        What the inbox held.
    skew
        Seconds by which the clock jumped; 0 when it did not.
    """

    made: list[np.datetime64] = field(default_factory=list)
    same: list[np.datetime64] = field(default_factory=list)
    failed: dict[np.datetime64, str] = field(default_factory=dict)
    left: list[np.datetime64] = field(default_factory=list)
    looked: Looked = field(default_factory=Looked)
    skew: float = 0.0


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
            wanted = product.template(self.place.settings, self.domain.grid, self.domain.regions)
            if self.place.store.exists():
                self._store = HourStore.open(self.place.store)
                self._store.require_template(wanted)
            else:
                self._store = HourStore.create(self.place.store, wanted, start=self.place.service.first)
        return self._store

    def look(self, progress: Progress = quiet) -> Looked:
        """Take what is new in the inbox, and see which weather there is."""
        found = self.inputs.look(
            lambda: Contents(self.place.settings, self.place.root),
            self.clock.wall(),
            self.place.service.quiet_seconds,
            lambda done, of: progress("deliveries", done, of),
        )
        self.elsewhere.look()
        for path, error in found.refused:
            self.log.warn("set aside", file=path, reason=error)
        return found

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
        window = window_of(self.place, hour)
        now = signature(self.place, window, self.inputs, self.elsewhere)
        before = self.ledger.entry(hour)
        if not force and before is not None and before.state == DONE and before.signature == now:
            return False
        tries = 1 if before is None or before.state == DONE else before.tries + 1
        entry = Entry(hour, RUNNING, tries, at=self._now(), config=self.place.config, code=__version__)
        self.ledger.put(entry)
        stages = Stages()
        try:
            written, entry = self._made(entry, now, stages, force, progress)
        except Exception as error:
            # a run that is stopped leaves the entry running: the next one counts it as a try
            self.ledger.put(replace(entry, state=FAILED, error=str(error), at=self._now(), seconds=stages.seconds))
            raise
        finally:
            sandbox.finish()
        self.ledger.put(replace(entry, state=DONE, signature=now, at=self._now(), seconds=stages.seconds))
        told = {"condition": entry.condition, "written": written, "sequence": entry.sequence}
        self.log.info("hour", hour=str(hour), **told, seconds=stages.seconds)
        return written

    def _made(self, entry: Entry, signed: str, stages: Stages, force: bool, progress: Progress) -> tuple[bool, Entry]:
        """Read, solve and commit an hour; return whether a version was written, and its entry."""
        hour, place = entry.hour, self.place
        window = window_of(place, hour)
        give_up = f"{entry.tries - 1} tries ended without a word" if entry.tries > _DEADLY else ""
        prepared = making.prepare(
            place, self.domain, window, self.inputs, self.elsewhere, stages, give_up=give_up, progress=progress
        )
        with stages.stage("store"):
            reader = self.store.at()
            expected = reader.seq
            known = reader.manifest(hour)
        if not force and known is not None and known.get("key") == prepared.key and known["signature_of"] == "key":
            return False, replace(entry, key=prepared.key, sequence=known["seq"], condition=known["condition"])
        found = making.versions(place, self.domain, prepared, stages, progress=progress)
        progress("committing", 0, 0)
        with stages.stage("commit"):
            commit = self.store.commit(
                [HourVersion(one.hour, one.data, one.manifest | {"signature": signed}) for one in found],
                at=self.clock.wall(),
                message=f"{hour}",
                expected_seq=expected,
            )
        newest = found[-1].manifest
        return commit.written, replace(entry, key=prepared.key, sequence=commit.seq, condition=newest["condition"])

    def _now(self) -> str:
        return self.clock.wall().astimezone(UTC).isoformat(timespec="seconds")
