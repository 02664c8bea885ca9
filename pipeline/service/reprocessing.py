"""Hours made again on a branch, with another case file or code: checked whole, and only then what readers see.

While a branch is made the hours on main go on; what they wrote meanwhile is carried over when the branch becomes main.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import numpy as np

from pipeline.case import Progress, quiet
from pipeline.errors import ConfigError, CorruptError, StoreError
from pipeline.grid import Commit, HourReader
from pipeline.service import product
from pipeline.service.place import newest_due
from pipeline.service.remaking import Book, ask, remake
from pipeline.service.reprocessing_dask import reprocess_on
from pipeline.service.runs import Outcome, keep_up
from pipeline.service.service import Service

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
    service: Service,
    name: str,
    hours: Sequence[np.datetime64],
    outcome: Outcome,
    *,
    scheduler: str | None = None,
    workers: int = 0,
    progress: Progress = quiet,
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
    scheduler
        Who makes them: None for this process, "local" for processes of this machine, of one thread each, otherwise the
        address of a dask.distributed scheduler. The versions are the same, to the bit; this process alone commits
        them, in their order.
    workers
        Processes, for "local"; 0 for all cores.
    """
    require_name(name)
    store = service.store
    if name not in store.branches():
        store.branch(name, at=service.clock.wall())
    newest = newest_due(service.place, outcome.now)
    book = Book(service, name, outcome)
    if scheduler is not None:
        between = partial(keep_up, service, outcome, progress=progress)
        reprocess_on(service, name, hours, newest, book, scheduler, workers, between=between, progress=progress)
        return
    for number, hour in enumerate(hours):
        keep_up(service, outcome, progress=progress)
        progress(f"{name} {hour}", number, len(hours))
        asked = ask(service, name, hour, newest, oldest=hour)
        book.enter(
            hour, asked, None if asked is None else remake(service.place, service.domain, asked, progress=progress)
        )


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
