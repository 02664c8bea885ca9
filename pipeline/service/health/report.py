"""What every run leaves behind: health.json, metrics.prom and status.html, each whole or as it was before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pipeline.grid.hours_files import sync_folder
from pipeline.service.clock import Clock
from pipeline.service.health.gather import HEALTH, Ended, gather
from pipeline.service.health.health import health
from pipeline.service.health.metrics import metrics
from pipeline.service.health.page import page
from pipeline.service.log import Log
from pipeline.service.place import Place

METRICS, PAGE = "metrics.prom", "status.html"


class Reported(Protocol):
    """Of what a run tells: a service, or what there is of one that could not be opened."""

    place: Place
    log: Log
    clock: Clock


def report(service: Reported, outcome: Ended) -> None:
    """Write the files of a run that ends; whatever goes wrong is a line of the log, and nothing else.

    Parameters
    ----------
    service
        Of the run; its end stands in the ledger already.
    outcome
        What the run did.
    """
    folder = service.place.folder
    try:
        found = health(gather(service.place, outcome=outcome, clock=service.clock))
    except Exception as error:
        service.log.warn("health not told", error=f"{type(error).__name__}: {error}")
        return
    makers: dict[str, Callable[[], str]] = {
        HEALTH: found.text, METRICS: lambda: metrics(found), PAGE: lambda: page(found)
    }  # fmt: skip
    for name, make in makers.items():
        try:
            put(folder / name, make())
        except Exception as error:
            service.log.warn("not written", file=name, error=f"{type(error).__name__}: {error}")


def put(path: Path, text: str) -> None:
    """Write a file of text so that a reader finds the old one or the new, never half.

    Raises
    ------
    OSError
        When it cannot be written; the old one stays.
    """
    aside = path.with_name(f".{path.name}.tmp")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        # a disk that takes nothing may not let go either
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
