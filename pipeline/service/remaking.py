"""One hour of a reprocessing: what is asked for, and its making, here or in another process; nothing is committed here.

What is asked for holds all that the hour may know of, so that who makes it opens neither database nor store.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.jit import one_blas_thread
from pipeline._version import __version__
from pipeline.case import Progress, quiet
from pipeline.errors import StoreError, TianyanError
from pipeline.grid import HourVersion
from pipeline.ingest import sandbox
from pipeline.service import making
from pipeline.service.making import Domain, Version
from pipeline.service.place import Place
from pipeline.service.runs import Outcome
from pipeline.service.service import Service
from pipeline.service.stages import Stages
from pipeline.service.window import Known, last_hour, window_of


@dataclass(frozen=True)
class Asked:
    """An hour to be made again.

    Parameters
    ----------
    name
        Of the reprocessing.
    hour
        UTC.
    newest
        The hour that ends its window.
    known
        What the window may read.
    signature
        Digest of that.
    key
        Of the version of this reprocessing that is there already; "" when there is none.
    sequence
        Of the branch's end when this was asked.
    oldest
        The oldest hour that is being made at the same time.
    """

    name: str
    hour: np.datetime64
    newest: np.datetime64
    known: Known
    signature: str
    key: str
    sequence: int
    oldest: np.datetime64


@dataclass(frozen=True, eq=False)
class Remade:
    """What became of an hour.

    Parameters
    ----------
    version
        To be committed; None when nothing is to be.
    error
        Why it could not be made; "" when it could, or when the version there is just this.
    seconds
        By stage.
    """

    version: Version | None
    error: str = ""
    seconds: dict[str, float] | None = None


def ask(
    service: Service, name: str, hour: np.datetime64, newest: np.datetime64, *, oldest: np.datetime64
) -> Asked | None:
    """Return what is to be made of an hour on a branch; None when it is made from just what there is.

    It is made from the window whose lag it ends, or from its own when that is not over. What was made when the clock
    was further on keeps its later window.

    Parameters
    ----------
    newest
        Newest hour that is due.
    oldest
        As of `Asked`.
    """
    place = service.place
    with service.store.at(branch=name) as reader:
        manifest, sequence = reader.manifest(hour), reader.seq
    later = hour + np.timedelta64(place.cycle.lag_hours, "h")
    is_over = later <= newest or (manifest is not None and last_hour(manifest) >= later)
    window = window_of(place, later if is_over else hour)
    signature, key = service.signatures.of(window), ""
    if manifest is not None and manifest["status"] == name:
        made_of = (manifest["signature"], manifest["code"], last_hour(manifest))
        if made_of == (signature, __version__, window.hour):
            return None
        key = str(manifest["key"])
    known = Known.of(window, service.inputs, service.elsewhere)
    return Asked(name, hour, window.hour, known, signature, key, sequence, oldest)


def remake(place: Place, domain: Domain, asked: Asked, *, progress: Progress = quiet) -> Remade:
    """Make an hour; what stops it alone is told, not raised.

    Linear algebra runs in one thread, whoever makes the hour: with several a sum's order, and so its last bits, are
    those of their number.

    Parameters
    ----------
    place
        Of the process that makes it.
    """
    stages = Stages()
    try:
        with one_blas_thread():
            version = _made(place, domain, asked, stages, progress)
    except (TianyanError, OSError) as error:
        return Remade(None, str(error), stages.seconds)
    finally:
        sandbox.finish()
    return Remade(version, seconds=stages.seconds)


def _made(place: Place, domain: Domain, asked: Asked, stages: Stages, progress: Progress) -> Version | None:
    window = window_of(place.keeping(asked.oldest), asked.newest)
    prepared = making.prepare(place, domain, window, asked.known, asked.known, stages, progress=progress)
    if prepared.key == asked.key:
        return None
    found = making.versions(place, domain, prepared, stages, progress=progress)
    version = next((one for one in found if one.hour == asked.hour), None)
    if version is None:
        raise StoreError(
            "the window must have a solution",
            got="; ".join(prepared.reasons),
            remedy="see its inputs",
            where=str(asked.hour),
        )
    told = {"status": asked.name, "signature": asked.signature}
    return Version(version.hour, version.data, version.manifest | told)


class Book:
    """Where what became of hours is written down: the store's branch, the outcome of the run, its log.

    Parameters
    ----------
    service
        Of the run, which holds its lock.
    name
        Of the reprocessing.
    outcome
        Filled in.
    """

    def __init__(self, service: Service, name: str, outcome: Outcome) -> None:
        self._service, self._name, self._outcome = service, name, outcome

    def enter(self, hour: np.datetime64, asked: Asked | None, made: Remade | None) -> None:
        """Commit what became of an hour; what stops this hour alone is told.

        Parameters
        ----------
        asked, made
            None when nothing had to be made.
        """
        service, outcome = self._service, self._outcome
        if asked is None or made is None or (made.version is None and not made.error):
            outcome.same.append(hour)
            return
        try:
            if made.version is None:
                self._failed(hour, made.error)
            elif self._commit(asked, made.version):
                condition = made.version.manifest["condition"]
                service.log.info("hour", hour=str(hour), branch=self._name, condition=condition, seconds=made.seconds)
                outcome.made.append(hour)
            else:
                outcome.same.append(hour)
        except (TianyanError, OSError) as error:
            self._failed(hour, str(error))

    def _commit(self, asked: Asked, version: Version) -> bool:
        """Return whether anything was written."""
        done = self._service.store.commit(
            [HourVersion(version.hour, version.data, version.manifest)],
            at=self._service.clock.wall(),
            message=f"{self._name} {asked.hour}",
            branch=self._name,
            expected_seq=asked.sequence,
        )
        return done.written

    def _failed(self, hour: np.datetime64, why: str) -> None:
        self._outcome.failed[hour] = why
        self._service.log.warn("hour failed", hour=str(hour), branch=self._name, error=why)
