"""What Dagster is told of the hours that a run of the service made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import dagster as dg
import numpy as np

from pipeline.service.runs import Outcome
from pipeline.service.service import Service

STAGES = {
    "deliveries": "What was new in the inbox when the hour was made: taken, not yet whole, set aside",
    "window": "What the window that ends with the hour read: digests of it, feeds that are missing, seconds",
    "version": "The hour's version in the store: status, condition, counts, and how old the newest hour is",
}
#: failed hours that a run's error names
_NAMED = 10


def specs() -> list[dg.AssetSpec]:
    """Return the stages as assets, each after the one before.

    They are skippable: each hour that is made is told by itself, so that of a range only the hours that failed fail.
    """
    names = list(STAGES)
    return [
        dg.AssetSpec(name, deps=names[max(0, number - 1) : number], description=told, skippable=True)
        for number, (name, told) in enumerate(STAGES.items())
    ]


def events(service: Service, outcome: Outcome, hour: np.datetime64) -> Iterator[dg.AssetMaterialization]:
    """Give what is told of each stage of an hour that was made, or found to be made from just what there is."""
    entry, looked = service.ledger.entry(hour), outcome.looked
    assert entry is not None
    with service.store.at() as reader:
        manifest, newest = reader.manifest(hour) or {}, reader.hours()[-1]
    now = np.datetime64(outcome.now.astimezone(UTC).replace(tzinfo=None))
    told: dict[str, dict[str, Any]] = {
        "deliveries": {"taken": looked.taken, "not_yet_whole": len(looked.waiting), "set_aside": len(looked.refused)},
        "window": {
            "signature": entry.signature,
            "key": entry.key,
            "missing": manifest.get("missing", []),
            "seconds": entry.seconds,
        },
        "version": {
            "written": hour in outcome.made,
            "commit": entry.sequence,
            "condition": entry.condition,
            **{name: manifest[name] for name in ("status", "reasons", "counts") if name in manifest},
            "newest_hour": f"{newest}Z",
            "newest_age_hours": float((now - newest) / np.timedelta64(1, "h")),
        },
    }
    for name in STAGES:
        yield dg.AssetMaterialization(name, partition=f"{hour}Z", metadata=told[name])


def require_none_failed(outcome: Outcome) -> None:
    """Let a run of Dagster fail when an hour failed; the hours that did not are told already.

    Raises
    ------
    dagster.Failure
        With why each failed.
    """
    if outcome.failed:
        lines = [f"{hour}Z: {error}" for hour, error in outcome.failed.items()]
        more = [f"and {len(lines) - _NAMED} more"] if len(lines) > _NAMED else []
        raise dg.Failure("\n".join(lines[:_NAMED] + more), metadata={"failed": len(lines)}, allow_retries=False)
