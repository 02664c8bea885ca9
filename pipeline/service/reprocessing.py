"""Hours made again on a branch, with another case file or code: checked whole, and only then what readers see.

While a branch is made the hours on main go on; what they wrote meanwhile is carried over when the branch becomes main.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from pipeline.case import Progress, quiet
from pipeline.errors import ConfigError, CorruptError, StoreError, TianyanError
from pipeline.grid import Commit, HourReader, HourVersion
from pipeline.ingest import sandbox
from pipeline.service import making, product
from pipeline.service.making import Stages
from pipeline.service.place import newest_due
from pipeline.service.runs import Outcome, keep_up
from pipeline.service.service import Service
from pipeline.service.window import last_hour, window_of

_NAME = re.compile(r"R[1-9]\d{0,3}")
#: sigma of float32 fields and of ensembles: the posterior's may exceed the prior's by rounding
_ROUNDING = 1e-3


def require_name(name: str) -> None:
    """Raise unless a name can be that of a reprocessing.

    Raises
    ------
    ConfigError
        For anything but R and a number.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError("a reprocessing is named R and a number", got=name, remedy="call it R1", where="name")


def reprocess(
    service: Service, name: str, hours: Sequence[np.datetime64], outcome: Outcome, *, progress: Progress = quiet
) -> None:
    """Make hours on a branch, which is begun when it is not there; hours it has already are left alone.

    Parameters
    ----------
    service
        Of the run; its case file is the one to make them with.
    name
        R and a number: of the branch, and the status of its versions.
    hours
        UTC.
    outcome
        Filled in.
    """
    require_name(name)
    store = service.store
    if name not in store.branches():
        store.branch(name, at=service.clock.wall())
    newest = newest_due(service.place, outcome.now)
    for number, hour in enumerate(hours):
        keep_up(service, outcome, progress=progress)
        progress(f"{name} {hour}", number, len(hours))
        try:
            written = _remake(service, name, hour, newest, progress)
        except (TianyanError, OSError) as error:
            outcome.failed[hour] = str(error)
            service.log.warn("hour failed", hour=str(hour), branch=name, error=str(error))
        else:
            (outcome.made if written else outcome.same).append(hour)


def release(service: Service, name: str) -> Commit:
    """Let a branch become main, after every version of it was checked; main's old end is tagged.

    Raises
    ------
    StoreError
        When there is no such branch, it has no version of its own, or one that cannot be right: nothing changes.
    """
    require_name(name)
    store = service.store
    if name not in store.branches():
        raise StoreError("there must be the branch", got=name, remedy=f"make it: `tianyan reprocess {name}`")
    with store.at(branch=name) as reader:
        wrong = [f"{hour}: {why}" for hour in reader.hours_of("R") for why in _faults(reader, hour, name)]
        own = [hour for hour in reader.hours_of("R") if _is_of(reader, hour, name)]
    if not own or wrong:
        raise StoreError(
            "a branch must hold versions that can be right before it is released",
            got="; ".join(wrong[:5]) or "no version of its own",
            remedy="make these hours again, or look why they came out so",
            where=name,
        )
    done = store.adopt(name, at=service.clock.wall())
    service.follow_store()
    service.log.info("released", branch=name, hours=len(own), sequence=done.seq)
    return done


def _remake(service: Service, name: str, hour: np.datetime64, newest: np.datetime64, progress: Progress) -> bool:
    """Make one hour on a branch: from the window whose lag it ends, or from its own when that is not over.

    What was made when the clock was further on keeps its later window.
    """
    place, store = service.place, service.store
    with store.at(branch=name) as reader:
        known, seq = reader.manifest(hour), reader.seq
    later = hour + np.timedelta64(place.cycle.lag_hours, "h")
    is_over = later <= newest or (known is not None and last_hour(known) >= later)
    window = window_of(place, later if is_over else hour)
    stages = Stages()
    try:
        prepared = making.prepare(
            place, service.domain, window, service.inputs, service.elsewhere, stages, progress=progress
        )
        if known is not None and (known["status"], known["key"]) == (name, prepared.key):
            return False
        found = making.versions(place, service.domain, prepared, stages, progress=progress)
    finally:
        sandbox.finish()
    told = {"status": name, "signature": service.signatures.of(window)}
    version = next((one for one in found if one.hour == hour), None)
    if version is None:
        raise StoreError(
            "the window must have a solution", got="; ".join(prepared.reasons), remedy="see its inputs", where=str(hour)
        )
    commit = store.commit(
        [HourVersion(hour, version.data, version.manifest | told)],
        at=service.clock.wall(),
        message=f"{name} {hour}",
        branch=name,
        expected_seq=seq,
    )
    service.log.info(
        "hour", hour=str(hour), branch=name, condition=version.manifest["condition"], seconds=stages.seconds
    )
    return commit.written


def _is_of(reader: HourReader, hour: np.datetime64, name: str) -> bool:
    manifest = reader.manifest(hour)
    return manifest is not None and manifest["status"] == name


def _faults(reader: HourReader, hour: np.datetime64, name: str) -> list[str]:
    """Return what cannot be right of one version of a branch."""
    if not _is_of(reader, hour, name):
        return []
    try:
        reader.verify(hour)
        values = reader.values(hour)
    except CorruptError as error:
        return [str(error)]
    fields = [values[field] for field in product.FIELDS]
    if not all(np.isfinite(field).all() for field in fields):
        return ["a field is not finite"]
    _, prior, _, posterior = fields
    if (posterior > prior * (1 + _ROUNDING)).any():
        return ["a posterior sigma exceeds the prior's"]
    return []
