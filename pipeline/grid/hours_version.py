"""A version of an hour: its values, its manifest, and the list of those before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from pipeline.errors import StoreError
from pipeline.grid.hours_layout import MATURITIES, STATES, Layout, rounded

#: what the store itself writes into a manifest
OWN = ("hour", "revision", "seq", "at", "digest", "variables", "revisions")
#: what a line of `revisions` repeats of a version that was superseded
_KEPT = ("revision", "seq", "at", "status", "condition", "key", "digest", "variables")


@dataclass(frozen=True)
class HourVersion:
    """What is to be kept of an hour.

    Parameters
    ----------
    hour
        Start of the hour, UTC.
    data
        Every variable of the store's template, in any order of dims.
    manifest
        How it was made, as JSON can hold it: `status` P0, P1, P2, P3 or R and a number, `condition` full, degraded or
        prior_only, `key` a digest of all it was made from (may be missing), and anything else but what the store
        writes itself (`OWN`).
    """

    hour: np.datetime64
    data: xr.Dataset
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Commit:
    """What came of a commit.

    Parameters
    ----------
    seq
        Its number; of the newest that holds these hours when nothing was written.
    snapshot
        In which the hours can be read.
    hours
        Hours that were written.
    written
        Whether any was.
    """

    seq: int
    snapshot: str
    hours: tuple[np.datetime64, ...]
    written: bool


def stored_values(version: HourVersion, layout: Layout) -> dict[str, np.ndarray]:
    """Return what the store keeps of a version's variables: fields rounded, tables as they are, one kind of NaN.

    Raises
    ------
    StoreError
        When the variables or their sizes are not the store's.
    """
    names = [v.name for v in layout.variables]
    if set(map(str, version.data.data_vars)) != set(names):
        raise StoreError(
            "a version must have the variables of the store",
            got=sorted(set(map(str, version.data.data_vars)) ^ set(names)),
            remedy="give each, NaN where there is nothing",
            where=str(version.hour),
        )
    out = {}
    for variable in layout.variables:
        found = version.data[variable.name]
        if set(found.dims) != set(variable.dims) or found.transpose(*variable.dims).shape != variable.shape:
            raise StoreError(
                "a variable must have the dims and sizes of the store's",
                got=dict(found.sizes),
                remedy=f"give {dict(zip(variable.dims, variable.shape, strict=True))}",
                where=f"{version.hour}:{variable.name}",
            )
        values = np.ascontiguousarray(found.transpose(*variable.dims).values, dtype=variable.dtype)
        out[variable.name] = rounded(values) if variable.is_field else np.where(np.isnan(values), np.nan, values)
    return {name: values.astype(layout.named(name).dtype, copy=False) for name, values in out.items()}


def digests(values: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the SHA-256 of each variable's values of one hour, little-endian, in the order of the template's dims."""
    return {
        name: hashlib.sha256(np.ascontiguousarray(v, dtype=v.dtype.newbyteorder("<")).data).hexdigest()
        for name, v in values.items()
    }


def digest_of(found: Mapping[str, str]) -> str:
    """Return one digest of those of all variables."""
    return hashlib.sha256(json.dumps(dict(found), sort_keys=True).encode()).hexdigest()


def codes(manifest: Mapping[str, Any]) -> tuple[int, int]:
    """Return the numbers that `state` and `maturity` have for a manifest.

    Raises
    ------
    StoreError
        When its status or condition is none of ours.

    Examples
    --------
    >>> codes({"condition": "degraded", "status": "R2"})
    (2, 5)
    """
    condition, status = manifest.get("condition"), str(manifest.get("status"))
    short = "R" if status[:1] == "R" and status[1:].isdigit() else status
    if condition not in STATES[1:] or short not in MATURITIES[1:]:
        raise StoreError(
            "a manifest must have a status and a condition",
            got={"status": manifest.get("status"), "condition": condition},
            remedy=f"give one of {MATURITIES[1:-1]} or R and a number, and one of {STATES[1:]}",
        )
    return STATES.index(condition), MATURITIES.index(short)


def next_manifest(
    version: HourVersion,
    found: Mapping[str, str],
    before: Mapping[str, Any] | None,
    parent: str,
    seq: int,
    at: datetime,
) -> dict[str, Any] | None:
    """Return the manifest of a version as the store writes it; None when the hour's version says the same already.

    Parameters
    ----------
    version
        What is to be kept.
    found
        `digests` of its values.
    before
        The hour's manifest now; None when it has none.
    parent
        Snapshot in which that version can still be read.
    seq, at
        Of the commit under way.

    Raises
    ------
    StoreError
        When the caller's part is not JSON, or has keys of the store's own.
    """
    facts = dict(version.manifest)
    codes(facts)
    taken = sorted(set(facts) & set(OWN))
    try:
        facts = json.loads(json.dumps(facts, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StoreError(
            "a manifest must be JSON without NaN", got=str(error), remedy="give plain values", where=str(version.hour)
        ) from error
    if taken:
        raise StoreError(
            "the store writes these keys of a manifest itself", got=taken, remedy="rename them", where=str(version.hour)
        )
    digest = digest_of(found)
    same = ("status", "condition", "key")
    if before is not None and before["digest"] == digest and all(before.get(k) == facts.get(k) for k in same):
        return None
    revisions = list(before["revisions"]) if before is not None else []
    if before is not None:
        revisions.append(superseded(before, parent))
    return {
        **facts,
        "hour": str(version.hour.astype("datetime64[h]")),
        # a repair may have left one out of the list
        "revision": 1 if before is None else before["revision"] + 1,
        "seq": seq,
        "at": text_of(at),
        "digest": digest,
        "variables": dict(found),
        "revisions": revisions,
    }


def facts_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the caller said of a version: its manifest without what the store writes itself."""
    return {key: value for key, value in manifest.items() if key not in OWN}


def superseded(manifest: Mapping[str, Any], snapshot: str) -> dict[str, Any]:
    """Return the line of a version in the list of revisions of those after it."""
    return {**{k: manifest[k] for k in _KEPT if k in manifest}, "snapshot": snapshot}


def text_of(at: datetime) -> str:
    """Return a time as it stands in manifests and the journal, UTC.

    Raises
    ------
    StoreError
        When the time has no zone.
    """
    if at.tzinfo is None:
        raise StoreError("the time of a commit must have a zone", got=str(at), remedy="give UTC")
    return at.astimezone(UTC).isoformat(timespec="microseconds")
